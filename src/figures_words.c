/*-------------------------------------------------------------------------
 *
 * figures_words.c
 *	  What people said, person by person, purpose by purpose, the oldest first:
 *	  for figures over time that are made of answers (figures_rates.c,
 *	  figures_said.c).
 *
 * The ledger is read once.  What each person said is in a list, the newest first, and
 * is gone through when all has been read.  What concerns single categories is no
 * answer to the purpose, and is left out.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "consent_columns.h"
#include "consent_set.h"
#include "figures.h"

#define AHEAD 32				/* persons */

/*
 * Start without a word; size: bytes of a row, which begins with a PzSaid.  In the
 * current context.
 */
void
pz_words_init(PzWords *words, Size size)
{
	pz_heads_init(&words->heads, 0);
	pz_pool_init(&words->said, size);
	words->newest = 0;
}

/*
 * Does a list of categories hold the row itself?
 */
static bool
holds_row(ArrayType *a)
{
	Datum	   *ids;
	bool	   *nulls;
	int			n;
	int			i;

	/* as grant_consent() makes it: the row comes first */
	if (ARR_NDIM(a) == 1 && !ARR_HASNULL(a) && ARR_DIMS(a)[0] > 0 && *(int32 *) ARR_DATA_PTR(a) == PZ_CATEGORY_ROW)
		return true;
	deconstruct_array(a, INT4OID, sizeof(int32), true, TYPALIGN_INT, &ids, &nulls, &n);
	for (i = 0; i < n; i++)
		if (!nulls[i] && DatumGetInt32(ids[i]) == PZ_CATEGORY_ROW)
			return true;
	return false;
}

/*
 * What a line of the ledger says; false if nothing that is counted: neither yes nor
 * no, or not to the purpose.
 */
bool
pz_words_read(TupleTableSlot *slot, PzWord *word)
{
	static const struct
	{
		const char *action;
		PzWord		word;
	}			actions[] = {
		{"given", PZ_WORD_GIVEN}, {"ending", PZ_WORD_ENDING}, {"refused", PZ_WORD_REFUSED},
		{"withdrawn", PZ_WORD_OTHER}, {"objected", PZ_WORD_OTHER}
	};
	text	   *action = DatumGetTextPP(slot->tts_values[EVENT_ACTION - 1]);
	int			len = VARSIZE_ANY_EXHDR(action);
	int			i;

	for (i = 0; i < (int) lengthof(actions); i++)
		if ((int) strlen(actions[i].action) == len && memcmp(actions[i].action, VARDATA_ANY(action), len) == 0)
		{
			*word = actions[i].word;
			/* a no to some categories leaves the rest; a yes must cover the row */
			return slot->tts_isnull[EVENT_CATEGORIES - 1] ||
				((*word == PZ_WORD_GIVEN || *word == PZ_WORD_ENDING) &&
				 holds_row(DatumGetArrayTypeP(slot->tts_values[EVENT_CATEGORIES - 1])));
		}
	return false;
}

/*
 * Keep a line of the ledger as what a person said.  The row that is returned, to be
 * completed, moves when others are added.
 */
PzSaid *
pz_words_add(PzWords *words, TupleTableSlot *slot, int64 person, PzWord word)
{
	PzSaid	   *s;
	uint32		index = pz_pool_add(&words->said, (void **) &s);
	uint32	   *place = pz_heads_at(&words->heads, person);

	s->event_id = DatumGetInt64(slot->tts_values[EVENT_ID - 1]);
	s->at = DatumGetTimestampTz(slot->tts_values[EVENT_RECORDED_AT - 1]);
	s->expires_at = slot->tts_isnull[EVENT_EXPIRES_AT - 1] ? DT_NOEND : DatumGetTimestampTz(slot->tts_values[EVENT_EXPIRES_AT - 1]);
	s->purpose_id = DatumGetInt32(slot->tts_values[EVENT_PURPOSE - 1]);
	s->word = word;
	/* the ledger lies mostly as it was written, and then what is there need not be looked at */
	if (s->event_id > words->newest)
		words->newest = s->event_id;
	else
		while (*place != 0 && pz_words_at(words, *place)->event_id > s->event_id)
			place = &pz_words_at(words, *place)->next;
	s->next = *place;
	*place = index;
	return s;
}

/*
 * Order by purpose, then as it was said.
 */
static int
compare_said(const void *a, const void *b)
{
	const PzSaid *x = *(const PzSaid *const *) a;
	const PzSaid *y = *(const PzSaid *const *) b;

	if (x->purpose_id != y->purpose_id)
		return x->purpose_id < y->purpose_id ? -1 : 1;
	return x->event_id < y->event_id ? -1 : x->event_id > y->event_id;
}

/*
 * Call take with what each person said of each purpose, the oldest first.
 */
void
pz_words_go_through(const PzWords *words, void (*take) (void *arg, const PzSaid **lines, int n), void *arg)
{
	const uint32 *heads = words->heads.heads;
	int			space = 64;
	const PzSaid **lines = palloc(sizeof(PzSaid *) * space);
	int64		person;

	for (person = 0; person < words->heads.n; person++)
	{
		uint32		place;
		int			n = 0;
		int			from;
		int			to;

		if ((person & 0xfff) == 0)
			CHECK_FOR_INTERRUPTS();
		/* memory takes its time: ask for what is needed soon */
		if (person + AHEAD < words->heads.n && heads[person + AHEAD] != 0)
			PZ_PREFETCH(pz_words_at(words, heads[person + AHEAD]));
		if (person + AHEAD / 2 < words->heads.n && heads[person + AHEAD / 2] != 0 &&
			pz_words_at(words, heads[person + AHEAD / 2])->next != 0)
			PZ_PREFETCH(pz_words_at(words, pz_words_at(words, heads[person + AHEAD / 2])->next));
		for (place = heads[person]; place != 0; place = lines[n - 1]->next)
		{
			if (n == space)
				lines = repalloc_huge(lines, sizeof(PzSaid *) * (space *= 2));
			lines[n++] = pz_words_at(words, place);
		}
		if (n > 1)
			qsort(lines, n, sizeof(PzSaid *), compare_said);
		for (from = 0; from < n; from = to)
		{
			for (to = from; to < n && lines[to]->purpose_id == lines[from]->purpose_id; to++)
				;
			take(arg, lines + from, to - from);
		}
	}
	pfree(lines);
}

/*
 * The day (UTC) that a moment is in, counted from 2000-01-01.
 */
int64
pz_words_day(TimestampTz at)
{
	return at / USECS_PER_DAY - (at % USECS_PER_DAY < 0);
}

/*
 * Start of the period, day to year, that a day (UTC) is in.
 */
TimestampTz
pz_words_period(text *step, int64 day)
{
	return DatumGetTimestamp(DirectFunctionCall2(timestamp_trunc, PointerGetDatum(step), TimestampGetDatum(day * USECS_PER_DAY)));
}
