-- Erasure by rule: delete, anonymize, retain; rows of several persons; legal holds. The dry run says what the run does.
SET client_min_messages = warning;
\pset format unaligned
\set SHOW_CONTEXT never
CREATE ROLE regress_rules_officer;
CREATE SCHEMA rules;
GRANT USAGE ON SCHEMA rules TO regress_rules_officer;
CREATE TABLE rules.customer (id bigint PRIMARY KEY, name text NOT NULL, email text, login text UNIQUE, grp text);
CREATE TABLE rules.message (id int PRIMARY KEY, sender bigint, recipient bigint, body text);
CREATE TABLE rules.mention (id int PRIMARY KEY, author bigint NOT NULL, about bigint, body text);
CREATE TABLE rules.invoice (id int PRIMARY KEY, customer_id bigint NOT NULL, total int, doubled int GENERATED ALWAYS AS (total * 2) STORED);
INSERT INTO rules.customer SELECT 300 + i, 'n' || i, 'e' || i, 'l' || i, 'g' FROM generate_series(1, 4) AS i;
INSERT INTO rules.message VALUES (1, 301, 302, 'hi'), (2, 302, 301, 'ho'), (3, 301, 301, 'note'), (4, 302, 302, 'other'), (5, 303, 302, 'x'), (6, 301, NULL, 'lost');
INSERT INTO rules.mention VALUES (1, 301, 302, 'a'), (2, 302, 301, 'b'), (3, 301, 301, 'c');
INSERT INTO rules.invoice VALUES (1, 301, 10), (2, 301, 20), (3, 302, 30);
DO $$
BEGIN
	PERFORM personalize.define_kind('rules', 'bigint');
	PERFORM personalize.define_kind('rules_other', 'bigint');
	PERFORM personalize.define_category('rules_c', 'for tests');
	PERFORM personalize.protect('rules.customer', 'id', kind => 'rules', columns => '{"*":"rules_c"}');
	PERFORM personalize.protect('rules.message', 'sender', kind => 'rules', columns => '{"*":"rules_c"}');
	PERFORM personalize.protect('rules.mention', 'author', kind => 'rules', columns => '{"*":"rules_c"}');
	PERFORM personalize.protect('rules.invoice', 'customer_id', kind => 'rules', columns => '{"*":"rules_c"}');
	PERFORM personalize.add_subject_path('rules.message', '{recipient}', kind => 'rules');
	PERFORM personalize.add_subject_path('rules.mention', '{about}', 'access', 'rules');
	PERFORM personalize.assign_duty('regress_rules_officer', 'officer');
END
$$;
SET ROLE regress_rules_officer;
SELECT personalize.set_erasure('rules.customer', 'anonymize', '{"name":"removed","email":null,"login":{"pseudonym":true},"id":{"pseudonym":true}}');
SELECT personalize.set_erasure('rules.invoice', 'retain', reason => 'tax law', keep_for => '10 years');
SELECT personalize.set_erasure('rules.mention', 'anonymize', '{"body":{"pseudonym":true}}', subject => 'about');
/* what cannot be */
SELECT personalize.set_erasure('rules.customer', 'anonymize', '{"name":null}');
SELECT personalize.set_erasure('rules.customer', 'anonymize', '{"nonesuch":null}');
SELECT personalize.set_erasure('rules.customer', 'anonymize', '{"name":[1]}');
SELECT personalize.set_erasure('rules.customer', 'burn');
SELECT personalize.set_erasure('rules.customer', 'anonymize', '[]');
SELECT personalize.set_erasure('rules.customer', 'anonymize', subject => 'name');
SELECT personalize.set_erasure('rules.mention', 'delete', subject => 'about');
SELECT personalize.set_erasure('rules.invoice', 'retain');
SELECT personalize.set_erasure('rules.invoice', 'retain', '{"customer_id":null}', reason => 'tax law');
SELECT personalize.set_erasure('rules.invoice', 'retain', reason => 'x', keep_for => '-1 day');
SELECT personalize.set_erasure('rules.invoice', 'anonymize', '{"total":"x"}');
SELECT personalize.set_erasure('rules.invoice', 'anonymize', '{"doubled":1}');
SELECT * FROM personalize.erasure_rules WHERE relation_name LIKE 'rules.%' ORDER BY relation_name, subject;
CREATE TEMP TABLE steps AS SELECT 'dry run' AS run, e.value AS step, e.place FROM jsonb_array_elements(personalize.erase_subject(301, dry_run => true, kind => 'rules') -> 'relations') WITH ORDINALITY AS e (value, place);
INSERT INTO steps SELECT 'run', e.value, e.place FROM jsonb_array_elements(personalize.erase_subject(301, kind => 'rules') -> 'relations') WITH ORDINALITY AS e (value, place);
SELECT step - 'until' AS step, count(*) AS runs, bool_and((step ->> 'until')::timestamptz BETWEEN now() + interval '9 years 360 days' AND now() + interval '10 years 1 day') AS ten_years
	FROM steps GROUP BY place, 1 ORDER BY place;
RESET ROLE;
BEGIN;
SET LOCAL personalize.purpose = 'backup';
SELECT CASE WHEN id < 0 THEN 'pseudonym' ELSE id::text END AS id, name, email, CASE WHEN login ~ '^erased-[0-9a-f-]{36}$' THEN 'pseudonym' ELSE login END AS login, grp FROM rules.customer ORDER BY id;
SELECT * FROM rules.message ORDER BY id;
SELECT id, author, about, CASE WHEN body ~ '^erased-' THEN 'pseudonym' ELSE body END AS body FROM rules.mention ORDER BY id;
SELECT * FROM rules.invoice ORDER BY id;
COMMIT;
/* one foreign key leads to sender and recipient, and each has a rule */
CREATE TABLE rules.attached (id int PRIMARY KEY, message_id int REFERENCES rules.message, name text, ticket text);
BEGIN;
SET LOCAL personalize.purpose = 'backup';
INSERT INTO rules.message VALUES (101, 303, 304, 'x'), (102, 304, 303, 'y');
INSERT INTO rules.attached SELECT id, id, 'n' || id, 't' || id FROM rules.message WHERE id > 100;
COMMIT;
SELECT personalize.protect('rules.attached', via => 'message_id', columns => '{"*":"rules_c"}');
SET ROLE regress_rules_officer;
SELECT personalize.set_erasure('rules.attached', 'delete', '{"name":null}', subject => 'message_id.sender');
SELECT personalize.set_erasure('rules.attached', 'delete', '{"ticket":"gone"}', subject => 'message_id.recipient');
SELECT personalize.set_erasure('rules.attached', 'delete', subject => 'message_id.body');
SELECT subject, leads_to, action, columns FROM personalize.erasure_rules WHERE relation_name = 'rules.attached' ORDER BY leads_to;
RESET ROLE;
BEGIN;
SELECT personalize.erase_subject(303, kind => 'rules') ->> 'subjects' AS subjects;
SET LOCAL personalize.purpose = 'backup';
SELECT m.id, m.sender IS NULL AS sender_gone, m.recipient IS NULL AS recipient_gone, a.name, a.ticket FROM rules.message AS m JOIN rules.attached AS a ON a.message_id = m.id ORDER BY 1;
ROLLBACK;
SELECT personalize.unprotect('rules.attached');
DROP TABLE rules.attached;
BEGIN;
SET LOCAL personalize.purpose = 'backup';
DELETE FROM rules.message WHERE id > 100;
COMMIT;
/* held rows stay, withheld, and go when the last hold is released */
SET ROLE regress_rules_officer;
SELECT personalize.hold_subject(302, 'case 7 of 302', kind => 'rules');
SELECT personalize.hold_subject(302, '', kind => 'rules');
SELECT personalize.hold_subject(302, 'case 7', 'rules.invoice', 'rules') AS invoices \gset
SELECT personalize.hold_subject(302, 'case 8', 'rules.message', 'rules') AS messages \gset
SELECT personalize.hold_subject(303, 'case 9', kind => 'rules') AS not_erased \gset
SELECT personalize.set_erasure('rules.invoice', 'delete');
SELECT e.value AS held FROM jsonb_array_elements(personalize.erase_subject(302, kind => 'rules') -> 'relations') AS e;
SELECT kind, subject, relation, reason, erasure_waits FROM personalize.holds WHERE kind = 'rules' ORDER BY reason;
SELECT personalize.release_hold(:'not_erased') IS NULL AS nothing_waited;
SELECT e.value AS first_release FROM jsonb_array_elements(personalize.release_hold(:'invoices') -> 'relations') AS e WHERE e.value ->> 'rows' <> '0';
RESET ROLE;
BEGIN;
SET LOCAL personalize.purpose = 'backup';
SELECT * FROM rules.message ORDER BY id;
SELECT * FROM rules.invoice ORDER BY id;
COMMIT;
SELECT personalize.decide(302, 'backup', 'rules');
SET ROLE regress_rules_officer;
SELECT e.value AS last_release FROM jsonb_array_elements(personalize.release_hold(:'messages') -> 'relations') AS e WHERE e.value ->> 'rows' <> '0';
SELECT personalize.release_hold(:'messages');
RESET ROLE;
BEGIN;
SET LOCAL personalize.purpose = 'backup';
SELECT * FROM rules.message ORDER BY id;
SELECT count(*) FROM rules.mention;
COMMIT;
SELECT count(*) AS keys_left FROM personalize.hold AS h JOIN personalize.registry_kind AS k USING (kind_id) WHERE h.key IS NOT NULL AND k.name LIKE 'rules%';
/* a NOT NULL column of a leaver whose row others own: a pseudonym; a unique constant, a trigger that vetoes: said, and nothing done */
CREATE TABLE rules.pair (a bigint NOT NULL, b bigint, label text UNIQUE);
INSERT INTO rules.pair VALUES (303, 304, 'one'), (303, NULL, 'two'), (304, 303, 'three');
SELECT personalize.protect('rules.pair', 'a', kind => 'rules', columns => '{"*":"rules_c"}');
SELECT personalize.add_subject_path('rules.pair', '{b}', kind => 'rules_other');
SELECT e.value AS pairs FROM jsonb_array_elements(personalize.erase_subject(303, dry_run => true, kind => 'rules') -> 'relations') AS e WHERE e.value ->> 'relation' = 'rules.pair';
SELECT personalize.set_erasure('rules.pair', 'anonymize', '{"label":"gone"}');
SELECT personalize.erase_subject(303, kind => 'rules');
SELECT personalize.set_erasure('rules.pair', 'anonymize', '{"label":null}');
CREATE FUNCTION rules.veto() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER veto BEFORE UPDATE ON rules.pair FOR EACH ROW EXECUTE FUNCTION rules.veto();
SELECT personalize.erase_subject(303, kind => 'rules');
DROP TRIGGER veto ON rules.pair;
CREATE RULE veto AS ON UPDATE TO rules.pair DO INSTEAD NOTHING;
SELECT personalize.erase_subject(303, kind => 'rules');
DROP RULE veto ON rules.pair;
SELECT personalize.consent_state(303, 'backup', kind => 'rules');
SELECT personalize.erase_subject(303, kind => 'rules') -> 'subjects' AS done;
BEGIN;
SET LOCAL personalize.purpose = 'backup';
SELECT CASE WHEN a < 0 THEN 'pseudonym' ELSE a::text END AS a, b, label FROM rules.pair ORDER BY b NULLS LAST, label;
COMMIT;
/* what is counted once more at the end is on record where that read rows */
SELECT personalize.audit_sync();
SELECT relation_name, status, precision, rows_used, subjects_used, count(*) FROM personalize.usage
	WHERE query LIKE 'SELECT pg_catalog.count(*) FROM (SELECT % FROM rules.%' AND relation_name = 'rules.pair' GROUP BY 1, 2, 3, 4, 5 ORDER BY subjects_used;
SELECT personalize.unprotect('rules.pair');
SELECT count(*) AS rules_left FROM personalize.registry_erasure AS e WHERE NOT EXISTS (SELECT FROM personalize.registry_path AS p WHERE p.path_id = e.path_id);
/* retained and erased again: it goes when the first certificate said, with what came since; once another rule deletes it, its key does not stay */
SELECT personalize.set_erasure('rules.invoice', 'retain', reason => 'tax law', keep_for => '10 years');
INSERT INTO rules.invoice (id, customer_id, total) VALUES (3051, 305, 1);
SELECT personalize.erase_subject(305, kind => 'rules') -> 'subjects' AS first;
INSERT INTO rules.invoice (id, customer_id, total) VALUES (3052, 305, 2);
SELECT personalize.set_erasure('rules.invoice', 'retain', reason => 'tax law', keep_for => '30 years');
CREATE TEMP TABLE again AS SELECT personalize.erase_subject(305, kind => 'rules') AS document;
SELECT e.value ->> 'rows' AS rows, (e.value ->> 'until')::timestamptz = x.until AS until_is_true, x.until < now() + interval '11 years' AS as_first
	FROM again, jsonb_array_elements(document -> 'relations') AS e, personalize.retained AS x WHERE e.value ->> 'relation' = 'rules.invoice' AND x.key = '305';
SELECT personalize.set_erasure('rules.invoice', 'delete');
SELECT e.value AS deleted FROM jsonb_array_elements(personalize.erase_subject(305, kind => 'rules') -> 'relations') AS e WHERE e.value ->> 'rows' <> '0';
SELECT count(*) AS keys_left FROM personalize.retained AS x WHERE x.key = '305';
DO $$
BEGIN
	PERFORM personalize.unprotect(t::regclass) FROM unnest('{rules.customer,rules.message,rules.mention,rules.invoice}'::text[]) AS t;
END
$$;
DROP SCHEMA rules CASCADE;
DROP OWNED BY regress_rules_officer;
DROP ROLE regress_rules_officer;
