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
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "compat.h"
#include "enforce_mark.h"

/*
 * Built-in functions that are not immutable, and take values of any type, but
 * do nothing with them other than to show them by their types' own functions.
 */
static const Oid shown_only[] = {
	F_ANYTEXTCAT, F_TEXTANYCAT, F_CONCAT, F_CONCAT_WS, F_FORMAT_TEXT, F_FORMAT_TEXT_ANY,
	F_ARRAY_TO_STRING_ANYARRAY_TEXT, F_ARRAY_TO_STRING_ANYARRAY_TEXT_TEXT, F_ARRAY_OUT, F_ENUM_OUT
};

/* Types that name nothing and hold nothing that a function could run */
static const Oid plain_types[] = {
	BOOLOID, INT2OID, INT4OID, INT8OID, FLOAT4OID, FLOAT8OID, NUMERICOID, TEXTOID, VARCHAROID, BPCHAROID, NAMEOID,
	CHAROID, DATEOID, TIMEOID, TIMETZOID, TIMESTAMPOID, TIMESTAMPTZOID, INTERVALOID, UUIDOID
};

/* Is a type one of those? */
static bool
is_plain(Oid type)
{
	int			i;

	for (i = 0; i < lengthof(plain_types); i++)
		if (type == plain_types[i])
			return true;
	return false;
}

/* Has a function to do with XML, whose parser warns with what it reads? */
static bool
is_xml(Oid funcid, const Oid *types, int n)
{
	bool		result = get_func_rettype(funcid) == XMLOID || funcid == F_XML_IS_WELL_FORMED ||
		funcid == F_XML_IS_WELL_FORMED_CONTENT || funcid == F_XML_IS_WELL_FORMED_DOCUMENT;
	int			i;

	for (i = 0; i < n; i++)
		result = result || types[i] == XMLOID;
	return result;
}

/*
 * May a function do anything but compute its result, or raise an error?  Of
 * the built-in ones that are immutable, those may that read XML.  Those that
 * are stable may if they take or give anything but plain values: a relation
 * that is run (table_to_xml), a type whose domains are checked
 * (json_populate_record, pg_input_is_valid), casts (to_json).  Those that are volatile may
 * (set_config keeps what it sees).
 */
static bool
is_opaque(Oid funcid)
{
	char		volatility;
	Oid		   *types;
	int			n;
	int			i;

	if (pz_mark_is_check(funcid) || pz_mark_is_key(funcid) || get_func_leakproof(funcid))
		return false;
	if (funcid >= FirstNormalObjectId)
		return true;
	(void) get_func_signature(funcid, &types, &n);
	if (is_xml(funcid, types, n))
		return true;
	volatility = func_volatile(funcid);
	if (volatility == PROVOLATILE_IMMUTABLE)
		return false;
	for (i = 0; i < lengthof(shown_only); i++)
		if (funcid == shown_only[i])
			return false;
	if (volatility != PROVOLATILE_STABLE || !is_plain(get_func_rettype(funcid)) || pz_reads_type_compat(funcid))
		return true;
	for (i = 0; i < n; i++)
		if (!is_plain(types[i]))
			return true;
	return false;
}

/* The same, for check_functions_in_node. */
static bool
is_opaque_function(Oid funcid, void *context)
{
	return is_opaque(funcid);
}

/*
 * Is an entry, or a part of it, at another server, or of a kind that is not
 * known?  That server sees what it is asked for.
 */
static bool
is_foreign(RangeTblEntry *rte)
{
	ListCell   *lc;

	if (rte->rtekind != RTE_RELATION || rte->relkind == RELKIND_VIEW)
		return false;
	if (rte->relkind != RELKIND_RELATION && rte->relkind != RELKIND_PARTITIONED_TABLE && rte->relkind != RELKIND_MATVIEW)
		return true;
	foreach(lc, rte->inh && has_subclass(rte->relid) ? find_all_inheritors(rte->relid, NoLock, NULL) : NIL)
	{
		char		kind = get_rel_relkind(lfirst_oid(lc));

		if (kind != RELKIND_RELATION && kind != RELKIND_PARTITIONED_TABLE)
			return true;
	}
	return false;
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
		return query_tree_walker((Query *) node, pz_opaque_node, context, QTW_EXAMINE_RTES_BEFORE);
	if (IsA(node, RangeTblEntry))
		return is_foreign((RangeTblEntry *) node);
	/* a text that becomes a row or an array may be checked by domains in it */
	if (IsA(node, CoerceViaIO) && ((CoerceViaIO *) node)->resulttype >= FirstNormalObjectId)
		return true;
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
		case T_ArrayCoerceExpr:
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
	return query_tree_walker(query, pz_opaque_node, NULL, QTW_EXAMINE_RTES_BEFORE);
}
