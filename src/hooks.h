/*-------------------------------------------------------------------------
 *
 * hooks.h
 *	  Ties the layers to PostgreSQL.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PZ_HOOKS_H
#define PZ_HOOKS_H

/* hooks.c */
extern void pz_hooks_install(void);

/* hooks_utility.c */
extern bool pz_in_database(void);
extern void pz_hooks_install_utility(void);

#endif							/* PZ_HOOKS_H */
