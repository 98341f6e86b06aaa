/*-------------------------------------------------------------------------
 *
 * audit_emit.c
 *	  Backend side of the audit: writes what a use does into the WAL, or on a
 *	  standby into its log (audit_log.c).
 *
 * Messages are non-transactional logical messages: they need no transaction
 * id, work in READ ONLY transactions, aborted subtransactions and parallel
 * workers, and stay when the transaction rolls back.  The audit worker of the
 * database reads them from the WAL (audit_worker.c).
 *
 * An intent is written before the first row of a protected relation is
 * looked at.  At personalize.audit = on and strict, an intent that is flushed
 * carries a lease: it says that this session may use this relation for this purpose
 * until then, and later intents under it need no flush.  If the server
 * crashes, a lease that had not run out stands for all intents that were not
 * on disk yet.  The lease in the WAL runs somewhat longer than the session
 * uses it, as long as WAL may stay unflushed.
 *
 * pz_audit_end works while a transaction aborts and while the process exits:
 * it uses static buffers only and does not raise errors.  If it cannot
 * write, the use stays open in the record, and the worker closes it as
 * crashed, which claims more subjects, not fewer.
 *
 * With a synchronous standby a flush is one there, too: what takes over has the
 * lease, or at strict the exact record, of every row that has left.
 *
 * A session that lives through a promotion has two streams of messages, each
 * with its own number: a use ends where it began.
 *
 * In this file all state is of this process; the only shared writes are atomic
 * maxima.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "access/xlogrecovery.h"
#include "miscadmin.h"
#include "postmaster/walwriter.h"
#include "storage/ipc.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/memdebug.h"
#include "utils/memutils.h"

#include "audit.h"
#include "audit_log.h"
#include "audit_msg.h"
#include "audit_ready.h"
#include "audit_text.h"
#include "compat.h"
#include "counters.h"
#include "errors.h"
#include "guc.h"
#include "numbers.h"
#include "shmem.h"
#include "standby.h"

#define PZ_LEASE_GRACE_MS	5000	/* besides three rounds of the walwriter */
#define PZ_FLUSHER_MS		1000	/* the launcher flushes: if it was there so lately */
#define PZ_PENDING_MAX		1000	/* subjects not sent yet at the end of a run */

typedef struct PzLeaseKey
{
	Oid			role;
	Oid			relid;
	int32		purpose_id;
} PzLeaseKey;

typedef struct PzLease
{
	PzLeaseKey	key;			/* hash key */
	Oid			extension;		/* whose record holds it */
	int			writer_delay;	/* ms: how long WAL may stay unflushed was reckoned with this */
	TimestampTz since;			/* when it was flushed; 0: it is not */
	TimestampTz until;			/* when it runs out, as the setting was then */
} PzLease;

/* What this session writes, to the WAL or to the log of a standby */
typedef struct Stream
{
	int64		session_id;		/* 0: it has written nothing yet */
	uint64		seq;			/* of the last message */
	uint64		uses;			/* number of the last use */
	HTAB	   *leases;
	bool		leases_sent;	/* a lease is on record */
} Stream;

static Stream streams[2];		/* by PzUse.in_log */
static const char *session_addr = NULL; /* the client's, NULL if local */
static XLogRecPtr flushed_lsn = InvalidXLogRecPtr;	/* end of the last message that was flushed to the WAL */
static PzMsgBuf message;		/* the message being written */
static int64 numbers[PZ_MSG_NUMBERS];	/* subjects of the message being written */

/*
 * Does somebody flush our messages soon?  The launcher does, and says when it
 * last did.
 */
static bool
pz_emit_is_flushed_for_us(void)
{
	TimestampTz beat = (TimestampTz) pg_atomic_read_u64(&pz_shared->flushed_at);

	return !TimestampDifferenceExceeds(beat, pz_clock_now(), PZ_FLUSHER_MS);
}

/*
 * Send the message in the buffer.  False if it could not be authenticated, or
 * not be written to the log.  To the WAL: must not be called in recovery.
 *
 * PostgreSQL wakes the walwriter at the end of a transaction that has written
 * anything, which costs a statement that only reads a tenth of its time.  So
 * such a transaction does not know of our messages, unless nobody else would
 * flush them.
 */
static bool
pz_emit_send(Stream *stream, bool flush)
{
	PzDatabase *db = pz_shmem_my_database();
	XLogRecPtr	lsn;
	XLogRecPtr	before;

	if (!pz_msg_finish(&message))
		return false;
	/* nothing of our memory but the message goes with it */
	VALGRIND_CHECK_MEM_IS_DEFINED(message.data, message.len);
	if (flush)
		pz_count(PZ_COUNT_FLUSHES, 1);
	if (stream == &streams[true])
	{
		bool		written;
		bool		done = pz_log_append(message.data, (uint32) message.len, flush, &written);

		if (written)
			stream->seq++;
		return done;
	}
	stream->seq++;
	before = XactLastRecEnd;
	lsn = pz_log_message_compat(PZ_MSG_PREFIX, message.data, message.len, flush);
	if (before == InvalidXLogRecPtr && pz_emit_is_flushed_for_us())
		XactLastRecEnd = before;
	if (db != NULL)
		pz_shmem_raise(&db->want, lsn);
	if (flush)
		flushed_lsn = lsn;
	return true;
}

/*
 * Begin a message of this session.
 */
static void
pz_emit_start(const Stream *stream, PzMsgType type)
{
	PzMsgHeader header;

	memset(&header, 0, sizeof(header));
	header.magic = PZ_MSG_MAGIC;
	header.version = PZ_MSG_VERSION;
	header.type = (uint16) type;
	header.dbid = MyDatabaseId;
	header.pid = (uint32) MyProcPid;
	header.system_identifier = GetSystemIdentifier();
	header.boot_id = stream == &streams[true] ? PZ_LOG_BOOT_ID : pz_shared->boot_id;
	header.session_id = stream->session_id;
	header.seq = stream->seq + 1;
	header.time = pz_clock_now();
	header.lsn = (uint64) (stream == &streams[true] ? GetXLogReplayRecPtr(NULL) : GetXLogInsertRecPtr());
	pz_msg_start(&message, &header);
}

/*
 * before_shmem_exit callback: give the leases back, so that they do not count
 * as crashed when the server crashes later.
 */
static void
pz_emit_exit(int code, Datum arg)
{
	int			i;

	/* the uses that are still open end with the transaction */
	AbortOutOfAnyTransaction();

	for (i = 0; i < lengthof(streams); i++)
	{
		if (!streams[i].leases_sent)
			continue;
		streams[i].leases_sent = false;
		pz_emit_start(&streams[i], PZ_MSG_SESSION_END);
		pz_emit_send(&streams[i], false);
	}
}

/*
 * Make what writing needs later, when allocating may be forbidden.  Errors if
 * the library is not preloaded or there is no randomness or memory.
 */
static void
pz_emit_prepare(Stream *stream)
{
	static bool registered = false;
	HASHCTL		ctl;
	int64		id = 0;

	if (stream->session_id != 0)
		return;
	pz_require_preloaded();
	if (!pz_keys_prepare())
		ereport(ERROR,
				(errcode(PZ_ERR_STATE),
				 errmsg("the keys of personalize are not available"),
				 errhint("See the server log of the last start.")));

	if (session_addr == NULL)
	{
		LOCAL_FCINFO(fcinfo, 0);
		Datum		address;

		InitFunctionCallInfoData(*fcinfo, NULL, 0, InvalidOid, NULL, NULL);
		address = inet_client_addr(fcinfo);
		if (!fcinfo->isnull)
			session_addr = MemoryContextStrdup(TopMemoryContext,
											   DatumGetCString(DirectFunctionCall1(inet_out, address)));
	}

	if (stream->leases == NULL)
	{
		ctl.keysize = sizeof(PzLeaseKey);
		ctl.entrysize = sizeof(PzLease);
		ctl.hcxt = TopMemoryContext;
		stream->leases = hash_create("personalize leases", 16, &ctl,
									 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	if (!registered)
	{
		before_shmem_exit(pz_emit_exit, (Datum) 0);
		registered = true;
	}
	while (id == 0)
	{
		if (!pg_strong_random(&id, sizeof(id)))
			ereport(ERROR,
					(errcode(ERRCODE_INTERNAL_ERROR),
					 errmsg("could not generate random values")));
		id &= PG_INT64_MAX;
	}
	stream->session_id = id;
}

/*
 * Put the intent or refusal of a use into the message buffer.  May allocate.
 */
static void
pz_emit_intent(PzUse *use, PzMsgType type, TimestampTz lease_until, const char *reason)
{
	PzMsgIntent intent;

	memset(&intent, 0, sizeof(intent));
	intent.started_at = use->started_at;
	intent.lease_until = lease_until;
	intent.role = use->role;
	intent.relid = use->relid;
	intent.purpose_id = use->purpose_id;
	intent.query_id = use->query_id;
	intent.role_name = use->role_name ? use->role_name : "";
	intent.session_role_name = use->session_role_name ? use->session_role_name : "";
	intent.purpose_name = use->purpose_name ? use->purpose_name : "";
	intent.legal_basis = use->legal_basis ? use->legal_basis : "";
	intent.relation_name = use->relation_name ? use->relation_name : "";
	intent.columns = use->columns ? use->columns : "";
	intent.categories = use->categories ? use->categories : "";
	intent.query = pz_audit_text(use->source_text, use->stmt_location, use->stmt_len, use->query_id);
	intent.reason = reason;
	intent.app_user = use->app_user;
	intent.application_name = application_name;
	intent.client_addr = session_addr;
	intent.context = use->context;
	pz_emit_start(&streams[use->in_log], type);
	pz_msg_put_intent(&message, use->use_no, &intent);
}

/*
 * May uses begin under a lease without a flush of their own?  Settings that were
 * changed after it was written do not make it longer than the WAL says, and an
 * extension that was created anew knows nothing of it.
 */
static bool
is_valid_lease(const PzLease *lease, TimestampTz now)
{
	return lease->since != 0 && lease->extension == pz_ready_extension() && lease->writer_delay >= WalWriterDelay &&
		now >= lease->since && now < lease->until && !TimestampDifferenceExceeds(lease->since, now, pz_audit_lease * 1000);
}

/*
 * Record that a use begins.  Call it before the first row is looked at and
 * before anything else below.  Errors (55000) if the use cannot be recorded.
 */
void
pz_audit_begin(PzUse *use)
{
	Stream	   *stream;
	PzLeaseKey	key;
	PzLease    *lease = NULL;
	TimestampTz now;
	TimestampTz until = 0;
	bool		flush = false;

	if (use->use_no != 0)
		return;
	use->in_log = RecoveryInProgress();
	stream = &streams[use->in_log];
	pz_emit_prepare(stream);
	pz_ready_require(use->in_log);
	pz_standby_require_fresh(use->age);

	now = pz_clock_now();
	if (pz_audit_level != PZ_AUDIT_ASYNC)
	{
		bool		found;

		memset(&key, 0, sizeof(key));
		key.role = use->role;
		key.relid = use->relid;
		key.purpose_id = use->purpose_id;
		lease = hash_search(stream->leases, &key, HASH_ENTER, &found);
		/* nobody but the launcher flushes the log of a standby */
		if (!found || !is_valid_lease(lease, now) || (use->in_log && !pz_emit_is_flushed_for_us()))
		{
			lease->since = 0;	/* not valid before it is flushed */
			lease->extension = pz_ready_extension();
			lease->writer_delay = WalWriterDelay;
			lease->until = TimestampTzPlusMilliseconds(now, (int64) pz_audit_lease * 1000);
			until = TimestampTzPlusMilliseconds(now, (int64) pz_audit_lease * 1000 +
												3 * WalWriterDelay + PZ_LEASE_GRACE_MS);
			flush = true;
		}
		else
			lease = NULL;
	}

	use->use_no = ++stream->uses;
	pz_emit_intent(use, PZ_MSG_INTENT, until, use->observed);
	if (until != 0)
		stream->leases_sent = true;
	if (!pz_emit_send(stream, flush))
	{
		use->use_no = 0;
		ereport(ERROR,
				(errcode(PZ_ERR_STATE),
				 errmsg("could not write the record of use"),
				 use->in_log ?
				 errhint("The server log says why. Run the statement on the primary server, or try again.") :
				 errhint("Make sure that the server has memory left, and try again.")));
	}
	if (flush && !use->in_log)
		pz_standby_wait(flushed_lsn);
	if (lease != NULL)
		lease->since = now;
}

/* Subjects that a message carries */
typedef struct Batch
{
	uint64		end;			/* of the list, after the last of them */
	PzNumbers  *bits;			/* and nbits from these, NULL: none */
	uint32		nbits;
} Batch;

/* How many subjects of a use are not in the WAL yet. */
static uint64
pz_emit_pending(const PzUse *use)
{
	uint64		n = use->nseen - use->nsent;
	PzNumbers  *bits;

	for (bits = use->numbers; bits; bits = bits->next)
		n += bits->nunsent;
	return n;
}

/*
 * Append to the message as many subjects as fit of those that are not in the
 * WAL yet: of the list, and if all of it fits, of bits.  Allocates nothing.
 */
static void
pz_emit_list(PzUse *use, Batch *batch)
{
	uint64		end;
	uint64		i;
	int64		previous = 0;
	size_t		key_bytes = 0;
	int			n = 0;
	int			nkeys = 0;

	for (end = use->nsent; end < use->nseen && n < PZ_MSG_NUMBERS; end++)
	{
		PzSeen	   *seen = &use->seen[end];

		/* a number that is not committed yet may go with its transaction, the key does not */
		if (seen->key == NULL)
		{
			if (seen->subject_no > 0)
				numbers[n++] = seen->subject_no;
		}
		else
		{
			size_t		len = Min(strlen(seen->key), PZ_MSG_KEY_MAX) + 16;

			if (key_bytes + len > PZ_MSG_KEYS)
				break;
			key_bytes += len;
			nkeys++;
		}
	}
	batch->end = end;
	batch->nbits = 0;
	for (batch->bits = use->numbers; batch->bits && batch->bits->nunsent == 0; batch->bits = batch->bits->next)
		;
	if (batch->bits && end == use->nseen)
		batch->nbits = pz_numbers_unsent(batch->bits, &numbers[n], PZ_MSG_NUMBERS - n);
	n += batch->nbits;

	/* subjects mostly come in the order of their numbers */
	for (i = 1; i < (uint64) n; i++)
	{
		if (numbers[i] < numbers[i - 1])
			break;
	}
	if (i < (uint64) n)
		qsort(numbers, n, sizeof(int64), pz_msg_compare_numbers);

	pz_msg_put_varint(&message, n);
	for (i = 0; i < (uint64) n; i++)
	{
		pz_msg_put_varint(&message, (uint64) (numbers[i] - previous));
		previous = numbers[i];
	}
	pz_msg_put_varint(&message, nkeys);
	for (i = use->nsent; i < end && nkeys > 0; i++)
	{
		PzSeen	   *seen = &use->seen[i];

		if (seen->key != NULL)
			pz_msg_put_key(&message, seen->kind_id, seen->key);
	}
}

/* A message with subjects of the use is in the WAL. */
static void
pz_emit_sent(PzUse *use, const Batch *batch)
{
	use->nsent = batch->end;
	if (batch->nbits > 0)
		pz_numbers_sent(batch->bits, batch->nbits);
}

/*
 * Send a message with subjects that are not in the WAL yet.  False if it
 * could not be sent.  Allocates nothing, never errors.
 */
static bool
pz_emit_subjects(PzUse *use)
{
	Batch		batch;

	pz_emit_start(&streams[use->in_log], PZ_MSG_SUBJECTS);
	pz_msg_put(&message, &use->use_no, sizeof(use->use_no));
	pz_emit_list(use, &batch);
	if (!pz_emit_send(&streams[use->in_log], false))
		return false;
	pz_emit_sent(use, &batch);
	return true;
}

/*
 * Send the closing record of a use, with the last of its subjects.  False if
 * it was not sent because there are more subjects than fit, or could not be
 * sent; *more tells which.  Allocates nothing, never errors.
 */
static bool
pz_emit_done(PzUse *use, PzUseStatus status, bool flush, bool *more)
{
	int32		word;
	Batch		batch;

	pz_emit_start(&streams[use->in_log], PZ_MSG_DONE);
	pz_msg_put(&message, &use->use_no, sizeof(use->use_no));
	pz_msg_put(&message, &use->rows_used, sizeof(use->rows_used));
	pz_msg_put(&message, &use->rows_withheld, sizeof(use->rows_withheld));
	word = (int32) status;
	pz_msg_put(&message, &word, sizeof(word));
	word = (int32) use->precision;
	pz_msg_put(&message, &word, sizeof(word));
	pz_emit_list(use, &batch);
	*more = (batch.end - use->nsent) + batch.nbits < pz_emit_pending(use);
	if (*more || !pz_emit_send(&streams[use->in_log], flush))
		return false;
	pz_emit_sent(use, &batch);
	use->done = true;
	return true;
}

/*
 * Record what a run of the executor has seen.  completed: no row is left to
 * deliver; at personalize.audit = strict the record is then on disk before
 * this returns.
 */
void
pz_audit_run_end(PzUse *use, bool completed)
{
	if (use->use_no == 0)
		return;
	flushed_lsn = InvalidXLogRecPtr;
	if (use->done || (pz_audit_level == PZ_AUDIT_STRICT && completed))
		pz_audit_end(use, PZ_USE_ENDED);
	else if (pz_emit_pending(use) >= PZ_PENDING_MAX)
	{
		while (pz_emit_pending(use) > 0 && pz_emit_subjects(use))
			;
	}
	if (pz_audit_level != PZ_AUDIT_STRICT || !completed)
		return;
	if (flushed_lsn != InvalidXLogRecPtr)
		pz_standby_wait(flushed_lsn);
	if (!use->done)
		ereport(ERROR,
				(errcode(PZ_ERR_STATE),
				 errmsg("could not write the record of use"),
				 errdetail("The statement is on record with everybody who is permitted."),
				 errhint("The server log says why.")));
}

/*
 * Record that a use has ended.  May be called again: does nothing unless
 * subjects were added meanwhile, which are then sent after.  Works in the
 * abort path, in memory context callbacks and before_shmem_exit callbacks:
 * allocates nothing, never errors.  The status of the first call stays.
 */
void
pz_audit_end(PzUse *use, PzUseStatus status)
{
	bool		flush = (status == PZ_USE_ENDED && pz_audit_level == PZ_AUDIT_STRICT);
	bool		more = false;
	bool		was_done = use->done;

	if (use->use_no == 0 || pz_shared == NULL)
		return;
	if (use->done && pz_emit_pending(use) == 0)
		return;
	/* if something cannot be sent, it stays open rather than incomplete */
	while (!pz_emit_done(use, status, flush, &more) && more && pz_emit_subjects(use))
		;
	if (use->done && !was_done)
	{
		pz_count(status == PZ_USE_ENDED ? PZ_COUNT_ENDED : PZ_COUNT_FAILED, 1);
		pz_count(PZ_COUNT_ROWS_USED, use->rows_used);
		pz_count(PZ_COUNT_ROWS_WITHHELD, use->rows_withheld);
	}
}

/*
 * Tell the server log that a use was refused, also where the error is caught or
 * not logged.  Statement and context stay out of the line: they may hold personal
 * data, and so may a purpose that nobody has defined.
 */
static void
log_refusal(const PzUse *use, const char *reason)
{
	const char *role = use->role_name ? use->role_name : "";
	const char *session_role = use->session_role_name ? use->session_role_name : "";

	if (!pz_log_refusals)
		return;
	ereport(LOG_SERVER_ONLY,
			(errmsg("refused a use of protected relation %s: %s", use->relation_name ? use->relation_name : "", reason),
			 strcmp(role, session_role) == 0 ?
			 errdetail_log("Role \"%s\", purpose \"%s\".", role,
						   use->purpose_id != PZ_PURPOSE_NONE ? use->purpose_name : "") :
			 errdetail_log("Role \"%s\" in a session of \"%s\", purpose \"%s\".", role, session_role,
						   use->purpose_id != PZ_PURPOSE_NONE ? use->purpose_name : ""),
			 errhidestmt(true),
			 errhidecontext(true)));
}

/*
 * Record that a use was refused, and why: also in the server log.  Waits a little for the worker, and
 * does nothing if the audit cannot be written: the refusal itself matters more.
 * Errors only if there is no memory, or no file of a standby that logs.  The reason must not hold personal data.
 */
void
pz_audit_refused(PzUse *use, const char *reason)
{
	pz_count(PZ_COUNT_REFUSED, 1);
	log_refusal(use, reason);
	if (use->use_no != 0 || !pz_preloaded || pz_shared == NULL || !XLogIsNeeded() || !pz_keys_prepare())
		return;
	use->in_log = RecoveryInProgress();
	if (use->in_log && pz_standby_reads != PZ_STANDBY_LOG)
		return;
	pz_emit_prepare(&streams[use->in_log]);
	if (use->in_log)
		pz_log_require();
	else
		/* the first one of all would come before anybody reads */
		(void) pz_audit_is_writable();
	use->use_no = ++streams[use->in_log].uses;
	pz_emit_intent(use, PZ_MSG_REFUSED, 0, reason);
	pz_emit_send(&streams[use->in_log], false);
	use->done = true;
}

/*
 * Begin a message that is no use's, to the WAL.  ERROR if the record is not kept.
 */
static Stream *
pz_emit_other(PzMsgType type)
{
	Stream	   *stream = &streams[false];

	pz_emit_prepare(stream);
	pz_ready_require(false);
	pz_emit_start(stream, type);
	return stream;
}

/* Send it.  ERROR if that cannot be done. */
static void
pz_emit_send_other(Stream *stream)
{
	if (!pz_emit_send(stream, false))
		ereport(ERROR,
				(errcode(PZ_ERR_STATE),
				 errmsg("could not authenticate a message of the audit"),
				 errhint("Make sure that the server has memory left, and try again.")));
}

/* Put on record that something is missing. */
void
pz_audit_send_gap(const char *reason)
{
	Stream	   *stream = pz_emit_other(PZ_MSG_GAP);

	pz_msg_put_string(&message, reason, 1024);
	pz_emit_send_other(stream);
}

/* Put a message of the log of a standby into the WAL; see pz_msg_put_standby. */
void
pz_audit_send_standby(int64 log_id, uint64 at, uint64 end, const uint8 *link, const void *data, size_t len)
{
	Stream	   *stream = pz_emit_other(PZ_MSG_STANDBY);

	pz_msg_put_standby(&message, log_id, at, end, link, data, len);
	pz_emit_send_other(stream);
}

/* Put on record that a log of a standby does not go on. */
void
pz_audit_send_last(int64 log_id)
{
	Stream	   *stream = pz_emit_other(PZ_MSG_LOG_LAST);

	pz_msg_put(&message, &log_id, sizeof(log_id));
	pz_emit_send_other(stream);
}
