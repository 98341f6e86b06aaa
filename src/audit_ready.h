/*-------------------------------------------------------------------------
 *
 * audit_ready.h
 *	  Is the record of use of this database being kept?
 *
 *-------------------------------------------------------------------------
 */
#ifndef PZ_AUDIT_READY_H
#define PZ_AUDIT_READY_H

extern Oid	pz_ready_extension(void);
extern void pz_ready_require(bool in_log);

#endif							/* PZ_AUDIT_READY_H */
