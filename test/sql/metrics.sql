-- Metrics for monitoring: every name that there is has rows with its labels, small groups are left out, and the duty monitor reads them and nothing else.
SET client_min_messages = warning;
\pset format unaligned
\set SHOW_CONTEXT never
CREATE ROLE regress_met_monitor;
CREATE ROLE regress_met_nobody;
BEGIN;
SELECT personalize.assign_duty('regress_met_monitor', 'monitor');
SELECT personalize.define_kind('met', 'bigint');
SELECT personalize.define_purpose('met_' || p, 'for tests') FROM unnest('{a,few}'::text[]) AS p;
SELECT count(personalize.grant_consent(i, 'met_a', kind => 'met')) FROM generate_series(1, 20) AS i;
SELECT count(personalize.withdraw_consent(i, 'met_a', kind => 'met')) FROM generate_series(15, 20) AS i;
SELECT count(personalize.grant_consent(i, 'met_few', kind => 'met')) FROM generate_series(1, 4) AS i;
SELECT count(personalize.record_exposure(i, 'met_a', explanation => CASE WHEN i < 4 THEN 'because' END, kind => 'met')) FROM generate_series(1, 7) AS i;
SELECT personalize.set_frequency_cap('met_a', 1, '1 day');
SELECT personalize.define_exclusion('met', reason => 'for tests', purposes => '{met_a}');
SELECT count(personalize.exclude(i, 'met', kind => 'met')) FROM generate_series(8, 13) AS i;
SELECT personalize.open_request('1', 'access', kind => 'met') IS NOT NULL, personalize.open_request('2', 'access', received_at => now() - interval '1 year', kind => 'met') IS NOT NULL;
/* uses: the record of them is by a worker, so here by hand */
CREATE TABLE met_template PARTITION OF personalize.audit_template FOR VALUES FROM (-10) TO (0);
INSERT INTO personalize.audit_template (template_id, db_role, session_role, purpose_id, purpose, relation, relation_name) SELECT -1, 'x', 'x', 0, 'met_a', 0, 'x';
INSERT INTO personalize.audit_open (usage_id, session_id, use_no, last_seq, started_at, template_id, rows_used, rows_withheld, boot_id, pid, status)
	SELECT -i, i, i, 1, now() - i * interval '10 hours', -1, 100, 10, 1, 1, CASE i WHEN 1 THEN 'refused' ELSE 'open' END FROM generate_series(0, 3) AS i;

SET ROLE regress_met_monitor;
CREATE TEMP TABLE m AS SELECT * FROM personalize.metrics;
SELECT name, labels, value FROM m WHERE labels ->> 'purpose' LIKE 'met%' ORDER BY name COLLATE "C", labels;
SELECT name, value FROM m WHERE name IN ('personalize_requests_overdue') AND value >= 1;
SELECT labels ->> 'alert' AS alert FROM m WHERE name = 'personalize_alerts_active' ORDER BY 1;
SELECT value FROM m WHERE name = 'personalize_status_ok' AND labels ->> 'check' = 'library';
/* what each name says it has, it has; and no other name */
SELECT n.name AS without_rows FROM personalize.metric_names AS n WHERE NOT EXISTS (SELECT FROM m WHERE m.name = n.name);
SELECT DISTINCT m.name AS wrong FROM m LEFT JOIN personalize.metric_names AS n ON n.name = m.name
	WHERE n.name IS NULL OR n.help <> m.help OR n.type <> m.type OR m.value IS NULL OR ARRAY(SELECT jsonb_object_keys(m.labels)) <> n.labels;
SELECT name, labels FROM m GROUP BY 1, 2 HAVING count(*) > 1;
/* names as Prometheus wants them */
SELECT name FROM personalize.metric_names WHERE name !~ '^personalize_[a-z]+(_[a-z]+)*$' OR name ~ '(_total|_count|_sum|_bucket)$' OR help = '';
/* the two halves */
SELECT (SELECT count(DISTINCT r.name) FROM personalize.read_metrics(slow) AS r) = (SELECT count(*) FROM personalize.metric_names AS n WHERE n.slow = b.slow) AS half FROM unnest('{t,f}'::boolean[]) AS b (slow);
/* nothing else */
SAVEPOINT s;
SELECT * FROM personalize.status();
ROLLBACK TO s;
SELECT * FROM personalize.alerts;
ROLLBACK TO s;
SELECT * FROM personalize.usage;
ROLLBACK TO s;
SELECT * FROM personalize.metrics_quick_internal();
ROLLBACK TO s;
SET ROLE regress_met_nobody;
SELECT * FROM personalize.metrics;
ROLLBACK TO s;
RESET ROLE;
/* as many as the figures want */
SET LOCAL personalize.least_group = 7;
SELECT name, labels, value FROM personalize.metrics WHERE labels ->> 'purpose' = 'met_a' AND name IN ('personalize_purpose_consents_in_force', 'personalize_purpose_optouts_week', 'personalize_persons_capped', 'personalize_persons_excluded') ORDER BY name COLLATE "C";
ROLLBACK;
DROP ROLE regress_met_monitor, regress_met_nobody;
