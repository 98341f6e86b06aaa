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
#include "rewrite/rowsecurity.h"
#include "utils/acl.h"
#include "utils/array.h"
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

/* Is a qual this expression of a policy, whose columns are of entry 1? */
static bool
is_policy_expression(Node *qual, Expr *expression, Index varno)
{
	Node	   *copy = copyObject((Node *) expression);

	if (copy == NULL)
		return false;
	ChangeVarNodes(copy, 1, varno, 0);
	return equal(copy, qual);
}

/* Does a policy bind a user? */
static bool
policy_binds(const RowSecurityPolicy *policy, Oid user)
{
	Oid		   *roles = (Oid *) ARR_DATA_PTR(policy->roles);
	int			i;

	for (i = 0; i < ARR_DIMS(policy->roles)[0]; i++)
		if (roles[i] == ACL_ID_PUBLIC || has_privs_of_role(user, roles[i]))
			return true;
	return false;
}

/* Does a policy bind a user who uses a command (a character of pg_policy)? */
static bool
policy_applies(const RowSecurityPolicy *policy, Oid user, char command)
{
	return (policy->polcmd == '*' || policy->polcmd == command) && policy_binds(policy, user);
}

/* What a policy says of rows that are there, or of those that are written (check). */
static Expr *
policy_expression(const RowSecurityPolicy *policy, bool check)
{
	return check && policy->with_check_qual ? policy->with_check_qual : policy->qual;
}

/* The expressions of permissive policies for a command that bind a user, without ours. */
static List *
permissive_expressions(Relation rel, Oid user, char command, bool check)
{
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, rel->rd_rsdesc->policies)
	{
		RowSecurityPolicy *policy = lfirst(lc);

		if (policy->permissive && policy_applies(policy, user, command) && policy_expression(policy, check) &&
			!pz_enforce_is_our_policy(policy))
			result = lappend(result, policy_expression(policy, check));
	}
	return result;
}

/* Is a qual this list of expressions, ORed?  Constants stand for our own policy. */
static bool
is_any_of(Node *qual, List *expressions, Index varno)
{
	List	   *args = is_orclause(qual) ? ((BoolExpr *) qual)->args : NIL;
	ListCell   *lc;
	int			n = 0;

	if (list_length(expressions) == 1 && is_policy_expression(qual, linitial(expressions), varno))
		return true;
	foreach(lc, args)
	{
		if (IsA(lfirst(lc), Const))
			continue;
		if (n >= list_length(expressions) || !is_policy_expression(lfirst(lc), list_nth(expressions, n), varno))
			return false;
		n++;
	}
	return n > 0 && n == list_length(expressions);
}

/*
 * Is a condition on the target that of the policies which decide there, for a
 * command, about rows that a user sees, or writes (check): one that is
 * restrictive, or all that are permissive?  Whoever writes the same condition
 * into a view learns no more by it.  Not so of policies for other commands, or
 * of some of those that are permissive.
 */
static bool
is_policy_for(Node *qual, Relation rel, Index varno, Oid user, char command, bool check)
{
	ListCell   *lc;

	if (rel->rd_rsdesc == NULL)
		return false;
	foreach(lc, rel->rd_rsdesc->policies)
	{
		RowSecurityPolicy *policy = lfirst(lc);

		if (!policy->permissive && policy_applies(policy, user, command) &&
			is_policy_expression(qual, policy_expression(policy, check), varno))
			return true;
	}
	return is_any_of(qual, permissive_expressions(rel, user, command, check), varno);
}

/* The same of a security qual, for a command that changes or deletes rows. */
static bool
is_policy_qual(Node *qual, Relation rel, Index varno, Oid user, CmdType command)
{
	return is_policy_for(qual, rel, varno, user, ACL_SELECT_CHR, false) ||
		(command == CMD_UPDATE && is_policy_for(qual, rel, varno, user, ACL_UPDATE_CHR, false)) ||
		(command == CMD_DELETE && is_policy_for(qual, rel, varno, user, ACL_DELETE_CHR, false));
}

/* The same of a check. */
static bool
is_policy_check(const WithCheckOption *wco, Relation rel, Index varno, Oid user)
{
	switch (wco->kind)
	{
		case WCO_VIEW_CHECK:
			return false;
		case WCO_RLS_INSERT_CHECK:
			return is_policy_for(wco->qual, rel, varno, user, ACL_INSERT_CHR, true) ||
				is_policy_for(wco->qual, rel, varno, user, ACL_SELECT_CHR, false);
		case WCO_RLS_UPDATE_CHECK:
			return is_policy_for(wco->qual, rel, varno, user, ACL_UPDATE_CHR, true) ||
				is_policy_for(wco->qual, rel, varno, user, ACL_SELECT_CHR, false);
		default:
			/* of rows that are there, for ON CONFLICT and MERGE */
			return is_policy_for(wco->qual, rel, varno, user, ACL_UPDATE_CHR, false) ||
				is_policy_for(wco->qual, rel, varno, user, ACL_DELETE_CHR, false) ||
				is_policy_for(wco->qual, rel, varno, user, ACL_SELECT_CHR, false);
	}
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

/*
 * Put back the security quals and check options of policies, which see what is
 * there.  Those of a view that is written through stay masked; but an inserted
 * row, as long as nothing else can be in its place, is the client's own.
 */
static void
restore_policies(Query *original, Query *masked, MaskContext *context)
{
	bool		through_view = original->resultRelation > 0 && writes_through_view(original);
	Relation	target = NULL;
	Oid			user = InvalidOid;
	Index		varno = 0;
	ListCell   *lc;
	ListCell   *lm;

	if (through_view)
	{
		RangeTblEntry *rte = rt_fetch(original->resultRelation, original->rtable);

		user = pz_check_as_user_compat(original, rte);
		target = table_open(rte->relid, NoLock);
	}
	forboth(lc, original->rtable, lm, masked->rtable)
	{
		RangeTblEntry *from = lfirst_node(RangeTblEntry, lc);
		RangeTblEntry *to = lfirst_node(RangeTblEntry, lm);
		ListCell   *lq;
		ListCell   *lr;

		varno++;
		if (!through_view || varno != original->resultRelation)
			to->securityQuals = (List *) show_policy((Node *) from->securityQuals, from, context);
		else
			forboth(lq, from->securityQuals, lr, to->securityQuals)
				if (is_policy_qual(lfirst(lq), target, varno, user, original->commandType))
					lfirst(lr) = show_policy(lfirst(lq), from, context);
	}
	forboth(lc, original->withCheckOptions, lm, masked->withCheckOptions)
		if (!through_view || (original->commandType == CMD_INSERT && original->onConflict == NULL) ||
			is_policy_check(lfirst_node(WithCheckOption, lc), target, original->resultRelation, user))
			lfirst(lm) = show_policy(lfirst(lc), rt_fetch(original->resultRelation, original->rtable), context);
	if (target)
		table_close(target, NoLock);
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
