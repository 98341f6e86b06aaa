-- Partitions and inheritance children are filtered from both ends; a protected relation cannot be read through an unprotected parent.
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
	PERFORM personalize.define_kind('enforce_partition', 'bigint');
	PERFORM personalize.define_category('enf_general', 'for tests');
	PERFORM personalize.define_purpose('enf_ads', 'for tests', categories => '{enf_general}');
	PERFORM personalize.define_purpose('enf_mail', 'for tests', categories => '{enf_general}');
	PERFORM personalize.protect('enf.customer', 'id', kind => 'enforce_partition', columns => '{"*":"enf_general"}');
	PERFORM personalize.grant_purpose('enf_ads', 'regress_enf_app');
	PERFORM personalize.grant_purpose('enf_ads', 'regress_enf_owner');
	PERFORM personalize.grant_purpose('enf_mail', 'regress_enf_app');
	PERFORM personalize.grant_consent(i, 'enf_ads', kind => 'enforce_partition') FROM generate_series(1, 2) AS i;
	PERFORM personalize.grant_consent(i, 'enf_mail', kind => 'enforce_partition') FROM generate_series(1, 4) AS i;
END
$$;
\set VERBOSITY terse
SET ROLE regress_enf_owner;
CREATE TABLE enf.visit (id integer, page text, day integer NOT NULL) PARTITION BY RANGE (day);
CREATE TABLE enf.visit_1 PARTITION OF enf.visit FOR VALUES FROM (1) TO (10);
/* a partition with its columns in another order */
CREATE TABLE enf.visit_2 (gone text, day integer NOT NULL, page text, id integer);
ALTER TABLE enf.visit_2 DROP COLUMN gone;
ALTER TABLE enf.visit ATTACH PARTITION enf.visit_2 FOR VALUES FROM (10) TO (20);
CREATE TABLE enf.visit_sub PARTITION OF enf.visit FOR VALUES FROM (20) TO (40) PARTITION BY LIST (day);
CREATE TABLE enf.visit_sub_1 PARTITION OF enf.visit_sub DEFAULT;
INSERT INTO enf.visit SELECT i, 'page' || i, d FROM generate_series(1, 5) AS i, (VALUES (1), (10), (20)) AS v (d);
GRANT ALL ON enf.visit, enf.visit_1, enf.visit_2, enf.visit_sub, enf.visit_sub_1 TO regress_enf_app;
RESET ROLE;
DO $$ BEGIN PERFORM personalize.protect('enf.visit', 'id', kind => 'enforce_partition', columns => '{"id":"none","page":"enf_general","day":"none"}'); END $$;
SET ROLE regress_enf_app;
SELECT count(*) FROM enf.visit;
SELECT count(*) FROM enf.visit_1;
SELECT count(*) FROM enf.visit_2;
SELECT count(*) FROM enf.visit_sub;
SELECT count(*) FROM enf.visit_sub_1;
SELECT count(*) FROM enf.visit WHERE day = 99;
BEGIN;
SET LOCAL personalize.purpose = 'enf_ads';
SELECT tableoid::regclass, * FROM enf.visit ORDER BY day, id;
SELECT * FROM enf.visit_1 ORDER BY id;
SELECT * FROM enf.visit_2 ORDER BY id;
SELECT * FROM enf.visit_sub ORDER BY id;
SELECT * FROM enf.visit_sub_1 ORDER BY id;
SELECT page FROM enf.visit WHERE day = 10 ORDER BY id;
SELECT count(*) FROM ONLY enf.visit;
COPY enf.visit_2 TO STDOUT;
COPY (SELECT * FROM enf.visit WHERE day > 10) TO STDOUT;
UPDATE enf.visit SET day = day + 1 RETURNING id, day;
/* into another partition */
UPDATE enf.visit SET day = 15 WHERE day = 2 RETURNING id, day;
UPDATE enf.visit_2 SET page = 'x' RETURNING id, day;
SAVEPOINT a; UPDATE enf.visit SET id = 1; ROLLBACK TO a;
SAVEPOINT a; UPDATE enf.visit_2 SET id = 1; ROLLBACK TO a;
DELETE FROM enf.visit_sub_1;
DELETE FROM enf.visit;
RESET ROLE;
SET LOCAL personalize.purpose = 'backup';
SELECT id, count(*) FROM enf.visit GROUP BY id ORDER BY id;
ROLLBACK;
/* joins by partition */
SET ROLE regress_enf_app;
BEGIN;
SET LOCAL personalize.purpose = 'enf_ads';
SET LOCAL enable_partitionwise_join = on; SET LOCAL enable_partitionwise_aggregate = on;
SELECT a.id, count(*) FROM enf.visit AS a JOIN enf.visit AS b ON b.day = a.day AND b.id = a.id GROUP BY a.id ORDER BY 1;
SELECT day, count(*) FROM enf.visit GROUP BY day ORDER BY 1;
COMMIT;
/* columns of a partition have the category of the parent's of that name */
RESET ROLE;
DO $$ BEGIN PERFORM personalize.define_purpose('enf_nothing', 'for tests', 'contract'); PERFORM personalize.grant_purpose('enf_nothing', 'regress_enf_app'); END $$;
SET ROLE regress_enf_app;
BEGIN; SET LOCAL personalize.purpose = 'enf_nothing'; SELECT count(id) FROM enf.visit_2; SELECT page FROM enf.visit_2; ROLLBACK;
/* a partition made, or attached, later */
RESET ROLE;
SET ROLE regress_enf_owner;
CREATE TABLE enf.visit_3 PARTITION OF enf.visit FOR VALUES FROM (40) TO (50);
CREATE TABLE enf.visit_4 (page text, id integer, day integer NOT NULL);
INSERT INTO enf.visit_4 VALUES ('page1', 1, 50), ('page5', 5, 50);
GRANT ALL ON enf.visit_3, enf.visit_4 TO regress_enf_app;
PREPARE whole AS SELECT id FROM enf.visit_4 ORDER BY id;
EXECUTE whole;
ALTER TABLE enf.visit ATTACH PARTITION enf.visit_4 FOR VALUES FROM (50) TO (60);
INSERT INTO enf.visit SELECT i, 'page', 40 FROM generate_series(1, 5) AS i;
EXECUTE whole;
BEGIN; SET LOCAL personalize.purpose = 'enf_ads'; EXECUTE whole; COMMIT;
DEALLOCATE whole;
SET ROLE regress_enf_app;
SELECT id FROM enf.visit_3;
SELECT id FROM enf.visit_4;
BEGIN;
SET LOCAL personalize.purpose = 'enf_ads';
SELECT id FROM enf.visit_3 ORDER BY id;
SELECT id FROM enf.visit_4 ORDER BY id;
SELECT id FROM enf.visit WHERE day >= 40 ORDER BY id;
COMMIT;
RESET ROLE;
BEGIN; SET LOCAL personalize.purpose = 'enf_ads'; SELECT id FROM enf.visit_3 ORDER BY id; COMMIT;
/* detached, a partition would be open: it stays */
SET ROLE regress_enf_owner;
ALTER TABLE enf.visit DETACH PARTITION enf.visit_1;

/* inheritance */
CREATE TABLE enf.parent (id integer, name text);
CREATE TABLE enf.kid () INHERITS (enf.parent);
INSERT INTO enf.parent SELECT i, 'parent' || i FROM generate_series(1, 5) AS i;
INSERT INTO enf.kid SELECT i, 'kid' || i FROM generate_series(1, 5) AS i;
GRANT ALL ON enf.parent, enf.kid TO regress_enf_app;
RESET ROLE;
DO $$ BEGIN PERFORM personalize.protect('enf.parent', 'id', kind => 'enforce_partition', columns => '{"*":"enf_general"}'); END $$;
SET ROLE regress_enf_app;
SELECT name FROM enf.kid;
BEGIN;
SET LOCAL personalize.purpose = 'enf_ads';
SELECT name FROM enf.parent ORDER BY name COLLATE "C";
SELECT name FROM ONLY enf.parent ORDER BY name COLLATE "C";
SELECT name FROM enf.kid ORDER BY name COLLATE "C";
UPDATE enf.parent SET name = name || '!' RETURNING name;
DELETE FROM enf.kid RETURNING name;
COPY enf.parent TO STDOUT;
ROLLBACK;

/* protected below an unprotected parent */
RESET ROLE;
SET ROLE regress_enf_owner;
CREATE FUNCTION enf.refused(query text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE query;
	RAISE EXCEPTION 'not refused';		/* and undone */
EXCEPTION WHEN insufficient_privilege OR object_not_in_prerequisite_state THEN
	RETURN 'refused';
WHEN raise_exception THEN
	RETURN SQLERRM;
END $$;
CREATE TABLE enf.above (LIKE enf.customer);
SELECT enf.refused($$ALTER TABLE enf.customer INHERIT enf.above; SELECT id FROM enf.above$$);
SELECT enf.refused($$ALTER TABLE enf.customer INHERIT enf.above; UPDATE enf.above SET note = 'x'$$);
SELECT enf.refused($$ALTER TABLE enf.customer INHERIT enf.above; DELETE FROM enf.above$$);
SELECT enf.refused($$ALTER TABLE enf.customer INHERIT enf.above; SELECT personalize.set_purpose('enf_ads'); SELECT id FROM enf.above$$);
CREATE TABLE enf.range (id integer PRIMARY KEY, name text, note text) PARTITION BY RANGE (id);
SELECT enf.refused($$ALTER TABLE enf.range ATTACH PARTITION enf.customer DEFAULT; SELECT id FROM enf.range$$);
SELECT enf.refused($$ALTER TABLE enf.range ATTACH PARTITION enf.customer DEFAULT; MERGE INTO enf.range AS r USING (VALUES (5)) AS v (k) ON r.id = v.k WHEN MATCHED THEN DELETE$$);
SELECT enf.refused($$ALTER TABLE enf.range ATTACH PARTITION enf.customer DEFAULT; INSERT INTO enf.range AS r VALUES (5) ON CONFLICT (id) DO UPDATE SET note = r.name$$);
RESET ROLE;
SELECT enf.refused($$ALTER TABLE enf.range ATTACH PARTITION enf.customer DEFAULT; INSERT INTO enf.range AS r VALUES (5) ON CONFLICT (id) DO UPDATE SET note = r.name$$);
SELECT enf.refused($$ALTER TABLE enf.customer INHERIT enf.above; SELECT id FROM enf.above$$);
RESET ROLE;
DROP SCHEMA enf CASCADE;
DROP OWNED BY regress_enf_owner, regress_enf_app;
DROP ROLE regress_enf_owner, regress_enf_app;
