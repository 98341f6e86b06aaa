/*
 * Retention: rows of protected relations are deleted once they are so old, by a
 * time of their own or as long as some purpose needs them.  The rights worker
 * sweeps in batches, each in a transaction of its own, each on record as a use
 * for subject_rights.
 */
CREATE OR REPLACE FUNCTION personalize.set_retention(relation regclass, "column" name, keep_for interval, reason text DEFAULT NULL,
	purposes boolean DEFAULT false)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	r personalize.registry_relation;
	type oid;
BEGIN
	PERFORM personalize.registry_begin_internal();
	r := personalize.protected_relation_internal(set_retention.relation);
	IF set_retention.purposes IS NULL THEN
		RAISE EXCEPTION 'purposes must not be null' USING ERRCODE = 'null_value_not_allowed', HINT = 'Use true or false.';
	END IF;
	DELETE FROM personalize.retention_sweep AS x WHERE x.relid = r.relid;
	IF set_retention.keep_for IS NULL AND NOT set_retention.purposes THEN
		DELETE FROM personalize.registry_retention AS x WHERE x.relid = r.relid;
		RETURN;
	END IF;
	PERFORM personalize.check_period_internal('keep_for', set_retention.keep_for);
	SELECT coalesce(nullif(t.typbasetype, 0), t.oid) INTO type FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
		WHERE a.attrelid = r.relid AND a.attnum = personalize.column_number_internal(r.relid, set_retention."column");
	IF type IS NULL OR type NOT IN ('timestamptz'::regtype, 'timestamp'::regtype, 'date'::regtype) THEN
		RAISE EXCEPTION 'column %.% does not say when', personalize.relation_text_internal(r.relid), quote_ident(set_retention."column")
			USING ERRCODE = 'datatype_mismatch', HINT = 'Name a column of type timestamp with time zone, timestamp or date.';
	END IF;
	INSERT INTO personalize.registry_retention (relid, column_name, keep_for, reason, by_purposes)
		VALUES (r.relid, set_retention."column", set_retention.keep_for, set_retention.reason, set_retention.purposes)
		ON CONFLICT (relid) DO UPDATE SET column_name = EXCLUDED.column_name, keep_for = EXCLUDED.keep_for, reason = EXCLUDED.reason,
			by_purposes = EXCLUDED.by_purposes;
END
$$;
COMMENT ON FUNCTION personalize.set_retention(regclass, name, interval, text, boolean) IS
	'Has rows of a protected relation deleted once they are so old by a column, or, purposes => true, once no purpose that may use them keeps them as long, and they are at least so old; keep_for NULL ends that';

/* category 1 is none: not personal by itself */
CREATE OR REPLACE VIEW personalize.retention AS
	SELECT x.relid AS relation, x.column_name AS "column",
		CASE WHEN NOT x.by_purposes THEN x.keep_for
			/* who says nothing needs them for ever; where nobody needs them, nobody has said so */
			WHEN n.purposes IS NOT NULL AND n.silent IS NULL
				THEN (SELECT y.age FROM pg_catalog.unnest(n.ages || x.keep_for) AS y (age) WHERE y.age IS NOT NULL ORDER BY pg_catalog.clock_timestamp() - y.age LIMIT 1)
			END AS keep_for,
		x.reason, s.swept_at, COALESCE(s.rows_swept, 0) AS rows_swept, s.message, x.by_purposes,
		CASE WHEN x.by_purposes THEN n.purposes END AS purposes, CASE WHEN x.by_purposes THEN n.silent END AS purposes_without_end
	FROM personalize.registry_retention AS x JOIN personalize.registry_relation AS r ON r.relid = x.relid
		LEFT JOIN personalize.retention_sweep AS s ON s.relid = x.relid
		CROSS JOIN LATERAL (SELECT pg_catalog.array_agg(q.name ORDER BY q.name COLLATE "C") AS purposes, pg_catalog.array_agg(q.retention) AS ages,
				pg_catalog.array_agg(q.name ORDER BY q.name COLLATE "C") FILTER (WHERE q.retention IS NULL) AS silent
			FROM personalize.registry_purpose AS q
			WHERE NOT q.builtin AND q.retired_at IS NULL AND EXISTS (SELECT FROM personalize.registry_purpose_category AS g
				JOIN personalize.registry_column AS c ON c.category_id = g.category_id AND c.category_id <> 1 WHERE g.purpose_id = q.purpose_id AND c.relid = x.relid)) AS n;
COMMENT ON VIEW personalize.retention IS
	'How long rows of protected relations are kept (NULL: a purpose that may use them says nothing, or none may, so they are not deleted), and when they were last swept';

CREATE OR REPLACE FUNCTION personalize.held_condition_internal(relid oid)
RETURNS text
LANGUAGE sql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	/*
	 * The keys in place of the parameter, since those of several kinds come
	 * together.  A name with a dollar in it is quoted; where there is one, nothing
	 * is put into the text, and all rows count as held.
	 */
	SELECT coalesce(string_agg(CASE WHEN x.led !~ '^(?:[^"]|"[^"$]*")*$' THEN ' AND false'
		ELSE format(' AND (%s) IS NOT TRUE', replace(x.led, '$1', format('%L::pg_catalog.text[]', x.keys))) END, '' ORDER BY p.path_id), '')
	FROM personalize.registry_path AS p
		CROSS JOIN LATERAL (SELECT array_agg(coalesce(h.key, s.key)) AS keys, personalize.rights_are_internal(p.path_id) AS led
			FROM personalize.hold AS h LEFT JOIN personalize.subject AS s ON s.subject_no = h.subject_no
			WHERE h.released_at IS NULL AND h.kind_id = p.kind_id AND (h.relation IS NULL OR p.relid = ANY (personalize.hold_reach_internal(h.relation))) AND coalesce(h.key, s.key) IS NOT NULL) AS x
	WHERE p.relid = $1 AND x.keys IS NOT NULL
$$;
COMMENT ON FUNCTION personalize.held_condition_internal(oid) IS
	'The condition, to be appended, on rows of a relation that no legal hold is on';

CREATE OR REPLACE FUNCTION personalize.retained_due_internal()
RETURNS personalize.retained
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT x.* FROM personalize.retained AS x JOIN personalize.registry_path AS p ON p.path_id = x.path_id
	WHERE x.until <= clock_timestamp() AND NOT EXISTS (SELECT FROM personalize.hold AS h
		WHERE h.released_at IS NULL AND h.kind_id = p.kind_id AND (h.relation IS NULL OR p.relid = ANY (personalize.hold_reach_internal(h.relation)))
			AND (h.key = x.key OR EXISTS (SELECT FROM personalize.subject AS s WHERE s.subject_no = h.subject_no AND s.key = x.key)))
	ORDER BY x.until, x.path_id, x.key LIMIT 1
$$;
COMMENT ON FUNCTION personalize.retained_due_internal() IS 'What was retained until now, and is not held; the first';

CREATE OR REPLACE FUNCTION personalize.retention_due_internal()
RETURNS personalize.registry_retention
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	/* keep_for as it is now */
	SELECT x.relation, x."column", x.keep_for, x.reason, x.by_purposes
	FROM personalize.retention AS x JOIN personalize.registry_relation AS r ON r.relid = x.relation AND r.mode = 'enforce'
	WHERE EXISTS (SELECT FROM pg_attribute AS a WHERE a.attrelid = x.relation AND a.attname = x."column" AND NOT a.attisdropped)
		AND (x.swept_at IS NULL OR x.swept_at < clock_timestamp() - interval '1 hour') AND x.keep_for IS NOT NULL
	ORDER BY x.relation::oid LIMIT 1
$$;
COMMENT ON FUNCTION personalize.retention_due_internal() IS 'A relation whose old rows must be looked for; the first';

CREATE OR REPLACE FUNCTION personalize.retention_batch_internal(rows integer)
RETURNS boolean
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	kept personalize.retained := personalize.retained_due_internal();
	swept personalize.registry_retention;
	p record;
	n bigint;
	changes jsonb;
BEGIN
	IF personalize.sweep_batch_internal(rows) THEN
		RETURN true;
	END IF;
	SET CONSTRAINTS ALL IMMEDIATE;
	IF kept.path_id IS NOT NULL THEN
		SELECT x.relid, x.kind_id, personalize.rights_is_internal(x.path_id) AS mine INTO p FROM personalize.registry_path AS x WHERE x.path_id = kept.path_id;
		PERFORM personalize.progress_internal('retention sweep', 'deleting rows', relation => p.relid);
		n := personalize.rights_run_internal(kept.path_id, personalize.batch_text_internal(p.relid,
			p.mine || personalize.rights_lone_internal(p.relid, p.kind_id), rows), kept.key, '{}');
		IF n = 0 THEN
			/* what others own, too */
			changes := personalize.anonymous_values_internal(personalize.anonymous_spec_internal(kept.path_id, '{}', false), gen_random_uuid());
			PERFORM personalize.rights_run_internal(kept.path_id, personalize.rights_update_text_internal(kept.path_id,
				ARRAY(SELECT k.name FROM jsonb_object_keys(changes) AS k (name)), p.mine), kept.key, changes);
			DELETE FROM personalize.retained AS x WHERE x.path_id = kept.path_id AND x.key = kept.key;
		END IF;
		PERFORM personalize.progress_internal('retention sweep', 'deleting rows', more => n);
		RETURN true;
	END IF;
	swept := personalize.retention_due_internal();
	IF swept.relid IS NULL THEN
		/* last: there may always be one */
		RETURN personalize.exclusion_batch_internal();
	END IF;
	PERFORM personalize.progress_internal('retention sweep', 'deleting rows', relation => swept.relid::oid);
	n := personalize.rights_run_internal((SELECT min(x.path_id) FROM personalize.registry_path AS x WHERE x.relid = swept.relid),
		personalize.batch_text_internal(swept.relid::oid, format('%I OPERATOR(pg_catalog.<) (pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) %L::pg_catalog.interval)%s',
			swept.column_name, swept.keep_for, personalize.held_condition_internal(swept.relid::oid)), rows), '', '{}');
	INSERT INTO personalize.retention_sweep AS x (relid, rows_swept, swept_at)
		VALUES (swept.relid, n, CASE WHEN n = 0 THEN clock_timestamp() END)
		ON CONFLICT (relid) DO UPDATE SET rows_swept = x.rows_swept + EXCLUDED.rows_swept, message = NULL, swept_at = coalesce(EXCLUDED.swept_at, x.swept_at);
	PERFORM personalize.progress_internal('retention sweep', 'deleting rows', more => n);
	RETURN true;
END
$$;
COMMENT ON FUNCTION personalize.retention_batch_internal(integer) IS
	'Deletes so many rows that are kept no longer; false if nothing is due';

CREATE OR REPLACE FUNCTION personalize.retention_failed_internal(message text)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	kept personalize.retained := personalize.retained_due_internal();
	swept personalize.registry_retention;
BEGIN
	IF kept.path_id IS NOT NULL THEN
		UPDATE personalize.retained AS x SET message = retention_failed_internal.message, until = clock_timestamp() + interval '1 hour'
			WHERE x.path_id = kept.path_id AND x.key = kept.key;
		RETURN;
	END IF;
	swept := personalize.retention_due_internal();
	IF swept.relid IS NOT NULL THEN
		INSERT INTO personalize.retention_sweep AS x (relid, message, swept_at)
			VALUES (swept.relid, retention_failed_internal.message, clock_timestamp())
			ON CONFLICT (relid) DO UPDATE SET message = EXCLUDED.message, swept_at = EXCLUDED.swept_at;
	END IF;
END
$$;
COMMENT ON FUNCTION personalize.retention_failed_internal(text) IS
	'Notes why what was due first cannot be deleted, and has it tried again in an hour';

CREATE OR REPLACE FUNCTION personalize.rights_due_internal()
RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT EXISTS (SELECT FROM personalize.erasure_request AS q WHERE q.status IN ('waiting', 'running') AND q.due_at <= clock_timestamp())
		OR (personalize.retained_due_internal()).path_id IS NOT NULL
		OR (personalize.retention_due_internal()).relid IS NOT NULL
		OR personalize.sweep_due_internal()
$$;
COMMENT ON FUNCTION personalize.rights_due_internal() IS 'Is there work for the rights worker?';
