-- Plans that can return nothing need no purpose; policies that were taken away are an error, not an empty result; partitioned copies are copies.
SET client_min_messages = warning;
\pset format unaligned
CREATE ROLE regress_fls_owner;
CREATE ROLE regress_fls_app;
CREATE SCHEMA fls AUTHORIZATION regress_fls_owner;
GRANT USAGE ON SCHEMA fls TO PUBLIC;
SET ROLE regress_fls_owner;
CREATE TABLE fls.person (id integer PRIMARY KEY, name text, points integer, mask text);
INSERT INTO fls.person SELECT i, 'name' || i, i FROM generate_series(1, 4) AS i;
CREATE TABLE fls.part (id integer, name text) PARTITION BY RANGE (id);
CREATE TABLE fls.part_1 PARTITION OF fls.part FOR VALUES FROM (0) TO (10);
INSERT INTO fls.part VALUES (1, 'one'), (2, 'two');
CREATE TABLE fls.copied (id integer, name text) PARTITION BY RANGE (id);
CREATE TABLE fls.copied_1 PARTITION OF fls.copied FOR VALUES FROM (0) TO (10);
INSERT INTO fls.copied VALUES (1), (2);
GRANT ALL ON ALL TABLES IN SCHEMA fls TO regress_fls_app;
RESET ROLE;
DO $$
BEGIN
	PERFORM personalize.define_kind('enforce_false', 'bigint');
	PERFORM personalize.define_category('fls_general', 'for tests');
	PERFORM personalize.define_category('fls_special', 'for tests', special => true);
	PERFORM personalize.define_purpose('fls_ads', 'for tests', categories => '{fls_general,fls_special}');
	PERFORM personalize.protect('fls.person', 'id', kind => 'enforce_false', columns => '{"mask":"fls_special","*":"fls_general"}');
	PERFORM personalize.protect('fls.part', 'id', kind => 'enforce_false', columns => '{"*":"fls_general"}');
	PERFORM personalize.grant_purpose('fls_ads', r) FROM unnest('{regress_fls_app,regress_fls_owner}'::regrole[]) AS r;
	PERFORM personalize.grant_consent(1, 'fls_ads', kind => 'enforce_false');
END
$$;
\set VERBOSITY terse
CREATE FUNCTION fls.leak(t text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS 'BEGIN RAISE WARNING ''saw %'', t; RETURN true; END';
SET ROLE regress_fls_app;
PREPARE p (text, integer) AS SELECT count(*) FROM fls.person WHERE name = $1 AND points > $2;
BEGIN;
SET LOCAL personalize.purpose = 'fls_ads';
SELECT count(*) FROM fls.person WHERE name = upper(NULL::text) AND id > 3;
SELECT id FROM fls.person WHERE fls.leak(name) AND points = NULL::integer AND (name, id) < ('x', 3);
SELECT id FROM fls.person WHERE points = NULL::integer AND fls.leak(name) FOR SHARE;
UPDATE fls.person SET name = name WHERE name LIKE NULL AND id > 3;
SELECT a.id FROM fls.person AS a LEFT JOIN fls.person AS b ON b.id = a.id AND b.points = NULL::integer AND b.name > 'a' ORDER BY 1;
/* a masked column of a relation that cannot match, above the join */
SELECT o.id, p.mask, p FROM fls.copied AS o LEFT JOIN fls.person AS p ON p.id = o.id AND p.mask <> NULL::text ORDER BY 1;
SELECT count(*) FROM fls.copied AS o LEFT JOIN fls.person AS p ON p.id = o.id AND p.points = NULL::integer WHERE p.mask IS NULL;
EXECUTE p (NULL, 1);
EXECUTE p ('name1', NULL);
EXECUTE p ('name1', 0);
COMMIT;
SELECT count(*) FROM fls.person WHERE name = upper(NULL::text) AND id > 3;
/* as without protection, for everybody */
COPY fls.part TO STDOUT;
\echo :LAST_ERROR_SQLSTATE
SET ROLE regress_fls_owner;
COPY fls.part TO STDOUT;
RESET ROLE;
COPY fls.part TO STDOUT;
SET ROLE regress_fls_app;
BEGIN; SET LOCAL personalize.purpose = 'fls_ads'; COPY (SELECT * FROM fls.part) TO STDOUT; COMMIT;
/* a copy, however it is written */
BEGIN; SET LOCAL personalize.purpose = 'fls_ads'; UPDATE fls.copied AS c SET name = p.name FROM fls.person AS p WHERE p.id = c.id; ROLLBACK;
BEGIN; SET LOCAL personalize.purpose = 'fls_ads'; WITH w AS (UPDATE fls.copied_1 AS c SET name = p.name FROM fls.person AS p WHERE p.id = c.id RETURNING 1) SELECT count(*) FROM w; ROLLBACK;
BEGIN; SET LOCAL personalize.purpose = 'fls_ads'; MERGE INTO fls.copied AS c USING fls.person AS p ON p.id = c.id WHEN MATCHED THEN UPDATE SET name = p.name; ROLLBACK;
BEGIN; SET LOCAL personalize.purpose = 'fls_ads'; DELETE FROM fls.copied AS c USING fls.person AS p WHERE p.id = c.id RETURNING c.id; ROLLBACK;
/* no silent empty result */
RESET ROLE;
DROP POLICY personalize_net ON fls.person;
SET ROLE regress_fls_owner;
BEGIN; SET LOCAL personalize.purpose = 'fls_ads'; SELECT id FROM fls.person; ROLLBACK;
\echo :LAST_ERROR_SQLSTATE
RESET ROLE;
BEGIN; SET LOCAL personalize.purpose = 'fls_ads'; SELECT id FROM fls.person; ROLLBACK;
SELECT ok, detail FROM personalize.status() WHERE detail LIKE '%fls.person%' AND NOT ok;
DROP SCHEMA fls CASCADE;
DROP OWNED BY regress_fls_owner, regress_fls_app;
DROP ROLE regress_fls_owner, regress_fls_app;
