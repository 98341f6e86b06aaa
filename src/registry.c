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
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "catalog/partition.h"
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
#include "registry_private.h"

static Registry *registry = NULL;
static bool registry_valid = false;
static bool loading = false;	/* messages now concern a registry that is not there yet */
static uint64 generation = 0;	/* how many registries there were */
static List *retired = NIL;		/* memory contexts of replaced registries */


/*
 * Relation cache message: forget what depends on relid (InvalidOid: all).
 * May come at any time, so it only sets flags.
 */
static void
relcache_callback(Datum arg, Oid relid)
{
	int			i;

	if (loading)
	{
		/* the tables that are being read may be among those that changed */
		registry_valid = false;
		return;
	}
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
 * Catalog cache message for functions: where the extension was not installed
 * there are no tables of its own to listen for, and its schema outlives it.
 * CREATE EXTENSION makes functions, and a DROP EXTENSION that is rolled back
 * brings them back.
 */
static void
function_callback(Datum arg, int cacheid, uint32 hashvalue)
{
	if (registry == NULL || !registry->installed)
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
	CacheRegisterSyscacheCallback(PROCOID, function_callback, (Datum) 0);
}

/*
 * Free registries that were replaced.  Called when nobody points into them any
 * more: at the end of a transaction, and between statements.
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
 * Read the registry anew; keep the old one until the end of the transaction.
 */
static void
replace_registry(void)
{
	Registry   *r = pz_registry_load();

	if (registry)
	{
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
		retired = lappend(retired, registry->mcxt);
		MemoryContextSwitchTo(old);
	}
	registry = r;
	generation++;
}

/*
 * Make sure the registry is loaded and fresh.  Messages that arrive while it
 * is being read make it stale again, so read again; if they do not stop (as
 * with debug_discard_caches, where once is enough), the last reading does for
 * this call and the next call reads again.  Nothing is remembered while CREATE
 * EXTENSION runs.
 */
static void
ensure_registry(void)
{
	int			most = debug_discard_caches > 0 ? 1 : 4;
	int			attempts;

	Assert(IsTransactionState());
	for (attempts = 0; attempts < most && (registry == NULL || !registry_valid); attempts++)
	{
		registry_valid = true;
		loading = true;
		PG_TRY();
		{
			replace_registry();
		}
		PG_CATCH();
		{
			loading = false;
			registry_valid = false;
			PG_RE_THROW();
		}
		PG_END_TRY();
		loading = false;
		if (pz_registry_in_own_script())
		{
			registry_valid = false;
			break;
		}
	}
}

/*
 * As ensure_registry, and ERROR 55000 if the SQL objects are of another version
 * than the library.
 */
static void
need_registry(void)
{
	ensure_registry();
	if (registry->installed && !registry->matches)
		pz_registry_report_mismatch(registry);
}

/*
 * Are the SQL objects there, and of the library's version?
 */
bool
pz_registry_matches(void)
{
	ensure_registry();
	return registry->matches;
}

/* Which of the registries of this process is the one that holds now? */
uint64
pz_registry_generation(void)
{
	ensure_registry();
	return generation;
}

/* Are the numbers in the registry good in this database? */
bool
pz_registry_anchored(void)
{
	ensure_registry();
	return registry->anchored;
}

/*
 * Is known who was erased, or can people be in the data who were?
 */
PzErasedKnown
pz_registry_erased(void)
{
	ensure_registry();
	return registry->unknown;
}

/*
 * ERROR 55000 if the SQL objects are of another version than the library.
 */
void
pz_registry_require_match(void)
{
	need_registry();
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
	return registry->installed && (registry->relations != NIL || registry->unreadable);
}

/*
 * Does the registry hold anything that a rename or drop could make wrong?
 */
bool
pz_registry_in_use(void)
{
	ensure_registry();
	return registry->installed && (registry->relations != NIL || registry->grants != NIL);
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

/*
 * What protects a relation: its own registration or that of an ancestor; NULL
 * if nothing does.  The answer stays valid while the statement is planned or
 * started.
 * ERROR 55000 if the registry is unreadable, or of another version than the
 * library and something protects the relation.
 *
 * The caller holds a lock on relid, so its protection cannot change while it
 * is resolved: protect() and unprotect() take an exclusive one.
 */
const PzRelation *
pz_registry_relation(Oid relid)
{
	Registry   *r;
	RelationEntry *e;
	List	   *ancestors;
	PzRelation *rel = NULL;
	MemoryContext old;

	ensure_registry();
	r = registry;
	if (!r->installed || relid < FirstNormalObjectId)
		return NULL;
	if (!r->matches)
	{
		if (get_rel_namespace(relid) != r->oids.extension_schema &&
			(r->unreadable || pz_registry_ancestors(r, relid) != NIL))
			pz_registry_report_mismatch(r);
		return NULL;
	}
	if (r->relations == NIL)
		return NULL;

	e = hash_search(r->resolved, &relid, HASH_FIND, NULL);
	if (e && !e->stale)
		return e->rel;

	old = MemoryContextSwitchTo(r->mcxt);
	ancestors = pz_registry_ancestors(r, relid);
	if (ancestors != NIL)
		rel = pz_registry_resolve(r, relid, ancestors);
	MemoryContextSwitchTo(old);

	e = hash_search(r->resolved, &relid, HASH_ENTER, NULL);
	e->stale = false;
	e->rel = rel;
	return rel;
}

/*
 * Does a column lead from a row to a subject?  Whoever may use the row may use
 * the column.
 */
bool
pz_registry_leads_to_subject(const PzRelation *rel, AttrNumber attnum)
{
	int			i;

	for (i = 0; i < rel->npaths; i++)
		if (pz_path_has_column(&rel->paths[i], attnum))
			return true;
	return false;
}

/*
 * Is a relation protected, and not only observed?  As pz_registry_relation.
 */
bool
pz_registry_guards(Oid relid)
{
	const PzRelation *rel = pz_registry_relation(relid);

	return rel != NULL && !rel->observed;
}

/*
 * The relations that are protected by themselves, and not only observed: OIDs,
 * in the current memory context.  Some may be gone.
 */
List *
pz_registry_guarded(void)
{
	List	   *relids = NIL;
	ListCell   *lc;

	need_registry();
	foreach(lc, registry->relations)
	{
		Registered *g = lfirst(lc);

		if (!g->observed && OidIsValid(g->relid))
			relids = lappend_oid(relids, g->relid);
	}
	return relids;
}

/* All kinds of subjects (PzKind). */
const List *
pz_registry_kinds(void)
{
	need_registry();
	return registry->kinds;
}

/* All purposes (PzPurpose). */
const List *
pz_registry_purposes(void)
{
	need_registry();
	return registry->purposes;
}

/*
 * Purpose by number; NULL if there is none.
 */
const PzPurpose *
pz_registry_purpose(int32 purpose_id)
{
	need_registry();
	return pz_registry_find_purpose(registry, purpose_id);
}

/*
 * Purpose by name; NULL if there is none.
 */
const PzPurpose *
pz_registry_purpose_by_name(const char *name)
{
	ListCell   *lc;

	need_registry();
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

	need_registry();
	foreach(lc, registry->categories)
	{
		PzCategory *c = lfirst(lc);

		if (c->category_id == category_id)
			return c;
	}
	return NULL;
}

/*
 * Subject path by number, with the attributes of the registered relation
 * itself.  False if there is none, or its columns cannot be resolved.
 */
bool
pz_registry_path(int32 path_id, PzPath *path)
{
	Registry   *r;
	ListCell   *lc;

	need_registry();
	r = registry;
	foreach(lc, r->paths)
	{
		RegisteredPath *p = lfirst(lc);
		ListCell   *lr;

		if (p->path_id != path_id)
			continue;
		foreach(lr, r->relations)
		{
			Registered *g = lfirst(lr);

			if (g->stored_relid == p->stored_relid && OidIsValid(g->relid))
				return pz_registry_resolve_path(r, p, g, g->relid, path);
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
	need_registry();
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
	need_registry();
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
 * consent, the people's keys, what they were shown, the record of use?
 */
bool
pz_registry_append_only(Oid relid)
{
	static const char *const names[] = {
		"consent_event", "subject", "tombstone", "erasure", "maintenance_event", "link_event",
		"audit_use", "audit_more", "audit_note", "audit_key", "audit_subject", "audit_chunk", "audit_batch",
		"audit_template", "audit_dropped", "audit_period", "notice_version", "notice_text", "subject_jurisdiction"
	};
	const char *name;
	int			i;

	ensure_registry();
	if (!registry->installed || get_rel_namespace(relid) != registry->oids.extension_schema)
		return false;
	/* a period of a table of the record is like the table */
	while (get_rel_relispartition(relid))
		relid = get_partition_parent(relid, true);
	name = get_rel_name(relid);
	for (i = 0; name != NULL && i < lengthof(names); i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}
