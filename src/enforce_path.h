/*-------------------------------------------------------------------------
 *
 * enforce_path.h
 *	  Keys of subjects that are not one column of the row itself.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PZ_ENFORCE_PATH_H
#define PZ_ENFORCE_PATH_H

#include "nodes/nodes.h"
#include "registry.h"

typedef struct PzWay PzWay;

extern PzWay *pz_way_open(MemoryContext mcxt, int32 path_id, int n, const Oid *types);
extern Datum pz_way_key(PzWay *way, const Datum *values, bool newer, bool *isnull);
extern bool pz_way_is_lost(const PzWay *way);
extern bool pz_path_place(Node *node, void *context);

#endif							/* PZ_ENFORCE_PATH_H */
