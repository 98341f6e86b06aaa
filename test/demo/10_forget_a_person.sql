\ir check/begin.psql
\echo '10. Forget a person: everywhere, in one transaction, with a certificate that does not name them.'
\echo
\echo 'First a dry run:'
SET ROLE privacy_officer;
SELECT r.relation, r.action, r.rows FROM jsonb_to_recordset(
	personalize.erase_subject(4, reason => 'request 2026-17', dry_run => true) -> 'relations') AS r (relation text, action text, rows int);
\echo 'Then in earnest:'
\set ECHO none
SELECT personalize.erase_subject(4, reason => 'request 2026-17') AS certificate \gset
\echo 'SELECT personalize.erase_subject(4, reason => ''request 2026-17'') AS certificate;'
SELECT jsonb_pretty(:'certificate'::jsonb - '{certificate_id,erased_at,uses,pending_physical}'::text[]) AS certificate;
\set ECHO queries
RESET ROLE;
SELECT personalize.consent_state(4, 'recommendations');
\set ECHO none
SELECT personalize.consent_state(4, 'recommendations') = 'erased' AS holds \gset
\ir check/holds.psql
\echo 'Nothing is left, not even for a backup:'
BEGIN;
SET LOCAL personalize.purpose = 'backup';
SELECT (SELECT count(*) FROM customers WHERE customer_id = 4) AS customers,
	(SELECT count(*) FROM orders WHERE customer_id = 4) AS orders,
	(SELECT count(*) FROM order_lines WHERE customer_id = 4) AS order_lines;
\set ECHO none
SELECT NOT EXISTS (SELECT FROM customers WHERE customer_id = 4)
	AND NOT EXISTS (SELECT FROM orders WHERE customer_id = 4)
	AND NOT EXISTS (SELECT FROM order_lines WHERE customer_id = 4) AS holds \gset
COMMIT;
\ir check/holds.psql
\set ECHO none
SELECT NOT EXISTS (SELECT FROM personalize.subject WHERE key = '4') AS holds \gset
\ir check/holds.psql
\echo 'An old export that brings the person back does not bring them back into use:'
SET ROLE shop_app;
INSERT INTO customers VALUES (4, 'Dan Adams', 'dan4@example.org', 'France');
BEGIN;
SET LOCAL personalize.purpose = 'order_fulfilment';
SELECT count(*) AS rows_under_the_erased_key FROM customers WHERE customer_id = 4;
\set ECHO none
SELECT count(*) = 0 AS holds FROM customers WHERE customer_id = 4 \gset
ROLLBACK;
\ir check/holds.psql
\echo 'The officer erases it again:'
SET ROLE privacy_officer;
SELECT personalize.erase_subject(4, reason => 'request 2026-17, re-import') -> 'relations' @> '[{"relation": "shop.customers", "rows": 1}]' AS erased_again;
\echo 'The record of use is as it was written all the same; the auditor checks:'
SET ROLE privacy_auditor;
\o /dev/null
SELECT personalize.audit_sync();
\o
SELECT ok, first_bad FROM personalize.verify_audit();
\set ECHO none
SELECT ok AS holds FROM personalize.verify_audit() \gset
\ir check/holds.psql
