-- No index shows a withheld row to a function of a user when another row is written.
\set VERBOSITY terse
\pset format unaligned
CREATE ROLE regress_cfl_owner;
CREATE SCHEMA cfl AUTHORIZATION regress_cfl_owner;
SET ROLE regress_cfl_owner;
CREATE FUNCTION cfl.tell(id integer, name text) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RAISE NOTICE 'told of %', name; RETURN 1; END $$;
CREATE FUNCTION cfl.distance(a integer, b integer) RETURNS float8 LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RAISE NOTICE 'told of %', b; RETURN a - b; END $$;
CREATE TYPE cfl.span AS RANGE (subtype = integer, subtype_diff = cfl.distance);
CREATE TABLE cfl.excluded (id integer, name text, EXCLUDE USING btree (cfl.tell(id, name) WITH =));
CREATE TABLE cfl.uniq (id integer, name text);
CREATE UNIQUE INDEX ON cfl.uniq (cfl.tell(id, name));
CREATE TABLE cfl.spans (id integer, s cfl.span);
CREATE INDEX ON cfl.spans USING gist (s);
CREATE TABLE cfl.parts (id integer, name text) PARTITION BY LIST (id);
CREATE TABLE cfl.part PARTITION OF cfl.parts DEFAULT;
ALTER TABLE cfl.part ADD EXCLUDE USING btree (cfl.tell(id, name) WITH =);
CREATE TABLE cfl.moves (event_id integer, id integer, name text) PARTITION BY RANGE (event_id);
CREATE TABLE cfl.moves_1 PARTITION OF cfl.moves FOR VALUES FROM (0) TO (100);
CREATE TABLE cfl.moves_2 PARTITION OF cfl.moves FOR VALUES FROM (100) TO (200);
ALTER TABLE cfl.moves_2 ADD EXCLUDE USING btree (cfl.tell(id, name) WITH =);
CREATE TABLE cfl.fine (id integer, name text, EXCLUDE USING btree (lower(name) WITH =));
CREATE UNIQUE INDEX fine_upper ON cfl.fine (upper(name));
SET client_min_messages = warning;
INSERT INTO cfl.excluded VALUES (1, 'secret1');
INSERT INTO cfl.uniq VALUES (1, 'secret1');
INSERT INTO cfl.parts VALUES (1, 'secret1');
INSERT INTO cfl.spans VALUES (1, '[1,1]'), (1, '[900,900]');
INSERT INTO cfl.fine VALUES (1, 'secret1');
INSERT INTO cfl.moves VALUES (1, 2, 'mine'), (101, 1, 'secret1');
RESET ROLE;
DO $$
DECLARE
	t text;
BEGIN
	PERFORM personalize.define_kind('cfl_person', 'integer');
	PERFORM personalize.define_category('cfl_general', 'for tests');
	PERFORM personalize.define_purpose('cfl_use', 'for tests', categories => '{cfl_general}');
	FOREACH t IN ARRAY '{excluded,uniq,spans,parts,fine,moves}'::text[] LOOP
		PERFORM personalize.protect(('cfl.' || t)::regclass, 'id', kind => 'cfl_person', columns => '{"*":"cfl_general"}');
	END LOOP;
	PERFORM personalize.grant_purpose('cfl_use', 'regress_cfl_owner');
	PERFORM personalize.grant_consent(2, 'cfl_use', kind => 'cfl_person');
END
$$;
SET ROLE regress_cfl_owner;
SET client_min_messages = notice;
SET personalize.purpose_scope = session;
SET personalize.purpose = 'cfl_use';
INSERT INTO cfl.excluded VALUES (2, 'mine');
UPDATE cfl.excluded SET name = 'mine';
COPY cfl.excluded FROM stdin;
2	mine
\.
INSERT INTO cfl.parts VALUES (2, 'mine');
INSERT INTO cfl.part VALUES (2, 'mine');
INSERT INTO cfl.spans VALUES (2, '[5,6]');
INSERT INTO cfl.uniq VALUES (2, 'mine') ON CONFLICT DO NOTHING;
INSERT INTO cfl.uniq VALUES (2, 'mine') ON CONFLICT ((cfl.tell(id, name))) DO UPDATE SET name = 'x';
MERGE INTO cfl.excluded AS e USING (VALUES (2)) AS v (id) ON e.id = v.id WHEN NOT MATCHED THEN INSERT VALUES (2, 'mine');
\echo ... nor when a row is moved to where such a constraint is
UPDATE cfl.moves SET event_id = 150 WHERE event_id = 1;
MERGE INTO cfl.moves AS m USING (VALUES (1)) AS v (id) ON m.event_id = 1 AND m.event_id = v.id WHEN MATCHED THEN UPDATE SET event_id = 160;
\echo its own row may be told of
INSERT INTO cfl.uniq VALUES (2, 'mine');
BEGIN;
SET LOCAL personalize.purpose = 'cfl_use';
DELETE FROM cfl.excluded;
COMMIT;
\echo built-in functions tell nobody
INSERT INTO cfl.fine VALUES (2, 'mine');
INSERT INTO cfl.fine VALUES (2, 'SECRET1');
INSERT INTO cfl.fine VALUES (2, 'mine') ON CONFLICT DO NOTHING;
\echo a constraint that is new is looked at
CREATE TABLE cfl.late (id integer, name text);
RESET ROLE;
SELECT personalize.protect('cfl.late', 'id', kind => 'cfl_person', columns => '{"*":"cfl_general"}');
SET ROLE regress_cfl_owner;
INSERT INTO cfl.late SELECT 2, 'mine' WHERE false;
ALTER TABLE cfl.late ADD EXCLUDE USING btree (cfl.tell(id, name) WITH =);
INSERT INTO cfl.late VALUES (2, 'mine');
RESET ROLE;
SELECT personalize.unprotect(r) FROM unnest('{cfl.excluded,cfl.uniq,cfl.spans,cfl.parts,cfl.fine,cfl.late,cfl.moves}'::regclass[]) AS r;
SET client_min_messages = warning;
RESET personalize.purpose;
RESET personalize.purpose_scope;
DROP SCHEMA cfl CASCADE;
SELECT personalize.revoke_purpose('cfl_use', 'regress_cfl_owner');
DROP ROLE regress_cfl_owner;
