/*-------------------------------------------------------------------------
 *
 * consent.c
 *	  What a person agreed to: the one function between the ledger and
 *	  everybody who asks.
 *
 * pz_consent_decide() looks the key up in personalize.subject and reads the
 * person's events of one purpose, newest first, by index.  Enforcement
 * memoises its answers per statement; the SQL functions call it once.  The rules
 * are in consent_judge.c.
 *
 * Visibility is that of the snapshot the caller brings; expiry is judged by
 * the clock the caller brings.
 *
 * Locks: AccessShareLock on subject, consent_event and tombstone while read.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relscan.h"
#include "access/table.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_collation.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "consent.h"
#include "consent_columns.h"
#include "counters.h"
#include "errors.h"
#include "keys.h"

/*
 * The snapshot by which consent is read now: the newest committed state plus
 * the own transaction's changes, at every isolation level.  At READ COMMITTED
 * that is the active snapshot, so that a statement agrees with a join with the
 * consent view.  Not to be called in parallel mode at the stricter levels.  On a
 * standby it is never older than the call: that is what its age is reckoned for.
 */
Snapshot
pz_consent_snapshot(void)
{
	if (IsolationUsesXactSnapshot() || !ActiveSnapshotSet() || (RecoveryInProgress() && !IsInParallelMode()))
		return GetLatestSnapshot();
	return GetActiveSnapshot();
}

/*
 * Words for states, as consent_state() returns them.
 */
const char *
pz_consent_state_name(PzConsentState state)
{
	static const char *const names[] = {
		"unknown", "given", "refused", "withdrawn", "objected", "restricted", "expired", "erased", "presumed"
	};

	return names[state];
}

/*
 * Number of the subject with this key, 0 if there is none; *tombstoned says
 * that the key was erased and came back, *own that the row is the own
 * transaction's and goes with it if that is rolled back.
 */
static int64
find_subject(Snapshot snapshot, int32 kind_id, const char *key, size_t keylen, bool *tombstoned, bool *own)
{
	const PzOids *oids = pz_registry_oids();
	Relation	rel = table_open(oids->subject, AccessShareLock);
	text	   *t = cstring_to_text_with_len(key, keylen);
	ScanKeyData skey[2];
	SysScanDesc scan;
	HeapTuple	tup;
	int64		subject_no = 0;
	PzQuiet		quiet;

	pz_quiet_begin(&quiet);
	pz_quiet_watch(&quiet, rel);
	ScanKeyInit(&skey[0], SUBJECT_KIND, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(kind_id));
	ScanKeyInit(&skey[1], SUBJECT_KEY, BTEqualStrategyNumber, F_TEXTEQ, PointerGetDatum(t));
	skey[1].sk_collation = C_COLLATION_OID;
	scan = systable_beginscan(rel, oids->subject_key, true, snapshot, 2, skey);
	if (scan->irel)
		pz_quiet_watch(&quiet, scan->irel);
	tup = systable_getnext(scan);
	*tombstoned = *own = false;
	if (HeapTupleIsValid(tup))
	{
		bool		isnull;

		*own = TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(tup->t_data));

		subject_no = DatumGetInt64(heap_getattr(tup, SUBJECT_NO, RelationGetDescr(rel), &isnull));
		*tombstoned = DatumGetBool(heap_getattr(tup, SUBJECT_TOMBSTONED, RelationGetDescr(rel), &isnull));
	}
	pz_quiet_end(&quiet);
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	pfree(t);
	return subject_no;
}

/*
 * Was a person with this key erased?  Looks for the keyed digest.
 */
static bool
is_erased(Snapshot snapshot, int32 kind_id, const char *key, size_t keylen)
{
	const PzOids *oids = pz_registry_oids();
	Relation	rel;
	bytea	   *digest = palloc(VARHDRSZ + PZ_MAC_LEN);
	ScanKeyData skey;
	SysScanDesc scan;
	bool		found;
	PzQuiet		quiet;

	SET_VARSIZE(digest, VARHDRSZ + PZ_MAC_LEN);
	if (!pz_keys_digest(kind_id, key, keylen, (uint8 *) VARDATA(digest)))
		ereport(ERROR,
				(errcode(PZ_ERR_STATE),
				 errmsg("could not compute the digest of a subject key"),
				 errhint("Check the key file named by personalize.key_file and restart the server.")));
	rel = table_open(oids->tombstone, AccessShareLock);
	pz_quiet_begin(&quiet);
	pz_quiet_watch(&quiet, rel);
	ScanKeyInit(&skey, TOMBSTONE_DIGEST, BTEqualStrategyNumber, F_BYTEAEQ, PointerGetDatum(digest));
	scan = systable_beginscan(rel, oids->tombstone_pkey, true, snapshot, 1, &skey);
	if (scan->irel)
		pz_quiet_watch(&quiet, scan->irel);
	found = HeapTupleIsValid(systable_getnext(scan));
	pz_quiet_end(&quiet);
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	pfree(digest);
	return found;
}

/*
 * State that an action of the ledger leads to.  An "ending" says that a consent
 * holds until the end it names, and no longer.
 */
PzConsentState
pz_consent_state_of(const char *action)
{
	if (strcmp(action, "given") == 0 || strcmp(action, "ending") == 0)
		return PZ_STATE_GIVEN;
	if (strcmp(action, "refused") == 0)
		return PZ_STATE_REFUSED;
	if (strcmp(action, "withdrawn") == 0)
		return PZ_STATE_WITHDRAWN;
	if (strcmp(action, "objected") == 0)
		return PZ_STATE_OBJECTED;
	if (strcmp(action, "restricted") == 0)
		return PZ_STATE_RESTRICTED;
	if (strcmp(action, "presumed") == 0)
		return PZ_STATE_PRESUMED;
	return PZ_STATE_UNKNOWN;	/* lifted */
}

/* Is an event that leads to a state a word of the person's? */
bool
pz_consent_is_word(PzConsentState state)
{
	return state != PZ_STATE_UNKNOWN && state != PZ_STATE_PRESUMED;
}

/* Does an event's list of categories (NULL: all) hold a category? */
static bool
covers(ArrayType *categories, int32 category_id)
{
	int32	   *ids;
	int			n;
	int			i;

	if (categories == NULL)
		return true;
	if (ARR_NDIM(categories) != 1 || ARR_HASNULL(categories))
		return false;
	ids = (int32 *) ARR_DATA_PTR(categories);
	n = ARR_DIMS(categories)[0];
	for (i = 0; i < n; i++)
		if (ids[i] == category_id)
			return true;
	return false;
}

/*
 * Read the person's events of one purpose, newest first, until each category
 * of cats is decided: by a word of the person's, or, if there is none, by what is
 * presumed, however new that is.  Returns whether there was any word.
 */
static bool
read_ledger(const PzQuestion *q, int32 purpose_id, PzCategoryState *cats, int ncats)
{
	const PzOids *oids = pz_registry_oids();
	Relation	rel = table_open(oids->consent_event, AccessShareLock);
	Relation	index = index_open(oids->consent_event_subject, AccessShareLock);
	TupleDesc	desc = RelationGetDescr(rel);
	ScanKeyData skey[2];
	SysScanDesc scan;
	HeapTuple	tup;
	int			undecided = ncats;
	bool		any = false;
	PzQuiet		quiet;

	pz_quiet_begin(&quiet);
	pz_quiet_watch(&quiet, rel);
	pz_quiet_watch(&quiet, index);
	ScanKeyInit(&skey[0], EVENT_SUBJECT, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(q->subject_no));
	ScanKeyInit(&skey[1], EVENT_PURPOSE, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(purpose_id));
	scan = systable_beginscan_ordered(rel, index, q->snapshot, 2, skey);
	while (undecided > 0 &&
		   HeapTupleIsValid(tup = systable_getnext_ordered(scan, BackwardScanDirection)))
	{
		bool		isnull;
		bool		all;
		char	   *action;
		PzConsentState state;
		bool		word;
		ArrayType  *categories;
		TimestampTz recorded_at;
		int			i;

		recorded_at = DatumGetTimestampTz(heap_getattr(tup, EVENT_RECORDED_AT, desc, &isnull));
		if (recorded_at > q->as_of)
			continue;
		categories = (ArrayType *) DatumGetPointer(heap_getattr(tup, EVENT_CATEGORIES, desc, &all));
		categories = all ? NULL : DatumGetArrayTypeP(PointerGetDatum(categories));
		action = TextDatumGetCString(heap_getattr(tup, EVENT_ACTION, desc, &isnull));
		state = pz_consent_state_of(action);
		/* a restriction that was lifted is one, too */
		word = purpose_id == PZ_PURPOSE_NONE || pz_consent_is_word(state);
		any = any || word;
		for (i = 0; i < ncats; i++)
		{
			PzCategoryState *c = &cats[i];
			Datum		d;

			if ((c->decided && (!word || pz_consent_is_word(c->state) || purpose_id == PZ_PURPOSE_NONE)) ||
				!covers(categories, c->category_id))
				continue;
			if (word)
				undecided--;
			c->purpose_id = purpose_id;
			c->event_id = DatumGetInt64(heap_getattr(tup, EVENT_ID, desc, &isnull));
			c->recorded_at = recorded_at;
			c->is_explicit = DatumGetBool(heap_getattr(tup, EVENT_EXPLICIT, desc, &isnull));
			d = heap_getattr(tup, EVENT_EXPIRES_AT, desc, &isnull);
			pz_consent_said(q, c, state, isnull ? 0 : DatumGetTimestampTz(d));
		}
		pfree(action);
	}
	pz_quiet_end(&quiet);
	systable_endscan_ordered(scan);
	index_close(index, AccessShareLock);
	table_close(rel, AccessShareLock);
	return any;
}

/* Fill in, by what the ledger says, a decision that has the number of the person. */
static void
judge_by_ledger(Snapshot snapshot, TimestampTz clock, TimestampTz as_of,
				const PzPurpose *purpose, bool want_categories, PzDecision *decision)
{
	PzQuestion	q;

	pz_count(PZ_COUNT_LEDGER, 1);
	q.read = read_ledger;
	q.arg = NULL;
	q.snapshot = snapshot;
	q.clock = clock;
	q.as_of = as_of;
	q.subject_no = decision->subject_no;
	q.decision = decision;
	pz_consent_judge(&q, purpose, want_categories, decision);
	/* as of a moment that is over, only what was said is known */
	if (decision->subject_no != 0 && as_of == DT_NOEND)
		pz_suppression_apply(snapshot, clock, decision->subject_no, purpose, decision);
}

/*
 * Decide for the person with this number, whose key is not erased; memory and
 * errors as in pz_consent_decide.
 */
void
pz_consent_decide_number(Snapshot snapshot, TimestampTz clock, int64 subject_no,
						 const PzPurpose *purpose, PzDecision *decision)
{
	memset(decision, 0, sizeof(PzDecision));
	decision->subject_no = subject_no;
	judge_by_ledger(snapshot, clock, DT_NOEND, purpose, true, decision);
}

/*
 * Decide whether data of the person with this canonical key may be used for a
 * purpose.  as_of: events recorded later do not count (DT_NOEND: all do).
 * Built-in purposes are always permitted.  Memory: leaks little into the
 * current context, which the caller resets.  ERROR 55000 if the key file or
 * the tables cannot be read.
 */
void
pz_consent_decide(Snapshot snapshot, TimestampTz clock, TimestampTz as_of,
				  int32 kind_id, const char *key, size_t keylen,
				  const PzPurpose *purpose, bool want_categories,
				  PzDecision *decision)
{
	bool		tombstoned;

	memset(decision, 0, sizeof(PzDecision));
	decision->subject_no = find_subject(snapshot, kind_id, key, keylen, &tombstoned, &decision->own_subject);
	if (tombstoned || (decision->subject_no == 0 && is_erased(snapshot, kind_id, key, keylen)))
	{
		decision->state = PZ_STATE_ERASED;
		decision->permitted = purpose->builtin;
		return;
	}
	if (purpose->builtin)
	{
		decision->permitted = true;
		return;
	}
	judge_by_ledger(snapshot, clock, as_of, purpose, want_categories, decision);
}

static bool learnt = false;		/* what a look into the ledger takes from the catalogs */

/* A relation has changed: what was learnt may be forgotten. */
static void
forget(Datum arg, Oid relid)
{
	learnt = false;
}

/*
 * Learn what a look into the ledger takes from the catalogs, by a look for
 * nobody.  To be called when a statement starts, so that catalog scans tell
 * nothing of its rows.
 */
void
pz_consent_learn(Snapshot snapshot)
{
	static bool registered = false;
	PzQuestion	q = {0};
	PzCategoryState cats[1];
	bool		tombstoned;
	bool		own;

	if (learnt)
		return;
	if (!registered)
	{
		CacheRegisterRelcacheCallback(forget, (Datum) 0);
		registered = true;
	}
	learnt = true;
	memset(cats, 0, sizeof(cats));
	q.snapshot = snapshot;
	(void) find_subject(snapshot, -1, "", 0, &tombstoned, &own);
	(void) is_erased(snapshot, -1, "", 0);
	(void) read_ledger(&q, 0, cats, 1);
	{
		PzDecision	decision = {true};

		pz_suppression_apply(snapshot, DT_NOEND, -1, NULL, &decision);
	}
}
