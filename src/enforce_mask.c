/*-------------------------------------------------------------------------
 *
 * enforce_mask.c
 *	  Show a mask in place of cells that the person kept back.
 *
 * A column whose category people may treat apart from the rest of a purpose is
 * replaced, wherever a query names it, by
 *
 *		CASE WHEN cell_ok(mark, subject) THEN column END
 *
 * with the column's mask as ELSE, if it has one.  So every path is closed at
 * once: conditions, joins, grouping, sorting, whole rows, RETURNING.  The
 * planner pulls subqueries up and expands children as with any expression.
 *
 * Left alone are: policies of the application, which see what is there (they
 * can only take rows away), what finds the row in the way of ON CONFLICT, and
 * the arguments of the checks themselves.  The condition of a view that is
 * written through, and what its CHECK OPTION checks of an updated row, are
 * masked like any other.
 *
 * A row that an outer join made up has NULL, not a mask: its tableoid tells.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "access/table.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteManip.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "compat.h"
#include "enforce.h"
#include "enforce_mark.h"

typedef struct MaskContext
{
	List	   *guarded;		/* PzGuarded: what is to be masked */
	List	   *levels;			/* Query: the one at hand first, then those around it */
	RangeTblEntry *shown;		/* entry whose policy is at hand: that sees what is there */
} MaskContext;

static Node *mask_mutator(Node *node, MaskContext *context);

/* The entry that a column is of, if it is one with masked columns. */
static PzGuarded *
find_guarded(const Var *var, MaskContext *context)
{
	Query	   *query;
	RangeTblEntry *rte;
	ListCell   *lc;

	if (var->varlevelsup >= list_length(context->levels))
		return NULL;
	query = list_nth(context->levels, var->varlevelsup);
	if (var->varno < 1 || var->varno > list_length(query->rtable))
		return NULL;
	rte = rt_fetch(var->varno, query->rtable);
	if (rte == context->shown)
		return NULL;
	foreach(lc, context->guarded)
	{
		PzGuarded  *guarded = lfirst(lc);

		if (guarded->rte == rte)
			return guarded->masked ? guarded : NULL;
	}
	return NULL;
}

/* Is the row that a column is of really there? */
static Expr *
row_exists(const Var *like)
{
	Var		   *tableoid = makeVar(like->varno, TableOidAttributeNumber, OIDOID, -1, InvalidOid, 0);
	NullTest   *test = makeNode(NullTest);

	pz_var_like_compat(tableoid, like);
	test->arg = (Expr *) tableoid;
	test->nulltesttype = IS_NOT_NULL;
	test->argisrow = false;
	test->location = -1;
	return (Expr *) test;
}

/* Add WHEN condition THEN result to a CASE. */
static void
add_when(CaseExpr *c, Expr *condition, Expr *result)
{
	CaseWhen   *when = makeNode(CaseWhen);

	when->expr = condition;
	when->result = result;
	when->location = -1;
	c->args = lappend(c->args, when);
}

/*
 * The mask literal of a column as a constant of its type, a domain's without
 * the checks of the domain (as classify() has tried it).
 */
static Expr *
mask_literal(const char *literal, const Var *var)
{
	int32		typmod = var->vartypmod;
	Oid			base = getBaseTypeAndTypmod(var->vartype, &typmod);
	Oid			input;
	Oid			ioparam;
	int16		len;
	bool		byval;
	Datum		value;

	getTypeInputInfo(base, &input, &ioparam);
	get_typlenbyval(base, &len, &byval);
	value = OidInputFunctionCall(input, pstrdup(literal), ioparam, typmod);
	return (Expr *) makeConst(var->vartype, var->vartypmod, var->varcollid, len, value, false, byval);
}

/* A column, masked. */
static Node *
mask_column(const Var *var, const PzGuarded *guarded)
{
	const PzColumn *col = &guarded->rel->columns[var->varattno - 1];
	CaseExpr   *c = makeNode(CaseExpr);

	c->casetype = var->vartype;
	c->casecollid = var->varcollid;
	c->location = -1;
	add_when(c, pz_mark_cell_check(guarded, col->category_id, var), copyObject((Expr *) var));
	if (col->mask)
		add_when(c, row_exists(var), mask_literal(col->mask, var));
	c->defresult = (Expr *) makeNullConst(var->vartype, var->vartypmod, var->varcollid);
	return (Node *) c;
}

/* A whole row, with its columns masked. */
static Node *
mask_row(const Var *var, const PzGuarded *guarded)
{
	Relation	rel = table_open(guarded->rel->relid, NoLock);
	TupleDesc	desc = RelationGetDescr(rel);
	RowExpr    *row = makeNode(RowExpr);
	CaseExpr   *c = makeNode(CaseExpr);
	int			i;

	for (i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		Var		   *field;

		row->colnames = lappend(row->colnames, makeString(pstrdup(NameStr(att->attname))));
		if (att->attisdropped)
		{
			row->args = lappend(row->args, makeNullConst(INT4OID, -1, InvalidOid));
			continue;
		}
		field = makeVar(var->varno, i + 1, att->atttypid, att->atttypmod, att->attcollation, 0);
		pz_var_like_compat(field, var);
		row->args = lappend(row->args, bms_is_member(i + 1, guarded->masked) ?
							mask_column(field, guarded) : (Node *) field);
	}
	table_close(rel, NoLock);
	row->row_typeid = var->vartype;
	row->row_format = COERCE_IMPLICIT_CAST;
	row->location = -1;

	c->casetype = var->vartype;
	c->location = -1;
	add_when(c, row_exists(var), (Expr *) row);
	c->defresult = (Expr *) makeNullConst(var->vartype, -1, InvalidOid);
	return (Node *) c;
}

/* Is a view written through in this query?  It stays among the entries. */
static bool
writes_through_view(Query *query)
{
	ListCell   *lc;

	foreach(lc, query->rtable)
	{
		RangeTblEntry *rte = lfirst_node(RangeTblEntry, lc);

		if (rte->rtekind == RTE_RELATION && rte->relkind == RELKIND_VIEW)
			return true;
	}
	return false;
}

/*
 * A policy's expression as it is, about columns of its own entry; what its
 * sub-selects read is masked like anything else.
 */
static Node *
show_policy(Node *expression, RangeTblEntry *entry, MaskContext *context)
{
	RangeTblEntry *outer = context->shown;
	Node	   *result;

	context->shown = entry;
	result = mask_mutator(expression, context);
	context->shown = outer;
	return result;
}

/* How many security quals of an entry, the first ones, are checks of ours or of policies? */
static int
policy_quals(const RangeTblEntry *entry, const MaskContext *context)
{
	ListCell   *lc;

	foreach(lc, context->guarded)
		if (((PzGuarded *) lfirst(lc))->rte == entry)
			return ((PzGuarded *) lfirst(lc))->npolicies;
	return 0;
}

/* Is a check that of a policy?  Minor releases have added kinds for views. */
static bool
is_policy_check(const WithCheckOption *wco)
{
	switch (wco->kind)
	{
		case WCO_RLS_INSERT_CHECK:
		case WCO_RLS_UPDATE_CHECK:
		case WCO_RLS_CONFLICT_CHECK:
		case WCO_RLS_MERGE_UPDATE_CHECK:
		case WCO_RLS_MERGE_DELETE_CHECK:
			return true;
		default:
			return false;
	}
}

/*
 * Put back the security quals and check options of policies, which see what is
 * there.  Those of a view that is written through stay masked; but an inserted
 * row, as long as nothing else can be in its place, is the client's own.
 */
static void
restore_policies(Query *original, Query *masked, MaskContext *context)
{
	bool		through_view = original->resultRelation > 0 && writes_through_view(original);
	Index		varno = 0;
	ListCell   *lc;
	ListCell   *lm;

	forboth(lc, original->rtable, lm, masked->rtable)
	{
		RangeTblEntry *from = lfirst_node(RangeTblEntry, lc);
		RangeTblEntry *to = lfirst_node(RangeTblEntry, lm);
		int			n = through_view && ++varno == original->resultRelation ? policy_quals(from, context) : list_length(from->securityQuals);
		ListCell   *lq;
		ListCell   *lr;

		forboth(lq, from->securityQuals, lr, to->securityQuals)
			if (n-- > 0)
				lfirst(lr) = show_policy(lfirst(lq), from, context);
	}
	forboth(lc, original->withCheckOptions, lm, masked->withCheckOptions)
		if (!through_view || (original->commandType == CMD_INSERT && original->onConflict == NULL) ||
			is_policy_check(lfirst_node(WithCheckOption, lc)))
			lfirst(lm) = show_policy(lfirst(lc), rt_fetch(original->resultRelation, original->rtable), context);
}

/* A Query and what is nested in it; puts back what must not be masked. */
static Query *
mask_level(Query *query, MaskContext *context)
{
	Query	   *result;

	context->levels = lcons(query, context->levels);
	result = query_tree_mutator(query, mask_mutator, context, 0);
	restore_policies(query, result, context);
	context->levels = list_delete_first(context->levels);

	if (query->onConflict)
	{
		result->onConflict->arbiterElems = query->onConflict->arbiterElems;
		result->onConflict->arbiterWhere = query->onConflict->arbiterWhere;
		result->onConflict->exclRelTlist = query->onConflict->exclRelTlist;
	}
	return result;
}

/* Mask the columns of guarded entries in an expression. */
static Node *
mask_mutator(Node *node, MaskContext *context)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, Query))
		return (Node *) mask_level((Query *) node, context);
	if (IsA(node, Var))
	{
		Var		   *var = (Var *) node;
		PzGuarded  *guarded = find_guarded(var, context);

		if (guarded && var->varattno == 0)
			return mask_row(var, guarded);
		if (guarded && var->varattno > 0 && bms_is_member(var->varattno, guarded->masked))
			return mask_column(var, guarded);
		return copyObject(node);
	}
	/* subject columns are never masked, but whatever stands in our calls is right */
	if (IsA(node, FuncExpr) && pz_mark_is_placed((FuncExpr *) node))
		return copyObject(node);
	return expression_tree_mutator(node, mask_mutator, context);
}

/*
 * Mask the columns of the guarded entries (PzGuarded) wherever the query names
 * them; returns the query itself if there is nothing to mask, else another.
 */
Query *
pz_mask_query(Query *query, List *guarded)
{
	MaskContext context = {guarded, NIL, NULL};
	ListCell   *lc;

	foreach(lc, guarded)
		if (((PzGuarded *) lfirst(lc))->masked)
			return mask_level(query, &context);
	return query;
}
