-- Code of the owner that runs within a cascade gets nothing of what referential integrity may do.
SET client_min_messages = warning;
\pset format unaligned
\set VERBOSITY terse
CREATE ROLE regress_fkc_owner;
CREATE SCHEMA fkc AUTHORIZATION regress_fkc_owner;
SET ROLE regress_fkc_owner;
CREATE TABLE fkc.customer (id integer PRIMARY KEY, name text);
CREATE TABLE fkc.orders (order_id integer PRIMARY KEY, customer_id integer REFERENCES fkc.customer ON DELETE CASCADE ON UPDATE CASCADE);
INSERT INTO fkc.customer VALUES (1, 'yes'), (2, 'no');
INSERT INTO fkc.orders VALUES (1, 1), (2, 2);
RESET ROLE;
DO $$
BEGIN
	PERFORM personalize.define_kind('fkc', 'bigint');
	PERFORM personalize.define_category('fkc_general', 'for tests');
	PERFORM personalize.protect('fkc.customer', 'id', kind => 'fkc', columns => '{"*":"fkc_general"}');
	PERFORM personalize.protect('fkc.orders', 'customer_id', kind => 'fkc', columns => '{"*":"fkc_general"}');
END
$$;
SET ROLE regress_fkc_owner;
CREATE TABLE fkc.par (id integer PRIMARY KEY);
CREATE TABLE fkc.kid (id integer REFERENCES fkc.par ON DELETE CASCADE);
CREATE TABLE fkc.query (text text);
CREATE TABLE fkc.found (n bigint);
CREATE FUNCTION fkc.run() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE q text; n bigint;
BEGIN
	SELECT text INTO q FROM fkc.query;
	EXECUTE q USING 1, 2;
	GET DIAGNOSTICS n = ROW_COUNT;
	INSERT INTO fkc.found VALUES (n);
	RETURN OLD;
END $$;
CREATE TRIGGER run BEFORE DELETE ON fkc.kid FOR EACH ROW EXECUTE FUNCTION fkc.run();
INSERT INTO fkc.par VALUES (1), (2), (3), (4), (5);
INSERT INTO fkc.kid VALUES (1), (2), (3), (4), (5);
/* change whom a withheld row is about, delete it, ask whether it is there */
INSERT INTO fkc.query VALUES ('UPDATE ONLY "fkc"."orders" SET "customer_id" = $1 WHERE $2 OPERATOR(pg_catalog.=) "customer_id"');
DELETE FROM fkc.par WHERE id = 1;
UPDATE fkc.query SET text = 'DELETE FROM ONLY "fkc"."orders" WHERE $2 OPERATOR(pg_catalog.=) "customer_id"';
DELETE FROM fkc.par WHERE id = 2;
UPDATE fkc.query SET text = 'SELECT 1 FROM ONLY "fkc"."customer" x WHERE "id" OPERATOR(pg_catalog.=) $2 FOR KEY SHARE OF x';
DELETE FROM fkc.par WHERE id = 3;
/* referential integrity itself still sees the withheld parent, also within the cascade */
UPDATE fkc.query SET text = 'INSERT INTO fkc.orders VALUES (3, 2)';
DELETE FROM fkc.par WHERE id = 4;
UPDATE fkc.query SET text = 'INSERT INTO fkc.orders VALUES (4, 77)';
DELETE FROM fkc.par WHERE id = 5;
SELECT n FROM fkc.found;
RESET ROLE;
BEGIN;
SET LOCAL personalize.purpose = 'backup';
SELECT * FROM fkc.orders ORDER BY order_id;
UPDATE fkc.customer SET id = 20 WHERE id = 2;
SELECT * FROM fkc.orders ORDER BY order_id;
DELETE FROM fkc.customer WHERE id = 20;
SELECT * FROM fkc.orders ORDER BY order_id;
ROLLBACK;
DROP SCHEMA fkc CASCADE;
DROP OWNED BY regress_fkc_owner;
DROP ROLE regress_fkc_owner;
