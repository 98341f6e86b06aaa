-- Built-in functions and odd ways that reach rows: each is filtered or refused, or tells only what docs/security.md says.
SET client_min_messages = warning;
\pset format unaligned
\pset tuples_only on
CREATE ROLE regress_enf_owner;
CREATE ROLE regress_enf_app;
CREATE SCHEMA enf AUTHORIZATION regress_enf_owner;
GRANT USAGE ON SCHEMA enf TO PUBLIC;
SET ROLE regress_enf_owner;
CREATE TABLE enf.customer (id integer PRIMARY KEY, name text, note text, nr serial) WITH (autovacuum_enabled = off);
/* the notes of those who agreed are numbers, those of the others are not */
INSERT INTO enf.customer SELECT i, 'name' || i, CASE WHEN i <= 2 THEN '7' ELSE 'secret' || i END FROM generate_series(1, 5) AS i;
CREATE INDEX customer_name ON enf.customer (name);
ANALYZE enf.customer;
GRANT ALL ON enf.customer, enf.customer_nr_seq TO regress_enf_app;
RESET ROLE;
/* 1 and 2 agreed */
DO $$
BEGIN
	PERFORM personalize.define_kind('enforce_other_readers', 'bigint');
	PERFORM personalize.define_category('enf_general', 'for tests');
	PERFORM personalize.define_purpose('enf_ads', 'for tests', categories => '{enf_general}');
	PERFORM personalize.protect('enf.customer', 'id', kind => 'enforce_other_readers', columns => '{"*":"enf_general"}');
	PERFORM personalize.grant_purpose('enf_ads', 'regress_enf_app');
	PERFORM personalize.grant_consent(i, 'enf_ads', kind => 'enforce_other_readers') FROM generate_series(1, 2) AS i;
END
$$;
/* the first value of a query, or the code of its error; without a purpose, and with one */
CREATE FUNCTION enf.said(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	EXECUTE query INTO line;
	RETURN coalesce(line, 'null');
EXCEPTION WHEN OTHERS THEN
	RETURN sqlstate;
END
$$;
CREATE FUNCTION enf.read(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	line text := enf.said(query);
BEGIN
	PERFORM set_config('personalize.purpose', 'enf_ads', true);
	line := line || ' | ' || enf.said(query);
	PERFORM set_config('personalize.purpose', '', true);
	RETURN line;
END
$$;
/* how often a text has a row of a customer */
CREATE FUNCTION enf.rows(t text) RETURNS bigint LANGUAGE sql AS
	$$SELECT count(*) FROM pg_catalog.regexp_matches(t, '<name>name\d', 'g')$$;
\set VERBOSITY terse
SET ROLE regress_enf_app;
/* functions that run a query given as text */
SELECT enf.read($$SELECT enf.rows(query_to_xml('SELECT * FROM enf.customer', false, false, '')::text)$$);
SELECT enf.read($$SELECT enf.rows(query_to_xml_and_xmlschema('SELECT * FROM enf.customer', false, false, '')::text)$$);
SELECT enf.read($$SELECT enf.rows(table_to_xml('enf.customer', false, false, '')::text)$$);
SELECT enf.read($$SELECT enf.rows(schema_to_xml('enf', false, false, '')::text)$$);
SELECT enf.read($$SELECT enf.rows(schema_to_xml_and_xmlschema('enf', false, false, '')::text)$$);
SELECT enf.read($$SELECT enf.rows(database_to_xml(false, false, '')::text)$$);
SELECT enf.read($$SELECT enf.rows(table_to_xmlschema('enf.customer', false, false, '')::text)$$);
SELECT enf.read($$SELECT string_agg(word, ' ' ORDER BY word) FROM ts_stat('SELECT to_tsvector(''simple'', name) FROM enf.customer')$$);
SELECT enf.read($$SELECT string_agg(word, ' ' ORDER BY word) FROM ts_stat('SELECT to_tsvector(''simple'', name) FROM enf.customer WHERE id > 2')$$);
SELECT enf.read($$SELECT ts_rewrite('a & b', 'SELECT ''a''::tsquery, to_tsquery(''simple'', name) FROM enf.customer WHERE id = 2')$$);
SELECT enf.read($$SELECT ts_rewrite('a & b', 'SELECT ''a''::tsquery, to_tsquery(''simple'', name) FROM enf.customer WHERE id = 3')$$);
BEGIN;
DECLARE c CURSOR FOR SELECT * FROM enf.customer;
SAVEPOINT a; SELECT enf.rows(cursor_to_xml('c', 10, false, false, '')::text); ROLLBACK TO a;
SET LOCAL personalize.purpose = 'enf_ads';
DECLARE d CURSOR FOR SELECT * FROM enf.customer;
SELECT enf.rows(cursor_to_xml('d', 10, false, false, '')::text);
COMMIT;
/* ways of scanning */
SELECT enf.read('SELECT count(*) FROM enf.customer TABLESAMPLE SYSTEM (100)');
SELECT enf.read('SELECT count(*) FROM enf.customer TABLESAMPLE BERNOULLI (100) REPEATABLE (1)');
SELECT enf.read($$SELECT count(*) FROM enf.customer WHERE ctid = '(0,5)'$$);
SELECT enf.read($$SELECT count(*) FROM enf.customer WHERE ctid >= '(0,1)'$$);
SELECT enf.read($$SELECT count(*) FROM enf.customer WHERE ctid = ANY ('{"(0,1)","(0,5)"}')$$);
SELECT enf.read('SELECT max(ctid) FROM enf.customer');
SELECT enf.read('SELECT count(xmin) FROM enf.customer WHERE tableoid <> 0');
SELECT enf.read('SELECT string_agg(id::text, '' '') FROM (SELECT id FROM enf.customer FOR UPDATE SKIP LOCKED) AS l');
SELECT enf.read('SELECT max(id) FROM enf.customer');
SELECT enf.read('SELECT id FROM enf.customer ORDER BY id DESC LIMIT 1');
SELECT enf.read('SELECT count(*) FROM ONLY enf.customer');
SELECT enf.read('SELECT count(*) FROM enf.customer WHERE EXISTS (SELECT 1 FROM enf.customer AS c WHERE c.id > 2)');
/* whole rows and what is made of them */
SELECT enf.read('SELECT string_agg(c::text, '' '' ORDER BY id) FROM enf.customer AS c');
SELECT enf.read('SELECT jsonb_agg(to_jsonb(c)->''id'') FROM enf.customer AS c');
SELECT enf.read('SELECT array_agg((c).id ORDER BY c) FROM (SELECT c FROM enf.customer AS c) AS s');
SELECT enf.read('SELECT (SELECT c FROM enf.customer AS c WHERE id = 3)');
SELECT enf.read('SELECT xmlagg(xmlforest(id) ORDER BY id)::text FROM enf.customer');
/* a function that fails on the values of the others does not see them */
SELECT enf.read('SELECT sum(note::integer) FROM enf.customer');
SELECT enf.read('SELECT count(*) FROM enf.customer WHERE note::integer > 0');
SELECT enf.read('SELECT count(*) FROM enf.customer WHERE name LIKE ''name%'' AND note::integer > 0');
SELECT enf.read('SELECT count(*) FROM enf.customer WHERE CASE WHEN name IS NOT NULL THEN note::integer > 0 END');
SELECT enf.read('SELECT count(*) FROM enf.customer c JOIN generate_series(1, 9) AS g ON g = c.note::integer');
SELECT enf.read('SELECT count(*) FROM enf.customer WHERE format(''%s'', note)::integer = 7 OR id = 5');
SELECT enf.read('SELECT count(*) FROM enf.customer GROUP BY note::integer HAVING max(note::integer) > 0');
SELECT enf.read('SELECT count(*) OVER (ORDER BY note::integer) FROM enf.customer LIMIT 1');
/* commands: not for this role, or filtered */
COPY enf.customer TO STDOUT;
BEGIN; SET LOCAL personalize.purpose = 'enf_ads'; COPY enf.customer (id) TO STDOUT; ROLLBACK;
SELECT count(*) > 0 FROM pg_stats WHERE schemaname = 'enf';
SELECT enf.said('SELECT 1 FROM pg_statistic LIMIT 1');
SELECT enf.said('SELECT pg_read_file(pg_relation_filepath(''enf.customer''))');
SELECT enf.said(format('SELECT count(*) FROM pg_toast.%I', (SELECT t.relname FROM pg_class c JOIN pg_class t ON t.oid = c.reltoastrelid WHERE c.oid = 'enf.customer'::regclass)));
/* texts of definitions hold no rows */
SELECT regexp_replace(pg_get_expr(polqual, polrelid), '\d+', 'N') FROM pg_policy WHERE polrelid = 'enf.customer'::regclass AND polname = 'personalize_net';
SELECT col_description('enf.customer'::regclass, 1) IS NULL;
/* what remains to be seen, and is said in docs/security.md: how many rows there are */
SELECT reltuples FROM pg_class WHERE oid = 'enf.customer'::regclass;
SELECT pg_relation_size('enf.customer') > 0;
SELECT last_value FROM pg_sequences WHERE schemaname = 'enf';
SELECT enf.said('SELECT currtid2(''enf.customer'', ''(0,5)'')');
/* ... that a key is taken */
INSERT INTO enf.customer (id, name) VALUES (5, 'x');
INSERT INTO enf.customer (id, name) VALUES (5, 'x') ON CONFLICT DO NOTHING RETURNING id;
BEGIN; SET LOCAL personalize.purpose = 'enf_ads'; INSERT INTO enf.customer (id, name) VALUES (5, 'x') ON CONFLICT (id) DO UPDATE SET name = 'y'; ROLLBACK;
/* ... and that an index has an entry: by counters, and by the locks of SERIALIZABLE */
BEGIN;
SET LOCAL personalize.purpose = 'enf_ads';
SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off;
SELECT pg_stat_get_xact_tuples_fetched('enf.customer_name'::regclass) AS before \gset
SELECT note FROM enf.customer WHERE name = 'name5';
SELECT pg_stat_get_xact_tuples_fetched('enf.customer_name'::regclass) - :before;
ROLLBACK;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SET LOCAL personalize.purpose = 'enf_ads';
SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off;
SELECT note FROM enf.customer WHERE name = 'name5';
SELECT count(*) FROM pg_locks WHERE mode = 'SIReadLock' AND locktype = 'tuple' AND relation = 'enf.customer'::regclass;
ROLLBACK;
/* this takes both away, also from expressions that are not planned */
RESET ROLE;
BEGIN;
REVOKE EXECUTE ON FUNCTION
	pg_stat_get_tuples_returned(oid), pg_stat_get_tuples_fetched(oid),
	pg_stat_get_xact_tuples_returned(oid), pg_stat_get_xact_tuples_fetched(oid),
	pg_stat_get_blocks_fetched(oid), pg_stat_get_blocks_hit(oid),
	pg_stat_get_xact_blocks_fetched(oid), pg_stat_get_xact_blocks_hit(oid), pg_lock_status()
	FROM PUBLIC;
SET LOCAL ROLE regress_enf_app;
SELECT enf.said('SELECT pg_stat_get_xact_tuples_fetched(''enf.customer_name''::regclass)');
SELECT enf.said('SELECT idx_tup_fetch FROM pg_stat_xact_user_tables');
SELECT enf.said('SELECT idx_tup_read FROM pg_stat_user_indexes');
SELECT enf.said('SELECT heap_blks_read FROM pg_statio_user_tables');
SELECT enf.said('SELECT count(*) FROM pg_locks');
PREPARE p (bigint) AS SELECT $1;
SELECT enf.said('EXECUTE p (pg_stat_get_xact_tuples_fetched(''enf.customer_name''::regclass))');
ROLLBACK;
DEALLOCATE ALL;
DROP SCHEMA enf CASCADE;
DROP OWNED BY regress_enf_owner, regress_enf_app;
DROP ROLE regress_enf_owner, regress_enf_app;
