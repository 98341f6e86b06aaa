/*-------------------------------------------------------------------------
 *
 * consent_worker.c
 *	  The process that keeps the consent set of one database.
 *
 * Started by the audit worker of the database.  Loads the set, takes marks away,
 * looks ahead for consents that end, follows changes of the registry, and frees
 * what nobody reads any more.  If it is not there, consent is read from the
 * ledger.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/transam.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/procarray.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "consent_set.h"
#include "guc.h"
#include "worker.h"

#define BUSY_MS			100		/* between two rounds while there are marks */
#define IDLE_MS			1000	/* ... while there are none */
#define ENDED_MS		5000	/* between two looks at whose consent has ended */
#define START_MS		3000	/* between two attempts to start the worker, or to load */
#define RETRY_MS		600000	/* after there was no memory */
#define FREEZE_MS		600000	/* numbers of transactions are looked after this often */

/* Something that was taken out of use */
typedef struct Retired
{
	dsa_pointer plane;
	TransactionId xid;			/* who may still read it does not see this one as over */
} Retired;

static PzDatabase *my_database = NULL;
static List *retired = NIL;		/* Retired, in TopMemoryContext */

/* before_shmem_exit callback: nobody keeps the set any more. */
static void
worker_exit(int code, Datum arg)
{
	pg_atomic_write_u32(&my_database->set_state, PZ_SET_NONE);
	pz_worker_part(my_database, offsetof(PzDatabase, set_pid));
}

/*
 * Start the consent worker of a database if it has none.  Called by the audit
 * worker; never errors.
 */
void
pz_consent_request_worker(PzDatabase *db)
{
	static TimestampTz next_try = 0;
	TimestampTz now;

	if (pz_consent_memory == 0 || db->set_pid != 0)
		return;
	now = GetCurrentTimestamp();
	if (now < next_try)
		return;
	next_try = TimestampTzPlusMilliseconds(now, START_MS);
	/* without one consent is read from the ledger; status() says so */
	pz_worker_start("pz_consent_worker_main", "consent worker");
}

/* Is a transaction over for everybody in this database?  In a transaction. */
static bool
is_over(TransactionId xid)
{
	Relation	rel = table_open(pz_registry_oids()->subject, AccessShareLock);
	bool		over;

	InvalidateCatalogSnapshot();
	over = TransactionIdPrecedes(xid, GetOldestNonRemovableTransactionId(rel));
	table_close(rel, AccessShareLock);
	return over;
}

/* Leave if the extension is gone, or another one than ours. */
static void
leave_if_gone(void)
{
	bool		here;

	StartTransactionCommand();
	here = pz_registry_installed() && pz_registry_matches();
	CommitTransactionCommand();
	if (!here)
		proc_exit(0);
}

/*
 * Free the set that is out of use, when nobody reads it any more.  True if there
 * is none left.
 */
static bool
free_set(dsa_area *area)
{
	static TransactionId xid = InvalidTransactionId;
	ListCell   *lc;
	PzSet	   *set;
	bool		over;

	if (pg_atomic_read_u64(&my_database->set_root) == 0)
		return true;
	StartTransactionCommand();
	if (!TransactionIdIsValid(xid))
		xid = GetTopTransactionId();
	over = !TransactionIdIsCurrentTransactionId(xid) && is_over(xid);
	CommitTransactionCommand();
	if (!over)
		return false;
	/* retired before: nobody reads them either */
	set = dsa_get_address(area, (dsa_pointer) pg_atomic_read_u64(&my_database->set_root));
	foreach(lc, retired)
		pz_plane_free(set, area, ((Retired *) lfirst(lc))->plane);
	list_free_deep(retired);
	retired = NIL;
	pz_set_free(my_database, area);
	xid = InvalidTransactionId;
	return true;
}

/* Free planes that were replaced, when nobody reads them any more. */
static void
free_planes(PzSet *set, dsa_area *area)
{
	ListCell   *lc;

	if (retired == NIL)
		return;
	StartTransactionCommand();
	foreach(lc, retired)
	{
		Retired    *r = lfirst(lc);

		if (!is_over(r->xid))
			continue;
		pz_plane_free(set, area, r->plane);
		retired = foreach_delete_current(retired, lc);
		pfree(r);
	}
	CommitTransactionCommand();
}

/* Take a plane out of use. */
static void
retire_plane(PzSet *set, int slot)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
	Retired    *r = palloc(sizeof(Retired));

	r->plane = (dsa_pointer) pg_atomic_exchange_u64(&set->planes[slot], 0);
	r->xid = GetTopTransactionId();
	retired = lappend(retired, r);
	MemoryContextSwitchTo(old);
}

/* Have all kinds of subjects a dictionary, is there room for all persons, and are changes told of? */
static bool
fits(PzSet *set)
{
	ListCell   *lc;
	bool		fits = pg_atomic_read_u32(&set->outgrown) == 0 && pz_set_is_watched();

	foreach(lc, pz_registry_kinds())
	{
		const PzKind *kind = lfirst(lc);
		PzSetKind  *here = pz_dict_find_kind(set, kind->kind_id);

		if (kind->key_type != PZ_KEY_UNSET && (here == NULL ? set->nkinds < PZ_SET_KINDS : here->key_type != kind->key_type))
			fits = false;
	}
	return fits;
}

/*
 * Follow changes of the registry: planes for purposes as they are now.  False if
 * the set must be made anew.
 */
static bool
follow_registry(PzSet *set, dsa_area *area)
{
	static TimestampTz next_try = 0;
	TimestampTz now = GetCurrentTimestamp();
	List	   *missing = NIL;
	ListCell   *lc;
	bool		usable;
	int			used = 0;
	int			i;

	StartTransactionCommand();
	usable = fits(set);
	for (i = 0; i < PZ_SET_PLANES; i++)
	{
		PzSetPlane *plane = pz_set_plane(set, area, i);

		if (plane == NULL)
			continue;
		if (pz_plane_is_current(area, plane, pz_registry_purpose(plane->purpose_id)))
			used++;
		else
			retire_plane(set, i);
	}
	foreach(lc, pz_set_purposes())
	{
		PzPurpose  *purpose = lfirst(lc);
		bool		found = false;

		for (i = 0; i < PZ_SET_PLANES && !found; i++)
		{
			PzSetPlane *plane = pz_set_plane(set, area, i);

			found = plane && plane->purpose_id == purpose->purpose_id;
		}
		if (!found)
			missing = lappend(missing, purpose);
	}
	/* more purposes than there is room for stay without */
	if (usable && missing != NIL && used < PZ_SET_PLANES && now >= next_try &&
		!pz_set_load_planes(my_database, set, area, missing))
	{
		next_try = TimestampTzPlusMilliseconds(now, RETRY_MS);
		ereport(LOG,
				(errmsg("personalize has no memory for all purposes of database %u in the consent set", MyDatabaseId),
				 errhint("See personalize.consent_memory; for the others consent is read from the ledger.")));
	}
	CommitTransactionCommand();
	return usable;
}

/* Work for ever. */
static void
work(void)
{
	dsa_area   *area = pz_set_area(my_database, true);
	TimestampTz next_load = 0;
	TimestampTz next_ended = 0;
	TimestampTz next_freeze = 0;

	if (area == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	/* a set that an earlier worker left is not looked after */
	pg_atomic_write_u32(&my_database->set_state, PZ_SET_NONE);
	for (;;)
	{
		TimestampTz now = GetCurrentTimestamp();
		PzSet	   *set;
		long		ms = BUSY_MS;

		leave_if_gone();
		if (pg_atomic_read_u32(&my_database->set_state) == PZ_SET_NONE || pz_consent_memory == 0)
		{
			pg_atomic_write_u32(&my_database->set_state, PZ_SET_NONE);
			if (free_set(area))
			{
				if (pz_consent_memory == 0)
					proc_exit(0);
				if (now < next_load)
					ms = IDLE_MS;
				else if (!pz_set_load(my_database, area))
					next_load = TimestampTzPlusMilliseconds(now, START_MS);
			}
			pz_worker_nap(ms);
			continue;
		}
		set = dsa_get_address(area, (dsa_pointer) pg_atomic_read_u64(&my_database->set_root));
		free_planes(set, area);
		if (!follow_registry(set, area))
			pg_atomic_write_u32(&my_database->set_state, PZ_SET_NONE);
		else if (!pz_set_advance(my_database, set, area))
			pz_set_break(my_database, PZ_SET_NO_MEMORY);
		else if (retired == NIL && (pg_atomic_read_u64(&set->npending) > 0 || now >= next_freeze))
		{
			next_freeze = TimestampTzPlusMilliseconds(now, FREEZE_MS);
			pz_set_fold(my_database, set, area, now >= next_ended);
			if (now >= next_ended)
				next_ended = TimestampTzPlusMilliseconds(now, ENDED_MS);
		}
		else if (retired == NIL)
			ms = IDLE_MS;
		pz_worker_nap(ms);
	}
}

/*
 * Main function of a consent worker; the argument is the OID of the database.
 */
void
pz_consent_worker_main(Datum arg)
{
	Oid			dbid = DatumGetObjectId(arg);

	pqsignal(SIGTERM, die);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
	my_database = pz_worker_join(dbid, offsetof(PzDatabase, set_pid), offsetof(PzDatabase, set_latch), worker_exit);
	if (my_database == NULL)
		proc_exit(0);
	BackgroundWorkerInitializeConnectionByOid(dbid, InvalidOid, 0);
	pz_worker_settings();
	/* who drops or alters the ledger is not to be found guilty of a deadlock with us: we start again */
	SetConfigOption("lock_timeout", "1ms", PGC_SUSET, PGC_S_OVERRIDE);
	pgstat_report_appname("personalize consent worker");
	work();
}
