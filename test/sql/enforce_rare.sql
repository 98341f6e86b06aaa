-- Shapes of keys, conditions, types and parents that are rare: withheld rows stay unseen, and nothing is told of them.
SET client_min_messages = warning;
\set VERBOSITY terse
\pset format unaligned
CREATE ROLE regress_rare_app;
CREATE SCHEMA rare;
GRANT USAGE, CREATE ON SCHEMA rare TO regress_rare_app;

/* keys that are uuids, long texts, and several columns, at the end of a way and at its beginning */
CREATE TABLE rare.account (uid uuid PRIMARY KEY, code text COLLATE "C" UNIQUE, name text);
INSERT INTO rare.account SELECT md5(i::text)::uuid, 'code' || i, 'name' || i FROM generate_series(1, 4) AS i;
CREATE TABLE rare.by_uid (no integer PRIMARY KEY, uid uuid REFERENCES rare.account, v text);
CREATE TABLE rare.by_code (no integer, code text COLLATE "C" REFERENCES rare.account (code), v text);
INSERT INTO rare.by_uid SELECT i, md5(i::text)::uuid, 'v' || i FROM generate_series(1, 4) AS i;
INSERT INTO rare.by_code SELECT i, 'code' || i, 'v' || i FROM generate_series(1, 4) AS i;
CREATE TABLE rare.place (country char(2), city varchar(10), mail text, PRIMARY KEY (country, city));
INSERT INTO rare.place SELECT 'de', 'city' || i, repeat('long', 300) || i FROM generate_series(1, 4) AS i;
CREATE TABLE rare.stay (country char(2), city varchar(10), v text, FOREIGN KEY (country, city) REFERENCES rare.place);
INSERT INTO rare.stay SELECT 'de', 'city' || i, 'v' || i FROM generate_series(1, 4) AS i;
/* conditions that an error tells of: nobody may divide by zero at a withheld row */
CREATE TABLE rare.wide (id integer, a integer, b integer, area polygon, j jsonb) WITH (autovacuum_enabled = false);
INSERT INTO rare.wide SELECT 1 + i % 4, i, i % 100, box(point(i, i), point(i + 1, i + 1))::polygon, jsonb_build_object('k', i) FROM generate_series(1, 2000) AS i;
CREATE INDEX ON rare.wide (a);
CREATE INDEX ON rare.wide (b);
CREATE INDEX ON rare.wide USING gist (area);
/* one that might become a partition of a parent that is not protected */
CREATE TABLE rare.parent (id integer NOT NULL PRIMARY KEY, v text) PARTITION BY RANGE (id);
CREATE TABLE rare.child (id integer NOT NULL PRIMARY KEY, v text);
INSERT INTO rare.child SELECT i, 'v' || i FROM generate_series(1, 4) AS i;
/* unique and exclusion constraints by types that call functions of users */
CREATE FUNCTION rare.difference(integer, integer) RETURNS float8 LANGUAGE sql IMMUTABLE AS 'SELECT ($1 - $2)::float8';
CREATE TYPE rare.span AS RANGE (subtype = integer, subtype_diff = rare.difference, multirange_type_name = rare.spans);
CREATE TYPE rare.pair AS (at rare.span, n integer);
CREATE DOMAIN rare.few AS rare.spans;
CREATE TABLE rare.spanned (id integer, at rare.span, EXCLUDE USING gist (at WITH &&));
CREATE TABLE rare.many (id integer, at rare.few, UNIQUE (at));
CREATE TABLE rare.paired (id integer, p rare.pair, UNIQUE (p));
CREATE TABLE rare.listed (id integer, l rare.span[], UNIQUE (l));
CREATE TABLE rare.harmless (id integer, l int4range[], UNIQUE (l));
GRANT ALL ON ALL TABLES IN SCHEMA rare TO regress_rare_app;
DO $$
BEGIN
	PERFORM personalize.define_category('rare_cat', 'for tests');
	PERFORM personalize.define_purpose('rare_mail', 'for tests', categories => '{rare_cat}');
	PERFORM personalize.grant_purpose('rare_mail', 'regress_rare_app');
	PERFORM personalize.define_kind(k, t::regtype) FROM (VALUES ('rare_uid', 'uuid'), ('rare_text', 'text'), ('rare_no', 'bigint')) AS x (k, t);
	PERFORM personalize.protect('rare.account', 'uid', kind => 'rare_uid', columns => '{"*":"rare_cat"}');
	PERFORM personalize.protect('rare.by_uid', via => 'uid', columns => '{"*":"rare_cat"}');
	PERFORM personalize.protect('rare.by_code', via => 'code', columns => '{"*":"rare_cat"}');
	PERFORM personalize.protect('rare.place', 'mail', kind => 'rare_text', columns => '{"*":"rare_cat"}');
	PERFORM personalize.protect(t, 'id', kind => 'rare_no', columns => '{"*":"rare_cat"}')
		FROM unnest('{rare.wide,rare.child,rare.spanned,rare.many,rare.paired,rare.listed,rare.harmless}'::regclass[]) AS t;
	PERFORM personalize.grant_consent(md5(i::text)::uuid, 'rare_mail', kind => 'rare_uid') FROM generate_series(1, 2) AS i;
	PERFORM personalize.grant_consent(i, 'rare_mail', kind => 'rare_no') FROM generate_series(1, 2) AS i;
END
$$;
VACUUM ANALYZE rare.wide;
SET personalize.purpose_scope = 'session';
SET ROLE regress_rare_app;
SET personalize.purpose = 'rare_mail';
SELECT name FROM rare.account ORDER BY 1;
SELECT v FROM rare.by_uid ORDER BY 1;
SELECT v FROM rare.by_code ORDER BY 1;
SELECT count(*) FROM rare.place;
RESET ROLE;
/* keys longer than a consent can be recorded for are on record by a digest */
SELECT personalize.audit_sync() \g /dev/null
SELECT count(*) FROM personalize.usage WHERE relation_name = 'rare.place';

/* by every kind of plan, and the same rows each time: ids 1 and 2 */
SET ROLE regress_rare_app;
CREATE FUNCTION rare.try(condition text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	n bigint;
	results text[] := '{}';
	settings text;
BEGIN
	FOREACH settings IN ARRAY '{on off off off,off on off off,off off on on,on on on on}'::text[] LOOP
		PERFORM set_config('enable_seqscan', split_part(settings, ' ', 1), true), set_config('enable_indexscan', split_part(settings, ' ', 2), true),
			set_config('enable_bitmapscan', split_part(settings, ' ', 3), true), set_config('enable_sort', split_part(settings, ' ', 4), true);
		BEGIN
			EXECUTE 'SELECT count(*) FROM rare.wide WHERE ' || condition INTO n;
			results := results || n::text;
		EXCEPTION WHEN OTHERS THEN
			results := results || SQLSTATE;
		END;
	END LOOP;
	RETURN array_to_string(ARRAY(SELECT DISTINCT unnest(results)), ' ');
END
$$;
SELECT c, rare.try(c) FROM unnest(ARRAY[
	'id < 3', '1 / (id - 3) < 2', '(1 / (id - 3), id) > (-5, 0)', '(id, 1 / (id - 3)) < (5, 5)', '(ARRAY[1 / (id - 3)])[1] < 5', 'ARRAY[ARRAY[1 / (id - 3)], ARRAY[2]] IS NOT NULL',
	'ROW(1 / (id - 3), NULL) IS NOT NULL', 'j[''k''] > ''1000''', '(j[''k'']::integer - 2) / (id - 3) IS NOT NULL', 'a IN (1, 2, 3, 4) OR b IN (1, 2)', '(a = 5 OR b = 7) AND 1 / (id - 3) IS NOT NULL',
	'area && box ''(1,1),(50,50)''::polygon AND b < 20', '(area && box ''(1,1),(9,9)''::polygon OR a = 1000) AND (b = 4 OR a = 1001)', 'area && box ''(1,1),(9,9)''::polygon AND a < 50 AND b = 3',
	'NULLIF(1 / (id - 3), 7) IS DISTINCT FROM 9', 'now() > to_timestamp(1 / (id - 3))', 'COALESCE(NULLIF(id, 3), 1 / (id - 3)) > 0'
]) WITH ORDINALITY AS u (c, no) ORDER BY no;

/* what a protected relation holds is not read through a parent, and ON CONFLICT tells of no row that is withheld */
RESET ROLE;
ALTER TABLE rare.parent ATTACH PARTITION rare.child FOR VALUES FROM (1) TO (100);
SET ROLE regress_rare_app;
INSERT INTO rare.parent VALUES (3, 'mine') ON CONFLICT (id) DO UPDATE SET v = EXCLUDED.v RETURNING v;
INSERT INTO rare.child VALUES (3, 'mine') ON CONFLICT (id) DO UPDATE SET v = EXCLUDED.v RETURNING v;
INSERT INTO rare.child VALUES (2, 'mine') ON CONFLICT (id) DO UPDATE SET v = EXCLUDED.v RETURNING v;
SELECT v FROM rare.parent;

/* functions of users would be called about others' rows */
INSERT INTO rare.spanned VALUES (1, '[1,3)');
INSERT INTO rare.many VALUES (1, '{[1,3)}');
INSERT INTO rare.paired VALUES (1, ('[1,3)', 1));
INSERT INTO rare.listed VALUES (1, '{"[1,3)"}');
INSERT INTO rare.harmless VALUES (1, '{"[1,3)"}') ON CONFLICT DO NOTHING;
RESET ROLE;
RESET personalize.purpose;
RESET personalize.purpose_scope;

/* erasure finds rows by all these keys */
SELECT personalize.erase_subject(md5('1')::uuid, kind => 'rare_uid') ->> 'subjects' AS erased;
BEGIN;
SELECT personalize.set_purpose('break_glass') \g /dev/null
SELECT (SELECT count(*) FROM rare.account) AS accounts, (SELECT count(*) FROM rare.by_uid) AS by_uid, (SELECT count(*) FROM rare.by_code) AS by_code;
COMMIT;
SELECT personalize.unprotect(t) FROM unnest('{rare.by_uid,rare.by_code,rare.account,rare.place,rare.wide,rare.child,rare.spanned,rare.many,rare.paired,rare.listed,rare.harmless}'::regclass[]) AS t \g /dev/null
SELECT personalize.revoke_purpose('rare_mail', 'regress_rare_app');
DROP SCHEMA rare CASCADE;
DROP ROLE regress_rare_app;
