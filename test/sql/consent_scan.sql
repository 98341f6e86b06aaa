-- Sequential scans that ask for pages give the same rows, counts and persons as the check in the plan.
SET client_min_messages = warning;
SET jit = off;
SET max_parallel_workers_per_gather = 0;
\pset format unaligned
CREATE ROLE regress_scan_app;
CREATE SCHEMA cscan;
GRANT USAGE ON SCHEMA cscan TO PUBLIC;
/* 40 rows a page: runs of withheld rows, some without a key, some of persons nobody has heard of */
CREATE TABLE cscan.plain (n integer, id bigint, pad text);
INSERT INTO cscan.plain SELECT n, CASE WHEN n % 97 = 0 THEN NULL WHEN n % 89 = 0 THEN -n ELSE (n * 7919::bigint) % 12000 END, repeat('x', 150)
	FROM generate_series(1, 30000) AS n;
UPDATE cscan.plain SET id = 1 WHERE n BETWEEN 900 AND 1100;
CREATE TABLE cscan.num AS TABLE cscan.plain;
CREATE TABLE cscan.uid AS SELECT n, md5(id::text)::uuid AS id, pad FROM cscan.plain;
CREATE TABLE cscan.mail AS SELECT n, 'person' || id || '@example.org' AS id, pad FROM cscan.plain;
CREATE VIEW cscan.expected AS SELECT n, id FROM cscan.plain WHERE id >= 0 AND id % 3 > 0 OR id = 300;
GRANT SELECT ON ALL TABLES IN SCHEMA cscan TO regress_scan_app;
DO $$
DECLARE
	k text;
	t text;
BEGIN
	PERFORM personalize.define_category('scan_a', 'for tests');
	PERFORM personalize.define_purpose('scan_p', 'for tests', categories => '{scan_a}');
	PERFORM personalize.define_purpose('scan_i', 'for tests', 'legitimate_interest', categories => '{scan_a}');
	PERFORM personalize.grant_purpose('scan_p', 'regress_scan_app');
	PERFORM personalize.grant_purpose('scan_i', 'regress_scan_app');
	FOR t, k IN VALUES ('num', 'bigint'), ('uid', 'uuid'), ('mail', 'text') LOOP
		PERFORM personalize.define_kind('scan_' || t, k::regtype);
		PERFORM personalize.protect(format('cscan.%I', t)::regclass, 'id', kind => 'scan_' || t, columns => '{"*":"scan_a"}');
	END LOOP;
END
$$;
CREATE FUNCTION cscan.person(kind text, id bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE kind WHEN 'scan_num' THEN id::text WHEN 'scan_uid' THEN md5(id::text)::uuid::text ELSE 'person' || id || '@example.org' END
$$;
CREATE TEMP TABLE said AS
	SELECT cscan.person(k, i) AS subject, 'scan_p' AS purpose, CASE WHEN i % 3 > 0 OR i = 300 THEN 'given' ELSE 'refused' END AS action, k AS kind
	FROM generate_series(0, 11999) AS i, unnest('{scan_num,scan_uid,scan_mail}'::text[]) AS k;
SELECT personalize.record_consents('said');
/* and of those who said nothing some object to what needs no consent */
TRUNCATE said;
INSERT INTO said SELECT cscan.person(k, i), 'scan_i', 'objected', k
	FROM generate_series(0, 11999, 5) AS i, unnest('{scan_num,scan_uid,scan_mail}'::text[]) AS k;
SELECT personalize.record_consents('said');
CREATE PROCEDURE cscan.settle() LANGUAGE plpgsql AS $$
BEGIN
	FOR n IN 1 .. 600 LOOP
		EXIT WHEN (SELECT s.state = 'ready' AND s.pending = 0 FROM personalize.consent_set_internal() AS s)
			AND (SELECT wrong = 0 AND answered = asked FROM personalize.consent_set_check_internal(ARRAY(
				SELECT p.purpose_id FROM personalize.registry_purpose AS p WHERE p.name LIKE 'scan\_%')));
		COMMIT;
		PERFORM pg_sleep(0.05);	/* lint: poll interval */
	END LOOP;
END
$$;
SELECT personalize.audit_sync();
CALL cscan.settle();
SELECT state, pending FROM personalize.consent_set_internal();
/* who was on record for the newest uses, against whom it must be */
CREATE FUNCTION cscan.recorded(relation text, lasts integer DEFAULT 1)
	RETURNS TABLE (status text, "precision" text, rows_used bigint, rows_withheld bigint, persons bigint, missing bigint, too_many bigint) LANGUAGE sql AS $$
	WITH u AS (SELECT * FROM personalize.usage WHERE usage.relation = ('cscan.' || recorded.relation)::regclass ORDER BY usage_id DESC LIMIT lasts),
		expected AS (SELECT DISTINCT cscan.person('scan_' || recorded.relation, id) AS key FROM cscan.expected),
		got AS (SELECT u.usage_id, s.subject AS key FROM u, personalize.subjects_of(u.usage_id) AS s)
	SELECT u.status, u.precision, u.rows_used, u.rows_withheld,
		(SELECT count(*) FROM got AS g WHERE g.usage_id = u.usage_id),
		(SELECT count(*) FROM expected AS e WHERE NOT EXISTS (SELECT FROM got AS g WHERE g.usage_id = u.usage_id AND g.key = e.key)),
		(SELECT count(*) FROM got AS g WHERE g.usage_id = u.usage_id AND NOT EXISTS (SELECT FROM expected AS e WHERE g.key = e.key))
	FROM u ORDER BY u.usage_id
$$;
/* rows, and persons: more than fit into one message */
SELECT count(*), count(DISTINCT id) FROM cscan.expected;
SET ROLE regress_scan_app;
BEGIN;
SET LOCAL personalize.purpose = 'scan_p';
EXPLAIN (COSTS off) SELECT n, id FROM cscan.num;
SELECT count(*) FROM (SELECT n FROM cscan.num EXCEPT ALL SELECT n FROM cscan.expected) AS x;
SELECT count(*) FROM (SELECT n FROM cscan.expected EXCEPT ALL SELECT n FROM cscan.num) AS x;
SELECT count(*) FROM cscan.num;
SELECT count(*) FROM cscan.uid;
SELECT count(*) FROM cscan.mail;
SELECT md5(string_agg(n::text, ',')) = (SELECT md5(string_agg(n::text, ',')) FROM (SELECT n FROM cscan.expected) AS e) FROM (SELECT n FROM cscan.num) AS x;
COMMIT;
RESET ROLE;
SELECT personalize.audit_sync();
SELECT * FROM cscan.recorded('num', 4);
SELECT * FROM cscan.recorded('uid');
SELECT * FROM cscan.recorded('mail');
/* conditions of the query: who they leave out is not on record */
SET ROLE regress_scan_app;
BEGIN;
SET LOCAL personalize.purpose = 'scan_p';
SELECT count(*), min(id), max(id) FROM cscan.num WHERE id BETWEEN 100 AND 8999 AND n % 2 = 0;
COMMIT;
RESET ROLE;
SELECT personalize.audit_sync();
SELECT status, precision, rows_used, persons,
	persons = (SELECT count(DISTINCT id) FROM cscan.expected WHERE id BETWEEN 100 AND 8999 AND n % 2 = 0) AS right_number, too_many
	FROM cscan.recorded('num');
/* a purpose that asks no consent: who objected is withheld */
SET ROLE regress_scan_app;
BEGIN;
SET LOCAL personalize.purpose = 'scan_i';
SELECT count(*) = (SELECT count(*) FROM cscan.plain WHERE id < 0 OR id % 5 > 0) FROM cscan.num;
SELECT count(*) = (SELECT count(*) FROM cscan.plain WHERE id < 0 OR id % 5 > 0) FROM cscan.uid;
SELECT count(*) = (SELECT count(*) FROM cscan.plain WHERE id < 0 OR id % 5 > 0) FROM cscan.mail;
COMMIT;
RESET ROLE;
/* forward, backward, and about, beside a cursor over what must come */
CREATE FUNCTION cscan.walk(relation text, steps integer) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	a refcursor;
	b refcursor;
	x record;
	y record;
	step integer;
	different integer := 0;
	found_some integer := 0;
BEGIN
	OPEN a SCROLL FOR EXECUTE format('SELECT n FROM cscan.%I', relation);
	OPEN b SCROLL FOR SELECT n FROM cscan.expected;
	PERFORM setseed(0.5);
	FOR i IN 1 .. steps LOOP
		step := CASE WHEN random() < 0.3 THEN 1 WHEN random() < 0.4 THEN -1 ELSE (random() * 90 - 35)::integer END;
		FETCH RELATIVE step FROM a INTO x;
		FETCH RELATIVE step FROM b INTO y;
		IF x IS DISTINCT FROM y THEN
			different := different + 1;
		END IF;
		IF y.n IS NOT NULL THEN
			found_some := found_some + 1;
		END IF;
	END LOOP;
	RETURN format('%s different, %s with a row', different, CASE WHEN found_some > steps / 2 THEN 'most' ELSE 'few' END);
END
$$;
SET ROLE regress_scan_app;
BEGIN;
SET LOCAL personalize.purpose = 'scan_p';
SELECT t, cscan.walk(t, 1500) FROM unnest('{num,uid,mail}'::text[]) AS t;
/* to the end and back */
DECLARE c SCROLL CURSOR FOR SELECT n FROM cscan.num;
MOVE LAST FROM c;
FETCH BACKWARD 2 FROM c;
FETCH FORWARD 3 FROM c;
MOVE FIRST FROM c;
FETCH FORWARD 2 FROM c;
COMMIT;
/* scans that begin anew in the middle of a page */
BEGIN;
SET LOCAL personalize.purpose = 'scan_p';
SET LOCAL enable_material = off;
SET LOCAL enable_hashjoin = off;
SET LOCAL enable_mergejoin = off;
SELECT k, l.first, l.last, l.first = e.first AND l.last = e.last AS same
	FROM generate_series(1, 5) AS k,
		LATERAL (SELECT min(n) AS first, max(n) AS last FROM (SELECT n FROM cscan.num LIMIT k * 17) AS x) AS l,
		LATERAL (SELECT min(n) AS first, max(n) AS last FROM (SELECT n FROM cscan.expected LIMIT k * 17) AS x) AS e;
SELECT count(*) FROM (VALUES (1), (2), (3)) AS v(k) JOIN cscan.num AS t ON t.n % 3 < v.k;
SELECT count(*) FROM (VALUES (1), (2), (3)) AS v(k) JOIN cscan.expected AS t ON t.n % 3 < v.k;
COMMIT;
RESET ROLE;
/* a statement that fails: whom it had met is on record */
SET ROLE regress_scan_app;
BEGIN;
SET LOCAL personalize.purpose = 'scan_p';
SELECT sum(1 / (n - 29999)) FROM cscan.num;
ROLLBACK;
RESET ROLE;
SELECT personalize.audit_sync();
SELECT status, precision, persons, too_many FROM cscan.recorded('num');
/* the planner knows how many rows pass, about, and not of few persons */
CREATE FUNCTION cscan.estimated(query text) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	EXECUTE 'EXPLAIN (FORMAT json) ' || query INTO line;
	RETURN line::json -> 0 -> 'Plan' ->> 'Plan Rows';
END
$$;
CREATE TABLE cscan.few AS SELECT n, n % 19 + 1 AS id FROM generate_series(1, 1000) AS n;
CREATE TABLE cscan.casted AS SELECT n, ((n * 7919::bigint) % 12000)::integer AS id FROM generate_series(1, 30000) AS n;
GRANT SELECT ON cscan.few, cscan.casted TO regress_scan_app;
SELECT personalize.protect('cscan.few', 'id', kind => 'scan_num', columns => '{"*":"scan_a"}');
SELECT personalize.protect('cscan.casted', 'id', kind => 'scan_num', columns => '{"*":"scan_a"}');
ANALYZE cscan.plain, cscan.num, cscan.uid, cscan.mail, cscan.few, cscan.casted;
SELECT cscan.estimated('SELECT n FROM cscan.num') BETWEEN 14000 AND 16000 AS half_where_no_purpose_is_known;
BEGIN;
SET LOCAL personalize.purpose = 'scan_p';
SELECT t, cscan.estimated(format('SELECT n FROM cscan.%I', t)) BETWEEN 17500 AND 22500 AS two_thirds
	FROM unnest('{num,uid,mail,casted}'::text[]) AS t;
SELECT cscan.estimated('SELECT n FROM cscan.few') AS half_of_few;
SELECT cscan.estimated('SELECT n FROM cscan.num WHERE id = 300') < 10 AS one_person;
SET LOCAL personalize.purpose = 'scan_i';
SELECT t, cscan.estimated(format('SELECT n FROM cscan.%I', t)) BETWEEN 20000 AND 28000 AS four_fifths
	FROM unnest('{num,uid,mail,casted}'::text[]) AS t;
COMMIT;
/* somebody changes their mind: asked in the ledger, then in the set again */
SELECT personalize.withdraw_consent('1', 'scan_p', kind => 'scan_num') IS NOT NULL AS withdrawn;
SET ROLE regress_scan_app;
BEGIN;
SET LOCAL personalize.purpose = 'scan_p';
SELECT count(*) = (SELECT count(*) FROM cscan.expected WHERE id <> 1) FROM cscan.num;
COMMIT;
RESET ROLE;
CALL cscan.settle();
SET ROLE regress_scan_app;
BEGIN;
SET LOCAL personalize.purpose = 'scan_p';
SELECT count(*) = (SELECT count(*) FROM cscan.expected WHERE id <> 1) FROM cscan.num;
COMMIT;
RESET ROLE;
DO $$
BEGIN
	PERFORM personalize.unprotect(format('cscan.%I', t)::regclass) FROM unnest('{num,uid,mail,few,casted}'::text[]) AS t;
	PERFORM personalize.retire_purpose(p) FROM unnest('{scan_p,scan_i}'::text[]) AS p;
END
$$;
DROP SCHEMA cscan CASCADE;
DROP ROLE regress_scan_app;
