/*
 * Purpose views: a view of a protected relation that is bound to a purpose.
 *
 * The view says for_purpose('...') in its WHERE, which the planner hook takes
 * for the purpose of what it reads: no setting is needed, so it works through
 * every pool, ORM and cached plan.  The role that asks must hold the purpose.
 */
CREATE OR REPLACE FUNCTION personalize.view_is_bound_internal(view oid)
RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT EXISTS (SELECT FROM pg_rewrite AS w JOIN pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid
		WHERE w.ev_class = view_is_bound_internal.view AND d.refclassid = 'pg_proc'::regclass
			AND d.refobjid = 'personalize.for_purpose(text)'::regprocedure)
$$;
COMMENT ON FUNCTION personalize.view_is_bound_internal(oid) IS 'Whether a view is bound to a purpose by for_purpose()';

CREATE OR REPLACE FUNCTION personalize.view_columns_internal(relid oid, purpose_id integer)
RETURNS TABLE (attnum smallint, column_name name, category text)
LANGUAGE sql STABLE PARALLEL SAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT a.attnum, a.attname, coalesce(g.name, 'none')
	FROM pg_attribute AS a
		LEFT JOIN personalize.registry_column AS k ON k.relid = a.attrelid AND k.attnum = a.attnum
		LEFT JOIN personalize.registry_category AS g ON g.category_id = k.category_id
	WHERE a.attrelid = view_columns_internal.relid AND a.attnum > 0 AND NOT a.attisdropped
		AND (EXISTS (SELECT FROM personalize.registry_path AS p WHERE p.relid = a.attrelid AND a.attnum = ANY (p.columns))
			OR k.category_id = 1
			OR EXISTS (SELECT FROM personalize.registry_purpose_category AS x
				WHERE x.purpose_id = view_columns_internal.purpose_id AND x.category_id = k.category_id))
	ORDER BY a.attnum
$$;
COMMENT ON FUNCTION personalize.view_columns_internal(oid, integer) IS
	'Columns of a protected relation that a purpose may use: subject columns, those that are not personal, those of its categories';

CREATE OR REPLACE FUNCTION personalize.view_schema_is_ours_internal(schema name)
RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
	/*
	 * By the comment: it goes through dump and restore, and only the owner of
	 * the schema can write it, who gains nothing: the owner may make views
	 * there and grant USAGE without us.
	 */
	SELECT coalesce(obj_description(n.oid, 'pg_namespace') ~ '^Views for purpose .*, made by personalize[.]create_view[(][)]$', false)
	FROM pg_namespace AS n WHERE n.nspname = view_schema_is_ours_internal.schema
$$;
COMMENT ON FUNCTION personalize.view_schema_is_ours_internal(name) IS
	'Whether a schema was made by create_view(), by its comment; NULL if there is none of that name';

CREATE OR REPLACE FUNCTION personalize.create_view(purpose text, relation regclass, schema name DEFAULT NULL)
RETURNS regclass
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	r personalize.registry_relation;
	p personalize.registry_purpose;
	in_schema name;
	view_name text;
	old record;
	item record;
	lists text;
	owner name;
	privileges text;
	asker oid := personalize.outer_role_internal();
	is_ours boolean := true;
	may_open boolean := true;
BEGIN
	PERFORM personalize.registry_begin_internal();
	SELECT x.* INTO STRICT p FROM personalize.registry_purpose AS x
		WHERE x.purpose_id = personalize.purpose_id_internal(create_view.purpose, 'grant');
	r := personalize.protected_relation_internal(create_view.relation);
	IF p.builtin THEN
		RAISE EXCEPTION 'purpose "%" is built in and has no views', p.name
			USING ERRCODE = 'insufficient_privilege', HINT = 'State it in the transaction that needs it: SET LOCAL personalize.purpose.';
	END IF;
	in_schema := coalesce(create_view.schema, p.name::name);
	IF in_schema = '' OR in_schema ~ '^pg_' OR in_schema IN ('information_schema', 'personalize') THEN
		RAISE EXCEPTION 'schema % cannot hold purpose views', quote_ident(in_schema)
			USING ERRCODE = 'invalid_schema_name', HINT = 'Name another schema in the argument "schema".';
	END IF;
	IF in_schema = r.schema_name THEN
		RAISE EXCEPTION 'relation % is in schema % itself', r.relation_name, quote_ident(in_schema)
			USING ERRCODE = 'duplicate_table', HINT = 'Name another schema in the argument "schema": the view has the name of the relation.';
	END IF;
	SELECT pg_get_userbyid(c.relowner) INTO STRICT owner FROM pg_class AS c WHERE c.oid = r.relid;
	/* we are a superuser here, who asks is not: what is there already is used only by right */
	IF to_regnamespace(quote_ident(in_schema)) IS NOT NULL THEN
		is_ours := personalize.view_schema_is_ours_internal(in_schema);
		IF NOT is_ours AND NOT has_schema_privilege(asker, in_schema, 'CREATE') THEN
			RAISE EXCEPTION 'permission denied for schema %', quote_ident(in_schema)
				USING ERRCODE = 'insufficient_privilege',
					HINT = 'It was not made by create_view(), and the role has no CREATE on it. Name another schema in the argument "schema".';
		END IF;
		may_open := is_ours OR has_schema_privilege(asker, in_schema, 'USAGE WITH GRANT OPTION');
	ELSE
		/* most search paths are "$user", public */
		IF in_schema = 'public' OR EXISTS (SELECT FROM pg_roles AS o WHERE o.rolname = in_schema) THEN
			RAISE EXCEPTION 'schema % cannot be made for purpose views: search paths may name it', quote_ident(in_schema)
				USING ERRCODE = 'reserved_name',
					HINT = 'It is "public" or has the name of a role. Name another schema in the argument "schema".';
		END IF;
		EXECUTE format('CREATE SCHEMA %I AUTHORIZATION %I', in_schema, owner);
		EXECUTE format('COMMENT ON SCHEMA %I IS %L', in_schema, 'Views for purpose ' || p.name || ', made by personalize.create_view()');
	END IF;
	view_name := format('%I.%I', in_schema, r.relation_name);
	SELECT c.oid AS oid, c.relkind AS relkind, c.relowner AS relowner INTO old
		FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
		WHERE n.nspname = in_schema AND c.relname = r.relation_name;
	IF FOUND THEN
		IF old.relkind <> 'v' OR NOT personalize.view_is_bound_internal(old.oid)
			OR NOT (is_ours OR old.relowner = quote_ident(owner)::regrole OR pg_has_role(asker, old.relowner, 'USAGE')) THEN
			RAISE EXCEPTION 'relation % exists already', view_name
				USING ERRCODE = 'duplicate_table', HINT = 'Name another schema in the argument "schema".';
		END IF;
		EXECUTE format('DROP VIEW %s', view_name);
	END IF;

	SELECT string_agg(quote_ident(k.column_name), ', ' ORDER BY k.attnum) INTO lists
		FROM personalize.view_columns_internal(r.relid, p.purpose_id) AS k;
	EXECUTE format('CREATE VIEW %s WITH (security_barrier = true, security_invoker = %s) AS SELECT %s FROM %s WHERE personalize.for_purpose(%L)',
		view_name, r.rls_was_enabled, lists, personalize.relation_text_internal(r.relid), p.name);
	EXECUTE format('ALTER VIEW %s OWNER TO %I', view_name, owner);
	EXECUTE format('COMMENT ON VIEW %s IS %L', view_name,
		format('%s for purpose %s: %s', personalize.relation_text_internal(r.relid), p.name, p.description));
	FOR item IN SELECT k.column_name, k.category, col_description(r.relid, k.attnum) AS said
		FROM personalize.view_columns_internal(r.relid, p.purpose_id) AS k ORDER BY k.attnum
	LOOP
		EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', view_name, item.column_name,
			concat_ws(' ', item.said, format('(category %s)', item.category)));
	END LOOP;

	/* whoever holds the purpose gets the rights here that it has on the relation */
	FOR item IN SELECT g.role_name FROM personalize.registry_grant AS g JOIN pg_roles AS o ON o.oid = g.role_oid
		WHERE g.purpose_id = p.purpose_id ORDER BY g.role_name::text COLLATE "C"
	LOOP
		SELECT string_agg(u.privilege, ', ') INTO privileges
			FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS u (privilege)
			WHERE has_table_privilege(item.role_name, r.relid, u.privilege);
		IF privileges IS NOT NULL THEN
			IF may_open THEN
				EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', in_schema, item.role_name);
			ELSIF NOT has_schema_privilege(item.role_name, in_schema, 'USAGE') THEN
				RAISE WARNING 'role % may not use schema %', quote_ident(item.role_name), quote_ident(in_schema)
					USING HINT = 'The owner of the schema can GRANT USAGE on it.';
			END IF;
			EXECUTE format('GRANT %s ON %s TO %I', privileges, view_name, item.role_name);
		END IF;
	END LOOP;
	RETURN view_name::regclass;
END
$$;
COMMENT ON FUNCTION personalize.create_view(text, regclass, name) IS
	'Makes a view of a protected relation that is bound to a purpose, with the columns the purpose may use: who reads it needs the purpose, but no setting. Again: makes it anew';
