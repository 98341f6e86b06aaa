/*
 * Every object of the extension as one line of text: its kind, its identity and
 * all that makes it what it is, but OIDs and positions of columns.  Two ways to
 * the same version must print the same.  Read by psql -At.
 */
SET search_path = pg_catalog;
WITH RECURSIVE member AS (
	SELECT d.classid, d.objid FROM pg_depend AS d JOIN pg_extension AS e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND d.deptype = 'e'
	WHERE e.extname = 'personalize'
), part AS (
	/* what belongs to a member: columns are told with their relation */
	SELECT m.classid, m.objid FROM member AS m
	UNION
	SELECT d.classid, d.objid FROM part AS p JOIN pg_depend AS d ON d.refclassid = p.classid AND d.refobjid = p.objid AND d.deptype IN ('a', 'i', 'P', 'S')
	/* pieces of the record come with time */
	WHERE NOT (d.classid = 'pg_class'::regclass AND EXISTS (SELECT FROM pg_class AS c WHERE c.oid = d.objid AND c.relispartition))
), acl AS (
	SELECT o.classid, o.objid, o.sub, string_agg(format('%s:%s%s', CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE pg_get_userbyid(a.grantee) END, a.privilege_type,
			CASE WHEN a.is_grantable THEN '*' END), ',' ORDER BY a.grantee, a.privilege_type) AS text
	FROM (SELECT 'pg_class'::regclass AS classid, oid AS objid, 0 AS sub, coalesce(relacl, acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner)) AS acl FROM pg_class
		UNION ALL SELECT 'pg_class'::regclass, attrelid, attnum, attacl FROM pg_attribute WHERE attnum > 0 AND attacl IS NOT NULL
		UNION ALL SELECT 'pg_proc'::regclass, oid, 0, coalesce(proacl, acldefault('f', proowner)) FROM pg_proc
		UNION ALL SELECT 'pg_type'::regclass, oid, 0, coalesce(typacl, acldefault('T', typowner)) FROM pg_type) AS o
		CROSS JOIN LATERAL aclexplode(o.acl) AS a
	GROUP BY o.classid, o.objid, o.sub
), line AS (
	SELECT i.type, i.identity, 'comment' AS what, (SELECT string_agg(x.description, '') FROM pg_description AS x WHERE x.classoid = p.classid AND x.objoid = p.objid AND x.objsubid = 0) AS fact
	FROM part AS p CROSS JOIN LATERAL pg_identify_object(p.classid, p.objid, 0) AS i
	UNION ALL SELECT i.type, i.identity, 'member', EXISTS (SELECT FROM member AS m WHERE m.classid = p.classid AND m.objid = p.objid)::text
	FROM part AS p CROSS JOIN LATERAL pg_identify_object(p.classid, p.objid, 0) AS i
	UNION ALL SELECT i.type, i.identity, 'rights', a.text
	FROM part AS p JOIN acl AS a ON a.classid = p.classid AND a.objid = p.objid CROSS JOIN LATERAL pg_identify_object(p.classid, p.objid, a.sub) AS i
	UNION ALL SELECT 'function', f.oid::regprocedure::text, 'definition', CASE f.prokind WHEN 'a' THEN (SELECT format('%s %s %s %s %s', a.aggtransfn, a.aggfinalfn, a.aggcombinefn, a.aggtranstype::regtype, a.agginitval) FROM pg_aggregate AS a WHERE a.aggfnoid = f.oid) ELSE pg_get_functiondef(f.oid) END
	FROM part AS p JOIN pg_proc AS f ON p.classid = 'pg_proc'::regclass AND f.oid = p.objid
	UNION ALL SELECT 'relation', c.oid::regclass::text, 'definition', format('%s %s %s %s %s %s %s %s', c.relkind, c.relpersistence, c.reloptions, c.relrowsecurity, c.relforcerowsecurity, c.relreplident, m.amname, pg_get_userbyid(c.relowner))
	FROM part AS p JOIN pg_class AS c ON p.classid = 'pg_class'::regclass AND c.oid = p.objid AND c.relkind <> 't' LEFT JOIN pg_am AS m ON m.oid = c.relam
	UNION ALL SELECT 'relation', c.oid::regclass::text, 'columns', string_agg(format('%I %s %s %s %s %s %s %s %s %s', t.attname, format_type(t.atttypid, t.atttypmod), t.attnotnull, t.attidentity, t.attgenerated, t.attstorage, t.attcompression,
			t.attcollation::regcollation, pg_get_expr(d.adbin, d.adrelid), col_description(c.oid, t.attnum)), E',\n' ORDER BY t.attnum)
	FROM part AS p JOIN pg_class AS c ON p.classid = 'pg_class'::regclass AND c.oid = p.objid AND c.relkind IN ('r', 'p', 'v', 'm', 'c')
		JOIN pg_attribute AS t ON t.attrelid = c.oid AND t.attnum > 0 AND NOT t.attisdropped LEFT JOIN pg_attrdef AS d ON d.adrelid = c.oid AND d.adnum = t.attnum
	GROUP BY c.oid
	UNION ALL SELECT 'relation', c.oid::regclass::text, 'view', pg_get_viewdef(c.oid) FROM part AS p JOIN pg_class AS c ON p.classid = 'pg_class'::regclass AND c.oid = p.objid AND c.relkind IN ('v', 'm')
	UNION ALL SELECT 'relation', c.oid::regclass::text, 'index', pg_get_indexdef(c.oid) FROM part AS p JOIN pg_class AS c ON p.classid = 'pg_class'::regclass AND c.oid = p.objid AND c.relkind IN ('i', 'I') AND c.relname !~ '^pg_toast'
	UNION ALL SELECT 'relation', c.oid::regclass::text, 'sequence', format('%s %s %s %s %s %s %s', s.seqtypid::regtype, s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcache, s.seqcycle)
	FROM part AS p JOIN pg_sequence AS s ON p.classid = 'pg_class'::regclass AND s.seqrelid = p.objid JOIN pg_class AS c ON c.oid = s.seqrelid
	UNION ALL SELECT 'relation', c.oid::regclass::text, 'dumped', coalesce(nullif(e.condition, ''), 'all')
	FROM pg_extension AS x CROSS JOIN LATERAL unnest(x.extconfig, x.extcondition) AS e (id, condition) JOIN pg_class AS c ON c.oid = e.id WHERE x.extname = 'personalize'
	UNION ALL SELECT 'constraint', k.conname || ' on ' || k.conrelid::regclass, 'definition', format('%s %s', pg_get_constraintdef(k.oid), k.convalidated) FROM part AS p JOIN pg_constraint AS k ON k.conrelid = p.objid AND p.classid = 'pg_class'::regclass
	WHERE k.contype <> 'n'
	UNION ALL SELECT 'trigger', t.tgname || ' on ' || t.tgrelid::regclass, 'definition', format('%s %s', pg_get_triggerdef(t.oid), t.tgenabled) FROM part AS p JOIN pg_trigger AS t ON t.tgrelid = p.objid AND p.classid = 'pg_class'::regclass WHERE NOT t.tgisinternal
	UNION ALL SELECT 'policy', o.polname || ' on ' || o.polrelid::regclass, 'definition', format('%s %s %s %s', o.polcmd, o.polpermissive, pg_get_expr(o.polqual, o.polrelid), pg_get_expr(o.polwithcheck, o.polrelid)) FROM part AS p JOIN pg_policy AS o ON o.polrelid = p.objid AND p.classid = 'pg_class'::regclass
	UNION ALL SELECT 'type', t.oid::regtype::text, 'definition', format('%s %s %s %s %s %s %s %s %s', t.typtype, t.typlen, t.typbyval, t.typalign, t.typstorage, t.typinput, t.typoutput, t.typdefault, (SELECT string_agg(e.enumlabel, ',' ORDER BY e.enumsortorder) FROM pg_enum AS e WHERE e.enumtypid = t.oid)) FROM part AS p JOIN pg_type AS t ON p.classid = 'pg_type'::regclass AND t.oid = p.objid
	UNION ALL SELECT 'access method', m.amname, 'definition', format('%s %s', m.amhandler, m.amtype) FROM part AS p JOIN pg_am AS m ON p.classid = 'pg_am'::regclass AND m.oid = p.objid
	UNION ALL SELECT 'cast', format('%s to %s', k.castsource::regtype, k.casttarget::regtype), 'definition', format('%s %s %s', k.castfunc::regproc, k.castcontext, k.castmethod) FROM part AS p JOIN pg_cast AS k ON p.classid = 'pg_cast'::regclass AND k.oid = p.objid
	UNION ALL SELECT 'operator', o.oid::regoperator::text, 'definition', format('%s %s %s %s %s', o.oprcode, o.oprrest, o.oprjoin, o.oprcom, o.oprnegate) FROM part AS p JOIN pg_operator AS o ON p.classid = 'pg_operator'::regclass AND o.oid = p.objid
	/* what lies in the schema and belongs to nobody */
	UNION ALL SELECT 'stray', format('%s %s', x.kind, x.name), 'definition', '' FROM (
		SELECT 'pg_class'::regclass AS classid, oid AS objid, 'relation' AS kind, oid::regclass::text AS name FROM pg_class WHERE relnamespace = 'personalize'::regnamespace AND relkind NOT IN ('i', 'I') AND NOT relispartition
		UNION ALL SELECT 'pg_proc'::regclass, oid, 'function', oid::regprocedure::text FROM pg_proc WHERE pronamespace = 'personalize'::regnamespace) AS x
	WHERE NOT EXISTS (SELECT FROM part AS p WHERE p.classid = x.classid AND p.objid = x.objid)
	/* rows that the scripts bring */
	UNION ALL SELECT 'row', b.name, 'builtin', b.rows FROM (
		SELECT c.oid::regclass::text AS name, (xpath('/row/r/text()', query_to_xml(format('SELECT string_agg(x.line, '' '' ORDER BY x.line COLLATE "C") AS r FROM %s AS t CROSS JOIN LATERAL regexp_replace(to_jsonb(t)::text, ''"[0-9]{4}-[0-9]{2}-[0-9]{2}T[^"]*"'', ''"then"'', ''g'') AS x (line) WHERE t.builtin', c.oid::regclass), false, true, '')))[1]::text AS rows
		FROM part AS p JOIN pg_class AS c ON p.classid = 'pg_class'::regclass AND c.oid = p.objid AND c.relkind = 'r' JOIN pg_attribute AS t ON t.attrelid = c.oid AND t.attname = 'builtin') AS b
)
SELECT DISTINCT format('%s %s: %s: %s', l.type, l.identity, l.what, replace(l.fact, E'\n', ' '))
FROM line AS l WHERE l.identity !~ 'pg_toast' ORDER BY 1;
