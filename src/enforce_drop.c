/*-------------------------------------------------------------------------
 *
 * enforce_drop.c
 *	  The extension is dropped: say what becomes of the relations it protected.
 *
 * DROP EXTENSION ... CASCADE, DROP SCHEMA ... CASCADE and DROP OWNED take our
 * policies along.  Row security stays enabled and forced, so that a relation
 * without other policies is closed to all whom it binds.  Whoever gave the
 * command is told which relations these are, and how to open them.
 *
 * Policies are dropped before the extension, on which they depend by way of a
 * function; what else goes in the same command is known at its end.  A command
 * can be given within another: each looks at what it added itself.  What a
 * command that failed has left is skipped.
 *
 * Locks: AccessShareLock on pg_policy while it is read.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/pg_class.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_policy.h"
#include "commands/extension.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "enforce.h"
#include "errors.h"
#include "pz.h"

#define SHOWN	20				/* relations that are named in a message */

static Oid *bared = NULL;		/* relations that lost a policy of ours */
static int	nbared = 0;
static int	maxbared = 0;
static bool extension_dropped = false;	/* by this command */

/* Remember the relation of a policy that is about to be dropped, if it is ours. */
static void
note_policy(Oid policy)
{
	Relation	rel = table_open(PolicyRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tup;

	ScanKeyInit(&key, Anum_pg_policy_oid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(policy));
	scan = systable_beginscan(rel, PolicyOidIndexId, true, NULL, 1, &key);
	tup = systable_getnext(scan);
	if (HeapTupleIsValid(tup) &&
		strncmp(NameStr(((Form_pg_policy) GETSTRUCT(tup))->polname), PZ_EXTENSION "_", strlen(PZ_EXTENSION) + 1) == 0)
	{
		if (nbared == maxbared)
		{
			int			wanted = Max(maxbared * 2, 16);

			bared = bared ? repalloc(bared, wanted * sizeof(Oid)) : MemoryContextAlloc(TopMemoryContext, wanted * sizeof(Oid));
			maxbared = wanted;
		}
		bared[nbared++] = ((Form_pg_policy) GETSTRUCT(tup))->polrelid;
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
}

/* object_access_hook: something is dropped. */
void
pz_drop_object_access(ObjectAccessType access, Oid classId, Oid objectId, int subId)
{
	if (access != OAT_DROP || subId != 0)
		return;
	if (classId == PolicyRelationId)
		note_policy(objectId);
	else if (classId == ExtensionRelationId && objectId == get_extension_oid(PZ_EXTENSION, true))
		extension_dropped = true;
}

/* A command begins.  Give what it fills to pz_drop_leave. */
void
pz_drop_enter(PzDropping *outer)
{
	outer->from = nbared;
	outer->dropped = extension_dropped;
	extension_dropped = false;
}

/* Has a relation a policy left that could let rows through? */
static bool
has_permissive(Oid relid)
{
	Relation	rel = table_open(PolicyRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tup;
	bool		found = false;

	ScanKeyInit(&key, Anum_pg_policy_polrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relid));
	scan = systable_beginscan(rel, PolicyPolrelidPolnameIndexId, true, NULL, 1, &key);
	while (!found && HeapTupleIsValid(tup = systable_getnext(scan)))
		found = ((Form_pg_policy) GETSTRUCT(tup))->polpermissive;
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return found;
}

/* WARNING about relations, those with policies of their own or the others. */
static void
report(List *relids, bool permissive)
{
	StringInfoData names;
	ListCell   *lc;

	initStringInfo(&names);
	foreach(lc, relids)
	{
		Oid			relid = lfirst_oid(lc);

		if (foreach_current_index(lc) == SHOWN)
		{
			appendStringInfo(&names, ", and %d others", list_length(relids) - SHOWN);
			break;
		}
		appendStringInfo(&names, "%s%s", names.len > 0 ? ", " : "",
						 quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)), get_rel_name(relid)));
	}
	if (permissive)
		ereport(WARNING,
				(errmsg("extension \"%s\" was dropped, and only policies of their own guard relations that it protected: %s",
						PZ_EXTENSION, names.data),
				 errdetail("Consent is not asked for any more, and no use is recorded.")));
	else
		ereport(WARNING,
				(errmsg("extension \"%s\" was dropped, and relations that it protected stay closed by row security: %s",
						PZ_EXTENSION, names.data),
				 errdetail("Superusers and roles with BYPASSRLS can read them; consent is not asked for any more, and no use is recorded."),
				 errhint("To open one: ALTER TABLE ... DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY.")));
}

/* A command is complete: WARNING if it took the extension away from relations. */
void
pz_drop_leave(const PzDropping *outer)
{
	List	   *closed = NIL;
	List	   *ruled = NIL;
	bool		dropped = extension_dropped;
	int			i;

	extension_dropped = outer->dropped;
	if (dropped)
	{
		/* what it dropped besides is not to be seen any more */
		CommandCounterIncrement();
		for (i = outer->from; i < nbared; i++)
		{
			HeapTuple	tup = SearchSysCache1(RELOID, ObjectIdGetDatum(bared[i]));

			if (!HeapTupleIsValid(tup))
				continue;
			if (!((Form_pg_class) GETSTRUCT(tup))->relrowsecurity || has_permissive(bared[i]))
				ruled = list_append_unique_oid(ruled, bared[i]);
			else
				closed = list_append_unique_oid(closed, bared[i]);
			ReleaseSysCache(tup);
		}
		list_sort(closed, list_oid_cmp);
		list_sort(ruled, list_oid_cmp);
		if (closed != NIL)
			report(closed, false);
		if (ruled != NIL)
			report(ruled, true);
	}
	nbared = outer->from;
}
