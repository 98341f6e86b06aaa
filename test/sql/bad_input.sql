-- Every mistake in an argument has an SQLSTATE, a message and no part of a key, a mask or evidence in it.
SET client_min_messages = warning;
\set SHOW_CONTEXT never
\pset format unaligned
\pset tuples_only on
CREATE SCHEMA bad;
CREATE ROLE regress_bad;
/* runs a statement; what a person could be known by is written s3cret in this file */
CREATE FUNCTION bad.try(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	message text; detail text; hint text; context text;
BEGIN
	EXECUTE statement;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT, context = PG_EXCEPTION_CONTEXT;
	/* the outer EXECUTE repeats the statement itself in its context: that is the client's own text */
	context := replace(context, statement, '');
	RETURN concat_ws(' | ', SQLSTATE, message, nullif(detail, ''), nullif(hint, ''),
		CASE WHEN concat(message, detail, hint, context) ~* 's3cret' THEN 'LEAK' END);
END
$$;
CREATE TABLE bad.customer (id integer PRIMARY KEY, email text, birth date, code varchar(5), gone text);
ALTER TABLE bad.customer DROP COLUMN gone;
CREATE TABLE bad.other (id integer, uid uuid, ts timestamptz, ch char(4), nm name);
CREATE VIEW bad.v AS SELECT 1 AS id;
CREATE MATERIALIZED VIEW bad.mv AS SELECT 1 AS id;
CREATE SEQUENCE bad.s;
CREATE TYPE bad.composite AS (id integer);
CREATE TABLE bad.parted (id integer, d integer) PARTITION BY RANGE (d);
CREATE TABLE bad.part1 PARTITION OF bad.parted FOR VALUES FROM (0) TO (10);
CREATE COLLATION bad.nondet (provider = icu, locale = 'und', deterministic = false);
CREATE TABLE bad.loose (id text COLLATE bad.nondet);
DO $$
BEGIN
	PERFORM personalize.define_kind('bad_int', 'bigint');
	PERFORM personalize.define_kind('bad_uuid', 'uuid');
	PERFORM personalize.define_kind('bad_text', 'text');
	PERFORM personalize.define_category('bad_contact', 'for tests');
	PERFORM personalize.define_category('bad_other', 'for tests');
	PERFORM personalize.define_purpose('bad_mail', 'for tests', categories => '{bad_contact}');
	PERFORM personalize.define_purpose('bad_child', 'for tests', parents => '{bad_mail}');
	PERFORM personalize.define_purpose('bad_old', 'for tests');
	PERFORM personalize.retire_purpose('bad_old');
	PERFORM personalize.protect('bad.customer', 'id', kind => 'bad_int', columns => '{"*":"bad_contact"}');
END
$$;

/* kinds, categories and purposes */
SELECT t.n || ' ' || bad.try(t.s) FROM (VALUES
	('k1', $$SELECT personalize.define_kind(NULL, 'text')$$),
	('k2', $$SELECT personalize.define_kind('', 'text')$$),
	('k3', $$SELECT personalize.define_kind(repeat('x', 64), 'text')$$),
	('k4', $$SELECT personalize.define_kind('bad_x', NULL)$$),
	('k5', $$SELECT personalize.define_kind('bad_x', 'date')$$),
	('k6', $$SELECT personalize.define_kind('bad_int', 'text')$$),
	('c1', $$SELECT personalize.define_category(NULL, 'x')$$),
	('c2', $$SELECT personalize.define_category(' x', 'x')$$),
	('c3', $$SELECT personalize.define_category(E'x\ny', 'x')$$),
	('c4', $$SELECT personalize.define_category('bad_x', NULL)$$),
	('c5', $$SELECT personalize.define_category('bad_x', 'x', NULL)$$),
	('c6', $$SELECT personalize.define_category('none', 'x')$$),
	('p01', $$SELECT personalize.define_purpose(NULL, 'x')$$),
	('p02', $$SELECT personalize.define_purpose('bad_x', NULL)$$),
	('p03', $$SELECT personalize.define_purpose('bad_x', 'x', 'because')$$),
	('p04', $$SELECT personalize.define_purpose('bad_x', 'x', NULL)$$),
	('p05', $$SELECT personalize.define_purpose('bad_x', 'x', categories => '{nonesuch}')$$),
	('p06', $$SELECT personalize.define_purpose('bad_x', 'x', categories => '{NULL}')$$),
	('p07', $$SELECT personalize.define_purpose('bad_x', 'x', categories => NULL)$$),
	('p08', $$SELECT personalize.define_purpose('bad_x', 'x', recipients => '{NULL}')$$),
	('p09', $$SELECT personalize.define_purpose('bad_x', 'x', retention => '-1 day')$$),
	('p10', $$SELECT personalize.define_purpose('bad_x', 'x', parents => '{nonesuch}')$$),
	('p11', $$SELECT personalize.define_purpose('bad_x', 'x', parents => '{backup}')$$),
	('p12', $$SELECT personalize.define_purpose('bad_x', 'x', parents => '{bad_old}')$$),
	('p13', $$SELECT personalize.define_purpose('bad_mail', 'x', parents => '{bad_child}')$$),
	('p14', $$SELECT personalize.define_purpose('bad_mail', 'x', parents => '{bad_mail}')$$),
	('p15', $$SELECT personalize.define_purpose('bad_old', 'x')$$),
	('p16', $$SELECT personalize.define_purpose('backup', 'x')$$),
	('p17', $$SELECT personalize.retire_purpose('nonesuch')$$),
	('p18', $$SELECT personalize.retire_purpose('break_glass')$$),
	('p19', $$SELECT personalize.retire_purpose(NULL)$$),
	('g1', $$SELECT personalize.grant_purpose('nonesuch', 'regress_bad')$$),
	('g2', $$SELECT personalize.grant_purpose('bad_old', 'regress_bad')$$),
	('g3', $$SELECT personalize.grant_purpose(NULL, 'regress_bad')$$),
	('g4', $$SELECT personalize.grant_purpose('bad_mail', NULL)$$),
	('g5', $$SELECT personalize.grant_purpose('bad_mail', '-')$$),
	('g6', $$SELECT personalize.grant_purpose('bad_mail', 'regress_bad', NULL)$$),
	('g7', $$SELECT personalize.revoke_purpose('nonesuch', 'regress_bad')$$),
	('d1', $$SELECT personalize.assign_duty('regress_bad', 'king')$$),
	('d2', $$SELECT personalize.assign_duty('regress_bad', NULL)$$),
	('d3', $$SELECT personalize.assign_duty(NULL, 'app')$$),
	('d4', $$SELECT personalize.revoke_duty('regress_bad', 'king')$$)
) AS t (n, s);

/* protect and classify */
SELECT t.n || ' ' || bad.try(t.s) FROM (VALUES
	('r01', $$SELECT personalize.protect(NULL, 'id')$$),
	('r02', $$SELECT personalize.protect(0, 'id')$$),
	('r03', $$SELECT personalize.protect('bad.v', 'id')$$),
	('r04', $$SELECT personalize.protect('bad.mv', 'id')$$),
	('r05', $$SELECT personalize.protect('bad.s', 'last_value')$$),
	('r06', $$SELECT personalize.protect('bad.customer_pkey', 'id')$$),
	('r07', $$SELECT personalize.protect('bad.composite', 'id')$$),
	('r08', $$SELECT personalize.protect('bad.part1', 'id')$$),
	('r09', $$SELECT personalize.protect('pg_class', 'oid')$$),
	('r10', $$SELECT personalize.protect('information_schema.sql_features', 'feature_id')$$),
	('r11', $$SELECT personalize.protect('personalize.subject', 'key')$$),
	('r12', $$SELECT personalize.protect('bad.customer', 'id', kind => 'bad_int')$$),
	('r13', $$SELECT personalize.protect('bad.other', via => 'id')$$),
	('r14', $$SELECT personalize.protect('bad.other', 'nonesuch')$$),
	('r15', $$SELECT personalize.protect('bad.other', 'ctid')$$),
	('r16', $$SELECT personalize.protect('bad.other', 'ts', kind => 'bad_int')$$),
	('r17', $$SELECT personalize.protect('bad.other', 'ch', kind => 'bad_text')$$),
	('r18', $$SELECT personalize.protect('bad.other', 'nm', kind => 'bad_text')$$),
	('r19', $$SELECT personalize.protect('bad.loose', 'id', kind => 'bad_text')$$),
	('r20', $$SELECT personalize.protect('bad.other', 'id', kind => 'bad_uuid')$$),
	('r21', $$SELECT personalize.protect('bad.other', 'uid', kind => 'bad_int')$$),
	('r22', $$SELECT personalize.protect('bad.other', 'id', kind => 'nonesuch')$$),
	('r23', $$SELECT personalize.protect('bad.other', 'id', kind => NULL)$$),
	('r24', $$SELECT personalize.protect('bad.other', 'id', kind => 'bad_int', null_subject => 'maybe')$$),
	('r25', $$SELECT personalize.protect('bad.other', 'id', kind => 'bad_int', mode => 'maybe')$$),
	('r26', $$SELECT personalize.protect('bad.other', 'id', kind => 'bad_int', columns => '[]')$$),
	('r27', $$SELECT personalize.protect('bad.other', 'id', kind => 'bad_int', columns => '"x"')$$),
	('r28', $$SELECT personalize.protect('bad.other', 'id', kind => 'bad_int', columns => '{"id":1}')$$),
	('r29', $$SELECT personalize.protect('bad.other', 'id', kind => 'bad_int', columns => '{"id":null}')$$),
	('r30', $$SELECT personalize.protect('bad.other', 'id', kind => 'bad_int', columns => '{"id":"nonesuch"}')$$),
	('r31', $$SELECT personalize.protect('bad.other', 'id', kind => 'bad_int', columns => '{"nonesuch":"bad_contact"}')$$),
	('r32', $$SELECT personalize.protect('bad.other', 'id', kind => 'bad_int', columns => '{"*":"nonesuch"}')$$),
	('r33', $$SELECT personalize.protect('bad.other', 'id', kind => 'bad_int', columns => NULL)$$),
	('a1', $$SELECT personalize.add_subject_path('bad.other', '{id}', kind => 'bad_int')$$),
	('a2', $$SELECT personalize.add_subject_path('bad.customer', '{}', kind => 'bad_int')$$),
	('a3', $$SELECT personalize.add_subject_path('bad.customer', '{id}', kind => 'bad_int')$$),
	('a4', $$SELECT personalize.add_subject_path('bad.customer', '{nonesuch}', kind => 'bad_int')$$),
	('a5', $$SELECT personalize.add_subject_path('bad.customer', '{email}', 'maybe', 'bad_text')$$),
	('a6', $$SELECT personalize.add_subject_path('bad.customer', NULL)$$),
	('m01', $$SELECT personalize.classify(NULL, 'email', 'bad_contact')$$),
	('m02', $$SELECT personalize.classify('bad.other', 'id', 'bad_contact')$$),
	('m03', $$SELECT personalize.classify('bad.customer', NULL, 'bad_contact')$$),
	('m04', $$SELECT personalize.classify('bad.customer', 'gone', 'bad_contact')$$),
	('m05', $$SELECT personalize.classify('bad.customer', 'tableoid', 'bad_contact')$$),
	('m06', $$SELECT personalize.classify('bad.customer', 'email', 'nonesuch')$$),
	('m07', $$SELECT personalize.classify('bad.customer', 'email', NULL)$$),
	('m08', $$SELECT personalize.classify('bad.customer', 'birth', 'bad_contact', 's3cret')$$),
	('m09', $$SELECT personalize.classify('bad.customer', 'code', 'bad_contact', 's3cret')$$),
	('m10', $$SELECT personalize.classify('bad.customer', 'birth', 'bad_contact', '1900-01-01''); DROP TABLE bad.other; -- s3cret')$$),
	('u1', $$SELECT personalize.unprotect(NULL)$$),
	('u2', $$SELECT personalize.unprotect('bad.other')$$)
) AS t (n, s);
/* a refused protect() leaves nothing behind */
SELECT count(*) FROM personalize.protected_relations WHERE relation_name = 'bad.other';
SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = 'bad.other'::regclass;

/* consent */
SELECT t.n || ' ' || bad.try(t.s) FROM (VALUES
	('e01', $$SELECT personalize.grant_consent(NULL::text, 'bad_mail', kind => 'bad_int')$$),
	('e02', $$SELECT personalize.grant_consent(NULL::bigint, 'bad_mail', kind => 'bad_int')$$),
	('e03', $$SELECT personalize.grant_consent('', 'bad_mail', kind => 'bad_text')$$),
	('e04', $$SELECT personalize.grant_consent('s3cret', 'bad_mail', kind => 'bad_int')$$),
	('e05', $$SELECT personalize.grant_consent('s3cret', 'bad_mail', kind => 'bad_uuid')$$),
	('e06', $$SELECT personalize.grant_consent('9223372036854775808', 'bad_mail', kind => 'bad_int')$$),
	('e07', $$SELECT personalize.grant_consent(7, 'bad_mail', kind => 'bad_uuid')$$),
	('e08', $$SELECT personalize.grant_consent(repeat('s3cret', 200), 'bad_mail', kind => 'bad_text')$$),
	('e09', $$SELECT personalize.grant_consent('s3cret', 'nonesuch', kind => 'bad_text')$$),
	('e10', $$SELECT personalize.grant_consent('s3cret', NULL, kind => 'bad_text')$$),
	('e11', $$SELECT personalize.grant_consent('s3cret', 'bad_old', kind => 'bad_text')$$),
	('e12', $$SELECT personalize.grant_consent('s3cret', 'backup', kind => 'bad_text')$$),
	('e13', $$SELECT personalize.grant_consent('s3cret', 'bad_mail', kind => 'nonesuch')$$),
	('e14', $$SELECT personalize.grant_consent('s3cret', 'bad_mail', kind => NULL)$$),
	('e15', $$SELECT personalize.grant_consent('s3cret', 'bad_mail', '{}', kind => 'bad_text')$$),
	('e16', $$SELECT personalize.grant_consent('s3cret', 'bad_mail', '{NULL}', kind => 'bad_text')$$),
	('e17', $$SELECT personalize.grant_consent('s3cret', 'bad_mail', '{nonesuch}', kind => 'bad_text')$$),
	('e18', $$SELECT personalize.grant_consent('s3cret', 'bad_mail', '{bad_other}', kind => 'bad_text')$$),
	('e19', $$SELECT personalize.grant_consent('s3cret', 'bad_mail', expires_at => '2000-01-01', kind => 'bad_text')$$),
	('e20', $$SELECT personalize.grant_consent('s3cret', 'bad_mail', explicit => NULL, kind => 'bad_text')$$),
	('e21', $$SELECT personalize.withdraw_consent('s3cret', 'bad_mail', kind => 'bad_int')$$),
	('e22', $$SELECT personalize.restrict_processing('s3cret', 'x', 'bad_int')$$),
	('e23', $$SELECT personalize.consent_state('s3cret', 'bad_mail', kind => 'bad_int')$$),
	('e24', $$SELECT personalize.permitted('s3cret', 'bad_mail', 'bad_uuid')$$),
	('e25', $$SELECT personalize.decide('s3cret', 'nonesuch', 'bad_text')$$)
) AS t (n, s);
SELECT count(*) FROM personalize.consent_event e JOIN personalize.subject s USING (subject_no)
	JOIN personalize.registry_kind k USING (kind_id) WHERE k.name LIKE 'bad\_%';

/* many at once: counts, and nothing recorded */
CREATE TABLE bad.staging (subject text, purpose text, action text, categories text[], expires_at timestamptz, kind text);
INSERT INTO bad.staging VALUES
	('1', 'bad_mail', 'given', NULL, NULL, 'bad_int'), ('s3cret', 'bad_mail', 'given', NULL, NULL, 'bad_int'),
	(NULL, 'bad_mail', 'given', NULL, NULL, 'bad_text'), ('2', 's3cret', 'given', NULL, NULL, 'bad_int'),
	('2', 'bad_old', 'given', NULL, NULL, 'bad_int'), ('2', 'backup', 'given', NULL, NULL, 'bad_int'),
	('2', 'bad_mail', 's3cret', NULL, NULL, 'bad_int'), ('2', 'bad_mail', NULL, NULL, NULL, 'bad_int'),
	('2', 'bad_mail', 'given', '{bad_other}', NULL, 'bad_int'), ('2', 'bad_mail', 'given', '{}', NULL, 'bad_int'),
	('2', 'bad_mail', 'given', NULL, '2000-01-01', 'bad_int');
CREATE TABLE bad.staging_short (subject text, purpose text);
CREATE TABLE bad.staging_typed (subject text, purpose text, action text, expires_at text);
SELECT t.n || ' ' || bad.try(t.s) FROM (VALUES
	('b1', $$SELECT personalize.record_consents(NULL)$$),
	('b2', $$SELECT personalize.record_consents(0)$$),
	('b3', $$SELECT personalize.record_consents('bad.customer_pkey')$$),
	('b4', $$SELECT personalize.record_consents('bad.staging_short')$$),
	('b5', $$SELECT personalize.record_consents('bad.staging_typed')$$),
	('b6', $$SELECT personalize.record_consents('bad.staging')$$),
	('b7', $$SELECT personalize.record_batch_internal('{1,2}', '{bad_mail}', '{given,given}', NULL, NULL, NULL, NULL, NULL, NULL, NULL)$$)
) AS t (n, s);
SELECT count(*) FROM personalize.consent_event e JOIN personalize.subject s USING (subject_no)
	JOIN personalize.registry_kind k USING (kind_id) WHERE k.name LIKE 'bad\_%';

/* what only the extension calls: a superuser's mistake is an error, too */
SELECT bad.try($$SELECT personalize.note_use_internal(0, 'x', 1, '{1}')$$);

/* rights */
SELECT t.n || ' ' || bad.try(t.s) FROM (VALUES
	('x1', $$SELECT personalize.erase_subject(NULL::text, kind => 'bad_text')$$),
	('x2', $$SELECT personalize.erase_subject('s3cret', kind => 'bad_int')$$),
	('x3', $$SELECT personalize.erase_subject('s3cret', 'asked by S3CRET', kind => 'bad_text')$$),
	('x4', $$SELECT personalize.erase_subject('s3cret', dry_run => NULL, kind => 'bad_text')$$),
	('x5', $$SELECT personalize.erase_subject('s3cret', kind => 'nonesuch')$$),
	('x6', $$SELECT personalize.erase_subjects(NULL, kind => 'bad_text')$$),
	('x7', $$SELECT personalize.erase_subjects('{s3cret,NULL}', kind => 'bad_text')$$),
	('x8', $$SELECT personalize.reinstate_subject('s3cret', 'it is s3cret', 'bad_text')$$),
	('x9', $$SELECT personalize.reinstate_subject(NULL::uuid, kind => 'bad_uuid')$$)
) AS t (n, s);

/* the plan does not decide whether a mistake is one: nobody has this purpose, so no row is looked at */
SET plan_cache_mode = force_generic_plan;
SET enable_indexscan = off;
SET enable_bitmapscan = off;
SELECT bad.try($$SELECT personalize.revoke_purpose('bad_mail', '0'::regrole)$$);
RESET enable_bitmapscan;
RESET enable_indexscan;
RESET plan_cache_mode;

/* everything is closed to a role without a duty */
SET ROLE regress_bad;
SELECT personalize.define_category('bad_x', 'x');
SELECT personalize.grant_consent('s3cret', 'bad_mail', kind => 'bad_text');
SELECT personalize.permitted('s3cret', 'bad_mail', 'bad_text');
SELECT personalize.erase_subject('s3cret', kind => 'bad_text');
SELECT personalize.record_consents('pg_class');
SELECT count(*) FROM personalize.purposes;
RESET ROLE;

SELECT personalize.unprotect('bad.customer');
DROP SCHEMA bad CASCADE;
DROP ROLE regress_bad;
