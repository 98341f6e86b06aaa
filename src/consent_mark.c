/*-------------------------------------------------------------------------
 *
 * consent_mark.c
 *	  Who changes what is said of a person marks that person in the consent
 *	  set; see consent_set.c, S1.
 *
 * Row triggers on personalize.subject, consent_event and suppression, which
 * fire always, so also for COPY, restored dumps and logical replication.  A row
 * is in the table before its trigger looks whether there is a set: a set whose
 * loading begins later reads it from there.
 *
 * DDL on these tables, which can switch triggers off, breaks the set.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/pg_class.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "consent_columns.h"
#include "consent_set.h"
#include "errors.h"

/* The chunk of marks of a number, made if need be; NULL: no memory.  Under the lock of the chunk. */
static PzSetMarks *
marks_of(PzSet *set, dsa_area *area, uint32 no)
{
	pg_atomic_uint64 *directory = dsa_get_address(area, set->marks);
	pg_atomic_uint64 *slot = &directory[no / PZ_SET_MARKS];
	dsa_pointer p = (dsa_pointer) pg_atomic_read_u64(slot);

	if (!DsaPointerIsValid(p))
	{
		p = pz_set_allocate(set, area, sizeof(PzSetMarks));
		if (!DsaPointerIsValid(p))
			return NULL;
		pg_write_barrier();
		pg_atomic_write_u64(slot, (uint64) p);
	}
	return dsa_get_address(area, p);
}

/*
 * Mark a number: xid has changed what is said of the person, or
 * PZ_MARK_EXPIRES.  False if there is no memory for it.
 */
bool
pz_mark_number(PzDatabase *db, PzSet *set, dsa_area *area, uint32 no, TransactionId xid)
{
	LWLock	   *lock = pz_set_mark_lock(db, no);
	PzSetMarks *marks;
	TransactionId *mark;
	bool		done;

	/* beyond the set the ledger is asked anyway */
	if (no >> PZ_SET_CHUNK_BITS >= set->nchunks - set->nchunks / 4 && set->nchunks < PZ_SET_CHUNKS_MAX)
		pg_atomic_write_u32(&set->outgrown, 1);
	if (no >> PZ_SET_CHUNK_BITS >= set->nchunks)
		return true;
	LWLockAcquire(lock, LW_EXCLUSIVE);
	marks = marks_of(set, area, no);
	if (marks == NULL)
	{
		LWLockRelease(lock);
		return false;
	}
	mark = &marks->xid[no % PZ_SET_MARKS];
	if (*mark == PZ_MARK_NONE)
	{
		pg_atomic_fetch_add_u32(&marks->n, 1);
		pg_atomic_fetch_add_u64(&set->npending, 1);
		*mark = xid;
	}
	else if (xid == PZ_MARK_EXPIRES)
		*mark = xid;
	else if (*mark != PZ_MARK_EXPIRES && TransactionIdPrecedes(*mark, xid))
		*mark = xid;
	done = pz_set_put_bit(set, area, set->slow, no, true);
	LWLockRelease(lock);
	return done;
}

/* A column of a row, which is not to be NULL. */
static Datum
column(HeapTuple tup, TupleDesc desc, int attnum)
{
	bool		isnull;
	Datum		d = heap_getattr(tup, attnum, desc, &isnull);

	if (isnull)
		elog(ERROR, "column %d of the ledger is null", attnum); /* cannot happen: NOT NULL */
	return d;
}

/*
 * The key of a row of personalize.subject leads to no (PZ_SET_NO_ASK: nobody
 * knows).  False if there is no memory for it.
 */
bool
pz_mark_key(PzDatabase *db, PzSet *set, dsa_area *area, HeapTuple tup, TupleDesc desc, uint32 no)
{
	PzSetKind  *kind = pz_dict_find_kind(set, DatumGetInt32(column(tup, desc, SUBJECT_KIND)));
	uint8		key[PZ_SET_KEY_LEN];
	bool		isnull;
	Datum		d = heap_getattr(tup, SUBJECT_KEY, desc, &isnull);
	text	   *t;

	if (kind == NULL || isnull)
		return true;
	t = DatumGetTextPP(d);
	/* of a key that is none of its kind nobody asks */
	if (!pz_dict_key(set, kind->key_type, VARDATA_ANY(t), VARSIZE_ANY_EXHDR(t), key))
		return true;
	return pz_dict_put(db, set, area, kind, key, no);
}

/* The number of a person in a row; PZ_SET_NO_ASK if it is out of range, and so not in the set. */
uint32
pz_mark_number_of(HeapTuple tup, TupleDesc desc, int attnum)
{
	return pz_set_subject_no(DatumGetInt64(column(tup, desc, attnum)));
}

/* Mark what a changed row is about.  False if there is no memory for it. */
static bool
mark_row(PzDatabase *db, PzSet *set, dsa_area *area, TriggerData *data, HeapTuple tup, bool unsure)
{
	TupleDesc	desc = RelationGetDescr(data->tg_relation);
	TransactionId xid = GetTopTransactionId();
	bool		subject = data->tg_trigger->tgnargs > 0;
	uint32		no = pz_mark_number_of(tup, desc, subject ? SUBJECT_NO :
									   RelationGetRelid(data->tg_relation) == pz_registry_oids()->suppression ? SUPPRESSION_SUBJECT :
									   EVENT_SUBJECT);

	if (no != PZ_SET_NO_ASK && !pz_mark_number(db, set, area, no, xid))
		return false;
	return !subject || pz_mark_key(db, set, area, tup, desc, unsure ? PZ_SET_NO_ASK : no);
}

/*
 * consent_changed_internal(): trigger on the ledger; an argument says that it
 * is on personalize.subject.  What was said is on disk when its commit returns,
 * whatever synchronous_commit says: a crash must not take a no back.
 */
PG_FUNCTION_INFO_V1(personalize_consent_changed);
Datum
personalize_consent_changed(PG_FUNCTION_ARGS)
{
	TriggerData *data = (TriggerData *) fcinfo->context;
	PzDatabase *db;
	PzSet	   *set;
	dsa_area   *area;
	bool		done;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function must be called as a trigger"),
				 errhint("It is not for users.")));
	ForceSyncCommit();
	db = pz_preloaded ? pz_shmem_my_database() : NULL;
	if (db == NULL)
		return PointerGetDatum(NULL);
	pg_memory_barrier();
	if (pg_atomic_read_u32(&db->set_state) == PZ_SET_NONE)
		return PointerGetDatum(NULL);
	if (!TRIGGER_FIRED_FOR_ROW(data->tg_event))
	{
		pz_set_break(db, "a table of the ledger was truncated");
		return PointerGetDatum(NULL);
	}

	PG_TRY();
	{
		set = pz_set_current(db, &area);
		done = set != NULL;
		/* whose the keys of a changed row are, the worker says once that is over */
		if (done && !TRIGGER_FIRED_BY_INSERT(data->tg_event))
			done = mark_row(db, set, area, data, data->tg_trigtuple, true);
		if (done && TRIGGER_FIRED_BY_INSERT(data->tg_event))
			done = mark_row(db, set, area, data, data->tg_trigtuple, false);
		if (done && TRIGGER_FIRED_BY_UPDATE(data->tg_event))
			done = mark_row(db, set, area, data, data->tg_newtuple, true);
	}
	PG_CATCH();
	{
		pz_set_break(db, "there is no memory left");
		PG_RE_THROW();
	}
	PG_END_TRY();
	if (!done)
		pz_set_break(db, PZ_SET_NO_MEMORY);
	return PointerGetDatum(NULL);
}

/* The relation of a trigger that is being made, changed or dropped. */
static Oid
relation_of_trigger(Oid trigger)
{
	Relation	rel = table_open(TriggerRelationId, AccessShareLock);
	ScanKeyData skey;
	SysScanDesc scan;
	HeapTuple	tup;
	Oid			relid = InvalidOid;

	ScanKeyInit(&skey, Anum_pg_trigger_oid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(trigger));
	/* as this command has left it */
	scan = systable_beginscan(rel, TriggerOidIndexId, true, SnapshotSelf, 1, &skey);
	tup = systable_getnext(scan);
	if (HeapTupleIsValid(tup))
		relid = ((Form_pg_trigger) GETSTRUCT(tup))->tgrelid;
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return relid;
}

/*
 * Something is altered or dropped: if it is a table of the ledger or a trigger
 * on one, nobody knows who is told of changes any more.
 */
void
pz_set_object_access(ObjectAccessType access, Oid classId, Oid objectId)
{
	PzDatabase *db;
	Oid			relid = objectId;

	if ((access != OAT_POST_ALTER && access != OAT_DROP && access != OAT_POST_CREATE && access != OAT_TRUNCATE) ||
		(classId != RelationRelationId && classId != TriggerRelationId && classId != ProcedureRelationId) ||
		(access == OAT_POST_CREATE && classId == RelationRelationId))
		return;
	db = pz_preloaded ? pz_shmem_my_database() : NULL;
	if (db == NULL || pg_atomic_read_u32(&db->set_state) == PZ_SET_NONE || !pz_registry_installed())
		return;
	if (classId == TriggerRelationId)
		relid = relation_of_trigger(objectId);
	if (OidIsValid(relid) &&
		(classId == ProcedureRelationId ? relid == pz_registry_oids()->consent_changed :
		 relid == pz_registry_oids()->subject || relid == pz_registry_oids()->consent_event ||
		 relid == pz_registry_oids()->suppression))
		pz_set_break(db, "a table of the ledger was altered");
}
