/*-------------------------------------------------------------------------
 *
 * enforce_hard.c
 *	  The table access method personalize_heap: hard protection.
 *
 * Row security does not bind superusers and BYPASSRLS roles.  A relation whose
 * access method is personalize_heap is closed to them as well where the library
 * was not preloaded: PostgreSQL asks for the handler whenever a backend first
 * opens the relation, and the handler refuses.  Where the library is there the
 * handler gives PostgreSQL's own heap, so that nothing else differs.
 *
 * The price: what depends on the access method goes with it.  DROP EXTENSION
 * ... CASCADE would drop the relations with their rows.  That is refused here,
 * by whatever command it comes: dependents are dropped before what they depend
 * on, so that when the access method's turn comes within a command, the
 * relations that were dropped before in the same command are known.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/tableam.h"
#include "catalog/namespace.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "commands/defrem.h"
#include "fmgr.h"
#include "nodes/parsenodes.h"
#include "storage/bufmgr.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "enforce.h"
#include "errors.h"
#include "registry.h"
#include "shmem.h"

static bool dropped_hard = false;	/* this command has dropped a hard relation */

/*
 * heap_handler(internal): the handler of personalize_heap.  ERROR 55000 unless
 * the library came by shared_preload_libraries.  Called while a relation cache
 * entry is built, so it looks at nothing but memory.
 */
PG_FUNCTION_INFO_V1(personalize_heap_handler);
Datum
personalize_heap_handler(PG_FUNCTION_ARGS)
{
	pz_require_preloaded();
	PG_RETURN_POINTER(GetHeapamTableAmRoutine());
}

/* Access method of a relation, InvalidOid if it has none or is gone. */
static Oid
relation_am(Oid relid)
{
	HeapTuple	tup = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid			am = InvalidOid;

	if (HeapTupleIsValid(tup))
	{
		am = ((Form_pg_class) GETSTRUCT(tup))->relam;
		ReleaseSysCache(tup);
	}
	return am;
}

/*
 * A command begins (false) or is over (what was before): whether hard
 * relations were dropped counts within one command.  Returns what was before.
 */
bool
pz_hard_command(bool before)
{
	bool		outer = dropped_hard;

	dropped_hard = before;
	return outer;
}

/*
 * object_access_hook: something is dropped.  ERROR 55000 if it is the access
 * method and relations that use it went with it in the same command.
 */
void
pz_hard_object_access(ObjectAccessType access, Oid classId, Oid objectId, int subId)
{
	Oid			am;

	if (access != OAT_DROP || subId != 0)
		return;
	if (classId == RelationRelationId && !dropped_hard)
	{
		am = relation_am(objectId);
		if (OidIsValid(am) && am != HEAP_TABLE_AM_OID && am == get_table_am_oid(PZ_HARD_AM, true))
			dropped_hard = true;
	}
	else if (classId == AccessMethodRelationId && dropped_hard &&
			 objectId == get_table_am_oid(PZ_HARD_AM, true))
		ereport(ERROR,
				(errcode(PZ_ERR_STATE),
				 errmsg("cannot drop access method \"%s\" with the relations that use it", PZ_HARD_AM),
				 errdetail("Their rows would be dropped, too."),
				 errhint("Call personalize.unprotect() for every relation with hard protection first; "
						 "other relations: ALTER TABLE ... SET ACCESS METHOD heap.")));
}

/*
 * In a server in binary upgrade: ERROR 55000 if rows of a relation with hard
 * protection would be read.  Those that pg_upgrade makes there are empty.
 */
void
pz_hard_check_upgrade(Oid relid)
{
	Relation	rel;
	bool		empty;

	if (!OidIsValid(relid) || get_rel_relkind(relid) != RELKIND_RELATION || relation_am(relid) != get_table_am_oid(PZ_HARD_AM, true))
		return;
	rel = relation_open(relid, AccessShareLock);
	empty = RelationGetNumberOfBlocks(rel) == 0;
	relation_close(rel, NoLock);
	if (!empty)
		ereport(ERROR,
				(errcode(PZ_ERR_STATE),
				 errmsg("relation \"%s\" has hard protection and is closed while the server is being upgraded", get_rel_name(relid)),
				 errhint("Start the server without -b.")));
}

/*
 * Refuse ALTER TABLE ... SET ACCESS METHOD that would take the hard protection
 * from a relation: ERROR 42501.
 */
void
pz_hard_check_alter(AlterTableStmt *stmt)
{
	ListCell   *lc;

	foreach(lc, stmt->cmds)
	{
		AlterTableCmd *cmd = lfirst_node(AlterTableCmd, lc);
		Oid			relid;
		const PzRelation *rel;

		if (cmd->subtype != AT_SetAccessMethod || (cmd->name && strcmp(cmd->name, PZ_HARD_AM) == 0))
			continue;
		relid = RangeVarGetRelid(stmt->relation, NoLock, true);
		if (!OidIsValid(relid) || relation_am(relid) != get_table_am_oid(PZ_HARD_AM, true))
			continue;
		rel = pz_registry_relation(relid);
		if (rel)
			ereport(ERROR,
					(errcode(PZ_ERR_REFUSED),
					 errmsg("cannot change the access method of relation \"%s\" while %s has hard protection",
							get_rel_name(relid), rel->name),
					 errhint("A privacy officer can call personalize.unprotect(), and personalize.protect() without hard => true.")));
	}
}
