/*-------------------------------------------------------------------------
 *
 * consent.h
 *	  What a person agreed to.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PZ_CONSENT_H
#define PZ_CONSENT_H

#include "executor/instrument.h"
#include "pgstat.h"
#include "registry.h"
#include "utils/rel.h"
#include "utils/snapshot.h"

typedef enum PzConsentState
{
	PZ_STATE_UNKNOWN = 0,
	PZ_STATE_GIVEN,
	PZ_STATE_REFUSED,
	PZ_STATE_WITHDRAWN,
	PZ_STATE_OBJECTED,
	PZ_STATE_RESTRICTED,
	PZ_STATE_EXPIRED,
	PZ_STATE_ERASED
} PzConsentState;

typedef struct PzDecision
{
	bool		permitted;
	PzConsentState state;		/* by the ledger; the legal basis may permit whatever it says */
	int64		subject_no;		/* 0: the person has no number yet */
	bool		own_subject;	/* the own transaction made the number, and may take it back */
	int64		event_id;		/* the event that decided; 0: none */
	int64		recorded_at;	/* its time; 0: none */
	int64		expires_at;		/* of the consent in force; 0: does not expire */
	bool		is_explicit;
	bool		needs_explicit; /* given, but not explicitly where that is asked for */
	int32		inherited_from; /* purpose whose events decided, if not the asked one; else 0 */
	int			ncategories;	/* categories now permitted */
	int32	   *categories;		/* allocated only if want_categories */
} PzDecision;

/* What was counted before a look into the ledger */
typedef struct PzQuiet
{
	BufferUsage buffers;
	int			n;
	Relation	rels[2];
	PgStat_TableCounts counts[2];
} PzQuiet;

/* consent_quiet.c */
extern void pz_quiet_begin(PzQuiet *quiet);
extern void pz_quiet_watch(PzQuiet *quiet, Relation rel);
extern void pz_quiet_end(PzQuiet *quiet);

/* consent.c */
extern Snapshot pz_consent_snapshot(void);
extern void pz_consent_learn(Snapshot snapshot);
extern void pz_consent_decide(Snapshot snapshot, TimestampTz clock, TimestampTz as_of,
							  int32 kind_id, const char *key, size_t keylen,
							  const PzPurpose *purpose, bool want_categories,
							  PzDecision *decision);
extern const char *pz_consent_state_name(PzConsentState state);

#endif							/* PZ_CONSENT_H */
