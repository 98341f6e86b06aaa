/*-------------------------------------------------------------------------
 *
 * registry_resolve.c
 *	  What the rows of the registry mean for one relation: its columns, its paths to
 *	  subjects, and whether an ancestor of it is registered.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_inherits.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "registry_private.h"

/*
 * A name as it is recorded and shown, with the schema before it unless that is NULL:
 * quoted where it must be and nowhere else, whatever the session says in
 * quote_all_identifiers.  By one name a relation is found again in the record of use.
 */
char *
pz_registry_quote(const char *schema, const char *name)
{
	bool		all = quote_all_identifiers;
	char	   *result;

	quote_all_identifiers = false;
	PG_TRY();
	{
		result = schema ? quote_qualified_identifier(schema, name) : pstrdup(quote_identifier(name));
	}
	PG_FINALLY();
	{
		quote_all_identifiers = all;
	}
	PG_END_TRY();
	return result;
}

/* Kind of a registry by number, NULL if there is none. */
static const PzKind *
find_kind(Registry *r, int32 kind_id)
{
	ListCell   *lc;

	foreach(lc, r->kinds)
	{
		PzKind	   *k = lfirst(lc);

		if (k->kind_id == kind_id)
			return k;
	}
	return NULL;
}

/* Registered row of a relation, NULL if it is not registered itself. */
static Registered *
find_registered(Registry *r, Oid relid)
{
	ListCell   *lc;

	foreach(lc, r->relations)
	{
		Registered *g = lfirst(lc);

		if (g->relid == relid)
			return g;
	}
	return NULL;
}

/*
 * The attribute of relid that a stored (attnum, name) of root means: by number
 * where the numbers are good, else by name; in a child by the name the column
 * has in root.  0 if there is none.
 */
static AttrNumber
resolve_column(Registry *r, Oid root, Oid relid, AttrNumber attnum, const char *name)
{
	if (r->anchored)
	{
		if (root == relid)
		{
			HeapTuple	tup = SearchSysCacheAttNum(relid, attnum);

			if (!HeapTupleIsValid(tup))
				return InvalidAttrNumber;
			ReleaseSysCache(tup);
			return attnum;
		}
		name = get_attname(root, attnum, true);
	}
	return name ? get_attnum(relid, name) : InvalidAttrNumber;
}

/*
 * All registered relations among relid and its ancestors, nearest first.
 * Looks at pg_inherits, so the answer is remembered by the caller.
 */
List *
pz_registry_ancestors(Registry *r, Oid relid)
{
	List	   *todo = list_make1_oid(relid);
	List	   *found = NIL;
	int			i;

	for (i = 0; i < list_length(todo); i++)
	{
		Oid			cur = list_nth_oid(todo, i);
		Registered *g = find_registered(r, cur);

		if (g)
			found = lappend(found, g);
		if (has_superclass(cur))
		{
			Relation	inh = table_open(InheritsRelationId, AccessShareLock);
			ScanKeyData key;
			SysScanDesc scan;
			HeapTuple	tup;

			ScanKeyInit(&key, Anum_pg_inherits_inhrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(cur));
			scan = systable_beginscan(inh, InheritsRelidSeqnoIndexId, true, NULL, 1, &key);
			while (HeapTupleIsValid(tup = systable_getnext(scan)))
				todo = list_append_unique_oid(todo, ((Form_pg_inherits) GETSTRUCT(tup))->inhparent);
			systable_endscan(scan);
			table_close(inh, AccessShareLock);
		}
	}
	return found;
}

/* The relation of a path, by its number; InvalidOid if there is none here. */
static Oid
relation_of_path(Registry *r, int32 path_id)
{
	ListCell   *lc;
	ListCell   *lr;

	foreach(lc, r->paths)
	{
		RegisteredPath *p = lfirst(lc);

		if (p->path_id != path_id)
			continue;
		foreach(lr, r->relations)
		{
			Registered *g = lfirst(lr);

			if (g->stored_relid == p->stored_relid)
				return g->relid;
		}
	}
	return InvalidOid;
}

/*
 * Fill in a path of a registered relation, for a child of it or itself.  False
 * if it leads nowhere: a column is gone, or the kind's keys are not what its
 * columns make up.
 */
bool
pz_registry_resolve_path(Registry *r, const RegisteredPath *p, const Registered *g, Oid relid, PzPath *path)
{
	const PzKind *kind = find_kind(r, p->kind_id);
	bool		whole = p->ncolumns > 0 && kind != NULL && kind->key_type != PZ_KEY_UNSET;
	int			i;

	memset(path, 0, sizeof(PzPath));
	path->path_id = p->path_id;
	path->kind_id = p->kind_id;
	path->key_type = kind ? kind->key_type : PZ_KEY_UNSET;
	path->relid = g->relid;
	path->via = p->via;
	path->ncolumns = p->ncolumns;
	for (i = 0; i < p->ncolumns; i++)
	{
		path->columns[i] = resolve_column(r, g->relid, relid, p->columns[i], p->column_names[i]);
		whole = whole && path->columns[i] > 0;
	}
	for (i = 0; p->via != 0 && i < p->ncolumns; i++)
	{
		Oid			next = relation_of_path(r, p->via);

		path->referred[i] = OidIsValid(next) ? resolve_column(r, next, next, p->referred[i], p->referred_names[i]) : InvalidAttrNumber;
		whole = whole && path->referred[i] > 0;
	}
	if (p->via == 0 && p->ncolumns == 1)
		path->attnum = path->columns[0];
	/* a key of several columns is a text */
	if (p->via == 0 && p->ncolumns > 1 && path->key_type != PZ_KEY_TEXT)
		whole = false;
	return whole;
}

/*
 * Build the entry of a relation from its registered ancestors.  With several,
 * the subject paths of all of them apply and the nearest one names it.
 */
PzRelation *
pz_registry_resolve(Registry *r, Oid relid, List *ancestors)
{
	PzRelation *rel = palloc0(sizeof(PzRelation));
	Registered *nearest = linitial(ancestors);
	HeapTuple	ctup;
	ListCell   *lc;
	int			i;

	rel->relid = relid;
	rel->root = nearest->relid;
	rel->has_net = nearest->has_net;
	rel->name = pz_registry_quote(get_namespace_name(get_rel_namespace(rel->root)), get_rel_name(rel->root));
	rel->null_visible = true;
	rel->observed = true;
	rel->paths = palloc0(sizeof(PzPath) * list_length(r->paths));

	ctup = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	if (!HeapTupleIsValid(ctup))
		elog(ERROR, "cache lookup failed for relation %u", relid);	/* cannot happen: the caller holds a lock */
	rel->ncolumns = ((Form_pg_class) GETSTRUCT(ctup))->relnatts;
	ReleaseSysCache(ctup);
	rel->columns = palloc0(sizeof(PzColumn) * Max(rel->ncolumns, 1));
	for (i = 0; i < rel->ncolumns; i++)
	{
		HeapTuple	tup = SearchSysCacheAttNum(relid, i + 1);

		rel->columns[i].category_id = -1;
		if (!HeapTupleIsValid(tup))
			continue;			/* dropped */
		rel->columns[i].name = pstrdup(NameStr(((Form_pg_attribute) GETSTRUCT(tup))->attname));
		ReleaseSysCache(tup);
	}

	foreach(lc, ancestors)
	{
		Registered *g = lfirst(lc);
		ListCell   *lp;
		int			npaths = rel->npaths;

		rel->null_visible = rel->null_visible && g->null_visible;
		rel->observed = rel->observed && g->observed;
		rel->orphan = rel->orphan || g->orphan;
		foreach(lp, r->paths)
		{
			RegisteredPath *p = lfirst(lp);

			if (p->stored_relid != g->stored_relid)
				continue;
			if (!pz_registry_resolve_path(r, p, g, relid, &rel->paths[rel->npaths++]))
				rel->broken = true;
		}
		if (rel->npaths == npaths)
			rel->broken = true;
		foreach(lp, r->columns)
		{
			RegisteredColumn *c = lfirst(lp);
			AttrNumber	attnum;

			if (c->stored_relid != g->stored_relid)
				continue;
			attnum = resolve_column(r, g->relid, relid, c->attnum, c->column_name);
			if (attnum > 0 && attnum <= rel->ncolumns && rel->columns[attnum - 1].category_id == -1)
			{
				rel->columns[attnum - 1].category_id = c->category_id;
				rel->columns[attnum - 1].mask = c->mask;
			}
		}
	}
	return rel;
}

/* Is a column one of those of a path? */
bool
pz_path_has_column(const PzPath *path, AttrNumber attnum)
{
	int			i;

	for (i = 0; i < path->ncolumns; i++)
		if (path->columns[i] == attnum)
			return true;
	return false;
}
