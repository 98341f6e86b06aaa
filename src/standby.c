/*-------------------------------------------------------------------------
 *
 * standby.c
 *	  Standbys: how new what one shows is, and what is owed to one.
 *
 * The end of a transaction carries the primary's time.  It is taken before the
 * record is put into the WAL, so whatever had been committed, and told to its
 * client, by that time comes before it; a standby that has replayed the record
 * shows all of that.  So what a standby shows is no older than the newest such
 * time, and its age is reckoned from there.  A primary without traffic has to
 * say the time by itself: a heartbeat is an empty transaction.
 *
 * That compares clocks of two machines.  Where the standby's is slow, messages
 * from the primary seem to come from the future; by how much the last one did
 * is added.  Where it is fast, the age is too high, and reads are refused
 * that need not be.  A time that lies ahead of this clock all the same cannot be
 * trusted further than that: so much is the age, too.
 *
 * Neither the position of replay nor the time of the last message would do: the
 * primary may have committed more than it has sent, and speaks, when it has
 * nothing to say, but twice in wal_sender_timeout.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "access/xlogrecovery.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "replication/syncrep.h"
#include "replication/walreceiver.h"
#include "replication/walsender.h"
#include "replication/walsender_private.h"
#include "storage/spin.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "errors.h"
#include "guc.h"
#include "shmem.h"
#include "standby.h"

/*
 * How old what a snapshot shows that is taken now may be, in microseconds; 0 on
 * a primary, PZ_AGE_UNKNOWN where it cannot be said.  Takes a spinlock on a standby.
 */
int64
pz_standby_age(void)
{
	TimestampTz at;
	int64		ahead;
	int64		age;

	if (!RecoveryInProgress())
		return 0;
	at = GetLatestXTime();
	if (at == 0)
		return PZ_AGE_UNKNOWN;
	SpinLockAcquire(&WalRcv->mutex);
	ahead = WalRcv->lastMsgSendTime - WalRcv->lastMsgReceiptTime;
	SpinLockRelease(&WalRcv->mutex);
	age = pz_clock_now() + Max(ahead, 0) - at;
	return age < 0 ? -age : age;
}

/*
 * May a statement use what this server knows of consent, if it is so old?
 * ERROR 55000 if not.
 */
void
pz_standby_require_fresh(int64 age)
{
	if (age <= (int64) pz_max_replay_lag * 1000)
		return;
	ereport(ERROR,
			(errcode(PZ_ERR_STATE),
			 errmsg("what this standby knows of consent may be older than personalize.max_replay_lag"),
			 age == PZ_AGE_UNKNOWN ?
			 errdetail("No transaction of the primary server has been replayed since the start.") :
			 errdetail("It may be %lld ms old.", (long long) (age / 1000)),
			 errhint("Run the statement on the primary server, or again when this one has caught up. "
					 "A primary server without traffic says the time by personalize.heartbeat; clocks must agree.")));
}

/* Does anybody take the WAL of this server? */
static bool
is_followed(void)
{
	int			i;

	for (i = 0; i < max_wal_senders; i++)
	{
		WalSnd	   *walsnd = &WalSndCtl->walsnds[i];
		bool		follows;

		SpinLockAcquire(&walsnd->mutex);
		follows = walsnd->pid != 0 && walsnd->state >= WALSNDSTATE_CATCHUP;
		SpinLockRelease(&walsnd->mutex);
		if (follows)
			return true;
	}
	return false;
}

/*
 * Say the time to standbys, if there are any and no transaction has ended since
 * seen_at, the latest end that the caller has met in the WAL, for
 * personalize.heartbeat.  True if it was said.  Outside of a transaction.
 */
bool
pz_standby_beat(TimestampTz seen_at)
{
	TimestampTz now = GetCurrentTimestamp();

	/* seen_at lies ahead if the clock was set back */
	if (pz_heartbeat == 0 || RecoveryInProgress() ||
		(seen_at <= now && !TimestampDifferenceExceeds(seen_at, now, pz_heartbeat)) || !is_followed())
		return false;
	StartTransactionCommand();
	/* one that has a number leaves a record */
	(void) GetTopTransactionId();
	CommitTransactionCommand();
	return true;
}

/* Is there to be a synchronous standby? */
static bool
has_synchronous(void)
{
	int			status;

	if (max_wal_senders == 0)
		return false;
	status = ((volatile WalSndCtlData *) WalSndCtl)->sync_standbys_status;
	/* right after the start the setting is not known to all yet */
	return (status & SYNC_STANDBY_INIT) != 0 ? (status & SYNC_STANDBY_DEFINED) != 0 :
		(SyncRepStandbyNames != NULL && SyncRepStandbyNames[0] != '\0');
}

/*
 * Return once the WAL up to lsn, which is on disk here, is on disk at the
 * synchronous standbys, too, if there are to be any, whatever the session says in
 * synchronous_commit.  ERROR if the wait was given up.  In a transaction.
 */
void
pz_standby_wait(XLogRecPtr lsn)
{
	bool		there;
	int			nest;

	if (!has_synchronous())
		return;
	nest = NewGUCNestLevel();
	if (synchronous_commit < SYNCHRONOUS_COMMIT_REMOTE_FLUSH)
		(void) set_config_option("synchronous_commit", "on", PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_SAVE, true, 0, false);
	HOLD_INTERRUPTS();
	SyncRepWaitForLSN(lsn, false);
	RESUME_INTERRUPTS();
	AtEOXact_GUC(true, nest);

	/* who cancels the wait gets a warning only */
	LWLockAcquire(SyncRepLock, LW_SHARED);
	there = WalSndCtl->lsn[SYNC_REP_WAIT_FLUSH] >= lsn;
	LWLockRelease(SyncRepLock);
	if (!there && has_synchronous())
		ereport(ERROR,
				(errcode(ERRCODE_QUERY_CANCELED),
				 errmsg("canceling the statement: its record of use has not reached the synchronous standby"),
				 errhint("See pg_stat_replication and synchronous_standby_names.")));
}

/*
 * standby_age() returns interval: see pz_standby_age(); NULL where it cannot be
 * said.
 */
PG_FUNCTION_INFO_V1(personalize_standby_age);
Datum
personalize_standby_age(PG_FUNCTION_ARGS)
{
	int64		age;
	Interval   *result;

	pz_require_preloaded();
	age = pz_standby_age();
	if (age == PZ_AGE_UNKNOWN)
		PG_RETURN_NULL();
	result = palloc0(sizeof(Interval));
	result->time = age;
	PG_RETURN_INTERVAL_P(result);
}
