/*-------------------------------------------------------------------------
 *
 * enforce_opaque.c
 *	  Could code of users see rows on the way through a query?
 *
 * Where it could, whom it saw is to be on record, also those whose rows the
 * query then does not deliver.  What is not known to be harmless is not.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "enforce_mark.h"

/*
 * Built-in functions that are not immutable, and take values of any type, but
 * do nothing with them other than to show them by their types' own functions.
 */
static const Oid shown_only[] = {
	F_ANYTEXTCAT, F_TEXTANYCAT, F_CONCAT, F_CONCAT_WS, F_FORMAT_TEXT, F_FORMAT_TEXT_ANY,
	F_ARRAY_TO_STRING_ANYARRAY_TEXT, F_ARRAY_TO_STRING_ANYARRAY_TEXT_TEXT, F_ARRAY_OUT, F_ENUM_OUT
};

/* Does a function take arguments of no type of its own, so that it may call what belongs to their types? */
static bool
takes_any_type(Oid funcid)
{
	Oid		   *types;
	int			n;
	bool		result = false;
	int			i;

	(void) get_func_signature(funcid, &types, &n);
	for (i = 0; i < n; i++)
		result = result || get_typtype(types[i]) == TYPTYPE_PSEUDO;
	for (i = 0; !result && i < lengthof(shown_only); i++)
		if (funcid == shown_only[i])
			return false;
	return result;
}

/*
 * May a function do anything but compute its result, or raise an error?  Of
 * the built-in ones that are not immutable, those may that look at the types
 * of their arguments (json_populate_record runs the checks of domains, to_json
 * calls casts), and those that are volatile (set_config keeps what it sees).
 */
static bool
is_opaque(Oid funcid)
{
	char		volatility;
	int			i;

	if (pz_mark_is_check(funcid) || get_func_leakproof(funcid))
		return false;
	if (funcid >= FirstNormalObjectId)
		return true;
	volatility = func_volatile(funcid);
	if (volatility == PROVOLATILE_IMMUTABLE)
		return false;
	for (i = 0; i < lengthof(shown_only); i++)
		if (funcid == shown_only[i])
			return false;
	return volatility != PROVOLATILE_STABLE || takes_any_type(funcid);
}

/* The same, for check_functions_in_node. */
static bool
is_opaque_function(Oid funcid, void *context)
{
	return is_opaque(funcid);
}

/*
 * Does an expression or a part of a query hold anything that is not known to be
 * harmless?
 */
bool
pz_opaque_node(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, pz_opaque_node, context, 0);
	switch (nodeTag(node))
	{
		case T_List:
		case T_Var:
		case T_Const:
		case T_Param:
		case T_FuncExpr:
		case T_OpExpr:
		case T_DistinctExpr:
		case T_NullIfExpr:
		case T_ScalarArrayOpExpr:
		case T_BoolExpr:
		case T_NullTest:
		case T_BooleanTest:
		case T_RelabelType:
		case T_CollateExpr:
		case T_CoerceViaIO:
		case T_CaseExpr:
		case T_CaseWhen:
		case T_CaseTestExpr:
		case T_CoalesceExpr:
		case T_MinMaxExpr:
		case T_ArrayExpr:
		case T_RowExpr:
		case T_RowCompareExpr:
		case T_FieldSelect:
		case T_SubscriptingRef:
		case T_SQLValueFunction:
		case T_CurrentOfExpr:
		case T_SetToDefault:
		case T_Aggref:
		case T_GroupingFunc:
		case T_WindowFunc:
		case T_SubLink:
			break;
		case T_TargetEntry:
		case T_FromExpr:
		case T_JoinExpr:
		case T_RangeTblRef:
		case T_RangeTblFunction:
		case T_CommonTableExpr:
		case T_SetOperationStmt:
		case T_SortGroupClause:
		case T_GroupingSet:
		case T_WindowClause:
		case T_RowMarkClause:
		case T_WithCheckOption:
		case T_OnConflictExpr:
		case T_MergeAction:
		case T_InferenceElem:
			/* parts of a query */
			break;
		default:
			return true;
	}
	if (check_functions_in_node(node, is_opaque_function, context))
		return true;
	return expression_tree_walker(node, pz_opaque_node, context);
}

/*
 * Could code of users see rows on the way through a query, other than those it
 * delivers?
 */
bool
pz_opaque_query(Query *query)
{
	return query_tree_walker(query, pz_opaque_node, NULL, 0);
}
