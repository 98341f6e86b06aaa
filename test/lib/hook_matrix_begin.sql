/*
 * Sourced first by the tests hook_matrix_*: the people, their relations, and
 * the table of forms that hook_matrix_run.sql runs.
 *
 * Persons 1 and 2 agreed to mx_ads, 2 without the category of the mail address;
 * 3 agreed to mx_wide only, 4 refused, 5 never said anything.  Whatever may be
 * seen for mx_ads begins with "yes", whatever may not with "hid".
 */
SET client_min_messages = error;
CREATE ROLE regress_mx_owner;
CREATE ROLE regress_mx_app;
CREATE ROLE regress_mx_bypass BYPASSRLS;
CREATE SCHEMA mx AUTHORIZATION regress_mx_owner;
GRANT USAGE, CREATE ON SCHEMA mx TO PUBLIC;
SET ROLE regress_mx_owner;
CREATE TABLE mx.person (id integer PRIMARY KEY, name text, mail text);
INSERT INTO mx.person SELECT i, CASE WHEN i < 3 THEN 'yes' ELSE 'hid' END || i, CASE WHEN i < 2 THEN 'yes' ELSE 'hid' END || i || '@mail'
	FROM generate_series(1, 5) AS i;
CREATE TABLE mx.orders (no integer PRIMARY KEY, person_id integer REFERENCES mx.person, item text);
INSERT INTO mx.orders SELECT i * 10, i, CASE WHEN i < 3 THEN 'yes' ELSE 'hid' END || 'item' || i FROM generate_series(1, 5) AS i;
CREATE INDEX orders_person ON mx.orders (person_id);
CREATE TABLE mx.part (id integer, name text) PARTITION BY LIST (id);
CREATE TABLE mx.part_a PARTITION OF mx.part FOR VALUES IN (1, 3);
CREATE TABLE mx.part_b PARTITION OF mx.part FOR VALUES IN (2, 4);
CREATE TABLE mx.part_d PARTITION OF mx.part DEFAULT;
INSERT INTO mx.part SELECT id, 'p' || name FROM mx.person;
UPDATE mx.part SET name = substr(name, 2);
CREATE TABLE mx.old (id integer, name text);
CREATE TABLE mx.old_child () INHERITS (mx.old);
INSERT INTO mx.old SELECT id, name FROM mx.person WHERE id IN (1, 3);
INSERT INTO mx.old_child SELECT id, name FROM mx.person WHERE id IN (2, 4);
CREATE TABLE mx.above (id integer, name text);
CREATE TABLE mx.below () INHERITS (mx.above);
INSERT INTO mx.above VALUES (0, 'free');
INSERT INTO mx.below SELECT id, name FROM mx.person;
CREATE TABLE mx.free (id integer PRIMARY KEY, word text);
INSERT INTO mx.free SELECT i, 'word' || i FROM generate_series(1, 5) AS i;
GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER ON ALL TABLES IN SCHEMA mx TO regress_mx_app, regress_mx_bypass;
RESET ROLE;
DO $$
DECLARE
	r text;
BEGIN
	PERFORM personalize.define_kind('hook_matrix', 'bigint');
	PERFORM personalize.define_category('mx_general', 'for tests');
	PERFORM personalize.define_category('mx_contact', 'for tests');
	PERFORM personalize.define_purpose('mx_ads', 'for tests', categories => '{mx_general,mx_contact}');
	PERFORM personalize.define_purpose('mx_copy', 'for tests', categories => '{mx_general,mx_contact}');
	PERFORM personalize.define_purpose('mx_wide', 'for tests', categories => '{mx_general,mx_contact}');
	PERFORM personalize.protect('mx.person', 'id', kind => 'hook_matrix', columns => '{"*":"mx_general","mail":"mx_contact"}');
	PERFORM personalize.protect('mx.orders', 'person_id', kind => 'hook_matrix', columns => '{"*":"mx_general"}');
	PERFORM personalize.protect('mx.part', 'id', kind => 'hook_matrix', columns => '{"*":"mx_general"}');
	PERFORM personalize.protect('mx.old', 'id', kind => 'hook_matrix', columns => '{"*":"mx_general"}');
	PERFORM personalize.protect('mx.below', 'id', kind => 'hook_matrix', columns => '{"*":"mx_general"}');
	FOREACH r IN ARRAY '{regress_mx_owner,regress_mx_app,regress_mx_bypass}'::text[] LOOP
		PERFORM personalize.grant_purpose('mx_ads', r::regrole);
		PERFORM personalize.grant_purpose('mx_wide', r::regrole);
		PERFORM personalize.grant_purpose('mx_copy', r::regrole, may_copy => true);
	END LOOP;
	PERFORM personalize.grant_consent(1, p, kind => 'hook_matrix') FROM unnest('{mx_ads,mx_copy,mx_wide}'::text[]) AS p;
	PERFORM personalize.grant_consent(2, p, '{mx_general}', kind => 'hook_matrix') FROM unnest('{mx_ads,mx_copy,mx_wide}'::text[]) AS p;
	PERFORM personalize.grant_consent(3, 'mx_wide', kind => 'hook_matrix');
	PERFORM personalize.refuse_consent(4, 'mx_ads', kind => 'hook_matrix');
END
$$;
/* a form: statements with ";;" between them, for a purpose; rolled back at the end */
CREATE TABLE mx.form (no integer GENERATED ALWAYS AS IDENTITY, form text, purpose text DEFAULT 'mx_ads', show boolean DEFAULT true);
CREATE TABLE mx.result (no integer, role text, state text, output text);
