/*-------------------------------------------------------------------------
 *
 * consent_newest.h
 *	  The newest event of each person and purpose, in memory; for
 *	  consent_load.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PZ_CONSENT_NEWEST_H
#define PZ_CONSENT_NEWEST_H

#include "executor/tuptable.h"

#include "consent_set.h"

/* The newest events of one purpose, by number of the person */
typedef struct PzNewestOf
{
	int32		purpose_id;
	uint64	  **chunks;			/* of PZ_SET_CHUNK; NULL: no events */
} PzNewestOf;

/* A list of categories that events cover */
typedef struct PzCoverage
{
	int			n;
	int32	   *categories;
} PzCoverage;

typedef struct PzNewest
{
	MemoryContext mcxt;
	TimestampTz clock;
	TimestampTz ahead;			/* what ends before ends soon */
	uint32		nchunks;
	uint32		max_no;
	int			n;
	PzNewestOf *of;
	int			ncoverages;
	PzCoverage *coverages;		/* [0]: all */
	uint32		no;				/* whom pz_newest_read() is asked for */
	bool		irregular;		/* the newest event did not tell */
} PzNewest;

/* What the newest event of somebody says, whose event it is and when aside */
#define PZ_NEWEST_SAYS(e)	((uint32) ((e) & 0xffffff))

extern void pz_newest_init(PzNewest *l, MemoryContext mcxt, TimestampTz clock, TimestampTz ahead, uint32 nchunks);
extern void pz_newest_expect(PzNewest *l, const PzPurpose *purpose);
extern bool pz_newest_take(PzNewest *l, TupleTableSlot *slot);
extern uint64 pz_newest_event(PzNewest *l, int32 purpose_id, uint32 no);
extern bool pz_newest_is_word(uint64 event);
extern bool pz_newest_has_inherited(PzNewest *l, const PzPurpose *purpose, uint32 no);
extern bool pz_newest_read(const PzQuestion *q, int32 purpose_id, PzCategoryState *cats, int ncats);

#endif							/* PZ_CONSENT_NEWEST_H */
