/*-------------------------------------------------------------------------
 *
 * worker.c
 *	  What the background processes of personalize have in common.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "pgstat.h"
#include "postmaster/interrupt.h"
#include "storage/latch.h"
#include "utils/guc.h"
#include "utils/wait_event.h"

#include "compat.h"
#include "pz.h"
#include "worker.h"

/*
 * Settings that an ALTER DATABASE or ALTER ROLE must not change for us.
 */
void
pz_worker_settings(void)
{
	SetConfigOption("search_path", "pg_catalog, pg_temp", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("statement_timeout", "0", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("lock_timeout", "0", PGC_SUSET, PGC_S_OVERRIDE);
	/* not in every release */
	if (GetConfigOption("transaction_timeout", true, false) != NULL)
		SetConfigOption("transaction_timeout", "0", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("idle_in_transaction_session_timeout", "0", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("default_transaction_isolation", "read committed", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("default_transaction_read_only", "off", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("default_transaction_deferrable", "off", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("session_replication_role", "origin", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("default_tablespace", "", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("default_table_access_method", "heap", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("zero_damaged_pages", "false", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("jit", "off", PGC_SUSET, PGC_S_OVERRIDE);
	/* durable here, but not waiting for standbys */
	SetConfigOption("synchronous_commit", "local", PGC_SUSET, PGC_S_OVERRIDE);
	/* if two wait for each other, we are the one that can start again */
	SetConfigOption("deadlock_timeout", "50ms", PGC_SUSET, PGC_S_OVERRIDE);
}

/*
 * A wait event by its name, where the version has such.  Errors only if there are
 * too many of them in the server; where nothing may fail, one that this process
 * has not used before has no name.
 */
uint32
pz_wait_event(PzWaitEvent event)
{
	static const char *const names[] = {
		"PersonalizeLauncherMain", "PersonalizeWorkerMain", "PersonalizeAuditReady", "PersonalizeAuditSync",
		"PersonalizeLogWrite", "PersonalizeLogSync"
	};
	static uint32 events[lengthof(names)];

	if (events[event] == 0)
	{
		if (CritSectionCount > 0 || InterruptHoldoffCount > 0)
			return PG_WAIT_EXTENSION;
		events[event] = pz_wait_event_compat(names[event]);
	}
	return events[event];
}

/*
 * Sleep until the latch is set or so many milliseconds have passed; then follow
 * settings that were changed.  Errors if the process is to end.
 */
void
pz_worker_nap(long ms)
{
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, ms, pz_wait_event(PZ_WAIT_WORKER));
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
	}
}

/*
 * Become the worker of a database for something: pid and latch are the offsets in
 * PzDatabase of where that is said, latch 0 where it is not.  on_exit is called
 * before shared memory is left.  NULL if there is such a worker, or may be none.
 */
PzDatabase *
pz_worker_join(Oid dbid, size_t pid, size_t latch, pg_on_exit_callback on_exit)
{
	PzDatabase *db = pz_shmem_find_database(dbid, false);
	bool		joined = false;

	if (db == NULL)
		return NULL;
	LWLockAcquire(pz_shared->lock, LW_EXCLUSIVE);
	if (pg_atomic_read_u32(&db->dbid) == dbid && *(pid_t *) ((char *) db + pid) == 0 &&
		db->hold_until <= GetCurrentTimestamp())
	{
		*(pid_t *) ((char *) db + pid) = MyProcPid;
		if (latch != 0)
			*(Latch **) ((char *) db + latch) = MyLatch;
		joined = true;
	}
	LWLockRelease(pz_shared->lock);
	if (!joined)
		return NULL;
	before_shmem_exit(on_exit, (Datum) 0);
	return db;
}

/* Say that the database has no such worker any more, if it is this one. */
void
pz_worker_part(PzDatabase *db, size_t pid)
{
	LWLockAcquire(pz_shared->lock, LW_EXCLUSIVE);
	if (*(pid_t *) ((char *) db + pid) == MyProcPid)
		*(pid_t *) ((char *) db + pid) = 0;
	LWLockRelease(pz_shared->lock);
}

/*
 * Start a process of ours for this database, by the name of its main function
 * and of what it is.  Does not raise; it may be that none can be had.
 */
void
pz_worker_start(const char *function, const char *type)
{
	BackgroundWorker worker;

	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	worker.bgw_main_arg = ObjectIdGetDatum(MyDatabaseId);
	strlcpy(worker.bgw_library_name, PZ_EXTENSION, sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, function, sizeof(worker.bgw_function_name));
	snprintf(worker.bgw_name, sizeof(worker.bgw_name), "personalize %s for database %u", type, MyDatabaseId);
	snprintf(worker.bgw_type, sizeof(worker.bgw_type), "personalize %s", type);
	(void) RegisterDynamicBackgroundWorker(&worker, NULL);
}
