-- EXPLAIN tells who is not an officer or auditor nothing about rows that it does not show: no estimates, no counts of withheld rows.
SET client_min_messages = warning;
\pset format unaligned
\pset tuples_only on
CREATE ROLE regress_enf_owner;
CREATE ROLE regress_enf_app;
CREATE ROLE regress_enf_officer IN ROLE regress_enf_app;
CREATE ROLE regress_enf_auditor IN ROLE regress_enf_app;
CREATE SCHEMA enf AUTHORIZATION regress_enf_owner;
GRANT USAGE, CREATE ON SCHEMA enf TO PUBLIC;
SET ROLE regress_enf_owner;
CREATE TABLE enf.customer (id integer PRIMARY KEY, name text, note text) WITH (autovacuum_enabled = off);
CREATE TABLE enf.visit (id integer, name text) PARTITION BY RANGE (id);
CREATE TABLE enf.visit_1 PARTITION OF enf.visit FOR VALUES FROM (0) TO (500) WITH (autovacuum_enabled = off);
CREATE TABLE enf.visit_2 PARTITION OF enf.visit FOR VALUES FROM (500) TO (10000) WITH (autovacuum_enabled = off);
CREATE TABLE enf.free (id integer, name text) WITH (autovacuum_enabled = off);
INSERT INTO enf.customer SELECT i, 'name' || i % 10, 'note' || i FROM generate_series(1, 1000) AS i;
INSERT INTO enf.visit SELECT i, 'name' || i % 10 FROM generate_series(1, 1000) AS i;
INSERT INTO enf.free SELECT i, 'name' || i % 10 FROM generate_series(1, 1000) AS i;
CREATE INDEX customer_name ON enf.customer (name);
ANALYZE enf.customer, enf.visit, enf.free;
GRANT ALL ON ALL TABLES IN SCHEMA enf TO regress_enf_app;
RESET ROLE;
/* 20 agreed, who are called name1 and name2 */
DO $$
BEGIN
	PERFORM personalize.define_kind('enforce_explain_counts', 'bigint');
	PERFORM personalize.define_category('enf_general', 'for tests');
	PERFORM personalize.define_purpose('enf_ads', 'for tests', categories => '{enf_general}');
	PERFORM personalize.protect('enf.customer', 'id', kind => 'enforce_explain_counts', columns => '{"*":"enf_general"}');
	PERFORM personalize.protect('enf.visit', 'id', kind => 'enforce_explain_counts', columns => '{"*":"enf_general"}');
	PERFORM personalize.grant_purpose('enf_ads', 'regress_enf_app', may_copy => true);
	PERFORM personalize.assign_duty('regress_enf_officer', 'officer');
	PERFORM personalize.assign_duty('regress_enf_auditor', 'auditor');
	PERFORM personalize.grant_consent(i * 10 + j, 'enf_ads', kind => 'enforce_explain_counts')
	FROM generate_series(0, 9) AS i, generate_series(1, 2) AS j;
END
$$;
\set VERBOSITY terse
/* what EXPLAIN prints of a query that is not zero, but for catalog pages read while planning */
CREATE FUNCTION enf.told(query text, options text DEFAULT '') RETURNS TABLE (what text, numbers text) LANGUAGE plpgsql AS $$
DECLARE
	plan json;
BEGIN
	EXECUTE format('EXPLAIN (FORMAT JSON %s) %s', options, query) INTO plan;
	RETURN QUERY
	SELECT m.m[1], string_agg(m.m[2]::numeric::integer::text, ' ' ORDER BY m.o)
	FROM regexp_matches(regexp_replace(plan::text, '"Planning": \{[^}]*\}', ''), '"(Startup Cost|Total Cost|Plan Rows|Plan Width|Actual Rows|Rows Removed by Filter|'
		'Rows Removed by Index Recheck|Heap Fetches|Exact Heap Blocks|Lossy Heap Blocks|Index Searches|Shared Hit Blocks|'
		'Shared Read Blocks|Hash Buckets|Planned Partitions|Peak Memory Usage|Functions)": ([0-9.]+)', 'g') WITH ORDINALITY AS m (m, o)
	WHERE m.m[2]::numeric <> 0
	GROUP BY m.m[1] ORDER BY m.m[1] COLLATE "C";
END
$$;
/* its kinds only, which are the same in all releases */
CREATE FUNCTION enf.kinds(query text, options text DEFAULT '') RETURNS SETOF text LANGUAGE sql AS
	$$SELECT what FROM enf.told(query, options)$$;
/* the lines of any format with a number that is not zero */
CREATE FUNCTION enf.lines(format text, query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE format('EXPLAIN (FORMAT %s) %s', format, query) LOOP
		RETURN QUERY SELECT m[1] FROM regexp_matches(line, '^[- ]*(.*(?:Cost|Rows|Width|cost|rows|width)[^a-z]*[1-9].*)$', 'gn') AS m;
	END LOOP;
END
$$;
SET ROLE regress_enf_app;
/* text, and every other form */
EXPLAIN SELECT id FROM enf.customer WHERE name = 'name3';
SELECT f, enf.lines(f, 'SELECT count(*) FROM enf.customer') FROM unnest('{text,xml,json,yaml}'::text[]) AS f;
SELECT f, count(*) > 0 FROM unnest('{text,xml,json,yaml}'::text[]) AS f, enf.lines(f, 'SELECT count(*) FROM enf.free') GROUP BY f ORDER BY f;
SELECT * FROM enf.told('SELECT id FROM enf.customer WHERE name = ''name3''');
SELECT * FROM enf.told('SELECT * FROM enf.visit ORDER BY id');
SELECT * FROM enf.told('SELECT c.id FROM enf.customer c JOIN enf.free f ON f.id = c.id WHERE f.id < 50');
SELECT * FROM enf.told('WITH c AS MATERIALIZED (SELECT * FROM enf.customer) SELECT (SELECT count(*) FROM c), (SELECT max(id) FROM enf.free)');
SELECT * FROM enf.told('UPDATE enf.customer SET note = note');
SELECT * FROM enf.told('SELECT id FROM enf.customer WHERE name = ''name3'' LIMIT 0');
SELECT * FROM enf.told('SELECT id FROM enf.customer WHERE name = ''name3'' AND false');
SELECT * FROM enf.told('CREATE TABLE enf.copied AS SELECT * FROM enf.customer');
SELECT * FROM enf.told('DECLARE c CURSOR FOR SELECT * FROM enf.customer');
SELECT * FROM enf.told('INSERT INTO enf.free SELECT id, name FROM enf.customer');
SET enable_seqscan = off;
SELECT * FROM enf.told('SELECT id FROM enf.customer WHERE id < 500');
RESET enable_seqscan;
SET hash_mem_multiplier = 1; SET work_mem = 64;
SELECT * FROM enf.told('SELECT name, count(*) FROM enf.customer GROUP BY id, name');
RESET work_mem; RESET hash_mem_multiplier;
/* EXPLAIN EXECUTE; the cached plan is not touched: it costs what it did */
RESET ROLE;
PREPARE q (text) AS SELECT id FROM enf.customer WHERE name = $1;
SET plan_cache_mode = force_generic_plan;
CREATE TEMP TABLE costs AS SELECT * FROM enf.told('EXECUTE q (''name3'')');
GRANT ALL ON costs TO regress_enf_app;
SELECT what FROM costs;
SET ROLE regress_enf_app;
SELECT * FROM enf.told('EXECUTE q (''name3'')');
BEGIN; SET LOCAL personalize.purpose = 'enf_ads'; SELECT * FROM enf.told('EXECUTE q (''name1'')', ', ANALYZE'); COMMIT;
RESET ROLE;
(TABLE costs EXCEPT SELECT * FROM enf.told('EXECUTE q (''name3'')')) UNION (SELECT * FROM enf.told('EXECUTE q (''name3'')') EXCEPT TABLE costs);
DEALLOCATE q;
RESET plan_cache_mode;
/* ANALYZE: rows that come out of the scan, nothing of those that do not */
SET ROLE regress_enf_app;
BEGIN;
SET LOCAL personalize.purpose = 'enf_ads';
SELECT * FROM enf.told('SELECT id FROM enf.customer', ', ANALYZE');
SELECT * FROM enf.told('SELECT id FROM enf.customer', ', ANALYZE, BUFFERS');
SELECT * FROM enf.told('SELECT id FROM enf.visit', ', ANALYZE, BUFFERS, VERBOSE');
SELECT * FROM enf.told('CREATE TABLE enf.copied AS SELECT * FROM enf.customer', ', ANALYZE');
SELECT * FROM enf.told('DECLARE c CURSOR FOR SELECT * FROM enf.customer', ', ANALYZE');
SELECT * FROM enf.told('UPDATE enf.customer SET note = note RETURNING id', ', ANALYZE');
/* each number once: either may be the side that is hashed */
SELECT what, ARRAY(SELECT DISTINCT n::integer FROM unnest(string_to_array(numbers, ' ')) AS n ORDER BY 1) AS numbers FROM enf.told('SELECT c.id FROM enf.customer c JOIN enf.free f ON f.id = c.id AND f.name = ''name1''', ', ANALYZE');
SELECT * FROM enf.told('SELECT id FROM enf.customer LIMIT 3', ', ANALYZE');
SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off;
SELECT * FROM enf.told('SELECT note FROM enf.customer WHERE name IN (''name1'', ''name3'')', ', ANALYZE');
SELECT * FROM enf.told('SELECT id FROM enf.customer WHERE id < 500', ', ANALYZE, BUFFERS');
SET LOCAL enable_bitmapscan = on; SET LOCAL enable_indexscan = off;
SELECT * FROM enf.told('SELECT note FROM enf.customer WHERE name IN (''name1'', ''name3'')', ', ANALYZE, BUFFERS');
SELECT * FROM enf.told('SELECT 1 FROM enf.customer WHERE name = ''name3'' ', ', ANALYZE');
ROLLBACK;
/* parallel workers count for themselves */
BEGIN;
SET LOCAL personalize.purpose = 'enf_ads';
SET LOCAL parallel_setup_cost = 0; SET LOCAL parallel_tuple_cost = 0; SET LOCAL min_parallel_table_scan_size = 0;
SELECT * FROM enf.told('SELECT id FROM enf.customer', ', ANALYZE, VERBOSE, BUFFERS');
ROLLBACK;
/* it is a use like any other */
RESET ROLE;
SELECT personalize.audit_sync();
SELECT rows_used, rows_withheld, count(*), max(cardinality(ARRAY(SELECT personalize.subjects_of(usage_id))))
FROM personalize.usage WHERE relation = 'enf.customer'::regclass AND query LIKE 'EXPLAIN%SELECT id FROM enf.customer' AND status = 'ended' GROUP BY 1, 2;
/* who sees the registry or the record of use sees it all */
SET ROLE regress_enf_officer;
SELECT * FROM enf.kinds('SELECT id FROM enf.customer WHERE name = ''name3''');
BEGIN; SET LOCAL personalize.purpose = 'enf_ads'; SELECT * FROM enf.told('SELECT id FROM enf.customer', ', ANALYZE, COSTS OFF, BUFFERS OFF'); COMMIT;
SET ROLE regress_enf_auditor;
BEGIN; SET LOCAL personalize.purpose = 'enf_ads'; SELECT * FROM enf.told('SELECT id FROM enf.customer', ', ANALYZE, COSTS OFF, BUFFERS OFF'); COMMIT;
RESET ROLE;
BEGIN; SET LOCAL personalize.purpose = 'enf_ads'; SELECT * FROM enf.told('SELECT id FROM enf.customer', ', ANALYZE, COSTS OFF, BUFFERS OFF'); COMMIT;
/* the owner does not */
SET ROLE regress_enf_owner;
SELECT * FROM enf.told('SELECT id FROM enf.customer');
/* nor does who borrows the rights of an officer */
RESET ROLE;
CREATE FUNCTION enf.borrowed() RETURNS SETOF text LANGUAGE plpgsql SECURITY DEFINER AS
	$$BEGIN RETURN QUERY SELECT * FROM enf.kinds('SELECT id FROM enf.customer'); END$$;
SET ROLE regress_enf_app;
SELECT enf.borrowed();
/* a failure in between leaves nothing behind, and what EXPLAIN ANALYZE calls may explain, too */
DO $$ BEGIN EXECUTE 'EXPLAIN ANALYZE SELECT 1 / (id - id) FROM enf.free'; EXCEPTION WHEN division_by_zero THEN NULL; END $$;
SELECT * FROM enf.kinds('SELECT id FROM enf.free');
BEGIN; SET LOCAL personalize.purpose = 'enf_ads'; SELECT * FROM enf.told('SELECT (SELECT count(*) FROM enf.told(''SELECT id FROM enf.customer'')) FROM enf.customer WHERE id < 3', ', ANALYZE'); COMMIT;
/* plans go to the client as log messages, too */
SET debug_print_plan = on;
SELECT id FROM enf.customer;
SELECT 1 FROM enf.free LIMIT 1;
RESET debug_print_plan;
RESET ROLE;
DROP SCHEMA enf CASCADE;
DROP OWNED BY regress_enf_owner, regress_enf_app, regress_enf_officer, regress_enf_auditor;
DROP ROLE regress_enf_owner, regress_enf_app, regress_enf_officer, regress_enf_auditor;
