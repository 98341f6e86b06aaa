/*-------------------------------------------------------------------------
 *
 * enforce_table.c
 *	  Commands that reach all rows of a protected relation without a plan, now
 *	  or later: TRUNCATE and CREATE TRIGGER.
 *
 * TRUNCATE takes away rows that the role may not even see.  Whoever states a
 * built-in purpose and holds it sees them all and may.
 *
 * A trigger is shown whole rows, masked cells among them.  GRANT ALL gives the
 * right to make one to applications; here only the owner and privacy officers
 * have it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/heap.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"

#include "compat.h"
#include "enforce.h"
#include "errors.h"
#include "registry.h"

/*
 * Wait for whoever is about to change the protection of a relation, if the
 * role could go on after: protect() holds an exclusive lock until it commits.
 */
void
pz_table_settle(Oid relid)
{
	if (!pz_owns_relation_compat(relid, GetUserId()) &&
		pg_class_aclcheck(relid, GetUserId(), ACL_TRUNCATE) != ACLCHECK_OK &&
		pg_class_aclcheck(relid, GetUserId(), ACL_TRIGGER) != ACLCHECK_OK)
		return;
	LockRelationOid(relid, AccessShareLock);
	UnlockRelationOid(relid, AccessShareLock);
}

/* The relations that TRUNCATE names, with their children and, if asked, all that refer to them. */
static List *
truncated_relations(TruncateStmt *stmt)
{
	List	   *relids = NIL;
	ListCell   *lc;
	int			before;

	foreach(lc, stmt->relations)
	{
		RangeVar   *rv = lfirst_node(RangeVar, lc);
		Oid			relid = RangeVarGetRelid(rv, NoLock, true);

		if (!OidIsValid(relid))
			continue;
		if (rv->inh)
			relids = list_concat_unique_oid(relids, find_all_inheritors(relid, NoLock, NULL));
		else
			relids = list_append_unique_oid(relids, relid);
	}
	if (stmt->behavior == DROP_CASCADE)
	{
		do
		{
			before = list_length(relids);
			relids = list_concat_unique_oid(relids, heap_truncate_find_FKs(relids));
		} while (list_length(relids) > before);
	}
	return relids;
}

/*
 * Refuse TRUNCATE of a protected relation, unless a built-in purpose is stated
 * and held: ERROR 42501.
 */
void
pz_table_check_truncate(TruncateStmt *stmt)
{
	ListCell   *lc;

	foreach(lc, truncated_relations(stmt))
	{
		const PzRelation *rel;

		pz_table_settle(lfirst_oid(lc));
		rel = pz_registry_relation(lfirst_oid(lc));
		if (rel && !rel->observed && !pz_enforce_sees_all())
		{
			pz_refuse_command(rel, "TRUNCATE");
			ereport(ERROR,
					(errcode(PZ_ERR_REFUSED),
					 errmsg("cannot truncate protected relation %s", rel->name),
					 errhint("DELETE removes the rows that your purpose may use. To empty the relation, state the purpose "
							 "'break_glass', or have a privacy officer call personalize.unprotect().")));
		}
	}
}

/*
 * Refuse CREATE TRIGGER on a protected relation to whoever neither owns it nor
 * is a privacy officer: ERROR 42501.
 */
void
pz_table_check_trigger(CreateTrigStmt *stmt)
{
	Oid			relid = RangeVarGetRelid(stmt->relation, NoLock, true);

	if (OidIsValid(relid))
		pz_table_settle(relid);
	/* what was looked at when that began would not be what it meets */
	if (OidIsValid(relid) && pz_registry_guards(relid) && pz_frame_current() != NULL)
		ereport(ERROR,
				(errcode(PZ_ERR_STATE),
				 errmsg("cannot make a trigger on protected relation %s while a statement uses protected relations",
						pz_registry_relation(relid)->name),
				 errhint("Make it in a statement of its own.")));
	if (OidIsValid(relid) && pz_registry_guards(relid) && !pz_owns_relation_compat(relid, GetUserId()) &&
		!pz_within_has_duty("officer"))
	{
		pz_refuse_command(pz_registry_relation(relid), "CREATE TRIGGER");
		ereport(ERROR,
				(errcode(PZ_ERR_REFUSED),
				 errmsg("cannot make a trigger on protected relation %s", pz_registry_relation(relid)->name),
				 errhint("A trigger is shown whole rows. Ask the owner of the relation or a privacy officer.")));
	}
}
