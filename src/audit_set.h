/*-------------------------------------------------------------------------
 *
 * audit_set.h
 *	  Packed sets of subject numbers.
 *
 * A number is in the chunk that it makes divided by PZ_SET_NUMBERS; the rest is
 * the member.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PZ_AUDIT_SET_H
#define PZ_AUDIT_SET_H

#define PZ_SET_NUMBERS	15360	/* in a chunk: four bitmaps, with their rows, fill a page */
#define PZ_SET_CHUNK(number)	((int32) ((number) / PZ_SET_NUMBERS))
#define PZ_SET_MEMBER(number)	((uint16) ((number) % PZ_SET_NUMBERS))
#define PZ_SET_NUMBER(chunk, member)	(((int64) (chunk)) * PZ_SET_NUMBERS + (member))

extern bytea *pz_set_pack(const uint16 *members, int n);
extern int	pz_set_unpack(const bytea *set, uint16 *members);
extern bool pz_set_has(const bytea *set, uint16 member);

#endif							/* PZ_AUDIT_SET_H */
