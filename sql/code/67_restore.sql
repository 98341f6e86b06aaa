/*
 * After a restore: who was erased since is brought along from the newest
 * server, as keyed digests, and erased again.
 *
 * A tombstone counts for what was there before its erasure.  If the erasure is
 * in the restored data already (the certificate is there), or was applied again
 * before (it is among the lifted ones), what there is under the key came later
 * and stays.
 */
CREATE OR REPLACE FUNCTION personalize.export_tombstones(since timestamptz DEFAULT NULL)
RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM personalize.require_preloaded_internal();
	IF personalize.erased_unknown_internal() = 'other key file' THEN
		RAISE EXCEPTION 'erased people are remembered by another key file than that of this server'
			USING ERRCODE = 'object_not_in_prerequisite_state',
				HINT = 'Put the key file of the server that the data comes from into its place, and restart.';
	END IF;
	RETURN (
		WITH held AS MATERIALIZED (
			SELECT personalize.tombstone_digest_internal(h.kind_id, coalesce(h.key, s.key)) AS digest
			FROM personalize.hold AS h LEFT JOIN personalize.subject AS s ON s.subject_no = h.subject_no
			WHERE h.released_at IS NULL
		), erased AS (
			SELECT t.digest, t.kind_id, t.erased_at FROM personalize.tombstone AS t
			UNION SELECT l.digest, l.kind_id, l.erased_at FROM personalize.tombstone_lifted AS l
		)
		SELECT jsonb_build_object('format', 1, 'registry', (SELECT a.registry_id FROM personalize.registry_anchor AS a),
			'key_file', encode(personalize.tombstone_digest_internal(-2, 'personalize'), 'hex'), 'exported_at', clock_timestamp(),
			'tombstones', coalesce(jsonb_agg(jsonb_build_array(t.kind_id, k.name, encode(t.digest, 'hex'), t.erased_at,
				EXISTS (SELECT FROM held AS h WHERE h.digest = t.digest)) ORDER BY t.erased_at, t.digest), '[]'))
		FROM erased AS t JOIN personalize.registry_kind AS k ON k.kind_id = t.kind_id
		WHERE export_tombstones.since IS NULL OR t.erased_at >= export_tombstones.since);
END
$$;
COMMENT ON FUNCTION personalize.export_tombstones(timestamptz) IS
	'Who was erased, also before coming back, as digests that say nothing without the key file: for reapply_erasures() where a backup of before was restored';

CREATE OR REPLACE FUNCTION personalize.reapply_erasures(tombstones jsonb DEFAULT NULL, without text DEFAULT NULL)
RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	item record;
	certificates jsonb := '[]';
	kinds integer[];
	digests bytea[];
	times timestamptz[];
	held boolean[];
BEGIN
	PERFORM personalize.registry_begin_internal();
	IF tombstones IS NOT NULL AND without IS NOT NULL THEN
		RAISE EXCEPTION 'tombstones are given, and so is why there are none'
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Give one of the two.';
	ELSIF tombstones IS NULL AND without IS NULL AND personalize.erased_unknown_internal() = 'restored' THEN
		RAISE EXCEPTION 'the database was restored, and who was erased since the backup is not known'
			USING ERRCODE = 'object_not_in_prerequisite_state',
				HINT = 'Pass what export_tombstones() returned on the newest server. If nothing can be missing, because all of the write-ahead log was replayed, say so: reapply_erasures(without => ''...'').';
	ELSIF without IS NULL AND personalize.erased_unknown_internal() = 'other key file' THEN
		RAISE EXCEPTION 'erased people are remembered by another key file than that of this server'
			USING ERRCODE = 'object_not_in_prerequisite_state',
				HINT = 'Put the key file of the server that the data comes from into its place, and restart. If it is lost, whoever was erased is not recognised any more: reapply_erasures(without => ''...'') opens the relations nevertheless.';
	END IF;
	IF tombstones IS NOT NULL THEN
		PERFORM personalize.tombstones_check_internal(tombstones);
		SELECT coalesce(array_agg(x.kind_id), '{}'), coalesce(array_agg(x.digest), '{}'), coalesce(array_agg(x.at), '{}'), coalesce(array_agg(x.held), '{}')
			INTO kinds, digests, times, held
			FROM (SELECT (e.value ->> 0)::integer AS kind_id, e.value ->> 1 AS kind, decode(e.value ->> 2, 'hex') AS digest,
					(e.value ->> 3)::timestamptz AS at, (e.value ->> 4)::boolean AS held
				FROM jsonb_array_elements(tombstones -> 'tombstones') AS e) AS x
				/* of a kind that was made later nobody can be here */
				JOIN personalize.registry_kind AS k ON k.kind_id = x.kind_id AND k.name = x.kind
			WHERE NOT EXISTS (SELECT FROM personalize.erasure AS e WHERE e.erased_at = x.at)
				AND NOT EXISTS (SELECT FROM personalize.tombstone AS t WHERE t.digest = x.digest AND t.erased_at = x.at)
				AND NOT EXISTS (SELECT FROM personalize.tombstone_lifted AS l WHERE l.digest = x.digest AND l.erased_at = x.at);
		PERFORM personalize.ledger_unlock_internal(true);
		INSERT INTO personalize.tombstone AS t (digest, kind_id, erased_at)
			SELECT DISTINCT ON (u.digest) u.digest, u.kind_id, u.at FROM unnest(digests, kinds, times) AS u (digest, kind_id, at)
			ORDER BY u.digest, u.at DESC
			ON CONFLICT (digest) DO UPDATE SET erased_at = greatest(t.erased_at, EXCLUDED.erased_at);
		/* each is applied once: whoever comes back from now on stays, also if they are brought along again */
		INSERT INTO personalize.tombstone_lifted AS l (digest, kind_id, erased_at)
			SELECT u.digest, u.kind_id, u.at FROM unnest(digests, kinds, times) AS u (digest, kind_id, at)
			ON CONFLICT DO NOTHING;
		PERFORM personalize.ledger_unlock_internal(false);
	END IF;
	PERFORM personalize.progress_internal('reapply_erasures', 'looking for rows that came back');
	/* whose rows are there again, and who is known by what they said or by what was used of them */
	FOR item IN
		WITH brought AS MATERIALIZED (SELECT u.digest, bool_or(u.held) AS held FROM unnest(digests, held) AS u (digest, held) GROUP BY u.digest),
		known AS (
			SELECT s.kind_id, s.key FROM personalize.subject AS s WHERE s.key IS NOT NULL AND EXISTS (SELECT FROM brought)
			UNION SELECT a.kind_id, a.key FROM personalize.audit_key AS a WHERE a.key IS NOT NULL AND EXISTS (SELECT FROM brought)
		), whom AS (
			SELECT w.kind_id, w.key FROM known AS w JOIN brought AS b ON b.digest = personalize.tombstone_digest_internal(w.kind_id, w.key)
			UNION SELECT k.kind_id, r.key FROM personalize.returned_internal() AS r JOIN personalize.registry_kind AS k ON k.name = r.kind
		)
		SELECT k.name AS kind, array_agg(w.key ORDER BY w.key) AS keys,
			count(*) FILTER (WHERE EXISTS (SELECT FROM brought AS b WHERE b.held AND b.digest = personalize.tombstone_digest_internal(w.kind_id, w.key))
				AND NOT EXISTS (SELECT FROM personalize.hold AS h LEFT JOIN personalize.subject AS s ON s.subject_no = h.subject_no
					WHERE h.released_at IS NULL AND h.kind_id = w.kind_id AND coalesce(h.key, s.key) = w.key)) AS not_held
		FROM whom AS w JOIN personalize.registry_kind AS k ON k.kind_id = w.kind_id GROUP BY k.name ORDER BY k.name
	LOOP
		IF item.not_held > 0 THEN
			RAISE EXCEPTION 'on the newest server a legal hold is on rows that would be deleted here'
				USING ERRCODE = 'object_not_in_prerequisite_state',
					HINT = 'Call hold_subject() here for those whom the view personalize.holds lists there, then try again.';
		END IF;
		certificates := certificates || personalize.erase_checked_internal(item.keys, 'erasure applied again', false, item.kind);
	END LOOP;
	IF tombstones IS NOT NULL OR without IS NOT NULL THEN
		UPDATE personalize.registry_anchor AS a
			SET restore_id = personalize.restore_id_internal(), key_name = personalize.tombstone_digest_internal(-2, 'personalize'),
				reapplied_at = clock_timestamp(), reapplied_by = session_user, reapplied = cardinality(digests), reapplied_without = without;
	END IF;
	PERFORM personalize.progress_internal('reapply_erasures', NULL);
	RETURN certificates;
END
$$;
COMMENT ON FUNCTION personalize.reapply_erasures(jsonb, text) IS
	'Erases again whose rows have come back under an erased key, after a restore or an import, and with tombstones of the newest server whom they name; returns the certificates. Opens relations that are closed since a restore';

CREATE OR REPLACE FUNCTION personalize.tombstones_check_internal(tombstones jsonb)
RETURNS void
LANGUAGE plpgsql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF jsonb_typeof(tombstones) <> 'object' OR tombstones -> 'format' IS DISTINCT FROM '1' OR jsonb_typeof(tombstones -> 'tombstones') IS DISTINCT FROM 'array' THEN
		RAISE EXCEPTION 'tombstones are not what export_tombstones() returns'
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Pass the document as a whole.';
	END IF;
	/* a registry that was never used has no tombstones */
	IF tombstones ->> 'registry' IS DISTINCT FROM (SELECT a.registry_id::text FROM personalize.registry_anchor AS a) THEN
		RAISE EXCEPTION 'the tombstones are of another database'
			USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Each database has its own: export them from the one that was restored.';
	END IF;
	IF tombstones ->> 'key_file' IS DISTINCT FROM encode(personalize.tombstone_digest_internal(-2, 'personalize'), 'hex') THEN
		RAISE EXCEPTION 'the tombstones were made with another key file than that of this server'
			USING ERRCODE = 'object_not_in_prerequisite_state',
				HINT = 'Put the key file of the newest server into its place, and restart.';
	END IF;
END
$$;
COMMENT ON FUNCTION personalize.tombstones_check_internal(jsonb) IS 'Refuses what is not an export of tombstones of this database under this key file';

CREATE OR REPLACE FUNCTION personalize.restore_status_internal()
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 'restore'::text, false, CASE u.why WHEN 'restored' THEN 'the cluster was restored from a backup: protected relations are closed'
			ELSE 'erased people are remembered by another key file than that of this server: protected relations are closed' END,
		CASE u.why WHEN 'restored' THEN 'Call reapply_erasures() with what export_tombstones() returned on the newest server.'
			ELSE 'Put the key file of the server that the data comes from into its place, and restart.' END
	FROM personalize.erased_unknown_internal() AS u (why) WHERE u.why IS NOT NULL
	UNION ALL
	SELECT 'restore', true, format('erasures were applied again on %s by %s: ', to_char(a.reapplied_at, 'YYYY-MM-DD HH24:MI'), quote_ident(a.reapplied_by))
			|| CASE WHEN a.reapplied_without IS NULL THEN format('%s were brought along', a.reapplied) ELSE format('none were brought along: %s', a.reapplied_without) END, NULL
	FROM personalize.registry_anchor AS a WHERE a.reapplied_at IS NOT NULL
$$;
COMMENT ON FUNCTION personalize.restore_status_internal() IS 'Lines of status(): is known who was erased, and what was done after a restore';
