-- A privacy officer gets no rights but its own: an erasure runs nothing of anybody as the owner of the extension, whatever has been put off before.
SET client_min_messages = warning;
\pset format unaligned
\set SHOW_CONTEXT never
CREATE ROLE regress_ra_owner;
CREATE ROLE regress_ra_other;
CREATE ROLE regress_ra_officer;
SELECT personalize.assign_duty('regress_ra_officer', 'officer');
CREATE SCHEMA ra;
GRANT USAGE, CREATE ON SCHEMA ra TO regress_ra_owner, regress_ra_other, regress_ra_officer;
SET ROLE regress_ra_officer;
CREATE FUNCTION ra.seize() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	ALTER ROLE regress_ra_officer SUPERUSER;
	RETURN true;
END $$;
CREATE TABLE ra.ran (what text, who name DEFAULT current_user);
GRANT INSERT ON ra.ran TO PUBLIC;
RESET ROLE;
SELECT personalize.define_kind('ra', 'bigint');
SELECT personalize.define_category('ra_general', 'for tests');

/* what was put off before an erasure stays put off, whoever did it and in whatever way */
SET ROLE regress_ra_owner;
CREATE TABLE ra.person (id bigint PRIMARY KEY, name text);
GRANT REFERENCES ON ra.person TO regress_ra_other;
GRANT SELECT, INSERT ON ra.person TO PUBLIC;
RESET ROLE;
SELECT personalize.protect('ra.person', 'id', kind => 'ra', columns => '{"*":"ra_general"}');
INSERT INTO ra.person SELECT i, 'name' || i FROM generate_series(71, 79) AS i;
SET ROLE regress_ra_officer;
CREATE FUNCTION ra.late() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO ra.ran (what) VALUES (TG_TABLE_NAME);
	PERFORM ra.seize();
	RETURN NULL;
END $$;
CREATE TABLE ra.bait (id integer UNIQUE DEFERRABLE INITIALLY DEFERRED, up integer);
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON ra.bait DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ra.late();
BEGIN;
INSERT INTO ra.bait VALUES (1);
SELECT personalize.erase_subject(71, kind => 'ra');
ROLLBACK;
BEGIN;
INSERT INTO ra.bait VALUES (1);
SELECT personalize.erase_subjects('{71}', kind => 'ra');
ROLLBACK;
/* in the statement itself, in a subtransaction */
WITH b AS (INSERT INTO ra.bait VALUES (1) RETURNING 1) SELECT personalize.erase_subject(71, kind => 'ra') FROM b;
BEGIN;
SAVEPOINT s;
INSERT INTO ra.bait VALUES (1);
RELEASE s;
SELECT personalize.erase_subject(71, kind => 'ra');
ROLLBACK;
/* a dry run deletes nothing, so it does not matter there */
BEGIN;
INSERT INTO ra.bait VALUES (1);
SELECT c.c ->> 'subjects' AS subjects FROM personalize.erase_subject(71, dry_run => true, kind => 'ra') AS c (c);
ROLLBACK;
/* deferred checks of keys and foreign keys wait, too */
DROP TRIGGER late ON ra.bait;
BEGIN;
INSERT INTO ra.bait VALUES (1), (1);
SELECT personalize.erase_subject(71, kind => 'ra');
ROLLBACK;
ALTER TABLE ra.bait DROP CONSTRAINT bait_id_key;
ALTER TABLE ra.bait ADD PRIMARY KEY (id);
ALTER TABLE ra.bait ADD FOREIGN KEY (up) REFERENCES ra.bait (id) DEFERRABLE INITIALLY DEFERRED;
BEGIN;
INSERT INTO ra.bait VALUES (1, 2);
SELECT personalize.erase_subject(71, kind => 'ra');
ROLLBACK;
/* whoever has them run before, as itself, may go on; what comes later in the transaction runs at the end of its statement */
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON ra.bait DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ra.late();
BEGIN;
INSERT INTO ra.bait VALUES (1);
\set VERBOSITY sqlstate
SET CONSTRAINTS ALL IMMEDIATE;
\set VERBOSITY default
ROLLBACK;
BEGIN;
INSERT INTO ra.bait VALUES (1);
DELETE FROM ra.bait;
SELECT personalize.erase_subject(71, kind => 'ra');
ROLLBACK;
CREATE OR REPLACE FUNCTION ra.late() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO ra.ran (what) VALUES (TG_TABLE_NAME);
	RETURN NULL;
END $$;
BEGIN;
INSERT INTO ra.bait VALUES (1);
SET CONSTRAINTS ALL IMMEDIATE;
SELECT c.c ->> 'subjects' AS subjects FROM personalize.erase_subject(71, kind => 'ra') AS c (c);
INSERT INTO ra.bait VALUES (2, 1);
SELECT what, who FROM ra.ran ORDER BY what COLLATE "C";
COMMIT;
RESET ROLE;
SELECT rolsuper FROM pg_roles WHERE rolname = 'regress_ra_officer';

/* triggers of an erasure's own statements run as the relation's owner, deferrable ones and those behind a cascade, too */
DELETE FROM ra.ran;
SET ROLE regress_ra_other;
CREATE FUNCTION ra.log() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO ra.ran (what) VALUES (TG_TABLE_NAME || ' ' || TG_WHEN);
	RETURN OLD;
END $$;
CREATE TABLE ra.child (person bigint REFERENCES ra.person ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED);
CREATE TRIGGER before BEFORE DELETE ON ra.child FOR EACH ROW EXECUTE FUNCTION ra.log();
CREATE CONSTRAINT TRIGGER after AFTER DELETE ON ra.child DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ra.log();
INSERT INTO ra.child VALUES (72), (73);
SET ROLE regress_ra_owner;
CREATE CONSTRAINT TRIGGER after AFTER DELETE ON ra.person DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ra.log();
SET ROLE regress_ra_officer;
SELECT c.c ->> 'subjects' AS subjects FROM personalize.erase_subject(72, kind => 'ra') AS c (c);
RESET ROLE;
/* before PostgreSQL 18 a trigger after a cascade runs as who deleted the first row */
SELECT what, CASE what WHEN 'child AFTER' THEN who IN ('regress_ra_owner', 'regress_ra_other') END AS good, CASE WHEN what <> 'child AFTER' THEN who END AS who
	FROM ra.ran ORDER BY what COLLATE "C";
/* such a trigger cannot put anything off */
SET ROLE regress_ra_owner;
CREATE TABLE ra.later (id integer);
CREATE CONSTRAINT TRIGGER after AFTER INSERT ON ra.later DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ra.log();
CREATE FUNCTION ra.put_off() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	SET CONSTRAINTS ALL DEFERRED;
	INSERT INTO ra.later VALUES (1);
	RETURN OLD;
END $$;
CREATE TRIGGER put_off BEFORE DELETE ON ra.person FOR EACH ROW EXECUTE FUNCTION ra.put_off();
SET ROLE regress_ra_officer;
SELECT personalize.erase_subject(73, kind => 'ra');
RESET ROLE;
DROP TRIGGER put_off ON ra.person;

/* an old snapshot does not see what was committed since, so nothing is certified by it */
SET ROLE regress_ra_officer;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT personalize.erase_subject(73, kind => 'ra');
ROLLBACK;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT personalize.erase_subjects('{73}', kind => 'ra');
ROLLBACK;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT personalize.erase_subject(73, dry_run => true, kind => 'ra');
ROLLBACK;
BEGIN ISOLATION LEVEL READ UNCOMMITTED;
SELECT c.c ->> 'subjects' AS subjects FROM personalize.erase_subject(73, kind => 'ra') AS c (c);
ROLLBACK;
RESET ROLE;
SELECT personalize.unprotect('ra.person');
SELECT personalize.revoke_duty('regress_ra_officer', 'officer');
DROP SCHEMA ra CASCADE;
DROP OWNED BY regress_ra_owner, regress_ra_other, regress_ra_officer;
DROP ROLE regress_ra_owner, regress_ra_other, regress_ra_officer;
