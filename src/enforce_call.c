/*-------------------------------------------------------------------------
 *
 * enforce_call.c
 *	  The functions of the filter as SQL sees them.
 *
 * row_ok, cell_ok, write_ok and keep_subject are placed by the planner hook
 * and take a mark that only it can make; policy_ok, net_ok and for_purpose
 * stand in policies and views, from where it takes them away.  Whoever calls
 * one of them otherwise is refused, so nobody can ask them about a person.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"

#include "enforce.h"
#include "enforce_mark.h"
#include "errors.h"
#include "registry.h"
#include "shmem.h"

/* What a call keeps from one row to the next */
typedef struct CallState
{
	uint64		serial;			/* of the frame the check belongs to */
	PzCheck    *check;
	int			place;			/* of the mark's category in the purpose's list, -1: not there */
	bool		tapped;			/* taps note the subject */
} CallState;

/* A call that the planner hook did not place: ERROR 42501. */
void
pz_call_refuse_direct(void)
{
	ereport(ERROR,
			(errcode(PZ_ERR_REFUSED),
			 errmsg("functions of the row filter cannot be called directly"),
			 errhint("Ask personalize.permitted() or personalize.decide(), which need the duty 'app'.")));
}

/*
 * The check that this call means in the running statement.  NULL for a row
 * that is not there, of a relation that the statement does not read after all
 * (the nullable side of an outer join that cannot match): nothing is permitted.
 * ERROR 42501 for a call that the planner hook did not place, 55000 where
 * nothing has been frozen for the statement.
 */
static CallState *
begin_check(FunctionCallInfo fcinfo, PzRunning **running)
{
	CallState  *state = fcinfo->flinfo->fn_extra;
	PzRunning  *now;

	pz_require_preloaded();
	if (PG_ARGISNULL(0))
		pz_call_refuse_direct();
	now = *running = pz_frame_running();
	if (now && !(state && state->serial == now->serial))
	{
		const PzMark *mark = (const PzMark *) PG_GETARG_POINTER(0);
		PzCheck    *check = pz_check_find(now, mark->path_id, mark->purpose_id);

		if (check)
		{
			if (state == NULL)
				state = fcinfo->flinfo->fn_extra = MemoryContextAlloc(fcinfo->flinfo->fn_mcxt, sizeof(CallState));
			state->serial = now->serial;
			state->check = check;
			state->place = pz_check_place(check, mark->category_id);
			state->tapped = pz_noting_is_tapped(mark->noting) && now->tapped;
		}
	}
	if (now && state && state->serial == now->serial)
		return state;
	if (!PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(PZ_ERR_STATE),
				 errmsg("the row filter was called outside the statement it was made for"),
				 errhint("Run the statement again; if it happens again, report how it was sent.")));
	return NULL;
}

/* Does the subject of this call permit the use of a cell of its category? */
static bool
cell_ok(FunctionCallInfo fcinfo)
{
	PzRunning  *running;
	CallState  *state = begin_check(fcinfo, &running);

	return state && pz_check_cell(state->check, running, state->place, PG_GETARG_DATUM(1), PG_ARGISNULL(1));
}

/*
 * row_ok(mark, subject): may the row of this subject be used by the running
 * statement?
 */
PG_FUNCTION_INFO_V1(personalize_row_ok);
Datum
personalize_row_ok(PG_FUNCTION_ARGS)
{
	PzRunning  *running;
	CallState  *state = begin_check(fcinfo, &running);
	bool		untapped = state && state->tapped && running->inside == 0;

	/* no tap reads what this row goes into: it may come to nothing */
	if (untapped)
		pz_check_widen(state->check);
	PG_RETURN_BOOL(state && pz_check_row(state->check, running, PG_GETARG_DATUM(1), PG_ARGISNULL(1), INT8OID,
										 !state->tapped || untapped || running->told));
}

/*
 * cell_ok(mark, subject): may cells of the mark's category of this row be used?
 */
PG_FUNCTION_INFO_V1(personalize_cell_ok);
Datum
personalize_cell_ok(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(cell_ok(fcinfo));
}

/*
 * write_ok(mark, subject): true, or ERROR 42501 for a cell that the purpose
 * does not show: whoever writes it back has not read it.
 */
PG_FUNCTION_INFO_V1(personalize_write_ok);
Datum
personalize_write_ok(PG_FUNCTION_ARGS)
{
	if (!cell_ok(fcinfo))
		ereport(ERROR,
				(errcode(PZ_ERR_REFUSED),
				 errmsg("cannot write to a cell that is masked for this purpose"),
				 errhint("Leave the column out of the statement for rows in which it is masked; "
						 "an ORM should write only columns that were changed.")));
	PG_RETURN_BOOL(true);
}

/*
 * for_purpose stands in the WHERE of purpose views; the planner hook takes it
 * away.  Anywhere else it would bind nothing: ERROR 42501.
 */
PG_FUNCTION_INFO_V1(personalize_for_purpose);
Datum
personalize_for_purpose(PG_FUNCTION_ARGS)
{
	pz_require_preloaded();
	ereport(ERROR,
			(errcode(PZ_ERR_REFUSED),
			 errmsg("personalize.for_purpose() binds nothing here"),
			 errhint("It belongs into the WHERE of a view, by itself or joined by AND: see personalize.create_view().")));
	PG_RETURN_BOOL(false);
}

/*
 * policy_ok and net_ok stand in the policies that protect() made.  The planner
 * hook replaces every call; one that is still there got past it.
 */
PG_FUNCTION_INFO_V1(personalize_policy_ok);
Datum
personalize_policy_ok(PG_FUNCTION_ARGS)
{
	pz_require_preloaded();
	pz_call_refuse_direct();
	PG_RETURN_BOOL(false);
}

/*
 * plan_mark cannot be written in SQL: ERROR 42501.
 */
PG_FUNCTION_INFO_V1(personalize_plan_mark_in);
Datum
personalize_plan_mark_in(PG_FUNCTION_ARGS)
{
	ereport(ERROR,
			(errcode(PZ_ERR_REFUSED),
			 errmsg("cannot accept a value of type %s", "personalize.plan_mark"),
			 errhint("Only the row filter itself makes values of this type.")));
	PG_RETURN_NULL();
}

/*
 * A plan_mark as EXPLAIN shows it: the protected relation it stands for, with
 * the category of a cell check and the purpose of a purpose view.
 */
PG_FUNCTION_INFO_V1(personalize_plan_mark_out);
Datum
personalize_plan_mark_out(PG_FUNCTION_ARGS)
{
	const PzMark *mark = (const PzMark *) PG_GETARG_POINTER(0);
	const PzRelation *rel = NULL;
	const PzPurpose *purpose = NULL;
	const PzCategory *category = NULL;
	PzPath		path;
	StringInfoData text;

	if (pz_preloaded && pz_registry_path(mark->path_id, &path))
		rel = pz_registry_relation(path.relid);
	if (rel && mark->purpose_id != PZ_PURPOSE_NONE)
		purpose = pz_registry_purpose(mark->purpose_id);
	if (rel && mark->category_id != PZ_CATEGORY_ROW)
		category = pz_registry_category(mark->category_id);
	initStringInfo(&text);
	appendStringInfoString(&text, rel ? rel->name : "?");
	if (category)
		appendStringInfo(&text, ", %s", quote_identifier(category->name));
	if (purpose)
		appendStringInfo(&text, ", for %s", quote_identifier(purpose->name));
	PG_RETURN_CSTRING(text.data);
}
