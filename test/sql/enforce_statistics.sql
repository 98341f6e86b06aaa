-- Statistics hold values of people who refused: nobody sees those of protected relations without a built-in purpose.
SET client_min_messages = warning;
\pset format unaligned
CREATE ROLE regress_enf_owner;
CREATE ROLE regress_enf_app;
CREATE ROLE regress_enf_bypass BYPASSRLS;
CREATE ROLE regress_enf_backup BYPASSRLS;
GRANT pg_read_all_data TO regress_enf_bypass, regress_enf_backup;
CREATE SCHEMA enf AUTHORIZATION regress_enf_owner;
GRANT USAGE ON SCHEMA enf TO PUBLIC;
SET ROLE regress_enf_owner;
CREATE TABLE enf.customer (id integer PRIMARY KEY, name text, note text);
INSERT INTO enf.customer SELECT i, 'name' || i % 3, 'note' || i % 3 FROM generate_series(1, 60) AS i;
CREATE INDEX customer_upper ON enf.customer (upper(note));
CREATE STATISTICS enf.customer_ext (mcv, ndistinct) ON name, note FROM enf.customer;
CREATE STATISTICS enf.customer_expr ON lower(note) FROM enf.customer;
/* a parent that is not protected, with a child that is; a protected parent with a child */
CREATE TABLE enf.anything (id integer, name text);
CREATE TABLE enf.visit (extra text) INHERITS (enf.anything);
CREATE INDEX visit_upper ON enf.visit (upper(name));
CREATE TABLE enf.event (id integer, name text) PARTITION BY RANGE (id);
CREATE TABLE enf.event_1 PARTITION OF enf.event FOR VALUES FROM (0) TO (1000);
CREATE TABLE enf.free (id integer, name text);
CREATE STATISTICS enf.free_ext (mcv) ON id, name FROM enf.free;
INSERT INTO enf.visit SELECT i % 3, 'visit' || i % 3, 'x' FROM generate_series(1, 60) AS i;
INSERT INTO enf.event SELECT i % 3, 'event' || i % 3 FROM generate_series(1, 60) AS i;
INSERT INTO enf.free SELECT i % 3, 'free' || i % 3 FROM generate_series(1, 60) AS i;
ANALYZE enf.customer, enf.anything, enf.visit, enf.event, enf.free;
GRANT ALL ON ALL TABLES IN SCHEMA enf TO regress_enf_app;
CREATE VIEW enf.stats AS
	SELECT tablename, count(*) AS columns, bool_or(most_common_vals IS NOT NULL OR histogram_bounds IS NOT NULL) AS have_values
	FROM pg_stats WHERE schemaname = 'enf' GROUP BY tablename;
CREATE VIEW enf.stats_ext AS
	SELECT statistics_name FROM pg_stats_ext WHERE schemaname = 'enf'
	UNION ALL SELECT 'expression of ' || statistics_name || CASE WHEN most_common_vals IS NULL THEN ', no values' ELSE '' END FROM pg_stats_ext_exprs WHERE schemaname = 'enf';
RESET ROLE;
GRANT SELECT ON enf.stats, enf.stats_ext TO PUBLIC;
\set VERBOSITY terse
/* a plan from before protection is made again */
PREPARE raw AS SELECT DISTINCT starelid::regclass::text COLLATE "C" AS relation FROM pg_statistic
	WHERE starelid::regclass::text LIKE 'enf.%' ORDER BY 1;
PREPARE raw_ext AS SELECT s.stxname FROM pg_statistic_ext_data d JOIN pg_statistic_ext s ON s.oid = d.stxoid
	WHERE s.stxnamespace = 'enf'::regnamespace ORDER BY s.stxname;
SET plan_cache_mode = force_generic_plan;
EXECUTE raw;
EXECUTE raw_ext;
SELECT * FROM enf.stats_ext ORDER BY 1;
DO $$
BEGIN
	PERFORM personalize.define_kind('enforce_statistics', 'bigint');
	PERFORM personalize.define_category('enf_general', 'for tests');
	PERFORM personalize.define_purpose('enf_ads', 'for tests', categories => '{enf_general}');
	PERFORM personalize.protect('enf.customer', 'id', kind => 'enforce_statistics', columns => '{"*":"enf_general"}');
	PERFORM personalize.protect('enf.visit', 'id', kind => 'enforce_statistics', columns => '{"*":"enf_general"}');
	PERFORM personalize.protect('enf.event', 'id', kind => 'enforce_statistics', columns => '{"*":"enf_general"}');
	PERFORM personalize.grant_purpose('enf_ads', 'regress_enf_app');
	PERFORM personalize.grant_purpose('enf_ads', 'regress_enf_owner');
	PERFORM personalize.grant_purpose('enf_ads', 'regress_enf_bypass');
	PERFORM personalize.grant_purpose('backup', 'regress_enf_backup');
END
$$;
/* superuser: tables, partitions, ancestors, indexes; the catalogs and the views over them */
EXECUTE raw;
EXECUTE raw_ext;
SELECT * FROM enf.stats ORDER BY 1;
SELECT * FROM enf.stats_ext ORDER BY 1;
SELECT count(*) FROM pg_statistic WHERE starelid = 'enf.customer'::regclass;
SELECT count(*) FROM pg_statistic TABLESAMPLE SYSTEM (100) WHERE starelid = 'enf.customer_upper'::regclass;
SELECT (SELECT count(*) FROM pg_stats WHERE tablename = 'customer_upper') AS nested;
WITH w AS MATERIALIZED (SELECT starelid FROM pg_statistic) SELECT count(*) FROM w WHERE starelid = 'enf.visit'::regclass;
CREATE FUNCTION enf.stat() RETURNS SETOF oid LANGUAGE sql STABLE AS 'SELECT starelid FROM pg_catalog.pg_statistic';
SELECT count(*) FROM enf.stat() AS s WHERE s = 'enf.customer'::regclass;
CREATE FUNCTION enf.peek() RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER AS
	'SELECT count(*) FROM pg_catalog.pg_statistic WHERE starelid = ''enf.customer''::pg_catalog.regclass';
SELECT enf.peek();
/* COPY: the program fails where a line matches */
DO $$
DECLARE
	rel oid := 'enf.customer'::regclass;
BEGIN
	EXECUTE format('COPY pg_statistic (starelid) TO PROGRAM %L', format('grep -x %s | wc -l | grep -qx 0', rel));
	EXECUTE format('COPY pg_statistic_ext_data (stxoid) TO PROGRAM %L',
		format('grep -x %s | wc -l | grep -qx 0', (SELECT oid FROM pg_statistic_ext WHERE stxname = 'customer_ext')));
	PERFORM set_config('personalize.purpose', 'backup', true);
	EXECUTE format('COPY pg_statistic (starelid) TO PROGRAM %L', format('grep -x %s | wc -l | grep -qx 3', rel));
END
$$;
/* with a purpose that is not built in there are none, either */
BEGIN; SET LOCAL personalize.purpose = 'enf_ads'; EXECUTE raw; COMMIT;
/* who may see every row may see what is computed from every row */
BEGIN; SET LOCAL personalize.purpose = 'backup'; EXECUTE raw; EXECUTE raw_ext; SELECT * FROM enf.stats_ext ORDER BY 1; COMMIT;
BEGIN; SET LOCAL personalize.purpose = 'break_glass'; SELECT * FROM enf.stats ORDER BY 1; COMMIT;
/* the owner, whom PostgreSQL itself shows the statistics of its indexes */
SET ROLE regress_enf_owner;
SELECT tablename FROM pg_stats WHERE schemaname = 'enf' ORDER BY 1;
BEGIN; SET LOCAL personalize.purpose = 'backup'; SELECT tablename FROM pg_stats WHERE tablename = 'customer_upper'; COMMIT;
/* roles with BYPASSRLS */
SET ROLE regress_enf_bypass;
SELECT DISTINCT tablename FROM pg_stats WHERE schemaname = 'enf' ORDER BY 1;
SELECT statistics_name FROM pg_stats_ext WHERE schemaname = 'enf' ORDER BY 1;
BEGIN; SET LOCAL personalize.purpose = 'enf_ads'; SELECT DISTINCT tablename FROM pg_stats WHERE schemaname = 'enf' ORDER BY 1; COMMIT;
SET ROLE regress_enf_backup;
SELECT DISTINCT tablename FROM pg_stats WHERE schemaname = 'enf' ORDER BY 1;
BEGIN; SET LOCAL personalize.purpose = 'backup'; SELECT DISTINCT tablename FROM pg_stats WHERE schemaname = 'enf' ORDER BY 1; COMMIT;
/* the application; what a SECURITY DEFINER function asks counts for the caller */
SET ROLE regress_enf_app;
SELECT DISTINCT tablename FROM pg_stats WHERE schemaname = 'enf' ORDER BY 1;
SELECT enf.peek();
/* the qual says no more than the policies, which everybody can see */
SELECT personalize.statistics_ok('enf.free'::regclass) AS free, personalize.statistics_ok('enf.customer'::regclass) AS customer;
SELECT personalize.statistics_ok(0), personalize.statistics_ok(NULL), personalize.extended_statistics_ok(0);
RESET ROLE;
/* parts of values are in TOAST tables */
SELECT count(*) FROM pg_toast.pg_toast_2619;
SELECT format('pg_toast.%I', t.relname) AS toast FROM pg_class c JOIN pg_class t ON t.oid = c.reltoastrelid WHERE c.oid = 'enf.customer'::regclass \gset
SELECT count(*) FROM :toast;
SELECT format('pg_toast.%I', t.relname) AS toast FROM pg_class c JOIN pg_class t ON t.oid = c.reltoastrelid WHERE c.oid = 'enf.free'::regclass \gset
SELECT count(*) FROM :toast;
/* the planner and ANALYZE use them as ever */
ANALYZE enf.customer;
BEGIN; SET LOCAL personalize.purpose = 'backup'; SELECT * FROM enf.stats WHERE tablename LIKE 'customer%' ORDER BY 1; COMMIT;
/* without protection all is as it was */
DO $$
BEGIN
	PERFORM personalize.unprotect('enf.customer');
	PERFORM personalize.unprotect('enf.visit');
	PERFORM personalize.unprotect('enf.event');
END
$$;
EXECUTE raw;
DROP SCHEMA enf CASCADE;
DROP OWNED BY regress_enf_owner, regress_enf_app, regress_enf_bypass, regress_enf_backup;
DROP ROLE regress_enf_owner, regress_enf_app, regress_enf_bypass, regress_enf_backup;
