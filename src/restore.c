/*-------------------------------------------------------------------------
 *
 * restore.c
 *	  Was this cluster restored from a backup?
 *
 * A base backup, and recovery to a point in time, bring back people who were
 * erased since, and nothing in the data says so.  The files with which such a
 * recovery starts do: recovery.signal or backup_label.  With standby.signal
 * beside them the cluster becomes a replica of one that goes on, unless a
 * recovery target says that it is to stop on the way.  The postmaster then
 * makes the file personalize.restored with a random number.  A database whose
 * registry does not name that number serves no purpose until reapply_erasures()
 * was called there.  The file stays: databases are taken up one by one, and one
 * that is restored later from a dump is, too.
 *
 * A copy of the files that was made without PostgreSQL's knowledge (a snapshot
 * of the file system) looks like a crash, and cannot be told from one.  Whoever
 * starts one makes an empty file of that name first.
 *
 * It is read once by the postmaster; all processes inherit the number.  No lock
 * is needed.
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
#include "storage/fd.h"

#include "restore.h"

#define PZ_RESTORE_FILE	"personalize.restored"
#define PZ_RESTORE_LEN	32		/* hex digits */

static char restore_id[PZ_RESTORE_LEN + 1] = "";	/* empty: was not restored */

/* Is there a file of that name in the data directory?  FATAL if that cannot be told. */
static bool
is_there(const char *name)
{
	struct stat st;

	if (stat(name, &st) == 0)
		return true;
	if (errno != ENOENT)
		ereport(FATAL,
				(errcode_for_file_access(),
				 errmsg("could not stat file \"%s\": %m", name)));
	return false;
}

/*
 * Write the file with a new number, durably.  FATAL if that fails.
 */
static void
write_file(void)
{
	uint8		bytes[PZ_RESTORE_LEN / 2];
	int			fd;
	int			i;

	if (!pg_strong_random(bytes, sizeof(bytes)))
		ereport(FATAL,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random values")));
	for (i = 0; i < sizeof(bytes); i++)
		snprintf(restore_id + i * 2, 3, "%02x", bytes[i]);

	if (unlink(PZ_RESTORE_FILE ".tmp") != 0 && errno != ENOENT)
		ereport(FATAL,
				(errcode_for_file_access(),
				 errmsg("could not remove file \"%s\": %m", PZ_RESTORE_FILE ".tmp")));
	fd = BasicOpenFilePerm(PZ_RESTORE_FILE ".tmp", O_WRONLY | O_CREAT | O_EXCL | PG_BINARY, S_IRUSR | S_IWUSR);
	if (fd < 0)
		ereport(FATAL,
				(errcode_for_file_access(),
				 errmsg("could not create file \"%s\": %m", PZ_RESTORE_FILE ".tmp")));
	errno = 0;
	if (write(fd, restore_id, PZ_RESTORE_LEN) != PZ_RESTORE_LEN)
	{
		if (errno == 0)
			errno = ENOSPC;
		ereport(FATAL,
				(errcode_for_file_access(),
				 errmsg("could not write file \"%s\": %m", PZ_RESTORE_FILE ".tmp")));
	}
	if (pg_fsync(fd) != 0)
		ereport(FATAL,
				(errcode_for_file_access(),
				 errmsg("could not fsync file \"%s\": %m", PZ_RESTORE_FILE ".tmp")));
	if (close(fd) != 0)
		ereport(FATAL,
				(errcode_for_file_access(),
				 errmsg("could not close file \"%s\": %m", PZ_RESTORE_FILE ".tmp")));
	durable_rename(PZ_RESTORE_FILE ".tmp", PZ_RESTORE_FILE, FATAL);
}

/*
 * Read the number.  False if the file holds none.  FATAL if it cannot be read.
 */
static bool
read_file(void)
{
	char		text[PZ_RESTORE_LEN + 1];
	int			fd = BasicOpenFile(PZ_RESTORE_FILE, O_RDONLY | PG_BINARY);
	int			len;

	if (fd < 0)
		ereport(FATAL,
				(errcode_for_file_access(),
				 errmsg("could not open file \"%s\": %m", PZ_RESTORE_FILE)));
	len = (int) read(fd, text, PZ_RESTORE_LEN);
	if (len < 0)
		ereport(FATAL,
				(errcode_for_file_access(),
				 errmsg("could not read file \"%s\": %m", PZ_RESTORE_FILE)));
	close(fd);
	text[len] = '\0';
	if (len != PZ_RESTORE_LEN || strspn(text, "0123456789abcdef") != PZ_RESTORE_LEN)
		return false;
	strcpy(restore_id, text);
	return true;
}

/*
 * Look whether a restore begins, or what the last one was.  Called from
 * _PG_init, before recovery takes its files away; does nothing unless
 * shared_preload_libraries is being worked on.  FATAL if the file cannot be
 * read or made.
 */
void
pz_restore_init(void)
{
	bool		begins;

	if (!process_shared_preload_libraries_in_progress || IsBinaryUpgrade || IsBootstrapProcessingMode())
		return;
	begins = (is_there(RECOVERY_SIGNAL_FILE) || is_there(BACKUP_LABEL_FILE)) && !is_there(STANDBY_SIGNAL_FILE);
	begins = begins || (recoveryTarget != RECOVERY_TARGET_UNSET && is_there(STANDBY_SIGNAL_FILE));
	if (!begins && (!is_there(PZ_RESTORE_FILE) || read_file()))
		return;
	write_file();
	ereport(LOG,
			(errmsg("this cluster was restored from a backup: protected relations are closed"),
			 errhint("Call personalize.reapply_erasures() in each database, with what personalize.export_tombstones() returned on the newest server.")));
}

/* The number of the last restore of this cluster; NULL if it never was. */
const char *
pz_restore_id(void)
{
	return restore_id[0] != '\0' ? restore_id : NULL;
}
