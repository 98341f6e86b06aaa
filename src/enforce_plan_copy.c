/*-------------------------------------------------------------------------
 *
 * enforce_plan_copy.c
 *	  Does a statement put what it reads where consent does not reach?
 *
 * A list of what does not: what is not known to write nothing but what stands
 * in the statement, or to delete by nothing but that, is a copy.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "nodes/plannodes.h"
#include "parser/parsetree.h"

#include "compat.h"
#include "enforce.h"
#include "registry.h"

/* Does an expression hold the result of a sub-select? */
static bool
holds_subselect(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, SubPlan) || IsA(node, AlternativeSubPlan) ||
		(IsA(node, Param) && ((Param *) node)->paramkind != PARAM_EXTERN))
		return true;
	return expression_tree_walker(node, holds_subselect, context);
}

/* Does an INSERT write nothing but values that stand in the statement? */
static bool
writes_given_values(ModifyTable *node)
{
	Plan	   *source = node->plan.lefttree;

	if (node->operation != CMD_INSERT || source == NULL || source->lefttree != NULL ||
		!(IsA(source, Result) || IsA(source, ValuesScan)))
		return false;
	return !holds_subselect((Node *) source->targetlist, NULL) &&
		!holds_subselect((Node *) source->qual, NULL) &&
		!holds_subselect((Node *) node->withCheckOptionLists, NULL) &&
		!(IsA(source, Result) && holds_subselect(((Result *) source)->resconstantqual, NULL)) &&
		!(IsA(source, ValuesScan) && holds_subselect((Node *) ((ValuesScan *) source)->values_lists, NULL)) &&
		!holds_subselect((Node *) node->onConflictSet, NULL) && !holds_subselect(node->onConflictWhere, NULL);
}

/* Are partitions left out by what turns out while the plan runs? */
static bool
prunes_by_results(Append *append, PlannedStmt *pstmt)
{
	PartitionPruneInfo *info = pz_prune_info_compat(append, pstmt);
	ListCell   *lc;
	ListCell   *lc2;

	if (info == NULL)
		return false;
	foreach(lc, info->prune_infos)
		foreach(lc2, (List *) lfirst(lc))
			if (((PartitionedRelPruneInfo *) lfirst(lc2))->exec_pruning_steps != NIL)
				return true;
	return false;
}

/*
 * Does a plan choose rows by nothing but themselves and given values: is it a
 * scan of one relation, or of its partitions, without the result of a
 * sub-select?
 */
static bool
scans_given_rows(Plan *source, PlannedStmt *pstmt)
{
	List	   *quals = NIL;
	ListCell   *lc;

	if (source == NULL || source->righttree != NULL || source->initPlan != NIL)
		return false;
	check_stack_depth();
	switch (nodeTag(source))
	{
		case T_Append:
			if (prunes_by_results((Append *) source, pstmt))
				return false;
			foreach(lc, ((Append *) source)->appendplans)
				if (!scans_given_rows(lfirst(lc), pstmt))
					return false;
			break;
		case T_SeqScan:
			break;
		case T_IndexScan:
			quals = ((IndexScan *) source)->indexqualorig;
			break;
		case T_BitmapHeapScan:
			quals = ((BitmapHeapScan *) source)->bitmapqualorig;
			break;
		case T_TidScan:
			quals = ((TidScan *) source)->tidquals;
			break;
		default:
			return false;
	}
	return !holds_subselect((Node *) source->qual, NULL) && !holds_subselect((Node *) quals, NULL);
}

/* Does a DELETE choose its rows by nothing but themselves and given values? */
static bool
deletes_given_rows(ModifyTable *node, PlannedStmt *pstmt)
{
	return node->operation == CMD_DELETE && scans_given_rows(node->plan.lefttree, pstmt);
}

/*
 * Add to *targets what a plan tree writes to that is not protected, or that
 * keeps what it is given under another person or category.  Deleting rows by what
 * a protected relation says keeps it, too: in those that are left.
 */
static void
add_targets(Plan *plan, PlannedStmt *pstmt, List **targets)
{
	ModifyTable *node = (ModifyTable *) plan;
	ListCell   *lc;
	bool		given;

	if (plan == NULL || !IsA(plan, ModifyTable) || deletes_given_rows(node, pstmt))
		return;					/* it stands at the top of a tree or of a CTE */
	given = writes_given_values(node);
	if (given && node->onConflictSet == NIL)
		return;
	foreach(lc, node->resultRelations)
	{
		RangeTblEntry *rte = rt_fetch(lfirst_int(lc), pstmt->rtable);

		/* a view keeps nothing: a trigger of its has the rows, and what that does is looked at */
		if ((pz_registry_guards(rte->relid) ? pz_plan_mixes(node, pstmt, rte->relid, given) :
			 !given && rte->relkind != RELKIND_VIEW))
		{
			Index		named = node->rootRelation > 0 ? node->rootRelation : lfirst_int(lc);

			*targets = list_append_unique_oid(*targets, rt_fetch(named, pstmt->rtable)->relid);
		}
	}
}

/*
 * Relations that a statement copies into, as it names them (OIDs): that are not
 * protected, or mix what was protected apart; without those that the command it
 * belongs to makes.
 */
List *
pz_plan_copy_targets(QueryDesc *queryDesc)
{
	PlannedStmt *pstmt = queryDesc->plannedstmt;
	List	   *targets = NIL;
	ListCell   *lc;

	add_targets(pstmt->planTree, pstmt, &targets);
	foreach(lc, pstmt->subplans)
		add_targets(lfirst(lc), pstmt, &targets);
	return targets;
}

/*
 * Does a statement put what it reads where consent does not reach?
 */
bool
pz_plan_copies(QueryDesc *queryDesc)
{
	if (queryDesc->dest && (queryDesc->dest->mydest == DestIntoRel || queryDesc->dest->mydest == DestTransientRel))
		return true;
	return pz_plan_copy_targets(queryDesc) != NIL;
}
