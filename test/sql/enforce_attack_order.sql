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
CREATE TABLE ord.tenant (id integer, tenant text, a integer, b integer) WITH (autovacuum_enabled = false);
INSERT INTO ord.tenant SELECT 1, 'tenant' || i % 40, i, (i * 7919) % 6000 FROM generate_series(1, 6000) AS i;
CREATE INDEX ON ord.tenant (tenant);
CREATE INDEX ON ord.tenant (b);
ALTER TABLE ord.tenant ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON ord.tenant USING (tenant = current_setting('ord.tenant'));
CREATE TABLE ord.locked (word text);
INSERT INTO ord.locked VALUES ('word2'), ('word3');
CREATE TABLE ord.patient (id integer, name text, word text);
INSERT INTO ord.patient SELECT i, 'name' || i, 'word' || i FROM generate_series(1, 4) AS i;
ALTER TABLE ord.patient ENABLE ROW LEVEL SECURITY;
CREATE POLICY everybody ON ord.patient USING (true);
CREATE POLICY unlocked ON ord.patient AS RESTRICTIVE FOR UPDATE USING (NOT EXISTS (SELECT 1 FROM ord.locked AS l WHERE l.word = patient.word));
CREATE POLICY undeleted ON ord.patient AS RESTRICTIVE FOR DELETE USING (NOT EXISTS (SELECT 1 FROM ord.locked AS l WHERE l.word = patient.word));
GRANT ALL ON ord.tenant, ord.locked, ord.patient TO regress_order;
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
SELECT personalize.protect('ord.tenant', 'id', kind => 'order_person', columns => '{"*":"order_general"}');
SELECT personalize.protect('ord.patient', 'id', kind => 'order_person', columns => '{"word":"order_health","*":"order_general"}');
VACUUM ANALYZE ord.person, ord.wide, ord.tenant;
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
\echo ... of what looks harmless: a variable that is not there, arrays, a slice
CREATE FUNCTION ord.lazy(i integer, guess text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	r record;
	n integer;
BEGIN
	FOR k IN 1 .. 2 LOOP
		IF k = 1 THEN SELECT 1 AS x INTO r; ELSE r := NULL; END IF;
		SELECT count(*) INTO n FROM ord.person WHERE id = i AND (name <> guess OR r.x = 1);
	END LOOP;
	RETURN 'nothing';
EXCEPTION WHEN OTHERS THEN
	RETURN 'told: ' || sqlerrm;
END
$$;
SET LOCAL plan_cache_mode = force_generic_plan;
SELECT ord.lazy(5, 'name5'), ord.lazy(5, 'nobody');
PREPARE arrays(text, integer[], integer[]) AS SELECT 1 FROM ord.person WHERE id = 5 AND (name <> $1 OR ARRAY[$2, $3] IS NULL);
EXECUTE arrays('name5', '{1}', '{1,2}');
PREPARE slices(text, point) AS SELECT 1 FROM ord.person WHERE id = 5 AND (name <> $1 OR ($2)[0:1] IS NULL);
EXECUTE slices('name5', '(1,2)');
RESET plan_cache_mode;
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
RESET enable_seqscan;
\echo in order of a distance no index is used: errors of a distance would tell of rows that are there
EXPLAIN (COSTS OFF) SELECT 1 FROM ord.wide WHERE id = 5 ORDER BY area <-> ord.origin() LIMIT 1;
SELECT 1 FROM ord.wide ORDER BY area <-> ord.origin() LIMIT 1;
SELECT 1 FROM ord.wide ORDER BY area <-> point(1.7e308, 1.7e308) LIMIT 1;
RESET enable_seqscan;
\echo of those who agreed it may be
SELECT name FROM ord.person WHERE id = 1 AND name = 'name1' AND ord.tick();
COMMIT;

\echo conditions of policies of the application come before those of queries
SET ROLE regress_order;
CREATE FUNCTION ord.quiet(n integer) RETURNS integer LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN n; END $$;
CREATE FUNCTION ord.leak(t text) RETURNS boolean LANGUAGE plpgsql COST 10000 AS $$ BEGIN IF t <> 'tenant3' THEN RAISE NOTICE 'leaked %', t; END IF; RETURN true; END $$;
BEGIN;
SET LOCAL personalize.purpose = 'order_care';
SET LOCAL ord.tenant = 'tenant3';
SET LOCAL enable_seqscan = off;
SET LOCAL enable_indexscan = off;
SELECT count(*) FROM ord.tenant WHERE b BETWEEN ord.quiet(20) AND ord.quiet(320) AND ord.leak(tenant);
SET LOCAL work_mem = '64kB';
SELECT count(*) FROM ord.tenant WHERE ord.leak(tenant);
COMMIT;
RESET ROLE;
\echo looks into the ledger are not counted
SET ROLE regress_order;
BEGIN;
SET LOCAL personalize.purpose = 'order_care';
SET LOCAL enable_indexscan = off;
SET LOCAL enable_bitmapscan = off;
CREATE FUNCTION ord.counted(condition text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	before text;
	after text;
	query constant text := 'SELECT string_agg(concat_ws('' '', relname, pg_stat_get_xact_numscans(c.oid), pg_stat_get_xact_tuples_returned(c.oid), pg_stat_get_xact_tuples_fetched(c.oid), pg_stat_get_xact_blocks_fetched(c.oid), pg_stat_get_xact_blocks_hit(c.oid)), '','' ORDER BY c.oid)
		FROM pg_class AS c WHERE relnamespace = ''personalize''::regnamespace AND (relname ~ ''^(subject|tombstone|consent_event)'')';
	n integer;
BEGIN
	EXECUTE query INTO before;
	EXECUTE 'SELECT count(*) FROM ord.person WHERE ' || condition INTO n;
	EXECUTE query INTO after;
	RETURN n || CASE WHEN before = after THEN ' nothing' ELSE ' ' || before || ' became ' || after END;
END
$$;
SELECT c, ord.counted(c) FROM unnest('{"id = 5 AND name = ''nobody''","id = 5 AND name = ''name5''","id = 1 AND name = ''name1''"}'::text[]) AS c;
COMMIT;
RESET ROLE;
\echo a policy sees what is there, also through a view of the client, and with a sub-select
SET ROLE regress_order;
CREATE VIEW ord.mirror AS SELECT * FROM ord.patient;
BEGIN;
SET LOCAL personalize.purpose = 'order_care';
SELECT id, word FROM ord.patient ORDER BY id;
UPDATE ord.patient SET name = 'x' WHERE id IN (2, 3) RETURNING id;
UPDATE ord.mirror SET name = 'x' WHERE id IN (2, 3) RETURNING id;
DELETE FROM ord.mirror WHERE id IN (2, 3) RETURNING id;
COMMIT;
\echo ... and what a view says is masked
CREATE VIEW ord.peeks WITH (security_barrier) AS SELECT * FROM ord.patient WHERE NOT EXISTS (SELECT 1 FROM ord.locked AS l WHERE l.word = patient.word AND ord.say(l.word));
BEGIN;
SET LOCAL personalize.purpose = 'order_care';
UPDATE ord.peeks SET name = 'x' WHERE id IN (1, 3) RETURNING id;
ROLLBACK;
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

SELECT personalize.unprotect('ord.person'), personalize.unprotect('ord.visit'), personalize.unprotect('ord.wide'), personalize.unprotect('ord.tenant'), personalize.unprotect('ord.patient');
DROP SCHEMA ord CASCADE;
SELECT personalize.revoke_purpose('order_care', 'regress_order');
DROP ROLE regress_order;
