/*-------------------------------------------------------------------------
 *
 * bent.c
 *	  A planner for tests, as a careless module might be one: what it makes of
 *	  a plan must never be run.
 *
 * bent.way (superuser) says what it does:
 *
 * none			nothing
 * quals		scans lose their conditions
 * key			a condition that calls a function looks at a constant, not at the row
 * conflict		INSERT loses the conditions of ON CONFLICT
 * pushed		a join becomes one node that reads all of its relations
 * keep			nothing, but the plan is kept
 * replay		the plan that was kept takes the place of any other
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/plannodes.h"
#include "optimizer/planner.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

PG_MODULE_MAGIC;

typedef enum Way
{
	WAY_NONE,
	WAY_QUALS,
	WAY_KEY,
	WAY_CONFLICT,
	WAY_PUSHED,
	WAY_KEEP,
	WAY_REPLAY
} Way;

static const struct config_enum_entry ways[] = {
	{"none", WAY_NONE, false},
	{"quals", WAY_QUALS, false},
	{"key", WAY_KEY, false},
	{"conflict", WAY_CONFLICT, false},
	{"pushed", WAY_PUSHED, false},
	{"keep", WAY_KEEP, false},
	{"replay", WAY_REPLAY, false},
	{NULL, 0, false}
};
static int	way = WAY_NONE;
static PlannedStmt *kept = NULL;
static planner_hook_type prev_planner = NULL;

void		_PG_init(void);

static void bend(Plan **at);

/* Do it to every plan of a list. */
static void
bend_list(List *plans)
{
	ListCell   *lc;

	foreach(lc, plans)
		bend((Plan **) &lfirst(lc));
}

/*
 * Give calls among the conditions a constant in place of the key, their second
 * argument: 10, somebody who consented.
 */
static void
bend_keys(List *quals)
{
	ListCell   *lc;

	foreach(lc, quals)
	{
		FuncExpr   *call = lfirst(lc);

		if (IsA(call, FuncExpr) && list_length(call->args) == 2)
			lsecond(call->args) = makeConst(exprType(lsecond(call->args)), -1, InvalidOid, 8, Int64GetDatum(10), false, true);
	}
}

/* One node that reads what a join reads, with no place for a condition. */
static Plan *
push_down(Plan *join)
{
	ForeignScan *scan = makeNode(ForeignScan);
	int			i;

	scan->scan.plan = *join;
	scan->scan.plan.type = T_ForeignScan;
	scan->scan.plan.lefttree = NULL;
	scan->scan.plan.righttree = NULL;
	for (i = 1; i <= 2; i++)
		scan->fs_relids = bms_add_member(scan->fs_relids, i);
	return (Plan *) scan;
}

/* Damage a plan and what is below it. */
static void
bend(Plan **at)
{
	Plan	   *plan = *at;

	if (plan == NULL)
		return;
	switch (nodeTag(plan))
	{
		case T_SeqScan:
		case T_SampleScan:
		case T_IndexScan:
		case T_IndexOnlyScan:
		case T_BitmapHeapScan:
		case T_TidScan:
		case T_TidRangeScan:
			if (way == WAY_QUALS)
				plan->qual = NIL;
			else if (way == WAY_KEY)
				bend_keys(plan->qual);
			break;
		case T_NestLoop:
		case T_MergeJoin:
		case T_HashJoin:
			if (way == WAY_PUSHED)
			{
				*at = push_down(plan);
				return;
			}
			break;
		case T_ModifyTable:
			if (way == WAY_CONFLICT)
				((ModifyTable *) plan)->withCheckOptionLists = NIL;
			break;
		case T_Append:
			bend_list(((Append *) plan)->appendplans);
			break;
		case T_MergeAppend:
			bend_list(((MergeAppend *) plan)->mergeplans);
			break;
		case T_SubqueryScan:
			bend(&((SubqueryScan *) plan)->subplan);
			break;
		default:
			break;
	}
	bend(&plan->lefttree);
	bend(&plan->righttree);
}

/* The hook. */
static PlannedStmt *
bent_planner(Query *parse, const char *query_string, int cursorOptions, ParamListInfo boundParams)
{
	PlannedStmt *result;

	if (prev_planner)
		result = prev_planner(parse, query_string, cursorOptions, boundParams);
	else
		result = standard_planner(parse, query_string, cursorOptions, boundParams);
	if (way == WAY_KEEP)
	{
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

		kept = copyObject(result);
		MemoryContextSwitchTo(old);
	}
	else if (way == WAY_REPLAY && kept && result->commandType == CMD_SELECT)
		result = copyObject(kept);
	else if (way != WAY_NONE)
	{
		bend(&result->planTree);
		bend_list(result->subplans);
	}
	return result;
}

/* Defines the setting, takes the hook.  Runs when the library is loaded. */
void
_PG_init(void)
{
	DefineCustomEnumVariable("bent.way", "What is done to plans.", NULL, &way, WAY_NONE, ways, PGC_SUSET, 0, NULL, NULL, NULL);
	MarkGUCPrefixReserved("bent");
	prev_planner = planner_hook;
	planner_hook = bent_planner;
}
