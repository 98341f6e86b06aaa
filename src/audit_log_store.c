/*-------------------------------------------------------------------------
 *
 * audit_log_store.c
 *	  What the audit worker keeps about logs of standbys.
 *
 * On a primary.  The records of a log come by the WAL, one message each, with
 * their place in the file (audit_ingest.c).  personalize.standby_log says how far
 * each file was taken in; that changes in one transaction with what its records
 * say, so a file can be sent as often as one likes.
 *
 * Uses that a standby left open are closed as crashed when its run is known to
 * be over: when a file of a later run was taken in, or somebody says that it was
 * the last.  What this server does with its own crashes is no reason.
 *
 * The table is replicated, and says a standby which files may go.
 *
 * All functions run in the worker.  A transaction that fails ends the process,
 * and with it what is remembered here.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/stat.h>
#include <unistd.h>

#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "audit_log.h"
#include "audit_store.h"
#include "compat.h"
#include "guc.h"
#include "registry.h"

#define PZ_REMOVE_MS		2000	/* between two looks for files to remove */

/* A file that is being taken in */
typedef struct Log
{
	int64		log_id;
	uint64		end;			/* of the last record */
	uint8		link[PZ_MAC_LEN];
	TimestampTz seen_at;		/* latest time in it */
	bool		changed;		/* in this transaction */
} Log;

static List *logs = NIL;		/* in TopMemoryContext */
static bool look_for_ended = true;	/* a run may be known to be over */

/* A file that is known, NULL if it is not. */
static Log *
find_log(int64 log_id)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT8OID};
	Datum		value = Int64GetDatum(log_id);
	MemoryContext old;
	ListCell   *lc;
	Log		   *log;
	bool		isnull;

	foreach(lc, logs)
	{
		log = lfirst(lc);
		if (log->log_id == log_id)
			return log;
	}
	if (pz_store_execute(&plan, "SELECT bytes, link, seen_at FROM personalize.standby_log WHERE log_id = $1",
						 1, types, &value, NULL) == 0)
		return NULL;
	old = MemoryContextSwitchTo(TopMemoryContext);
	log = palloc0(sizeof(Log));
	log->log_id = log_id;
	log->end = (uint64) DatumGetInt64(pz_store_value(0, 1, &isnull));
	memcpy(log->link, VARDATA_ANY(DatumGetByteaPP(pz_store_value(0, 2, &isnull))), PZ_MAC_LEN);
	log->seen_at = DatumGetTimestampTz(pz_store_value(0, 3, &isnull));
	logs = lappend(logs, log);
	MemoryContextSwitchTo(old);
	return log;
}

/* A file that was not known begins with a message. */
static void
add_log(const PzMsg *msg)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT8OID, INT8OID, INT8OID, TEXTOID, INT8OID, INT8OID, TIMESTAMPTZOID, INT8OID, BYTEAOID, BOOLOID};
	const PzMsgLog *log = &msg->inner->log;
	bytea	   *link = palloc(VARHDRSZ + PZ_MAC_LEN);
	Datum		values[10];
	char		nulls[] = "          ";

	SET_VARSIZE(link, VARHDRSZ + PZ_MAC_LEN);
	memcpy(VARDATA(link), msg->link, PZ_MAC_LEN);
	values[0] = Int64GetDatum(log->log_id);
	values[1] = Int64GetDatum((int64) log->log_no);
	values[2] = Int64GetDatum((int64) msg->inner->header.boot_id);
	values[3] = CStringGetTextDatum(log->node ? log->node : "");
	values[4] = Int64GetDatum(log->previous_id);
	values[5] = Int64GetDatum((int64) log->previous_end);
	values[6] = TimestampTzGetDatum(msg->inner->header.time);
	values[7] = Int64GetDatum((int64) msg->end);
	values[8] = PointerGetDatum(link);
	values[9] = BoolGetDatum(log->copied != 0);
	pz_store_execute(&plan,
					 "INSERT INTO personalize.standby_log (log_id, log_no, boot_id, node, previous_id, previous_bytes, "
					 "started_at, seen_at, bytes, link, copied) VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $8, $9, $10)",
					 10, types, values, nulls);
	look_for_ended = true;
}

/* A batch begins. */
void
pz_log_store_reset(void)
{
	ListCell   *lc;

	foreach(lc, logs)
		((Log *) lfirst(lc))->changed = false;
}

/*
 * Is a message of a log the next one of its file?  Then it is taken: the caller
 * stores what it says in the same transaction.  Else it was taken before.
 */
bool
pz_log_store_take(const PzMsg *msg)
{
	Log		   *log = find_log(msg->log.log_id);
	bool		first = msg->inner->header.type == PZ_MSG_LOG;

	if (log == NULL)
	{
		if (!first || msg->at != 0 || msg->inner->log.log_id != msg->log.log_id)
			return false;
		add_log(msg);
		return true;
	}
	if (first || log->end != msg->at)
		return false;
	log->end = msg->end;
	memcpy(log->link, msg->link, PZ_MAC_LEN);
	log->seen_at = Max(log->seen_at, msg->inner->header.time);
	log->changed = true;
	return true;
}

/* Somebody says that a file is the last one of its standby. */
void
pz_log_store_last(const PzMsg *msg)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT8OID};
	Datum		value = Int64GetDatum(msg->log.log_id);

	pz_store_execute(&plan, "UPDATE personalize.standby_log SET last = true WHERE log_id = $1 AND NOT last",
					 1, types, &value, NULL);
	look_for_ended = true;
}

/* Write how far the files were taken in. */
void
pz_log_store_write(void)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT8OID, INT8OID, BYTEAOID, TIMESTAMPTZOID};
	Datum		values[4];
	ListCell   *lc;

	foreach(lc, logs)
	{
		Log		   *log = lfirst(lc);
		bytea	   *link;

		if (!log->changed)
			continue;
		link = palloc(VARHDRSZ + PZ_MAC_LEN);
		SET_VARSIZE(link, VARHDRSZ + PZ_MAC_LEN);
		memcpy(VARDATA(link), log->link, PZ_MAC_LEN);
		values[0] = Int64GetDatum(log->log_id);
		values[1] = Int64GetDatum((int64) log->end);
		values[2] = PointerGetDatum(link);
		values[3] = TimestampTzGetDatum(log->seen_at);
		pz_store_execute(&plan, "UPDATE personalize.standby_log SET bytes = $2, link = $3, seen_at = $4 WHERE log_id = $1",
						 4, types, values, NULL);
	}
}

/* May a run of a standby be known to be over by now? */
bool
pz_log_store_look(void)
{
	return look_for_ended;
}

/*
 * Close what runs of standbys left open that are known to be over.  Inside SPI;
 * the caller chains.  Returns the number of uses written.
 */
int64
pz_log_store_crash(void)
{
	static SPIPlanPtr plan = NULL;
	bool		isnull;

	look_for_ended = false;
	/* objects of another version may have no such function */
	if (!pz_registry_installed() || !pz_registry_matches())
		return 0;
	pz_store_execute(&plan, "SELECT personalize.standby_ended_internal()", 0, NULL, NULL, NULL);
	return DatumGetInt64(pz_store_value(0, 1, &isnull));
}

/*
 * Number of a file, 0 if it cannot be read; *end is how far its records go, and of
 * log is set what it says of itself.
 */
static int64
identify(const char *path, uint64 *end, PzMsgLog *log)
{
	PzLogReader reader;
	char	   *data;
	size_t		len;

	data = pz_log_read_file(path, &len);
	pz_log_read_begin(&reader, data, len);
	while (pz_log_read_next(&reader))
		;
	*log = reader.log;
	*end = reader.end;
	return reader.log.log_id;
}

/*
 * Is a file being written to?  After a promotion only ends of uses are, which
 * count as crashed when somebody has said that the file is the last one.
 */
static bool
is_current(PzDatabase *db, const PzLogFile *file)
{
	bool		result;

	if (!RecoveryInProgress())
		return false;
	LWLockAcquire(&db->log_lock, LW_SHARED);
	result = pg_atomic_read_u32(&db->log_dbid) == MyDatabaseId && db->log_no == file->no;
	LWLockRelease(&db->log_lock);
	return result;
}

/*
 * Has the primary taken in all of a file: as far as the next one says, or, if
 * there is none (NULL), all that is there after the run was over?  In SPI.
 */
static bool
is_taken(PzDatabase *db, const PzLogFile *file, const PzLogFile *next)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT8OID, INT8OID, BOOLOID};
	PzMsgLog	log;
	PzMsgLog	next_log;
	uint64		end;
	uint64		unused;
	bool		followed;
	Datum		values[3];

	if (is_current(db, file) || identify(file->path, &end, &log) == 0)
		return false;
	followed = next != NULL && identify(next->path, &unused, &next_log) != 0 && next_log.previous_id == log.log_id;
	values[0] = Int64GetDatum(log.log_id);
	values[1] = Int64GetDatum((int64) (followed ? next_log.previous_end : end));
	values[2] = BoolGetDatum(followed);
	return pz_store_execute(&plan, "SELECT FROM personalize.standby_log WHERE log_id = $1 AND bytes >= $2 AND ($3 OR ended)",
							3, types, values, NULL) > 0;
}

/*
 * Remove files of this database that the primary has taken in, but none after
 * one that it has not.  Makes its own transaction, but not every time.
 */
void
pz_log_remove_old(PzDatabase *db)
{
	static TimestampTz next_look = 0;
	TimestampTz now = GetCurrentTimestamp();
	struct stat st;
	List	   *files = NIL;
	int			i;

	if (now < next_look)
		return;
	next_look = TimestampTzPlusMilliseconds(now, PZ_REMOVE_MS);
	if (stat(pz_standby_log_directory, &st) != 0)
		return;
	pz_store_begin();
	/* objects of another version may have no such table */
	if (pz_registry_installed() && pz_registry_matches())
		files = pz_log_files();
	for (i = 0; i < list_length(files); i++)
	{
		const PzLogFile *file = list_nth(files, i);

		if (!is_taken(db, file, i + 1 < list_length(files) ? list_nth(files, i + 1) : NULL))
			break;
		if (unlink(file->path) != 0)
		{
			ereport(LOG,
					(errcode_for_file_access(),
					 errmsg("could not remove file \"%s\": %m", file->path)));
			break;
		}
		ereport(LOG,
				(errmsg("personalize has removed file \"%s\" of the log of uses: the primary server has it", file->path)));
	}
	pz_store_end();
}
