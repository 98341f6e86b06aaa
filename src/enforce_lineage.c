/*-------------------------------------------------------------------------
 *
 * enforce_lineage.c
 *	  Record whose rows a statement delivers, whatever plan delivers them.
 *
 * What a scan sees depends on the plan.  What does not is which rows belong to
 * a row that the statement returns or uses.  So the query itself is changed,
 * after the checks are in: the subject's key travels from each protected entry
 * upward, as a column, until it meets a place where it can be noted:
 *
 *		top			a column of the top level, read from the rows that the top
 *					of the plan returns: after LIMIT, and only what is fetched
 *		scan		the rows that the scan returns: where all the statement does is
 *					to group one relation
 *		collect		a hidden aggregate in HAVING: the rows that are grouped
 *		collect_set	the same for each group, in levels that may stop early or
 *					are nested: returns a number that travels upward in place of
 *					a key
 *		tap_row		a volatile column: arms of set operations, the source of an
 *					INSERT, scalar sub-selects; and, in a sub-select made for it,
 *					what windows and DISTINCT ON see
 *
 * The planner must keep all of these, as it must keep any column, aggregate or
 * volatile function.  This follows the rewriting of queries for provenance
 * (Glavic and Alonso, "Perm", ICDE 2009), reduced to a set.
 *
 * An entry that none of this fits keeps being noted by its row check, which
 * sees what the scan sees.  So does every entry of a statement in which code
 * of users could see rows on the way.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteManip.h"
#include "utils/lsyscache.h"

#include "compat.h"
#include "enforce.h"
#include "enforce_lineage.h"
#include "enforce_mark.h"

/* Column resno of a sub-select holds what a source of it holds */
typedef struct Carried
{
	PzOrigin   *origin;
	AttrNumber	resno;
	bool		is_group;
} Carried;

/* What becomes of a level's sources */
typedef enum LevelMode
{
	LEVEL_TOP,					/* noted from what the plan returns, or ModifyTable reads */
	LEVEL_CARRY,				/* carried to the level above */
	LEVEL_TAP,					/* noted by a volatile column */
	LEVEL_LOST					/* left to the row checks */
} LevelMode;

typedef struct Level
{
	Query	   *query;
	struct Level *parent;
	List	   *cte_carried;	/* List of Carried, for each of query->cteList */
	List	   *sources;
	LevelMode	mode;
	int			noting;			/* PzNoting of taps by side effect here */
	List	   *done;			/* SubLink: looked at */
	bool		whole_rows;		/* the statement has whole-row columns: keep carried ones junk */
	bool		looks_again;	/* the statement locks or writes: EvalPlanQual copies rows of sub-selects */
	bool		cursor;
	List	  **origins;		/* PzOrigin: all of the statement */
} Level;

static List *rewrite_level(Query *query, Level *parent, LevelMode mode, int noting);

/* Some rows of an entry reach no tap. */
static void
lose(PzOrigin *origin)
{
	origin->lost = true;
}

/* Add a source to a level. */
static void
add_source(Level *level, PzOrigin *origin, Expr *key, bool is_group)
{
	PzSource   *source = palloc(sizeof(PzSource));

	if (level->mode == LEVEL_LOST)
	{
		lose(origin);
		return;
	}
	source->origin = origin;
	source->key = key;
	source->is_group = is_group;
	level->sources = lappend(level->sources, source);
}

/* The row checks in a security qual, which may be one of several ANDed. */
static List *
row_checks(Node *qual)
{
	List	   *checks = NIL;
	ListCell   *lc;

	if (pz_mark_is_row_check(qual, 0))
		return list_make1(qual);
	if (qual && is_andclause(qual))
		foreach(lc, ((BoolExpr *) qual)->args)
			checks = list_concat(checks, row_checks(lfirst(lc)));
	return checks;
}

/* The columns of an expression become null by these outer joins. */
static bool
set_nulling(Node *node, Bitmapset *nulling)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var))
	{
		pz_var_nulled_compat((Var *) node, nulling);
		return false;
	}
	return expression_tree_walker(node, set_nulling, nulling);
}

/* A protected entry: a source for each of its row checks. */
static void
add_relation(Level *level, RangeTblEntry *rte, Bitmapset *nulling)
{
	ListCell   *lc;
	ListCell   *lq;

	foreach(lq, rte->securityQuals)
		foreach(lc, row_checks(lfirst(lq)))
		{
			FuncExpr   *check = lfirst(lc);
			PzOrigin   *origin = palloc0(sizeof(PzOrigin));
			Node	   *key = copyObject(lsecond(check->args));

			origin->mark = linitial(check->args);
			origin->noting = PZ_NOTE_CHECK;
			*level->origins = lappend(*level->origins, origin);
			(void) set_nulling(key, nulling);
			add_source(level, origin, (Expr *) key, false);
		}
}

/* Make column resno of a sub-select addressable. */
static void
widen_entry(RangeTblEntry *rte, Query *sub, AttrNumber resno)
{
	while (list_length(rte->eref->colnames) < resno)
		rte->eref->colnames = lappend(rte->eref->colnames, makeString(pstrdup("?subject?")));
	while (rte->rtekind == RTE_CTE && list_length(rte->coltypes) < resno)
	{
		TargetEntry *tle = list_nth_node(TargetEntry, sub->targetList, list_length(rte->coltypes));

		rte->coltypes = lappend_oid(rte->coltypes, exprType((Node *) tle->expr));
		rte->coltypmods = lappend_int(rte->coltypmods, exprTypmod((Node *) tle->expr));
		rte->colcollations = lappend_oid(rte->colcollations, exprCollation((Node *) tle->expr));
	}
}

/* The CTE that an entry reads, and what it carries; NULL if it is none of the statement's. */
static Query *
find_cte(Level *level, RangeTblEntry *rte, List **carried)
{
	ListCell   *lc;
	Index		up;

	for (up = rte->ctelevelsup; up > 0 && level; up--)
		level = level->parent;
	if (level == NULL)
		return NULL;
	foreach(lc, level->query->cteList)
	{
		CommonTableExpr *cte = lfirst_node(CommonTableExpr, lc);

		if (strcmp(cte->ctename, rte->ctename) != 0)
			continue;
		/* one that is not rewritten yet is recursive, or refers to itself */
		if (level->cte_carried && foreach_current_index(lc) < list_length(level->cte_carried))
			*carried = list_nth(level->cte_carried, foreach_current_index(lc));
		return (Query *) cte->ctequery;
	}
	return NULL;
}

/* An entry of the level's joins. */
static void
add_entry(Level *level, int varno, Bitmapset *nulling)
{
	RangeTblEntry *rte = rt_fetch(varno, level->query->rtable);
	List	   *carried = NIL;
	Query	   *sub = NULL;
	ListCell   *lc;

	if (rte->rtekind == RTE_RELATION)
		add_relation(level, rte, nulling);
	else if (rte->rtekind == RTE_SUBQUERY)
	{
		sub = rte->subquery;
		/* the columns of an INSERT's source are computed twice: it can carry none */
		carried = rewrite_level(sub, level, level->mode == LEVEL_LOST ? LEVEL_LOST :
								level->query->commandType == CMD_INSERT ? LEVEL_TAP : LEVEL_CARRY, level->noting);
	}
	else if (rte->rtekind == RTE_CTE && !rte->self_reference)
		sub = find_cte(level, rte, &carried);
	foreach(lc, carried)
	{
		Carried    *c = lfirst(lc);
		TargetEntry *tle = list_nth_node(TargetEntry, sub->targetList, c->resno - 1);
		Var		   *var;

		if (level->mode == LEVEL_LOST)
		{
			lose(c->origin);
			continue;
		}
		widen_entry(rte, sub, c->resno);
		var = makeVar(varno, c->resno, exprType((Node *) tle->expr), exprTypmod((Node *) tle->expr),
					  exprCollation((Node *) tle->expr), 0);
		pz_var_nulled_compat(var, nulling);
		add_source(level, c->origin, (Expr *) var, c->is_group);
	}
}

/* Entries of a part of the level's join tree. */
static void
add_joins(Level *level, Node *node, Bitmapset *nulling)
{
	ListCell   *lc;

	if (node == NULL)
		return;
	if (IsA(node, RangeTblRef))
		add_entry(level, ((RangeTblRef *) node)->rtindex, nulling);
	else if (IsA(node, FromExpr))
	{
		foreach(lc, ((FromExpr *) node)->fromlist)
			add_joins(level, lfirst(lc), nulling);
	}
	else
	{
		JoinExpr   *join = castNode(JoinExpr, node);
		Bitmapset  *with = join->rtindex > 0 ? bms_add_member(bms_copy(nulling), join->rtindex) : nulling;
		LevelMode	mode = level->mode;

		add_joins(level, join->larg, join->jointype == JOIN_RIGHT || join->jointype == JOIN_FULL ? with : nulling);
		if (pz_shape_may_be_removed(level->query, join))
			level->mode = LEVEL_LOST;
		add_joins(level, join->rarg, join->jointype == JOIN_LEFT || join->jointype == JOIN_FULL ? with : nulling);
		level->mode = mode;
	}
}

/*
 * Carry the sources of a level to the one above, as columns.
 */
static List *
carry(Level *level)
{
	Query	   *query = level->query;
	List	   *result = NIL;
	ListCell   *lc;
	ListCell   *lt;

	foreach(lc, level->sources)
	{
		PzSource   *source = lfirst(lc);
		Carried    *carried = palloc(sizeof(Carried));

		carried->origin = source->origin;
		carried->is_group = source->is_group;
		carried->resno = 0;
		foreach(lt, query->targetList)
			if (equal(lfirst_node(TargetEntry, lt)->expr, source->key) && carried->resno == 0)
				carried->resno = lfirst_node(TargetEntry, lt)->resno;
		if (carried->resno == 0)
		{
			TargetEntry *tle = pz_tap_add_column(query, source->key, "personalize key");

			carried->resno = tle->resno;
			/*
			 * An ordinary column: 18 does not pull up references to junk, and
			 * EvalPlanQual copies rows of sub-selects without it.  But where
			 * whole rows are asked for it would be seen; there it stays junk,
			 * and OFFSET 0 keeps the sub-select from being pulled up.
			 */
			if (!level->whole_rows)
				tle->resjunk = false;
			else if (query->limitOffset == NULL)
				query->limitOffset = (Node *) makeConst(INT8OID, -1, InvalidOid, sizeof(int64), Int64GetDatum(0),
														false, FLOAT8PASSBYVAL);
		}
		result = lappend(result, carried);
	}
	return result;
}

/* Read the sources of the top level from what the plan returns. */
static void
read_at_top(Level *level)
{
	Query	   *query = level->query;
	ListCell   *lc;

	foreach(lc, level->sources)
	{
		PzSource   *source = lfirst(lc);
		const PzMark *mark = (const PzMark *) DatumGetPointer(source->origin->mark->constvalue);

		pz_tap_add_column(query, source->key, pz_tap_column_name(mark->path_id, mark->purpose_id, source->is_group));
		pz_tap_placed(source->origin, PZ_NOTE_TOP);
	}
}

/*
 * EXISTS and IN by the subject: whoever is found is the subject that was asked
 * for, and that is noted with the row that asked.  NOT EXISTS finds nobody.
 * False if the sub-select is of another kind.
 */
static bool
add_semijoin(Level *level, SubLink *sublink, bool negated)
{
	Query	   *sub = (Query *) sublink->subselect;
	RangeTblRef *ref;
	RangeTblEntry *rte;
	ListCell   *lc;
	ListCell   *lq;
	bool		linked = false;

	if ((negated && sublink->subLinkType != EXISTS_SUBLINK) ||
		(sublink->subLinkType != EXISTS_SUBLINK && sublink->subLinkType != ANY_SUBLINK) ||
		sub->commandType != CMD_SELECT || sub->setOperations || pz_shape_is_grouped(sub) || sub->hasWindowFuncs ||
		sub->hasTargetSRFs || sub->limitCount || sub->limitOffset || sub->cteList || sub->hasSubLinks ||
		list_length(sub->jointree->fromlist) != 1 || !IsA(linitial(sub->jointree->fromlist), RangeTblRef))
		return false;
	ref = linitial(sub->jointree->fromlist);
	rte = rt_fetch(ref->rtindex, sub->rtable);
	if (rte->rtekind != RTE_RELATION)
		return false;
	foreach(lq, rte->securityQuals)
		foreach(lc, row_checks(lfirst(lq)))
		{
			FuncExpr   *check = lfirst(lc);
			Const	   *mark = linitial(check->args);
			Var		   *subject = pz_shape_same_value(lsecond(check->args));
			PzOrigin   *origin;
			PzPath		path;
			Expr	   *key;

			if (subject == NULL || !pz_registry_path(((const PzMark *) DatumGetPointer(mark->constvalue))->path_id, &path))
				continue;
			key = pz_shape_linked_key(sublink, sub, ref->rtindex, subject, path.key_type);
			if (key == NULL)
				continue;
			origin = palloc0(sizeof(PzOrigin));
			origin->mark = mark;
			origin->noting = PZ_NOTE_CHECK;
			*level->origins = lappend(*level->origins, origin);
			if (negated)
				pz_tap_placed(origin, PZ_NOTE_TOP);
			else
				add_source(level, origin, key, false);
			linked = true;
		}
	return linked;
}

/* Does a query depend on columns or aggregates of any level around it?  *depth: how deep we are in it. */
static bool
depends_walker(Node *node, int *depth)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var))
		return (int) ((Var *) node)->varlevelsup > *depth;
	if (IsA(node, Aggref) && (int) ((Aggref *) node)->agglevelsup > *depth)
		return true;
	if (IsA(node, GroupingFunc) && (int) ((GroupingFunc *) node)->agglevelsup > *depth)
		return true;
	if (IsA(node, Query))
	{
		bool		result;

		(*depth)++;
		result = query_tree_walker((Query *) node, depends_walker, depth, 0);
		(*depth)--;
		return result;
	}
	return expression_tree_walker(node, depends_walker, depth);
}

/* Look into the sub-selects of a level's expressions. */
static bool
sublink_walker(Node *node, Level *level)
{
	SubLink    *sublink = (SubLink *) node;
	Query	   *sub;
	int			depth = 0;
	bool		once;

	if (node == NULL || IsA(node, Query))
		return false;
	if (!IsA(node, SubLink))
		return expression_tree_walker(node, sublink_walker, level);
	if (list_member_ptr(level->done, sublink))
		return false;
	level->done = lappend(level->done, sublink);
	(void) sublink_walker(sublink->testexpr, level);
	sub = castNode(Query, sublink->subselect);
	/* how often one is computed that depends on the row around it, the plan decides */
	once = (sublink->subLinkType == EXPR_SUBLINK || sublink->subLinkType == ARRAY_SUBLINK) &&
		!query_tree_walker(sub, depends_walker, &depth, 0);
	(void) rewrite_level(sub, level, once && level->mode != LEVEL_LOST ? LEVEL_TAP : LEVEL_LOST, PZ_NOTE_ASIDE);
	return false;
}

/* The sub-selects of a level. */
static void
add_sublinks(Level *level)
{
	Query	   *query = level->query;
	ListCell   *lc;

	/* what ON of MERGE does not find is inserted, or not: it is no condition on what is used */
	foreach(lc, query->jointree && level->mode != LEVEL_LOST && query->commandType != CMD_MERGE ? make_ands_implicit((Expr *) query->jointree->quals) : NIL)
	{
		Node	   *qual = lfirst(lc);
		bool		negated = IsA(qual, BoolExpr) && ((BoolExpr *) qual)->boolop == NOT_EXPR;

		if (negated)
			qual = linitial(((BoolExpr *) qual)->args);
		if (qual && IsA(qual, SubLink) && add_semijoin(level, (SubLink *) qual, negated))
		{
			level->done = lappend(level->done, qual);
			(void) sublink_walker(((SubLink *) qual)->testexpr, level);
		}
	}
	(void) query_tree_walker(query, sublink_walker, level,
							 QTW_IGNORE_RT_SUBQUERIES | QTW_IGNORE_CTE_SUBQUERIES | QTW_IGNORE_JOINALIASES);
}

/* A query that a WITH names. */
static List *
rewrite_cte(Level *level, CommonTableExpr *cte)
{
	Query	   *query = castNode(Query, cte->ctequery);

	if (level->mode == LEVEL_LOST)
		return rewrite_level(query, level, LEVEL_LOST, PZ_NOTE_ASIDE);
	if (query->commandType != CMD_SELECT)
		return rewrite_level(query, level, LEVEL_TOP, PZ_NOTE_ASIDE);
	/* what a recursive one has read is known only if it runs to its end */
	return rewrite_level(query, level, cte->cterecursive ? LEVEL_TAP : LEVEL_CARRY,
						 cte->cterecursive ? PZ_NOTE_BOUNDED : PZ_NOTE_ASIDE);
}

/* Has a query columns that nobody above it sees? */
static bool
has_junk(Query *query)
{
	ListCell   *lc;

	foreach(lc, query->targetList)
		if (lfirst_node(TargetEntry, lc)->resjunk)
			return true;
	return false;
}

/* Does a query, or one nested in it, lock rows or write? */
static bool
looks_again_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
	{
		Query	   *query = (Query *) node;

		return query->rowMarks != NIL || (query->commandType != CMD_SELECT && query->commandType != CMD_INSERT) ||
			query_tree_walker(query, looks_again_walker, context, 0);
	}
	return expression_tree_walker(node, looks_again_walker, context);
}

/*
 * Does a query group the rows of one relation, all that its conditions let
 * through, and nothing else?  Then whom it delivers is whom the scan delivers.
 */
static bool
groups_a_scan(const Query *query)
{
	ListCell   *lc;
	int			n = 0;

	foreach(lc, query->rtable)
		if (!pz_is_group_rte_compat(lfirst_node(RangeTblEntry, lc)))
			n++;
	return n == 1 && list_length(query->jointree->fromlist) == 1 &&
		IsA(linitial(query->jointree->fromlist), RangeTblRef) &&
		linitial_node(RangeTblEntry, query->rtable)->rtekind == RTE_RELATION &&
		linitial_node(RangeTblEntry, query->rtable)->tablesample == NULL &&
		query->cteList == NIL && query->rowMarks == NIL && query->groupingSets == NIL && query->havingQual == NULL &&
		!query->hasSubLinks && !query->hasTargetSRFs && !query->hasWindowFuncs && query->distinctClause == NIL;
}

/*
 * Have the sources of a query and all that is nested in it noted; returns what
 * it carries (LEVEL_CARRY).  noting: what taps by side effect below it are
 * worth: not that of the level itself where it may stop early.
 */
static List *
rewrite_level(Query *query, Level *parent, LevelMode mode, int noting)
{
	Level		level = {0};
	bool		early;
	bool		groups;
	ListCell   *lc;

	check_stack_depth();
	level.query = query;
	level.parent = parent;
	level.mode = mode;
	level.whole_rows = parent->whole_rows;
	level.looks_again = parent->looks_again;
	level.cursor = parent->cursor;
	level.origins = parent->origins;
	early = query->limitCount || query->limitOffset || (mode == LEVEL_TOP && level.cursor);
	/* joins and limits above may stop this level before its end */
	level.noting = early || mode == LEVEL_CARRY ? PZ_NOTE_BOUNDED : noting;

	foreach(lc, query->cteList)
		level.cte_carried = lappend(level.cte_carried, rewrite_cte(&level, lfirst_node(CommonTableExpr, lc)));
	if (query->setOperations)
	{
		bool		all_read = pz_shape_only_unions(query->setOperations);

		foreach(lc, query->rtable)
			if (lfirst_node(RangeTblEntry, lc)->rtekind == RTE_SUBQUERY)
				(void) rewrite_level(lfirst_node(RangeTblEntry, lc)->subquery, &level,
									 mode == LEVEL_LOST ? LEVEL_LOST : LEVEL_TAP,
									 all_read ? level.noting : PZ_NOTE_BOUNDED);
		/* in its LIMIT */
		if (query->hasSubLinks)
			add_sublinks(&level);
		return NIL;
	}
	add_joins(&level, (Node *) query->jointree, NULL);
	if (query->hasSubLinks)
		add_sublinks(&level);
	if (level.sources == NIL)
		return NIL;

	if (query->commandType != CMD_SELECT)
	{
		read_at_top(&level);
		return NIL;
	}
	/* a copy is without junk: what comes after it would stand in another place */
	if (pz_shape_only_first_or_last(query) ||
		(mode == LEVEL_CARRY && level.looks_again && (level.whole_rows || has_junk(query))))
	{
		foreach(lc, level.sources)
			lose(((PzSource *) lfirst(lc))->origin);
		return NIL;
	}
	if (pz_shape_is_grouped(query))
	{
		if (!query->hasAggs && !query->groupClause && !query->groupingSets && !query->havingQual)
		{
			query->groupClause = query->distinctClause;
			query->distinctClause = NIL;
		}
		if (mode == LEVEL_TOP && !early && parent->parent == NULL && list_length(level.sources) == 1 && groups_a_scan(query))
		{
			((PzSource *) linitial(level.sources))->origin->noting = PZ_NOTE_SCAN;
			return NIL;
		}
		/* DISTINCT makes one row of several groups, of which only one could be carried */
		groups = !query->hasWindowFuncs && query->distinctClause == NIL && (mode == LEVEL_CARRY || early);
		if (!groups)
		{
			pz_tap_collect(query, level.sources, level.noting);
			return NIL;
		}
		pz_tap_collect_sets(query, level.sources);
	}
	else if (query->hasWindowFuncs || query->hasDistinctOn || (query->distinctClause && query->hasTargetSRFs))
	{
		pz_tap_below(query, level.sources, level.noting);
		return NIL;
	}
	switch (mode)
	{
		case LEVEL_TOP:
			read_at_top(&level);
			return NIL;
		case LEVEL_CARRY:
			return carry(&level);
		case LEVEL_TAP:
			if (query->limitCount || query->limitOffset || query->rowMarks)
				pz_tap_above(query, level.sources, noting);
			else
				pz_tap_mark(query, level.sources, noting);
			return NIL;
		case LEVEL_LOST:
			break;
	}
	return NIL;
}

/*
 * Are whole rows asked for?  Also by EvalPlanQual, which keeps those of what is
 * joined with rows that are changed or locked: of views they have the type of
 * the view.
 */
static bool
whole_row_walker(Node *node, bool *keeps)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var))
		return ((Var *) node)->varattno == InvalidAttrNumber;
	if (IsA(node, RangeTblEntry))
		return *keeps && ((RangeTblEntry *) node)->rtekind == RTE_SUBQUERY && OidIsValid(((RangeTblEntry *) node)->relid);
	if (IsA(node, Query))
	{
		Query	   *query = (Query *) node;
		bool		outer = *keeps;
		bool		result;

		*keeps = *keeps || query->commandType != CMD_SELECT || query->rowMarks != NIL;
		result = query_tree_walker(query, whole_row_walker, keeps, QTW_EXAMINE_RTES_BEFORE);
		*keeps = outer;
		return result;
	}
	return expression_tree_walker(node, whole_row_walker, keeps);
}

/* Has a query an entry with a row check? */
static bool
checked_walker(Node *node, void *context)
{
	ListCell   *lc;

	if (node == NULL)
		return false;
	if (IsA(node, RangeTblEntry))
	{
		foreach(lc, ((RangeTblEntry *) node)->securityQuals)
			if (row_checks(lfirst(lc)) != NIL)
				return true;
		return false;
	}
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, checked_walker, context, QTW_EXAMINE_RTES_BEFORE);
	return expression_tree_walker(node, checked_walker, context);
}

/*
 * Change a query, into which the checks were put, so that whose rows it
 * delivers is noted where it can be told; and say so in the marks of the
 * checks, which then leave it.
 */
void
pz_lineage_rewrite(Query *query, bool cursor)
{
	List	   *origins = NIL;
	Level		top = {0};
	bool		keeps = false;
	ListCell   *lc;

	if (!checked_walker((Node *) query, NULL) || pz_opaque_query(query))
		return;
	top.whole_rows = whole_row_walker((Node *) query, &keeps);
	top.looks_again = looks_again_walker((Node *) query, NULL);
	top.cursor = cursor;
	top.origins = &origins;
	top.query = makeNode(Query);	/* above all: no CTE is found there */
	(void) rewrite_level(query, &top, LEVEL_TOP, PZ_NOTE_ASIDE);
	foreach(lc, origins)
	{
		PzOrigin   *origin = lfirst(lc);

		if (!origin->lost)
			((PzMark *) DatumGetPointer(origin->mark->constvalue))->noting = origin->noting;
	}
}
