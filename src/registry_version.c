/*-------------------------------------------------------------------------
 *
 * registry_version.c
 *	  The handshake between the library and the SQL objects of the extension.
 *
 * Two things are installed apart: the library by a package and a restart of
 * the server, the SQL objects by CREATE EXTENSION and ALTER EXTENSION UPDATE.
 * Between the two they are of different versions, and what the registry tables
 * mean to one need not be what they mean to the other.  Then only names are
 * believed: the library finds out which relations are protected, by columns
 * that every version has, and refuses to touch these.  All else works, ALTER
 * EXTENSION UPDATE in particular.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "errors.h"
#include "registry_private.h"

/*
 * Version of the SQL objects in this database, in the current memory context;
 * NULL if the extension is not installed.
 */
char *
pz_registry_sql_version(void)
{
	Relation	rel = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tup;
	char	   *version = NULL;

	ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber, F_NAMEEQ, CStringGetDatum(PZ_EXTENSION));
	scan = systable_beginscan(rel, ExtensionNameIndexId, true, NULL, 1, &key);
	tup = systable_getnext(scan);
	if (HeapTupleIsValid(tup))
	{
		bool		isnull;
		Datum		d = heap_getattr(tup, Anum_pg_extension_extversion, RelationGetDescr(rel), &isnull);

		version = isnull ? pstrdup("") : TextDatumGetCString(d);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return version;
}

/*
 * The value of a column by its name and type; false if the table has none such
 * or it is null.
 */
static bool
column_by_name(HeapTuple tup, TupleDesc desc, const char *name, Oid type, Datum *value)
{
	int			i;
	bool		isnull;

	for (i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute a = TupleDescAttr(desc, i);

		if (a->attisdropped || a->atttypid != type || strcmp(NameStr(a->attname), name) != 0)
			continue;
		*value = heap_getattr(tup, a->attnum, desc, &isnull);
		return !isnull;
	}
	return false;
}

/* Are the numbers of a registry of unknown version good here? */
static void
anchor_by_name(Registry *r, HeapTuple tup, TupleDesc desc)
{
	Datum		sysid;
	Datum		dbid;

	r->anchored = column_by_name(tup, desc, "system_identifier", INT8OID, &sysid) &&
		column_by_name(tup, desc, "database_oid", OIDOID, &dbid) &&
		(uint64) DatumGetInt64(sysid) == GetSystemIdentifier() && DatumGetObjectId(dbid) == MyDatabaseId;
}

/* A protected relation of a registry of unknown version. */
static void
relation_by_name(Registry *r, HeapTuple tup, TupleDesc desc)
{
	Registered *g = palloc0(sizeof(Registered));
	Datum		number;
	Datum		schema;
	Datum		name;

	if (!column_by_name(tup, desc, "relid", OIDOID, &number) ||
		!column_by_name(tup, desc, "schema_name", NAMEOID, &schema) ||
		!column_by_name(tup, desc, "relation_name", NAMEOID, &name))
	{
		r->unreadable = true;
		return;
	}
	g->stored_relid = DatumGetObjectId(number);
	if (r->anchored)
		g->relid = g->stored_relid;
	else
	{
		Oid			nsp = get_namespace_oid(NameStr(*DatumGetName(schema)), true);

		g->relid = OidIsValid(nsp) ? get_relname_relid(NameStr(*DatumGetName(name)), nsp) : InvalidOid;
	}
	r->relations = lappend(r->relations, g);
}

/* Call fn for every row of a table of the extension; false if there is no such table. */
static bool
scan_by_name(Registry *r, const char *name, void (*fn) (Registry *r, HeapTuple tup, TupleDesc desc))
{
	Oid			relid = get_relname_relid(name, r->oids.extension_schema);
	Relation	rel;
	SysScanDesc scan;
	HeapTuple	tup;

	if (!OidIsValid(relid))
		return false;
	r->tables[r->ntables++] = relid;
	rel = table_open(relid, AccessShareLock);
	scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	while (HeapTupleIsValid(tup = systable_getnext(scan)))
		fn(r, tup, RelationGetDescr(rel));
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return true;
}

/*
 * Find out what is protected by SQL objects of another version.  Where that
 * cannot be made out, r->unreadable says that anything may be.
 */
void
pz_registry_load_foreign(Registry *r)
{
	(void) scan_by_name(r, "registry_anchor", anchor_by_name);
	if (!scan_by_name(r, "registry_relation", relation_by_name))
		r->unreadable = true;
}

/*
 * Which of two versions is the older one, by the numbers in them: less than 0
 * if a is, more if b is, 0 if that cannot be told.
 */
static int
compare_versions(const char *a, const char *b)
{
	while (isdigit((unsigned char) *a) && isdigit((unsigned char) *b))
	{
		char	   *a_end;
		char	   *b_end;
		unsigned long x = strtoul(a, &a_end, 10);
		unsigned long y = strtoul(b, &b_end, 10);

		if (x != y)
			return x < y ? -1 : 1;
		a = a_end + (*a_end == '.');
		b = b_end + (*b_end == '.');
	}
	return 0;
}

/*
 * ERROR 55000: the SQL objects are of another version than the library.
 */
void
pz_registry_report_mismatch(const Registry *r)
{
	int			order = compare_versions(r->sql_version, PZ_VERSION);

	ereport(ERROR,
			(errcode(PZ_ERR_STATE),
			 errmsg("extension \"%s\" has version \"%s\" in this database, but its library has version \"%s\"",
					PZ_EXTENSION, r->sql_version, PZ_VERSION),
			 errdetail("Protected relations are closed until both are of one version."),
			 order < 0 ? errhint("Run ALTER EXTENSION %s UPDATE in this database.", PZ_EXTENSION) :
			 order > 0 ? errhint("Install the library of version \"%s\" and restart the server.", r->sql_version) :
			 errhint("Run ALTER EXTENSION %s UPDATE, or install the library of the other version and restart the server.",
					 PZ_EXTENSION)));
}

/*
 * library_version_internal(): the version the library was built as.
 */
PG_FUNCTION_INFO_V1(personalize_library_version);
Datum
personalize_library_version(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(PZ_VERSION));
}
