/*-------------------------------------------------------------------------
 *
 * rights_steps.c
 *	  What erasing a subject of a kind takes, worked out once in a session.
 *
 * erase_prepare_internal() finds out from registry and catalog; that takes
 * longer than erasing a person with a few rows.  What it found is kept until
 * any relation or schema changes, whichever it is:  every change of the
 * registry, of a column, a foreign key, a trigger, a child or an owner comes as
 * an invalidation of some relation, of our own transaction at once, of others
 * before the next lock.  All relations are locked here, so none of them changes
 * from then on.
 *
 * The same tells whether the registry must be looked through before an erasure:
 * not while nothing has changed since it was (registry_is_fresh_internal()).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/datum.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "shmem.h"

static uint64 changes = 1;		/* of any relation, since the start of the session */
static bool listening = false;
static HeapTupleHeader prepared = NULL; /* in TopMemoryContext; NULL: nothing is kept */
static int32 prepared_kind = 0;
static uint64 prepared_changes = 0; /* as of when it was begun */
static uint64 fresh_changes = 0;	/* when the registry was looked through; 0: never */

/* Some relation changed, or may have. */
static void
relcache_callback(Datum arg, Oid relid)
{
	changes++;
}

/* A schema or a role has another name, or may have. */
static void
syscache_callback(Datum arg, int cacheid, uint32 hashvalue)
{
	changes++;
}

/* Be told of changes from now on. */
static void
listen_now(void)
{
	if (!listening)
	{
		CacheRegisterRelcacheCallback(relcache_callback, (Datum) 0);
		CacheRegisterSyscacheCallback(NAMESPACEOID, syscache_callback, (Datum) 0);
		CacheRegisterSyscacheCallback(AUTHOID, syscache_callback, (Datum) 0);
		listening = true;
	}
	AcceptInvalidationMessages();
}

/* Forget what is kept. */
static void
forget(void)
{
	if (prepared)
		pfree(prepared);
	prepared = NULL;
}

/* Ask erase_prepare_internal(). */
static void
prepare(int32 kind_id)
{
	Oid			types[1] = {INT4OID};
	Datum		values[1] = {Int32GetDatum(kind_id)};
	uint64		begun = changes;
	MemoryContext old;
	bool		isnull;
	Datum		value;

	forget();
	SPI_connect();
	if (SPI_execute_with_args("SELECT personalize.erase_prepare_internal($1)", 1, types, values, NULL, false, 1) != SPI_OK_SELECT ||
		SPI_processed != 1)
		elog(ERROR, "unexpected result of a statement");	/* cannot happen: constant text */
	value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	if (isnull)
		elog(ERROR, "unexpected result of a statement");	/* cannot happen: it returns a row */
	old = MemoryContextSwitchTo(TopMemoryContext);
	prepared = (HeapTupleHeader) DatumGetPointer(datumCopy(value, false, -1));
	MemoryContextSwitchTo(old);
	prepared_kind = kind_id;
	prepared_changes = begun;
	SPI_finish();
}

/* Lock the relations of what is kept, as a DELETE would. */
static void
lock_relations(void)
{
	bool		isnull;
	Datum		value = GetAttributeByName(prepared, "relids", &isnull);
	Datum	   *relids;
	int			nrelids;
	int			i;

	if (isnull)
		return;
	deconstruct_array(DatumGetArrayTypePCopy(value), OIDOID, sizeof(Oid), true, TYPALIGN_INT, &relids, NULL, &nrelids);
	for (i = 0; i < nrelids; i++)
		LockRelationOid(DatumGetObjectId(relids[i]), RowExclusiveLock);
}

/*
 * erase_prepared_internal(kind_id) returns erase_prepared, with the relations
 * locked in their order.  An erasure is on disk when its commit returns, whatever
 * synchronous_commit says: a crash must not take back what a certificate proves.
 */
PG_FUNCTION_INFO_V1(personalize_erase_prepared);
Datum
personalize_erase_prepared(PG_FUNCTION_ARGS)
{
	int32		kind_id = PG_GETARG_INT32(0);

	pz_require_preloaded();
	ForceSyncCommit();
	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		listen_now();
		if (prepared == NULL || prepared_kind != kind_id || prepared_changes != changes)
			prepare(kind_id);
		lock_relations();
		if (prepared_changes == changes)
			break;
	}
	PG_RETURN_DATUM(datumCopy(PointerGetDatum(prepared), false, -1));
}

/*
 * registry_is_fresh_internal(looked): was the registry looked through in this
 * session, and nothing has changed since?  looked: it is being looked through,
 * as of now.  The caller holds the row of the anchor, so that nobody else
 * changes the registry.
 */
PG_FUNCTION_INFO_V1(personalize_registry_is_fresh);
Datum
personalize_registry_is_fresh(PG_FUNCTION_ARGS)
{
	bool		fresh;

	pz_require_preloaded();
	listen_now();
	fresh = fresh_changes == changes;
	if (PG_GETARG_BOOL(0))
		fresh_changes = changes;
	PG_RETURN_BOOL(fresh);
}
