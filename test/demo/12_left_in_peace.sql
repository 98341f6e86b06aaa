\ir check/begin.psql
\echo '12. Some people are left in peace, whatever they agreed to.'
\echo
\echo 'By what a table says: here a complaint that is open.'
SET ROLE shop_owner;
CREATE TABLE complaints (complaint_id int PRIMARY KEY, customer_id int NOT NULL, closed_on date);
INSERT INTO complaints VALUES (1, 6, NULL), (2, 9, NULL), (3, 10, '2026-02-01');
\set ECHO none
GRANT SELECT, UPDATE ON complaints TO shop_app;
\set ECHO queries
SET ROLE privacy_officer;
\o /dev/null
SELECT personalize.protect('complaints', 'customer_id', columns => '{"complaint_id": "none", "*": "purchases"}');
\o
SELECT personalize.define_exclusion('complaint', 'complaints', 'closed_on IS NULL', '{recommendations}', 'has a complaint that is open') AS persons;
\echo 'Or by a list, here of who asked for it:'
SELECT personalize.define_exclusion('asked', purposes => '{recommendations}', reason => 'asked to be left alone') AS persons;
SET ROLE shop_app;
\o /dev/null
SELECT personalize.exclude(12, 'asked');
\o
BEGIN;
SET LOCAL personalize.purpose = 'recommendations';
SELECT array_agg(DISTINCT customer_id) AS seen_of_these FROM orders WHERE customer_id IN (6, 9, 10, 12);
\set ECHO none
SELECT array_agg(DISTINCT customer_id) = '{10}' AS holds FROM orders WHERE customer_id IN (6, 9, 10, 12) \gset
COMMIT;
\ir check/holds.psql
\echo 'The complaint of customer 9 is closed:'
BEGIN;
SET LOCAL personalize.purpose = 'order_fulfilment';
UPDATE complaints SET closed_on = '2026-03-01' WHERE complaint_id = 2;
COMMIT;
SET ROLE privacy_officer;
SELECT name, reason, persons FROM personalize.exclusions ORDER BY name COLLATE "C";
\set ECHO none
SELECT personalize.permitted(9, 'recommendations') AND NOT personalize.permitted(6, 'recommendations') AS holds \gset
\ir check/holds.psql
