-- The tables of the shop, and where its lines arrive.
CREATE SCHEMA retail AUTHORIZATION shop_owner;
SET search_path = retail, pg_catalog;
SET ROLE shop_owner;

-- as in the file, all text but what is always a number
CREATE UNLOGGED TABLE arrived (
	line_id bigint GENERATED ALWAYS AS IDENTITY,
	invoice text NOT NULL,
	stock_code text NOT NULL,
	description text,
	quantity integer NOT NULL,
	invoice_date timestamp NOT NULL,
	unit_price numeric NOT NULL,
	customer text,
	country text NOT NULL
);

-- foreign keys come after the rows
CREATE TABLE customers (
	customer_id integer PRIMARY KEY,
	country text NOT NULL
);
CREATE TABLE products (
	stock_code text PRIMARY KEY,
	description text
);
CREATE TABLE orders (
	invoice text PRIMARY KEY,
	customer_id integer,
	invoice_date timestamp NOT NULL,
	country text NOT NULL,
	cancelled boolean NOT NULL
);
-- every line names its customer itself: that is its subject column
CREATE TABLE order_lines (
	line_id bigint PRIMARY KEY,
	invoice text NOT NULL,
	stock_code text NOT NULL,
	customer_id integer,
	quantity integer NOT NULL,
	unit_price numeric(10,3) NOT NULL
);
RESET ROLE;
