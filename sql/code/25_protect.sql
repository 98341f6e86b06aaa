/*
 * Protecting relations: what protect() and its kin write into the registry.
 */

CREATE OR REPLACE FUNCTION personalize.relation_text_internal(relid oid)
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE STRICT
SET search_path = pg_catalog, pg_temp
SET quote_all_identifiers = off	/* it is kept in records */
AS $$
	SELECT format('%I.%I', n.nspname, c.relname)
	FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
	WHERE c.oid = relation_text_internal.relid
$$;
COMMENT ON FUNCTION personalize.relation_text_internal(oid) IS
	'Schema-qualified and quoted name of a relation; NULL if there is none';

CREATE OR REPLACE FUNCTION personalize.descendants_internal(relid oid)
RETURNS SETOF oid
LANGUAGE sql STABLE PARALLEL SAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
	WITH RECURSIVE down (id) AS (
		SELECT i.inhrelid FROM pg_inherits AS i WHERE i.inhparent = descendants_internal.relid
		UNION
		SELECT i.inhrelid FROM down JOIN pg_inherits AS i ON i.inhparent = down.id)
	SELECT down.id FROM down ORDER BY down.id
$$;
COMMENT ON FUNCTION personalize.descendants_internal(oid) IS
	'Partitions and inheritance children of a relation, at every depth';

CREATE OR REPLACE FUNCTION personalize.invalidate_relation_internal(relid oid)
RETURNS void
LANGUAGE sql VOLATILE PARALLEL UNSAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT personalize.invalidate_internal(u.id)
	FROM (SELECT invalidate_relation_internal.relid AS id
		UNION ALL SELECT personalize.descendants_internal(invalidate_relation_internal.relid)) AS u
$$;
COMMENT ON FUNCTION personalize.invalidate_relation_internal(oid) IS
	'Makes every session plan queries on a relation and its children again';

CREATE OR REPLACE FUNCTION personalize.ancestors_internal(relid oid)
RETURNS SETOF oid
LANGUAGE sql STABLE PARALLEL SAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
	WITH RECURSIVE up (id) AS (
		SELECT i.inhparent FROM pg_inherits AS i WHERE i.inhrelid = ancestors_internal.relid
		UNION
		SELECT i.inhparent FROM up JOIN pg_inherits AS i ON i.inhrelid = up.id)
	SELECT up.id FROM up ORDER BY up.id
$$;
COMMENT ON FUNCTION personalize.ancestors_internal(oid) IS
	'Relations that a relation is a partition or inheritance child of, at every depth';

CREATE OR REPLACE FUNCTION personalize.protected_relation_internal(relation regclass)
RETURNS personalize.registry_relation
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	r personalize.registry_relation;
	parent oid;
BEGIN
	IF protected_relation_internal.relation IS NULL THEN
		RAISE EXCEPTION 'relation must not be null' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	IF personalize.relation_text_internal(protected_relation_internal.relation) IS NULL THEN
		RAISE EXCEPTION 'relation does not exist' USING ERRCODE = 'undefined_table';
	END IF;
	SELECT x.* INTO r FROM personalize.registry_relation AS x WHERE x.relid = protected_relation_internal.relation;
	IF r.relid IS NULL THEN
		SELECT h.relid INTO parent FROM personalize.registry_child AS h
			WHERE h.child_relid = protected_relation_internal.relation;
		RAISE EXCEPTION 'relation % is not protected by itself',
			personalize.relation_text_internal(protected_relation_internal.relation)
			USING ERRCODE = 'undefined_object',
				HINT = CASE WHEN parent IS NULL THEN 'Call personalize.protect() first.'
					ELSE format('It is protected as a child of %s; name that one.',
						personalize.relation_text_internal(parent)) END;
	END IF;
	RETURN r;
END
$$;
COMMENT ON FUNCTION personalize.protected_relation_internal(regclass) IS
	'Registry row of a protected relation; an error if it is not protected by itself';

CREATE OR REPLACE FUNCTION personalize.check_relation_internal(relid oid)
RETURNS void
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	c record;
	shown text := personalize.relation_text_internal(check_relation_internal.relid);
	other oid;
	what text;
BEGIN
	IF check_relation_internal.relid IS NULL THEN
		RAISE EXCEPTION 'relation must not be null' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	IF shown IS NULL THEN
		RAISE EXCEPTION 'relation does not exist' USING ERRCODE = 'undefined_table';
	END IF;
	SELECT x.relkind AS relkind, x.relpersistence AS relpersistence, x.relispartition AS relispartition,
			n.nspname AS nspname
		INTO c
		FROM pg_class AS x JOIN pg_namespace AS n ON n.oid = x.relnamespace
		WHERE x.oid = check_relation_internal.relid;
	IF c.nspname IN ('pg_catalog', 'information_schema', 'pg_toast', 'personalize') THEN
		RAISE EXCEPTION 'relation % cannot be protected: it belongs to the system', shown
			USING ERRCODE = 'insufficient_privilege', HINT = 'Protect tables of applications.';
	END IF;
	IF c.relkind NOT IN ('r', 'p') THEN
		what := CASE c.relkind WHEN 'v' THEN 'a view' WHEN 'm' THEN 'a materialized view'
			WHEN 'f' THEN 'a foreign table' WHEN 'S' THEN 'a sequence' WHEN 'i' THEN 'an index'
			WHEN 'I' THEN 'an index' WHEN 'c' THEN 'a composite type' ELSE 'not a table' END;
		RAISE EXCEPTION 'relation % cannot be protected: it is %', shown, what
			USING ERRCODE = 'wrong_object_type',
				HINT = CASE WHEN c.relkind IN ('v', 'm') THEN 'Protect the tables underneath.'
					WHEN c.relkind = 'f' THEN 'Protect the table on the server that holds it.'
					ELSE 'Protect a table.' END;
	END IF;
	IF c.relpersistence = 't' THEN
		RAISE EXCEPTION 'relation % cannot be protected: it is a temporary table', shown
			USING ERRCODE = 'wrong_object_type', HINT = 'Protect a permanent table.';
	END IF;
	IF c.relispartition THEN
		RAISE EXCEPTION 'relation % cannot be protected: it is a partition', shown
			USING ERRCODE = 'wrong_object_type',
				HINT = format('Protect the partitioned table %s.',
					(SELECT personalize.relation_text_internal(i.inhparent) FROM pg_inherits AS i
						WHERE i.inhrelid = check_relation_internal.relid LIMIT 1));
	END IF;
	IF EXISTS (SELECT 1 FROM personalize.registry_relation AS r WHERE r.relid = check_relation_internal.relid) THEN
		RAISE EXCEPTION 'relation % is already protected', shown
			USING ERRCODE = 'duplicate_object',
				HINT = 'Use classify() to change columns, or unprotect() first.';
	END IF;
	/* one root per relation: else the second unprotect() would open what the first still guards */
	SELECT r.relid INTO other FROM personalize.registry_relation AS r
		WHERE r.relid IN (SELECT personalize.descendants_internal(check_relation_internal.relid)
			UNION ALL SELECT personalize.ancestors_internal(check_relation_internal.relid))
			OR r.relid = (SELECT h.relid FROM personalize.registry_child AS h
				WHERE h.child_relid = check_relation_internal.relid)
		ORDER BY r.relid LIMIT 1;
	IF other IS NOT NULL THEN
		RAISE EXCEPTION 'relation % is already protected by way of %', shown, personalize.relation_text_internal(other)
			USING ERRCODE = 'duplicate_object',
				HINT = 'One relation of an inheritance tree can be protected; unprotect that one first.';
	END IF;
	SELECT x.oid INTO other FROM pg_class AS x
		WHERE x.oid IN (SELECT personalize.descendants_internal(check_relation_internal.relid)) AND x.relkind NOT IN ('r', 'p')
		ORDER BY x.oid LIMIT 1;
	IF other IS NOT NULL THEN
		RAISE EXCEPTION 'relation % cannot be protected: its child % is a foreign table', shown,
			personalize.relation_text_internal(other)
			USING ERRCODE = 'wrong_object_type', HINT = 'Detach the foreign table.';
	END IF;
END
$$;
COMMENT ON FUNCTION personalize.check_relation_internal(oid) IS
	'Refuses relations that protect() cannot protect, each with a reason';

CREATE OR REPLACE FUNCTION personalize.column_number_internal(relid oid, "column" name)
RETURNS smallint
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	found_no smallint;
BEGIN
	SELECT a.attnum INTO found_no FROM pg_attribute AS a
		WHERE a.attrelid = column_number_internal.relid AND a.attname = column_number_internal."column"
			AND a.attnum > 0 AND NOT a.attisdropped;
	IF found_no IS NULL THEN
		RAISE EXCEPTION '%', CASE WHEN column_number_internal."column" IS NULL THEN 'a column must be named'
				ELSE format('column %I of relation %s does not exist', column_number_internal."column",
					personalize.relation_text_internal(column_number_internal.relid)) END
			USING ERRCODE = 'undefined_column',
				HINT = format(E'\\d %s in psql lists the columns.',
					personalize.relation_text_internal(column_number_internal.relid));
	END IF;
	RETURN found_no;
END
$$;
COMMENT ON FUNCTION personalize.column_number_internal(oid, name) IS
	'Number of a column of a relation; NULL, unknown, dropped and system columns are errors';

CREATE OR REPLACE FUNCTION personalize.subject_class_internal(relid oid, attnum smallint)
RETURNS oid
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	a record;
	class oid;
BEGIN
	SELECT x.attname AS attname, x.atttypid AS atttypid, x.attgenerated AS attgenerated,
			coalesce(l.collisdeterministic, true) AS deterministic
		INTO a
		FROM pg_attribute AS x LEFT JOIN pg_collation AS l ON l.oid = x.attcollation
		WHERE x.attrelid = subject_class_internal.relid AND x.attnum = subject_class_internal.attnum;
	class := personalize.key_class_internal(a.atttypid);
	IF class IS NULL THEN
		RAISE EXCEPTION 'column %.% of type % cannot lead to a subject',
			personalize.relation_text_internal(subject_class_internal.relid), quote_ident(a.attname), format_type(a.atttypid, NULL)
			USING ERRCODE = 'datatype_mismatch',
				HINT = 'A subject column is of type smallint, integer, bigint, uuid, text or varchar, or a domain over one of these.';
	END IF;
	IF NOT a.deterministic THEN
		RAISE EXCEPTION 'column %.% cannot lead to a subject: its collation is not deterministic',
			personalize.relation_text_internal(subject_class_internal.relid), quote_ident(a.attname)
			USING ERRCODE = 'datatype_mismatch',
				HINT = 'Keys of subjects are compared byte by byte; give the column a deterministic collation.';
	END IF;
	/* it changes with another column, which everybody may update */
	IF a.attgenerated <> '' OR EXISTS (SELECT 1 FROM pg_attribute AS x
		WHERE x.attrelid IN (SELECT personalize.descendants_internal(subject_class_internal.relid))
			AND x.attname = a.attname AND x.attgenerated <> '') THEN
		RAISE EXCEPTION 'column %.% cannot lead to a subject: it is generated',
			personalize.relation_text_internal(subject_class_internal.relid), quote_ident(a.attname)
			USING ERRCODE = 'feature_not_supported',
				HINT = 'Protect by the column it is computed from.';
	END IF;
	RETURN class;
END
$$;
COMMENT ON FUNCTION personalize.subject_class_internal(oid, smallint) IS
	'bigint, uuid or text: what the values of a subject column are handled as; an error for other types, non-deterministic collations and generated columns';

CREATE OR REPLACE FUNCTION personalize.kind_for_class_internal(kind text, class oid)
RETURNS integer
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	id integer := personalize.ensure_kind_internal(kind_for_class_internal.kind);
	k personalize.registry_kind;
BEGIN
	SELECT r.* INTO STRICT k FROM personalize.registry_kind AS r WHERE r.kind_id = id;
	IF k.key_type IS NULL THEN
		PERFORM personalize.kind_set_type_internal(id, class);
	ELSIF k.key_type <> class THEN
		RAISE EXCEPTION 'subject column is handled as %, but kind of subject "%" has keys of type %',
			format_type(class, NULL), k.name, k.key_type
			USING ERRCODE = 'datatype_mismatch', HINT = 'Define another kind with define_kind() and name it in the argument kind.';
	END IF;
	RETURN id;
END
$$;
COMMENT ON FUNCTION personalize.kind_for_class_internal(text, oid) IS
	'Number of a kind of subject for a subject column of this class; the first one sets the key type of the kind';

/* ------------------------------------------------------ columns and masks */

CREATE OR REPLACE FUNCTION personalize.check_mask_internal(relid oid, attnum smallint, mask text)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	base oid;
	modifier integer;
	t record;
BEGIN
	IF mask IS NULL THEN
		RETURN;
	END IF;
	SELECT a.atttypid, a.atttypmod INTO base, modifier FROM pg_attribute AS a
		WHERE a.attrelid = check_mask_internal.relid AND a.attnum = check_mask_internal.attnum;

	/*
	 * Only by the base type's input function: a domain's CHECK and a cast may
	 * call functions of their owners, who must not get to run them as us.  So
	 * a domain is tried without its constraints, and types that could hide
	 * one are refused.
	 */
	LOOP
		SELECT y.typtype AS typtype, y.typbasetype AS typbasetype, y.typtypmod AS typtypmod,
				e.typtype AS element_typtype
			INTO STRICT t
			FROM pg_type AS y LEFT JOIN pg_type AS e ON e.oid = y.typelem AND y.typelem <> 0
			WHERE y.oid = base;
		EXIT WHEN t.typtype <> 'd';
		modifier := t.typtypmod;
		base := t.typbasetype;
	END LOOP;
	IF t.typtype NOT IN ('b', 'e') OR coalesce(t.element_typtype, 'b') NOT IN ('b', 'e') THEN
		RAISE EXCEPTION 'columns of type % cannot have a mask literal', format_type(base, modifier)
			USING ERRCODE = 'feature_not_supported', HINT = 'Leave the mask out: the cells are shown as NULL.';
	END IF;
	BEGIN
		PERFORM personalize.check_literal_internal(base, modifier, mask);
		IF base IN ('varchar'::regtype, 'bpchar'::regtype) AND modifier > 4 AND length(mask) > modifier - 4 THEN
			RAISE EXCEPTION USING ERRCODE = 'string_data_right_truncation';
		END IF;
	EXCEPTION WHEN data_exception OR syntax_error_or_access_rule_violation OR program_limit_exceeded
			OR feature_not_supported THEN
		/* the literal itself is not repeated */
		RAISE EXCEPTION 'mask is not a valid literal of type %', format_type(base, modifier)
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Give a value as it would stand in quotes in an INSERT.';
	END;
END
$$;
COMMENT ON FUNCTION personalize.check_mask_internal(oid, smallint, text) IS
	'Refuses a mask that is not a valid literal of the column''s type, without repeating it';

CREATE OR REPLACE FUNCTION personalize.classify_internal(relid oid, attnum smallint, category text, mask text)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	PERFORM personalize.check_mask_internal(classify_internal.relid, classify_internal.attnum, classify_internal.mask);
	INSERT INTO personalize.registry_column (relid, attnum, column_name, category_id, mask)
		SELECT a.attrelid, a.attnum, a.attname,
			(personalize.category_ids_internal(ARRAY[classify_internal.category]))[1], classify_internal.mask
		FROM pg_attribute AS a
		WHERE a.attrelid = classify_internal.relid AND a.attnum = classify_internal.attnum
		ON CONFLICT (relid, attnum) DO UPDATE
			SET column_name = EXCLUDED.column_name, category_id = EXCLUDED.category_id, mask = EXCLUDED.mask;
END
$$;
COMMENT ON FUNCTION personalize.classify_internal(oid, smallint, text, text) IS
	'Writes the category and mask of one column';

CREATE OR REPLACE FUNCTION personalize.classify(relation regclass, "column" name, category text, mask text DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	r personalize.registry_relation;
BEGIN
	PERFORM personalize.registry_begin_internal();
	r := personalize.protected_relation_internal(classify.relation);
	PERFORM personalize.classify_internal(r.relid,
		personalize.column_number_internal(r.relid, classify."column"), classify.category, classify.mask);
	PERFORM personalize.invalidate_relation_internal(r.relid);
END
$$;
COMMENT ON FUNCTION personalize.classify(regclass, name, text, text) IS
	'Says which category of personal data a column of a protected relation holds, and what is shown in place of a cell kept back (NULL by default)';

/* ------------------------------------------------- protect and unprotect */

CREATE OR REPLACE FUNCTION personalize.protect(relation regclass, subject name DEFAULT NULL, via name DEFAULT NULL,
	kind text DEFAULT 'subject', columns jsonb DEFAULT '{}', null_subject text DEFAULT 'hidden',
	mode text DEFAULT 'enforce', hard boolean DEFAULT false)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	subjects smallint[] := '{}';	/* columns that lead to subjects */
	c record;
	item record;
BEGIN
	PERFORM personalize.registry_begin_internal();
	IF protect.kind IS NULL OR protect.columns IS NULL OR protect.null_subject IS NULL OR protect.mode IS NULL
		OR protect.hard IS NULL THEN
		RAISE EXCEPTION 'kind, columns, null_subject, mode and hard must not be null'
			USING ERRCODE = 'null_value_not_allowed', HINT = 'Leave an argument out to get its default.';
	END IF;
	IF protect.null_subject NOT IN ('hidden', 'visible') THEN
		RAISE EXCEPTION 'null_subject "%" is not known', personalize.shown_internal(protect.null_subject)
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Use hidden or visible.';
	END IF;
	IF protect.mode NOT IN ('enforce', 'observe') THEN
		RAISE EXCEPTION 'mode "%" is not known', personalize.shown_internal(protect.mode)
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Use enforce or observe.';
	END IF;
	IF protect.mode = 'observe' AND NOT (SELECT o.rolsuper FROM pg_roles AS o WHERE o.oid = personalize.outer_role_internal()) THEN
		RAISE EXCEPTION 'only a superuser may have a relation observed in place of protected'
			USING ERRCODE = 'insufficient_privilege', HINT = 'Use mode enforce, or ask a superuser: an observed relation is open.';
	END IF;
	IF jsonb_typeof(protect.columns) <> 'object'
		OR EXISTS (SELECT 1 FROM jsonb_each(CASE jsonb_typeof(protect.columns) WHEN 'object' THEN protect.columns ELSE '{}' END) AS e
			WHERE jsonb_typeof(e.value) <> 'string') THEN
		RAISE EXCEPTION 'columns must be a JSON object that gives a category to each column'
			USING ERRCODE = 'invalid_parameter_value', HINT = 'For example: {"email": "contact", "*": "general"}.';
	END IF;
	IF current_setting('wal_level') = 'minimal' THEN
		RAISE EXCEPTION 'wal_level is "minimal", too little to record uses of personal data'
			USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Set wal_level to replica or logical and restart the server.';
	END IF;

	/* the relation: look, lock, look again (it may have changed while we waited) */
	PERFORM personalize.check_relation_internal(protect.relation);
	EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', personalize.relation_text_internal(protect.relation));
	PERFORM personalize.check_relation_internal(protect.relation);
	IF protect.subject IS NOT NULL THEN
		PERFORM personalize.column_number_internal(protect.relation, protect.subject);
	END IF;
	/* policies that a restore without the registry has left: what they stand for, nobody knows any more */
	FOR item IN SELECT x.relid, bool_or(o.polname = 'personalize_net') AS has_net
		FROM (SELECT protect.relation::oid AS relid UNION ALL SELECT personalize.descendants_internal(protect.relation)) AS x
			JOIN pg_policy AS o ON o.polrelid = x.relid AND o.polname ~ '^personalize_([0-9]+|net)$'
		WHERE NOT EXISTS (SELECT FROM personalize.registry_relation AS r WHERE r.relid = x.relid)
			AND NOT EXISTS (SELECT FROM personalize.registry_child AS h WHERE h.child_relid = x.relid)
		GROUP BY x.relid ORDER BY x.relid
	LOOP
		PERFORM personalize.policies_drop_internal(item.relid);
		/* the net says that row security was off before */
		IF item.has_net THEN
			PERFORM personalize.rls_restore_internal(item.relid, false, false);
		END IF;
	END LOOP;
	SELECT x.relrowsecurity AS enabled, x.relforcerowsecurity AS forced, x.relname AS relname, n.nspname AS nspname
		INTO STRICT c
		FROM pg_class AS x JOIN pg_namespace AS n ON n.oid = x.relnamespace WHERE x.oid = protect.relation;
	/* before it is registered: from then on no function of an index may be called for all rows */
	IF protect.hard THEN
		PERFORM personalize.hard_set_internal(x.relid, true)
			FROM (SELECT protect.relation::oid AS relid UNION ALL SELECT personalize.descendants_internal(protect.relation)) AS x;
	END IF;
	INSERT INTO personalize.registry_relation (relid, schema_name, relation_name, null_subject, mode, hard,
			rls_was_enabled, rls_was_forced, protected_by)
		VALUES (protect.relation, c.nspname, c.relname, protect.null_subject, protect.mode, protect.hard,
			c.enabled, c.forced, session_user);
	INSERT INTO personalize.registry_child (relid, child_relid, schema_name, relation_name, rls_was_enabled, rls_was_forced)
		SELECT protect.relation, x.oid, n.nspname, x.relname, x.relrowsecurity, x.relforcerowsecurity
		FROM pg_class AS x JOIN pg_namespace AS n ON n.oid = x.relnamespace
		WHERE x.oid IN (SELECT personalize.descendants_internal(protect.relation));

	IF protect.subject IS NOT NULL THEN
		subjects := personalize.path_columns_internal(protect.relation, ARRAY[protect.subject]);
		PERFORM personalize.path_keyed_internal(protect.relation, subjects, 'owner', protect.kind);
	END IF;
	IF protect.via IS NOT NULL THEN
		subjects := subjects || personalize.path_via_internal(protect.relation,
			personalize.path_columns_internal(protect.relation, ARRAY[protect.via]), 'owner');
	END IF;
	IF cardinality(subjects) = 0 THEN
		RAISE WARNING 'relation % is closed to every purpose until it leads to a subject', personalize.relation_text_internal(protect.relation)
			USING HINT = 'Call personalize.add_subject_path().';
	END IF;

	/* columns: those named, then "*" for the rest, those that lead to subjects are 'none' unless named */
	FOR item IN SELECT e.key AS column_name, e.value AS category FROM jsonb_each_text(protect.columns) AS e
		WHERE e.key <> '*' ORDER BY e.key COLLATE "C"
	LOOP
		IF octet_length(item.column_name) > 63 THEN
			RAISE EXCEPTION 'name of column is too long' USING ERRCODE = 'undefined_column';
		END IF;
		PERFORM personalize.classify_internal(protect.relation,
			personalize.column_number_internal(protect.relation, item.column_name::name), item.category, NULL);
	END LOOP;
	FOR item IN SELECT a.attnum AS attnum,
			CASE WHEN a.attnum = ANY (subjects) THEN 'none' ELSE protect.columns ->> '*' END AS category
		FROM pg_attribute AS a
		WHERE a.attrelid = protect.relation AND a.attnum > 0 AND NOT a.attisdropped
			AND (a.attnum = ANY (subjects) OR protect.columns ? '*')
			AND NOT protect.columns ? a.attname::text
			/* what is computed from columns of other categories must be named */
			AND NOT EXISTS (SELECT FROM pg_attrdef AS e
					JOIN pg_depend AS d ON d.classid = 'pg_attrdef'::regclass AND d.objid = e.oid
						AND d.refclassid = 'pg_class'::regclass AND d.refobjid = e.adrelid AND d.refobjsubid > 0
						AND d.refobjsubid <> e.adnum
					JOIN pg_attribute AS b ON b.attrelid = d.refobjid AND b.attnum = d.refobjsubid
				WHERE a.attgenerated <> '' AND e.adrelid = a.attrelid AND e.adnum = a.attnum
					AND coalesce(protect.columns ->> b.attname::text, protect.columns ->> '*')
						NOT IN (protect.columns ->> '*', 'none'))
		ORDER BY a.attnum
	LOOP
		PERFORM personalize.classify_internal(protect.relation, item.attnum, item.category, NULL);
	END LOOP;

	/* an observed relation stays as it is */
	FOR item IN SELECT x.relid, x.rls_was_enabled
		FROM (SELECT r.relid, r.rls_was_enabled FROM personalize.registry_relation AS r WHERE r.relid = protect.relation
			UNION ALL
			SELECT h.child_relid, h.rls_was_enabled FROM personalize.registry_child AS h WHERE h.relid = protect.relation) AS x
		WHERE protect.mode = 'enforce'
	LOOP
		EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY',
			personalize.relation_text_internal(item.relid));
	END LOOP;
	IF protect.mode = 'enforce' AND c.enabled AND NOT EXISTS (SELECT FROM pg_policy AS p
			WHERE p.polrelid = protect.relation AND p.polpermissive AND p.polname !~ '^personalize_([0-9]+|net)$') THEN
		RAISE WARNING 'row security of relation % was on already and lets nobody see a row', personalize.relation_text_internal(protect.relation)
			USING HINT = 'Make a permissive policy, or ALTER TABLE ... DISABLE ROW LEVEL SECURITY before the relation is protected.';
	END IF;
	FOR item IN SELECT m.id FROM personalize.materialized_over_internal(protect.relation) AS m (id) WHERE protect.mode = 'enforce' LOOP
		RAISE WARNING 'materialized view % may hold rows of protected relation %', personalize.relation_text_internal(item.id),
				personalize.relation_text_internal(protect.relation)
			USING HINT = 'REFRESH it under a purpose with may_copy, or drop it.';
	END LOOP;
	PERFORM personalize.invalidate_relation_internal(protect.relation);
END
$$;
COMMENT ON FUNCTION personalize.protect(regclass, name, name, text, jsonb, text, text, boolean) IS
	'Protects a relation: from now on a query sees only rows of subjects who agreed to its purpose, and only columns of the categories the purpose lists';

CREATE OR REPLACE FUNCTION personalize.add_subject_path(relation regclass, columns name[], ownership text DEFAULT 'owner',
	kind text DEFAULT 'subject', via boolean DEFAULT false)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	r personalize.registry_relation;
	numbers smallint[];
BEGIN
	PERFORM personalize.registry_begin_internal();
	r := personalize.protected_relation_internal(add_subject_path.relation);
	IF add_subject_path.columns IS NULL OR add_subject_path.kind IS NULL OR add_subject_path.ownership IS NULL
		OR add_subject_path.via IS NULL THEN
		RAISE EXCEPTION 'columns, ownership, kind and via must not be null' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	IF add_subject_path.ownership NOT IN ('owner', 'access') THEN
		RAISE EXCEPTION 'ownership "%" is not known', personalize.shown_internal(add_subject_path.ownership)
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Use owner or access.';
	END IF;
	IF cardinality(add_subject_path.columns) = 0 OR array_ndims(add_subject_path.columns) <> 1 THEN
		RAISE EXCEPTION 'a column must be named' USING ERRCODE = 'invalid_parameter_value';
	END IF;
	EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', personalize.relation_text_internal(r.relid));
	numbers := personalize.path_columns_internal(r.relid, add_subject_path.columns);
	IF add_subject_path.via THEN
		PERFORM personalize.path_via_internal(r.relid, numbers, add_subject_path.ownership);
	ELSE
		PERFORM personalize.path_keyed_internal(r.relid, numbers, add_subject_path.ownership, add_subject_path.kind);
	END IF;
END
$$;
COMMENT ON FUNCTION personalize.add_subject_path(regclass, name[], text, text, boolean) IS
	'Adds a subject to a protected relation: a row then needs the consent of each. Several columns make up a key, the text of an array of their values; with via they are those of a foreign key to another protected relation';

CREATE OR REPLACE FUNCTION personalize.unprotect(relation regclass)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	r personalize.registry_relation;
	children personalize.registry_child[];
	others text;
	item record;
BEGIN
	PERFORM personalize.registry_begin_internal();
	r := personalize.protected_relation_internal(unprotect.relation);
	SELECT string_agg(DISTINCT personalize.relation_text_internal(c.relid), ', ') INTO others
		FROM personalize.registry_path AS p JOIN personalize.registry_path AS c ON c.via_path_id = p.path_id
		WHERE p.relid = r.relid;
	IF others IS NOT NULL THEN
		RAISE EXCEPTION 'relations lead to subjects by way of %: %', personalize.relation_text_internal(r.relid), others
			USING ERRCODE = 'dependent_objects_still_exist', HINT = 'Unprotect these first.';
	END IF;
	/* its trigger would stop all writes, and what is published would be open to everybody */
	SELECT string_agg(format('exclusion "%s"', e.name), ', ' ORDER BY e.name COLLATE "C") INTO others
		FROM personalize.exclusion AS e JOIN personalize.registry_path AS p ON p.path_id = e.path_id WHERE p.relid = r.relid;
	IF EXISTS (SELECT FROM personalize.preference_copy AS c WHERE c.relation = r.relid) THEN
		others := concat_ws(', ', others, 'preferences that are published');
	END IF;
	IF others IS NOT NULL THEN
		RAISE EXCEPTION 'relation % is needed for %', personalize.relation_text_internal(r.relid), others
			USING ERRCODE = 'dependent_objects_still_exist', HINT = 'Call drop_exclusion(), or unpublish_preferences(), first.';
	END IF;
	EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', personalize.relation_text_internal(r.relid));
	PERFORM personalize.close_window_internal(r.relid);
	/* the registry first: from here on the library no longer defends the policies */
	children := ARRAY(SELECT h FROM personalize.registry_child AS h WHERE h.relid = r.relid);
	DELETE FROM personalize.registry_child AS h WHERE h.relid = r.relid;
	DELETE FROM personalize.registry_column AS k WHERE k.relid = r.relid;
	DELETE FROM personalize.retained AS x USING personalize.registry_path AS p WHERE p.relid = r.relid AND x.path_id = p.path_id;
	IF FOUND THEN
		RAISE WARNING 'rows of erased persons in relation % are retained, and will not be deleted any more', personalize.relation_text_internal(r.relid)
			USING HINT = 'Delete them when their time is over.';
	END IF;
	DELETE FROM personalize.registry_erasure AS e USING personalize.registry_path AS p WHERE p.relid = r.relid AND e.path_id = p.path_id;
	DELETE FROM personalize.registry_path AS p WHERE p.relid = r.relid;
	DELETE FROM personalize.registry_retention AS x WHERE x.relid = r.relid;
	DELETE FROM personalize.registry_relation AS x WHERE x.relid = r.relid;
	PERFORM personalize.invalidate_relation_internal(r.relid);
	FOR item IN SELECT r.relid AS relid, r.rls_was_enabled AS was_enabled, r.rls_was_forced AS was_forced
		UNION ALL
		SELECT h.child_relid, h.rls_was_enabled, h.rls_was_forced FROM unnest(children) AS h
			WHERE EXISTS (SELECT 1 FROM pg_class AS c WHERE c.oid = h.child_relid)
	LOOP
		PERFORM personalize.policies_drop_internal(item.relid);
		PERFORM personalize.rls_restore_internal(item.relid, item.was_enabled, item.was_forced);
	END LOOP;
	IF r.hard THEN
		PERFORM personalize.hard_set_internal(x.relid, false)
			FROM (SELECT r.relid AS relid UNION ALL SELECT personalize.descendants_internal(r.relid)) AS x;
	END IF;
	/* partitions that came later carry no policy of ours, unless somebody put one there by hand */
	PERFORM personalize.policies_drop_internal(d.id) FROM personalize.descendants_internal(r.relid) AS d (id);
END
$$;
COMMENT ON FUNCTION personalize.unprotect(regclass) IS
	'Ends the protection of a relation: removes its policies and registry entries and puts row security back to where it stood';
