/*-------------------------------------------------------------------------
 *
 * enforce_ri.c
 *	  Recognise the queries of referential integrity, which see every row.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/transam.h"
#include "catalog/partition.h"
#include "catalog/pg_constraint.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "nodes/parsenodes.h"
#include "optimizer/optimizer.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "compat.h"
#include "enforce.h"
#include "enforce_mark.h"
#include "enforce_ri.h"

/*
 * What is under way: how many triggers deep the innermost planner, executor or
 * watched function of a user was entered, and which ALTER TABLE is what runs
 * innermost.
 */
static PzRiState state = {0, PZ_ALTERS_NOTHING};

/* How many triggers are being called, one within the other? */
static int
trigger_depth(void)
{
	LOCAL_FCINFO(fcinfo, 0);

	InitFunctionCallInfoData(*fcinfo, NULL, 0, InvalidOid, NULL, NULL);
	return DatumGetInt32(pg_trigger_depth(fcinfo));
}

/*
 * A planner, an executor or a function of a user begins: a query that it sends
 * without another trigger between is none of referential integrity.  Returns
 * what pz_ri_leave() has to be told when it is over, also by an error.
 */
PzRiState
pz_ri_enter(void)
{
	PzRiState	before = state;

	state.depth = trigger_depth();
	state.altering = PZ_ALTERS_NOTHING;
	return before;
}

/* What pz_ri_enter() was called for is over. */
void
pz_ri_leave(PzRiState before)
{
	state = before;
}

/* Would pz_ri_enter() change nothing?  So it is outside of all triggers. */
bool
pz_ri_is_idle(void)
{
	return state.altering == PZ_ALTERS_NOTHING && trigger_depth() == 0;
}

/* End of a transaction: nothing is under way any more. */
void
pz_ri_end_transaction(void)
{
	state.depth = 0;
	state.altering = PZ_ALTERS_NOTHING;
}

/*
 * Triggers of a statement or command are about to be called.  If code of a user
 * has sent it from within referential integrity, take the mark of that out of
 * the security context: each trigger of referential integrity puts it there by
 * itself, and the others must not be taken for one (the check of deferrable
 * constraints calls functions of users nobody can watch).  Returns what
 * pz_ri_context_restore() has to be told.  An error needs no call of it: the
 * end of the (sub)transaction sets the security context.
 */
bool
pz_ri_context_clear(void)
{
	Oid			user;
	int			context;

	if (!InNoForceRLSOperation())
		return false;
	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(user, context & ~SECURITY_NOFORCE_RLS);
	return true;
}

/* The triggers have been called. */
void
pz_ri_context_restore(bool cleared)
{
	Oid			user;
	int			context;

	if (!cleared)
		return;
	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(user, context | SECURITY_NOFORCE_RLS);
}

/*
 * Say which ALTER TABLE runs; returns what was said before.
 */
PzAltering
pz_enforce_altering(PzAltering altering)
{
	PzAltering	before = state.altering;

	state.altering = altering;
	return before;
}

/* Is an ALTER TABLE that asks by queries of its own about foreign keys, and does nothing else, what runs innermost? */
bool
pz_enforce_adds_foreign_key(void)
{
	return state.altering == PZ_ALTERS_FOREIGN_KEYS;
}

/*
 * Does a text read like the query by which ALTER TABLE looks whether the rows of a
 * foreign key have partners?  Anybody can send such a text.
 */
static bool
looks_at_foreign_key(const char *query_string)
{
	return query_string && strncmp(query_string, "SELECT fk.", 10) == 0 &&
		(strstr(query_string, " fk LEFT OUTER JOIN ") != NULL || strstr(query_string, " fk JOIN ") != NULL);
}

/*
 * Does an ALTER TABLE that does other things, too, send this text, by which it looks at
 * the rows of a foreign key?
 */
bool
pz_enforce_checks_beside(const char *query_string)
{
	return state.altering == PZ_ALTERS_MORE && looks_at_foreign_key(query_string);
}

/*
 * Can a query with this text be one that PostgreSQL's own referential
 * integrity runs?  Its triggers run as the table's owner with
 * SECURITY_NOFORCE_RLS, which nothing else in the server sets, and their texts
 * begin in one of a few ways (see utils/adt/ri_triggers.c).
 *
 * Whatever a cascade runs, triggers of the owner among it, is in the same
 * security context and can send the same texts.  So the depth of triggers
 * decides: a trigger of referential integrity is called when the executor has
 * run a statement, or at the end of the transaction, and plans and starts its
 * query itself.  It is one trigger deeper than everything that is under way.
 * Everything else is called by a planner, an executor or a trigger function of
 * a user, at the depth where that was entered, and however many commands lie
 * between.
 *
 * ADD and VALIDATE FOREIGN KEY look for rows without a partner by a query of
 * their own (DETACH PARTITION for rows with one), as the user who gives the command, or call the trigger's function
 * for each row without a trigger.  That counts as long as nothing else has been
 * entered since the command began.
 *
 * The shape of the query is looked at as well: see pz_enforce_is_ri_query().
 */
bool
pz_enforce_may_be_ri(const char *query_string)
{
	static const char *const shapes[] = {
		"SELECT 1 FROM ONLY ", "SELECT 1 FROM \"", "SELECT 1 FROM (SELECT \"",
		"DELETE FROM ONLY ", "DELETE FROM \"", "UPDATE ONLY ", "UPDATE \""
	};
	int			i;

	if (query_string == NULL)
		return false;
	if (pz_enforce_adds_foreign_key() && looks_at_foreign_key(query_string))
		return true;
	if (!InNoForceRLSOperation() || !InLocalUserIdChange())
		return false;
	if (!pz_enforce_adds_foreign_key() && trigger_depth() <= state.depth)
		return false;
	for (i = 0; i < lengthof(shapes); i++)
		if (strncmp(query_string, shapes[i], strlen(shapes[i])) == 0)
			return true;
	return false;
}

/* A column or parameter, below built-in casts. */
Node *
pz_ri_strip_casts(Node *node)
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

/* Does an operator ask whether two periods overlap? */
static bool
is_overlap(const OpExpr *op)
{
	return op->opfuncid == F_RANGE_OVERLAPS || op->opfuncid == F_MULTIRANGE_OVERLAPS_MULTIRANGE;
}

/*
 * Do quals only compare columns with parameters for equality, and at most one with a
 * period (*period, if it is not NULL)?  Adds the columns to *attnums.
 */
bool
pz_ri_only_key_equalities(Node *quals, Bitmapset **attnums, AttrNumber *period)
{
	OpExpr	   *op = (OpExpr *) quals;
	Node	   *left;
	Node	   *right;
	bool		overlap;

	if (quals && is_andclause(quals))
	{
		ListCell   *lc;

		foreach(lc, ((BoolExpr *) quals)->args)
			if (!pz_ri_only_key_equalities(lfirst(lc), attnums, period))
				return false;
		return true;
	}
	if (quals == NULL || !IsA(quals, OpExpr) || list_length(op->args) != 2)
		return false;
	overlap = period && *period == InvalidAttrNumber && is_overlap(op);
	if (!overlap && get_mergejoin_opfamilies(op->opno) == NIL)
		return false;
	left = pz_ri_strip_casts(linitial(op->args));
	right = pz_ri_strip_casts(lsecond(op->args));
	if (left && right && IsA(left, Param) && IsA(right, Var))
	{
		Node	   *swap = left;

		left = right;
		right = swap;
	}
	if (!(left && right && IsA(left, Var) && IsA(right, Param)) || ((Var *) left)->varattno <= 0)
		return false;
	*attnums = bms_add_member(*attnums, ((Var *) left)->varattno);
	if (overlap)
		*period = ((Var *) left)->varattno;
	return true;
}

/* A set of columns. */
static Bitmapset *
column_set(const AttrNumber *attnums, int n)
{
	Bitmapset  *result = NULL;
	int			i;

	for (i = 0; i < n; i++)
		result = bms_add_member(result, attnums[i]);
	return result;
}

/* Does a foreign key do this to the rows that refer, when the row referred to goes or changes? */
static bool
has_action(Oid conoid, CmdType command)
{
	HeapTuple	tup = SearchSysCache1(CONSTROID, ObjectIdGetDatum(conoid));
	bool		result = false;

	if (HeapTupleIsValid(tup))
	{
		Form_pg_constraint con = (Form_pg_constraint) GETSTRUCT(tup);

		if (command == CMD_DELETE)
			result = con->confdeltype == FKCONSTR_ACTION_CASCADE;
		else
			result = con->confdeltype == FKCONSTR_ACTION_SETNULL || con->confdeltype == FKCONSTR_ACTION_SETDEFAULT ||
				con->confupdtype == FKCONSTR_ACTION_CASCADE || con->confupdtype == FKCONSTR_ACTION_SETNULL ||
				con->confupdtype == FKCONSTR_ACTION_SETDEFAULT;
		ReleaseSysCache(tup);
	}
	return result;
}

/* Is this the period of a foreign key with these columns; InvalidAttrNumber: has it none? */
static bool
is_period_of(Oid conoid, const AttrNumber *attnums, int n, AttrNumber period)
{
	HeapTuple	tup = SearchSysCache1(CONSTROID, ObjectIdGetDatum(conoid));
	AttrNumber	last = InvalidAttrNumber;

	if (!HeapTupleIsValid(tup))
		return false;
	if (pz_constraint_has_period_compat((Form_pg_constraint) GETSTRUCT(tup)) && n > 0)
		last = attnums[n - 1];
	ReleaseSysCache(tup);
	return last == period;
}

/*
 * Has the relation a foreign key of just the columns compared, with that period, and
 * with the columns set among these, that does what the command does?  A SELECT asks only.
 */
bool
pz_ri_is_foreign_key(Oid relid, Bitmapset *compared, AttrNumber period, Bitmapset *set, CmdType command)
{
	Relation	rel = table_open(relid, NoLock);
	bool		found = false;
	ListCell   *lc;

	foreach(lc, RelationGetFKeyList(rel))
	{
		ForeignKeyCacheInfo *fk = lfirst(lc);
		Bitmapset  *columns = column_set(fk->conkey, fk->nkeys);

		found = found || (bms_equal(compared, columns) && bms_is_subset(set, columns) &&
						  is_period_of(fk->conoid, fk->conkey, fk->nkeys, period) &&
						  (command == CMD_SELECT || has_action(fk->conoid, command)));
	}
	table_close(rel, NoLock);
	return found;
}

/*
 * Are these columns just those that a foreign key with that period refers to?  The
 * relation has a trigger for each of these, which names its constraint.
 */
bool
pz_ri_is_referenced_key(Oid relid, Bitmapset *compared, AttrNumber period)
{
	Relation	rel = table_open(relid, NoLock);
	bool		found = false;
	int			i;

	for (i = 0; rel->trigdesc && i < rel->trigdesc->numtriggers && !found; i++)
	{
		Trigger    *trigger = &rel->trigdesc->triggers[i];
		HeapTuple	tup;

		if (!OidIsValid(trigger->tgconstraint) || RI_FKey_trigger_type(trigger->tgfoid) != RI_TRIGGER_PK)
			continue;
		tup = SearchSysCache1(CONSTROID, ObjectIdGetDatum(trigger->tgconstraint));
		if (!HeapTupleIsValid(tup))
			continue;
		if (((Form_pg_constraint) GETSTRUCT(tup))->contype == CONSTRAINT_FOREIGN &&
			((Form_pg_constraint) GETSTRUCT(tup))->confrelid == relid)
		{
			AttrNumber	conkey[INDEX_MAX_KEYS];
			AttrNumber	confkey[INDEX_MAX_KEYS];
			int			n;

			DeconstructFkConstraintRow(tup, &n, conkey, confkey, NULL, NULL, NULL, NULL, NULL);
			found = bms_equal(compared, column_set(confkey, n)) && is_period_of(trigger->tgconstraint, confkey, n, period);
		}
		ReleaseSysCache(tup);
	}
	table_close(rel, NoLock);
	return found;
}

/* The relation that one is a partition of, at the top, or itself. */
static Oid
partition_root(Oid relid)
{
	while (get_rel_relispartition(relid))
		relid = get_partition_parent(relid, true);
	return relid;
}

/* Is a column among those of a foreign key? */
static bool
has_column(const ForeignKeyCacheInfo *fk, AttrNumber attnum)
{
	int			i;

	for (i = 0; i < fk->nkeys; i++)
		if (fk->conkey[i] == attnum)
			return true;
	return false;
}

/*
 * Does ON UPDATE CASCADE write a column, of the foreign key by which alone the
 * paths with this column lead to a subject?  Then the row refers to the same row
 * as before, under its new name, and that says whose it is.  Not where another
 * foreign key has the column, too: its rows are others.
 */
bool
pz_ri_follows_key(const PzRelation *rel, const TargetEntry *tle)
{
	Node	   *value = (Node *) tle->expr;
	Oid			referred = InvalidOid;
	int			nkeys = 0;
	bool		others = false;
	Relation	r;
	ListCell   *lc;
	int			i;

	while (value && (IsA(value, RelabelType) || IsA(value, CoerceToDomain)))
		value = IsA(value, RelabelType) ? (Node *) ((RelabelType *) value)->arg : (Node *) ((CoerceToDomain *) value)->arg;
	if (value == NULL || !IsA(value, Param))
		return false;
	for (i = 0; i < rel->npaths; i++)
	{
		PzPath		next;

		if (!pz_path_has_column(&rel->paths[i], tle->resno))
			continue;
		if (rel->paths[i].via == 0 || !pz_registry_path(rel->paths[i].via, &next) ||
			(OidIsValid(referred) && referred != next.relid))
			return false;
		referred = next.relid;
	}
	r = table_open(rel->relid, NoLock);
	foreach(lc, copyObject(RelationGetFKeyList(r)))
	{
		ForeignKeyCacheInfo *fk = lfirst(lc);

		if (!has_column(fk, tle->resno))
			continue;
		if (fk->confrelid == referred)
			nkeys++;
		else if (partition_root(fk->confrelid) != referred)
			others = true;
	}
	table_close(r, NoLock);
	return nkeys == 1 && !others;
}

/* Are these columns among those of one foreign key of the relation? */
static bool
are_of_foreign_key(Oid relid, Bitmapset *attnums)
{
	Relation	rel = table_open(relid, NoLock);
	bool		found = false;
	ListCell   *lc;

	foreach(lc, RelationGetFKeyList(rel))
	{
		ForeignKeyCacheInfo *fk = lfirst(lc);

		found = found || bms_is_subset(attnums, column_set(fk->conkey, fk->nkeys));
	}
	table_close(rel, NoLock);
	return found;
}

/*
 * Is this the query that ADD and VALIDATE FOREIGN KEY look for rows without a
 * partner with, or DETACH PARTITION for rows with one: columns of a foreign key of
 * a relation joined with one other, and conditions?
 */
static bool
is_validation(Query *query)
{
	Bitmapset  *attnums = NULL;
	RangeTblEntry *fk = linitial_node(RangeTblEntry, query->rtable);
	ListCell   *lc;

	if (list_length(query->rtable) != 3 || fk->rtekind != RTE_RELATION ||
		lsecond_node(RangeTblEntry, query->rtable)->rtekind != RTE_RELATION ||
		lthird_node(RangeTblEntry, query->rtable)->rtekind != RTE_JOIN ||
		query->jointree == NULL || query->jointree->quals == NULL)
		return false;
	foreach(lc, query->targetList)
	{
		Var		   *var = (Var *) lfirst_node(TargetEntry, lc)->expr;

		if (!IsA(var, Var) || var->varno != 1 || var->varlevelsup != 0 || var->varattno <= 0)
			return false;
		attnums = bms_add_member(attnums, var->varattno);
	}
	return are_of_foreign_key(fk->relid, attnums);
}

/*
 * Is this a query of referential integrity: one that asks whether a row with
 * given keys is there, or carries an action of a foreign key out, and returns
 * nothing?  It names all columns of a foreign key or of what one refers to, and
 * no others: so even a query that is taken for one tells no more.
 */
bool
pz_enforce_is_ri_query(Query *query, const char *query_string)
{
	Bitmapset  *compared = NULL;
	Bitmapset  *set = NULL;
	RangeTblEntry *rte;
	ListCell   *lc;

	if (!pz_enforce_may_be_ri(query_string))
		return false;
	if (query->cteList || query->returningList || query->setOperations ||
		query->onConflict || query->hasTargetSRFs || query->hasModifyingCTE)
		return false;
	if (query->hasSubLinks || query->havingQual)
		return pz_ri_is_of_period(query);
	if (query->commandType == CMD_SELECT && strncmp(query_string, "SELECT fk.", 10) == 0)
		return pz_enforce_adds_foreign_key() && is_validation(query);

	if (list_length(query->rtable) != 1 || query->jointree == NULL)
		return false;
	rte = linitial_node(RangeTblEntry, query->rtable);
	if (rte->rtekind != RTE_RELATION || !pz_ri_only_key_equalities(query->jointree->quals, &compared, NULL))
		return false;

	switch (query->commandType)
	{
		case CMD_SELECT:
			return list_length(query->targetList) == 1 &&
				IsA(linitial_node(TargetEntry, query->targetList)->expr, Const) &&
				(pz_ri_is_referenced_key(rte->relid, compared, InvalidAttrNumber) || pz_ri_is_foreign_key(rte->relid, compared, InvalidAttrNumber, NULL, CMD_SELECT));
		case CMD_DELETE:
			return pz_ri_is_foreign_key(rte->relid, compared, InvalidAttrNumber, NULL, CMD_DELETE);
		case CMD_UPDATE:
			foreach(lc, query->targetList)
			{
				TargetEntry *tle = lfirst_node(TargetEntry, lc);

				if (tle->resjunk)
					continue;
				if (contain_vars_of_level((Node *) tle->expr, 0))
					return false;
				set = bms_add_member(set, tle->resno);
			}
			return pz_ri_is_foreign_key(rte->relid, compared, InvalidAttrNumber, set, CMD_UPDATE);
		default:
			return false;
	}
}
