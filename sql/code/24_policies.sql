/*
 * The row security policies that protect() leaves on a relation: the net below
 * the library's own filter.  On the relation and on each of its partitions or
 * inheritance children: one RESTRICTIVE policy personalize_<path> for every
 * path to a subject, and, where row security was off before, one PERMISSIVE
 * policy personalize_net.
 */

CREATE OR REPLACE FUNCTION personalize.policy_expression_internal(path_id integer)
RETURNS text
LANGUAGE sql STABLE PARALLEL RESTRICTED STRICT
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN p.via_path_id IS NULL AND cardinality(p.columns) = 1
		THEN format('personalize.policy_ok(%s, (%I)::pg_catalog.%s)', p.path_id, a.attname,
			CASE personalize.key_class_internal(a.atttypid)
				WHEN 'int8'::regtype THEN 'int8' WHEN 'uuid'::regtype THEN 'uuid' ELSE 'text' END)
		/* the columns need only be named, whatever their types: nobody evaluates it */
		ELSE format('personalize.policy_ok(%s, pg_catalog.concat(%s))', p.path_id,
			(SELECT string_agg(quote_ident(x.attname), ', ' ORDER BY u.place)
				FROM unnest(p.columns) WITH ORDINALITY AS u (attnum, place)
					JOIN pg_attribute AS x ON x.attrelid = p.relid AND x.attnum = u.attnum))
		END
	FROM personalize.registry_path AS p
		JOIN pg_attribute AS a ON a.attrelid = p.relid AND a.attnum = p.columns[1]
	WHERE p.path_id = policy_expression_internal.path_id
$$;
COMMENT ON FUNCTION personalize.policy_expression_internal(integer) IS
	'Expression of the restrictive policy of a path';

CREATE OR REPLACE FUNCTION personalize.policies_make_internal(path_id integer, relid oid, with_net boolean)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	shown text := personalize.relation_text_internal(policies_make_internal.relid);
BEGIN
	EXECUTE format('CREATE POLICY %I ON %s AS RESTRICTIVE FOR ALL TO PUBLIC USING (%s) WITH CHECK (true)',
		'personalize_' || policies_make_internal.path_id, shown,
		personalize.policy_expression_internal(policies_make_internal.path_id));
	EXECUTE format('COMMENT ON POLICY %I ON %s IS %L', 'personalize_' || policies_make_internal.path_id, shown,
		'personalize: only rows whose subject agreed to the purpose; made by personalize.protect(), removed by personalize.unprotect()');
	IF with_net THEN
		EXECUTE format('CREATE POLICY personalize_net ON %s AS PERMISSIVE FOR ALL TO PUBLIC USING (personalize.net_ok(%s)) WITH CHECK (personalize.net_ok(%s))',
			shown, policies_make_internal.path_id, policies_make_internal.path_id);
		EXECUTE format('COMMENT ON POLICY personalize_net ON %s IS %L', shown,
			'personalize: opens the relation to the other policies as long as the application has none of its own; made by personalize.protect()');
	END IF;
END
$$;
COMMENT ON FUNCTION personalize.policies_make_internal(integer, oid, boolean) IS
	'Makes the policy of a path on a relation, and the net policy where asked';

CREATE OR REPLACE FUNCTION personalize.policies_drop_internal(relid oid)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	p record;
BEGIN
	FOR p IN SELECT o.polname FROM pg_policy AS o
		WHERE o.polrelid = policies_drop_internal.relid AND o.polname ~ '^personalize_([0-9]+|net)$'
		ORDER BY o.polname
	LOOP
		EXECUTE format('DROP POLICY %I ON %s', p.polname, personalize.relation_text_internal(policies_drop_internal.relid));
	END LOOP;
END
$$;
COMMENT ON FUNCTION personalize.policies_drop_internal(oid) IS 'Drops the policies of personalize from a relation';

CREATE OR REPLACE FUNCTION personalize.rls_restore_internal(relid oid, was_enabled boolean, was_forced boolean)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	shown text := personalize.relation_text_internal(rls_restore_internal.relid);
BEGIN
	IF NOT was_forced THEN
		EXECUTE format('ALTER TABLE %s NO FORCE ROW LEVEL SECURITY', shown);
	END IF;
	IF NOT was_enabled THEN
		EXECUTE format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY', shown);
		IF EXISTS (SELECT 1 FROM pg_policy AS o WHERE o.polrelid = rls_restore_internal.relid) THEN
			RAISE WARNING 'row security of relation % is off again, as before protect(); its policies have no effect', shown
				USING HINT = 'ALTER TABLE ... ENABLE ROW LEVEL SECURITY puts them in force.';
		END IF;
	END IF;
END
$$;
COMMENT ON FUNCTION personalize.rls_restore_internal(oid, boolean, boolean) IS
	'Puts the row security of a relation back to where it stood before protect()';
