-- The consent set says what the ledger says of consents that were ended, of what is presumed, and of minors: while marked, when folded, and newly loaded.
SET client_min_messages = warning;
\pset format unaligned
DO $$
BEGIN
	PERFORM personalize.define_kind('terms', 'bigint');
	PERFORM personalize.define_category('terms_a', 'for tests');
	PERFORM personalize.define_category('terms_b', 'for tests');
	PERFORM personalize.define_category('terms_h', 'for tests', special => true);
	PERFORM personalize.define_purpose('terms_top', 'for tests', categories => '{terms_a,terms_b}');
	PERFORM personalize.define_purpose('terms_other', 'for tests', categories => '{terms_a}');
	PERFORM personalize.define_purpose('terms_sale', 'for tests', categories => '{terms_a,terms_b,terms_h}', parents => '{terms_top,terms_other}');
	PERFORM personalize.define_purpose('terms_low', 'for tests', categories => '{terms_a}', parents => '{terms_sale}');
	PERFORM personalize.define_purpose('terms_care', 'for tests', 'legitimate_interest', categories => '{terms_a,terms_h}', parents => '{terms_sale}', special_basis => 'for tests');
	PERFORM personalize.define_notice('terms', '1', 'en', 'One.', '{terms_top}');
	PERFORM personalize.set_purpose_jurisdiction('terms_sale', 'US-CA', 'opt_out');
	PERFORM personalize.set_purpose_jurisdiction('terms_other', 'US', 'opt_out');
END
$$;
CREATE FUNCTION pg_temp.compare() RETURNS text LANGUAGE sql AS $$
	SELECT CASE WHEN answered = 0 THEN 'answered nothing, ' WHEN answered = asked THEN 'answered all, ' ELSE 'answered some, ' END || 'wrong ' || wrong
	FROM personalize.consent_set_check_internal(ARRAY(SELECT p.purpose_id FROM personalize.registry_purpose AS p WHERE p.name LIKE 'terms\_%'))
$$;
CREATE PROCEDURE pg_temp.settle() LANGUAGE plpgsql AS $$
BEGIN
	FOR n IN 1 .. 600 LOOP
		EXIT WHEN (SELECT s.state = 'ready' AND s.pending = 0 FROM personalize.consent_set_internal() AS s)
			AND pg_temp.compare() LIKE 'answered all,%';
		COMMIT;
		PERFORM pg_sleep(0.05);	/* lint: poll interval */
	END LOOP;
END
$$;
/* no more errors than are expected: who says what, in every order */
CREATE FUNCTION pg_temp.say(i integer, what integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	p text := (ARRAY['terms_top', 'terms_other', 'terms_sale', 'terms_low', 'terms_care'])[1 + (i * 7 + what * 3) % 5];
BEGIN
	CASE what % 13
		WHEN 0, 1 THEN PERFORM personalize.set_jurisdiction(i, CASE (i / 3) % 3 WHEN 0 THEN 'US-CA' WHEN 1 THEN 'US-NY' ELSE 'DE' END, kind => 'terms');
		WHEN 2 THEN PERFORM personalize.grant_consent(i, p, explicit => i % 2 = 0, kind => 'terms');
		WHEN 3 THEN PERFORM personalize.refuse_consent(i, p, kind => 'terms');
		WHEN 4 THEN PERFORM personalize.grant_consent(i, 'terms_top', notice => 'terms/1', kind => 'terms');
		WHEN 5 THEN PERFORM personalize.set_minor(i, CASE WHEN i % 2 = 0 THEN date '2999-01-01' END, kind => 'terms');
		WHEN 6 THEN PERFORM personalize.refuse_consent(i, 'terms_sale', categories => '{terms_b}', kind => 'terms');
		WHEN 7 THEN PERFORM personalize.restrict_processing(i, kind => 'terms');
		WHEN 8 THEN PERFORM personalize.lift_restriction(i, kind => 'terms');
		WHEN 9 THEN PERFORM personalize.grant_consent(i, 'terms_other', expires_at => clock_timestamp() + '2 years', kind => 'terms');
		WHEN 10 THEN PERFORM personalize.set_jurisdiction(i, NULL, kind => 'terms');
		WHEN 11 THEN PERFORM personalize.object_to(i, 'terms_care', kind => 'terms');
		ELSE PERFORM personalize.set_guardian(i, (i + 1)::text, 'terms', kind => 'terms');
	END CASE;
EXCEPTION WHEN object_not_in_prerequisite_state THEN
	NULL;
END
$$;
SELECT personalize.audit_sync();
CALL pg_temp.settle();
SELECT count(pg_temp.say(i, 0)) FROM generate_series(1, 200) AS i;
SELECT count(pg_temp.say(i, i % 13)), count(pg_temp.say(i, i / 13)), count(pg_temp.say(i, i / 5)) FROM generate_series(1, 200) AS i;
SELECT pg_temp.compare() LIKE '%wrong 0' AS while_marked;
CALL pg_temp.settle();
SELECT pg_temp.compare();
SELECT personalize.define_notice('terms', '2', 'en', 'Two.', '{terms_top}', reconsent => 'require', grace => '2 years') > 0 AS ended;
SELECT pg_temp.compare() LIKE '%wrong 0' AS while_marked;
/* and at once */
SELECT personalize.define_notice('terms', '3', 'en', 'Three.', '{terms_top}', reconsent => 'require') > 0 AS ended;
SELECT personalize.set_purpose_jurisdiction('terms_sale', 'US-NY', 'opt_out') > 0 AS changed;
SELECT personalize.set_purpose_jurisdiction('terms_sale', 'US-CA', 'opt_in') > 0 AS changed;
SELECT pg_temp.compare() LIKE '%wrong 0' AS while_marked;
CALL pg_temp.settle();
SELECT pg_temp.compare();
SELECT count(pg_temp.say(i, i / 7)), count(pg_temp.say(i, i / 11)) FROM generate_series(1, 200) AS i;
SELECT personalize.set_purpose_jurisdiction('terms_sale', 'US-CA', 'opt_out') > 0 AS changed;
/* as a dump that was restored in another order, or two persons who became one: what is presumed stands after words */
INSERT INTO personalize.consent_event (subject_no, purpose_id, action, recorded_by, recorded_as)
	SELECT s.subject_no, p.purpose_id, CASE WHEN s.subject_no % 3 = 0 THEN 'lifted' ELSE 'presumed' END, 'x', 'x'
	FROM personalize.subject AS s JOIN personalize.registry_kind AS k USING (kind_id), personalize.registry_purpose AS p
	WHERE k.name = 'terms' AND p.name IN ('terms_sale', 'terms_top') AND s.subject_no % 2 = 0;
CALL pg_temp.settle();
SELECT pg_temp.compare();
/* a new set, from the ledger */
ALTER TABLE personalize.consent_event ENABLE ALWAYS TRIGGER consent_changed;
CALL pg_temp.settle();
SELECT pg_temp.compare();
/* and by categories that were taken out, and become special */
SELECT personalize.define_purpose('terms_sale', 'for tests', categories => '{terms_b,terms_h}', parents => '{terms_top,terms_other}');
SELECT personalize.define_category('terms_b', 'for tests', special => true);
CALL pg_temp.settle();
SELECT pg_temp.compare();
/* there was something of everything */
SELECT count(DISTINCT x.state) > 5 AS many, bool_or(x.state = 'presumed' AND x.permitted) AS presumed, bool_or(x.state = 'expired') AS expired FROM personalize.consent AS x WHERE x.kind = 'terms';
SELECT action FROM personalize.consent_event AS e JOIN personalize.subject AS s USING (subject_no) JOIN personalize.registry_kind AS k USING (kind_id)
	WHERE k.name = 'terms' GROUP BY 1 ORDER BY 1;
SELECT count(personalize.set_purpose_jurisdiction(purpose, jurisdiction, NULL)) FROM personalize.purpose_jurisdictions WHERE purpose LIKE 'terms%';
SELECT personalize.retire_purpose(p) FROM unnest('{terms_top,terms_other,terms_sale,terms_low,terms_care}'::text[]) AS p;
