-- The ledger says what was said, by whom and in which order; nothing in it changes; erasure leaves it without a name.
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO';
\set SHOW_CONTEXT never
\pset format unaligned
CREATE SCHEMA led;
CREATE ROLE regress_led_app;
DO $$
BEGIN
	PERFORM personalize.define_kind('led_int', 'bigint');
	PERFORM personalize.define_kind('led_uuid', 'uuid');
	PERFORM personalize.define_kind('led_text', 'text');
	PERFORM personalize.define_category('led_contact', 'for tests');
	PERFORM personalize.define_category('led_general', 'for tests');
	PERFORM personalize.define_purpose('led_mail', 'for tests', categories => '{led_contact,led_general}');
	PERFORM personalize.define_purpose('led_ads', 'for tests', categories => '{led_general}');
	PERFORM personalize.assign_duty('regress_led_app', 'app');
END
$$;
CREATE VIEW led.ledger AS
	SELECT k.name AS kind, s.key, coalesce(p.name, '*') AS purpose, e.action,
		ARRAY(SELECT coalesce(c.name, 'row') FROM unnest(e.categories) u (id) LEFT JOIN personalize.registry_category c ON c.category_id = u.id ORDER BY u.id) AS categories,
		e.categories IS NULL AS everything, e.explicit, e.expires_at, e.notice, e.language, e.method, e.evidence, e.reason,
		e.recorded_as, e.app_user, row_number() OVER (ORDER BY e.event_id) AS n
	FROM personalize.consent_event e JOIN personalize.subject s USING (subject_no) JOIN personalize.registry_kind k USING (kind_id)
		LEFT JOIN personalize.registry_purpose p USING (purpose_id)
	WHERE k.name LIKE 'led\_%';

/* all categories now listed, named ones, and what a refusal covers */
SET ROLE regress_led_app;
BEGIN;
SET LOCAL personalize.app_user = 'clerk 3';
SELECT personalize.grant_consent(7, 'led_mail', notice => 'v1', method => 'web', evidence => '{"language":"de","ip":"192.0.2.1"}', kind => 'led_int') > 0 AS recorded;
COMMIT;
SELECT personalize.grant_consent('007', 'led_ads', '{led_general,led_general}', '2100-01-01 00:00+00', explicit => true, kind => 'led_int') > 0 AS recorded;
SELECT personalize.refuse_consent(8, 'led_mail', kind => 'led_int') > 0 AS recorded;
SELECT personalize.withdraw_consent('7', 'led_mail', '{led_contact}', kind => 'led_int') > 0 AS recorded;
SELECT personalize.object_to('{A0EEBC999C0B4EF8BB6D6BB9BD380A11}', 'led_ads', kind => 'led_uuid') > 0 AS recorded;
SELECT personalize.grant_consent('O''Neil Ünï', 'led_ads', kind => 'led_text') > 0 AS recorded;
SELECT personalize.restrict_processing(8, 'accuracy contested', 'led_int') > 0 AS recorded;
RESET ROLE;
SELECT kind, key, purpose, action, categories, everything, explicit, expires_at FROM led.ledger ORDER BY n;
SELECT notice, language, method, evidence, reason, recorded_as, app_user FROM led.ledger WHERE n IN (1, 2, 7) ORDER BY n;

/* the same person by every type and spelling */
SET ROLE regress_led_app;
SELECT personalize.consent_state(7, 'led_mail', kind => 'led_int'), personalize.consent_state(' +07 ', 'led_ads', kind => 'led_int'),
	personalize.consent_state(8::smallint, 'led_mail', kind => 'led_int'), personalize.consent_state('9', 'led_mail', kind => 'led_int');
SELECT personalize.consent_state('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid, 'led_ads', kind => 'led_uuid'),
	personalize.consent_state('A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', 'led_ads', kind => 'led_uuid');
SELECT personalize.permitted(7, 'led_mail', 'led_int'), personalize.permitted('7', 'led_ads', 'led_int'), personalize.permitted(8, 'led_mail', 'led_int');
SELECT d.permitted, regexp_replace(d.reason, '\d{4}-\d\d-\d\d', '(date)') AS reason, d.event_id IS NOT NULL AS has_event FROM personalize.decide(8, 'led_mail', 'led_int') AS d;
SELECT d.permitted, regexp_replace(d.reason, '\d{4}-\d\d-\d\d', '(date)') AS reason, d.event_id IS NOT NULL AS has_event FROM personalize.decide('nobody', 'led_mail', 'led_text') AS d;
SELECT personalize.consent_state(7, 'led_mail', at => '2000-01-01', kind => 'led_int') AS before_all;
SELECT personalize.lift_restriction(8, kind => 'led_int') > 0 AS recorded;
SELECT kind, subject, purpose, state, permitted, categories, explicit, expires_at, notice, method FROM personalize.consent
	WHERE kind LIKE 'led\_%' ORDER BY kind COLLATE "C", subject COLLATE "C", purpose COLLATE "C";
RESET ROLE;

/* widening the purpose does not widen the consent, narrowing keeps what was said */
SELECT personalize.define_category('led_new', 'for tests');
SELECT personalize.define_purpose('led_ads', 'for tests', categories => '{led_general,led_new}');
SELECT categories FROM personalize.consent WHERE kind = 'led_int' AND subject = '7' AND purpose = 'led_ads';

/* many at once, in the order of the source, read with the rights of the caller */
CREATE TABLE led.staging (subject bigint, purpose text, action text, categories text[], expires_at timestamptz, notice text, method text,
	evidence jsonb, explicit boolean, kind text);
INSERT INTO led.staging VALUES
	(20, 'led_mail', 'given', NULL, NULL, 'v2', 'batch', '{"language":"fr"}', true, 'led_int'),
	(20, 'led_mail', 'withdrawn', NULL, NULL, NULL, NULL, NULL, NULL, 'led_int'),
	(21, 'led_mail', 'withdraw', '{led_contact}', NULL, NULL, NULL, NULL, NULL, 'led_int'),
	(21, 'led_mail', 'grant', '{led_contact}', '2100-01-01 00:00+00', NULL, NULL, NULL, NULL, 'led_int'),
	(21, 'led_ads', 'object', NULL, NULL, NULL, NULL, NULL, NULL, 'led_text');
SELECT max(n) AS so_far FROM led.ledger \gset
SET ROLE regress_led_app;
SELECT personalize.record_consents('led.staging');
RESET ROLE;
GRANT USAGE ON SCHEMA led TO regress_led_app;
GRANT SELECT ON led.staging TO regress_led_app;
SET ROLE regress_led_app;
SELECT personalize.record_consents('led.staging');
RESET ROLE;
SELECT kind, key, purpose, action, categories, everything, explicit, expires_at, notice, language, method, recorded_as FROM led.ledger WHERE n > :so_far ORDER BY n;
/* more than one batch, subjects old and new, every other one withdrawn again */
CREATE TABLE led.many AS
	SELECT i % 15000 AS subject, 'led_mail'::text AS purpose, CASE WHEN i < 15000 THEN 'given' WHEN i % 2 = 0 THEN 'withdrawn' ELSE 'refused' END AS action,
		'led_int'::text AS kind
	FROM generate_series(0, 25000) AS i;
SELECT personalize.record_consents('led.many');
SELECT action, count(*), count(DISTINCT subject_no) FROM (
	SELECT e.subject_no, e.action, row_number() OVER (PARTITION BY e.subject_no ORDER BY e.event_id DESC) AS latest
		FROM personalize.consent_event e JOIN personalize.subject s USING (subject_no) JOIN personalize.registry_kind k USING (kind_id)
		WHERE k.name = 'led_int') AS x WHERE latest = 1 GROUP BY action ORDER BY action;
CREATE VIEW led.empty AS SELECT * FROM led.staging WHERE false;
SELECT personalize.record_consents('led.empty');

/* nothing in it changes, not even for a superuser */
UPDATE personalize.consent_event SET action = 'given';
DELETE FROM personalize.consent_event;
TRUNCATE personalize.consent_event;
UPDATE personalize.subject SET key = 'x';
DELETE FROM personalize.tombstone;

/* keys recorded before the first protect() take the form of its type, two spellings become one person */
BEGIN;
UPDATE personalize.registry_kind SET key_type = NULL WHERE name = 'led_text';
DO $$
BEGIN
	PERFORM personalize.grant_consent('0042', 'led_mail', kind => 'led_text');
	PERFORM personalize.withdraw_consent('42', 'led_mail', kind => 'led_text');
END
$$;
CREATE TABLE led.t (id integer);
SAVEPOINT s;
SELECT personalize.protect('led.t', 'id', kind => 'led_text');
ROLLBACK TO s;
SELECT personalize.erase_subject('O''Neil Ünï', kind => 'led_text') -> 'consent_events' AS events;
SELECT personalize.protect('led.t', 'id', kind => 'led_text');
SELECT key, action FROM led.ledger WHERE kind = 'led_text' ORDER BY n;
SELECT personalize.consent_state(42, 'led_mail', kind => 'led_text');
ROLLBACK;

/* erased: the events stay, the person is gone, and comes back as somebody new */
SELECT jsonb_pretty(personalize.erase_subject(7, 'request 12', dry_run => true, kind => 'led_int') - 'certificate_id' - 'erased_at');
SELECT count(*) FROM led.ledger WHERE kind = 'led_int' AND key = '7';
SELECT personalize.erase_subject(7, 'request 12', kind => 'led_int') ->> 'dry_run' AS dry_run;
SELECT purpose, action, notice, method, evidence, app_user FROM led.ledger WHERE kind = 'led_int' AND key IS NULL ORDER BY n;
SELECT personalize.consent_state(7, 'led_mail', kind => 'led_int'), personalize.permitted(7, 'led_mail', 'led_int');
SELECT count(*) FROM personalize.consent WHERE kind = 'led_int' AND subject = '7';
SELECT certificate ->> 'reason' AS reason, certificate ->> 'subjects' AS subjects FROM personalize.erasure WHERE certificate ->> 'kind' = 'led_int';
SELECT personalize.erase_subject(4711, kind => 'led_uuid');
SELECT personalize.erase_subject(99999, kind => 'led_int') -> 'subjects' AS unknown_subject;
SELECT personalize.consent_state(99999, 'led_mail', kind => 'led_int');
SELECT personalize.reinstate_subject(7, 'request 13', 'led_int'), personalize.reinstate_subject(7, 'request 13', 'led_int');
SELECT personalize.consent_state(7, 'led_mail', kind => 'led_int');
SELECT personalize.erase_subjects('{8,20,4712}', kind => 'led_int') -> 0 -> 'subjects' AS first;
SELECT personalize.consent_state(8, 'led_mail', kind => 'led_int'), personalize.consent_state(20, 'led_mail', kind => 'led_int');
SELECT personalize.grant_consent(8, 'led_ads', kind => 'led_int') > 0 AS recorded;
SELECT personalize.consent_state(8, 'led_mail', kind => 'led_int'), personalize.consent_state(8, 'led_ads', kind => 'led_int');
SELECT personalize.record_consents('led.staging');
SELECT personalize.consent_state(20, 'led_mail', kind => 'led_int'), personalize.consent_state(20, 'led_ads', kind => 'led_int');

SELECT personalize.revoke_duty('regress_led_app', 'app');
DROP SCHEMA led CASCADE;
DROP ROLE regress_led_app;
