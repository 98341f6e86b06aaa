/*-------------------------------------------------------------------------
 *
 * enforce_plan.c
 *	  Check a finished plan: every scan of a protected relation carries the
 *	  row check, whoever made the plan and whenever.
 *
 * Runs at ExecutorStart, so that it also sees cached plans, plans of other
 * planners and partitions that inheritance brought in.  One walk closes whole
 * families of holes; it also finds out which relations the plan uses.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "catalog/pg_inherits.h"
#include "executor/execdesc.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "nodes/pathnodes.h"
#include "nodes/plannodes.h"
#include "optimizer/optimizer.h"
#include "tcop/dest.h"
#include "utils/lsyscache.h"

#include "compat.h"
#include "enforce.h"
#include "enforce_lineage.h"
#include "enforce_mark.h"
#include "errors.h"
#include "registry.h"

typedef struct InspectContext
{
	PlannedStmt *pstmt;
	bool		trusted;		/* referential integrity: a scan without check is right */
	List	   *uses;			/* PzPlanUse */
	List	  **purposes;		/* by range table index - 1, int: purposes that the entry is read for */
	Bitmapset  *inserted;		/* entries that are only inserted into */
} InspectContext;

static void inspect_plan(Plan *plan, InspectContext *context);

/*
 * Note that an entry, and those it was expanded from, is read for a purpose.
 */
static void
note_purpose(InspectContext *context, Index rti, int32 purpose_id)
{
	ListCell   *lc;

	context->purposes[rti - 1] = list_append_unique_int(context->purposes[rti - 1], purpose_id);
	foreach(lc, context->pstmt->appendRelations)
	{
		AppendRelInfo *info = lfirst_node(AppendRelInfo, lc);

		if (info->child_relid == rti && info->parent_relid != rti)
			note_purpose(context, info->parent_relid, purpose_id);
	}
}

/* Add a path of a relation, checked by mark on entry rti, to the uses. */
static void
add_use(InspectContext *context, const PzPath *path, const PzMark *mark, Index rti)
{
	PzPlanUse  *use = NULL;
	List	   *masked = NIL;
	ListCell   *lc;
	int			i;

	note_purpose(context, rti, mark->purpose_id);
	for (i = 0; i < mark->nmasked; i++)
		masked = lappend_int(masked, mark->masked[i]);
	foreach(lc, context->uses)
	{
		PzPlanUse  *u = lfirst(lc);

		if (u->rel->relid == path->relid && u->purpose_id == mark->purpose_id)
			use = u;
	}
	if (use == NULL)
	{
		const PzRelation *rel = pz_registry_relation(path->relid);

		if (rel == NULL)
			ereport(ERROR,
					(errcode(PZ_ERR_STATE),
					 errmsg("the registry of protected relations changed while a statement was made ready"),
					 errhint("Run the statement again.")));
		use = palloc0(sizeof(PzPlanUse));
		use->rel = rel;
		use->purpose_id = mark->purpose_id;
		use->masked = masked;
		context->uses = lappend(context->uses, use);
	}
	else
		use->masked = list_intersection_int(use->masked, masked);
	use->paths = list_append_unique_int(use->paths, path->path_id);
	if (!use->is_noted || mark->noting == PZ_NOTE_CHECK)
		use->noting = mark->noting;
	else if (use->noting != PZ_NOTE_CHECK)
		use->noting = Max(use->noting, mark->noting);
	use->is_noted = true;
	use->tapped = use->tapped || pz_noting_is_tapped(mark->noting);
}

/* What find_checks looks for */
typedef struct FindContext
{
	Index		scanrelid;
	int32		path_id;
} FindContext;

/* Does an expression hold a column of the scan? */
static bool
has_scan_var(Node *node, void *context)
{
	FindContext *find = context;

	if (node == NULL)
		return false;
	if (IsA(node, Var))
		return ((Var *) node)->varno == find->scanrelid || ((Var *) node)->varno == INDEX_VAR;
	return expression_tree_walker(node, has_scan_var, context);
}

/*
 * The checks of a path among (ANDed) quals of a scan (FuncExpr): one for each
 * purpose that the scan is for.
 */
static List *
find_checks(List *quals, FindContext *find)
{
	List	   *checks = NIL;
	ListCell   *lc;

	foreach(lc, quals)
		if (pz_mark_is_row_check(lfirst(lc), find->path_id) &&
			has_scan_var(lsecond(((FuncExpr *) lfirst(lc))->args), find))
			checks = lappend(checks, lfirst(lc));
	return checks;
}

/*
 * The key that the check of a path for a purpose reads in a scan, by columns of the
 * scan's tuple slot; NULL if the scan carries no such check.
 */
Expr *
pz_plan_check_key(Scan *scan, int32 path_id, int32 bound_purpose)
{
	FindContext find = {scan->scanrelid, path_id};
	ListCell   *lc;

	foreach(lc, find_checks(scan->plan.qual, &find))
		if (pz_mark_of_row_check(lfirst(lc))->purpose_id == bound_purpose)
			return lsecond(((FuncExpr *) lfirst(lc))->args);
	return NULL;
}

/* The same where it is one column; 0 if it is not, or there is no such check. */
AttrNumber
pz_plan_check_column(Scan *scan, int32 path_id, int32 bound_purpose)
{
	Var		   *var = pz_shape_below_casts((Node *) pz_plan_check_key(scan, path_id, bound_purpose));

	return var ? var->varattno : InvalidAttrNumber;
}

/* Is this a constant that is not true? */
static bool
is_not_true(Node *node)
{
	return node && IsA(node, Const) && (((Const *) node)->constisnull || !DatumGetBool(((Const *) node)->constvalue));
}

/*
 * Check a scan of scanrelid with these quals.  ERROR 55000 if it reads a
 * protected relation without the check.  A scan whose quals begin with false
 * returns nothing, and evaluates nothing else: the planner has found out that
 * the check's own qual, with what was put beside it, cannot be true.
 */
static void
inspect_scan(List *quals, Index scanrelid, InspectContext *context)
{
	RangeTblEntry *rte = rt_fetch(scanrelid, context->pstmt->rtable);
	const PzRelation *rel;
	int			i;

	if (rte->rtekind != RTE_RELATION)
		return;
	rel = pz_registry_relation(rte->relid);
	if (rel == NULL || (quals != NIL && is_not_true(linitial(quals))))
		return;
	for (i = 0; i < rel->npaths; i++)
	{
		FindContext find = {scanrelid, rel->paths[i].path_id};
		List	   *checks = find_checks(quals, &find);
		ListCell   *lc;

		if (checks == NIL && (context->trusted || rel->observed))
			continue;
		if (rel->broken || checks == NIL)
			ereport(ERROR,
					(errcode(PZ_ERR_STATE),
					 errmsg("refusing a plan that reads protected relation %s without its filter", rel->name),
					 errhint("Read %s directly. If it was reached through an unprotected parent, detach it from there; "
							 "otherwise reconnect and report how the statement was sent.", rel->name)));
		foreach(lc, checks)
			add_use(context, &rel->paths[i], pz_mark_of_row_check(lfirst(lc)), scanrelid);
	}
}

/*
 * A node that reads several relations at once by itself (a join that was
 * pushed down) has no place for a check.  ERROR 55000 if one is protected.
 */
static void
refuse_relids(Bitmapset *relids, InspectContext *context)
{
	int			rti = -1;

	while ((rti = bms_next_member(relids, rti)) >= 0)
	{
		RangeTblEntry *rte = rt_fetch(rti, context->pstmt->rtable);

		const PzRelation *rel = rte->rtekind == RTE_RELATION ? pz_registry_relation(rte->relid) : NULL;

		if (rel && !rel->observed)
			ereport(ERROR,
					(errcode(PZ_ERR_STATE),
					 errmsg("refusing a plan that reads protected relation %s outside the reach of its filter", rel->name),
					 errhint("Turn off the join push-down of the extension that made the plan.")));
	}
}

/*
 * ON CONFLICT DO UPDATE through an unprotected parent would read a row of a
 * protected partition: ERROR 55000.
 */
static void
refuse_protected_partition(RangeTblEntry *rte)
{
	ListCell   *lc;

	if (rte->relkind != RELKIND_PARTITIONED_TABLE)
		return;
	foreach(lc, find_all_inheritors(rte->relid, NoLock, NULL))
	{
		const PzRelation *rel = pz_registry_relation(lfirst_oid(lc));

		if (rel && !rel->observed)
			ereport(ERROR,
					(errcode(PZ_ERR_STATE),
					 errmsg("refusing a plan that updates protected relation %s without its filter", rel->name),
					 errhint("Insert into %s directly, or protect its parent.", rel->name)));
	}
}

/*
 * INSERT ... ON CONFLICT DO UPDATE reads the row that is in the way.
 */
static void
inspect_modify(ModifyTable *node, InspectContext *context)
{
	ListCell   *lc;

	if (node->operation == CMD_INSERT && node->onConflictAction != ONCONFLICT_UPDATE)
	{
		context->inserted = bms_add_member(context->inserted, node->nominalRelation);
		foreach(lc, node->resultRelations)
			context->inserted = bms_add_member(context->inserted, lfirst_int(lc));
	}
	if (node->onConflictAction != ONCONFLICT_UPDATE || context->trusted)
		return;
	foreach(lc, node->resultRelations)
	{
		RangeTblEntry *rte = rt_fetch(lfirst_int(lc), context->pstmt->rtable);
		const PzRelation *rel = pz_registry_relation(rte->relid);
		int			i;

		if (rel == NULL)
		{
			refuse_protected_partition(rte);
			continue;
		}
		for (i = 0; i < rel->npaths; i++)
		{
			FindContext find = {lfirst_int(lc), rel->paths[i].path_id};
			List	   *checks = NIL;
			ListCell   *lw;

			foreach(lw, node->withCheckOptionLists)
			{
				ListCell   *l2;

				foreach(l2, (List *) lfirst(lw))
				{
					WithCheckOption *wco = lfirst(l2);

					if (wco->kind == WCO_RLS_CONFLICT_CHECK)
						checks = list_concat(checks, find_checks(IsA(wco->qual, List) ? (List *) wco->qual :
																 list_make1(wco->qual), &find));
				}
			}
			if (checks == NIL && !rel->observed)
				ereport(ERROR,
						(errcode(PZ_ERR_STATE),
						 errmsg("refusing a plan that updates protected relation %s without its filter", rel->name),
						 errhint("Use INSERT and UPDATE instead of ON CONFLICT DO UPDATE.")));
			foreach(lw, checks)
				add_use(context, &rel->paths[i], pz_mark_of_row_check(lfirst(lw)), lfirst_int(lc));
		}
	}
}

/* Inspect every plan of a list. */
static void
inspect_list(List *plans, InspectContext *context)
{
	ListCell   *lc;

	foreach(lc, plans)
		inspect_plan((Plan *) lfirst(lc), context);
}

/* Does a one-time filter hold a constant that is not true? */
static bool
is_never(List *quals)
{
	ListCell   *lc;

	foreach(lc, quals)
		if (is_not_true(lfirst(lc)))
			return true;
	return false;
}

/*
 * Walk a plan tree.  A Limit of zero rows, or a Result whose one-time filter is
 * false, never runs what is below it, so that "LIMIT 0" and "WHERE false", by
 * which clients ask for column names, use nothing.
 */
static void
inspect_plan(Plan *plan, InspectContext *context)
{
	if (plan == NULL)
		return;
	check_stack_depth();

	switch (nodeTag(plan))
	{
		case T_SeqScan:
		case T_SampleScan:
		case T_IndexScan:
		case T_IndexOnlyScan:
		case T_BitmapHeapScan:
		case T_TidScan:
		case T_TidRangeScan:
			inspect_scan(plan->qual, ((Scan *) plan)->scanrelid, context);
			break;
		case T_ForeignScan:
			if (((Scan *) plan)->scanrelid > 0)
				inspect_scan(plan->qual, ((Scan *) plan)->scanrelid, context);
			else
				refuse_relids(((ForeignScan *) plan)->fs_relids, context);
			break;
		case T_CustomScan:
			if (((Scan *) plan)->scanrelid > 0)
				inspect_scan(plan->qual, ((Scan *) plan)->scanrelid, context);
			else
				refuse_relids(((CustomScan *) plan)->custom_relids, context);
			inspect_list(((CustomScan *) plan)->custom_plans, context);
			break;
		case T_Append:
			inspect_list(((Append *) plan)->appendplans, context);
			break;
		case T_MergeAppend:
			inspect_list(((MergeAppend *) plan)->mergeplans, context);
			break;
		case T_SubqueryScan:
			inspect_plan(((SubqueryScan *) plan)->subplan, context);
			break;
		case T_ModifyTable:
			inspect_modify((ModifyTable *) plan, context);
			break;
		case T_Limit:
			{
				Node	   *count = ((Limit *) plan)->limitCount;

				if (count && IsA(count, Const) && !((Const *) count)->constisnull &&
					DatumGetInt64(((Const *) count)->constvalue) == 0)
					return;
			}
			break;
		case T_Result:
			if (is_never((List *) ((Result *) plan)->resconstantqual))
				return;
			break;
		default:
			break;
	}
	inspect_plan(plan->lefttree, context);
	inspect_plan(plan->righttree, context);
}

/* Has a child columns that the registered relation does not have? */
static bool
has_own_columns(const PzRelation *rel)
{
	int			i;

	for (i = 0; rel->relid != rel->root && i < rel->ncolumns; i++)
		if (rel->columns[i].name && get_attnum(rel->root, rel->columns[i].name) == InvalidAttrNumber)
			return true;
	return false;
}

/*
 * Note which columns of a used relation the query names, for which purpose.
 * Child entries that the planner made name none of their own; a child that was
 * named is mapped to the registered relation by column names.  The columns of
 * an entry that is not scanned (its join was removed, or it was joined with
 * itself) count for every use of the relation; those of one that is only
 * inserted into are the client's own.
 */
static void
collect_columns(InspectContext *context)
{
	List	   *perminfos = pz_plan_perminfos_compat(context->pstmt);
	int			rti = 0;
	ListCell   *lc;

	foreach(lc, context->pstmt->rtable)
	{
		RangeTblEntry *rte = lfirst_node(RangeTblEntry, lc);
		const PzRelation *rel;
		Bitmapset  *selected;
		Bitmapset  *inserted;
		Bitmapset  *updated;
		Bitmapset  *all;
		List	   *purposes;
		ListCell   *lu;

		rti++;
		if (rte->rtekind != RTE_RELATION || bms_is_member(rti, context->inserted))
			continue;
		rel = pz_registry_relation(rte->relid);
		if (rel == NULL)
			continue;
		pz_rte_columns_compat(rte, perminfos, &selected, &inserted, &updated);
		all = bms_union(selected, updated);
		purposes = context->purposes[rti - 1];
		foreach(lu, context->uses)
		{
			PzPlanUse  *use = lfirst(lu);
			int			bit = -1;

			if (use->rel->relid != rel->root ||
				(purposes != NIL && !list_member_int(purposes, use->purpose_id)))
				continue;
			while ((bit = bms_next_member(all, bit)) >= 0)
			{
				AttrNumber	attnum = bit + FirstLowInvalidHeapAttributeNumber;

				if (attnum == InvalidAttrNumber)
				{
					use->whole_row = true;
					use->unmapped = use->unmapped || has_own_columns(rel);
				}
				else if (attnum < 0)
					continue;
				else if (rel->relid == rel->root)
					use->columns = bms_add_member(use->columns, bit);
				else if (attnum <= rel->ncolumns && rel->columns[attnum - 1].name)
				{
					attnum = get_attnum(rel->root, rel->columns[attnum - 1].name);
					if (attnum != InvalidAttrNumber)
						use->columns = bms_add_member(use->columns, attnum - FirstLowInvalidHeapAttributeNumber);
					else
						use->unmapped = true;
				}
			}
		}
	}
}

/* Does a statement write to a partitioned table? */
static bool
has_partitioned_target(PlannedStmt *pstmt)
{
	ListCell   *lc;

	foreach(lc, pstmt->resultRelations)
		if (rt_fetch(lfirst_int(lc), pstmt->rtable)->relkind == RELKIND_PARTITIONED_TABLE)
			return true;
	return false;
}

/*
 * Can a plan without checks be right, because referential integrity runs it?
 * The security context says so; the plan must read relations only and return
 * nothing.  (Whether its query was one of referential integrity was judged
 * when it was planned; any other query got its checks then.)
 */
static bool
is_ri_plan(PlannedStmt *pstmt, bool may_be_ri)
{
	ListCell   *lc;

	if (!may_be_ri || (pstmt->subplans != NIL && !PZ_HAS_PERIODS) || pstmt->hasReturning || pstmt->hasModifyingCTE)
		return false;
	foreach(lc, pstmt->rtable)
	{
		RangeTblEntry *rte = lfirst_node(RangeTblEntry, lc);

		/* the partner of ADD FOREIGN KEY's query stands in a join, periods in a sub-select */
		if (rte->rtekind != RTE_RELATION && rte->rtekind != RTE_JOIN && !(rte->rtekind == RTE_SUBQUERY && PZ_HAS_PERIODS))
			return false;
	}
	return true;
}

/*
 * Check a plan and list the protected relations it uses (PzPlanUse, in the
 * current memory context); NIL if none.  may_be_ri: it runs where PostgreSQL
 * runs referential integrity, which goes without checks.  ERROR 55000 for a
 * plan that could show an unchecked row.
 */
List *
pz_plan_inspect(PlannedStmt *pstmt, bool may_be_ri)
{
	InspectContext context = {pstmt, is_ri_plan(pstmt, may_be_ri), NIL, NULL, NULL};
	ListCell   *lc;
	bool		any = false;

	/* not relationOids: constants of type oid are among these */
	foreach(lc, pstmt->rtable)
	{
		RangeTblEntry *rte = lfirst_node(RangeTblEntry, lc);

		if (rte->rtekind == RTE_RELATION && pz_registry_relation(rte->relid) != NULL)
		{
			any = true;
			break;
		}
	}
	if (!any && !has_partitioned_target(pstmt))
		return NIL;

	context.purposes = palloc0(sizeof(List *) * list_length(pstmt->rtable));
	inspect_plan(pstmt->planTree, &context);
	inspect_list(pstmt->subplans, &context);
	if (context.uses)
		collect_columns(&context);
	return context.uses;
}

/*
 * Refuse, in a plan tree, whatever changes a line of an append-only table.
 */
static void
refuse_ledger_changes(Plan *plan, PlannedStmt *pstmt)
{
	ListCell   *lc;

	if (plan == NULL || !IsA(plan, ModifyTable))
		return;					/* it stands at the top of a tree or of a CTE */
	if (((ModifyTable *) plan)->operation == CMD_INSERT &&
		((ModifyTable *) plan)->onConflictAction != ONCONFLICT_UPDATE)
		return;
	foreach(lc, ((ModifyTable *) plan)->resultRelations)
	{
		RangeTblEntry *rte = rt_fetch(lfirst_int(lc), pstmt->rtable);

		if (pz_registry_append_only(rte->relid))
			ereport(ERROR,
					(errcode(PZ_ERR_REFUSED),
					 errmsg("relation \"%s\" is append-only", get_rel_name(rte->relid)),
					 errhint("Record a new event with the functions of schema %s; "
							 "personalize.erase_subject() removes what names a person.", PZ_SCHEMA)));
	}
}

/*
 * Refuse changes of lines of the ledger and the record of use, also to a
 * superuser: ERROR 42501.  Erasure unlocks them for its own statements.
 */
void
pz_plan_check_append_only(PlannedStmt *pstmt)
{
	ListCell   *lc;

	if (pstmt->resultRelations == NIL)
		return;
	refuse_ledger_changes(pstmt->planTree, pstmt);
	foreach(lc, pstmt->subplans)
		refuse_ledger_changes((Plan *) lfirst(lc), pstmt);
}
