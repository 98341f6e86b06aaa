-- Fills a database for test/extra/report.sh: a shop of 120 days.  The past is written into
-- the tables of the extension as the superuser, which only tests do.  :n is how many people.
\set ON_ERROR_STOP 1
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS personalize;
\o /dev/null
/* the same in every run: a number from 0 to 1 made of two */
CREATE FUNCTION pg_temp.chance(id bigint, what bigint) RETURNS double precision LANGUAGE sql IMMUTABLE AS $$
	SELECT (hashint8extended(id * 1000 + what, 42) & 1048575) / 1048576.0::double precision $$;
CREATE ROLE report_shop LOGIN;
CREATE ROLE report_officer LOGIN;
CREATE ROLE report_auditor LOGIN;
CREATE SCHEMA shop;
GRANT USAGE ON SCHEMA shop TO PUBLIC;
CREATE TABLE shop.customer (id bigint PRIMARY KEY, region text, plan text);
INSERT INTO shop.customer SELECT i, (ARRAY['North', 'East', 'South', 'West', 'Overseas'])[1 + i % 5], CASE WHEN i % 7 = 0 THEN 'Premium' ELSE 'Basic' END FROM generate_series(1, :n) AS i;
CREATE TABLE shop.line (id bigint PRIMARY KEY, customer_id bigint, item text);
INSERT INTO shop.line SELECT i, 1 + i % :n, 'item ' || i % 50 FROM generate_series(1, 3 * :n) AS i;
CREATE INDEX ON shop.line (customer_id);
GRANT SELECT ON ALL TABLES IN SCHEMA shop TO PUBLIC;
DO $$
BEGIN
	PERFORM personalize.describe_controller(name => 'Lantern & Daughters Ltd', contact => 'privacy@shop.example');
	PERFORM personalize.define_kind('customer', 'bigint');
	PERFORM personalize.define_category('purchases', 'What was bought');
	PERFORM personalize.define_category('profile', 'Region and plan');
	PERFORM personalize.define_purpose('recommendations', 'Suggest what others bought', categories => '{purchases,profile}', value_exchange => 'You find things sooner');
	PERFORM personalize.define_purpose('newsletter', 'Write once a week', categories => '{purchases,profile}', value_exchange => 'News first');
	PERFORM personalize.define_purpose('partner advertising', 'Advertise elsewhere', categories => '{profile}', value_exchange => 'Vouchers');
	PERFORM personalize.define_purpose('orders', 'Deliver what was ordered', 'contract', categories => '{purchases,profile}');
	PERFORM personalize.define_purpose('fairness audit', 'See whether people are treated alike', 'legitimate_interest', categories => '{profile}');
	PERFORM personalize.define_purpose('<script>alert("x")</script>', '<img src=x onerror=alert(1)> & "quotes"', categories => '{profile}', value_exchange => 'Nothing');
	PERFORM personalize.define_purpose('a_name_without_any_space_that_is_as_long_as_a_name_may_be_here', 'long', categories => '{profile}', value_exchange => 'Nothing');
	PERFORM personalize.define_purpose(U&'\0627\0644\062A\0648\0635\064A\0627\062A 2 \05D4\05DE\05DC\05E6\05D5\05EA', 'from right to left', categories => '{profile}', value_exchange => 'Nothing');
	PERFORM personalize.protect('shop.customer', 'id', kind => 'customer', columns => '{"*":"profile"}');
	PERFORM personalize.protect('shop.line', 'customer_id', kind => 'customer', columns => '{"*":"purchases"}');
	PERFORM personalize.assign_duty('report_officer', 'officer');
	PERFORM personalize.assign_duty('report_auditor', 'auditor');
	PERFORM personalize.grant_purpose(p, r) FROM unnest(ARRAY['recommendations', 'newsletter', 'orders', 'fairness audit', '<script>alert("x")</script>']) AS p, unnest('{report_shop,report_officer}'::regrole[]) AS r;
	PERFORM personalize.define_metric('purchases', 'recommendations', 'purchase');
	PERFORM personalize.define_metric('clicks', 'recommendations', 'click');
	PERFORM personalize.define_metric('stars', 'recommendations', 'satisfaction');
	PERFORM personalize.define_metric('price paid', 'orders', 'other');
	PERFORM personalize.define_experiment('better ranking', 'recommendations', '{ranking}', 0.2);
	PERFORM personalize.define_experiment('shorter texts', 'recommendations', '{short,shorter}', 0.3);
END
$$;
INSERT INTO personalize.subject (kind_id, key) SELECT k.kind_id, i::text FROM personalize.registry_kind AS k, generate_series(1, :n) AS i WHERE k.name = 'customer' ORDER BY i;
CREATE TEMP TABLE who AS SELECT s.subject_no AS no, s.key::bigint AS id FROM personalize.subject AS s JOIN personalize.registry_kind AS k ON k.kind_id = s.kind_id AND k.name = 'customer';
CREATE TEMP TABLE past AS SELECT date_trunc('day', now()) - interval '120 days' AS start;
/* 80 % answer about recommendations, of them 70 % agree, some end it again, some of these come back */
CREATE TEMP TABLE answer AS
	SELECT w.no, w.id, p.purpose_id, p.name, start + pg_temp.chance(w.id, p.purpose_id) * interval '100 days' AS at,
		pg_temp.chance(w.id, p.purpose_id + 100) < p.yes - w.id % 5 * 0.03 AS agrees, pg_temp.chance(w.id, p.purpose_id + 200) AS fate
	FROM who AS w, past, (SELECT q.purpose_id, q.name, v.answers, v.yes FROM personalize.registry_purpose AS q JOIN (VALUES ('recommendations', 0.8, 0.75), ('newsletter', 0.6, 0.55),
		('partner advertising', 0.5, 0.3), ('<script>alert("x")</script>', 0.1, 0.4),
		('a_name_without_any_space_that_is_as_long_as_a_name_may_be_here', 0.05, 0.9), (U&'\0627\0644\062A\0648\0635\064A\0627\062A 2 \05D4\05DE\05DC\05E6\05D5\05EA', 0.02, 0.5)) AS v (name, answers, yes) USING (name)) AS p
	WHERE pg_temp.chance(w.id, p.purpose_id + 300) < p.answers;
INSERT INTO personalize.consent_event (recorded_at, subject_no, purpose_id, action, categories, expires_at, recorded_by, recorded_as)
	SELECT x.at, x.no, x.purpose_id, x.action, CASE WHEN x.action = 'given' THEN ARRAY[0] || ARRAY(SELECT c.category_id FROM personalize.registry_purpose_category AS c WHERE c.purpose_id = x.purpose_id) END,
		x.ends, 'test', 'test'
	FROM (SELECT a.at, a.no, a.purpose_id, CASE WHEN a.agrees THEN 'given' ELSE 'refused' END AS action, CASE WHEN a.agrees AND a.fate BETWEEN 0.5 AND 0.55 THEN a.at + interval '30 days' END AS ends FROM answer AS a
		UNION ALL
		SELECT least(a.at + (0.2 + a.fate * 3) * interval '10 days', now() - interval '1 hour'), a.no, a.purpose_id, 'withdrawn', NULL FROM answer AS a WHERE a.agrees AND a.fate < 0.12
		/* a newsletter that went wrong */
		UNION ALL
		SELECT start + interval '85 days' + a.fate * interval '1 day', a.no, a.purpose_id, 'withdrawn', NULL FROM answer AS a, past WHERE a.agrees AND a.fate > 0.93 AND a.name = 'newsletter' AND a.at < start + interval '84 days') AS x
	ORDER BY x.at;
/* shown, clicked, bought */
CREATE TEMP TABLE agreed AS SELECT a.* FROM answer AS a WHERE a.agrees AND a.fate >= 0.12 AND NOT a.fate BETWEEN 0.5 AND 0.55 AND a.name = 'recommendations';
INSERT INTO personalize.assignment (experiment_id, subject_no, variant, epoch, at)
	SELECT e.experiment_id, a.no, CASE WHEN e.name = 'better ranking' THEN CASE WHEN pg_temp.chance(a.id, 401) < 0.2 THEN 'holdout' ELSE 'ranking' END
			ELSE (ARRAY['holdout', 'short', 'shorter'])[1 + width_bucket(pg_temp.chance(a.id, 402), ARRAY[0.3::float8, 0.65])] END, 1, a.at + interval '1 hour'
	FROM agreed AS a, personalize.experiment AS e;
UPDATE personalize.experiment SET defined_at = (SELECT start FROM past);
INSERT INTO personalize.exposure (subject_no, purpose_id, at, item, explanation, experiment_id, variant)
	SELECT a.no, a.purpose_id, a.at + (now() - interval '1 minute' - a.at) * pg_temp.chance(a.id, 500 + g), 'item ' || g, CASE WHEN pg_temp.chance(a.id, 520 + g) < 0.93 THEN 'Others who bought lanterns bought this' END, s.experiment_id, s.variant
	FROM agreed AS a JOIN personalize.assignment AS s ON s.subject_no = a.no JOIN personalize.experiment AS e ON e.experiment_id = s.experiment_id AND e.name = 'better ranking', generate_series(1, 8) AS g
	WHERE s.variant <> 'holdout' ORDER BY 3;
INSERT INTO personalize.outcome (subject_no, metric_id, value, at)
	SELECT a.no, m.metric_id, CASE m.name WHEN 'purchases' THEN 5 + 60 * pg_temp.chance(a.id, 540 + g) * pg_temp.chance(a.id, 560 + g) WHEN 'stars' THEN ceil(0.01 + pg_temp.chance(a.id, 580 + g) * 4.9) ELSE 1 END, a.at + interval '2 hours' + (now() - interval '3 hours' - a.at) * pg_temp.chance(a.id, 600 + g)
	FROM agreed AS a JOIN personalize.assignment AS s ON s.subject_no = a.no JOIN personalize.experiment AS e ON e.experiment_id = s.experiment_id AND e.name = 'better ranking',
		personalize.metric AS m, generate_series(1, 3) AS g
	WHERE a.at < now() - interval '4 hours' AND m.name IN ('purchases', 'clicks', 'stars')
		AND pg_temp.chance(a.id, 700 + g + m.metric_id * 10) < CASE m.name WHEN 'purchases' THEN 0.12 WHEN 'clicks' THEN 0.2 ELSE 0.05 END * CASE WHEN s.variant = 'holdout' THEN 1 ELSE 1.25 END ORDER BY 4;
INSERT INTO personalize.outcome (subject_no, metric_id, value, at)
	SELECT w.no, m.metric_id, 20 + 5 * pg_temp.chance(w.id, 801), start + pg_temp.chance(w.id, 802) * interval '119 days' FROM who AS w, past, personalize.metric AS m WHERE m.name = 'price paid' AND pg_temp.chance(w.id, 803) < 0.5;
ANALYZE personalize.subject, personalize.consent_event, personalize.exposure, personalize.outcome, personalize.assignment;
/* caps, exclusions, requests */
SELECT personalize.set_frequency_cap('recommendations', 4, '7 days');
SELECT personalize.set_frequency_cap('newsletter', 2, '1 day');
SELECT personalize.define_exclusion('minors', reason => 'too young', purposes => '{recommendations,newsletter}');
SELECT personalize.define_exclusion('grief', reason => 'bereavement', purposes => '{recommendations}');
SELECT count(personalize.exclude(id, 'minors', kind => 'customer')) FROM who WHERE id % 60 = 0;
SELECT count(personalize.exclude(id, 'grief', kind => 'customer')) FROM who WHERE id IN (3, 4);
SELECT count(personalize.restrict_processing(id, kind => 'customer')) FROM who WHERE id % 400 = 1;
SELECT count(personalize.open_request(id::text, (ARRAY['access', 'erasure', 'rectification', 'access'])[1 + id % 4], CASE WHEN id % 3 = 0 THEN 'ccpa' ELSE 'gdpr' END,
	received_at => now() - (id % 40) * interval '1 day', kind => 'customer')) FROM who WHERE id % 190 = 7;
/* uses by the shop, and a query that says no purpose */
SELECT 'BEGIN', 'SET LOCAL ROLE report_shop', format('SET LOCAL personalize.purpose = %L', p.name), format('SELECT count(*) FROM shop.%s WHERE %s', p.relation, p.condition), 'COMMIT'
FROM generate_series(1, 40) AS i, LATERAL (VALUES ('recommendations', 'line', 'customer_id % 60 = ' || i % 60), ('orders', 'line', 'customer_id % 60 = ' || i % 60),
	('newsletter', 'customer', 'id % 30 = ' || i % 30), ('<script>alert("x")</script>', 'customer', 'id < 300')) AS p (name, relation, condition)
WHERE p.name IN ('recommendations', 'orders') OR i % 4 = 0
\gexec
\set ON_ERROR_STOP 0
SET ROLE report_shop;
SELECT count(*) FROM shop.line;
RESET ROLE;
\set ON_ERROR_STOP 1
/* whether people are treated alike: an officer asks */
SELECT count(personalize.grant_consent(id, 'fairness audit', kind => 'customer')) FROM who WHERE id % 20 = 0;
SET ROLE report_officer;
SELECT personalize.record_parity('recommendations by region', 'recommendations', 'purchases', 'shop.customer', 'region', 'fairness audit');
SELECT personalize.record_parity('prices of those who said no', 'recommendations', 'price paid');
RESET ROLE;
SELECT personalize.audit_sync();
