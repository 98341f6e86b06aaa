/*-------------------------------------------------------------------------
 *
 * enforce_depend.c
 *	  What protected relations depend on that a command without their name
 *	  would reach: indexes that call functions of users, domains.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/transam.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_type.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/syscache.h"

#include "enforce.h"
#include "registry.h"

/* Is a function a user's? */
static bool
is_users_function(Oid funcid, void *context)
{
	return funcid >= FirstNormalObjectId;
}

/* Does an expression call a function of a user? */
static bool
calls_users(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (check_functions_in_node(node, is_users_function, context))
		return true;
	return expression_tree_walker(node, calls_users, context);
}

/*
 * Call fn for every protected relation and child of one that is there, until
 * it returns true; returns whether it did.  AccessShareLock while it is looked
 * at.
 */
static bool
any_protected(bool (*fn) (Relation rel, void *context), void *context)
{
	bool		found = false;
	ListCell   *lc;
	ListCell   *lt;

	foreach(lc, pz_registry_guarded())
	{
		if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(lfirst_oid(lc))))
			continue;
		foreach(lt, find_all_inheritors(lfirst_oid(lc), NoLock, NULL))
		{
			Relation	rel = try_table_open(lfirst_oid(lt), AccessShareLock);

			if (rel == NULL)
				continue;
			found = found || fn(rel, context);
			table_close(rel, AccessShareLock);
		}
	}
	return found;
}

/* Has a relation an index that calls functions of users? */
static bool
has_calling_index(Relation rel, void *context)
{
	bool		found = false;
	ListCell   *lc;

	foreach(lc, RelationGetIndexList(rel))
	{
		Relation	index = index_open(lfirst_oid(lc), AccessShareLock);

		found = found || calls_users((Node *) RelationGetIndexExpressions(index), NULL) ||
			calls_users((Node *) RelationGetIndexPredicate(index), NULL);
		index_close(index, AccessShareLock);
	}
	return found;
}

/*
 * Has a protected relation an index that calls functions of users?
 */
bool
pz_depend_index_calls_users(void)
{
	return any_protected(has_calling_index, NULL);
}

/*
 * Is a type a domain, over it or made of it?  A composite type may be.
 */
static bool
involves(Oid type, Oid domain)
{
	for (;;)
	{
		if (type == domain)
			return true;
		switch (get_typtype(type))
		{
			case TYPTYPE_DOMAIN:
				{
					HeapTuple	tup = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));

					if (!HeapTupleIsValid(tup))
						return true;
					type = ((Form_pg_type) GETSTRUCT(tup))->typbasetype;
					ReleaseSysCache(tup);
				}
				break;
			case TYPTYPE_BASE:
				type = get_element_type(type);
				if (!OidIsValid(type))
					return false;
				break;
			case TYPTYPE_ENUM:
				return false;
			default:
				return type >= FirstNormalObjectId;
		}
	}
}

/* Has a relation a column that involves a domain? */
static bool
has_domain(Relation rel, void *context)
{
	int			i;

	for (i = 0; i < RelationGetDescr(rel)->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(RelationGetDescr(rel), i);

		if (!att->attisdropped && involves(att->atttypid, *(Oid *) context))
			return true;
	}
	return false;
}

/*
 * Has a protected relation a column that the domain of this name is in?
 */
bool
pz_depend_holds_domain(List *name)
{
	Oid			domain = LookupTypeNameOid(NULL, makeTypeNameFromNameList(name), true);

	return OidIsValid(domain) && any_protected(has_domain, &domain);
}
