/*-------------------------------------------------------------------------
 *
 * rights_worker.c
 *	  The process that carries out requested erasures and sweeps what is kept no
 *	  longer.
 *
 * Started by the audit worker of the database when something is due
 * (pz_worker_rights()); leaves when nothing is.  Works in batches, each in a transaction of its own, so that nobody
 * waits long for a lock and a crash costs a batch (66_erasure_requests.sql has
 * the rest).  Not the audit worker itself: an erasure waits for that.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "progress.h"
#include "registry.h"
#include "rights.h"
#include "shmem.h"
#include "worker.h"

#define BATCH_ROWS		5000

static PzDatabase *my_database = NULL;

/* before_shmem_exit callback: nobody works on rights any more. */
static void
worker_exit(int code, Datum arg)
{
	pz_worker_part(my_database, offsetof(PzDatabase, rights_pid));
}

/* Run a function of ours that says whether there is more to do, in a transaction. */
static bool
run_batch(const char *sql)
{
	bool		more;
	bool		isnull;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (SPI_execute(sql, false, 1) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "unexpected result of a statement");	/* cannot happen: constant text */
	more = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull)) && !isnull;
	SPI_finish();
	PopActiveSnapshot();
	CommitTransactionCommand();
	return more;
}

/* Note why an erasure or a sweep failed; the message holds no personal data (rights_run.c). */
static void
note_failure(const char *message, bool is_erasure)
{
	Oid			types[1] = {TEXTOID};
	Datum		values[1];

	StartTransactionCommand();
	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
	values[0] = CStringGetTextDatum(message);
	SPI_execute_with_args(is_erasure ? "SELECT personalize.erasure_failed_internal($1)" : "SELECT personalize.retention_failed_internal($1)",
						  1, types, values, NULL, false, 1);
	SPI_finish();
	PopActiveSnapshot();
	CommitTransactionCommand();
}

/*
 * Do one batch.  True if there may be more.  What fails is noted, and logged.  How far
 * it is stays to be seen between batches.
 */
static bool
work(const char *sql, bool is_erasure)
{
	MemoryContext caller = CurrentMemoryContext;
	PzWork		what = is_erasure ? PZ_WORK_REQUESTED : PZ_WORK_SWEEP;
	bool		more = false;

	if (!pz_progress_goes_on(what))
		pz_progress_begin(what, InvalidOid);
	PG_TRY();
	{
		more = run_batch(sql);
	}
	PG_CATCH();
	{
		ErrorData  *edata;

		MemoryContextSwitchTo(caller);
		edata = CopyErrorData();
		/* the end of the process, or of the server */
		if (edata->elevel > ERROR || edata->sqlerrcode == ERRCODE_ADMIN_SHUTDOWN || edata->sqlerrcode == ERRCODE_QUERY_CANCELED)
			PG_RE_THROW();
		EmitErrorReport();
		FlushErrorState();
		AbortCurrentTransaction();
		pz_progress_end(what);
		MemoryContextSwitchTo(caller);
		/* two that waited for each other try again */
		if (edata->sqlerrcode == ERRCODE_T_R_DEADLOCK_DETECTED || edata->sqlerrcode == ERRCODE_T_R_SERIALIZATION_FAILURE)
			more = true;
		else
		{
			note_failure(edata->message ? edata->message : "an error", is_erasure);
			more = true;
		}
		FreeErrorData(edata);
	}
	PG_END_TRY();
	if (!more)
		pz_progress_end(what);
	return more;
}

/*
 * Main function of a rights worker; the argument is the OID of the database.
 */
void
pz_rights_worker_main(Datum arg)
{
	Oid			dbid = DatumGetObjectId(arg);
	bool		here;

	pqsignal(SIGTERM, die);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
	my_database = pz_worker_join(dbid, offsetof(PzDatabase, rights_pid), 0, worker_exit);
	if (my_database == NULL)
		proc_exit(0);
	BackgroundWorkerInitializeConnectionByOid(dbid, InvalidOid, 0);
	pz_worker_settings();
	pgstat_report_appname("personalize rights worker");
	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		StartTransactionCommand();
		here = pz_registry_installed() && pz_registry_matches();
		CommitTransactionCommand();
		if (!here)
			break;
		pgstat_report_activity(STATE_RUNNING, "erasing what was requested");
		if (work(psprintf("SELECT personalize.erasure_batch_internal(%d)", BATCH_ROWS), true))
			continue;
		pgstat_report_activity(STATE_RUNNING, "sweeping what is kept no longer");
		if (!work(psprintf("SELECT personalize.retention_batch_internal(%d)", BATCH_ROWS), false))
			break;
	}
	proc_exit(0);
}
