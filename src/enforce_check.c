/*-------------------------------------------------------------------------
 *
 * enforce_check.c
 *	  May the row of this subject be used by the running statement, and which
 *	  of its cells?
 *
 * A check belongs to one path to a subject, one purpose and one statement.  It
 * has the purpose, clock and consent snapshot frozen at the statement's start.
 * It asks the consent set (consent_set.c), and of whom that does not know, the
 * ledger, once for each distinct key.  It is the one place where a subject is
 * noted as seen, unless a scan notes what it passes on (enforce_capture.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/uuid.h"

#include "consent.h"
#include "consent_set.h"
#include "enforce.h"
#include "errors.h"
#include "keys.h"
#include "numbers.h"

#define MAX_KEY_LEN		1024	/* bytes; the SQL side refuses longer keys too */

/* One distinct key of a statement */
typedef struct MemoEntry
{
	PzMemoKey	key;
	uint32		hash;
	char		status;
	bool		permitted;
	bool		seen;			/* already among the subjects of the use; only without a lasting number */
	uint64		cells;			/* categories of the purpose (by place) whose cells are permitted */
	int64		subject_no;
	const char *canonical;		/* text of the key; kept only without a lasting number */
} MemoEntry;

#define SH_PREFIX memo
#define SH_ELEMENT_TYPE MemoEntry
#define SH_KEY_TYPE PzMemoKey
#define SH_KEY key
#define SH_HASH_KEY(tb, k) hash_bytes((const unsigned char *) (k).bytes, (k).len)
#define SH_EQUAL(tb, a, b) ((a).len == (b).len && memcmp((a).bytes, (b).bytes, (b).len) == 0)
#define SH_SCOPE static inline
#define SH_STORE_HASH
#define SH_GET_HASH(tb, a) (a)->hash
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* The checks of one subject path for one purpose in one statement */
struct PzCheck
{
	PzCheckSpec spec;
	PzPath		path;			/* spec.path, copied */
	bool		noted_at_scan;	/* the scan notes what it passes on, row_ok does not */
	MemoryContext mcxt;
	PzSetView	view;			/* the consent set, if it can be used */
	PzNumbers	numbers;		/* who passed, by lasting numbers */
	uint32		last_no;		/* of the row that was checked last; 0: ask for its key */
	memo_hash  *memo;			/* of those that the ledger was asked for; made at the first key */
	MemoEntry  *last;			/* entry of the last key; NULL after the table grew */
};

/* The bytes of a key, wherever the datum keeps them */
typedef struct KeyBytes
{
	PzMemoKey	key;
	int64		number;			/* room for a number */
} KeyBytes;

/*
 * Make the check of a path in mcxt, which lives as long as the statement.
 */
PzCheck *
pz_check_create(MemoryContext mcxt, const PzCheckSpec *spec)
{
	PzCheck    *check = MemoryContextAllocZero(mcxt, sizeof(PzCheck));

	Assert(spec->purpose != NULL || spec->observed);
	check->spec = *spec;
	check->path = *spec->path;
	check->spec.path = &check->path;
	check->mcxt = mcxt;
	return check;
}

/*
 * Look whether the consent set can serve the check.  Call once the statement has
 * its snapshot and clock.
 */
void
pz_check_open(PzCheck *check, const PzRunning *running)
{
	check->view.mcxt = check->mcxt;
	if (check->spec.purpose && !check->spec.observed)
		pz_set_view(&check->view, check->spec.purpose, check->path.kind_id, check->path.key_type,
					running->snapshot, running->clock);
}

/*
 * The check of a path for a purpose, as in the marks, in a running statement; NULL:
 * none.
 */
PzCheck *
pz_check_find(const PzRunning *running, int32 path_id, int32 bound_purpose)
{
	int			i;

	for (i = 0; i < running->nchecks; i++)
		if (running->checks[i]->path.path_id == path_id && running->checks[i]->spec.bound_purpose == bound_purpose)
			return running->checks[i];
	return NULL;
}

/* The path that is checked. */
const PzPath *
pz_check_path(const PzCheck *check)
{
	return &check->path;
}

/* Does the consent set serve the check? */
bool
pz_check_has_set(const PzCheck *check)
{
	return check->view.set != NULL;
}

/* The purpose in the marks of the checks. */
int32
pz_check_bound_purpose(const PzCheck *check)
{
	return check->spec.bound_purpose;
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
			bytes->number = pz_key_number(key, keytype);
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
 * memory: it may happen while a transaction aborts.  Who passes is entered after,
 * and counted in seen_reserved.
 */
static inline void
make_room(PzCheck *check)
{
	PzUse	   *use = check->spec.use;
	uint64		space;

	if (use->seen_reserved < use->seen_space)
		return;
	space = use->seen_space ? use->seen_space * 2 : 16;
	if (use->seen == NULL)
		use->seen = MemoryContextAlloc(use->mcxt, space * sizeof(PzSeen));
	else
		use->seen = repalloc_huge(use->seen, space * sizeof(PzSeen));
	use->seen_space = space;
}

/* Add a subject to those the use has seen.  Does not raise or allocate. */
static void
note_subject(PzCheck *check, int64 subject_no, const char *key)
{
	PzUse	   *use = check->spec.use;
	PzSeen	   *s;

	Assert(use->nseen < use->seen_reserved);
	s = &use->seen[use->nseen];
	s->subject_no = subject_no;
	s->kind_id = check->path.kind_id;
	s->key = key;
	use->nseen++;
}

/* The same for a number; for pz_numbers_see_all. */
static void
note_number(void *check, uint32 no)
{
	note_subject(check, no, NULL);
}

/* A person with a lasting number gets through. */
static inline void
pass_number(PzCheck *check, uint32 no)
{
	PzNumbers  *numbers = &check->numbers;
	PzUse	   *use = check->spec.use;

	if (numbers->bits)
	{
		(void) pz_numbers_pass(numbers, check->mcxt, no);
		return;
	}
	make_room(check);
	if (pz_numbers_pass(numbers, check->mcxt, no))
		use->seen_reserved++;
	if (numbers->bits)
	{
		numbers->next = use->numbers;
		use->numbers = numbers;
	}
}

/* A person with a lasting number is used.  Does not raise or allocate. */
static inline void
see_number(PzCheck *check, uint32 no)
{
	if (pz_numbers_see(&check->numbers, no) && !check->numbers.bits)
		note_subject(check, no, NULL);
}

/* Is a person known by a number that lasts, and that fits?  canonical as in MemoEntry. */
static inline bool
is_lasting(int64 subject_no, const char *canonical)
{
	return canonical == NULL && subject_no > 0 && subject_no <= (int64) PG_UINT32_MAX;
}

/* Somebody the ledger was asked for is used.  Does not raise or allocate. */
static void
see_entry(PzCheck *check, MemoEntry *entry)
{
	if (is_lasting(entry->subject_no, entry->canonical))
		see_number(check, (uint32) entry->subject_no);
	else if (!entry->seen)
	{
		note_subject(check, entry->subject_no, entry->canonical);
		entry->seen = true;
	}
}

/* Does a person's row get through the check? */
static bool
passes(const PzCheck *check, const MemoEntry *entry)
{
	return entry->permitted || check->spec.observed;
}

/* Place of a category in a purpose's list, -1 if it does not list it. */
static int
place_of_category(const PzPurpose *purpose, int32 category_id)
{
	int			i;

	for (i = 0; i < purpose->ncategories; i++)
		if (purpose->categories[i] == category_id)
			return i;
	return -1;
}

/*
 * The plan shows cells that it would have to mask.  ERROR 40001 if it was made
 * before somebody treated their category apart: the next one masks them.
 * ERROR 55000 if nobody is known to have.
 */
static void
refuse_unmasked(const PzPurpose *purpose, uint64 unmasked)
{
	const PzCategory *category = NULL;
	int			i;

	for (i = 0; i < purpose->ncategories && category == NULL; i++)
		if (unmasked & (UINT64CONST(1) << i))
			category = pz_registry_category(purpose->categories[i]);
	if (category && (category->partial || category->special))
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("consent by category changed while the statement was made ready"),
				 errhint("Run the transaction again.")));
	ereport(ERROR,
			(errcode(PZ_ERR_STATE),
			 errmsg("the ledger tells category \"%s\" from others, but its cells are not masked", category ? category->name : "?"),
			 errhint("A choice was recorded by other ways than the functions of this extension. "
					 "Ask a privacy officer to call personalize.define_category() for the category again.")));
}

/*
 * Cells of which categories the person permits, as bits by their place in the
 * purpose's list.  ERROR where the plan shows others.
 */
static uint64
permitted_cells(const PzCheck *check, const PzDecision *decision)
{
	const PzPurpose *purpose = check->spec.purpose;
	uint64		cells = 0;
	int			i;

	if (purpose->builtin)
		return PG_UINT64_MAX;
	for (i = 0; i < decision->ncategories; i++)
	{
		int			place = place_of_category(purpose, decision->categories[i]);

		if (place >= 0)
			cells |= UINT64CONST(1) << place;
	}
	if (decision->permitted && !check->spec.observed && (check->spec.bare & ~cells) != 0)
		refuse_unmasked(purpose, check->spec.bare & ~cells);
	return cells;
}

/*
 * Ask the consent set for a key.  PZ_SET_ASK: the ledger must be asked.  *cells as
 * in MemoEntry.
 */
static inline PzSetAnswer
ask_set(PzCheck *check, const KeyBytes *bytes, uint32 *no, uint64 *cells)
{
	PzSetAnswer answer;

	if (check->view.set == NULL)
		return PZ_SET_ASK;
	answer = pz_set_look_up(&check->view, bytes->key.bytes, bytes->key.len, no, cells);
	/* the ledger says what is wrong */
	if (answer == PZ_SET_YES && (check->spec.bare & ~*cells) != 0)
		return PZ_SET_ASK;
	return answer;
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
	char	   *canonical = NULL;
	char	   *copy;
	PzMemoKey	stored;
	char	   *kept = NULL;
	uint64		cells = 0;
	uint32		no;
	bool		passing;
	bool		found;

	if (check->last && check->last->key.len == bytes->key.len &&
		memcmp(check->last->key.bytes, bytes->key.bytes, bytes->key.len) == 0)
		return check->last;
	if (check->memo == NULL)
		check->memo = memo_create(check->mcxt, 16, NULL);
	entry = memo_lookup(check->memo, bytes->key);
	if (entry)
		return check->last = entry;

	memset(&decision, 0, sizeof(decision));
	switch (ask_set(check, bytes, &no, &cells))
	{
		case PZ_SET_YES:
			decision.permitted = true;
			decision.subject_no = no;
			break;
		case PZ_SET_NO:
			break;
		case PZ_SET_ASK:
			old = MemoryContextSwitchTo(running->scratch);
			canonical = canonical_key(check, bytes);
			if (check->spec.purpose)
			{
				pz_consent_decide(running->snapshot, running->clock, DT_NOEND,
								  check->path.kind_id, canonical, strlen(canonical),
								  check->spec.purpose, true, &decision);
				cells = permitted_cells(check, &decision);
			}
			MemoryContextSwitchTo(old);
			break;
	}

	/* all that needs memory first: who is noted later must have room */
	passing = decision.permitted || check->spec.observed;
	if (canonical && passing && (decision.subject_no == 0 || decision.own_subject))
		kept = MemoryContextStrdup(check->mcxt, canonical);
	if (passing && is_lasting(decision.subject_no, kept))
		pass_number(check, (uint32) decision.subject_no);
	else if (passing)
		make_room(check);
	copy = MemoryContextAlloc(check->mcxt, Max(bytes->key.len, 1));
	memcpy(copy, bytes->key.bytes, bytes->key.len);
	stored.bytes = copy;
	stored.len = bytes->key.len;
	entry = memo_insert(check->memo, stored, &found);
	entry->permitted = decision.permitted;
	entry->cells = cells;
	entry->subject_no = decision.subject_no;
	entry->seen = false;
	entry->canonical = kept;
	if (passing && !is_lasting(decision.subject_no, kept))
		check->spec.use->seen_reserved++;
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
	uint32		no;
	uint64		cells;

	if (isnull || running == NULL)
		return;
	key_bytes(check, key, keytype, &bytes);
	switch (ask_set(check, &bytes, &no, &cells))
	{
		case PZ_SET_YES:
			pass_number(check, no);
			see_number(check, no);
			return;
		case PZ_SET_NO:
			return;
		case PZ_SET_ASK:
			break;
	}
	entry = look_up(check, running, &bytes);
	if (passes(check, entry))
		see_entry(check, entry);
}

/*
 * The row that was checked last is passed on by its scan.  key as in
 * pz_check_passed.
 */
void
pz_check_passed_last(PzCheck *check, Datum key, bool isnull, Oid keytype)
{
	if (check->last_no == 0)
		pz_check_passed(check, key, isnull, keytype);
	else if (!pz_numbers_has_seen(&check->numbers, check->last_no))
		see_number(check, check->last_no);
}

/*
 * Where the check keeps the key of a row; false if its subject does not pass.
 */
bool
pz_check_find_key(PzCheck *check, PzRunning *running, Datum key, PzMemoKey *found)
{
	KeyBytes	bytes;
	MemoEntry  *entry;

	key_bytes(check, key, INT8OID, &bytes);
	entry = look_up(check, running, &bytes);
	*found = entry->key;
	return passes(check, entry);
}

/*
 * Note the subject of a key that the check keeps.
 */
void
pz_check_note_key(PzCheck *check, const PzMemoKey *key)
{
	MemoEntry  *entry = memo_lookup(check->memo, *key);

	if (entry && passes(check, entry))
		see_entry(check, entry);
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

	pz_numbers_see_all(&check->numbers, note_number, check);
	if (check->memo == NULL)
		return;
	memo_start_iterate(check->memo, &iter);
	while ((entry = memo_iterate(check->memo, &iter)) != NULL)
		if (passes(check, entry))
			see_entry(check, entry);
}

/* The use has more people on record than it used. */
void
pz_check_widen(PzCheck *check)
{
	check->spec.use->precision = PZ_SUPERSET;
}

/*
 * Note every subject that the check has let through, and from now on each at
 * once.  Does not raise or allocate.
 */
void
pz_check_note_rows(PzCheck *check)
{
	if (!check->noted_at_scan)
		return;
	pz_check_note_all(check);
	check->noted_at_scan = false;
}

/* May a row without a subject be used? */
static bool
null_passes(const PzCheck *check)
{
	return check->spec.null_visible || check->spec.purpose == NULL || check->spec.purpose->builtin;
}

/*
 * Can the check be asked for all rows of a page at once?
 */
bool
pz_check_asks_pages(const PzCheck *check)
{
	return check->view.set != NULL && (check->spec.bare & ~check->view.shared) == 0;
}

/*
 * Ask for all rows of a page, as pz_set_look_up_rows.  Nothing is counted or noted.
 */
int
pz_check_ask_page(PzCheck *check, const PzRowKeys *keys, int n, uint16 *rows, uint32 *nos)
{
	return pz_set_look_up_rows(&check->view, keys, n, rows, nos);
}

/* Whom the check has let through by lasting numbers; for scans that ask for each row. */
const PzNumbers *
pz_check_numbers(const PzCheck *check)
{
	return &check->numbers;
}

/* The use of the check; for scans that ask for pages and count their rows. */
PzUse *
pz_check_use(const PzCheck *check)
{
	return check->spec.use;
}

/* Do the rows that pass this check count as used? */
bool
pz_check_counts_rows(const PzCheck *check)
{
	return check->spec.counts_rows;
}

/*
 * The person with a number passes, as the page said.  notes as in pz_check_row.
 */
void
pz_check_passes_number(PzCheck *check, uint32 no, bool notes)
{
	pass_number(check, no);
	if (notes && !check->noted_at_scan)
		see_number(check, no);
}

/* The person with a number, who passed, is used.  Does not raise or allocate. */
void
pz_check_see_number(PzCheck *check, uint32 no)
{
	see_number(check, no);
}

/*
 * Check a row by its subject's key, which is of keytype.  Promises true
 * only if its data may be used for the purpose frozen with the running
 * statement; or if the relation is only observed.  Counts the row, and notes
 * its subject unless that is left to others.
 */
bool
pz_check_row(PzCheck *check, PzRunning *running, Datum key, bool isnull, Oid keytype, bool notes)
{
	KeyBytes	bytes;
	MemoEntry  *entry;
	bool		permitted;
	uint32		no;
	uint64		cells;

	notes = notes && !check->noted_at_scan;
	check->last_no = 0;
	if (isnull)
		permitted = null_passes(check);
	else
	{
		key_bytes(check, key, keytype, &bytes);
		switch (ask_set(check, &bytes, &no, &cells))
		{
			case PZ_SET_YES:
				permitted = true;
				check->last_no = no;
				if (pz_numbers_has_seen(&check->numbers, no))
					break;
				pass_number(check, no);
				if (notes)
					see_number(check, no);
				break;
			case PZ_SET_NO:
				permitted = false;
				break;
			default:
				entry = look_up(check, running, &bytes);
				permitted = entry->permitted || check->spec.purpose == NULL;
				if (notes && passes(check, entry))
					see_entry(check, entry);
				break;
		}
	}
	if (!permitted)
		check->spec.use->rows_withheld++;
	else if (check->spec.counts_rows)
		check->spec.use->rows_used++;
	return permitted || check->spec.observed;
}

/*
 * Check a cell of a row by the place of its category (see pz_check_place).
 * Promises true only if the subject permits cells of that category.
 */
bool
pz_check_cell(PzCheck *check, PzRunning *running, int place, Datum key, bool isnull)
{
	KeyBytes	bytes;
	MemoEntry  *entry;
	uint32		no;
	uint64		cells;

	if (check->spec.observed)
		return true;
	if (isnull)
		return null_passes(check);
	key_bytes(check, key, INT8OID, &bytes);
	switch (ask_set(check, &bytes, &no, &cells))
	{
		case PZ_SET_YES:
			return check->spec.purpose->builtin || (place >= 0 && (cells & (UINT64CONST(1) << place)) != 0);
		case PZ_SET_NO:
			return false;
		case PZ_SET_ASK:
			break;
	}
	entry = look_up(check, running, &bytes);
	return check->spec.purpose->builtin ||
		(entry->permitted && place >= 0 && (entry->cells & (UINT64CONST(1) << place)) != 0);
}

/* Place of a category in the list of the check's purpose, -1: not there. */
int
pz_check_place(const PzCheck *check, int32 category_id)
{
	return check->spec.purpose ? place_of_category(check->spec.purpose, category_id) : -1;
}
