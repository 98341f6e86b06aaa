/*-------------------------------------------------------------------------
 *
 * enforce_statistics.c
 *	  What PostgreSQL keeps about the values of protected relations.
 *
 * ANALYZE computes most common values, histograms and the like from all rows,
 * those of people who withheld consent among them, and keeps them in
 * pg_statistic and pg_statistic_ext_data.  The planner reads these through its
 * caches; everybody else by queries, of the views pg_stats, pg_stats_ext and
 * pg_stats_ext_exprs or of the catalogs themselves.  PostgreSQL hides them
 * under row security, but neither the statistics of indexes nor anything from
 * superusers and roles with BYPASSRLS.
 *
 * So every range table entry of the two catalogs gets a security qual in
 * planner_hook, and the started plan is looked at again.  The qual is true for
 * whoever could read the relation itself as a whole: a role that states a
 * built-in purpose which it holds.  Anybody may call the function: it says
 * nothing that pg_policy does not say.
 *
 * TOAST tables hold the same values, and those of the protected relations; no
 * query may read them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/transam.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_statistic.h"
#include "catalog/pg_statistic_ext.h"
#include "catalog/pg_statistic_ext_data.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_func.h"
#include "parser/parsetree.h"
#include "storage/lmgr.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "compat.h"
#include "enforce.h"
#include "errors.h"
#include "guc.h"
#include "registry.h"
#include "shmem.h"

/*
 * Does the session state a built-in purpose that its role holds?  Then it may
 * see every row, and so what is computed from all of them.
 */
bool
pz_enforce_sees_all(void)
{
	const PzPurpose *purpose;
	bool		may_copy = false;

	if (pz_purpose == NULL || pz_purpose[0] == '\0')
		return false;
	purpose = pz_registry_purpose_by_name(pz_purpose);
	return purpose && purpose->builtin && !purpose->retired &&
		pz_registry_granted(purpose->purpose_id, GetOuterUserId(), &may_copy) &&
		!OidIsValid(pz_within_without(purpose->purpose_id, false));
}

/*
 * Is one relation protected?  Does not wait for its lock: somebody who has it
 * exclusively may be about to change the answer, which then is yes.
 */
static bool
is_protected(Oid relid)
{
	bool		result;

	if (!ConditionalLockRelationOid(relid, AccessShareLock))
		return true;
	result = SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relid)) && pz_registry_guards(relid);
	UnlockRelationOid(relid, AccessShareLock);
	return result;
}

/*
 * Does a relation hold values of a protected one: is it protected, an ancestor
 * or child of one that is, or an index on one of these?  Takes and leaves
 * AccessShareLock on what it looks at, without waiting.
 */
bool
pz_enforce_holds_protected(Oid relid)
{
	Oid			table;
	ListCell   *lc;

	if (relid < FirstNormalObjectId)
		return false;
	table = IndexGetRelation(relid, true);
	if (OidIsValid(table))
		relid = table;
	if (is_protected(relid))
		return true;
	if (!has_subclass(relid))
		return false;
	foreach(lc, find_all_inheritors(relid, NoLock, NULL))
		if (is_protected(lfirst_oid(lc)))
			return true;
	return false;
}

/* May the running session see the statistics of a relation? */
static bool
statistics_ok(Oid relid)
{
	return !pz_registry_active() || !pz_enforce_holds_protected(relid) || pz_enforce_sees_all();
}

/*
 * statistics_ok(relid): the qual of pg_statistic.
 */
PG_FUNCTION_INFO_V1(personalize_statistics_ok);
Datum
personalize_statistics_ok(PG_FUNCTION_ARGS)
{
	pz_require_preloaded();
	PG_RETURN_BOOL(statistics_ok(PG_GETARG_OID(0)));
}

/*
 * extended_statistics_ok(oid of the statistics): the qual of
 * pg_statistic_ext_data.  False for statistics that are gone.
 */
PG_FUNCTION_INFO_V1(personalize_extended_statistics_ok);
Datum
personalize_extended_statistics_ok(PG_FUNCTION_ARGS)
{
	HeapTuple	tup;
	Oid			relid;

	pz_require_preloaded();
	tup = SearchSysCache1(STATEXTOID, PG_GETARG_DATUM(0));
	if (!HeapTupleIsValid(tup))
		PG_RETURN_BOOL(false);
	relid = ((Form_pg_statistic_ext) GETSTRUCT(tup))->stxrelid;
	ReleaseSysCache(tup);
	PG_RETURN_BOOL(statistics_ok(relid));
}

/*
 * Is this one of the two catalogs that hold values?
 */
bool
pz_statistics_catalog(Oid relid)
{
	return relid == StatisticRelationId || relid == StatisticExtDataRelationId;
}

/*
 * The function that guards a catalog.  ERROR 55000 if there is none.
 */
static Oid
guard_function(Oid relid)
{
	Oid			argtype = OIDOID;
	const char *name = relid == StatisticRelationId ? "statistics_ok" : "extended_statistics_ok";
	Oid			funcid = LookupFuncName(list_make2(makeString(PZ_SCHEMA), makeString(pstrdup(name))), 1, &argtype, true);

	if (!OidIsValid(funcid))
		ereport(ERROR,
				(errcode(PZ_ERR_STATE),
				 errmsg("the SQL objects of extension \"%s\" do not match its library", PZ_EXTENSION),
				 errhint("Run ALTER EXTENSION %s UPDATE, or restart the server with the library of the installed version.",
						 PZ_EXTENSION)));
	return funcid;
}

/*
 * Does a function guard a catalog?
 */
bool
pz_statistics_is_check(Oid funcid)
{
	char	   *name;

	if (funcid < FirstNormalObjectId || get_func_namespace(funcid) != pz_registry_oids()->extension_schema)
		return false;
	name = get_func_name(funcid);
	return name != NULL && (strcmp(name, "statistics_ok") == 0 || strcmp(name, "extended_statistics_ok") == 0);
}

/* Is one of (ANDed) quals the guard of a catalog? */
static bool
has_guard(List *quals, Oid relid)
{
	Oid			funcid = guard_function(relid);
	ListCell   *lc;

	foreach(lc, quals)
	{
		FuncExpr   *f = lfirst(lc);

		if (IsA(f, FuncExpr) && f->funcid == funcid && list_length(f->args) == 1 && IsA(linitial(f->args), Var))
			return true;
	}
	return false;
}

/* Put the guard in front of the security quals of an entry. */
static void
guard_entry(RangeTblEntry *rte, Index varno)
{
	Var		   *var;

	if (has_guard(rte->securityQuals, rte->relid))
		return;
	StaticAssertStmt(Anum_pg_statistic_starelid == Anum_pg_statistic_ext_data_stxoid,
					 "both catalogs begin with the OID that is asked for");
	var = makeVar(varno, Anum_pg_statistic_starelid, OIDOID, -1, InvalidOid, 0);
	rte->securityQuals = lcons(makeFuncExpr(guard_function(rte->relid), BOOLOID, list_make1(var),
											InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL),
							   rte->securityQuals);
}

/*
 * Refuse a query of the TOAST table of a protected relation or of the
 * statistics: ERROR 42501.
 */
static void
refuse_toast(Oid toastid)
{
	Relation	pg_class = table_open(RelationRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tup;
	Oid			relid = InvalidOid;

	ScanKeyInit(&key, Anum_pg_class_reltoastrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(toastid));
	scan = systable_beginscan(pg_class, InvalidOid, false, NULL, 1, &key);
	if (HeapTupleIsValid(tup = systable_getnext(scan)))
		relid = ((Form_pg_class) GETSTRUCT(tup))->oid;
	systable_endscan(scan);
	table_close(pg_class, AccessShareLock);

	if (OidIsValid(relid) && (pz_statistics_catalog(relid) || pz_enforce_holds_protected(relid)))
		ereport(ERROR,
				(errcode(PZ_ERR_REFUSED),
				 errmsg("cannot read the TOAST table of relation \"%s\"", get_rel_name(relid)),
				 errhint("Its rows are parts of values without their subject. Read the relation itself.")));
}

/* Guard every Query in a tree. */
static bool
guard_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
	{
		Query	   *query = (Query *) node;
		Index		varno = 0;
		ListCell   *lc;

		foreach(lc, query->rtable)
		{
			RangeTblEntry *rte = lfirst_node(RangeTblEntry, lc);

			varno++;
			if (rte->rtekind != RTE_RELATION)
				continue;
			if (rte->relkind == RELKIND_TOASTVALUE)
				refuse_toast(rte->relid);
			else if (pz_statistics_catalog(rte->relid) &&
					 !(varno == query->resultRelation && query->commandType == CMD_INSERT))
				guard_entry(rte, varno);
		}
		return query_tree_walker(query, guard_walker, context, 0);
	}
	return expression_tree_walker(node, guard_walker, context);
}

/*
 * Guard the statistics in a query and everything nested in it, in place.  Call
 * in planner_hook, where something is protected.
 */
void
pz_statistics_guard(Query *query)
{
	if (query->commandType != CMD_UTILITY)
		guard_walker((Node *) query, NULL);
}

/*
 * Look for a scan of a statistics catalog without its guard: ERROR 55000.
 */
static bool
check_walker(PlanState *node, void *context)
{
	Scan	   *scan = (Scan *) node->plan;

	switch (nodeTag(scan))
	{
		case T_SeqScan:
		case T_SampleScan:
		case T_IndexScan:
		case T_IndexOnlyScan:
		case T_BitmapHeapScan:
		case T_TidScan:
		case T_TidRangeScan:
		case T_CustomScan:
			if (scan->scanrelid > 0)
			{
				RangeTblEntry *rte = rt_fetch(scan->scanrelid, node->state->es_range_table);

				if (rte->rtekind == RTE_RELATION && pz_statistics_catalog(rte->relid) &&
					!has_guard(scan->plan.qual, rte->relid))
					ereport(ERROR,
							(errcode(PZ_ERR_STATE),
							 errmsg("refusing a plan that reads \"%s\" without its filter", get_rel_name(rte->relid)),
							 errhint("Reconnect; if it happens again, report how the statement was sent.")));
			}
			break;
		default:
			break;
	}
	return planstate_tree_walker(node, check_walker, context);
}

/*
 * Look at a started plan again, whoever made it and whenever.  ERROR 55000 if
 * it reads statistics past the guard.
 */
void
pz_statistics_check_plan(QueryDesc *queryDesc)
{
	ListCell   *lc;

	foreach(lc, queryDesc->plannedstmt->relationOids)
	{
		if (pz_statistics_catalog(lfirst_oid(lc)))
		{
			check_walker(queryDesc->planstate, NULL);
			return;
		}
	}
}
