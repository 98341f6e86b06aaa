/*-------------------------------------------------------------------------
 *
 * registry_load.c
 *	  Read the registry tables.
 *
 * Numbers and names: the registry holds OIDs and attribute numbers with names
 * beside them.  registry_anchor says in which cluster and database the numbers
 * are good; anywhere else (after a dump and restore) the names count.
 *
 * Locks: AccessShareLock on the registry tables while they are read.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "parser/parse_func.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "errors.h"
#include "keys.h"
#include "restore.h"
#include "registry_private.h"

/* Column numbers of the registry tables, see sql/tables/20_registry.sql */
enum
{
	ANCHOR_SYSID = 2, ANCHOR_DATABASE = 3, ANCHOR_RESTORE = 4, ANCHOR_KEY = 5,
	KIND_ID = 1, KIND_NAME = 2, KIND_KEY_TYPE = 3,
	CATEGORY_ID = 1, CATEGORY_NAME = 2, CATEGORY_SPECIAL = 4, CATEGORY_PARTIAL = 7,
	PURPOSE_ID = 1, PURPOSE_NAME = 2, PURPOSE_BASIS = 4, PURPOSE_SPECIAL_BASIS = 8,
	PURPOSE_BUILTIN = 11, PURPOSE_RETIRED_AT = 12,
	PAIR_LEFT = 1, PAIR_RIGHT = 2,
	GRANT_PURPOSE = 1, GRANT_ROLE = 2, GRANT_ROLE_NAME = 3, GRANT_MAY_COPY = 4,
	DUTY_ROLE = 1, DUTY_ROLE_NAME = 2, DUTY_DUTY = 3,
	RELATION_RELID = 1, RELATION_SCHEMA = 2, RELATION_NAME = 3, RELATION_NULL_SUBJECT = 4,
	RELATION_MODE = 5, RELATION_RLS_WAS_ENABLED = 7,
	PATH_ID = 1, PATH_RELID = 2, PATH_KIND = 3, PATH_COLUMNS = 4, PATH_COLUMN_NAMES = 5, PATH_VIA = 7, PATH_REFERRED = 8, PATH_REFERRED_NAMES = 9,
	COLUMN_RELID = 1, COLUMN_ATTNUM = 2, COLUMN_NAME = 3, COLUMN_CATEGORY = 4, COLUMN_MASK = 5
};

/*
 * Is the script that runs now our own?  Then not all objects are there yet.
 */
bool
pz_registry_in_own_script(void)
{
	char	   *name;

	if (!creating_extension)
		return false;
	name = get_extension_name(CurrentExtensionObject);
	return name != NULL && strcmp(name, PZ_EXTENSION) == 0;
}

/*
 * Call fn for every row of a table of the extension, by a fresh snapshot that
 * sees the own transaction's changes.  Remembers the table for invalidation.
 */
static void
scan_table(Registry *r, const char *relname,
		   void (*fn) (Registry *r, HeapTuple tup, TupleDesc desc))
{
	Oid			relid = get_relname_relid(relname, r->oids.extension_schema);
	Relation	rel;
	SysScanDesc scan;
	HeapTuple	tup;

	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(PZ_ERR_STATE),
				 errmsg("table \"%s.%s\" is missing", PZ_SCHEMA, relname),
				 errhint("Restore the extension \"%s\" from a backup; its tables must not be dropped.", PZ_EXTENSION)));
	Assert(r->ntables < lengthof(r->tables));
	r->tables[r->ntables++] = relid;

	rel = table_open(relid, AccessShareLock);
	scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	while (HeapTupleIsValid(tup = systable_getnext(scan)))
		fn(r, tup, RelationGetDescr(rel));
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
}

/* The datum of a column that the table definition says is NOT NULL. */
static Datum
need(HeapTuple tup, TupleDesc desc, int attnum)
{
	bool		isnull;
	Datum		d = heap_getattr(tup, attnum, desc, &isnull);

	if (isnull)
		elog(ERROR, "unexpected null in registry column %d", attnum);	/* cannot happen: NOT NULL */
	return d;
}

/* Is a nullable column null? */
static bool
absent(HeapTuple tup, TupleDesc desc, int attnum)
{
	bool		isnull;

	(void) heap_getattr(tup, attnum, desc, &isnull);
	return isnull;
}

/*
 * Are there tombstones, and were they made with another key file than ours?
 * Then nobody who was erased is recognised.
 */
static bool
others_key(Registry *r, HeapTuple tup, TupleDesc desc)
{
	uint8		digest[PZ_MAC_LEN];
	bytea	   *stored;
	Relation	rel;
	SysScanDesc scan;
	bool		found;

	/* without keys nothing is served anyway */
	if (absent(tup, desc, ANCHOR_KEY) || !pz_keys_digest(PZ_KEYS_NAME, PZ_EXTENSION, strlen(PZ_EXTENSION), digest))
		return false;
	stored = DatumGetByteaPP(need(tup, desc, ANCHOR_KEY));
	if (VARSIZE_ANY_EXHDR(stored) == PZ_MAC_LEN && memcmp(VARDATA_ANY(stored), digest, PZ_MAC_LEN) == 0)
		return false;
	rel = table_open(r->oids.tombstone, AccessShareLock);
	scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	found = HeapTupleIsValid(systable_getnext(scan));
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return found;
}

/* registry_anchor: are the numbers good here, and is known who was erased? */
static void
load_anchor(Registry *r, HeapTuple tup, TupleDesc desc)
{
	const char *id = pz_restore_id();

	r->anchored = ((uint64) DatumGetInt64(need(tup, desc, ANCHOR_SYSID)) == GetSystemIdentifier() &&
				   DatumGetObjectId(need(tup, desc, ANCHOR_DATABASE)) == MyDatabaseId);
	if (others_key(r, tup, desc))
		r->unknown = PZ_ERASED_OTHERS_KEY;
	else if (id == NULL ||
			 (!absent(tup, desc, ANCHOR_RESTORE) && strcmp(TextDatumGetCString(need(tup, desc, ANCHOR_RESTORE)), id) == 0))
		r->unknown = PZ_ERASED_KNOWN;
	else
		r->unknown = PZ_ERASED_RESTORED;
}

/* A row of registry_kind. */
static void
load_kind(Registry *r, HeapTuple tup, TupleDesc desc)
{
	PzKind	   *k = palloc0(sizeof(PzKind));
	bool		isnull;
	Datum		d = heap_getattr(tup, KIND_KEY_TYPE, desc, &isnull);

	k->kind_id = DatumGetInt32(need(tup, desc, KIND_ID));
	k->name = TextDatumGetCString(need(tup, desc, KIND_NAME));
	if (isnull)
		k->key_type = PZ_KEY_UNSET;
	else
	{
		switch (DatumGetObjectId(d))
		{
			case INT8OID:
				k->key_type = PZ_KEY_INT;
				break;
			case UUIDOID:
				k->key_type = PZ_KEY_UUID;
				break;
			default:
				k->key_type = PZ_KEY_TEXT;
				break;
		}
	}
	r->kinds = lappend(r->kinds, k);
}

/* A row of registry_category. */
static void
load_category(Registry *r, HeapTuple tup, TupleDesc desc)
{
	PzCategory *c = palloc0(sizeof(PzCategory));

	c->category_id = DatumGetInt32(need(tup, desc, CATEGORY_ID));
	c->name = TextDatumGetCString(need(tup, desc, CATEGORY_NAME));
	c->special = DatumGetBool(need(tup, desc, CATEGORY_SPECIAL));
	c->partial = DatumGetBool(need(tup, desc, CATEGORY_PARTIAL));
	r->categories = lappend(r->categories, c);
}

/* Legal basis by name; the table's CHECK allows no other. */
static PzLegalBasis
basis_by_name(const char *name)
{
	static const char *const names[] = {
		"consent", "explicit_consent", "contract", "legal_obligation",
		"vital_interest", "public_interest", "legitimate_interest"
	};
	int			i;

	for (i = 0; i < lengthof(names); i++)
		if (strcmp(names[i], name) == 0)
			return (PzLegalBasis) i;
	ereport(ERROR,
			(errcode(PZ_ERR_STATE),
			 errmsg("registry holds an unknown legal basis"),
			 errhint("The registry was written by another version: run ALTER EXTENSION %s UPDATE.", PZ_EXTENSION)));
	return PZ_BASIS_CONSENT;	/* keep the compiler quiet */
}

/* A row of registry_purpose. */
static void
load_purpose(Registry *r, HeapTuple tup, TupleDesc desc)
{
	PzPurpose  *p = palloc0(sizeof(PzPurpose));

	p->purpose_id = DatumGetInt32(need(tup, desc, PURPOSE_ID));
	p->name = TextDatumGetCString(need(tup, desc, PURPOSE_NAME));
	p->basis_name = TextDatumGetCString(need(tup, desc, PURPOSE_BASIS));
	p->basis = basis_by_name(p->basis_name);
	p->builtin = DatumGetBool(need(tup, desc, PURPOSE_BUILTIN));
	p->retired = !absent(tup, desc, PURPOSE_RETIRED_AT);
	p->special_basis = !absent(tup, desc, PURPOSE_SPECIAL_BASIS);
	r->purposes = lappend(r->purposes, p);
}

/* Purpose of a registry under construction, NULL if there is none. */
PzPurpose *
pz_registry_find_purpose(Registry *r, int32 purpose_id)
{
	ListCell   *lc;

	foreach(lc, r->purposes)
	{
		PzPurpose  *p = lfirst(lc);

		if (p->purpose_id == purpose_id)
			return p;
	}
	return NULL;
}

/* Append an id to a growing array. */
static void
append_id(int32 **ids, int *n, int32 id)
{
	if (*ids == NULL)
		*ids = palloc(sizeof(int32) * 4);
	else if (*n >= 4 && (*n & (*n - 1)) == 0)
		*ids = repalloc(*ids, sizeof(int32) * *n * 2);
	(*ids)[(*n)++] = id;
}

/* A row of registry_purpose_category, into its purpose. */
static void
load_purpose_category(Registry *r, HeapTuple tup, TupleDesc desc)
{
	PzPurpose  *p = pz_registry_find_purpose(r, DatumGetInt32(need(tup, desc, PAIR_LEFT)));

	if (p)
		append_id(&p->categories, &p->ncategories, DatumGetInt32(need(tup, desc, PAIR_RIGHT)));
}

/* A row of registry_purpose_parent, into its purpose. */
static void
load_purpose_parent(Registry *r, HeapTuple tup, TupleDesc desc)
{
	PzPurpose  *p = pz_registry_find_purpose(r, DatumGetInt32(need(tup, desc, PAIR_LEFT)));

	if (p)
		append_id(&p->parents, &p->nparents, DatumGetInt32(need(tup, desc, PAIR_RIGHT)));
}

/* The role a registry row means here: by number where anchored, else by name. */
static Oid
resolve_role(Registry *r, Oid stored, const char *name)
{
	if (r->anchored)
		return SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(stored)) ? stored : InvalidOid;
	return get_role_oid(name, true);
}

/* A row of registry_grant. */
static void
load_grant(Registry *r, HeapTuple tup, TupleDesc desc)
{
	RoleGrant  *g = palloc0(sizeof(RoleGrant));

	g->purpose_id = DatumGetInt32(need(tup, desc, GRANT_PURPOSE));
	g->role = resolve_role(r, DatumGetObjectId(need(tup, desc, GRANT_ROLE)),
						   NameStr(*DatumGetName(need(tup, desc, GRANT_ROLE_NAME))));
	g->may_copy = DatumGetBool(need(tup, desc, GRANT_MAY_COPY));
	r->grants = lappend(r->grants, g);
}

/* A row of registry_duty. */
static void
load_duty(Registry *r, HeapTuple tup, TupleDesc desc)
{
	RoleGrant  *g = palloc0(sizeof(RoleGrant));

	g->role = resolve_role(r, DatumGetObjectId(need(tup, desc, DUTY_ROLE)),
						   NameStr(*DatumGetName(need(tup, desc, DUTY_ROLE_NAME))));
	g->duty = TextDatumGetCString(need(tup, desc, DUTY_DUTY));
	r->grants = lappend(r->grants, g);
}

/* A row of registry_relation; its relation may be gone. */
static void
load_relation(Registry *r, HeapTuple tup, TupleDesc desc)
{
	Registered *g = palloc0(sizeof(Registered));
	char	   *null_subject = TextDatumGetCString(need(tup, desc, RELATION_NULL_SUBJECT));

	g->stored_relid = DatumGetObjectId(need(tup, desc, RELATION_RELID));
	if (r->anchored)
		g->relid = g->stored_relid;
	else
	{
		Oid			nsp = get_namespace_oid(NameStr(*DatumGetName(need(tup, desc, RELATION_SCHEMA))), true);

		g->relid = OidIsValid(nsp) ?
			get_relname_relid(NameStr(*DatumGetName(need(tup, desc, RELATION_NAME))), nsp) : InvalidOid;
	}
	g->null_visible = strcmp(null_subject, "visible") == 0;
	g->observed = strcmp(TextDatumGetCString(need(tup, desc, RELATION_MODE)), "observe") == 0;
	g->has_net = !DatumGetBool(need(tup, desc, RELATION_RLS_WAS_ENABLED));
	r->relations = lappend(r->relations, g);
}

/*
 * Columns of a path by number and name.  Returns how many there are; 0 for what
 * cannot be handled, which leaves the relation broken: it serves nothing.
 */
static int
load_columns(Datum numbers, Datum names, AttrNumber *columns, char **column_names)
{
	ArrayType  *n = DatumGetArrayTypeP(numbers);
	ArrayType  *m = DatumGetArrayTypeP(names);
	int			i;

	if (ARR_NDIM(n) != 1 || ARR_DIMS(n)[0] > PZ_PATH_COLUMNS || ARR_HASNULL(n) ||
		ARR_NDIM(m) != 1 || ARR_DIMS(m)[0] != ARR_DIMS(n)[0] || ARR_HASNULL(m))
		return 0;
	for (i = 0; i < ARR_DIMS(n)[0]; i++)
	{
		columns[i] = ((int16 *) ARR_DATA_PTR(n))[i];
		column_names[i] = pstrdup(NameStr(((NameData *) ARR_DATA_PTR(m))[i]));
	}
	return ARR_DIMS(n)[0];
}

/* A row of registry_path. */
static void
load_path(Registry *r, HeapTuple tup, TupleDesc desc)
{
	RegisteredPath *p = palloc0(sizeof(RegisteredPath));

	p->path_id = DatumGetInt32(need(tup, desc, PATH_ID));
	p->stored_relid = DatumGetObjectId(need(tup, desc, PATH_RELID));
	p->kind_id = DatumGetInt32(need(tup, desc, PATH_KIND));
	p->via = absent(tup, desc, PATH_VIA) ? 0 : DatumGetInt32(need(tup, desc, PATH_VIA));
	p->ncolumns = load_columns(need(tup, desc, PATH_COLUMNS), need(tup, desc, PATH_COLUMN_NAMES), p->columns, p->column_names);
	if (p->via != 0 &&
		(absent(tup, desc, PATH_REFERRED) || absent(tup, desc, PATH_REFERRED_NAMES) ||
		 load_columns(need(tup, desc, PATH_REFERRED), need(tup, desc, PATH_REFERRED_NAMES), p->referred, p->referred_names) != p->ncolumns))
		p->ncolumns = 0;
	r->paths = lappend(r->paths, p);
}

/* A row of registry_column. */
static void
load_column(Registry *r, HeapTuple tup, TupleDesc desc)
{
	RegisteredColumn *c = palloc0(sizeof(RegisteredColumn));

	c->stored_relid = DatumGetObjectId(need(tup, desc, COLUMN_RELID));
	c->attnum = DatumGetInt16(need(tup, desc, COLUMN_ATTNUM));
	c->column_name = pstrdup(NameStr(*DatumGetName(need(tup, desc, COLUMN_NAME))));
	c->category_id = DatumGetInt32(need(tup, desc, COLUMN_CATEGORY));
	if (!absent(tup, desc, COLUMN_MASK))
		c->mask = TextDatumGetCString(need(tup, desc, COLUMN_MASK));
	r->columns = lappend(r->columns, c);
}

/* OID of a function of the extension, InvalidOid if there is none. */
static Oid
find_function(const char *name, int nargs, Oid a1, Oid a2, Oid a3)
{
	Oid			args[3];

	args[0] = a1;
	args[1] = a2;
	args[2] = a3;
	return LookupFuncName(list_make2(makeString(PZ_SCHEMA), makeString(pstrdup(name))), nargs, args, true);
}

/* OID of the one function of the extension of a name, InvalidOid if there is none. */
static Oid
find_by_name(const char *name)
{
	Oid			none = InvalidOid;	/* not read, but builds with assertions want something */

	return LookupFuncName(list_make2(makeString(PZ_SCHEMA), makeString(pstrdup(name))), -1, &none, true);
}

/* OID of a relation of the extension, InvalidOid if there is none. */
static Oid
find_relation(Registry *r, const char *name)
{
	return get_relname_relid(name, r->oids.extension_schema);
}

/*
 * Look up the functions, types and tables that C code needs by OID.
 * ERROR 55000 if one is missing, unless missing_ok.
 */
static void
load_oids(Registry *r, bool missing_ok)
{
	static const Oid key_types[] = {InvalidOid, INT8OID, UUIDOID, TEXTOID};
	PzOids	   *o = &r->oids;
	int			i;
	bool		complete = true;

	o->mark_type = GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid,
								   CStringGetDatum("plan_mark"), ObjectIdGetDatum(o->extension_schema));
	for (i = PZ_KEY_INT; i <= PZ_KEY_TEXT; i++)
	{
		o->row_ok[i] = find_function("row_ok", 2, o->mark_type, key_types[i], InvalidOid);
		o->cell_ok[i] = find_function("cell_ok", 2, o->mark_type, key_types[i], InvalidOid);
		o->write_ok[i] = find_function("write_ok", 2, o->mark_type, key_types[i], InvalidOid);
		o->policy_ok[i] = find_function("policy_ok", 2, INT4OID, key_types[i], InvalidOid);
		o->tap_row[i] = find_function("tap_row", 2, o->mark_type, key_types[i], InvalidOid);
		o->collect[i] = find_function("collect", 2, o->mark_type, key_types[i], InvalidOid);
		o->collect_set[i] = find_function("collect_set", 2, o->mark_type, key_types[i], InvalidOid);
		complete = complete && OidIsValid(o->tap_row[i]) && OidIsValid(o->collect[i]) && OidIsValid(o->collect_set[i]) &&
			OidIsValid(o->row_ok[i]) && OidIsValid(o->policy_ok[i]) &&
			OidIsValid(o->cell_ok[i]) && OidIsValid(o->write_ok[i]);
	}
	for (i = PZ_KEY_INT; i <= PZ_KEY_TEXT; i++)
	{
		static const char *const names[] = {NULL, "path_key_int8", "path_key_uuid", "path_key_text"};

		o->path_key[i] = find_function(names[i], 2, o->mark_type, ANYOID, InvalidOid);
		complete = complete && OidIsValid(o->path_key[i]);
	}
	o->path_name = find_function("path_name", 2, o->mark_type, ANYOID, InvalidOid);
	o->rights_path_key = find_function("rights_path_key", 2, INT4OID, ANYOID, InvalidOid);
	o->path_values = find_by_name("path_values");
	o->rights_values = find_by_name("rights_values");
	complete = complete && OidIsValid(o->path_name) && OidIsValid(o->path_values) &&
		OidIsValid(o->rights_path_key) && OidIsValid(o->rights_values);
	o->net_ok = find_function("net_ok", 1, INT4OID, InvalidOid, InvalidOid);
	o->keep_subject = find_function("keep_subject", 3, o->mark_type, ANYELEMENTOID, ANYELEMENTOID);
	o->tap_group = find_function("tap_group", 2, o->mark_type, INT8OID, InvalidOid);
	o->collect_group = find_function("collect_group", 2, o->mark_type, INT8OID, InvalidOid);
	o->collect_set_group = find_function("collect_set_group", 2, o->mark_type, INT8OID, InvalidOid);
	o->for_purpose = find_function("for_purpose", 1, TEXTOID, InvalidOid, InvalidOid);
	o->consent_event = find_relation(r, "consent_event");
	o->consent_event_subject = find_relation(r, "consent_event_subject");
	o->consent_event_end = find_relation(r, "consent_event_end");
	o->consent_changed = LookupFuncName(list_make2(makeString(PZ_SCHEMA), makeString("consent_changed_internal")), 0, NULL, true);
	o->subject = find_relation(r, "subject");
	o->subject_key = find_relation(r, "subject_key");
	o->tombstone = find_relation(r, "tombstone");
	o->tombstone_pkey = find_relation(r, "tombstone_pkey");
	o->suppression = find_relation(r, "suppression");
	o->suppression_pkey = find_relation(r, "suppression_pkey");
	o->suppression_until = find_relation(r, "suppression_until");
	complete = complete && OidIsValid(o->suppression) && OidIsValid(o->suppression_pkey) && OidIsValid(o->suppression_until);

	if (missing_ok)
		return;
	if (!complete || !OidIsValid(o->mark_type) || !OidIsValid(o->net_ok) || !OidIsValid(o->keep_subject) ||
		!OidIsValid(o->for_purpose) || !OidIsValid(o->tap_group) || !OidIsValid(o->collect_group) ||
		!OidIsValid(o->collect_set_group) ||
		!OidIsValid(o->consent_event) || !OidIsValid(o->consent_event_subject) ||
		!OidIsValid(o->consent_event_end) || !OidIsValid(o->consent_changed) ||
		!OidIsValid(o->subject) || !OidIsValid(o->subject_key) ||
		!OidIsValid(o->tombstone) || !OidIsValid(o->tombstone_pkey))
		ereport(ERROR,
				(errcode(PZ_ERR_STATE),
				 errmsg("SQL objects of extension \"%s\" are missing", PZ_EXTENSION),
				 errhint("Restore the extension \"%s\" from a backup; its functions must not be dropped.", PZ_EXTENSION)));
}

/*
 * Read the registry into a memory context of its own.  ERROR 55000 if it
 * cannot be read: then nothing is served, which is what we want.
 */
Registry *
pz_registry_load(void)
{
	MemoryContext mcxt;
	MemoryContext old;
	Registry   *r;

	mcxt = AllocSetContextCreate(CacheMemoryContext, "personalize registry", ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(mcxt);
	PG_TRY();
	{
		HASHCTL		ctl = {0};

		r = palloc0(sizeof(Registry));
		r->mcxt = mcxt;

		/*
		 * While CREATE EXTENSION runs, the extension is there but not all of
		 * its tables are; nothing can be protected yet.  pg_upgrade makes them
		 * one by one, in a server that it alone talks to.
		 */
		r->sql_version = pz_registry_in_own_script() || IsBinaryUpgrade ? NULL : pz_registry_sql_version();
		r->installed = r->sql_version != NULL;
		r->matches = r->installed && strcmp(r->sql_version, PZ_VERSION) == 0;
		if (r->installed)
		{
			r->oids.extension_schema = get_namespace_oid(PZ_SCHEMA, false);
			load_oids(r, !r->matches);
		}
		if (r->installed && !r->matches)
			pz_registry_load_foreign(r);
		else if (r->installed)
		{
			/* a dump brings the anchor after the relations */
			r->unknown = pz_restore_id() != NULL ? PZ_ERASED_RESTORED : PZ_ERASED_KNOWN;
			scan_table(r, "registry_anchor", load_anchor);
			scan_table(r, "registry_kind", load_kind);
			scan_table(r, "registry_category", load_category);
			scan_table(r, "registry_purpose", load_purpose);
			scan_table(r, "registry_purpose_category", load_purpose_category);
			scan_table(r, "registry_purpose_parent", load_purpose_parent);
			scan_table(r, "registry_grant", load_grant);
			scan_table(r, "registry_duty", load_duty);
			scan_table(r, "registry_relation", load_relation);
			scan_table(r, "registry_path", load_path);
			scan_table(r, "registry_column", load_column);
			pz_registry_load_orphans(r);

			ctl.keysize = sizeof(Oid);
			ctl.entrysize = sizeof(RelationEntry);
			ctl.hcxt = mcxt;
			r->resolved = hash_create("personalize relations", 64, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
		}
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(old);
		MemoryContextDelete(mcxt);
		PG_RE_THROW();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);

	return r;
}
