-- An owner's own code gains nothing from what others do to its relation, and the owner cannot open it or fill one column from another.
SET client_min_messages = warning;
\pset format unaligned
CREATE ROLE regress_own_owner;
CREATE ROLE regress_own_officer;
CREATE ROLE regress_own_app;
CREATE SCHEMA own AUTHORIZATION regress_own_owner;
GRANT USAGE ON SCHEMA own TO PUBLIC;
/* who runs code of the owner; a sequence, so that it stays when the rest is rolled back */
CREATE SEQUENCE own.caught;
GRANT ALL ON SEQUENCE own.caught TO PUBLIC;
SET ROLE regress_own_owner;
CREATE FUNCTION own.catch() RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
	IF current_user <> 'regress_own_owner' THEN
		RAISE WARNING 'run by %', current_user;
		PERFORM nextval('own.caught');
	END IF;
	RETURN 0;
END
$$;
CREATE FUNCTION own.spy(integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS 'BEGIN PERFORM own.catch(); RETURN $1; END';
CREATE FUNCTION own.spies(integer) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS 'BEGIN PERFORM own.catch(); RETURN true; END';
CREATE FUNCTION own.leak(t text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RAISE WARNING ''saw %'', t; RETURN t; END';
CREATE FUNCTION own.same(t text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN t; END';
CREATE TABLE own.indexed (id integer, name text);
INSERT INTO own.indexed SELECT i, 'name' || i FROM generate_series(1, 3) AS i;
CREATE INDEX indexed_spy ON own.indexed ((id + own.spy(1)));
CREATE INDEX indexed_spies ON own.indexed (name) WHERE own.spies(1);
CREATE TABLE own.person (id integer PRIMARY KEY, name text, note text, diag text, day integer);
INSERT INTO own.person SELECT i, 'name' || i, 'note' || i, 'diag' || i, i FROM generate_series(1, 3) AS i;
CREATE TABLE own.stat (id integer, name text);
INSERT INTO own.stat SELECT i, 'name' || i FROM generate_series(1, 300) AS i;
CREATE STATISTICS own.stat_s ON (own.same(name)) FROM own.stat;
GRANT SELECT ON ALL TABLES IN SCHEMA own TO regress_own_app;
RESET ROLE;
DO $$
BEGIN
	PERFORM personalize.define_kind('owner', 'bigint');
	PERFORM personalize.define_category('own_general', 'for tests');
	PERFORM personalize.define_category('own_health', 'for tests', special => true);
	PERFORM personalize.define_purpose('own_ads', 'for tests', categories => '{own_general}');
	PERFORM personalize.assign_duty('regress_own_officer', 'officer');
	PERFORM personalize.grant_purpose('own_ads', r) FROM unnest('{regress_own_owner,regress_own_app}'::regrole[]) AS r;
	PERFORM personalize.protect(r, 'id', kind => 'owner', columns => '{"*":"own_general"}') FROM unnest('{own.indexed,own.stat}'::regclass[]) AS r;
	PERFORM personalize.protect('own.person', 'id', kind => 'owner', columns => '{"*":"own_general","diag":"own_health"}');
	PERFORM personalize.grant_consent(1, 'own_ads', kind => 'owner');
END
$$;
\set VERBOSITY default
\set SHOW_CONTEXT never
/* status(), and commands that name no relation: they look whether an index calls functions, and call none */
SET ROLE regress_own_officer;
SELECT count(*) FROM personalize.status() WHERE check_name = 'index' AND detail LIKE '%own.indexed%';
RESET ROLE;
ANALYZE;
SET client_min_messages = error;
SET ROLE regress_own_officer;
ANALYZE;
RESET ROLE;
SET client_min_messages = warning;
/* a command in a maintenance window is recorded by reading the relation as its owner */
SELECT personalize.open_maintenance('own.indexed', 'a test') IS NOT NULL AS open;
SET ROLE regress_own_owner;
VACUUM own.indexed;
CREATE INDEX ON own.indexed (id);
RESET ROLE;
SELECT is_called FROM own.caught;
SELECT personalize.audit_sync();
SELECT status, rows_used, subjects_used FROM personalize.usage WHERE purpose = 'maintenance' AND relation = 'own.indexed'::regclass ORDER BY usage_id;
SELECT personalize.close_maintenance('own.indexed');
/* statistics on an expression of before are functions, too */
DROP INDEX own.indexed_spy, own.indexed_spies;
SET ROLE regress_own_owner;
CREATE OR REPLACE FUNCTION own.same(t text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RAISE WARNING ''saw %'', t; RETURN t; END';
ANALYZE own.stat;
SET client_min_messages = error;
ANALYZE;
SET client_min_messages = warning;
DROP STATISTICS own.stat_s;
/* nor do functions of range types that the session has used before see a row */
CREATE FUNCTION own.distance(a text, b text) RETURNS float8 LANGUAGE plpgsql IMMUTABLE STRICT AS 'BEGIN RAISE WARNING ''saw %'', b; RETURN 1; END';
CREATE TYPE own.span AS RANGE (subtype = text, subtype_diff = own.distance);
SET client_min_messages = error;
CREATE TEMP TABLE warm AS SELECT own.span(chr(64 + i), chr(65 + i)) FROM generate_series(1, 5) AS i;
ANALYZE warm;
SET client_min_messages = warning;
CREATE INDEX span ON own.person (own.span(diag, diag || 'x'));
ANALYZE own.person;
SET client_min_messages = error;
ANALYZE;
SET client_min_messages = warning;
DROP INDEX own.span;
ANALYZE own.person;
/* no column is filled from another, whose category it has not */
ALTER TABLE own.person ALTER note TYPE text USING diag;
ALTER TABLE own.person ALTER note TYPE text USING upper(person.diag);
ALTER TABLE own.person ALTER note TYPE text USING (person).diag;
ALTER TABLE own.person ALTER note TYPE text USING person::text;
ALTER TABLE own.person ALTER note TYPE text USING diag, ALTER name TYPE varchar(10);
ALTER TABLE own.person ALTER id TYPE bigint USING 1;
ALTER TABLE own.person ALTER note TYPE varchar(20), ALTER day TYPE text USING (person.day + 1)::text, ALTER name TYPE varchar(20) USING substr(name, 1, 20);
/* the row security below the filter stays */
SELECT format('DROP POLICY %1$I ON own.person', polname) AS drop, format('ALTER POLICY %1$I ON own.person USING (true)', polname) AS alter,
	format('ALTER POLICY %1$I ON own.person RENAME TO mine', polname) AS rename
	FROM pg_policy WHERE polrelid = 'own.person'::regclass AND NOT polpermissive \gset
\set VERBOSITY sqlstate
:drop;
:alter;
:rename;
DROP POLICY personalize_net ON own.person;
ALTER TABLE own.person DISABLE ROW LEVEL SECURITY;
ALTER TABLE own.person NO FORCE ROW LEVEL SECURITY;
\set VERBOSITY default
ALTER TABLE own.person DISABLE ROW LEVEL SECURITY;
/* policies of its own it may make and drop */
CREATE POLICY personalize_mine ON own.person AS RESTRICTIVE USING (id > 0);
DROP POLICY personalize_mine ON own.person;
SET ROLE regress_own_app;
BEGIN; SET LOCAL personalize.purpose = 'own_ads'; SELECT id, name, note, day FROM own.person; COMMIT;
RESET ROLE;
/* with a window it may; whoever reads it next sees the category that the column has */
SELECT personalize.open_maintenance('own.person', 'a test') IS NOT NULL AS open;
SET ROLE regress_own_owner;
ALTER TABLE own.person ALTER note TYPE text USING name;
RESET ROLE;
SELECT personalize.close_maintenance('own.person');
SELECT personalize.unprotect('own.person');
SELECT relrowsecurity, relforcerowsecurity, (SELECT count(*) FROM pg_policy WHERE polrelid = c.oid) AS policies FROM pg_class AS c WHERE oid = 'own.person'::regclass;
DROP SCHEMA own CASCADE;
DROP OWNED BY regress_own_owner, regress_own_officer, regress_own_app;
DROP ROLE regress_own_owner, regress_own_officer, regress_own_app;
