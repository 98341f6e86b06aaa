/*-------------------------------------------------------------------------
 *
 * audit_verify.c
 *	  Computes the chain over the record of use anew.
 *
 * The tables are read side by side, each in the order of the chain, by cursors
 * under one snapshot.  Whatever does not fit ends the check: a row whose link
 * is another one (it was changed, added or moved, or a row before it is
 * missing), rows that belong to no batch, a batch that has more or fewer rows
 * than it says, whose head is another one or whose number does not follow the
 * last one, words that do not match their digest, and a chain that ends before
 * the last batch that the worker of this run of the server has written.
 *
 * Where old periods were dropped, the newest row of audit_dropped says where the
 * chain begins and which periods are gone; that row is itself in the chain.  Of
 * their rows in later batches, the state that stands in the batch is taken.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

#include "audit_chain.h"
#include "compat.h"
#include "errors.h"
#include "progress.h"
#include "pz.h"

#define FETCH_ROWS	1000

PG_FUNCTION_INFO_V1(personalize_audit_verify);

/* Rows of one table, in the order of the chain */
typedef struct Reader
{
	Portal		portal;
	SPITupleTable *table;
	uint64		nrows;			/* in table */
	uint64		at;				/* of table: the row at hand */
	bool		ended;
} Reader;

typedef struct Check
{
	PzChain		chain;
	Reader		subjects;
	int64		keep_from;		/* periods before this one were dropped */
	int64		not_checked;	/* rows that were dropped */
	int64		begun;			/* rows of the chain before the first that is read */
	int64		last_usage_id;	/* of the last row that fitted, 0: none */
	int64		changed_batch;	/* in which the worker noted a change of the head, 0: none */
	bool		bad;
	bool		has_first_bad;
	int64		first_bad;
	const char *reason;
} Check;

/*
 * Open a reader.
 */
static void
reader_open(Reader *reader, const char *query)
{
	SPIPlanPtr	plan = SPI_prepare(query, 0, NULL);

	memset(reader, 0, sizeof(Reader));
	if (plan == NULL)
		elog(ERROR, "could not prepare a statement of the audit: %s",
			 SPI_result_code_string(SPI_result));	/* cannot happen */
	reader->portal = SPI_cursor_open(NULL, plan, NULL, NULL, true);
}

/*
 * Is there a row at hand?  Fetches if need be.
 */
static bool
reader_has(Reader *reader)
{
	if (reader->ended)
		return false;
	if (reader->table != NULL && reader->at < reader->nrows)
		return true;
	CHECK_FOR_INTERRUPTS();
	if (reader->table != NULL)
		SPI_freetuptable(reader->table);
	SPI_cursor_fetch(reader->portal, true, FETCH_ROWS);
	reader->table = SPI_tuptable;
	reader->nrows = SPI_processed;
	reader->at = 0;
	reader->ended = reader->nrows == 0;
	return !reader->ended;
}

/*
 * Column (from 0) of the row at hand.
 */
static Datum
reader_value(Reader *reader, int column, bool *isnull)
{
	return SPI_getbinval(reader->table->vals[reader->at], reader->table->tupdesc, column + 1, isnull);
}

/*
 * The same of a number; missing stands for NULL.
 */
static int64
reader_number(Reader *reader, int column, int64 missing)
{
	bool		isnull;
	Datum		value = reader_value(reader, column, &isnull);

	return isnull ? missing : DatumGetInt64(value);
}

/*
 * The same of bytes; none stand for NULL, which the table does not allow, but
 * who changes it can.
 */
static bytea *
reader_bytes(Reader *reader, int column)
{
	bool		isnull;
	Datum		value = reader_value(reader, column, &isnull);

	return isnull ? (bytea *) cstring_to_text("") : DatumGetByteaPP(value);
}

/*
 * Note what does not fit, if it is the first.
 */
static void
check_bad(Check *check, bool has_usage_id, int64 usage_id, const char *reason)
{
	if (check->bad)
		return;
	check->bad = true;
	check->has_first_bad = has_usage_id;
	check->first_bad = usage_id;
	check->reason = reason;
}

/*
 * Numbers of the subjects of a use that stand in audit_subject.  They are
 * read in the order of the uses, which is that of the chain.
 */
static int64 *
check_subjects(Check *check, int64 usage_id, int *n)
{
	static int64 numbers[1024];	/* more than there can be, see audit_fold.c */

	*n = 0;
	while (reader_has(&check->subjects))
	{
		int64		of = reader_number(&check->subjects, 0, 0);

		if (of > usage_id)
			break;
		if (of < usage_id || *n >= lengthof(numbers))
		{
			check_bad(check, true, of, "a subject belongs to no use");
			break;
		}
		numbers[(*n)++] = reader_number(&check->subjects, 1, 0);
		check->subjects.at++;
	}
	return numbers;
}

/*
 * Digests of the note of the use at hand, which has the columns
 * PZ_USE_COLUMNS, batch_no, link, digest, salt and PZ_NOTE_COLUMNS; NULL if it
 * has none.  Checks that the words match them; where erasure has taken the salt
 * there must be no word.
 */
static const uint8 *
check_note(Check *check, Reader *uses, int64 usage_id)
{
	static uint8 stored[PZ_NOTE_LEN];
	static const uint8 no_salt[PZ_NOTE_SALT_LEN] = {0};
	int			column = PZ_USE_NCOLUMNS + 2;
	uint8		computed[PZ_NOTE_LEN];
	const char *texts[PZ_NOTE_TEXTS];
	struct varlena *digests;
	struct varlena *salts;
	bool		isnull;
	Datum		value = reader_value(uses, column, &isnull);
	int			i;

	if (isnull)
		return NULL;
	digests = PG_DETOAST_DATUM_PACKED(value);
	salts = reader_bytes(uses, column + 1);
	if (VARSIZE_ANY_EXHDR(digests) != PZ_NOTE_LEN || VARSIZE_ANY_EXHDR(salts) != PZ_NOTE_SALT_LEN * PZ_NOTE_TEXTS)
	{
		check_bad(check, true, usage_id, "a digest was changed");
		return NULL;
	}
	memcpy(stored, VARDATA_ANY(digests), PZ_NOTE_LEN);
	for (i = 0; i < PZ_NOTE_TEXTS; i++)
	{
		value = reader_value(uses, column + 2 + i, &isnull);
		texts[i] = isnull ? NULL : TextDatumGetCString(value);
	}
	pz_chain_note_digest(&check->chain, (uint8 *) VARDATA_ANY(salts), texts, computed);
	for (i = 0; i < PZ_NOTE_TEXTS; i++)
	{
		bool		taken = memcmp(VARDATA_ANY(salts) + i * PZ_NOTE_SALT_LEN, no_salt, PZ_NOTE_SALT_LEN) == 0;

		if (taken ? texts[i] != NULL :
			memcmp(computed + i * PZ_CHAIN_LEN, stored + i * PZ_CHAIN_LEN, PZ_CHAIN_LEN) != 0)
			check_bad(check, true, usage_id, "what a use says in words was changed");
	}
	return stored;
}

/* Is the first column of a kind of rows usage_id? */
static bool
has_usage_id(char kind)
{
	return kind != PZ_CHAIN_GAP && kind != PZ_CHAIN_DROPPED && kind != PZ_CHAIN_TEMPLATE;
}

/*
 * The first use of a template, to say where a damaged one is met; 0 if there
 * is none.
 */
static int64
first_use_of(int64 template_id)
{
	Oid			types[] = {INT8OID};
	Datum		values[1];
	bool		isnull = true;
	Datum		value = (Datum) 0;

	values[0] = Int64GetDatum(template_id);
	if (SPI_execute_with_args("SELECT min(usage_id) FROM personalize.audit_use WHERE template_id = $1",
							  1, types, values, NULL, true, 1) == SPI_OK_SELECT && SPI_processed == 1)
		value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	return isnull ? 0 : DatumGetInt64(value);
}

/*
 * Note that a row does not fit, of whose first column id is the value.
 */
static void
check_bad_row(Check *check, char kind, int64 id, const char *reason)
{
	if (kind == PZ_CHAIN_TEMPLATE)
		id = first_use_of(id);
	check_bad(check, kind != PZ_CHAIN_GAP && kind != PZ_CHAIN_DROPPED && id != 0, id, reason);
}

/*
 * Check the rows of one table that are in a batch.  The columns are the n that
 * are chained, batch_no and link.
 */
static void
check_rows(Check *check, Reader *reader, char kind, int n, const Oid *types, int64 batch_no)
{
	MemoryContext row_context = AllocSetContextCreate(CurrentMemoryContext, "personalize audit row",
													  ALLOCSET_DEFAULT_SIZES);
	MemoryContext outside = MemoryContextSwitchTo(row_context);

	while (!check->bad && reader_has(reader))
	{
		Datum		values[PZ_USE_NCOLUMNS];
		bool		nulls[PZ_USE_NCOLUMNS];
		int64		of = reader_number(reader, n, 0);
		int64		usage_id = reader_number(reader, 0, 0);
		int64		link;
		bool		isnull;
		int			i;

		if (of > batch_no)
			break;
		for (i = 0; i < n; i++)
			values[i] = reader_value(reader, i, &nulls[i]);
		if (of < batch_no)
		{
			check_bad_row(check, kind, usage_id, "a row belongs to no batch");
			break;
		}
		if (pz_chain_period(kind, usage_id) != PZ_PERIOD_NONE && pz_chain_period(kind, usage_id) < check->keep_from)
		{
			check_bad_row(check, kind, usage_id, "a row belongs to a period that was dropped");
			break;
		}
		if (kind == PZ_CHAIN_USE)
		{
			int			nnumbers;
			int64	   *numbers = check_subjects(check, usage_id, &nnumbers);
			const uint8 *digest = check_note(check, reader, usage_id);

			link = pz_chain_use(&check->chain, values, nulls, digest, numbers, nnumbers);
		}
		else
			link = pz_chain_row(&check->chain, kind, n, types, values, nulls);
		/* reason is the last column */
		if (kind == PZ_CHAIN_GAP && !nulls[n - 1] && strcmp(TextDatumGetCString(values[n - 1]), PZ_CHAIN_CHANGED) == 0)
			check->changed_batch = batch_no;
		if (DatumGetInt64(reader_value(reader, n + 1, &isnull)) != link || isnull)
			check_bad_row(check, kind, usage_id,
						  "a row was changed, added or moved, or one before it is missing");
		if (!check->bad && has_usage_id(kind))
			check->last_usage_id = usage_id;
		reader->at++;
		if ((check->chain.total & 0xff) == 0)
			pz_progress_done(PZ_WORK_VERIFY_AUDIT, check->chain.total - check->begun);
		MemoryContextReset(row_context);
	}
	MemoryContextSwitchTo(outside);
	MemoryContextDelete(row_context);
}

/*
 * Check that a table has no rows after the last batch.
 */
static void
check_end(Check *check, Reader *reader, char kind)
{
	if (!check->bad && reader_has(reader))
		check_bad_row(check, kind, reader_number(reader, 0, 0), "a row belongs to no batch");
}

/*
 * Where the chain begins: after what was dropped.  Whether that is true is
 * found when its row is met.
 */
static void
read_dropped(Check *check)
{
	bool		isnull;
	struct varlena *head;

	if (SPI_execute("SELECT last_batch, total, COALESCE(head, ''), keep_from FROM personalize.audit_dropped ORDER BY drop_no DESC LIMIT 1",
					true, 1) != SPI_OK_SELECT || SPI_processed == 0)
		return;
	check->chain.batch_no = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	check->chain.total = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &isnull));
	head = PG_DETOAST_DATUM_PACKED(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 3, &isnull));
	memcpy(check->chain.head, VARDATA_ANY(head), Min(VARSIZE_ANY_EXHDR(head), PZ_CHAIN_LEN));
	check->keep_from = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 4, &isnull));
	check->not_checked = check->chain.total;
}

/* Is this the head of the chain as far as it was computed? */
static bool
is_head(const Check *check, int64 total, const bytea *head)
{
	return check->chain.total == total && VARSIZE_ANY_EXHDR(head) == PZ_CHAIN_LEN &&
		memcmp(VARDATA_ANY(head), check->chain.head, PZ_CHAIN_LEN) == 0;
}

/* Take the states of periods that were dropped from a batch. */
static void
take_dropped_parts(Check *check, const struct varlena *parts)
{
	PzPart		part;
	int			i;

	for (i = 0; pz_chain_read_part(parts, i, &part); i++)
	{
		if (part.period_no < 0 || part.period_no >= check->keep_from)
			continue;
		pz_chain_give_part(&check->chain, &part);
		check->not_checked += part.entries;
	}
}

/*
 * The last batch that there is now, whatever the snapshot of the query, to
 * *batch_no and head[PZ_CHAIN_LEN]; 0 if there is none.
 */
static void
newest_batch(int64 *batch_no, uint8 *head)
{
	bool		isnull;

	*batch_no = 0;
	memset(head, 0, PZ_CHAIN_LEN);
	PushActiveSnapshot(GetLatestSnapshot());
	if (SPI_execute("SELECT batch_no, COALESCE(head, '') FROM personalize.audit_batch ORDER BY batch_no DESC LIMIT 1", true, 1) == SPI_OK_SELECT &&
		SPI_processed == 1)
	{
		struct varlena *bytes = PG_DETOAST_DATUM_PACKED(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &isnull));

		*batch_no = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
		memcpy(head, VARDATA_ANY(bytes), Min(VARSIZE_ANY_EXHDR(bytes), PZ_CHAIN_LEN));
	}
	PopActiveSnapshot();
}

/* How many rows the batches say there are, for the view personalize.progress only. */
static int64
rows_in_batches(void)
{
	bool		isnull = true;
	Datum		value = (Datum) 0;

	if (SPI_execute("SELECT total FROM personalize.audit_batch ORDER BY batch_no DESC LIMIT 1", true, 1) == SPI_OK_SELECT && SPI_processed == 1)
		value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	return isnull ? 0 : DatumGetInt64(value);
}

/* Keep the tables of the record from being dropped in part. */
static void
lock_tables(void)
{
	static const char *const names[] = {
		"audit_use", "audit_more", "audit_subject", "audit_chunk", "audit_template", "audit_note", "audit_batch",
		"audit_dropped", "audit_gap"
	};
	Oid			schema = get_namespace_oid(PZ_SCHEMA, false);
	int			i;

	for (i = 0; i < lengthof(names); i++)
		LockRelationOid(get_relname_relid(names[i], schema), AccessShareLock);
}

/*
 * Check the whole record, and that it holds the anchor (batch 0: none).
 */
static void
check_all(Check *check, int64 anchor_batch, int64 anchor_total, const bytea *anchor_head)
{
	uint8		written_head[PZ_CHAIN_LEN];
	int64		written = pz_chain_written(written_head);
	uint8		newest_head[PZ_CHAIN_LEN];
	int64		newest;
	bool		anchored = anchor_head == NULL || anchor_batch == 0;
	Reader		dropped;
	Reader		batches;
	Reader		templates;
	Reader		chunks;
	Reader		uses;
	Reader		more;
	Reader		gaps;

	pz_progress_begin(PZ_WORK_VERIFY_AUDIT, InvalidOid);
	lock_tables();
	/* what is dropped meanwhile is gone for any snapshot: look at what there is once it cannot be */
	PushActiveSnapshot(GetLatestSnapshot());
	read_dropped(check);
	if (!anchored && anchor_batch < check->chain.batch_no)
		ereport(ERROR,
				(errcode(PZ_ERR_STATE),
				 errmsg("the anchor is older than what is kept of the record"),
				 errhint("Give an anchor from after what personalize.audit_dropped says.")));
	if (!anchored && anchor_batch == check->chain.batch_no)
	{
		anchored = is_head(check, anchor_total, anchor_head);
		if (!anchored)
			check_bad(check, false, 0, "the chain does not go through the anchor: it was cut off or computed anew");
	}
	reader_open(&dropped, "SELECT " PZ_DROPPED_COLUMNS ", batch_no, link FROM personalize.audit_dropped "
				"ORDER BY batch_no NULLS FIRST, drop_no");
	reader_open(&batches, "SELECT " PZ_BATCH_COLUMNS ", head FROM personalize.audit_batch ORDER BY batch_no");
	reader_open(&templates, "SELECT " PZ_TEMPLATE_COLUMNS ", batch_no, link FROM personalize.audit_template "
				"ORDER BY batch_no NULLS FIRST, template_id");
	reader_open(&chunks, "SELECT " PZ_CHUNK_COLUMNS ", batch_no, link FROM personalize.audit_chunk "
				"ORDER BY batch_no NULLS FIRST, usage_id, part, chunk");
	reader_open(&uses, "SELECT u.*, n.digest, n.salt, " PZ_NOTE_COLUMNS " FROM (SELECT " PZ_USE_COLUMNS
				", batch_no, link FROM personalize.audit_use) u LEFT JOIN (SELECT note_id AS id, digest, salt, app_user, "
				"application_name, client_addr, context FROM personalize.audit_note) n ON n.id = u.note_id "
				"ORDER BY u.batch_no NULLS FIRST, u.usage_id");
	reader_open(&more, "SELECT " PZ_MORE_COLUMNS ", batch_no, link FROM personalize.audit_more "
				"ORDER BY batch_no NULLS FIRST, usage_id, last_seq");
	reader_open(&gaps, "SELECT " PZ_GAP_COLUMNS ", batch_no, link FROM personalize.audit_gap "
				"ORDER BY batch_no NULLS FIRST, gap_id");
	reader_open(&check->subjects, "SELECT usage_id, subject_no FROM personalize.audit_subject "
				"ORDER BY usage_id, subject_no");
	check->begun = check->chain.total;
	pz_progress_phase(PZ_WORK_VERIFY_AUDIT, PZ_PHASE_CHAIN, InvalidOid, 0, Max(rows_in_batches() - check->begun, 0));

	while (!check->bad && reader_has(&batches))
	{
		Datum		values[PZ_BATCH_NCOLUMNS];
		int64		batch_no = reader_number(&batches, 0, 0);
		struct varlena *head;
		struct varlena *parts;
		bytea	   *computed;
		bool		isnull;
		int			i;

		for (i = 0; i < PZ_BATCH_NCOLUMNS; i++)
			values[i] = reader_value(&batches, i, &isnull);
		head = reader_bytes(&batches, PZ_BATCH_NCOLUMNS);
		parts = reader_bytes(&batches, PZ_BATCH_NCOLUMNS - 1);

		if (batch_no != check->chain.batch_no + 1)
			check_bad(check, check->last_usage_id != 0, check->last_usage_id, "a batch is missing");
		take_dropped_parts(check, parts);
		check_rows(check, &templates, PZ_CHAIN_TEMPLATE, PZ_TEMPLATE_NCOLUMNS, pz_template_types, batch_no);
		check_rows(check, &chunks, PZ_CHAIN_CHUNK, PZ_CHUNK_NCOLUMNS, pz_chunk_types, batch_no);
		check_rows(check, &uses, PZ_CHAIN_USE, PZ_USE_NCOLUMNS, pz_use_types, batch_no);
		check_rows(check, &more, PZ_CHAIN_MORE, PZ_MORE_NCOLUMNS, pz_more_types, batch_no);
		check_rows(check, &gaps, PZ_CHAIN_GAP, PZ_GAP_NCOLUMNS, pz_gap_types, batch_no);
		check_rows(check, &dropped, PZ_CHAIN_DROPPED, PZ_DROPPED_NCOLUMNS, pz_dropped_types, batch_no);
		if (check->bad)
			break;
		computed = pz_chain_parts(&check->chain);
		if (check->chain.entries != DatumGetInt32(values[3]) || check->chain.total != DatumGetInt64(values[4]) ||
			VARSIZE_ANY_EXHDR(computed) != VARSIZE_ANY_EXHDR(parts) ||
			memcmp(VARDATA_ANY(computed), VARDATA_ANY(parts), VARSIZE_ANY_EXHDR(parts)) != 0)
			check_bad(check, check->last_usage_id != 0, check->last_usage_id, "rows are missing at the end of a batch");
		pz_chain_end_batch(&check->chain, values);
		if (VARSIZE_ANY_EXHDR(head) != PZ_CHAIN_LEN ||
			memcmp(VARDATA_ANY(head), check->chain.head, PZ_CHAIN_LEN) != 0)
			check_bad(check, check->last_usage_id != 0, check->last_usage_id, "a batch was changed");
		if (batch_no == anchor_batch && anchor_head != NULL)
		{
			anchored = is_head(check, anchor_total, anchor_head);
			if (!anchored)
				break;
		}
		batches.at++;
	}
	newest_batch(&newest, newest_head);
	if (!anchored && !check->bad && anchor_batch > check->chain.batch_no && anchor_batch <= newest)
		ereport(ERROR,
				(errcode(PZ_ERR_STATE),
				 errmsg("the anchor is newer than what this transaction can see"),
				 errhint("Call verify_audit() in a new transaction.")));
	if (!anchored)
		check_bad(check, check->last_usage_id != 0, check->last_usage_id,
				  "the chain does not go through the anchor: it was cut off or computed anew");
	check_end(check, &templates, PZ_CHAIN_TEMPLATE);
	check_end(check, &chunks, PZ_CHAIN_CHUNK);
	check_end(check, &uses, PZ_CHAIN_USE);
	check_end(check, &more, PZ_CHAIN_MORE);
	check_end(check, &gaps, PZ_CHAIN_GAP);
	check_end(check, &dropped, PZ_CHAIN_DROPPED);
	check_end(check, &check->subjects, PZ_CHAIN_USE);
	/* what the worker has written may be older than what is there now, not newer */
	if (written > newest || (written == newest && written != 0 && memcmp(written_head, newest_head, PZ_CHAIN_LEN) != 0))
		check_bad(check, check->last_usage_id != 0, check->last_usage_id, "the end of the record was cut off or changed");
	if (check->changed_batch != 0 && !(anchor_head != NULL && anchored && anchor_batch >= check->changed_batch))
		check_bad(check, check->last_usage_id != 0, check->last_usage_id,
				  "the record was changed before: see personalize.audit_gap; an anchor from after that settles it");
	PopActiveSnapshot();
	pz_progress_end(PZ_WORK_VERIFY_AUDIT);
}

/*
 * audit_verify_internal(anchor_batch bigint, anchor_total bigint, anchor_head
 * bytea, OUT ok boolean, OUT rows_checked bigint, OUT first_bad bigint, OUT
 * reason text): takes AccessShareLock on the tables of the audit.
 */
Datum
personalize_audit_verify(PG_FUNCTION_ARGS)
{
	TupleDesc	desc;
	Datum		values[4] = {0};
	bool		nulls[4] = {false};
	Check		check;
	bool		anchored = !PG_ARGISNULL(0) && !PG_ARGISNULL(1) && !PG_ARGISNULL(2);
	HeapTuple	tuple;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");	/* cannot happen */
	desc = BlessTupleDesc(desc);

	memset(&check, 0, sizeof(check));
	SPI_connect();
	pz_chain_init(&check.chain);
	check_all(&check, anchored ? PG_GETARG_INT64(0) : 0, anchored ? PG_GETARG_INT64(1) : 0,
			  anchored ? PG_GETARG_BYTEA_PP(2) : NULL);
	pz_chain_free(&check.chain);
	SPI_finish();

	values[0] = BoolGetDatum(!check.bad);
	values[1] = Int64GetDatum(check.chain.total - check.not_checked);
	values[2] = Int64GetDatum(check.first_bad);
	nulls[2] = !check.has_first_bad;
	nulls[3] = check.reason == NULL;
	if (check.reason != NULL)
		values[3] = CStringGetTextDatum(check.reason);
	tuple = heap_form_tuple(desc, values, nulls);
	PG_RETURN_DATUM(HeapTupleGetDatum(tuple));
}
