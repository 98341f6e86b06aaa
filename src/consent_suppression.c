/*-------------------------------------------------------------------------
 *
 * consent_suppression.c
 *	  People who are kept back for another reason than what they said.
 *
 * Rows of personalize.suppression: a frequency cap that is reached, an exclusion.  They
 * lie over what the ledger permits, for one purpose and until a moment; they never
 * permit.  An exclusion reaches narrower purposes, too, and one of purpose 0 all that
 * the person could say no to.  That they end is told like the end of a consent, so that the consent set asks
 * again then.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relscan.h"
#include "access/table.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "consent.h"
#include "consent_columns.h"
#include "registry.h"

/* Is a purpose another one, or narrower? */
static bool
is_below(const PzPurpose *purpose, int32 purpose_id)
{
	int			i;

	check_stack_depth();
	if (purpose->purpose_id == purpose_id)
		return true;
	for (i = 0; i < purpose->nparents; i++)
	{
		const PzPurpose *parent = pz_registry_purpose(purpose->parents[i]);

		if (parent && is_below(parent, purpose_id))
			return true;
	}
	return false;
}

/* Does a suppression of a purpose, or of all (0), keep the person back for this one? */
static bool
reaches(const char *cause, int32 purpose_id, const PzPurpose *purpose)
{
	if (strcmp(cause, "cap") == 0)
		return purpose->purpose_id == purpose_id;
	if (purpose_id == PZ_PURPOSE_NONE)
		return purpose->basis == PZ_BASIS_CONSENT || purpose->basis == PZ_BASIS_EXPLICIT_CONSENT ||
			purpose->basis == PZ_BASIS_LEGITIMATE_INTEREST;
	return is_below(purpose, purpose_id);
}

/*
 * Take away what a decision permits if the person with this number is suppressed for
 * the purpose, as snapshot and clock see it; tells the decision when that ends.
 *
 * Locks: AccessShareLock on the table while it is read.
 */
void
pz_suppression_apply(Snapshot snapshot, TimestampTz clock, int64 subject_no, const PzPurpose *purpose,
					 PzDecision *decision)
{
	const PzOids *oids = pz_registry_oids();
	Relation	rel;
	ScanKeyData skey[1];
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
	scan = systable_beginscan(rel, oids->suppression_pkey, true, snapshot, 1, skey);
	if (scan->irel)
		pz_quiet_watch(&quiet, scan->irel);
	while (HeapTupleIsValid(tup = systable_getnext(scan)))
	{
		bool		isnull;
		TimestampTz until = DatumGetTimestampTz(heap_getattr(tup, SUPPRESSION_UNTIL, RelationGetDescr(rel), &isnull));
		int32		purpose_id = DatumGetInt32(heap_getattr(tup, SUPPRESSION_PURPOSE, RelationGetDescr(rel), &isnull));
		char	   *cause = TextDatumGetCString(heap_getattr(tup, SUPPRESSION_CAUSE, RelationGetDescr(rel), &isnull));

		if (!reaches(cause, purpose_id, purpose))
			continue;
		if (until <= clock)
		{
			decision->last_end = Max(decision->last_end, until);
			continue;
		}
		if (!TIMESTAMP_IS_NOEND(until) && (decision->first_end == 0 || until < decision->first_end))
			decision->first_end = until;
		decision->permitted = false;
		decision->ncategories = 0;
		/* an exclusion says more of the person than a cap that is over soon */
		if (decision->suppressed == NULL || strcmp(cause, "exclusion") == 0)
			decision->suppressed = strcmp(cause, "cap") == 0 ? "cap" : "exclusion";
	}
	pz_quiet_end(&quiet);
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
}
