\ir check/begin.psql
\echo '9. Who used whose data? Also what was rolled back is on record.'
\echo
SET ROLE shop_app;
BEGIN;
SET LOCAL personalize.purpose = 'recommendations';
SET LOCAL personalize.app_user = 'recommender v2';
SELECT order_id, ordered_on FROM orders WHERE customer_id = 4 ORDER BY order_id;
ROLLBACK;
\echo 'The auditor asks who used data of customer 4, newest first:'
SET ROLE privacy_auditor;
\o /dev/null
SELECT personalize.audit_sync();
\o
SELECT db_role, app_user, purpose, relation_name, status, query
	FROM personalize.usage_of(4) ORDER BY usage_id DESC LIMIT 1;
\set ECHO none
SELECT usage_id, app_user = 'recommender v2' AND relation_name = 'shop.orders' AND subjects_used = 1 AS holds
	FROM personalize.usage_of(4) ORDER BY usage_id DESC LIMIT 1 \gset
\ir check/holds.psql
\echo 'And whose data that statement used:'
\set ECHO none
\echo 'SELECT * FROM personalize.subjects_of(usage_id);'
SELECT * FROM personalize.subjects_of(:usage_id);
SELECT array_agg(subject) = '{4}' AS holds FROM personalize.subjects_of(:usage_id) \gset
\ir check/holds.psql
\echo 'All uses so far, refusals included:'
SELECT purpose, legal_basis, db_role, status, count(*) AS uses FROM personalize.usage
	GROUP BY purpose, legal_basis, db_role, status
	ORDER BY purpose COLLATE "C", db_role::text COLLATE "C", status COLLATE "C";
\set ECHO none
SELECT count(*) FILTER (WHERE status = 'refused') = 4 AND count(*) FILTER (WHERE status = 'ended') = 13 AS holds FROM personalize.usage \gset
\ir check/holds.psql
