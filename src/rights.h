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
extern void pz_rights_run(const PzPath *path, const char *statement, int nargs, const Oid *types, const Datum *args,
						  int expected, bool keep, DestReceiver *dest);

/* rights_worker.c */
extern PGDLLEXPORT void pz_rights_worker_main(Datum arg);

#endif							/* PZ_RIGHTS_H */
