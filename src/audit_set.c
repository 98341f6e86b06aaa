/*-------------------------------------------------------------------------
 *
 * audit_set.c
 *	  Packed sets of subject numbers.
 *
 * A chunk of up to PZ_SET_NUMBERS numbers is a byte that says how, and then whichever is
 * the shortest: the sorted members as 16-bit numbers, high byte first ('A'), the
 * distances of each from the one before as 7-bit groups, low ones first ('D'),
 * or a bitmap ('B').  The form does not depend on the machine.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "audit_set.h"
#include "compat.h"

#define PZ_SET_ARRAY	'A'
#define PZ_SET_BITMAP	'B'
#define PZ_SET_DISTANCES 'D'
#define PZ_SET_BYTES	(PZ_SET_NUMBERS / 8)	/* of a bitmap */

/* Bytes of a distance. */
static int
distance_size(int distance)
{
	return distance < 0x80 ? 1 : distance < 0x4000 ? 2 : 3;
}

/*
 * The distance at *at, which is moved behind it; errors if it does not end
 * before end.
 */
static int
read_distance(const uint8 **at, const uint8 *end)
{
	int			distance = 0;
	int			shift;

	for (shift = 0; shift < 21 && *at < end; shift += 7)
	{
		uint8		byte = *(*at)++;

		distance |= (byte & 0x7f) << shift;
		if ((byte & 0x80) == 0)
			return distance;
	}
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("a set of subject numbers is damaged")));
	return 0;					/* keep the compiler quiet */
}

/* A member that was computed; errors if it is none. */
static int
check_member(int member)
{
	if (member >= PZ_SET_NUMBERS)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("a set of subject numbers is damaged")));
	return member;
}

/*
 * Pack n sorted, distinct members, in the current memory context.
 */
bytea *
pz_set_pack(const uint16 *members, int n)
{
	int			distances = 0;
	int			previous = -1;
	char		form;
	size_t		size;
	bytea	   *set;
	uint8	   *bytes;
	int			i;

	for (i = 0; i < n; i++)
	{
		distances += distance_size(members[i] - previous - 1);
		previous = members[i];
	}
	/* of two that are as short, the one that is quicker to look into */
	if (n <= PZ_SET_BYTES / 2 && n * 2 <= distances)
		form = PZ_SET_ARRAY, size = n * 2;
	else if (distances < PZ_SET_BYTES)
		form = PZ_SET_DISTANCES, size = distances;
	else
		form = PZ_SET_BITMAP, size = PZ_SET_BYTES;

	set = palloc0(VARHDRSZ + 1 + size);
	SET_VARSIZE(set, VARHDRSZ + 1 + size);
	bytes = (uint8 *) VARDATA(set);
	*bytes++ = (uint8) form;
	previous = -1;
	for (i = 0; i < n; i++)
	{
		int			distance = members[i] - previous - 1;

		switch (form)
		{
			case PZ_SET_ARRAY:
				*bytes++ = (uint8) (members[i] >> 8);
				*bytes++ = (uint8) members[i];
				break;
			case PZ_SET_DISTANCES:
				for (; distance >= 0x80; distance >>= 7)
					*bytes++ = (uint8) (distance | 0x80);
				*bytes++ = (uint8) distance;
				break;
			default:
				bytes[members[i] >> 3] |= (uint8) (1 << (members[i] & 7));
		}
		previous = members[i];
	}
	return set;
}

/*
 * Check the form of a set; errors if it is damaged.  Returns the number of
 * bytes after the first.
 */
static int
pz_set_check(const bytea *set)
{
	int			size = (int) VARSIZE_ANY_EXHDR(set) - 1;
	char		form = size >= 0 ? VARDATA_ANY(set)[0] : '\0';

	if (!((form == PZ_SET_ARRAY && size % 2 == 0 && size <= PZ_SET_BYTES) ||
		  (form == PZ_SET_DISTANCES && size <= PZ_SET_BYTES) ||
		  (form == PZ_SET_BITMAP && size == PZ_SET_BYTES)))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("a set of subject numbers is damaged")));
	return size;
}

/*
 * Write the members of a set, in order, to an array with room for PZ_SET_NUMBERS.
 * Returns how many there are.  Errors if the set is damaged.
 */
int
pz_set_unpack(const bytea *set, uint16 *members)
{
	int			size = pz_set_check(set);
	const uint8 *bytes = (const uint8 *) VARDATA_ANY(set) + 1;
	int			n = 0;
	int			i;

	if (bytes[-1] == PZ_SET_ARRAY)
	{
		for (i = 0; i < size; i += 2)
			members[n++] = (uint16) check_member((bytes[i] << 8) | bytes[i + 1]);
		return n;
	}
	if (bytes[-1] == PZ_SET_DISTANCES)
	{
		const uint8 *end = bytes + size;
		int			member = -1;

		while (bytes < end)
		{
			member += read_distance(&bytes, end) + 1;
			members[n++] = (uint16) check_member(member);
		}
		return n;
	}
	for (i = 0; i < PZ_SET_BYTES * 8; i++)
	{
		if (bytes[i >> 3] & (1 << (i & 7)))
			members[n++] = (uint16) i;
	}
	return n;
}

/*
 * Is a number a member of a set?  Errors if the set is damaged.
 */
bool
pz_set_has(const bytea *set, uint16 member)
{
	int			size = pz_set_check(set);
	const uint8 *bytes = (const uint8 *) VARDATA_ANY(set) + 1;
	int			low = 0;
	int			high = size / 2 - 1;

	if (bytes[-1] == PZ_SET_DISTANCES)
	{
		const uint8 *end = bytes + size;
		int			at = -1;

		while (bytes < end && at < member)
			at += read_distance(&bytes, end) + 1;
		return at == member;
	}
	if (bytes[-1] == PZ_SET_BITMAP)
		return (bytes[member >> 3] & (1 << (member & 7))) != 0;
	while (low <= high)
	{
		int			middle = (low + high) / 2;
		uint16		value = (uint16) ((bytes[2 * middle] << 8) | bytes[2 * middle + 1]);

		if (value == member)
			return true;
		if (value < member)
			low = middle + 1;
		else
			high = middle - 1;
	}
	return false;
}
