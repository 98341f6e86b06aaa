-- Keeping a copy of protected rows outside of protection needs may_copy.
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
	PERFORM personalize.define_kind('enforce_copying', 'bigint');
	PERFORM personalize.define_category('enf_general', 'for tests');
	PERFORM personalize.define_purpose('enf_ads', 'for tests', categories => '{enf_general}');
	PERFORM personalize.define_purpose('enf_mail', 'for tests', categories => '{enf_general}');
	PERFORM personalize.protect('enf.customer', 'id', kind => 'enforce_copying', columns => '{"*":"enf_general"}');
	PERFORM personalize.grant_purpose('enf_ads', 'regress_enf_app');
	PERFORM personalize.grant_purpose('enf_ads', 'regress_enf_owner');
	PERFORM personalize.grant_purpose('enf_mail', 'regress_enf_app');
	PERFORM personalize.grant_consent(i, 'enf_ads', kind => 'enforce_copying') FROM generate_series(1, 2) AS i;
	PERFORM personalize.grant_consent(i, 'enf_mail', kind => 'enforce_copying') FROM generate_series(1, 4) AS i;
END
$$;
\set VERBOSITY terse
SET ROLE regress_enf_owner;
CREATE TABLE enf.copy (id integer, name text);
CREATE TABLE enf.flag (id integer, seen boolean);
INSERT INTO enf.flag SELECT i, false FROM generate_series(1, 5) AS i;
CREATE TABLE enf.part (id integer, note text) PARTITION BY LIST (note);
CREATE TABLE enf.part_a PARTITION OF enf.part FOR VALUES IN ('a');
CREATE TABLE enf.part_b PARTITION OF enf.part FOR VALUES IN ('b');
CREATE TABLE enf.part_c PARTITION OF enf.part FOR VALUES IN ('c');
GRANT ALL ON enf.part TO regress_enf_app;
CREATE TABLE enf.other (id integer, name text);
CREATE TABLE enf.seen (id integer, name text);
GRANT ALL ON enf.copy, enf.flag, enf.other, enf.seen TO regress_enf_app;
CREATE VIEW enf.v_copy AS SELECT * FROM enf.copy;
GRANT ALL ON enf.v_copy TO regress_enf_app;
RESET ROLE;
GRANT CREATE ON SCHEMA enf TO regress_enf_app;
DO $$ BEGIN PERFORM personalize.protect('enf.other', 'id', kind => 'enforce_copying', columns => '{"*":"enf_general"}'); END $$;
DO $$ BEGIN PERFORM personalize.protect('enf.seen', 'id', kind => 'enforce_copying', columns => '{"*":"enf_general"}', mode => 'observe'); END $$;
SET ROLE regress_enf_app;
CREATE FUNCTION enf.names() RETURNS SETOF text LANGUAGE plpgsql AS 'BEGIN RETURN QUERY SELECT name FROM enf.customer; END';
CREATE VIEW enf.changeable AS SELECT DISTINCT id, name FROM enf.customer;
CREATE FUNCTION enf.change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER change INSTEAD OF UPDATE ON enf.changeable FOR EACH ROW EXECUTE FUNCTION enf.change();
CREATE FUNCTION enf.refused(query text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE query;
	RETURN 'not refused';
EXCEPTION WHEN insufficient_privilege THEN
	RETURN SQLERRM;
END $$;
BEGIN;
SET LOCAL personalize.purpose = 'enf_ads';
SELECT enf.refused('CREATE TABLE enf.t AS SELECT id FROM enf.customer');
SELECT enf.refused('CREATE TEMP TABLE t AS SELECT id FROM enf.customer');
SELECT enf.refused('CREATE TABLE enf.t AS SELECT 1 AS one WHERE EXISTS (SELECT 1 FROM enf.customer)');
SELECT enf.refused('CREATE MATERIALIZED VIEW enf.t AS SELECT id FROM enf.customer');
SELECT enf.refused('INSERT INTO enf.copy SELECT id, name FROM enf.customer');
SELECT enf.refused('INSERT INTO enf.v_copy SELECT id, name FROM enf.customer');
SELECT enf.refused('INSERT INTO enf.copy VALUES (1, (SELECT max(name) FROM enf.customer))');
SELECT enf.refused('WITH c AS (SELECT * FROM enf.customer) INSERT INTO enf.copy SELECT id, name FROM c');
SELECT enf.refused('WITH i AS (INSERT INTO enf.copy SELECT id, name FROM enf.customer RETURNING id) SELECT count(*) FROM i');
SELECT enf.refused('UPDATE enf.flag AS f SET seen = true FROM enf.customer AS c WHERE c.id = f.id');
SELECT enf.refused('UPDATE enf.flag AS f SET seen = EXISTS (SELECT 1 FROM enf.customer AS c WHERE c.id = f.id)');
SELECT enf.refused('MERGE INTO enf.copy AS t USING enf.customer AS c ON t.id = c.id WHEN NOT MATCHED THEN INSERT VALUES (c.id, c.name)');
SAVEPOINT a; SELECT id INTO enf.t FROM enf.customer; ROLLBACK TO a;
SAVEPOINT a; SELECT id INTO TEMP t FROM enf.customer; ROLLBACK TO a;
PREPARE rows_of AS SELECT id FROM enf.customer;
SAVEPOINT a; CREATE TABLE enf.t AS EXECUTE rows_of; ROLLBACK TO a;
SAVEPOINT a; CREATE TEMP TABLE t AS EXECUTE rows_of; ROLLBACK TO a;
DEALLOCATE rows_of;
/* what functions read while such a command runs is copied, too */
SAVEPOINT a; CREATE TABLE enf.t AS SELECT query_to_xml('SELECT id FROM enf.customer', false, false, ''); ROLLBACK TO a;
SAVEPOINT a; CREATE TABLE enf.t AS SELECT * FROM enf.names(); ROLLBACK TO a;
SAVEPOINT a; CREATE MATERIALIZED VIEW enf.m1 AS SELECT enf.names(); ROLLBACK TO a;
DECLARE c CURSOR FOR SELECT id FROM enf.customer ORDER BY id;
FETCH c;
SAVEPOINT a; CREATE TABLE enf.t AS SELECT cursor_to_xml('c', 10, false, false, ''); ROLLBACK TO a;
/* an observed relation is open */
SELECT enf.refused('INSERT INTO enf.seen SELECT id, name FROM enf.customer');
/* what keeps nothing, and what stays protected */
SELECT enf.refused('WITH w AS (INSERT INTO enf.copy VALUES (9, $$given$$), (10, $$given$$)) SELECT count(*) FROM enf.customer');
SELECT enf.refused('WITH w AS (INSERT INTO enf.copy VALUES (9, (SELECT max(name) FROM enf.customer))) SELECT 1');
SELECT enf.refused('WITH w AS (INSERT INTO enf.copy VALUES (9, $$given$$) RETURNING id) SELECT c.id FROM enf.customer AS c JOIN w ON w.id = c.id');
/* a deletion by given values, of partitions too; not by what was read */
SELECT enf.refused('WITH w AS (DELETE FROM enf.flag WHERE id = 99) SELECT count(*) FROM enf.customer');
SELECT enf.refused('WITH w AS (DELETE FROM enf.part WHERE id = 99 AND note <> $$b$$) SELECT count(*) FROM enf.customer');
SELECT enf.refused('WITH w AS (DELETE FROM enf.part WHERE note = (SELECT max(name) FROM enf.customer)) SELECT 1');
SELECT enf.refused('WITH w AS (DELETE FROM enf.part WHERE id = (SELECT max(c.id) FROM enf.customer AS c)) SELECT 1');
SELECT enf.refused('DELETE FROM enf.part WHERE id IN (SELECT c.id FROM enf.customer AS c)');
SELECT enf.refused('UPDATE enf.changeable SET name = $$x$$');
SELECT enf.refused('CREATE TABLE enf.t AS SELECT id FROM enf.customer WITH NO DATA');
SELECT enf.refused('CREATE MATERIALIZED VIEW enf.m AS SELECT id FROM enf.customer WITH NO DATA');
SELECT enf.refused('DELETE FROM enf.flag AS f USING enf.customer AS c WHERE c.id = f.id');
SELECT enf.refused('INSERT INTO enf.other SELECT id, name FROM enf.customer');
SELECT id, name FROM enf.other ORDER BY id;
SELECT enf.refused('REFRESH MATERIALIZED VIEW enf.m');
COMMIT;
SELECT count(*) FROM enf.copy;
SELECT id FROM enf.flag ORDER BY id;
/* with may_copy: the permitted rows */
RESET ROLE;
DO $$ BEGIN PERFORM personalize.grant_purpose('enf_ads', 'regress_enf_app', may_copy => true); END $$;
SET ROLE regress_enf_app;
BEGIN;
SET LOCAL personalize.purpose = 'enf_ads';
CREATE TEMP TABLE t AS SELECT id FROM enf.customer;
SELECT id FROM t ORDER BY id;
SELECT id INTO TEMP t2 FROM enf.customer;
SELECT id FROM t2 ORDER BY id;
INSERT INTO enf.copy SELECT id, name FROM enf.customer;
SELECT id FROM enf.copy ORDER BY id;
REFRESH MATERIALIZED VIEW enf.m;
SELECT id FROM enf.m ORDER BY id;
CREATE MATERIALIZED VIEW enf.m2 AS SELECT id, name FROM enf.customer;
SELECT id FROM enf.m2 ORDER BY id;
ROLLBACK;
/* not without a purpose, not for another one */
CREATE TEMP TABLE t AS SELECT id FROM enf.customer;
REFRESH MATERIALIZED VIEW enf.m;
BEGIN; SET LOCAL personalize.purpose = 'enf_mail'; CREATE TEMP TABLE t AS SELECT id FROM enf.customer; ROLLBACK;
/* taken back */
RESET ROLE;
DO $$ BEGIN PERFORM personalize.grant_purpose('enf_ads', 'regress_enf_app', may_copy => false); END $$;
SET ROLE regress_enf_app;
BEGIN; SET LOCAL personalize.purpose = 'enf_ads'; CREATE TEMP TABLE t AS SELECT id FROM enf.customer; ROLLBACK;
/* a superuser may, the permitted rows only */
RESET ROLE;
BEGIN; SET LOCAL personalize.purpose = 'enf_ads'; CREATE TEMP TABLE t AS SELECT id FROM enf.customer; SELECT id FROM t ORDER BY id; ROLLBACK;
RESET ROLE;
DROP SCHEMA enf CASCADE;
DROP OWNED BY regress_enf_owner, regress_enf_app;
DROP ROLE regress_enf_owner, regress_enf_app;
