/*-------------------------------------------------------------------------
 *
 * hooks.h
 *	  Ties the layers to PostgreSQL.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PZ_HOOKS_H
#define PZ_HOOKS_H

extern void pz_hooks_install(void);

#endif							/* PZ_HOOKS_H */
