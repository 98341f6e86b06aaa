/*-------------------------------------------------------------------------
 *
 * enforce_copies.c
 *	  Remember where protected rows were copied to.
 *
 * A role that may copy puts rows into relations that no filter guards.  Each
 * such relation is written down in personalize.copied, in the transaction that
 * copies: if that is rolled back, so is the copy.  The target of CREATE TABLE
 * AS and its kin is known by name only when the command is over; until then
 * its sources wait here.  Temporary relations go with the session and are not
 * written down.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "enforce.h"
#include "superuser.h"

/* A protected relation that is being copied into one that is not there yet */
typedef struct PendingCopy
{
	Oid			source;
	char	   *role_name;
	char	   *purpose_name;
} PendingCopy;

static List *pending = NIL;		/* PendingCopy, in TopTransactionContext */

/* Write one copy down, as superuser. */
static void
write_down(Oid source, Oid target, const char *role_name, const char *purpose_name)
{
	Oid			types[] = {OIDOID, OIDOID, TEXTOID, TEXTOID};
	Datum		values[4];

	if (get_rel_persistence(target) == RELPERSISTENCE_TEMP)
		return;
	values[0] = ObjectIdGetDatum(source);
	values[1] = ObjectIdGetDatum(target);
	values[2] = CStringGetTextDatum(role_name ? role_name : "");
	values[3] = CStringGetTextDatum(purpose_name ? purpose_name : "");
	pz_superuser_select("SELECT personalize.copy_note_internal($1, $2, $3, $4)", 4, types, values);
}

/*
 * A statement that may copy begins: write down where the rows of this use go.
 */
void
pz_copies_note(PzUse *use, QueryDesc *queryDesc)
{
	MemoryContext old;
	PendingCopy *copy;
	ListCell   *lc;

	foreach(lc, pz_plan_copy_targets(queryDesc))
		write_down(use->relid, lfirst_oid(lc), use->role_name, use->purpose_name);
	if (queryDesc->dest == NULL ||
		(queryDesc->dest->mydest != DestIntoRel && queryDesc->dest->mydest != DestTransientRel))
		return;
	old = MemoryContextSwitchTo(TopTransactionContext);
	copy = palloc(sizeof(PendingCopy));
	copy->source = use->relid;
	copy->role_name = pstrdup(use->role_name ? use->role_name : "");
	copy->purpose_name = pstrdup(use->purpose_name ? use->purpose_name : "");
	pending = lappend(pending, copy);
	MemoryContextSwitchTo(old);
}

/* The relation that a command fills with what a query returns; NULL if it is no such command. */
static RangeVar *
filled_relation(Node *parsetree)
{
	Query	   *query;

	switch (nodeTag(parsetree))
	{
		case T_CreateTableAsStmt:
			return ((CreateTableAsStmt *) parsetree)->into->rel;
		case T_RefreshMatViewStmt:
			return ((RefreshMatViewStmt *) parsetree)->relation;
		case T_ExplainStmt:
			query = (Query *) ((ExplainStmt *) parsetree)->query;
			return query && IsA(query, Query) && query->utilityStmt ? filled_relation(query->utilityStmt) : NULL;
		default:
			return NULL;
	}
}

/*
 * A command is over: if it has filled a relation with protected rows, write
 * that down.
 */
void
pz_copies_made(Node *parsetree)
{
	RangeVar   *rv;
	Oid			target;
	List	   *made = pending;
	ListCell   *lc;

	if (pending == NIL)
		return;
	rv = filled_relation(parsetree);
	if (rv == NULL)
		return;
	pending = NIL;
	target = RangeVarGetRelid(rv, NoLock, true);
	if (!OidIsValid(target))
		return;
	foreach(lc, made)
	{
		PendingCopy *copy = lfirst(lc);

		write_down(copy->source, target, copy->role_name, copy->purpose_name);
	}
}

/* End of a transaction, or an error: nothing waits any more. */
void
pz_copies_forget(void)
{
	pending = NIL;
}
