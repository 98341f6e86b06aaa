-- Commands that once left a door open: each shows nothing now, and what is not protected is not hindered.
SET client_min_messages = warning;
\pset format unaligned
CREATE ROLE regress_atk_owner;
CREATE ROLE regress_atk_app;
CREATE SCHEMA atd AUTHORIZATION regress_atk_owner;
GRANT USAGE ON SCHEMA atd TO PUBLIC;
SET ROLE regress_atk_owner;
CREATE TYPE atd.shape AS (id integer, name text);
CREATE TABLE atd.person OF atd.shape;
ALTER TABLE atd.person ADD PRIMARY KEY (id);
INSERT INTO atd.person SELECT i, 'name' || i FROM generate_series(1, 5) AS i;
CREATE TABLE atd.one (x integer);
INSERT INTO atd.one VALUES (1);
CREATE TABLE atd.code (id integer, code text UNIQUE DEFERRABLE INITIALLY DEFERRED);
INSERT INTO atd.code VALUES (1, 'a'), (2, 'b');
CREATE FUNCTION atd.leak(t text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE COST 0.0001 AS 'BEGIN RAISE WARNING ''saw %'', t; RETURN true; END';
CREATE DOMAIN atd.leaky AS text CHECK (atd.leak(VALUE));
GRANT SELECT ON ALL TABLES IN SCHEMA atd TO regress_atk_app;
/* what is not protected, and calls functions of users */
CREATE FUNCTION atd.same(t text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN t; END';
CREATE TABLE atd.free (id integer PRIMARY KEY, t text);
INSERT INTO atd.free VALUES (1, 'x');
CREATE INDEX free_same ON atd.free (atd.same(t));
CREATE DOMAIN atd.open AS text;
CREATE TABLE atd.uses (o atd.open);
INSERT INTO atd.uses VALUES ('x');
CREATE TABLE atd.part (t text) PARTITION BY LIST (atd.same(t));
CREATE TABLE atd.part_rest PARTITION OF atd.part DEFAULT;
INSERT INTO atd.part VALUES ('x');
RESET ROLE;
DO $$
BEGIN
	PERFORM personalize.define_kind('enforce_attack_ddl', 'bigint');
	PERFORM personalize.define_category('atd_general', 'for tests');
	PERFORM personalize.define_purpose('atd_ads', 'for tests', categories => '{atd_general}');
	PERFORM personalize.protect('atd.person', 'id', kind => 'enforce_attack_ddl', columns => '{"*":"atd_general"}');
	PERFORM personalize.protect('atd.code', 'id', kind => 'enforce_attack_ddl', columns => '{"*":"atd_general"}');
	PERFORM personalize.grant_consent(1, 'atd_ads', kind => 'enforce_attack_ddl');
END
$$;
\set VERBOSITY default
\set SHOW_CONTEXT never
SET ROLE regress_atk_app;
/* a command that fails leaves nothing behind that makes a query one of referential integrity */
BEGIN; SAVEPOINT a; ALTER TABLE otherdb.x.t ADD FOREIGN KEY (a) REFERENCES b; ROLLBACK TO a;
SELECT fk.* FROM ONLY atd.person fk LEFT OUTER JOIN atd.one o ON true; ROLLBACK;
DO $$ BEGIN EXECUTE 'ALTER TABLE otherdb.x.t ADD FOREIGN KEY (a) REFERENCES b'; EXCEPTION WHEN OTHERS THEN NULL; END $$;
SELECT fk.* FROM ONLY atd.person fk LEFT OUTER JOIN ONLY atd.person o ON false;
RESET ROLE;
/* an event trigger is code of a user */
CREATE FUNCTION atd.peek() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM fk.id FROM ONLY atd.person fk LEFT OUTER JOIN atd.one v ON v.x = fk.id;
	EXECUTE 'SELECT fk.id FROM ONLY atd.person fk LEFT OUTER JOIN atd.one v ON v.x = fk.id';
	RAISE WARNING 'read';
EXCEPTION WHEN insufficient_privilege THEN
	RAISE WARNING 'refused, and % is called', atd.same('a function');
END
$$;
CREATE EVENT TRIGGER atd_peek ON ddl_command_start WHEN TAG IN ('ALTER TABLE', 'CREATE INDEX') EXECUTE FUNCTION atd.peek();
CREATE TABLE atd.refers (id integer REFERENCES atd.free);
ALTER TABLE atd.refers ADD FOREIGN KEY (id) REFERENCES atd.free;
CREATE INDEX ON atd.person (name);
DROP EVENT TRIGGER atd_peek;
SET ROLE regress_atk_owner;
/* a typed table is rewritten by its type */
ALTER TYPE atd.shape ALTER ATTRIBUTE name TYPE atd.leaky CASCADE;
/* a value that is looked up as a name */
ALTER TABLE atd.person ADD CHECK (CASE WHEN id = 5 THEN name::regclass END IS NULL);
ALTER TABLE atd.person ADD CHECK (CASE WHEN id = 5 THEN current_setting(name) END IS NULL);
ALTER TABLE atd.person ADD CHECK (nonesuch IS NULL);
ALTER TABLE atd.person DROP CONSTRAINT nonesuch;
/* a failed statement, and then a deferred constraint */
RESET ROLE;
BEGIN; INSERT INTO atd.code VALUES (3, 'b'); SAVEPOINT x; SELECT 1 / 0; ROLLBACK TO x; COMMIT;
/* not hindered */
SET ROLE regress_atk_owner;
ANALYZE atd.free;
REINDEX SCHEMA atd;
ALTER DOMAIN atd.open ADD CHECK (atd.same(VALUE) IS NOT NULL);
CREATE TABLE atd.part_x PARTITION OF atd.part FOR VALUES IN ('y');
RESET ROLE;
SET client_min_messages = error;
ANALYZE;
SET client_min_messages = warning;
/* but where an index of a protected relation calls a function of a user */
SELECT personalize.unprotect('atd.code');
CREATE INDEX code_same ON atd.code (atd.same(code));
SELECT personalize.protect('atd.code', 'id', kind => 'enforce_attack_ddl', columns => '{"*":"atd_general"}');
SET ROLE regress_atk_owner;
REINDEX SCHEMA atd;
RESET ROLE;
DROP SCHEMA atd CASCADE;
DROP OWNED BY regress_atk_owner, regress_atk_app;
DROP ROLE regress_atk_owner, regress_atk_app;
