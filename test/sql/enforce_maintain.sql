-- A maintenance window lets the owner of a protected relation give commands that read all its rows, for a while, each on record; nobody else, nothing else, and plain DDL needs none.
SET client_min_messages = warning;
\pset format unaligned
\set VERBOSITY terse
CREATE ROLE regress_enf_owner;
CREATE ROLE regress_enf_app;
CREATE ROLE regress_enf_officer;
CREATE SCHEMA enf AUTHORIZATION regress_enf_owner;
GRANT USAGE ON SCHEMA enf TO PUBLIC;
SET ROLE regress_enf_owner;
CREATE FUNCTION enf.check_it(text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN length($1) > 0; END $$;
CREATE FUNCTION enf.refused(query text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE query;
	RAISE EXCEPTION 'not refused';		/* and undone */
EXCEPTION WHEN insufficient_privilege OR object_not_in_prerequisite_state OR invalid_parameter_value OR duplicate_object OR undefined_object THEN
	RETURN SQLERRM;
WHEN raise_exception THEN
	RETURN SQLERRM;
END $$;
CREATE TABLE enf.customer (id integer PRIMARY KEY, name text, note text);
INSERT INTO enf.customer SELECT i, 'name' || i, 'note' || i FROM generate_series(1, 5) AS i;
CREATE TABLE enf.visit (id integer, day integer NOT NULL, page text) PARTITION BY LIST (day);
CREATE TABLE enf.visit_1 PARTITION OF enf.visit FOR VALUES IN (1) PARTITION BY LIST (day);
CREATE TABLE enf.visit_1_1 PARTITION OF enf.visit_1 DEFAULT;
CREATE TABLE enf.visit_2 PARTITION OF enf.visit FOR VALUES IN (2);
INSERT INTO enf.visit SELECT i, d, 'page' || i FROM generate_series(1, 5) AS i, (VALUES (1), (2)) AS v (d);
CREATE TABLE enf.parent (id integer, name text);
CREATE TABLE enf.kid () INHERITS (enf.parent);
INSERT INTO enf.kid SELECT i, 'kid' || i FROM generate_series(1, 3) AS i;
GRANT ALL ON ALL TABLES IN SCHEMA enf TO regress_enf_app;
RESET ROLE;
DO $$
BEGIN
	PERFORM personalize.define_kind('enforce_maintain', 'bigint');
	PERFORM personalize.define_category('enf_general', 'for tests');
	PERFORM personalize.define_purpose('enf_ads', 'for tests', categories => '{enf_general}');
	PERFORM personalize.grant_purpose('enf_ads', r) FROM unnest('{regress_enf_app,regress_enf_owner}'::regrole[]) AS r;
	PERFORM personalize.grant_consent(1, 'enf_ads', kind => 'enforce_maintain');
	PERFORM personalize.assign_duty('regress_enf_officer', 'officer');
	PERFORM personalize.protect(r, 'id', kind => 'enforce_maintain', columns => '{"*":"enf_general"}') FROM unnest('{enf.customer,enf.visit,enf.parent}'::regclass[]) AS r;
END
$$;

/* plain DDL needs no window */
SET ROLE regress_enf_owner;
ALTER TABLE enf.customer ADD COLUMN extra integer DEFAULT 7;
CREATE INDEX ON enf.customer (note);
CREATE INDEX CONCURRENTLY customer_name ON enf.customer (name);
REINDEX INDEX CONCURRENTLY enf.customer_name;
VACUUM ANALYZE enf.customer;
/* the rest does */
SELECT enf.refused('ALTER TABLE enf.customer ADD CHECK (enf.check_it(name))');
SELECT enf.refused('CREATE INDEX ON enf.customer (enf.check_it(name))');
SELECT enf.refused('CREATE STATISTICS enf.s ON (length(name)), note FROM enf.customer');
SELECT enf.refused('ALTER TABLE enf.visit DETACH PARTITION enf.visit_1');
/* who may open it, and how */
SELECT enf.refused($$SELECT personalize.open_maintenance('enf.customer', 'mine')$$);
RESET ROLE;
SET ROLE regress_enf_officer;
SELECT enf.refused($$SELECT personalize.open_maintenance('enf.customer', NULL)$$), enf.refused($$SELECT personalize.open_maintenance('enf.customer', ' ')$$),
	enf.refused($$SELECT personalize.open_maintenance('enf.customer', 'x', '25 hours')$$), enf.refused($$SELECT personalize.open_maintenance('enf.customer', 'x', '-1 hour')$$),
	enf.refused($$SELECT personalize.open_maintenance('enf.customer', 'x', NULL)$$), enf.refused($$SELECT personalize.open_maintenance('enf.visit_1', 'x')$$),
	enf.refused($$SELECT personalize.close_maintenance('enf.customer')$$);
RESET ROLE;
SELECT enf.refused($$SELECT personalize.grant_purpose('maintenance', 'regress_enf_app')$$);
BEGIN; SET LOCAL personalize.purpose = 'maintenance'; SELECT name FROM enf.customer; ROLLBACK;
SET ROLE regress_enf_officer;
SELECT personalize.open_maintenance('enf.customer', 'ticket 1') > clock_timestamp() AS open;
SELECT enf.refused($$SELECT personalize.open_maintenance('enf.customer', 'again')$$);
SELECT relation, opened_by = SESSION_USER AS me, reason, ends_at - opened_at AS lasts, closed_at IS NULL AS not_closed, is_open FROM personalize.maintenance WHERE relation_name LIKE 'enf.%';
SELECT ok FROM personalize.status() WHERE check_name = 'maintenance';
/* open: for its owner, on it, and for nothing else */
RESET ROLE;
SET ROLE regress_enf_app;
SELECT enf.refused('SELECT name FROM enf.customer'), enf.refused('CREATE INDEX ON enf.customer (enf.check_it(name))');
BEGIN; SET LOCAL personalize.purpose = 'maintenance'; SELECT name FROM enf.customer; ROLLBACK;
RESET ROLE;
SET ROLE regress_enf_owner;
SELECT enf.refused('SELECT name FROM enf.customer');
SELECT enf.refused('ALTER TABLE enf.visit DETACH PARTITION enf.visit_1');
ALTER TABLE enf.customer ADD CONSTRAINT checked CHECK (enf.check_it(name)) NOT VALID;
ALTER TABLE enf.customer VALIDATE CONSTRAINT checked;
ALTER TABLE enf.customer ALTER COLUMN note TYPE text USING upper(note) || enf.check_it(note)::text;
CREATE INDEX customer_checked ON enf.customer (enf.check_it(name));
REINDEX INDEX enf.customer_checked;
CLUSTER enf.customer USING customer_checked;
CREATE STATISTICS enf.s ON (enf.check_it(name)), note FROM enf.customer;
ANALYZE enf.customer;
BEGIN; ALTER TABLE enf.customer ADD CHECK (enf.check_it(note)); ROLLBACK;
RESET ROLE;
SELECT personalize.audit_sync();
SELECT u.db_role, u.purpose, u.status, u.relation_name, u.columns, u.rows_used, u.subjects_used, u.precision, u.query
	FROM personalize.usage AS u WHERE u.purpose = 'maintenance' AND u.relation_name LIKE 'enf.%' AND u.status <> 'refused' ORDER BY u.usage_id;
SELECT count(*) FROM personalize.usage_of(5, kind => 'enforce_maintain');
/* over by the clock */
UPDATE personalize.registry_window SET ends_at = clock_timestamp() - interval '1 second' WHERE relid = 'enf.customer'::regclass;
SELECT is_open FROM personalize.maintenance WHERE relation_name = 'enf.customer';
SELECT count(*) FROM personalize.status() WHERE check_name = 'maintenance';
SET ROLE regress_enf_owner;
SELECT enf.refused('ALTER TABLE enf.customer ADD CHECK (enf.check_it(note))');
SELECT enf.refused('REINDEX TABLE enf.customer');
RESET ROLE;
/* closed before its time */
DO $$ BEGIN PERFORM personalize.open_maintenance('enf.customer', 'ticket 2', '24 hours'); PERFORM personalize.close_maintenance('enf.customer'); END $$;
SELECT reason, closed_at > opened_at AS closed, is_open FROM personalize.maintenance WHERE relation_name = 'enf.customer' ORDER BY window_id;
SET ROLE regress_enf_owner;
SELECT enf.refused('ALTER TABLE enf.customer ADD CHECK (enf.check_it(note))');
RESET ROLE;
/* what was opened stays on record */
SELECT enf.refused('DELETE FROM personalize.maintenance_event'), enf.refused('UPDATE personalize.maintenance_event SET reason = NULL'), enf.refused('TRUNCATE personalize.maintenance_event');

/* a partition that leaves is protected by itself, with what hangs below it */
DO $$ BEGIN PERFORM personalize.open_maintenance(r, 'archive') FROM unnest('{enf.visit,enf.parent}'::regclass[]) AS r; END $$;
SET ROLE regress_enf_owner;
SELECT enf.refused('ALTER TABLE enf.visit DETACH PARTITION enf.visit_2 CONCURRENTLY');
ALTER TABLE enf.visit DETACH PARTITION enf.visit_1;
ALTER TABLE enf.kid NO INHERIT enf.parent;
RESET ROLE;
SELECT relation, subject, kind, unclassified FROM personalize.protected_relations WHERE relation_name LIKE 'enf.%' ORDER BY relation_name;
SELECT relid::regclass, child_relid::regclass FROM personalize.registry_child WHERE schema_name = 'enf' ORDER BY relation_name;
SELECT check_name, detail FROM personalize.status() WHERE check_name IN ('policy', 'row security', 'subject');
SET ROLE regress_enf_owner;
SELECT enf.refused('SELECT page FROM enf.visit_1'), enf.refused('SELECT page FROM enf.visit_1_1'), enf.refused('SELECT name FROM enf.kid');
BEGIN;
SET LOCAL personalize.purpose = 'enf_ads';
SELECT id, page FROM enf.visit_1;
SELECT id, page FROM enf.visit_1_1;
SELECT id, name FROM enf.kid;
SELECT id, page FROM enf.visit;
COMMIT;
/* the window was the parent's */
SELECT enf.refused('CREATE INDEX ON enf.kid (enf.check_it(name))');
RESET ROLE;
/* dropped and unprotected, windows go */
DROP TABLE enf.parent;
DO $$ BEGIN PERFORM personalize.unprotect('enf.visit'); END $$;
SELECT count(*) FROM personalize.registry_window;
SELECT relation_name, reason, closed_at IS NOT NULL AS closed, is_open FROM personalize.maintenance WHERE reason = 'archive' ORDER BY window_id;
DO $$ BEGIN PERFORM personalize.unprotect(r) FROM unnest('{enf.customer,enf.visit_1,enf.kid}'::regclass[]) AS r; PERFORM personalize.revoke_duty('regress_enf_officer', 'officer'); END $$;
DROP SCHEMA enf CASCADE;
DROP OWNED BY regress_enf_owner, regress_enf_app, regress_enf_officer;
DROP ROLE regress_enf_owner, regress_enf_app, regress_enf_officer;
