/*-------------------------------------------------------------------------
 *
 * enforce_mark.c
 *	  Make and recognise the calls that the planner hook places in queries.
 *
 *		row_ok(mark, subject)			may this row be used?
 *		cell_ok(mark, subject)			may cells of a category of it be?
 *		write_ok(mark, subject)			the same, or an error
 *		keep_subject(mark, old, new)	new value of a subject column
 *		path_key_...(mark, columns)		the subject, where it is not one column (enforce_path.c)
 *
 * mark is a constant of type personalize.plan_mark, which no SQL can make: so
 * nobody can ask these functions about a person.  It says which path to a
 * subject is meant, and for which purpose: that of the session, so that the
 * plan stays valid for any, or the one that a purpose view is bound to.
 *
 * A purpose view says for_purpose('...') in its WHERE; the planner hook takes
 * that away and remembers it in the marks.
 *
 * The policies that protect() made call policy_ok and net_ok instead; where
 * these are still there at run time, a path got past the planner hook, and
 * they raise.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_coerce.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "compat.h"
#include "enforce_mark.h"
#include "errors.h"

/* Is funcid one of the functions that our policies call? */
bool
pz_mark_is_policy_function(Oid funcid)
{
	const PzOids *oids = pz_registry_oids();

	return funcid == oids->net_ok ||
		funcid == oids->policy_ok[PZ_KEY_INT] ||
		funcid == oids->policy_ok[PZ_KEY_UUID] ||
		funcid == oids->policy_ok[PZ_KEY_TEXT];
}

/*
 * Are there masks for a column (from 0)?  Where a person may have agreed to the
 * row and not to it: categories that are special, or that somebody treats
 * apart from the rest.  Subject columns are usable by whoever may use the row.
 */
bool
pz_mark_masks(const PzRelation *rel, int column)
{
	const PzColumn *col = &rel->columns[column];
	const PzCategory *category = col->name ? pz_registry_category(col->category_id) : NULL;

	return !rel->observed && category != NULL && category->category_id != PZ_CATEGORY_NONE &&
		(category->special || category->partial) && !pz_registry_leads_to_subject(rel, column + 1);
}

/*
 * What is to be done about an entry of a query: allocated in the current
 * memory context.
 */
PzGuarded *
pz_mark_guarded(RangeTblEntry *rte, Index varno, const PzRelation *rel, int32 purpose_id)
{
	PzGuarded  *guarded = palloc0(sizeof(PzGuarded));
	int			i;

	guarded->rte = rte;
	guarded->rel = rel;
	guarded->varno = varno;
	guarded->purpose_id = purpose_id;
	for (i = 0; i < rel->ncolumns; i++)
	{
		if (!pz_mark_masks(rel, i))
			continue;
		guarded->masked = bms_add_member(guarded->masked, i + 1);
		guarded->categories = list_append_unique_int(guarded->categories, rel->columns[i].category_id);
	}
	return guarded;
}

/* A mark as a constant. */
static Const *
make_mark(int32 path_id, int32 purpose_id, int32 category_id, List *masked)
{
	Size		size = offsetof(PzMark, masked) + sizeof(int32) * list_length(masked);
	PzMark	   *mark = palloc0(size);
	ListCell   *lc;

	SET_VARSIZE(mark, size);
	mark->path_id = path_id;
	mark->purpose_id = purpose_id;
	mark->category_id = category_id;
	foreach(lc, masked)
		mark->masked[mark->nmasked++] = lfirst_int(lc);
	return makeConst(pz_registry_oids()->mark_type, -1, InvalidOid, -1, PointerGetDatum(mark), false, false);
}

/* A mark that says which path is meant, and nothing else. */
Const *
pz_mark_of_path(int32 path_id)
{
	return make_mark(path_id, PZ_PURPOSE_NONE, PZ_CATEGORY_ROW, NIL);
}

/* A column of an entry, of the same row as the column like, if that is not NULL. */
static Var *
make_column(const PzGuarded *guarded, AttrNumber attnum, const Var *like)
{
	Oid			type;
	int32		typmod;
	Oid			collation;
	Var		   *var;

	get_atttypetypmodcoll(guarded->rel->relid, attnum, &type, &typmod, &collation);
	var = makeVar(guarded->varno, attnum, type, typmod, collation, 0);
	if (like)
		pz_var_like_compat(var, like);
	return var;
}

/*
 * The subject's key of a path, as an argument of the checks.  Of the same row
 * as the column like, or of the entry itself where that is NULL.
 * ERROR 55000 if the subject column's type no longer fits the kind.
 */
static Node *
make_key(const PzGuarded *guarded, const PzPath *path, const Var *like)
{
	static const Oid key_types[] = {InvalidOid, INT8OID, UUIDOID, TEXTOID};
	Var		   *var;
	Node	   *key;

	if (path->attnum == InvalidAttrNumber)
	{
		List	   *args = list_make1(make_mark(path->path_id, guarded->purpose_id, PZ_CATEGORY_ROW, NIL));
		Oid			collation = path->key_type == PZ_KEY_TEXT ? DEFAULT_COLLATION_OID : InvalidOid;
		int			i;

		for (i = 0; i < path->ncolumns; i++)
			args = lappend(args, make_column(guarded, path->columns[i], like));
		return (Node *) makeFuncExpr(pz_registry_oids()->path_key[path->key_type], key_types[path->key_type], args,
									 collation, InvalidOid, COERCE_EXPLICIT_CALL);
	}
	var = make_column(guarded, path->attnum, like);
	key = coerce_to_target_type(NULL, (Node *) var, var->vartype, key_types[path->key_type], -1,
								COERCION_IMPLICIT, COERCE_IMPLICIT_CAST, -1);
	if (key == NULL)
		ereport(ERROR,
				(errcode(PZ_ERR_STATE),
				 errmsg("the subject column of protected relation %s has a type that does not fit its kind", guarded->rel->name),
				 errhint("Ask a privacy officer to run personalize.unprotect() and personalize.protect() again.")));
	return key;
}

/* A call of one of the checks, by the type of the key. */
static Expr *
make_check(const Oid *functions, const PzGuarded *guarded, const PzPath *path, Const *mark, const Var *like)
{
	Node	   *key = make_key(guarded, path, like);

	return (Expr *) makeFuncExpr(functions[path->key_type], BOOLOID, list_make2(mark, key),
								 InvalidOid, exprCollation(key), COERCE_EXPLICIT_CALL);
}

/*
 * The row check of one path of an entry.
 */
Expr *
pz_mark_row_check(const PzGuarded *guarded, const PzPath *path)
{
	return make_check(pz_registry_oids()->row_ok, guarded, path,
					  make_mark(path->path_id, guarded->purpose_id, PZ_CATEGORY_ROW, guarded->categories), NULL);
}

/* A check of all paths of an entry, for one category. */
static Expr *
check_category(const Oid *functions, const PzGuarded *guarded, int32 category_id, const Var *like)
{
	List	   *checks = NIL;
	int			i;

	for (i = 0; i < guarded->rel->npaths; i++)
	{
		const PzPath *path = &guarded->rel->paths[i];

		checks = lappend(checks, make_check(functions, guarded, path,
											make_mark(path->path_id, guarded->purpose_id, category_id, NIL), like));
	}
	return make_ands_explicit(checks);
}

/*
 * May cells of a category be used, of the row that the column like is of
 * (NULL: the entry's own)?  True only if every subject of the row agreed.
 */
Expr *
pz_mark_cell_check(const PzGuarded *guarded, int32 category_id, const Var *like)
{
	return check_category(pz_registry_oids()->cell_ok, guarded, category_id, like);
}

/*
 * The same for a cell that is written to: true, or an error at run time.
 */
Expr *
pz_mark_write_check(const PzGuarded *guarded, int32 category_id)
{
	return check_category(pz_registry_oids()->write_ok, guarded, category_id, NULL);
}

/*
 * The new value of a column of a path: value, or an error at run time where that
 * leads to another subject and the role is no privacy officer.
 */
Expr *
pz_mark_keep_subject(const PzGuarded *guarded, const PzPath *path, AttrNumber attnum, Expr *value)
{
	Var		   *old = make_column(guarded, attnum, NULL);

	return (Expr *) makeFuncExpr(pz_registry_oids()->keep_subject, old->vartype,
								 list_make3(make_mark(path->path_id, guarded->purpose_id, PZ_CATEGORY_ROW, NIL), old, value),
								 old->varcollid, old->varcollid, COERCE_EXPLICIT_CALL);
}

/* Is funcid one of three functions, by the type of the key? */
static bool
is_one_of(Oid funcid, const Oid *functions)
{
	return funcid == functions[PZ_KEY_INT] || funcid == functions[PZ_KEY_UUID] || funcid == functions[PZ_KEY_TEXT];
}

/*
 * Is this a check of rows or cells?  With a mark in it, it has been placed by
 * the planner hook; without, it raises at run time.
 */
bool
pz_mark_is_check(Oid funcid)
{
	const PzOids *oids = pz_registry_oids();

	return is_one_of(funcid, oids->row_ok) || is_one_of(funcid, oids->cell_ok);
}

/* Is this what computes the subject of a row?  It takes a mark, so the planner hook has placed it. */
bool
pz_mark_is_key(Oid funcid)
{
	return is_one_of(funcid, pz_registry_oids()->path_key);
}

/*
 * Is this a call of a check that the planner hook has placed?  Nobody else has
 * a mark to give it.
 */
bool
pz_mark_is_placed(const FuncExpr *f)
{
	const Const *mark = list_length(f->args) == 2 ? linitial(f->args) : NULL;

	return pz_mark_is_check(f->funcid) && mark && IsA(mark, Const) &&
		mark->consttype == pz_registry_oids()->mark_type && !mark->constisnull;
}

/*
 * The mark of a row check that the planner hook has placed; NULL if qual is
 * something else.
 */
const PzMark *
pz_mark_of_row_check(Node *qual)
{
	const PzOids *oids = pz_registry_oids();
	FuncExpr   *f = (FuncExpr *) qual;
	Const	   *mark;

	if (qual == NULL || !IsA(qual, FuncExpr) || list_length(f->args) != 2 || !is_one_of(f->funcid, oids->row_ok))
		return NULL;
	mark = linitial(f->args);
	if (!IsA(mark, Const) || mark->consttype != oids->mark_type || mark->constisnull)
		return NULL;
	return (const PzMark *) DatumGetPointer(mark->constvalue);
}

/* Is this qual such a row check, of this path (0: of any)? */
bool
pz_mark_is_row_check(Node *qual, int32 path_id)
{
	const PzMark *mark = pz_mark_of_row_check(qual);

	return mark != NULL && (path_id == 0 || mark->path_id == path_id);
}

/*
 * The purpose that a call of for_purpose names.  ERROR 42501 if it names none,
 * or one that does not exist.
 */
static int32
named_purpose(FuncExpr *call)
{
	Const	   *name = linitial(call->args);
	const PzPurpose *purpose;

	if (!IsA(name, Const) || name->constisnull)
		ereport(ERROR,
				(errcode(PZ_ERR_REFUSED),
				 errmsg("personalize.for_purpose() must name a purpose as a constant"),
				 errhint("Make the view with personalize.create_view().")));
	purpose = pz_registry_purpose_by_name(TextDatumGetCString(name->constvalue));
	if (purpose == NULL)
		ereport(ERROR,
				(errcode(PZ_ERR_REFUSED),
				 errmsg("purpose \"%s\" of a view does not exist", TextDatumGetCString(name->constvalue)),
				 errhint("Drop the view, or ask a privacy officer to define the purpose with personalize.define_purpose().")));
	return purpose->purpose_id;
}

/* Is this a call of for_purpose? */
static bool
binds_purpose(Node *qual)
{
	return qual && IsA(qual, FuncExpr) && ((FuncExpr *) qual)->funcid == pz_registry_oids()->for_purpose;
}

/*
 * Note that something is bound to a purpose; *found: it is already, to
 * *purpose_id.  ERROR 42501 if that is another.
 */
void
pz_mark_bind(int32 id, int32 *purpose_id, bool *found)
{
	if (*found && *purpose_id != id)
		ereport(ERROR,
				(errcode(PZ_ERR_REFUSED),
				 errmsg("a query cannot be bound to two purposes at once"),
				 errhint("Use a view for each purpose and join the views.")));
	*purpose_id = id;
	*found = true;
}

/* Note the purpose of a call. */
static void
note_purpose(FuncExpr *call, int32 *purpose_id, bool *found)
{
	pz_mark_bind(named_purpose(call), purpose_id, found);
}

/*
 * Do quals, ANDed, bind their query to a purpose?  Sets *purpose_id if so.
 */
bool
pz_mark_find_purpose(Node *quals, int32 *purpose_id)
{
	bool		found = false;
	ListCell   *lc;

	if (binds_purpose(quals))
		note_purpose((FuncExpr *) quals, purpose_id, &found);
	else if (quals && is_andclause(quals))
		foreach(lc, ((BoolExpr *) quals)->args)
			if (binds_purpose(lfirst(lc)))
				note_purpose(lfirst(lc), purpose_id, &found);
	return found;
}

/*
 * The same; the calls are taken away, true stands for them.
 */
bool
pz_mark_take_purpose(Node **quals, int32 *purpose_id)
{
	BoolExpr   *clause = (BoolExpr *) *quals;
	List	   *args = NIL;
	ListCell   *lc;

	if (!pz_mark_find_purpose(*quals, purpose_id))
		return false;
	if (!is_andclause(*quals))
	{
		*quals = makeBoolConst(true, false);
		return true;
	}
	foreach(lc, clause->args)
		if (!binds_purpose(lfirst(lc)))
			args = lappend(args, lfirst(lc));
	*quals = (Node *) make_ands_explicit(args);
	return true;
}
