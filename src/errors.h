/*-------------------------------------------------------------------------
 *
 * errors.h
 *	  Error codes and words that more than one layer uses.
 *
 * Rules: a refusal is 42501, a state in which nothing may be served is 55000,
 * a value the caller can mend is 22023 or the code PostgreSQL itself gives.
 * No message, detail or hint holds a key, a value or a count of people.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PZ_ERRORS_H
#define PZ_ERRORS_H

#define PZ_ERR_REFUSED		ERRCODE_INSUFFICIENT_PRIVILEGE
#define PZ_ERR_STATE		ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE

#endif							/* PZ_ERRORS_H */
