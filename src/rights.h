/*-------------------------------------------------------------------------
 *
 * rights.h
 *	  Statements that serve a person's rights on protected relations.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PZ_RIGHTS_H
#define PZ_RIGHTS_H

#include "registry.h"
#include "tcop/dest.h"

extern void pz_rights_path(int32 path_id, PzPath *path);
extern char *pz_rights_relation(const PzPath *path);
extern char *pz_rights_condition(const PzPath *path, bool many);
extern char *pz_rights_key(const PzPath *path);
/* How pz_rights_run() runs a statement */
#define PZ_RIGHTS_KEEP	1		/* it comes again, and its plan does not depend on the arguments */
#define PZ_RIGHTS_LAZY	2		/* it counts what should not be there; on record if it finds any */

extern void pz_rights_run(const PzPath *path, const char *statement, int nargs, const Oid *types, const Datum *args,
						  int expected, int how, DestReceiver *dest);

/* rights_worker.c */
extern PGDLLEXPORT void pz_rights_worker_main(Datum arg);

#endif							/* PZ_RIGHTS_H */
