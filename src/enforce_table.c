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

#include "access/relation.h"
#include "catalog/heap.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

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

/*
 * Is a relation that is to be truncated empty?  Nothing goes then: a parallel
 * pg_restore truncates what it has just made, when the registry may be there
 * already.  Only whoever may truncate it learns that; for them it stays locked.
 */
bool
pz_table_empty(Oid relid)
{
	char		relkind = get_rel_relkind(relid);
	Relation	rel;
	bool		empty;

	/* its partitions are looked at one by one */
	if (relkind == RELKIND_PARTITIONED_TABLE)
		return true;
	if (relkind != RELKIND_RELATION ||
		(!pz_owns_relation_compat(relid, GetUserId()) && pg_class_aclcheck(relid, GetUserId(), ACL_TRUNCATE) != ACLCHECK_OK))
		return false;
	rel = try_relation_open(relid, AccessExclusiveLock);
	if (rel == NULL)
		return false;
	empty = RelationGetNumberOfBlocks(rel) == 0;
	relation_close(rel, NoLock);
	return empty;
}

/* The relations that TRUNCATE names, with their children and, if asked, all that refer to them. */
List *
pz_table_truncated(TruncateStmt *stmt)
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

	foreach(lc, pz_table_truncated(stmt))
	{
		const PzRelation *rel;

		pz_table_settle(lfirst_oid(lc));
		rel = pz_registry_relation(lfirst_oid(lc));
		if (rel && !rel->observed && !pz_enforce_sees_all() && !pz_table_empty(lfirst_oid(lc)))
		{
			rel = pz_registry_relation(lfirst_oid(lc));
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
