/*
 * Sourced last by the tests hook_matrix_*: runs every form of mx.form as four
 * roles (one the purpose is granted to, the owner of the tables, one with
 * BYPASSRLS, a superuser), at top level, and prints one line for each form:
 *
 *	what was returned | uses on record (ended, failed, refused, open): whose | form
 *
 * once if it was the same for all four, else for each role.  "!" at the start
 * marks what must not be: something withheld was returned or is on record, or
 * something was returned that is not on record.
 */
\set script :abs_builddir '/results/hook_matrix.script'
\set captured :abs_builddir '/results/hook_matrix.captured'
\pset format unaligned
\pset tuples_only on
SELECT personalize.audit_sync();
SELECT coalesce(max(usage_id), 0) AS mx_from FROM personalize.usage \gset
\o :script
SELECT concat_ws(E'\n',
	E'\\set ok on', E'\\set state ''''',
	format('SET application_name = %L;', 'mx ' || f.no || ' ' || r.name),
	CASE WHEN r.rolename <> '' THEN format('SET ROLE %I;', r.rolename) END,
	'BEGIN;',
	CASE WHEN f.purpose <> '' THEN format('SET LOCAL personalize.purpose = %L;', f.purpose) END,
	E'\\o :captured',
	(SELECT string_agg(concat_ws(E'\n', E'\\if :ok', s.step || ';', E'\\if :ERROR', E'\\set state :SQLSTATE',
			/* psql does not know the state of a COPY that fails midway; a statement after it does */
			CASE WHEN s.step !~ '^COPY .* TO STDOUT' THEN E'\\set ok off' END, E'\\endif', E'\\endif'),
			E'\n' ORDER BY s.ord)
		FROM regexp_split_to_table(f.form, ';; *') WITH ORDINALITY AS s (step, ord)),
	E'\\o', 'ROLLBACK;', 'RESET ROLE;', 'DEALLOCATE ALL;', 'CLOSE ALL;', 'RESET ALL;',
	E'\\set got `LC_ALL=C sort :''captured'' | tr ''\\n\\t'' ''  ''`',
	format(E'INSERT INTO mx.result VALUES (%s, %L, :''state'', :''got'');', f.no, r.name))
FROM mx.form AS f CROSS JOIN (VALUES ('app', 'regress_mx_app'), ('owner', 'regress_mx_owner'),
	('bypass', 'regress_mx_bypass'), ('super', '')) AS r (name, rolename)
ORDER BY f.no, r.rolename DESC;
\o
/* by another psql, whose messages nobody reads */
SELECT setting || '/psql' AS psql FROM pg_config WHERE name = 'BINDIR' \gset
\setenv MX_PSQL :psql
\setenv MX_SCRIPT :script
\setenv MX_CAPTURED :captured
\setenv PGHOST :HOST
\setenv PGPORT :PORT
\setenv PGUSER :USER
\setenv PGDATABASE :DBNAME
\! "$MX_PSQL" -XqAt -v captured="$MX_CAPTURED" -v kept="$MX_CAPTURED.kept" -f "$MX_SCRIPT" >/dev/null 2>&1
\! rm -f "$MX_SCRIPT" "$MX_CAPTURED" "$MX_CAPTURED.kept"
\pset null ''
SELECT personalize.audit_sync();
CREATE TEMP TABLE mx_use AS
	SELECT u.usage_id, split_part(u.application_name, ' ', 2)::integer AS no, split_part(u.application_name, ' ', 3) AS role,
		left(u.status, 1) AS status, ARRAY(SELECT s.subject FROM personalize.subjects_of(u.usage_id) AS s) AS people
	FROM personalize.usage AS u WHERE u.usage_id > :mx_from AND u.application_name LIKE 'mx %';
CREATE TEMP TABLE mx_line AS
	SELECT f.no, r.role, f.form,
		CASE WHEN r.output ~ CASE f.purpose WHEN 'mx_wide' THEN 'hid([45]|2@)' ELSE 'hid' END OR x.people && (CASE f.purpose WHEN 'mx_wide' THEN '{4,5}' ELSE '{3,4,5}' END)::text[]
				OR NOT x.people @> ARRAY(SELECT DISTINCT m.m[1] FROM regexp_matches(r.output, 'yes[a-z]*([0-9])', 'g') AS m (m))
			THEN '!' ELSE '' END AS wrong,
		concat_ws(' ', CASE WHEN NOT f.show AND r.output <> '' THEN '...' ELSE nullif(btrim(r.output), '') END, nullif(r.state, ''))
			|| ' | ' || concat_ws(' ', x.uses, array_to_string(x.people, ',')) AS line
	FROM mx.form AS f JOIN mx.result AS r ON r.no = f.no
		CROSS JOIN LATERAL (
			SELECT (SELECT string_agg(v.n || v.status, '+' ORDER BY v.status)
					FROM (SELECT u.status, count(*) AS n FROM mx_use AS u WHERE u.no = f.no AND u.role = r.role GROUP BY 1) AS v) AS uses,
				ARRAY(SELECT DISTINCT p FROM mx_use AS u, unnest(u.people) AS p WHERE u.no = f.no AND u.role = r.role ORDER BY 1) AS people) AS x;
SELECT max(l.wrong) || string_agg(l.who || l.line, E'\n  ' ORDER BY l.who) || ' | ' || l.form
FROM (SELECT m.no, m.form, m.line, max(m.wrong) AS wrong,
		CASE WHEN count(*) = 4 THEN '' ELSE string_agg(m.role, ',' ORDER BY m.role COLLATE "C") || ': ' END AS who
	FROM mx_line AS m GROUP BY 1, 2, 3) AS l
GROUP BY l.no, l.form ORDER BY l.no;
SELECT count(*) || ' forms as 4 roles, ' || (SELECT count(*) FROM mx_line WHERE wrong <> '') || ' wrong' FROM mx.form;
DROP TABLE mx_use, mx_line;
SET client_min_messages = warning;
DO $$
BEGIN
	PERFORM personalize.unprotect(relation) FROM personalize.protected_relations WHERE relation_name LIKE 'mx.%';
END
$$;
DROP SCHEMA mx CASCADE;
DROP OWNED BY regress_mx_owner, regress_mx_app, regress_mx_bypass;
DROP ROLE regress_mx_owner, regress_mx_app, regress_mx_bypass;
