/*-------------------------------------------------------------------------
 *
 * figures_shown.c
 *	  What came of what people were shown, and sums of what they did: the numbers
 *	  that measure() makes rates and intervals of.
 *
 * Exposures and outcomes are read once each, in whatever order they stand, into an
 * array with a place for each person and purpose, or metric.  A row waits a moment
 * between the call for its place to the processor's cache and its use, for nearly all
 * the time would go into waiting for memory.  If there are more persons than fit into
 * FIGURES_MEMORY they are divided by their numbers, and the tables read again for each
 * part.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "errors.h"
#include "figures.h"
#include "progress.h"
#include "shmem.h"

#define PURPOSES		4		/* places of a person, before more are needed */
#define WAITING			32		/* rows; must be a power of two */

#ifdef __GNUC__
#define PREFETCH(p)		__builtin_prefetch(p)
#else
#define PREFETCH(p)		((void) (p))
#endif

typedef struct Metric
{
	int32		metric_id;
	int32		purpose_id;
} Metric;

/* What is known of a metric and a purpose that something was shown for */
typedef struct Pair
{
	bool		exists;			/* somebody it was shown to has an outcome */
	int64		converted;
	PzSums		sums;			/* x: outcomes after the first exposure, y: exposures */
} Pair;

/* What was shown to a person for a purpose */
typedef struct Shown
{
	TimestampTz first;
	uint32		n;				/* 0: nothing */
	uint32		done[FLEXIBLE_ARRAY_MEMBER];	/* outcomes since, by metric */
} Shown;

/* What a person did, of a metric */
typedef struct Done
{
	uint64		n;
	double		total;
	TimestampTz first;
	TimestampTz last;
} Done;

/* A row that waits for the memory of its place */
typedef struct Row
{
	char	   *place;			/* of the person */
	int64		person;
	int64		no;
	int			which;			/* purpose or metric */
	TimestampTz at;
	double		value;
} Row;

/* The least of the identities that something was shown to, of a person who has several */
typedef struct LeastEntry
{
	int64		key[2];			/* person, place of the purpose */
	int64		no;
} LeastEntry;

typedef struct Figures
{
	PzPersons  *persons;
	int64		low;			/* persons of this part: from low to below high */
	int64		high;
	TimestampTz since;
	TimestampTz until;
	Size		size;			/* of Shown or Done */
	int			each;			/* how many of them a person has */
	char	   *places;
	HTAB	   *least;
	void		(*apply) (struct Figures *f, const Row *row);
	uint64		nrows;
	Row			waiting[WAITING];
	int			nmetrics;
	Metric	   *metrics;
	int			npurposes;
	int32	   *purposes;
	Pair	   *pairs;			/* for each purpose one for each metric */
} Figures;

/* Have a row applied after those that wait; the oldest of them is applied now. */
static inline void
put_row(Figures *f, int64 no, int which, TimestampTz at, double value)
{
	int64		person = pz_person_of(f->persons, no);
	Row		   *row = &f->waiting[f->nrows % WAITING];

	if (person < f->low || person >= f->high || person == 0)
		return;
	if (f->nrows++ >= WAITING)
		f->apply(f, row);
	row->place = f->places + (person - f->low) * f->each * f->size;
	row->person = person;
	row->no = no;
	row->which = which;
	row->at = at;
	row->value = value;
	PREFETCH(row->place);
	PREFETCH(row->place + f->each * f->size - 1);
}

/* Read a table and apply its rows. */
static void
apply_all(Figures *f, const char *table, Snapshot snapshot, int natts,
		  void (*take) (void *arg, TupleTableSlot *slot), void (*apply) (Figures *f, const Row *row))
{
	uint64		i;

	f->nrows = 0;
	f->apply = apply;
	pz_figures_scan(table, snapshot, natts, take, f);
	for (i = f->nrows > WAITING ? f->nrows - WAITING : 0; i < f->nrows; i++)
		apply(f, &f->waiting[i % WAITING]);
}

/* The place of a metric; -1: it is not asked for. */
static inline int
metric_place(const Figures *f, int32 metric_id)
{
	int			i;

	for (i = 0; i < f->nmetrics; i++)
		if (f->metrics[i].metric_id == metric_id)
			return i;
	return -1;
}

/* The place of a purpose, which is made if it is new. */
static int
purpose_place(Figures *f, int32 purpose_id)
{
	int			i;
	Size		old = sizeof(Pair) * f->npurposes * f->nmetrics;
	Size		more = sizeof(Pair) * f->nmetrics;
	MemoryContext context;

	for (i = 0; i < f->npurposes; i++)
		if (f->purposes[i] == purpose_id)
			return i;
	context = MemoryContextSwitchTo(GetMemoryChunkContext(f->metrics));
	f->purposes = f->purposes ? repalloc(f->purposes, sizeof(int32) * (i + 1)) : palloc(sizeof(int32));
	f->purposes[i] = purpose_id;
	f->pairs = f->pairs ? repalloc(f->pairs, old + more) : palloc(Max(more, 1));
	memset((char *) f->pairs + old, 0, more);
	f->npurposes++;
	MemoryContextSwitchTo(context);
	return i;
}

/* A row of personalize.exposure. */
static void
take_exposure(void *arg, TupleTableSlot *slot)
{
	Figures    *f = arg;
	TimestampTz at = DatumGetTimestampTz(slot->tts_values[EXPOSURE_AT - 1]);

	if (at >= f->since && at < f->until)
		put_row(f, DatumGetInt64(slot->tts_values[EXPOSURE_SUBJECT - 1]),
			 DatumGetInt32(slot->tts_values[EXPOSURE_PURPOSE - 1]), at, 0);
}

/* Something was shown. */
static void
apply_exposure(Figures *f, const Row *row)
{
	int			place = purpose_place(f, row->which);
	Shown	   *s;

	/* more purposes than there are places: the part is read again */
	if (place >= f->each)
		return;
	s = (Shown *) (row->place + place * f->size);
	if (s->n == 0 || row->at < s->first)
		s->first = row->at;
	s->n++;
	if (f->persons->linked)
	{
		int64		key[2] = {row->person, place};
		bool		found;
		LeastEntry *entry;

		if (row->no == row->person && hash_search(f->persons->linked, &row->no, HASH_FIND, NULL) == NULL)
			return;
		entry = hash_search(f->least, key, HASH_ENTER, &found);
		entry->no = found ? Min(entry->no, row->no) : row->no;
	}
}

/* A row of personalize.outcome that may be one of what came of what was shown. */
static void
take_outcome_after(void *arg, TupleTableSlot *slot)
{
	Figures    *f = arg;
	int			metric = metric_place(f, DatumGetInt32(slot->tts_values[OUTCOME_METRIC - 1]));
	TimestampTz at = DatumGetTimestampTz(slot->tts_values[OUTCOME_AT - 1]);

	if (metric >= 0 && at < f->until)
		put_row(f, DatumGetInt64(slot->tts_values[OUTCOME_SUBJECT - 1]), metric, at, 0);
}

/* Something was done: was it since something was shown? */
static void
apply_outcome_after(Figures *f, const Row *row)
{
	int			p;

	for (p = 0; p < f->npurposes; p++)
	{
		Shown	   *s = (Shown *) (row->place + p * f->size);

		if (s->n == 0 || row->at < s->first)
			continue;
		s->done[row->which]++;
		f->pairs[p * f->nmetrics + row->which].exists = true;
	}
}

/* A row of personalize.outcome that was done in the time. */
static void
take_outcome(void *arg, TupleTableSlot *slot)
{
	Figures    *f = arg;
	int			metric = metric_place(f, DatumGetInt32(slot->tts_values[OUTCOME_METRIC - 1]));
	TimestampTz at = DatumGetTimestampTz(slot->tts_values[OUTCOME_AT - 1]);

	if (metric >= 0 && at >= f->since && at < f->until)
		put_row(f, DatumGetInt64(slot->tts_values[OUTCOME_SUBJECT - 1]), metric, at,
			 DatumGetFloat8(slot->tts_values[OUTCOME_VALUE - 1]));
}

/* Something was done. */
static void
apply_outcome(Figures *f, const Row *row)
{
	Done	   *d = (Done *) (row->place + row->which * f->size);

	if (d->n++ == 0)
		d->first = d->last = row->at;
	d->total += row->value;
	d->first = Min(d->first, row->at);
	d->last = Max(d->last, row->at);
}

/* What was shown to a person for a purpose. */
static inline Shown *
shown_at(const Figures *f, int64 person, int place)
{
	return (Shown *) (f->places + ((person - f->low) * f->each + place) * f->size);
}

/* Is a number that of a person of this part, to whom something was shown? */
static bool
is_shown(void *arg, int64 no)
{
	Figures    *f = arg;
	int64		person = pz_person_of(f->persons, no);
	int			p;

	if (person < f->low || person >= f->high || person == 0)
		return false;
	for (p = 0; p < f->npurposes; p++)
		if (shown_at(f, person, p)->n > 0)
			return true;
	return false;
}

/* The identity that is asked what the person had said. */
static int64
least_no(const Figures *f, int64 person, int place)
{
	int64		key[2] = {person, place};
	LeastEntry *entry = f->least ? hash_search(f->least, key, HASH_FIND, NULL) : NULL;

	return entry ? entry->no : person;
}

/*
 * Sum up the persons of this part.  Of whoever may not be measured nothing is
 * known, which is not the same as nothing.
 */
static void
sum_shown(Figures *f, bool whole)
{
	Snapshot	snapshot = RegisterSnapshot(pz_consent_snapshot());
	int32	   *others = palloc(sizeof(int32) * Max(f->nmetrics, 1));
	const PzPurpose **measured_for = palloc0(sizeof(PzPurpose *) * Max(f->nmetrics, 1));
	int			nothers = 0;
	PzLedger   *ledger = NULL;
	int64		person;
	int			m;
	int			p;

	for (m = 0; m < f->nmetrics; m++)
		for (p = 0; p < f->npurposes; p++)
			if (f->metrics[m].purpose_id != f->purposes[p] && (f->pairs[p * f->nmetrics + m].exists || !whole))
			{
				others[nothers++] = f->metrics[m].purpose_id;
				break;
			}
	if (nothers > 0)
		ledger = pz_ledger_load(snapshot, others, nothers, false, is_shown, f);
	for (m = 0; m < f->nmetrics; m++)
		measured_for[m] = pz_registry_purpose(f->metrics[m].purpose_id);
	for (person = f->low; person < f->high; person++)
	{
		if ((person & 0xfff) == 0)
			CHECK_FOR_INTERRUPTS();
		for (p = 0; p < f->npurposes; p++)
		{
			Shown	   *s = shown_at(f, person, p);

			for (m = 0; s->n > 0 && m < f->nmetrics; m++)
			{
				Pair	   *pair = &f->pairs[p * f->nmetrics + m];
				PzDecision	decision;

				if (f->metrics[m].purpose_id != f->purposes[p] && s->done[m] == 0)
				{
					if ((whole && !pair->exists) || measured_for[m] == NULL)
						continue;
					pz_ledger_decide(ledger, least_no(f, person, p), measured_for[m], s->first, &decision);
					if (!decision.permitted)
						continue;
				}
				pz_sums_add(&pair->sums, s->done[m], s->n);
				pair->converted += s->done[m] > 0;
			}
		}
	}
	UnregisterSnapshot(snapshot);
}

/* Read metrics and the purpose of each, two arrays, from the arguments of a function. */
static void
read_metrics(Figures *f, ArrayType *ids, ArrayType *purposes)
{
	int			i;

	f->nmetrics = ArrayGetNItems(ARR_NDIM(ids), ARR_DIMS(ids));
	if (ARR_HASNULL(ids) || ARR_HASNULL(purposes) || ArrayGetNItems(ARR_NDIM(purposes), ARR_DIMS(purposes)) != f->nmetrics)
		elog(ERROR, "arrays differ");	/* cannot happen: they come from one query */
	f->metrics = palloc(sizeof(Metric) * Max(f->nmetrics, 1));
	for (i = 0; i < f->nmetrics; i++)
	{
		f->metrics[i].metric_id = ((int32 *) ARR_DATA_PTR(ids))[i];
		f->metrics[i].purpose_id = ((int32 *) ARR_DATA_PTR(purposes))[i];
	}
}

/*
 * Call part for persons, in parts that fit into memory, by their numbers; a part is
 * told whether it is the whole.
 */
static void
each_part(Figures *f, Snapshot snapshot, void (*part) (Figures *f, Snapshot snapshot, bool whole))
{
	MemoryContext mcxt = AllocSetContextCreate(CurrentMemoryContext, "personalize figures", ALLOCSET_DEFAULT_SIZES);

	for (f->low = 0; f->low <= f->persons->max_no; f->low = f->high)
	{
		MemoryContext old = MemoryContextSwitchTo(mcxt);
		int			each;

		do
		{
			int64		n = Max(FIGURES_MEMORY / (f->each * f->size), 1);
			HASHCTL		ctl = {0};

			each = f->each;
#ifdef USE_ASSERT_CHECKING
			n = Max(100, f->persons->max_no / 8); /* so that tests have parts, but not thousands */
#endif
			MemoryContextReset(mcxt);
			f->high = Min(f->low + n, f->persons->max_no + 1);
			f->places = MemoryContextAllocExtended(mcxt, (f->high - f->low) * each * f->size, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
			ctl.keysize = sizeof(int64) * 2;
			ctl.entrysize = sizeof(LeastEntry);
			ctl.hcxt = mcxt;
			f->least = f->persons->linked ? hash_create("personalize figures", 1024, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT) : NULL;
			part(f, snapshot, f->low == 0 && f->high > f->persons->max_no);
		} while (f->each > each);
		MemoryContextSwitchTo(old);
	}
	MemoryContextDelete(mcxt);
}

/* What came of what was shown, of a part. */
static void
shown_part(Figures *f, Snapshot snapshot, bool whole)
{
	apply_all(f, "exposure", snapshot, EXPOSURE_AT, take_exposure, apply_exposure);
	if (f->npurposes > f->each)
	{
		f->each = f->npurposes;
		return;
	}
	if (f->npurposes == 0)
		return;
	apply_all(f, "outcome", snapshot, OUTCOME_AT, take_outcome_after, apply_outcome_after);
	sum_shown(f, whole);
}

/*
 * figures_shown_internal(metrics, purposes, since, until): of the persons to whom
 * something was shown for a purpose, by metric: how many there are, how many have an
 * outcome since, and the sums, variances and covariance of outcomes and exposures.
 */
PG_FUNCTION_INFO_V1(personalize_figures_shown);
Datum
personalize_figures_shown(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Figures		f = {0};
	Snapshot	snapshot;
	int			m;
	int			p;

	pz_require_preloaded();
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	read_metrics(&f, PG_GETARG_ARRAYTYPE_P(0), PG_GETARG_ARRAYTYPE_P(1));
	f.since = PG_GETARG_TIMESTAMPTZ(2);
	f.until = PG_GETARG_TIMESTAMPTZ(3);
	pz_progress_begin(PZ_WORK_FIGURES, InvalidOid);
	snapshot = RegisterSnapshot(GetActiveSnapshot());
	f.persons = pz_persons_make(snapshot);
	f.size = MAXALIGN(offsetof(Shown, done) + sizeof(uint32) * f.nmetrics);
	f.each = PURPOSES;
	if (f.nmetrics > 0)
		each_part(&f, snapshot, shown_part);
	UnregisterSnapshot(snapshot);
	for (p = 0; p < f.npurposes; p++)
		for (m = 0; m < f.nmetrics; m++)
		{
			Pair	   *pair = &f.pairs[p * f.nmetrics + m];
			Datum		values[9];
			bool		nulls[9] = {false};

			if ((!pair->exists && f.metrics[m].purpose_id != f.purposes[p]) || pair->sums.n == 0)
				continue;
			values[0] = Int32GetDatum(f.metrics[m].metric_id);
			values[1] = Int32GetDatum(f.purposes[p]);
			values[2] = Int64GetDatum((int64) pair->sums.n);
			values[3] = Int64GetDatum(pair->converted);
			values[4] = Float8GetDatum(pair->sums.sx);
			values[5] = Int64GetDatum((int64) pair->sums.sy);
			values[6] = pz_sums_per_degree(&pair->sums, pair->sums.sxx, &nulls[6]);
			values[7] = pz_sums_per_degree(&pair->sums, pair->sums.syy, &nulls[7]);
			values[8] = pz_sums_per_degree(&pair->sums, pair->sums.sxy, &nulls[8]);
			tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
		}
	pz_progress_end(PZ_WORK_FIGURES);
	return (Datum) 0;
}

/* Sums over persons of what they did */
typedef struct Total
{
	int64		events;
	int64		again;
	PzSums		sums;
} Total;

typedef struct SumFigures
{
	Figures		f;
	bool		mean;			/* of a person's values, not their sum */
	Total	   *totals;			/* by metric */
} SumFigures;

/* What was done, of a part. */
static void
sums_part(Figures *f, Snapshot snapshot, bool whole)
{
	SumFigures *s = (SumFigures *) f;
	int64		i;

	apply_all(f, "outcome", snapshot, OUTCOME_AT, take_outcome, apply_outcome);
	for (i = 0; i < (f->high - f->low) * f->each; i++)
	{
		Done	   *d = (Done *) (f->places + i * f->size);
		Total	   *t = &s->totals[i % f->each];

		if ((i & 0xfff) == 0)
			CHECK_FOR_INTERRUPTS();
		if (d->n == 0)
			continue;
		t->events += d->n;
		t->again += d->first < d->last;
		pz_sums_add(&t->sums, s->mean ? d->total / d->n : d->total, 0);
	}
}

/*
 * figures_done_internal(metrics, mean, since, until): by metric the persons who have
 * outcomes of it in the time, how many outcomes, how many persons have them at two
 * moments or more, and mean and variance of each person's sum, or mean.
 */
PG_FUNCTION_INFO_V1(personalize_figures_done);
Datum
personalize_figures_done(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	SumFigures	s = {{0}};
	Snapshot	snapshot;
	int			m;

	pz_require_preloaded();
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	read_metrics(&s.f, PG_GETARG_ARRAYTYPE_P(0), PG_GETARG_ARRAYTYPE_P(0));
	s.mean = PG_GETARG_BOOL(1);
	s.f.since = PG_GETARG_TIMESTAMPTZ(2);
	s.f.until = PG_GETARG_TIMESTAMPTZ(3);
	s.totals = palloc0(sizeof(Total) * Max(s.f.nmetrics, 1));
	pz_progress_begin(PZ_WORK_FIGURES, InvalidOid);
	snapshot = RegisterSnapshot(GetActiveSnapshot());
	s.f.persons = pz_persons_make(snapshot);
	s.f.size = sizeof(Done);
	s.f.each = s.f.nmetrics;
	if (s.f.nmetrics > 0)
		each_part(&s.f, snapshot, sums_part);
	UnregisterSnapshot(snapshot);
	for (m = 0; m < s.f.nmetrics; m++)
	{
		Total	   *t = &s.totals[m];
		Datum		values[6];
		bool		nulls[6] = {false};

		if (t->sums.n == 0)
			continue;
		values[0] = Int32GetDatum(s.f.metrics[m].metric_id);
		values[1] = Int64GetDatum((int64) t->sums.n);
		values[2] = Int64GetDatum(t->events);
		values[3] = Int64GetDatum(t->again);
		values[4] = Float8GetDatum(t->sums.sx / t->sums.n);
		values[5] = pz_sums_per_degree(&t->sums, t->sums.sxx, &nulls[5]);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	pz_progress_end(PZ_WORK_FIGURES);
	return (Datum) 0;
}
