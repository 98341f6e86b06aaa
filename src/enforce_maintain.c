/*-------------------------------------------------------------------------
 *
 * enforce_maintain.c
 *	  Maintenance windows: commands that compute something from every row of a
 *	  protected relation, let through for a while and recorded.
 *
 * Outside of a window such a command runs without functions of users, or not
 * at all (enforce_ddl.c).  Within one its owner may run it as without
 * protection.  Before it begins, everybody whose rows it can see is recorded
 * as used for the built-in purpose 'maintenance': a query of ours reads all
 * rows under that purpose, which is granted to nobody and cannot be stated.
 *
 * Commands that run in one transaction first lock the relation against
 * writers, so that nobody comes between the record and the command.  VACUUM,
 * ANALYZE and commands that run CONCURRENTLY cannot keep a lock.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/pg_inherits.h"
#include "commands/defrem.h"
#include "commands/tablecmds.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "compat.h"
#include "enforce.h"
#include "errors.h"
#include "registry.h"
#include "shmem.h"
#include "superuser.h"

/* Columns of registry_window, see sql/tables/27_maintenance.sql */
#define WINDOW_RELID	2
#define WINDOW_ENDS_AT	3

/* Is a maintenance window of a registered relation open, by the server's clock? */
static bool
window_is_open(Oid root)
{
	Oid			relid = get_relname_relid("registry_window", pz_registry_oids()->extension_schema);
	Relation	rel;
	SysScanDesc scan;
	HeapTuple	tup;
	bool		open = false;

	if (!OidIsValid(relid) || !pz_registry_anchored())
		return false;
	rel = table_open(relid, AccessShareLock);
	scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	while (!open && HeapTupleIsValid(tup = systable_getnext(scan)))
	{
		bool		isnull;

		open = DatumGetObjectId(heap_getattr(tup, WINDOW_RELID, RelationGetDescr(rel), &isnull)) == root &&
			pz_clock_now() < DatumGetTimestampTz(heap_getattr(tup, WINDOW_ENDS_AT, RelationGetDescr(rel), &isnull));
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return open;
}

/* Does a list of options have CONCURRENTLY in it, turned on? */
static bool
is_concurrent(List *options)
{
	ListCell   *lc;

	foreach(lc, options)
	{
		DefElem    *def = lfirst_node(DefElem, lc);

		if (strcmp(def->defname, "concurrently") == 0 && defGetBoolean(def))
			return true;
	}
	return false;
}

/*
 * The relations a command names (RangeVars) and the lock under which nobody
 * can add rows before it has its own; NoLock: it cannot keep one.
 */
static List *
named_relations(Node *parsetree, LOCKMODE *lockmode)
{
	List	   *result = NIL;
	ListCell   *lc;

	*lockmode = NoLock;
	switch (nodeTag(parsetree))
	{
		case T_AlterTableStmt:
			if (pz_utility_only_foreign_keys(parsetree))
				return NIL;
			*lockmode = Max(ShareLock, AlterTableGetLockLevel(((AlterTableStmt *) parsetree)->cmds));
			return list_make1(((AlterTableStmt *) parsetree)->relation);
		case T_IndexStmt:
			if (!((IndexStmt *) parsetree)->concurrent)
				*lockmode = ShareLock;
			return list_make1(((IndexStmt *) parsetree)->relation);
		case T_ReindexStmt:
			if (!is_concurrent(((ReindexStmt *) parsetree)->params))
				*lockmode = ShareLock;
			return ((ReindexStmt *) parsetree)->relation ? list_make1(((ReindexStmt *) parsetree)->relation) : NIL;
		case T_ClusterStmt:
			*lockmode = AccessExclusiveLock;
			return ((ClusterStmt *) parsetree)->relation ? list_make1(((ClusterStmt *) parsetree)->relation) : NIL;
		case T_VacuumStmt:
			foreach(lc, ((VacuumStmt *) parsetree)->rels)
				result = lappend(result, lfirst_node(VacuumRelation, lc)->relation);
			return result;
		case T_CreateStatsStmt:
			return ((CreateStatsStmt *) parsetree)->relations;
		default:
			return NIL;
	}
}

/*
 * Record everybody in a relation and what is below it as used for maintenance
 * by the command: read them all as the owner, so that functions of the owner
 * that planning calls gain nothing.  ERROR 55000 if that cannot be recorded.
 */
static void
record_everybody(Oid relid, PlannedStmt *pstmt, const char *query_string)
{
	uint8		random[16];
	StringInfoData sql;
	Relation	rel;
	Oid			owner;
	int			i;

	if (!pg_strong_random(random, sizeof(random)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random values")));
	initStringInfo(&sql);
	appendStringInfoString(&sql, "/* ");
	for (i = 0; i < lengthof(random); i++)
		appendStringInfo(&sql, "%02x", random[i]);
	appendStringInfo(&sql, " */ SELECT pg_catalog.count(r.*) FROM %s AS r",
					 quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)), get_rel_name(relid)));

	rel = table_open(relid, AccessShareLock);
	owner = rel->rd_rel->relowner;
	table_close(rel, NoLock);
	pz_enforce_adopt_purpose(PZ_PURPOSE_MAINTENANCE, sql.data, false);
	pz_enforce_adopt_text(query_string, pstmt->stmt_location, pstmt->stmt_len);
	PG_TRY();
	{
		pz_owner_select(owner, sql.data);
	}
	PG_FINALLY();
	{
		pz_enforce_adopt_purpose(PZ_PURPOSE_NONE, NULL, false);
		pz_enforce_adopt_text(NULL, -1, 0);
	}
	PG_END_TRY();
}

/*
 * A command begins.  If it touches protected relations, all of which have an
 * open maintenance window and belong to the current user, record it and return
 * true: it may read all rows.
 */
bool
pz_maintain_begin(PlannedStmt *pstmt, const char *query_string)
{
	LOCKMODE	lockmode;
	List	   *relids = NIL;
	ListCell   *lc;

	foreach(lc, named_relations(pstmt->utilityStmt, &lockmode))
	{
		Oid			relid = IsA(lfirst(lc), RangeVar) ? RangeVarGetRelid(lfirst(lc), NoLock, true) : InvalidOid;
		Oid			table = OidIsValid(relid) ? IndexGetRelation(relid, true) : InvalidOid;
		const PzRelation *rel;

		relid = OidIsValid(table) ? table : relid;
		if (!OidIsValid(relid))
			continue;
		rel = pz_registry_relation(relid);
		if (rel == NULL || rel->observed)
		{
			if (pz_ddl_names_protected(lfirst(lc)))
				return false;	/* a parent of one: the window is the child's */
			continue;
		}
		if (!window_is_open(rel->root) || !pz_owns_relation_compat(relid, GetUserId()))
			return false;
		relids = list_append_unique_oid(relids, relid);
	}
	foreach(lc, relids)
	{
		if (lockmode != NoLock)
		{
			LockRelationOid(lfirst_oid(lc), lockmode);
			(void) find_all_inheritors(lfirst_oid(lc), lockmode, NULL);
		}
		record_everybody(lfirst_oid(lc), pstmt, query_string);
	}
	return relids != NIL;
}
