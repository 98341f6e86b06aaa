-- A query sees rows of people who agreed to its purpose, and none without a purpose, whoever asks.
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
	PERFORM personalize.define_kind('enforce_select', 'bigint');
	PERFORM personalize.define_category('enf_general', 'for tests');
	PERFORM personalize.define_purpose('enf_ads', 'for tests', categories => '{enf_general}');
	PERFORM personalize.define_purpose('enf_mail', 'for tests', categories => '{enf_general}');
	PERFORM personalize.protect('enf.customer', 'id', kind => 'enforce_select', columns => '{"*":"enf_general"}');
	PERFORM personalize.grant_purpose('enf_ads', 'regress_enf_app');
	PERFORM personalize.grant_purpose('enf_ads', 'regress_enf_owner');
	PERFORM personalize.grant_purpose('enf_mail', 'regress_enf_app');
	PERFORM personalize.grant_consent(i, 'enf_ads', kind => 'enforce_select') FROM generate_series(1, 2) AS i;
	PERFORM personalize.grant_consent(i, 'enf_mail', kind => 'enforce_select') FROM generate_series(1, 4) AS i;
END
$$;
CREATE ROLE regress_enf_two;
CREATE ROLE regress_enf_member IN ROLE regress_enf_app;
CREATE ROLE regress_enf_noinherit NOINHERIT IN ROLE regress_enf_app;
CREATE ROLE regress_enf_bypass BYPASSRLS;
GRANT SELECT ON enf.customer TO regress_enf_two, regress_enf_member, regress_enf_noinherit, regress_enf_bypass;
DO $$
BEGIN
	PERFORM personalize.define_purpose('enf_old', 'for tests', 'contract', '{enf_general}')
		WHERE NOT EXISTS (SELECT 1 FROM personalize.purposes WHERE name = 'enf_old');
	PERFORM personalize.retire_purpose('enf_old');
END
$$;

/* no purpose: refused with a hint, whether or not a row would match */
SET ROLE regress_enf_app;
SELECT id FROM enf.customer;
\echo :LAST_ERROR_SQLSTATE
SELECT id FROM enf.customer WHERE id = 99;
\echo :LAST_ERROR_SQLSTATE
SELECT count(*) FROM enf.customer;
/* unknown, retired, not granted */
BEGIN; SET LOCAL personalize.purpose = 'enf_nonesuch'; SELECT id FROM enf.customer; ROLLBACK;
\echo :LAST_ERROR_SQLSTATE
BEGIN; SET LOCAL personalize.purpose = 'enf_old'; SELECT id FROM enf.customer; ROLLBACK;
\echo :LAST_ERROR_SQLSTATE
BEGIN; SET LOCAL personalize.purpose = 'backup'; SELECT id FROM enf.customer; ROLLBACK;
\echo :LAST_ERROR_SQLSTATE
SET ROLE regress_enf_two;
BEGIN; SET LOCAL personalize.purpose = 'enf_ads'; SELECT id FROM enf.customer; ROLLBACK;
\echo :LAST_ERROR_SQLSTATE
/* names of purposes are compared as they are written */
SET ROLE regress_enf_app;
\set VERBOSITY terse
BEGIN; SET LOCAL personalize.purpose = 'ENF_ADS'; SELECT id FROM enf.customer; ROLLBACK;
BEGIN; SET LOCAL personalize.purpose = ' enf_ads'; SELECT id FROM enf.customer; ROLLBACK;

/* the role that was granted, by all three ways of saying it */
BEGIN; SET LOCAL personalize.purpose = 'enf_ads'; SELECT * FROM enf.customer ORDER BY id; COMMIT;
BEGIN; SELECT personalize.set_purpose('enf_mail'); SELECT id FROM enf.customer ORDER BY id; COMMIT;
BEGIN; SELECT set_config('personalize.purpose', 'enf_mail', true); SELECT id FROM enf.customer ORDER BY id; COMMIT;
/* it ended with the transaction */
SELECT id FROM enf.customer ORDER BY id;
/* inheritance counts, membership without it does not until SET ROLE */
SET ROLE regress_enf_member;
BEGIN; SET LOCAL personalize.purpose = 'enf_ads'; SELECT id FROM enf.customer ORDER BY id; COMMIT;
SET ROLE regress_enf_noinherit;
BEGIN; SET LOCAL personalize.purpose = 'enf_ads'; SELECT id FROM enf.customer ORDER BY id; ROLLBACK;
RESET ROLE;
SET SESSION AUTHORIZATION regress_enf_noinherit;
BEGIN; SET ROLE regress_enf_app; SET LOCAL personalize.purpose = 'enf_ads'; SELECT id FROM enf.customer ORDER BY id; COMMIT;
RESET SESSION AUTHORIZATION;
/* a superuser who became somebody else counts as that one */
SET SESSION AUTHORIZATION regress_enf_two;
BEGIN; SET LOCAL personalize.purpose = 'enf_ads'; SELECT id FROM enf.customer ORDER BY id; ROLLBACK;
RESET SESSION AUTHORIZATION;

/* owner, BYPASSRLS and superuser: the same rows, the same refusals */
SET ROLE regress_enf_owner;
SELECT id FROM enf.customer ORDER BY id;
BEGIN; SET LOCAL personalize.purpose = 'enf_ads'; SELECT id FROM enf.customer ORDER BY id; COMMIT;
BEGIN; SET LOCAL personalize.purpose = 'enf_mail'; SELECT id FROM enf.customer ORDER BY id; ROLLBACK;
SET ROLE regress_enf_bypass;
SELECT id FROM enf.customer ORDER BY id;
BEGIN; SET LOCAL personalize.purpose = 'enf_ads'; SELECT id FROM enf.customer ORDER BY id; ROLLBACK;
RESET ROLE;
SELECT personalize.grant_purpose('enf_ads', 'regress_enf_bypass');
SET ROLE regress_enf_bypass;
BEGIN; SET LOCAL personalize.purpose = 'enf_ads'; SELECT id FROM enf.customer ORDER BY id; COMMIT;
RESET ROLE;
SELECT id FROM enf.customer ORDER BY id;
BEGIN; SET LOCAL personalize.purpose = 'enf_ads'; SELECT id FROM enf.customer ORDER BY id; COMMIT;
/* the built-in purposes see all; a superuser holds them */
BEGIN; SET LOCAL personalize.purpose = 'backup'; SELECT id FROM enf.customer ORDER BY id; COMMIT;
BEGIN; SET LOCAL personalize.purpose = 'break_glass'; SELECT id FROM enf.customer ORDER BY id; COMMIT;

/* privileges of PostgreSQL stay in force */
REVOKE SELECT ON enf.customer FROM regress_enf_two;
SELECT personalize.grant_purpose('enf_ads', 'regress_enf_two');
SET ROLE regress_enf_two;
BEGIN; SET LOCAL personalize.purpose = 'enf_ads'; SELECT id FROM enf.customer; ROLLBACK;
/* a grant that was revoked ends at once, in a transaction that is open too */
SET ROLE regress_enf_app;
BEGIN; SET LOCAL personalize.purpose = 'enf_ads';
SELECT id FROM enf.customer ORDER BY id;
RESET ROLE;
SELECT personalize.revoke_purpose('enf_ads', 'regress_enf_app');
SET ROLE regress_enf_app;
SELECT id FROM enf.customer ORDER BY id;
ROLLBACK;

/* what runs no scan needs no purpose */
PREPARE all_of_them AS SELECT * FROM enf.customer ORDER BY id;
SELECT id, name FROM enf.customer \gdesc
SELECT * FROM enf.customer LIMIT 0;
SELECT * FROM enf.customer WHERE false;
SELECT id FROM (SELECT * FROM enf.customer LIMIT 0) AS s;
EXECUTE all_of_them;
/* a limit of zero that is only known at run time, or that covers half of the query, does */
SELECT * FROM enf.customer LIMIT (SELECT 0);
SELECT * FROM (SELECT id FROM enf.customer LIMIT 0) AS a UNION ALL SELECT id FROM enf.customer;
DEALLOCATE all_of_them;
RESET ROLE;
DROP SCHEMA enf CASCADE;
DROP OWNED BY regress_enf_owner, regress_enf_app;
DROP ROLE regress_enf_owner, regress_enf_app;
DROP ROLE regress_enf_two, regress_enf_member, regress_enf_noinherit;
DROP ROLE regress_enf_bypass;
