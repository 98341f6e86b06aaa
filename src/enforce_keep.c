/*-------------------------------------------------------------------------
 *
 * enforce_keep.c
 *	  Whom a row is about is changed by nobody but a privacy officer.
 *
 * What a statement assigns to a subject column is wrapped into keep_subject()
 * by the planner hook.  A trigger that fires before the update can assign
 * another subject after that.  So wherever there are such triggers, one is put
 * before and one behind them, in the executor's own copy of the relation's
 * triggers: they are in no catalog, and nothing disables them.
 *
 * The executor makes copies of its own for partitions that it finds while it
 * runs INSERT ... ON CONFLICT DO UPDATE; that is refused where a partition has
 * such a trigger.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "executor/instrument.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/uuid.h"

#include "enforce_frame.h"
#include "enforce_path.h"
#include "errors.h"
#include "registry.h"
#include "shmem.h"

#define TRIGGER_NAME	"personalize_keep_subject"

/* Has whoever sends this statement, and all that is under way, the duty to change subjects? */
static bool
may_change(void)
{
	return pz_frame_current() ? pz_within_has_duty("officer") : pz_registry_has_duty(GetOuterUserId(), "officer");
}

/* Refuse to change whom a row is about.  ERROR 42501. */
static void
refuse_change(const char *hint)
{
	ereport(ERROR,
			(errcode(PZ_ERR_REFUSED),
			 errmsg("cannot change the subject of a row of a protected relation"),
			 errhint("%s", hint)));
}

/* Are two keys of a type the same, byte by byte? */
static bool
is_same_key(Oid type, Datum old, bool old_null, Datum new, bool new_null)
{
	int16		typlen;
	bool		typbyval;

	if (old_null || new_null)
		return old_null && new_null;
	get_typlenbyval(getBaseType(type), &typlen, &typbyval);
	return datum_image_eq(old, new, typbyval, typlen);
}

/*
 * Do two values of the column of a path lead to the same subject, though they are
 * not the same?  By a foreign key they may.
 */
static bool
leads_to_same(FunctionCallInfo fcinfo)
{
	const PzMark *mark = (const PzMark *) PG_GETARG_POINTER(0);
	PzWay	   *way = fcinfo->flinfo->fn_extra;
	PzPath		path;
	Oid			type = get_fn_expr_argtype(fcinfo->flinfo, 1);
	Datum		value;
	Datum		key;
	Datum		other;
	bool		isnull;

	if (PG_ARGISNULL(1) || PG_ARGISNULL(2) || !pz_registry_path(mark->path_id, &path) || path.via == 0 || path.ncolumns != 1)
		return false;
	if (way == NULL)
		way = fcinfo->flinfo->fn_extra = pz_way_open(fcinfo->flinfo->fn_mcxt, mark->path_id, 1, &type);
	value = PG_GETARG_DATUM(1);
	key = pz_way_key(way, &value, true, &isnull);
	if (isnull)
		return false;
	value = PG_GETARG_DATUM(2);
	other = pz_way_key(way, &value, true, &isnull);
	return !isnull && datum_image_eq(key, other, path.key_type == PZ_KEY_INT && FLOAT8PASSBYVAL,
									 path.key_type == PZ_KEY_INT ? sizeof(int64) : path.key_type == PZ_KEY_UUID ? UUID_LEN : -1);
}

/*
 * keep_subject(mark, old, new): the new value of a subject column.  Whoever is
 * not a privacy officer may not change whom a row is about: ERROR 42501; not by
 * an action of a foreign key, either, which runs as another role.  Statements that
 * serve a right may: those of them that change a subject anonymize.
 */
PG_FUNCTION_INFO_V1(personalize_keep_subject);
Datum
personalize_keep_subject(PG_FUNCTION_ARGS)
{
	pz_require_preloaded();
	if (PG_ARGISNULL(0))
		pz_call_refuse_direct();
	if (!is_same_key(get_fn_expr_argtype(fcinfo->flinfo, 1), PG_GETARG_DATUM(1), PG_ARGISNULL(1),
					 PG_GETARG_DATUM(2), PG_ARGISNULL(2)) &&
		!leads_to_same(fcinfo) &&
		!(pz_frame_current() && pz_frame_current()->adopted) && !may_change())
		refuse_change(InNoForceRLSOperation() ?
					  "A row refers to the key that is deleted or changed, by a foreign key that changes it, too. "
					  "That takes the duty 'officer'." :
					  "Whom a row is about may only be changed with the duty 'officer'; "
					  "insert a new row for the other person instead.");
	if (PG_ARGISNULL(2))
		PG_RETURN_NULL();
	PG_RETURN_DATUM(PG_GETARG_DATUM(2));
}

/* What the two triggers around those of a relation share, in the memory of the statement */
typedef struct Kept
{
	MemoryContext mcxt;			/* of the keys of one row */
	int			n;
	Datum	   *keys;			/* by path and column: as the statement has them */
	bool	   *nulls;
} Kept;

/* The relation of a trigger's row as the registry knows it; NULL if it is not protected any more. */
static const PzRelation *
relation_of(const TriggerData *data)
{
	Oid			relid = RelationGetRelid(data->tg_relation);

	return pz_registry_guards(relid) ? pz_registry_relation(relid) : NULL;
}

/* Column number i (from 0) of those of all paths of a relation; 0: there are no more. */
static AttrNumber
path_column(const PzRelation *rel, int i)
{
	int			p;

	for (p = 0; p < rel->npaths; p++)
	{
		if (i < rel->paths[p].ncolumns)
			return rel->paths[p].columns[i];
		i -= rel->paths[p].ncolumns;
	}
	return InvalidAttrNumber;
}

/*
 * The trigger before all others: remember the subjects that the statement, or
 * the action of a foreign key, gives the row.  Those were judged by
 * keep_subject().
 */
static Datum
first_trigger(PG_FUNCTION_ARGS)
{
	TriggerData *data = (TriggerData *) fcinfo->context;
	Kept	   *kept = fcinfo->flinfo->fn_extra;
	const PzRelation *rel = relation_of(data);
	MemoryContext old;
	AttrNumber	attnum;

	MemoryContextReset(kept->mcxt);
	kept->n = 0;
	old = MemoryContextSwitchTo(kept->mcxt);
	kept->keys = palloc(sizeof(Datum) * PZ_PATH_COLUMNS * (rel ? rel->npaths + 1 : 1));
	kept->nulls = palloc(sizeof(bool) * PZ_PATH_COLUMNS * (rel ? rel->npaths + 1 : 1));
	while (rel && (attnum = path_column(rel, kept->n)) != InvalidAttrNumber)
	{
		Form_pg_attribute att = TupleDescAttr(RelationGetDescr(data->tg_relation), attnum - 1);
		int			i = kept->n++;

		kept->keys[i] = slot_getattr(data->tg_newslot, attnum, &kept->nulls[i]);
		if (!kept->nulls[i])
			kept->keys[i] = datumCopy(kept->keys[i], att->attbyval, att->attlen);
	}
	MemoryContextSwitchTo(old);
	return PointerGetDatum(data->tg_newtuple);
}

/*
 * The trigger behind all others: the subjects of the row must be what they were
 * before those.  ERROR 42501 if not, unless a privacy officer sends the
 * statement; behind the action of a foreign key the trigger is its owner's, who
 * does not borrow that duty.
 */
static Datum
last_trigger(PG_FUNCTION_ARGS)
{
	TriggerData *data = (TriggerData *) fcinfo->context;
	Kept	   *kept = fcinfo->flinfo->fn_extra;
	const PzRelation *rel = relation_of(data);
	AttrNumber	attnum;
	int			i;

	for (i = 0; rel != NULL && (attnum = path_column(rel, i)) != InvalidAttrNumber; i++)
	{
		bool		isnull;
		Datum		key = slot_getattr(data->tg_newslot, attnum, &isnull);

		if (i < kept->n &&
			is_same_key(TupleDescAttr(RelationGetDescr(data->tg_relation), attnum - 1)->atttypid, kept->keys[i], kept->nulls[i], key, isnull))
			continue;
		if (InNoForceRLSOperation() || !may_change())
			refuse_change("A trigger that fires before the update has changed it, which takes the duty 'officer'.");
	}
	return PointerGetDatum(data->tg_newtuple);
}

/* Fill in one of our triggers, which is in no catalog. */
static void
fill_trigger(ResultRelInfo *info, int i, PGFunction function, Kept *kept, EState *estate)
{
	Trigger    *trigger = &info->ri_TrigDesc->triggers[i];
	FmgrInfo   *finfo = &info->ri_TrigFunctions[i];

	memset(trigger, 0, sizeof(Trigger));
	trigger->tgname = pstrdup(TRIGGER_NAME);
	trigger->tgtype = TRIGGER_TYPE_ROW | TRIGGER_TYPE_BEFORE | TRIGGER_TYPE_UPDATE;
	trigger->tgenabled = TRIGGER_FIRES_ALWAYS;
	trigger->tgisinternal = true;
	/* has to be one that exists, and is not called */
	trigger->tgfoid = F_SUPPRESS_REDUNDANT_UPDATES_TRIGGER;

	memset(finfo, 0, sizeof(FmgrInfo));
	finfo->fn_addr = function;
	finfo->fn_oid = trigger->tgfoid;
	finfo->fn_stats = TRACK_FUNC_ALL;
	finfo->fn_mcxt = estate->es_query_cxt;
	finfo->fn_extra = kept;
	info->ri_TrigWhenExprs[i] = NULL;
}

/* Put ours around the triggers of a relation that is about to be updated. */
static void
add_triggers(ResultRelInfo *info, EState *estate)
{
	TriggerDesc *desc = info->ri_TrigDesc;
	int			n = desc->numtriggers;
	MemoryContext old = MemoryContextSwitchTo(estate->es_query_cxt);
	Kept	   *kept = palloc0(sizeof(Kept));

	kept->mcxt = AllocSetContextCreate(estate->es_query_cxt, "personalize subjects of a row", ALLOCSET_SMALL_SIZES);
	desc->triggers = repalloc(desc->triggers, (n + 2) * sizeof(Trigger));
	info->ri_TrigFunctions = repalloc(info->ri_TrigFunctions, (n + 2) * sizeof(FmgrInfo));
	info->ri_TrigWhenExprs = repalloc(info->ri_TrigWhenExprs, (n + 2) * sizeof(ExprState *));
	memmove(desc->triggers + 1, desc->triggers, n * sizeof(Trigger));
	memmove(info->ri_TrigFunctions + 1, info->ri_TrigFunctions, n * sizeof(FmgrInfo));
	memmove(info->ri_TrigWhenExprs + 1, info->ri_TrigWhenExprs, n * sizeof(ExprState *));
	desc->numtriggers = n + 2;
	fill_trigger(info, 0, first_trigger, kept, estate);
	fill_trigger(info, n + 1, last_trigger, kept, estate);
	if (info->ri_TrigInstrument)
	{
		pfree(info->ri_TrigInstrument);
		info->ri_TrigInstrument = InstrAlloc(n + 2, estate->es_instrument, false);
	}
	MemoryContextSwitchTo(old);
}

/* Has a partition of a relation a trigger that fires before an update? */
static bool
has_trigger_below(Oid relid)
{
	/* no trigger can be made as long as we have this */
	List	   *children = find_all_inheritors(relid, RowExclusiveLock, NULL);
	ListCell   *lc;

	foreach(lc, children)
	{
		Relation	child = table_open(lfirst_oid(lc), NoLock);
		bool		found = child->trigdesc && child->trigdesc->trig_update_before_row;

		table_close(child, NoLock);
		if (found)
			return true;
	}
	return false;
}

/* Does a relation lead to subjects by foreign keys to another, protected one (root)? */
static bool
goes_by(Oid relid, Oid root)
{
	const PzRelation *rel = OidIsValid(relid) ? pz_registry_relation(relid) : NULL;
	int			i;

	for (i = 0; rel && i < rel->npaths; i++)
	{
		PzPath		next;

		if (rel->paths[i].via != 0 && pz_registry_path(rel->paths[i].via, &next) && next.relid == root)
			return true;
	}
	return false;
}

/*
 * A row that others go by to their subject must not be replaced by another of the same
 * key: they would be about somebody else.  A foreign key without an action allows that,
 * since it looks when all is over; so have it look row by row and at once, as RESTRICT
 * does, in the executor's own copy of the triggers.
 */
static void
restrict_references(TriggerDesc *desc, Oid root)
{
	int			i;

	for (i = 0; i < desc->numtriggers; i++)
	{
		Trigger    *trigger = &desc->triggers[i];

		if (!OidIsValid(trigger->tgconstraint) ||
			(trigger->tgfoid != F_RI_FKEY_NOACTION_DEL && trigger->tgfoid != F_RI_FKEY_NOACTION_UPD) ||
			!goes_by(trigger->tgconstrrelid, root))
			continue;
		trigger->tgfoid = trigger->tgfoid == F_RI_FKEY_NOACTION_DEL ? F_RI_FKEY_RESTRICT_DEL : F_RI_FKEY_RESTRICT_UPD;
		trigger->tgdeferrable = false;
		trigger->tginitdeferred = false;
	}
}

/*
 * A statement has been made ready: watch what its triggers do to subjects.
 * ERROR 42501 if that is not possible.
 */
void
pz_keep_start(QueryDesc *queryDesc)
{
	EState	   *estate = queryDesc->estate;
	ListCell   *lc;

	foreach(lc, estate->es_opened_result_relations)
	{
		ResultRelInfo *info = lfirst(lc);
		Oid			relid = RelationGetRelid(info->ri_RelationDesc);
		const PzRelation *rel;

		if (!pz_registry_guards(relid))
			continue;
		rel = pz_registry_relation(relid);
		if (rel == NULL || rel->observed)
			continue;
		if (info->ri_onConflict && info->ri_RelationDesc->rd_rel->relkind == RELKIND_PARTITIONED_TABLE && !may_change() &&
			has_trigger_below(relid))
			ereport(ERROR,
					(errcode(PZ_ERR_REFUSED),
					 errmsg("cannot use ON CONFLICT DO UPDATE on protected relation %s", rel->name),
					 errdetail("A trigger of a partition fires before the update and could change whom a row is about."),
					 errhint("Send INSERT and UPDATE apart, or MERGE, or have a privacy officer do it.")));
		if (info->ri_TrigDesc && !(pz_frame_current() && pz_frame_current()->adopted) && !may_change())
			restrict_references(info->ri_TrigDesc, rel->root);
		if (info->ri_TrigDesc && info->ri_TrigDesc->trig_update_before_row)
			add_triggers(info, estate);
	}
}
