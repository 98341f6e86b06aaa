/*-------------------------------------------------------------------------
 *
 * enforce_nearest.c
 *	  Reading a protected relation in order of a distance, by an index.
 *
 * Such an index calculates the distance of its entries, and where it knows it
 * only roughly the executor calculates it anew for each row, before the row is
 * checked.  An error of that ("value out of range") tells of withheld rows, and
 * so does a function that gives what the distance is to.  So the planner is
 * told that the index cannot do it, unless the functions behind the operators
 * are marked LEAKPROOF, which superusers may do, or are those of pgvector, which
 * raise no error that depends on values: rows are sorted then.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_amop.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "nodes/pathnodes.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "enforce.h"
#include "registry.h"

/* Is a function in C of pgvector?  Superusers make such functions. */
static bool
is_of_pgvector(Oid funcid)
{
	HeapTuple	tup = SearchSysCache1(PROCOID, ObjectIdGetDatum(funcid));
	bool		isnull;
	Datum		library;
	bool		result;

	if (!HeapTupleIsValid(tup))
		return false;
	library = SysCacheGetAttr(PROCOID, tup, Anum_pg_proc_probin, &isnull);
	result = !isnull && ((Form_pg_proc) GETSTRUCT(tup))->prolang == ClanguageId &&
		strcmp(TextDatumGetCString(library), "$libdir/vector") == 0;
	ReleaseSysCache(tup);
	return result;
}

/* Has an operator family operators to order by of which errors could tell? */
static bool
orders_by_leaky(Oid opfamily)
{
	CatCList   *list = SearchSysCacheList1(AMOPSTRATEGY, ObjectIdGetDatum(opfamily));
	bool		result = false;
	int			i;

	for (i = 0; i < list->n_members; i++)
	{
		Form_pg_amop amop = (Form_pg_amop) GETSTRUCT(&list->members[i]->tuple);

		result = result || (amop->amoppurpose == AMOP_ORDER && !get_func_leakproof(get_opcode(amop->amopopr)) &&
							!is_of_pgvector(get_opcode(amop->amopopr)));
	}
	ReleaseSysCacheList(list);
	return result;
}

/*
 * The planner has read what there is to know of a relation: take the order of
 * distances from indexes of a protected one.  A hook of PostgreSQL calls it.
 */
void
pz_nearest_hide(Oid relid, RelOptInfo *rel)
{
	const PzRelation *guarded = pz_registry_guards(relid) ? pz_registry_relation(relid) : NULL;
	ListCell   *lc;
	int			i;

	if (guarded == NULL || guarded->observed)
		return;
	foreach(lc, rel->indexlist)
	{
		IndexOptInfo *index = lfirst_node(IndexOptInfo, lc);

		for (i = 0; i < index->nkeycolumns && index->amcanorderbyop; i++)
			if (orders_by_leaky(index->opfamily[i]))
				index->amcanorderbyop = false;
	}
}
