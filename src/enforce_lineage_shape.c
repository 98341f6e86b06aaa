/*-------------------------------------------------------------------------
 *
 * enforce_lineage_shape.c
 *	  What enforce_lineage.c has to know of the shape of a query.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/transam.h"
#include "catalog/pg_aggregate.h"
#include "catalog/pg_index.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_coerce.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteManip.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/syscache.h"

#include "enforce_lineage.h"

/* Is there an aggregate that is not the first or last of something?  *context: there is any. */
static bool
not_first_or_last(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Aggref))
	{
		Aggref	   *agg = (Aggref *) node;
		HeapTuple	tup = SearchSysCache1(AGGFNOID, ObjectIdGetDatum(agg->aggfnoid));
		bool		other = true;

		if (HeapTupleIsValid(tup))
		{
			other = !OidIsValid(((Form_pg_aggregate) GETSTRUCT(tup))->aggsortop) || list_length(agg->args) != 1;
			ReleaseSysCache(tup);
		}
		*(bool *) context = true;
		return other;
	}
	return expression_tree_walker(node, not_first_or_last, context);
}

/* Can an index answer all aggregates of a level, because they are the first or last of something? */
bool
pz_shape_only_first_or_last(const Query *query)
{
	bool		any = false;

	if (list_length(query->jointree->fromlist) != 1 || !IsA(linitial(query->jointree->fromlist), RangeTblRef) ||
		rt_fetch(((RangeTblRef *) linitial(query->jointree->fromlist))->rtindex, query->rtable)->rtekind != RTE_RELATION)
		return false;
	if (!query->hasAggs || query->groupClause || query->groupingSets || query->havingQual || query->hasWindowFuncs)
		return false;
	return !not_first_or_last((Node *) query->targetList, &any) && any;
}

/* Is a level grouped, be it only by DISTINCT? */
bool
pz_shape_is_grouped(const Query *query)
{
	return query->hasAggs || query->groupClause || query->groupingSets || query->havingQual ||
		(query->distinctClause && !query->hasDistinctOn && !query->hasWindowFuncs && !query->hasTargetSRFs);
}

/* Is a set operation UNION throughout, so that each arm is read to its end? */
bool
pz_shape_only_unions(Node *node)
{
	SetOperationStmt *op = (SetOperationStmt *) node;

	return !IsA(node, SetOperationStmt) ||
		(op->op == SETOP_UNION && pz_shape_only_unions(op->larg) && pz_shape_only_unions(op->rarg));
}

/* What named_walker looks for */
typedef struct NamedContext
{
	Bitmapset  *relids;
	JoinExpr   *join;
	int			depth;
} NamedContext;

/* Is a column of these entries named outside of the conditions of the join itself? */
static bool
named_walker(Node *node, NamedContext *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var))
		return ((Var *) node)->varlevelsup == context->depth && bms_is_member(((Var *) node)->varno, context->relids);
	if (IsA(node, JoinExpr) && node == (Node *) context->join && context->depth == 0)
		return named_walker(context->join->larg, context) || named_walker(context->join->rarg, context);
	if (IsA(node, Query))
	{
		bool		result;

		context->depth++;
		result = query_tree_walker((Query *) node, named_walker, context, 0);
		context->depth--;
		return result;
	}
	return expression_tree_walker(node, named_walker, context);
}

/* The entries below a node of the join tree. */
static Bitmapset *
entries_below(Node *node, Bitmapset *relids)
{
	ListCell   *lc;

	if (node == NULL)
		return relids;
	if (IsA(node, RangeTblRef))
		return bms_add_member(relids, ((RangeTblRef *) node)->rtindex);
	if (IsA(node, FromExpr))
	{
		foreach(lc, ((FromExpr *) node)->fromlist)
			relids = entries_below(lfirst(lc), relids);
		return relids;
	}
	relids = entries_below(((JoinExpr *) node)->larg, relids);
	return entries_below(((JoinExpr *) node)->rarg, relids);
}

/*
 * The column that an expression has the value of, be it as a wider integer, or
 * as text instead of varchar; NULL if it is something else.
 */
Var *
pz_shape_same_value(Node *node)
{
	while (node)
	{
		if (IsA(node, Var))
			return (Var *) node;
		if (IsA(node, RelabelType) && ((RelabelType *) node)->resulttype == TEXTOID &&
			exprType((Node *) ((RelabelType *) node)->arg) == VARCHAROID)
			node = (Node *) ((RelabelType *) node)->arg;
		else if (IsA(node, FuncExpr) && (((FuncExpr *) node)->funcid == F_INT8_INT4 ||
										 ((FuncExpr *) node)->funcid == F_INT8_INT2 ||
										 ((FuncExpr *) node)->funcid == F_INT4_INT2))
			node = linitial(((FuncExpr *) node)->args);
		else
			return NULL;
	}
	return NULL;
}

/* The column below built-in casts; NULL if it is something else. */
Var *
pz_shape_below_casts(Node *node)
{
	while (node)
	{
		if (IsA(node, Var))
			return (Var *) node;
		if (IsA(node, RelabelType))
			node = (Node *) ((RelabelType *) node)->arg;
		else if (IsA(node, FuncExpr) && ((FuncExpr *) node)->funcformat != COERCE_EXPLICIT_CALL &&
				 list_length(((FuncExpr *) node)->args) == 1)
			node = linitial(((FuncExpr *) node)->args);
		else
			return NULL;
	}
	return NULL;
}

/* Columns of an entry that conditions compare for equality with something else. */
static Bitmapset *
equated_columns(Node *quals, int varno)
{
	Bitmapset  *columns = NULL;
	ListCell   *lc;
	int			i;

	foreach(lc, make_ands_implicit((Expr *) quals))
	{
		OpExpr	   *op = lfirst(lc);

		if (!IsA(op, OpExpr) || list_length(op->args) != 2 || get_mergejoin_opfamilies(op->opno) == NIL)
			continue;
		for (i = 0; i < 2; i++)
		{
			Var		   *var = pz_shape_below_casts(list_nth(op->args, i));

			if (var && var->varno == varno && var->varlevelsup == 0)
				columns = bms_add_member(columns, var->varattno);
		}
	}
	return columns;
}

/* Does a join find at most one row of an entry for each other, by a unique index? */
static bool
finds_one(Query *query, JoinExpr *join)
{
	RangeTblEntry *rte;
	Bitmapset  *equated;
	Relation	rel;
	bool		found = false;
	int			varno;
	ListCell   *lc;

	if (!IsA(join->rarg, RangeTblRef))
		return false;
	varno = ((RangeTblRef *) join->rarg)->rtindex;
	rte = rt_fetch(varno, query->rtable);
	if (rte->rtekind != RTE_RELATION)
		return false;
	equated = equated_columns(join->quals, varno);
	rel = table_open(rte->relid, NoLock);
	foreach(lc, RelationGetIndexList(rel))
	{
		HeapTuple	tup = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(lfirst_oid(lc)));
		Form_pg_index index;
		bool		covered;
		int			i;

		if (!HeapTupleIsValid(tup))
			continue;
		index = (Form_pg_index) GETSTRUCT(tup);
		covered = index->indisunique && index->indimmediate && heap_attisnull(tup, Anum_pg_index_indpred, NULL);
		for (i = 0; covered && i < index->indnkeyatts; i++)
			covered = index->indkey.values[i] > 0 && bms_is_member(index->indkey.values[i], equated);
		found = found || covered;
		ReleaseSysCache(tup);
	}
	table_close(rel, NoLock);
	return found;
}

/*
 * Can the planner remove the nullable side of a left join, because nothing
 * names it and it adds no rows?  Then it is not carried: that would keep the
 * join.
 */
bool
pz_shape_may_be_removed(Query *query, JoinExpr *join)
{
	NamedContext context = {NULL, join, 0};
	int			varno = 0;
	ListCell   *lc;

	if (join->jointype != JOIN_LEFT || !finds_one(query, join))
		return false;
	context.relids = entries_below(join->rarg, NULL);
	/* a column of a join stands for columns of what it joins */
	foreach(lc, query->rtable)
	{
		RangeTblEntry *rte = lfirst_node(RangeTblEntry, lc);

		varno++;
		if (rte->rtekind == RTE_JOIN && named_walker((Node *) rte->joinaliasvars, &context))
			context.relids = bms_add_member(context.relids, varno);
	}
	if (query_tree_walker(query, named_walker, &context, QTW_IGNORE_RANGE_TABLE))
		return false;
	/* LATERAL; not the entries' own row checks */
	varno = 0;
	foreach(lc, query->rtable)
	{
		RangeTblEntry *rte = lfirst_node(RangeTblEntry, lc);

		if (!bms_is_member(++varno, context.relids) && rte->rtekind != RTE_JOIN &&
			range_table_entry_walker(rte, named_walker, &context, 0))
			return false;
	}
	return true;
}

/*
 * Is an operator the equality of keys, for which equal means the same key:
 * between integers, uuids or texts?
 */
static bool
is_key_equality(OpExpr *op)
{
	static const Oid types[] = {INT2OID, INT4OID, INT8OID, UUIDOID, TEXTOID};
	Oid			left;
	Oid			right;
	bool		left_fits = false;
	bool		right_fits = false;
	int			i;

	if (list_length(op->args) != 2 || op->opno >= FirstNormalObjectId || get_mergejoin_opfamilies(op->opno) == NIL ||
		(OidIsValid(op->inputcollid) && !get_collation_isdeterministic(op->inputcollid)))
		return false;
	op_input_types(op->opno, &left, &right);
	for (i = 0; i < lengthof(types); i++)
	{
		left_fits = left_fits || left == types[i];
		right_fits = right_fits || right == types[i];
	}
	return left_fits && right_fits;
}

/*
 * The expression of the level around that equals the key of a sub-select's
 * only entry, as that level sees it; NULL if there is none.
 */
Expr *
pz_shape_linked_key(SubLink *sublink, Query *sub, int varno, const Var *subject, PzKeyType key_type)
{
	static const Oid key_types[] = {InvalidOid, INT8OID, UUIDOID, TEXTOID};
	Node	   *other = NULL;
	ListCell   *lc;

	if (sublink->subLinkType == ANY_SUBLINK && sublink->testexpr && IsA(sublink->testexpr, OpExpr))
	{
		OpExpr	   *op = (OpExpr *) sublink->testexpr;
		Var		   *var = pz_shape_same_value((Node *) linitial_node(TargetEntry, sub->targetList)->expr);

		if (is_key_equality(op) && var && var->varno == varno && var->varattno == subject->varattno &&
			var->varlevelsup == 0 && IsA(lsecond(op->args), Param))
			other = copyObject(linitial(op->args));
	}
	foreach(lc, sublink->subLinkType == EXISTS_SUBLINK ? make_ands_implicit((Expr *) sub->jointree->quals) : NIL)
	{
		OpExpr	   *op = lfirst(lc);
		int			i;

		if (!IsA(op, OpExpr) || !is_key_equality(op))
			continue;
		for (i = 0; i < 2 && other == NULL; i++)
		{
			Var		   *var = pz_shape_same_value(list_nth(op->args, i));
			Node	   *side = list_nth(op->args, 1 - i);

			if (var == NULL || var->varno != varno || var->varattno != subject->varattno || var->varlevelsup != 0 ||
				contain_vars_of_level(side, 0) || !contain_vars_of_level(side, 1))
				continue;
			other = copyObject(side);
			IncrementVarSublevelsUp(other, -1, 1);
		}
	}
	if (other == NULL)
		return NULL;
	return (Expr *) coerce_to_target_type(NULL, other, exprType(other), key_types[key_type], -1,
										  COERCION_IMPLICIT, COERCE_IMPLICIT_CAST, -1);
}

