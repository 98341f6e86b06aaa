-- Referential integrity sees every row, existence only; nothing nested in it does.
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
	PERFORM personalize.define_kind('enforce_fk', 'bigint');
	PERFORM personalize.define_category('enf_general', 'for tests');
	PERFORM personalize.define_purpose('enf_ads', 'for tests', categories => '{enf_general}');
	PERFORM personalize.define_purpose('enf_mail', 'for tests', categories => '{enf_general}');
	PERFORM personalize.protect('enf.customer', 'id', kind => 'enforce_fk', columns => '{"*":"enf_general"}');
	PERFORM personalize.grant_purpose('enf_ads', 'regress_enf_app');
	PERFORM personalize.grant_purpose('enf_ads', 'regress_enf_owner');
	PERFORM personalize.grant_purpose('enf_mail', 'regress_enf_app');
	PERFORM personalize.grant_consent(i, 'enf_ads', kind => 'enforce_fk') FROM generate_series(1, 2) AS i;
	PERFORM personalize.grant_consent(i, 'enf_mail', kind => 'enforce_fk') FROM generate_series(1, 4) AS i;
END
$$;
\set VERBOSITY terse
SET ROLE regress_enf_owner;
CREATE TABLE enf.orders (order_id integer PRIMARY KEY, customer_id integer REFERENCES enf.customer ON DELETE CASCADE ON UPDATE CASCADE);
INSERT INTO enf.orders SELECT i * 10, i FROM generate_series(1, 5) AS i;
CREATE TABLE enf.line (line_id integer, order_id integer REFERENCES enf.orders ON DELETE SET NULL);
INSERT INTO enf.line SELECT i, i * 10 FROM generate_series(1, 5) AS i;
GRANT ALL ON enf.orders, enf.line TO regress_enf_app;
RESET ROLE;
DO $$ BEGIN PERFORM personalize.protect('enf.orders', 'customer_id', kind => 'enforce_fk', columns => '{"*":"enf_general"}'); END $$;
/* a child of a withheld parent can be collected, one of nobody cannot; no purpose is needed */
SET ROLE regress_enf_app;
BEGIN;
INSERT INTO enf.orders VALUES (60, 5);
INSERT INTO enf.line VALUES (6, 50);
INSERT INTO enf.orders VALUES (70, 77);
ROLLBACK;
RESET ROLE;
BEGIN;
INSERT INTO enf.orders VALUES (60, 5);
INSERT INTO enf.orders VALUES (70, 77);
ROLLBACK;
/* cascades reach withheld rows: 1 agreed to ads, its order was made that of 5 before */
BEGIN;
SET LOCAL personalize.purpose = 'break_glass';
UPDATE enf.line SET order_id = 50 WHERE line_id = 1;
SET LOCAL ROLE regress_enf_app;
SET LOCAL personalize.purpose = 'enf_ads';
DELETE FROM enf.customer RETURNING id;
RESET ROLE;
SET LOCAL personalize.purpose = 'break_glass';
SELECT order_id, customer_id FROM enf.orders ORDER BY 1;
DELETE FROM enf.customer WHERE id = 5;
SELECT order_id, customer_id FROM enf.orders ORDER BY 1;
SELECT * FROM enf.line ORDER BY 1;
ROLLBACK;
/* a key of the parent that is updated, by an officer */
BEGIN;
SET LOCAL personalize.purpose = 'enf_ads';
UPDATE enf.customer SET id = 101 WHERE id = 1 RETURNING id;
SET LOCAL personalize.purpose = 'break_glass';
SELECT order_id, customer_id FROM enf.orders ORDER BY 1;
ROLLBACK;
/* RESTRICT and NO ACTION see withheld children: a parent with one is not deleted */
RESET ROLE;
SET ROLE regress_enf_owner;
CREATE TABLE enf.shop (id integer PRIMARY KEY);
INSERT INTO enf.shop VALUES (1);
CREATE TABLE enf.sale (shop_id integer REFERENCES enf.shop, customer_id integer);
INSERT INTO enf.sale VALUES (1, 5);
RESET ROLE;
DO $$ BEGIN PERFORM personalize.protect('enf.sale', 'customer_id', kind => 'enforce_fk', columns => '{"*":"enf_general"}'); END $$;
SET ROLE regress_enf_owner;
DELETE FROM enf.shop;
UPDATE enf.shop SET id = 2;
RESET ROLE;

/* nothing nested: a trigger that fires inside a cascade reads for the statement's purpose, whatever its query looks like */
SET ROLE regress_enf_owner;
CREATE TABLE enf.a (id integer PRIMARY KEY);
CREATE TABLE enf.b (id integer, a integer REFERENCES enf.a ON DELETE CASCADE);
INSERT INTO enf.a SELECT generate_series(1, 9);
INSERT INTO enf.b SELECT i, i FROM generate_series(1, 9) AS i;
CREATE TABLE enf.loot (id integer DEFAULT 0, loot text);
INSERT INTO enf.loot VALUES (0, 'nothing');
CREATE TABLE enf.query (id integer, query text);
INSERT INTO enf.query VALUES
	(1, 'UPDATE enf.loot SET loot = (SELECT string_agg(name, '','' ORDER BY id) FROM enf.customer)'),
	(2, 'UPDATE "enf"."loot" SET loot = (SELECT string_agg(name, '','' ORDER BY id) FROM enf.customer)'),
	(3, 'UPDATE ONLY "enf"."loot" SET loot = (SELECT string_agg(name, '','' ORDER BY id) FROM enf.customer)'),
	(4, 'UPDATE "enf"."loot" AS l SET loot = c.name FROM enf.customer AS c WHERE c.id = 5'),
	(5, 'SELECT 1 FROM "enf"."customer" AS c WHERE enf.leak(c.name)'),
	(6, 'SELECT 1 FROM ONLY "enf"."customer" AS c WHERE c.id = 5 AND enf.leak(c.name)'),
	(7, 'SELECT 1 FROM (SELECT enf.leak(name) FROM enf.customer OFFSET 0) AS s'),
	(8, 'DELETE FROM "enf"."loot" WHERE EXISTS (SELECT 1 FROM enf.customer AS c WHERE c.id = 5 AND c.name = ''name5'')'),
	(9, 'DELETE FROM ONLY "enf"."customer" WHERE id = 5 RETURNING enf.leak(name)');
CREATE FUNCTION enf.leak(text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING 'saw %', $1; RETURN true; END $$;
CREATE FUNCTION enf.noted() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
	found_rows integer;
BEGIN
	BEGIN
		EXECUTE (SELECT query FROM enf.query WHERE id = OLD.id);
		GET DIAGNOSTICS found_rows = ROW_COUNT;
		RAISE WARNING 'query %: % rows', OLD.id, found_rows;
	EXCEPTION WHEN insufficient_privilege OR object_not_in_prerequisite_state THEN
		RAISE WARNING 'query %: refused', OLD.id;
	END;
	RETURN OLD;
END $$;
CREATE TRIGGER noted BEFORE DELETE ON enf.b FOR EACH ROW EXECUTE FUNCTION enf.noted();
BEGIN;
DELETE FROM enf.a WHERE id = 1;
DELETE FROM enf.a WHERE id = 2;
DELETE FROM enf.a WHERE id = 3;
DELETE FROM enf.a WHERE id = 4;
DELETE FROM enf.a WHERE id = 5;
DELETE FROM enf.a WHERE id = 6;
DELETE FROM enf.a WHERE id = 7;
DELETE FROM enf.a WHERE id = 8;
DELETE FROM enf.a WHERE id = 9;
SELECT loot FROM enf.loot;
ROLLBACK;
BEGIN;
SET LOCAL personalize.purpose = 'enf_ads';
DELETE FROM enf.a WHERE id = 7;
ROLLBACK;

/* ADD and VALIDATE FOREIGN KEY judge by all rows, whatever the purpose */
CREATE TABLE enf.good (c integer);
INSERT INTO enf.good VALUES (1), (5);
CREATE TABLE enf.wrong (c integer);
INSERT INTO enf.wrong VALUES (1), (5), (77);
CREATE FUNCTION enf.judged(query text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE query;
	RETURN 'valid';
EXCEPTION WHEN foreign_key_violation THEN
	RETURN 'violated';
END $$;
SELECT enf.judged('ALTER TABLE enf.good ADD FOREIGN KEY (c) REFERENCES enf.customer');
SELECT enf.judged('ALTER TABLE enf.wrong ADD FOREIGN KEY (c) REFERENCES enf.customer');
ALTER TABLE enf.wrong ADD CONSTRAINT later FOREIGN KEY (c) REFERENCES enf.customer NOT VALID;
SELECT enf.judged('ALTER TABLE enf.wrong VALIDATE CONSTRAINT later');
BEGIN;
SET LOCAL personalize.purpose = 'enf_ads';
SELECT enf.judged('ALTER TABLE enf.good ADD FOREIGN KEY (c) REFERENCES enf.customer');
SELECT enf.judged('ALTER TABLE enf.wrong VALIDATE CONSTRAINT later');
/* the protected one as the referencing side */
CREATE TABLE enf.four (id integer PRIMARY KEY);
INSERT INTO enf.four SELECT generate_series(1, 4);
SELECT enf.judged('ALTER TABLE enf.customer ADD FOREIGN KEY (id) REFERENCES enf.four');
ROLLBACK;
/* so does ALTER CONSTRAINT ... ENFORCED (18), of foreign keys that are made without; before, they are added late */
CREATE FUNCTION enf.late(child text, parent text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	made text := format('ALTER TABLE %s ADD CONSTRAINT late FOREIGN KEY (%s) REFERENCES %s', child, CASE child WHEN 'enf.customer' THEN 'id' ELSE 'c' END, parent);
BEGIN
	IF current_setting('server_version_num')::integer >= 180000 THEN
		EXECUTE made || ' NOT ENFORCED';
		made := format('ALTER TABLE %s ALTER CONSTRAINT late ENFORCED', child);
	END IF;
	RETURN enf.judged(made);
END $$;
BEGIN;
SELECT enf.late('enf.good', 'enf.customer');
SELECT enf.late('enf.wrong', 'enf.customer');
CREATE TABLE enf.four (id integer PRIMARY KEY);
INSERT INTO enf.four SELECT generate_series(1, 4);
SELECT enf.late('enf.customer', 'enf.four');
INSERT INTO enf.four SELECT generate_series(5, 9);
ALTER TABLE enf.customer DROP CONSTRAINT IF EXISTS late;
SELECT enf.late('enf.customer', 'enf.four');
ROLLBACK;
/* DETACH PARTITION asks whether a row refers to one of it: of all rows; 5 is withheld from everybody */
BEGIN;
CREATE TABLE enf.part (id integer PRIMARY KEY) PARTITION BY RANGE (id);
CREATE TABLE enf.part_1 PARTITION OF enf.part FOR VALUES FROM (1) TO (5);
CREATE TABLE enf.part_5 PARTITION OF enf.part FOR VALUES FROM (5) TO (9);
CREATE TABLE enf.part_9 PARTITION OF enf.part FOR VALUES FROM (9) TO (10);
INSERT INTO enf.part SELECT generate_series(1, 9);
ALTER TABLE enf.customer ADD FOREIGN KEY (id) REFERENCES enf.part;
SELECT enf.judged('ALTER TABLE enf.part DETACH PARTITION enf.part_5');
SELECT enf.judged('ALTER TABLE enf.part DETACH PARTITION enf.part_9');
SET LOCAL personalize.purpose = 'enf_ads';
SELECT enf.judged('ALTER TABLE enf.part DETACH PARTITION enf.part_5');
ALTER TABLE enf.part DETACH PARTITION enf.part_5;
ROLLBACK;
/* what also does something else does not, and says so, whatever the purpose */
\set VERBOSITY default
BEGIN;
ALTER TABLE enf.good ADD COLUMN later integer REFERENCES enf.customer;
SAVEPOINT s;
ALTER TABLE enf.good ADD COLUMN other integer DEFAULT 5 REFERENCES enf.customer;
ROLLBACK TO s;
SET LOCAL personalize.purpose = 'enf_ads';
ALTER TABLE enf.good ADD COLUMN other integer DEFAULT 5 REFERENCES enf.customer;
ROLLBACK TO s;
ALTER TABLE enf.good ADD COLUMN other integer DEFAULT 5;
ALTER TABLE enf.good ADD FOREIGN KEY (other) REFERENCES enf.customer;
/* whoever writes like that is no check of a foreign key */
SET LOCAL personalize.purpose = 'enf_ads';
SELECT fk.id FROM enf.customer fk JOIN enf.good AS g ON g.c = fk.id ORDER BY fk.id;
SELECT fk.id FROM enf.customer fk LEFT OUTER JOIN enf.good AS g ON g.c = fk.id ORDER BY fk.id;
ROLLBACK;
\set VERBOSITY terse
/* ATTACH PARTITION asks whether its rows have partners: of all rows */
BEGIN;
CREATE TABLE enf.bought (c integer REFERENCES enf.customer, what integer) PARTITION BY LIST (what);
CREATE TABLE enf.bought_1 (c integer, what integer);
INSERT INTO enf.bought_1 VALUES (1, 1), (5, 1);
CREATE TABLE enf.bought_2 (c integer, what integer);
INSERT INTO enf.bought_2 VALUES (1, 2), (77, 2);
SELECT enf.judged('ALTER TABLE enf.bought ATTACH PARTITION enf.bought_1 FOR VALUES IN (1)');
SELECT enf.judged('ALTER TABLE enf.bought ATTACH PARTITION enf.bought_2 FOR VALUES IN (2)');
SET LOCAL personalize.purpose = 'enf_ads';
ALTER TABLE enf.bought DETACH PARTITION enf.bought_1;
ALTER TABLE enf.bought_1 DROP CONSTRAINT IF EXISTS bought_c_fkey, DROP CONSTRAINT IF EXISTS bought_1_c_fkey;
SELECT enf.judged('ALTER TABLE enf.bought ATTACH PARTITION enf.bought_1 FOR VALUES IN (1)');
/* the same where the partition becomes part of a protected relation */
RESET ROLE;
SELECT personalize.protect('enf.bought', via => 'c', kind => 'enforce_fk', columns => '{"*":"enf_general"}');
SET LOCAL ROLE regress_enf_owner;
SELECT enf.judged('ALTER TABLE enf.bought ATTACH PARTITION enf.bought_2 FOR VALUES IN (2)');
UPDATE enf.bought_2 SET c = 5 WHERE c = 77;
SELECT enf.judged('ALTER TABLE enf.bought ATTACH PARTITION enf.bought_2 FOR VALUES IN (2)');
SELECT * FROM enf.bought ORDER BY 1, 2;
ROLLBACK;
/* the protected one as the referenced side, in a window */
BEGIN;
RESET ROLE;
CREATE SCHEMA enf_window AUTHORIZATION regress_enf_owner;
SET LOCAL ROLE regress_enf_owner;
CREATE TABLE enf_window.part (id integer PRIMARY KEY) PARTITION BY RANGE (id);
CREATE TABLE enf_window.part_5 PARTITION OF enf_window.part FOR VALUES FROM (5) TO (9);
CREATE TABLE enf_window.part_9 PARTITION OF enf_window.part FOR VALUES FROM (9) TO (10);
INSERT INTO enf_window.part SELECT generate_series(5, 9);
CREATE TABLE enf_window.child (c integer REFERENCES enf_window.part);
INSERT INTO enf_window.child VALUES (5);
RESET ROLE;
SELECT personalize.protect('enf_window.part', 'id', kind => 'enforce_fk', columns => '{"*":"enf_general"}');
SELECT personalize.open_maintenance('enf_window.part', 'for tests') IS NOT NULL AS open;
SET LOCAL ROLE regress_enf_owner;
SELECT enf.judged('ALTER TABLE enf_window.part DETACH PARTITION enf_window.part_5');
SELECT enf.judged('ALTER TABLE enf_window.part DETACH PARTITION enf_window.part_9');
ROLLBACK;
RESET ROLE;
DROP SCHEMA enf CASCADE;
DROP OWNED BY regress_enf_owner, regress_enf_app;
DROP ROLE regress_enf_owner, regress_enf_app;
