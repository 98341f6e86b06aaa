-- What runs within a cascade does not pass for referential integrity, however it is called and whatever it sends.
SET client_min_messages = warning;
\pset format unaligned
\set VERBOSITY terse
CREATE ROLE regress_ari_app;
CREATE SCHEMA ari;
CREATE SCHEMA ari_app AUTHORIZATION regress_ari_app;
GRANT USAGE ON SCHEMA ari TO PUBLIC;
CREATE TABLE ari.person (id integer PRIMARY KEY, diag text);
INSERT INTO ari.person SELECT i, 'diag' || i FROM generate_series(1, 5) AS i;
CREATE TABLE ari.orders (no integer PRIMARY KEY, cust integer REFERENCES ari.person ON DELETE CASCADE ON UPDATE CASCADE);
INSERT INTO ari.orders SELECT i * 10, i FROM generate_series(1, 5) AS i;
GRANT ALL ON ari.person, ari.orders TO regress_ari_app;
DO $$
BEGIN
	PERFORM personalize.define_kind('enforce_attack_ri', 'bigint');
	PERFORM personalize.define_category('ari_general', 'for tests');
	PERFORM personalize.define_purpose('ari_care', 'for tests', categories => '{ari_general}');
	PERFORM personalize.protect('ari.person', 'id', kind => 'enforce_attack_ri', columns => '{"*":"ari_general"}');
	PERFORM personalize.protect('ari.orders', 'cust', kind => 'enforce_attack_ri', columns => '{"*":"ari_general"}');
	PERFORM personalize.grant_purpose('ari_care', 'regress_ari_app');
	PERFORM personalize.grant_consent(1, 'ari_care', kind => 'enforce_attack_ri');
END
$$;

/* a DO that asks about person 5 in the ways of referential integrity; nobody states a purpose, so all of it must be refused */
SET ROLE regress_ari_app;
CREATE FUNCTION ari_app.code() RETURNS text LANGUAGE sql IMMUTABLE AS $code$
	SELECT 'DO ' || quote_literal($$
		DECLARE
			q text;
			n bigint;
		BEGIN
			FOREACH q IN ARRAY ARRAY[
				'SELECT 1 FROM ONLY ari.person x WHERE x.id = $1 AND x.diag = $2',
				'SELECT 1 FROM ONLY "ari"."person" x WHERE "id" OPERATOR(pg_catalog.=) $1 FOR KEY SHARE OF x',
				'UPDATE ONLY ari.orders SET cust = $1 WHERE cust = $1',
				'DELETE FROM ONLY ari.orders WHERE cust = $1']
			LOOP
				BEGIN
					EXECUTE q USING 5, 'diag5'::text;
					GET DIAGNOSTICS n = ROW_COUNT;
					RAISE WARNING '% rows: %', n, q;
				EXCEPTION WHEN insufficient_privilege OR object_not_in_prerequisite_state THEN
					RAISE WARNING 'refused';
				END;
			END LOOP;
		END $$)
$code$;
/* functions that types keep at hand: they were looked up before any cascade, so nobody sees them being called */
CREATE FUNCTION ari_app.difference(x float8, y float8) RETURNS float8 LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
	q text := current_setting('ari_app.difference', true);
	n bigint;
BEGIN
	IF q <> '' THEN
		PERFORM set_config('ari_app.difference', '', true);
		EXECUTE q USING 5, 'diag5'::text;
		GET DIAGNOSTICS n = ROW_COUNT;
		RAISE WARNING '% rows: %', n, q;
	END IF;
	RETURN x - y;
END $$;
CREATE TYPE ari_app.span AS RANGE (subtype = float8, subtype_diff = ari_app.difference);
ALTER FUNCTION ari_app.difference VOLATILE;
CREATE TABLE ari_app.spans (s ari_app.span);
CREATE INDEX ON ari_app.spans USING gist (s);
INSERT INTO ari_app.spans SELECT ari_app.span(i, i + 1) FROM generate_series(1, 400) AS i;

/* within the trigger of a cascade */
CREATE TABLE ari_app.par (id integer PRIMARY KEY);
CREATE TABLE ari_app.kid (id integer REFERENCES ari_app.par ON DELETE CASCADE);
INSERT INTO ari_app.par SELECT generate_series(1, 9);
INSERT INTO ari_app.kid SELECT generate_series(1, 9);
CREATE TABLE ari_app.query (query text);
INSERT INTO ari_app.query VALUES ('SELECT 1 FROM ONLY ari.person x WHERE x.id = $1 AND x.diag = $2');
CREATE FUNCTION ari_app.ways() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
	n bigint;
BEGIN
	CASE OLD.id
		WHEN 1 THEN
			RAISE WARNING 'DO';
			EXECUTE ari_app.code();
		WHEN 2 THEN
			RAISE WARNING 'DO in DO';
			EXECUTE 'DO ' || quote_literal('BEGIN EXECUTE ' || quote_literal(ari_app.code()) || '; END');
		WHEN 3 THEN
			RAISE WARNING 'EXECUTE';
			FOR i IN 1..3 LOOP
				BEGIN
					EXECUTE (ARRAY['EXECUTE ari_select(5, ''diag5'')', 'EXECUTE ari_update(5)', 'EXECUTE ari_delete(5)'])[i];
					GET DIAGNOSTICS n = ROW_COUNT;
					RAISE WARNING '% rows', n;
				EXCEPTION WHEN insufficient_privilege OR object_not_in_prerequisite_state THEN
					RAISE WARNING 'refused';
				END;
			END LOOP;
		WHEN 4 THEN
			RAISE WARNING 'index of a range type';
			PERFORM set_config('ari_app.difference', (SELECT query FROM ari_app.query), true);
			INSERT INTO ari_app.spans SELECT ari_app.span(i, i + 1) FROM generate_series(1, 400) AS i;
		WHEN 5 THEN
			RAISE WARNING 'check of a deferrable constraint';
			INSERT INTO ari_app.booking VALUES (ari_app.turn(1, 3)), (ari_app.turn(2, 4));
		WHEN 6 THEN
			RAISE WARNING 'check of a deferred constraint';
			SET CONSTRAINTS ari_app.booking_t_excl DEFERRED;
			INSERT INTO ari_app.booking VALUES (ari_app.turn(1, 3)), (ari_app.turn(2, 4));
			PERFORM set_config('ari_app.compare', (SELECT query FROM ari_app.query), true);
			SET CONSTRAINTS ari_app.booking_t_excl IMMEDIATE;
		WHEN 7 THEN
			RAISE WARNING 'a cursor that was opened before';
			PERFORM set_config('ari_app.difference', (SELECT query FROM ari_app.query), true);
			EXECUTE 'FETCH ari_cursor';
		ELSE
			NULL;
	END CASE;
	RETURN OLD;
END $$;
CREATE TRIGGER ways BEFORE DELETE ON ari_app.kid FOR EACH ROW EXECUTE FUNCTION ari_app.ways();
BEGIN;
DELETE FROM ari_app.par WHERE id = 1;
DELETE FROM ari_app.par WHERE id = 2;
ROLLBACK;

/* statements prepared under a text that begins like one of referential integrity */
SELECT 1 FROM ONLY pg_class WHERE false\; PREPARE ari_select(int, text) AS SELECT 1 FROM ONLY ari.person x WHERE x.id = $1 AND x.diag = $2;
UPDATE ONLY ari_app.kid SET id = id WHERE false\; PREPARE ari_update(int) AS UPDATE ONLY ari.orders SET cust = $1 WHERE cust = $1;
DELETE FROM ONLY ari_app.kid WHERE false\; PREPARE ari_delete(int) AS DELETE FROM ONLY ari.orders WHERE cust = $1;
BEGIN;
DELETE FROM ari_app.par WHERE id = 3;
ROLLBACK;

BEGIN;
DELETE FROM ari_app.par WHERE id = 4;
ROLLBACK;
BEGIN;
UPDATE ari_app.query SET query = 'DELETE FROM ONLY ari.orders WHERE cust = $1';
DELETE FROM ari_app.par WHERE id = 4;
ROLLBACK;

/* the check of a deferrable constraint is a trigger of PostgreSQL's own, and compares by a function of the application */
CREATE FUNCTION ari_app.compare(x float8, y float8) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
	q text := current_setting('ari_app.compare', true);
	n bigint;
BEGIN
	IF q <> '' THEN
		PERFORM set_config('ari_app.compare', '', true);
		EXECUTE q USING 5, 'diag5'::text;
		GET DIAGNOSTICS n = ROW_COUNT;
		RAISE WARNING '% rows: %', n, q;
	END IF;
	RETURN CASE WHEN x < y THEN -1 WHEN x > y THEN 1 ELSE 0 END;
END $$;
RESET ROLE;
CREATE OPERATOR CLASS ari_app.float8_turn_ops FOR TYPE float8 USING btree AS
	OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 ari_app.compare(float8, float8);
SET ROLE regress_ari_app;
CREATE TYPE ari_app.turn AS RANGE (subtype = float8, subtype_opclass = ari_app.float8_turn_ops);
CREATE TABLE ari_app.booking (t ari_app.turn, EXCLUDE USING gist (t WITH &&) DEFERRABLE);
INSERT INTO ari_app.booking SELECT ari_app.turn(i, i + 1) FROM generate_series(11, 19) AS i;
CREATE FUNCTION ari_app.on() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('ari_app.compare', (SELECT query FROM ari_app.query), true);
	RETURN NULL;
END $$;
/* called after the row is in, before the constraint is checked again */
CREATE TRIGGER "A" AFTER INSERT ON ari_app.booking FOR EACH ROW WHEN (NOT isempty(NEW.t)) EXECUTE FUNCTION ari_app.on();
BEGIN;
DELETE FROM ari_app.par WHERE id = 5;
ROLLBACK;
BEGIN;
UPDATE ari_app.query SET query = 'DELETE FROM ONLY ari.orders WHERE cust = $1';
DELETE FROM ari_app.par WHERE id = 5;
ROLLBACK;
DROP TRIGGER "A" ON ari_app.booking;
BEGIN;
UPDATE ari_app.query SET query = 'DELETE FROM ONLY ari.orders WHERE cust = $1';
DELETE FROM ari_app.par WHERE id = 6;
ROLLBACK;
BEGIN;
DECLARE ari_cursor CURSOR FOR SELECT ari_app.difference(1, i) FROM generate_series(1, 3) AS i;
FETCH ari_cursor;
UPDATE ari_app.query SET query = 'DELETE FROM ONLY ari.orders WHERE cust = $1';
DELETE FROM ari_app.par WHERE id = 7;
ROLLBACK;

/* called by the query of referential integrity itself: when it writes to an index ... */
CREATE TABLE ari_app.referring (id integer REFERENCES ari_app.par ON UPDATE CASCADE);
CREATE INDEX ON ari_app.referring USING gist (ari_app.span(id, id + 1));
INSERT INTO ari_app.par SELECT generate_series(1001, 1400);
INSERT INTO ari_app.referring SELECT i FROM generate_series(1001, 1400) AS i;
BEGIN;
SELECT set_config('ari_app.difference', query, true) FROM ari_app.query;
UPDATE ari_app.par SET id = id + 1000 WHERE id > 1000;
ROLLBACK;
/* ... or when a rule adds a command */
CREATE TABLE ari_app.ruled (id integer REFERENCES ari_app.par ON DELETE CASCADE);
INSERT INTO ari_app.ruled VALUES (8), (9);
CREATE RULE also AS ON DELETE TO ari_app.ruled WHERE OLD.id = 8 DO ALSO DELETE FROM ONLY ari.orders WHERE cust = OLD.id;
CREATE RULE instead AS ON DELETE TO ari_app.ruled WHERE OLD.id = 9 DO INSTEAD DELETE FROM ONLY ari.orders WHERE cust = 5;
DELETE FROM ari_app.par WHERE id = 8;
DROP RULE also ON ari_app.ruled;
DELETE FROM ari_app.par WHERE id = 9;
RESET ROLE;
BEGIN;
SET LOCAL personalize.purpose = 'backup';
SELECT * FROM ari.orders ORDER BY no;
ROLLBACK;

/* an event trigger of a command that adds foreign keys */
CREATE FUNCTION ari_app.event() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'SELECT fk.id FROM ari.person fk LEFT OUTER JOIN ari_app.par pk ON pk.id = fk.id WHERE pk.id IS NULL'; RAISE WARNING 'event: read'; EXCEPTION WHEN insufficient_privilege THEN RAISE WARNING 'event: refused'; END $$;
CREATE EVENT TRIGGER regress_ari ON ddl_command_end WHEN TAG IN ('ALTER TABLE') EXECUTE FUNCTION ari_app.event();
SET ROLE regress_ari_app;
CREATE TABLE ari_app.added (id integer);
INSERT INTO ari_app.added VALUES (1001);
ALTER TABLE ari_app.added ADD FOREIGN KEY (id) REFERENCES ari_app.par;
RESET ROLE;
DROP EVENT TRIGGER regress_ari;
DEALLOCATE ari_select;
DEALLOCATE ari_update;
DEALLOCATE ari_delete;
DROP SCHEMA ari, ari_app CASCADE;
DROP OWNED BY regress_ari_app;
DROP ROLE regress_ari_app;
