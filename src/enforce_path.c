/*-------------------------------------------------------------------------
 *
 * enforce_path.c
 *	  Keys of subjects that are not one column of the row itself.
 *
 * A path leads to a subject by several columns, which make up its key: then the
 * key is the text of an array of theirs, '{7,42}'.  Or by the columns of a foreign
 * key to a relation that has a path of its own, and so on: then the row referred
 * to is looked up by the index that the foreign key rests on, and says whose it is.
 *
 * Looked up as the statement sees it: what a scan of that relation would find.
 * A row that is newer than the statement (EvalPlanQual, ON CONFLICT) may refer to
 * one that is, too: statements that may meet such ask what is committed by now as
 * well, and both must say the same.  A row with a null has no subject (null_subject).
 *
 * What was found is kept for the statement: rows of one order stand together, and
 * each is asked for several times (the check, masks, the record).
 *
 * No privilege of the relations on the way is asked for: the key leaves this file
 * only for the checks and for statements that serve a right.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/uuid.h"

#include "enforce.h"
#include "enforce_mark.h"
#include "enforce_path.h"
#include "enforce_route.h"
#include "errors.h"
#include "shmem.h"

#define MEMO_MOST	32768		/* rows referred to that are remembered at a time */

/* Whose a row is, by the values that lead there */
typedef struct Known
{
	PzMemoKey	values;
	char		status;
	uint32		hash;
	Datum		key;
} Known;

#define SH_PREFIX known
#define SH_ELEMENT_TYPE Known
#define SH_KEY_TYPE PzMemoKey
#define SH_KEY values
#define SH_HASH_KEY(tb, k) hash_bytes((const unsigned char *) (k).bytes, (k).len)
#define SH_EQUAL(tb, a, b) ((a).len == (b).len && memcmp((a).bytes, (b).bytes, (b).len) == 0)
#define SH_SCOPE static inline
#define SH_STORE_HASH
#define SH_GET_HASH(tb, a) (a)->hash
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* The way of a path, made ready for a statement */
struct PzWay
{
	int32		path_id;
	PzKeyType	key_type;
	int			n;				/* columns of the row */
	Oid			called[PZ_PATH_COLUMNS];	/* types of these */
	Oid			types[PZ_PATH_COLUMNS]; /* below domains */
	int16		typlen[PZ_PATH_COLUMNS];
	bool		typbyval[PZ_PATH_COLUMNS];
	int			nsteps;
	Step	   *steps;
	MemoryContext mcxt;
	MemoryContext memory;		/* of what is known */
	known_hash *known;			/* NULL: nothing yet */
	StringInfoData bytes;		/* of the row that is asked for */
	bool		lost;			/* a row that is referred to is not there */
	PzWay	   *next;			/* another of the same statement */
};

/*
 * Make the way of a path ready, in mcxt, which lives as long as the statement.
 * types: those of the row's columns of the path.  ERROR 55000 if it leads nowhere.
 *
 * Locks: AccessShareLock on the relations of the way, until the transaction ends.
 */
PzWay *
pz_way_open(MemoryContext mcxt, int32 path_id, int n, const Oid *types)
{
	const Route *route = pz_route_find(path_id);
	MemoryContext old = MemoryContextSwitchTo(mcxt);
	PzWay	   *way = palloc0(sizeof(PzWay));
	int			i;

	if (n != route->ncolumns)
		elog(ERROR, "path %d has %d columns, not %d", path_id, route->ncolumns, n);	/* cannot happen: the hook made the call */
	way->path_id = path_id;
	way->mcxt = mcxt;
	way->key_type = route->key_type;
	way->n = n;
	for (i = 0; i < n; i++)
	{
		way->called[i] = types[i];
		way->types[i] = getBaseType(types[i]);
		get_typlenbyval(way->types[i], &way->typlen[i], &way->typbyval[i]);
	}
	/* of the route only the relations are sure to stay what they are */
	way->nsteps = route->nsteps;
	way->steps = palloc(sizeof(Step) * Max(way->nsteps, 1));
	for (i = 0; i < way->nsteps; i++)
	{
		way->steps[i] = route->steps[i];
		way->steps[i].leaves = palloc(sizeof(Leaf) * Max(way->steps[i].nleaves, 1));
		memcpy(way->steps[i].leaves, route->steps[i].leaves, sizeof(Leaf) * way->steps[i].nleaves);
	}
	initStringInfo(&way->bytes);
	MemoryContextSwitchTo(old);
	return way;
}

/*
 * The canonical text of a value that may be part of a key; of another type, as the
 * type writes it.
 */
static char *
part_text(Datum value, Oid type)
{
	Oid			function;
	bool		is_varlena;

	getTypeOutputInfo(type, &function, &is_varlena);
	return OidOutputFunctionCall(function, value);
}

/* Several values as one key, in the current memory context. */
static Datum
composite_key(int n, const Datum *values, const Oid *types)
{
	Datum		parts[PZ_PATH_COLUMNS];
	char	   *text;
	int			i;

	for (i = 0; i < n; i++)
		parts[i] = CStringGetTextDatum(part_text(values[i], types[i]));
	text = OidOutputFunctionCall(F_ARRAY_OUT, PointerGetDatum(construct_array(parts, n, TEXTOID, -1, false, TYPALIGN_INT)));
	return CStringGetTextDatum(text);
}

/*
 * Values at the end of a way as a key of its type: a number of eight bytes, a uuid,
 * a text.  In the current memory context.
 */
static Datum
make_key(PzKeyType key_type, int n, const Datum *values, const Oid *types)
{
	if (n > 1)
		return composite_key(n, values, types);
	if (!pz_key_is_plain(types[0], key_type))
		ereport(ERROR,
				(errcode(PZ_ERR_STATE),
				 errmsg("the subject column of a protected relation has a type that does not fit its kind"),
				 errhint("Ask a privacy officer to run personalize.unprotect() and personalize.protect() again.")));
	switch (key_type)
	{
		case PZ_KEY_INT:
			return Int64GetDatum(pz_key_number(values[0], types[0]));
		case PZ_KEY_UUID:
			return datumCopy(values[0], false, UUID_LEN);
		case PZ_KEY_TEXT:
		case PZ_KEY_UNSET:
			break;
	}
	return PointerGetDatum(cstring_to_text_with_len(VARDATA_ANY(DatumGetTextPP(values[0])),
													VARSIZE_ANY_EXHDR(DatumGetTextPP(values[0]))));
}

/*
 * Look for the row that values refer to, in one table.  If it is there: true, and
 * values become those that lead on, in the current memory context; *isnull if one
 * of them is null.
 */
static bool
look_into(const Step *step, const Leaf *leaf, Snapshot snapshot, Datum *values, bool *isnull)
{
	Relation	rel = table_open(leaf->relid, AccessShareLock);
	ScanKeyData keys[PZ_PATH_COLUMNS];
	SysScanDesc scan;
	HeapTuple	tup;
	int			i;

	for (i = 0; i < step->n; i++)
		ScanKeyEntryInitialize(&keys[i], 0, leaf->attnums[i], BTEqualStrategyNumber, step->righttypes[leaf->order[i]],
							   leaf->collations[i], step->equal[leaf->order[i]], values[leaf->order[i]]);
	scan = systable_beginscan(rel, leaf->indexid, true, snapshot, step->n, keys);
	tup = systable_getnext(scan);
	for (i = 0; HeapTupleIsValid(tup) && i < step->nnext; i++)
	{
		bool		null;

		values[i] = heap_getattr(tup, leaf->next[i], RelationGetDescr(rel), &null);
		if (null)
			*isnull = true;
		else
			values[i] = datumCopy(values[i], step->typbyval[i], step->typlen[i]);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return HeapTupleIsValid(tup);
}

/* The same in all tables of a step. */
static bool
take_step(const Step *step, Snapshot snapshot, Datum *values, bool *isnull)
{
	int			i;

	for (i = 0; i < step->nleaves; i++)
		if (look_into(step, &step->leaves[i], snapshot, values, isnull))
			return true;
	return false;
}

/* Write down a step and the bytes of the values that it begins with, so that no two have the same. */
static PzMemoKey
bytes_of(PzWay *way, int step, const Datum *values)
{
	PzMemoKey	key;
	int			n = step == 0 ? way->n : way->steps[step - 1].nnext;
	const int16 *typlen = step == 0 ? way->typlen : way->steps[step - 1].typlen;
	const bool *typbyval = step == 0 ? way->typbyval : way->steps[step - 1].typbyval;
	int			i;

	resetStringInfo(&way->bytes);
	appendStringInfoChar(&way->bytes, (char) step);
	for (i = 0; i < n; i++)
	{
		if (typbyval[i])
			appendBinaryStringInfo(&way->bytes, (char *) &values[i], sizeof(Datum));
		else if (typlen[i] > 0)
			appendBinaryStringInfo(&way->bytes, DatumGetPointer(values[i]), typlen[i]);
		else if (typlen[i] == -1)
		{
			struct varlena *v = PG_DETOAST_DATUM_PACKED(values[i]);
			uint32		len = VARSIZE_ANY_EXHDR(v);

			appendBinaryStringInfo(&way->bytes, (char *) &len, sizeof(len));
			appendBinaryStringInfo(&way->bytes, VARDATA_ANY(v), len);
		}
		else
			appendBinaryStringInfo(&way->bytes, DatumGetCString(values[i]), strlen(DatumGetCString(values[i])) + 1);
	}
	key.bytes = way->bytes.data;
	key.len = way->bytes.len;
	return key;
}

/* A key in the current memory context. */
static Datum
copy_key(const PzWay *way, Datum key)
{
	if (way->key_type == PZ_KEY_INT)
		return datumCopy(key, FLOAT8PASSBYVAL, sizeof(int64));
	return datumCopy(key, false, way->key_type == PZ_KEY_UUID ? UUID_LEN : -1);
}

/* Are two keys of a way the same? */
static bool
is_same_key(const PzWay *way, Datum a, Datum b)
{
	return datum_image_eq(a, b, way->key_type == PZ_KEY_INT && FLOAT8PASSBYVAL,
						  way->key_type == PZ_KEY_INT ? sizeof(int64) : way->key_type == PZ_KEY_UUID ? UUID_LEN : -1);
}

/* Remember whose rows are that a step begins with these bytes.  key must not be in way->memory. */
static void
remember(PzWay *way, PzMemoKey bytes, Datum key)
{
	MemoryContext old;
	Known	   *entry;
	bool		found;

	if (way->memory == NULL)
		way->memory = AllocSetContextCreate(way->mcxt, "personalize way to a subject", ALLOCSET_DEFAULT_SIZES);
	if (way->known == NULL || way->known->members >= MEMO_MOST)
	{
		MemoryContextReset(way->memory);
		way->known = known_create(way->memory, 64, NULL);
	}
	old = MemoryContextSwitchTo(way->memory);
	bytes.bytes = memcpy(palloc(bytes.len), bytes.bytes, bytes.len);
	entry = known_insert(way->known, bytes, &found);
	entry->key = copy_key(way, key);
	MemoryContextSwitchTo(old);
}

/*
 * Walk the way from a step on, from the values that it begins with, none of which is
 * null, as a snapshot sees it; *isnull if it leads to nobody, and way->lost if that is
 * because a row is not there.  memo: what is known may be used, and is added to.  Works
 * in the current memory context, where the result is.
 */
static Datum
walk(PzWay *way, int step, const Datum *start, Snapshot snapshot, bool memo, bool *isnull)
{
	Datum		values[PZ_PATH_COLUMNS];
	Datum		key;
	Known	   *entry;

	if (step == way->nsteps)
		return step == 0 ? make_key(way->key_type, way->n, start, way->types) :
			make_key(way->key_type, way->steps[step - 1].nnext, start, way->steps[step - 1].types);

	if (memo && way->known && (entry = known_lookup(way->known, bytes_of(way, step, start))) != NULL)
		return copy_key(way, entry->key);
	memcpy(values, start, sizeof(Datum) * way->steps[step].n);
	if (!take_step(&way->steps[step], snapshot, values, isnull))
		*isnull = way->lost = true;
	if (*isnull)
		return (Datum) 0;
	key = walk(way, step + 1, values, snapshot, memo, isnull);
	if (*isnull)
		return (Datum) 0;
	/* the buffer has been used for other steps meanwhile */
	if (memo)
		remember(way, bytes_of(way, step, start), key);
	return key;
}

/* The same by what is committed now, and the own transaction's changes. */
static Datum
walk_now(PzWay *way, const Datum *values, bool *isnull)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	Datum		key;

	*isnull = way->lost = false;
	key = walk(way, 0, values, snapshot, false, isnull);
	UnregisterSnapshot(snapshot);
	return key;
}

/*
 * The key of the subject that a row leads to, by its values of the path's columns,
 * none of which is null: a number of eight bytes, a uuid or a text, in the current
 * memory context.  *isnull if it leads to nobody; pz_way_is_lost() says whether because
 * a row that is referred to is not there.
 *
 * newer: the row may be newer than the statement (it locks or writes rows).  Then what
 * it refers to may be, too, under a name that another row had: only what both say is true.
 */
Datum
pz_way_key(PzWay *way, const Datum *values, bool newer, bool *isnull)
{
	Datum		key;
	Datum		other;

	*isnull = way->lost = false;
	key = walk(way, 0, values, GetActiveSnapshot(), !newer, isnull);
	/* nothing is written in parallel */
	if (way->nsteps == 0 || IsInParallelMode() || (*isnull ? !way->lost : !newer))
		return key;
	if (*isnull)
		return walk_now(way, values, isnull);
	other = walk_now(way, values, isnull);
	if (!*isnull && !is_same_key(way, key, other))
		*isnull = way->lost = true;
	return key;
}

/* Did the last key come to nothing because a row that is referred to is not there? */
bool
pz_way_is_lost(const PzWay *way)
{
	return way->lost;
}

/* What a call keeps from one row to the next */
typedef struct CallState
{
	uint64		serial;			/* of the frame, 0: none */
	PzWay	   *way;
} CallState;

/*
 * The way of a call with a mark and the columns of a path: one for all calls of a
 * statement, in the memory of its frame.
 */
static PzWay *
way_of_call(FunctionCallInfo fcinfo)
{
	CallState  *state = fcinfo->flinfo->fn_extra;
	PzRunning  *running = pz_frame_running();
	const PzMark *mark = (const PzMark *) PG_GETARG_POINTER(0);
	Oid			types[PZ_PATH_COLUMNS];
	int			n = PG_NARGS() - 1;
	int			i;

	if (state && state->serial == (running ? running->serial : 0))
		return state->way;
	if (n < 1 || n > PZ_PATH_COLUMNS)
		pz_call_refuse_direct();
	if (state == NULL)
		state = fcinfo->flinfo->fn_extra = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(CallState));
	state->way = NULL;
	for (i = 0; i < n; i++)
		types[i] = get_fn_expr_argtype(fcinfo->flinfo, i + 1);
	if (running)
	{
		for (state->way = running->ways; state->way; state->way = state->way->next)
			if (state->way->path_id == mark->path_id && memcmp(state->way->called, types, sizeof(Oid) * n) == 0)
				break;
		if (state->way == NULL)
		{
			state->way = pz_way_open(running->mcxt, mark->path_id, n, types);
			state->way->next = running->ways;
			running->ways = state->way;
		}
	}
	else
		state->way = pz_way_open(fcinfo->flinfo->fn_mcxt, mark->path_id, n, types);
	state->serial = running ? running->serial : 0;
	return state->way;
}

/* A row refers to one that is not there, and rows without a subject are visible: ERROR 55000. */
static void
refuse_lost(const PzMark *mark)
{
	PzPath		path;
	const PzRelation *rel;

	if (!pz_registry_path(mark->path_id, &path) || (rel = pz_registry_relation(path.relid)) == NULL || !rel->null_visible)
		return;
	ereport(ERROR,
			(errcode(PZ_ERR_STATE),
			 errmsg("a row of protected relation %s refers to a row that is not there", rel->name),
			 errdetail("Rows without a subject are visible in this relation, but this is not known to be one."),
			 errhint("End the transaction that deferred the foreign key; if it has ended, validate the foreign key.")));
}

/* The key of such a call; *isnull if the row leads to nobody. */
static Datum
key_of_call(FunctionCallInfo fcinfo, PzKeyType *key_type, bool *isnull)
{
	PzRunning  *running = pz_frame_running();
	PzWay	   *way;
	Datum		values[PZ_PATH_COLUMNS];
	Datum		key;
	int			i;

	pz_require_preloaded();
	way = way_of_call(fcinfo);
	for (i = 0; i < way->n; i++)
		values[i] = PG_GETARG_DATUM(i + 1);
	*key_type = way->key_type;
	key = pz_way_key(way, values, running == NULL || running->looks_again, isnull);
	if (*isnull && way->lost)
		refuse_lost((const PzMark *) PG_GETARG_POINTER(0));
	return key;
}

/*
 * path_key_int8/uuid/text(mark, VARIADIC columns): the key of the subject of a row.
 * Placed by the planner hook alone, which makes the marks.  STRICT: a row with a
 * null among the columns leads to nobody.
 */
PG_FUNCTION_INFO_V1(personalize_path_key);
Datum
personalize_path_key(PG_FUNCTION_ARGS)
{
	PzKeyType	key_type;
	bool		isnull;
	Datum		key = key_of_call(fcinfo, &key_type, &isnull);

	if (isnull)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(key);
}

/*
 * path_name(mark, VARIADIC columns): the same as canonical text, in statements that
 * serve rights.
 */
PG_FUNCTION_INFO_V1(personalize_path_name);
Datum
personalize_path_name(PG_FUNCTION_ARGS)
{
	PzKeyType	key_type;
	bool		isnull;
	Datum		key = key_of_call(fcinfo, &key_type, &isnull);

	if (isnull)
		PG_RETURN_NULL();
	switch (key_type)
	{
		case PZ_KEY_INT:
			PG_RETURN_TEXT_P(cstring_to_text(psprintf(INT64_FORMAT, DatumGetInt64(key))));
		case PZ_KEY_UUID:
			PG_RETURN_TEXT_P(cstring_to_text(DatumGetCString(DirectFunctionCall1(uuid_out, key))));
		case PZ_KEY_TEXT:
		case PZ_KEY_UNSET:
			break;
	}
	PG_RETURN_DATUM(key);
}

/*
 * Place the functions that a statement which serves rights names: those with a path's
 * number refuse, those with a mark do not.
 */
bool
pz_path_place(Node *node, void *context)
{
	const PzOids *oids = pz_registry_oids();
	FuncExpr   *f = (FuncExpr *) node;
	Const	   *path;

	if (node == NULL)
		return false;
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, pz_path_place, context, 0);
	if (IsA(node, FuncExpr) && (f->funcid == oids->rights_values || f->funcid == oids->rights_path_key))
	{
		path = linitial(f->args);
		if (!IsA(path, Const) || path->constisnull)
			pz_call_refuse_direct();
		linitial(f->args) = pz_mark_of_path(DatumGetInt32(path->constvalue));
		f->funcid = f->funcid == oids->rights_values ? oids->path_values : oids->path_name;
	}
	return expression_tree_walker(node, pz_path_place, context);
}
