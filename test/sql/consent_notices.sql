-- Notices have versions and languages; who agreed to an older one is asked again, or the consent ends, truthfully and in the consent set, too.
SET client_min_messages = warning;
\pset format unaligned
\set SHOW_CONTEXT never
CREATE ROLE regress_not_app;
CREATE ROLE regress_not_officer;
CREATE SCHEMA noti;
GRANT USAGE ON SCHEMA noti TO PUBLIC;
CREATE TABLE noti.customer (id bigint PRIMARY KEY, name text);
INSERT INTO noti.customer SELECT i, 'n' || i FROM generate_series(1, 12) AS i;
GRANT SELECT ON noti.customer TO regress_not_app;
DO $$
BEGIN
	PERFORM personalize.define_kind('noti', 'bigint');
	PERFORM personalize.define_category('noti_a', 'for tests');
	PERFORM personalize.define_category('noti_b', 'for tests');
	PERFORM personalize.define_purpose('noti_ads', 'for tests', categories => '{noti_a,noti_b}');
	PERFORM personalize.define_purpose('noti_near', 'for tests', categories => '{noti_a}', parents => '{noti_ads}');
	PERFORM personalize.define_purpose('noti_mail', 'for tests', categories => '{noti_a}');
	PERFORM personalize.protect('noti.customer', 'id', kind => 'noti', columns => '{"*":"noti_a"}');
	PERFORM personalize.grant_purpose(p, 'regress_not_app') FROM unnest('{noti_ads,noti_near,noti_mail}'::text[]) AS p;
	PERFORM personalize.assign_duty('regress_not_app', 'app');
	PERFORM personalize.assign_duty('regress_not_officer', 'officer');
END
$$;
/* before there is a notice, any text is kept as it is */
SET ROLE regress_not_app;
SELECT personalize.grant_consent(1, 'noti_ads', notice => 'https://shop.example/privacy', kind => 'noti') > 0 AS ok;
SELECT personalize.grant_consent(2, 'noti_ads', notice => 'noti_shop', kind => 'noti') > 0 AS ok;
/* not for the application */
SELECT personalize.define_notice('noti_shop', '1', 'en', 'We use ...');
RESET ROLE;
SET ROLE regress_not_officer;
SELECT personalize.define_notice('noti_shop', '1', 'EN', 'We use what you buy.', '{noti_ads,noti_mail}');
SELECT personalize.define_notice('noti_shop', '1', 'de-AT', 'Wir nutzen, was Sie kaufen.');
SELECT name, version, language, body, digest, purposes, material, reconsent, ends_at, newest, defined_by FROM personalize.notices WHERE name LIKE 'noti%' ORDER BY language;
/* refusals */
SELECT personalize.define_notice('noti_shop', '1', 'en', 'Something else.');
SELECT personalize.define_notice('noti_shop', '1', 'fr', 'Autre chose.', '{noti_ads}');
SELECT personalize.define_notice('noti_shop', '1', 'fr', 'Autre chose.', reconsent => 'require');
SELECT personalize.define_notice('noti/shop', '1', 'fr', 'Autre chose.');
SELECT personalize.define_notice('noti_shop', '1/2', 'fr', 'Autre chose.');
SELECT personalize.define_notice('noti_shop', '', 'fr', 'Autre chose.');
SELECT personalize.define_notice('noti_shop', '2', 'french!', 'Autre chose.');
SELECT personalize.define_notice('noti_shop', '2', 'fr', ' ');
SELECT personalize.define_notice('noti_shop', '2', NULL, 'Autre chose.');
SELECT personalize.define_notice('noti_shop', '2', 'fr', 'Autre chose.', '{}');
SELECT personalize.define_notice('noti_shop', '2', 'fr', 'Autre chose.', '{nobody_knows}');
SELECT personalize.define_notice('noti_shop', '2', 'fr', 'Autre chose.', '{backup}');
SELECT personalize.define_notice('noti_shop', '2', 'fr', 'Autre chose.', reconsent => 'beg');
SELECT personalize.define_notice('noti_shop', '2', 'fr', 'Autre chose.', material => false, reconsent => 'require');
SELECT personalize.define_notice('noti_shop', '2', 'fr', 'Autre chose.', grace => '1 day');
SELECT personalize.define_notice('noti_shop', '2', 'fr', 'Autre chose.', reconsent => 'require', grace => '-1 day');
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT personalize.define_notice('noti_shop', '2', 'fr', 'Autre chose.', reconsent => 'require');
ROLLBACK;
RESET ROLE;
/* what people were shown is not changed, by nobody */
UPDATE personalize.notice_text SET body = 'x';
DELETE FROM personalize.notice_version;

/* the event has the exact version, and the language */
SET ROLE regress_not_app;
SELECT personalize.grant_consent(3, 'noti_ads', notice => 'noti_shop', kind => 'noti') > 0 AS ok;
SELECT personalize.grant_consent(4, 'noti_ads', notice => 'noti_shop/1', evidence => '{"language":"en-GB"}', kind => 'noti') > 0 AS ok;
SELECT personalize.grant_consent(5, 'noti_near', notice => 'noti_shop/1/de-at', kind => 'noti') > 0 AS ok;
SELECT personalize.grant_consent(6, 'noti_ads', categories => '{noti_b}', notice => 'noti_shop/1', kind => 'noti') > 0 AS ok;
SELECT personalize.refuse_consent(7, 'noti_ads', notice => 'noti_shop', kind => 'noti') > 0 AS ok;
SELECT personalize.grant_consent(8, 'noti_mail', notice => 'noti_shop', expires_at => '2999-01-01', kind => 'noti') > 0 AS ok;
/* no such version, language, purpose */
SELECT personalize.grant_consent(3, 'noti_ads', notice => 'noti_shop/7', kind => 'noti');
SELECT personalize.refuse_consent(3, 'noti_ads', notice => 'noti_shop/7', kind => 'noti');
SELECT personalize.grant_consent(3, 'noti_ads', notice => 'noti_shop', evidence => '{"language":"fr"}', kind => 'noti');
RESET ROLE;
SELECT personalize.define_notice('noti_mail', 'a', 'en', 'We write to you.', '{noti_mail}');
SET ROLE regress_not_app;
SELECT personalize.grant_consent(3, 'noti_ads', notice => 'noti_mail', kind => 'noti');
RESET ROLE;
CREATE VIEW pg_temp.line AS
	SELECT CASE WHEN s.key ~ '^[0-9]+$' THEN s.key::integer END AS who, p.name AS purpose, e.action, e.categories IS NULL OR cardinality(e.categories) > 2 AS whole, e.expires_at IS NOT NULL AS ends,
		e.notice, e.language, e.reason
	FROM personalize.consent_event AS e JOIN personalize.subject AS s USING (subject_no) JOIN personalize.registry_kind AS k USING (kind_id)
		JOIN personalize.registry_purpose AS p USING (purpose_id)
	WHERE k.name = 'noti' ORDER BY e.event_id;
SELECT * FROM pg_temp.line;
/* in bulk */
CREATE TABLE noti.staging (subject bigint, purpose text, action text, notice text, evidence jsonb, kind text);
GRANT SELECT ON noti.staging TO regress_not_app;
INSERT INTO noti.staging VALUES (9, 'noti_ads', 'given', 'noti_shop', '{"language":"de"}', 'noti'), (10, 'noti_ads', 'given', 'noti_shop/7', NULL, 'noti'),
	(11, 'noti_mail', 'grant', 'some text', '{"language":"fr"}', 'noti');
SET ROLE regress_not_app;
SELECT personalize.record_consents('noti.staging');
RESET ROLE;
UPDATE noti.staging SET evidence = '{"language":"de-at"}' WHERE subject = 9;
UPDATE noti.staging SET notice = 'noti_shop' WHERE subject = 10;
SET ROLE regress_not_app;
SELECT personalize.record_consents('noti.staging');
RESET ROLE;
SELECT * FROM pg_temp.line WHERE who IN (9, 10, 11);

/* a version that changes nothing material: nobody is asked */
SELECT personalize.define_notice('noti_shop', '1.1', 'en', 'We use what you buy. (Typo mended.)', '{noti_ads,noti_mail}', material => false);
SELECT count(*) FROM personalize.consent_renewals() WHERE kind = 'noti' AND notice LIKE 'noti_shop/%';
/* one that does: consents stay, and the view says whom to ask; nobody who said no */
SELECT personalize.define_notice('noti_shop', '2', 'en', 'We use what you buy and look at.', '{noti_ads}');
SET ROLE regress_not_app;
SELECT subject, purpose_name, why, categories, notice, show_notice, reason, guardian FROM personalize.consent_renewals() WHERE kind = 'noti';
SELECT subject FROM personalize.consent_renewals('noti_mail', '1000 years') WHERE kind = 'noti';
SELECT personalize.permitted(3, 'noti_ads', kind => 'noti') AS stays;
/* agreed anew, or said no: not asked again; restricted: not now */
SELECT personalize.grant_consent(3, 'noti_ads', notice => 'noti_shop', kind => 'noti') > 0 AS ok;
SELECT personalize.refuse_consent(4, 'noti_ads', notice => 'noti_shop', kind => 'noti') > 0 AS ok;
SELECT personalize.restrict_processing(9, kind => 'noti') > 0 AS ok;
/* a choice about some categories leaves the others to be asked for */
SELECT personalize.grant_consent(10, 'noti_ads', categories => '{noti_b}', notice => 'noti_shop', kind => 'noti') > 0 AS ok;
SELECT subject, categories FROM personalize.consent_renewals() WHERE kind = 'noti';
SELECT personalize.lift_restriction(9, kind => 'noti') > 0 AS ok;
RESET ROLE;

/* required anew, with a grace: consents under older versions get an end, by lines that are no withdrawals */
SELECT personalize.define_notice('noti_shop', '3', 'en', 'We use everything.', '{noti_ads}', reconsent => 'require', grace => '10 days') AS ended;
SELECT * FROM pg_temp.line WHERE action = 'ending';
SELECT s.i AS who, personalize.consent_state(s.i, 'noti_ads', kind => 'noti') AS ads, personalize.consent_state(s.i, 'noti_ads', clock_timestamp() + '11 days', kind => 'noti') AS ads_later,
		personalize.consent_state(s.i, 'noti_mail', clock_timestamp() + '11 days', kind => 'noti') AS mail_later
	FROM generate_series(1, 11) AS s (i) ORDER BY 1;
/* consent under an older version goes as far, no further; under the new one it has no end */
SET ROLE regress_not_app;
SELECT personalize.grant_consent(1, 'noti_ads', notice => 'noti_shop/2', kind => 'noti') > 0 AS ok;
SELECT personalize.grant_consent(2, 'noti_ads', notice => 'noti_shop', kind => 'noti') > 0 AS ok;
SELECT personalize.grant_consent(12, 'noti_ads', notice => 'noti_shop/1', expires_at => clock_timestamp() + '1 day', kind => 'noti') > 0 AS ok;
SELECT subject, why, expires_at < clock_timestamp() + '30 days' AS soon, show_notice, reason FROM personalize.consent_renewals('noti_ads') WHERE kind = 'noti';
SELECT (personalize.decide(1, 'noti_ads', kind => 'noti')).permitted;
RESET ROLE;
SELECT ok, regexp_replace(detail, '[0-9-]{10}', 'DAY') AS detail, hint FROM personalize.status() WHERE check_name = 'notices';
/* required at once */
SELECT personalize.define_notice('noti_shop', '4', 'en', 'We use everything, twice.', '{noti_near}', reconsent => 'require') AS ended;
SELECT s.i AS who, personalize.consent_state(s.i, 'noti_ads', kind => 'noti') AS ads, personalize.consent_state(s.i, 'noti_near', kind => 'noti') AS near,
		personalize.consent_state(s.i, 'noti_mail', kind => 'noti') AS mail FROM generate_series(1, 12) AS s (i) ORDER BY 1;
SET ROLE regress_not_app;
SET personalize.purpose_scope = 'transaction';
BEGIN;
SELECT personalize.set_purpose('noti_ads');
SELECT id FROM noti.customer ORDER BY id;
COMMIT;
SELECT personalize.grant_consent(3, 'noti_ads', notice => 'noti_shop/3', kind => 'noti');
SELECT personalize.grant_consent(3, 'noti_ads', notice => 'noti_shop', kind => 'noti') > 0 AS ok;
SELECT regexp_replace(d.reason, '[0-9-]{10}', 'DAY', 'g') AS reason, d.permitted FROM personalize.decide(2, 'noti_ads', kind => 'noti') AS d;
/* the end is not the person's: who withdraws now says so, and is not asked */
SELECT personalize.withdraw_consent(2, 'noti_ads', kind => 'noti') > 0 AS ok;
SELECT subject, why, reason FROM personalize.consent_renewals('noti_ads') WHERE kind = 'noti';
RESET ROLE;
/* all purposes, in a transaction that is rolled back */
BEGIN;
SELECT personalize.define_notice('noti_shop', '5', 'en', 'All.', reconsent => 'require') AS ended;
SELECT personalize.consent_state(8, 'noti_mail', kind => 'noti');
ROLLBACK;
SELECT personalize.consent_state(8, 'noti_mail', kind => 'noti');

/* how long consent lasts */
SET ROLE regress_not_officer;
SELECT personalize.set_consent_lifetime('noti_mail', '1 year');
SELECT purpose, lifetime FROM personalize.consent_lifetimes WHERE purpose LIKE 'noti%';
SELECT personalize.set_consent_lifetime('noti_mail', '-1 year');
SELECT personalize.set_consent_lifetime('backup', '1 year');
SELECT personalize.set_consent_lifetime(NULL, '1 year');
RESET ROLE;
SET ROLE regress_not_app;
SELECT personalize.set_consent_lifetime('noti_mail', '1 year');
SELECT personalize.grant_consent(1, 'noti_mail', kind => 'noti') > 0 AS ok;
SELECT personalize.grant_consent(2, 'noti_mail', expires_at => 'infinity', kind => 'noti') > 0 AS ok;
SELECT personalize.grant_consent(3, 'noti_mail', expires_at => clock_timestamp() + '3 years', kind => 'noti') > 0 AS ok;
SELECT personalize.withdraw_consent(4, 'noti_mail', kind => 'noti') > 0 AS ok;
RESET ROLE;
TRUNCATE noti.staging;
INSERT INTO noti.staging VALUES (5, 'noti_mail', 'given', NULL, NULL, 'noti'), (6, 'noti_mail', 'refused', NULL, NULL, 'noti'), (7, 'noti_mail', 'given', 'noti_shop', NULL, 'noti');
SELECT personalize.record_consents('noti.staging');
UPDATE noti.staging SET notice = 'noti_mail' WHERE subject = 7;
SELECT personalize.record_consents('noti.staging');
SELECT CASE WHEN x.subject ~ '^[0-9]+$' THEN x.subject::integer END AS who, x.state, x.expires_at BETWEEN clock_timestamp() + '364 days' AND clock_timestamp() + '367 days' AS a_year, x.expires_at IS NULL AS never, x.expires_at = 'infinity' AS infinite
	FROM personalize.consent AS x WHERE x.kind = 'noti' AND x.purpose = 'noti_mail' ORDER BY 1;
SELECT subject FROM personalize.consent_renewals('noti_mail', '2 years') WHERE kind = 'noti';
SELECT subject FROM personalize.consent_renewals('noti_mail', '1 month') WHERE kind = 'noti';
SELECT personalize.set_consent_lifetime('noti_mail', NULL);
SELECT personalize.grant_consent(1, 'noti_mail', kind => 'noti') > 0 AS ok;
SELECT expires_at FROM personalize.consent WHERE kind = 'noti' AND subject = '1' AND purpose = 'noti_mail';

/* the receipt names version, language and digest, and does not call an end a withdrawal */
SELECT r -> 'dpv:hasNotice' AS notice, r -> 'dct:language' AS language, left(r ->> 'spdx:checksum', 15) AS checksum,
		r -> 'dpv:hasConsentStatus' -> 0 ->> '@type' AS status, r -> 'dpv:hasConsentStatus' -> 0 ->> 'dct:description' AS why,
		r -> 'dpv:hasConsentStatus' -> 0 ? 'dpv:isIndicatedBy' AS by_the_person
	FROM jsonb_array_elements(personalize.consent_receipt(10, 'noti_ads', kind => 'noti') -> 'dpv:hasRecord') WITH ORDINALITY AS u (r, n) ORDER BY n;
/* findings */
SELECT personalize.define_purpose('noti_new', 'for tests', 'explicit_consent', categories => '{noti_a}');
BEGIN;
SELECT personalize.describe_controller(language => 'de-AT');
SELECT * FROM personalize.lint() WHERE object ~ '^noti' AND finding ~ 'notice' ORDER BY 1, 2;
ROLLBACK;
DROP SCHEMA noti CASCADE;
SELECT personalize.retire_purpose(p) FROM unnest('{noti_ads,noti_near,noti_mail,noti_new}'::text[]) AS p;
SELECT personalize.revoke_duty('regress_not_app', 'app');
SELECT personalize.revoke_duty('regress_not_officer', 'officer');
SELECT personalize.revoke_purpose(p, 'regress_not_app') FROM unnest('{noti_ads,noti_near,noti_mail}'::text[]) AS p;
DROP ROLE regress_not_app, regress_not_officer;
