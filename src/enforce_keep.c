/*-------------------------------------------------------------------------
 *
 * enforce_keep.c
 *	  Whom a row is about is changed by nobody but a privacy officer.
 *
 * What a statement assigns to a subject column is wrapped into keep_subject()
 * by the planner hook.  A trigger that fires before the update can assign
 * another subject after that.  So wherever there are such triggers, one more is
 * put behind them, in the executor's own copy of the relation's triggers: it is
 * in no catalog, and nothing disables it.
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
#include "utils/rel.h"

#include "enforce.h"
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
 * keep_subject(mark, old, new): the new value of a subject column.  Whoever is
 * not a privacy officer may not change whom a row is about: ERROR 42501; not by
 * an action of a foreign key, either, which runs as another role.
 */
PG_FUNCTION_INFO_V1(personalize_keep_subject);
Datum
personalize_keep_subject(PG_FUNCTION_ARGS)
{
	pz_require_preloaded();
	if (PG_ARGISNULL(0))
		pz_call_refuse_direct();
	if (!is_same_key(get_fn_expr_argtype(fcinfo->flinfo, 1), PG_GETARG_DATUM(1), PG_ARGISNULL(1),
					 PG_GETARG_DATUM(2), PG_ARGISNULL(2)) && !may_change())
		refuse_change(InNoForceRLSOperation() ?
					  "A row refers to the key that is deleted or changed, by a foreign key that changes it, too. "
					  "That takes the duty 'officer'." :
					  "Whom a row is about may only be changed with the duty 'officer'; "
					  "insert a new row for the other person instead.");
	if (PG_ARGISNULL(2))
		PG_RETURN_NULL();
	PG_RETURN_DATUM(PG_GETARG_DATUM(2));
}

/*
 * The trigger behind all others: the subjects of the row must be what they
 * were.  Where nobody sees a row without a subject, ON DELETE SET NULL of a
 * foreign key does no harm.  Behind any other action of a foreign key the trigger
 * is its owner's, who does not borrow the duty of whoever sent the statement.
 */
static Datum
keep_subject_trigger(PG_FUNCTION_ARGS)
{
	TriggerData *data = (TriggerData *) fcinfo->context;
	Oid			relid = RelationGetRelid(data->tg_relation);
	const PzRelation *rel = pz_registry_guards(relid) ? pz_registry_relation(relid) : NULL;
	int			i;

	for (i = 0; rel != NULL && i < rel->npaths; i++)
	{
		AttrNumber	attnum = rel->paths[i].attnum;
		bool		old_null;
		bool		new_null;
		Datum		old = slot_getattr(data->tg_trigslot, attnum, &old_null);
		Datum		new = slot_getattr(data->tg_newslot, attnum, &new_null);

		if (is_same_key(TupleDescAttr(RelationGetDescr(data->tg_relation), attnum - 1)->atttypid, old, old_null, new, new_null) ||
			(InNoForceRLSOperation() ? new_null && !rel->null_visible : may_change()))
			continue;
		refuse_change("A trigger that fires before the update has changed it, which takes the duty 'officer'.");
	}
	PG_RETURN_POINTER(data->tg_newtuple);
}

/* Put our trigger behind those of a relation that is about to be updated. */
static void
add_trigger(ResultRelInfo *info, EState *estate)
{
	TriggerDesc *desc = info->ri_TrigDesc;
	int			n = desc->numtriggers;
	MemoryContext old = MemoryContextSwitchTo(estate->es_query_cxt);
	Trigger    *trigger;
	FmgrInfo   *function;

	desc->triggers = repalloc(desc->triggers, (n + 1) * sizeof(Trigger));
	trigger = &desc->triggers[n];
	memset(trigger, 0, sizeof(Trigger));
	trigger->tgname = pstrdup(TRIGGER_NAME);
	trigger->tgtype = TRIGGER_TYPE_ROW | TRIGGER_TYPE_BEFORE | TRIGGER_TYPE_UPDATE;
	trigger->tgenabled = TRIGGER_FIRES_ALWAYS;
	trigger->tgisinternal = true;
	/* has to be one that exists, and is not called */
	trigger->tgfoid = F_SUPPRESS_REDUNDANT_UPDATES_TRIGGER;
	desc->numtriggers = n + 1;

	info->ri_TrigFunctions = repalloc(info->ri_TrigFunctions, (n + 1) * sizeof(FmgrInfo));
	function = &info->ri_TrigFunctions[n];
	memset(function, 0, sizeof(FmgrInfo));
	function->fn_addr = keep_subject_trigger;
	function->fn_oid = trigger->tgfoid;
	function->fn_strict = false;
	function->fn_stats = TRACK_FUNC_ALL;
	function->fn_mcxt = estate->es_query_cxt;

	info->ri_TrigWhenExprs = repalloc(info->ri_TrigWhenExprs, (n + 1) * sizeof(ExprState *));
	info->ri_TrigWhenExprs[n] = NULL;
	if (info->ri_TrigInstrument)
	{
		pfree(info->ri_TrigInstrument);
		info->ri_TrigInstrument = InstrAlloc(n + 1, estate->es_instrument, false);
	}
	MemoryContextSwitchTo(old);
}

/* Has a partition of a relation a trigger that fires before an update? */
static bool
has_trigger_below(Oid relid)
{
	List	   *children = find_all_inheritors(relid, AccessShareLock, NULL);
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
		if (info->ri_TrigDesc && info->ri_TrigDesc->trig_update_before_row)
			add_trigger(info, estate);
	}
}
