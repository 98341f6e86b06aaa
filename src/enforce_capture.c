/*-------------------------------------------------------------------------
 *
 * enforce_capture.c
 *	  Note the subjects of the rows that scans pass on.
 *
 * row_ok sees every row that consent permits, also those that the query's own
 * conditions then reject.  Where nobody else could see these, the record need
 * not name them: the scan node notes the rows that it returns.
 *
 * This is done by wrapping ExecProcNodeReal of the scan, and only for plain
 * SELECTs without row locks (EvalPlanQual builds plan states of its own) whose
 * scans evaluate nothing but built-in functions: a user's function has seen
 * what row_ok let through.  In all other cases row_ok notes.  The filter itself
 * stays the qual in the plan.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "executor/executor.h"
#include "nodes/nodeFuncs.h"
#include "nodes/plannodes.h"

#include "enforce.h"

/* A scan that notes what it returns */
typedef struct CapturedScan
{
	PlanState  *node;
	ExecProcNodeMtd original;
	PzCheck    *check;
	AttrNumber	attnum;			/* of the key in the scan's tuple slot */
} CapturedScan;

/* Captured scans of a statement; in the executor's memory */
typedef struct CapturedList
{
	uint64		serial;			/* of the frame */
	int			n;
	CapturedScan *scans;
	struct CapturedList *outer; /* of a statement that was started before */
} CapturedList;

typedef struct CaptureContext
{
	PzRunning  *running;
	List	   *scans;			/* PlanState of scans with a check */
	bool		possible;
} CaptureContext;

/* Is a function one that a user made? */
static bool
is_user_function(Oid funcid, void *context)
{
	return funcid >= FirstNormalObjectId && funcid != *(Oid *) context;
}

/* Does an expression call a function that a user made (our check aside)? */
static bool
calls_user_function(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (check_functions_in_node(node, is_user_function, context))
		return true;
	if (IsA(node, SubPlan) || IsA(node, AlternativeSubPlan))
		return true;
	return expression_tree_walker(node, calls_user_function, context);
}

/* Does a scan evaluate, before it returns a row, something of a user's making? */
static bool
scan_is_opaque(Scan *scan)
{
	const PzOids *oids = pz_registry_oids();
	ListCell   *lc;

	foreach(lc, scan->plan.qual)
	{
		Node	   *qual = lfirst(lc);
		Oid			none = InvalidOid;

		if (IsA(qual, FuncExpr) &&
			(((FuncExpr *) qual)->funcid == oids->row_ok[PZ_KEY_INT] ||
			 ((FuncExpr *) qual)->funcid == oids->row_ok[PZ_KEY_UUID] ||
			 ((FuncExpr *) qual)->funcid == oids->row_ok[PZ_KEY_TEXT]))
			continue;
		if (calls_user_function(qual, &none))
			return true;
	}
	return false;
}

/* Collect the scans that carry checks. */
static bool
collect_walker(PlanState *node, void *arg)
{
	CaptureContext *context = arg;
	int			i;

	switch (nodeTag(node->plan))
	{
		case T_SeqScan:
		case T_SampleScan:
		case T_IndexScan:
		case T_IndexOnlyScan:
		case T_BitmapHeapScan:
		case T_TidScan:
		case T_TidRangeScan:
			for (i = 0; i < context->running->nchecks; i++)
			{
				Scan	   *scan = (Scan *) node->plan;

				if (pz_plan_check_column(scan, pz_check_path(context->running->checks[i])) == InvalidAttrNumber)
					continue;
				if (scan_is_opaque(scan))
					context->possible = false;
				context->scans = list_append_unique_ptr(context->scans, node);
			}
			break;
		case T_ForeignScan:
		case T_CustomScan:
			context->possible = false;
			break;
		default:
			break;
	}
	return planstate_tree_walker(node, collect_walker, context);
}

static CapturedList *captured = NULL;

/* Forget the captured scans of a statement whose memory goes. */
static void
captured_reset(void *arg)
{
	CapturedList **link = &captured;

	while (*link && *link != arg)
		link = &(*link)->outer;
	if (*link)
		*link = (*link)->outer;
}

/*
 * The wrapped scan: get a row, note its subject for every check of the scan.
 */
static TupleTableSlot *
captured_scan(PlanState *node)
{
	CapturedList *list;
	TupleTableSlot *slot = NULL;
	bool		fetched = false;

	for (list = captured; list; list = list->outer)
	{
		int			i;

		for (i = 0; i < list->n; i++)
		{
			CapturedScan *scan = &list->scans[i];
			TupleTableSlot *row;
			bool		isnull;
			Datum		key;

			if (scan->node != node)
				continue;
			if (!fetched)
			{
				slot = scan->original(node);
				fetched = true;
				if (TupIsNull(slot))
					return slot;
			}
			row = ((ScanState *) node)->ss_ScanTupleSlot;
			key = slot_getattr(row, scan->attnum, &isnull);
			pz_check_passed(scan->check, key, isnull,
							TupleDescAttr(row->tts_tupleDescriptor, scan->attnum - 1)->atttypid);
		}
		if (fetched)
			return slot;
	}
	Assert(fetched);
	return slot;
}

/*
 * Let the scans of a started statement note what they return, where that is
 * sound; else leave it to row_ok.
 */
void
pz_capture_install(QueryDesc *queryDesc, PzRunning *running)
{
	PlannedStmt *pstmt = queryDesc->plannedstmt;
	CaptureContext context = {running, NIL, true};
	MemoryContext old;
	MemoryContextCallback *callback;
	CapturedList *list;
	ListCell   *lc;
	int			i;

	if (pstmt->commandType != CMD_SELECT || pstmt->rowMarks != NIL || pstmt->hasModifyingCTE ||
		queryDesc->planstate == NULL)
		return;
	(void) collect_walker(queryDesc->planstate, &context);
	if (!context.possible || context.scans == NIL)
		return;

	old = MemoryContextSwitchTo(queryDesc->estate->es_query_cxt);
	list = palloc0(sizeof(CapturedList));
	list->serial = running->serial;
	list->scans = palloc0(sizeof(CapturedScan) * list_length(context.scans) * running->nchecks);
	foreach(lc, context.scans)
	{
		PlanState  *node = lfirst(lc);
		ExecProcNodeMtd original = node->ExecProcNodeReal;

		for (i = 0; i < running->nchecks; i++)
		{
			AttrNumber	attnum = pz_plan_check_column((Scan *) node->plan, pz_check_path(running->checks[i]));
			CapturedScan *scan;

			if (attnum == InvalidAttrNumber)
				continue;
			scan = &list->scans[list->n++];
			scan->node = node;
			scan->original = original;
			scan->check = running->checks[i];
			scan->attnum = attnum;
			pz_check_capture(running->checks[i], true);
		}
		node->ExecProcNodeReal = captured_scan;
	}
	callback = palloc0(sizeof(MemoryContextCallback));
	callback->func = captured_reset;
	callback->arg = list;
	MemoryContextRegisterResetCallback(queryDesc->estate->es_query_cxt, callback);
	MemoryContextSwitchTo(old);
	list->outer = captured;
	captured = list;
}
