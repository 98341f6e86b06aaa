/*-------------------------------------------------------------------------
 *
 * enforce_explain_option.c
 *	  EXPLAIN (PERSONALIZE), from PostgreSQL 18 on: which protected relations a
 *	  plan reads, for what purpose, whether the caller may, and how exactly the
 *	  record will say whose data it was.
 *
 * Says nothing about people, nor what depends on them: only what the registry
 * and the plan have.  On earlier versions the row checks in the plan tell the
 * relation and its subjects.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "compat.h"
#include "enforce.h"
#include "enforce_mark.h"
#include "guc.h"
#include "purpose.h"
#include "registry.h"

#ifdef PZ_EXPLAIN_OPTIONS

#include "commands/defrem.h"
#include "commands/explain.h"
#include "commands/explain_format.h"
#include "commands/explain_state.h"

static explain_per_plan_hook_type prev_per_plan = NULL;
static int	option_id = -1;

/* What the option is: its address says that it was given as true. */
static char wanted;

/*
 * EXPLAIN (PERSONALIZE [boolean]).
 */
static void
option_given(ExplainState *es, DefElem *opt, ParseState *pstate)
{
	SetExplainExtensionState(es, option_id, defGetBoolean(opt) ? &wanted : NULL);
}

/* How the record says whose data it was. */
static const char *
recorded(const PzPlanUse *use)
{
	switch ((PzNoting) use->noting)
	{
		case PZ_NOTE_CHECK:
			return "superset";
		case PZ_NOTE_BOUNDED:
			return "bounded";
		case PZ_NOTE_SCAN:
		case PZ_NOTE_ASIDE:
			return "exact, if it runs to its end";
		case PZ_NOTE_TOP:
			break;
	}
	return "exact";
}

/* The columns of a relation that the query names, as a list of texts. */
static List *
named_columns(const PzPlanUse *use)
{
	List	   *names = NIL;
	int			i;

	for (i = 0; i < use->rel->ncolumns; i++)
	{
		if (use->rel->columns[i].name != NULL &&
			(use->whole_row || bms_is_member(i + 1 - FirstLowInvalidHeapAttributeNumber, use->columns)))
			names = lappend(names, (char *) quote_identifier(use->rel->columns[i].name));
	}
	return names;
}

/*
 * Print one relation that the plan uses.
 */
static void
print_use(const PzPlanUse *use, ExplainState *es)
{
	const PzPurpose *purpose = use->purpose_id != PZ_PURPOSE_NONE ? pz_registry_purpose(use->purpose_id) :
		pz_purpose[0] != '\0' ? pz_registry_purpose_by_name(pz_purpose) : NULL;
	const char *name = purpose ? purpose->name : pz_purpose;
	const PzRefusal *refused;
	List	   *masked = NIL;
	ListCell   *lc;
	bool		may_copy = false;

	ExplainOpenGroup("Personalize", NULL, true, es);
	if (es->format == EXPLAIN_FORMAT_TEXT)
	{
		ExplainIndentText(es);
		appendStringInfo(es->str, "Personalize: %s\n", use->rel->name);
		es->indent++;
	}
	else
		ExplainPropertyText("Relation", use->rel->name, es);
	ExplainPropertyText("Purpose", name[0] != '\0' ? name : "none stated", es);
	refused = pz_purpose_refusal(name, purpose, GetOuterUserId(), use->rel->name, &may_copy);
	ExplainPropertyText("Permission", use->rel->observed ? "observed only" : refused ? refused->message : "granted", es);
	if (refused != NULL && refused->hint != NULL && !use->rel->observed)
		ExplainPropertyText("Hint", refused->hint, es);
	ExplainPropertyList("Columns", named_columns(use), es);
	foreach(lc, use->masked)
	{
		const PzCategory *category = pz_registry_category(lfirst_int(lc));

		masked = lappend(masked, category ? unconstify(char *, category->name) : "?");
	}
	if (masked != NIL)
		ExplainPropertyList("Masked Categories", masked, es);
	ExplainPropertyInteger("Row Checks", NULL, list_length(use->paths), es);
	ExplainPropertyText("Recorded Subjects", es->analyze ? "superset" : recorded(use), es);
	if (es->format == EXPLAIN_FORMAT_TEXT)
		es->indent--;
	ExplainCloseGroup("Personalize", NULL, true, es);
}

/*
 * After the plan, where the option was given.
 */
static void
per_plan(PlannedStmt *plannedstmt, IntoClause *into, ExplainState *es, const char *queryString,
		 ParamListInfo params, QueryEnvironment *queryEnv)
{
	if (prev_per_plan)
		prev_per_plan(plannedstmt, into, es, queryString, params, queryEnv);
	if (GetExplainExtensionState(es, option_id) != &wanted)
		return;
	ExplainOpenGroup("Personalize", "Personalize", false, es);
	if (OidIsValid(MyDatabaseId) && pz_registry_active())
	{
		ListCell   *lc;

		foreach(lc, pz_plan_inspect(plannedstmt, false))
			print_use(lfirst(lc), es);
	}
	ExplainCloseGroup("Personalize", "Personalize", false, es);
}

/*
 * Make the option known.  Called once from _PG_init.
 */
void
pz_explain_option_init(void)
{
	option_id = GetExplainExtensionId("personalize");
	RegisterExtensionExplainOption("personalize", option_given);
	prev_per_plan = explain_per_plan_hook;
	explain_per_plan_hook = per_plan;
}

#else							/* PZ_EXPLAIN_OPTIONS */

/* EXPLAIN has no options of modules: nothing to do. */
void
pz_explain_option_init(void)
{
}

#endif							/* PZ_EXPLAIN_OPTIONS */
