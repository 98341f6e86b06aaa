-- An observed relation refuses and withholds nothing, and says on record what it would have.
SET client_min_messages = warning;
\pset format unaligned
CREATE ROLE regress_obs_owner;
CREATE ROLE regress_obs_app;
CREATE ROLE regress_obs_officer;
CREATE SCHEMA obs AUTHORIZATION regress_obs_owner;
GRANT USAGE ON SCHEMA obs TO PUBLIC;
SET ROLE regress_obs_owner;
CREATE TABLE obs.person (id integer PRIMARY KEY, name text, email text);
INSERT INTO obs.person SELECT i, 'name' || i, 'mail' || i FROM generate_series(1, 4) AS i;
CREATE TABLE obs.enforced (id integer, what text);
INSERT INTO obs.enforced SELECT i, 'what' || i FROM generate_series(1, 4) AS i;
CREATE TABLE obs.part (id integer, name text) PARTITION BY RANGE (id);
CREATE TABLE obs.part_1 PARTITION OF obs.part FOR VALUES FROM (0) TO (10);
INSERT INTO obs.part VALUES (1, 'one');
GRANT ALL ON ALL TABLES IN SCHEMA obs TO regress_obs_app;
CREATE TABLE obs.copied (id integer, name text);
GRANT ALL ON obs.copied TO regress_obs_app;
RESET ROLE;
SELECT personalize.assign_duty('regress_obs_officer', 'officer');
DO $$
BEGIN
	PERFORM personalize.define_kind('observe', 'bigint');
	PERFORM personalize.define_category('obs_general', 'for tests');
	PERFORM personalize.define_category('obs_health', 'for tests', special => true);
	PERFORM personalize.define_purpose('obs_ads', 'for tests', categories => '{obs_general}');
	PERFORM personalize.define_purpose('obs_not_granted', 'for tests', categories => '{obs_general}');
	PERFORM personalize.grant_purpose('obs_ads', 'regress_obs_app');
	PERFORM personalize.grant_consent(i, 'obs_ads', kind => 'observe') FROM generate_series(1, 2) AS i;
END
$$;
\set VERBOSITY terse
/* only a superuser may open a relation this way */
SET ROLE regress_obs_officer;
SELECT personalize.protect('obs.person', 'id', kind => 'observe', mode => 'observe', columns => '{"email":"obs_health","*":"obs_general"}');
RESET ROLE;
SELECT personalize.protect('obs.person', 'id', kind => 'observe', mode => 'observe', columns => '{"email":"obs_health","*":"obs_general"}');
SELECT personalize.protect('obs.part', 'id', kind => 'observe', mode => 'observe', columns => '{"*":"obs_general"}');
SELECT personalize.protect('obs.enforced', 'id', kind => 'observe', columns => '{"*":"obs_general"}');
SELECT relname, relrowsecurity, relforcerowsecurity, (SELECT count(*) FROM pg_policy WHERE polrelid = c.oid) AS policies
	FROM pg_class AS c WHERE relnamespace = 'obs'::regnamespace AND relkind IN ('r', 'p') ORDER BY relname COLLATE "C";
SELECT check_name, ok, regexp_replace(detail, '\d{4}-\d\d-\d\d', 'DATE') AS said FROM personalize.status() WHERE detail LIKE '%obs.%' ORDER BY detail COLLATE "C";
/* everything as before */
SET ROLE regress_obs_app;
SELECT id, email FROM obs.person ORDER BY id;
BEGIN; SET LOCAL personalize.purpose = 'obs_ads'; SELECT id, name FROM obs.person ORDER BY id; SELECT email FROM obs.person WHERE id = 1; COMMIT;
BEGIN; SET LOCAL personalize.purpose = 'obs_not_granted'; SELECT count(*) FROM obs.person; COMMIT;
BEGIN; SET LOCAL personalize.purpose = 'obs_nonesuch'; SELECT count(*) FROM obs.part_1; COMMIT;
BEGIN;
UPDATE obs.person SET email = NULL, id = id + 10 WHERE id > 2 RETURNING id;
DELETE FROM obs.person WHERE id = 2;
INSERT INTO obs.person VALUES (1, 'up') ON CONFLICT (id) DO UPDATE SET name = 'up' WHERE person.email = 'mail1' RETURNING *;
INSERT INTO obs.copied SELECT id, name FROM obs.person;
SELECT count(*) FROM obs.copied;
ROLLBACK;
COPY obs.person TO STDOUT;
COPY obs.person FROM STDIN;
9	nine	mail9
\.
DELETE FROM obs.person WHERE id = 9;
MERGE INTO obs.person AS p USING (VALUES (4)) AS s (id) ON p.id = s.id WHEN MATCHED THEN UPDATE SET name = 'merged';
/* what is protected is refused as ever, also beside an observed relation */
SELECT p.id, e.what FROM obs.person AS p JOIN obs.enforced AS e USING (id);
BEGIN; SET LOCAL personalize.purpose = 'obs_ads'; SELECT p.id, e.what FROM obs.person AS p LEFT JOIN obs.enforced AS e USING (id) ORDER BY 1; COMMIT;
RESET ROLE;
/* DDL of the owner is not hindered */
SET ROLE regress_obs_owner;
CREATE FUNCTION obs.ok(t text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN t IS NOT NULL; END';
ALTER TABLE obs.person ADD CHECK (obs.ok(name));
ALTER TABLE obs.part DETACH PARTITION obs.part_1;
ALTER TABLE obs.part ATTACH PARTITION obs.part_1 FOR VALUES FROM (0) TO (10);
RESET ROLE;
/* what would have been refused or withheld */
SELECT personalize.audit_sync();
SELECT relation_name, db_role, purpose, would_be, uses, rows_withheld, query FROM personalize.observed
	WHERE relation_name LIKE 'obs.%' ORDER BY first_seen, query COLLATE "C", would_be COLLATE "C";
SELECT status, reason, rows_used, rows_withheld, (SELECT string_agg(s.subject, ' ' ORDER BY s.subject COLLATE "C") FROM personalize.subjects_of(u.usage_id) AS s) AS subjects
	FROM personalize.usage AS u WHERE relation_name = 'obs.person' AND db_role = 'regress_obs_app' ORDER BY usage_id LIMIT 4;
/* in earnest */
SELECT personalize.unprotect('obs.person');
SELECT personalize.protect('obs.person', 'id', kind => 'observe', columns => '{"email":"obs_health","*":"obs_general"}');
SET ROLE regress_obs_app;
SELECT id, email FROM obs.person ORDER BY id;
BEGIN; SET LOCAL personalize.purpose = 'obs_ads'; SELECT id, name FROM obs.person ORDER BY id; COMMIT;
RESET ROLE;
SELECT count(*) FROM personalize.observed WHERE relation_name = 'obs.person';
DROP SCHEMA obs CASCADE;
SELECT personalize.revoke_duty('regress_obs_officer', 'officer');
DROP OWNED BY regress_obs_owner, regress_obs_app, regress_obs_officer;
DROP ROLE regress_obs_owner, regress_obs_app, regress_obs_officer;
