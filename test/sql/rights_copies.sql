-- Erasure follows copies as far as it can and says how far; what is left below the tables is told as pending until it is gone.
SET client_min_messages = warning;
\pset format unaligned
\set SHOW_CONTEXT never
CREATE ROLE regress_rc_owner;
CREATE ROLE regress_rc_app;
CREATE ROLE regress_rc_officer;
CREATE SCHEMA rc;
GRANT USAGE, CREATE ON SCHEMA rc TO regress_rc_owner, regress_rc_app;
SET ROLE regress_rc_owner;
CREATE TABLE rc.person (id bigint PRIMARY KEY, name text) WITH (autovacuum_enabled = false);
CREATE TABLE rc.message (sender bigint, recipient bigint, body text) WITH (autovacuum_enabled = false);
GRANT SELECT ON rc.person, rc.message TO regress_rc_app;
RESET ROLE;
INSERT INTO rc.person SELECT i, 'n' || i FROM generate_series(1, 200) AS i;
INSERT INTO rc.message VALUES (1, 2, 'a'), (2, 3, 'b'), (1, 1, 'c'), (3, 4, 'd');
DO $$
BEGIN
	PERFORM personalize.define_kind('rc', 'bigint');
	PERFORM personalize.define_category('rc_c', 'for tests');
	PERFORM personalize.define_purpose('rc_p', 'for tests', 'legitimate_interest', '{rc_c}');
	PERFORM personalize.protect('rc.person', 'id', kind => 'rc', columns => '{"*":"rc_c"}');
	PERFORM personalize.protect('rc.message', 'sender', kind => 'rc', columns => '{"*":"rc_c"}');
	PERFORM personalize.add_subject_path('rc.message', '{recipient}', kind => 'rc');
	PERFORM personalize.grant_purpose('rc_p', 'regress_rc_app', may_copy => true);
	PERFORM personalize.assign_duty('regress_rc_officer', 'officer');
END
$$;
SET ROLE regress_rc_app;
BEGIN;
SET LOCAL personalize.purpose = 'rc_p';
CREATE TABLE rc.same AS SELECT * FROM rc.person;
CREATE TABLE rc.renamed AS SELECT id AS person_id, name FROM rc.person;
CREATE TABLE rc.other_type AS SELECT id::text AS id FROM rc.person;
CREATE TABLE rc.messages AS SELECT * FROM rc.message;
CREATE TABLE rc.sent AS SELECT sender, body FROM rc.message;
CREATE TABLE rc.stubborn AS SELECT * FROM rc.person;
CREATE TABLE rc.spy AS SELECT * FROM rc.person;
CREATE MATERIALIZED VIEW rc.mat AS SELECT * FROM rc.person;
COMMIT;
CREATE FUNCTION rc.no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'person % stays', OLD.id; END $$;
CREATE TRIGGER no BEFORE DELETE ON rc.stubborn FOR EACH ROW EXECUTE FUNCTION rc.no();
CREATE TABLE rc.seen (who text);
CREATE FUNCTION rc.look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO rc.seen VALUES (current_user); RETURN OLD; END $$;
CREATE TRIGGER look BEFORE DELETE ON rc.spy FOR EACH ROW EXECUTE FUNCTION rc.look();
RESET ROLE;
CREATE FUNCTION rc.show(c jsonb) RETURNS TABLE (copy text, action text, rows text, reason text) LANGUAGE sql AS
	$$ SELECT e.value ->> 'copy', e.value ->> 'action', e.value ->> 'rows', e.value ->> 'reason' FROM jsonb_array_elements(c -> 'copies') WITH ORDINALITY AS e (value, place) ORDER BY e.place $$;
GRANT USAGE ON SCHEMA rc TO regress_rc_officer;
SET ROLE regress_rc_officer;
SELECT * FROM rc.show(personalize.erase_subject(1, dry_run => true, kind => 'rc'));
CREATE TEMP TABLE done AS SELECT personalize.erase_subject(1, kind => 'rc') AS c;
SELECT s.* FROM done AS d CROSS JOIN LATERAL rc.show(d.c) AS s;
RESET ROLE;
SELECT DISTINCT who FROM rc.seen;
SELECT (SELECT count(*) FROM rc.same WHERE id = 1) AS same, (SELECT count(*) FROM rc.messages) AS messages, (SELECT count(*) FROM rc.sent) AS sent,
	(SELECT count(*) FROM rc.stubborn WHERE id = 1) AS stubborn, (SELECT count(*) FROM rc.renamed WHERE person_id = 1) AS renamed, (SELECT count(*) FROM rc.same) AS others;
/* many at once; what is held is held in copies; a copy that is protected is a relation like others */
SELECT personalize.hold_subject(3, 'case', 'rc.person', 'rc') IS NOT NULL AS held;
SELECT personalize.protect('rc.sent', 'sender', kind => 'rc', columns => '{"*":"rc_c"}');
DROP TABLE rc.stubborn, rc.other_type, rc.renamed;
DROP MATERIALIZED VIEW rc.mat;
SELECT c.place, s.* FROM jsonb_array_elements(personalize.erase_subjects('{2,3,199}', kind => 'rc')) WITH ORDINALITY AS c (value, place) CROSS JOIN LATERAL rc.show(c.value) AS s ORDER BY 1, 2;
SELECT (SELECT array_agg(id ORDER BY id) FROM rc.same WHERE id IN (2, 3, 199)) AS same, (SELECT array_agg(id ORDER BY id) FROM rc.spy WHERE id IN (2, 3, 199)) AS spy;
/* below the tables */
SELECT t.trace, t.gone FROM done AS d CROSS JOIN LATERAL personalize.erasure_traces((d.c ->> 'certificate_id')::uuid) AS t WHERE t.trace ~ '(person|message|archives)$' ORDER BY t.trace COLLATE "C";
SELECT t.trace, t.gone FROM done AS d CROSS JOIN LATERAL personalize.erasure_traces((d.c ->> 'certificate_id')::uuid) AS t WHERE t.trace = 'write-ahead log';
BEGIN;
SELECT t.* FROM personalize.erasure_traces((personalize.erase_subject(198, kind => 'rc') ->> 'certificate_id')::uuid) AS t;
ROLLBACK;
ANALYZE rc.person;
VACUUM (FREEZE, INDEX_CLEANUP ON) rc.person;
SELECT t.trace, t.gone, t.detail FROM done AS d CROSS JOIN LATERAL personalize.erasure_traces((d.c ->> 'certificate_id')::uuid) AS t WHERE t.trace LIKE '%rc.person' ORDER BY t.trace COLLATE "C";
SELECT personalize.erasure_traces('00000000-0000-0000-0000-000000000000');
UPDATE personalize.hold SET released_at = now(), key = NULL WHERE released_at IS NULL;
DO $$
BEGIN
	PERFORM personalize.unprotect(p.relation) FROM (SELECT DISTINCT q.relation FROM personalize.protected_relations AS q WHERE q.kind = 'rc') AS p;
	PERFORM personalize.retire_purpose('rc_p');
	PERFORM personalize.revoke_duty('regress_rc_officer', 'officer');
END
$$;
DROP SCHEMA rc CASCADE;
DROP OWNED BY regress_rc_owner, regress_rc_app, regress_rc_officer;
DROP ROLE regress_rc_owner, regress_rc_app, regress_rc_officer;
