/*-------------------------------------------------------------------------
 *
 * consent_newest.c
 *	  The newest event of each person and purpose, in memory.
 *
 * Rows of the ledger are taken in any order; 8 bytes for each person and purpose
 * say what the newest word of the person said, or if there is none what was
 * presumed last.  Where it does not say everything, because it
 * covers some categories only, the answer is "irregular": who asks goes to the
 * ledger.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "compat.h"
#include "consent_columns.h"
#include "consent_newest.h"

/*
 * The newest event of a person and purpose, in 64 bits: its number, so that
 * they can be compared, then what it says.  0: none.
 */
#define EVENT_SHIFT		24
#define EVENT_MAX		((INT64CONST(1) << (63 - EVENT_SHIFT)) - 1)
#define COVERAGE_ALL	0		/* every category */
#define COVERAGE_MAX	4095	/* too many different lists: ask the ledger */
#define COVERAGE(e)		((int) ((e) & 0xfff))
#define STATE(e)		((PzConsentState) (((e) >> 12) & 15))
#define IS_EXPLICIT(e)	((((e) >> 16) & 1) != 0)
#define END(e)			((int) (((e) >> 17) & 3))

enum
{
	END_NEVER = 0, END_PAST, END_SOON, END_LATER
};

/* The newest events of a purpose; NULL if it is not asked for. */
static PzNewestOf *
newest_of(PzNewest *l, int32 purpose_id)
{
	int			i;

	for (i = 0; i < l->n; i++)
		if (l->of[i].purpose_id == purpose_id)
			return &l->of[i];
	return NULL;
}

/* The newest event of a person; 0: none. */
static inline uint64
newest_event(const PzNewestOf *newest, uint32 no)
{
	uint64	   *chunk = newest->chunks[no >> PZ_SET_CHUNK_BITS];

	return chunk ? chunk[no % PZ_SET_CHUNK] : 0;
}

/* Does an event cover a category? */
static bool
event_covers(const PzNewest *l, uint64 event, int32 category_id)
{
	int			coverage = COVERAGE(event);
	int			i;

	if (coverage == COVERAGE_ALL)
		return true;
	if (coverage == COVERAGE_MAX)
		return false;
	for (i = 0; i < l->coverages[coverage].n; i++)
		if (l->coverages[coverage].categories[i] == category_id)
			return true;
	return false;
}

/* The place of a list of categories (NULL: all) among those that were met. */
static int
intern_coverage(PzNewest *l, ArrayType *categories)
{
	int32	   *ids;
	int			n;
	int			i;

	if (categories == NULL)
		return COVERAGE_ALL;
	if (ARR_NDIM(categories) != 1 || ARR_HASNULL(categories))
		return COVERAGE_MAX;
	ids = (int32 *) ARR_DATA_PTR(categories);
	n = ARR_DIMS(categories)[0];
	for (i = 1; i < l->ncoverages; i++)
		if (l->coverages[i].n == n && memcmp(l->coverages[i].categories, ids, n * sizeof(int32)) == 0)
			return i;
	if (l->ncoverages == COVERAGE_MAX)
		return COVERAGE_MAX;
	l->coverages[i].n = n;
	l->coverages[i].categories = MemoryContextAlloc(l->mcxt, Max(n, 1) * sizeof(int32));
	memcpy(l->coverages[i].categories, ids, n * sizeof(int32));
	l->ncoverages++;
	return i;
}

/* PzQuestion.read: by the newest events. */
bool
pz_newest_read(const PzQuestion *q, int32 purpose_id, PzCategoryState *cats, int ncats)
{
	PzNewest   *l = q->arg;
	PzNewestOf *newest = newest_of(l, purpose_id);
	uint64		event = newest ? newest_event(newest, l->no) : 0;
	int			i;

	if (newest == NULL)
		l->irregular = true;	/* cannot happen: ancestors are asked for, too */
	if (event == 0)
		return false;
	for (i = 0; i < ncats; i++)
	{
		TimestampTz end = 0;

		if (cats[i].decided)
			continue;
		if (!event_covers(l, event, cats[i].category_id))
		{
			l->irregular = true;
			continue;
		}
		cats[i].purpose_id = purpose_id;
		cats[i].event_id = (int64) (event >> EVENT_SHIFT);
		cats[i].is_explicit = IS_EXPLICIT(event);
		if (END(event) != END_NEVER)
			end = END(event) == END_PAST ? l->clock : END(event) == END_SOON ? l->clock + 1 : l->ahead;
		pz_consent_said(q, &cats[i], STATE(event), end);
	}
	return pz_consent_is_word(STATE(event));
}

/* Does a newest event decide alone, or are parents of its purpose asked, too? */
bool
pz_newest_is_word(uint64 event)
{
	return pz_consent_is_word(STATE(event));
}

/* Has the person events of any purpose that this one inherits from? */
static bool
has_inherited(PzNewest *l, const PzPurpose *purpose, uint32 no, int depth)
{
	int			i;

	for (i = 0; i < purpose->nparents; i++)
	{
		const PzPurpose *parent = pz_registry_purpose(purpose->parents[i]);
		PzNewestOf *newest = parent ? newest_of(l, parent->purpose_id) : NULL;

		if (newest && newest_event(newest, no) != 0)
			return true;
		if (parent && depth > 0 && has_inherited(l, parent, no, depth - 1))
			return true;
	}
	return false;
}

/* Has the person events of any purpose that this one inherits from? */
bool
pz_newest_has_inherited(PzNewest *l, const PzPurpose *purpose, uint32 no)
{
	return has_inherited(l, purpose, no, PZ_MAX_PARENTS);
}

/* The newest event of a person for a purpose; 0: none. */
uint64
pz_newest_event(PzNewest *l, int32 purpose_id, uint32 no)
{
	PzNewestOf *newest = newest_of(l, purpose_id);

	return newest ? newest_event(newest, no) : 0;
}

/* What an action leads to, told by as few letters as needed. */
static PzConsentState
state_of(const text *action)
{
	const char *word = VARDATA_ANY(action);
	size_t		len = VARSIZE_ANY_EXHDR(action);

	if (len == 5 && word[0] == 'g')
		return PZ_STATE_GIVEN;
	if (len == 9 && word[0] == 'w')
		return PZ_STATE_WITHDRAWN;
	return pz_consent_state_of(text_to_cstring(action));
}

/*
 * Note a row of the ledger, in a memory context that the caller resets.  False if
 * the number of the event is out of range.
 */
bool
pz_newest_take(PzNewest *l, TupleTableSlot *slot)
{
	int64		event_id;
	int64		no;
	int32		purpose_id;
	PzNewestOf *newest;
	uint64	  **chunk;
	uint64	   *place;
	uint64		event;
	int			end = END_NEVER;
	PzConsentState state;
	bool		word;
	bool		was_word;

	slot_getsomeattrs(slot, EVENT_EXPIRES_AT);
	event_id = DatumGetInt64(slot->tts_values[EVENT_ID - 1]);
	no = DatumGetInt64(slot->tts_values[EVENT_SUBJECT - 1]);
	purpose_id = DatumGetInt32(slot->tts_values[EVENT_PURPOSE - 1]);
	newest = newest_of(l, purpose_id);
	if (newest == NULL || no <= 0 || no > (int64) l->max_no)
		return true;
	if (event_id <= 0 || event_id > EVENT_MAX)
		return false;
	chunk = &newest->chunks[no >> PZ_SET_CHUNK_BITS];
	if (*chunk == NULL)
		*chunk = MemoryContextAllocExtended(l->mcxt, PZ_SET_CHUNK * sizeof(uint64), MCXT_ALLOC_ZERO | MCXT_ALLOC_HUGE);
	place = &(*chunk)[no % PZ_SET_CHUNK];
	state = state_of(DatumGetTextPP(slot->tts_values[EVENT_ACTION - 1]));
	word = purpose_id == PZ_PURPOSE_NONE || pz_consent_is_word(state);
	was_word = purpose_id == PZ_PURPOSE_NONE || pz_consent_is_word(STATE(*place));
	if (*place != 0 && (was_word != word ? was_word : (int64) (*place >> EVENT_SHIFT) > event_id))
		return true;

	if (!slot->tts_isnull[EVENT_EXPIRES_AT - 1])
	{
		TimestampTz at = DatumGetTimestampTz(slot->tts_values[EVENT_EXPIRES_AT - 1]);

		end = at <= l->clock ? END_PAST : at < l->ahead ? END_SOON : END_LATER;
	}
	event = (uint64) event_id << EVENT_SHIFT | (uint64) end << 17 |
		(DatumGetBool(slot->tts_values[EVENT_EXPLICIT - 1]) ? UINT64CONST(1) << 16 : 0) |
		(uint64) state << 12 |
		(uint64) intern_coverage(l, slot->tts_isnull[EVENT_CATEGORIES - 1] ? NULL :
								 DatumGetArrayTypeP(slot->tts_values[EVENT_CATEGORIES - 1]));
	*place = event;
	return true;
}

/* Remember what the newest events of a purpose will be. */
static void
add_newest(PzNewest *l, int32 purpose_id)
{
	if (newest_of(l, purpose_id))
		return;
	l->of = repalloc(l->of, (l->n + 1) * sizeof(PzNewestOf));
	l->of[l->n].purpose_id = purpose_id;
	l->of[l->n++].chunks = MemoryContextAllocZero(l->mcxt, l->nchunks * sizeof(uint64 *));
}

/* The same for those it inherits from. */
static void
add_inherited(PzNewest *l, const PzPurpose *purpose, int depth)
{
	int			i;

	add_newest(l, purpose->purpose_id);
	for (i = 0; i < purpose->nparents && depth > 0; i++)
	{
		const PzPurpose *parent = pz_registry_purpose(purpose->parents[i]);

		if (parent)
			add_inherited(l, parent, depth - 1);
	}
}

/*
 * Events of a purpose will be asked for, and of those it inherits from.
 */
void
pz_newest_expect(PzNewest *l, const PzPurpose *purpose)
{
	add_inherited(l, purpose, PZ_MAX_PARENTS);
}

/*
 * Begin with no events, in mcxt.  Restrictions are always asked for.
 */
void
pz_newest_init(PzNewest *l, MemoryContext mcxt, TimestampTz clock, TimestampTz ahead, uint32 nchunks)
{
	memset(l, 0, sizeof(PzNewest));
	l->mcxt = mcxt;
	l->clock = clock;
	l->ahead = ahead;
	l->nchunks = nchunks;
	l->of = MemoryContextAlloc(mcxt, sizeof(PzNewestOf));
	l->coverages = MemoryContextAlloc(mcxt, COVERAGE_MAX * sizeof(PzCoverage));
	l->ncoverages = 1;
	add_newest(l, PZ_PURPOSE_NONE);
}
