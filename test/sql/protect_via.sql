/*
 * Relations that lead to a subject by a foreign key, along any number of steps, and
 * keys of several columns: filter, masks, writes, record, rights.
 */
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE SCHEMA via;
SET search_path = via, public;
SELECT personalize.define_kind('via', 'bigint');
SELECT personalize.define_category('via_general', 'for the test');
SELECT personalize.define_category('via_secret', 'for the test');
SELECT personalize.define_purpose('via_rec', 'for the test', categories => '{via_general, via_secret}');
SELECT personalize.define_purpose('via_contract', 'for the test', legal_basis => 'contract', categories => '{via_general, via_secret}');
CREATE ROLE via_app;
GRANT USAGE ON SCHEMA via TO via_app;
SELECT personalize.grant_purpose('via_rec', 'via_app'), personalize.grant_purpose('via_contract', 'via_app');

CREATE TABLE customer (id integer PRIMARY KEY, name text);
CREATE TABLE orders (id bigint PRIMARY KEY, customer_id integer REFERENCES customer, note text) PARTITION BY RANGE (id);
CREATE TABLE orders_a PARTITION OF orders FOR VALUES FROM (0) TO (100);
CREATE TABLE orders_b (note text, customer_id integer, id bigint NOT NULL);
ALTER TABLE orders ATTACH PARTITION orders_b FOR VALUES FROM (100) TO (1000);
CREATE TABLE item (order_id bigint REFERENCES orders ON UPDATE CASCADE, line integer, what text, secret text, PRIMARY KEY (order_id, line));
CREATE TABLE remark (id integer PRIMARY KEY, order_id bigint, line integer, txt text,
	FOREIGN KEY (order_id, line) REFERENCES item ON UPDATE CASCADE ON DELETE CASCADE);
INSERT INTO customer SELECT i, 'customer ' || i FROM generate_series(1, 4) AS i;
INSERT INTO orders (id, customer_id, note) SELECT i * 10, nullif(i % 5, 0), 'order ' || i FROM generate_series(1, 20) AS i;
INSERT INTO item SELECT o.id, l, 'item ' || o.id || '-' || l, 'secret' FROM orders AS o, generate_series(1, 2) AS l;
INSERT INTO remark SELECT row_number() OVER (ORDER BY order_id, line), order_id, line, 'remark' FROM item;
INSERT INTO remark VALUES (1000, NULL, NULL, 'of nobody');
GRANT ALL ON ALL TABLES IN SCHEMA via TO via_app;

/* what cannot be */
SELECT personalize.protect('item', via => 'order_id', kind => 'via', columns => '{"*": "via_general"}');
SELECT personalize.protect('customer', 'id', kind => 'via', columns => '{"*": "via_general"}');
SELECT personalize.protect('item', via => 'order_id', columns => '{"*": "via_general"}');
SELECT personalize.protect('item', via => 'what', columns => '{"*": "via_general"}');
SELECT personalize.protect('item', via => 'nonesuch', columns => '{"*": "via_general"}');
CREATE TABLE loose (id integer PRIMARY KEY, customer_id integer);
ALTER TABLE loose ADD FOREIGN KEY (customer_id) REFERENCES customer NOT VALID;
SELECT personalize.protect('loose', via => 'customer_id');
ALTER TABLE loose VALIDATE CONSTRAINT loose_customer_id_fkey;
CREATE TABLE loose_child () INHERITS (loose);
SELECT personalize.protect('loose', via => 'customer_id');
ALTER TABLE loose_child NO INHERIT loose;
SELECT personalize.protect('loose', via => 'customer_id', columns => '{"*": "via_general"}');
ALTER TABLE loose_child INHERIT loose;
CREATE TABLE generated (id integer PRIMARY KEY, customer_id integer GENERATED ALWAYS AS (id) STORED REFERENCES customer);
SELECT personalize.protect('generated', via => 'customer_id');
CREATE TABLE tree (id integer PRIMARY KEY, customer_id integer REFERENCES customer, parent integer REFERENCES tree);
SELECT personalize.protect('tree', 'customer_id', via => 'parent', kind => 'via');

SELECT personalize.protect('orders', 'customer_id', kind => 'via', columns => '{"id": "none", "*": "via_general"}');
SELECT personalize.protect('item', via => 'order_id', columns => '{"secret": "via_secret", "*": "via_general"}');
SELECT personalize.protect('remark', via => 'line', columns => '{"*": "via_general"}');
SELECT relation, subject, kind, ownership, via FROM personalize.protected_relations WHERE relation_name LIKE 'via.%' ORDER BY relation_name;
SELECT check_name, detail, hint FROM personalize.status() WHERE NOT ok AND detail LIKE '%via.%';
SELECT personalize.unprotect('orders');

/* the filter: customer 1 agrees to all, customer 2 to one category */
SELECT personalize.grant_consent(1, 'via_rec', kind => 'via') > 0 AS recorded;
SELECT personalize.grant_consent(2, 'via_rec', ARRAY['via_general'], kind => 'via') > 0 AS recorded;
SET ROLE via_app;
SELECT count(*) FROM item;
BEGIN;
SET LOCAL personalize.purpose = 'via_rec';
SELECT order_id, line, what, secret FROM item ORDER BY order_id, line;
SELECT order_id, line, count(*) FROM remark GROUP BY order_id, line ORDER BY order_id, line;
SELECT count(*) FROM remark WHERE txt = 'of nobody';
EXPLAIN (COSTS OFF) SELECT what FROM item WHERE order_id = 10;
SELECT what FROM item WHERE order_id = 10 ORDER BY line;
SELECT what FROM item WHERE order_id = 30;
/* outer joins, sub-selects, index-only scans */
SELECT o.id, i.line FROM orders AS o LEFT JOIN item AS i ON i.order_id = o.id AND i.line = 2 ORDER BY 1 LIMIT 3;
SELECT count(*) FROM orders AS o WHERE EXISTS (SELECT FROM item AS i WHERE i.order_id = o.id);
SELECT count(*) FROM generate_series(10, 200, 10) AS g (id) LEFT JOIN item AS i ON i.order_id = g.id;
SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off;
SELECT order_id, line FROM item WHERE order_id < 60 ORDER BY order_id, line;
COMMIT;
/* contract: everybody, but who leads nowhere */
BEGIN;
SET LOCAL personalize.purpose = 'via_contract';
SELECT count(*) FROM item;
SELECT count(*) FROM remark;
COMMIT;
RESET ROLE;
/* a withdrawal reaches down at once */
BEGIN;
SELECT personalize.withdraw_consent(1, 'via_rec', kind => 'via') > 0 AS recorded;
SET LOCAL personalize.purpose = 'via_rec';
SELECT count(*) FROM item WHERE order_id = 10;
ROLLBACK;

/* who is on record */
SELECT personalize.audit_sync();
SELECT u.relation_name, u.precision, u.rows_used, u.query, (SELECT string_agg(s.subject, ',' ORDER BY s.subject) FROM personalize.subjects_of(u.usage_id) AS s) AS subjects
	FROM personalize.usage AS u WHERE u.relation_name IN ('via.item', 'via.remark') AND u.db_role = 'via_app' AND u.status = 'ended' ORDER BY u.usage_id, u.relation_name;

/* writes */
SET ROLE via_app;
BEGIN;
SET LOCAL personalize.purpose = 'via_rec';
INSERT INTO item VALUES (10, 3, 'new', 'new') RETURNING order_id, line;
UPDATE item SET what = 'changed' WHERE order_id IN (10, 30) RETURNING order_id, line;
/* to another order of the same person, not to that of another */
UPDATE item SET order_id = 60 WHERE order_id = 10 AND line = 3 RETURNING order_id, line;
SAVEPOINT s;
UPDATE item SET order_id = 70 WHERE order_id = 60 AND line = 3;
ROLLBACK TO s;
UPDATE remark SET order_id = 20 WHERE order_id = 10 AND line = 1;
ROLLBACK TO s;
UPDATE item SET secret = 'x' WHERE order_id = 20;
ROLLBACK TO s;
INSERT INTO item VALUES (30, 1, 'x', 'x') ON CONFLICT (order_id, line) DO UPDATE SET what = EXCLUDED.what;
ROLLBACK TO s;
INSERT INTO item VALUES (10, 1, 'x', 'x') ON CONFLICT (order_id, line) DO UPDATE SET what = EXCLUDED.what RETURNING what;
DELETE FROM item WHERE order_id IN (60, 70) AND line = 3 RETURNING order_id;
DELETE FROM item WHERE order_id = 30 RETURNING order_id;
ROLLBACK;
/* a trigger that moves a row is watched, too */
RESET ROLE;
CREATE FUNCTION move() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.order_id := 30; RETURN NEW; END $$;
CREATE TRIGGER move BEFORE UPDATE ON item FOR EACH ROW EXECUTE FUNCTION move();
SET ROLE via_app;
BEGIN;
SET LOCAL personalize.purpose = 'via_rec';
UPDATE item SET what = 'x' WHERE order_id = 10;
ROLLBACK;
RESET ROLE;
DROP TRIGGER move ON item;
/* a key that changes takes its rows along: the person is the same */
SET ROLE via_app;
BEGIN;
SET LOCAL personalize.purpose = 'via_rec';
UPDATE item SET line = 5 WHERE order_id = 10 AND line = 1 RETURNING line;
UPDATE orders SET id = 11 WHERE id = 10 RETURNING id;
SELECT order_id, line FROM item WHERE order_id IN (10, 11) ORDER BY line;
SELECT order_id, line FROM remark WHERE order_id IN (10, 11) ORDER BY line;
ROLLBACK;
/* rows made of others say whose they are */
BEGIN;
SET LOCAL personalize.purpose = 'via_rec';
INSERT INTO item SELECT order_id, line + 10, what FROM item WHERE order_id = 10;
SAVEPOINT s;
INSERT INTO item SELECT id, 20, note FROM orders WHERE id = 10;
ROLLBACK TO s;
INSERT INTO item SELECT 10, 30 + line, what FROM item WHERE order_id = 20;
ROLLBACK TO s;
INSERT INTO item SELECT customer_id * 10, 40, note FROM orders WHERE id = 20;
ROLLBACK;

/* nobody asks the functions */
SELECT personalize.path_key_int8(NULL, 10::bigint), personalize.path_name(NULL, 10::bigint);
SELECT personalize.path_values(NULL, 1, ARRAY['1'], 1);
SELECT personalize.rights_values(1, 1, ARRAY['1'], 1);
SELECT personalize.rights_path_key(1, 10::bigint);
RESET ROLE;
SELECT personalize.rights_path_key(p.path_id, 10::bigint) FROM personalize.registry_path AS p WHERE p.relid = 'via.item'::regclass;

/* without its foreign key nothing is served; with it again, all is */
ALTER TABLE item DROP CONSTRAINT item_order_id_fkey;
SELECT check_name, detail, hint FROM personalize.status() WHERE NOT ok AND detail LIKE '%via.%';
SET ROLE via_app;
BEGIN;
SET LOCAL personalize.purpose = 'via_rec';
SELECT count(*) FROM item;
ROLLBACK;
RESET ROLE;
/* rights say why, too */
\set VERBOSITY terse
SELECT personalize.export_subject(1, 'via');
SELECT personalize.erase_subject(1, dry_run => true, kind => 'via');
SELECT personalize.rectify_subject(1, 'item', '{"what": "x"}', 'via');
\set VERBOSITY default
ALTER TABLE item ADD CONSTRAINT item_order_id_fkey FOREIGN KEY (order_id) REFERENCES orders ON UPDATE CASCADE;
SET ROLE via_app;
BEGIN;
SET LOCAL personalize.purpose = 'via_rec';
SELECT count(*) FROM item;
COMMIT;
RESET ROLE;

/* rights */
SELECT * FROM personalize.export_rows(1, 'via') WHERE relation <> 'via.customer' ORDER BY relation, data LIMIT 6;
SELECT count(*) FROM personalize.export_csv(1, 'remark', 'via');
SELECT personalize.rectify_subject(1, 'item', '{"what": "corrected"}', 'via') - 'rectification_id' AS corrected;
BEGIN;
SET LOCAL personalize.purpose = 'break_glass';
SELECT what, count(*) FROM item WHERE what = 'corrected' GROUP BY what;
CREATE TEMP TABLE kept AS SELECT 'item' AS t, to_jsonb(i) AS r FROM item AS i WHERE order_id NOT IN (SELECT id FROM orders WHERE customer_id = 1)
	UNION ALL SELECT 'remark', to_jsonb(k) FROM remark AS k WHERE order_id IS NULL OR order_id NOT IN (SELECT id FROM orders WHERE customer_id = 1);
COMMIT;
SELECT r.value FROM jsonb_array_elements(personalize.erase_subject(1, dry_run => true, kind => 'via') -> 'relations') AS r;
SELECT r.value FROM jsonb_array_elements(personalize.erase_subject(1, kind => 'via') -> 'relations') AS r;
BEGIN;
SET LOCAL personalize.purpose = 'break_glass';
SELECT count(*) AS different FROM (SELECT t, r FROM kept EXCEPT ALL (SELECT 'item', to_jsonb(i) FROM item AS i UNION ALL SELECT 'remark', to_jsonb(k) FROM remark AS k)) AS x;
SELECT (SELECT count(*) FROM item) + (SELECT count(*) FROM remark) - (SELECT count(*) FROM kept) AS more;
COMMIT;
/* what comes back under the key is withheld, all the way down */
SELECT personalize.grant_consent(3, 'via_rec', kind => 'via') > 0 AS recorded;
INSERT INTO customer VALUES (1, 'again');
INSERT INTO orders VALUES (10, 1, 'again'), (77, 3, 'of another');
INSERT INTO item VALUES (10, 1, 'again'), (77, 1, 'of another');
SET ROLE via_app;
BEGIN;
SET LOCAL personalize.purpose = 'via_contract';
SELECT what FROM item WHERE order_id IN (10, 77);
COMMIT;
RESET ROLE;

/* two persons for each row: a child of a message is of both */
CREATE TABLE message (id integer PRIMARY KEY, sender integer, recipient integer, body text);
CREATE TABLE attachment (id integer PRIMARY KEY, message_id integer NOT NULL REFERENCES message, content text);
INSERT INTO message VALUES (1, 101, 102, 'hello'), (2, 101, 103, 'hi'), (3, 102, 101, 'ho'), (4, 101, 101, 'to myself');
INSERT INTO attachment SELECT i, i, 'content ' || i FROM generate_series(1, 4) AS i;
GRANT ALL ON message, attachment TO via_app;
SELECT personalize.protect('message', 'sender', kind => 'via', columns => '{"*": "via_general"}');
SELECT personalize.protect('attachment', via => 'message_id', columns => '{"*": "via_general"}');
/* the child follows a path that its parent gets later */
SELECT personalize.add_subject_path('message', '{recipient}', kind => 'via');
SELECT relation, subject, via FROM personalize.protected_relations WHERE relation_name = 'via.attachment';
SELECT personalize.grant_consent(101, 'via_rec', kind => 'via') > 0, personalize.grant_consent(102, 'via_rec', kind => 'via') > 0;
SET ROLE via_app;
BEGIN;
SET LOCAL personalize.purpose = 'via_rec';
SELECT * FROM attachment ORDER BY id;
COMMIT;
RESET ROLE;
SELECT relation, data FROM personalize.export_rows(101, 'via') ORDER BY 1, 2;
SELECT r.value FROM jsonb_array_elements(personalize.erase_subject(101, dry_run => true, kind => 'via') -> 'relations') AS r WHERE r.value ->> 'rows' <> '0';
SELECT r.value FROM jsonb_array_elements(personalize.erase_subject(101, kind => 'via') -> 'relations') AS r WHERE r.value ->> 'rows' <> '0';
BEGIN;
SET LOCAL personalize.purpose = 'break_glass';
SELECT * FROM message ORDER BY id;
SELECT * FROM attachment ORDER BY id;
COMMIT;
SELECT r.value FROM jsonb_array_elements(personalize.erase_subject(102, kind => 'via') -> 'relations') AS r WHERE r.value ->> 'rows' <> '0';
BEGIN;
SET LOCAL personalize.purpose = 'break_glass';
SELECT * FROM message ORDER BY id;
SELECT * FROM attachment ORDER BY id;
COMMIT;

/* a key of several columns */
CREATE TABLE patient (tenant integer, no uuid, name text, PRIMARY KEY (tenant, no));
CREATE TABLE visit (tenant integer, id integer, patient_no uuid, what text, PRIMARY KEY (tenant, id), FOREIGN KEY (tenant, patient_no) REFERENCES patient);
CREATE TABLE finding (tenant integer, visit_id integer, txt text, FOREIGN KEY (tenant, visit_id) REFERENCES visit);
INSERT INTO patient SELECT t, md5(p::text)::uuid, 'patient ' || t || '-' || p FROM generate_series(1, 2) AS t, generate_series(1, 2) AS p;
INSERT INTO visit SELECT tenant, row_number() OVER (ORDER BY tenant, no), no, 'visit of ' || name FROM patient;
INSERT INTO finding SELECT tenant, id, 'finding at ' || what FROM visit;
GRANT ALL ON patient, visit, finding TO via_app;
SELECT personalize.protect('patient', columns => '{"*": "via_general"}');
SELECT check_name, detail, hint FROM personalize.status() WHERE NOT ok AND detail LIKE '%via.patient%';
SET ROLE via_app;
BEGIN;
SET LOCAL personalize.purpose = 'via_contract';
SELECT * FROM patient;
ROLLBACK;
RESET ROLE;
SELECT personalize.add_subject_path('patient', '{tenant, no}', kind => 'via');
SELECT personalize.define_kind('via_patient', 'text');
SELECT personalize.add_subject_path('patient', '{tenant, tenant}', kind => 'via_patient');
SELECT personalize.add_subject_path('patient', '{tenant, no}', kind => 'via_patient');
SELECT personalize.classify('patient', 'tenant', 'none'), personalize.classify('patient', 'no', 'none');
SELECT personalize.protect('visit', via => 'patient_no', columns => '{"*": "via_general"}');
SELECT personalize.protect('finding', columns => '{"*": "via_general"}');
SELECT personalize.add_subject_path('finding', '{tenant, visit_id}', via => true);
SELECT relation, subject, kind, via FROM personalize.protected_relations WHERE kind = 'via_patient' ORDER BY relation_name;
SELECT check_name, detail, hint FROM personalize.status() WHERE NOT ok AND detail LIKE '%via.%';
SELECT personalize.grant_consent(ARRAY['1', md5('2')::uuid::text]::text, 'via_rec', kind => 'via_patient') > 0 AS recorded;
SET ROLE via_app;
BEGIN;
SET LOCAL personalize.purpose = 'via_rec';
SELECT * FROM patient;
SELECT * FROM visit;
SELECT * FROM finding;
SELECT p.name, f.txt FROM patient AS p JOIN visit AS v ON v.tenant = p.tenant AND v.patient_no = p.no JOIN finding AS f ON f.tenant = v.tenant AND f.visit_id = v.id;
UPDATE visit SET tenant = 2;
ROLLBACK;
RESET ROLE;
SELECT relation, data FROM personalize.export_rows(ARRAY['1', md5('2')::uuid::text]::text, 'via_patient') ORDER BY 1, 2;
SELECT personalize.audit_sync();
SELECT DISTINCT u.relation_name, u.precision, s.subject FROM personalize.usage AS u CROSS JOIN personalize.subjects_of(u.usage_id) AS s
	WHERE u.purpose = 'via_rec' AND s.kind = 'via_patient' ORDER BY 1, 2, 3;
SELECT r.value FROM jsonb_array_elements(personalize.erase_subject(ARRAY['1', md5('2')::uuid::text]::text, kind => 'via_patient') -> 'relations') AS r;
/* a key that can be nobody's */
SELECT r.value FROM jsonb_array_elements(personalize.erase_subject('{a,b', dry_run => true, kind => 'via_patient') -> 'relations') AS r;
SELECT r.value FROM jsonb_array_elements(personalize.erase_subject('{99999999999,x}', dry_run => true, kind => 'via_patient') -> 'relations') AS r;
BEGIN;
SET LOCAL personalize.purpose = 'break_glass';
SELECT tenant, name FROM patient ORDER BY name;
SELECT tenant, txt FROM finding ORDER BY txt;
COMMIT;
SELECT ok, first_bad FROM personalize.verify_audit();
SELECT personalize.unprotect('finding'), personalize.unprotect('visit'), personalize.unprotect('patient'), personalize.unprotect('attachment'),
	personalize.unprotect('message'), personalize.unprotect('remark'), personalize.unprotect('item'), personalize.unprotect('orders'),
	personalize.unprotect('loose'), personalize.unprotect('customer');
DROP SCHEMA via CASCADE;
DROP ROLE via_app;
