/*-------------------------------------------------------------------------
 *
 * counters.c
 *	  Cumulative statistics: what was used, refused and withheld in each
 *	  database, and how often that was waited for.
 *
 * From PostgreSQL 18 on modules may have cumulative statistics of their own
 * kind.  Ours have one entry for each database, with key (database, 0).  A
 * process counts for itself and adds that to the entry when PostgreSQL reports
 * its statistics, so counting costs an addition and takes no lock.  With the
 * entry come snapshots, pg_stat_reset(), and its end with the database.
 *
 * Kinds have numbers, which modules of others may have taken.  The entries are
 * not written to the file of statistics, so the number need not be the same in the
 * next run of the server: we take the highest that is free.  If they were
 * written, PostgreSQL would throw away all statistics of the server when the library is
 * taken out of shared_preload_libraries.  Counting begins anew with each start.
 *
 * The record of use says the same exactly, and for good; this is what can be
 * looked at every second.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

#include "counters.h"

PG_FUNCTION_INFO_V1(personalize_counters);

#ifdef PZ_CUSTOM_STATISTICS

typedef struct PzCounts
{
	uint64		n[PZ_NCOUNTERS];
	TimestampTz reset_at;		/* 0: never */
} PzCounts;

typedef struct PzCountsShared
{
	PgStatShared_Common header;
	PzCounts	counts;
} PzCountsShared;

uint64		pz_counters[PZ_NCOUNTERS];

static PgStat_Kind kind = 0;	/* 0: none was free */

/* flush_static_cb: add what this process has counted.  True if that must be tried again. */
static bool
flush_counters(bool nowait)
{
	PgStat_EntryRef *ref;
	PzCountsShared *shared;
	uint64		all = 0;
	int			i;

	for (i = 0; i < PZ_NCOUNTERS; i++)
		all |= pz_counters[i];
	if (all == 0 || !OidIsValid(MyDatabaseId))
		return false;
	ref = pgstat_get_entry_ref_locked(kind, MyDatabaseId, 0, nowait);
	if (ref == NULL)
		return true;
	shared = (PzCountsShared *) ref->shared_stats;
	for (i = 0; i < PZ_NCOUNTERS; i++)
		shared->counts.n[i] += pz_counters[i];
	pgstat_unlock_entry(ref);
	memset(pz_counters, 0, sizeof(pz_counters));
	return false;
}

/* reset_timestamp_cb: pg_stat_reset() */
static void
counters_were_reset(PgStatShared_Common *header, TimestampTz at)
{
	((PzCountsShared *) header)->counts.reset_at = at;
}

static const PgStat_KindInfo counters_kind = {
	.name = "personalize",
	.fixed_amount = false,
	.accessed_across_databases = false,
	.write_to_file = false,
	.shared_size = sizeof(PzCountsShared),
	.shared_data_off = offsetof(PzCountsShared, counts),
	.shared_data_len = sizeof(PzCounts),
	.flush_static_cb = flush_counters,
	.reset_timestamp_cb = counters_were_reset
};

/*
 * Take a number for our kind.  Called once from _PG_init, while libraries are
 * preloaded.  Where all numbers are taken nothing is counted.
 */
void
pz_counters_init(void)
{
	PgStat_Kind free;

	for (free = PGSTAT_KIND_CUSTOM_MAX; free >= PGSTAT_KIND_CUSTOM_MIN; free--)
	{
		if (pgstat_get_kind_info(free) != NULL)
			continue;
		pgstat_register_kind(free, &counters_kind);
		kind = free;
		return;
	}
}

/* What was counted in this database; NULL: nothing, or nobody counts. */
static const PzCounts *
read_counters(void)
{
	static const PzCounts nothing;
	const PzCounts *counts;

	if (kind == 0)
		return NULL;
	counts = pgstat_fetch_entry(kind, MyDatabaseId, 0);
	return counts ? counts : &nothing;
}

/*
 * personalize.counters_internal(): a row with what was counted in this database,
 * NULLs where nobody counts.
 */
Datum
personalize_counters(PG_FUNCTION_ARGS)
{
	const PzCounts *counts = read_counters();
	TupleDesc	desc;
	Datum		values[PZ_NCOUNTERS + 1] = {0};
	bool		nulls[PZ_NCOUNTERS + 1];
	int			i;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE || desc->natts != lengthof(values))
		elog(ERROR, "counters_internal() has another result type");	/* cannot happen */
	memset(nulls, true, sizeof(nulls));
	for (i = 0; i < PZ_NCOUNTERS && counts; i++)
	{
		values[i] = Int64GetDatum((int64) counts->n[i]);
		nulls[i] = false;
	}
	if (counts && counts->reset_at != 0)
	{
		values[PZ_NCOUNTERS] = TimestampTzGetDatum(counts->reset_at);
		nulls[PZ_NCOUNTERS] = false;
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, values, nulls)));
}

#else

/* Before PostgreSQL 18 nothing is counted. */
void
pz_counters_init(void)
{
}

/* personalize.counters_internal(): NULL */
Datum
personalize_counters(PG_FUNCTION_ARGS)
{
	PG_RETURN_NULL();
}

#endif
