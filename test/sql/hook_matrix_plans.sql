-- Whatever kind of plan is made, the permitted rows and cells come out of it and are on record.
\getenv abs_srcdir PG_ABS_SRCDIR
\getenv abs_builddir PG_ABS_BUILDDIR
\set begin :abs_srcdir '/lib/hook_matrix_begin.sql'
\set run :abs_srcdir '/lib/hook_matrix_run.sql'
\set ECHO none
\i :begin
SET ROLE regress_mx_owner;
INSERT INTO mx.free SELECT i, 'w' FROM generate_series(6, 3000) AS i;
ANALYZE mx.free;
RESET ROLE;
/* each query under each setting */
INSERT INTO mx.form (form)
	SELECT s.setting || ';; ' || q.query
	FROM (VALUES
		(1, 'SET LOCAL enable_seqscan = off'),
		(2, 'SET LOCAL enable_seqscan = off;; SET LOCAL enable_indexscan = off;; SET LOCAL enable_indexonlyscan = off'),
		(3, 'SET LOCAL enable_indexscan = off;; SET LOCAL enable_bitmapscan = off;; SET LOCAL enable_indexonlyscan = off'),
		(4, 'SET LOCAL enable_hashjoin = off'),
		(5, 'SET LOCAL enable_hashjoin = off;; SET LOCAL enable_nestloop = off'),
		(6, 'SET LOCAL enable_hashjoin = off;; SET LOCAL enable_mergejoin = off'),
		(7, 'SET LOCAL enable_hashjoin = off;; SET LOCAL enable_mergejoin = off;; SET LOCAL enable_memoize = off;; SET LOCAL enable_material = off'),
		(8, 'SET LOCAL enable_hashagg = off'),
		(9, 'SET LOCAL enable_sort = off;; SET LOCAL enable_incremental_sort = off'),
		(10, 'SET LOCAL enable_tidscan = off'),
		(11, 'SET LOCAL enable_partitionwise_join = on;; SET LOCAL enable_partitionwise_aggregate = on'),
		(12, 'SET LOCAL enable_partition_pruning = off'),
		(13, 'SET LOCAL constraint_exclusion = on'),
		(14, 'SET LOCAL jit = on;; SET LOCAL jit_above_cost = 0;; SET LOCAL jit_inline_above_cost = 0;; SET LOCAL jit_optimize_above_cost = 0'),
		(15, 'SET LOCAL min_parallel_table_scan_size = 0;; SET LOCAL min_parallel_index_scan_size = 0;; SET LOCAL parallel_setup_cost = 0;; SET LOCAL parallel_tuple_cost = 0;; SET LOCAL max_parallel_workers_per_gather = 2'),
		(16, 'SET LOCAL min_parallel_table_scan_size = 0;; SET LOCAL parallel_setup_cost = 0;; SET LOCAL parallel_tuple_cost = 0;; SET LOCAL enable_hashjoin = off;; SET LOCAL parallel_leader_participation = off'),
		(17, 'SET LOCAL geqo_threshold = 2;; SET LOCAL join_collapse_limit = 1;; SET LOCAL from_collapse_limit = 1'),
		(18, 'SET LOCAL work_mem = 64;; SET LOCAL hash_mem_multiplier = 1'),
		(19, 'SET LOCAL cursor_tuple_fraction = 0.01;; SET LOCAL plan_cache_mode = force_generic_plan')
	) AS s (no, setting) CROSS JOIN (VALUES
		(1, 'SELECT name, mail FROM mx.person WHERE id IN (1, 2, 5)'),
		(2, 'SELECT name, item FROM mx.person JOIN mx.orders ON person_id = id'),
		(3, 'SELECT count(*), min(word), max(name) FROM mx.free LEFT JOIN mx.person USING (id)'),
		(4, 'SELECT a.name, count(*) FROM mx.part AS a JOIN mx.part AS b USING (id) GROUP BY a.name ORDER BY 1'),
		(5, 'SELECT name FROM mx.person WHERE ctid IN (''(0,2)'', ''(0,4)'') UNION SELECT mail FROM mx.person'),
		(6, 'SELECT word FROM mx.free AS f WHERE EXISTS (SELECT FROM mx.person AS p WHERE p.id = f.id)')
	) AS q (no, query)
	ORDER BY s.no, q.no;
\i :run
