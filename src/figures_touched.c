/*-------------------------------------------------------------------------
 *
 * figures_touched.c
 *	  Whom figures are about, for the record of use: the numbers of all who have
 *	  exposures or outcomes in a time, by purpose.
 *
 * One pass over the table, a bit for each number and purpose.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "port/pg_bitutils.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "errors.h"
#include "figures.h"
#include "progress.h"
#include "shmem.h"

/* Most numbers in one row of the result */
#define TOUCHED_NUMBERS 1000000

/* The numbers of one purpose */
typedef struct Touched
{
	int32		purpose_id;
	int64		nwords;
	uint64	   *bits;
} Touched;

typedef struct Touch
{
	MemoryContext mcxt;
	int			subject;		/* columns */
	int			key;
	int			at;
	int			nkeys;
	const int32 *keys;			/* what the key column may have */
	const int32 *purposes;		/* and what purpose that is */
	TimestampTz since;
	TimestampTz until;
	int			n;
	Touched    *touched;
	int			last;			/* the key of the row before, most often that of the next */
} Touch;

/*
 * Note a row.
 */
static void
touch(void *arg, TupleTableSlot *slot)
{
	Touch	   *t = arg;
	int32		key = DatumGetInt32(slot->tts_values[t->key - 1]);
	TimestampTz at = DatumGetTimestampTz(slot->tts_values[t->at - 1]);
	int64		no = DatumGetInt64(slot->tts_values[t->subject - 1]);
	Touched    *of;
	int			i;

	if (slot->tts_isnull[t->subject - 1] || at < t->since || at >= t->until || no < 0)
		return;
	if (t->keys[t->last] != key)
	{
		for (i = 0; i < t->nkeys && t->keys[i] != key; i++)
			;
		if (i == t->nkeys)
			return;
		t->last = i;
	}
	for (i = 0; i < t->n && t->touched[i].purpose_id != t->purposes[t->last]; i++)
		;
	of = &t->touched[i];
	if (no / 64 >= of->nwords)
	{
		int64		n = Max(no / 64 + 1, of->nwords * 2);

		n = Max(n, 1024);
		if (of->bits == NULL)
			of->bits = MemoryContextAllocExtended(t->mcxt, n * sizeof(uint64), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
		else
		{
			of->bits = repalloc_huge(of->bits, n * sizeof(uint64));
			memset(of->bits + of->nwords, 0, (n - of->nwords) * sizeof(uint64));
		}
		of->nwords = n;
	}
	of->bits[no / 64] |= UINT64CONST(1) << (no % 64);
}

/*
 * The elements of an array of integers without NULL.
 */
static const int32 *
integers(ArrayType *array, int *n)
{
	if (ARR_HASNULL(array) || ARR_NDIM(array) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("keys and purposes must be lists without nulls")));
	*n = ARR_NDIM(array) == 0 ? 0 : ARR_DIMS(array)[0];
	return (const int32 *) ARR_DATA_PTR(array);
}

/*
 * figures_touched_internal(what, keys, purposes, since, until): of exposures
 * or outcomes, whose key (purpose or metric) is one of those, and whose purpose
 * is that of the same place, the numbers of whose they are.  Up to a million a
 * row.
 */
PG_FUNCTION_INFO_V1(personalize_figures_touched);
Datum
personalize_figures_touched(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	char	   *what = text_to_cstring(PG_GETARG_TEXT_PP(0));
	bool		shown = strcmp(what, "exposure") == 0;
	Touch		t = {0};
	Snapshot	snapshot;
	Datum	   *numbers;
	int			npurposes;
	int			i;

	pz_require_preloaded();
	if (!shown && strcmp(what, "outcome") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there are exposures and outcomes only")));
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	t.mcxt = CurrentMemoryContext;
	t.subject = shown ? EXPOSURE_SUBJECT : OUTCOME_SUBJECT;
	t.key = shown ? EXPOSURE_PURPOSE : OUTCOME_METRIC;
	t.at = shown ? EXPOSURE_AT : OUTCOME_AT;
	t.keys = integers(PG_GETARG_ARRAYTYPE_P(1), &t.nkeys);
	t.purposes = integers(PG_GETARG_ARRAYTYPE_P(2), &npurposes);
	if (t.nkeys != npurposes)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there must be a purpose for each key")));
	t.since = PG_GETARG_TIMESTAMPTZ(3);
	t.until = PG_GETARG_TIMESTAMPTZ(4);
	if (t.nkeys == 0)
		return (Datum) 0;
	t.touched = palloc0(sizeof(Touched) * npurposes);
	for (i = 0; i < npurposes; i++)
	{
		int			j;

		for (j = 0; j < t.n && t.touched[j].purpose_id != t.purposes[i]; j++)
			;
		if (j == t.n)
			t.touched[t.n++].purpose_id = t.purposes[i];
	}

	pz_progress_begin(PZ_WORK_FIGURES, InvalidOid);
	snapshot = RegisterSnapshot(GetActiveSnapshot());
	pz_figures_scan(what, snapshot, t.at, touch, &t);
	UnregisterSnapshot(snapshot);

	numbers = palloc(sizeof(Datum) * TOUCHED_NUMBERS);
	for (i = 0; i < t.n; i++)
	{
		Touched    *of = &t.touched[i];
		int			n = 0;
		int64		w;

		for (w = 0; w <= of->nwords; w++)
		{
			uint64		bits = w < of->nwords ? of->bits[w] : 0;

			/* a row is full, or this was the last word */
			if (n > TOUCHED_NUMBERS - 64 || (w == of->nwords && n > 0))
			{
				ArrayType  *array = construct_array(numbers, n, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
				Datum		values[2] = {Int32GetDatum(of->purpose_id), PointerGetDatum(array)};
				bool		nulls[2] = {false, false};

				tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
				pfree(array);
				n = 0;
			}
			for (; bits != 0; bits &= bits - 1)
				numbers[n++] = Int64GetDatum(w * 64 + pg_rightmost_one_pos64(bits));
		}
	}
	pz_progress_end(PZ_WORK_FIGURES);
	return (Datum) 0;
}
