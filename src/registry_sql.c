/*-------------------------------------------------------------------------
 *
 * registry_sql.c
 *	  Small functions that the SQL half of the registry calls.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_statistic.h"
#include "catalog/pg_statistic_ext_data.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "errors.h"
#include "registry.h"
#include "shmem.h"

/*
 * require_preloaded_internal(): ERROR 55000 unless the library came by
 * shared_preload_libraries and is of the version of the SQL objects.
 */
PG_FUNCTION_INFO_V1(personalize_require_preloaded);
Datum
personalize_require_preloaded(PG_FUNCTION_ARGS)
{
	pz_require_preloaded();
	pz_registry_require_match();
	PG_RETURN_VOID();
}

/*
 * outer_role_internal(): the user who asks.  SET ROLE counts, SECURITY DEFINER
 * does not.
 */
PG_FUNCTION_INFO_V1(personalize_outer_role);
Datum
personalize_outer_role(PG_FUNCTION_ARGS)
{
	PG_RETURN_OID(GetOuterUserId());
}

/*
 * invalidate_internal(relid): have every backend read the registry again, and
 * plan queries on relid and on statistics again.  0: only the registry.
 */
PG_FUNCTION_INFO_V1(personalize_invalidate);
Datum
personalize_invalidate(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	Oid			nsp = get_namespace_oid(PZ_SCHEMA, false);

	CacheInvalidateRelcacheByRelid(get_relname_relid("registry_relation", nsp));
	if (OidIsValid(relid) && SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relid)))
	{
		CacheInvalidateRelcacheByRelid(relid);
		CacheInvalidateRelcacheByRelid(StatisticRelationId);
		CacheInvalidateRelcacheByRelid(StatisticExtDataRelationId);
	}
	PG_RETURN_VOID();
}

/*
 * check_literal_internal(type, typmod, literal): ERROR unless the literal is
 * one of the type.  Calls the input function of the type and nothing else: no
 * cast, no CHECK of a domain, which may belong to anybody.  Refuses what could
 * hide a domain; the caller has refused these, too, with a better message.
 */
PG_FUNCTION_INFO_V1(personalize_check_literal);
Datum
personalize_check_literal(PG_FUNCTION_ARGS)
{
	Oid			type = PG_GETARG_OID(0);
	Oid			element = get_element_type(type);
	char		kind = get_typtype(OidIsValid(element) ? element : type);
	Oid			input;
	Oid			ioparam;

	if (kind != TYPTYPE_BASE && kind != TYPTYPE_ENUM)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("values of type %s cannot be checked", format_type_be(type)),
				 errhint("Use a base type or an enum.")));
	getTypeInputInfo(type, &input, &ioparam);
	(void) OidInputFunctionCall(input, text_to_cstring(PG_GETARG_TEXT_PP(2)), ioparam, PG_GETARG_INT32(1));
	PG_RETURN_VOID();
}

/*
 * registry_changed(): statement trigger on every registry table.  A change is on
 * disk when its commit returns, whatever synchronous_commit says.
 */
PG_FUNCTION_INFO_V1(personalize_registry_changed);
Datum
personalize_registry_changed(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" was not called by trigger manager", "registry_changed"),
				 errhint("It belongs to triggers on the tables of the registry.")));
	ForceSyncCommit();
	CacheInvalidateRelcache(((TriggerData *) fcinfo->context)->tg_relation);
	PG_RETURN_POINTER(NULL);
}
