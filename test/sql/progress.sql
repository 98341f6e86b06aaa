-- The view progress: who may read it, what is there when nothing is done, and that nothing stays. What other sessions see is in test/t/044_progress.pl.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS personalize;
SET client_min_messages = notice;
\pset null (null)
CREATE ROLE regress_progress_officer;
CREATE ROLE regress_progress_auditor;
CREATE ROLE regress_progress_app;
CREATE ROLE regress_progress_monitor;
CREATE ROLE regress_progress_metrics;
CREATE ROLE regress_progress_nobody;
GRANT pg_monitor TO regress_progress_monitor;
SELECT personalize.assign_duty('regress_progress_officer', 'officer'), personalize.assign_duty('regress_progress_auditor', 'auditor'),
	personalize.assign_duty('regress_progress_app', 'app'), personalize.assign_duty('regress_progress_metrics', 'monitor');

/* nothing is done by this session, and what others do is not for everybody */
CREATE VIEW public.progress_mine AS SELECT database = current_database() AS here, relation, command, phase, done, total, unit, started_at <= clock_timestamp() AS begun
	FROM personalize.progress WHERE pid = pg_backend_pid();
SELECT * FROM public.progress_mine;
SET ROLE regress_progress_officer;
SELECT count(*) FROM personalize.progress WHERE pid = pg_backend_pid();
SET ROLE regress_progress_auditor;
SELECT count(*) FROM personalize.progress WHERE pid = pg_backend_pid();
SET ROLE regress_progress_monitor;
SELECT count(*) FROM personalize.progress WHERE pid = pg_backend_pid();
SET ROLE regress_progress_metrics;
SELECT count(*) FROM personalize.progress;
SET ROLE regress_progress_app;
SELECT count(*) FROM personalize.progress;
SET ROLE regress_progress_nobody;
SELECT count(*) FROM personalize.progress;
SELECT count(*) FROM personalize.progress_read_internal();
SELECT personalize.progress_internal('verify_audit', 'computing the chain');
SELECT personalize.progress_recording_internal('record_consents', 'recording');
RESET ROLE;

/* work, work within it, and its end */
BEGIN;
SELECT personalize.progress_internal('reapply_erasures', 'looking for rows that came back');
SELECT personalize.progress_internal('erase_subjects', 'counting rows', 1, 7, 'personalize.registry_kind'::regclass) AS total;
SELECT * FROM public.progress_mine;
SELECT personalize.progress_internal('erase_subjects', 'counting rows', more => 2) AS total;
SELECT relation, phase, done, total FROM public.progress_mine WHERE command = 'erase_subjects';
/* another phase begins at zero */
SELECT personalize.progress_internal('erase_subjects', 'erasing rows') AS total;
SELECT relation, phase, done, total FROM public.progress_mine WHERE command = 'erase_subjects';
/* what is at the bottom ends with all above it; what does not go on cannot end */
SELECT personalize.progress_internal('verify_audit', NULL), personalize.progress_internal('reapply_erasures', NULL);
SELECT * FROM public.progress_mine;
SELECT personalize.progress_internal('erase_subjects', 'erasing rows', 2, 3);
COMMIT;
SELECT * FROM public.progress_mine;
BEGIN;
SELECT personalize.progress_internal('erase_subjects', 'erasing rows', 2, 3);
ROLLBACK;
SELECT * FROM public.progress_mine;
BEGIN;
SELECT personalize.progress_internal('erase_subjects', 'erasing rows', 2, 3);
PREPARE TRANSACTION 'regress_progress';
SELECT * FROM public.progress_mine;
ROLLBACK PREPARED 'regress_progress';

/* savepoints: what began in one ends with it, and not if it is released */
BEGIN;
SELECT personalize.progress_internal('report_html', 'making parts', 1, 8);
SAVEPOINT one;
SELECT personalize.progress_internal('figures', 'reading a table', 1, 100);
SAVEPOINT two;
SELECT personalize.progress_internal('verify_audit', 'computing the chain', 1, 10);
SELECT command FROM public.progress_mine;
ROLLBACK TO two;
SELECT command FROM public.progress_mine;
RELEASE one;
SELECT command FROM public.progress_mine;
SAVEPOINT three;
SELECT personalize.progress_internal('verify_audit', 'computing the chain', 1, 10);
SELECT 1 / 0;
ROLLBACK TO three;
SELECT command FROM public.progress_mine;
ROLLBACK;
DO $$
BEGIN
	BEGIN
		PERFORM personalize.progress_internal('report_html', 'making parts', 1, 8);
		RAISE EXCEPTION 'for the test';
	EXCEPTION WHEN raise_exception THEN
		RAISE NOTICE 'left after what was caught: %', (SELECT count(*) FROM public.progress_mine);
	END;
END
$$;

/* deeper than what is shown */
BEGIN;
SELECT count(personalize.progress_internal(CASE i % 2 WHEN 0 THEN 'report_html' ELSE 'figures' END, 'making parts', i, 100)) FROM generate_series(1, 10) AS i;
SELECT command, done FROM public.progress_mine;
SELECT count(personalize.progress_internal(CASE i % 2 WHEN 0 THEN 'report_html' ELSE 'figures' END, NULL)) FROM generate_series(1, 10) AS i;
SELECT * FROM public.progress_mine;
ROLLBACK;

/* words are of the library alone */
SELECT personalize.progress_internal('of somebody', 'making parts');
SELECT personalize.progress_internal('report_html', 'of somebody');
SELECT personalize.progress_internal(NULL, NULL), personalize.progress_recording_internal(NULL, NULL);
/* whoever records tells of that, and of nothing else */
SET ROLE regress_progress_app;
BEGIN;
SELECT personalize.progress_recording_internal('record_outcomes', 'recording', 10, 20) AS total;
SELECT personalize.progress_recording_internal('verify_audit', 'computing the chain', 10, 20) AS total;
RESET ROLE;
SELECT command, phase, done, total FROM public.progress_mine;
COMMIT;

DROP VIEW public.progress_mine;
SELECT personalize.revoke_duty('regress_progress_officer', 'officer'), personalize.revoke_duty('regress_progress_auditor', 'auditor'),
	personalize.revoke_duty('regress_progress_app', 'app'), personalize.revoke_duty('regress_progress_metrics', 'monitor');
DROP ROLE regress_progress_officer, regress_progress_auditor, regress_progress_app, regress_progress_monitor, regress_progress_metrics, regress_progress_nobody;
