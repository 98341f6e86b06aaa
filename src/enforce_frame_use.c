/*-------------------------------------------------------------------------
 *
 * enforce_frame_use.c
 *	  What a frame holds of each use: for which purpose, of which columns, by
 *	  whom, and the checks of its subjects.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "enforce_frame.h"
#include "errors.h"
#include "guc.h"

/* Append a name to a comma-separated list, once. */
static void
append_name(StringInfo list, const char *name)
{
	if (list->len > 0)
		appendStringInfoString(list, ", ");
	appendStringInfoString(list, pz_registry_quote(NULL, name));
}

/* Is an id among those of an array? */
static bool
has_id(const int32 *ids, int n, int32 id)
{
	int			i;

	for (i = 0; i < n; i++)
		if (ids[i] == id)
			return true;
	return false;
}

/* Refuse a use, when it runs, for one of its columns. */
static void
refuse_column(FrameUse *fu, char *message)
{
	fu->refused_columns = lappend(fu->refused_columns, message);
}

/*
 * What a column means for the use: refused, or shown unmasked.
 */
static void
judge_column(FrameUse *fu, const PzPlanUse *plan_use, const PzColumn *col, const PzCategory *category)
{
	const PzPurpose *purpose = &fu->purpose->purpose;
	int			i;

	if (!fu->purpose->known || purpose->builtin ||
		(category && category->category_id == PZ_CATEGORY_NONE))
		return;
	if (category == NULL)
	{
		refuse_column(fu, psprintf("column \"%s\" of protected relation %s is not classified, so purpose \"%s\" cannot use it",
								   col->name, plan_use->rel->name, purpose->name));
		return;
	}
	for (i = 0; i < purpose->ncategories; i++)
	{
		if (purpose->categories[i] != category->category_id)
			continue;
		if (!list_member_int(plan_use->masked, category->category_id))
			fu->bare |= UINT64CONST(1) << i;
		return;
	}
	refuse_column(fu, psprintf("column \"%s\" of protected relation %s holds category \"%s\", which purpose \"%s\" does not list",
							   col->name, plan_use->rel->name, category->name, purpose->name));
}

/*
 * Write down the columns and categories a use names, and what of it the
 * purpose does not list.
 */
static void
describe_columns(FrameUse *fu, const PzPlanUse *plan_use)
{
	PzUse	   *use = fu->use;
	const PzRelation *rel = plan_use->rel;
	StringInfoData columns;
	StringInfoData categories;
	int32	   *seen = palloc(sizeof(int32) * Max(rel->ncolumns, 1));
	int			nseen = 0;
	int			i;

	initStringInfo(&columns);
	initStringInfo(&categories);
	for (i = 0; i < rel->ncolumns; i++)
	{
		const PzColumn *col = &rel->columns[i];
		const PzCategory *category;

		if (col->name == NULL ||
			!(plan_use->whole_row || bms_is_member(i + 1 - FirstLowInvalidHeapAttributeNumber, plan_use->columns)))
			continue;
		append_name(&columns, col->name);
		category = col->category_id == -1 ? NULL : pz_registry_category(col->category_id);
		if (category && category->category_id != PZ_CATEGORY_NONE && !has_id(seen, nseen, category->category_id))
		{
			append_name(&categories, category->name);
			seen[nseen++] = category->category_id;
		}
		if (!pz_registry_leads_to_subject(rel, i + 1))
			judge_column(fu, plan_use, col, category);
	}
	if (plan_use->unmapped && fu->purpose->known && !fu->purpose->purpose.builtin)
		refuse_column(fu, psprintf("a column that only a child of protected relation %s has is not classified, so purpose \"%s\" cannot use it",
								   rel->name, fu->purpose->name));
	use->columns = columns.data;
	use->categories = categories.data;
	pfree(seen);
}

/* A copy of n numbers, never NULL; where there are none the original may be. */
static int32 *
copy_ids(const int32 *ids, int n)
{
	int32	   *copy = palloc(sizeof(int32) * Max(n, 1));

	if (n > 0)
		memcpy(copy, ids, sizeof(int32) * n);
	return copy;
}

/*
 * The frame's copy of a purpose, in the frame's memory, which is current.
 * bound as in the marks; purpose is NULL where there is none of that name.
 */
static FramePurpose *
freeze_purpose(PzFrame *frame, int32 bound, const PzPurpose *purpose, const char *name)
{
	FramePurpose *fp;
	ListCell   *lc;

	foreach(lc, frame->purposes)
	{
		fp = lfirst(lc);
		if (fp->bound == bound)
			return fp;
	}
	fp = palloc0(sizeof(FramePurpose));
	fp->bound = bound;
	fp->name = pstrdup(name);
	frame->purposes = lappend(frame->purposes, fp);
	if (purpose == NULL)
		return fp;
	fp->known = true;
	fp->purpose = *purpose;
	fp->purpose.name = pstrdup(purpose->name);
	fp->purpose.basis_name = pstrdup(purpose->basis_name);
	fp->purpose.categories = copy_ids(purpose->categories, purpose->ncategories);
	fp->purpose.parents = copy_ids(purpose->parents, purpose->nparents);
	return fp;
}

/* A setting, or NULL where it is empty. */
static const char *
setting_or_null(const char *value)
{
	return value && value[0] ? pstrdup(value) : NULL;
}

/*
 * Fill in who it is that uses something, in the current memory context.
 */
void
pz_frame_fill_who(PzUse *use)
{
	use->role = GetOuterUserId();
	use->session_role = GetSessionUserId();
	use->role_name = GetUserNameFromId(use->role, true);
	use->session_role_name = GetUserNameFromId(use->session_role, true);
	use->app_user = setting_or_null(pz_app_user);
	use->context = setting_or_null(pz_context);
}

/*
 * Fill in one use, in the frame's memory, which is current.
 */
void
pz_frame_freeze_use(FrameUse *fu, const PzPlanUse *plan_use, PzFrame *frame)
{
	PlannedStmt *pstmt = frame->queryDesc->plannedstmt;
	const char *text = frame->queryDesc->sourceText;
	PzUse	   *use = palloc0(sizeof(PzUse));

	fu->use = use;
	fu->observed = plan_use->rel->observed;
	use->mcxt = frame->mcxt;
	use->started_at = frame->running.clock;
	pz_frame_fill_who(use);
	use->purpose_id = fu->purpose->known ? fu->purpose->purpose.purpose_id : PZ_PURPOSE_NONE;
	use->purpose_name = fu->purpose->name;
	use->legal_basis = fu->purpose->known ? fu->purpose->purpose.basis_name : "";
	use->relid = plan_use->rel->relid;
	use->relation_name = pstrdup(plan_use->rel->name);
	use->query_id = pstmt->queryId;
	use->source_text = text ? pstrdup(text) : NULL;
	use->stmt_location = pstmt->stmt_location;
	use->stmt_len = pstmt->stmt_len;
	use->precision = plan_use->noting == PZ_NOTE_CHECK ? PZ_SUPERSET :
		plan_use->noting == PZ_NOTE_BOUNDED ? PZ_BOUNDED : PZ_EXACT;
	fu->to_the_end = plan_use->noting == PZ_NOTE_ASIDE || plan_use->noting == PZ_NOTE_SCAN;
	frame->running.tapped = frame->running.tapped || plan_use->tapped;
	describe_columns(fu, plan_use);
}

/*
 * Make the checks of a use, in the frame's memory.
 */
void
pz_frame_make_checks(PzFrame *frame, const FrameUse *fu, const PzPlanUse *plan_use, bool may_use)
{
	const PzRelation *rel = plan_use->rel;
	PzCheckSpec spec = {0};
	ListCell   *lc;
	int			i;

	spec.bound_purpose = plan_use->purpose_id;
	spec.purpose = may_use ? &fu->purpose->purpose : NULL;
	spec.bare = fu->bare;
	spec.null_visible = rel->null_visible;
	spec.counts_rows = true;
	spec.observed = fu->observed;
	spec.use = fu->use;
	foreach(lc, plan_use->paths)
	{
		for (i = 0; i < rel->npaths; i++)
		{
			if (rel->paths[i].path_id != lfirst_int(lc))
				continue;
			spec.path = &rel->paths[i];
			frame->running.checks[frame->running.nchecks++] = pz_check_create(frame->mcxt, &spec);
			spec.counts_rows = false;
		}
	}
}

/*
 * The purpose that a use is for; adopted: which the frame runs under, if it is
 * adopted.
 */
FramePurpose *
pz_frame_purpose(PzFrame *frame, const PzPlanUse *plan_use, const PzPurpose *adopted)
{
	const PzPurpose *purpose;
	const char *name = pz_purpose ? pz_purpose : "";

	if (frame->adopted)
	{
		purpose = adopted;
		name = purpose ? purpose->name : "";
	}
	else if (plan_use->purpose_id != PZ_PURPOSE_NONE)
	{
		purpose = pz_registry_purpose(plan_use->purpose_id);
		name = purpose ? purpose->name : "";
	}
	else
		purpose = name[0] ? pz_registry_purpose_by_name(name) : NULL;
	return freeze_purpose(frame, plan_use->purpose_id, purpose, name);
}
