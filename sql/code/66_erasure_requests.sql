/*
 * Erasures and sweeps that the rights worker carries out in batches, each in a
 * transaction of its own (src/rights_worker.c): what a crash interrupts is gone
 * on with.
 */
CREATE OR REPLACE FUNCTION personalize.request_erasure(subject text, reason text DEFAULT NULL, grace interval DEFAULT '0',
	kind text DEFAULT 'subject')
RETURNS uuid
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	who record;
	no bigint;
	id uuid;
	was_erased boolean;
BEGIN
	who := personalize.rights_begin_internal(request_erasure.kind, request_erasure.subject);
	IF request_erasure.grace IS NULL OR request_erasure.grace < interval '0' THEN
		RAISE EXCEPTION 'grace must not be negative' USING ERRCODE = 'invalid_parameter_value';
	END IF;
	IF personalize.text_names_internal(request_erasure.reason, ARRAY[who.key]) THEN
		RAISE EXCEPTION 'reason must not name the subject'
			USING ERRCODE = 'invalid_parameter_value', HINT = 'The certificate is kept; refer to the request, not to the person.';
	END IF;
	IF who.kind_id = 0 THEN
		who.kind_id := personalize.ensure_kind_internal(request_erasure.kind);
	END IF;
	no := personalize.subject_no_internal(who.kind_id, who.key, true);
	IF EXISTS (SELECT FROM personalize.erasure_request AS q WHERE q.subject_no = no AND q.status IN ('waiting', 'running', 'failed')) THEN
		RAISE EXCEPTION 'the erasure of the subject was requested already'
			USING ERRCODE = 'duplicate_object', HINT = 'The view personalize.erasure_requests lists them.';
	END IF;
	SELECT s.tombstoned INTO was_erased FROM personalize.subject AS s WHERE s.subject_no = no;
	INSERT INTO personalize.erasure_request AS q (kind_id, subject_no, key, reason, requested_by, due_at, hides)
		VALUES (who.kind_id, no, who.key, request_erasure.reason, session_user, clock_timestamp() + request_erasure.grace, NOT was_erased)
		RETURNING q.request_id INTO id;
	/* hidden from the next statement on */
	PERFORM personalize.ledger_unlock_internal(true);
	INSERT INTO personalize.tombstone AS t (digest, kind_id)
		SELECT personalize.tombstone_digest_internal(who.kind_id, u.form), who.kind_id
		FROM unnest(personalize.key_forms_internal(who.kind_id, who.key)) AS u (form)
		ON CONFLICT (digest) DO NOTHING;
	UPDATE personalize.subject AS s SET tombstoned = true WHERE s.subject_no = no;
	PERFORM personalize.ledger_unlock_internal(false);
	RETURN id;
END
$$;
COMMENT ON FUNCTION personalize.request_erasure(text, text, interval, text) IS
	'Hides a person at once, and has a worker erase in batches once the grace period is over';

CREATE OR REPLACE FUNCTION personalize.cancel_erasure(request_id uuid)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	q personalize.erasure_request;
BEGIN
	PERFORM personalize.registry_begin_internal();
	SELECT x.* INTO q FROM personalize.erasure_request AS x WHERE x.request_id = cancel_erasure.request_id FOR UPDATE;
	IF q.request_id IS NULL THEN
		RAISE EXCEPTION 'request does not exist' USING ERRCODE = 'undefined_object', HINT = 'The view personalize.erasure_requests lists them.';
	END IF;
	IF q.status NOT IN ('waiting', 'failed') OR q.deleted <> '{}' THEN
		RAISE EXCEPTION 'the erasure is % already', q.status
			USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'It can be cancelled until rows are deleted.';
	END IF;
	PERFORM personalize.subject_no_internal(q.kind_id, q.key, false);
	/* who was erased before stays so */
	IF q.hides THEN
		PERFORM personalize.tombstone_lift_internal(q.kind_id, ARRAY[q.key]);
	END IF;
	UPDATE personalize.erasure_request AS x SET status = 'cancelled', key = NULL WHERE x.request_id = q.request_id;
END
$$;
COMMENT ON FUNCTION personalize.cancel_erasure(uuid) IS 'Takes back a requested erasure during its grace period: the person is no longer hidden';

CREATE OR REPLACE VIEW personalize.erasure_requests AS
	SELECT q.request_id, k.name AS kind, q.key AS subject, q.status, q.reason, q.requested_at, q.requested_by, q.due_at,
		q.deleted, q.message, q.tried_at, q.certificate_id
	FROM personalize.erasure_request AS q LEFT JOIN personalize.registry_kind AS k ON k.kind_id = q.kind_id;
COMMENT ON VIEW personalize.erasure_requests IS
	'Requested erasures and how far they are; deleted says how many rows of which relation went so far';

CREATE OR REPLACE FUNCTION personalize.batch_text_internal(relid oid, condition text, rows integer)
RETURNS text
LANGUAGE sql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	/* places of rows are told apart within one table only */
	SELECT CASE WHEN EXISTS (SELECT FROM personalize.descendants_internal($1)) THEN format('DELETE FROM %s WHERE %s', personalize.relation_text_internal($1), $2)
		ELSE format('DELETE FROM %s WHERE ctid OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT ctid FROM %1$s WHERE %s LIMIT %s))',
			personalize.relation_text_internal($1), $2, $3) END
$$;
COMMENT ON FUNCTION personalize.batch_text_internal(oid, text, integer) IS 'A statement that deletes some of the rows that a condition is true for';

CREATE OR REPLACE FUNCTION personalize.erasure_batch_internal(rows integer)
RETURNS boolean
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	q personalize.erasure_request;
	prepared personalize.erase_prepared;
	s personalize.erase_step;
	n bigint;
	doc jsonb;
BEGIN
	SELECT x.* INTO q FROM personalize.erasure_request AS x
		WHERE x.status IN ('waiting', 'running') AND x.due_at <= clock_timestamp()
		ORDER BY x.status, x.due_at LIMIT 1 FOR UPDATE;
	IF q.request_id IS NULL THEN
		RETURN false;
	END IF;
	PERFORM personalize.registry_begin_internal();
	/* who has said something since is a person again */
	IF NOT EXISTS (SELECT FROM personalize.tombstone AS t
		WHERE t.digest = personalize.tombstone_digest_internal(q.kind_id, q.key)) THEN
		UPDATE personalize.erasure_request AS x SET status = 'cancelled', key = NULL, message = 'the person came back' WHERE x.request_id = q.request_id;
		RETURN true;
	END IF;
	/* at the end of each statement, as erase_subject() has it */
	SET CONSTRAINTS ALL IMMEDIATE;
	/* in the order of the plan, up to what must not be deleted: what that refers to is left to the end */
	prepared := personalize.erase_prepared_internal(q.kind_id);
	FOREACH s IN ARRAY prepared.steps LOOP
		IF s.action <> 'delete' OR EXISTS (SELECT FROM personalize.hold AS h
			WHERE h.subject_no = q.subject_no AND h.released_at IS NULL AND (h.relation IS NULL OR h.relation = s.relid)) THEN
			CONTINUE WHEN personalize.rights_run_set_internal(s.path_id, s.count_text, ARRAY[q.key], '{}') = 0;
			EXIT;
		END IF;
		PERFORM personalize.cascade_check_internal(q.kind_id, ARRAY[q.key], prepared.steps, s.relid, prepared.acting);
		n := personalize.rights_run_set_internal(s.path_id, personalize.batch_text_internal(s.relid, s.condition, rows), ARRAY[q.key], '{}');
		IF n > 0 THEN
			UPDATE personalize.erasure_request AS x SET status = 'running', tried_at = clock_timestamp(),
					deleted = x.deleted || jsonb_build_object(s.relation_name, coalesce((x.deleted ->> s.relation_name)::bigint, 0) + n)
				WHERE x.request_id = q.request_id;
			RETURN true;
		END IF;
	END LOOP;
	/* few rows are left, or none: the rest as ever */
	doc := personalize.erase_checked_internal(ARRAY[q.key], q.reason, false, (SELECT k.name FROM personalize.registry_kind AS k WHERE k.kind_id = q.kind_id)) -> 0;
	IF q.hides AND q.deleted = '{}' AND doc ->> 'uses' = '0' AND doc ->> 'consent_events' = '0'
		AND NOT EXISTS (SELECT FROM jsonb_array_elements(doc -> 'relations') AS e WHERE e.value ->> 'rows' <> '0') THEN
		/* nobody was there: a tombstone would only keep a future person out */
		PERFORM personalize.ledger_unlock_internal(true);
		DELETE FROM personalize.tombstone AS t WHERE t.digest = ANY (ARRAY(SELECT personalize.tombstone_digest_internal(q.kind_id, u.form)
			FROM unnest(personalize.key_forms_internal(q.kind_id, q.key)) AS u (form)));
		PERFORM personalize.ledger_unlock_internal(false);
	END IF;
	PERFORM personalize.ledger_unlock_internal(true);
	UPDATE personalize.erasure AS e SET certificate = e.certificate || jsonb_build_object('deleted_before', q.deleted)
		WHERE e.certificate_id = (doc ->> 'certificate_id')::uuid;
	PERFORM personalize.ledger_unlock_internal(false);
	UPDATE personalize.erasure_request AS x SET status = 'done', key = NULL, tried_at = clock_timestamp(), certificate_id = (doc ->> 'certificate_id')::uuid
		WHERE x.request_id = q.request_id;
	RETURN true;
END
$$;
COMMENT ON FUNCTION personalize.erasure_batch_internal(integer) IS
	'Deletes so many rows of a requested erasure, or completes it; false if none is due';

CREATE OR REPLACE FUNCTION personalize.erasure_failed_internal(message text)
RETURNS void
LANGUAGE sql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
	UPDATE personalize.erasure_request AS x SET status = 'failed', message = $1, tried_at = clock_timestamp()
	WHERE x.request_id = (SELECT y.request_id FROM personalize.erasure_request AS y
		WHERE y.status IN ('waiting', 'running') AND y.due_at <= clock_timestamp() ORDER BY y.status, y.due_at LIMIT 1)
$$;
COMMENT ON FUNCTION personalize.erasure_failed_internal(text) IS
	'Notes why the requested erasure that was due first cannot be carried out';

CREATE OR REPLACE FUNCTION personalize.retry_erasure(request_id uuid)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM personalize.registry_begin_internal();
	UPDATE personalize.erasure_request AS x SET status = 'running', message = NULL WHERE x.request_id = retry_erasure.request_id AND x.status = 'failed';
	IF NOT FOUND THEN
		RAISE EXCEPTION 'there is no failed erasure of that number' USING ERRCODE = 'undefined_object', HINT = 'The view personalize.erasure_requests lists them.';
	END IF;
END
$$;
COMMENT ON FUNCTION personalize.retry_erasure(uuid) IS 'Has a requested erasure that failed tried again, once what stood against it is gone';

/* --------------------------------------------------------------- retention */

CREATE OR REPLACE FUNCTION personalize.set_retention(relation regclass, "column" name, keep_for interval, reason text DEFAULT NULL)
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
	IF set_retention.keep_for IS NULL THEN
		DELETE FROM personalize.registry_retention AS x WHERE x.relid = r.relid;
		RETURN;
	END IF;
	IF set_retention.keep_for <= interval '0' THEN
		RAISE EXCEPTION 'keep_for must be longer than nothing' USING ERRCODE = 'invalid_parameter_value', HINT = 'NULL ends the retention.';
	END IF;
	SELECT coalesce(nullif(t.typbasetype, 0), t.oid) INTO type FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
		WHERE a.attrelid = r.relid AND a.attnum = personalize.column_number_internal(r.relid, set_retention."column");
	IF type NOT IN ('timestamptz'::regtype, 'timestamp'::regtype, 'date'::regtype) THEN
		RAISE EXCEPTION 'column %.% does not say when', personalize.relation_text_internal(r.relid), quote_ident(set_retention."column")
			USING ERRCODE = 'datatype_mismatch', HINT = 'Name a column of type timestamp with time zone, timestamp or date.';
	END IF;
	INSERT INTO personalize.registry_retention (relid, column_name, keep_for, reason)
		VALUES (r.relid, set_retention."column", set_retention.keep_for, set_retention.reason)
		ON CONFLICT (relid) DO UPDATE SET column_name = EXCLUDED.column_name, keep_for = EXCLUDED.keep_for, reason = EXCLUDED.reason, swept_at = NULL, message = NULL;
END
$$;
COMMENT ON FUNCTION personalize.set_retention(regclass, name, interval, text) IS
	'Has rows of a protected relation deleted once they are so old by a column; keep_for NULL ends that';

CREATE OR REPLACE VIEW personalize.retention AS
	SELECT x.relid AS relation, x.column_name AS "column", x.keep_for, x.reason, x.swept_at, x.rows_swept, x.message
	FROM personalize.registry_retention AS x JOIN personalize.registry_relation AS r ON r.relid = x.relid;
COMMENT ON VIEW personalize.retention IS 'How long rows of protected relations are kept, and when they were last swept';

CREATE OR REPLACE FUNCTION personalize.held_condition_internal(relid oid)
RETURNS text
LANGUAGE sql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce(string_agg(format(' AND (%I OPERATOR(pg_catalog.=) ANY (%L::%s[])) IS NOT TRUE', p.column_names[1], x.keys, k.key_type::text), '' ORDER BY p.path_id), '')
	FROM personalize.registry_path AS p JOIN personalize.registry_kind AS k ON k.kind_id = p.kind_id
		CROSS JOIN LATERAL (SELECT array_agg(coalesce(h.key, s.key)) AS keys
			FROM personalize.hold AS h LEFT JOIN personalize.subject AS s ON s.subject_no = h.subject_no
			WHERE h.released_at IS NULL AND h.kind_id = p.kind_id AND (h.relation IS NULL OR h.relation = p.relid) AND coalesce(h.key, s.key) IS NOT NULL) AS x
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
		WHERE h.released_at IS NULL AND h.kind_id = p.kind_id AND (h.relation IS NULL OR h.relation = p.relid)
			AND (h.key = x.key OR EXISTS (SELECT FROM personalize.subject AS s WHERE s.subject_no = h.subject_no AND s.key = x.key)))
	ORDER BY x.until, x.path_id, x.key LIMIT 1
$$;
COMMENT ON FUNCTION personalize.retained_due_internal() IS 'What was retained until now, and is not held; the first';

CREATE OR REPLACE FUNCTION personalize.retention_due_internal()
RETURNS personalize.registry_retention
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT x.* FROM personalize.registry_retention AS x JOIN personalize.registry_relation AS r ON r.relid = x.relid AND r.mode = 'enforce'
	WHERE EXISTS (SELECT FROM pg_attribute AS a WHERE a.attrelid = x.relid AND a.attname = x.column_name AND NOT a.attisdropped)
		AND (x.swept_at IS NULL OR x.swept_at < clock_timestamp() - interval '1 hour')
	ORDER BY x.relid LIMIT 1
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
	SET CONSTRAINTS ALL IMMEDIATE;
	IF kept.path_id IS NOT NULL THEN
		SELECT x.relid, x.kind_id, personalize.rights_is_internal(x.path_id) AS mine INTO p FROM personalize.registry_path AS x WHERE x.path_id = kept.path_id;
		n := personalize.rights_run_internal(kept.path_id, personalize.batch_text_internal(p.relid,
			p.mine || personalize.rights_lone_internal(p.relid, p.kind_id), rows), kept.key, '{}');
		IF n = 0 THEN
			/* what others own, too */
			changes := personalize.anonymous_internal(kept.path_id, '{}', gen_random_uuid());
			PERFORM personalize.rights_run_internal(kept.path_id, personalize.rights_update_text_internal(kept.path_id,
				ARRAY(SELECT k.name FROM jsonb_object_keys(changes) AS k (name)), p.mine), kept.key, changes);
			DELETE FROM personalize.retained AS x WHERE x.path_id = kept.path_id AND x.key = kept.key;
		END IF;
		RETURN true;
	END IF;
	swept := personalize.retention_due_internal();
	IF swept.relid IS NULL THEN
		RETURN false;
	END IF;
	n := personalize.rights_run_internal((SELECT min(x.path_id) FROM personalize.registry_path AS x WHERE x.relid = swept.relid),
		personalize.batch_text_internal(swept.relid::oid, format('%I OPERATOR(pg_catalog.<) (pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) %L::pg_catalog.interval)%s',
			swept.column_name, swept.keep_for, personalize.held_condition_internal(swept.relid::oid)), rows), '', '{}');
	UPDATE personalize.registry_retention AS x SET rows_swept = x.rows_swept + n, message = NULL,
			swept_at = CASE WHEN n = 0 THEN clock_timestamp() ELSE x.swept_at END
		WHERE x.relid = swept.relid;
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
	UPDATE personalize.registry_retention AS x SET message = retention_failed_internal.message, swept_at = clock_timestamp() WHERE x.relid = swept.relid;
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
$$;
COMMENT ON FUNCTION personalize.rights_due_internal() IS 'Is there work for the rights worker?';

/* --------------------------------------------------------------- proof */

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
			AND personalize.rights_run_internal(s.path_id, format('SELECT pg_catalog.count(*) FROM %s WHERE %s', s.relation_name, s.condition), u.key, '{}') > 0)
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
