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

/* What a process of ours, or a session for it, waits for: see docs/monitoring.md */
typedef enum PzWaitEvent
{
	PZ_WAIT_LAUNCHER,			/* the launcher has nothing to do */
	PZ_WAIT_WORKER,				/* a worker has nothing to do */
	PZ_WAIT_AUDIT_READY,		/* a session waits for an audit worker to start */
	PZ_WAIT_AUDIT_SYNC,			/* a session waits for its audit worker to have taken uses in */
	PZ_WAIT_LOG_WRITE,			/* a session of a standby writes to the log of uses */
	PZ_WAIT_LOG_SYNC			/* a session of a standby waits for that to be on disk */
} PzWaitEvent;

extern uint32 pz_wait_event(PzWaitEvent event);
extern void pz_worker_nap(long ms);
extern void pz_worker_settings(void);
extern PzDatabase *pz_worker_join(Oid dbid, size_t pid, size_t latch, pg_on_exit_callback on_exit);
extern void pz_worker_part(PzDatabase *db, size_t pid);
extern void pz_worker_start(const char *function, const char *type);

#endif							/* PZ_WORKER_H */
