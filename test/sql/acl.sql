-- Who may call and read what of the extension: nobody without a duty, and every call with nulls is an error with a proper code.
SET client_min_messages = warning;
\pset format unaligned
\pset tuples_only on
\pset fieldsep ' '
CREATE ROLE regress_acl_nobody;
CREATE ROLE regress_acl_app;
CREATE ROLE regress_acl_auditor;
CREATE ROLE regress_acl_officer;
DO $$
BEGIN
	PERFORM personalize.assign_duty('regress_acl_app', 'app');
	PERFORM personalize.assign_duty('regress_acl_auditor', 'auditor');
	PERFORM personalize.assign_duty('regress_acl_officer', 'officer');
END
$$;
CREATE SCHEMA acl;
GRANT USAGE ON SCHEMA acl TO PUBLIC;
CREATE TABLE acl.role AS SELECT * FROM (VALUES (1, 'n', 'regress_acl_nobody'), (2, 'p', 'regress_acl_app'),
	(3, 'a', 'regress_acl_auditor'), (4, 'o', 'regress_acl_officer')) AS r (ord, letter, name);

/* functions: n nobody, p app, a auditor, o officer; those that only superusers may call are counted */
SELECT string_agg(CASE WHEN may THEN letter ELSE '.' END, '' ORDER BY ord), sig
FROM (SELECT r.ord, r.letter, has_function_privilege(r.name, p.oid, 'EXECUTE') AS may,
		p.proname || '(' || oidvectortypes(p.proargtypes) || ')' AS sig
	FROM pg_proc AS p CROSS JOIN acl.role AS r WHERE p.pronamespace = 'personalize'::regnamespace) AS x
GROUP BY sig HAVING bool_or(may) ORDER BY sig COLLATE "C";
SELECT 'internal, executable by one of them:', string_agg(DISTINCT p.proname, ' ' ORDER BY p.proname)
FROM pg_proc AS p CROSS JOIN acl.role AS r
WHERE p.pronamespace = 'personalize'::regnamespace AND p.proname ~ '_internal$' AND has_function_privilege(r.name, p.oid, 'EXECUTE');

/* relations: r SELECT, w INSERT UPDATE DELETE or TRUNCATE, x REFERENCES or TRIGGER, u sequences; also of single columns */
SELECT string_agg(rpad(coalesce(nullif(
			CASE WHEN relkind <> 'S' AND (has_table_privilege(name, oid, 'SELECT') OR has_any_column_privilege(name, oid, 'SELECT')) THEN 'r' ELSE '' END
			|| CASE WHEN relkind <> 'S' AND (has_table_privilege(name, oid, 'INSERT, UPDATE, DELETE, TRUNCATE') OR has_any_column_privilege(name, oid, 'INSERT, UPDATE')) THEN 'w' ELSE '' END
			|| CASE WHEN relkind <> 'S' AND (has_table_privilege(name, oid, 'REFERENCES, TRIGGER') OR has_any_column_privilege(name, oid, 'REFERENCES')) THEN 'x' ELSE '' END
			|| CASE WHEN relkind = 'S' AND has_sequence_privilege(name, oid, 'USAGE, SELECT, UPDATE') THEN 'u' ELSE '' END, ''), '.'), 2), '' ORDER BY ord), relkind, relname
FROM (SELECT c.oid, c.relname, c.relkind, r.ord, r.name FROM pg_class AS c CROSS JOIN acl.role AS r
	WHERE c.relnamespace = 'personalize'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')) AS x
GROUP BY relkind, relname ORDER BY relkind, relname COLLATE "C";

/* the schema and the types */
SELECT r.letter, has_schema_privilege(r.name, 'personalize', 'USAGE'), has_schema_privilege(r.name, 'personalize', 'CREATE') FROM acl.role AS r ORDER BY r.ord;
/* an array of a mark is as impossible as a mark */
SELECT string_agg(format_type(t.oid, NULL), ' ' ORDER BY t.typname) FROM pg_type AS t
WHERE t.typnamespace = 'personalize'::regnamespace AND t.typtype NOT IN ('c', 'p') AND t.typcategory <> 'A';
/* grant options, and grants to others than these */
SELECT p.proname, a.grantee::regrole FROM pg_proc AS p, aclexplode(p.proacl) AS a
WHERE p.pronamespace = 'personalize'::regnamespace AND a.is_grantable AND a.grantee <> p.proowner ORDER BY 1;
SELECT DISTINCT a.grantee::regrole::text COLLATE "C" FROM pg_class AS c, aclexplode(c.relacl) AS a
WHERE c.relnamespace = 'personalize'::regnamespace AND a.grantee <> c.relowner ORDER BY 1;

/* each of these lists must be empty */
\echo not owned by the superuser who installed it
SELECT d.classid::regclass, d.objid FROM pg_depend AS d JOIN pg_extension AS e ON e.oid = d.refobjid AND e.extname = 'personalize'
	LEFT JOIN pg_proc AS p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid
	LEFT JOIN pg_class AS c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid
	LEFT JOIN pg_type AS t ON d.classid = 'pg_type'::regclass AND t.oid = d.objid
	LEFT JOIN pg_namespace AS n ON d.classid = 'pg_namespace'::regclass AND n.oid = d.objid
WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
	AND coalesce(p.proowner, c.relowner, t.typowner, n.nspowner, e.extowner) <> e.extowner;
SELECT 1 FROM pg_extension AS e JOIN pg_roles AS o ON o.oid = e.extowner WHERE e.extname = 'personalize' AND NOT o.rolsuper;
\echo in the schema without belonging to the extension
SELECT 'function', p.proname FROM pg_proc AS p WHERE p.pronamespace = 'personalize'::regnamespace
	AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
UNION ALL
SELECT 'relation', c.relname FROM pg_class AS c WHERE c.relnamespace = 'personalize'::regnamespace AND c.relkind IN ('r', 'v', 'S')
	AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('e', 'i', 'a'));
\echo functions without comment; without a search path where they run as their owner or in PL/pgSQL
SELECT p.oid::regprocedure FROM pg_proc AS p WHERE p.pronamespace = 'personalize'::regnamespace AND obj_description(p.oid, 'pg_proc') IS NULL ORDER BY 1;
SELECT p.oid::regprocedure FROM pg_proc AS p JOIN pg_language AS l ON l.oid = p.prolang
WHERE p.pronamespace = 'personalize'::regnamespace AND (p.prosecdef OR l.lanname = 'plpgsql')
	AND NOT 'search_path=pg_catalog, pg_temp' = ANY (coalesce(p.proconfig, '{}')) ORDER BY 1;
\echo functions that could be inlined or moved by what they claim: leakproof, or parallel safe though they write
SELECT p.oid::regprocedure FROM pg_proc AS p WHERE p.pronamespace = 'personalize'::regnamespace AND p.proleakproof ORDER BY 1;
SELECT p.oid::regprocedure FROM pg_proc AS p WHERE p.pronamespace = 'personalize'::regnamespace AND p.proparallel = 's' AND p.provolatile = 'v'
	AND p.proname NOT IN ('record_id_internal', 'require_preloaded_internal') ORDER BY 1;
\echo overloads that claim to be moved more freely than the function that they call
SELECT t.oid::regprocedure FROM pg_proc AS p JOIN pg_proc AS t ON t.pronamespace = p.pronamespace AND t.proname = p.proname AND t.oid <> p.oid
WHERE p.pronamespace = 'personalize'::regnamespace AND p.proargtypes[0] = 'text'::regtype AND (t.proparallel, t.provolatile) <> (p.proparallel, p.provolatile) ORDER BY 1;
\echo tables, views and sequences without comment; operators, casts, operator classes and event triggers of ours
SELECT c.relname FROM pg_class AS c WHERE c.relnamespace = 'personalize'::regnamespace AND c.relkind IN ('r', 'v', 'S', 'p', 'm') AND obj_description(c.oid, 'pg_class') IS NULL ORDER BY 1;
SELECT d.classid::regclass, count(*) FROM pg_depend AS d JOIN pg_extension AS e ON e.oid = d.refobjid AND e.extname = 'personalize'
WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
	AND d.classid NOT IN ('pg_proc'::regclass, 'pg_class'::regclass, 'pg_type'::regclass, 'pg_namespace'::regclass) GROUP BY 1 ORDER BY 1;

/* every function called with nulls, by each role that may, and all by a superuser: codes by function */
CREATE FUNCTION acl.call(func oid) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	arguments text;
BEGIN
	SELECT string_agg(format('NULL::%s', CASE WHEN t.typtype = 'p' AND t.typname = 'anyelement' THEN 'text' ELSE format_type(t.oid, NULL) END), ', ' ORDER BY u.ord)
		INTO arguments FROM pg_proc AS p, unnest(p.proargtypes) WITH ORDINALITY AS u (type, ord) JOIN pg_type AS t ON t.oid = u.type WHERE p.oid = func;
	BEGIN
		EXECUTE format('SELECT * FROM %s(%s)', func::regproc, arguments);
		RAISE EXCEPTION USING ERRCODE = 'ZZ001';
	EXCEPTION WHEN OTHERS THEN
		RETURN CASE SQLSTATE WHEN 'ZZ001' THEN 'ok' ELSE SQLSTATE END;
	END;
END
$$;
CREATE TABLE acl.called (who text, func text, code text);
GRANT ALL ON acl.called, acl.role TO PUBLIC;
\set call 'INSERT INTO acl.called SELECT current_user, p.proname, acl.call(p.oid) FROM pg_proc AS p WHERE p.pronamespace = ''personalize''::regnamespace AND has_function_privilege(p.oid, ''EXECUTE'') ORDER BY p.proname;'
SET ROLE regress_acl_nobody;
:call
SET ROLE regress_acl_app;
:call
SET ROLE regress_acl_auditor;
:call
SET ROLE regress_acl_officer;
:call
RESET ROLE;
:call
SELECT coalesce(r.letter, 's'), c.code, string_agg(DISTINCT c.func, ' ' ORDER BY c.func)
FROM acl.called AS c LEFT JOIN acl.role AS r ON r.name = c.who
GROUP BY r.ord, r.letter, c.code ORDER BY r.ord, c.code;
\echo codes of other classes than 22, 42, 55 and 0A
SELECT DISTINCT code, func FROM acl.called WHERE code !~ '^(22|42|55|0A|ok)' ORDER BY 1, 2;

/* what a duty gave is taken back with it */
DO $$
BEGIN
	PERFORM personalize.revoke_duty('regress_acl_app', 'app');
	PERFORM personalize.revoke_duty('regress_acl_auditor', 'auditor');
	PERFORM personalize.revoke_duty('regress_acl_officer', 'officer');
END
$$;
SELECT DISTINCT r.name, p.proname FROM pg_proc AS p, acl.role AS r
WHERE p.pronamespace = 'personalize'::regnamespace AND has_function_privilege(r.name, p.oid, 'EXECUTE')
	AND NOT has_function_privilege('public', p.oid, 'EXECUTE') ORDER BY 1, 2;
SELECT r.name, c.relname FROM pg_class AS c, acl.role AS r
WHERE c.relnamespace = 'personalize'::regnamespace AND c.relkind IN ('r', 'v') AND has_any_column_privilege(r.name, c.oid, 'SELECT') ORDER BY 1, 2;
DROP SCHEMA acl CASCADE;
DROP ROLE regress_acl_nobody, regress_acl_app, regress_acl_auditor, regress_acl_officer;
