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

/*
 * Numbers of the persons of whole-number keys, in which those that are NULL are
 * marked; PZ_SET_NO_ASK for these.
 */
static void
numbers_by_pages(PzSetView *view, const PzRowKeys *keys, int n, uint32 *nos)
{
	bool		others = keys->has_nulls;
	bool		levels = pg_atomic_read_u32(unconstify(pg_atomic_uint32 *, &view->kind->nlevels)) > 0;
	int			i;

	for (i = 0; i < n; i++)
	{
		int64		number = keys->numbers[i];
		/* also of a negative one: no page has that number */
		uint64		page = (uint64) number / PZ_DICT_PAGE;
		const PzViewPage *cached = &view->pages[page & view->mask];
		uint32		no = PZ_SET_NO_ASK;

		if (likely(cached->page == page + 1))
			no = pg_atomic_read_u32(&cached->no[number % PZ_DICT_PAGE]);
		if (unlikely(no == PZ_SET_NO_ASK || (levels && no == 0 && pz_dict_has_others(view->kind, number))))
		{
			no = PZ_SET_NO_ASK;
			others = true;
		}
		nos[i] = no;
	}
	/* what was not found there may be elsewhere */
	for (i = 0; i < n && others; i++)
	{
		if (keys->has_nulls && keys->nulls[i])
			nos[i] = PZ_SET_NO_ASK;
		else if (nos[i] == PZ_SET_NO_ASK)
			nos[i] = pz_set_number(view, (const char *) &keys->numbers[i], sizeof(int64));
	}
}

/* Numbers of the persons of other keys; PZ_SET_NO_ASK for those that are NULL. */
static void
numbers_by_tables(PzSetView *view, const PzRowKeys *keys, int n, uint32 *nos)
{
	static uint8 bytes[MaxHeapTuplesPerPage][PZ_SET_KEY_LEN];
	static uint32 places[MaxHeapTuplesPerPage];
	PzSetLine  *level[PZ_SET_LEVELS];
	uint32		nlevels = pg_atomic_read_u32(unconstify(pg_atomic_uint32 *, &view->kind->nlevels));
	bool		is_uuid = view->kind->key_type == PZ_KEY_UUID;
	int			i;
	int			k;

	pg_read_barrier();
	for (k = 0; k < (int) nlevels; k++)
		level[k] = dsa_get_address(view->area, view->kind->level[k]);
	for (i = 0; i < n; i++)
	{
		const PzRowKey *key = &keys->keys[i];

		nos[i] = key->bytes ? 0 : PZ_SET_NO_ASK;
		if (key->bytes == NULL || nlevels == 0)
			continue;
		if (is_uuid)
			memcpy(bytes[i], key->bytes, UUID_LEN);
		else
			pz_hash_128(view->set->seed, key->bytes, key->len, bytes[i]);
		places[i] = pz_dict_place(view->set, view->kind->key_type, bytes[i]);
		PZ_PREFETCH(&level[nlevels - 1][places[i] & view->kind->mask[nlevels - 1]]);
	}
	/* most are in the newest, which is as large as all others */
	for (k = (int) nlevels - 1; k >= 0; k--)
	{
		bool		missed = false;

		for (i = 0; i < n; i++)
		{
			pg_atomic_uint32 *found;

			if (nos[i] != 0)
				continue;
			found = pz_dict_find_in(level[k], view->kind->mask[k], places[i], bytes[i]);
			if (found)
				nos[i] = pg_atomic_read_u32(found);
			else if (k > 0)
			{
				PZ_PREFETCH(&level[k - 1][places[i] & view->kind->mask[k - 1]]);
				missed = true;
			}
		}
		if (!missed)
			break;
	}
}

/*
 * Ask for the rows of a page, n of them at most MaxHeapTuplesPerPage.  Returns how
 * many are not withheld, and sets for each of these the place among the rows, and
 * the number of the person; 0 where the ledger must be asked.
 */
int
pz_set_look_up_rows(PzSetView *view, const PzRowKeys *keys, int n, uint16 *rows, uint32 *nos)
{
	static uint32 all[MaxHeapTuplesPerPage];
	int			passing = 0;
	int			i;

	if (view->kind->key_type == PZ_KEY_INT)
		numbers_by_pages(view, keys, n, all);
	else
		numbers_by_tables(view, keys, n, all);

	/* who is new is marked before the number is to be found */
	pg_read_barrier();

	/*
	 * Without branches, which nobody could foretell: the bits of number 0 are never
	 * set.  Marks before bits: see consent_set.c, S3.
	 */
	for (i = 0; i < n && view->plane && view->none_is_no; i++)
	{
		uint32		no = all[i];
		PzViewChunk *chunk = pz_set_view_chunk(view, no);
		uint32		ask;
		uint32		yes;

		if (unlikely(chunk == NULL || chunk->row == NULL))
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
		rows[passing] = (uint16) i;
		nos[passing] = no & (ask - 1);
		passing += ask | yes;
	}

	/* of a built-in purpose there are no bits; of some others who said nothing may be permitted */
	for (; i < n; i++)
	{
		uint32		no = all[i];
		PzViewChunk *chunk = no == 0 ? NULL : pz_set_view_chunk(view, no);
		bool		ask = chunk == NULL || pz_set_has_bit(chunk->slow, no);

		pg_read_barrier();
		if (!ask && view->plane && !pz_set_has_bit(chunk->row, no))
			continue;
		rows[passing] = (uint16) i;
		nos[passing++] = ask ? 0 : no;
	}
	return passing;
}
