/*-------------------------------------------------------------------------
 *
 * audit_worker.c
 *	  Reads the messages of one database from the WAL into its tables.
 *
 * The worker reads the WAL of the whole server with XLogReader, as
 * contrib/pg_walinspect does; no logical decoding, so wal_level = replica is
 * enough.
 *
 * Invariants
 *	I1	rows and position change in one transaction (audit_store.c), so each
 *		message is ingested exactly once
 *	I2	the slot is never ahead of the committed position (audit_slot.c)
 *	I3	a new position is written only if there were messages or a segment
 *		went by: the commit of the worker is WAL too, and it would feed itself
 *		for ever
 *	I4	WAL is read outside of transactions: no snapshot holds vacuum back
 *
 * Each worker writes a START message first.  Its end is a record end that the
 * worker can wait for: what died with an earlier run of the server is before
 * it.  In a database without position reading begins there.
 *
 * SIGTERM is die, not a flag: a checkpointer that invalidates our slot waits
 * for us.  The exit code is never 0 except where no worker is wanted.
 *
 * On a standby the worker only keeps the WAL that a promotion would need.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "access/xlog_internal.h"
#include "access/xlogreader.h"
#include "access/xlogrecovery.h"
#include "access/xlogutils.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "replication/slot.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "audit.h"
#include "audit_chain.h"
#include "audit_log.h"
#include "audit_msg.h"
#include "audit_slot.h"
#include "audit_store.h"
#include "audit_take.h"
#include "audit_worker.h"
#include "compat.h"
#include "consent_set.h"
#include "guc.h"
#include "progress.h"
#include "registry.h"
#include "standby.h"
#include "worker.h"

#define PZ_BATCH_RECORDS	200000	/* WAL records between two looks around */
#define PZ_RIGHTS_MS		2000	/* between two looks whether the rights worker is needed */

static PzDatabase *my_database = NULL;
static bool recheck_extension = false;	/* functions were changed, perhaps dropped */
static PzTaken taken;

/*
 * Syscache callback: functions were changed.  Dropping the extension drops
 * functions; its own catalog has no such cache.
 */
static void
pz_worker_invalidated(Datum arg, int cacheid, uint32 hashvalue)
{
	recheck_extension = true;
}

/*
 * before_shmem_exit callback: say that there is no worker any more.
 */
static void
pz_worker_exit(int code, Datum arg)
{
	pz_worker_part(my_database, offsetof(PzDatabase, worker_pid));
	ConditionVariableBroadcast(&my_database->cv);
	pz_shmem_wake_launcher();
}

/*
 * No extension here: give the slot back and leave.  The exit code says that
 * nothing is wrong.
 */
static void
pz_worker_leave(void)
{
	pg_atomic_write_u32(&my_database->ready, 0);
	pg_atomic_write_u32(&my_database->why, PZ_DOWN_NO_EXTENSION);
	if (!RecoveryInProgress())
		pz_slot_drop();
	proc_exit(0);
}

/*
 * OID of the extension.  Outside of a transaction.
 */
static Oid
pz_worker_installed(void)
{
	Oid			extension;

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	extension = pz_store_installed();
	PopActiveSnapshot();
	CommitTransactionCommand();
	return extension;
}

/*
 * Read the position.  Outside of a transaction.
 */
static void
pz_worker_load(PzPosition *position)
{
	pz_store_begin();
	pz_store_load(position);
	pz_store_end();
}

/*
 * Take our slot; says in shared memory why if it cannot be had.  Errors then.
 */
static void
pz_worker_slot(XLogRecPtr from)
{
	pg_atomic_write_u32(&my_database->why, PZ_DOWN_NO_SLOT);
	(void) pz_slot_acquire(from);
	pg_atomic_write_u32(&my_database->why, PZ_DOWN_STARTING);
}

/*
 * On a standby: keep the WAL from the replicated position on, and remove files of
 * the log that the primary has.  Returns after promotion.
 */
static void
pz_worker_standby(void)
{
	PzPosition	position;

	while (RecoveryInProgress())
	{
		pz_worker_load(&position);
		if (position.found && pz_slot_possible())
		{
			pz_worker_slot(position.lsn);
			pz_slot_advance(position.lsn);
		}
		pz_worker_nap(pz_audit_naptime);
		if (!OidIsValid(pz_worker_installed()))
			pz_worker_leave();
		pz_log_remove_old(my_database);
	}
}

/*
 * Write the START message.  Returns its end, which is on disk.
 */
static XLogRecPtr
pz_worker_start_message(void)
{
	static PzMsgBuf message;
	PzMsgHeader header;
	int64		session_id = 0;

	while (session_id == 0)
	{
		if (!pg_strong_random(&session_id, sizeof(session_id)))
			ereport(ERROR,
					(errcode(ERRCODE_INTERNAL_ERROR),
					 errmsg("could not generate random values")));
		session_id &= PG_INT64_MAX;
	}
	memset(&header, 0, sizeof(header));
	header.magic = PZ_MSG_MAGIC;
	header.version = PZ_MSG_VERSION;
	header.type = PZ_MSG_START;
	header.dbid = MyDatabaseId;
	header.pid = (uint32) MyProcPid;
	header.system_identifier = GetSystemIdentifier();
	header.boot_id = pz_shared->boot_id;
	header.session_id = session_id;
	header.seq = 1;
	header.time = pz_clock_now();
	header.lsn = (uint64) GetXLogInsertRecPtr();
	pz_msg_start(&message, &header);
	if (!pz_msg_finish(&message))
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("could not authenticate a message of the audit")));
	return pz_log_message_compat(PZ_MSG_PREFIX, message.data, message.len, true);
}

/*
 * Chain what was written in this transaction, as a batch that ends at a
 * position of the WAL.
 */
static void
pz_worker_chain(XLogRecPtr at)
{
	PzChain		chain;

	pz_chain_load(&chain);
	pz_chain_adopt(&chain);
	pz_chain_seal(&chain, at);
}

/*
 * Find out where to begin and put gaps on record.  start is the end of our
 * START message; had_slot: the slot is of an earlier worker.
 */
static void
pz_worker_position(PzPosition *position, XLogRecPtr start, bool had_slot)
{
	XLogRecPtr	from;
	const char *gap;

	pz_store_begin();
	pz_store_load(position);
	from = position->lsn;
	gap = pz_store_settle(position, start, (XLogRecPtr) pg_atomic_read_u64(&my_database->done), had_slot);
	if (gap != NULL)
		pz_store_gap(from, position->lsn, gap);
	if (!position->found)
	{
		/* what is open here is a copy: of another database or cluster */
		position->seen_at = 0;
		(void) pz_store_crash(true, 0);
	}
	pz_worker_chain(position->lsn);
	/* in any case: it may be signed with the key before this one */
	pz_store_position(position);
	pz_store_end();
	pz_chain_committed(my_database);
	position->found = true;
}

/*
 * Close what sessions of an earlier run of the server left open; all and
 * seen_at as in pz_store_crash.  at: how far the WAL was read; position: how
 * far as it stands in the table.
 */
static void
pz_worker_sweep(bool all, TimestampTz seen_at, XLogRecPtr at, const PzPosition *position)
{
	int64		crashed;

	pz_store_begin();
	crashed = pz_store_crash(all, seen_at);
	pz_period_forget();
	pz_worker_chain(at);
	/* it is signed together with the head of the chain */
	if (crashed > 0)
		pz_store_position(position);
	pz_store_end();
	pz_chain_committed(my_database);
	MemoryContextSwitchTo(TopMemoryContext);
	if (crashed > 0)
		ereport(LOG,
				(errmsg("personalize has closed %lld uses of an earlier run of the server as crashed",
						(long long) crashed)));
}

/*
 * Close what standbys left open, where it is known that they do not go on.  at
 * and position as in pz_worker_sweep.
 */
static void
pz_worker_sweep_logs(XLogRecPtr at, const PzPosition *position)
{
	int64		crashed;

	pz_store_begin();
	crashed = pz_log_store_crash();
	if (crashed > 0)
	{
		pz_period_forget();
		pz_worker_chain(at);
		pz_store_position(position);
	}
	pz_store_end();
	pz_chain_committed(my_database);
	MemoryContextSwitchTo(TopMemoryContext);
	if (crashed > 0)
		ereport(LOG,
				(errmsg("personalize has closed %lld uses of a standby as crashed", (long long) crashed)));
}

/*
 * Drop old periods of the record.  at and position as in pz_worker_sweep.
 */
static void
pz_worker_drop(XLogRecPtr at, const PzPosition *position)
{
	bool		dropped;

	pz_store_begin();
	dropped = pz_period_drop();
	if (dropped)
	{
		pz_worker_chain(at);
		pz_store_position(position);
	}
	pz_store_end();
	pz_chain_committed(my_database);
	MemoryContextSwitchTo(TopMemoryContext);
	if (dropped)
		ereport(LOG,
				(errmsg("personalize has dropped what was older than personalize.audit_retention from the record of use"),
				 errhint("See personalize.audit_dropped.")));
}

/*
 * Start the worker that serves rights, if something is due for it.  Looks every
 * PZ_RIGHTS_MS, and later if that worker is not done by then.
 */
static void
pz_worker_rights(void)
{
	static SPIPlanPtr plan = NULL;
	static TimestampTz next_look = 0;
	TimestampTz now = GetCurrentTimestamp();
	bool		isnull;
	bool		due;

	if (now < next_look || my_database->rights_pid != 0)
		return;
	next_look = TimestampTzPlusMilliseconds(now, PZ_RIGHTS_MS);
	pz_store_begin();
	/* objects of another version may have no such function */
	due = pz_registry_installed() && pz_registry_matches() &&
		pz_store_execute(&plan, "SELECT personalize.rights_due_internal()", 0, NULL, NULL, NULL) > 0 &&
		DatumGetBool(pz_store_value(0, 1, &isnull));
	pz_store_end();
	MemoryContextSwitchTo(TopMemoryContext);
	if (due)
	{
		pz_worker_start("pz_rights_worker_main", "rights worker");
		/* what fails again and again must not start a process every time */
		next_look = TimestampTzPlusMilliseconds(now, 5 * PZ_RIGHTS_MS);
	}
}

/*
 * Where a record begins that follows at: the end of a record can fall on the
 * start of a page, whose header comes first.
 */
static XLogRecPtr
record_start(XLogRecPtr at)
{
	if (XLogSegmentOffset(at, wal_segment_size) == 0)
		return at + SizeOfXLogLongPHD;
	if (at % XLOG_BLCKSZ == 0)
		return at + SizeOfXLogShortPHD;
	return at;
}

/*
 * There is work: tell how far it is.  *from is where it began, set here if it is
 * InvalidXLogRecPtr.
 */
static void
pz_worker_tell(XLogRecPtr *from, XLogRecPtr done)
{
	if (*from == InvalidXLogRecPtr)
	{
		*from = done;
		pz_progress_begin(PZ_WORK_INGEST, InvalidOid);
	}
	pz_progress_phase(PZ_WORK_INGEST, PZ_PHASE_INGESTING, InvalidOid, done - *from,
					  Max(GetFlushRecPtr(NULL), done) - *from);
}

/*
 * Read WAL for ever.  start is the end of our START message: when it is
 * reached, sessions of an earlier run of the server can have nothing more to
 * say.  Mostly they are closed before, where the WAL says that their run of
 * the server ended: there it is known which leases had run out by then.
 */
static void
pz_worker_loop(PzPosition *position, XLogRecPtr start)
{
	ReadLocalXLogPageNoWaitPrivate private = {0};
	MemoryContext batch;
	XLogReaderState *reader;
	XLogRecPtr	at = position->lsn;
	XLogRecPtr	from = InvalidXLogRecPtr;	/* where reading began; nothing is left when it is invalid */
	bool		swept = false;

	batch = AllocSetContextCreate(TopMemoryContext, "personalize audit batch", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(TopMemoryContext);
	reader = XLogReaderAllocate(wal_segment_size, NULL,
								XL_ROUTINE(.page_read = &read_local_xlog_page_no_wait,
										   .segment_open = &wal_segment_open,
										   .segment_close = &wal_segment_close),
								&private);
	if (reader == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	if (position->guessed)
	{
		XLogRecPtr	next = XLogFindNextRecord(reader, at);

		if (next != InvalidXLogRecPtr)
			at = next;
		private.end_of_wal = false;
	}
	XLogBeginRead(reader, record_start(at));
	taken.db = my_database;
	taken.seen_at = position->seen_at;

	for (;;)
	{
		int			nrecords = 0;
		bool		run_ended = false;
		uint64		want = pg_atomic_read_u64(&my_database->want);

		taken.n = 0;
		taken.bytes = 0;
		/* only flushed WAL can be read; "want" is a record end, so it exists */
		if (want > at)
			XLogFlush(want);

		/*
		 * The reader allocates its buffers in the current context, which must
		 * live long; only our copies go to the batch.
		 */
		while (pz_take_has_room(&taken) && nrecords < PZ_BATCH_RECORDS && !run_ended)
		{
			char	   *error = NULL;

			if (XLogReadRecord(reader, &error) == NULL)
			{
				if (!private.end_of_wal)
					ereport(ERROR,
							(errcode_for_file_access(),
							 errmsg("could not read WAL at %X/%X: %s", LSN_FORMAT_ARGS(at),
									error ? error : "unknown error")));
				/* never reset for us; and forget a record that was half there */
				private.end_of_wal = false;
				XLogBeginRead(reader, record_start(at));
				break;
			}
			at = reader->EndRecPtr; /* after a switch: the next segment */
			MemoryContextSwitchTo(batch);
			run_ended = pz_take(&taken, reader);
			MemoryContextSwitchTo(TopMemoryContext);
			/* a barrier of another process must not wait for us */
			if ((++nrecords & 1023) == 0)
				CHECK_FOR_INTERRUPTS();
		}

		AcceptInvalidationMessages();
		if (recheck_extension)
		{
			recheck_extension = false;
			if (pz_worker_installed() != pz_store_extension)
				pz_worker_leave();
		}

		position->seen_at = taken.seen_at;
		if (taken.n > 0 || run_ended || at / wal_segment_size != position->lsn / wal_segment_size)
		{
			pgstat_report_activity(STATE_RUNNING, "ingesting records of use");
			pz_worker_tell(&from, position->lsn);
			position->lsn = at;
			MemoryContextSwitchTo(batch);
			pz_store_batch(taken.messages, taken.n, position, my_database);
			MemoryContextSwitchTo(TopMemoryContext);
			pz_chain_committed(my_database);
			pz_slot_advance(at);
			pg_atomic_fetch_add_u64(&my_database->messages, taken.n);
			pgstat_report_stat(false);
			pgstat_report_activity(STATE_IDLE, NULL);
		}
		MemoryContextReset(batch);

		if (run_ended)
		{
			pz_worker_sweep(true, position->seen_at, at, position);
			/* the clock may have been set meanwhile */
			position->seen_at = taken.seen_at = 0;
		}
		if (!swept && at >= start)
		{
			pz_worker_sweep(false, 0, at, position);
			swept = true;
		}
		if (swept && pz_log_store_look())
			pz_worker_sweep_logs(at, position);
		pz_consent_request_worker(my_database);
		if (swept)
		{
			pz_worker_rights();
			pz_log_remove_old(my_database);
		}
		if (swept && pz_period_drop_is_due())
			pz_worker_drop(at, position);
		pg_atomic_write_u64(&my_database->failing_since, 0);
		if (swept)
			pg_atomic_write_u64(&my_database->done, at);
		ConditionVariableBroadcast(&my_database->cv);

		/*
		 * Gather what comes meanwhile, also while there is more to read: a
		 * transaction for every few uses would cost several times what they do,
		 * and its flush would hold up theirs.  Who waits for us sets the latch.
		 */
		if (swept && pz_take_has_room(&taken) && nrecords < PZ_BATCH_RECORDS && !run_ended)
		{
			from = InvalidXLogRecPtr;
			pz_progress_end(PZ_WORK_INGEST);
			(void) pz_standby_beat(taken.ended_at);
			pz_worker_nap(pz_heartbeat > 0 ? Min(pz_audit_naptime, pz_heartbeat) : pz_audit_naptime);
		}
		else
		{
			CHECK_FOR_INTERRUPTS();
			pz_worker_tell(&from, at);
		}
	}
}

/* Is this process an audit worker? */
bool
pz_audit_is_worker(void)
{
	return my_database != NULL;
}

/*
 * Main function of a worker; the argument is the OID of the database.
 */
void
pz_audit_worker_main(Datum arg)
{
	Oid			dbid = DatumGetObjectId(arg);
	PzPosition	position;
	XLogRecPtr	start;
	Oid			before;
	bool		had_slot;

	pqsignal(SIGTERM, die);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
	my_database = pz_worker_join(dbid, offsetof(PzDatabase, worker_pid), offsetof(PzDatabase, worker_latch), pz_worker_exit);
	if (my_database == NULL)
		proc_exit(1);
	BackgroundWorkerInitializeConnectionByOid(dbid, InvalidOid, 0);
	pz_worker_settings();
	/*
	 * Plans are kept while tables grow from nothing: all that is looked for is found by
	 * an index, and partitions are pruned when a plan is run.
	 */
	SetConfigOption("enable_seqscan", "off", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("plan_cache_mode", "force_generic_plan", PGC_SUSET, PGC_S_OVERRIDE);
	pgstat_report_appname("personalize audit worker");
	if (!pz_keys_prepare())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the keys of personalize are not available")));
	CacheRegisterSyscacheCallback(PROCOID, pz_worker_invalidated, (Datum) 0);

	pz_store_extension = pz_worker_installed();
	if (!OidIsValid(pz_store_extension))
		pz_worker_leave();
	pz_worker_standby();
	if (!pz_slot_possible())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("personalize cannot keep a record of use"),
				 errhint("Set wal_level to replica and max_replication_slots above zero, and restart the server.")));

	/* what was known of an extension that is gone means nothing for this one */
	before = pg_atomic_read_u32(&my_database->extension);
	if (before != pz_store_extension)
	{
		LWLockAcquire(pz_shared->lock, LW_EXCLUSIVE);
		my_database->batch = 0;
		LWLockRelease(pz_shared->lock);
		pg_atomic_write_u64(&my_database->done, 0);
		had_slot = !OidIsValid(before) && pz_slot_exists(MyDatabaseId);
	}
	else
		had_slot = pz_slot_exists(MyDatabaseId);
	pz_worker_load(&position);
	pz_worker_slot(position.genuine ? position.lsn : InvalidXLogRecPtr);
	start = pz_worker_start_message();
	pz_worker_position(&position, start, had_slot);
	pz_slot_advance(position.lsn);

	pz_shmem_raise(&my_database->want, start);
	pg_atomic_write_u32(&my_database->why, PZ_DOWN_UNKNOWN);
	pg_atomic_write_u32(&my_database->extension, pz_store_extension);
	pg_atomic_write_u32(&my_database->ready, 1);
	ConditionVariableBroadcast(&my_database->cv);
	ereport(DEBUG1,
			(errmsg_internal("personalize reads WAL from %X/%X", LSN_FORMAT_ARGS(position.lsn))));
	pz_worker_loop(&position, start);
}
