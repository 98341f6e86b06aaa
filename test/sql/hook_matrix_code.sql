-- Views and functions of any owner and kind, prepared statements and cursors return the permitted rows and cells to every role alike.
\getenv abs_srcdir PG_ABS_SRCDIR
\getenv abs_builddir PG_ABS_BUILDDIR
\set begin :abs_srcdir '/lib/hook_matrix_begin.sql'
\set run :abs_srcdir '/lib/hook_matrix_run.sql'
\set ECHO none
\i :begin
CREATE VIEW mx.v_super AS SELECT * FROM mx.person;
CREATE VIEW mx.v_owner AS SELECT * FROM mx.person;
ALTER VIEW mx.v_owner OWNER TO regress_mx_owner;
CREATE VIEW mx.v_bypass AS SELECT * FROM mx.person;
ALTER VIEW mx.v_bypass OWNER TO regress_mx_bypass;
CREATE VIEW mx.v_barrier WITH (security_barrier) AS SELECT * FROM mx.person WHERE id > 0;
CREATE VIEW mx.v_invoker WITH (security_invoker) AS SELECT * FROM mx.person;
CREATE VIEW mx.v_nested WITH (security_barrier) AS SELECT a.name, b.mail FROM mx.v_barrier AS a JOIN mx.v_bypass AS b USING (id);
CREATE VIEW mx.v_row AS SELECT p, p.* FROM mx.person AS p;
CREATE VIEW mx.v_count AS SELECT count(*), count(mail) AS mails FROM mx.person;
CREATE VIEW mx.v_orders AS SELECT * FROM mx.orders;
CREATE VIEW mx.v_recursive AS WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT name FROM r JOIN mx.person ON id = n;
CREATE TABLE mx.plain (id integer, name text);
CREATE RULE read AS ON INSERT TO mx.plain DO INSTEAD SELECT name, mail FROM mx.person;
CREATE FUNCTION mx.leak(text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS $$ BEGIN PERFORM set_config('mx.leak', concat_ws(',', nullif(current_setting('mx.leak', true), ''), $1), true); RETURN true; END $$;
CREATE FUNCTION mx.f_sql() RETURNS SETOF mx.person LANGUAGE sql STABLE AS 'SELECT * FROM mx.person';
CREATE FUNCTION mx.f_atomic() RETURNS SETOF mx.person LANGUAGE sql STABLE BEGIN ATOMIC SELECT * FROM mx.person; END;
CREATE FUNCTION mx.f_arg(integer) RETURNS TABLE (name text, mail text) LANGUAGE sql STABLE AS 'SELECT name, mail FROM mx.person WHERE id >= $1';
CREATE FUNCTION mx.f_scalar(integer) RETURNS text LANGUAGE sql STABLE AS 'SELECT name || coalesce(mail, '''') FROM mx.person WHERE id = $1';
CREATE FUNCTION mx.f_scalar_atomic(integer) RETURNS text LANGUAGE sql STABLE RETURN (SELECT name || coalesce(mail, '') FROM mx.person WHERE id = $1);
CREATE FUNCTION mx.f_plpgsql() RETURNS SETOF mx.person LANGUAGE plpgsql AS 'BEGIN RETURN QUERY SELECT * FROM mx.person; END';
CREATE FUNCTION mx.f_execute(text) RETURNS SETOF text LANGUAGE plpgsql AS 'BEGIN RETURN QUERY EXECUTE $1; END';
CREATE FUNCTION mx.f_loop() RETURNS SETOF text LANGUAGE plpgsql AS $$ DECLARE r record; BEGIN FOR r IN SELECT * FROM mx.person LOOP RETURN NEXT r::text; END LOOP; END $$;
CREATE FUNCTION mx.f_definer() RETURNS SETOF mx.person LANGUAGE sql SECURITY DEFINER AS 'SELECT * FROM mx.person';
CREATE FUNCTION mx.f_definer_bypass() RETURNS SETOF mx.person LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN RETURN QUERY SELECT * FROM mx.person; END';
ALTER FUNCTION mx.f_definer_bypass() OWNER TO regress_mx_bypass;
CREATE FUNCTION mx.f_definer_owner() RETURNS SETOF mx.person LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN RETURN QUERY SELECT * FROM mx.person; END';
ALTER FUNCTION mx.f_definer_owner() OWNER TO regress_mx_owner;
CREATE FUNCTION mx.f_immutable() RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT count(*) FROM mx.person';
CREATE FUNCTION mx.f_caught() RETURNS text LANGUAGE plpgsql AS $$ DECLARE s text; BEGIN SELECT string_agg(name, ',') INTO s FROM mx.person; RAISE division_by_zero; EXCEPTION WHEN division_by_zero THEN RETURN s; END $$;
CREATE FUNCTION mx.f_purpose() RETURNS SETOF text LANGUAGE plpgsql SET personalize.purpose = 'mx_ads' AS 'BEGIN RETURN QUERY SELECT name FROM mx.person; END';
CREATE FUNCTION mx.f_row(mx.person) RETURNS text LANGUAGE sql AS 'SELECT $1.mail';
CREATE FUNCTION mx.f_open(refcursor) RETURNS refcursor LANGUAGE plpgsql AS $$ BEGIN OPEN $1 FOR SELECT name, mail FROM mx.person ORDER BY id; RETURN $1; END $$;
CREATE PROCEDURE mx.p_commit() LANGUAGE plpgsql AS $$ DECLARE r record; s text; BEGIN PERFORM personalize.set_purpose('mx_ads'); FOR r IN SELECT name FROM mx.person LOOP s := concat_ws(',', s, r.name); COMMIT; END LOOP; PERFORM set_config('mx.out', s, false); END $$;
CREATE AGGREGATE mx.collect (text) (SFUNC = textcat, STYPE = text);
GRANT ALL ON mx.plain, mx.v_super, mx.v_owner, mx.v_bypass, mx.v_barrier, mx.v_invoker, mx.v_nested, mx.v_row, mx.v_count, mx.v_orders, mx.v_recursive TO regress_mx_app, regress_mx_owner, regress_mx_bypass;
INSERT INTO mx.form (form, purpose, show) VALUES
	/* views */
	('SELECT name, mail FROM mx.v_super', DEFAULT, DEFAULT),
	('SELECT name, mail FROM mx.v_owner', DEFAULT, DEFAULT),
	('SELECT name, mail FROM mx.v_bypass', DEFAULT, DEFAULT),
	('SELECT name, mail FROM mx.v_barrier', DEFAULT, DEFAULT),
	('SELECT name, mail FROM mx.v_invoker', DEFAULT, DEFAULT),
	('SELECT * FROM mx.v_nested', DEFAULT, DEFAULT),
	('SELECT * FROM mx.v_row', DEFAULT, DEFAULT),
	('SELECT v FROM mx.v_super AS v', DEFAULT, DEFAULT),
	('SELECT * FROM mx.v_count', DEFAULT, DEFAULT),
	('SELECT * FROM mx.v_recursive', DEFAULT, DEFAULT),
	('SELECT name FROM mx.v_super WHERE mail LIKE ''hid%''', DEFAULT, DEFAULT),
	('SELECT name FROM mx.v_barrier WHERE mx.leak(mail);; SELECT current_setting(''mx.leak'')', DEFAULT, DEFAULT),
	('SELECT name FROM mx.v_super WHERE mx.leak(name);; SELECT current_setting(''mx.leak'')', DEFAULT, DEFAULT),
	('SELECT a.name FROM mx.v_super AS a JOIN mx.v_owner AS b USING (id) JOIN mx.person AS c USING (id)', DEFAULT, DEFAULT),
	('UPDATE mx.v_super SET name = name || ''x'';; SELECT name FROM mx.person', DEFAULT, DEFAULT),
	('DELETE FROM mx.v_orders RETURNING item', DEFAULT, DEFAULT),
	('SELECT name FROM mx.v_owner FOR UPDATE', DEFAULT, DEFAULT),
	('CREATE TEMP VIEW mine AS SELECT * FROM mx.person;; SELECT name, mail FROM mine', DEFAULT, DEFAULT),
	('CREATE RECURSIVE VIEW mx.mine (n, name) AS SELECT id, name FROM mx.person WHERE id = 1 UNION ALL SELECT p.id, p.name FROM mine AS m JOIN mx.person AS p ON p.id = m.n + 1;; SELECT name FROM mx.mine', DEFAULT, DEFAULT),
	('INSERT INTO mx.plain VALUES (1, ''x'')', DEFAULT, DEFAULT),
	('EXPLAIN (COSTS OFF) SELECT * FROM mx.v_nested', DEFAULT, false),
	/* functions */
	('SELECT name, mail FROM mx.f_sql()', DEFAULT, DEFAULT),
	('SELECT name, mail FROM mx.f_atomic()', DEFAULT, DEFAULT),
	('SELECT (mx.f_sql()).mail', DEFAULT, DEFAULT),
	('SELECT * FROM mx.f_arg(1)', DEFAULT, DEFAULT),
	('SELECT * FROM mx.f_arg(4)', DEFAULT, DEFAULT),
	('SELECT mx.f_scalar(i) FROM generate_series(1, 5) AS i', DEFAULT, DEFAULT),
	('SELECT mx.f_scalar_atomic(i) FROM generate_series(1, 5) AS i', DEFAULT, DEFAULT),
	('SELECT f.* FROM mx.free AS x, LATERAL mx.f_arg(x.id) AS f', DEFAULT, DEFAULT),
	('SELECT name, mail FROM mx.f_plpgsql()', DEFAULT, DEFAULT),
	('SELECT mx.f_execute(''SELECT mail FROM mx.person'')', DEFAULT, DEFAULT),
	('SELECT mx.f_execute(''DELETE FROM mx.orders RETURNING item'')', DEFAULT, DEFAULT),
	('SELECT mx.f_loop()', DEFAULT, DEFAULT),
	('SELECT name, mail FROM mx.f_definer()', DEFAULT, DEFAULT),
	('SELECT name, mail FROM mx.f_definer_bypass()', DEFAULT, DEFAULT),
	('SELECT name, mail FROM mx.f_definer_owner()', DEFAULT, DEFAULT),
	('SELECT mx.f_immutable()', DEFAULT, DEFAULT),
	('SELECT mx.f_caught()', DEFAULT, DEFAULT),
	('SELECT mx.f_purpose()', '', DEFAULT),
	('SELECT mx.f_purpose()', 'mx_wide', DEFAULT),
	('SELECT mx.f_row(p) FROM mx.person AS p', DEFAULT, DEFAULT),
	('SELECT mx.collect(mail) FROM mx.person', DEFAULT, DEFAULT),
	('SELECT mx.collect(name ORDER BY id) FROM mx.person', DEFAULT, DEFAULT),
	('SELECT name FROM mx.person WHERE mx.leak(name) AND id = 1;; SELECT current_setting(''mx.leak'')', DEFAULT, DEFAULT),
	('SELECT name FROM mx.person WHERE mx.leak(mail) AND mx.leak(person::text);; SELECT current_setting(''mx.leak'')', DEFAULT, DEFAULT),
	('SELECT word FROM mx.free AS f JOIN mx.person AS p ON p.id = f.id AND mx.leak(p.mail);; SELECT current_setting(''mx.leak'')', DEFAULT, DEFAULT),
	('SELECT mx.leak(name) FROM mx.person ORDER BY mx.leak(mail);; SELECT current_setting(''mx.leak'')', DEFAULT, DEFAULT),
	('SELECT count(*) FILTER (WHERE mx.leak(name)) FROM mx.person;; SELECT current_setting(''mx.leak'')', DEFAULT, DEFAULT),
	('SELECT name FROM mx.person TABLESAMPLE BERNOULLI (100) WHERE mx.leak(name);; SELECT current_setting(''mx.leak'')', DEFAULT, DEFAULT),
	('SELECT 1 FROM mx.part WHERE mx.leak(name);; SELECT current_setting(''mx.leak'')', DEFAULT, DEFAULT),
	('DO ''BEGIN PERFORM set_config(''''mx.out'''', (SELECT string_agg(name, '''','''') FROM mx.person), true); END'';; SELECT current_setting(''mx.out'')', DEFAULT, DEFAULT),
	('DO ''DECLARE r record; BEGIN FOR r IN EXECUTE ''''SELECT * FROM mx.person'''' LOOP PERFORM mx.leak(r.mail); END LOOP; END'';; SELECT current_setting(''mx.leak'')', DEFAULT, DEFAULT),
	('DO ''BEGIN BEGIN PERFORM mx.leak(mail) FROM mx.person; RAISE EXCEPTION ''''x''''; EXCEPTION WHEN OTHERS THEN NULL; END; END'';; SELECT current_setting(''mx.leak'', true)', DEFAULT, DEFAULT),
	('COMMIT;; CALL mx.p_commit();; SELECT current_setting(''mx.out'', true)', DEFAULT, DEFAULT),
	('CREATE FUNCTION pg_temp.f() RETURNS SETOF mx.person LANGUAGE sql AS ''TABLE mx.person'';; SELECT name, mail FROM pg_temp.f()', DEFAULT, DEFAULT),
	('CREATE FUNCTION pg_temp.t() RETURNS trigger LANGUAGE plpgsql AS ''BEGIN PERFORM mx.leak(name) FROM mx.person; RETURN NULL; END'';; CREATE TEMP TABLE x (i integer);; CREATE TRIGGER t AFTER INSERT ON x EXECUTE FUNCTION pg_temp.t();; INSERT INTO x VALUES (1);; SELECT current_setting(''mx.leak'')', DEFAULT, DEFAULT),
	('CREATE DOMAIN pg_temp.d AS integer CHECK (mx.leak(mx.f_scalar(VALUE)));; SELECT 1::pg_temp.d, 5::pg_temp.d;; SELECT current_setting(''mx.leak'')', DEFAULT, DEFAULT),
	('CREATE TEMP TABLE x (i integer, s text GENERATED ALWAYS AS (repeat(''x'', i)) STORED, t text DEFAULT mx.f_scalar(1), u text DEFAULT mx.f_scalar(4));; INSERT INTO x VALUES (1) RETURNING t, u', DEFAULT, DEFAULT),
	/* prepared statements */
	('PREPARE p AS SELECT name, mail FROM mx.person;; EXECUTE p', DEFAULT, DEFAULT),
	('PREPARE p (integer) AS SELECT name, mail FROM mx.person WHERE id = $1;; SET LOCAL plan_cache_mode = force_generic_plan;; EXECUTE p (1);; EXECUTE p (2);; EXECUTE p (5)', DEFAULT, DEFAULT),
	('PREPARE p (integer) AS SELECT name, mail FROM mx.person WHERE id = $1;; SET LOCAL plan_cache_mode = force_custom_plan;; EXECUTE p (1);; EXECUTE p (2);; EXECUTE p (5)', DEFAULT, DEFAULT),
	('PREPARE p AS SELECT name FROM mx.person;; EXECUTE p;; SET LOCAL personalize.purpose = ''mx_ads'';; EXECUTE p', 'mx_wide', DEFAULT),
	('PREPARE p AS UPDATE mx.person SET name = name || ''x'' RETURNING name;; EXECUTE p', DEFAULT, DEFAULT),
	('PREPARE p AS SELECT name FROM mx.person;; EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) EXECUTE p', DEFAULT, false),
	/* cursors */
	('DECLARE c CURSOR FOR SELECT name, mail FROM mx.person;; FETCH ALL FROM c', DEFAULT, DEFAULT),
	('DECLARE c CURSOR FOR SELECT name FROM mx.person ORDER BY id;; FETCH 1 FROM c', DEFAULT, DEFAULT),
	('DECLARE c SCROLL CURSOR FOR SELECT name FROM mx.person ORDER BY id;; FETCH LAST FROM c;; FETCH PRIOR FROM c;; FETCH ABSOLUTE 5 FROM c;; FETCH FIRST FROM c', DEFAULT, DEFAULT),
	('DECLARE c NO SCROLL CURSOR FOR SELECT name FROM mx.person ORDER BY id;; MOVE 1 FROM c;; FETCH ALL FROM c', DEFAULT, DEFAULT),
	('DECLARE c BINARY CURSOR FOR SELECT name FROM mx.person ORDER BY id;; FETCH ALL FROM c', DEFAULT, DEFAULT),
	('DECLARE c INSENSITIVE CURSOR FOR SELECT mail FROM mx.person;; FETCH ALL FROM c', DEFAULT, DEFAULT),
	('DECLARE c CURSOR WITH HOLD FOR SELECT name, mail FROM mx.person;; COMMIT;; FETCH ALL FROM c;; CLOSE c', DEFAULT, DEFAULT),
	('DECLARE c SCROLL CURSOR WITH HOLD FOR SELECT name FROM mx.person ORDER BY id;; FETCH 1 FROM c;; SET LOCAL personalize.purpose = ''mx_wide'';; COMMIT;; FETCH ALL FROM c;; FETCH BACKWARD ALL FROM c;; CLOSE c', DEFAULT, DEFAULT),
	('DECLARE c CURSOR FOR SELECT name FROM mx.person ORDER BY id;; SET LOCAL personalize.purpose = ''mx_wide'';; FETCH ALL FROM c', DEFAULT, DEFAULT),
	('DECLARE c CURSOR FOR SELECT name FROM mx.person ORDER BY id FOR UPDATE;; MOVE 1 FROM c;; UPDATE mx.person SET name = name || ''x'' WHERE CURRENT OF c RETURNING name', DEFAULT, DEFAULT),
	('DECLARE c CURSOR FOR SELECT item FROM mx.orders ORDER BY no FOR UPDATE;; MOVE 2 FROM c;; DELETE FROM mx.orders WHERE CURRENT OF c RETURNING item', DEFAULT, DEFAULT),
	('DECLARE c CURSOR FOR SELECT item FROM mx.orders WHERE person_id = 5 FOR UPDATE;; MOVE 1 FROM c;; DELETE FROM mx.orders WHERE CURRENT OF c RETURNING item', DEFAULT, DEFAULT),
	('SELECT mx.f_open(''c'');; FETCH ALL FROM c', DEFAULT, DEFAULT),
	('SELECT mx.f_open(''c'');; SELECT cursor_to_xml(''c'', 9, false, true, '''') IS NOT NULL', DEFAULT, DEFAULT),
	('DECLARE c CURSOR FOR SELECT name FROM mx.person ORDER BY id;; FETCH 1 FROM c;; SELECT 1 / 0', DEFAULT, DEFAULT),
	('DECLARE c CURSOR FOR SELECT name FROM mx.person ORDER BY id;; SAVEPOINT s;; FETCH 1 FROM c;; ROLLBACK TO s;; FETCH ALL FROM c', DEFAULT, DEFAULT),
	('DECLARE a CURSOR FOR SELECT name FROM mx.person ORDER BY id;; DECLARE b CURSOR FOR SELECT name FROM mx.person ORDER BY id DESC;; FETCH 1 FROM a;; FETCH 1 FROM b;; FETCH ALL FROM a;; FETCH ALL FROM b', DEFAULT, DEFAULT);
\i :run
