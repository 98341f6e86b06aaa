/*-------------------------------------------------------------------------
 *
 * consent_set_sql.c
 *	  The consent set as SQL functions see it: what it is like, and whether it
 *	  says what the ledger says.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "consent_columns.h"
#include "consent_set.h"
#include "guc.h"

/*
 * consent_set_internal(): state, bytes, marks, purposes and horizon of the set of
 * this database, and its worker.
 */
PG_FUNCTION_INFO_V1(personalize_consent_set);
Datum
personalize_consent_set(PG_FUNCTION_ARGS)
{
	static const char *const states[] = {"none", "loading", "ready"};
	PzDatabase *db = pz_preloaded ? pz_shmem_my_database() : NULL;
	TupleDesc	desc;
	Datum		values[6];
	bool		nulls[6] = {false, true, true, true, true, true};
	uint32		state = db ? pg_atomic_read_u32(&db->set_state) : PZ_SET_NONE;
	dsa_area   *area;
	PzSet	   *set = NULL;
	Datum		purposes[PZ_SET_PLANES];
	int			n = 0;
	int			i;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");	/* cannot happen: declared so */
	values[0] = CStringGetTextDatum(pz_consent_memory == 0 ? "off" : states[state]);
	if (state != PZ_SET_NONE)
		set = pz_set_current(db, &area);
	if (set)
	{
		for (i = 0; i < PZ_SET_PLANES; i++)
		{
			PzSetPlane *plane = pz_set_plane(set, area, i);

			if (plane)
				purposes[n++] = Int32GetDatum(plane->purpose_id);
		}
		values[1] = Int64GetDatum((int64) pg_atomic_read_u64(&set->bytes));
		values[2] = Int64GetDatum((int64) pg_atomic_read_u64(&set->npending));
		values[3] = PointerGetDatum(construct_array(purposes, n, INT4OID, sizeof(int32), true, TYPALIGN_INT));
		values[4] = TimestampTzGetDatum((TimestampTz) pg_atomic_read_u64(&set->horizon));
		values[5] = Int32GetDatum((int32) db->set_pid);
		memset(nulls, false, sizeof(nulls));
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/* What is counted while the set is compared with the ledger */
typedef struct Comparison
{
	Snapshot	snapshot;
	TimestampTz clock;
	int64		asked;
	int64		answered;
	int64		wrong;
} Comparison;

/* The bytes of a key as they stand in rows, from its canonical text; false if it is none of its type. */
static bool
row_bytes(const PzSet *set, const PzKind *kind, const char *text, uint8 buf[PZ_SET_KEY_LEN], const char **bytes, uint32 *len)
{
	*bytes = text;
	*len = strlen(text);
	if (kind->key_type == PZ_KEY_TEXT)
		return true;
	*bytes = (char *) buf;
	*len = kind->key_type == PZ_KEY_INT ? sizeof(int64) : PZ_SET_KEY_LEN;
	return pz_dict_key(set, kind->key_type, text, strlen(text), buf);
}

/* Compare what is said of one person for one purpose. */
static void
compare(Comparison *c, const PzPurpose *purpose, const PzKind *kind, const char *key)
{
	PzSetView	view = {0};
	PzDecision	decision;
	PzSetAnswer answer;
	uint8		buf[PZ_SET_KEY_LEN];
	const char *bytes;
	uint32		len;
	uint32		no;
	uint64		cells;
	uint64		expected = purpose->builtin ? PG_UINT64_MAX : 0;
	uint64		listed = purpose->ncategories == 64 ? PG_UINT64_MAX : (UINT64CONST(1) << purpose->ncategories) - 1;
	int			i;
	int			j;

	c->asked++;
	pz_set_view(&view, purpose, kind->kind_id, kind->key_type, c->snapshot, c->clock);
	if (view.set == NULL || !row_bytes(view.set, kind, key, buf, &bytes, &len))
		return;
	answer = pz_set_look_up(&view, bytes, len, &no, &cells);
	if (answer == PZ_SET_ASK)
		return;
	c->answered++;
	pz_consent_decide(c->snapshot, c->clock, DT_NOEND, kind->kind_id, key, strlen(key), purpose, true, &decision);
	for (i = 0; i < decision.ncategories && !purpose->builtin; i++)
		for (j = 0; j < purpose->ncategories; j++)
			if (purpose->categories[j] == decision.categories[i])
				expected |= UINT64CONST(1) << j;
	if ((answer == PZ_SET_YES) != decision.permitted || (int64) no != decision.subject_no ||
		(answer == PZ_SET_YES && (cells & listed) != (expected & listed)))
		c->wrong++;
}

/* Is a purpose among those asked for?  NULL: all are. */
static bool
is_asked(const PzPurpose *purpose, ArrayType *purposes)
{
	int32	   *ids;
	int			i;

	if (purposes == NULL)
		return !purpose->retired;
	ids = (int32 *) ARR_DATA_PTR(purposes);
	for (i = 0; i < ArrayGetNItems(ARR_NDIM(purposes), ARR_DIMS(purposes)); i++)
		if (ids[i] == purpose->purpose_id)
			return !purpose->retired;
	return false;
}

/*
 * consent_set_check_internal(purposes): compares what the set says of every person
 * for purposes (NULL: all) with what the ledger says; a person the set does not
 * answer for was asked only.
 */
PG_FUNCTION_INFO_V1(personalize_consent_set_check);
Datum
personalize_consent_set_check(PG_FUNCTION_ARGS)
{
	Comparison	c = {0};
	TupleDesc	desc;
	Datum		values[3];
	bool		nulls[3] = {false};
	Relation	rel;
	TableScanDesc scan;
	TupleTableSlot *slot;
	MemoryContext scratch;
	MemoryContext old;
	ArrayType  *purposes = PG_ARGISNULL(0) ? NULL : PG_GETARG_ARRAYTYPE_P(0);

	if (purposes && ARR_HASNULL(purposes))
		purposes = NULL;
	pz_require_preloaded();
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");	/* cannot happen: declared so */
	scratch = AllocSetContextCreate(CurrentMemoryContext, "personalize comparison", ALLOCSET_DEFAULT_SIZES);
	rel = table_open(pz_registry_oids()->subject, AccessShareLock);
	c.snapshot = RegisterSnapshot(pz_consent_snapshot());
	c.clock = pz_clock_now();
	slot = table_slot_create(rel, NULL);
	scan = table_beginscan(rel, c.snapshot, 0, NULL);
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		const PzKind *kind = NULL;
		ListCell   *lc;
		char	   *key;

		CHECK_FOR_INTERRUPTS();
		slot_getsomeattrs(slot, SUBJECT_KEY);
		foreach(lc, pz_registry_kinds())
			if (((PzKind *) lfirst(lc))->kind_id == DatumGetInt32(slot->tts_values[SUBJECT_KIND - 1]))
				kind = lfirst(lc);
		if (kind == NULL || slot->tts_isnull[SUBJECT_KEY - 1])
			continue;
		old = MemoryContextSwitchTo(scratch);
		key = TextDatumGetCString(slot->tts_values[SUBJECT_KEY - 1]);
		foreach(lc, pz_registry_purposes())
			if (is_asked(lfirst(lc), purposes))
				compare(&c, lfirst(lc), kind, key);
		MemoryContextSwitchTo(old);
		MemoryContextReset(scratch);
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	UnregisterSnapshot(c.snapshot);
	table_close(rel, AccessShareLock);

	values[0] = Int64GetDatum(c.asked);
	values[1] = Int64GetDatum(c.answered);
	values[2] = Int64GetDatum(c.wrong);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
