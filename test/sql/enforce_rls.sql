-- The application's own row security stays in force and is never opened by ours; without ours nothing opens.
SET client_min_messages = warning;
\pset format unaligned
CREATE ROLE regress_enf_owner;
CREATE ROLE regress_enf_app;
CREATE SCHEMA enf AUTHORIZATION regress_enf_owner;
GRANT USAGE ON SCHEMA enf TO PUBLIC;
SET ROLE regress_enf_owner;
CREATE TABLE enf.customer (id integer PRIMARY KEY, name text, note text);
INSERT INTO enf.customer SELECT i, 'name' || i, 'note' || i FROM generate_series(1, 5) AS i;
GRANT ALL ON enf.customer TO regress_enf_app;
RESET ROLE;
/* ads: 1 and 2 agreed; mail: 1 to 4; 5 to nothing */
DO $$
BEGIN
	PERFORM personalize.define_kind('enforce_rls', 'bigint');
	PERFORM personalize.define_category('enf_general', 'for tests');
	PERFORM personalize.define_purpose('enf_ads', 'for tests', categories => '{enf_general}');
	PERFORM personalize.define_purpose('enf_mail', 'for tests', categories => '{enf_general}');
	PERFORM personalize.protect('enf.customer', 'id', kind => 'enforce_rls', columns => '{"*":"enf_general"}');
	PERFORM personalize.grant_purpose('enf_ads', 'regress_enf_app');
	PERFORM personalize.grant_purpose('enf_ads', 'regress_enf_owner');
	PERFORM personalize.grant_purpose('enf_mail', 'regress_enf_app');
	PERFORM personalize.grant_consent(i, 'enf_ads', kind => 'enforce_rls') FROM generate_series(1, 2) AS i;
	PERFORM personalize.grant_consent(i, 'enf_mail', kind => 'enforce_rls') FROM generate_series(1, 4) AS i;
END
$$;
\set VERBOSITY terse
/* a table that had row security before */
SET ROLE regress_enf_owner;
CREATE TABLE enf.order (id integer, tenant text);
INSERT INTO enf.order SELECT i, CASE WHEN i % 2 = 0 THEN 'even' ELSE 'odd' END FROM generate_series(1, 5) AS i;
ALTER TABLE enf.order ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON enf.order USING (tenant = current_setting('enf.tenant', true));
GRANT ALL ON enf.order TO regress_enf_app;
RESET ROLE;
DO $$ BEGIN PERFORM personalize.protect('enf.order', 'id', kind => 'enforce_rls', columns => '{"*":"enf_general"}'); END $$;
SELECT polname ~ '^personalize_net$' AS net, polpermissive FROM pg_policy WHERE polrelid = 'enf.order'::regclass ORDER BY polname COLLATE "C" DESC;
SET enf.tenant = 'even';
SET ROLE regress_enf_app;
SELECT id FROM enf.order;
BEGIN;
SET LOCAL personalize.purpose = 'enf_mail';
SELECT id FROM enf.order ORDER BY id;
UPDATE enf.order SET tenant = tenant RETURNING id;
SAVEPOINT a; INSERT INTO enf.order VALUES (4, 'odd'); ROLLBACK TO a;
INSERT INTO enf.order VALUES (4, 'even') RETURNING id;
ROLLBACK;
RESET ROLE;
/* who is exempt from the application's policies is not from ours */
BEGIN; SET LOCAL personalize.purpose = 'enf_mail'; SELECT id FROM enf.order ORDER BY id; COMMIT;
RESET enf.tenant;
SET ROLE regress_enf_app;
BEGIN; SET LOCAL personalize.purpose = 'enf_mail'; SELECT id FROM enf.order ORDER BY id; COMMIT;
RESET ROLE;
/* a policy cannot bind its readers to another purpose than they state */
SET ROLE regress_enf_owner;
CREATE POLICY rebinds ON enf.order AS RESTRICTIVE USING (personalize.for_purpose('enf_mail'));
SET ROLE regress_enf_app;
SET enf.tenant = 'even';
BEGIN; SET LOCAL personalize.purpose = 'enf_ads'; SELECT id FROM enf.order ORDER BY id; COMMIT;
BEGIN; SET LOCAL personalize.purpose = 'enf_ads'; INSERT INTO enf.order VALUES (4, 'even'); COMMIT;
SET ROLE regress_enf_owner;
DROP POLICY rebinds ON enf.order;
CREATE POLICY rebinds ON enf.order AS RESTRICTIVE FOR INSERT WITH CHECK (personalize.for_purpose('enf_mail'));
SET ROLE regress_enf_app;
BEGIN; SET LOCAL personalize.purpose = 'enf_ads'; INSERT INTO enf.order VALUES (4, 'even'); COMMIT;
SET ROLE regress_enf_owner;
DROP POLICY rebinds ON enf.order;
RESET ROLE;
RESET enf.tenant;
/* row security without a policy that permits is told of */
CREATE TABLE enf.shut (id integer);
ALTER TABLE enf.shut ENABLE ROW LEVEL SECURITY;
SELECT personalize.protect('enf.shut', 'id', kind => 'enforce_rls', columns => '{"*":"enf_general"}');
SELECT personalize.unprotect('enf.shut');
/* no policy that permits: closed */
DROP POLICY tenant ON enf.order;
SET ROLE regress_enf_app;
BEGIN; SET LOCAL personalize.purpose = 'enf_mail'; SELECT id FROM enf.order ORDER BY id; COMMIT;
RESET ROLE;
CREATE POLICY everybody ON enf.order USING (true);
CREATE POLICY odd ON enf.order AS RESTRICTIVE USING (tenant = 'odd');
SET ROLE regress_enf_app;
SELECT id FROM enf.order;
BEGIN; SET LOCAL personalize.purpose = 'enf_mail'; SELECT id FROM enf.order ORDER BY id; COMMIT;
RESET ROLE;

/* a table that had none: ours lets through what consent permits, until the application has a policy that permits */
SET ROLE regress_enf_app;
BEGIN; SET LOCAL personalize.purpose = 'enf_mail'; SELECT id FROM enf.customer ORDER BY id; COMMIT;
RESET ROLE;
ALTER TABLE enf.customer OWNER TO regress_enf_owner;
SET ROLE regress_enf_owner;
CREATE POLICY three ON enf.customer USING (id >= 3);
SET ROLE regress_enf_app;
SELECT id FROM enf.customer;
BEGIN; SET LOCAL personalize.purpose = 'enf_mail'; SELECT id FROM enf.customer ORDER BY id; COMMIT;
RESET ROLE;
/* also where it is for another command or another role */
DROP POLICY three ON enf.customer;
CREATE POLICY inserts ON enf.customer FOR INSERT TO regress_enf_owner WITH CHECK (true);
SET ROLE regress_enf_app;
BEGIN; SET LOCAL personalize.purpose = 'enf_mail'; SELECT id FROM enf.customer ORDER BY id; INSERT INTO enf.customer VALUES (50); ROLLBACK;
RESET ROLE;
DROP POLICY inserts ON enf.customer;
/* a policy of the application that reads another protected relation reads it for the query's purpose */
CREATE POLICY has_order ON enf.customer USING (EXISTS (SELECT 1 FROM enf.order AS o WHERE o.id = customer.id));
SET ROLE regress_enf_app;
BEGIN; SET LOCAL personalize.purpose = 'enf_ads'; SELECT id FROM enf.customer ORDER BY id; COMMIT;
RESET ROLE;
DROP POLICY has_order ON enf.customer;

/* an owner cannot take row security away; what a superuser does to it opens nothing */
SET ROLE regress_enf_owner;
ALTER TABLE enf.customer NO FORCE ROW LEVEL SECURITY;
ALTER TABLE enf.customer DISABLE ROW LEVEL SECURITY;
RESET ROLE;
ALTER TABLE enf.customer NO FORCE ROW LEVEL SECURITY;
SET ROLE regress_enf_owner;
SELECT id FROM enf.customer;
BEGIN; SET LOCAL personalize.purpose = 'enf_ads'; SELECT id FROM enf.customer ORDER BY id; COMMIT;
RESET ROLE;
ALTER TABLE enf.customer DISABLE ROW LEVEL SECURITY;
SET ROLE regress_enf_owner;
SELECT id FROM enf.customer;
BEGIN; SET LOCAL personalize.purpose = 'enf_ads'; SELECT id FROM enf.customer ORDER BY id; COMMIT;
SET ROLE regress_enf_app;
SELECT id FROM enf.customer;
BEGIN; SET LOCAL personalize.purpose = 'enf_ads'; SELECT id FROM enf.customer ORDER BY id; COPY enf.customer (id) TO STDOUT; COMMIT;
RESET ROLE;
SELECT check_name, ok, detail FROM personalize.status() WHERE detail LIKE '%enf.customer%' ORDER BY 1, 3;
ALTER TABLE enf.customer ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
/* dropped policies: ours, all, the net */
SELECT polname AS restrictive FROM pg_policy WHERE polrelid = 'enf.customer'::regclass AND NOT polpermissive \gset
BEGIN;
DROP POLICY :restrictive ON enf.customer;
SET LOCAL ROLE regress_enf_app;
SAVEPOINT a; SELECT id FROM enf.customer; ROLLBACK TO a;
SET LOCAL personalize.purpose = 'enf_ads';
SELECT id FROM enf.customer ORDER BY id;
ROLLBACK;
BEGIN;
DROP POLICY personalize_net ON enf.customer;
SET LOCAL ROLE regress_enf_app;
SET LOCAL personalize.purpose = 'enf_ads';
SELECT id FROM enf.customer ORDER BY id;
ROLLBACK;
BEGIN;
UPDATE pg_class SET relrowsecurity = false, relforcerowsecurity = false WHERE oid = 'enf.customer'::regclass;
SET LOCAL ROLE regress_enf_app;
SAVEPOINT a; SELECT id FROM enf.customer; ROLLBACK TO a;
SET LOCAL personalize.purpose = 'enf_ads';
SELECT id FROM enf.customer ORDER BY id;
ROLLBACK;
/* the subject column cannot go unnoticed */
BEGIN; ALTER TABLE enf.customer DROP COLUMN id; ROLLBACK;
BEGIN; ALTER TABLE enf.customer ALTER COLUMN id TYPE bigint; ROLLBACK;
BEGIN;
ALTER TABLE enf.customer DROP COLUMN id CASCADE;
SET LOCAL personalize.purpose = 'backup';
SELECT count(*) FROM enf.customer;
ROLLBACK;
BEGIN;
SET LOCAL ROLE regress_enf_owner;
ALTER TABLE enf.customer DROP COLUMN id CASCADE;
SET LOCAL personalize.purpose = 'enf_ads';
SELECT count(*) FROM enf.customer;
ROLLBACK;
/* without the extension: closed to all whom row security binds */
BEGIN;
SET LOCAL client_min_messages = error;
DROP EXTENSION personalize CASCADE;
SELECT count(*) AS policies FROM pg_policy WHERE polrelid = 'enf.customer'::regclass;
SET LOCAL ROLE regress_enf_app;
SELECT id FROM enf.customer;
SET LOCAL ROLE regress_enf_owner;
SELECT id FROM enf.customer;
/* ... and what had policies of its own is left to these */
SET LOCAL ROLE regress_enf_app;
SELECT id FROM enf.order ORDER BY id;
ROLLBACK;
RESET ROLE;
DROP SCHEMA enf CASCADE;
DROP OWNED BY regress_enf_owner, regress_enf_app;
DROP ROLE regress_enf_owner, regress_enf_app;
