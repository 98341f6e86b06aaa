/*-------------------------------------------------------------------------
 *
 * enforce_conflict.c
 *	  Code of users that indexes call about rows that are there already.
 *
 * A row that is written is compared with others: an exclusion constraint, and
 * ON CONFLICT by a unique index, compute the index's expressions anew from the
 * row they have met (FormIndexDatum), and a tree of range values asks how far
 * apart two of them are.  A function of a user that does this is given cells of
 * people who withheld them.  No policy stands before it, so where there is such
 * a function the write is refused.
 *
 * A constraint that runs a text as a query is refused likewise: errors of the
 * query, and its text in their context, could quote the row.
 *
 * Nobody may be kept from replacing a function, so it is looked at when the
 * statement runs, once for each change of any relation.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "catalog/pg_inherits.h"
#include "nodes/plannodes.h"
#include "parser/parsetree.h"
#include "storage/lmgr.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/relcache.h"

#include "enforce.h"
#include "errors.h"
#include "registry.h"

typedef struct Conflict
{
	Oid			relid;			/* hash key */
	bool		always;			/* every write may call such a function */
	bool		on_conflict;	/* ON CONFLICT may */
	bool		runs_queries;	/* a constraint runs a query, of which a cell may be a part */
} Conflict;

static HTAB *conflicts = NULL;

/* Relations have changed: look again. */
static void
conflict_invalidated(Datum arg, Oid relid)
{
	HASH_SEQ_STATUS status;
	Conflict   *entry;

	hash_seq_init(&status, conflicts);
	while ((entry = hash_seq_search(&status)) != NULL)
		(void) hash_search(conflicts, &entry->relid, HASH_REMOVE, NULL);
}

/* Look at the indexes of one relation. */
static void
look_at(Relation rel, Conflict *found)
{
	ListCell   *lc;

	foreach(lc, RelationGetIndexList(rel))
	{
		Relation	index = index_open(lfirst_oid(lc), AccessShareLock);
		bool		calls = pz_depend_index_calls_code(index);

		if (index->rd_index->indisexclusion || pz_depend_compares_by_code(index))
			found->always = found->always || calls;
		else if (index->rd_index->indisunique)
			found->on_conflict = found->on_conflict || calls;
		index_close(index, AccessShareLock);
	}
	found->runs_queries = found->runs_queries || pz_depend_constraints_run_queries(rel);
}

/* What writes to a relation, or to partitions of it, may call. */
static Conflict
conflicts_of(Oid relid)
{
	Conflict	result = {relid, false, false, false};
	Conflict   *entry;
	ListCell   *lc;

	if (conflicts == NULL)
	{
		HASHCTL		ctl;

		ctl.keysize = sizeof(Oid);
		ctl.entrysize = sizeof(Conflict);
		ctl.hcxt = CacheMemoryContext;
		conflicts = hash_create("personalize conflicts", 32, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
		CacheRegisterRelcacheCallback(conflict_invalidated, (Datum) 0);
	}
	entry = hash_search(conflicts, &relid, HASH_FIND, NULL);
	if (entry)
		return *entry;
	LockRelationOid(relid, AccessShareLock);
	foreach(lc, find_all_inheritors(relid, AccessShareLock, NULL))
	{
		Relation	rel = table_open(lfirst_oid(lc), NoLock);

		look_at(rel, &result);
		table_close(rel, NoLock);
	}
	entry = hash_search(conflicts, &relid, HASH_ENTER, NULL);
	*entry = result;
	return result;
}

/*
 * Rows are written to a relation; on_conflict: with ON CONFLICT.  ERROR 42501 if
 * it may call code of users about rows that are withheld.
 */
void
pz_conflict_check(Oid relid, bool on_conflict)
{
	const PzRelation *rel = OidIsValid(relid) && pz_registry_guards(relid) ? pz_registry_relation(relid) : NULL;
	Conflict	conflict;

	if (rel == NULL || rel->observed)
		return;
	conflict = conflicts_of(relid);
	if (conflict.runs_queries && !pz_enforce_sees_all())
		ereport(ERROR,
				(errcode(PZ_ERR_REFUSED),
				 errmsg("cannot write to a protected relation whose constraints run queries"),
				 errdetail("Errors of the query could quote cells that the statement may not see."),
				 errhint("Drop the constraint, generated column or index that calls query_to_xml() or the like.")));
	if ((conflict.always || (conflict.on_conflict && on_conflict)) && !pz_enforce_sees_all())
		ereport(ERROR,
				(errcode(PZ_ERR_REFUSED),
				 errmsg("cannot write to a protected relation whose indexes call functions of users about other rows"),
				 errdetail("An exclusion constraint, ON CONFLICT by an index on an expression, or a range type would show withheld rows to the function."),
				 errhint("Make the constraint without functions in SQL or a procedural language, for one by a generated column.")));
}

/* The same for all that a statement writes to, which is about to run. */
void
pz_conflict_start(PlannedStmt *pstmt)
{
	List	   *plans;
	ListCell   *lc;
	ListCell   *lr;

	if (pstmt->resultRelations == NIL)
		return;
	plans = lcons(pstmt->planTree, list_copy(pstmt->subplans));
	foreach(lc, plans)
	{
		ModifyTable *plan = lfirst(lc);

		/* it is nowhere else than on top */
		if (plan == NULL || !IsA(plan, ModifyTable) || plan->operation == CMD_DELETE)
			continue;
		/* a row can be moved to a partition that is not among those that are updated */
		if (plan->rootRelation > 0)
			pz_conflict_check(rt_fetch(plan->rootRelation, pstmt->rtable)->relid, plan->onConflictAction != ONCONFLICT_NONE);
		foreach(lr, plan->resultRelations)
			pz_conflict_check(rt_fetch(lfirst_int(lr), pstmt->rtable)->relid, plan->onConflictAction != ONCONFLICT_NONE);
	}
}
