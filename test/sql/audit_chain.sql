-- The record of use is a chain: whatever is changed, removed, added, moved or cut off is found.
SET client_min_messages = warning;
\pset format unaligned
\set VERBOSITY terse
CREATE ROLE regress_chn_app;
CREATE ROLE regress_chn_auditor;
CREATE SCHEMA chn;
GRANT USAGE ON SCHEMA chn TO PUBLIC;
CREATE TABLE chn.customer (id integer PRIMARY KEY, name text);
INSERT INTO chn.customer SELECT i, 'name' || i FROM generate_series(1, 500) AS i;
GRANT ALL ON chn.customer TO regress_chn_app;
DO $$
BEGIN
	PERFORM personalize.define_kind('chn_person', 'integer');
	PERFORM personalize.define_category('chn_general', 'for tests');
	PERFORM personalize.define_purpose('chn_ship', 'for tests', 'contract', categories => '{chn_general}');
	PERFORM personalize.protect('chn.customer', 'id', kind => 'chn_person', columns => '{"*":"chn_general"}');
	PERFORM personalize.grant_purpose('chn_ship', 'regress_chn_app');
	PERFORM personalize.assign_duty('regress_chn_auditor', 'auditor');
END
$$;
SELECT personalize.audit_sync();
SELECT personalize.audit_head() AS before \gset

/* uses of all sorts: few subjects, many, a note, a use that goes on over several batches, a refusal */
SET ROLE regress_chn_app;
BEGIN;
SET LOCAL personalize.purpose = 'chn_ship';
SET LOCAL personalize.context = 'few';
SET LOCAL personalize.app_user = 'clerk of 7';
SELECT name FROM chn.customer WHERE id IN (7, 8);
SET LOCAL personalize.context = 'many';
SELECT count(name) FROM chn.customer;
SET LOCAL personalize.context = 'slow';
DECLARE c CURSOR FOR SELECT name FROM chn.customer ORDER BY id;
MOVE 3 FROM c;
RESET ROLE;
SELECT personalize.audit_sync();
SET ROLE regress_chn_app;
MOVE 3 FROM c;
CLOSE c;
COMMIT;
SET application_name = '';
SELECT name FROM chn.customer;
RESET application_name;
RESET ROLE;
SELECT personalize.audit_sync();
SELECT personalize.audit_head() AS after \gset
SELECT usage_id AS few FROM personalize.usage WHERE context = 'few' \gset
SELECT usage_id AS many FROM personalize.usage WHERE context = 'many' \gset
SELECT usage_id AS slow FROM personalize.usage WHERE context = 'slow' \gset
SELECT usage_id AS plain FROM personalize.usage WHERE relation = 'chn.customer'::regclass AND status = 'refused' \gset
SELECT subjects_used, status FROM personalize.usage WHERE usage_id IN (:few, :many, :slow) ORDER BY usage_id;

/* the auditor may ask, others may not */
SET ROLE regress_chn_auditor;
SELECT ok, rows_checked > 5 AS many, first_bad FROM personalize.verify_audit();
SELECT ok, first_bad FROM personalize.verify_audit(:'before');
SELECT ok, first_bad FROM personalize.verify_audit(:'after');
SELECT personalize.audit_head() = :'after' AS same;
SELECT ok FROM personalize.verify_audit('something');
SELECT ok FROM personalize.audit_verify_internal(NULL, NULL, NULL);
UPDATE personalize.audit_use SET status = 'failed';
SET ROLE regress_chn_app;
SELECT ok FROM personalize.verify_audit();
SELECT personalize.audit_head();
RESET ROLE;
/* a head that there never was */
SELECT ok FROM personalize.verify_audit(regexp_replace(:'after', '.$', CASE right(:'after', 1) WHEN '0' THEN '1' ELSE '0' END));
SELECT ok FROM personalize.verify_audit('999999999:1:' || split_part(:'after', ':', 3));
SELECT ok FROM personalize.verify_audit(NULL);

/* not even a superuser changes lines without more ado */
UPDATE personalize.audit_use SET status = 'failed' WHERE usage_id = :few;
UPDATE personalize.audit_template SET purpose = 'another';
DELETE FROM personalize.audit_batch;

/* one who goes to lengths is found: each change, undone after the verdict; where it can be, the use is named */
CREATE TABLE chn.attempt (no integer PRIMARY KEY, change text, wanted text, changed bigint, ok boolean, first_bad bigint, reason text);
INSERT INTO chn.attempt (no, change, wanted) VALUES
	(1, 'UPDATE personalize.audit_template SET purpose = ''another'' WHERE template_id = (SELECT template_id FROM personalize.audit_use WHERE usage_id = FEW)', 'FEW'),
	(2, 'UPDATE personalize.audit_template SET db_role = ''nobody'' WHERE template_id = (SELECT template_id FROM personalize.audit_use WHERE usage_id = FEW)', 'FEW'),
	(3, 'UPDATE personalize.audit_use SET started_at = started_at - interval ''1 us'' WHERE usage_id = MANY', 'MANY'),
	(4, 'UPDATE personalize.audit_template SET reason = '''' WHERE template_id = (SELECT template_id FROM personalize.audit_use WHERE usage_id = FEW)', 'FEW'),
	(5, 'UPDATE personalize.audit_use SET everybody_id = 1 WHERE usage_id = FEW', 'FEW'),
	(6, 'UPDATE personalize.audit_subject SET subject_no = subject_no + 100 WHERE usage_id = FEW', 'FEW'),
	(7, 'DELETE FROM personalize.audit_subject WHERE usage_id = FEW AND subject_no = (SELECT max(subject_no) FROM personalize.audit_subject WHERE usage_id = FEW)', 'FEW'),
	(8, 'INSERT INTO personalize.audit_subject (subject_no, usage_id) VALUES (1000000, FEW)', 'FEW'),
	(9, 'INSERT INTO personalize.audit_subject (subject_no, usage_id) VALUES (1000000, SLOW)', NULL),
	(10, 'INSERT INTO personalize.audit_subject (subject_no, usage_id) VALUES (1000000, 1000000000)', NULL),
	(11, 'UPDATE personalize.audit_chunk SET members = set_byte(members, 3, get_byte(members, 3) # 1) WHERE usage_id = MANY', 'MANY'),
	(12, 'DELETE FROM personalize.audit_chunk WHERE usage_id = MANY', NULL),
	(13, 'DELETE FROM personalize.audit_chunk WHERE usage_id = SLOW', NULL),
	(14, 'INSERT INTO personalize.audit_chunk (chunk, usage_id, part, members) VALUES (0, FEW, 1, ''A'')', NULL),
	(15, 'UPDATE personalize.audit_note SET context = ''harmless'' WHERE note_id = (SELECT note_id FROM personalize.audit_use WHERE usage_id = FEW)', 'FEW'),
	(16, 'UPDATE personalize.audit_note SET app_user = NULL WHERE note_id = (SELECT note_id FROM personalize.audit_use WHERE usage_id = FEW)', 'FEW'),
	(17, 'UPDATE personalize.audit_note SET digest = sha256(digest) WHERE note_id = (SELECT note_id FROM personalize.audit_use WHERE usage_id = FEW)', 'FEW'),
	(18, 'DELETE FROM personalize.audit_note WHERE note_id = (SELECT note_id FROM personalize.audit_use WHERE usage_id = FEW)', 'FEW'),
	(19, 'UPDATE personalize.audit_use SET note_id = (SELECT max(note_id) FROM personalize.audit_note) WHERE usage_id = PLAIN', 'PLAIN'),
	(20, 'UPDATE personalize.audit_batch SET made_at = made_at - interval ''1 s'' WHERE batch_no = 1', NULL),
	(21, 'UPDATE personalize.audit_use SET link = link + 1 WHERE usage_id = FEW', 'FEW'),
	(26, 'UPDATE personalize.audit_note SET salt = decode(repeat(''00'', 64), ''hex''), app_user = ''alice'' WHERE note_id = (SELECT note_id FROM personalize.audit_use WHERE usage_id = FEW)', 'FEW'),
	(27, 'UPDATE personalize.audit_note SET salt = overlay(salt placing decode(repeat(''00'', 16), ''hex'') FROM 1) WHERE note_id = (SELECT note_id FROM personalize.audit_use WHERE usage_id = FEW)', 'FEW'),
	(22, 'UPDATE personalize.audit_use SET template_id = (SELECT min(template_id) FROM personalize.audit_template) - 1 WHERE usage_id = FEW', 'FEW'),
	(23, 'UPDATE personalize.audit_use SET status = ''failed'' WHERE usage_id = FEW', 'FEW'),
	(24, 'DELETE FROM personalize.audit_template WHERE template_id = (SELECT template_id FROM personalize.audit_use WHERE usage_id = FEW)', NULL),
	(25, 'INSERT INTO personalize.audit_template SELECT (t).* FROM (SELECT jsonb_populate_record(t, ''{"template_id": 999999999}'') AS t FROM personalize.audit_template t ORDER BY template_id DESC LIMIT 1) x', NULL),
	(30, 'DELETE FROM personalize.audit_use WHERE usage_id = FEW', NULL),
	(31, 'DELETE FROM personalize.audit_use WHERE usage_id >= FEW', NULL),
	(32, 'DELETE FROM personalize.audit_batch WHERE batch_no = 1', NULL),
	(33, 'DELETE FROM personalize.audit_use', NULL),
	(34, 'TRUNCATE personalize.audit_use, personalize.audit_chunk, personalize.audit_subject, personalize.audit_batch, personalize.audit_more, personalize.audit_gap, personalize.audit_template', NULL),
	(40, 'INSERT INTO personalize.audit_use SELECT (u).* FROM (SELECT jsonb_populate_record(u, ''{"usage_id": 999999999, "use_no": 999999999}'') AS u FROM personalize.audit_use u WHERE usage_id = FEW) x', NULL),
	(41, 'INSERT INTO personalize.audit_use SELECT (u).* FROM (SELECT jsonb_populate_record(u, ''{"usage_id": 999999999, "use_no": 999999999, "batch_no": null}'') AS u FROM personalize.audit_use u WHERE usage_id = FEW) x', NULL),
	(42, 'INSERT INTO personalize.audit_use SELECT (u).* FROM (SELECT jsonb_populate_record(u, ''{"usage_id": 999999999, "use_no": 999999999, "batch_no": 999999999}'') AS u FROM personalize.audit_use u WHERE usage_id = FEW) x', NULL),
	(43, 'INSERT INTO personalize.audit_more VALUES (FEW, 999999, NULL, 0, 0, 0, NULL, NULL)', NULL),
	(44, 'INSERT INTO personalize.audit_gap (reason) VALUES (''none'')', NULL),
	(45, 'INSERT INTO personalize.audit_batch SELECT batch_no + 1, lsn, made_at, 1, total + 1, parts, head FROM personalize.audit_batch ORDER BY batch_no DESC LIMIT 1', NULL),
	(50, 'UPDATE personalize.audit_use SET usage_id = CASE usage_id WHEN FEW THEN MANY ELSE FEW END + 1000000 WHERE usage_id IN (FEW, MANY)', NULL),
	(51, 'UPDATE personalize.audit_use SET batch_no = batch_no + 1 WHERE usage_id = FEW', NULL),
	(52, 'UPDATE personalize.audit_batch SET batch_no = -batch_no', NULL),
	(53, 'UPDATE personalize.audit_batch SET parts = set_byte(parts, octet_length(parts) - 1, get_byte(parts, octet_length(parts) - 1) # 1) WHERE batch_no = 1', NULL),
	(54, 'UPDATE personalize.audit_batch SET parts = '''' WHERE batch_no = 1', NULL),
	(55, 'INSERT INTO personalize.audit_dropped (dropped_at, keep_from, ended_at, lsn, system_identifier, last_batch, total, head) SELECT now(), 1, now(), b.lsn, 1, b.batch_no, b.total, b.head FROM personalize.audit_batch AS b ORDER BY batch_no LIMIT 1', NULL),
	(56, 'WITH d AS (DELETE FROM personalize.audit_use WHERE usage_id = FEW RETURNING 1) INSERT INTO personalize.audit_dropped (dropped_at, keep_from, ended_at, lsn, system_identifier, last_batch, total, head, batch_no, link) SELECT now(), 1, now(), ''0/0'', 1, 0, 0, decode(repeat(''00'', 32), ''hex''), 2, 1 FROM d', NULL),
	(60, 'WITH b AS (DELETE FROM personalize.audit_batch WHERE batch_no = (SELECT max(batch_no) FROM personalize.audit_batch) RETURNING batch_no), u AS (DELETE FROM personalize.audit_use WHERE batch_no IN (SELECT batch_no FROM b) RETURNING usage_id), s AS (DELETE FROM personalize.audit_subject WHERE usage_id IN (SELECT usage_id FROM u)), c AS (DELETE FROM personalize.audit_chunk WHERE batch_no IN (SELECT batch_no FROM b)), m AS (DELETE FROM personalize.audit_more WHERE batch_no IN (SELECT batch_no FROM b)) SELECT FROM b', NULL);
UPDATE chn.attempt SET change = replace(replace(replace(replace(change, 'FEW', :'few'), 'MANY', :'many'), 'SLOW', :'slow'), 'PLAIN', :'plain'),
	wanted = replace(replace(replace(wanted, 'FEW', :'few'), 'MANY', :'many'), 'PLAIN', :'plain');
CREATE PROCEDURE chn.try(which integer) LANGUAGE plpgsql AS $$
DECLARE
	v record;
	n bigint;
BEGIN
	PERFORM personalize.ledger_unlock_internal(true);
	EXECUTE (SELECT a.change FROM chn.attempt a WHERE a.no = which);
	GET DIAGNOSTICS n = ROW_COUNT;
	SELECT * INTO v FROM personalize.audit_verify_internal(NULL, NULL, NULL);
	RAISE EXCEPTION 'undo' USING ERRCODE = 'UNDO1';
EXCEPTION WHEN SQLSTATE 'UNDO1' THEN
	UPDATE chn.attempt SET changed = n, ok = v.ok, first_bad = v.first_bad, reason = v.reason WHERE no = which;
END
$$;
DO $$
DECLARE
	i integer;
BEGIN
	FOR i IN SELECT no FROM chn.attempt ORDER BY no LOOP
		CALL chn.try(i);
	END LOOP;
END
$$;
SELECT count(*) AS attempts, count(ok) AS judged FROM chn.attempt;
/* no lines: what passed, or changed nothing, or was found in another place */
SELECT no, change, changed, ok, wanted, first_bad, reason FROM chn.attempt
WHERE ok IS DISTINCT FROM false OR reason IS NULL OR (changed = 0 AND change NOT LIKE 'TRUNCATE%') OR first_bad <> wanted::bigint
	OR (wanted IS NOT NULL AND first_bad IS NULL) ORDER BY no;
/* and nothing of it stayed */
SELECT ok, first_bad FROM personalize.verify_audit(:'after');

/* erasure takes words away; the chain stays, and the digest left has no salt */
SELECT personalize.erase_subject(7, 'on request', kind => 'chn_person') IS NOT NULL AS erased;
SELECT personalize.audit_sync();
SELECT app_user, application_name, context, substr(salt, 1, 16) = decode(repeat('00', 16), 'hex') AS no_salt, erased FROM personalize.audit_note
WHERE note_id = (SELECT note_id FROM personalize.audit_use WHERE usage_id = :few);
SELECT ok, first_bad FROM personalize.verify_audit(:'after');
/* a word put where erasure has taken one */
BEGIN;
SELECT personalize.ledger_unlock_internal(true);
UPDATE personalize.audit_note SET app_user = 'alice' WHERE note_id = (SELECT note_id FROM personalize.audit_use WHERE usage_id = :few);
SELECT ok, first_bad = :few AS few FROM personalize.verify_audit(:'after');
ROLLBACK;
SELECT subjects_used, (SELECT count(*) FROM personalize.subjects_of(:few)) AS counted,
	(SELECT count(subject) FROM personalize.subjects_of(:few)) AS named FROM personalize.usage WHERE usage_id = :few;

/* the same words in a later use are kept, although the worker knows them: it was another person who was meant, or the same who came back */
SET ROLE regress_chn_app;
BEGIN;
SET LOCAL personalize.purpose = 'chn_ship';
SET LOCAL personalize.context = 'few';
SET LOCAL personalize.app_user = 'clerk of 7';
SELECT name FROM chn.customer WHERE id = 8;
SELECT name FROM chn.customer WHERE id = 9;
COMMIT;
RESET ROLE;
SELECT personalize.audit_sync();
SELECT usage_id = :few AS first, app_user FROM personalize.usage WHERE context = 'few' AND relation = 'chn.customer'::regclass ORDER BY usage_id;
SELECT count(DISTINCT note_id) AS notes, count(DISTINCT template_id) AS templates FROM personalize.audit_use AS u
WHERE usage_id IN (SELECT usage_id FROM personalize.usage WHERE context = 'few');
SELECT ok, first_bad FROM personalize.verify_audit(:'after');
/* it takes a snapshot of its own, so it is not called where a plan is parallel */
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SELECT (personalize.verify_audit(:'after')).ok, count(*) > 0 AS some FROM pg_attribute;
RESET min_parallel_table_scan_size;
RESET parallel_tuple_cost;
RESET parallel_setup_cost;
SELECT personalize.unprotect('chn.customer');
DROP SCHEMA chn CASCADE;
DROP ROLE regress_chn_app;
SELECT personalize.revoke_duty('regress_chn_auditor', 'auditor');
DROP ROLE regress_chn_auditor;
