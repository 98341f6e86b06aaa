-- What docs/objects.md says, from the catalogs: functions, views and settings
-- that people use, with their comments.
\set QUIET on
\pset tuples_only on
\pset format unaligned
\pset fieldsep ''
SET search_path = pg_catalog;
SET client_min_messages = warning;
\echo '# Functions, views and settings'
\echo
\echo '<!-- Made by `make objects` from the comments in the database; a test compares. Change the comments, not this. -->'
\echo
\echo 'For arguments, rules and defaults in context see [reference.md](reference.md). Everything is in schema `personalize`.'
\echo 'Who may call what is decided by duties: see `assign_duty()`.'
\echo
\echo '## Functions'
\echo
SELECT format(E'### %s\n\n%s\n\n%s\n', p.name,
	string_agg(format('    %s(%s)%s', p.name, p.arguments, ' → ' || p.result), E'\n' ORDER BY p.arguments COLLATE "C"), min(p.comment))
	FROM (SELECT f.proname::text AS name, pg_get_function_arguments(f.oid) AS arguments, coalesce(pg_get_function_result(f.oid), 'procedure') AS result,
			obj_description(f.oid, 'pg_proc') AS comment
		FROM pg_proc AS f JOIN pg_depend AS d ON d.classid = 'pg_proc'::regclass AND d.objid = f.oid AND d.deptype = 'e'
			JOIN pg_extension AS e ON e.oid = d.refobjid AND e.extname = 'personalize'
		WHERE d.refclassid = 'pg_extension'::regclass AND f.proname !~ '_internal$' AND f.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype, 'internal'::regtype)
			AND NOT f.proargtypes::oid[] && ARRAY['internal'::regtype::oid]) AS p
	GROUP BY p.name ORDER BY p.name COLLATE "C";
\echo '## Views'
\echo
SELECT format(E'### %s\n\n%s\n\nColumns: %s\n', c.relname, obj_description(c.oid, 'pg_class'),
	(SELECT string_agg(format('`%s` %s', a.attname, format_type(a.atttypid, a.atttypmod)) || coalesce(' (' || col_description(c.oid, a.attnum) || ')', ''), ', ' ORDER BY a.attnum)
		FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped))
	FROM pg_class AS c JOIN pg_depend AS d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
		JOIN pg_extension AS e ON e.oid = d.refobjid AND e.extname = 'personalize'
	WHERE d.refclassid = 'pg_extension'::regclass AND c.relkind = 'v' AND c.relname !~ '_internal$'
	ORDER BY c.relname::text COLLATE "C";
\echo '## Settings'
\echo
\echo '| setting | default | who sets it | |'
\echo '| --- | --- | --- | --- |'
SELECT format('| `%s` | %s | %s | %s |', s.name,
		coalesce('`' || nullif(CASE WHEN s.unit IS NULL OR s.boot_val = '0' THEN s.boot_val ELSE s.boot_val || ' ' || s.unit END, '') || '`', 'empty'),
		CASE s.context WHEN 'user' THEN 'everybody' WHEN 'superuser' THEN 'superusers' WHEN 'sighup' THEN 'the server''s configuration' WHEN 'postmaster' THEN 'the server''s configuration, at start'
			ELSE s.context END,
		concat_ws(' ', s.short_desc, s.extra_desc))
	FROM pg_settings AS s WHERE s.name LIKE 'personalize.%' ORDER BY s.name COLLATE "C";
