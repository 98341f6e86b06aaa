/*-------------------------------------------------------------------------
 *
 * audit_set.c
 *	  Packed sets of subject numbers.
 *
 * A chunk of up to 65536 numbers is a byte that says how, and then either the
 * sorted members as 16-bit numbers, high byte first ('A'), or a bitmap of
 * 8 kB ('B'), whichever is shorter.  The form does not depend on the machine.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "audit_set.h"
#include "compat.h"

#define PZ_SET_ARRAY	'A'
#define PZ_SET_BITMAP	'B'
#define PZ_SET_BYTES	8192	/* of a bitmap */
#define PZ_SET_ARRAY_MAX (PZ_SET_BYTES / 2) /* members in an array */

/*
 * Pack n sorted, distinct members, in the current memory context.
 */
bytea *
pz_set_pack(const uint16 *members, int n)
{
	size_t		size = 1 + (n <= PZ_SET_ARRAY_MAX ? n * 2 : PZ_SET_BYTES);
	bytea	   *set = palloc0(VARHDRSZ + size);
	uint8	   *bytes = (uint8 *) VARDATA(set);
	int			i;

	SET_VARSIZE(set, VARHDRSZ + size);
	*bytes++ = n <= PZ_SET_ARRAY_MAX ? PZ_SET_ARRAY : PZ_SET_BITMAP;
	for (i = 0; i < n; i++)
	{
		if (n <= PZ_SET_ARRAY_MAX)
		{
			bytes[2 * i] = (uint8) (members[i] >> 8);
			bytes[2 * i + 1] = (uint8) members[i];
		}
		else
			bytes[members[i] >> 3] |= (uint8) (1 << (members[i] & 7));
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
		  (form == PZ_SET_BITMAP && size == PZ_SET_BYTES)))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("a set of subject numbers is damaged")));
	return size;
}

/*
 * Write the members of a set, in order, to an array with room for 65536.
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
			members[n++] = (uint16) ((bytes[i] << 8) | bytes[i + 1]);
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
