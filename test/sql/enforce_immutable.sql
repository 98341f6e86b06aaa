-- What a function labelled IMMUTABLE reads does not become a constant of a plan that outlives purpose and consent.
SET client_min_messages = warning;
\pset format unaligned
\set VERBOSITY terse
CREATE ROLE regress_imm_app;
CREATE SCHEMA imm;
GRANT USAGE ON SCHEMA imm TO PUBLIC;
CREATE TABLE imm.customer (id integer PRIMARY KEY, name text);
INSERT INTO imm.customer VALUES (1, 'one');
GRANT SELECT ON imm.customer TO regress_imm_app;
DO $$
BEGIN
	PERFORM personalize.define_kind('imm', 'bigint');
	PERFORM personalize.define_category('imm_general', 'for tests');
	PERFORM personalize.define_purpose('imm_ads', 'for tests', categories => '{imm_general}');
	PERFORM personalize.grant_purpose('imm_ads', 'regress_imm_app');
	PERFORM personalize.protect('imm.customer', 'id', kind => 'imm', columns => '{"*":"imm_general"}');
	PERFORM personalize.grant_consent(1, 'imm_ads', kind => 'imm');
END
$$;
CREATE FUNCTION imm.name(integer) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT name FROM imm.customer WHERE id = $1';
CREATE FUNCTION imm.wrap() RETURNS text LANGUAGE plpgsql AS 'BEGIN RETURN imm.name(1); END';
CREATE FUNCTION imm.honest(integer) RETURNS text LANGUAGE sql STABLE AS 'SELECT name FROM imm.customer WHERE id = $1';
SET ROLE regress_imm_app;
PREPARE one AS SELECT imm.name(1);
BEGIN;
SET LOCAL personalize.purpose = 'imm_ads';
SAVEPOINT s;
EXECUTE one;
ROLLBACK TO s;
SELECT imm.wrap();
ROLLBACK TO s;
SELECT imm.honest(1);
/* with a value that is only there when it runs, it runs as any other */
SELECT imm.name(i) FROM generate_series(1, 1) AS i;
COMMIT;
EXECUTE one;
SELECT imm.wrap();
RESET ROLE;
DROP SCHEMA imm CASCADE;
DROP OWNED BY regress_imm_app;
DROP ROLE regress_imm_app;
