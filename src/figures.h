/*-------------------------------------------------------------------------
 *
 * figures.h
 *	  Figures over many persons: tables read once, from their start to their end.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PZ_FIGURES_H
#define PZ_FIGURES_H

#include "consent.h"
#include "executor/tuptable.h"
#include "utils/array.h"
#include "utils/hsearch.h"

/* How much memory persons may take before they are divided */
#define FIGURES_MEMORY	(INT64CONST(256) * 1024 * 1024)

/* See sql/tables/70_exposure.sql, 73_experiments.sql and 74_outcomes.sql */
enum
{
	EXPOSURE_SUBJECT = 2, EXPOSURE_PURPOSE = 3, EXPOSURE_AT = 4,
	OUTCOME_SUBJECT = 2, OUTCOME_METRIC = 3, OUTCOME_VALUE = 4, OUTCOME_AT = 5,
	ASSIGNMENT_EXPERIMENT = 1, ASSIGNMENT_SUBJECT = 2, ASSIGNMENT_VARIANT = 3, ASSIGNMENT_AT = 5
};

/* Sums of two quantities over persons */
typedef struct PzSums
{
	double		n;
	double		sx;
	double		sxx;
	double		sy;
	double		syy;
	double		sxy;
} PzSums;

/* Who is which person, and who is counted, by number */
typedef struct PzPersons
{
	int64		max_no;
	uint64	   *counted;		/* bits; see the view counted_internal */
	HTAB	   *linked;			/* number to person, of those with several identities; NULL: nobody has */
} PzPersons;

/* One number, or -1 */
typedef struct PzNumberEntry
{
	int64		no;
	int64		person;
} PzNumberEntry;

/* Memory for rows of one size, found by index from 1 on: grows by doubling */
typedef struct PzPool
{
	MemoryContext mcxt;
	Size		size;
	uint64		n;
	uint64		space;
	char	   *rows;
} PzPool;

/* Heads of lists in a pool, by number; grows */
typedef struct PzHeads
{
	MemoryContext mcxt;
	int64		n;
	uint32	   *heads;
} PzHeads;

/* What somebody says of a purpose: yes, its end set anew, no, or it is ended otherwise */
typedef enum PzWord
{
	PZ_WORD_GIVEN, PZ_WORD_ENDING, PZ_WORD_REFUSED, PZ_WORD_OTHER
} PzWord;

/* What a person said of a purpose: how rows of PzWords begin */
typedef struct PzSaid
{
	int64		event_id;
	TimestampTz at;
	TimestampTz expires_at;		/* DT_NOEND: does not */
	uint32		next;			/* of the person, the next older one; 0: none */
	int32		purpose_id;
	uint8		word;			/* PzWord */
	bool		gone;			/* for whoever keeps it: said by an identity that is not counted */
} PzSaid;

/* What everybody said */
typedef struct PzWords
{
	PzHeads		heads;			/* by person */
	PzPool		said;
	int64		newest;			/* event_id */
} PzWords;

typedef struct PzLedger PzLedger;

/* Is a number bound to be of a person who is asked for? */
typedef bool (*PzWant) (void *arg, int64 no);

/* figures_persons.c */
extern PzPersons *pz_persons_make(Snapshot snapshot);
extern HTAB *pz_persons_linked(void);
extern int64 pz_persons_group(HTAB *linked, int64 no);
extern void pz_figures_scan(const char *table, Snapshot snapshot, int natts,
							void (*take) (void *arg, TupleTableSlot *slot), void *arg);
extern HTAB *pz_figures_table(const char *name, Size keysize, Size entrysize, int flags);
extern void pz_pool_init(PzPool *pool, Size size);
extern uint32 pz_pool_add(PzPool *pool, void **row);
extern void pz_heads_init(PzHeads *heads, int64 n);
extern uint32 *pz_heads_at(PzHeads *heads, int64 i);

/* figures_words.c */
extern void pz_words_init(PzWords *words, Size size);
extern bool pz_words_read(TupleTableSlot *slot, PzWord *word);
extern PzSaid *pz_words_add(PzWords *words, TupleTableSlot *slot, int64 person, PzWord word);
extern void pz_words_go_through(const PzWords *words, void (*take) (void *arg, const PzSaid **lines, int n), void *arg);
extern int64 pz_words_day(TimestampTz at);
extern TimestampTz pz_words_period(text *step, int64 day);

/* figures_ledger.c */
extern PzLedger *pz_ledger_load(Snapshot snapshot, const int32 *purposes, int npurposes, bool times, PzWant want, void *arg);
extern bool pz_ledger_next(const PzLedger *ledger, int64 no, uint32 *next, TimestampTz *at);
extern void pz_ledger_decide(PzLedger *ledger, int64 no, const PzPurpose *purpose, TimestampTz at, PzDecision *decision);

/*
 * Is a number that of somebody who is counted?
 */
static inline bool
pz_is_counted(const PzPersons *persons, int64 no)
{
	return no > 0 && no <= persons->max_no && ((persons->counted[no / 64] >> (no % 64)) & 1) != 0;
}

/*
 * The person with a number; 0: is not counted.
 */
static inline int64
pz_person_of(const PzPersons *persons, int64 no)
{
	if (!pz_is_counted(persons, no))
		return 0;
	return persons->linked ? pz_persons_group(persons->linked, no) : no;
}

/*
 * Add what is known of one person.  Sums of squares are kept as var_samp() does (Youngs
 * and Cramer 1971), so that variances are the same but for the order of the persons.
 */
static inline void
pz_sums_add(PzSums *s, double x, double y)
{
	s->n += 1;
	s->sx += x;
	s->sy += y;
	if (s->n > 1)
	{
		double		dx = x * s->n - s->sx;
		double		dy = y * s->n - s->sy;
		double		scale = 1.0 / (s->n * (s->n - 1));

		s->sxx += dx * dx * scale;
		s->syy += dy * dy * scale;
		s->sxy += dx * dy * scale;
	}
}

/*
 * A variance or covariance of a sample; NULL of one person.
 */
static inline Datum
pz_sums_per_degree(const PzSums *s, double sum, bool *isnull)
{
	*isnull = s->n < 2;
	return Float8GetDatum(*isnull ? 0 : sum / (s->n - 1));
}

/*
 * A row of a pool by its index.
 */
static inline void *
pz_pool_at(const PzPool *pool, uint32 index)
{
	return pool->rows + pool->size * (index - 1);
}

/*
 * What was said, by its index.
 */
static inline PzSaid *
pz_words_at(const PzWords *words, uint32 index)
{
	return (PzSaid *) pz_pool_at(&words->said, index);
}

/*
 * Is it consent, or its end set anew?
 */
static inline bool
pz_words_is_yes(const PzSaid *s)
{
	return s->word == PZ_WORD_GIVEN || s->word == PZ_WORD_ENDING;
}

#endif							/* PZ_FIGURES_H */
