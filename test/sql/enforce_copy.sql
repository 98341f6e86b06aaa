-- COPY of a protected relation is a query like any other; COPY FROM collects without a purpose.
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
	PERFORM personalize.define_kind('enforce_copy', 'bigint');
	PERFORM personalize.define_category('enf_general', 'for tests');
	PERFORM personalize.define_purpose('enf_ads', 'for tests', categories => '{enf_general}');
	PERFORM personalize.define_purpose('enf_mail', 'for tests', categories => '{enf_general}');
	PERFORM personalize.protect('enf.customer', 'id', kind => 'enforce_copy', columns => '{"*":"enf_general"}');
	PERFORM personalize.grant_purpose('enf_ads', 'regress_enf_app');
	PERFORM personalize.grant_purpose('enf_ads', 'regress_enf_owner');
	PERFORM personalize.grant_purpose('enf_mail', 'regress_enf_app');
	PERFORM personalize.grant_consent(i, 'enf_ads', kind => 'enforce_copy') FROM generate_series(1, 2) AS i;
	PERFORM personalize.grant_consent(i, 'enf_mail', kind => 'enforce_copy') FROM generate_series(1, 4) AS i;
END
$$;
\set VERBOSITY terse
/* out, by everybody, without and with a purpose */
COPY enf.customer TO STDOUT;
COPY (SELECT id FROM enf.customer) TO STDOUT;
BEGIN;
SET LOCAL personalize.purpose = 'enf_ads';
COPY enf.customer TO STDOUT;
COPY enf.customer (name, id) TO STDOUT (FORMAT csv, HEADER);
COPY (SELECT id FROM enf.customer ORDER BY id DESC) TO STDOUT;
COPY (UPDATE enf.customer SET note = 'copied' RETURNING id) TO STDOUT;
SET LOCAL personalize.purpose = 'backup';
COPY enf.customer (id) TO STDOUT;
ROLLBACK;
SET ROLE regress_enf_owner;
COPY enf.customer TO STDOUT;
BEGIN; SET LOCAL personalize.purpose = 'enf_ads'; COPY enf.customer TO STDOUT; COPY enf.customer (id) TO STDOUT; COMMIT;
SET ROLE regress_enf_app;
COPY enf.customer TO STDOUT;
BEGIN; SET LOCAL personalize.purpose = 'enf_ads'; COPY enf.customer TO STDOUT; COPY enf.customer (id) TO STDOUT; COMMIT;
RESET ROLE;
/* a relation of the same name that comes first in the search path is another one */
CREATE TEMP TABLE customer (id integer);
INSERT INTO customer VALUES (77);
SET search_path = enf, public;
COPY customer TO STDOUT;
COPY pg_temp.customer TO STDOUT;
SET search_path = enf, pg_temp;
BEGIN; SET LOCAL personalize.purpose = 'enf_ads'; COPY customer TO STDOUT; COMMIT;
RESET search_path;
DROP TABLE pg_temp.customer;

/* in: whoever may insert */
SET ROLE regress_enf_app;
COPY enf.customer FROM STDIN;
11	name11	note11
12	name12	note12
\.
COPY enf.customer (id, name) FROM STDIN WHERE id > 20;
20	name20
21	name21
\.
COPY enf.customer (id, name) FROM STDIN (FORMAT csv, HEADER);
id,name
22,"name22"
\.
/* no value of a row that was there already is told */
\set VERBOSITY default
COPY enf.customer (id, name) FROM STDIN;
5	again
\.
\set VERBOSITY terse
/* what fails before it reads its input reads from a file: psql differs in what it does with the rest of stdin */
\set VERBOSITY sqlstate
COPY enf.customer FROM '/dev/null';
COPY enf.customer TO '/nonexistent';
COPY enf.customer FROM PROGRAM 'true';
\set VERBOSITY terse
RESET ROLE;
BEGIN READ ONLY;
COPY enf.customer (id) FROM '/dev/null';
ROLLBACK;
COPY enf.customer (id, nonesuch) FROM '/dev/null';
COPY enf.customer FROM '/dev/null';
GRANT pg_read_server_files TO regress_enf_app;
REVOKE INSERT ON enf.customer FROM regress_enf_app;
GRANT INSERT (id) ON enf.customer TO regress_enf_app;
SET ROLE regress_enf_app;
COPY enf.customer (id) FROM STDIN;
31
\.
COPY enf.customer (id, name) FROM '/dev/null';
RESET ROLE;
BEGIN; SET LOCAL personalize.purpose = 'backup'; SELECT * FROM enf.customer WHERE id > 5 ORDER BY id; COMMIT;
/* triggers fire, statement and row */
CREATE FUNCTION enf.noted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING '% % %', TG_WHEN, TG_LEVEL, NEW.id; RETURN NEW; END $$;
CREATE TRIGGER noted BEFORE INSERT ON enf.customer FOR EACH ROW EXECUTE FUNCTION enf.noted();
CREATE TRIGGER noted_after AFTER INSERT ON enf.customer FOR EACH ROW EXECUTE FUNCTION enf.noted();
SET ROLE regress_enf_app;
COPY enf.customer (id) FROM STDIN;
32
\.
RESET ROLE;
/* with a policy of the application PostgreSQL's refusal stays */
CREATE POLICY tenant ON enf.customer AS RESTRICTIVE USING (id < 1000);
SET ROLE regress_enf_app;
COPY enf.customer (id) FROM '/dev/null';
RESET ROLE;
BEGIN; SET LOCAL personalize.purpose = 'enf_ads'; COPY enf.customer (id) TO STDOUT; COMMIT;
/* a column nobody classified is refused, also here */
ALTER TABLE enf.customer ADD COLUMN added text;
BEGIN;
SET LOCAL personalize.purpose = 'enf_ads';
COPY enf.customer (id) TO STDOUT;
COPY enf.customer TO STDOUT;
ROLLBACK;
RESET ROLE;
DROP SCHEMA enf CASCADE;
DROP OWNED BY regress_enf_owner, regress_enf_app;
DROP ROLE regress_enf_owner, regress_enf_app;
