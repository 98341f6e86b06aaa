/*-------------------------------------------------------------------------
 *
 * audit_text.h
 *	  Text of a statement without its constants.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PZ_AUDIT_TEXT_H
#define PZ_AUDIT_TEXT_H

extern const char *pz_audit_text(const char *source, int location, int len, uint64 query_id);

#endif							/* PZ_AUDIT_TEXT_H */
