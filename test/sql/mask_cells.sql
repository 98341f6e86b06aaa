-- Cells of categories that a person did not agree to are masked, on every path, and the row stays.
SET client_min_messages = warning;
\pset format unaligned
CREATE ROLE regress_mask_owner;
CREATE ROLE regress_mask_app;
CREATE ROLE regress_mask_bypass BYPASSRLS;
CREATE SCHEMA msk AUTHORIZATION regress_mask_owner;
GRANT USAGE ON SCHEMA msk TO PUBLIC;
SET ROLE regress_mask_owner;
CREATE TABLE msk.person (id integer PRIMARY KEY, name text, email varchar(40), diagnosis text, born date, score numeric(6,2), tags text[]);
INSERT INTO msk.person SELECT i, 'name' || i, 'mail' || i, 'ill' || i, date '2000-01-01' + i, i, ARRAY['t' || i] FROM generate_series(1, 6) AS i;
CREATE TABLE msk.visit (visit_id integer PRIMARY KEY, person_id integer REFERENCES msk.person, what text);
INSERT INTO msk.visit SELECT i, (i - 1) % 6 + 1, 'what' || i FROM generate_series(1, 12) AS i;
GRANT ALL ON ALL TABLES IN SCHEMA msk TO regress_mask_app, regress_mask_bypass;
RESET ROLE;
DO $$
BEGIN
	PERFORM personalize.define_kind('mask', 'bigint');
	PERFORM personalize.define_category('mask_general', 'for tests');
	PERFORM personalize.define_category('mask_contact', 'for tests');
	PERFORM personalize.define_category('mask_health', 'for tests', special => true);
	PERFORM personalize.define_category('mask_other', 'for tests');
	PERFORM personalize.define_purpose('mask_care', 'for tests', categories => '{mask_general,mask_contact,mask_health}');
	PERFORM personalize.define_purpose('mask_bill', 'for tests', 'contract', '{mask_general,mask_contact}');
	PERFORM personalize.define_purpose('mask_study', 'for tests', categories => '{mask_general,mask_health}', special_basis => 'research (GDPR Art. 9(2)(j))');
	PERFORM personalize.protect('msk.person', 'id', kind => 'mask',
		columns => '{"email":"mask_contact","diagnosis":"mask_health","born":"mask_contact","*":"mask_general"}');
	PERFORM personalize.protect('msk.visit', 'person_id', kind => 'mask', columns => '{"visit_id":"none","what":"mask_health"}');
	PERFORM personalize.classify('msk.person', 'born', 'mask_contact', '1900-01-01');
	PERFORM personalize.grant_purpose(p, r) FROM unnest('{mask_care,mask_bill,mask_study}'::text[]) AS p,
		unnest('{regress_mask_app,regress_mask_owner,regress_mask_bypass}'::regrole[]) AS r;
	/* 1: all, explicit; 2: all, not explicit; 3 and after: see below; 6: nothing */
	PERFORM personalize.grant_consent(1, 'mask_care', explicit => true, kind => 'mask');
	PERFORM personalize.grant_consent(2, 'mask_care', kind => 'mask');
END
$$;
\set VERBOSITY terse
/* nobody has told categories apart: only the special one is wrapped, and plans are kept */
SELECT name, partial FROM personalize.registry_category WHERE name LIKE 'mask%' ORDER BY name COLLATE "C";
SET ROLE regress_mask_app;
BEGIN;
SET LOCAL personalize.purpose = 'mask_care';
SET LOCAL plan_cache_mode = force_generic_plan;
PREPARE people AS SELECT id, name, email, diagnosis, born FROM msk.person ORDER BY id;
EXECUTE people;
COMMIT;
RESET ROLE;
DO $$
BEGIN
	PERFORM personalize.grant_consent(3, 'mask_care', categories => '{mask_general}', kind => 'mask');
	PERFORM personalize.grant_consent(4, 'mask_care', categories => '{mask_contact,mask_health}', explicit => true, kind => 'mask');
	PERFORM personalize.grant_consent(5, 'mask_care', explicit => true, kind => 'mask');
	PERFORM personalize.withdraw_consent(5, 'mask_care', categories => '{mask_contact}', kind => 'mask');
END
$$;
SELECT name, partial FROM personalize.registry_category WHERE name LIKE 'mask%' ORDER BY name COLLATE "C";
SET ROLE regress_mask_app;
BEGIN;
SET LOCAL personalize.purpose = 'mask_care';
/* the plan made before that is made again */
EXECUTE people;
/* whole rows and what is made of them */
SELECT p FROM msk.person AS p ORDER BY id;
SELECT row_to_json(p) FROM msk.person AS p ORDER BY id;
SELECT to_jsonb(p) ->> 'email' AS email FROM msk.person AS p ORDER BY id;
SELECT p::text FROM msk.person AS p WHERE id IN (3, 4) ORDER BY id;
SELECT (p).email, (p).born FROM msk.person AS p ORDER BY id;
SELECT json_agg(p ORDER BY id) FROM msk.person AS p WHERE id = 3;
TABLE msk.person ORDER BY id;
/* conditions see the mask, not what is under it */
SELECT id FROM msk.person WHERE email = 'mail3';
SELECT id FROM msk.person WHERE email LIKE 'mail%' ORDER BY id;
SELECT id FROM msk.person WHERE email IS NULL ORDER BY id;
SELECT id FROM msk.person WHERE email IS DISTINCT FROM 'mail3' ORDER BY id;
SELECT id FROM msk.person WHERE born = '1900-01-01' ORDER BY id;
SELECT id FROM msk.person WHERE born > '1950-01-01' ORDER BY id;
SELECT id FROM msk.person WHERE upper(diagnosis) LIKE 'ILL_' ORDER BY id;
SELECT id FROM msk.person WHERE tags && '{t4}' OR tags = '{t3}' ORDER BY id;
SELECT id FROM msk.person WHERE NOT (email = 'mail1') ORDER BY id;
SELECT id FROM msk.person WHERE coalesce(email, 'mail5') = 'mail5' ORDER BY id;
/* joins, also outer ones: a row that is not there has NULL, not a mask */
SELECT a.id, b.id FROM msk.person AS a JOIN msk.person AS b USING (email) ORDER BY 1;
SELECT a.id, b.email, b.born, b IS NULL AS absent, b FROM msk.person AS a LEFT JOIN msk.person AS b ON b.id = a.id + 1 ORDER BY 1;
SELECT count(b), count(b.born), count(b.email) FROM msk.person AS a FULL JOIN msk.person AS b ON b.id = a.id + 1;
SELECT id, v.what FROM msk.person AS p NATURAL JOIN (SELECT person_id AS id, what FROM msk.visit) AS v ORDER BY 1, 2;
SELECT p.id, (SELECT string_agg(v.what, ' ' ORDER BY v.visit_id) FROM msk.visit AS v WHERE v.person_id = p.id AND p.diagnosis IS NOT NULL) AS seen
	FROM msk.person AS p ORDER BY 1;
SELECT id FROM msk.person AS p WHERE EXISTS (SELECT FROM msk.visit AS v WHERE v.person_id = p.id AND v.what IS NOT NULL) ORDER BY 1;
SELECT p.id, l.x FROM msk.person AS p, LATERAL (SELECT p.email || '!' AS x) AS l ORDER BY 1;
/* grouping, sorting, sets, windows */
SELECT email, count(*) FROM msk.person GROUP BY email ORDER BY email;
SELECT upper(email) AS u, max(score) FROM msk.person GROUP BY email ORDER BY 1;
SELECT email, diagnosis, count(*) FROM msk.person GROUP BY GROUPING SETS ((email), (diagnosis), ()) ORDER BY 1, 2;
SELECT id, name, email FROM msk.person GROUP BY id ORDER BY id;
SELECT born, count(*) FROM msk.person GROUP BY born HAVING min(email) IS NULL ORDER BY 1;
SELECT DISTINCT ON (born) born, id FROM msk.person ORDER BY born, id;
SELECT id FROM msk.person ORDER BY email DESC NULLS LAST, id LIMIT 3;
SELECT id, lag(email) OVER (ORDER BY id), count(email) OVER () FROM msk.person ORDER BY id;
SELECT email FROM msk.person UNION ALL SELECT diagnosis FROM msk.person ORDER BY 1;
SELECT email FROM msk.person EXCEPT SELECT 'mail1' ORDER BY 1;
WITH w AS MATERIALIZED (SELECT * FROM msk.person) SELECT id, email FROM w ORDER BY id;
WITH RECURSIVE r AS (SELECT id, email FROM msk.person WHERE id = 1 UNION ALL
	SELECT p.id, p.email FROM r JOIN msk.person AS p ON p.id = r.id + 1) SELECT * FROM r ORDER BY id;
SELECT max(email), min(diagnosis), string_agg(name, ',' ORDER BY id), sum(score) FROM msk.person;
COMMIT;
RESET ROLE;
/* everybody: owner, BYPASSRLS, superuser, functions, views */
CREATE VIEW msk.v_super AS SELECT * FROM msk.person;
CREATE VIEW msk.v_upper WITH (security_barrier) AS SELECT id, upper(email) AS email FROM msk.person;
CREATE FUNCTION msk.f_sql() RETURNS SETOF msk.person LANGUAGE sql STABLE AS 'SELECT * FROM msk.person';
CREATE FUNCTION msk.f_atomic() RETURNS SETOF text LANGUAGE sql STABLE BEGIN ATOMIC SELECT email FROM msk.person ORDER BY id; END;
CREATE FUNCTION msk.f_definer(i integer) RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN RETURN (SELECT email FROM msk.person WHERE id = i); END';
GRANT SELECT ON msk.v_super, msk.v_upper TO PUBLIC;
BEGIN;
SET LOCAL personalize.purpose = 'mask_care';
SELECT id, email, diagnosis FROM msk.person ORDER BY id;
SET LOCAL ROLE regress_mask_owner;
SELECT id, email, diagnosis FROM msk.person ORDER BY id;
SET LOCAL ROLE regress_mask_bypass;
SELECT id, email, diagnosis FROM msk.person ORDER BY id;
SET LOCAL ROLE regress_mask_app;
SELECT id, email FROM msk.v_super WHERE email LIKE 'mail%' ORDER BY id;
SELECT * FROM msk.v_upper ORDER BY id;
SELECT id, email FROM msk.f_sql() ORDER BY id;
SELECT * FROM msk.f_atomic();
SELECT msk.f_definer(i) FROM generate_series(1, 6) AS i;
COPY (SELECT id, email, born FROM msk.person ORDER BY id) TO STDOUT;
COPY msk.person (id, diagnosis) TO STDOUT;
COMMIT;
/* other purposes: by contract everything it lists; what it does not list is refused whole */
BEGIN;
SET LOCAL personalize.purpose = 'mask_bill';
SELECT id, email, born FROM msk.person ORDER BY id;
SELECT diagnosis FROM msk.person;
ROLLBACK;
BEGIN;
SET LOCAL personalize.purpose = 'mask_bill';
SELECT p FROM msk.person AS p;
ROLLBACK;
/* a special basis does without explicit consent */
SELECT personalize.grant_consent(2, 'mask_study', kind => 'mask') IS NOT NULL AS given;
BEGIN; SET LOCAL personalize.purpose = 'mask_study'; SELECT id, diagnosis FROM msk.person ORDER BY id; ROLLBACK;
/* break_glass sees every cell */
BEGIN; SET LOCAL personalize.purpose = 'break_glass'; SELECT id, email, diagnosis, born FROM msk.person ORDER BY id; ROLLBACK;
/* widening a purpose widens no consent: cells of the new category are masked */
SELECT personalize.define_category('mask_hobby', 'for tests');
SELECT personalize.define_purpose('mask_club', 'for tests', categories => '{mask_other}');
SELECT personalize.grant_purpose('mask_club', 'regress_mask_app');
ALTER TABLE msk.person ADD COLUMN hobby text DEFAULT 'chess', ADD COLUMN club text DEFAULT 'rowing';
SELECT personalize.classify('msk.person', 'hobby', 'mask_hobby'), personalize.classify('msk.person', 'club', 'mask_other');
SELECT personalize.grant_consent(1, 'mask_club', kind => 'mask') IS NOT NULL AS given;
SELECT personalize.define_purpose('mask_club', 'for tests', categories => '{mask_other,mask_hobby}');
SELECT personalize.grant_consent(2, 'mask_club', kind => 'mask') IS NOT NULL AS given;
SELECT name, partial FROM personalize.registry_category WHERE name IN ('mask_other', 'mask_hobby') ORDER BY name COLLATE "C";
SET ROLE regress_mask_app;
BEGIN; SET LOCAL personalize.purpose = 'mask_club'; SELECT id, club, hobby FROM msk.person ORDER BY id; ROLLBACK;
RESET ROLE;
/* a choice that got into the ledger past the functions fails closed, and define_category() mends it */
UPDATE personalize.registry_category SET partial = false WHERE name = 'mask_contact';
SET ROLE regress_mask_app;
BEGIN; SET LOCAL personalize.purpose = 'mask_care'; SELECT id, email FROM msk.person ORDER BY id; ROLLBACK;
\echo :LAST_ERROR_SQLSTATE
RESET ROLE;
SELECT personalize.define_category('mask_contact', 'for tests');
SET ROLE regress_mask_app;
BEGIN; SET LOCAL personalize.purpose = 'mask_care'; SELECT id, email FROM msk.person ORDER BY id; ROLLBACK;
RESET ROLE;
DROP SCHEMA msk CASCADE;
DROP OWNED BY regress_mask_owner, regress_mask_app, regress_mask_bypass;
DROP ROLE regress_mask_owner, regress_mask_app, regress_mask_bypass;
