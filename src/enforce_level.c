/*-------------------------------------------------------------------------
 *
 * enforce_level.c
 *	  Let harmless conditions of a query join the row check, so that they can
 *	  use an index.
 *
 * PostgreSQL evaluates nothing before a security qual but leakproof functions,
 * and only these can become conditions of an index scan.  Other functions are
 * as harmless (enforce_harmless.c): a condition made of them, columns of one
 * protected entry and constants is moved into the security qual that holds the
 * row check.  Then both are of one level, and the planner may use an index for
 * it.
 *
 * A condition on a masked column is moved as it stands, with the check of the
 * cell beside it, where both come to the same: it is strict, and the mask is
 * NULL.
 *
 * Conditions are moved only where the planner itself would push them down to
 * the entry: not across the nullable side of an outer join, and into
 * subqueries (views) that only rename columns.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "catalog/pg_attribute.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteManip.h"
#include "utils/lsyscache.h"

#include "compat.h"
#include "enforce.h"
#include "enforce_mark.h"

/* What is known while a condition is looked at */
typedef struct ClauseContext
{
	const PzGuarded *guarded;
	bool		all_leakproof;	/* PostgreSQL would promote it by itself */
	List	   *masked;			/* int: categories of masked columns in it */
	bool		has_literal;	/* one of these columns has a mask that is not NULL */
} ClauseContext;

/* What is known while a query is walked */
typedef struct LevelContext
{
	List	   *guarded;		/* PzGuarded of the statement */
	ParamListInfo params;
} LevelContext;

/*
 * Does an expression hold anything but columns of the entry, constants,
 * parameters and harmless functions?  A list of what is allowed.
 */
static bool
is_unfit(Node *node, void *arg)
{
	ClauseContext *context = arg;

	if (node == NULL)
		return false;
	switch (nodeTag(node))
	{
		case T_Var:
			{
				Var		   *var = (Var *) node;

				if (var->varno != context->guarded->varno || var->varlevelsup != 0 || var->varattno <= 0)
					return true;
				/* a virtual column is an expression that is put in later */
				switch (get_attgenerated(context->guarded->rel->relid, var->varattno))
				{
					case '\0':
					case ATTRIBUTE_GENERATED_STORED:
						break;
					default:
						return true;
				}
				if (bms_is_member(var->varattno, context->guarded->masked))
				{
					const PzColumn *col = &context->guarded->rel->columns[var->varattno - 1];

					context->masked = list_append_unique_int(context->masked, col->category_id);
					context->has_literal = context->has_literal || col->mask != NULL;
				}
				return false;
			}
		case T_Const:
			return false;
		case T_Param:
			return ((Param *) node)->paramkind != PARAM_EXTERN;
		case T_OpExpr:
			set_opfuncid((OpExpr *) node);
			if (!pz_harmless_is_late(node, NULL))
				return false;
			/* the planner may put an operator's negator or commutator in its place */
			if ((((OpExpr *) node)->opno >= FirstNormalObjectId && !pz_spatial_is_harmless_operator(((OpExpr *) node)->opno)) ||
				!pz_harmless_call(((OpExpr *) node)->opfuncid, ((OpExpr *) node)->args, ((OpExpr *) node)->inputcollid, &context->all_leakproof))
				return true;
			break;
		case T_FuncExpr:
			if (!pz_harmless_is_late(node, NULL))
				return false;
			if (!pz_harmless_call(((FuncExpr *) node)->funcid, ((FuncExpr *) node)->args, ((FuncExpr *) node)->inputcollid, &context->all_leakproof))
				return true;
			break;
		case T_ScalarArrayOpExpr:
			{
				ScalarArrayOpExpr *op = (ScalarArrayOpExpr *) node;

				set_sa_opfuncid(op);
				/* an array of patterns is never harmless */
				if (op->opno >= FirstNormalObjectId || !pz_harmless_call(op->opfuncid, op->args, op->inputcollid, &context->all_leakproof))
					return true;
			}
			break;
		case T_List:
		case T_BoolExpr:
		case T_NullTest:
		case T_BooleanTest:
		case T_RelabelType:
		case T_CollateExpr:
			break;
		case T_ArrayExpr:
			/* one made of arrays fails if their dimensions differ */
			if (((ArrayExpr *) node)->multidims)
				return true;
			break;
		default:
			return true;
	}
	return expression_tree_walker(node, is_unfit, context);
}

/* Is a function not strict? */
static bool
is_lax_function(Oid funcid, void *context)
{
	return !func_strict(funcid);
}

/* Is a column masked? */
static bool
has_masked_column(Node *node, void *arg)
{
	const PzGuarded *guarded = arg;

	if (node == NULL)
		return false;
	if (IsA(node, Var))
		return bms_is_member(((Var *) node)->varattno, guarded->masked);
	return expression_tree_walker(node, has_masked_column, arg);
}

/* Does an expression hold what can be something though a part of it is null? */
static bool
is_lax(Node *node, void *arg)
{
	/* what holds no masked column may be as it likes */
	if (node == NULL || !has_masked_column(node, arg))
		return false;
	switch (nodeTag(node))
	{
		case T_List:
		case T_Var:
		case T_RelabelType:
		case T_CollateExpr:
			break;
		case T_OpExpr:
		case T_FuncExpr:
			if (check_functions_in_node(node, is_lax_function, NULL))
				return true;
			break;
		default:
			return true;
	}
	return expression_tree_walker(node, is_lax, arg);
}

/*
 * Does a condition, with masked columns in it, hold for no row in which these
 * are all null?
 */
static bool
rejects_null(Node *node, const PzGuarded *guarded)
{
	ListCell   *lc;

	switch (nodeTag(node))
	{
		case T_OpExpr:
		case T_FuncExpr:
			return has_masked_column(node, (void *) guarded) && !is_lax(node, (void *) guarded);
		case T_ScalarArrayOpExpr:
			{
				ScalarArrayOpExpr *op = (ScalarArrayOpExpr *) node;

				/* an array can hold a match beside its masked elements */
				return op->useOr && func_strict(op->opfuncid) &&
					has_masked_column(linitial(op->args), (void *) guarded) && !is_lax(linitial(op->args), (void *) guarded) &&
					!has_masked_column(lsecond(op->args), (void *) guarded);
			}
		case T_BoolExpr:
			if (((BoolExpr *) node)->boolop == NOT_EXPR)
			{
				Node	   *arg = linitial(((BoolExpr *) node)->args);

				/* null, not false */
				return (IsA(arg, OpExpr) || IsA(arg, FuncExpr)) && rejects_null(arg, guarded);
			}
			foreach(lc, ((BoolExpr *) node)->args)
				if (rejects_null(lfirst(lc), guarded) != (((BoolExpr *) node)->boolop == OR_EXPR))
					return ((BoolExpr *) node)->boolop == AND_EXPR;
			return ((BoolExpr *) node)->boolop == OR_EXPR;
		default:
			return false;
	}
}

/* The guarded entry of a range table entry, NULL if it is none. */
static PzGuarded *
find_guarded(RangeTblEntry *rte, LevelContext *context)
{
	ListCell   *lc;

	foreach(lc, context->guarded)
		if (((PzGuarded *) lfirst(lc))->rte == rte)
			return lfirst(lc);
	return NULL;
}

/*
 * Let a condition join the check of an entry, if it is fit for it.  Returns
 * whether it did: then it must go from where it stood.
 */
static bool
join_check(Node *clause, PzGuarded *guarded)
{
	ClauseContext context = {guarded, true, NIL, false};
	ListCell   *lc;

	if (!contain_vars_of_level(clause, 0) || is_unfit(clause, &context))
		return false;
	if (context.masked == NIL)
	{
		if (context.all_leakproof)
			return false;		/* PostgreSQL promotes it by itself */
	}
	else if (context.has_literal || !rejects_null(clause, guarded) ||
			 (IsA(clause, BoolExpr) && list_length(context.masked) > 1))
		return false;			/* the mask itself must be looked at */

	guarded->leveled = lappend(guarded->leveled, clause);
	foreach(lc, context.masked)
		guarded->leveled = lappend(guarded->leveled, pz_mark_cell_check(guarded, lfirst_int(lc), NULL));
	return true;
}

/*
 * Entries below a node of the join tree to which a condition above it can be
 * pushed down.
 */
static Relids
reachable(Node *node)
{
	Relids		result = NULL;
	ListCell   *lc;

	if (node == NULL)
		return NULL;
	if (IsA(node, RangeTblRef))
		return bms_make_singleton(((RangeTblRef *) node)->rtindex);
	if (IsA(node, FromExpr))
	{
		foreach(lc, ((FromExpr *) node)->fromlist)
			result = bms_add_members(result, reachable(lfirst(lc)));
		return result;
	}
	if (IsA(node, JoinExpr))
	{
		JoinExpr   *join = (JoinExpr *) node;

		if (join->jointype == JOIN_INNER || join->jointype == JOIN_LEFT)
			result = bms_add_members(result, reachable(join->larg));
		if (join->jointype == JOIN_INNER || join->jointype == JOIN_RIGHT)
			result = bms_add_members(result, reachable(join->rarg));
	}
	return result;
}

/*
 * Is this a subquery that does nothing but name columns and filter rows, so
 * that a condition may be pushed down into it?
 */
static bool
is_plain_subquery(Query *query)
{
	return query->commandType == CMD_SELECT && query->jointree != NULL &&
		!query->hasAggs && !query->hasWindowFuncs && !query->hasTargetSRFs && !query->hasRecursive &&
		!query->hasModifyingCTE && !query->hasForUpdate && query->groupClause == NIL &&
		query->groupingSets == NIL && query->havingQual == NULL && query->distinctClause == NIL &&
		query->limitOffset == NULL && query->limitCount == NULL && query->setOperations == NULL &&
		query->rowMarks == NIL && query->cteList == NIL;
}

/* Columns of a subquery, to be replaced by what they stand for */
typedef struct TranslateContext
{
	Index		varno;			/* of the subquery */
	List	   *targetlist;
	bool		failed;			/* a column is more than a column of an entry */
} TranslateContext;

/* Replace the columns of a subquery. */
static Node *
translate_mutator(Node *node, TranslateContext *context)
{
	if (node == NULL || context->failed)
		return node;
	if (IsA(node, Var))
	{
		Var		   *var = (Var *) node;
		TargetEntry *tle;

		if (var->varlevelsup != 0 || var->varno != context->varno)
		{
			context->failed = true;
			return node;
		}
		tle = get_tle_by_resno(context->targetlist, var->varattno);
		if (tle == NULL || tle->resjunk || !IsA(tle->expr, Var) || ((Var *) tle->expr)->varlevelsup != 0)
		{
			context->failed = true;
			return node;
		}
		return copyObject((Node *) tle->expr);
	}
	if (IsA(node, Query) || IsA(node, SubLink))
	{
		context->failed = true;
		return node;
	}
	return expression_tree_mutator(node, translate_mutator, context);
}

/*
 * Push a condition down to the one entry whose columns it holds, if that is
 * among those within reach.  Returns whether it went.
 */
static bool
push_down(Query *query, Node *clause, Relids reach, LevelContext *context)
{
	Relids		varnos;
	int			varno;
	RangeTblEntry *rte;

	if (contain_subplans(clause) || contain_volatile_functions(clause))
		return false;
	varnos = pull_varnos(NULL, clause);
	if (!bms_get_singleton_member(varnos, &varno) || !bms_is_member(varno, reach))
		return false;
	rte = rt_fetch(varno, query->rtable);
	if (rte->rtekind == RTE_RELATION)
	{
		PzGuarded  *guarded = find_guarded(rte, context);

		return guarded && join_check(clause, guarded);
	}
	if (rte->rtekind == RTE_SUBQUERY && is_plain_subquery(rte->subquery))
	{
		TranslateContext translate = {varno, rte->subquery->targetList, false};
		Node	   *inner = translate_mutator(copyObject(clause), &translate);

		check_stack_depth();
		return !translate.failed &&
			push_down(rte->subquery, inner, reachable((Node *) rte->subquery->jointree), context);
	}
	return false;
}

/* Push down what can be of quals; returns what stays. */
static Node *
push_quals(Query *query, Node *quals, Relids reach, LevelContext *context)
{
	List	   *stays = NIL;
	List	   *clauses;
	ListCell   *lc;
	bool		any = false;

	if (quals == NULL || bms_is_empty(reach))
		return quals;
	clauses = is_andclause(quals) ? ((BoolExpr *) quals)->args : list_make1(quals);
	foreach(lc, clauses)
	{
		if (push_down(query, lfirst(lc), reach, context))
			any = true;
		else
		{
			Node	   *box = pz_spatial_box(lfirst(lc), context->params);

			/* what it adds for an index does not take its place */
			if (box)
				(void) push_down(query, box, reach, context);
			stays = lappend(stays, lfirst(lc));
		}
	}
	if (!any)
		return quals;
	return stays == NIL ? NULL : (Node *) make_ands_explicit(stays);
}

/* Walk the join tree of a query. */
static void
level_jointree(Query *query, Node *node, LevelContext *context)
{
	ListCell   *lc;

	if (node == NULL || IsA(node, RangeTblRef))
		return;
	check_stack_depth();
	if (IsA(node, FromExpr))
	{
		FromExpr   *from = (FromExpr *) node;

		foreach(lc, from->fromlist)
			level_jointree(query, lfirst(lc), context);
		from->quals = push_quals(query, from->quals, reachable(node), context);
	}
	else if (IsA(node, JoinExpr))
	{
		JoinExpr   *join = (JoinExpr *) node;
		Relids		reach = NULL;

		level_jointree(query, join->larg, context);
		level_jointree(query, join->rarg, context);
		/* the condition of an outer join filters the nullable side only */
		if (join->jointype == JOIN_INNER)
			reach = reachable(node);
		else if (join->jointype == JOIN_LEFT)
			reach = reachable(join->rarg);
		else if (join->jointype == JOIN_RIGHT)
			reach = reachable(join->larg);
		join->quals = push_quals(query, join->quals, reach, context);
	}
}

/* Walk every query of the statement. */
static bool
level_walker(Node *node, void *arg)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
	{
		Query	   *query = (Query *) node;

		/* what MERGE does with rows of the target that do not match depends on its condition */
		if (query->commandType != CMD_MERGE)
			level_jointree(query, (Node *) query->jointree, arg);
		return query_tree_walker(query, level_walker, arg, 0);
	}
	return expression_tree_walker(node, level_walker, arg);
}

/*
 * Move harmless conditions of a query, and of all nested in it, into the
 * security quals that hold the row checks of the guarded entries (PzGuarded).
 * params: of the statement, NULL if they are not known.
 */
void
pz_level_query(Query *query, List *guarded, ParamListInfo params)
{
	LevelContext context = {guarded, params};
	ListCell   *lc;

	(void) level_walker((Node *) query, &context);
	foreach(lc, guarded)
	{
		PzGuarded  *g = lfirst(lc);
		List	   *level = g->leveled;
		List	   *rest = NIL;
		ListCell   *lq;

		if (level == NIL)
			continue;
		foreach(lq, g->rte->securityQuals)
		{
			if (pz_mark_is_row_check(lfirst(lq), 0))
				level = lappend(level, lfirst(lq));
			else
				rest = lappend(rest, lfirst(lq));
		}
		g->rte->securityQuals = lcons(make_ands_explicit(level), rest);
	}
}
