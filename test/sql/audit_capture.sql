-- Whose row could be seen is on record, also where no row was returned, and nobody else is for built-in conditions.
SET client_min_messages = error;
\pset format unaligned
\set SHOW_CONTEXT never
CREATE SCHEMA cap;
CREATE TABLE cap.person (id integer PRIMARY KEY, name text, born date, pay numeric);
INSERT INTO cap.person SELECT i, 'name' || i, date '2000-01-01' + i, i * 1.5 FROM generate_series(1, 10) AS i;
DO $$
BEGIN
	PERFORM personalize.define_kind('cap', 'bigint');
	PERFORM personalize.define_category('cap_general', 'for tests');
	PERFORM personalize.define_purpose('cap_ads', 'for tests', categories => '{cap_general}');
	PERFORM personalize.protect('cap.person', 'id', kind => 'cap', columns => '{"*":"cap_general"}');
	PERFORM personalize.grant_consent(i, 'cap_ads', kind => 'cap') FROM generate_series(1, 5) AS i;
END
$$;
/* runs a query under a purpose, then says whose use was recorded last */
CREATE FUNCTION cap.run(query text) RETURNS text LANGUAGE plpgsql SET personalize.purpose = 'cap_ads' AS $$
DECLARE r record; n integer := 0;
BEGIN
	FOR r IN EXECUTE query LOOP n := n + 1; END LOOP;
	RETURN n || ' rows';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE;
END $$;
CREATE FUNCTION cap.seen() RETURNS text LANGUAGE sql AS $$
	SELECT u.status || ' ' || coalesce((SELECT string_agg(s.subject, ',' ORDER BY s.subject) FROM personalize.subjects_of(u.usage_id) AS s), '-')
	FROM personalize.usage AS u WHERE u.relation_name = 'cap.person' ORDER BY u.usage_id DESC LIMIT 1
$$;
\set seen 'SELECT personalize.audit_sync(); SELECT cap.seen();'
\pset tuples_only on
/* only the rows that meet built-in conditions */
SELECT cap.run($$SELECT name FROM cap.person WHERE name LIKE '%3'$$); :seen
SELECT cap.run($$SELECT name FROM cap.person WHERE pay > 4$$); :seen
SELECT cap.run($$SELECT name FROM cap.person WHERE born BETWEEN '2000-01-02' AND '2000-01-04' AND id IN (1, 2, 9)$$); :seen
SELECT cap.run($$SELECT name FROM cap.person WHERE id = 4$$); :seen
SELECT cap.run($$SELECT name FROM cap.person WHERE id = 9$$); :seen
SELECT cap.run($$SELECT count(*) FROM cap.person$$); :seen
/* everybody whom a function with side effects could see */
SELECT cap.run($$SELECT 1 FROM cap.person WHERE set_config('x.y', coalesce(current_setting('x.y', true), '') || name, false) = 'zz'$$); :seen
CREATE FUNCTION cap.leak(text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE COST 0.0001 AS $$ BEGIN RETURN $1 IS NULL; END $$;
SELECT cap.run($$SELECT 1 FROM cap.person WHERE cap.leak(name)$$); :seen
CREATE DOMAIN cap.leaky AS text CHECK (NOT cap.leak(VALUE));
SELECT cap.run($$SELECT 1 FROM cap.person WHERE (name::cap.leaky)::text = 'zz'$$); :seen
CREATE TYPE cap.pair AS (a cap.leaky);
SELECT cap.run($$SELECT 1 FROM cap.person WHERE json_populate_record(NULL::cap.pair, json_build_object('a', name)) IS NULL$$); :seen
/* an error tells a value: everybody let through until then */
SELECT cap.run($$SELECT name::integer FROM cap.person WHERE id <= 1$$); :seen
SELECT cap.run($$SELECT 1 FROM cap.person WHERE id <= 1 AND 1 / (length(name) - 5) > 0$$); :seen
/* the counts of EXPLAIN ANALYZE tell of everybody let through, also where nothing is delivered */
CREATE FUNCTION cap.label() RETURNS text LANGUAGE sql AS $$ SELECT precision FROM personalize.usage WHERE relation_name = 'cap.person' ORDER BY usage_id DESC LIMIT 1 $$;
SELECT cap.run($$EXPLAIN (ANALYZE, COSTS OFF) SELECT p.name FROM cap.person AS p, generate_series(1, 2) AS g WHERE p.id + g = 100$$) ~ 'rows'; :seen
SELECT cap.label();
/* what a write computes beside the rows that it reads: everybody let through, and no promise that it was less */
CREATE TABLE cap.note (note_id integer PRIMARY KEY, person_id integer, note text);
SELECT personalize.protect('cap.note', 'person_id', kind => 'cap', columns => '{"*":"cap_general"}') IS NOT NULL;
INSERT INTO cap.note VALUES (1, 1, 'a');
SELECT cap.run($$INSERT INTO cap.note VALUES (1, 2, 'a') ON CONFLICT (note_id) DO UPDATE SET note = 'b' RETURNING (SELECT max(name) FROM cap.person WHERE pay::text LIKE '3%')$$); :seen
SELECT cap.label();
SELECT cap.run($$UPDATE cap.note SET note = 'b' RETURNING (SELECT name FROM cap.person WHERE pay::text LIKE '3%')$$); :seen
SELECT cap.label();
SELECT cap.run($$WITH w AS MATERIALIZED (SELECT id, name, pay FROM cap.person) UPDATE cap.note SET note = 'b' RETURNING (SELECT name FROM w WHERE pay::text LIKE '3%')$$); :seen
SELECT cap.label();
/* somebody whose consent, and number, was rolled back */
BEGIN;
SET LOCAL personalize.purpose = 'cap_ads';
SAVEPOINT s;
SELECT personalize.grant_consent(8, 'cap_ads', kind => 'cap') > 0;
SELECT name FROM cap.person WHERE id = 8;
ROLLBACK TO s;
SELECT name FROM cap.person WHERE id = 8;
COMMIT;
SELECT personalize.audit_sync();
SELECT count(*) FROM personalize.usage_of(8, kind => 'cap');
/* in a transaction that goes on, the record does not wait for it */
BEGIN;
SET LOCAL personalize.purpose = 'cap_ads';
SELECT personalize.grant_consent(7, 'cap_ads', kind => 'cap') > 0;
SELECT name FROM cap.person WHERE id = 7;
:seen
COMMIT;
SELECT count(*) FROM personalize.usage_of(7, kind => 'cap');
/* each statement by its own text, though they share one query */
BEGIN;
SET LOCAL personalize.purpose = 'cap_ads';
SELECT name AS who FROM cap.person WHERE id = 1;
COPY (SELECT name AS who FROM cap.person WHERE id = 2) TO STDOUT;
COMMIT;
SELECT personalize.audit_sync();
SELECT u.query FROM (SELECT usage_id, query FROM personalize.usage WHERE relation_name = 'cap.person' ORDER BY usage_id DESC LIMIT 2) AS u ORDER BY usage_id;
DROP SCHEMA cap CASCADE;
