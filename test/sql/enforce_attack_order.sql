-- Nothing is evaluated about a withheld row that could tell of it, whatever PostgreSQL thinks of the condition.
\set VERBOSITY terse
CREATE ROLE regress_order;
CREATE SCHEMA ord;
GRANT USAGE, CREATE ON SCHEMA ord TO regress_order;
CREATE TABLE ord.person (id integer PRIMARY KEY, name text, diagnosis text);
INSERT INTO ord.person SELECT i, 'name' || i, 'ill' || i FROM generate_series(1, 8) AS i;
CREATE INDEX ON ord.person (name);
CREATE TABLE ord.wide (id integer, a integer, b integer, area polygon) WITH (autovacuum_enabled = false);
INSERT INTO ord.wide SELECT 5, i, i, box(point(i, i), point(i + 1, i + 1))::polygon FROM generate_series(1, 3000) AS i;
CREATE INDEX ON ord.wide (a);
CREATE INDEX ON ord.wide (b);
CREATE INDEX ON ord.wide USING gist (area);
CREATE TABLE ord.visit (visit_id integer, person_id integer, what text);
INSERT INTO ord.visit SELECT i, 1, 'what' FROM generate_series(1, 4) AS i;
CREATE TABLE ord.target (a integer, b text);
INSERT INTO ord.target VALUES (1, 'old'), (2, 'old'), (3, 'old');
GRANT ALL ON ord.person, ord.visit, ord.wide, ord.target TO regress_order;
SELECT personalize.define_category('order_general', 'for tests'), personalize.define_category('order_health', 'for tests', special => true);
SELECT personalize.define_purpose('order_care', 'for tests', categories => '{order_general,order_health}');
SELECT personalize.define_kind('order_person', 'integer');
SELECT personalize.protect('ord.person', 'id', kind => 'order_person', columns => '{"diagnosis":"order_health","*":"order_general"}');
SELECT personalize.protect('ord.visit', 'person_id', kind => 'order_person', columns => '{"*":"order_general"}');
SELECT personalize.grant_purpose('order_care', 'regress_order');
-- 1 and 2: everything; 3: the diagnosis is masked; 4 to 8 are withheld
SELECT personalize.grant_consent(i, 'order_care', kind => 'order_person', explicit => i < 3) FROM generate_series(1, 3) AS i \g /dev/null
SELECT personalize.protect('ord.wide', 'id', kind => 'order_person', columns => '{"*":"order_general"}');
VACUUM ANALYZE ord.person, ord.wide;
BEGIN;
SELECT personalize.set_purpose('break_glass') \g /dev/null
DELETE FROM ord.wide WHERE a BETWEEN 110 AND 160;
COMMIT;
VACUUM ord.wide;

SET ROLE regress_order;
-- counts rows, costs nothing, takes no column
CREATE FUNCTION ord.tick() RETURNS boolean LANGUAGE plpgsql COST 1 AS $$ BEGIN RAISE NOTICE 'told'; RETURN true; END $$;
CREATE FUNCTION ord.number(n integer) RETURNS integer LANGUAGE plpgsql STABLE AS $$ BEGIN RAISE NOTICE 'told'; RETURN n; END $$;
CREATE FUNCTION ord.origin() RETURNS point LANGUAGE plpgsql STABLE AS $$ BEGIN RAISE NOTICE 'told'; RETURN point(0, 0); END $$;
CREATE FUNCTION ord.say(t text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'said %', t; RETURN true; END $$;
BEGIN;
SET LOCAL personalize.purpose = 'order_care';
\echo a side effect
SELECT set_config('ord.hit', '0', true);
SELECT 1 FROM ord.person WHERE id = 5 AND name LIKE 'name5%' AND set_config('ord.hit', '1', true) || '' || '' = 'q';
SELECT current_setting('ord.hit') AS must_be_0;
SELECT 1 FROM ord.person WHERE id = 5 AND name = 'name5' AND ord.tick();
SELECT 1 FROM ord.person WHERE id = 5 AND (name <> 'name5' OR ord.tick());
SELECT 1 FROM ord.person WHERE id = 5 AND CASE WHEN name = 'name5' THEN ord.tick() END;
SELECT 1 FROM ord.person WHERE id = 3 AND diagnosis = 'ill3' AND ord.tick();
SELECT 1 FROM ord.person WHERE id = 5 AND name = 'name5' AND (SELECT ord.tick()) = (id > 4);
DELETE FROM ord.person WHERE id = 5 AND name = 'name5' AND ord.tick();
\echo an error
SAVEPOINT s;
SELECT 1 FROM ord.person WHERE id = 5 AND (name <> 'name5' OR 1 / length(current_setting('personalize.context')) = 1);
ROLLBACK TO s;
SELECT 1 FROM ord.person WHERE id = 1 AND (name <> 'name1' OR 1 / length(current_setting('personalize.context')) = 1);
ROLLBACK TO s;
PREPARE q(integer) AS SELECT 1 FROM ord.person WHERE id = 5 AND (name <> 'name5' OR 1 / $1 = 1);
SET LOCAL plan_cache_mode = force_generic_plan;
EXECUTE q(0);
ROLLBACK TO s;
\echo what is evaluated once, before any row is looked at, tells nothing: the same for what is there and what is not
SELECT 1 FROM ord.person WHERE id = 5 AND name = 'name5' AND (SELECT ord.tick());
SELECT 1 FROM ord.person WHERE id = 5 AND name = 'nobody' AND (SELECT ord.tick());
SELECT 1 FROM ord.person WHERE id = 5 AND name = 'name5' AND (SELECT count(*) FROM (SELECT ord.tick() OFFSET 0) AS t) > 0;
SELECT 1 FROM ord.person WHERE id = 5 AND name = 'nobody' AND (SELECT count(*) FROM (SELECT ord.tick() OFFSET 0) AS t) > 0;
\echo behind bitmap and index scans
SET LOCAL enable_seqscan = off;
SAVEPOINT s;
SELECT 1 FROM ord.person WHERE name = 'name5' AND ord.tick();
SET LOCAL enable_indexscan = off;
SELECT 1 FROM ord.person WHERE name = 'name5' AND ord.tick();
\echo two bitmaps, of which an empty first one spares the second: the same for what is there and what is not
EXPLAIN (COSTS OFF) SELECT 1 FROM ord.wide WHERE a BETWEEN 10 AND 60 AND b BETWEEN ord.number(20) AND ord.number(70);
SELECT 1 FROM ord.wide WHERE a BETWEEN 10 AND 60 AND b BETWEEN ord.number(20) AND ord.number(70);
SELECT 1 FROM ord.wide WHERE a BETWEEN 110 AND 160 AND b BETWEEN ord.number(20) AND ord.number(70);
SELECT 1 FROM ord.wide WHERE a BETWEEN ord.number(10) AND ord.number(60) AND b BETWEEN ord.number(20) AND ord.number(70);
SELECT 1 FROM ord.wide WHERE a BETWEEN ord.number(110) AND ord.number(160) AND b BETWEEN ord.number(20) AND ord.number(70);
RESET enable_indexscan;
\echo in order of a distance
SELECT 1 FROM ord.wide ORDER BY area <-> ord.origin() LIMIT 1;
ROLLBACK TO s;
SELECT 1 FROM ord.wide ORDER BY area <-> (SELECT ord.origin()) LIMIT 1;
RESET enable_seqscan;
\echo of those who agreed it may be
SELECT name FROM ord.person WHERE id = 1 AND name = 'name1' AND ord.tick();
COMMIT;

\echo masks hold in sub-selects of policies and check options
CREATE TABLE ord.mine (a integer);
INSERT INTO ord.mine VALUES (1);
ALTER TABLE ord.mine ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY p ON ord.mine USING (ord.say((SELECT string_agg(diagnosis, ',' ORDER BY id) FROM ord.person)));
CREATE VIEW ord.checked AS SELECT * FROM ord.visit
	WHERE ord.say((SELECT string_agg(diagnosis, ',' ORDER BY id) FROM ord.person)) WITH CHECK OPTION;
BEGIN;
SET LOCAL personalize.purpose = 'order_care';
SELECT * FROM ord.mine;
INSERT INTO ord.checked VALUES (100, 1, 'x');
ROLLBACK;
\echo ... and in arguments of the checks, which nobody may call
BEGIN;
SET LOCAL personalize.purpose = 'order_care';
SELECT personalize.row_ok(NULL::personalize.plan_mark, (SELECT string_agg(diagnosis, ',') FROM ord.person)::bigint);
ROLLBACK;
BEGIN;
SET LOCAL personalize.purpose = 'order_care';
SELECT personalize.cell_ok(NULL::personalize.plan_mark, length((SELECT string_agg(diagnosis, ',') FROM ord.person))::bigint);
ROLLBACK;
RESET ROLE;

\echo what ON of MERGE finds is used
BEGIN;
SET LOCAL personalize.purpose = 'order_care';
SET LOCAL personalize.context = 'merge';
MERGE INTO ord.target AS t USING (VALUES (1), (2), (3), (9)) AS v(a) ON t.a = v.a AND NOT EXISTS (SELECT 1 FROM ord.person AS p WHERE p.id = v.a AND p.name = 'name2')
	WHEN NOT MATCHED THEN INSERT VALUES (v.a, 'x');
COMMIT;
SELECT personalize.audit_sync() \g /dev/null
SELECT u.precision, '2' IN (SELECT s.subject FROM personalize.subjects_of(u.usage_id) AS s) AS has_2 FROM personalize.usage AS u WHERE u.context = 'merge';

SELECT personalize.unprotect('ord.person'), personalize.unprotect('ord.visit'), personalize.unprotect('ord.wide');
DROP SCHEMA ord CASCADE;
SELECT personalize.revoke_purpose('order_care', 'regress_order');
DROP ROLE regress_order;
