/*-------------------------------------------------------------------------
 *
 * audit_chain_store.c
 *	  The chain over the rows of the audit: what the worker does to it.
 *
 * The head is read from the last row of audit_batch.  The worker remembers
 * the last one that it has written: if another one stands there, somebody has
 * changed the record meanwhile, which goes on record itself.
 *
 * Rows that functions in SQL have written (after a crash) and gaps are chained
 * after: they are those that the own transaction has made.  What somebody else
 * has inserted is not taken into the chain.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/pg_lsn.h"
#include "utils/timestamp.h"

#include "audit_chain.h"
#include "audit_store.h"
#include "compat.h"
#include "errors.h"
#include "guc.h"
#include "shmem.h"

#define OWN_ROWS "batch_no IS NULL AND xmin = pg_catalog.pg_current_xact_id()::pg_catalog.xid"

/* What this process has written last */
static bool head_known = false;
static int64 last_batch_no;
static int64 last_total;
static uint8 last_head[PZ_CHAIN_LEN];

/* What it has put into the server log */
static int64 logged_batch_no = 0;
static TimestampTz logged_at = 0;

/*
 * The last batch of the chain, and its head; how many rows there were by then
 * and where the WAL was, to total and lsn unless NULL.  0 (and zeroes) if there
 * is none.  Somebody may have changed it.  Errors as the database does.
 */
int64
pz_chain_last(uint8 *head, int64 *total, XLogRecPtr *lsn)
{
	static SPIPlanPtr plan = NULL;
	/* of all batches that there were none may be left */
	bool		found = pz_store_execute(&plan, "SELECT * FROM (SELECT batch_no, COALESCE(total, 0), COALESCE(lsn, '0/0'), COALESCE(head, '') "
										 "FROM personalize.audit_batch ORDER BY batch_no DESC LIMIT 1) b UNION ALL "
										 "SELECT * FROM (SELECT last_batch, total, lsn, head FROM personalize.audit_dropped "
										 "ORDER BY drop_no DESC LIMIT 1) d ORDER BY 1 DESC LIMIT 1",
										 0, NULL, NULL, NULL) > 0;
	struct varlena *bytes;
	bool		isnull;

	memset(head, 0, PZ_CHAIN_LEN);
	if (total != NULL)
		*total = found ? DatumGetInt64(pz_store_value(0, 2, &isnull)) : 0;
	if (lsn != NULL)
		*lsn = found ? DatumGetLSN(pz_store_value(0, 3, &isnull)) : InvalidXLogRecPtr;
	if (!found)
		return 0;
	bytes = PG_DETOAST_DATUM_PACKED(pz_store_value(0, 4, &isnull));
	memcpy(head, VARDATA_ANY(bytes), Min(VARSIZE_ANY_EXHDR(bytes), PZ_CHAIN_LEN));
	return DatumGetInt64(pz_store_value(0, 1, &isnull));
}

/*
 * Set up a chain that goes on after the last batch, of the extension that the
 * worker serves.  Errors as the database does, and if the extension is another
 * one by now (the table is locked, so that it stays).
 */
void
pz_chain_load(PzChain *chain)
{
	uint8		written_head[PZ_CHAIN_LEN];
	int64		written;

	pz_chain_init(chain);
	chain->batch_no = pz_chain_last(chain->head, &chain->total, NULL);
	if (get_extension_oid(PZ_EXTENSION, true) != pz_store_extension)
		ereport(ERROR,
				(errcode(PZ_ERR_STATE),
				 errmsg("extension personalize was replaced")));
	written = pz_chain_written(written_head);
	/* the own memory is ahead of what others know, until it is committed */
	if (head_known)
	{
		written = last_batch_no;
		memcpy(written_head, last_head, PZ_CHAIN_LEN);
	}
	/* before the first batch, a dump can be restored into the tables */
	if (written != 0 &&
		(chain->batch_no < written ||
		 (chain->batch_no == written && memcmp(chain->head, written_head, PZ_CHAIN_LEN) != 0) ||
		 (head_known && chain->batch_no != written)))
	{
		ereport(LOG,
				(errmsg("personalize has found another head of the audit than it has written"),
				 errdetail("It has written batch %lld and found batch %lld.",
						   (long long) written, (long long) chain->batch_no),
				 errhint("Somebody has changed the record of use. Compare it with a head that was kept elsewhere: personalize.verify_audit().")));
		pz_store_gap(InvalidXLogRecPtr, InvalidXLogRecPtr,
					 PZ_CHAIN_CHANGED);
	}
}

/*
 * Chain the own rows of one table.  update sets batch_no ($1) and link ($2)
 * where the first nkeys columns are $3, $4 ...
 */
static void
adopt_rows(PzChain *chain, char kind, const char *select, SPIPlanPtr *select_plan,
		   const char *update, SPIPlanPtr *update_plan, int n, const Oid *types, int nkeys)
{
	uint64		nrows = pz_store_execute(select_plan, select, 0, NULL, NULL, NULL);
	SPITupleTable *rows = SPI_tuptable;
	uint64		row;

	Assert(n <= PZ_USE_NCOLUMNS);
	for (row = 0; row < nrows; row++)
	{
		Datum		values[PZ_USE_NCOLUMNS];
		bool		nulls[PZ_USE_NCOLUMNS];
		Datum		keys[2 + 3];
		Oid			key_types[2 + 3] = {INT8OID, INT8OID};
		int			i;

		for (i = 0; i < n; i++)
			values[i] = SPI_getbinval(rows->vals[row], rows->tupdesc, i + 1, &nulls[i]);
		keys[0] = Int64GetDatum(chain->batch_no + 1);
		if (kind == PZ_CHAIN_USE)
		{
			bool		no_note;
			Datum		note = SPI_getbinval(rows->vals[row], rows->tupdesc, n + 1, &no_note);

			keys[1] = Int64GetDatum(pz_chain_use(chain, values, nulls,
												 no_note ? NULL : (uint8 *) VARDATA_ANY(DatumGetByteaPP(note)), NULL, 0));
		}
		else
			keys[1] = Int64GetDatum(pz_chain_row(chain, kind, n, types, values, nulls));
		for (i = 0; i < nkeys; i++)
		{
			keys[2 + i] = values[i];
			key_types[2 + i] = types[i];
		}
		if (pz_store_execute(update_plan, update, 2 + nkeys, key_types, keys, NULL) != 1)
			elog(ERROR, "could not chain a row of the audit");	/* cannot happen */
	}
	SPI_freetuptable(rows);
}

/*
 * Chain what this transaction has written without a link: templates, chunks,
 * uses, gaps and what was dropped.
 */
void
pz_chain_adopt(PzChain *chain)
{
	static SPIPlanPtr unlock = NULL;
	static SPIPlanPtr lock = NULL;
	static SPIPlanPtr plans[10];

	pz_store_execute(&unlock, "SELECT personalize.ledger_unlock_internal(true)", 0, NULL, NULL, NULL);
	adopt_rows(chain, PZ_CHAIN_TEMPLATE,
			   "SELECT " PZ_TEMPLATE_COLUMNS " FROM personalize.audit_template WHERE " OWN_ROWS
			   " ORDER BY template_id", &plans[6],
			   "UPDATE personalize.audit_template SET batch_no = $1, link = $2 "
			   "WHERE template_id = $3 AND batch_no IS NULL", &plans[7],
			   PZ_TEMPLATE_NCOLUMNS, pz_template_types, 1);
	adopt_rows(chain, PZ_CHAIN_CHUNK,
			   "SELECT " PZ_CHUNK_COLUMNS " FROM personalize.audit_chunk WHERE " OWN_ROWS
			   " ORDER BY usage_id, part, chunk", &plans[0],
			   "UPDATE personalize.audit_chunk SET batch_no = $1, link = $2 "
			   "WHERE usage_id = $3 AND part = $4 AND chunk = $5 AND batch_no IS NULL", &plans[1],
			   PZ_CHUNK_NCOLUMNS, pz_chunk_types, 3);
	adopt_rows(chain, PZ_CHAIN_USE,
			   "SELECT " PZ_USE_COLUMNS ", (SELECT n.digest FROM personalize.audit_note n "
			   "WHERE n.note_id = u.note_id) FROM personalize.audit_use u WHERE " OWN_ROWS
			   " ORDER BY usage_id", &plans[2],
			   "UPDATE personalize.audit_use SET batch_no = $1, link = $2 "
			   "WHERE usage_id = $3 AND batch_no IS NULL", &plans[3],
			   PZ_USE_NCOLUMNS, pz_use_types, 1);
	adopt_rows(chain, PZ_CHAIN_GAP,
			   "SELECT " PZ_GAP_COLUMNS " FROM personalize.audit_gap WHERE " OWN_ROWS
			   " ORDER BY gap_id", &plans[4],
			   "UPDATE personalize.audit_gap SET batch_no = $1, link = $2 "
			   "WHERE gap_id = $3 AND batch_no IS NULL", &plans[5],
			   PZ_GAP_NCOLUMNS, pz_gap_types, 1);
	adopt_rows(chain, PZ_CHAIN_DROPPED,
			   "SELECT " PZ_DROPPED_COLUMNS " FROM personalize.audit_dropped WHERE " OWN_ROWS
			   " ORDER BY drop_no", &plans[8],
			   "UPDATE personalize.audit_dropped SET batch_no = $1, link = $2 "
			   "WHERE drop_no = $3 AND batch_no IS NULL", &plans[9],
			   PZ_DROPPED_NCOLUMNS, pz_dropped_types, 1);
	pz_store_execute(&lock, "SELECT personalize.ledger_unlock_internal(false)", 0, NULL, NULL, NULL);
}

/*
 * End the batch at a position of the WAL, if it has rows, and free the chain.
 */
void
pz_chain_seal(PzChain *chain, XLogRecPtr lsn)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT8OID, LSNOID, TIMESTAMPTZOID, INT4OID, INT8OID, BYTEAOID, BYTEAOID};
	Datum		values[PZ_BATCH_NCOLUMNS + 1];
	bytea	   *head;

	if (chain->entries > 0)
	{
		values[0] = Int64GetDatum(chain->batch_no + 1);
		values[1] = LSNGetDatum(lsn);
		values[2] = TimestampTzGetDatum(GetCurrentTimestamp());
		values[3] = Int32GetDatum(chain->entries);
		values[4] = Int64GetDatum(chain->total);
		values[5] = PointerGetDatum(pz_chain_parts(chain));
		pz_chain_end_batch(chain, values);

		head = palloc(VARHDRSZ + PZ_CHAIN_LEN);
		SET_VARSIZE(head, VARHDRSZ + PZ_CHAIN_LEN);
		memcpy(VARDATA(head), chain->head, PZ_CHAIN_LEN);
		values[PZ_BATCH_NCOLUMNS] = PointerGetDatum(head);
		pz_store_execute(&plan,
						 "INSERT INTO personalize.audit_batch (" PZ_BATCH_COLUMNS ", head) VALUES ($1, $2, $3, $4, $5, $6, $7)",
						 lengthof(types), types, values, NULL);
	}
	/* should the transaction fail, so does this process */
	head_known = true;
	last_batch_no = chain->batch_no;
	last_total = chain->total;
	memcpy(last_head, chain->head, PZ_CHAIN_LEN);
	pz_chain_free(chain);
}

/*
 * To be called when a transaction that has sealed a batch is committed: tell
 * other processes, and now and then the server log, which nobody can change
 * by SQL.  Outside of transactions.
 */
void
pz_chain_committed(PzDatabase *db)
{
	TimestampTz now;
	char		hex[PZ_CHAIN_LEN * 2 + 1];

	if (!head_known)
		return;
	LWLockAcquire(pz_shared->lock, LW_EXCLUSIVE);
	db->batch = last_batch_no;
	memcpy(db->head, last_head, PZ_CHAIN_LEN);
	LWLockRelease(pz_shared->lock);
	if (pz_audit_anchor == 0 || last_batch_no == logged_batch_no)
		return;
	now = GetCurrentTimestamp();
	if (logged_at != 0 && !TimestampDifferenceExceeds(logged_at, now, pz_audit_anchor * 1000))
		return;
	/* a head that a crash takes back would look as if the record had been changed */
	pz_store_flush();
	hex_encode((const char *) last_head, PZ_CHAIN_LEN, hex);
	hex[PZ_CHAIN_LEN * 2] = '\0';
	ereport(LOG,
			(errmsg("personalize: head of the record of use of database %u is %lld:%lld:%s", MyDatabaseId,
					(long long) last_batch_no, (long long) last_total, hex)));
	logged_batch_no = last_batch_no;
	logged_at = now;
}

/*
 * The last batch that workers of this run of the server have committed for the
 * extension that is here now; 0 if none, or unknown.  Its head goes to
 * head[PZ_CHAIN_LEN].  In a transaction.
 */
int64
pz_chain_written(uint8 *head)
{
	PzDatabase *db = pz_shmem_my_database();
	int64		batch_no = 0;

	memset(head, 0, PZ_CHAIN_LEN);
	/* of another one that was dropped: its worker may not have noticed */
	if (db == NULL || pg_atomic_read_u32(&db->extension) != get_extension_oid(PZ_EXTENSION, true))
		return 0;
	LWLockAcquire(pz_shared->lock, LW_SHARED);
	batch_no = db->batch;
	memcpy(head, db->head, PZ_CHAIN_LEN);
	LWLockRelease(pz_shared->lock);
	return batch_no;
}
