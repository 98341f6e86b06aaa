/*-------------------------------------------------------------------------
 *
 * audit_store.c
 *	  What the audit worker writes into the tables of the audit.
 *
 * Invariant I1: the position (personalize.audit_position) is the end of the
 * last record whose effects are in the tables; both change in one
 * transaction.  So each message is ingested exactly once, whatever dies when.
 *
 * A session numbers its messages.  A number that is not higher than the last
 * is a copy of a genuine message, which somebody has sent again.
 *
 * All functions run in the worker, inside pz_store_begin and pz_store_end
 * unless they say otherwise, and error as the database does; the worker then
 * exits and another one goes on from the last position.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/pg_lsn.h"
#include "utils/snapmgr.h"

#include "audit_store.h"
#include "compat.h"

#define PZ_SESSIONS_MAX		100000	/* sessions remembered */
#define PZ_COMPLAINTS_MAX	10	/* log lines about bad messages since server start */

typedef struct PzSession
{
	int64		session_id;		/* hash key */
	uint64		last_seq;
} PzSession;

static HTAB *sessions = NULL;
Oid			pz_store_extension = InvalidOid;	/* which the worker serves */
Oid			pz_store_usage_id_seq = InvalidOid; /* personalize.usage_id_seq */
Oid			pz_store_text_seq = InvalidOid; /* personalize.audit_text_seq */
int			pz_store_gaps = 0;	/* written in this transaction */

/*
 * Begin a transaction with SPI.
 */
void
pz_store_begin(void)
{
	pz_store_gaps = 0;
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
}

/*
 * Commit it.  What was written is then on disk.
 */
void
pz_store_end(void)
{
	SPI_finish();
	PopActiveSnapshot();
	CommitTransactionCommand();
}

/*
 * Commit it without waiting for the disk, for what comes out of the WAL again
 * should the server crash: whoever waits for a batch to be readable (an
 * erasure) does not wait for the disk as well, and commits of others do not
 * wait behind ours.  pz_store_flush() is for what must not be ahead of it.
 */
void
pz_store_end_batch(void)
{
	(void) set_config_option("synchronous_commit", "off", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_LOCAL, true, ERROR, false);
	pz_store_end();
}

/*
 * Have what this process has committed on disk.  Outside of transactions.
 */
void
pz_store_flush(void)
{
	if (XactLastCommitEnd != InvalidXLogRecPtr)
		XLogFlush(XactLastCommitEnd);
}

/*
 * OID of the extension, InvalidOid if it is not in this database (or too old
 * to have an audit).  In a transaction.
 */
Oid
pz_store_installed(void)
{
	Oid			extension = get_extension_oid(PZ_EXTENSION, true);
	Oid			schema = get_namespace_oid(PZ_SCHEMA, true);

	if (!OidIsValid(extension) || !OidIsValid(schema) ||
		!OidIsValid(get_relname_relid("audit_position", schema)))
		return InvalidOid;
	pz_store_usage_id_seq = get_relname_relid("usage_id_seq", schema);
	pz_store_text_seq = get_relname_relid("audit_text_seq", schema);
	return extension;
}

/*
 * Run a statement with a plan that is kept, and check that it is of the
 * expected kind.
 */
uint64
pz_store_execute(SPIPlanPtr *plan, const char *statement, int n, const Oid *types,
				 Datum *values, const char *nulls)
{
	int			result;

	if (*plan == NULL)
	{
		*plan = SPI_prepare(statement, n, (Oid *) types);
		if (*plan == NULL || SPI_keepplan(*plan) != 0)
			elog(ERROR, "could not prepare a statement of the audit: %s",
				 SPI_result_code_string(SPI_result));	/* cannot happen */
	}
	result = SPI_execute_plan(*plan, values, nulls, false, 0);
	if (result < 0)
		elog(ERROR, "could not execute a statement of the audit: %s",
			 SPI_result_code_string(result));	/* cannot happen */
	return SPI_processed;
}

/*
 * Column of a row of SPI's last result as a Datum; *isnull says if it is NULL.
 */
Datum
pz_store_value(uint64 row, int column, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, isnull);
}

/*
 * Put on record that WAL between two positions was not read, and why; or
 * another reason why the record may lack something (from is invalid).  It must
 * be chained in the same transaction.
 */
void
pz_store_gap(XLogRecPtr from, XLogRecPtr to, const char *reason)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {LSNOID, LSNOID, TEXTOID};
	Datum		values[3];

	values[0] = LSNGetDatum(from);
	values[1] = LSNGetDatum(to);
	values[2] = CStringGetTextDatum(reason);
	pz_store_execute(&plan,
					 "INSERT INTO personalize.audit_gap (from_lsn, to_lsn, reason) VALUES ($1, $2, $3)",
					 3, types, values, from == InvalidXLogRecPtr ? (to == InvalidXLogRecPtr ? "nn " : "n  ") : NULL);
	pz_store_gaps++;
	if (from == InvalidXLogRecPtr)
		return;
	ereport(LOG,
			(errmsg("personalize has not read the WAL from %X/%X to %X/%X: %s",
					LSN_FORMAT_ARGS(from), LSN_FORMAT_ARGS(to), reason),
			 errhint("See personalize.audit_gap.")));
}

/*
 * Close the uses and leases of sessions that died with their server (all: of
 * any session): everybody then permitted counts as used.  seen_at is the
 * latest time in the WAL: a lease that had run out by then stands for
 * nothing.  Returns the number of uses written.
 */
int64
pz_store_crash(bool all, TimestampTz seen_at)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT8OID, TIMESTAMPTZOID};
	Datum		values[2];
	char		nulls[3] = "  ";
	bool		isnull;

	values[0] = Int64GetDatum((int64) pz_shared->boot_id);
	values[1] = TimestampTzGetDatum(seen_at);
	if (all)
		nulls[0] = 'n';
	if (seen_at == 0)
		nulls[1] = 'n';
	pz_store_execute(&plan, "SELECT personalize.audit_crash_internal($1, $2)", 2, types, values, nulls);
	return DatumGetInt64(pz_store_value(0, 1, &isnull));
}

/*
 * Check the number of a message within its session.  False if it is a replay;
 * a hole in the numbers is counted.  in_log: it comes from the log of a standby,
 * which is known not to have been taken in so far.
 */
bool
pz_store_sequence(const PzMsg *msg, PzDatabase *db, bool in_log)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT8OID};
	PzSession  *session;
	bool		found;

	if (sessions != NULL && hash_get_num_entries(sessions) >= PZ_SESSIONS_MAX)
	{
		hash_destroy(sessions);
		sessions = NULL;
	}
	if (sessions == NULL)
	{
		HASHCTL		ctl;

		ctl.keysize = sizeof(int64);
		ctl.entrysize = sizeof(PzSession);
		sessions = hash_create("personalize sessions", 256, &ctl, HASH_ELEM | HASH_BLOBS);
	}
	session = hash_search(sessions, &msg->header.session_id, HASH_ENTER, &found);
	if (!found)
	{
		Datum		value = Int64GetDatum(msg->header.session_id);
		bool		isnull;

		session->last_seq = 0;
		pz_store_execute(&plan,
						 "SELECT pg_catalog.max(s.last_seq) FROM ("
						 "(SELECT last_seq FROM personalize.audit_use WHERE session_id = $1 "
						 "ORDER BY use_no DESC LIMIT 100) UNION ALL "
						 "SELECT last_seq FROM personalize.audit_more WHERE usage_id IN (SELECT usage_id "
						 "FROM personalize.audit_use WHERE session_id = $1 ORDER BY use_no DESC LIMIT 100) UNION ALL "
						 "SELECT last_seq FROM personalize.audit_open WHERE session_id = $1) s",
						 1, types, &value, NULL);
		value = pz_store_value(0, 1, &isnull);
		if (!isnull)
			session->last_seq = (uint64) DatumGetInt64(value);
		else if (!in_log && pz_period_is_dropped(msg->header.lsn))
			session->last_seq = PG_UINT64_MAX;	/* what it had written is gone */
	}
	if (msg->header.seq <= session->last_seq)
	{
		if (in_log)
			return true;		/* of a file that was missing for a while */
		if (pg_atomic_fetch_add_u64(&db->bad, 1) < PZ_COMPLAINTS_MAX)
			ereport(LOG,
					(errmsg("personalize has rejected a copy of a message of the audit"),
					 errhint("Somebody has sent it with pg_logical_emit_message.")));
		return false;
	}
	if (session->last_seq != 0 && msg->header.seq != session->last_seq + 1)
	{
		uint64		missing = msg->header.seq - session->last_seq - 1;

		if (pg_atomic_fetch_add_u64(&db->holes, missing) < PZ_COMPLAINTS_MAX)
			ereport(LOG,
					(errmsg("messages of the audit of a session are missing"),
					 errdetail("Process %u has written %llu messages that are not in the WAL.",
							   msg->header.pid, (unsigned long long) missing)));
	}
	session->last_seq = msg->header.seq;
	return true;
}

/*
 * Write or delete leases, in the order of the messages.
 */
void
pz_store_leases(PzMsg **messages, int n)
{
	static SPIPlanPtr lease_plan = NULL;
	static SPIPlanPtr end_plan = NULL;
	const Oid	types[] = {INT8OID, OIDOID, INT4OID, OIDOID, INT8OID, INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID};
	Datum		values[8];
	int			i;

	for (i = 0; i < n; i++)
	{
		const PzMsg *msg = messages[i];

		if (msg == NULL)
			continue;
		values[0] = Int64GetDatum(msg->header.session_id);
		if (msg->header.type == PZ_MSG_SESSION_END)
			pz_store_execute(&end_plan, "DELETE FROM personalize.audit_lease WHERE session_id = $1",
							 1, types, values, NULL);
		if (msg->header.type != PZ_MSG_INTENT || msg->intent.lease_until == 0)
			continue;
		values[1] = ObjectIdGetDatum(msg->intent.role);
		values[2] = Int32GetDatum(msg->intent.purpose_id);
		values[3] = ObjectIdGetDatum(msg->intent.relid);
		values[4] = Int64GetDatum((int64) msg->use_no);
		values[5] = Int64GetDatum((int64) msg->header.boot_id);
		values[6] = TimestampTzGetDatum(msg->header.time);
		values[7] = TimestampTzGetDatum(msg->intent.lease_until);
		pz_store_execute(&lease_plan,
						 "INSERT INTO personalize.audit_lease (session_id, role_oid, purpose_id, relation, use_no, "
						 "boot_id, started_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) "
						 "ON CONFLICT (session_id, role_oid, purpose_id, relation) DO UPDATE "
						 "SET use_no = $5, boot_id = $6, started_at = $7, expires_at = $8",
						 8, types, values, NULL);
	}
}
