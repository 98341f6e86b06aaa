-- A session that saw the extension go filters again when it is back: after a rolled back DROP EXTENSION, and after a new CREATE EXTENSION over the schema that stayed.
SET client_min_messages = warning;
\pset format unaligned
\set VERBOSITY terse
CREATE TABLE enf_ext (id integer PRIMARY KEY, name text);
INSERT INTO enf_ext SELECT i, 'name' || i FROM generate_series(1, 3) AS i;
DO $$
BEGIN
	PERFORM personalize.define_kind('enforce_extension', 'bigint');
	PERFORM personalize.define_category('enf_general', 'for tests');
	PERFORM personalize.protect('enf_ext', 'id', kind => 'enforce_extension', columns => '{"*":"enf_general"}');
END
$$;
SELECT name FROM enf_ext;
BEGIN;
DROP EXTENSION personalize CASCADE;
SELECT count(*) AS superusers_see FROM enf_ext;
ROLLBACK;
SELECT name FROM enf_ext;
BEGIN;
SAVEPOINT a;
DROP EXTENSION personalize CASCADE;
SELECT count(*) AS superusers_see FROM enf_ext;
ROLLBACK TO a;
SELECT name FROM enf_ext;
ROLLBACK;
/* another extension over the same schema */
BEGIN;
DROP EXTENSION personalize CASCADE;
SELECT count(*) AS superusers_see FROM enf_ext;
CREATE EXTENSION personalize;
DO $$
BEGIN
	EXECUTE 'ALTER TABLE enf_ext DISABLE ROW LEVEL SECURITY';
	PERFORM personalize.define_kind('enforce_extension', 'bigint');
	PERFORM personalize.protect('enf_ext', 'id', kind => 'enforce_extension');
END
$$;
SELECT name FROM enf_ext;
ROLLBACK;
SELECT name FROM enf_ext;
DO $$ BEGIN PERFORM personalize.unprotect('enf_ext'); END $$;
DROP TABLE enf_ext;
