-- Customers who bought the product that most customers bought also bought:
-- said by those who agreed.
SET search_path = retail, pg_catalog;
SET ROLE shop_app;
BEGIN;
SET LOCAL personalize.purpose = 'recommendations';
WITH favourite AS (
	SELECT stock_code FROM order_lines WHERE quantity > 0
	GROUP BY stock_code ORDER BY count(DISTINCT customer_id) DESC, stock_code COLLATE "C" LIMIT 1),
buyers AS (
	SELECT DISTINCT customer_id FROM order_lines JOIN favourite USING (stock_code) WHERE quantity > 0)
SELECT p.description, count(DISTINCT l.customer_id) AS customers, (SELECT count(*) FROM buyers) AS of_buyers
	FROM buyers JOIN order_lines AS l USING (customer_id) JOIN products AS p USING (stock_code)
	WHERE l.quantity > 0 AND l.stock_code NOT IN (SELECT stock_code FROM favourite)
	GROUP BY p.stock_code, p.description
	ORDER BY customers DESC, p.stock_code COLLATE "C" LIMIT 5;
COMMIT;
RESET ROLE;
