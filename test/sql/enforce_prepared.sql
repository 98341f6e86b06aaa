-- A plan holds no purpose, role or consent: a prepared statement is filtered anew each time it runs.
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
	PERFORM personalize.define_kind('enforce_prepared', 'bigint');
	PERFORM personalize.define_category('enf_general', 'for tests');
	PERFORM personalize.define_purpose('enf_ads', 'for tests', categories => '{enf_general}');
	PERFORM personalize.define_purpose('enf_mail', 'for tests', categories => '{enf_general}');
	PERFORM personalize.protect('enf.customer', 'id', kind => 'enforce_prepared', columns => '{"*":"enf_general"}');
	PERFORM personalize.grant_purpose('enf_ads', 'regress_enf_app');
	PERFORM personalize.grant_purpose('enf_ads', 'regress_enf_owner');
	PERFORM personalize.grant_purpose('enf_mail', 'regress_enf_app');
	PERFORM personalize.grant_consent(i, 'enf_ads', kind => 'enforce_prepared') FROM generate_series(1, 2) AS i;
	PERFORM personalize.grant_consent(i, 'enf_mail', kind => 'enforce_prepared') FROM generate_series(1, 4) AS i;
END
$$;
\set VERBOSITY terse
CREATE ROLE regress_enf_two;
GRANT SELECT ON enf.customer TO regress_enf_two;
DO $$ BEGIN PERFORM personalize.grant_purpose('enf_mail', 'regress_enf_two'); END $$;
/* generic and custom plans across purposes, roles and consent */
SET plan_cache_mode = force_generic_plan;
SET ROLE regress_enf_app;
PREPARE all_of AS SELECT id FROM enf.customer ORDER BY id;
PREPARE one_of (integer) AS SELECT id, name FROM enf.customer WHERE id = $1;
EXECUTE all_of;
EXECUTE one_of (1);
BEGIN;
SET LOCAL personalize.purpose = 'enf_ads';
EXECUTE all_of;
EXECUTE one_of (3);
SET LOCAL personalize.purpose = 'enf_mail';
EXECUTE all_of;
EXECUTE one_of (3);
SET LOCAL ROLE regress_enf_two;
EXECUTE all_of;
SET LOCAL personalize.purpose = 'enf_ads';
EXECUTE all_of;
ROLLBACK;
BEGIN;
SET LOCAL personalize.purpose = 'break_glass';
EXECUTE all_of;
ROLLBACK;
RESET ROLE;
BEGIN;
SET LOCAL personalize.purpose = 'break_glass';
EXECUTE all_of;
SET LOCAL personalize.purpose = 'enf_ads';
EXECUTE all_of;
/* consent given and withdrawn between two runs */
SELECT personalize.withdraw_consent(2, 'enf_ads', kind => 'enforce_prepared') IS NOT NULL AS withdrawn;
EXECUTE all_of;
SELECT personalize.grant_consent(5, 'enf_ads', kind => 'enforce_prepared') IS NOT NULL AS given;
EXECUTE all_of;
ROLLBACK;
BEGIN;
SET LOCAL personalize.purpose = 'enf_ads';
EXECUTE all_of;
COMMIT;
SET plan_cache_mode = force_custom_plan;
BEGIN;
SET LOCAL personalize.purpose = 'enf_ads';
EXECUTE one_of (2);
EXECUTE one_of (3);
COMMIT;
RESET plan_cache_mode;

/* a plan from before protect() */
CREATE TABLE enf.later (id integer, word text);
INSERT INTO enf.later SELECT i, 'word' || i FROM generate_series(1, 3) AS i;
GRANT SELECT ON enf.later TO regress_enf_app;
PREPARE before_it AS SELECT id FROM enf.later ORDER BY id;
EXECUTE before_it;
EXECUTE before_it;
CREATE FUNCTION enf.f_later() RETURNS SETOF integer LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY SELECT id FROM enf.later ORDER BY id; END $$;
CREATE FUNCTION enf.f_sql() RETURNS SETOF integer LANGUAGE sql STABLE AS 'SELECT id FROM enf.later ORDER BY id';
PREPARE inlined AS SELECT * FROM enf.f_sql();
SELECT enf.f_later();
EXECUTE inlined;
BEGIN;
SELECT personalize.protect('enf.later', 'id', kind => 'enforce_prepared', columns => '{"*":"enf_general"}');
SAVEPOINT a; EXECUTE before_it; ROLLBACK TO a;
SAVEPOINT a; SELECT enf.f_later(); ROLLBACK TO a;
SAVEPOINT a; EXECUTE inlined; ROLLBACK TO a;
SET LOCAL personalize.purpose = 'enf_ads';
EXECUTE before_it;
SELECT enf.f_later();
EXECUTE inlined;
/* not committed, not protected */
ROLLBACK;
EXECUTE before_it;
EXECUTE inlined;
/* committed (by another session: isolation_protect), classified later, unprotected */
DO $$ BEGIN PERFORM personalize.protect('enf.later', 'id', kind => 'enforce_prepared', columns => '{"id":"none"}'); END $$;
EXECUTE before_it;
PREPARE words AS SELECT word FROM enf.later ORDER BY id;
BEGIN;
SET LOCAL personalize.purpose = 'enf_ads';
EXECUTE before_it;
EXECUTE words;
ROLLBACK;
DO $$ BEGIN PERFORM personalize.classify('enf.later', 'word', 'enf_general'); END $$;
BEGIN;
SET LOCAL personalize.purpose = 'enf_ads';
EXECUTE words;
COMMIT;
DO $$ BEGIN PERFORM personalize.unprotect('enf.later'); END $$;
EXECUTE before_it;
EXECUTE words;
DEALLOCATE ALL;
RESET ROLE;
DROP SCHEMA enf CASCADE;
DROP OWNED BY regress_enf_owner, regress_enf_app;
DROP ROLE regress_enf_owner, regress_enf_app;
DROP ROLE regress_enf_two;
