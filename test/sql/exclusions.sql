-- Exclusions: people whom purposes leave out for their own sake, by a condition on a table, by a list, as minors; kept current, telling nobody why, leaking nothing.
SET client_min_messages = warning;
\pset format unaligned
\set SHOW_CONTEXT never
CREATE SCHEMA excl;
CREATE ROLE regress_excl_app;
CREATE ROLE regress_excl_officer;
CREATE ROLE regress_excl_owner;
GRANT USAGE ON SCHEMA excl TO PUBLIC;
GRANT CREATE ON SCHEMA excl TO regress_excl_owner;
CREATE TABLE excl.customer (id bigint PRIMARY KEY, name text, birthday date, illness text, note text);
INSERT INTO excl.customer SELECT i, 'n' || i, CASE WHEN i <= 2 THEN date '2200-01-01' ELSE '1980-01-01' END, CASE WHEN i = 3 THEN 'ill' END, i FROM generate_series(1, 9) AS i;
CREATE TABLE excl.orders (no integer PRIMARY KEY, customer bigint REFERENCES excl.customer ON DELETE CASCADE, overdue boolean);
INSERT INTO excl.orders VALUES (1, 4, true), (2, 4, true), (3, 5, false);
SET ROLE regress_excl_owner;
CREATE TABLE excl.hardship (no integer PRIMARY KEY, who bigint, state text, until timestamptz);
RESET ROLE;
GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON excl.customer, excl.orders, excl.hardship TO regress_excl_app;
DO $$
BEGIN
	PERFORM personalize.define_kind('excl', 'bigint');
	PERFORM personalize.define_kind('excl_cookie', 'text');
	PERFORM personalize.define_category('excl_c', 'for tests');
	PERFORM personalize.define_category('excl_health', 'for tests', special => true);
	PERFORM personalize.define_purpose('excl_ads', 'for tests', categories => '{excl_c,excl_health}');
	PERFORM personalize.define_purpose('excl_mail', 'for tests', categories => '{excl_c}', parents => '{excl_ads}');
	PERFORM personalize.define_purpose('excl_news', 'for tests', 'legitimate_interest', categories => '{excl_c}');
	PERFORM personalize.define_purpose('excl_delivery', 'for tests', 'contract', categories => '{excl_c}');
	PERFORM personalize.protect('excl.customer', 'id', kind => 'excl', columns => '{"*":"excl_c","illness":"excl_health"}');
	PERFORM personalize.protect('excl.orders', via => 'customer', columns => '{"*":"excl_c"}');
	PERFORM personalize.grant_purpose(p, 'regress_excl_app') FROM unnest('{excl_ads,excl_mail,excl_news,excl_delivery}'::text[]) AS p;
	PERFORM personalize.assign_duty('regress_excl_app', 'app');
	PERFORM personalize.assign_duty('regress_excl_officer', 'officer');
	PERFORM personalize.grant_consent(i, 'excl_ads', kind => 'excl') FROM generate_series(1, 9) AS i;
END
$$;
CREATE FUNCTION excl.seen(p text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE ids text;
BEGIN
	PERFORM personalize.set_purpose(p);
	SELECT string_agg(id::text, ',' ORDER BY id) INTO ids FROM excl.customer;
	RETURN ids;
END $$;
/* the same, also by the ledger; the set agrees with it */
CREATE FUNCTION excl.all_seen() RETURNS TABLE (purpose text, seen text, by_ledger text) LANGUAGE sql AS $$
	SELECT p, excl.seen(p), (SELECT string_agg(i::text, ',' ORDER BY i) FROM generate_series(1, 9) AS i WHERE personalize.permitted(i, p, 'excl'))
	FROM unnest('{excl_ads,excl_mail,excl_news,excl_delivery}'::text[]) AS p
$$;

/* by a condition on a protected relation: for the purpose, and narrower ones */
SET ROLE regress_excl_officer;
SELECT personalize.define_exclusion('excl_young', 'excl.customer', 'birthday > current_date - interval ''18 years''', '{excl_ads}', 'too young to be advertised to') AS persons;
RESET ROLE;
SET ROLE regress_excl_app;
SELECT * FROM excl.all_seen();
/* that, but not why */
SELECT permitted, reason FROM personalize.decide(1, 'excl_mail', 'excl');
SELECT * FROM personalize.exclusions_of(1, 'excl');
SELECT * FROM personalize.exclusions;
SELECT count(*) FROM personalize.exclusion_member;
RESET ROLE;
SET ROLE regress_excl_officer;
SELECT name, reason, purposes, source, until FROM personalize.exclusions_of(1, 'excl');
RESET ROLE;
/* without purposes: all that the person could say no to; on a plain table, with the rights of nobody but its owner */
SELECT personalize.define_exclusion('excl_distress', 'excl.hardship', 'state = ''open'' AND (until IS NULL OR until > now())', reason => 'in distress', "column" => 'who', kind => 'excl') AS persons;
SET ROLE regress_excl_app;
INSERT INTO excl.hardship VALUES (1, 6, 'open', NULL), (2, 6, 'open', NULL), (3, 7, 'closed', NULL), (4, 8, 'open', '2001-01-01'), (5, NULL, 'open', NULL), (6, 4711, 'open', NULL);
SELECT * FROM excl.all_seen();
/* as long as one row of the person says so */
DELETE FROM excl.hardship WHERE no = 1;
SELECT personalize.permitted(6, 'excl_ads', 'excl');
UPDATE excl.hardship SET state = 'closed' WHERE no = 2;
SELECT personalize.permitted(6, 'excl_ads', 'excl');
UPDATE excl.hardship SET state = 'open' WHERE no = 3;
SELECT personalize.permitted(7, 'excl_ads', 'excl');
UPDATE excl.hardship SET who = 8 WHERE no = 3;
SELECT personalize.permitted(7, 'excl_ads', 'excl'), personalize.permitted(8, 'excl_ads', 'excl');
BEGIN;
UPDATE excl.hardship SET state = 'closed';
SELECT personalize.permitted(8, 'excl_ads', 'excl');
ROLLBACK;
SELECT personalize.permitted(8, 'excl_ads', 'excl');
TRUNCATE excl.hardship;
SELECT personalize.permitted(8, 'excl_ads', 'excl');
RESET ROLE;
/* what changes with time, by looking at all rows again */
INSERT INTO excl.hardship VALUES (7, 9, 'open', clock_timestamp() + interval '1 second');
SELECT personalize.permitted(9, 'excl_ads', 'excl');
DO $$ BEGIN WHILE (SELECT until > clock_timestamp() FROM excl.hardship WHERE no = 7) LOOP PERFORM pg_sleep(0.05); /* lint: poll interval */ END LOOP; END $$;
SELECT personalize.refresh_exclusions('excl_distress');
SELECT personalize.permitted(9, 'excl_ads', 'excl');
/* rows that another made while the triggers were off; status() tells that they are */
SET ROLE regress_excl_owner;
ALTER TABLE excl.hardship DISABLE TRIGGER ALL;
INSERT INTO excl.hardship VALUES (8, 9, 'open', NULL);
RESET ROLE;
SELECT personalize.permitted(9, 'excl_ads', 'excl');
SELECT regexp_replace(detail, '\d+', 'N') FROM personalize.status() WHERE check_name = 'exclusion';
SELECT personalize.refresh_exclusions() > 0;
SELECT personalize.permitted(9, 'excl_ads', 'excl');
SELECT personalize.define_exclusion('excl_distress', 'excl.hardship', 'state = ''open''', reason => 'in distress', "column" => 'who', kind => 'excl') AS persons;
SELECT count(*) FROM personalize.status() WHERE check_name = 'exclusion';
TRUNCATE excl.hardship;
/* by way of a foreign key */
SELECT personalize.define_exclusion('excl_debt', 'excl.orders', 'overdue', '{excl_news}', 'owes us money') AS persons;
SET ROLE regress_excl_app;
SELECT excl.seen('excl_news');
INSERT INTO excl.orders VALUES (4, 5, true);
SELECT excl.seen('excl_news');
BEGIN;
SET LOCAL personalize.purpose = 'excl_delivery';
UPDATE excl.orders SET overdue = false WHERE customer = 4 AND no = 1;
SELECT personalize.permitted(4, 'excl_news', 'excl');
UPDATE excl.orders SET overdue = false WHERE customer = 4;
DELETE FROM excl.orders WHERE no = 4;
COMMIT;
SELECT excl.seen('excl_news');
RESET ROLE;

/* a list: whoever puts somebody on it may think again, others may not */
SELECT personalize.define_exclusion('excl_asked', reason => 'asked to be left alone', purposes => '{excl_ads,excl_news}') AS persons;
SET SESSION AUTHORIZATION regress_excl_app;
SELECT personalize.exclude(3, 'excl_asked', kind => 'excl') AS new, personalize.exclude(3, 'excl_asked', kind => 'excl') AS again, personalize.exclude('nobody', 'excl_asked', kind => 'excl_cookie') AS unknown;
SELECT personalize.exclude(4, 'excl_asked', until => clock_timestamp() + interval '1 second', kind => 'excl');
SELECT * FROM excl.all_seen();
SELECT personalize.unexclude(3, 'excl_asked', 'excl') AS was, personalize.unexclude(3, 'excl_asked', 'excl') AS again;
SELECT personalize.permitted(3, 'excl_ads', 'excl');
RESET SESSION AUTHORIZATION;
SELECT personalize.exclude(3, 'excl_asked', kind => 'excl');
SET SESSION AUTHORIZATION regress_excl_app;
SELECT personalize.unexclude(3, 'excl_asked', 'excl');
RESET SESSION AUTHORIZATION;
SELECT e.action, s.key, e.recorded_by FROM personalize.exclusion_event AS e JOIN personalize.subject AS s USING (subject_no) WHERE s.key = '3' ORDER BY e.event_id;
/* until it is over: nobody has to do anything */
DO $$ BEGIN WHILE NOT personalize.permitted(4, 'excl_ads', 'excl') LOOP COMMIT; PERFORM pg_sleep(0.05); /* lint: poll interval */ END LOOP; END $$;
SELECT excl.seen('excl_ads');
SELECT name, relation, condition, purposes, reason, persons, listed, timely FROM personalize.exclusions WHERE name LIKE 'excl%' ORDER BY name COLLATE "C";

/* somebody with several identities is left out with all of them, until they are taken apart */
SELECT personalize.grant_consent('c', 'excl_ads', kind => 'excl_cookie') > 0;
SELECT personalize.link_subject('c', '3', to_kind => 'excl', kind => 'excl_cookie') >= 0;
SELECT personalize.permitted('c', 'excl_ads', 'excl_cookie');
SELECT personalize.unlink_subject('c', kind => 'excl_cookie');
SELECT personalize.permitted('c', 'excl_ads', 'excl_cookie'), personalize.permitted(3, 'excl_ads', 'excl');
SELECT personalize.link_subject('c', '5', to_kind => 'excl', kind => 'excl_cookie') >= 0, personalize.exclude('c', 'excl_asked', kind => 'excl_cookie');
SELECT personalize.permitted(5, 'excl_ads', 'excl');
SELECT personalize.unexclude(5, 'excl_asked', 'excl');
SELECT personalize.permitted('c', 'excl_ads', 'excl_cookie');

/* minors, as set_minor() says */
SELECT personalize.define_exclusion('excl_minors', 'personalize.minor', purposes => '{excl_news}', reason => 'minors are not profiled') >= 0 AS persons;
SELECT personalize.set_minor(7, '2200-01-01', kind => 'excl');
SELECT personalize.permitted(7, 'excl_news', 'excl');
SELECT personalize.set_minor(7, NULL, kind => 'excl');
SELECT personalize.permitted(7, 'excl_news', 'excl');
SELECT wrong FROM personalize.consent_set_check_internal(NULL);

/* erasure takes away what excluded the person; the export had it */
SELECT x ->> 'name' AS name, x ->> 'reason' AS reason, x ->> 'source' AS source FROM jsonb_array_elements(personalize.export_subject(3, 'excl') -> 'exclusions') AS x;
SELECT personalize.erase_subject(3, kind => 'excl') ->> 'subjects';
SELECT count(*) FROM personalize.exclusion_member AS m JOIN personalize.subject AS s USING (subject_no) WHERE s.key IS NULL;
SELECT count(*) FROM personalize.exclusion_event AS m JOIN personalize.subject AS s USING (subject_no) WHERE s.key IS NULL;
SELECT count(*) FROM personalize.suppression AS m JOIN personalize.subject AS s USING (subject_no) WHERE s.key IS NULL;

/* what needs explicit consent chooses nobody: not as a condition of an exclusion, not in a query without that consent */
SELECT personalize.define_exclusion('excl_bad', 'excl.customer', 'illness IS NULL', '{excl_ads}', 'only the ill are left');
INSERT INTO excl.customer VALUES (10, 'n10', '1980-01-01', 'ill', ''), (11, 'n11', '1980-01-01', 'ill', '');
SELECT personalize.grant_consent(10, 'excl_ads', kind => 'excl') > 0, personalize.grant_consent(11, 'excl_ads', explicit => true, kind => 'excl') > 0;
SET ROLE regress_excl_app;
BEGIN;
SET LOCAL personalize.purpose = 'excl_ads';
SELECT id FROM excl.customer WHERE illness = 'ill';
SELECT count(*) FROM excl.customer WHERE illness LIKE 'i%';
SELECT illness, count(*) FROM excl.customer GROUP BY 1 ORDER BY 1;
SELECT id FROM excl.customer AS c WHERE EXISTS (SELECT FROM excl.customer AS d WHERE d.id = c.id AND d.illness > '');
SELECT id FROM excl.customer ORDER BY illness NULLS LAST, id LIMIT 1;
COMMIT;
RESET ROLE;

/* a condition computes and does nothing else */
SELECT personalize.define_exclusion('excl_bad', 'excl.customer', c, '{excl_ads}', 'x') FROM (VALUES ('EXISTS (SELECT FROM excl.orders)')) AS v (c);
SELECT personalize.define_exclusion('excl_bad', 'excl.customer', 'true) UNION SELECT (''1''', '{excl_ads}', 'x');
SELECT personalize.define_exclusion('excl_bad', 'excl.customer', 'true; DROP TABLE excl.orders', '{excl_ads}', 'x');
SELECT personalize.define_exclusion('excl_bad', 'excl.customer', 'true FROM excl.orders', '{excl_ads}', 'x');
SELECT personalize.define_exclusion('excl_bad', 'excl.customer', 'count(*) > 0', '{excl_ads}', 'x');
SELECT personalize.define_exclusion('excl_bad', 'excl.customer', 'excl.seen(name) > ''''', '{excl_ads}', 'x');
SELECT personalize.define_exclusion('excl_bad', 'excl.customer', 'table_to_xml(''excl.orders'', true, true, '''') IS NULL', '{excl_ads}', 'x');
SELECT personalize.define_exclusion('excl_bad', 'excl.customer', 'set_config(''excl.x'', name, false) = ''''', '{excl_ads}', 'x');
SELECT personalize.define_exclusion('excl_bad', 'excl.customer', 'random() < 0.5', '{excl_ads}', 'x');
SELECT personalize.define_exclusion('excl_bad', 'excl.customer', 'customer IS NULL', '{excl_ads}', 'x');
SELECT personalize.define_exclusion('excl_bad', 'excl.customer', 'id', '{excl_ads}', 'x');
SELECT personalize.define_exclusion('excl_bad', 'excl.customer', '$1', '{excl_ads}', 'x');
SELECT personalize.define_exclusion('excl_bad', 'excl.customer', 'nonesuch', '{excl_ads}', 'x');
SELECT personalize.define_exclusion('excl_bad', 'excl.customer', '', '{excl_ads}', 'x');
/* errors of it tell no value: of all rows, and of a row that is written */
SELECT personalize.define_exclusion('excl_bad', 'excl.customer', 'name::integer = 1', '{excl_ads}', 'x');
SELECT personalize.define_exclusion('excl_number', 'excl.customer', 'note::integer > 5', '{excl_ads}', 'x') AS persons FROM (SELECT personalize.rights_run_internal((SELECT path_id FROM personalize.registry_path WHERE relid = 'excl.customer'::regclass), 'UPDATE excl.customer SET note = id::text', '', '{}')) AS x;
INSERT INTO excl.customer VALUES (12, 'n12', NULL, NULL, 'a secret');
SELECT personalize.drop_exclusion('excl_number');
/* the owner puts a type into the table whose cast and constraint want to run as somebody else */
SET ROLE regress_excl_owner;
CREATE TABLE excl.trap (who bigint, v text);
CREATE FUNCTION excl.spring(v text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING 'ran as %', current_user; RETURN true; END $$;
CREATE DOMAIN excl.baited AS text CHECK (excl.spring(VALUE));
INSERT INTO excl.trap VALUES (1, 'x');
RESET ROLE;
SELECT personalize.define_exclusion('excl_trap', 'excl.trap', 'v = ''x''', '{excl_ads}', 'x', "column" => 'who', kind => 'excl') AS persons;
SET ROLE regress_excl_owner;
CREATE TYPE excl.pair AS (a excl.baited);
CREATE FUNCTION excl.unpair(p excl.pair) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING 'cast as %', current_user; RETURN 'x'; END $$;
CREATE CAST (excl.pair AS text) WITH FUNCTION excl.unpair(excl.pair) AS IMPLICIT;
ALTER TABLE excl.trap ALTER v TYPE excl.pair USING NULL;
RESET ROLE;
SELECT personalize.refresh_exclusions('excl_trap');
INSERT INTO excl.trap VALUES (2, NULL);
SELECT personalize.drop_exclusion('excl_trap');
INSERT INTO excl.trap VALUES (2, NULL);
/* the trigger is for define_exclusion() */
SET ROLE regress_excl_owner;
CREATE TRIGGER t AFTER INSERT ON excl.hardship FOR EACH ROW EXECUTE FUNCTION personalize.exclusion_changed_internal(1);
RESET ROLE;

/* what cannot be */
SET ROLE regress_excl_app;
SELECT personalize.define_exclusion('excl_mine', reason => 'x');
SELECT personalize.drop_exclusion('excl_asked');
RESET ROLE;
SELECT personalize.define_exclusion('excl_bad');
SELECT personalize.define_exclusion('excl_bad', reason => 'x', purposes => '{}');
SELECT personalize.define_exclusion('excl_bad', reason => 'x', purposes => '{nonesuch}');
SELECT personalize.define_exclusion('excl_bad', condition => 'true', reason => 'x');
SELECT personalize.define_exclusion('excl_bad', 'excl.hardship', reason => 'x');
SELECT personalize.define_exclusion('excl_bad', 'excl.hardship', 'true', reason => 'x');
SELECT personalize.define_exclusion('excl_bad', 'excl.hardship', 'true', reason => 'x', "column" => 'state', kind => 'excl');
SELECT personalize.define_exclusion('excl_bad', 'excl.customer', 'true', reason => 'x', "column" => 'name', kind => 'excl_cookie');
SELECT personalize.define_exclusion('excl_bad', 'pg_class', 'true', reason => 'x', "column" => 'relname', kind => 'excl_cookie');
SELECT personalize.define_exclusion('excl_bad', 'personalize.minor', 'true', reason => 'x');
SELECT personalize.exclude(1, 'nonesuch', kind => 'excl'), personalize.exclude(1, 'excl_asked', '2001-01-01', 'excl');
SELECT personalize.exclude(1, 'excl_asked', '2001-01-01', 'excl');
SELECT personalize.refresh_exclusions('nonesuch');
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT personalize.refresh_exclusions();
ROLLBACK;
/* taken back: nobody is kept back any more, and no trigger is left */
SELECT name, personalize.drop_exclusion(name) >= 0 AS persons FROM personalize.exclusions WHERE name LIKE 'excl%' ORDER BY name COLLATE "C";
SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'personalize_exclusion%';
SELECT count(*) FROM personalize.suppression WHERE cause = 'exclusion';
SELECT excl.seen('excl_ads');
SELECT personalize.unprotect('excl.orders'), personalize.unprotect('excl.customer');
SELECT personalize.revoke_duty('regress_excl_app', 'app'), personalize.revoke_duty('regress_excl_officer', 'officer'), count(personalize.revoke_purpose(p.name, 'regress_excl_app')), count(personalize.retire_purpose(p.name)) FROM personalize.purposes AS p WHERE p.name LIKE 'excl%';
DROP SCHEMA excl CASCADE;
DROP OWNED BY regress_excl_app, regress_excl_officer, regress_excl_owner;
DROP ROLE regress_excl_app, regress_excl_officer, regress_excl_owner;
