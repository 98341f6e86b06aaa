/*-------------------------------------------------------------------------
 *
 * worker.h
 *	  What the background processes of personalize have in common.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PZ_WORKER_H
#define PZ_WORKER_H

extern void pz_worker_nap(long ms);
extern void pz_worker_settings(void);
extern void pz_worker_start(const char *function, const char *type);

#endif							/* PZ_WORKER_H */
