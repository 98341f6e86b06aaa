\ir check/begin.psql
\echo '11. Nobody is pestered: at most two recommendations a week, however many programs send them.'
\echo
SET ROLE privacy_officer;
SELECT personalize.set_frequency_cap('recommendations', 2, '7 days') AS at_the_cap_already;
\echo 'The application asks before it shows something. A number: it may, and that is on record. NULL: it may not.'
SET ROLE shop_app;
SELECT personalize.record_exposure(5, 'recommendations', 'metal lantern', 'because you bought a tea light holder') AS first,
	personalize.record_exposure(5, 'recommendations', 'nesting boxes', 'because many people buy it') AS second,
	personalize.record_exposure(5, 'recommendations', 'hand warmer', 'because many people buy it') AS third;
\set ECHO none
SELECT count(*) = 2 AS holds FROM personalize.why(5) \gset
\ir check/holds.psql
\echo 'From then on the same row filter keeps customer 5 back, so no other program reaches them either:'
BEGIN;
SET LOCAL personalize.purpose = 'recommendations';
SELECT count(*) AS orders_of_customer_5 FROM orders WHERE customer_id = 5;
\set ECHO none
SELECT count(*) = 0 AS holds FROM orders WHERE customer_id = 5 \gset
COMMIT;
\ir check/holds.psql
SELECT permitted, reason FROM personalize.decide(5, 'recommendations');
\echo 'Whoever did not agree is never shown anything:'
SELECT personalize.record_exposure(2, 'recommendations', 'hand warmer') AS number;
\set ECHO none
SELECT personalize.record_exposure(2, 'recommendations', 'hand warmer') IS NULL AS holds \gset
\ir check/holds.psql
