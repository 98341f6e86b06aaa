/*-------------------------------------------------------------------------
 *
 * pz.h
 *	  Words that every layer of personalize uses: ids, enums and the records
 *	  that travel from one layer to the next.  No functions.
 *
 * Data flows one way: registry -> consent -> enforce -> audit -> rights.
 * Enforcement fills PzUse records; hooks.c hands them to the audit.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PZ_H
#define PZ_H

#include "lib/ilist.h"
#include "nodes/bitmapset.h"
#include "nodes/pg_list.h"
#include "utils/timestamp.h"

#define PZ_EXTENSION	"personalize"
#define PZ_SCHEMA		"personalize"

/* Numbers of the built-in purposes, see sql/tables/20_registry.sql */
#define PZ_PURPOSE_NONE			0	/* no purpose, or "all purposes" in the ledger */
#define PZ_PURPOSE_BACKUP		1
#define PZ_PURPOSE_BREAK_GLASS	2
#define PZ_PURPOSE_RIGHTS		3
#define PZ_PURPOSE_MAINTENANCE	4	/* cannot be granted or stated */

#define PZ_CATEGORY_ROW			0	/* consent to the row itself, no category named */
#define PZ_CATEGORY_NONE		1	/* column is not personal by itself */

/* Physical type of the keys of a kind of subject */
typedef enum PzKeyType
{
	PZ_KEY_UNSET = 0,			/* kind exists, nothing protected under it yet */
	PZ_KEY_INT,					/* smallint, integer, bigint: handled as int64 */
	PZ_KEY_UUID,
	PZ_KEY_TEXT					/* text, varchar: compared byte by byte */
} PzKeyType;

typedef enum PzLegalBasis
{
	PZ_BASIS_CONSENT,
	PZ_BASIS_EXPLICIT_CONSENT,
	PZ_BASIS_CONTRACT,
	PZ_BASIS_LEGAL_OBLIGATION,
	PZ_BASIS_VITAL_INTEREST,
	PZ_BASIS_PUBLIC_INTEREST,
	PZ_BASIS_LEGITIMATE_INTEREST
} PzLegalBasis;

/* How a use ended; also the values of usage.status */
typedef enum PzUseStatus
{
	PZ_USE_OPEN = 0,			/* the statement is running, or its cursor is */
	PZ_USE_ENDED,
	PZ_USE_FAILED,				/* error, cancel, rolled back cursor, client gone */
	PZ_USE_CRASHED,				/* server died: everybody then permitted counts */
	PZ_USE_REFUSED				/* no row was evaluated */
} PzUseStatus;

/* What a recorded set of subjects promises; also the values of usage.precision */
typedef enum PzPrecision
{
	PZ_EXACT = 0,
	PZ_BOUNDED,					/* delivered <= recorded <= input */
	PZ_SUPERSET					/* what the scan passed on */
} PzPrecision;

/*
 * One subject that a use has seen.  Where key is set it counts, not the
 * number: a person without a dense number yet (no consent event so far), or
 * one whose number the own transaction has made and may take back.  It is the
 * canonical text, allocated in the use's context.
 */
typedef struct PzSeen
{
	int64		subject_no;
	int32		kind_id;
	const char *key;
} PzSeen;

/*
 * A use: one statement, one protected relation, one purpose.  Made by
 * enforcement at ExecutorStart in a memory context of its own below
 * TopMemoryContext (mcxt), so that it outlives the executor's memory when a
 * transaction aborts.  The audit reads it and keeps its own marks in the
 * fields below "audit".
 */
typedef struct PzUse
{
	dlist_node	node;
	MemoryContext mcxt;			/* holds the use and all it points to */

	/* who and what, frozen at ExecutorStart */
	TimestampTz started_at;
	Oid			role;			/* outer user: SET ROLE counts, SECURITY DEFINER does not */
	Oid			session_role;
	const char *role_name;
	const char *session_role_name;
	const char *app_user;		/* personalize.app_user or NULL */
	const char *context;		/* personalize.context or NULL */
	int32		purpose_id;		/* PZ_PURPOSE_NONE: none or unknown */
	const char *purpose_name;	/* as the session stated it; "" if none */
	const char *legal_basis;	/* as in registry_purpose, "" if unknown */
	Oid			relid;			/* the protected relation (not its child) */
	const char *relation_name;	/* schema-qualified and quoted */
	const char *columns;		/* "a, b": names of the columns the query names, quoted */
	const char *categories;		/* "a, b": names of their categories */
	uint64		query_id;		/* 0: not computed */
	const char *source_text;	/* as the client sent it, with literals; may be NULL */
	int			stmt_location;	/* of this statement in source_text, -1 unknown */
	int			stmt_len;		/* 0: to the end */
	const char *observed;		/* mode observe: why it would have been refused; NULL: it would not */

	/* counted while rows flow */
	uint64		rows_used;		/* evaluations of the row check that passed */
	uint64		rows_withheld;	/* ... that did not */
	PzPrecision precision;
	PzSeen	   *seen;			/* distinct subjects in the order first met, but for ... */
	uint64		nseen;			/* entries used */
	uint64		seen_reserved;	/* entries that may still come without allocating */
	uint64		seen_space;		/* entries allocated */
	struct PzNumbers *numbers;	/* ... those kept as bits */

	/* audit */
	int64		age;			/* of what a standby knew of consent, microseconds; 0 on a primary */
	bool		in_log;			/* recorded in the log of a standby, from the intent to the end */
	uint64		use_no;			/* per session; 0: intent not written yet */
	uint64		nsent;			/* entries of seen already in the WAL */
	bool		lazily;			/* the intent is written only when rows were found */
	bool		done;			/* the closing record is written */
} PzUse;

#endif							/* PZ_H */
