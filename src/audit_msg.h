/*-------------------------------------------------------------------------
 *
 * audit_msg.h
 *	  Messages of the audit as they stand in the WAL.
 *
 * A message is a header, a body and an HMAC-SHA256 over both.  Numbers are in
 * the byte order of the machine, as everything in the WAL; nothing is aligned.
 * Strings are a length and that many bytes and a NUL; lists of subject numbers
 * are sorted and stored as differences in 7-bit groups.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PZ_AUDIT_MSG_H
#define PZ_AUDIT_MSG_H

#include "keys.h"
#include "pz.h"

#define PZ_MSG_PREFIX	"personalize"
#define PZ_MSG_MAGIC	0x505a4155	/* "PZAU" */
#define PZ_MSG_VERSION	1
#define PZ_MSG_MAX		(64 * 1024) /* longest message; longer ones are not ours */
#define PZ_MSG_NUMBERS	3000	/* most subject numbers in one message */
#define PZ_MSG_KEYS		(24 * 1024) /* most bytes of keys in one message */
#define PZ_MSG_KEY_MAX	1024	/* a longer key travels as a digest */
#define PZ_MSG_INNER_MAX (PZ_MSG_MAX - 512)	/* longest message in the log of a standby */

typedef enum PzMsgType
{
	PZ_MSG_START = 1,			/* by the worker: reading begins at its end */
	PZ_MSG_INTENT,				/* a use begins, perhaps with a lease */
	PZ_MSG_SUBJECTS,			/* a batch of subjects of a use */
	PZ_MSG_DONE,				/* a use has ended; with the last of its subjects */
	PZ_MSG_REFUSED,				/* a use was refused; body of an intent */
	PZ_MSG_SESSION_END,			/* leases of the session are given back */
	PZ_MSG_LOG,					/* begins a file of the log of a standby */
	PZ_MSG_STANDBY,				/* a message of such a log, taken in by the primary */
	PZ_MSG_LOG_LAST,			/* a log will not go on */
	PZ_MSG_GAP					/* something is missing */
} PzMsgType;

typedef struct PzMsgHeader
{
	uint32		magic;
	uint16		version;
	uint16		type;			/* PzMsgType */
	uint32		dbid;
	uint32		pid;
	uint64		system_identifier;
	uint64		boot_id;
	int64		session_id;		/* random per session, positive */
	uint64		seq;			/* 1, 2, 3 ... in the session */
	TimestampTz time;			/* when it was written */
	uint64		lsn;			/* how far the WAL went then, at least: it stands after that */
} PzMsgHeader;

/* Body of PZ_MSG_INTENT and PZ_MSG_REFUSED */
typedef struct PzMsgIntent
{
	TimestampTz started_at;
	TimestampTz lease_until;	/* 0: no lease */
	Oid			role;
	Oid			relid;
	int32		purpose_id;
	uint64		query_id;
	const char *role_name;
	const char *session_role_name;
	const char *purpose_name;
	const char *legal_basis;
	const char *relation_name;
	const char *columns;
	const char *categories;
	const char *query;			/* constants replaced */
	const char *reason;			/* why refused, else NULL */
	const char *app_user;
	const char *application_name;
	const char *client_addr;
	const char *context;
} PzMsgIntent;

/* A subject by its key */
typedef struct PzMsgKey
{
	int32		kind_id;
	const char *key;
} PzMsgKey;

/* Body of PZ_MSG_LOG; of others only log_id counts */
typedef struct PzMsgLog
{
	int64		log_id;			/* random, positive */
	uint64		log_no;			/* of the files of one database and server; they are numbered */
	int64		previous_id;	/* the file before this one, 0: unknown */
	uint64		previous_end;	/* how far its records went then; 0: there was none */
	uint64		inode;			/* of the file when it was made */
	uint32		copied;			/* the file before this one was made elsewhere, whose server may go on with it */
	const char *node;			/* cluster_name */
} PzMsgLog;

/* A message that was read */
typedef struct PzMsg
{
	PzMsgHeader header;
	uint64		use_no;			/* not for START and SESSION_END */
	PzMsgIntent intent;			/* INTENT, REFUSED */
	int			nnumbers;		/* SUBJECTS, DONE */
	int64	   *numbers;
	int			nkeys;
	PzMsgKey   *keys;
	uint64		rows_used;		/* DONE */
	uint64		rows_withheld;
	int32		status;
	int32		precision;
	PzMsgLog	log;			/* LOG, STANDBY, LOG_LAST */
	uint64		at;				/* STANDBY: where its record begins in the file */
	uint64		end;			/* ... and ends */
	uint8		link[PZ_MAC_LEN];	/* ... and the state of the chain after it */
	struct PzMsg *inner;		/* STANDBY: the message */
	const char *reason;			/* GAP */
} PzMsg;

/* A message that is being written */
typedef struct PzMsgBuf
{
	size_t		len;
	bool		overflow;		/* it did not fit; it will not be sent */
	char		data[PZ_MSG_MAX];
} PzMsgBuf;

extern void pz_msg_start(PzMsgBuf *buf, const PzMsgHeader *header);
extern void pz_msg_put(PzMsgBuf *buf, const void *data, size_t len);
extern void pz_msg_put_varint(PzMsgBuf *buf, uint64 value);
extern void pz_msg_put_string(PzMsgBuf *buf, const char *string, size_t max);
extern void pz_msg_put_intent(PzMsgBuf *buf, uint64 use_no, const PzMsgIntent *intent);
extern void pz_msg_put_key(PzMsgBuf *buf, int32 kind_id, const char *key);
extern void pz_msg_put_log(PzMsgBuf *buf, const PzMsgLog *log);
extern void pz_msg_put_standby(PzMsgBuf *buf, int64 log_id, uint64 at, uint64 end, const uint8 *link,
							   const void *data, size_t len);
extern int	pz_msg_compare_numbers(const void *a, const void *b);
extern bool pz_msg_finish(PzMsgBuf *buf);
extern bool pz_msg_read(char *data, size_t len, PzMsg *msg);

#endif							/* PZ_AUDIT_MSG_H */
