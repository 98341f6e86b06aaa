/*-------------------------------------------------------------------------
 *
 * audit_set.h
 *	  Packed sets of subject numbers.
 *
 * The upper bits of a number say in which chunk it is, the lower 16 are a
 * member of the chunk.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PZ_AUDIT_SET_H
#define PZ_AUDIT_SET_H

#define PZ_SET_CHUNK(number)	((int32) ((number) >> 16))
#define PZ_SET_MEMBER(number)	((uint16) ((number) & 0xffff))
#define PZ_SET_NUMBER(chunk, member)	((((int64) (chunk)) << 16) | (member))

extern bytea *pz_set_pack(const uint16 *members, int n);
extern int	pz_set_unpack(const bytea *set, uint16 *members);
extern bool pz_set_has(const bytea *set, uint16 member);

#endif							/* PZ_AUDIT_SET_H */
