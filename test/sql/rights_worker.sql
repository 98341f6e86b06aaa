-- Requested erasures hide at once and are carried out by a worker; retention sweeps; what comes back is found.
SET client_min_messages = warning;
\pset format unaligned
\set SHOW_CONTEXT never
CREATE ROLE regress_rw_officer;
CREATE ROLE regress_rw_app;
CREATE SCHEMA rw;
GRANT USAGE ON SCHEMA rw TO regress_rw_officer, regress_rw_app;
CREATE TABLE rw.customer (id bigint PRIMARY KEY, name text NOT NULL);
CREATE TABLE rw.event (customer_id bigint NOT NULL REFERENCES rw.customer, at timestamptz, n int);
CREATE INDEX ON rw.event (customer_id);
CREATE TABLE rw.invoice (customer_id bigint NOT NULL, at date);
INSERT INTO rw.customer SELECT 600 + i, 'n' || i FROM generate_series(1, 5) AS i;
INSERT INTO rw.event SELECT 601 + n % 5, now() - n * interval '1 minute', n FROM generate_series(1, 60000) AS n;
INSERT INTO rw.invoice VALUES (601, '2020-01-01'), (602, '2021-01-01'), (603, '2025-01-01');
GRANT SELECT ON ALL TABLES IN SCHEMA rw TO regress_rw_app;
DO $$
BEGIN
	PERFORM personalize.define_kind('rw', 'bigint');
	PERFORM personalize.define_category('rw_c', 'for tests');
	PERFORM personalize.define_purpose('rw_p', 'for tests', 'legitimate_interest', categories => '{rw_c}');
	PERFORM personalize.grant_purpose('rw_p', 'regress_rw_app');
	PERFORM personalize.protect(t::regclass, c, kind => 'rw', columns => '{"*":"rw_c"}')
		FROM (VALUES ('rw.customer', 'id'), ('rw.event', 'customer_id'), ('rw.invoice', 'customer_id')) AS v (t, c);
	PERFORM personalize.assign_duty('regress_rw_officer', 'officer');
END
$$;
CREATE PROCEDURE rw.settle(wanted text) LANGUAGE plpgsql AS $$
BEGIN
	FOR n IN 1 .. 900 LOOP
		EXIT WHEN NOT EXISTS (SELECT FROM personalize.erasure_requests AS q WHERE q.kind = 'rw' AND q.due_at < now() AND q.status NOT IN ('done', 'cancelled', 'failed'))
			AND (wanted = '' OR EXISTS (SELECT FROM personalize.erasure_requests AS q WHERE q.kind = 'rw' AND q.status = wanted));
		COMMIT;
		PERFORM pg_sleep(0.1);	/* lint: poll interval */
	END LOOP;
END
$$;
CREATE VIEW rw.counted AS SELECT (SELECT count(*) FROM rw.customer) AS customers, (SELECT count(*) FROM rw.event) AS events, (SELECT count(*) FROM rw.invoice) AS invoices;
GRANT SELECT ON rw.counted TO regress_rw_app;
SET ROLE regress_rw_officer;
SELECT personalize.set_erasure('rw.invoice', 'retain', reason => 'tax law', keep_for => '1 second');
SELECT personalize.request_erasure(602, 'request 2', '1 day', 'rw') AS later \gset
/* hidden from now on, and nothing is gone */
RESET ROLE;
SET ROLE regress_rw_app;
BEGIN;
SET LOCAL personalize.purpose = 'rw_p';
SELECT * FROM rw.counted;
COMMIT;
RESET ROLE;
BEGIN;
SET LOCAL personalize.purpose = 'backup';
SELECT * FROM rw.counted;
COMMIT;
SET ROLE regress_rw_officer;
SELECT personalize.request_erasure(602, kind => 'rw');
SELECT personalize.request_erasure(603, grace => '-1 day', kind => 'rw');
SELECT personalize.request_erasure(603, 'of 603', kind => 'rw');
SELECT personalize.cancel_erasure(:'later');
SELECT personalize.cancel_erasure(:'later');
SELECT personalize.cancel_erasure('00000000-0000-0000-0000-000000000000');
RESET ROLE;
SET ROLE regress_rw_app;
BEGIN;
SET LOCAL personalize.purpose = 'rw_p';
SELECT * FROM rw.counted;
COMMIT;
RESET ROLE;
/* who says something during the grace period stays */
SELECT personalize.request_erasure(604, grace => '1 hour', kind => 'rw') AS stays \gset
SELECT personalize.object_to(604, 'rw_p', kind => 'rw') IS NOT NULL AS said;
UPDATE personalize.erasure_request SET due_at = now() WHERE request_id = :'stays';
/* one that works, one that something stands against */
CREATE TABLE rw.block (customer_id bigint REFERENCES rw.customer);
INSERT INTO rw.block VALUES (605);
SELECT personalize.request_erasure(601, 'request 1', kind => 'rw') AS done \gset
SELECT personalize.request_erasure(605, 'request 5', kind => 'rw') AS blocked \gset
CALL rw.settle('failed');
SELECT subject, status, deleted, message, reason FROM personalize.erasure_requests WHERE kind = 'rw' ORDER BY requested_at;
SELECT ok, detail FROM personalize.status() WHERE check_name = 'erasures';
SELECT e.certificate -> 'relations' #- '{1,until}' AS relations, e.certificate -> 'deleted_before' AS deleted_before, e.certificate ->> 'reason' AS reason
	FROM personalize.erasure_requests AS q JOIN personalize.erasure AS e ON e.certificate_id = q.certificate_id WHERE q.request_id = :'done';
SELECT personalize.retry_erasure(:'done');
DROP TABLE rw.block;
SELECT personalize.retry_erasure(:'blocked');
CALL rw.settle('');
SELECT subject, status, deleted, message FROM personalize.erasure_requests WHERE request_id = :'blocked';
BEGIN;
SET LOCAL personalize.purpose = 'backup';
SELECT customer_id, count(*) FROM rw.event GROUP BY 1 ORDER BY 1;
COMMIT;
SELECT count(*) AS keys_left FROM personalize.erasure_request WHERE key IS NOT NULL;
/* proof, and what comes back */
SELECT v.* FROM personalize.erasure_requests AS q, personalize.verify_erasure(q.certificate_id) AS v WHERE q.request_id = :'done';
INSERT INTO rw.customer VALUES (601, 'restored');
SELECT v.* FROM personalize.erasure_requests AS q, personalize.verify_erasure(q.certificate_id) AS v WHERE q.request_id = :'done';
SELECT jsonb_array_length(personalize.reapply_erasures()) AS erased_again;
SELECT jsonb_array_length(personalize.reapply_erasures()) AS nobody_left;
BEGIN;
SET LOCAL personalize.purpose = 'backup';
SELECT id FROM rw.customer ORDER BY 1;
COMMIT;
SELECT personalize.verify_erasure('00000000-0000-0000-0000-000000000000');
/* retained until then; rows that are old */
SELECT personalize.set_retention('rw.event', 'n', '1 week');
SELECT personalize.set_retention('rw.event', 'at', '-1 week');
SELECT personalize.set_retention('rw.event', 'at', '1 week', 'nobody looks at older ones');
DO $$
BEGIN
	FOR n IN 1 .. 600 LOOP
		EXIT WHEN (SELECT r.swept_at IS NOT NULL FROM personalize.retention AS r WHERE r.relation = 'rw.event'::regclass)
			AND NOT EXISTS (SELECT FROM personalize.retained);
		COMMIT;
		PERFORM pg_sleep(0.1);	/* lint: poll interval */
	END LOOP;
END
$$;
SELECT relation, "column", keep_for, rows_swept > 0 AS swept FROM personalize.retention WHERE relation = 'rw.event'::regclass;
BEGIN;
SET LOCAL personalize.purpose = 'backup';
SELECT min(at) > now() - interval '8 days' AS none_older, count(*) > 1000 AS others_there FROM rw.event;
SELECT * FROM rw.invoice ORDER BY 1;
COMMIT;
SELECT personalize.audit_sync();
SELECT status, precision, rows_used > 0 AS rows FROM personalize.usage WHERE relation = 'rw.event'::regclass AND query LIKE '%clock_timestamp%' ORDER BY usage_id LIMIT 1;
SELECT personalize.set_retention('rw.event', 'at', NULL);
SELECT count(*) FROM personalize.retention WHERE relation = 'rw.event'::regclass;
DO $$
BEGIN
	PERFORM personalize.unprotect(t::regclass) FROM unnest('{rw.event,rw.customer,rw.invoice}'::text[]) AS t;
END
$$;
DROP SCHEMA rw CASCADE;
DROP OWNED BY regress_rw_officer, regress_rw_app;
DROP ROLE regress_rw_officer, regress_rw_app;
