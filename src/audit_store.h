/*-------------------------------------------------------------------------
 *
 * audit_store.h
 *	  What the audit worker writes into the tables of the audit.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PZ_AUDIT_STORE_H
#define PZ_AUDIT_STORE_H

#include "access/xlogdefs.h"
#include "executor/spi.h"

#include "audit_msg.h"
#include "shmem.h"

/* How far the WAL was read for this database */
typedef struct PzPosition
{
	bool		found;			/* there is a position of this database and cluster */
	bool		other_cluster;	/* there is one, of another cluster */
	bool		genuine;		/* the worker has written it, and the last batch of the chain fits */
	bool		guessed;		/* there may be no record that begins at lsn */
	XLogRecPtr	lsn;			/* end of the last record that was read */
	TimestampTz seen_at;		/* latest time met in the WAL, 0: none */
} PzPosition;

/* audit_store.c */
extern Oid	pz_store_extension;
extern Oid	pz_store_usage_id_seq;
extern Oid	pz_store_text_seq;
extern int	pz_store_gaps;
extern void pz_store_begin(void);
extern void pz_store_end(void);
extern void pz_store_end_batch(void);
extern void pz_store_flush(void);
extern Oid	pz_store_installed(void);
extern void pz_store_gap(XLogRecPtr from, XLogRecPtr to, const char *reason);
extern int64 pz_store_crash(bool all, TimestampTz seen_at);
extern bool pz_store_sequence(const PzMsg *msg, PzDatabase *db, bool in_log);
extern void pz_store_leases(PzMsg **messages, int n);
extern uint64 pz_store_execute(SPIPlanPtr *plan, const char *statement, int n, const Oid *types,
							   Datum *values, const char *nulls);
extern Datum pz_store_value(uint64 row, int column, bool *isnull);

/* audit_position.c */
extern void pz_store_load(PzPosition *position);
extern void pz_store_position(const PzPosition *position);
extern const char *pz_store_settle(PzPosition *position, XLogRecPtr start, XLogRecPtr done, bool had_slot);

/* audit_fold.c */
extern void pz_store_batch(PzMsg **messages, int n, const PzPosition *position, PzDatabase *db);

/* audit_period.c */
extern void pz_period_before(PzMsg **messages, int n);
extern void pz_period_forget(void);
extern bool pz_period_is_dropped(uint64 lsn);
extern bool pz_period_drop_is_due(void);
extern bool pz_period_drop(void);

/* audit_rows.c */
#define PZ_ROWS_COLUMNS 18		/* most columns of a PzRows */

/* Rows of one table that are inserted together */
typedef struct PzRows
{
	const char *insert;			/* INSERT ... SELECT ... FROM unnest($1, ...) */
	int			ncolumns;
	const Oid  *types;			/* of the columns */
	void	   *plan;			/* SPIPlanPtr, kept */
	int			nrows;
	int			space;
	Datum	   *values[PZ_ROWS_COLUMNS];	/* in the context of the batch */
	bool	   *nulls[PZ_ROWS_COLUMNS];
} PzRows;

extern void pz_rows_reset(PzRows *rows);
extern int	pz_rows_add(PzRows *rows);
extern void pz_rows_set(PzRows *rows, int column, Datum value);
extern void pz_rows_set_text(PzRows *rows, int column, const char *text);
extern int *pz_rows_order(const PzRows *rows, int nkeys);
extern uint64 pz_rows_execute(PzRows *rows);

#endif							/* PZ_AUDIT_STORE_H */
