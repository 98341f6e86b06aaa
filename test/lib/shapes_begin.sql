/*
 * Sourced first by the tests audit_shapes_*: people, what is protected and a
 * plain twin that holds what the purpose may see; the table of shapes that
 * shapes_run.sql runs under many plans.
 *
 * Two of three agreed; person 7 has no orders, order 100 no person.
 */
SET client_min_messages = error;
CREATE ROLE regress_shp_app;
CREATE SCHEMA shp;
GRANT USAGE ON SCHEMA shp TO PUBLIC;
CREATE TABLE shp.person (id integer PRIMARY KEY, name text, grp integer, age integer);
INSERT INTO shp.person SELECT i, 'name' || i, i % 5, i % 7 FROM generate_series(1, 60) AS i;
CREATE TABLE shp.orders (no integer PRIMARY KEY, person_id integer, item integer, price integer);
INSERT INTO shp.orders SELECT i, CASE WHEN i % 100 <> 0 THEN CASE WHEN i * 7 % 60 + 1 <> 7 THEN i * 7 % 60 + 1 ELSE 8 END END, i % 11, i % 13 FROM generate_series(1, 240) AS i;
CREATE INDEX orders_person ON shp.orders (person_id);
CREATE INDEX orders_item ON shp.orders (item, person_id);
CREATE INDEX person_grp ON shp.person (grp, id);
CREATE TABLE shp.visit (id uuid, page integer) PARTITION BY LIST (page);
CREATE TABLE shp.visit_0 PARTITION OF shp.visit FOR VALUES IN (0, 1);
CREATE TABLE shp.visit_2 PARTITION OF shp.visit DEFAULT;
INSERT INTO shp.visit SELECT ('00000000-0000-0000-0000-' || lpad((i % 20)::text, 12, '0'))::uuid, i % 4 FROM generate_series(1, 80) AS i;
CREATE TABLE shp.item (item integer PRIMARY KEY, label text);
INSERT INTO shp.item SELECT i, 'item' || i FROM generate_series(0, 12) AS i;
CREATE TABLE shp.sink (a integer, b text);
CREATE VIEW shp.view AS SELECT id, name, grp FROM shp.person WHERE age > 1;
CREATE VIEW shp.barrier WITH (security_barrier) AS SELECT id, name, grp FROM shp.person WHERE age > 1;
CREATE VIEW shp.grouped AS SELECT person_id, count(*) AS n, sum(price) AS total FROM shp.orders GROUP BY person_id;
GRANT ALL ON ALL TABLES IN SCHEMA shp TO regress_shp_app;
DO $$
BEGIN
	PERFORM personalize.define_kind('shapes', 'bigint');
	PERFORM personalize.define_kind('shapes_uuid', 'uuid');
	PERFORM personalize.define_category('shp_general', 'for tests');
	PERFORM personalize.define_purpose('shp_ads', 'for tests', categories => '{shp_general}');
	PERFORM personalize.grant_purpose('shp_ads', 'regress_shp_app', may_copy => true);
	PERFORM personalize.protect('shp.person', 'id', kind => 'shapes', columns => '{"*":"shp_general"}');
	PERFORM personalize.protect('shp.orders', 'person_id', kind => 'shapes', columns => '{"*":"shp_general"}');
	PERFORM personalize.protect('shp.visit', 'id', kind => 'shapes_uuid', columns => '{"*":"shp_general"}');
	PERFORM personalize.grant_consent(i, 'shp_ads', kind => 'shapes') FROM generate_series(1, 60) AS i WHERE i % 3 <> 0;
	PERFORM personalize.grant_consent(('00000000-0000-0000-0000-' || lpad(i::text, 12, '0'))::uuid, 'shp_ads', kind => 'shapes_uuid')
		FROM generate_series(0, 19) AS i WHERE i % 3 <> 0;
END
$$;
ANALYZE shp.person, shp.orders, shp.visit, shp.item;
/* what may be seen, without protection */
CREATE SCHEMA shp_plain;
BEGIN;
SET LOCAL personalize.purpose = 'break_glass';
CREATE TABLE shp_plain.person AS SELECT * FROM shp.person WHERE id % 3 <> 0;
CREATE TABLE shp_plain.orders AS SELECT * FROM shp.orders WHERE person_id % 3 <> 0;
CREATE TABLE shp_plain.visit AS SELECT * FROM shp.visit WHERE right(id::text, 12)::integer % 3 <> 0;
COMMIT;
CREATE TABLE shp_plain.item AS SELECT * FROM shp.item;
CREATE VIEW shp_plain.view AS SELECT id, name, grp FROM shp_plain.person WHERE age > 1;
CREATE VIEW shp_plain.barrier AS SELECT id, name, grp FROM shp_plain.person WHERE age > 1;
CREATE VIEW shp_plain.grouped AS SELECT person_id, count(*) AS n, sum(price) AS total FROM shp_plain.orders GROUP BY person_id;
/*
 * A shape, its precision, and queries on the plain twin for whose rows of each
 * relation it delivers (NULL: the relation is not used).
 */
CREATE TABLE shp.shape (no integer GENERATED ALWAYS AS IDENTITY, query text, precision text DEFAULT 'exact',
	person text, orders text, visit text);
GRANT SELECT ON shp.shape TO regress_shp_app;
CREATE TABLE shp.variant (no integer GENERATED ALWAYS AS IDENTITY, settings text[]);
INSERT INTO shp.variant (settings) VALUES
	('{}'), ('{enable_hashjoin=off}'), ('{enable_hashjoin=off,enable_mergejoin=off}'), ('{enable_nestloop=off}'),
	('{enable_nestloop=off,enable_hashjoin=off}'), ('{enable_seqscan=off}'),
	('{enable_indexscan=off,enable_indexonlyscan=off,enable_bitmapscan=off}'), ('{enable_hashagg=off}'), ('{enable_sort=off}'),
	('{enable_memoize=off,enable_material=off}'), ('{join_collapse_limit=1,from_collapse_limit=1}'), ('{geqo_threshold=2}'),
	('{work_mem=64kB}'), ('{enable_partitionwise_join=on,enable_partitionwise_aggregate=on}'),
	('{parallel_setup_cost=0,parallel_tuple_cost=0,min_parallel_table_scan_size=0,max_parallel_workers_per_gather=2}'),
	('{debug_parallel_query=regress,force_parallel_mode=regress}'), ('{jit=on,jit_above_cost=0}'), ('{enable_incremental_sort=off}'),
	('{random_page_cost=0.1,seq_page_cost=10}'), ('{cursor_tuple_fraction=0.01,enable_bitmapscan=off}'),
	('{enable_nestloop=off,enable_hashjoin=off,enable_seqscan=off}'), ('{enable_hashjoin=off,enable_mergejoin=off,enable_material=off,enable_seqscan=off}');
GRANT SELECT ON shp.variant TO regress_shp_app;
/* what a record of this run is known by */
CREATE TABLE shp.tag AS SELECT gen_random_uuid() AS tag;
GRANT SELECT ON shp.tag TO regress_shp_app;
