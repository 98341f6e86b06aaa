/*-------------------------------------------------------------------------
 *
 * enforce_explain.c
 *	  What EXPLAIN tells of rows that it does not show.
 *
 * The planner estimates from statistics of all rows, and EXPLAIN ANALYZE counts
 * what the row check removed.  Whoever may use a protected relation but is
 * neither superuser nor has the duty officer or auditor is shown only what it
 * could count itself in the rows that it gets:
 *
 * - no estimates: cost, rows and width of every node are zero;
 * - no rows that a scan of a protected relation removed or fetched in vain, no
 *	 entries of indexes, heap pages or index searches of it: zero;
 * - no buffers, of any node, because a node counts those below it.
 *
 * Times remain, since a client can measure them, and so does the shape of the
 * plan, which does depend on the estimates.
 *
 * This is done to the plan state that EXPLAIN prints: after it has run, so that
 * it runs as ever; the plan below it is a copy, because cached plans need their
 * costs.  It is the one place for all forms of EXPLAIN.  Whether the running
 * statement is an EXPLAIN is told by hooks.c, which sees the command.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/executor.h"
#include "executor/instrument.h"
#include "jit/jit.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "parser/parsetree.h"
#include "utils/guc.h"

#include "compat.h"
#include "enforce.h"
#include "errors.h"
#include "registry.h"

/* A statement that EXPLAIN ANALYZE runs; in the executor's memory */
typedef struct Explained
{
	QueryDesc  *queryDesc;
	struct Explained *outer;	/* of a statement that was started before */
} Explained;

static bool explaining = false; /* an EXPLAIN runs */
static bool used = false;		/* this transaction has read a protected relation */
static Explained *explained = NULL;

/*
 * A command begins; says what was before, for pz_explain_leave.
 */
bool
pz_explain_enter(Node *parsetree)
{
	bool		before = explaining;

	explaining = explaining || IsA(parsetree, ExplainStmt);
	return before;
}

/* The command is over, or failed. */
void
pz_explain_leave(bool before)
{
	explaining = before;
}

/* Must estimates and counts be kept from the role that asks? */
static bool
is_kept_out(void)
{
	return !pz_within_has_duty("officer") && !pz_within_has_duty("auditor");
}

/* Does a plan name a protected relation, whether or not it will read it? */
static bool
names_protected(PlannedStmt *pstmt)
{
	ListCell   *lc;

	foreach(lc, pstmt->relationOids)
		if (pz_registry_guards(lfirst_oid(lc)))
			return true;
	return false;
}

/*
 * Make ready a statement whose plan is going to be printed: if anything in it
 * must be hidden, it gets a plan of its own.  Call before
 * standard_ExecutorStart, where something is protected; the answer goes to
 * pz_explain_started.
 */
bool
pz_explain_start(QueryDesc *queryDesc)
{
	if (!explaining || !names_protected(queryDesc->plannedstmt) || !is_kept_out())
		return false;
	queryDesc->plannedstmt = copyObject(queryDesc->plannedstmt);
	return true;
}

/* Is this a scan of a protected relation? */
static bool
scans_protected(PlanState *node)
{
	Scan	   *scan = (Scan *) node->plan;
	RangeTblEntry *rte;

	switch (nodeTag(scan))
	{
		case T_SeqScan:
		case T_SampleScan:
		case T_IndexScan:
		case T_IndexOnlyScan:
		case T_BitmapIndexScan:
		case T_BitmapHeapScan:
		case T_TidScan:
		case T_TidRangeScan:
		case T_ForeignScan:
		case T_CustomScan:
			break;
		default:
			return false;
	}
	if (scan->scanrelid == 0)
		return false;
	rte = rt_fetch(scan->scanrelid, node->state->es_range_table);
	return rte->rtekind == RTE_RELATION && pz_registry_guards(rte->relid);
}

/*
 * Take out of a node's counts what must not be shown.  scan: of a protected
 * relation; index: it returns entries that nobody has checked.
 */
static void
hide_counts(Instrumentation *instr, bool scan, bool index, const double *loops)
{
	memset(&instr->bufusage, 0, sizeof(BufferUsage));
	if (loops != NULL)
	{
		instr->nloops = *loops;
		instr->startup = instr->total = 0;
	}
	if (scan)
		instr->nfiltered1 = instr->nfiltered2 = instr->ntuples2 = 0;
	if (index)
		instr->ntuples = 0;
}

/*
 * Hide what a node and those below it would tell.  context: loops (double *) of
 * a bitmap scan of a protected relation; that an index was not looked at below
 * it tells that another one had no entries.
 */
static bool
hide_walker(PlanState *node, void *context)
{
	Plan	   *plan = node->plan;
	double	   *below = context;
	bool		scan = scans_protected(node);
	bool		index = scan && IsA(plan, BitmapIndexScan);

	plan->startup_cost = plan->total_cost = plan->plan_rows = 0;
	plan->plan_width = 0;
	if (node->instrument)
	{
		InstrEndLoop(node->instrument);
		hide_counts(node->instrument, scan, index, context);
		if (scan && IsA(plan, BitmapHeapScan))
			below = &node->instrument->nloops;
	}
	if (node->worker_instrument)
	{
		int			i;

		for (i = 0; i < node->worker_instrument->num_workers; i++)
			hide_counts(&node->worker_instrument->instrument[i], scan, index, NULL);
	}
	node->worker_jit_instrument = NULL; /* shown by the estimates */
	if (scan)
		pz_hide_scan_counts_compat(node);

	/* these sizes come from estimates */
	if (IsA(node, AggState))
		((AggState *) node)->hash_planned_partitions = 0;
	else if (IsA(node, HashState))
	{
		((HashState *) node)->hinstrument = NULL;
		((HashState *) node)->shared_info = NULL;
	}
	return planstate_tree_walker(node, hide_walker, below);
}

/* Hide what the plan of a statement would tell. */
static void
hide(QueryDesc *queryDesc)
{
	hide_walker(queryDesc->planstate, NULL);
	queryDesc->estate->es_jit_flags &= ~PGJIT_PERFORM;	/* so is whether it pays to compile */
}

/* Forget a statement whose memory goes. */
static void
explained_reset(void *arg)
{
	Explained **link = &explained;

	while (*link && *link != arg)
		link = &(*link)->outer;
	if (*link)
		*link = (*link)->outer;
}

/*
 * A statement that pz_explain_start has made ready is started.  If it is not
 * going to run, hide now; else see pz_explain_finished.
 */
void
pz_explain_started(QueryDesc *queryDesc)
{
	MemoryContext mcxt = queryDesc->estate->es_query_cxt;
	Explained  *e;
	MemoryContextCallback *callback;

	if (queryDesc->estate->es_top_eflags & EXEC_FLAG_EXPLAIN_ONLY)
	{
		hide(queryDesc);
		return;
	}
	e = MemoryContextAlloc(mcxt, sizeof(Explained));
	e->queryDesc = queryDesc;
	callback = MemoryContextAllocZero(mcxt, sizeof(MemoryContextCallback));
	callback->func = explained_reset;
	callback->arg = e;
	MemoryContextRegisterResetCallback(mcxt, callback);
	e->outer = explained;
	explained = e;
}

/*
 * A statement has run to its end and may be printed now.
 */
void
pz_explain_finished(QueryDesc *queryDesc)
{
	Explained  *e;

	for (e = explained; e; e = e->outer)
	{
		if (e->queryDesc == queryDesc)
		{
			hide(queryDesc);
			return;
		}
	}
}

/* Does an EXPLAIN run? */
bool
pz_explain_runs(void)
{
	return explaining;
}

/*
 * A statement was planned, while an EXPLAIN runs: forget what pages were read
 * for that since before, where they must not be shown.  The planner looks at
 * the ends of indexes.
 */
void
pz_explain_planned(PlannedStmt *pstmt, const BufferUsage *before)
{
	if (explaining && names_protected(pstmt) && is_kept_out())
		pgBufferUsage = *before;
}

/* A statement starts that reads protected relations. */
void
pz_explain_used(void)
{
	used = true;
}

/* The transaction is over. */
void
pz_explain_forget(void)
{
	used = false;
}

/*
 * A message is about to be sent.  Modules such as auto_explain print the plans
 * of statements that ran, with all their numbers, for the log of the server;
 * but who sets client_min_messages to log, as everybody may, has them sent,
 * too.  In a transaction that reads protected relations such messages go to the
 * log only, unless a superuser who acts as nobody else is at the client.  Those
 * of auto_explain do at any level that reaches the log: EmitErrorReport() does
 * not call its hook for others.  Looks nothing up: anything may be held here.
 */
void
pz_explain_message(ErrorData *edata)
{
	if (!used || !edata->output_to_client)
		return;
	if (edata->elevel > LOG && (edata->funcname == NULL || edata->elevel >= ERROR ||
								strcmp(edata->funcname, "explain_ExecutorEnd") != 0))
		return;
	if (GetSessionUserIsSuperuser() && GetUserId() == GetSessionUserId())
		return;
	edata->output_to_client = false;
}

/*
 * debug_print_plan sends plans with their estimates to whoever asks for log
 * messages, which everybody may: ERROR 42501 for those who must not see them.
 * Call with a finished plan, where something is protected.
 */
void
pz_explain_check_print(PlannedStmt *pstmt)
{
	if (Debug_print_plan && names_protected(pstmt) && is_kept_out())
		ereport(ERROR,
				(errcode(PZ_ERR_REFUSED),
				 errmsg("cannot print the plan of a statement that names a protected relation"),
				 errhint("Turn debug_print_plan off; its estimates tell about all rows.")));
}
