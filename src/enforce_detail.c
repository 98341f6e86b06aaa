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
#include "errors.h"
#include "registry.h"

static void detail_callback(void *arg);

static ErrorContextCallback watch = {NULL, detail_callback, NULL};
static bool wrote_protected = false;	/* so did a statement of this transaction */

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

/* End of a transaction. */
void
pz_detail_end_transaction(void)
{
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
 * An error is being raised: look at those about constraints.
 */
static void
detail_callback(void *arg)
{
	int			category = ERRCODE_TO_CATEGORY(geterrcode());
	MemoryContext old;
	ErrorData  *edata;

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
