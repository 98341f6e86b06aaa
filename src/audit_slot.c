/*-------------------------------------------------------------------------
 *
 * audit_slot.c
 *	  Replication slots that keep the WAL the audit has not read yet.
 *
 * One physical slot a database, named personalize_<oid of the database>, held
 * by its worker.  Invariant I2: restart_lsn is never beyond the position that
 * is committed in the audit's tables; so a crash at any time loses nothing.
 *
 * Locks: data.restart_lsn of our own slot is changed under the slot's
 * spinlock; the list of slots is read under ReplicationSlotControlLock.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "access/xlog_internal.h"
#include "miscadmin.h"
#include "replication/slot.h"
#include "storage/fd.h"
#include "storage/lwlock.h"
#include "storage/spin.h"

#include "audit_slot.h"
#include "audit_store.h"
#include "compat.h"

/*
 * Name of a database's slot.
 */
static void
pz_slot_name(NameData *name, Oid dbid)
{
	snprintf(NameStr(*name), NAMEDATALEN, PZ_SLOT_PREFIX "%u", dbid);
}

/*
 * Can this server have slots?  One made at wal_level minimal would keep the
 * server from starting.
 */
bool
pz_slot_possible(void)
{
	return wal_level >= WAL_LEVEL_REPLICA && max_replication_slots > 0;
}

/*
 * Is there a slot for a database?
 */
bool
pz_slot_exists(Oid dbid)
{
	NameData	name;

	pz_slot_name(&name, dbid);
	return SearchNamedReplicationSlot(NameStr(name), true) != NULL;
}

/*
 * Take the slot of this database, making it if need be; a new slot keeps WAL
 * from "from" on (if that is valid and still there, which the caller checks
 * afterwards).  False if a slot had been invalidated, so that WAL is missing.
 * Errors if no slot can be had.  Call it outside of a transaction.
 */
bool
pz_slot_acquire(XLogRecPtr from)
{
	NameData	name;
	ReplicationSlot *slot;
	bool		intact = true;

	if (MyReplicationSlot != NULL)
		return true;
	pz_slot_name(&name, MyDatabaseId);
	slot = SearchNamedReplicationSlot(NameStr(name), true);
	if (slot != NULL && pz_slot_invalid_compat(slot))
	{
		ereport(LOG,
				(errmsg("replication slot \"%s\" of personalize was invalidated, making another", NameStr(name)),
				 errhint("Records of use may be missing; see personalize.audit_gap. "
						 "Set max_slot_wal_keep_size to -1.")));
		ReplicationSlotDrop(NameStr(name), false);
		slot = NULL;
		intact = false;
	}
	if (slot != NULL)
	{
		pz_slot_acquire_compat(NameStr(name));
		if (from != InvalidXLogRecPtr && MyReplicationSlot->data.restart_lsn > from)
			ereport(LOG,
					(errmsg("replication slot \"%s\" is ahead of the audit of this database", NameStr(name)),
					 errdetail("The slot is at %X/%X, the audit at %X/%X: somebody else has moved it.",
							   LSN_FORMAT_ARGS(MyReplicationSlot->data.restart_lsn), LSN_FORMAT_ARGS(from))));
		return intact;
	}

	/* ephemeral until complete: a crash here leaves no half-made slot */
	pz_slot_create_compat(NameStr(name));
	ReplicationSlotReserveWal();
	if (from != InvalidXLogRecPtr && from < MyReplicationSlot->data.restart_lsn)
	{
		SpinLockAcquire(&MyReplicationSlot->mutex);
		MyReplicationSlot->data.restart_lsn = from;
		SpinLockRelease(&MyReplicationSlot->mutex);
		ReplicationSlotsComputeRequiredLSN();
	}
	ReplicationSlotMarkDirty();
	ReplicationSlotPersist();
	ereport(LOG,
			(errmsg("personalize has made replication slot \"%s\"", NameStr(name))));
	return intact;
}

/*
 * Let WAL before upto go, which must be a committed position, if not yet on
 * disk.  WAL is removed by whole segments, so nothing happens within one.
 */
void
pz_slot_advance(XLogRecPtr upto)
{
	XLogSegNo	new_segment;
	XLogSegNo	old_segment;

	if (MyReplicationSlot == NULL)
		return;
	XLByteToSeg(upto, new_segment, wal_segment_size);
	XLByteToSeg(MyReplicationSlot->data.restart_lsn, old_segment, wal_segment_size);
	if (new_segment <= old_segment)
		return;
	pz_store_flush();
	SpinLockAcquire(&MyReplicationSlot->mutex);
	MyReplicationSlot->data.restart_lsn = upto;
	SpinLockRelease(&MyReplicationSlot->mutex);
	ReplicationSlotMarkDirty();
	/* on disk first, then let the WAL go */
	ReplicationSlotSave();
	ReplicationSlotsComputeRequiredLSN();
}

/*
 * From where on the slot of this process keeps WAL; Invalid without a slot.
 */
XLogRecPtr
pz_slot_restart(void)
{
	return MyReplicationSlot != NULL ? MyReplicationSlot->data.restart_lsn : InvalidXLogRecPtr;
}

/*
 * Drop the slot of this database, if there is one, held or not.
 */
void
pz_slot_drop(void)
{
	NameData	name;

	if (MyReplicationSlot != NULL)
		ReplicationSlotRelease();
	pz_slot_name(&name, MyDatabaseId);
	if (SearchNamedReplicationSlot(NameStr(name), true) != NULL)
		ReplicationSlotDrop(NameStr(name), false);
}

/*
 * Drop slots of ours whose database is not in the list of OIDs.  Errors if
 * one is taken in this very moment; try again then.
 */
void
pz_slot_drop_others(const List *databases)
{
	List	   *names = NIL;
	ListCell   *lc;
	int			i;

	LWLockAcquire(ReplicationSlotControlLock, LW_SHARED);
	for (i = 0; i < max_replication_slots; i++)
	{
		ReplicationSlot *slot = &ReplicationSlotCtl->replication_slots[i];
		const char *name = NameStr(slot->data.name);
		const char *digits = name + strlen(PZ_SLOT_PREFIX);
		unsigned long dbid;
		char	   *end;

		if (!slot->in_use || slot->data.database != InvalidOid ||
			strncmp(name, PZ_SLOT_PREFIX, strlen(PZ_SLOT_PREFIX)) != 0)
			continue;
		dbid = strtoul(digits, &end, 10);
		if (*digits == '\0' || *end != '\0' || dbid == 0 ||
			list_member_oid(databases, (Oid) dbid))
			continue;
		names = lappend(names, pstrdup(name));
	}
	LWLockRelease(ReplicationSlotControlLock);

	foreach(lc, names)
	{
		const char *name = (const char *) lfirst(lc);

		ReplicationSlotDrop(name, true);
		ereport(LOG,
				(errmsg("personalize has dropped replication slot \"%s\" of a dropped database", name)));
	}
}

/*
 * The oldest segment in pg_wal.  What the server remembers of removed
 * segments is lost in a restart, so look at the directory.
 */
XLogSegNo
pz_slot_oldest_segment(void)
{
	DIR		   *dir = AllocateDir(XLOGDIR);
	struct dirent *entry;
	XLogSegNo	oldest = 0;

	while ((entry = ReadDir(dir, XLOGDIR)) != NULL)
	{
		/* not named "seg" or "log": XLogFromFileName is a macro in 15 that has such variables */
		XLogSegNo	number;
		TimeLineID	timeline;

		if (!IsXLogFileName(entry->d_name))
			continue;
		XLogFromFileName(entry->d_name, &timeline, &number, wal_segment_size);
		if (oldest == 0 || number < oldest)
			oldest = number;
	}
	FreeDir(dir);
	return oldest;
}
