/*-------------------------------------------------------------------------
 *
 * audit_sql.c
 *	  SQL functions of the audit that need C.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xlog.h"
#include "access/xlog_internal.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/pg_lsn.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "audit.h"
#include "audit_set.h"
#include "audit_slot.h"
#include "compat.h"
#include "errors.h"
#include "shmem.h"
#include "worker.h"

#define PZ_SYNC_START_MS	10000	/* how long to wait for a worker that is not there */

PG_FUNCTION_INFO_V1(personalize_audit_set_has);
PG_FUNCTION_INFO_V1(personalize_audit_set_members);
PG_FUNCTION_INFO_V1(personalize_audit_set_pack);
PG_FUNCTION_INFO_V1(personalize_audit_begin_sync);
PG_FUNCTION_INFO_V1(personalize_audit_end_sync);
PG_FUNCTION_INFO_V1(personalize_audit_flush);
PG_FUNCTION_INFO_V1(personalize_audit_sync);
PG_FUNCTION_INFO_V1(personalize_audit_worker);
PG_FUNCTION_INFO_V1(personalize_audit_writable);

/*
 * Return once every use of this database that has ended is in the tables, or
 * had ended when the end of the log was target (0: now).  Interruptible.  Errors
 * (55000) if there is no worker and none comes.
 */
static void
sync_until(uint64 target)
{
	TimestampTz alive_at = GetCurrentTimestamp();
	uint64		failing;
	PzDatabase *db;

	pz_require_preloaded();
	if (RecoveryInProgress())
		ereport(ERROR,
				(errcode(PZ_ERR_STATE),
				 errmsg("cannot wait for the audit during recovery"),
				 errhint("Run it on the primary server.")));
	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		db = pz_shmem_my_database();
		failing = db != NULL ? pg_atomic_read_u64(&db->failing_since) : 0;
		if (db == NULL || failing != 0 || db->worker_pid == 0 || pg_atomic_read_u32(&db->ready) == 0)
			pz_audit_request_worker();
		else
		{
			/* one that only starts to fail again and again is not alive */
			alive_at = GetCurrentTimestamp();
			/* a worker that starts has raised "want" to the end of WAL */
			if (target == 0)
				target = pg_atomic_read_u64(&db->want);
		}
		if (db != NULL && target != 0)
		{
			if (pg_atomic_read_u64(&db->done) >= target)
				break;
			if (db->worker_latch != NULL)
				SetLatch(db->worker_latch);
		}
		if (TimestampDifferenceExceeds(alive_at, GetCurrentTimestamp(), PZ_SYNC_START_MS))
			ereport(ERROR,
					(errcode(PZ_ERR_STATE),
					 errmsg("the audit worker of this database is not running"),
					 errhint("The server log says why. You might need to increase max_worker_processes, "
							 "max_replication_slots or personalize.max_databases.")));
		if (db == NULL)
		{
			pg_usleep(20000L);
			continue;
		}
		ConditionVariablePrepareToSleep(&db->cv);
		if (target == 0 || pg_atomic_read_u64(&db->done) < target)
			ConditionVariableTimedSleep(&db->cv, 100, pz_wait_event(PZ_WAIT_AUDIT_SYNC));
		ConditionVariableCancelSleep();
	}
}

/*
 * Have on disk what the worker has committed until now, which it does not wait
 * for.  Nothing to do during recovery.
 */
static void
flush_batches(void)
{
	XLogRecPtr	end;

	if (RecoveryInProgress())
		return;
	/* where a page has just been begun, that counts its header, which is no record */
	end = GetXLogInsertRecPtr();
	if (XLogSegmentOffset(end, wal_segment_size) == SizeOfXLogLongPHD)
		end -= SizeOfXLogLongPHD;
	else if (end % XLOG_BLCKSZ == SizeOfXLogShortPHD)
		end -= SizeOfXLogShortPHD;
	XLogFlush(end);
}

/*
 * Return once every use of this database that has ended is in the tables, and
 * on disk.
 */
void
pz_audit_sync(void)
{
	sync_until(0);
	flush_batches();
}

/*
 * audit_sync() returns void
 */
Datum
personalize_audit_sync(PG_FUNCTION_ARGS)
{
	pz_audit_sync();
	PG_RETURN_VOID();
}

/*
 * audit_flush_internal() returns void: has on disk what can be read of the record
 * of use, so that a crash does not take back what a caller tells of it.
 */
Datum
personalize_audit_flush(PG_FUNCTION_ARGS)
{
	flush_batches();
	PG_RETURN_VOID();
}

/*
 * audit_begin_sync_internal(relation regclass) returns pg_lsn: has the worker
 * write what has ended, and returns what audit_end_sync_internal() takes to wait
 * for that, so that there is something to do in between.  NULL if this
 * transaction keeps the worker from writing by a lock on the relation.
 */
Datum
personalize_audit_begin_sync(PG_FUNCTION_ARGS)
{
	PzDatabase *db;
	uint64		target = 0;
	Relation	rel;
	bool		locked;

	pz_require_preloaded();
	rel = table_open(PG_GETARG_OID(0), AccessShareLock);
	locked = CheckRelationLockedByMe(rel, ShareRowExclusiveLock, true);
	table_close(rel, AccessShareLock);
	if (locked)
		PG_RETURN_NULL();
	db = pz_shmem_my_database();
	if (db != NULL && pg_atomic_read_u64(&db->failing_since) == 0 && db->worker_pid != 0 && pg_atomic_read_u32(&db->ready) != 0)
	{
		target = pg_atomic_read_u64(&db->want);
		if (pg_atomic_read_u64(&db->done) < target && db->worker_latch != NULL)
			SetLatch(db->worker_latch);
	}
	PG_RETURN_LSN((XLogRecPtr) target);
}

/*
 * audit_end_sync_internal(target pg_lsn) returns void: waits for what had ended
 * then; 0/0: for what has ended now, as audit_sync() does.
 */
Datum
personalize_audit_end_sync(PG_FUNCTION_ARGS)
{
	sync_until((uint64) PG_GETARG_LSN(0));
	PG_RETURN_VOID();
}

/*
 * audit_set_pack_internal(members integer[]) returns bytea: members between 0
 * and PZ_SET_NUMBERS - 1 in any order.
 */
Datum
personalize_audit_set_pack(PG_FUNCTION_ARGS)
{
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(0);
	uint8	   *present = palloc0(PZ_SET_NUMBERS);
	uint16	   *members = palloc(sizeof(uint16) * PZ_SET_NUMBERS);
	int			n = 0;
	Datum	   *values;
	bool	   *nulls;
	int			nvalues;
	int			i;

	deconstruct_array(array, INT4OID, sizeof(int32), true, TYPALIGN_INT, &values, &nulls, &nvalues);
	for (i = 0; i < nvalues; i++)
	{
		int32		value = DatumGetInt32(values[i]);

		if (nulls[i] || value < 0 || value >= PZ_SET_NUMBERS)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("members of a set must be between 0 and %d", PZ_SET_NUMBERS - 1)));
		present[value] = 1;
	}
	for (i = 0; i < PZ_SET_NUMBERS; i++)
	{
		if (present[i])
			members[n++] = (uint16) i;
	}
	PG_RETURN_BYTEA_P(pz_set_pack(members, n));
}

/*
 * audit_set_has_internal(members bytea, subject_no bigint) returns boolean
 */
Datum
personalize_audit_set_has(PG_FUNCTION_ARGS)
{
	int64		number = PG_GETARG_INT64(1);

	/* numbers of subjects are positive */
	PG_RETURN_BOOL(number >= 0 && pz_set_has(PG_GETARG_BYTEA_PP(0), PZ_SET_MEMBER(number)));
}

/*
 * audit_set_members_internal(members bytea, chunk integer) returns setof
 * bigint: the subject numbers of a chunk.
 */
Datum
personalize_audit_set_members(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	uint16	   *members = palloc(sizeof(uint16) * PZ_SET_NUMBERS);
	int			n = pz_set_unpack(PG_GETARG_BYTEA_PP(0), members);
	int32		chunk = PG_GETARG_INT32(1);
	bool		isnull = false;
	int			i;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	for (i = 0; i < n; i++)
	{
		Datum		value = Int64GetDatum(PZ_SET_NUMBER(chunk, members[i]));

		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, &value, &isnull);
	}
	pfree(members);
	return (Datum) 0;
}

/*
 * audit_worker_internal(OUT pid integer, OUT ready boolean, OUT slot boolean,
 * OUT want pg_lsn, OUT done pg_lsn, OUT behind bigint, OUT messages bigint,
 * OUT bad bigint, OUT holes bigint, OUT failing_since timestamptz): state of
 * the audit of this database.
 */
Datum
personalize_audit_worker(PG_FUNCTION_ARGS)
{
	TupleDesc	desc;
	Datum		values[10];
	bool		nulls[10];
	PzDatabase *db;
	uint64		want;
	uint64		done;
	uint64		failing;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");	/* cannot happen */
	desc = BlessTupleDesc(desc);
	memset(nulls, true, sizeof(nulls));
	memset(values, 0, sizeof(values));

	values[2] = BoolGetDatum(pz_slot_exists(MyDatabaseId));
	nulls[2] = false;
	db = pz_shmem_my_database();
	if (db != NULL)
	{
		want = pg_atomic_read_u64(&db->want);
		done = pg_atomic_read_u64(&db->done);
		failing = pg_atomic_read_u64(&db->failing_since);
		memset(nulls, false, sizeof(nulls));
		values[0] = Int32GetDatum((int32) db->worker_pid);
		nulls[0] = db->worker_pid == 0;
		values[1] = BoolGetDatum(pg_atomic_read_u32(&db->ready) != 0);
		values[3] = LSNGetDatum(want);
		values[4] = LSNGetDatum(done);
		values[5] = Int64GetDatum(want > done ? (int64) (want - done) : 0);
		values[6] = Int64GetDatum((int64) pg_atomic_read_u64(&db->messages));
		values[7] = Int64GetDatum((int64) pg_atomic_read_u64(&db->bad));
		values[8] = Int64GetDatum((int64) pg_atomic_read_u64(&db->holes));
		values[9] = TimestampTzGetDatum((TimestampTz) failing);
		nulls[9] = failing == 0;
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, values, nulls)));
}

/*
 * personalize.audit_writable_internal(): can uses be recorded now?  Asks for a
 * worker if there is none, and waits a little for it, but not every time.
 */
Datum
personalize_audit_writable(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(pz_audit_is_writable());
}
