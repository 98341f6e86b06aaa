/*-------------------------------------------------------------------------
 *
 * consent_load.c
 *	  Make the consent set from the ledger.
 *
 * The ledger is read once, by one snapshot, in whatever order its rows stand:
 * of each person and purpose the newest event is remembered, and the rules
 * (consent_judge.c) are asked with that.  Where the newest event does not say
 * everything, because it covers some categories only, the ledger is asked by
 * index.
 *
 * Writers mark from before the snapshot is taken (consent_set.c, S1).  Rows that
 * were written before and are not committed for the snapshot are looked for
 * apart, and their persons marked: by transactions that hold a lock on the tables.
 *
 * For the consent worker alone.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/reltrigger.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "consent_columns.h"
#include "consent_newest.h"
#include "consent_set.h"
#include "guc.h"
#include "progress.h"

#define CACHE_SIZE		256		/* results by what the newest event says */

typedef struct Loader
{
	PzDatabase *db;
	PzSet	   *set;
	dsa_area   *area;
	Relation	subject;
	Relation	event;
	Snapshot	snapshot;
	MemoryContext mcxt;
	MemoryContext scratch;
	PzNewest	newest;
	PzDictPlan	plans[PZ_SET_KINDS];
	Relation	suppression;
	uint64	  **live;			/* bits of numbers that have a key */
	uint64	  **suppressed;		/* and of those that the ledger must be asked for once */
	const char *failed;			/* why it cannot be done; NULL: it can */
	int64		decided;		/* decisions of purposes before the one at hand */
} Loader;

/* What the rules make of what the newest event says */
typedef struct CacheEntry
{
	uint32		says;
	bool		valid;
	bool		irregular;
	bool		ends;
	PzPlaneBits bits;
} CacheEntry;

/* What the rules say of the number at hand, from the newest events. */
static void
judge(Loader *l, const PzSetPlane *plane, const PzPurpose *purpose, CacheEntry *result)
{
	PzQuestion	q = {0};
	PzDecision	decision = {0};
	MemoryContext old = MemoryContextSwitchTo(l->scratch);

	q.read = pz_newest_read;
	q.arg = &l->newest;
	q.clock = l->newest.clock;
	q.as_of = DT_NOEND;
	q.subject_no = l->newest.no;
	q.decision = &decision;
	l->newest.irregular = false;
	pz_consent_judge(&q, purpose, true, &decision);
	if (l->newest.irregular)
		pz_consent_decide_number(l->snapshot, l->newest.clock, l->newest.no, purpose, &decision);
	result->irregular = l->newest.irregular;
	result->ends = decision.first_end != 0 && decision.first_end < l->newest.ahead;
	result->bits = pz_plane_bits(plane, purpose, &decision);
	MemoryContextSwitchTo(old);
	MemoryContextReset(l->scratch);
}

/* The same from the ledger itself. */
static void
ask_for(Loader *l, const PzSetPlane *plane, const PzPurpose *purpose, CacheEntry *result)
{
	PzDecision	decision;
	MemoryContext old = MemoryContextSwitchTo(l->scratch);

	pz_consent_decide_number(l->snapshot, l->newest.clock, l->newest.no, purpose, &decision);
	result->ends = decision.first_end != 0 && decision.first_end < l->newest.ahead;
	result->bits = pz_plane_bits(plane, purpose, &decision);
	MemoryContextSwitchTo(old);
	MemoryContextReset(l->scratch);
}

/* Is a number among those noted? */
static bool
has_number(uint64 **numbers, uint32 no)
{
	uint64	   *chunk = numbers[no >> PZ_SET_CHUNK_BITS];

	return chunk && ((chunk[(no % PZ_SET_CHUNK) / 64] >> (no % 64)) & 1) != 0;
}

/* Note a number. */
static void
add_number(Loader *l, uint64 **numbers, uint32 no)
{
	uint64	  **chunk = &numbers[no >> PZ_SET_CHUNK_BITS];

	if (*chunk == NULL)
		*chunk = MemoryContextAllocZero(l->mcxt, PZ_SET_CHUNK / 8);
	(*chunk)[(no % PZ_SET_CHUNK) / 64] |= UINT64CONST(1) << (no % 64);
}

/* Ask the ledger for a number for ever. */
static bool
always_ask(Loader *l, uint32 no)
{
	return pz_set_put_bit(l->set, l->area, l->set->slow, no, true);
}

/* Fill the bits of a purpose. */
static void
fill_plane(Loader *l, PzSetPlane *plane, const PzPurpose *purpose)
{
	static CacheEntry cache[CACHE_SIZE];
	CacheEntry	nothing = {0};
	CacheEntry	other;
	uint32		no;

	memset(cache, 0, sizeof(cache));
	for (no = 1; no <= l->newest.max_no && l->failed == NULL; no++)
	{
		CacheEntry *result = &other;
		uint64		event;

		if ((no & 0xfff) == 0)
		{
			CHECK_FOR_INTERRUPTS();
			pz_progress_done(PZ_WORK_LOAD_SET, l->decided + no);
		}
		if (!has_number(l->live, no))
			continue;
		l->newest.no = no;
		event = pz_newest_event(&l->newest, purpose->purpose_id, no);
		if (has_number(l->suppressed, no))
			ask_for(l, plane, purpose, result);
		else if (pz_newest_event(&l->newest, PZ_PURPOSE_NONE, no) != 0 ||
				 (event != 0 && purpose->nparents > 0 && !pz_newest_is_word(event) &&
				  pz_newest_has_inherited(&l->newest, purpose, no)))
			judge(l, plane, purpose, result);
		else if (event != 0)
		{
			result = &cache[(PZ_NEWEST_SAYS(event) * 0x9e3779b1u) >> 24];
			if (!result->valid || result->says != PZ_NEWEST_SAYS(event) || result->irregular)
			{
				judge(l, plane, purpose, result);
				result->says = PZ_NEWEST_SAYS(event);
				result->valid = true;
			}
		}
		else if (purpose->nparents > 0 && pz_newest_has_inherited(&l->newest, purpose, no))
			judge(l, plane, purpose, result);
		else
		{
			result = &nothing;
			if (!result->valid)
			{
				judge(l, plane, purpose, result);
				result->valid = true;
			}
		}
		if ((result->bits.row && !pz_plane_put(l->set, l->area, plane, no, &result->bits)) ||
			(result->bits.uneven && !always_ask(l, no)) ||
			(result->ends && !pz_mark_number(l->db, l->set, l->area, no, PZ_MARK_EXPIRES)))
			l->failed = PZ_SET_NO_MEMORY;
	}
	l->decided += l->newest.max_no;
}

/* Call take for every row of a table that the snapshot sees; phase: as we show it. */
static void
scan(Loader *l, Relation rel, void (*take) (Loader *l, TupleTableSlot *slot), PzPhase phase)
{
	/* from the start, so that the place says how far we are */
	TableScanDesc desc = table_beginscan_strat(rel, l->snapshot, 0, NULL, true, false);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	MemoryContext old = MemoryContextSwitchTo(l->scratch);
	uint64		n = 0;

	pz_progress_phase(PZ_WORK_LOAD_SET, phase, RelationGetRelid(rel), 0, RelationGetNumberOfBlocks(rel));
	while (l->failed == NULL && table_scan_getnextslot(desc, ForwardScanDirection, slot))
	{
		take(l, slot);
		if ((++n & 0xff) == 0)
		{
			pz_progress_done(PZ_WORK_LOAD_SET, ItemPointerGetBlockNumber(&slot->tts_tid));
			MemoryContextReset(l->scratch);
			CHECK_FOR_INTERRUPTS();
		}
	}
	MemoryContextSwitchTo(old);
	MemoryContextReset(l->scratch);
	ExecDropSingleTupleTableSlot(slot);
	table_endscan(desc);
}

/* A row of the ledger. */
static void
take_event(Loader *l, TupleTableSlot *slot)
{
	if (!pz_newest_take(&l->newest, slot))
		l->failed = "the numbers of events are out of range";
}

/* A row of personalize.subject: is there a key? */
static void
take_live(Loader *l, TupleTableSlot *slot)
{
	int64		no;

	slot_getsomeattrs(slot, SUBJECT_TOMBSTONED);
	no = DatumGetInt64(slot->tts_values[SUBJECT_NO - 1]);
	if (no <= 0 || no >= (int64) l->set->nchunks << PZ_SET_CHUNK_BITS)
		return;
	l->newest.max_no = Max(l->newest.max_no, (uint32) no);
	if (slot->tts_isnull[SUBJECT_KEY - 1] || DatumGetBool(slot->tts_values[SUBJECT_TOMBSTONED - 1]))
	{
		if (!always_ask(l, (uint32) no))
			l->failed = PZ_SET_NO_MEMORY;
		return;
	}
	add_number(l, l->live, (uint32) no);
}

/* A row of personalize.suppression. */
static void
take_suppression(Loader *l, TupleTableSlot *slot)
{
	int64		no;

	slot_getsomeattrs(slot, SUPPRESSION_SUBJECT);
	no = DatumGetInt64(slot->tts_values[SUPPRESSION_SUBJECT - 1]);
	if (no > 0 && no < (int64) l->set->nchunks << PZ_SET_CHUNK_BITS)
		add_number(l, l->suppressed, (uint32) no);
}

/* A row of personalize.subject: put its key into the dictionary. */
static void
take_key(Loader *l, TupleTableSlot *slot)
{
	PzSetKind  *kind;
	uint8		key[PZ_SET_KEY_LEN];
	int64		no;
	text	   *t;

	take_live(l, slot);
	no = DatumGetInt64(slot->tts_values[SUBJECT_NO - 1]);
	kind = pz_dict_find_kind(l->set, DatumGetInt32(slot->tts_values[SUBJECT_KIND - 1]));
	if (l->failed || kind == NULL || slot->tts_isnull[SUBJECT_KEY - 1])
		return;
	t = DatumGetTextPP(slot->tts_values[SUBJECT_KEY - 1]);
	if (pz_dict_key(l->set, kind->key_type, VARDATA_ANY(t), VARSIZE_ANY_EXHDR(t), key) &&
		!pz_dict_put(l->db, l->set, l->area, kind, key, pz_set_subject_no(no)))
		l->failed = PZ_SET_NO_MEMORY;
}

/* A row of personalize.subject: count it, for the size of its dictionary. */
static void
count_key(Loader *l, TupleTableSlot *slot)
{
	PzSetKind  *kind;
	uint8		key[PZ_SET_KEY_LEN];
	text	   *t;
	MemoryContext old;

	slot_getsomeattrs(slot, SUBJECT_KEY);
	kind = pz_dict_find_kind(l->set, DatumGetInt32(slot->tts_values[SUBJECT_KIND - 1]));
	if (kind == NULL || slot->tts_isnull[SUBJECT_KEY - 1])
		return;
	t = DatumGetTextPP(slot->tts_values[SUBJECT_KEY - 1]);
	old = MemoryContextSwitchTo(l->mcxt);
	if (kind->key_type != PZ_KEY_INT ||
		pz_dict_key(l->set, kind->key_type, VARDATA_ANY(t), VARSIZE_ANY_EXHDR(t), key))
		pz_dict_expect(&l->plans[kind - l->set->kinds], kind->key_type, key);
	MemoryContextSwitchTo(old);
}

/* Do the triggers of a table tell us of every change? */
static bool
is_watched(Relation rel)
{
	TriggerDesc *triggers = rel->trigdesc;
	int			i;
	int			all = TRIGGER_TYPE_ROW | TRIGGER_TYPE_INSERT | TRIGGER_TYPE_UPDATE | TRIGGER_TYPE_DELETE;
	bool		rows = false;
	bool		truncation = false;

	for (i = 0; triggers && i < triggers->numtriggers; i++)
	{
		Trigger    *t = &triggers->triggers[i];

		if (t->tgfoid != pz_registry_oids()->consent_changed || t->tgenabled != TRIGGER_FIRES_ALWAYS ||
			!TRIGGER_FOR_AFTER(t->tgtype) || t->tgnattr != 0 || t->tgqual != NULL ||
			(t->tgnargs > 0) != (RelationGetRelid(rel) == pz_registry_oids()->subject))
			continue;
		rows = rows || (t->tgtype & all) == all;
		truncation = truncation || TRIGGER_FOR_TRUNCATE(t->tgtype);
	}
	return rows && truncation;
}

/*
 * Are all tables of the ledger watched?  In a transaction.
 */
bool
pz_set_is_watched(void)
{
	Relation	subject = table_open(pz_registry_oids()->subject, AccessShareLock);
	Relation	event = table_open(pz_registry_oids()->consent_event, AccessShareLock);
	Relation	suppression = table_open(pz_registry_oids()->suppression, AccessShareLock);
	bool		watched = is_watched(subject) && is_watched(event) && is_watched(suppression);

	table_close(suppression, AccessShareLock);
	table_close(event, AccessShareLock);
	table_close(subject, AccessShareLock);
	return watched;
}

/*
 * Does anybody hold a lock on a table as writers do?  Whoever has written and is
 * not over holds one, and has held it since before we were published.
 */
static bool
has_writers(Relation rel)
{
	LOCKTAG		tag;
	int			n = 0;

	SET_LOCKTAG_RELATION(tag, MyDatabaseId, RelationGetRelid(rel));
	(void) GetLockConflicts(&tag, ShareLock, &n);
	return n > 0;
}

/*
 * Mark the persons of rows that were written, or are being taken away, by
 * transactions that the snapshot does not see as over; and note the keys of new
 * ones.
 */
static void
mark_in_progress(Loader *l, Relation rel, int attnum)
{
	TransactionId mark = l->snapshot->xmax;
	TableScanDesc desc = table_beginscan(rel, SnapshotAny, 0, NULL);
	HeapTuple	tup;

	while (l->failed == NULL && (tup = heap_getnext(desc, ForwardScanDirection)) != NULL)
	{
		bool		is_new = XidInMVCCSnapshot(HeapTupleHeaderGetXmin(tup->t_data), l->snapshot);
		bool		unsure = is_new;
		uint32		no;

		if (!unsure && (tup->t_data->t_infomask & HEAP_XMAX_INVALID) == 0 &&
			!HEAP_XMAX_IS_LOCKED_ONLY(tup->t_data->t_infomask))
			unsure = (tup->t_data->t_infomask & HEAP_XMAX_IS_MULTI) != 0 ||
				XidInMVCCSnapshot(HeapTupleHeaderGetRawXmax(tup->t_data), l->snapshot);
		if (!unsure)
			continue;
		no = pz_mark_number_of(tup, RelationGetDescr(rel), attnum);
		if ((no != PZ_SET_NO_ASK && !pz_mark_number(l->db, l->set, l->area, no, mark)) ||
			(rel == l->subject && is_new && !pz_mark_key(l->db, l->set, l->area, tup, RelationGetDescr(rel), no)))
			l->failed = PZ_SET_NO_MEMORY;
		CHECK_FOR_INTERRUPTS();
	}
	table_endscan(desc);
}

/*
 * Open the ledger, with nobody changing its tables or triggers.  False if somebody
 * is: who drops them must not have to wait for us, nor we for him.
 */
static bool
open_ledger(Loader *l)
{
	const PzOids *oids = pz_registry_oids();

	if (!ConditionalLockRelationOid(oids->subject, RowExclusiveLock) ||
		!ConditionalLockRelationOid(oids->consent_event, RowExclusiveLock) ||
		!ConditionalLockRelationOid(oids->suppression, RowExclusiveLock))
		return false;
	l->subject = table_open(oids->subject, NoLock);
	l->event = table_open(oids->consent_event, NoLock);
	l->suppression = table_open(oids->suppression, NoLock);
	return true;
}

/* What a loader needs before it can scan; what ends before ahead ends soon. */
static void
prepare(Loader *l, PzDatabase *db, PzSet *set, dsa_area *area, TimestampTz ahead)
{
	l->db = db;
	l->set = set;
	l->area = area;
	l->mcxt = AllocSetContextCreate(CurrentMemoryContext, "personalize consent", ALLOCSET_DEFAULT_SIZES);
	l->scratch = AllocSetContextCreate(CurrentMemoryContext, "personalize consent row", ALLOCSET_DEFAULT_SIZES);
	l->snapshot = RegisterSnapshot(GetLatestSnapshot());
	PushActiveSnapshot(l->snapshot);
	pz_newest_init(&l->newest, l->mcxt, pz_clock_now(), ahead, set->nchunks);
	l->live = MemoryContextAllocZero(l->mcxt, set->nchunks * sizeof(uint64 *));
	l->suppressed = MemoryContextAllocZero(l->mcxt, set->nchunks * sizeof(uint64 *));
}

/*
 * Make the bits of purposes (PzPurpose) from the ledger and publish them.
 * l->live is filled.
 */
static void
load_planes(Loader *l, const List *purposes)
{
	ListCell   *lc;
	int			slot = 0;

	foreach(lc, purposes)
		pz_newest_expect(&l->newest, lfirst(lc));
	scan(l, l->event, take_event, PZ_PHASE_LEDGER);
	scan(l, l->suppression, take_suppression, PZ_PHASE_SUPPRESSIONS);
	pz_progress_phase(PZ_WORK_LOAD_SET, PZ_PHASE_DECIDING, InvalidOid, 0, (int64) l->newest.max_no * list_length(purposes));
	foreach(lc, purposes)
	{
		const PzPurpose *purpose = lfirst(lc);
		dsa_pointer p;
		PzSetPlane *plane;

		while (slot < PZ_SET_PLANES && pg_atomic_read_u64(&l->set->planes[slot]) != 0)
			slot++;
		if (slot == PZ_SET_PLANES || l->failed)
			return;
		p = pz_plane_make(l->set, l->area, purpose);
		if (!DsaPointerIsValid(p))
		{
			l->failed = PZ_SET_NO_MEMORY;
			return;
		}
		plane = dsa_get_address(l->area, p);
		fill_plane(l, plane, purpose);
		/* the registry may have changed meanwhile: then it is of no use */
		if (l->failed || !pz_plane_is_current(l->area, plane, pz_registry_purpose(plane->purpose_id)))
		{
			pz_plane_free(l->set, l->area, p);
			continue;
		}
		plane->since = GetTopTransactionId();
		pg_write_barrier();
		pg_atomic_write_u64(&l->set->planes[slot], (uint64) p);
	}
}

/* An empty set, with room for twice the numbers there are. */
static PzSet *
make_set(dsa_area *area, dsa_pointer *root, int64 max_no)
{
	const List *kinds = pz_registry_kinds();
	ListCell   *lc;
	PzSet	   *set;
	uint32		i;

	*root = dsa_allocate_extended(area, sizeof(PzSet), DSA_ALLOC_NO_OOM | DSA_ALLOC_ZERO | DSA_ALLOC_HUGE);
	if (!DsaPointerIsValid(*root))
		return NULL;
	set = dsa_get_address(area, *root);
	set->dbid = MyDatabaseId;
	if (!pg_strong_random(set->seed, sizeof(set->seed)))
		return NULL;
	pg_atomic_init_u64(&set->bytes, sizeof(PzSet));
	set->nchunks = 16 + (uint32) Min(max_no * 2 / PZ_SET_CHUNK, PZ_SET_CHUNKS_MAX - 16);
	set->slow = pz_plane_make_bits(set, area);
	set->marks = pz_set_allocate(set, area, (Size) set->nchunks * (PZ_SET_CHUNK / PZ_SET_MARKS) * sizeof(uint64));
	/* all of them: who reads must not have to find out whether there is one by now */
	for (i = 0; i < set->nchunks && DsaPointerIsValid(set->slow); i++)
		if (pz_set_chunk(set, area, set->slow, i << PZ_SET_CHUNK_BITS, true) == NULL)
			return NULL;
	foreach(lc, kinds)
	{
		const PzKind *kind = lfirst(lc);

		if (kind->key_type == PZ_KEY_UNSET || set->nkinds == PZ_SET_KINDS)
			continue;
		set->kinds[set->nkinds].kind_id = kind->kind_id;
		set->kinds[set->nkinds++].key_type = kind->key_type;
	}
	return DsaPointerIsValid(set->slow) && DsaPointerIsValid(set->marks) ? set : NULL;
}

/* The largest number of a person that is committed. */
static int64
largest_number(Relation rel)
{
	Relation	index = index_open(pz_primary_key_compat(rel), AccessShareLock);
	SysScanDesc desc;
	HeapTuple	tup;
	bool		isnull;
	int64		no = 0;

	PushActiveSnapshot(GetLatestSnapshot());
	desc = systable_beginscan_ordered(rel, index, GetActiveSnapshot(), 0, NULL);
	tup = systable_getnext_ordered(desc, BackwardScanDirection);
	if (HeapTupleIsValid(tup))
		no = DatumGetInt64(heap_getattr(tup, SUBJECT_NO, RelationGetDescr(rel), &isnull));
	systable_endscan_ordered(desc);
	PopActiveSnapshot();
	index_close(index, AccessShareLock);
	return no;
}

/* Purposes that a set has bits for. */
List *
pz_set_purposes(void)
{
	List	   *purposes = NIL;
	ListCell   *lc;

	foreach(lc, pz_registry_purposes())
	{
		PzPurpose  *purpose = lfirst(lc);

		if (!purpose->builtin && !purpose->retired)
			purposes = lappend(purposes, purpose);
	}
	return purposes;
}

/*
 * Make the set of this database, which must have none, and put it to use.
 * False, and a line in the log, if it cannot be had.  Outside of a transaction.
 */
bool
pz_set_load(PzDatabase *db, dsa_area *area)
{
	Loader		l = {0};
	dsa_pointer root;
	PzSet	   *set;
	uint32		loading = PZ_SET_LOADING;
	TimestampTz ahead;
	bool		usable;
	bool		writers;
	int			i;

	StartTransactionCommand();
	if (!open_ledger(&l))
	{
		CommitTransactionCommand();
		return false;
	}
	usable = is_watched(l.subject) && is_watched(l.event) && is_watched(l.suppression);
	set = make_set(area, &root, largest_number(l.subject));
	if (set == NULL || !usable)
	{
		if (DsaPointerIsValid(root))
			pg_atomic_write_u64(&db->set_root, (uint64) root);
		table_close(l.suppression, NoLock);
		table_close(l.event, NoLock);
		table_close(l.subject, NoLock);
		CommitTransactionCommand();
		ereport(LOG,
				(errmsg("personalize cannot make a consent set for database %u: %s", MyDatabaseId,
						usable ? "there is no memory left" : "triggers of the ledger are missing or switched off"),
				 usable ? errhint("See personalize.consent_memory; consent is read from the ledger.") :
				 errhint("Call ALTER TABLE personalize.subject ENABLE ALWAYS TRIGGER consent_changed, and the same for personalize.consent_event and personalize.suppression; consent is read from the ledger.")));
		return false;
	}
	pg_atomic_write_u64(&db->set_root, (uint64) root);
	pg_write_barrier();
	pg_atomic_write_u32(&db->set_state, PZ_SET_LOADING);
	pg_memory_barrier();

	ahead = TimestampTzPlusMilliseconds(pz_clock_now(), PZ_SET_END_AHEAD_MS);
	pg_atomic_write_u64(&set->announced, (uint64) ahead);
	/* before the snapshot: who is over by now, it sees */
	writers = has_writers(l.subject) || has_writers(l.event) || has_writers(l.suppression);
	pg_memory_barrier();
	prepare(&l, db, set, area, ahead);
	set->since = GetTopTransactionId();
	pz_progress_begin(PZ_WORK_LOAD_SET, InvalidOid);
	scan(&l, l.subject, count_key, PZ_PHASE_COUNTING_KEYS);
	for (i = 0; i < set->nkinds && l.failed == NULL; i++)
		if (!pz_dict_prepare(set, area, &set->kinds[i], &l.plans[i]))
			l.failed = PZ_SET_NO_MEMORY;
	scan(&l, l.subject, take_key, PZ_PHASE_KEYS);
	if (writers)
	{
		pz_progress_phase(PZ_WORK_LOAD_SET, PZ_PHASE_WRITERS, InvalidOid, 0, PZ_PROGRESS_UNKNOWN);
		mark_in_progress(&l, l.subject, SUBJECT_NO);
		mark_in_progress(&l, l.event, EVENT_SUBJECT);
		mark_in_progress(&l, l.suppression, SUPPRESSION_SUBJECT);
	}
	load_planes(&l, pz_set_purposes());
	pz_progress_end(PZ_WORK_LOAD_SET);
	pg_atomic_write_u64(&set->horizon, (uint64) ahead);
	PopActiveSnapshot();
	UnregisterSnapshot(l.snapshot);
	table_close(l.suppression, NoLock);
	table_close(l.event, NoLock);
	table_close(l.subject, NoLock);
	CommitTransactionCommand();
	if (l.failed)
	{
		pz_set_break(db, l.failed);
		return false;
	}
	return pg_atomic_compare_exchange_u32(&db->set_state, &loading, PZ_SET_READY);
}

/*
 * Make bits of purposes (PzPurpose) in a set that is in use.  False if there is
 * no memory.  In a transaction without a snapshot.
 */
bool
pz_set_load_planes(PzDatabase *db, PzSet *set, dsa_area *area, List *purposes)
{
	Loader		l = {0};

	l.subject = table_open(pz_registry_oids()->subject, AccessShareLock);
	l.event = table_open(pz_registry_oids()->consent_event, AccessShareLock);
	l.suppression = table_open(pz_registry_oids()->suppression, AccessShareLock);
	prepare(&l, db, set, area, (TimestampTz) pg_atomic_read_u64(&set->horizon));
	pz_progress_begin(PZ_WORK_LOAD_SET, InvalidOid);
	scan(&l, l.subject, take_live, PZ_PHASE_KEYS);
	load_planes(&l, purposes);
	pz_progress_end(PZ_WORK_LOAD_SET);
	PopActiveSnapshot();
	UnregisterSnapshot(l.snapshot);
	table_close(l.suppression, NoLock);
	table_close(l.event, NoLock);
	table_close(l.subject, NoLock);
	return l.failed == NULL;
}

/*
 * Give back a set that is out of use and that nobody reads any more.
 */
void
pz_set_free(PzDatabase *db, dsa_area *area)
{
	dsa_pointer root = (dsa_pointer) pg_atomic_read_u64(&db->set_root);
	PzSet	   *set;
	uint64		i;

	if (!DsaPointerIsValid(root))
		return;
	set = dsa_get_address(area, root);
	for (i = 0; i < PZ_SET_PLANES; i++)
	{
		dsa_pointer p = (dsa_pointer) pg_atomic_read_u64(&set->planes[i]);

		if (DsaPointerIsValid(p))
			pz_plane_free(set, area, p);
	}
	pz_set_free_bits(area, set, set->slow);
	if (DsaPointerIsValid(set->marks))
	{
		pg_atomic_uint64 *directory = dsa_get_address(area, set->marks);

		for (i = 0; i < (uint64) set->nchunks * (PZ_SET_CHUNK / PZ_SET_MARKS); i++)
		{
			dsa_pointer p = (dsa_pointer) pg_atomic_read_u64(&directory[i]);

			if (DsaPointerIsValid(p))
				dsa_free(area, p);
		}
		dsa_free(area, set->marks);
	}
	for (i = 0; i < (uint64) set->nkinds; i++)
		pz_dict_free(area, &set->kinds[i]);
	pg_atomic_write_u64(&db->set_root, 0);
	dsa_free(area, root);
	dsa_trim(area);
}
