/*-------------------------------------------------------------------------
 *
 * consent_hash.c
 *	  A keyed hash of 128 bits for keys of subjects.
 *
 * SipHash-2-4 with 128 bits of output: J.-P. Aumasson and D. J. Bernstein,
 * "SipHash: a fast short-input PRF", 2012.  Without the secret key nobody can
 * make two texts with the same hash, so a chosen e-mail address cannot borrow
 * somebody's consent.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "port/pg_bswap.h"

#include "consent_set.h"

#define ROTL(x, b) (((x) << (b)) | ((x) >> (64 - (b))))

#define SIP_ROUND \
	do { \
		v0 += v1; v1 = ROTL(v1, 13); v1 ^= v0; v0 = ROTL(v0, 32); \
		v2 += v3; v3 = ROTL(v3, 16); v3 ^= v2; \
		v0 += v3; v3 = ROTL(v3, 21); v3 ^= v0; \
		v2 += v1; v1 = ROTL(v1, 17); v1 ^= v2; v2 = ROTL(v2, 32); \
	} while (0)

/* Eight bytes, least significant first. */
static inline uint64
load_le(const uint8 *p)
{
	uint64		v;

	memcpy(&v, p, sizeof(v));
#ifdef WORDS_BIGENDIAN
	v = pg_bswap64(v);
#endif
	return v;
}

/* The other way. */
static inline void
store_le(uint8 *p, uint64 v)
{
#ifdef WORDS_BIGENDIAN
	v = pg_bswap64(v);
#endif
	memcpy(p, &v, sizeof(v));
}

/*
 * The hash of len bytes by a key.
 */
void
pz_hash_128(const uint64 key[2], const void *data, size_t len, uint8 out[16])
{
	const uint8 *p = data;
	const uint8 *end = p + (len & ~(size_t) 7);
	uint64		v0 = UINT64CONST(0x736f6d6570736575) ^ key[0];
	uint64		v1 = UINT64CONST(0x646f72616e646f6d) ^ key[1] ^ 0xee;
	uint64		v2 = UINT64CONST(0x6c7967656e657261) ^ key[0];
	uint64		v3 = UINT64CONST(0x7465646279746573) ^ key[1];
	uint64		last = (uint64) len << 56;
	int			i;

	for (; p != end; p += 8)
	{
		uint64		m = load_le(p);

		v3 ^= m;
		SIP_ROUND;
		SIP_ROUND;
		v0 ^= m;
	}
	for (i = 0; i < (int) (len & 7); i++)
		last |= (uint64) p[i] << (8 * i);
	v3 ^= last;
	SIP_ROUND;
	SIP_ROUND;
	v0 ^= last;

	v2 ^= 0xee;
	for (i = 0; i < 4; i++)
		SIP_ROUND;
	store_le(out, v0 ^ v1 ^ v2 ^ v3);
	v1 ^= 0xdd;
	for (i = 0; i < 4; i++)
		SIP_ROUND;
	store_le(out + 8, v0 ^ v1 ^ v2 ^ v3);
}
