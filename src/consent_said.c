/*-------------------------------------------------------------------------
 *
 * consent_said.c
 *	  What people said over time, and what they said last, for reports.
 *
 * The ledger is read once, from its start to its end.  What each person said is kept
 * in a list, the newest first, and is gone through purpose by purpose, the oldest
 * first.  sql/code/81_report_consents.sql adds the numbers up; test/sql/report.sql
 * compares them with consent_rates().
 *
 * Several identities of a person say the same in lines that follow each other: the
 * first of them changes something, the last is the answer.  What concerns single
 * categories is no answer to the purpose.
 *
 * Locks: AccessShareLock on the ledger, until the transaction ends.  Memory: 40 bytes
 * an event and 4 a person, in the caller's context.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "consent_columns.h"
#include "consent_set.h"
#include "errors.h"
#include "registry.h"
#include "shmem.h"

#define AHEAD 32			/* persons */

typedef enum Word
{
	WORD_GIVEN, WORD_ENDING, WORD_REFUSED, WORD_OTHER
} Word;

/* What a person said of a purpose */
typedef struct Said
{
	int64		event_id;
	TimestampTz at;
	TimestampTz expires_at;		/* DT_NOEND: does not */
	uint32		next;			/* place from 1 on of the next older word of the person; 0: none */
	int32		purpose_id;
	int32		word;
	bool		gone;			/* said by an identity that is erased or restricted */
} Said;

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

/* One identity: its person, or that it is gone */
typedef struct NumberEntry
{
	int64		no;
	int64		person;
} NumberEntry;

typedef struct Report
{
	MemoryContext mcxt;
	text	   *step;
	TimestampTz since;
	TimestampTz until;
	HTAB	   *linked;
	HTAB	   *gone;
	HTAB	   *cells;
	Said	   *said;
	uint64		nsaid;
	uint64		space;
	int64		newest;			/* event_id */
	uint32	   *heads;			/* by person */
	int64		nheads;
	int64		first_day;		/* of since */
	int64		ndays;
	TimestampTz *periods;		/* by day from the first on; DT_NOEND: not computed yet */
} Report;

/*
 * The day (UTC) that a moment is in.
 */
static int64
day_of(TimestampTz at)
{
	return at / USECS_PER_DAY - (at % USECS_PER_DAY < 0);
}

/*
 * Start of the period (UTC) that a moment until the end of the report is in.
 */
static TimestampTz
period_of(Report *r, TimestampTz at)
{
	TimestampTz *period;

	if (at < r->since)
		return DT_NOBEGIN;
	period = &r->periods[Min(day_of(at) - r->first_day, r->ndays - 1)];
	if (*period == DT_NOEND)
		*period = DatumGetTimestamp(DirectFunctionCall2(timestamp_trunc, PointerGetDatum(r->step), TimestampGetDatum(day_of(at) * USECS_PER_DAY)));
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
 * What a line of the ledger says; false if nothing that is counted.
 */
static bool
word_of(TupleTableSlot *slot, Word *word)
{
	static const struct
	{
		const char *action;
		Word		word;
	}			words[] = {{"given", WORD_GIVEN}, {"ending", WORD_ENDING}, {"refused", WORD_REFUSED}, {"withdrawn", WORD_OTHER}, {"objected", WORD_OTHER}};
	text	   *action = DatumGetTextPP(slot->tts_values[EVENT_ACTION - 1]);
	int			len = VARSIZE_ANY_EXHDR(action);
	int			i;

	for (i = 0; i < (int) lengthof(words); i++)
		if ((int) strlen(words[i].action) == len && memcmp(words[i].action, VARDATA_ANY(action), len) == 0)
		{
			*word = words[i].word;
			/* a no to some categories leaves the rest; a yes must cover the row */
			return slot->tts_isnull[EVENT_CATEGORIES - 1] ||
				((*word == WORD_GIVEN || *word == WORD_ENDING) && holds_row(DatumGetArrayTypeP(slot->tts_values[EVENT_CATEGORIES - 1])));
		}
	return false;
}

/*
 * Place of the newest word of a person.
 */
static uint32 *
head_of(Report *r, int64 person)
{
	if (person >= r->nheads)
	{
		int64		n = Max(r->nheads * 2, person + 1);

		r->heads = repalloc_huge(r->heads, sizeof(uint32) * n);
		memset(r->heads + r->nheads, 0, sizeof(uint32) * (n - r->nheads));
		r->nheads = n;
	}
	return &r->heads[person];
}

/*
 * Take a row of the ledger.
 */
static void
take_event(Report *r, TupleTableSlot *slot)
{
	int32		purpose_id = DatumGetInt32(slot->tts_values[EVENT_PURPOSE - 1]);
	TimestampTz at = DatumGetTimestampTz(slot->tts_values[EVENT_RECORDED_AT - 1]);
	int64		no = DatumGetInt64(slot->tts_values[EVENT_SUBJECT - 1]);
	NumberEntry *entry = NULL;
	uint32	   *place;
	Said	   *s;
	Word		word;

	if (purpose_id == PZ_PURPOSE_NONE || at >= r->until || no <= 0 || !word_of(slot, &word))
		return;
	if (r->nsaid == r->space)
	{
		if (r->space > PG_UINT32_MAX / 2)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("the ledger is too long for a report"),
					 errhint("Use consent_rates() for single purposes.")));
		r->space *= 2;
		r->said = repalloc_huge(r->said, sizeof(Said) * r->space);
	}
	s = &r->said[r->nsaid++];
	s->event_id = DatumGetInt64(slot->tts_values[EVENT_ID - 1]);
	s->at = at;
	s->expires_at = slot->tts_isnull[EVENT_EXPIRES_AT - 1] ? DT_NOEND : DatumGetTimestampTz(slot->tts_values[EVENT_EXPIRES_AT - 1]);
	s->purpose_id = purpose_id;
	s->word = word;
	s->gone = r->gone && hash_search(r->gone, &no, HASH_FIND, NULL) != NULL;
	if (r->linked)
		entry = hash_search(r->linked, &no, HASH_FIND, NULL);
	place = head_of(r, entry ? entry->person : no);
	/* the ledger lies mostly as it was written, and then what is there need not be looked at */
	if (s->event_id > r->newest)
		r->newest = s->event_id;
	else
		while (*place != 0 && r->said[*place - 1].event_id > s->event_id)
			place = &r->said[*place - 1].next;
	s->next = *place;
	*place = (uint32) r->nsaid;
}

/*
 * Read the ledger.
 */
static void
read_ledger(Report *r)
{
	Oid			relid = get_relname_relid("consent_event", pz_registry_oids()->extension_schema);
	Relation	rel;
	TableScanDesc scan;
	TupleTableSlot *slot;
	MemoryContext scratch;
	MemoryContext old;
	uint64		n = 0;

	if (!OidIsValid(relid))
		elog(ERROR, "the ledger is missing");	/* cannot happen: dropping it drops the extension */
	rel = table_open(relid, AccessShareLock);
	slot = table_slot_create(rel, NULL);
	scan = table_beginscan(rel, GetActiveSnapshot(), 0, NULL);
	scratch = AllocSetContextCreate(CurrentMemoryContext, "personalize report scan", ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(scratch);
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		slot_getsomeattrs(slot, EVENT_EXPIRES_AT);
		take_event(r, slot);
		if ((++n & 0xff) == 0)
		{
			MemoryContextReset(scratch);
			CHECK_FOR_INTERRUPTS();
		}
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(scratch);
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, NoLock);
}

/*
 * Is it consent, or its end set anew?
 */
static inline bool
is_yes(const Said *s)
{
	return s->word == WORD_GIVEN || s->word == WORD_ENDING;
}

/*
 * Did a word of a yes still hold at a moment?
 */
static inline bool
holds_at(const Said *s, TimestampTz at)
{
	return is_yes(s) && s->expires_at > s->at && s->expires_at > at;
}

/*
 * Go through what a person said of one purpose, the oldest first.
 */
static void
count_purpose(Report *r, const Said *const *lines, int n)
{
	int			i;
	int			j;

	for (i = 0; i < n; i++)
	{
		const Said *x = lines[i];
		const Said *after = i + 1 < n ? lines[i + 1] : NULL;
		TimestampTz period = period_of(r, x->at);
		Cell	   *cell = cell_of(r, period, x->purpose_id);
		bool		was = i > 0 && holds_at(lines[i - 1], x->at);
		bool		over = is_yes(x) && x->expires_at <= r->until && (after == NULL || after->at >= x->expires_at);

		cell->began += is_yes(x) && !was;
		cell->opted_out += !is_yes(x) && was;
		cell->ended += !is_yes(x) && was;
		if (x->word == WORD_GIVEN || x->word == WORD_REFUSED)
		{
			/* the last answer of a period counts */
			for (j = i + 1; j < n; j++)
				if (lines[j]->word == WORD_GIVEN || lines[j]->word == WORD_REFUSED)
					break;
			if (j == n || period_of(r, lines[j]->at) > period)
			{
				cell->answered++;
				cell->opted_in += x->word == WORD_GIVEN;
			}
		}
		if (after == NULL && !x->gone)
		{
			cell->yes += is_yes(x) && !over;
			cell->over += over;
			cell->no += !is_yes(x);
		}
		if (over)
			cell_of(r, period_of(r, Max(x->expires_at, x->at)), x->purpose_id)->ended++;
	}
}

/*
 * Order by purpose, then as it was said.
 */
static int
compare_said(const void *a, const void *b)
{
	const Said *x = *(const Said *const *) a;
	const Said *y = *(const Said *const *) b;

	if (x->purpose_id != y->purpose_id)
		return x->purpose_id < y->purpose_id ? -1 : 1;
	return x->event_id < y->event_id ? -1 : x->event_id > y->event_id;
}

/*
 * Go through what everybody said.
 */
static void
count_persons(Report *r)
{
	int			space = 64;
	const Said **lines = palloc(sizeof(Said *) * space);
	int64		person;

	for (person = 0; person < r->nheads; person++)
	{
		uint32		place;
		int			n = 0;
		int			from;
		int			to;

		if ((person & 0xfff) == 0)
			CHECK_FOR_INTERRUPTS();
		/* memory takes its time: ask for what is needed soon */
		if (person + AHEAD < r->nheads && r->heads[person + AHEAD] != 0)
			PZ_PREFETCH(&r->said[r->heads[person + AHEAD] - 1]);
		if (person + AHEAD / 2 < r->nheads && r->heads[person + AHEAD / 2] != 0 && r->said[r->heads[person + AHEAD / 2] - 1].next != 0)
			PZ_PREFETCH(&r->said[r->said[r->heads[person + AHEAD / 2] - 1].next - 1]);
		for (place = r->heads[person]; place != 0; place = r->said[place - 1].next)
		{
			if (n == space)
				lines = repalloc_huge(lines, sizeof(Said *) * (space *= 2));
			lines[n++] = &r->said[place - 1];
		}
		if (n > 1)
			qsort(lines, n, sizeof(Said *), compare_said);
		for (from = 0; from < n; from = to)
		{
			for (to = from; to < n && lines[to]->purpose_id == lines[from]->purpose_id; to++)
				;
			count_purpose(r, lines + from, to - from);
		}
	}
}

/*
 * A table in memory by keys.
 */
static HTAB *
make_table(Size keysize, Size entrysize)
{
	HASHCTL		ctl = {0};

	ctl.keysize = keysize;
	ctl.entrysize = entrysize;
	ctl.hcxt = CurrentMemoryContext;
	return hash_create("personalize report", 256, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/*
 * Numbers that a query returns, with a second one each; NULL if there are none.
 */
static HTAB *
numbers_of(Report *r, const char *query)
{
	HTAB	   *table;
	uint64		i;

	SPI_connect();
	if (SPI_execute(query, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read tables of the extension");	/* cannot happen: the queries below are SELECTs */
	if (SPI_processed == 0)
	{
		SPI_finish();
		return NULL;
	}
	MemoryContextSwitchTo(r->mcxt);
	table = make_table(sizeof(int64), sizeof(NumberEntry));
	for (i = 0; i < SPI_processed; i++)
	{
		bool		isnull;
		int64		no = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull));
		NumberEntry *entry = hash_search(table, &no, HASH_ENTER, NULL);

		entry->person = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 2, &isnull));
	}
	SPI_finish();
	return table;
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
	HASH_SEQ_STATUS seq;
	Cell	   *cell;
	int64		i;

	pz_require_preloaded();
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	r.mcxt = CurrentMemoryContext;
	r.step = PG_GETARG_TEXT_PP(0);
	r.since = PG_GETARG_TIMESTAMPTZ(1);
	r.until = PG_GETARG_TIMESTAMPTZ(2);
	if (TIMESTAMP_NOT_FINITE(r.since) || TIMESTAMP_NOT_FINITE(r.until) || r.since > r.until)
		elog(ERROR, "a report must have a start and an end");	/* cannot happen: report_html() sees to it */
	r.first_day = day_of(r.since);
	r.ndays = day_of(r.until) - r.first_day + 1;
	r.periods = MemoryContextAllocHuge(r.mcxt, sizeof(TimestampTz) * r.ndays);
	for (i = 0; i < r.ndays; i++)
		r.periods[i] = DT_NOEND;
	r.cells = make_table(sizeof(CellKey), sizeof(Cell));
	r.space = 1024;
	r.said = palloc(sizeof(Said) * r.space);
	r.nheads = 1024;
	r.heads = palloc0(sizeof(uint32) * r.nheads);
	r.linked = numbers_of(&r, "SELECT l.subject_no, l.group_no FROM personalize.linked AS l");
	/* who is erased, or restricted all processing, is not counted as somebody who says something now */
	r.gone = numbers_of(&r, "SELECT s.subject_no, 0::pg_catalog.int8 FROM personalize.subject AS s WHERE s.key IS NULL OR s.tombstoned"
						" UNION ALL SELECT r.subject_no, 0::pg_catalog.int8 FROM personalize.consent_event AS r"
						" WHERE r.purpose_id OPERATOR(pg_catalog.=) 0 AND r.action OPERATOR(pg_catalog.=) 'restricted'::pg_catalog.text"
						" AND NOT EXISTS (SELECT FROM personalize.consent_event AS n"
						" WHERE n.subject_no OPERATOR(pg_catalog.=) r.subject_no AND n.purpose_id OPERATOR(pg_catalog.=) 0"
						" AND n.event_id OPERATOR(pg_catalog.>) r.event_id)");
	read_ledger(&r);
	count_persons(&r);
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
	return (Datum) 0;
}
