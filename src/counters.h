/*-------------------------------------------------------------------------
 *
 * counters.h
 *	  What is counted of uses in each database: the view personalize.stat_uses.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PZ_COUNTERS_H
#define PZ_COUNTERS_H

#include "compat.h"

/* What is counted; the columns of the view, in their order */
typedef enum PzCounter
{
	PZ_COUNT_ENDED,				/* uses by how they ended */
	PZ_COUNT_FAILED,
	PZ_COUNT_REFUSED,
	PZ_COUNT_ROWS_USED,
	PZ_COUNT_ROWS_WITHHELD,
	PZ_COUNT_FLUSHES,			/* records that a use has waited for to be on disk */
	PZ_COUNT_LEDGER,			/* questions about a person to the ledger */
	PZ_NCOUNTERS
} PzCounter;

#ifdef PZ_CUSTOM_STATISTICS
extern uint64 pz_counters[PZ_NCOUNTERS];	/* of this process, and not told yet */

/* Count.  Works everywhere, also while a transaction aborts. */
static inline void
pz_count(PzCounter counter, uint64 n)
{
	pz_counters[counter] += n;
	pgstat_report_fixed = true;
}
#else
#define pz_count(counter, n)	((void) 0)
#endif

extern void pz_counters_init(void);

#endif							/* PZ_COUNTERS_H */
