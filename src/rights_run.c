/*-------------------------------------------------------------------------
 *
 * rights_run.c
 *	  Run a statement that serves a person's rights on a protected relation.
 *
 * It runs as the relation's owner in a security-restricted operation, so that
 * triggers of the relation gain nothing from the officer who asked, and with
 * SECURITY_NOFORCE_RLS, so that no policy of the application hides a row from
 * it.  Settings that it changes end with it: what comes after runs as somebody
 * else.  Our own filter lets it through under the built-in purpose
 * subject_rights, which puts it on record; only this one statement is let
 * through, known by a random text, and nothing that is nested in it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/params.h"
#include "rewrite/prs2lock.h"
#include "rewrite/rewriteDefine.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "enforce.h"
#include "errors.h"
#include "rights.h"

/* A path that must exist: ERROR 55000 if the registry cannot resolve it. */
void
pz_rights_path(int32 path_id, PzPath *path)
{
	if (!pz_registry_path(path_id, path))
		ereport(ERROR,
				(errcode(PZ_ERR_STATE),
				 errmsg("a registered subject column cannot be found any more"),
				 errhint("See personalize.status(), then run personalize.unprotect() and personalize.protect() again.")));
}

/* A comment with a random number, by which the filter knows the statement; what every statement begins with. */
char *
pz_rights_token(void)
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
char *
pz_rights_relation(const PzPath *path)
{
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(path->relid)), get_rel_name(path->relid));
}

/*
 * Refuse to change a relation whose rules rewrite that: what they add runs
 * with the text of our statement and may take its place.  ERROR 55000.  The
 * caller holds a lock that keeps rules as they are.
 */
static void
check_rules(Relation rel, const char *name, int expected)
{
	CmdType		event = expected == SPI_OK_DELETE ? CMD_DELETE : CMD_UPDATE;
	int			i;

	if (expected == SPI_OK_SELECT)
		return;
	for (i = 0; rel->rd_rules && i < rel->rd_rules->numLocks; i++)
		if (rel->rd_rules->rules[i]->event == event && rel->rd_rules->rules[i]->enabled != RULE_DISABLED)
			ereport(ERROR,
					(errcode(PZ_ERR_STATE),
					 errmsg("could not process the rows of the subject in relation %s", name),
					 errdetail("The relation has a rule ON %s.", event == CMD_DELETE ? "DELETE" : "UPDATE"),
					 errhint("Drop or disable the rule; a trigger may do the same.")));
}

/* Does an error name a constraint that there is?  A trigger can say what it likes. */
static bool
is_constraint(const ErrorData *edata)
{
	Oid			namespace;
	Oid			relid;

	if (edata->schema_name == NULL || edata->table_name == NULL || edata->constraint_name == NULL)
		return false;
	namespace = get_namespace_oid(edata->schema_name, true);
	relid = OidIsValid(namespace) ? get_relname_relid(edata->table_name, namespace) : InvalidOid;
	return OidIsValid(relid) && (OidIsValid(get_relation_constraint_oid(relid, edata->constraint_name, true)) ||
								 OidIsValid(get_relname_relid(edata->constraint_name, namespace)));
}

/*
 * Run a statement as the relation's owner under purpose subject_rights, with
 * arguments that are not NULL; SPI is connected and then has the result, or
 * dest gets the rows if it is not NULL.  expected: SPI's code.  An error of the
 * statement is replaced by one that says which relation and constraint, without
 * values.
 */
void
pz_rights_run(const PzPath *path, const char *sql, int nargs, const Oid *types, const Datum *args, int expected,
			  DestReceiver *dest)
{
	Relation	rel = table_open(path->relid, RowExclusiveLock);
	char	   *name = pz_rights_relation(path);
	ParamListInfo params = nargs > 0 ? makeParamList(nargs) : NULL;
	SPIExecuteOptions options = {0};
	Oid			owner = rel->rd_rel->relowner;
	Oid			save_user;
	int			save_context;
	int			save_nestlevel;
	MemoryContext caller = CurrentMemoryContext;
	int			i;

	check_rules(rel, name, expected);
	table_close(rel, NoLock);
	for (i = 0; i < nargs; i++)
	{
		params->params[i].value = args[i];
		params->params[i].isnull = false;
		params->params[i].pflags = PARAM_FLAG_CONST;
		params->params[i].ptype = types[i];
	}
	options.params = params;
	options.dest = dest;
	GetUserIdAndSecContext(&save_user, &save_context);
	/* what the owner's code sets ends here: what comes after runs as somebody else */
	save_nestlevel = NewGUCNestLevel();
	PG_TRY();
	{
		int			rc;

		(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
		SetUserIdAndSecContext(owner, save_context | SECURITY_LOCAL_USERID_CHANGE |
							   SECURITY_RESTRICTED_OPERATION | SECURITY_NOFORCE_RLS);
		pz_enforce_adopt_purpose(PZ_PURPOSE_RIGHTS, sql);
		rc = SPI_execute_extended(sql, &options);
		pz_enforce_adopt_purpose(PZ_PURPOSE_NONE, NULL);
		AtEOXact_GUC(false, save_nestlevel);
		SetUserIdAndSecContext(save_user, save_context);
		if (rc != expected)
			elog(ERROR, "unexpected result %d of a statement", rc);	/* cannot happen: constant text */
	}
	PG_CATCH();
	{
		ErrorData  *edata;

		pz_enforce_adopt_purpose(PZ_PURPOSE_NONE, NULL);
		AtEOXact_GUC(false, save_nestlevel);
		SetUserIdAndSecContext(save_user, save_context);
		MemoryContextSwitchTo(caller);
		edata = CopyErrorData();
		if (edata->sqlerrcode == ERRCODE_QUERY_CANCELED || edata->sqlerrcode == ERRCODE_ADMIN_SHUTDOWN)
			PG_RE_THROW();
		FlushErrorState();
		ereport(ERROR,
				(errcode(edata->sqlerrcode),
				 errmsg("could not process the rows of the subject in relation %s", name),
				 is_constraint(edata) ?
				 errdetail("Constraint \"%s\" of relation \"%s\" stands against it.",
						   edata->constraint_name, edata->table_name) :
				 errdetail("A constraint, trigger or rule of the relation raised an error."),
				 expected == SPI_OK_DELETE ?
				 errhint("Protect the referencing relations too, so that they are processed first, or give their foreign keys ON DELETE CASCADE.") :
				 errhint("The new values must fit the types and constraints of the columns, and no trigger may stand against them.")));
	}
	PG_END_TRY();
}
