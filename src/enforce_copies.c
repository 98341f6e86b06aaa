/*-------------------------------------------------------------------------
 *
 * enforce_copies.c
 *	  Remember where protected rows were copied to.
 *
 * A role that may copy puts rows into relations that no filter guards.  Each
 * such relation is written down in personalize.copied, in the transaction that
 * copies: if that is rolled back, so is the copy.  Temporary relations go with
 * the session and are not written down.
 *
 * CREATE TABLE AS and its kin fill a relation with all that their query
 * returns, whoever reads it for them: what functions read while they run counts
 * as copied.  The relation is the first that the command makes; it is written
 * down when the command is over.  A name would not do: the query can change
 * search_path.
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

/* A protected relation that is being copied by a command that is not over */
typedef struct PendingCopy
{
	Oid			source;
	char	   *role_name;
	char	   *purpose_name;
} PendingCopy;

static PzFilling filling;		/* the innermost such command */

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
	if (!filling.runs)
		return;
	old = MemoryContextSwitchTo(TopTransactionContext);
	copy = palloc(sizeof(PendingCopy));
	copy->source = use->relid;
	copy->role_name = pstrdup(use->role_name ? use->role_name : "");
	copy->purpose_name = pstrdup(use->purpose_name ? use->purpose_name : "");
	filling.pending = lappend(filling.pending, copy);
	MemoryContextSwitchTo(old);
}

/* Does a command run that fills a relation with what a query returns? */
bool
pz_copies_filling(void)
{
	return filling.runs;
}

/* Does a command fill a relation?  *existing is that, NULL if the command makes it. */
static bool
fills_relation(Node *parsetree, RangeVar **existing)
{
	Query	   *query;

	*existing = NULL;
	switch (nodeTag(parsetree))
	{
		case T_CreateTableAsStmt:
			return true;
		case T_RefreshMatViewStmt:
			*existing = ((RefreshMatViewStmt *) parsetree)->relation;
			return true;
		case T_ExplainStmt:
			query = (Query *) ((ExplainStmt *) parsetree)->query;
			return query && IsA(query, Query) && query->utilityStmt && fills_relation(query->utilityStmt, existing);
		default:
			return false;
	}
}

/*
 * A command begins.  Returns what ran before, for pz_copies_leave.  A command
 * that fills nothing, but runs within one that does, reads for that.
 */
PzFilling
pz_copies_enter(Node *parsetree)
{
	PzFilling	outer = filling;
	RangeVar   *existing;
	bool		fills = fills_relation(parsetree, &existing);
	Oid			target = existing ? RangeVarGetRelid(existing, NoLock, true) : InvalidOid;

	filling.nested = !fills;
	if (fills)
	{
		filling.runs = true;
		filling.target = target;
		filling.first = list_length(filling.pending);
	}
	return outer;
}

/* Something was made: the first relation that a filling command itself makes is its target. */
void
pz_copies_object_access(ObjectAccessType access, Oid classId, Oid objectId, int subId)
{
	if (filling.runs && !filling.nested && !OidIsValid(filling.target) && access == OAT_POST_CREATE &&
		classId == RelationRelationId && subId == 0)
		filling.target = objectId;
}

/*
 * The command is over, by an error or not: go back to what ran before.  What it
 * read stays noted for a filling command around it, also if it failed: what it
 * filled, or an error that is caught, may carry it out.  Does not raise.
 */
void
pz_copies_end(PzFilling outer)
{
	if (outer.runs)
		outer.pending = filling.pending;
	filling = outer;
}

/*
 * The command is over without an error: if it has filled a relation with
 * protected rows, write that down.
 */
void
pz_copies_leave(PzFilling outer)
{
	PzFilling	done = filling;
	int			i;

	pz_copies_end(outer);
	if (done.nested || !OidIsValid(done.target))
		return;
	for (i = done.first; i < list_length(done.pending); i++)
	{
		PendingCopy *copy = list_nth(done.pending, i);

		write_down(copy->source, done.target, copy->role_name, copy->purpose_name);
	}
}

/* End of a transaction: nothing runs any more. */
void
pz_copies_forget(void)
{
	memset(&filling, 0, sizeof(filling));
}
