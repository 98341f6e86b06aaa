/*
 * What pg_dump takes along: the rows of every table and the state of every
 * sequence of the extension.  Rows marked builtin come from the install
 * script.  Left out are the tables that describe this cluster's WAL only.
 * Last of the tables; a new table needs the same in its update step.
 */
DO $$
DECLARE
	rel record;
BEGIN
	FOR rel IN
		SELECT c.oid::pg_catalog.regclass AS name, c.relkind,
			   EXISTS (SELECT FROM pg_catalog.pg_attribute a
					   WHERE a.attrelid = c.oid AND a.attname = 'builtin' AND NOT a.attisdropped) AS has_builtin
		FROM pg_catalog.pg_depend d
		JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid AND e.extname = 'personalize'
		JOIN pg_catalog.pg_class c ON c.oid = d.objid
		JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'personalize'
		WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
		  AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
		  AND d.deptype = 'e'
		  AND c.relkind IN ('r', 'p', 'S')
		  AND c.relname NOT IN ('audit_position', 'audit_open', 'audit_lease', 'standby_log')
		ORDER BY c.relname COLLATE "C"
	LOOP
		PERFORM pg_catalog.pg_extension_config_dump(rel.name,
			CASE WHEN rel.has_builtin THEN 'WHERE NOT builtin' ELSE '' END);
	END LOOP;
END
$$;
