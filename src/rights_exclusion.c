/*-------------------------------------------------------------------------
 *
 * rights_exclusion.c
 *	  Whom the condition of an exclusion is true for.
 *
 * A condition is an expression over the columns of one table.  It is parsed as a CHECK
 * constraint would be, may call built-in functions only that do nothing but compute,
 * and what is kept and run is its text as the server writes it.  It is parsed and
 * computed as the owner of the table, in a security-restricted operation and with
 * nothing but pg_catalog in the search path: a type, domain or cast that the owner puts
 * into the table gains nothing.  Times are those of UTC.  Each use parses it anew: the table may have changed.
 *
 * All rows are looked at by pz_rights_run(), on record as the serving of a right.  A row
 * that a statement writes is looked at by a trigger, in the trigger.  Errors of either
 * tell no value.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "executor/tstoreReceiver.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_coerce.h"
#include "parser/parse_collate.h"
#include "parser/parse_expr.h"
#include "parser/parse_relation.h"
#include "parser/parser.h"
#include "rewrite/rewriteHandler.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"
#include "utils/uuid.h"

#include "compat.h"
#include "enforce_mark.h"
#include "enforce_path.h"
#include "errors.h"
#include "rights.h"
#include "shmem.h"

#define KEY_MAX	1024			/* bytes; a longer key is nobody's */

/* How the caller ran */
typedef struct Caller
{
	Oid			user;
	int			context;
	int			nestlevel;		/* of settings */
} Caller;

/* What a trigger keeps for the rows of a statement */
typedef struct Watch
{
	MemoryContext mcxt;
	int32		exclusion_id;
	Oid			owner;			/* of the table */
	EState	   *estate;
	ExprState  *condition;
	int			ncolumns;		/* that lead to the person */
	AttrNumber	columns[PZ_PATH_COLUMNS];
	Oid			types[PZ_PATH_COLUMNS];
	PzWay	   *way;			/* NULL: the one column is the key */
	PzKeyType	key_type;		/* of what the way gives */
} Watch;

/* Settings under which conditions mean the same in every session; 74_exclusions.sql has them, too */
static const char *const settings[][2] = {
	{"search_path", "pg_catalog, pg_temp"}, {"TimeZone", "UTC"}, {"DateStyle", "ISO, MDY"}, {"IntervalStyle", "postgres"},
	/* or 'a\b' in a text that was written under another setting would be something else, and text @@ text, and numbers as text */
	{"standard_conforming_strings", "on"}, {"default_text_search_config", "pg_catalog.simple"}, {"extra_float_digits", "1"}, {"bytea_output", "hex"},
	/* text that is read as a time, a number, an amount of money, XML or an array */
	{"timezone_abbreviations", "Default"}, {"lc_time", "C"}, {"lc_monetary", "C"}, {"lc_numeric", "C"}, {"xmloption", "content"}, {"array_nulls", "on"}
};

/* Built-in functions whose result says something of the session, which is the caller's to choose */
static const char *const of_session[] = {
	"current_setting", "inet_client_addr", "inet_client_port", "pg_backend_pid", "pg_trigger_depth", "current_schemas", "current_query",
	"pg_current_xact_id", "pg_current_xact_id_if_assigned", "txid_current", "txid_current_if_assigned", "pg_is_other_temp_schema", "pg_my_temp_schema"
};

/* Become the owner of a table, who may do nothing but compute. */
static void
become_owner(Oid owner, Caller *caller)
{
	int			i;

	GetUserIdAndSecContext(&caller->user, &caller->context);
	caller->nestlevel = NewGUCNestLevel();
	for (i = 0; i < lengthof(settings); i++)
		if (strcmp(GetConfigOption(settings[i][0], false, false), settings[i][1]) != 0)
			(void) set_config_option(settings[i][0], settings[i][1], PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	SetUserIdAndSecContext(owner, caller->context | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
}

/* Be the caller again.  An error does the same, by the end of the (sub)transaction. */
static void
become_caller(const Caller *caller)
{
	AtEOXact_GUC(false, caller->nestlevel);
	SetUserIdAndSecContext(caller->user, caller->context);
}

/* An error in a condition is at no place of the statement that runs. */
static void
no_position(void *arg)
{
	if (geterrposition() > 0)
		errposition(0);
}

/* Refuse a condition.  ERROR 22023. */
static void
refuse(const char *why)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s", why),
			 errhint("For example 'birthday > current_date - interval ''18 years'''.")));
}

/* The one expression that a text is; ERROR 22023 if it is something else. */
static Node *
only_expression(const char *text)
{
	List	   *statements = raw_parser(psprintf("SELECT %s", text), RAW_PARSE_DEFAULT);
	SelectStmt *select;
	ResTarget  *target;

	if (list_length(statements) != 1)
		refuse("the condition must be one expression");
	select = (SelectStmt *) linitial_node(RawStmt, statements)->stmt;
	if (!IsA(select, SelectStmt) || select->op != SETOP_NONE || select->distinctClause || select->intoClause || select->fromClause ||
		select->whereClause || select->groupClause || select->havingClause || select->windowClause || select->valuesLists ||
		select->sortClause || select->limitOffset || select->limitCount || select->lockingClause || select->withClause ||
		list_length(select->targetList) != 1)
		refuse("the condition must be one expression");
	target = linitial_node(ResTarget, select->targetList);
	if (target->name || target->indirection)
		refuse("the condition must be one expression");
	return target->val;
}

/* Is a function one of those? */
static bool
is_of_session(Oid funcid, void *context)
{
	char	   *name = get_func_name(funcid);
	int			i;

	for (i = 0; name && i < lengthof(of_session); i++)
		if (strcmp(name, of_session[i]) == 0)
			return true;
	return false;
}

/* Does an expression depend on who computes it? */
static bool
depends_on_session(Node *node, void *context)
{
	if (node == NULL)
		return false;
	/* CURRENT_USER is always the owner */
	if (IsA(node, SQLValueFunction) && ((SQLValueFunction *) node)->op == SVFOP_SESSION_USER)
		return true;
	if (check_functions_in_node(node, is_of_session, context))
		return true;
	return expression_tree_walker(node, depends_on_session, context);
}

/*
 * A condition on rows of a table as an expression; computed: with what virtual generated
 * columns are, which a row does not have.  To be called as the owner.  ERROR if it is
 * none that is harmless.
 */
static Node *
parse(Relation rel, const char *text, bool computed)
{
	ParseState *pstate = make_parsestate(NULL);
	ErrorContextCallback callback = {error_context_stack, no_position, NULL};
	ParseNamespaceItem *item = addRangeTableEntryForRelation(pstate, rel, AccessShareLock, NULL, false, true);
	Node	   *node;
	Node	   *full;
	ListCell   *lc;

	error_context_stack = &callback;
	addNSItemToQuery(pstate, item, true, true, true);
	node = transformExpr(pstate, only_expression(text), EXPR_KIND_CHECK_CONSTRAINT);
	node = coerce_to_boolean(pstate, node, "WHERE");
	assign_expr_collations(pstate, node);
	full = pz_expand_generated_compat(node, rel);
	if (pz_opaque_node(full, NULL) || contain_volatile_functions(full))
		refuse("the condition may call nothing but built-in functions that compute");
	if (depends_on_session(full, NULL))
		refuse("the condition may not depend on the session in which it is computed");
	foreach(lc, pull_var_clause(node, 0))
		if (lfirst_node(Var, lc)->varattno <= 0)
			refuse("the condition may name columns only");
	free_parsestate(pstate);
	error_context_stack = callback.previous;
	return computed ? full : node;
}

/*
 * The condition failed for a row: say so, and no value.  In PG_CATCH, as the caller, and
 * in memory that the error does not take along.
 */
static void
computing_failed(void)
{
	ErrorData  *edata = CopyErrorData();

	if (edata->sqlerrcode == ERRCODE_QUERY_CANCELED || edata->sqlerrcode == ERRCODE_ADMIN_SHUTDOWN)
		PG_RE_THROW();
	FlushErrorState();
	ereport(ERROR,
			(errcode(edata->sqlerrcode),
			 errmsg("the condition of an exclusion cannot be computed for a row"),
			 errhint("Call define_exclusion() with a condition that holds for every row: see personalize.exclusions.")));
}

/* Refuse conditions on what needs explicit consent, or what nobody classified, of a protected table.  ERROR 42501. */
static void
check_categories(Relation rel, Node *node)
{
	const PzRelation *registered = pz_registry_relation(RelationGetRelid(rel));
	ListCell   *lc;

	if (registered == NULL)
		return;
	foreach(lc, pull_var_clause(node, 0))
	{
		AttrNumber	attnum = lfirst_node(Var, lc)->varattno;
		const PzColumn *column = attnum <= registered->ncolumns ? &registered->columns[attnum - 1] : NULL;
		const PzCategory *category = column && column->category_id >= 0 ? pz_registry_category(column->category_id) : NULL;

		if (category == NULL)
			ereport(ERROR,
					(errcode(PZ_ERR_REFUSED),
					 errmsg("column %s of relation %s is not classified", quote_identifier(get_attname(RelationGetRelid(rel), attnum, false)), registered->name),
					 errhint("classify() it first.")));
		if (category->special)
			ereport(ERROR,
					(errcode(PZ_ERR_REFUSED),
					 errmsg("column %s of relation %s is of the special category \"%s\": it cannot choose whom a purpose reaches",
							quote_identifier(get_attname(RelationGetRelid(rel), attnum, false)), registered->name, category->name),
					 errhint("Whom an exclusion leaves is a choice, too. List the persons who ask for it by exclude(), "
							 "or keep what they said of themselves in a column of its own.")));
	}
}

/* A table whose rows can be looked at, locked.  ERROR otherwise. */
static Relation
open_table(Oid relid)
{
	Relation	rel = table_open(relid, AccessShareLock);

	if (rel->rd_rel->relkind != RELKIND_RELATION && rel->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("relation \"%s\" is not a table", RelationGetRelationName(rel)),
				 errhint("Name a table; a view shows what the tables below it hold.")));
	return rel;
}

/* A condition checked, as the server writes it. */
static char *
checked_text(Relation rel, const char *text, bool *timely)
{
	Caller		caller;
	Node	   *node;
	char	   *result;

	become_owner(rel->rd_rel->relowner, &caller);
	node = parse(rel, text, false);
	if (timely)
		*timely = contain_mutable_functions(node);
	result = deparse_expression(node, deparse_context_for(RelationGetRelationName(rel), RelationGetRelid(rel)), false, false);
	become_caller(&caller);
	check_categories(rel, node);
	return result;
}

/*
 * exclusion_condition_internal(relid, condition): the condition as it is to be kept, and
 * whether what it says of a row can change with time.
 */
PG_FUNCTION_INFO_V1(personalize_exclusion_condition);
Datum
personalize_exclusion_condition(PG_FUNCTION_ARGS)
{
	Relation	rel;
	TupleDesc	desc;
	Datum		values[2];
	bool		nulls[2] = {false, false};
	bool		timely;

	pz_require_preloaded();
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");	/* cannot happen: declared so */
	rel = open_table(PG_GETARG_OID(0));
	values[0] = CStringGetTextDatum(checked_text(rel, text_to_cstring(PG_GETARG_TEXT_PP(1)), &timely));
	values[1] = BoolGetDatum(timely);
	table_close(rel, NoLock);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/*
 * exclusion_keys_internal(relid, path_id, subject, condition, key): the canonical keys of
 * those whom the condition is true for, by a registered path or, if that is NULL, by a
 * column; with a key, of that person at most.
 */
PG_FUNCTION_INFO_V1(personalize_exclusion_keys);
Datum
personalize_exclusion_keys(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Relation	rel;
	PzPath		path = {0};
	DestReceiver *dest;
	MemoryContext old = CurrentMemoryContext;
	StringInfoData sql;
	char	   *condition;
	char	   *column = NULL;
	char	   *key;
	Oid			types[1] = {TEXTOID};
	Datum		args[1] = {(Datum) 0};

	pz_require_preloaded();
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	if (PG_ARGISNULL(0) || PG_ARGISNULL(3) || (PG_ARGISNULL(1) && PG_ARGISNULL(2)))
		PG_RETURN_NULL();
	rel = open_table(PG_GETARG_OID(0));
	condition = checked_text(rel, text_to_cstring(PG_GETARG_TEXT_PP(3)), NULL);
	if (!PG_ARGISNULL(1))
	{
		pz_rights_path(PG_GETARG_INT32(1), &path);
		if (path.relid != RelationGetRelid(rel))
			elog(ERROR, "path %d is not one of the relation", path.path_id);	/* cannot happen: registered so */
		key = pz_rights_key(&path);
	}
	else
	{
		path.relid = RelationGetRelid(rel);
		column = unconstify(char *, quote_identifier(NameStr(*PG_GETARG_NAME(2))));
		key = psprintf("%s::pg_catalog.text", column);
	}
	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT DISTINCT %s FROM %s WHERE (%s) AND %s IS NOT NULL", key, pz_rights_relation(&path), condition, key);
	if (!PG_ARGISNULL(4))
	{
		args[0] = PG_GETARG_DATUM(4);
		if (column)
			appendStringInfo(&sql, " AND %s OPERATOR(pg_catalog.=) $1::%s", column,
							 format_type_be_qualified(getBaseType(get_atttype(path.relid, get_attnum(path.relid, NameStr(*PG_GETARG_NAME(2)))))));
		else
			appendStringInfo(&sql, " AND %s", pz_rights_condition(&path, false));
	}
	table_close(rel, NoLock);
	dest = CreateDestReceiver(DestTuplestore);
	SetTuplestoreDestReceiverParams(dest, rsinfo->setResult, rsinfo->econtext->ecxt_per_query_memory, true, NULL, NULL);
	SPI_connect();
	PG_TRY();
	{
		pz_rights_run(&path, sql.data, PG_ARGISNULL(4) ? 0 : 1, types, args, SPI_OK_SELECT, 0, dest);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(old);
		computing_failed();
	}
	PG_END_TRY();
	dest->rDestroy(dest);
	SPI_finish();
	PG_RETURN_NULL();
}

/* Ask for a value of ours by a statement with an exclusion and, if it is not NULL, a key; true if there is a row. */
static bool
ask(const char *sql, int32 exclusion_id, const char *key)
{
	Oid			types[2] = {INT4OID, TEXTOID};
	Datum		args[2];
	int			rc;

	args[0] = Int32GetDatum(exclusion_id);
	args[1] = key ? CStringGetTextDatum(key) : (Datum) 0;
	rc = SPI_execute_with_args(sql, key ? 2 : 1, types, args, NULL, false, 0);
	if (rc != SPI_OK_SELECT)
		elog(ERROR, "unexpected result %d of a statement", rc);	/* cannot happen: constant text */
	return SPI_processed > 0;
}

/* What the trigger of an exclusion on a table, or a partition of it, is to look at; NULL: the exclusion is gone. */
static Watch *
watch_begin(Relation rel, int32 exclusion_id, MemoryContext mcxt)
{
	Watch	   *watch = NULL;
	MemoryContext old;
	Caller		caller;
	char	   *condition;
	char	   *column;
	bool		no_path;
	int32		path_id;
	int			i;

	SPI_connect();
	if (ask("SELECT e.condition, e.path_id, e.subject::pg_catalog.text FROM personalize.exclusion AS e WHERE e.exclusion_id = $1 AND e.condition IS NOT NULL",
			exclusion_id, NULL))
	{
		old = MemoryContextSwitchTo(mcxt);
		watch = palloc0(sizeof(Watch));
		watch->mcxt = mcxt;
		watch->exclusion_id = exclusion_id;
		watch->owner = rel->rd_rel->relowner;
		condition = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
		path_id = DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &no_path));
		column = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 3);
		if (no_path)
		{
			watch->ncolumns = 1;
			watch->columns[0] = get_attnum(RelationGetRelid(rel), column);
		}
		else
		{
			const PzRelation *registered = pz_registry_relation(RelationGetRelid(rel));
			const PzPath *path = NULL;

			for (i = 0; registered && i < registered->npaths; i++)
				if (registered->paths[i].path_id == path_id)
					path = &registered->paths[i];
			if (path)
			{
				watch->ncolumns = path->ncolumns;
				memcpy(watch->columns, path->columns, sizeof(watch->columns));
				watch->key_type = path->key_type;
			}
			if (path && path->attnum != InvalidAttrNumber)
				watch->columns[0] = path->attnum;
			no_path = path && path->attnum != InvalidAttrNumber;
		}
		if (watch->ncolumns == 0 || watch->columns[0] == InvalidAttrNumber)
			ereport(ERROR,
					(errcode(PZ_ERR_STATE),
					 errmsg("the column by which an exclusion finds its subjects cannot be found any more"),
					 errhint("Call define_exclusion() again, or drop_exclusion(): see personalize.exclusions.")));
		for (i = 0; i < watch->ncolumns; i++)
			watch->types[i] = get_atttype(RelationGetRelid(rel), watch->columns[i]);
		if (!no_path)
			watch->way = pz_way_open(mcxt, path_id, watch->ncolumns, watch->types);
		watch->estate = CreateExecutorState();
		become_owner(watch->owner, &caller);
		watch->condition = ExecPrepareExpr((Expr *) parse(rel, condition, true), watch->estate);
		become_caller(&caller);
		MemoryContextSwitchTo(old);
	}
	SPI_finish();
	return watch;
}

/* Is the condition true for a row?  Errors say nothing of it. */
static bool
is_true(Watch *watch, TupleTableSlot *slot)
{
	ExprContext *econtext = GetPerTupleExprContext(watch->estate);
	MemoryContext old = CurrentMemoryContext;
	Caller		caller;
	bool		isnull = true;
	Datum		result = (Datum) 0;

	econtext->ecxt_scantuple = slot;
	become_owner(watch->owner, &caller);
	PG_TRY();
	{
		result = ExecEvalExprSwitchContext(watch->condition, econtext, &isnull);
	}
	PG_CATCH();
	{
		become_caller(&caller);
		MemoryContextSwitchTo(old);
		computing_failed();
	}
	PG_END_TRY();
	become_caller(&caller);
	return !isnull && DatumGetBool(result);
}

/* The canonical key of the person a row leads to; NULL: to nobody. */
static char *
key_of(Watch *watch, TupleTableSlot *slot)
{
	Datum		values[PZ_PATH_COLUMNS];
	Oid			output;
	bool		is_varlena;
	bool		isnull;
	Datum		key;
	int			i;

	for (i = 0; i < watch->ncolumns; i++)
	{
		values[i] = slot_getattr(slot, watch->columns[i], &isnull);
		if (isnull)
			return NULL;
	}
	if (watch->way == NULL)
	{
		getTypeOutputInfo(getBaseType(watch->types[0]), &output, &is_varlena);
		return OidOutputFunctionCall(output, values[0]);
	}
	key = pz_way_key(watch->way, values, false, &isnull);
	if (isnull)
		return NULL;
	if (watch->key_type == PZ_KEY_INT)
		return psprintf(INT64_FORMAT, DatumGetInt64(key));
	if (watch->key_type == PZ_KEY_UUID)
		return DatumGetCString(DirectFunctionCall1(uuid_out, key));
	return TextDatumGetCString(key);
}

/*
 * exclusion_changed_internal(exclusion_id): trigger on the table of an exclusion.  Whom a
 * new row makes excluded is so from the commit on; of whom an old row did, the others are
 * looked at.
 */
PG_FUNCTION_INFO_V1(personalize_exclusion_changed);
Datum
personalize_exclusion_changed(PG_FUNCTION_ARGS)
{
	TriggerData *data = (TriggerData *) fcinfo->context;
	Watch	   *watch = fcinfo->flinfo->fn_extra;
	TupleTableSlot *old_slot = NULL;
	TupleTableSlot *new_slot = NULL;
	char	   *lost = NULL;
	char	   *found = NULL;
	int32		exclusion_id;

	pz_require_preloaded();
	if (!CALLED_AS_TRIGGER(fcinfo) || data->tg_trigger->tgnargs != 1)
		ereport(ERROR,
				(errcode(PZ_ERR_REFUSED),
				 errmsg("exclusion_changed_internal() is called by triggers that define_exclusion() makes"),
				 errhint("Call define_exclusion().")));
	exclusion_id = pg_strtoint32(data->tg_trigger->tgargs[0]);
	if (TRIGGER_FIRED_BY_TRUNCATE(data->tg_event))
	{
		SPI_connect();
		(void) ask("SELECT personalize.exclusion_refresh_internal(e.exclusion_id) FROM personalize.exclusion AS e WHERE e.exclusion_id = $1", exclusion_id, NULL);
		SPI_finish();
		return PointerGetDatum(NULL);
	}
	if (watch == NULL)
		watch = fcinfo->flinfo->fn_extra = watch_begin(data->tg_relation, exclusion_id, fcinfo->flinfo->fn_mcxt);
	if (watch == NULL)
		return PointerGetDatum(NULL);
	if (TRIGGER_FIRED_BY_INSERT(data->tg_event))
		new_slot = data->tg_trigslot;
	else
		old_slot = data->tg_trigslot;
	if (TRIGGER_FIRED_BY_UPDATE(data->tg_event))
		new_slot = data->tg_newslot;
	if (old_slot && is_true(watch, old_slot))
		lost = key_of(watch, old_slot);
	if (new_slot && is_true(watch, new_slot))
		found = key_of(watch, new_slot);
	if (lost && (lost[0] == '\0' || strlen(lost) > KEY_MAX))
		lost = NULL;
	if (found && (found[0] == '\0' || strlen(found) > KEY_MAX))
		found = NULL;
	if (lost || found)
	{
		SPI_connect();
		if (found && (lost == NULL || strcmp(lost, found) != 0))
			(void) ask("SELECT personalize.exclusion_found_internal($1, $2)", exclusion_id, found);
		if (lost && (found == NULL || strcmp(lost, found) != 0))
			(void) ask("SELECT personalize.exclusion_lost_internal($1, $2)", exclusion_id, lost);
		SPI_finish();
	}
	ResetPerTupleExprContext(watch->estate);
	return PointerGetDatum(NULL);
}
