/*-------------------------------------------------------------------------
 *
 * figures_rates.c
 *	  Opt-in and opt-out over time: the numbers that consent_rates() makes rates of.
 *
 * The ledger is read once.  What each person said is in a list, the newest first, and
 * is gone through purpose by purpose: when a consent came into force under a notice,
 * when it ended and whether the person ended it, and what the person answered last in a
 * period.  The same in SQL is in test/sql/measures_fast.sql.
 *
 * One line of the ledger that was written for several identities of a person
 * counts once; what concerns single categories is no answer to the purpose.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
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
#include "shmem.h"

#define NAME_LEN	256			/* names have 63 bytes at most */

enum
{
	EVENT_RECORD = 2, EVENT_NOTICE = 10
};

typedef enum Word
{
	WORD_GIVEN, WORD_ENDING, WORD_REFUSED, WORD_OTHER
} Word;

/* What a person said of a purpose */
typedef struct Said
{
	int64		event_id;
	TimestampTz at;
	TimestampTz expires_at;		/* 0: does not */
	uint32		next;			/* of the person, the next older one */
	int32		purpose_id;
	int32		notice;			/* place in the list of notices; 0: none that is known */
	uint32		record;			/* place in records; 0: of somebody with one identity */
	Word		word;
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
	PzHeads		heads;
	PzPool		said;
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
	day = at / USECS_PER_DAY - (at % USECS_PER_DAY < 0);
	if (day != r->period_day)
	{
		r->period = DatumGetTimestamp(DirectFunctionCall2(timestamp_trunc, PointerGetDatum(r->step), TimestampGetDatum(day * USECS_PER_DAY)));
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
	key.purpose_id = s->purpose_id;
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

/* Does a list of categories hold the row itself? */
static bool
holds_row(ArrayType *a)
{
	Datum	   *ids;
	bool	   *nulls;
	int			n;
	int			i;

	deconstruct_array(a, INT4OID, sizeof(int32), true, TYPALIGN_INT, &ids, &nulls, &n);
	for (i = 0; i < n; i++)
		if (!nulls[i] && DatumGetInt32(ids[i]) == PZ_CATEGORY_ROW)
			return true;
	return false;
}

/* A row of the ledger. */
static void
take_event(void *arg, TupleTableSlot *slot)
{
	Rates	   *r = arg;
	int32		purpose_id = DatumGetInt32(slot->tts_values[EVENT_PURPOSE - 1]);
	int64		no = DatumGetInt64(slot->tts_values[EVENT_SUBJECT - 1]);
	int64		person;
	text	   *action = DatumGetTextPP(slot->tts_values[EVENT_ACTION - 1]);
	Word		word;
	Said	   *s;
	uint32		index;
	uint32	   *place;
	pg_uuid_t  *record = NULL;

	if (purpose_id == PZ_PURPOSE_NONE || (r->purpose_id != 0 && purpose_id != r->purpose_id) || no <= 0)
		return;
	/* given, ending, refused, withdrawn, objected; not restricted, lifted, presumed */
	switch (VARSIZE_ANY_EXHDR(action) > 2 ? VARDATA_ANY(action)[0] : '\0')
	{
		case 'g':
			word = WORD_GIVEN;
			break;
		case 'e':
			word = WORD_ENDING;
			break;
		case 'r':
			if (VARDATA_ANY(action)[2] != 'f')
				return;
			word = WORD_REFUSED;
			break;
		case 'w':
		case 'o':
			word = WORD_OTHER;
			break;
		default:
			return;
	}
	if (!slot->tts_isnull[EVENT_CATEGORIES - 1] &&
		(word == WORD_REFUSED || word == WORD_OTHER || !holds_row(DatumGetArrayTypeP(slot->tts_values[EVENT_CATEGORIES - 1]))))
		return;
	person = no;
	if (r->linked)
	{
		PzNumberEntry *entry = hash_search(r->linked, &no, HASH_FIND, NULL);

		if (entry)
		{
			person = entry->person;
			record = DatumGetUUIDP(slot->tts_values[EVENT_RECORD - 1]);
		}
	}
	index = pz_pool_add(&r->said, (void **) &s);
	s->event_id = DatumGetInt64(slot->tts_values[EVENT_ID - 1]);
	s->at = DatumGetTimestampTz(slot->tts_values[EVENT_RECORDED_AT - 1]);
	s->expires_at = slot->tts_isnull[EVENT_EXPIRES_AT - 1] ? 0 : DatumGetTimestampTz(slot->tts_values[EVENT_EXPIRES_AT - 1]);
	s->purpose_id = purpose_id;
	s->word = word;
	if (!slot->tts_isnull[EVENT_NOTICE - 1])
		s->notice = notice_of(r, DatumGetTextPP(slot->tts_values[EVENT_NOTICE - 1]));
	if (record)
	{
		pg_uuid_t  *kept;

		s->record = pz_pool_add(&r->records, (void **) &kept);
		*kept = *record;
	}
	place = pz_heads_at(&r->heads, person);
	while (*place != 0 && ((Said *) pz_pool_at(&r->said, *place))->event_id > s->event_id)
		place = &((Said *) pz_pool_at(&r->said, *place))->next;
	s->next = *place;
	*place = index;
}

/* Is it consent, or its end set anew? */
static inline bool
is_yes(const Said *s)
{
	return s && (s->word == WORD_GIVEN || s->word == WORD_ENDING);
}

/*
 * Go through what a person said of one purpose, the oldest first.
 */
static void
count_purpose(Rates *r, const Said *const *lines, int n)
{
	int			i;
	int			j;

	for (i = 0; i < n; i++)
	{
		const Said *x = lines[i];
		const Said *before = i > 0 ? lines[i - 1] : NULL;
		const Said *after = i + 1 < n ? lines[i + 1] : NULL;
		bool		goes_on;
		TimestampTz end;

		if (x->word == WORD_GIVEN || x->word == WORD_REFUSED)
		{
			TimestampTz period = period_of(r, x->at);
			Cell	   *cell;

			for (j = i + 1; j < n; j++)
				if ((lines[j]->word == WORD_GIVEN || lines[j]->word == WORD_REFUSED) && lines[j]->notice == x->notice &&
					period_of(r, lines[j]->at) == period)
					break;
			if (j == n)
			{
				cell = cell_of(r, x->at, x);
				cell->answered++;
				cell->opted_in += x->word == WORD_GIVEN;
			}
		}
		if (!is_yes(x))
			continue;

		/* into force, unless the same consent was */
		goes_on = is_yes(before) && (x->word == WORD_ENDING || before->notice == x->notice) &&
			(before->expires_at == 0 || before->expires_at > x->at);
		if (!goes_on)
			cell_of(r, x->at, x)->began++;

		/* out of force, unless it goes on */
		if (after && (x->expires_at == 0 || after->at < x->expires_at))
			end = after->at;
		else if (x->expires_at != 0)
			end = x->expires_at;
		else
			continue;
		goes_on = is_yes(after) && (after->word == WORD_ENDING || after->notice == x->notice) &&
			(x->expires_at == 0 || x->expires_at > after->at);
		if (end <= r->now && !goes_on)
		{
			Cell	   *cell = cell_of(r, end, x);

			cell->ended++;
			cell->out += after && !is_yes(after) && (x->expires_at == 0 || after->at < x->expires_at);
		}
	}
}

/* Order by purpose, then as it was said. */
static int
compare_said(const void *a, const void *b)
{
	const Said *x = *(const Said *const *) a;
	const Said *y = *(const Said *const *) b;

	if (x->purpose_id != y->purpose_id)
		return x->purpose_id < y->purpose_id ? -1 : 1;
	return x->event_id < y->event_id ? -1 : x->event_id > y->event_id;
}

/* Go through what everybody said. */
static void
count_persons(Rates *r)
{
	int			space = 64;
	const Said **lines = palloc(sizeof(Said *) * space);
	int64		person;

	for (person = 0; person < r->heads.n; person++)
	{
		uint32		index;
		const Said *s;
		int			n = 0;
		int			from;
		int			to;
		int			i;

		if ((person & 0xfff) == 0)
			CHECK_FOR_INTERRUPTS();
		for (index = r->heads.heads[person]; index != 0; index = s->next)
		{
			s = pz_pool_at(&r->said, index);
			if (n == space)
				lines = repalloc_huge(lines, sizeof(Said *) * (space *= 2));
			lines[n++] = s;
		}
		if (n == 0)
			continue;
		if (n > 1)
			qsort(lines, n, sizeof(Said *), compare_said);
		for (from = 0; from < n; from = to)
		{
			int			kept = 0;

			for (to = from; to < n && lines[to]->purpose_id == lines[from]->purpose_id; to++)
			{
				/* the same line for another identity */
				for (i = from; i < from + kept; i++)
					if (lines[i]->record != 0 && lines[to]->record != 0 &&
						memcmp(pz_pool_at(&r->records, lines[i]->record), pz_pool_at(&r->records, lines[to]->record), sizeof(pg_uuid_t)) == 0)
						break;
				if (i == from + kept)
					lines[from + kept++] = lines[to];
			}
			count_purpose(r, lines + from, kept);
		}
	}
}

/* A table in memory by keys. */
static HTAB *
make_table(Size keysize, Size entrysize, int flags)
{
	HASHCTL		ctl = {0};

	ctl.keysize = keysize;
	ctl.entrysize = entrysize;
	ctl.hcxt = CurrentMemoryContext;
	return hash_create("personalize rates", 256, &ctl, HASH_ELEM | HASH_CONTEXT | flags);
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
	r.names = make_table(NAME_LEN, NAME_LEN, HASH_STRINGS);
	r.cells = make_table(sizeof(CellKey), sizeof(Cell), HASH_BLOBS);
	r.nnotices = 1;
	r.notices = palloc0(sizeof(char *));
	pz_heads_init(&r.heads, 0);
	pz_pool_init(&r.said, sizeof(Said));
	pz_pool_init(&r.records, sizeof(pg_uuid_t));
	snapshot = RegisterSnapshot(GetActiveSnapshot());
	r.linked = pz_persons_linked();
	read_names(&r);
	pz_figures_scan("consent_event", snapshot, EVENT_NOTICE, take_event, &r);
	UnregisterSnapshot(snapshot);
	count_persons(&r);
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
	return (Datum) 0;
}
