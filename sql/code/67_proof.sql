/*
 * Proof: what has come back under an erased key, and what is left of erased rows
 * below the tables.
 */
CREATE OR REPLACE FUNCTION personalize.returned_internal()
RETURNS TABLE (kind text, key text, relation_name text)
LANGUAGE sql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
	WITH steps AS MATERIALIZED (
		SELECT k.kind_id, s.* FROM personalize.registry_kind AS k CROSS JOIN LATERAL personalize.erase_steps_internal(k.kind_id) AS s
		WHERE EXISTS (SELECT FROM personalize.tombstone AS t WHERE t.kind_id = k.kind_id) AND s.action <> 'retain'
			/* a foreign key is cut off where it leads to */
			AND (s.action = 'delete' OR EXISTS (SELECT FROM personalize.registry_path AS p WHERE p.path_id = s.path_id AND p.via_path_id IS NULL)))
	SELECT k.name, u.key, personalize.relation_text_internal(p.relid)
	FROM personalize.registry_path AS p JOIN personalize.registry_kind AS k ON k.kind_id = p.kind_id
		CROSS JOIN LATERAL personalize.rights_select_keys_internal(p.path_id) AS u (key)
		JOIN personalize.tombstone AS t ON t.digest = personalize.tombstone_digest_internal(p.kind_id, u.key)
	WHERE personalize.relation_text_internal(p.relid) IS NOT NULL
		AND NOT EXISTS (SELECT FROM personalize.retained AS x WHERE x.path_id = p.path_id AND x.key = u.key)
		AND NOT EXISTS (SELECT FROM personalize.hold AS h WHERE h.kind_id = p.kind_id AND h.key = u.key AND h.released_at IS NULL)
		AND NOT EXISTS (SELECT FROM personalize.erasure_request AS q WHERE q.kind_id = p.kind_id AND q.key = u.key)
		AND coalesce((SELECT e.action FROM personalize.registry_erasure AS e WHERE e.path_id = p.path_id), '') <> 'retain'
		/* the key may be one that leads there from rows that another rule retains: would an erasure find anything? */
		AND EXISTS (SELECT FROM steps AS s WHERE s.kind_id = p.kind_id AND s.relid = p.relid
			AND personalize.rights_run_set_internal(s.path_id, format('SELECT pg_catalog.count(*) FROM %s WHERE %s', s.relation_name, s.condition), ARRAY[u.key], '{}') > 0)
$$;
COMMENT ON FUNCTION personalize.returned_internal() IS
	'Erased keys that relations hold rows of again, and that nothing retains';

CREATE OR REPLACE FUNCTION personalize.verify_erasure(certificate_id uuid)
RETURNS TABLE (ok boolean, detail text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	e personalize.erasure;
	digests bytea[];
	n bigint;
BEGIN
	PERFORM personalize.registry_begin_internal();
	SELECT x.* INTO e FROM personalize.erasure AS x WHERE x.certificate_id = verify_erasure.certificate_id;
	IF e.certificate_id IS NULL OR NOT e.certificate ? 'relations' THEN
		RAISE EXCEPTION 'certificate does not exist' USING ERRCODE = 'undefined_object', HINT = 'personalize.erasure lists them.';
	END IF;
	digests := ARRAY(SELECT t.digest FROM personalize.tombstone AS t WHERE t.erased_at = e.erased_at);
	IF cardinality(digests) = 0 THEN
		RETURN QUERY SELECT true, 'a later erasure has taken its place, the person has come back, or nobody was there'::text;
		RETURN;
	END IF;
	FOR ok, detail IN
		SELECT false, format('relation %s holds rows of the person again: they are withheld; reapply_erasures() removes them', r.relation_name)
			FROM personalize.returned_internal() AS r JOIN personalize.registry_kind AS k ON k.name = r.kind
			WHERE personalize.tombstone_digest_internal(k.kind_id, r.key) = ANY (digests) ORDER BY 2
	LOOP
		RETURN NEXT;
		n := coalesce(n, 0) + 1;
	END LOOP;
	IF n IS NULL THEN
		RETURN QUERY SELECT true, 'no protected relation holds rows of the person that erasure would remove'::text;
	END IF;
END
$$;
COMMENT ON FUNCTION personalize.verify_erasure(uuid) IS
	'Looks again, by the keyed digest, whether what a certificate says is still true';

CREATE OR REPLACE FUNCTION personalize.reapply_erasures()
RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	item record;
	certificates jsonb := '[]';
BEGIN
	PERFORM personalize.registry_begin_internal();
	FOR item IN SELECT r.kind, array_agg(DISTINCT r.key) AS keys FROM personalize.returned_internal() AS r GROUP BY r.kind ORDER BY r.kind LOOP
		certificates := certificates || personalize.erase_checked_internal(item.keys, 'erasure applied again', false, item.kind);
	END LOOP;
	RETURN certificates;
END
$$;
COMMENT ON FUNCTION personalize.reapply_erasures() IS
	'Erases again whose rows have come back under an erased key, after a restore or an import; returns the certificates';
