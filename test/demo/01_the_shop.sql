\ir check/begin.psql
\echo '1. A shop: customers, orders and what was in them.'
\echo
\set ECHO none
CREATE ROLE shop_owner;
CREATE ROLE shop_app;
CREATE ROLE privacy_officer;
CREATE ROLE privacy_auditor;
CREATE SCHEMA shop AUTHORIZATION shop_owner;
GRANT USAGE ON SCHEMA shop TO shop_app, privacy_officer;
ALTER DATABASE demo SET search_path = shop, public;
SET search_path = shop;
SET ROLE shop_owner;
\set ECHO queries
CREATE TABLE products (product_id int PRIMARY KEY, title text NOT NULL);
CREATE TABLE customers (customer_id int PRIMARY KEY, name text NOT NULL, email text NOT NULL, country text NOT NULL);
CREATE TABLE orders (order_id int PRIMARY KEY, customer_id int NOT NULL REFERENCES customers, ordered_on date NOT NULL);
CREATE TABLE order_lines (order_id int REFERENCES orders, product_id int REFERENCES products,
	customer_id int NOT NULL REFERENCES customers, quantity int NOT NULL, PRIMARY KEY (order_id, product_id));
\set ECHO none
CREATE INDEX ON orders (customer_id);
CREATE INDEX ON order_lines (customer_id);
CREATE INDEX ON order_lines (product_id);
INSERT INTO products VALUES (1, 'tea light holder'), (2, 'metal lantern'), (3, 'cream cupid hangers'), (4, 'union flag hot water bottle'),
	(5, 'red woolly hottie'), (6, 'nesting boxes'), (7, 'frosted glass star'), (8, 'hand warmer');
INSERT INTO customers
	SELECT i, n.first || ' ' || l.last, lower(n.first) || i || '@example.org', CASE WHEN i % 4 = 0 THEN 'France' ELSE 'United Kingdom' END
	FROM generate_series(1, 40) AS i
		JOIN unnest('{Ada,Ben,Cleo,Dan,Eve,Fay,Gus,Hana,Ivo,Jo}'::text[]) WITH ORDINALITY AS n (first, no) ON n.no = (i - 1) % 10 + 1
		JOIN unnest('{Adams,Brown,Clark,Davis}'::text[]) WITH ORDINALITY AS l (last, no) ON l.no = (i - 1) / 10 + 1;
INSERT INTO orders
	SELECT i, (i * 7) % 40 + 1, date '2026-01-01' + i FROM generate_series(1, 120) AS i;
INSERT INTO order_lines
	SELECT o.order_id, p.product_id, o.customer_id, (o.order_id + p.product_id) % 3 + 1
	FROM orders AS o JOIN products AS p ON (o.order_id * 5 + o.customer_id * p.product_id) % 8 < 9 - p.product_id;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA shop TO shop_app;
ANALYZE products, customers, orders, order_lines;
\set ECHO queries
SELECT (SELECT count(*) FROM customers) AS customers, (SELECT count(*) FROM orders) AS orders,
	(SELECT count(*) FROM order_lines) AS order_lines;
\echo 'Customers who bought product 1 also bought:'
CREATE VIEW also_bought AS
	SELECT mine.product_id, p.title, count(DISTINCT other.customer_id) AS customers
	FROM order_lines AS mine
		JOIN order_lines AS other ON other.customer_id = mine.customer_id AND other.product_id <> mine.product_id
		JOIN products AS p ON p.product_id = other.product_id
	GROUP BY mine.product_id, p.title;
SELECT title, customers FROM also_bought WHERE product_id = 1 ORDER BY customers DESC, title COLLATE "C" LIMIT 3;
GRANT SELECT ON also_bought TO shop_app;
