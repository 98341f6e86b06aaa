/*-------------------------------------------------------------------------
 *
 * figures_persons.c
 *	  What figures have in common: whom they count, how tables are read, and
 *	  memory for many rows.
 *
 * Persons are those of the view counted_internal (sql/code/76_measures.sql), one
 * for all their identities.
 *
 * Locks: AccessShareLock on each table that is read, until the transaction ends.
 * Memory: that of the caller's context, beyond a gigabyte where it must be; the
 * caller divides persons (figures_shown.c) so that it need not.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "compat.h"
#include "consent_columns.h"
#include "figures.h"
#include "progress.h"

/*
 * Call take for every row of a table of the extension that the snapshot sees,
 * with its first columns deformed.  In a memory context that is reset now and then.
 */
void
pz_figures_scan(const char *table, Snapshot snapshot, int natts,
				void (*take) (void *arg, TupleTableSlot *slot), void *arg)
{
	Oid			relid = get_relname_relid(table, pz_registry_oids()->extension_schema);
	Relation	rel;
	TableScanDesc scan;
	TupleTableSlot *slot;
	MemoryContext scratch;
	MemoryContext old;
	uint64		n = 0;

	if (!OidIsValid(relid))
		elog(ERROR, "table \"%s\" of the extension is missing", table);	/* cannot happen: dropping it drops the extension */
	pz_progress_phase(PZ_WORK_FIGURES, PZ_PHASE_TABLE, relid, 0, PZ_PROGRESS_UNKNOWN);
	rel = table_open(relid, AccessShareLock);
	slot = table_slot_create(rel, NULL);
	/* always from the start, so that sums have the same last digits */
	scan = table_beginscan_strat(rel, snapshot, 0, NULL, true, false);
	pz_progress_phase(PZ_WORK_FIGURES, PZ_PHASE_TABLE, relid, 0, RelationGetNumberOfBlocks(rel));
	scratch = AllocSetContextCreate(CurrentMemoryContext, "personalize figures scan", ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(scratch);
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		slot_getsomeattrs(slot, natts);
		take(arg, slot);
		if ((++n & 0xff) == 0)
		{
			MemoryContextReset(scratch);
			pz_progress_done(PZ_WORK_FIGURES, ItemPointerGetBlockNumber(&slot->tts_tid));
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
 * A table in memory by keys, in the current context; flags: HASH_BLOBS or HASH_STRINGS.
 */
HTAB *
pz_figures_table(const char *name, Size keysize, Size entrysize, int flags)
{
	HASHCTL		ctl = {0};

	ctl.keysize = keysize;
	ctl.entrysize = entrysize;
	ctl.hcxt = CurrentMemoryContext;
	return hash_create(name, 256, &ctl, HASH_ELEM | HASH_CONTEXT | flags);
}

/*
 * Make a pool empty; size: bytes of a row.  Rows live in the current context.
 */
void
pz_pool_init(PzPool *pool, Size size)
{
	pool->mcxt = CurrentMemoryContext;
	pool->size = MAXALIGN(size);
	pool->n = 0;
	pool->space = 1024;
	pool->rows = palloc(pool->size * pool->space);
}

/*
 * A new row of zeroes and its index.  Rows move when others are added.
 */
uint32
pz_pool_add(PzPool *pool, void **row)
{
	if (pool->n == pool->space)
	{
		if (pool->space > PG_UINT32_MAX / 2)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("there are too many rows for a figure"),
					 errhint("Ask for a shorter time.")));
		pool->space *= 2;
		pool->rows = repalloc_huge(pool->rows, pool->size * pool->space);
	}
	*row = pool->rows + pool->size * pool->n;
	memset(*row, 0, pool->size);
	return (uint32) ++pool->n;
}

/*
 * Make heads of lists, for n numbers at first.  They live in the current context.
 */
void
pz_heads_init(PzHeads *heads, int64 n)
{
	heads->mcxt = CurrentMemoryContext;
	heads->n = Max(n, 1024);
	heads->heads = MemoryContextAllocHuge(heads->mcxt, sizeof(uint32) * heads->n);
	memset(heads->heads, 0, sizeof(uint32) * heads->n);
}

/*
 * The head of a list, by its number from 0 on.
 */
uint32 *
pz_heads_at(PzHeads *heads, int64 i)
{
	if (i >= heads->n)
	{
		int64		n = Max(heads->n * 2, i + 1);

		heads->heads = repalloc_huge(heads->heads, sizeof(uint32) * n);
		memset(heads->heads + heads->n, 0, sizeof(uint32) * (n - heads->n));
		heads->n = n;
	}
	return &heads->heads[i];
}

/*
 * Run a query that returns numbers, and call take for each row with the first
 * two columns.
 */
static void
each_number(const char *query, void (*take) (void *arg, int64 a, int64 b), void *arg)
{
	uint64		i;

	SPI_connect();
	if (SPI_execute(query, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read tables of the extension");	/* cannot happen: the queries below are SELECTs */
	for (i = 0; i < SPI_processed; i++)
	{
		bool		isnull;
		HeapTuple	tup = SPI_tuptable->vals[i];

		take(arg, DatumGetInt64(SPI_getbinval(tup, SPI_tuptable->tupdesc, 1, &isnull)),
			 DatumGetInt64(SPI_getbinval(tup, SPI_tuptable->tupdesc, 2, &isnull)));
	}
	SPI_finish();
}

/* An identity and its person: put it into the table. */
static void
take_link(void *arg, int64 no, int64 group)
{
	PzNumberEntry *entry = hash_search((HTAB *) arg, &no, HASH_ENTER, NULL);

	entry->person = group;
}

/*
 * Persons of those who have several identities; NULL if nobody has.
 */
HTAB *
pz_persons_linked(void)
{
	HTAB	   *linked = pz_figures_table("personalize linked persons", sizeof(int64), sizeof(PzNumberEntry), HASH_BLOBS);

	each_number("SELECT l.subject_no, l.group_no FROM personalize.linked AS l", take_link, linked);
	if (hash_get_num_entries(linked) > 0)
		return linked;
	hash_destroy(linked);
	return NULL;
}

/*
 * The person of a number, which is the number itself unless it is in the table.
 */
int64
pz_persons_group(HTAB *linked, int64 no)
{
	PzNumberEntry *entry = hash_search(linked, &no, HASH_FIND, NULL);

	return entry ? entry->person : no;
}

/* Make room for a number. */
static void
reach(PzPersons *persons, int64 no)
{
	int64		max_no;

	if (no <= persons->max_no)
		return;
	max_no = Max(no, persons->max_no * 2) | 63;
	persons->counted = repalloc_huge(persons->counted, (max_no + 1) / 8);
	memset((char *) persons->counted + (persons->max_no + 1) / 8, 0, (max_no - persons->max_no) / 8);
	persons->max_no = max_no;
}

/* A row of personalize.subject: count it if there is a key, and it did not come back after an erasure. */
static void
take_subject(void *arg, TupleTableSlot *slot)
{
	PzPersons  *persons = arg;
	int64		no = DatumGetInt64(slot->tts_values[SUBJECT_NO - 1]);

	if (no <= 0 || slot->tts_isnull[SUBJECT_KEY - 1] || DatumGetBool(slot->tts_values[SUBJECT_TOMBSTONED - 1]))
		return;
	reach(persons, no);
	persons->counted[no / 64] |= UINT64CONST(1) << (no % 64);
}

/* Somebody whose processing is restricted is not counted. */
static void
take_restricted(void *arg, int64 no, int64 unused)
{
	PzPersons  *persons = arg;

	if (pz_is_counted(persons, no))
		persons->counted[no / 64] &= ~(UINT64CONST(1) << (no % 64));
}

/*
 * Whom figures count, in the current context.
 */
PzPersons *
pz_persons_make(Snapshot snapshot)
{
	PzPersons  *persons = palloc0(sizeof(PzPersons));

	persons->max_no = 8191;
	persons->counted = palloc0((persons->max_no + 1) / 8);
	pz_figures_scan("subject", snapshot, SUBJECT_TOMBSTONED, take_subject, persons);
	each_number("SELECT r.subject_no, 0::pg_catalog.int8 FROM personalize.consent_event AS r"
				" WHERE r.purpose_id OPERATOR(pg_catalog.=) 0 AND r.action OPERATOR(pg_catalog.=) 'restricted'::pg_catalog.text"
				" AND NOT EXISTS (SELECT FROM personalize.consent_event AS n"
				" WHERE n.subject_no OPERATOR(pg_catalog.=) r.subject_no AND n.purpose_id OPERATOR(pg_catalog.=) 0"
				" AND n.event_id OPERATOR(pg_catalog.>) r.event_id)", take_restricted, persons);
	persons->linked = pz_persons_linked();
	/* the number of a person may be that of an identity that is not counted */
	if (persons->linked)
	{
		HASH_SEQ_STATUS seq;
		PzNumberEntry *entry;

		hash_seq_init(&seq, persons->linked);
		while ((entry = hash_seq_search(&seq)) != NULL)
			reach(persons, entry->person);
	}
	return persons;
}
