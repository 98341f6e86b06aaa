/*-------------------------------------------------------------------------
 *
 * audit_log.h
 *	  The log of uses that a standby writes, since it has no WAL to write to.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PZ_AUDIT_LOG_H
#define PZ_AUDIT_LOG_H

#include "audit_msg.h"
#include "shmem.h"

#define PZ_LOG_MAGIC	0x505a4c47	/* "PZLG" */
#define PZ_LOG_READ_MAX	(512 * 1024 * 1024) /* longest file that is read */

/* The run of a server as a standby is another one than that as a primary, which it may become */
#define PZ_LOG_BOOT_ID	(pz_shared->boot_id ^ 1)

/* What stands in front of each message */
typedef struct PzLogFrame
{
	uint32		magic;
	uint32		len;			/* of the message */
	uint8		link[PZ_MAC_LEN];	/* state of the chain after it */
} PzLogFrame;

/* Reads a file that is in memory, as far as its chain holds */
typedef struct PzLogReader
{
	char	   *data;
	size_t		len;
	uint64		at;				/* where the record that was read last begins */
	uint64		end;			/* ... and ends */
	uint8		link[PZ_MAC_LEN];	/* state of the chain after it */
	char	   *message;		/* its message */
	uint32		message_len;
	PzMsg		msg;			/* the same, read */
	PzMsgLog	log;			/* what the file says of itself */
	PzMsgHeader header;			/* ... in the message that begins it */
} PzLogReader;

/* A file of this database, found by its name */
typedef struct PzLogFile
{
	uint64		no;
	uint64		inode;
	uint64		size;
	char		path[MAXPGPATH];
} PzLogFile;

/* audit_log_file.c */
extern void pz_log_path(char *path, Oid dbid, uint64 no);
extern List *pz_log_files(void);
extern char *pz_log_read_file(const char *path, size_t *len);
extern void pz_log_read_begin(PzLogReader *reader, char *data, size_t len);
extern bool pz_log_read_next(PzLogReader *reader);
extern bool pz_log_link(int64 log_id, uint64 at, const uint8 *before, const char *message, uint32 len, uint8 *link);

/* audit_log.c */
extern void pz_log_require(void);
extern bool pz_log_append(const char *message, uint32 len, bool flush, bool *written);
extern bool pz_log_flush_all(void);

/* audit_log_store.c: for the worker */
extern void pz_log_store_reset(void);
extern bool pz_log_store_take(const PzMsg *msg);
extern void pz_log_store_last(const PzMsg *msg);
extern void pz_log_store_write(void);
extern bool pz_log_store_look(void);
extern int64 pz_log_store_crash(void);
extern void pz_log_remove_old(PzDatabase *db);

#endif							/* PZ_AUDIT_LOG_H */
