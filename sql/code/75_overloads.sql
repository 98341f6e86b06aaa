/*
 * Overloads: bigint and uuid twins of every function that takes the key of a
 * subject as text.  After all of these.
 */
DO $do$
DECLARE
	f record;
	twin text;
BEGIN
	/* arguments are told by their names below */
	PERFORM pg_catalog.set_config('quote_all_identifiers', 'off', true);
	FOR f IN
		SELECT p.oid AS oid, p.proname AS proname, pg_catalog.pg_get_function_arguments(p.oid) AS arguments,
				pg_catalog.pg_get_function_result(p.oid) AS result, p.provolatile AS provolatile, p.proparallel AS proparallel,
				p.proretset OR p.prorettype = 'pg_catalog.record'::pg_catalog.regtype AS is_table,
				pg_catalog.obj_description(p.oid, 'pg_proc') AS description,
				(SELECT pg_catalog.string_agg(CASE WHEN u.ord = 1 THEN 'subject::pg_catalog.text'
							ELSE pg_catalog.quote_ident(u.name) END, ', ' ORDER BY u.ord)
					FROM pg_catalog.unnest(p.proargnames[1:p.pronargs]) WITH ORDINALITY AS u (name, ord)) AS passed
			FROM pg_catalog.pg_proc AS p
			WHERE p.pronamespace = 'personalize'::pg_catalog.regnamespace
				AND p.proname IN ('grant_consent', 'refuse_consent', 'withdraw_consent', 'object_to', 'restrict_processing',
					'lift_restriction', 'consent_state', 'permitted', 'decide', 'erase_subject', 'reinstate_subject', 'usage_of',
					'export_subject', 'export_rows', 'export_csv', 'rectify_subject', 'open_request', 'consent_receipt',
					'record_gpc', 'hold_subject',
					'request_erasure', 'unlink_subject', 'record_exposure', 'record_outcome', 'why', 'set_preference', 'preferences', 'inferred_preferences', 'quiet_now', 'preference_history',
					'accept_incentive', 'refuse_incentive', 'withdraw_incentive', 'incentives_of', 'exclude', 'unexclude', 'exclusions_of', 'set_jurisdiction', 'set_minor', 'is_minor', 'set_guardian', 'remove_guardian', 'guardians_of')
				AND p.proargnames[1] = 'subject' AND p.proargtypes[0] = 'pg_catalog.text'::pg_catalog.regtype
			ORDER BY p.proname
	LOOP
		FOREACH twin IN ARRAY ARRAY['bigint', 'uuid'] LOOP
			EXECUTE pg_catalog.format(
				'CREATE OR REPLACE FUNCTION personalize.%I(%s) RETURNS %s LANGUAGE sql %s PARALLEL %s CALLED ON NULL INPUT'
				' BEGIN ATOMIC SELECT %s; END',
				f.proname, pg_catalog.regexp_replace(f.arguments, '^subject text', 'subject ' || twin), f.result,
				CASE f.provolatile WHEN 's' THEN 'STABLE' ELSE 'VOLATILE' END,
				CASE f.proparallel WHEN 's' THEN 'SAFE' WHEN 'r' THEN 'RESTRICTED' ELSE 'UNSAFE' END,
				CASE WHEN f.is_table THEN pg_catalog.format('t.* FROM personalize.%I(%s) AS t', f.proname, f.passed)
					ELSE pg_catalog.format('personalize.%I(%s)', f.proname, f.passed) END);
			EXECUTE (SELECT pg_catalog.format('COMMENT ON FUNCTION %s IS %L', p.oid::pg_catalog.regprocedure, f.description)
				FROM pg_catalog.pg_proc AS p
				WHERE p.pronamespace = 'personalize'::pg_catalog.regnamespace AND p.proname = f.proname
					AND p.proargnames[1] = 'subject'
					AND p.proargtypes[0] = CASE twin WHEN 'uuid' THEN 'uuid'::pg_catalog.regtype ELSE 'int8'::pg_catalog.regtype END);
		END LOOP;
	END LOOP;
END
$do$;
