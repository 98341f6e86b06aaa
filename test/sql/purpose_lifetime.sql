-- What a session says of its work ends with the transaction, however it was said, unless it is part of the session's definition.
SET client_min_messages = warning;
\pset format unaligned
CREATE ROLE regress_pur_app;
/* SET is refused with a hint, and for the three settings that end with the transaction only */
SET personalize.purpose = 'a';
\echo :LAST_ERROR_SQLSTATE
SET SESSION personalize.purpose = 'a';
\set VERBOSITY terse
SET "personalize"."purpose" TO 'a';
SET PERSONALIZE.Purpose = 'a';
SET personalize.app_user = 'a';
SET personalize.context = 'a';
BEGIN;
SET personalize.purpose = 'a';
ROLLBACK;
DO $$ BEGIN SET personalize.purpose = 'a'; END $$;
SET personalize.audit = 'on';
RESET personalize.audit;
SET personalize.nonesuch = 'a';
SHOW personalize.purpose;
/* allowed: back to what it was */
RESET personalize.purpose;
SET personalize.purpose TO DEFAULT;
RESET ALL;
/* SET LOCAL, set_purpose() and set_config() alike end at COMMIT */
BEGIN; SET LOCAL personalize.purpose = 'a'; SET LOCAL personalize.app_user = 'u'; SET LOCAL personalize.context = 'c';
SELECT current_setting('personalize.purpose'), current_setting('personalize.app_user'), current_setting('personalize.context'); COMMIT;
SELECT current_setting('personalize.purpose'), current_setting('personalize.app_user'), current_setting('personalize.context');
/* workers of a parallel plan have what the transaction has */
BEGIN; SET LOCAL personalize.purpose = 'a'; SET LOCAL personalize.app_user = 'u'; SET LOCAL personalize.context = 'c';
SET LOCAL parallel_setup_cost = 0; SET LOCAL parallel_tuple_cost = 0; SET LOCAL min_parallel_table_scan_size = 0; SET LOCAL parallel_leader_participation = off;
SELECT count(*) AS others FROM pg_attribute WHERE attname || current_setting('personalize.purpose') || current_setting('personalize.app_user') || current_setting('personalize.context') <> attname || 'auc'; COMMIT;
BEGIN; SELECT set_config('personalize.purpose', 'a', false), set_config('personalize.app_user', 'u', false), set_config('personalize.context', 'c', false);
SELECT current_setting('personalize.purpose'), current_setting('personalize.app_user'), current_setting('personalize.context'); COMMIT;
SELECT current_setting('personalize.purpose'), current_setting('personalize.app_user'), current_setting('personalize.context');
SELECT set_config('personalize.purpose', 'a', false);
SHOW personalize.purpose;
UPDATE pg_settings SET setting = 'a' WHERE name = 'personalize.purpose';
SHOW personalize.purpose;
BEGIN; SELECT personalize.set_purpose('a'); SHOW personalize.purpose; COMMIT;
SHOW personalize.purpose;
SELECT personalize.set_purpose('a');
SHOW personalize.purpose;
SELECT personalize.set_purpose(NULL);
BEGIN; SELECT personalize.set_purpose('it''s "quoted" \ and; more'); SHOW personalize.purpose; COMMIT;
/* the last one counts; both ways together */
BEGIN; SET LOCAL personalize.purpose = 'a'; SELECT set_config('personalize.purpose', 'b', false); SHOW personalize.purpose; SET LOCAL personalize.purpose = 'c'; SHOW personalize.purpose; COMMIT;
SHOW personalize.purpose;
/* ROLLBACK, also to a savepoint */
BEGIN; SELECT set_config('personalize.purpose', 'a', false); ROLLBACK;
SHOW personalize.purpose;
BEGIN;
SET LOCAL personalize.purpose = 'a';
SAVEPOINT s;
SET LOCAL personalize.purpose = 'b';
SAVEPOINT t;
SELECT set_config('personalize.purpose', 'c', false);
RELEASE t;
SHOW personalize.purpose;
ROLLBACK TO s;
SHOW personalize.purpose;
COMMIT;
SHOW personalize.purpose;
/* a released savepoint does not end it */
BEGIN; SAVEPOINT s; SET LOCAL personalize.purpose = 'a'; RELEASE s; SHOW personalize.purpose; COMMIT;
/* COMMIT AND CHAIN, and inside a procedure */
BEGIN; SET LOCAL personalize.purpose = 'a'; COMMIT AND CHAIN; SHOW personalize.purpose; COMMIT;
DO $$
BEGIN
	PERFORM set_config('personalize.purpose', 'a', false);
	COMMIT;
	RAISE WARNING 'after commit: "%"', current_setting('personalize.purpose');
	PERFORM personalize.set_purpose('b');
	ROLLBACK;
	RAISE WARNING 'after rollback: "%"', current_setting('personalize.purpose');
END
$$;
/* prepared transactions */
BEGIN; SELECT set_config('personalize.purpose', 'a', false); PREPARE TRANSACTION 'regress_pur';
SHOW personalize.purpose;
COMMIT PREPARED 'regress_pur';
SHOW personalize.purpose;
/* a function's SET clause is for the function */
CREATE FUNCTION pg_temp.says() RETURNS text LANGUAGE sql SET personalize.purpose = 'f' AS $$ SELECT current_setting('personalize.purpose') $$;
CREATE FUNCTION pg_temp.sets() RETURNS text LANGUAGE plpgsql SET personalize.purpose = 'f' AS $$ BEGIN PERFORM set_config('personalize.purpose', 'g', false); RETURN current_setting('personalize.purpose'); END $$;
BEGIN; SET LOCAL personalize.purpose = 'a'; SELECT pg_temp.says(), current_setting('personalize.purpose') AS after; SELECT pg_temp.sets(); SHOW personalize.purpose; COMMIT;
SELECT pg_temp.says();
SHOW personalize.purpose;
/* defaults of a role and of a database are part of the session and stay */
SELECT current_database() AS db \gset
ALTER ROLE regress_pur_app SET personalize.purpose = 'role';
ALTER ROLE regress_pur_app LOGIN;
ALTER DATABASE :"db" SET personalize.app_user = 'database';
SELECT current_user AS me \gset
\c - regress_pur_app
SET client_min_messages = warning;
\set VERBOSITY terse
SELECT current_setting('personalize.purpose'), current_setting('personalize.app_user');
BEGIN; SET LOCAL personalize.purpose = 'a'; SET LOCAL personalize.app_user = 'u'; SELECT current_setting('personalize.purpose'), current_setting('personalize.app_user'); COMMIT;
SELECT current_setting('personalize.purpose'), current_setting('personalize.app_user');
SELECT set_config('personalize.purpose', '', false), set_config('personalize.app_user', '', false);
SELECT current_setting('personalize.purpose'), current_setting('personalize.app_user');
/* who is not a superuser cannot make it last */
SET personalize.purpose_scope = session;
\c - :me
SET client_min_messages = warning;
\set VERBOSITY terse
ALTER DATABASE :"db" RESET personalize.app_user;
DROP ROLE regress_pur_app;
/* where the whole session is one piece of work */
SET personalize.purpose_scope = session;
SET personalize.purpose = 'a';
BEGIN; SHOW personalize.purpose; COMMIT;
SHOW personalize.purpose;
DISCARD ALL;
SHOW personalize.purpose;
SELECT name, context FROM pg_settings
	WHERE name IN ('personalize.purpose', 'personalize.purpose_scope', 'personalize.audit', 'personalize.app_user', 'personalize.context')
	ORDER BY name COLLATE "C";
/* who looks at status() is told of both */
CREATE ROLE regress_pur_pool;
ALTER ROLE regress_pur_pool SET personalize.purpose_scope = session;
ALTER ROLE regress_pur_pool IN DATABASE :"db" SET personalize.audit = async;
SELECT ok, detail, hint FROM personalize.status() WHERE check_name = 'settings';
RESET personalize.purpose_scope;
SELECT ok, detail, hint FROM personalize.status() WHERE check_name = 'settings';
DROP ROLE regress_pur_pool;
SELECT ok, detail, hint FROM personalize.status() WHERE check_name = 'settings';
