/*-------------------------------------------------------------------------
 *
 * compat.h
 *	  The only place where the version of PostgreSQL is looked at.
 *
 * Each entry names the release that changed the interface.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PZ_COMPAT_H
#define PZ_COMPAT_H

#include "access/sysattr.h"
#include "catalog/pg_class.h"
#include "catalog/pg_database.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "parser/parse_relation.h"
#include "pgstat.h"
#include "parser/parse_node.h"
#include "replication/message.h"
#include "access/xlog.h"
#include "nodes/parsenodes.h"
#include "nodes/plannodes.h"
#include "parser/parsetree.h"
#include "utils/acl.h"
#include "utils/wait_event.h"
#include "replication/slot.h"
#include "storage/lock.h"

/* 16 (9ba37b2cb): query jumbling moved to nodes/ */
#if PG_VERSION_NUM >= 160000
#include "nodes/queryjumble.h"
#else
#include "utils/queryjumble.h"
#endif

/* 16 (d952373a9): variable-length types have a header of their own */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

#if PG_VERSION_NUM < 150000
#error "personalize needs PostgreSQL 15 or later"
#endif

/* 18 (525392d57, kept after the revert of its other half): ExecutorRun lost execute_once */
#if PG_VERSION_NUM >= 180000
#define PZ_EXECUTOR_RUN_ARGS QueryDesc *queryDesc, ScanDirection direction, uint64 count
#define PZ_EXECUTOR_RUN_PASS queryDesc, direction, count
#else
#define PZ_EXECUTOR_RUN_ARGS QueryDesc *queryDesc, ScanDirection direction, uint64 count, bool execute_once
#define PZ_EXECUTOR_RUN_PASS queryDesc, direction, count, execute_once
#endif

/*
 * All releases: as in utils/pg_locale.h, which needs the headers of ICU that
 * nobody else does.
 */
struct pg_locale_struct;
extern struct pg_locale_struct *pg_newlocale_from_collation(Oid collid);

/* 17 (0cecc908e): or a stronger lock */
static inline bool
pz_lock_held_compat(const LOCKTAG *tag, LOCKMODE mode)
{
#if PG_VERSION_NUM >= 170000
	return LockHeldByMe(tag, mode, false);
#else
	return LockHeldByMe(tag, mode);
#endif
}

/* 18 (247dea89f): what is grouped by has an entry of its own */
static inline bool
pz_is_group_rte_compat(const RangeTblEntry *rte)
{
#if PG_VERSION_NUM >= 180000
	return rte->rtekind == RTE_GROUP;
#else
	return false;
#endif
}

/* 18 (14e87ffa5): a primary key may be deferrable */
static inline Oid
pz_primary_key_compat(Relation rel)
{
#if PG_VERSION_NUM >= 180000
	return RelationGetPrimaryKeyIndex(rel, false);
#else
	return RelationGetPrimaryKeyIndex(rel);
#endif
}

/* Count rows that a scan returns: as pgstat_count_heap_getnext(), which counts one.  16 has t_counts renamed. */
static inline void
pz_count_returned_compat(Relation rel, int n)
{
	if (!pgstat_should_count_relation(rel))
		return;
#if PG_VERSION_NUM >= 160000
	rel->pgstat_info->counts.tuples_returned += n;
#else
	rel->pgstat_info->t_counts.t_tuples_returned += n;
#endif
}

/* 18 (5983a4cff): attcacheoff moved to CompactAttribute.  -1: not known. */
static inline int
pz_attcacheoff_compat(TupleDesc desc, AttrNumber attnum)
{
#if PG_VERSION_NUM >= 180000
	return TupleDescCompactAttr(desc, attnum - 1)->attcacheoff;
#else
	return TupleDescAttr(desc, attnum - 1)->attcacheoff;
#endif
}

/* 17 (173b56f1e): LogLogicalMessage flushes itself when asked */
static inline XLogRecPtr
pz_log_message_compat(const char *prefix, const char *message, size_t size, bool flush)
{
#if PG_VERSION_NUM >= 170000
	return LogLogicalMessage(prefix, message, size, false, flush);
#else
	XLogRecPtr	lsn = LogLogicalMessage(prefix, message, size, false);

	if (flush)
		XLogFlush(lsn);
	return lsn;
#endif
}

/*
 * 16 (a61b1f748): column permissions moved from RangeTblEntry to
 * RTEPermissionInfo.  The columns a statement reads and writes of an entry,
 * offset by FirstLowInvalidHeapAttributeNumber; NULL where there is none.
 */
static inline void
pz_rte_columns_compat(RangeTblEntry *rte, List *perminfos,
					  Bitmapset **selected, Bitmapset **inserted, Bitmapset **updated)
{
	*selected = *inserted = *updated = NULL;
#if PG_VERSION_NUM >= 160000
	if (rte->perminfoindex > 0 && rte->perminfoindex <= list_length(perminfos))
	{
		RTEPermissionInfo *pi = list_nth_node(RTEPermissionInfo, perminfos, rte->perminfoindex - 1);

		*selected = pi->selectedCols;
		*inserted = pi->insertedCols;
		*updated = pi->updatedCols;
	}
#else
	*selected = rte->selectedCols;
	*inserted = rte->insertedCols;
	*updated = rte->updatedCols;
#endif
}

/* The list that perminfoindex points into; NIL before 16. */
static inline List *
pz_plan_perminfos_compat(PlannedStmt *pstmt)
{
#if PG_VERSION_NUM >= 160000
	return pstmt->permInfos;
#else
	return NIL;
#endif
}

/* 16 (be87200ef, 4397abd0a): a slot tells why it is invalid */
static inline bool
pz_slot_invalid_compat(ReplicationSlot *slot)
{
#if PG_VERSION_NUM >= 160000
	return slot->data.invalidated != RS_INVAL_NONE;
#else
	return slot->data.invalidated_at != InvalidXLogRecPtr;
#endif
}

/* 17 (c393308b6, ddd5f4f54): failover and synced */
static inline void
pz_slot_create_compat(const char *name)
{
#if PG_VERSION_NUM >= 170000
	ReplicationSlotCreate(name, false, RS_EPHEMERAL, false, false, false);
#else
	ReplicationSlotCreate(name, false, RS_EPHEMERAL, false);
#endif
}

/* 18 (f41d8468d): error_if_invalid */
static inline void
pz_slot_acquire_compat(const char *name)
{
#if PG_VERSION_NUM >= 180000
	ReplicationSlotAcquire(name, false, true);
#else
	ReplicationSlotAcquire(name, false);
#endif
}

/*
 * 16 (a61b1f748): see above.  Check that the current user may insert into the
 * columns (list of attnums) of the relation of nsitem.  ERROR 42501 if not.
 */
static inline void
pz_check_insert_compat(ParseState *pstate, ParseNamespaceItem *nsitem, List *attnums)
{
	ListCell   *lc;
#if PG_VERSION_NUM >= 160000
	RTEPermissionInfo *perms = nsitem->p_perminfo;
#else
	RangeTblEntry *perms = nsitem->p_rte;
#endif

	perms->requiredPerms = ACL_INSERT;
	foreach(lc, attnums)
		perms->insertedCols = bms_add_member(perms->insertedCols,
											 lfirst_int(lc) - FirstLowInvalidHeapAttributeNumber);
#if PG_VERSION_NUM >= 160000
	(void) ExecCheckPermissions(pstate->p_rtable, list_make1(perms), true);
#else
	(void) ExecCheckRTPerms(pstate->p_rtable, true);
#endif
}

/*
 * 16 (2489d76c4): a Var says which outer joins can make it null; 18
 * (80feb727c): whether it is of the old or new row in RETURNING.  Make a Var
 * be of the same row as another of the same entry.
 */
static inline void
pz_var_like_compat(Var *var, const Var *like)
{
	var->varlevelsup = like->varlevelsup;
#if PG_VERSION_NUM >= 160000
	var->varnullingrels = bms_copy(like->varnullingrels);
#endif
#if PG_VERSION_NUM >= 180000
	var->varreturningtype = like->varreturningtype;
#endif
}

/* 16 (afbfc0298): one function for all kinds of objects */
static inline bool
pz_owns_database_compat(Oid dbid, Oid role)
{
#if PG_VERSION_NUM >= 160000
	return object_ownercheck(DatabaseRelationId, dbid, role);
#else
	return pg_database_ownercheck(dbid, role);
#endif
}

/*
 * 18 (5a1e6df3b, 0fbceae84): counts of a scan that are not in its Instrumentation:
 * pages of a bitmap heap scan, searches of an index.  Sets them to zero.
 */
static inline void
pz_hide_scan_counts_compat(PlanState *node)
{
	if (IsA(node, BitmapHeapScanState))
	{
		BitmapHeapScanState *scan = (BitmapHeapScanState *) node;

#if PG_VERSION_NUM >= 180000
		memset(&scan->stats, 0, sizeof(scan->stats));
		scan->sinstrument = NULL;
#else
		scan->exact_pages = scan->lossy_pages = 0;
#endif
	}
#if PG_VERSION_NUM >= 180000
	else if (IsA(node, IndexScanState))
	{
		((IndexScanState *) node)->iss_Instrument.nsearches = 0;
		((IndexScanState *) node)->iss_SharedInfo = NULL;
	}
	else if (IsA(node, IndexOnlyScanState))
	{
		((IndexOnlyScanState *) node)->ioss_Instrument.nsearches = 0;
		((IndexOnlyScanState *) node)->ioss_SharedInfo = NULL;
	}
	else if (IsA(node, BitmapIndexScanState))
	{
		((BitmapIndexScanState *) node)->biss_Instrument.nsearches = 0;
		((BitmapIndexScanState *) node)->biss_SharedInfo = NULL;
	}
#endif
}

/* 16 (a61b1f748): see above.  The user whose rights an entry is read with. */
static inline Oid
pz_check_as_user_compat(Query *query, RangeTblEntry *rte)
{
	Oid			user;

#if PG_VERSION_NUM >= 160000
	user = rte->perminfoindex > 0 ? getRTEPermissionInfo(query->rteperminfos, rte)->checkAsUser : InvalidOid;
#else
	user = rte->checkAsUser;
#endif
	return OidIsValid(user) ? user : GetUserId();
}

/* 16 (afbfc0298): see above */
static inline bool
pz_owns_relation_compat(Oid relid, Oid role)
{
#if PG_VERSION_NUM >= 160000
	return object_ownercheck(RelationRelationId, relid, role);
#else
	return pg_class_ownercheck(relid, role);
#endif
}

/* 16 (2489d76c4): columns say which outer joins make them null */
static inline void
pz_var_nulled_compat(Var *var, Bitmapset *nulling)
{
#if PG_VERSION_NUM >= 160000
	var->varnullingrels = bms_copy(nulling);
#endif
}

/* 16 (a61b1f748): see above.  The entries of a query go to another one. */
static inline void
pz_take_perminfos_compat(Query *to, Query *from)
{
#if PG_VERSION_NUM >= 160000
	to->rteperminfos = from->rteperminfos;
#endif
}

/* 16 (a61b1f748): see above */
static inline void
pz_no_perminfos_compat(Query *query)
{
#if PG_VERSION_NUM >= 160000
	query->rteperminfos = NIL;
#endif
}

/* 17 (5d06e99a3): ALTER TABLE ... SET EXPRESSION, which computes a generated column anew */
static inline bool
pz_sets_expression_compat(AlterTableType type)
{
#if PG_VERSION_NUM >= 170000
	return type == AT_SetExpression;
#else
	return false;
#endif
}

/* Where a plan of partitions says how they are pruned while it runs: 18 keeps it apart */
#if PG_VERSION_NUM >= 180000
#define pz_prune_info_compat(append, pstmt) \
	((append)->part_prune_index >= 0 ? list_nth((pstmt)->partPruneInfos, (append)->part_prune_index) : NULL)
#else
#define pz_prune_info_compat(append, pstmt) ((void) (pstmt), (append)->part_prune_info)
#endif

/* Does a function read a text as a value of a type that another text names (since 16)? */
#if PG_VERSION_NUM >= 160000
#define pz_reads_type_compat(funcid)	((funcid) == F_PG_INPUT_IS_VALID)
#else
#define pz_reads_type_compat(funcid)	false
#endif

/* 16 (e1f94ba5d): what this session has counted of a relation and not sent yet */
#if PG_VERSION_NUM >= 160000
#define pz_counts_compat(rel)	((rel)->pgstat_info->counts)
#else
#define pz_counts_compat(rel)	((rel)->pgstat_info->t_counts)
#endif

/* 18 (83ea6c540): an expression on a row with what virtual generated columns are in place of them; needs rewriteHandler.h */
#if PG_VERSION_NUM >= 180000
#define pz_expand_generated_compat(node, rel)	expand_generated_columns_in_expr(copyObject(node), rel, 1)
#else
#define pz_expand_generated_compat(node, rel)	((void) (rel), (node))
#endif

/* 18 (80d7f9904, 52f1ff8b4): the constraint that ALTER CONSTRAINT names; it can enforce a foreign key, which looks at all rows */
#if PG_VERSION_NUM >= 180000
#define pz_altered_constraint_compat(cmd)	castNode(ATAlterConstraint, (cmd)->def)->conname
#else
#define pz_altered_constraint_compat(cmd)	castNode(Constraint, (cmd)->def)->conname
#endif

/* 18 (89f908a6d): foreign keys with PERIOD; needs catalog/pg_constraint.h */
#if PG_VERSION_NUM >= 180000
#define pz_constraint_has_period_compat(con)	((con)->conperiod)
#define PZ_HAS_PERIODS	true
#else
#define PZ_HAS_PERIODS	false
#define pz_constraint_has_period_compat(con)	((void) (con), false)
#endif

/* 18 (c65bc2e1d, 4fd02bf7c): modules may add options to EXPLAIN, and print */
#if PG_VERSION_NUM >= 180000
#define PZ_EXPLAIN_OPTIONS
#endif

/* 17 (c9af05465): wait events of modules have names; needs utils/wait_event.h */
#if PG_VERSION_NUM >= 170000
#define pz_wait_event_compat(name)	WaitEventExtensionNew(name)
#else
#define pz_wait_event_compat(name)	((void) (name), PG_WAIT_EXTENSION)
#endif

/* 18 (7949d9594): modules may have cumulative statistics of their own */
#if PG_VERSION_NUM >= 180000
#define PZ_CUSTOM_STATISTICS
#include "utils/pgstat_internal.h"
#endif

/* 18 (9324c8c58): a module says its name and version, see pg_get_loaded_modules() */
#ifdef PG_MODULE_MAGIC_EXT
#define PZ_MODULE_MAGIC		PG_MODULE_MAGIC_EXT(.name = "personalize", .version = PZ_VERSION)
#else
#define PZ_MODULE_MAGIC		PG_MODULE_MAGIC
#endif

#endif							/* PZ_COMPAT_H */
