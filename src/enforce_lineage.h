/*-------------------------------------------------------------------------
 *
 * enforce_lineage.h
 *	  What the parts of enforce_lineage*.c share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PZ_ENFORCE_LINEAGE_H
#define PZ_ENFORCE_LINEAGE_H

#include "nodes/parsenodes.h"
#include "nodes/primnodes.h"
#include "pz.h"

/* The row check of a protected entry */
typedef struct PzOrigin
{
	Const	   *mark;			/* in the entry's security quals */
	int			noting;			/* PzNoting, the weakest of its taps; PZ_NOTE_CHECK: none yet */
	bool		lost;			/* some of its rows reach no tap */
} PzOrigin;

/* A key, or the number of a group's keys, that reaches the top of a level */
typedef struct PzSource
{
	PzOrigin   *origin;
	Expr	   *key;			/* of this level */
	bool		is_group;
} PzSource;

/* enforce_lineage_shape.c */
extern bool pz_shape_is_grouped(const Query *query);
extern bool pz_shape_only_unions(Node *node);
extern bool pz_shape_only_first_or_last(const Query *query);
extern bool pz_shape_may_be_removed(Query *query, JoinExpr *join);
extern Var *pz_shape_below_casts(Node *node);
extern Var *pz_shape_same_value(Node *node);
extern Expr *pz_shape_linked_key(SubLink *sublink, Query *sub, int varno, const Var *subject, PzKeyType key_type);

/* enforce_lineage_tap.c */
extern TargetEntry *pz_tap_add_column(Query *query, Expr *expr, const char *name);
extern void pz_tap_mark(Query *query, List *sources, int noting);
extern void pz_tap_below(Query *query, List *sources, int noting);
extern void pz_tap_above(Query *query, List *sources, int noting);
extern void pz_tap_collect(Query *query, List *sources, int noting);
extern void pz_tap_collect_sets(Query *query, List *sources);

/* A tap for a source is in place. */
static inline void
pz_tap_placed(PzOrigin *origin, int noting)
{
	origin->noting = Max(origin->noting, noting);
}

#endif							/* PZ_ENFORCE_LINEAGE_H */
