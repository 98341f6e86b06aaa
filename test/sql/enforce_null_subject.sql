-- A row without a subject is withheld, unless the relation was protected with null_subject => 'visible'.
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
	PERFORM personalize.define_kind('enforce_null_subject', 'bigint');
	PERFORM personalize.define_category('enf_general', 'for tests');
	PERFORM personalize.define_purpose('enf_ads', 'for tests', categories => '{enf_general}');
	PERFORM personalize.define_purpose('enf_mail', 'for tests', categories => '{enf_general}');
	PERFORM personalize.protect('enf.customer', 'id', kind => 'enforce_null_subject', columns => '{"*":"enf_general"}');
	PERFORM personalize.grant_purpose('enf_ads', 'regress_enf_app');
	PERFORM personalize.grant_purpose('enf_ads', 'regress_enf_owner');
	PERFORM personalize.grant_purpose('enf_mail', 'regress_enf_app');
	PERFORM personalize.grant_consent(i, 'enf_ads', kind => 'enforce_null_subject') FROM generate_series(1, 2) AS i;
	PERFORM personalize.grant_consent(i, 'enf_mail', kind => 'enforce_null_subject') FROM generate_series(1, 4) AS i;
END
$$;
\set VERBOSITY terse
SET ROLE regress_enf_owner;
CREATE TABLE enf.hidden (order_id integer PRIMARY KEY, customer_id integer);
INSERT INTO enf.hidden VALUES (1, 1), (2, NULL), (3, 5), (4, NULL);
CREATE TABLE enf.visible (LIKE enf.hidden INCLUDING ALL);
INSERT INTO enf.visible TABLE enf.hidden;
GRANT ALL ON enf.hidden, enf.visible TO regress_enf_app;
RESET ROLE;
DO $$
BEGIN
	PERFORM personalize.protect('enf.hidden', 'customer_id', kind => 'enforce_null_subject', columns => '{"*":"enf_general"}');
	PERFORM personalize.protect('enf.visible', 'customer_id', kind => 'enforce_null_subject', columns => '{"*":"enf_general"}', null_subject => 'visible');
END
$$;
SET ROLE regress_enf_app;
SELECT order_id FROM enf.visible WHERE customer_id IS NULL;
BEGIN;
SET LOCAL personalize.purpose = 'enf_ads';
SELECT * FROM enf.hidden ORDER BY 1;
SELECT * FROM enf.hidden WHERE customer_id IS NULL;
SELECT count(*) FROM enf.hidden;
SELECT * FROM enf.visible ORDER BY 1;
SELECT count(*) FROM enf.visible;
UPDATE enf.hidden SET order_id = order_id RETURNING *;
DELETE FROM enf.visible RETURNING *;
INSERT INTO enf.hidden VALUES (9, NULL) RETURNING *;
ROLLBACK;
/* to give a row a person, or take it away, is a change of its subject */
BEGIN; SET LOCAL personalize.purpose = 'enf_ads'; UPDATE enf.visible SET customer_id = 1 WHERE customer_id IS NULL; ROLLBACK;
BEGIN; SET LOCAL personalize.purpose = 'enf_ads'; UPDATE enf.visible SET customer_id = NULL WHERE customer_id = 1; ROLLBACK;
BEGIN; SET LOCAL personalize.purpose = 'enf_ads'; UPDATE enf.visible SET customer_id = NULL WHERE customer_id IS NULL RETURNING *; ROLLBACK;
RESET ROLE;
BEGIN; SET LOCAL personalize.purpose = 'backup'; SELECT * FROM enf.hidden ORDER BY 1; SELECT count(*) FROM enf.visible; COMMIT;
/* two subjects: both must permit; with one missing the relation's rule for it counts */
DO $$ BEGIN PERFORM personalize.define_kind('enf_second', 'bigint'); END $$;
ALTER TABLE enf.visible ADD COLUMN seller integer;
BEGIN;
SET LOCAL personalize.purpose = 'backup';
UPDATE enf.visible SET seller = CASE order_id WHEN 1 THEN 7 WHEN 2 THEN 8 WHEN 4 THEN 7 END;
COMMIT;
DO $$
BEGIN
	PERFORM personalize.classify('enf.visible', 'seller', 'none');
	PERFORM personalize.add_subject_path('enf.visible', '{seller}', kind => 'enf_second');
END
$$;
SET ROLE regress_enf_app;
BEGIN; SET LOCAL personalize.purpose = 'enf_ads'; SELECT * FROM enf.visible ORDER BY 1; COMMIT;
RESET ROLE;
SELECT personalize.grant_consent(7, 'enf_ads', kind => 'enf_second') IS NOT NULL AS given;
SET ROLE regress_enf_app;
BEGIN; SET LOCAL personalize.purpose = 'enf_ads'; SELECT * FROM enf.visible ORDER BY 1; ROLLBACK;
BEGIN; SET LOCAL personalize.purpose = 'enf_ads'; UPDATE enf.visible SET seller = 8 WHERE order_id = 1; ROLLBACK;
/* the same number under another kind is another person */
BEGIN; SET LOCAL personalize.purpose = 'enf_mail'; SELECT * FROM enf.visible ORDER BY 1; COMMIT;
RESET ROLE;
DROP SCHEMA enf CASCADE;
DROP OWNED BY regress_enf_owner, regress_enf_app;
DROP ROLE regress_enf_owner, regress_enf_app;
