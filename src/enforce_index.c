/*-------------------------------------------------------------------------
 *
 * enforce_index.c
 *	  Which indexes of a protected relation can no query use, and why?
 *
 * A condition can use an index only if everything in it may be evaluated
 * before the row check (see enforce_harmless.c).  An index whose operators or
 * expression are not among that serves no condition any more; order by it
 * still works.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "catalog/pg_am.h"
#include "catalog/pg_amop.h"
#include "fmgr.h"
#include "nodes/nodeFuncs.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/syscache.h"

#include "enforce.h"
#include "enforce_mark.h"

/* Is a function such that nothing may be evaluated before the check? */
static bool
is_harmful_function(Oid funcid, void *context)
{
	if (get_func_leakproof(funcid) || pz_harmless_function(funcid))
		return false;
	*(Oid *) context = funcid;
	return true;
}

/* Does an expression call such a function?  Sets *context to it. */
static bool
calls_harmful_function(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (check_functions_in_node(node, is_harmful_function, context))
		return true;
	return expression_tree_walker(node, calls_harmful_function, context);
}

/*
 * Has an operator family search operators, but none that may be evaluated
 * before the check?
 */
static bool
is_lost_family(Oid opfamily)
{
	CatCList   *list = SearchSysCacheList1(AMOPSTRATEGY, ObjectIdGetDatum(opfamily));
	bool		any = false;
	bool		usable = false;
	int			i;

	for (i = 0; i < list->n_members; i++)
	{
		Form_pg_amop amop = (Form_pg_amop) GETSTRUCT(&list->members[i]->tuple);
		Oid			harmful;

		if (amop->amoppurpose != AMOP_SEARCH)
			continue;
		any = true;
		usable = usable || !is_harmful_function(get_opcode(amop->amopopr), &harmful);
	}
	ReleaseSysCacheList(list);
	return any && !usable;
}

/*
 * index_lost_internal(index): why no condition can use an index while its
 * relation is protected; NULL if one can.  AccessShareLock on the index.
 */
PG_FUNCTION_INFO_V1(personalize_index_lost);
Datum
personalize_index_lost(PG_FUNCTION_ARGS)
{
	Relation	index = index_open(PG_GETARG_OID(0), AccessShareLock);
	char	   *reason = NULL;
	Oid			funcid = InvalidOid;
	Node	   *expressions;
	Node	   *predicate;
	int			i;

	pz_depend_index_trees(RelationGetRelid(index), &expressions, &predicate);
	if (calls_harmful_function(expressions, &funcid))
		reason = psprintf("it is on an expression with function %s, which may tell what it sees",
						  quote_qualified_identifier(get_namespace_name(get_func_namespace(funcid)), get_func_name(funcid)));
	for (i = 0; reason == NULL && i < IndexRelationGetNumberOfKeyAttributes(index); i++)
	{
		if (is_lost_family(index->rd_opfamily[i]))
			reason = psprintf("operators of its column %d are not known to be harmless", i + 1);
		/* an index in order is of use by its first columns only */
		if (index->rd_rel->relam == BTREE_AM_OID)
			break;
	}
	index_close(index, AccessShareLock);
	if (reason == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(reason));
}
