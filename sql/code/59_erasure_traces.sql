/*
 * Rights: copies of erased rows in relations that are not protected.  Those
 * that were written down (personalize.copied) and still have the column that
 * leads to the person lose the rows, as their owners; of all others the
 * certificate says that they were not processed, and why.  Whoever owns a copy
 * cannot keep an erasure from being done, only this copy from being processed.
 */
CREATE OR REPLACE FUNCTION personalize.copy_steps_internal(kind_id integer, prepared personalize.erase_prepared)
RETURNS SETOF personalize.erase_step
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	c record;
	s personalize.erase_step;
BEGIN
	s.step := 0;
	FOR c IN
		SELECT x.id, r.relkind, personalize.relation_text_internal(x.id) AS name,
			array_agg(DISTINCT p.path_id) FILTER (WHERE p.path_id IS NOT NULL AND y.missing IS NULL) AS paths, string_agg(DISTINCT y.missing, ', ') AS missing
		FROM (SELECT d.copy::oid AS id, d.source::oid AS source FROM personalize.copied AS d WHERE d.source::oid = ANY (prepared.relids)
				UNION SELECT m.id, NULL FROM unnest(prepared.materialized) AS m (id)) AS x
			JOIN pg_class AS r ON r.oid = x.id
			LEFT JOIN personalize.registry_path AS p ON p.relid = x.source AND p.kind_id = copy_steps_internal.kind_id
			LEFT JOIN LATERAL (SELECT string_agg(format('%I of type %s', a.attname, format_type(a.atttypid, NULL)), ', ' ORDER BY a.attnum) AS missing
				FROM pg_attribute AS a WHERE a.attrelid = p.relid AND a.attnum = ANY (p.columns)
					AND NOT EXISTS (SELECT FROM pg_attribute AS b WHERE b.attrelid = x.id AND b.attname = a.attname
						AND b.atttypid = a.atttypid AND b.attnum > 0 AND NOT b.attisdropped)) AS y ON true
		/* what is protected itself is a relation like others */
		WHERE NOT EXISTS (SELECT FROM personalize.registry_relation AS g WHERE g.relid = x.id) AND NOT EXISTS (SELECT FROM personalize.registry_child AS h WHERE h.child_relid = x.id)
		GROUP BY x.id, r.relkind ORDER BY 3
	LOOP
		s.step := s.step + 1;
		s.relid := c.id;
		s.relation_name := c.name;
		s.paths := CASE WHEN c.relkind IN ('r', 'p') THEN c.paths END;
		s.path_id := s.paths[1];
		s.action := CASE WHEN s.paths IS NULL THEN 'none' ELSE 'delete' END;
		s.reason := CASE WHEN c.relkind = 'm' THEN 'it is a materialized view: REFRESH it under a purpose with may_copy, or drop it'
			WHEN c.relkind NOT IN ('r', 'p') THEN 'it is no table: its rows are elsewhere'
			WHEN c.missing IS NOT NULL THEN format('it has no column %s: drop it, or look for the person there', c.missing) END;
		s.condition := (SELECT '(' || string_agg(DISTINCT personalize.rights_are_internal(u.id), ' OR ') || ')' FROM unnest(s.paths) AS u (id));
		RETURN NEXT s;
	END LOOP;
END
$$;
COMMENT ON FUNCTION personalize.copy_steps_internal(integer, personalize.erase_prepared) IS
	'Copies of relations of an erasure, what is done with each, and why nothing or not all';

CREATE OR REPLACE FUNCTION personalize.erase_copies_internal(kind_id integer, prepared personalize.erase_prepared, keys text[], holds personalize.erase_holds, dry_run boolean)
RETURNS jsonb[]
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	s personalize.erase_step;
	free_keys text[] := keys;
	found_keys text[];
	found_rows bigint[];
	documents jsonb[];
BEGIN
	IF cardinality(prepared.materialized) = 0 AND NOT EXISTS (SELECT FROM personalize.copied AS d WHERE d.source::oid = ANY (prepared.relids)) THEN
		RETURN NULL;
	END IF;
	IF holds.keys IS NOT NULL THEN
		/* what is held in a relation is held in its copies */
		free_keys := ARRAY(SELECT k.key FROM unnest(keys) AS k (key) WHERE k.key <> ALL (holds.keys));
	END IF;
	documents := ARRAY(SELECT '[]'::jsonb FROM unnest(keys));
	FOR s IN SELECT x.* FROM personalize.copy_steps_internal(kind_id, prepared) AS x LOOP
		found_keys := NULL;
		found_rows := NULL;
		IF s.action = 'delete' AND cardinality(free_keys) > 0 THEN
			BEGIN
				SELECT array_agg(c.key), array_agg(c.rows) INTO found_keys, found_rows
					FROM personalize.rights_copy_internal(s.relid, personalize.erase_each_text_internal(s, NOT dry_run), free_keys) AS c;
				IF NOT dry_run AND EXISTS (SELECT FROM personalize.rights_copy_internal(s.relid, personalize.erase_each_text_internal(s, false), free_keys)) THEN
					RAISE EXCEPTION 'rows are left' USING ERRCODE = 'object_not_in_prerequisite_state';
				END IF;
			EXCEPTION WHEN OTHERS THEN
				/* two that waited for each other try again */
				IF SQLSTATE LIKE '40%' THEN
					RAISE;
				END IF;
				s.action := 'none';
				s.reason := 'a constraint, trigger or rule of it stands against it: drop it, or delete the rows';
				found_keys := NULL;
				found_rows := NULL;
			END;
		END IF;
		SELECT array_agg(d.document || jsonb_strip_nulls(jsonb_build_object('copy', s.relation_name,
				'action', CASE WHEN s.action = 'delete' AND NOT d.key = ANY (free_keys) THEN 'hold' ELSE s.action END,
				'rows', CASE WHEN s.action = 'delete' AND d.key = ANY (free_keys) THEN coalesce(f.rows, 0) END, 'reason', s.reason)) ORDER BY d.place)
			INTO documents
			FROM unnest(keys, documents) WITH ORDINALITY AS d (key, document, place) LEFT JOIN unnest(found_keys, found_rows) AS f (key, rows) ON f.key = d.key;
	END LOOP;
	RETURN documents;
END
$$;
COMMENT ON FUNCTION personalize.erase_copies_internal(integer, personalize.erase_prepared, text[], personalize.erase_holds, boolean) IS
	'Deletes rows of persons from copies, or counts them; what the certificate of each says of copies, in the order of the keys; NULL if there are none';
