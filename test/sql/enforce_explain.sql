-- EXPLAIN reads nothing and needs no purpose; EXPLAIN ANALYZE runs the query and does.
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
	PERFORM personalize.define_kind('enforce_explain', 'bigint');
	PERFORM personalize.define_category('enf_general', 'for tests');
	PERFORM personalize.define_purpose('enf_ads', 'for tests', categories => '{enf_general}');
	PERFORM personalize.define_purpose('enf_mail', 'for tests', categories => '{enf_general}');
	PERFORM personalize.protect('enf.customer', 'id', kind => 'enforce_explain', columns => '{"*":"enf_general"}');
	PERFORM personalize.grant_purpose('enf_ads', 'regress_enf_app');
	PERFORM personalize.grant_purpose('enf_ads', 'regress_enf_owner');
	PERFORM personalize.grant_purpose('enf_mail', 'regress_enf_app');
	PERFORM personalize.grant_consent(i, 'enf_ads', kind => 'enforce_explain') FROM generate_series(1, 2) AS i;
	PERFORM personalize.grant_consent(i, 'enf_mail', kind => 'enforce_explain') FROM generate_series(1, 4) AS i;
END
$$;
\set VERBOSITY terse
SET ROLE regress_enf_app;
EXPLAIN (COSTS OFF) SELECT id FROM enf.customer;
EXPLAIN (COSTS OFF) SELECT id FROM enf.customer WHERE name = 'name1';
EXPLAIN (COSTS OFF) UPDATE enf.customer SET note = 'x';
EXPLAIN (COSTS OFF, ANALYZE, TIMING OFF, SUMMARY OFF) SELECT id FROM enf.customer;
EXPLAIN (COSTS OFF, ANALYZE, TIMING OFF, SUMMARY OFF) UPDATE enf.customer SET note = 'x';
EXPLAIN (COSTS OFF) CREATE TABLE enf.t AS SELECT id FROM enf.customer;
BEGIN;
SET LOCAL personalize.purpose = 'enf_ads';
/* the plan is the same whatever the purpose is */
EXPLAIN (COSTS OFF) SELECT id FROM enf.customer;
SET LOCAL personalize.purpose = 'enf_nonesuch';
EXPLAIN (COSTS OFF) SELECT id FROM enf.customer;
EXPLAIN (COSTS OFF, ANALYZE, TIMING OFF, SUMMARY OFF) SELECT id FROM enf.customer;
ROLLBACK;
/* indexes stay usable under the filter */
BEGIN;
SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off;
EXPLAIN (COSTS OFF) SELECT name FROM enf.customer WHERE id = 3;
EXPLAIN (COSTS OFF) SELECT name FROM enf.customer WHERE id = ANY ('{1,2}');
EXPLAIN (COSTS OFF) SELECT id FROM enf.customer ORDER BY id DESC LIMIT 1;
ROLLBACK;
/* what runs does so for the purpose, and permitted rows only */
CREATE FUNCTION pg_temp.plan(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF, ANALYZE, TIMING OFF, SUMMARY OFF) ' || query LOOP
		IF line ~ 'rows=' THEN
			RETURN NEXT substring(line FROM 'actual rows=\d+');
		END IF;
	END LOOP;
END $$;
BEGIN;
SET LOCAL personalize.purpose = 'enf_ads';
SELECT pg_temp.plan('SELECT id FROM enf.customer');
SET LOCAL personalize.purpose = 'enf_mail';
SELECT pg_temp.plan('SELECT id FROM enf.customer');
SELECT pg_temp.plan('UPDATE enf.customer SET note = ''x'' RETURNING id');
ROLLBACK;
/* nothing is added to the plans of what is not protected */
RESET ROLE;
CREATE TABLE enf.free (id integer);
EXPLAIN (COSTS OFF) SELECT id FROM enf.free WHERE id > 0;
RESET ROLE;
DROP SCHEMA enf CASCADE;
DROP OWNED BY regress_enf_owner, regress_enf_app;
DROP ROLE regress_enf_owner, regress_enf_app;
