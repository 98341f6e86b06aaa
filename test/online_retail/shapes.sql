-- Queries of many shapes, each to a file of its own: once as the shop asks them
-- (search_path retail), once of the copies joined with the oracle.
\pset tuples_only on
\pset format unaligned
\pset null '<null>'
SET search_path = :schema, pg_catalog;
SET client_min_messages = error;
SET oracle.purpose = :'purpose';
SELECT nullif(:'role', '') IS NOT NULL AS as_role \gset
\if :as_role
	SET ROLE :role;
\endif
BEGIN;
SELECT set_config('personalize.purpose', :'purpose', true) \g /dev/null

\o :out/count
SELECT count(*) FROM order_lines;
\o :out/sum
SELECT sum(quantity), sum(quantity * unit_price), min(customer_id), max(customer_id) FROM order_lines;
\o :out/subject_column_only
SELECT customer_id FROM customers ORDER BY customer_id;
\o :out/group_by
SELECT country, count(*), count(DISTINCT customer_id) FROM orders GROUP BY country ORDER BY country COLLATE "C";
\o :out/join_of_2
SELECT o.cancelled, sum(l.quantity) FROM orders AS o JOIN order_lines AS l USING (invoice) GROUP BY o.cancelled ORDER BY 1;
\o :out/join_of_4
SELECT c.country, p.stock_code, sum(l.quantity)
	FROM customers AS c JOIN orders AS o USING (customer_id) JOIN order_lines AS l USING (invoice) JOIN products AS p USING (stock_code)
	WHERE o.invoice_date >= '2011-03-01' GROUP BY c.country, p.stock_code ORDER BY c.country COLLATE "C", p.stock_code COLLATE "C";
\o :out/left_join
SELECT p.stock_code, count(l.line_id), sum(l.quantity) FROM products AS p LEFT JOIN order_lines AS l ON l.stock_code = p.stock_code AND l.quantity > 20
	GROUP BY p.stock_code ORDER BY p.stock_code COLLATE "C";
\o :out/full_join
SELECT count(*), count(c.customer_id), count(o.customer_id) FROM customers AS c FULL JOIN
	(SELECT DISTINCT customer_id FROM orders WHERE invoice_date >= '2011-06-01') AS o USING (customer_id);
\o :out/exists
SELECT c.customer_id FROM customers AS c
	WHERE EXISTS (SELECT FROM orders AS o WHERE o.customer_id = c.customer_id AND o.cancelled) ORDER BY 1;
\o :out/not_exists
SELECT p.stock_code FROM products AS p
	WHERE NOT EXISTS (SELECT FROM order_lines AS l WHERE l.stock_code = p.stock_code AND l.quantity >= 23) ORDER BY stock_code COLLATE "C";
\o :out/in_subselect
SELECT count(*), sum(quantity) FROM order_lines WHERE stock_code IN
	(SELECT stock_code FROM order_lines GROUP BY stock_code HAVING count(DISTINCT customer_id) > 15);
\o :out/not_in
SELECT count(*) FROM products WHERE stock_code NOT IN (SELECT stock_code FROM order_lines WHERE quantity >= 23);
\o :out/cte
WITH spent AS MATERIALIZED (SELECT customer_id, sum(quantity * unit_price) AS total FROM order_lines GROUP BY customer_id)
	SELECT c.country, count(*), round(avg(s.total), 4) FROM spent AS s JOIN customers AS c USING (customer_id)
	GROUP BY c.country ORDER BY c.country COLLATE "C";
\o :out/cte_recursive
WITH RECURSIVE days (d) AS (
	SELECT min(invoice_date)::date FROM orders
	UNION ALL
	SELECT d + 30 FROM days WHERE d < (SELECT max(invoice_date)::date FROM orders))
	SELECT d, (SELECT count(*) FROM orders WHERE invoice_date >= d AND invoice_date < d + 30) FROM days ORDER BY d;
\o :out/window
SELECT customer_id, invoice, rank() OVER (PARTITION BY customer_id ORDER BY invoice_date DESC, invoice COLLATE "C"),
	count(*) OVER (PARTITION BY country) FROM orders ORDER BY customer_id, 3, invoice COLLATE "C";
\o :out/distinct
SELECT DISTINCT customer_id, country FROM orders ORDER BY customer_id, country;
\o :out/distinct_on
SELECT DISTINCT ON (customer_id) customer_id, invoice, invoice_date FROM orders ORDER BY customer_id, invoice_date DESC, invoice COLLATE "C";
\o :out/order_by_limit
SELECT line_id, customer_id, quantity FROM order_lines ORDER BY quantity DESC, line_id LIMIT 40;
\o :out/order_by_offset
SELECT customer_id, country FROM customers ORDER BY country COLLATE "C" DESC, customer_id OFFSET 10 LIMIT 20;
\o :out/limit_of_group
SELECT stock_code, count(DISTINCT customer_id) FROM order_lines GROUP BY stock_code ORDER BY 2 DESC, stock_code COLLATE "C" LIMIT 10;
\o :out/union
SELECT customer_id, country FROM customers UNION SELECT customer_id, stock_code FROM order_lines WHERE quantity > 20 ORDER BY 1, 2;
\o :out/union_all
SELECT count(*) FROM (SELECT customer_id FROM orders UNION ALL SELECT customer_id FROM order_lines) AS u;
\o :out/except
SELECT customer_id FROM customers EXCEPT SELECT customer_id FROM orders WHERE invoice_date < '2011-04-01' ORDER BY 1;
\o :out/intersect
SELECT customer_id FROM orders WHERE cancelled INTERSECT SELECT customer_id FROM order_lines WHERE unit_price > 2 ORDER BY 1;
\o :out/correlated_subselect
SELECT c.customer_id, (SELECT max(o.invoice_date) FROM orders AS o WHERE o.customer_id = c.customer_id) FROM customers AS c ORDER BY 1;
\o :out/lateral
SELECT c.customer_id, x.invoice FROM customers AS c CROSS JOIN LATERAL
	(SELECT invoice FROM orders AS o WHERE o.customer_id = c.customer_id ORDER BY invoice_date, invoice COLLATE "C" LIMIT 2) AS x
	ORDER BY 1, invoice COLLATE "C";
\o :out/having
SELECT customer_id, count(*) FROM orders GROUP BY customer_id HAVING count(*) >= 3 ORDER BY 1;
\o :out/grouping_sets
SELECT country, cancelled, count(*) FROM orders GROUP BY ROLLUP (country, cancelled) ORDER BY country COLLATE "C" NULLS LAST, cancelled NULLS LAST;
\o :out/self_join
SELECT count(*) FROM (SELECT DISTINCT a.customer_id, b.stock_code FROM order_lines AS a JOIN order_lines AS b USING (customer_id)
	WHERE a.quantity > 20 AND b.quantity > 20) AS pairs;
\o :out/like
SELECT count(*), count(DISTINCT customer_id) FROM orders WHERE invoice LIKE 'C%';
\o :out/numeric
SELECT count(*), sum(unit_price) FROM order_lines WHERE unit_price BETWEEN 1.25 AND 4.95 AND quantity <> 1;
\o :out/dates
SELECT date_trunc('month', invoice_date), count(*) FROM orders WHERE invoice_date >= '2011-01-01' AND invoice_date < '2011-07-01' GROUP BY 1 ORDER BY 1;
\o :out/subject_is_null
SELECT count(*) FROM order_lines WHERE customer_id IS NULL OR customer_id > 0;
\o :out/view
SELECT count(*), sum(quantity) FROM big_lines;
\o :out/whole_row
SELECT c FROM customers AS c ORDER BY customer_id LIMIT 50;
\o :out/prepared
PREPARE of_product (text) AS SELECT count(*), count(DISTINCT customer_id) FROM order_lines WHERE stock_code = $1;
SET LOCAL plan_cache_mode = force_generic_plan;
SELECT min(stock_code COLLATE "C") AS code FROM products \gset
EXECUTE of_product(:'code');
SELECT max(stock_code COLLATE "C") AS code FROM products \gset
EXECUTE of_product(:'code');
\o :out/cursor
DECLARE part CURSOR FOR SELECT customer_id, country FROM customers ORDER BY customer_id;
MOVE 5 FROM part;
FETCH 25 FROM part;
CLOSE part;
\o :out/copy
COPY (SELECT customer_id, country FROM customers ORDER BY customer_id) TO STDOUT;
\o :out/also_bought
WITH buyers AS (SELECT DISTINCT customer_id FROM order_lines WHERE stock_code =
		(SELECT stock_code FROM order_lines GROUP BY stock_code ORDER BY count(DISTINCT customer_id) DESC, stock_code COLLATE "C" LIMIT 1))
	SELECT l.stock_code, count(DISTINCT l.customer_id) FROM buyers JOIN order_lines AS l USING (customer_id)
	GROUP BY l.stock_code ORDER BY 2 DESC, l.stock_code COLLATE "C" LIMIT 20;
\o
COMMIT;
