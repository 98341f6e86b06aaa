/*-------------------------------------------------------------------------
 *
 * enforce_scan.c
 *	  Have sequential scans check a row before they make anything of it.
 *
 * The check stands in the plan, as the first condition of the scan.  To evaluate
 * it there costs as much as all the rest of a thin query: a slot is filled, the
 * row is taken apart, the function manager calls row_ok.  So where the scan is of
 * a heap, and the consent set answers, the scan of a started statement gets
 * another function for its next row, that looks at the key on the page and leaves
 * withheld rows there.  What comes after the check is as ExecScan does it
 * (executor/execScan.c).
 *
 * This carries no security: EvalPlanQual, parallel workers and whatever starts
 * the plan otherwise evaluate the condition in the plan.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/relscan.h"
#include "access/tableam.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"
#include "utils/uuid.h"

#include "compat.h"
#include "consent_set.h"
#include "enforce.h"
#include "enforce_mark.h"

/* What the consent set says of the rows of a page */
typedef struct PageAnswers
{
	BlockNumber block;			/* InvalidBlockNumber: none */
	int			n;
	int64		numbers[MaxHeapTuplesPerPage];	/* room for keys */
	PzRowKey	keys[MaxHeapTuplesPerPage];
	uint32		nos[MaxHeapTuplesPerPage];
	uint8		answers[MaxHeapTuplesPerPage];
} PageAnswers;

/* A scan that checks by itself */
typedef struct CheckedScan
{
	PlanState  *node;
	ExecProcNodeMtd original;
	uint64		serial;			/* of the frame the check belongs to */
	PzCheck    *check;
	AttrNumber	attnum;			/* of the key */
	Oid			keytype;
	bool		tapped;			/* taps note the subject */
	bool		notes;			/* this notes whom it passes on */
	ExprState  *rest;			/* the other conditions */
	PageAnswers *page;			/* NULL: row by row */
	struct CheckedScan *next;
} CheckedScan;

static CheckedScan *scans = NULL;	/* of all statements, the newest first; in the executor's memory */
static CheckedScan *last_scan = NULL;	/* that was asked for a row last */

/* Forget a scan whose memory goes. */
static void
scan_reset(void *arg)
{
	CheckedScan **link = &scans;

	if (last_scan == arg)
		last_scan = NULL;
	while (*link && *link != arg)
		link = &(*link)->next;
	if (*link)
		*link = (*link)->next;
}

/* No row is left: as ExecScan says it. */
static TupleTableSlot *
no_row(ScanState *node)
{
	(void) ExecClearTuple(node->ss_ScanTupleSlot);
	return node->ps.ps_ProjInfo ? ExecClearTuple(node->ps.ps_ProjInfo->pi_state.resultslot) : node->ss_ScanTupleSlot;
}

/*
 * Ask for all visible rows of the page that a scan has come to.
 */
static void
ask_page(CheckedScan *scan, HeapScanDesc heap, TupleDesc desc)
{
	PageAnswers *page = scan->page;
	Page		buffer = BufferGetPage(heap->rs_cbuf);
	int			offset = pz_attcacheoff_compat(desc, scan->attnum);
	int			i;

	page->block = heap->rs_cblock;
	page->n = heap->rs_ntuples;
	for (i = 0; i < page->n; i++)
	{
		ItemId		lp = PageGetItemId(buffer, heap->rs_vistuples[i]);
		HeapTupleData tup;
		bool		isnull;
		Datum		key;

		tup.t_data = (HeapTupleHeader) PageGetItem(buffer, lp);
		tup.t_len = ItemIdGetLength(lp);
		if (!HeapTupleHasNulls(&tup) && offset >= 0 && scan->attnum <= HeapTupleHeaderGetNatts(tup.t_data))
		{
			/* as heap_getattr() and fastgetattr() */
			isnull = false;
			key = fetchatt(TupleDescAttr(desc, scan->attnum - 1), (char *) tup.t_data + tup.t_data->t_hoff + offset);
		}
		else
			key = heap_getattr(&tup, scan->attnum, desc, &isnull);
		page->keys[i].bytes = NULL;
		if (isnull)
			continue;
		switch (scan->keytype)
		{
			case INT2OID:
			case INT4OID:
			case INT8OID:
				page->numbers[i] = pz_key_number(key, scan->keytype);
				page->keys[i].bytes = (char *) &page->numbers[i];
				page->keys[i].len = sizeof(int64);
				break;
			case UUIDOID:
				page->keys[i].bytes = DatumGetPointer(key);
				page->keys[i].len = UUID_LEN;
				break;
			default:
				/* not what is compressed or stored elsewhere */
				if (!VARATT_IS_EXTENDED(DatumGetPointer(key)) || VARATT_IS_SHORT(DatumGetPointer(key)))
				{
					page->keys[i].bytes = VARDATA_ANY(DatumGetPointer(key));
					page->keys[i].len = VARSIZE_ANY_EXHDR(DatumGetPointer(key));
				}
				break;
		}
	}
	pz_check_ask_page(scan->check, page->keys, page->n, page->nos, page->answers);
}

/*
 * What the set says of the row that a scan has come to; PZ_SET_ASK: ask row by
 * row.  Goes on with the row before the next one that is not withheld.
 */
static PzSetAnswer
ask_row(CheckedScan *scan, HeapScanDesc heap, TupleDesc desc, bool forward, PlanState *node, uint32 *no)
{
	PageAnswers *page = scan->page;
	PzSetAnswer answer;
	int			i = heap->rs_cindex;

	if (page->block != heap->rs_cblock || page->n != heap->rs_ntuples)
		ask_page(scan, heap, desc);
	answer = page->answers[i];
	*no = page->nos[i];
	if (answer != PZ_SET_NO || !forward)
		return answer;
	/* skip withheld rows that follow on the page */
	while (i + 1 < page->n && page->answers[i + 1] == PZ_SET_NO)
		i++;
	pz_check_withheld(scan->check, i - heap->rs_cindex);
	InstrCountFiltered1(node, i - heap->rs_cindex);
	heap->rs_cindex = i;
	return answer;
}

/*
 * The next row of a scan: ExecScan with SeqNext, but that the check comes first.
 */
static TupleTableSlot *
checked_scan(PlanState *pstate)
{
	ScanState  *node = (ScanState *) pstate;
	EState	   *estate = pstate->state;
	ExprContext *econtext = pstate->ps_ExprContext;
	TupleDesc	desc = RelationGetDescr(node->ss_currentRelation);
	PzRunning  *running = pz_frame_running();
	CheckedScan *scan = last_scan;
	HeapTuple	tup;

	if (scan == NULL || scan->node != pstate)
	{
		scan = scans;
		while (scan->node != pstate)
			scan = scan->next;
		last_scan = scan;
	}
	/* nothing is frozen for it: the condition in the plan says so */
	if (running == NULL || running->serial != scan->serial || estate->es_epq_active)
		return scan->original(pstate);
	if (node->ss_currentScanDesc == NULL)
		node->ss_currentScanDesc = table_beginscan(node->ss_currentRelation, estate->es_snapshot, 0, NULL);

	ResetExprContext(econtext);
	for (;;)
	{
		bool		untapped = scan->tapped && running->inside == 0;
		bool		notes;
		bool		isnull = false;
		Datum		key = (Datum) 0;	/* not looked at where there is a number */
		PzSetAnswer answer = PZ_SET_ASK;
		uint32		no;

		CHECK_FOR_INTERRUPTS();
		tup = heap_getnext(node->ss_currentScanDesc, estate->es_direction);
		if (tup == NULL)
			return no_row(node);
		if (untapped)
			pz_check_widen(scan->check);
		notes = !scan->tapped || untapped || running->told;
		if (scan->page && (((TableScanDesc) node->ss_currentScanDesc)->rs_flags & SO_ALLOW_PAGEMODE) != 0)
			answer = ask_row(scan, (HeapScanDesc) node->ss_currentScanDesc, desc,
							 ScanDirectionIsForward(estate->es_direction), pstate, &no);
		if (answer == PZ_SET_NO)
		{
			pz_check_withheld(scan->check, 1);
			InstrCountFiltered1(node, 1);
			continue;
		}
		if (answer == PZ_SET_YES)
			pz_check_passes_number(scan->check, no, notes);
		else
		{
			key = heap_getattr(tup, scan->attnum, desc, &isnull);
			if (!pz_check_row(scan->check, running, key, isnull, scan->keytype, notes))
			{
				InstrCountFiltered1(node, 1);
				continue;
			}
		}
		ExecStoreBufferHeapTuple(tup, node->ss_ScanTupleSlot, ((HeapScanDesc) node->ss_currentScanDesc)->rs_cbuf);
		econtext->ecxt_scantuple = node->ss_ScanTupleSlot;
		if (scan->rest && !ExecQual(scan->rest, econtext))
		{
			InstrCountFiltered1(node, 1);
			ResetExprContext(econtext);
			continue;
		}
		if (scan->notes)
			pz_check_passed_last(scan->check, key, isnull, scan->keytype);
		return pstate->ps_ProjInfo ? ExecProject(pstate->ps_ProjInfo) : node->ss_ScanTupleSlot;
	}
}

/*
 * Let a scan note by itself whom it passes on for a check.  False if it is not one
 * of ours.
 */
bool
pz_scan_notes(PlanState *node, PzCheck *check)
{
	CheckedScan *scan;

	for (scan = scans; scan; scan = scan->next)
		if (scan->node == node && scan->check == check)
		{
			scan->notes = true;
			return true;
		}
	return false;
}

/* May the key of this column be taken from the row as it stands there? */
static bool
is_plain_key(Oid type, PzKeyType key_type)
{
	switch (key_type)
	{
		case PZ_KEY_INT:
			return type == INT2OID || type == INT4OID || type == INT8OID;
		case PZ_KEY_UUID:
			return type == UUIDOID;
		case PZ_KEY_TEXT:
			return type == TEXTOID || type == VARCHAROID;
		case PZ_KEY_UNSET:
			break;
	}
	return false;
}

/* Let a node check by itself, if it can. */
static void
install(PlanState *pstate, PzRunning *running)
{
	ScanState  *node = (ScanState *) pstate;
	List	   *quals = pstate->plan->qual;
	const PzMark *mark = quals ? pz_mark_of_row_check(linitial(quals)) : NULL;
	PzCheck    *check = mark ? pz_check_find(running, mark->path_id, mark->purpose_id) : NULL;
	MemoryContextCallback *callback;
	MemoryContext old;
	CheckedScan *scan;
	AttrNumber	attnum;
	List	   *rest;
	ListCell   *lc;

	/* also found by way of the node that runs it */
	if (pstate->ExecProcNodeReal == checked_scan)
		return;
	if (check == NULL || !pz_check_has_set(check) || pstate->plan->parallel_aware || pstate->state->es_epq_active ||
		node->ss_currentRelation == NULL ||
		node->ss_currentRelation->rd_tableam != GetHeapamTableAmRoutine() ||
		node->ss_ScanTupleSlot->tts_ops != &TTSOpsBufferHeapTuple)
		return;
	rest = list_copy_tail(quals, 1);
	foreach(lc, rest)
		if (pz_mark_is_row_check(lfirst(lc), 0))
			return;
	if (contain_subplans((Node *) rest))
		return;
	attnum = pz_plan_check_column((Scan *) pstate->plan, mark->path_id, mark->purpose_id);
	if (attnum <= 0 ||
		!is_plain_key(TupleDescAttr(RelationGetDescr(node->ss_currentRelation), attnum - 1)->atttypid,
					  pz_check_path(check)->key_type))
		return;

	old = MemoryContextSwitchTo(pstate->state->es_query_cxt);
	scan = palloc0(sizeof(CheckedScan));
	scan->node = pstate;
	scan->original = pstate->ExecProcNodeReal;
	scan->serial = running->serial;
	scan->check = check;
	scan->attnum = attnum;
	scan->keytype = TupleDescAttr(RelationGetDescr(node->ss_currentRelation), attnum - 1)->atttypid;
	scan->tapped = pz_noting_is_tapped(mark->noting) && running->tapped;
	scan->rest = ExecInitQual(rest, pstate);
	if (pz_check_asks_pages(check))
	{
		scan->page = palloc(sizeof(PageAnswers));
		scan->page->block = InvalidBlockNumber;
	}
	callback = palloc0(sizeof(MemoryContextCallback));
	callback->func = scan_reset;
	callback->arg = scan;
	MemoryContextRegisterResetCallback(pstate->state->es_query_cxt, callback);
	MemoryContextSwitchTo(old);
	scan->next = scans;
	scans = scan;
	pstate->ExecProcNodeReal = checked_scan;
}

/* Look for sequential scans. */
static bool
scan_walker(PlanState *node, void *running)
{
	if (IsA(node, SeqScanState))
		install(node, running);
	return planstate_tree_walker(node, scan_walker, running);
}

/*
 * Let the sequential scans of a started statement check before they make
 * anything of a row, where that is possible.  Call before anything else is put
 * around their nodes.
 */
void
pz_scan_install(QueryDesc *queryDesc, PzRunning *running)
{
	ListCell   *lc;

	if (queryDesc->planstate)
		(void) scan_walker(queryDesc->planstate, running);
	foreach(lc, queryDesc->estate->es_subplanstates)
		if (lfirst(lc))
			(void) scan_walker(lfirst(lc), running);
}
