/*-------------------------------------------------------------------------
 *
 * enforce_check.c
 *	  row_ok: may the row of this subject be used by the running statement?
 *
 * row_ok finds the frame of the running statement, which holds the purpose,
 * clock and consent snapshot frozen at its start, and asks the ledger once for
 * each distinct key.  It is the one place where a subject is noted as seen,
 * unless a scan notes what it passes on (enforce_capture.c).
 *
 * Its first argument is of type plan_mark, which only the planner hook makes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/uuid.h"

#include "consent.h"
#include "enforce.h"
#include "errors.h"
#include "keys.h"
#include "shmem.h"

#define MAX_KEY_LEN		1024	/* bytes; the SQL side refuses longer keys too */

typedef struct MemoKey
{
	const char *bytes;			/* as stored in the row */
	uint32		len;
} MemoKey;

/* One distinct key of a statement */
typedef struct MemoEntry
{
	MemoKey		key;
	uint32		hash;
	char		status;
	bool		permitted;
	bool		seen;			/* already among the subjects of the use */
	int64		subject_no;
	const char *canonical;		/* text of the key; kept only without a lasting number */
} MemoEntry;

#define SH_PREFIX memo
#define SH_ELEMENT_TYPE MemoEntry
#define SH_KEY_TYPE MemoKey
#define SH_KEY key
#define SH_HASH_KEY(tb, k) hash_bytes((const unsigned char *) (k).bytes, (k).len)
#define SH_EQUAL(tb, a, b) ((a).len == (b).len && memcmp((a).bytes, (b).bytes, (b).len) == 0)
#define SH_SCOPE static inline
#define SH_STORE_HASH
#define SH_GET_HASH(tb, a) (a)->hash
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* The checks of one subject path in one statement */
struct PzCheck
{
	PzPath		path;
	bool		null_visible;	/* rows without a subject pass */
	bool		counts_rows;	/* first path of its relation: rows are counted once */
	bool		noted_at_scan;	/* the scan notes what it passes on, row_ok does not */
	PzUse	   *use;
	MemoryContext mcxt;
	memo_hash  *memo;			/* made at the first key */
	MemoEntry  *last;			/* entry of the last key; NULL after the table grew */
};

/* The bytes of a key, wherever the datum keeps them */
typedef struct KeyBytes
{
	MemoKey		key;
	int64		number;			/* room for a number */
} KeyBytes;

/*
 * Make the check of a path in mcxt, which lives as long as the statement.
 */
PzCheck *
pz_check_create(MemoryContext mcxt, const PzPath *path, bool null_visible,
				PzUse *use, bool counts_rows)
{
	PzCheck    *check = MemoryContextAllocZero(mcxt, sizeof(PzCheck));

	check->path = *path;
	check->null_visible = null_visible;
	check->counts_rows = counts_rows;
	check->use = use;
	check->mcxt = mcxt;
	return check;
}

/* Number of the path that is checked. */
int32
pz_check_path(const PzCheck *check)
{
	return check->path.path_id;
}

/*
 * Say that the scans note what they pass on; then row_ok does not.
 */
void
pz_check_capture(PzCheck *check)
{
	check->noted_at_scan = true;
}

/*
 * The bytes of a key datum of the path's type.  Points into the datum, or into
 * bytes->number.  A number is widened to eight bytes whatever keytype is.
 */
static void
key_bytes(const PzCheck *check, Datum key, Oid keytype, KeyBytes *bytes)
{
	switch (check->path.key_type)
	{
		case PZ_KEY_INT:
			bytes->number = keytype == INT2OID ? DatumGetInt16(key) :
				keytype == INT4OID ? DatumGetInt32(key) : DatumGetInt64(key);
			bytes->key.bytes = (const char *) &bytes->number;
			bytes->key.len = sizeof(int64);
			break;
		case PZ_KEY_UUID:
			bytes->key.bytes = (const char *) DatumGetUUIDP(key)->data;
			bytes->key.len = UUID_LEN;
			break;
		case PZ_KEY_TEXT:
		case PZ_KEY_UNSET:
			{
				text	   *t = DatumGetTextPP(key);

				bytes->key.bytes = VARDATA_ANY(t);
				bytes->key.len = VARSIZE_ANY_EXHDR(t);
			}
			break;
	}
}

/*
 * Canonical text of a key, as it stands in personalize.subject.  A text that
 * is too long for a key is nobody's: a digest stands in for it on the record.
 */
static char *
canonical_key(const PzCheck *check, const KeyBytes *bytes)
{
	switch (check->path.key_type)
	{
		case PZ_KEY_INT:
			{
				char		buf[MAXINT8LEN + 1];

				pg_lltoa(bytes->number, buf);
				return pstrdup(buf);
			}
		case PZ_KEY_UUID:
			return DatumGetCString(DirectFunctionCall1(uuid_out, PointerGetDatum(bytes->key.bytes)));
		case PZ_KEY_TEXT:
		case PZ_KEY_UNSET:
			break;
	}
	if (bytes->key.len > MAX_KEY_LEN)
	{
		uint8		digest[PZ_MAC_LEN];
		char	   *text = palloc0(sizeof("digest:") + 2 * PZ_MAC_LEN);
		int			i;

		if (!pz_keys_digest(check->path.kind_id, bytes->key.bytes, bytes->key.len, digest))
			ereport(ERROR,
					(errcode(PZ_ERR_STATE),
					 errmsg("could not compute the digest of a subject key"),
					 errhint("Check the key file named by personalize.key_file and restart the server.")));
		strcpy(text, "digest:");
		for (i = 0; i < PZ_MAC_LEN; i++)
			sprintf(text + 7 + 2 * i, "%02x", digest[i]);
		return text;
	}
	return pnstrdup(bytes->key.bytes, bytes->key.len);
}

/*
 * Make room for one more subject that may be noted, so that noting it needs no
 * memory: it may happen while a transaction aborts.
 */
static void
reserve_seen(PzCheck *check)
{
	PzUse	   *use = check->use;

	if (use->seen_reserved == use->seen_space)
	{
		uint64		space = use->seen_space ? use->seen_space * 2 : 16;

		if (use->seen == NULL)
			use->seen = MemoryContextAlloc(use->mcxt, space * sizeof(PzSeen));
		else
			use->seen = repalloc_huge(use->seen, space * sizeof(PzSeen));
		use->seen_space = space;
	}
	use->seen_reserved++;
}

/* Add a subject to those the use has seen.  Does not raise or allocate. */
static void
note_subject(PzCheck *check, MemoEntry *entry)
{
	PzUse	   *use = check->use;
	PzSeen	   *s;

	Assert(use->nseen < use->seen_reserved);
	s = &use->seen[use->nseen];
	s->subject_no = entry->subject_no;
	s->kind_id = check->path.kind_id;
	s->key = entry->canonical;
	use->nseen++;
	entry->seen = true;
}

/*
 * The memo entry of a key: asks the ledger when it is met for the first time.
 */
static MemoEntry *
look_up(PzCheck *check, PzRunning *running, const KeyBytes *bytes)
{
	MemoEntry  *entry;
	MemoryContext old;
	PzDecision	decision;
	char	   *canonical;
	char	   *copy;
	MemoKey		stored;
	bool		found;

	if (check->last && check->last->key.len == bytes->key.len &&
		memcmp(check->last->key.bytes, bytes->key.bytes, bytes->key.len) == 0)
		return check->last;
	if (check->memo == NULL)
		check->memo = memo_create(check->mcxt, 16, NULL);
	entry = memo_lookup(check->memo, bytes->key);
	if (entry)
		return check->last = entry;

	old = MemoryContextSwitchTo(running->scratch);
	canonical = canonical_key(check, bytes);
	pz_consent_decide(running->snapshot, running->clock, DT_NOEND,
					  check->path.kind_id, canonical, strlen(canonical),
					  running->purpose, false, &decision);
	MemoryContextSwitchTo(old);

	if (decision.permitted)
		reserve_seen(check);
	copy = MemoryContextAlloc(check->mcxt, Max(bytes->key.len, 1));
	memcpy(copy, bytes->key.bytes, bytes->key.len);
	stored.bytes = copy;
	stored.len = bytes->key.len;
	entry = memo_insert(check->memo, stored, &found);
	entry->permitted = decision.permitted;
	entry->subject_no = decision.subject_no;
	entry->seen = false;
	entry->canonical = NULL;
	if (entry->permitted && (entry->subject_no == 0 || decision.own_subject))
		entry->canonical = MemoryContextStrdup(check->mcxt, canonical);
	if (entry->permitted && !check->noted_at_scan)
		note_subject(check, entry);
	MemoryContextReset(running->scratch);
	return check->last = entry;
}

/*
 * Note the subject of a row that a scan passes on.
 */
void
pz_check_passed(PzCheck *check, Datum key, bool isnull, Oid keytype)
{
	PzRunning  *running = pz_frame_running();
	KeyBytes	bytes;
	MemoEntry  *entry;

	if (isnull || running == NULL)
		return;
	key_bytes(check, key, keytype, &bytes);
	entry = look_up(check, running, &bytes);
	if (!entry->seen)
		note_subject(check, entry);
}

/*
 * Note every subject that the check has let through.  Does not raise or
 * allocate.
 */
void
pz_check_note_all(PzCheck *check)
{
	memo_iterator iter;
	MemoEntry  *entry;

	if (check->memo == NULL)
		return;
	memo_start_iterate(check->memo, &iter);
	while ((entry = memo_iterate(check->memo, &iter)) != NULL)
		if (entry->permitted && !entry->seen)
			note_subject(check, entry);
}

/* What row_ok keeps from one row to the next */
typedef struct RowOkState
{
	uint64		serial;			/* of the frame the check belongs to */
	PzCheck    *check;
} RowOkState;

/*
 * The check that this call of row_ok means in the running statement.
 * ERROR 42501 for a call that the planner hook did not place, 55000 where
 * nothing has been frozen for the statement.
 */
static PzCheck *
find_check(FunctionCallInfo fcinfo, PzRunning *running)
{
	RowOkState *state = fcinfo->flinfo->fn_extra;
	int32		path_id;
	int			i;

	if (state && state->serial == running->serial)
		return state->check;
	path_id = (int32) DatumGetInt64(PG_GETARG_DATUM(0));
	for (i = 0; i < running->nchecks; i++)
	{
		if (pz_check_path(running->checks[i]) == path_id)
		{
			if (state == NULL)
				state = fcinfo->flinfo->fn_extra = MemoryContextAlloc(fcinfo->flinfo->fn_mcxt, sizeof(RowOkState));
			state->serial = running->serial;
			state->check = running->checks[i];
			return state->check;
		}
	}
	ereport(ERROR,
			(errcode(PZ_ERR_STATE),
			 errmsg("the row filter was called outside the statement it was made for"),
			 errhint("Run the statement again; if it happens again, report how it was sent.")));
	return NULL;
}

/* A call that the planner hook did not place: ERROR 42501. */
static void
refuse_direct_call(void)
{
	ereport(ERROR,
			(errcode(PZ_ERR_REFUSED),
			 errmsg("functions of the row filter cannot be called directly"),
			 errhint("Ask personalize.permitted() or personalize.decide(), which need the duty 'app'.")));
}

/*
 * The body of row_ok.  Promises true only for a row whose subject's data may
 * be used for the purpose frozen with the running statement.
 */
static bool
row_ok(FunctionCallInfo fcinfo)
{
	PzRunning  *running;
	PzCheck    *check;
	KeyBytes	bytes;
	bool		permitted;

	pz_require_preloaded();
	if (PG_ARGISNULL(0))
		refuse_direct_call();
	running = pz_frame_running();
	if (running == NULL)
		ereport(ERROR,
				(errcode(PZ_ERR_STATE),
				 errmsg("the row filter was called outside the statement it was made for"),
				 errhint("Run the statement again; if it happens again, report how it was sent.")));
	check = find_check(fcinfo, running);
	if (PG_ARGISNULL(1))
		permitted = check->null_visible || running->purpose->builtin;
	else
	{
		key_bytes(check, PG_GETARG_DATUM(1), INT8OID, &bytes);
		permitted = look_up(check, running, &bytes)->permitted;
	}
	if (!permitted)
		check->use->rows_withheld++;
	else if (check->counts_rows)
		check->use->rows_used++;
	return permitted;
}

/* row_ok(mark, subject): see above. */
PG_FUNCTION_INFO_V1(personalize_row_ok);
Datum
personalize_row_ok(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(row_ok(fcinfo));
}

/*
 * policy_ok and net_ok stand in the policies that protect() made.  The planner
 * hook replaces every call; one that is still there got past it.
 */
PG_FUNCTION_INFO_V1(personalize_policy_ok);
Datum
personalize_policy_ok(PG_FUNCTION_ARGS)
{
	pz_require_preloaded();
	refuse_direct_call();
	PG_RETURN_BOOL(false);
}

/*
 * keep_subject(mark, old, new): the new value of a subject column.  Whoever is
 * not a privacy officer may not change whom a row is about: ERROR 42501.
 */
PG_FUNCTION_INFO_V1(personalize_keep_subject);
Datum
personalize_keep_subject(PG_FUNCTION_ARGS)
{
	bool		same;

	pz_require_preloaded();
	if (PG_ARGISNULL(0))
		refuse_direct_call();
	if (PG_ARGISNULL(1) || PG_ARGISNULL(2))
		same = PG_ARGISNULL(1) && PG_ARGISNULL(2);
	else
	{
		Oid			type = getBaseType(get_fn_expr_argtype(fcinfo->flinfo, 1));
		int16		typlen;
		bool		typbyval;

		get_typlenbyval(type, &typlen, &typbyval);
		same = datum_image_eq(PG_GETARG_DATUM(1), PG_GETARG_DATUM(2), typbyval, typlen);
	}
	if (!same && !pz_registry_has_duty(GetOuterUserId(), "officer"))
		ereport(ERROR,
				(errcode(PZ_ERR_REFUSED),
				 errmsg("cannot change the subject of a row of a protected relation"),
				 errhint("Whom a row is about may only be changed with the duty 'officer'; "
						 "insert a new row for the other person instead.")));
	if (PG_ARGISNULL(2))
		PG_RETURN_NULL();
	PG_RETURN_DATUM(PG_GETARG_DATUM(2));
}

/*
 * plan_mark cannot be written in SQL: ERROR 42501.
 */
PG_FUNCTION_INFO_V1(personalize_plan_mark_in);
Datum
personalize_plan_mark_in(PG_FUNCTION_ARGS)
{
	ereport(ERROR,
			(errcode(PZ_ERR_REFUSED),
			 errmsg("cannot accept a value of type %s", "personalize.plan_mark"),
			 errhint("Only the row filter itself makes values of this type.")));
	PG_RETURN_NULL();
}

/*
 * A plan_mark as EXPLAIN shows it: the protected relation it stands for.
 */
PG_FUNCTION_INFO_V1(personalize_plan_mark_out);
Datum
personalize_plan_mark_out(PG_FUNCTION_ARGS)
{
	PzPath		path;
	const PzRelation *rel = NULL;

	if (pz_preloaded && pz_registry_path((int32) PG_GETARG_INT64(0), &path))
		rel = pz_registry_relation(path.relid);
	PG_RETURN_CSTRING(pstrdup(rel ? rel->name : "?"));
}
