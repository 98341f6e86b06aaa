-- A purpose uses columns of the categories it lists; a column nobody classified is refused to every purpose.
SET client_min_messages = warning;
\pset format unaligned
CREATE ROLE regress_enf_owner;
CREATE ROLE regress_enf_app;
CREATE SCHEMA enf AUTHORIZATION regress_enf_owner;
GRANT USAGE ON SCHEMA enf TO PUBLIC;
SET ROLE regress_enf_owner;
CREATE TABLE enf.customer (id integer PRIMARY KEY, name text, note text);
INSERT INTO enf.customer SELECT i, 'name' || i, 'note' || i FROM generate_series(1, 5) AS i;
GRANT ALL ON enf.customer TO regress_enf_app;
RESET ROLE;
/* ads: 1 and 2 agreed; mail: 1 to 4; 5 to nothing */
DO $$
BEGIN
	PERFORM personalize.define_kind('enforce_columns', 'bigint');
	PERFORM personalize.define_category('enf_general', 'for tests');
	PERFORM personalize.define_purpose('enf_ads', 'for tests', categories => '{enf_general}');
	PERFORM personalize.define_purpose('enf_mail', 'for tests', categories => '{enf_general}');
	PERFORM personalize.protect('enf.customer', 'id', kind => 'enforce_columns', columns => '{"*":"enf_general"}');
	PERFORM personalize.grant_purpose('enf_ads', 'regress_enf_app');
	PERFORM personalize.grant_purpose('enf_ads', 'regress_enf_owner');
	PERFORM personalize.grant_purpose('enf_mail', 'regress_enf_app');
	PERFORM personalize.grant_consent(i, 'enf_ads', kind => 'enforce_columns') FROM generate_series(1, 2) AS i;
	PERFORM personalize.grant_consent(i, 'enf_mail', kind => 'enforce_columns') FROM generate_series(1, 4) AS i;
END
$$;
\set VERBOSITY terse
DO $$
BEGIN
	PERFORM personalize.define_category('enf_contact', 'for tests');
	PERFORM personalize.define_category('enf_health', 'for tests', special => true);
	PERFORM personalize.define_purpose('enf_columns', 'for tests', 'contract', '{enf_general,enf_contact}');
	PERFORM personalize.grant_purpose('enf_columns', 'regress_enf_app');
END
$$;
SET ROLE regress_enf_owner;
CREATE TABLE enf.person (id integer, gone text, name text, email text, diagnosis text, shoe integer, secret text);
ALTER TABLE enf.person DROP COLUMN gone;
INSERT INTO enf.person VALUES (1, 'n', 'e', 'd', 42, 's'), (2, 'n', 'e', 'd', 43, 's');
CREATE TABLE enf.free (secret text, email text);
INSERT INTO enf.free VALUES ('s', 'e');
GRANT ALL ON enf.person, enf.free TO regress_enf_app;
RESET ROLE;
DO $$
BEGIN
	PERFORM personalize.protect('enf.person', 'id', kind => 'enforce_columns',
		columns => '{"name":"enf_general","email":"enf_contact","diagnosis":"enf_health","shoe":"none"}');
END
$$;
SET ROLE regress_enf_app;
BEGIN;
SET LOCAL personalize.purpose = 'enf_columns';
/* allowed: listed categories, none, the subject column, no column at all, system columns */
SELECT id, name, email, shoe FROM enf.person ORDER BY id;
SELECT count(*) FROM enf.person;
SELECT 1 AS one FROM enf.person;
SELECT tableoid::regclass FROM enf.person ORDER BY 1;
COMMIT;
\set VERBOSITY default
BEGIN; SET LOCAL personalize.purpose = 'enf_columns'; SELECT id, diagnosis FROM enf.person; ROLLBACK;
\echo :LAST_ERROR_SQLSTATE
BEGIN; SET LOCAL personalize.purpose = 'enf_columns'; SELECT id, secret FROM enf.person; ROLLBACK;
\echo :LAST_ERROR_SQLSTATE
\set VERBOSITY terse
RESET ROLE;
GRANT CREATE ON SCHEMA enf TO regress_enf_app;
SET ROLE regress_enf_app;
CREATE FUNCTION enf.refused(query text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE query;
	RETURN 'not refused';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
CREATE VIEW enf.v AS SELECT id, name, secret FROM enf.person;
CREATE FUNCTION enf.first(enf.person) RETURNS integer LANGUAGE sql AS 'SELECT $1.id';
BEGIN;
SET LOCAL personalize.purpose = 'enf_columns';
/* wherever it is named */
SELECT enf.refused('SELECT 1 FROM enf.person WHERE secret = ''s''');
SELECT enf.refused('SELECT 1 FROM enf.person ORDER BY secret');
SELECT enf.refused('SELECT count(*) FROM enf.person GROUP BY secret');
SELECT enf.refused('SELECT count(secret) FROM enf.person');
SELECT enf.refused('SELECT 1 FROM enf.person HAVING max(secret) = ''s''');
SELECT enf.refused('SELECT row_number() OVER (ORDER BY secret) FROM enf.person');
SELECT enf.refused('SELECT id FROM enf.person AS p JOIN enf.free AS f ON p.secret = f.secret');
SELECT enf.refused('SELECT id FROM enf.person JOIN enf.free USING (secret)');
SELECT enf.refused('SELECT id FROM enf.person NATURAL JOIN enf.free');
SELECT enf.refused('SELECT id FROM enf.person AS p WHERE EXISTS (SELECT 1 FROM enf.free AS f WHERE f.secret = p.secret)');
SELECT enf.refused('SELECT * FROM enf.person');
SELECT enf.refused('TABLE enf.person');
SELECT enf.refused('SELECT p FROM enf.person AS p');
SELECT enf.refused('SELECT p.* FROM enf.person AS p');
SELECT enf.refused('SELECT p IS NULL FROM enf.person AS p');
SELECT enf.refused('SELECT to_json(p) FROM enf.person AS p');
SELECT enf.refused('SELECT p::text FROM enf.person AS p');
SELECT enf.refused('SELECT enf.first(p) FROM enf.person AS p');
SELECT enf.refused('SELECT count(p) FROM enf.person AS p');
SELECT enf.refused('SELECT id FROM (SELECT * FROM enf.person) AS s');
SELECT enf.refused('SELECT name FROM enf.v');
SELECT enf.refused('UPDATE enf.person SET name = secret');
SELECT enf.refused('UPDATE enf.person SET secret = NULL');
SELECT enf.refused('UPDATE enf.person SET name = name RETURNING secret');
SELECT enf.refused('DELETE FROM enf.person WHERE secret IS NULL');
SELECT enf.refused('DELETE FROM enf.person RETURNING *');
SELECT enf.refused('MERGE INTO enf.free AS f USING enf.person AS p ON f.secret = p.secret WHEN MATCHED THEN DELETE');
SELECT enf.refused('DO $d$ DECLARE c CURSOR FOR SELECT secret FROM enf.person; r record; BEGIN OPEN c; FETCH c INTO r; END $d$');
SELECT enf.refused('SELECT id FROM enf.person LIMIT (SELECT length(max(secret)) FROM enf.person)');
/* who writes a new row may write all of it */
SELECT enf.refused('INSERT INTO enf.person VALUES (3, ''n'', ''e'', ''d'', 1, ''s'')');
/* nothing is refused that is not run */
SELECT * FROM enf.person LIMIT 0;
COMMIT;
/* classified later, and taken back by the purpose's list */
RESET ROLE;
DO $$ BEGIN PERFORM personalize.classify('enf.person', 'secret', 'enf_contact'); END $$;
SET ROLE regress_enf_app;
BEGIN; SET LOCAL personalize.purpose = 'enf_columns'; SELECT id, secret FROM enf.person ORDER BY id; COMMIT;
RESET ROLE;
DO $$ BEGIN PERFORM personalize.define_purpose('enf_columns', 'for tests', 'contract', '{enf_general}'); END $$;
SET ROLE regress_enf_app;
BEGIN; SET LOCAL personalize.purpose = 'enf_columns'; SELECT id, name FROM enf.person ORDER BY id; SELECT secret FROM enf.person; ROLLBACK;
RESET ROLE;
/* a child's own column is nobody's either */
CREATE TABLE enf.child (own text) INHERITS (enf.customer);
INSERT INTO enf.child (id, name, own) VALUES (1, 'child', 'own');
BEGIN;
SET LOCAL personalize.purpose = 'enf_ads';
SELECT id, name FROM enf.child;
SELECT left(enf.refused('SELECT own FROM enf.child'), 5);
SELECT left(enf.refused('SELECT c FROM enf.child AS c'), 5);
SELECT left(enf.refused('SELECT id FROM enf.child WHERE own = ''x'''), 5);
SELECT c FROM enf.customer AS c ORDER BY id, name;
ROLLBACK;
DROP TABLE enf.child;
/* a column that is added later is nobody's; "*" was for those of then */
ALTER TABLE enf.customer ADD COLUMN later text DEFAULT 'x';
SET ROLE regress_enf_app;
BEGIN; SET LOCAL personalize.purpose = 'enf_ads'; SELECT id, name, note FROM enf.customer ORDER BY id; SELECT * FROM enf.customer; ROLLBACK;
/* a column of the same name that was dropped and made again is another one */
RESET ROLE;
ALTER TABLE enf.customer DROP COLUMN note;
ALTER TABLE enf.customer ADD COLUMN note text;
SET ROLE regress_enf_app;
BEGIN; SET LOCAL personalize.purpose = 'enf_ads'; SELECT id, note FROM enf.customer; ROLLBACK;
RESET ROLE;
/* renamed, it keeps its category */
ALTER TABLE enf.customer RENAME COLUMN name TO called;
SET ROLE regress_enf_app;
BEGIN; SET LOCAL personalize.purpose = 'enf_ads'; SELECT id, called FROM enf.customer ORDER BY id; COMMIT;
RESET ROLE;
/* the built-in purposes see all of it */
BEGIN; SET LOCAL personalize.purpose = 'backup'; SELECT * FROM enf.person ORDER BY id; COMMIT;
/* the superuser under another one does not */
BEGIN; SET LOCAL personalize.purpose = 'enf_columns'; SELECT diagnosis FROM enf.person; ROLLBACK;
RESET ROLE;
DROP SCHEMA enf CASCADE;
DROP OWNED BY regress_enf_owner, regress_enf_app;
DROP ROLE regress_enf_owner, regress_enf_app;
