-- Some 6,000 lines of the same shape as the file, the same every time: invoices
-- without a customer, cancellations, customers in two countries, products with
-- two descriptions, prices with three decimals.
INSERT INTO retail.arrived (invoice, stock_code, description, quantity, invoice_date, unit_price, customer, country)
	SELECT CASE WHEN h.a % 50 = 7 THEN 'C' ELSE '' END || 500000 + o,
		'S' || (h.b + line * line * 37) % 150 + 1000,
		CASE WHEN h.c % 40 = 0 THEN NULL ELSE 'ITEM ' || (h.b + line * line * 37) % 150
			|| CASE WHEN h.c % 7 = 0 THEN ' (NEW)' ELSE '' END END,
		(h.c % 24 + 1) * CASE WHEN h.a % 50 = 7 THEN -1 ELSE 1 END,
		timestamp '2010-12-01 08:00' + o * interval '11 minutes' * 24,
		((h.b % 5000)::numeric + line) / CASE WHEN h.c % 90 = 0 THEN 1000 ELSE 100 END,
		CASE WHEN h.a % 4 = 3 THEN NULL ELSE 12000 + (h.a / 4) % 300 || '.0' END,
		CASE WHEN h.a % 100 < 85 THEN 'United Kingdom' WHEN h.a % 2 = 0 THEN 'France' ELSE 'EIRE' END
	FROM generate_series(1, 1500) AS o
		CROSS JOIN LATERAL (SELECT ('x' || substr(md5('a' || o), 1, 7))::bit(28)::integer AS a) AS r
		CROSS JOIN LATERAL generate_series(1, r.a % 7 + 1) AS line
		CROSS JOIN LATERAL (SELECT r.a, ('x' || substr(md5('b' || o || line), 1, 7))::bit(28)::integer AS b,
			('x' || substr(md5('c' || o || line), 1, 7))::bit(28)::integer AS c) AS h
	ORDER BY o, line;
