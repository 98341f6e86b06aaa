-- Many exposures at once: exact caps in the order given, what was refused is told, all or nothing where the input is wrong; retention, erasure, export.
SET client_min_messages = warning;
\pset format unaligned
\set SHOW_CONTEXT never
CREATE SCHEMA shown;
CREATE ROLE regress_shown_app;
GRANT USAGE, CREATE ON SCHEMA shown TO regress_shown_app;
DO $$
BEGIN
	PERFORM personalize.define_kind('shown', 'bigint');
	PERFORM personalize.define_kind('shown_cookie', 'text');
	PERFORM personalize.define_category('shown_c', 'for tests');
	PERFORM personalize.define_purpose('shown_ads', 'for tests', categories => '{shown_c}');
	PERFORM personalize.define_purpose('shown_news', 'for tests', 'legitimate_interest', categories => '{shown_c}');
	PERFORM personalize.assign_duty('regress_shown_app', 'app');
	PERFORM personalize.grant_consent(i, 'shown_ads', kind => 'shown') FROM generate_series(1, 4) AS i;
	PERFORM personalize.set_frequency_cap('shown_ads', 2, '1 day');
	PERFORM personalize.set_frequency_cap('shown_ads', 5, '30 days');
	PERFORM personalize.set_frequency_cap('shown_news', 1, '1 day');
END
$$;
SET ROLE regress_shown_app;
/* the third of 1 is over the cap; 9 did not agree and gets no number; 3 not either for what is asked nobody */
SELECT array_agg(x IS NOT NULL ORDER BY ord) FROM unnest(personalize.record_exposures('{1,2,1,9,1,3}', 'shown_ads', '{a,b,c,d,e,f}', kind => 'shown')) WITH ORDINALITY AS u (x, ord);
SELECT array_agg(x IS NOT NULL ORDER BY ord) FROM unnest(personalize.record_exposures('{1,77,77,3}', 'shown_news', explanations => '{w,x,y,z}', kind => 'shown')) WITH ORDINALITY AS u (x, ord);
SELECT personalize.record_exposures('{}', 'shown_ads', kind => 'shown');
SELECT s AS subject, personalize.permitted(s, 'shown_ads', 'shown') AS ads, personalize.permitted(s, 'shown_news', 'shown') AS news FROM unnest('{1,2,3,4,9,77}'::bigint[]) AS s;
RESET ROLE;
SELECT s.key, p.name, e.item, e.explanation FROM personalize.exposure AS e JOIN personalize.subject AS s USING (subject_no) JOIN personalize.registry_kind AS k USING (kind_id)
	JOIN personalize.registry_purpose AS p USING (purpose_id) WHERE k.name = 'shown' ORDER BY e.exposure_id;
SELECT count(*) FROM personalize.subject AS s JOIN personalize.registry_kind AS k USING (kind_id) WHERE k.name = 'shown' AND s.key = '9';
/* from a table, which is told what came of each row; from a view */
SET ROLE regress_shown_app;
CREATE TABLE shown.batch (no integer, subject integer, purpose varchar(20), item integer, kind text DEFAULT 'shown', exposure_id bigint);
INSERT INTO shown.batch VALUES (1, 2, 'shown_ads', 1), (2, 2, 'shown_ads', 2), (3, 3, 'shown_ads', 3), (4, 4, 'shown_news', 4), (5, 4, 'shown_news', 5), (6, 9, 'shown_ads', 6), (7, 4, 'shown_ads', 7);
SELECT personalize.record_exposures('shown.batch') AS recorded;
SELECT no, exposure_id IS NOT NULL AS recorded FROM shown.batch ORDER BY no;
CREATE VIEW shown.later AS SELECT subject::text, purpose::text, kind FROM shown.batch WHERE no IN (3, 7);
SELECT personalize.record_exposures('shown.later') AS recorded, personalize.record_exposures('shown.later') AS again;
/* a longer cap counts, too */
RESET ROLE;
UPDATE personalize.exposure AS e SET at = e.at - interval '2 days' FROM personalize.subject AS s WHERE s.subject_no = e.subject_no AND s.key = '2';
DELETE FROM personalize.suppression AS x USING personalize.subject AS s WHERE s.subject_no = x.subject_no AND s.key = '2';
SELECT array_agg(x IS NOT NULL ORDER BY ord) FROM unnest(personalize.record_exposures('{2,2,2}', 'shown_ads', kind => 'shown')) WITH ORDINALITY AS u (x, ord);
UPDATE personalize.exposure AS e SET at = e.at - interval '2 days' FROM personalize.subject AS s WHERE s.subject_no = e.subject_no AND s.key = '2';
DELETE FROM personalize.suppression AS x USING personalize.subject AS s WHERE s.subject_no = x.subject_no AND s.key = '2';
SELECT array_agg(x IS NOT NULL ORDER BY ord) FROM unnest(personalize.record_exposures('{2,2,2}', 'shown_ads', kind => 'shown')) WITH ORDINALITY AS u (x, ord);
SELECT wrong FROM personalize.consent_set_check_internal(NULL);
/* identities of a person are capped together; the cap of who is taken apart counts for each */
SELECT personalize.grant_consent('c', 'shown_ads', kind => 'shown_cookie') > 0, personalize.grant_consent('5', 'shown_ads', kind => 'shown') > 0;
SELECT personalize.link_subject('c', '5', to_kind => 'shown', kind => 'shown_cookie') >= 0;
CREATE TABLE shown.both AS SELECT * FROM (VALUES ('c', 'shown_ads', 'shown_cookie', 1, NULL::bigint), ('5', 'shown_ads', 'shown', 2, NULL), ('c', 'shown_ads', 'shown_cookie', 3, NULL)) AS v (subject, purpose, kind, no, exposure_id);
SELECT personalize.record_exposures('shown.both') AS recorded;
SELECT no, exposure_id IS NOT NULL AS recorded FROM shown.both ORDER BY no;
/* a protected table, whose rows the cap withholds before the numbers are written: no silent NULL, nothing is recorded */
CREATE TABLE shown.kept (subject integer, purpose text, exposure_id bigint, kind text DEFAULT 'shown');
INSERT INTO shown.kept VALUES (8, 'shown_ads'), (8, 'shown_ads'), (9, 'shown_ads');
GRANT ALL ON shown.kept TO regress_shown_app;
SELECT personalize.grant_consent(8, 'shown_ads', kind => 'shown') > 0;
SELECT personalize.protect('shown.kept', 'subject', kind => 'shown', columns => '{"*": "shown_c"}'), personalize.grant_purpose('shown_ads', 'regress_shown_app');
SET ROLE regress_shown_app;
BEGIN;
SET LOCAL personalize.purpose = 'shown_ads';
SELECT personalize.record_exposures('shown.kept');
ROLLBACK;
RESET ROLE;
SELECT personalize.permitted(8, 'shown_ads', 'shown'), (SELECT count(*) FROM personalize.why(8, kind => 'shown'));
SELECT personalize.unprotect('shown.kept'), personalize.revoke_purpose('shown_ads', 'regress_shown_app');
SELECT personalize.permitted('c', 'shown_ads', 'shown_cookie'), personalize.permitted(5, 'shown_ads', 'shown');
SELECT personalize.unlink_subject('c', kind => 'shown_cookie');
SELECT personalize.permitted('c', 'shown_ads', 'shown_cookie'), personalize.permitted(5, 'shown_ads', 'shown');
SELECT personalize.record_exposure('c', 'shown_ads', kind => 'shown_cookie') > 0 AS shown, personalize.record_exposure('c', 'shown_ads', kind => 'shown_cookie') IS NULL AS not_shown;

/* how long they are kept: as long as a cap counts them */
SELECT personalize.set_exposure_retention('1 day');
SELECT personalize.set_exposure_retention('-1 day');
SELECT personalize.set_exposure_retention('60 days');
SELECT personalize.set_frequency_cap('shown_ads', 9, '90 days');
SELECT keep_for, swept_at, rows_swept FROM personalize.exposure_retention;
UPDATE personalize.exposure AS e SET at = e.at - interval '100 days' FROM personalize.subject AS s WHERE s.subject_no = e.subject_no AND s.key = '77';
SELECT personalize.sweep_batch_internal(5000), personalize.sweep_batch_internal(5000);
SELECT rows_swept, swept_at IS NOT NULL AS swept FROM personalize.exposure_retention;
SELECT count(*) FROM personalize.exposure AS e JOIN personalize.subject AS s USING (subject_no) WHERE s.key = '77';
SELECT personalize.set_exposure_retention(NULL);
/* an export explains; an erasure takes away what was shown, also where others were told of the person */
SELECT x ->> 'item' AS item, x ->> 'purpose' AS purpose, x ->> 'how_to_object' AS how FROM jsonb_array_elements(personalize.export_subject(1, 'shown') -> 'explanations') AS x;
SELECT personalize.record_exposure('reader', 'shown_news', 'thing', 'because ann@mail.example likes it', kind => 'shown_cookie') > 0,
	personalize.record_exposure('ann@mail.example', 'shown_news', 'thing', kind => 'shown_cookie') > 0;
SELECT personalize.erase_subject(1, kind => 'shown') ->> 'subjects', personalize.erase_subject('ann@mail.example', kind => 'shown_cookie') ->> 'subjects';
SELECT count(*), count(e.item), count(e.explanation) FROM personalize.exposure AS e JOIN personalize.subject AS s USING (subject_no) JOIN personalize.registry_kind AS k USING (kind_id) WHERE k.name LIKE 'shown%' AND s.key IS NULL;
SELECT item, explanation FROM personalize.why('reader', kind => 'shown_cookie');
/* what cannot be */
SELECT personalize.record_exposures('{1,x,NULL}', 'shown_ads', kind => 'shown');
SELECT personalize.record_exposures('{1,2}', 'shown_ads', '{a}', kind => 'shown');
SELECT personalize.record_exposures('{1}', 'nonesuch', kind => 'shown');
SELECT personalize.record_exposures(NULL, 'shown_ads', kind => 'shown');
SELECT personalize.record_exposures('pg_class');
SELECT personalize.record_exposures(NULL);
CREATE TABLE shown.bad (subject date, purpose text);
SELECT personalize.record_exposures('shown.bad');
SET ROLE regress_shown_app;
SELECT personalize.record_exposures('shown.both');
SELECT personalize.set_exposure_retention('1 year');
RESET ROLE;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT personalize.record_exposures('{1}', 'shown_ads', kind => 'shown');
ROLLBACK;
SELECT personalize.set_frequency_cap('shown_ads', NULL, '1 day'), personalize.set_frequency_cap('shown_ads', NULL, '30 days'), personalize.set_frequency_cap('shown_news', NULL, '1 day');
SELECT personalize.revoke_duty('regress_shown_app', 'app'), count(personalize.retire_purpose(p.name)) FROM personalize.purposes AS p WHERE p.name LIKE 'shown%';
DROP SCHEMA shown CASCADE;
DROP OWNED BY regress_shown_app;
DROP ROLE regress_shown_app;
