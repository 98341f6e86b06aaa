/*-------------------------------------------------------------------------
 *
 * registry_private.h
 *	  The registry as it is read from its tables; for registry.c,
 *	  registry_load.c and registry_version.c only.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PZ_REGISTRY_PRIVATE_H
#define PZ_REGISTRY_PRIVATE_H

#include "utils/hsearch.h"

#include "registry.h"

/* A row of registry_relation */
typedef struct Registered
{
	Oid			stored_relid;	/* as in the table: joins paths and columns to it */
	Oid			relid;			/* what it is here; InvalidOid if it is not found */
	bool		null_visible;
	bool		observed;
	bool		has_net;
	bool		orphan;			/* not in the table: it carries our policies, and nobody knows why */
} Registered;

typedef struct RegisteredPath
{
	int32		path_id;
	Oid			stored_relid;
	int32		kind_id;
	int32		via;			/* 0: none */
	int			ncolumns;		/* 0: more than we can handle, the relation serves nothing */
	AttrNumber	columns[PZ_PATH_COLUMNS];
	char	   *column_names[PZ_PATH_COLUMNS];
	AttrNumber	referred[PZ_PATH_COLUMNS];	/* as stored; 0: not known */
	char	   *referred_names[PZ_PATH_COLUMNS];
} RegisteredPath;

typedef struct RegisteredColumn
{
	Oid			stored_relid;
	AttrNumber	attnum;
	char	   *column_name;
	int32		category_id;
	char	   *mask;			/* NULL: none */
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
	bool		matches;		/* the SQL objects are of the library's version */
	bool		unreadable;		/* they are not, and anything may be protected */
	const char *sql_version;	/* NULL: not installed */
	bool		anchored;		/* numbers are good here */
	PzErasedKnown unknown;		/* is known who was erased? */
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

/* registry_load.c */
extern bool pz_registry_in_own_script(void);
extern Registry *pz_registry_load(void);
extern PzPurpose *pz_registry_find_purpose(Registry *r, int32 purpose_id);

/* registry_resolve.c */
extern List *pz_registry_ancestors(Registry *r, Oid relid);
extern bool pz_registry_resolve_path(Registry *r, const RegisteredPath *p, const Registered *g, Oid relid, PzPath *path);
extern PzRelation *pz_registry_resolve(Registry *r, Oid relid, List *ancestors);

/* registry_orphans.c */
extern void pz_registry_load_orphans(Registry *r);

/* registry_version.c */
extern char *pz_registry_sql_version(void);
extern void pz_registry_load_foreign(Registry *r);
extern void pz_registry_report_mismatch(const Registry *r);

#endif							/* PZ_REGISTRY_PRIVATE_H */
