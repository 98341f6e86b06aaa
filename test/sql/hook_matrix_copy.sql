-- COPY and whatever keeps rows elsewhere return and keep the permitted rows and cells, for every role alike.
\getenv abs_srcdir PG_ABS_SRCDIR
\getenv abs_builddir PG_ABS_BUILDDIR
\set begin :abs_srcdir '/lib/hook_matrix_begin.sql'
\set run :abs_srcdir '/lib/hook_matrix_run.sql'
\set ECHO none
\i :begin
CREATE VIEW mx.v_super AS SELECT * FROM mx.person;
GRANT ALL ON ALL TABLES IN SCHEMA mx TO regress_mx_app, regress_mx_owner, regress_mx_bypass;
INSERT INTO mx.form (form, purpose, show) VALUES
	/* COPY to the client */
	('COPY mx.person TO STDOUT', DEFAULT, DEFAULT),
	('COPY mx.person (name, mail) TO STDOUT', DEFAULT, DEFAULT),
	('COPY mx.person (mail, id) TO STDOUT (FORMAT csv, HEADER, FORCE_QUOTE *)', DEFAULT, DEFAULT),
	('COPY mx.person TO STDOUT (NULL ''none'')', DEFAULT, DEFAULT),
	('COPY (SELECT name FROM mx.person) TO STDOUT', DEFAULT, DEFAULT),
	('COPY (SELECT p FROM mx.person AS p) TO STDOUT', DEFAULT, DEFAULT),
	('COPY (TABLE mx.person) TO STDOUT', DEFAULT, DEFAULT),
	('COPY (UPDATE mx.person SET name = name RETURNING name, mail) TO STDOUT', DEFAULT, DEFAULT),
	('COPY (DELETE FROM mx.orders RETURNING item) TO STDOUT', DEFAULT, DEFAULT),
	('COPY (WITH p AS (SELECT * FROM mx.person) SELECT mail FROM p) TO STDOUT', DEFAULT, DEFAULT),
	('COPY mx.v_super TO STDOUT', DEFAULT, DEFAULT),
	('COPY (SELECT * FROM mx.v_super) TO STDOUT', DEFAULT, DEFAULT),
	('COPY mx.part TO STDOUT', DEFAULT, DEFAULT),
	('COPY (SELECT name FROM mx.part) TO STDOUT', DEFAULT, DEFAULT),
	('COPY mx.part_a TO STDOUT', DEFAULT, DEFAULT),
	('COPY mx.part_d TO STDOUT', DEFAULT, DEFAULT),
	('COPY mx.old TO STDOUT', DEFAULT, DEFAULT),
	('COPY mx.old_child TO STDOUT', DEFAULT, DEFAULT),
	('COPY mx.above TO STDOUT', DEFAULT, DEFAULT),
	('COPY (SELECT name FROM mx.above) TO STDOUT', DEFAULT, DEFAULT),
	('COPY mx.below TO STDOUT', DEFAULT, DEFAULT),
	('COPY mx.orders TO STDOUT (FORMAT csv)', DEFAULT, DEFAULT),
	('COPY mx.person TO STDOUT;; SELECT ''still there''', '', DEFAULT),
	('COPY (SELECT 1 FROM mx.person WHERE id = 5) TO STDOUT;; SELECT ''still there''', '', DEFAULT),
	('SET LOCAL row_security = off;; COPY mx.person TO STDOUT;; SELECT ''still there''', DEFAULT, DEFAULT),
	/* by the server */
	('COPY mx.person TO PROGRAM ''cat >/dev/null''', DEFAULT, DEFAULT),
	('COPY (SELECT mail FROM mx.person) TO PROGRAM ''cat >/dev/null''', DEFAULT, DEFAULT),
	('COPY mx.person TO :''kept'';; CREATE TEMP TABLE x (id integer, name text, mail text);; COPY x FROM :''kept'';; SELECT * FROM x', DEFAULT, DEFAULT),
	('COPY mx.person TO :''kept'' (FORMAT binary);; CREATE TEMP TABLE x (id integer, name text, mail text);; COPY x FROM :''kept'' (FORMAT binary);; SELECT * FROM x', DEFAULT, DEFAULT),
	('COPY mx.orders FROM PROGRAM ''echo 90,5,yes5'' (FORMAT csv);; SELECT item FROM mx.orders', DEFAULT, DEFAULT),
	/* CREATE TABLE AS and the like */
	('CREATE TABLE mx.c AS SELECT * FROM mx.person', DEFAULT, DEFAULT),
	('CREATE TEMP TABLE c AS SELECT * FROM mx.person', DEFAULT, DEFAULT),
	('SELECT * INTO mx.c FROM mx.person', DEFAULT, DEFAULT),
	('SELECT * INTO TEMP c FROM mx.v_super', DEFAULT, DEFAULT),
	('CREATE MATERIALIZED VIEW mx.c AS SELECT * FROM mx.person', DEFAULT, DEFAULT),
	('CREATE TABLE mx.c AS TABLE mx.part', DEFAULT, DEFAULT),
	('CREATE TABLE mx.c AS SELECT 1 AS i WHERE EXISTS (SELECT FROM mx.person)', DEFAULT, DEFAULT),
	('PREPARE p AS SELECT * FROM mx.person;; CREATE TABLE mx.c AS EXECUTE p', DEFAULT, DEFAULT),
	('CREATE UNLOGGED TABLE mx.c AS WITH p AS (SELECT * FROM mx.person) SELECT * FROM p', DEFAULT, DEFAULT),
	('CREATE TABLE mx.c AS SELECT * FROM mx.person WITH NO DATA;; TABLE mx.c', DEFAULT, DEFAULT),
	('EXPLAIN ANALYZE CREATE TABLE mx.c AS SELECT * FROM mx.person', DEFAULT, false),
	('CREATE MATERIALIZED VIEW mx.c AS SELECT * FROM mx.person WITH NO DATA;; REFRESH MATERIALIZED VIEW mx.c', DEFAULT, DEFAULT),
	('DO ''BEGIN CREATE TABLE mx.c AS SELECT * FROM mx.person; END''', DEFAULT, DEFAULT),
	('CREATE TABLE mx.c (LIKE mx.person);; INSERT INTO mx.c TABLE mx.person', DEFAULT, DEFAULT),
	('CREATE TABLE mx.c (LIKE mx.part);; INSERT INTO mx.c SELECT * FROM mx.part_a', DEFAULT, DEFAULT),
	('CREATE TABLE mx.c AS SELECT * FROM mx.person;; TABLE mx.c', 'mx_copy', DEFAULT),
	('CREATE TEMP TABLE c AS SELECT * FROM mx.person;; TABLE c', 'mx_copy', DEFAULT),
	('SELECT * INTO mx.c FROM mx.person;; TABLE mx.c', 'mx_copy', DEFAULT),
	('CREATE MATERIALIZED VIEW mx.c AS SELECT * FROM mx.person;; TABLE mx.c', 'mx_copy', DEFAULT),
	('CREATE MATERIALIZED VIEW mx.c AS SELECT * FROM mx.v_super WITH NO DATA;; REFRESH MATERIALIZED VIEW mx.c;; TABLE mx.c', 'mx_copy', DEFAULT),
	('CREATE MATERIALIZED VIEW mx.c AS SELECT * FROM mx.person;; CREATE UNIQUE INDEX ON mx.c (id);; REFRESH MATERIALIZED VIEW CONCURRENTLY mx.c;; TABLE mx.c', 'mx_copy', DEFAULT),
	('PREPARE p AS SELECT * FROM mx.person;; CREATE TABLE mx.c AS EXECUTE p;; TABLE mx.c', 'mx_copy', DEFAULT),
	('EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) CREATE TABLE mx.c AS SELECT * FROM mx.person;; TABLE mx.c', 'mx_copy', false),
	('CREATE TABLE mx.c (LIKE mx.person);; INSERT INTO mx.c TABLE mx.person;; TABLE mx.c', 'mx_copy', DEFAULT),
	('DO ''BEGIN CREATE TABLE mx.c AS SELECT * FROM mx.person; END'';; TABLE mx.c', 'mx_copy', DEFAULT),
	('CREATE TABLE mx.c AS SELECT * FROM mx.person', '', DEFAULT);
\i :run
