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
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "audit_set.h"
#include "audit_store.h"
#include "compat.h"

#define PZ_SMALL_SET		64	/* more subjects of a use are stored in chunks */
#define PZ_COMPLAINTS_MAX	10	/* log lines about uses without beginning */

/* Columns of audit_use, and of audit_open, in the order of use_types */
typedef enum PzUseColumn
{
	USE_USAGE_ID,
	USE_SESSION_ID,
	USE_USE_NO,
	USE_LAST_SEQ,
	USE_STARTED_AT,
	USE_ENDED_AT,
	USE_STATUS,
	USE_DB_ROLE,
	USE_SESSION_ROLE,
	USE_PID,
	USE_PURPOSE_ID,
	USE_PURPOSE,
	USE_LEGAL_BASIS,
	USE_RELATION,
	USE_RELATION_NAME,
	USE_COLUMNS,
	USE_CATEGORIES,
	USE_ROWS_USED,
	USE_ROWS_WITHHELD,
	USE_SUBJECTS_USED,
	USE_PRECISION,
	USE_QUERY_ID,
	USE_QUERY,
	USE_REASON,
	USE_BOOT_ID
} PzUseColumn;

#define USE_COLUMNS_LIST \
	"usage_id, session_id, use_no, last_seq, started_at, ended_at, status, db_role, session_role, pid, " \
	"purpose_id, purpose, legal_basis, relation, relation_name, columns, categories, rows_used, " \
	"rows_withheld, subjects_used, precision, query_id, query, reason, boot_id"
#define USE_PARAMETERS \
	"$1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17,$18,$19,$20,$21,$22,$23,$24,$25"

static const Oid use_types[] = {
	INT8OID, INT8OID, INT8OID, INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTOID, TEXTOID, TEXTOID, INT4OID,
	INT4OID, TEXTOID, TEXTOID, OIDOID, TEXTOID, TEXTOID, TEXTOID, INT8OID,
	INT8OID, INT8OID, TEXTOID, INT8OID, TEXTOID, TEXTOID, INT8OID
};
static const Oid note_types[] = {INT8OID, TEXTOID, TEXTOID, TEXTOID, TEXTOID};
static const Oid subject_types[] = {INT8OID, INT8OID};
static const Oid chunk_types[] = {INT4OID, INT8OID, INT8OID, BYTEAOID};
static const Oid key_types[] = {INT4OID, TEXTOID, BYTEAOID};

static PzRows use_rows = {
	.insert = "INSERT INTO personalize.audit_use (" USE_COLUMNS_LIST ") "
	"SELECT * FROM unnest(" USE_PARAMETERS ") ON CONFLICT DO NOTHING",
	.ncolumns = lengthof(use_types), .types = use_types
};
static PzRows open_rows = {
	.insert = "INSERT INTO personalize.audit_open (" USE_COLUMNS_LIST ") "
	"SELECT * FROM unnest(" USE_PARAMETERS ") ON CONFLICT DO NOTHING",
	.ncolumns = lengthof(use_types), .types = use_types
};
static PzRows note_rows = {
	.insert = "INSERT INTO personalize.audit_note (usage_id, app_user, application_name, client_addr, context) "
	"SELECT n.id, n.app_user, n.name, n.addr::pg_catalog.inet, n.context "
	"FROM unnest($1,$2,$3,$4,$5) AS n(id, app_user, name, addr, context)",
	.ncolumns = lengthof(note_types), .types = note_types
};
static PzRows subject_rows = {
	.insert = "INSERT INTO personalize.audit_subject (subject_no, usage_id) "
	"SELECT * FROM unnest($1,$2)",
	.ncolumns = lengthof(subject_types), .types = subject_types
};
static PzRows chunk_rows = {
	.insert = "INSERT INTO personalize.audit_chunk (chunk, usage_id, part, members) "
	"SELECT * FROM unnest($1,$2,$3,$4)",
	.ncolumns = lengthof(chunk_types), .types = chunk_types
};
/*
 * People who have no number yet get one in a table that nobody else writes: in
 * personalize.subject the worker would wait for an application that is just
 * making the same person.  Of somebody erased only the digest is kept.
 */
static PzRows key_rows = {
	.insert = "INSERT INTO personalize.audit_key (kind_id, key, digest) "
	"SELECT k.kind_id, CASE WHEN t.digest IS NULL THEN k.key END, t.digest "
	"FROM (SELECT DISTINCT u.kind_id, u.key COLLATE \"C\" AS key, u.digest "
	"FROM unnest($1,$2,$3) AS u(kind_id, key, digest)) k "
	"LEFT JOIN personalize.tombstone t ON t.digest = k.digest "
	"WHERE NOT EXISTS (SELECT FROM personalize.subject s WHERE s.kind_id = k.kind_id AND s.key = k.key) "
	"AND NOT EXISTS (SELECT FROM personalize.audit_key a WHERE a.kind_id = k.kind_id AND a.key = k.key) "
	"AND NOT EXISTS (SELECT FROM personalize.audit_key a WHERE a.digest = t.digest)",
	.ncolumns = lengthof(key_types), .types = key_types
};
static PzRows number_rows = {
	.insert = "SELECT coalesce(s.subject_no, a.subject_no, d.subject_no), u.place "
	"FROM unnest($1,$2,$3) WITH ORDINALITY AS u(kind_id, key, digest, place) "
	"LEFT JOIN personalize.subject s ON s.kind_id = u.kind_id AND s.key = u.key COLLATE \"C\" "
	"LEFT JOIN personalize.audit_key a ON a.kind_id = u.kind_id AND a.key = u.key COLLATE \"C\" "
	"LEFT JOIN personalize.audit_key d ON d.digest = u.digest "
	"WHERE coalesce(s.subject_no, a.subject_no, d.subject_no) IS NOT NULL",
	.ncolumns = lengthof(key_types), .types = key_types
};

static const char *const status_names[] = {"open", "ended", "failed", "crashed", "refused"};
static const char *const precision_names[] = {"exact", "bounded", "superset"};

/* What the messages of a batch say about one use */
typedef struct PzFoldKey
{
	int64		session_id;
	uint64		use_no;
} PzFoldKey;

typedef struct PzFold
{
	PzFoldKey	key;			/* hash key */
	const PzMsg *intent;		/* INTENT or REFUSED; NULL: in an earlier batch */
	const PzMsg *done;			/* NULL: it goes on */
	uint64		last_seq;
	int64	   *numbers;		/* subjects */
	int			nnumbers;
	int			space;
} PzFold;

/*
 * Add a subject to a use.
 */
static void
pz_fold_number(PzFold *fold, int64 number)
{
	if (fold->nnumbers >= fold->space)
	{
		fold->space = Max(16, fold->space * 2);
		fold->numbers = fold->numbers == NULL ?
			palloc(sizeof(int64) * fold->space) :
			repalloc_huge(fold->numbers, sizeof(int64) * fold->space);
	}
	fold->numbers[fold->nnumbers++] = number;
}

/*
 * Sort the subjects of a use, each once.
 */
static void
pz_fold_sort(PzFold *fold)
{
	int			n = 0;
	int			i;

	if (fold->nnumbers < 2)
		return;
	qsort(fold->numbers, fold->nnumbers, sizeof(int64), pz_msg_compare_numbers);
	for (i = 1; i < fold->nnumbers; i++)
	{
		if (fold->numbers[i] != fold->numbers[n])
			fold->numbers[++n] = fold->numbers[i];
	}
	fold->nnumbers = n + 1;
}

/*
 * Number the people whom the batch names by key, and add them to their uses:
 * owners[i] is the use of row i of key_rows.
 */
static void
pz_store_number_keys(PzFold **owners)
{
	uint64		n;
	uint64		i;

	if (key_rows.nrows == 0)
		return;
	number_rows.nrows = key_rows.nrows;
	memcpy(number_rows.values, key_rows.values, sizeof(key_rows.values));
	memcpy(number_rows.nulls, key_rows.nulls, sizeof(key_rows.nulls));
	pz_rows_execute(&key_rows);
	n = pz_rows_execute(&number_rows);
	for (i = 0; i < n; i++)
	{
		bool		isnull;
		int64		number = DatumGetInt64(pz_store_value(i, 1, &isnull));
		int64		place = DatumGetInt64(pz_store_value(i, 2, &isnull));

		pz_fold_number(owners[place - 1], number);
	}
	if (n != (uint64) key_rows.nrows)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not number all subjects of a batch"),
				 errhint("A subject was erased meanwhile; the audit worker tries again.")));
}

/*
 * Take out of the subjects of a use what is stored already, from the sorted
 * list stored[].
 */
static void
pz_fold_remove(PzFold *fold, const int64 *stored, int nstored)
{
	int			n = 0;
	int			i;
	int			k = 0;

	for (i = 0; i < fold->nnumbers; i++)
	{
		while (k < nstored && stored[k] < fold->numbers[i])
			k++;
		if (k >= nstored || stored[k] != fold->numbers[i])
			fold->numbers[n++] = fold->numbers[i];
	}
	fold->nnumbers = n;
}

/*
 * Forget those subjects of a use that are stored already.  Returns whether
 * any are stored in chunks.
 */
static bool
pz_fold_skip_stored(PzFold *fold, int64 usage_id)
{
	static SPIPlanPtr small_plan = NULL;
	static SPIPlanPtr chunk_plan = NULL;
	const Oid	types[] = {INT8OID};
	Datum		value = Int64GetDatum(usage_id);
	SPITupleTable *chunks;
	uint16	   *members;
	int64	   *stored;
	bool		isnull;
	uint64		n;
	uint64		i;

	n = pz_store_execute(&small_plan,
						 "SELECT subject_no FROM personalize.audit_subject WHERE usage_id = $1 ORDER BY 1",
						 1, types, &value, NULL);
	stored = palloc(sizeof(int64) * Max(n, 65536));
	for (i = 0; i < n; i++)
		stored[i] = DatumGetInt64(pz_store_value(i, 1, &isnull));
	pz_fold_remove(fold, stored, (int) n);

	n = pz_store_execute(&chunk_plan,
						 "SELECT chunk, members FROM personalize.audit_chunk WHERE usage_id = $1",
						 1, types, &value, NULL);
	chunks = SPI_tuptable;
	members = palloc(sizeof(uint16) * 65536);
	for (i = 0; i < n && fold->nnumbers > 0; i++)
	{
		int32		chunk = DatumGetInt32(SPI_getbinval(chunks->vals[i], chunks->tupdesc, 1, &isnull));
		int			nmembers;
		int			k;

		if (chunk < PZ_SET_CHUNK(fold->numbers[0]) ||
			chunk > PZ_SET_CHUNK(fold->numbers[fold->nnumbers - 1]))
			continue;
		nmembers = pz_set_unpack(DatumGetByteaPP(SPI_getbinval(chunks->vals[i], chunks->tupdesc, 2, &isnull)),
								 members);
		for (k = 0; k < nmembers; k++)
			stored[k] = PZ_SET_NUMBER(chunk, members[k]);
		pz_fold_remove(fold, stored, nmembers);
	}
	pfree(members);
	pfree(stored);
	return n > 0;
}

/*
 * Queue the subjects of a use for writing.  fresh: nothing is stored for this
 * use yet.  Returns how many are new.
 */
static int
pz_store_subjects(PzFold *fold, int64 usage_id, bool fresh)
{
	bool		in_chunks = false;
	uint16	   *members;
	int			i;

	if (fold->nnumbers == 0)
		return 0;
	if (!fresh)
		in_chunks = pz_fold_skip_stored(fold, usage_id);
	if (!in_chunks && fold->nnumbers <= PZ_SMALL_SET)
	{
		for (i = 0; i < fold->nnumbers; i++)
		{
			pz_rows_add(&subject_rows);
			pz_rows_set(&subject_rows, 0, Int64GetDatum(fold->numbers[i]));
			pz_rows_set(&subject_rows, 1, Int64GetDatum(usage_id));
		}
		return fold->nnumbers;
	}

	members = palloc(sizeof(uint16) * 65536);
	for (i = 0; i < fold->nnumbers;)
	{
		int32		chunk = PZ_SET_CHUNK(fold->numbers[i]);
		int			n = 0;

		while (i < fold->nnumbers && PZ_SET_CHUNK(fold->numbers[i]) == chunk)
			members[n++] = PZ_SET_MEMBER(fold->numbers[i++]);
		pz_rows_add(&chunk_rows);
		pz_rows_set(&chunk_rows, 0, Int32GetDatum(chunk));
		pz_rows_set(&chunk_rows, 1, Int64GetDatum(usage_id));
		pz_rows_set(&chunk_rows, 2, Int64GetDatum((int64) fold->last_seq));
		pz_rows_set(&chunk_rows, 3, PointerGetDatum(pz_set_pack(members, n)));
	}
	pfree(members);
	return fold->nnumbers;
}

/*
 * NULL for an empty string.
 */
static const char *
pz_store_nonempty(const char *string)
{
	return string != NULL && string[0] != '\0' ? string : NULL;
}

/*
 * Queue the rows of a use whose intent is in this batch.
 */
static void
pz_store_new_use(PzFold *fold)
{
	const PzMsg *msg = fold->intent;
	const PzMsgIntent *intent = &msg->intent;
	bool		refused = msg->header.type == PZ_MSG_REFUSED;
	int64		usage_id = nextval_internal(pz_store_usage_id_seq, false);
	PzRows	   *rows = refused || fold->done != NULL ? &use_rows : &open_rows;
	int			status = refused ? PZ_USE_REFUSED : fold->done != NULL ? fold->done->status : PZ_USE_OPEN;
	int			added = pz_store_subjects(fold, usage_id, true);

	pz_rows_add(rows);
	pz_rows_set(rows, USE_USAGE_ID, Int64GetDatum(usage_id));
	pz_rows_set(rows, USE_SESSION_ID, Int64GetDatum(msg->header.session_id));
	pz_rows_set(rows, USE_USE_NO, Int64GetDatum((int64) msg->use_no));
	pz_rows_set(rows, USE_LAST_SEQ, Int64GetDatum((int64) fold->last_seq));
	pz_rows_set(rows, USE_STARTED_AT, TimestampTzGetDatum(intent->started_at));
	if (refused)
		pz_rows_set(rows, USE_ENDED_AT, TimestampTzGetDatum(msg->header.time));
	else if (fold->done != NULL)
		pz_rows_set(rows, USE_ENDED_AT, TimestampTzGetDatum(fold->done->header.time));
	pz_rows_set_text(rows, USE_STATUS, status_names[status]);
	pz_rows_set_text(rows, USE_DB_ROLE, intent->role_name);
	pz_rows_set_text(rows, USE_SESSION_ROLE, intent->session_role_name);
	pz_rows_set(rows, USE_PID, Int32GetDatum((int32) msg->header.pid));
	pz_rows_set(rows, USE_PURPOSE_ID, Int32GetDatum(intent->purpose_id));
	pz_rows_set_text(rows, USE_PURPOSE, pz_store_nonempty(intent->purpose_name));
	pz_rows_set_text(rows, USE_LEGAL_BASIS, pz_store_nonempty(intent->legal_basis));
	pz_rows_set(rows, USE_RELATION, ObjectIdGetDatum(intent->relid));
	pz_rows_set_text(rows, USE_RELATION_NAME, intent->relation_name);
	pz_rows_set_text(rows, USE_COLUMNS, intent->columns);
	pz_rows_set_text(rows, USE_CATEGORIES, intent->categories);
	if (!refused)
	{
		pz_rows_set(rows, USE_ROWS_USED, Int64GetDatum(fold->done ? (int64) fold->done->rows_used : 0));
		pz_rows_set(rows, USE_ROWS_WITHHELD, Int64GetDatum(fold->done ? (int64) fold->done->rows_withheld : 0));
	}
	pz_rows_set(rows, USE_SUBJECTS_USED, Int64GetDatum(added));
	if (fold->done != NULL)
		pz_rows_set_text(rows, USE_PRECISION, precision_names[fold->done->precision]);
	else if (refused)
		pz_rows_set_text(rows, USE_PRECISION, precision_names[PZ_EXACT]);
	if (intent->query_id != 0)
		pz_rows_set(rows, USE_QUERY_ID, Int64GetDatum((int64) intent->query_id));
	pz_rows_set_text(rows, USE_QUERY, intent->query);
	pz_rows_set_text(rows, USE_REASON, intent->reason);
	pz_rows_set(rows, USE_BOOT_ID, Int64GetDatum((int64) msg->header.boot_id));

	if (pz_store_nonempty(intent->app_user) || pz_store_nonempty(intent->application_name) ||
		pz_store_nonempty(intent->client_addr) || pz_store_nonempty(intent->context))
	{
		pz_rows_add(&note_rows);
		pz_rows_set(&note_rows, 0, Int64GetDatum(usage_id));
		pz_rows_set_text(&note_rows, 1, pz_store_nonempty(intent->app_user));
		pz_rows_set_text(&note_rows, 2, pz_store_nonempty(intent->application_name));
		pz_rows_set_text(&note_rows, 3, pz_store_nonempty(intent->client_addr));
		pz_rows_set_text(&note_rows, 4, pz_store_nonempty(intent->context));
	}
}

/*
 * Write what a batch says about a use of an earlier batch.
 */
static void
pz_store_old_use(PzFold *fold, PzDatabase *db)
{
	static SPIPlanPtr find_plan = NULL;
	static SPIPlanPtr open_plan = NULL;
	static SPIPlanPtr close_plan = NULL;
	static SPIPlanPtr more_plan = NULL;
	const Oid	find_types[] = {INT8OID, INT8OID};
	const Oid	update_types[] = {INT8OID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID, TIMESTAMPTZOID, TEXTOID, TEXTOID};
	const Oid	more_types[] = {INT8OID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID, TIMESTAMPTZOID, TEXTOID, INT8OID};
	Datum		values[9];
	char		nulls[10] = "         ";
	bool		isnull;
	bool		open;
	int64		usage_id;

	values[0] = Int64GetDatum(fold->key.session_id);
	values[1] = Int64GetDatum((int64) fold->key.use_no);
	if (pz_store_execute(&find_plan,
						 "SELECT usage_id, true FROM personalize.audit_open WHERE session_id = $1 AND use_no = $2 "
						 "UNION ALL SELECT usage_id, false FROM personalize.audit_use WHERE session_id = $1 AND use_no = $2 "
						 "ORDER BY 2 DESC LIMIT 1",
						 2, find_types, values, NULL) == 0)
	{
		/* can only be after a gap, which is on record */
		if (pg_atomic_fetch_add_u64(&db->holes, 1) < PZ_COMPLAINTS_MAX)
			ereport(LOG,
					(errmsg("the audit has the end of a use whose beginning is missing")));
		return;
	}
	usage_id = DatumGetInt64(pz_store_value(0, 1, &isnull));
	open = DatumGetBool(pz_store_value(0, 2, &isnull));

	values[2] = Int64GetDatum(pz_store_subjects(fold, usage_id, false));
	values[3] = Int64GetDatum((int64) fold->last_seq);
	values[4] = Int64GetDatum(fold->done ? (int64) fold->done->rows_used : 0);
	values[5] = Int64GetDatum(fold->done ? (int64) fold->done->rows_withheld : 0);
	if (fold->done != NULL)
	{
		values[6] = TimestampTzGetDatum(fold->done->header.time);
		values[7] = CStringGetTextDatum(status_names[fold->done->status]);
		values[8] = CStringGetTextDatum(precision_names[fold->done->precision]);
	}
	else
		nulls[6] = nulls[7] = nulls[8] = 'n';

	if (!open)
	{
		/* a row of audit_use does not change: what came after stands beside it */
		values[8] = Int64GetDatum(usage_id);
		nulls[8] = ' ';
		pz_store_execute(&more_plan,
						 "INSERT INTO personalize.audit_more (usage_id, last_seq, ended_at, rows_used, rows_withheld, "
						 "subjects_added) VALUES ($9, $4, $7, $5, $6, $3) ON CONFLICT DO NOTHING",
						 9, more_types, values, nulls);
	}
	else if (fold->done == NULL)
		pz_store_execute(&open_plan,
						 "UPDATE personalize.audit_open SET subjects_used = subjects_used + $3, "
						 "last_seq = GREATEST(last_seq, $4) WHERE session_id = $1 AND use_no = $2",
						 4, update_types, values, nulls);
	else
		pz_store_execute(&close_plan,
						 "WITH o AS (DELETE FROM personalize.audit_open WHERE session_id = $1 AND use_no = $2 RETURNING *) "
						 "INSERT INTO personalize.audit_use (" USE_COLUMNS_LIST ") "
						 "SELECT usage_id, session_id, use_no, GREATEST(last_seq, $4), started_at, $7, $8, db_role, "
						 "session_role, pid, purpose_id, purpose, legal_basis, relation, relation_name, columns, "
						 "categories, $5, $6, subjects_used + $3, $9, query_id, query, reason, boot_id FROM o",
						 9, update_types, values, nulls);
}

/*
 * Write a batch of messages and the position after it.  Replayed messages are
 * set to NULL in the array.  Allocates in the current memory context, which
 * the caller resets.  Makes its own transaction.
 */
void
pz_store_batch(PzMsg **messages, int n, const PzPosition *position, PzDatabase *db)
{
	MemoryContext batch = CurrentMemoryContext;
	HASHCTL		ctl;
	HTAB	   *folds;
	PzFold	  **order;
	PzFold	  **owners = NULL;
	int			nfolds = 0;
	int			owner_space = 0;
	int			i;

	ctl.keysize = sizeof(PzFoldKey);
	ctl.entrysize = sizeof(PzFold);
	ctl.hcxt = batch;
	folds = hash_create("personalize batch", Max(n, 16), &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	order = palloc(sizeof(PzFold *) * Max(n, 1));
	pz_rows_reset(&use_rows);
	pz_rows_reset(&open_rows);
	pz_rows_reset(&note_rows);
	pz_rows_reset(&subject_rows);
	pz_rows_reset(&chunk_rows);
	pz_rows_reset(&key_rows);

	pz_store_begin();
	MemoryContextSwitchTo(batch);

	for (i = 0; i < n; i++)
	{
		PzMsg	   *msg = messages[i];
		PzFoldKey	key;
		PzFold	   *fold;
		bool		found;
		int			k;

		if (!pz_store_sequence(msg, db))
		{
			messages[i] = NULL;
			continue;
		}
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
		{
			const char *text = msg->keys[k].key;
			bytea	   *digest = palloc(VARHDRSZ + PZ_MAC_LEN);

			SET_VARSIZE(digest, VARHDRSZ + PZ_MAC_LEN);
			if (!pz_keys_digest(msg->keys[k].kind_id, text, strlen(text), (uint8 *) VARDATA(digest)))
				ereport(ERROR,
						(errcode(ERRCODE_OUT_OF_MEMORY),
						 errmsg("could not compute the digest of a subject")));
			pz_rows_add(&key_rows);
			pz_rows_set(&key_rows, 0, Int32GetDatum(msg->keys[k].kind_id));
			pz_rows_set_text(&key_rows, 1, text);
			pz_rows_set(&key_rows, 2, PointerGetDatum(digest));
			if (key_rows.nrows > owner_space)
			{
				owner_space = Max(1024, owner_space * 2);
				owners = owners == NULL ? palloc(sizeof(PzFold *) * owner_space) :
					repalloc_huge(owners, sizeof(PzFold *) * owner_space);
			}
			owners[key_rows.nrows - 1] = fold;
		}
	}

	pz_store_number_keys(owners);
	for (i = 0; i < nfolds; i++)
	{
		pz_fold_sort(order[i]);
		if (order[i]->intent != NULL)
			pz_store_new_use(order[i]);
		else
			pz_store_old_use(order[i], db);
	}
	pz_rows_execute(&use_rows);
	pz_rows_execute(&open_rows);
	pz_rows_execute(&note_rows);
	pz_rows_execute(&subject_rows);
	pz_rows_execute(&chunk_rows);
	pz_store_leases(messages, n);
	pz_store_position(position);
	pz_store_end();
	MemoryContextSwitchTo(batch);
}
