/*-------------------------------------------------------------------------
 *
 * enforce_utility.c
 *	  Commands that reach rows without a plan.
 *
 * COPY relation TO reads a table directly; it becomes COPY (SELECT ...) TO,
 * as PostgreSQL itself does under row security, so that it passes the planner.
 *
 * COPY relation FROM is refused by PostgreSQL under row security.  Where the
 * only policies are ours, which let every insert pass, it is carried out here
 * with the same checks of privileges as DoCopy() in commands/copy.c.  Policies
 * of the application keep PostgreSQL's refusal.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_constraint.h"
#include "commands/copy.h"
#include "commands/dbcommands.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_coerce.h"
#include "parser/parse_collate.h"
#include "parser/parse_expr.h"
#include "parser/parse_relation.h"
#include "utils/acl.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/syscache.h"

#include "compat.h"
#include "enforce.h"
#include "errors.h"
#include "registry.h"

/* COPY relation TO, as a query over the same columns. */
static CopyStmt *
copy_to_as_query(CopyStmt *stmt, Relation rel)
{
	CopyStmt   *query = copyObject(stmt);
	SelectStmt *select = makeNode(SelectStmt);
	RangeVar   *from = makeRangeVar(get_namespace_name(RelationGetNamespace(rel)),
									pstrdup(RelationGetRelationName(rel)), -1);
	List	   *attnums = CopyGetAttnums(RelationGetDescr(rel), rel, stmt->attlist);
	ListCell   *lc;

	foreach(lc, attnums)
	{
		ColumnRef  *cr = makeNode(ColumnRef);
		ResTarget  *target = makeNode(ResTarget);

		cr->fields = list_make1(makeString(pstrdup(NameStr(TupleDescAttr(RelationGetDescr(rel),
																		 lfirst_int(lc) - 1)->attname))));
		cr->location = -1;
		target->val = (Node *) cr;
		target->location = -1;
		select->targetList = lappend(select->targetList, target);
	}
	from->inh = false;			/* as COPY: only the table itself */
	select->fromClause = list_make1(from);
	query->relation = NULL;
	query->attlist = NIL;
	query->query = (Node *) select;
	return query;
}

/* Are all policies of a relation ours? */
static bool
only_our_policies(Relation rel)
{
	ListCell   *lc;

	if (rel->rd_rsdesc == NULL)
		return false;
	foreach(lc, rel->rd_rsdesc->policies)
	{
		if (!pz_enforce_is_our_policy(lfirst(lc)))
			return false;
	}
	return true;
}

/*
 * Refuse columns in the WHERE of a COPY that have no value yet, as DoCopy does
 * (commands/copy.c).
 */
static void
check_copy_where(Node *where, Relation rel)
{
	Bitmapset  *columns = NULL;
	int			i = -1;

	pull_varattnos(where, 1, &columns);
	if (bms_is_member(0 - FirstLowInvalidHeapAttributeNumber, columns))
		columns = bms_add_range(columns, 1 - FirstLowInvalidHeapAttributeNumber,
								RelationGetNumberOfAttributes(rel) - FirstLowInvalidHeapAttributeNumber);
	while ((i = bms_next_member(columns, i)) >= 0)
	{
		AttrNumber	attnum = i + FirstLowInvalidHeapAttributeNumber;

		if (attnum > 0 && TupleDescAttr(RelationGetDescr(rel), attnum - 1)->attgenerated)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_COLUMN_REFERENCE),
					 errmsg("generated columns are not supported in COPY FROM WHERE conditions"),
					 errdetail("Column \"%s\" is a generated column.",
							   NameStr(TupleDescAttr(RelationGetDescr(rel), attnum - 1)->attname)),
					 errhint("Name the columns that it is computed from.")));
	}
}

/* The WHERE clause of COPY FROM, ready for BeginCopyFrom (see DoCopy). */
static Node *
transform_copy_where(ParseState *pstate, ParseNamespaceItem *nsitem, Node *clause, Relation rel)
{
	Node	   *where;

	if (clause == NULL)
		return NULL;
	addNSItemToQuery(pstate, nsitem, false, true, true);
	where = transformExpr(pstate, clause, EXPR_KIND_COPY_WHERE);
	where = coerce_to_boolean(pstate, where, "WHERE");
	assign_expr_collations(pstate, where);
	check_copy_where(where, rel);
	where = eval_const_expressions(NULL, where);
	where = (Node *) canonicalize_qual((Expr *) where, false);
	return (Node *) make_ands_implicit((Expr *) where);
}

/*
 * COPY FROM into a protected relation, with DoCopy's checks of privileges but
 * for row security.  Returns the number of rows.
 */
static uint64
copy_from(CopyStmt *stmt, Relation rel, const char *queryString)
{
	ParseState *pstate = make_parsestate(NULL);
	ParseNamespaceItem *nsitem;
	CopyFromState cstate;
	Node	   *where;
	uint64		processed;

	pstate->p_sourcetext = queryString;
	if (stmt->is_program && !has_privs_of_role(GetUserId(), ROLE_PG_EXECUTE_SERVER_PROGRAM))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be superuser or have privileges of the pg_execute_server_program role to COPY to or from an external program"),
				 errhint("Anyone can COPY to stdout or from stdin.")));
	if (!stmt->is_program && stmt->filename != NULL && !has_privs_of_role(GetUserId(), ROLE_PG_READ_SERVER_FILES))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be superuser or have privileges of the pg_read_server_files role to COPY from a file"),
				 errhint("Anyone can COPY to stdout or from stdin.")));

	nsitem = addRangeTableEntryForRelation(pstate, rel, RowExclusiveLock, NULL, false, false);
	where = transform_copy_where(pstate, nsitem, stmt->whereClause, rel);
	pz_check_insert_compat(pstate, nsitem, CopyGetAttnums(RelationGetDescr(rel), rel, stmt->attlist));
	if (XactReadOnly && !rel->rd_islocaltemp)
		PreventCommandIfReadOnly("COPY FROM");

	cstate = BeginCopyFrom(pstate, rel, where, stmt->filename, stmt->is_program, NULL, stmt->attlist, stmt->options);
	processed = CopyFrom(cstate);
	EndCopyFrom(cstate);
	free_parsestate(pstate);
	return processed;
}

/*
 * Take over a COPY that touches a protected relation.  Returns true if it has
 * been carried out; otherwise the caller goes on with *pstmt, which may have
 * been replaced by a statement that passes the planner.
 */
bool
pz_utility_copy(PlannedStmt **pstmt, const char *queryString, QueryCompletion *qc)
{
	CopyStmt   *stmt = castNode(CopyStmt, (*pstmt)->utilityStmt);
	LOCKMODE	lockmode = stmt->is_from ? RowExclusiveLock : AccessShareLock;
	Relation	rel;
	bool		done = false;

	if (stmt->relation == NULL)
		return false;
	rel = table_openrv_extended(stmt->relation, lockmode, true);
	if (rel == NULL)
		return false;			/* PostgreSQL says what is wrong */

	if (pz_registry_relation(RelationGetRelid(rel)) != NULL ||
		(!stmt->is_from && pz_statistics_catalog(RelationGetRelid(rel))))
	{
		if (!stmt->is_from && rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE)
			ereport(ERROR,	/* under row security PostgreSQL would copy nothing, and not say so */
					(errcode(ERRCODE_WRONG_OBJECT_TYPE),
					 errmsg("cannot copy from partitioned table \"%s\"", RelationGetRelationName(rel)),
					 errhint("Try the COPY (SELECT ...) TO variant.")));
		if (!stmt->is_from && rel->rd_rel->relkind == RELKIND_RELATION)
		{
			PlannedStmt *copy = copyObject(*pstmt);

			copy->utilityStmt = (Node *) copy_to_as_query(stmt, rel);
			*pstmt = copy;
		}
		else if (stmt->is_from && only_our_policies(rel) &&
				 check_enable_rls(RelationGetRelid(rel), InvalidOid, true) == RLS_ENABLED)
		{
			uint64		processed = copy_from(stmt, rel, queryString);

			if (qc)
				SetQueryCompletion(qc, CMDTAG_COPY, processed);
			done = true;
		}
	}
	table_close(rel, NoLock);
	return done;
}

/*
 * Refuse TRUNCATE of the ledger and the record of use, also to a superuser,
 * unless there is nothing in it.
 */
void
pz_utility_check_truncate(TruncateStmt *stmt)
{
	ListCell   *lc;

	foreach(lc, pz_table_truncated(stmt))
	{
		Oid			relid = lfirst_oid(lc);

		if (pz_registry_append_only(relid) && !pz_table_empty(relid))
			ereport(ERROR,
					(errcode(PZ_ERR_REFUSED),
					 errmsg("relation \"%s\" is append-only", get_rel_name(relid)),
					 errhint("personalize.erase_subject() removes what names a person.")));
	}
}

/* Is a constraint of a relation a foreign key? */
static bool
is_foreign_key(Oid relid, const char *name)
{
	Oid			conoid = get_relation_constraint_oid(relid, name, true);
	HeapTuple	tup = SearchSysCache1(CONSTROID, ObjectIdGetDatum(conoid));
	bool		result = false;

	if (HeapTupleIsValid(tup))
	{
		result = ((Form_pg_constraint) GETSTRUCT(tup))->contype == CONSTRAINT_FOREIGN;
		ReleaseSysCache(tup);
	}
	return result;
}

/*
 * Is this an ALTER TABLE that only adds, validates or enforces foreign keys?  Such a
 * command evaluates no expression of a user.
 */
bool
pz_utility_only_foreign_keys(Node *parsetree)
{
	AlterTableStmt *stmt = (AlterTableStmt *) parsetree;
	ListCell   *lc;

	if (!IsA(parsetree, AlterTableStmt))
		return false;
	foreach(lc, stmt->cmds)
	{
		AlterTableCmd *cmd = lfirst_node(AlterTableCmd, lc);

		if (cmd->subtype == AT_AddConstraint && cmd->def && IsA(cmd->def, Constraint) &&
			((Constraint *) cmd->def)->contype == CONSTR_FOREIGN)
			continue;
		if (cmd->subtype == AT_ValidateConstraint || cmd->subtype == AT_AlterConstraint)
		{
			Oid			relid = RangeVarGetRelid(stmt->relation, AccessShareLock, true);
			const char *name = cmd->subtype == AT_ValidateConstraint ? cmd->name : pz_altered_constraint_compat(cmd);

			if (OidIsValid(relid) && is_foreign_key(relid, name))
				continue;
		}
		return false;
	}
	return true;
}

/*
 * Does this ALTER TABLE do nothing but take a partition away to which a foreign key
 * refers, or bring one to a relation that has a foreign key, where either side of it
 * is protected?
 */
static bool
moves_partition(Node *parsetree)
{
	AlterTableStmt *stmt = (AlterTableStmt *) parsetree;
	AlterTableCmd *cmd;
	bool		attach;
	Oid			relid;
	bool		guarded;
	Relation	pg_constraint;
	SysScanDesc scan;
	ScanKeyData keys[2];
	HeapTuple	tup;
	bool		found = false;

	if (!IsA(parsetree, AlterTableStmt) || list_length(stmt->cmds) != 1)
		return false;
	cmd = linitial_node(AlterTableCmd, stmt->cmds);
	attach = cmd->subtype == AT_AttachPartition;
	if (!attach && cmd->subtype != AT_DetachPartition)
		return false;
	relid = RangeVarGetRelid(attach ? stmt->relation : castNode(PartitionCmd, cmd->def)->name, AccessShareLock, true);
	if (!OidIsValid(relid))
		return false;
	guarded = pz_registry_guards(relid);
	pg_constraint = table_open(ConstraintRelationId, AccessShareLock);
	ScanKeyInit(&keys[0], attach ? Anum_pg_constraint_conrelid : Anum_pg_constraint_confrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relid));
	ScanKeyInit(&keys[1], Anum_pg_constraint_contype, BTEqualStrategyNumber, F_CHAREQ, CharGetDatum(CONSTRAINT_FOREIGN));
	scan = systable_beginscan(pg_constraint, InvalidOid, false, NULL, 2, keys);
	while (!found && HeapTupleIsValid(tup = systable_getnext(scan)))
	{
		Form_pg_constraint con = (Form_pg_constraint) GETSTRUCT(tup);

		found = guarded || pz_registry_guards(attach ? con->confrelid : con->conrelid);
	}
	systable_endscan(scan);
	table_close(pg_constraint, AccessShareLock);
	return found;
}

/*
 * Is this an ALTER TABLE for which PostgreSQL asks by a query of its own whether all
 * rows of a foreign key have a partner, or still have one?
 */
bool
pz_utility_asks_references(Node *parsetree)
{
	return pz_utility_only_foreign_keys(parsetree) || moves_partition(parsetree);
}

/* Which ALTER TABLE is this, if it is one? */
PzAltering
pz_utility_altering(Node *parsetree)
{
	if (!IsA(parsetree, AlterTableStmt))
		return PZ_ALTERS_NOTHING;
	return pz_utility_asks_references(parsetree) ? PZ_ALTERS_FOREIGN_KEYS : PZ_ALTERS_MORE;
}

/* An option of a command on databases; NULL if it is not given. */
static const char *
database_option(List *options, const char *name)
{
	ListCell   *lc;

	foreach(lc, options)
	{
		DefElem    *def = lfirst_node(DefElem, lc);

		if (strcmp(def->defname, name) == 0 && def->arg && IsA(def->arg, String))
			return strVal(def->arg);
	}
	return NULL;
}

/*
 * The database that nobody may be connected to while a command runs, our audit
 * worker among others; NULL if there is none, or if the role has not the right
 * to the command: PostgreSQL says so, and the worker stays.
 */
const char *
pz_utility_exclusive_database(Node *parsetree)
{
	const char *name = NULL;
	bool		is_copied = false;
	Oid			dbid;
	HeapTuple	tup;
	bool		allowed;

	switch (nodeTag(parsetree))
	{
		case T_DropdbStmt:
			name = ((DropdbStmt *) parsetree)->dbname;
			break;
		case T_RenameStmt:
			if (((RenameStmt *) parsetree)->renameType == OBJECT_DATABASE)
				name = ((RenameStmt *) parsetree)->subname;
			break;
		case T_AlterDatabaseStmt:
			if (database_option(((AlterDatabaseStmt *) parsetree)->options, "tablespace"))
				name = ((AlterDatabaseStmt *) parsetree)->dbname;
			break;
		case T_CreatedbStmt:
			name = database_option(((CreatedbStmt *) parsetree)->options, "template");
			if (name == NULL)
				name = "template1";
			is_copied = true;
			break;
		default:
			break;
	}
	if (name == NULL || !IsTransactionState() || IsTransactionBlock())
		return NULL;
	dbid = get_database_oid(name, true);
	if (!OidIsValid(dbid))
		return NULL;

	allowed = pz_owns_database_compat(dbid, GetUserId());
	if (is_copied)
	{
		tup = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(dbid));
		if (HeapTupleIsValid(tup))
		{
			allowed = allowed || ((Form_pg_database) GETSTRUCT(tup))->datistemplate;
			ReleaseSysCache(tup);
		}
		tup = SearchSysCache1(AUTHOID, ObjectIdGetDatum(GetUserId()));
		if (HeapTupleIsValid(tup))
		{
			allowed = allowed && (superuser() || ((Form_pg_authid) GETSTRUCT(tup))->rolcreatedb);
			ReleaseSysCache(tup);
		}
	}
	return allowed ? name : NULL;
}

/*
 * Can a command change which relations carry policies of ours?  protect() and
 * unprotect() tell all sessions by themselves.
 */
bool
pz_utility_changes_policies(Node *parsetree)
{
	if (IsA(parsetree, CreatePolicyStmt))
		return strncmp(((CreatePolicyStmt *) parsetree)->policy_name, PZ_EXTENSION "_", strlen(PZ_EXTENSION) + 1) == 0;
	return IsA(parsetree, DropStmt) && ((DropStmt *) parsetree)->removeType == OBJECT_POLICY;
}

/*
 * Can a command change names or numbers that the registry holds: renamed or
 * dropped relations, columns, schemas, roles; new children of a relation?
 */
bool
pz_utility_changes_registry(Node *parsetree)
{
	switch (nodeTag(parsetree))
	{
		case T_AlterObjectSchemaStmt:
		case T_AlterTableStmt:
		case T_DropOwnedStmt:
		case T_DropRoleStmt:
		case T_DropStmt:
		case T_RenameStmt:
			return true;
		case T_CreateStmt:
			return ((CreateStmt *) parsetree)->inhRelations != NIL;
		case T_CreateForeignTableStmt:
			return ((CreateForeignTableStmt *) parsetree)->base.inhRelations != NIL;
		default:
			return false;
	}
}
