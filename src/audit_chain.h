/*-------------------------------------------------------------------------
 *
 * audit_chain.h
 *	  The chain over the rows of the audit.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PZ_AUDIT_CHAIN_H
#define PZ_AUDIT_CHAIN_H

#include "access/xlogdefs.h"
#include "common/cryptohash.h"
#include "lib/stringinfo.h"

#include "shmem.h"

/* Reason of a gap: why verify_audit() is not content without a newer anchor */
#define PZ_CHAIN_CHANGED "the head of the record is not the one that was written"

#define PZ_CHAIN_LEN	32		/* bytes of a SHA-256 */
#define PZ_NOTE_TEXTS	4		/* PZ_NOTE_COLUMNS */
#define PZ_NOTE_SALT_LEN 16	/* for each text */
#define PZ_NOTE_LEN	(PZ_CHAIN_LEN * PZ_NOTE_TEXTS)	/* bytes of the digests of a note */

/* Kinds of rows, in the order in which a batch chains them */
#define PZ_CHAIN_TEMPLATE 't'
#define PZ_CHAIN_CHUNK	'c'
#define PZ_CHAIN_USE	'u'
#define PZ_CHAIN_MORE	'm'
#define PZ_CHAIN_GAP	'g'
#define PZ_CHAIN_DROPPED 'd'
#define PZ_CHAIN_BATCH	'b'		/* ends a batch */

/* What is chained of a table, in this order; two more columns say batch_no and link */
#define PZ_CHUNK_COLUMNS "usage_id, part, chunk, members"
#define PZ_TEMPLATE_COLUMNS \
	"template_id, db_role, session_role, purpose_id, purpose, legal_basis, relation, relation_name, columns, " \
	"categories, query_id, query, reason"
#define PZ_USE_COLUMNS \
	"usage_id, session_id, use_no, last_seq, started_at, ended_at, template_id, note_id, rows_used, " \
	"rows_withheld, subjects_used, boot_id, everybody_id, pid, status, precision"
#define PZ_MORE_COLUMNS "usage_id, last_seq, ended_at, rows_used, rows_withheld, subjects_added"
#define PZ_GAP_COLUMNS "gap_id, noticed_at, from_lsn, to_lsn, reason"
#define PZ_NOTE_COLUMNS "app_user, application_name, pg_catalog.host(client_addr), context"
#define PZ_DROPPED_COLUMNS "drop_no, dropped_at, keep_from, ended_at, lsn, system_identifier, last_batch, total, head"
#define PZ_BATCH_COLUMNS "batch_no, lsn, made_at, entries, total, parts"

#define PZ_CHUNK_NCOLUMNS	4
#define PZ_TEMPLATE_NCOLUMNS 13
#define PZ_USE_NCOLUMNS		16
#define PZ_MORE_NCOLUMNS	6
#define PZ_GAP_NCOLUMNS		5
#define PZ_DROPPED_NCOLUMNS	9
#define PZ_BATCH_NCOLUMNS	6

extern const Oid pz_chunk_types[PZ_CHUNK_NCOLUMNS + 2];
extern const Oid pz_template_types[PZ_TEMPLATE_NCOLUMNS + 2];
extern const Oid pz_use_types[PZ_USE_NCOLUMNS + 2];
extern const Oid pz_more_types[PZ_MORE_NCOLUMNS + 2];
extern const Oid pz_gap_types[PZ_GAP_NCOLUMNS];
extern const Oid pz_dropped_types[PZ_DROPPED_NCOLUMNS];
extern const Oid pz_batch_types[PZ_BATCH_NCOLUMNS];

#define PZ_PERIOD_IDS	INT64CONST(100000000000)	/* numbers of uses, templates and notes in a period */
#define PZ_PERIOD_NONE	(-1)	/* rows that do not go with a period */
#define PZ_PART_LEN		(8 + 4 + PZ_CHAIN_LEN)	/* bytes of a part in audit_batch.parts */

/* The rows of one period in a batch: a chain of their own, which begins at the head before the batch */
typedef struct PzPart
{
	int64		period_no;
	int32		entries;
	uint8		state[PZ_CHAIN_LEN];
} PzPart;

typedef struct PzChain
{
	int64		batch_no;		/* of the last batch, 0: none */
	int64		total;			/* rows since the beginning */
	int32		entries;		/* rows since the last batch */
	uint8		head[PZ_CHAIN_LEN]; /* state after the last batch; all zero at the beginning */
	int			nparts;			/* of the batch at hand, by their number */
	int			parts_space;
	PzPart	   *parts;
	StringInfoData row;			/* canonical form of the row at hand */
	pg_cryptohash_ctx *hash;
} PzChain;

/* audit_chain.c: the chain as such */
extern void pz_chain_init(PzChain *chain);
extern void pz_chain_free(PzChain *chain);
extern int64 pz_chain_row(PzChain *chain, char kind, int n, const Oid *types,
						  const Datum *values, const bool *nulls);
extern int64 pz_chain_use(PzChain *chain, const Datum *values, const bool *nulls,
						  const uint8 *note_digest, const int64 *numbers, int nnumbers);
extern void pz_chain_digest(PzChain *chain, const void *data, int len, uint8 *digest);
extern int64 pz_chain_period(char kind, int64 id);
extern bytea *pz_chain_parts(const PzChain *chain);
extern void pz_chain_give_part(PzChain *chain, const PzPart *part);
extern bool pz_chain_read_part(const struct varlena *parts, int i, PzPart *part);
extern void pz_chain_end_batch(PzChain *chain, const Datum *values);
extern void pz_chain_note_digest(PzChain *chain, const uint8 *salt, const char *const *texts, uint8 *digest);

/* audit_chain_store.c: for the worker, inside SPI */
extern int64 pz_chain_last(uint8 *head, int64 *total, XLogRecPtr *lsn);
extern void pz_chain_load(PzChain *chain);
extern void pz_chain_adopt(PzChain *chain);
extern void pz_chain_seal(PzChain *chain, XLogRecPtr lsn);
extern void pz_chain_committed(PzDatabase *db);
extern int64 pz_chain_written(uint8 *head);

#endif							/* PZ_AUDIT_CHAIN_H */
