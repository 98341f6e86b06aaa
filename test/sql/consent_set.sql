-- The consent set says what the ledger says: while changes are pending, and when they are folded.
SET client_min_messages = warning;
SET jit = off;
\pset format unaligned
CREATE ROLE regress_set_app;
CREATE SCHEMA cset;
GRANT USAGE ON SCHEMA cset TO PUBLIC;
CREATE TABLE cset.num (id bigint, v text, w text);
CREATE TABLE cset.uid (id uuid, v text);
CREATE TABLE cset.mail (id text, v text);
INSERT INTO cset.num SELECT i, 'v' || i, 'w' || i FROM generate_series(1, 120) AS i;
INSERT INTO cset.num SELECT i, 'far', 'far' FROM unnest('{-5,0,4294967295,4294967296,9223372036854775807,-9223372036854775808,123456789012}'::bigint[]) AS i;
INSERT INTO cset.uid SELECT md5(i::text)::uuid, 'v' || i FROM generate_series(1, 120) AS i;
INSERT INTO cset.mail SELECT 'person' || i || '@example.org', 'v' || i FROM generate_series(1, 120) AS i;
GRANT ALL ON ALL TABLES IN SCHEMA cset TO regress_set_app;
DO $$
BEGIN
	PERFORM personalize.define_kind('set_num', 'bigint');
	PERFORM personalize.define_kind('set_uid', 'uuid');
	PERFORM personalize.define_kind('set_mail', 'text');
	PERFORM personalize.define_category('set_a', 'for tests');
	PERFORM personalize.define_category('set_b', 'for tests');
	PERFORM personalize.define_category('set_h', 'for tests', special => true);
	PERFORM personalize.define_purpose('set_consent', 'for tests', categories => '{set_a,set_b}');
	PERFORM personalize.define_purpose('set_explicit', 'for tests', 'explicit_consent', categories => '{set_a,set_b}');
	PERFORM personalize.define_purpose('set_interest', 'for tests', 'legitimate_interest', categories => '{set_a,set_h}');
	PERFORM personalize.define_purpose('set_contract', 'for tests', 'contract', categories => '{set_a}');
	PERFORM personalize.define_purpose('set_child', 'for tests', categories => '{set_a,set_b}', parents => '{set_consent}');
	PERFORM personalize.define_purpose('set_two', 'for tests', categories => '{set_a}', parents => '{set_child,set_explicit}');
	PERFORM personalize.define_purpose('set_none', 'for tests');
	PERFORM personalize.protect('cset.num', 'id', kind => 'set_num', columns => '{"*":"set_a"}');
	PERFORM personalize.protect('cset.uid', 'id', kind => 'set_uid', columns => '{"*":"set_a"}');
	PERFORM personalize.protect('cset.mail', 'id', kind => 'set_mail', columns => '{"*":"set_a"}');
	PERFORM personalize.grant_purpose(p, 'regress_set_app')
		FROM unnest('{set_consent,set_explicit,set_interest,set_contract,set_child,set_two,set_none}'::text[]) AS p;
END
$$;
/* something of everything, for persons of each kind */
CREATE FUNCTION cset.person(kind text, i integer) RETURNS text LANGUAGE sql AS $$
	SELECT CASE kind WHEN 'set_num' THEN i::text WHEN 'set_uid' THEN md5(i::text)::uuid::text ELSE 'person' || i || '@example.org' END
$$;
CREATE FUNCTION cset.say(kind text, i integer, what integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	p text := (ARRAY['set_consent', 'set_explicit', 'set_interest', 'set_contract', 'set_child', 'set_two', 'set_none'])[1 + (i + what) % 7];
	who text := cset.person(kind, i);
BEGIN
	IF (SELECT q.retired_at IS NOT NULL FROM personalize.purposes AS q WHERE q.name = p) THEN
		p := 'set_consent';
	END IF;
	CASE what % 9
		WHEN 0 THEN PERFORM personalize.grant_consent(who, p, kind => kind);
		WHEN 1 THEN PERFORM personalize.grant_consent(who, p, explicit => true, kind => kind);
		WHEN 2 THEN PERFORM personalize.withdraw_consent(who, p, kind => kind);
		WHEN 3 THEN PERFORM personalize.object_to(who, p, kind => kind);
		WHEN 4 THEN PERFORM personalize.restrict_processing(who, kind => kind);
		WHEN 5 THEN PERFORM personalize.lift_restriction(who, kind => kind);
		WHEN 6 THEN
			IF p NOT IN ('set_none') THEN
				PERFORM personalize.grant_consent(who, p, categories => '{set_a}', kind => kind);
			END IF;
		WHEN 7 THEN PERFORM personalize.grant_consent(who, p, expires_at => clock_timestamp() + interval '1 day', kind => kind);
		WHEN 8 THEN PERFORM personalize.refuse_consent(who, p, kind => kind);
	END CASE;
END
$$;
/* does the set answer, for how many, and is it right? */
CREATE FUNCTION cset.compare(settled boolean) RETURNS text LANGUAGE sql AS $$
	SELECT CASE WHEN NOT settled THEN '' WHEN answered = 0 THEN 'answered nothing, ' WHEN answered = asked THEN 'answered all, ' ELSE 'answered some, ' END
		|| 'wrong ' || wrong FROM personalize.consent_set_check_internal(ARRAY(
			SELECT p.purpose_id FROM personalize.registry_purpose AS p WHERE p.name LIKE 'set\_%' OR p.builtin))
$$;
CREATE PROCEDURE cset.settle() LANGUAGE plpgsql AS $$
BEGIN
	FOR n IN 1 .. 600 LOOP
		EXIT WHEN (SELECT s.state = 'ready' AND s.pending = 0 FROM personalize.consent_set_internal() AS s)
			AND cset.compare(true) LIKE 'answered all,%';
		COMMIT;
		PERFORM pg_sleep(0.05);	/* lint: poll interval */
	END LOOP;
END
$$;
SELECT personalize.audit_sync();
CALL cset.settle();
/* while all of it is pending, and when it is not */
SELECT count(cset.say(k, i, i % 9)) FROM generate_series(1, 120) AS i, unnest('{set_num,set_uid,set_mail}'::text[]) AS k;
SELECT count(personalize.grant_consent(i, 'set_consent', kind => 'set_num'))
	FROM unnest('{-5,0,4294967295,4294967296,9223372036854775807,-9223372036854775808,123456789012}'::bigint[]) AS i;
SELECT cset.compare(false);
CALL cset.settle();
SELECT cset.compare(true);
/* changes of changes */
SELECT count(cset.say(k, i, i % 5 + i % 4)) FROM generate_series(1, 120) AS i, unnest('{set_num,set_uid,set_mail}'::text[]) AS k;
SELECT cset.compare(false);
CALL cset.settle();
SELECT cset.compare(true);
/* taken back: transaction, savepoint; and a new person who never was */
BEGIN;
SELECT count(cset.say(k, i, i % 3)) FROM generate_series(1, 150) AS i, unnest('{set_num,set_uid,set_mail}'::text[]) AS k;
SELECT cset.compare(false);
ROLLBACK;
BEGIN;
SELECT count(cset.say('set_num', i, 1)) FROM generate_series(1, 50) AS i;
SAVEPOINT a;
SELECT count(cset.say('set_num', i, 2)) FROM generate_series(1, 50) AS i;
SELECT cset.compare(false);
ROLLBACK TO a;
SELECT cset.compare(false);
COMMIT;
CALL cset.settle();
SELECT cset.compare(true);
/* the registry changes: other categories, another basis, parents, special ones, retired */
DO $$
BEGIN
	PERFORM personalize.define_purpose('set_consent', 'for tests', categories => '{set_a}');
	PERFORM personalize.define_purpose('set_contract', 'for tests', 'consent', categories => '{set_a,set_b}');
	PERFORM personalize.define_purpose('set_interest', 'for tests', 'legitimate_interest', categories => '{set_a,set_h}', special_basis => 'for tests');
	PERFORM personalize.define_purpose('set_none', 'for tests', parents => '{set_explicit,set_consent}');
	PERFORM personalize.retire_purpose('set_child');
END
$$;
SELECT cset.compare(false);
CALL cset.settle();
SELECT cset.compare(true);
/* erased, and come back */
SELECT count(personalize.erase_subject(cset.person(k, i), kind => k)) FROM generate_series(1, 40) AS i, unnest('{set_num,set_uid,set_mail}'::text[]) AS k;
SELECT cset.compare(false);
CALL cset.settle();
SELECT cset.compare(true);
SELECT count(cset.say(k, i, 0)) FROM generate_series(20, 30) AS i, unnest('{set_num,set_uid,set_mail}'::text[]) AS k;
CALL cset.settle();
SELECT cset.compare(true);
/* many at once */
CREATE TEMP TABLE batch AS SELECT i AS subject, 'set_consent' AS purpose, CASE WHEN i % 3 = 0 THEN 'withdrawn' ELSE 'given' END AS action, 'set_num' AS kind
	FROM generate_series(200000, 230000) AS i;
SELECT personalize.record_consents('batch');
SELECT cset.compare(false);
CALL cset.settle();
SELECT cset.compare(true);
/* statements read the set: what they see is what the ledger says, and whom they record is whom they saw */
SET ROLE regress_set_app;
BEGIN;
SET LOCAL personalize.purpose = 'set_consent';
SELECT count(*) FROM cset.num;
SELECT count(*) FROM cset.uid;
SELECT count(*) FROM cset.mail;
COMMIT;
RESET ROLE;
SELECT count(*) FILTER (WHERE personalize.permitted(i, 'set_consent', kind => 'set_num')) AS num,
	count(*) FILTER (WHERE v = 'near' AND personalize.permitted(md5(i::text)::uuid, 'set_consent', kind => 'set_uid')) AS uid,
	count(*) FILTER (WHERE v = 'near' AND personalize.permitted('person' || i || '@example.org', 'set_consent', kind => 'set_mail')) AS mail
	FROM (SELECT i, 'near' AS v FROM generate_series(1, 120) AS i
		UNION ALL SELECT i, 'far' FROM unnest('{-5,0,4294967295,4294967296,9223372036854775807,-9223372036854775808,123456789012}'::bigint[]) AS i) AS x;
/* a table of the ledger is altered: not used until it is made again; a trigger is off: not at all */
BEGIN;
ALTER TABLE personalize.consent_event DISABLE TRIGGER consent_changed;
SELECT state FROM personalize.consent_set_internal();
INSERT INTO personalize.consent_event (subject_no, purpose_id, action, recorded_by, recorded_as)
	SELECT s.subject_no, p.purpose_id, 'withdrawn', 'x', 'x' FROM personalize.subject AS s, personalize.registry_purpose AS p
	WHERE s.key = '200000' AND p.name = 'set_consent';
ALTER TABLE personalize.consent_event ENABLE ALWAYS TRIGGER consent_changed;
COMMIT;
CALL cset.settle();
SELECT cset.compare(true);
SELECT personalize.permitted('200000', 'set_consent', kind => 'set_num');
/* as a restored dump or a subscription would, without our functions */
SET session_replication_role = replica;
INSERT INTO personalize.consent_event (subject_no, purpose_id, action, recorded_by, recorded_as)
	SELECT s.subject_no, p.purpose_id, 'withdrawn', 'x', 'x' FROM personalize.subject AS s, personalize.registry_purpose AS p
	WHERE s.key = '200001' AND p.name = 'set_consent';
RESET session_replication_role;
SELECT cset.compare(false);
CALL cset.settle();
SELECT cset.compare(true);
/* rows from before their key was a column */
CREATE TABLE cset.late (a integer);
INSERT INTO cset.late SELECT generate_series(1, 3);
ALTER TABLE cset.late ADD COLUMN id bigint DEFAULT 7, ADD COLUMN key text DEFAULT 'nobody';
INSERT INTO cset.late VALUES (100, 8, 'somebody'), (101, 9, NULL);
CREATE TABLE cset.late_text AS SELECT a FROM cset.late WHERE a < 10;
ALTER TABLE cset.late_text ADD COLUMN key text DEFAULT 'nobody';
INSERT INTO cset.late_text VALUES (100, 'somebody');
GRANT SELECT ON cset.late, cset.late_text TO regress_set_app;
DO $$
BEGIN
	PERFORM personalize.define_kind('set_late', 'bigint');
	PERFORM personalize.define_kind('set_late_text', 'text');
	PERFORM personalize.protect('cset.late', 'id', kind => 'set_late', columns => '{"*":"set_a"}');
	PERFORM personalize.protect('cset.late_text', 'key', kind => 'set_late_text', columns => '{"*":"set_a"}');
	PERFORM personalize.grant_consent(0, 'set_consent', kind => 'set_late'), personalize.grant_consent(8, 'set_consent', kind => 'set_late');
	PERFORM personalize.grant_consent('somebody', 'set_consent', kind => 'set_late_text');
END
$$;
CALL cset.settle();
SET ROLE regress_set_app;
BEGIN;
SET LOCAL personalize.purpose = 'set_consent';
SELECT a, id FROM cset.late ORDER BY a;
SELECT a, id FROM cset.late ORDER BY a;
SELECT * FROM cset.late_text ORDER BY a;
SELECT * FROM cset.late_text ORDER BY a;
COMMIT;
RESET ROLE;
/* a person who gets a number while a cursor is open, in a set that was just made */
ALTER TABLE personalize.consent_event ENABLE ALWAYS TRIGGER consent_changed;
CALL cset.settle();
GRANT UPDATE ON cset.num TO regress_set_app;
DELETE FROM cset.late WHERE false;
BEGIN;
SET LOCAL personalize.purpose = 'set_interest';
INSERT INTO cset.num SELECT i, 'new', 'new' FROM generate_series(1001, 1003) AS i;
DECLARE c CURSOR FOR SELECT id FROM cset.num WHERE v = 'new';
FETCH 1 FROM c;
SELECT personalize.object_to(1003, 'set_interest', kind => 'set_num') IS NOT NULL AS objected;
FETCH ALL FROM c;
SELECT id FROM cset.num WHERE v = 'new' ORDER BY id;
ROLLBACK;
/* a trigger that is replaced is another one */
BEGIN;
CREATE OR REPLACE TRIGGER consent_changed AFTER INSERT OR UPDATE OR DELETE ON personalize.consent_event
	FOR EACH ROW WHEN (false) EXECUTE FUNCTION personalize.consent_changed_internal();
SELECT state FROM personalize.consent_set_internal();
ROLLBACK;
CALL cset.settle();
/* a key that was not changed after all is nobody's */
BEGIN;
SELECT personalize.ledger_unlock_internal(true) \g /dev/null
UPDATE personalize.subject AS s SET key = 'nobody' FROM personalize.registry_kind AS k
	WHERE k.name = 'set_late_text' AND s.kind_id = k.kind_id AND s.key = 'somebody';
ROLLBACK;
CALL cset.settle();
SET ROLE regress_set_app;
BEGIN;
SET LOCAL personalize.purpose = 'set_consent';
SELECT * FROM cset.late_text ORDER BY a;
COMMIT;
RESET ROLE;
/* what the own transaction is writing it sees at once, before any trigger fires */
CREATE FUNCTION cset.look() RETURNS bigint LANGUAGE sql AS $$ SELECT count(*) FROM cset.late $$;
BEGIN;
SET LOCAL personalize.purpose = 'set_consent';
SELECT cset.look();
WITH w AS (INSERT INTO personalize.consent_event (subject_no, purpose_id, action, reason, recorded_by, recorded_as)
	SELECT s.subject_no, p.purpose_id, 'withdrawn', CASE WHEN i = 2 THEN cset.look()::text END, 'x', 'x'
	FROM generate_series(1, 2) AS i, personalize.subject AS s, personalize.registry_purpose AS p, personalize.registry_kind AS k
	WHERE k.name = 'set_late' AND s.kind_id = k.kind_id AND s.key = '8' AND p.name = 'set_consent' ORDER BY i RETURNING reason)
	SELECT * FROM w;
ROLLBACK;
DROP SCHEMA cset CASCADE;
DROP OWNED BY regress_set_app;
DROP ROLE regress_set_app;
