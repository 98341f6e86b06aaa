/*-------------------------------------------------------------------------
 *
 * figures_rates.c
 *	  Opt-in and opt-out over time: the numbers that consent_rates() makes rates of.
 *
 * What each person said (figures_words.c) is gone through purpose by purpose: when a
 * consent came into force under a notice, when it ended and whether the person ended
 * it, and what the person answered last in a period.  The same in SQL is in
 * test/sql/measures_fast.sql.
 *
 * One line of the ledger that was written for several identities of a person
 * counts once.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "compat.h"
#include "consent_columns.h"
#include "errors.h"
#include "figures.h"
#include "progress.h"
#include "shmem.h"

#define NAME_LEN	256			/* names have 63 bytes at most */

enum
{
	EVENT_RECORD = 2, EVENT_NOTICE = 10
};

/* What a person said of a purpose, under a notice */
typedef struct Said
{
	PzSaid		said;
	int32		notice;			/* place in the list of notices; 0: none that is known */
	uint32		record;			/* place in records; 0: of somebody with one identity */
} Said;

typedef struct CellKey
{
	TimestampTz period;
	int32		purpose_id;
	int32		notice;
} CellKey;

typedef struct Cell
{
	CellKey		key;
	int64		answered;
	int64		opted_in;
	int64		began;
	int64		ended;
	int64		out;
} Cell;

typedef struct Rates
{
	MemoryContext mcxt;
	int32		purpose_id;		/* 0: all */
	text	   *step;
	TimestampTz now;
	HTAB	   *linked;
	HTAB	   *names;			/* names of notices that are defined */
	int			nnotices;
	char	  **notices;		/* NAME/VERSION; the first is none */
	text	   *last;			/* what was looked for last, and found */
	int32		last_notice;
	PzWords		words;
	PzPool		records;
	HTAB	   *cells;
	int64		period_day;		/* the day that period is of */
	TimestampTz period;
} Rates;

/* Start of the period (UTC) that a moment is in. */
static TimestampTz
period_of(Rates *r, TimestampTz at)
{
	int64		day;

	if (TIMESTAMP_NOT_FINITE(at))
		return at;
	day = pz_words_day(at);
	if (day != r->period_day)
	{
		r->period = pz_words_period(r->step, day);
		r->period_day = day;
	}
	return r->period;
}

/* The numbers of a period, purpose and notice. */
static Cell *
cell_of(Rates *r, TimestampTz at, const Said *s)
{
	CellKey		key;
	Cell	   *cell;
	bool		found;

	memset(&key, 0, sizeof(key));
	key.period = period_of(r, at);
	key.purpose_id = s->said.purpose_id;
	key.notice = s->notice;
	cell = hash_search(r->cells, &key, HASH_ENTER, &found);
	if (!found)
		memset((char *) cell + sizeof(CellKey), 0, sizeof(Cell) - sizeof(CellKey));
	return cell;
}

/* Place of a notice in the list: NAME/VERSION if the name is defined, else 0. */
static int32
notice_of(Rates *r, text *t)
{
	const char *from = VARDATA_ANY(t);
	int			len = VARSIZE_ANY_EXHDR(t);
	const char *slash = memchr(from, '/', len);
	const char *second = slash ? memchr(slash + 1, '/', from + len - slash - 1) : NULL;
	int			name_len = slash ? slash - from : len;
	int			shown_len = slash ? (second ? second : from + len) - from : len + 1;
	char		name[NAME_LEN];
	char	   *shown;
	int32		i;

	if (r->last && VARSIZE_ANY_EXHDR(r->last) == len && memcmp(VARDATA_ANY(r->last), from, len) == 0)
		return r->last_notice;
	if (name_len >= NAME_LEN)
		return 0;
	memcpy(name, from, name_len);
	name[name_len] = '\0';
	if (hash_search(r->names, name, HASH_FIND, NULL) == NULL)
		return 0;
	for (i = 1; i < r->nnotices; i++)
		if (strncmp(r->notices[i], from, shown_len - (slash == NULL)) == 0 && (int) strlen(r->notices[i]) == shown_len)
			break;
	if (i == r->nnotices)
	{
		shown = MemoryContextAllocZero(r->mcxt, shown_len + 1);
		memcpy(shown, from, shown_len - (slash == NULL));
		shown[name_len] = '/';
		r->notices = repalloc(r->notices, sizeof(char *) * (i + 1));
		r->notices[r->nnotices++] = shown;
	}
	if (r->last)
		pfree(r->last);
	r->last = MemoryContextAlloc(r->mcxt, VARHDRSZ + len);
	SET_VARSIZE(r->last, VARHDRSZ + len);
	memcpy(VARDATA(r->last), from, len);
	return r->last_notice = i;
}

/* A row of the ledger. */
static void
take_event(void *arg, TupleTableSlot *slot)
{
	Rates	   *r = arg;
	int32		purpose_id = DatumGetInt32(slot->tts_values[EVENT_PURPOSE - 1]);
	int64		no = DatumGetInt64(slot->tts_values[EVENT_SUBJECT - 1]);
	PzNumberEntry *entry = NULL;
	PzWord		word;
	Said	   *s;

	if (purpose_id == PZ_PURPOSE_NONE || (r->purpose_id != 0 && purpose_id != r->purpose_id) || no <= 0 || !pz_words_read(slot, &word))
		return;
	if (r->linked)
		entry = hash_search(r->linked, &no, HASH_FIND, NULL);
	s = (Said *) pz_words_add(&r->words, slot, entry ? entry->person : no, word);
	if (!slot->tts_isnull[EVENT_NOTICE - 1])
		s->notice = notice_of(r, DatumGetTextPP(slot->tts_values[EVENT_NOTICE - 1]));
	if (entry)
	{
		pg_uuid_t  *kept;

		s->record = pz_pool_add(&r->records, (void **) &kept);
		*kept = *DatumGetUUIDP(slot->tts_values[EVENT_RECORD - 1]);
	}
}

/*
 * Go through what a person said of one purpose, the oldest first.  One line that was
 * written for several identities counts once.
 */
static void
take_purpose(void *arg, const PzSaid **all, int nall)
{
	Rates	   *r = arg;
	const Said **lines = (const Said **) all;
	int			n = 0;
	int			i;
	int			j;

	for (i = 0; i < nall; i++)
	{
		for (j = 0; j < n; j++)
			if (lines[j]->record != 0 && lines[i]->record != 0 &&
				memcmp(pz_pool_at(&r->records, lines[j]->record), pz_pool_at(&r->records, lines[i]->record), sizeof(pg_uuid_t)) == 0)
				break;
		if (j == n)
			lines[n++] = lines[i];
	}
	for (i = 0; i < n; i++)
	{
		const Said *x = lines[i];
		const Said *before = i > 0 ? lines[i - 1] : NULL;
		const Said *after = i + 1 < n ? lines[i + 1] : NULL;
		bool		goes_on;
		TimestampTz end;

		if (x->said.word == PZ_WORD_GIVEN || x->said.word == PZ_WORD_REFUSED)
		{
			TimestampTz period = period_of(r, x->said.at);

			for (j = i + 1; j < n; j++)
				if ((lines[j]->said.word == PZ_WORD_GIVEN || lines[j]->said.word == PZ_WORD_REFUSED) && lines[j]->notice == x->notice &&
					period_of(r, lines[j]->said.at) == period)
					break;
			if (j == n)
			{
				Cell	   *cell = cell_of(r, x->said.at, x);

				cell->answered++;
				cell->opted_in += x->said.word == PZ_WORD_GIVEN;
			}
		}
		if (!pz_words_is_yes(&x->said))
			continue;

		/* into force, unless the same consent was */
		goes_on = before && pz_words_is_yes(&before->said) && (x->said.word == PZ_WORD_ENDING || before->notice == x->notice) &&
			before->said.expires_at > x->said.at;
		if (!goes_on)
			cell_of(r, x->said.at, x)->began++;

		/* out of force, unless it goes on */
		end = after ? Min(after->said.at, x->said.expires_at) : x->said.expires_at;
		goes_on = after && pz_words_is_yes(&after->said) && (after->said.word == PZ_WORD_ENDING || after->notice == x->notice) &&
			x->said.expires_at > after->said.at;
		if (end <= r->now && !goes_on)
		{
			Cell	   *cell = cell_of(r, end, x);

			cell->ended++;
			cell->out += after && !pz_words_is_yes(&after->said) && after->said.at < x->said.expires_at;
		}
	}
}

/* The names of notices that are defined. */
static void
read_names(Rates *r)
{
	uint64		i;

	SPI_connect();
	if (SPI_execute("SELECT n.name FROM personalize.notice_name AS n", true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the names of notices");	/* cannot happen: it is a SELECT */
	for (i = 0; i < SPI_processed; i++)
		hash_search(r->names, SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1), HASH_ENTER, NULL);
	SPI_finish();
}

/*
 * figures_rates_internal(step, purpose_id): by period (day to year, UTC), purpose
 * (NULL: all) and version of the notice: persons who answered, and with yes; consents
 * that came into force, that ended, and that the persons ended.
 */
PG_FUNCTION_INFO_V1(personalize_figures_rates);
Datum
personalize_figures_rates(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Rates		r = {0};
	Snapshot	snapshot;
	HASH_SEQ_STATUS seq;
	Cell	   *cell;

	pz_require_preloaded();
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	if (PG_ARGISNULL(0))
		return (Datum) 0;
	r.mcxt = CurrentMemoryContext;
	r.step = PG_GETARG_TEXT_PP(0);
	r.purpose_id = PG_ARGISNULL(1) ? 0 : PG_GETARG_INT32(1);
	r.now = GetCurrentTimestamp();
	r.period_day = PG_INT64_MIN;
	r.names = pz_figures_table("personalize notices", NAME_LEN, NAME_LEN, HASH_STRINGS);
	r.cells = pz_figures_table("personalize rates", sizeof(CellKey), sizeof(Cell), HASH_BLOBS);
	r.nnotices = 1;
	r.notices = palloc0(sizeof(char *));
	pz_words_init(&r.words, sizeof(Said));
	pz_pool_init(&r.records, sizeof(pg_uuid_t));
	pz_progress_begin(PZ_WORK_FIGURES, InvalidOid);
	snapshot = RegisterSnapshot(GetActiveSnapshot());
	r.linked = pz_persons_linked();
	read_names(&r);
	pz_figures_scan("consent_event", snapshot, EVENT_NOTICE, take_event, &r);
	UnregisterSnapshot(snapshot);
	pz_words_go_through(&r.words, take_purpose, &r);
	hash_seq_init(&seq, r.cells);
	while ((cell = hash_seq_search(&seq)) != NULL)
	{
		Datum		values[8];
		bool		nulls[8] = {false};

		values[0] = TimestampTzGetDatum(cell->key.period);
		values[1] = Int32GetDatum(cell->key.purpose_id);
		nulls[2] = cell->key.notice == 0;
		values[2] = nulls[2] ? (Datum) 0 : CStringGetTextDatum(r.notices[cell->key.notice]);
		values[3] = Int64GetDatum(cell->answered);
		values[4] = Int64GetDatum(cell->opted_in);
		values[5] = Int64GetDatum(cell->began);
		values[6] = Int64GetDatum(cell->ended);
		values[7] = Int64GetDatum(cell->out);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	pz_progress_end(PZ_WORK_FIGURES);
	return (Datum) 0;
}
