-- An erasure takes the person out of what is kept about others, and nothing else, however strings are written and whatever keys look like.
SET client_min_messages = warning;
\pset format unaligned
\set SHOW_CONTEXT never
/* what counts as being named, under both ways to write strings */
SET standard_conforming_strings = off;
SELECT t, personalize.text_names_internal(t, ARRAY['o''neil (jr.)']) AS names
	FROM unnest(ARRAY['O''Neil (Jr.)', 'by o''neil (jr.), clerk', 'xo''neil (jr.)', 'o''neilx(jr.)']) AS t;
SELECT t, personalize.text_names_internal(t, ARRAY['a.b@c.de']) AS names FROM unnest(ARRAY['mail from a.b@c.de', 'a.b@c.def', 'axb@c.de']) AS t;
SELECT personalize.canonical_or_null_internal(2950, '{00000000-0000-0000-0000-00000000000A}') AS uuid;
SET standard_conforming_strings = on;
SELECT t, personalize.text_names_internal(t, ARRAY['a.b@c.de']) AS names FROM unnest(ARRAY['mail from a.b@c.de', 'a.b@c.def', 'axb@c.de']) AS t;

SELECT personalize.define_kind('rw_mail', 'text');
SELECT personalize.define_kind('rw_id', 'bigint');
SELECT personalize.define_kind('rw_uuid', 'uuid');
SELECT personalize.define_category('rw_general', 'for tests');
SELECT personalize.define_purpose('rw_use', 'for tests', categories => '{rw_general}');
CREATE VIEW pg_temp.line AS
	SELECT coalesce(s.key, '-') AS who, e.app_user, e.notice, e.language, e.method, e.reason, e.evidence
	FROM personalize.consent_event AS e JOIN personalize.subject AS s USING (subject_no) JOIN personalize.registry_kind AS k USING (kind_id)
	WHERE k.name LIKE 'rw%' ORDER BY e.event_id;
/* text keys: in any of the fields, as a word */
DO $$
BEGIN
	PERFORM personalize.grant_consent('ann@x.de', 'rw_use', kind => 'rw_mail', evidence => '{"from":"ann@x.de"}');
	PERFORM set_config('personalize.app_user', 'clerk Ann@X.de', true);
	PERFORM personalize.grant_consent('bob@x.de', 'rw_use', kind => 'rw_mail', notice => 'v2', method => 'web', evidence => '{"language":"de","page":7}');
	PERFORM set_config('personalize.app_user', 'joann@x.de', true);
	PERFORM personalize.refuse_consent('bob@x.de', 'rw_use', kind => 'rw_mail', notice => 'as told to ann@x.de', method => 'by ann@x.de',
		evidence => '{"call":{"with":["someone","ann@x.de \"herself\""]}}');
	PERFORM personalize.refuse_consent('bob@x.de', 'rw_use', kind => 'rw_mail', notice => 'v3', evidence => '{"ann@x.de":true}');
	PERFORM personalize.refuse_consent('bob@x.de', 'rw_use', kind => 'rw_mail', notice => 'joann@x.de', evidence => '{"language":"ann@x.de"}');
	PERFORM personalize.restrict_processing('bob@x.de', 'mother of ann@x.de', kind => 'rw_mail');
	PERFORM personalize.lift_restriction('bob@x.de', 'asked', kind => 'rw_mail');
END
$$;
SET standard_conforming_strings = off;
SELECT personalize.erase_subject('ann@x.de', kind => 'rw_mail') ->> 'subjects' AS subjects;
RESET standard_conforming_strings;
SELECT * FROM pg_temp.line;
SELECT personalize.erase_subject('bob@x.de', kind => 'rw_mail') ->> 'subjects' AS subjects;
/* a key with what JSON escapes */
SELECT personalize.grant_consent(E'q"\\\t', 'rw_use', kind => 'rw_mail') > 0 AS ok;
SELECT personalize.grant_consent('carl', 'rw_use', kind => 'rw_mail', evidence => jsonb_build_object('by', E'q"\\\t')) > 0 AS ok;
SELECT personalize.erase_subject(E'q"\\\t', kind => 'rw_mail') ->> 'subjects' AS subjects;
SELECT * FROM pg_temp.line WHERE who = 'carl';
/* short text keys are words of any language: only where they are all of a field */
SELECT personalize.grant_consent('in', 'rw_use', kind => 'rw_mail') > 0 AS ok;
SELECT personalize.grant_consent('dora', 'rw_use', kind => 'rw_mail', notice => 'signed in the shop', method => 'In', evidence => '{"said":"in"}') > 0 AS ok;
SELECT personalize.grant_consent('dora', 'rw_use', kind => 'rw_mail', notice => 'signed in', evidence => '{"said":"in person"}') > 0 AS ok;
SELECT personalize.erase_subject('in', kind => 'rw_mail') ->> 'subjects' AS subjects;
SELECT * FROM pg_temp.line WHERE who = 'dora';
/* uuid keys in any case */
SELECT personalize.grant_consent('00000000-0000-0000-0000-00000000000a'::uuid, 'rw_use', kind => 'rw_uuid') > 0 AS ok;
SELECT personalize.grant_consent('00000000-0000-0000-0000-00000000000b'::uuid, 'rw_use', kind => 'rw_uuid', method => 'by 00000000-0000-0000-0000-00000000000A') > 0 AS ok;
SELECT personalize.erase_subject('00000000-0000-0000-0000-00000000000a'::uuid, kind => 'rw_uuid') ->> 'subjects' AS subjects;
SELECT * FROM pg_temp.line WHERE who LIKE '0000%';
/* a number means anything in a text: it is looked for in the user only */
DO $$
BEGIN
	PERFORM personalize.grant_consent(5, 'rw_use', kind => 'rw_id', notice => 'v5', evidence => '{"page":5}');
	PERFORM set_config('personalize.app_user', 'customer 5', true);
	PERFORM personalize.grant_consent(6, 'rw_use', kind => 'rw_id', notice => 'version 5', method => '5', evidence => '{"page":5}');
	PERFORM set_config('personalize.app_user', 'customer 55', true);
	PERFORM personalize.grant_consent(6, 'rw_use', kind => 'rw_id', notice => 'version 5');
END
$$;
SELECT personalize.erase_subject(5, kind => 'rw_id') ->> 'subjects' AS subjects;
SELECT * FROM pg_temp.line WHERE who = '6' OR notice LIKE 'v%5';

/* erased before the type of the keys is known: withheld in whatever form the key comes back */
INSERT INTO personalize.registry_kind (name) VALUES ('rw_new_id'), ('rw_new_uuid'), ('rw_new_text');
CREATE SCHEMA rw;
CREATE TABLE rw.num (id bigint, name text);
CREATE TABLE rw.uid (id uuid, name text);
CREATE TABLE rw.txt (id text, name text);
INSERT INTO rw.num VALUES (7, 'seven'), (8, 'eight');
INSERT INTO rw.uid VALUES ('00000000-0000-0000-0000-00000000000a', 'a'), ('00000000-0000-0000-0000-00000000000b', 'b');
INSERT INTO rw.txt VALUES ('007', 'seven'), ('008', 'eight');
SELECT personalize.define_purpose('rw_interest', 'for tests', 'legitimate_interest', '{rw_general}');
SELECT k, personalize.grant_consent(u.key, 'rw_interest', kind => k) > 0 AS ok, personalize.erase_subject(u.key, kind => k) ->> 'subjects' AS subjects
	FROM unnest('{rw_new_id,rw_new_uuid,rw_new_text}'::text[], ARRAY['007', '{00000000-0000-0000-0000-00000000000A}', '007']) AS u (k, key);
SELECT personalize.consent_state('007', 'rw_interest', kind => 'rw_new_id') AS before;
SELECT personalize.protect('rw.num', 'id', kind => 'rw_new_id', columns => '{"*":"rw_general"}');
SELECT personalize.protect('rw.uid', 'id', kind => 'rw_new_uuid', columns => '{"*":"rw_general"}');
SELECT personalize.protect('rw.txt', 'id', kind => 'rw_new_text', columns => '{"*":"rw_general"}');
SELECT personalize.consent_state(7, 'rw_interest', kind => 'rw_new_id') AS after;
BEGIN;
SET LOCAL personalize.purpose = 'rw_interest';
SELECT name FROM rw.num UNION ALL SELECT name FROM rw.uid UNION ALL SELECT name FROM rw.txt ORDER BY 1;
COMMIT;
SELECT personalize.reinstate_subject(7, kind => 'rw_new_id') AS seven, personalize.reinstate_subject(9, kind => 'rw_new_id') AS nine;
BEGIN;
SET LOCAL personalize.purpose = 'rw_interest';
SELECT name FROM rw.num ORDER BY 1;
COMMIT;
SELECT personalize.unprotect(r) FROM unnest('{rw.num,rw.uid,rw.txt}'::regclass[]) AS r;
DROP SCHEMA rw CASCADE;
DROP VIEW pg_temp.line;
