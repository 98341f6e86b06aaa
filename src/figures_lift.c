/*-------------------------------------------------------------------------
 *
 * figures_lift.c
 *	  What persons did who are in an experiment, by the variant they got: the numbers
 *	  that lift() and the report make differences and intervals of.
 *
 * Assignments and outcomes are read once each, however many metrics are asked for, into
 * an array with a place for each person; if there are more persons than fit into
 * FIGURES_MEMORY they are divided by their numbers, and the tables read again for each
 * part.  The same in SQL is in test/sql/measures_fast.sql.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "figures.h"
#include "progress.h"
#include "shmem.h"

#define HOLDOUT			"holdout"
#define LIFT_METRICS	1000	/* most metrics that are asked for at once */

/* A person in the experiment */
typedef struct Enrolled
{
	TimestampTz at;
	int64		no;				/* identity that was assigned first; 0: is not in it */
	int32		variant;		/* place in the list of variants */
} Enrolled;

/* What came of it, by one metric */
typedef struct Came
{
	double		total;
	uint32		n;				/* outcomes since; those before do not count */
} Came;

/* Persons of a variant by one metric */
typedef struct Side
{
	int64		n;
	int64		has;
	PzSums		sums;
} Side;

typedef struct Variant
{
	char	   *name;
	Side	   *sides;			/* by metric */
} Variant;

typedef struct Metric
{
	int32		metric_id;
	int32		measured_for;	/* who did not permit this purpose when assigned is left out; 0: nobody */
	bool		mean;			/* of a person's values, not their sum; of who has none nothing */
	const PzPurpose *purpose;	/* of measured_for; NULL: there is none, and nobody is counted */
} Metric;

typedef struct Lift
{
	MemoryContext mcxt;
	PzPersons  *persons;
	int32		experiment_id;
	int			nmetrics;
	Metric	   *metrics;
	TimestampTz until;
	int64		low;			/* persons of this part: from low to below high */
	int64		high;
	Enrolled   *places;
	Came	   *came;			/* nmetrics for each place */
	int			nvariants;
	Variant    *variants;		/* the first: all but the holdout */
} Lift;

/* A new variant, at the end of the list. */
static void
add_variant(Lift *l, const char *from, size_t len)
{
	Variant    *v;

	l->variants = l->variants ? repalloc(l->variants, sizeof(Variant) * (l->nvariants + 1)) :
		MemoryContextAlloc(l->mcxt, sizeof(Variant));
	v = &l->variants[l->nvariants++];
	v->name = from ? MemoryContextAllocZero(l->mcxt, len + 1) : NULL;
	if (from)
		memcpy(v->name, from, len);
	v->sides = MemoryContextAllocZero(l->mcxt, sizeof(Side) * l->nmetrics);
}

/* The place of a variant, which is made if it is new. */
static int
variant_place(Lift *l, text *t)
{
	const char *from = VARDATA_ANY(t);
	size_t		len = VARSIZE_ANY_EXHDR(t);
	int			i;

	for (i = 1; i < l->nvariants; i++)
		if (strlen(l->variants[i].name) == len && memcmp(l->variants[i].name, from, len) == 0)
			return i;
	add_variant(l, from, len);
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
	int32		metric_id = DatumGetInt32(slot->tts_values[OUTCOME_METRIC - 1]);
	int64		person;
	TimestampTz at;
	Enrolled   *e;
	Came	   *c;
	int			m;

	for (m = 0; m < l->nmetrics && l->metrics[m].metric_id != metric_id; m++)
		;
	if (m == l->nmetrics)
		return;
	person = pz_person_of(l->persons, DatumGetInt64(slot->tts_values[OUTCOME_SUBJECT - 1]));
	at = DatumGetTimestampTz(slot->tts_values[OUTCOME_AT - 1]);
	if (person == 0 || person < l->low || person >= l->high)
		return;
	e = &l->places[person - l->low];
	if (e->no == 0 || at < e->at || at >= l->until)
		return;
	c = &l->came[(person - l->low) * l->nmetrics + m];
	c->n++;
	c->total += DatumGetFloat8(slot->tts_values[OUTCOME_VALUE - 1]);
}

/* Is a number that of somebody in the experiment, as he was assigned? */
static bool
is_assigned(void *arg, int64 no)
{
	Lift	   *l = arg;
	int64		person = l->persons->linked ? pz_persons_group(l->persons->linked, no) : no;

	return person >= l->low && person < l->high && l->places[person - l->low].no == no;
}

/* Add a person to those of a variant by a metric. */
static void
count_in(Side *side, const Came *c, bool mean)
{
	side->n++;
	side->has += c->n > 0;
	if (!mean)
		pz_sums_add(&side->sums, c->total, 0);
	else if (c->n > 0)
		pz_sums_add(&side->sums, c->total / c->n, 0);
}

/*
 * Read the part, and sum up its persons.  Who may be measured for a metric must have
 * permitted its purpose when assigned, unless it is that of the experiment; of others
 * nothing is known, which is not the same as nothing.
 */
static void
lift_part(Lift *l, Snapshot snapshot)
{
	Snapshot	consent = NULL;
	PzLedger   *ledger = NULL;
	int32	   *purposes = palloc(sizeof(int32) * Max(l->nmetrics, 1));
	int			npurposes = 0;
	int64		person;
	int			m;

	pz_figures_scan("assignment", snapshot, ASSIGNMENT_AT, take_assignment, l);
	pz_figures_scan("outcome", snapshot, OUTCOME_AT, take_outcome, l);
	for (m = 0; m < l->nmetrics; m++)
		if (l->metrics[m].measured_for != 0)
			purposes[npurposes++] = l->metrics[m].measured_for;
	if (npurposes > 0)
	{
		consent = RegisterSnapshot(pz_consent_snapshot());
		ledger = pz_ledger_load(consent, purposes, npurposes, false, is_assigned, l);
		for (m = 0; m < l->nmetrics; m++)
			l->metrics[m].purpose = pz_registry_purpose(l->metrics[m].measured_for);
	}
	for (person = l->low; person < l->high; person++)
	{
		const Enrolled *e = &l->places[person - l->low];
		const Variant *v;

		if ((person & 0xfff) == 0)
			CHECK_FOR_INTERRUPTS();
		if (e->no == 0 || !pz_is_counted(l->persons, e->no))
			continue;
		v = &l->variants[e->variant];
		for (m = 0; m < l->nmetrics; m++)
		{
			const Metric *metric = &l->metrics[m];
			const Came *c = &l->came[(person - l->low) * l->nmetrics + m];

			if (metric->measured_for != 0)
			{
				PzDecision	decision;

				if (metric->purpose == NULL)
					continue;
				pz_ledger_decide(ledger, e->no, metric->purpose, e->at, &decision);
				if (!decision.permitted)
					continue;
			}
			count_in(&v->sides[m], c, metric->mean);
			if (strcmp(v->name, HOLDOUT) != 0)
				count_in(&l->variants[0].sides[m], c, metric->mean);
		}
	}
	if (consent)
		UnregisterSnapshot(consent);
}

/* Read the arguments that say what is asked for: three arrays of the same length, without nulls. */
static void
read_metrics(Lift *l, ArrayType *ids, ArrayType *measured_for, ArrayType *mean)
{
	Datum	   *values[3];
	int			n[3];
	int			i;

	deconstruct_array(ids, INT4OID, sizeof(int32), true, TYPALIGN_INT, &values[0], NULL, &n[0]);
	deconstruct_array(measured_for, INT4OID, sizeof(int32), true, TYPALIGN_INT, &values[1], NULL, &n[1]);
	deconstruct_array(mean, BOOLOID, sizeof(bool), true, TYPALIGN_CHAR, &values[2], NULL, &n[2]);
	if (n[0] != n[1] || n[0] != n[2] || n[0] > LIFT_METRICS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the arrays must be of the same length, and of at most %d elements", LIFT_METRICS)));
	l->nmetrics = n[0];
	l->metrics = palloc0(sizeof(Metric) * Max(l->nmetrics, 1));
	for (i = 0; i < l->nmetrics; i++)
	{
		l->metrics[i].metric_id = DatumGetInt32(values[0][i]);
		l->metrics[i].measured_for = DatumGetInt32(values[1][i]);
		l->metrics[i].mean = DatumGetBool(values[2][i]);
	}
}

/*
 * figures_lift_internal(experiment_id, metrics, measured_for, until, mean): by metric
 * (its place in the array, each metric once) and variant, and for all but the holdout
 * (variant NULL), the persons of an experiment, how many have outcomes of the metric since
 * they were assigned, and mean and variance of each person's sum, or mean, with the number
 * of persons who have one.  measured_for: who did not permit this purpose when assigned is
 * left out; 0: nobody.
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
	int			m;

	pz_require_preloaded();
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	l.mcxt = CurrentMemoryContext;
	l.experiment_id = PG_GETARG_INT32(0);
	l.until = PG_GETARG_TIMESTAMPTZ(3);
	read_metrics(&l, PG_GETARG_ARRAYTYPE_P(1), PG_GETARG_ARRAYTYPE_P(2), PG_GETARG_ARRAYTYPE_P(4));
	add_variant(&l, NULL, 0);
	pz_progress_begin(PZ_WORK_FIGURES, InvalidOid);
	snapshot = RegisterSnapshot(GetActiveSnapshot());
	l.persons = pz_persons_make(snapshot);
	part = AllocSetContextCreate(CurrentMemoryContext, "personalize figures", ALLOCSET_DEFAULT_SIZES);
	for (l.low = 0; l.low <= l.persons->max_no; l.low = l.high)
	{
		int64		n = FIGURES_MEMORY / (sizeof(Enrolled) + sizeof(Came) * l.nmetrics);
		MemoryContext old = MemoryContextSwitchTo(part);

#ifdef USE_ASSERT_CHECKING
		n = Max(100, l.persons->max_no / 8); /* so that tests have parts, but not thousands */
#endif
		MemoryContextReset(part);
		l.high = Min(l.low + n, l.persons->max_no + 1);
		l.places = MemoryContextAllocExtended(part, (l.high - l.low) * sizeof(Enrolled), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
		l.came = MemoryContextAllocExtended(part, Max((l.high - l.low) * sizeof(Came) * l.nmetrics, 1), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
		lift_part(&l, snapshot);
		MemoryContextSwitchTo(old);
	}
	MemoryContextDelete(part);
	UnregisterSnapshot(snapshot);
	for (m = 0; m < l.nmetrics; m++)
		for (i = 0; i < l.nvariants; i++)
		{
			const Side *side = &l.variants[i].sides[m];
			Datum		values[7];
			bool		nulls[7] = {false};

			if (side->n == 0)
				continue;
			values[0] = Int32GetDatum(m + 1);
			nulls[1] = l.variants[i].name == NULL;
			values[1] = nulls[1] ? (Datum) 0 : CStringGetTextDatum(l.variants[i].name);
			values[2] = Int64GetDatum(side->n);
			values[3] = Int64GetDatum(side->has);
			values[4] = Int64GetDatum((int64) side->sums.n);
			nulls[5] = side->sums.n == 0;
			values[5] = Float8GetDatum(nulls[5] ? 0 : side->sums.sx / side->sums.n);
			values[6] = pz_sums_per_degree(&side->sums, side->sums.sxx, &nulls[6]);
			tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
		}
	pz_progress_end(PZ_WORK_FIGURES);
	return (Datum) 0;
}
