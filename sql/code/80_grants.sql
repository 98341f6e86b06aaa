/*
 * Who may call what.  Everything is revoked from PUBLIC; what everybody may
 * call is named here and nowhere else.  Duties are granted by assign_duty().
 * Last in every script, since it goes over all there is.
 */
REVOKE ALL ON ALL ROUTINES IN SCHEMA personalize FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA personalize FROM PUBLIC;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA personalize FROM PUBLIC;

/* nor has anybody else anything by default privileges of whoever makes the extension: rights come with duties */
DO $$
DECLARE
	holder record;
BEGIN
	FOR holder IN
		SELECT DISTINCT c.kind, x.role
		FROM (SELECT 'TABLES' AS kind, relacl AS acl, relowner AS owner FROM pg_catalog.pg_class
				WHERE relnamespace = 'personalize'::pg_catalog.regnamespace AND relkind <> 'S'
			UNION ALL SELECT 'SEQUENCES', relacl, relowner FROM pg_catalog.pg_class
				WHERE relnamespace = 'personalize'::pg_catalog.regnamespace AND relkind = 'S'
			UNION ALL SELECT 'ROUTINES', proacl, proowner FROM pg_catalog.pg_proc
				WHERE pronamespace = 'personalize'::pg_catalog.regnamespace) AS c,
			pg_catalog.aclexplode(c.acl) AS a, pg_catalog.pg_get_userbyid(a.grantee) AS x(role)
		WHERE a.grantee NOT IN (0, c.owner)
			AND NOT EXISTS (SELECT FROM personalize.registry_duty d WHERE d.role_oid = a.grantee)
		ORDER BY 1, 2
	LOOP
		EXECUTE pg_catalog.format('REVOKE ALL ON ALL %s IN SCHEMA personalize FROM %I', holder.kind, holder.role);
	END LOOP;
END
$$;

REVOKE CREATE ON SCHEMA personalize FROM PUBLIC;
GRANT USAGE ON SCHEMA personalize TO PUBLIC;

/* as all of PostgreSQL's own views of progress, and without a duty: there are no keys in it */
GRANT SELECT ON personalize.progress TO pg_read_all_stats;
GRANT EXECUTE ON FUNCTION personalize.progress_read_internal() TO pg_read_all_stats;

/* set_purpose decides nothing; the others are called by policies and plans, as whoever runs the query */
DO $$
DECLARE
	func pg_catalog.regprocedure;
BEGIN
	FOR func IN
		SELECT p.oid::pg_catalog.regprocedure
		FROM pg_catalog.pg_proc p
		JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
		WHERE n.nspname = 'personalize'
		  AND (p.proname IN ('policy_ok', 'net_ok', 'row_ok', 'cell_ok', 'write_ok', 'for_purpose', 'keep_subject', 'path_key_int8', 'path_key_uuid', 'path_key_text', 'path_name', 'path_values', 'rights_values', 'rights_path_key',
				'statistics_ok', 'extended_statistics_ok',
				'tap_row', 'tap_group', 'collect', 'collect_group', 'collect_set', 'collect_set_group')
			   OR (p.proname = 'set_purpose'
				   AND p.proargtypes[0] = 'pg_catalog.text'::pg_catalog.regtype AND p.pronargs = 1))
		ORDER BY p.oid
	LOOP
		EXECUTE pg_catalog.format('GRANT EXECUTE ON FUNCTION %s TO PUBLIC', func);
	END LOOP;
END
$$;
