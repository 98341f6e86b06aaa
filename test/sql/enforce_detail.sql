-- Details of errors show no values of protected relations: not to superusers, not by cascades, not at commit, not to handlers.
SET client_min_messages = warning;
\pset format unaligned
\set SHOW_CONTEXT never
CREATE ROLE regress_enf_owner;
CREATE ROLE regress_enf_app;
CREATE ROLE regress_enf_bypass BYPASSRLS;
CREATE ROLE regress_enf_backup BYPASSRLS;
CREATE SCHEMA enf AUTHORIZATION regress_enf_owner;
GRANT USAGE ON SCHEMA enf TO PUBLIC;
SET ROLE regress_enf_owner;
/* not protected, referred to by what is, and the other way round */
CREATE TABLE enf.city (id integer PRIMARY KEY, name text UNIQUE);
CREATE TABLE enf.customer (
	id integer PRIMARY KEY, email text, note text CONSTRAINT short CHECK (length(note) < 20), age integer,
	city integer REFERENCES enf.city ON DELETE SET NULL ON UPDATE CASCADE,
	CONSTRAINT email UNIQUE (email) DEFERRABLE INITIALLY IMMEDIATE,
	EXCLUDE USING btree (note WITH =),
	CONSTRAINT has_city CHECK (city IS NOT NULL AND city < 100));
CREATE TABLE enf.newsletter (id integer PRIMARY KEY, customer integer CONSTRAINT reader REFERENCES enf.customer DEFERRABLE);
CREATE TABLE enf.visit (id integer, place text NOT NULL, CONSTRAINT place CHECK (place <> 'secret0')) PARTITION BY RANGE (id);
CREATE TABLE enf.visit_1 PARTITION OF enf.visit FOR VALUES FROM (0) TO (100);
CREATE UNIQUE INDEX visit_1_place ON enf.visit_1 (place);
INSERT INTO enf.city VALUES (1, 'Ulm'), (2, 'Bonn'), (3, 'Trier');
INSERT INTO enf.customer SELECT i, i || '@example.org', 'secret' || i, 30 + i, i % 2 + 1 FROM generate_series(1, 5) AS i;
INSERT INTO enf.newsletter VALUES (1, 1), (5, 5);
INSERT INTO enf.visit SELECT i, 'secret' || i FROM generate_series(1, 5) AS i;
CREATE VIEW enf.young AS SELECT * FROM enf.customer WHERE age < 33 WITH CHECK OPTION;
CREATE VIEW enf.northern AS SELECT * FROM enf.city WHERE id < 10 WITH CHECK OPTION;
GRANT ALL ON ALL TABLES IN SCHEMA enf TO regress_enf_app, regress_enf_bypass, regress_enf_backup;
RESET ROLE;
/* 1 and 2 agreed */
DO $$
BEGIN
	PERFORM personalize.define_kind('enforce_detail', 'bigint');
	PERFORM personalize.define_category('enf_general', 'for tests');
	PERFORM personalize.define_purpose('enf_ads', 'for tests', categories => '{enf_general}');
	PERFORM personalize.protect('enf.customer', 'id', kind => 'enforce_detail', columns => '{"*":"enf_general"}');
	PERFORM personalize.protect('enf.visit', 'id', kind => 'enforce_detail', columns => '{"*":"enf_general"}');
	PERFORM personalize.grant_purpose('enf_ads', 'regress_enf_app');
	PERFORM personalize.grant_purpose('enf_ads', 'regress_enf_bypass');
	PERFORM personalize.grant_purpose('backup', 'regress_enf_backup');
	PERFORM personalize.grant_consent(i, 'enf_ads', kind => 'enforce_detail') FROM generate_series(1, 2) AS i;
END
$$;
SET personalize.purpose_scope = session;
SET personalize.purpose = 'enf_ads';
/* a superuser, and a role with BYPASSRLS */
INSERT INTO enf.customer VALUES (5, 'x', 'y', 1, 1);
INSERT INTO enf.customer VALUES (6, '5@example.org', 'y', 1, 1);
INSERT INTO enf.customer VALUES (6, '6@example.org', 'secret5', 1, 1);
UPDATE enf.customer SET note = 'secret5' WHERE id = 1;
UPDATE enf.customer SET note = repeat(note, 9) WHERE id = 1;
UPDATE enf.customer SET id = 5 WHERE id = 1;
DELETE FROM enf.customer WHERE id = 1;
INSERT INTO enf.visit VALUES (7, 'secret5');
INSERT INTO enf.visit_1 VALUES (7, 'secret5');
INSERT INTO enf.visit VALUES (7, 'secret0');
INSERT INTO enf.visit VALUES (7, NULL);
INSERT INTO enf.visit VALUES (700, 'secret7');
UPDATE enf.young SET age = 99;
INSERT INTO enf.young VALUES (6, '6@example.org', 'y', 99, 1);
WITH old AS (SELECT * FROM enf.customer) INSERT INTO enf.customer SELECT 5, email, note, age, city FROM old;
COPY enf.customer (id, email, note, age, city) FROM stdin;
8	8@example.org	secret8	8	1
9	9@example.org	secret5	9	1
\.
\set SHOW_CONTEXT always
COPY enf.customer (id, email, note, age, city) FROM stdin;
8	8@example.org	secret8	8	1
5	9@example.org	secret9	9	1
\.
\set SHOW_CONTEXT never
MERGE INTO enf.customer c USING (VALUES (1)) v (id) ON c.id = v.id WHEN MATCHED THEN UPDATE SET note = 'secret5';
SET ROLE regress_enf_bypass;
INSERT INTO enf.customer VALUES (5, 'x', 'y', 1, 1);
UPDATE enf.customer SET note = 'secret5' WHERE id = 1;
UPDATE enf.customer SET note = repeat(note, 9) WHERE id = 1;
INSERT INTO enf.visit VALUES (7, 'secret5');
/* a cascade runs as the owner and shows the rows of everybody to anybody */
SET ROLE regress_enf_app;
DELETE FROM enf.city WHERE id = 2;
UPDATE enf.city SET id = 200 WHERE id = 2;
/* handlers */
CREATE FUNCTION pg_temp.handled(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	shown text;
BEGIN
	EXECUTE query;
	RETURN 'did not fail';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS shown = PG_EXCEPTION_DETAIL;
	RETURN sqlstate || ' ' || shown;
END
$$;
SELECT pg_temp.handled('DELETE FROM enf.city WHERE id = 2');
RESET ROLE;
SELECT pg_temp.handled('INSERT INTO enf.customer VALUES (5, ''x'', ''y'', 1, 1)');
SELECT pg_temp.handled('UPDATE enf.customer SET note = ''secret5''');
/* deferred to the commit, in a block and without one; after an error that emptied the stack of callbacks */
BEGIN;
SET CONSTRAINTS enf.email DEFERRED;
UPDATE enf.customer SET email = '5@example.org' WHERE id = 1;
COMMIT;
BEGIN;
SET CONSTRAINTS enf.email DEFERRED;
UPDATE enf.customer SET email = '5@example.org' WHERE id = 1;
SET CONSTRAINTS ALL IMMEDIATE;
ROLLBACK;
ALTER TABLE enf.newsletter ALTER CONSTRAINT reader DEFERRABLE INITIALLY DEFERRED;
DELETE FROM enf.customer WHERE id = 1;
SELECT 1 / 0;
DELETE FROM enf.customer WHERE id = 1;
PREPARE p AS DELETE FROM enf.customer WHERE id = $1;
EXECUTE p (1);
SELECT 1 / 0;
EXECUTE p (1);
/* the client's own key is shown where the row with it is not of a protected relation */
INSERT INTO enf.newsletter VALUES (9, 9);
INSERT INTO enf.newsletter VALUES (1, 1);
INSERT INTO enf.city VALUES (9, 'Ulm');
INSERT INTO enf.northern VALUES (99, 'Oslo');
SET ROLE regress_enf_app;
INSERT INTO enf.newsletter VALUES (9, 9);
INSERT INTO enf.newsletter VALUES (1, 1);
INSERT INTO enf.city VALUES (9, 'Ulm');
DO $$ BEGIN RAISE unique_violation USING DETAIL = 'of the application'; END $$;
/* so is everything to whoever may see every row */
RESET ROLE;
SET personalize.purpose = 'break_glass';
INSERT INTO enf.customer VALUES (6, '5@example.org', 'y', 1, 1);
UPDATE enf.young SET age = 99;
SET ROLE regress_enf_backup;
SET personalize.purpose = 'backup';
INSERT INTO enf.customer VALUES (6, '5@example.org', 'y', 1, 1);
SET ROLE regress_enf_bypass;
INSERT INTO enf.customer VALUES (6, '5@example.org', 'y', 1, 1);
RESET ROLE;
RESET personalize.purpose;
RESET personalize.purpose_scope;
DROP SCHEMA enf CASCADE;
DROP OWNED BY regress_enf_owner, regress_enf_app, regress_enf_bypass, regress_enf_backup;
DROP ROLE regress_enf_owner, regress_enf_app, regress_enf_bypass, regress_enf_backup;
