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
 * Plans.  A statement for one person is prepared once in a session and its plan
 * kept (planning it costs more than running it); one for many is planned for
 * the array that it gets.  A kept plan has a text, and that text must not become
 * a pass:  code of owners that runs within the statement can read the text, from
 * the context of an error that it catches, and could send the same later.  So
 * the random number in it is drawn anew for every execution and written over
 * the last one, in the text that the plan keeps (an array of its own, as long
 * as before; nothing but comments changes).  What somebody has read before is
 * worth nothing then, as it is for statements that are sent once:  when code of
 * owners can run, the number has been used up (by the start of the executor,
 * which is before the first trigger or function), except while the statement is
 * planned, and what is sent from within a planner is never let through
 * (enforce_frame.c).  A statement that is sent again while it runs, by an
 * erasure within an erasure, gets no kept plan:  its text is in use.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/params.h"
#include "rewrite/prs2lock.h"
#include "rewrite/rewriteDefine.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/plancache.h"
#include "utils/rel.h"

#include "audit_ready.h"
#include "enforce.h"
#include "enforce_route.h"
#include "errors.h"
#include "progress.h"
#include "rights.h"

#define MAX_KEPT_PLANS	512		/* of a session; then it begins anew */
#define TOKEN_LENGTH	51		/* of what make_token() returns */

/* A plan that is kept for the next erasure of one person */
typedef struct KeptPlan
{
	uint64		hash;			/* of the statement; the key */
	char	   *statement;		/* without the token, in TopMemoryContext */
	SPIPlanPtr	plan;			/* NULL: not prepared yet */
	bool		running;		/* its text must not change */
} KeptPlan;

static HTAB *kept_plans = NULL;

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

/*
 * A comment with a random number, by which the filter knows the statement; what
 * every statement begins with.  Always TOKEN_LENGTH bytes.
 */
static char *
make_token(void)
{
	uint32		token[4];

	if (!pg_strong_random(token, sizeof(token)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate a random number"),
				 errhint("Try again.")));
	return psprintf("/* personalize %08x%08x%08x%08x */ ", token[0], token[1], token[2], token[3]);
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
check_rules(Relation rel, const char *name, int expected, bool deletes)
{
	CmdType		event = deletes ? CMD_DELETE : expected == SPI_OK_INSERT ? CMD_INSERT : CMD_UPDATE;
	int			i;

	if (expected == SPI_OK_SELECT && !deletes)
		return;
	for (i = 0; rel->rd_rules && i < rel->rd_rules->numLocks; i++)
		if (rel->rd_rules->rules[i]->event == event && rel->rd_rules->rules[i]->enabled != RULE_DISABLED)
			ereport(ERROR,
					(errcode(PZ_ERR_STATE),
					 errmsg("could not process the rows of the subject in relation %s", name),
					 errdetail("The relation has a rule ON %s.", event == CMD_DELETE ? "DELETE" : event == CMD_INSERT ? "INSERT" : "UPDATE"),
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

/* Is it another transaction that an error is about?  It may be gone the next time. */
static bool
is_in_the_way(int sqlerrcode)
{
	return sqlerrcode == ERRCODE_T_R_DEADLOCK_DETECTED || sqlerrcode == ERRCODE_T_R_SERIALIZATION_FAILURE ||
		sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE;
}

/* ERROR 55000 if the relation of a path does not lead to subjects any more. */
static void
require_routes(const PzPath *path)
{
	const PzRelation *rel = pz_registry_relation(path->relid);
	List	   *ids = NIL;
	ListCell   *lc;
	int			i;

	/* messages that come with a lock may take it away */
	for (i = 0; rel && i < rel->npaths; i++)
		ids = lappend_int(ids, rel->paths[i].path_id);
	foreach(lc, ids)
		(void) pz_route_find(lfirst_int(lc));
	list_free(ids);
}

/* Forget the kept plans, except of statements that run now. */
static void
forget_plans(void)
{
	HASH_SEQ_STATUS seq;
	KeptPlan   *kept;

	hash_seq_init(&seq, kept_plans);
	while ((kept = hash_seq_search(&seq)) != NULL)
	{
		if (kept->running)
			continue;
		if (kept->plan)
			SPI_freeplan(kept->plan);
		if (kept->statement)
			pfree(kept->statement);
		(void) hash_search(kept_plans, &kept->hash, HASH_REMOVE, NULL);
	}
}

/*
 * The kept plan of a statement, its text with a random number of its own; NULL
 * if there can be none now.  The caller is its owner for the time being: a plan
 * that is new is made as that.
 */
static KeptPlan *
keep_plan(const char *statement, int nargs, const Oid *types)
{
	uint64		hash = DatumGetUInt64(hash_any_extended((const unsigned char *) statement, strlen(statement), 0));
	char	   *token = make_token();
	KeptPlan   *kept;
	CachedPlanSource *source;
	bool		found;

	if (kept_plans == NULL)
	{
		HASHCTL		ctl = {0};

		ctl.keysize = sizeof(uint64);
		ctl.entrysize = sizeof(KeptPlan);
		kept_plans = hash_create("personalize statements", 64, &ctl, HASH_ELEM | HASH_BLOBS);
	}
	if (hash_get_num_entries(kept_plans) >= MAX_KEPT_PLANS)
		forget_plans();
	kept = hash_search(kept_plans, &hash, HASH_ENTER, &found);
	if (!found)
	{
		kept->statement = NULL;
		kept->plan = NULL;
		kept->running = false;
	}
	if (kept->running)
		return NULL;
	if (kept->statement && strcmp(kept->statement, statement) != 0)
	{
		if (kept->plan)
			SPI_freeplan(kept->plan);
		kept->plan = NULL;
		pfree(kept->statement);
		kept->statement = NULL;
	}
	if (kept->statement == NULL)
		kept->statement = MemoryContextStrdup(TopMemoryContext, statement);
	if (kept->plan == NULL)
	{
		SPIPlanPtr	plan = SPI_prepare_cursor(psprintf("%s%s", token, statement), nargs, (Oid *) types, CURSOR_OPT_GENERIC_PLAN);

		if (plan == NULL || list_length(SPI_plan_get_plan_sources(plan)) != 1)
			elog(ERROR, "could not prepare a statement");	/* cannot happen: constant text */
		if (SPI_keepplan(plan) != 0)
			elog(ERROR, "could not keep a plan");	/* cannot happen: it is not kept yet */
		kept->plan = plan;
	}
	source = linitial(SPI_plan_get_plan_sources(kept->plan));
	if (strlen(token) != TOKEN_LENGTH || strcmp(source->query_string + TOKEN_LENGTH, statement) != 0)
		elog(ERROR, "a kept plan has another text");	/* cannot happen */
	memcpy(unconstify(char *, source->query_string), token, TOKEN_LENGTH);
	return kept;
}

/*
 * Run a statement as the relation's owner under purpose subject_rights, with
 * arguments that are not NULL; SPI is connected and then has the result, or
 * dest gets the rows if it is not NULL.  expected: SPI's code; a SELECT that
 * begins with WITH deletes.  how: PZ_RIGHTS_KEEP and others.  An error of the
 * statement is replaced by one that says which relation and constraint, without
 * values.
 */
void
pz_rights_run(const PzPath *path, const char *statement, int nargs, const Oid *types, const Datum *args, int expected,
			  int how, DestReceiver *dest)
{
	Relation	rel;
	char	   *name;
	ParamListInfo params = nargs > 0 ? makeParamList(nargs) : NULL;
	SPIExecuteOptions options = {0};
	Oid			owner;
	Oid			save_user;
	int			save_context;
	int			save_nestlevel;
	MemoryContext caller = CurrentMemoryContext;
	KeptPlan   *volatile kept = NULL;
	bool		deletes = expected == SPI_OK_DELETE || strncmp(statement, "WITH ", 5) == 0;
	bool		reads = expected == SPI_OK_SELECT && !deletes;
	int			i;

	pz_progress_relation(path->relid);
	rel = table_open(path->relid, RowExclusiveLock);
	owner = rel->rd_rel->relowner;
	name = pz_rights_relation(path);
	check_rules(rel, name, expected, deletes);
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
	/* within the statement these would be taken for errors of the owner's code; copies are no use */
	if (path->path_id != 0)
		require_routes(path);
	if (path->path_id != 0 && !(how & PZ_RIGHTS_LAZY))
		pz_ready_require(RecoveryInProgress());
	GetUserIdAndSecContext(&save_user, &save_context);
	/* what the owner's code sets ends here: what comes after runs as somebody else */
	save_nestlevel = NewGUCNestLevel();
	PG_TRY();
	{
		int			rc;

		(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
		SetUserIdAndSecContext(owner, save_context | SECURITY_LOCAL_USERID_CHANGE |
							   SECURITY_RESTRICTED_OPERATION | SECURITY_NOFORCE_RLS);
		if (how & PZ_RIGHTS_KEEP)
			kept = keep_plan(statement, nargs, types);
		if (kept)
		{
			CachedPlanSource *source = linitial(SPI_plan_get_plan_sources(kept->plan));

			kept->running = true;
			pz_enforce_adopt_purpose(PZ_PURPOSE_RIGHTS, source->query_string, (how & PZ_RIGHTS_LAZY) != 0);
			rc = SPI_execute_plan_extended(kept->plan, &options);
			kept->running = false;
		}
		else
		{
			char	   *sql = psprintf("%s%s", make_token(), statement);

			pz_enforce_adopt_purpose(PZ_PURPOSE_RIGHTS, sql, (how & PZ_RIGHTS_LAZY) != 0);
			rc = SPI_execute_extended(sql, &options);
		}
		pz_enforce_adopt_purpose(PZ_PURPOSE_NONE, NULL, false);
		AtEOXact_GUC(false, save_nestlevel);
		SetUserIdAndSecContext(save_user, save_context);
		if (rc != expected)
			elog(ERROR, "unexpected result %d of a statement", rc);	/* cannot happen: constant text */
	}
	PG_CATCH();
	{
		ErrorData  *edata;

		if (kept)
			kept->running = false;
		pz_enforce_adopt_purpose(PZ_PURPOSE_NONE, NULL, false);
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
				 errdetail("%s", is_in_the_way(edata->sqlerrcode) ? "Another transaction is in the way." :
						   reads ? "Reading them raised an error." :
						   "A constraint, trigger or rule of the relation raised an error."),
				 is_in_the_way(edata->sqlerrcode) ? errhint("Try again.") :
				 reads ?
				 errhint("See personalize.status() for what is wrong with the relation; a query on it for purpose 'break_glass' shows the error.") :
				 deletes ?
				 errhint("Rows that stay refer to them. Have set_erasure() retain or anonymize these, too; "
						 "or protect the referencing relation, so that it is processed first, or give its foreign key ON DELETE CASCADE.") :
				 edata->sqlerrcode == ERRCODE_FOREIGN_KEY_VIOLATION ?
				 errhint("Rows that stay refer to the old value. Have set_erasure() anonymize these, too, or retain the relation, with the columns that need not stay.") :
				 errhint("The new values must fit the types and constraints of the columns, and no trigger may stand against them.")));
	}
	PG_END_TRY();
}
