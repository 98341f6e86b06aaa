-- What is compared with: who is permitted, read from the ledger by hand, and
-- the unprotected copies joined with that.
CREATE SCHEMA oracle;

-- the last word of each customer on each purpose
CREATE VIEW oracle.last_word AS
	SELECT DISTINCT ON (e.subject_no, e.purpose_id) s.key::integer AS customer_id, p.name AS purpose, p.legal_basis,
		e.action, e.expires_at
	FROM personalize.consent_event AS e
		JOIN personalize.subject AS s ON s.subject_no = e.subject_no AND s.key IS NOT NULL
		JOIN personalize.registry_purpose AS p ON p.purpose_id = e.purpose_id
	ORDER BY e.subject_no, e.purpose_id, e.event_id DESC;
-- customers whose data may not be processed at all: purpose 0
CREATE VIEW oracle.restricted AS
	SELECT x.customer_id
	FROM (SELECT DISTINCT ON (e.subject_no) s.key::integer AS customer_id, e.action
		FROM personalize.consent_event AS e JOIN personalize.subject AS s USING (subject_no)
		WHERE e.purpose_id = 0 AND s.key IS NOT NULL ORDER BY e.subject_no, e.event_id DESC) AS x
	WHERE x.action = 'restricted';
CREATE VIEW oracle.permitted_now AS
	SELECT c.customer_id, p.name AS purpose
	FROM plain.customers AS c
		CROSS JOIN personalize.registry_purpose AS p
		LEFT JOIN oracle.last_word AS w ON w.customer_id = c.customer_id AND w.purpose = p.name
	WHERE NOT p.builtin
		AND c.customer_id NOT IN (SELECT customer_id FROM oracle.restricted)
		AND CASE p.legal_basis
			WHEN 'consent' THEN coalesce(w.action = 'given' AND coalesce(w.expires_at, 'infinity') > clock_timestamp(), false)
			WHEN 'legitimate_interest' THEN coalesce(w.action, '') NOT IN ('objected', 'withdrawn', 'refused')
			ELSE true END;

-- taken anew by oracle_take.sql
CREATE TABLE oracle.permitted (customer_id integer, purpose text, PRIMARY KEY (purpose, customer_id));
CREATE VIEW oracle.customers AS
	SELECT t.* FROM plain.customers AS t
		JOIN oracle.permitted AS p ON p.customer_id = t.customer_id AND p.purpose = current_setting('oracle.purpose');
CREATE VIEW oracle.orders AS
	SELECT t.* FROM plain.orders AS t
		JOIN oracle.permitted AS p ON p.customer_id = t.customer_id AND p.purpose = current_setting('oracle.purpose');
CREATE VIEW oracle.order_lines AS
	SELECT t.* FROM plain.order_lines AS t
		JOIN oracle.permitted AS p ON p.customer_id = t.customer_id AND p.purpose = current_setting('oracle.purpose');
CREATE VIEW oracle.products AS SELECT * FROM retail.products;
-- a view of another owner, asked by everybody
CREATE VIEW retail.big_lines AS SELECT * FROM retail.order_lines WHERE quantity >= 10;
CREATE VIEW oracle.big_lines AS SELECT * FROM oracle.order_lines WHERE quantity >= 10;
ALTER VIEW retail.big_lines OWNER TO shop_owner;
GRANT SELECT ON retail.big_lines TO shop_app, shop_bypass;

-- Statements whose subjects are compared with the record of use.  expected gives
-- the customers whose rows were delivered; exact: and nobody else may be there.
CREATE TABLE oracle.statement (
	name text PRIMARY KEY, relation text NOT NULL, exact boolean NOT NULL, query text NOT NULL, expected text NOT NULL);
INSERT INTO oracle.statement
	SELECT name, 'retail.' || relation, true, format('SELECT %s FROM %I WHERE %s', list, relation, condition),
		format('SELECT customer_id FROM oracle.%I WHERE %s', relation, condition)
	FROM (VALUES
		('all', 'order_lines', 'count(*)', 'true'),
		('rows', 'customers', '*', 'true'),
		('like', 'orders', 'count(*)', $$invoice LIKE 'C%'$$),
		('not like', 'orders', '*', $$invoice NOT LIKE '%1'$$),
		('regular expression', 'customers', '*', $$country ~ '^(E|F)'$$),
		('numeric', 'order_lines', 'line_id', 'unit_price > 3.95'),
		('numeric range', 'order_lines', 'sum(quantity * unit_price)', 'unit_price BETWEEN 0.85 AND 0.95 AND quantity >= 20'),
		('date', 'orders', 'invoice', $$invoice_date < '2011-02-01'$$),
		('date part', 'orders', 'count(*)', 'extract(dow FROM invoice_date) = 4'),
		('equal', 'customers', '*', $$country = 'France'$$),
		('in list', 'customers', 'count(*)', $$country IN ('EIRE', 'France')$$),
		('not, or', 'orders', 'count(*)', $$NOT (country = 'United Kingdom' OR cancelled)$$),
		('subject column', 'customers', 'customer_id', 'customer_id % 17 = 3'),
		('one product', 'order_lines', 'quantity', $$stock_code = (SELECT min(stock_code COLLATE "C") FROM retail.products)$$),
		('nobody', 'order_lines', '*', 'quantity = 1234567')
	) AS v (name, relation, list, condition);
INSERT INTO oracle.statement VALUES
	('group by', 'retail.orders', true, 'SELECT country, count(*) FROM orders GROUP BY country',
		'SELECT customer_id FROM oracle.orders'),
	('distinct', 'retail.orders', true, 'SELECT DISTINCT country FROM orders WHERE cancelled',
		'SELECT customer_id FROM oracle.orders WHERE cancelled'),
	('window', 'retail.orders', true, 'SELECT rank() OVER (ORDER BY invoice_date) FROM orders',
		'SELECT customer_id FROM oracle.orders'),
	('order by', 'retail.customers', true, $$SELECT * FROM customers WHERE country <> 'Spain' ORDER BY country$$,
		$$SELECT customer_id FROM oracle.customers WHERE country <> 'Spain'$$),
	('view', 'retail.order_lines', true, 'SELECT count(*) FROM big_lines', 'SELECT customer_id FROM oracle.big_lines'),
	('having', 'retail.orders', false, 'SELECT customer_id, count(*) FROM orders GROUP BY customer_id HAVING count(*) >= 4',
		'SELECT customer_id FROM oracle.orders GROUP BY customer_id HAVING count(*) >= 4'),
	('limit', 'retail.order_lines', false, 'SELECT line_id FROM order_lines ORDER BY quantity DESC, line_id LIMIT 30',
		'SELECT customer_id FROM (SELECT customer_id FROM oracle.order_lines ORDER BY quantity DESC, line_id LIMIT 30) AS x'),
	('join', 'retail.orders', false, 'SELECT count(*) FROM orders JOIN order_lines USING (invoice) WHERE quantity > 15',
		'SELECT o.customer_id FROM oracle.orders AS o JOIN oracle.order_lines AS l USING (invoice) WHERE quantity > 15'),
	('join of 3', 'retail.order_lines', false,
		$$SELECT c.country, sum(l.quantity) FROM customers AS c JOIN orders AS o USING (customer_id)
			JOIN order_lines AS l USING (invoice) WHERE c.country = 'EIRE' GROUP BY c.country$$,
		$$SELECT l.customer_id FROM oracle.customers AS c JOIN oracle.orders AS o USING (customer_id)
			JOIN oracle.order_lines AS l USING (invoice) WHERE c.country = 'EIRE'$$),
	('exists', 'retail.customers', false,
		'SELECT customer_id FROM customers AS c WHERE EXISTS (SELECT FROM orders AS o WHERE o.customer_id = c.customer_id AND cancelled)',
		'SELECT customer_id FROM oracle.customers JOIN oracle.orders USING (customer_id) WHERE cancelled'),
	('left join', 'retail.order_lines', false,
		'SELECT p.stock_code, sum(l.quantity) FROM products AS p LEFT JOIN order_lines AS l
			ON l.stock_code = p.stock_code AND l.quantity > 20 GROUP BY p.stock_code',
		'SELECT customer_id FROM oracle.order_lines WHERE quantity > 20'),
	('union', 'retail.customers', false,
		$$SELECT customer_id FROM customers WHERE country = 'France' UNION SELECT customer_id FROM orders WHERE country = 'EIRE'$$,
		$$SELECT customer_id FROM oracle.customers WHERE country = 'France'$$),
	('common table expression', 'retail.order_lines', false,
		'WITH x AS MATERIALIZED (SELECT customer_id, sum(quantity) AS n FROM order_lines GROUP BY 1) SELECT count(*) FROM x WHERE n > 50',
		'SELECT customer_id FROM oracle.order_lines GROUP BY 1 HAVING sum(quantity) > 50'),
	('correlated', 'retail.orders', false,
		$$SELECT c.customer_id, (SELECT max(invoice_date) FROM orders AS o WHERE o.customer_id = c.customer_id)
			FROM customers AS c WHERE c.country = 'EIRE'$$,
		$$SELECT o.customer_id FROM oracle.orders AS o JOIN oracle.customers AS c USING (customer_id) WHERE c.country = 'EIRE'$$);
CREATE TABLE oracle.delivered (name text, customer_id integer);
