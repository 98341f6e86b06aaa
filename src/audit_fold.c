/*-------------------------------------------------------------------------
 *
 * audit_fold.c
 *	  Folds the messages of a batch into rows.
 *
 * The messages of one batch are folded by use first: a short statement, whose
 * intent, subjects and end mostly are in one batch, costs one row in
 * audit_use.  A use that is still running at the end of a batch waits in
 * audit_open.  Its usage_id is given at first sight and stays.
 *
 * Everything here lives in the memory of one batch and one transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/sequence.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "audit_chain.h"
#include "audit_fold.h"
#include "audit_log.h"
#include "audit_store.h"
#include "compat.h"

#define PZ_COMPLAINTS_MAX	10	/* log lines about uses without beginning */

/* Columns of audit_use, and of audit_open, in the order of pz_use_types */
typedef enum PzUseColumn
{
	USE_USAGE_ID,
	USE_SESSION_ID,
	USE_USE_NO,
	USE_LAST_SEQ,
	USE_STARTED_AT,
	USE_ENDED_AT,
	USE_TEMPLATE_ID,
	USE_NOTE_ID,
	USE_ROWS_USED,
	USE_ROWS_WITHHELD,
	USE_SUBJECTS_USED,
	USE_BOOT_ID,
	USE_EVERYBODY_ID,
	USE_PID,
	USE_STATUS,
	USE_PRECISION,
	USE_BATCH_NO,
	USE_LINK
} PzUseColumn;

#define USE_PARAMETERS "$1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17,$18"

static PzRows use_rows = {
	.insert = "INSERT INTO personalize.audit_use (" PZ_USE_COLUMNS ", batch_no, link) "
	"SELECT * FROM unnest(" USE_PARAMETERS ")",
	.ncolumns = PZ_USE_NCOLUMNS + 2, .types = pz_use_types
};
static PzRows open_rows = {
	.insert = "INSERT INTO personalize.audit_open (" PZ_USE_COLUMNS ", batch_no, link) "
	"SELECT * FROM unnest(" USE_PARAMETERS ")",
	.ncolumns = PZ_USE_NCOLUMNS + 2, .types = pz_use_types
};
static PzRows more_rows = {
	.insert = "INSERT INTO personalize.audit_more (" PZ_MORE_COLUMNS ", batch_no, link) "
	"SELECT * FROM unnest($1,$2,$3,$4,$5,$6,$7,$8)",
	.ncolumns = PZ_MORE_NCOLUMNS + 2, .types = pz_more_types
};
static const char *const status_names[] = {"open", "ended", "failed", "crashed", "refused"};
static const char *const precision_names[] = {"exact", "bounded", "superset"};

static PzUseExtra *extras;		/* of the rows of use_rows, in the memory of the batch */
static int	extras_space;

/*
 * Say what is chained with the last row of use_rows.
 */
static void
pz_fold_extra(const PzUseExtra *extra)
{
	if (use_rows.nrows > extras_space)
	{
		extras_space = Max(64, extras_space * 2);
		extras = extras == NULL ? palloc(sizeof(PzUseExtra) * extras_space) :
			repalloc_huge(extras, sizeof(PzUseExtra) * extras_space);
	}
	extras[use_rows.nrows - 1] = *extra;
}

/*
 * Queue the rows of a use whose intent is in this batch.
 */
static void
pz_store_new_use(PzFold *fold, PzChain *chain)
{
	const PzMsg *msg = fold->intent;
	const PzMsgIntent *intent = &msg->intent;
	bool		refused = msg->header.type == PZ_MSG_REFUSED;
	int64		usage_id = nextval_internal(pz_store_usage_id_seq, false);
	PzRows	   *rows = refused || fold->done != NULL ? &use_rows : &open_rows;
	int			status = refused ? PZ_USE_REFUSED : fold->done != NULL ? fold->done->status : PZ_USE_OPEN;
	PzUseExtra	extra;
	int			added = pz_fold_store_subjects(fold, usage_id, true, rows == &use_rows, &extra);
	int64		note_id;

	note_id = pz_dict_note(chain, intent, &extra.note_digest);
	pz_rows_add(rows);
	if (rows == &use_rows)
		pz_fold_extra(&extra);
	pz_rows_set(rows, USE_USAGE_ID, Int64GetDatum(usage_id));
	pz_rows_set(rows, USE_SESSION_ID, Int64GetDatum(msg->header.session_id));
	pz_rows_set(rows, USE_USE_NO, Int64GetDatum((int64) msg->use_no));
	pz_rows_set(rows, USE_LAST_SEQ, Int64GetDatum((int64) fold->last_seq));
	pz_rows_set(rows, USE_STARTED_AT, TimestampTzGetDatum(intent->started_at));
	if (refused)
		pz_rows_set(rows, USE_ENDED_AT, TimestampTzGetDatum(msg->header.time));
	else if (fold->done != NULL)
		pz_rows_set(rows, USE_ENDED_AT, TimestampTzGetDatum(fold->done->header.time));
	pz_rows_set(rows, USE_TEMPLATE_ID, Int64GetDatum(pz_dict_template(chain, intent)));
	if (note_id != 0)
		pz_rows_set(rows, USE_NOTE_ID, Int64GetDatum(note_id));
	if (!refused)
	{
		pz_rows_set(rows, USE_ROWS_USED, Int64GetDatum(fold->done ? (int64) fold->done->rows_used : 0));
		pz_rows_set(rows, USE_ROWS_WITHHELD, Int64GetDatum(fold->done ? (int64) fold->done->rows_withheld : 0));
	}
	pz_rows_set(rows, USE_SUBJECTS_USED, Int64GetDatum(added));
	pz_rows_set(rows, USE_BOOT_ID, Int64GetDatum((int64) msg->header.boot_id));
	pz_rows_set(rows, USE_PID, Int32GetDatum((int32) msg->header.pid));
	pz_rows_set_text(rows, USE_STATUS, status_names[status]);
	if (fold->done != NULL)
		pz_rows_set_text(rows, USE_PRECISION, precision_names[fold->done->precision]);
	else if (refused)
		pz_rows_set_text(rows, USE_PRECISION, precision_names[PZ_EXACT]);
}

/*
 * Move a use that has ended from audit_open to use_rows.  added: subjects that
 * are new with this batch.
 */
static void
pz_store_close(PzFold *fold, int added)
{
	static SPIPlanPtr plan = NULL;
	const Oid	types[] = {INT8OID, INT8OID};
	Datum		values[2];
	PzUseExtra	extra = {0};
	SPITupleTable *table;
	Datum		note;
	bool		isnull;
	int64		subjects;
	int64		last_seq;
	int			i;

	values[0] = Int64GetDatum(fold->key.session_id);
	values[1] = Int64GetDatum((int64) fold->key.use_no);
	if (pz_store_execute(&plan,
						 "WITH o AS (DELETE FROM personalize.audit_open WHERE session_id = $1 AND use_no = $2 RETURNING *) "
						 "SELECT " PZ_USE_COLUMNS ", (SELECT n.digest FROM personalize.audit_note n "
						 "WHERE n.note_id = o.note_id) FROM o",
						 2, types, values, NULL) != 1)
		elog(ERROR, "could not close a use");	/* cannot happen */
	table = SPI_tuptable;

	pz_rows_add(&use_rows);
	for (i = 0; i < PZ_USE_NCOLUMNS; i++)
	{
		Datum		value = SPI_getbinval(table->vals[0], table->tupdesc, i + 1, &isnull);

		if (!isnull)
			pz_rows_set(&use_rows, i, datumCopy(value, TupleDescAttr(table->tupdesc, i)->attbyval,
												TupleDescAttr(table->tupdesc, i)->attlen));
	}
	subjects = DatumGetInt64(SPI_getbinval(table->vals[0], table->tupdesc, USE_SUBJECTS_USED + 1, &isnull));
	last_seq = DatumGetInt64(SPI_getbinval(table->vals[0], table->tupdesc, USE_LAST_SEQ + 1, &isnull));
	pz_rows_set(&use_rows, USE_LAST_SEQ, Int64GetDatum(Max(last_seq, (int64) fold->last_seq)));
	pz_rows_set(&use_rows, USE_ENDED_AT, TimestampTzGetDatum(fold->done->header.time));
	pz_rows_set_text(&use_rows, USE_STATUS, status_names[fold->done->status]);
	pz_rows_set(&use_rows, USE_ROWS_USED, Int64GetDatum((int64) fold->done->rows_used));
	pz_rows_set(&use_rows, USE_ROWS_WITHHELD, Int64GetDatum((int64) fold->done->rows_withheld));
	pz_rows_set(&use_rows, USE_SUBJECTS_USED, Int64GetDatum(subjects + added));
	pz_rows_set_text(&use_rows, USE_PRECISION, precision_names[fold->done->precision]);

	note = SPI_getbinval(table->vals[0], table->tupdesc, PZ_USE_NCOLUMNS + 1, &isnull);
	if (!isnull)
		extra.note_digest = (uint8 *) VARDATA_ANY(DatumGetByteaP(datumCopy(note, false, -1)));
	pz_fold_extra(&extra);
	SPI_freetuptable(table);
}

/*
 * Write what a batch says about a use of an earlier batch.  False if its
 * beginning is missing.
 */
static bool
pz_store_old_use(PzFold *fold, PzDatabase *db)
{
	static SPIPlanPtr find_plan = NULL;
	static SPIPlanPtr open_plan = NULL;
	const Oid	types[] = {INT8OID, INT8OID, INT8OID, INT8OID};
	Datum		values[4];
	PzUseExtra	extra;
	bool		isnull;
	bool		open;
	int64		usage_id;
	int			added;

	values[0] = Int64GetDatum(fold->key.session_id);
	values[1] = Int64GetDatum((int64) fold->key.use_no);
	if (pz_store_execute(&find_plan,
						 "SELECT usage_id, true FROM personalize.audit_open WHERE session_id = $1 AND use_no = $2 "
						 "UNION ALL SELECT usage_id, false FROM personalize.audit_use WHERE session_id = $1 AND use_no = $2 "
						 "ORDER BY 2 DESC LIMIT 1",
						 2, types, values, NULL) == 0)
	{
		if (pg_atomic_fetch_add_u64(&db->holes, 1) < PZ_COMPLAINTS_MAX)
			ereport(LOG,
					(errmsg("the audit has the end of a use whose beginning is missing")));
		return false;
	}
	usage_id = DatumGetInt64(pz_store_value(0, 1, &isnull));
	open = DatumGetBool(pz_store_value(0, 2, &isnull));
	added = pz_fold_store_subjects(fold, usage_id, false, false, &extra);

	if (!open)
	{
		/* a row of audit_use does not change: what came after stands beside it */
		pz_rows_add(&more_rows);
		pz_rows_set(&more_rows, 0, Int64GetDatum(usage_id));
		pz_rows_set(&more_rows, 1, Int64GetDatum((int64) fold->last_seq));
		if (fold->done != NULL)
			pz_rows_set(&more_rows, 2, TimestampTzGetDatum(fold->done->header.time));
		pz_rows_set(&more_rows, 3, Int64GetDatum(fold->done ? (int64) fold->done->rows_used : 0));
		pz_rows_set(&more_rows, 4, Int64GetDatum(fold->done ? (int64) fold->done->rows_withheld : 0));
		pz_rows_set(&more_rows, 5, Int64GetDatum(added));
	}
	else if (fold->done == NULL)
	{
		values[2] = Int64GetDatum(added);
		values[3] = Int64GetDatum((int64) fold->last_seq);
		pz_store_execute(&open_plan,
						 "UPDATE personalize.audit_open SET subjects_used = subjects_used + $3, "
						 "last_seq = GREATEST(last_seq, $4) WHERE session_id = $1 AND use_no = $2",
						 4, types, values, NULL);
	}
	else
		pz_store_close(fold, added);
	return true;
}

/*
 * Chain queued rows, in the order of their first nkeys columns, and set their
 * batch and link.  The chain's kinds come one after the other: templates,
 * chunks, uses, what came after uses.
 */
static void
pz_chain_rows(PzChain *chain, char kind, PzRows *rows, int nkeys)
{
	int		   *order = pz_rows_order(rows, nkeys);
	int			n = rows->ncolumns - 2;
	int			i;

	for (i = 0; i < rows->nrows; i++)
	{
		Datum		values[PZ_ROWS_COLUMNS];
		bool		nulls[PZ_ROWS_COLUMNS];
		int			row = order[i];
		int64		link;
		int			k;

		for (k = 0; k < n; k++)
		{
			values[k] = rows->values[k][row];
			nulls[k] = rows->nulls[k][row];
		}
		if (kind == PZ_CHAIN_USE)
			link = pz_chain_use(chain, values, nulls, extras[row].note_digest,
								extras[row].numbers, extras[row].nnumbers);
		else
			link = pz_chain_row(chain, kind, n, rows->types, values, nulls);
		rows->values[n][row] = Int64GetDatum(chain->batch_no + 1);
		rows->values[n + 1][row] = Int64GetDatum(link);
		rows->nulls[n][row] = rows->nulls[n + 1][row] = false;
	}
}

/*
 * Write a batch of messages and the position after it.  Replayed messages are
 * set to NULL in the array.  Allocates in the current memory context, which
 * the caller resets.  Makes its own transaction, which may not be on disk yet
 * (pz_store_flush).
 */
void
pz_store_batch(PzMsg **messages, int n, const PzPosition *position, PzDatabase *db)
{
	MemoryContext batch = CurrentMemoryContext;
	HASHCTL		ctl;
	HTAB	   *folds;
	PzFold	  **order;
	int			nfolds = 0;
	bool		lost = false;
	PzChain		chain;
	int			i;

	ctl.keysize = sizeof(PzFoldKey);
	ctl.entrysize = sizeof(PzFold);
	ctl.hcxt = batch;
	folds = hash_create("personalize batch", Max(n, 16), &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	order = palloc(sizeof(PzFold *) * Max(n, 1));
	pz_rows_reset(&use_rows);
	pz_rows_reset(&open_rows);
	pz_rows_reset(&more_rows);
	pz_fold_subjects_reset();
	pz_dict_reset();
	extras = NULL;
	extras_space = 0;

	pz_log_store_reset();
	pz_period_before(messages, n);
	pz_store_begin();
	MemoryContextSwitchTo(batch);
	pz_chain_load(&chain);

	for (i = 0; i < n; i++)
	{
		PzMsg	   *msg = messages[i];
		PzFoldKey	key;
		PzFold	   *fold;
		bool		found;
		int			k;

		if (!pz_store_sequence(msg, db, false))
		{
			messages[i] = NULL;
			continue;
		}
		if (msg->header.type == PZ_MSG_STANDBY)
		{
			/* what it holds takes its place, once */
			messages[i] = NULL;
			if (!pz_log_store_take(msg) ||
				(msg->inner->header.type != PZ_MSG_LOG && !pz_store_sequence(msg->inner, db, true)))
				continue;
			msg = messages[i] = msg->inner;
		}
		else if (msg->header.type == PZ_MSG_LOG_LAST)
			pz_log_store_last(msg);
		else if (msg->header.type == PZ_MSG_GAP)
			pz_store_gap(InvalidXLogRecPtr, position->lsn, msg->reason);
		if (msg->use_no == 0)
			continue;
		key.session_id = msg->header.session_id;
		key.use_no = msg->use_no;
		fold = hash_search(folds, &key, HASH_ENTER, &found);
		if (!found)
		{
			memset((char *) fold + sizeof(PzFoldKey), 0, sizeof(PzFold) - sizeof(PzFoldKey));
			order[nfolds++] = fold;
		}
		fold->last_seq = msg->header.seq;
		if (msg->header.type == PZ_MSG_INTENT || msg->header.type == PZ_MSG_REFUSED)
			fold->intent = msg;
		else if (msg->header.type == PZ_MSG_DONE)
			fold->done = msg;
		for (k = 0; k < msg->nnumbers; k++)
			pz_fold_number(fold, msg->numbers[k]);
		for (k = 0; k < msg->nkeys; k++)
			pz_fold_key(fold, &msg->keys[k]);
	}

	pz_fold_number_keys();
	for (i = 0; i < nfolds; i++)
	{
		pz_fold_sort(order[i]);
		if (order[i]->intent != NULL)
			pz_store_new_use(order[i], &chain);
		else if (!pz_store_old_use(order[i], db))
			lost = true;
	}
	if (lost)
		pz_store_gap(InvalidXLogRecPtr, position->lsn, "the beginning of a use is missing");
	pz_chain_rows(&chain, PZ_CHAIN_TEMPLATE, &pz_template_rows, 1);
	pz_chain_rows(&chain, PZ_CHAIN_CHUNK, &pz_chunk_rows, 3);
	pz_chain_rows(&chain, PZ_CHAIN_USE, &use_rows, 1);
	pz_chain_rows(&chain, PZ_CHAIN_MORE, &more_rows, 2);
	if (pz_store_gaps > 0)
		pz_chain_adopt(&chain);
	pz_chain_seal(&chain, position->lsn);
	pz_rows_execute(&use_rows);
	pz_rows_execute(&open_rows);
	pz_rows_execute(&pz_template_rows);
	pz_rows_execute(&pz_note_rows);
	pz_rows_execute(&pz_subject_rows);
	pz_rows_execute(&pz_chunk_rows);
	pz_rows_execute(&more_rows);
	pz_store_leases(messages, n);
	pz_log_store_write();
	pz_store_position(position);
	pz_store_end_batch();
	MemoryContextSwitchTo(batch);
}
