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
#include "numbers.h"

#define PREFETCH_ROWS	12		/* rows ahead whose memory is asked for */

/* What the consent set says of the visible rows of a page */
typedef struct PageAnswers
{
	int			n;				/* rows that are not withheld */
	int			next;			/* the first of them that is not read yet */
	uint16		rows[MaxHeapTuplesPerPage]; /* their places in rs_vistuples */
	uint32		nos[MaxHeapTuplesPerPage];	/* the person's number; 0: the ledger must be asked */
	PzRowKeys	keys;
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
	bool		is_number;		/* of a key that is a whole number */
	PzUse	   *use;
	bool		counts_rows;	/* those that pass count as used */
	const PzNumbers *numbers;	/* who has passed */
	PageAnswers *page;			/* NULL: row by row */
	BlockNumber block;			/* that page holds answers for; InvalidBlockNumber: none */
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

/* A key of a row; *isnull as heap_getattr.  offset: where it is in rows without NULLs, -1: not known. */
static inline Datum
key_of(HeapTuple tup, TupleDesc desc, AttrNumber attnum, int offset, bool *isnull)
{
	if (likely(offset >= 0 && !HeapTupleHasNulls(tup) && attnum <= HeapTupleHeaderGetNatts(tup->t_data)))
	{
		/* as fastgetattr() */
		*isnull = false;
		return fetchatt(TupleDescAttr(desc, attnum - 1), (char *) tup->t_data + tup->t_data->t_hoff + offset);
	}
	return heap_getattr(tup, attnum, desc, isnull);
}

/* Are there answers for the page that a scan is at, and where it is? */
static inline bool
is_on_page(const CheckedScan *scan, HeapScanDesc heap)
{
	return scan->block != InvalidBlockNumber && heap->rs_inited && heap->rs_cblock == scan->block &&
		scan->page->next > 0 && scan->page->rows[scan->page->next - 1] == heap->rs_cindex;
}

/* Make a visible row of the page that a scan has come to the one it is at. */
static inline void
set_row(HeapScanDesc heap, Page page, int row)
{
	OffsetNumber offset = heap->rs_vistuples[row];
	ItemId		lp = PageGetItemId(page, offset);

	/* as heapgettup_pagemode() */
	heap->rs_cindex = row;
	heap->rs_ctup.t_data = (HeapTupleHeader) PageGetItem(page, lp);
	heap->rs_ctup.t_len = ItemIdGetLength(lp);
	ItemPointerSet(&heap->rs_ctup.t_self, heap->rs_cblock, offset);
}

/* Gather the keys of all visible rows of a page. */
static void
gather_keys(CheckedScan *scan, HeapScanDesc heap, TupleDesc desc, PzRowKeys *keys)
{
	Page		page = BufferGetPage(heap->rs_cbuf);
	int			offset = pz_attcacheoff_compat(desc, scan->attnum);
	Oid			type = scan->keytype;
	int			n = heap->rs_ntuples;
	int			i;

	keys->has_nulls = false;
	for (i = 0; i < n; i++)
	{
		ItemId		lp = PageGetItemId(page, heap->rs_vistuples[i]);
		HeapTupleData tup;
		bool		isnull;
		Datum		key;

		if (i + PREFETCH_ROWS < n)
			PZ_PREFETCH(PageGetItem(page, PageGetItemId(page, heap->rs_vistuples[i + PREFETCH_ROWS])));
		tup.t_data = (HeapTupleHeader) PageGetItem(page, lp);
		tup.t_len = ItemIdGetLength(lp);
		key = key_of(&tup, desc, scan->attnum, offset, &isnull);
		if (scan->is_number)
		{
			if (unlikely(isnull))
			{
				if (!keys->has_nulls)
					memset(keys->nulls, 0, n * sizeof(bool));
				keys->has_nulls = keys->nulls[i] = true;
				key = (Datum) 0;
			}
			keys->numbers[i] = pz_key_number(key, type);
			continue;
		}
		keys->keys[i].bytes = NULL;
		if (isnull)
			continue;
		if (type == UUIDOID)
		{
			keys->keys[i].bytes = DatumGetPointer(key);
			keys->keys[i].len = UUID_LEN;
		}
		/* not what is compressed or stored elsewhere */
		else if (!VARATT_IS_EXTENDED(DatumGetPointer(key)) || VARATT_IS_SHORT(DatumGetPointer(key)))
		{
			keys->keys[i].bytes = VARDATA_ANY(DatumGetPointer(key));
			keys->keys[i].len = VARSIZE_ANY_EXHDR(DatumGetPointer(key));
		}
	}
}

/* Rows of the page are not passed on, and count as read. */
static inline void
withhold(CheckedScan *scan, PlanState *node, Relation rel, int n)
{
	/* mostly few, and nobody could foretell if there are any: no branch */
	scan->use->rows_withheld += n;
	InstrCountFiltered1(node, n);
	pz_count_returned_compat(rel, n);
}

/*
 * The next row of the page that a scan has come to which is not withheld, going
 * forward.  *no as in PageAnswers.  NULL if there is none left; the scan is then
 * after the last.
 */
static inline HeapTuple
next_of_page(CheckedScan *scan, HeapScanDesc heap, PlanState *node, uint32 *no)
{
	PageAnswers *page = scan->page;
	Relation	rel = heap->rs_base.rs_rd;
	int			at = (int) heap->rs_cindex;
	int			row;

	if (unlikely(page->next >= page->n))
	{
		withhold(scan, node, rel, (int) heap->rs_ntuples - 1 - at);
		heap->rs_cindex = heap->rs_ntuples - 1;
		scan->block = InvalidBlockNumber;
		return NULL;
	}
	row = page->rows[page->next];
	*no = page->nos[page->next++];
	withhold(scan, node, rel, row - at - 1);
	set_row(heap, BufferGetPage(heap->rs_cbuf), row);
	pz_count_returned_compat(rel, 1);
	return &heap->rs_ctup;
}

/*
 * Ask for the rows of the page that a scan going forward has just come to, if it
 * reads pages at once.  It is at its first row, which is not counted yet.
 */
static HeapTuple
ask_page(CheckedScan *scan, HeapScanDesc heap, TupleDesc desc, PlanState *node, uint32 *no)
{
	PageAnswers *page = scan->page;
	gather_keys(scan, heap, desc, &page->keys);
	page->n = pz_check_ask_page(scan->check, &page->keys, heap->rs_ntuples, page->rows, page->nos);
	page->next = 0;
	scan->block = heap->rs_cblock;
	if (page->n > 0 && page->rows[0] == 0)
	{
		*no = page->nos[page->next++];
		return &heap->rs_ctup;
	}
	scan->use->rows_withheld++;
	InstrCountFiltered1(node, 1);
	return next_of_page(scan, heap, node, no);
}

/*
 * The next row that is not withheld, as far as pages are asked; *no: the person's
 * number, 0 if the row must be checked.  NULL: there is none.
 */
static inline HeapTuple
next_row(CheckedScan *scan, HeapScanDesc heap, TupleDesc desc, ScanDirection direction, PlanState *node, uint32 *no)
{
	HeapTuple	tup;

	*no = 0;
	if (likely(ScanDirectionIsForward(direction) && is_on_page(scan, heap)))
	{
		tup = next_of_page(scan, heap, node, no);
		if (likely(tup != NULL))
			return tup;
	}
	/* row by row, until another page is reached */
	scan->block = InvalidBlockNumber;
	for (;;)
	{
		tup = heap_getnext((TableScanDesc) heap, direction);
		if (tup == NULL || scan->page == NULL || heap->rs_cindex != 0 || !ScanDirectionIsForward(direction) ||
			(heap->rs_base.rs_flags & SO_ALLOW_PAGEMODE) == 0)
			return tup;
		tup = ask_page(scan, heap, desc, node, no);
		if (tup != NULL)
			return tup;
		CHECK_FOR_INTERRUPTS();
	}
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
	HeapScanDesc heap;
	HeapTuple	tup;
	bool		untapped;
	bool		notes;

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

	heap = (HeapScanDesc) node->ss_currentScanDesc;
	untapped = scan->tapped && running->inside == 0;
	notes = !scan->tapped || untapped || running->told;
	if (untapped)
		pz_check_widen(scan->check);

	ResetExprContext(econtext);
	for (;;)
	{
		bool		isnull = false;
		Datum		key = (Datum) 0;	/* not looked at where there is a number */
		uint32		no;

		CHECK_FOR_INTERRUPTS();
		tup = next_row(scan, heap, desc, estate->es_direction, pstate, &no);
		if (tup == NULL)
			return no_row(node);
		if (no != 0)
		{
			if (!pz_numbers_has_seen(scan->numbers, no))
				pz_check_passes_number(scan->check, no, notes);
			scan->use->rows_used += scan->counts_rows;
		}
		else
		{
			key = heap_getattr(tup, scan->attnum, desc, &isnull);
			if (!pz_check_row(scan->check, running, key, isnull, scan->keytype, notes))
			{
				InstrCountFiltered1(node, 1);
				continue;
			}
		}
		ExecStoreBufferHeapTuple(tup, node->ss_ScanTupleSlot, heap->rs_cbuf);
		econtext->ecxt_scantuple = node->ss_ScanTupleSlot;
		if (scan->rest && !ExecQual(scan->rest, econtext))
		{
			InstrCountFiltered1(node, 1);
			ResetExprContext(econtext);
			continue;
		}
		if (scan->notes)
		{
			if (no == 0)
				pz_check_passed_last(scan->check, key, isnull, scan->keytype);
			else if (!pz_numbers_has_seen(scan->numbers, no))
				pz_check_see_number(scan->check, no);
		}
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
		!pz_key_is_plain(TupleDescAttr(RelationGetDescr(node->ss_currentRelation), attnum - 1)->atttypid,
					  pz_check_path(check)->key_type))
		return;

	old = MemoryContextSwitchTo(pstate->state->es_query_cxt);
	scan = palloc0(sizeof(CheckedScan));
	scan->node = pstate;
	scan->original = pstate->ExecProcNodeReal;
	scan->serial = running->serial;
	scan->check = check;
	scan->attnum = attnum;
	scan->block = InvalidBlockNumber;
	scan->keytype = TupleDescAttr(RelationGetDescr(node->ss_currentRelation), attnum - 1)->atttypid;
	scan->tapped = pz_noting_is_tapped(mark->noting) && running->tapped;
	scan->is_number = pz_check_path(check)->key_type == PZ_KEY_INT;
	scan->rest = ExecInitQual(rest, pstate);
	scan->use = pz_check_use(check);
	scan->counts_rows = pz_check_counts_rows(check);
	scan->numbers = pz_check_numbers(check);
	if (pz_check_asks_pages(check))
		scan->page = palloc(sizeof(PageAnswers));
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
