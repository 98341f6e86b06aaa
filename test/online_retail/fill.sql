-- From the lines to the tables.  key_offset is added to the numbers of customers.
SET search_path = retail, pg_catalog;
SET ROLE shop_owner;
ANALYZE arrived;
-- a few customers ordered from two countries: the one of most lines
INSERT INTO customers
	SELECT customer::numeric::integer + :key_offset, mode() WITHIN GROUP (ORDER BY country COLLATE "C")
	FROM arrived WHERE customer <> '' GROUP BY 1;
INSERT INTO products
	SELECT stock_code, mode() WITHIN GROUP (ORDER BY description COLLATE "C") FROM arrived GROUP BY 1;
-- an invoice that took some minutes has the first of them
INSERT INTO orders
	SELECT invoice, min(nullif(customer, '')::numeric)::integer + :key_offset, min(invoice_date), min(country COLLATE "C"),
		invoice LIKE 'C%'
	FROM arrived GROUP BY invoice;
INSERT INTO order_lines
	SELECT line_id, invoice, stock_code, nullif(customer, '')::numeric::integer + :key_offset, quantity, unit_price
	FROM arrived;
DROP TABLE arrived;
CREATE INDEX orders_customer ON orders (customer_id);
CREATE INDEX orders_date ON orders (invoice_date);
CREATE INDEX order_lines_customer ON order_lines (customer_id);
CREATE INDEX order_lines_product ON order_lines (stock_code);
CREATE INDEX order_lines_invoice ON order_lines (invoice);
ALTER TABLE orders ADD FOREIGN KEY (customer_id) REFERENCES customers;
ALTER TABLE order_lines ADD FOREIGN KEY (invoice) REFERENCES orders, ADD FOREIGN KEY (stock_code) REFERENCES products,
	ADD FOREIGN KEY (customer_id) REFERENCES customers;
ANALYZE customers, products, orders, order_lines;
RESET ROLE;
GRANT USAGE ON SCHEMA retail TO shop_app, shop_bypass, shop_officer;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA retail TO shop_app, shop_bypass;
