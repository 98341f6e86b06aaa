-- Code of an owner that PostgreSQL runs within somebody else's command gains nothing from that somebody's purposes and duties.
SET client_min_messages = warning;
\pset format unaligned
\set VERBOSITY terse
CREATE ROLE regress_wth_owner;
CREATE ROLE regress_wth_app;
CREATE ROLE regress_wth_officer;
CREATE SCHEMA wth AUTHORIZATION regress_wth_owner;
CREATE SCHEMA wth_app AUTHORIZATION regress_wth_app;
GRANT USAGE ON SCHEMA wth TO PUBLIC;
SET ROLE regress_wth_owner;
CREATE TABLE wth.person (id integer PRIMARY KEY, diag text);
INSERT INTO wth.person SELECT i, 'secret' || i FROM generate_series(1, 3) AS i;
CREATE TABLE wth.city (id integer PRIMARY KEY);
INSERT INTO wth.city VALUES (1), (2);
GRANT SELECT ON wth.person TO regress_wth_app;
GRANT SELECT, REFERENCES ON wth.city TO regress_wth_app;
RESET ROLE;
DO $$
BEGIN
	PERFORM personalize.define_kind('wth_person', 'integer');
	PERFORM personalize.define_category('wth_general', 'for tests');
	PERFORM personalize.define_purpose('wth_ship', 'for tests', 'contract', categories => '{wth_general}');
	PERFORM personalize.protect('wth.person', 'id', kind => 'wth_person', columns => '{"*":"wth_general"}');
	PERFORM personalize.assign_duty('regress_wth_officer', 'officer');
	PERFORM personalize.grant_purpose('wth_ship', 'regress_wth_officer');
END
$$;
SET ROLE regress_wth_app;
/* reads for whatever purpose it can get, and tells */
CREATE FUNCTION wth_app.read(wanted text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	r record;
BEGIN
	IF wanted <> '' THEN
		PERFORM set_config('personalize.purpose', wanted, true);
	END IF;
	FOR r IN SELECT * FROM wth.person LOOP
		RAISE WARNING '% of % saw %', current_user, session_user = current_user, r;
	END LOOP;
	PERFORM set_config('personalize.purpose', '', true);
EXCEPTION WHEN OTHERS THEN
	RAISE WARNING 'refused: %', SQLERRM;
END
$$;
CREATE TABLE wth_app.mine (a integer);
CREATE FUNCTION wth_app.f(a integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	IF current_setting('wth.wanted', true) IS NOT NULL THEN
		PERFORM wth_app.read(current_setting('wth.wanted'));
	END IF;
	RETURN a;
END
$$;
CREATE INDEX mine_f ON wth_app.mine (wth_app.f(a));
INSERT INTO wth_app.mine VALUES (1);
CREATE TABLE wth_app.lives (city integer REFERENCES wth.city ON DELETE CASCADE);
INSERT INTO wth_app.lives VALUES (1), (2);
CREATE FUNCTION wth_app.t() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM wth_app.read(current_setting('wth.wanted')); RETURN OLD; END $$;
CREATE TRIGGER t BEFORE DELETE ON wth_app.lives FOR EACH ROW EXECUTE FUNCTION wth_app.t();
RESET ROLE;

/* a function of an index, by a superuser's ANALYZE and REINDEX: no purpose can be stated there */
SET wth.wanted = 'break_glass';
ANALYZE wth_app.mine;
REINDEX INDEX wth_app.mine_f;
/* nor does one help that whoever gives the command has stated */
SET wth.wanted = '';
BEGIN; SET LOCAL personalize.purpose = 'break_glass'; ANALYZE wth_app.mine; COMMIT;
BEGIN; SET LOCAL personalize.purpose = 'wth_ship'; REINDEX INDEX wth_app.mine_f; COMMIT;
/* a trigger behind a cascade, which PostgreSQL runs as the owner of its table */
SET wth.wanted = 'break_glass';
BEGIN; DELETE FROM wth.city WHERE id = 1; ROLLBACK;
SET wth.wanted = 'wth_ship';
BEGIN; DELETE FROM wth.city WHERE id = 1; ROLLBACK;
/* a query of the owner's in a materialized view, refreshed by somebody else */
SET ROLE regress_wth_app;
RESET wth.wanted;
CREATE MATERIALIZED VIEW wth_app.copied AS SELECT * FROM wth.person WITH NO DATA;
RESET ROLE;
BEGIN; SET LOCAL personalize.purpose = 'wth_ship'; REFRESH MATERIALIZED VIEW wth_app.copied; COMMIT;
/* with the purpose, but without may_copy; then with it */
SELECT personalize.grant_purpose('wth_ship', 'regress_wth_app');
BEGIN; SET LOCAL personalize.purpose = 'wth_ship'; REFRESH MATERIALIZED VIEW wth_app.copied; COMMIT;
SELECT personalize.grant_purpose('wth_ship', 'regress_wth_app', may_copy => true);
BEGIN; SET LOCAL personalize.purpose = 'wth_ship'; REFRESH MATERIALIZED VIEW wth_app.copied; COMMIT;
SELECT count(*) FROM wth_app.copied;
SET wth.wanted = '';
BEGIN; SET LOCAL personalize.purpose = 'wth_ship'; ANALYZE wth_app.mine; COMMIT;
/* nothing is left behind */
RESET wth.wanted;
SET ROLE regress_wth_app;
BEGIN; SET LOCAL personalize.purpose = 'wth_ship'; SELECT count(*) FROM wth.person; COMMIT;
RESET ROLE;
SELECT personalize.revoke_purpose('wth_ship', 'regress_wth_app');

/* nor through a SECURITY DEFINER function of somebody who may: called by a statement, an expression, statistics, a materialized view */
CREATE ROLE regress_wth_holder;
CREATE SCHEMA wth_holder AUTHORIZATION regress_wth_holder;
GRANT USAGE ON SCHEMA wth_holder TO PUBLIC;
GRANT SELECT ON wth.person TO regress_wth_holder;
SELECT personalize.grant_purpose('wth_ship', 'regress_wth_holder', may_copy => true);
SET ROLE regress_wth_holder;
CREATE FUNCTION wth_holder.diag(i integer) RETURNS text LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$ BEGIN RETURN (SELECT p.diag FROM wth.person AS p WHERE p.id = i); END $$;
CREATE FUNCTION wth_holder.diag_imm(i integer) RETURNS text LANGUAGE plpgsql IMMUTABLE SECURITY DEFINER AS $$
BEGIN
	IF current_setting('wth.wanted', true) IS NULL THEN
		RETURN '';
	END IF;
	RETURN wth_holder.diag(i);
EXCEPTION WHEN OTHERS THEN
	RAISE WARNING 'refused: %', SQLERRM;
	RETURN '';
END
$$;
SET ROLE regress_wth_app;
CREATE OR REPLACE FUNCTION wth_app.f(a integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
	v text;
BEGIN
	IF current_setting('wth.wanted', true) = 'statement' THEN
		SELECT wth_holder.diag(1) INTO v;
	ELSIF current_setting('wth.wanted', true) = 'expression' THEN
		v := wth_holder.diag(1);
	END IF;
	IF v IS NOT NULL THEN
		RAISE WARNING 'got %', v;
	END IF;
	RETURN a;
EXCEPTION WHEN OTHERS THEN
	RAISE WARNING 'refused: %', SQLERRM;
	RETURN a;
END
$$;
CREATE TABLE wth_app.numbers (a integer);
INSERT INTO wth_app.numbers VALUES (1);
CREATE STATISTICS wth_app.stat ON (wth_holder.diag_imm(a)) FROM wth_app.numbers;
CREATE MATERIALIZED VIEW wth_app.got AS SELECT wth_holder.diag(1) WITH NO DATA;
RESET ROLE;
BEGIN;
SET LOCAL personalize.purpose = 'wth_ship';
SET LOCAL wth.wanted = 'statement';
ANALYZE wth_app.mine;
SET LOCAL wth.wanted = 'expression';
ANALYZE wth_app.mine;
SET LOCAL wth.wanted = 'statistics';
ANALYZE wth_app.numbers;
COMMIT;
SELECT most_common_vals::text LIKE '%secret%' AS stolen FROM pg_stats_ext_exprs WHERE statistics_schemaname = 'wth_app';
BEGIN; SET LOCAL personalize.purpose = 'wth_ship'; REFRESH MATERIALIZED VIEW wth_app.got; COMMIT;
/* who was called in a command before has nothing to do with this one */
SET ROLE regress_wth_holder;
CREATE MATERIALIZED VIEW wth_holder.mine AS SELECT count(*) FROM wth.person WITH NO DATA;
RESET ROLE;
BEGIN; SET LOCAL personalize.purpose = 'wth_ship'; ANALYZE wth_app.mine; REFRESH MATERIALIZED VIEW wth_holder.mine; COMMIT;
SELECT * FROM wth_holder.mine;
/* who may, may */
SELECT personalize.grant_purpose('wth_ship', 'regress_wth_app', may_copy => true);
BEGIN; SET LOCAL personalize.purpose = 'wth_ship'; SET LOCAL wth.wanted = 'expression'; ANALYZE wth_app.mine; REFRESH MATERIALIZED VIEW wth_app.got; COMMIT;
SELECT * FROM wth_app.got;
SELECT personalize.revoke_purpose('wth_ship', 'regress_wth_app');

/* a trigger function of the owner that states a purpose of its own does not stop an erasure */
SET ROLE regress_wth_owner;
CREATE TABLE wth.noted (n integer);
CREATE FUNCTION wth.note() RETURNS trigger LANGUAGE plpgsql SET personalize.purpose = 'wth_ship' AS $$ BEGIN INSERT INTO wth.noted VALUES (1); RETURN OLD; END $$;
CREATE TRIGGER note BEFORE DELETE ON wth.person FOR EACH ROW EXECUTE FUNCTION wth.note();
SET ROLE regress_wth_officer;
BEGIN;
SELECT personalize.erase_subject(1, kind => 'wth_person') IS NOT NULL AS erased;
ROLLBACK;
RESET ROLE;
DROP TRIGGER note ON wth.person;
/* triggers of the owner in an erasure, for a purpose that the officer holds */
SET ROLE regress_wth_owner;
CREATE FUNCTION wth.t() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
	r record;
BEGIN
	FOR r IN SELECT * FROM wth.person LOOP
		RAISE WARNING 'owner saw %', r;
	END LOOP;
	RETURN OLD;
EXCEPTION WHEN OTHERS THEN
	RAISE WARNING 'refused: %', SQLERRM;
	RETURN OLD;
END
$$;
CREATE TRIGGER t BEFORE DELETE ON wth.person FOR EACH ROW EXECUTE FUNCTION wth.t();
SET ROLE regress_wth_officer;
BEGIN;
SET LOCAL personalize.purpose = 'wth_ship';
SELECT personalize.erase_subject(1, kind => 'wth_person') IS NOT NULL AS erased;
ROLLBACK;
RESET ROLE;
DROP TRIGGER t ON wth.person;

/* what the planner computes for the erasure's own statement cannot take its place */
SET ROLE regress_wth_owner;
CREATE FUNCTION wth.leak(i integer, d text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING 'owner saw % %', i, d; RETURN true; END $$;
CREATE FUNCTION wth.f(x integer) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
	ctx text;
	q text;
BEGIN
	GET DIAGNOSTICS ctx = PG_CONTEXT;
	q := substring(ctx FROM 'SQL statement "(/\* personalize [0-9a-f]+ \*/ SELECT[^"]*)"');
	IF q IS NULL OR current_setting('wth.once', true) = 'yes' THEN
		RETURN true;
	END IF;
	PERFORM set_config('wth.once', 'yes', true);
	ALTER TABLE wth.person RENAME TO person_real;
	CREATE VIEW wth.person AS SELECT CASE WHEN wth.leak(p.id, p.diag) THEN p.id END AS id FROM wth.person_real AS p;
	EXECUTE q USING '{1}'::text[];
	RETURN true;
EXCEPTION WHEN OTHERS THEN
	RAISE WARNING 'refused: %', SQLERRM;
	RETURN true;
END
$$;
CREATE FUNCTION wth.h() RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	ctx text;
BEGIN
	GET DIAGNOSTICS ctx = PG_CONTEXT;
	IF ctx ~ '/\* personalize' THEN
		ALTER FUNCTION wth.f VOLATILE;
	END IF;
END
$$;
CREATE FUNCTION wth.g(x integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM wth.h(); RETURN x; END $$;
CREATE TABLE wth.kid (id integer NOT NULL, diag text);
CREATE INDEX ON wth.kid (diag) WHERE wth.f(wth.g(1));
ALTER TABLE wth.kid INHERIT wth.person;
\c -
SET client_min_messages = warning;
\set VERBOSITY terse
SET ROLE regress_wth_officer;
BEGIN;
SELECT personalize.erase_subject(1, dry_run => true, kind => 'wth_person') ->> 'subjects' AS subjects;
ROLLBACK;
RESET ROLE;
SELECT personalize.audit_sync();
/* who read, and who was refused: nobody on record for a purpose of somebody else's */
/* if the count at the end of an erasure reads rows depends on the plan */
SELECT purpose, db_role, status, count(*) FROM personalize.usage
WHERE relation_name LIKE 'wth.%' AND status <> 'refused' AND query NOT LIKE 'SELECT pg_catalog.count(*) FROM (SELECT %' GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;
SELECT personalize.revoke_purpose('wth_ship', 'regress_wth_holder');
DROP SCHEMA wth_app, wth_holder, wth CASCADE;
SELECT personalize.revoke_duty('regress_wth_officer', 'officer');
SELECT personalize.revoke_purpose('wth_ship', 'regress_wth_officer');
DROP OWNED BY regress_wth_owner, regress_wth_app, regress_wth_officer, regress_wth_holder;
DROP ROLE regress_wth_owner, regress_wth_app, regress_wth_officer, regress_wth_holder;
