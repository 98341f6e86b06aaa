-- Whose rows a statement delivers is on record, the same under every plan: grouping, windows, set operations, writes.
\getenv abs_srcdir PG_ABS_SRCDIR
\set begin :abs_srcdir '/lib/shapes_begin.sql'
\set run :abs_srcdir '/lib/shapes_run.sql'
\set ECHO none
\pset format unaligned
\pset tuples_only on
\i :begin
INSERT INTO shp.shape (query, person, orders) VALUES
	('SELECT count(*) FROM person', 'SELECT id FROM person', NULL),
	/* DISTINCT over groups, one of which stands for several */
	('SELECT DISTINCT count(*) FROM person GROUP BY grp', 'SELECT id FROM person', NULL),
	('SELECT DISTINCT ON (count(*)) count(*), grp FROM person GROUP BY grp ORDER BY count(*), grp', 'SELECT id FROM person', NULL),
	/* columns that are named like ours */
	('INSERT INTO sink SELECT "personalize key", name FROM (SELECT id AS "personalize key", name FROM person WHERE grp = 1 ORDER BY id LIMIT 3) AS x', 'SELECT id FROM person WHERE grp = 1 ORDER BY id LIMIT 3', NULL),
	('SELECT ARRAY(SELECT id AS "personalize key" FROM person WHERE grp = 1 ORDER BY id LIMIT 2), ARRAY(SELECT id AS "personalize tap" FROM person WHERE grp = 2)', 'SELECT id FROM person WHERE grp = 2 UNION (SELECT id FROM person WHERE grp = 1 ORDER BY id LIMIT 2)', NULL),
	/* a sub-select that depends on a level far above is computed as often as the plan likes; one that does not is not */
	('SELECT label, (SELECT (SELECT (SELECT count(*) FROM person WHERE grp = 1))) FROM item', 'SELECT id FROM person WHERE grp = 1', NULL),
	('SELECT count(*), sum(age) FROM person WHERE grp = 1', 'SELECT id FROM person WHERE grp = 1', NULL),
	('SELECT grp, count(*) FROM person GROUP BY grp', 'SELECT id FROM person', NULL),
	('SELECT grp, count(*) FILTER (WHERE age > 3) FROM person GROUP BY grp', 'SELECT id FROM person', NULL),
	('SELECT grp, count(DISTINCT age), string_agg(name, '','' ORDER BY name) FROM person GROUP BY grp', 'SELECT id FROM person', NULL),
	('SELECT grp FROM person GROUP BY grp HAVING count(*) > 8', 'SELECT id FROM person', NULL),
	('SELECT grp, age, count(*) FROM person GROUP BY GROUPING SETS ((grp), (age), ())', 'SELECT id FROM person', NULL),
	('SELECT grp, age, count(*) FROM person GROUP BY ROLLUP (grp, age)', 'SELECT id FROM person', NULL),
	('SELECT DISTINCT grp FROM person WHERE age = 3', 'SELECT id FROM person WHERE age = 3', NULL),
	('SELECT DISTINCT grp, age FROM person ORDER BY grp, age', 'SELECT id FROM person', NULL),
	('SELECT DISTINCT grp FROM person ORDER BY grp LIMIT 1', 'SELECT id FROM person WHERE grp = 0', NULL),
	('SELECT grp, count(*) FROM person GROUP BY grp ORDER BY grp LIMIT 2', 'SELECT id FROM person WHERE grp < 2', NULL),
	('SELECT grp, count(*) FROM person GROUP BY grp ORDER BY grp OFFSET 1 LIMIT 2', 'SELECT id FROM person WHERE grp IN (1, 2)', NULL),
	('SELECT p.grp, sum(o.price) FROM person AS p JOIN orders AS o ON o.person_id = p.id GROUP BY p.grp', 'SELECT p.id FROM person AS p JOIN orders AS o ON o.person_id = p.id', 'SELECT p.id FROM person AS p JOIN orders AS o ON o.person_id = p.id'),
	('SELECT i.label, count(*) FROM item AS i LEFT JOIN orders AS o USING (item) GROUP BY i.label', NULL, 'SELECT person_id FROM orders JOIN item USING (item)'),
	('SELECT * FROM (SELECT grp, count(*) AS n FROM person GROUP BY grp) AS x WHERE grp = 2', 'SELECT id FROM person WHERE grp = 2', NULL),
	('SELECT * FROM (SELECT grp, count(*) AS n FROM person GROUP BY grp) AS x WHERE n > 8', 'SELECT id FROM person WHERE grp IN (SELECT grp FROM person GROUP BY grp HAVING count(*) > 8)', NULL),
	('SELECT * FROM (SELECT DISTINCT grp FROM person) AS x WHERE grp = 2', 'SELECT id FROM person WHERE grp = 2', NULL),
	('SELECT * FROM grouped WHERE n > 4', NULL, 'SELECT person_id FROM grouped WHERE n > 4'),
	('SELECT p.name, g.n FROM person AS p JOIN grouped AS g ON g.person_id = p.id WHERE p.grp = 1', 'SELECT p.id FROM person AS p JOIN grouped AS g ON g.person_id = p.id WHERE p.grp = 1', 'SELECT p.id FROM person AS p JOIN grouped AS g ON g.person_id = p.id WHERE p.grp = 1'),
	('SELECT p.name, g.n FROM person AS p LEFT JOIN grouped AS g ON g.person_id = p.id WHERE p.grp = 1', 'SELECT id FROM person WHERE grp = 1', 'SELECT p.id FROM person AS p JOIN grouped AS g ON g.person_id = p.id WHERE p.grp = 1'),
	('SELECT * FROM grouped ORDER BY person_id LIMIT 3', NULL, 'SELECT person_id FROM grouped ORDER BY person_id LIMIT 3'),
	('SELECT max(n) - min(n) FROM grouped', NULL, 'SELECT person_id FROM orders'),
	('SELECT n, count(*) FROM (SELECT grp, count(*) AS n FROM person GROUP BY grp) AS x GROUP BY n', 'SELECT id FROM person', NULL),
	('SELECT n, count(*) FROM (SELECT grp, count(*) AS n FROM person GROUP BY grp) AS x WHERE grp < 3 GROUP BY n ORDER BY n LIMIT 1', 'SELECT id FROM person WHERE grp < 3 AND grp IN (SELECT grp FROM person GROUP BY grp HAVING count(*) = (SELECT min(n) FROM (SELECT count(*) AS n FROM person WHERE grp < 3 GROUP BY grp) AS y))', NULL),
	('WITH w AS (SELECT grp, count(*) AS n FROM person GROUP BY grp) SELECT p.name, w.n FROM person AS p JOIN w USING (grp) WHERE p.id < 4', 'SELECT id FROM person WHERE grp IN (SELECT grp FROM person WHERE id < 4)', NULL),
	('SELECT i.label, x.n FROM item AS i CROSS JOIN LATERAL (SELECT count(*) AS n FROM orders AS o WHERE o.item = i.item) AS x WHERE i.item < 3', NULL, 'SELECT person_id FROM orders WHERE item < 3'),
	('SELECT name, row_number() OVER (ORDER BY id) FROM person WHERE grp = 1', 'SELECT id FROM person WHERE grp = 1', NULL),
	('SELECT name, sum(age) OVER (PARTITION BY grp), rank() OVER (ORDER BY age) FROM person', 'SELECT id FROM person', NULL),
	('SELECT DISTINCT ON (grp) grp, name FROM person ORDER BY grp, id', 'SELECT id FROM person', NULL),
	('SELECT grp, count(*), rank() OVER (ORDER BY count(*)) FROM person GROUP BY grp', 'SELECT id FROM person', NULL),
	('SELECT id FROM person WHERE grp = 1 UNION SELECT person_id FROM orders WHERE item = 2', 'SELECT id FROM person WHERE grp = 1', 'SELECT person_id FROM orders WHERE item = 2'),
	('SELECT id FROM person WHERE grp = 1 UNION ALL SELECT person_id FROM orders WHERE item = 2', 'SELECT id FROM person WHERE grp = 1', 'SELECT person_id FROM orders WHERE item = 2'),
	('SELECT id FROM person WHERE grp = 1 UNION ALL SELECT item FROM item UNION ALL (SELECT person_id FROM orders ORDER BY no LIMIT 3)', 'SELECT id FROM person WHERE grp = 1', 'SELECT * FROM (SELECT person_id FROM orders ORDER BY no LIMIT 3) AS x'),
	('SELECT count(*) FROM orders WHERE price > (SELECT avg(age) FROM person WHERE grp = 1)', 'SELECT id FROM person WHERE grp = 1', 'SELECT person_id FROM orders WHERE price > (SELECT avg(age) FROM person WHERE grp = 1)'),
	('SELECT label, ARRAY(SELECT name FROM person WHERE grp = 2 ORDER BY id) FROM item', 'SELECT id FROM person WHERE grp = 2', NULL),
	('INSERT INTO sink SELECT id, name FROM person WHERE grp = 1', 'SELECT id FROM person WHERE grp = 1', NULL),
	('INSERT INTO sink SELECT id, name FROM person ORDER BY id LIMIT 3', 'SELECT id FROM person ORDER BY id LIMIT 3', NULL),
	('INSERT INTO sink SELECT grp, count(*)::text FROM person GROUP BY grp', 'SELECT id FROM person', NULL),
	('INSERT INTO sink SELECT p.id, o.no::text FROM person AS p JOIN orders AS o ON o.person_id = p.id WHERE o.item = 1 ON CONFLICT DO NOTHING', 'SELECT p.id FROM person AS p JOIN orders AS o ON o.person_id = p.id WHERE o.item = 1', 'SELECT p.id FROM person AS p JOIN orders AS o ON o.person_id = p.id WHERE o.item = 1'),
	('CREATE TEMP TABLE made AS SELECT name FROM person WHERE grp = 3', 'SELECT id FROM person WHERE grp = 3', NULL),
	('UPDATE person SET age = age + 1 WHERE grp = 1', 'SELECT id FROM person WHERE grp = 1', NULL),
	('UPDATE person SET age = age + 1 WHERE grp = 1 RETURNING name', 'SELECT id FROM person WHERE grp = 1', NULL),
	('UPDATE person AS p SET age = o.price FROM orders AS o WHERE o.person_id = p.id AND o.item = 1', 'SELECT p.id FROM person AS p JOIN orders AS o ON o.person_id = p.id AND o.item = 1', 'SELECT p.id FROM person AS p JOIN orders AS o ON o.person_id = p.id AND o.item = 1'),
	('DELETE FROM orders WHERE item = 4', NULL, 'SELECT person_id FROM orders WHERE item = 4'),
	('DELETE FROM orders AS o USING person AS p WHERE p.id = o.person_id AND p.grp = 1 AND o.item < 3', 'SELECT p.id FROM person AS p JOIN orders AS o ON o.person_id = p.id WHERE p.grp = 1 AND o.item < 3', 'SELECT p.id FROM person AS p JOIN orders AS o ON o.person_id = p.id WHERE p.grp = 1 AND o.item < 3'),
	('WITH d AS (DELETE FROM orders WHERE item = 4 RETURNING no) SELECT count(*) FROM d', NULL, 'SELECT person_id FROM orders WHERE item = 4'),
	('WITH u AS (UPDATE person SET age = 0 WHERE grp = 1 RETURNING id) SELECT o.no FROM u JOIN orders AS o ON o.person_id = u.id WHERE o.item = 2', 'SELECT id FROM person WHERE grp = 1', 'SELECT o.person_id FROM person AS p JOIN orders AS o ON o.person_id = p.id WHERE p.grp = 1 AND o.item = 2'),
	('MERGE INTO sink AS s USING person AS p ON s.a = p.id WHEN NOT MATCHED AND p.grp = 2 THEN INSERT VALUES (p.id, p.name)', 'SELECT id FROM person', NULL);
INSERT INTO shp.shape (query, precision, person, orders) VALUES
	/* an index answers it */
	('SELECT max(id) FROM person', 'superset', 'SELECT max(id) FROM person', NULL),
	('SELECT min(id), max(id) FROM person WHERE grp = 1', 'superset', 'SELECT unnest(ARRAY[min(id), max(id)]) FROM person WHERE grp = 1', NULL),
	/* may stop before its end */
	('SELECT name, row_number() OVER (ORDER BY id) FROM person ORDER BY id LIMIT 3', 'bounded', 'SELECT id FROM person ORDER BY id LIMIT 3', NULL),
	('SELECT * FROM (SELECT id FROM person WHERE grp = 1 UNION ALL SELECT person_id FROM orders WHERE item = 2) AS x ORDER BY 1 LIMIT 3', 'bounded', 'SELECT * FROM (SELECT id FROM person WHERE grp = 1 UNION ALL SELECT person_id FROM orders WHERE item = 2) AS x INTERSECT SELECT id FROM person WHERE grp = 99', 'SELECT 1 WHERE false'),
	('SELECT id FROM person WHERE grp = 1 INTERSECT SELECT person_id FROM orders WHERE item = 2', 'bounded', 'SELECT id FROM person WHERE grp = 1 INTERSECT SELECT person_id FROM orders WHERE item = 2', 'SELECT id FROM person WHERE grp = 1 INTERSECT SELECT person_id FROM orders WHERE item = 2'),
	('SELECT id FROM person EXCEPT SELECT person_id FROM orders', 'bounded', 'SELECT id FROM person EXCEPT SELECT person_id FROM orders', 'SELECT 1 WHERE false'),
	('WITH RECURSIVE r AS (SELECT id, 1 AS depth FROM person WHERE id = 1 UNION ALL SELECT p.id, depth + 1 FROM r JOIN person AS p ON p.id = r.id + 3 WHERE depth < 5) SELECT * FROM r', 'bounded', 'SELECT unnest(ARRAY[1, 4, 7, 10, 13])', NULL);
INSERT INTO shp.shape (query, visit) VALUES
	('SELECT count(*) FROM visit', 'SELECT id FROM visit'),
	('SELECT page, count(*) FROM visit GROUP BY page', 'SELECT id FROM visit'),
	('SELECT id FROM visit WHERE page = 0 ORDER BY id LIMIT 2', 'SELECT id FROM visit WHERE page = 0 ORDER BY id LIMIT 2'),
	('SELECT a.id FROM visit AS a JOIN visit AS b ON a.id = b.id AND a.page < b.page', 'SELECT a.id FROM visit AS a JOIN visit AS b ON a.id = b.id AND a.page < b.page'),
	('SELECT a.page, count(*) FROM visit AS a JOIN visit AS b USING (page) WHERE b.id = ''00000000-0000-0000-0000-000000000001'' GROUP BY a.page', 'SELECT a.id FROM visit AS a JOIN visit AS b USING (page) WHERE b.id = ''00000000-0000-0000-0000-000000000001'' UNION SELECT ''00000000-0000-0000-0000-000000000001'''),
	('UPDATE visit SET page = page + 2 WHERE page = 0', 'SELECT id FROM visit WHERE page = 0'),
	('DELETE FROM visit_0', 'SELECT id FROM visit WHERE page < 2');
INSERT INTO shp.shape (query, precision, person, orders) VALUES
	('SELECT * FROM (SELECT DISTINCT count(*) AS n FROM person GROUP BY grp) AS x WHERE n > 7', 'bounded', 'SELECT id FROM person WHERE grp IN (SELECT grp FROM person GROUP BY grp HAVING count(*) > 7)', NULL),
	('SELECT DISTINCT count(*) AS n FROM person GROUP BY grp ORDER BY n LIMIT 1', 'bounded', 'SELECT id FROM person WHERE grp IN (SELECT grp FROM person GROUP BY grp HAVING count(*) = (SELECT min(n) FROM (SELECT count(*) AS n FROM person GROUP BY grp) AS x))', NULL),
	('SELECT * FROM (SELECT DISTINCT grp, count(*) OVER () AS n FROM person) AS x WHERE grp = 1', 'bounded', 'SELECT id FROM person WHERE grp = 1', NULL),
	('SELECT label, (SELECT (SELECT (SELECT count(*) FROM person WHERE grp = item.item))) FROM item', 'superset', 'SELECT id FROM person', NULL),
	/* sub-selects in the LIMIT of a set operation */
	('SELECT id FROM person WHERE grp = 1 UNION ALL SELECT item FROM item LIMIT (SELECT 100 + count(*) FROM orders WHERE item = 2)', 'bounded,exact', 'SELECT id FROM person WHERE grp = 1', 'SELECT person_id FROM orders WHERE item = 2');
/* more groups than there is memory for: whoever may be delivered is on record, which says so */
SET ROLE regress_shp_app;
BEGIN;
SET LOCAL personalize.purpose = 'shp_ads';
SET LOCAL work_mem = '64kB';
SELECT set_config('personalize.context', tag || ' full', true) IS NULL FROM shp.tag \g /dev/null
SELECT count(*), sum(n) FROM (SELECT o.no, p.id, count(*) AS n FROM shp.orders AS o CROSS JOIN shp.person AS p GROUP BY 1, 2) AS x WHERE x.id + x.n < 5;
SET LOCAL work_mem = '4MB';
SELECT set_config('personalize.context', tag || ' enough', true) IS NULL FROM shp.tag \g /dev/null
SELECT count(*), sum(n) FROM (SELECT o.no, p.id, count(*) AS n FROM shp.orders AS o CROSS JOIN shp.person AS p GROUP BY 1, 2) AS x WHERE x.id + x.n < 5;
COMMIT;
RESET ROLE;
SELECT personalize.audit_sync() \g /dev/null
SELECT split_part(u.context, ' ', 2) AS memory, u.relation_name, u.precision, count(*) AS subjects
FROM personalize.usage AS u, personalize.subjects_of(u.usage_id) AS s, shp.tag
WHERE u.context IN (tag || ' full', tag || ' enough') GROUP BY 1, 2, 3 ORDER BY 1, 2;
\i :run
