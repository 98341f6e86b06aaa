/*-------------------------------------------------------------------------
 *
 * enforce_selectivity.c
 *	  Tell the planner how many rows the row check lets through.
 *
 * Without it the planner takes a third (plancat.c, function_selectivity()), and
 * joins above a protected relation are planned for the wrong number of rows.  What
 * ANALYZE keeps of the subject column, its common values and the bounds of its
 * histogram, is a sample of persons: the consent set is asked for each.
 *
 * The shape of a plan depends on the estimate, and times do, even where EXPLAIN
 * hides it (enforce_explain.c); so it must tell little of anybody: it is made for who
 * holds the purpose, needs SAMPLE_MIN persons, each counts the same however many rows
 * are theirs, and it is rounded to ROUND_TO.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_class.h"
#include "catalog/pg_statistic.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/pathnodes.h"
#include "nodes/supportnodes.h"
#include "optimizer/optimizer.h"
#include "utils/lsyscache.h"
#include "utils/selfuncs.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/uuid.h"

#include "consent_set.h"
#include "enforce.h"
#include "enforce_lineage.h"
#include "enforce_mark.h"
#include "guc.h"
#include "shmem.h"

#define SAMPLE_MIN		50		/* persons that an estimate rests on */
#define ROUND_TO		0.1
#define SHARE_UNKNOWN	0.5		/* where there is no estimate */

/* How many persons were asked for, and how many may be used */
typedef struct Sample
{
	PzSetView  *view;
	Oid			type;			/* of the values */
	int			asked;
	int			permitted;
} Sample;

/* Ask for the persons of one kind of slot of a column's statistics. */
static void
ask_slot(Sample *sample, HeapTuple stats, int kind)
{
	AttStatsSlot slot;
	int			i;

	if (!get_attstatsslot(&slot, stats, kind, InvalidOid, ATTSTATSSLOT_VALUES))
		return;
	for (i = 0; i < slot.nvalues; i++)
	{
		Datum		value = slot.values[i];
		int64		number;
		uint32		no;
		uint64		cells;
		PzSetAnswer answer;

		switch (slot.valuetype)
		{
			case INT2OID:
			case INT4OID:
			case INT8OID:
				number = pz_key_number(value, slot.valuetype);
				answer = pz_set_look_up(sample->view, (char *) &number, sizeof(number), &no, &cells);
				break;
			case UUIDOID:
				answer = pz_set_look_up(sample->view, (char *) DatumGetUUIDP(value)->data, UUID_LEN, &no, &cells);
				break;
			case TEXTOID:
			case VARCHAROID:
				answer = pz_set_look_up(sample->view, VARDATA_ANY(DatumGetTextPP(value)),
										VARSIZE_ANY_EXHDR(DatumGetTextPP(value)), &no, &cells);
				break;
			default:
				answer = PZ_SET_ASK;
				break;
		}
		if (answer == PZ_SET_ASK)
			continue;
		sample->asked++;
		if (answer == PZ_SET_YES)
			sample->permitted++;
	}
	free_attstatsslot(&slot);
}

/* Ask for the persons that a column's statistics name. */
static void
ask_statistics(Sample *sample, HeapTuple stats)
{
	ask_slot(sample, stats, STATISTIC_KIND_MCV);
	ask_slot(sample, stats, STATISTIC_KIND_HISTOGRAM);
}

/*
 * Ask for the persons that the relation at the end of a way names: rows that lead
 * there are taken to be theirs as those are.
 */
static void
ask_end_of_way(Sample *sample, const PzPath *path)
{
	PzPath		end = *path;
	HeapTuple	stats;

	while (end.via != 0)
		if (!pz_registry_path(end.via, &end))
			return;
	if (end.attnum == InvalidAttrNumber || !pz_key_is_plain(getBaseType(get_atttype(end.relid, end.attnum)), end.key_type))
		return;
	stats = SearchSysCache3(STATRELATTINH, ObjectIdGetDatum(end.relid), Int16GetDatum(end.attnum),
							BoolGetDatum(get_rel_relkind(end.relid) == RELKIND_PARTITIONED_TABLE));
	if (!HeapTupleIsValid(stats))
		return;
	ask_statistics(sample, stats);
	ReleaseSysCache(stats);
}

/*
 * The share of rows that a row check lets through, from 0 to 1.  args: its mark,
 * and the key.
 */
static double
share_of_rows(PlannerInfo *root, const PzMark *mark, Node *key, int varRelid)
{
	const PzPurpose *purpose;
	Snapshot	snapshot = ActiveSnapshotSet() ? GetActiveSnapshot() : NULL;
	VariableStatData vardata;
	PzPath		path;
	Sample		sample = {0};
	Var		   *var = pz_shape_below_casts(key);
	bool		may_copy;

	if (snapshot == NULL || !pz_registry_path(mark->path_id, &path))
		return SHARE_UNKNOWN;
	purpose = mark->purpose_id != PZ_PURPOSE_NONE ? pz_registry_purpose(mark->purpose_id) :
		pz_purpose && pz_purpose[0] ? pz_registry_purpose_by_name(pz_purpose) : NULL;
	/* who may not ask for the rows is told nothing of them */
	if (purpose == NULL || !pz_registry_granted(purpose->purpose_id, GetOuterUserId(), &may_copy))
		return SHARE_UNKNOWN;
	if (purpose->builtin)
		return 1.0;

	sample.view = palloc0(sizeof(PzSetView));
	pz_set_view(sample.view, purpose, path.kind_id, path.key_type, snapshot, pz_clock_now());
	if (sample.view->set == NULL)
		return SHARE_UNKNOWN;
	if (var)
	{
		examine_variable(root, (Node *) var, varRelid, &vardata);
		if (HeapTupleIsValid(vardata.statsTuple) && pz_key_is_plain(vardata.atttype, path.key_type))
			ask_statistics(&sample, vardata.statsTuple);
		ReleaseVariableStats(vardata);
	}
	else
		ask_end_of_way(&sample, &path);
	pfree(sample.view);
	if (sample.asked < SAMPLE_MIN)
		return SHARE_UNKNOWN;
	return rint((double) sample.permitted / sample.asked / ROUND_TO) * ROUND_TO;
}

/*
 * row_ok_support(internal) returns internal: planner support function of row_ok,
 * see nodes/supportnodes.h.
 */
PG_FUNCTION_INFO_V1(personalize_row_ok_support);
Datum
personalize_row_ok_support(PG_FUNCTION_ARGS)
{
	Node	   *raw = (Node *) PG_GETARG_POINTER(0);
	SupportRequestSelectivity *request;
	Const	   *mark;

	if (!IsA(raw, SupportRequestSelectivity))
		PG_RETURN_POINTER(NULL);
	request = (SupportRequestSelectivity *) raw;
	mark = linitial(request->args);
	if (request->is_join || list_length(request->args) != 2 || !IsA(mark, Const) || mark->constisnull ||
		mark->consttype != pz_registry_oids()->mark_type)
		PG_RETURN_POINTER(NULL);
	request->selectivity = share_of_rows(request->root, (const PzMark *) DatumGetPointer(mark->constvalue),
										 lsecond(request->args), request->varRelid);
	PG_RETURN_POINTER(request);
}
