/*-------------------------------------------------------------------------
 *
 * enforce_order.c
 *	  Have a scan evaluate nothing that could tell before its row check.
 *
 * To PostgreSQL a function that is called without a column of the relation
 * cannot leak anything, so it evaluates a condition made of such calls among
 * the first (contain_leaked_vars, order_qual_clauses).  But whether it is
 * evaluated depends on the conditions before it: its error, its side effect or
 * the time that it takes tells whether a withheld row has met these.  So in a
 * finished plan what calls a function that is not leakproof, or runs a
 * sub-select, is moved behind the checks.  The order of ANDed conditions is
 * nobody's promise.
 *
 * Conditions of an index scan are computed before rows are looked at.  Only
 * where they are looked at again for each row they are moved, too.  Of bitmaps
 * that are ANDed the next is not asked for when nothing is left of those before
 * it, so one that could tell comes first, and further ones are done without.
 * What a scan in order of a distance calculates for each row cannot be moved;
 * that is refused.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_collation.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "nodes/plannodes.h"
#include "nodes/subscripting.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "compat.h"
#include "enforce.h"
#include "enforce_mark.h"

typedef struct OrderContext
{
	PlannedStmt *pstmt;
	bool		looks_again;	/* EvalPlanQual may */
	Bitmapset  *lazy;			/* parameters that sub-selects set when they are first asked for */
} OrderContext;

/*
 * Can nobody tell whether a function was called: does it show nothing, and not
 * fail whatever it is given?  What PostgreSQL calls leakproof may fail for other
 * reasons than the values, or for values that it takes for impossible.
 */
bool
pz_order_is_quiet_function(Oid funcid)
{
	switch (funcid)
	{
			/* the area or the length may be out of range */
		case F_CIRCLE_EQ:
		case F_CIRCLE_NE:
		case F_CIRCLE_LT:
		case F_CIRCLE_LE:
		case F_CIRCLE_GT:
		case F_CIRCLE_GE:
		case F_LSEG_EQ:
		case F_LSEG_NE:
		case F_LSEG_LT:
		case F_LSEG_LE:
		case F_LSEG_GT:
		case F_LSEG_GE:
			/* the library may refuse to compute it */
		case F_MD5_TEXT:
		case F_MD5_BYTEA:
		case F_SHA224:
		case F_SHA256:
		case F_SHA384:
		case F_SHA512:
			/* not with every collation */
		case F_STARTS_WITH:
			return false;
		case F_NOW:
			return true;
		default:
			return get_func_leakproof(funcid);
	}
}

/* Can others tell when a function is called: by an error, a side effect, the time it takes? */
static bool
is_loud_function(Oid funcid, void *context)
{
	return !pz_order_is_quiet_function(funcid);
}

/*
 * Are strings to be compared of which PostgreSQL could not tell the collation?  It
 * fails then.
 */
bool
pz_order_lacks_collation(List *args, Oid collation)
{
	ListCell   *lc;

	if (OidIsValid(collation))
		return false;
	foreach(lc, args)
		if (type_is_collatable(exprType(lfirst(lc))))
			return true;
	return false;
}

/*
 * Can others tell when an expression is evaluated?  Like contain_leaked_vars()
 * of PostgreSQL, but also of what takes no column; and nothing may be in it that
 * can fail.
 */
static bool
is_loud(Node *node, void *arg)
{
	OrderContext *context = arg;

	if (node == NULL)
		return false;
	switch (nodeTag(node))
	{
		case T_Param:
			/* a variable of a procedural language is looked up when it is asked for, which can fail */
			return ((Param *) node)->paramkind != PARAM_EXEC || bms_is_member(((Param *) node)->paramid, context->lazy);
		case T_Var:
			return ((Var *) node)->varattno == 0;
		case T_ArrayExpr:
			if (((ArrayExpr *) node)->multidims)
				return true;
			break;
		case T_NullTest:
			if (((NullTest *) node)->argisrow)
				return true;
			break;
		case T_FuncExpr:
			if (pz_mark_is_check(((FuncExpr *) node)->funcid))
				return false;
			if (pz_order_lacks_collation(((FuncExpr *) node)->args, ((FuncExpr *) node)->inputcollid))
				return true;
			break;
		case T_OpExpr:
		case T_DistinctExpr:
		case T_NullIfExpr:
			if (pz_order_lacks_collation(((OpExpr *) node)->args, ((OpExpr *) node)->inputcollid))
				return true;
			break;
		case T_ScalarArrayOpExpr:
			if (pz_order_lacks_collation(((ScalarArrayOpExpr *) node)->args, ((ScalarArrayOpExpr *) node)->inputcollid))
				return true;
			break;
		case T_RowCompareExpr:
			{
				RowCompareExpr *row = (RowCompareExpr *) node;
				ListCell   *lc;
				ListCell   *lc2;

				forboth(lc, row->largs, lc2, row->inputcollids)
					if (pz_order_lacks_collation(list_make1(lfirst(lc)), lfirst_oid(lc2)))
						return true;
			}
			break;
		case T_CoerceViaIO:
		case T_ArrayCoerceExpr:
		case T_Const:
		case T_NamedArgExpr:
		case T_BoolExpr:
		case T_RelabelType:
		case T_CollateExpr:
		case T_CaseExpr:
		case T_CaseWhen:
		case T_CaseTestExpr:
		case T_RowExpr:
		case T_BooleanTest:
		case T_CoalesceExpr:
		case T_CurrentOfExpr:
		case T_List:
			break;
		case T_SubscriptingRef:
			{
				SubscriptingRef *ref = (SubscriptingRef *) node;
				const SubscriptRoutines *routines = getSubscriptingRoutines(ref->refcontainertype, NULL);

				if (ref->refassgnexpr != NULL || ref->reflowerindexpr != NIL || routines == NULL || !routines->fetch_leakproof)
					return true;
				break;
			}
		default:
			return true;
	}
	if (check_functions_in_node(node, is_loud_function, NULL))
		return true;
	return expression_tree_walker(node, is_loud, arg);
}

/* Is a condition a row check, or that of a line of statistics? */
static bool
is_check(Node *qual)
{
	return pz_mark_is_row_check(qual, 0) ||
		(IsA(qual, FuncExpr) && pz_statistics_is_check(((FuncExpr *) qual)->funcid));
}

/* Take what is loud from a list of conditions; the rest stays in its order. */
static List *
take_loud(List **quals, OrderContext *context)
{
	List	   *quiet = NIL;
	List	   *loud = NIL;
	ListCell   *lc;

	foreach(lc, *quals)
		if (!is_check(lfirst(lc)) && is_loud(lfirst(lc), context))
			loud = lappend(loud, lfirst(lc));
		else
			quiet = lappend(quiet, lfirst(lc));
	if (loud != NIL)
		*quals = quiet;
	return loud;
}

/* Are there row checks among conditions? */
static bool
has_row_check(List *quals)
{
	ListCell   *lc;

	foreach(lc, quals)
		if (is_check(lfirst(lc)))
			return true;
	return false;
}

/* Does an index find exactly the rows that are asked for? */
static bool
is_exact_index(Oid indexid)
{
	HeapTuple	tup = SearchSysCache1(RELOID, ObjectIdGetDatum(indexid));
	bool		result;

	if (!HeapTupleIsValid(tup))
		return false;
	result = ((Form_pg_class) GETSTRUCT(tup))->relam == BTREE_AM_OID;
	ReleaseSysCache(tup);
	return result;
}

static bool bitmap_is_loud(Plan *plan, OrderContext *context);

/* Does one of some bitmaps ask for what is loud? */
static bool
any_bitmap_is_loud(List *plans, OrderContext *context)
{
	ListCell   *lc;

	foreach(lc, plans)
		if (bitmap_is_loud(lfirst(lc), context))
			return true;
	return false;
}

/* Can others tell when a bitmap is made? */
static bool
bitmap_is_loud(Plan *plan, OrderContext *context)
{
	check_stack_depth();
	switch (nodeTag(plan))
	{
		case T_BitmapAnd:
			return any_bitmap_is_loud(((BitmapAnd *) plan)->bitmapplans, context);
		case T_BitmapOr:
			return any_bitmap_is_loud(((BitmapOr *) plan)->bitmapplans, context);
		case T_BitmapIndexScan:
			return is_loud((Node *) ((BitmapIndexScan *) plan)->indexqualorig, context);
		default:
			return true;
	}
}

/*
 * Leave one loud bitmap of those that are ANDed, as the first; returns whether
 * any was left out, so that rows must be looked at again.
 */
static bool
order_bitmaps(Plan *plan, OrderContext *context)
{
	List	  **plans;
	List	   *ordered = NIL;
	Plan	   *first = NULL;
	bool		left_out = false;
	ListCell   *lc;

	check_stack_depth();
	if (IsA(plan, BitmapAnd))
		plans = &((BitmapAnd *) plan)->bitmapplans;
	else if (IsA(plan, BitmapOr))
		plans = &((BitmapOr *) plan)->bitmapplans;
	else
		return false;
	foreach(lc, *plans)
	{
		Plan	   *child = lfirst(lc);

		left_out |= order_bitmaps(child, context);
		if (!IsA(plan, BitmapAnd) || !bitmap_is_loud(child, context))
			ordered = lappend(ordered, child);
		else if (first == NULL)
			first = child;
		else
			left_out = true;
	}
	*plans = first ? lcons(first, ordered) : ordered;
	return left_out;
}

/*
 * Have this session know every collation that an expression compares by: what
 * PostgreSQL has to say of one (that it has changed, that it is gone) it says when
 * it is first used.
 */
static bool
learn_collations(Node *node, void *context)
{
	Oid			collation;

	if (node == NULL)
		return false;
	if (!IsA(node, List))
	{
		collation = exprInputCollation(node);
		if (OidIsValid(collation) && collation != DEFAULT_COLLATION_OID && collation != C_COLLATION_OID)
			(void) pg_newlocale_from_collation(collation);
	}
	return expression_tree_walker(node, learn_collations, context);
}

/*
 * Put the conditions of a scan in order: the checks, and what cannot tell; then
 * what is looked at again, policies of the application among it, which stand
 * before conditions of the query; then what could tell.
 */
static void
order_scan(Plan *plan, OrderContext *context)
{
	List	   *loud;
	List	   *again = NIL;

	if (!has_row_check(plan->qual))
		return;
	learn_collations((Node *) plan->qual, NULL);
	if (IsA(plan, IndexScan))
		learn_collations((Node *) ((IndexScan *) plan)->indexqualorig, NULL);
	else if (IsA(plan, IndexOnlyScan))
		learn_collations((Node *) ((IndexOnlyScan *) plan)->indexqual, NULL);
	else if (IsA(plan, BitmapHeapScan))
		learn_collations((Node *) ((BitmapHeapScan *) plan)->bitmapqualorig, NULL);
	loud = take_loud(&plan->qual, context);
	switch (nodeTag(plan))
	{
		case T_IndexScan:
			if (context->looks_again || !is_exact_index(((IndexScan *) plan)->indexid))
				again = take_loud(&((IndexScan *) plan)->indexqualorig, context);
			break;
		case T_IndexOnlyScan:
			if (context->looks_again || !is_exact_index(((IndexOnlyScan *) plan)->indexid))
				again = take_loud(&((IndexOnlyScan *) plan)->recheckqual, context);
			break;
		case T_BitmapHeapScan:
			again = take_loud(&((BitmapHeapScan *) plan)->bitmapqualorig, context);
			if (order_bitmaps(plan->lefttree, context))
				again = list_concat_copy(((BitmapHeapScan *) plan)->bitmapqualorig, again);
			break;
		default:
			break;
	}
	plan->qual = list_concat(list_concat(plan->qual, again), loud);
}

/* Do something with each node of a plan tree. */
static void
walk_plan(Plan *plan, void (*visit) (Plan *, OrderContext *), OrderContext *context)
{
	List	   *children = NIL;
	ListCell   *lc;

	if (plan == NULL)
		return;
	check_stack_depth();
	visit(plan, context);
	switch (nodeTag(plan))
	{
		case T_Append:
			children = ((Append *) plan)->appendplans;
			break;
		case T_MergeAppend:
			children = ((MergeAppend *) plan)->mergeplans;
			break;
		case T_CustomScan:
			children = ((CustomScan *) plan)->custom_plans;
			break;
		case T_SubqueryScan:
			walk_plan(((SubqueryScan *) plan)->subplan, visit, context);
			break;
		default:
			break;
	}
	foreach(lc, children)
		walk_plan(lfirst(lc), visit, context);
	walk_plan(plan->lefttree, visit, context);
	walk_plan(plan->righttree, visit, context);
}

/* Do something with each node of a statement. */
static void
walk_statement(void (*visit) (Plan *, OrderContext *), OrderContext *context)
{
	ListCell   *lc;

	walk_plan(context->pstmt->planTree, visit, context);
	foreach(lc, context->pstmt->subplans)
		walk_plan(lfirst(lc), visit, context);
}

/* Note the parameters that are set by sub-selects of a node. */
static void
note_lazy(Plan *plan, OrderContext *context)
{
	ListCell   *lc;
	ListCell   *lp;

	foreach(lc, plan->initPlan)
		foreach(lp, lfirst_node(SubPlan, lc)->setParam)
			context->lazy = bms_add_member(context->lazy, lfirst_int(lp));
}

/*
 * Put the conditions of scans that carry row checks in order, in a plan that
 * was just made and is nobody else's yet.
 */
void
pz_order_plan(PlannedStmt *pstmt)
{
	OrderContext context = {pstmt, pstmt->commandType != CMD_SELECT || pstmt->rowMarks != NIL || pstmt->hasModifyingCTE, NULL};

	walk_statement(note_lazy, &context);
	walk_statement(order_scan, &context);
}
