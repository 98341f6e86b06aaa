/*-------------------------------------------------------------------------
 *
 * enforce_group.c
 *	  The subjects of each group of a grouped level, while its row may still
 *	  reach a tap.
 *
 * A group is known by its number, from 1 on, which travels through the query
 * in place of a key.  Its keys point into the memos of the statement's checks.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "enforce.h"

/* A subject of a group */
typedef struct Member
{
	PzCheck    *check;
	PzMemoKey	key;
} Member;

struct PzGroup
{
	uint64		n;
	uint64		space;
	Member	   *members;
};

/* Order of members: by where the memo keeps their keys, so that the same come together. */
static int
compare_members(const void *a, const void *b)
{
	uintptr_t	x = (uintptr_t) ((const Member *) a)->key.bytes;
	uintptr_t	y = (uintptr_t) ((const Member *) b)->key.bytes;

	return (x > y) - (x < y);
}

/* Leave each member of a group once. */
static void
make_distinct(PzGroup *group)
{
	uint64		n = 0;
	uint64		i;

	if (group->n < 2)
		return;
	qsort(group->members, group->n, sizeof(Member), compare_members);
	for (i = 1; i < group->n; i++)
		if (group->members[i].key.bytes != group->members[n].key.bytes)
			group->members[++n] = group->members[i];
	group->n = n + 1;
}

/* A new group; returns its number. */
static int64
new_group(PzRunning *running)
{
	if (running->ngroups == running->group_space)
	{
		uint64		space = Max(16, running->group_space * 2);

		if (running->groups == NULL)
			running->groups = MemoryContextAlloc(running->mcxt, space * sizeof(PzGroup));
		else
			running->groups = repalloc_huge(running->groups, space * sizeof(PzGroup));
		running->group_space = space;
	}
	memset(&running->groups[running->ngroups], 0, sizeof(PzGroup));
	return (int64) ++running->ngroups;
}

/* Add a member to a group. */
static void
add_member(PzRunning *running, PzGroup *group, const Member *member)
{
	if (group->n > 0 && group->members[group->n - 1].key.bytes == member->key.bytes)
		return;
	if (group->n == group->space)
	{
		make_distinct(group);
		if (group->n * 2 > group->space || group->space == 0)
		{
			group->space = Max(4, group->space * 2);
			if (group->members == NULL)
				group->members = MemoryContextAlloc(running->mcxt, group->space * sizeof(Member));
			else
				group->members = repalloc_huge(group->members, group->space * sizeof(Member));
		}
	}
	group->members[group->n++] = *member;
}

/* The group of a number; NULL if there is none. */
static PzGroup *
find_group(PzRunning *running, int64 number)
{
	return number > 0 && (uint64) number <= running->ngroups ? &running->groups[number - 1] : NULL;
}

/*
 * Add the subject of a row to a group (0: make one); returns the group's
 * number.
 */
int64
pz_check_group_add(PzRunning *running, int64 number, PzCheck *check, Datum key)
{
	Member		member;

	if (!pz_check_find_key(check, running, key, &member.key))
		return number;
	member.check = check;
	if (find_group(running, number) == NULL)
		number = new_group(running);
	add_member(running, find_group(running, number), &member);
	return number;
}

/*
 * Add the subjects of another group to a group (0: make one); returns the
 * group's number.
 */
int64
pz_check_group_merge(PzRunning *running, int64 number, int64 other)
{
	uint64		i;

	if (find_group(running, other) == NULL)
		return number;
	if (find_group(running, number) == NULL)
		number = new_group(running);
	for (i = 0; i < find_group(running, other)->n; i++)
		add_member(running, find_group(running, number), &find_group(running, other)->members[i]);
	return number;
}

/* Note the subjects of a group. */
void
pz_check_note_group(PzRunning *running, int64 number)
{
	PzGroup    *group = find_group(running, number);
	uint64		i;

	for (i = 0; group && i < group->n; i++)
		pz_check_note_key(group->members[i].check, &group->members[i].key);
}
