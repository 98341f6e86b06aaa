-- Runs each statement as the application, named in personalize.context, half of
-- them rolled back; then whose data it used must be what the oracle says.
-- Prints name, exact or at least, digest of the record, digest of the oracle.
\pset tuples_only on
\pset format unaligned
SET search_path = retail, pg_catalog;
SET oracle.purpose = 'recommendations';
SET client_min_messages = error;
SELECT 'run ' || gen_random_uuid() || ': ' AS run \gset
\o /dev/null
SELECT 'BEGIN', 'SET LOCAL ROLE shop_app', 'SET LOCAL personalize.purpose = ''recommendations''',
		format('SET LOCAL personalize.context = %L', :'run' || name), query,
		CASE WHEN row_number() OVER (ORDER BY name) % 2 = 0 THEN 'ROLLBACK' ELSE 'COMMIT' END
	FROM oracle.statement ORDER BY name \gexec
TRUNCATE oracle.delivered;
SELECT format('INSERT INTO oracle.delivered SELECT DISTINCT %L, x.customer_id FROM (%s) AS x', name, expected)
	FROM oracle.statement ORDER BY name \gexec
SELECT personalize.audit_sync();
\o
WITH used AS MATERIALIZED (
	SELECT s.name, s.exact, u.usage_id, u.precision, u.status
	FROM oracle.statement AS s LEFT JOIN personalize.usage AS u
		ON u.context = :'run' || s.name AND u.relation_name = s.relation),
subjects AS MATERIALIZED (
	SELECT used.name, x.subject::integer AS customer_id
	FROM used CROSS JOIN LATERAL personalize.subjects_of(used.usage_id) AS x)
SELECT s.name, CASE WHEN s.exact THEN 'equal' ELSE 'contains' END,
	count(u.usage_id) = 1 AND min(u.status) = 'ended'
		AND NOT EXISTS (SELECT d.customer_id FROM oracle.delivered AS d WHERE d.name = s.name
			EXCEPT SELECT x.customer_id FROM subjects AS x WHERE x.name = s.name)
		AND (NOT s.exact OR NOT EXISTS (SELECT x.customer_id FROM subjects AS x WHERE x.name = s.name
			EXCEPT SELECT d.customer_id FROM oracle.delivered AS d WHERE d.name = s.name))
		-- whatever was used was permitted
		AND NOT EXISTS (SELECT x.customer_id FROM subjects AS x WHERE x.name = s.name
			EXCEPT SELECT p.customer_id FROM oracle.permitted AS p WHERE p.purpose = 'recommendations'),
	(SELECT left(md5(coalesce(string_agg(x.customer_id::text, ',' ORDER BY x.customer_id), '')), 12) || '/' || count(*)
		FROM subjects AS x WHERE x.name = s.name),
	(SELECT left(md5(coalesce(string_agg(d.customer_id::text, ',' ORDER BY d.customer_id), '')), 12) || '/' || count(*)
		FROM oracle.delivered AS d WHERE d.name = s.name),
	coalesce(string_agg(u.precision, ','), 'not on record')
	FROM oracle.statement AS s LEFT JOIN used AS u USING (name)
	GROUP BY s.name, s.exact ORDER BY s.name COLLATE "C";
