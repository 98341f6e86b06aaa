\ir check/begin.psql
\echo '4. People say yes or no. The application records it.'
\echo
SET ROLE shop_app;
SELECT personalize.grant_consent(1, 'recommendations', notice => 'shop-privacy-2026-01', method => 'account page') AS event;
SELECT personalize.refuse_consent(2, 'recommendations', notice => 'shop-privacy-2026-01', method => 'account page') AS event;
\echo 'Many at once, from a table; customers 33 to 40 were never asked:'
CREATE TEMP TABLE answers AS
	SELECT i AS subject, 'recommendations' AS purpose, CASE WHEN i % 4 = 3 THEN 'refused' ELSE 'given' END AS action,
		'shop-privacy-2026-01' AS notice
	FROM generate_series(3, 32) AS i;
SELECT personalize.record_consents('answers');
SELECT state, count(*) FROM personalize.consent WHERE purpose = 'recommendations' GROUP BY state ORDER BY state COLLATE "C";
\set ECHO none
SELECT count(*) = 23 AS holds FROM personalize.consent WHERE purpose = 'recommendations' AND permitted \gset
\ir check/holds.psql
