/*-------------------------------------------------------------------------
 *
 * consent_dict.c
 *	  Dictionaries of the consent set: from the key of a person to the number.
 *
 * Whole numbers that lie close together are places in pages.  All other keys
 * are 16 bytes: a uuid as it is, a text by a keyed hash of 128 bits, a whole
 * number filled up.  They stand in tables of lines as long as a cache line,
 * three keys each, found by a second keyed hash, line after line.  A full table
 * gets another of twice the size beside it: readers look into the newest first.
 *
 * Nothing is taken out.  Who takes a key away from a person puts
 * PZ_SET_NO_ASK in place of the number.
 *
 * Readers need no lock: a key is written before it is counted, and a number is
 * one word.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/uuid.h"

#include "consent_set.h"

#define PAGE_BITS	16
#define PAGE_KEYS	PZ_DICT_PAGE
#define PAGE_LIMIT	(INT64CONST(1) << 32)	/* keys in pages are less */
#define PAGES_FREE	4			/* pages that need not be filled */
#define PAGE_FILL	16			/* one in so many keys of a page must be there */
#define FIRST_LINES 256			/* of the first table; a power of two */
#define LINE_KEYS	lengthof(((PzSetLine *) NULL)->no)

/* Dictionary of a kind; NULL if the set has none. */
PzSetKind *
pz_dict_find_kind(PzSet *set, int32 kind_id)
{
	int			i;

	for (i = 0; i < set->nkinds; i++)
		if (set->kinds[i].kind_id == kind_id)
			return &set->kinds[i];
	return NULL;
}

/* The 16 bytes of a whole number. */
static inline void
number_key(int64 number, uint8 key[PZ_SET_KEY_LEN])
{
	memcpy(key, &number, sizeof(int64));
	memset(key + sizeof(int64), 0, PZ_SET_KEY_LEN - sizeof(int64));
}

/*
 * The 16 bytes for the canonical text of a key, as it stands in
 * personalize.subject.  False if it is none of that type.
 */
bool
pz_dict_key(const PzSet *set, PzKeyType key_type, const char *text, size_t len, uint8 key[PZ_SET_KEY_LEN])
{
	size_t		i;
	int			n = 0;

	switch (key_type)
	{
		case PZ_KEY_INT:
			{
				uint64		value = 0;
				size_t		start = len > 0 && text[0] == '-' ? 1 : 0;

				if (len == start || len - start > 19)
					return false;
				for (i = start; i < len; i++)
				{
					if (text[i] < '0' || text[i] > '9')
						return false;
					value = value * 10 + (uint64) (text[i] - '0');
				}
				if (value > (uint64) PG_INT64_MAX + start)
					return false;
				number_key(start ? (int64) (0 - value) : (int64) value, key);
				return true;
			}
		case PZ_KEY_UUID:
			if (len != 36)
				return false;
			for (i = 0; i < len; i++)
			{
				char		c = text[i];
				int			digit;

				if (i == 8 || i == 13 || i == 18 || i == 23)
				{
					if (c != '-')
						return false;
					continue;
				}
				if (c >= '0' && c <= '9')
					digit = c - '0';
				else if (c >= 'a' && c <= 'f')
					digit = c - 'a' + 10;
				else
					return false;
				if (n % 2 == 0)
					key[n / 2] = (uint8) (digit << 4);
				else
					key[n / 2] |= (uint8) digit;
				n++;
			}
			return true;
		case PZ_KEY_TEXT:
			pz_hash_128(set->seed, text, len, key);
			return true;
		case PZ_KEY_UNSET:
			break;
	}
	return false;
}

/* The number of a key in the tables, NULL if it is not there. */
static pg_atomic_uint32 *
find_in_levels(const PzSet *set, dsa_area *area, const PzSetKind *kind, const uint8 key[PZ_SET_KEY_LEN])
{
	uint32		n = pg_atomic_read_u32(unconstify(pg_atomic_uint32 *, &kind->nlevels));
	uint32		place = n > 0 ? pz_dict_place(set, kind->key_type, key) : 0;

	pg_read_barrier();
	while (n-- > 0)
	{
		pg_atomic_uint32 *found = pz_dict_find_in(dsa_get_address(area, kind->level[n]), kind->mask[n], place, key);

		if (found)
			return found;
	}
	return NULL;
}

/* The page of a whole number; NULL if it has none. */
pg_atomic_uint32 *
pz_dict_page(dsa_area *area, const PzSetKind *kind, int64 number)
{
	pg_atomic_uint64 *directory;
	dsa_pointer p;

	if (number < 0 || number >= PAGE_LIMIT || !DsaPointerIsValid(kind->directory))
		return NULL;
	directory = dsa_get_address(area, kind->directory);
	p = (dsa_pointer) pg_atomic_read_u64(&directory[number >> PAGE_BITS]);
	return DsaPointerIsValid(p) ? dsa_get_address(area, p) : NULL;
}

/*
 * Number of the person with a key, whose bytes are as in the row; 0 if there is
 * none, PZ_SET_NO_ASK if the ledger must be asked.
 */
uint32
pz_dict_get(const PzSet *set, dsa_area *area, const PzSetKind *kind, const char *bytes, uint32 len)
{
	uint8		key[PZ_SET_KEY_LEN];
	pg_atomic_uint32 *found;

	switch (kind->key_type)
	{
		case PZ_KEY_INT:
			{
				int64		number;
				pg_atomic_uint32 *page;

				memcpy(&number, bytes, sizeof(int64));
				page = pz_dict_page(area, kind, number);
				if (page)
				{
					uint32		no = pg_atomic_read_u32(&page[number % PAGE_KEYS]);

					if (no != 0)
						return no;
				}
				number_key(number, key);
			}
			break;
		case PZ_KEY_UUID:
			memcpy(key, bytes, UUID_LEN);
			break;
		case PZ_KEY_TEXT:
			pz_hash_128(set->seed, bytes, len, key);
			break;
		case PZ_KEY_UNSET:
			return PZ_SET_NO_ASK;
	}
	found = find_in_levels(set, area, kind, key);
	return found ? pg_atomic_read_u32(found) : 0;
}

/* Make another table with room for nkeys.  Under the lock. */
static bool
add_level(PzSet *set, dsa_area *area, PzSetKind *kind, uint64 nkeys)
{
	uint32		n = pg_atomic_read_u32(&kind->nlevels);
	uint64		lines = FIRST_LINES;

	while (lines * LINE_KEYS * 3 / 4 < nkeys)
		lines *= 2;
	if (n == PZ_SET_LEVELS || lines > UINT64CONST(1) << 31)
		return false;
	kind->level[n] = pz_set_allocate(set, area, lines * sizeof(PzSetLine));
	if (!DsaPointerIsValid(kind->level[n]))
		return false;
	kind->mask[n] = (uint32) (lines - 1);
	kind->nkeys[n] = 0;
	pg_write_barrier();
	pg_atomic_write_u32(&kind->nlevels, n + 1);
	return true;
}

/* A whole number will be in the tables: readers look for it there from now on.  Under the lock. */
static void
widen_others(PzSetKind *kind, int64 number)
{
	bool		first = pg_atomic_read_u32(&kind->nlevels) == 0 || kind->nkeys[0] == 0;

	if (first || number < (int64) pg_atomic_read_u64(&kind->others_from))
		pg_atomic_write_u64(&kind->others_from, (uint64) number);
	if (first || number > (int64) pg_atomic_read_u64(&kind->others_to))
		pg_atomic_write_u64(&kind->others_to, (uint64) number);
	pg_write_barrier();
}

/* Put a key into the tables.  Under the lock. */
static bool
put_in_levels(PzSet *set, dsa_area *area, PzSetKind *kind, const uint8 key[PZ_SET_KEY_LEN], uint32 no)
{
	pg_atomic_uint32 *found = find_in_levels(set, area, kind, key);
	uint32		n = pg_atomic_read_u32(&kind->nlevels);
	PzSetLine  *lines;
	uint32		place;

	if (found)
	{
		pg_atomic_write_u32(found, no);
		return true;
	}
	if (n == 0 || kind->nkeys[n - 1] >= ((uint64) kind->mask[n - 1] + 1) * LINE_KEYS * 3 / 4)
	{
		if (!add_level(set, area, kind, n == 0 ? 1 : kind->nkeys[n - 1] * 2))
			return false;
		n++;
	}
	lines = dsa_get_address(area, kind->level[n - 1]);
	for (place = pz_dict_place(set, kind->key_type, key);; place++)
	{
		PzSetLine  *line = &lines[place & kind->mask[n - 1]];
		uint32		used = pg_atomic_read_u32(&line->used);

		if (used == LINE_KEYS)
			continue;
		memcpy(line->key[used], key, PZ_SET_KEY_LEN);
		pg_atomic_write_u32(&line->no[used], no);
		pg_write_barrier();
		pg_atomic_write_u32(&line->used, used + 1);
		kind->nkeys[n - 1]++;
		return true;
	}
}

/* The page for a whole number, made if there is memory.  Under the lock, or while loading. */
static pg_atomic_uint32 *
make_page(PzSet *set, dsa_area *area, PzSetKind *kind, int64 number)
{
	pg_atomic_uint64 *directory;
	dsa_pointer p;

	if (!DsaPointerIsValid(kind->directory))
	{
		p = pz_set_allocate(set, area, (PAGE_LIMIT >> PAGE_BITS) * sizeof(uint64));
		if (!DsaPointerIsValid(p))
			return NULL;
		pg_write_barrier();
		kind->directory = p;
	}
	directory = dsa_get_address(area, kind->directory);
	p = pz_set_allocate(set, area, PAGE_KEYS * sizeof(uint32));
	if (!DsaPointerIsValid(p))
		return NULL;
	pg_write_barrier();
	pg_atomic_write_u64(&directory[number >> PAGE_BITS], (uint64) p);
	kind->npages++;
	return dsa_get_address(area, p);
}

/* Are the pages there are full enough for another one? */
static bool
is_worth_a_page(const PzSetKind *kind)
{
	return kind->npages < PAGES_FREE ||
		(uint64) (kind->npages - PAGES_FREE + 1) * (PAGE_KEYS / PAGE_FILL) <= kind->ndirect;
}

/*
 * A key will be put into the dictionary of a kind: count it.
 */
void
pz_dict_expect(PzDictPlan *plan, PzKeyType key_type, const uint8 key[PZ_SET_KEY_LEN])
{
	int64		number;

	plan->nkeys++;
	if (key_type != PZ_KEY_INT)
		return;
	memcpy(&number, key, sizeof(int64));
	if (number < 0 || number >= PAGE_LIMIT)
		return;
	if (plan->pages == NULL)
		plan->pages = palloc0((PAGE_LIMIT >> PAGE_BITS) * sizeof(uint32));
	plan->pages[number >> PAGE_BITS]++;
}

/*
 * Make room for the keys that were counted, in an empty dictionary.  False if
 * there is no memory for it.
 */
bool
pz_dict_prepare(PzSet *set, dsa_area *area, PzSetKind *kind, PzDictPlan *plan)
{
	uint64		left = plan->nkeys;
	int64		i;

	for (i = 0; plan->pages && i < PAGE_LIMIT >> PAGE_BITS; i++)
	{
		if (plan->pages[i] < PAGE_KEYS / PAGE_FILL)
			continue;
		if (make_page(set, area, kind, i << PAGE_BITS) == NULL)
			return false;
		left -= plan->pages[i];
	}
	if (plan->pages)
		pfree(plan->pages);
	plan->pages = NULL;
	return left == 0 || add_level(set, area, kind, left);
}

/*
 * Give back a dictionary that nobody reads any more.
 */
void
pz_dict_free(dsa_area *area, PzSetKind *kind)
{
	uint32		n = pg_atomic_read_u32(&kind->nlevels);
	int64		i;

	while (n-- > 0)
		dsa_free(area, kind->level[n]);
	if (DsaPointerIsValid(kind->directory))
	{
		pg_atomic_uint64 *directory = dsa_get_address(area, kind->directory);

		for (i = 0; i < PAGE_LIMIT >> PAGE_BITS; i++)
		{
			dsa_pointer p = (dsa_pointer) pg_atomic_read_u64(&directory[i]);

			if (DsaPointerIsValid(p))
				dsa_free(area, p);
		}
		dsa_free(area, kind->directory);
	}
}

/*
 * Say whose number a key leads to from now on.  False if there is no memory.
 */
bool
pz_dict_put(PzDatabase *db, PzSet *set, dsa_area *area, PzSetKind *kind,
			const uint8 key[PZ_SET_KEY_LEN], uint32 no)
{
	pg_atomic_uint32 *page = NULL;
	int64		number = 0;
	bool		done = true;

	LWLockAcquire(&db->set_dictionary, LW_EXCLUSIVE);
	if (kind->key_type == PZ_KEY_INT)
	{
		memcpy(&number, key, sizeof(int64));
		page = pz_dict_page(area, kind, number);
		/* a key that is in a table already stays there */
		if (page == NULL && number >= 0 && number < PAGE_LIMIT && is_worth_a_page(kind) &&
			find_in_levels(set, area, kind, key) == NULL)
			page = make_page(set, area, kind, number);
		if (page && pg_atomic_read_u32(&page[number % PAGE_KEYS]) == 0)
		{
			if (find_in_levels(set, area, kind, key) != NULL)
				page = NULL;
			else
				kind->ndirect++;
		}
	}
	if (page)
		pg_atomic_write_u32(&page[number % PAGE_KEYS], no);
	else
	{
		if (kind->key_type == PZ_KEY_INT)
			widen_others(kind, number);
		done = put_in_levels(set, area, kind, key, no);
	}
	LWLockRelease(&db->set_dictionary);
	return done;
}
