-- What has been told is on record, what must not be told is not: notices, errors of constraints, levelled conditions, views, what DELETE leaves.
SET client_min_messages = warning;
\pset format unaligned
\set VERBOSITY terse
CREATE ROLE regress_tld_owner;
CREATE ROLE regress_tld_app;
CREATE SCHEMA tld AUTHORIZATION regress_tld_owner;
CREATE SCHEMA tld_app AUTHORIZATION regress_tld_app;
GRANT USAGE ON SCHEMA tld TO PUBLIC;
SET ROLE regress_tld_owner;
CREATE TABLE tld.person (id integer PRIMARY KEY, kind text, name text, n integer, m integer, arr integer[], diag text,
	CHECK (CASE kind WHEN 'int' THEN diag::integer > 0 ELSE true END));
INSERT INTO tld.person SELECT i, 'text', 'name' || i, 1000 + i, 2000 + i, CASE WHEN i % 2 = 0 THEN ARRAY[i] ELSE ARRAY[i, i] END,
	CASE WHEN i % 2 = 0 THEN 'HIV' ELSE 'flu' END FROM generate_series(1, 4000) AS i;
CREATE INDEX person_n ON tld.person (n);
CREATE INDEX person_m ON tld.person (m);
ANALYZE tld.person;
/* policies of the application: everybody's rows, and what may be inserted; the second is not for UPDATE */
ALTER TABLE tld.person ENABLE ROW LEVEL SECURITY;
CREATE POLICY all_rows ON tld.person USING (true);
CREATE POLICY no_hiv ON tld.person AS RESTRICTIVE FOR INSERT TO regress_tld_app WITH CHECK (diag <> 'HIV');
CREATE TABLE tld.parent (k integer PRIMARY KEY);
INSERT INTO tld.parent SELECT generate_series(1, 3);
CREATE TABLE tld.child (id integer, k integer REFERENCES tld.parent ON DELETE SET NULL, note text);
INSERT INTO tld.child VALUES (30, 1, 'withheld secret');
CREATE INDEX child_note ON tld.child ((note::integer)) WHERE k IS NULL;
GRANT SELECT, INSERT, UPDATE, DELETE ON tld.person, tld.parent TO regress_tld_app;
RESET ROLE;
DO $$
BEGIN
	PERFORM personalize.define_kind('tld_person', 'bigint');
	PERFORM personalize.define_category('tld_general', 'for tests');
	PERFORM personalize.define_category('tld_special', 'for tests', special => true);
	PERFORM personalize.define_purpose('tld_ads', 'for tests', categories => '{tld_general,tld_special}');
	PERFORM personalize.protect('tld.person', 'id', kind => 'tld_person', columns => '{"diag":"tld_special","*":"tld_general"}');
	PERFORM personalize.protect('tld.child', 'id', kind => 'tld_person', columns => '{"*":"tld_general"}');
	PERFORM personalize.grant_purpose('tld_ads', 'regress_tld_app');
	PERFORM personalize.grant_consent(i, 'tld_ads', categories => '{tld_general}', kind => 'tld_person') FROM generate_series(1, 3) AS i;
END
$$;
SET ROLE regress_tld_app;
BEGIN;
SET LOCAL personalize.purpose = 'tld_ads';
\set ON_ERROR_ROLLBACK on
/* a built-in function tells what it was given, of rows that no scan passes on */
SET LOCAL client_min_messages = notice;
SET LOCAL personalize.context = 'tld notice';
SELECT id FROM tld.person WHERE numnode(websearch_to_tsquery('simple', repeat(' ', n - 1000))) > 0;
SET LOCAL client_min_messages = warning;
/* where nothing is told, those are recorded whose rows met the condition */
SET LOCAL personalize.context = 'tld silent';
SELECT id FROM tld.person WHERE numnode(websearch_to_tsquery('simple', name)) > 0 AND n = 1002;

/* an array made of arrays fails for some rows: not for withheld ones (17 has two elements, 18 has one) */
SELECT id FROM tld.person WHERE n = 1017 AND ARRAY[arr, '{7}'::integer[]] && '{-1}';
SELECT id FROM tld.person WHERE n = 1018 AND ARRAY[arr, '{7}'::integer[]] && '{-1}';
/* an array with a masked element can hold a match: the same with and without levels */
SELECT id FROM tld.person WHERE name = ANY (ARRAY['name1', 'name2', diag]) ORDER BY 1;
SELECT id FROM (SELECT * FROM tld.person OFFSET 0) AS p WHERE name = ANY (ARRAY['name1', 'name2', diag]) ORDER BY 1;

/* that an index was not looked at tells that another had nothing; pages that planning read tell of indexes */
SET LOCAL enable_seqscan = off; SET LOCAL enable_indexscan = off; SET LOCAL random_page_cost = 1000; SET LOCAL plan_cache_mode = force_generic_plan;
PREPARE tld_x AS SELECT id FROM tld.person WHERE n BETWEEN $1 AND $2 AND m BETWEEN $3 AND $4;
CREATE FUNCTION tld_app.executed(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF, SUMMARY OFF) ' || query LOOP
		IF line ~ 'Bitmap|Buffers|Planning' THEN
			RETURN NEXT replace(line, 'rows=0.00', 'rows=0');
		END IF;
	END LOOP;
END
$$;
/* the withheld person 20, then nobody */
SELECT array_agg(l) AS somebody FROM tld_app.executed('EXECUTE tld_x(1020, 1020, 2020, 2020)') AS l \gset
SELECT array_agg(l) AS nobody FROM tld_app.executed('EXECUTE tld_x(-5, -5, -6, -6)') AS l \gset
SELECT :'somebody' = :'nobody' AS same, :'somebody' LIKE '%BitmapAnd%' AS is_and, :'somebody' LIKE '%Buffers%' AS pages;
SELECT unnest(:'nobody'::text[]);
RESET enable_seqscan; RESET enable_indexscan; RESET random_page_cost; RESET plan_cache_mode;

/* a condition of a view that happens to be the expression of a policy for another command is masked */
CREATE VIEW tld_app.not_hiv WITH (security_barrier) AS SELECT * FROM tld.person WHERE diag <> 'HIV';
SELECT id FROM tld_app.not_hiv;
UPDATE tld_app.not_hiv SET name = name RETURNING id, diag;
DELETE FROM tld_app.not_hiv RETURNING id;

/* constraints and indexes see what the statement must not: their errors show nothing, not to handlers either */
SELECT id, diag FROM tld.person WHERE id = 1;
UPDATE tld.person SET kind = 'int' WHERE id = 1;
INSERT INTO tld.person (id, kind, diag) VALUES (1, 'x', 'flu') ON CONFLICT (id) DO UPDATE SET kind = 'int';
DO $$
BEGIN
	UPDATE tld.person SET kind = 'int' WHERE id = 1;
EXCEPTION WHEN OTHERS THEN
	RAISE WARNING 'caught: % %', SQLSTATE, SQLERRM;
END
$$;
/* an error that the statement itself catches does not end the hiding */
CREATE FUNCTION tld_app.f(t text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	x integer;
BEGIN
	BEGIN
		x := 'abc';
	EXCEPTION WHEN OTHERS THEN
		NULL;
	END;
	RETURN t;
END
$$;
UPDATE tld.person SET kind = tld_app.f('int') WHERE id = 1;
/* what one's own values cause is shown where nothing is masked, and without hiding anything later */
INSERT INTO tld.person (id, n) VALUES (4001, 'abc'::text::integer);
SELECT 'abc'::text::integer;
UPDATE tld.parent SET k = ('x' || k)::integer;

/* what is not deleted is kept: a copy */
CREATE TABLE tld_app.candidate AS SELECT i AS id, 'name' || j AS name FROM generate_series(1, 5) AS i, generate_series(1, 5) AS j;
DELETE FROM tld_app.candidate AS c WHERE NOT EXISTS (SELECT FROM tld.person AS p WHERE p.id = c.id AND p.name = c.name);
WITH d AS (DELETE FROM tld_app.candidate AS c USING tld.person AS p WHERE p.id = c.id AND p.name <> c.name RETURNING 1) SELECT count(*) FROM d;
MERGE INTO tld_app.candidate AS c USING (SELECT id, name FROM tld.person) AS p ON c.id = p.id AND c.name <> p.name WHEN MATCHED THEN DELETE;
/* so is what was guessed and found */
INSERT INTO tld_app.candidate SELECT v.* FROM (VALUES (1, 'name1'), (2, 'name1')) AS v (i, t) WHERE ((v.i, v.t) IN (SELECT id, name FROM tld.person)) IS TRUE;
INSERT INTO tld_app.candidate SELECT 2, 'name2' WHERE EXISTS (SELECT FROM tld.person WHERE id = 2 AND name = 'name2');
CREATE VIEW tld_app.checked AS SELECT * FROM tld_app.candidate AS c WHERE EXISTS (SELECT FROM tld.person AS p WHERE p.id = c.id AND p.name = c.name) WITH CHECK OPTION;
INSERT INTO tld_app.checked VALUES (3, 'name3');
/* what chooses its rows by themselves is none */
WITH d AS (DELETE FROM tld_app.candidate WHERE id = 5 AND name = 'name5' RETURNING id) SELECT p.name FROM tld.person AS p JOIN d ON d.id = p.id + 2;
INSERT INTO tld_app.candidate VALUES (5, 'name5');
INSERT INTO tld_app.candidate VALUES (9, 'given');
DELETE FROM tld_app.candidate WHERE id = 9;
SELECT count(*) AS untouched FROM tld_app.candidate;
\set ON_ERROR_ROLLBACK off
COMMIT;
DEALLOCATE tld_x;
/* nor do errors where a foreign key changes what the role knows nothing of */
DELETE FROM tld.parent WHERE k = 1;
DO $$
BEGIN
	DELETE FROM tld.parent WHERE k = 1;
EXCEPTION WHEN OTHERS THEN
	RAISE WARNING 'caught: % %', SQLSTATE, SQLERRM;
END
$$;
SELECT 'abc'::text::integer;
RESET ROLE;
SELECT personalize.audit_sync();
SELECT u.context, u.status, u.subjects_used, (SELECT string_agg(s.subject, ',' ORDER BY s.subject) FROM personalize.subjects_of(u.usage_id) AS s) AS subjects
FROM personalize.usage AS u WHERE u.context IN ('tld notice', 'tld silent') AND u.relation = 'tld.person'::regclass
	AND u.query NOT LIKE '%parent%' ORDER BY u.usage_id LIMIT 2;
SELECT count(*) AS copies FROM personalize.copies WHERE source::text LIKE 'tld%';
DROP SCHEMA tld_app, tld CASCADE;
DROP OWNED BY regress_tld_owner, regress_tld_app;
DROP ROLE regress_tld_owner, regress_tld_app;
