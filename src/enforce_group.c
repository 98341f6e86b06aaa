/*-------------------------------------------------------------------------
 *
 * enforce_group.c
 *	  The subjects of each group of a grouped level, while its row may still
 *	  reach a tap.
 *
 * A group is known by its number, from 1 on, which travels through the query
 * in place of a key.  Its keys point into the memos of the statement's checks.
 *
 * Groups take no more memory than a hash table may (work_mem times
 * hash_mem_multiplier).  When that is used up, the subjects of all groups are
 * noted at once, and those that come after as they come: whoever may be
 * delivered is on record, and the record says that it is bounded.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
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
	uint32		n;
	uint32		space;			/* of list; 0: the only member stands here */
	bool		noted;
	union
	{
		Member		one;
		Member	   *list;
	}			members;
};

/* The members of a group */
static Member *
members_of(PzGroup *group)
{
	return group->space == 0 ? &group->members.one : group->members.list;
}

/* Order of members: by where the memo keeps their keys, so that the same come together. */
static int
compare_members(const void *a, const void *b)
{
	uintptr_t	x = (uintptr_t) ((const Member *) a)->key.bytes;
	uintptr_t	y = (uintptr_t) ((const Member *) b)->key.bytes;

	return (x > y) - (x < y);
}

/* Leave each member of a list once. */
static void
make_distinct(PzGroup *group)
{
	Member	   *list = group->members.list;
	uint32		n = 0;
	uint32		i;

	qsort(list, group->n, sizeof(Member), compare_members);
	for (i = 1; i < group->n; i++)
		if (list[i].key.bytes != list[n].key.bytes)
			list[++n] = list[i];
	group->n = n + 1;
}

/* The group of a number; NULL if there is none. */
static PzGroup *
find_group(PzRunning *running, int64 number)
{
	return number > 0 && (uint64) number <= running->ngroups ? &running->groups[number - 1] : NULL;
}

/*
 * May groups take this much memory more?  If not, the subjects of all are
 * noted, and there are no groups from then on.
 */
static bool
may_take(PzRunning *running, uint64 bytes)
{
	uint64		i;

	if (running->groups_full)
		return false;
	if (running->group_bytes + bytes <= get_hash_memory_limit())
	{
		running->group_bytes += bytes;
		return true;
	}
	running->groups_full = true;
	for (i = 1; i <= running->ngroups; i++)
		pz_check_note_group(running, (int64) i);
	return false;
}

/* A new group; returns its number, 0 if there is no memory for it. */
static int64
new_group(PzRunning *running)
{
	if (running->ngroups == running->group_space)
	{
		uint64		space = Max(16, running->group_space * 2);

		if (!may_take(running, (space - running->group_space) * sizeof(PzGroup)))
			return 0;
		if (running->groups == NULL)
			running->groups = MemoryContextAlloc(running->mcxt, space * sizeof(PzGroup));
		else
			running->groups = repalloc_huge(running->groups, space * sizeof(PzGroup));
		running->group_space = space;
	}
	memset(&running->groups[running->ngroups], 0, sizeof(PzGroup));
	return (int64) ++running->ngroups;
}

/* Make room for one more member of a group; false if there is no memory for it. */
static bool
make_room(PzRunning *running, PzGroup *group)
{
	uint32		space = group->space == 0 ? 4 : group->space * 2;
	Member	   *list;

	if (group->space > 0 ? group->n < group->space : group->n == 0)
		return true;
	if (group->space > 0)
	{
		make_distinct(group);
		if (group->n * 2 <= group->space)
			return true;
	}
	/* doubled at most to UINT32_MAX members, which is beyond any memory limit */
	if (!may_take(running, (uint64) (space - group->space) * sizeof(Member)))
		return false;
	if (group->space == 0)
	{
		list = MemoryContextAlloc(running->mcxt, space * sizeof(Member));
		list[0] = group->members.one;
	}
	else
		list = repalloc_huge(group->members.list, space * sizeof(Member));
	group->members.list = list;
	group->space = space;
	return true;
}

/*
 * Add a subject to a group (0: make one), or note it if there is no memory;
 * returns the number of the group, 0 if there is none.
 */
static int64
add_member(PzRunning *running, int64 number, const Member *member)
{
	PzGroup    *group;

	if (!running->groups_full && find_group(running, number) == NULL)
		number = new_group(running);
	group = find_group(running, number);
	if (!running->groups_full && group->n > 0 && members_of(group)[group->n - 1].key.bytes == member->key.bytes)
		return number;
	if (running->groups_full || !make_room(running, group))
	{
		pz_check_note_key(member->check, &member->key);
		return number;
	}
	members_of(group)[group->n++] = *member;
	group->noted = false;
	return number;
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
	return add_member(running, number, &member);
}

/*
 * Add the subjects of another group to a group (0: make one); returns the
 * group's number.
 */
int64
pz_check_group_merge(PzRunning *running, int64 number, int64 other)
{
	uint32		i;

	if (other == number)
		return number;
	for (i = 0; find_group(running, other) && i < find_group(running, other)->n; i++)
	{
		/* a copy: the array of groups may move */
		Member		member = members_of(find_group(running, other))[i];

		if ((i & 1023) == 1023)
			CHECK_FOR_INTERRUPTS();
		number = add_member(running, number, &member);
	}
	return number;
}

/* Note the subjects of a group. */
void
pz_check_note_group(PzRunning *running, int64 number)
{
	PzGroup    *group = find_group(running, number);
	uint32		i;

	if (group == NULL || group->noted)
		return;
	for (i = 0; i < group->n; i++)
	{
		if ((i & 1023) == 1023)
			CHECK_FOR_INTERRUPTS();
		pz_check_note_key(members_of(group)[i].check, &members_of(group)[i].key);
	}
	group->noted = true;
}
