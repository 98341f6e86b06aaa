-- Hard protection: the access method personalize_heap is the heap in every respect while the library is there, and the extension cannot be dropped with the rows.
SET client_min_messages = warning;
\pset format unaligned
CREATE ROLE regress_enf_owner;
CREATE ROLE regress_enf_app;
CREATE SCHEMA enf AUTHORIZATION regress_enf_owner;
GRANT USAGE ON SCHEMA enf TO PUBLIC;
SET ROLE regress_enf_owner;
CREATE FUNCTION enf.refused(query text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE query;
	RAISE EXCEPTION 'not refused';		/* and undone */
EXCEPTION WHEN insufficient_privilege OR object_not_in_prerequisite_state OR feature_not_supported OR dependent_objects_still_exist THEN
	RETURN SQLERRM;
WHEN raise_exception THEN
	RETURN SQLERRM;
END $$;
CREATE FUNCTION enf.initial(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN left($1, 1); END $$;
CREATE TABLE enf.customer (id integer PRIMARY KEY, name text, note text);
CREATE INDEX ON enf.customer (enf.initial(name));
INSERT INTO enf.customer SELECT i, 'name' || i, repeat('note' || i, 2000) FROM generate_series(1, 5) AS i;
CREATE TABLE enf.visit (id integer, day integer NOT NULL, page text) PARTITION BY RANGE (day);
CREATE TABLE enf.visit_1 PARTITION OF enf.visit FOR VALUES FROM (1) TO (10);
CREATE TABLE enf.visit_2 PARTITION OF enf.visit FOR VALUES FROM (10) TO (20) PARTITION BY LIST (day);
CREATE TABLE enf.visit_2_1 PARTITION OF enf.visit_2 DEFAULT;
INSERT INTO enf.visit SELECT i, d, 'page' FROM generate_series(1, 5) AS i, (VALUES (1), (10)) AS v (d);
CREATE TABLE enf.other (id integer, name text);
GRANT ALL ON ALL TABLES IN SCHEMA enf TO regress_enf_app;
RESET ROLE;
/* 1 and 2 agreed */
DO $$
BEGIN
	PERFORM personalize.define_kind('enforce_hard', 'bigint');
	PERFORM personalize.define_category('enf_general', 'for tests');
	PERFORM personalize.define_purpose('enf_ads', 'for tests', categories => '{enf_general}');
	PERFORM personalize.grant_purpose('enf_ads', 'regress_enf_app');
	PERFORM personalize.grant_consent(i, 'enf_ads', kind => 'enforce_hard') FROM generate_series(1, 2) AS i;
	PERFORM personalize.protect(r, 'id', kind => 'enforce_hard', columns => '{"*":"enf_general"}', hard => true)
		FROM unnest('{enf.customer,enf.visit}'::regclass[]) AS r;
END
$$;
\set VERBOSITY terse
CREATE VIEW enf.ams AS SELECT c.oid::regclass AS relation, m.amname FROM pg_class AS c JOIN pg_am AS m ON m.oid = c.relam
	WHERE c.relnamespace = 'enf'::regnamespace AND c.relkind = 'r' ORDER BY 1;
SELECT * FROM enf.ams;
SELECT m.amname FROM pg_class AS t JOIN pg_am AS m ON m.oid = t.relam WHERE t.oid = (SELECT reltoastrelid FROM pg_class WHERE oid = 'enf.customer'::regclass);
SELECT count(*) FROM personalize.status() WHERE check_name = 'hard protection';
SELECT relation, hard FROM personalize.protected_relations WHERE relation_name LIKE 'enf.%' ORDER BY relation_name;

/* statements do what they do on the heap */
SET ROLE regress_enf_app;
SELECT id FROM enf.customer;
BEGIN;
SET LOCAL personalize.purpose = 'enf_ads';
SELECT id, length(note) FROM enf.customer ORDER BY id;
SELECT id FROM enf.customer WHERE id = 2 FOR UPDATE;
SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off;
EXPLAIN (COSTS OFF) SELECT id FROM enf.customer WHERE id < 3;
SELECT id FROM enf.customer WHERE id < 3 ORDER BY id;
INSERT INTO enf.customer VALUES (1, 'new', NULL) ON CONFLICT (id) DO UPDATE SET name = excluded.name RETURNING id, name;
INSERT INTO enf.customer VALUES (6, 'six', NULL) ON CONFLICT (id) DO NOTHING RETURNING id;
MERGE INTO enf.customer AS c USING (VALUES (2), (7)) AS v (k) ON c.id = v.k
	WHEN MATCHED THEN UPDATE SET name = 'merged' WHEN NOT MATCHED THEN INSERT VALUES (v.k, 'seven', NULL);
SELECT id, name FROM enf.customer ORDER BY id;
DELETE FROM enf.visit RETURNING id, day;
COPY enf.visit FROM stdin;
1	2	copied
5	11	copied
\.
COPY (SELECT id, day, page FROM enf.visit ORDER BY day) TO STDOUT;
ROLLBACK;
TRUNCATE enf.visit_1;
RESET ROLE;
BEGIN; SET LOCAL personalize.purpose = 'break_glass'; TRUNCATE enf.visit_1; COMMIT;
SET ROLE regress_enf_owner;
VACUUM enf.customer;
VACUUM FULL enf.other, enf.visit;
CREATE INDEX visit_1_day_idx ON enf.visit_1 (day);
CLUSTER enf.visit_1 USING visit_1_day_idx;
ANALYZE enf.visit;
ALTER TABLE enf.visit ADD COLUMN extra integer DEFAULT 1;
ALTER TABLE enf.visit ALTER COLUMN page TYPE varchar;
CREATE INDEX CONCURRENTLY ON enf.visit_2_1 (day);
/* none of it took the protection away, nor does its owner */
SELECT enf.refused('ALTER TABLE enf.customer SET ACCESS METHOD heap');
RESET ROLE;
SELECT enf.refused('ALTER TABLE enf.visit_1 SET ACCESS METHOD heap');
SELECT * FROM enf.ams;

/* the extension does not go with the rows, whatever the command */
SELECT enf.refused('DROP EXTENSION personalize');
SELECT enf.refused('DROP EXTENSION personalize CASCADE');
SELECT enf.refused('DROP SCHEMA personalize CASCADE');
SELECT enf.refused('DROP SCHEMA enf, personalize CASCADE');
SELECT enf.refused('ALTER EXTENSION personalize DROP ACCESS METHOD personalize_heap; DROP ACCESS METHOD personalize_heap CASCADE');
SELECT enf.refused('ALTER EXTENSION personalize DROP ACCESS METHOD personalize_heap; ALTER EXTENSION personalize DROP FUNCTION personalize.heap_handler(internal); DROP FUNCTION personalize.heap_handler(internal) CASCADE');
/* without such relations it goes, also after one was dropped by itself */
BEGIN;
DROP TABLE enf.customer;
DROP TABLE enf.visit;
SELECT count(*) FROM personalize.protected_relations WHERE relation_name LIKE 'enf.%';
SAVEPOINT a;
DROP EXTENSION personalize CASCADE;
ROLLBACK;

/* erased there, too */
SELECT personalize.erase_subject(2, kind => 'enforce_hard') -> 'relations' AS relations;
BEGIN;
SET LOCAL personalize.purpose = 'backup';
SELECT count(*) FILTER (WHERE id = 2) AS gone, count(*) AS all FROM enf.customer;
ROLLBACK;

/* other access methods */
CREATE ACCESS METHOD enf_heap TYPE TABLE HANDLER heap_tableam_handler;
CREATE TABLE enf.odd (id integer) USING enf_heap;
SELECT enf.refused($$SELECT personalize.protect('enf.odd', 'id', kind => 'enforce_hard', hard => true)$$);
DO $$ BEGIN PERFORM personalize.protect('enf.odd', 'id', kind => 'enforce_hard'); PERFORM personalize.unprotect('enf.odd'); END $$;
DROP ACCESS METHOD enf_heap CASCADE;

/* made soft behind our back, status() says so */
CREATE TABLE enf.soft (id integer) USING personalize_heap;
DO $$ BEGIN PERFORM personalize.protect('enf.soft', 'id', kind => 'enforce_hard', hard => true); END $$;
BEGIN;
UPDATE pg_class SET relam = (SELECT a.oid FROM pg_am AS a WHERE a.amname = 'heap') WHERE oid = 'enf.soft'::regclass;
SELECT ok, detail FROM personalize.status() WHERE check_name = 'hard protection';
ROLLBACK;

/* unprotect() gives the heap back */
DO $$ BEGIN PERFORM personalize.unprotect(r) FROM unnest('{enf.customer,enf.visit,enf.soft}'::regclass[]) AS r; END $$;
SELECT * FROM enf.ams;
SELECT count(*) FROM enf.customer;
BEGIN;
DROP EXTENSION personalize CASCADE;
SELECT count(*) FROM enf.visit;
ROLLBACK;
DROP SCHEMA enf CASCADE;
DROP OWNED BY regress_enf_owner, regress_enf_app;
DROP ROLE regress_enf_owner, regress_enf_app;
