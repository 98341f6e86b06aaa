-- What is met only by mistake or in bad faith is refused, and nothing of a row comes with it.
SET client_min_messages = warning;
\set VERBOSITY terse
\pset format unaligned
CREATE ROLE regress_ref_owner;
CREATE ROLE regress_ref_app;
CREATE SCHEMA ref AUTHORIZATION regress_ref_owner;
GRANT USAGE ON SCHEMA ref TO PUBLIC;
SET ROLE regress_ref_owner;
CREATE TABLE ref.person (id integer PRIMARY KEY, name text);
CREATE TABLE ref.other (id integer PRIMARY KEY, name text);
CREATE TABLE ref.quoting (id integer, name text CHECK (query_to_xml('SELECT ''' || name || '''', true, true, '') IS NOT NULL));
CREATE TABLE ref.via (no integer PRIMARY KEY, person integer REFERENCES ref.person, name text);
INSERT INTO ref.person SELECT i, 's3cret' || i FROM generate_series(1, 4) AS i;
INSERT INTO ref.other SELECT * FROM ref.person;
INSERT INTO ref.via SELECT i, i, 's3cret' FROM generate_series(1, 4) AS i;
GRANT ALL ON ALL TABLES IN SCHEMA ref TO regress_ref_app;
RESET ROLE;
DO $$
BEGIN
	PERFORM personalize.define_kind('refused', 'bigint');
	PERFORM personalize.define_category('ref_cat', 'for tests');
	PERFORM personalize.define_purpose('ref_mail', 'for tests', categories => '{ref_cat}');
	PERFORM personalize.protect('ref.person', 'id', kind => 'refused', columns => '{"*":"ref_cat"}');
	PERFORM personalize.protect('ref.other', 'id', kind => 'refused', columns => '{"*":"ref_cat"}');
	PERFORM personalize.protect('ref.quoting', 'id', kind => 'refused', columns => '{"*":"ref_cat"}');
	PERFORM personalize.protect('ref.via', via => 'person', columns => '{"*":"ref_cat"}');
	PERFORM personalize.grant_purpose('ref_mail', 'regress_ref_app');
	PERFORM personalize.grant_purpose('ref_mail', 'regress_ref_owner');
	PERFORM personalize.grant_consent(i, 'ref_mail', kind => 'refused') FROM generate_series(1, 2) AS i;
END
$$;

/* files and programs of the server are for the roles that PostgreSQL has for that, also where COPY is taken over */
SET ROLE regress_ref_app;
COPY ref.person FROM '/etc/passwd';
COPY ref.person FROM PROGRAM 'echo 9';
BEGIN; SET LOCAL personalize.purpose = 'ref_mail'; COPY ref.person FROM PROGRAM 'echo 9'; ROLLBACK;
BEGIN; SET LOCAL personalize.purpose = 'ref_mail'; COPY ref.person FROM '/etc/passwd' WHERE id > 0; ROLLBACK;

/* a constraint that makes a query of a cell */
INSERT INTO ref.quoting VALUES (1, 'x');
BEGIN; SET LOCAL personalize.purpose = 'ref_mail'; UPDATE ref.quoting SET name = name; ROLLBACK;
RESET ROLE;
SELECT path_id AS other FROM personalize.registry_path WHERE relid = 'ref.other'::regclass \gset

/* a trigger that comes while a statement is under way */
SET ROLE regress_ref_owner;
CREATE FUNCTION ref.spy() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE NOTICE ''%'', NEW; RETURN NEW; END';
CREATE FUNCTION ref.late(i integer) RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
	CREATE TRIGGER late BEFORE UPDATE ON ref.person FOR EACH ROW EXECUTE FUNCTION ref.spy();
	RETURN i;
END
$$;
BEGIN; SET LOCAL personalize.purpose = 'ref_mail'; SELECT ref.late(id) FROM ref.person; ROLLBACK;
BEGIN; SET LOCAL personalize.purpose = 'ref_mail'; UPDATE ref.person SET name = name WHERE ref.late(id) > 0; ROLLBACK;
SELECT count(*) FROM pg_trigger WHERE tgname = 'late';

/* a policy that speaks of another relation does not open this one */
BEGIN;
CREATE POLICY borrowed ON ref.person USING (personalize.policy_ok(:other, id::bigint));
SET LOCAL personalize.purpose = 'ref_mail';
SELECT count(*) FROM ref.person;
ROLLBACK;
RESET ROLE;

/* a registry that nobody can read: what was protected is closed, not open */
CREATE FUNCTION ref.look() RETURNS bigint LANGUAGE plpgsql SET role = regress_ref_app SET personalize.purpose = 'ref_mail' AS 'BEGIN RETURN (SELECT count(*) FROM ref.person); END';
BEGIN; SELECT ref.look(); ROLLBACK;
BEGIN;
ALTER TABLE personalize.registry_purpose DROP CONSTRAINT registry_purpose_legal_basis_check;
UPDATE personalize.registry_purpose SET legal_basis = 'whim' WHERE name = 'ref_mail';
SELECT ref.look();
ROLLBACK;
BEGIN;
ALTER EXTENSION personalize DROP FUNCTION personalize.statistics_ok(oid);
DROP FUNCTION personalize.statistics_ok(oid);
SET LOCAL ROLE regress_ref_app;
SELECT count(*) FROM pg_stats WHERE schemaname = 'ref';
ROLLBACK;
BEGIN;
ALTER EXTENSION personalize DROP FUNCTION personalize.row_ok(personalize.plan_mark, bigint);
DROP FUNCTION personalize.row_ok(personalize.plan_mark, bigint);
\set VERBOSITY sqlstate
SELECT ref.look();
\set VERBOSITY terse
ROLLBACK;
BEGIN;
DELETE FROM personalize.registry_path WHERE relid = 'ref.person'::regclass;
SELECT ref.look();
ROLLBACK;
BEGIN;
UPDATE personalize.registry_kind SET key_type = 'uuid'::regtype WHERE name = 'refused';
SELECT ref.look();
ROLLBACK;

/* trigger functions of ours in triggers of others, and called as they are */
CREATE TABLE ref.plain (id integer);
BEGIN;
CREATE TRIGGER borrowed AFTER INSERT ON ref.plain FOR EACH ROW EXECUTE FUNCTION personalize.exclusion_changed_internal();
INSERT INTO ref.plain VALUES (1);
ROLLBACK;
SELECT personalize.exclusion_changed_internal();
SELECT personalize.registry_changed();
SELECT personalize.consent_changed_internal();

/* the log of a standby is nothing that somebody made up */
SELECT personalize.ingest_standby_log('');
SELECT personalize.ingest_standby_log('\x00');
SELECT personalize.ingest_standby_log(decode(repeat('50', 4096), 'hex'));

SELECT personalize.unprotect(r) FROM unnest('{ref.via,ref.quoting,ref.other,ref.person}'::regclass[]) AS r;
DROP SCHEMA ref CASCADE;
DROP ROLE regress_ref_owner, regress_ref_app;
