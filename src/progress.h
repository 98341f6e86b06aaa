/*-------------------------------------------------------------------------
 *
 * progress.h
 *	  How far long work is: the view personalize.progress.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PZ_PROGRESS_H
#define PZ_PROGRESS_H

/* What is done; names in progress.c */
typedef enum PzWork
{
	PZ_WORK_NONE = 0,
	PZ_WORK_RECORD_CONSENTS,
	PZ_WORK_RECORD_OUTCOMES,
	PZ_WORK_RECORD_EXPOSURES,	/* whoever records may report these, and no others */
	PZ_WORK_LOAD_SET,
	PZ_WORK_INGEST,
	PZ_WORK_ERASE,
	PZ_WORK_REQUESTED,
	PZ_WORK_SWEEP,
	PZ_WORK_EXCLUSIONS,
	PZ_WORK_REAPPLY,
	PZ_WORK_VERIFY_ERASURE,
	PZ_WORK_EXPORT_SUBJECT,
	PZ_WORK_EXPORT_ROWS,
	PZ_WORK_EXPORT_CSV,
	PZ_WORK_VERIFY_AUDIT,
	PZ_WORK_STANDBY_LOG,
	PZ_WORK_FIGURES,
	PZ_WORK_REPORT
} PzWork;

/* What of it; names, and what is counted, in progress.c */
typedef enum PzPhase
{
	PZ_PHASE_STARTING = 0,
	PZ_PHASE_SOURCE,
	PZ_PHASE_RECORDING,
	PZ_PHASE_COUNTING,
	PZ_PHASE_ERASING,
	PZ_PHASE_CHECKING,
	PZ_PHASE_WAITING,
	PZ_PHASE_FORGETTING,
	PZ_PHASE_DELETING,
	PZ_PHASE_CONDITIONS,
	PZ_PHASE_SEARCHING,
	PZ_PHASE_EXPORTING,
	PZ_PHASE_DOCUMENT,
	PZ_PHASE_SAID,
	PZ_PHASE_COUNTING_KEYS,
	PZ_PHASE_KEYS,
	PZ_PHASE_WRITERS,
	PZ_PHASE_LEDGER,
	PZ_PHASE_SUPPRESSIONS,
	PZ_PHASE_DECIDING,
	PZ_PHASE_CHAIN,
	PZ_PHASE_INGESTING,
	PZ_PHASE_SENDING,
	PZ_PHASE_TABLE,
	PZ_PHASE_PARTS
} PzPhase;

#define PZ_PROGRESS_UNKNOWN	(-1)	/* as a total */

extern Size pz_progress_size(void);
extern void pz_progress_startup(void);
extern void pz_progress_begin(PzWork work, Oid relid);
extern bool pz_progress_goes_on(PzWork work);
extern void pz_progress_phase(PzWork work, PzPhase phase, Oid relid, int64 done, int64 total);
extern void pz_progress_done(PzWork work, int64 done);
extern void pz_progress_relation(Oid relid);
extern void pz_progress_end(PzWork work);
extern void pz_progress_end_transaction(void);
extern void pz_progress_end_subtransaction(bool commit);

#endif							/* PZ_PROGRESS_H */
