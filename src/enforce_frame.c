/*-------------------------------------------------------------------------
 *
 * enforce_frame.c
 *	  What is frozen when a statement starts: purpose, role, clock, consent.
 *
 * One frame for each QueryDesc whose plan reads a protected relation.  Queries
 * nest and portals interleave, so frames are found by QueryDesc; the stack
 * says which of them is running now, and a query without a frame pushes none,
 * so that it cannot borrow the frame of the query that called it.
 *
 * Life: made before standard_ExecutorStart, attached to the executor's memory
 * after it, freed at ExecutorEnd.  Where the executor never ends (errors,
 * closed cursors, killed backends) its memory is reset; the callback then
 * tells hooks.c, which has the audit close the record, and frees the frame.
 * The end of the transaction sweeps what is left.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"

#include "consent.h"
#include "enforce_frame.h"
#include "errors.h"
#include "guc.h"
#include "shmem.h"
#include "standby.h"

/* Lives in the executor's memory; frame is NULL once the frame is gone */
struct AbandonCallback
{
	MemoryContextCallback callback;
	PzFrame    *frame;
};

static dlist_head frames = DLIST_STATIC_INIT(frames);
static PzFrame *current_frame = NULL;	/* running now; NULL: none that may read */
static uint64 last_serial = 0;
static void (*abandoned_hook) (PzFrame *frame) = NULL;

static int32 adopt_purpose = PZ_PURPOSE_NONE;
static char *adopt_query = NULL;
static const char *adopt_text = NULL;	/* of the command that an adopted statement stands for */
static int	adopt_location = -1;
static int	adopt_len = 0;
static int	adopt_planning = 0;		/* planners that were at work then */
static bool adopt_lazily = false;
static bool ledger_unlocked = false;

/*
 * Set what is called when a frame is abandoned: by an error, a closed cursor,
 * the end of the backend.  The callback must not raise and must not palloc.
 */
void
pz_frame_init(void (*abandoned) (PzFrame *frame))
{
	abandoned_hook = abandoned;
}

/*
 * Let the next statement with exactly this text run under a built-in purpose,
 * whatever the session states.  Only functions of ours call it, with a text
 * that nobody can guess; what is nested in that statement does not inherit it.
 * PZ_PURPOSE_NONE takes it back.  lazily: the statement only counts rows of which
 * there should be none, and is put on record if it has found any.
 */
void
pz_enforce_adopt_purpose(int32 purpose_id, const char *query_string, bool lazily)
{
	if (adopt_query)
		pfree(adopt_query);
	adopt_query = query_string ? MemoryContextStrdup(TopMemoryContext, query_string) : NULL;
	adopt_purpose = purpose_id;
	adopt_lazily = lazily;
	adopt_planning = pz_code_planning(0);
}

/*
 * Have the next adopted statement recorded with this text, which outlives it;
 * NULL takes it back.
 */
void
pz_enforce_adopt_text(const char *source, int location, int len)
{
	adopt_text = source;
	adopt_location = location;
	adopt_len = len;
}

/*
 * Is this, which the planner has just been asked to plan, the statement that was
 * adopted to serve rights?  Not what is sent while that is planned, and not the
 * action of a rule.
 */
bool
pz_frame_adopts(const Query *query, const char *query_string)
{
	return adopt_purpose == PZ_PURPOSE_RIGHTS && adopt_query && pz_code_planning(0) == adopt_planning &&
		query->canSetTag && query_string && strcmp(query_string, adopt_query) == 0;
}

/*
 * Allow changes of the ledger and the record of use, for erasure; ends with
 * the transaction at the latest.
 */
void
pz_enforce_unlock_ledger(bool unlock)
{
	ledger_unlocked = unlock;
}

/* May the ledger and the record of use be changed now? */
bool
pz_enforce_ledger_unlocked(void)
{
	return ledger_unlocked;
}

/* Have a use recorded with the text of the command that it stands for, in the frame's memory. */
static void
set_adopted_text(PzUse *use)
{
	use->query_id = 0;
	use->source_text = pstrdup(adopt_text);
	use->stmt_location = adopt_location;
	use->stmt_len = adopt_len;
}

/*
 * Freeze what a statement starts with.  plan_uses as pz_plan_inspect found
 * them, not NIL.  Nothing is refused yet.  Call before standard_ExecutorStart.
 */
PzFrame *
pz_frame_start(QueryDesc *queryDesc, List *plan_uses)
{
	MemoryContext mcxt;
	MemoryContext old;
	PzFrame    *frame;
	ListCell   *lc;
	int			npaths = 0;
	int64		age;
	int			i;

	/* every look into the ledger would say that it uses an index all the same */
	if (IgnoreSystemIndexes)
		ereport(ERROR,
				(errcode(PZ_ERR_STATE),
				 errmsg("cannot read a protected relation while ignore_system_indexes is on"),
				 errhint("Connect without it.")));
	foreach(lc, plan_uses)
		npaths += list_length(((PzPlanUse *) lfirst(lc))->paths);

	/* of the caller's memory until nothing can fail any more */
	mcxt = AllocSetContextCreate(CurrentMemoryContext, "personalize statement", ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(mcxt);
	frame = palloc0(sizeof(PzFrame));
	frame->mcxt = mcxt;
	frame->queryDesc = queryDesc;
	/*
	 * Not the action of a rule: it has the same text, but an owner wrote it.
	 * Nor what is sent while the statement itself is planned, by functions of
	 * owners that the planner calls.
	 */
	frame->adopted = adopt_purpose != PZ_PURPOSE_NONE && adopt_query &&
		pz_code_planning(0) == adopt_planning &&
		queryDesc->plannedstmt->canSetTag && queryDesc->sourceText && strcmp(queryDesc->sourceText, adopt_query) == 0;

	frame->running.serial = ++last_serial;
	frame->running.clock = pz_clock_now();
	frame->running.scratch = AllocSetContextCreate(mcxt, "personalize decision", ALLOCSET_DEFAULT_SIZES);
	frame->running.mcxt = mcxt;
	frame->running.looks_again = queryDesc->plannedstmt->commandType != CMD_SELECT ||
		queryDesc->plannedstmt->rowMarks != NIL || queryDesc->plannedstmt->hasModifyingCTE;
	frame->running.checks = palloc0(sizeof(PzCheck *) * npaths);
	frame->uses = palloc0(sizeof(FrameUse) * list_length(plan_uses));

	foreach(lc, plan_uses)
	{
		PzPlanUse  *plan_use = lfirst(lc);
		FrameUse   *fu = &frame->uses[frame->nuses++];

		fu->purpose = pz_frame_purpose(frame, plan_use, frame->adopted ? pz_registry_purpose(adopt_purpose) : NULL);
		pz_frame_freeze_use(fu, plan_use, frame);
		fu->use->lazily = frame->adopted && adopt_lazily && !fu->observed;
		if (frame->adopted && adopt_text)
			set_adopted_text(fu->use);
		pz_frame_make_checks(frame, fu, plan_use, !fu->observed ||
					pz_frame_check(frame, frame->nuses - 1, pz_plan_copies(queryDesc)) == NULL);
	}
	if (frame->adopted)
		pz_enforce_adopt_purpose(PZ_PURPOSE_NONE, NULL, false);
	MemoryContextSwitchTo(old);

	/* the consent snapshot is taken before parallel mode is entered */
	frame->owner = CurrentResourceOwner;
	/* on a standby: how old it may be, reckoned before it is taken */
	age = pz_standby_age();
	for (i = 0; i < frame->nuses; i++)
		frame->uses[i].use->age = age;
	frame->running.snapshot = RegisterSnapshotOnOwner(pz_consent_snapshot(), frame->owner);
	/* after the snapshot: see consent_set.c, S6 */
	frame->running.clock = pz_clock_now();
	pz_consent_learn(frame->running.snapshot);
	for (i = 0; i < frame->running.nchecks; i++)
		pz_check_open(frame->running.checks[i], &frame->running);
	MemoryContextSetParent(mcxt, TopMemoryContext);
	dlist_push_head(&frames, &frame->node);
	return frame;
}

/* The executor's memory goes while the frame is still there. */
static void
executor_memory_reset(void *arg)
{
	AbandonCallback *abandon = arg;

	if (abandon->frame)
	{
		PzFrame    *frame = abandon->frame;

		if (abandoned_hook)
			abandoned_hook(frame);
		frame->running.snapshot = NULL; /* its resource owner has released it */
		pz_frame_free(frame);
	}
}

/*
 * Tie a frame to the executor's memory and let scans note what they pass on.
 * Call after standard_ExecutorStart.
 */
void
pz_frame_attach(PzFrame *frame, QueryDesc *queryDesc)
{
	AbandonCallback *abandon = MemoryContextAlloc(queryDesc->estate->es_query_cxt, sizeof(AbandonCallback));

	abandon->frame = frame;
	abandon->callback.func = executor_memory_reset;
	abandon->callback.arg = abandon;
	MemoryContextRegisterResetCallback(queryDesc->estate->es_query_cxt, &abandon->callback);
	frame->abandon = abandon;
	/* below what reads its rows */
	pz_scan_install(queryDesc, &frame->running);
	if (frame->running.tapped)
		pz_tap_install(queryDesc, &frame->running);
	else
		pz_capture_install(queryDesc, &frame->running);
}

/*
 * Frame of a QueryDesc; NULL if its plan reads nothing protected.
 */
PzFrame *
pz_frame_find(QueryDesc *queryDesc)
{
	dlist_iter	iter;

	dlist_foreach(iter, &frames)
	{
		PzFrame    *frame = dlist_container(PzFrame, node, iter.cur);

		if (frame->queryDesc == queryDesc)
			return frame;
	}
	return NULL;
}

/* The running frame; NULL: the running query has none, or no query runs. */
PzFrame *
pz_frame_current(void)
{
	return current_frame;
}

/*
 * Make a frame (or none) the running one; returns the one before, for
 * pz_frame_pop.
 */
PzFrame *
pz_frame_push(PzFrame *frame)
{
	PzFrame    *previous = current_frame;

	current_frame = frame;
	return previous;
}

/* Go back to the frame that ran before. */
void
pz_frame_pop(PzFrame *previous)
{
	current_frame = previous;
}

/*
 * What row_ok may use: the running statement's frozen state, once it has been
 * let through; NULL otherwise.
 */
PzRunning *
pz_frame_running(void)
{
	return current_frame && current_frame->open ? &current_frame->running : NULL;
}

/*
 * May use i of this statement go ahead?  NULL if so; else why not, in the
 * current memory context.  Asked at its first ExecutorRun, when it is known
 * where a portal sends its rows: copies says that it is to an unprotected
 * relation.
 */
const PzRefusal *
pz_frame_check(PzFrame *frame, int i, bool copies)
{
	FrameUse   *fu = &frame->uses[i];
	PzUse	   *use = fu->use;
	bool		may_copy = false;
	const PzRefusal *refused;

	if (frame->adopted)
		return NULL;
	refused = pz_purpose_refusal(use->purpose_name, fu->purpose->known ? &fu->purpose->purpose : NULL,
								 use->role, use->relation_name, &may_copy);
	/* what a purpose sees would not tell whether the foreign key holds */
	if (pz_enforce_checks_beside(use->source_text) && (refused || !fu->purpose->purpose.builtin))
		return pz_purpose_refuse("foreign key",
								 psprintf("cannot check a foreign key on or to protected relation %s together with other changes", use->relation_name),
								 "Add or validate it by an ALTER TABLE that does nothing else: that looks at all rows.");
	if (refused == NULL)
	{
		Oid			owner = pz_within_without(fu->purpose->purpose.purpose_id, copies);

		if (OidIsValid(owner))
			refused = pz_purpose_refuse("purpose not granted to owner",
										psprintf("role \"%s\", whose code runs within the command, may not %s personal data for purpose \"%s\"",
												 GetUserNameFromId(owner, true), copies ? "copy" : "use", use->purpose_name),
										"Code of an owner that PostgreSQL calls by itself may do what both the owner and who gives the command may.");
	}
	if (refused)
		return refused;
	if (fu->refused_columns)
		return pz_purpose_refuse("column not allowed", linitial(fu->refused_columns),
								 "Leave the column out, or ask a privacy officer: personalize.classify() says what a column holds, "
								 "personalize.define_purpose() what a purpose needs.");
	if (copies && !may_copy)
		return pz_purpose_refuse("copy not allowed",
								 psprintf("role \"%s\" may not copy protected relation %s out of the reach of its consent for purpose \"%s\"",
										  use->role_name ? use->role_name : "", use->relation_name, use->purpose_name),
								 "A copy is out of reach of consent and erasure. Ask a privacy officer: "
								 "SELECT personalize.grant_purpose('<purpose>', '<role>', may_copy => true).");
	return NULL;
}

/* Is the relation of use i only observed, so that nothing is refused? */
bool
pz_frame_observes(const PzFrame *frame, int i)
{
	return frame->uses[i].observed;
}

/* Has the statement been let through? */
bool
pz_frame_is_open(const PzFrame *frame)
{
	return frame->open;
}

/* Let the statement through; its intent is on record. */
void
pz_frame_open(PzFrame *frame)
{
	frame->open = true;
}

/* Number of uses of a frame; at least one. */
int
pz_frame_nuses(const PzFrame *frame)
{
	return frame->nuses;
}

/* One of the uses of a frame. */
PzUse *
pz_frame_use(const PzFrame *frame, int i)
{
	return frame->uses[i].use;
}

/*
 * A run of the statement has ended.  completed: there are no rows left.  What
 * was noted on the way to rows is exact only then, and only if there was memory
 * for every group.
 */
void
pz_frame_run_end(PzFrame *frame, bool completed)
{
	int			i;

	frame->running.inside = 0;
	for (i = 0; i < frame->nuses; i++)
	{
		FrameUse   *fu = &frame->uses[i];

		if (fu->use->precision == PZ_SUPERSET)
			continue;
		if (fu->to_the_end)
			fu->use->precision = completed ? PZ_EXACT : PZ_BOUNDED;
	}
	pz_frame_finish_end(frame);
}

/*
 * Rows were read until now: where there was no room for all groups, it is not
 * known of which relations those were.
 */
void
pz_frame_finish_end(PzFrame *frame)
{
	int			i;

	for (i = 0; i < frame->nuses && frame->running.groups_full; i++)
		if (frame->uses[i].use->precision == PZ_EXACT)
			frame->uses[i].use->precision = PZ_BOUNDED;
}

/*
 * A statement failed: what it computed on the way may have told the client of
 * any row that consent let through, by the text of the error for one.  Note
 * all of them.  Does not raise or allocate.
 */
void
pz_frame_note_all(PzFrame *frame)
{
	int			i;

	for (i = 0; i < frame->running.nchecks; i++)
		pz_check_note_all(frame->running.checks[i]);
	for (i = 0; i < frame->nuses; i++)
		frame->uses[i].use->precision = PZ_SUPERSET;
}

/*
 * Something was told to the client while the running statement computes, which
 * may be of a row that no scan passes on: whoever was let through is noted,
 * and whoever will be.  Does not raise or allocate.
 */
void
pz_frame_note_rows(void)
{
	int			i;

	if (current_frame == NULL || current_frame->running.told)
		return;
	for (i = 0; i < current_frame->running.nchecks; i++)
		pz_check_note_rows(current_frame->running.checks[i]);
	current_frame->running.told = true;
	if (current_frame->running.tapped)
		pz_frame_note_all(current_frame);
}

/*
 * Free a frame.  Does not raise.
 */
void
pz_frame_free(PzFrame *frame)
{
	if (current_frame == frame)
		current_frame = NULL;
	if (frame->abandon)
		frame->abandon->frame = NULL;
	if (frame->running.snapshot)
		UnregisterSnapshotFromOwner(frame->running.snapshot, frame->owner);
	dlist_delete(&frame->node);
	MemoryContextDelete(frame->mcxt);
}

/*
 * End of a transaction: whatever frames are left were abandoned.
 * Does not raise.
 */
void
pz_frame_end_transaction(void)
{
	while (!dlist_is_empty(&frames))
	{
		PzFrame    *frame = dlist_head_element(PzFrame, node, &frames);

		if (abandoned_hook)
			abandoned_hook(frame);
		frame->running.snapshot = NULL;
		pz_frame_free(frame);
	}
	current_frame = NULL;
	ledger_unlocked = false;
	pz_within_end_transaction();
	pz_enforce_adopt_text(NULL, -1, 0);
	pz_enforce_adopt_purpose(PZ_PURPOSE_NONE, NULL, false);
}
