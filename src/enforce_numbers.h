/*-------------------------------------------------------------------------
 *
 * enforce_numbers.h
 *	  Numbers of persons that a check has let through.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PZ_ENFORCE_NUMBERS_H
#define PZ_ENFORCE_NUMBERS_H

/* A set of numbers; empty if zeroed */
typedef struct PzNumbers
{
	bool		bits;			/* kept as bits, not in the table */
	uint32		n;
	uint32		nslots;			/* a power of two */
	uint32	   *slots;			/* 0: free */
	bool	   *slot_seen;
	uint32		nchunks;
	struct PzNumberChunk **chunks;
} PzNumbers;

extern bool pz_numbers_pass(PzNumbers *s, MemoryContext mcxt, uint32 no);
extern bool pz_numbers_has_seen(const PzNumbers *s, uint32 no);
extern bool pz_numbers_see(PzNumbers *s, uint32 no);
extern void pz_numbers_see_all(PzNumbers *s, void (*note) (void *arg, uint32 no), void *arg);

#endif							/* PZ_ENFORCE_NUMBERS_H */
