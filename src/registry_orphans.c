/*-------------------------------------------------------------------------
 *
 * registry_orphans.c
 *	  Relations that carry our policies, but that the registry does not know.
 *
 * That is how pg_dump --schema-only and pg_dump --table leave a protected
 * relation behind: its policies are its own, the registry is another table's
 * data.  Row security alone would refuse some roles and let superusers and
 * roles with BYPASSRLS read.  So such a relation counts as registered without
 * a path to a subject: closed to everybody until the registry is restored or
 * protect() is called.  Whom row security does not bind can fill it.
 *
 * Locks: AccessShareLock on pg_depend and pg_policy while they are read.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_policy.h"
#include "catalog/pg_proc.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "registry_private.h"

/* The relation of a policy; InvalidOid if there is none such. */
static Oid
relation_of_policy(Relation policies, Oid policy)
{
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tup;
	Oid			relid = InvalidOid;

	ScanKeyInit(&key, Anum_pg_policy_oid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(policy));
	scan = systable_beginscan(policies, PolicyOidIndexId, true, NULL, 1, &key);
	tup = systable_getnext(scan);
	if (HeapTupleIsValid(tup))
		relid = ((Form_pg_policy) GETSTRUCT(tup))->polrelid;
	systable_endscan(scan);
	return relid;
}

/* Relations with policies that call a function, added to a list once each. */
static List *
relations_calling(List *relids, Relation policies, Oid funcid)
{
	Relation	depends = table_open(DependRelationId, AccessShareLock);
	ScanKeyData key[2];
	SysScanDesc scan;
	HeapTuple	tup;

	ScanKeyInit(&key[0], Anum_pg_depend_refclassid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(ProcedureRelationId));
	ScanKeyInit(&key[1], Anum_pg_depend_refobjid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(funcid));
	scan = systable_beginscan(depends, DependReferenceIndexId, true, NULL, 2, key);
	while (HeapTupleIsValid(tup = systable_getnext(scan)))
	{
		Form_pg_depend d = (Form_pg_depend) GETSTRUCT(tup);
		Oid			relid = d->classid == PolicyRelationId ? relation_of_policy(policies, d->objid) : InvalidOid;

		if (OidIsValid(relid))
			relids = list_append_unique_oid(relids, relid);
	}
	systable_endscan(scan);
	table_close(depends, AccessShareLock);
	return relids;
}

/*
 * Register, without a path to a subject, every relation that carries our
 * policies and that neither is registered nor has an ancestor that is.
 */
void
pz_registry_load_orphans(Registry *r)
{
	Relation	policies = table_open(PolicyRelationId, AccessShareLock);
	List	   *relids = NIL;
	List	   *orphans = NIL;
	ListCell   *lc;
	int			i;

	for (i = PZ_KEY_INT; i <= PZ_KEY_TEXT; i++)
		relids = relations_calling(relids, policies, r->oids.policy_ok[i]);
	table_close(policies, AccessShareLock);
	foreach(lc, relids)
	{
		Oid			relid = lfirst_oid(lc);
		Registered *g;

		if (pz_registry_ancestors(r, relid) != NIL)
			continue;
		g = palloc0(sizeof(Registered));
		g->relid = relid;
		g->orphan = true;
		orphans = lappend(orphans, g);
	}
	r->relations = list_concat(r->relations, orphans);
}

/*
 * A policy was made or dropped: have every session look for orphans again.
 */
void
pz_registry_policy_changed(void)
{
	Oid			relid;

	if (!pz_registry_matches())
		return;
	relid = get_relname_relid("registry_relation", pz_registry_oids()->extension_schema);
	if (OidIsValid(relid))
		CacheInvalidateRelcacheByRelid(relid);
}
