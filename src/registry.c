/*-------------------------------------------------------------------------
 *
 * registry.c
 *	  Backend-local cache of the registry tables.
 *
 * The whole registry is read at once into a memory context of its own below
 * CacheMemoryContext; it is small.  Relations are resolved one by one when
 * they are first asked for: their columns, and whether an ancestor of theirs
 * is registered.
 *
 * Invalidation: statement triggers on the registry tables and the relation
 * cache's own messages (DDL) arrive in relcache_callback().  The callback only
 * sets flags.  Memory that somebody may still point to is kept until the end
 * of the transaction: pz_registry_release().
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
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "parser/parse_func.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "errors.h"
#include "registry.h"

/* Column numbers of the registry tables, see sql/tables/20_registry.sql */
enum
{
	ANCHOR_SYSID = 2, ANCHOR_DATABASE = 3,
	KIND_ID = 1, KIND_NAME = 2, KIND_KEY_TYPE = 3,
	CATEGORY_ID = 1, CATEGORY_NAME = 2, CATEGORY_SPECIAL = 4,
	PURPOSE_ID = 1, PURPOSE_NAME = 2, PURPOSE_BASIS = 4, PURPOSE_SPECIAL_BASIS = 8,
	PURPOSE_BUILTIN = 11, PURPOSE_RETIRED_AT = 12,
	PAIR_LEFT = 1, PAIR_RIGHT = 2,
	GRANT_PURPOSE = 1, GRANT_ROLE = 2, GRANT_ROLE_NAME = 3, GRANT_MAY_COPY = 4,
	DUTY_ROLE = 1, DUTY_ROLE_NAME = 2, DUTY_DUTY = 3,
	RELATION_RELID = 1, RELATION_SCHEMA = 2, RELATION_NAME = 3, RELATION_NULL_SUBJECT = 4,
	PATH_ID = 1, PATH_RELID = 2, PATH_KIND = 3, PATH_COLUMNS = 4, PATH_COLUMN_NAMES = 5,
	COLUMN_RELID = 1, COLUMN_ATTNUM = 2, COLUMN_NAME = 3, COLUMN_CATEGORY = 4
};

/* A row of registry_relation */
typedef struct Registered
{
	Oid			stored_relid;	/* as in the table: joins paths and columns to it */
	Oid			relid;			/* what it is here; InvalidOid if it is not found */
	bool		null_visible;
} Registered;

typedef struct RegisteredPath
{
	int32		path_id;
	Oid			stored_relid;
	int32		kind_id;
	AttrNumber	attnum;
	char	   *column_name;
} RegisteredPath;

typedef struct RegisteredColumn
{
	Oid			stored_relid;
	AttrNumber	attnum;
	char	   *column_name;
	int32		category_id;
} RegisteredColumn;

typedef struct RoleGrant
{
	int32		purpose_id;		/* or 0 for a duty */
	Oid			role;			/* InvalidOid: no such role here */
	bool		may_copy;
	const char *duty;			/* NULL for a purpose */
} RoleGrant;

/* Resolved relation, keyed by OID */
typedef struct RelationEntry
{
	Oid			relid;
	bool		stale;
	PzRelation *rel;			/* NULL: not protected */
} RelationEntry;

typedef struct Registry
{
	MemoryContext mcxt;
	bool		installed;
	bool		anchored;		/* numbers are good here */
	PzOids		oids;
	Oid			tables[16];		/* OIDs of the tables the cache depends on */
	int			ntables;
	List	   *kinds;			/* PzKind */
	List	   *categories;		/* PzCategory */
	List	   *purposes;		/* PzPurpose */
	List	   *grants;			/* RoleGrant */
	List	   *relations;		/* Registered */
	List	   *paths;			/* RegisteredPath */
	List	   *columns;		/* RegisteredColumn */
	HTAB	   *resolved;		/* RelationEntry */
} Registry;

static Registry *registry = NULL;
static bool registry_valid = false;
static List *retired = NIL;		/* memory contexts of replaced registries */

/*
 * Is the script that runs now our own?  Then not all objects are there yet.
 */
static bool
in_own_script(void)
{
	char	   *name;

	if (!creating_extension)
		return false;
	name = get_extension_name(CurrentExtensionObject);
	return name != NULL && strcmp(name, PZ_EXTENSION) == 0;
}

/*
 * Relation cache message: forget what depends on relid (InvalidOid: all).
 * May come at any time, so it only sets flags.
 */
static void
relcache_callback(Datum arg, Oid relid)
{
	int			i;

	if (registry == NULL || !registry_valid)
		return;
	if (!OidIsValid(relid))
	{
		registry_valid = false;
		return;
	}
	for (i = 0; i < registry->ntables; i++)
	{
		if (registry->tables[i] == relid)
		{
			registry_valid = false;
			return;
		}
	}
	if (registry->resolved)
	{
		RelationEntry *e = hash_search(registry->resolved, &relid, HASH_FIND, NULL);

		if (e)
			e->stale = true;
	}
}

/*
 * Catalog cache message for namespaces and roles: CREATE or DROP EXTENSION
 * (which makes and drops the schema), renamed roles.
 */
static void
syscache_callback(Datum arg, int cacheid, uint32 hashvalue)
{
	registry_valid = false;
}

/*
 * Register the invalidation callbacks.  Called once from _PG_init.
 */
void
pz_registry_init(void)
{
	CacheRegisterRelcacheCallback(relcache_callback, (Datum) 0);
	CacheRegisterSyscacheCallback(NAMESPACEOID, syscache_callback, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHOID, syscache_callback, (Datum) 0);
}

/*
 * Free registries that were replaced.  Called at the end of a transaction,
 * when nobody points into them any more.
 */
void
pz_registry_release(void)
{
	ListCell   *lc;

	foreach(lc, retired)
		MemoryContextDelete((MemoryContext) lfirst(lc));
	list_free(retired);
	retired = NIL;
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

static void
load_anchor(Registry *r, HeapTuple tup, TupleDesc desc)
{
	r->anchored = ((uint64) DatumGetInt64(need(tup, desc, ANCHOR_SYSID)) == GetSystemIdentifier() &&
				   DatumGetObjectId(need(tup, desc, ANCHOR_DATABASE)) == MyDatabaseId);
}

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

static void
load_category(Registry *r, HeapTuple tup, TupleDesc desc)
{
	PzCategory *c = palloc0(sizeof(PzCategory));

	c->category_id = DatumGetInt32(need(tup, desc, CATEGORY_ID));
	c->name = TextDatumGetCString(need(tup, desc, CATEGORY_NAME));
	c->special = DatumGetBool(need(tup, desc, CATEGORY_SPECIAL));
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
static PzPurpose *
find_purpose(Registry *r, int32 purpose_id)
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

static void
load_purpose_category(Registry *r, HeapTuple tup, TupleDesc desc)
{
	PzPurpose  *p = find_purpose(r, DatumGetInt32(need(tup, desc, PAIR_LEFT)));

	if (p)
		append_id(&p->categories, &p->ncategories, DatumGetInt32(need(tup, desc, PAIR_RIGHT)));
}

static void
load_purpose_parent(Registry *r, HeapTuple tup, TupleDesc desc)
{
	PzPurpose  *p = find_purpose(r, DatumGetInt32(need(tup, desc, PAIR_LEFT)));

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

static void
load_duty(Registry *r, HeapTuple tup, TupleDesc desc)
{
	RoleGrant  *g = palloc0(sizeof(RoleGrant));

	g->role = resolve_role(r, DatumGetObjectId(need(tup, desc, DUTY_ROLE)),
						   NameStr(*DatumGetName(need(tup, desc, DUTY_ROLE_NAME))));
	g->duty = TextDatumGetCString(need(tup, desc, DUTY_DUTY));
	r->grants = lappend(r->grants, g);
}

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
	r->relations = lappend(r->relations, g);
}

static void
load_path(Registry *r, HeapTuple tup, TupleDesc desc)
{
	RegisteredPath *p = palloc0(sizeof(RegisteredPath));
	ArrayType  *nums = DatumGetArrayTypeP(need(tup, desc, PATH_COLUMNS));
	ArrayType  *names = DatumGetArrayTypeP(need(tup, desc, PATH_COLUMN_NAMES));

	p->path_id = DatumGetInt32(need(tup, desc, PATH_ID));
	p->stored_relid = DatumGetObjectId(need(tup, desc, PATH_RELID));
	p->kind_id = DatumGetInt32(need(tup, desc, PATH_KIND));

	/*
	 * One column a path so far.  A longer path that a later version wrote
	 * leaves the relation broken, which serves nothing.
	 */
	if (ARR_NDIM(nums) == 1 && ARR_DIMS(nums)[0] == 1 && !ARR_HASNULL(nums) &&
		ARR_NDIM(names) == 1 && ARR_DIMS(names)[0] == 1 && !ARR_HASNULL(names))
	{
		p->attnum = *(int16 *) ARR_DATA_PTR(nums);
		p->column_name = pstrdup(NameStr(*(Name) ARR_DATA_PTR(names)));
	}
	r->paths = lappend(r->paths, p);
}

static void
load_column(Registry *r, HeapTuple tup, TupleDesc desc)
{
	RegisteredColumn *c = palloc0(sizeof(RegisteredColumn));

	c->stored_relid = DatumGetObjectId(need(tup, desc, COLUMN_RELID));
	c->attnum = DatumGetInt16(need(tup, desc, COLUMN_ATTNUM));
	c->column_name = pstrdup(NameStr(*DatumGetName(need(tup, desc, COLUMN_NAME))));
	c->category_id = DatumGetInt32(need(tup, desc, COLUMN_CATEGORY));
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

/* OID of a relation of the extension, InvalidOid if there is none. */
static Oid
find_relation(Registry *r, const char *name)
{
	return get_relname_relid(name, r->oids.extension_schema);
}

/*
 * Look up the functions, types and tables that C code needs by OID.
 * ERROR 55000 if one is missing: the SQL objects are of another version.
 */
static void
load_oids(Registry *r)
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
		o->policy_ok[i] = find_function("policy_ok", 2, INT4OID, key_types[i], InvalidOid);
		complete = complete && OidIsValid(o->row_ok[i]) && OidIsValid(o->policy_ok[i]);
	}
	o->net_ok = find_function("net_ok", 1, INT4OID, InvalidOid, InvalidOid);
	o->keep_subject = find_function("keep_subject", 3, o->mark_type, ANYELEMENTOID, ANYELEMENTOID);
	o->consent_event = find_relation(r, "consent_event");
	o->consent_event_subject = find_relation(r, "consent_event_subject");
	o->subject = find_relation(r, "subject");
	o->subject_key = find_relation(r, "subject_key");
	o->tombstone = find_relation(r, "tombstone");
	o->tombstone_pkey = find_relation(r, "tombstone_pkey");

	if (!complete || !OidIsValid(o->mark_type) || !OidIsValid(o->net_ok) || !OidIsValid(o->keep_subject) ||
		!OidIsValid(o->consent_event) || !OidIsValid(o->consent_event_subject) ||
		!OidIsValid(o->subject) || !OidIsValid(o->subject_key) ||
		!OidIsValid(o->tombstone) || !OidIsValid(o->tombstone_pkey))
		ereport(ERROR,
				(errcode(PZ_ERR_STATE),
				 errmsg("the SQL objects of extension \"%s\" do not match its library", PZ_EXTENSION),
				 errhint("Run ALTER EXTENSION %s UPDATE, or restart the server with the library of the installed version.",
						 PZ_EXTENSION)));
}

/*
 * Read the registry.  ERROR 55000 if it cannot be read: then nothing is
 * served, which is what we want.
 */
static void
load_registry(void)
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
		 * its tables are; nothing can be protected yet.
		 */
		r->installed = !in_own_script() && OidIsValid(get_extension_oid(PZ_EXTENSION, true));
		if (r->installed)
		{
			r->oids.extension_schema = get_namespace_oid(PZ_SCHEMA, false);
			load_oids(r);
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

	if (registry)
	{
		old = MemoryContextSwitchTo(TopMemoryContext);
		retired = lappend(retired, registry->mcxt);
		MemoryContextSwitchTo(old);
	}
	registry = r;
}

/*
 * Make sure the registry is loaded and fresh.  Messages that arrive while it
 * is being read make it stale again, so repeat until none does.  Nothing is
 * remembered while CREATE EXTENSION runs.
 */
static void
ensure_registry(void)
{
	Assert(IsTransactionState());
	while (registry == NULL || !registry_valid)
	{
		registry_valid = true;
		PG_TRY();
		{
			load_registry();
		}
		PG_CATCH();
		{
			registry_valid = false;
			PG_RE_THROW();
		}
		PG_END_TRY();
		if (in_own_script())
		{
			registry_valid = false;
			break;
		}
	}
}

/*
 * Is the extension installed in this database?
 */
bool
pz_registry_installed(void)
{
	ensure_registry();
	return registry->installed;
}

/*
 * Is anything protected in this database?  Cheap when nothing changed.
 * ERROR 55000 if the registry cannot be read.
 */
bool
pz_registry_active(void)
{
	ensure_registry();
	return registry->installed && registry->relations != NIL;
}

/*
 * OIDs of the extension's objects.  Call only where it is installed.
 */
const PzOids *
pz_registry_oids(void)
{
	ensure_registry();
	return &registry->oids;
}

/* Registered row of a relation, NULL if it is not registered itself. */
static Registered *
find_registered(Oid relid)
{
	ListCell   *lc;

	foreach(lc, registry->relations)
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
resolve_column(Oid root, Oid relid, AttrNumber attnum, const char *name)
{
	if (registry->anchored)
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
static List *
registered_ancestors(Oid relid)
{
	List	   *todo = list_make1_oid(relid);
	List	   *found = NIL;
	int			i;

	for (i = 0; i < list_length(todo); i++)
	{
		Oid			cur = list_nth_oid(todo, i);
		Registered *g = find_registered(cur);

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

/*
 * Build the entry of a relation from its registered ancestors.  With several,
 * the subject paths of all of them apply and the nearest one names it.
 */
static PzRelation *
resolve_relation(Oid relid, List *ancestors)
{
	PzRelation *rel = palloc0(sizeof(PzRelation));
	Registered *nearest = linitial(ancestors);
	HeapTuple	ctup;
	ListCell   *lc;
	int			i;

	rel->relid = relid;
	rel->root = nearest->relid;
	rel->name = quote_qualified_identifier(get_namespace_name(get_rel_namespace(rel->root)), get_rel_name(rel->root));
	rel->null_visible = true;
	rel->paths = palloc0(sizeof(PzPath) * list_length(registry->paths));

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
		foreach(lp, registry->paths)
		{
			RegisteredPath *p = lfirst(lp);
			PzPath	   *path;
			const PzKind *kind;

			if (p->stored_relid != g->stored_relid)
				continue;
			path = &rel->paths[rel->npaths++];
			path->path_id = p->path_id;
			path->kind_id = p->kind_id;
			kind = pz_registry_kind(p->kind_id);
			path->key_type = kind ? kind->key_type : PZ_KEY_UNSET;
			path->relid = g->relid;
			path->attnum = p->column_name ? resolve_column(g->relid, relid, p->attnum, p->column_name) : InvalidAttrNumber;
			if (path->attnum == InvalidAttrNumber || path->key_type == PZ_KEY_UNSET)
				rel->broken = true;
		}
		if (rel->npaths == npaths)
			rel->broken = true;
		foreach(lp, registry->columns)
		{
			RegisteredColumn *c = lfirst(lp);
			AttrNumber	attnum;

			if (c->stored_relid != g->stored_relid)
				continue;
			attnum = resolve_column(g->relid, relid, c->attnum, c->column_name);
			if (attnum > 0 && attnum <= rel->ncolumns && rel->columns[attnum - 1].category_id == -1)
				rel->columns[attnum - 1].category_id = c->category_id;
		}
	}
	return rel;
}

/*
 * What protects a relation: its own registration or that of an ancestor; NULL
 * if nothing does.  The answer stays valid until the end of the transaction.
 * The caller holds a lock on relid.  ERROR 55000 if the registry is unreadable.
 */
const PzRelation *
pz_registry_relation(Oid relid)
{
	RelationEntry *e;
	bool		found;
	List	   *ancestors;
	PzRelation *rel = NULL;

	ensure_registry();
	if (!registry->installed || registry->relations == NIL || relid < FirstNormalObjectId)
		return NULL;

	e = hash_search(registry->resolved, &relid, HASH_FIND, NULL);
	if (e && !e->stale)
		return e->rel;

	/*
	 * Catalog look-ups below can accept messages that replace the registry:
	 * then start over.  An entry that went stale meanwhile is right for this
	 * lock level and is looked at again next time.
	 */
	for (;;)
	{
		Registry   *current = registry;
		MemoryContext old = MemoryContextSwitchTo(registry->mcxt);

		ancestors = registered_ancestors(relid);
		if (ancestors != NIL)
			rel = resolve_relation(relid, ancestors);
		MemoryContextSwitchTo(old);
		ensure_registry();
		if (registry == current)
			break;
		if (!registry->installed || registry->relations == NIL)
			return NULL;
		rel = NULL;
	}
	e = hash_search(registry->resolved, &relid, HASH_ENTER, &found);
	e->stale = false;
	e->rel = rel;
	return rel;
}

/*
 * Purpose by number; NULL if there is none.
 */
const PzPurpose *
pz_registry_purpose(int32 purpose_id)
{
	ensure_registry();
	return find_purpose(registry, purpose_id);
}

/*
 * Purpose by name; NULL if there is none.
 */
const PzPurpose *
pz_registry_purpose_by_name(const char *name)
{
	ListCell   *lc;

	ensure_registry();
	foreach(lc, registry->purposes)
	{
		PzPurpose  *p = lfirst(lc);

		if (strcmp(p->name, name) == 0)
			return p;
	}
	return NULL;
}

/*
 * Category by number; NULL if there is none.
 */
const PzCategory *
pz_registry_category(int32 category_id)
{
	ListCell   *lc;

	ensure_registry();
	foreach(lc, registry->categories)
	{
		PzCategory *c = lfirst(lc);

		if (c->category_id == category_id)
			return c;
	}
	return NULL;
}

/*
 * Kind by number; NULL if there is none.
 */
const PzKind *
pz_registry_kind(int32 kind_id)
{
	ListCell   *lc;

	ensure_registry();
	foreach(lc, registry->kinds)
	{
		PzKind	   *k = lfirst(lc);

		if (k->kind_id == kind_id)
			return k;
	}
	return NULL;
}

/*
 * Subject path by number, with the attribute of the registered relation
 * itself.  False if there is none, or its column cannot be resolved.
 */
bool
pz_registry_path(int32 path_id, PzPath *path)
{
	ListCell   *lc;

	ensure_registry();
	foreach(lc, registry->paths)
	{
		RegisteredPath *p = lfirst(lc);
		ListCell   *lr;

		if (p->path_id != path_id)
			continue;
		foreach(lr, registry->relations)
		{
			Registered *g = lfirst(lr);
			const PzKind *kind = pz_registry_kind(p->kind_id);

			if (g->stored_relid != p->stored_relid || !OidIsValid(g->relid) || kind == NULL || p->column_name == NULL)
				continue;
			path->path_id = path_id;
			path->kind_id = p->kind_id;
			path->key_type = kind->key_type;
			path->relid = g->relid;
			path->attnum = resolve_column(g->relid, g->relid, p->attnum, p->column_name);
			return path->attnum != InvalidAttrNumber;
		}
	}
	return false;
}

/*
 * May role use data for a purpose?  Role inheritance counts; a superuser
 * holds every purpose.  *may_copy says whether it may also keep copies.
 */
bool
pz_registry_granted(int32 purpose_id, Oid role, bool *may_copy)
{
	ListCell   *lc;
	bool		granted = false;

	*may_copy = false;
	if (superuser_arg(role))
	{
		*may_copy = true;
		return true;
	}
	ensure_registry();
	foreach(lc, registry->grants)
	{
		RoleGrant  *g = lfirst(lc);

		if (g->duty == NULL && g->purpose_id == purpose_id && OidIsValid(g->role) &&
			has_privs_of_role(role, g->role))
		{
			granted = true;
			*may_copy = *may_copy || g->may_copy;
		}
	}
	return granted;
}

/*
 * Does role have a duty, itself or by inheritance?  A superuser has all.
 */
bool
pz_registry_has_duty(Oid role, const char *duty)
{
	ListCell   *lc;

	if (superuser_arg(role))
		return true;
	ensure_registry();
	foreach(lc, registry->grants)
	{
		RoleGrant  *g = lfirst(lc);

		if (g->duty != NULL && strcmp(g->duty, duty) == 0 && OidIsValid(g->role) &&
			has_privs_of_role(role, g->role))
			return true;
	}
	return false;
}

/*
 * Is this a table of ours whose lines are not to be changed: the ledger of
 * consent, the people's keys, the record of use?
 */
bool
pz_registry_append_only(Oid relid)
{
	static const char *const names[] = {
		"consent_event", "subject", "tombstone", "erasure",
		"audit_use", "audit_note", "audit_subject", "audit_chunk"
	};
	const char *name;
	int			i;

	ensure_registry();
	if (!registry->installed || get_rel_namespace(relid) != registry->oids.extension_schema)
		return false;
	name = get_rel_name(relid);
	for (i = 0; name != NULL && i < lengthof(names); i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}
