/*-------------------------------------------------------------------------
 *
 * audit_take.h
 *	  What the audit worker takes from records of the WAL.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PZ_AUDIT_TAKE_H
#define PZ_AUDIT_TAKE_H

#include "access/xlogreader.h"

#include "audit_msg.h"
#include "shmem.h"

#define PZ_BATCH_MESSAGES	5000	/* at most in one transaction */
#define PZ_BATCH_BYTES		(4 * 1024 * 1024)

/* What was taken; who begins another batch sets n and bytes to 0 */
typedef struct PzTaken
{
	PzDatabase *db;
	int			n;
	size_t		bytes;
	TimestampTz seen_at;		/* the latest time of a message or of the end of a transaction */
	TimestampTz ended_at;		/* when the last transaction in the WAL ended */
	PzMsg	   *messages[PZ_BATCH_MESSAGES];
} PzTaken;

extern bool pz_take_has_room(const PzTaken *taken);
extern bool pz_take(PzTaken *taken, XLogReaderState *reader);

#endif							/* PZ_AUDIT_TAKE_H */
