/*-------------------------------------------------------------------------
 *
 * audit_log.c
 *	  Writes the log of uses of a standby.
 *
 * A standby has no WAL to write to, so what a primary puts into the WAL goes to
 * a file of the standby: the same messages, in the same order, with the same
 * promises (audit_emit.c).  The file goes to the primary by any way, and is
 * taken in there by ingest_standby_log().
 *
 * Why a file, and not a connection to the primary: reads must go on, and be on
 * record, while the primary is down or far away; there is no secret to keep
 * for a connection; and a file that waits to be taken in does no harm.
 *
 * Each database has files of its own, with numbers that rise.  Every run of the
 * server begins a new one, so nothing is ever written after a record that a crash
 * has cut off.  A file that is full, cannot be written to or is gone is followed
 * by another one.
 *
 * Invariants
 *	L1	a record is in the file, as far as the kernel knows, before a row leaves
 *		that it stands for; whoever asks for it waits until it is on disk
 *	L2	a file names how far the one before it went, so a reader knows if
 *		something is missing
 *	L3	what is written at log_end is not there before log_end is behind it:
 *		who fails leaves the place to the next one
 *
 * pz_log_append allocates nothing and never errors, so that it works in the abort
 * path.  Locks: log_sync, then log_lock; see shmem.h.  While one is held files
 * are written and flushed: those who wait, wait for their own records.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/xlog.h"
#include "access/xlogrecovery.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "port/pg_iovec.h"
#include "storage/fd.h"
#include "utils/guc.h"

#include "audit_log.h"
#include "compat.h"
#include "errors.h"
#include "guc.h"
#include "shmem.h"
#include "worker.h"

static int	log_fd = -1;		/* of this process */
static Oid	log_fd_dbid = InvalidOid;
static uint64 log_fd_no = 0;	/* which file it is */

/*
 * Open a file of the log, unless it is open.  False if that cannot be done, or it
 * was removed.
 */
static bool
open_file(Oid dbid, uint64 no)
{
	char		path[MAXPGPATH];
	struct stat st;

	if (log_fd >= 0 && (log_fd_dbid != dbid || log_fd_no != no))
	{
		close(log_fd);
		log_fd = -1;
	}
	if (log_fd < 0)
	{
		pz_log_path(path, dbid, no);
		log_fd = BasicOpenFile(path, O_RDWR | PG_BINARY);
		log_fd_dbid = dbid;
		log_fd_no = no;
	}
	return log_fd >= 0 && fstat(log_fd, &st) == 0 && st.st_nlink > 0;
}

/*
 * Write bytes in two pieces at a place.  False, with errno, if not all of them
 * could be written.
 */
static bool
write_at(int fd, const void *first, size_t first_len, const void *second, size_t second_len, off_t at)
{
	struct iovec iov[2];
	ssize_t		written;

	iov[0].iov_base = unconstify(void *, first);
	iov[0].iov_len = first_len;
	iov[1].iov_base = unconstify(void *, second);
	iov[1].iov_len = second_len;
	errno = 0;
	pgstat_report_wait_start(pz_wait_event(PZ_WAIT_LOG_WRITE));
	written = pg_pwritev(fd, iov, 2, at);
	pgstat_report_wait_end();
	if (written == (ssize_t) (first_len + second_len))
		return true;
	if (errno == 0)
		errno = ENOSPC;
	return false;
}

/* Say in the server log that a file could not be used. */
static void
complain(const char *what, uint64 no)
{
	ereport(LOG,
			(errcode_for_file_access(),
			 errmsg("could not %s file %llu of the log of uses of this standby: %m", what, (unsigned long long) no)));
}

/*
 * Have what is in a file up to end on disk.  False if it is not known to be.
 */
static bool
flush_until(PzDatabase *db, uint64 no, uint64 end)
{
	uint64		now_no;
	uint64		now_end;
	bool		done;

	LWLockAcquire(&db->log_sync, LW_EXCLUSIVE);
	LWLockAcquire(&db->log_lock, LW_SHARED);
	now_no = pg_atomic_read_u32(&db->log_dbid) == MyDatabaseId ? db->log_no : 0;
	now_end = db->log_end;
	LWLockRelease(&db->log_lock);
	if (now_no == 0)
		done = false;			/* the entry is another database's now */
	else if (now_no != no)
		done = no > db->log_unflushed;	/* who has begun the next file has flushed it */
	else if (pg_atomic_read_u64(&db->log_flushed) >= end)
		done = true;			/* somebody has done it with his own */
	else
	{
		pgstat_report_wait_start(pz_wait_event(PZ_WAIT_LOG_SYNC));
		done = open_file(MyDatabaseId, no) && pg_fsync(log_fd) == 0;
		pgstat_report_wait_end();
		if (done)
			pg_atomic_write_u64(&db->log_flushed, now_end);
		else
		{
			/* what the kernel has given up is not written by trying again */
			complain("flush", no);
			db->log_unflushed = no;
			LWLockAcquire(&db->log_lock, LW_EXCLUSIVE);
			db->log_failed = true;
			LWLockRelease(&db->log_lock);
		}
	}
	LWLockRelease(&db->log_sync);
	return done;
}

/*
 * Append a message; flush: return when it is on disk.  False if that could not
 * be done, or there is no file (pz_log_require).  *written: it is in the file,
 * if perhaps not on disk.
 */
bool
pz_log_append(const char *message, uint32 len, bool flush, bool *written)
{
	PzDatabase *db = pz_shmem_my_database();
	PzLogFrame	frame;
	uint64		no;
	uint64		end;
	bool		ok = false;

	*written = false;
	if (db == NULL || len > PZ_MSG_INNER_MAX)
		return false;
	LWLockAcquire(&db->log_lock, LW_EXCLUSIVE);
	no = db->log_no;
	if (pg_atomic_read_u32(&db->log_dbid) == MyDatabaseId && !db->log_failed)
	{
		if (!open_file(MyDatabaseId, no))
		{
			complain("find", no);
			db->log_failed = true;
		}
		else
		{
			frame.magic = PZ_LOG_MAGIC;
			frame.len = len;
			ok = pz_log_link(db->log_id, db->log_end, db->log_link, message, len, frame.link);
			if (ok && !write_at(log_fd, &frame, sizeof(frame), message, len, (off_t) db->log_end))
			{
				complain("write to", no);
				ok = false;
			}
		}
	}
	if (ok)
	{
		db->log_end += sizeof(frame) + len;
		memcpy(db->log_link, frame.link, PZ_MAC_LEN);
	}
	end = db->log_end;
	LWLockRelease(&db->log_lock);
	*written = ok;
	return ok && (!flush || flush_until(db, no, end));
}

/*
 * What the newest file of this database says, which an earlier run of the server
 * has written, or another server before this one was copied from it: into log.
 * Its number.
 */
static uint64
look_back(const PzLogFile *file, PzMsgLog *log)
{
	PzLogReader reader;
	MemoryContext mcxt = AllocSetContextCreate(CurrentMemoryContext, "personalize log", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(mcxt);
	char	   *data;
	size_t		len;

	data = pz_log_read_file(file->path, &len);
	pz_log_read_begin(&reader, data, len);
	while (pz_log_read_next(&reader))
		;
	/* something was there that cannot be read: the primary will ask for it */
	log->previous_id = reader.log.log_id;
	log->previous_end = Max(reader.end, 1);
	log->copied = reader.log.inode != file->inode;
	MemoryContextSwitchTo(old);
	MemoryContextDelete(mcxt);
	return file->no;
}

/*
 * Say that a file could not be made, with errno; fd is closed, unless it is -1.
 */
static void
cannot_make(const char *path, int fd)
{
	int			save_errno = errno;

	if (fd >= 0)
	{
		close(fd);
		unlink(path);
	}
	errno = save_errno;
	ereport(ERROR,
			(errcode_for_file_access(),
			 errmsg("could not make file \"%s\": %m", path),
			 errdetail("Uses of protected relations on this standby are recorded there."),
			 errhint("See personalize.standby_log_directory, or run the statement on the primary server.")));
}

/*
 * Make the next file.  ERROR if that cannot be done.  Both locks are held.
 */
static void
begin_file(PzDatabase *db)
{
	static PzMsgBuf message;
	PzMsgHeader header;
	PzMsgLog	log;
	PzLogFrame	frame;
	List	   *files;
	ListCell   *lc;
	uint64		total = 0;
	char		path[MAXPGPATH];
	uint8		nothing[PZ_MAC_LEN] = {0};
	struct stat st;
	int			fd;

	memset(&log, 0, sizeof(log));
	if (MakePGDirectory(pz_standby_log_directory) != 0 && errno != EEXIST)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not create directory \"%s\": %m", pz_standby_log_directory),
				 errhint("Uses of protected relations on this standby are recorded there; see personalize.standby_log_directory.")));
	files = pz_log_files();
	foreach(lc, files)
		total += ((PzLogFile *) lfirst(lc))->size;
	if (pz_standby_log_limit > 0 && total >= (uint64) pz_standby_log_limit * 1024)
		ereport(ERROR,
				(errcode(PZ_ERR_STATE),
				 errmsg("the log of uses of this standby has reached personalize.standby_log_limit"),
				 errdetail("Its files have %llu kB. They are removed once the primary server has taken them in.",
						   (unsigned long long) (total / 1024)),
				 errhint("Take them in by personalize.ingest_standby_log() on the primary server, which says for each what is wanted.")));
	if (pg_atomic_read_u32(&db->log_dbid) == MyDatabaseId)
	{
		if (db->log_unflushed < db->log_no &&
			(!open_file(MyDatabaseId, db->log_no) || pg_fsync(log_fd) != 0))
			db->log_unflushed = db->log_no;
		log.previous_id = db->log_id;
		log.previous_end = db->log_end;
		log.log_no = db->log_no;
	}
	else if (files != NIL)
		log.log_no = look_back(llast(files), &log);
	log.log_no++;
	while (log.log_id == 0)
	{
		if (!pg_strong_random(&log.log_id, sizeof(log.log_id)))
			ereport(ERROR,
					(errcode(ERRCODE_INTERNAL_ERROR),
					 errmsg("could not generate random values")));
		log.log_id &= PG_INT64_MAX;
	}
	log.node = GetConfigOption("cluster_name", true, false);

	pz_log_path(path, MyDatabaseId, log.log_no);
	fd = BasicOpenFilePerm(path, O_RDWR | O_CREAT | O_EXCL | PG_BINARY, S_IRUSR | S_IWUSR);
	if (fd < 0 || fstat(fd, &st) != 0)
		cannot_make(path, fd);
	log.inode = (uint64) st.st_ino;

	memset(&header, 0, sizeof(header));
	header.magic = PZ_MSG_MAGIC;
	header.version = PZ_MSG_VERSION;
	header.type = PZ_MSG_LOG;
	header.dbid = MyDatabaseId;
	header.pid = (uint32) MyProcPid;
	header.system_identifier = GetSystemIdentifier();
	header.boot_id = PZ_LOG_BOOT_ID;
	header.session_id = log.log_id;
	header.seq = 1;
	header.time = pz_clock_now();
	header.lsn = (uint64) GetXLogReplayRecPtr(NULL);
	pz_msg_start(&message, &header);
	pz_msg_put_log(&message, &log);
	frame.magic = PZ_LOG_MAGIC;
	if (!pz_msg_finish(&message) ||
		!pz_log_link(log.log_id, 0, nothing, message.data, (uint32) message.len, frame.link))
	{
		errno = ENOMEM;
		cannot_make(path, fd);
	}
	frame.len = (uint32) message.len;
	if (!write_at(fd, &frame, sizeof(frame), message.data, message.len, 0) || pg_fsync(fd) != 0 ||
		fsync_fname_ext(pz_standby_log_directory, true, false, LOG) != 0)
		cannot_make(path, fd);
	close(fd);

	db->log_no = log.log_no;
	db->log_id = log.log_id;
	db->log_end = sizeof(frame) + message.len;
	memcpy(db->log_link, frame.link, PZ_MAC_LEN);
	db->log_failed = false;
	pg_atomic_write_u64(&db->log_flushed, db->log_end);
	pg_atomic_write_u32(&db->log_dbid, MyDatabaseId);
	ereport(LOG,
			(errmsg("personalize has begun file \"%s\" of the log of uses of this standby", path),
			 errdetail("It is %lld and follows %lld, which ends at %llu.", (long long) log.log_id,
					   (long long) log.previous_id, (unsigned long long) log.previous_end)));
}

/*
 * Have a file that uses can be written to.  ERROR (55000) if there cannot be
 * one.
 */
void
pz_log_require(void)
{
	PzDatabase *db;
	bool		good;

	if (pz_standby_reads != PZ_STANDBY_LOG)
		ereport(ERROR,
				(errcode(PZ_ERR_STATE),
				 errmsg("cannot use protected relations on a standby"),
				 errdetail("The use could not be recorded."),
				 errhint("Run the statement on the primary server, or set personalize.standby_reads to \"log\" here.")));
	db = pz_shmem_my_database();
	if (db == NULL)
		db = pz_shmem_find_database(MyDatabaseId, true);
	if (db == NULL)
		ereport(ERROR,
				(errcode(PZ_ERR_STATE),
				 errmsg("the use of protected relations cannot be recorded in this database"),
				 errhint("Increase personalize.max_databases and restart the server.")));
	LWLockAcquire(&db->log_lock, LW_SHARED);
	good = pg_atomic_read_u32(&db->log_dbid) == MyDatabaseId && !db->log_failed &&
		db->log_end < (uint64) pz_standby_log_size * 1024;
	LWLockRelease(&db->log_lock);
	if (good)
		return;
	LWLockAcquire(&db->log_sync, LW_EXCLUSIVE);
	LWLockAcquire(&db->log_lock, LW_EXCLUSIVE);
	if (pg_atomic_read_u32(&db->log_dbid) != MyDatabaseId || db->log_failed ||
		db->log_end >= (uint64) pz_standby_log_size * 1024)
		begin_file(db);
	LWLockRelease(&db->log_lock);
	LWLockRelease(&db->log_sync);
}

/*
 * For the launcher: have the logs of all databases on disk.  False if one is not
 * known to be.  Uses under a lease rely on it (audit_emit.c).
 */
bool
pz_log_flush_all(void)
{
	bool		done = true;
	int			i;

	for (i = 0; i < pz_shared->ndatabases; i++)
	{
		PzDatabase *db = &pz_shared->databases[i];
		char		path[MAXPGPATH];
		Oid			dbid;
		uint64		no;
		uint64		end;
		bool		failed;
		int			fd;

		if (!OidIsValid(pg_atomic_read_u32(&db->log_dbid)))
			continue;
		LWLockAcquire(&db->log_sync, LW_EXCLUSIVE);
		LWLockAcquire(&db->log_lock, LW_SHARED);
		dbid = pg_atomic_read_u32(&db->log_dbid);
		no = db->log_no;
		end = db->log_end;
		failed = db->log_failed;
		LWLockRelease(&db->log_lock);
		if (OidIsValid(dbid) && !failed && pg_atomic_read_u64(&db->log_flushed) < end)
		{
			pz_log_path(path, dbid, no);
			fd = BasicOpenFile(path, O_RDWR | PG_BINARY);
			if (fd >= 0 && pg_fsync(fd) == 0)
				pg_atomic_write_u64(&db->log_flushed, end);
			else
			{
				complain("flush", no);
				db->log_unflushed = no;
				LWLockAcquire(&db->log_lock, LW_EXCLUSIVE);
				db->log_failed = true;
				LWLockRelease(&db->log_lock);
				done = false;
			}
			if (fd >= 0)
				close(fd);
		}
		LWLockRelease(&db->log_sync);
	}
	return done;
}
