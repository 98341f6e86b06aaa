/*-------------------------------------------------------------------------
 *
 * audit_launcher.c
 *	  Sees to it that each database with the extension has an audit worker.
 *
 * One launcher a server, without a database.  It starts a worker for every
 * connectable database once; a worker that finds no extension goes away and
 * the database is left alone until somebody asks for it.  Workers are dynamic
 * and never restarted by the postmaster: a worker of a dropped database would
 * come back for ever.  The launcher starts them again, and drops the slots of
 * databases that are gone.
 *
 * A connected worker is in the way of DROP DATABASE, of renaming it and of
 * copying it as a template: pz_audit_release_database stops it first.
 *
 * State shared with others is in PzDatabase (shmem.h).  What is in Candidate
 * is the launcher's own and is made again if the launcher is restarted.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_database.h"
#include "commands/dbcommands.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "audit.h"
#include "audit_log.h"
#include "audit_slot.h"
#include "audit_worker.h"
#include "compat.h"
#include "guc.h"
#include "worker.h"

#define PZ_RESCAN_MS		60000	/* look at the list of databases this often */
#define PZ_RESTART_MS		1000	/* between two workers of one database */
#define PZ_HOLD_MS			10000	/* a released database stays without worker */
#define PZ_REQUEST_MS		15000	/* a request is forgotten after that */
#define PZ_FLUSH_MS			400		/* messages are flushed this often; see pz_emit_send */

/* A database as the launcher sees it */
typedef struct Candidate
{
	Oid			dbid;
	bool		connectable;	/* and no template */
	bool		absent;			/* a worker found no extension */
	bool		seen;			/* in the present scan */
	bool		running;		/* a worker was registered and has not stopped */
	BackgroundWorkerHandle *handle;
	TimestampTz stopped_at;		/* when the last worker was seen to be gone */
} Candidate;

static List *candidates = NIL;	/* in TopMemoryContext, those with a slot first */
static Oid	released_database = InvalidOid; /* by this backend, not resumed yet */

/*
 * Register the launcher and ask for query identifiers.  Called from
 * _PG_init.  Does nothing unless preloaded.
 */
void
pz_audit_init(void)
{
	BackgroundWorker worker;

	if (!process_shared_preload_libraries_in_progress)
		return;
	EnableQueryId();
	if (IsBinaryUpgrade)
		return;
	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_ConsistentState;
	worker.bgw_restart_time = 1;
	strlcpy(worker.bgw_library_name, PZ_EXTENSION, sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "pz_audit_launcher_main", sizeof(worker.bgw_function_name));
	strlcpy(worker.bgw_name, "personalize audit launcher", sizeof(worker.bgw_name));
	strlcpy(worker.bgw_type, "personalize audit launcher", sizeof(worker.bgw_type));
	RegisterBackgroundWorker(&worker);
}

/*
 * Ask for a worker in this database.  Returns at once; never errors.
 */
void
pz_audit_request_worker(void)
{
	PzDatabase *db;

	if (pz_shared == NULL || !OidIsValid(MyDatabaseId))
		return;
	db = pz_shmem_find_database(MyDatabaseId, true);
	if (db == NULL)
		return;
	LWLockAcquire(pz_shared->lock, LW_EXCLUSIVE);
	if (pg_atomic_read_u32(&db->dbid) == MyDatabaseId)
		db->requested_at = GetCurrentTimestamp();
	LWLockRelease(pz_shared->lock);
	if (db->worker_pid == 0)
		pz_shmem_wake_launcher();
}

/* Is there a process with this number?  0: none. */
static bool
is_alive(pid_t pid)
{
	return pid != 0 && (kill(pid, 0) == 0 || errno != ESRCH);
}

/*
 * Stop the workers of a database, so that the database can be dropped, renamed
 * or copied, and keep it stopped for some seconds or until
 * pz_audit_resume_database.  Returns once they are gone.  Does nothing
 * if there is no such database or worker.  Interruptible.
 */
void
pz_audit_release_database(const char *dbname)
{
	Oid			dbid;
	PzDatabase *db;
	pid_t		pids[3];
	int			i;

	if (pz_shared == NULL || dbname == NULL)
		return;
	dbid = get_database_oid(dbname, true);
	if (!OidIsValid(dbid))
		return;
	/* hold also a database that has no entry: a worker may be about to look at it */
	db = pz_shmem_find_database(dbid, true);
	if (db == NULL)
		return;

	LWLockAcquire(pz_shared->lock, LW_EXCLUSIVE);
	db->hold_until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), PZ_HOLD_MS);
	pg_atomic_write_u32(&db->ready, 0);
	pg_atomic_write_u32(&db->why, PZ_DOWN_RELEASED);
	pids[0] = db->worker_pid;
	pids[1] = db->set_pid;
	pids[2] = db->rights_pid;
	for (i = 0; i < lengthof(pids); i++)
		if (pids[i] != 0)
			kill(pids[i], SIGTERM);
	LWLockRelease(pz_shared->lock);
	released_database = dbid;

	/* the processes themselves must be gone, not only their marks: 10 s at most */
	for (i = 0; i < 1000 && (is_alive(pids[0]) || is_alive(pids[1]) || is_alive(pids[2])); i++)
	{
		CHECK_FOR_INTERRUPTS();
		pg_usleep(10000L);
	}
}

/*
 * What this backend released may have a worker again.  Also makes the
 * launcher look for slots of dropped databases.
 */
void
pz_audit_resume_database(void)
{
	PzDatabase *db;

	if (pz_shared == NULL || !OidIsValid(released_database))
		return;
	db = pz_shmem_find_database(released_database, false);
	if (db != NULL)
	{
		LWLockAcquire(pz_shared->lock, LW_EXCLUSIVE);
		if (pg_atomic_read_u32(&db->dbid) == released_database)
			db->hold_until = 0;
		LWLockRelease(pz_shared->lock);
	}
	released_database = InvalidOid;
	pg_atomic_write_u32(&pz_shared->rescan, 1);
	pz_shmem_wake_launcher();
}

/*
 * Find what the launcher knows of a database, or NULL.
 */
static Candidate *
pz_launcher_find(Oid dbid)
{
	ListCell   *lc;

	foreach(lc, candidates)
	{
		Candidate  *candidate = (Candidate *) lfirst(lc);

		if (candidate->dbid == dbid)
			return candidate;
	}
	return NULL;
}

/*
 * Give back the entry of a database in shared memory, if it has no workers.
 */
static void
pz_launcher_free_entry(Oid dbid)
{
	PzDatabase *db = pz_shmem_find_database(dbid, false);

	if (db == NULL)
		return;
	LWLockAcquire(pz_shared->lock, LW_EXCLUSIVE);
	/* a worker that is still there would make its set for whoever has the entry next */
	if (pg_atomic_read_u32(&db->dbid) == dbid && db->worker_pid == 0 && db->set_pid == 0 &&
		db->rights_pid == 0)
	{
		pg_atomic_write_u32(&db->ready, 0);
		pg_atomic_write_u32(&db->dbid, InvalidOid);
	}
	LWLockRelease(pz_shared->lock);
}

/*
 * Read the list of databases, forget those that are gone and drop their
 * slots.
 */
static void
pz_launcher_scan(void)
{
	List	   *oids = NIL;
	ListCell   *lc;
	Relation	rel;
	TableScanDesc scan;
	HeapTuple	tuple;
	int			i;

	foreach(lc, candidates)
		((Candidate *) lfirst(lc))->seen = false;

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	rel = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(rel, 0, NULL);
	while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		Form_pg_database form = (Form_pg_database) GETSTRUCT(tuple);
		Candidate  *candidate = pz_launcher_find(form->oid);
		MemoryContext oldcontext = MemoryContextSwitchTo(TopMemoryContext);

		oids = lappend_oid(oids, form->oid);
		if (candidate == NULL)
		{
			candidate = palloc0(sizeof(Candidate));
			candidate->dbid = form->oid;
			if (pz_slot_exists(form->oid))
				candidates = lcons(candidate, candidates);
			else
				candidates = lappend(candidates, candidate);
		}
		candidate->seen = true;
		/* a limit of -2 marks a database whose DROP was interrupted */
		candidate->connectable = form->datallowconn && !form->datistemplate && form->datconnlimit != -2;
		MemoryContextSwitchTo(oldcontext);
	}
	table_endscan(scan);
	table_close(rel, AccessShareLock);
	PopActiveSnapshot();

	/* within the transaction: its memory goes with it */
	if (pz_slot_possible())
		pz_slot_drop_others(oids);
	CommitTransactionCommand();
	list_free(oids);

	foreach(lc, candidates)
	{
		Candidate  *candidate = (Candidate *) lfirst(lc);

		if (candidate->seen)
			continue;
		candidates = foreach_delete_current(candidates, lc);
		if (candidate->handle != NULL)
			pfree(candidate->handle);
		pfree(candidate);
	}
	for (i = 0; i < pz_shared->ndatabases; i++)
	{
		Oid			dbid = pg_atomic_read_u32(&pz_shared->databases[i].dbid);

		if (OidIsValid(dbid) && pz_launcher_find(dbid) == NULL)
			pz_launcher_free_entry(dbid);
	}
}

/*
 * Notice workers that have stopped.
 */
static void
pz_launcher_reap(TimestampTz now)
{
	ListCell   *lc;

	foreach(lc, candidates)
	{
		Candidate  *candidate = (Candidate *) lfirst(lc);
		PzDatabase *db;
		pid_t		pid;

		if (!candidate->running || candidate->handle == NULL ||
			GetBackgroundWorkerPid(candidate->handle, &pid) != BGWH_STOPPED)
			continue;
		pfree(candidate->handle);
		candidate->handle = NULL;
		candidate->running = false;
		candidate->stopped_at = now;
		/* perhaps the database is gone */
		pg_atomic_write_u32(&pz_shared->rescan, 1);

		db = pz_shmem_find_database(candidate->dbid, false);
		if (db == NULL)
			continue;
		switch ((PzDown) pg_atomic_read_u32(&db->why))
		{
			case PZ_DOWN_NO_EXTENSION:
				candidate->absent = true;
				break;
			case PZ_DOWN_RELEASED:
				candidate->stopped_at = 0;
				break;
			case PZ_DOWN_STARTING:
				pg_atomic_write_u32(&db->why, PZ_DOWN_ERROR);
				/* FALLTHROUGH */
			default:
				if (pg_atomic_read_u64(&db->failing_since) == 0)
					pg_atomic_write_u64(&db->failing_since, (uint64) now);
				break;
		}
		ConditionVariableBroadcast(&db->cv);
	}
}

/*
 * Start the worker of a database.
 */
static void
pz_launcher_start(Candidate *candidate, PzDatabase *db)
{
	BackgroundWorker worker;
	MemoryContext oldcontext;

	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_ConsistentState;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	worker.bgw_notify_pid = MyProcPid;
	worker.bgw_main_arg = ObjectIdGetDatum(candidate->dbid);
	strlcpy(worker.bgw_library_name, PZ_EXTENSION, sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "pz_audit_worker_main", sizeof(worker.bgw_function_name));
	snprintf(worker.bgw_name, sizeof(worker.bgw_name), "personalize audit worker for database %u",
			 candidate->dbid);
	strlcpy(worker.bgw_type, "personalize audit worker", sizeof(worker.bgw_type));

	oldcontext = MemoryContextSwitchTo(TopMemoryContext);
	if (RegisterDynamicBackgroundWorker(&worker, &candidate->handle))
	{
		candidate->running = true;
		candidate->absent = false;
		if (pg_atomic_read_u32(&db->ready) == 0)
			pg_atomic_write_u32(&db->why, PZ_DOWN_STARTING);
	}
	else
	{
		if (pg_atomic_read_u32(&db->why) != PZ_DOWN_NO_WORKER)
			ereport(LOG,
					(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
					 errmsg("personalize found no free background worker for database %u", candidate->dbid),
					 errhint("You might need to increase max_worker_processes.")));
		pg_atomic_write_u32(&db->why, PZ_DOWN_NO_WORKER);
		if (pg_atomic_read_u64(&db->failing_since) == 0)
			pg_atomic_write_u64(&db->failing_since, (uint64) GetCurrentTimestamp());
		candidate->handle = NULL;
		candidate->stopped_at = GetCurrentTimestamp();
	}
	MemoryContextSwitchTo(oldcontext);
}

/*
 * Start the workers that are missing.  Returns the milliseconds until there
 * may be something to do again.
 */
static long
pz_launcher_start_missing(TimestampTz now)
{
	long		wait_ms = PZ_RESCAN_MS;
	ListCell   *lc;

	foreach(lc, candidates)
	{
		Candidate  *candidate = (Candidate *) lfirst(lc);
		PzDatabase *db;
		bool		requested;
		bool		attached;
		bool		held;

		if (candidate->running)
			continue;
		db = pz_shmem_find_database(candidate->dbid, false);
		requested = attached = held = false;
		if (db != NULL)
		{
			LWLockAcquire(pz_shared->lock, LW_SHARED);
			requested = db->requested_at != 0 &&
				!TimestampDifferenceExceeds(db->requested_at, now, PZ_REQUEST_MS);
			attached = db->worker_pid != 0;
			held = db->hold_until > now;
			LWLockRelease(pz_shared->lock);
		}
		if (attached || held)
		{
			/* of an earlier launcher, or released: look again soon */
			wait_ms = Min(wait_ms, PZ_RESTART_MS);
			continue;
		}
		if (!requested && (candidate->absent || !candidate->connectable))
		{
			if (db != NULL)
				pz_launcher_free_entry(candidate->dbid);
			continue;
		}
		if (candidate->stopped_at != 0 &&
			!TimestampDifferenceExceeds(candidate->stopped_at, now, PZ_RESTART_MS))
		{
			wait_ms = Min(wait_ms, PZ_RESTART_MS);
			continue;
		}
		db = pz_shmem_find_database(candidate->dbid, true);
		if (db == NULL)
		{
			/* all entries are taken; probes give theirs back */
			wait_ms = Min(wait_ms, PZ_RESTART_MS);
			continue;
		}
		pz_launcher_start(candidate, db);
		if (!candidate->running)
			wait_ms = Min(wait_ms, PZ_RESTART_MS);
	}
	return wait_ms;
}

/*
 * Is there a request for a database that the launcher does not know?
 */
static bool
pz_launcher_unknown_request(void)
{
	int			i;

	for (i = 0; i < pz_shared->ndatabases; i++)
	{
		Oid			dbid = pg_atomic_read_u32(&pz_shared->databases[i].dbid);

		if (OidIsValid(dbid) && pz_launcher_find(dbid) == NULL)
			return true;
	}
	return false;
}

/*
 * Flush messages that nobody has flushed since we looked last, and say when we
 * did: transactions rely on it (pz_emit_send).
 */
static void
pz_launcher_flush(void)
{
	XLogRecPtr	want = InvalidXLogRecPtr;
	int			i;

	for (i = 0; i < pz_shared->ndatabases; i++)
		want = Max(want, (XLogRecPtr) pg_atomic_read_u64(&pz_shared->databases[i].want));
	if (want != InvalidXLogRecPtr && !RecoveryInProgress() && want > GetFlushRecPtr(NULL))
		XLogFlush(want);
	if (!pz_log_flush_all())
		return;
	pg_atomic_write_u64(&pz_shared->flushed_at, (uint64) pz_clock_now());
}

/*
 * Main function of the launcher.
 */
void
pz_audit_launcher_main(Datum arg)
{
	TimestampTz scanned_at = 0;

	pqsignal(SIGTERM, die);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	pz_shared->launcher_latch = MyLatch;
	/* nobody holds us up for long: who waits for a flush does not wait for us */
	SetConfigOption("lock_timeout", "500ms", PGC_SUSET, PGC_S_OVERRIDE);
	pgstat_report_appname("personalize audit launcher");

	for (;;)
	{
		TimestampTz now;
		long		wait_ms;

		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}

		pz_launcher_flush();
		now = GetCurrentTimestamp();
		pz_launcher_reap(now);
		if (scanned_at == 0 ||
			TimestampDifferenceExceeds(scanned_at, now, PZ_RESCAN_MS) ||
			pg_atomic_exchange_u32(&pz_shared->rescan, 0) != 0 ||
			pz_launcher_unknown_request())
		{
			pz_launcher_scan();
			scanned_at = now;
		}
		wait_ms = pz_launcher_start_missing(now);

		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 Min(wait_ms, PZ_FLUSH_MS), pz_wait_event(PZ_WAIT_LAUNCHER));
	}
}
