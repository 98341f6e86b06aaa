/*-------------------------------------------------------------------------
 *
 * audit_log_file.c
 *	  Files of the log of a standby: their names, and reading them.
 *
 * A file is a row of records: a frame, and a message as it would stand in the
 * WAL (audit_msg.h), with its HMAC.  The frame holds the state of a chain over
 * the messages: HMAC (state before it || where it stands || HMAC of the message),
 * in which the number of the file goes, too.  So no record can be taken out, put
 * elsewhere or come from another file.  The first one says which file it is
 * and how far the one before it went.
 *
 * What does not fit ends the file for a reader: a record that was being written
 * when the server went down, or what somebody has changed.  Only what the next
 * file says of this one tells which.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "miscadmin.h"
#include "storage/fd.h"

#include "audit_log.h"
#include "guc.h"
#include "keys.h"

/* What is signed to make a link; no padding */
typedef struct Link
{
	int64		log_id;
	uint64		at;
	uint8		before[PZ_MAC_LEN];
	uint8		mac[PZ_MAC_LEN];
	uint32		len;
	uint8		word[4];		/* tells it from what else is signed */
} Link;

StaticAssertDecl(sizeof(Link) == 2 * sizeof(uint64) + 2 * PZ_MAC_LEN + 2 * sizeof(uint32),
				 "what is signed of a record has no padding");

/* Path of a file by its number; MAXPGPATH bytes. */
void
pz_log_path(char *path, Oid dbid, uint64 no)
{
	snprintf(path, MAXPGPATH, "%s/%u.%llu.log", pz_standby_log_directory, dbid, (unsigned long long) no);
}

/* Order of files by their numbers. */
static int
compare_files(const ListCell *a, const ListCell *b)
{
	const PzLogFile *x = lfirst(a);
	const PzLogFile *y = lfirst(b);

	return (x->no > y->no) - (x->no < y->no);
}

/*
 * The files of this database, by their numbers, in the current memory context;
 * none if there is no directory.
 */
List *
pz_log_files(void)
{
	DIR		   *dir = AllocateDir(pz_standby_log_directory);
	struct dirent *entry;
	List	   *files = NIL;

	if (dir == NULL && errno == ENOENT)
		return NIL;
	while ((entry = ReadDir(dir, pz_standby_log_directory)) != NULL)
	{
		unsigned int dbid;
		unsigned long long no;
		PzLogFile  *file;
		char		path[MAXPGPATH];
		struct stat st;

		if (sscanf(entry->d_name, "%u.%llu.log", &dbid, &no) != 2 || dbid != MyDatabaseId || no == 0)
			continue;
		pz_log_path(path, dbid, no);
		if (strcmp(last_dir_separator(path) + 1, entry->d_name) != 0)
			continue;
		if (stat(path, &st) != 0 || !S_ISREG(st.st_mode))
			continue;
		file = palloc(sizeof(PzLogFile));
		file->no = no;
		file->inode = (uint64) st.st_ino;
		file->size = (uint64) st.st_size;
		strlcpy(file->path, path, MAXPGPATH);
		files = lappend(files, file);
	}
	FreeDir(dir);
	list_sort(files, compare_files);
	return files;
}

/*
 * The bytes of a file, in the current memory context.  ERROR if it cannot be
 * read.
 */
char *
pz_log_read_file(const char *path, size_t *len)
{
	FILE	   *file = AllocateFile(path, PG_BINARY_R);
	struct stat st;
	char	   *data;

	if (file == NULL)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not open file \"%s\" for reading: %m", path)));
	if (fstat(fileno(file), &st) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not stat file \"%s\": %m", path)));
	if (!S_ISREG(st.st_mode) || st.st_size > PZ_LOG_READ_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a file of the log of a standby", path)));
	data = palloc_extended(Max(st.st_size, 1), MCXT_ALLOC_HUGE);
	*len = fread(data, 1, st.st_size, file);
	if (ferror(file))
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not read file \"%s\": %m", path)));
	FreeFile(file);
	return data;
}

/*
 * State of the chain of a file after a message that stands at a place.  False if
 * it cannot be had.  Allocates nothing, never errors.  verify: link is to be
 * checked, with the former key also, instead of being made.
 */
static bool
log_link(int64 log_id, uint64 at, const uint8 *before, const char *message, uint32 len, uint8 *link, bool verify)
{
	Link		content;

	memset(&content, 0, sizeof(content));
	content.log_id = log_id;
	content.at = at;
	memcpy(content.before, before, PZ_MAC_LEN);
	memcpy(content.mac, message + len - PZ_MAC_LEN, PZ_MAC_LEN);
	content.len = len;
	memcpy(content.word, "log1", sizeof(content.word));
	return verify ? pz_keys_verify(&content, sizeof(content), link) : pz_keys_mac(&content, sizeof(content), link);
}

/* The same, to be made. */
bool
pz_log_link(int64 log_id, uint64 at, const uint8 *before, const char *message, uint32 len, uint8 *link)
{
	return log_link(log_id, at, before, message, len, link, false);
}

/* Begin to read a file that is in memory and stays there. */
void
pz_log_read_begin(PzLogReader *reader, char *data, size_t len)
{
	memset(reader, 0, sizeof(PzLogReader));
	reader->data = data;
	reader->len = len;
}

/*
 * Read the next record.  False if there is none that fits; reader->end and link
 * then stay as they are.  Lists of the message are allocated in the current
 * memory context.
 */
bool
pz_log_read_next(PzLogReader *reader)
{
	PzLogFrame	frame;
	char	   *message;
	bool		first = reader->end == 0;

	if (reader->len - reader->end < sizeof(frame))
		return false;
	memcpy(&frame, reader->data + reader->end, sizeof(frame));
	if (frame.magic != PZ_LOG_MAGIC || frame.len > PZ_MSG_INNER_MAX || frame.len < sizeof(PzMsgHeader) + PZ_MAC_LEN ||
		frame.len > reader->len - reader->end - sizeof(frame))
		return false;
	message = reader->data + reader->end + sizeof(frame);
	if (!pz_msg_read(message, frame.len, &reader->msg) || (reader->msg.header.type == PZ_MSG_LOG) != first)
		return false;
	if (!log_link(first ? reader->msg.log.log_id : reader->log.log_id, reader->end, reader->link,
				  message, frame.len, frame.link, true))
		return false;
	if (first)
	{
		reader->log = reader->msg.log;
		reader->header = reader->msg.header;
	}
	reader->message = message;
	reader->message_len = frame.len;
	reader->at = reader->end;
	reader->end += sizeof(frame) + frame.len;
	memcpy(reader->link, frame.link, PZ_MAC_LEN);
	return true;
}
