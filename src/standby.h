/*-------------------------------------------------------------------------
 *
 * standby.h
 *	  Standbys: how new what one shows is, and what is owed to one.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PZ_STANDBY_H
#define PZ_STANDBY_H

#include "access/xlogdefs.h"
#include "utils/timestamp.h"

#define PZ_AGE_UNKNOWN	PG_INT64_MAX

extern int64 pz_standby_age(void);
extern void pz_standby_require_fresh(int64 age);
extern bool pz_standby_beat(TimestampTz seen_at);
extern void pz_standby_wait(XLogRecPtr lsn);

#endif							/* PZ_STANDBY_H */
