-- UPDATE, DELETE and MERGE reach permitted rows only; collecting data needs no purpose; whom a row is about stays.
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
	PERFORM personalize.define_kind('enforce_write', 'bigint');
	PERFORM personalize.define_category('enf_general', 'for tests');
	PERFORM personalize.define_purpose('enf_ads', 'for tests', categories => '{enf_general}');
	PERFORM personalize.define_purpose('enf_mail', 'for tests', categories => '{enf_general}');
	PERFORM personalize.protect('enf.customer', 'id', kind => 'enforce_write', columns => '{"*":"enf_general"}');
	PERFORM personalize.grant_purpose('enf_ads', 'regress_enf_app');
	PERFORM personalize.grant_purpose('enf_ads', 'regress_enf_owner');
	PERFORM personalize.grant_purpose('enf_mail', 'regress_enf_app');
	PERFORM personalize.grant_consent(i, 'enf_ads', kind => 'enforce_write') FROM generate_series(1, 2) AS i;
	PERFORM personalize.grant_consent(i, 'enf_mail', kind => 'enforce_write') FROM generate_series(1, 4) AS i;
END
$$;
\set VERBOSITY terse
SET ROLE regress_enf_owner;
CREATE TABLE enf.orders (order_id integer PRIMARY KEY, customer_id integer, item text);
INSERT INTO enf.orders SELECT i * 10, i, 'item' || i FROM generate_series(1, 5) AS i;
CREATE TABLE enf.free (id integer, word text);
INSERT INTO enf.free SELECT i, 'word' || i FROM generate_series(1, 5) AS i;
GRANT ALL ON enf.orders, enf.free TO regress_enf_app;
CREATE FUNCTION enf.leak(text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS $$ BEGIN RAISE WARNING 'saw %', $1; RETURN true; END $$;
RESET ROLE;
DO $$ BEGIN PERFORM personalize.protect('enf.orders', 'customer_id', kind => 'enforce_write', columns => '{"*":"enf_general"}'); END $$;
SET ROLE regress_enf_app;
/* without a purpose */
UPDATE enf.orders SET item = 'x';
UPDATE enf.orders SET item = 'x' WHERE order_id = 50;
DELETE FROM enf.orders;
MERGE INTO enf.orders AS o USING enf.free AS f ON o.customer_id = f.id WHEN MATCHED THEN DELETE;
/* blind ones, which need no right to read */
BEGIN;
SET LOCAL personalize.purpose = 'enf_ads';
UPDATE enf.orders SET item = 'updated';
SET LOCAL personalize.purpose = 'enf_mail';
DELETE FROM enf.orders WHERE true;
RESET ROLE;
SET LOCAL personalize.purpose = 'break_glass';
SELECT * FROM enf.orders ORDER BY 1;
ROLLBACK;
RESET ROLE;
REVOKE SELECT ON enf.orders FROM regress_enf_app;
SET ROLE regress_enf_app;
BEGIN;
SET LOCAL personalize.purpose = 'enf_ads';
SAVEPOINT a; UPDATE enf.orders SET customer_id = 1; ROLLBACK TO a;
UPDATE enf.orders SET item = 'updated';
ROLLBACK;
RESET ROLE;
BEGIN;
SET LOCAL personalize.purpose = 'enf_ads';
DELETE FROM enf.orders;
SET LOCAL personalize.purpose = 'break_glass';
SELECT order_id FROM enf.orders ORDER BY 1;
ROLLBACK;
GRANT SELECT ON enf.orders TO regress_enf_app;
/* with other relations */
SET ROLE regress_enf_app;
BEGIN;
SET LOCAL personalize.purpose = 'enf_ads';
WITH u AS (UPDATE enf.orders AS o SET item = f.word FROM enf.free AS f WHERE f.id = o.customer_id RETURNING o.*) SELECT * FROM u ORDER BY 1;
WITH u AS (UPDATE enf.orders AS o SET item = c.name FROM enf.customer AS c WHERE c.id <> o.customer_id RETURNING o.order_id, c.id AS other) SELECT * FROM u ORDER BY 1;
DELETE FROM enf.orders AS o USING enf.free AS f WHERE f.id = o.customer_id AND f.id > 1 RETURNING o.order_id;
/* deleting rows by what it reads is a copy of it, too: in what is left */
WITH d AS (DELETE FROM enf.free AS f USING enf.customer AS c WHERE c.id = f.id RETURNING f.id) SELECT * FROM d ORDER BY 1;
ROLLBACK;
BEGIN;
SET LOCAL personalize.purpose = 'enf_ads';
UPDATE enf.orders SET item = 'z' WHERE enf.leak(item) RETURNING order_id;
DELETE FROM enf.orders WHERE enf.leak(item) RETURNING order_id;
ROLLBACK;
BEGIN;
SET LOCAL personalize.purpose = 'enf_ads';
WITH u AS (UPDATE enf.orders SET item = 'cte' RETURNING order_id) SELECT * FROM u ORDER BY 1;
WITH d AS (DELETE FROM enf.orders RETURNING *), i AS (INSERT INTO enf.orders SELECT order_id + 1, customer_id, 'moved' FROM d RETURNING *) SELECT * FROM i ORDER BY 1;
ROLLBACK;
WITH u AS (UPDATE enf.orders SET item = 'cte' RETURNING order_id) SELECT 1;

/* the subject of a row */
BEGIN;
SET LOCAL personalize.purpose = 'enf_mail';
SAVEPOINT a; UPDATE enf.orders SET customer_id = 2 WHERE order_id = 10; ROLLBACK TO a;
SAVEPOINT a; UPDATE enf.orders SET customer_id = NULL WHERE order_id = 10; ROLLBACK TO a;
SAVEPOINT a; UPDATE enf.orders SET customer_id = customer_id + 1; ROLLBACK TO a;
SAVEPOINT a; UPDATE enf.orders SET (customer_id, item) = (SELECT 2, 'x') WHERE order_id = 10; ROLLBACK TO a;
SAVEPOINT a; UPDATE enf.orders AS o SET customer_id = f.id FROM enf.free AS f WHERE f.id = o.customer_id + 1; ROLLBACK TO a;
SAVEPOINT a; INSERT INTO enf.orders VALUES (10, 1, 'x') ON CONFLICT (order_id) DO UPDATE SET customer_id = 2; ROLLBACK TO a;
SAVEPOINT a; MERGE INTO enf.orders AS o USING enf.free AS f ON o.customer_id = f.id WHEN MATCHED THEN UPDATE SET customer_id = 2; ROLLBACK TO a;
/* the same value is no change: what ORMs write */
UPDATE enf.orders SET customer_id = 1, item = 'orm' WHERE order_id = 10 RETURNING *;
UPDATE enf.orders SET customer_id = customer_id WHERE order_id = 10 RETURNING *;
UPDATE enf.orders SET (order_id, customer_id, item) = (order_id, customer_id, 'orm2') WHERE order_id = 10 RETURNING *;
INSERT INTO enf.orders VALUES (10, 1, 'x') ON CONFLICT (order_id) DO UPDATE SET customer_id = EXCLUDED.customer_id, item = EXCLUDED.item RETURNING *;
ROLLBACK;
RESET ROLE;
DO $$ BEGIN PERFORM personalize.assign_duty('regress_enf_app', 'officer'); END $$;
SET ROLE regress_enf_app;
BEGIN;
SET LOCAL personalize.purpose = 'enf_mail';
UPDATE enf.orders SET customer_id = 2 WHERE order_id = 10 RETURNING *;
/* ... of a row that is not permitted there is nothing to change */
UPDATE enf.orders SET customer_id = 2 WHERE order_id = 50 RETURNING *;
ROLLBACK;
RESET ROLE;
DO $$ BEGIN PERFORM personalize.revoke_duty('regress_enf_app', 'officer'); END $$;

/* INSERT and COPY FROM: nobody's consent, no purpose */
SET ROLE regress_enf_app;
BEGIN;
INSERT INTO enf.orders VALUES (60, 5, 'new');
INSERT INTO enf.orders VALUES (70, 5, 'new') RETURNING *;
INSERT INTO enf.orders SELECT id + 100, id, word FROM enf.free;
COPY enf.orders FROM STDIN;
80	5	copied
90	77	copied
\.
INSERT INTO enf.orders VALUES (60, 5, 'again') ON CONFLICT DO NOTHING;
INSERT INTO enf.orders VALUES (91, 5, 'first') ON CONFLICT DO NOTHING RETURNING *;
SAVEPOINT a; INSERT INTO enf.orders VALUES (60, 5, 'again') ON CONFLICT (order_id) DO UPDATE SET item = 'upsert'; ROLLBACK TO a;
/* what reads needs one */
SAVEPOINT a; INSERT INTO enf.orders SELECT order_id + 1, customer_id, item FROM enf.orders; ROLLBACK TO a;
SAVEPOINT a; INSERT INTO enf.orders VALUES (92, 5, (SELECT max(name) FROM enf.customer)); ROLLBACK TO a;
SAVEPOINT a; INSERT INTO enf.orders VALUES (92, 5, 'x') RETURNING (SELECT max(name) FROM enf.customer); ROLLBACK TO a;
ROLLBACK;
/* ON CONFLICT DO UPDATE of a withheld row is an error, and shows it to nobody */
BEGIN;
SET LOCAL personalize.purpose = 'enf_ads';
SAVEPOINT a; INSERT INTO enf.orders VALUES (50, 1, 'x') ON CONFLICT (order_id) DO UPDATE SET item = 'upsert' RETURNING *; ROLLBACK TO a;
SAVEPOINT a; INSERT INTO enf.orders AS o VALUES (50, 1, 'x') ON CONFLICT (order_id) DO UPDATE SET item = o.item || 'x' WHERE enf.leak(o.item); ROLLBACK TO a;
SAVEPOINT a; INSERT INTO enf.orders AS o VALUES (50, 1, 'x') ON CONFLICT (order_id) DO UPDATE SET item = 'y' WHERE o.item = 'wrong guess'; ROLLBACK TO a;
INSERT INTO enf.orders VALUES (50, 1, 'x') ON CONFLICT (order_id) DO NOTHING RETURNING *;
INSERT INTO enf.orders AS o VALUES (20, 2, 'x') ON CONFLICT (order_id) DO UPDATE SET item = o.item || '!' RETURNING *;
ROLLBACK;
/* the superuser likewise */
RESET ROLE;
BEGIN;
SET LOCAL personalize.purpose = 'enf_ads';
SAVEPOINT a; INSERT INTO enf.orders AS o VALUES (50, 1, 'x') ON CONFLICT (order_id) DO UPDATE SET item = 'y' WHERE enf.leak(o.item) RETURNING *; ROLLBACK TO a;
INSERT INTO enf.orders AS o VALUES (20, 2, 'x') ON CONFLICT (order_id) DO UPDATE SET item = o.item || '!' WHERE enf.leak(o.item) RETURNING *;
ROLLBACK;
/* MERGE */
SET ROLE regress_enf_app;
BEGIN;
SET LOCAL personalize.purpose = 'enf_ads';
MERGE INTO enf.orders AS o USING (VALUES (10), (50), (60)) AS v (k) ON o.order_id = v.k
	WHEN MATCHED AND enf.leak(o.item) THEN UPDATE SET item = 'merged'
	WHEN NOT MATCHED AND v.k <> 50 THEN INSERT VALUES (v.k, 5, 'inserted');
SELECT * FROM enf.orders ORDER BY 1;
/* a withheld row is not matched: its key is taken all the same */
MERGE INTO enf.orders AS o USING (VALUES (50)) AS v (k) ON o.order_id = v.k
	WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (v.k, 1, 'inserted');
ROLLBACK;
BEGIN;
SET LOCAL personalize.purpose = 'enf_ads';
MERGE INTO enf.free AS f USING enf.customer AS c ON f.id = c.id WHEN MATCHED THEN DELETE;
ROLLBACK;

/* triggers see what the statement may touch */
RESET ROLE;
SET ROLE regress_enf_owner;
CREATE FUNCTION enf.noted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING '% % %', TG_OP, OLD.order_id, (SELECT string_agg(id::text, ',' ORDER BY id) FROM enf.customer); RETURN NULL; END $$;
CREATE FUNCTION enf.noted_all() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING 'all: %', (SELECT string_agg(order_id::text, ',' ORDER BY order_id) FROM olds); RETURN NULL; END $$;
CREATE TRIGGER noted AFTER UPDATE OR DELETE ON enf.orders FOR EACH ROW EXECUTE FUNCTION enf.noted();
CREATE TRIGGER noted_all AFTER UPDATE ON enf.orders REFERENCING OLD TABLE AS olds FOR EACH STATEMENT EXECUTE FUNCTION enf.noted_all();
SET ROLE regress_enf_app;
BEGIN;
SET LOCAL personalize.purpose = 'enf_ads';
UPDATE enf.orders SET item = 'triggered';
DELETE FROM enf.orders;
ROLLBACK;
RESET ROLE;
DROP SCHEMA enf CASCADE;
DROP OWNED BY regress_enf_owner, regress_enf_app;
DROP ROLE regress_enf_owner, regress_enf_app;
