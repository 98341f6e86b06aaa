\ir check/begin.psql
\echo '3. Without a purpose a query is refused: an error, not an empty result.'
\echo
SET ROLE shop_app;
\set ON_ERROR_STOP off
SELECT name FROM customers;
\set ON_ERROR_STOP on
\ir check/refused.psql
\echo
\echo 'Nor may a purpose use a column it does not list:'
BEGIN;
SET LOCAL personalize.purpose = 'recommendations';
\set ON_ERROR_STOP off
SELECT email FROM customers;
\set ON_ERROR_STOP on
\ir check/refused.psql
\echo
\echo 'The superuser is no exception:'
RESET ROLE;
\set ON_ERROR_STOP off
SELECT count(*) FROM orders;
\set ON_ERROR_STOP on
\ir check/refused.psql
\echo
\echo 'What is not personal data needs no purpose:'
SET ROLE shop_app;
SELECT count(*) FROM products;
