-- Attacks on caps, exclusions, preferences, experiments and figures: settings of the caller, odd intervals and numbers, keys that are none, lists that are asked, text that outlives a person.
SET client_min_messages = warning;
\pset format unaligned
\set SHOW_CONTEXT never
CREATE SCHEMA pa;
CREATE ROLE regress_pa_app;
CREATE ROLE regress_pa_app2;
CREATE ROLE regress_pa_officer;
GRANT USAGE ON SCHEMA pa TO PUBLIC;
CREATE TABLE pa.customer (id bigint PRIMARY KEY, name text);
INSERT INTO pa.customer SELECT i, 'n' || i FROM generate_series(1, 60) AS i;
CREATE TABLE pa.wants (who text, name text, value jsonb);
CREATE TABLE pa.note (who bigint, said text, words text, amount double precision, raw bytea);
CREATE TABLE pa.cookie (who text, flag boolean);
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA pa TO regress_pa_app;
DO $$
BEGIN
	PERFORM personalize.define_kind('pa', 'bigint'), personalize.define_kind('pa_cookie', 'text');
	PERFORM personalize.define_category('pa_c', 'for tests');
	PERFORM personalize.define_purpose('pa_ads', 'for tests', categories => '{pa_c}');
	PERFORM personalize.define_purpose('pa_shop', 'for tests', 'contract', categories => '{pa_c}');
	PERFORM personalize.protect('pa.customer', 'id', kind => 'pa', columns => '{"*":"pa_c"}');
	PERFORM personalize.protect('pa.wants', 'who', kind => 'pa_cookie', columns => '{"*":"pa_c"}');
	PERFORM personalize.grant_purpose('pa_ads', 'regress_pa_app');
	PERFORM personalize.assign_duty(r::regrole, 'app') FROM unnest('{regress_pa_app,regress_pa_app2}'::text[]) AS r;
	PERFORM personalize.assign_duty('regress_pa_officer', 'officer');
	PERFORM personalize.grant_consent(i, 'pa_ads', kind => 'pa') FROM generate_series(1, 60) AS i;
	PERFORM personalize.grant_consent(c, 'pa_ads', kind => 'pa_cookie') FROM unnest('{ann@mail.example,bob@mail.example}'::text[]) AS c;
END
$$;

CREATE FUNCTION pa.short_week() RETURNS text LANGUAGE sql AS $$
	SELECT left(set_config('timezone', format('AAA83:59BBB-83:59,J%s/%s,J1/0', extract(doy FROM t)::integer, to_char(t, 'HH24:MI:SS')), false), 3)
	FROM (SELECT clock_timestamp() AT TIME ZONE 'UTC' - interval '83:58:59') AS x (t) $$;

/* a cap counts in UTC: a time zone whose clocks go forward by 168 hours just now makes seven days no time at all */
SELECT personalize.set_frequency_cap('pa_ads', 1, '7 days');
SET SESSION AUTHORIZATION regress_pa_app;
SELECT pa.short_week();
SELECT now() + interval '7 days' - now() < interval '1 hour' AS short_week;
SELECT personalize.record_exposure(1, 'pa_ads', kind => 'pa') > 0 AS single, cardinality(personalize.record_exposures('{2,2}', 'pa_ads', kind => 'pa')) AS batch;
RESET timezone;
RESET SESSION AUTHORIZATION;
SELECT s.key, x.until - e.at = interval '7 days' AS week, x.until - e.at = interval '1 day' AS day FROM personalize.suppression AS x JOIN personalize.subject AS s USING (subject_no) JOIN personalize.exposure AS e USING (subject_no) WHERE x.cause = 'cap' ORDER BY s.key;
SELECT pa.short_week();
SELECT personalize.set_frequency_cap('pa_ads', 1, '7 days'), personalize.set_frequency_cap('pa_ads', 1, '1 day');
RESET timezone;
SELECT s.key, x.until - e.at = interval '7 days' AS week, x.until - e.at = interval '1 day' AS day FROM personalize.suppression AS x JOIN personalize.subject AS s USING (subject_no) JOIN personalize.exposure AS e USING (subject_no) WHERE x.cause = 'cap' ORDER BY s.key, week;
SELECT personalize.set_frequency_cap('pa_ads', NULL, '7 days'), personalize.set_frequency_cap('pa_ads', NULL, '1 day');

/* intervals that end before they begin at some time of the year, or before there was time; the worker would never come to an end */
SELECT personalize.set_frequency_cap('pa_ads', 1, '1 month -29 days');
SELECT personalize.set_frequency_cap('pa_ads', 1, '290000 years');
SELECT personalize.set_frequency_cap('pa_ads', 1, NULL);
SELECT personalize.set_exposure_retention('1 month -29 days');
SELECT personalize.set_exposure_retention('290000 years');
SELECT personalize.set_retention('pa.customer', 'id', '290000 years');
SELECT personalize.define_purpose('pa_ads', 'for tests', categories => '{pa_c}', retention => '290000 years');
SELECT personalize.define_exclusion('pa_odd', 'pa.note', 'true', reason => 'x', "column" => 'who', kind => 'pa', refresh_every => '293000 years');

/* a condition means the same in every session */
SELECT personalize.define_exclusion('pa_said', 'pa.note', 'said ~ ''\mwidow\M''', '{pa_ads}', 'grief', "column" => 'who', kind => 'pa');
SELECT personalize.define_exclusion('pa_words', 'pa.note', 'words @@ ''cats''', '{pa_ads}', 'cats', "column" => 'who', kind => 'pa');
SELECT personalize.define_exclusion('pa_amount', 'pa.note', 'amount::text = ''0.30000000000000004''', '{pa_ads}', 'amount', "column" => 'who', kind => 'pa');
SELECT personalize.define_exclusion('pa_raw', 'pa.note', 'raw::text = ''\x0001''', '{pa_ads}', 'bytes', "column" => 'who', kind => 'pa');
SET SESSION AUTHORIZATION regress_pa_app;
SET standard_conforming_strings = off;
SET escape_string_warning = off;
SET default_text_search_config = 'pg_catalog.english';
SET extra_float_digits = 0;
SET bytea_output = 'escape';
INSERT INTO pa.note (who, said) VALUES (11, 'is a widow now');
INSERT INTO pa.note (who, words) VALUES (12, 'cats'), (13, 'cat');
INSERT INTO pa.note (who, amount) VALUES (14, 0.1 + 0.2::float8);
INSERT INTO pa.note (who, raw) VALUES (15, decode('0001', 'hex'));
RESET standard_conforming_strings;
RESET escape_string_warning;
RESET default_text_search_config;
RESET extra_float_digits;
RESET bytea_output;
RESET SESSION AUTHORIZATION;
SELECT i, personalize.permitted(i, 'pa_ads', 'pa') FROM generate_series(11, 15) AS i;
SET standard_conforming_strings = off;
SET default_text_search_config = 'pg_catalog.english';
SET extra_float_digits = 0;
SET bytea_output = 'escape';
SELECT personalize.refresh_exclusions();
RESET standard_conforming_strings;
RESET default_text_search_config;
RESET extra_float_digits;
RESET bytea_output;
SELECT i, personalize.permitted(i, 'pa_ads', 'pa') FROM generate_series(11, 15) AS i;
SELECT personalize.drop_exclusion(name) FROM personalize.exclusions WHERE name IN ('pa_said', 'pa_words', 'pa_amount', 'pa_raw') ORDER BY name COLLATE "C";
/* nor does it ask who is asking */
SELECT personalize.define_exclusion('pa_odd', 'pa.note', 'current_setting(''personalize.app_user'', true) = said', reason => 'x', "column" => 'who', kind => 'pa');
SELECT personalize.define_exclusion('pa_odd', 'pa.note', 'CASE WHEN session_user = ''x'' THEN true END', reason => 'x', "column" => 'who', kind => 'pa');
SELECT personalize.define_exclusion('pa_odd', 'pa.note', 'said = ANY (ARRAY[inet_client_addr()::text])', reason => 'x', "column" => 'who', kind => 'pa');
SELECT personalize.define_exclusion('pa_odd', 'pa.note', 'said = current_user', reason => 'x', "column" => 'who', kind => 'pa'), personalize.drop_exclusion('pa_odd');
/* a partition whose trigger is off */
CREATE TABLE pa.parts (who bigint, flag boolean) PARTITION BY LIST (flag);
CREATE TABLE pa.part PARTITION OF pa.parts FOR VALUES IN (true);
SELECT personalize.define_exclusion('pa_parts', 'pa.parts', 'flag', '{pa_ads}', 'x', "column" => 'who', kind => 'pa');
CREATE TABLE pa.later PARTITION OF pa.parts FOR VALUES IN (false);
SELECT detail FROM personalize.status() WHERE check_name = 'exclusion';
ALTER TABLE pa.part DISABLE TRIGGER USER;
SELECT detail FROM personalize.status() WHERE check_name = 'exclusion';
/* not by what was true a while ago, or whom somebody lists meanwhile would be kept back for ever */
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT personalize.drop_exclusion('pa_parts');
ROLLBACK;
SELECT personalize.drop_exclusion('pa_parts');
/* of a column that is computed when it is read, too (PostgreSQL 18) */
DO $$ BEGIN EXECUTE 'CREATE TABLE pa.sum (who bigint, a integer, b integer, total integer GENERATED ALWAYS AS (a + b) '
	|| CASE WHEN current_setting('server_version_num')::integer >= 180000 THEN 'VIRTUAL)' ELSE 'STORED)' END; END $$;
SELECT personalize.define_exclusion('pa_sum', 'pa.sum', 'total > 5', '{pa_ads}', 'debts', "column" => 'who', kind => 'pa');
INSERT INTO pa.sum VALUES (16, 3, 4), (17, 1, 1);
SELECT i, personalize.permitted(i, 'pa_ads', 'pa') FROM generate_series(16, 17) AS i;
SELECT condition FROM personalize.exclusions WHERE name = 'pa_sum';
/* a table that is gone */
DROP TABLE pa.sum;
SELECT personalize.refresh_exclusions('pa_sum');
SELECT i, personalize.permitted(i, 'pa_ads', 'pa') FROM generate_series(16, 17) AS i;
SELECT personalize.drop_exclusion('pa_sum');
/* a column that is gone stops writes: status() says so before somebody writes */
SELECT personalize.define_exclusion('pa_note', 'pa.note', 'amount > 5', '{pa_ads}', 'debts', "column" => 'who', kind => 'pa');
ALTER TABLE pa.note RENAME COLUMN amount TO sum;
SELECT detail FROM personalize.status() WHERE check_name = 'exclusion';
ALTER TABLE pa.note RENAME COLUMN sum TO amount;
ALTER TABLE pa.note RENAME COLUMN who TO whom;
SELECT detail FROM personalize.status() WHERE check_name = 'exclusion';
ALTER TABLE pa.note RENAME COLUMN whom TO who;
SELECT personalize.drop_exclusion('pa_note');
/* and so would an end of protection, where the exclusion goes by the path */
SELECT personalize.define_exclusion('pa_named', 'pa.customer', 'name = ''n30''', '{pa_ads}', 'asked');
SELECT personalize.unprotect('pa.customer');
SELECT personalize.permitted(30, 'pa_ads', 'pa'), personalize.drop_exclusion('pa_named');
/* the key of somebody erased does not come back by a row that was left; the person does, and is held */
SELECT personalize.define_exclusion('pa_left', 'pa.note', 'said = ''left''', '{pa_ads}', 'grief', "column" => 'who', kind => 'pa');
INSERT INTO pa.note (who, said) VALUES (28, 'left'), (29, 'left');
SELECT personalize.erase_subject(i, 'asked', kind => 'pa') IS NOT NULL AS erased FROM generate_series(28, 29) AS i;
SELECT personalize.refresh_exclusions('pa_left');
UPDATE pa.note SET words = 'again' WHERE who = 28;
DELETE FROM pa.note WHERE who = 29;
INSERT INTO pa.note (who, said) VALUES (28, 'left');
SELECT count(*) FROM personalize.subject AS s JOIN personalize.registry_kind AS k USING (kind_id) WHERE k.name = 'pa' AND s.key IN ('28', '29');
SELECT personalize.grant_consent(i, 'pa_ads', kind => 'pa') > 0 AS came_back FROM generate_series(28, 29) AS i;
SELECT i, personalize.permitted(i, 'pa_ads', 'pa') FROM generate_series(28, 29) AS i;
SELECT personalize.drop_exclusion('pa_left');
/* keys that are nobody's neither stop the application nor get a number */
SELECT personalize.define_exclusion('pa_cookie', 'pa.cookie', 'flag', '{pa_ads}', 'asked', "column" => 'who', kind => 'pa_cookie');
INSERT INTO pa.cookie SELECT x, true FROM unnest(ARRAY['', repeat('x', 1025), (SELECT string_agg(md5(i::text), '') FROM generate_series(1, 200) AS i)]) AS x;
UPDATE pa.cookie SET flag = false;
UPDATE pa.cookie SET flag = true;
SELECT personalize.refresh_exclusions('pa_cookie'), count(*) FROM personalize.subject WHERE length(key) NOT BETWEEN 1 AND 1024;
SELECT personalize.drop_exclusion('pa_cookie');

/* whoever may put people on a list cannot ask who is on it, nor take them off earlier than others said */
SELECT personalize.define_exclusion('pa_list', purposes => '{pa_ads}', reason => 'grief');
SET SESSION AUTHORIZATION regress_pa_app;
SELECT personalize.exclude(20, 'pa_list', kind => 'pa');
SET SESSION AUTHORIZATION regress_pa_app2;
SELECT personalize.exclude(i, 'pa_list', now() + interval '1 second', 'pa') AS is_new, personalize.exclude(i, 'pa_list', now() + interval '1 day', 'pa') AS again FROM generate_series(20, 21) AS i;
SELECT personalize.unexclude(i, 'pa_list', 'pa') AS was, personalize.unexclude(i, 'pa_list', 'pa') AS again FROM generate_series(20, 22) AS i;
RESET SESSION AUTHORIZATION;
SELECT i, personalize.permitted(i, 'pa_ads', 'pa'), (SELECT until FROM personalize.exclusions_of(i, 'pa')) FROM generate_series(20, 21) AS i;
/* both said so: one of them takes it back */
SET SESSION AUTHORIZATION regress_pa_app2;
SELECT personalize.exclude(20, 'pa_list', kind => 'pa');
SET SESSION AUTHORIZATION regress_pa_app;
SELECT personalize.unexclude(20, 'pa_list', 'pa');
SELECT personalize.permitted(20, 'pa_ads', 'pa');
/* officers see the list */
SET SESSION AUTHORIZATION regress_pa_officer;
SELECT personalize.exclude(20, 'pa_list', now() + interval '1 day', 'pa') AS is_new;
SELECT until < now() + interval '2 days' AS shorter FROM personalize.exclusions_of(20, 'pa');
SELECT personalize.unexclude(20, 'pa_list', 'pa') AS was, personalize.unexclude(20, 'pa_list', 'pa') AS again;
SELECT personalize.permitted(20, 'pa_ads', 'pa');
RESET SESSION AUTHORIZATION;
SELECT e.action, e.recorded_by FROM personalize.exclusion_event AS e JOIN personalize.subject AS s USING (subject_no) JOIN personalize.exclusion AS x USING (exclusion_id) WHERE x.name = 'pa_list' AND s.key = '20' ORDER BY e.event_id;

/* kept back past a plan, a cursor, a savepoint and PREPARE TRANSACTION */
SET SESSION AUTHORIZATION regress_pa_app;
PREPARE pa_all AS SELECT count(*) FROM pa.customer WHERE id BETWEEN 31 AND 34;
BEGIN;
SET LOCAL personalize.purpose = 'pa_ads';
SET LOCAL plan_cache_mode = force_generic_plan;
EXECUTE pa_all;
SELECT personalize.exclude(31, 'pa_list', kind => 'pa');
EXECUTE pa_all;
SAVEPOINT s;
SELECT personalize.unexclude(31, 'pa_list', 'pa'), personalize.exclude(32, 'pa_list', kind => 'pa');
EXECUTE pa_all;
ROLLBACK TO s;
EXECUTE pa_all;
DECLARE pa_cursor CURSOR FOR SELECT id FROM pa.customer WHERE id BETWEEN 31 AND 34 ORDER BY id;
FETCH 1 FROM pa_cursor;
COMMIT;
BEGIN;
SELECT personalize.exclude(33, 'pa_list', kind => 'pa');
PREPARE TRANSACTION 'pa';
COMMIT PREPARED 'pa';
BEGIN;
SET LOCAL personalize.purpose = 'pa_ads';
EXECUTE pa_all;
COMMIT;
/* for what permits it only, and on the newest state only */
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT personalize.record_exposure(34, 'pa_ads', kind => 'pa');
ROLLBACK;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT personalize.record_exposures('{34}', 'pa_ads', kind => 'pa');
ROLLBACK;
RESET SESSION AUTHORIZATION;
SELECT wrong FROM personalize.consent_set_check_internal(NULL);

/* numbers that no figure can be computed of; a mean next to nothing, as refunds make it */
SELECT personalize.define_metric('pa_buys', 'pa_ads', 'purchase'), personalize.define_metric('pa_served', 'pa_shop', 'other');
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT personalize.define_metric('pa_buys', 'pa_shop', 'other');
ROLLBACK;
SELECT personalize.record_outcome(40, 'pa_buys', v, kind => 'pa') FROM unnest('{1e51}'::float8[]) AS v;
SELECT personalize.record_outcome(40, 'pa_buys', v, kind => 'pa') FROM unnest('{-1e100}'::float8[]) AS v;
SELECT personalize.record_outcome(40, 'pa_buys', v, kind => 'pa') FROM unnest('{1e-160}'::float8[]) AS v;
CREATE TABLE pa.outcomes (subject bigint, metric text, value float8, kind text);
INSERT INTO pa.outcomes SELECT i, 'pa_buys', CASE i WHEN 41 THEN 1e-160 ELSE 1 END, 'pa' FROM generate_series(40, 45) AS i;
SELECT personalize.record_outcomes('pa.outcomes');
SELECT ratio, ratio_low, ratio_high FROM personalize.means_internal(1e-9, 1e10, 50, 1, 1e10, 50, 0.95);
SELECT df > 1 AS df FROM personalize.means_internal(1e50, 1e100, 50, 1e-50, 1e-132, 50, 0.95);
/* a mean is shown only of as many as have an outcome: two purchases among ten are two persons */
SELECT personalize.define_experiment('pa_odd', 'pa_ads', '{a,b}', 0, ARRAY[1, 1e-400]);
SELECT personalize.define_experiment('pa_odd', 'pa_ads', '{a,b}', 1 - 1e-400);
SELECT personalize.define_experiment('pa_trial', 'pa_ads', '{a,b}', 0.5);
INSERT INTO personalize.assignment (experiment_id, subject_no, variant, epoch, at)
	SELECT e.experiment_id, s.subject_no, CASE WHEN s.key::integer <= 49 THEN 'holdout' WHEN s.key::integer <= 54 THEN 'a' ELSE 'b' END, 1, now() - interval '1 day'
	FROM personalize.experiment AS e, personalize.subject AS s JOIN personalize.registry_kind AS k ON k.kind_id = s.kind_id AND k.name = 'pa'
	WHERE e.name = 'pa_trial' AND s.key::integer BETWEEN 40 AND 60;
SELECT count(personalize.record_outcome(i, 'pa_buys', 1000 + i, kind => 'pa')) FROM unnest('{40,41,42,43,44,50,51,52,53,54,55,56}'::integer[]) AS i;
SELECT measure, variant, persons, value, against_persons, suppressed FROM personalize.lift('pa_trial', 'pa_buys');
/* figures are a use, of everybody they are about, by whoever asks; nobody gets smaller groups by asking */
SELECT kind_id AS kind FROM personalize.registry_kind WHERE name = 'pa' \gset
SET SESSION AUTHORIZATION regress_pa_officer;
SET personalize.least_group = 1;
SELECT count(*) FROM personalize.lift('pa_trial', 'pa_buys', k => 1) WHERE NOT suppressed;
SELECT persons, value IS NOT NULL AS shown FROM personalize.measure('lifetime_value', k => -1) WHERE metric = 'pa_buys';
SELECT measure, group_value, persons FROM personalize.parity_internal(:kind, '{40,41,42,43}', '{x,x,x,x}', 'pa_ads', 'pa_buys', '-infinity', 'infinity', 0.95, 1);
RESET SESSION AUTHORIZATION;
/* groups of people need the relation that has their keys */
CREATE TABLE pa.orders (no integer PRIMARY KEY, customer bigint REFERENCES pa.customer, paid boolean);
SELECT personalize.protect('pa.orders', via => 'customer', columns => '{"*":"pa_c"}');
SELECT * FROM personalize.parity('pa_buys', 'pa.orders', 'paid', 'pa_ads');
SELECT personalize.unprotect('pa.orders');
SELECT personalize.audit_sync();
SELECT u.db_role, u.relation_name, u.columns, u.purpose, u.subjects_used, u.status FROM personalize.usage AS u WHERE u.db_role = 'regress_pa_officer' AND u.purpose LIKE 'pa\_%' ORDER BY u.usage_id;
SELECT DISTINCT u.relation_name FROM personalize.usage_of(50, kind => 'pa') AS u WHERE u.db_role = 'regress_pa_officer' ORDER BY 1;

/* what was inferred is for those to whom the purpose is granted, and a use */
SET SESSION AUTHORIZATION regress_pa_app;
SELECT personalize.set_preference(35, 'topics', '{"gambling": 1}', 'inferred', 'pa_ads', 'pa') > 0 AS said;
SELECT name, value FROM personalize.inferred_preferences(35, 'pa_ads', 'pa');
SET SESSION AUTHORIZATION regress_pa_app2;
SELECT name, value FROM personalize.inferred_preferences(35, 'pa_ads', 'pa');
RESET SESSION AUTHORIZATION;
SELECT personalize.audit_sync();
SELECT u.db_role, u.columns, u.purpose FROM personalize.usage_of(35, kind => 'pa') AS u WHERE u.relation_name = 'personalize.preference';

/* text that names a person who is erased: whoever typed it, names, values, and the copy that queries join */
SELECT personalize.publish_preferences('pa.wants');
SELECT personalize.unprotect('pa.wants');
SELECT personalize.define_incentive('pa_club', 'pa_ads', 'be in', '5 %');
BEGIN;
SET LOCAL personalize.app_user = 'agent 36';
SELECT count(personalize.set_preference(37, 'topics', '{"tea": 1}', kind => 'pa')), count(personalize.accept_incentive(37, 'pa_club', 'pa'));
SET LOCAL personalize.app_user = 'ann@mail.example';
SELECT count(personalize.set_preference(37, 'a', '1', kind => 'pa')), count(personalize.accept_incentive(37, 'pa_club', 'pa'));
COMMIT;
SELECT count(personalize.set_preference('bob@mail.example', n, v, kind => 'pa_cookie'))
FROM (VALUES ('friend of ann@mail.example', jsonb '1'), ('friend', '{"mail": "ann@mail.example"}'), ('other', '2')) AS x (n, v);
SELECT personalize.record_exposure(38, 'pa_ads', 'as ann@mail.example bought', 'you know ann@mail.example', kind => 'pa') > 0 AS shown;
SELECT personalize.erase_subject('ann@mail.example', 'asked', kind => 'pa_cookie') IS NOT NULL AS cookie, personalize.erase_subject(36, 'asked', kind => 'pa') IS NOT NULL AS customer;
SELECT p.name, p.value, p.app_user FROM personalize.preference AS p JOIN personalize.subject AS s USING (subject_no) WHERE p.source = 'stated' AND s.key IN ('37', 'bob@mail.example') ORDER BY p.event_id;
SELECT e.app_user FROM personalize.incentive_event AS e JOIN personalize.incentive AS i USING (incentive_id) WHERE i.name = 'pa_club';
SELECT e.item, e.explanation FROM personalize.exposure AS e JOIN personalize.subject AS s USING (subject_no) WHERE s.kind_id = :kind AND s.key = '38';
SELECT w.* FROM personalize.export_rows('bob@mail.example', 'pa_cookie') AS w;
/* all columns of all tables that were not there before: nothing names who is erased */
CREATE FUNCTION pa.anywhere(what text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	t record;
	n bigint;
BEGIN
	FOR t IN SELECT c.oid::regclass AS name FROM pg_class AS c WHERE c.relnamespace = 'personalize'::regnamespace AND c.relkind IN ('r', 'p') ORDER BY c.relname COLLATE "C" LOOP
		EXECUTE format('SELECT count(*) FROM %s AS x WHERE strpos(x::text, $1) > 0', t.name) INTO n USING what;
		IF n > 0 THEN
			RETURN NEXT format('%s: %s', t.name, n);
		END IF;
	END LOOP;
END $$;
SELECT pa.anywhere('ann@mail');

/* kept as long as the purpose says, at least as long as a cap counts, and where a hold says so */
BEGIN;
SELECT personalize.define_purpose('pa_ads', 'for tests', categories => '{pa_c}', retention => '30 days');
SELECT personalize.set_frequency_cap('pa_ads', 5, '12 months');
SELECT count(personalize.record_exposure(i, 'pa_ads', kind => 'pa')) FROM generate_series(3, 6) AS i;
SELECT personalize.hold_subject(6, 'case', kind => 'pa') IS NOT NULL AS held;
UPDATE personalize.exposure AS e SET at = now() - CASE s.key WHEN '3' THEN interval '400 days' WHEN '4' THEN '362 days' WHEN '5' THEN '20 days' ELSE '400 days' END
FROM personalize.subject AS s WHERE s.subject_no = e.subject_no AND s.kind_id = :kind AND s.key IN ('3', '4', '5', '6');
DELETE FROM personalize.outcome AS o USING personalize.metric AS m WHERE m.metric_id = o.metric_id AND m.name LIKE 'pa\_%';
SELECT count(personalize.record_outcome(i, 'pa_buys', kind => 'pa')), count(personalize.record_outcome(i, 'pa_served', kind => 'pa')) FROM generate_series(3, 6) AS i;
UPDATE personalize.outcome AS o SET at = now() - interval '31 days' FROM personalize.subject AS s WHERE s.subject_no = o.subject_no AND s.kind_id = :kind AND s.key IN ('3', '6');
SELECT personalize.rights_due_internal();
DO $$ BEGIN WHILE personalize.sweep_batch_internal(1) LOOP NULL; END LOOP; END $$;
SELECT s.key, count(*) FROM personalize.exposure AS e JOIN personalize.subject AS s USING (subject_no) WHERE s.kind_id = :kind AND s.key IN ('3', '4', '5', '6') GROUP BY 1 ORDER BY 1;
SELECT s.key, m.name FROM personalize.outcome AS o JOIN personalize.subject AS s USING (subject_no) JOIN personalize.metric AS m USING (metric_id) WHERE m.name LIKE 'pa\_%' ORDER BY 1, 2;
SELECT p.name, x.exposures_swept, x.outcomes_swept, x.swept_at IS NOT NULL AS done FROM personalize.purpose_sweep AS x JOIN personalize.registry_purpose AS p USING (purpose_id) WHERE p.name LIKE 'pa\_%';
/* by 360 days, too, what a year counts is kept: a cap that counts it would let the person be reached once more */
SELECT personalize.set_exposure_retention('360 days');
DO $$ BEGIN WHILE personalize.sweep_batch_internal(1) LOOP NULL; END LOOP; END $$;
SELECT s.key, count(*) FROM personalize.exposure AS e JOIN personalize.subject AS s USING (subject_no) WHERE s.kind_id = :kind AND s.key IN ('3', '4', '5', '6') GROUP BY 1 ORDER BY 1;
ROLLBACK;

SELECT personalize.drop_exclusion('pa_list') >= 0 AS persons, personalize.end_experiment('pa_trial'), personalize.retire_incentive('pa_club'), personalize.unpublish_preferences('pa.wants');
DELETE FROM personalize.outcome AS o USING personalize.metric AS m WHERE m.metric_id = o.metric_id AND m.name LIKE 'pa\_%';
DELETE FROM personalize.assignment AS a USING personalize.experiment AS e WHERE e.experiment_id = a.experiment_id AND e.name LIKE 'pa\_%';
DELETE FROM personalize.preference AS p USING personalize.subject AS s, personalize.registry_kind AS k WHERE s.subject_no = p.subject_no AND k.kind_id = s.kind_id AND k.name LIKE 'pa\_%';
DELETE FROM personalize.preference AS p USING personalize.subject AS s WHERE s.subject_no = p.subject_no AND s.kind_id = :kind;
SELECT personalize.unprotect('pa.customer'), personalize.unprotect('pa.wants');
SELECT personalize.revoke_duty(r::regrole, 'app') FROM unnest('{regress_pa_app,regress_pa_app2}'::text[]) AS r;
SELECT personalize.revoke_duty('regress_pa_officer', 'officer'), personalize.revoke_purpose('pa_ads', 'regress_pa_app'), personalize.retire_purpose('pa_ads'), personalize.retire_purpose('pa_shop');
DROP SCHEMA pa CASCADE;
DROP OWNED BY regress_pa_app, regress_pa_app2, regress_pa_officer;
DROP ROLE regress_pa_app, regress_pa_app2, regress_pa_officer;
