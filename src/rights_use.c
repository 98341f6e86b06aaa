/*-------------------------------------------------------------------------
 *
 * rights_use.c
 *	  Uses of what the extension keeps of people itself: outcomes, exposures,
 *	  what was inferred.
 *
 * These tables are read by functions of the extension only, past the row filter,
 * which knows protected relations.  So the functions say themselves whom they use,
 * before they read.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "audit.h"
#include "enforce_frame.h"
#include "errors.h"
#include "registry.h"
#include "shmem.h"

/*
 * may_use_internal(purpose_id): may whoever asks use data for a purpose?
 */
PG_FUNCTION_INFO_V1(personalize_may_use);
Datum
personalize_may_use(PG_FUNCTION_ARGS)
{
	bool		may_copy;

	pz_require_preloaded();
	PG_RETURN_BOOL(pz_registry_granted(PG_GETARG_INT32(0), GetOuterUserId(), &may_copy));
}

/*
 * note_use_internal(relation, columns, purpose_id, numbers): puts on record that
 * whoever asks uses what a table of ours has of the persons with these numbers.
 * ERROR (55000) if it cannot be recorded.
 */
PG_FUNCTION_INFO_V1(personalize_note_use);
Datum
personalize_note_use(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	char	   *relname = get_rel_name(relid);
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(3);
	const PzPurpose *purpose;
	PzUse	   *use = palloc0(sizeof(PzUse));
	Datum	   *elements;
	int			n;
	int			i;

	pz_require_preloaded();
	purpose = pz_registry_purpose(PG_GETARG_INT32(2));
	if (purpose == NULL)
		elog(ERROR, "purpose %d does not exist", PG_GETARG_INT32(2));	/* cannot happen: looked up */
	if (relname == NULL)
		elog(ERROR, "relation %u does not exist", relid);	/* cannot happen: it is one of ours */
	deconstruct_array(array, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &elements, NULL, &n);
	if (n == 0)
		PG_RETURN_VOID();
	use->mcxt = CurrentMemoryContext;
	use->started_at = GetCurrentTimestamp();
	pz_frame_fill_who(use);
	use->purpose_id = purpose->purpose_id;
	use->purpose_name = pstrdup(purpose->name);
	use->legal_basis = pstrdup(purpose->basis_name);
	use->relid = relid;
	use->relation_name = pz_registry_quote(get_namespace_name(get_rel_namespace(relid)), relname);
	use->columns = text_to_cstring(PG_GETARG_TEXT_PP(1));
	use->precision = PZ_SUPERSET;
	use->rows_used = n;
	use->seen = MemoryContextAllocHuge(CurrentMemoryContext, Max(n, 1) * sizeof(PzSeen));
	for (i = 0; i < n; i++)
	{
		use->seen[i].subject_no = DatumGetInt64(elements[i]);
		use->seen[i].kind_id = 0;
		use->seen[i].key = NULL;
	}
	use->seen_reserved = use->seen_space = n;
	pz_audit_begin(use);
	use->nseen = n;
	pz_audit_end(use, PZ_USE_ENDED);
	PG_RETURN_VOID();
}
