-- A shop, whose lines, payments and shipments lead to the customer by their order: every right, and the rows of others as they were.
SET client_min_messages = error;
\pset format unaligned
\set SHOW_CONTEXT never
\getenv abs_srcdir PG_ABS_SRCDIR
\set schema :abs_srcdir '/schemas/shop/schema.sql'
\set fill :abs_srcdir '/schemas/shop/fill.sql'
\set protect :abs_srcdir '/schemas/shop/protect.sql'
CREATE ROLE regress_shop_app;
CREATE ROLE regress_shop_officer;
\set ECHO none
\i :schema
\i :fill
\o /dev/null
\i :protect
\o
\set ECHO all
SELECT personalize.assign_duty('regress_shop_app', 'app'), personalize.assign_duty('regress_shop_officer', 'officer');
GRANT USAGE ON SCHEMA shop TO regress_shop_app, regress_shop_officer;
GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA shop TO regress_shop_app;

\echo == customers speak
SET ROLE regress_shop_app;
SELECT count(personalize.grant_consent(10000 + i, 'shop_advice', notice => 'v3', method => 'form', evidence => jsonb_build_object('ip', '192.0.2.' || i % 250), kind => 'shop_customer')) AS yes
	FROM generate_series(1, 300) AS i WHERE i % 2 = 0;
SELECT count(personalize.grant_consent(10000 + i, 'shop_newsletter', notice => 'v3', method => 'form', kind => 'shop_customer')) AS yes
	FROM generate_series(1, 300) AS i WHERE i % 6 = 0;
SELECT count(personalize.object_to(10000 + i, 'shop_statistics', kind => 'shop_customer')) AS objections FROM generate_series(1, 300) AS i WHERE i % 25 = 1;

\echo == and are used for what they agreed to only
BEGIN;
SET LOCAL personalize.purpose = 'shop_advice';
SET LOCAL personalize.context = 'others bought it, too';
SELECT count(*) AS orders, count(DISTINCT customer_id) AS customers, bool_and(customer_id % 2 = 0) AS they_agreed FROM shop.orders;
SELECT count(*) AS lines, sum(total) AS total FROM shop.order_line;
SELECT l2.product_id, count(*) FROM shop.order_line AS l1 JOIN shop.order_line AS l2 USING (order_id) WHERE l1.product_id = 7 AND l2.product_id <> 7 GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 3;
SELECT count(email) FROM shop.customer;
ROLLBACK;
/* the lines of orders follow the customer of the order, as joined by hand */
BEGIN;
SET LOCAL personalize.purpose = 'shop_statistics';
SELECT count(*) AS lines, sum(quantity) AS quantity, (SELECT count(*) FROM shop.return_request) AS returns, (SELECT count(amount) FROM shop.payment) AS payments FROM shop.order_line;
COMMIT;
RESET ROLE;
BEGIN;
SET LOCAL personalize.purpose = 'backup';
SELECT count(*) AS lines, sum(quantity) AS quantity,
		(SELECT count(*) FROM shop.return_request JOIN shop.orders USING (order_id) WHERE customer_id % 25 <> 1) AS returns,
		(SELECT count(*) FROM shop.payment JOIN shop.orders USING (order_id) WHERE customer_id % 25 <> 1) AS payments
	FROM shop.order_line JOIN shop.orders USING (order_id) WHERE customer_id % 25 <> 1;
COMMIT;
SET ROLE regress_shop_app;
BEGIN;
SET LOCAL personalize.purpose = 'shop_delivery';
SELECT c.full_name, a.line, l.quantity, s.shipped_on, s.signed_by, p.holder
	FROM shop.customer AS c JOIN shop.orders AS o USING (customer_id) LEFT JOIN shop.address AS a ON a.address_id = o.ship_to
		JOIN shop.order_line AS l USING (order_id) LEFT JOIN shop.shipment AS s USING (order_id) LEFT JOIN shop.payment AS p USING (order_id)
	WHERE c.customer_id = 10020 AND l.line_no = 1 ORDER BY o.order_id;
COMMIT;
/* a view names what it names: words of the newsletter's purpose are not in it */
BEGIN;
SET LOCAL personalize.purpose = 'shop_newsletter';
SELECT count(*) FROM shop.sales;
ROLLBACK;
RESET ROLE;

\echo == access: all about customer 10020, by every path, and nobody else
SET ROLE regress_shop_officer;
SELECT r.relation, r.data - 'changed_at' AS data FROM personalize.export_rows(10020, 'shop_customer') AS r ORDER BY r.relation COLLATE "C", r.data::text COLLATE "C";
SELECT d.value ->> 'relation' AS relation, jsonb_array_length(d.value -> 'rows') AS rows, d.value -> 'columns' -> 'email' AS email
	FROM jsonb_array_elements(personalize.export_subject(10020, 'shop_customer') -> 'data') AS d ORDER BY d.value ->> 'relation' COLLATE "C";
SELECT DISTINCT u.value ->> 'purpose' AS purpose, u.value ->> 'relation' AS relation, u.value ->> 'explanation' AS explanation
	FROM jsonb_array_elements(personalize.export_subject(10020, 'shop_customer') -> 'uses') AS u WHERE u.value ->> 'purpose' IN ('shop_advice', 'shop_delivery') ORDER BY 1, 2, 3;
SELECT * FROM personalize.export_csv(10020, 'shop.order_line', 'shop_customer');
SELECT r.relation, r.data FROM personalize.export_rows(ARRAY[1, 503]::text, 'shop_member') AS r ORDER BY 1, 2;

\echo == rectification, with who must be told, and restriction
SELECT personalize.rectify_subject(10020, 'shop.customer', '{"full_name": "Customer Twenty"}', 'shop_customer') - 'rectification_id' AS corrected;
SELECT relation_name, columns, recipient FROM personalize.notifications WHERE relation_name LIKE 'shop.%';
SELECT personalize.restrict_processing(10012, 'disputed', 'shop_customer') IS NOT NULL AS restricted;
SELECT d.permitted, d.reason LIKE 'No: processing%restricted%' AS says_why FROM personalize.decide(10012, 'shop_delivery', 'shop_customer') AS d;
SELECT personalize.lift_restriction(10012, 'settled', 'shop_customer') IS NOT NULL AS lifted;

\echo == erasure: asked for, taken back, asked for again
SELECT personalize.open_request(10020, 'erasure', kind => 'shop_customer') AS request \gset
SELECT personalize.request_erasure(10020, 'letter 17', '7 days', 'shop_customer') AS asked \gset
RESET ROLE;
SET ROLE regress_shop_app;
BEGIN;
SET LOCAL personalize.purpose = 'shop_delivery';
SELECT count(*) AS hidden_at_once FROM shop.order_line AS l JOIN shop.orders USING (order_id) WHERE customer_id = 10020;
COMMIT;
RESET ROLE;
SET ROLE regress_shop_officer;
SELECT personalize.cancel_erasure(:'asked');
RESET ROLE;
SET ROLE regress_shop_app;
BEGIN;
SET LOCAL personalize.purpose = 'shop_delivery';
SELECT count(*) > 0 AS there_again FROM shop.order_line AS l JOIN shop.orders USING (order_id) WHERE customer_id = 10020;
COMMIT;
RESET ROLE;
/* all rows that are not of customer 10020, by hand */
CREATE VIEW shop.of_others AS
	SELECT 'customer' AS relation, t::text AS line FROM shop.customer AS t WHERE customer_id NOT IN (10020, 10060)
	UNION ALL SELECT 'employee', t::text FROM shop.employee AS t
	UNION ALL SELECT 'address', t::text FROM shop.address AS t WHERE customer_id <> 10020
	UNION ALL SELECT 'orders', t::text FROM shop.orders AS t WHERE customer_id <> 10020
	UNION ALL SELECT 'order_line', t::text FROM shop.order_line AS t WHERE order_id IN (SELECT order_id FROM shop.orders WHERE customer_id <> 10020)
	UNION ALL SELECT 'return_request', t::text FROM shop.return_request AS t WHERE order_id IN (SELECT order_id FROM shop.orders WHERE customer_id <> 10020)
	UNION ALL SELECT 'payment', t::text FROM shop.payment AS t WHERE order_id IN (SELECT order_id FROM shop.orders WHERE customer_id <> 10020)
	UNION ALL SELECT 'shipment', t::text FROM shop.shipment AS t WHERE order_id IN (SELECT order_id FROM shop.orders WHERE customer_id <> 10020)
	UNION ALL SELECT 'invoice', t::text FROM shop.invoice AS t
	UNION ALL SELECT 'review', t::text FROM shop.review AS t WHERE words NOT LIKE 'customer 20 %'
	UNION ALL SELECT 'review_answer', t::text FROM shop.review_answer AS t WHERE words NOT LIKE 'customer 20 %' AND words <> '(removed)'
	UNION ALL SELECT 'profile_history', t::text FROM shop.profile_history AS t WHERE customer_id <> 10020
	UNION ALL SELECT 'store_member', t::text FROM shop.store_member AS t
	UNION ALL SELECT 'store_visit', t::text FROM shop.store_visit AS t;
BEGIN;
SET LOCAL personalize.purpose = 'backup';
SELECT count(*) AS n, md5(string_agg(relation || line, E'\n' ORDER BY relation || line COLLATE "C")) AS sum FROM shop.of_others \gset before_
SELECT relation, count(*) FROM shop.of_others GROUP BY 1 ORDER BY 1;
COMMIT;
SET ROLE regress_shop_officer;
SELECT e.value - 'until' AS step FROM jsonb_array_elements(personalize.erase_subject(10020, 'letter 17', true, 'shop_customer') -> 'relations') AS e;
SELECT personalize.erase_subject(10020, 'letter 17', kind => 'shop_customer') AS certificate \gset
SELECT e.value - 'until' AS step, (e.value ->> 'until')::timestamptz > now() + interval '9 years 11 months' AS ten_years FROM jsonb_array_elements(:'certificate'::jsonb -> 'relations') AS e;
SELECT :'certificate'::jsonb -> 'cascades' AS cascades, strpos(:'certificate', '10020') AS names_the_person;
SELECT personalize.fulfil_request(r.request_id, '{"certificate": true}') FROM (SELECT personalize.verify_request(:'request', 'by letter')) AS v, (SELECT :'request'::uuid AS request_id) AS r;
SELECT * FROM personalize.verify_erasure((:'certificate'::jsonb ->> 'certificate_id')::uuid);
RESET ROLE;

\echo == what is left: the invoices, withheld; the stars without words and name; who was referred, by nobody
BEGIN;
SET LOCAL personalize.purpose = 'backup';
SELECT count(*) = :before_n AS as_many, md5(string_agg(relation || line, E'\n' ORDER BY relation || line COLLATE "C")) = :'before_sum' AS byte_identical FROM shop.of_others;
SELECT * FROM shop.invoice WHERE customer_id = 10020 ORDER BY 1;
SELECT product_id, customer_id, stars, words FROM shop.review WHERE customer_id IS NULL;
SELECT customer_id, words FROM shop.review_answer WHERE customer_id IS NULL;
SELECT customer_id, full_name, referred_by FROM shop.customer WHERE customer_id IN (10020, 10060) ORDER BY 1;
SELECT (SELECT count(*) FROM shop.order_line AS l WHERE NOT EXISTS (SELECT FROM shop.orders AS o WHERE o.order_id = l.order_id)) AS lines_of_nobody,
	(SELECT count(*) FROM shop.shipment AS l WHERE NOT EXISTS (SELECT FROM shop.orders AS o WHERE o.order_id = l.order_id)) AS shipments_of_nobody;
COMMIT;
SET ROLE regress_shop_app;
BEGIN;
SET LOCAL personalize.purpose = 'shop_delivery';
SELECT count(*) AS retained_and_withheld FROM shop.invoice WHERE customer_id = 10020;
COMMIT;
/* an import brings the customer back: withheld, found, erased again */
INSERT INTO shop.customer (customer_id, full_name, signed_up) VALUES (10020, 'Customer Twenty', now());
INSERT INTO shop.orders (customer_id, placed_at) VALUES (10020, now());
BEGIN;
SET LOCAL personalize.purpose = 'shop_delivery';
SELECT count(*) AS withheld FROM shop.customer WHERE customer_id = 10020;
COMMIT;
RESET ROLE;
SET ROLE regress_shop_officer;
SELECT * FROM personalize.verify_erasure((:'certificate'::jsonb ->> 'certificate_id')::uuid);
SELECT e.value FROM jsonb_array_elements(personalize.reapply_erasures()) AS c, jsonb_array_elements(c.value -> 'relations') AS e WHERE e.value ->> 'action' = 'delete' AND e.value ->> 'rows' <> '0';
SELECT jsonb_array_length(personalize.reapply_erasures()) AS nothing_left;

\echo == somebody with a key of two columns, and one who leads others
SELECT e.value AS step FROM jsonb_array_elements(personalize.erase_subject(ARRAY[1, 503]::text, kind => 'shop_member') -> 'relations') AS e;
SELECT e.value AS step FROM jsonb_array_elements(personalize.erase_subject(9002, kind => 'shop_employee') -> 'relations') AS e;
RESET ROLE;
BEGIN;
SET LOCAL personalize.purpose = 'backup';
SELECT * FROM shop.employee ORDER BY 1;
SELECT count(*) AS members, (SELECT count(*) FROM shop.store_visit) AS visits, count(*) FILTER (WHERE member = 503) AS of_the_number FROM shop.store_member;
SELECT count(*) AS customers, count(adviser_id) AS with_adviser, count(*) FILTER (WHERE adviser_id = 9002) AS of_the_erased FROM shop.customer;
COMMIT;
SELECT ok FROM personalize.verify_audit();
SELECT object, finding FROM personalize.lint() WHERE object LIKE 'shop.%' ORDER BY 1, 2;
DO $$
BEGIN
	PERFORM personalize.unprotect(('shop.' || t)::regclass) FROM unnest('{store_visit,store_member,profile_history,review_answer,review,invoice,shipment,payment,return_request,order_line,orders,address,customer,employee}'::text[]) AS t;
END
$$;
SELECT count(personalize.retire_purpose(name)) AS retired FROM personalize.purposes WHERE name LIKE 'shop\_%';
DROP SCHEMA shop CASCADE;
DROP OWNED BY regress_shop_app, regress_shop_officer;
DROP ROLE regress_shop_app, regress_shop_officer;
