-- Kept plans of an erasure let nothing through but themselves: what owners' code reads of a statement is worth nothing, within it and later.
SET client_min_messages = warning;
\pset format unaligned
\set SHOW_CONTEXT never
CREATE ROLE regress_rp_owner;
CREATE SCHEMA rp AUTHORIZATION regress_rp_owner;
SET ROLE regress_rp_owner;
CREATE TABLE rp.person (id bigint PRIMARY KEY, name text);
CREATE TABLE rp.read (how text, statement text, result text);
/* the text of the statement that runs us, with its random number */
CREATE FUNCTION rp.statement() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	context text;
BEGIN
	GET DIAGNOSTICS context = PG_CONTEXT;
	RETURN (regexp_match(context, 'SQL statement "(/[*] personalize [^"]*(""[^"]*)*)"'))[1];
END
$$;
CREATE FUNCTION rp.try(how text, statement text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	BEGIN
		EXECUTE replace(statement, '""', '"') USING '{2,3}'::text[], '{}'::jsonb;
		result := 'ran';
	EXCEPTION WHEN OTHERS THEN
		result := SQLERRM;
	END;
	INSERT INTO rp.read VALUES (how, statement, result);
END
$$;
CREATE FUNCTION rp.thief() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
	s text := rp.statement();
	old_one text := (SELECT r.statement FROM rp.read AS r WHERE r.how = 'within' LIMIT 1);
BEGIN
	PERFORM rp.try('within', s);
	IF old_one IS NOT NULL THEN
		PERFORM rp.try('with that of the last one', old_one);
	END IF;
	RETURN OLD;
END
$$;
CREATE TRIGGER thief BEFORE DELETE ON rp.person FOR EACH ROW EXECUTE FUNCTION rp.thief();
RESET ROLE;
INSERT INTO rp.person SELECT i, 'n' || i FROM generate_series(1, 9) AS i;
SELECT personalize.define_kind('rp', 'bigint');
SELECT personalize.define_category('rp_c', 'for tests');
SELECT personalize.protect('rp.person', 'id', kind => 'rp', columns => '{"*":"rp_c"}');
SELECT personalize.erase_subject(k, kind => 'rp') -> 'subjects' AS erased FROM unnest('{4,5}'::bigint[]) AS k;
SELECT c -> 'subjects' AS erased FROM jsonb_array_elements(personalize.erase_subjects('{6,7}', kind => 'rp')) AS c;
/* it is read, and each time another */
SELECT how, regexp_replace(statement, '[0-9a-f]{32}', 'N') AS statement, result, count(*) AS tried, count(DISTINCT statement) AS texts FROM rp.read GROUP BY 1, 2, 3 ORDER BY 1, 2;
SELECT bool_or(octet_length(substring(statement FROM '[0-9a-f]{32}')) = 32) AS random FROM rp.read;
/* after it, as the owner */
SET ROLE regress_rp_owner;
SELECT rp.try('after', (SELECT statement FROM rp.read LIMIT 1));
SELECT result FROM rp.read WHERE how = 'after';
RESET ROLE;
BEGIN;
SET LOCAL personalize.purpose = 'backup';
SELECT id FROM rp.person ORDER BY id;
COMMIT;
/* an erasure within an erasure: its statements are those that run */
SELECT personalize.assign_duty('regress_rp_owner', 'officer');
SET ROLE regress_rp_owner;
CREATE FUNCTION rp.again() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF OLD.id = 8 THEN
		PERFORM personalize.erase_subject(9, dry_run => true, kind => 'rp');
	END IF;
	RETURN OLD;
END
$$;
DROP TRIGGER thief ON rp.person;
CREATE TRIGGER again BEFORE DELETE ON rp.person FOR EACH ROW EXECUTE FUNCTION rp.again();
RESET ROLE;
SELECT personalize.erase_subject(8, kind => 'rp') -> 'subjects' AS erased;
/* kept plans follow the schema: a column of another type, another owner, another table of the name, a path more */
DROP TRIGGER again ON rp.person;
ALTER TABLE rp.person OWNER TO CURRENT_USER;
SELECT personalize.erase_subject(9, kind => 'rp') -> 'relations' -> 0 -> 'rows' AS rows;
CREATE TABLE rp.note (id int, person_id bigint, other bigint);
INSERT INTO rp.note VALUES (1, 1, 2), (2, 1, 1), (3, 2, 2);
SELECT personalize.protect('rp.note', 'person_id', kind => 'rp', columns => '{"*":"rp_c"}');
SELECT jsonb_path_query_array(personalize.erase_subject(1, dry_run => true, kind => 'rp'), '$.relations[*].rows') AS rows;
SELECT personalize.add_subject_path('rp.note', '{other}', kind => 'rp');
SELECT jsonb_path_query_array(personalize.erase_subject(1, dry_run => true, kind => 'rp'), '$.relations[*].rows') AS rows;
SELECT personalize.set_erasure('rp.note', 'retain', reason => 'for a test');
SELECT jsonb_path_query_array(personalize.erase_subject(1, dry_run => true, kind => 'rp'), '$.relations[*].action') AS actions;
ALTER TABLE rp.note RENAME COLUMN person_id TO whose;
ALTER TABLE rp.note RENAME TO notes;
ALTER SCHEMA rp RENAME TO rp2;
SELECT jsonb_path_query_array(personalize.erase_subject(1, dry_run => true, kind => 'rp'), '$.relations[*].relation') AS relations;
BEGIN;
ALTER TABLE rp2.notes RENAME TO away;
SELECT jsonb_path_query_array(personalize.erase_subject(1, dry_run => true, kind => 'rp'), '$.relations[*].relation') AS relations;
ROLLBACK;
SELECT jsonb_path_query_array(personalize.erase_subject(1, kind => 'rp'), '$.relations[*].relation') AS relations;
SELECT personalize.unprotect('rp2.notes');
SELECT jsonb_path_query_array(personalize.erase_subject(2, kind => 'rp'), '$.relations[*].relation') AS relations;
SELECT personalize.unprotect('rp2.person');
SELECT personalize.revoke_duty('regress_rp_owner', 'officer');
DROP SCHEMA rp2 CASCADE;
DROP OWNED BY regress_rp_owner;
DROP ROLE regress_rp_owner;
