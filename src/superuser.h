/*-------------------------------------------------------------------------
 *
 * superuser.h
 *	  SQL that the library itself runs, whoever the user is.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PZ_SUPERUSER_H
#define PZ_SUPERUSER_H

extern void pz_superuser_select(const char *sql, int nargs, Oid *types, Datum *values);

#endif							/* PZ_SUPERUSER_H */
