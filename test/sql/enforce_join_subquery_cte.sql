-- Every occurrence of a protected relation in a query is filtered, whatever the query does with it.
SET client_min_messages = warning;
\pset format unaligned
CREATE ROLE regress_enf_owner;
CREATE ROLE regress_enf_app;
CREATE SCHEMA enf AUTHORIZATION regress_enf_owner;
GRANT USAGE ON SCHEMA enf TO PUBLIC;
SET ROLE regress_enf_owner;
CREATE TABLE enf.customer (id integer PRIMARY KEY, name text, note text);
INSERT INTO enf.customer SELECT i, 'name' || i, 'note' || i FROM generate_series(1, 5) AS i;
GRANT ALL ON enf.customer TO regress_enf_app;
RESET ROLE;
/* ads: 1 and 2 agreed; mail: 1 to 4; 5 to nothing */
DO $$
BEGIN
	PERFORM personalize.define_kind('enforce_join_subquery_cte', 'bigint');
	PERFORM personalize.define_category('enf_general', 'for tests');
	PERFORM personalize.define_purpose('enf_ads', 'for tests', categories => '{enf_general}');
	PERFORM personalize.define_purpose('enf_mail', 'for tests', categories => '{enf_general}');
	PERFORM personalize.protect('enf.customer', 'id', kind => 'enforce_join_subquery_cte', columns => '{"*":"enf_general"}');
	PERFORM personalize.grant_purpose('enf_ads', 'regress_enf_app');
	PERFORM personalize.grant_purpose('enf_ads', 'regress_enf_owner');
	PERFORM personalize.grant_purpose('enf_mail', 'regress_enf_app');
	PERFORM personalize.grant_consent(i, 'enf_ads', kind => 'enforce_join_subquery_cte') FROM generate_series(1, 2) AS i;
	PERFORM personalize.grant_consent(i, 'enf_mail', kind => 'enforce_join_subquery_cte') FROM generate_series(1, 4) AS i;
END
$$;
SET ROLE regress_enf_owner;
CREATE TABLE enf.orders (order_id integer PRIMARY KEY, customer_id integer, item text);
INSERT INTO enf.orders SELECT i * 10, i, 'item' || i FROM generate_series(1, 5) AS i;
CREATE TABLE enf.free (id integer, word text);
INSERT INTO enf.free SELECT i, 'word' || i FROM generate_series(1, 6) AS i;
GRANT SELECT ON enf.orders, enf.free TO regress_enf_app;
RESET ROLE;
DO $$
BEGIN
	PERFORM personalize.protect('enf.orders', 'customer_id', kind => 'enforce_join_subquery_cte', columns => '{"*":"enf_general"}');
END
$$;
\set VERBOSITY terse
SET ROLE regress_enf_app;
BEGIN;
SET LOCAL personalize.purpose = 'enf_ads';
/* joins: a withheld row is as if it was not there */
SELECT f.id, c.name FROM enf.free AS f JOIN enf.customer AS c ON c.id = f.id ORDER BY 1;
SELECT f.id, c.name FROM enf.free AS f LEFT JOIN enf.customer AS c ON c.id = f.id ORDER BY 1;
SELECT f.id, c.name FROM enf.free AS f RIGHT JOIN enf.customer AS c ON c.id = f.id ORDER BY 1;
SELECT f.id, c.name FROM enf.free AS f FULL JOIN enf.customer AS c ON c.id = f.id ORDER BY 1;
SELECT count(*) FROM enf.free AS f CROSS JOIN enf.customer AS c;
SELECT id, c.name FROM enf.free AS f NATURAL JOIN enf.customer AS c ORDER BY 1;
SELECT id, c.name FROM enf.free AS f JOIN enf.customer AS c USING (id) ORDER BY 1;
SELECT a.id, b.id FROM enf.customer AS a JOIN enf.customer AS b ON b.id <> a.id ORDER BY 1, 2;
SELECT c.id, o.item FROM enf.customer AS c JOIN enf.orders AS o ON o.customer_id = c.id ORDER BY 1;
SELECT f.id FROM enf.free AS f WHERE f.id NOT IN (SELECT id FROM enf.customer) ORDER BY 1;
/* with each way to join */
SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off;
SELECT f.id, c.name FROM enf.free AS f LEFT JOIN enf.customer AS c ON c.id = f.id ORDER BY 1;
SET LOCAL enable_nestloop = off; SET LOCAL enable_mergejoin = on;
SELECT f.id, c.name FROM enf.free AS f LEFT JOIN enf.customer AS c ON c.id = f.id ORDER BY 1;
SET LOCAL enable_hashjoin = on; SET LOCAL enable_mergejoin = off;
SELECT f.id, c.name FROM enf.free AS f LEFT JOIN enf.customer AS c ON c.id = f.id ORDER BY 1;
SET LOCAL enable_nestloop = on; SET LOCAL enable_mergejoin = on;
/* with each way to scan */
SET LOCAL enable_seqscan = off;
SELECT id, name FROM enf.customer WHERE id BETWEEN 2 AND 4 ORDER BY id;
SELECT id FROM enf.customer WHERE id > 0 ORDER BY id;
SET LOCAL enable_indexscan = off; SET LOCAL enable_indexonlyscan = off;
SELECT id, name FROM enf.customer WHERE id BETWEEN 2 AND 4 OR id = 1 ORDER BY id;
SELECT id FROM enf.customer WHERE ctid IN ('(0,1)', '(0,4)') ORDER BY id;
SELECT id FROM enf.customer WHERE ctid >= '(0,2)' AND ctid < '(0,5)' ORDER BY id;
SELECT id FROM enf.customer TABLESAMPLE bernoulli (100) ORDER BY id;
RESET enable_seqscan; RESET enable_indexscan; RESET enable_indexonlyscan;
/* subqueries */
SELECT f.id, EXISTS (SELECT 1 FROM enf.customer AS c WHERE c.id = f.id) AS there FROM enf.free AS f ORDER BY 1;
SELECT f.id, (SELECT c.name FROM enf.customer AS c WHERE c.id = f.id) FROM enf.free AS f ORDER BY 1;
SELECT f.id FROM enf.free AS f WHERE f.id IN (SELECT id FROM enf.customer) ORDER BY 1;
SELECT f.id FROM enf.free AS f WHERE f.id > ALL (SELECT id FROM enf.customer) ORDER BY 1;
SELECT ARRAY(SELECT id FROM enf.customer ORDER BY id);
SELECT f.id, l.item FROM enf.free AS f, LATERAL (SELECT o.item FROM enf.orders AS o WHERE o.customer_id = f.id) AS l ORDER BY 1;
SELECT s.n FROM (SELECT name AS n FROM (SELECT * FROM enf.customer) AS i) AS s ORDER BY 1;
/* CTEs */
WITH c AS (SELECT * FROM enf.customer) SELECT a.id FROM c AS a JOIN c AS b USING (id) ORDER BY 1;
WITH c AS MATERIALIZED (SELECT * FROM enf.customer) SELECT id FROM c ORDER BY 1;
WITH c AS NOT MATERIALIZED (SELECT * FROM enf.customer) SELECT id FROM c WHERE id > 1 ORDER BY 1;
WITH RECURSIVE r AS (
	SELECT min(id) AS id FROM enf.customer
	UNION ALL
	SELECT c.id FROM r JOIN enf.customer AS c ON c.id = r.id + 1)
SELECT id FROM r ORDER BY 1;
/* set operations, windows, grouping, DISTINCT */
SELECT id FROM enf.customer UNION SELECT customer_id FROM enf.orders ORDER BY 1;
SELECT id FROM enf.customer UNION ALL SELECT customer_id FROM enf.orders ORDER BY 1;
SELECT f.id FROM enf.free AS f INTERSECT SELECT id FROM enf.customer ORDER BY 1;
SELECT f.id FROM enf.free AS f EXCEPT SELECT id FROM enf.customer ORDER BY 1;
SELECT id, rank() OVER (ORDER BY id), count(*) OVER () FROM enf.customer ORDER BY 1;
SELECT DISTINCT ON (left(name, 4)) name FROM enf.customer ORDER BY left(name, 4), id DESC;
SELECT id, count(*) FROM enf.customer GROUP BY ROLLUP (id) ORDER BY 1;
SELECT min(id), max(id), sum(id), count(*), string_agg(name, ',' ORDER BY id) FROM enf.customer;
SELECT max(id) FILTER (WHERE id > 1) FROM enf.customer HAVING count(*) > 1;
SELECT id FROM enf.customer ORDER BY id DESC OFFSET 1 LIMIT 3;
SELECT id FROM enf.customer ORDER BY id FETCH FIRST 9 ROWS WITH TIES;
VALUES ((SELECT max(id) FROM enf.customer));
SELECT x.* FROM enf.customer AS c, json_to_record(to_json(c)) AS x (id integer, name text) ORDER BY 1;
/* a partly covered query still needs a purpose for the rest */
COMMIT;
SELECT f.id FROM enf.free AS f WHERE EXISTS (SELECT 1 FROM enf.customer AS c WHERE c.id = f.id);
SELECT f.id FROM enf.free AS f LEFT JOIN enf.customer AS c ON c.id = f.id ORDER BY 1;
WITH c AS (SELECT * FROM enf.customer) SELECT 1 AS unused;
RESET ROLE;

/* parallel query: the check stays with the leader, no worker reads */
CREATE FUNCTION enf.total() RETURNS bigint LANGUAGE plpgsql STABLE PARALLEL SAFE AS 'BEGIN RETURN (SELECT count(*) FROM enf.customer); END';
INSERT INTO enf.free SELECT i, '' FROM generate_series(7, 2000) AS i;
ANALYZE enf.free;
SET ROLE regress_enf_app;
BEGIN;
SET LOCAL personalize.purpose = 'enf_ads';
SET LOCAL parallel_setup_cost = 0; SET LOCAL parallel_tuple_cost = 0; SET LOCAL min_parallel_table_scan_size = 0;
SELECT count(*) FROM enf.customer;
SELECT count(*) FROM enf.customer AS c JOIN enf.orders AS o ON o.customer_id = c.id;
SELECT count(*) FROM enf.free AS f WHERE f.id IN (SELECT id FROM enf.customer);
/* a function that says it is parallel safe, and is not; the leader would answer if it were faster */
SET LOCAL parallel_leader_participation = off;
SELECT count(*) FROM enf.free WHERE enf.total() = id;
ROLLBACK;
/* whole rows that are seen by a leaky function are permitted ones */
RESET ROLE;
CREATE FUNCTION enf.leak(text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS $$ BEGIN RAISE WARNING 'saw %', $1; RETURN true; END $$;
SET ROLE regress_enf_app;
BEGIN;
SET LOCAL personalize.purpose = 'enf_ads';
SELECT count(*) FROM enf.customer WHERE enf.leak(name) AND id > 0;
SELECT count(*) FROM (SELECT * FROM enf.customer OFFSET 0) AS s WHERE enf.leak(name);
SELECT count(*) FROM enf.free AS f JOIN enf.customer AS c ON c.id = f.id AND enf.leak(c.name);
SELECT count(*) FROM enf.customer WHERE CASE WHEN enf.leak(name) THEN false ELSE true END;
COMMIT;
RESET ROLE;
DROP SCHEMA enf CASCADE;
DROP OWNED BY regress_enf_owner, regress_enf_app;
DROP ROLE regress_enf_owner, regress_enf_app;
