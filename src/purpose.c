/*-------------------------------------------------------------------------
 *
 * purpose.c
 *	  The purpose a session states, and how long it lasts.
 *
 * personalize.purpose, personalize.app_user and personalize.context say
 * something about one piece of work.  Behind a connection pool the next piece
 * of work in the same session belongs to somebody else, so they end with the
 * transaction, however they were set: SET without LOCAL is an error that says
 * what to type, and every other way is put back before commit.  Values from
 * the role, the database, the start of the session or a function's SET clause
 * are part of the session's or function's definition and stay.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/parallel.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/rls.h"

#include "errors.h"
#include "guc.h"
#include "purpose.h"

static const char *const transaction_settings[] = {
	"personalize.app_user", "personalize.context", "personalize.purpose"
};

/*
 * Refuse SET (without LOCAL) of a setting that ends with the transaction.
 * ERROR 42501 with a hint; returns for everything else.
 */
void
pz_purpose_check_set(VariableSetStmt *stmt)
{
	int			i;

	if (stmt->is_local || pz_purpose_scope == PZ_SCOPE_SESSION ||
		(stmt->kind != VAR_SET_VALUE && stmt->kind != VAR_SET_CURRENT) || stmt->name == NULL)
		return;
	for (i = 0; i < lengthof(transaction_settings); i++)
	{
		if (pg_strcasecmp(stmt->name, transaction_settings[i]) == 0)
			ereport(ERROR,
					(errcode(PZ_ERR_REFUSED),
					 errmsg("\"%s\" cannot be set for a whole session", transaction_settings[i]),
					 errhint("Use SET LOCAL in a transaction block: BEGIN; SET LOCAL %s = '...'; ...; COMMIT; "
							 "or give the role a default: ALTER ROLE ... SET %s = '...'.",
							 transaction_settings[i], transaction_settings[i])));
	}
}

/*
 * Put the settings back to what the session began with.  Called before commit
 * and before prepare; an abort puts them back by itself.  A parallel worker takes
 * over its leader's in a transaction before that of the query, and ends with it.
 */
void
pz_purpose_end_transaction(void)
{
	int			i;

	if (!pz_purpose_touched || pz_purpose_scope == PZ_SCOPE_SESSION || IsParallelWorker())
		return;
	for (i = 0; i < lengthof(transaction_settings); i++)
	{
		const char *now = GetConfigOption(transaction_settings[i], true, false);
		const char *reset = GetConfigOptionResetString(transaction_settings[i]);

		if (now == NULL || reset == NULL || strcmp(now, reset) == 0)
			continue;
		(void) set_config_option(transaction_settings[i], NULL, PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_SET, true, 0, false);
	}
	/* until one of them is set again, this costs nothing */
	pz_purpose_touched = false;
}

/*
 * A refusal (42501) in the current memory context; its texts are not copied.
 */
const PzRefusal *
pz_purpose_refuse(const char *reason, const char *message, const char *hint)
{
	PzRefusal  *r = palloc(sizeof(PzRefusal));

	r->sqlerrcode = PZ_ERR_REFUSED;
	r->reason = reason;
	r->message = message;
	r->hint = hint;
	return r;
}

/* Refuse (55000) because people who were erased cannot be told from others. */
static const PzRefusal *
refuse_unknown(PzErasedKnown why)
{
	PzRefusal  *r = palloc(sizeof(PzRefusal));

	r->sqlerrcode = PZ_ERR_STATE;
	r->reason = why == PZ_ERASED_RESTORED ? "restored" : "other key file";
	r->message = why == PZ_ERASED_RESTORED ?
		"protected relations are closed: the database was restored, and who was erased since the backup is not known" :
		"protected relations are closed: erased people are remembered by another key file than that of this server";
	r->hint = why == PZ_ERASED_RESTORED ?
		"Ask a privacy officer to call personalize.reapply_erasures() with what personalize.export_tombstones() returned on the newest server." :
		"Put the key file of the server that the data comes from into its place, and restart.";
	return r;
}

/*
 * Why role may not use a relation for the purpose it stated; NULL if it may.
 * purpose is NULL where there is none of that name.  Sets *may_copy.
 */
const PzRefusal *
pz_purpose_refusal(const char *purpose_name, const PzPurpose *purpose,
				   Oid role, const char *relation_name, bool *may_copy)
{
	*may_copy = false;
	if (purpose_name[0] == '\0')
		return pz_purpose_refuse("no purpose",
								 psprintf("cannot read protected relation %s without a purpose", relation_name),
								 row_security ?
								 "Say what the data is used for: BEGIN; SET LOCAL personalize.purpose = '...'; "
								 "or SELECT personalize.set_purpose('...') in the same transaction." :
								 "For a backup: PGOPTIONS='-c personalize.purpose=backup' pg_dump, as a superuser.");
	if (purpose == NULL)
		return pz_purpose_refuse("unknown purpose",
								 psprintf("purpose \"%.*s\" does not exist",
										  pg_mbcliplen(purpose_name, (int) strnlen(purpose_name, NAMEDATALEN), NAMEDATALEN - 1),
										  purpose_name),
								 "See the view personalize.purposes, or ask a privacy officer to define it with personalize.define_purpose().");
	if (purpose->retired)
		return pz_purpose_refuse("retired purpose",
								 psprintf("purpose \"%s\" is retired", purpose_name),
								 "Use a purpose that is in force, see the view personalize.purposes.");
	if (purpose->purpose_id == PZ_PURPOSE_MAINTENANCE)
		return pz_purpose_refuse("purpose not granted",
								 "purpose \"maintenance\" cannot be stated",
								 "It is what commands within a maintenance window are recorded for: see personalize.open_maintenance().");
	if (!pz_registry_granted(purpose->purpose_id, role, may_copy))
		return pz_purpose_refuse("purpose not granted",
								 psprintf("role \"%s\" may not use personal data for purpose \"%s\"",
										  GetUserNameFromId(role, true), purpose_name),
								 "Ask a privacy officer: SELECT personalize.grant_purpose('<purpose>', '<role>').");
	if (!purpose->builtin && pz_registry_erased() != PZ_ERASED_KNOWN)
		return refuse_unknown(pz_registry_erased());
	if (!row_security && !purpose->builtin)
		return pz_purpose_refuse("row_security off",
								 psprintf("cannot read protected relation %s for purpose \"%s\" while row_security is off",
										  relation_name, purpose_name),
								 "Set row_security to on, or state the purpose 'backup' for a complete copy.");
	return NULL;
}
