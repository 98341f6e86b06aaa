/*-------------------------------------------------------------------------
 *
 * purpose.h
 *	  The purpose a session states, and how long it lasts.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PZ_PURPOSE_H
#define PZ_PURPOSE_H

#include "nodes/parsenodes.h"
#include "registry.h"

/* Why a statement is refused, in words; all fields are ready for ereport */
typedef struct PzRefusal
{
	int			sqlerrcode;
	const char *reason;			/* short, for the record: "no purpose", ... */
	const char *message;
	const char *hint;
} PzRefusal;

extern void pz_purpose_check_set(VariableSetStmt *stmt);
extern void pz_purpose_end_transaction(void);
extern const PzRefusal *pz_purpose_refuse(const char *reason, const char *message, const char *hint);
extern const PzRefusal *pz_purpose_refusal(const char *purpose_name, const PzPurpose *purpose,
										   Oid role, const char *relation_name, bool *may_copy);

#endif							/* PZ_PURPOSE_H */
