-- Access, correction, requests, receipts, and what an officer reads.
SET client_min_messages = warning;
\pset format unaligned
\set SHOW_CONTEXT never
CREATE ROLE regress_exp_officer;
CREATE ROLE regress_exp_owner;
CREATE SCHEMA exp AUTHORIZATION regress_exp_owner;
GRANT USAGE ON SCHEMA exp TO regress_exp_officer;
SET ROLE regress_exp_owner;
CREATE TABLE exp.customer (id bigint PRIMARY KEY, name text, email text CHECK (email LIKE '%@%'), birth date, tags text[], extra jsonb);
CREATE TABLE exp.message (id int PRIMARY KEY, sender bigint NOT NULL, recipient bigint, body text);
CREATE TABLE exp.newsletter (phone_number text, issue int);
CREATE TABLE exp.address (customer_id bigint REFERENCES exp.customer, line text);
INSERT INTO exp.customer VALUES (501, 'Ann', 'a@x', '2000-01-01', '{a,b}', '{"k": 1}'), (502, 'Bob', 'b@x', NULL, NULL, NULL);
INSERT INTO exp.message VALUES (1, 501, 502, 'hi'), (2, 502, 501, 'ho'), (3, 501, 501, 'note, "self"'), (4, 502, 502, 'unmentioned');
CREATE MATERIALIZED VIEW exp.summary AS SELECT count(*) FROM exp.customer;
RESET ROLE;
SELECT personalize.describe_controller(name => 'Shop & Co', contact => 'privacy@shop', withdrawal_method => 'write to us', party_id => 'x');
DO $$
BEGIN
	PERFORM personalize.define_kind('exp', 'bigint');
	PERFORM personalize.define_category('exp_contact', 'for tests', iri => 'https://w3id.org/dpv/pd#Contact');
	PERFORM personalize.define_category('exp_msg', 'for tests', special => true);
	PERFORM personalize.define_purpose('exp_mail', 'Send <news> & offers', categories => '{exp_contact}', recipients => '{Mailer Inc}', value_exchange => '10 % off', retention => '1 year');
	PERFORM personalize.define_purpose('exp_sell', 'Sell data', 'legitimate_interest', categories => '{exp_contact}', iri => 'https://w3id.org/dpv#SellDataToThirdParties', automated => true);
	PERFORM personalize.define_purpose('exp_ads', 'Ads to you', categories => '{exp_contact}', parents => '{exp_sell}');
	PERFORM personalize.protect('exp.customer', 'id', kind => 'exp', columns => '{"*":"exp_contact"}');
	PERFORM personalize.protect('exp.message', 'sender', kind => 'exp', columns => '{"*":"exp_msg"}');
	PERFORM personalize.add_subject_path('exp.message', '{recipient}', 'access', 'exp');
	PERFORM personalize.set_source('exp.customer', 'email', 'provided');
	PERFORM personalize.grant_consent(501, 'exp_mail', notice => 'v1', method => 'form', evidence => '{"language": "de"}', kind => 'exp');
	PERFORM personalize.grant_consent(501, 'exp_ads', kind => 'exp');
	PERFORM personalize.assign_duty('regress_exp_officer', 'officer');
END
$$;
SELECT personalize.set_source('exp.customer', 'email', 'guessed');
SELECT personalize.set_source('exp.customer', 'nonesuch', 'provided');
SET ROLE regress_exp_officer;
SELECT * FROM personalize.export_rows(501, 'exp');
SELECT * FROM personalize.export_csv(501, 'exp.message', 'exp');
SELECT * FROM personalize.export_csv(501, 'exp.customer', 'exp');
SELECT * FROM personalize.export_rows(599, 'exp');
SELECT * FROM personalize.export_csv(501, 'exp.newsletter', 'exp');
SELECT personalize.rectify_subject(501, 'exp.customer', '{"email": "ann@x", "tags": ["z"], "birth": null}', 'exp') - 'rectification_id' AS corrected;
SELECT personalize.rectify_subject(599, 'exp.customer', '{"email": "ann@x"}', 'exp') AS nobody;
/* what cannot be corrected, and no value in what is said of it */
SELECT personalize.rectify_subject(501, 'exp.customer', '{"id": 3}', 'exp');
SELECT personalize.rectify_subject(501, 'exp.customer', '{"birth": "yesterday secret"}', 'exp');
SELECT personalize.rectify_subject(501, 'exp.customer', '{"email": "secret"}', 'exp');
/* another transaction that is in the way may be gone the next time */
RESET ROLE;
CREATE FUNCTION exp.in_the_way() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'secret' USING ERRCODE = 'lock_not_available'; END $$;
CREATE TRIGGER in_the_way BEFORE UPDATE ON exp.customer FOR EACH ROW EXECUTE FUNCTION exp.in_the_way();
SET ROLE regress_exp_officer;
SELECT personalize.rectify_subject(501, 'exp.customer', '{"email": "bob@x"}', 'exp');
RESET ROLE;
DROP TRIGGER in_the_way ON exp.customer;
SET ROLE regress_exp_officer;
SELECT personalize.rectify_subject(501, 'exp.customer', '{}', 'exp');
SELECT personalize.rectify_subject(501, 'exp.customer', '{"nonesuch": 1}', 'exp');
SELECT personalize.rectify_subject(501, 'exp.newsletter', '{"issue": 1}', 'exp');
SELECT n.relation_name, n.columns, n.recipient FROM personalize.notifications AS n WHERE relation_name LIKE 'exp.%';
SELECT personalize.recipient_notified(n.rectification_id, 'Nobody') FROM personalize.notifications AS n WHERE relation_name LIKE 'exp.%';
SELECT personalize.recipient_notified(n.rectification_id, n.recipient) FROM personalize.notifications AS n WHERE relation_name LIKE 'exp.%';
SELECT count(*) AS to_be_told FROM personalize.notifications AS n WHERE relation_name LIKE 'exp.%';
/* sale and sharing, and nothing else */
SELECT personalize.record_gpc(501, 'exp');
SELECT personalize.record_gpc(501, 'exp') AS again;
SELECT p, personalize.consent_state(501, p, kind => 'exp') FROM unnest('{exp_mail,exp_sell,exp_ads}'::text[]) AS p;
/* requests */
SELECT personalize.open_request(501, 'access', details => 'by letter', kind => 'exp') AS r \gset
SELECT due_at - received_at BETWEEN interval '28 days' AND interval '31 days 1 hour' AS a_month FROM personalize.requests WHERE request_id = :'r';
SELECT personalize.fulfil_request(:'r');
SELECT personalize.verify_request(:'r', '');
SELECT personalize.verify_request(:'r', 'passport');
SELECT personalize.extend_request(:'r', '');
SELECT personalize.extend_request(:'r', 'many rows') > now() + interval '80 days' AS longer;
SELECT personalize.extend_request(:'r', 'more rows');
SELECT personalize.fulfil_request(:'r', '{"by": "letter"}');
SELECT personalize.refuse_request(:'r', 'other');
SELECT personalize.open_request(502, 'erasure', 'ccpa', now() - interval '50 days', kind => 'exp') AS late \gset
SELECT due_at - received_at BETWEEN interval '44 days 23 hours' AND interval '45 days 1 hour' AS days_45, overdue FROM personalize.requests WHERE request_id = :'late';
SELECT personalize.extend_request(:'late', 'much to do');
SELECT ok, detail, hint FROM personalize.status() WHERE check_name = 'requests';
SELECT personalize.refuse_request(:'late', 'because');
SELECT personalize.refuse_request(:'late', 'too_many_requests');
SELECT personalize.open_request(502, 'objection', kind => 'exp') AS back \gset
SELECT personalize.revoke_request(:'back');
SELECT subject, "right", regulation, status, reason, overdue, details, result FROM personalize.requests WHERE kind = 'exp' ORDER BY received_at;
SELECT personalize.open_request(501, 'everything', kind => 'exp');
SELECT personalize.open_request(501, 'access', 'lgpd', kind => 'exp');
SELECT personalize.open_request(501, 'access', received_at => now() + interval '1 day', kind => 'exp');
SELECT personalize.open_request(501, 'access', details => 'of 501', kind => 'exp');
/* all of it in one document */
SELECT k.key, CASE WHEN k.key IN ('exported_at', 'uses', 'requests', 'consents', 'corrections') THEN '...' ELSE k.value::text END AS value
	FROM jsonb_each(personalize.export_subject(501, 'exp')) AS k WHERE k.key <> 'purposes' ORDER BY 1;
SELECT p.value FROM jsonb_array_elements(personalize.export_subject(501, 'exp') -> 'purposes') AS p WHERE p.value ->> 'purpose' LIKE 'exp\_%';
SELECT c.value - 'recorded_at' - 'record_id' AS said FROM jsonb_array_elements(personalize.export_subject(501, 'exp') -> 'consents') AS c;
SELECT c.value - 'at' AS correction FROM jsonb_array_elements(personalize.export_subject(501, 'exp') -> 'corrections') AS c;
SELECT u.value ->> 'relation' AS relation, u.value ->> 'purpose' AS purpose, count(*) > 0 AS used FROM jsonb_array_elements(personalize.export_subject(501, 'exp') -> 'uses') AS u GROUP BY 1, 2 ORDER BY 1;
SELECT position('Bob' IN d.doc::text) > 0 AS others, position('unmentioned' IN d.doc::text) > 0 AS others_messages FROM personalize.export_subject(501, 'exp') AS d (doc);
/* receipts */
SELECT jsonb_pretty((r.receipt #- '{dct:identifier}' #- '{dct:issued}') #- '{dpv:hasRecord,0,dct:identifier}' #- '{dpv:hasRecord,0,dpv:hasConsentStatus,0,dpv:isIndicatedAtTime}')
	FROM personalize.consent_receipt(501, 'exp_mail', 'exp') AS r (receipt);
SELECT r.value #>> '{dpv:hasProcess,dpv:hasPurpose,dct:title}' AS purpose, r.value #>> '{dpv:hasConsentStatus,0,@type}' AS status, r.value ->> 'dpv:hasLegalBasis' AS basis
	FROM jsonb_array_elements(personalize.consent_receipt(501, kind => 'exp') -> 'dpv:hasRecord') AS r;
SELECT personalize.consent_receipt(502, kind => 'exp') -> 'dpv:hasRecord' AS nothing_said;
/* what an officer reads */
SELECT * FROM personalize.lint() WHERE object ~ '\mexp' ORDER BY 1, 2;
SELECT purpose, legal_basis, categories, recipients, retention, automated, relations, kinds_of_subjects, controller FROM personalize.record_of_processing WHERE purpose LIKE 'exp\_%' ORDER BY 1;
SELECT * FROM personalize.data_inventory WHERE relation_name LIKE 'exp.%' ORDER BY 1, 2;
SELECT line FROM regexp_split_to_table(personalize.privacy_notice(), E'\n') WITH ORDINALITY AS t (line, place)
	WHERE place <= 4 OR line ~ 'exp_|news|Mailer|10 %|1 year|take consent back' ORDER BY place;
SELECT line FROM regexp_split_to_table(personalize.privacy_notice('html'), E'\n') WITH ORDINALITY AS t (line, place)
	WHERE place <= 7 OR line ~ 'exp_|news|Mailer|10 %|1 year|take consent back' ORDER BY place;
SELECT personalize.privacy_notice('pdf');
RESET ROLE;
/* nobody else */
CREATE ROLE regress_exp_other;
SET ROLE regress_exp_other;
SELECT personalize.export_subject(501, 'exp');
SELECT personalize.rectify_subject(501, NULL, '{}', 'exp');
SELECT personalize.open_request(501, 'access', kind => 'exp');
SELECT * FROM personalize.requests;
RESET ROLE;
/* erasure leaves no value behind */
SELECT personalize.erase_subject(501, kind => 'exp') -> 'subjects' AS erased;
SELECT count(*) AS corrections, count(before) + count(after) AS with_values FROM personalize.rectification WHERE relation_name LIKE 'exp.%';
SELECT subject, "right", status, details, verification, result FROM personalize.requests WHERE "right" = 'access' AND regulation = 'gdpr' AND subject IS NULL;
SELECT personalize.unprotect('exp.message');
SELECT personalize.unprotect('exp.customer');
DELETE FROM personalize.controller;
DROP SCHEMA exp CASCADE;
DROP OWNED BY regress_exp_officer, regress_exp_owner;
DROP ROLE regress_exp_officer, regress_exp_owner, regress_exp_other;
