/*-------------------------------------------------------------------------
 *
 * worker.h
 *	  What the background processes of personalize have in common.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PZ_WORKER_H
#define PZ_WORKER_H

#include "shmem.h"
#include "storage/ipc.h"

extern void pz_worker_nap(long ms);
extern void pz_worker_settings(void);
extern PzDatabase *pz_worker_join(Oid dbid, size_t pid, size_t latch, pg_on_exit_callback on_exit);
extern void pz_worker_part(PzDatabase *db, size_t pid);
extern void pz_worker_start(const char *function, const char *type);

#endif							/* PZ_WORKER_H */
