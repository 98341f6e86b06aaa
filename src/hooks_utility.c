/*-------------------------------------------------------------------------
 *
 * hooks_utility.c
 *	  Ties the layers to commands without a plan, and to what these do to objects.
 *	  No policy here.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/objectaccess.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/inval.h"

#include "audit.h"
#include "compat.h"
#include "consent_set.h"
#include "enforce.h"
#include "hooks.h"
#include "purpose.h"
#include "registry.h"
#include "superuser.h"

static ProcessUtility_hook_type prev_ProcessUtility = NULL;
static object_access_hook_type prev_object_access = NULL;

/*
 * Can the registry be asked at all?  Outside of a database or a transaction
 * nothing can be read, either.
 */
bool
pz_in_database(void)
{
	return OidIsValid(MyDatabaseId) && IsTransactionState() && !IsBinaryUpgrade;
}

/* Something is created, altered or dropped. */
static void
pz_object_access(ObjectAccessType access, Oid classId, Oid objectId, int subId, void *arg)
{
	if (prev_object_access)
		prev_object_access(access, classId, objectId, subId, arg);
	if (access == OAT_FUNCTION_EXECUTE)
	{
		if (objectId >= FirstNormalObjectId)
			pz_within_note();
		return;
	}
	if (pz_in_database())
	{
		pz_hard_object_access(access, classId, objectId, subId);
		pz_drop_object_access(access, classId, objectId, subId);
		pz_copies_object_access(access, classId, objectId, subId);
		pz_set_object_access(access, classId, objectId);
	}
}

/*
 * Bring the names in the registry up to date after DDL, as superuser.  Not after
 * what the audit worker does to its own tables: it must not wait for others.
 */
static void
sync_registry(void)
{
	if (pz_audit_is_worker())
		return;
	CommandCounterIncrement();
	pz_superuser_select("SELECT personalize.registry_sync_internal()", 0, NULL, NULL);
}

/*
 * In a copied or restored database the registry knows relations and columns by
 * name until it is adopted: adopt it before one is renamed.  ERROR 55000 if
 * that cannot be done.
 */
static void
adopt_registry(Node *parsetree)
{
	if (!(IsA(parsetree, RenameStmt) || IsA(parsetree, AlterObjectSchemaStmt)) ||
		!pz_in_database() || !pz_registry_installed() || pz_registry_anchored())
		return;
	pz_registry_require_match();
	if (pz_registry_in_use())
		pz_superuser_select("SELECT personalize.registry_adopt_internal()", 0, NULL, NULL);
}

/* The next ProcessUtility in the chain. */
static void
call_ProcessUtility(PlannedStmt *pstmt, const char *queryString, bool readOnlyTree,
					ProcessUtilityContext context, ParamListInfo params,
					QueryEnvironment *queryEnv, DestReceiver *dest, QueryCompletion *qc)
{
	if (prev_ProcessUtility)
		prev_ProcessUtility(pstmt, queryString, readOnlyTree, context, params, queryEnv, dest, qc);
	else
		standard_ProcessUtility(pstmt, queryString, readOnlyTree, context, params, queryEnv, dest, qc);
}

/*
 * Commands without a plan: settings, COPY, TRUNCATE, commands on databases and
 * foreign keys; then bring the registry up to date.
 */
static void
pz_ProcessUtility(PlannedStmt *pstmt, const char *queryString, bool readOnlyTree,
				  ProcessUtilityContext context, ParamListInfo params,
				  QueryEnvironment *queryEnv, DestReceiver *dest, QueryCompletion *qc)
{
	Node	   *parsetree = pstmt->utilityStmt;
	bool		syncs = pz_utility_changes_registry(parsetree);
	const char *released = pz_utility_exclusive_database(parsetree);
	bool		dropped = pz_hard_command(false);
	bool		cleared = false;
	PzDropping	dropping;

	pz_drop_enter(&dropping);
	pz_within_command();
	switch (nodeTag(parsetree))
	{
		case T_VariableSetStmt:
			pz_purpose_check_set((VariableSetStmt *) parsetree);
			break;
		case T_ExecuteStmt:
			/* as in ExecutorStart; here a plan that shows too much is still made again */
			if (pz_in_database())
				AcceptInvalidationMessages();
			break;
		case T_CopyStmt:
			if (IsBinaryUpgrade && ((CopyStmt *) parsetree)->relation != NULL)
				pz_hard_check_upgrade(RangeVarGetRelid(((CopyStmt *) parsetree)->relation, NoLock, true));
			if (((CopyStmt *) parsetree)->is_from)
			{
				if (pz_in_database() && pz_registry_active())
					pz_conflict_check(RangeVarGetRelid(((CopyStmt *) parsetree)->relation, NoLock, true), false);
				cleared = pz_ri_context_clear();
			}
			if (pz_in_database() && pz_registry_active() && pz_utility_copy(&pstmt, queryString, qc))
			{
				pz_ri_context_restore(cleared);
				pz_drop_leave(&dropping);
				return;
			}
			break;
		case T_ConstraintsSetStmt:
			cleared = pz_ri_context_clear();
			break;
		case T_TruncateStmt:
			if (pz_in_database() && pz_registry_installed() && !pz_enforce_ledger_unlocked())
				pz_utility_check_truncate((TruncateStmt *) parsetree);
			if (pz_in_database() && pz_registry_active())
				pz_table_check_truncate((TruncateStmt *) parsetree);
			break;
		case T_CreateTrigStmt:
			if (pz_in_database() && pz_registry_active())
				pz_table_check_trigger((CreateTrigStmt *) parsetree);
			break;
		default:
			break;
	}

	adopt_registry(parsetree);
	if (released == NULL && !IsA(parsetree, TransactionStmt) && pz_in_database() && pz_registry_active())
	{
		PzAltering	outer = pz_enforce_altering(PZ_ALTERS_NOTHING);
		bool		blocking = pz_ddl_blocks();
		bool		explaining = pz_explain_enter(parsetree);
		bool		event = pz_code_in_event(false);
		PzFilling	filling = pz_copies_enter(parsetree);

		/* whatever raises from here on, all of it is taken back */
		PG_TRY();
		{
			pz_ddl_enter(parsetree, pz_maintain_begin(pstmt, queryString));
			pz_enforce_altering(pz_utility_altering(parsetree));
			call_ProcessUtility(pstmt, queryString, readOnlyTree, context, params, queryEnv, dest, qc);
		}
		PG_CATCH();
		{
			pz_copies_end(filling);
			pz_explain_leave(explaining);
			pz_enforce_altering(outer);
			pz_code_in_event(event);
			pz_ddl_fail(blocking);
			PG_RE_THROW();
		}
		PG_END_TRY();
		pz_code_in_event(event);
		pz_explain_leave(explaining);
		pz_ddl_leave(blocking);
		pz_enforce_altering(outer);
		pz_copies_leave(filling);
	}
	else if (released == NULL)
		call_ProcessUtility(pstmt, queryString, readOnlyTree, context, params, queryEnv, dest, qc);
	else
	{
		/* the audit worker of that database would be in the way */
		pz_audit_release_database(released);
		PG_TRY();
		{
			call_ProcessUtility(pstmt, queryString, readOnlyTree, context, params, queryEnv, dest, qc);
		}
		PG_FINALLY();
		{
			pz_audit_resume_database();
		}
		PG_END_TRY();
	}

	pz_ri_context_restore(cleared);
	pz_hard_command(dropped);
	pz_drop_leave(&dropping);
	if (syncs && pz_in_database() && pz_registry_matches() && pz_registry_in_use())
		sync_registry();
	if (pz_utility_changes_policies(parsetree) && pz_in_database())
		pz_registry_policy_changed();
}

/*
 * Install the hooks of this file.
 */
void
pz_hooks_install_utility(void)
{
	prev_ProcessUtility = ProcessUtility_hook;
	ProcessUtility_hook = pz_ProcessUtility;
	prev_object_access = object_access_hook;
	object_access_hook = pz_object_access;
}
