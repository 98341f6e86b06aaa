-- Experiments: who permits the purpose gets a variant that stays, the holdout gets nothing personalized, and nobody else is enrolled.
SET client_min_messages = warning;
\pset format unaligned
\set SHOW_CONTEXT never
CREATE ROLE regress_trial_app;
CREATE ROLE regress_trial_officer;
DO $$
BEGIN
	PERFORM personalize.define_kind('trial', 'bigint');
	PERFORM personalize.define_kind('trial_cookie', 'text');
	PERFORM personalize.define_purpose('trial_ads', 'for tests');
	PERFORM personalize.define_purpose('trial_other', 'for tests');
	PERFORM personalize.assign_duty('regress_trial_app', 'app');
	PERFORM personalize.assign_duty('regress_trial_officer', 'officer');
	PERFORM personalize.grant_consent(i, 'trial_ads', kind => 'trial') FROM generate_series(1, 1000) AS i;
END
$$;
SET ROLE regress_trial_officer;
SELECT personalize.define_experiment('trial_1', 'trial_ads', holdout => 0.2);
SELECT experiment, purpose, variants, weights, holdout, persons, ended_at FROM personalize.experiments WHERE experiment LIKE 'trial%';
RESET ROLE;
SELECT length(salt), (SELECT count(*) FROM pg_attribute WHERE attrelid = 'personalize.experiments'::regclass AND attname = 'salt') AS shown FROM personalize.experiment WHERE name LIKE 'trial%';
/* a salt that is known, for answers that are */
UPDATE personalize.experiment SET salt = '\x01' WHERE name = 'trial_1';
CREATE FUNCTION trial_place(salt bytea, kind text, key text) RETURNS numeric LANGUAGE sql
	RETURN ('x' || left(encode(sha256(salt || convert_to(kind || ':' || key, 'UTF8')), 'hex'), 8))::bit(32)::bigint / 4294967296.0;
CREATE VIEW trial_who AS
	SELECT e.name AS experiment, k.name AS kind, s.key, a.variant, a.epoch, trial_place(e.salt, k.name, s.key) AS place
	FROM personalize.assignment AS a JOIN personalize.experiment AS e USING (experiment_id)
		JOIN personalize.subject AS s USING (subject_no) JOIN personalize.registry_kind AS k USING (kind_id);
SET ROLE regress_trial_app;
SELECT i, personalize.assign('trial_1', i, 'trial') FROM generate_series(1, 8) AS i;
SELECT count(*), count(*) FILTER (WHERE personalize.assign('trial_1', i, 'trial') = personalize.assign('trial_1', i::text, 'trial')) AS again FROM generate_series(1, 1000) AS i;
/* who did not consent is not enrolled, nor who withdrew; who comes back has the same */
SELECT personalize.assign('trial_1', 1001, 'trial') IS NULL AS never, personalize.refuse_consent(1002, 'trial_ads', kind => 'trial') > 0, personalize.assign('trial_1', 1002, 'trial') IS NULL AS refused;
SELECT personalize.withdraw_consent(1, 'trial_ads', kind => 'trial') > 0, personalize.assign('trial_1', 1, 'trial') IS NULL AS withdrawn;
SELECT personalize.grant_consent(1, 'trial_ads', kind => 'trial') > 0, personalize.assign('trial_1', 1, 'trial') AS again;
RESET ROLE;
SELECT variant, count(*), bool_and(variant = CASE WHEN place < 0.2 THEN 'holdout' WHEN place < 0.6 THEN 'control' ELSE 'treatment' END) AS as_by_the_formula FROM trial_who GROUP BY 1 ORDER BY 1;
SELECT count(*) FROM trial_who WHERE key IN ('1001', '1002');
/* the same persons fall elsewhere in another experiment */
SELECT personalize.define_experiment('trial_2', 'trial_ads', '{a,b,c}', 0, '{1,0,3}');
UPDATE personalize.experiment SET salt = '\x02' WHERE name = 'trial_2';
SET ROLE regress_trial_app;
SELECT personalize.assign('trial_2', i, 'trial') AS variant, count(*) FROM generate_series(1, 1000) AS i GROUP BY 1 ORDER BY 1;
/* what the holdout would have been shown is not shown, and enrols as anything else; it does not count to a cap */
SELECT k, personalize.record_exposure(k, 'trial_ads', 'thing', experiment => 'trial_1', kind => 'trial') > 0 AS shown FROM unnest('{1,2,3,7,8}'::text[]) AS k;
SELECT personalize.grant_consent(2000 + i, 'trial_ads', kind => 'trial') > 0 AND personalize.record_exposure(2000 + i, 'trial_ads', experiment => 'trial_1', kind => 'trial') > 0 AS shown, count(*)
FROM generate_series(1, 20) AS i GROUP BY 1 ORDER BY 1;
RESET ROLE;
SELECT count(*) FROM trial_who WHERE experiment = 'trial_1' AND key::bigint > 2000;
SELECT x.variant, count(*), bool_and(w.variant = x.variant) FROM personalize.exposure AS x JOIN personalize.experiment AS e USING (experiment_id)
	JOIN personalize.subject AS s USING (subject_no) JOIN trial_who AS w ON w.experiment = e.name AND w.key = s.key AND w.kind = 'trial' GROUP BY 1 ORDER BY 1;
/* weights change for those who come, not for those who are there */
SELECT personalize.define_experiment('trial_1', 'trial_ads', holdout => 0.5, weights => '{0,1}');
SELECT count(*) FROM generate_series(1, 1000) AS i JOIN trial_who AS w ON w.experiment = 'trial_1' AND w.key = i::text WHERE personalize.assign('trial_1', i, 'trial') <> w.variant;
SELECT personalize.grant_consent(i, 'trial_ads', kind => 'trial') > 0 AND personalize.assign('trial_1', i, 'trial') IS NOT NULL AS came, count(*) FROM generate_series(3001, 3400) AS i GROUP BY 1;
SELECT epoch, variant, count(*), bool_and(variant = CASE WHEN place < 0.5 THEN 'holdout' ELSE 'treatment' END) AS as_by_the_formula FROM trial_who WHERE experiment = 'trial_1' AND epoch = 2 GROUP BY 1, 2 ORDER BY 1, 2;
SELECT experiment, variant, persons, expected, exposed, round(chi_squared::numeric, 9) AS chi_squared, df, round(p_value::numeric, 9) AS p_value, ok FROM personalize.experiment_health WHERE experiment LIKE 'trial%' ORDER BY 1, 2;
/* somebody assigns by hand, past the hash: it shows */
UPDATE personalize.assignment AS a SET variant = 'c' FROM personalize.experiment AS e, personalize.subject AS s
	WHERE e.experiment_id = a.experiment_id AND e.name = 'trial_2' AND s.subject_no = a.subject_no AND s.key::bigint % 3 = 0;
SELECT experiment, variant, persons, round(chi_squared::numeric, 9) AS chi_squared, df, p_value < 1e-9 AS small, ok FROM personalize.experiment_health WHERE experiment = 'trial_2' ORDER BY 2;
/* variants and purpose do not change once somebody is enrolled; before that they may */
SELECT personalize.define_experiment('trial_1', 'trial_ads', '{control,other}');
SELECT personalize.define_experiment('trial_1', 'trial_other');
SELECT personalize.define_experiment('trial_3', 'trial_ads'), personalize.define_experiment('trial_3', 'trial_other', '{x}', 0);
SELECT variants, purpose, holdout FROM personalize.experiments WHERE experiment = 'trial_3';
/* several identities: by the first, and what was recorded first stays */
SET ROLE regress_trial_app;
SELECT personalize.grant_consent(c, 'trial_ads', kind => 'trial_cookie') > 0 FROM unnest('{c1,c2}'::text[]) AS c;
SELECT personalize.assign('trial_1', 'c1', 'trial_cookie') AS of_the_cookie, personalize.assign('trial_1', 2, 'trial') AS of_the_customer;
SELECT personalize.link_subject('c1', '2', to_kind => 'trial', kind => 'trial_cookie') >= 0, personalize.link_subject('c2', '3', to_kind => 'trial', kind => 'trial_cookie') >= 0;
SELECT personalize.assign('trial_1', 'c1', 'trial_cookie') AS of_the_cookie, personalize.assign('trial_1', 2, 'trial') AS of_the_customer;
SELECT personalize.assign('trial_1', 'c2', 'trial_cookie') AS of_the_cookie, personalize.assign('trial_1', 3, 'trial') AS of_the_customer;
RESET ROLE;
SELECT kind, key, variant FROM trial_who WHERE experiment = 'trial_1' AND (kind = 'trial_cookie' OR key IN ('2', '3')) ORDER BY 1, 2;
/* the person is told */
SELECT jsonb_path_query_array(personalize.export_subject(2, 'trial'), '$.experiments[*] ? (@.experiment == "trial_1").variant');
/* erasure takes it away */
SELECT personalize.erase_subject(4, kind => 'trial') IS NOT NULL;
SELECT count(*) FROM personalize.assignment AS a JOIN personalize.subject AS s USING (subject_no) WHERE s.key IS NULL;
/* what cannot be */
SELECT personalize.define_experiment('trial_4', 'trial_ads', '{}');
SELECT personalize.define_experiment('trial_4', 'trial_ads', '{a,a}');
SELECT personalize.define_experiment('trial_4', 'trial_ads', '{a,holdout}');
SELECT personalize.define_experiment('trial_4', 'trial_ads', '{{a,b},{c,d}}');
SELECT personalize.define_experiment('trial_4', 'trial_ads', holdout => 1);
SELECT personalize.define_experiment('trial_4', 'trial_ads', holdout => 'NaN');
SELECT personalize.define_experiment('trial_4', 'trial_ads', weights => '{1}');
SELECT personalize.define_experiment('trial_4', 'trial_ads', weights => '{1,NaN}');
SELECT personalize.define_experiment('trial_4', 'trial_ads', weights => '{0,0}');
SELECT personalize.define_experiment('trial_4', 'nonesuch');
SELECT personalize.assign('nonesuch', 1, 'trial');
SELECT personalize.assign('trial_1', NULL::text, 'trial');
SELECT personalize.record_exposure(5, 'trial_ads', experiment => 'nonesuch', kind => 'trial');
SELECT personalize.record_exposure(5, 'trial_ads', experiment => 'trial_3', kind => 'trial');
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT personalize.assign('trial_1', 5, 'trial');
ROLLBACK;
SET ROLE regress_trial_app;
SELECT personalize.define_experiment('trial_4', 'trial_ads');
SELECT salt FROM personalize.experiment WHERE name LIKE 'trial%';
RESET ROLE;
/* many at once: the same variants as one by one, the holdout gets no exposure and no cap counts it, nobody who did not agree is enrolled */
SELECT personalize.define_experiment('trial_5', 'trial_ads', '{a,b}', 0.3);
UPDATE personalize.experiment SET salt = '\x05' WHERE name = 'trial_5';
SELECT personalize.set_frequency_cap('trial_ads', 2, '1 day') >= 0;
SELECT personalize.grant_consent(i, 'trial_ads', kind => 'trial') > 0 AS ok, count(*) FROM generate_series(4001, 4010) AS i GROUP BY 1;
SET ROLE regress_trial_app;
CREATE TEMP TABLE trial_batch AS SELECT 4001 + i % 12 AS subject, 'trial_ads' AS purpose, 'trial' AS kind, CASE WHEN i < 48 THEN 'trial_5' END AS experiment, NULL::bigint AS exposure_id
	FROM generate_series(0, 59) AS i;
SELECT personalize.record_exposures('trial_batch') AS recorded;
RESET ROLE;
SELECT b.subject, w.variant, w.variant = CASE WHEN w.place < 0.3 THEN 'holdout' WHEN w.place < 0.65 THEN 'a' ELSE 'b' END AS as_by_the_formula,
	count(b.exposure_id) FILTER (WHERE b.experiment IS NOT NULL) AS in_it, count(b.exposure_id) FILTER (WHERE b.experiment IS NULL) AS besides,
	bool_and(e.variant IS NOT DISTINCT FROM CASE WHEN b.experiment IS NOT NULL THEN w.variant END) FILTER (WHERE b.exposure_id IS NOT NULL) AS noted
	FROM trial_batch AS b LEFT JOIN trial_who AS w ON w.key = b.subject::text AND w.kind = 'trial' AND w.experiment = 'trial_5'
		LEFT JOIN personalize.exposure AS e USING (exposure_id) GROUP BY 1, 2, 3 ORDER BY 1;
SELECT array_agg(x IS NOT NULL ORDER BY ord) FROM unnest(personalize.record_exposures('{4001,4002,4012}', 'trial_ads', experiment => 'trial_5', kind => 'trial')) WITH ORDINALITY AS u (x, ord);
SELECT personalize.record_exposures('{4001}', 'trial_ads', experiment => 'trial_none', kind => 'trial');
SELECT personalize.record_exposures('{4001}', 'trial_other', experiment => 'trial_5', kind => 'trial');
/* identities that were joined are one person */
SELECT personalize.grant_consent('d' || i, 'trial_ads', kind => 'trial_cookie') > 0 AND personalize.link_subject('d' || i, (4100 + i)::text, to_kind => 'trial', kind => 'trial_cookie') >= 0
	AND personalize.grant_consent(4100 + i, 'trial_ads', kind => 'trial') > 0 AS ok, count(*) FROM generate_series(1, 20) AS i GROUP BY 1;
CREATE TEMP TABLE trial_both AS SELECT CASE c WHEN 0 THEN 'd' || i ELSE (4100 + i)::text END AS subject, CASE c WHEN 0 THEN 'trial_cookie' ELSE 'trial' END AS kind,
	'trial_ads' AS purpose, 'trial_5' AS experiment, NULL::bigint AS exposure_id, i AS person FROM generate_series(1, 20) AS i, generate_series(0, 1) AS c;
SELECT personalize.record_exposures('trial_both') > 0 AS some;
SELECT shown, count(*) FROM (SELECT person, count(exposure_id) AS shown FROM trial_both GROUP BY 1) AS x GROUP BY 1 ORDER BY 1;
SELECT count(*), count(DISTINCT key) FROM trial_who WHERE experiment = 'trial_5' AND (kind = 'trial_cookie' OR key::bigint > 4100);
SELECT personalize.set_frequency_cap('trial_ads', NULL, '1 day'), personalize.end_experiment('trial_5');
SELECT array_agg(x IS NOT NULL ORDER BY ord) AS over FROM unnest(personalize.record_exposures('{4001,4002,4003,4004}', 'trial_ads', experiment => 'trial_5', kind => 'trial')) WITH ORDINALITY AS u (x, ord);
/* over: nobody is assigned, the holdout is personalized again, figures stay */
SELECT personalize.end_experiment('trial_1'), personalize.end_experiment('trial_1');
SELECT personalize.assign('trial_1', 2, 'trial') IS NULL AS over, personalize.record_exposure(3, 'trial_ads', experiment => 'trial_1', kind => 'trial') > 0 AS shown;
SELECT experiment, ended_at IS NOT NULL AS over, persons FROM personalize.experiments WHERE experiment LIKE 'trial%' ORDER BY 1;
SELECT personalize.define_experiment('trial_1', 'trial_ads');
SELECT personalize.end_experiment(e) FROM unnest('{trial_2,trial_3}'::text[]) AS e;
SELECT personalize.revoke_duty('regress_trial_app', 'app'), personalize.revoke_duty('regress_trial_officer', 'officer');
SELECT personalize.retire_purpose(p.name) FROM personalize.purposes AS p WHERE p.name LIKE 'trial%';
DROP TABLE trial_batch, trial_both;
DROP VIEW trial_who;
DROP FUNCTION trial_place(bytea, text, text);
DROP ROLE regress_trial_app, regress_trial_officer;
