/*-------------------------------------------------------------------------
 *
 * audit_msg.c
 *	  Writes and reads messages of the audit.
 *
 * Writing allocates nothing and never errors, so that it works in the abort
 * path.  Reading trusts nothing: size first, then the HMAC, then every length
 * against what is left.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "port.h"

#include "audit_msg.h"

#define PZ_MSG_NULL		PG_UINT32_MAX	/* length of a string that is NULL */

/* What is left to read of a body */
typedef struct PzMsgCursor
{
	char	   *at;
	size_t		left;
	bool		failed;			/* something did not fit: all that was read is void */
} PzMsgCursor;

/* The strings of an intent, with the most bytes kept of each */
typedef struct PzMsgField
{
	size_t		offset;
	size_t		max;
} PzMsgField;

static const PzMsgField intent_fields[] = {
	{offsetof(PzMsgIntent, role_name), NAMEDATALEN},
	{offsetof(PzMsgIntent, session_role_name), NAMEDATALEN},
	{offsetof(PzMsgIntent, purpose_name), 256},
	{offsetof(PzMsgIntent, legal_basis), 64},
	{offsetof(PzMsgIntent, relation_name), 4 * NAMEDATALEN},
	{offsetof(PzMsgIntent, columns), 16 * 1024},
	{offsetof(PzMsgIntent, categories), 8 * 1024},
	{offsetof(PzMsgIntent, query), 16 * 1024},
	{offsetof(PzMsgIntent, reason), 1024},
	{offsetof(PzMsgIntent, app_user), 1024},
	{offsetof(PzMsgIntent, application_name), NAMEDATALEN},
	{offsetof(PzMsgIntent, client_addr), 128},
	{offsetof(PzMsgIntent, context), 4 * 1024}
};

/*
 * Begin a message.
 */
void
pz_msg_start(PzMsgBuf *buf, const PzMsgHeader *header)
{
	buf->len = 0;
	buf->overflow = false;
	pz_msg_put(buf, header, sizeof(PzMsgHeader));
}

/*
 * Append bytes; notes an overflow and leaves room for the HMAC.
 */
void
pz_msg_put(PzMsgBuf *buf, const void *data, size_t len)
{
	if (buf->overflow || len > PZ_MSG_MAX - PZ_MAC_LEN - buf->len)
	{
		buf->overflow = true;
		return;
	}
	memcpy(buf->data + buf->len, data, len);
	buf->len += len;
}

/*
 * Append a number in groups of 7 bits, low ones first.
 */
void
pz_msg_put_varint(PzMsgBuf *buf, uint64 value)
{
	uint8		bytes[10];
	int			n = 0;

	while (value >= 0x80)
	{
		bytes[n++] = (uint8) (value | 0x80);
		value >>= 7;
	}
	bytes[n++] = (uint8) value;
	pz_msg_put(buf, bytes, n);
}

/*
 * Append a string (or NULL), cut at a character boundary if it is longer than
 * max.  Bytes that are not valid in the database's encoding become question
 * marks: the table would keep them, and nobody could dump or search it.
 */
void
pz_msg_put_string(PzMsgBuf *buf, const char *string, size_t max)
{
	uint32		len = PZ_MSG_NULL;
	uint32		i;

	if (string == NULL)
	{
		pz_msg_put(buf, &len, sizeof(len));
		return;
	}
	len = (uint32) strnlen(string, max + 1);
	if (len > max)
		len = (uint32) pg_mbcliplen(string, (int) len, (int) max);
	pz_msg_put(buf, &len, sizeof(len));
	if (likely(pg_verifymbstr(string, (int) len, true)))
		pz_msg_put(buf, string, len);
	else
		for (i = 0; i < len; i++)
			pz_msg_put(buf, IS_HIGHBIT_SET(string[i]) ? "?" : &string[i], 1);
	pz_msg_put(buf, "", 1);
}

/*
 * Append the body of an intent.
 */
void
pz_msg_put_intent(PzMsgBuf *buf, uint64 use_no, const PzMsgIntent *intent)
{
	int			i;

	pz_msg_put(buf, &use_no, sizeof(use_no));
	pz_msg_put(buf, &intent->started_at, sizeof(intent->started_at));
	pz_msg_put(buf, &intent->lease_until, sizeof(intent->lease_until));
	pz_msg_put(buf, &intent->role, sizeof(intent->role));
	pz_msg_put(buf, &intent->relid, sizeof(intent->relid));
	pz_msg_put(buf, &intent->purpose_id, sizeof(intent->purpose_id));
	pz_msg_put(buf, &intent->query_id, sizeof(intent->query_id));
	for (i = 0; i < (int) lengthof(intent_fields); i++)
		pz_msg_put_string(buf,
						  *(char *const *) ((const char *) intent + intent_fields[i].offset),
						  intent_fields[i].max);
}

/*
 * Append a subject by its key.  A key that no index could hold is replaced by
 * its digest, which numbers the person as well but cannot be searched for.
 */
void
pz_msg_put_key(PzMsgBuf *buf, int32 kind_id, const char *key)
{
	size_t		len = strnlen(key, PZ_MSG_KEY_MAX + 1);

	pz_msg_put(buf, &kind_id, sizeof(kind_id));
	if (len > PZ_MSG_KEY_MAX)
	{
		uint8		digest[PZ_MAC_LEN];
		char		text[16 + 2 * PZ_MAC_LEN + 1];
		int			n = snprintf(text, sizeof(text), "digest:");
		int			i;

		if (!pz_keys_digest(kind_id, key, strlen(key), digest))
		{
			buf->overflow = true;
			return;
		}
		for (i = 0; i < PZ_MAC_LEN; i++)
			n += snprintf(text + n, sizeof(text) - n, "%02x", digest[i]);
		pz_msg_put_string(buf, text, sizeof(text));
	}
	else
		pz_msg_put_string(buf, key, len);
}

/*
 * Append the body of what begins a file of the log of a standby.
 */
void
pz_msg_put_log(PzMsgBuf *buf, const PzMsgLog *log)
{
	pz_msg_put(buf, &log->log_id, sizeof(log->log_id));
	pz_msg_put(buf, &log->log_no, sizeof(log->log_no));
	pz_msg_put(buf, &log->previous_id, sizeof(log->previous_id));
	pz_msg_put(buf, &log->previous_end, sizeof(log->previous_end));
	pz_msg_put(buf, &log->inode, sizeof(log->inode));
	pz_msg_put(buf, &log->copied, sizeof(log->copied));
	pz_msg_put_string(buf, log->node, NAMEDATALEN);
}

/*
 * Append a message of the log of a standby, whose record is there from at to
 * end, with link after it.
 */
void
pz_msg_put_standby(PzMsgBuf *buf, int64 log_id, uint64 at, uint64 end, const uint8 *link,
				   const void *data, size_t len)
{
	uint32		n = (uint32) len;

	pz_msg_put(buf, &log_id, sizeof(log_id));
	pz_msg_put(buf, &at, sizeof(at));
	pz_msg_put(buf, &end, sizeof(end));
	pz_msg_put(buf, link, PZ_MAC_LEN);
	pz_msg_put(buf, &n, sizeof(n));
	pz_msg_put(buf, data, len);
}

/*
 * Order of subject numbers, for qsort.
 */
int
pz_msg_compare_numbers(const void *a, const void *b)
{
	int64		x = *(const int64 *) a;
	int64		y = *(const int64 *) b;

	return (x > y) - (x < y);
}

/*
 * End a message with its HMAC.  False if the message must not be sent.
 */
bool
pz_msg_finish(PzMsgBuf *buf)
{
	uint8		mac[PZ_MAC_LEN];

	if (buf->overflow || !pz_keys_mac(buf->data, buf->len, mac))
		return false;
	memcpy(buf->data + buf->len, mac, PZ_MAC_LEN);
	buf->len += PZ_MAC_LEN;
	return true;
}

/*
 * Read len bytes, or note that there are not that many.
 */
static void
pz_msg_get(PzMsgCursor *cursor, void *data, size_t len)
{
	if (cursor->failed || len > cursor->left)
	{
		cursor->failed = true;
		memset(data, 0, len);
		return;
	}
	memcpy(data, cursor->at, len);
	cursor->at += len;
	cursor->left -= len;
}

/*
 * Read a number in groups of 7 bits.
 */
static uint64
pz_msg_get_varint(PzMsgCursor *cursor)
{
	uint64		value = 0;
	int			shift = 0;
	uint8		byte;

	do
	{
		pz_msg_get(cursor, &byte, 1);
		if (cursor->failed || shift > 63)
		{
			cursor->failed = true;
			return 0;
		}
		value |= ((uint64) (byte & 0x7f)) << shift;
		shift += 7;
	} while (byte & 0x80);
	return value;
}

/*
 * Read a string; the result points into the message.
 */
static const char *
pz_msg_get_string(PzMsgCursor *cursor)
{
	uint32		len;
	char	   *string;

	pz_msg_get(cursor, &len, sizeof(len));
	if (cursor->failed || len == PZ_MSG_NULL)
		return NULL;
	if (len >= cursor->left || cursor->at[len] != '\0' ||
		memchr(cursor->at, '\0', len) != NULL)
	{
		cursor->failed = true;
		return NULL;
	}
	string = cursor->at;
	cursor->at += len + 1;
	cursor->left -= len + 1;
	return string;
}

/*
 * Read the body of an intent.  Names that every use has may not be NULL.
 */
static void
pz_msg_get_intent(PzMsgCursor *cursor, PzMsgIntent *intent)
{
	int			i;

	pz_msg_get(cursor, &intent->started_at, sizeof(intent->started_at));
	pz_msg_get(cursor, &intent->lease_until, sizeof(intent->lease_until));
	pz_msg_get(cursor, &intent->role, sizeof(intent->role));
	pz_msg_get(cursor, &intent->relid, sizeof(intent->relid));
	pz_msg_get(cursor, &intent->purpose_id, sizeof(intent->purpose_id));
	pz_msg_get(cursor, &intent->query_id, sizeof(intent->query_id));
	for (i = 0; i < (int) lengthof(intent_fields); i++)
		*(const char **) ((char *) intent + intent_fields[i].offset) = pz_msg_get_string(cursor);
}

/*
 * Read the subjects of a message into the current memory context.
 */
static void
pz_msg_get_subjects(PzMsgCursor *cursor, PzMsg *msg)
{
	uint64		n;
	uint64		number = 0;
	uint64		i;

	n = pz_msg_get_varint(cursor);
	if (n > PZ_MSG_NUMBERS)
		cursor->failed = true;
	if (cursor->failed)
		return;
	msg->numbers = palloc(sizeof(int64) * Max(n, 1));
	for (i = 0; i < n; i++)
	{
		number += pz_msg_get_varint(cursor);
		if (number == 0 || number > PG_INT64_MAX)
			cursor->failed = true;
		msg->numbers[i] = (int64) number;
	}
	msg->nnumbers = (int) n;

	n = pz_msg_get_varint(cursor);
	if (n > PZ_MSG_KEYS)
		cursor->failed = true;
	if (cursor->failed)
		return;
	msg->keys = palloc(sizeof(PzMsgKey) * Max(n, 1));
	for (i = 0; i < n; i++)
	{
		pz_msg_get(cursor, &msg->keys[i].kind_id, sizeof(int32));
		msg->keys[i].key = pz_msg_get_string(cursor);
		if (msg->keys[i].key == NULL)
			cursor->failed = true;
	}
	msg->nkeys = (int) n;
}

/*
 * Read a message of the log of a standby.
 */
static void
pz_msg_get_standby(PzMsgCursor *cursor, PzMsg *msg)
{
	uint32		n;

	pz_msg_get(cursor, &msg->log.log_id, sizeof(msg->log.log_id));
	pz_msg_get(cursor, &msg->at, sizeof(msg->at));
	pz_msg_get(cursor, &msg->end, sizeof(msg->end));
	pz_msg_get(cursor, msg->link, PZ_MAC_LEN);
	pz_msg_get(cursor, &n, sizeof(n));
	if (cursor->failed || n != cursor->left || msg->end <= msg->at)
	{
		cursor->failed = true;
		return;
	}
	msg->inner = palloc(sizeof(PzMsg));
	if (!pz_msg_read(cursor->at, n, msg->inner) || msg->inner->header.type == PZ_MSG_STANDBY)
		cursor->failed = true;
	cursor->at += n;
	cursor->left = 0;
}

/*
 * Read a message.  Lists are allocated in the current memory context, strings
 * point into data.  False if it is not a genuine message of this cluster's
 * keys or not well-formed; msg is then undefined.
 */
bool
pz_msg_read(char *data, size_t len, PzMsg *msg)
{
	PzMsgCursor cursor;

	if (len < sizeof(PzMsgHeader) + PZ_MAC_LEN || len > PZ_MSG_MAX)
		return false;
	len -= PZ_MAC_LEN;
	if (!pz_keys_verify(data, len, (uint8 *) data + len))
		return false;

	memset(msg, 0, sizeof(PzMsg));
	cursor.at = data;
	cursor.left = len;
	cursor.failed = false;
	pz_msg_get(&cursor, &msg->header, sizeof(PzMsgHeader));
	if (msg->header.magic != PZ_MSG_MAGIC || msg->header.version != PZ_MSG_VERSION ||
		msg->header.session_id <= 0 || msg->header.seq == 0)
		return false;

	switch ((PzMsgType) msg->header.type)
	{
		case PZ_MSG_START:
		case PZ_MSG_SESSION_END:
			break;
		case PZ_MSG_INTENT:
		case PZ_MSG_REFUSED:
			pz_msg_get(&cursor, &msg->use_no, sizeof(msg->use_no));
			pz_msg_get_intent(&cursor, &msg->intent);
			break;
		case PZ_MSG_SUBJECTS:
			pz_msg_get(&cursor, &msg->use_no, sizeof(msg->use_no));
			pz_msg_get_subjects(&cursor, msg);
			break;
		case PZ_MSG_DONE:
			pz_msg_get(&cursor, &msg->use_no, sizeof(msg->use_no));
			pz_msg_get(&cursor, &msg->rows_used, sizeof(msg->rows_used));
			pz_msg_get(&cursor, &msg->rows_withheld, sizeof(msg->rows_withheld));
			pz_msg_get(&cursor, &msg->status, sizeof(msg->status));
			pz_msg_get(&cursor, &msg->precision, sizeof(msg->precision));
			if (msg->status < PZ_USE_OPEN || msg->status > PZ_USE_REFUSED ||
				msg->precision < PZ_EXACT || msg->precision > PZ_SUPERSET)
				return false;
			pz_msg_get_subjects(&cursor, msg);
			break;
		case PZ_MSG_LOG:
			pz_msg_get(&cursor, &msg->log.log_id, sizeof(msg->log.log_id));
			pz_msg_get(&cursor, &msg->log.log_no, sizeof(msg->log.log_no));
			pz_msg_get(&cursor, &msg->log.previous_id, sizeof(msg->log.previous_id));
			pz_msg_get(&cursor, &msg->log.previous_end, sizeof(msg->log.previous_end));
			pz_msg_get(&cursor, &msg->log.inode, sizeof(msg->log.inode));
			pz_msg_get(&cursor, &msg->log.copied, sizeof(msg->log.copied));
			msg->log.node = pz_msg_get_string(&cursor);
			break;
		case PZ_MSG_STANDBY:
			pz_msg_get_standby(&cursor, msg);
			break;
		case PZ_MSG_LOG_LAST:
			pz_msg_get(&cursor, &msg->log.log_id, sizeof(msg->log.log_id));
			break;
		case PZ_MSG_GAP:
			msg->reason = pz_msg_get_string(&cursor);
			break;
		default:
			return false;
	}
	return !cursor.failed && cursor.left == 0;
}
