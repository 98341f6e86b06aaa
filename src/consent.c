/*-------------------------------------------------------------------------
 *
 * consent.c
 *	  What a person agreed to: the one function between the ledger and
 *	  everybody who asks.
 *
 * pz_consent_decide() looks the key up in personalize.subject and reads the
 * person's events of one purpose, newest first, by index.  Enforcement
 * memoises its answers per statement; the SQL functions call it once.
 *
 * Rules (docs/reference.md, "How a decision is made"):
 * - state is kept per subject, purpose and category; an event covers the
 *   categories it names, NULL covers all; the newest event that covers a
 *   category decides it;
 * - consent: given and not expired; explicit consent, and special categories
 *   of a purpose without a special basis: given explicitly;
 * - legitimate interest: unless objected, withdrawn or refused;
 * - contract, legal obligation, vital and public interest: yes;
 * - a restriction overlays all of them; an erased key is never permitted;
 * - a purpose without events of the person asks its parents; a refusal at any
 *   of the nearest parents wins;
 * - a row is permitted if any category of the purpose is.
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
#include "catalog/pg_collation.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "consent.h"
#include "errors.h"
#include "keys.h"

/* Column numbers, see sql/tables/30_consent.sql */
enum
{
	SUBJECT_NO = 1, SUBJECT_KIND = 2, SUBJECT_KEY = 3, SUBJECT_TOMBSTONED = 4,
	TOMBSTONE_DIGEST = 1,
	EVENT_ID = 1, EVENT_RECORDED_AT = 3, EVENT_SUBJECT = 4, EVENT_PURPOSE = 5, EVENT_ACTION = 6,
	EVENT_CATEGORIES = 7, EVENT_EXPLICIT = 8, EVENT_EXPIRES_AT = 9
};

/* What the ledger says of one category */
typedef struct CategoryState
{
	int32		category_id;
	bool		decided;
	PzConsentState state;
	bool		is_explicit;
	int64		event_id;
	TimestampTz recorded_at;
	TimestampTz expires_at;		/* 0: does not expire */
	int32		purpose_id;		/* whose event it was */
} CategoryState;

/* How many levels of broader purposes a purpose may have; see define_purpose() */
#define PZ_MAX_PARENTS	32

/* One question */
typedef struct Question
{
	Snapshot	snapshot;
	TimestampTz clock;
	TimestampTz as_of;			/* events recorded later do not count */
	int64		subject_no;
} Question;

/*
 * The snapshot by which consent is read now: the newest committed state plus
 * the own transaction's changes, at every isolation level.  At READ COMMITTED
 * that is the active snapshot, so that a statement agrees with a join with the
 * consent view.  Not to be called in parallel mode at the stricter levels.
 */
Snapshot
pz_consent_snapshot(void)
{
	if (IsolationUsesXactSnapshot() || !ActiveSnapshotSet())
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
		"unknown", "given", "refused", "withdrawn", "objected", "restricted", "expired", "erased"
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

/* State that an action of the ledger leads to. */
static PzConsentState
state_of_action(const char *action)
{
	if (strcmp(action, "given") == 0)
		return PZ_STATE_GIVEN;
	if (strcmp(action, "refused") == 0)
		return PZ_STATE_REFUSED;
	if (strcmp(action, "withdrawn") == 0)
		return PZ_STATE_WITHDRAWN;
	if (strcmp(action, "objected") == 0)
		return PZ_STATE_OBJECTED;
	if (strcmp(action, "restricted") == 0)
		return PZ_STATE_RESTRICTED;
	return PZ_STATE_UNKNOWN;	/* lifted */
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
 * of cats is decided.  Returns whether there was any event.
 */
static bool
read_ledger(const Question *q, int32 purpose_id, CategoryState *cats, int ncats)
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
		ArrayType  *categories;
		TimestampTz recorded_at;
		int			i;

		recorded_at = DatumGetTimestampTz(heap_getattr(tup, EVENT_RECORDED_AT, desc, &isnull));
		if (recorded_at > q->as_of)
			continue;
		any = true;
		categories = (ArrayType *) DatumGetPointer(heap_getattr(tup, EVENT_CATEGORIES, desc, &all));
		categories = all ? NULL : DatumGetArrayTypeP(PointerGetDatum(categories));
		action = TextDatumGetCString(heap_getattr(tup, EVENT_ACTION, desc, &isnull));
		for (i = 0; i < ncats; i++)
		{
			CategoryState *c = &cats[i];
			Datum		d;

			if (c->decided || !covers(categories, c->category_id))
				continue;
			c->decided = true;
			undecided--;
			c->purpose_id = purpose_id;
			c->event_id = DatumGetInt64(heap_getattr(tup, EVENT_ID, desc, &isnull));
			c->recorded_at = recorded_at;
			c->is_explicit = DatumGetBool(heap_getattr(tup, EVENT_EXPLICIT, desc, &isnull));
			d = heap_getattr(tup, EVENT_EXPIRES_AT, desc, &isnull);
			c->expires_at = isnull ? 0 : DatumGetTimestampTz(d);
			c->state = state_of_action(action);
			if (c->state == PZ_STATE_GIVEN && !isnull && c->expires_at <= q->clock)
				c->state = PZ_STATE_EXPIRED;
		}
		pfree(action);
	}
	pz_quiet_end(&quiet);
	systable_endscan_ordered(scan);
	index_close(index, AccessShareLock);
	table_close(rel, AccessShareLock);
	return any;
}

/* Does a state say no? */
static bool
says_no(PzConsentState state)
{
	return state == PZ_STATE_REFUSED || state == PZ_STATE_WITHDRAWN || state == PZ_STATE_OBJECTED;
}

/*
 * What counts among several parents: a no, then an explicit yes, then a yes,
 * then the rest; among equals the newest event.
 */
static int
weight(const CategoryState *c)
{
	if (says_no(c->state))
		return 3;
	if (c->state == PZ_STATE_GIVEN)
		return c->is_explicit ? 2 : 1;
	return 0;
}

/*
 * What the ledger says of each of cats for a purpose: by the person's own
 * events of it, or, where there is none at all, by its parents': per category
 * the one that weighs most.  The graph has no cycles and no more than
 * PZ_MAX_PARENTS levels (define_purpose sees to that); depth is a guard against
 * a damaged one: what is too far away counts as a no.
 */
static void
ask_purpose(const Question *q, const PzPurpose *purpose, CategoryState *cats, int ncats, int depth)
{
	CategoryState *theirs;
	int			i;
	int			j;

	if (read_ledger(q, purpose->purpose_id, cats, ncats))
		return;
	if (depth >= PZ_MAX_PARENTS && purpose->nparents > 0)
	{
		for (i = 0; i < ncats; i++)
		{
			cats[i].decided = true;
			cats[i].state = PZ_STATE_REFUSED;
			cats[i].purpose_id = purpose->purpose_id;
		}
		return;
	}

	theirs = palloc(sizeof(CategoryState) * ncats);
	for (i = 0; i < purpose->nparents; i++)
	{
		const PzPurpose *parent = pz_registry_purpose(purpose->parents[i]);

		if (parent == NULL)
			continue;
		memset(theirs, 0, sizeof(CategoryState) * ncats);
		for (j = 0; j < ncats; j++)
			theirs[j].category_id = cats[j].category_id;
		ask_purpose(q, parent, theirs, ncats, depth + 1);
		for (j = 0; j < ncats; j++)
		{
			if (!theirs[j].decided)
				continue;
			if (!cats[j].decided || weight(&theirs[j]) > weight(&cats[j]) ||
				(weight(&theirs[j]) == weight(&cats[j]) && theirs[j].event_id > cats[j].event_id))
				cats[j] = theirs[j];
		}
	}
	pfree(theirs);
}

/*
 * May a category be used, by what the ledger says and the purpose's basis?
 * *needs_explicit: consent is there but would have to be explicit.
 */
static bool
category_permitted(const PzPurpose *purpose, const CategoryState *c, bool *needs_explicit)
{
	const PzCategory *category = pz_registry_category(c->category_id);
	bool		special = category && category->special && !purpose->special_basis;

	*needs_explicit = false;
	if (special || purpose->basis == PZ_BASIS_EXPLICIT_CONSENT)
	{
		*needs_explicit = c->state == PZ_STATE_GIVEN && !c->is_explicit;
		return c->state == PZ_STATE_GIVEN && c->is_explicit;
	}
	switch (purpose->basis)
	{
		case PZ_BASIS_CONSENT:
		case PZ_BASIS_EXPLICIT_CONSENT:
			return c->state == PZ_STATE_GIVEN;
		case PZ_BASIS_LEGITIMATE_INTEREST:
			return !says_no(c->state);
		case PZ_BASIS_CONTRACT:
		case PZ_BASIS_LEGAL_OBLIGATION:
		case PZ_BASIS_VITAL_INTEREST:
		case PZ_BASIS_PUBLIC_INTEREST:
			return true;
	}
	return false;
}

/* Say in decision which event decided. */
static void
cite(PzDecision *decision, const CategoryState *c, const PzPurpose *purpose)
{
	decision->state = c->state;
	decision->event_id = c->event_id;
	decision->recorded_at = c->recorded_at;
	decision->expires_at = c->expires_at;
	decision->is_explicit = c->is_explicit;
	decision->inherited_from = (c->decided && purpose && c->purpose_id != purpose->purpose_id) ? c->purpose_id : 0;
}

/*
 * Is processing of the person's data restricted?  Then the decision says so.
 */
static bool
is_restricted(const Question *q, PzDecision *decision)
{
	CategoryState c = {0};

	c.category_id = PZ_CATEGORY_ROW;
	if (!read_ledger(q, PZ_PURPOSE_NONE, &c, 1) || c.state != PZ_STATE_RESTRICTED)
		return false;
	cite(decision, &c, NULL);
	return true;
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
	Question	q;
	bool		tombstoned;
	CategoryState *cats;
	const CategoryState *best = NULL;
	int			ncats;
	int			i;

	memset(decision, 0, sizeof(PzDecision));
	q.snapshot = snapshot;
	q.clock = clock;
	q.as_of = as_of;
	q.subject_no = find_subject(snapshot, kind_id, key, keylen, &tombstoned, &decision->own_subject);
	decision->subject_no = q.subject_no;

	if (tombstoned || (q.subject_no == 0 && is_erased(snapshot, kind_id, key, keylen)))
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
	if (q.subject_no != 0 && is_restricted(&q, decision))
		return;

	ncats = Max(purpose->ncategories, 1);
	cats = palloc0(sizeof(CategoryState) * ncats);
	for (i = 0; i < ncats; i++)
		cats[i].category_id = purpose->ncategories > 0 ? purpose->categories[i] : PZ_CATEGORY_ROW;
	if (q.subject_no != 0)
		ask_purpose(&q, purpose, cats, ncats, 0);

	if (want_categories)
		decision->categories = palloc(sizeof(int32) * ncats);
	for (i = 0; i < ncats; i++)
	{
		bool		needs_explicit;
		bool		ok = category_permitted(purpose, &cats[i], &needs_explicit);

		decision->needs_explicit = decision->needs_explicit || needs_explicit;
		if (ok && want_categories && cats[i].category_id != PZ_CATEGORY_ROW)
			decision->categories[decision->ncategories++] = cats[i].category_id;

		/* cite a category that is permitted, among them the newest event */
		if (best == NULL || (ok && !decision->permitted) ||
			(ok == decision->permitted && cats[i].event_id > best->event_id))
			best = &cats[i];
		decision->permitted = decision->permitted || ok;
	}
	cite(decision, best, purpose);
	if (purpose->retired)
		decision->permitted = false;
	pfree(cats);
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
	Question	q = {0};
	CategoryState cats[1];
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
}
