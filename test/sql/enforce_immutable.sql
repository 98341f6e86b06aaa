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
/* reads by what it calls; a plain one is still inlined */
CREATE FUNCTION imm.deep() RETURNS text LANGUAGE plpgsql STABLE AS 'BEGIN RETURN (SELECT string_agg(name, '','') FROM imm.customer); END';
CREATE FUNCTION imm.calls() RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT imm.deep()';
CREATE FUNCTION imm.calls_it(integer) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT imm.calls() || $1';
CREATE FUNCTION imm.atomic() RETURNS text LANGUAGE sql IMMUTABLE RETURN imm.deep();
CREATE FUNCTION imm.plus(integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT $1 + 1';
SET ROLE regress_imm_app;
PREPARE two AS SELECT imm.calls();
PREPARE three AS SELECT imm.calls_it(1);
PREPARE four AS SELECT imm.atomic();
BEGIN;
SET LOCAL personalize.purpose = 'imm_ads';
SAVEPOINT t;
EXECUTE two;
ROLLBACK TO t;
EXECUTE three;
ROLLBACK TO t;
EXECUTE four;
ROLLBACK TO t;
/* estimated by what it returns, but not made a constant of */
SELECT id FROM imm.customer WHERE name = imm.deep();
SELECT id FROM imm.customer WHERE name = imm.honest(1);
COMMIT;
EXECUTE two;
EXECUTE three;
EXECUTE four;
EXPLAIN (COSTS OFF) SELECT i FROM generate_series(1, 1) AS i WHERE imm.plus(i) > imm.plus(1);
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
