-- Erasure takes a person out of every protected relation, or says why not, and leaves nothing that names the person.
SET client_min_messages = warning;
\pset format unaligned
\set SHOW_CONTEXT never
CREATE ROLE regress_er_owner;
CREATE ROLE regress_er_officer;
CREATE SCHEMA er AUTHORIZATION regress_er_owner;
SET ROLE regress_er_owner;
CREATE TABLE er.customer (id integer PRIMARY KEY, name text);
CREATE TABLE er.orders (order_id integer PRIMARY KEY, customer_id integer REFERENCES er.customer);
CREATE TABLE er.line (line_id integer PRIMARY KEY, order_id integer REFERENCES er.orders DEFERRABLE INITIALLY DEFERRED, customer_id integer, item text);
CREATE TABLE er.note (order_id integer REFERENCES er.orders ON DELETE CASCADE, text text);
INSERT INTO er.customer SELECT 70000 + i, 'name' || i FROM generate_series(1, 4) AS i;
INSERT INTO er.orders SELECT 10 * i + j, 70000 + i FROM generate_series(1, 4) AS i, generate_series(0, 1) AS j;
INSERT INTO er.line SELECT order_id * 10 + k, order_id, customer_id, 'item' FROM er.orders, generate_series(1, 2) AS k;
INSERT INTO er.note SELECT order_id, 'left at the door' FROM er.orders;
/* a policy of the application that hides everything from the owner, too */
ALTER TABLE er.line ENABLE ROW LEVEL SECURITY;
ALTER TABLE er.line FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON er.line USING (current_setting('er.tenant', true) = 'x') WITH CHECK (true);
RESET ROLE;
GRANT USAGE ON SCHEMA er TO regress_er_officer;
DO $$
BEGIN
	PERFORM personalize.define_kind('er', 'bigint');
	PERFORM personalize.define_category('er_general', 'for tests');
	PERFORM personalize.define_purpose('er_ads', 'for tests', categories => '{er_general}');
	PERFORM personalize.protect('er.customer', 'id', kind => 'er', columns => '{"*":"er_general"}');
	PERFORM personalize.protect('er.orders', 'customer_id', kind => 'er', columns => '{"*":"er_general"}');
	PERFORM personalize.protect('er.line', 'customer_id', kind => 'er', columns => '{"*":"er_general"}');
	PERFORM personalize.assign_duty('regress_er_officer', 'officer');
	PERFORM personalize.grant_consent(70000 + i, 'er_ads', evidence => jsonb_build_object('form', 70000 + i || ' signed'), method => 'web', kind => 'er') FROM generate_series(1, 4) AS i;
	PERFORM personalize.withdraw_consent(70001, 'er_ads', kind => 'er');
	PERFORM personalize.grant_consent(70001, 'er_ads', kind => 'er');
END
$$;
/* a use that names the person in its free text */
BEGIN;
SET LOCAL personalize.purpose = 'er_ads';
SET LOCAL personalize.app_user = 'customer 70001';
SELECT count(*) FROM er.customer;
COMMIT;
SELECT personalize.audit_sync();
SELECT c.c - 'certificate_id' - 'erased_at' - 'pending_physical' - 'retained' AS dry_run
	FROM personalize.erase_subject(70001, 'request 5', true, 'er') AS c (c);
/* the dry run is a use, too; those of the erasure itself may be on record by the time it counts */
SELECT personalize.audit_sync();
SELECT personalize.consent_state(70001, 'er_ads', kind => 'er') AS before;
SET ROLE regress_er_officer;
SELECT c.c - 'certificate_id' - 'erased_at' - 'pending_physical' - 'retained' - 'uses' AS done
	FROM personalize.erase_subject(70001, 'request 5', kind => 'er') AS c (c);
RESET ROLE;
/* nothing left of this person, everything of the others */
BEGIN;
SET LOCAL personalize.purpose = 'backup';
SELECT id FROM er.customer ORDER BY id;
SELECT customer_id, count(*) FROM er.orders GROUP BY 1 ORDER BY 1;
SELECT customer_id, count(*) FROM er.line GROUP BY 1 ORDER BY 1;
COMMIT;
SELECT count(*) AS notes_left FROM er.note;
SELECT personalize.consent_state(70001, 'er_ads', kind => 'er') AS after;
SELECT * FROM personalize.decide(70001, 'er_ads', 'er');
SELECT count(*) AS events, count(evidence) FILTER (WHERE subject_no NOT IN (SELECT subject_no FROM personalize.subject WHERE key IS NOT NULL)) AS with_evidence, count(app_user) AS with_user FROM personalize.consent_event AS e
	JOIN personalize.registry_purpose AS p ON p.purpose_id = e.purpose_id AND p.name = 'er_ads';
SELECT app_user, subjects_used FROM personalize.usage WHERE purpose = 'er_ads' ORDER BY usage_id;
SELECT s.kind, s.subject FROM personalize.usage AS u, personalize.subjects_of(u.usage_id) AS s WHERE u.purpose = 'er_ads' ORDER BY 2;
SELECT count(*) AS keys_found FROM (SELECT key AS t FROM personalize.subject UNION ALL SELECT concat_ws(' ', notice, language, method, evidence, reason, app_user) FROM personalize.consent_event
	UNION ALL SELECT concat_ws(' ', app_user, application_name, context) FROM personalize.audit_note UNION ALL SELECT key FROM personalize.audit_key UNION ALL SELECT query FROM personalize.usage UNION ALL SELECT (certificate - 'erased_at')::text FROM personalize.erasure) AS x WHERE t ~ '\m70001\M';
/* a row that comes back is withheld, until the person comes back */
INSERT INTO er.customer VALUES (70001, 'again');
BEGIN;
SET LOCAL personalize.purpose = 'er_ads';
SELECT id FROM er.customer ORDER BY id;
COMMIT;
SELECT personalize.grant_consent(70001, 'er_ads', kind => 'er') > 0 AS a_new_person;
BEGIN;
SET LOCAL personalize.purpose = 'er_ads';
SELECT id FROM er.customer ORDER BY id;
COMMIT;
SELECT count(*) AS old_uses FROM personalize.usage_of(70001, kind => 'er') AS u WHERE u.ended_at < (SELECT max(erased_at) FROM personalize.erasure);
/* a use that was not read from the log yet when the person went, and two erasures in one transaction */
INSERT INTO er.customer (id, name) VALUES (70020, 'late'), (70021, 'too');
BEGIN;
SET LOCAL personalize.purpose = 'backup';
SET LOCAL personalize.app_user = 'customer 70020';
SELECT count(*) FROM er.customer WHERE id = 70020;
COMMIT;
BEGIN;
SELECT c.c -> 'uses' AS uses FROM personalize.erase_subject(70020, kind => 'er') AS c (c);
SELECT c.c -> 'subjects' AS subjects FROM personalize.erase_subject(70021, kind => 'er') AS c (c);
COMMIT;
SELECT personalize.audit_sync();
SELECT count(*) AS named FROM personalize.audit_note WHERE app_user ~ '70020';
/* nobody by that key: a certificate, and no error */
SELECT c.c - 'certificate_id' - 'erased_at' - 'pending_physical' - 'retained' AS nobody FROM personalize.erase_subject(79999, kind => 'er') AS c (c);
/* an unprotected relation stands against it: which, and no key */
CREATE TABLE er.unknown (id integer PRIMARY KEY, customer_id integer CONSTRAINT in_the_way REFERENCES er.customer);
INSERT INTO er.unknown VALUES (1, 70002);
SELECT personalize.erase_subject(70002, kind => 'er');
SELECT personalize.consent_state(70002, 'er_ads', kind => 'er') AS still;
DROP TABLE er.unknown;
/* a trigger that vetoes */
CREATE FUNCTION er.veto() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER veto BEFORE DELETE ON er.line FOR EACH ROW EXECUTE FUNCTION er.veto();
SELECT personalize.erase_subject(70002, kind => 'er');
DROP TRIGGER veto ON er.line;
/* a trigger gains nothing: neither the officer's rights nor the other rows */
CREATE TABLE er.stolen (who text, n bigint);
ALTER TABLE er.stolen OWNER TO regress_er_owner;
CREATE FUNCTION er.steal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO er.stolen SELECT current_user, count(*) FROM er.customer;
	RETURN OLD;
END $$;
CREATE TRIGGER steal BEFORE DELETE ON er.line FOR EACH ROW EXECUTE FUNCTION er.steal();
SELECT personalize.erase_subject(70002, kind => 'er');
DROP TRIGGER steal ON er.line;
CREATE FUNCTION er.whoami() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO er.stolen VALUES (current_user, 0);
	RETURN OLD;
END $$;
CREATE TRIGGER whoami BEFORE DELETE ON er.line FOR EACH ROW EXECUTE FUNCTION er.whoami();
SELECT c.c -> 'relations' AS relations FROM personalize.erase_subject(70002, kind => 'er') AS c (c);
SELECT DISTINCT who FROM er.stolen;
/* a rule on the way gains nothing, neither beside the statement nor in its place; a disabled one is none */
SET ROLE regress_er_owner;
CREATE FUNCTION er.spill(t text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	RAISE WARNING 'seen by %', current_user;
	RETURN t;
END
$$;
CREATE RULE spill AS ON DELETE TO er.line DO ALSO SELECT er.spill(c.name) FROM er.customer AS c;
RESET ROLE;
SELECT personalize.erase_subject(70003, kind => 'er');
SET ROLE regress_er_owner;
CREATE OR REPLACE RULE spill AS ON DELETE TO er.line DO INSTEAD DELETE FROM er.customer AS c WHERE er.spill(c.name) IS NULL;
RESET ROLE;
SELECT personalize.erase_subject(70003, kind => 'er');
ALTER TABLE er.line DISABLE RULE spill;
SELECT personalize.erase_subject(70098, kind => 'er') IS NOT NULL AS certificate;
DROP RULE spill ON er.line;
/* a cycle of foreign keys */
ALTER TABLE er.customer ADD last_order integer CONSTRAINT cycle REFERENCES er.orders;
SELECT personalize.erase_subject(70003, kind => 'er');
ALTER TABLE er.customer DROP CONSTRAINT cycle;
/* somebody who never said anything, known by key alone: also the erasure's own record forgets */
ALTER TABLE er.line DISABLE TRIGGER whoami;
INSERT INTO er.customer (id, name) VALUES (70009, 'silent');
SELECT personalize.define_purpose('er_contract', 'for tests', 'contract', '{er_general}');
BEGIN;
SET LOCAL personalize.purpose = 'er_contract';
SELECT name FROM er.customer WHERE id = 70009;
COMMIT;
SELECT personalize.audit_sync();
SELECT count(*) AS uses FROM personalize.usage_of(70009, kind => 'er') AS u WHERE u.purpose = 'er_contract';
SELECT c.c -> 'subjects' AS subjects, c.c -> 'uses' AS uses FROM personalize.erase_subject(70009, kind => 'er') AS c (c);
BEGIN;
SET LOCAL personalize.purpose = 'backup';
SELECT count(*) FROM er.customer WHERE id = 70009;
COMMIT;
SELECT personalize.audit_sync();
SELECT count(*) AS uses FROM personalize.usage_of(70009, kind => 'er');
SELECT count(*) AS keys FROM personalize.audit_key WHERE key = '70009';
SELECT personalize.consent_state(70009, 'er_ads', kind => 'er');
/* several at once, in order; one call, one transaction */
SELECT jsonb_array_length(c) AS certificates, c -> 0 -> 'subjects' AS first, c -> 1 -> 'subjects' AS second
	FROM personalize.erase_subjects('{70003,70004}', kind => 'er') AS c;
BEGIN;
SET LOCAL personalize.purpose = 'backup';
SELECT id FROM er.customer ORDER BY id;
COMMIT;
/* what it did is on record */
SELECT personalize.audit_sync();
SELECT DISTINCT db_role, relation_name, purpose, status FROM personalize.usage WHERE purpose = 'subject_rights' AND relation_name LIKE 'er.%' ORDER BY 1, 2, 4;
/* nobody states the built-in purpose to get past the filter */
GRANT SELECT ON er.customer TO regress_er_officer;
SET ROLE regress_er_officer;
BEGIN;
SET LOCAL personalize.purpose = 'subject_rights';
/* personalize 1 */ SELECT count(*) FROM er.customer;
ROLLBACK;
RESET ROLE;
DROP SCHEMA er CASCADE;
DROP OWNED BY regress_er_owner, regress_er_officer;
DROP ROLE regress_er_owner, regress_er_officer;
