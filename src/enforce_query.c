/*-------------------------------------------------------------------------
 *
 * enforce_query.c
 *	  Put the checks into a Query before it is planned.
 *
 * Runs in planner_hook, after the rewriter: views, rules and SECURITY DEFINER
 * functions are expanded, and nobody is exempt.  For every range table entry
 * of a protected relation the check
 *
 *		personalize.row_ok(mark, subject)
 *
 * becomes the first security qual, so that the planner evaluates it before
 * any qual that could leak.  It names no purpose: the plan stays valid for any.
 * Entries of a view that is bound to a purpose carry that purpose in the mark.
 *
 * Then quals of the query that are as harmless as the check join it, so that
 * indexes stay usable (enforce_level.c), and columns that hold cells which
 * people may have kept back are masked (enforce_mask.c).
 *
 * Queries of referential integrity see every row (enforce_ri.c), but do not
 * change whom one is about.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/transam.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "rewrite/rewriteHandler.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "compat.h"
#include "enforce_path.h"
#include "enforce.h"
#include "enforce_mark.h"
#include "errors.h"
#include "registry.h"

/*
 * Is this a policy that protect() made?  Known by what it calls, not by name.
 */
bool
pz_enforce_is_our_policy(const RowSecurityPolicy *policy)
{
	return policy->qual != NULL && IsA(policy->qual, FuncExpr) &&
		pz_mark_is_policy_function(((FuncExpr *) policy->qual)->funcid);
}

/* What stands in for calls of our policy functions on one relation */
typedef struct PolicyContext
{
	const PzRelation *rel;
	bool		net;			/* value of net_ok */
} PolicyContext;

/*
 * May rows pass by the net policy?  Only while the application has no
 * permissive policy of its own, so that ours never opens what theirs closes.
 */
static bool
net_policy_holds(const PzRelation *rel)
{
	Relation	r = table_open(rel->relid, NoLock);
	bool		holds = true;
	ListCell   *lc;

	if (r->rd_rsdesc)
	{
		foreach(lc, r->rd_rsdesc->policies)
		{
			RowSecurityPolicy *policy = lfirst(lc);

			if (policy->permissive && !pz_enforce_is_our_policy(policy))
				holds = false;
		}
	}
	table_close(r, NoLock);
	return holds;
}

/* ERROR 55000 if the subject of a relation cannot be told any more. */
static void
require_whole(const PzRelation *rel)
{
	if (rel->orphan)
		ereport(ERROR,
				(errcode(PZ_ERR_STATE),
				 errmsg("relation %s carries policies of extension \"%s\", but is not in its registry", rel->name, PZ_EXTENSION),
				 errdetail("It was restored without the tables of the extension; it is closed to everybody."),
				 errhint("Restore the data of schema \"%s\" as well, or ask a privacy officer to call personalize.protect().", PZ_SCHEMA)));
	if (rel->npaths == 0)
		ereport(ERROR,
				(errcode(PZ_ERR_STATE),
				 errmsg("protected relation %s does not lead to a subject yet", rel->name),
				 errhint("Ask a privacy officer to call personalize.add_subject_path().")));
	if (rel->broken)
		ereport(ERROR,
				(errcode(PZ_ERR_STATE),
				 errmsg("the subject of protected relation %s cannot be told any more", rel->name),
				 errdetail("A registered subject column was dropped or changed."),
				 errhint("Ask a privacy officer to run personalize.unprotect() and personalize.protect() again.")));
}

/*
 * Replace calls of our policy functions in a policy's expression: policy_ok by
 * true, since the row check itself is put in front; net_ok by its value.
 */
static Node *
replace_policy_calls(Node *node, PolicyContext *context)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, FuncExpr) && pz_mark_is_policy_function(((FuncExpr *) node)->funcid))
	{
		FuncExpr   *f = (FuncExpr *) node;
		Node	   *arg = linitial(f->args);
		bool		ours = false;
		int			i;

		if (IsA(arg, Const) && !((Const *) arg)->constisnull)
			for (i = 0; i < context->rel->npaths; i++)
				ours = ours || context->rel->paths[i].path_id == DatumGetInt32(((Const *) arg)->constvalue);
		if (context->rel->orphan)
			require_whole(context->rel);
		if (!ours)
			ereport(ERROR,
					(errcode(PZ_ERR_STATE),
					 errmsg("a policy on %s belongs to another protected relation", context->rel->name),
					 errhint("Ask a privacy officer to run personalize.unprotect() and personalize.protect() again.")));
		return makeBoolConst(f->funcid == pz_registry_oids()->net_ok ? context->net : true, false);
	}
	return expression_tree_mutator(node, replace_policy_calls, context);
}

/* Has the relation a permissive policy, ours or the application's? */
static bool
has_permissive_policy(const PzRelation *rel)
{
	Relation	r = table_open(rel->relid, NoLock);
	bool		found = false;
	ListCell   *lc;

	if (r->rd_rsdesc)
		foreach(lc, r->rd_rsdesc->policies)
			found = found || ((RowSecurityPolicy *) lfirst(lc))->permissive;
	table_close(r, NoLock);
	return found;
}

/* Is this qual the constant false? */
static bool
is_false(Node *qual)
{
	return qual && IsA(qual, Const) && !((Const *) qual)->constisnull && !DatumGetBool(((Const *) qual)->constvalue);
}

/* Is this qual the constant true? */
static bool
is_true(Node *qual)
{
	return qual && IsA(qual, Const) && !((Const *) qual)->constisnull && DatumGetBool(((Const *) qual)->constvalue);
}

/*
 * How many security quals of an entry are those of policies?  The rewriter puts
 * them before the conditions of a view that is written through
 * (fireRIRrules).
 */
static int
count_policy_quals(Query *query, const PzGuarded *guarded)
{
	List	   *quals = NIL;
	List	   *checks = NIL;
	bool		has_security;
	bool		has_sublinks;

	if (guarded->varno != query->resultRelation)
		return list_length(guarded->rte->securityQuals);
	get_row_security_policies(query, guarded->rte, guarded->varno, &quals, &checks, &has_security, &has_sublinks);
	return list_length(quals);
}

/*
 * Put the checks of a relation in front of an entry's security quals (not
 * where is_read is false), and take the calls of our policies away.
 */
static void
guard_entry(Query *query, PzGuarded *guarded, bool is_read)
{
	const PzRelation *rel = guarded->rel;
	RangeTblEntry *rte = guarded->rte;
	PolicyContext context = {rel, false};
	List	   *quals = NIL;
	int			n = 0;
	ListCell   *lc;
	int			i;

	if (rte->securityQuals)
	{
		context.net = net_policy_holds(rel);
		n = count_policy_quals(query, guarded);
	}
	foreach(lc, rte->securityQuals)
	{
		bool		is_policy = n-- > 0;
		Node	   *qual = replace_policy_calls(lfirst(lc), &context);

		if (rel->has_net && rel->relid == rel->root && !rel->observed && is_false(qual) && !has_permissive_policy(rel))
			ereport(ERROR,
					(errcode(PZ_ERR_STATE),
					 errmsg("the policies of protected relation %s were changed: nobody may see its rows", rel->name),
					 errhint("Ask a privacy officer to run personalize.unprotect() and personalize.protect() again.")));
		if (is_true(qual))
			continue;
		quals = lappend(quals, qual);
		if (is_policy)
			guarded->npolicies++;
	}
	for (i = rel->npaths - 1; is_read && i >= 0; i--)
	{
		quals = lcons(pz_mark_row_check(guarded, &rel->paths[i]), quals);
		guarded->npolicies++;
	}
	rte->securityQuals = quals;
}

/*
 * Wrap the new value of a subject column, so that it can only be changed by a
 * privacy officer.
 */
static void
guard_subject(TargetEntry *tle, const PzGuarded *guarded)
{
	const PzRelation *rel = guarded->rel;
	int			i;

	for (i = 0; i < rel->npaths; i++)
		if (pz_path_has_column(&rel->paths[i], tle->resno))
			tle->expr = pz_mark_keep_subject(guarded, &rel->paths[i], tle->resno, tle->expr);
}

/* Is a new value NULL, whatever domain the column is of? */
static bool
is_null(Expr *value)
{
	while (IsA(value, CoerceToDomain))
		value = ((CoerceToDomain *) value)->arg;
	return IsA(value, Const) && ((Const *) value)->constisnull;
}

/*
 * Guard what an action of a foreign key writes to a protected relation that
 * refers to another one: it must not make a row be about somebody else, either.
 * Where nobody sees a row without a subject, ON DELETE SET NULL does no harm.
 */
static void
guard_action(Query *query, const PzGuarded *guarded)
{
	ListCell   *lc;

	if (query->commandType != CMD_UPDATE || guarded->rel->observed)
		return;
	foreach(lc, query->targetList)
	{
		TargetEntry *tle = lfirst_node(TargetEntry, lc);

		if (!tle->resjunk && (guarded->rel->null_visible || !is_null(tle->expr)) && !pz_ri_follows_key(guarded->rel, tle))
			guard_subject(tle, guarded);
	}
}

/*
 * Wrap new values: of a subject column, see above; of a masked column, so that
 * a cell which the purpose does not show is not written over.
 */
static void
guard_assignments(List *targetlist, const PzGuarded *guarded)
{
	const PzRelation *rel = guarded->rel;
	ListCell   *lc;

	if (rel->observed)
		return;
	foreach(lc, targetlist)
	{
		TargetEntry *tle = lfirst_node(TargetEntry, lc);
		CaseExpr   *guard;
		CaseWhen   *when;

		if (tle->resjunk)
			continue;
		guard_subject(tle, guarded);
		if (!bms_is_member(tle->resno, guarded->masked))
			continue;
		when = makeNode(CaseWhen);
		when->expr = pz_mark_write_check(guarded, rel->columns[tle->resno - 1].category_id);
		when->result = tle->expr;
		when->location = -1;
		guard = makeNode(CaseExpr);
		guard->casetype = exprType((Node *) tle->expr);
		guard->casecollid = exprCollation((Node *) tle->expr);
		guard->args = list_make1(when);
		guard->defresult = (Expr *) makeNullConst(guard->casetype, exprTypmod((Node *) tle->expr), guard->casecollid);
		guard->location = -1;
		tle->expr = (Expr *) guard;
	}
}

/*
 * Keep the WHERE of ON CONFLICT DO UPDATE from a withheld row: some minor
 * releases evaluate it before the check that refuses the row.  True stands in
 * for it, so that the check is reached.
 */
static Node *
guard_conflict_where(Node *where, Expr *check)
{
	CaseExpr   *guarded;
	CaseWhen   *when;

	if (where == NULL)
		return NULL;
	when = makeNode(CaseWhen);
	when->expr = check;
	when->result = (Expr *) where;
	when->location = -1;
	guarded = makeNode(CaseExpr);
	guarded->casetype = BOOLOID;
	guarded->args = list_make1(when);
	guarded->defresult = (Expr *) makeBoolConst(true, false);
	guarded->location = -1;
	return (Node *) guarded;
}

/*
 * Guard what a statement writes to a protected relation: no change of the
 * subject, no value for a cell kept back, no ON CONFLICT DO UPDATE of a
 * withheld row.
 */
static void
guard_target(Query *query, const PzGuarded *guarded)
{
	const PzRelation *rel = guarded->rel;
	ListCell   *lc;
	int			i;

	if (query->commandType == CMD_UPDATE)
		guard_assignments(query->targetList, guarded);
	foreach(lc, query->mergeActionList)
	{
		MergeAction *action = lfirst_node(MergeAction, lc);

		if (action->commandType == CMD_UPDATE)
			guard_assignments(action->targetList, guarded);
	}
	if (query->onConflict && query->onConflict->action == ONCONFLICT_UPDATE)
	{
		guard_assignments(query->onConflict->onConflictSet, guarded);
		for (i = 0; i < rel->npaths; i++)
		{
			WithCheckOption *wco = makeNode(WithCheckOption);

			wco->kind = WCO_RLS_CONFLICT_CHECK;
			wco->relname = get_rel_name(rel->relid);
			wco->polname = NULL;
			wco->qual = (Node *) pz_mark_row_check(guarded, &rel->paths[i]);
			wco->cascaded = false;
			/* first: what views and policies check must not see a withheld row */
			query->withCheckOptions = lcons(wco, query->withCheckOptions);
			query->onConflict->onConflictWhere =
				guard_conflict_where(query->onConflict->onConflictWhere, pz_mark_row_check(guarded, &rel->paths[i]));
		}
	}
}

/*
 * Take the calls of our policies out of the check options of a target.
 */
static void
clean_check_options(Query *query, const PzRelation *rel)
{
	PolicyContext context = {rel, false};
	ListCell   *lc;

	if (query->withCheckOptions)
		context.net = net_policy_holds(rel);
	foreach(lc, query->withCheckOptions)
	{
		WithCheckOption *wco = lfirst_node(WithCheckOption, lc);

		wco->qual = replace_policy_calls(wco->qual, &context);
	}
}

/*
 * The purpose of a view that an INSERT ... ON CONFLICT writes through, where
 * the rewriter has left nothing of the view's WHERE: the view itself stays
 * among the entries.
 */
static void
find_view_purpose(Query *query, int32 *purpose_id, bool *bound)
{
	ListCell   *lc;

	foreach(lc, query->rtable)
	{
		RangeTblEntry *rte = lfirst_node(RangeTblEntry, lc);
		Relation	view;
		Query	   *definition;
		int32		id = PZ_PURPOSE_NONE;

		if (rte->rtekind != RTE_RELATION || rte->relkind != RELKIND_VIEW)
			continue;
		view = table_open(rte->relid, AccessShareLock);
		definition = get_view_query(view);
		if (definition->jointree && pz_mark_find_purpose(definition->jointree->quals, &id))
			pz_mark_bind(id, purpose_id, bound);
		table_close(view, AccessShareLock);
	}
}

/* Take the call of for_purpose out of a qual, if there is one, and note its purpose. */
static void
take_purpose(Node **qual, int32 *purpose_id, bool *bound)
{
	int32		id = PZ_PURPOSE_NONE;

	if (pz_mark_take_purpose(qual, &id))
		pz_mark_bind(id, purpose_id, bound);
}

/*
 * Refuse a policy that binds its readers to another purpose than they state.
 * ERROR 42501.
 */
static void
refuse_binding_policies(const PzRelation *rel)
{
	Relation	r = table_open(rel->relid, NoLock);
	ListCell   *lc;
	int32		id;

	foreach(lc, r->rd_rsdesc ? r->rd_rsdesc->policies : NIL)
	{
		RowSecurityPolicy *policy = lfirst(lc);

		if (pz_mark_find_purpose((Node *) policy->qual, &id) || pz_mark_find_purpose((Node *) policy->with_check_qual, &id))
			ereport(ERROR,
					(errcode(PZ_ERR_REFUSED),
					 errmsg("a policy on protected relation %s binds its readers to a purpose", rel->name),
					 errhint("Take personalize.for_purpose() out of the policy; it belongs into the WHERE of a view.")));
	}
	table_close(r, NoLock);
}

/* What guard_walker knows of the whole statement */
typedef struct GuardContext
{
	bool		trusted;		/* referential integrity: takes calls in policies away, puts no checks in */
	int32		purpose_id;		/* the purpose that the query at hand is bound to, or PZ_PURPOSE_NONE */
	List	   *guarded;		/* PzGuarded */
} GuardContext;

/*
 * Guard the entries of one Query (not of those nested in it).
 */
static void
guard_query(Query *query, GuardContext *context)
{
	Index		varno = 0;
	bool		query_bound = false;
	ListCell   *lc;

	if (query->jointree)
		query_bound = pz_mark_take_purpose(&query->jointree->quals, &context->purpose_id);
	foreach(lc, query->rtable)
	{
		RangeTblEntry *rte = lfirst_node(RangeTblEntry, lc);
		int32		purpose_id = context->purpose_id;
		int32		view_purpose = PZ_PURPOSE_NONE;
		bool		bound = false;
		const PzRelation *rel;
		PzGuarded  *guarded;
		bool		is_insert_target;
		ListCell   *lq;

		varno++;

		/* the entry EXCLUDED of ON CONFLICT holds the row to be inserted */
		if (rte->rtekind != RTE_RELATION || rte->relkind == RELKIND_VIEW ||
			rte->relkind == RELKIND_COMPOSITE_TYPE)
			continue;
		/* a view that was written through has left its WHERE here or in what is checked */
		foreach(lq, rte->securityQuals)
			take_purpose((Node **) &lfirst(lq), &view_purpose, &bound);
		if (varno == query->resultRelation)
			foreach(lq, query->withCheckOptions)
				take_purpose(&lfirst_node(WithCheckOption, lq)->qual, &view_purpose, &bound);
		rel = pz_registry_relation(rte->relid);
		if (rel == NULL || (rel->observed && rel->broken))
			continue;
		/* whether a key is there does not depend on whose the row is; a restore in parallel checks keys before all of the registry is there */
		is_insert_target = varno == query->resultRelation && query->commandType == CMD_INSERT;
		if ((!context->trusted || query->commandType != CMD_SELECT) &&
			!(rel->orphan && is_insert_target && query->returningList == NIL && query->onConflict == NULL))
			require_whole(rel);
		if (bound)
			refuse_binding_policies(rel);
		if (is_insert_target && query->onConflict)
			find_view_purpose(query, &view_purpose, &bound);
		/* of views over views nobody can tell here which is the inner one */
		if (bound && query_bound && view_purpose != context->purpose_id)
			pz_mark_bind(view_purpose, &purpose_id, &query_bound);
		if (bound)
			purpose_id = view_purpose;
		guarded = pz_mark_guarded(rte, varno, rel, purpose_id);
		guard_entry(query, guarded, !is_insert_target && !context->trusted);
		if (varno == query->resultRelation)
			clean_check_options(query, rel);
		if (context->trusted)
		{
			if (varno == query->resultRelation)
				guard_action(query, guarded);
			continue;
		}
		if (varno == query->resultRelation)
			guard_target(query, guarded);
		/* the row just inserted comes back whole, unless it may be another */
		if (!is_insert_target || (query->onConflict && query->onConflict->action == ONCONFLICT_UPDATE))
			context->guarded = lappend(context->guarded, guarded);
	}
}

/*
 * Walk a tree: guard every Query in it, refuse policy functions elsewhere.
 */
static bool
guard_walker(Node *node, void *arg)
{
	GuardContext *context = arg;

	if (node == NULL)
		return false;
	if (IsA(node, Query))
	{
		int32		outer_purpose = context->purpose_id;
		bool		result;

		guard_query((Query *) node, context);
		result = query_tree_walker((Query *) node, guard_walker, context, 0);
		context->purpose_id = outer_purpose;
		return result;
	}
	if (IsA(node, FuncExpr) &&
		(pz_mark_is_policy_function(((FuncExpr *) node)->funcid) ||
		 (pz_mark_is_check(((FuncExpr *) node)->funcid) && !pz_mark_is_placed((FuncExpr *) node))))
		pz_call_refuse_direct();
	if (IsA(node, FuncExpr) && ((FuncExpr *) node)->funcid == pz_registry_oids()->for_purpose)
		ereport(ERROR,
				(errcode(PZ_ERR_REFUSED),
				 errmsg("personalize.for_purpose() binds nothing here"),
				 errhint("It belongs into the WHERE of a view, by itself or joined by AND: see personalize.create_view().")));
	return expression_tree_walker(node, guard_walker, context);
}

/*
 * Put the checks into a query and everything nested in it; returns the query
 * to be planned, which may be another.  cursor: not all of its rows may be
 * fetched.  params: as the planner has them.
 * ERROR 55000 if the registry is unreadable or a subject column is gone;
 * 42501 if it calls a function of the filter itself.
 */
Query *
pz_enforce_query(Query *query, const char *query_string, bool cursor, ParamListInfo params)
{
	GuardContext context = {false, PZ_PURPOSE_NONE, NIL};

	if (query->commandType == CMD_UTILITY)
		return query;
	context.trusted = pz_enforce_is_ri_query(query, query_string);
	if (pz_frame_adopts(query, query_string))
		(void) pz_path_place((Node *) query, NULL);
	guard_walker((Node *) query, &context);
	if (context.guarded == NIL)
		return query;
	pz_level_query(query, context.guarded, params);
	query = pz_mask_query(query, context.guarded);
	pz_lineage_rewrite(query, cursor);
	return query;
}

/*
 * Keep the planner from inlining a set-returning SQL function: the tables in
 * its body would not pass planner_hook.  Only asked where something is
 * protected.  (Scalar functions are inlined only without FROM.)
 */
bool
pz_enforce_needs_fmgr(Oid funcid)
{
	HeapTuple	tup;
	bool		result = false;

	if (funcid < FirstNormalObjectId)
		return false;
	tup = SearchSysCache1(PROCOID, ObjectIdGetDatum(funcid));
	if (HeapTupleIsValid(tup))
	{
		Form_pg_proc proc = (Form_pg_proc) GETSTRUCT(tup);

		result = proc->prolang == SQLlanguageId && proc->proretset;
		ReleaseSysCache(tup);
	}
	return result;
}
