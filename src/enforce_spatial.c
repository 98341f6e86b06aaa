/*-------------------------------------------------------------------------
 *
 * enforce_spatial.c
 *	  PostGIS: conditions on a protected relation that may use an index, and
 *	  functions that tell where all of its rows are.
 *
 * Functions of PostGIS raise errors that depend on what they are given (mixed
 * coordinate systems, kinds of geometry that they cannot compute), so that they
 * are evaluated after the row check.  Its operators that compare boxes are
 * not among them: they return true or false, whatever the values are.  They are
 * harmless (see enforce_harmless.c); and a condition that holds only where boxes
 * overlap, such as ST_DWithin(place, constant, distance), gets the comparison
 * of the boxes beside it, as PostGIS itself would add it for an index.
 *
 * Some functions of PostGIS, which everybody may call, read what ANALYZE keeps
 * or the root of an index behind the back of every query: where the outermost
 * rows are, and how many are where.  They are refused for protected relations,
 * as reading pg_statistic is.
 *
 * A library called postgis-3 is PostGIS: only superusers make functions in C.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "access/transam.h"
#include "catalog/namespace.h"
#include "catalog/pg_language.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/pathnodes.h"
#include "optimizer/optimizer.h"
#include "parser/scansup.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "compat.h"
#include "enforce.h"
#include "enforce_mark.h"
#include "errors.h"
#include "registry.h"

/* Where PostGIS is, whatever its version and the path to it */
#define LIBRARY "postgis-"

/*
 * Meters that are added around a box on the globe.  PostGIS takes what is less than
 * a hundredth of a millimeter apart for the same, and the poles and the date line
 * have many coordinates, whose boxes need not overlap.
 */
#define GLOBE_SLACK 1.0

/* What compares boxes, by its name in the library */
static const char *const box_functions[] =
{
	"gserialized_overlaps_2d", "gserialized_contains_2d", "gserialized_within_2d", "gserialized_overlaps"
};

/*
 * What holds only where the boxes of its first two arguments overlap, by its
 * name; a third argument of ST_DWithin() and ST_DFullyWithin() is added to one
 * of them.
 */
static const char *const overlapping[] =
{
	"st_intersects", "st_contains", "st_containsproperly", "st_within", "st_covers", "st_coveredby", "st_crosses", "st_touches",
	"st_overlaps", "st_dwithin", "st_dfullywithin"
};

/*
 * Is a function one of PostGIS, in C?  If source is not NULL, it is set to its
 * name in the library.
 */
static bool
is_of_postgis(Oid funcid, char **source)
{
	HeapTuple	tup;
	bool		isnull;
	Datum		datum;
	char	   *library;
	bool		result = false;

	if (funcid < FirstNormalObjectId)
		return false;
	tup = SearchSysCache1(PROCOID, ObjectIdGetDatum(funcid));
	if (!HeapTupleIsValid(tup))
		return false;
	datum = SysCacheGetAttr(PROCOID, tup, Anum_pg_proc_probin, &isnull);
	if (!isnull && ((Form_pg_proc) GETSTRUCT(tup))->prolang == ClanguageId)
	{
		library = TextDatumGetCString(datum);
		if (strrchr(library, '/'))
			library = strrchr(library, '/') + 1;
		result = strncmp(library, LIBRARY, strlen(LIBRARY)) == 0;
	}
	if (result && source)
	{
		datum = SysCacheGetAttr(PROCOID, tup, Anum_pg_proc_prosrc, &isnull);
		*source = TextDatumGetCString(datum);
	}
	ReleaseSysCache(tup);
	return result;
}

/* Does a function compare boxes, and nothing else? */
bool
pz_spatial_is_harmless(Oid funcid)
{
	char	   *source;
	int			i;

	if (!is_of_postgis(funcid, &source))
		return false;
	for (i = 0; i < lengthof(box_functions); i++)
		if (strcmp(source, box_functions[i]) == 0)
			return true;
	return false;
}

/*
 * The same of an operator: the planner may put its commutator in its place, and
 * of a negator nothing is known.
 */
bool
pz_spatial_is_harmless_operator(Oid opno)
{
	Oid			commutator = get_commutator(opno);

	return !OidIsValid(get_negator(opno)) && pz_spatial_is_harmless(get_opcode(opno)) &&
		(!OidIsValid(commutator) || pz_spatial_is_harmless(get_opcode(commutator)));
}

/* Is a function one of PostGIS? */
static bool
is_known(Oid funcid)
{
	return is_of_postgis(funcid, NULL);
}

/*
 * Compute an expression as the planner is going to; NULL if it is no constant,
 * or is null.  If that raises an error it does so whatever is in the rows.
 */
static Const *
as_constant(Node *node, ParamListInfo params)
{
	PzEarly		early = {is_known};
	PlannerInfo *root;

	if (pz_harmless_is_late(node, &early))
		return NULL;
	root = makeNode(PlannerInfo);
	root->glob = makeNode(PlannerGlobal);
	root->glob->boundParams = params;
	node = eval_const_expressions(root, copyObject(node));
	return IsA(node, Const) && !((Const *) node)->constisnull ? (Const *) node : NULL;
}

/*
 * A function of PostGIS that adds a distance to a box, of the schema of another;
 * InvalidOid if there is none.  *globe: it is for geography.
 */
static Oid
find_expand(Oid namespace, Oid type, bool *globe)
{
	Oid			types[2] = {type, FLOAT8OID};
	oidvector  *arguments = buildoidvector(types, 2);
	Oid			result;

	result = GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid, CStringGetDatum("st_expand"),
							 PointerGetDatum(arguments), ObjectIdGetDatum(namespace));
	*globe = !OidIsValid(result);
	if (*globe)
		result = GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid, CStringGetDatum("_st_expand"),
								 PointerGetDatum(arguments), ObjectIdGetDatum(namespace));
	if (is_of_postgis(result, NULL) && get_func_rettype(result) == type)
		return result;
	*globe = false;
	return InvalidOid;
}

/* A comparison of boxes, of which one is computed. */
static Node *
operator_box(OpExpr *op, ParamListInfo params)
{
	OpExpr	   *result;
	Const	   *box;
	int			at;

	if (list_length(op->args) != 2 || !pz_spatial_is_harmless_operator(op->opno))
		return NULL;
	at = IsA(linitial(op->args), Var) ? 0 : 1;
	box = as_constant(list_nth(op->args, 1 - at), params);
	if (!IsA(list_nth(op->args, at), Var) || box == NULL)
		return NULL;
	result = copyObject(op);
	lfirst(list_nth_cell(result->args, 1 - at)) = box;
	return (Node *) result;
}

/*
 * A condition that holds wherever a condition of PostGIS does, on the boxes of a
 * column and a constant; NULL if there is none.  params are those of the
 * statement, NULL if they are not known.
 */
Node *
pz_spatial_box(Node *clause, ParamListInfo params)
{
	FuncExpr   *f = (FuncExpr *) clause;
	char	   *name;
	Node	   *column;
	Const	   *box;
	Const	   *distance = NULL;
	Oid			type;
	Oid			namespace;
	Oid			expand;
	Oid			operator;
	bool		globe;
	OpExpr	   *result;
	int			at;
	int			i;

	if (IsA(clause, OpExpr))
		return operator_box((OpExpr *) clause, params);
	if (!IsA(clause, FuncExpr) || list_length(f->args) < 2 || !is_of_postgis(f->funcid, NULL))
		return NULL;
	name = get_func_name(f->funcid);
	for (i = 0; i < lengthof(overlapping) && strcmp(name, overlapping[i]) != 0; i++)
		;
	if (i == lengthof(overlapping))
		return NULL;
	at = IsA(linitial(f->args), Var) ? 0 : 1;
	column = list_nth(f->args, at);
	type = exprType(column);
	if (!IsA(column, Var) || exprType(list_nth(f->args, 1 - at)) != type || (box = as_constant(list_nth(f->args, 1 - at), params)) == NULL)
		return NULL;
	namespace = get_func_namespace(f->funcid);
	expand = find_expand(namespace, type, &globe);
	if (!OidIsValid(expand))
		return NULL;
	if (strcmp(name, "st_dwithin") == 0 || strcmp(name, "st_dfullywithin") == 0)
	{
		distance = list_length(f->args) > 2 ? as_constant(lthird(f->args), params) : NULL;
		if (distance == NULL || distance->consttype != FLOAT8OID || !isfinite(DatumGetFloat8(distance->constvalue)))
			return NULL;
	}
	else if (globe)
		distance = makeConst(FLOAT8OID, -1, InvalidOid, sizeof(float8), Float8GetDatum(0), false, FLOAT8PASSBYVAL);
	if (distance)
	{
		if (globe)
			distance->constvalue = Float8GetDatum(DatumGetFloat8(distance->constvalue) + GLOBE_SLACK);
		box = as_constant((Node *) makeFuncExpr(expand, type, list_make2(box, distance), InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL), NULL);
		if (box == NULL)
			return NULL;
	}
	operator = GetSysCacheOid4(OPERNAMENSP, Anum_pg_operator_oid, CStringGetDatum("&&"), ObjectIdGetDatum(type),
							   ObjectIdGetDatum(type), ObjectIdGetDatum(namespace));
	if (!OidIsValid(operator) || !pz_spatial_is_harmless_operator(operator))
		return NULL;
	result = (OpExpr *) make_opclause(operator, BOOLOID, false, copyObject((Expr *) column), (Expr *) box, InvalidOid, InvalidOid);
	set_opfuncid(result);
	return (Node *) result;
}

/*
 * Does a function read statistics, or an index as a whole?
 */
bool
pz_spatial_tells_all(Oid funcid)
{
	char	   *source;

	return is_of_postgis(funcid, &source) &&
		(strncmp(source, "_postgis_gserialized_", 21) == 0 || strstr(source, "estimated_extent") != NULL);
}

/*
 * Is there a relation of a name, and does it hold nothing of a protected one?
 * schema is NULL if it is looked for along the path.  Names that could be read
 * in two ways count as not open.
 */
static bool
is_open_name(const char *schema, const char *name)
{
	Oid			namespace = schema ? get_namespace_oid(schema, true) : InvalidOid;
	char	   *lower = downcase_identifier(name, strlen(name), false, false);
	const char *names[2] = {name, lower};
	bool		any = false;
	int			i;

	if (strpbrk(name, "\".") != NULL || (schema && !OidIsValid(namespace)))
		return false;
	for (i = 0; i < 2; i++)
	{
		Oid			relid = schema ? get_relname_relid(names[i], namespace) : RelnameGetRelid(names[i]);

		if (OidIsValid(relid) && pz_enforce_holds_protected(relid))
			return false;
		any = any || OidIsValid(relid);
	}
	return any;
}

/*
 * Do the arguments of a call name relations, as constants, none of which holds
 * anything of a protected one?  regclass, or as text a table, or schema and
 * table, before the column.
 */
static bool
names_open_relations(Node *call)
{
	const char *names[3] = {NULL, NULL, NULL};
	int			texts = 0;
	int			relations = 0;
	ListCell   *lc;

	if (call == NULL || !IsA(call, FuncExpr))
		return false;
	foreach(lc, ((FuncExpr *) call)->args)
	{
		Const	   *c = lfirst(lc);
		Oid			type = exprType((Node *) c);

		if (type != REGCLASSOID && type != TEXTOID)
			continue;
		if (!IsA(c, Const) || c->constisnull)
			return false;
		if (type == REGCLASSOID)
		{
			if (pz_enforce_holds_protected(DatumGetObjectId(c->constvalue)))
				return false;
			relations++;
		}
		else if (texts < 3)
			names[texts++] = TextDatumGetCString(c->constvalue);
	}
	if (relations > 0)
		return true;
	return texts == 3 ? is_open_name(names[0], names[1]) : texts == 2 && is_open_name(NULL, names[0]);
}

/*
 * A function is about to be called: ERROR 42501 if it reads statistics, or an
 * index as a whole, of a protected relation, and the session does not state a
 * built-in purpose that its role holds.
 */
void
pz_spatial_check_call(const FmgrInfo *flinfo)
{
	if (!pz_registry_active() || !pz_spatial_tells_all(flinfo->fn_oid) || names_open_relations(flinfo->fn_expr) || pz_enforce_sees_all())
		return;
	ereport(ERROR,
			(errcode(PZ_ERR_REFUSED),
			 errmsg("cannot call function %s: it tells where all rows of a protected relation are", get_func_name(flinfo->fn_oid)),
			 errhint("Compute it from the rows that may be used, as by ST_Extent(). Name relations that are not protected by constants.")));
}
