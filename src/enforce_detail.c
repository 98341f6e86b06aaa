/*-------------------------------------------------------------------------
 *
 * enforce_detail.c
 *	  Values in the details of errors.
 *
 * "Failing row contains (...)" and "Key (...)=(...) already exists" show rows
 * to a client that may not see them.  PostgreSQL leaves them out where row
 * security binds the current user; that is not so for superusers and roles with
 * BYPASSRLS, nor for anybody while a cascade changes rows as the table's owner.
 *
 * The details are replaced where the error is raised, by a callback at the
 * bottom of error_context_stack.  So no handler in a procedural language has
 * seen them, and deferred constraints are covered, too, which are checked when
 * no hook is running.  The stack is emptied by every error that reaches the
 * top; the callback is put there again at the end of each transaction and at
 * each statement.
 *
 * Where a statement writes to rows of which it may not see every cell, the
 * expressions of constraints and indexes see them all, and an error of theirs
 * ("invalid input syntax for type integer: ...") has a value in its very text.
 * Such an error is replaced by one that says nothing, also where referential
 * integrity writes.
 *
 * A message below an error may show a row that no scan passes on to the
 * record: then the record names all rows that consent let through.
 *
 * The error itself names the relation it is about.  Looking that up can fail in
 * turn; then that error is reported instead and shows nothing, either.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_constraint.h"
#include "miscadmin.h"
#include "parser/parsetree.h"
#include "utils/elog.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "enforce.h"
#include "enforce_mark.h"
#include "errors.h"
#include "registry.h"

static void detail_callback(void *arg);

static ErrorContextCallback watch = {NULL, detail_callback, NULL};
static bool wrote_protected = false;	/* so did a statement of this transaction */
static PzDetail detail = {false, NULL};	/* of the running statement */

/*
 * Put the callback below all others, unless it is there.
 */
void
pz_detail_watch(void)
{
	ErrorContextCallback **link = &error_context_stack;

	while (*link)
	{
		if (*link == &watch)
			return;
		link = &(*link)->previous;
	}
	watch.previous = NULL;
	*link = &watch;
}

/*
 * A statement begins: note whether it writes to a protected relation.
 */
void
pz_detail_note(PlannedStmt *pstmt)
{
	ListCell   *lc;

	pz_detail_watch();
	foreach(lc, pstmt->resultRelations)
		if (!wrote_protected && pz_registry_guards(rt_fetch(lfirst_int(lc), pstmt->rtable)->relid))
			wrote_protected = true;
}

/*
 * May a statement not see every cell of a column: is it masked, or does no
 * purpose of the statement list what it holds?
 */
static bool
is_unseen(const PzRelation *rel, int column, const PzFrame *frame)
{
	const PzColumn *col = &rel->columns[column];
	const PzPurpose *purpose;
	int			i;
	int			j;

	if (col->name == NULL || col->category_id == PZ_CATEGORY_NONE || rel->observed)
		return false;
	if (pz_mark_masks(rel, column))
		return true;
	for (i = 0; i < pz_frame_nuses(frame); i++)
	{
		if (pz_frame_use(frame, i)->relid != rel->root)
			continue;
		purpose = pz_registry_purpose(pz_frame_use(frame, i)->purpose_id);
		if (purpose && purpose->builtin)
			return false;
		for (j = 0; purpose && j < purpose->ncategories; j++)
			if (purpose->categories[j] == col->category_id)
				return false;
	}
	return true;
}

/*
 * Does a statement write to rows that it may not see, or of which it may not
 * see every cell?  What has no frame and writes is referential integrity.
 */
static bool
writes_unseen(QueryDesc *queryDesc, const PzFrame *frame)
{
	PlannedStmt *pstmt = queryDesc->plannedstmt;
	bool		is_ri = frame == NULL;
	ListCell   *lc;

	if (pstmt->commandType == CMD_INSERT && is_ri)
		return false;
	foreach(lc, pstmt->resultRelations)
	{
		Oid			relid = rt_fetch(lfirst_int(lc), pstmt->rtable)->relid;
		const PzRelation *rel = pz_registry_guards(relid) ? pz_registry_relation(relid) : NULL;
		int			i;

		if (rel != NULL && is_ri)
			return true;
		for (i = 0; rel != NULL && i < rel->ncolumns; i++)
			if (is_unseen(rel, i, frame))
				return true;
	}
	return false;
}

/*
 * A statement with this frame, or none, runs; says what was before, for
 * pz_detail_leave.  What runs
 * within one that writes to what it may not see shows no values, either.
 */
PzDetail
pz_detail_enter(QueryDesc *queryDesc, const PzFrame *frame)
{
	PzDetail	before = detail;

	if (queryDesc->plannedstmt->resultRelations != NIL && !detail.hides_values && pz_registry_active())
		detail.hides_values = writes_unseen(queryDesc, frame);
	detail.context = error_context_stack;
	return before;
}

/* It is over, or failed. */
void
pz_detail_leave(PzDetail before)
{
	detail = before;
}

/* Are all values shown? */
bool
pz_detail_is_idle(void)
{
	return !detail.hides_values;
}

/* End of a transaction. */
void
pz_detail_end_transaction(void)
{
	detail.hides_values = false;
	detail.context = NULL;
	wrote_protected = false;
	pz_detail_watch();
}

/* The relation an error is about; InvalidOid if it names none that exists. */
static Oid
error_relation(ErrorData *edata)
{
	Oid			nsp;

	if (edata->schema_name == NULL || edata->table_name == NULL)
		return InvalidOid;
	nsp = get_namespace_oid(edata->schema_name, true);
	return OidIsValid(nsp) ? get_relname_relid(edata->table_name, nsp) : InvalidOid;
}

/* The relation that a foreign key of relid refers to. */
static Oid
referenced_relation(Oid relid, const char *constraint)
{
	Oid			conoid = constraint ? get_relation_constraint_oid(relid, constraint, true) : InvalidOid;
	HeapTuple	tup = OidIsValid(conoid) ? SearchSysCache1(CONSTROID, ObjectIdGetDatum(conoid)) : NULL;
	Oid			result = InvalidOid;

	if (HeapTupleIsValid(tup))
	{
		result = ((Form_pg_constraint) GETSTRUCT(tup))->confrelid;
		ReleaseSysCache(tup);
	}
	return result;
}

/*
 * Replace the detail of an error about a row of a protected relation.
 */
static void
hide_detail(ErrorData *edata)
{
	Oid			relid;
	Oid			referenced = InvalidOid;
	bool		foreign_key = edata->sqlerrcode == ERRCODE_FOREIGN_KEY_VIOLATION ||
		edata->sqlerrcode == ERRCODE_RESTRICT_VIOLATION;
	bool		inserted = false;

	if (!pz_registry_active())
		return;

	/* WITH CHECK OPTION names its view only */
	if (edata->sqlerrcode == ERRCODE_WITH_CHECK_OPTION_VIOLATION)
	{
		if ((wrote_protected || pz_frame_current() != NULL) && !pz_enforce_sees_all())
			errdetail("A row of a protected relation is not shown.");
		return;
	}

	relid = error_relation(edata);
	if (!OidIsValid(relid) || relid < FirstNormalObjectId)
		return;					/* raised by code of a user, or about the catalogs */

	/* the key in the error is that of the row that refers, or of the row referred to */
	if (foreign_key)
	{
		referenced = referenced_relation(relid, edata->constraint_name);
		inserted = edata->message_id && strncmp(edata->message_id, "insert or update", 16) == 0;
	}
	if (!pz_enforce_holds_protected(foreign_key && !inserted && OidIsValid(referenced) ? referenced : relid) ||
		pz_enforce_sees_all())
		return;
	if (!OidIsValid(referenced))
		errdetail("Values of a protected relation are not shown.");
	else if (inserted)
		errdetail("Key is not present in table \"%s\".", get_rel_name(referenced));
	else
		errdetail("Key is still referenced from table \"%s\".", edata->table_name);
}

/*
 * An error is being raised while rows are written that must not be seen: raise
 * another one in its place.  Whoever catches it may go on within the same
 * statement, so that goes on hiding.
 */
static void
hide_values(int code)
{
	static bool asking = false;
	bool		replace = false;

	if (asking)
		return;
	asking = true;				/* an error of the question itself shows nothing */
	PG_TRY();
	{
		replace = !pz_enforce_sees_all();
	}
	PG_FINALLY();
	{
		asking = false;
	}
	PG_END_TRY();
	if (!replace)
		return;
	/* no context: it can quote statements with values; whoever catches this puts it back */
	error_context_stack = NULL;
	ereport(ERROR,
			(errcode(code),
			 errmsg("a value of a protected relation does not allow the statement"),
			 errdetail("The value and the original message are not shown: a constraint or an index sees cells that the statement may not.")));
}

/* Put one that says nothing in the place of a message below an error. */
static void
hide_message(const ErrorData *edata)
{
	errmsg("a message about a row of a protected relation is not shown");
	if (edata->detail)
		errdetail("The original message may quote a value.");
	if (edata->hint)
		errhint("The original message may quote a value.");
}

/*
 * A message is being raised: look at errors about constraints and data, and at
 * what is told while a statement computes.
 */
static void
detail_callback(void *arg)
{
	int			category = ERRCODE_TO_CATEGORY(geterrcode());
	MemoryContext old;
	ErrorData  *edata;

	if (detail.hides_values || pz_ddl_blocks() || pz_frame_current() != NULL)
	{
		bool		blocks;
		bool		quotes;
		int			level;

		old = MemoryContextSwitchTo(TopTransactionContext);
		edata = CopyErrorData();
		level = edata->elevel;
		blocks = pz_ddl_may_quote(edata);
		quotes = blocks || (detail.hides_values && pz_quote_may(edata, error_context_stack != detail.context));
		MemoryContextSwitchTo(old);
		if (level < ERROR && level != LOG && level != LOG_SERVER_ONLY)
		{
			pz_frame_note_rows();
			if (quotes && level >= INFO)
				hide_message(edata);
		}
		FreeErrorData(edata);
		/* commands replace their errors when they have failed */
		if (level == ERROR && quotes && !blocks && category != ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION)
			hide_values(geterrcode());
	}
	if ((category != ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION && category != ERRCODE_WITH_CHECK_OPTION_VIOLATION) ||
		!OidIsValid(MyDatabaseId) || IsBinaryUpgrade)
		return;
	if (!IsTransactionState())
	{
		errdetail("Values are not shown outside of a transaction.");
		return;
	}
	/* TopTransactionContext is there, and goes if this fails */
	old = MemoryContextSwitchTo(TopTransactionContext);
	edata = CopyErrorData();
	if (edata->detail)
		hide_detail(edata);
	FreeErrorData(edata);
	MemoryContextSwitchTo(old);
}
