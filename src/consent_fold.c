/*-------------------------------------------------------------------------
 *
 * consent_fold.c
 *	  Take marks of the consent set away when everybody sees the same, and set
 *	  those of consents that are about to end; see consent_set.c, S2 and S6.
 *
 * For the consent worker alone.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relscan.h"
#include "access/table.h"
#include "access/transam.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "storage/procarray.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "consent_columns.h"
#include "consent_set.h"

#define END_REFRESH_MS	30000	/* consents are marked ahead of their end anew when so much is left */

/* What the ledger says of one number, in the order of PzSet.planes */
typedef struct Said
{
	bool		keyless;		/* erased, or there is no such person: ask the ledger for ever */
	bool		uneven;
	bool		ends;			/* some consent ends before PzSet.announced */
	TimestampTz ended;			/* when the last of those that have ended did */
	PzPlaneBits bits[PZ_SET_PLANES];
} Said;

typedef struct Folding
{
	PzDatabase *db;
	PzSet	   *set;
	dsa_area   *area;
	Relation	subject;
	Relation	pkey;
	Snapshot	snapshot;
	TimestampTz clock;
	TransactionId oldest;		/* what is older is over for everybody */
	bool		ended;			/* look after those that end soon */
	bool		stale;			/* the registry has changed: bits are not what they were */
	MemoryContext scratch;
	Said		said;
} Folding;

static TimestampTz settled = 0; /* every statement's clock is later */
static bool unsettled = false;	/* some mark waits for that to advance */

/* Number, kind and key of a person; false if there is none with a key. */
static bool
find_person(Folding *f, uint32 no, int32 *kind_id, text **key)
{
	ScanKeyData skey;
	SysScanDesc scan;
	HeapTuple	tup;
	bool		found = false;

	ScanKeyInit(&skey, SUBJECT_NO, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum((int64) no));
	scan = systable_beginscan(f->subject, RelationGetRelid(f->pkey), true, f->snapshot, 1, &skey);
	tup = systable_getnext(scan);
	if (HeapTupleIsValid(tup))
	{
		TupleDesc	desc = RelationGetDescr(f->subject);
		bool		isnull;
		Datum		d;

		*kind_id = DatumGetInt32(heap_getattr(tup, SUBJECT_KIND, desc, &isnull));
		found = !DatumGetBool(heap_getattr(tup, SUBJECT_TOMBSTONED, desc, &isnull));
		d = heap_getattr(tup, SUBJECT_KEY, desc, &isnull);
		found = found && !isnull;
		if (found)
			*key = DatumGetTextPCopy(d);
	}
	systable_endscan(scan);
	return found;
}

/* Ask the ledger what is said of a number now, for all planes. */
static void
ask(Folding *f, uint32 no)
{
	Said	   *said = &f->said;
	int32		kind_id;
	text	   *key;
	PzSetKind  *kind;
	uint8		bytes[PZ_SET_KEY_LEN];
	int			i;

	memset(said, 0, sizeof(Said));
	said->keyless = !find_person(f, no, &kind_id, &key);
	if (said->keyless)
		return;
	/* if the transaction that took the key away was rolled back */
	kind = pz_dict_find_kind(f->set, kind_id);
	if (kind && pz_dict_key(f->set, kind->key_type, VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key), bytes))
	{
		if (!pz_dict_put(f->db, f->set, f->area, kind, bytes, no))
			said->keyless = true;
	}
	for (i = 0; i < PZ_SET_PLANES; i++)
	{
		PzSetPlane *plane = pz_set_plane(f->set, f->area, i);
		const PzPurpose *purpose;
		PzDecision	decision;

		if (plane == NULL)
			continue;
		purpose = pz_registry_purpose(plane->purpose_id);
		if (!pz_plane_is_current(f->area, plane, purpose))
		{
			f->stale = true;
			return;
		}
		pz_consent_decide_number(f->snapshot, f->clock, no, purpose, &decision);
		said->bits[i] = pz_plane_bits(plane, purpose, &decision);
		said->uneven = said->uneven || said->bits[i].uneven;
		if (decision.first_end != 0 && decision.first_end < (TimestampTz) pg_atomic_read_u64(&f->set->announced))
			said->ends = true;
		said->ended = Max(said->ended, decision.last_end);
	}
}

/* Write what was said, and let the set answer. */
static bool
write_bits(Folding *f, uint32 no)
{
	int			i;

	if (f->said.keyless)
		return true;
	for (i = 0; i < PZ_SET_PLANES; i++)
	{
		PzSetPlane *plane = pz_set_plane(f->set, f->area, i);

		if (plane && !pz_plane_put(f->set, f->area, plane, no, &f->said.bits[i]))
			return false;
	}
	pg_write_barrier();
	return f->said.uneven || pz_set_put_bit(f->set, f->area, f->set->slow, no, false);
}

/*
 * Write what was said and take the mark away, unless somebody has marked again.
 */
static void
fold(Folding *f, PzSetMarks *marks, uint32 no, TransactionId mark)
{
	LWLock	   *lock = pz_set_mark_lock(f->db, no);
	TransactionId *xid = &marks->xid[no % PZ_SET_MARKS];

	LWLockAcquire(lock, LW_EXCLUSIVE);
	if (*xid != mark)
	{
		LWLockRelease(lock);
		return;
	}
	if (f->said.ends)
		*xid = PZ_MARK_EXPIRES;
	else if (f->said.ended > settled)
		unsettled = true;
	else if (mark == PZ_MARK_EXPIRES)
	{
		/* who marked after that is older than the next transaction, and is waited for with it */
		*xid = ReadNextTransactionId();
		unsettled = true;
	}
	else if (write_bits(f, no))
	{
		*xid = PZ_MARK_NONE;
		pg_atomic_fetch_sub_u32(&marks->n, 1);
		pg_atomic_fetch_sub_u64(&f->set->npending, 1);
	}
	LWLockRelease(lock);
}

/* Look at one marked number. */
static void
look_at(Folding *f, PzSetMarks *marks, uint32 no)
{
	TransactionId mark = marks->xid[no % PZ_SET_MARKS];
	MemoryContext old;

	/* a word is read whole; if it changes, fold() sees that */
	if (mark == PZ_MARK_NONE || f->stale ||
		(mark == PZ_MARK_EXPIRES ? !f->ended : !TransactionIdPrecedes(mark, f->oldest)))
		return;
	old = MemoryContextSwitchTo(f->scratch);
	ask(f, no);
	MemoryContextSwitchTo(old);
	MemoryContextReset(f->scratch);
	if (!f->stale)
		fold(f, marks, no, mark);
	CHECK_FOR_INTERRUPTS();
}

/*
 * Find out which clock every statement has by now: no statement is left that
 * started before "settled".  Uses a number of a transaction if somebody waits for
 * it.
 */
static void
settle(TransactionId oldest)
{
	static TransactionId xid = InvalidTransactionId;
	static TimestampTz clock = 0;

	if (TransactionIdIsValid(xid) && TransactionIdPrecedes(xid, oldest))
	{
		settled = clock;
		xid = InvalidTransactionId;
	}
	if (unsettled && !TransactionIdIsValid(xid))
	{
		/* in this order: who has an older clock has a snapshot that does not see xid as over */
		clock = pz_clock_now();
		pg_memory_barrier();
		xid = ReadNextTransactionId();
		(void) GetTopTransactionId();
		unsettled = false;
	}
}

/*
 * Take away the marks that can go.  ended: also see whose consent has ended.
 * Not to be called while planes that were replaced may still be read.  Outside
 * of a transaction.
 */
void
pz_set_fold(PzDatabase *db, PzSet *set, dsa_area *area, bool ended)
{
	static Folding f;
	pg_atomic_uint64 *directory = dsa_get_address(area, set->marks);
	uint64		nchunks = (uint64) set->nchunks * (PZ_SET_CHUNK / PZ_SET_MARKS);
	uint64		c;
	uint32		i;

	StartTransactionCommand();
	f.db = db;
	f.set = set;
	f.area = area;
	f.ended = ended;
	f.stale = false;
	f.subject = table_open(pz_registry_oids()->subject, AccessShareLock);
	f.pkey = index_open(pz_primary_key_compat(f.subject), AccessShareLock);
	/* before we have a snapshot, which would count */
	InvalidateCatalogSnapshot();
	f.oldest = GetOldestNonRemovableTransactionId(f.subject);
	settle(f.oldest);
	f.snapshot = RegisterSnapshot(GetLatestSnapshot());
	PushActiveSnapshot(f.snapshot);
	f.clock = pz_clock_now();
	f.scratch = AllocSetContextCreate(CurrentMemoryContext, "personalize folding", ALLOCSET_DEFAULT_SIZES);

	for (c = 0; c < nchunks; c++)
	{
		dsa_pointer p = (dsa_pointer) pg_atomic_read_u64(&directory[c]);
		PzSetMarks *marks;

		if (!DsaPointerIsValid(p))
			continue;
		marks = dsa_get_address(area, p);
		if (pg_atomic_read_u32(&marks->n) == 0)
			continue;
		for (i = 0; i < PZ_SET_MARKS; i++)
			if (marks->xid[i] != PZ_MARK_NONE)
				look_at(&f, marks, (uint32) (c * PZ_SET_MARKS + i));
	}

	/* numbers of transactions come round: what everybody sees as over is so for ever */
	if (TransactionIdIsNormal(set->since) && TransactionIdPrecedes(set->since, f.oldest))
		set->since = FrozenTransactionId;
	for (i = 0; i < PZ_SET_PLANES; i++)
	{
		PzSetPlane *plane = pz_set_plane(set, area, i);

		if (plane && TransactionIdIsNormal(plane->since) && TransactionIdPrecedes(plane->since, f.oldest))
			plane->since = FrozenTransactionId;
	}
	PopActiveSnapshot();
	UnregisterSnapshot(f.snapshot);
	index_close(f.pkey, AccessShareLock);
	table_close(f.subject, AccessShareLock);
	CommitTransactionCommand();
}

/*
 * Mark the persons of rows that end from before on, earlier than ahead, by an index on
 * the end.  False if there is no memory.
 */
static bool
mark_ends(PzDatabase *db, PzSet *set, dsa_area *area, Oid relid, Oid indexid, AttrNumber end, AttrNumber subject,
		  TimestampTz before, TimestampTz ahead)
{
	Relation	rel = table_open(relid, AccessShareLock);
	Relation	index = index_open(indexid, AccessShareLock);
	ScanKeyData skey[2];
	SysScanDesc scan;
	HeapTuple	tup;
	bool		done = true;

	ScanKeyInit(&skey[0], end, BTGreaterEqualStrategyNumber, F_TIMESTAMPTZ_GE, TimestampTzGetDatum(before));
	ScanKeyInit(&skey[1], end, BTLessStrategyNumber, F_TIMESTAMPTZ_LT, TimestampTzGetDatum(ahead));
	scan = systable_beginscan_ordered(rel, index, GetActiveSnapshot(), 2, skey);
	while (done && HeapTupleIsValid(tup = systable_getnext_ordered(scan, ForwardScanDirection)))
	{
		bool		isnull;
		uint32		no = pz_set_subject_no(DatumGetInt64(heap_getattr(tup, subject, RelationGetDescr(rel), &isnull)));

		if (no != PZ_SET_NO_ASK)
			done = pz_mark_number(db, set, area, no, PZ_MARK_EXPIRES);
		CHECK_FOR_INTERRUPTS();
	}
	systable_endscan_ordered(scan);
	index_close(index, AccessShareLock);
	table_close(rel, AccessShareLock);
	return done;
}

/*
 * Mark those whose consent or suppression ends soon, if it is time for it.  False if there is no
 * memory.  Outside of a transaction.
 */
bool
pz_set_advance(PzDatabase *db, PzSet *set, dsa_area *area)
{
	TimestampTz before = (TimestampTz) pg_atomic_read_u64(&set->horizon);
	TimestampTz ahead;
	bool		done;

	if (before > TimestampTzPlusMilliseconds(pz_clock_now(), END_REFRESH_MS))
		return true;
	ahead = TimestampTzPlusMilliseconds(pz_clock_now(), PZ_SET_END_AHEAD_MS);
	/* who folds from now on keeps the mark of what ends before */
	pg_atomic_write_u64(&set->announced, (uint64) ahead);
	pg_memory_barrier();

	StartTransactionCommand();
	PushActiveSnapshot(GetLatestSnapshot());
	done = mark_ends(db, set, area, pz_registry_oids()->consent_event, pz_registry_oids()->consent_event_end,
					 EVENT_EXPIRES_AT, EVENT_SUBJECT, before, ahead) &&
		mark_ends(db, set, area, pz_registry_oids()->suppression, pz_registry_oids()->suppression_until,
				  SUPPRESSION_UNTIL, SUPPRESSION_SUBJECT, before, ahead);
	PopActiveSnapshot();
	CommitTransactionCommand();
	if (done)
		pg_atomic_write_u64(&set->horizon, (uint64) ahead);
	return done;
}
