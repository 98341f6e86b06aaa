/*-------------------------------------------------------------------------
 *
 * consent_quiet.c
 *	  Look into the ledger without counting it.
 *
 * PostgreSQL evaluates conditions that leak nothing before the row check.  If
 * the check's look at the ledger were counted, the counters of one's own session
 * (pg_stat_get_xact_numscans(), blks_hit of the database) would tell whether a
 * withheld row has met them.  So counters are put back to what they were, and
 * what a session has to learn from the catalogs before its first look is learnt
 * when a statement starts.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "compat.h"
#include "consent.h"

/* A look begins. */
void
pz_quiet_begin(PzQuiet *quiet)
{
	quiet->n = 0;
	quiet->buffers = pgBufferUsage;
}

/* It looks into a relation or an index that was opened, and has read nothing of it yet. */
void
pz_quiet_watch(PzQuiet *quiet, Relation rel)
{
	if (!pgstat_should_count_relation(rel))
		return;
	Assert(quiet->n < lengthof(quiet->rels));
	quiet->rels[quiet->n] = rel;
	quiet->counts[quiet->n++] = pz_counts_compat(rel);
}

/* The look is over; what was watched is still open. */
void
pz_quiet_end(PzQuiet *quiet)
{
	int			i;

	for (i = 0; i < quiet->n; i++)
		pz_counts_compat(quiet->rels[i]) = quiet->counts[i];
	pgBufferUsage = quiet->buffers;
}
