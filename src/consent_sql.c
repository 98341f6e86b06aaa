/*-------------------------------------------------------------------------
 *
 * consent_sql.c
 *	  The decision as SQL functions see it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "consent.h"
#include "errors.h"
#include "keys.h"
#include "registry.h"
#include "restore.h"
#include "shmem.h"
#include "standby.h"

/* The day of a time, in the session's time zone, as ISO 8601. */
static char *
day(TimestampTz at)
{
	struct pg_tm tm;
	fsec_t		fsec;
	int			tz;

	if (timestamp2tm(at, &tz, &tm, &fsec, NULL, NULL) != 0)
		return "an unknown day";
	return psprintf("%04d-%02d-%02d", tm.tm_year, tm.tm_mon, tm.tm_mday);
}

/*
 * A sentence that a support agent can read out: why the person's data may or
 * may not be used for the purpose.
 */
static char *
reason_text(const PzPurpose *purpose, const PzDecision *d)
{
	StringInfoData s;
	const PzPurpose *from = d->inherited_from ? pz_registry_purpose(d->inherited_from) : NULL;
	const char *about = from ? from->name : purpose->name;

	initStringInfo(&s);
	if (purpose->retired)
		appendStringInfo(&s, "No: purpose \"%s\" is retired.", purpose->name);
	else if (purpose->builtin)
		appendStringInfo(&s, "Yes: purpose \"%s\" does not depend on the person's choice; every use of it is on record.",
						 purpose->name);
	else if (d->state == PZ_STATE_ERASED)
		appendStringInfoString(&s, "No: the person was erased on request.");
	else if (d->state == PZ_STATE_RESTRICTED)
		appendStringInfo(&s, "No: processing of the person's data has been restricted since %s.", day(d->recorded_at));
	else if (d->suppressed)
		appendStringInfo(&s, strcmp(d->suppressed, "cap") == 0 ?
						 "No: the person has been reached as often as the frequency cap of \"%s\" allows." :
						 "No: the person is excluded from purpose \"%s\".", purpose->name);
	else if (d->permitted && d->state == PZ_STATE_GIVEN)
	{
		appendStringInfo(&s, "Yes: the person gave %sconsent to \"%s\" on %s",
						 d->is_explicit ? "explicit " : "", about, day(d->recorded_at));
		if (d->expires_at != 0)
			appendStringInfo(&s, ", until %s", day(d->expires_at));
		appendStringInfoChar(&s, '.');
	}
	else if (d->permitted && d->state == PZ_STATE_PRESUMED)
		appendStringInfo(&s, "Yes: the person said nothing, and since %s that is enough for \"%s\" by the law of where the person lives.",
						 day(d->recorded_at), about);
	else if (d->permitted)
		appendStringInfo(&s, "Yes: purpose \"%s\" rests on %s, and nothing the person said stands against it.",
						 purpose->name, purpose->basis_name);
	else
	{
		switch (d->state)
		{
			case PZ_STATE_GIVEN:
				if (d->needs_explicit)
					appendStringInfo(&s, "No: the person gave consent to \"%s\" on %s, but explicit consent is needed.",
									 about, day(d->recorded_at));
				else
					appendStringInfo(&s, "No: what the person agreed to on %s does not cover what purpose \"%s\" needs now.",
									 day(d->recorded_at), purpose->name);
				break;
			case PZ_STATE_REFUSED:
				appendStringInfo(&s, "No: the person refused \"%s\" on %s.", about, day(d->recorded_at));
				break;
			case PZ_STATE_WITHDRAWN:
				appendStringInfo(&s, "No: the person withdrew consent to \"%s\" on %s.", about, day(d->recorded_at));
				break;
			case PZ_STATE_OBJECTED:
				appendStringInfo(&s, "No: the person objected to \"%s\" on %s.", about, day(d->recorded_at));
				break;
			case PZ_STATE_EXPIRED:
				appendStringInfo(&s, "No: the person's consent to \"%s\" ran out on %s.", about, day(d->expires_at));
				break;
			default:
				appendStringInfo(&s, "No: the person has not consented to \"%s\".", purpose->name);
				break;
		}
	}
	return s.data;
}

/*
 * decision_internal(kind_id, key, purpose_id, at): the decision for one
 * subject, now (at NULL) or as it was at a time.  ERROR 42704 for a purpose
 * that does not exist.
 */
PG_FUNCTION_INFO_V1(personalize_decision);
Datum
personalize_decision(PG_FUNCTION_ARGS)
{
	TupleDesc	desc;
	Datum		values[7];
	bool		nulls[7] = {false};
	const PzPurpose *purpose;
	PzDecision	d;
	text	   *key;
	TimestampTz clock = pz_preloaded ? pz_clock_now() : 0;
	TimestampTz as_of = DT_NOEND;
	Datum	   *ids;
	bool		unknown;
	int			i;

	pz_require_preloaded();
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		PG_RETURN_NULL();
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");	/* cannot happen: declared so */
	purpose = pz_registry_purpose(PG_GETARG_INT32(2));
	if (purpose == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("purpose does not exist"),
				 errhint("See the view personalize.purposes.")));
	key = PG_GETARG_TEXT_PP(1);
	pz_standby_require_fresh(pz_standby_age());
	if (!PG_ARGISNULL(3))
		clock = as_of = PG_GETARG_TIMESTAMPTZ(3);

	pz_consent_decide(pz_consent_snapshot(), clock, as_of, PG_GETARG_INT32(0),
					  VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key), purpose, true, &d);

	/* the person may be one of those who were erased */
	unknown = PG_ARGISNULL(3) && pz_registry_erased() != PZ_ERASED_KNOWN;
	values[0] = BoolGetDatum(d.permitted && !unknown);
	values[1] = CStringGetTextDatum(pz_consent_state_name(d.state));
	values[2] = CStringGetTextDatum(unknown ? "the database was restored, and who was erased since is not known" : reason_text(purpose, &d));
	values[3] = Int64GetDatum(d.event_id);
	nulls[3] = d.event_id == 0;
	ids = palloc(sizeof(Datum) * Max(d.ncategories, 1));
	for (i = 0; i < d.ncategories; i++)
		ids[i] = Int32GetDatum(d.categories[i]);
	values[4] = PointerGetDatum(construct_array(ids, d.ncategories, INT4OID, sizeof(int32), true, TYPALIGN_INT));
	values[5] = BoolGetDatum(d.is_explicit);
	values[6] = TimestampTzGetDatum(d.expires_at);
	nulls[6] = d.expires_at == 0;
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/*
 * record_id_internal(): a random UUID (version 4, RFC 9562) for a line of the
 * ledger.  Draws strong random bytes for many at once: asking for sixteen at a
 * time costs a tenth of recording an event.
 */
PG_FUNCTION_INFO_V1(personalize_record_id);
Datum
personalize_record_id(PG_FUNCTION_ARGS)
{
	static pg_uuid_t pool[256];
	static int	left = 0;
	static int	pid = 0;		/* a forked process must not go on with the same bytes */
	pg_uuid_t  *id = palloc(sizeof(pg_uuid_t));

	if (left == 0 || pid != MyProcPid)
	{
		if (!pg_strong_random(pool, sizeof(pool)))
			ereport(ERROR,
					(errcode(ERRCODE_INTERNAL_ERROR),
					 errmsg("could not generate random values"),
					 errhint("Try again.")));
		left = lengthof(pool);
		pid = MyProcPid;
	}
	*id = pool[--left];
	memset(&pool[left], 0, sizeof(pg_uuid_t));
	id->data[6] = (id->data[6] & 0x0f) | 0x40;
	id->data[8] = (id->data[8] & 0x3f) | 0x80;
	PG_RETURN_UUID_P(id);
}

/*
 * restore_id_internal(): the number of the last restore of this cluster from a
 * backup; NULL if there was none.
 */
PG_FUNCTION_INFO_V1(personalize_restore_id);
Datum
personalize_restore_id(PG_FUNCTION_ARGS)
{
	const char *id = pz_restore_id();

	if (id == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(id));
}

/*
 * erased_unknown_internal(): why people who were erased cannot be told from
 * others; NULL if they can.
 */
PG_FUNCTION_INFO_V1(personalize_erased_unknown);
Datum
personalize_erased_unknown(PG_FUNCTION_ARGS)
{
	PzErasedKnown known = pz_registry_erased();

	if (known == PZ_ERASED_KNOWN)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(known == PZ_ERASED_RESTORED ? "restored" : "other key file"));
}

/*
 * tombstone_digest_internal(kind_id, key): keyed digest of an erased key.
 */
PG_FUNCTION_INFO_V1(personalize_tombstone_digest);
Datum
personalize_tombstone_digest(PG_FUNCTION_ARGS)
{
	text	   *key = PG_GETARG_TEXT_PP(1);
	bytea	   *digest = palloc(VARHDRSZ + PZ_MAC_LEN);

	pz_require_preloaded();
	SET_VARSIZE(digest, VARHDRSZ + PZ_MAC_LEN);
	if (!pz_keys_digest(PG_GETARG_INT32(0), VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key), (uint8 *) VARDATA(digest)))
		ereport(ERROR,
				(errcode(PZ_ERR_STATE),
				 errmsg("could not compute the digest of a subject key"),
				 errhint("Check the key file named by personalize.key_file and restart the server.")));
	PG_RETURN_BYTEA_P(digest);
}
