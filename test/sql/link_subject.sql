-- Identities that are one person: the stricter choice, then every choice for both; record and exports follow.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
\pset format unaligned
CREATE SCHEMA links;
CREATE ROLE regress_links_app;
GRANT USAGE ON SCHEMA links TO regress_links_app;
CREATE TABLE links.visit (cookie text, page text);
CREATE TABLE links.purchase (customer bigint, what text);
INSERT INTO links.visit SELECT 'cookie-' || i, 'page ' || i FROM generate_series(1, 9) AS i;
INSERT INTO links.purchase SELECT i, 'thing ' || i FROM generate_series(1, 9) AS i;
GRANT SELECT ON links.visit, links.purchase TO regress_links_app;
DO $$
BEGIN
	PERFORM personalize.define_kind('links_cookie', 'text');
	PERFORM personalize.define_kind('links_customer', 'bigint');
	PERFORM personalize.define_category('links_a', 'for tests');
	PERFORM personalize.define_category('links_b', 'for tests');
	PERFORM personalize.define_purpose('links_ads', 'for tests', categories => '{links_a,links_b}');
	PERFORM personalize.define_purpose('links_news', 'for tests', categories => '{links_a}');
	PERFORM personalize.define_purpose('links_fraud', 'for tests', legal_basis => 'legitimate_interest', categories => '{links_a}');
	PERFORM personalize.protect('links.visit', 'cookie', kind => 'links_cookie', columns => '{"page":"links_a"}');
	PERFORM personalize.protect('links.purchase', 'customer', kind => 'links_customer', columns => '{"what":"links_a"}');
	PERFORM personalize.grant_purpose('links_ads', 'regress_links_app');
	PERFORM personalize.grant_purpose('links_news', 'regress_links_app');
	PERFORM personalize.grant_purpose('links_fraud', 'regress_links_app');
	PERFORM personalize.assign_duty('regress_links_app', 'app');
END
$$;
CREATE VIEW links.said AS
	SELECT s.key, p.name AS purpose, e.action, (SELECT string_agg(coalesce(c.name, 'row'), ',' ORDER BY u.id) FROM unnest(e.categories) AS u (id)
			LEFT JOIN personalize.registry_category AS c ON c.category_id = u.id) AS categories, e.explicit, e.expires_at,
		count(*) OVER (PARTITION BY e.record_id) AS same_record
	FROM personalize.consent_event AS e JOIN personalize.subject AS s USING (subject_no) LEFT JOIN personalize.registry_purpose AS p USING (purpose_id)
		JOIN personalize.registry_kind AS k ON k.kind_id = s.kind_id WHERE k.name LIKE 'links%' ORDER BY s.key, e.event_id;
SET ROLE regress_links_app;
/* a customer who said nothing takes over what the cookie said */
SELECT personalize.grant_consent('cookie-1', 'links_ads', kind => 'links_cookie') > 0;
SELECT personalize.link_subject('cookie-1', '1', to_kind => 'links_customer', kind => 'links_cookie') AS lines;
SELECT personalize.permitted(1, 'links_ads', 'links_customer');
/* a no stands, whoever said it */
SELECT personalize.grant_consent('cookie-2', 'links_ads', kind => 'links_cookie') > 0, personalize.withdraw_consent(2, 'links_ads', kind => 'links_customer') > 0,
	personalize.object_to('cookie-2', 'links_fraud', kind => 'links_cookie') > 0;
SELECT personalize.permitted(2, 'links_fraud', 'links_customer');
SELECT personalize.link_subject('cookie-2', '2', to_kind => 'links_customer', kind => 'links_cookie') AS lines;
SELECT personalize.consent_state('cookie-2', 'links_ads', kind => 'links_cookie'), personalize.consent_state(2, 'links_ads', kind => 'links_customer'),
	personalize.permitted(2, 'links_fraud', 'links_customer');
/* by category; one that is not explicit, and one that ends earlier */
SELECT personalize.grant_consent('cookie-3', 'links_ads', explicit => true, expires_at => '2999-01-01', kind => 'links_cookie') > 0,
	personalize.grant_consent(3, 'links_ads', expires_at => '3999-01-01', kind => 'links_customer') > 0,
	personalize.withdraw_consent(3, 'links_ads', '{links_b}', kind => 'links_customer') > 0,
	personalize.grant_consent('cookie-3', 'links_news', expires_at => '2999-01-01', kind => 'links_cookie') > 0, personalize.grant_consent(3, 'links_news', kind => 'links_customer') > 0;
SELECT personalize.link_subject('cookie-3', '3', to_kind => 'links_customer', kind => 'links_cookie') AS lines;
RESET ROLE;
SELECT kind, subject, purpose, state, categories, explicit, expires_at FROM personalize.consent WHERE subject IN ('3', 'cookie-3') AND kind LIKE 'links%' ORDER BY purpose, subject;
/* a restriction, too */
SELECT personalize.restrict_processing('cookie-4', kind => 'links_cookie') > 0, personalize.grant_consent(4, 'links_ads', kind => 'links_customer') > 0;
SELECT personalize.link_subject('cookie-4', '4', to_kind => 'links_customer', kind => 'links_cookie') AS lines;
SELECT personalize.consent_state(4, 'links_ads', kind => 'links_customer');
SELECT personalize.lift_restriction(4, kind => 'links_customer') > 0;
SELECT personalize.permitted('cookie-4', 'links_ads', 'links_cookie');
SELECT * FROM links.said WHERE key IN ('4', 'cookie-4');
/* a no to a broader purpose, an end of one and an explicit yes of the other */
DO $$ BEGIN
	PERFORM personalize.define_purpose('links_below', 'for tests', categories => '{links_a}', parents => '{links_ads}');
END $$;
SELECT personalize.withdraw_consent('cookie-6', 'links_ads', kind => 'links_cookie') > 0, personalize.grant_consent(6, 'links_below', kind => 'links_customer') > 0,
	personalize.grant_consent('cookie-6', 'links_news', explicit => true, expires_at => '2999-01-01', kind => 'links_cookie') > 0, personalize.grant_consent(6, 'links_news', kind => 'links_customer') > 0;
SELECT personalize.link_subject('cookie-6', '6', to_kind => 'links_customer', kind => 'links_cookie') AS lines;
SELECT kind, purpose, state, explicit, expires_at FROM personalize.consent WHERE subject IN ('6', 'cookie-6') AND kind LIKE 'links%' ORDER BY purpose, kind;
/* evidence stays where it was said */
SELECT personalize.grant_consent('cookie-6', 'links_ads', evidence => '{"phone": "123"}', kind => 'links_cookie') > 0;
SELECT key, action, evidence FROM personalize.consent_event AS e JOIN personalize.subject AS s USING (subject_no) WHERE key IN ('6', 'cookie-6') AND action = 'given' ORDER BY event_id DESC LIMIT 2;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT personalize.link_subject('cookie-6', '6', to_kind => 'links_customer', kind => 'links_cookie');
ROLLBACK;
/* every choice from then on; many at once keep their order */
SELECT personalize.withdraw_consent('cookie-1', 'links_ads', kind => 'links_cookie') > 0;
SELECT personalize.permitted(1, 'links_ads', 'links_customer');
CREATE TEMP TABLE batch AS SELECT * FROM (VALUES ('cookie-1', 'links_ads', 'given', 'links_cookie'), ('1', 'links_ads', 'withdrawn', 'links_customer'), ('cookie-1', 'links_ads', 'given', 'links_cookie'),
	('cookie-9', 'links_ads', 'given', 'links_cookie'), ('1', 'links_news', 'given', 'links_customer')) AS v (subject, purpose, action, kind);
SELECT personalize.record_consents('batch');
SELECT key, purpose, action, same_record FROM links.said WHERE key IN ('1', 'cookie-1', 'cookie-9');
SELECT personalize.permitted(1, 'links_ads', 'links_customer'), personalize.permitted('cookie-1', 'links_ads', 'links_cookie');
/* a third identity joins all */
SELECT personalize.link_subject('cookie-5', 'cookie-1', kind => 'links_cookie') AS lines;
SELECT personalize.withdraw_consent('cookie-5', 'links_news', kind => 'links_cookie') > 0;
SELECT personalize.permitted(1, 'links_news', 'links_customer');
SELECT personalize.link_subject('cookie-5', '1', to_kind => 'links_customer', kind => 'links_cookie') AS again;
/* the filter, and the record of all of them */
SET ROLE regress_links_app;
BEGIN;
SET LOCAL personalize.purpose = 'links_ads';
SELECT * FROM links.visit WHERE cookie IN ('cookie-1', 'cookie-2', 'cookie-5');
SELECT * FROM links.purchase WHERE customer IN (1, 2);
COMMIT;
RESET ROLE;
SELECT personalize.audit_sync();
SELECT relation_name, rows_used, precision FROM personalize.usage_of(1, kind => 'links_customer') ORDER BY usage_id;
SELECT relation_name FROM personalize.usage_of('cookie-5', kind => 'links_cookie') ORDER BY usage_id;
SELECT * FROM personalize.export_rows(1, 'links_customer');
SELECT e -> 'also_known_as' AS also, jsonb_array_length(e -> 'consents') AS consents FROM personalize.export_subject('cookie-5', 'links_cookie') AS e;
/* the set agrees with the ledger */
SELECT wrong FROM personalize.consent_set_check_internal(NULL);
/* an erasure takes all of them, and says so; a requested one hides all, and comes back for all */
SELECT personalize.request_erasure(1, grace => '1 day', kind => 'links_customer') AS request \gset
SELECT personalize.permitted('cookie-1', 'links_ads', 'links_cookie'), personalize.consent_state('cookie-5', 'links_ads', kind => 'links_cookie'), count(*) FROM personalize.erasure_requests WHERE status = 'waiting';
SELECT personalize.cancel_erasure(:'request');
SELECT personalize.consent_state('cookie-5', 'links_ads', kind => 'links_cookie'), count(*) FROM personalize.erasure_requests WHERE status = 'waiting';
BEGIN;
SELECT c ->> 'kind' AS kind, c -> 'relations' AS relations, (SELECT jsonb_agg(l.value -> 'relations') FROM jsonb_array_elements(c -> 'linked') AS l) AS linked FROM personalize.erase_subject('cookie-2', dry_run => true, kind => 'links_cookie') AS c;
SELECT c ->> 'kind' AS kind, c -> 'relations' AS relations, (SELECT jsonb_agg(l.value -> 'relations') FROM jsonb_array_elements(c -> 'linked') AS l) AS linked FROM personalize.erase_subject('cookie-2', kind => 'links_cookie') AS c;
SELECT count(*) AS rows_left FROM personalize.export_rows(2, 'links_customer');
SELECT personalize.consent_state(2, 'links_ads', kind => 'links_customer'), personalize.consent_state('cookie-2', 'links_ads', kind => 'links_cookie');
SELECT count(*) AS links FROM personalize.linked AS l JOIN personalize.subject AS s USING (subject_no) WHERE s.key IS NULL;
ROLLBACK;
/* many at once, with their other identities: the audit is waited for once, before it waits for us */
SELECT personalize.link_subject((501 + i)::text, 'many-' || i, to_kind => 'links_cookie', kind => 'links_customer') IS NOT NULL AS linked FROM generate_series(0, 1) AS i;
SET statement_timeout = '60s';
SELECT c ->> 'kind' AS kind, c -> 'subjects' AS subjects, jsonb_array_length(c -> 'linked') AS linked FROM jsonb_array_elements(personalize.erase_subjects('{501,502}', kind => 'links_customer')) AS c;
RESET statement_timeout;
SELECT personalize.consent_state('many-' || i, 'links_ads', kind => 'links_cookie') FROM generate_series(0, 1) AS i;
/* taken apart again: what was said stays with each */
SELECT personalize.unlink_subject('cookie-5', kind => 'links_cookie'), personalize.unlink_subject('cookie-5', kind => 'links_cookie'), personalize.unlink_subject(77, kind => 'links_customer');
SELECT personalize.grant_consent('cookie-5', 'links_news', kind => 'links_cookie') > 0;
SELECT personalize.permitted(1, 'links_news', 'links_customer');
SELECT count(*) FROM personalize.export_rows(1, 'links_customer');
SELECT v.action, v.other_no IS NOT NULL AS other, v.reason FROM personalize.link_event AS v JOIN personalize.subject AS s USING (subject_no) JOIN personalize.registry_kind AS k USING (kind_id) WHERE k.name LIKE 'links%' ORDER BY v.event_id;
DELETE FROM personalize.link_event;
/* what cannot be */
SELECT personalize.link_subject(1, 1, kind => 'links_customer');
SELECT personalize.link_subject('x', '1', kind => 'nonesuch');
SELECT personalize.link_subject('x', 'y', kind => 'links_customer');
SELECT personalize.link_subject(NULL, 'y', kind => 'links_cookie');
SELECT personalize.link_subject('cookie-6', 'cookie-7', reason => 'because cookie-6 asked', kind => 'links_cookie');
SELECT personalize.erase_subject('cookie-8', kind => 'links_cookie') ->> 'kind';
SELECT personalize.link_subject('cookie-8', 'cookie-7', kind => 'links_cookie');
SELECT personalize.request_erasure('cookie-7', kind => 'links_cookie') IS NOT NULL;
SELECT personalize.link_subject('cookie-9', 'cookie-7', kind => 'links_cookie');
SET ROLE regress_links_app;
SELECT personalize.unlink_subject('cookie-1', kind => 'links_cookie');
RESET ROLE;
SELECT personalize.unprotect('links.visit'), personalize.unprotect('links.purchase');
DROP SCHEMA links CASCADE;
SELECT personalize.revoke_duty('regress_links_app', 'app'), personalize.revoke_purpose(p.name, 'regress_links_app'), personalize.retire_purpose(p.name) FROM personalize.purposes AS p WHERE p.name LIKE 'links%';
DROP OWNED BY regress_links_app;
DROP ROLE regress_links_app;
