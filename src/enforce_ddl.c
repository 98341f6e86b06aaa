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
 * The same hook tells whether code of a user is what runs innermost: a query
 * that such code sends is none of referential integrity, whatever its shape.
 * And it tells whether the planner computes a function labelled IMMUTABLE: what
 * that reads would become a constant of a plan that outlives purpose and
 * consent.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/formatting.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "enforce.h"
#include "errors.h"
#include "registry.h"

static bool blocking = false;	/* a command on a protected relation runs */

/* Code of users that is being called */
typedef struct UserCode
{
	bool		innermost;		/* no executor has begun within it */
	bool		folding;		/* the planner makes a constant of its result */
} UserCode;

static UserCode user_code = {false, false};	/* now */
static UserCode *outer_code = NULL; /* before each call under way */
static int	code_depth = 0;
static int	code_space = 0;
static int	planning_depth = 0; /* planners that are at work */

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
	if (pz_registry_relation(relid) != NULL)
		return true;
	if (!has_subclass(relid))
		return false;
	foreach(lc, find_all_inheritors(relid, NoLock, NULL))
		if (pz_registry_relation(lfirst_oid(lc)) != NULL)
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

/* The planner begins (1) or has ended (-1); returns how many are at work. */
int
pz_ddl_planning(int change)
{
	planning_depth += change;
	return planning_depth;
}

/*
 * Can a SQL function read a table?  One that cannot may be inlined.
 */
static bool
may_read_tables(HeapTuple tup)
{
	bool		isnull;
	Datum		d = SysCacheGetAttr(PROCOID, tup, Anum_pg_proc_prosqlbody, &isnull);
	char	   *body;

	if (!isnull)
		return strstr(TextDatumGetCString(d), "{RANGETBLENTRY") != NULL;
	d = SysCacheGetAttr(PROCOID, tup, Anum_pg_proc_prosrc, &isnull);
	if (isnull)
		return true;
	body = asc_tolower(VARDATA_ANY(DatumGetTextPP(d)), VARSIZE_ANY_EXHDR(DatumGetTextPP(d)));
	return strstr(body, "from") != NULL || strstr(body, "table") != NULL;
}

/*
 * Is a function one that must be looked at when it is called: written in SQL
 * or a procedural language, while a command reads all rows or referential
 * integrity runs; or labelled IMMUTABLE, while the planner is at work?
 */
bool
pz_ddl_watches(Oid funcid)
{
	HeapTuple	tup;
	bool		result = false;

	if ((!blocking && planning_depth == 0 && !InNoForceRLSOperation()) || funcid < FirstNormalObjectId)
		return false;
	tup = SearchSysCache1(PROCOID, ObjectIdGetDatum(funcid));
	if (HeapTupleIsValid(tup))
	{
		Form_pg_proc proc = (Form_pg_proc) GETSTRUCT(tup);

		result = proc->prolang != INTERNALlanguageId && proc->prolang != ClanguageId &&
			proc->prorettype != EVENT_TRIGGEROID;
		if (result && !blocking && !InNoForceRLSOperation())
			result = proc->provolatile == PROVOLATILE_IMMUTABLE &&
				(proc->prolang != SQLlanguageId || may_read_tables(tup));
		ReleaseSysCache(tup);
	}
	return result;
}

/*
 * A watched function is about to be called: ERROR 42501 while a command reads
 * all rows.  Otherwise code of a user now runs innermost.
 */
void
pz_ddl_function_begins(Oid funcid)
{
	if (blocking && pz_ddl_watches(funcid))
		ereport(ERROR,
				(errcode(PZ_ERR_REFUSED),
				 errmsg("cannot call functions of users while all rows of a protected relation are read"),
				 errhint("Use built-in functions, or have a privacy officer take the protection away for the change.")));
	if (code_depth == code_space)
	{
		int			space = Max(16, code_space * 2);

		outer_code = outer_code ? repalloc(outer_code, space * sizeof(UserCode)) :
			MemoryContextAlloc(TopMemoryContext, space * sizeof(UserCode));
		code_space = space;
	}
	outer_code[code_depth++] = user_code;
	user_code.innermost = true;
	user_code.folding = user_code.folding ||
		(planning_depth > 0 && func_volatile(funcid) == PROVOLATILE_IMMUTABLE);
}

/* The function has returned, or failed. */
void
pz_ddl_function_ends(void)
{
	if (code_depth > 0)
		user_code = outer_code[--code_depth];
}

/*
 * The executor begins (false) or goes back to what ran before: what it calls
 * by itself, triggers of referential integrity among it, is no code of users.
 * Returns what was before.
 */
bool
pz_ddl_user_code(bool running)
{
	bool		before = user_code.innermost;

	user_code.innermost = running;
	return before;
}

/* Is code of a user what runs innermost? */
bool
pz_ddl_in_user_code(void)
{
	return user_code.innermost;
}

/* Does the planner make a constant of what runs now? */
bool
pz_ddl_folding(void)
{
	return user_code.folding;
}

/* End of a transaction: nothing is called any more. */
void
pz_ddl_end_transaction(void)
{
	user_code.innermost = user_code.folding = false;
	code_depth = 0;
	planning_depth = 0;
}
