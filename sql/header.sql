/*
 * Opens the install script and every update script.
 *
 * All names in these scripts are written with their schema; the search path
 * holds pg_catalog only, so that nobody's operator or function is picked up.
 */
-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION personalize" to load this file. \quit

SET LOCAL search_path TO pg_catalog, pg_temp;

/*
 * Who owns the schema can rename, drop and replace what is in it.  CREATE
 * EXTENSION makes the schema if there is none; one that was there before must
 * be a superuser's (a restored one may be another superuser's), empty, and
 * closed to others.
 */
DO $$
DECLARE
	ns oid := (SELECT n.oid FROM pg_catalog.pg_namespace n WHERE n.nspname = 'personalize');
BEGIN
	IF NOT EXISTS (SELECT FROM pg_catalog.pg_namespace n
				   JOIN pg_catalog.pg_roles r ON r.oid = n.nspowner
				   WHERE n.oid = ns AND (r.rolname = current_user OR r.rolsuper)) THEN
		RAISE EXCEPTION 'schema "personalize" exists and is not owned by the installing superuser'
			USING ERRCODE = 'insufficient_privilege',
				  HINT = 'Drop or rename that schema, or make it the property of a superuser after looking at what is in it.';
	END IF;
	IF NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
				   JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
				   WHERE d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
					 AND d.deptype = 'e' AND e.extname = 'personalize')
	   AND (EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.relnamespace = ns)
			OR EXISTS (SELECT FROM pg_catalog.pg_proc p WHERE p.pronamespace = ns)
			OR EXISTS (SELECT FROM pg_catalog.pg_type t WHERE t.typnamespace = ns)
			OR EXISTS (SELECT FROM pg_catalog.pg_operator o WHERE o.oprnamespace = ns)) THEN
		RAISE EXCEPTION 'schema "personalize" exists and is not empty'
			USING ERRCODE = 'object_not_in_prerequisite_state',
				  HINT = 'Move or drop what is in that schema.';
	END IF;
	IF EXISTS (SELECT FROM pg_catalog.pg_namespace n, pg_catalog.aclexplode(n.nspacl) a
			   WHERE n.oid = ns AND a.privilege_type = 'CREATE'
				 AND NOT EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid = a.grantee AND r.rolsuper)) THEN
		RAISE EXCEPTION 'schema "personalize" exists and others than superusers may create objects in it'
			USING ERRCODE = 'insufficient_privilege',
				  HINT = 'Revoke CREATE on that schema.';
	END IF;
END
$$;

COMMENT ON SCHEMA personalize IS 'Purpose, consent, audit and erasure for the rows a database holds on people';
