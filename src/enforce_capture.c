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
 * scans evaluate nothing but built-in functions without side effects: any other
 * has seen what row_ok let through.  In all other cases row_ok notes.  The filter itself
 * stays the qual in the plan.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/executor.h"
#include "nodes/nodeFuncs.h"
#include "nodes/plannodes.h"

#include "enforce.h"
#include "enforce_mark.h"

/* A scan that notes what it returns */
typedef struct CapturedScan
{
	PlanState  *node;
	ExecProcNodeMtd original;
	PzCheck    *check;
	AttrNumber	attnum;			/* of the key in the scan's tuple slot; 0: it is computed */
	ExprState  *key;			/* by this */
} CapturedScan;

/* Captured scans of a statement; in the executor's memory */
typedef struct CapturedList
{
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

/* Are the checks among quals the only ones that are not harmless? */
static bool
quals_are_opaque(List *quals)
{
	ListCell   *lc;

	foreach(lc, quals)
		if (!pz_mark_is_row_check(lfirst(lc), 0) && pz_opaque_node(lfirst(lc), NULL))
			return true;
	return false;
}

/*
 * Does a scan evaluate, before it returns a row, something that could show the
 * row to somebody?  Its output columns are computed for rows that it returns.
 */
static bool
scan_is_opaque(Scan *scan)
{
	if (quals_are_opaque(scan->plan.qual))
		return true;
	switch (nodeTag(scan))
	{
		case T_IndexScan:
			return quals_are_opaque(((IndexScan *) scan)->indexqualorig) ||
				quals_are_opaque(((IndexScan *) scan)->indexorderbyorig);
		case T_IndexOnlyScan:
			return quals_are_opaque(((IndexOnlyScan *) scan)->indexqual) ||
				quals_are_opaque(((IndexOnlyScan *) scan)->indexorderby);
		case T_BitmapHeapScan:
			return quals_are_opaque(((BitmapHeapScan *) scan)->bitmapqualorig);
		case T_TidScan:
			return quals_are_opaque(((TidScan *) scan)->tidquals);
		case T_TidRangeScan:
			return quals_are_opaque(((TidRangeScan *) scan)->tidrangequals);
		default:
			return false;
	}
}

/* The key that a check of the statement reads in a scan; NULL: it is not checked there. */
static Expr *
check_key(Scan *scan, const PzCheck *check)
{
	return pz_plan_check_key(scan, pz_check_path(check)->path_id, pz_check_bound_purpose(check));
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

				if (check_key(scan, context->running->checks[i]) == NULL)
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
			if (scan->attnum != InvalidAttrNumber)
			{
				key = slot_getattr(row, scan->attnum, &isnull);
				pz_check_passed(scan->check, key, isnull,
								TupleDescAttr(row->tts_tupleDescriptor, scan->attnum - 1)->atttypid);
				continue;
			}
			node->ps_ExprContext->ecxt_scantuple = row;
			key = ExecEvalExprSwitchContext(scan->key, node->ps_ExprContext, &isnull);
			pz_check_passed(scan->check, key, isnull, INT8OID);
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
		context.possible = false;
	else
		(void) collect_walker(queryDesc->planstate, &context);
	if (!context.possible || context.scans == NIL)
	{
		/* row_ok notes, which may be more */
		for (i = 0; i < running->nchecks; i++)
			pz_check_widen(running->checks[i]);
		return;
	}

	old = MemoryContextSwitchTo(queryDesc->estate->es_query_cxt);
	list = palloc0(sizeof(CapturedList));
	list->scans = palloc0(sizeof(CapturedScan) * list_length(context.scans) * running->nchecks);
	foreach(lc, context.scans)
	{
		PlanState  *node = lfirst(lc);
		ExecProcNodeMtd original = node->ExecProcNodeReal;
		int			before = list->n;

		for (i = 0; i < running->nchecks; i++)
		{
			Expr	   *key = check_key((Scan *) node->plan, running->checks[i]);
			CapturedScan *scan;

			if (key == NULL)
				continue;
			pz_check_capture(running->checks[i]);
			if (pz_scan_notes(node, running->checks[i]))
				continue;
			scan = &list->scans[list->n++];
			scan->node = node;
			scan->original = original;
			scan->check = running->checks[i];
			scan->attnum = pz_plan_check_column((Scan *) node->plan, pz_check_path(running->checks[i])->path_id,
												pz_check_bound_purpose(running->checks[i]));
			if (scan->attnum == InvalidAttrNumber)
				scan->key = ExecInitExpr(key, node);
		}
		if (list->n > before)
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
