/*-------------------------------------------------------------------------
 *
 * enforce_ri.c
 *	  Recognise the queries of referential integrity, which see every row.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/transam.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "nodes/parsenodes.h"
#include "optimizer/optimizer.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "enforce.h"

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
	if (adding_foreign_key && !pz_code_is_innermost() && strncmp(query_string, "SELECT fk.", 10) == 0 &&
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
 * Is this the query that ADD and VALIDATE FOREIGN KEY look for rows without a
 * partner with: columns of a foreign key of a relation joined with one other,
 * and conditions?
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
	return are_foreign_key(fk->relid, attnums);
}

/*
 * Is this a query of referential integrity: one that asks whether a row with
 * given keys is there, or carries a cascade out to a foreign key's columns, and
 * returns nothing?  The text and security context have been looked at.
 */
bool
pz_enforce_is_ri_query(Query *query, const char *query_string)
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
		return adding_foreign_key && is_validation(query);

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
