-- Purposes, and what people said about them, told to the extension.
SELECT personalize.define_kind(k, t::regtype) FROM (VALUES ('eq_number', 'bigint'), ('eq_uuid', 'uuid'), ('eq_text', 'text')) AS v (k, t);
SELECT personalize.define_category(c, 'for tests', c = 'eq_health')
	FROM unnest('{eq_contact,eq_location,eq_purchases,eq_health,eq_closed}'::text[]) AS c;
CREATE FUNCTION eq.define(up_to_round integer) RETURNS void LANGUAGE sql AS $$
	SELECT personalize.define_purpose(p.purpose, 'for tests', p.basis, ARRAY(SELECT c.category FROM eq.purpose_category AS c
		WHERE c.purpose = p.purpose AND c.since_round <= up_to_round ORDER BY 1), parents => array_remove(ARRAY[p.parent], NULL))
	FROM eq.purpose AS p ORDER BY p.parent IS NOT NULL, p.purpose
$$;
SELECT eq.define(1);
CREATE VIEW eq.batch AS
	SELECT s.key AS subject, s.purpose, s.action, s.categories, s.explicit, s.kind, s.round,
		CASE WHEN s.expires THEN clock_timestamp() + interval '4 seconds'
			WHEN s.action = 'given' AND eq.rnd('later' || s.purpose, s.round, 2) = 0 THEN timestamptz '2999-01-01 00:00+00' END AS expires_at
	FROM eq.said AS s;
CREATE TABLE eq.batch_1 AS SELECT * FROM eq.batch WHERE round = 1;
SELECT personalize.record_consents('eq.batch_1');
SELECT eq.define(3);
SELECT CASE action
		WHEN 'given' THEN personalize.grant_consent(subject, purpose, categories, expires_at, explicit => explicit, kind => kind)
		WHEN 'refused' THEN personalize.refuse_consent(subject, purpose, categories, kind => kind)
		WHEN 'withdrawn' THEN personalize.withdraw_consent(subject, purpose, categories, kind => kind)
		ELSE personalize.object_to(subject, purpose, categories, kind => kind) END
	FROM eq.batch WHERE round = 2;
CREATE TABLE eq.batch_3 AS SELECT * FROM eq.batch WHERE round = 3;
SELECT personalize.record_consents('eq.batch_3');
-- some were restricted and are not any more
SELECT personalize.restrict_processing(key, 'disputed', kind) FROM eq.person WHERE restricted OR n % 9 = 0;
SELECT personalize.lift_restriction(key, 'settled', kind) FROM eq.person WHERE NOT restricted AND n % 9 = 0;
-- rows that come back under an erased key are withheld
SELECT personalize.erase_subject(key, 'asked for it', kind => kind) FROM eq.person WHERE erased;
