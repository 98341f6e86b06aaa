/*-------------------------------------------------------------------------
 *
 * audit_ready.c
 *	  Is the record of use of this database being kept?
 *
 * On a primary an audit worker keeps it (audit_worker.c), on a standby a file
 * (audit_log.c).  Where neither can be had nothing protected is used.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "utils/inval.h"
#include "utils/syscache.h"

#include "audit.h"
#include "audit_log.h"
#include "audit_ready.h"
#include "compat.h"
#include "errors.h"
#include "guc.h"
#include "keys.h"
#include "shmem.h"
#include "worker.h"

#define PZ_BEGIN_WAIT_MS	10000	/* how long a statement waits for the worker */
#define PZ_OBSERVE_WAIT_MS	2000	/* the same if it would run anyway */
#define PZ_FAILING_MS		60000	/* a worker failing for so long stops the uses */

static Oid	extension = InvalidOid; /* InvalidOid: look it up */

/*
 * Syscache callback: functions were changed.  Dropping the extension drops
 * functions; its own catalog has no such cache.
 */
static void
forget_extension(Datum arg, int cacheid, uint32 hashvalue)
{
	extension = InvalidOid;
}

/* The extension whose uses this session records. */
Oid
pz_ready_extension(void)
{
	static bool watching = false;

	if (!watching)
	{
		CacheRegisterSyscacheCallback(PROCOID, forget_extension, (Datum) 0);
		watching = true;
	}
	if (!OidIsValid(extension))
		extension = get_extension_oid(PZ_EXTENSION, true);
	return extension;
}

/*
 * Could WAL with records be thrown away before it is read?  Only if
 * max_slot_wal_keep_size sets a limit; half of it is kept free.
 */
static bool
is_behind(PzDatabase *db)
{
	uint64		done = pg_atomic_read_u64(&db->done);

	return max_slot_wal_keep_size_mb >= 0 && done != 0 &&
		(uint64) GetXLogInsertRecPtr() > done + (uint64) max_slot_wal_keep_size_mb * 1024 * 1024 / 2;
}

/*
 * What an administrator can do about a database without audit worker.
 */
static const char *
why_not(PzDatabase *db)
{
	if (db != NULL && is_behind(db))
		return "The audit worker has not read the WAL for so long that max_slot_wal_keep_size could take it away. "
			"See personalize.status() and the server log; set max_slot_wal_keep_size to -1.";
	switch (db == NULL ? PZ_DOWN_UNKNOWN : (PzDown) pg_atomic_read_u32(&db->why))
	{
		case PZ_DOWN_NO_SLOT:
			return "Increase max_replication_slots and restart the server.";
		case PZ_DOWN_NO_WORKER:
			return "Increase max_worker_processes and restart the server.";
		case PZ_DOWN_NO_EXTENSION:
			return "Commit the transaction that has created the extension first.";
		case PZ_DOWN_RELEASED:
			return "The database is being copied, renamed or dropped. Try again later.";
		default:
			if (db != NULL && pg_atomic_read_u64(&db->failing_since) != 0)
				return "The audit worker of this database fails again and again; the server log says why, perhaps that the disk is full.";
			return "The audit worker of this database is not running; the server log says why. "
				"If this server has many databases, increase personalize.max_databases.";
	}
}

/*
 * Is the record of this database being kept?  A worker that dies is no reason
 * to refuse as long as its slot keeps the WAL, unless it fails again and again.
 * A worker of an extension that was dropped and made again does not count: it
 * does not know yet that it has to leave.
 */
static bool
is_ready(PzDatabase *db)
{
	uint64		failing;

	if (db == NULL || pg_atomic_read_u32(&db->ready) == 0)
		return false;
	if (pg_atomic_read_u32(&db->extension) != pz_ready_extension())
		return false;
	if (is_behind(db))
	{
		/* it may only be asleep */
		if (db->worker_latch != NULL)
			SetLatch(db->worker_latch);
		return false;
	}
	failing = pg_atomic_read_u64(&db->failing_since);
	return failing == 0 ||
		!TimestampDifferenceExceeds((TimestampTz) failing, GetCurrentTimestamp(), PZ_FAILING_MS);
}

/*
 * Wait until the record of this database is being kept, at most so many
 * milliseconds; asks for a worker if need be.  False if it cannot be had.
 */
static bool
wait_for(int milliseconds)
{
	PzDatabase *db = pz_shmem_my_database();
	TimestampTz until;

	if (is_ready(db))
		return true;
	until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), milliseconds);
	for (;;)
	{
		pz_audit_request_worker();
		db = pz_shmem_my_database();
		if (is_ready(db))
			return true;
		if (GetCurrentTimestamp() >= until)
			return false;
		if (db != NULL)
		{
			ConditionVariablePrepareToSleep(&db->cv);
			if (!is_ready(db))
				ConditionVariableTimedSleep(&db->cv, 100, pz_wait_event(PZ_WAIT_AUDIT_READY));
			ConditionVariableCancelSleep();
		}
		else
		{
			CHECK_FOR_INTERRUPTS();
			pg_usleep(20000L);
		}
	}
}

/*
 * Return once the audit of this database may be written; asks for a worker
 * and waits for it if need be.  Errors if it cannot be had.  in_log: what is
 * asked for is the log of a standby.
 */
void
pz_ready_require(bool in_log)
{
	if (in_log)
	{
		pz_log_require();
		return;
	}
	if (!XLogIsNeeded())
		ereport(ERROR,
				(errcode(PZ_ERR_STATE),
				 errmsg("cannot use protected relations while \"wal_level\" is \"minimal\""),
				 errdetail("The use could not be recorded."),
				 errhint("Set wal_level to replica or logical and restart the server.")));

	if (!wait_for(PZ_BEGIN_WAIT_MS))
		ereport(ERROR,
				(errcode(PZ_ERR_STATE),
				 errmsg("the use of protected relations cannot be recorded in this database"),
				 errhint("%s", why_not(pz_shmem_my_database()))));
}

/*
 * Can uses be recorded in this database now?  Does not raise.  Asks for a
 * worker if there is none and waits a little for it, but not every time.
 */
bool
pz_audit_is_writable(void)
{
	static TimestampTz waited_at = 0;
	TimestampTz now;

	if (!pz_preloaded || pz_shared == NULL || !XLogIsNeeded() || !pz_keys_prepare())
		return false;
	if (RecoveryInProgress())
		return pz_standby_reads == PZ_STANDBY_LOG;
	if (is_ready(pz_shmem_my_database()))
		return true;
	now = GetCurrentTimestamp();
	if (waited_at != 0 && !TimestampDifferenceExceeds(waited_at, now, PZ_FAILING_MS))
	{
		pz_audit_request_worker();
		return false;
	}
	waited_at = now;
	return wait_for(PZ_OBSERVE_WAIT_MS);
}
