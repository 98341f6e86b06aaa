/*-------------------------------------------------------------------------
 *
 * audit_fold_subjects.c
 *	  The subjects of the uses of a batch: their numbers, and how they are
 *	  stored.
 *
 * Everything here lives in the memory of one batch and one transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "audit_chain.h"
#include "audit_fold.h"
#include "audit_set.h"
#include "compat.h"

#define PZ_SMALL_SET		64	/* more subjects of a use are stored in chunks */

static const Oid subject_types[] = {INT8OID, INT8OID};
static const Oid key_types[] = {INT4OID, TEXTOID, BYTEAOID};

PzRows		pz_subject_rows = {
	.insert = "INSERT INTO personalize.audit_subject (subject_no, usage_id) "
	"SELECT * FROM unnest($1,$2)",
	.ncolumns = lengthof(subject_types), .types = subject_types
};
PzRows		pz_chunk_rows = {
	.insert = "INSERT INTO personalize.audit_chunk (" PZ_CHUNK_COLUMNS ", batch_no, link) "
	"SELECT * FROM unnest($1,$2,$3,$4,$5,$6)",
	.ncolumns = PZ_CHUNK_NCOLUMNS + 2, .types = pz_chunk_types
};
/*
 * People who have no number yet get one in a table that nobody else writes: in
 * personalize.subject the worker would wait for an application that is just
 * making the same person.  Of somebody erased only the digest is kept.
 */
static PzRows key_rows = {
	.insert = "INSERT INTO personalize.audit_key (kind_id, key, digest) "
	"SELECT k.kind_id, CASE WHEN t.digest IS NULL THEN k.key END, t.digest "
	"FROM (SELECT u.kind_id, u.key COLLATE \"C\" AS key, u.digest, min(u.place) AS place "
	"FROM unnest($1,$2,$3) WITH ORDINALITY AS u(kind_id, key, digest, place) GROUP BY 1, 2, 3) k "
	"LEFT JOIN personalize.tombstone t ON t.digest = k.digest "
	"WHERE NOT EXISTS (SELECT FROM personalize.subject s WHERE s.kind_id = k.kind_id AND s.key = k.key) "
	"AND NOT EXISTS (SELECT FROM personalize.audit_key a WHERE a.kind_id = k.kind_id AND a.key = k.key) "
	"AND NOT EXISTS (SELECT FROM personalize.audit_key a WHERE a.digest = t.digest) "
	/* who is met together gets numbers together: sets are shorter then */
	"ORDER BY k.place",
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

static PzFold **owners;		/* the uses of the rows of key_rows */
static int	owner_space;

/*
 * Forget what the last batch had.
 */
void
pz_fold_subjects_reset(void)
{
	pz_rows_reset(&pz_subject_rows);
	pz_rows_reset(&pz_chunk_rows);
	pz_rows_reset(&key_rows);
	owners = NULL;
	owner_space = 0;
}

/*
 * Add a subject to a use.
 */
void
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
void
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
 * Queue a subject of a use that is known by key.
 */
void
pz_fold_key(PzFold *fold, const PzMsgKey *key)
{
	bytea	   *digest = palloc(VARHDRSZ + PZ_MAC_LEN);

	SET_VARSIZE(digest, VARHDRSZ + PZ_MAC_LEN);
	if (!pz_keys_digest(key->kind_id, key->key, strlen(key->key), (uint8 *) VARDATA(digest)))
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("could not compute the digest of a subject")));
	pz_rows_add(&key_rows);
	pz_rows_set(&key_rows, 0, Int32GetDatum(key->kind_id));
	pz_rows_set_text(&key_rows, 1, key->key);
	pz_rows_set(&key_rows, 2, PointerGetDatum(digest));
	if (key_rows.nrows > owner_space)
	{
		owner_space = Max(1024, owner_space * 2);
		owners = owners == NULL ? palloc(sizeof(PzFold *) * owner_space) :
			repalloc_huge(owners, sizeof(PzFold *) * owner_space);
	}
	owners[key_rows.nrows - 1] = fold;
}

/*
 * Number the people whom the batch names by key, and add them to their uses.
 */
void
pz_fold_number_keys(void)
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
 * Forget those subjects of a use that are stored already.
 */
static void
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
	stored = palloc(sizeof(int64) * Max(n, PZ_SET_NUMBERS));
	for (i = 0; i < n; i++)
		stored[i] = DatumGetInt64(pz_store_value(i, 1, &isnull));
	pz_fold_remove(fold, stored, (int) n);

	n = pz_store_execute(&chunk_plan,
						 "SELECT chunk, members FROM personalize.audit_chunk WHERE usage_id = $1",
						 1, types, &value, NULL);
	chunks = SPI_tuptable;
	members = palloc(sizeof(uint16) * PZ_SET_NUMBERS);
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
}

/*
 * Queue the subjects of a use for writing.  whole: all of the use is in this
 * batch, so few subjects are stored by themselves and chained with its row;
 * all others are stored in chunks, which have links of their own.  Sets extra
 * accordingly.  Returns how many are new.
 */
int
pz_fold_store_subjects(PzFold *fold, int64 usage_id, bool fresh, bool whole, PzUseExtra *extra)
{
	uint16	   *members;
	int			i;

	extra->numbers = NULL;
	extra->nnumbers = 0;
	if (fold->nnumbers == 0)
		return 0;
	if (!fresh)
		pz_fold_skip_stored(fold, usage_id);
	if (whole && fold->nnumbers <= PZ_SMALL_SET)
	{
		extra->numbers = fold->numbers;
		extra->nnumbers = fold->nnumbers;
		for (i = 0; i < fold->nnumbers; i++)
		{
			pz_rows_add(&pz_subject_rows);
			pz_rows_set(&pz_subject_rows, 0, Int64GetDatum(fold->numbers[i]));
			pz_rows_set(&pz_subject_rows, 1, Int64GetDatum(usage_id));
		}
		return fold->nnumbers;
	}

	members = palloc(sizeof(uint16) * PZ_SET_NUMBERS);
	for (i = 0; i < fold->nnumbers;)
	{
		int32		chunk = PZ_SET_CHUNK(fold->numbers[i]);
		int			n = 0;

		while (i < fold->nnumbers && PZ_SET_CHUNK(fold->numbers[i]) == chunk)
			members[n++] = PZ_SET_MEMBER(fold->numbers[i++]);
		pz_rows_add(&pz_chunk_rows);
		pz_rows_set(&pz_chunk_rows, 0, Int64GetDatum(usage_id));
		pz_rows_set(&pz_chunk_rows, 1, Int64GetDatum((int64) fold->last_seq));
		pz_rows_set(&pz_chunk_rows, 2, Int32GetDatum(chunk));
		pz_rows_set(&pz_chunk_rows, 3, PointerGetDatum(pz_set_pack(members, n)));
	}
	pfree(members);
	return fold->nnumbers;
}
