/*-------------------------------------------------------------------------
 *
 * audit_chain.c
 *	  The chain over the rows of the audit: what it is computed from.
 *
 * Each row of the record is a link: the state after it is
 *
 *		SHA-256 (state before it || canonical form of the row)
 *
 * and its first eight bytes stand in the row, so that the first row that does
 * not fit can be named.  The rows of one transaction of the audit worker are a
 * batch; a row of audit_batch ends it and holds the whole state, the head.
 *
 * A batch mostly has rows of one period; where it has rows of several, as when
 * a use ends after the next period has begun, each has a chain of its own (a
 * part) that begins at the head before the batch.  The row of the batch holds
 * the states after them and is chained over these, so that the rows of a period
 * can be dropped and all others still be checked.
 *
 * Who keeps a head elsewhere can tell later that nothing before it was
 * changed, removed, added or put in another place.  (B. Schneier, J. Kelsey:
 * Secure Audit Logs to Support Computer Forensics, 1999, section 3, without
 * the keys: those are in the messages.)
 *
 * The canonical form is the kind of the row and then each column: a zero byte
 * for NULL, else a byte 1 and eight bytes, big-endian, for numbers, or a byte
 * 2, a length of four bytes and the bytes for everything else.  It depends
 * neither on the machine nor on the encoding of a client.
 *
 * What can name a person in words (audit_note) is not in the chain, only its
 * salted digest: erasure takes words and salt away, and the chain still fits.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "port/pg_bswap.h"

#include "audit_chain.h"
#include "compat.h"

const Oid	pz_chunk_types[PZ_CHUNK_NCOLUMNS + 2] = {
	INT8OID, INT8OID, INT4OID, BYTEAOID, INT8OID, INT8OID
};
const Oid	pz_template_types[PZ_TEMPLATE_NCOLUMNS + 2] = {
	INT8OID, TEXTOID, TEXTOID, INT4OID, TEXTOID, TEXTOID, OIDOID, TEXTOID, TEXTOID, TEXTOID, INT8OID, TEXTOID, TEXTOID,
	INT8OID, INT8OID
};
const Oid	pz_use_types[PZ_USE_NCOLUMNS + 2] = {
	INT8OID, INT8OID, INT8OID, INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID, INT8OID, INT8OID,
	INT8OID, INT8OID, INT8OID, INT8OID, INT4OID, TEXTOID, TEXTOID,
	INT8OID, INT8OID
};
const Oid	pz_more_types[PZ_MORE_NCOLUMNS + 2] = {
	INT8OID, INT8OID, TIMESTAMPTZOID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID
};
const Oid	pz_gap_types[PZ_GAP_NCOLUMNS] = {
	INT8OID, TIMESTAMPTZOID, LSNOID, LSNOID, TEXTOID
};
const Oid	pz_dropped_types[PZ_DROPPED_NCOLUMNS] = {
	INT8OID, TIMESTAMPTZOID, INT8OID, TIMESTAMPTZOID, LSNOID, INT8OID, INT8OID, INT8OID, BYTEAOID
};
const Oid	pz_batch_types[PZ_BATCH_NCOLUMNS] = {
	INT8OID, LSNOID, TIMESTAMPTZOID, INT4OID, INT8OID, BYTEAOID
};

/*
 * Begin a chain at its beginning.  Allocates in the current memory context
 * and the current resource owner, so within a transaction.
 */
void
pz_chain_init(PzChain *chain)
{
	memset(chain, 0, sizeof(PzChain));
	initStringInfo(&chain->row);
	chain->parts_space = 4;
	chain->parts = palloc(sizeof(PzPart) * chain->parts_space);
	chain->hash = pg_cryptohash_create(PG_SHA256);
	if (chain->hash == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
}

/*
 * Give back what pz_chain_init took.
 */
void
pz_chain_free(PzChain *chain)
{
	pg_cryptohash_free(chain->hash);
	pfree(chain->row.data);
	pfree(chain->parts);
}

/*
 * SHA-256 over some bytes and what is in chain->row, to out, which may be the
 * same as those bytes.
 */
static void
chain_hash(PzChain *chain, const uint8 *before, int len, uint8 *out)
{
	if (pg_cryptohash_init(chain->hash) < 0 ||
		pg_cryptohash_update(chain->hash, before, len) < 0 ||
		pg_cryptohash_update(chain->hash, (const uint8 *) chain->row.data, chain->row.len) < 0 ||
		pg_cryptohash_final(chain->hash, out, PZ_CHAIN_LEN) < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not compute the chain of the audit")));
}

/* Append a number to the row at hand. */
static void
chain_put_number(PzChain *chain, int64 number)
{
	uint64		big_endian = pg_hton64((uint64) number);

	appendStringInfoChar(&chain->row, 1);
	appendBinaryStringInfo(&chain->row, (const char *) &big_endian, sizeof(big_endian));
}

/* Append bytes, with their length, to the row at hand. */
static void
chain_put_bytes(PzChain *chain, const char *data, int len)
{
	uint32		big_endian = pg_hton32((uint32) len);

	appendStringInfoChar(&chain->row, 2);
	appendBinaryStringInfo(&chain->row, (const char *) &big_endian, sizeof(big_endian));
	appendBinaryStringInfo(&chain->row, data, len);
}

/*
 * Append the canonical form of a value to the row at hand.
 */
static void
chain_put(PzChain *chain, Oid type, Datum value, bool isnull)
{
	if (isnull)
	{
		appendStringInfoChar(&chain->row, 0);
		return;
	}
	switch (type)
	{
		case INT8OID:
		case TIMESTAMPTZOID:
		case LSNOID:
			chain_put_number(chain, DatumGetInt64(value));
			break;
		case INT4OID:
			chain_put_number(chain, DatumGetInt32(value));
			break;
		case OIDOID:
			chain_put_number(chain, DatumGetObjectId(value));
			break;
		default:
			{
				struct varlena *bytes = PG_DETOAST_DATUM_PACKED(value);

				Assert(type == TEXTOID || type == BYTEAOID);
				chain_put_bytes(chain, VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes));
				if ((Pointer) bytes != DatumGetPointer(value))
					pfree(bytes);
			}
	}
}

/*
 * Begin the row at hand.
 */
static void
chain_start(PzChain *chain, char kind, int n, const Oid *types, const Datum *values, const bool *nulls)
{
	int			i;

	resetStringInfo(&chain->row);
	appendStringInfoChar(&chain->row, kind);
	for (i = 0; i < n; i++)
		chain_put(chain, types[i], values[i], nulls != NULL && nulls[i]);
}

/*
 * The part of a period in the batch at hand, made if need be.
 */
static PzPart *
chain_part(PzChain *chain, int64 period_no)
{
	int			i = chain->nparts;

	while (i > 0 && chain->parts[i - 1].period_no >= period_no)
		i--;
	if (i < chain->nparts && chain->parts[i].period_no == period_no)
		return &chain->parts[i];
	if (chain->nparts == chain->parts_space)
	{
		chain->parts_space *= 2;
		chain->parts = repalloc(chain->parts, sizeof(PzPart) * chain->parts_space);
	}
	memmove(&chain->parts[i + 1], &chain->parts[i], sizeof(PzPart) * (chain->nparts - i));
	chain->nparts++;
	chain->parts[i].period_no = period_no;
	chain->parts[i].entries = 0;
	memcpy(chain->parts[i].state, chain->head, PZ_CHAIN_LEN);
	return &chain->parts[i];
}

/* Of which period a row is, by its kind and the number in its first column. */
int64
pz_chain_period(char kind, int64 id)
{
	bool		has_period = kind == PZ_CHAIN_TEMPLATE || kind == PZ_CHAIN_CHUNK || kind == PZ_CHAIN_USE || kind == PZ_CHAIN_MORE;

	return has_period && id >= 0 ? id / PZ_PERIOD_IDS : PZ_PERIOD_NONE;
}

/*
 * Chain the row at hand, whose kind and first column say of which period it is.
 * Returns its link.
 */
static int64
chain_link(PzChain *chain, char kind, int64 id)
{
	PzPart	   *part = chain_part(chain, pz_chain_period(kind, id));
	uint64		link;

	part->entries++;
	chain->entries++;
	chain->total++;
	chain_hash(chain, part->state, PZ_CHAIN_LEN, part->state);
	memcpy(&link, part->state, sizeof(link));
	return (int64) pg_ntoh64(link);
}

/*
 * Chain a row of n columns.  Returns its link.
 */
int64
pz_chain_row(PzChain *chain, char kind, int n, const Oid *types, const Datum *values, const bool *nulls)
{
	chain_start(chain, kind, n, types, values, nulls);
	return chain_link(chain, kind, DatumGetInt64(values[0]));
}

/*
 * Chain a use: its row, the digests of its note (NULL: it has none) and the
 * sorted numbers of its subjects that are not in chunks.  Returns its link.
 */
int64
pz_chain_use(PzChain *chain, const Datum *values, const bool *nulls, const uint8 *note_digest,
			 const int64 *numbers, int nnumbers)
{
	int			i;

	chain_start(chain, PZ_CHAIN_USE, PZ_USE_NCOLUMNS, pz_use_types, values, nulls);
	if (note_digest == NULL)
		appendStringInfoChar(&chain->row, 0);
	else
		chain_put_bytes(chain, (const char *) note_digest, PZ_NOTE_LEN);
	chain_put_number(chain, nnumbers);
	for (i = 0; i < nnumbers; i++)
		chain_put_number(chain, numbers[i]);
	return chain_link(chain, PZ_CHAIN_USE, DatumGetInt64(values[0]));
}

/* The parts of the batch at hand, as they stand in audit_batch. */
bytea *
pz_chain_parts(const PzChain *chain)
{
	bytea	   *result = palloc(VARHDRSZ + PZ_PART_LEN * chain->nparts);
	char	   *at = VARDATA(result);
	int			i;

	SET_VARSIZE(result, VARHDRSZ + PZ_PART_LEN * chain->nparts);
	for (i = 0; i < chain->nparts; i++, at += PZ_PART_LEN)
	{
		uint64		period_no = pg_hton64((uint64) chain->parts[i].period_no);
		uint32		entries = pg_hton32((uint32) chain->parts[i].entries);

		memcpy(at, &period_no, 8);
		memcpy(at + 8, &entries, 4);
		memcpy(at + 12, chain->parts[i].state, PZ_CHAIN_LEN);
	}
	return result;
}

/* Part i (from 0) of a batch; false if there is none. */
bool
pz_chain_read_part(const struct varlena *parts, int i, PzPart *part)
{
	const char *at = (const char *) VARDATA_ANY(parts) + PZ_PART_LEN * i;
	uint64		period_no;
	uint32		entries;

	if (VARSIZE_ANY_EXHDR(parts) < (size_t) PZ_PART_LEN * (i + 1))
		return false;
	memcpy(&period_no, at, 8);
	memcpy(&entries, at + 8, 4);
	part->period_no = (int64) pg_ntoh64(period_no);
	part->entries = (int32) pg_ntoh32(entries);
	memcpy(part->state, at + 12, PZ_CHAIN_LEN);
	return true;
}

/* The rows of a part were dropped: take it as it stands in the batch. */
void
pz_chain_give_part(PzChain *chain, const PzPart *given)
{
	PzPart	   *part = chain_part(chain, given->period_no);

	*part = *given;
	chain->entries += given->entries;
	chain->total += given->entries;
}

/*
 * End a batch: chain its own row, of which values are PZ_BATCH_NCOLUMNS, over
 * the head before it.  The head is then in chain->head.
 */
void
pz_chain_end_batch(PzChain *chain, const Datum *values)
{
	chain_start(chain, PZ_CHAIN_BATCH, PZ_BATCH_NCOLUMNS, pz_batch_types, values, NULL);
	chain_hash(chain, chain->head, PZ_CHAIN_LEN, chain->head);
	chain->batch_no = DatumGetInt64(values[0]);
	chain->entries = 0;
	chain->nparts = 0;
}

/*
 * Salted digests of the texts of a note (PZ_NOTE_COLUMNS), of which some may
 * be NULL, to digest[PZ_NOTE_LEN].  Each has a salt of its own, salt being
 * PZ_NOTE_SALT_LEN bytes for each: erasure takes a text away with its salt, and
 * the others can still be checked.
 */
void
pz_chain_note_digest(PzChain *chain, const uint8 *salt, const char *const *texts, uint8 *digest)
{
	int			i;

	for (i = 0; i < PZ_NOTE_TEXTS; i++)
	{
		resetStringInfo(&chain->row);
		if (texts[i] == NULL)
			appendStringInfoChar(&chain->row, 0);
		else
			chain_put_bytes(chain, texts[i], (int) strlen(texts[i]));
		chain_hash(chain, salt + i * PZ_NOTE_SALT_LEN, PZ_NOTE_SALT_LEN, digest + i * PZ_CHAIN_LEN);
	}
}

/*
 * SHA-256 over some bytes, to digest[PZ_CHAIN_LEN]; nothing to do with the
 * state of the chain.
 */
void
pz_chain_digest(PzChain *chain, const void *data, int len, uint8 *digest)
{
	resetStringInfo(&chain->row);
	chain_hash(chain, data, len, digest);
}
