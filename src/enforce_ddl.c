/*-------------------------------------------------------------------------
 *
 * enforce_ddl.c
 *	  DDL that computes something from every row of a protected relation.
 *
 * ADD CHECK, ALTER TYPE USING, CREATE INDEX on an expression and the like read
 * all rows without a plan: nothing could be filtered.  They do so by the
 * server's own code and C functions, which show nothing to whoever gives the
 * command; but a function in SQL or a procedural language could.  While such a
 * command runs on a protected relation, none may be called.
 *
 * enforce_code.c watches the calls.  Event triggers are the superuser's and are
 * let through, with what they call.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/pg_inherits.h"

#include "enforce.h"
#include "errors.h"
#include "registry.h"

static bool blocking = false;	/* a command on a protected relation runs */

/*
 * Is the relation that a command names protected, a child of one, or an
 * ancestor of one?  For an index, its table counts.
 */
static bool
names_protected(RangeVar *rv)
{
	Oid			relid = rv ? RangeVarGetRelid(rv, NoLock, true) : InvalidOid;
	Oid			table;
	ListCell   *lc;

	if (!OidIsValid(relid))
		return false;
	table = IndexGetRelation(relid, true);
	if (OidIsValid(table))
		relid = table;
	if (pz_registry_guards(relid))
		return true;
	if (!has_subclass(relid))
		return false;
	foreach(lc, find_all_inheritors(relid, NoLock, NULL))
		if (pz_registry_guards(lfirst_oid(lc)))
			return true;
	return false;
}

/* Does an ALTER TABLE touch a protected relation, also as a partition? */
static bool
alters_protected(AlterTableStmt *stmt)
{
	ListCell   *lc;

	bool		found = names_protected(stmt->relation);

	foreach(lc, stmt->cmds)
	{
		AlterTableCmd *cmd = lfirst_node(AlterTableCmd, lc);

		if (cmd->subtype == AT_AttachPartition)
			found = found || names_protected(((PartitionCmd *) cmd->def)->name);
		if (found && (cmd->subtype == AT_DetachPartition || cmd->subtype == AT_DropInherit))
			ereport(ERROR,
					(errcode(PZ_ERR_REFUSED),
					 errmsg("cannot take a child away from a protected relation"),
					 errhint("Its rows would be open. Drop the child, or have a privacy officer call "
							 "personalize.unprotect() first and personalize.protect() after.")));
	}
	return found;
}

/*
 * Refuse statistics on expressions of a protected relation: ANALYZE would
 * compute them from every row.
 */
static void
check_statistics(CreateStatsStmt *stmt)
{
	ListCell   *lc;
	bool		has_expression = false;

	foreach(lc, stmt->exprs)
		has_expression = has_expression || lfirst_node(StatsElem, lc)->expr != NULL;
	if (!has_expression)
		return;
	foreach(lc, stmt->relations)
		if (IsA(lfirst(lc), RangeVar) && names_protected(lfirst(lc)))
			ereport(ERROR,
					(errcode(PZ_ERR_REFUSED),
					 errmsg("cannot make statistics on expressions of a protected relation"),
					 errhint("Name columns only.")));
}

/*
 * A command begins.  Says whether functions are blocked while it runs; the
 * caller gives the answer back to pz_ddl_leave.
 */
bool
pz_ddl_enter(Node *parsetree)
{
	bool		before = blocking;
	ListCell   *lc;

	switch (nodeTag(parsetree))
	{
		case T_AlterTableStmt:
			/* foreign keys of any relation: their queries see every row */
			blocking = blocking || pz_utility_only_foreign_keys(parsetree) ||
				alters_protected((AlterTableStmt *) parsetree);
			break;
		case T_AlterDomainStmt:
			/* looks at every column of the domain's type */
			blocking = true;
			break;
		case T_CreateStmt:
			/* a new partition looks through the default one */
			blocking = blocking || ((CreateStmt *) parsetree)->partbound != NULL;
			break;
		case T_IndexStmt:
			blocking = blocking || names_protected(((IndexStmt *) parsetree)->relation);
			break;
		case T_ReindexStmt:
			blocking = blocking || ((ReindexStmt *) parsetree)->relation == NULL ||
				names_protected(((ReindexStmt *) parsetree)->relation);
			break;
		case T_ClusterStmt:
			blocking = blocking || ((ClusterStmt *) parsetree)->relation == NULL ||
				names_protected(((ClusterStmt *) parsetree)->relation);
			break;
		case T_VacuumStmt:
			blocking = blocking || ((VacuumStmt *) parsetree)->rels == NIL;
			foreach(lc, ((VacuumStmt *) parsetree)->rels)
				blocking = blocking || names_protected(lfirst_node(VacuumRelation, lc)->relation);
			break;
		case T_CreateStatsStmt:
			check_statistics((CreateStatsStmt *) parsetree);
			break;
		default:
			break;
	}
	return before;
}

/* The command is over. */
void
pz_ddl_leave(bool before)
{
	blocking = before;
}

/*
 * A command failed while functions were blocked.  What it read could be in the
 * message ("invalid input syntax ... "), so errors about data are replaced by
 * one that says nothing.  before as pz_ddl_enter gave it.  Call within
 * PG_CATCH, and throw again.
 */
void
pz_ddl_fail(bool before)
{
	bool		blocked = blocking;
	int			code;

	blocking = before;
	if (!blocked)
		return;
	code = geterrcode();
	if (ERRCODE_TO_CATEGORY(code) != ERRCODE_DATA_EXCEPTION &&
		ERRCODE_TO_CATEGORY(code) != ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION)
		return;
	FlushErrorState();
	ereport(ERROR,
			(errcode(code),
			 errmsg("a row of a protected relation does not allow the command"),
			 errhint("Which row and why is not shown; look for it in a query with a purpose.")));
}

/* Are functions of users blocked, because a command reads all rows? */
bool
pz_ddl_blocks(void)
{
	return blocking;
}
