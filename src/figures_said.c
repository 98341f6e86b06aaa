/*-------------------------------------------------------------------------
 *
 * figures_said.c
 *	  What people said over time, and what they said last, for reports.
 *
 * What each person said (figures_words.c) is gone through purpose by purpose.
 * sql/code/81_report_consents.sql adds the numbers up; test/sql/report.sql compares
 * them with consent_rates().
 *
 * Several identities of a person say the same in lines that follow each other: the
 * first of them changes something, the last is the answer.
 *
 * Memory: 40 bytes an event and 4 a person, in the caller's context.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "consent_columns.h"
#include "errors.h"
#include "figures.h"
#include "progress.h"
#include "shmem.h"

typedef struct CellKey
{
	TimestampTz period;			/* DT_NOBEGIN: before the first */
	int64		purpose_id;
} CellKey;

typedef struct Cell
{
	CellKey		key;
	int64		answered;
	int64		opted_in;
	int64		began;
	int64		ended;
	int64		opted_out;
	int64		yes;			/* what was said last in the period, and never again */
	int64		over;			/* such that ran out by itself */
	int64		no;
} Cell;

typedef struct Report
{
	text	   *step;
	TimestampTz since;
	TimestampTz until;
	PzPersons  *persons;
	PzWords		words;
	HTAB	   *cells;
	int64		first_day;		/* of since */
	int64		ndays;
	TimestampTz *periods;		/* by day from the first on; DT_NOEND: not computed yet */
} Report;

/*
 * Start of the period (UTC) that a moment until the end of the report is in.
 */
static TimestampTz
period_of(Report *r, TimestampTz at)
{
	TimestampTz *period;

	if (at < r->since)
		return DT_NOBEGIN;
	period = &r->periods[Min(pz_words_day(at) - r->first_day, r->ndays - 1)];
	if (*period == DT_NOEND)
		*period = pz_words_period(r->step, pz_words_day(at));
	return *period;
}

/*
 * The numbers of a period and purpose.
 */
static Cell *
cell_of(Report *r, TimestampTz period, int32 purpose_id)
{
	CellKey		key;
	Cell	   *cell;
	bool		found;

	memset(&key, 0, sizeof(key));
	key.period = period;
	key.purpose_id = purpose_id;
	cell = hash_search(r->cells, &key, HASH_ENTER, &found);
	if (!found)
		memset((char *) cell + sizeof(CellKey), 0, sizeof(Cell) - sizeof(CellKey));
	return cell;
}

/*
 * Take a row of the ledger.
 */
static void
take_event(void *arg, TupleTableSlot *slot)
{
	Report	   *r = arg;
	int64		no = DatumGetInt64(slot->tts_values[EVENT_SUBJECT - 1]);
	PzWord		word;
	PzSaid	   *s;

	if (DatumGetInt32(slot->tts_values[EVENT_PURPOSE - 1]) == PZ_PURPOSE_NONE ||
		DatumGetTimestampTz(slot->tts_values[EVENT_RECORDED_AT - 1]) >= r->until || no <= 0 || !pz_words_read(slot, &word))
		return;
	s = pz_words_add(&r->words, slot, r->persons->linked ? pz_persons_group(r->persons->linked, no) : no, word);
	s->gone = !pz_is_counted(r->persons, no);
}

/*
 * Did a word of a yes still hold at a moment?
 */
static inline bool
holds_at(const PzSaid *s, TimestampTz at)
{
	return pz_words_is_yes(s) && s->expires_at > s->at && s->expires_at > at;
}

/*
 * Go through what a person said of one purpose, the oldest first.
 */
static void
take_purpose(void *arg, const PzSaid **lines, int n)
{
	Report	   *r = arg;
	int			i;
	int			j;

	for (i = 0; i < n; i++)
	{
		const PzSaid *x = lines[i];
		const PzSaid *after = i + 1 < n ? lines[i + 1] : NULL;
		TimestampTz period = period_of(r, x->at);
		Cell	   *cell = cell_of(r, period, x->purpose_id);
		bool		was = i > 0 && holds_at(lines[i - 1], x->at);
		bool		over = pz_words_is_yes(x) && x->expires_at <= r->until && (after == NULL || after->at >= x->expires_at);

		cell->began += pz_words_is_yes(x) && !was;
		cell->opted_out += !pz_words_is_yes(x) && was;
		cell->ended += !pz_words_is_yes(x) && was;
		if (x->word == PZ_WORD_GIVEN || x->word == PZ_WORD_REFUSED)
		{
			/* the last answer of a period counts */
			for (j = i + 1; j < n; j++)
				if (lines[j]->word == PZ_WORD_GIVEN || lines[j]->word == PZ_WORD_REFUSED)
					break;
			if (j == n || period_of(r, lines[j]->at) > period)
			{
				cell->answered++;
				cell->opted_in += x->word == PZ_WORD_GIVEN;
			}
		}
		if (after == NULL && !x->gone)
		{
			cell->yes += pz_words_is_yes(x) && !over;
			cell->over += over;
			cell->no += !pz_words_is_yes(x);
		}
		if (over)
			cell_of(r, period_of(r, Max(x->expires_at, x->at)), x->purpose_id)->ended++;
	}
}

/*
 * report_words_internal(step, since, until): by purpose and period (day to year, UTC;
 * -infinity: before since): persons who answered, and with yes; consents that came into
 * force, that ended, and that the persons ended; and of what persons said in the period
 * and never took back: yes, yes that has run out, no.
 */
PG_FUNCTION_INFO_V1(personalize_report_words);
Datum
personalize_report_words(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Report		r = {0};
	Snapshot	snapshot;
	HASH_SEQ_STATUS seq;
	Cell	   *cell;
	int64		i;

	pz_require_preloaded();
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	r.step = PG_GETARG_TEXT_PP(0);
	r.since = PG_GETARG_TIMESTAMPTZ(1);
	r.until = PG_GETARG_TIMESTAMPTZ(2);
	if (TIMESTAMP_NOT_FINITE(r.since) || TIMESTAMP_NOT_FINITE(r.until) || r.since > r.until)
		elog(ERROR, "a report must have a start and an end");	/* cannot happen: report_html() sees to it */
	r.first_day = pz_words_day(r.since);
	r.ndays = pz_words_day(r.until) - r.first_day + 1;
	r.periods = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(TimestampTz) * r.ndays);
	for (i = 0; i < r.ndays; i++)
		r.periods[i] = DT_NOEND;
	r.cells = pz_figures_table("personalize report", sizeof(CellKey), sizeof(Cell), HASH_BLOBS);
	pz_words_init(&r.words, sizeof(PzSaid));
	pz_progress_begin(PZ_WORK_FIGURES, InvalidOid);
	snapshot = RegisterSnapshot(GetActiveSnapshot());
	/* who is erased, or restricted all processing, is not counted as somebody who says something now */
	r.persons = pz_persons_make(snapshot);
	pz_figures_scan("consent_event", snapshot, EVENT_EXPIRES_AT, take_event, &r);
	UnregisterSnapshot(snapshot);
	pz_words_go_through(&r.words, take_purpose, &r);
	hash_seq_init(&seq, r.cells);
	while ((cell = hash_seq_search(&seq)) != NULL)
	{
		Datum		values[10];
		bool		nulls[10] = {false};

		values[0] = Int32GetDatum((int32) cell->key.purpose_id);
		values[1] = TimestampTzGetDatum(cell->key.period);
		values[2] = Int64GetDatum(cell->answered);
		values[3] = Int64GetDatum(cell->opted_in);
		values[4] = Int64GetDatum(cell->began);
		values[5] = Int64GetDatum(cell->ended);
		values[6] = Int64GetDatum(cell->opted_out);
		values[7] = Int64GetDatum(cell->yes);
		values[8] = Int64GetDatum(cell->over);
		values[9] = Int64GetDatum(cell->no);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	pz_progress_end(PZ_WORK_FIGURES);
	return (Datum) 0;
}
