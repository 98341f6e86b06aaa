-- What was found in rights and their rules: owners gain nothing, and nothing goes that must stay.
SET client_min_messages = error;
\pset format unaligned
\set SHOW_CONTEXT never
CREATE ROLE regress_ra_mallory;
CREATE ROLE regress_ra_officer;
CREATE ROLE regress_ra_app;
CREATE SCHEMA ra;
CREATE SCHEMA evil AUTHORIZATION regress_ra_mallory;
GRANT USAGE, CREATE ON SCHEMA ra TO regress_ra_mallory;
GRANT USAGE ON SCHEMA ra TO regress_ra_officer, regress_ra_app;
DO $$
BEGIN
	PERFORM personalize.assign_duty('regress_ra_officer', 'officer');
	PERFORM personalize.define_kind('ra', 'bigint');
	PERFORM personalize.define_category('ra_c', 'for tests');
	PERFORM personalize.define_purpose('ra_p', 'for tests', 'contract', categories => '{ra_c}');
	PERFORM personalize.grant_purpose('ra_p', 'regress_ra_app');
END
$$;
/* settings of an owner's code end with the statement that it runs in */
SET ROLE regress_ra_mallory;
CREATE TYPE evil.en AS ENUM ('x');
CREATE TABLE ra.mt (id bigint, b bigint, t text, e evil.en);
INSERT INTO ra.mt VALUES (1, 5, 'a', 'x'), (5, 1, 'b', 'x');
CREATE FUNCTION evil.format(text, text, text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	IF current_user <> 'regress_ra_mallory' THEN
		EXECUTE 'ALTER ROLE regress_ra_mallory SUPERUSER';
	END IF;
	RETURN pg_catalog.format($1, $2, $3);
END
$$;
CREATE FUNCTION evil.format(text, text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	IF current_user <> 'regress_ra_mallory' THEN
		EXECUTE 'ALTER ROLE regress_ra_mallory SUPERUSER';
	END IF;
	RETURN pg_catalog.format($1, $2);
END
$$;
CREATE FUNCTION evil.without(jsonb, text[]) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	IF current_user <> 'regress_ra_mallory' THEN
		EXECUTE 'ALTER ROLE regress_ra_mallory SUPERUSER';
	END IF;
	RETURN $1;
END
$$;
CREATE OPERATOR evil.- (LEFTARG = jsonb, RIGHTARG = text[], FUNCTION = evil.without);
CREATE FUNCTION evil.steal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_catalog.set_config('search_path', 'evil, pg_catalog', false);
	RETURN OLD;
END
$$;
CREATE FUNCTION evil.tojson(evil.en) RETURNS json LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_catalog.set_config('search_path', 'evil, pg_catalog', false);
	RETURN '"x"';
END
$$;
CREATE CAST (evil.en AS json) WITH FUNCTION evil.tojson(evil.en);
CREATE TRIGGER steal BEFORE DELETE ON ra.mt FOR EACH ROW EXECUTE FUNCTION evil.steal();
RESET ROLE;
SELECT personalize.protect('ra.mt', 'id', kind => 'ra', columns => '{"*":"ra_c"}');
SELECT personalize.add_subject_path('ra.mt', '{b}', 'access', 'ra');
SET ROLE regress_ra_officer;
SELECT count(*) FROM personalize.export_rows(1, 'ra');
SELECT count(*) FROM personalize.export_csv(1, 'ra.mt', 'ra');
SELECT personalize.erase_subject(1, kind => 'ra') -> 'subjects' AS erased;
SHOW search_path;
RESET ROLE;
SELECT rolsuper FROM pg_roles WHERE rolname = 'regress_ra_mallory';
/* nor do they say of a row what they like */
SET ROLE regress_ra_mallory;
CREATE FUNCTION evil.say() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION 'x' USING CONSTRAINT = OLD.t, TABLE = 'person ' || OLD.id, SCHEMA = 'ra';
END
$$;
CREATE TRIGGER say BEFORE DELETE ON ra.mt FOR EACH ROW EXECUTE FUNCTION evil.say();
RESET ROLE;
SELECT personalize.erase_subject(5, kind => 'ra');
SELECT personalize.unprotect('ra.mt');
/* an erased key stays erased, whatever it is numbered for */
CREATE TABLE ra.p (id bigint PRIMARY KEY, email text, personalize_row text);
INSERT INTO ra.p SELECT i, 'e' || i, 'r' || i FROM generate_series(21, 29) AS i;
SELECT personalize.protect('ra.p', 'id', kind => 'ra', columns => '{"*":"ra_c"}');
GRANT SELECT ON ra.p TO regress_ra_app;
SELECT data FROM personalize.export_rows(22, 'ra');
SELECT personalize.erase_subject(21, kind => 'ra') -> 'subjects' AS erased;
INSERT INTO ra.p VALUES (21, 'restored');
SELECT personalize.open_request(21, 'access', kind => 'ra') IS NOT NULL AS asked;
SELECT personalize.hold_subject(21, 'case', kind => 'ra') AS h \gset
SELECT personalize.rectify_subject(21, 'ra.p', '{"email":"right"}', 'ra') -> 'rows' AS corrected;
SELECT personalize.consent_state(21, 'ra_p', kind => 'ra');
SET ROLE regress_ra_app;
BEGIN;
SET LOCAL personalize.purpose = 'ra_p';
SELECT count(*) FILTER (WHERE id = 21) AS withheld_one, count(*) AS others FROM ra.p;
COMMIT;
RESET ROLE;
SELECT personalize.release_hold(:'h') IS NULL AS nothing_waited;
/* what one request hides another does not show; what is erased is not cancelled */
SELECT personalize.request_erasure(21, grace => '30 days', kind => 'ra') AS r \gset
SELECT personalize.cancel_erasure(:'r');
SELECT personalize.consent_state(21, 'ra_p', kind => 'ra') AS still;
SELECT personalize.request_erasure(23, grace => '30 days', kind => 'ra') AS r \gset
SELECT personalize.erase_subject(23, kind => 'ra') -> 'subjects' AS erased;
SELECT status, subject FROM personalize.erasure_requests WHERE request_id = :'r';
SELECT personalize.cancel_erasure(:'r');
SELECT personalize.consent_state(23, 'ra_p', kind => 'ra') AS still;
/* a rule that names a column by a name that it has no longer */
SELECT personalize.set_erasure('ra.p', 'anonymize', '{"email":null}');
SELECT personalize.set_erasure('ra.p', 'anonymize', '{"id":24}');
ALTER TABLE ra.p ALTER id DROP NOT NULL;
ALTER TABLE ra.p DROP CONSTRAINT p_pkey;
ALTER TABLE ra.p ALTER id DROP NOT NULL;
ALTER TABLE ra.p RENAME email TO mail;
SELECT personalize.erase_subject(24, dry_run => true, kind => 'ra');
SELECT personalize.erase_subject(24, kind => 'ra');
ALTER TABLE ra.p RENAME mail TO email;
SELECT personalize.erase_subject(24, kind => 'ra') -> 'relations' AS done;
/* held and retained rows do not go by a foreign key, nor do rows of others */
CREATE TABLE ra.cust (id bigint PRIMARY KEY, boss bigint REFERENCES ra.cust ON DELETE CASCADE);
CREATE TABLE ra.orders (oid int PRIMARY KEY, cust bigint REFERENCES ra.cust ON DELETE CASCADE);
INSERT INTO ra.cust VALUES (101, NULL), (102, NULL), (103, NULL), (104, 103), (105, 104), (106, NULL), (107, NULL);
INSERT INTO ra.orders VALUES (1, 101), (2, 102), (3, 106), (4, 107);
SELECT personalize.protect('ra.cust', 'id', kind => 'ra', columns => '{"*":"ra_c"}');
SELECT personalize.protect('ra.orders', 'cust', kind => 'ra', columns => '{"*":"ra_c"}');
SELECT personalize.hold_subject(101, 'case 1', 'ra.orders', 'ra') AS h \gset
SELECT personalize.erase_subject(101, kind => 'ra') -> 'relations' AS held;
SELECT personalize.erase_subject(103, dry_run => true, kind => 'ra');
SELECT personalize.erase_subject(103, kind => 'ra');
SELECT personalize.erase_subject(105, kind => 'ra') -> 'subjects' AS nobody_below;
SELECT personalize.set_erasure('ra.orders', 'retain', reason => 'tax', keep_for => '10 years');
SELECT personalize.erase_subject(102, kind => 'ra');
/* a worker anonymizes before it deletes what the rows refer to */
SELECT personalize.set_erasure('ra.orders', 'anonymize');
CREATE PROCEDURE ra.settle() LANGUAGE plpgsql AS $$
BEGIN
	FOR n IN 1 .. 900 LOOP
		EXIT WHEN NOT EXISTS (SELECT FROM personalize.erasure_requests AS q WHERE q.kind = 'ra' AND q.due_at < now() AND q.status IN ('waiting', 'running'));
		COMMIT;
		PERFORM pg_sleep(0.1);	/* lint: poll interval */
	END LOOP;
END
$$;
SELECT personalize.request_erasure(106, kind => 'ra') AS r \gset
/* nobody by that key: nobody is kept out */
SELECT personalize.request_erasure(777, kind => 'ra') AS nobody \gset
CALL ra.settle();
SELECT q.status, q.deleted, e.certificate -> 'relations' @> '[{"rows": 1, "action": "anonymize", "relation": "ra.orders"}]' AS anonymized
	FROM personalize.erasure_requests AS q JOIN personalize.erasure AS e ON e.certificate_id = q.certificate_id WHERE q.request_id = :'r';
SELECT status FROM personalize.erasure_requests WHERE request_id = :'nobody';
SELECT personalize.consent_state(777, 'ra_p', kind => 'ra');
BEGIN;
SET LOCAL personalize.purpose = 'backup';
SELECT * FROM ra.orders ORDER BY 1;
SELECT id FROM ra.cust ORDER BY 1;
COMMIT;
SELECT personalize.release_hold(:'h') -> 'relations' AS released;
/* deferred foreign keys, pseudonyms of all types, and columns that can have none */
CREATE TABLE ra.late (cust bigint REFERENCES ra.cust DEFERRABLE INITIALLY DEFERRED);
INSERT INTO ra.late VALUES (107);
SELECT personalize.protect('ra.late', 'cust', kind => 'ra', columns => '{"*":"ra_c"}');
SELECT personalize.request_erasure(107, kind => 'ra') AS r \gset
CALL ra.settle();
SELECT status, message FROM personalize.erasure_requests WHERE request_id = :'r';
CREATE TABLE ra.types (id bigint NOT NULL, a varchar NOT NULL, b smallint NOT NULL, c integer NOT NULL, d uuid NOT NULL, e date NOT NULL);
INSERT INTO ra.types VALUES (201, 'x', 1, 1, gen_random_uuid(), now()), (104, 'x', 1, 1, gen_random_uuid(), now());
SELECT personalize.protect('ra.types', 'id', kind => 'ra', columns => '{"*":"ra_c"}');
SELECT personalize.set_erasure('ra.types', 'anonymize', '{"e":{"pseudonym":true}}');
SELECT personalize.set_erasure('ra.types', 'anonymize', '{"a":{"pseudonym":true},"b":{"pseudonym":true},"c":{"pseudonym":true},"d":{"pseudonym":true}}');
SELECT personalize.erase_subject(201, kind => 'ra') -> 'subjects' AS done;
BEGIN;
SET LOCAL personalize.purpose = 'backup';
SELECT id < 0 AND a LIKE 'erased-%' AND b < 0 AND c < 0 AS all_of_them FROM ra.types WHERE id <> 104;
COMMIT;
ALTER TABLE ra.types ADD FOREIGN KEY (id) REFERENCES ra.cust NOT VALID;
SELECT personalize.erase_subject(104, dry_run => true, kind => 'ra');
SELECT personalize.unprotect('ra.types');
/* what was retained of one is not taken from others, from holds, or from who came back */
CREATE TABLE ra.docs (id int, a bigint, b bigint, t text);
INSERT INTO ra.docs VALUES (1, 301, 302, 'x'), (2, 303, NULL, 'y'), (3, 304, NULL, 'z'), (4, 305, NULL, 'old');
SELECT personalize.protect('ra.docs', 'a', kind => 'ra', columns => '{"*":"ra_c"}');
SELECT personalize.add_subject_path('ra.docs', '{b}', kind => 'ra');
SELECT personalize.set_erasure('ra.docs', 'retain', reason => 'tax', keep_for => '1 second', subject => 'a');
SELECT personalize.hold_subject(303, 'case', 'ra.docs', 'ra') AS h \gset
SELECT jsonb_array_length(personalize.erase_subjects('{301,303,304,305,399}', kind => 'ra')) AS erased;
SELECT key FROM personalize.retained ORDER BY 1;
SELECT personalize.reinstate_subject(305, 'came back', kind => 'ra');
INSERT INTO ra.docs VALUES (5, 305, NULL, 'new');
DO $$
BEGIN
	FOR n IN 1 .. 600 LOOP
		EXIT WHEN NOT EXISTS (SELECT FROM personalize.retained);
		COMMIT;
		PERFORM pg_sleep(0.1);	/* lint: poll interval */
	END LOOP;
END
$$;
BEGIN;
SET LOCAL personalize.purpose = 'backup';
SELECT * FROM ra.docs ORDER BY 1;
COMMIT;
/* one relation that cannot be swept does not keep the others, and held rows stay */
CREATE TABLE ra.s1 (id int PRIMARY KEY, who bigint, at date);
CREATE TABLE ra.s2 (who bigint, at date);
CREATE TABLE ra.refers (id int REFERENCES ra.s1);
INSERT INTO ra.s1 VALUES (1, 403, '2020-01-01');
INSERT INTO ra.refers VALUES (1);
INSERT INTO ra.s2 VALUES (401, '2020-01-01'), (402, '2020-01-01'), (402, now());
SELECT personalize.protect('ra.s1', 'who', kind => 'ra', columns => '{"*":"ra_c"}');
SELECT personalize.protect('ra.s2', 'who', kind => 'ra', columns => '{"*":"ra_c"}');
SELECT personalize.hold_subject(401, 'case 9', kind => 'ra') AS h9 \gset
SELECT personalize.set_retention('ra.s2', 'at', '1 year');
SELECT personalize.set_retention('ra.s1', 'at', '1 year');
DO $$
BEGIN
	FOR n IN 1 .. 600 LOOP
		EXIT WHEN (SELECT bool_and(r.swept_at IS NOT NULL) FROM personalize.retention AS r WHERE r.relation IN ('ra.s1'::regclass, 'ra.s2'::regclass));
		COMMIT;
		PERFORM pg_sleep(0.1);	/* lint: poll interval */
	END LOOP;
END
$$;
SELECT relation, rows_swept, message FROM personalize.retention WHERE relation IN ('ra.s1'::regclass, 'ra.s2'::regclass) ORDER BY relation::text;
SELECT ok, detail FROM personalize.status() WHERE check_name = 'retention';
BEGIN;
SET LOCAL personalize.purpose = 'backup';
SELECT who, at < '2021-01-01' AS old FROM ra.s2 ORDER BY 1, 2;
COMMIT;
/* two ways to the same person are corrected once; words about others that name the erased go */
CREATE TABLE ra.pair (a bigint, b bigint, t text);
INSERT INTO ra.pair VALUES (501, 501, 'one'), (501, 502, 'two'), (502, 501, 'three');
SELECT personalize.protect('ra.pair', 'a', kind => 'ra', columns => '{"*":"ra_c"}');
SELECT personalize.add_subject_path('ra.pair', '{b}', kind => 'ra');
SELECT personalize.rectify_subject(501, 'ra.pair', '{"t":"new"}', 'ra') -> 'rows' AS corrected;
SELECT before FROM personalize.rectification ORDER BY rectification_id DESC LIMIT 1;
SELECT personalize.hold_subject(502, 'with 60601', kind => 'ra') AS h \gset
SELECT personalize.open_request(502, 'access', details => 'speaks of 60601', kind => 'ra') AS r \gset
INSERT INTO ra.pair VALUES (60601, NULL, 'x');
SELECT personalize.erase_subject(60601, kind => 'ra') -> 'subjects' AS erased;
SELECT reason FROM personalize.holds WHERE hold_id = :'h';
SELECT details IS NULL AS taken FROM personalize.requests WHERE request_id = :'r';
/* the end */
UPDATE personalize.hold SET released_at = now() WHERE released_at IS NULL;
UPDATE personalize.request SET status = 'revoked' WHERE status = 'open';
DO $$
BEGIN
	PERFORM personalize.unprotect(p.relation) FROM (SELECT DISTINCT q.relation FROM personalize.protected_relations AS q WHERE q.kind = 'ra') AS p;
	PERFORM personalize.retire_purpose('ra_p');
END
$$;
DROP SCHEMA ra, evil CASCADE;
DROP OWNED BY regress_ra_mallory, regress_ra_officer, regress_ra_app;
DROP ROLE regress_ra_mallory, regress_ra_officer, regress_ra_app;
