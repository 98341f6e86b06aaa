\ir check/begin.psql
\echo '8. A withdrawal binds every statement that starts after it: prepared plans and open transactions, too.'
\echo
SET ROLE shop_app;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SET LOCAL personalize.purpose = 'recommendations';
PREPARE people AS SELECT count(DISTINCT customer_id) AS customers, bool_or(customer_id = 1) AS with_customer_1 FROM orders;
EXECUTE people;
\echo 'Meanwhile, in another session: SELECT personalize.withdraw_consent(1, ''recommendations'');'
\echo
\set event `psql -X -q -At -d demo -c "SET ROLE shop_app" -c "SELECT personalize.withdraw_consent(1, 'recommendations')"`
EXECUTE people;
\set ECHO none
EXECUTE people \gset
SELECT :customers = 22 AND NOT :'with_customer_1'::boolean AS holds \gset
\ir check/holds.psql
COMMIT;
\echo 'Nothing was deleted: the ledger keeps what was said.'
RESET ROLE;
SELECT e.action, e.notice, e.method, e.recorded_as FROM personalize.consent_event AS e
	JOIN personalize.subject AS s USING (subject_no)
	JOIN personalize.registry_purpose AS p USING (purpose_id)
	WHERE s.key = '1' AND p.name = 'recommendations' ORDER BY e.event_id;
