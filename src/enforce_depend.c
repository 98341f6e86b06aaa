/*-------------------------------------------------------------------------
 *
 * enforce_depend.c
 *	  What protected relations depend on that a command without their name
 *	  would reach: functions of users in indexes, statistics and types; domains.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/transam.h"
#include "catalog/pg_index.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_range.h"
#include "catalog/pg_statistic_ext.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_type.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

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

/* Has a range type a function that a user may have written? */
static bool
range_calls_users(Form_pg_range range)
{
	return range->rngcanonical >= FirstNormalObjectId || range->rngsubdiff >= FirstNormalObjectId;
}

/*
 * Do values of a type call functions of users when they are made or compared?
 * Those of a range type may; operator classes are superusers'.
 */
bool
pz_depend_type_calls_users(Oid type)
{
	HeapTuple	tup;
	bool		result = false;

	check_stack_depth();
	if (type < FirstNormalObjectId)
		return false;
	type = getBaseType(type);
	switch (get_typtype(type))
	{
		case TYPTYPE_MULTIRANGE:
			type = get_multirange_range(type);
			/* FALLTHROUGH */
		case TYPTYPE_RANGE:
			tup = SearchSysCache1(RANGETYPE, ObjectIdGetDatum(type));
			if (HeapTupleIsValid(tup))
			{
				Form_pg_range range = (Form_pg_range) GETSTRUCT(tup);
				Oid			subtype = range->rngsubtype;

				result = range_calls_users(range);
				ReleaseSysCache(tup);
				result = result || pz_depend_type_calls_users(subtype);
			}
			return result;
		case TYPTYPE_COMPOSITE:
			{
				TupleDesc	desc = lookup_rowtype_tupdesc(type, -1);
				int			i;

				for (i = 0; i < desc->natts && !result; i++)
					result = !TupleDescAttr(desc, i)->attisdropped && pz_depend_type_calls_users(TupleDescAttr(desc, i)->atttypid);
				ReleaseTupleDesc(desc);
				return result;
			}
		case TYPTYPE_BASE:
			type = get_element_type(type);
			return OidIsValid(type) && pz_depend_type_calls_users(type);
		default:
			return false;
	}
}

/* Has a relation or an index a column of such a type? */
static bool
has_calling_type(TupleDesc desc)
{
	int			i;

	for (i = 0; i < desc->natts; i++)
		if (!TupleDescAttr(desc, i)->attisdropped && pz_depend_type_calls_users(TupleDescAttr(desc, i)->atttypid))
			return true;
	return false;
}

/*
 * A command that may call no function of a user begins: have those of range
 * types watched, too.  A session that has used the type keeps how to call its
 * functions, and whether they are watched was decided then.
 */
void
pz_depend_watch_ranges(void)
{
	Relation	pg_range = table_open(RangeRelationId, AccessShareLock);
	SysScanDesc scan = systable_beginscan(pg_range, InvalidOid, false, NULL, 0, NULL);
	HeapTuple	tup;

	while (HeapTupleIsValid(tup = systable_getnext(scan)))
	{
		Form_pg_range range = (Form_pg_range) GETSTRUCT(tup);
		TypeCacheEntry *entry;

		if (!range_calls_users(range))
			continue;
		entry = lookup_type_cache(range->rngtypid, TYPECACHE_RANGE_INFO);
		if (OidIsValid(entry->rng_canonical_finfo.fn_oid))
			fmgr_info_cxt(entry->rng_canonical_finfo.fn_oid, &entry->rng_canonical_finfo, CacheMemoryContext);
		if (OidIsValid(entry->rng_subdiff_finfo.fn_oid))
			fmgr_info_cxt(entry->rng_subdiff_finfo.fn_oid, &entry->rng_subdiff_finfo, CacheMemoryContext);
	}
	systable_endscan(scan);
	table_close(pg_range, AccessShareLock);
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

/* A tree from a column of a catalog; NULL if it is NULL there. */
static Node *
catalog_tree(int cacheid, HeapTuple tup, AttrNumber attnum)
{
	bool		isnull;
	Datum		d = SysCacheGetAttr(cacheid, tup, attnum, &isnull);

	return isnull ? NULL : stringToNode(TextDatumGetCString(d));
}

/*
 * The expressions and the condition of an index as its owner wrote them.  The
 * relcache would give them simplified, and for that call functions of the
 * owner as the current user, who may be anybody.
 */
void
pz_depend_index_trees(Oid indexid, Node **expressions, Node **predicate)
{
	HeapTuple	tup = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(indexid));

	*expressions = *predicate = NULL;
	if (!HeapTupleIsValid(tup))
		return;
	*expressions = catalog_tree(INDEXRELID, tup, Anum_pg_index_indexprs);
	*predicate = catalog_tree(INDEXRELID, tup, Anum_pg_index_indpred);
	ReleaseSysCache(tup);
}

/* Is a function of a user in SQL or a procedural language? */
static bool
is_code(Oid funcid, void *context)
{
	HeapTuple	tup;
	bool		result = false;

	if (funcid < FirstNormalObjectId)
		return false;
	tup = SearchSysCache1(PROCOID, ObjectIdGetDatum(funcid));
	if (HeapTupleIsValid(tup))
	{
		Oid			language = ((Form_pg_proc) GETSTRUCT(tup))->prolang;

		result = language != INTERNALlanguageId && language != ClanguageId;
		ReleaseSysCache(tup);
	}
	return result;
}

/* Does an expression call one? */
static bool
calls_code(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (check_functions_in_node(node, is_code, context) || IsA(node, CoerceToDomain))
		return true;
	return expression_tree_walker(node, calls_code, context);
}

/* Do the values that an index compares call functions of users? */
bool
pz_depend_compares_by_code(Relation index)
{
	return has_calling_type(RelationGetDescr(index));
}

/* Does an index call functions of users in SQL or a procedural language about rows it has met? */
bool
pz_depend_index_calls_code(Relation index)
{
	Node	   *expressions;
	Node	   *predicate;

	pz_depend_index_trees(RelationGetRelid(index), &expressions, &predicate);
	return calls_code(expressions, NULL) || pz_depend_compares_by_code(index);
}

/* Does a built-in function run a text that it is given? */
static bool
runs_queries(Oid funcid, void *context)
{
	switch (funcid)
	{
		case F_QUERY_TO_XML:
		case F_QUERY_TO_XMLSCHEMA:
		case F_QUERY_TO_XML_AND_XMLSCHEMA:
		case F_CURSOR_TO_XML:
		case F_CURSOR_TO_XMLSCHEMA:
		case F_TABLE_TO_XML:
		case F_TABLE_TO_XMLSCHEMA:
		case F_TABLE_TO_XML_AND_XMLSCHEMA:
		case F_SCHEMA_TO_XML:
		case F_SCHEMA_TO_XMLSCHEMA:
		case F_SCHEMA_TO_XML_AND_XMLSCHEMA:
		case F_TS_STAT_TEXT:
		case F_TS_STAT_TEXT_TEXT:
		case F_TS_REWRITE_TSQUERY_TEXT:
			return true;
		default:
			return false;
	}
}

/* Does an expression call one? */
static bool
calls_queries(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (check_functions_in_node(node, runs_queries, context))
		return true;
	return expression_tree_walker(node, calls_queries, context);
}

/*
 * Do constraints, generated columns or indexes of a relation run queries whose
 * text could hold a cell of the row that is written?
 */
bool
pz_depend_constraints_run_queries(Relation rel)
{
	TupleConstr *constr = RelationGetDescr(rel)->constr;
	bool		found = false;
	ListCell   *lc;
	int			i;

	for (i = 0; constr && i < constr->num_check; i++)
		found = found || calls_queries(stringToNode(constr->check[i].ccbin), NULL);
	for (i = 0; constr && i < constr->num_defval; i++)
		if (TupleDescAttr(RelationGetDescr(rel), constr->defval[i].adnum - 1)->attgenerated)
			found = found || calls_queries(stringToNode(constr->defval[i].adbin), NULL);
	foreach(lc, RelationGetIndexList(rel))
	{
		Node	   *expressions;
		Node	   *predicate;

		pz_depend_index_trees(lfirst_oid(lc), &expressions, &predicate);
		found = found || calls_queries(expressions, NULL) || calls_queries(predicate, NULL);
	}
	return found;
}

/* Do statistics on a relation call functions of users? */
static bool
has_calling_statistics(Relation rel)
{
	bool		found = false;
	ListCell   *lc;

	foreach(lc, RelationGetStatExtList(rel))
	{
		HeapTuple	tup = SearchSysCache1(STATEXTOID, ObjectIdGetDatum(lfirst_oid(lc)));

		if (!HeapTupleIsValid(tup))
			continue;
		found = found || calls_users(catalog_tree(STATEXTOID, tup, Anum_pg_statistic_ext_stxexprs), NULL);
		ReleaseSysCache(tup);
	}
	return found;
}

/*
 * Does ANALYZE or the building of indexes of a relation call functions of
 * users: those of indexes, of statistics, or of range types in a column?
 */
static bool
upkeep_calls_users(Relation rel, void *context)
{
	bool		found = has_calling_statistics(rel) || has_calling_type(RelationGetDescr(rel));
	ListCell   *lc;

	foreach(lc, RelationGetIndexList(rel))
	{
		Relation	index = index_open(lfirst_oid(lc), AccessShareLock);
		Node	   *expressions;
		Node	   *predicate;

		pz_depend_index_trees(RelationGetRelid(index), &expressions, &predicate);
		found = found || calls_users(expressions, NULL) || calls_users(predicate, NULL) ||
			has_calling_type(RelationGetDescr(index));
		index_close(index, AccessShareLock);
	}
	return found;
}

/*
 * Does ANALYZE or the building of indexes of a protected relation call
 * functions of users?
 */
bool
pz_depend_upkeep_calls_users(void)
{
	return any_protected(upkeep_calls_users, NULL);
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

/* What pz_depend_domain_of_others() looks for */
typedef struct DomainOfOthers
{
	Oid			domain;
	Oid			role;
} DomainOfOthers;

/* Has a relation that somebody else owns a column that a domain is in? */
static bool
has_domain_of_others(Relation rel, void *context)
{
	DomainOfOthers *wanted = context;

	return !has_privs_of_role(wanted->role, rel->rd_rel->relowner) && has_domain(rel, &wanted->domain);
}

/*
 * Has a protected relation that the current user does not own a column that the
 * domain of this name is in?
 */
bool
pz_depend_domain_of_others(List *name)
{
	DomainOfOthers wanted;

	wanted.domain = LookupTypeNameOid(NULL, makeTypeNameFromNameList(name), true);
	wanted.role = GetUserId();
	return OidIsValid(wanted.domain) && any_protected(has_domain_of_others, &wanted);
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
