/*-------------------------------------------------------------------------
 *
 * audit_take.c
 *	  What the audit worker takes from a record of the WAL: messages of its
 *	  database that are ours, and how late it is.
 *
 * Anybody can write messages to the WAL (pg_logical_emit_message), of any size
 * and with our prefix: nothing of one is believed before its MAC was right.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/rmgr.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "access/xlogreader.h"
#include "catalog/pg_control.h"
#include "miscadmin.h"
#include "replication/message.h"

#include "audit_msg.h"
#include "audit_take.h"

#define PZ_COMPLAINTS_MAX	10	/* log lines about bad messages since server start */

/*
 * Count, and mostly log, a message with our prefix that is not ours.
 */
static void
reject(PzTaken *taken, XLogReaderState *reader)
{
	if (pg_atomic_fetch_add_u64(&taken->db->bad, 1) < PZ_COMPLAINTS_MAX)
		ereport(LOG,
				(errmsg("personalize has rejected a forged message of the audit at %X/%X",
						LSN_FORMAT_ARGS(reader->ReadRecPtr)),
				 errhint("Somebody has sent it with pg_logical_emit_message.")));
}

/*
 * If the record is a message for us, append it to the batch, which has room,
 * in the current memory context.
 */
static void
take_message(PzTaken *taken, XLogReaderState *reader)
{
	xl_logical_message *record = (xl_logical_message *) XLogRecGetData(reader);
	PzMsg	   *msg;
	char	   *data;

	/* the length of a prefix counts its terminating zero */
	if (record->dbId != MyDatabaseId ||
		record->prefix_size != sizeof(PZ_MSG_PREFIX) ||
		memcmp(record->message, PZ_MSG_PREFIX, sizeof(PZ_MSG_PREFIX)) != 0)
		return;

	/* size first: anybody can send us gigabytes */
	if (record->transactional || record->message_size > PZ_MSG_MAX ||
		record->message_size < sizeof(PzMsgHeader) + PZ_MAC_LEN)
	{
		reject(taken, reader);
		return;
	}
	data = palloc(record->message_size);
	memcpy(data, record->message + record->prefix_size, record->message_size);
	msg = palloc(sizeof(PzMsg));
	if (!pz_msg_read(data, record->message_size, msg) ||
		msg->header.dbid != MyDatabaseId ||
		msg->header.system_identifier != GetSystemIdentifier())
	{
		reject(taken, reader);
		pfree(data);
		pfree(msg);
		return;
	}
	if (msg->header.type == PZ_MSG_START || msg->header.type == PZ_MSG_LOG)
		return;
	if (msg->header.type == PZ_MSG_STANDBY &&
		(msg->inner->header.dbid != MyDatabaseId || msg->inner->header.system_identifier != GetSystemIdentifier() ||
		 msg->inner->header.type == PZ_MSG_START || msg->inner->header.type >= PZ_MSG_STANDBY))
	{
		reject(taken, reader);
		return;
	}
	taken->bytes += record->message_size + sizeof(PzMsg);
	taken->messages[taken->n++] = msg;
}

/*
 * Is there room for another message?
 */
bool
pz_take_has_room(const PzTaken *taken)
{
	return taken->n < PZ_BATCH_MESSAGES && taken->bytes < PZ_BATCH_BYTES;
}

/*
 * Look at a record of the WAL, with room in the batch: take a message, in the
 * current memory context, and the time from ends of transactions.  True if the
 * record ends a run of the server, be it by shutdown, crash or promotion.
 */
bool
pz_take(PzTaken *taken, XLogReaderState *reader)
{
	uint8		info = XLogRecGetInfo(reader) & ~XLR_INFO_MASK;
	TimestampTz when = 0;
	int			before = taken->n;

	if (XLogRecGetRmid(reader) == RM_LOGICALMSG_ID)
	{
		take_message(taken, reader);
		if (taken->n > before)
			when = taken->messages[before]->header.time;
	}
	else if (XLogRecGetRmid(reader) == RM_XACT_ID)
	{
		switch (info & XLOG_XACT_OPMASK)
		{
			case XLOG_XACT_COMMIT:
			case XLOG_XACT_COMMIT_PREPARED:
			case XLOG_XACT_ABORT:
			case XLOG_XACT_ABORT_PREPARED:
				/* both structs begin with the time */
				memcpy(&when, XLogRecGetData(reader), sizeof(when));
				break;
			default:
				break;
		}
	}
	if (when > taken->seen_at)
		taken->seen_at = when;
	if (when != 0 && XLogRecGetRmid(reader) == RM_XACT_ID)
		taken->ended_at = when;
	return XLogRecGetRmid(reader) == RM_XLOG_ID &&
		(info == XLOG_CHECKPOINT_SHUTDOWN || info == XLOG_END_OF_RECOVERY);
}
