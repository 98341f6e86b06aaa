-- Commands that reach a protected relation by way of a domain, a parent or a foreign key call no code of the owner on its rows.
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
	PERFORM personalize.define_kind('enforce_ddl_indirect', 'bigint');
	PERFORM personalize.define_category('enf_general', 'for tests');
	PERFORM personalize.define_purpose('enf_ads', 'for tests', categories => '{enf_general}');
	PERFORM personalize.define_purpose('enf_mail', 'for tests', categories => '{enf_general}');
	PERFORM personalize.protect('enf.customer', 'id', kind => 'enforce_ddl_indirect', columns => '{"*":"enf_general"}');
	PERFORM personalize.grant_purpose('enf_ads', 'regress_enf_app');
	PERFORM personalize.grant_purpose('enf_ads', 'regress_enf_owner');
	PERFORM personalize.grant_purpose('enf_mail', 'regress_enf_app');
	PERFORM personalize.grant_consent(i, 'enf_ads', kind => 'enforce_ddl_indirect') FROM generate_series(1, 2) AS i;
	PERFORM personalize.grant_consent(i, 'enf_mail', kind => 'enforce_ddl_indirect') FROM generate_series(1, 4) AS i;
END
$$;
\set VERBOSITY terse
GRANT CREATE ON SCHEMA enf TO regress_enf_app;
SET ROLE regress_enf_owner;
CREATE FUNCTION enf.leak(text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RAISE WARNING 'saw %', $1; RETURN true; END $$;
CREATE FUNCTION enf.refused(query text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE query;
	RAISE EXCEPTION 'not refused';		/* and undone */
EXCEPTION WHEN insufficient_privilege OR object_not_in_prerequisite_state THEN
	RETURN 'refused';
WHEN raise_exception THEN
	RETURN SQLERRM;
END $$;
/* a domain, whose constraint is checked wherever a column has it */
CREATE DOMAIN enf.word AS text;
CREATE TABLE enf.page (id integer, page enf.word);
INSERT INTO enf.page SELECT i, 'page' || i FROM generate_series(1, 5) AS i;
RESET ROLE;
DO $$ BEGIN PERFORM personalize.protect('enf.page', 'id', kind => 'enforce_ddl_indirect', columns => '{"*":"enf_general"}'); END $$;
SET ROLE regress_enf_owner;
SELECT enf.refused('ALTER DOMAIN enf.word ADD CHECK (enf.leak(VALUE))');
SELECT enf.refused('ALTER DOMAIN enf.word ADD CONSTRAINT c CHECK (enf.leak(VALUE)) NOT VALID; ALTER DOMAIN enf.word VALIDATE CONSTRAINT c');
/* an unprotected parent, whose changes go down to the child */
CREATE TABLE enf.above (LIKE enf.customer);
SELECT enf.refused('ALTER TABLE enf.customer INHERIT enf.above; ALTER TABLE enf.above ADD CHECK (enf.leak(name))');
SELECT enf.refused('ALTER TABLE enf.customer INHERIT enf.above; ALTER TABLE enf.above ALTER COLUMN note TYPE text USING enf.leak(name)::text');
SELECT enf.refused('ALTER TABLE enf.customer INHERIT enf.above; ALTER TABLE enf.above ADD COLUMN extra text GENERATED ALWAYS AS (enf.leak(name)::text) STORED');
CREATE TABLE enf.range (id integer, name text, note text) PARTITION BY RANGE (id);
SELECT enf.refused('ALTER TABLE enf.customer DROP CONSTRAINT customer_pkey, ALTER COLUMN id DROP NOT NULL; ALTER TABLE enf.range ATTACH PARTITION enf.customer DEFAULT; CREATE INDEX ON enf.range (enf.leak(name))');
/* a foreign key of a type whose cast is the owner's: its code runs while the key is looked at */
CREATE TYPE enf.wrapped AS (i integer);
CREATE FUNCTION enf.unwrap(enf.wrapped) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
	r record;
BEGIN
	FOR r IN EXECUTE 'SELECT fk.name FROM enf.customer fk LEFT OUTER JOIN enf.customer pk ON false' LOOP
		RAISE WARNING 'saw %', r.name;
	END LOOP;
	RETURN $1.i;
END $$;
CREATE CAST (enf.wrapped AS integer) WITH FUNCTION enf.unwrap(enf.wrapped) AS IMPLICIT;
CREATE TABLE enf.child (c enf.wrapped);
INSERT INTO enf.child VALUES (ROW(1));
SELECT enf.refused('ALTER TABLE enf.child ADD FOREIGN KEY (c) REFERENCES enf.customer');
/* inside a cascade nobody is asked about what is no key */
CREATE TABLE enf.a (id integer PRIMARY KEY);
CREATE TABLE enf.b (a integer REFERENCES enf.a ON DELETE CASCADE);
INSERT INTO enf.a VALUES (1);
INSERT INTO enf.b VALUES (1);
CREATE FUNCTION enf.asks() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
	found_it integer;
BEGIN
	EXECUTE 'SELECT 1 FROM ONLY "enf"."customer" x WHERE "note" OPERATOR(pg_catalog.=) $1 FOR KEY SHARE OF x' INTO found_it USING 'note5'::text;
	RAISE WARNING 'found: %', found_it;
	RETURN OLD;
END $$;
CREATE TRIGGER asks BEFORE DELETE ON enf.b FOR EACH ROW EXECUTE FUNCTION enf.asks();
SELECT enf.refused('DELETE FROM enf.a');
RESET ROLE;
DROP SCHEMA enf CASCADE;
DROP OWNED BY regress_enf_owner, regress_enf_app;
DROP ROLE regress_enf_owner, regress_enf_app;
