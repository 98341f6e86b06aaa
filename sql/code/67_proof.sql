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
	PERFORM personalize.progress_internal('verify_erasure', 'looking for rows that came back');
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
	PERFORM personalize.progress_internal('verify_erasure', NULL);
END
$$;
COMMENT ON FUNCTION personalize.verify_erasure(uuid) IS
	'Looks again, by the keyed digest, whether what a certificate says is still true';

/* ------------------------------------------------------- below the tables */

CREATE OR REPLACE FUNCTION personalize.oldest_wal_internal()
RETURNS pg_lsn
LANGUAGE sql VOLATILE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
	/* a name is 8 digits each of timeline, upper half of the position, and segment within it */
	SELECT min('0/0'::pg_lsn + (('x' || substr(w.name, 9, 8))::bit(32)::bigint * 4294967296 + ('x' || substr(w.name, 17, 8))::bit(32)::bigint
		* (SELECT s.setting::bigint FROM pg_settings AS s WHERE s.name = 'wal_segment_size'))::numeric)
	FROM pg_ls_waldir() AS w WHERE w.name ~ '^[0-9A-F]{24}$'
$$;
COMMENT ON FUNCTION personalize.oldest_wal_internal() IS 'Where the write-ahead log that is still there begins';

CREATE OR REPLACE FUNCTION personalize.erasure_traces(certificate_id uuid)
RETURNS TABLE (trace text, gone boolean, detail text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER ROWS 20
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	e personalize.erasure;
	t record;
	lagging text;
	is_old boolean;
BEGIN
	PERFORM personalize.registry_begin_internal();
	SELECT x.* INTO e FROM personalize.erasure AS x WHERE x.certificate_id = erasure_traces.certificate_id;
	IF e.certificate_id IS NULL OR NOT e.certificate ? 'relations' THEN
		RAISE EXCEPTION 'certificate does not exist' USING ERRCODE = 'undefined_object', HINT = 'personalize.erasure lists them.';
	END IF;
	IF e.transaction_id IS NULL OR e.system_identifier IS DISTINCT FROM (SELECT c.system_identifier FROM pg_control_system() AS c) THEN
		RETURN QUERY SELECT 'all'::text, NULL::boolean, 'the erasure was done in another cluster, of which nothing can be told here'::text;
		RETURN;
	END IF;
	IF e.transaction_id = pg_current_xact_id() THEN
		RETURN QUERY SELECT 'all'::text, false, 'the erasure is not committed yet'::text;
		RETURN;
	END IF;
	/* numbers of transactions come again after that many; by then all is frozen */
	is_old := pg_current_xact_id()::text::numeric - e.transaction_id::text::numeric > 2000000000;
	FOR t IN
		WITH RECURSIVE named (id) AS (
			SELECT to_regclass(r.value ->> 'relation')::oid FROM jsonb_array_elements(e.certificate -> 'relations') AS r
				WHERE r.value ->> 'rows' <> '0' AND r.value ->> 'action' IN ('delete', 'anonymize')
			UNION SELECT to_regclass(r.value ->> 'copy')::oid FROM jsonb_array_elements(coalesce(e.certificate -> 'copies', '[]')) AS r
				WHERE r.value ->> 'rows' <> '0' AND r.value ->> 'action' = 'delete'
			UNION SELECT i.inhrelid FROM named AS n JOIN pg_inherits AS i ON i.inhparent = n.id
		)
		SELECT personalize.relation_text_internal(c.oid) AS name,
			/* nothing is left in it of transactions before relfrozenxid */
			is_old OR (age(c.relfrozenxid) < age(e.transaction_id::xid) AND coalesce(age(w.relfrozenxid) < age(e.transaction_id::xid), true)) AS frozen,
			greatest(y.last_vacuum, y.last_autovacuum) AS vacuumed, greatest(y.last_analyze, y.last_autoanalyze) AS analyzed
		FROM named AS n JOIN pg_class AS c ON c.oid = n.id AND c.relkind = 'r' LEFT JOIN pg_class AS w ON w.oid = c.reltoastrelid
			LEFT JOIN pg_stat_all_tables AS y ON y.relid = c.oid
		ORDER BY 1
	LOOP
		RETURN QUERY SELECT 'row versions of ' || t.name, CASE WHEN t.frozen THEN true WHEN coalesce(t.vacuumed > e.erased_at, false) THEN NULL ELSE false END,
			CASE WHEN t.frozen THEN 'removed; entries of indexes can be left where VACUUM did not find it worth the while: VACUUM (INDEX_CLEANUP ON)'
				WHEN t.vacuumed > e.erased_at THEN 'vacuumed since, which removes them unless something held it back: VACUUM (FREEZE) tells for certain'
				ELSE 'pending until VACUUM' END;
		RETURN QUERY SELECT 'statistics of ' || t.name, coalesce(t.analyzed > e.erased_at, false),
			CASE WHEN t.analyzed > e.erased_at THEN 'made since' ELSE 'pending until ANALYZE' END;
	END LOOP;
	RETURN QUERY SELECT 'write-ahead log'::text, personalize.oldest_wal_internal() > e.wal_lsn,
		CASE WHEN personalize.oldest_wal_internal() > e.wal_lsn THEN 'what was written before the erasure is gone; files that were made anew of old ones are overwritten as they are used'
			ELSE 'pending until checkpoints have taken the files of before' END;
	SELECT string_agg(quote_ident(x.slot_name), ', ' ORDER BY x.slot_name) INTO lagging FROM pg_replication_slots AS x WHERE x.restart_lsn <= e.wal_lsn;
	RETURN QUERY SELECT 'replication slots'::text, lagging IS NULL, CASE WHEN lagging IS NULL THEN 'none keeps what was written before' ELSE 'pending: ' || lagging END;
	SELECT string_agg(quote_ident(x.application_name), ', ' ORDER BY x.application_name) INTO lagging FROM pg_stat_replication AS x WHERE coalesce(x.replay_lsn <= e.wal_lsn, true);
	RETURN QUERY SELECT 'replicas'::text, CASE WHEN lagging IS NULL THEN NULL ELSE false END,
		CASE WHEN lagging IS NULL THEN 'all that are connected have replayed the erasure; of others nothing can be told' ELSE 'pending: ' || lagging END;
	SELECT string_agg(x.name, ', ' ORDER BY x.name) INTO lagging
	FROM (SELECT CASE max(l.node) WHEN '' THEN 'without a name' ELSE quote_ident(max(l.node)) END AS name FROM personalize.standby_log AS l
		WHERE NOT l.ended GROUP BY l.boot_id HAVING max(l.seen_at) <= e.erased_at) AS x;
	IF EXISTS (SELECT FROM personalize.standby_log) THEN
		RETURN QUERY SELECT 'logs of standbys'::text, CASE WHEN lagging IS NULL THEN NULL ELSE false END,
			CASE WHEN lagging IS NULL THEN 'those that are known were taken in up to the erasure; of others nothing can be told' ELSE 'pending until they are taken in: ' || lagging END;
	END IF;
	RETURN QUERY SELECT 'backups and archives'::text, NULL::boolean, 'nothing can be told here: those taken before have the rows'::text;
END
$$;
COMMENT ON FUNCTION personalize.erasure_traces(uuid) IS
	'What is left of erased rows below the tables, as far as it can be told: gone, pending (false), or unknown (NULL)';
