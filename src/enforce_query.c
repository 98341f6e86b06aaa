/*-------------------------------------------------------------------------
 *
 * enforce_query.c
 *	  Put the row check into a Query before it is planned.
 *
 * Runs in planner_hook, after the rewriter: views, rules and SECURITY DEFINER
 * functions are expanded, and nobody is exempt.  For every range table entry
 * of a protected relation the check
 *
 *		personalize.row_ok(mark, subject)
 *
 * becomes the first security qual, so that the planner evaluates it before
 * any qual that could leak.  It names no purpose: the plan stays valid for any.
 *
 * mark is a constant of type personalize.plan_mark, which no SQL can make: so
 * nobody can ask row_ok about a person.  The policies that protect() made call
 * policy_ok and net_ok instead; these are recognised here and replaced.  Where
 * they are still there at run time, a path got past this hook, and they raise.
 *
 * Queries of referential integrity see every row: see is_ri_query().
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
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_coerce.h"
#include "rewrite/rowsecurity.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "compat.h"
#include "enforce.h"
#include "errors.h"
#include "registry.h"

static bool adding_foreign_key = false;

/*
 * Say that an ALTER TABLE runs that does nothing but add or validate foreign
 * keys; returns what was said before.
 */
bool
pz_enforce_foreign_key(bool adding)
{
	bool		before = adding_foreign_key;

	adding_foreign_key = adding;
	return before;
}

/*
 * Can a query with this text be one that PostgreSQL's own referential
 * integrity runs?  Its triggers run as the table's owner with
 * SECURITY_NOFORCE_RLS, which nothing else in the server sets, and their texts
 * begin in one of a few ways (see utils/adt/ri_triggers.c).  The query by which
 * ADD and VALIDATE FOREIGN KEY look for rows without a partner runs as the user
 * who gives the command; it counts only while a command runs that calls no
 * code of users.
 *
 * The owner's own trigger functions, fired by a cascade, run in the same
 * security context; what they send comes from code of users.  The shape of the
 * query is looked at as well: see is_ri_query().
 */
bool
pz_enforce_may_be_ri(const char *query_string)
{
	static const char *const shapes[] = {
		"SELECT 1 FROM ONLY ", "SELECT 1 FROM \"",
		"DELETE FROM ONLY ", "DELETE FROM \"", "UPDATE ONLY ", "UPDATE \""
	};
	int			i;

	if (query_string == NULL)
		return false;
	if (adding_foreign_key && strncmp(query_string, "SELECT fk.", 10) == 0 &&
		strstr(query_string, " fk LEFT OUTER JOIN ") != NULL)
		return true;
	if (!InNoForceRLSOperation() || !InLocalUserIdChange() || pz_code_is_innermost())
		return false;
	for (i = 0; i < lengthof(shapes); i++)
		if (strncmp(query_string, shapes[i], strlen(shapes[i])) == 0)
			return true;
	return false;
}

/* A column or parameter, below built-in casts. */
static Node *
strip_casts(Node *node)
{
	for (;;)
	{
		if (node == NULL)
			return NULL;
		if (IsA(node, RelabelType))
			node = (Node *) ((RelabelType *) node)->arg;
		else if (IsA(node, CollateExpr))
			node = (Node *) ((CollateExpr *) node)->arg;
		else if (IsA(node, FuncExpr) && list_length(((FuncExpr *) node)->args) == 1 &&
				 ((FuncExpr *) node)->funcid < FirstNormalObjectId &&
				 ((FuncExpr *) node)->funcformat != COERCE_EXPLICIT_CALL)
			node = linitial(((FuncExpr *) node)->args);
		else
			return node;
	}
}

/*
 * Do quals only compare columns with parameters for equality?  Adds the
 * columns to *attnums.
 */
static bool
only_key_equalities(Node *quals, Bitmapset **attnums)
{
	OpExpr	   *op = (OpExpr *) quals;
	Node	   *left;
	Node	   *right;

	if (quals && is_andclause(quals))
	{
		ListCell   *lc;

		foreach(lc, ((BoolExpr *) quals)->args)
			if (!only_key_equalities(lfirst(lc), attnums))
				return false;
		return true;
	}
	if (quals == NULL || !IsA(quals, OpExpr) || list_length(op->args) != 2 ||
		get_mergejoin_opfamilies(op->opno) == NIL)
		return false;
	left = strip_casts(linitial(op->args));
	right = strip_casts(lsecond(op->args));
	if (left && right && IsA(left, Param) && IsA(right, Var))
	{
		Node	   *swap = left;

		left = right;
		right = swap;
	}
	if (!(left && right && IsA(left, Var) && IsA(right, Param)) || ((Var *) left)->varattno <= 0)
		return false;
	*attnums = bms_add_member(*attnums, ((Var *) left)->varattno);
	return true;
}

/* Are these columns those of one foreign key of the relation? */
static bool
are_foreign_key(Oid relid, Bitmapset *attnums)
{
	Relation	rel = table_open(relid, NoLock);
	bool		found = false;
	ListCell   *lc;

	foreach(lc, RelationGetFKeyList(rel))
	{
		ForeignKeyCacheInfo *fk = lfirst(lc);
		Bitmapset  *columns = NULL;
		int			i;

		for (i = 0; i < fk->nkeys; i++)
			columns = bms_add_member(columns, fk->conkey[i]);
		found = found || bms_is_subset(attnums, columns);
	}
	table_close(rel, NoLock);
	return found;
}

/*
 * Is this a query of referential integrity: one that asks whether a row with
 * given keys is there, or carries a cascade out to a foreign key's columns, and
 * returns nothing?  The text and security context have been looked at.
 */
static bool
is_ri_query(Query *query, const char *query_string)
{
	Bitmapset  *attnums = NULL;
	RangeTblEntry *rte;
	ListCell   *lc;

	if (!pz_enforce_may_be_ri(query_string))
		return false;
	if (query->cteList || query->hasSubLinks || query->returningList || query->setOperations ||
		query->onConflict || query->hasTargetSRFs || query->hasModifyingCTE)
		return false;
	if (query->commandType == CMD_SELECT && strncmp(query_string, "SELECT fk.", 10) == 0)
		return adding_foreign_key;

	if (list_length(query->rtable) != 1 || query->jointree == NULL)
		return false;
	rte = linitial_node(RangeTblEntry, query->rtable);
	if (rte->rtekind != RTE_RELATION || !only_key_equalities(query->jointree->quals, &attnums))
		return false;

	switch (query->commandType)
	{
		case CMD_SELECT:
			return list_length(query->targetList) == 1 &&
				IsA(linitial_node(TargetEntry, query->targetList)->expr, Const);
		case CMD_DELETE:
			return are_foreign_key(rte->relid, attnums);
		case CMD_UPDATE:
			foreach(lc, query->targetList)
			{
				TargetEntry *tle = lfirst_node(TargetEntry, lc);

				if (tle->resjunk)
					continue;
				if (contain_vars_of_level((Node *) tle->expr, 0))
					return false;
				attnums = bms_add_member(attnums, tle->resno);
			}
			return are_foreign_key(rte->relid, attnums);
		default:
			return false;
	}
}

/* Is funcid one of the functions that our policies call? */
static bool
is_policy_function(Oid funcid)
{
	const PzOids *oids = pz_registry_oids();

	return funcid == oids->net_ok ||
		funcid == oids->policy_ok[PZ_KEY_INT] ||
		funcid == oids->policy_ok[PZ_KEY_UUID] ||
		funcid == oids->policy_ok[PZ_KEY_TEXT];
}

/*
 * Is this a policy that protect() made?  Known by what it calls, not by name.
 */
bool
pz_enforce_is_our_policy(const RowSecurityPolicy *policy)
{
	return policy->qual != NULL && IsA(policy->qual, FuncExpr) &&
		is_policy_function(((FuncExpr *) policy->qual)->funcid);
}

/*
 * The row check of one path for the entry varno.
 * ERROR 55000 if the subject column's type no longer fits the kind.
 */
static Expr *
make_row_check(const PzRelation *rel, const PzPath *path, Index varno)
{
	static const Oid key_types[] = {InvalidOid, INT8OID, UUIDOID, TEXTOID};
	const PzOids *oids = pz_registry_oids();
	Oid			type;
	int32		typmod;
	Oid			collation;
	Node	   *key;
	Const	   *mark;

	get_atttypetypmodcoll(rel->relid, path->attnum, &type, &typmod, &collation);
	key = (Node *) makeVar(varno, path->attnum, type, typmod, collation, 0);
	key = coerce_to_target_type(NULL, key, type, key_types[path->key_type], -1,
								COERCION_IMPLICIT, COERCE_IMPLICIT_CAST, -1);
	if (key == NULL)
		ereport(ERROR,
				(errcode(PZ_ERR_STATE),
				 errmsg("the subject column of protected relation %s has a type that does not fit its kind", rel->name),
				 errhint("Ask a privacy officer to run personalize.unprotect() and personalize.protect() again.")));
	mark = makeConst(oids->mark_type, -1, InvalidOid, sizeof(int64), Int64GetDatum(path->path_id), false, true);
	return (Expr *) makeFuncExpr(oids->row_ok[path->key_type], BOOLOID,
								 list_make2(mark, key), InvalidOid, collation, COERCE_EXPLICIT_CALL);
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

/*
 * Replace calls of our policy functions in a policy's expression: policy_ok by
 * true, since the row check itself is put in front; net_ok by its value.
 */
static Node *
replace_policy_calls(Node *node, PolicyContext *context)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, FuncExpr) && is_policy_function(((FuncExpr *) node)->funcid))
	{
		FuncExpr   *f = (FuncExpr *) node;
		Node	   *arg = linitial(f->args);
		bool		ours = false;
		int			i;

		if (IsA(arg, Const) && !((Const *) arg)->constisnull)
			for (i = 0; i < context->rel->npaths; i++)
				ours = ours || context->rel->paths[i].path_id == DatumGetInt32(((Const *) arg)->constvalue);
		if (!ours)
			ereport(ERROR,
					(errcode(PZ_ERR_STATE),
					 errmsg("a policy on %s belongs to another protected relation", context->rel->name),
					 errhint("Ask a privacy officer to run personalize.unprotect() and personalize.protect() again.")));
		return makeBoolConst(f->funcid == pz_registry_oids()->net_ok ? context->net : true, false);
	}
	return expression_tree_mutator(node, replace_policy_calls, context);
}

/* Is this qual the constant true? */
static bool
is_true(Node *qual)
{
	return qual && IsA(qual, Const) && !((Const *) qual)->constisnull && DatumGetBool(((Const *) qual)->constvalue);
}

/*
 * Is this qual a row check that the planner hook has placed, of this path (0:
 * of any)?
 */
bool
pz_enforce_is_row_check(Node *qual, int32 path_id)
{
	const PzOids *oids = pz_registry_oids();
	FuncExpr   *f = (FuncExpr *) qual;
	Const	   *mark;

	if (qual == NULL || !IsA(qual, FuncExpr) || list_length(f->args) != 2 ||
		(f->funcid != oids->row_ok[PZ_KEY_INT] && f->funcid != oids->row_ok[PZ_KEY_UUID] &&
		 f->funcid != oids->row_ok[PZ_KEY_TEXT]))
		return false;
	mark = linitial(f->args);
	return IsA(mark, Const) && mark->consttype == oids->mark_type && !mark->constisnull &&
		(path_id == 0 || DatumGetInt64(mark->constvalue) == path_id);
}

/*
 * Put the checks of a relation in front of an entry's security quals.
 */
static void
guard_entry(RangeTblEntry *rte, Index varno, const PzRelation *rel, bool is_read)
{
	PolicyContext context = {rel, false};
	List	   *quals = NIL;
	ListCell   *lc;
	int			i;

	if (rel->broken)
		ereport(ERROR,
				(errcode(PZ_ERR_STATE),
				 errmsg("the subject of protected relation %s cannot be told any more", rel->name),
				 errdetail("A registered subject column was dropped or changed."),
				 errhint("Ask a privacy officer to run personalize.unprotect() and personalize.protect() again.")));
	if (rte->securityQuals)
		context.net = net_policy_holds(rel);
	foreach(lc, rte->securityQuals)
	{
		Node	   *qual = lfirst(lc);

		qual = replace_policy_calls(qual, &context);
		if (!is_true(qual))
			quals = lappend(quals, qual);
	}
	if (is_read)
	{
		for (i = rel->npaths - 1; i >= 0; i--)
		{
			bool		there = false;

			foreach(lc, quals)
				there = there || pz_enforce_is_row_check(lfirst(lc), rel->paths[i].path_id);
			if (!there)
				quals = lcons(make_row_check(rel, &rel->paths[i], varno), quals);
		}
	}
	rte->securityQuals = quals;
}

/*
 * Wrap the new value of a subject column, so that it can only be changed by a
 * privacy officer: keep_subject(mark, old, new) at run time.
 */
static void
guard_subject_assignments(List *targetlist, Index varno, const PzRelation *rel)
{
	const PzOids *oids = pz_registry_oids();
	ListCell   *lc;
	int			i;

	foreach(lc, targetlist)
	{
		TargetEntry *tle = lfirst_node(TargetEntry, lc);

		for (i = 0; i < rel->npaths; i++)
		{
			const PzPath *path = &rel->paths[i];
			Oid			type;
			int32		typmod;
			Oid			collation;
			Const	   *mark;

			if (tle->resjunk || tle->resno != path->attnum ||
				(IsA(tle->expr, FuncExpr) && ((FuncExpr *) tle->expr)->funcid == oids->keep_subject))
				continue;
			get_atttypetypmodcoll(rel->relid, path->attnum, &type, &typmod, &collation);
			mark = makeConst(oids->mark_type, -1, InvalidOid, sizeof(int64), Int64GetDatum(path->path_id), false, true);
			tle->expr = (Expr *) makeFuncExpr(oids->keep_subject, type,
											  list_make3(mark, makeVar(varno, path->attnum, type, typmod, collation, 0), tle->expr),
											  collation, collation, COERCE_EXPLICIT_CALL);
		}
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
 * subject, no ON CONFLICT DO UPDATE of a withheld row.
 */
static void
guard_target(Query *query, const PzRelation *rel)
{
	PolicyContext context = {rel, false};
	Index		varno = query->resultRelation;
	ListCell   *lc;
	int			i;

	if (query->withCheckOptions)
		context.net = net_policy_holds(rel);
	foreach(lc, query->withCheckOptions)
	{
		WithCheckOption *wco = lfirst_node(WithCheckOption, lc);

		wco->qual = replace_policy_calls(wco->qual, &context);
	}

	if (query->commandType == CMD_UPDATE)
		guard_subject_assignments(query->targetList, varno, rel);
	foreach(lc, query->mergeActionList)
	{
		MergeAction *action = lfirst_node(MergeAction, lc);

		if (action->commandType == CMD_UPDATE)
			guard_subject_assignments(action->targetList, varno, rel);
	}
	if (query->onConflict && query->onConflict->action == ONCONFLICT_UPDATE)
	{
		guard_subject_assignments(query->onConflict->onConflictSet, varno, rel);
		for (i = 0; i < rel->npaths; i++)
		{
			WithCheckOption *wco = makeNode(WithCheckOption);

			wco->kind = WCO_RLS_CONFLICT_CHECK;
			wco->relname = get_rel_name(rel->relid);
			wco->polname = NULL;
			wco->qual = (Node *) make_row_check(rel, &rel->paths[i], varno);
			wco->cascaded = false;
			query->withCheckOptions = lappend(query->withCheckOptions, wco);
			query->onConflict->onConflictWhere =
				guard_conflict_where(query->onConflict->onConflictWhere, make_row_check(rel, &rel->paths[i], varno));
		}
	}
}

/* What guard_walker knows of the whole statement */
typedef struct GuardContext
{
	bool		trusted;		/* referential integrity: takes calls in policies away, puts no checks in */
} GuardContext;

/*
 * Walk a tree: guard every Query in it, refuse policy functions elsewhere.
 */
static bool
guard_walker(Node *node, void *context)
{
	bool		trusted = ((GuardContext *) context)->trusted;

	if (node == NULL)
		return false;
	if (IsA(node, Query))
	{
		Query	   *query = (Query *) node;
		Index		varno = 0;
		ListCell   *lc;

		foreach(lc, query->rtable)
		{
			RangeTblEntry *rte = lfirst_node(RangeTblEntry, lc);
			const PzRelation *rel;
			bool		is_insert_target;

			varno++;

			/* the entry EXCLUDED of ON CONFLICT holds the row to be inserted */
			if (rte->rtekind != RTE_RELATION || rte->relkind == RELKIND_VIEW ||
				rte->relkind == RELKIND_COMPOSITE_TYPE)
				continue;
			rel = pz_registry_relation(rte->relid);
			if (rel == NULL)
				continue;
			is_insert_target = varno == query->resultRelation && query->commandType == CMD_INSERT;
			guard_entry(rte, varno, rel, !is_insert_target && !trusted);
			if (!trusted && varno == query->resultRelation)
				guard_target(query, rel);
		}
		return query_tree_walker(query, guard_walker, context, 0);
	}
	if (IsA(node, FuncExpr) && is_policy_function(((FuncExpr *) node)->funcid))
		ereport(ERROR,
				(errcode(PZ_ERR_REFUSED),
				 errmsg("functions of the row filter cannot be called directly"),
				 errhint("Ask personalize.permitted() or personalize.decide(), which need the duty 'app'.")));
	return expression_tree_walker(node, guard_walker, context);
}

/*
 * Put row checks into a query and everything nested in it, in place.
 * ERROR 55000 if the registry is unreadable or a subject column is gone;
 * 42501 if it calls a function of the filter itself.
 */
void
pz_enforce_query(Query *query, const char *query_string)
{
	GuardContext context = {is_ri_query(query, query_string)};

	if (query->commandType != CMD_UTILITY)
		guard_walker((Node *) query, &context);
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
