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

/* How many levels of broader purposes a purpose may have; see define_purpose() */
#define PZ_MAX_PARENTS	32

typedef enum PzConsentState
{
	PZ_STATE_UNKNOWN = 0,
	PZ_STATE_GIVEN,
	PZ_STATE_REFUSED,
	PZ_STATE_WITHDRAWN,
	PZ_STATE_OBJECTED,
	PZ_STATE_RESTRICTED,
	PZ_STATE_EXPIRED,
	PZ_STATE_ERASED,
	PZ_STATE_PRESUMED			/* nobody said anything: a law lets us until the person says no */
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
	int64		first_end;		/* when the first of the consents asked for ends; 0: none does */
	int64		last_end;		/* when the last of those that have ended did; 0: none has */
	bool		is_explicit;
	bool		needs_explicit; /* given, but not explicitly where that is asked for */
	int32		inherited_from; /* purpose whose events decided, if not the asked one; else 0 */
	const char *suppressed;		/* why it is kept back although it is permitted otherwise; NULL: it is not */
	int			ncategories;	/* categories now permitted */
	int32	   *categories;		/* allocated only if want_categories */
} PzDecision;

/* What was said of one category */
typedef struct PzCategoryState
{
	int32		category_id;
	bool		decided;
	PzConsentState state;
	bool		is_explicit;
	int64		event_id;
	TimestampTz recorded_at;
	TimestampTz expires_at;		/* 0: does not expire */
	int32		purpose_id;		/* whose event it was */
} PzCategoryState;

/*
 * One question, and who answers it: read decides those of cats that a purpose's
 * own events decide, and returns whether there is any word of the person's: a
 * presumption and its end are none.  pz_consent_said() has it note when a consent
 * ends.
 */
typedef struct PzQuestion
{
	bool		(*read) (const struct PzQuestion *q, int32 purpose_id, PzCategoryState *cats, int ncats);
	void	   *arg;
	Snapshot	snapshot;
	TimestampTz clock;
	TimestampTz as_of;			/* events recorded later do not count */
	int64		subject_no;
	PzDecision *decision;		/* may be NULL; told of ends */
} PzQuestion;

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
extern void pz_consent_decide_number(Snapshot snapshot, TimestampTz clock, int64 subject_no,
									 const PzPurpose *purpose, PzDecision *decision);
extern PzConsentState pz_consent_state_of(const char *action);
extern bool pz_consent_is_word(PzConsentState state);
extern const char *pz_consent_state_name(PzConsentState state);

/* consent_suppression.c */
extern void pz_suppression_apply(Snapshot snapshot, TimestampTz clock, int64 subject_no, const PzPurpose *purpose,
								 PzDecision *decision);

/* consent_judge.c */
extern void pz_consent_said(const PzQuestion *q, PzCategoryState *c, PzConsentState state, TimestampTz expires_at);
extern void pz_consent_judge(const PzQuestion *q, const PzPurpose *purpose, bool want_categories, PzDecision *decision);

#endif							/* PZ_CONSENT_H */
