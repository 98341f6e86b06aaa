/*
 * Registry: kinds, categories, purposes, who may use what for which purpose,
 * and the protected relations.
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

CREATE OR REPLACE FUNCTION personalize.registry_sync_internal()
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	/* elsewhere the names count, not the numbers: leave that to adopt */
	IF personalize.registry_anchored_internal() IS DISTINCT FROM true THEN
		RETURN;
	END IF;
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
	UPDATE personalize.registry_grant AS r
		SET role_name = o.rolname
		FROM pg_authid AS o WHERE o.oid = r.role_oid AND o.rolname <> r.role_name;
	UPDATE personalize.registry_duty AS r
		SET role_name = o.rolname
		FROM pg_authid AS o WHERE o.oid = r.role_oid AND o.rolname <> r.role_name;
END
$$;
COMMENT ON FUNCTION personalize.registry_sync_internal() IS
	'Brings names in the registry up to date after a rename and removes what was dropped; writes nothing when nothing changed';

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
	INSERT INTO personalize.registry_path (path_id, relid, kind_id, columns, column_names, ownership)
		SELECT p.path_id, w.relid, p.kind_id,
			ARRAY(SELECT coalesce(a.attnum, 0::smallint)
				FROM unnest(p.column_names) WITH ORDINALITY AS u (column_name, ord)
					LEFT JOIN pg_attribute AS a ON a.attrelid = w.relid AND a.attname = u.column_name
						AND a.attnum > 0 AND NOT a.attisdropped
				ORDER BY u.ord),
			p.column_names, p.ownership
		FROM unnest(paths) AS p
			JOIN unnest(rels) AS r ON r.relid = p.relid
			JOIN personalize.registry_relation AS w
				ON w.schema_name = r.schema_name AND w.relation_name = r.relation_name;
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
BEGIN
	SELECT s.system_identifier AS system_identifier, d.oid AS database_oid INTO here
		FROM pg_control_system() AS s, pg_database AS d WHERE d.datname = current_database();
	SELECT a.* INTO anchor FROM personalize.registry_anchor AS a FOR UPDATE;
	IF anchor.only_row IS NULL THEN
		INSERT INTO personalize.registry_anchor (system_identifier, database_oid)
			VALUES (here.system_identifier, here.database_oid) ON CONFLICT DO NOTHING;
		SELECT a.* INTO anchor FROM personalize.registry_anchor AS a FOR UPDATE;
	END IF;
	IF anchor.system_identifier = here.system_identifier AND anchor.database_oid = here.database_oid THEN
		PERFORM personalize.registry_sync_internal();
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

/* ------------------------------------------------------ kinds of subjects */

CREATE OR REPLACE FUNCTION personalize.key_class_internal(type oid)
RETURNS oid
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	base oid := key_class_internal.type;
	t record;
BEGIN
	LOOP
		SELECT y.typtype AS typtype, y.typbasetype AS typbasetype INTO t FROM pg_type AS y WHERE y.oid = base;
		IF t.typtype IS NULL THEN
			RETURN NULL;
		END IF;
		EXIT WHEN t.typtype <> 'd';
		base := t.typbasetype;
	END LOOP;
	RETURN CASE
		WHEN base IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype) THEN 'int8'::regtype
		WHEN base IN ('text'::regtype, 'varchar'::regtype) THEN 'text'::regtype
		WHEN base = 'uuid'::regtype THEN 'uuid'::regtype
	END;
END
$$;
COMMENT ON FUNCTION personalize.key_class_internal(oid) IS
	'bigint, uuid or text for a type whose values can be keys of subjects (domains by their base type), else NULL';

CREATE OR REPLACE FUNCTION personalize.canonical_or_null_internal(key_type oid, key text)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE CALLED ON NULL INPUT
AS $$
	SELECT CASE
		WHEN pg_catalog.octet_length(key) OPERATOR(pg_catalog.>) 1024 OR key OPERATOR(pg_catalog.=) '' THEN NULL
		WHEN key_type OPERATOR(pg_catalog.=) 20::pg_catalog.oid THEN
			CASE WHEN key OPERATOR(pg_catalog.~) '^ *[+-]?[0-9]+ *$' THEN
				CASE WHEN key::pg_catalog.numeric OPERATOR(pg_catalog.>=) (-9223372036854775808)::pg_catalog.numeric
						AND key::pg_catalog.numeric OPERATOR(pg_catalog.<=) 9223372036854775807::pg_catalog.numeric
					THEN (key::pg_catalog.numeric)::pg_catalog.int8::pg_catalog.text END
			END
		WHEN key_type OPERATOR(pg_catalog.=) 2950::pg_catalog.oid THEN
			CASE WHEN key OPERATOR(pg_catalog.~)
					'^(([0-9a-fA-F]{4}-?){7}[0-9a-fA-F]{4}|\{([0-9a-fA-F]{4}-?){7}[0-9a-fA-F]{4}\})$'
				THEN key::pg_catalog.uuid::pg_catalog.text END
		ELSE key
	END
$$;
COMMENT ON FUNCTION personalize.canonical_or_null_internal(oid, text) IS
	'Canonical form of a key for the key type of its kind (bigint, uuid, text; NULL: not set yet, as text), or NULL where it is none; cannot fail';

CREATE OR REPLACE FUNCTION personalize.kind_set_type_internal(kind_id integer, key_type oid)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	misfits bigint;
	moves boolean;
BEGIN
	/* nobody may record under the old form of keys while we convert them */
	LOCK TABLE personalize.subject IN SHARE ROW EXCLUSIVE MODE;
	SELECT count(*) FILTER (WHERE x.canonical IS NULL), coalesce(bool_or(x.canonical IS DISTINCT FROM x.key), false)
		INTO misfits, moves
		FROM (SELECT s.key, personalize.canonical_or_null_internal(kind_set_type_internal.key_type, s.key) AS canonical
			FROM personalize.subject AS s
			WHERE s.kind_id = kind_set_type_internal.kind_id AND s.key IS NOT NULL) AS x;
	IF misfits > 0 THEN
		RAISE EXCEPTION '% recorded keys of this kind of subject do not fit type %',
			misfits, format_type(kind_set_type_internal.key_type, NULL)
			USING ERRCODE = 'datatype_mismatch',
				HINT = 'Erase these subjects or use another kind of subject.';
	END IF;
	IF moves THEN
		/* two spellings of one key become one subject: the older number stays */
		PERFORM personalize.ledger_unlock_internal(true);
		UPDATE personalize.consent_event AS e SET subject_no = m.keeper
			FROM (SELECT s.subject_no, min(s.subject_no) OVER (
					PARTITION BY personalize.canonical_or_null_internal(kind_set_type_internal.key_type, s.key)) AS keeper
				FROM personalize.subject AS s
				WHERE s.kind_id = kind_set_type_internal.kind_id AND s.key IS NOT NULL) AS m
			WHERE m.keeper <> m.subject_no AND e.subject_no = m.subject_no;
		DELETE FROM personalize.subject AS s
			USING (SELECT x.subject_no, min(x.subject_no) OVER (
					PARTITION BY personalize.canonical_or_null_internal(kind_set_type_internal.key_type, x.key)) AS keeper
				FROM personalize.subject AS x
				WHERE x.kind_id = kind_set_type_internal.kind_id AND x.key IS NOT NULL) AS m
			WHERE m.keeper <> m.subject_no AND s.subject_no = m.subject_no;
		UPDATE personalize.subject AS s
			SET key = personalize.canonical_or_null_internal(kind_set_type_internal.key_type, s.key)
			WHERE s.kind_id = kind_set_type_internal.kind_id
				AND s.key <> personalize.canonical_or_null_internal(kind_set_type_internal.key_type, s.key);
		PERFORM personalize.ledger_unlock_internal(false);
	END IF;
	UPDATE personalize.registry_kind AS k SET key_type = kind_set_type_internal.key_type
		WHERE k.kind_id = kind_set_type_internal.kind_id;
END
$$;
COMMENT ON FUNCTION personalize.kind_set_type_internal(integer, oid) IS
	'Sets the key type of a kind of subject and brings keys recorded before into their canonical form, or fails with a count';

CREATE OR REPLACE FUNCTION personalize.ensure_kind_internal(kind text)
RETURNS integer
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	id integer;
BEGIN
	id := personalize.kind_id_internal(ensure_kind_internal.kind);
	IF id = 0 THEN
		INSERT INTO personalize.registry_kind (name) VALUES ('subject') ON CONFLICT DO NOTHING;
		SELECT k.kind_id INTO STRICT id FROM personalize.registry_kind AS k WHERE k.name = 'subject';
	END IF;
	RETURN id;
END
$$;
COMMENT ON FUNCTION personalize.ensure_kind_internal(text) IS
	'Number of a kind of subject; the kind subject is made on first use, any other must be defined';

CREATE OR REPLACE FUNCTION personalize.define_kind(name text, key_type regtype)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	class oid;
	k personalize.registry_kind;
BEGIN
	PERFORM personalize.registry_begin_internal();
	PERFORM personalize.check_name_internal('kind of subject', define_kind.name);
	IF define_kind.key_type IS NULL THEN
		RAISE EXCEPTION 'key type must not be null' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	class := personalize.key_class_internal(define_kind.key_type);
	IF class IS NULL THEN
		RAISE EXCEPTION 'type % cannot be the key type of a kind of subject', define_kind.key_type
			USING ERRCODE = 'datatype_mismatch', HINT = 'Use bigint, uuid or text.';
	END IF;
	SELECT r.* INTO k FROM personalize.registry_kind AS r WHERE r.name = define_kind.name;
	IF k.kind_id IS NULL THEN
		INSERT INTO personalize.registry_kind (name, key_type) VALUES (define_kind.name, class);
	ELSIF k.key_type IS NULL THEN
		PERFORM personalize.kind_set_type_internal(k.kind_id, class);
	ELSIF k.key_type <> class THEN
		RAISE EXCEPTION 'kind of subject "%" already exists with key type %', k.name, k.key_type
			USING ERRCODE = 'duplicate_object', HINT = 'The key type of a kind cannot be changed; define another kind.';
	END IF;
	PERFORM personalize.invalidate_internal(0::oid);
END
$$;
COMMENT ON FUNCTION personalize.define_kind(text, regtype) IS
	'Defines a kind of subject and the type of its keys: bigint, uuid or text';

/* --------------------------------------------- categories and purposes */

CREATE OR REPLACE FUNCTION personalize.categories_below_internal(purpose_id integer)
RETURNS integer[]
LANGUAGE sql STABLE PARALLEL RESTRICTED STRICT
SET search_path = pg_catalog, pg_temp
AS $$
	WITH RECURSIVE down (id) AS (
		SELECT categories_below_internal.purpose_id
		UNION
		SELECT x.purpose_id FROM down JOIN personalize.registry_purpose_parent AS x ON x.parent_id = down.id)
	SELECT ARRAY(SELECT DISTINCT c.category_id FROM down
		JOIN personalize.registry_purpose_category AS c ON c.purpose_id = down.id ORDER BY c.category_id)
$$;
COMMENT ON FUNCTION personalize.categories_below_internal(integer) IS
	'Categories that a purpose and those below it list: what a choice about the purpose can decide';

CREATE OR REPLACE FUNCTION personalize.is_partial_internal(category_id integer)
RETURNS boolean
LANGUAGE sql STABLE PARALLEL RESTRICTED STRICT
SET search_path = pg_catalog, pg_temp
AS $$
	/* 0 in the list of an event stands for the row: all that the purpose listed at the time */
	WITH RECURSIVE up (id) AS (
		SELECT c.purpose_id FROM personalize.registry_purpose_category AS c WHERE c.category_id = is_partial_internal.category_id
		UNION
		SELECT x.parent_id FROM up JOIN personalize.registry_purpose_parent AS x ON x.purpose_id = up.id)
	SELECT EXISTS (SELECT FROM personalize.consent_event AS e JOIN up ON up.id = e.purpose_id
		WHERE e.categories IS NOT NULL
			AND NOT (0 = ANY (e.categories) AND is_partial_internal.category_id = ANY (e.categories)))
$$;
COMMENT ON FUNCTION personalize.is_partial_internal(integer) IS
	'Whether somebody made a choice that tells a category from the others of a purpose: reads the ledger';

CREATE OR REPLACE FUNCTION personalize.mark_partial_internal(category_ids integer[])
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NOT EXISTS (SELECT FROM personalize.registry_category AS c
		WHERE c.category_id = ANY (mark_partial_internal.category_ids) AND NOT c.partial) THEN
		RETURN;
	END IF;
	UPDATE personalize.registry_category AS c SET partial = true
		WHERE c.category_id = ANY (mark_partial_internal.category_ids) AND NOT c.partial;
	/* plans that show the columns whole must be made again */
	PERFORM personalize.invalidate_relation_internal(x.relid)
		FROM (SELECT DISTINCT r.relid FROM personalize.registry_column AS r
			WHERE r.category_id = ANY (mark_partial_internal.category_ids)) AS x;
END
$$;
COMMENT ON FUNCTION personalize.mark_partial_internal(integer[]) IS
	'Has cells of categories masked one by one from now on; plans made before are made again';

CREATE OR REPLACE FUNCTION personalize.define_category(name text, description text,
	special boolean DEFAULT false, iri text DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	PERFORM personalize.registry_begin_internal();
	PERFORM personalize.check_name_internal('category', define_category.name);
	IF define_category.description IS NULL OR define_category.special IS NULL THEN
		RAISE EXCEPTION 'description and special must not be null' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	IF EXISTS (SELECT 1 FROM personalize.registry_category AS c WHERE c.name = define_category.name AND c.builtin) THEN
		RAISE EXCEPTION 'category "%" is built in', define_category.name
			USING ERRCODE = 'insufficient_privilege', HINT = 'Built-in categories cannot be changed.';
	END IF;
	/* not by ON CONFLICT alone: that would use up a number each time */
	UPDATE personalize.registry_category AS c
		SET description = define_category.description, special = define_category.special, iri = define_category.iri
		WHERE c.name = define_category.name;
	IF NOT FOUND THEN
		INSERT INTO personalize.registry_category (name, description, special, iri)
			VALUES (define_category.name, define_category.description, define_category.special, define_category.iri);
	END IF;
	PERFORM personalize.mark_partial_internal(ARRAY(SELECT c.category_id FROM personalize.registry_category AS c
		WHERE c.name = define_category.name AND personalize.is_partial_internal(c.category_id)));
	PERFORM personalize.invalidate_internal(0::oid);
	PERFORM personalize.invalidate_relation_internal(x.relid)
		FROM (SELECT DISTINCT r.relid FROM personalize.registry_column AS r
			JOIN personalize.registry_category AS c ON c.category_id = r.category_id
			WHERE c.name = define_category.name) AS x;
END
$$;
COMMENT ON FUNCTION personalize.define_category(text, text, boolean, text) IS
	'Defines a category of personal data, or changes it; special ones (health, religion, ...) need explicit consent';

CREATE OR REPLACE FUNCTION personalize.define_purpose(name text, description text,
	legal_basis text DEFAULT 'consent', categories text[] DEFAULT '{}', value_exchange text DEFAULT NULL,
	recipients text[] DEFAULT '{}', retention interval DEFAULT NULL, parents text[] DEFAULT '{}',
	special_basis text DEFAULT NULL, iri text DEFAULT NULL, automated boolean DEFAULT false)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	p personalize.registry_purpose;
	category_ids integer[];
	parent_ids integer[];
	id integer;
BEGIN
	PERFORM personalize.registry_begin_internal();
	PERFORM personalize.check_name_internal('purpose', define_purpose.name);
	IF define_purpose.description IS NULL OR define_purpose.legal_basis IS NULL OR define_purpose.automated IS NULL
		OR define_purpose.categories IS NULL OR define_purpose.recipients IS NULL OR define_purpose.parents IS NULL
		OR array_position(define_purpose.recipients, NULL) IS NOT NULL THEN
		RAISE EXCEPTION 'description, legal basis, categories, recipients, parents and automated must not be null'
			USING ERRCODE = 'null_value_not_allowed', HINT = 'Leave an argument out or pass an empty array.';
	END IF;
	IF define_purpose.legal_basis NOT IN ('consent', 'explicit_consent', 'contract', 'legal_obligation',
			'vital_interest', 'public_interest', 'legitimate_interest') THEN
		RAISE EXCEPTION 'legal basis "%" is not known', personalize.shown_internal(define_purpose.legal_basis)
			USING ERRCODE = 'invalid_parameter_value',
				HINT = 'Use consent, explicit_consent, contract, legal_obligation, vital_interest, public_interest or legitimate_interest.';
	END IF;
	IF define_purpose.retention < interval '0' THEN
		RAISE EXCEPTION 'retention must not be negative' USING ERRCODE = 'invalid_parameter_value';
	END IF;
	SELECT r.* INTO p FROM personalize.registry_purpose AS r WHERE r.name = define_purpose.name;
	IF p.purpose_id IS NOT NULL THEN
		PERFORM personalize.purpose_id_internal(p.name, 'change');
		IF p.retired_at IS NOT NULL THEN
			RAISE EXCEPTION 'purpose "%" is retired', p.name
				USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Define a new purpose under another name.';
		END IF;
	END IF;
	category_ids := personalize.category_ids_internal(define_purpose.categories);
	IF cardinality(category_ids) > 64 THEN
		RAISE EXCEPTION 'a purpose lists at most 64 categories'
			USING ERRCODE = 'program_limit_exceeded', HINT = 'Make a purpose for each kind of use.';
	END IF;
	parent_ids := ARRAY(SELECT DISTINCT personalize.purpose_id_internal(u.name, 'parent')
		FROM unnest(define_purpose.parents) AS u (name));
	/* a cycle would go through the purpose itself: it is not among its parents' ancestors */
	IF EXISTS (
		WITH RECURSIVE up (id) AS (
			SELECT u.id FROM unnest(parent_ids) AS u (id)
			UNION
			SELECT x.parent_id FROM up JOIN personalize.registry_purpose_parent AS x ON x.purpose_id = up.id)
		SELECT 1 FROM up WHERE up.id = p.purpose_id) THEN
		RAISE EXCEPTION 'purpose "%" cannot be its own ancestor', define_purpose.name
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Name only broader purposes as parents.';
	END IF;

	IF p.purpose_id IS NULL THEN
		INSERT INTO personalize.registry_purpose (name, description, legal_basis, value_exchange, recipients,
				retention, special_basis, iri, automated)
			VALUES (define_purpose.name, define_purpose.description, define_purpose.legal_basis,
				define_purpose.value_exchange, define_purpose.recipients, define_purpose.retention,
				define_purpose.special_basis, define_purpose.iri, define_purpose.automated)
			RETURNING purpose_id INTO id;
	ELSE
		id := p.purpose_id;
		/* nobody records a choice by the old list while the new one is judged: see record_event_internal() */
		LOCK TABLE personalize.consent_event IN SHARE ROW EXCLUSIVE MODE;
		UPDATE personalize.registry_purpose AS r
			SET description = define_purpose.description, legal_basis = define_purpose.legal_basis,
				value_exchange = define_purpose.value_exchange, recipients = define_purpose.recipients,
				retention = define_purpose.retention, special_basis = define_purpose.special_basis,
				iri = define_purpose.iri, automated = define_purpose.automated, changed_at = clock_timestamp()
			WHERE r.purpose_id = id;
		DELETE FROM personalize.registry_purpose_category AS r WHERE r.purpose_id = id;
		DELETE FROM personalize.registry_purpose_parent AS r WHERE r.purpose_id = id;
	END IF;
	INSERT INTO personalize.registry_purpose_category (purpose_id, category_id)
		SELECT id, u.c FROM unnest(category_ids) AS u (c);
	INSERT INTO personalize.registry_purpose_parent (purpose_id, parent_id)
		SELECT id, u.c FROM unnest(parent_ids) AS u (c);
	/* choices made before may now cover a part of the list only */
	PERFORM personalize.mark_partial_internal(ARRAY(
		SELECT u.c FROM unnest(personalize.categories_below_internal(id)) AS u (c)
		WHERE (p.purpose_id IS NOT NULL OR cardinality(parent_ids) > 0) AND personalize.is_partial_internal(u.c)));
	PERFORM personalize.invalidate_internal(0::oid);
END
$$;
COMMENT ON FUNCTION personalize.define_purpose(text, text, text, text[], text, text[], interval, text[], text, text, boolean) IS
	'Defines a purpose with its legal basis and the categories of data it needs, or changes it; widening it never widens a consent';

CREATE OR REPLACE FUNCTION personalize.retire_purpose(name text)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	id integer;
BEGIN
	PERFORM personalize.registry_begin_internal();
	id := personalize.purpose_id_internal(retire_purpose.name, 'change');
	UPDATE personalize.registry_purpose AS r SET retired_at = clock_timestamp(), changed_at = clock_timestamp()
		WHERE r.purpose_id = id AND r.retired_at IS NULL;
	PERFORM personalize.invalidate_internal(0::oid);
END
$$;
COMMENT ON FUNCTION personalize.retire_purpose(text) IS
	'Ends a purpose for good: nobody can use data for it or consent to it any more; its history stays';

CREATE OR REPLACE FUNCTION personalize.grant_purpose(purpose text, role regrole, may_copy boolean DEFAULT false)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	id integer;
	grantee name;
BEGIN
	PERFORM personalize.registry_begin_internal();
	id := personalize.purpose_id_internal(grant_purpose.purpose, 'grant');
	grantee := personalize.role_name_internal(grant_purpose.role);
	IF grant_purpose.may_copy IS NULL THEN
		RAISE EXCEPTION 'may_copy must not be null' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	INSERT INTO personalize.registry_grant (purpose_id, role_oid, role_name, may_copy)
		VALUES (id, grant_purpose.role, grantee, grant_purpose.may_copy)
		ON CONFLICT (purpose_id, role_name) DO UPDATE
			SET role_oid = EXCLUDED.role_oid, may_copy = EXCLUDED.may_copy;
	PERFORM personalize.invalidate_internal(0::oid);
END
$$;
COMMENT ON FUNCTION personalize.grant_purpose(text, regrole, boolean) IS
	'Lets a role use personal data for a purpose, with may_copy also copy it into relations that are not protected; again: changes may_copy';

CREATE OR REPLACE FUNCTION personalize.revoke_purpose(purpose text, role regrole)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	id integer;
BEGIN
	PERFORM personalize.registry_begin_internal();
	id := personalize.purpose_id_internal(revoke_purpose.purpose, 'ask');
	DELETE FROM personalize.registry_grant AS g
		WHERE g.purpose_id = id AND g.role_name = personalize.role_name_internal(revoke_purpose.role);
	PERFORM personalize.invalidate_internal(0::oid);
END
$$;
COMMENT ON FUNCTION personalize.revoke_purpose(text, regrole) IS
	'Takes a purpose from a role; nothing happens where the role does not have it';

CREATE OR REPLACE FUNCTION personalize.role_name_internal(role regrole)
RETURNS name
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	found_name name;
BEGIN
	IF role_name_internal.role IS NULL THEN
		RAISE EXCEPTION 'role must not be null' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	SELECT o.rolname INTO found_name FROM pg_authid AS o WHERE o.oid = role_name_internal.role;
	IF found_name IS NULL THEN
		RAISE EXCEPTION 'role does not exist' USING ERRCODE = 'undefined_object';
	END IF;
	RETURN found_name;
END
$$;
COMMENT ON FUNCTION personalize.role_name_internal(regrole) IS 'Name of a role; NULL or unknown is an error';
