-- Copies that stay unprotected, to compare with.  Only a check wants these.
CREATE SCHEMA plain;
CREATE TABLE plain.customers AS TABLE retail.customers;
CREATE TABLE plain.orders AS TABLE retail.orders;
CREATE TABLE plain.order_lines AS TABLE retail.order_lines;
CREATE INDEX ON plain.orders (customer_id);
CREATE INDEX ON plain.order_lines (customer_id);
CREATE INDEX ON plain.order_lines (stock_code);
CREATE INDEX ON plain.order_lines (invoice);
ANALYZE plain.customers, plain.orders, plain.order_lines;
