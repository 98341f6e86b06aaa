/*-------------------------------------------------------------------------
 *
 * audit_worker.h
 *	  Background processes of the audit.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PZ_AUDIT_WORKER_H
#define PZ_AUDIT_WORKER_H

#include "shmem.h"

/* audit_launcher.c */
extern PGDLLEXPORT void pz_audit_launcher_main(Datum arg);

/* audit_worker.c */
extern PGDLLEXPORT void pz_audit_worker_main(Datum arg);

#endif							/* PZ_AUDIT_WORKER_H */
