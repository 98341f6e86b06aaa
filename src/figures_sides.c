/*-------------------------------------------------------------------------
 *
 * figures_sides.c
 *	  What came to people who had agreed to a purpose, said no, or said nothing: the
 *	  numbers that opt_out_parity() compares.
 *
 * Counted are people of the kinds of subjects of whom there are outcomes of the metric,
 * as far as they may be measured at the end of the time; each on every side they were on
 * within it: at its start if they had said anything, whenever they said anything, of
 * whatever purpose, and at its end.  An outcome is on the side of its moment.
 *
 * Tables are read from start to end, once for each part of the persons that fits into
 * FIGURES_MEMORY.  The same in SQL is in test/sql/measures_fast.sql.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "consent_columns.h"
#include "errors.h"
#include "figures.h"
#include "progress.h"
#include "shmem.h"

/* Where a person can be; SIDE_NONE: all is restricted */
enum
{
	SIDE_YES, SIDE_NO, SIDE_SILENT, SIDES, SIDE_NONE = SIDES
};

typedef struct Person
{
	int64		no;				/* the least identity of the kinds; 0: there is none, or not known */
	TimestampTz steady_since;
	double		total[SIDES];
	uint32		n[SIDES];
	int8		steady;			/* the side of who was on one only, from steady_since on; -1: was on several */
	bool		on[SIDES + 1];
} Person;

typedef struct Side
{
	int64		persons;
	int64		with_it;
	PzSums		sums;
} Side;

typedef struct Sides
{
	PzPersons  *persons;
	int32		metric_id;
	TimestampTz since;
	TimestampTz until;
	TimestampTz ends;
	int64		low;			/* persons of this part: from low to below high */
	int64		high;
	Person	   *places;
	int64		max_marked;
	uint64	   *marked;			/* numbers of whom there are outcomes, as bits */
	int			nkinds;
	int32	   *kinds;
	PzLedger   *ledger;
	const PzPurpose *purpose;
	Side		sides[SIDES];
} Sides;

/* A row of personalize.outcome: whose is it? */
static void
mark_subject(void *arg, TupleTableSlot *slot)
{
	Sides	   *s = arg;
	int64		no = DatumGetInt64(slot->tts_values[OUTCOME_SUBJECT - 1]);

	if (DatumGetInt32(slot->tts_values[OUTCOME_METRIC - 1]) != s->metric_id || no <= 0)
		return;
	if (no > s->max_marked)
	{
		int64		max_no = Max(no, s->max_marked * 2) | 63;

		s->marked = repalloc_huge(s->marked, (max_no + 1) / 8);
		memset((char *) s->marked + (s->max_marked + 1) / 8, 0, (max_no - s->max_marked) / 8);
		s->max_marked = max_no;
	}
	s->marked[no / 64] |= UINT64CONST(1) << (no % 64);
}

/* Is a kind among those of whom there are outcomes? */
static bool
is_of_kinds(const Sides *s, int32 kind_id)
{
	int			i;

	for (i = 0; i < s->nkinds; i++)
		if (s->kinds[i] == kind_id)
			return true;
	return false;
}

/* A row of personalize.subject: its kind counts if there are outcomes of it. */
static void
take_kind(void *arg, TupleTableSlot *slot)
{
	Sides	   *s = arg;
	int64		no = DatumGetInt64(slot->tts_values[SUBJECT_NO - 1]);
	int32		kind_id = DatumGetInt32(slot->tts_values[SUBJECT_KIND - 1]);

	if (no <= 0 || no > s->max_marked || ((s->marked[no / 64] >> (no % 64)) & 1) == 0 || is_of_kinds(s, kind_id))
		return;
	s->kinds = repalloc(s->kinds, sizeof(int32) * (s->nkinds + 1));
	s->kinds[s->nkinds++] = kind_id;
}

/* The place of the person with a number; NULL: is not counted, or not of this part. */
static inline Person *
place_of(const Sides *s, int64 no)
{
	int64		person = pz_person_of(s->persons, no);

	return person == 0 || person < s->low || person >= s->high ? NULL : &s->places[person - s->low];
}

/* A row of personalize.subject: an identity of a person. */
static void
take_subject(void *arg, TupleTableSlot *slot)
{
	Sides	   *s = arg;
	int64		no = DatumGetInt64(slot->tts_values[SUBJECT_NO - 1]);
	Person	   *p = place_of(s, no);

	if (p && (p->no == 0 || no < p->no) && is_of_kinds(s, DatumGetInt32(slot->tts_values[SUBJECT_KIND - 1])))
		p->no = no;
}

/* Is a number that by which a person is asked? */
static bool
is_asked(void *arg, int64 no)
{
	const Person *p = place_of((Sides *) arg, no);

	return p && p->no == no;
}

/* The side of a person at a moment. */
static int
side_at(Sides *s, int64 no, TimestampTz at)
{
	PzDecision	decision;

	pz_ledger_decide(s->ledger, no, s->purpose, at, &decision);
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

/* On which sides was a person within the time? */
static void
find_sides(Sides *s, Person *p)
{
	uint32		next = 0;
	bool		before = false;
	TimestampTz at;
	int			last = side_at(s, p->no, s->ends);
	int			i;

	p->on[last] = true;
	p->steady_since = s->ends;
	while (pz_ledger_next(s->ledger, p->no, &next, &at))
	{
		before = before || at < s->since;
		if (at < s->since || at >= s->ends)
			continue;
		p->on[side_at(s, p->no, at)] = true;
		p->steady_since = Min(p->steady_since, at);
	}
	if (before && s->since != DT_NOBEGIN)
	{
		p->on[side_at(s, p->no, s->since)] = true;
		p->steady_since = Min(p->steady_since, s->since);
	}
	p->steady = last == SIDE_NONE ? -1 : last;
	for (i = 0; i <= SIDES; i++)
		if (p->on[i] && i != last)
			p->steady = -1;
}

/* A row of personalize.outcome: what came to a person. */
static void
take_outcome(void *arg, TupleTableSlot *slot)
{
	Sides	   *s = arg;
	TimestampTz at;
	Person	   *p;
	int			side;

	if (DatumGetInt32(slot->tts_values[OUTCOME_METRIC - 1]) != s->metric_id)
		return;
	at = DatumGetTimestampTz(slot->tts_values[OUTCOME_AT - 1]);
	p = place_of(s, DatumGetInt64(slot->tts_values[OUTCOME_SUBJECT - 1]));
	if (p == NULL || p->no == 0 || at < s->since || at >= s->until)
		return;
	side = p->steady >= 0 && at >= p->steady_since ? p->steady : side_at(s, p->no, at);
	if (side == SIDE_NONE)
		return;
	p->n[side]++;
	p->total[side] += DatumGetFloat8(slot->tts_values[OUTCOME_VALUE - 1]);
}

/* Read the part, and sum up its persons.  ERROR 42704 for a purpose that does not exist. */
static void
sides_part(Sides *s, Snapshot snapshot, int32 measured_for, int32 purpose_id)
{
	Snapshot	consent;
	const PzPurpose *measured;
	int32		asked[2] = {measured_for, purpose_id};
	int64		person;

	pz_figures_scan("subject", snapshot, SUBJECT_TOMBSTONED, take_subject, s);
	consent = RegisterSnapshot(pz_consent_snapshot());
	s->ledger = pz_ledger_load(consent, asked, 2, true, is_asked, s);
	measured = pz_registry_purpose(measured_for);
	s->purpose = pz_registry_purpose(purpose_id);
	if (measured == NULL || s->purpose == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("purpose does not exist"),
				 errhint("See the view personalize.purposes.")));
	for (person = s->low; person < s->high; person++)
	{
		Person	   *p = &s->places[person - s->low];
		PzDecision	decision;

		if ((person & 0xfff) == 0)
			CHECK_FOR_INTERRUPTS();
		if (p->no == 0)
			continue;
		pz_ledger_decide(s->ledger, p->no, measured, s->ends, &decision);
		if (decision.permitted)
			find_sides(s, p);
		else
			p->no = 0;
	}
	pz_figures_scan("outcome", snapshot, OUTCOME_AT, take_outcome, s);
	UnregisterSnapshot(consent);
	for (person = s->low; person < s->high; person++)
	{
		const Person *p = &s->places[person - s->low];
		int			i;

		for (i = 0; p->no != 0 && i < SIDES; i++)
		{
			s->sides[i].persons += p->on[i] || p->n[i] > 0;
			s->sides[i].with_it += p->n[i] > 0;
			if (p->n[i] > 0)
				pz_sums_add(&s->sides[i].sums, p->total[i] / p->n[i], 0);
		}
	}
}

/*
 * figures_sides_internal(metric_id, measured_for, purpose_id, since, until, ends): by
 * what they had said of a purpose (yes, no, silent), persons, how many have outcomes of
 * a metric, and mean and variance of their means.  ends: until, or now if that is before;
 * measured_for: the purpose of the metric, which they must have permitted then.
 */
PG_FUNCTION_INFO_V1(personalize_figures_sides);
Datum
personalize_figures_sides(PG_FUNCTION_ARGS)
{
	static const char *const names[SIDES] = {"yes", "no", "silent"};
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Sides		s = {0};
	Snapshot	snapshot;
	MemoryContext part;
	int			i;

	pz_require_preloaded();
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	s.metric_id = PG_GETARG_INT32(0);
	s.since = PG_GETARG_TIMESTAMPTZ(3);
	s.until = PG_GETARG_TIMESTAMPTZ(4);
	s.ends = PG_GETARG_TIMESTAMPTZ(5);
	s.max_marked = 8191;
	s.marked = palloc0((s.max_marked + 1) / 8);
	s.kinds = palloc(sizeof(int32));
	pz_progress_begin(PZ_WORK_FIGURES, InvalidOid);
	snapshot = RegisterSnapshot(GetActiveSnapshot());
	s.persons = pz_persons_make(snapshot);
	pz_figures_scan("outcome", snapshot, OUTCOME_METRIC, mark_subject, &s);
	pz_figures_scan("subject", snapshot, SUBJECT_KIND, take_kind, &s);
	part = AllocSetContextCreate(CurrentMemoryContext, "personalize figures", ALLOCSET_DEFAULT_SIZES);
	for (s.low = 0; s.low <= s.persons->max_no; s.low = s.high)
	{
		int64		n = FIGURES_MEMORY / sizeof(Person);
		MemoryContext old = MemoryContextSwitchTo(part);

#ifdef USE_ASSERT_CHECKING
		n = Max(100, s.persons->max_no / 8); /* so that tests have parts, but not thousands */
#endif
		MemoryContextReset(part);
		s.high = Min(s.low + n, s.persons->max_no + 1);
		s.places = MemoryContextAllocExtended(part, (s.high - s.low) * sizeof(Person), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
		sides_part(&s, snapshot, PG_GETARG_INT32(1), PG_GETARG_INT32(2));
		MemoryContextSwitchTo(old);
	}
	MemoryContextDelete(part);
	UnregisterSnapshot(snapshot);
	for (i = 0; i < SIDES; i++)
	{
		Side	   *side = &s.sides[i];
		Datum		values[5];
		bool		nulls[5] = {false};

		if (side->persons == 0)
			continue;
		values[0] = CStringGetTextDatum(names[i]);
		values[1] = Int64GetDatum(side->persons);
		values[2] = Int64GetDatum(side->with_it);
		nulls[3] = side->sums.n == 0;
		values[3] = Float8GetDatum(nulls[3] ? 0 : side->sums.sx / side->sums.n);
		values[4] = pz_sums_per_degree(&side->sums, side->sums.sxx, &nulls[4]);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	pz_progress_end(PZ_WORK_FIGURES);
	return (Datum) 0;
}
