/*-------------------------------------------------------------------------
 *
 * audit_position.c
 *	  How far the WAL was read, as it stands in the tables of the audit.
 *
 * The row is signed with the key of the audit, together with the head of the
 * chain: who sets it forward, so that messages are skipped, or takes a row of
 * another time, cannot sign it.  One that is not genuine is not believed;
 * reading then goes on from what is certain.  Messages that come again are
 * known by their numbers.
 *
 * All functions run in the worker, inside pz_store_begin and pz_store_end, and
 * error as the database does.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/pg_lsn.h"
#include "utils/timestamp.h"

#include "audit_chain.h"
#include "audit_slot.h"
#include "audit_store.h"
#include "keys.h"

/* What is signed; no padding */
typedef struct Signed
{
	uint64		system_identifier;
	uint64		lsn;
	int64		seen_at;
	int64		batch_no;		/* last batch of the chain */
	uint8		head[PZ_CHAIN_LEN];
	uint32		dbid;
	uint8		word[4];		/* tells it from what else is signed */
} Signed;

StaticAssertDecl(sizeof(Signed) == 4 * sizeof(uint64) + PZ_CHAIN_LEN + 2 * sizeof(uint32),
				 "what is signed of a position has no padding");

/*
 * What is to be signed of a position after the batch batch_no whose head is
 * head.
 */
static void
fill_signed(Signed *out, const PzPosition *position, int64 batch_no, const uint8 *head)
{
	memset(out, 0, sizeof(Signed));
	out->system_identifier = GetSystemIdentifier();
	out->lsn = position->lsn;
	out->seen_at = position->seen_at;
	out->batch_no = batch_no;
	memcpy(out->head, head, PZ_CHAIN_LEN);
	out->dbid = MyDatabaseId;
	memcpy(out->word, "pos1", sizeof(out->word));
}

/*
 * Is a position signed by this server's key?  It may have been written before
 * there was any batch: a dump can be restored into the tables after the
 * worker's start.
 */
static bool
is_genuine(const PzPosition *position, const void *mac, size_t len)
{
	static const uint8 no_head[PZ_CHAIN_LEN] = {0};
	uint8		head[PZ_CHAIN_LEN];
	int64		batch_no = pz_chain_last(head, NULL, NULL);
	Signed		content;

	if (len != PZ_MAC_LEN)
		return false;
	fill_signed(&content, position, batch_no, head);
	if (pz_keys_verify(&content, sizeof(content), mac))
		return true;
	fill_signed(&content, position, 0, no_head);
	return pz_keys_verify(&content, sizeof(content), mac);
}

/*
 * Read the position of this database.
 */
void
pz_store_load(PzPosition *position)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {OIDOID};
	Datum		values[1];
	struct varlena *mac;
	Datum		value;
	bool		isnull;

	memset(position, 0, sizeof(PzPosition));
	values[0] = ObjectIdGetDatum(MyDatabaseId);
	if (pz_store_execute(&plan, "SELECT lsn, seen_at, system_identifier, mac FROM personalize.audit_position "
						 "WHERE database_oid = $1", 1, types, values, NULL) == 0)
		return;
	position->found = true;
	position->lsn = DatumGetLSN(pz_store_value(0, 1, &isnull));
	position->seen_at = DatumGetTimestampTz(pz_store_value(0, 2, &isnull));
	if (isnull)
		position->seen_at = 0;
	if ((uint64) DatumGetInt64(pz_store_value(0, 3, &isnull)) != GetSystemIdentifier())
	{
		position->found = false;
		position->other_cluster = true;
		return;
	}
	value = pz_store_value(0, 4, &isnull);
	if (isnull)
		return;
	mac = PG_DETOAST_DATUM_PACKED(value);
	position->genuine = is_genuine(position, VARDATA_ANY(mac), VARSIZE_ANY_EXHDR(mac));
}

/*
 * Write the position of this database.  Batches of the same transaction must
 * have been sealed before.
 */
void
pz_store_position(const PzPosition *position)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {OIDOID, INT8OID, LSNOID, TIMESTAMPTZOID, BYTEAOID};
	Datum		values[5];
	uint8		head[PZ_CHAIN_LEN];
	int64		batch_no = pz_chain_last(head, NULL, NULL);
	Signed		content;
	bytea	   *mac = palloc(VARHDRSZ + PZ_MAC_LEN);

	fill_signed(&content, position, batch_no, head);
	SET_VARSIZE(mac, VARHDRSZ + PZ_MAC_LEN);
	if (!pz_keys_mac(&content, sizeof(content), (uint8 *) VARDATA(mac)))
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("could not sign the position of the audit")));
	values[0] = ObjectIdGetDatum(MyDatabaseId);
	values[1] = Int64GetDatum((int64) GetSystemIdentifier());
	values[2] = LSNGetDatum(position->lsn);
	values[3] = TimestampTzGetDatum(position->seen_at);
	values[4] = PointerGetDatum(mac);
	pz_store_execute(&plan,
					 "INSERT INTO personalize.audit_position (database_oid, system_identifier, lsn, seen_at, mac) "
					 "VALUES ($1, $2, $3, $4, $5) ON CONFLICT (database_oid) DO UPDATE "
					 "SET system_identifier = $2, lsn = $3, seen_at = $4, mac = $5",
					 5, types, values, position->seen_at != 0 ? NULL : "   n ");
}

/*
 * Is the WAL at a position there?
 */
static bool
is_kept(XLogRecPtr lsn)
{
	return lsn != InvalidXLogRecPtr && lsn / wal_segment_size >= pz_slot_oldest_segment();
}

/*
 * Decide where reading begins.  start: the end of our START message; done:
 * where this run of the server was (Invalid: unknown); had_slot: the slot is of
 * an earlier worker.  Sets position->lsn, and position->guessed if there may
 * be no record that begins there.  Returns why WAL may not have been read,
 * NULL if all is well.
 */
const char *
pz_store_settle(PzPosition *position, XLogRecPtr start, XLogRecPtr done, bool had_slot)
{
	const char *gap = NULL;
	uint8		head[PZ_CHAIN_LEN];
	XLogRecPtr	certain = done;

	if (position->found && !position->genuine)
		gap = "the position was changed";
	else if (!position->found && !position->other_cluster && (done != InvalidXLogRecPtr || had_slot))
		gap = "the position was removed";
	else if (!position->found)
	{
		position->lsn = start;
		return position->other_cluster ? "the cluster is another one (upgrade or restore)" : NULL;
	}
	else if (position->lsn > start)
	{
		position->lsn = start;
		return "the position was beyond the end of WAL";
	}
	else if (is_kept(position->lsn))
		return NULL;

	/*
	 * What was ingested is known by its numbers, so this may be too far back.
	 * The slot is never ahead of what was read, unless somebody has moved it.
	 */
	position->guessed = true;
	if (gap != NULL && certain == InvalidXLogRecPtr)
		(void) pz_chain_last(head, NULL, &certain);
	if (gap != NULL && is_kept(certain) && certain <= start)
		position->lsn = certain;
	else if (is_kept(pz_slot_restart()))
		position->lsn = pz_slot_restart();
	else
		position->lsn = GetRedoRecPtr();
	return gap != NULL ? gap : "the WAL had been removed";
}
