/*-------------------------------------------------------------------------
 *
 * rights_erase.c
 *	  Statements that serve a person's rights on protected relations.
 *
 * They run as the relation's owner in a security-restricted operation, so that
 * triggers of the relation gain nothing from the officer who asked, and with
 * SECURITY_NOFORCE_RLS, so that no policy of the application hides a row from
 * erasure.  Our own filter lets them through under the built-in purpose
 * subject_rights, which puts them on record; only this one statement is let
 * through, known by a random text, and nothing that is nested in it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "rewrite/prs2lock.h"
#include "rewrite/rewriteDefine.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "enforce.h"
#include "errors.h"
#include "registry.h"
#include "shmem.h"

/* A path that must exist: ERROR 55000 if the registry cannot resolve it. */
static void
get_path(int32 path_id, PzPath *path)
{
	if (!pz_registry_path(path_id, path))
		ereport(ERROR,
				(errcode(PZ_ERR_STATE),
				 errmsg("a registered subject column cannot be found any more"),
				 errhint("See personalize.status(), then run personalize.unprotect() and personalize.protect() again.")));
}

/* A comment with a random number, by which the filter knows the statement. */
static char *
statement_token(void)
{
	uint64		token[2];

	if (!pg_strong_random(token, sizeof(token)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate a random number"),
				 errhint("Try again.")));
	return psprintf("/* personalize " UINT64_FORMAT UINT64_FORMAT " */ ", token[0], token[1]);
}

/* Qualified and quoted name of a path's relation. */
static char *
relation_name(const PzPath *path)
{
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(path->relid)), get_rel_name(path->relid));
}

/* Quoted name of a path's column. */
static const char *
column_name(const PzPath *path)
{
	return quote_identifier(get_attname(path->relid, path->attnum, false));
}

/*
 * Refuse to delete from a relation whose rules rewrite that: what they add runs
 * with the text of our statement and may take its place.  ERROR 55000.  The
 * caller holds a lock that keeps rules as they are.
 */
static void
check_delete_rules(Relation rel, const char *name)
{
	int			i;

	for (i = 0; rel->rd_rules && i < rel->rd_rules->numLocks; i++)
		if (rel->rd_rules->rules[i]->event == CMD_DELETE && rel->rd_rules->rules[i]->enabled != RULE_DISABLED)
			ereport(ERROR,
					(errcode(PZ_ERR_STATE),
					 errmsg("could not process the rows of the subject in relation %s", name),
					 errdetail("The relation has a rule ON DELETE."),
					 errhint("Drop or disable the rule; a trigger may do the same.")));
}

/*
 * Run a statement as the relation's owner under purpose subject_rights.
 * Returns SPI's code; SPI is connected.  An error of the statement is replaced
 * by one that says which relation and constraint, without values.
 */
static void
run_as_owner(const PzPath *path, const char *sql, int nargs, Oid *types, Datum *args, int expected)
{
	Relation	rel = table_open(path->relid, RowExclusiveLock);
	char	   *name = relation_name(path);
	Oid			owner = rel->rd_rel->relowner;
	Oid			save_user;
	int			save_context;
	MemoryContext caller = CurrentMemoryContext;

	if (expected == SPI_OK_DELETE)
		check_delete_rules(rel, name);
	table_close(rel, NoLock);
	GetUserIdAndSecContext(&save_user, &save_context);
	PG_TRY();
	{
		int			rc;

		SetUserIdAndSecContext(owner, save_context | SECURITY_LOCAL_USERID_CHANGE |
							   SECURITY_RESTRICTED_OPERATION | SECURITY_NOFORCE_RLS);
		pz_enforce_adopt_purpose(PZ_PURPOSE_RIGHTS, sql);
		rc = SPI_execute_with_args(sql, nargs, types, args, NULL, false, 0);
		pz_enforce_adopt_purpose(PZ_PURPOSE_NONE, NULL);
		SetUserIdAndSecContext(save_user, save_context);
		if (rc != expected)
			elog(ERROR, "unexpected result %d of a statement", rc);	/* cannot happen: constant text */
	}
	PG_CATCH();
	{
		ErrorData  *edata;

		pz_enforce_adopt_purpose(PZ_PURPOSE_NONE, NULL);
		SetUserIdAndSecContext(save_user, save_context);
		MemoryContextSwitchTo(caller);
		edata = CopyErrorData();
		if (edata->sqlerrcode == ERRCODE_QUERY_CANCELED || edata->sqlerrcode == ERRCODE_ADMIN_SHUTDOWN)
			PG_RE_THROW();
		FlushErrorState();
		ereport(ERROR,
				(errcode(edata->sqlerrcode),
				 errmsg("could not process the rows of the subject in relation %s", name),
				 edata->constraint_name ?
				 errdetail("Constraint \"%s\" of relation \"%s\" stands against it.",
						   edata->constraint_name, edata->table_name ? edata->table_name : "?") :
				 errdetail("A constraint, trigger or rule of the relation raised an error."),
				 errhint("Protect the referencing relations too, so that they are processed first, or give their foreign keys ON DELETE CASCADE.")));
	}
	PG_END_TRY();
}

/*
 * rights_rows_internal(path_id, key, action): count or delete the rows of one
 * subject; returns how many.  key is canonical.
 */
PG_FUNCTION_INFO_V1(personalize_rights_rows);
Datum
personalize_rights_rows(PG_FUNCTION_ARGS)
{
	static const char *const casts[] = {"", "::pg_catalog.int8", "::pg_catalog.uuid", ""};
	PzPath		path;
	char	   *action = text_to_cstring(PG_GETARG_TEXT_PP(2));
	bool		is_delete = strcmp(action, "delete") == 0;
	Oid			types[1] = {TEXTOID};
	Datum		args[1] = {PG_GETARG_DATUM(1)};
	const char *cast;
	char	   *sql;
	int64		rows;

	pz_require_preloaded();
	get_path(PG_GETARG_INT32(0), &path);
	cast = casts[path.key_type];
	sql = psprintf("%s%s FROM %s WHERE %s OPERATOR(pg_catalog.=) $1%s",
				   statement_token(), is_delete ? "DELETE" : "SELECT pg_catalog.count(*)",
				   relation_name(&path), column_name(&path), cast);
	SPI_connect();
	run_as_owner(&path, sql, 1, types, args, is_delete ? SPI_OK_DELETE : SPI_OK_SELECT);
	if (is_delete)
		rows = SPI_processed;
	else
	{
		bool		isnull;

		rows = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	}
	SPI_finish();
	PG_RETURN_INT64(rows);
}

/*
 * rights_select_keys_internal(path_id): the canonical keys of all subjects
 * that a relation holds, for the census after a crash.
 */
PG_FUNCTION_INFO_V1(personalize_rights_select_keys);
Datum
personalize_rights_select_keys(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	PzPath		path;
	char	   *sql;
	uint64		i;

	pz_require_preloaded();
	get_path(PG_GETARG_INT32(0), &path);
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	sql = psprintf("%sSELECT DISTINCT %s::pg_catalog.text FROM %s WHERE %s IS NOT NULL",
				   statement_token(), column_name(&path), relation_name(&path), column_name(&path));
	SPI_connect();
	run_as_owner(&path, sql, 0, NULL, NULL, SPI_OK_SELECT);
	for (i = 0; i < SPI_processed; i++)
	{
		bool		isnull;
		Datum		value = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull);

		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, &value, &isnull);
	}
	SPI_finish();
	PG_RETURN_NULL();
}

/*
 * triggers_pending_internal(): does this transaction have trigger events that
 * were put off?  A trigger that can be put off is on record as such in
 * pg_trigger, those of foreign keys and unique constraints, too, and can
 * neither be dropped nor, if it is a user's, be altered while it has events.
 * Events of statements that have not ended count as well.
 */
PG_FUNCTION_INFO_V1(personalize_triggers_pending);
Datum
personalize_triggers_pending(PG_FUNCTION_ARGS)
{
	Relation	rel = table_open(TriggerRelationId, AccessShareLock);
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	HeapTuple	tup;
	bool		pending = false;

	while (!pending && HeapTupleIsValid(tup = systable_getnext(scan)))
	{
		Form_pg_trigger form = (Form_pg_trigger) GETSTRUCT(tup);

		CHECK_FOR_INTERRUPTS();
		pending = form->tgdeferrable && AfterTriggerPendingOnRel(form->tgrelid);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	PG_RETURN_BOOL(pending);
}

/*
 * ledger_unlock_internal(on_off): allow changes of the ledger and the record
 * of use until false or the end of the transaction.
 */
PG_FUNCTION_INFO_V1(personalize_ledger_unlock);
Datum
personalize_ledger_unlock(PG_FUNCTION_ARGS)
{
	pz_require_preloaded();
	pz_enforce_unlock_ledger(PG_GETARG_BOOL(0));
	PG_RETURN_VOID();
}
