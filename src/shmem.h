/*-------------------------------------------------------------------------
 *
 * shmem.h
 *	  Shared memory of personalize: the clock, and what backends, the audit
 *	  launcher and the audit workers tell each other.
 *
 * Locks: PzShared.lock (an LWLock) guards the allocation of database entries
 * and the fields marked "lock"; fields of type pg_atomic_* are read and
 * written without it.  No other lock is taken while it is held.  Of the locks
 * of the consent set one is taken at a time, or set_dictionary while one of
 * set_marks is held.  Of those of the log of a standby log_sync comes before
 * log_lock.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PZ_SHMEM_H
#define PZ_SHMEM_H

#include "port/atomics.h"
#include "storage/condition_variable.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "utils/dsa.h"
#include "utils/timestamp.h"

/* Why a database has no audit worker; for hints only */
typedef enum PzDown
{
	PZ_DOWN_UNKNOWN = 0,
	PZ_DOWN_STARTING,			/* requested, not yet there */
	PZ_DOWN_NO_EXTENSION,		/* the worker found no extension */
	PZ_DOWN_NO_SLOT,			/* no replication slot is free */
	PZ_DOWN_NO_WORKER,			/* no background worker slot is free */
	PZ_DOWN_RELEASED,			/* stopped, so that the database can be dropped or copied */
	PZ_DOWN_ERROR				/* it failed; the server log says why */
} PzDown;

#define PZ_SET_MARK_LOCKS	32

/* One database whose uses are recorded */
typedef struct PzDatabase
{
	pg_atomic_uint32 dbid;		/* 0: entry is free; set under the lock */
	pg_atomic_uint32 ready;		/* 1: slot exists and position is known: uses may be written */
	pg_atomic_uint32 extension; /* OID of the extension whose uses are recorded */
	pg_atomic_uint32 why;		/* PzDown, while not ready */
	pg_atomic_uint64 want;		/* end of the newest message of this database */
	pg_atomic_uint64 done;		/* WAL up to here is ingested and committed */
	pg_atomic_uint64 failing_since; /* TimestampTz of the first of a row of failures, 0: none */
	pg_atomic_uint64 messages;	/* messages ingested since server start */
	pg_atomic_uint64 bad;		/* messages with our prefix rejected since server start */
	pg_atomic_uint64 holes;		/* numbers missing in the sequence of a session */
	int64		batch;			/* lock; last batch of the chain that is committed, 0: none yet */
	uint8		head[32];		/* lock; state of the chain after it */
	pid_t		worker_pid;		/* lock; 0: no worker */
	Latch	   *worker_latch;	/* of the last worker; setting a stale one does no harm */
	TimestampTz requested_at;	/* lock; somebody wants a worker here, 0: nobody */
	TimestampTz hold_until;		/* lock; no worker may start before */
	pid_t		rights_pid;		/* lock; of the rights worker, 0: none */
	ConditionVariable cv;		/* broadcast when ready, done or worker_pid changes */

	/* the log that a standby writes; see audit_log.c */
	LWLock		log_lock;		/* to append */
	LWLock		log_sync;		/* to flush, or to begin the next file; taken before log_lock */
	pg_atomic_uint32 log_dbid;	/* whose file it is, 0: there is none */
	bool		log_failed;		/* log_lock; nothing may be appended any more */
	uint64		log_no;			/* log_lock; number of the file */
	int64		log_id;			/* log_lock; its random number */
	uint64		log_end;		/* log_lock; its length */
	uint8		log_link[32];	/* log_lock; state of its chain */
	uint64		log_unflushed;	/* log_sync; number of the last file that may not be on disk as a whole */
	pg_atomic_uint64 log_flushed;	/* what is on disk of the file; written under log_sync */

	/* the consent set; see consent_set.h */
	pg_atomic_uint32 set_state; /* PzSetState */
	pg_atomic_uint64 set_root;	/* dsa_pointer to PzSet, 0: none */
	dsa_handle	set_area;		/* lock; 0: none yet.  Stays with the entry */
	pid_t		set_pid;		/* lock; of the consent worker, 0: none */
	Latch	   *set_latch;		/* of the last consent worker */
	LWLock		set_dictionary; /* for changes of the dictionaries and to allocate */
	LWLock		set_marks[PZ_SET_MARK_LOCKS];	/* by chunk of marks */
} PzDatabase;

typedef struct PzShared
{
	LWLock	   *lock;
	uint64		boot_id;		/* random; another one after every crash and restart */
	pg_atomic_uint64 clock;		/* the latest time handed out */
	pg_atomic_uint64 flushed_at;	/* TimestampTz: the launcher has flushed messages */
	pg_atomic_uint32 rescan;	/* launcher: look at the list of databases again */
	Latch	   *launcher_latch; /* NULL before the launcher's first start */
	int			ndatabases;		/* entries of databases[] */
	PzDatabase	databases[FLEXIBLE_ARRAY_MEMBER];
} PzShared;

extern PzShared *pz_shared;		/* NULL if not preloaded */
extern bool pz_preloaded;		/* the library came by shared_preload_libraries */

extern void pz_shmem_init(void);
extern void pz_require_preloaded(void);
extern TimestampTz pz_clock_now(void);
extern PzDatabase *pz_shmem_find_database(Oid dbid, bool create);
extern PzDatabase *pz_shmem_my_database(void);
extern void pz_shmem_wake_launcher(void);
extern void pz_shmem_raise(pg_atomic_uint64 *place, uint64 value);

#endif							/* PZ_SHMEM_H */
