-- Copies by a role that may copy are written down with their source, for as long as they are there; materialized views from before are named.
SET client_min_messages = warning;
\pset format unaligned
CREATE ROLE regress_cpy_owner;
CREATE ROLE regress_cpy_app;
CREATE ROLE regress_cpy_two;
CREATE SCHEMA cpy AUTHORIZATION regress_cpy_owner;
GRANT USAGE, CREATE ON SCHEMA cpy TO PUBLIC;
SET ROLE regress_cpy_owner;
CREATE TABLE cpy.person (id integer PRIMARY KEY, name text);
INSERT INTO cpy.person SELECT i, 'name' || i FROM generate_series(1, 3) AS i;
CREATE TABLE cpy.orders (id integer, item text);
INSERT INTO cpy.orders VALUES (1, 'a'), (2, 'b');
CREATE VIEW cpy.v AS SELECT id, name FROM cpy.person;
CREATE MATERIALIZED VIEW cpy.before AS SELECT * FROM cpy.v;
CREATE TABLE cpy.part (id integer, name text) PARTITION BY RANGE (id);
CREATE TABLE cpy.part_1 PARTITION OF cpy.part FOR VALUES FROM (0) TO (10);
GRANT ALL ON ALL TABLES IN SCHEMA cpy TO regress_cpy_app, regress_cpy_two;
RESET ROLE;
DO $$
BEGIN
	PERFORM personalize.define_kind('copies', 'bigint');
	PERFORM personalize.define_category('cpy_general', 'for tests');
	PERFORM personalize.define_purpose('cpy_ads', 'for tests', categories => '{cpy_general}');
	PERFORM personalize.protect('cpy.orders', 'id', kind => 'copies', columns => '{"*":"cpy_general"}');
	PERFORM personalize.grant_purpose('cpy_ads', r, may_copy => true) FROM unnest('{regress_cpy_app,regress_cpy_owner}'::regrole[]) AS r;
	PERFORM personalize.grant_purpose('cpy_ads', 'regress_cpy_two');
	PERFORM personalize.grant_consent(i, 'cpy_ads', kind => 'copies') FROM generate_series(1, 2) AS i;
END
$$;
\set VERBOSITY terse
SELECT personalize.protect('cpy.person', 'id', kind => 'copies', columns => '{"*":"cpy_general"}');
SELECT ok, detail FROM personalize.status() WHERE check_name = 'materialized view';
SET ROLE regress_cpy_app;
BEGIN;
SET LOCAL personalize.purpose = 'cpy_ads';
CREATE TABLE cpy.ctas AS SELECT * FROM cpy.person;
SELECT * INTO cpy.into FROM cpy.person JOIN cpy.orders USING (id);
CREATE TEMP TABLE cpy_temp AS SELECT * FROM cpy.person;
INSERT INTO cpy.part SELECT * FROM cpy.person;
WITH w AS (UPDATE cpy.part AS c SET name = p.name FROM cpy.person AS p WHERE p.id = c.id RETURNING 1) SELECT count(*) FROM w;
SAVEPOINT a;
CREATE TABLE cpy.rolled AS SELECT * FROM cpy.person;
ROLLBACK TO a;
CREATE MATERIALIZED VIEW cpy.mat AS SELECT * FROM cpy.v;
CREATE MATERIALIZED VIEW cpy.nothing AS SELECT * FROM cpy.v WITH NO DATA;
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) CREATE TABLE cpy.explained AS SELECT name FROM cpy.person WHERE id = 1 \g /dev/null
PREPARE p AS SELECT id FROM cpy.person;
CREATE TABLE cpy.prepared AS EXECUTE p;
DELETE FROM cpy.part USING cpy.person AS p WHERE p.id = part.id;
COMMIT;
SELECT * FROM cpy.ctas ORDER BY id;
/* the relation that was made counts, whatever its name finds afterwards; what failed leaves nothing behind */
RESET ROLE;
CREATE SCHEMA regress_cpy_decoy AUTHORIZATION regress_cpy_app;
SET ROLE regress_cpy_app;
CREATE TABLE regress_cpy_decoy.two (x text);
SET search_path = cpy, regress_cpy_decoy;
BEGIN;
SET LOCAL personalize.purpose = 'cpy_ads';
CREATE TABLE one AS SELECT id, set_config('search_path', 'pg_catalog', true) FROM cpy.person;
SET LOCAL search_path = cpy;
CREATE TABLE two AS SELECT id, set_config('search_path', 'regress_cpy_decoy', true) FROM cpy.person;
DO $$ BEGIN CREATE TABLE cpy.failed AS SELECT id / (id - 2) FROM cpy.person; EXCEPTION WHEN division_by_zero THEN NULL; END $$;
CREATE TABLE cpy.unrelated AS SELECT 1 AS x;
CREATE FUNCTION cpy.names() RETURNS SETOF text LANGUAGE plpgsql AS 'BEGIN CREATE TABLE cpy.made_within (x text); RETURN QUERY SELECT name FROM cpy.person; END';
CREATE TABLE cpy.by_function AS SELECT * FROM cpy.names();
/* so does what another command reads on its way, or another copy that it makes */
CREATE PROCEDURE cpy.read(INOUT t text) LANGUAGE plpgsql AS 'BEGIN SELECT string_agg(name, '' '') INTO t FROM cpy.person; END';
CREATE FUNCTION cpy.call() RETURNS text LANGUAGE plpgsql AS 'DECLARE t text; BEGIN CALL cpy.read(t); RETURN t; END';
CREATE FUNCTION cpy.twice() RETURNS SETOF text LANGUAGE plpgsql AS 'BEGIN CREATE TABLE cpy.inner_copy AS SELECT name FROM cpy.person; RETURN QUERY SELECT * FROM cpy.inner_copy; END';
CREATE TABLE cpy.through_call AS SELECT cpy.call();
CREATE TABLE cpy.through_copy AS SELECT cpy.twice();
CREATE TABLE cpy.still_unrelated AS SELECT 1 AS x;
COMMIT;
RESET search_path;
DROP SCHEMA regress_cpy_decoy CASCADE;
BEGIN; SET LOCAL personalize.purpose = 'cpy_ads'; REFRESH MATERIALIZED VIEW cpy.nothing; COMMIT;
SET ROLE regress_cpy_two;
BEGIN; SET LOCAL personalize.purpose = 'cpy_ads'; CREATE TABLE cpy.refused AS SELECT * FROM cpy.person; ROLLBACK;
SET ROLE regress_cpy_owner;
BEGIN; SET LOCAL personalize.purpose = 'cpy_ads'; REFRESH MATERIALIZED VIEW cpy.before; COMMIT;
RESET ROLE;
SELECT ok, detail FROM personalize.status() WHERE check_name IN ('materialized view', 'copies');
ALTER TABLE cpy.ctas RENAME TO renamed;
DROP TABLE cpy.into;
SELECT source, copy, materialized, db_role, purpose FROM personalize.copies WHERE source IN ('cpy.person'::regclass, 'cpy.orders'::regclass) ORDER BY copy::text COLLATE "C", source::text COLLATE "C";
SELECT count(*) FROM personalize.copied WHERE purpose = 'cpy_ads' AND NOT EXISTS (SELECT FROM pg_class WHERE oid = copy);
/* on record with what was read */
SELECT personalize.audit_sync();
SELECT relation_name, status, rows_used, query FROM personalize.usage WHERE purpose = 'cpy_ads' AND query LIKE 'CREATE TABLE cpy.%' ORDER BY usage_id;
DROP SCHEMA cpy CASCADE;
SELECT count(*) FROM personalize.copied WHERE purpose = 'cpy_ads';
DROP TABLE cpy_temp;
DROP OWNED BY regress_cpy_owner, regress_cpy_app, regress_cpy_two;
DROP ROLE regress_cpy_owner, regress_cpy_app, regress_cpy_two;
