/*-------------------------------------------------------------------------
 *
 * numbers.h
 *	  Numbers of persons that a check has let through, whether they are noted as
 *	  used, and whether that is in the WAL.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PZ_NUMBERS_H
#define PZ_NUMBERS_H

#define PZ_NUMBERS_BITS		15	/* numbers of one chunk: 32,768 */
#define PZ_NUMBERS_WORDS	((1 << PZ_NUMBERS_BITS) / 64)

/* Bits of a chunk of numbers; each is among those of the line before */
typedef struct PzNumberChunk
{
	uint64		passed[PZ_NUMBERS_WORDS];
	uint64		seen[PZ_NUMBERS_WORDS];
	uint64		sent[PZ_NUMBERS_WORDS];
} PzNumberChunk;

/* A set of numbers; empty if zeroed */
typedef struct PzNumbers
{
	bool		bits;			/* kept as bits, not in the table */
	uint32		n;
	uint32		nslots;			/* a power of two */
	uint32	   *slots;			/* 0: free */
	bool	   *slot_seen;
	uint32		nchunks;
	PzNumberChunk **chunks;
	uint32		nunsent;		/* noted and not sent; only while bits */
	uint32		unsent_from;	/* no chunk before has any */
	struct PzNumbers *next;		/* of the same use */
} PzNumbers;

extern bool pz_numbers_pass(PzNumbers *s, MemoryContext mcxt, uint32 no);
extern bool pz_numbers_slot_seen(const PzNumbers *s, uint32 no);
extern bool pz_numbers_see(PzNumbers *s, uint32 no);
extern void pz_numbers_see_all(PzNumbers *s, void (*note) (void *arg, uint32 no), void *arg);
extern uint32 pz_numbers_unsent(const PzNumbers *s, int64 *numbers, uint32 max);
extern void pz_numbers_sent(PzNumbers *s, uint32 n);

/*
 * Is a number noted already?  For what is asked for each row.
 */
static inline bool
pz_numbers_has_seen(const PzNumbers *s, uint32 no)
{
	const PzNumberChunk *chunk;

	if (!s->bits)
		return pz_numbers_slot_seen(s, no);
	chunk = (no >> PZ_NUMBERS_BITS) < s->nchunks ? s->chunks[no >> PZ_NUMBERS_BITS] : NULL;
	return chunk && ((chunk->seen[(no / 64) % PZ_NUMBERS_WORDS] >> (no % 64)) & 1) != 0;
}

#endif							/* PZ_NUMBERS_H */
