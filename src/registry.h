/*-------------------------------------------------------------------------
 *
 * registry.h
 *	  What is protected, for which purposes it may be used, and by whom.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PZ_REGISTRY_H
#define PZ_REGISTRY_H

#include "access/attnum.h"
#include "pz.h"

typedef struct PzKind
{
	int32		kind_id;
	const char *name;
	PzKeyType	key_type;
} PzKind;

typedef struct PzCategory
{
	int32		category_id;
	const char *name;
	bool		special;
	bool		partial;		/* somebody treats it apart from the rest of a purpose */
} PzCategory;

typedef struct PzPurpose
{
	int32		purpose_id;
	const char *name;
	const char *basis_name;
	PzLegalBasis basis;
	bool		builtin;		/* sees every row and cell */
	bool		retired;
	bool		special_basis;	/* names a basis for special categories */
	int			ncategories;
	int32	   *categories;
	int			nparents;
	int32	   *parents;
} PzPurpose;

/* Do tombstones say who was erased until now? */
typedef enum PzErasedKnown
{
	PZ_ERASED_KNOWN,
	PZ_ERASED_RESTORED,			/* the cluster was restored, and erasures were not applied again */
	PZ_ERASED_OTHERS_KEY		/* they were made with another key file */
} PzErasedKnown;

#define PZ_PATH_COLUMNS		8	/* the most of a path */

/*
 * One way from a row to a subject: by a column that is the key, by several that
 * make up the key, or by those of a foreign key to a relation that has one
 * (enforce_path.c).
 */
typedef struct PzPath
{
	int32		path_id;
	int32		kind_id;
	PzKeyType	key_type;
	Oid			relid;			/* the registered relation */
	int32		via;			/* path of the relation that the columns refer to; 0: none, they are the key */
	int			ncolumns;
	AttrNumber	columns[PZ_PATH_COLUMNS];	/* in the relation that was asked for; 0: dropped or unresolved */
	AttrNumber	referred[PZ_PATH_COLUMNS];	/* what the columns refer to in the relation of via */
	AttrNumber	attnum;			/* of the one column that is the key; 0: there is no such */
} PzPath;

/* A column of the relation that was asked for, by attnum - 1 */
typedef struct PzColumn
{
	const char *name;			/* NULL: dropped */
	int32		category_id;	/* -1: nobody classified it */
	const char *mask;			/* literal shown for cells kept back; NULL: NULL */
} PzColumn;

/*
 * A protected relation, or a partition or inheritance child of one.  For a
 * child, root is the registered ancestor and attnums are those of the child.
 */
typedef struct PzRelation
{
	Oid			relid;
	Oid			root;			/* the registered relation */
	const char *name;			/* root, schema-qualified and quoted */
	bool		null_visible;	/* rows without a subject are visible */
	bool		broken;			/* a subject column is gone: serve nothing */
	bool		orphan;			/* carries our policies, but the registry does not know it: serve nothing */
	bool		has_net;		/* row security was off before: a permissive policy of ours must be there */
	bool		observed;		/* mode observe: refuse nothing, record what would be */
	int			npaths;
	PzPath	   *paths;
	int			ncolumns;
	PzColumn   *columns;
} PzRelation;

/* Functions and types of the extension that trees are searched for */
typedef struct PzOids
{
	Oid			extension_schema;
	Oid			mark_type;
	Oid			row_ok[PZ_KEY_TEXT + 1];	/* by PzKeyType; [0] unused */
	Oid			policy_ok[PZ_KEY_TEXT + 1];
	Oid			net_ok;
	Oid			cell_ok[PZ_KEY_TEXT + 1];
	Oid			write_ok[PZ_KEY_TEXT + 1];
	Oid			tap_row[PZ_KEY_TEXT + 1];
	Oid			collect[PZ_KEY_TEXT + 1];
	Oid			collect_set[PZ_KEY_TEXT + 1];
	Oid			tap_group;
	Oid			collect_group;
	Oid			collect_set_group;
	Oid			for_purpose;
	Oid			keep_subject;
	Oid			path_key[PZ_KEY_TEXT + 1];
	Oid			path_name;
	Oid			path_values;
	Oid			rights_path_key;	/* what statements that serve rights name in their place */
	Oid			rights_values;
	Oid			consent_event;	/* append-only tables and their indexes */
	Oid			consent_event_subject;
	Oid			consent_event_end;
	Oid			consent_changed;	/* trigger function */
	Oid			subject;
	Oid			subject_key;
	Oid			tombstone;
	Oid			tombstone_pkey;
	Oid			suppression;
	Oid			suppression_pkey;
	Oid			suppression_until;
} PzOids;

extern void pz_registry_init(void);
extern bool pz_registry_installed(void);
extern bool pz_registry_active(void);
extern bool pz_registry_in_use(void);
extern void pz_registry_policy_changed(void);
extern bool pz_registry_anchored(void);
extern PzErasedKnown pz_registry_erased(void);
extern bool pz_registry_matches(void);
extern uint64 pz_registry_generation(void);
extern void pz_registry_require_match(void);
extern void pz_registry_release(void);
extern const PzOids *pz_registry_oids(void);
extern const PzRelation *pz_registry_relation(Oid relid);
extern bool pz_path_has_column(const PzPath *path, AttrNumber attnum);
extern bool pz_registry_leads_to_subject(const PzRelation *rel, AttrNumber attnum);
extern bool pz_registry_guards(Oid relid);
extern List *pz_registry_guarded(void);
extern const List *pz_registry_kinds(void);
extern const List *pz_registry_purposes(void);
extern const PzPurpose *pz_registry_purpose(int32 purpose_id);
extern const PzPurpose *pz_registry_purpose_by_name(const char *name);
extern const PzCategory *pz_registry_category(int32 category_id);
extern bool pz_registry_path(int32 path_id, PzPath *path);
extern bool pz_registry_granted(int32 purpose_id, Oid role, bool *may_copy);
extern bool pz_registry_has_duty(Oid role, const char *duty);
extern bool pz_registry_append_only(Oid relid);

/* registry_resolve.c */
extern char *pz_registry_quote(const char *schema, const char *name);

#endif							/* PZ_REGISTRY_H */
