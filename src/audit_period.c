/*-------------------------------------------------------------------------
 *
 * audit_period.c
 *	  Periods of the record of use: begun in time, and dropped when they are old.
 *
 * The tables of the record are divided by the numbers of uses, templates and
 * notes, which go on at n * 10^11 when period n begins.  A period begins with
 * the first batch that has a new use after the one before has ended; the
 * partitions of the one after are made with it.  Nothing is made before there is
 * a use: until then a dump can be restored into the tables.
 *
 * A use keeps its number, and so its period, however long it goes on: a period
 * is not dropped as long as uses of it are open.  A use has a template and a
 * note of its own period.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "utils/pg_lsn.h"
#include "utils/timestamp.h"

#include "audit_chain.h"
#include "audit_fold.h"
#include "audit_store.h"
#include "guc.h"

#define PZ_DROP_MS		60000	/* between two looks whether something is to be dropped, at most */
#define PZ_BUSY_MS		10000	/* the same if somebody was reading it */

static int64 current_period = -1;	/* that the dictionary belongs to */
static TimestampTz current_ends_at = 0; /* 0: ask */
static TimestampTz next_drop_at = 0;
static XLogRecPtr dropped_until = InvalidXLogRecPtr;	/* WAL after the last period that was dropped; invalid: none */
static bool dropped_known = false;

/*
 * Have the partitions that new uses need; then the dictionary is of the period
 * that they will be in.  Makes its own transaction.
 */
static void
begin_period(void)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT4OID};
	Datum		value = Int32GetDatum(pz_audit_period);
	int64		period_no;
	bool		isnull;

	pz_store_begin();
	pz_store_execute(&plan, "SELECT p.period_no, p.ends_at FROM personalize.audit_period_internal($1) AS p", 1, types, &value, NULL);
	period_no = DatumGetInt64(pz_store_value(0, 1, &isnull));
	current_ends_at = DatumGetTimestampTz(pz_store_value(0, 2, &isnull));
	pz_store_end();
	if (period_no != current_period)
		pz_dict_forget();
	current_period = period_no;
}

/*
 * A batch is about to be written: have what its new uses need.  Outside of
 * transactions.
 */
void
pz_period_before(PzMsg **messages, int n)
{
	int			i;

	if (current_ends_at != 0 && GetCurrentTimestamp() < current_ends_at)
		return;
	for (i = 0; i < n; i++)
	{
		const PzMsg *msg = messages[i]->header.type == PZ_MSG_STANDBY ? messages[i]->inner : messages[i];

		if (msg->header.type != PZ_MSG_INTENT && msg->header.type != PZ_MSG_REFUSED)
			continue;
		begin_period();
		return;
	}
}

/* Uses may be written by SQL, after a crash, or the clock may have been set: ask again. */
void
pz_period_forget(void)
{
	current_ends_at = 0;
}

/*
 * Does a message say that it was written before the end of what was dropped?
 * Its session is not known any more, so it may be a copy.  That is told by the
 * WAL, which goes on whatever clocks do; not of another cluster's.  In a
 * transaction.
 */
bool
pz_period_is_dropped(uint64 lsn)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT8OID};
	Datum		cluster = Int64GetDatum((int64) GetSystemIdentifier());
	bool		isnull;

	if (!dropped_known)
	{
		Datum		value;

		pz_store_execute(&plan, "SELECT max(d.lsn) FROM personalize.audit_dropped AS d WHERE d.system_identifier = $1", 1, types, &cluster, NULL);
		value = pz_store_value(0, 1, &isnull);
		dropped_until = isnull ? InvalidXLogRecPtr : DatumGetLSN(value);
		dropped_known = true;
	}
	return lsn < dropped_until;
}

/* Is it time to look whether something is to be dropped?  If nothing is read from the WAL, that has time. */
bool
pz_period_drop_is_due(void)
{
	return pz_audit_retention > 0 && GetCurrentTimestamp() >= next_drop_at;
}

/*
 * Drop the oldest period that is older than the setting, in the caller's
 * transaction, who chains it.  True if something was dropped, and there may be
 * more.  Waits for readers at most a second, and tries again later.
 */
bool
pz_period_drop(void)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT4OID, INT8OID};
	Datum		values[] = {Int32GetDatum(pz_audit_retention), Int64GetDatum((int64) GetSystemIdentifier())};
	bool		busy;
	bool		dropped;

	pz_store_execute(&plan, "SELECT personalize.audit_drop_internal($1, $2)", 2, types, values, NULL);
	dropped = DatumGetBool(pz_store_value(0, 1, &busy)) && !busy;
	next_drop_at = dropped ? 0 : TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
															 Min(busy ? PZ_BUSY_MS : PZ_DROP_MS, (int64) pz_audit_retention * 250));
	if (dropped)
		dropped_known = false;
	return dropped;
}
