/*-------------------------------------------------------------------------
 *
 * keys.h
 *	  The secret keys of this cluster.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PZ_KEYS_H
#define PZ_KEYS_H

#define PZ_MAC_LEN	32			/* bytes of an HMAC-SHA256 */

/* In place of a kind: what the key file is known by */
#define PZ_KEYS_NAME	(-2)

extern void pz_keys_load(void);
extern bool pz_keys_prepare(void);
extern bool pz_keys_mac(const void *data, size_t len, uint8 out[PZ_MAC_LEN]);
extern bool pz_keys_verify(const void *data, size_t len, const uint8 mac[PZ_MAC_LEN]);
extern bool pz_keys_digest(int32 kind_id, const char *key, size_t len, uint8 out[PZ_MAC_LEN]);

#endif							/* PZ_KEYS_H */
