-- Messages of the audit cannot be forged: anybody may write into the WAL under its name, and nothing of it is believed.
SET client_min_messages = warning;
\pset format unaligned
CREATE ROLE regress_msg_app;
SELECT personalize.audit_sync();
SELECT bad AS bad_before, (SELECT count(*) FROM personalize.usage) AS uses_before FROM personalize.audit_worker_internal() \gset
/* none of these may be believed, or keep the worker from going on */
SET ROLE regress_msg_app;
SELECT 0 * count(pg_logical_emit_message(false, 'personalize', m)) AS sent
FROM (VALUES ('x'::bytea), (''), (decode(repeat('00', 100), 'hex')), (decode(repeat('ff', 65536), 'hex')),
	(decode(repeat('41', 3000000), 'hex')), (decode('4155415a01000200' || repeat('00', 120), 'hex'))) AS v (m);
SELECT pg_logical_emit_message(true, 'personalize', 'in a transaction') IS NOT NULL AS sent;
/* other prefixes are others' business */
SELECT pg_logical_emit_message(false, 'personalize2', 'x') IS NOT NULL AS sent;
SELECT pg_logical_emit_message(false, 'personal', 'x') IS NOT NULL AS sent;
RESET ROLE;
/* a use after them: what was before it has then been read */
CREATE TABLE msg_customer (id integer PRIMARY KEY);
INSERT INTO msg_customer VALUES (1);
DO $$
BEGIN
	PERFORM personalize.define_kind('msg_person', 'integer');
	PERFORM personalize.protect('msg_customer', 'id', kind => 'msg_person');
END
$$;
BEGIN;
SET LOCAL personalize.purpose = 'backup';
SELECT id FROM msg_customer;
COMMIT;
SELECT personalize.audit_sync();
SELECT bad - :bad_before AS bad, (SELECT count(*) FROM personalize.usage) - :uses_before AS uses FROM personalize.audit_worker_internal();
SELECT personalize.unprotect('msg_customer');
DROP TABLE msg_customer;
DROP ROLE regress_msg_app;
/* all that the tests of this database have left on record is as it was written */
SELECT ok, first_bad FROM personalize.verify_audit();
