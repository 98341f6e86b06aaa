/*-------------------------------------------------------------------------
 *
 * enforce_plan_mix.c
 *	  Does a statement that writes to a protected relation say whose the rows are
 *	  that it makes of others, and keep cells of special categories in them?
 *
 * Else it is a copy: consent and erasure of the person would not reach it, or a
 * purpose would see what it must not.  The subject of a new row must be that of a
 * row that was read.  What the plan does not tell is taken for a copy.
 *
 * What one person's row says of another (bought by those who bought the same), and
 * what an UPDATE computes for a person, is that person's from then on.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "nodes/pathnodes.h"
#include "nodes/plannodes.h"
#include "parser/parsetree.h"
#include "utils/lsyscache.h"

#include "compat.h"
#include "enforce.h"
#include "enforce_mark.h"

/* A column that a value is computed from */
typedef struct Source
{
	Index		rti;
	AttrNumber	attnum;
} Source;

/* What a value is computed from */
typedef struct Sources
{
	PlannedStmt *pstmt;
	Plan	   *plan;			/* whose variables are looked at */
	List	   *columns;		/* Source */
	bool		unknown;		/* something else, too, that may hold anything */
	bool		computed;		/* not just the value of a column */
} Sources;

static bool collect(Node *node, void *context);

/* Collect from an entry of the target list of a plan. */
static void
collect_entry(Plan *plan, AttrNumber resno, Sources *sources)
{
	Plan	   *outer = sources->plan;
	TargetEntry *tle = NULL;
	ListCell   *lc;

	check_stack_depth();
	if (plan == NULL)
	{
		sources->unknown = true;
		return;
	}
	if (IsA(plan, Append) || IsA(plan, MergeAppend))
	{
		foreach(lc, IsA(plan, Append) ? ((Append *) plan)->appendplans : ((MergeAppend *) plan)->mergeplans)
			collect_entry(lfirst(lc), resno, sources);
		return;
	}
	foreach(lc, IsA(plan, RecursiveUnion) ? NIL : plan->targetlist)
		if (lfirst_node(TargetEntry, lc)->resno == resno)
			tle = lfirst(lc);
	if (tle == NULL)
	{
		sources->unknown = true;
		return;
	}
	sources->plan = plan;
	(void) collect((Node *) tle->expr, sources);
	sources->plan = outer;
}

/* Collect from a variable. */
static void
collect_var(Var *var, Sources *sources)
{
	Plan	   *plan = sources->plan;
	Source	   *source;

	/* actions of a MERGE call the rows of the join inner ones (set_plan_refs) */
	if (var->varno == OUTER_VAR || (var->varno == INNER_VAR && IsA(plan, ModifyTable) &&
									((ModifyTable *) plan)->operation == CMD_MERGE))
		collect_entry(plan->lefttree, var->varattno, sources);
	else if (var->varno == INNER_VAR)
		collect_entry(plan->righttree, var->varattno, sources);
	else if (var->varno == INDEX_VAR && IsA(plan, IndexOnlyScan) &&
			 var->varattno > 0 && var->varattno <= list_length(((IndexOnlyScan *) plan)->indextlist))
		(void) collect((Node *) list_nth_node(TargetEntry, ((IndexOnlyScan *) plan)->indextlist, var->varattno - 1)->expr, sources);
	else if (IS_SPECIAL_VARNO(var->varno))
		sources->unknown = true;
	else if (IsA(plan, SubqueryScan))
		collect_entry(((SubqueryScan *) plan)->subplan, var->varattno, sources);
	else if (IsA(plan, CteScan))
		collect_entry(list_nth(sources->pstmt->subplans, ((CteScan *) plan)->ctePlanId - 1), var->varattno, sources);
	else if (IsA(plan, ValuesScan))
		(void) collect((Node *) ((ValuesScan *) plan)->values_lists, sources);
	else if (rt_fetch(var->varno, sources->pstmt->rtable)->rtekind == RTE_RELATION)
	{
		source = palloc(sizeof(Source));
		source->rti = var->varno;
		source->attnum = var->varattno;
		sources->columns = lappend(sources->columns, source);
	}
	else
		sources->unknown = true;	/* of a function, a CTE, ... */
}

/* Collect from an expression. */
static bool
collect(Node *node, void *context)
{
	Sources    *sources = context;

	if (node == NULL)
		return false;
	if (IsA(node, Var))
	{
		collect_var((Var *) node, sources);
		return false;
	}
	if (!IsA(node, RelabelType) &&
		!(IsA(node, FuncExpr) && ((FuncExpr *) node)->funcformat == COERCE_IMPLICIT_CAST && list_length(((FuncExpr *) node)->args) == 1))
		sources->computed = true;
	if (IsA(node, SubPlan) || IsA(node, AlternativeSubPlan) ||
		(IsA(node, Param) && ((Param *) node)->paramkind != PARAM_EXTERN))
		sources->unknown = true;
	return expression_tree_walker(node, collect, context);
}

/* The entry whose partition or child an entry is, else itself. */
static Index
parent_of(Index rti, PlannedStmt *pstmt)
{
	ListCell   *lc;

	foreach(lc, pstmt->appendRelations)
		if (lfirst_node(AppendRelInfo, lc)->child_relid == rti)
			return parent_of(lfirst_node(AppendRelInfo, lc)->parent_relid, pstmt);
	return rti;
}

/* Entries that a statement reads protected rows from, but for those it writes to. */
static Bitmapset *
read_entries(ModifyTable *node, PlannedStmt *pstmt)
{
	Bitmapset  *entries = NULL;
	ListCell   *lc;
	Index		rti = 0;

	foreach(lc, pstmt->rtable)
	{
		RangeTblEntry *rte = lfirst(lc);

		rti++;
		if (rte->rtekind != RTE_RELATION || !pz_registry_guards(rte->relid) || rti == node->rootRelation ||
			rti == node->exclRelRTI || list_member_int(node->resultRelations, rti))
			continue;
		if (parent_of(rti, pstmt) == node->nominalRelation || parent_of(rti, pstmt) == node->rootRelation)
			continue;
		entries = bms_add_member(entries, parent_of(rti, pstmt));
	}
	return entries;
}

/*
 * Does the column of a row lead to its subject in the way of a path: as the key,
 * or, if the path goes by a foreign key, as the column of one to the same relation
 * or as what it refers to there?
 */
static bool
is_subject(const PzRelation *rel, AttrNumber attnum, const PzPath *path)
{
	PzPath		next;
	int			i;

	if (rel == NULL)
		return false;
	for (i = 0; i < rel->npaths; i++)
	{
		if (rel->paths[i].kind_id != path->kind_id || rel->paths[i].via != path->via || rel->paths[i].ncolumns != path->ncolumns)
			continue;
		if (path->ncolumns == 1 && rel->paths[i].columns[0] == attnum && rel->paths[i].referred[0] == path->referred[0])
			return true;
	}
	/* of a partition the column has the name that it has in the relation */
	return path->via != 0 && path->ncolumns == 1 && pz_registry_path(path->via, &next) && next.relid == rel->root &&
		attnum > 0 && attnum <= rel->ncolumns && rel->columns[attnum - 1].name != NULL &&
		get_attnum(rel->root, rel->columns[attnum - 1].name) == path->referred[0];
}

/* The category of a column, -1: none. */
static int32
category_of(const PzRelation *rel, AttrNumber attnum)
{
	return rel && attnum > 0 && attnum <= rel->ncolumns ? rel->columns[attnum - 1].category_id : -1;
}

/* Is a column of a special category, other than this one? */
static bool
is_other_special(const PzColumn *column, int32 category_id)
{
	const PzCategory *category = column->name ? pz_registry_category(column->category_id) : NULL;

	return category && category->special && category->category_id != category_id;
}

/*
 * Does a value hold cells of a special category, and not that of the column it
 * goes to?  What is not known may be of any column of the entries that are read.
 */
static bool
leaves_category(const Sources *sources, int32 category_id, Bitmapset *entries)
{
	ListCell   *lc;
	int			rti = -1;
	int			i;

	foreach(lc, sources->columns)
	{
		const Source *source = lfirst(lc);
		const PzRelation *rel = pz_registry_relation(rt_fetch(source->rti, sources->pstmt->rtable)->relid);

		for (i = 1; rel && i <= rel->ncolumns; i++)
			if ((source->attnum == i || source->attnum == 0) && is_other_special(&rel->columns[i - 1], category_id))
				return true;
	}
	while (sources->unknown && (rti = bms_next_member(entries, rti)) >= 0)
	{
		const PzRelation *rel = pz_registry_relation(rt_fetch(rti, sources->pstmt->rtable)->relid);

		for (i = 1; rel && i <= rel->ncolumns; i++)
			if (is_other_special(&rel->columns[i - 1], category_id))
				return true;
	}
	return false;
}

/* Is what was collected one column, the subject of an entry that is read? */
static bool
is_subject_of(const Sources *sources, Bitmapset *entries, const PzPath *path)
{
	ListCell   *lc;

	if (sources->unknown || sources->computed || sources->columns == NIL)
		return false;
	foreach(lc, sources->columns)
	{
		const Source *source = lfirst(lc);

		if (!bms_is_member(parent_of(source->rti, sources->pstmt), entries) ||
			!is_subject(pz_registry_relation(rt_fetch(source->rti, sources->pstmt->rtable)->relid), source->attnum, path))
			return false;
	}
	return true;
}

/* Look at the value of a column of a new row. */
static bool
value_mixes(const Sources *sources, const PzRelation *target, AttrNumber attnum, Bitmapset *entries, bool inserted)
{
	int			i;

	for (i = 0; i < target->npaths && inserted && !bms_is_empty(entries); i++)
		if (pz_path_has_column(&target->paths[i], attnum) && !is_subject_of(sources, entries, &target->paths[i]))
			return true;
	return leaves_category(sources, category_of(target, attnum), entries);
}

/* Is a row that an INSERT puts in made of others? */
static bool
is_made_of_others(Plan *source, PlannedStmt *pstmt, const PzRelation *target, Bitmapset *entries)
{
	int			i;
	ListCell   *lc;

	for (i = 1; i <= target->ncolumns; i++)
	{
		Sources		sources = {pstmt};

		if (target->columns[i - 1].name == NULL)
			continue;
		collect_entry(source, i, &sources);
		if (sources.unknown)
			return true;
		foreach(lc, sources.columns)
			if (bms_is_member(parent_of(((Source *) lfirst(lc))->rti, pstmt), entries))
				return true;
	}
	return false;
}

/* Look at a row that an INSERT puts in. */
static bool
insert_mixes(Plan *source, PlannedStmt *pstmt, const PzRelation *target, Bitmapset *entries)
{
	int			i;

	if (!is_made_of_others(source, pstmt, target, entries))
		return false;
	for (i = 1; i <= target->ncolumns; i++)
	{
		Sources		sources = {pstmt};

		if (target->columns[i - 1].name == NULL)
			continue;
		collect_entry(source, i, &sources);
		if (value_mixes(&sources, target, i, entries, true))
			return true;
	}
	return false;
}

/*
 * Look at the assignments of a list, to the columns of another (NIL: to those of
 * a new row); plan has their variables.
 */
static bool
assignments_mix(List *tlist, List *colnos, Plan *plan, PlannedStmt *pstmt, const PzRelation *target, Bitmapset *entries)
{
	ListCell   *lc;
	int			n = 0;

	foreach(lc, tlist)
	{
		TargetEntry *tle = lfirst_node(TargetEntry, lc);
		Sources		sources = {pstmt, plan};

		if (tle->resjunk)
			continue;
		(void) collect((Node *) tle->expr, &sources);
		if (value_mixes(&sources, target, colnos ? list_nth_int(colnos, n++) : tle->resno, entries, colnos == NIL))
			return true;
	}
	return false;
}

/* Look at what an UPDATE sets. */
static bool
update_mixes(Plan *source, PlannedStmt *pstmt, const PzRelation *target, Bitmapset *entries, List *colnos)
{
	ListCell   *lc;
	AttrNumber	resno = 0;

	foreach(lc, colnos)
	{
		Sources		sources = {pstmt};

		/* new values are the first entries, in the order of the numbers */
		collect_entry(source, ++resno, &sources);
		if (value_mixes(&sources, target, lfirst_int(lc), entries, false))
			return true;
	}
	return false;
}

/*
 * Does a statement that writes to a protected relation put data into it as
 * nobody's, or as of somebody whose it was not said to be, or a cell of a special
 * category into a column of another?  given: it inserts what stands in the
 * statement.
 */
bool
pz_plan_mixes(ModifyTable *node, PlannedStmt *pstmt, Oid target_relid, bool given)
{
	const PzRelation *target = pz_registry_relation(target_relid);
	Bitmapset  *entries = given ? NULL : read_entries(node, pstmt);
	int			i = 0;
	ListCell   *lc;
	ListCell   *la;

	if (target == NULL || target->observed)
		return false;
	switch (node->operation)
	{
		case CMD_INSERT:
			if (!given && insert_mixes(node->plan.lefttree, pstmt, target, entries))
				return true;
			return node->onConflictSet != NIL &&
				assignments_mix(node->onConflictSet, node->onConflictCols, &node->plan, pstmt, target, entries);
		case CMD_UPDATE:
			foreach(lc, node->resultRelations)
			{
				if (rt_fetch(lfirst_int(lc), pstmt->rtable)->relid == target_relid)
					return update_mixes(node->plan.lefttree, pstmt, target, entries, list_nth(node->updateColnosLists, i));
				i++;
			}
			return true;
		case CMD_MERGE:
			foreach(lc, node->mergeActionLists)
				foreach(la, lfirst_node(List, lc))
				{
					MergeAction *action = lfirst_node(MergeAction, la);

					if ((action->commandType == CMD_INSERT || action->commandType == CMD_UPDATE) &&
						assignments_mix(action->targetList, action->commandType == CMD_UPDATE ? action->updateColnos : NIL,
										&node->plan, pstmt, target, entries))
						return true;
				}
			return false;
		default:
			return false;
	}
}
