-- Commands of the owner that compute something from every row do so with the server's own functions only.
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
	PERFORM personalize.define_kind('enforce_ddl', 'bigint');
	PERFORM personalize.define_category('enf_general', 'for tests');
	PERFORM personalize.define_purpose('enf_ads', 'for tests', categories => '{enf_general}');
	PERFORM personalize.define_purpose('enf_mail', 'for tests', categories => '{enf_general}');
	PERFORM personalize.protect('enf.customer', 'id', kind => 'enforce_ddl', columns => '{"*":"enf_general"}');
	PERFORM personalize.grant_purpose('enf_ads', 'regress_enf_app');
	PERFORM personalize.grant_purpose('enf_ads', 'regress_enf_owner');
	PERFORM personalize.grant_purpose('enf_mail', 'regress_enf_app');
	PERFORM personalize.grant_consent(i, 'enf_ads', kind => 'enforce_ddl') FROM generate_series(1, 2) AS i;
	PERFORM personalize.grant_consent(i, 'enf_mail', kind => 'enforce_ddl') FROM generate_series(1, 4) AS i;
END
$$;
\set VERBOSITY terse
GRANT CREATE ON SCHEMA enf TO regress_enf_app;
SET ROLE regress_enf_owner;
CREATE FUNCTION enf.leak(text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RAISE WARNING 'saw %', $1; RETURN true; END $$;
CREATE FUNCTION enf.leak_int(integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RAISE WARNING 'saw %', $1; RETURN $1; END $$;
CREATE DOMAIN enf.leaky AS text CHECK (enf.leak(VALUE));
CREATE FUNCTION enf.refused(query text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE query;
	RAISE EXCEPTION 'not refused';		/* and undone */
EXCEPTION WHEN insufficient_privilege OR object_not_in_prerequisite_state THEN
	RETURN 'refused';
WHEN raise_exception THEN
	RETURN SQLERRM;
END $$;
/* without a purpose */
SELECT enf.refused('ALTER TABLE enf.customer ADD CHECK (enf.leak(name))');
SELECT enf.refused('ALTER TABLE enf.customer ADD CONSTRAINT c CHECK (enf.leak(name)) NOT VALID, VALIDATE CONSTRAINT c');
SELECT enf.refused('ALTER TABLE enf.customer ALTER COLUMN note TYPE text USING enf.leak(name)::text');
SELECT enf.refused('ALTER TABLE enf.customer ALTER COLUMN note TYPE enf.leaky');
SELECT enf.refused('ALTER TABLE enf.customer ADD COLUMN extra text GENERATED ALWAYS AS (enf.leak(name)::text) STORED');
SELECT enf.refused('CREATE INDEX ON enf.customer (enf.leak(name))');
SELECT enf.refused('CREATE INDEX ON enf.customer (id) WHERE enf.leak(name)');
SELECT enf.refused('ALTER TABLE enf.customer ADD EXCLUDE USING btree (enf.leak_int(id) WITH =)');
SELECT enf.refused('CREATE STATISTICS enf.s ON (enf.leak_int(id)), note FROM enf.customer; ANALYZE enf.customer');
/* with the server's own they go through, and no purpose is needed for them */
SELECT enf.refused('ALTER TABLE enf.customer ADD CHECK (length(name) > 0)');
SELECT enf.refused('ALTER TABLE enf.customer ALTER COLUMN note TYPE varchar');
SELECT enf.refused('CREATE INDEX ON enf.customer (lower(name)) WHERE id > 0');
SELECT enf.refused('ALTER TABLE enf.customer ADD UNIQUE (name)');
SELECT enf.refused('ALTER TABLE enf.customer ALTER COLUMN name SET NOT NULL');
/* nothing of it touches other tables */
CREATE TABLE enf.free (name text);
INSERT INTO enf.free VALUES ('free');
SELECT enf.refused('CREATE INDEX ON enf.free (enf.leak(name))');
RESET ROLE;
DROP SCHEMA enf CASCADE;
DROP OWNED BY regress_enf_owner, regress_enf_app;
DROP ROLE regress_enf_owner, regress_enf_app;
