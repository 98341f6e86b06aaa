/*-------------------------------------------------------------------------
 *
 * rights_path.c
 *	  Which rows of a relation are a person's, as conditions of the statements that
 *	  serve rights.
 *
 * Where a column is the key that is a comparison.  Where the way to the person goes
 * by a foreign key, the rows referred to are looked for first, by a statement of the
 * same kind on their relation, as its owner: so indexes serve each step, and each
 * use of personal data is on record.  The planner hook puts the functions that do so
 * where these statements name them (pz_rights_place()): they take a mark that nobody
 * else can make.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/uuid.h"

#include "enforce.h"
#include "enforce_mark.h"
#include "enforce_path.h"
#include "errors.h"
#include "rights.h"
#include "shmem.h"

static const char *const key_types[] = {"text", "int8", "uuid", "text"};

/* Quoted name of a column of a path. */
static const char *
column_name(const PzPath *path, int i)
{
	return quote_identifier(get_attname(path->relid, path->columns[i], false));
}

/* A call of a function with the columns of a path. */
static char *
call_with_columns(const char *function, const PzPath *path)
{
	StringInfoData text;
	int			i;

	initStringInfo(&text);
	appendStringInfo(&text, "%s(%d", function, path->path_id);
	for (i = 0; i < path->ncolumns; i++)
		appendStringInfo(&text, ", %s", column_name(path, i));
	appendStringInfoChar(&text, ')');
	return text.data;
}

/* The canonical key of the subject of a row, as an expression; null if it leads to nobody. */
char *
pz_rights_key(const PzPath *path)
{
	if (path->attnum != InvalidAttrNumber)
		return psprintf("%s::pg_catalog.text", column_name(path, 0));
	return call_with_columns("personalize.rights_path_key", path);
}

/*
 * The condition on rows of the subject whose canonical key is $1, or, with many, of
 * those whose keys $1 is an array of.
 */
char *
pz_rights_condition(const PzPath *path, bool many)
{
	StringInfoData text;
	PzPath		next;
	int			i;

	initStringInfo(&text);
	if (path->attnum != InvalidAttrNumber)
	{
		appendStringInfo(&text, many ? "%s OPERATOR(pg_catalog.=) ANY ($1::pg_catalog.%s[])" : "%s OPERATOR(pg_catalog.=) $1::pg_catalog.%s",
						 column_name(path, 0), key_types[path->key_type]);
		return text.data;
	}
	if (path->via != 0)
		pz_rights_path(path->via, &next);
	appendStringInfoChar(&text, '(');
	for (i = 0; i < path->ncolumns; i++)
	{
		Oid			type = path->via != 0 ? get_atttype(next.relid, path->referred[i]) :
			get_atttype(path->relid, path->columns[i]);
		const char *name = format_type_extended(getBaseType(type), -1, FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY);

		/* as a sub-select it is computed once */
		appendStringInfo(&text, "%s%s OPERATOR(pg_catalog.=) ANY ((SELECT personalize.rights_values(%d, %d, %s, NULL::%s))::%s[])",
						 i > 0 ? " AND " : "", column_name(path, i), path->path_id, i + 1, many ? "$1" : "ARRAY[$1]", name, name);
	}
	if (path->ncolumns > 1)
		appendStringInfo(&text, many ? " AND %s OPERATOR(pg_catalog.=) ANY ($1)" : " AND %s OPERATOR(pg_catalog.=) $1", pz_rights_key(path));
	appendStringInfoChar(&text, ')');
	return text.data;
}

/* rights_is_internal(path_id): the condition on rows of the subject with key $1. */
PG_FUNCTION_INFO_V1(personalize_rights_is);
Datum
personalize_rights_is(PG_FUNCTION_ARGS)
{
	PzPath		path;

	pz_require_preloaded();
	pz_rights_path(PG_GETARG_INT32(0), &path);
	PG_RETURN_TEXT_P(cstring_to_text(pz_rights_condition(&path, false)));
}

/* rights_are_internal(path_id): the condition on rows of those whose keys $1 is an array of. */
PG_FUNCTION_INFO_V1(personalize_rights_are);
Datum
personalize_rights_are(PG_FUNCTION_ARGS)
{
	PzPath		path;

	pz_require_preloaded();
	pz_rights_path(PG_GETARG_INT32(0), &path);
	PG_RETURN_TEXT_P(cstring_to_text(pz_rights_condition(&path, true)));
}

/* rights_key_internal(path_id): the expression for the key of the subject of a row. */
PG_FUNCTION_INFO_V1(personalize_rights_key);
Datum
personalize_rights_key(PG_FUNCTION_ARGS)
{
	PzPath		path;

	pz_require_preloaded();
	pz_rights_path(PG_GETARG_INT32(0), &path);
	PG_RETURN_TEXT_P(cstring_to_text(pz_rights_key(&path)));
}

/*
 * Part number n (from 0) of the text of an array of texts without nulls, as array_out
 * writes it; NULL if the text is none, or has another number of parts.
 */
static char *
part_of(const char *text, int nparts, int n)
{
	StringInfoData part;
	char	   *found = NULL;
	int			i = 0;

	initStringInfo(&part);
	if (*text++ != '{')
		return NULL;
	for (;;)
	{
		bool		quoted = *text == '"';

		resetStringInfo(&part);
		text += quoted;
		while (*text && (quoted ? *text != '"' : *text != ',' && *text != '}'))
		{
			if (*text == '\\' && text[1])
				text++;
			appendStringInfoChar(&part, *text++);
		}
		if (quoted && *text++ != '"')
			return NULL;
		if (i++ == n)
			found = pstrdup(part.data);
		if (*text == '}')
			return text[1] == '\0' && i == nparts ? found : NULL;
		if (*text++ != ',')
			return NULL;
	}
}

/* A part of a key as a value of a column's type; false if it is none: nobody's. */
static bool
part_value(const char *text, Oid type, Datum *value)
{
	char	   *end;
	int64		number;

	switch (type)
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
			errno = 0;
			number = strtoi64(text, &end, 10);
			if (errno != 0 || end == text || *end ||
				(type == INT2OID && (number < PG_INT16_MIN || number > PG_INT16_MAX)) ||
				(type == INT4OID && (number < PG_INT32_MIN || number > PG_INT32_MAX)))
				return false;
			*value = type == INT2OID ? Int16GetDatum((int16) number) : type == INT4OID ? Int32GetDatum((int32) number) :
				Int64GetDatum(number);
			return true;
		case UUIDOID:
			if (strlen(text) != 36 || strspn(text, "0123456789abcdef-") != 36 || text[8] != '-' || text[13] != '-' ||
				text[18] != '-' || text[23] != '-')
				return false;
			for (end = unconstify(char *, text); *end; end++)
				if (*end == '-' && end - text != 8 && end - text != 13 && end - text != 18 && end - text != 23)
					return false;
			*value = DirectFunctionCall1(uuid_in, CStringGetDatum(text));
			return true;
		case TEXTOID:
		case VARCHAROID:
			*value = CStringGetTextDatum(text);
			return true;
		default:
			return false;
	}
}

/* Values of a column that is part of the key, by the keys. */
static Datum
parts_of_keys(const PzPath *path, int column, ArrayType *keys, Oid type)
{
	Datum	   *elems;
	Datum	   *values;
	int			n;
	int			found = 0;
	int16		typlen;
	bool		typbyval;
	char		typalign;
	int			i;

	deconstruct_array(keys, TEXTOID, -1, false, TYPALIGN_INT, &elems, NULL, &n);
	values = palloc(sizeof(Datum) * Max(n, 1));
	for (i = 0; i < n; i++)
	{
		char	   *part = part_of(TextDatumGetCString(elems[i]), path->ncolumns, column);

		if (part && part_value(part, type, &values[found]))
			found++;
	}
	get_typlenbyvalalign(type, &typlen, &typbyval, &typalign);
	return PointerGetDatum(construct_array(values, found, type, typlen, typbyval, typalign));
}

/* Values of a column that a path refers to by its column, in the rows of the persons with these keys. */
static Datum
values_referred(const PzPath *path, int column, Datum keys, Oid type)
{
	Oid			types[1] = {TEXTARRAYOID};
	PzPath		next;
	bool		isnull;
	Datum		result;
	char	   *sql;
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext old;

	pz_rights_path(path->via, &next);
	/* a foreign key does not see inheritance children */
	sql = psprintf("SELECT pg_catalog.array_agg(DISTINCT %s) FROM %s%s WHERE %s",
				   quote_identifier(get_attname(next.relid, path->referred[column], false)),
				   get_rel_relkind(next.relid) == RELKIND_PARTITIONED_TABLE ? "" : "ONLY ",
				   pz_rights_relation(&next), pz_rights_condition(&next, true));
	SPI_connect();
	pz_rights_run(&next, sql, 1, types, &keys, SPI_OK_SELECT,
				  ArrayGetNItems(ARR_NDIM(DatumGetArrayTypeP(keys)), ARR_DIMS(DatumGetArrayTypeP(keys))) == 1 ? PZ_RIGHTS_KEEP : 0, NULL);
	result = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	old = MemoryContextSwitchTo(caller);
	result = isnull ? PointerGetDatum(construct_empty_array(type)) : PointerGetDatum(DatumGetArrayTypePCopy(result));
	MemoryContextSwitchTo(old);
	SPI_finish();
	return result;
}

/*
 * path_values(mark, column, keys, like): the values that a column of the mark's path
 * (from 1) has in rows of the persons with these keys; like has the type of what it
 * is compared with.
 */
PG_FUNCTION_INFO_V1(personalize_path_values);
Datum
personalize_path_values(PG_FUNCTION_ARGS)
{
	PzPath		path;
	int			column;
	Oid			type;

	pz_require_preloaded();
	if (PG_ARGISNULL(0))
		pz_call_refuse_direct();
	if (PG_ARGISNULL(1) || PG_ARGISNULL(2))
		PG_RETURN_NULL();
	column = PG_GETARG_INT32(1) - 1;
	type = getBaseType(get_fn_expr_argtype(fcinfo->flinfo, 3));
	pz_rights_path(((const PzMark *) PG_GETARG_POINTER(0))->path_id, &path);
	if (column < 0 || column >= path.ncolumns)
		elog(ERROR, "path %d has no column %d", path.path_id, column + 1);	/* cannot happen: text of ours */
	PG_RETURN_DATUM(path.via == 0 ? parts_of_keys(&path, column, PG_GETARG_ARRAYTYPE_P(2), type) :
					values_referred(&path, column, PG_GETARG_DATUM(2), type));
}
