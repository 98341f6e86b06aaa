-- No trigger makes a row be about somebody else, whatever fires it; those that leave the subject alone go on.
\set VERBOSITY terse
\pset format unaligned
CREATE ROLE regress_trg_owner;
CREATE ROLE regress_trg_app;
CREATE ROLE regress_trg_officer;
CREATE SCHEMA trg AUTHORIZATION regress_trg_owner;
GRANT USAGE ON SCHEMA trg TO PUBLIC;
SET ROLE regress_trg_owner;
CREATE TABLE trg.shop (shop_id integer PRIMARY KEY);
INSERT INTO trg.shop VALUES (1), (2);
CREATE TABLE trg.card (person_id integer PRIMARY KEY);
INSERT INTO trg.card VALUES (1), (2), (3);
CREATE TABLE trg.visit (visit_id integer PRIMARY KEY, person_id integer REFERENCES trg.card ON UPDATE CASCADE ON DELETE SET NULL, shop_id integer REFERENCES trg.shop ON UPDATE CASCADE ON DELETE SET NULL, note text, changed integer DEFAULT 0);
INSERT INTO trg.visit VALUES (10, 1, 1, 'a'), (20, 2, 1, 'b'), (30, 3, 1, 'c');
CREATE TABLE trg.event (event_id integer, person_id integer, note text, PRIMARY KEY (event_id)) PARTITION BY RANGE (event_id);
CREATE TABLE trg.event_1 PARTITION OF trg.event FOR VALUES FROM (0) TO (100);
CREATE TABLE trg.event_2 (note text, gone text, person_id integer, event_id integer NOT NULL);
ALTER TABLE trg.event_2 DROP COLUMN gone;
ALTER TABLE trg.event ATTACH PARTITION trg.event_2 FOR VALUES FROM (100) TO (200);
INSERT INTO trg.event VALUES (1, 1, 'a'), (101, 1, 'b');
GRANT ALL ON ALL TABLES IN SCHEMA trg TO regress_trg_app, regress_trg_officer;
/* what is written on the sign is done */
CREATE TABLE trg.sign (says text);
INSERT INTO trg.sign VALUES ('nothing');
GRANT SELECT ON trg.sign TO PUBLIC;
CREATE FUNCTION trg.move() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	CASE (SELECT says FROM trg.sign)
		WHEN 'nothing' THEN NULL;
		WHEN 'skip' THEN RETURN NULL;
		WHEN 'null' THEN NEW.person_id := NULL;
		WHEN 'same' THEN NEW.person_id := OLD.person_id; NEW.note := NEW.note || '!';
		ELSE NEW.person_id := 2;
	END CASE;
	RETURN NEW;
END
$$;
CREATE TRIGGER zzz BEFORE UPDATE ON trg.visit FOR EACH ROW EXECUTE FUNCTION trg.move();
CREATE TRIGGER zzz BEFORE UPDATE ON trg.event_2 FOR EACH ROW EXECUTE FUNCTION trg.move();
RESET ROLE;
DO $$
BEGIN
	PERFORM personalize.define_kind('trg_person', 'integer');
	PERFORM personalize.define_category('trg_general', 'for tests');
	PERFORM personalize.define_purpose('trg_use', 'for tests', categories => '{trg_general}');
	PERFORM personalize.protect('trg.visit', 'person_id', kind => 'trg_person', columns => '{"*":"trg_general"}');
	PERFORM personalize.protect('trg.event', 'person_id', kind => 'trg_person', columns => '{"*":"trg_general"}');
	PERFORM personalize.grant_purpose('trg_use', 'regress_trg_app'), personalize.grant_purpose('trg_use', 'regress_trg_officer');
	PERFORM personalize.assign_duty('regress_trg_officer', 'officer');
	PERFORM personalize.grant_consent(i, 'trg_use', kind => 'trg_person') FROM generate_series(1, 2) AS i;
END
$$;
CREATE FUNCTION trg.say(what text) RETURNS void LANGUAGE sql SECURITY DEFINER AS $$ UPDATE trg.sign SET says = what $$;
/* runs a statement for the purpose; undone */
CREATE FUNCTION trg.run(says text, statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	n bigint;
	result text;
BEGIN
	PERFORM trg.say(says);
	PERFORM set_config('personalize.purpose', 'trg_use', true);
	EXECUTE statement;
	GET DIAGNOSTICS n = ROW_COUNT;
	RAISE 'ok %', n USING ERRCODE = 'ZZ001';
EXCEPTION WHEN OTHERS THEN
	RETURN CASE WHEN sqlstate = 'ZZ001' THEN sqlerrm ELSE sqlstate || ' ' || sqlerrm END;
END
$$;
CREATE TABLE trg.statement (no integer, statement text);
INSERT INTO trg.statement VALUES
	(1, $$UPDATE trg.visit SET note = 'x' WHERE visit_id = 10$$), (2, $$UPDATE trg.visit AS v SET note = s.shop_id FROM trg.shop AS s WHERE s.shop_id = v.shop_id AND visit_id = 10$$),
	(3, $$WITH w AS (UPDATE trg.visit SET note = 'x' WHERE visit_id = 10 RETURNING 1) SELECT count(*) FROM w$$),
	(4, $$INSERT INTO trg.visit VALUES (10, 1, 1, 'x') ON CONFLICT (visit_id) DO UPDATE SET note = 'y'$$),
	(5, $$MERGE INTO trg.visit AS v USING (VALUES (10)) AS x (id) ON visit_id = id WHEN MATCHED THEN UPDATE SET note = 'z'$$),
	(6, $$UPDATE trg.event SET note = 'x'$$), (7, $$UPDATE trg.event_2 SET note = 'x'$$), (8, $$UPDATE trg.event SET event_id = 2 WHERE event_id = 101$$),
	(9, $$INSERT INTO trg.event VALUES (101, 1, 'x') ON CONFLICT (event_id) DO UPDATE SET note = 'y'$$),
	(10, $$MERGE INTO trg.event AS e USING (VALUES (101)) AS x (id) ON event_id = id WHEN MATCHED THEN UPDATE SET note = 'z'$$),
	(11, $$UPDATE trg.shop SET shop_id = 7 WHERE shop_id = 1$$), (13, $$UPDATE trg.card SET person_id = 9 WHERE person_id = 1$$), (14, $$DELETE FROM trg.card WHERE person_id = 1$$), (12, $$DELETE FROM trg.shop WHERE shop_id = 1$$);
GRANT SELECT ON trg.statement TO PUBLIC;
\echo of the application
SET ROLE regress_trg_app;
SELECT no, says, trg.run(says, statement) FROM trg.statement, unnest('{nothing,same,skip,other,"null"}'::text[]) WITH ORDINALITY AS u (says, n) ORDER BY no, n;
\echo of an officer
SET ROLE regress_trg_officer;
SELECT no, says, trg.run(says, statement) FROM trg.statement, unnest('{nothing,other}'::text[]) WITH ORDINALITY AS u (says, n) ORDER BY no, n;
RESET ROLE;
\echo nothing of ours is in the catalog, and EXPLAIN ANALYZE says that it ran
SELECT trg.say('nothing') \g /dev/null
SELECT tgrelid::regclass, tgname FROM pg_trigger WHERE tgrelid IN ('trg.visit'::regclass, 'trg.event_2'::regclass) AND NOT tgisinternal ORDER BY 1;
SET ROLE regress_trg_app;
BEGIN;
SET LOCAL personalize.purpose = 'trg_use';
CREATE FUNCTION pg_temp.triggers(statement text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, BUFFERS OFF) ' || statement LOOP
		IF line LIKE 'Trigger%' THEN
			RETURN NEXT regexp_replace(line, '[0-9.]+', 'n', 'g');
		END IF;
	END LOOP;
END
$$;
SELECT pg_temp.triggers('UPDATE trg.visit SET note = ''x'' WHERE visit_id = 10');
ROLLBACK;
RESET ROLE;
SELECT personalize.unprotect('trg.visit'), personalize.unprotect('trg.event');
SET client_min_messages = warning;
DROP SCHEMA trg CASCADE;
SELECT personalize.revoke_purpose('trg_use', 'regress_trg_app'), personalize.revoke_purpose('trg_use', 'regress_trg_officer'), personalize.revoke_duty('regress_trg_officer', 'officer');
DROP ROLE regress_trg_owner, regress_trg_app, regress_trg_officer;
