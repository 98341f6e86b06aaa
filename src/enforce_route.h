/*-------------------------------------------------------------------------
 *
 * enforce_route.h
 *	  The steps of paths; for enforce_path.c and enforce_route.c only.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PZ_ENFORCE_ROUTE_H
#define PZ_ENFORCE_ROUTE_H

#include "nodes/pg_list.h"
#include "registry.h"

/* A table that the rows referred to are in: the relation itself, or a partition of it */
typedef struct Leaf
{
	Oid			relid;
	Oid			indexid;
	int			order[PZ_PATH_COLUMNS]; /* of the columns of the foreign key in the index */
	AttrNumber	attnums[PZ_PATH_COLUMNS];	/* by that order: columns of the table */
	Oid			collations[PZ_PATH_COLUMNS];
	AttrNumber	next[PZ_PATH_COLUMNS];	/* columns that lead on from there */
} Leaf;

/* One foreign key of the way */
typedef struct Step
{
	int			n;
	RegProcedure equal[PZ_PATH_COLUMNS];	/* by columns of the foreign key */
	Oid			righttypes[PZ_PATH_COLUMNS];
	int			nleaves;
	Leaf	   *leaves;
	int			nnext;			/* columns that lead on */
	Oid			types[PZ_PATH_COLUMNS]; /* of these, below domains */
	int16		typlen[PZ_PATH_COLUMNS];
	bool		typbyval[PZ_PATH_COLUMNS];
} Step;

/* The steps of a path, as they are in the catalogs; kept from one statement to the next */
typedef struct Route
{
	int32		path_id;
	PzKeyType	key_type;
	int			ncolumns;
	int			nsteps;
	Step	   *steps;
	List	   *relids;			/* the relation of the path, and the tables of its steps */
} Route;

#define PZ_ROUTE_STEPS	16		/* the most; protect() refuses more */

extern const Route *pz_route_find(int32 path_id);

#endif							/* PZ_ENFORCE_ROUTE_H */
