-- Alerts: each is raised by what it is about, and by nothing else; officers set when, and say that they have seen them.
SET client_min_messages = warning;
\pset format unaligned
\set SHOW_CONTEXT never
CREATE ROLE regress_al_officer;
CREATE ROLE regress_al_auditor;
CREATE ROLE regress_al_app;
BEGIN;
SELECT personalize.assign_duty(('regress_al_' || d)::regrole, d) FROM unnest('{officer,auditor,app}'::text[]) AS d;
SELECT personalize.define_kind('al', 'bigint');
SELECT personalize.define_purpose('al_' || p, 'for tests', (CASE p WHEN 'legit' THEN 'legitimate_interest' ELSE 'consent' END)) FROM unnest('{spike,calm,few,young,cap,legit,grew,told,late}'::text[]) AS p;
CREATE TEMP VIEW mine AS SELECT a.alert, a.purpose, round(a.value::numeric, 3) AS value, a.threshold, a.cases, regexp_replace(a.detail, '\d{4}-\d\d-\d\d', 'DAY') AS detail, a.seen_by, a.seen_until > now() + interval '27 days' AS until FROM personalize.alerts AS a
	WHERE a.purpose LIKE 'al\_%' OR (a.alert = 'complaints' AND a.purpose IS NULL);
CREATE TEMP VIEW person AS SELECT s.subject_no, CASE WHEN k.name = 'al' THEN s.key::integer END AS i FROM personalize.subject AS s JOIN personalize.registry_kind AS k USING (kind_id) WHERE k.name = 'al';
INSERT INTO personalize.subject (kind_id, key) SELECT k.kind_id, i FROM personalize.registry_kind AS k, generate_series(1, 1000) AS i WHERE k.name = 'al';
CREATE FUNCTION pg_temp.ago(days numeric) RETURNS timestamptz LANGUAGE sql AS $$ SELECT date_trunc('day', now(), 'UTC') - days * interval '24 hours' $$;
/* nothing yet, whatever other tests have left */
DELETE FROM personalize.exposure;
SELECT personalize.ledger_unlock_internal(true);
DELETE FROM personalize.request;
DELETE FROM personalize.consent_event;
SELECT * FROM mine;

/* a thousand agreed, and every second day one of them thought better of it; this week twenty, or four */
CREATE FUNCTION pg_temp.say(purpose text, who integer, action text, days numeric) RETURNS bigint LANGUAGE sql AS $$
	INSERT INTO personalize.consent_event (recorded_at, subject_no, purpose_id, action, categories, recorded_by, recorded_as)
		SELECT pg_temp.ago($4), s.subject_no, p.purpose_id, $3, CASE $3 WHEN 'given' THEN '{0}'::integer[] END, 'x', 'x' FROM personalize.registry_purpose AS p, person AS s WHERE p.name = $1 AND s.i = $2
		RETURNING event_id
$$;
SELECT count(pg_temp.say('al_' || p, i, 'given', CASE p WHEN 'young' THEN 15 ELSE 90 END)) FROM unnest('{spike,calm,young}'::text[]) AS p, generate_series(1, 1000) AS i;
SELECT count(pg_temp.say('al_few', i, 'given', 90)) FROM generate_series(1, 50) AS i;
SELECT count(pg_temp.say('al_' || p, i, 'withdrawn', 7 + i * 2)) FROM unnest('{spike,calm}'::text[]) AS p, generate_series(0, 27) AS i WHERE i > 0;
SELECT count(pg_temp.say('al_' || p, 100 + i, 'withdrawn', 6 - i % 7)) FROM unnest('{spike,calm,few,young}'::text[]) AS p, generate_series(1, 20) AS i WHERE p IN ('spike', 'young') OR (p = 'calm' AND i <= 4);
SELECT count(pg_temp.say('al_few', i, 'withdrawn', 2)) FROM generate_series(1, 9) AS i;
SELECT * FROM mine;
/* twenty of 973, 972 ... in seven days, 27 of 1000 to 973 in 56 */
SELECT q.name, o.cases, round(o.at_risk::numeric), o.cases_before, round(o.at_risk_before::numeric) FROM personalize.opt_outs_internal(date_trunc('day', now(), 'UTC')) AS o JOIN personalize.registry_purpose AS q USING (purpose_id)
	WHERE q.name LIKE 'al%' ORDER BY 1;
/* the same share, a hundredth as many: chance */
SELECT round(ratio::numeric, 4) AS ratio, round(low::numeric, 4) AS low FROM (VALUES (20, 27), (10, 10), (2, 1), (5, 0), (0, 5)) AS v (x1, x0), personalize.rates_internal(x1, 6807, x0, 55272, 0.998);

/* complaints: objections to a purpose, and requests by those rights */
SELECT count(pg_temp.say('al_legit', i, 'objected', 10 + i * 5)) FROM generate_series(1, 5) AS i;
SELECT count(pg_temp.say('al_legit', 200 + i, 'objected', 3)) FROM generate_series(1, 10) AS i;
SELECT count(pg_temp.say('al_legit', 200 + i, 'objected', 2)) FROM generate_series(1, 10) AS i;
UPDATE personalize.consent_event SET method = 'gpc' WHERE action = 'withdrawn';
SELECT count(personalize.open_request(i::text, CASE WHEN i % 2 = 0 THEN 'erasure' ELSE 'objection' END, kind => 'al')) FROM generate_series(1, 6) AS i;
SELECT count(personalize.open_request(i::text, 'access', kind => 'al')) FROM generate_series(1, 9) AS i;
SELECT * FROM mine WHERE alert = 'complaints';
UPDATE personalize.consent_event SET method = 'gpc' WHERE action = 'objected';
SELECT * FROM mine WHERE alert = 'complaints';

/* caps, and explanations: ten of thirty were reached twice, which is as often as may be, and twelve exposures say why */
SELECT count(personalize.grant_consent(i, 'al_cap', kind => 'al')) FROM generate_series(1, 40) AS i;
SELECT personalize.set_frequency_cap('al_cap', 2, '7 days'), personalize.set_frequency_cap('al_cap', 50, '30 days');
SELECT count(personalize.record_exposure(i, 'al_cap', explanation => CASE WHEN i <= 12 THEN 'because' WHEN i <= 15 THEN ' ' END, kind => 'al')) FROM generate_series(1, 30) AS i;
SELECT * FROM mine WHERE alert IN ('cap_pressure', 'no_explanation');
SELECT count(personalize.record_exposure(i, 'al_cap', explanation => 'because', kind => 'al')) FROM generate_series(1, 10) AS i;
SELECT * FROM mine WHERE alert IN ('cap_pressure', 'no_explanation');

/* use that grew, and that people were told of */
SELECT count(personalize.define_notice('al_' || n, '1', 'en', 'text', ARRAY['al_' || n])) FROM unnest('{grew,told,late}'::text[]) AS n;
UPDATE personalize.notice_version SET defined_at = pg_temp.ago(100) WHERE name LIKE 'al%';
UPDATE personalize.registry_purpose SET defined_at = pg_temp.ago(200) WHERE name LIKE 'al%';
INSERT INTO personalize.exposure (subject_no, purpose_id, at, explanation) SELECT s.subject_no, p.purpose_id, pg_temp.ago(v.days), 'because'
	FROM (VALUES ('al_grew', 95, 100), ('al_grew', 20, 250), ('al_told', 95, 100), ('al_told', 20, 250), ('al_late', 95, 99), ('al_late', 20, 250)) AS v (name, days, n)
		JOIN personalize.registry_purpose AS p USING (name) JOIN person AS s ON s.i <= v.n;
SELECT * FROM mine WHERE alert = 'use_grew';
SELECT count(personalize.define_notice('al_told', '2', 'en', 'text', '{al_told}'));
SELECT * FROM mine WHERE alert = 'use_grew';
/* and of rows used, which is more: as the record of use has it */
CREATE TABLE al_template PARTITION OF personalize.audit_template FOR VALUES FROM (-10) TO (0);
INSERT INTO personalize.audit_template (template_id, db_role, session_role, purpose_id, purpose, relation, relation_name)
	SELECT -1, 'x', 'x', p.purpose_id, p.name, 0, 'x' FROM personalize.registry_purpose AS p WHERE p.name = 'al_grew';
INSERT INTO personalize.audit_open (usage_id, session_id, use_no, last_seq, started_at, template_id, rows_used, boot_id, pid, status)
	SELECT -v.i, v.i, v.i, 1, pg_temp.ago(v.days), -1, v.n, 1, 1, 'open' FROM (VALUES (1, 90, 1000), (2, 80, 1000), (3, 5, 9000)) AS v (i, days, n);
SELECT * FROM mine WHERE alert = 'use_grew';

/* who may, and what was set */
SET ROLE regress_al_auditor;
SELECT count(*) > 0 FROM personalize.alerts;
SELECT alert, threshold, minimum, enabled FROM personalize.alert_rules ORDER BY 1;
SAVEPOINT s;
SELECT personalize.set_alert('cap_pressure', 0.5);
ROLLBACK TO s;
SELECT personalize.acknowledge_alert('cap_pressure', 'al_cap');
ROLLBACK TO s;
SET ROLE regress_al_app;
SELECT * FROM personalize.alerts;
ROLLBACK TO s;
SET ROLE regress_al_officer;
SELECT personalize.set_alert('cap_pressure', 0.5), personalize.set_alert('complaints', enabled => false), personalize.set_alert('use_grew', minimum => 99), personalize.set_alert('opt_out_spike', 3, 4);
SELECT alert, threshold, minimum, enabled, default_threshold, default_minimum, set_by = session_user AS mine FROM personalize.alert_rules ORDER BY 1;
SELECT personalize.acknowledge_alert('opt_out_spike', 'al_spike'), personalize.acknowledge_alert('no_explanation', 'al_cap', now() + interval '1 day');
RESET ROLE;
SELECT alert, purpose, value, threshold, cases, seen_by = session_user AS seen, until FROM mine;
/* an acknowledgement ends */
UPDATE personalize.alert_seen SET until = now() - interval '1 second' WHERE alert = 'no_explanation';
SELECT alert, purpose, seen_by = session_user AS seen FROM mine WHERE alert IN ('opt_out_spike', 'no_explanation');
/* no fewer persons than figures are shown of */
SET LOCAL personalize.least_group = 25;
SELECT alert, purpose FROM mine WHERE alert IN ('opt_out_spike', 'complaints', 'cap_pressure');
SET LOCAL personalize.least_group = 5;
SELECT personalize.set_alert('opt_out_spike');
SELECT threshold, minimum, enabled FROM personalize.alert_rules WHERE alert = 'opt_out_spike';
/* what cannot be */
SAVEPOINT s;
SELECT personalize.set_alert('nonesuch');
ROLLBACK TO s;
SELECT personalize.set_alert('complaints', 'NaN');
ROLLBACK TO s;
SELECT personalize.set_alert('complaints', minimum => 0);
ROLLBACK TO s;
SELECT personalize.acknowledge_alert('complaints', 'nonesuch');
ROLLBACK TO s;
SELECT personalize.acknowledge_alert('complaints', until => 'infinity');
ROLLBACK TO s;
SELECT personalize.acknowledge_alert(NULL);
ROLLBACK;
DROP ROLE regress_al_officer, regress_al_auditor, regress_al_app;
