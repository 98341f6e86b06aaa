/*
 * Paths: how a row of a protected relation leads to a subject.  By one column
 * that is the key; by several, whose values make up the key, as the text of an
 * array of theirs; or by those of a foreign key to another protected relation,
 * along each path of that one.
 */

CREATE OR REPLACE FUNCTION personalize.path_make_internal(relid oid, kind_id integer, columns smallint[], ownership text, via integer, referred smallint[])
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	r personalize.registry_relation;
	path integer;
	item record;
	bare boolean := NOT EXISTS (SELECT FROM personalize.registry_path AS p WHERE p.relid = path_make_internal.relid);
BEGIN
	SELECT x.* INTO STRICT r FROM personalize.registry_relation AS x WHERE x.relid = path_make_internal.relid;
	IF EXISTS (SELECT FROM personalize.registry_path AS p WHERE p.relid = r.relid AND p.columns = path_make_internal.columns
		AND p.via_path_id IS NOT DISTINCT FROM path_make_internal.via) THEN
		RAISE EXCEPTION 'relation % already leads to a subject by that column', personalize.relation_text_internal(r.relid)
			USING ERRCODE = 'duplicate_object';
	END IF;
	INSERT INTO personalize.registry_path (relid, kind_id, columns, column_names, ownership, via_path_id, via_columns, via_column_names)
		VALUES (r.relid, path_make_internal.kind_id, path_make_internal.columns,
			ARRAY(SELECT a.attname FROM unnest(path_make_internal.columns) WITH ORDINALITY AS u (attnum, place)
				JOIN pg_attribute AS a ON a.attrelid = r.relid AND a.attnum = u.attnum ORDER BY u.place),
			path_make_internal.ownership, path_make_internal.via, path_make_internal.referred,
			(SELECT array_agg(a.attname ORDER BY u.place) FROM unnest(path_make_internal.referred) WITH ORDINALITY AS u (attnum, place)
				JOIN personalize.registry_path AS p ON p.path_id = path_make_internal.via
				JOIN pg_attribute AS a ON a.attrelid = p.relid AND a.attnum = u.attnum))
		RETURNING path_id INTO path;
	/* an observed relation stays as it is */
	FOR item IN SELECT x.relid, x.rls_was_enabled
		FROM (SELECT r.relid AS relid, r.rls_was_enabled AS rls_was_enabled
			UNION ALL
			SELECT h.child_relid, h.rls_was_enabled FROM personalize.registry_child AS h WHERE h.relid = r.relid) AS x
		WHERE r.mode = 'enforce'
	LOOP
		PERFORM personalize.policies_make_internal(path, item.relid, bare AND NOT item.rls_was_enabled);
	END LOOP;
	PERFORM personalize.invalidate_relation_internal(r.relid);

	/* relations that go by this one follow */
	FOR item IN SELECT DISTINCT c.relid, c.columns, c.via_columns FROM personalize.registry_path AS p
			JOIN personalize.registry_path AS c ON c.via_path_id = p.path_id
		WHERE p.relid = r.relid AND p.path_id <> path
		ORDER BY c.relid, c.columns
	LOOP
		EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', personalize.relation_text_internal(item.relid));
		PERFORM personalize.path_make_internal(item.relid, path_make_internal.kind_id, item.columns, path_make_internal.ownership, path, item.via_columns);
	END LOOP;
END
$$;
COMMENT ON FUNCTION personalize.path_make_internal(oid, integer, smallint[], text, integer, smallint[]) IS
	'Writes a path of a protected relation and makes its policies; relations that go by this one follow';

CREATE OR REPLACE FUNCTION personalize.path_columns_internal(relid oid, columns name[])
RETURNS smallint[]
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	name name;
	numbers smallint[] := '{}';
BEGIN
	FOREACH name IN ARRAY columns LOOP
		numbers := numbers || personalize.column_number_internal(path_columns_internal.relid, name);
	END LOOP;
	IF cardinality(numbers) > 8 THEN
		RAISE EXCEPTION 'a path to a subject cannot have more than 8 columns' USING ERRCODE = 'program_limit_exceeded';
	END IF;
	IF cardinality(numbers) <> (SELECT count(DISTINCT u.n) FROM unnest(numbers) AS u (n)) THEN
		RAISE EXCEPTION 'a column is named twice' USING ERRCODE = 'duplicate_column';
	END IF;
	RETURN numbers;
END
$$;
COMMENT ON FUNCTION personalize.path_columns_internal(oid, name[]) IS 'Numbers of the columns of a path; errors for what does not exist';

CREATE OR REPLACE FUNCTION personalize.path_keyed_internal(relid oid, columns smallint[], ownership text, kind text)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	number smallint;
	class oid;
BEGIN
	FOREACH number IN ARRAY columns LOOP
		class := personalize.subject_class_internal(path_keyed_internal.relid, number);
	END LOOP;
	PERFORM personalize.path_make_internal(path_keyed_internal.relid,
		personalize.kind_for_class_internal(path_keyed_internal.kind, CASE WHEN cardinality(columns) > 1 THEN 'text'::regtype::oid ELSE class END),
		columns, path_keyed_internal.ownership, NULL, NULL);
END
$$;
COMMENT ON FUNCTION personalize.path_keyed_internal(oid, smallint[], text, text) IS 'Makes a path whose columns are the key of the subject';

CREATE OR REPLACE FUNCTION personalize.path_via_internal(relid oid, columns smallint[], ownership text)
RETURNS smallint[]
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	shown text := personalize.relation_text_internal(path_via_internal.relid);
	names text := (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY u.place)
		FROM unnest(columns) WITH ORDINALITY AS u (attnum, place)
			JOIN pg_attribute AS a ON a.attrelid = path_via_internal.relid AND a.attnum = u.attnum);
	f record;
	n bigint;
	item record;
BEGIN
	/* the foreign key of just these columns, else the one that has them */
	SELECT x.*, count(*) OVER () AS found INTO f
		FROM (SELECT c.conkey, c.confrelid, c.confkey, c.conpfeqop, c.convalidated, c.conindid, c.conname,
				cardinality(c.conkey) = cardinality(columns) AS exact,
				rank() OVER (ORDER BY cardinality(c.conkey) = cardinality(columns) DESC) AS place
			FROM pg_constraint AS c
			WHERE c.contype = 'f' AND c.conparentid = 0 AND c.conrelid = path_via_internal.relid AND c.conkey @> columns
				AND EXISTS (SELECT FROM personalize.registry_relation AS r WHERE r.relid = c.confrelid)) AS x
		WHERE x.place = 1
		ORDER BY x.conname LIMIT 1;
	IF f.conkey IS NULL THEN
		RAISE EXCEPTION 'column % of relation % is not part of a foreign key to a protected relation', names, shown
			USING ERRCODE = 'undefined_object', HINT = 'Protect the relation it refers to first, and make sure that there is a foreign key.';
	END IF;
	IF f.found > 1 THEN
		RAISE EXCEPTION 'several foreign keys of relation % to protected relations have column %', shown, names
			USING ERRCODE = 'ambiguous_column', HINT = 'Name all columns of the one that is meant with add_subject_path(..., via => true).';
	END IF;
	IF f.confrelid = path_via_internal.relid THEN
		RAISE EXCEPTION 'relation % cannot lead to subjects by itself', shown
			USING ERRCODE = 'feature_not_supported', HINT = 'Name a subject column, or the foreign key to another relation.';
	END IF;
	IF (SELECT r.mode FROM personalize.registry_relation AS r WHERE r.relid = path_via_internal.relid) = 'enforce'
		AND (SELECT r.mode FROM personalize.registry_relation AS r WHERE r.relid = f.confrelid) = 'observe' THEN
		RAISE EXCEPTION 'relation % leads to subjects by way of %, which is only observed', shown, personalize.relation_text_internal(f.confrelid)
			USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Whoever may change that one changes whom the rows of this are about: protect it with mode enforce first.';
	END IF;
	WITH RECURSIVE way (path_id, steps) AS (
		SELECT p.path_id, 1 FROM personalize.registry_path AS p WHERE p.relid = f.confrelid
		UNION ALL
		SELECT p.via_path_id, w.steps + 1 FROM way AS w JOIN personalize.registry_path AS p ON p.path_id = w.path_id WHERE p.via_path_id IS NOT NULL)
		SELECT max(w.steps) INTO n FROM way AS w;
	IF n > 16 THEN
		RAISE EXCEPTION 'relation % is too far away from its subjects', shown
			USING ERRCODE = 'program_limit_exceeded', HINT = 'A way can have 16 foreign keys.';
	END IF;
	IF NOT f.convalidated THEN
		RAISE EXCEPTION 'foreign key % of relation % is not valid', quote_ident(f.conname), shown
			USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'ALTER TABLE ... VALIDATE CONSTRAINT it first: its rows would belong to nobody.';
	END IF;
	IF cardinality(f.conkey) > 8 THEN
		RAISE EXCEPTION 'a path to a subject cannot have more than 8 columns' USING ERRCODE = 'program_limit_exceeded';
	END IF;
	/* the index is asked with the values as they are; equal ones must be the same, whatever compares them */
	IF EXISTS (SELECT FROM unnest(f.conkey, f.confkey) AS u (attnum, referred)
			CROSS JOIN LATERAL (VALUES (path_via_internal.relid, u.attnum), (f.confrelid, u.referred)) AS v (relid, attnum)
			JOIN pg_attribute AS a ON a.attrelid = v.relid AND a.attnum = v.attnum
			JOIN pg_type AS t ON t.oid = a.atttypid LEFT JOIN pg_collation AS l ON l.oid = a.attcollation
		WHERE coalesce(nullif(t.typbasetype, 0), t.oid) <> ALL ('{int2,int4,int8,uuid,text,varchar,numeric,date,timestamp,timestamptz}'::regtype[])
			OR NOT coalesce(l.collisdeterministic, true)) THEN
		RAISE EXCEPTION 'foreign key % of relation % compares values of a type that cannot lead to a subject', quote_ident(f.conname), shown
			USING ERRCODE = 'datatype_mismatch', HINT = 'Use integer types, uuid, text, varchar, numeric, date or timestamp, with a deterministic collation.';
	END IF;
	IF EXISTS (SELECT FROM unnest(f.conkey, f.conpfeqop) AS u (attnum, op)
			JOIN pg_attribute AS a ON a.attrelid = path_via_internal.relid AND a.attnum = u.attnum
			JOIN pg_type AS t ON t.oid = a.atttypid
			JOIN pg_operator AS o ON o.oid = u.op
		WHERE o.oprright <> coalesce(nullif(t.typbasetype, 0), t.oid)
			AND NOT EXISTS (SELECT FROM pg_cast AS k WHERE k.castsource = coalesce(nullif(t.typbasetype, 0), t.oid)
				AND k.casttarget = o.oprright AND k.castmethod = 'b'))
		OR NOT EXISTS (SELECT FROM pg_class AS i JOIN pg_am AS m ON m.oid = i.relam WHERE i.oid = f.conindid AND (m.amname = 'btree' OR i.relkind = 'I')) THEN
		RAISE EXCEPTION 'foreign key % of relation % compares values that are not of the same type', quote_ident(f.conname), shown
			USING ERRCODE = 'datatype_mismatch', HINT = 'Give the column the type of the one it refers to.';
	END IF;
	IF EXISTS (SELECT FROM pg_attribute AS a
		WHERE a.attnum > 0 AND a.attgenerated <> '' AND EXISTS (SELECT FROM pg_attribute AS b
				WHERE b.attrelid = path_via_internal.relid AND b.attnum = ANY (f.conkey) AND b.attname = a.attname)
			AND a.attrelid IN (SELECT path_via_internal.relid UNION ALL SELECT personalize.descendants_internal(path_via_internal.relid))) THEN
		RAISE EXCEPTION 'column %.% cannot lead to a subject: it is generated', shown, names
			USING ERRCODE = 'feature_not_supported', HINT = 'Protect by the column it is computed from.';
	END IF;
	/* an inheritance child does not have the foreign keys of its parent */
	IF EXISTS (SELECT FROM pg_class AS c WHERE NOT c.relispartition
		AND c.oid IN (SELECT personalize.descendants_internal(path_via_internal.relid))) THEN
		RAISE EXCEPTION 'relation % cannot lead to subjects by a foreign key: it has inheritance children', shown
			USING ERRCODE = 'feature_not_supported', HINT = 'Foreign keys are not inherited: use partitions, or a subject column.';
	END IF;
	n := 0;
	FOR item IN SELECT p.path_id, p.kind_id, p.ownership, p.relid FROM personalize.registry_path AS p WHERE p.relid = f.confrelid ORDER BY p.path_id LOOP
		n := n + 1;
		/* whoever only has access there does not own here */
		PERFORM personalize.path_make_internal(path_via_internal.relid, item.kind_id, f.conkey,
			CASE WHEN item.ownership = 'access' THEN 'access' ELSE path_via_internal.ownership END, item.path_id, f.confkey);
	END LOOP;
	IF n = 0 THEN
		RAISE EXCEPTION 'relation % leads to no subject', personalize.relation_text_internal(f.confrelid)
			USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Call add_subject_path() for it first.';
	END IF;
	RETURN f.conkey;
END
$$;
COMMENT ON FUNCTION personalize.path_via_internal(oid, smallint[], text) IS
	'Makes a path for each path of the protected relation that columns refer to by a foreign key; returns the columns of that';
