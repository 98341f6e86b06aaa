/*-------------------------------------------------------------------------
 *
 * guc.h
 *	  Settings of personalize.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PZ_GUC_H
#define PZ_GUC_H

/* personalize.audit */
typedef enum PzAuditLevel
{
	PZ_AUDIT_ASYNC,				/* nothing is flushed */
	PZ_AUDIT_ON,				/* the lease is flushed before the first row */
	PZ_AUDIT_STRICT				/* ... and the exact record before the statement is complete */
} PzAuditLevel;

/* personalize.standby_reads */
typedef enum PzStandbyReads
{
	PZ_STANDBY_OFF,				/* protected reads are refused */
	PZ_STANDBY_LOG				/* they are recorded in a file */
} PzStandbyReads;

/* personalize.purpose_scope */
typedef enum PzPurposeScope
{
	PZ_SCOPE_TRANSACTION,		/* the purpose ends with the transaction */
	PZ_SCOPE_SESSION			/* SET without LOCAL is allowed */
} PzPurposeScope;

extern char *pz_app_user;		/* personalize.app_user; "" is none */
extern int	pz_audit_level;		/* personalize.audit, a PzAuditLevel */
extern int	pz_audit_anchor;	/* personalize.audit_anchor, seconds */
extern int	pz_audit_lease;		/* personalize.audit_lease, seconds */
extern int	pz_audit_naptime;	/* personalize.audit_naptime, milliseconds */
extern int	pz_audit_period;	/* personalize.audit_period, seconds */
extern int	pz_audit_retention; /* personalize.audit_retention, seconds; 0: for ever */
extern int	pz_consent_memory;	/* kB */
extern char *pz_context;		/* personalize.context; "" is none */
extern int	pz_heartbeat;		/* personalize.heartbeat, milliseconds; 0: none */
extern char *pz_key_file;		/* personalize.key_file, relative to the data directory */
extern int	pz_least_group;		/* personalize.least_group, persons */
extern bool pz_log_refusals;	/* personalize.log_refusals */
extern int	pz_max_databases;	/* personalize.max_databases */
extern int	pz_max_replay_lag;	/* personalize.max_replay_lag, milliseconds */
extern char *pz_purpose;		/* personalize.purpose; "" is none */
extern bool pz_purpose_touched; /* a setting that ends with the transaction may not be as at its start */
extern int	pz_purpose_scope;	/* personalize.purpose_scope, a PzPurposeScope */

extern char *pz_standby_log_directory;	/* relative to the data directory */
extern int	pz_standby_log_limit;	/* personalize.standby_log_limit, kB; 0: none */
extern int	pz_standby_log_size;	/* personalize.standby_log_size, kB */
extern int	pz_standby_reads;	/* personalize.standby_reads, a PzStandbyReads */

extern void pz_guc_init(void);

#endif							/* PZ_GUC_H */
