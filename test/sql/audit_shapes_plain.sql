-- Whose rows a statement delivers is on record, the same under every plan: selects, joins, sub-selects, views, LIMIT.
\getenv abs_srcdir PG_ABS_SRCDIR
\set begin :abs_srcdir '/lib/shapes_begin.sql'
\set run :abs_srcdir '/lib/shapes_run.sql'
\set ECHO none
\pset format unaligned
\pset tuples_only on
\i :begin
CREATE FUNCTION shp.opaque(text) RETURNS boolean LANGUAGE plpgsql STABLE AS 'BEGIN RETURN true; END';
CREATE DOMAIN shp.date_text AS text CHECK (VALUE <> 'never');
CREATE EXTENSION IF NOT EXISTS file_fdw SCHEMA public;
CREATE SERVER shp_server FOREIGN DATA WRAPPER file_fdw;
CREATE FOREIGN TABLE shp.elsewhere (id integer) SERVER shp_server OPTIONS (filename '/dev/null');
GRANT SELECT ON shp.elsewhere TO regress_shp_app;
INSERT INTO shp.shape (query, person, orders) VALUES
	('SELECT * FROM person', 'SELECT id FROM person', NULL),
	('SELECT 1 FROM person WHERE id < 10', 'SELECT id FROM person WHERE id < 10', NULL),
	('SELECT name FROM person WHERE grp = 2 AND age > 3', 'SELECT id FROM person WHERE grp = 2 AND age > 3', NULL),
	('SELECT name FROM person WHERE grp = 99', 'SELECT id FROM person WHERE false', NULL),
	('SELECT person FROM person WHERE id < 5', 'SELECT id FROM person WHERE id < 5', NULL),
	('SELECT person.* FROM person WHERE id < 5', 'SELECT id FROM person WHERE id < 5', NULL),
	('SELECT name FROM person ORDER BY name', 'SELECT id FROM person', NULL),
	('SELECT name FROM person ORDER BY id DESC LIMIT 3', 'SELECT id FROM person ORDER BY id DESC LIMIT 3', NULL),
	('SELECT name FROM person ORDER BY id OFFSET 5 LIMIT 4', 'SELECT id FROM person ORDER BY id OFFSET 5 LIMIT 4', NULL),
	('SELECT name FROM person ORDER BY age FETCH FIRST 2 ROWS WITH TIES', 'SELECT id FROM person ORDER BY age FETCH FIRST 2 ROWS WITH TIES', NULL),
	('SELECT name FROM person ORDER BY grp, id LIMIT 3', 'SELECT id FROM person ORDER BY grp, id LIMIT 3', NULL),
	('SELECT name FROM person WHERE id = ANY (ARRAY[1, 2, 3, 4])', 'SELECT id FROM person WHERE id <= 4', NULL),
	('SELECT p.name, o.no FROM person AS p JOIN orders AS o ON o.person_id = p.id', 'SELECT p.id FROM person AS p JOIN orders AS o ON o.person_id = p.id', 'SELECT p.id FROM person AS p JOIN orders AS o ON o.person_id = p.id'),
	('SELECT p.name FROM person AS p, orders AS o WHERE o.person_id = p.id AND o.item = 3 AND p.grp = 1', 'SELECT p.id FROM person AS p, orders AS o WHERE o.person_id = p.id AND o.item = 3 AND p.grp = 1', 'SELECT p.id FROM person AS p, orders AS o WHERE o.person_id = p.id AND o.item = 3 AND p.grp = 1'),
	('SELECT i.label, o.price FROM orders AS o JOIN item AS i USING (item) WHERE i.label = ''item4''', NULL, 'SELECT person_id FROM orders WHERE item = 4'),
	('SELECT i.label, p.name FROM item AS i JOIN orders AS o USING (item) JOIN person AS p ON p.id = o.person_id WHERE i.item < 2 AND p.age = 1', 'SELECT p.id FROM orders AS o JOIN person AS p ON p.id = o.person_id WHERE o.item < 2 AND p.age = 1', 'SELECT p.id FROM orders AS o JOIN person AS p ON p.id = o.person_id WHERE o.item < 2 AND p.age = 1'),
	('SELECT a.name, b.name FROM person AS a JOIN person AS b ON a.age = b.grp WHERE a.id < 10', 'SELECT unnest(ARRAY[a.id, b.id]) FROM person AS a JOIN person AS b ON a.age = b.grp WHERE a.id < 10', NULL),
	('SELECT a.name FROM person AS a JOIN orders AS o ON o.price < a.age WHERE o.no < 20', 'SELECT a.id FROM person AS a JOIN orders AS o ON o.price < a.age WHERE o.no < 20', 'SELECT o.person_id FROM person AS a JOIN orders AS o ON o.price < a.age WHERE o.no < 20'),
	('SELECT p.name, o.no FROM person AS p LEFT JOIN orders AS o ON o.person_id = p.id AND o.item = 2', 'SELECT id FROM person', 'SELECT o.person_id FROM person AS p JOIN orders AS o ON o.person_id = p.id AND o.item = 2'),
	('SELECT p.name, o.no FROM orders AS o RIGHT JOIN person AS p ON o.person_id = p.id AND o.item = 2', 'SELECT id FROM person', 'SELECT o.person_id FROM person AS p JOIN orders AS o ON o.person_id = p.id AND o.item = 2'),
	('SELECT p.name, o.no FROM person AS p FULL JOIN orders AS o ON o.person_id = p.id AND p.grp = 1', 'SELECT id FROM person', 'SELECT person_id FROM orders'),
	('SELECT p.name, o.no FROM person AS p LEFT JOIN orders AS o ON o.person_id = p.id WHERE o.no IS NULL', 'SELECT id FROM person AS p WHERE NOT EXISTS (SELECT FROM orders AS o WHERE o.person_id = p.id)', 'SELECT 1 WHERE false'),
	('SELECT i.label, o.no FROM item AS i LEFT JOIN (orders AS o JOIN person AS p ON p.id = o.person_id) ON o.item = i.item AND p.grp = 3', 'SELECT p.id FROM item AS i JOIN orders AS o USING (item) JOIN person AS p ON p.id = o.person_id AND p.grp = 3', 'SELECT p.id FROM item AS i JOIN orders AS o USING (item) JOIN person AS p ON p.id = o.person_id AND p.grp = 3'),
	('SELECT p.name, o.no FROM person AS p JOIN orders AS o ON o.person_id = p.id ORDER BY o.no LIMIT 5', 'SELECT * FROM (SELECT p.id FROM person AS p JOIN orders AS o ON o.person_id = p.id ORDER BY o.no LIMIT 5) AS x', 'SELECT * FROM (SELECT p.id FROM person AS p JOIN orders AS o ON o.person_id = p.id ORDER BY o.no LIMIT 5) AS x'),
	('SELECT p.name, x.no FROM person AS p CROSS JOIN LATERAL (SELECT o.no FROM orders AS o WHERE o.person_id = p.id ORDER BY o.no LIMIT 1) AS x WHERE p.grp = 2', 'SELECT p.id FROM person AS p WHERE p.grp = 2 AND EXISTS (SELECT FROM orders AS o WHERE o.person_id = p.id)', 'SELECT p.id FROM person AS p WHERE p.grp = 2 AND EXISTS (SELECT FROM orders AS o WHERE o.person_id = p.id)'),
	('SELECT name FROM (SELECT id, name FROM person WHERE grp = 1) AS x WHERE id > 20', 'SELECT id FROM person WHERE grp = 1 AND id > 20', NULL),
	('SELECT name FROM (SELECT name FROM person ORDER BY id LIMIT 10) AS x WHERE name LIKE ''%1%''', 'SELECT id FROM (SELECT id, name FROM person ORDER BY id LIMIT 10) AS x WHERE name LIKE ''%1%''', NULL),
	('SELECT name FROM (SELECT name, age FROM person OFFSET 0) AS x WHERE age = 4', 'SELECT id FROM person WHERE age = 4', NULL),
	('SELECT x FROM (SELECT name, age FROM person) AS x WHERE age = 4', 'SELECT id FROM person WHERE age = 4', NULL),
	('SELECT count(*) FROM (SELECT id FROM person ORDER BY id LIMIT 10) AS x', 'SELECT id FROM person ORDER BY id LIMIT 10', NULL),
	('SELECT name FROM view WHERE grp = 1', 'SELECT id FROM view WHERE grp = 1', NULL),
	('SELECT name FROM barrier WHERE grp = 1', 'SELECT id FROM view WHERE grp = 1', NULL),
	('SELECT v.name, o.no FROM barrier AS v JOIN orders AS o ON o.person_id = v.id WHERE o.item = 1', 'SELECT v.id FROM view AS v JOIN orders AS o ON o.person_id = v.id WHERE o.item = 1', 'SELECT v.id FROM view AS v JOIN orders AS o ON o.person_id = v.id WHERE o.item = 1'),
	('WITH w AS (SELECT id, name FROM person WHERE grp = 1) SELECT name FROM w WHERE id < 30', 'SELECT id FROM person WHERE grp = 1 AND id < 30', NULL),
	('WITH w AS MATERIALIZED (SELECT id, name FROM person WHERE grp = 1) SELECT name FROM w WHERE id < 30', 'SELECT id FROM person WHERE grp = 1 AND id < 30', NULL),
	('WITH w AS (SELECT id, name FROM person) SELECT a.name, b.name FROM w AS a JOIN w AS b ON b.id = a.id + 1 WHERE a.id < 9', 'SELECT unnest(ARRAY[a.id, b.id]) FROM person AS a JOIN person AS b ON b.id = a.id + 1 WHERE a.id < 9', NULL),
	('WITH w AS (SELECT id, name FROM person), v AS (SELECT * FROM w WHERE id > 50) SELECT name FROM v ORDER BY id LIMIT 2', 'SELECT id FROM person WHERE id > 50 ORDER BY id LIMIT 2', NULL),
	('SELECT name FROM person AS p WHERE EXISTS (SELECT FROM orders AS o WHERE o.person_id = p.id AND o.item = 5)', 'SELECT id FROM person AS p WHERE EXISTS (SELECT FROM orders AS o WHERE o.person_id = p.id AND o.item = 5)', 'SELECT id FROM person AS p WHERE EXISTS (SELECT FROM orders AS o WHERE o.person_id = p.id AND o.item = 5)'),
	('SELECT name FROM person AS p WHERE p.id IN (SELECT o.person_id FROM orders AS o WHERE o.item = 5)', 'SELECT person_id FROM orders JOIN person ON id = person_id WHERE item = 5', 'SELECT person_id FROM orders JOIN person ON id = person_id WHERE item = 5'),
	('SELECT name FROM person AS p WHERE NOT EXISTS (SELECT FROM orders AS o WHERE o.person_id = p.id)', 'SELECT id FROM person AS p WHERE NOT EXISTS (SELECT FROM orders AS o WHERE o.person_id = p.id)', 'SELECT 1 WHERE false'),
	('SELECT count(*) FROM person AS p WHERE p.id IN (SELECT o.person_id FROM orders AS o WHERE o.item = 5)', 'SELECT person_id FROM orders JOIN person ON id = person_id WHERE item = 5', 'SELECT person_id FROM orders JOIN person ON id = person_id WHERE item = 5'),
	('SELECT generate_series(1, age) FROM person WHERE id < 20', 'SELECT id FROM person WHERE id < 20 AND age > 0', NULL),
	('SELECT name FROM person WHERE age = (SELECT min(age) + 1 FROM item JOIN person ON id = item)', 'SELECT id FROM person WHERE age = (SELECT min(age) + 1 FROM item JOIN person ON id = item) UNION SELECT NULL', NULL),
	('SELECT tableoid::regclass, page FROM visit WHERE page = 1', NULL, NULL),
	('SELECT name || id, concat(name, age), format(''%s'', id), id::text, now(), current_date FROM person WHERE id < 7', 'SELECT id FROM person WHERE id < 7', NULL),
	('SELECT CASE WHEN age > 2 THEN name END, coalesce(name, ''''), greatest(id, age), ARRAY[id, age], ROW(id, name) FROM person WHERE id < 7', 'SELECT id FROM person WHERE id < 7', NULL);
UPDATE shp.shape SET visit = 'SELECT id FROM visit WHERE page = 1' WHERE query LIKE '%FROM visit%';
DELETE FROM shp.shape WHERE query LIKE '%min(age) + 1%';
INSERT INTO shp.shape (query, precision, person, orders) VALUES
	/* nobody names what is joined: the join may go, and who was seen is on record if it does not */
	('SELECT o.no FROM orders AS o LEFT JOIN person AS p ON p.id = o.person_id WHERE o.no < 9', 'exact', NULL, 'SELECT person_id FROM orders WHERE no < 9'),
	/* whoever is found first is enough: who was seen */
	('SELECT name FROM person AS p WHERE EXISTS (SELECT FROM orders AS o WHERE o.price = p.age AND o.item = 5)', 'exact,superset', 'SELECT id FROM person AS p WHERE EXISTS (SELECT FROM orders AS o WHERE o.price = p.age AND o.item = 5)', 'SELECT 1 WHERE false'),
	('SELECT name FROM person AS p WHERE p.id NOT IN (SELECT o.person_id FROM orders AS o WHERE o.person_id IS NOT NULL)', 'exact,superset', 'SELECT id FROM person AS p WHERE p.id NOT IN (SELECT o.person_id FROM orders AS o)', 'SELECT 1 WHERE false'),
	('SELECT name, (SELECT count(*) FROM orders AS o WHERE o.person_id = p.id) FROM person AS p WHERE p.grp = 1', 'exact,superset', 'SELECT id FROM person WHERE grp = 1', 'SELECT id FROM person JOIN orders ON person_id = id WHERE grp = 1'),
	/* equal, but not the same key: by a cast that loses something, without blanks, as another type */
	('SELECT i.item FROM item AS i WHERE EXISTS (SELECT FROM person AS p WHERE (p.id / 10) = i.item)', 'superset', 'SELECT id FROM person WHERE id / 10 <= 12', NULL),
	('SELECT i.item FROM item AS i WHERE i.item IN (SELECT p.id::numeric::integer FROM person AS p)', 'superset', 'SELECT id FROM person WHERE id <= 12', NULL),
	('SELECT i.item FROM item AS i WHERE EXISTS (SELECT FROM person AS p WHERE p.id::float8 = i.item)', 'superset', 'SELECT id FROM person WHERE id <= 12', NULL),
	('SELECT i.item FROM item AS i WHERE i.item::bigint IN (SELECT p.id FROM person AS p)', 'exact', 'SELECT id FROM person WHERE id <= 12', NULL),
	('SELECT i.item FROM item AS i WHERE EXISTS (SELECT FROM person AS p WHERE p.id = i.item::smallint)', 'exact', 'SELECT id FROM person WHERE id <= 12', NULL),
	/* what runs a view, warns of what it reads, or gives it to another server */
	('SELECT length(table_to_xml(''shp.item''::regclass, true, true, '''')::text), name FROM person WHERE grp = 1 LIMIT 1', 'superset', 'SELECT id FROM (SELECT id FROM person WHERE grp = 1 LIMIT 1) AS x WHERE false', NULL),
	('SELECT xml_is_well_formed_content(name) FROM person WHERE grp = 1 ORDER BY id LIMIT 1', 'superset', 'SELECT id FROM person WHERE grp = 1 ORDER BY id LIMIT 1', NULL),
	('SELECT to_json(name) FROM person WHERE grp = 1 ORDER BY id LIMIT 1', 'superset', 'SELECT id FROM person WHERE grp = 1 ORDER BY id LIMIT 1', NULL),
	('SELECT to_char(now() + age * interval ''1 day'', ''YYYY''), date_trunc(''day'', now()), age::text::date_text FROM person WHERE grp = 1 ORDER BY id LIMIT 1', 'superset', 'SELECT id FROM person WHERE grp = 1 ORDER BY id LIMIT 1', NULL),
	('SELECT to_char(now() + age * interval ''1 day'', ''YYYY''), date_trunc(''day'', now()) FROM person WHERE grp = 1 ORDER BY id LIMIT 1', 'exact', 'SELECT id FROM person WHERE grp = 1 ORDER BY id LIMIT 1', NULL),
	('SELECT p.name FROM person AS p JOIN elsewhere AS e ON e.id = p.id WHERE p.grp = 1', 'superset', 'SELECT id FROM person WHERE false', NULL),
	/* code of a user in the way */
	('SELECT name FROM person WHERE opaque(name)', 'superset', 'SELECT id FROM person', NULL),
	('SELECT opaque(name) FROM person ORDER BY id LIMIT 1', 'superset', 'SELECT id FROM person ORDER BY id LIMIT 1', NULL);
\i :run
