/*-------------------------------------------------------------------------
 *
 * enforce_route.c
 *	  Which foreign keys a path goes by, as the catalogs have them.
 *
 * Kept from one statement to the next: reading the catalogs takes longer than the look
 * for a row.  A change of any relation on a route, or of the registry, makes all be
 * read anew.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/transam.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_inherits.h"
#include "nodes/nodes.h"
#include "parser/parse_coerce.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "enforce_route.h"
#include "errors.h"

static MemoryContext route_mcxt = NULL;
static List *routes = NIL;		/* Route */
static uint64 route_registry = 0;	/* of the registry they were made by */
static bool route_stale = false;
static bool building = false;	/* a route is: whatever changes may be on it */

/*
 * Relation cache message: an index, a foreign key or a partition on a route may be
 * another.  May come at any time, so it only sets a flag.
 */
static void
route_callback(Datum arg, Oid relid)
{
	ListCell   *lc;

	route_stale = route_stale || building;
	foreach(lc, routes)
		if (!OidIsValid(relid) || list_member_oid(((Route *) lfirst(lc))->relids, relid))
			route_stale = true;
}

/* Forget routes that may not be true any more. */
static void
forget_stale(void)
{
	uint64		now = pz_registry_generation();

	if (route_mcxt && !route_stale && route_registry == now)
		return;
	if (route_mcxt)
		MemoryContextReset(route_mcxt);
	else
	{
		route_mcxt = AllocSetContextCreate(TopMemoryContext, "personalize routes", ALLOCSET_SMALL_SIZES);
		CacheRegisterRelcacheCallback(route_callback, (Datum) 0);
	}
	routes = NIL;
	route_stale = false;
	route_registry = now;
}

/* A way that is none any more: ERROR 55000. */
static void
report_lost(Oid relid)
{
	ereport(ERROR,
			(errcode(PZ_ERR_STATE),
			 errmsg("the foreign key by which protected relation %s leads to a subject cannot be found",
					quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)), get_rel_name(relid))),
			 errhint("Add the foreign key again and validate it, or ask a privacy officer to run personalize.unprotect() "
					 "and personalize.protect() again.")));
}

/* What a foreign key says that the relation cache does not */
typedef struct KeyFacts
{
	bool		valid;			/* it holds for every row */
	Oid			indexid;		/* what it rests on */
	Oid			parent;			/* of which it is a part; InvalidOid: none */
} KeyFacts;

/* These facts. */
static KeyFacts
facts_of(Oid conoid)
{
	HeapTuple	tup = SearchSysCache1(CONSTROID, ObjectIdGetDatum(conoid));
	KeyFacts	facts = {false, InvalidOid, InvalidOid};

	if (HeapTupleIsValid(tup))
	{
		Form_pg_constraint con = (Form_pg_constraint) GETSTRUCT(tup);

		facts.valid = con->convalidated;
		facts.indexid = con->conindid;
		facts.parent = con->conparentid;
		ReleaseSysCache(tup);
	}
	return facts;
}

/* Is a foreign key part of another? */
static bool
is_part_of(Oid conoid, Oid whole)
{
	while (OidIsValid(conoid) && conoid != whole)
		conoid = facts_of(conoid).parent;
	return conoid == whole;
}

/*
 * Does a foreign key compare values of one built-in type, as the index is asked with
 * those of the row as they are?
 */
static bool
compares_one_type(const ForeignKeyCacheInfo *fk)
{
	int			i;

	for (i = 0; i < fk->nkeys; i++)
	{
		Oid			type = getBaseType(get_atttype(fk->conrelid, fk->conkey[i]));
		Oid			left;
		Oid			right;

		op_input_types(fk->conpfeqop[i], &left, &right);
		if (fk->conpfeqop[i] >= FirstNormalObjectId || (right != type && !IsBinaryCoercible(type, right)))
			return false;
	}
	return true;
}

/*
 * Fill in a table that the rows referred to are in.  The columns of the foreign
 * key are put into the order of the index, which a scan of it wants.
 */
static void
fill_leaf(Leaf *leaf, const ForeignKeyCacheInfo *fk, const PzPath *next)
{
	Relation	rel = table_open(fk->confrelid, AccessShareLock);
	Relation	index;
	int			n = 0;
	int			i;
	int			j;

	leaf->relid = fk->confrelid;
	leaf->indexid = facts_of(fk->conoid).indexid;
	index = index_open(leaf->indexid, AccessShareLock);
	for (i = 0; i < IndexRelationGetNumberOfKeyAttributes(index); i++)
		for (j = 0; j < fk->nkeys; j++)
			if (index->rd_index->indkey.values[i] == fk->confkey[j])
			{
				leaf->order[n] = j;
				leaf->attnums[n] = fk->confkey[j];
				leaf->collations[n] = index->rd_indcollation[i];
				n++;
			}
	if (n != fk->nkeys)
		elog(ERROR, "index %u does not fit foreign key %u", leaf->indexid, fk->conoid);	/* cannot happen */
	for (i = 0; i < next->ncolumns; i++)
		leaf->next[i] = fk->confrelid == next->relid ? next->columns[i] :
			get_attnum(fk->confrelid, get_attname(next->relid, next->columns[i], false));
	index_close(index, NoLock);
	table_close(rel, NoLock);
}

/*
 * Fill in the step from the relation of a path to that of the path it goes by,
 * in mcxt.  ERROR 55000 if the foreign key is gone.
 */
static void
fill_step(Step *step, const PzPath *path, const PzPath *next, MemoryContext mcxt)
{
	Relation	rel = table_open(path->relid, AccessShareLock);
	/* messages that come meanwhile may change the list */
	List	   *fks = copyObject(RelationGetFKeyList(rel));
	List	   *tables = find_all_inheritors(next->relid, AccessShareLock, NULL);
	bool		partitioned = get_rel_relkind(next->relid) == RELKIND_PARTITIONED_TABLE;
	Oid			whole = InvalidOid;
	ListCell   *lc;
	int			i;

	memset(step, 0, sizeof(Step));
	step->leaves = MemoryContextAllocZero(mcxt, sizeof(Leaf) * list_length(tables));
	foreach(lc, fks)
	{
		ForeignKeyCacheInfo *fk = lfirst(lc);

		/* the one that was registered: another may lead to other rows */
		if (fk->confrelid != next->relid || fk->nkeys != path->ncolumns || !facts_of(fk->conoid).valid ||
			memcmp(fk->conkey, path->columns, sizeof(AttrNumber) * fk->nkeys) != 0 ||
			memcmp(fk->confkey, path->referred, sizeof(AttrNumber) * fk->nkeys) != 0 || !compares_one_type(fk))
			continue;
		whole = fk->conoid;
		step->n = fk->nkeys;
		for (i = 0; i < step->n; i++)
		{
			Oid			left;

			op_input_types(fk->conpfeqop[i], &left, &step->righttypes[i]);
			step->equal[i] = get_opcode(fk->conpfeqop[i]);
		}
		if (!partitioned)
			fill_leaf(&step->leaves[step->nleaves++], fk, next);
		break;
	}
	foreach(lc, partitioned && OidIsValid(whole) ? fks : NIL)
	{
		ForeignKeyCacheInfo *fk = lfirst(lc);

		if (fk->conoid != whole && list_member_oid(tables, fk->confrelid) &&
			get_rel_relkind(fk->confrelid) == RELKIND_RELATION && is_part_of(fk->conoid, whole))
			fill_leaf(&step->leaves[step->nleaves++], fk, next);
	}
	if (step->n == 0)
		report_lost(path->relid);
	step->nnext = next->ncolumns;
	for (i = 0; i < step->nnext; i++)
	{
		step->types[i] = getBaseType(get_atttype(next->relid, next->columns[i]));
		get_typlenbyval(step->types[i], &step->typlen[i], &step->typbyval[i]);
	}
	list_free(tables);
	table_close(rel, NoLock);
}

/*
 * The route of a path.  ERROR 55000 if it leads nowhere.
 *
 * Locks: AccessShareLock on the relations of the route, until the transaction ends.
 */
const Route *
pz_route_find(int32 path_id)
{
	MemoryContext mcxt;
	MemoryContext old;
	PzPath		path;
	PzPath		next;
	Route	   *route = NULL;
	ListCell   *lc;
	int			i;

	for (;;)
	{
		bool		found = false;

		forget_stale();
		foreach(lc, routes)
		{
			route = lfirst(lc);
			if (route->path_id == path_id)
			{
				found = true;
				break;
			}
		}
		if (!found)
			break;
		foreach(lc, route->relids)
		{
			LockRelationOid(lfirst_oid(lc), AccessShareLock);
			/* what came with the lock */
			if (route_stale)
				break;
		}
		if (!route_stale)
			return route;
	}

	if (!pz_registry_path(path_id, &path))
		ereport(ERROR,
				(errcode(PZ_ERR_STATE),
				 errmsg("a registered path to a subject cannot be found any more"),
				 errhint("See personalize.status(), then run personalize.unprotect() and personalize.protect() again.")));
	/* of the caller's memory until nothing can fail any more */
	mcxt = AllocSetContextCreate(CurrentMemoryContext, "personalize route", ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(mcxt);
	building = true;
	PG_TRY();
	{
		route = palloc0(sizeof(Route));
		route->path_id = path_id;
		route->key_type = path.key_type;
		route->ncolumns = path.ncolumns;
		route->relids = list_make1_oid(path.relid);
		LockRelationOid(path.relid, AccessShareLock);
		while (path.via != 0)
		{
			if (!pz_registry_path(path.via, &next) || route->nsteps >= PZ_ROUTE_STEPS)
				report_lost(path.relid);
			route->steps = route->steps ? repalloc(route->steps, sizeof(Step) * (route->nsteps + 1)) : palloc(sizeof(Step));
			fill_step(&route->steps[route->nsteps], &path, &next, mcxt);
			route->relids = list_append_unique_oid(route->relids, next.relid);
			for (i = 0; i < route->steps[route->nsteps].nleaves; i++)
				route->relids = list_append_unique_oid(route->relids, route->steps[route->nsteps].leaves[i].relid);
			route->nsteps++;
			path = next;
		}
	}
	PG_FINALLY();
	{
		building = false;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(route_mcxt);
	routes = lappend(routes, route);
	MemoryContextSetParent(mcxt, route_mcxt);
	MemoryContextSwitchTo(old);
	return route;
}
