/*-------------------------------------------------------------------------
 *
 * enforce_numbers.c
 *	  Numbers of persons that a check has let through, and whether they are noted
 *	  as used.
 *
 * A few stand in a small hash table, many in bits: chunks of 32,768 numbers, 8 kB
 * each.  Noting needs no memory, since it may happen while a transaction aborts.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "port/pg_bitutils.h"
#include "utils/memutils.h"

#include "enforce_numbers.h"

#define SLOTS_FIRST		16
#define SLOTS_MAX		8192	/* more are kept as bits */
#define CHUNK_BITS		15
#define CHUNK_WORDS		((1 << CHUNK_BITS) / 64)

/* Bits of a chunk of numbers */
struct PzNumberChunk
{
	uint64		passed[CHUNK_WORDS];
	uint64		seen[CHUNK_WORDS];
};

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
static struct PzNumberChunk *
make_chunk(PzNumbers *s, MemoryContext mcxt, uint32 no)
{
	uint32		c = no >> CHUNK_BITS;

	if (c >= s->nchunks)
	{
		uint32		n = Max(c + 1, s->nchunks * 2);
		struct PzNumberChunk **chunks = MemoryContextAllocZero(mcxt, n * sizeof(struct PzNumberChunk *));

		if (s->chunks)
		{
			memcpy(chunks, s->chunks, s->nchunks * sizeof(struct PzNumberChunk *));
			pfree(s->chunks);
		}
		s->chunks = chunks;
		s->nchunks = n;
	}
	if (s->chunks[c] == NULL)
		s->chunks[c] = MemoryContextAllocZero(mcxt, sizeof(struct PzNumberChunk));
	return s->chunks[c];
}

/* From the table to bits, which are looked at once all of them are there. */
static void
make_bits(PzNumbers *s, MemoryContext mcxt)
{
	uint32		i;

	for (i = 0; i < s->nslots; i++)
	{
		uint32		no = s->slots[i];
		struct PzNumberChunk *chunk;
		uint32		bit = no & ((1 << CHUNK_BITS) - 1);

		if (no == 0)
			continue;
		chunk = make_chunk(s, mcxt, no);
		chunk->passed[bit / 64] |= UINT64CONST(1) << (bit % 64);
		if (s->slot_seen[i])
			chunk->seen[bit / 64] |= UINT64CONST(1) << (bit % 64);
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
	uint32		bit = no & ((1 << CHUNK_BITS) - 1);
	uint64		mask = UINT64CONST(1) << (bit % 64);
	struct PzNumberChunk *chunk;

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
	if (chunk->passed[bit / 64] & mask)
		return false;
	chunk->passed[bit / 64] |= mask;
	s->n++;
	return true;
}

/*
 * A number that was let through is noted.  True if it was not before.  Does not
 * raise or allocate.
 */
bool
pz_numbers_see(PzNumbers *s, uint32 no)
{
	uint32		bit = no & ((1 << CHUNK_BITS) - 1);
	uint64		mask = UINT64CONST(1) << (bit % 64);
	struct PzNumberChunk *chunk;

	if (!s->bits)
	{
		uint32		i = slot_of(s, no);

		Assert(s->slots[i] == no);
		if (s->slot_seen[i])
			return false;
		s->slot_seen[i] = true;
		return true;
	}
	chunk = s->chunks[no >> CHUNK_BITS];
	Assert(chunk->passed[bit / 64] & mask);
	if (chunk->seen[bit / 64] & mask)
		return false;
	chunk->seen[bit / 64] |= mask;
	return true;
}

/*
 * Is a number noted already?  For what is asked for each row.
 */
bool
pz_numbers_has_seen(const PzNumbers *s, uint32 no)
{
	uint32		bit = no & ((1 << CHUNK_BITS) - 1);
	struct PzNumberChunk *chunk;

	if (!s->bits)
		return s->nslots > 0 && s->slot_seen[slot_of(s, no)];
	chunk = (no >> CHUNK_BITS) < s->nchunks ? s->chunks[no >> CHUNK_BITS] : NULL;
	return chunk && (chunk->seen[bit / 64] & (UINT64CONST(1) << (bit % 64))) != 0;
}

/*
 * Note every number that was let through: note is called for those that were not
 * noted before.  Does not raise or allocate.
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
		for (w = 0; s->chunks[i] && w < CHUNK_WORDS; w++)
		{
			uint64		left = s->chunks[i]->passed[w] & ~s->chunks[i]->seen[w];

			s->chunks[i]->seen[w] |= left;
			for (; left != 0; left &= left - 1)
				note(arg, (i << CHUNK_BITS) + w * 64 + pg_rightmost_one_pos64(left));
		}
}
