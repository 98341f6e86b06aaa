-- row_security = off never opens anything: it is refused but for the built-in purposes.
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
	PERFORM personalize.define_kind('enforce_row_security_off', 'bigint');
	PERFORM personalize.define_category('enf_general', 'for tests');
	PERFORM personalize.define_purpose('enf_ads', 'for tests', categories => '{enf_general}');
	PERFORM personalize.define_purpose('enf_mail', 'for tests', categories => '{enf_general}');
	PERFORM personalize.protect('enf.customer', 'id', kind => 'enforce_row_security_off', columns => '{"*":"enf_general"}');
	PERFORM personalize.grant_purpose('enf_ads', 'regress_enf_app');
	PERFORM personalize.grant_purpose('enf_ads', 'regress_enf_owner');
	PERFORM personalize.grant_purpose('enf_mail', 'regress_enf_app');
	PERFORM personalize.grant_consent(i, 'enf_ads', kind => 'enforce_row_security_off') FROM generate_series(1, 2) AS i;
	PERFORM personalize.grant_consent(i, 'enf_mail', kind => 'enforce_row_security_off') FROM generate_series(1, 4) AS i;
END
$$;
CREATE ROLE regress_enf_bypass BYPASSRLS;
GRANT SELECT ON enf.customer TO regress_enf_bypass;
SET row_security = off;
SELECT id FROM enf.customer;
\echo :LAST_ERROR_SQLSTATE
BEGIN; SET LOCAL personalize.purpose = 'enf_ads'; SELECT id FROM enf.customer; ROLLBACK;
\echo :LAST_ERROR_SQLSTATE
\set VERBOSITY terse
BEGIN; SET LOCAL personalize.purpose = 'enf_ads'; UPDATE enf.customer SET note = 'x'; ROLLBACK;
BEGIN; SET LOCAL personalize.purpose = 'enf_ads'; COPY enf.customer TO STDOUT; ROLLBACK;
COPY enf.customer TO STDOUT;
BEGIN; SET LOCAL personalize.purpose = 'backup'; SELECT id FROM enf.customer ORDER BY id; COPY enf.customer (id) TO STDOUT; COMMIT;
SET ROLE regress_enf_app;
BEGIN; SET LOCAL personalize.purpose = 'enf_ads'; SELECT id FROM enf.customer; ROLLBACK;
SET ROLE regress_enf_owner;
BEGIN; SET LOCAL personalize.purpose = 'enf_ads'; SELECT id FROM enf.customer; ROLLBACK;
SET ROLE regress_enf_bypass;
BEGIN; SET LOCAL personalize.purpose = 'backup'; SELECT id FROM enf.customer; ROLLBACK;
RESET ROLE;
DO $$ BEGIN PERFORM personalize.grant_purpose('backup', 'regress_enf_bypass'); PERFORM personalize.grant_purpose('backup', 'regress_enf_app'); END $$;
SET ROLE regress_enf_bypass;
BEGIN; SET LOCAL personalize.purpose = 'backup'; SELECT id FROM enf.customer ORDER BY id; COMMIT;
/* who is bound by row security needs it on for that */
SET ROLE regress_enf_app;
BEGIN; SET LOCAL personalize.purpose = 'backup'; SELECT id FROM enf.customer; ROLLBACK;
BEGIN; SET LOCAL row_security = on; SET LOCAL personalize.purpose = 'backup'; SELECT id FROM enf.customer ORDER BY id; COMMIT;
RESET ROLE;
/* on again */
RESET row_security;
BEGIN; SET LOCAL personalize.purpose = 'enf_ads'; SELECT id FROM enf.customer ORDER BY id; COMMIT;
DO $$ BEGIN PERFORM personalize.revoke_purpose('backup', 'regress_enf_bypass'); PERFORM personalize.revoke_purpose('backup', 'regress_enf_app'); END $$;
RESET ROLE;
DROP SCHEMA enf CASCADE;
DROP OWNED BY regress_enf_owner, regress_enf_app;
DROP ROLE regress_enf_owner, regress_enf_app;
DROP OWNED BY regress_enf_bypass;
DROP ROLE regress_enf_bypass;
