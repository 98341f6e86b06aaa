/*-------------------------------------------------------------------------
 *
 * figures_lift.c
 *	  What persons did who are in an experiment, by the variant they got: the numbers
 *	  that lift() makes differences and intervals of.
 *
 * Assignments and outcomes are read once each, into an array with a place for each
 * person; if there are more persons than fit into FIGURES_MEMORY they are divided by
 * their numbers, and the tables read again for each part.  The same in SQL is in
 * test/sql/measures_fast.sql.
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
#include "figures.h"
#include "shmem.h"

#define HOLDOUT		"holdout"

/* A person in the experiment, and what came of it */
typedef struct Enrolled
{
	TimestampTz at;
	int64		no;				/* identity that was assigned first; 0: is not in it */
	double		total;
	uint32		n;				/* outcomes since; those before do not count */
	int32		variant;		/* place in the list of variants */
} Enrolled;

typedef struct Variant
{
	char	   *name;
	int64		n;
	int64		has;
	PzSums		sums;
} Variant;

typedef struct Lift
{
	MemoryContext mcxt;
	PzPersons  *persons;
	int32		experiment_id;
	int32		metric_id;
	TimestampTz until;
	bool		mean;			/* of a person's values, not their sum; of who has none nothing */
	int64		low;			/* persons of this part: from low to below high */
	int64		high;
	Enrolled   *places;
	int			nvariants;
	Variant    *variants;		/* the first: all but the holdout */
} Lift;

/* The place of a variant, which is made if it is new. */
static int
variant_place(Lift *l, text *t)
{
	const char *from = VARDATA_ANY(t);
	size_t		len = VARSIZE_ANY_EXHDR(t);
	Variant    *v;
	int			i;

	for (i = 1; i < l->nvariants; i++)
		if (strlen(l->variants[i].name) == len && memcmp(l->variants[i].name, from, len) == 0)
			return i;
	l->variants = repalloc(l->variants, sizeof(Variant) * (i + 1));
	v = &l->variants[l->nvariants++];
	memset(v, 0, sizeof(Variant));
	v->name = MemoryContextAllocZero(l->mcxt, len + 1);
	memcpy(v->name, from, len);
	return i;
}

/* A row of personalize.assignment: a person is in it by the first of the identities. */
static void
take_assignment(void *arg, TupleTableSlot *slot)
{
	Lift	   *l = arg;
	int64		no = DatumGetInt64(slot->tts_values[ASSIGNMENT_SUBJECT - 1]);
	TimestampTz at = DatumGetTimestampTz(slot->tts_values[ASSIGNMENT_AT - 1]);
	int64		person = l->persons->linked ? pz_persons_group(l->persons->linked, no) : no;
	Enrolled   *e;

	if (DatumGetInt32(slot->tts_values[ASSIGNMENT_EXPERIMENT - 1]) != l->experiment_id || no <= 0 || person < l->low || person >= l->high)
		return;
	e = &l->places[person - l->low];
	if (e->no != 0 && (e->at < at || (e->at == at && e->no < no)))
		return;
	e->at = at;
	e->no = no;
	e->variant = variant_place(l, DatumGetTextPP(slot->tts_values[ASSIGNMENT_VARIANT - 1]));
}

/* A row of personalize.outcome. */
static void
take_outcome(void *arg, TupleTableSlot *slot)
{
	Lift	   *l = arg;
	int64		person;
	TimestampTz at;
	Enrolled   *e;

	if (DatumGetInt32(slot->tts_values[OUTCOME_METRIC - 1]) != l->metric_id)
		return;
	person = pz_person_of(l->persons, DatumGetInt64(slot->tts_values[OUTCOME_SUBJECT - 1]));
	at = DatumGetTimestampTz(slot->tts_values[OUTCOME_AT - 1]);
	if (person == 0 || person < l->low || person >= l->high)
		return;
	e = &l->places[person - l->low];
	if (e->no == 0 || at < e->at || at >= l->until)
		return;
	e->n++;
	e->total += DatumGetFloat8(slot->tts_values[OUTCOME_VALUE - 1]);
}

/* Is a number that of somebody in the experiment, as he was assigned? */
static bool
is_assigned(void *arg, int64 no)
{
	Lift	   *l = arg;
	int64		person = l->persons->linked ? pz_persons_group(l->persons->linked, no) : no;

	return person >= l->low && person < l->high && l->places[person - l->low].no == no;
}

/* Add a person to those of a variant. */
static void
count_in(const Lift *l, Variant *v, const Enrolled *e)
{
	v->n++;
	v->has += e->n > 0;
	if (!l->mean)
		pz_sums_add(&v->sums, e->total, 0);
	else if (e->n > 0)
		pz_sums_add(&v->sums, e->total / e->n, 0);
}

/*
 * Read the part, and sum up its persons.  measured_for: who may be measured must have
 * permitted this when assigned (NULL: it is the purpose of the experiment); of others
 * nothing is known, which is not the same as nothing.
 */
static void
lift_part(Lift *l, Snapshot snapshot, int32 measured_for)
{
	Snapshot	consent = NULL;
	PzLedger   *ledger = NULL;
	const PzPurpose *purpose = NULL;
	int64		person;

	pz_figures_scan("assignment", snapshot, ASSIGNMENT_AT, take_assignment, l);
	pz_figures_scan("outcome", snapshot, OUTCOME_AT, take_outcome, l);
	if (measured_for != 0)
	{
		consent = RegisterSnapshot(pz_consent_snapshot());
		ledger = pz_ledger_load(consent, &measured_for, 1, false, is_assigned, l);
		purpose = pz_registry_purpose(measured_for);
	}
	for (person = l->low; person < l->high; person++)
	{
		const Enrolled *e = &l->places[person - l->low];
		Variant    *v;

		if ((person & 0xfff) == 0)
			CHECK_FOR_INTERRUPTS();
		if (e->no == 0 || !pz_is_counted(l->persons, e->no))
			continue;
		if (measured_for != 0)
		{
			PzDecision	decision;

			if (purpose == NULL)
				continue;
			pz_ledger_decide(ledger, e->no, purpose, e->at, &decision);
			if (!decision.permitted)
				continue;
		}
		v = &l->variants[e->variant];
		count_in(l, v, e);
		if (strcmp(v->name, HOLDOUT) != 0)
			count_in(l, &l->variants[0], e);
	}
	if (consent)
		UnregisterSnapshot(consent);
}

/*
 * figures_lift_internal(experiment_id, metric_id, measured_for, until, mean): by
 * variant, and for all but the holdout (variant NULL), the persons of an experiment,
 * how many have outcomes of a metric since they were assigned, and mean and variance
 * of each person's sum, or mean, with the number of persons who have one.
 * measured_for: who did not permit this purpose when assigned is left out; 0: nobody.
 */
PG_FUNCTION_INFO_V1(personalize_figures_lift);
Datum
personalize_figures_lift(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Lift		l = {0};
	Snapshot	snapshot;
	MemoryContext part;
	int			i;

	pz_require_preloaded();
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	l.mcxt = CurrentMemoryContext;
	l.experiment_id = PG_GETARG_INT32(0);
	l.metric_id = PG_GETARG_INT32(1);
	l.until = PG_GETARG_TIMESTAMPTZ(3);
	l.mean = PG_GETARG_BOOL(4);
	l.variants = palloc0(sizeof(Variant));
	l.nvariants = 1;
	snapshot = RegisterSnapshot(GetActiveSnapshot());
	l.persons = pz_persons_make(snapshot);
	part = AllocSetContextCreate(CurrentMemoryContext, "personalize figures", ALLOCSET_DEFAULT_SIZES);
	for (l.low = 0; l.low <= l.persons->max_no; l.low = l.high)
	{
		int64		n = FIGURES_MEMORY / sizeof(Enrolled);
		MemoryContext old = MemoryContextSwitchTo(part);

#ifdef USE_ASSERT_CHECKING
		n = Max(100, l.persons->max_no / 8); /* so that tests have parts, but not thousands */
#endif
		MemoryContextReset(part);
		l.high = Min(l.low + n, l.persons->max_no + 1);
		l.places = MemoryContextAllocExtended(part, (l.high - l.low) * sizeof(Enrolled), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
		lift_part(&l, snapshot, PG_GETARG_INT32(2));
		MemoryContextSwitchTo(old);
	}
	MemoryContextDelete(part);
	UnregisterSnapshot(snapshot);
	for (i = 0; i < l.nvariants; i++)
	{
		Variant    *v = &l.variants[i];
		Datum		values[6];
		bool		nulls[6] = {false};

		if (v->n == 0)
			continue;
		nulls[0] = v->name == NULL;
		values[0] = nulls[0] ? (Datum) 0 : CStringGetTextDatum(v->name);
		values[1] = Int64GetDatum(v->n);
		values[2] = Int64GetDatum(v->has);
		values[3] = Int64GetDatum((int64) v->sums.n);
		nulls[4] = v->sums.n == 0;
		values[4] = Float8GetDatum(nulls[4] ? 0 : v->sums.sx / v->sums.n);
		values[5] = pz_sums_per_degree(&v->sums, v->sums.sxx, &nulls[5]);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}
