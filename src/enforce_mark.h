/*-------------------------------------------------------------------------
 *
 * enforce_mark.h
 *	  The calls that the planner hook places in queries, and the constant that
 *	  marks them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PZ_ENFORCE_MARK_H
#define PZ_ENFORCE_MARK_H

#include "nodes/primnodes.h"
#include "registry.h"

/* Where the subject of a row is noted, from what is surest to what is not */
typedef enum PzNoting
{
	PZ_NOTE_CHECK,				/* by the row check itself: whom the scan sees */
	PZ_NOTE_SCAN,				/* by the only scan, of the rows that it returns; exact if the statement runs to its end */
	PZ_NOTE_TOP,				/* from the rows that the plan returns */
	PZ_NOTE_ASIDE,				/* on the way; exact if the statement runs to its end */
	PZ_NOTE_BOUNDED				/* on the way, where it may be stopped early */
} PzNoting;

/*
 * Value of type personalize.plan_mark, the first argument of every call that
 * the planner hook places.  No SQL can make one.
 */
typedef struct PzMark
{
	int32		vl_len_;		/* varlena header, never short: the type is stored plain */
	int32		path_id;
	int32		purpose_id;		/* PZ_PURPOSE_NONE: the one the session states */
	int32		category_id;	/* of cell checks; PZ_CATEGORY_ROW of row checks */
	int32		noting;			/* PzNoting, of row checks */
	int32		nmasked;		/* of row checks: categories whose cells the plan masks */
	int32		masked[FLEXIBLE_ARRAY_MEMBER];
} PzMark;

/* A protected entry of a query, while checks are put in */
typedef struct PzGuarded
{
	RangeTblEntry *rte;
	const PzRelation *rel;
	Index		varno;
	int32		purpose_id;		/* PZ_PURPOSE_NONE: the one the session states */
	Bitmapset  *masked;			/* attnums of columns that are masked */
	int			npolicies;		/* security quals of the entry that are checks, or of policies: the first ones */
	List	   *categories;		/* int: categories of these */
	List	   *leveled;		/* quals of the query that are as harmless as the check */
} PzGuarded;

/* Is it left to taps to note? */
static inline bool
pz_noting_is_tapped(int noting)
{
	return noting != PZ_NOTE_CHECK && noting != PZ_NOTE_SCAN;
}

extern bool pz_mark_is_policy_function(Oid funcid);
extern bool pz_mark_masks(const PzRelation *rel, int column);
extern PzGuarded *pz_mark_guarded(RangeTblEntry *rte, Index varno, const PzRelation *rel, int32 purpose_id);
extern Expr *pz_mark_row_check(const PzGuarded *guarded, const PzPath *path);
extern Expr *pz_mark_cell_check(const PzGuarded *guarded, int32 category_id, const Var *like);
extern Expr *pz_mark_write_check(const PzGuarded *guarded, int32 category_id);
/* enforce_ri.c */
extern bool pz_ri_follows_key(const PzRelation *rel, const TargetEntry *tle);

extern Const *pz_mark_of_path(int32 path_id);
extern Expr *pz_mark_keep_subject(const PzGuarded *guarded, const PzPath *path, AttrNumber attnum, Expr *value);
extern const PzMark *pz_mark_of_row_check(Node *qual);
extern bool pz_mark_is_row_check(Node *qual, int32 path_id);
extern bool pz_mark_is_check(Oid funcid);
extern bool pz_mark_is_key(Oid funcid);
extern bool pz_mark_is_placed(const FuncExpr *f);
extern void pz_mark_bind(int32 id, int32 *purpose_id, bool *found);
extern bool pz_mark_take_purpose(Node **quals, int32 *purpose_id);
extern bool pz_mark_find_purpose(Node *quals, int32 *purpose_id);

/* enforce_lineage.c */
extern void pz_lineage_rewrite(Query *query, bool cursor);

/* enforce_opaque.c */
extern bool pz_opaque_node(Node *node, void *context);
extern bool pz_opaque_query(Query *query);

/* enforce_mask.c */
extern Query *pz_mask_query(Query *query, List *guarded);

/* enforce_level.c */
extern void pz_level_query(Query *query, List *guarded, ParamListInfo params);

/* Functions of users that pz_harmless_is_late() lets pass, together with parameters */
typedef struct PzEarly
{
	bool		(*is_known) (Oid funcid);
} PzEarly;

/* enforce_harmless.c */
extern bool pz_harmless_function(Oid funcid);
extern bool pz_harmless_call(Oid funcid, List *args, Oid collation, bool *leakproof);
extern bool pz_harmless_is_late(Node *node, void *context);

/* enforce_spatial.c */
extern bool pz_spatial_is_harmless(Oid funcid);
extern bool pz_spatial_is_harmless_operator(Oid opno);
extern Node *pz_spatial_box(Node *clause, ParamListInfo params);

#endif							/* PZ_ENFORCE_MARK_H */
