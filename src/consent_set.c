/*-------------------------------------------------------------------------
 *
 * consent_set.c
 *	  The consent set: what the ledger says, in shared memory, as one bit for
 *	  each person and purpose.
 *
 * The ledger is the truth.  The set holds what it said of a person at a time
 * when every snapshot in use agreed; of everybody else it says "ask the ledger",
 * and then the index is asked, under the snapshot of the statement, as if there
 * were no set.  So the set need not know versions:
 *
 * S1	Whoever changes what is said of a person marks that person before his
 *		transaction ends (triggers on the ledger, consent_mark.c).  A snapshot
 *		that sees the transaction as over was taken after the mark.
 * S2	A mark is taken away (consent_fold.c) when no snapshot and no transaction
 *		of the database is as old as the newest transaction that set it: all see
 *		it as over, so all see the same, which is then in the bits.
 * S3	Bits are written before the mark is taken away, and read after the mark
 *		was looked at.
 * S4	What a statement has begun to read stays until every snapshot is gone
 *		that was there when it was taken out of use.
 * S5	A statement whose snapshot is older than the reading of the ledger from
 *		which the bits come does not use them (PzSetPlane.since).
 * S6	A consent that ends before PzSet.announced is marked; a statement does
 *		not use the set unless its clock is before PzSet.horizon.  The mark is
 *		taken away when no statement is left whose clock was before its end.
 * S7	Bits for a purpose are used only if the registry says of it what it said
 *		when they were made (pz_set_signature).
 *
 * Only the consent worker loads, folds and frees, one thing at a time.  If
 * anything is in doubt (no memory, triggers switched off, DDL on the ledger),
 * the set is broken: no statement that starts later uses it, until the worker
 * has made another.  On a standby there is none.
 *
 * Locks: none to look up.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/uuid.h"

#include "compat.h"
#include "consent_set.h"
#include "guc.h"

/*
 * The memory area of a database's sets; NULL if there is none, and none is to
 * be made.  Stays attached as long as the process lives.  May error for lack
 * of memory.
 */
dsa_area *
pz_set_area(PzDatabase *db, bool create)
{
	static dsa_area *attached = NULL;
	static dsa_handle attached_handle = 0;
	MemoryContext old;
	dsa_handle	handle;

	LWLockAcquire(pz_shared->lock, LW_SHARED);
	handle = db->set_area;
	LWLockRelease(pz_shared->lock);
	if (attached != NULL && attached_handle == handle)
		return attached;
	if (attached != NULL || (handle == 0 && !create))
		return NULL;

	old = MemoryContextSwitchTo(TopMemoryContext);
	if (handle == 0)
	{
		attached = dsa_create(pz_shared->lock->tranche);
		dsa_pin(attached);
		handle = dsa_get_handle(attached);
		LWLockAcquire(pz_shared->lock, LW_EXCLUSIVE);
		db->set_area = handle;
		LWLockRelease(pz_shared->lock);
	}
	else
		attached = dsa_attach(handle);
	dsa_pin_mapping(attached);
	attached_handle = handle;
	MemoryContextSwitchTo(old);
	return attached;
}

/*
 * The set of a database as it is used now, NULL if there is none.
 */
PzSet *
pz_set_current(PzDatabase *db, dsa_area **area)
{
	dsa_pointer root = (dsa_pointer) pg_atomic_read_u64(&db->set_root);
	PzSet	   *set;

	if (!DsaPointerIsValid(root))
		return NULL;
	*area = pz_set_area(db, false);
	if (*area == NULL)
		return NULL;
	set = dsa_get_address(*area, root);
	return set->dbid == MyDatabaseId ? set : NULL;
}

/*
 * Memory for the set, zeroed; InvalidDsaPointer if there is none or the limit
 * is reached.  Never errors.
 */
dsa_pointer
pz_set_allocate(PzSet *set, dsa_area *area, Size size)
{
	uint64		limit = (uint64) pz_consent_memory * 1024;
	dsa_pointer p;

	if (pg_atomic_add_fetch_u64(&set->bytes, size) > limit)
	{
		pg_atomic_sub_fetch_u64(&set->bytes, size);
		return InvalidDsaPointer;
	}
	p = dsa_allocate_extended(area, size, DSA_ALLOC_HUGE | DSA_ALLOC_NO_OOM | DSA_ALLOC_ZERO);
	if (!DsaPointerIsValid(p))
		pg_atomic_sub_fetch_u64(&set->bytes, size);
	return p;
}

/*
 * The chunk of bits with a number; NULL if there is none, or (create) no memory
 * for it.  create: only by the consent worker.
 */
pg_atomic_uint64 *
pz_set_chunk(PzSet *set, dsa_area *area, PzSetBits bits, uint32 no, bool create)
{
	pg_atomic_uint64 *directory = dsa_get_address(area, bits);
	pg_atomic_uint64 *slot = &directory[no >> PZ_SET_CHUNK_BITS];
	dsa_pointer p = (dsa_pointer) pg_atomic_read_u64(slot);

	Assert((no >> PZ_SET_CHUNK_BITS) < set->nchunks);
	if (!DsaPointerIsValid(p) && create)
	{
		p = pz_set_allocate(set, area, PZ_SET_CHUNK / 8);
		pg_write_barrier();
		if (DsaPointerIsValid(p))
			pg_atomic_write_u64(slot, (uint64) p);
	}
	return DsaPointerIsValid(p) ? dsa_get_address(area, p) : NULL;
}

/*
 * Set or clear the bit of a number.  False if there is no memory.  Where its chunk
 * may have to be made (bits of planes): only by the consent worker.
 */
bool
pz_set_put_bit(PzSet *set, dsa_area *area, PzSetBits bits, uint32 no, bool value)
{
	pg_atomic_uint64 *words = pz_set_chunk(set, area, bits, no, value);
	uint64		mask = UINT64CONST(1) << (no % 64);

	if (words == NULL)
		return !value;
	words += (no % PZ_SET_CHUNK) / 64;
	if (value)
		pg_atomic_fetch_or_u64(words, mask);
	else
		pg_atomic_fetch_and_u64(words, ~mask);
	return true;
}

/*
 * Give back bits that nobody reads any more.
 */
void
pz_set_free_bits(dsa_area *area, PzSet *set, PzSetBits bits)
{
	pg_atomic_uint64 *directory;
	uint32		i;

	if (!DsaPointerIsValid(bits))
		return;
	directory = dsa_get_address(area, bits);
	for (i = 0; i < set->nchunks; i++)
	{
		dsa_pointer p = (dsa_pointer) pg_atomic_read_u64(&directory[i]);

		if (!DsaPointerIsValid(p))
			continue;
		dsa_free(area, p);
		pg_atomic_sub_fetch_u64(&set->bytes, PZ_SET_CHUNK / 8);
	}
	dsa_free(area, bits);
	pg_atomic_sub_fetch_u64(&set->bytes, set->nchunks * sizeof(uint64));
}

/*
 * The set is not to be trusted: take it out of use.  why is for the log.
 */
void
pz_set_break(PzDatabase *db, const char *why)
{
	if (pg_atomic_exchange_u32(&db->set_state, PZ_SET_NONE) == PZ_SET_NONE)
		return;
	ereport(LOG,
			(errmsg("personalize has taken the consent set of database %u out of use: %s", MyDatabaseId, why),
			 errhint("Consent is read from the ledger until the consent worker has made another.")));
	if (db->set_latch)
		SetLatch(db->set_latch);
}

/* Append what the registry says of a purpose, and of those it inherits from. */
static void
append_signature(StringInfo s, const PzPurpose *purpose, int depth)
{
	int			i;

	appendBinaryStringInfo(s, (char *) &purpose->purpose_id, sizeof(int32));
	appendStringInfoChar(s, (char) purpose->basis);
	appendStringInfoChar(s, (char) ((purpose->builtin ? 1 : 0) | (purpose->retired ? 2 : 0) |
									(purpose->special_basis ? 4 : 0)));
	appendBinaryStringInfo(s, (char *) &purpose->ncategories, sizeof(int));
	for (i = 0; i < purpose->ncategories; i++)
	{
		const PzCategory *category = pz_registry_category(purpose->categories[i]);

		appendBinaryStringInfo(s, (char *) &purpose->categories[i], sizeof(int32));
		appendStringInfoChar(s, (char) (category == NULL ? 4 :
										(category->special ? 1 : 0) | (category->partial ? 2 : 0)));
	}
	appendBinaryStringInfo(s, (char *) &purpose->nparents, sizeof(int));
	for (i = 0; i < purpose->nparents; i++)
	{
		const PzPurpose *parent = pz_registry_purpose(purpose->parents[i]);

		if (parent == NULL || depth == 0)
			appendStringInfoChar(s, '-');
		else
			append_signature(s, parent, depth - 1);
	}
}

/*
 * What the registry says of a purpose as far as a decision depends on it, in
 * the current memory context.
 */
StringInfo
pz_set_signature(const PzPurpose *purpose)
{
	StringInfo	s = makeStringInfo();

	append_signature(s, purpose, PZ_MAX_PARENTS);
	return s;
}

/* The bits for a purpose as it is defined now; NULL if there are none. */
static PzSetPlane *
find_plane(PzSet *set, dsa_area *area, const PzPurpose *purpose)
{
	int			i;

	for (i = 0; i < PZ_SET_PLANES; i++)
	{
		PzSetPlane *plane = pz_set_plane(set, area, i);

		if (plane && plane->purpose_id == purpose->purpose_id && pz_plane_is_current(area, plane, purpose))
			return plane;
	}
	return NULL;
}

/*
 * Has the own transaction changed the ledger, or is it about to?  Marks come only
 * after rows, and what it has written it must see at once.
 */
static bool
has_written(void)
{
	const PzOids *oids;
	LOCKTAG		tag;

	if (!TransactionIdIsValid(GetTopTransactionIdIfAny()))
		return false;
	oids = pz_registry_oids();
	SET_LOCKTAG_RELATION(tag, MyDatabaseId, oids->consent_event);
	if (pz_lock_held_compat(&tag, RowExclusiveLock))
		return true;
	SET_LOCKTAG_RELATION(tag, MyDatabaseId, oids->suppression);
	if (pz_lock_held_compat(&tag, RowExclusiveLock))
		return true;
	SET_LOCKTAG_RELATION(tag, MyDatabaseId, oids->subject);
	return pz_lock_held_compat(&tag, RowExclusiveLock);
}

/*
 * See which bits serve a statement: for a purpose, and subjects of a kind.  The
 * snapshot must be registered and stay so as long as the view is used; the clock
 * must be read after it was taken.  view is zeroed by the caller; where the set
 * cannot serve, view->set stays NULL.
 */
void
pz_set_view(PzSetView *view, const PzPurpose *purpose, int32 kind_id, PzKeyType key_type,
			Snapshot snapshot, TimestampTz clock)
{
	PzDatabase *db;
	PzSet	   *set;
	int			i;
	int			j;

	if (pz_consent_memory == 0 || purpose->retired || (db = pz_shmem_my_database()) == NULL ||
		pg_atomic_read_u32(&db->set_state) != PZ_SET_READY)
		return;
	pg_read_barrier();
	if (has_written())
		return;
	set = pz_set_current(db, &view->area);
	if (set == NULL || clock >= (TimestampTz) pg_atomic_read_u64(&set->horizon))
		return;
	view->kind = pz_dict_find_kind(set, kind_id);
	if (view->kind == NULL || view->kind->key_type != key_type)
		return;
	view->slow = dsa_get_address(view->area, set->slow);
	view->mask = PZ_VIEW_CACHE - 1;
	view->pages = view->first_pages;
	view->chunks = view->first_chunks;
	view->nplaces = 0;
	view->shared = PG_UINT64_MAX;
	if (purpose->builtin)
	{
		/* also for these a number must be there for everybody who looks */
		view->plane = NULL;
		view->none_is_no = false;
		if (!TransactionIdPrecedes(set->since, snapshot->xmin))
			return;
		view->set = set;
		return;
	}

	view->plane = find_plane(set, view->area, purpose);
	if (view->plane == NULL || !TransactionIdPrecedes(view->plane->since, snapshot->xmin))
		return;
	view->row = dsa_get_address(view->area, view->plane->row);
	view->none_is_no = purpose->basis == PZ_BASIS_CONSENT || purpose->basis == PZ_BASIS_EXPLICIT_CONSENT;
	for (i = 0; i < view->plane->ncategories; i++)
	{
		for (j = 0; j < purpose->ncategories; j++)
			if (purpose->categories[j] == view->plane->category[i])
			{
				view->place[view->nplaces] = j;
				view->cells[view->nplaces++] = dsa_get_address(view->area, view->plane->cells[i]);
				view->shared &= ~(UINT64CONST(1) << j);
			}
	}
	view->set = set;
}

/* A chunk of bits; NULL where there is none. */
static pg_atomic_uint64 *
chunk_of(const PzSetView *view, pg_atomic_uint64 *directory, uint32 chunk)
{
	dsa_pointer p = (dsa_pointer) pg_atomic_read_u64(&directory[chunk]);

	return DsaPointerIsValid(p) ? dsa_get_address(view->area, p) : NULL;
}

/*
 * An address had to go for another.  If that happens often, keep more: a statement
 * that looks at few persons need not clear room for the addresses of all.  Without
 * memory it stays as it is.
 */
static void
note_replaced(PzSetView *view)
{
	uint32		n = (view->mask + 1) * 4;
	PzViewPage *pages;
	PzViewChunk *chunks;

	if (++view->replaced < n || view->mcxt == NULL || n > PZ_VIEW_CACHE_MOST)
		return;
	pages = MemoryContextAllocExtended(view->mcxt, n * sizeof(PzViewPage), MCXT_ALLOC_NO_OOM | MCXT_ALLOC_ZERO);
	chunks = pages ? MemoryContextAllocExtended(view->mcxt, n * sizeof(PzViewChunk), MCXT_ALLOC_NO_OOM | MCXT_ALLOC_ZERO) : NULL;
	view->replaced = 0;
	if (chunks == NULL)
		return;
	view->pages = pages;
	view->chunks = chunks;
	view->mask = n - 1;
}

/*
 * The chunks with the bits of a number; NULL if the set has no room for it.
 */
PzViewChunk *
pz_set_find_chunk(PzSetView *view, uint32 no)
{
	uint32		c = no >> PZ_SET_CHUNK_BITS;
	PzViewChunk *chunk = &view->chunks[c & view->mask];

	if (c >= view->set->nchunks)
		return NULL;
	if (chunk->chunk != c + 1)
	{
		if (chunk->chunk != 0)
		{
			note_replaced(view);
			chunk = &view->chunks[c & view->mask];
		}
		chunk->chunk = c + 1;
		chunk->slow = NULL;
		chunk->row = NULL;
	}
	/* chunks of marks are there from the start; those of bits may still come */
	if (chunk->slow == NULL)
		chunk->slow = chunk_of(view, view->slow, c);
	if (chunk->row == NULL && view->plane)
	{
		pg_read_barrier();
		chunk->row = chunk_of(view, view->row, c);
	}
	return chunk;
}

/*
 * Number of the person with a key, as pz_dict_get; remembers where pages of whole
 * numbers are.
 */
uint32
pz_set_number(PzSetView *view, const char *key, uint32 len)
{
	int64		number;
	uint32		page;
	PzViewPage *cached;

	if (view->kind->key_type != PZ_KEY_INT)
		return pz_dict_get(view->set, view->area, view->kind, key, len);
	memcpy(&number, key, sizeof(int64));
	if (number < 0 || number >= (int64) PZ_DICT_PAGE << 16)
		return pz_dict_get(view->set, view->area, view->kind, key, len);
	page = (uint32) (number / PZ_DICT_PAGE);
	cached = &view->pages[page & view->mask];
	if (cached->page != page + 1)
	{
		pg_atomic_uint32 *no = pz_dict_page(view->area, view->kind, number);

		/* one that is not there yet may come */
		if (no == NULL)
			return pz_dict_get(view->set, view->area, view->kind, key, len);
		if (cached->page != 0)
		{
			note_replaced(view);
			cached = &view->pages[page & view->mask];
		}
		cached->page = page + 1;
		cached->no = no;
	}
	page = pg_atomic_read_u32(&cached->no[number % PZ_DICT_PAGE]);
	if (page == 0 && pz_dict_has_others(view->kind, number))
		return pz_dict_get(view->set, view->area, view->kind, key, len);
	return page;
}

/*
 * What the set says of a key, whose bytes are as in the row (a whole number as
 * int64).  *no is set to the number of the person unless the ledger must be
 * asked, 0 if there is none; *cells, if the answer is yes, to the categories
 * whose cells are permitted, by their place in the purpose.
 */
PzSetAnswer
pz_set_look_up(PzSetView *view, const char *key, uint32 len, uint32 *no, uint64 *cells)
{
	uint32		n = pz_set_number(view, key, len);
	PzViewChunk *chunk;
	int			i;

	*no = n;
	if (n == 0)
		return view->none_is_no ? PZ_SET_NO : PZ_SET_ASK;
	/* who is new is marked before the number is to be found */
	pg_read_barrier();
	chunk = pz_set_view_chunk(view, n);
	if (chunk == NULL || pz_set_has_bit(chunk->slow, n))
		return PZ_SET_ASK;
	pg_read_barrier();
	*cells = view->shared;
	if (view->plane == NULL)
		return PZ_SET_YES;
	if (!pz_set_has_bit(chunk->row, n))
		return PZ_SET_NO;
	for (i = 0; i < view->nplaces; i++)
		if (pz_set_has_bit(chunk_of(view, view->cells[i], n >> PZ_SET_CHUNK_BITS), n))
			*cells |= UINT64CONST(1) << view->place[i];
	return PZ_SET_YES;
}
