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

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "enforce.h"
#include "errors.h"
#include "registry.h"

static bool blocking = false;	/* a command on a protected relation runs */
static ErrorContextCallback *blocking_context = NULL;	/* of that command */
static bool error_quotes = true;	/* what pz_ddl_may_quote said of its last error */

/* Does an ALTER TABLE only take something away, and look at no row? */
static bool
only_drops(AlterTableStmt *stmt)
{
	ListCell   *lc;

	foreach(lc, stmt->cmds)
	{
		switch (lfirst_node(AlterTableCmd, lc)->subtype)
		{
			case AT_DropConstraint:
			case AT_DropColumn:
			case AT_DropNotNull:
			case AT_ColumnDefault:
				break;
			default:
				return false;
		}
	}
	return true;
}

/*
 * Is a protected relation of this composite type?  ALTER TYPE ... CASCADE
 * rewrites it.
 */
static bool
is_type_of_protected(RangeVar *rv)
{
	Oid			type = get_rel_type_id(RangeVarGetRelid(rv, NoLock, true));
	Relation	pg_class;
	SysScanDesc scan;
	ScanKeyData key;
	HeapTuple	tup;
	bool		found = false;

	if (!OidIsValid(type))
		return false;
	pg_class = table_open(RelationRelationId, AccessShareLock);
	ScanKeyInit(&key, Anum_pg_class_reloftype, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(type));
	scan = systable_beginscan(pg_class, InvalidOid, false, NULL, 1, &key);
	while (!found && HeapTupleIsValid(tup = systable_getnext(scan)))
		found = pz_registry_guards(((Form_pg_class) GETSTRUCT(tup))->oid);
	systable_endscan(scan);
	table_close(pg_class, AccessShareLock);
	return found;
}

/* Does an ALTER TABLE touch a protected relation, also as a partition or by its type? */
static bool
alters_protected(AlterTableStmt *stmt)
{
	ListCell   *lc;
	bool		found;

	if (only_drops(stmt))
		return false;
	if (stmt->objtype == OBJECT_TYPE)
		return is_type_of_protected(stmt->relation);
	found = pz_ddl_names_protected(stmt->relation);

	foreach(lc, stmt->cmds)
	{
		AlterTableCmd *cmd = lfirst_node(AlterTableCmd, lc);

		if (cmd->subtype == AT_AttachPartition)
			found = found || pz_ddl_names_protected(((PartitionCmd *) cmd->def)->name);
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
		if (IsA(lfirst(lc), RangeVar) && pz_ddl_names_protected(lfirst(lc)))
			ereport(ERROR,
					(errcode(PZ_ERR_REFUSED),
					 errmsg("cannot make statistics on expressions of a protected relation"),
					 errhint("Name columns only.")));
}

/*
 * Is a superuser restoring a dump?  The registry came with it and was not
 * adopted yet.  Indexes and statistics are made after the rows were written,
 * and every function that they call was there when the dump was made.
 */
static bool
is_restoring(Node *parsetree)
{
	return (IsA(parsetree, IndexStmt) || IsA(parsetree, CreateStatsStmt) || IsA(parsetree, AlterTableStmt)) &&
		!pz_registry_anchored() && superuser() && superuser_arg(GetOuterUserId());
}

/*
 * A command begins; maintenance: it may read all rows, and that is on record.
 * The caller has asked pz_ddl_blocks before and gives the answer to
 * pz_ddl_leave.
 */
void
pz_ddl_enter(Node *parsetree, bool maintenance)
{
	bool		blocked = blocking;
	bool		restoring = !maintenance && is_restoring(parsetree);
	ListCell   *lc;

	pz_policy_check_command(parsetree);
	switch (nodeTag(parsetree))
	{
		case T_AlterTableStmt:
			pz_hard_check_alter((AlterTableStmt *) parsetree);
			if (!maintenance && !restoring)
				pz_policy_check_contents((AlterTableStmt *) parsetree);
			pz_children_check_alter((AlterTableStmt *) parsetree, maintenance);
			/* foreign keys of any relation: their queries see every row */
			blocking = blocking || pz_utility_asks_references(parsetree) ||
				(!maintenance && !restoring && alters_protected((AlterTableStmt *) parsetree));
			break;
		case T_AlterDomainStmt:
			/* looks at every column of the domain's type, whoever owns the table */
			if (strchr("COV", ((AlterDomainStmt *) parsetree)->subtype) != NULL &&
				pz_depend_domain_of_others(((AlterDomainStmt *) parsetree)->typeName))
				ereport(ERROR,
						(errcode(PZ_ERR_REFUSED),
						 errmsg("cannot check a domain against columns of a protected relation of another owner"),
						 errhint("Let a role do it that owns both, or hold the type of the column apart from the domain.")));
			blocking = blocking || pz_depend_holds_domain(((AlterDomainStmt *) parsetree)->typeName);
			break;
		case T_CreateStmt:
			pz_children_check_create((CreateStmt *) parsetree);
			/* a new partition looks through the default one */
			blocking = blocking || (((CreateStmt *) parsetree)->partbound != NULL &&
									pz_ddl_any_parent_protected(((CreateStmt *) parsetree)->inhRelations));
			break;
		case T_CreateForeignTableStmt:
			blocking = blocking || pz_ddl_any_parent_protected(((CreateForeignTableStmt *) parsetree)->base.inhRelations);
			break;
		case T_IndexStmt:
			blocking = blocking || (!maintenance && !restoring && pz_ddl_names_protected(((IndexStmt *) parsetree)->relation));
			break;
		case T_ReindexStmt:
			blocking = blocking || (((ReindexStmt *) parsetree)->relation == NULL && pz_depend_upkeep_calls_users()) ||
				(!maintenance && pz_ddl_names_protected(((ReindexStmt *) parsetree)->relation));
			break;
		case T_ClusterStmt:
			blocking = blocking || (((ClusterStmt *) parsetree)->relation == NULL && pz_depend_upkeep_calls_users()) ||
				(!maintenance && pz_ddl_names_protected(((ClusterStmt *) parsetree)->relation));
			break;
		case T_VacuumStmt:
			blocking = blocking || (((VacuumStmt *) parsetree)->rels == NIL && pz_depend_upkeep_calls_users());
			foreach(lc, ((VacuumStmt *) parsetree)->rels)
				blocking = blocking || (!maintenance && pz_ddl_names_protected(lfirst_node(VacuumRelation, lc)->relation));
			break;
		case T_CreateStatsStmt:
			if (!maintenance && !restoring)
				check_statistics((CreateStatsStmt *) parsetree);
			break;
		default:
			break;
	}
	if (blocking && !blocked)
	{
		pz_detail_watch();
		blocking_context = error_context_stack;
		error_quotes = true;
		pz_depend_watch_ranges();
	}
}

/* The command is over. */
void
pz_ddl_leave(bool before)
{
	blocking = before;
}

/*
 * A command failed while functions were blocked.  What it read could be in the
 * message ("invalid input syntax ... "), so what can quote a value is replaced
 * by one that says nothing.  before as pz_ddl_enter gave it.  Call within
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
	if (!error_quotes)
		return;
	FlushErrorState();
	if (code == ERRCODE_INSUFFICIENT_PRIVILEGE)
		ereport(ERROR,
				(errcode(code),
				 errmsg("permission denied for a command on a protected relation"),
				 errhint("It takes the owner of the relation, and rights on all that the command names and calls.")));
	ereport(ERROR,
			(errcode(code),
			 errmsg("a row of a protected relation does not allow the command"),
			 errhint("Which row and why is not shown; look for it in a query with a purpose. If all rows do, a name in the command may be wrong.")));
}

/* Are functions of users blocked, because a command reads all rows? */
bool
pz_ddl_blocks(void)
{
	return blocking;
}

/*
 * Can a message that is being raised now quote a row that a command reads?  If
 * something reads a text as code, its context does.  What an event trigger says
 * is its own.
 */
bool
pz_ddl_may_quote(const ErrorData *edata)
{
	bool		by_code = error_context_stack != blocking_context;
	bool		quotes = blocking && ((by_code && !pz_code_is_event()) || pz_quote_may(edata, by_code));

	if (edata->elevel == ERROR)
		error_quotes = quotes;
	return quotes;
}

/*
 * A query is about to be planned: while a command reads all rows, only foreign
 * keys and event triggers send any.  A built-in function that runs a text could
 * be given a cell.  ERROR 42501.
 */
void
pz_ddl_check_query(void)
{
	if (blocking && !pz_enforce_adds_foreign_key() && !pz_code_is_event())
		ereport(ERROR,
				(errcode(PZ_ERR_REFUSED),
				 errmsg("cannot run queries while all rows of a protected relation are read"),
				 errhint("Use functions that run none, or have a privacy officer take the protection away for the change.")));
}
