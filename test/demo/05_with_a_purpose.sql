\ir check/begin.psql
\echo '5. The same query with a purpose sees those who said yes, and nobody else.'
\echo
SET ROLE shop_app;
BEGIN;
SET LOCAL personalize.purpose = 'recommendations';
SELECT title, customers FROM also_bought WHERE product_id = 1 ORDER BY customers DESC, title COLLATE "C" LIMIT 3;
SELECT count(DISTINCT customer_id) AS customers, count(*) AS orders FROM orders;
COMMIT;
\echo 'Everybody: the application, the owner of the table, the superuser, a view, a prepared statement.'
\set ECHO none
\set people 'SELECT count(DISTINCT customer_id) AS n FROM orders'
RESET ROLE;
CREATE VIEW all_orders AS SELECT * FROM orders;
PREPARE people AS SELECT count(DISTINCT customer_id) AS n FROM orders;
BEGIN;
SET LOCAL personalize.purpose = 'recommendations';
SET LOCAL ROLE shop_app;
:people \gset app_
SET LOCAL ROLE shop_owner;
:people \gset owner_
RESET ROLE;
:people \gset superuser_
SELECT count(DISTINCT customer_id) AS n FROM all_orders \gset view_
EXECUTE people \gset prepared_
COMMIT;
SELECT :app_n AS app, :owner_n AS owner, :superuser_n AS superuser, :view_n AS view, :prepared_n AS prepared;
SELECT ARRAY[:app_n, :owner_n, :superuser_n, :view_n, :prepared_n] = array_fill(23, '{5}') AS holds \gset
\ir check/holds.psql
\echo 'The contract needs no consent, so the parcels go out to all 40:'
SET ROLE shop_app;
BEGIN;
SET LOCAL personalize.purpose = 'order_fulfilment';
SELECT count(DISTINCT c.email) AS addresses FROM orders JOIN customers AS c USING (customer_id);
COMMIT;
