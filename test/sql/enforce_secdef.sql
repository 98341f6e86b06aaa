-- Functions of any kind and owner are filtered; the functions of the filter itself answer nobody.
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
	PERFORM personalize.define_kind('enforce_secdef', 'bigint');
	PERFORM personalize.define_category('enf_general', 'for tests');
	PERFORM personalize.define_purpose('enf_ads', 'for tests', categories => '{enf_general}');
	PERFORM personalize.define_purpose('enf_mail', 'for tests', categories => '{enf_general}');
	PERFORM personalize.protect('enf.customer', 'id', kind => 'enforce_secdef', columns => '{"*":"enf_general"}');
	PERFORM personalize.grant_purpose('enf_ads', 'regress_enf_app');
	PERFORM personalize.grant_purpose('enf_ads', 'regress_enf_owner');
	PERFORM personalize.grant_purpose('enf_mail', 'regress_enf_app');
	PERFORM personalize.grant_consent(i, 'enf_ads', kind => 'enforce_secdef') FROM generate_series(1, 2) AS i;
	PERFORM personalize.grant_consent(i, 'enf_mail', kind => 'enforce_secdef') FROM generate_series(1, 4) AS i;
END
$$;
\set VERBOSITY terse
CREATE ROLE regress_enf_two;
DO $$ BEGIN PERFORM personalize.grant_purpose('enf_ads', 'regress_enf_two'); END $$;
CREATE FUNCTION enf.def_sql() RETURNS SETOF integer LANGUAGE sql SECURITY DEFINER AS 'SELECT id FROM enf.customer ORDER BY id';
CREATE FUNCTION enf.def_plpgsql() RETURNS SETOF integer LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN RETURN QUERY SELECT id FROM enf.customer ORDER BY id; END $$;
CREATE FUNCTION enf.def_dynamic() RETURNS SETOF integer LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN RETURN QUERY EXECUTE 'SELECT id FROM enf.customer ORDER BY id'; END $$;
CREATE FUNCTION enf.inlined() RETURNS SETOF integer LANGUAGE sql STABLE AS 'SELECT id FROM enf.customer ORDER BY id';
CREATE FUNCTION enf.inlined_atomic() RETURNS SETOF integer LANGUAGE sql STABLE BEGIN ATOMIC SELECT id FROM enf.customer ORDER BY id; END;
CREATE FUNCTION enf.inlined_table() RETURNS TABLE (id integer, name text) LANGUAGE sql STABLE AS 'SELECT id, name FROM enf.customer';
CREATE FUNCTION enf.scalar() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) FROM enf.customer';
CREATE FUNCTION enf.scalar_atomic() RETURNS bigint LANGUAGE sql STABLE RETURN (SELECT count(*) FROM enf.customer);
CREATE FUNCTION enf.says_immutable() RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT count(*) FROM enf.customer';
CREATE FUNCTION enf.for_mail() RETURNS bigint LANGUAGE plpgsql SET personalize.purpose = 'enf_mail' AS 'BEGIN RETURN (SELECT count(*) FROM enf.customer); END';
CREATE FUNCTION enf.for_mail_def() RETURNS bigint LANGUAGE sql SECURITY DEFINER SET personalize.purpose = 'enf_mail' AS 'SELECT count(*) FROM enf.customer';
CREATE FUNCTION enf.for_none() RETURNS bigint LANGUAGE sql SET personalize.purpose = '' AS 'SELECT count(*) FROM enf.customer';
CREATE FUNCTION enf.row_arg(enf.customer) RETURNS text LANGUAGE sql AS 'SELECT $1.name';
SET ROLE regress_enf_app;
SELECT enf.def_sql();
SELECT enf.def_plpgsql();
SELECT * FROM enf.inlined();
SELECT * FROM enf.inlined_atomic();
SELECT enf.scalar_atomic();
SELECT enf.says_immutable();
BEGIN;
SET LOCAL personalize.purpose = 'enf_ads';
SELECT enf.def_sql();
SELECT enf.def_plpgsql();
SELECT enf.def_dynamic();
SELECT * FROM enf.inlined();
SELECT * FROM enf.inlined_atomic();
SELECT * FROM enf.inlined_table() ORDER BY id;
SELECT f.id FROM enf.customer AS c JOIN enf.inlined_table() AS f ON f.id >= c.id ORDER BY 1;
SELECT enf.scalar(), enf.scalar_atomic();
/* see enforce_immutable */
SAVEPOINT i; SELECT enf.says_immutable(); ROLLBACK TO i;
SELECT enf.row_arg(c) FROM enf.customer AS c ORDER BY 1;
/* functions with a purpose of their own, nested in a statement for another one */
SELECT id, enf.for_mail() FROM enf.customer ORDER BY id;
SELECT id, enf.for_mail_def() FROM enf.customer ORDER BY id;
SELECT id FROM enf.customer WHERE enf.for_mail() = 4 AND enf.scalar() = 2 ORDER BY id;
SELECT enf.for_none();
ROLLBACK;
/* SECURITY DEFINER lends no purpose: it is the outer role that must hold it */
SET ROLE regress_enf_two;
SELECT enf.for_mail_def();
BEGIN; SET LOCAL personalize.purpose = 'enf_ads'; SELECT enf.def_sql(); COMMIT;
SELECT enf.for_mail();
/* an error inside a nested query leaves the outer one as it was */
RESET ROLE;
CREATE FUNCTION enf.fails(integer) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM 1 / ($1 - $1) FROM enf.customer;
	RETURN 'not reached';
EXCEPTION WHEN division_by_zero THEN
	RETURN 'caught';
END $$;
SET ROLE regress_enf_app;
BEGIN;
SET LOCAL personalize.purpose = 'enf_ads';
SELECT id, enf.fails(id) FROM enf.customer ORDER BY id;
SELECT id FROM enf.customer WHERE enf.fails(id) = 'caught' ORDER BY id;
COMMIT;
/* procedures: COMMIT ends the purpose */
RESET ROLE;
CREATE PROCEDURE enf.walk() LANGUAGE plpgsql AS $$
DECLARE
	r record;
BEGIN
	PERFORM personalize.set_purpose('enf_ads');
	FOR r IN SELECT id FROM enf.customer ORDER BY id LOOP
		RAISE WARNING 'row %', r.id;
		COMMIT;
	END LOOP;
	PERFORM count(*) FROM enf.customer;
END $$;
SET ROLE regress_enf_app;
CALL enf.walk();

/* the functions of the filter, called by name: refused wherever they stand */
RESET ROLE;
SELECT path_id AS path FROM personalize.registry_path WHERE relid = 'enf.customer'::regclass \gset
GRANT CREATE ON SCHEMA enf TO regress_enf_app;
SET ROLE regress_enf_app;
CREATE FUNCTION enf.refused(query text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE query;
	RETURN 'not refused';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
SELECT enf.refused('SELECT personalize.policy_ok(' || :path || ', 5)');
SELECT enf.refused('SELECT personalize.policy_ok(' || :path || ', ''5''::text)');
SELECT enf.refused('SELECT personalize.net_ok(' || :path || ')');
SELECT enf.refused('SELECT personalize.row_ok(NULL, 5)');
SELECT enf.refused('SELECT personalize.keep_subject(NULL, 1, 2)');
SELECT enf.refused('SELECT personalize.keep_subject(NULL, 1, 1)');
SELECT enf.refused('SELECT personalize.row_ok(''1'', 5)');
SELECT enf.refused('SELECT ''1''::personalize.plan_mark');
SELECT enf.refused('SELECT 1::bigint::personalize.plan_mark');
SELECT enf.refused('SELECT 1 WHERE personalize.policy_ok(' || :path || ', 5)');
SELECT enf.refused('SELECT count(*) FROM generate_series(1, 5) AS g WHERE personalize.policy_ok(' || :path || ', g)');
BEGIN;
SET LOCAL personalize.purpose = 'enf_ads';
SELECT enf.refused('SELECT id FROM enf.customer WHERE personalize.policy_ok(' || :path || ', id)');
SELECT enf.refused('SELECT id FROM enf.customer WHERE personalize.policy_ok(' || :path || ', 5)');
SELECT enf.refused('SELECT personalize.row_ok(NULL, id) FROM enf.customer');
COMMIT;
CREATE TABLE enf.mine (id integer DEFAULT personalize.policy_ok(0, 5)::integer, CHECK (personalize.policy_ok(0, id)));
SELECT enf.refused('INSERT INTO enf.mine VALUES (1)');
SELECT enf.refused('INSERT INTO enf.mine VALUES (DEFAULT)');
SELECT enf.refused('CREATE INDEX ON enf.mine (personalize.policy_ok(0, id))');
CREATE TABLE enf.mine2 (id integer);
INSERT INTO enf.mine2 VALUES (5);
CREATE POLICY mine ON enf.mine2 USING (personalize.policy_ok(0, id));
ALTER TABLE enf.mine2 ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
SELECT enf.refused('SELECT * FROM enf.mine2');
CREATE VIEW enf.mine3 AS SELECT personalize.policy_ok(0, g) FROM generate_series(1, 5) AS g;
SELECT enf.refused('SELECT * FROM enf.mine3');
CREATE FUNCTION enf.mine4(integer) RETURNS boolean LANGUAGE sql AS 'SELECT personalize.policy_ok(0, $1)';
SELECT enf.refused('SELECT enf.mine4(5)');
CREATE FUNCTION enf.mine5(integer) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RETURN personalize.policy_ok(0, $1); END';
SELECT enf.refused('SELECT enf.mine5(5)');
CREATE FUNCTION enf.mine6() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.id := personalize.policy_ok(0, NEW.id)::integer; RETURN NEW; END';
CREATE TRIGGER mine6 BEFORE INSERT ON enf.mine2 FOR EACH ROW EXECUTE FUNCTION enf.mine6();
SELECT enf.refused('INSERT INTO enf.mine2 VALUES (1)');
BEGIN;
SET LOCAL personalize.purpose = 'enf_ads';
SELECT enf.refused('SELECT id FROM enf.customer WHERE enf.mine5(id)');
SELECT enf.refused('SELECT id FROM enf.customer WHERE enf.mine4(5)');
COMMIT;
/* what the filter shows of itself are names */
RESET ROLE;
BEGIN;
SET LOCAL personalize.purpose = 'enf_ads';
EXPLAIN (COSTS OFF) SELECT id FROM enf.customer;
COMMIT;
RESET ROLE;
DROP SCHEMA enf CASCADE;
DROP OWNED BY regress_enf_owner, regress_enf_app;
DROP ROLE regress_enf_owner, regress_enf_app;
DROP OWNED BY regress_enf_two;
DROP ROLE regress_enf_two;
