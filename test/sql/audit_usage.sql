-- The record of use says who used whose data for what, without constants of the statement, and the auditor alone reads it.
SET client_min_messages = warning;
\pset format unaligned
CREATE ROLE regress_aud_owner;
CREATE ROLE regress_aud_app;
CREATE ROLE regress_aud_auditor;
CREATE SCHEMA aud AUTHORIZATION regress_aud_owner;
GRANT USAGE ON SCHEMA aud TO PUBLIC;
SET ROLE regress_aud_owner;
CREATE TABLE aud.customer (id text PRIMARY KEY, name text, email text);
INSERT INTO aud.customer SELECT 'k' || i, 'name' || i, i || '@example.org' FROM generate_series(1, 300) AS i;
GRANT ALL ON aud.customer TO regress_aud_app;
RESET ROLE;
DO $$
BEGIN
	PERFORM personalize.define_kind('aud_person', 'text');
	PERFORM personalize.define_category('aud_general', 'for tests');
	PERFORM personalize.define_category('aud_contact', 'for tests');
	PERFORM personalize.define_purpose('aud_ads', 'for tests', categories => '{aud_general,aud_contact}');
	PERFORM personalize.define_purpose('aud_ship', 'for tests', 'contract', categories => '{aud_general}');
	PERFORM personalize.protect('aud.customer', 'id', kind => 'aud_person', columns => '{"email":"aud_contact","*":"aud_general"}');
	PERFORM personalize.grant_purpose('aud_ads', 'regress_aud_app');
	PERFORM personalize.grant_purpose('aud_ship', 'regress_aud_app');
	PERFORM personalize.grant_consent('k' || i, 'aud_ads', kind => 'aud_person') FROM generate_series(1, 2) AS i;
	PERFORM personalize.assign_duty('regress_aud_auditor', 'auditor');
END
$$;
\set VERBOSITY terse

SET ROLE regress_aud_app;
BEGIN;
SET LOCAL personalize.purpose = 'aud_ads';
SET LOCAL personalize.app_user = 'clerk';
SET LOCAL personalize.context = 'one';
SELECT email FROM aud.customer /* Mr X */ WHERE name = 'name1' OR id = $$k2$$ -- and Mrs Y
	ORDER BY 1;
ROLLBACK;
/* people without any consent event are recorded too */
BEGIN READ ONLY;
SET LOCAL personalize.purpose = 'aud_ship';
SET LOCAL personalize.context = 'two';
SELECT id, name FROM aud.customer WHERE id IN ('k2', 'k250');
COMMIT;
/* more than fit in one row each */
BEGIN;
SET LOCAL personalize.purpose = 'aud_ship';
SET LOCAL personalize.context = 'three';
SELECT count(*) FROM aud.customer;
COMMIT;
/* comments that clients put around a statement, another one each time, are not kept, and what only looks like one is */
BEGIN;
SET LOCAL personalize.purpose = 'aud_ship';
SET LOCAL personalize.context = 'comments';
/* trace 1 */ SELECT count(name) AS one FROM aud.customer /*traceparent='00-1-01'*/;
/* trace 2 */ SELECT count(name) AS one FROM aud.customer /*traceparent='00-2-01'*/;
/* trace /* 3 */ */ SELECT count(name) AS two FROM aud.customer /* a /* b */ */ ;
SELECT count(name) AS three, '/*' AS four FROM aud.customer -- */
;
SELECT count(name) AS three, '/*' AS five FROM aud.customer -- */
;
COMMIT;
/* an error after rows were looked at */
BEGIN;
SET LOCAL personalize.purpose = 'aud_ads';
SET LOCAL personalize.context = 'four';
SELECT 1 / (length(name) - length(name)) FROM aud.customer;
ROLLBACK;
/* refused */
BEGIN;
SET LOCAL personalize.context = 'five';
SELECT id FROM aud.customer WHERE email = 'secret';
ROLLBACK;

/* who may not read it */
SELECT count(*) FROM personalize.usage;
SELECT count(*) FROM personalize.usage_of('k1', kind => 'aud_person');
SELECT count(*) FROM personalize.subjects_of(1);
SELECT personalize.audit_sync();
RESET ROLE;

SET ROLE regress_aud_auditor;
SELECT personalize.audit_sync();
SELECT context, status, db_role, app_user, purpose, legal_basis, relation_name, columns, categories, rows_used, subjects_used, query, reason
FROM personalize.usage WHERE relation = 'aud.customer'::regclass ORDER BY usage_id;
SELECT u.context, s.kind, count(*), min(s.subject COLLATE "C"), max(s.subject COLLATE "C")
FROM personalize.usage u, personalize.subjects_of(u.usage_id) s
WHERE relation = 'aud.customer'::regclass GROUP BY 1, 2, u.usage_id ORDER BY u.usage_id;
SELECT context FROM personalize.usage_of('k1', kind => 'aud_person') ORDER BY usage_id;
SELECT context FROM personalize.usage_of('k250', kind => 'aud_person') ORDER BY usage_id;
SELECT context FROM personalize.usage_of('k250', until => now() - interval '1 day', kind => 'aud_person');
SELECT count(*) FROM personalize.usage_of('nobody', kind => 'aud_person');
SELECT count(*) FROM personalize.usage_of('k1', kind => 'no such kind');
/* what the columns are, in order */
SELECT string_agg(attname, ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'personalize.usage'::regclass AND attnum > 0;
/* the people's keys are not the auditor's, the tables neither */
SELECT count(*) FROM personalize.audit_use;
SELECT count(*) FROM personalize.subject;
RESET ROLE;

/* whatever says what a backslash is, nothing of a constant is kept; it may be said differently when a statement is prepared and when it is run */
SET ROLE regress_aud_app;
BEGIN;
SET LOCAL personalize.purpose = 'aud_ship';
SET LOCAL personalize.context = 'backslash';
SET LOCAL escape_string_warning = off;
PREPARE one AS SELECT count(name) AS one FROM aud.customer WHERE name <> 'a\' AND name <> 'secret one' /* it's */;
PREPARE two AS SELECT count(name) AS two, 'C:\dir' AS b FROM aud.customer WHERE name ~ '\d';
PREPARE three AS SELECT count(name) AS three FROM aud.customer WHERE name <> 'a\';
SET LOCAL standard_conforming_strings = off;
PREPARE four AS SELECT count(name) AS four FROM aud.customer WHERE name <> 'it\'s secret' AND name <> 'x' /* it's */;
EXECUTE one; EXECUTE two; EXECUTE three;
SET LOCAL standard_conforming_strings = on;
EXECUTE four;
COMMIT;
RESET ROLE;
SELECT personalize.audit_sync();
SELECT query FROM personalize.usage WHERE context = 'backslash' ORDER BY usage_id;
/* by one name a relation is found again, whatever a session says about quotes; the registry is read anew in between */
SET quote_all_identifiers = on;
SELECT personalize.define_category('aud_general', 'for tests');
SET ROLE regress_aud_app;
BEGIN;
SET LOCAL personalize.purpose = 'aud_ship';
SET LOCAL personalize.context = 'quoted';
SELECT name FROM aud.customer WHERE id = 'k2';
COMMIT;
RESET ROLE;
SELECT personalize.rectify_subject('k2', 'aud.customer', '{"name": "name2"}', 'aud_person') ->> 'relation' AS relation;
RESET quote_all_identifiers;
SELECT personalize.audit_sync();
SELECT relation_name, columns, categories FROM personalize.usage WHERE context = 'quoted' AND purpose = 'aud_ship';
SELECT check_name, ok FROM personalize.status() WHERE check_name LIKE 'audit%' AND check_name <> 'audit messages' ORDER BY check_name COLLATE "C";
SELECT personalize.unprotect('aud.customer');
SELECT personalize.revoke_duty('regress_aud_auditor', 'auditor');
SELECT personalize.revoke_purpose('aud_ads', 'regress_aud_app');
SELECT personalize.revoke_purpose('aud_ship', 'regress_aud_app');
SET client_min_messages = error;
DROP SCHEMA aud CASCADE;
RESET client_min_messages;
/* the name outlives the relation */
SELECT DISTINCT relation_name FROM personalize.usage WHERE context = 'one';
DROP ROLE regress_aud_owner, regress_aud_app, regress_aud_auditor;
