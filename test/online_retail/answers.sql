-- What customers say, as it comes from elsewhere; drawn by a digest of their
-- numbers, so always the same: of 100 customers 66 agree to recommendations and
-- 6 of those take it back, 20 refuse, 14 say nothing; 10 object to analytics.
-- 60 in 100 remain.
CREATE TABLE retail.answers AS
	SELECT customer_id AS subject, v.purpose, v.action, 'online-retail-1' AS notice
	FROM (SELECT customer_id,
			('x' || substr(md5('recommendations' || customer_id - :key_offset), 1, 7))::bit(28)::integer % 100 AS r,
			('x' || substr(md5('analytics' || customer_id - :key_offset), 1, 7))::bit(28)::integer % 100 AS a
		FROM retail.customers) AS people
	CROSS JOIN LATERAL (VALUES
		(1, 'recommendations', CASE WHEN r < 66 THEN 'given' WHEN r < 86 THEN 'refused' END),
		(2, 'recommendations', CASE WHEN r < 6 THEN 'withdrawn' END),
		(3, 'analytics', CASE WHEN a < 10 THEN 'objected' END)) AS v (no, purpose, action)
	WHERE v.action IS NOT NULL
	ORDER BY v.no, customer_id;
GRANT SELECT ON retail.answers TO shop_app;
