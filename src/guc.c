/*-------------------------------------------------------------------------
 *
 * guc.c
 *	  Settings of personalize, in alphabetic order.
 *
 * personalize.app_user, personalize.context and personalize.purpose end with
 * the transaction; purpose.c sees to that.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/guc.h"

#include "guc.h"

char	   *pz_app_user = NULL;
int			pz_audit_level = PZ_AUDIT_ON;
int			pz_audit_anchor = 3600;
int			pz_audit_lease = 60;
int			pz_audit_naptime = 200;
int			pz_audit_period = 7 * 86400;
int			pz_audit_retention = 0;
int			pz_consent_memory = 1024 * 1024;
char	   *pz_context = NULL;
int			pz_heartbeat = 1000;
char	   *pz_key_file = NULL;
int			pz_least_group = 5;
bool		pz_log_refusals = true;
int			pz_max_databases = 16;
int			pz_max_replay_lag = 10000;
char	   *pz_purpose = NULL;
bool		pz_purpose_touched = true;
int			pz_purpose_scope = PZ_SCOPE_TRANSACTION;
char	   *pz_standby_log_directory = NULL;
int			pz_standby_log_limit = 1024 * 1024;
int			pz_standby_log_size = 16 * 1024;
int			pz_standby_reads = PZ_STANDBY_OFF;

static const struct config_enum_entry audit_options[] = {
	{"async", PZ_AUDIT_ASYNC, false},
	{"on", PZ_AUDIT_ON, false},
	{"strict", PZ_AUDIT_STRICT, false},
	{NULL, 0, false}
};

static const struct config_enum_entry purpose_scope_options[] = {
	{"session", PZ_SCOPE_SESSION, false},
	{"transaction", PZ_SCOPE_TRANSACTION, false},
	{NULL, 0, false}
};

static const struct config_enum_entry standby_reads_options[] = {
	{"log", PZ_STANDBY_LOG, false},
	{"off", PZ_STANDBY_OFF, false},
	{NULL, 0, false}
};

/*
 * Texts go into the record of use and the ledger.  What comes with the start of
 * a connection has not been checked against the encoding of the database, and a
 * text that is not valid could neither be dumped nor searched.
 */
static bool
check_text(char **newval, void **extra, GucSource source)
{
	if (*newval == NULL || pg_verifymbstr(*newval, strlen(*newval), true))
		return true;
	GUC_check_errcode(ERRCODE_CHARACTER_NOT_IN_REPERTOIRE);
	GUC_check_errdetail("The value is not valid in the encoding of the database.");
	return false;
}

/*
 * A purpose.  Not one that shows everything while PostgreSQL runs code of an
 * owner within somebody else's command, who would lend it his purposes: besides
 * enforce_within.c, a second lock before what matters most.
 * (GUC_NOT_WHILE_SEC_REST would forbid it to every SECURITY DEFINER function.)
 */
static bool
check_purpose(char **newval, void **extra, GucSource source)
{
	if (source >= PGC_S_INTERACTIVE && InSecurityRestrictedOperation() && *newval != NULL &&
		(strcmp(*newval, "backup") == 0 || strcmp(*newval, "break_glass") == 0 ||
		 strcmp(*newval, "subject_rights") == 0 || strcmp(*newval, "maintenance") == 0))
	{
		GUC_check_errcode(ERRCODE_INSUFFICIENT_PRIVILEGE);
		GUC_check_errmsg("cannot state a built-in purpose within a security-restricted operation");
		GUC_check_errhint("Functions in indexes, statistics and materialized views run for the purpose of the command that calls them.");
		return false;
	}
	return check_text(newval, extra, source);
}

/* A setting that ends with the transaction was set, or put back. */
static void
assign_text(const char *newval, void *extra)
{
	pz_purpose_touched = true;
}

/*
 * Define all settings.  Called once from _PG_init in the postmaster.
 */
void
pz_guc_init(void)
{
	DefineCustomStringVariable("personalize.app_user",
							   "Sets the end user of the application, for the record of use.",
							   "Ends with the transaction.",
							   &pz_app_user, "",
							   PGC_USERSET, 0, check_text, assign_text, NULL);
	DefineCustomEnumVariable("personalize.audit",
							 "Sets how durable the record of use is.",
							 "\"on\" makes a lease durable before the first row, \"strict\" also the exact record "
							 "before a statement is complete, \"async\" nothing: "
							 "then uses in the last instants before a server crash may be lost.",
							 &pz_audit_level, PZ_AUDIT_ON, audit_options,
							 PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("personalize.audit_anchor",
							"Sets how often the head of the record of use goes to the server log.",
							"Zero: never. Whoever keeps the log elsewhere can tell later whether the record was cut off or made anew.",
							&pz_audit_anchor, 3600, 0, 86400 * 7,
							PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable("personalize.audit_lease",
							"Sets for how long one durable statement of who may use what covers later uses.",
							"Used when personalize.audit is \"on\" or \"strict\". After a server crash everybody permitted counts as used "
							"for a lease that had not run out.",
							&pz_audit_lease, 60, 1, 3600,
							PGC_SUSET, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable("personalize.audit_naptime",
							"Sets the longest time between two looks of the audit worker at the WAL.",
							NULL,
							&pz_audit_naptime, 200, 1, 60000,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("personalize.audit_period",
							"Sets how long a period of the record of use is, which is kept or dropped as a whole.",
							"Takes effect when the next period begins.",
							&pz_audit_period, 7 * 86400, 1, 366 * 86400,
							PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable("personalize.audit_retention",
							"Sets how long the record of use is kept after the end of a period.",
							"Zero: for ever.",
							&pz_audit_retention, 0, 0, 2000000000,
							PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable("personalize.consent_memory",
							"Sets how much shared memory each database may use to know what people agreed to.",
							"What does not fit is read from the ledger, person by person.  Zero: always.",
							&pz_consent_memory, 1024 * 1024, 0, MAX_KILOBYTES,
							PGC_SIGHUP, GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomStringVariable("personalize.context",
							   "Sets the explanation shown to the subject, for the record of use.",
							   "Ends with the transaction.",
							   &pz_context, "",
							   PGC_USERSET, 0, check_text, assign_text, NULL);
	DefineCustomIntVariable("personalize.heartbeat",
							"Sets how often a primary server without other traffic tells its standbys the time.",
							"An empty transaction while a standby is connected, so that a standby knows how new what it shows is.  Zero: never.",
							&pz_heartbeat, 1000, 0, 3600 * 1000,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomStringVariable("personalize.key_file",
							   "Sets the file with the keys that authenticate audit records and hide erased keys.",
							   "Relative to the data directory. Made with mode 0600 at the first start if it does not exist.",
							   &pz_key_file, "personalize.key",
							   PGC_POSTMASTER, GUC_SUPERUSER_ONLY, NULL, NULL, NULL);
	DefineCustomIntVariable("personalize.least_group",
							"Sets how many persons a group must have for its outcomes to be shown.",
							"Whoever asks may want more, never fewer.",
							&pz_least_group, 5, 1, 1000000,
							PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("personalize.log_refusals",
							 "Sets whether the server log has a line for each use of protected relations that is refused.",
							 "Also for those whose error somebody catches.",
							 &pz_log_refusals, true,
							 PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("personalize.max_databases",
							"Sets the number of databases of this server that can use personalize.",
							"Each takes one background worker and one replication slot.",
							&pz_max_databases, 16, 1, 1024,
							PGC_POSTMASTER, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("personalize.max_replay_lag",
							"Sets how old what a standby knows of consent may be.",
							"Statements that would use personal data are refused where it may be older.",
							&pz_max_replay_lag, 10000, 1, INT_MAX,
							PGC_SUSET, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomStringVariable("personalize.purpose",
							   "Sets what personal data is used for.",
							   "Ends with the transaction, unless it comes from the role, the database or the start of the session.",
							   &pz_purpose, "",
							   PGC_USERSET, GUC_REPORT, check_purpose, assign_text, NULL);
	DefineCustomEnumVariable("personalize.purpose_scope",
							 "Sets whether SET without LOCAL may state a purpose.",
							 "\"session\" lets a purpose outlive the transaction: behind a connection pool it then reaches the next borrower.",
							 &pz_purpose_scope, PZ_SCOPE_TRANSACTION, purpose_scope_options,
							 PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("personalize.standby_log_directory",
							   "Sets where a standby writes its log of uses.",
							   "Relative to the data directory. Made with mode 0700 if it does not exist.",
							   &pz_standby_log_directory, "personalize_standby",
							   PGC_POSTMASTER, GUC_SUPERUSER_ONLY, NULL, NULL, NULL);
	DefineCustomIntVariable("personalize.standby_log_limit",
							"Sets how much of its log of uses a standby keeps that the primary server has not taken in.",
							"Statements that would use personal data are refused beyond that.  Zero: no limit.",
							&pz_standby_log_limit, 1024 * 1024, 0, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomIntVariable("personalize.standby_log_size",
							"Sets how long a file of the log of a standby becomes before the next one is begun.",
							NULL,
							&pz_standby_log_size, 16 * 1024, 16, 256 * 1024,
							PGC_SIGHUP, GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomEnumVariable("personalize.standby_reads",
							 "Sets how uses of protected relations on a standby are recorded.",
							 "\"off\" refuses them, \"log\" writes them to a file of the standby, to be taken in by the primary server.",
							 &pz_standby_reads, PZ_STANDBY_OFF, standby_reads_options,
							 PGC_SIGHUP, 0, NULL, NULL, NULL);

	MarkGUCPrefixReserved("personalize");
}
