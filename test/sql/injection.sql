-- No argument of any function is taken for SQL, a format or a pattern; and nothing of an attacker's in the search path is ever called.
SET client_min_messages = error;
\set SHOW_CONTEXT never
SET jit = off;
\pset format unaligned
\pset tuples_only on
CREATE ROLE regress_inj_user;
CREATE SCHEMA inj;
GRANT USAGE, CREATE ON SCHEMA inj TO PUBLIC;
CREATE TABLE inj.sentinel (i integer);
CREATE TABLE inj.ran (what text);
GRANT INSERT ON inj.ran TO PUBLIC;

/* values that do harm where they are pasted into something */
CREATE TABLE inj.hostile (no integer GENERATED ALWAYS AS IDENTITY, value text);
INSERT INTO inj.hostile (value) VALUES
	(''), (' '), (''''), (''''''), ('"'), ('""'), ('\'), ('\\'), ('\'''), ('$$'), ('$x$'), ('%'), ('%%'), ('%s'), ('%I'), ('%L'), ('%1$s'), ('%5$I'), ('%n'), ('{'), ('{}'),
	('{NULL}'), ('NULL'), ('--'), ('/*'), (';'), (E'\n'), (E'\t'), (E'\x01'), (E'\x1f'), (E'\x7f'), ('.'), ('a.b'), ('*'), ('$1'), ('@'), ('-1'), ('0'), ('1e999'), ('NaN'),
	('99999999999999999999'), ('''; DROP TABLE inj.sentinel; --'), ('''); DROP TABLE inj.sentinel; --'), ('"; DROP TABLE inj.sentinel; --'), ('x; DROP TABLE inj.sentinel'),
	(''' || inj.attack() || '''), ('$$ || inj.attack() || $$'), ('inj.attack()'), ('(SELECT inj.attack())'), ('" OR true --'), (''' OR ''''='''), ('.*'), ('^.*$'), ('('), ('[[:alpha:]]'), ('(a+)+$'), ('\1'),
	('{"*":"inj_cat"}'), ('{"a":{"b":1}}'), ('[1,2]'), ('"x"'), ('null'), ('pg_class'), ('pg_catalog.pg_class'), ('inj.sentinel'), ('personalize.subject'), ('pg_toast.pg_toast_1255'), ('none'), ('backup'), ('subject'), ('PUBLIC'), ('-'),
	('ünïcödé'), (U&'\202E\0645'), (U&'\FEFF'), (repeat('é', 31)), (repeat('x', 63)), (repeat('x', 64)), (repeat('''', 1000)), (repeat('x', 1000000)), (repeat('((', 10000));
CREATE FUNCTION inj.attack() RETURNS text LANGUAGE plpgsql AS $$ BEGIN INSERT INTO inj.ran VALUES ('attack() as ' || current_user); RETURN 'x'; END $$;
DO $$
BEGIN
	PERFORM personalize.define_kind('injection', 'text');
	PERFORM personalize.define_category('inj_cat', 'for tests');
	PERFORM personalize.define_purpose('inj_purpose', 'for tests', categories => '{inj_cat}');
	PERFORM personalize.define_experiment('inj_experiment', 'inj_purpose');
	PERFORM personalize.define_metric('inj_metric', 'inj_purpose');
END
$$;
/* calls a function with a value at one place, as text of a literal of the argument's type; nothing of it stays */
CREATE FUNCTION inj.call(func oid, place integer, value text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	list text;
BEGIN
	SELECT string_agg(CASE
			WHEN u.ord = place THEN format('%L::%s', CASE WHEN right(format_type(u.type, NULL), 2) = '[]' THEN ARRAY[value]::text ELSE value END, format_type(u.type, NULL))
			ELSE CASE format_type(u.type, NULL)
				WHEN 'text' THEN CASE p.proargnames[u.ord] WHEN 'purpose' THEN '''inj_purpose''' WHEN 'experiment' THEN '''inj_experiment''' WHEN 'metric' THEN '''inj_metric''' WHEN 'what' THEN '''click_through'''
					WHEN 'step' THEN '''day''' WHEN 'measures' THEN '''click''' WHEN 'baseline' THEN '''holdout''' WHEN 'read_for' THEN '''inj_purpose''' WHEN 'kind' THEN '''injection''' WHEN 'guardian_kind' THEN '''injection''' WHEN 'jurisdiction' THEN '''US''' WHEN 'model' THEN '''opt_out'''
					WHEN 'language' THEN '''en''' WHEN 'reconsent' THEN '''ask''' WHEN 'category' THEN '''inj_cat'''
					WHEN 'null_subject' THEN '''hidden''' WHEN 'mode' THEN '''enforce''' WHEN 'duty' THEN '''app''' WHEN 'ownership' THEN '''access''' WHEN 'mask' THEN 'NULL'
					WHEN 'legal_basis' THEN '''consent''' WHEN 'name' THEN '''inj_name''' WHEN 'subject' THEN '''somebody''' ELSE '''x''' END
				WHEN 'text[]' THEN CASE p.proargnames[u.ord] WHEN 'categories' THEN '''{inj_cat}''' WHEN 'subjects' THEN '''{a}''' WHEN 'purposes' THEN '''{inj_purpose}''' WHEN 'variants' THEN '''{a,b}''' ELSE '''{}''' END
				WHEN 'name' THEN CASE p.proargnames[u.ord] WHEN 'via' THEN 'NULL' WHEN 'schema' THEN '''inj''' ELSE '''id''' END
				WHEN 'name[]' THEN '''{id}''' WHEN 'regclass' THEN '''inj.person''' WHEN 'regrole' THEN '''regress_inj_user''' WHEN 'regtype' THEN '''text'''
				WHEN 'numeric' THEN '0.1' WHEN 'double precision' THEN '0.95' WHEN 'timestamp with time zone' THEN CASE p.proname WHEN 'record_outcome' THEN 'now()' ELSE 'NULL' END
				WHEN 'jsonb' THEN '''{}''' WHEN 'boolean' THEN 'false' WHEN 'uuid' THEN 'NULL' WHEN 'bigint' THEN '1' WHEN 'interval' THEN CASE p.proargnames[u.ord] WHEN 'grace' THEN '''0''' WHEN 'lifetime' THEN '''1 day''' ELSE 'NULL' END
				ELSE 'NULL' END
				|| '::' || format_type(u.type, NULL) END, ', ' ORDER BY u.ord)
		INTO list
		FROM pg_proc AS p, unnest(p.proargtypes) WITH ORDINALITY AS u (type, ord) WHERE p.oid = func;
	BEGIN
		EXECUTE format('SELECT * FROM %s(%s)', func::regproc, list);
		RAISE EXCEPTION USING ERRCODE = 'ZZ001';
	EXCEPTION WHEN OTHERS THEN
		RETURN CASE SQLSTATE WHEN 'ZZ001' THEN 'ok' ELSE SQLSTATE END;
	END;
END
$$;
CREATE TABLE inj.person (id text PRIMARY KEY, name text, note varchar(10));
INSERT INTO inj.person VALUES ('a', 'A');
/* every function that is not internal, every argument of such a type, every value: codes must be of classes 22, 42, 54, 55, 0A or 3F */
CREATE TABLE inj.tried AS
	SELECT p.proname, p.proargnames[u.ord] AS argument, h.no, inj.call(p.oid, u.ord::integer, h.value) AS code
	FROM pg_proc AS p, unnest(p.proargtypes) WITH ORDINALITY AS u (type, ord), inj.hostile AS h
	WHERE p.pronamespace = 'personalize'::regnamespace AND p.proname !~ '_internal$'
		AND format_type(u.type, NULL) IN ('text', 'text[]', 'name', 'name[]', 'jsonb', 'regclass', 'regrole', 'regtype')
		AND NOT 'personalize.plan_mark'::regtype = ANY (p.proargtypes)
		/* the twins for bigint and uuid pass on what they get */
		AND NOT (p.proargnames[1] = 'subject' AND p.proargtypes[0] <> 'text'::regtype);
/* a.b as a relation: 15 says the schema is missing, later ones the relation */
SELECT proname, argument, count(*), string_agg(DISTINCT x.code, ' ' ORDER BY x.code)
FROM (SELECT proname, argument, replace(code, '3F000', '42P01') AS code FROM inj.tried) AS x GROUP BY 1, 2 ORDER BY proname COLLATE "C", argument COLLATE "C";
SELECT 'other classes:', proname, argument, no, code FROM inj.tried WHERE code !~ '^(ok|22|42|54|55|0A|3F)' ORDER BY 2, 3, 4;
SELECT count(*) > 2000, bool_or(code = 'ok') FROM inj.tried;
/* nothing ran, nothing stayed */
SELECT count(*) AS sentinels, (SELECT count(*) FROM inj.ran) AS ran FROM pg_class WHERE oid = 'inj.sentinel'::regclass;
SELECT count(*) FROM personalize.consent_event AS e JOIN personalize.subject AS s USING (subject_no) JOIN personalize.registry_kind AS k USING (kind_id) WHERE k.name = 'injection';
SELECT count(*) FROM personalize.protected_relations WHERE relation_name LIKE 'inj.%';
/* settings take texts, too: what is no purpose is refused, the others are kept as they are */
CREATE FUNCTION inj.set(setting text, value text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config(setting, value, true);
	RETURN CASE WHEN current_setting(setting) = value THEN 'as it was' ELSE 'changed' END;
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE;
END
$$;
SELECT s, r, count(*) FROM (SELECT s, inj.set(s, h.value) AS r FROM inj.hostile AS h, unnest('{personalize.purpose,personalize.app_user,personalize.context}'::text[]) AS s) AS x GROUP BY 1, 2 ORDER BY 1, 2;
DROP SCHEMA inj CASCADE;
DROP ROLE regress_inj_user;
