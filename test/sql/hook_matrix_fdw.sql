-- Through foreign tables the server that holds the rows filters them; a foreign table is no way to keep or to reach withheld ones.
/* expected/hook_matrix_fdw_1.out: postgres_fdw is not installed */
SELECT count(*) = 1 AS has_fdw FROM pg_available_extensions WHERE name = 'postgres_fdw' \gset
\if :has_fdw
\else
\quit
\endif
\getenv abs_srcdir PG_ABS_SRCDIR
\getenv abs_builddir PG_ABS_BUILDDIR
\set begin :abs_srcdir '/lib/hook_matrix_begin.sql'
\set run :abs_srcdir '/lib/hook_matrix_run.sql'
\set ECHO none
\i :begin
CREATE EXTENSION postgres_fdw;
SELECT format('CREATE SERVER mx_ads FOREIGN DATA WRAPPER postgres_fdw OPTIONS (keep_connections ''off'', host %L, port %L, dbname %L, options %L)', :'HOST', :'PORT', current_database(), '-c personalize.purpose=mx_ads') \gexec
SELECT format('CREATE SERVER mx_none FOREIGN DATA WRAPPER postgres_fdw OPTIONS (keep_connections ''off'', host %L, port %L, dbname %L)', :'HOST', :'PORT', current_database()) \gexec
SELECT format('CREATE USER MAPPING FOR %I SERVER %I OPTIONS (user %L, password_required ''false'')', r, s, r)
	FROM unnest(ARRAY['regress_mx_app', 'regress_mx_owner', 'regress_mx_bypass', :'USER']) AS r, unnest('{mx_ads,mx_none}'::text[]) AS s \gexec
ALTER ROLE regress_mx_app LOGIN;
ALTER ROLE regress_mx_owner LOGIN;
ALTER ROLE regress_mx_bypass LOGIN;
GRANT USAGE ON FOREIGN SERVER mx_ads, mx_none TO PUBLIC;
SET ROLE regress_mx_owner;
CREATE FOREIGN TABLE mx.f_person (id integer, name text, mail text) SERVER mx_ads OPTIONS (schema_name 'mx', table_name 'person');
CREATE FOREIGN TABLE mx.f_none (id integer, name text, mail text) SERVER mx_none OPTIONS (schema_name 'mx', table_name 'person');
CREATE FOREIGN TABLE mx.f_orders (no integer, person_id integer, item text) SERVER mx_ads OPTIONS (schema_name 'mx', table_name 'orders');
CREATE FOREIGN TABLE mx.f_free (id integer, word text) SERVER mx_none OPTIONS (schema_name 'mx', table_name 'free');
GRANT ALL ON mx.f_person, mx.f_none, mx.f_orders, mx.f_free TO PUBLIC;
RESET ROLE;
ALTER SYSTEM SET postgres_fdw.application_name = '%a';
SELECT pg_reload_conf();
INSERT INTO mx.form (form, purpose) VALUES
	('SELECT name, mail FROM mx.f_person', ''),
	('SELECT name, mail FROM mx.f_person', 'mx_wide'),
	('SELECT name FROM mx.f_person WHERE mail LIKE ''hid%''', ''),
	('SELECT f FROM mx.f_person AS f', ''),
	('SELECT count(*), max(mail) FROM mx.f_person', ''),
	('SELECT name, item FROM mx.f_person JOIN mx.f_orders ON person_id = id', ''),
	('SELECT f.name, p.name, p.mail FROM mx.f_person AS f FULL JOIN mx.person AS p USING (id)', 'mx_ads'),
	('SELECT f.name, p.name FROM mx.f_person AS f FULL JOIN mx.person AS p USING (id)', ''),
	('SELECT name FROM mx.f_none', ''),
	('SELECT name FROM mx.f_none', 'mx_ads'),
	('UPDATE mx.f_orders SET item = item || ''x'' RETURNING item', ''),
	('DELETE FROM mx.f_orders RETURNING item', ''),
	('COPY (SELECT * FROM mx.f_person) TO STDOUT', ''),
	('DECLARE c CURSOR FOR SELECT name FROM mx.f_person ORDER BY id;; FETCH 1 FROM c', ''),
	('INSERT INTO mx.f_free SELECT id + 10, name FROM mx.person', 'mx_ads'),
	('INSERT INTO mx.f_free SELECT id + 10, concat(name, mail) FROM mx.person RETURNING word', 'mx_copy'),
	('CREATE FOREIGN TABLE mx.part_f PARTITION OF mx.part FOR VALUES IN (7) SERVER mx_none OPTIONS (schema_name ''mx'', table_name ''free'');; SELECT name FROM mx.part', 'mx_ads'),
	('CREATE FOREIGN TABLE mx.old_f () INHERITS (mx.old) SERVER mx_none OPTIONS (schema_name ''mx'', table_name ''person'');; SELECT name FROM mx.old', 'mx_ads');
\i :run
ALTER SYSTEM RESET postgres_fdw.application_name;
SELECT pg_reload_conf();
DROP EXTENSION postgres_fdw CASCADE;
