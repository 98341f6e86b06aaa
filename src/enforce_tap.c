/*-------------------------------------------------------------------------
 *
 * enforce_tap.c
 *	  Note the subjects that a changed query (enforce_lineage.c) brings.
 *
 * While the plan computes its rows, row checks whose marks say so leave it to
 * the taps to note whom the rows are about.  Whatever a check sees outside of
 * that (what EvalPlanQual looks at again, the row in the way of ON CONFLICT) it
 * notes itself.
 *
 * The columns that are read from rows have names that nobody can guess, since
 * a statement could have columns of any name.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "utils/builtins.h"

#include "enforce.h"
#include "enforce_mark.h"
#include "errors.h"
#include "shmem.h"

/* A column of a node's rows that holds keys */
typedef struct TapColumn
{
	AttrNumber	attnum;
	PzCheck    *check;
	bool		is_group;
} TapColumn;

/* A plan node whose rows are read */
typedef struct TappedNode
{
	PlanState  *node;
	ExecProcNodeMtd original;
	PzRunning  *running;
	struct TappedNode *outer;	/* installed before */
	int			ncolumns;
	TapColumn	columns[FLEXIBLE_ARRAY_MEMBER];
} TappedNode;

static TappedNode *tapped_nodes = NULL;

/* What the names of our columns begin with, in this session. */
static const char *
name_prefix(void)
{
	static char prefix[48] = "";
	uint64		random[2];

	if (prefix[0] != '\0')
		return prefix;
	if (!pg_strong_random(random, sizeof(random)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random values")));
	snprintf(prefix, sizeof(prefix), "%016llx%016llx", (unsigned long long) random[0], (unsigned long long) random[1]);
	return prefix;
}

/* Name of a column of the top level that holds keys of a path, or numbers of groups of them. */
char *
pz_tap_column_name(int32 path_id, int32 purpose_id, bool is_group)
{
	return psprintf("%s %d %d %d", name_prefix(), path_id, purpose_id, is_group ? 1 : 0);
}

/* What is known of a node. */
static TappedNode *
find_tapped(PlanState *node)
{
	TappedNode *tapped = tapped_nodes;

	while (tapped && tapped->node != node)
		tapped = tapped->outer;
	if (tapped == NULL)
		elog(ERROR, "a plan node is not known");	/* cannot happen */
	return tapped;
}

/* Get a row from a node, and note whom it is about. */
static TupleTableSlot *
tapped_node(PlanState *node)
{
	TappedNode *tapped = find_tapped(node);
	TupleTableSlot *slot;
	int			i;

	tapped->running->inside++;
	slot = tapped->original(node);
	tapped->running->inside--;
	if (TupIsNull(slot))
		return slot;
	for (i = 0; i < tapped->ncolumns; i++)
	{
		TapColumn  *column = &tapped->columns[i];
		bool		isnull;
		Datum		key = slot_getattr(slot, column->attnum, &isnull);

		if (isnull)
			continue;
		if (column->is_group)
			pz_check_note_group(tapped->running, DatumGetInt64(key));
		else
			pz_check_passed(column->check, key, false, INT8OID);
	}
	return slot;
}

/*
 * Get a row from a node that writes.  What is evaluated there (EvalPlanQual,
 * the row in the way of ON CONFLICT) is in no row that a tap reads.
 */
static TupleTableSlot *
writing_node(PlanState *node)
{
	TappedNode *tapped = find_tapped(node);
	int			inside = tapped->running->inside;
	TupleTableSlot *slot;

	tapped->running->inside = 0;
	slot = tapped->original(node);
	tapped->running->inside = inside;
	return slot;
}

/* The memory of a statement goes. */
static void
tapped_reset(void *arg)
{
	TappedNode **link = &tapped_nodes;

	while (*link && *link != arg)
		link = &(*link)->outer;
	if (*link)
		*link = (*link)->outer;
}

/* Have a node call this function, for as long as the statement lives. */
static TappedNode *
install(PlanState *node, ExecProcNodeMtd method, PzRunning *running, EState *estate, int ncolumns)
{
	TappedNode *tapped = MemoryContextAllocZero(estate->es_query_cxt, offsetof(TappedNode, columns) + sizeof(TapColumn) * ncolumns);
	MemoryContextCallback *callback = MemoryContextAllocZero(estate->es_query_cxt, sizeof(MemoryContextCallback));

	tapped->node = node;
	tapped->original = node->ExecProcNodeReal;
	tapped->running = running;
	callback->func = tapped_reset;
	callback->arg = tapped;
	MemoryContextRegisterResetCallback(estate->es_query_cxt, callback);
	tapped->outer = tapped_nodes;
	tapped_nodes = tapped;
	node->ExecProcNodeReal = method;
	return tapped;
}

/* Is a node read already?  That of a WITH query is found twice. */
static bool
is_installed(PlanState *node)
{
	return node->ExecProcNodeReal == tapped_node || node->ExecProcNodeReal == writing_node;
}

/*
 * The numbers in the name of a column that carries subjects.  False if it does
 * not.  By hand: scanf costs as much as the rest of a short statement's start.
 */
static bool
read_name(const char *name, size_t prefix, int numbers[3])
{
	const char *at = name + prefix;
	int			i;

	if (strncmp(name, name_prefix(), prefix) != 0)
		return false;
	for (i = 0; i < 3; i++)
	{
		char	   *end;

		numbers[i] = (int) strtol(at, &end, 10);
		if (end == at)
			return false;
		at = end;
	}
	return true;
}

/* Read the rows of a node. */
static void
tap_node(PlanState *node, PzRunning *running, EState *estate)
{
	size_t		prefix = strlen(name_prefix());
	TappedNode *tapped;
	ListCell   *lc;

	if (is_installed(node))
		return;
	tapped = install(node, tapped_node, running, estate, list_length(node->plan->targetlist));
	foreach(lc, node->plan->targetlist)
	{
		TargetEntry *tle = lfirst_node(TargetEntry, lc);
		TapColumn  *column = &tapped->columns[tapped->ncolumns];
		int			numbers[3];	/* path, purpose, whether it is a group */

		if (!tle->resjunk || tle->resname == NULL || !read_name(tle->resname, prefix, numbers))
			continue;
		column->check = pz_check_find(running, numbers[0], numbers[1]);
		if (column->check == NULL)
			continue;
		column->attnum = tle->resno;
		column->is_group = numbers[2] != 0;
		tapped->ncolumns++;
	}
}

typedef struct TapContext
{
	PzRunning  *running;
	EState	   *estate;
} TapContext;

/* Read what ModifyTable nodes read. */
static bool
modify_walker(PlanState *node, void *arg)
{
	TapContext *context = arg;

	if (IsA(node, ModifyTableState) && outerPlanState(node))
	{
		tap_node(outerPlanState(node), context->running, context->estate);
		if (!is_installed(node))
			(void) install(node, writing_node, context->running, context->estate, 0);
	}
	return planstate_tree_walker(node, modify_walker, context);
}

/*
 * Read the rows of a started statement for the subjects they bring.  Without
 * this its checks note whom they see, whatever their marks say.
 */
void
pz_tap_install(QueryDesc *queryDesc, PzRunning *running)
{
	TapContext	context = {running, queryDesc->estate};
	ListCell   *lc;

	if (queryDesc->planstate == NULL)
		return;
	if (queryDesc->operation == CMD_SELECT)
		tap_node(queryDesc->planstate, running, queryDesc->estate);
	if (queryDesc->operation == CMD_SELECT && !queryDesc->plannedstmt->hasModifyingCTE)
		return;
	(void) modify_walker(queryDesc->planstate, &context);
	foreach(lc, queryDesc->estate->es_subplanstates)
		if (lfirst(lc) && IsA(lfirst(lc), ModifyTableState))
			(void) modify_walker(lfirst(lc), &context);
}

/* What a call of a tap keeps from one row to the next */
typedef struct TapCall
{
	uint64		serial;			/* of the frame the check belongs to */
	PzCheck    *check;
} TapCall;

/*
 * The check that a call of a tap notes with; mark is its argument number n, the
 * key or group the one after.  NULL where there is nothing to note.  ERROR 42501
 * for a call that the planner hook did not place, 55000 where nothing runs.
 */
static PzCheck *
tap_check(FunctionCallInfo fcinfo, int n, PzRunning **running)
{
	TapCall    *call = fcinfo->flinfo->fn_extra;
	const PzMark *mark;

	if (PG_ARGISNULL(n))
		pz_call_refuse_direct();
	*running = pz_frame_running();
	/* the relation is not read after all: its side of an outer join cannot match */
	if (*running == NULL && PG_ARGISNULL(n + 1))
		return NULL;
	if (*running == NULL)
		ereport(ERROR,
				(errcode(PZ_ERR_STATE),
				 errmsg("the row filter was called outside the statement it was made for"),
				 errhint("Run the statement again; if it happens again, report how it was sent.")));
	if (call && call->serial == (*running)->serial)
		return call->check;
	mark = (const PzMark *) PG_GETARG_POINTER(n);
	if (call == NULL)
		call = fcinfo->flinfo->fn_extra = MemoryContextAlloc(fcinfo->flinfo->fn_mcxt, sizeof(TapCall));
	call->serial = (*running)->serial;
	call->check = pz_check_find(*running, mark->path_id, mark->purpose_id);
	return call->check;
}

/*
 * tap_row(mark, key): note the subject of a row; true.
 */
PG_FUNCTION_INFO_V1(personalize_tap_row);
Datum
personalize_tap_row(PG_FUNCTION_ARGS)
{
	PzRunning  *running;
	PzCheck    *check = tap_check(fcinfo, 0, &running);

	if (check && !PG_ARGISNULL(1))
		pz_check_passed(check, PG_GETARG_DATUM(1), false, INT8OID);
	PG_RETURN_BOOL(true);
}

/*
 * tap_group(mark, group): note the subjects of a group; true.
 */
PG_FUNCTION_INFO_V1(personalize_tap_group);
Datum
personalize_tap_group(PG_FUNCTION_ARGS)
{
	PzRunning  *running;

	(void) tap_check(fcinfo, 0, &running);
	if (!PG_ARGISNULL(1))
		pz_check_note_group(running, PG_GETARG_INT64(1));
	PG_RETURN_BOOL(true);
}

/*
 * collect_step(state, mark, key): transition of collect().
 */
PG_FUNCTION_INFO_V1(personalize_collect_step);
Datum
personalize_collect_step(PG_FUNCTION_ARGS)
{
	PzRunning  *running;
	PzCheck    *check = tap_check(fcinfo, 1, &running);

	if (check && !PG_ARGISNULL(2))
		pz_check_passed(check, PG_GETARG_DATUM(2), false, INT8OID);
	PG_RETURN_BOOL(true);
}

/*
 * collect_group_step(state, mark, group): the same of groups of a level below.
 */
PG_FUNCTION_INFO_V1(personalize_collect_group_step);
Datum
personalize_collect_group_step(PG_FUNCTION_ARGS)
{
	PzRunning  *running;

	(void) tap_check(fcinfo, 1, &running);
	if (!PG_ARGISNULL(2))
		pz_check_note_group(running, PG_GETARG_INT64(2));
	PG_RETURN_BOOL(true);
}

/*
 * collect_set_step(group, mark, key): transition of collect_set(); returns the
 * number of the group, 0 while it is empty.
 */
PG_FUNCTION_INFO_V1(personalize_collect_set_step);
Datum
personalize_collect_set_step(PG_FUNCTION_ARGS)
{
	PzRunning  *running;
	PzCheck    *check = tap_check(fcinfo, 1, &running);
	int64		group = PG_ARGISNULL(0) ? 0 : PG_GETARG_INT64(0);

	if (check && !PG_ARGISNULL(2))
		group = pz_check_group_add(running, group, check, PG_GETARG_DATUM(2));
	PG_RETURN_INT64(group);
}

/*
 * collect_set_group_step(group, mark, other): the same of groups of a level
 * below, whose subjects it takes over.
 */
PG_FUNCTION_INFO_V1(personalize_collect_set_group_step);
Datum
personalize_collect_set_group_step(PG_FUNCTION_ARGS)
{
	PzRunning  *running;
	int64		group = PG_ARGISNULL(0) ? 0 : PG_GETARG_INT64(0);

	(void) tap_check(fcinfo, 1, &running);
	if (!PG_ARGISNULL(2))
		group = pz_check_group_merge(running, group, PG_GETARG_INT64(2));
	PG_RETURN_INT64(group);
}
