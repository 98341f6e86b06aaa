/*
 * What erasure does with which rows: rules for each path, rows that belong to
 * several persons, legal holds.
 *
 * A row that belongs to several owners lives until the last of them is erased:
 * whoever leaves before is anonymized in it.  It is "lone" when no other owner
 * is left.  Several persons who are erased together leave together: what only
 * they own is deleted.
 *
 * Statements are made here and run by rights_run_internal(), with the key as
 * $1, or by rights_run_set_internal(), with an array of keys, and new values as
 * $2.  How a path leads to a person is known by src/rights_path.c and the functions
 * that come first, and nowhere else.
 */
CREATE OR REPLACE FUNCTION personalize.rights_is_internal(path_id integer) RETURNS text
	LANGUAGE c STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'personalize_rights_is';
COMMENT ON FUNCTION personalize.rights_is_internal(integer) IS 'The condition on rows that a path leads to the person with key $1';
CREATE OR REPLACE FUNCTION personalize.rights_are_internal(path_id integer) RETURNS text
	LANGUAGE c STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'personalize_rights_are';
COMMENT ON FUNCTION personalize.rights_are_internal(integer) IS 'The condition on rows that a path leads to one of the persons with the keys in array $1';
CREATE OR REPLACE FUNCTION personalize.rights_key_internal(path_id integer) RETURNS text
	LANGUAGE c STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'personalize_rights_key';
COMMENT ON FUNCTION personalize.rights_key_internal(integer) IS 'The expression for the canonical key of the person that a path leads a row to';
CREATE OR REPLACE FUNCTION personalize.rights_values(path_id integer, "column" integer, keys text[], like_this anyelement) RETURNS anyarray
	LANGUAGE c STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'personalize_policy_ok';
COMMENT ON FUNCTION personalize.rights_values(integer, integer, text[], anyelement) IS
	'Stands in statements that serve rights for path_values(); any other call is refused';
CREATE OR REPLACE FUNCTION personalize.path_values(mark personalize.plan_mark, "column" integer, keys text[], like_this anyelement) RETURNS anyarray
	LANGUAGE c STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'personalize_path_values';
COMMENT ON FUNCTION personalize.path_values(personalize.plan_mark, integer, text[], anyelement) IS
	'What a column that leads to persons by several columns or a foreign key is in rows of persons; placed by the planner hook';
CREATE OR REPLACE FUNCTION personalize.rights_path_key(path_id integer, VARIADIC columns "any") RETURNS text
	LANGUAGE c STABLE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'personalize_policy_ok';
COMMENT ON FUNCTION personalize.rights_path_key(integer, "any") IS
	'Stands in statements that serve rights for path_name(); any other call is refused';
CREATE OR REPLACE FUNCTION personalize.path_name(mark personalize.plan_mark, VARIADIC columns "any") RETURNS text
	LANGUAGE c STABLE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'personalize_path_name';
COMMENT ON FUNCTION personalize.path_name(personalize.plan_mark, "any") IS
	'The canonical key of the person that a row leads to; placed by the planner hook';

CREATE OR REPLACE FUNCTION personalize.rights_nobody_internal(path_id integer)
RETURNS text
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN (SELECT format('%s IS NULL', CASE WHEN p.via_path_id IS NULL AND cardinality(p.columns) = 1 THEN quote_ident(p.column_names[1])
			ELSE personalize.rights_key_internal(p.path_id) END)
		FROM personalize.registry_path AS p WHERE p.path_id = rights_nobody_internal.path_id);
END
$$;
COMMENT ON FUNCTION personalize.rights_nobody_internal(integer) IS 'The condition on rows that a path leads to nobody';

CREATE OR REPLACE FUNCTION personalize.rights_lone_internal(relid oid, kind_id integer)
RETURNS text
LANGUAGE sql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce(string_agg(format(' AND (%s%s)', personalize.rights_nobody_internal(p.path_id),
		CASE WHEN p.kind_id = $2 THEN ' OR ' || personalize.rights_is_internal(p.path_id) ELSE '' END), '' ORDER BY p.path_id), '')
	FROM personalize.registry_path AS p WHERE p.relid = $1 AND p.ownership = 'owner'
$$;
COMMENT ON FUNCTION personalize.rights_lone_internal(oid, integer) IS
	'The condition, to be appended, on rows that have no other owner than the person with key $1';

CREATE OR REPLACE FUNCTION personalize.rights_update_text_internal(path_id integer, columns text[], condition text)
RETURNS text
LANGUAGE sql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	/* null where there is nothing to change */
	SELECT format('UPDATE %s SET ', personalize.relation_text_internal(p.relid))
		|| (SELECT string_agg(format('%I = (pg_catalog.jsonb_populate_record(NULL::%s, $2)).%1$I', u.name, personalize.relation_text_internal(p.relid)), ', ')
			FROM unnest($2) AS u (name)) || format(' WHERE %s', $3)
	FROM personalize.registry_path AS p WHERE p.path_id = $1
$$;
COMMENT ON FUNCTION personalize.rights_update_text_internal(integer, text[], text) IS
	'A statement that gives columns the values in $2';

CREATE OR REPLACE FUNCTION personalize.rights_update_each_internal(path_id integer, columns text[], condition text)
RETURNS text
LANGUAGE sql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('UPDATE %s SET %s WHERE %s', personalize.relation_text_internal(p.relid),
		(SELECT string_agg(format('%I = (pg_catalog.jsonb_populate_record(NULL::%s, $2 OPERATOR(pg_catalog.->) %s)).%1$I', u.name,
				personalize.relation_text_internal(p.relid), personalize.rights_key_internal(p.path_id)), ', ')
			FROM unnest($2) AS u (name)), $3)
	FROM personalize.registry_path AS p WHERE p.path_id = $1
$$;
COMMENT ON FUNCTION personalize.rights_update_each_internal(integer, text[], text) IS
	'A statement that gives columns the values that $2 has for the key of the person';

CREATE OR REPLACE FUNCTION personalize.rows_deleted_internal(relid oid, kind_id integer, paths integer[])
RETURNS text
LANGUAGE sql STABLE STRICT PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT '(' || (SELECT string_agg(personalize.rights_are_internal(d.id), ' OR ' ORDER BY d.id) FROM unnest($3) AS d (id)) || ')'
		|| coalesce((SELECT string_agg(format(' AND (%s%s)', personalize.rights_nobody_internal(o.path_id),
				CASE WHEN o.kind_id = $2 THEN ' OR ' || personalize.rights_are_internal(o.path_id) ELSE '' END), '' ORDER BY o.path_id)
			FROM personalize.registry_path AS o
			WHERE o.relid = $1 AND o.ownership = 'owner' AND ARRAY[o.path_id] <> $3), '')
		/* what another path to the same person retains is retained; what another owner retains, too */
		|| coalesce((SELECT string_agg(format(' AND (%s%s) IS NOT TRUE', personalize.rights_are_internal(k.path_id),
				CASE WHEN k.ownership <> 'owner' THEN ' AND (' || (SELECT string_agg(format('(%s) COLLATE pg_catalog."C" OPERATOR(pg_catalog.=) %s',
					personalize.rights_key_internal(k.path_id), personalize.rights_key_internal(d.id)), ' OR ' ORDER BY d.id) FROM unnest($3) AS d (id)) || ')'
					ELSE '' END), '' ORDER BY k.path_id)
			FROM personalize.registry_path AS k JOIN personalize.registry_erasure AS g ON g.path_id = k.path_id AND g.action = 'retain'
			WHERE k.relid = $1 AND k.kind_id = $2), '')
$$;
COMMENT ON FUNCTION personalize.rows_deleted_internal(oid, integer, integer[]) IS
	'The condition on rows of a relation that are deleted with the persons whose keys are $1: some path leads to one of them, and there is no other owner and nothing that retains them';

CREATE OR REPLACE FUNCTION personalize.erase_steps_internal(kind_id integer)
RETURNS SETOF personalize.erase_step
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	p record;
	r record;
	deleted text;
	delete_paths integer[];
	s personalize.erase_step;
	ord integer := 0;
BEGIN
	FOR r IN SELECT x.relid, x.relation_name,
			(SELECT count(*) FROM personalize.registry_path AS y WHERE y.relid = x.relid) > 1 AS others,
			EXISTS (SELECT FROM pg_constraint AS f WHERE f.contype = 'f' AND f.conrelid = x.relid AND f.confrelid = x.relid) AS refers_to_itself
		FROM personalize.erase_plan_internal(kind_id) AS x ORDER BY x.step
	LOOP
		s.relid := r.relid;
		s.relation_name := r.relation_name;
		SELECT array_agg(q.path_id ORDER BY q.path_id) INTO delete_paths
			FROM personalize.registry_path AS q LEFT JOIN personalize.registry_erasure AS e ON e.path_id = q.path_id
			WHERE q.relid = r.relid AND q.kind_id = kind_id AND q.ownership = 'owner' AND coalesce(e.action, 'delete') = 'delete';
		deleted := personalize.rows_deleted_internal(r.relid, kind_id, delete_paths);
		/*
		 * Rows are deleted before those that stay are changed; but where the
		 * relation refers to itself, after: who is named in rows that stay must
		 * be taken out before the foreign key forbids it, or does half of it.
		 */
		FOR p IN SELECT w.path_id, w.rule, w.columns, w.reason, w.keep_for
			FROM (SELECT NULL::integer AS path_id, 'gone' AS rule, NULL::jsonb AS columns, NULL::text AS reason, NULL::interval AS keep_for,
					CASE WHEN r.refers_to_itself THEN 3 ELSE 0 END AS place
				WHERE deleted IS NOT NULL
				UNION ALL
				SELECT w.path_id, coalesce(e.action, CASE w.ownership WHEN 'owner' THEN 'delete' ELSE 'anonymize' END), coalesce(e.columns, '{}'), e.reason, e.keep_for,
					/* the key that rows of the relation itself refer to after what refers to it */
					CASE WHEN EXISTS (SELECT FROM pg_constraint AS f WHERE f.contype = 'f' AND f.conrelid = w.relid AND f.confrelid = w.relid
						AND f.confkey && w.columns) THEN 2 ELSE 1 END
				FROM personalize.registry_path AS w LEFT JOIN personalize.registry_erasure AS e ON e.path_id = w.path_id
				WHERE w.relid = r.relid AND w.kind_id = kind_id) AS w
			ORDER BY w.place, w.path_id
		LOOP
			/* what is not deleted: of other owners, or by another rule */
			CONTINUE WHEN p.rule = 'delete' AND (NOT r.others OR NOT EXISTS (SELECT FROM personalize.registry_path AS q
				WHERE q.relid = r.relid AND q.path_id <> p.path_id AND q.ownership = 'owner'));
			ord := ord + 1;
			s.step := ord;
			IF p.rule = 'gone' THEN
				s.path_id := delete_paths[1];
				s.paths := delete_paths;
				s.action := 'delete';
				s.condition := deleted;
				s.columns := '{}';
			ELSE
				s.path_id := p.path_id;
				s.paths := ARRAY[p.path_id];
				s.action := CASE p.rule WHEN 'retain' THEN 'retain' ELSE 'anonymize' END;
				s.condition := personalize.rights_are_internal(p.path_id) || coalesce(' AND (' || deleted || ') IS NOT TRUE', '');
				s.columns := p.columns;
			END IF;
			s.reason := p.reason;
			s.keep_for := p.keep_for;
			s.count_text := format('SELECT pg_catalog.count(*) FROM %s WHERE %s', s.relation_name, s.condition);
			s.delete_text := CASE s.action WHEN 'delete' THEN format('DELETE FROM %s WHERE %s', s.relation_name, s.condition) END;
			RETURN NEXT s;
		END LOOP;
	END LOOP;
END
$$;
COMMENT ON FUNCTION personalize.erase_steps_internal(integer) IS
	'What erasing subjects of a kind does, in its order: which rows of which relation are deleted, anonymized or retained';

CREATE OR REPLACE FUNCTION personalize.pseudonym_internal(type oid, pseudonym uuid)
RETURNS jsonb
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	/* negative: keys of applications are not */
	SELECT CASE
		WHEN $1 = 'uuid'::regtype THEN to_jsonb($2::text)
		WHEN $1 = 'int8'::regtype THEN to_jsonb(-(('x' || substr(replace($2::text, '-', ''), 1, 16))::bit(64)::bigint & 4611686018427387903) - 1)
		WHEN $1 = 'int2'::regtype THEN to_jsonb(-(('x' || substr(replace($2::text, '-', ''), 1, 8))::bit(32)::integer & 16383) - 1)
		WHEN $1 = 'int4'::regtype THEN to_jsonb(-(('x' || substr(replace($2::text, '-', ''), 1, 8))::bit(32)::integer & 1073741823) - 1)
		WHEN $1 IN ('text'::regtype, 'varchar'::regtype) THEN to_jsonb('erased-' || $2::text)
	END
$$;
COMMENT ON FUNCTION personalize.pseudonym_internal(oid, uuid) IS
	'What stands for an erased person in a column of a type: the same for all rows, and never said of anybody else; NULL for types that can have none';

CREATE OR REPLACE FUNCTION personalize.anonymous_spec_internal(path_id integer, rule jsonb, leads boolean)
RETURNS jsonb
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	item record;
	changes jsonb := '{}';
	spec jsonb;
BEGIN
	FOR item IN
		/* the person's own column goes in any case, unless the row is to lead to the person still */
		SELECT u.name::text AS name, CASE WHEN a.attnotnull THEN '{"pseudonym": true}' ELSE 'null'::jsonb END AS spec, a.attname, a.attnotnull,
				coalesce(nullif(t.typbasetype, 0), t.oid) AS base, p.relid, a.attnum
			FROM personalize.registry_path AS p CROSS JOIN LATERAL unnest(p.columns, p.column_names) WITH ORDINALITY AS u (attnum, name, place)
				JOIN pg_attribute AS a ON a.attrelid = p.relid AND a.attnum = u.attnum JOIN pg_type AS t ON t.oid = a.atttypid
			/* of several columns those that may be null are enough; by a foreign key, the row referred to is cut off */
			WHERE p.path_id = anonymous_spec_internal.path_id AND NOT leads AND NOT rule ? a.attname::text AND p.via_path_id IS NULL
				AND (NOT a.attnotnull OR (u.place = cardinality(p.columns) AND NOT EXISTS (SELECT FROM pg_attribute AS x
					WHERE x.attrelid = p.relid AND x.attnum = ANY (p.columns) AND NOT x.attnotnull)))
		UNION ALL
		SELECT e.key, e.value, a.attname, a.attnotnull, coalesce(nullif(t.typbasetype, 0), t.oid), p.relid, a.attnum
			FROM personalize.registry_path AS p CROSS JOIN LATERAL jsonb_each(rule) AS e
				LEFT JOIN pg_attribute AS a ON a.attrelid = p.relid AND a.attname::text = e.key AND a.attnum > 0 AND NOT a.attisdropped
				LEFT JOIN pg_type AS t ON t.oid = a.atttypid
			WHERE p.path_id = anonymous_spec_internal.path_id
		ORDER BY 1
	LOOP
		IF item.attname IS NULL THEN
			RAISE EXCEPTION 'the rule by which relation % is anonymized names a column that does not exist: %', personalize.relation_text_internal(item.relid), quote_ident(item.name)
				USING ERRCODE = 'undefined_column', HINT = 'Call personalize.set_erasure() again; nothing may be left out of an erasure.';
		END IF;
		spec := jsonb_build_object('value', item.spec);
		/* a literal, as set_erasure() has tried it */
		IF jsonb_typeof(item.spec) = 'string' AND item.base IN ('jsonb'::regtype, 'json'::regtype) THEN
			spec := jsonb_build_object('value', (item.spec #>> '{}')::jsonb);
		END IF;
		IF item.spec = '{"pseudonym": true}' THEN
			spec := jsonb_build_object('pseudonym', item.base);
			IF personalize.pseudonym_internal(item.base, '00000000-0000-0000-0000-000000000000') IS NULL OR (item.attnotnull AND EXISTS (SELECT FROM pg_constraint AS f
				WHERE f.contype = 'f' AND f.conrelid = item.relid AND item.attnum = ANY (f.conkey))) THEN
				RAISE EXCEPTION 'column % of relation % cannot be anonymized: it cannot be null, and can have no pseudonym',
						quote_ident(item.attname), personalize.relation_text_internal(item.relid)
					USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Drop the NOT NULL, or call personalize.set_erasure() with another rule.';
			END IF;
		END IF;
		changes := changes || jsonb_build_object(item.attname, spec);
	END LOOP;
	RETURN changes;
END
$$;
COMMENT ON FUNCTION personalize.anonymous_spec_internal(integer, jsonb, boolean) IS
	'What becomes of the columns that a rule anonymizes, and, unless it leads there still, of those that lead to the person: for each an object with a value, or with the type of a pseudonym';

CREATE OR REPLACE FUNCTION personalize.anonymous_values_internal(spec jsonb, pseudonym uuid)
RETURNS jsonb
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce(jsonb_object_agg(e.key, CASE WHEN e.value ? 'pseudonym'
		THEN personalize.pseudonym_internal((e.value ->> 'pseudonym')::oid, $2) ELSE e.value -> 'value' END), '{}')
	FROM jsonb_each($1) AS e
$$;
COMMENT ON FUNCTION personalize.anonymous_values_internal(jsonb, uuid) IS
	'New values of anonymized columns for a person with a pseudonym';

CREATE OR REPLACE VIEW personalize.path_end_internal AS
	WITH RECURSIVE way AS (
		SELECT p.path_id, p.via_path_id, p.column_names FROM personalize.registry_path AS p
		UNION ALL
		SELECT w.path_id, p.via_path_id, p.column_names FROM way AS w JOIN personalize.registry_path AS p ON p.path_id = w.via_path_id)
	SELECT w.path_id, w.column_names FROM way AS w WHERE w.via_path_id IS NULL;
COMMENT ON VIEW personalize.path_end_internal IS 'The columns with the key at the end of each path, its own where it leads nowhere else';

CREATE OR REPLACE FUNCTION personalize.set_erasure(relation regclass, action text, columns jsonb DEFAULT '{}', reason text DEFAULT NULL,
	keep_for interval DEFAULT NULL, subject name DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	r personalize.registry_relation;
	path record;
	item record;
	a record;
BEGIN
	PERFORM personalize.registry_begin_internal();
	r := personalize.protected_relation_internal(set_erasure.relation);
	IF set_erasure.action IS NULL OR set_erasure.action NOT IN ('delete', 'anonymize', 'retain') THEN
		RAISE EXCEPTION 'action "%" is not known', personalize.shown_internal(coalesce(set_erasure.action, 'null'))
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Use delete, anonymize or retain.';
	END IF;
	IF set_erasure.columns IS NULL OR jsonb_typeof(set_erasure.columns) <> 'object' THEN
		RAISE EXCEPTION 'columns must be an object of columns and what they become'
			USING ERRCODE = 'invalid_parameter_value', HINT = 'For example ''{"email": null, "name": "removed", "login": {"pseudonym": true}}''.';
	END IF;
	IF set_erasure.action = 'retain' AND coalesce(set_erasure.reason, '') = '' THEN
		RAISE EXCEPTION 'a reason must be given for what is retained'
			USING ERRCODE = 'null_value_not_allowed', HINT = 'It stands on the certificate, for example "tax law, 10 years".';
	END IF;
	IF set_erasure.keep_for <= interval '0' THEN
		RAISE EXCEPTION 'keep_for must be longer than nothing' USING ERRCODE = 'invalid_parameter_value';
	END IF;
	/* a foreign key may lead to several persons: then by the column that ends the way, too */
	SELECT p.path_id, p.ownership INTO path FROM personalize.registry_path AS p
		WHERE p.relid = r.relid AND (set_erasure.subject IS NULL OR set_erasure.subject = ANY (p.column_names)
			OR EXISTS (SELECT FROM personalize.path_end_internal AS w, unnest(p.column_names) AS x (name), unnest(w.column_names) AS y (name)
				WHERE p.via_path_id IS NOT NULL AND w.path_id = p.path_id AND set_erasure.subject = (x.name || '.' || y.name)::name)) ORDER BY p.path_id LIMIT 1;
	IF path.path_id IS NULL THEN
		RAISE EXCEPTION 'column %.% does not lead to a subject', personalize.relation_text_internal(r.relid), quote_ident(set_erasure.subject)
			USING ERRCODE = 'undefined_object', HINT = 'The view personalize.protected_relations lists the paths.';
	END IF;
	IF set_erasure.action = 'delete' AND path.ownership <> 'owner' THEN
		RAISE EXCEPTION 'rows of relation % belong to others', personalize.relation_text_internal(r.relid)
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Use anonymize: what only names the person is not deleted with the person.';
	END IF;
	FOR item IN SELECT e.key, e.value FROM jsonb_each(set_erasure.columns) AS e ORDER BY e.key COLLATE "C" LOOP
		IF octet_length(item.key) > 63 THEN
			RAISE EXCEPTION 'name of column is too long' USING ERRCODE = 'undefined_column';
		END IF;
		IF set_erasure.action = 'retain' AND EXISTS (SELECT FROM personalize.registry_path AS p
			WHERE p.relid = r.relid AND item.key::name = ANY (p.column_names)) THEN
			RAISE EXCEPTION 'column % leads to a subject: rows that are retained keep it', quote_ident(item.key)
				USING ERRCODE = 'invalid_parameter_value', HINT = 'By it they are found when they need not be retained any more; until then they are withheld.';
		END IF;
		IF jsonb_typeof(item.value) IN ('string', 'number', 'boolean') AND EXISTS (SELECT FROM personalize.registry_path AS p
			WHERE p.relid = r.relid AND item.key::name = ANY (p.column_names)) THEN
			RAISE EXCEPTION 'column % leads to a subject: it cannot become a value', quote_ident(item.key)
				USING ERRCODE = 'invalid_parameter_value', HINT = 'Use null or {"pseudonym": true}; anything else could be the key of somebody.';
		END IF;
		SELECT x.attnum, x.attname, x.attnotnull, x.attgenerated, coalesce(nullif(t.typbasetype, 0), t.oid) AS base INTO a
			FROM pg_attribute AS x JOIN pg_type AS t ON t.oid = x.atttypid
			WHERE x.attrelid = r.relid AND x.attnum = personalize.column_number_internal(r.relid, item.key::name);
		IF a.attgenerated <> '' THEN
			RAISE EXCEPTION 'column % is generated', quote_ident(a.attname) USING ERRCODE = 'invalid_parameter_value', HINT = 'Name the columns it is computed from.';
		END IF;
		CASE
			WHEN item.value = 'null' THEN
				IF a.attnotnull THEN
					RAISE EXCEPTION 'column % cannot be null', quote_ident(a.attname)
						USING ERRCODE = 'not_null_violation', HINT = 'Give a value, or {"pseudonym": true}.';
				END IF;
			WHEN item.value = '{"pseudonym": true}' THEN
				IF personalize.pseudonym_internal(a.base, gen_random_uuid()) IS NULL THEN
					RAISE EXCEPTION 'column % of type % cannot have a pseudonym', quote_ident(a.attname), format_type(a.base, NULL)
						USING ERRCODE = 'datatype_mismatch', HINT = 'Columns of type integer, bigint, uuid and text can.';
				END IF;
			WHEN jsonb_typeof(item.value) IN ('string', 'number', 'boolean') THEN
				PERFORM personalize.check_mask_internal(r.relid, a.attnum, item.value #>> '{}');
			ELSE
				RAISE EXCEPTION 'column % cannot become that', quote_ident(a.attname)
					USING ERRCODE = 'invalid_parameter_value', HINT = 'Use null, a string, a number, a boolean or {"pseudonym": true}.';
		END CASE;
	END LOOP;
	INSERT INTO personalize.registry_erasure (path_id, action, columns, reason, keep_for)
		VALUES (path.path_id, set_erasure.action, set_erasure.columns, set_erasure.reason, set_erasure.keep_for)
		ON CONFLICT (path_id) DO UPDATE SET action = EXCLUDED.action, columns = EXCLUDED.columns, reason = EXCLUDED.reason, keep_for = EXCLUDED.keep_for;
END
$$;
COMMENT ON FUNCTION personalize.set_erasure(regclass, text, jsonb, text, interval, name) IS
	'Says what erasure does with rows of a relation: delete, anonymize (columns become NULL, a value, or a pseudonym that keeps grouping) or retain, with the reason and for how long (of these, too, columns can be anonymized that need not be retained)';

CREATE OR REPLACE VIEW personalize.erasure_rules AS
	SELECT pg_catalog.format('%I.%I', r.schema_name, r.relation_name) AS relation_name, p.column_names::text[] AS subject,
		CASE WHEN p.via_path_id IS NOT NULL THEN w.column_names::text[] END AS leads_to, p.ownership,
		COALESCE(e.action, CASE p.ownership WHEN 'owner' THEN 'delete' ELSE 'anonymize' END) AS action, e.columns, e.reason, e.keep_for
	FROM personalize.registry_path AS p JOIN personalize.registry_relation AS r ON r.relid = p.relid
		JOIN personalize.path_end_internal AS w ON w.path_id = p.path_id
		LEFT JOIN personalize.registry_erasure AS e ON e.path_id = p.path_id;
COMMENT ON VIEW personalize.erasure_rules IS
	'What erasure does with the rows of each protected relation';

CREATE OR REPLACE FUNCTION personalize.hold_subject(subject text, reason text, relation regclass DEFAULT NULL, kind text DEFAULT 'subject')
RETURNS uuid
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	who record;
	id uuid;
BEGIN
	who := personalize.rights_begin_internal(hold_subject.kind, hold_subject.subject);
	IF coalesce(hold_subject.reason, '') = '' THEN
		RAISE EXCEPTION 'a reason must be given' USING ERRCODE = 'null_value_not_allowed', HINT = 'For example the number of the case.';
	END IF;
	IF personalize.text_names_internal(hold_subject.reason, ARRAY[who.key]) THEN
		RAISE EXCEPTION 'reason must not name the subject' USING ERRCODE = 'invalid_parameter_value', HINT = 'Refer to the case, not to the person.';
	END IF;
	IF hold_subject.relation IS NOT NULL THEN
		PERFORM personalize.protected_relation_internal(hold_subject.relation);
	END IF;
	INSERT INTO personalize.hold AS h (kind_id, subject_no, relation, reason, placed_by)
		VALUES (who.kind_id, personalize.subject_no_internal(who.kind_id, who.key, true), hold_subject.relation, hold_subject.reason, session_user)
		RETURNING h.hold_id INTO id;
	RETURN id;
END
$$;
COMMENT ON FUNCTION personalize.hold_subject(text, text, regclass, text) IS
	'Places a legal hold on the rows of a person, in one relation, with those that it refers to, or in all: erasure withholds them and leaves them until release_hold()';

CREATE OR REPLACE FUNCTION personalize.hold_reach_internal(relation oid)
RETURNS oid[]
LANGUAGE plpgsql STABLE PARALLEL SAFE STRICT
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off	/* the catalog is larger than what is found */
AS $$
BEGIN
	RETURN ARRAY(WITH RECURSIVE reach (relid) AS (
			SELECT hold_reach_internal.relation
			UNION
			SELECT f.confrelid FROM reach AS r JOIN pg_constraint AS f ON f.conrelid = r.relid AND f.contype = 'f' AND f.conparentid = 0
				JOIN personalize.registry_relation AS x ON x.relid = f.confrelid)
		SELECT r.relid FROM reach AS r ORDER BY r.relid);
END
$$;
COMMENT ON FUNCTION personalize.hold_reach_internal(oid) IS
	'Where a legal hold on rows of a relation is: there, and in the protected relations that its rows refer to, which could not go before them';

CREATE OR REPLACE VIEW personalize.holds AS
	SELECT h.hold_id, k.name AS kind, COALESCE(s.key, h.key) AS subject, h.relation, h.reason, h.placed_at, h.placed_by, h.key IS NOT NULL AS erasure_waits
	FROM personalize.hold AS h JOIN personalize.registry_kind AS k ON k.kind_id = h.kind_id
		LEFT JOIN personalize.subject AS s ON s.subject_no = h.subject_no
	WHERE h.released_at IS NULL;
COMMENT ON VIEW personalize.holds IS 'Legal holds that were not released';
