-- A minor consents by a guardian only; everybody may say no for a minor; links go with either of both, and the person is shown them.
SET client_min_messages = warning;
\pset format unaligned
\set SHOW_CONTEXT never
CREATE ROLE regress_min_app;
DO $$
BEGIN
	PERFORM personalize.define_kind('min', 'bigint');
	PERFORM personalize.define_kind('min_parent', 'text');
	PERFORM personalize.define_category('min_a', 'for tests');
	PERFORM personalize.define_category('min_b', 'for tests');
	PERFORM personalize.define_purpose('min_ads', 'for tests', categories => '{min_a,min_b}');
	PERFORM personalize.define_purpose('min_news', 'for tests', 'legitimate_interest', categories => '{min_a}');
	PERFORM personalize.assign_duty('regress_min_app', 'app');
END
$$;
CREATE VIEW pg_temp.line AS
	SELECT CASE WHEN s.key ~ '^[0-9]+$' THEN s.key::integer END AS who, p.name AS purpose, e.action, e.method, e.reason, e.expires_at <= clock_timestamp() AS ended, cardinality(e.categories) AS n,
			e.evidence - 'guardian' AS evidence, e.evidence ? 'guardian' AS linked
	FROM personalize.consent_event AS e JOIN personalize.subject AS s USING (subject_no) JOIN personalize.registry_kind AS k USING (kind_id)
		JOIN personalize.registry_purpose AS p USING (purpose_id)
	WHERE k.name = 'min' ORDER BY e.event_id;
SET ROLE regress_min_app;
/* what they said alone ends when it is known how old they are, in parts, too */
SELECT personalize.grant_consent(1, 'min_ads', kind => 'min') > 0 AS ok;
SELECT personalize.refuse_consent(1, 'min_ads', categories => '{min_b}', kind => 'min') > 0 AS ok;
SELECT personalize.grant_consent(1, 'min_news', method => 'web', kind => 'min') > 0 AS ok;
SELECT personalize.is_minor(1, kind => 'min');
SELECT personalize.set_minor(1, '2999-05-05', 'DE', kind => 'min') AS ended;
SELECT personalize.is_minor(1, kind => 'min'), personalize.consent_state(1, 'min_ads', kind => 'min'), personalize.permitted(1, 'min_ads', kind => 'min') AS ads, personalize.permitted(1, 'min_news', kind => 'min') AS news;
RESET ROLE;
SELECT * FROM pg_temp.line;
SET ROLE regress_min_app;
/* no consent of their own, none of an unknown guardian; any no */
SELECT personalize.grant_consent(1, 'min_ads', kind => 'min');
SELECT personalize.grant_consent(1, 'min_ads', method => 'guardian', kind => 'min');
SELECT personalize.grant_consent(1, 'min_news', kind => 'min');
SELECT personalize.object_to(1, 'min_news', kind => 'min') > 0 AS ok;
SELECT personalize.refuse_consent(1, 'min_ads', method => 'guardian', kind => 'min') > 0 AS ok;
SELECT personalize.withdraw_consent(1, 'min_ads', kind => 'min') > 0 AS ok;
SELECT personalize.restrict_processing(1, kind => 'min') > 0 AS ok;
SELECT personalize.lift_restriction(1, kind => 'min') > 0 AS ok;
/* refusals */
SELECT personalize.set_minor(1, '2999-05-05', 'Germany', kind => 'min');
SELECT personalize.set_minor(NULL::bigint, '2999-05-05', kind => 'min');
SELECT personalize.set_guardian(1, '1', 'min', kind => 'min');
SELECT personalize.set_guardian(1, NULL, 'min', kind => 'min');
SELECT personalize.set_guardian(1, 'ann', 'nobody', kind => 'min');
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT personalize.set_minor(1, '2999-05-05', kind => 'min');
ROLLBACK;
SELECT personalize.set_minor(2, '2999-05-05', kind => 'min') AS ended;
SELECT personalize.set_guardian(1, '2', 'min', kind => 'min');
SELECT personalize.guardians_of(1, kind => 'min');
/* with a guardian */
SELECT personalize.set_guardian(1, 'ann', 'min_parent', kind => 'min') AS ann \gset
SELECT personalize.set_guardian(1, 'ann', 'min_parent', kind => 'min') = :ann AS the_same;
SELECT guardian_kind, guardian, guardian_id = :ann AS is_ann FROM personalize.guardians_of(1, kind => 'min');
SELECT personalize.grant_consent(1, 'min_ads', kind => 'min');
SELECT personalize.grant_consent(1, 'min_ads', method => 'guardian', evidence => '{"form":7}', kind => 'min') > 0 AS ok;
SELECT personalize.permitted(1, 'min_ads', kind => 'min');
/* of two nobody knows which, unless it is said */
SELECT personalize.set_guardian(1, 'bob', 'min_parent', kind => 'min') AS bob \gset
SELECT personalize.grant_consent(1, 'min_ads', method => 'guardian', kind => 'min') > 0 AS ok;
SELECT personalize.grant_consent(1, 'min_ads', method => 'guardian', evidence => jsonb_build_object('guardian', :bob), kind => 'min') > 0 AS ok;
SELECT personalize.grant_consent(1, 'min_ads', method => 'guardian', evidence => '{"guardian":-1}', kind => 'min');
SELECT personalize.grant_consent(1, 'min_ads', method => 'guardian', evidence => '{"guardian":null}', kind => 'min');
RESET ROLE;
SELECT who, purpose, action, evidence, linked FROM pg_temp.line WHERE method = 'guardian';
SELECT e.evidence = jsonb_build_object('guardian', :bob) AS is_bob FROM personalize.consent_event AS e WHERE method = 'guardian' ORDER BY event_id DESC LIMIT 1;
/* said again that it is a minor: what the guardian said stays */
SET ROLE regress_min_app;
SELECT personalize.set_minor(1, '2998-05-05', kind => 'min') AS ended;
SELECT personalize.permitted(1, 'min_ads', kind => 'min');
SELECT guardian, why FROM personalize.consent_renewals('min_ads', '2000 years') WHERE kind = 'min';
SELECT personalize.remove_guardian(1, 'bob', 'min_parent', kind => 'min'), personalize.remove_guardian(1, 'bob', 'min_parent', kind => 'min') AS again;
SELECT personalize.grant_consent(1, 'min_ads', method => 'guardian', evidence => jsonb_build_object('guardian', :bob), kind => 'min');
SELECT personalize.permitted(1, 'min_ads', kind => 'min') AS stays;
/* in bulk: all or none */
RESET ROLE;
CREATE TABLE pg_temp.staging (subject bigint, purpose text, action text, method text, evidence jsonb, kind text);
INSERT INTO staging VALUES (1, 'min_ads', 'given', NULL, NULL, 'min'), (2, 'min_ads', 'given', 'guardian', NULL, 'min'), (3, 'min_ads', 'grant', 'guardian', NULL, 'min'),
	(1, 'min_ads', 'given', 'guardian', '{"guardian":-1}', 'min'), (2, 'min_news', 'objected', NULL, NULL, 'min'), (4, 'min_ads', 'given', NULL, NULL, 'min'), (1, 'min_ads', 'given', 'guardian', '[1]', 'min');
SELECT personalize.record_consents('staging');
DELETE FROM staging WHERE subject IN (2, 3) AND action <> 'objected' OR (subject = 1 AND evidence IS DISTINCT FROM '[1]');
SELECT personalize.record_consents('staging');
SELECT * FROM pg_temp.line WHERE who > 1 OR evidence ? 'evidence';
/* of age: nothing ends by itself; the guardian does not speak any more, and the person can end all of it */
SET ROLE regress_min_app;
SELECT personalize.set_minor(1, '2001-05-05', kind => 'min') AS ended;
SELECT personalize.is_minor(1, kind => 'min'), personalize.permitted(1, 'min_ads', kind => 'min') AS stays;
SELECT personalize.grant_consent(1, 'min_ads', method => 'guardian', kind => 'min');
SELECT personalize.withdraw_consent(1, 'min_ads', method => 'guardian', kind => 'min') > 0 AS any_no;
SELECT personalize.grant_consent(1, 'min_ads', kind => 'min') > 0 AS alone;
SELECT personalize.set_minor(1, NULL, kind => 'min') AS ended;
SELECT personalize.is_minor(1, kind => 'min');
/* a guardian who is a minor does not speak */
SELECT personalize.set_minor(2, '2999-05-05', kind => 'min') AS ended;
SELECT personalize.set_guardian(2, '4', 'min', kind => 'min') > 0 AS ok;
SELECT personalize.set_minor(4, '2999-05-05', kind => 'min') AS ended;
SELECT personalize.grant_consent(2, 'min_ads', method => 'guardian', kind => 'min');
SELECT personalize.set_minor(4, NULL, kind => 'min') AS ended;
SELECT personalize.grant_consent(2, 'min_ads', method => 'guardian', kind => 'min') > 0 AS ok;
RESET ROLE;
/* both are shown the link */
SELECT jsonb_path_query_array(x -> 'minor', '$[*].until') AS until, jsonb_path_query_array(x -> 'guardians', '$[*].subject') AS guardians, x -> 'guardian_of' AS guardian_of
	FROM personalize.export_subject(1, kind => 'min') AS x;
SELECT jsonb_path_query_array(x -> 'guardian_of', '$[*].subject') AS guardian_of, jsonb_path_query_array(x -> 'guardian_of', '$[*].kind') AS kind, x -> 'guardians' AS guardians
	FROM personalize.export_subject('ann', kind => 'min_parent') AS x;
/* the guardian is erased: the link is gone, what was consented to stays */
SELECT personalize.erase_subject(4, kind => 'min') ->> 'subjects' AS erased;
SELECT personalize.guardians_of(2, kind => 'min');
SELECT personalize.permitted(2, 'min_ads', kind => 'min') AS stays;
SELECT personalize.grant_consent(2, 'min_ads', method => 'guardian', kind => 'min');
/* the child is erased: what tells a birthday, too; and nothing is said of somebody erased */
SELECT personalize.erase_subject(1, kind => 'min') ->> 'subjects' AS erased;
SELECT (SELECT count(*) FROM personalize.guardian AS g JOIN personalize.subject AS s ON s.subject_no = g.guardian_no WHERE s.key IN ('ann', 'bob')) AS links,
	(SELECT count(*) FROM personalize.minor AS m LEFT JOIN personalize.subject AS s USING (subject_no) WHERE s.key IS NULL) AS birthdays;
SELECT personalize.set_minor(1, '2999-05-05', kind => 'min');
SELECT personalize.set_guardian(2, '1', 'min', kind => 'min');
SELECT personalize.is_minor(1, kind => 'min');
/* several identities: one is a minor, so are all; a guardian of one speaks for all; what any said alone ends */
\set ON_ERROR_ROLLBACK on
BEGIN;
SET ROLE regress_min_app;
SELECT personalize.grant_consent('kid@x.de', 'min_ads', kind => 'min_parent') > 0 AS ok, personalize.set_minor(20, '2999-05-05', kind => 'min') AS ended;
SELECT personalize.set_guardian(20, 'ann', 'min_parent', kind => 'min') > 0 AS ok, personalize.grant_consent(20, 'min_news', method => 'guardian', kind => 'min') > 0 AS ok;
SELECT personalize.link_subject('20', 'kid@x.de', to_kind => 'min_parent', kind => 'min') > 0 AS lines;
SELECT personalize.is_minor('kid@x.de', 'min_parent'), personalize.permitted('kid@x.de', 'min_ads', 'min_parent') AS ads_text, personalize.permitted(20, 'min_ads', 'min') AS ads,
	personalize.consent_state('kid@x.de', 'min_news', kind => 'min_parent') AS news, (SELECT guardian FROM personalize.guardians_of('kid@x.de', 'min_parent'));
SELECT personalize.grant_consent('kid@x.de', 'min_ads', kind => 'min_parent');
SELECT personalize.set_guardian(20, 'kid@x.de', 'min_parent', kind => 'min');
SELECT personalize.grant_consent('kid@x.de', 'min_ads', method => 'guardian', kind => 'min_parent') > 0 AS ok;
SELECT personalize.permitted(20, 'min_ads', 'min');
/* a notice that ends it, and a no, are never taken for a yes of the other */
SELECT personalize.grant_consent(21, 'min_ads', notice => 'min_notice/1', kind => 'min') > 0 AS ok, personalize.withdraw_consent('c@x.de', 'min_ads', kind => 'min_parent') > 0 AS ok,
	personalize.grant_consent(22, 'min_ads', notice => 'min_notice/1', kind => 'min') > 0 AS ok, personalize.grant_consent('d@x.de', 'min_ads', kind => 'min_parent') > 0 AS ok;
RESET ROLE;
SELECT personalize.define_notice('min_notice', '2', 'en', 'Two.', '{min_ads}', reconsent => 'require', grace => '1 year') AS ended;
SELECT personalize.link_subject('21', 'c@x.de', to_kind => 'min_parent', kind => 'min') > 0 AS lines, personalize.link_subject('22', 'd@x.de', to_kind => 'min_parent', kind => 'min') > 0 AS lines;
SELECT k, s, personalize.consent_state(s, 'min_ads', kind => k), personalize.consent_state(s, 'min_ads', clock_timestamp() + '2 years', kind => k) AS later
	FROM (VALUES ('min', '21'), ('min_parent', 'c@x.de'), ('min', '22'), ('min_parent', 'd@x.de')) AS v (k, s);
SELECT personalize.erase_subject(20, kind => 'min') ->> 'subjects' AS erased;
SELECT count(*) FROM personalize.guardian AS g LEFT JOIN personalize.subject AS s ON s.subject_no = g.subject_no WHERE s.key IS NULL;
ROLLBACK;
/* two spellings that become one person are one minor */
SELECT personalize.define_kind('min_late', 'text');
BEGIN;
UPDATE personalize.registry_kind SET key_type = NULL WHERE name = 'min_late';
SELECT personalize.set_minor('07', '2999-05-05', kind => 'min_late') AS ended, personalize.set_guardian('07', 'ann', 'min_parent', kind => 'min_late') > 0 AS ok,
	personalize.set_jurisdiction('07', 'FR', kind => 'min_late') AS changed, personalize.grant_consent('7', 'min_ads', kind => 'min_late') > 0 AS ok;
SELECT personalize.define_kind('min_late', 'bigint');
SELECT personalize.is_minor(7, kind => 'min_late'), personalize.consent_state(7, 'min_ads', kind => 'min_late'), x -> 'jurisdictions' -> 0 -> 'jurisdiction' AS jurisdiction, jsonb_path_query_array(x -> 'guardians', '$[*].subject') AS guardians
	FROM personalize.export_subject(7, kind => 'min_late') AS x;
ROLLBACK;
SELECT personalize.revoke_duty('regress_min_app', 'app');
SELECT personalize.retire_purpose(p) FROM unnest('{min_ads,min_news}'::text[]) AS p;
DROP ROLE regress_min_app;
