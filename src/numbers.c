/*-------------------------------------------------------------------------
 *
 * numbers.c
 *	  Numbers of persons that a check has let through, whether they are noted as
 *	  used, and whether that is in the WAL.
 *
 * A few stand in a small hash table, and the use lists those that are noted.  Many
 * stand in bits, chunks of 32,768 numbers, from which the messages are made: a
 * list would have to be sorted for it, which cost a tenth of a large scan.  Noting
 * and sending need no memory, since both happen while a transaction aborts.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "port/pg_bitutils.h"
#include "utils/memutils.h"

#include "numbers.h"

#define SLOTS_FIRST		16
#define SLOTS_MAX		8192	/* more are kept as bits */

/* Where the bit of a number is in its chunk. */
#define WORD(no)		(((no) / 64) % PZ_NUMBERS_WORDS)
#define MASK(no)		(UINT64CONST(1) << ((no) % 64))

/* The slot of a number in the table: its own, or the free one where it belongs. */
static inline uint32
slot_of(const PzNumbers *s, uint32 no)
{
	uint32		i = murmurhash32(no) & (s->nslots - 1);

	while (s->slots[i] != 0 && s->slots[i] != no)
		i = (i + 1) & (s->nslots - 1);
	return i;
}

/* Make or double the table. */
static void
grow_slots(PzNumbers *s, MemoryContext mcxt)
{
	PzNumbers	grown = *s;
	uint32		i;

	/* nothing changes if there is no memory */
	grown.nslots = s->nslots ? s->nslots * 2 : SLOTS_FIRST;
	grown.slots = MemoryContextAllocZero(mcxt, grown.nslots * sizeof(uint32));
	grown.slot_seen = MemoryContextAllocZero(mcxt, grown.nslots * sizeof(bool));
	for (i = 0; i < s->nslots; i++)
		if (s->slots[i] != 0)
		{
			uint32		j = slot_of(&grown, s->slots[i]);

			grown.slots[j] = s->slots[i];
			grown.slot_seen[j] = s->slot_seen[i];
		}
	if (s->slots)
	{
		pfree(s->slots);
		pfree(s->slot_seen);
	}
	*s = grown;
}

/* The chunk of a number, made if need be. */
static PzNumberChunk *
make_chunk(PzNumbers *s, MemoryContext mcxt, uint32 no)
{
	uint32		c = no >> PZ_NUMBERS_BITS;

	if (c >= s->nchunks)
	{
		uint32		n = Max(c + 1, s->nchunks * 2);
		PzNumberChunk **chunks = MemoryContextAllocZero(mcxt, n * sizeof(PzNumberChunk *));

		if (s->chunks)
		{
			memcpy(chunks, s->chunks, s->nchunks * sizeof(PzNumberChunk *));
			pfree(s->chunks);
		}
		s->chunks = chunks;
		s->nchunks = n;
	}
	if (s->chunks[c] == NULL)
		s->chunks[c] = MemoryContextAllocZero(mcxt, sizeof(PzNumberChunk));
	return s->chunks[c];
}

/*
 * From the table to bits, which are looked at once all of them are there.  Who is
 * noted already is in the list of the use.
 */
static void
make_bits(PzNumbers *s, MemoryContext mcxt)
{
	uint32		i;

	for (i = 0; i < s->nslots; i++)
	{
		uint32		no = s->slots[i];
		PzNumberChunk *chunk;

		if (no == 0)
			continue;
		chunk = make_chunk(s, mcxt, no);
		chunk->passed[WORD(no)] |= MASK(no);
		if (s->slot_seen[i])
		{
			chunk->seen[WORD(no)] |= MASK(no);
			chunk->sent[WORD(no)] |= MASK(no);
		}
	}
	pfree(s->slots);
	pfree(s->slot_seen);
	s->slots = NULL;
	s->slot_seen = NULL;
	s->nslots = 0;
	s->bits = true;
}

/*
 * A number (not 0) has been let through.  True if it is new.  Memory is taken from
 * mcxt.
 */
bool
pz_numbers_pass(PzNumbers *s, MemoryContext mcxt, uint32 no)
{
	PzNumberChunk *chunk;

	if (!s->bits)
	{
		uint32		i;

		if (s->n * 2 >= s->nslots)
		{
			if (s->nslots == SLOTS_MAX)
				make_bits(s, mcxt);
			else
				grow_slots(s, mcxt);
		}
		if (!s->bits)
		{
			i = slot_of(s, no);
			if (s->slots[i] == no)
				return false;
			s->slots[i] = no;
			s->n++;
			return true;
		}
	}
	chunk = make_chunk(s, mcxt, no);
	if (chunk->passed[WORD(no)] & MASK(no))
		return false;
	chunk->passed[WORD(no)] |= MASK(no);
	s->n++;
	return true;
}

/* Numbers of a chunk are noted. */
static inline void
count_unsent(PzNumbers *s, uint32 chunk, uint32 n)
{
	s->nunsent += n;
	s->unsent_from = Min(s->unsent_from, chunk);
}

/*
 * A number that was let through is noted.  True if it was not before.  Does not
 * raise or allocate.
 */
bool
pz_numbers_see(PzNumbers *s, uint32 no)
{
	PzNumberChunk *chunk;

	if (!s->bits)
	{
		uint32		i = slot_of(s, no);

		Assert(s->slots[i] == no);
		if (s->slot_seen[i])
			return false;
		s->slot_seen[i] = true;
		return true;
	}
	chunk = s->chunks[no >> PZ_NUMBERS_BITS];
	Assert(chunk->passed[WORD(no)] & MASK(no));
	if (chunk->seen[WORD(no)] & MASK(no))
		return false;
	chunk->seen[WORD(no)] |= MASK(no);
	count_unsent(s, no >> PZ_NUMBERS_BITS, 1);
	return true;
}

/*
 * pz_numbers_has_seen of a set that is not kept as bits.
 */
bool
pz_numbers_slot_seen(const PzNumbers *s, uint32 no)
{
	return s->nslots > 0 && s->slot_seen[slot_of(s, no)];
}

/*
 * Note every number that was let through: while they are in the table, note is
 * called for those that were not noted before.  Does not raise or allocate.
 */
void
pz_numbers_see_all(PzNumbers *s, void (*note) (void *arg, uint32 no), void *arg)
{
	uint32		i;
	uint32		w;

	for (i = 0; i < s->nslots; i++)
		if (s->slots[i] != 0 && !s->slot_seen[i])
		{
			s->slot_seen[i] = true;
			note(arg, s->slots[i]);
		}
	for (i = 0; i < s->nchunks && s->bits; i++)
		for (w = 0; s->chunks[i] && w < PZ_NUMBERS_WORDS; w++)
		{
			uint64		left = s->chunks[i]->passed[w] & ~s->chunks[i]->seen[w];

			s->chunks[i]->seen[w] |= left;
			if (left != 0)
				count_unsent(s, i, pg_popcount64(left));
		}
}

/*
 * The first numbers, at most max, that are noted and not sent, in their order.
 * Returns how many.  Does not raise or allocate.
 */
uint32
pz_numbers_unsent(const PzNumbers *s, int64 *numbers, uint32 max)
{
	uint32		n = 0;
	uint32		i;
	uint32		w;

	for (i = s->unsent_from; i < s->nchunks && n < max && n < s->nunsent; i++)
		for (w = 0; s->chunks[i] && w < PZ_NUMBERS_WORDS && n < max; w++)
		{
			uint64		left = s->chunks[i]->seen[w] & ~s->chunks[i]->sent[w];

			for (; left != 0 && n < max; left &= left - 1)
				numbers[n++] = ((int64) i << PZ_NUMBERS_BITS) + w * 64 + pg_rightmost_one_pos64(left);
		}
	return n;
}

/*
 * The first n of those are sent.  Does not raise or allocate.
 */
void
pz_numbers_sent(PzNumbers *s, uint32 n)
{
	uint32		i;
	uint32		w;

	Assert(n <= s->nunsent);
	s->nunsent -= n;
	for (i = s->unsent_from; i < s->nchunks && n > 0; i++)
	{
		s->unsent_from = i;
		for (w = 0; s->chunks[i] && w < PZ_NUMBERS_WORDS && n > 0; w++)
		{
			uint64		left = s->chunks[i]->seen[w] & ~s->chunks[i]->sent[w];

			for (; left != 0 && n > 0; left &= left - 1)
			{
				s->chunks[i]->sent[w] |= left & (~left + 1);
				n--;
			}
		}
	}
	if (s->nunsent == 0)
		s->unsent_from = s->nchunks;
}
