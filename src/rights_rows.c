/*-------------------------------------------------------------------------
 *
 * rights_rows.c
 *	  Count, delete, show and change the rows of a person, for the SQL functions
 *	  that serve a person's rights.
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
#include "executor/tstoreReceiver.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "enforce.h"
#include "rights.h"
#include "shmem.h"

/*
 * Run a statement on the relation of a path by pz_rights_run(), and return what a
 * SELECT has counted, or how many rows were changed.
 */
static int64
run_and_count(int32 path_id, const char *statement, int nargs, const Oid *types, const Datum *args, int expected, int how)
{
	PzPath		path;
	int64		rows;
	bool		isnull;

	pz_require_preloaded();
	pz_rights_path(path_id, &path);
	SPI_connect();
	pz_rights_run(&path, statement, nargs, types, args, expected, how, NULL);
	if (expected == SPI_OK_SELECT)
		rows = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	else
		rows = SPI_processed;
	SPI_finish();
	return rows;
}

/* How a statement for the persons of an array is run: a plan is kept for one. */
static int
how_for(ArrayType *keys)
{
	return ArrayGetNItems(ARR_NDIM(keys), ARR_DIMS(keys)) == 1 ? PZ_RIGHTS_KEEP : 0;
}

/*
 * rights_run_internal(path_id, statement, key, changes): run SELECT count(*),
 * DELETE, INSERT or UPDATE on the relation of a path, as its owner; $1 is the canonical
 * key, $2 the new values by the columns' names.  Returns the count, or how many
 * rows were changed.  The statement is of ours: see 59_erasure_rules.sql.
 */
PG_FUNCTION_INFO_V1(personalize_rights_run);
Datum
personalize_rights_run(PG_FUNCTION_ARGS)
{
	char	   *statement = text_to_cstring(PG_GETARG_TEXT_PP(1));
	Oid			types[2] = {TEXTOID, JSONBOID};
	Datum		args[2] = {PG_GETARG_DATUM(2), PG_GETARG_DATUM(3)};
	int			expected = strncmp(statement, "SELECT ", 7) == 0 ? SPI_OK_SELECT :
		strncmp(statement, "DELETE ", 7) == 0 ? SPI_OK_DELETE :
		strncmp(statement, "INSERT ", 7) == 0 ? SPI_OK_INSERT : SPI_OK_UPDATE;

	PG_RETURN_INT64(run_and_count(PG_GETARG_INT32(0), statement, 2, types, args, expected, 0));
}

/*
 * rights_run_set_internal(path_id, statement, keys, changes): the same for all
 * of the persons whose canonical keys are $1.
 */
PG_FUNCTION_INFO_V1(personalize_rights_run_set);
Datum
personalize_rights_run_set(PG_FUNCTION_ARGS)
{
	char	   *statement = text_to_cstring(PG_GETARG_TEXT_PP(1));
	Oid			types[2] = {TEXTARRAYOID, JSONBOID};
	Datum		args[2] = {PG_GETARG_DATUM(2), PG_GETARG_DATUM(3)};
	int			expected = strncmp(statement, "SELECT ", 7) == 0 ? SPI_OK_SELECT :
		strncmp(statement, "DELETE ", 7) == 0 ? SPI_OK_DELETE : SPI_OK_UPDATE;

	PG_RETURN_INT64(run_and_count(PG_GETARG_INT32(0), statement, 2, types, args, expected, how_for(PG_GETARG_ARRAYTYPE_P(2))));
}

/*
 * rights_left_internal(path_id, statement, keys): run a SELECT that counts what an
 * erasure should have left none of, as the owner of the relation of a path; $1 are
 * canonical keys.  What finds nothing has read nothing, and is not put on record.
 */
PG_FUNCTION_INFO_V1(personalize_rights_left);
Datum
personalize_rights_left(PG_FUNCTION_ARGS)
{
	Oid			types[1] = {TEXTARRAYOID};
	Datum		args[1] = {PG_GETARG_DATUM(2)};

	PG_RETURN_INT64(run_and_count(PG_GETARG_INT32(0), text_to_cstring(PG_GETARG_TEXT_PP(1)), 1, types, args, SPI_OK_SELECT,
								  PZ_RIGHTS_LAZY | how_for(PG_GETARG_ARRAYTYPE_P(2))));
}

/*
 * rights_count_set_internal(path_id, statement, keys): run a SELECT of a text
 * and a count on the relation of a path, as its owner; $1 are canonical keys.
 * It may begin with a WITH that deletes what it counts.
 */
PG_FUNCTION_INFO_V1(personalize_rights_count_set);
Datum
personalize_rights_count_set(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	PzPath		path;
	char	   *statement = text_to_cstring(PG_GETARG_TEXT_PP(1));
	Oid			types[1] = {TEXTARRAYOID};
	Datum		args[1] = {PG_GETARG_DATUM(2)};
	DestReceiver *dest = CreateDestReceiver(DestTuplestore);

	pz_require_preloaded();
	pz_rights_path(PG_GETARG_INT32(0), &path);
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	SetTuplestoreDestReceiverParams(dest, rsinfo->setResult, rsinfo->econtext->ecxt_per_query_memory, true, NULL, NULL);
	SPI_connect();
	pz_rights_run(&path, statement, 1, types, args, SPI_OK_SELECT, 0, dest);
	dest->rDestroy(dest);
	SPI_finish();
	PG_RETURN_NULL();
}

/*
 * rights_copy_internal(copy, statement, keys): as rights_count_set_internal(),
 * on a relation that is not protected and holds copies of rows that are.
 */
PG_FUNCTION_INFO_V1(personalize_rights_copy);
Datum
personalize_rights_copy(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	PzPath		path = {0};		/* pz_rights_run() asks for the relation only */
	Oid			types[1] = {TEXTARRAYOID};
	Datum		args[1] = {PG_GETARG_DATUM(2)};
	DestReceiver *dest = CreateDestReceiver(DestTuplestore);

	pz_require_preloaded();
	path.relid = PG_GETARG_OID(0);
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	SetTuplestoreDestReceiverParams(dest, rsinfo->setResult, rsinfo->econtext->ecxt_per_query_memory, true, NULL, NULL);
	SPI_connect();
	pz_rights_run(&path, text_to_cstring(PG_GETARG_TEXT_PP(1)), 1, types, args, SPI_OK_SELECT, 0, dest);
	dest->rDestroy(dest);
	SPI_finish();
	PG_RETURN_NULL();
}

/*
 * rights_export_internal(path_id, condition, key, without): rows of one subject, whose
 * canonical key is $1 in the condition, as jsonb without some columns.  What does not
 * fit into work_mem waits on disk.  The condition is of ours: see 59_erasure_rules.sql.
 */
PG_FUNCTION_INFO_V1(personalize_rights_export);
Datum
personalize_rights_export(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	PzPath		path;
	Oid			types[2] = {TEXTOID, TEXTARRAYOID};
	Datum		args[2] = {PG_GETARG_DATUM(2), PG_GETARG_DATUM(3)};
	DestReceiver *dest = CreateDestReceiver(DestTuplestore);
	const char *row = "personalize_row";
	char	   *sql;

	pz_require_preloaded();
	pz_rights_path(PG_GETARG_INT32(0), &path);
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	SetTuplestoreDestReceiverParams(dest, rsinfo->setResult, rsinfo->econtext->ecxt_per_query_memory, true, NULL, NULL);
	/* the name of a row must not be that of a column */
	while (get_attnum(path.relid, row) != InvalidAttrNumber)
		row = psprintf("%s_", row);
	sql = psprintf("SELECT pg_catalog.to_jsonb(%s) OPERATOR(pg_catalog.-) $2 FROM %s AS %s WHERE %s",
				   row, pz_rights_relation(&path), row, text_to_cstring(PG_GETARG_TEXT_PP(1)));
	SPI_connect();
	pz_rights_run(&path, sql, 2, types, args, SPI_OK_SELECT, 0, dest);
	dest->rDestroy(dest);
	SPI_finish();
	PG_RETURN_NULL();
}

/*
 * rights_select_keys_internal(path_id): the canonical keys of all subjects
 * that a relation holds.
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
	pz_rights_path(PG_GETARG_INT32(0), &path);
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	sql = psprintf("SELECT DISTINCT %s FROM %s WHERE %s IS NOT NULL",
				   pz_rights_key(&path), pz_rights_relation(&path), pz_rights_key(&path));
	SPI_connect();
	pz_rights_run(&path, sql, 0, NULL, NULL, SPI_OK_SELECT, 0, NULL);
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
