-- A cursor keeps the purpose, role and consent it was opened with; nothing in a statement changes its purpose midway.
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
	PERFORM personalize.define_kind('enforce_cursor', 'bigint');
	PERFORM personalize.define_category('enf_general', 'for tests');
	PERFORM personalize.define_purpose('enf_ads', 'for tests', categories => '{enf_general}');
	PERFORM personalize.define_purpose('enf_mail', 'for tests', categories => '{enf_general}');
	PERFORM personalize.protect('enf.customer', 'id', kind => 'enforce_cursor', columns => '{"*":"enf_general"}');
	PERFORM personalize.grant_purpose('enf_ads', 'regress_enf_app');
	PERFORM personalize.grant_purpose('enf_ads', 'regress_enf_owner');
	PERFORM personalize.grant_purpose('enf_mail', 'regress_enf_app');
	PERFORM personalize.grant_consent(i, 'enf_ads', kind => 'enforce_cursor') FROM generate_series(1, 2) AS i;
	PERFORM personalize.grant_consent(i, 'enf_mail', kind => 'enforce_cursor') FROM generate_series(1, 4) AS i;
END
$$;
\set VERBOSITY terse
SET ROLE regress_enf_app;
/* DECLARE under one purpose, FETCH under another */
BEGIN;
SET LOCAL personalize.purpose = 'enf_ads';
DECLARE c SCROLL CURSOR FOR SELECT id FROM enf.customer ORDER BY id;
SET LOCAL personalize.purpose = 'enf_mail';
FETCH ALL FROM c;
MOVE BACKWARD ALL FROM c;
FETCH ALL FROM c;
FETCH ABSOLUTE 2 FROM c;
FETCH ABSOLUTE 3 FROM c;
/* the purpose in force now is that of other statements */
SELECT count(*) FROM enf.customer;
COMMIT;
/* opened without a purpose it stays so; declaring it is no use */
BEGIN;
DECLARE c CURSOR FOR SELECT id FROM enf.customer ORDER BY id;
SET LOCAL personalize.purpose = 'enf_mail';
FETCH 1 FROM c;
ROLLBACK;
/* consent of the time it was opened: a withdrawal in between does not show in it, but in the next statement */
RESET ROLE;
BEGIN;
SET LOCAL personalize.purpose = 'enf_ads';
DECLARE c CURSOR FOR SELECT id FROM enf.customer ORDER BY id;
FETCH 1 FROM c;
SELECT personalize.withdraw_consent(2, 'enf_ads', kind => 'enforce_cursor') IS NOT NULL AS withdrawn;
FETCH ALL FROM c;
SELECT id FROM enf.customer ORDER BY id;
ROLLBACK;
/* the role it was opened as */
BEGIN;
SET LOCAL personalize.purpose = 'enf_mail';
DECLARE c CURSOR FOR SELECT id FROM enf.customer ORDER BY id;
SET LOCAL ROLE regress_enf_owner;
FETCH 1 FROM c;
SELECT id FROM enf.customer;
ROLLBACK;
BEGIN;
SET LOCAL ROLE regress_enf_owner;
SET LOCAL personalize.purpose = 'enf_mail';
DECLARE c CURSOR FOR SELECT id FROM enf.customer ORDER BY id;
RESET ROLE;
FETCH 1 FROM c;
ROLLBACK;
/* WITH HOLD: what is kept over COMMIT was read for the purpose of DECLARE */
SET ROLE regress_enf_app;
BEGIN;
SET LOCAL personalize.purpose = 'enf_ads';
DECLARE h SCROLL CURSOR WITH HOLD FOR SELECT id FROM enf.customer ORDER BY id;
SET LOCAL personalize.purpose = 'enf_mail';
COMMIT;
FETCH ALL FROM h;
CLOSE h;
BEGIN;
DECLARE h CURSOR WITH HOLD FOR SELECT id FROM enf.customer ORDER BY id;
COMMIT;
FETCH ALL FROM h;
/* interleaved, and after a savepoint went */
BEGIN;
SET LOCAL personalize.purpose = 'enf_ads';
DECLARE a CURSOR FOR SELECT id FROM enf.customer ORDER BY id;
SET LOCAL personalize.purpose = 'enf_mail';
DECLARE b CURSOR FOR SELECT id FROM enf.customer ORDER BY id DESC;
FETCH a; FETCH b; FETCH a; FETCH b; FETCH a; FETCH b;
SAVEPOINT s;
DECLARE d CURSOR FOR SELECT id FROM enf.customer ORDER BY id;
FETCH d;
SELECT 1 / (id - 2) FROM enf.customer;
ROLLBACK TO s;
FETCH d;
ROLLBACK TO s;
FETCH b; FETCH b;
COMMIT;
/* refcursors */
RESET ROLE;
CREATE FUNCTION enf.open_it(refcursor) RETURNS refcursor LANGUAGE plpgsql AS $$ BEGIN OPEN $1 FOR SELECT id FROM enf.customer ORDER BY id; RETURN $1; END $$;
CREATE FUNCTION enf.open_as(refcursor) RETURNS refcursor LANGUAGE plpgsql SET personalize.purpose = 'enf_ads'
	AS $$ BEGIN OPEN $1 FOR SELECT id FROM enf.customer ORDER BY id; RETURN $1; END $$;
CREATE FUNCTION enf.loop_it() RETURNS SETOF integer LANGUAGE plpgsql AS $$
DECLARE
	r record;
BEGIN
	FOR r IN SELECT id FROM enf.customer ORDER BY id LOOP
		PERFORM personalize.set_purpose('enf_mail');
		RETURN NEXT r.id;
	END LOOP;
END $$;
SET ROLE regress_enf_app;
BEGIN;
SET LOCAL personalize.purpose = 'enf_mail';
SELECT enf.open_it('x');
SELECT enf.open_as('y');
FETCH ALL FROM x;
FETCH ALL FROM y;
SET LOCAL personalize.purpose = 'enf_ads';
SELECT enf.loop_it();
SELECT count(*) FROM enf.customer;
COMMIT;
/* a purpose that is set inside the statement is for the next one */
BEGIN;
SET LOCAL personalize.purpose = 'enf_ads';
SELECT c.id FROM (SELECT set_config('personalize.purpose', 'enf_mail', true) OFFSET 0) AS s, enf.customer AS c ORDER BY 1;
SET LOCAL personalize.purpose = 'enf_ads';
SELECT id FROM enf.customer WHERE set_config('personalize.purpose', 'enf_mail', true) <> '' ORDER BY id;
SET LOCAL personalize.purpose = 'enf_ads';
WITH s AS MATERIALIZED (SELECT set_config('personalize.purpose', 'enf_mail', true) AS x) SELECT c.id FROM s, enf.customer AS c WHERE s.x <> '' ORDER BY 1;
SELECT id FROM enf.customer ORDER BY id;
COMMIT;
BEGIN;
SELECT set_config('personalize.purpose', 'enf_mail', true), id FROM enf.customer ORDER BY id;
ROLLBACK;
/* WHERE CURRENT OF does not reach beyond the purpose */
BEGIN;
SET LOCAL personalize.purpose = 'enf_mail';
DECLARE c CURSOR FOR SELECT id FROM enf.customer ORDER BY id FOR UPDATE;
MOVE 3 FROM c;
SET LOCAL personalize.purpose = 'enf_ads';
UPDATE enf.customer SET note = 'current' WHERE CURRENT OF c RETURNING id;
SET LOCAL personalize.purpose = 'enf_mail';
UPDATE enf.customer SET note = 'current' WHERE CURRENT OF c RETURNING id;
ROLLBACK;
RESET ROLE;
DROP SCHEMA enf CASCADE;
DROP OWNED BY regress_enf_owner, regress_enf_app;
DROP ROLE regress_enf_owner, regress_enf_app;
