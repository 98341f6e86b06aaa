/*
 * Registry: what every change of it begins with, and how it stays good after
 * renames and restores.  What is kept there: 21_kinds, 22_purposes, 25_protect.
 *
 * Every function that changes the registry begins with
 * registry_begin_internal(), which holds the row of registry_anchor until the
 * transaction ends: changes of the registry wait for each other.  Objects of
 * the database are kept by number with their names beside;
 * registry_adopt_internal() makes the numbers good after a restore and
 * registry_sync_internal() keeps the names good after a rename.
 *
 * Arguments are written with the name of their function before them, columns
 * with their alias; "#variable_conflict use_column" settles ON CONFLICT lists.
 */

/* ---------------------------------------------------------------- names */

CREATE OR REPLACE FUNCTION personalize.check_name_internal(what text, name text)
RETURNS void
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF check_name_internal.name IS NULL THEN
		RAISE EXCEPTION 'name of % must not be null', what
			USING ERRCODE = 'null_value_not_allowed';
	END IF;
	IF check_name_internal.name = '' OR octet_length(check_name_internal.name) > 63
		OR check_name_internal.name <> btrim(check_name_internal.name)
		OR check_name_internal.name ~ '[[:cntrl:]]' THEN
		RAISE EXCEPTION 'invalid name of %', what
			USING ERRCODE = 'invalid_parameter_value',
				HINT = 'A name has 1 to 63 bytes, no control characters and no space at its ends.';
	END IF;
END
$$;
COMMENT ON FUNCTION personalize.check_name_internal(text, text) IS
	'Refuses a name of a kind, category or purpose that is null, empty, too long or has control characters';

CREATE OR REPLACE FUNCTION personalize.check_period_internal(what text, period interval)
RETURNS void
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	/* a month less 30 days is longer than nothing, and in February is not */
	IF period <= interval '0' OR least(extract(year FROM period), extract(month FROM period), extract(day FROM period),
		extract(hour FROM period), extract(minute FROM period), extract(second FROM period)) < 0 THEN
		RAISE EXCEPTION '% must be longer than nothing', what USING ERRCODE = 'invalid_parameter_value', HINT = 'For example interval ''7 days''.';
	END IF;
	/* that long before now is still a time */
	IF period > interval '1000 years' THEN
		RAISE EXCEPTION '% must not be longer than 1000 years', what USING ERRCODE = 'invalid_parameter_value', HINT = 'Nobody lives as long.';
	END IF;
END
$$;
COMMENT ON FUNCTION personalize.check_period_internal(text, interval) IS
	'Refuses an interval that is not longer than nothing at every time of the year, or than anything can be kept; NULL is not looked at';

CREATE OR REPLACE FUNCTION personalize.shown_internal(name text)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN octet_length(shown_internal.name) > 63 THEN left(shown_internal.name, 20) || '...' ELSE shown_internal.name END
$$;
COMMENT ON FUNCTION personalize.shown_internal(text) IS
	'A name that was passed in, as a message may repeat it: shortened where it is longer than any name can be';

CREATE OR REPLACE FUNCTION personalize.purpose_id_internal(purpose text, for_what text)
RETURNS integer
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	p personalize.registry_purpose;
BEGIN
	IF purpose_id_internal.purpose IS NULL THEN
		RAISE EXCEPTION 'purpose must not be null' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	SELECT r.* INTO p FROM personalize.registry_purpose r WHERE r.name = purpose_id_internal.purpose;
	IF p.purpose_id IS NULL THEN
		RAISE EXCEPTION 'purpose "%" does not exist', personalize.shown_internal(purpose_id_internal.purpose)
			USING ERRCODE = 'undefined_object',
				HINT = 'The view personalize.purposes lists the purposes.';
	END IF;
	IF p.retired_at IS NOT NULL AND for_what IN ('grant', 'consent', 'parent') THEN
		RAISE EXCEPTION 'purpose "%" is retired', p.name
			USING ERRCODE = 'undefined_object', HINT = 'Define a new purpose under another name.';
	END IF;
	IF p.builtin AND for_what IN ('change', 'consent', 'parent') THEN
		RAISE EXCEPTION 'purpose "%" is built in', p.name
			USING ERRCODE = 'insufficient_privilege',
				HINT = CASE for_what
					WHEN 'consent' THEN 'Nobody consents to a built-in purpose; it is a way round that is granted to roles and recorded.'
					WHEN 'parent' THEN 'A built-in purpose cannot be the parent of another.'
					ELSE 'Built-in purposes cannot be changed or retired, only granted and revoked.' END;
	END IF;
	IF p.purpose_id = 4 AND for_what = 'grant' THEN
		RAISE EXCEPTION 'purpose "%" cannot be granted', p.name
			USING ERRCODE = 'insufficient_privilege',
				HINT = 'open_maintenance() lets the owner of a relation change it for a while.';
	END IF;
	RETURN p.purpose_id;
END
$$;
COMMENT ON FUNCTION personalize.purpose_id_internal(text, text) IS
	'Number of a purpose; the second argument says what for: ask, grant, consent, parent or change (retired and built-in ones are refused accordingly)';

CREATE OR REPLACE FUNCTION personalize.category_ids_internal(categories text[])
RETURNS integer[]
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	ids integer[];
	missing text[];
BEGIN
	IF categories IS NULL OR array_position(categories, NULL) IS NOT NULL THEN
		RAISE EXCEPTION 'name of category must not be null' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	SELECT array_agg(u.name ORDER BY u.name COLLATE "C") INTO missing
		FROM (SELECT DISTINCT x.name FROM unnest(categories) AS x (name)) AS u
		WHERE NOT EXISTS (SELECT 1 FROM personalize.registry_category AS c WHERE c.name = u.name);
	IF missing IS NOT NULL THEN
		RAISE EXCEPTION 'category "%" does not exist', personalize.shown_internal(missing[1])
			USING ERRCODE = 'undefined_object',
				HINT = 'The view personalize.categories lists the categories; define_category() makes one.';
	END IF;
	SELECT coalesce(array_agg(c.category_id ORDER BY c.category_id), '{}') INTO ids
		FROM personalize.registry_category AS c WHERE c.name = ANY (categories);
	RETURN ids;
END
$$;
COMMENT ON FUNCTION personalize.category_ids_internal(text[]) IS
	'Numbers of the named categories, sorted and without doubles; an unknown name is an error';

/* -------------------------------------------- numbers and names of objects */

CREATE OR REPLACE FUNCTION personalize.registry_anchored_internal()
RETURNS boolean
LANGUAGE sql STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT a.system_identifier = s.system_identifier AND a.database_oid = d.oid
	FROM personalize.registry_anchor AS a, pg_control_system() AS s, pg_database AS d
	WHERE d.datname = current_database()
$$;
COMMENT ON FUNCTION personalize.registry_anchored_internal() IS
	'Whether the numbers in the registry are good in this cluster and database; NULL while the registry was never used';

CREATE OR REPLACE FUNCTION personalize.registry_refresh_internal()
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
SET enable_hashjoin = off	/* the registry is small beside pg_attribute: look up, do not read all of that */
SET enable_mergejoin = off
AS $$
DECLARE
	grants personalize.registry_grant[];
	duties personalize.registry_duty[];
BEGIN
	PERFORM personalize.children_sync_internal();
	PERFORM personalize.copies_sync_internal();
	IF EXISTS (SELECT 1 FROM personalize.registry_window AS w WHERE NOT EXISTS (SELECT 1 FROM pg_class AS c WHERE c.oid = w.relid)) THEN
		DELETE FROM personalize.registry_window AS w WHERE NOT EXISTS (SELECT 1 FROM pg_class AS c WHERE c.oid = w.relid);
	END IF;

	/* writes nothing, so fires no trigger, while all is as recorded */
	IF NOT EXISTS (
		SELECT 1 FROM personalize.registry_relation AS r
			LEFT JOIN pg_class AS c ON c.oid = r.relid
			LEFT JOIN pg_namespace AS n ON n.oid = c.relnamespace
			WHERE c.relname IS DISTINCT FROM r.relation_name OR n.nspname IS DISTINCT FROM r.schema_name
		UNION ALL
		SELECT 1 FROM personalize.registry_child AS r
			LEFT JOIN pg_class AS c ON c.oid = r.child_relid
			LEFT JOIN pg_namespace AS n ON n.oid = c.relnamespace
			WHERE c.relname IS DISTINCT FROM r.relation_name OR n.nspname IS DISTINCT FROM r.schema_name
		UNION ALL
		SELECT 1 FROM personalize.registry_column AS r
			LEFT JOIN pg_attribute AS a ON a.attrelid = r.relid AND a.attnum = r.attnum AND NOT a.attisdropped
			WHERE a.attname IS DISTINCT FROM r.column_name
		UNION ALL
		SELECT 1 FROM personalize.registry_path AS r
			CROSS JOIN LATERAL unnest(r.columns, r.column_names) AS u (attnum, column_name)
			LEFT JOIN pg_attribute AS a ON a.attrelid = r.relid AND a.attnum = u.attnum
			WHERE a.attname IS NULL OR (a.attname <> u.column_name AND NOT a.attisdropped)
		UNION ALL
		SELECT 1 FROM personalize.registry_path AS r JOIN personalize.registry_path AS v ON v.path_id = r.via_path_id
			CROSS JOIN LATERAL unnest(r.via_columns, r.via_column_names) AS u (attnum, column_name)
			LEFT JOIN pg_attribute AS a ON a.attrelid = v.relid AND a.attnum = u.attnum
			WHERE a.attname <> u.column_name AND NOT a.attisdropped
		UNION ALL
		SELECT 1 FROM personalize.registry_grant AS r
			LEFT JOIN pg_authid AS o ON o.oid = r.role_oid
			WHERE o.rolname IS DISTINCT FROM r.role_name
		UNION ALL
		SELECT 1 FROM personalize.registry_duty AS r
			LEFT JOIN pg_authid AS o ON o.oid = r.role_oid
			WHERE o.rolname IS DISTINCT FROM r.role_name) THEN
		RETURN;
	END IF;

	/* what is gone; a path whose column was dropped stays, so that its relation stays closed */
	DELETE FROM personalize.registry_path AS r
		WHERE NOT EXISTS (SELECT 1 FROM pg_class AS c WHERE c.oid = r.relid);
	DELETE FROM personalize.registry_child AS r
		WHERE NOT EXISTS (SELECT 1 FROM pg_class AS c WHERE c.oid = r.relid)
			OR NOT EXISTS (SELECT 1 FROM pg_class AS c WHERE c.oid = r.child_relid);
	DELETE FROM personalize.registry_column AS r
		WHERE NOT EXISTS (SELECT 1 FROM pg_attribute AS a
			WHERE a.attrelid = r.relid AND a.attnum = r.attnum AND NOT a.attisdropped);
	DELETE FROM personalize.registry_relation AS r
		WHERE NOT EXISTS (SELECT 1 FROM pg_class AS c WHERE c.oid = r.relid);
	DELETE FROM personalize.registry_grant AS r
		WHERE NOT EXISTS (SELECT 1 FROM pg_authid AS o WHERE o.oid = r.role_oid);
	DELETE FROM personalize.registry_duty AS r
		WHERE NOT EXISTS (SELECT 1 FROM pg_authid AS o WHERE o.oid = r.role_oid);

	/* what has another name */
	UPDATE personalize.registry_relation AS r
		SET schema_name = n.nspname, relation_name = c.relname
		FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
		WHERE c.oid = r.relid AND (c.relname <> r.relation_name OR n.nspname <> r.schema_name);
	UPDATE personalize.registry_child AS r
		SET schema_name = n.nspname, relation_name = c.relname
		FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
		WHERE c.oid = r.child_relid AND (c.relname <> r.relation_name OR n.nspname <> r.schema_name);
	UPDATE personalize.registry_column AS r
		SET column_name = a.attname
		FROM pg_attribute AS a
		WHERE a.attrelid = r.relid AND a.attnum = r.attnum AND a.attname <> r.column_name;
	UPDATE personalize.registry_path AS r
		SET column_names = x.now
		FROM (SELECT p.path_id, array_agg(CASE WHEN a.attname IS NULL OR a.attisdropped THEN u.column_name ELSE a.attname END
				ORDER BY u.ord) AS now
			FROM personalize.registry_path AS p
				CROSS JOIN LATERAL unnest(p.columns, p.column_names) WITH ORDINALITY AS u (attnum, column_name, ord)
				LEFT JOIN pg_attribute AS a ON a.attrelid = p.relid AND a.attnum = u.attnum
			GROUP BY p.path_id) AS x
		WHERE x.path_id = r.path_id AND x.now <> r.column_names;
	UPDATE personalize.registry_path AS r
		SET via_column_names = x.now
		FROM (SELECT p.path_id, array_agg(coalesce(a.attname, u.column_name) ORDER BY u.ord) AS now
			FROM personalize.registry_path AS p JOIN personalize.registry_path AS v ON v.path_id = p.via_path_id
				CROSS JOIN LATERAL unnest(p.via_columns, p.via_column_names) WITH ORDINALITY AS u (attnum, column_name, ord)
				LEFT JOIN pg_attribute AS a ON a.attrelid = v.relid AND a.attnum = u.attnum AND NOT a.attisdropped
			GROUP BY p.path_id) AS x
		WHERE x.path_id = r.path_id AND x.now <> r.via_column_names;
	/* names of roles are in a key: taken out and put back, since old and new ones may cross */
	grants := ARRAY(SELECT r FROM personalize.registry_grant AS r JOIN pg_authid AS o ON o.oid = r.role_oid
		WHERE o.rolname <> r.role_name);
	DELETE FROM personalize.registry_grant AS r USING pg_authid AS o WHERE o.oid = r.role_oid AND o.rolname <> r.role_name;
	INSERT INTO personalize.registry_grant (purpose_id, role_oid, role_name, may_copy)
		SELECT r.purpose_id, r.role_oid, o.rolname, r.may_copy FROM unnest(grants) AS r JOIN pg_authid AS o ON o.oid = r.role_oid;
	duties := ARRAY(SELECT r FROM personalize.registry_duty AS r JOIN pg_authid AS o ON o.oid = r.role_oid
		WHERE o.rolname <> r.role_name);
	DELETE FROM personalize.registry_duty AS r USING pg_authid AS o WHERE o.oid = r.role_oid AND o.rolname <> r.role_name;
	INSERT INTO personalize.registry_duty (role_oid, role_name, duty)
		SELECT r.role_oid, o.rolname, r.duty FROM unnest(duties) AS r JOIN pg_authid AS o ON o.oid = r.role_oid;
END
$$;
COMMENT ON FUNCTION personalize.registry_refresh_internal() IS
	'Brings names in the registry up to date after a rename and removes what was dropped, where its numbers are good; writes nothing when nothing changed';

CREATE OR REPLACE FUNCTION personalize.registry_sync_internal()
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	/* elsewhere the names count, not the numbers: leave that to adopt */
	IF personalize.registry_anchored_internal() THEN
		PERFORM personalize.registry_refresh_internal();
	END IF;
END
$$;
COMMENT ON FUNCTION personalize.registry_sync_internal() IS
	'registry_refresh_internal(), if the numbers of the registry are good here';

CREATE OR REPLACE FUNCTION personalize.registry_resolve_internal()
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	rels personalize.registry_relation[];
	cols personalize.registry_column[];
	paths personalize.registry_path[];
	children personalize.registry_child[];
	lost record;
BEGIN
	/* taken out as a whole and put back: old and new numbers may cross */
	rels := ARRAY(SELECT r FROM personalize.registry_relation AS r);
	cols := ARRAY(SELECT r FROM personalize.registry_column AS r);
	paths := ARRAY(SELECT r FROM personalize.registry_path AS r);
	children := ARRAY(SELECT r FROM personalize.registry_child AS r);
	/* a window is of the database it was opened in */
	DELETE FROM personalize.registry_window;
	DELETE FROM personalize.registry_relation;
	DELETE FROM personalize.registry_column;
	DELETE FROM personalize.registry_path;
	DELETE FROM personalize.registry_child;

	INSERT INTO personalize.registry_relation (relid, schema_name, relation_name, null_subject, mode, hard,
			rls_was_enabled, rls_was_forced, protected_at, protected_by)
		SELECT c.oid, r.schema_name, r.relation_name, r.null_subject, r.mode, r.hard,
			r.rls_was_enabled, r.rls_was_forced, r.protected_at, r.protected_by
		FROM unnest(rels) AS r
			JOIN pg_namespace AS n ON n.nspname = r.schema_name
			JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relname = r.relation_name;
	INSERT INTO personalize.registry_column (relid, attnum, column_name, category_id, mask)
		SELECT w.relid, a.attnum, k.column_name, k.category_id, k.mask
		FROM unnest(cols) AS k
			JOIN unnest(rels) AS r ON r.relid = k.relid
			JOIN personalize.registry_relation AS w
				ON w.schema_name = r.schema_name AND w.relation_name = r.relation_name
			JOIN pg_attribute AS a ON a.attrelid = w.relid AND a.attname = k.column_name
				AND a.attnum > 0 AND NOT a.attisdropped;
	/* a column that is not there becomes number 0: the relation stays registered and closed */
	INSERT INTO personalize.registry_path (path_id, relid, kind_id, columns, column_names, ownership, via_path_id, via_column_names)
		SELECT p.path_id, w.relid, p.kind_id,
			ARRAY(SELECT coalesce(a.attnum, 0::smallint)
				FROM unnest(p.column_names) WITH ORDINALITY AS u (column_name, ord)
					LEFT JOIN pg_attribute AS a ON a.attrelid = w.relid AND a.attname = u.column_name
						AND a.attnum > 0 AND NOT a.attisdropped
				ORDER BY u.ord),
			p.column_names, p.ownership, p.via_path_id, p.via_column_names
		FROM unnest(paths) AS p
			JOIN unnest(rels) AS r ON r.relid = p.relid
			JOIN personalize.registry_relation AS w
				ON w.schema_name = r.schema_name AND w.relation_name = r.relation_name;
	UPDATE personalize.registry_path AS p
		SET via_columns = ARRAY(SELECT coalesce(a.attnum, 0::smallint)
			FROM unnest(p.via_column_names) WITH ORDINALITY AS u (column_name, ord)
				LEFT JOIN pg_attribute AS a ON a.attrelid = v.relid AND a.attname = u.column_name AND a.attnum > 0 AND NOT a.attisdropped
			ORDER BY u.ord)
		FROM personalize.registry_path AS v
		WHERE v.path_id = p.via_path_id;
	INSERT INTO personalize.registry_child (relid, child_relid, schema_name, relation_name, rls_was_enabled, rls_was_forced)
		SELECT w.relid, c.oid, h.schema_name, h.relation_name, h.rls_was_enabled, h.rls_was_forced
		FROM unnest(children) AS h
			JOIN unnest(rels) AS r ON r.relid = h.relid
			JOIN personalize.registry_relation AS w
				ON w.schema_name = r.schema_name AND w.relation_name = r.relation_name
			JOIN pg_namespace AS n ON n.nspname = h.schema_name
			JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relname = h.relation_name;

	UPDATE personalize.registry_grant AS g SET role_oid = o.oid
		FROM pg_authid AS o WHERE o.rolname = g.role_name AND o.oid <> g.role_oid;
	UPDATE personalize.registry_duty AS g SET role_oid = o.oid
		FROM pg_authid AS o WHERE o.rolname = g.role_name AND o.oid <> g.role_oid;

	FOR lost IN
		SELECT 'protected relation' AS what, format('%I.%I', r.schema_name, r.relation_name) AS name
			FROM unnest(rels) AS r
			WHERE NOT EXISTS (SELECT 1 FROM personalize.registry_relation AS w
				WHERE w.schema_name = r.schema_name AND w.relation_name = r.relation_name)
		UNION ALL
		SELECT 'column', format('%I.%I.%I', r.schema_name, r.relation_name, k.column_name)
			FROM unnest(cols) AS k
				JOIN unnest(rels) AS r ON r.relid = k.relid
				JOIN personalize.registry_relation AS w
					ON w.schema_name = r.schema_name AND w.relation_name = r.relation_name
			WHERE NOT EXISTS (SELECT 1 FROM personalize.registry_column AS v
				WHERE v.relid = w.relid AND v.column_name = k.column_name)
		UNION ALL
		SELECT 'subject column', format('%I.%I.%I', w.schema_name, w.relation_name, u.column_name)
			FROM personalize.registry_path AS p
				JOIN personalize.registry_relation AS w ON w.relid = p.relid
				CROSS JOIN LATERAL unnest(p.columns, p.column_names) AS u (attnum, column_name)
			WHERE u.attnum = 0
		UNION ALL
		SELECT DISTINCT 'role', format('%I', g.role_name)
			FROM (SELECT x.role_name FROM personalize.registry_grant AS x
				UNION SELECT y.role_name FROM personalize.registry_duty AS y) AS g
			WHERE NOT EXISTS (SELECT 1 FROM pg_authid AS o WHERE o.rolname = g.role_name)
		ORDER BY 1, 2
	LOOP
		RAISE WARNING '% % is in the registry but not in this database', lost.what, lost.name
			USING HINT = CASE lost.what
				WHEN 'subject column' THEN 'The relation stays closed to every purpose; call unprotect() and protect() again.'
				ELSE 'Its entry was removed.' END;
	END LOOP;
	DELETE FROM personalize.registry_grant AS g
		WHERE NOT EXISTS (SELECT 1 FROM pg_authid AS o WHERE o.rolname = g.role_name);
	DELETE FROM personalize.registry_duty AS g
		WHERE NOT EXISTS (SELECT 1 FROM pg_authid AS o WHERE o.rolname = g.role_name);
END
$$;
COMMENT ON FUNCTION personalize.registry_resolve_internal() IS
	'Finds every relation, column and role of the registry anew by its name; warns of each that is not there';

CREATE OR REPLACE FUNCTION personalize.registry_adopt_internal()
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	here record;
	anchor personalize.registry_anchor;
	here_key bytea := personalize.tombstone_digest_internal(-2, 'personalize');
BEGIN
	SELECT s.system_identifier AS system_identifier, d.oid AS database_oid INTO here
		FROM pg_control_system() AS s, pg_database AS d WHERE d.datname = current_database();
	SELECT a.* INTO anchor FROM personalize.registry_anchor AS a FOR UPDATE;
	IF anchor.only_row IS NULL THEN
		/* a registry that was never used has nobody to forget */
		INSERT INTO personalize.registry_anchor (system_identifier, database_oid, restore_id, key_name)
			VALUES (here.system_identifier, here.database_oid,
				CASE WHEN NOT EXISTS (SELECT FROM personalize.registry_relation) THEN personalize.restore_id_internal() END, here_key)
			ON CONFLICT DO NOTHING;
		SELECT a.* INTO anchor FROM personalize.registry_anchor AS a FOR UPDATE;
	ELSIF anchor.key_name IS DISTINCT FROM here_key AND NOT EXISTS (SELECT FROM personalize.tombstone) THEN
		UPDATE personalize.registry_anchor AS a SET key_name = here_key;
	END IF;
	IF anchor.system_identifier = here.system_identifier AND anchor.database_oid = here.database_oid THEN
		PERFORM personalize.registry_refresh_internal();
		RETURN;
	END IF;
	PERFORM personalize.registry_resolve_internal();
	UPDATE personalize.registry_anchor AS a
		SET system_identifier = here.system_identifier, database_oid = here.database_oid;
	PERFORM personalize.invalidate_internal(0::oid);
	PERFORM personalize.invalidate_internal(r.relid) FROM personalize.registry_relation AS r;
END
$$;
COMMENT ON FUNCTION personalize.registry_adopt_internal() IS
	'Makes the registry good for this database: by name after a dump and restore, a template copy or pg_upgrade; holds the anchor row until the transaction ends';

CREATE OR REPLACE FUNCTION personalize.registry_begin_internal()
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM personalize.require_preloaded_internal();
	PERFORM personalize.registry_adopt_internal();
END
$$;
COMMENT ON FUNCTION personalize.registry_begin_internal() IS
	'First step of every change of the registry: the library must be preloaded, the registry good here, and changes wait for each other';
