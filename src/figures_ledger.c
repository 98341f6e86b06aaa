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
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "consent_columns.h"
#include "figures.h"

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

/*
 * Go through the moments at which a person said anything, of whatever purpose if the
 * ledger was loaded with times.  *next: 0 to begin with; false: there are no more.
 */
bool
pz_ledger_next(const PzLedger *l, int64 no, uint32 *next, TimestampTz *at)
{
	const Event *e;

	if (*next == 0)
		*next = no < l->heads.n ? l->heads.heads[no] : 0;
	else
		*next = ((const Event *) pz_pool_at(&l->events, *next))->next;
	if (*next == 0)
		return false;
	e = pz_pool_at(&l->events, *next);
	*at = e->recorded_at;
	return true;
}
