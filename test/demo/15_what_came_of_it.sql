\ir check/begin.psql
\echo '15. What came of it, counted over people who agreed, groups below five persons suppressed.'
\echo
SET ROLE privacy_officer;
\o /dev/null
SELECT personalize.define_metric('bought', 'recommendations', 'purchase', 'what was bought within a month, and for how much');
SELECT personalize.define_metric('discount', 'order_fulfilment', 'other', 'discount on an order, in percent');
\o
\echo '(Invented here: without a list 15 in 100 buy, after one 30 in 100. test/online_retail has the orders of a real shop.)'
\set ECHO none
SET ROLE shop_app;
CREATE TEMP TABLE purchases AS
	SELECT i AS subject, 'bought' AS metric, 5 + i * 37 % 50 AS value
	FROM generate_series(1001, 5000) AS i
	WHERE ('x' || substr(md5(i::text), 1, 7))::bit(28)::int % 100 < CASE WHEN personalize.assign('which_list', i) <> 'holdout' THEN 30 ELSE 15 END;
CREATE TEMP TABLE discounts AS SELECT i AS subject, 'discount' AS metric, i * 13 % 7 AS value FROM generate_series(1001, 5000) AS i;
\set ECHO queries
SELECT personalize.record_outcomes('purchases') AS purchases, personalize.record_outcomes('discounts') AS discounts;
\echo 'Those who were shown a list against those who were not, with 95 % intervals:'
SET ROLE privacy_officer;
SELECT measure, variant, persons, round(value::numeric, 3) AS value, round(against_value::numeric, 3) AS holdout,
	round(difference::numeric, 3) AS difference, round(low::numeric, 3) AS low, round(high::numeric, 3) AS high, method
	FROM personalize.lift('which_list', 'bought');
\set ECHO none
SELECT count(*) = 6 AND bool_and(low < difference AND difference < high) AND bool_and(low > 0) FILTER (WHERE measure = 'rate' AND variant = 'personalized') AS holds
	FROM personalize.lift('which_list', 'bought') \gset
\ir check/holds.psql
\echo 'And are those who said no served worse? They must not be. Here their discounts are the same, within chance:'
SELECT measure, said, persons, round(value::numeric, 3) AS value, round(yes_value::numeric, 3) AS said_yes,
	round(difference::numeric, 3) AS difference, round(low::numeric, 3) AS low, round(high::numeric, 3) AS high
	FROM personalize.opt_out_parity('discount', 'recommendations') WHERE measure = 'mean' AND said = 'no';
\set ECHO none
SELECT low < 0 AND high > 0 AS holds FROM personalize.opt_out_parity('discount', 'recommendations') WHERE measure = 'mean' AND said = 'no' \gset
\ir check/holds.psql
