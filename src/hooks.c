/*-------------------------------------------------------------------------
 *
 * hooks.c
 *	  Ties the layers to PostgreSQL: saves, sets and chains every hook, and
 *	  hands what enforcement found to the audit.  No policy here.
 *
 * This file and hooks_utility.c (commands without a plan) know all layers, no
 * other does.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "optimizer/plancat.h"
#include "optimizer/planner.h"
#include "utils/inval.h"
#include "utils/snapmgr.h"

#include "audit.h"
#include "compat.h"
#include "enforce.h"
#include "errors.h"
#include "hooks.h"
#include "progress.h"
#include "purpose.h"
#include "registry.h"

static planner_hook_type prev_planner = NULL;
static get_relation_info_hook_type prev_get_relation_info = NULL;
static ExecutorStart_hook_type prev_ExecutorStart = NULL;
static ExecutorRun_hook_type prev_ExecutorRun = NULL;
static ExecutorFinish_hook_type prev_ExecutorFinish = NULL;
static ExecutorEnd_hook_type prev_ExecutorEnd = NULL;
static needs_fmgr_hook_type prev_needs_fmgr = NULL;
static fmgr_hook_type prev_fmgr = NULL;
static emit_log_hook_type prev_emit_log = NULL;

/* What the planner may know of a relation. */
static void
pz_get_relation_info(PlannerInfo *root, Oid relid, bool inhparent, RelOptInfo *rel)
{
	if (prev_get_relation_info)
		prev_get_relation_info(root, relid, inhparent, rel);
	if (pz_in_database() && pz_registry_active())
		pz_nearest_hide(relid, rel);
}

/* Put the row checks in, then plan. */
static PlannedStmt *
pz_planner(Query *parse, const char *query_string, int cursorOptions, ParamListInfo boundParams)
{
	BufferUsage buffers = pgBufferUsage;
	PlannedStmt *result;
	PzRiState	ri;

	if (pz_in_database() && pz_registry_active())
	{
		pz_ddl_check_query();
		parse = pz_enforce_query(parse, query_string, (cursorOptions & (CURSOR_OPT_FAST_PLAN | CURSOR_OPT_SCROLL)) != 0, boundParams);
		pz_statistics_guard(parse);
		pz_detail_watch();
	}
	ri = pz_ri_enter();
	pz_code_planning(1);
	PG_TRY();
	{
		if (prev_planner)
			result = prev_planner(parse, query_string, cursorOptions, boundParams);
		else
			result = standard_planner(parse, query_string, cursorOptions, boundParams);
	}
	PG_FINALLY();
	{
		pz_code_planning(-1);
		pz_ri_leave(ri);
	}
	PG_END_TRY();
	if (pz_in_database() && pz_registry_active())
	{
		pz_order_plan(result);
		if (Debug_print_plan)
			pz_explain_check_print(result);
		pz_explain_planned(result, &buffers);
	}
	return result;
}

/*
 * Keep SQL functions from being inlined past the planner hook, and watch calls
 * of functions while DDL reads all rows of a protected relation, and of those
 * that tell of all rows of one.
 */
static bool
pz_needs_fmgr(Oid fn_oid)
{
	if (prev_needs_fmgr && prev_needs_fmgr(fn_oid))
		return true;
	if (!pz_in_database())
		return false;
	/* whoever has looked it up calls it again when something is protected */
	return pz_spatial_tells_all(fn_oid) || ((pz_code_watches(fn_oid) || pz_enforce_needs_fmgr(fn_oid)) && pz_registry_active());
}

/* A function that pz_needs_fmgr asked for is called, or has returned. */
static void
pz_fmgr(FmgrHookEventType event, FmgrInfo *flinfo, Datum *arg)
{
	if (event == FHET_START)
	{
		if (pz_in_database())
			pz_spatial_check_call(flinfo);
		pz_code_begins(flinfo->fn_oid);
	}
	else
		pz_code_ends();
	if (prev_fmgr)
		prev_fmgr(event, flinfo, arg);
}

/*
 * Check the plan, freeze what the statement starts with.
 */
static void
pz_ExecutorStart(QueryDesc *queryDesc, int eflags)
{
	PzFrame    *frame = NULL;
	PzRiState	ri;
	bool		hides = false;
	ListCell   *lc;

	if (IsBinaryUpgrade)
		foreach(lc, queryDesc->plannedstmt->rtable)
			pz_hard_check_upgrade(lfirst_node(RangeTblEntry, lc)->relid);
	if (pz_in_database() && pz_registry_installed())
	{
		List	   *uses = NIL;

		/*
		 * A prepared plan whose locks are all held looks at no messages by
		 * itself; a purpose that was revoked meanwhile must be seen.
		 */
		AcceptInvalidationMessages();
		if (pz_registry_active())
		{
			pz_detail_note(queryDesc->plannedstmt);
			hides = pz_explain_start(queryDesc);
			if (!(eflags & EXEC_FLAG_EXPLAIN_ONLY))
				pz_conflict_start(queryDesc->plannedstmt);
			uses = pz_plan_inspect(queryDesc->plannedstmt, pz_enforce_may_be_ri(queryDesc->sourceText));
		}
		if (!pz_enforce_ledger_unlocked())
			pz_plan_check_append_only(queryDesc->plannedstmt);
		if (uses != NIL && IsParallelWorker())
			ereport(ERROR,
					(errcode(PZ_ERR_STATE),
					 errmsg("cannot read a protected relation in a parallel worker"),
					 errhint("Mark the function that reads it PARALLEL RESTRICTED.")));
		if (uses != NIL)
			pz_explain_used();
		if (uses != NIL && !(eflags & EXEC_FLAG_EXPLAIN_ONLY))
			frame = pz_frame_start(queryDesc, uses);
	}

	ri = pz_ri_enter();
	PG_TRY();
	{
		if (prev_ExecutorStart)
			prev_ExecutorStart(queryDesc, eflags);
		else
			standard_ExecutorStart(queryDesc, eflags);
		if (frame)
			pz_frame_attach(frame, queryDesc);
		if (pz_in_database() && pz_registry_active())
		{
			pz_statistics_check_plan(queryDesc);
			pz_keep_start(queryDesc);
		}
		if (hides)
			pz_explain_started(queryDesc);
	}
	PG_CATCH();
	{
		pz_ri_leave(ri);
		/* unless the reset of the executor's memory has freed it */
		if (frame && pz_frame_find(queryDesc) == frame)
			pz_frame_free(frame);
		PG_RE_THROW();
	}
	PG_END_TRY();
	pz_ri_leave(ri);
}

/* A statement may not run: put that on record.  ERROR. */
static void
refuse(PzFrame *frame, const PzRefusal *refusal)
{
	int			i;

	for (i = 0; i < pz_frame_nuses(frame); i++)
		pz_audit_refused(pz_frame_use(frame, i), refusal->reason);
	ereport(ERROR,
			(errcode(refusal->sqlerrcode),
			 errmsg("%s", refusal->message),
			 errhint("%s", refusal->hint)));
}

/* A statement that copies was let through: write down where its rows go. */
static void
note_copies(PzFrame *frame, QueryDesc *queryDesc)
{
	int			i;

	for (i = 0; i < pz_frame_nuses(frame); i++)
		if (!pz_frame_observes(frame, i))
			pz_copies_note(pz_frame_use(frame, i), queryDesc);
}

/*
 * A cursor that was opened before is read by a command that fills a relation:
 * may its rows be copied?  ERROR if not.
 */
static void
copy_frame(PzFrame *frame, QueryDesc *queryDesc)
{
	int			i;

	for (i = 0; i < pz_frame_nuses(frame); i++)
	{
		const PzRefusal *refusal = pz_frame_observes(frame, i) ? NULL : pz_frame_check(frame, i, true);

		if (refusal)
			refuse(frame, refusal);
	}
	note_copies(frame, queryDesc);
}

/*
 * Let a statement through at its first run: its purpose must hold, and the
 * intent must be on record before the first row.  ERROR if not.
 */
static void
open_frame(PzFrame *frame, QueryDesc *queryDesc)
{
	const PzRefusal *refusal = NULL;
	bool		copies;
	int			i;

	/* the result would be a constant of a plan that outlives purpose and consent */
	if (pz_code_folding())
		ereport(ERROR,
				(errcode(PZ_ERR_STATE),
				 errmsg("cannot read protected relation %s while a statement is planned",
						pz_frame_use(frame, 0)->relation_name),
				 errhint("A function that reads a table is not IMMUTABLE: declare it STABLE.")));

	copies = pz_plan_copies(queryDesc) || pz_copies_filling();
	for (i = 0; i < pz_frame_nuses(frame) && refusal == NULL; i++)
	{
		refusal = pz_frame_check(frame, i, copies);
		if (refusal && pz_frame_observes(frame, i))
		{
			PzUse	   *use = pz_frame_use(frame, i);

			use->observed = MemoryContextStrdup(use->mcxt, psprintf("observed: %s", refusal->reason));
			refusal = NULL;
		}
	}
	if (refusal)
		refuse(frame, refusal);
	for (i = 0; i < pz_frame_nuses(frame); i++)
	{
		/* nothing is withheld by what a standby knows */
		if (pz_frame_observes(frame, i))
			pz_frame_use(frame, i)->age = 0;
		if (!pz_frame_use(frame, i)->lazily && (!pz_frame_observes(frame, i) || pz_audit_is_writable()))
			pz_audit_begin(pz_frame_use(frame, i));
	}
	pz_frame_open(frame);
	if (copies)
		note_copies(frame, queryDesc);
}

/* Let the statement through at its first run; make its frame the running one. */
static void
pz_ExecutorRun(PZ_EXECUTOR_RUN_ARGS)
{
	PzFrame    *frame = pz_frame_find(queryDesc);
	PzFrame    *outer;
	PzRiState	ri;
	PzWithin	within;
	PzDetail	detail;
	int			i;

	if (frame && !pz_frame_is_open(frame))
		open_frame(frame, queryDesc);
	else if (frame && pz_copies_filling())
		copy_frame(frame, queryDesc);

	detail = pz_detail_enter(queryDesc, frame);
	if (frame == NULL && pz_frame_current() == NULL && pz_ri_is_idle() && pz_detail_is_idle() &&
		!pz_within_is_switched())
	{
		if (prev_ExecutorRun)
			prev_ExecutorRun(PZ_EXECUTOR_RUN_PASS);
		else
			standard_ExecutorRun(PZ_EXECUTOR_RUN_PASS);
		return;
	}

	outer = pz_frame_push(frame);
	ri = pz_ri_enter();
	pz_within_enter(&within);
	PG_TRY();
	{
		if (prev_ExecutorRun)
			prev_ExecutorRun(PZ_EXECUTOR_RUN_PASS);
		else
			standard_ExecutorRun(PZ_EXECUTOR_RUN_PASS);
	}
	PG_FINALLY();
	{
		pz_within_leave(&within);
		pz_detail_leave(detail);
		pz_ri_leave(ri);
		pz_frame_pop(outer);
	}
	PG_END_TRY();

	if (frame)
	{
		bool		completed = count == 0 || queryDesc->estate->es_processed < count;

		pz_frame_run_end(frame, completed);
		for (i = 0; i < pz_frame_nuses(frame); i++)
		{
			PzUse	   *use = pz_frame_use(frame, i);

			if (use->lazily && use->rows_used + use->rows_withheld > 0)
				pz_audit_begin(use);
			pz_audit_run_end(use, completed);
		}
	}
}

/*
 * The frame runs also while triggers and the rest of the CTEs do.  Triggers are
 * not called as part of referential integrity, whoever sent the statement.
 */
static void
pz_ExecutorFinish(QueryDesc *queryDesc)
{
	PzFrame    *frame = pz_frame_find(queryDesc);
	PzDetail	detail = pz_detail_enter(queryDesc, frame);
	PzFrame    *outer = pz_frame_push(frame);
	PzRiState	ri = pz_ri_enter();
	PzWithin	within;
	bool		cleared;

	pz_within_enter(&within);
	cleared = pz_ri_context_clear();
	PG_TRY();
	{
		if (prev_ExecutorFinish)
			prev_ExecutorFinish(queryDesc);
		else
			standard_ExecutorFinish(queryDesc);
	}
	PG_FINALLY();
	{
		pz_within_leave(&within);
		pz_detail_leave(detail);
		pz_ri_leave(ri);
		pz_frame_pop(outer);
	}
	PG_END_TRY();
	pz_ri_context_restore(cleared);
	if (frame && pz_frame_is_open(frame))
	{
		/* what every node counted is shown */
		if (pz_explain_runs())
			pz_frame_note_all(frame);
		else
			pz_frame_finish_end(frame);
	}
	pz_explain_finished(queryDesc);
}

/* Close the records of a frame: of every use whose intent is written. */
static void
close_uses(PzFrame *frame, PzUseStatus status)
{
	int			i;

	for (i = 0; i < pz_frame_nuses(frame); i++)
	{
		PzUse	   *use = pz_frame_use(frame, i);

		if (use->use_no != 0)
			pz_audit_end(use, status);
	}
}

/* Close the records, thaw. */
static void
pz_ExecutorEnd(QueryDesc *queryDesc)
{
	PzFrame    *frame = pz_frame_find(queryDesc);

	if (frame)
	{
		close_uses(frame, PZ_USE_ENDED);
		pz_frame_free(frame);
	}
	if (prev_ExecutorEnd)
		prev_ExecutorEnd(queryDesc);
	else
		standard_ExecutorEnd(queryDesc);

	/* nobody looks into a replaced registry any more */
	if (pz_code_planning(0) == 0 && pz_frame_current() == NULL)
		pz_registry_release();
}

/* A statement that never reaches ExecutorEnd.  Must not raise. */
static void
frame_abandoned(PzFrame *frame)
{
	pz_frame_note_all(frame);
	close_uses(frame, PZ_USE_FAILED);
}

/* A message goes to the log, and perhaps to the client. */
static void
pz_emit_log(ErrorData *edata)
{
	pz_explain_message(edata);
	if (prev_emit_log)
		prev_emit_log(edata);
}

/*
 * End of a transaction: settings go back before commit, abandoned frames and
 * replaced registries go.
 */
static void
pz_xact_callback(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PRE_PREPARE:
			pz_purpose_end_transaction();
			break;
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			pz_frame_end_transaction();
			pz_code_end_transaction();
			pz_ri_end_transaction();
			pz_copies_forget();
			pz_explain_leave(false);
			pz_explain_forget();
			pz_detail_end_transaction();
			pz_hard_command(false);
			pz_registry_release();
			pz_progress_end_transaction();
			break;
		case XACT_EVENT_PARALLEL_COMMIT:
		case XACT_EVENT_PARALLEL_ABORT:
			pz_progress_end_transaction();
			break;
		case XACT_EVENT_PARALLEL_PRE_COMMIT:
			break;
	}
}

/*
 * A savepoint is made or gone back to: an error at the top has emptied the
 * stack that the hiding of details hangs on, and COMMIT may come next.
 */
static void
pz_subxact_callback(SubXactEvent event, SubTransactionId mySubid, SubTransactionId parentSubid, void *arg)
{
	if (event == SUBXACT_EVENT_START_SUB)
		pz_detail_watch();
	else if (event == SUBXACT_EVENT_COMMIT_SUB || event == SUBXACT_EVENT_ABORT_SUB)
		pz_progress_end_subtransaction(event == SUBXACT_EVENT_COMMIT_SUB);
}

/*
 * Install all hooks.  Called once from _PG_init.
 */
void
pz_hooks_install(void)
{
	prev_get_relation_info = get_relation_info_hook;
	get_relation_info_hook = pz_get_relation_info;
	prev_planner = planner_hook;
	planner_hook = pz_planner;
	prev_ExecutorStart = ExecutorStart_hook;
	ExecutorStart_hook = pz_ExecutorStart;
	prev_ExecutorRun = ExecutorRun_hook;
	ExecutorRun_hook = pz_ExecutorRun;
	prev_ExecutorFinish = ExecutorFinish_hook;
	ExecutorFinish_hook = pz_ExecutorFinish;
	prev_ExecutorEnd = ExecutorEnd_hook;
	ExecutorEnd_hook = pz_ExecutorEnd;
	prev_needs_fmgr = needs_fmgr_hook;
	needs_fmgr_hook = pz_needs_fmgr;
	prev_fmgr = fmgr_hook;
	fmgr_hook = pz_fmgr;
	prev_emit_log = emit_log_hook;
	emit_log_hook = pz_emit_log;

	pz_hooks_install_utility();
	pz_explain_option_init();
	pz_frame_init(frame_abandoned);
	pz_refuse_init(pz_audit_refused);
	RegisterXactCallback(pz_xact_callback, NULL);
	RegisterSubXactCallback(pz_subxact_callback, NULL);
}
