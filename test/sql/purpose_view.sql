-- A purpose view needs no setting: it carries its purpose, its columns and its masks, and several can meet in one statement.
SET client_min_messages = warning;
\pset format unaligned
CREATE ROLE regress_view_owner;
CREATE ROLE regress_view_app;
CREATE ROLE regress_view_two;
CREATE ROLE regress_view_officer;
CREATE SCHEMA pvw AUTHORIZATION regress_view_owner;
GRANT USAGE ON SCHEMA pvw TO PUBLIC;
SET ROLE regress_view_owner;
CREATE TABLE pvw.person (id integer PRIMARY KEY, name text NOT NULL, email text, note text, loose text);
COMMENT ON COLUMN pvw.person.name IS 'What they are called';
INSERT INTO pvw.person SELECT i, 'name' || i, 'mail' || i, 'note' || i FROM generate_series(1, 5) AS i;
GRANT SELECT, INSERT, UPDATE, DELETE ON pvw.person TO regress_view_app;
GRANT SELECT ON pvw.person TO regress_view_two;
CREATE TABLE pvw."Odd ""Name" ("ID x" text PRIMARY KEY, v text);
INSERT INTO pvw."Odd ""Name" VALUES ('a', 'va'), ('b', 'vb');
CREATE TABLE pvw.tenant (id integer, tenant text, what text);
ALTER TABLE pvw.tenant ENABLE ROW LEVEL SECURITY;
CREATE POLICY mine ON pvw.tenant USING (tenant = current_user);
INSERT INTO pvw.tenant VALUES (1, 'regress_view_app', 'mine'), (1, 'somebody', 'theirs'), (5, 'regress_view_app', 'refused');
GRANT SELECT ON pvw."Odd ""Name", pvw.tenant TO regress_view_app;
RESET ROLE;
SELECT personalize.assign_duty('regress_view_officer', 'officer');
DO $$
BEGIN
	PERFORM personalize.define_kind('purpose_view', 'bigint');
	PERFORM personalize.define_kind('purpose_view_text', 'text');
	PERFORM personalize.define_category('pvw_general', 'for tests');
	PERFORM personalize.define_category('pvw_contact', 'for tests');
	PERFORM personalize.define_purpose('pvw_ads', 'Ads that fit', categories => '{pvw_general}');
	PERFORM personalize.define_purpose('pvw_mail', 'Letters', categories => '{pvw_general,pvw_contact}');
	PERFORM personalize.define_purpose('pvw Odd "purpose"', 'for tests', categories => '{pvw_general}');
	PERFORM personalize.protect('pvw.person', 'id', kind => 'purpose_view',
		columns => '{"name":"pvw_general","email":"pvw_contact","note":"pvw_contact"}');
	PERFORM personalize.protect('pvw."Odd ""Name"', 'ID x', kind => 'purpose_view_text', columns => '{"*":"pvw_general"}');
	PERFORM personalize.protect('pvw.tenant', 'id', kind => 'purpose_view', columns => '{"tenant":"none","what":"pvw_general"}');
	PERFORM personalize.grant_purpose(p, 'regress_view_app') FROM unnest('{pvw_ads,pvw_mail,"pvw Odd \"purpose\""}'::text[]) AS p;
	PERFORM personalize.grant_purpose('pvw_mail', 'regress_view_two');
	/* ads: 1, 2; mail: 1, 3, and 4 without the address */
	PERFORM personalize.grant_consent(i, 'pvw_ads', kind => 'purpose_view') FROM unnest('{1,2}'::integer[]) AS i;
	PERFORM personalize.grant_consent(i, 'pvw_mail', kind => 'purpose_view') FROM unnest('{1,3}'::integer[]) AS i;
	PERFORM personalize.grant_consent(4, 'pvw_mail', categories => '{pvw_general}', kind => 'purpose_view');
	PERFORM personalize.grant_consent('a', 'pvw Odd "purpose"', kind => 'purpose_view_text');
END
$$;
\set VERBOSITY terse
/* an officer makes them; nobody else */
SET ROLE regress_view_app;
SELECT personalize.create_view('pvw_ads', 'pvw.person');
SET ROLE regress_view_officer;
SELECT personalize.create_view('pvw_ads', 'pvw.person');
SELECT personalize.create_view('pvw_mail', 'pvw.person');
SELECT personalize.create_view('pvw Odd "purpose"', 'pvw."Odd ""Name"');
SELECT personalize.create_view('pvw_ads', 'pvw.tenant', schema => 'pvw views');
SELECT personalize.create_view('pvw_nonesuch', 'pvw.person');
SELECT personalize.create_view('break_glass', 'pvw.person');
SELECT personalize.create_view('pvw_ads', 'pg_class');
SELECT personalize.create_view('pvw_ads', 'pvw.person', schema => 'pvw');
SELECT personalize.create_view('pvw_ads', 'pvw.person', schema => 'pg_catalog');
SELECT personalize.create_view(NULL, 'pvw.person');
SELECT personalize.create_view('pvw_ads', NULL);
RESET ROLE;
/* columns that the purpose may use, with comments; rights as on the relation, for holders of the purpose */
SELECT c.relname, a.attname, col_description(c.oid, a.attnum) FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
	WHERE c.oid IN ('pvw_ads.person'::regclass, 'pvw_mail.person'::regclass) AND a.attnum > 0 ORDER BY c.relnamespace::regnamespace::text COLLATE "C", a.attnum;
SELECT c.oid::regclass, c.reloptions, pg_get_userbyid(c.relowner) AS owner, r.rolname,
		(SELECT string_agg(p.p, ' ' ORDER BY p.ord) FROM unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,TRIGGER}'::text[]) WITH ORDINALITY AS p (p, ord)
			WHERE has_table_privilege(r.oid, c.oid, p.p)) AS may
	FROM pg_class AS c, pg_roles AS r
	WHERE c.relnamespace IN ('pvw_ads'::regnamespace, 'pvw_mail'::regnamespace, '"pvw views"'::regnamespace)
		AND r.rolname IN ('regress_view_app', 'regress_view_two', 'regress_view_officer') ORDER BY c.oid::regclass::text COLLATE "C", 4;
SET ROLE regress_view_app;
/* no setting anywhere */
SELECT * FROM pvw_ads.person ORDER BY id;
SELECT * FROM pvw_mail.person ORDER BY id;
SELECT * FROM "pvw Odd ""purpose"""."Odd ""Name" ORDER BY 1;
/* policies of the application stay in force, for whoever asks */
SELECT * FROM "pvw views".tenant ORDER BY 1, 2;
/* several purposes in one statement, each its own */
SELECT a.id AS ads, m.id AS mail, m.email FROM pvw_ads.person AS a FULL JOIN pvw_mail.person AS m USING (id) ORDER BY 1, 2;
SELECT id FROM pvw_ads.person UNION ALL SELECT id FROM pvw_mail.person ORDER BY 1;
SELECT id, (SELECT count(*) FROM pvw_mail.person) AS mail, (SELECT count(email) FROM pvw_mail.person) AS mails FROM pvw_ads.person ORDER BY id;
WITH m AS (SELECT * FROM pvw_mail.person) SELECT a.id FROM pvw_ads.person AS a WHERE NOT EXISTS (SELECT FROM m WHERE m.id = a.id) ORDER BY 1;
/* the same relation directly keeps its own rule */
SELECT a.id, p.id FROM pvw_ads.person AS a JOIN pvw.person AS p USING (id);
BEGIN;
SET LOCAL personalize.purpose = 'pvw_mail';
SELECT a.id AS ads, p.id AS direct, p.email FROM pvw_ads.person AS a FULL JOIN pvw.person AS p ON p.id = a.id ORDER BY 1, 2;
SELECT * FROM pvw_ads.person ORDER BY id;
ROLLBACK;
/* an unknown purpose in the session does not matter to a view */
BEGIN; SET LOCAL personalize.purpose = 'pvw_nonesuch'; SELECT count(*) FROM pvw_ads.person; ROLLBACK;
/* prepared plans, functions, cursors */
PREPARE q(integer) AS SELECT name FROM pvw_ads.person WHERE id = $1;
EXECUTE q(2); EXECUTE q(3);
BEGIN;
DECLARE c CURSOR FOR SELECT a.id FROM pvw_ads.person AS a ORDER BY id;
SET LOCAL personalize.purpose = 'pvw_mail';
FETCH ALL FROM c;
COMMIT;
COPY (SELECT id, email FROM pvw_mail.person ORDER BY id) TO STDOUT;
/* writes go where PostgreSQL can take them, under the view's purpose */
BEGIN;
\set ON_ERROR_ROLLBACK on
UPDATE pvw_ads.person SET name = 'via ' || id RETURNING *;
UPDATE pvw_mail.person SET email = 'x' WHERE id = 4;
UPDATE pvw_mail.person SET name = 'y' WHERE id = 4 RETURNING *;
UPDATE pvw_mail.person AS m SET name = a.name FROM pvw_ads.person AS a WHERE a.id = m.id RETURNING m.*;
UPDATE pvw_ads.person SET id = 9 WHERE id = 1;
DELETE FROM pvw_ads.person WHERE id IN (2, 3) RETURNING id;
INSERT INTO pvw_ads.person (id, name) VALUES (10, 'ten') RETURNING *;
INSERT INTO pvw_ads.person (id, name) VALUES (1, 'one') ON CONFLICT (id) DO UPDATE SET name = EXCLUDED.name || '!' RETURNING *;
INSERT INTO pvw_ads.person (id, name) VALUES (3, 'three') ON CONFLICT (id) DO UPDATE SET name = EXCLUDED.name RETURNING *;
INSERT INTO pvw_mail.person (id, name) VALUES (4, 'four') ON CONFLICT (id) DO UPDATE SET email = 'x' RETURNING *;
INSERT INTO pvw_ads.person (id, name) VALUES (5, 'five') ON CONFLICT DO NOTHING RETURNING *;
SELECT id FROM pvw_ads.person ORDER BY id FOR UPDATE;
\set ON_ERROR_ROLLBACK off
ROLLBACK;
/* who does not hold the purpose gets nothing, whatever rights it has on the view */
RESET ROLE;
GRANT USAGE ON SCHEMA pvw_ads TO regress_view_two;
GRANT SELECT ON pvw_ads.person TO regress_view_two;
SET ROLE regress_view_two;
SELECT id FROM pvw_ads.person;
SELECT id FROM pvw_mail.person ORDER BY id;
SELECT m.id FROM pvw_mail.person AS m JOIN pvw_ads.person AS a USING (id);
RESET ROLE;
/* views over purpose views, hand-made bindings, and what binds nothing */
CREATE VIEW pvw.top AS SELECT a.id, upper(a.name) AS name FROM pvw_ads.person AS a;
GRANT SELECT ON pvw.top TO regress_view_app;
CREATE VIEW pvw.hand AS SELECT p.id, t.what FROM pvw.person AS p JOIN pvw.tenant AS t USING (id) WHERE personalize.for_purpose('pvw_ads') AND p.id > 0;
SET ROLE regress_view_app;
SELECT * FROM pvw.top ORDER BY id;
SELECT id FROM pvw.person WHERE personalize.for_purpose('pvw_ads') ORDER BY id;
SELECT id FROM pvw.person WHERE personalize.for_purpose('pvw_ads') AND id IN (SELECT id FROM pvw_mail.person) ORDER BY id;
SELECT id FROM pvw.person WHERE personalize.for_purpose('pvw_ads') OR true;
SELECT id FROM pvw.person WHERE NOT personalize.for_purpose('pvw_ads');
SELECT id, personalize.for_purpose('pvw_ads') FROM pvw_ads.person;
SELECT id FROM pvw.person WHERE personalize.for_purpose('pvw_ads') AND personalize.for_purpose('pvw_mail');
SELECT id FROM pvw.person WHERE personalize.for_purpose(name);
SELECT id FROM pvw.person WHERE personalize.for_purpose(NULL);
SELECT id FROM pvw.person WHERE personalize.for_purpose('pvw_nonesuch');
SELECT id FROM pvw.person WHERE personalize.for_purpose('backup');
RESET ROLE;
BEGIN; SET LOCAL personalize.purpose = 'break_glass'; SELECT * FROM pvw.hand ORDER BY 1, 2; ROLLBACK;
/* a purpose that no longer lists the category: the view is refused until it is made anew */
SELECT personalize.define_purpose('pvw_mail', 'Letters', categories => '{pvw_contact}');
SET ROLE regress_view_two;
SELECT id, email FROM pvw_mail.person ORDER BY id;
RESET ROLE;
SELECT personalize.create_view('pvw_mail', 'pvw.person');
SET ROLE regress_view_two;
SELECT * FROM pvw_mail.person ORDER BY id;
RESET ROLE;
CREATE TABLE pvw_mail.tenant ();
SELECT personalize.create_view('pvw_mail', 'pvw.tenant');
SELECT personalize.retire_purpose('pvw_mail');
SET ROLE regress_view_two;
SELECT id FROM pvw_mail.person;
RESET ROLE;
/* each purpose is on record with its own people */
SELECT personalize.audit_sync();
SELECT u.purpose, u.relation_name, u.status, u.columns, (SELECT string_agg(s.subject, ' ' ORDER BY s.subject COLLATE "C") FROM personalize.subjects_of(u.usage_id) AS s) AS subjects
	FROM personalize.usage AS u WHERE u.query LIKE '%FULL JOIN pvw_mail.person%' ORDER BY u.purpose COLLATE "C";
DROP SCHEMA pvw, pvw_ads, pvw_mail, "pvw views", "pvw Odd ""purpose""" CASCADE;
SELECT personalize.revoke_duty('regress_view_officer', 'officer');
DROP OWNED BY regress_view_owner, regress_view_app, regress_view_two, regress_view_officer;
DROP ROLE regress_view_owner, regress_view_app, regress_view_two, regress_view_officer;
