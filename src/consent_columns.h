/*-------------------------------------------------------------------------
 *
 * consent_columns.h
 *	  Column numbers of the ledger, see sql/tables/30_consent.sql and
 *	  32_suppression.sql.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PZ_CONSENT_COLUMNS_H
#define PZ_CONSENT_COLUMNS_H

enum
{
	SUBJECT_NO = 1, SUBJECT_KIND = 2, SUBJECT_KEY = 3, SUBJECT_TOMBSTONED = 4,
	TOMBSTONE_DIGEST = 1,
	EVENT_ID = 1, EVENT_RECORDED_AT = 3, EVENT_SUBJECT = 4, EVENT_PURPOSE = 5, EVENT_ACTION = 6,
	EVENT_CATEGORIES = 7, EVENT_EXPLICIT = 8, EVENT_EXPIRES_AT = 9,
	SUPPRESSION_SUBJECT = 1, SUPPRESSION_PURPOSE = 2, SUPPRESSION_CAUSE = 3, SUPPRESSION_UNTIL = 5
};

#endif							/* PZ_CONSENT_COLUMNS_H */
