/*-------------------------------------------------------------------------
 *
 * enforce_ri.h
 *	  What the files that recognise queries of referential integrity share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PZ_ENFORCE_RI_H
#define PZ_ENFORCE_RI_H

#include "nodes/parsenodes.h"

/* enforce_ri.c */
extern Node *pz_ri_strip_casts(Node *node);
extern bool pz_ri_only_key_equalities(Node *quals, Bitmapset **attnums, AttrNumber *period);
extern bool pz_ri_is_foreign_key(Oid relid, Bitmapset *compared, AttrNumber period, Bitmapset *set, CmdType command);
extern bool pz_ri_is_referenced_key(Oid relid, Bitmapset *compared, AttrNumber period);

/* enforce_ri_period.c */
extern bool pz_ri_is_of_period(Query *query);

#endif							/* PZ_ENFORCE_RI_H */
