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
 * This uses fmgr_hook, as contrib/sepgsql does.  Event triggers are the
 * superuser's and are let through, with what they call.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/syscache.h"

#include "enforce.h"
#include "errors.h"
#include "registry.h"

static bool blocking = false;	/* a command on a protected relation runs */

/* Is the relation that a command names protected, or a protected one's child? */
static bool
names_protected(RangeVar *rv)
{
	Oid			relid = rv ? RangeVarGetRelid(rv, NoLock, true) : InvalidOid;

	if (!OidIsValid(relid))
		return false;
	if (pz_registry_relation(relid) != NULL)
		return true;
	relid = IndexGetRelation(relid, true);
	return OidIsValid(relid) && pz_registry_relation(relid) != NULL;
}

/* Does an ALTER TABLE touch a protected relation, also as a partition? */
static bool
alters_protected(AlterTableStmt *stmt)
{
	ListCell   *lc;

	if (names_protected(stmt->relation))
		return true;
	foreach(lc, stmt->cmds)
	{
		AlterTableCmd *cmd = lfirst_node(AlterTableCmd, lc);

		if (cmd->subtype == AT_AttachPartition && names_protected(((PartitionCmd *) cmd->def)->name))
			return true;
	}
	return false;
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
			blocking = blocking || alters_protected((AlterTableStmt *) parsetree);
			break;
		case T_IndexStmt:
			blocking = blocking || names_protected(((IndexStmt *) parsetree)->relation);
			break;
		case T_ReindexStmt:
			blocking = blocking || names_protected(((ReindexStmt *) parsetree)->relation);
			break;
		case T_ClusterStmt:
			blocking = blocking || names_protected(((ClusterStmt *) parsetree)->relation);
			break;
		case T_VacuumStmt:
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

/* The command is over, or failed. */
void
pz_ddl_leave(bool before)
{
	blocking = before;
}

/*
 * Is a function one that must be looked at while a command runs: written in
 * SQL or a procedural language?
 */
bool
pz_ddl_watches(Oid funcid)
{
	HeapTuple	tup;
	bool		result = false;

	if (!blocking || funcid < FirstNormalObjectId)
		return false;
	tup = SearchSysCache1(PROCOID, ObjectIdGetDatum(funcid));
	if (HeapTupleIsValid(tup))
	{
		Form_pg_proc proc = (Form_pg_proc) GETSTRUCT(tup);

		result = proc->prolang != INTERNALlanguageId && proc->prolang != ClanguageId &&
			proc->prorettype != EVENT_TRIGGEROID;
		ReleaseSysCache(tup);
	}
	return result;
}

/*
 * A watched function is about to be called: ERROR 42501.
 */
void
pz_ddl_refuse_call(Oid funcid)
{
	if (pz_ddl_watches(funcid))
		ereport(ERROR,
				(errcode(PZ_ERR_REFUSED),
				 errmsg("cannot call functions of users while all rows of a protected relation are read"),
				 errhint("Use built-in functions, or have a privacy officer take the protection away for the change.")));
}
