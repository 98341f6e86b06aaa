/*-------------------------------------------------------------------------
 *
 * enforce_lineage_tap.c
 *	  Put into a level of a query what notes its sources.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_aggregate.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "rewrite/rewriteManip.h"

#include "compat.h"
#include "enforce.h"
#include "enforce_lineage.h"
#include "enforce_mark.h"

/* A call of a tap with the mark of a source. */
static Expr *
make_tap(const Oid *functions, const PzSource *source, Oid result)
{
	const PzMark *mark = (const PzMark *) DatumGetPointer(source->origin->mark->constvalue);
	PzPath		path;
	Node	   *key = (Node *) source->key;
	Oid			function;

	if (!pz_registry_path(mark->path_id, &path))
		elog(ERROR, "a path of the registry is gone");	/* cannot happen: the check was just made */
	function = source->is_group ? pz_registry_oids()->tap_group : functions[path.key_type];
	return (Expr *) makeFuncExpr(function, result, list_make2(copyObject(source->origin->mark), key),
								 InvalidOid, exprCollation(key), COERCE_EXPLICIT_CALL);
}

/* Add a column to a level that the level above does not see. */
TargetEntry *
pz_tap_add_column(Query *query, Expr *expr, const char *name)
{
	TargetEntry *tle = makeTargetEntry(expr, list_length(query->targetList) + 1, pstrdup(name), true);

	query->targetList = lappend(query->targetList, tle);
	return tle;
}

/* Note the sources of a level by volatile columns. */
void
pz_tap_mark(Query *query, List *sources, int noting)
{
	ListCell   *lc;

	foreach(lc, sources)
	{
		PzSource   *source = lfirst(lc);

		pz_tap_add_column(query, make_tap(pz_registry_oids()->tap_row, source, BOOLOID), "personalize tap");
		pz_tap_placed(source->origin, noting);
	}
}

/* Where the columns of a level that is split are found in the lower half */
typedef struct SplitContext
{
	int			depth;
	List	   *columns;		/* Expr: of the lower half */
} SplitContext;

/* A column of the level becomes one of its lower half. */
static Node *
split_mutator(Node *node, SplitContext *context)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, Var) && ((Var *) node)->varlevelsup == context->depth)
	{
		Var		   *var = copyObject((Var *) node);
		Var		   *upper;
		int			resno = 0;
		ListCell   *lc;

		var->varlevelsup = 0;
		foreach(lc, context->columns)
			if (equal(lfirst(lc), var))
				resno = foreach_current_index(lc) + 1;
		if (resno == 0)
		{
			context->columns = lappend(context->columns, var);
			resno = list_length(context->columns);
		}
		upper = makeVar(1, resno, var->vartype, var->vartypmod, var->varcollid, context->depth);
		return (Node *) upper;
	}
	if (IsA(node, Query))
	{
		Node	   *result;

		context->depth++;
		result = (Node *) query_tree_mutator((Query *) node, split_mutator, context, 0);
		context->depth--;
		return result;
	}
	return expression_tree_mutator(node, split_mutator, context);
}

/* References to the CTEs of a level whose entries go one level down are one further away. */
static bool
deepen_ctes(Node *node, int *depth)
{
	if (node == NULL)
		return false;
	if (IsA(node, RangeTblEntry))
	{
		RangeTblEntry *rte = (RangeTblEntry *) node;

		if (rte->rtekind == RTE_CTE && (int) rte->ctelevelsup == *depth)
			rte->ctelevelsup++;
		return false;
	}
	if (IsA(node, Query))
	{
		bool		result;

		(*depth)++;
		result = query_tree_walker((Query *) node, deepen_ctes, depth, QTW_EXAMINE_RTES_BEFORE);
		(*depth)--;
		return result;
	}
	return expression_tree_walker(node, deepen_ctes, depth);
}

/* The entry of a sub-select that was split off. */
static RangeTblEntry *
entry_of(Query *sub)
{
	RangeTblEntry *rte = makeNode(RangeTblEntry);
	int			i;

	rte->rtekind = RTE_SUBQUERY;
	rte->subquery = sub;
	rte->eref = makeAlias("personalize", NIL);
	rte->inFromCl = true;
	for (i = 1; i <= list_length(sub->targetList); i++)
		rte->eref->colnames = lappend(rte->eref->colnames, makeString(psprintf("c%d", i)));
	return rte;
}

/* Make a level read one entry and nothing else. */
static void
read_only_from(Query *query, RangeTblEntry *rte)
{
	RangeTblRef *ref = makeNode(RangeTblRef);

	ref->rtindex = 1;
	query->rtable = list_make1(rte);
	query->jointree = makeFromExpr(list_make1(ref), NULL);
	pz_no_perminfos_compat(query);
}

/*
 * Split a level with windows or DISTINCT ON: its joins and conditions go into
 * a sub-select of its own, where what they return is noted.
 */
void
pz_tap_below(Query *query, List *sources, int noting)
{
	Query	   *lower = makeNode(Query);
	SplitContext context = {0, NIL};
	int			depth = 0;
	ListCell   *lc;

	lower->commandType = CMD_SELECT;
	lower->querySource = query->querySource;
	lower->canSetTag = true;
	lower->rtable = query->rtable;
	lower->jointree = query->jointree;
	lower->hasSubLinks = query->hasSubLinks;
	lower->hasRowSecurity = query->hasRowSecurity;
	pz_take_perminfos_compat(lower, query);

	query->targetList = (List *) split_mutator((Node *) query->targetList, &context);
	query->windowClause = (List *) split_mutator((Node *) query->windowClause, &context);
	query->havingQual = split_mutator(query->havingQual, &context);
	foreach(lc, context.columns)
		lower->targetList = lappend(lower->targetList,
									makeTargetEntry(lfirst(lc), foreach_current_index(lc) + 1,
													psprintf("c%d", foreach_current_index(lc) + 1), false));
	pz_tap_mark(lower, sources, noting);
	IncrementVarSublevelsUp((Node *) lower, 1, 1);
	(void) query_tree_walker(lower, deepen_ctes, &depth, QTW_EXAMINE_RTES_BEFORE);
	read_only_from(query, entry_of(lower));
}

/*
 * Put a level above one with LIMIT, and note there what passes: a volatile
 * column of the level itself would be computed for rows that OFFSET skips.
 */
void
pz_tap_above(Query *query, List *sources, int noting)
{
	Query	   *lower = makeNode(Query);
	List	   *targetlist = NIL;
	int			ncolumns = list_length(query->targetList);
	RangeTblEntry *rte;
	ListCell   *lc;

	memcpy(lower, query, sizeof(Query));
	foreach(lc, sources)
	{
		PzSource   *source = lfirst(lc);
		TargetEntry *tle = pz_tap_add_column(lower, source->key, "personalize key");

		tle->resjunk = false;
		source->key = (Expr *) makeVarFromTargetEntry(1, tle);
	}
	IncrementVarSublevelsUp((Node *) lower, 1, 1);
	rte = entry_of(lower);
	foreach(lc, lower->targetList)
	{
		TargetEntry *tle = lfirst_node(TargetEntry, lc);

		/* not the keys, which were added */
		if (!tle->resjunk && foreach_current_index(lc) < ncolumns)
			targetlist = lappend(targetlist, makeTargetEntry((Expr *) makeVarFromTargetEntry(1, tle),
															 list_length(targetlist) + 1, tle->resname, false));
	}
	memset(query, 0, sizeof(Query));
	query->type = T_Query;
	query->commandType = CMD_SELECT;
	query->canSetTag = lower->canSetTag;
	query->querySource = lower->querySource;
	query->queryId = lower->queryId;
	query->targetList = targetlist;
	read_only_from(query, rte);
	pz_tap_mark(query, sources, noting);
}

/* The hidden aggregate of a source. */
static Aggref *
make_aggregate(const Oid *functions, const PzSource *source, Oid result)
{
	FuncExpr   *call = (FuncExpr *) make_tap(functions, source, result);
	Aggref	   *agg = makeNode(Aggref);
	ListCell   *lc;

	agg->aggfnoid = source->is_group ? (functions == pz_registry_oids()->collect ? pz_registry_oids()->collect_group :
										pz_registry_oids()->collect_set_group) : call->funcid;
	agg->aggtype = result;
	agg->inputcollid = call->inputcollid;
	foreach(lc, call->args)
	{
		agg->aggargtypes = lappend_oid(agg->aggargtypes, exprType(lfirst(lc)));
		agg->args = lappend(agg->args, makeTargetEntry(lfirst(lc), foreach_current_index(lc) + 1, NULL, false));
	}
	agg->aggkind = AGGKIND_NORMAL;
	agg->aggsplit = AGGSPLIT_SIMPLE;
	agg->aggno = agg->aggtransno = -1;
	agg->location = -1;
	return agg;
}

/* Note the rows that a level groups: all of them, by a condition that always holds. */
void
pz_tap_collect(Query *query, List *sources, int noting)
{
	ListCell   *lc;

	foreach(lc, sources)
	{
		PzSource   *source = lfirst(lc);
		NullTest   *test = makeNode(NullTest);

		test->arg = (Expr *) make_aggregate(pz_registry_oids()->collect, source, BOOLOID);
		test->nulltesttype = IS_NOT_NULL;
		test->location = -1;
		query->havingQual = (Node *) make_and_qual(query->havingQual, (Node *) test);
		query->hasAggs = true;
		pz_tap_placed(source->origin, noting);
	}
}

/* Keep a set for each group, and let its number stand for the sources. */
void
pz_tap_collect_sets(Query *query, List *sources)
{
	ListCell   *lc;

	foreach(lc, sources)
	{
		PzSource   *source = lfirst(lc);

		source->key = (Expr *) make_aggregate(pz_registry_oids()->collect_set, source, INT8OID);
		source->is_group = true;
		query->hasAggs = true;
	}
}

