/*-------------------------------------------------------------------------
 *
 * audit.h
 *	  What the rest of personalize may ask of the audit.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PZ_AUDIT_H
#define PZ_AUDIT_H

#include "pz.h"

/* audit_emit.c */
extern bool pz_audit_is_writable(void);
extern void pz_audit_begin(PzUse *use);
extern void pz_audit_run_end(PzUse *use, bool completed);
extern void pz_audit_end(PzUse *use, PzUseStatus status);
extern void pz_audit_refused(PzUse *use, const char *reason);
extern void pz_audit_send_gap(const char *reason);
extern void pz_audit_send_standby(int64 log_id, uint64 at, uint64 end, const uint8 *link, const void *data, size_t len);
extern void pz_audit_send_last(int64 log_id);

/* audit_launcher.c */
extern void pz_audit_init(void);
extern void pz_audit_request_worker(void);
extern void pz_audit_release_database(const char *dbname);
extern void pz_audit_resume_database(void);

/* audit_sql.c */
extern void pz_audit_sync(void);

/* audit_worker.c */
extern bool pz_audit_is_worker(void);

#endif							/* PZ_AUDIT_H */
