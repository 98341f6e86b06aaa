/*-------------------------------------------------------------------------
 *
 * shmem.c
 *	  Shared memory of personalize.
 *
 * Everything is of fixed size and made when the postmaster makes its shared
 * memory, so also again after the crash of a backend: boot_id then changes,
 * which is how the audit worker knows that sessions died without a word.
 *
 * Lock rules: see shmem.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/shmem.h"

#include "compat.h"
#include "errors.h"
#include "guc.h"
#include "progress.h"
#include "shmem.h"

#define PZ_TRANCHE	"personalize"

PzShared   *pz_shared = NULL;
bool		pz_preloaded = false;

static shmem_request_hook_type prev_shmem_request_hook = NULL;
static shmem_startup_hook_type prev_shmem_startup_hook = NULL;

/*
 * Size of the shared structure.  Errors only on overflow.
 */
static Size
pz_shmem_size(void)
{
	return add_size(offsetof(PzShared, databases),
					mul_size(pz_max_databases, sizeof(PzDatabase)));
}

/*
 * shmem_request_hook: ask for our memory and our lock.
 */
static void
pz_shmem_request(void)
{
	if (prev_shmem_request_hook)
		prev_shmem_request_hook();
	RequestAddinShmemSpace(add_size(pz_shmem_size(), pz_progress_size()));
	RequestNamedLWLockTranche(PZ_TRANCHE, 1);
}

/*
 * shmem_startup_hook: initialize our memory, or attach to it.  FATAL if
 * there is no randomness.
 */
static void
pz_shmem_startup(void)
{
	bool		found;
	int			i;
	int			j;

	if (prev_shmem_startup_hook)
		prev_shmem_startup_hook();

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	pz_shared = ShmemInitStruct("personalize", pz_shmem_size(), &found);
	if (!found)
	{
		memset(pz_shared, 0, pz_shmem_size());
		pz_shared->lock = &GetNamedLWLockTranche(PZ_TRANCHE)->lock;
		if (!pg_strong_random(&pz_shared->boot_id, sizeof(pz_shared->boot_id)))
			ereport(FATAL,
					(errcode(ERRCODE_INTERNAL_ERROR),
					 errmsg("could not generate random values")));
		pz_shared->boot_id &= PG_INT64_MAX;
		pg_atomic_init_u64(&pz_shared->clock, 0);
		pg_atomic_init_u64(&pz_shared->flushed_at, 0);
		pg_atomic_init_u32(&pz_shared->rescan, 0);
		pz_shared->ndatabases = pz_max_databases;
		for (i = 0; i < pz_max_databases; i++)
		{
			PzDatabase *db = &pz_shared->databases[i];

			pg_atomic_init_u32(&db->dbid, InvalidOid);
			pg_atomic_init_u32(&db->ready, 0);
			pg_atomic_init_u32(&db->extension, InvalidOid);
			pg_atomic_init_u32(&db->why, PZ_DOWN_UNKNOWN);
			pg_atomic_init_u64(&db->want, 0);
			pg_atomic_init_u64(&db->done, 0);
			pg_atomic_init_u64(&db->failing_since, 0);
			pg_atomic_init_u64(&db->messages, 0);
			pg_atomic_init_u64(&db->bad, 0);
			pg_atomic_init_u64(&db->holes, 0);
			ConditionVariableInit(&db->cv);
			pg_atomic_init_u32(&db->log_dbid, InvalidOid);
			pg_atomic_init_u64(&db->log_flushed, 0);
			LWLockInitialize(&db->log_lock, pz_shared->lock->tranche);
			LWLockInitialize(&db->log_sync, pz_shared->lock->tranche);
			pg_atomic_init_u32(&db->set_state, 0);
			pg_atomic_init_u64(&db->set_root, 0);
			LWLockInitialize(&db->set_dictionary, pz_shared->lock->tranche);
			for (j = 0; j < PZ_SET_MARK_LOCKS; j++)
				LWLockInitialize(&db->set_marks[j], pz_shared->lock->tranche);
		}
	}
	pz_progress_startup();
	LWLockRelease(AddinShmemInitLock);
}

/*
 * Install the hooks.  Called once from _PG_init; does nothing, and leaves
 * pz_preloaded false, if the library is loaded by a running backend.
 */
void
pz_shmem_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	pz_preloaded = true;
	prev_shmem_request_hook = shmem_request_hook;
	shmem_request_hook = pz_shmem_request;
	prev_shmem_startup_hook = shmem_startup_hook;
	shmem_startup_hook = pz_shmem_startup;
}

/*
 * Errors unless the library was preloaded and its shared memory is there.
 */
void
pz_require_preloaded(void)
{
	if (!pz_preloaded || pz_shared == NULL)
		ereport(ERROR,
				(errcode(PZ_ERR_STATE),
				 errmsg("personalize is not preloaded"),
				 errhint("Add personalize to shared_preload_libraries and restart the server.")));
}

/*
 * The time now, but never earlier than any backend got it before: consent
 * that has run out must not come back when somebody sets the clock back.
 * Never errors; takes no lock.
 */
TimestampTz
pz_clock_now(void)
{
	TimestampTz now = GetCurrentTimestamp();
	uint64		last;

	if (pz_shared == NULL)
		return now;
	last = pg_atomic_read_u64(&pz_shared->clock);
	while ((TimestampTz) last < now)
	{
		if (pg_atomic_compare_exchange_u64(&pz_shared->clock, &last, (uint64) now))
			return now;
	}
	return (TimestampTz) last;
}

/*
 * Raise *place to value unless it is higher already.  Never errors.
 */
void
pz_shmem_raise(pg_atomic_uint64 *place, uint64 value)
{
	uint64		old = pg_atomic_read_u64(place);

	while (old < value)
	{
		if (pg_atomic_compare_exchange_u64(place, &old, value))
			break;
	}
}

/*
 * The entry of a database, or NULL if there is none (create: if all entries
 * are taken).  Takes the lock, shared to look and exclusive to create.
 */
PzDatabase *
pz_shmem_find_database(Oid dbid, bool create)
{
	PzDatabase *found = NULL;
	PzDatabase *unused = NULL;
	int			i;

	LWLockAcquire(pz_shared->lock, create ? LW_EXCLUSIVE : LW_SHARED);
	for (i = 0; i < pz_shared->ndatabases && found == NULL; i++)
	{
		PzDatabase *db = &pz_shared->databases[i];
		Oid			owner = pg_atomic_read_u32(&db->dbid);

		if (owner == dbid)
			found = db;
		else if (owner == InvalidOid && unused == NULL)
			unused = db;
	}
	if (found == NULL && create && unused != NULL)
	{
		found = unused;
		pg_atomic_write_u32(&found->ready, 0);
		pg_atomic_write_u32(&found->extension, InvalidOid);
		pg_atomic_write_u32(&found->why, PZ_DOWN_STARTING);
		pg_atomic_write_u64(&found->want, 0);
		pg_atomic_write_u64(&found->done, 0);
		pg_atomic_write_u64(&found->failing_since, 0);
		pg_atomic_write_u64(&found->messages, 0);
		pg_atomic_write_u64(&found->bad, 0);
		pg_atomic_write_u64(&found->holes, 0);
		found->batch = 0;
		found->worker_pid = 0;
		found->requested_at = 0;
		found->hold_until = 0;
		found->set_pid = 0;
		found->rights_pid = 0;
		/* what was appended meanwhile is in the file, which the next one names */
		pg_atomic_write_u32(&found->log_dbid, InvalidOid);
		found->log_unflushed = 0;
		/* whoever used the set of a database that is gone, is gone with it */
		pg_atomic_write_u32(&found->set_state, 0);
		pg_atomic_write_u32(&found->dbid, dbid);
	}
	LWLockRelease(pz_shared->lock);
	return found;
}

/*
 * The entry of this session's database, or NULL.  Remembers it; an entry that
 * was given to another database meanwhile is noticed.
 */
PzDatabase *
pz_shmem_my_database(void)
{
	static PzDatabase *mine = NULL;

	if (pz_shared == NULL || !OidIsValid(MyDatabaseId))
		return NULL;
	if (mine == NULL || pg_atomic_read_u32(&mine->dbid) != MyDatabaseId)
		mine = pz_shmem_find_database(MyDatabaseId, false);
	return mine;
}

/*
 * Let the audit launcher look around.  Never errors.
 */
void
pz_shmem_wake_launcher(void)
{
	if (pz_shared != NULL && pz_shared->launcher_latch != NULL)
		SetLatch(pz_shared->launcher_latch);
}
