-- Children that come to a protected relation are protected by themselves at once: registered, with policies, forced row security and hard protection; what cannot be filtered is refused.
SET client_min_messages = warning;
\pset format unaligned
\set VERBOSITY terse
CREATE ROLE regress_enf_owner;
CREATE ROLE regress_enf_app;
CREATE SCHEMA enf AUTHORIZATION regress_enf_owner;
GRANT USAGE ON SCHEMA enf TO PUBLIC;
SET ROLE regress_enf_owner;
CREATE FUNCTION enf.refused(query text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE query;
	RAISE EXCEPTION 'not refused';		/* and undone */
EXCEPTION WHEN insufficient_privilege OR object_not_in_prerequisite_state OR duplicate_object OR wrong_object_type THEN
	RETURN SQLERRM;
WHEN raise_exception THEN
	RETURN SQLERRM;
END $$;
CREATE TABLE enf.visit (id integer, page text, day integer NOT NULL) PARTITION BY RANGE (day);
CREATE TABLE enf.visit_1 PARTITION OF enf.visit FOR VALUES FROM (1) TO (10);
CREATE TABLE enf.parent (id integer, name text);
CREATE TABLE enf.hard (id integer, day integer) PARTITION BY RANGE (day);
RESET ROLE;
/* 1 agreed */
DO $$
BEGIN
	PERFORM personalize.define_kind('enforce_children', 'bigint');
	PERFORM personalize.define_category('enf_general', 'for tests');
	PERFORM personalize.define_purpose('enf_ads', 'for tests', categories => '{enf_general}');
	PERFORM personalize.grant_purpose('enf_ads', r) FROM unnest('{regress_enf_app,regress_enf_owner}'::regrole[]) AS r;
	PERFORM personalize.grant_consent(1, 'enf_ads', kind => 'enforce_children');
	PERFORM personalize.protect(r, 'id', kind => 'enforce_children', columns => '{"*":"enf_general"}') FROM unnest('{enf.visit,enf.parent}'::regclass[]) AS r;
	PERFORM personalize.protect('enf.hard', 'id', kind => 'enforce_children', columns => '{"*":"enf_general"}', hard => true);
END
$$;
/* row security, policies by their kind, what the registry says */
CREATE VIEW enf.guards AS
	SELECT c.oid::regclass AS relation, c.relrowsecurity AS enabled, c.relforcerowsecurity AS forced,
		(SELECT string_agg(CASE WHEN p.polname ~ '^personalize_[0-9]+$' THEN 'path' ELSE p.polname END, ' ' ORDER BY p.polname DESC) FROM pg_policy AS p WHERE p.polrelid = c.oid) AS policies,
		(SELECT h.relid::regclass FROM personalize.registry_child AS h WHERE h.child_relid = c.oid) AS child_of,
		(SELECT m.amname FROM pg_am AS m WHERE m.oid = c.relam AND c.relkind = 'r') AS am
	FROM pg_class AS c
	WHERE c.relnamespace = 'enf'::regnamespace AND c.relkind IN ('r', 'p') ORDER BY c.relname;

SET ROLE regress_enf_owner;
/* made, attached with rows and a policy of its own, attached below, a tree attached as a whole */
CREATE TABLE enf.visit_2 PARTITION OF enf.visit FOR VALUES FROM (10) TO (20);
CREATE TABLE enf.visit_3 (page text, id integer, day integer NOT NULL);
INSERT INTO enf.visit_3 SELECT 'page' || i, i, 20 FROM generate_series(1, 3) AS i;
ALTER TABLE enf.visit_3 ENABLE ROW LEVEL SECURITY;
CREATE POLICY mine ON enf.visit_3 USING (id < 3);
ALTER TABLE enf.visit ATTACH PARTITION enf.visit_3 FOR VALUES FROM (20) TO (30);
CREATE TABLE enf.visit_4 PARTITION OF enf.visit FOR VALUES FROM (30) TO (40) PARTITION BY LIST (day);
CREATE TABLE enf.visit_4_1 PARTITION OF enf.visit_4 FOR VALUES IN (30);
CREATE TABLE enf.visit_4_2 (LIKE enf.visit);
ALTER TABLE enf.visit_4 ATTACH PARTITION enf.visit_4_2 FOR VALUES IN (31);
CREATE TABLE enf.visit_5 (LIKE enf.visit) PARTITION BY LIST (day);
CREATE TABLE enf.visit_5_1 PARTITION OF enf.visit_5 FOR VALUES IN (40);
INSERT INTO enf.visit_5 SELECT i, 'page', 40 FROM generate_series(1, 3) AS i;
ALTER TABLE enf.visit ATTACH PARTITION enf.visit_5 FOR VALUES FROM (40) TO (50);
/* with several commands, and in a schema element */
ALTER TABLE enf.visit ADD COLUMN extra integer;
DO $$ BEGIN FOR i IN 5 .. 6 LOOP EXECUTE format('CREATE TABLE enf.visit_%s PARTITION OF enf.visit FOR VALUES FROM (%s) TO (%s)', i + 1, i * 10, i * 10 + 10); END LOOP; END $$;
CREATE TABLE enf.kid () INHERITS (enf.parent);
CREATE TABLE enf.kid_2 (more text, name text, id integer);
INSERT INTO enf.kid_2 SELECT 'more', 'name' || i, i FROM generate_series(1, 3) AS i;
ALTER TABLE enf.kid_2 INHERIT enf.parent;
CREATE TABLE enf.grandkid () INHERITS (enf.kid);
CREATE TABLE enf.hard_1 PARTITION OF enf.hard FOR VALUES FROM (1) TO (10);
CREATE TABLE enf.hard_2 (LIKE enf.hard);
INSERT INTO enf.hard_2 SELECT i, 10 FROM generate_series(1, 3) AS i;
ALTER TABLE enf.hard ATTACH PARTITION enf.hard_2 FOR VALUES FROM (10) TO (20);
INSERT INTO enf.visit SELECT i, 'page', d FROM generate_series(1, 3) AS i, generate_series(10, 60, 10) AS d WHERE d NOT IN (20, 40);
INSERT INTO enf.kid VALUES (1, 'kid1'), (2, 'kid2');
INSERT INTO enf.grandkid VALUES (1, 'grand1'), (2, 'grand2');
RESET ROLE;
GRANT ALL ON ALL TABLES IN SCHEMA enf TO regress_enf_app;
SELECT * FROM enf.guards;
SELECT check_name, detail FROM personalize.status() WHERE check_name IN ('policy', 'row security', 'hard protection');

/* directly, by everybody */
CREATE FUNCTION enf.sees(role name) RETURNS text LANGUAGE plpgsql AS $$
DECLARE t text; n bigint; result text := '';
BEGIN
	EXECUTE format('SET LOCAL ROLE %I', role);
	FOREACH t IN ARRAY '{visit_2,visit_3,visit_4,visit_4_1,visit_4_2,visit_5_1,visit_6,kid,kid_2,grandkid,hard_1,hard_2}'::text[] LOOP
		EXECUTE format('SELECT count(*) FROM enf.%I WHERE id <> 1', t) INTO n;
		result := result || CASE WHEN n = 0 THEN '' ELSE t || ' ' END;
		EXECUTE format('SELECT count(*) FROM enf.%I WHERE id = 1', t) INTO n;
		result := result || n;
	END LOOP;
	RETURN result;
END $$;
BEGIN; SET LOCAL personalize.purpose = 'enf_ads'; SELECT enf.sees('regress_enf_app'); COMMIT;
BEGIN; SET LOCAL personalize.purpose = 'enf_ads'; SELECT enf.sees('regress_enf_owner'); COMMIT;
BEGIN; SET LOCAL personalize.purpose = 'enf_ads'; SELECT enf.sees(CURRENT_USER); COMMIT;
SET ROLE regress_enf_owner;
SELECT enf.refused('SELECT page FROM enf.visit_2'), enf.refused('SELECT name FROM enf.grandkid');
COPY enf.visit_4_2 TO STDOUT;

/* refused */
CREATE TABLE enf.other (id integer, name text);
CREATE TABLE enf.plain (id integer, page text, day integer NOT NULL, extra integer) PARTITION BY RANGE (day);
CREATE TABLE enf.below (id integer, page text, day integer NOT NULL);
CREATE TABLE enf.tree (LIKE enf.visit) PARTITION BY LIST (day);
CREATE TABLE enf.tree_1 PARTITION OF enf.tree FOR VALUES IN (90);
RESET ROLE;
DO $$ BEGIN PERFORM personalize.protect(r, 'id', kind => 'enforce_children') FROM unnest('{enf.below,enf.other}'::regclass[]) AS r; END $$;
SET ROLE regress_enf_owner;
SELECT enf.refused('ALTER TABLE enf.visit ATTACH PARTITION enf.below FOR VALUES FROM (80) TO (90)');
SELECT enf.refused('ALTER TABLE enf.plain ATTACH PARTITION enf.below FOR VALUES FROM (80) TO (90)');
SELECT enf.refused('ALTER TABLE enf.plain ATTACH PARTITION enf.visit DEFAULT');
SELECT enf.refused('ALTER TABLE enf.other INHERIT enf.parent');
SELECT enf.refused('ALTER TABLE enf.kid INHERIT enf.other');
CREATE TABLE enf.unprotected (id integer, name text);
SELECT enf.refused('ALTER TABLE enf.kid INHERIT enf.unprotected');
SELECT enf.refused('CREATE TABLE enf.two () INHERITS (enf.parent, enf.other)');
SELECT enf.refused('CREATE TABLE enf.two () INHERITS (enf.parent, enf.unprotected)');
SELECT enf.refused('CREATE TABLE enf.two () INHERITS (enf.unprotected, enf.parent)');
SELECT enf.refused('CREATE TABLE enf.two () INHERITS (enf.kid, enf.kid_2)');
SELECT enf.refused('ALTER TABLE enf.visit DETACH PARTITION enf.visit_2');
SELECT enf.refused('ALTER TABLE enf.kid NO INHERIT enf.parent');
RESET ROLE;
CREATE FOREIGN DATA WRAPPER enf_fdw;
CREATE SERVER enf_server FOREIGN DATA WRAPPER enf_fdw;
SELECT enf.refused('CREATE FOREIGN TABLE enf.far PARTITION OF enf.visit FOR VALUES FROM (80) TO (90) SERVER enf_server');
SELECT enf.refused('CREATE FOREIGN TABLE enf.far (id integer, name text) SERVER enf_server; ALTER FOREIGN TABLE enf.far INHERIT enf.parent');
DROP FOREIGN DATA WRAPPER enf_fdw CASCADE;
/* indexes of partitions are attached as before */
SET ROLE regress_enf_owner;
CREATE INDEX visit_page ON ONLY enf.visit (page);
CREATE INDEX visit_1_page ON enf.visit_1 (page);
ALTER INDEX enf.visit_page ATTACH PARTITION enf.visit_1_page;
/* a protected child leaves a parent that is not: it stays what it is */
CREATE TABLE enf.above (id integer, name text);
CREATE TABLE enf.own () INHERITS (enf.above);
RESET ROLE;
DO $$ BEGIN PERFORM personalize.protect('enf.own', 'id', kind => 'enforce_children'); END $$;
SET ROLE regress_enf_owner;
ALTER TABLE enf.own NO INHERIT enf.above;
SELECT enf.refused('SELECT * FROM enf.own');

/* dropped children leave no trace, and a rolled back one neither */
BEGIN; CREATE TABLE enf.visit_8 PARTITION OF enf.visit FOR VALUES FROM (70) TO (80); ROLLBACK;
DROP TABLE enf.visit_6, enf.grandkid;
RESET ROLE;
SELECT count(*) FROM personalize.registry_child AS h WHERE h.schema_name = 'enf' AND h.relation_name IN ('visit_8', 'visit_6', 'grandkid');
/* unprotect() puts everything back */
DO $$ BEGIN PERFORM personalize.unprotect(r) FROM unnest('{enf.visit,enf.parent,enf.hard,enf.below,enf.other,enf.own}'::regclass[]) AS r; END $$;
SELECT * FROM enf.guards WHERE enabled OR forced OR policies IS NOT NULL OR child_of IS NOT NULL OR am <> 'heap';
SET ROLE regress_enf_owner;
ALTER TABLE enf.visit DETACH PARTITION enf.visit_2;
RESET ROLE;
DROP SCHEMA enf CASCADE;
DROP OWNED BY regress_enf_owner, regress_enf_app;
DROP ROLE regress_enf_owner, regress_enf_app;
