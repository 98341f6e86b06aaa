/*-------------------------------------------------------------------------
 *
 * superuser.h
 *	  SQL that the library itself runs as another user.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PZ_SUPERUSER_H
#define PZ_SUPERUSER_H

extern void pz_superuser_select(const char *sql, int nargs, Oid *types, Datum *values);
extern void pz_owner_select(Oid owner, const char *sql);

#endif							/* PZ_SUPERUSER_H */
