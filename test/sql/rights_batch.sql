-- Erasing many persons at once is erasing each of them: counts, pseudonyms, holds, retained and co-owned rows, free text; nobody is skipped, nobody else touched.
SET client_min_messages = warning;
\pset format unaligned
\set SHOW_CONTEXT never
CREATE ROLE regress_rb_owner;
CREATE ROLE regress_rb_other;
CREATE ROLE regress_rb_officer;
CREATE SCHEMA rb;
GRANT USAGE, CREATE ON SCHEMA rb TO regress_rb_owner, regress_rb_other;
GRANT USAGE ON SCHEMA rb TO regress_rb_officer;
SET ROLE regress_rb_owner;
CREATE TABLE rb.customer (id bigint PRIMARY KEY, name text, login text UNIQUE);
GRANT REFERENCES ON rb.customer TO regress_rb_other;
CREATE TABLE rb.message (id int PRIMARY KEY, sender bigint, recipient bigint, body text);
CREATE TABLE rb.mention (id int PRIMARY KEY, author bigint, about bigint, body text);
CREATE TABLE rb.invoice (id int PRIMARY KEY, customer_id bigint NOT NULL, total int);
RESET ROLE;
SET ROLE regress_rb_other;
CREATE TABLE rb.visit (customer_id bigint REFERENCES rb.customer ON DELETE CASCADE, page text);
RESET ROLE;
INSERT INTO rb.customer SELECT 800 + i, 'n' || i, 'l' || i FROM generate_series(1, 12) AS i;
INSERT INTO rb.message VALUES (1, 801, 802, 'both leave'), (2, 802, 803, 'one stays'), (3, 801, 801, 'to oneself'), (4, 804, 801, 'one stays'), (5, 804, NULL, 'other'),
	(6, 801, 805, 'other is held'), (7, 805, 802, 'other is held'), (8, NULL, 802, 'lost');
INSERT INTO rb.mention VALUES (1, 801, 802, 'a'), (2, 804, 801, 'b'), (3, 804, 802, 'c'), (4, 806, 801, 'd');
INSERT INTO rb.invoice VALUES (1, 801, 10), (2, 801, 20), (3, 802, 30), (4, 804, 40), (5, 805, 50);
INSERT INTO rb.visit SELECT 800 + i, 'p' FROM generate_series(1, 6) AS i, generate_series(1, 3);
DO $$
BEGIN
	PERFORM personalize.define_kind('rb', 'bigint');
	PERFORM personalize.define_category('rb_c', 'for tests');
	PERFORM personalize.define_purpose('rb_p', 'for tests', 'legitimate_interest', categories => '{rb_c}');
	PERFORM personalize.protect(t::regclass, c, kind => 'rb', columns => '{"*":"rb_c"}')
		FROM (VALUES ('rb.customer', 'id'), ('rb.message', 'sender'), ('rb.mention', 'author'), ('rb.invoice', 'customer_id'), ('rb.visit', 'customer_id')) AS v (t, c);
	PERFORM personalize.add_subject_path('rb.message', '{recipient}', kind => 'rb');
	PERFORM personalize.add_subject_path('rb.mention', '{about}', 'access', 'rb');
	PERFORM personalize.assign_duty('regress_rb_officer', 'officer');
	PERFORM personalize.set_erasure('rb.invoice', 'retain', reason => 'tax law', keep_for => '10 years');
	PERFORM personalize.set_erasure('rb.customer', 'anonymize', '{"name":{"pseudonym":true},"login":{"pseudonym":true},"id":{"pseudonym":true}}');
	PERFORM personalize.set_erasure('rb.mention', 'anonymize', '{"body":{"pseudonym":true}}', subject => 'about');
	PERFORM personalize.object_to(801, 'rb_p', kind => 'rb');
	PERFORM personalize.object_to(804, 'rb_p', kind => 'rb');
END
$$;
CREATE TEMP TABLE certificate (run text, place bigint, certificate jsonb);
GRANT ALL ON certificate TO regress_rb_officer;
SET ROLE regress_rb_officer;
SELECT personalize.hold_subject(805, 'case 5', 'rb.message', 'rb') AS held \gset
/* each certificate in its place: 802 was named twice, 899 is nobody */
INSERT INTO certificate SELECT 'dry run', e.place, e.value
	FROM jsonb_array_elements(personalize.erase_subjects('{802,801,899,805,802}', 'request 7', true, 'rb')) WITH ORDINALITY AS e (value, place);
INSERT INTO certificate SELECT 'run', e.place, e.value
	FROM jsonb_array_elements(personalize.erase_subjects('{802,801,899,805,802}', 'request 7', false, 'rb')) WITH ORDINALITY AS e (value, place);
SELECT place, string_agg(DISTINCT certificate ->> 'subjects', ' ') AS subjects, count(DISTINCT certificate - '{certificate_id,erased_at,dry_run,relations,uses}'::text[]) AS same,
	(SELECT count(*) FROM (SELECT jsonb_path_query_array(x.certificate, '$.relations[*].rows') FROM certificate AS x WHERE x.place = c.place GROUP BY 1) AS y) AS same_rows
	FROM certificate AS c GROUP BY place ORDER BY place;
SELECT c.place, e.value ->> 'relation' AS relation, e.value ->> 'action' AS action, e.value ->> 'rows' AS rows
	FROM certificate AS c CROSS JOIN LATERAL jsonb_array_elements(c.certificate -> 'relations') WITH ORDINALITY AS e (value, step)
	WHERE c.run = 'run' AND c.place IN (1, 2, 4) ORDER BY c.place, e.step;
RESET ROLE;
SELECT count(*) AS certificates, count(DISTINCT erased_at) AS times FROM personalize.erasure AS e
	WHERE e.certificate_id IN (SELECT (c.certificate ->> 'certificate_id')::uuid FROM certificate AS c WHERE c.run = 'run');
BEGIN;
SET LOCAL personalize.purpose = 'backup';
/* to each a pseudonym of their own, the same wherever they are */
SELECT count(*) AS persons, count(*) FILTER (WHERE id < 0) AS pseudonyms, count(DISTINCT name) AS names, bool_and(name = login) FILTER (WHERE id < 0) AS same FROM rb.customer;
SELECT id, name FROM rb.customer WHERE id > 0 ORDER BY id;
SELECT * FROM rb.message ORDER BY id;
SELECT id, author, about, CASE WHEN body LIKE 'erased-%' THEN 'pseudonym ' || (body IN (SELECT name FROM rb.customer)) ELSE body END AS body FROM rb.mention ORDER BY id;
SELECT * FROM rb.invoice ORDER BY id;
SELECT customer_id, count(*) FROM rb.visit GROUP BY 1 ORDER BY 1;
COMMIT;
SELECT count(*) AS retained FROM personalize.retained AS t JOIN personalize.registry_path AS p ON p.path_id = t.path_id AND p.relid = 'rb.invoice'::regclass;
SELECT personalize.consent_state(k, 'rb_p', kind => 'rb') FROM unnest('{801,802,804,805}'::text[]) AS k;
/* one certificate is verified without the others */
SELECT v.* FROM certificate AS c CROSS JOIN LATERAL personalize.verify_erasure((c.certificate ->> 'certificate_id')::uuid) AS v WHERE c.run = 'run' AND c.place IN (1, 2) ORDER BY c.place;
INSERT INTO rb.customer VALUES (801, 'again', 'again');
SELECT c.place, v.* FROM certificate AS c CROSS JOIN LATERAL personalize.verify_erasure((c.certificate ->> 'certificate_id')::uuid) AS v WHERE c.run = 'run' AND c.place IN (1, 2) ORDER BY c.place;
SELECT jsonb_array_length(personalize.reapply_erasures()) AS erased_again;
SELECT e.value - 'until' AS released FROM jsonb_array_elements(personalize.release_hold(:'held') -> 'relations') AS e WHERE e.value ->> 'rows' <> '0' ORDER BY e.value ->> 'relation';
/* nothing is done where something stands against it for one of them, and no key is said */
CREATE FUNCTION rb.veto() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF OLD.id = 5 THEN RETURN NULL; END IF; RETURN OLD; END $$;
CREATE TRIGGER veto BEFORE DELETE ON rb.message FOR EACH ROW EXECUTE FUNCTION rb.veto();
SELECT personalize.erase_subjects('{806,804,807}', kind => 'rb');
DROP TRIGGER veto ON rb.message;
SELECT personalize.consent_state(804, 'rb_p', kind => 'rb') AS still;
SELECT personalize.erase_subjects('{804,x,805}', kind => 'rb');
SELECT personalize.erase_subjects('{804,NULL}', kind => 'rb');
SELECT personalize.erase_subjects('{}', kind => 'rb');
SELECT personalize.erase_subjects('{804,806}', 'as 806 wished', kind => 'rb');
/* rows of others behind a foreign key ON DELETE CASCADE, of another owner, too; of all of the batch they are their own */
CREATE TABLE rb.parcel (id int PRIMARY KEY, customer_id bigint);
CREATE TABLE rb.scan (parcel_id int REFERENCES rb.parcel ON DELETE CASCADE, customer_id bigint);
ALTER TABLE rb.scan OWNER TO regress_rb_other;
INSERT INTO rb.parcel SELECT i, 800 + i FROM generate_series(6, 9) AS i;
INSERT INTO rb.scan SELECT i, 800 + i + (i % 2) FROM generate_series(6, 9) AS i;
SELECT personalize.protect('rb.parcel', 'customer_id', kind => 'rb', columns => '{"*":"rb_c"}');
SELECT personalize.protect('rb.scan', 'customer_id', kind => 'rb', columns => '{"*":"rb_c"}');
SELECT personalize.erase_subjects('{806,807}', dry_run => true, kind => 'rb');
SELECT personalize.erase_subjects('{806,807}', kind => 'rb');
SELECT c -> 'subjects' AS subjects FROM jsonb_array_elements(personalize.erase_subjects('{807,808}', kind => 'rb')) AS c;
ALTER TABLE rb.scan OWNER TO CURRENT_USER;
SELECT personalize.erase_subjects('{806,809}', kind => 'rb');
BEGIN;
SET LOCAL personalize.purpose = 'backup';
DELETE FROM rb.scan WHERE customer_id = 810;
COMMIT;
SELECT c -> 'subjects' AS subjects FROM jsonb_array_elements(personalize.erase_subjects('{806,809}', kind => 'rb')) AS c;
/* free text: every key of many is found, as a word, in any case, with what JSON escapes, and others stay */
SELECT personalize.define_kind('rb_mail', 'text');
SELECT personalize.define_purpose('rb_use', 'for tests', categories => '{rb_c}');
DO $$
DECLARE
	odd text := E'odd"\\key';
BEGIN
	PERFORM personalize.grant_consent('p' || i || '@x.de', 'rb_use', kind => 'rb_mail') FROM generate_series(1, 40) AS i;
	PERFORM personalize.grant_consent(k, 'rb_use', kind => 'rb_mail') FROM unnest(ARRAY[odd, 'in', E'\u00e4nne']) AS k;
	PERFORM personalize.grant_consent('bob', 'rb_use', kind => 'rb_mail', notice => t.n, evidence => t.e) FROM (VALUES
		('of P1@x.DE', NULL::jsonb), ('of xp1@x.de', NULL), ('of p1@x.dex', NULL), ('(p40@x.de)', NULL), ('v1', '{"a":["p17@x.de"]}'), ('v2', jsonb_build_object('a', odd)),
		('v3', '{"a":"in person"}'), ('in', NULL), ('v4', '{"a":"in"}'), ('v5', jsonb_build_object('a', E'line\np23@x.de')), (E'by \u00e4nNE', NULL), ('v6', '{"p3@x.de":1}'),
		('v7', '{"a":"p41@x.de"}')) AS t (n, e);
END
$$;
SELECT c -> 'subjects' AS subjects, c -> 'consent_events' AS events, count(*) FROM jsonb_array_elements(personalize.erase_subjects(
	ARRAY(SELECT 'p' || i || '@x.de' FROM generate_series(1, 40) AS i) || ARRAY[E'odd"\\key', 'in', E'\u00e4nne'], kind => 'rb_mail')) AS c GROUP BY 1, 2;
SELECT e.notice, e.evidence FROM personalize.consent_event AS e JOIN personalize.subject AS s ON s.subject_no = e.subject_no AND s.key = 'bob' ORDER BY e.event_id;
/* keys_in_internal() finds all that text_names_internal() knows */
SELECT count(*) AS missed
	FROM (SELECT string_agg(substr('ab1 -.''"', (random() * 8)::int + 1, 1), '') AS t FROM generate_series(1, 3000) AS i, generate_series(1, 12) GROUP BY i) AS x
		CROSS JOIN (SELECT ARRAY['a', 'b1', 'ab', '1 -', 'a.b', 'ab1ab1ab1', '''', '1'] AS keys) AS k
	WHERE personalize.text_names_internal(x.t, k.keys) AND NOT coalesce(personalize.text_names_internal(x.t, personalize.keys_in_internal(x.t, k.keys, true, 0)), false);
SELECT personalize.keys_in_internal('a bb', '{a,b,bb,NULL,""}', true, 0) AS words, personalize.keys_in_internal('a bb', '{a,b,bb}', false, 0) AS parts, personalize.keys_in_internal('x', '{a}', true, 0) AS none,
	personalize.keys_in_internal(NULL, '{a}', true, 0) AS no_text;
/* the same expression with other keys, in one transaction */
SET client_min_messages = notice;
DO $$
DECLARE
	k text;
BEGIN
	FOREACH k IN ARRAY '{abc,def}'::text[] LOOP
		RAISE NOTICE '%', personalize.keys_in_internal('abc def', ARRAY[k], true, personalize.keys_stamp_internal());
		RAISE NOTICE '%', personalize.keys_in_internal('abc def', ARRAY[k], true, 0);
	END LOOP;
END
$$;
SET client_min_messages = warning;
/* many: by statements that count for each */
INSERT INTO rb.customer SELECT 10000 + i, 'n', 'm' || i FROM generate_series(1, 2000) AS i;
INSERT INTO rb.visit SELECT 10000 + i, 'p' FROM generate_series(1, 2000) AS i, generate_series(1, 1 + i % 3);
SELECT jsonb_path_query_array(c, '$.relations[*] ? (@.rows > 0).rows') AS rows, count(*)
	FROM jsonb_array_elements(personalize.erase_subjects(ARRAY(SELECT i::text FROM generate_series(10001, 11999) AS i), kind => 'rb')) AS c GROUP BY 1 ORDER BY 1;
BEGIN;
SET LOCAL personalize.purpose = 'backup';
SELECT count(*) FILTER (WHERE id > 10000) AS left_there, count(DISTINCT id) = count(*) AS own_pseudonyms FROM rb.customer;
SELECT customer_id, count(*) FROM rb.visit WHERE customer_id > 10000 GROUP BY 1;
COMMIT;
DO $$
BEGIN
	PERFORM personalize.unprotect(p.relation) FROM (SELECT DISTINCT q.relation FROM personalize.protected_relations AS q WHERE q.kind = 'rb') AS p;
	PERFORM personalize.retire_purpose('rb_p');
	PERFORM personalize.retire_purpose('rb_use');
END
$$;
DROP SCHEMA rb CASCADE;
DROP OWNED BY regress_rb_owner, regress_rb_other, regress_rb_officer;
DROP ROLE regress_rb_owner, regress_rb_other, regress_rb_officer;
