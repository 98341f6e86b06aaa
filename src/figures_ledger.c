/*-------------------------------------------------------------------------
 *
 * figures_ledger.c
 *	  What many persons had said at many times: the ledger in memory, and the
 *	  rules asked with it.
 *
 * The ledger is read once, by one snapshot; of the purposes asked for, of those
 * above them and of restrictions every event of the persons asked for is kept, in
 * lists by person, the newest first.  The rules are those of consent_judge.c; the
 * answer is that of decision_internal() as of a moment, for a person who is not
 * erased.
 *
 * figures_decided_internal() and figures_said_internal() are the same for SQL functions
 * that ask for many.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "consent_columns.h"
#include "errors.h"
#include "figures.h"
#include "shmem.h"

#define LISTS			1024	/* buckets for different lists of categories */
#define KNOWN			64		/* results that are remembered */

/* A list of categories that some events have */
typedef struct CategoryList
{
	struct CategoryList *next;
	bool		plain;			/* one dimension, no NULL */
	int			n;
	int32		ids[FLEXIBLE_ARRAY_MEMBER];
} CategoryList;

typedef struct Event
{
	int64		event_id;
	TimestampTz recorded_at;
	TimestampTz expires_at;		/* 0: does not */
	const CategoryList *categories; /* NULL: all */
	uint32		next;			/* the next older one of the person, of whatever purpose */
	int32		purpose_id;
	uint8		state;
	bool		is_explicit;
} Event;

/*
 * What the rules say where one event says everything, or there is none: it follows
 * from these, and is asked for once
 */
typedef struct Known
{
	bool		valid;
	bool		plain;			/* the event covers all categories of the purpose */
	bool		is_explicit;
	bool		expired;
	bool		permitted;
	int16		state;			/* of the event; -1: there is none */
	int16		result;
	int32		purpose_id;
	const CategoryList *categories;
} Known;

struct PzLedger
{
	MemoryContext mcxt;
	MemoryContext scratch;
	Snapshot	snapshot;
	PzWant		want;
	void	   *arg;
	bool		times;			/* events of other purposes are kept, too: when they were */
	int			npurposes;
	int32	   *purposes;
	PzHeads		heads;
	PzPool		events;
	CategoryList *lists[LISTS];
	uint64		asked;
	Known		known[KNOWN];
};

/* Add a purpose and those above it to those that are read. */
static void
add_purpose(PzLedger *l, int32 purpose_id)
{
	const PzPurpose *purpose = pz_registry_purpose(purpose_id);
	int			i;

	check_stack_depth();
	for (i = 0; i < l->npurposes; i++)
		if (l->purposes[i] == purpose_id)
			return;
	l->purposes = l->purposes ? repalloc(l->purposes, sizeof(int32) * (l->npurposes + 1)) : palloc(sizeof(int32));
	l->purposes[l->npurposes++] = purpose_id;
	for (i = 0; purpose && i < purpose->nparents; i++)
		add_purpose(l, purpose->parents[i]);
}

/* The one copy of a list of categories. */
static const CategoryList *
list_of(PzLedger *l, ArrayType *a)
{
	bool		plain = ARR_NDIM(a) == 1 && !ARR_HASNULL(a);
	int			n = plain ? ARR_DIMS(a)[0] : 0;
	const int32 *ids = (const int32 *) ARR_DATA_PTR(a);
	CategoryList **bucket = &l->lists[n == 0 ? plain : DatumGetUInt32(hash_any((const unsigned char *) ids, n * sizeof(int32))) % LISTS];
	CategoryList *c;

	for (c = *bucket; c; c = c->next)
		if (c->plain == plain && c->n == n && memcmp(c->ids, ids, n * sizeof(int32)) == 0)
			return c;
	c = MemoryContextAlloc(l->mcxt, offsetof(CategoryList, ids) + Max(n, 1) * sizeof(int32));
	c->plain = plain;
	c->n = n;
	memcpy(c->ids, ids, n * sizeof(int32));
	c->next = *bucket;
	*bucket = c;
	return c;
}

/* A row of the ledger: keep it if it is asked for. */
static void
take_event(void *arg, TupleTableSlot *slot)
{
	PzLedger   *l = arg;
	int64		no = DatumGetInt64(slot->tts_values[EVENT_SUBJECT - 1]);
	int32		purpose_id = DatumGetInt32(slot->tts_values[EVENT_PURPOSE - 1]);
	int64		event_id = DatumGetInt64(slot->tts_values[EVENT_ID - 1]);
	Event	   *e;
	uint32	   *place;
	uint32		index;
	char		action[16];
	text	   *t;
	int			len;
	int			i;

	for (i = 0; i < l->npurposes && l->purposes[i] != purpose_id; i++)
		;
	if ((i == l->npurposes && !l->times) || no <= 0 || !l->want(l->arg, no))
		return;
	index = pz_pool_add(&l->events, (void **) &e);
	e->event_id = event_id;
	e->recorded_at = DatumGetTimestampTz(slot->tts_values[EVENT_RECORDED_AT - 1]);
	e->expires_at = slot->tts_isnull[EVENT_EXPIRES_AT - 1] ? 0 : DatumGetTimestampTz(slot->tts_values[EVENT_EXPIRES_AT - 1]);
	e->purpose_id = purpose_id;
	t = DatumGetTextPP(slot->tts_values[EVENT_ACTION - 1]);
	len = Min(VARSIZE_ANY_EXHDR(t), sizeof(action) - 1);
	memcpy(action, VARDATA_ANY(t), len);
	action[len] = '\0';
	e->state = (uint8) pz_consent_state_of(action);
	e->is_explicit = DatumGetBool(slot->tts_values[EVENT_EXPLICIT - 1]);
	if (!slot->tts_isnull[EVENT_CATEGORIES - 1] && i < l->npurposes)
		e->categories = list_of(l, DatumGetArrayTypeP(slot->tts_values[EVENT_CATEGORIES - 1]));
	/* nearly always it is the newest of the person so far */
	place = pz_heads_at(&l->heads, no);
	while (*place != 0 && ((Event *) pz_pool_at(&l->events, *place))->event_id > event_id)
		place = &((Event *) pz_pool_at(&l->events, *place))->next;
	e->next = *place;
	*place = index;
}

/* Does a list of categories (NULL: all) hold a category? */
static bool
covers(const CategoryList *list, int32 category_id)
{
	int			i;

	if (list == NULL)
		return true;
	for (i = 0; i < list->n; i++)
		if (list->ids[i] == category_id)
			return true;
	return false;
}

/* Read as read_ledger() in consent.c does. */
static bool
read_memory(const PzQuestion *q, int32 purpose_id, PzCategoryState *cats, int ncats)
{
	PzLedger   *l = q->arg;
	uint32		next = q->subject_no < l->heads.n ? l->heads.heads[q->subject_no] : 0;
	int			undecided = ncats;
	bool		any = false;

	while (next != 0 && undecided > 0)
	{
		Event	   *e = pz_pool_at(&l->events, next);
		bool		word = purpose_id == PZ_PURPOSE_NONE || pz_consent_is_word((PzConsentState) e->state);
		int			i;

		next = e->next;
		if (e->purpose_id != purpose_id || e->recorded_at > q->as_of)
			continue;
		any = any || word;
		for (i = 0; i < ncats; i++)
		{
			PzCategoryState *c = &cats[i];

			if ((c->decided && (!word || pz_consent_is_word(c->state) || purpose_id == PZ_PURPOSE_NONE)) ||
				!covers(e->categories, c->category_id))
				continue;
			if (word)
				undecided--;
			c->purpose_id = purpose_id;
			c->event_id = e->event_id;
			c->recorded_at = e->recorded_at;
			c->is_explicit = e->is_explicit;
			pz_consent_said(q, c, (PzConsentState) e->state, e->expires_at);
		}
	}
	return any;
}

/*
 * Load what persons that are wanted said of purposes, in the current context.  times:
 * also when they said anything else.
 */
PzLedger *
pz_ledger_load(Snapshot snapshot, const int32 *purposes, int npurposes, bool times, PzWant want, void *arg)
{
	PzLedger   *l = palloc0(sizeof(PzLedger));
	int			i;

	l->mcxt = CurrentMemoryContext;
	l->scratch = AllocSetContextCreate(l->mcxt, "personalize figures decision", ALLOCSET_SMALL_SIZES);
	l->snapshot = snapshot;
	l->times = times;
	l->want = want;
	l->arg = arg;
	pz_heads_init(&l->heads, 0);
	pz_pool_init(&l->events, sizeof(Event));
	add_purpose(l, PZ_PURPOSE_NONE);
	for (i = 0; i < npurposes; i++)
		add_purpose(l, purposes[i]);
	pz_figures_scan("consent_event", snapshot, EVENT_EXPIRES_AT, take_event, l);
	return l;
}

/* Decide by the rules. */
static void
judge(PzLedger *l, int64 no, const PzPurpose *purpose, TimestampTz at, PzDecision *decision)
{
	PzQuestion	q = {0};
	MemoryContext old;

	memset(decision, 0, sizeof(PzDecision));
	decision->subject_no = no;
	q.read = read_memory;
	q.arg = l;
	q.snapshot = l->snapshot;
	q.clock = at;
	q.as_of = at;
	q.subject_no = no;
	q.decision = decision;
	old = MemoryContextSwitchTo(l->scratch);
	pz_consent_judge(&q, purpose, false, decision);
	MemoryContextSwitchTo(old);
	if ((++l->asked & 0xff) == 0)
	{
		MemoryContextReset(l->scratch);
		CHECK_FOR_INTERRUPTS();
	}
}

/* Does a list (NULL: all) hold all categories of a purpose, or the row itself if it has none? */
static bool
covers_all(const CategoryList *list, const PzPurpose *purpose)
{
	int			i;

	for (i = 0; i < purpose->ncategories; i++)
		if (!covers(list, purpose->categories[i]))
			return false;
	return purpose->ncategories > 0 || covers(list, PZ_CATEGORY_ROW);
}

/*
 * Decide for a person, who is not erased, as of a moment.  Of the decision only
 * permitted and state are filled in.
 */
void
pz_ledger_decide(PzLedger *l, int64 no, const PzPurpose *purpose, TimestampTz at, PzDecision *decision)
{
	uint32		next = no < l->heads.n ? l->heads.heads[no] : 0;
	const Event *newest = NULL;
	Known		key = {0};
	Known	   *known;

	if (purpose->builtin)
	{
		memset(decision, 0, sizeof(PzDecision));
		decision->permitted = true;
		return;
	}
	for (; next != 0; next = ((Event *) pz_pool_at(&l->events, next))->next)
	{
		const Event *e = pz_pool_at(&l->events, next);

		if (e->recorded_at > at)
			continue;
		/* a restriction, or no word of the person: not as simple as that */
		if (e->purpose_id == PZ_PURPOSE_NONE ||
			(e->purpose_id == purpose->purpose_id && !pz_consent_is_word((PzConsentState) e->state)))
		{
			judge(l, no, purpose, at, decision);
			return;
		}
		if (newest == NULL && e->purpose_id == purpose->purpose_id)
			newest = e;
	}
	if (newest == NULL && purpose->nparents > 0)
	{
		judge(l, no, purpose, at, decision);
		return;
	}
	key.purpose_id = purpose->purpose_id;
	key.state = newest ? newest->state : -1;
	key.is_explicit = newest && newest->is_explicit;
	key.expired = newest && newest->expires_at != 0 && newest->expires_at <= at;
	key.categories = newest ? newest->categories : NULL;
	known = &l->known[(key.purpose_id * 31 + key.state * 7 + key.is_explicit * 3 + key.expired + (uintptr_t) key.categories / 16) % KNOWN];
	if (!known->valid || known->purpose_id != key.purpose_id || known->state != key.state ||
		known->is_explicit != key.is_explicit || known->expired != key.expired || known->categories != key.categories)
	{
		judge(l, no, purpose, at, decision);
		*known = key;
		known->valid = true;
		known->plain = newest == NULL || covers_all(newest->categories, purpose);
		known->permitted = decision->permitted;
		known->result = decision->state;
		return;
	}
	if (!known->plain)
	{
		judge(l, no, purpose, at, decision);
		return;
	}
	decision->permitted = known->permitted;
	decision->state = (PzConsentState) known->result;
}

/* Persons that are asked for, by their numbers, and moments */
typedef struct Asked
{
	int			n;
	const int64 *nos;
	int64		max_no;
	uint64	   *bits;
	const PzPurpose *purpose;
	PzLedger   *ledger;
	Snapshot	snapshot;
} Asked;

/* Is a number asked for? */
static bool
is_asked(void *arg, int64 no)
{
	Asked	   *asked = arg;

	return no <= asked->max_no && ((asked->bits[no / 64] >> (no % 64)) & 1) != 0;
}

/* Load what the persons of an array had said of a purpose.  ERROR 42704 for one that does not exist. */
static void
ask_for(Asked *asked, ArrayType *nos, int32 purpose_id, bool times)
{
	int			i;

	if (ARR_HASNULL(nos))
		elog(ERROR, "a number is null");	/* cannot happen: they are those of persons */
	if (pz_registry_purpose(purpose_id) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("purpose does not exist"),
				 errhint("See the view personalize.purposes.")));
	asked->n = ArrayGetNItems(ARR_NDIM(nos), ARR_DIMS(nos));
	asked->nos = (const int64 *) ARR_DATA_PTR(nos);
	if (asked->n == 0)
		return;
	for (i = 0; i < asked->n; i++)
		asked->max_no = Max(asked->max_no, asked->nos[i]);
	asked->bits = MemoryContextAllocExtended(CurrentMemoryContext, (asked->max_no / 64 + 1) * sizeof(uint64), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (i = 0; i < asked->n; i++)
		if (asked->nos[i] > 0)
			asked->bits[asked->nos[i] / 64] |= UINT64CONST(1) << (asked->nos[i] % 64);
	asked->snapshot = RegisterSnapshot(pz_consent_snapshot());
	asked->ledger = pz_ledger_load(asked->snapshot, &purpose_id, 1, times, is_asked, asked);
	/* reading may have had the registry read again */
	asked->purpose = pz_registry_purpose(purpose_id);
	if (asked->purpose == NULL)
		elog(ERROR, "the purpose is gone");	/* cannot happen: purposes are retired, not deleted */
}

/*
 * figures_decided_internal(nos, purpose_id, ats): whether persons, by their numbers,
 * permitted a purpose each at a moment, and what they had said, by place in the
 * arrays.  They must not be erased.
 */
PG_FUNCTION_INFO_V1(personalize_figures_decided);
Datum
personalize_figures_decided(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	ArrayType  *ats;
	const TimestampTz *at;
	Asked		asked = {0};
	Datum		states[PZ_STATE_PRESUMED + 1];
	int			i;

	pz_require_preloaded();
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	ask_for(&asked, PG_GETARG_ARRAYTYPE_P(0), PG_GETARG_INT32(1), false);
	ats = PG_GETARG_ARRAYTYPE_P(2);
	if (ARR_HASNULL(ats) || ArrayGetNItems(ARR_NDIM(ats), ARR_DIMS(ats)) != asked.n)
		elog(ERROR, "arrays differ");	/* cannot happen: they come from one query */
	at = (const TimestampTz *) ARR_DATA_PTR(ats);
	for (i = 0; i <= PZ_STATE_PRESUMED; i++)
		states[i] = CStringGetTextDatum(pz_consent_state_name((PzConsentState) i));
	for (i = 0; i < asked.n; i++)
	{
		PzDecision	decision;
		Datum		values[4];
		bool		nulls[4] = {false};

		pz_ledger_decide(asked.ledger, asked.nos[i], asked.purpose, at[i], &decision);
		values[0] = Int64GetDatum(i + 1);
		values[1] = Int64GetDatum(asked.nos[i]);
		values[2] = BoolGetDatum(decision.permitted);
		values[3] = states[decision.state];
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	if (asked.snapshot)
		UnregisterSnapshot(asked.snapshot);
	return (Datum) 0;
}

/* Sides that a person can be on: agreed, said no, said nothing; none where all is restricted */
enum
{
	SIDE_YES, SIDE_NO, SIDE_SILENT, SIDE_NONE, SIDES
};

/* What a person had said at a moment. */
static int
side_at(Asked *asked, int64 no, TimestampTz at)
{
	PzDecision	decision;

	pz_ledger_decide(asked->ledger, no, asked->purpose, at, &decision);
	switch (decision.state)
	{
		case PZ_STATE_GIVEN:
		case PZ_STATE_PRESUMED:
			return SIDE_YES;
		case PZ_STATE_REFUSED:
		case PZ_STATE_WITHDRAWN:
		case PZ_STATE_OBJECTED:
			return SIDE_NO;
		case PZ_STATE_UNKNOWN:
		case PZ_STATE_EXPIRED:
			return SIDE_SILENT;
		case PZ_STATE_RESTRICTED:
		case PZ_STATE_ERASED:
			break;
	}
	return SIDE_NONE;
}

/*
 * figures_said_internal(nos, purpose_id, since, until): on which sides of a purpose
 * persons, by their numbers, were within a time: at its start if they had said
 * anything, whenever they said something of whatever purpose, and at its end.
 * steady: the side of who was always on one, and since when that is known.  They
 * must not be erased.
 */
PG_FUNCTION_INFO_V1(personalize_figures_said);
Datum
personalize_figures_said(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	TimestampTz since = PG_GETARG_TIMESTAMPTZ(2);
	TimestampTz until = PG_GETARG_TIMESTAMPTZ(3);
	Asked		asked = {0};
	Datum		names[SIDES];
	int			i;

	pz_require_preloaded();
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	ask_for(&asked, PG_GETARG_ARRAYTYPE_P(0), PG_GETARG_INT32(1), true);
	names[SIDE_YES] = CStringGetTextDatum("yes");
	names[SIDE_NO] = CStringGetTextDatum("no");
	names[SIDE_SILENT] = CStringGetTextDatum("silent");
	for (i = 0; i < asked.n; i++)
	{
		int64		no = asked.nos[i];
		uint32		next = no < asked.ledger->heads.n ? asked.ledger->heads.heads[no] : 0;
		bool		on[SIDES] = {false};
		bool		before = false;
		TimestampTz first = until;
		int			side;
		Datum		values[6];
		bool		nulls[6] = {false};

		side = side_at(&asked, no, until);
		on[side] = true;
		for (; next != 0; next = ((Event *) pz_pool_at(&asked.ledger->events, next))->next)
		{
			TimestampTz at = ((Event *) pz_pool_at(&asked.ledger->events, next))->recorded_at;

			before = before || at < since;
			if (at < since || at >= until)
				continue;
			on[side_at(&asked, no, at)] = true;
			first = Min(first, at);
		}
		if (before && since != DT_NOBEGIN)
		{
			on[side_at(&asked, no, since)] = true;
			first = Min(first, since);
		}
		values[0] = Int64GetDatum(no);
		values[1] = BoolGetDatum(on[SIDE_YES]);
		values[2] = BoolGetDatum(on[SIDE_NO]);
		values[3] = BoolGetDatum(on[SIDE_SILENT]);
		nulls[4] = nulls[5] = side == SIDE_NONE || on[SIDE_YES] + on[SIDE_NO] + on[SIDE_SILENT] + on[SIDE_NONE] > 1;
		values[4] = nulls[4] ? (Datum) 0 : names[side];
		values[5] = TimestampTzGetDatum(first);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	if (asked.snapshot)
		UnregisterSnapshot(asked.snapshot);
	return (Datum) 0;
}
