/*-------------------------------------------------------------------------
 *
 * enforce_harmless.c
 *	  Functions that can neither show nor tell what they see.
 *
 * Many operators of pg_catalog are not marked leakproof, because nobody has
 * promised it for all that they may ever do, and yet return true or false and
 * raise no error that depends on the row.  The list below names those; what
 * some of them need of their arguments stands there, too.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

#include "compat.h"
#include "enforce.h"
#include "enforce_mark.h"

/* What a function needs to be harmless */
typedef enum Harmless
{
	ALWAYS,
	IF_PATTERN,					/* the pattern is a constant that ends in no escape */
	IF_ELEMENTS					/* arrays, ranges: the elements are of built-in types */
} Harmless;

static const struct
{
	Oid			funcid;
	Harmless	condition;
}			harmless[] =
{
	{F_NUMERIC_EQ, ALWAYS}, {F_NUMERIC_NE, ALWAYS}, {F_NUMERIC_LT, ALWAYS},
	{F_NUMERIC_LE, ALWAYS}, {F_NUMERIC_GT, ALWAYS}, {F_NUMERIC_GE, ALWAYS},
	{F_TEXTLIKE, IF_PATTERN}, {F_TEXTNLIKE, IF_PATTERN}, {F_TEXTICLIKE, IF_PATTERN}, {F_TEXTICNLIKE, IF_PATTERN},
	{F_BPCHARLIKE, IF_PATTERN}, {F_BPCHARNLIKE, IF_PATTERN}, {F_BPCHARICLIKE, IF_PATTERN}, {F_BPCHARICNLIKE, IF_PATTERN},
	{F_NAMELIKE, IF_PATTERN}, {F_NAMENLIKE, IF_PATTERN}, {F_NAMEICLIKE, IF_PATTERN}, {F_NAMEICNLIKE, IF_PATTERN},
	{F_STARTS_WITH, ALWAYS}, {F_LOWER_TEXT, ALWAYS}, {F_UPPER_TEXT, ALWAYS},
	{F_JSONB_CONTAINS, ALWAYS}, {F_JSONB_CONTAINED, ALWAYS}, {F_JSONB_EXISTS, ALWAYS},
	{F_JSONB_EXISTS_ANY, ALWAYS}, {F_JSONB_EXISTS_ALL, ALWAYS},
	{F_JSONB_EQ, ALWAYS}, {F_JSONB_NE, ALWAYS}, {F_JSONB_LT, ALWAYS},
	{F_JSONB_LE, ALWAYS}, {F_JSONB_GT, ALWAYS}, {F_JSONB_GE, ALWAYS},
	{F_JSONB_OBJECT_FIELD, ALWAYS}, {F_JSONB_OBJECT_FIELD_TEXT, ALWAYS},
	{F_JSONB_ARRAY_ELEMENT, ALWAYS}, {F_JSONB_ARRAY_ELEMENT_TEXT, ALWAYS},
	{F_ARRAYOVERLAP, IF_ELEMENTS}, {F_ARRAYCONTAINS, IF_ELEMENTS}, {F_ARRAYCONTAINED, IF_ELEMENTS},
	{F_ARRAY_EQ, IF_ELEMENTS}, {F_ARRAY_NE, IF_ELEMENTS},
	{F_TS_MATCH_VQ, ALWAYS}, {F_TS_MATCH_QV, ALWAYS},
	{F_RANGE_OVERLAPS, IF_ELEMENTS}, {F_RANGE_CONTAINS, IF_ELEMENTS}, {F_RANGE_CONTAINED_BY, IF_ELEMENTS},
	{F_RANGE_CONTAINS_ELEM, IF_ELEMENTS}, {F_ELEM_CONTAINED_BY_RANGE, IF_ELEMENTS},
	{F_RANGE_BEFORE, IF_ELEMENTS}, {F_RANGE_AFTER, IF_ELEMENTS},
	{F_RANGE_OVERLEFT, IF_ELEMENTS}, {F_RANGE_OVERRIGHT, IF_ELEMENTS},
	{F_RANGE_EQ, IF_ELEMENTS}, {F_RANGE_NE, IF_ELEMENTS},
	{F_NETWORK_SUB, ALWAYS}, {F_NETWORK_SUBEQ, ALWAYS}, {F_NETWORK_SUP, ALWAYS},
	{F_NETWORK_SUPEQ, ALWAYS}, {F_NETWORK_OVERLAP, ALWAYS},
	{F_DATE_EQ_TIMESTAMP, ALWAYS}, {F_DATE_NE_TIMESTAMP, ALWAYS}, {F_DATE_LT_TIMESTAMP, ALWAYS},
	{F_DATE_LE_TIMESTAMP, ALWAYS}, {F_DATE_GT_TIMESTAMP, ALWAYS}, {F_DATE_GE_TIMESTAMP, ALWAYS},
	{F_DATE_EQ_TIMESTAMPTZ, ALWAYS}, {F_DATE_NE_TIMESTAMPTZ, ALWAYS}, {F_DATE_LT_TIMESTAMPTZ, ALWAYS},
	{F_DATE_LE_TIMESTAMPTZ, ALWAYS}, {F_DATE_GT_TIMESTAMPTZ, ALWAYS}, {F_DATE_GE_TIMESTAMPTZ, ALWAYS},
	{F_TIMESTAMP_EQ_DATE, ALWAYS}, {F_TIMESTAMP_NE_DATE, ALWAYS}, {F_TIMESTAMP_LT_DATE, ALWAYS},
	{F_TIMESTAMP_LE_DATE, ALWAYS}, {F_TIMESTAMP_GT_DATE, ALWAYS}, {F_TIMESTAMP_GE_DATE, ALWAYS},
	{F_TIMESTAMPTZ_EQ_DATE, ALWAYS}, {F_TIMESTAMPTZ_NE_DATE, ALWAYS}, {F_TIMESTAMPTZ_LT_DATE, ALWAYS},
	{F_TIMESTAMPTZ_LE_DATE, ALWAYS}, {F_TIMESTAMPTZ_GT_DATE, ALWAYS}, {F_TIMESTAMPTZ_GE_DATE, ALWAYS},
	{F_TIMESTAMP_EQ_TIMESTAMPTZ, ALWAYS}, {F_TIMESTAMP_NE_TIMESTAMPTZ, ALWAYS}, {F_TIMESTAMP_LT_TIMESTAMPTZ, ALWAYS},
	{F_TIMESTAMP_LE_TIMESTAMPTZ, ALWAYS}, {F_TIMESTAMP_GT_TIMESTAMPTZ, ALWAYS}, {F_TIMESTAMP_GE_TIMESTAMPTZ, ALWAYS},
	{F_TIMESTAMPTZ_EQ_TIMESTAMP, ALWAYS}, {F_TIMESTAMPTZ_NE_TIMESTAMP, ALWAYS}, {F_TIMESTAMPTZ_LT_TIMESTAMP, ALWAYS},
	{F_TIMESTAMPTZ_LE_TIMESTAMP, ALWAYS}, {F_TIMESTAMPTZ_GT_TIMESTAMP, ALWAYS}, {F_TIMESTAMPTZ_GE_TIMESTAMP, ALWAYS}
};

/*
 * Is a function on the list, whatever its arguments must be like?
 */
bool
pz_harmless_function(Oid funcid)
{
	int			i;

	for (i = 0; i < lengthof(harmless); i++)
		if (harmless[i].funcid == funcid)
			return true;
	return pz_spatial_is_harmless(funcid);
}

/* Is the second argument a LIKE pattern that can be told to raise no error? */
static bool
is_sane_pattern(List *args)
{
	Node	   *pattern = list_length(args) == 2 ? lsecond(args) : NULL;
	char	   *s;
	int			escapes = 0;
	int			i;

	if (pattern && IsA(pattern, RelabelType))
		pattern = (Node *) ((RelabelType *) pattern)->arg;
	if (pattern == NULL || !IsA(pattern, Const) || ((Const *) pattern)->constisnull ||
		((Const *) pattern)->consttype != TEXTOID)
		return false;
	s = TextDatumGetCString(((Const *) pattern)->constvalue);
	for (i = strlen(s) - 1; i >= 0 && s[i] == '\\'; i--)
		escapes++;
	return escapes % 2 == 0;
}

/* Are the arguments arrays or ranges of built-in types, or such a type? */
static bool
are_builtin_elements(List *args)
{
	ListCell   *lc;

	foreach(lc, args)
	{
		Oid			type = exprType(lfirst(lc));

		if (type >= FirstNormalObjectId || get_typtype(type) == TYPTYPE_DOMAIN || type == RECORDOID || type == RECORDARRAYOID)
			return false;
		/* elements without equality raise an error when they are compared */
		if (OidIsValid(get_element_type(type)))
			type = get_element_type(type);
		if (!OidIsValid(lookup_type_cache(type, TYPECACHE_EQ_OPR)->eq_opr))
			return false;
	}
	return true;
}

/*
 * Are strings compared by a collation that cannot raise an error?
 */
static bool
has_sane_collation(List *args, Oid collation)
{
	if (pz_order_lacks_collation(args, collation))
		return false;
	return !OidIsValid(collation) || get_collation_isdeterministic(collation);
}

/*
 * Can a function neither show nor tell what it sees, with these arguments?
 * *leakproof becomes false if PostgreSQL does not know, else it stays.
 */
bool
pz_harmless_call(Oid funcid, List *args, Oid collation, bool *leakproof)
{
	int			i;

	if (pz_spatial_is_harmless(funcid))
	{
		*leakproof = *leakproof && get_func_leakproof(funcid);
		return true;
	}
	if (funcid >= FirstNormalObjectId || !has_sane_collation(args, collation))
		return false;
	if (pz_order_is_quiet_function(funcid))
		return true;
	*leakproof = false;
	for (i = 0; i < lengthof(harmless); i++)
	{
		if (harmless[i].funcid != funcid)
			continue;
		switch (harmless[i].condition)
		{
			case ALWAYS:
				return true;
			case IF_PATTERN:
				return is_sane_pattern(args);
			case IF_ELEMENTS:
				return are_builtin_elements(args);
		}
	}
	return false;
}

/* Is a function of a user, or one that the planner does not compute? context: see below. */
static bool
is_late_function(Oid funcid, void *context)
{
	const PzEarly *early = context;

	return func_volatile(funcid) != PROVOLATILE_IMMUTABLE ||
		(funcid >= FirstNormalObjectId && !(early && early->is_known(funcid)));
}

/*
 * Is an expression anything but constants and built-in immutable functions of
 * them?  These are computed when the statement is planned: if they raise an
 * error, they do it then, whatever is in the rows.  context: PzEarly, by which
 * parameters of the statement and functions that it knows pass, too; NULL: none.
 */
bool
pz_harmless_is_late(Node *node, void *context)
{
	if (node == NULL)
		return false;
	switch (nodeTag(node))
	{
		case T_List:
		case T_Const:
		case T_RelabelType:
			break;
		case T_Param:
			return context == NULL || ((Param *) node)->paramkind != PARAM_EXTERN;
		case T_FuncExpr:
		case T_OpExpr:
			if (check_functions_in_node(node, is_late_function, context))
				return true;
			break;
		default:
			return true;
	}
	return expression_tree_walker(node, pz_harmless_is_late, context);
}
