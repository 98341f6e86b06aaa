/*-------------------------------------------------------------------------
 *
 * enforce_ri_period.c
 *	  Recognise the queries of foreign keys with PERIOD (18).
 *
 * These ask whether the periods of the rows of the referenced relation, put
 * together, cover a period:
 *
 *		SELECT 1 FROM (SELECT p AS r FROM ONLY referenced x WHERE k = $1 AND
 *			p && $2 FOR KEY SHARE OF x) x1 HAVING $2 <@ range_agg(x1.r)
 *
 * or whether a row of the referring one has (a part of) a period that they do not:
 *
 *		SELECT 1 FROM ONLY referring x WHERE $1 = k AND $2 && p AND
 *			NOT coalesce((p * $2) <@ (SELECT range_agg(r) FROM (SELECT p AS r
 *				FROM ONLY referenced y WHERE $1 = k AND $2 && p ...) y2), false)
 *
 * See utils/adt/ri_triggers.c.  The periods are of types that call no function of
 * a user: it would see rows that are withheld.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/parsenodes.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"

#include "enforce.h"
#include "enforce_ri.h"

/* Is this range_agg() of the first column of the first entry? */
static bool
is_range_agg(Node *node)
{
	Aggref	   *agg = (Aggref *) node;
	Var		   *var;

	if (node == NULL || !IsA(node, Aggref) || (agg->aggfnoid != F_RANGE_AGG_ANYRANGE && agg->aggfnoid != F_RANGE_AGG_ANYMULTIRANGE) ||
		list_length(agg->args) != 1 || agg->aggfilter || agg->aggorder || agg->aggdistinct)
		return false;
	var = (Var *) linitial_node(TargetEntry, agg->args)->expr;
	return IsA(var, Var) && var->varno == 1 && var->varattno == 1 && var->varlevelsup == 0;
}

/*
 * Is this a query for the periods of the rows of a referenced relation with given keys,
 * in FROM?
 */
static bool
asks_periods(List *rtable)
{
	RangeTblEntry *rte = list_length(rtable) == 1 ? linitial_node(RangeTblEntry, rtable) : NULL;
	Query	   *query = rte && rte->rtekind == RTE_SUBQUERY ? rte->subquery : NULL;
	Bitmapset  *compared = NULL;
	AttrNumber	period = InvalidAttrNumber;
	ListCell   *lc;

	if (query == NULL || query->commandType != CMD_SELECT || query->cteList || query->hasSubLinks || query->hasAggs ||
		query->setOperations || query->hasTargetSRFs || query->limitCount || query->limitOffset || list_length(query->rtable) != 1 ||
		query->jointree == NULL)
		return false;
	rte = linitial_node(RangeTblEntry, query->rtable);
	if (rte->rtekind != RTE_RELATION || !pz_ri_only_key_equalities(query->jointree->quals, &compared, &period) || period == InvalidAttrNumber)
		return false;
	foreach(lc, query->targetList)
	{
		Var		   *var = (Var *) lfirst_node(TargetEntry, lc)->expr;

		if (!IsA(var, Var) || var->varno != 1 || var->varattno != period)
			return false;
	}
	return !pz_depend_type_calls_users(get_atttype(rte->relid, period)) && pz_ri_is_referenced_key(rte->relid, compared, period);
}

/*
 * Is a period that is given, or (attnum is valid) the part of one that a column has,
 * within those of the rows of a referenced relation?
 */
static bool
is_within_periods(Node *node, AttrNumber attnum)
{
	OpExpr	   *op = (OpExpr *) node;
	OpExpr	   *part;
	Node	   *periods;

	if (node == NULL || !IsA(node, OpExpr) || list_length(op->args) != 2 ||
		(op->opfuncid != F_RANGE_CONTAINED_BY_MULTIRANGE && op->opfuncid != F_MULTIRANGE_CONTAINED_BY_MULTIRANGE))
		return false;
	part = (OpExpr *) pz_ri_strip_casts(linitial(op->args));
	periods = lsecond(op->args);
	if (part == NULL)
		return false;
	if (attnum == InvalidAttrNumber)
		return IsA(part, Param) && is_range_agg(periods);
	if (IsA(part, OpExpr) && (part->opfuncid == F_RANGE_INTERSECT || part->opfuncid == F_MULTIRANGE_INTERSECT) && list_length(part->args) == 2)
	{
		Node	   *left = pz_ri_strip_casts(linitial(part->args));
		Node	   *right = pz_ri_strip_casts(lsecond(part->args));
		SubLink    *link = (SubLink *) periods;
		Query	   *query;

		if (left && right && IsA(left, Param))
		{
			Node	   *swap = left;

			left = right;
			right = swap;
		}
		if (!left || !right || !IsA(left, Var) || ((Var *) left)->varattno != attnum || !IsA(right, Param) ||
			!IsA(periods, SubLink) || link->subLinkType != EXPR_SUBLINK)
			return false;
		query = castNode(Query, link->subselect);
		return query->commandType == CMD_SELECT && query->cteList == NIL && !query->hasSubLinks && query->setOperations == NULL &&
			query->groupClause == NIL && query->havingQual == NULL && query->jointree->quals == NULL && list_length(query->targetList) == 1 &&
			is_range_agg((Node *) linitial_node(TargetEntry, query->targetList)->expr) && asks_periods(query->rtable);
	}
	return false;
}

/*
 * Is this a query of a foreign key with PERIOD (18): do rows of the referenced relation
 * cover a period, or has a row of the referring one a period that they do not?
 */
bool
pz_ri_is_of_period(Query *query)
{
	Bitmapset  *compared = NULL;
	AttrNumber	period = InvalidAttrNumber;
	RangeTblEntry *rte;
	List	   *quals;
	BoolExpr   *not;
	CoalesceExpr *coalesce;
	Const	   *otherwise;

	if (query->commandType != CMD_SELECT || query->jointree == NULL || query->groupClause || list_length(query->rtable) != 1 ||
		list_length(query->targetList) != 1 || !IsA(linitial_node(TargetEntry, query->targetList)->expr, Const))
		return false;
	rte = linitial_node(RangeTblEntry, query->rtable);
	if (rte->rtekind == RTE_SUBQUERY)
		return !query->hasSubLinks && query->jointree->quals == NULL && is_within_periods(query->havingQual, InvalidAttrNumber) &&
			asks_periods(query->rtable);
	if (rte->rtekind != RTE_RELATION || query->havingQual || !query->jointree->quals || !is_andclause(query->jointree->quals))
		return false;
	quals = ((BoolExpr *) query->jointree->quals)->args;
	not = llast(quals);
	if (!pz_ri_only_key_equalities((Node *) makeBoolExpr(AND_EXPR, list_copy_head(quals, list_length(quals) - 1), -1), &compared, &period) ||
		period == InvalidAttrNumber || !IsA(not, BoolExpr) || not->boolop != NOT_EXPR)
		return false;
	coalesce = linitial(not->args);
	if (!IsA(coalesce, CoalesceExpr) || list_length(coalesce->args) != 2)
		return false;
	otherwise = lsecond(coalesce->args);
	return IsA(otherwise, Const) && is_within_periods(linitial(coalesce->args), period) &&
		!pz_depend_type_calls_users(get_atttype(rte->relid, period)) &&
		pz_ri_is_foreign_key(rte->relid, compared, period, NULL, CMD_SELECT);
}
