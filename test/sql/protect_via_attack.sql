/*
 * Ways round paths by foreign keys that were found: another foreign key of the same
 * columns, rows referred to that are replaced, types whose equality is not that of
 * their values, children of the relation referred to, memory that goes.
 */
\set SHOW_CONTEXT never
SET client_min_messages = warning;
\pset format unaligned
CREATE SCHEMA va;
SELECT personalize.define_kind('va', 'bigint'), personalize.define_kind('va_mail', 'text'), personalize.define_category('va_g', 'for the test'),
	personalize.define_purpose('va_rec', 'for the test', categories => '{va_g}'), personalize.define_purpose('va_ads', 'for the test', categories => '{va_g}');
CREATE ROLE va_app;
CREATE ROLE va_owner;
GRANT USAGE, CREATE ON SCHEMA va TO va_app, va_owner;
SELECT personalize.grant_purpose(p, r) FROM unnest('{va_rec,va_ads}'::text[]) AS p, unnest('{va_app,va_owner}'::regrole[]) AS r;
SET ROLE va_owner;
SET search_path = va;
CREATE TABLE orders (id bigint PRIMARY KEY, customer_id integer, note text);
CREATE TABLE item (order_id bigint REFERENCES orders, line integer, what text);
INSERT INTO orders SELECT i * 10, 1 + i % 4, 'order' FROM generate_series(1, 8) AS i;
INSERT INTO item SELECT o.id, l, 'of ' || o.customer_id FROM orders AS o, generate_series(1, 2) AS l;
CREATE TABLE pord (id integer PRIMARY KEY, customer_id integer, alt integer) PARTITION BY RANGE (id);
CREATE TABLE pord1 PARTITION OF pord FOR VALUES FROM (0) TO (100000);
CREATE TABLE pit (pord_id integer REFERENCES pord, what text);
INSERT INTO pord SELECT i * 10, 1 + i % 2 FROM generate_series(1, 4) AS i;
INSERT INTO pit SELECT id, 'of ' || customer_id FROM pord;
RESET ROLE;
SELECT personalize.protect('orders', 'customer_id', kind => 'va', columns => '{"id": "none", "*": "va_g"}'), personalize.protect('item', via => 'order_id', columns => '{"*": "va_g"}'),
	personalize.protect('pord', 'customer_id', kind => 'va', columns => '{"*": "va_g"}'), personalize.protect('pit', via => 'pord_id', columns => '{"*": "va_g"}');
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA va TO va_app;
/* 1 agrees to both, 2 to one, the others to nothing */
SELECT personalize.grant_consent(1, 'va_rec', kind => 'va') > 0, personalize.grant_consent(1, 'va_ads', kind => 'va') > 0, personalize.grant_consent(2, 'va_rec', kind => 'va') > 0;
CREATE FUNCTION seen(p text, q text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE r text;
BEGIN
	PERFORM personalize.set_purpose(p);
	EXECUTE q INTO r;
	RETURN r;
END $$;
/* versions differ in what they say */
CREATE FUNCTION refused(q text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE q;
	RETURN false;
EXCEPTION WHEN foreign_key_violation OR restrict_violation THEN
	RETURN true;
END $$;
GRANT EXECUTE ON FUNCTION seen(text, text), refused(text) TO va_app, va_owner;
\set items 'SELECT string_agg(DISTINCT what, \',\' ORDER BY what) FROM item'
\set pits 'SELECT string_agg(DISTINCT what, \',\' ORDER BY what) FROM pit'

/* the owner adds a foreign key of the same column to other rows: not asked; in place of the one that is registered: closed */
SET ROLE va_owner;
ALTER TABLE orders ADD COLUMN alt bigint UNIQUE;
INSERT INTO orders (id, customer_id, alt) SELECT 5000 + i, 1, i * 10 FROM generate_series(1, 8) AS i;
ALTER TABLE item ADD CONSTRAINT aaa FOREIGN KEY (order_id) REFERENCES orders (alt);
SELECT seen('va_ads', :'items');
ALTER TABLE item DROP CONSTRAINT item_order_id_fkey;
SELECT seen('va_ads', :'items');
ALTER TABLE item DROP CONSTRAINT aaa;
ALTER TABLE orders ADD COLUMN num numeric UNIQUE;
INSERT INTO orders (id, customer_id, num) SELECT 9000 + i, 1, i * 10 FROM generate_series(1, 8) AS i;
ALTER TABLE item ADD CONSTRAINT aaa FOREIGN KEY (order_id) REFERENCES orders (num);
SELECT seen('va_ads', :'items');
ALTER TABLE item DROP CONSTRAINT aaa;
RESET ROLE;
SELECT detail FROM personalize.status() WHERE NOT ok AND detail LIKE '%va.item%';
SET ROLE va_owner;
ALTER TABLE item ADD CONSTRAINT item_order_id_fkey FOREIGN KEY (order_id) REFERENCES orders;
SELECT seen('va_ads', :'items');
/* to a partition, and not valid */
SELECT seen('va_ads', :'pits');
ALTER TABLE pord1 ADD CONSTRAINT alt_u UNIQUE (alt);
INSERT INTO pord1 SELECT 50000 + i, 1, i * 10 FROM generate_series(1, 4) AS i;
ALTER TABLE pit ADD CONSTRAINT aaa FOREIGN KEY (pord_id) REFERENCES pord1 (alt) NOT VALID;
SELECT seen('va_ads', :'pits');
RESET ROLE;

/* a row that is referred to is replaced by another of the same key */
ALTER TABLE item ALTER CONSTRAINT item_order_id_fkey DEFERRABLE;
SET ROLE va_app;
BEGIN;
SET LOCAL personalize.purpose = 'va_rec';
SELECT refused('WITH d AS (DELETE FROM orders WHERE id = 10 RETURNING id) INSERT INTO orders SELECT 10, 1, ''x'' FROM d');
SELECT refused('WITH d AS (UPDATE orders SET id = -1 WHERE id = 10 RETURNING 1) UPDATE orders SET id = 10 FROM d WHERE id = 40');
SET CONSTRAINTS ALL DEFERRED;
SELECT refused('DELETE FROM orders WHERE id = 10');
SELECT refused('UPDATE orders SET id = -1 WHERE id = 10');
/* what nobody refers to may go, and other columns may change */
UPDATE orders SET note = 'changed' WHERE id = 10 RETURNING note;
DELETE FROM item WHERE order_id = 10;
DELETE FROM orders WHERE id = 10 RETURNING id;
ROLLBACK;
SELECT seen('va_ads', :'items');
RESET ROLE;

/* a row that refers to one that is not there is nobody's, and not visible for that */
CREATE TABLE note (id integer PRIMARY KEY, order_id bigint REFERENCES orders, txt text);
INSERT INTO note SELECT i * 10, i * 10, 'of ' || (1 + i % 4) FROM generate_series(1, 8) AS i;
INSERT INTO note VALUES (1, NULL, 'of nobody');
SELECT personalize.protect('note', via => 'order_id', null_subject => 'visible', columns => '{"*": "va_g"}');
SELECT seen('va_ads', 'SELECT string_agg(DISTINCT txt, '','') FROM note');
SET session_replication_role = replica;
BEGIN;
SET LOCAL personalize.purpose = 'break_glass';
DELETE FROM orders WHERE id = 30;
SELECT seen('va_ads', 'SELECT string_agg(txt, '','') FROM note WHERE id = 30');
ROLLBACK;
RESET session_replication_role;

/* one person's key by way of another column of the same relation is not that of the row */
CREATE TABLE x (id integer PRIMARY KEY, alt_order bigint REFERENCES orders (alt), what text);
INSERT INTO x VALUES (1, 10, 'x');
SELECT personalize.protect('x', via => 'alt_order', columns => '{"*": "va_g"}');
GRANT ALL ON x TO va_app;
SET ROLE va_app;
BEGIN;
SET LOCAL personalize.purpose = 'va_rec';
INSERT INTO item SELECT alt_order, 90, what FROM x;
ROLLBACK;
RESET ROLE;

/* types, parents and depths that are refused */
CREATE TABLE c (id integer, code char(4) PRIMARY KEY);
CREATE TABLE o (code char(4) REFERENCES c);
SELECT personalize.protect('c', 'id', kind => 'va');
SELECT personalize.protect('o', via => 'code');
CREATE TABLE ob (id integer PRIMARY KEY, c integer);
CREATE TABLE obc (ob integer REFERENCES ob);
SELECT personalize.protect('ob', 'c', kind => 'va', mode => 'observe');
SELECT personalize.protect('obc', via => 'ob');
CREATE TABLE d0 (id integer PRIMARY KEY, c integer);
SELECT personalize.protect('d0', 'c', kind => 'va');
INSERT INTO d0 VALUES (1, 1);
DO $$
BEGIN
	FOR i IN 1 .. 17 LOOP
		EXECUTE format('CREATE TABLE d%s (id integer PRIMARY KEY, up integer REFERENCES d%s)', i, i - 1);
		EXECUTE format('INSERT INTO d%s VALUES (1, 1)', i);
		PERFORM personalize.protect(format('d%s', i), via => 'up', columns => '{"id": "va_g"}');
	END LOOP;
END $$;
DO $$
BEGIN
	FOR i IN 1 .. 16 LOOP
		EXECUTE format('CREATE TABLE d%s (id integer PRIMARY KEY, up integer REFERENCES d%s)', i, i - 1);
		EXECUTE format('INSERT INTO d%s VALUES (1, 1)', i);
		PERFORM personalize.protect(format('d%s', i), via => 'up', columns => '{"id": "va_g"}');
	END LOOP;
END $$;
SELECT seen('va_ads', 'SELECT count(*) FROM d16');

/* inheritance children of the relation referred to are not referred to */
CREATE TABLE ih (id integer PRIMARY KEY, c integer);
CREATE TABLE ihc (id integer PRIMARY KEY, ih integer REFERENCES ih, what text);
CREATE TABLE ih2 () INHERITS (ih);
INSERT INTO ih VALUES (1, 3);
INSERT INTO ih2 VALUES (1, 1);
INSERT INTO ihc VALUES (1, 1, 'of 3');
SELECT personalize.protect('ih', 'c', kind => 'va', columns => '{"*": "va_g"}'), personalize.protect('ihc', via => 'ih', columns => '{"*": "va_g"}');
SELECT (SELECT count(*) FROM personalize.export_rows(1, 'va') WHERE relation = 'va.ihc') AS of_1, (SELECT count(*) FROM personalize.export_rows(3, 'va') WHERE relation = 'va.ihc') AS of_3;

/* more rows than are remembered, two steps and keys that are texts; a row's key is kept while others are looked up */
CREATE TABLE cust (email text PRIMARY KEY);
CREATE TABLE ord (id integer PRIMARY KEY, email text REFERENCES cust);
CREATE TABLE it (id integer PRIMARY KEY, ord_id integer REFERENCES ord);
INSERT INTO cust SELECT 'person' || i || '@example.org' FROM generate_series(1, 34000) AS i;
INSERT INTO ord SELECT i, 'person' || greatest(i, 2) || '@example.org' FROM generate_series(1, 34000) AS i;
INSERT INTO it SELECT i, i FROM generate_series(1, 34000) AS i;
SELECT personalize.protect('cust', 'email', kind => 'va_mail', columns => '{"*": "va_g"}'), personalize.protect('ord', 'email', kind => 'va_mail', columns => '{"*": "va_g"}'),
	personalize.protect('it', via => 'ord_id', columns => '{"*": "va_g"}');
CREATE TEMP TABLE said AS SELECT email AS subject, 'va_rec' AS purpose, 'given' AS action, 'va_mail' AS kind FROM cust WHERE false;
INSERT INTO said SELECT 'person' || i || '@example.org', 'va_rec', 'given', 'va_mail' FROM generate_series(1, 34000) AS i;
SELECT personalize.record_consents('said');
GRANT SELECT ON it TO va_app;
SET ROLE va_app;
SET jit = off; SET max_parallel_workers_per_gather = 0;
SELECT seen('va_rec', 'SELECT count(*) FROM it');
SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_sort = off; SET enable_material = off; SET enable_memoize = off;
BEGIN;
SET LOCAL personalize.purpose = 'va_rec';
SELECT a.id, b.id FROM (SELECT * FROM it WHERE id > 33999 OFFSET 0) AS a JOIN (SELECT * FROM it OFFSET 0) AS b ON b.id < a.id AND b.id % 34000 = 20001 LIMIT 1000000;
COMMIT;
RESET ALL;
RESET ROLE;
SET client_min_messages = warning;
SET search_path = va;
SELECT personalize.audit_sync();
SELECT u.precision, (SELECT string_agg(s.subject, ',' ORDER BY s.subject) FROM personalize.subjects_of(u.usage_id) AS s) AS subjects
	FROM personalize.usage AS u WHERE u.relation_name = 'va.it' ORDER BY u.usage_id DESC LIMIT 1;
DO $$
DECLARE r record;
BEGIN
	FOR r IN SELECT DISTINCT p.relation, p.via IS NULL AS last FROM personalize.protected_relations AS p
		WHERE p.relation_name LIKE 'va.%' AND p.relation_name !~ '\.d[0-9]+$' ORDER BY 2 LOOP
		PERFORM personalize.unprotect(r.relation);
	END LOOP;
	FOR i IN REVERSE 16 .. 0 LOOP
		PERFORM personalize.unprotect(format('va.d%s', i));
	END LOOP;
END $$;
SELECT personalize.revoke_purpose(p, r), personalize.retire_purpose(p) FROM unnest('{va_rec,va_ads}'::text[]) AS p, unnest('{va_app,va_owner}'::regrole[]) AS r;
DROP SCHEMA va CASCADE;
DROP OWNED BY va_app, va_owner;
DROP ROLE va_app, va_owner;
