/*-------------------------------------------------------------------------
 *
 * consent_suppression.c
 *	  People who are kept back for another reason than what they said.
 *
 * Rows of personalize.suppression: a frequency cap that is reached, an exclusion.  They
 * lie over what the ledger permits, for one purpose and until a moment; they never
 * permit.  That they end is told like the end of a consent, so that the consent set asks
 * again then.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relscan.h"
#include "access/table.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "consent.h"
#include "consent_columns.h"
#include "registry.h"

/*
 * Take away what a decision permits if the person with this number is suppressed for
 * the purpose, as snapshot and clock see it; tells the decision when that ends.
 *
 * Locks: AccessShareLock on the table while it is read.
 */
void
pz_suppression_apply(Snapshot snapshot, TimestampTz clock, int64 subject_no, int32 purpose_id, PzDecision *decision)
{
	const PzOids *oids = pz_registry_oids();
	Relation	rel;
	ScanKeyData skey[2];
	SysScanDesc scan;
	HeapTuple	tup;
	PzQuiet		quiet;

	/* what is not permitted anyway does not become so when it ends */
	if (!decision->permitted)
		return;
	rel = table_open(oids->suppression, AccessShareLock);
	pz_quiet_begin(&quiet);
	pz_quiet_watch(&quiet, rel);
	ScanKeyInit(&skey[0], SUPPRESSION_SUBJECT, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(subject_no));
	ScanKeyInit(&skey[1], SUPPRESSION_PURPOSE, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(purpose_id));
	scan = systable_beginscan(rel, oids->suppression_pkey, true, snapshot, 2, skey);
	if (scan->irel)
		pz_quiet_watch(&quiet, scan->irel);
	while (HeapTupleIsValid(tup = systable_getnext(scan)))
	{
		bool		isnull;
		TimestampTz until = DatumGetTimestampTz(heap_getattr(tup, SUPPRESSION_UNTIL, RelationGetDescr(rel), &isnull));
		char	   *cause;

		if (until <= clock)
		{
			decision->last_end = Max(decision->last_end, until);
			continue;
		}
		if (!TIMESTAMP_IS_NOEND(until) && (decision->first_end == 0 || until < decision->first_end))
			decision->first_end = until;
		decision->permitted = false;
		decision->ncategories = 0;
		cause = TextDatumGetCString(heap_getattr(tup, SUPPRESSION_CAUSE, RelationGetDescr(rel), &isnull));
		/* an exclusion says more of the person than a cap that is over soon */
		if (decision->suppressed == NULL || strcmp(cause, "exclusion") == 0)
			decision->suppressed = strcmp(cause, "cap") == 0 ? "cap" : "exclusion";
		pfree(cause);
	}
	pz_quiet_end(&quiet);
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
}
