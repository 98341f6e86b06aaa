/*-------------------------------------------------------------------------
 *
 * restore.h
 *	  Was this cluster restored from a backup?
 *
 *-------------------------------------------------------------------------
 */
#ifndef PZ_RESTORE_H
#define PZ_RESTORE_H

extern void pz_restore_init(void);
extern const char *pz_restore_id(void);

#endif							/* PZ_RESTORE_H */
