-- Conditions and check options of views that are written through see masks, whoever made the view; policies see what is there.
SET client_min_messages = warning;
\pset format unaligned
CREATE ROLE regress_mview_owner;
CREATE ROLE regress_mview_app;
CREATE SCHEMA mvw AUTHORIZATION regress_mview_owner;
CREATE SCHEMA mvw_app AUTHORIZATION regress_mview_app;
GRANT USAGE ON SCHEMA mvw TO PUBLIC;
SET ROLE regress_mview_owner;
CREATE TABLE mvw.person (id integer PRIMARY KEY, name text, email text, hidden boolean DEFAULT false);
INSERT INTO mvw.person SELECT i, 'name' || i, 'mail' || i, i = 4 FROM generate_series(1, 5) AS i;
GRANT ALL ON mvw.person TO regress_mview_app;
ALTER TABLE mvw.person ENABLE ROW LEVEL SECURITY;
/* a policy that takes rows away by what stands in a column that may be masked */
CREATE POLICY shown ON mvw.person USING (NOT coalesce(hidden, false));
RESET ROLE;
DO $$
BEGIN
	PERFORM personalize.define_kind('mask_view', 'bigint');
	PERFORM personalize.define_category('mvw_general', 'for tests');
	PERFORM personalize.define_category('mvw_contact', 'for tests');
	PERFORM personalize.define_purpose('mvw_care', 'for tests', categories => '{mvw_general,mvw_contact}');
	PERFORM personalize.protect('mvw.person', 'id', kind => 'mask_view', columns => '{"email":"mvw_contact","hidden":"mvw_contact","*":"mvw_general"}');
	PERFORM personalize.grant_purpose('mvw_care', 'regress_mview_app');
	/* 1: all; 2, 3 and 4: not the address; 5: nothing */
	PERFORM personalize.grant_consent(1, 'mvw_care', kind => 'mask_view');
	PERFORM personalize.grant_consent(i, 'mvw_care', categories => '{mvw_general}', kind => 'mask_view') FROM generate_series(2, 4) AS i;
END
$$;
\set VERBOSITY terse
SET ROLE regress_mview_app;
SET client_min_messages = notice;
CREATE FUNCTION mvw_app.leak(t text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS 'BEGIN RAISE NOTICE ''saw %'', coalesce(t, ''nothing''); RETURN true; END';
CREATE VIEW mvw_app.by_mail WITH (security_barrier, security_invoker) AS SELECT * FROM mvw.person WHERE email = 'mail2';
CREATE VIEW mvw_app.by_leak WITH (security_barrier, security_invoker) AS SELECT * FROM mvw.person WHERE email IS NULL OR mvw_app.leak(email);
CREATE VIEW mvw_app.plain WITH (security_invoker) AS SELECT * FROM mvw.person WHERE email IS NULL OR mvw_app.leak(email);
CREATE VIEW mvw_app.checked WITH (security_barrier, security_invoker) AS
	SELECT * FROM mvw.person WHERE email IS NULL OR (mvw_app.leak(email) AND email = 'mail3') WITH CHECK OPTION;
CREATE VIEW mvw_app.named WITH (security_barrier, security_invoker) AS SELECT * FROM mvw.person WHERE mvw_app.leak(name) WITH CHECK OPTION;
CREATE VIEW mvw_app.nested WITH (security_barrier, security_invoker) AS SELECT * FROM mvw_app.by_leak WHERE email IS DISTINCT FROM 'mail2';
CREATE VIEW mvw_app.bare WITH (security_invoker) AS SELECT * FROM mvw.person;
BEGIN;
SET LOCAL personalize.purpose = 'mvw_care';
\set ON_ERROR_ROLLBACK on
SELECT * FROM mvw.person ORDER BY id;
SELECT id FROM mvw_app.by_mail;
UPDATE mvw_app.by_mail SET name = name RETURNING id;
DELETE FROM mvw_app.by_mail RETURNING id;
UPDATE mvw_app.by_leak SET name = name RETURNING id, email;
DELETE FROM mvw_app.by_leak WHERE id = 2 RETURNING id, email;
UPDATE mvw_app.plain SET name = name RETURNING id;
UPDATE mvw_app.nested SET name = name RETURNING id;
/* the check of an updated row sees the mask, so it does not tell 2 from 3 */
UPDATE mvw_app.checked SET name = 'x' WHERE id = 3 RETURNING id;
INSERT INTO mvw_app.checked (id, name) VALUES (3, 'x') ON CONFLICT (id) DO UPDATE SET name = 'y' RETURNING id, email;
/* a withheld row is seen by nothing that a view or a policy checks */
INSERT INTO mvw_app.named (id, name) VALUES (5, 'x') ON CONFLICT (id) DO UPDATE SET name = 'y' RETURNING id;
INSERT INTO mvw.person (id, name) VALUES (5, 'x') ON CONFLICT (id) DO UPDATE SET name = 'y' WHERE mvw_app.leak(person.name) RETURNING id;
/* an inserted row is the client's own */
INSERT INTO mvw_app.checked (id, email) VALUES (7, 'mail3') RETURNING id, email;
INSERT INTO mvw_app.checked (id, email) VALUES (8, 'mail8') RETURNING id, email;
\set ON_ERROR_ROLLBACK off
ROLLBACK;
/* policies that say one thing of rows that are there and another of those that are written, both unmasked */
RESET ROLE;
SET client_min_messages = warning;
DROP POLICY shown ON mvw.person;
CREATE POLICY twofold ON mvw.person USING (email <> 'mail3') WITH CHECK (email <> 'mail9');
SET ROLE regress_mview_app;
BEGIN;
SET LOCAL personalize.purpose = 'mvw_care';
UPDATE mvw.person SET name = name WHERE id > 0 RETURNING id;
UPDATE mvw_app.bare SET name = name WHERE id > 0 RETURNING id;
ROLLBACK;
RESET ROLE;
CREATE POLICY more ON mvw.person AS RESTRICTIVE USING (email <> 'mail2') WITH CHECK (email <> 'mail8');
SET ROLE regress_mview_app;
BEGIN;
SET LOCAL personalize.purpose = 'mvw_care';
UPDATE mvw_app.bare SET name = name WHERE id > 0 RETURNING id;
DELETE FROM mvw_app.bare RETURNING id;
ROLLBACK;
RESET ROLE;
DROP SCHEMA mvw_app, mvw CASCADE;
DROP OWNED BY regress_mview_owner, regress_mview_app;
DROP ROLE regress_mview_owner, regress_mview_app;
