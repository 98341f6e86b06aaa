-- 300 customers, whose words and names are told by their numbers: everything follows from generate_series().
SET search_path = shop, pg_catalog;
INSERT INTO country VALUES ('DE', 'Germany'), ('FR', 'France'), ('PL', 'Poland');
INSERT INTO product (name, price) SELECT 'product ' || i, i FROM generate_series(1, 20) AS i;
INSERT INTO employee SELECT 9000 + i, 'employee ' || i, 'e' || i || '@shop.example', CASE WHEN i > 1 THEN 9000 + i / 2 END FROM generate_series(1, 7) AS i;
INSERT INTO customer
	SELECT 10000 + i, CASE WHEN i % 10 <> 9 THEN format('c%s@mail.example', i) END, 'Customer ' || i, CASE WHEN i % 7 > 0 THEN date '1950-01-01' + i * 50 END,
		jsonb_build_object('phone', format('+49 %s', 555000 + i), 'likes', jsonb_build_array('product ' || 1 + i % 20)),
		CASE WHEN i % 3 = 0 THEN 10000 + i / 3 END, CASE WHEN i % 2 = 0 THEN 9001 + i % 7 END, timestamptz '2023-01-01 00:00Z' + i * interval '1 day'
	FROM generate_series(1, 300) AS i;
INSERT INTO address (customer_id, country, line, postcode)
	SELECT 10000 + i, (ARRAY['DE', 'FR', 'PL'])[1 + (i + n) % 3], format('Street %s of customer %s', n, i), (10000 + i * 7)::text
	FROM generate_series(1, 300) AS i, generate_series(1, 2) AS n ORDER BY i, n;
INSERT INTO orders (customer_id, ship_to, status, placed_at)
	SELECT 10000 + i, CASE WHEN n = 1 THEN 2 * i END, (enum_range(NULL::order_status))[1 + (i + n) % 4], timestamptz '2023-06-01 00:00Z' + (i + n) * interval '1 day'
	FROM generate_series(1, 300) AS i, generate_series(1, 1 + i % 3) AS n ORDER BY i, n;
INSERT INTO order_line (order_id, line_no, product_id, quantity, price, gift_note)
	SELECT o.order_id, n, 1 + (o.order_id + n * 3) % 20, 1 + n, 5 * n, CASE WHEN n = 1 THEN 'a gift from customer ' || o.customer_id - 10000 END
	FROM orders AS o, generate_series(1, 2 + o.order_id::integer % 2) AS n ORDER BY 1, 2;
INSERT INTO return_request (order_id, line_no, why)
	SELECT o.order_id, 2, format('customer %s says it is broken', o.customer_id - 10000) FROM orders AS o WHERE o.status = 'returned' ORDER BY 1;
INSERT INTO payment (order_id, card_last4, holder, amount)
	SELECT o.order_id, lpad((o.customer_id % 10000)::text, 4, '0'), 'Customer ' || o.customer_id - 10000, 30 FROM orders AS o WHERE o.status <> 'placed' ORDER BY 1;
INSERT INTO shipment SELECT o.order_id, o.placed_at::date + 2, 'Customer ' || o.customer_id - 10000 FROM orders AS o WHERE o.status IN ('shipped', 'returned') ORDER BY 1;
INSERT INTO invoice SELECT 'R' || o.order_id, o.customer_id, o.placed_at::date, 'Customer ' || o.customer_id - 10000, 30 FROM orders AS o WHERE o.status <> 'placed' ORDER BY 1;
INSERT INTO review (product_id, customer_id, stars, words)
	SELECT 1 + i % 20, 10000 + i, 1 + i % 5, format('customer %s liked it', i) FROM generate_series(1, 300) AS i WHERE i % 4 < 2;
INSERT INTO review_answer (review_id, reply_to, customer_id, words)
	SELECT r.review_id, NULL, 10000 + 1 + r.review_id * 7 % 300, format('customer %s does not think so', 1 + r.review_id * 7 % 300) FROM review AS r ORDER BY 1;
INSERT INTO review_answer (review_id, reply_to, customer_id, words)
	SELECT a.review_id, a.answer_id, r.customer_id, format('customer %s stays with it', r.customer_id - 10000)
	FROM review_answer AS a JOIN review AS r USING (review_id) WHERE a.answer_id % 2 = 0 ORDER BY a.answer_id;
INSERT INTO store_member SELECT 1 + i % 3, 500 + i, 'Member ' || i, i FROM generate_series(1, 60) AS i;
INSERT INTO store_visit (tenant, member, visited_at) SELECT tenant, member, timestamptz '2024-01-01 00:00Z' + n * interval '1 day' FROM store_member, generate_series(1, 3) AS n ORDER BY 2, 1, 3;
UPDATE customer SET profile = profile || '{"newsletter": true}' WHERE customer_id % 5 = 0;
RESET search_path;
