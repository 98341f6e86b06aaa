-- "Customers who bought this also bought", done responsibly: computed over who agreed, shown at most so often, not to who is
-- excluded or in the holdout, and measured by what people bought later.  In a database that load.sh filled, as a superuser;
-- what recommend.py needs to check it goes to files in :out.  Variables: split (what is before is learnt from, what comes
-- after is the outcome), least (customers of a product), cap, quiet (send something back from then on, and be left alone).
\pset footer off
\pset null '-'
SET client_min_messages = warning;
SET search_path = retail, pg_catalog;

-- 1. What is planned, by the officer.
SET ROLE shop_officer;
\o /dev/null
SELECT personalize.grant_purpose('recommendations', 'shop_app', may_copy => true);
SELECT personalize.set_frequency_cap('recommendations', :cap, '7 days');
SELECT personalize.define_exclusion('asked', purposes => '{recommendations}', reason => 'asked to be left alone');
SELECT personalize.define_exclusion('sent back', 'orders', format('cancelled AND invoice_date >= %L::timestamp AND invoice_date < %L::timestamp', :'quiet', :'split'),
	'{recommendations}', 'something was wrong with an order');
SELECT personalize.define_experiment('lists', 'recommendations', '{popular,also_bought}', holdout => 0.2);
SELECT personalize.define_metric('spent', 'analytics', 'purchase', 'what was bought later');
SELECT personalize.define_metric('took', 'analytics', 'conversion', 'bought something that was recommended');
SELECT personalize.define_metric('price', 'order_fulfilment', 'other', 'price paid to the mean price of the product');
\o
RESET ROLE;

-- 2. Places for the results.  A list for a person is personal data; how often two products are bought together is not.
SET ROLE shop_owner;
CREATE TABLE similar_products (item text, other text, customers integer NOT NULL, score bigint NOT NULL, PRIMARY KEY (item, other));
CREATE TABLE trial (customer_id integer PRIMARY KEY, variant text NOT NULL);
CREATE TABLE recommendation (customer_id integer, place integer, item text NOT NULL, because text NOT NULL, PRIMARY KEY (customer_id, place));
CREATE TABLE shown (exposure_id bigint PRIMARY KEY, customer_id integer NOT NULL, item text NOT NULL);
CREATE TABLE clock (starts timestamptz);
-- products, not postage
CREATE VIEW sold AS
	SELECT l.customer_id, l.stock_code AS item, o.invoice, o.invoice_date, l.quantity, l.unit_price
	FROM orders AS o JOIN order_lines AS l ON l.invoice = o.invoice AND l.customer_id = o.customer_id
	WHERE l.quantity > 0 AND NOT o.cancelled AND l.stock_code ~ '^S?[0-9]{4}';
-- Later happens now: the moments after the split in their order, a microsecond apart, since people were enrolled.
CREATE VIEW later AS
	SELECT s.*, (SELECT starts FROM clock) + dense_rank() OVER (ORDER BY s.invoice_date) * interval '1 microsecond' AS at
	FROM sold AS s WHERE s.invoice_date >= :'split';
CREATE VIEW later_spent AS
	SELECT customer_id AS subject, 'spent'::text AS metric, sum(quantity * unit_price)::float8 AS value, at FROM later GROUP BY customer_id, invoice, at;
CREATE VIEW later_taken AS
	SELECT customer_id AS subject, 'took'::text AS metric, min(l.at) AS at FROM later AS l JOIN shown USING (customer_id, item) GROUP BY customer_id, item;
CREATE VIEW later_price AS
	SELECT customer_id AS subject, 'price'::text AS metric, avg(unit_price / usual)::float8 AS value, at
	FROM (SELECT l.*, avg(unit_price) OVER (PARTITION BY item) AS usual FROM later AS l WHERE unit_price > 0) AS l GROUP BY customer_id, invoice, at;
GRANT SELECT, INSERT ON similar_products, trial, recommendation, shown, clock TO shop_app;
GRANT SELECT ON sold, later, later_spent, later_taken, later_price TO shop_app;
RESET ROLE;
SET ROLE shop_officer;
\o /dev/null
SELECT personalize.protect(relation::regclass, 'customer_id', columns => '{"place": "none", "exposure_id": "none", "*": "purchases"}'::jsonb - gone)
FROM (VALUES ('trial', '{place,exposure_id}'::text[]), ('recommendation', '{exposure_id}'), ('shown', '{place}')) AS v (relation, gone);
\o
RESET ROLE;

-- 3. Some customers ask to be left alone.
SET ROLE shop_app;
CREATE TEMP TABLE everybody (customer_id bigint);
\copy everybody FROM pstdin
\o /dev/null
SELECT personalize.exclude(customer_id, 'asked') FROM everybody WHERE ('x' || substr(md5('asked' || customer_id), 1, 7))::bit(28)::integer % 100 < 4;
\o
RESET ROLE;

-- 4. Which products go together, over those who agreed, are not excluded and bought before the split: per product the
-- twenty with the highest squared cosine (in millionths).  Then who gets which list, and the lists.
SET ROLE shop_app;
BEGIN;
SET LOCAL personalize.purpose = 'recommendations';
INSERT INTO similar_products
WITH bought AS MATERIALIZED (SELECT DISTINCT customer_id, item FROM sold WHERE invoice_date < :'split'),
	product AS MATERIALIZED (SELECT item, count(*) AS n FROM bought GROUP BY 1 HAVING count(*) >= :least),
	often AS MATERIALIZED (SELECT b.* FROM bought AS b JOIN product AS p USING (item)),
	pair AS (SELECT a.item, b.item AS other, count(*) AS n FROM often AS a JOIN often AS b USING (customer_id) WHERE a.item <> b.item GROUP BY 1, 2 HAVING count(*) >= 5),
	scored AS (SELECT r.*, r.n * r.n * 1000000 / (p.n * q.n) AS score FROM pair AS r JOIN product AS p USING (item) JOIN product AS q ON q.item = r.other)
SELECT item, other, n, score
FROM (SELECT s.*, row_number() OVER (PARTITION BY item ORDER BY score DESC, other COLLATE "C") AS place FROM scored AS s) AS s WHERE place <= 20;
SELECT count(DISTINCT customer_id) AS may_be_reached FROM customers;
\copy (SELECT customer_id FROM customers ORDER BY 1) TO reached_before.csv
INSERT INTO trial SELECT b.customer_id, personalize.assign('lists', b.customer_id) FROM (SELECT DISTINCT customer_id FROM sold WHERE invoice_date < :'split') AS b;
INSERT INTO recommendation
WITH bought AS MATERIALIZED (SELECT DISTINCT customer_id, item FROM sold WHERE invoice_date < :'split'),
	scored AS (
		SELECT b.customer_id, s.other AS item, sum(s.score) AS score, (array_agg(s.item ORDER BY s.score DESC, s.item COLLATE "C"))[1] AS because
		FROM bought AS b JOIN trial AS t USING (customer_id) JOIN similar_products AS s USING (item) WHERE t.variant = 'also_bought' GROUP BY 1, 2
		UNION ALL
		/* the holdout, too: what they would have been shown counts as their first contact */
		SELECT t.customer_id, p.item, p.n, NULL
		FROM trial AS t CROSS JOIN (SELECT item, count(*) AS n FROM bought GROUP BY 1 ORDER BY 2 DESC, item COLLATE "C" LIMIT 50) AS p WHERE t.variant <> 'also_bought'),
	placed AS (
		SELECT s.*, row_number() OVER (PARTITION BY customer_id ORDER BY score DESC, item COLLATE "C") AS place
		FROM scored AS s WHERE NOT EXISTS (SELECT FROM bought AS b WHERE b.customer_id = s.customer_id AND b.item = s.item))
SELECT l.customer_id, l.place, l.item, coalesce('because you bought ' || lower(p.description), 'because many people buy it')
FROM placed AS l LEFT JOIN products AS p ON p.stock_code = l.because WHERE l.place <= 10;
SELECT array_agg(customer_id::text ORDER BY customer_id, place) AS subjects, array_agg(item ORDER BY customer_id, place) AS items,
	array_agg(because ORDER BY customer_id, place) AS reasons FROM recommendation \gset
COMMIT;

-- 5. The application wants to show all of it, and its catalogue to everybody it knows.  NULL: not to be shown.
SELECT personalize.record_exposures(:'subjects'::text[], 'recommendations', :'items'::text[], :'reasons'::text[], 'lists') AS ids \gset
INSERT INTO shown SELECT id, subject, item FROM unnest(:'ids'::bigint[], :'subjects'::integer[], :'items'::text[]) AS u (id, subject, item) WHERE id IS NOT NULL;
SELECT cardinality(:'ids'::bigint[]) AS wanted, count(id) AS shown FROM unnest(:'ids'::bigint[]) AS u (id);
SELECT cardinality(ids) AS catalogues_wanted, cardinality(array_remove(ids, NULL)) AS catalogues_shown
FROM (SELECT personalize.record_exposures(array_agg(customer_id::text ORDER BY customer_id), 'recommendations', array_fill('catalogue'::text, ARRAY[count(*)::integer]),
	array_fill('because you are our customer'::text, ARRAY[count(*)::integer]), 'lists') AS ids FROM everybody) AS x;
-- whoever has seen enough is withheld like somebody who said no
BEGIN;
SET LOCAL personalize.purpose = 'recommendations';
SELECT count(DISTINCT customer_id) AS may_be_reached_now FROM customers;
\copy (SELECT customer_id FROM customers ORDER BY 1) TO reached_after.csv
COMMIT;

-- 6. What people did later.
INSERT INTO clock VALUES (clock_timestamp()) RETURNING starts \gset
BEGIN;
SET LOCAL personalize.purpose = 'analytics';
SELECT personalize.record_outcomes('later_spent') AS purchases, personalize.record_outcomes('later_taken') AS taken;
COMMIT;
BEGIN;
SET LOCAL personalize.purpose = 'order_fulfilment';
SELECT personalize.record_outcomes('later_price') AS prices;
COMMIT;
RESET ROLE;

-- 7. What came of it, for the officer.
SET ROLE shop_officer;
\echo 'Who is excluded'
SELECT name, reason, persons FROM personalize.exclusions ORDER BY name COLLATE "C";
\echo 'Sample ratio'
SELECT variant, persons, round(expected::numeric, 1) AS expected, exposed, round(p_value::numeric, 4) AS p_value, ok FROM personalize.experiment_health WHERE experiment = 'lists' ORDER BY variant COLLATE "C";
\echo 'Bought later something that was recommended: products that go with what one has, against what is popular'
SELECT measure, variant, persons, round(value::numeric, 4) AS value, round(against_value::numeric, 4) AS popular, round(difference::numeric, 4) AS difference,
	round(low::numeric, 4) AS low, round(high::numeric, 4) AS high, round(ratio::numeric, 2) AS ratio
FROM personalize.lift('lists', 'took', baseline => 'popular') WHERE variant = 'also_bought';
\echo 'Spent later, against the holdout (nobody really saw a list in 2011: whatever differs here is chance)'
SELECT measure, variant, persons, round(value::numeric, 3) AS value, round(against_value::numeric, 3) AS holdout, round(difference::numeric, 3) AS difference,
	round(low::numeric, 3) AS low, round(high::numeric, 3) AS high FROM personalize.lift('lists', 'spent');
\echo 'Do those who said no pay more? Price to the mean price of the product'
SELECT measure, said, persons, round(value::numeric, 4) AS value, round(yes_value::numeric, 4) AS said_yes, round(difference::numeric, 4) AS difference,
	round(low::numeric, 4) AS low, round(high::numeric, 4) AS high, four_fifths FROM personalize.opt_out_parity('price', 'recommendations', since => :'starts');
RESET ROLE;

-- 8. For the check.
SET extra_float_digits = 3;
\copy (SELECT * FROM similar_products) TO similar.csv (FORMAT csv)
\copy (SELECT s.key, e.item, e.explanation, e.variant FROM personalize.exposure AS e JOIN personalize.subject AS s USING (subject_no) ORDER BY e.exposure_id) TO exposures.csv (FORMAT csv)
\copy (SELECT s.key, a.variant FROM personalize.assignment AS a JOIN personalize.subject AS s USING (subject_no)) TO assignments.csv (FORMAT csv)
\copy (SELECT encode(salt, 'hex') FROM personalize.experiment) TO salt.csv (FORMAT csv)
\copy (SELECT name, persons FROM personalize.exclusions) TO exclusions.csv (FORMAT csv)
\copy (SELECT 'took', l.* FROM personalize.lift('lists', 'took', baseline => 'popular') AS l UNION ALL SELECT 'spent', l.* FROM personalize.lift('lists', 'spent') AS l) TO lift.csv (FORMAT csv)
\copy (SELECT p.* FROM retail.clock AS c CROSS JOIN LATERAL personalize.opt_out_parity('price', 'recommendations', since => c.starts) AS p) TO parity.csv (FORMAT csv)
\copy (SELECT 'conversion_rate', m.* FROM personalize.conversion_rate AS m UNION ALL SELECT 'repeat_purchase', m.* FROM personalize.repeat_purchase AS m UNION ALL SELECT 'lifetime_value', m.* FROM personalize.lifetime_value AS m) TO measures.csv (FORMAT csv)
\copy (SELECT variant, persons, chi_squared, p_value FROM personalize.experiment_health) TO health.csv (FORMAT csv)

-- 9. Why was it shown to me?  One of those who were shown most.
SELECT customer_id AS one FROM (SELECT s.key AS customer_id, count(*) AS n FROM personalize.exposure AS e JOIN personalize.subject AS s USING (subject_no)
	WHERE e.variant = 'also_bought' GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 1) AS x \gset
\echo 'Why was customer' :one 'shown this?'
SET ROLE shop_app;
SELECT item, explanation, purpose, legal_basis, array_to_string(categories, ', ') AS categories, because, how_to_object FROM personalize.why(:'one') LIMIT 2 \gx
CREATE TEMP TABLE told AS SELECT :'one' AS subject, w.purpose, w.item, w.explanation, w.legal_basis, w.categories, w.because, w.how_to_object FROM personalize.why(:'one') AS w;
\copy told TO why.csv (FORMAT csv)
RESET ROLE;
