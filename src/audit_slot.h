/*-------------------------------------------------------------------------
 *
 * audit_slot.h
 *	  Replication slots that keep the WAL the audit has not read yet.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PZ_AUDIT_SLOT_H
#define PZ_AUDIT_SLOT_H

#include "access/xlogdefs.h"
#include "nodes/pg_list.h"

#define PZ_SLOT_PREFIX	"personalize_"

extern bool pz_slot_possible(void);
extern bool pz_slot_acquire(XLogRecPtr from);
extern void pz_slot_advance(XLogRecPtr upto);
extern XLogRecPtr pz_slot_restart(void);
extern void pz_slot_drop(void);
extern bool pz_slot_exists(Oid dbid);
extern void pz_slot_drop_others(const List *databases);
extern XLogSegNo pz_slot_oldest_segment(void);

#endif							/* PZ_AUDIT_SLOT_H */
