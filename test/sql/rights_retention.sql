-- Retention by purposes: rows stay as long as some purpose that may use them needs them, and no longer; each sweep is on record.
SET client_min_messages = warning;
\pset format unaligned
\set SHOW_CONTEXT never
CREATE ROLE regress_rr_officer;
CREATE SCHEMA rr;
GRANT USAGE ON SCHEMA rr TO regress_rr_officer;
CREATE TABLE rr.visit (person bigint, at timestamptz, page text);
INSERT INTO rr.visit SELECT 1 + i % 3, now() - i * interval '1 day', 'p' FROM generate_series(0, 400) AS i;
DO $$
BEGIN
	PERFORM personalize.define_kind('rr', 'bigint');
	PERFORM personalize.define_category('rr_c', 'for tests');
	PERFORM personalize.define_category('rr_other', 'for tests');
	PERFORM personalize.define_purpose('rr_short', 'for tests', 'legitimate_interest', '{rr_c}', retention => '30 days');
	PERFORM personalize.define_purpose('rr_long', 'for tests', 'legitimate_interest', '{rr_c,rr_other}', retention => '1 year');
	PERFORM personalize.define_purpose('rr_elsewhere', 'for tests', 'legitimate_interest', '{rr_other}', retention => '10 years');
	PERFORM personalize.protect('rr.visit', 'person', kind => 'rr', columns => '{"*":"rr_c"}');
	PERFORM personalize.assign_duty('regress_rr_officer', 'officer');
END
$$;
CREATE FUNCTION rr.age(OUT kept interval, OUT by_purposes boolean, OUT purposes text[], OUT without_end text[]) LANGUAGE sql SECURITY INVOKER AS
	$$ SELECT r.keep_for, r.by_purposes, r.purposes, r.purposes_without_end FROM personalize.retention AS r WHERE r.relation = 'rr.visit'::regclass $$;
CREATE PROCEDURE rr.settle() LANGUAGE plpgsql AS $$
BEGIN
	UPDATE personalize.retention_sweep SET swept_at = NULL WHERE relid = 'rr.visit'::regclass;
	COMMIT;
	FOR n IN 1 .. 900 LOOP
		EXIT WHEN (SELECT r.swept_at IS NOT NULL FROM personalize.retention AS r WHERE r.relation = 'rr.visit'::regclass);
		COMMIT;
		PERFORM pg_sleep(0.1);	/* lint: poll interval */
	END LOOP;
END
$$;
SET ROLE regress_rr_officer;
SELECT finding, hint FROM personalize.lint() WHERE object = 'rr.visit' AND finding LIKE '%how long%';
SELECT personalize.set_retention('rr.visit', 'page', NULL, purposes => true);
SELECT personalize.set_retention('rr.visit', 'at', NULL, purposes => NULL);
SELECT personalize.set_retention('rr.visit', 'at', '-1 day', purposes => true);
/* a hold stands until released */
SELECT personalize.hold_subject(3, 'case', 'rr.visit', 'rr') AS h \gset
SELECT personalize.set_retention('rr.visit', 'at', NULL, 'as the purposes need', true);
SELECT * FROM rr.age();
RESET ROLE;
CALL rr.settle();
BEGIN;
SET LOCAL personalize.purpose = 'backup';
SELECT person, max(now()::date - at::date) > 366 AS older_than_a_year, max(now()::date - at::date) > 360 AS about_a_year FROM rr.visit GROUP BY 1 ORDER BY 1;
COMMIT;
/* a purpose that says nothing needs them for ever */
SELECT personalize.define_purpose('rr_silent', 'for tests', 'legitimate_interest', '{rr_c}');
SELECT * FROM rr.age();
SELECT finding, hint FROM personalize.lint() WHERE object = 'rr.visit' AND finding LIKE '%kept%';
/* a purpose that changes changes the sweep */
SELECT personalize.retire_purpose('rr_silent');
SELECT personalize.define_purpose('rr_long', 'for tests', 'legitimate_interest', '{rr_other}', retention => '1 year');
SELECT * FROM rr.age();
SET ROLE regress_rr_officer;
SELECT personalize.release_hold(:'h');
SELECT personalize.set_retention('rr.visit', 'at', '60 days', 'at least that', true);
SELECT * FROM rr.age();
RESET ROLE;
CALL rr.settle();
BEGIN;
SET LOCAL personalize.purpose = 'backup';
SELECT person, max(now()::date - at::date) BETWEEN 56 AND 61 AS as_old_as_that FROM rr.visit GROUP BY 1 ORDER BY 1;
COMMIT;
/* nobody needs them: nobody has said that they go */
SELECT personalize.define_purpose('rr_short', 'for tests', 'legitimate_interest', '{rr_other}', retention => '30 days');
SELECT * FROM rr.age();
SELECT finding, hint FROM personalize.lint() WHERE object = 'rr.visit' AND finding LIKE '%kept%';
SELECT personalize.audit_sync();
SELECT DISTINCT db_role = session_user AS owner, purpose, status, precision FROM personalize.usage WHERE relation = 'rr.visit'::regclass AND query LIKE 'DELETE%clock_timestamp%' AND rows_used > 0;
SELECT relation, rows_swept > 300 AS swept, message FROM personalize.retention WHERE relation = 'rr.visit'::regclass;
SELECT personalize.set_retention('rr.visit', 'at', NULL);
SELECT count(*) FROM personalize.retention WHERE relation = 'rr.visit'::regclass;
/* a hold keeps the rows of one person, however the column is called; but all, if its name has a dollar in it */
CREATE TABLE rr."Click" ("personId" bigint);
CREATE TABLE rr.odd ("per$1on" bigint);
SELECT personalize.protect(r::regclass, c, kind => 'rr', columns => '{"*":"rr_c"}') FROM (VALUES ('rr."Click"', 'personId'), ('rr.odd', 'per$1on')) AS x (r, c);
SELECT personalize.hold_subject(4, 'case', kind => 'rr') AS h \gset
SELECT r::regclass, personalize.held_condition_internal(r::regclass) FROM unnest('{"rr.\"Click\"",rr.odd}'::text[]) AS r;
SELECT personalize.release_hold(:'h');
SELECT personalize.unprotect(r::regclass) FROM unnest('{"rr.\"Click\"",rr.odd}'::text[]) AS r;
DO $$
BEGIN
	PERFORM personalize.unprotect('rr.visit');
	PERFORM personalize.retire_purpose(p) FROM unnest('{rr_short,rr_long,rr_elsewhere}'::text[]) AS p;
	PERFORM personalize.revoke_duty('regress_rr_officer', 'officer');
END
$$;
DROP SCHEMA rr CASCADE;
DROP OWNED BY regress_rr_officer;
DROP ROLE regress_rr_officer;
