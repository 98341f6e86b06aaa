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
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "enforce.h"
#include "errors.h"
#include "registry.h"

static bool blocking = false;	/* a command on a protected relation runs */

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
 * A command begins; maintenance: it may read all rows, and that is on record.
 * The caller has asked pz_ddl_blocks before and gives the answer to
 * pz_ddl_leave.
 */
void
pz_ddl_enter(Node *parsetree, bool maintenance)
{
	bool		blocked = blocking;
	ListCell   *lc;

	pz_policy_check_command(parsetree);
	switch (nodeTag(parsetree))
	{
		case T_AlterTableStmt:
			pz_hard_check_alter((AlterTableStmt *) parsetree);
			if (!maintenance)
				pz_policy_check_contents((AlterTableStmt *) parsetree);
			pz_children_check_alter((AlterTableStmt *) parsetree, maintenance);
			/* foreign keys of any relation: their queries see every row */
			blocking = blocking || pz_utility_only_foreign_keys(parsetree) ||
				(!maintenance && alters_protected((AlterTableStmt *) parsetree));
			break;
		case T_AlterDomainStmt:
			/* looks at every column of the domain's type */
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
			blocking = blocking || (!maintenance && pz_ddl_names_protected(((IndexStmt *) parsetree)->relation));
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
			if (!maintenance)
				check_statistics((CreateStatsStmt *) parsetree);
			break;
		default:
			break;
	}
	if (blocking && !blocked)
		pz_depend_watch_ranges();
}

/* The command is over. */
void
pz_ddl_leave(bool before)
{
	blocking = before;
}

/* Has the error been raised by the code of commands itself, which names objects and no values? */
static bool
is_raised_by_ddl(void)
{
	MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);
	ErrorData  *edata = CopyErrorData();
	const char *file = edata->filename ? edata->filename : "";
	bool		result = strstr(file, "tablecmds.c") != NULL || strstr(file, "indexcmds.c") != NULL;

	FreeErrorData(edata);
	MemoryContextSwitchTo(old);
	return result;
}

/*
 * Can the text of an error quote a value?  Besides those about data, errors of
 * looking a value up as the name of something.
 */
bool
pz_ddl_may_quote(int code)
{
	switch (ERRCODE_TO_CATEGORY(code))
	{
		case ERRCODE_DATA_EXCEPTION:
		case ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION:
		case ERRCODE_PROGRAM_LIMIT_EXCEEDED:
		case ERRCODE_INTERNAL_ERROR:
			return true;
		default:
			break;
	}
	switch (code)
	{
		case ERRCODE_UNDEFINED_TABLE:
		case ERRCODE_UNDEFINED_OBJECT:
		case ERRCODE_UNDEFINED_FUNCTION:
		case ERRCODE_UNDEFINED_DATABASE:
		case ERRCODE_UNDEFINED_SCHEMA:
		case ERRCODE_AMBIGUOUS_FUNCTION:
		case ERRCODE_SYNTAX_ERROR:
		case ERRCODE_INVALID_NAME:
		case ERRCODE_WRONG_OBJECT_TYPE:
		case ERRCODE_FEATURE_NOT_SUPPORTED:
			/* with a position it is about the text of the command */
			return geterrposition() == 0 && !is_raised_by_ddl();
		default:
			return false;
	}
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
	if (!pz_ddl_may_quote(code))
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
