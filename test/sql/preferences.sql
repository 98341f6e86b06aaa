-- Preferences and incentives: what was stated is apart from what was inferred, queries join what their purpose may see, taking part is nobody's consent.
SET client_min_messages = warning;
\pset format unaligned
\set SHOW_CONTEXT never
CREATE SCHEMA pref;
CREATE ROLE regress_pref_app;
CREATE ROLE regress_pref_officer;
CREATE ROLE regress_pref_owner;
GRANT USAGE ON SCHEMA pref TO PUBLIC;
GRANT CREATE ON SCHEMA pref TO regress_pref_owner;
CREATE TABLE pref.customer (id bigint PRIMARY KEY, name text);
INSERT INTO pref.customer SELECT i, 'n' || i FROM generate_series(1, 5) AS i;
SET ROLE regress_pref_owner;
CREATE TABLE pref.wants (person bigint, name text, value jsonb);
CREATE TABLE pref.guesses (person bigint, name text, value jsonb, at timestamptz DEFAULT now());
CREATE TABLE pref.wrong (person bigint, name text);
CREATE FUNCTION pref.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF current_user <> 'regress_pref_owner' THEN RAISE WARNING 'ran as %', current_user; END IF; RETURN NEW; END $$;
CREATE TRIGGER note BEFORE INSERT ON pref.wants FOR EACH ROW EXECUTE FUNCTION pref.note();
GRANT SELECT ON pref.wants, pref.guesses TO regress_pref_app;
RESET ROLE;
GRANT SELECT ON pref.customer TO regress_pref_app;
DO $$
BEGIN
	PERFORM personalize.define_kind('pref', 'bigint');
	PERFORM personalize.define_kind('pref_cookie', 'text');
	PERFORM personalize.define_category('pref_c', 'for tests'), personalize.define_category('pref_guess', 'for tests');
	PERFORM personalize.define_purpose('pref_ads', 'for tests', categories => '{pref_c,pref_guess}', value_exchange => 'fewer clicks');
	PERFORM personalize.define_purpose('pref_news', 'for tests', categories => '{pref_c}');
	PERFORM personalize.protect('pref.customer', 'id', kind => 'pref', columns => '{"*":"pref_c"}');
	PERFORM personalize.protect('pref.wants', 'person', kind => 'pref', columns => '{"*":"pref_c"}');
	PERFORM personalize.protect('pref.guesses', 'person', kind => 'pref', columns => '{"*":"pref_guess"}');
	PERFORM personalize.protect('pref.wrong', 'person', kind => 'pref', columns => '{"*":"pref_c"}');
	PERFORM personalize.grant_purpose(p, 'regress_pref_app') FROM unnest('{pref_ads,pref_news}'::text[]) AS p;
	PERFORM personalize.assign_duty('regress_pref_app', 'app');
	PERFORM personalize.assign_duty('regress_pref_officer', 'officer');
	PERFORM personalize.grant_consent(i, 'pref_ads', kind => 'pref') FROM generate_series(1, 3) AS i;
	PERFORM personalize.grant_consent(i, 'pref_news', kind => 'pref') FROM unnest('{1,4}'::integer[]) AS i;
END
$$;
SET ROLE regress_pref_app;
SELECT personalize.set_preference(1, 'topics', '{"gardening": 1, "football": -1}', kind => 'pref') > 0;
SELECT personalize.set_preference(4, 'channels', '{"mail": true, "phone": false}', kind => 'pref') > 0;
/* inferred: for a purpose that the person permits, beside what was stated, never over it */
SELECT personalize.set_preference(1, 'topics', '{"football": 0.9}', 'inferred', 'pref_ads', 'pref') > 0;
SELECT personalize.set_preference(4, 'topics', '{"football": 0.9}', 'inferred', 'pref_ads', 'pref') IS NULL AS not_recorded;
SELECT personalize.set_preference('stranger', 'topics', '{}', 'inferred', 'pref_ads', 'pref_cookie') IS NULL AS not_recorded;
SELECT name, value FROM personalize.preferences(1, 'pref');
SELECT name, value FROM personalize.inferred_preferences(1, 'pref_ads', 'pref');
SELECT name, value FROM personalize.inferred_preferences(1, 'pref_news', 'pref');
SELECT personalize.set_preference(1, 'topics', '{"gardening": 0.5}', kind => 'pref') > 0;
SELECT name, value FROM personalize.preferences(1, 'pref');
SELECT personalize.withdraw_consent(1, 'pref_ads', kind => 'pref') > 0;
SELECT name, value FROM personalize.inferred_preferences(1, 'pref_ads', 'pref');
SELECT personalize.grant_consent(1, 'pref_ads', kind => 'pref') > 0;
RESET ROLE;
SELECT count(*) FROM personalize.subject AS s JOIN personalize.registry_kind AS k USING (kind_id) WHERE k.name = 'pref_cookie';

/* queries join a protected table: those who permit the purpose, and nobody else */
SET ROLE regress_pref_officer;
SELECT personalize.publish_preferences('pref.wants'), personalize.publish_preferences('pref.guesses', 'pref_ads');
RESET ROLE;
SET ROLE regress_pref_app;
SELECT personalize.set_preference(2, 'topics', '{"chess": 1}', kind => 'pref') > 0, personalize.set_preference(5, 'topics', '{"chess": 1}', kind => 'pref') > 0;
SELECT * FROM pref.wants;
BEGIN;
SET LOCAL personalize.purpose = 'pref_ads';
SELECT c.id, w.name, w.value FROM pref.customer AS c LEFT JOIN pref.wants AS w ON w.person = c.id ORDER BY 1, 2;
SELECT person, name, value FROM pref.guesses ORDER BY 1;
COMMIT;
BEGIN;
SET LOCAL personalize.purpose = 'pref_news';
SELECT c.id, w.name, w.value FROM pref.customer AS c LEFT JOIN pref.wants AS w ON w.person = c.id ORDER BY 1, 2;
SELECT count(*) FROM pref.guesses WHERE value IS NOT NULL;
ROLLBACK;
SELECT personalize.set_preference(2, 'topics', NULL, kind => 'pref') > 0;
BEGIN;
SET LOCAL personalize.purpose = 'pref_ads';
SELECT w.person, w.name, w.value FROM pref.wants AS w ORDER BY 1, 2;
COMMIT;
RESET ROLE;
SELECT personalize.publish_preferences('pref.wrong');
SELECT personalize.publish_preferences('pref.wants', 'pref_nonesuch');
SELECT personalize.publish_preferences('pref.guesses', 'pref_news');
SELECT personalize.publish_preferences('pg_class');

/* hours in which somebody is not to be disturbed, by the clock there */
SELECT personalize.set_preference(1, 'quiet_hours', '[{"from": "22:00", "to": "07:00", "timezone": "Europe/Berlin", "days": [1, 5]}, {"from": "12:00", "to": "13:00", "timezone": "Europe/Berlin"}]', kind => 'pref') > 0;
SELECT t AS utc, to_char(t AT TIME ZONE 'Europe/Berlin', 'Dy HH24:MI') AS there, personalize.quiet_now(1, t, 'pref')
FROM unnest('{2026-06-01 19:59Z,2026-06-01 20:00Z,2026-06-02 04:59Z,2026-06-02 05:00Z,2026-06-02 21:00Z,2026-06-06 01:00Z,2026-06-07 01:00Z,2026-01-15 10:59Z,2026-01-15 11:00Z,2026-01-15 12:00Z}'::timestamptz[]) AS t;
SELECT personalize.quiet_now(3, kind => 'pref'), personalize.quiet_now(99, kind => 'pref');
SELECT personalize.set_preference(1, n, v::jsonb, kind => 'pref') FROM (VALUES ('quiet_hours', '{"from": "22:00"}')) AS x (n, v);
SELECT personalize.set_preference(1, 'quiet_hours', '{"from": "22:00", "to": "22:00", "timezone": "UTC"}', kind => 'pref');
SELECT personalize.set_preference(1, 'quiet_hours', '{"from": "22:00", "to": "23:00", "timezone": "Mars/Phobos"}', kind => 'pref');
SELECT personalize.set_preference(1, 'quiet_hours', '{"from": "22:00", "to": "23:00", "timezone": "UTC", "days": [0]}', kind => 'pref');
SELECT personalize.set_preference(1, 'quiet_hours', '7', kind => 'pref');
SELECT personalize.set_preference(1, 'topics', '{"chess": 2}', kind => 'pref');
SELECT personalize.set_preference(1, 'topics', '{"chess": "much"}', kind => 'pref');
SELECT personalize.set_preference(1, 'channels', '["mail"]', kind => 'pref');
SELECT personalize.set_preference(1, 'topics', '{}', 'guessed', kind => 'pref');
SELECT personalize.set_preference(1, 'topics', '{}', 'inferred', kind => 'pref');
SELECT personalize.set_preference(1, 'topics', '{}', 'stated', 'pref_ads', 'pref');
SELECT personalize.set_preference(1, '', '{}', kind => 'pref');
SET ROLE regress_pref_app;
SELECT * FROM personalize.preference_history(1, 'pref');
SELECT personalize.publish_preferences('pref.wants');
RESET ROLE;
/* identities that are joined want the same, the newest */
SELECT personalize.set_preference('c', 'topics', '{"tea": 1}', kind => 'pref_cookie') > 0, personalize.link_subject('c', '3', to_kind => 'pref', kind => 'pref_cookie') >= 0;
SELECT name, value FROM personalize.preferences(3, 'pref');
SELECT personalize.rights_run_internal(path_id, 'SELECT pg_catalog.count(*) FROM pref.wants WHERE person = 3', '3', '{}') FROM personalize.registry_path WHERE relid = 'pref.wants'::regclass;
SELECT personalize.unlink_subject('c', kind => 'pref_cookie');
SELECT personalize.rights_run_internal(path_id, 'SELECT pg_catalog.count(*) FROM pref.wants WHERE person = 3', '3', '{}') FROM personalize.registry_path WHERE relid = 'pref.wants'::regclass;

/* incentives: opt-in, with terms; what it needs is said */
SET ROLE regress_pref_officer;
SELECT personalize.define_incentive('pref_club', 'pref_ads', 'Ends when you leave', 'five percent off', 'two euros a year, what we save in advertising') AS version;
SELECT personalize.define_incentive('pref_club', 'pref_ads', 'Ends when you leave', 'five percent off', 'two euros a year, what we save in advertising') AS version;
SELECT personalize.define_incentive('pref_box', 'pref_ads', 'One box a year.', 'a box', requires => '{pref_news}') AS version;
RESET ROLE;
SET ROLE regress_pref_app;
SELECT substring(personalize.privacy_notice() FROM '## pref_ads.*?\n\n## pref_news');
SELECT name, value, requires, state, version, newest, may_ask_at FROM personalize.incentives_of(2, 'pref');
SELECT personalize.accept_incentive(2, 'pref_club', 'pref') > 0;
/* that is no consent, and needs none that is not said */
SELECT personalize.consent_state(2, 'pref_news', kind => 'pref');
SELECT personalize.accept_incentive(2, 'pref_box', 'pref');
SELECT personalize.accept_incentive(1, 'pref_box', 'pref') > 0, personalize.accept_incentive(4, 'pref_club', 'pref') > 0, personalize.refuse_incentive(3, 'pref_club', 'pref') > 0;
SELECT name, state, may_ask_at = since + interval '12 months' AS in_a_year FROM personalize.incentives_of(3, 'pref');
/* whoever withdraws a consent that it needs does not take part meanwhile */
SELECT personalize.withdraw_consent(1, 'pref_news', kind => 'pref') > 0;
SELECT name, state FROM personalize.incentives_of(1, 'pref');
/* to leave withdraws no consent */
SELECT personalize.withdraw_incentive(2, 'pref_club', 'pref') > 0, personalize.withdraw_incentive(2, 'pref_club', 'pref') IS NULL AS twice;
SELECT personalize.permitted(2, 'pref_ads', 'pref');
RESET ROLE;
/* new terms: whoever takes part does so under those that were accepted */
SELECT personalize.define_incentive('pref_club', 'pref_ads', 'Ends after a year', 'four percent off') AS version;
SELECT name, value, terms, state, version, newest, may_ask_at FROM personalize.incentives_of(4, 'pref') WHERE name = 'pref_club';
SELECT name, version, purpose, value, data_value, requires, retired_at IS NOT NULL AS retired, accepted FROM personalize.incentives WHERE name LIKE 'pref%' ORDER BY name COLLATE "C", version;
SELECT jsonb_path_query(personalize.consent_receipt(1, kind => 'pref'), '$."dpv:hasRecord"[0]."dpv:hasProcess"."dpv:hasPurpose"') #- '{pz:incentives,0,since}';
SELECT personalize.retire_incentive('pref_box'), personalize.retire_incentive('pref_box');
SELECT personalize.accept_incentive(2, 'pref_box', 'pref');
SELECT personalize.withdraw_incentive(1, 'pref_box', 'pref') > 0;
SELECT personalize.accept_incentive(2, 'nonesuch', 'pref');
SELECT personalize.define_incentive('pref_bad', 'pref_ads', '', 'x');
SELECT personalize.define_incentive('pref_bad', 'pref_nonesuch', 'x', 'x');
SELECT personalize.define_incentive('pref_bad', 'pref_ads', 'x', 'x', requires => '{nonesuch}');

/* exports have it all, erasure takes it away, also what others said of the person */
SELECT personalize.set_preference('friend', 'blocked', '["ann@mail.example", "bob"]', kind => 'pref_cookie') > 0, personalize.set_preference('ann@mail.example', 'topics', '{}', kind => 'pref_cookie') > 0;
SELECT x - 'at' FROM jsonb_array_elements(personalize.export_subject(1, 'pref') -> 'preferences') AS x WHERE x ->> 'name' = 'topics';
SELECT x ->> 'name', x ->> 'state' FROM jsonb_array_elements(personalize.export_subject(1, 'pref') -> 'incentives') AS x;
SELECT personalize.erase_subject(1, kind => 'pref') ->> 'subjects', personalize.erase_subject('ann@mail.example', kind => 'pref_cookie') ->> 'subjects';
SELECT name, value FROM personalize.preferences('friend', 'pref_cookie');
SELECT count(*) FROM personalize.preference AS p JOIN personalize.subject AS s USING (subject_no) WHERE s.key IS NULL;
SELECT personalize.rights_run_internal(path_id, 'SELECT pg_catalog.count(*) FROM pref.wants WHERE person = 1', '1', '{}') FROM personalize.registry_path WHERE relid = 'pref.wants'::regclass;
SELECT personalize.unpublish_preferences('pref.wants'), personalize.unpublish_preferences('pref.wants'), personalize.unpublish_preferences('pref.guesses');
SELECT personalize.unprotect(t::regclass) FROM unnest('{pref.customer,pref.wants,pref.guesses,pref.wrong}'::text[]) AS t;
SELECT personalize.retire_incentive('pref_club'), personalize.revoke_duty('regress_pref_app', 'app'), personalize.revoke_duty('regress_pref_officer', 'officer');
SELECT count(personalize.revoke_purpose(p.name, 'regress_pref_app')), count(personalize.retire_purpose(p.name)) FROM personalize.purposes AS p WHERE p.name LIKE 'pref%';
DROP SCHEMA pref CASCADE;
DROP OWNED BY regress_pref_app, regress_pref_officer, regress_pref_owner;
DROP ROLE regress_pref_app, regress_pref_officer, regress_pref_owner;
