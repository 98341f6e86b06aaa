-- Referential integrity sees every row and acts on it from wherever it is called, without any purpose.
SET client_min_messages = warning;
\pset format unaligned
\set VERBOSITY terse
CREATE ROLE regress_fkd_owner;
CREATE ROLE regress_fkd_app;
CREATE SCHEMA fkd AUTHORIZATION regress_fkd_owner;
CREATE SCHEMA fkd_app AUTHORIZATION regress_fkd_app;
GRANT USAGE ON SCHEMA fkd TO regress_fkd_app;
SET ROLE regress_fkd_owner;
CREATE TABLE fkd.person (id integer PRIMARY KEY, boss integer REFERENCES fkd.person ON DELETE SET NULL ON UPDATE CASCADE);
INSERT INTO fkd.person VALUES (1, NULL), (2, 1), (3, 2), (4, 3), (5, 4);
/* three levels, each protected by a column that the actions leave alone */
CREATE TABLE fkd.l1 (id integer PRIMARY KEY, who integer);
CREATE TABLE fkd.l2 (id integer PRIMARY KEY, who integer, l1 integer REFERENCES fkd.l1 ON DELETE CASCADE ON UPDATE CASCADE);
CREATE TABLE fkd.l3 (id integer PRIMARY KEY, who integer, l2 integer REFERENCES fkd.l2 ON DELETE CASCADE ON UPDATE CASCADE);
CREATE TABLE fkd.l4 (id integer PRIMARY KEY, who integer, l3 integer DEFAULT 1 REFERENCES fkd.l3 ON DELETE SET DEFAULT ON UPDATE SET NULL);
INSERT INTO fkd.l1 SELECT i, i FROM generate_series(1, 4) AS i;
INSERT INTO fkd.l2 SELECT i, i, i FROM generate_series(1, 4) AS i;
INSERT INTO fkd.l3 SELECT i, i, i FROM generate_series(1, 4) AS i;
INSERT INTO fkd.l4 SELECT i, i, i FROM generate_series(1, 4) AS i;
/* both sides partitioned; two columns; deferred */
CREATE TABLE fkd.area (a integer, b integer, who integer, PRIMARY KEY (a, b)) PARTITION BY LIST (a);
CREATE TABLE fkd.area1 PARTITION OF fkd.area FOR VALUES IN (1);
CREATE TABLE fkd.area2 PARTITION OF fkd.area FOR VALUES IN (2);
CREATE TABLE fkd.plot (id integer, a integer, b integer, who integer,
	FOREIGN KEY (a, b) REFERENCES fkd.area ON DELETE CASCADE ON UPDATE CASCADE DEFERRABLE) PARTITION BY LIST (id);
CREATE TABLE fkd.plot1 PARTITION OF fkd.plot FOR VALUES IN (1);
CREATE TABLE fkd.plot2 PARTITION OF fkd.plot FOR VALUES IN (2);
INSERT INTO fkd.area VALUES (1, 1, 1), (2, 2, 2);
INSERT INTO fkd.plot VALUES (1, 1, 1, 1), (2, 2, 2, 2);
/* an action on some columns only */
CREATE TABLE fkd.some (id integer, a integer, b integer, who integer, FOREIGN KEY (a, b) REFERENCES fkd.area ON DELETE SET NULL (b));
CREATE TABLE fkd.log (no integer GENERATED ALWAYS AS IDENTITY, id integer);
CREATE TABLE fkd.late (id integer, l1 integer REFERENCES fkd.l1 DEFERRABLE INITIALLY DEFERRED);
GRANT ALL ON ALL TABLES IN SCHEMA fkd TO regress_fkd_app;
RESET ROLE;
DO $$
BEGIN
	PERFORM personalize.define_kind('enforce_fk_deep', 'bigint');
	PERFORM personalize.define_category('fkd_general', 'for tests');
	PERFORM personalize.protect('fkd.person', 'id', kind => 'enforce_fk_deep', columns => '{"*":"fkd_general"}');
	PERFORM personalize.protect(t::regclass, 'who', kind => 'enforce_fk_deep', columns => '{"*":"fkd_general"}')
		FROM unnest('{fkd.l1,fkd.l2,fkd.l3,fkd.l4,fkd.area,fkd.plot,fkd.some}'::text[]) AS t;
END
$$;
/* everything there is, to whoever may see it */
CREATE FUNCTION fkd.show(VARIADIC tables text[]) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	t text;
BEGIN
	PERFORM set_config('personalize.purpose', 'backup', true);
	FOREACH t IN ARRAY tables LOOP
		RETURN QUERY EXECUTE format('SELECT %L || '': '' || coalesce(string_agg(x::text, '' '' ORDER BY x::text COLLATE "C"), '''') FROM fkd.%I AS x', t, t);
	END LOOP;
	PERFORM set_config('personalize.purpose', '', true);
END $$;

/* from below a function and a trigger of the application; the trigger of each level fires, too */
CREATE FUNCTION fkd.noted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO fkd.log (id) VALUES (OLD.id);
	IF TG_OP = 'DELETE' THEN
		RETURN OLD;
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER noted BEFORE DELETE OR UPDATE ON fkd.l2 FOR EACH ROW EXECUTE FUNCTION fkd.noted();
CREATE TRIGGER noted AFTER DELETE OR UPDATE ON fkd.l3 FOR EACH ROW EXECUTE FUNCTION fkd.noted();
CREATE FUNCTION fkd.run(command text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE command; END $$;
BEGIN;
SET LOCAL personalize.purpose = 'backup';
SELECT fkd.run('DELETE FROM fkd.l1 WHERE id = 4');
SELECT fkd.show('l1', 'l2', 'l3', 'l4', 'log');
ROLLBACK;
BEGIN;
SET LOCAL personalize.purpose = 'backup';
SELECT fkd.run('UPDATE fkd.l1 SET id = id + 10 WHERE id = 4');
SELECT fkd.run('UPDATE fkd.l2 SET id = id + 10 WHERE id = 4');
SELECT fkd.run('UPDATE fkd.l3 SET id = id + 10 WHERE id = 4');
SELECT fkd.show('l1', 'l2', 'l3', 'l4', 'log');
ROLLBACK;
/* refers to itself */
BEGIN;
SET LOCAL personalize.purpose = 'backup';
UPDATE fkd.person SET id = 13 WHERE id = 3;
DELETE FROM fkd.person WHERE id = 2;
SELECT fkd.show('person');
ROLLBACK;
/* partitions */
BEGIN;
SET LOCAL personalize.purpose = 'backup';
INSERT INTO fkd.some VALUES (1, 2, 2, 2);
UPDATE fkd.area SET b = 3 WHERE a = 1;
DELETE FROM fkd.area WHERE a = 2;
SELECT fkd.show('area', 'plot', 'some');
ROLLBACK;

/* rows that refer, by a role that states no purpose: a withheld row counts, one that is not there does not */
SET ROLE regress_fkd_app;
CREATE TABLE fkd_app.child (id integer, l1 integer);
INSERT INTO fkd_app.child VALUES (0, 1);
RESET ROLE;
GRANT REFERENCES ON fkd.l1, fkd.l3, fkd.area TO regress_fkd_app;
SET ROLE regress_fkd_app;
/* PostgreSQL asks row by row where row security may bind the role */
ALTER TABLE fkd_app.child ADD CONSTRAINT child_l1 FOREIGN KEY (l1) REFERENCES fkd.l1;
INSERT INTO fkd_app.child VALUES (1, 1), (2, 4);
INSERT INTO fkd_app.child VALUES (3, 77);
ALTER TABLE fkd_app.child DROP CONSTRAINT child_l1;
INSERT INTO fkd_app.child VALUES (3, 77);
ALTER TABLE fkd_app.child ADD CONSTRAINT child_l1 FOREIGN KEY (l1) REFERENCES fkd.l1;
ALTER TABLE fkd_app.child ADD CONSTRAINT child_l1 FOREIGN KEY (l1) REFERENCES fkd.l1 NOT VALID;
ALTER TABLE fkd_app.child VALIDATE CONSTRAINT child_l1;
DELETE FROM fkd_app.child WHERE l1 = 77;
CREATE FUNCTION fkd_app.validate() RETURNS void LANGUAGE plpgsql AS $$ BEGIN ALTER TABLE fkd_app.child VALIDATE CONSTRAINT child_l1; END $$;
SELECT fkd_app.validate();
/* within functions and triggers, at any depth */
CREATE FUNCTION fkd_app.add(k integer) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO fkd_app.child VALUES (0, k);
	RETURN 'there';
EXCEPTION WHEN foreign_key_violation THEN
	RETURN 'not there';
END $$;
SELECT fkd_app.add(4), fkd_app.add(77);
CREATE TABLE fkd_app.nest (n integer, k integer);
CREATE FUNCTION fkd_app.nested() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.n > 0 THEN
		INSERT INTO fkd_app.nest VALUES (NEW.n - 1, NEW.k);
	ELSE
		RAISE WARNING '%, %: % ', TG_WHEN, NEW.k, fkd_app.add(NEW.k);
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER before BEFORE INSERT ON fkd_app.nest FOR EACH ROW EXECUTE FUNCTION fkd_app.nested();
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON fkd_app.nest DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.n = 0) EXECUTE FUNCTION fkd_app.nested();
INSERT INTO fkd_app.nest VALUES (3, 4), (3, 77);
/* deferred: at COMMIT, at COMMIT in a procedure, by SET CONSTRAINTS in a function */
BEGIN;
INSERT INTO fkd.late VALUES (1, 4);
COMMIT;
BEGIN;
INSERT INTO fkd.late VALUES (1, 77);
COMMIT;
CREATE PROCEDURE fkd_app.later(k integer) LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO fkd.late VALUES (2, k);
	COMMIT;
	INSERT INTO fkd.late VALUES (3, k);
	COMMIT;
END $$;
CALL fkd_app.later(3);
CALL fkd_app.later(77);
CREATE FUNCTION fkd_app.now(k integer) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO fkd.late VALUES (4, k);
	SET CONSTRAINTS ALL IMMEDIATE;
	RETURN 'there';
EXCEPTION WHEN foreign_key_violation THEN
	RETURN 'not there';
END $$;
SELECT fkd_app.now(2), fkd_app.now(77);
BEGIN;
SET CONSTRAINTS ALL DEFERRED;
INSERT INTO fkd.plot VALUES (2, 2, 2, 5);
COMMIT;
BEGIN;
SET CONSTRAINTS ALL DEFERRED;
INSERT INTO fkd.plot VALUES (2, 2, 9, 5);
COMMIT;
RESET ROLE;
SELECT * FROM fkd.late ORDER BY id;
/* NO ACTION sees the rows that refer, also within a cascade */
BEGIN;
SET LOCAL personalize.purpose = 'backup';
SET CONSTRAINTS ALL IMMEDIATE;
DELETE FROM fkd.l1 WHERE id = 4;
ROLLBACK;
DROP SCHEMA fkd, fkd_app CASCADE;
DROP OWNED BY regress_fkd_owner, regress_fkd_app;
DROP ROLE regress_fkd_owner, regress_fkd_app;
