/*-------------------------------------------------------------------------
 *
 * consent_batch.c
 *	  Ask the consent set for all rows of a page at once.
 *
 * Row by row each look waits for memory: the dictionary, the marks, the bits.
 * Asked one after the other without anything between them, the processor waits
 * for many at the same time.  So each step is done for all rows before the next.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "utils/uuid.h"

#include "consent_set.h"

#if defined(__GNUC__) || defined(__clang__)
#define PREFETCH(p) __builtin_prefetch(p)
#else
#define PREFETCH(p) ((void) 0)
#endif

/* Numbers of the persons of whole-number keys. */
static void
numbers_by_pages(PzSetView *view, const PzRowKey *keys, int n, uint32 *nos)
{
	bool		others = false;
	bool		levels = pg_atomic_read_u32(unconstify(pg_atomic_uint32 *, &view->kind->nlevels)) > 0;
	int			i;

	for (i = 0; i < n; i++)
	{
		int64		number;
		uint32		page;
		PzViewPage *cached;

		nos[i] = 0;
		if (keys[i].bytes == NULL)
			continue;
		memcpy(&number, keys[i].bytes, sizeof(int64));
		page = (uint32) ((uint64) number / PZ_DICT_PAGE);
		cached = &view->pages[page % PZ_VIEW_CACHE];
		if (number >= 0 && number < (int64) PZ_DICT_PAGE << 16 && cached->page == page + 1)
			nos[i] = pg_atomic_read_u32(&cached->no[number % PZ_DICT_PAGE]);
		else
			nos[i] = PZ_SET_NO_ASK;
		if (nos[i] == PZ_SET_NO_ASK || (levels && nos[i] == 0 && pz_dict_has_others(view->kind, number)))
		{
			nos[i] = PZ_SET_NO_ASK;
			others = true;
		}
	}
	/* what was not found there may be elsewhere */
	for (i = 0; i < n && others; i++)
		if (nos[i] == PZ_SET_NO_ASK)
			nos[i] = pz_set_number(view, keys[i].bytes, keys[i].len);
}

/* Numbers of the persons of other keys. */
static void
numbers_by_tables(PzSetView *view, const PzRowKey *keys, int n, uint32 *nos)
{
	static uint8 bytes[MaxHeapTuplesPerPage][PZ_SET_KEY_LEN];
	static uint32 places[MaxHeapTuplesPerPage];
	uint32		levels = pg_atomic_read_u32(unconstify(pg_atomic_uint32 *, &view->kind->nlevels));
	PzSetLine  *newest;
	uint32		mask;
	int			i;

	if (levels == 0)
	{
		memset(nos, 0, n * sizeof(uint32));
		return;
	}
	pg_read_barrier();
	newest = dsa_get_address(view->area, view->kind->level[levels - 1]);
	mask = view->kind->mask[levels - 1];
	for (i = 0; i < n; i++)
	{
		if (keys[i].bytes == NULL)
			continue;
		if (view->kind->key_type == PZ_KEY_UUID)
			memcpy(bytes[i], keys[i].bytes, UUID_LEN);
		else
			pz_hash_128(view->set->seed, keys[i].bytes, keys[i].len, bytes[i]);
		places[i] = pz_dict_place(view->set, bytes[i]);
		PREFETCH(&newest[places[i] & mask]);
	}
	for (i = 0; i < n; i++)
	{
		pg_atomic_uint32 *found = keys[i].bytes ? pz_dict_find(view->set, view->area, view->kind, bytes[i], places[i]) : NULL;

		nos[i] = found ? pg_atomic_read_u32(found) : 0;
	}
}

/*
 * Ask for the rows of a page, n of them at most MaxHeapTuplesPerPage: the number
 * of each person, and what the set says (PzSetAnswer) of the row.  PZ_SET_ASK
 * also for rows without a key.
 */
void
pz_set_look_up_rows(PzSetView *view, const PzRowKey *keys, int n, uint32 *nos, uint8 *answers)
{
	int			i;

	if (view->kind->key_type == PZ_KEY_INT)
		numbers_by_pages(view, keys, n, nos);
	else
		numbers_by_tables(view, keys, n, nos);

	/* who is new is marked before the number is to be found */
	pg_read_barrier();

	/*
	 * Without branches, which nobody could foretell: the bits of number 0 are never
	 * set.  Marks before bits: see consent_set.c, S3.
	 */
	for (i = 0; i < n; i++)
	{
		uint32		no = nos[i];
		PzViewChunk *chunk = pz_set_view_chunk(view, no);
		uint32		ask;
		uint32		yes;

		if (chunk == NULL || chunk->row == NULL)
		{
			ask = chunk == NULL || pz_set_has_bit(chunk->slow, no);
			yes = 0;
		}
		else
		{
			ask = (uint32) (pg_atomic_read_u64(&chunk->slow[(no % PZ_SET_CHUNK) / 64]) >> (no % 64)) & 1;
			pg_read_barrier();
			yes = (uint32) (pg_atomic_read_u64(&chunk->row[(no % PZ_SET_CHUNK) / 64]) >> (no % 64)) & 1;
		}
		answers[i] = (uint8) ((PZ_SET_NO + yes) & (ask - 1));
	}
	StaticAssertStmt(PZ_SET_ASK == 0 && PZ_SET_YES == PZ_SET_NO + 1, "answers are computed");

	/* of a built-in purpose there are no bits: everybody is permitted */
	for (i = 0; i < n && view->plane == NULL; i++)
		if (answers[i] == PZ_SET_NO && nos[i] != 0)
			answers[i] = PZ_SET_YES;
	for (i = 0; i < n && !view->none_is_no; i++)
		if (nos[i] == 0)
			answers[i] = PZ_SET_ASK;
	for (i = 0; i < n; i++)
		if (keys[i].bytes == NULL)
			answers[i] = PZ_SET_ASK;
}
