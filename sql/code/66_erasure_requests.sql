/*
 * Erasures that the rights worker carries out in batches, each in a transaction
 * of its own (src/rights_worker.c): what a crash interrupts is gone on with.
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
	one record;
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
	PERFORM personalize.linked_lock_key_internal(who.kind_id, who.key);
	no := personalize.subject_no_internal(who.kind_id, who.key, true);
	IF EXISTS (SELECT FROM personalize.erasure_request AS q WHERE q.subject_no = no AND q.status IN ('waiting', 'running', 'failed')) THEN
		RAISE EXCEPTION 'the erasure of the subject was requested already'
			USING ERRCODE = 'duplicate_object', HINT = 'The view personalize.erasure_requests lists them.';
	END IF;
	/* of all identities of the person */
	FOR one IN SELECT i.kind_id, i.key, s.subject_no, s.tombstoned FROM personalize.identities_internal(who.kind_id, who.key) AS i
			JOIN personalize.subject AS s ON s.subject_no = i.subject_no
		ORDER BY i.subject_no <> no, i.subject_no
	LOOP
		CONTINUE WHEN one.subject_no <> no AND EXISTS (SELECT FROM personalize.erasure_request AS q
			WHERE q.subject_no = one.subject_no AND q.status IN ('waiting', 'running', 'failed'));
		INSERT INTO personalize.erasure_request AS q (kind_id, subject_no, key, reason, requested_by, due_at, hides, with_request)
			VALUES (one.kind_id, one.subject_no, one.key, request_erasure.reason, session_user, clock_timestamp() + request_erasure.grace, NOT one.tombstoned, id)
			RETURNING coalesce(id, q.request_id) INTO id;
		/* hidden from the next statement on */
		PERFORM personalize.ledger_unlock_internal(true);
		INSERT INTO personalize.tombstone AS t (digest, kind_id)
			SELECT personalize.tombstone_digest_internal(one.kind_id, u.form), one.kind_id
			FROM unnest(personalize.key_forms_internal(one.kind_id, one.key)) AS u (form)
			ON CONFLICT (digest) DO NOTHING;
		UPDATE personalize.subject AS s SET tombstoned = true WHERE s.subject_no = one.subject_no;
		PERFORM personalize.ledger_unlock_internal(false);
	END LOOP;
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
	one record;
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
	PERFORM personalize.linked_lock_internal(ARRAY(SELECT x.subject_no FROM personalize.erasure_request AS x
		WHERE coalesce(x.with_request, x.request_id) = coalesce(q.with_request, q.request_id)));
	/* for all identities of the person */
	FOR one IN SELECT x.request_id, x.kind_id, x.key, x.hides FROM personalize.erasure_request AS x
		WHERE coalesce(x.with_request, x.request_id) = coalesce(q.with_request, q.request_id) AND x.status IN ('waiting', 'failed')
		ORDER BY x.subject_no
	LOOP
		/* who was erased before stays so */
		IF one.hides THEN
			PERFORM personalize.tombstone_lift_internal(one.kind_id, ARRAY[one.key]);
		END IF;
		UPDATE personalize.erasure_request AS x SET status = 'cancelled', key = NULL WHERE x.request_id = one.request_id;
	END LOOP;
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
	gone bigint;				/* rows deleted so far, in all batches */
	known bigint;				/* and that will have been */
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
		PERFORM personalize.progress_internal('requested erasure', NULL);
		RETURN true;
	END IF;
	/* at the end of each statement, as erase_subject() has it */
	SET CONSTRAINTS ALL IMMEDIATE;
	/* in the order of the plan, up to what must not be deleted: what that refers to is left to the end */
	prepared := personalize.erase_prepared_internal(q.kind_id);
	gone := (SELECT coalesce(sum(e.value::bigint), 0) FROM jsonb_each_text(q.deleted) AS e);
	FOREACH s IN ARRAY prepared.steps LOOP
		IF s.action <> 'delete' OR EXISTS (SELECT FROM personalize.hold AS h
			WHERE h.subject_no = q.subject_no AND h.released_at IS NULL AND (h.relation IS NULL OR s.relid = ANY (personalize.hold_reach_internal(h.relation)))) THEN
			CONTINUE WHEN personalize.rights_run_set_internal(s.path_id, s.count_text, ARRAY[q.key], '{}') = 0;
			EXIT;
		END IF;
		known := personalize.progress_internal('requested erasure', 'deleting rows', gone);
		PERFORM personalize.cascade_check_internal(q.kind_id, ARRAY[q.key], prepared.steps, s.relid, prepared.acting, false);
		n := personalize.rights_run_set_internal(s.path_id, personalize.batch_text_internal(s.relid, s.condition, rows), ARRAY[q.key], '{}');
		IF n > 0 THEN
			UPDATE personalize.erasure_request AS x SET status = 'running', tried_at = clock_timestamp(),
					deleted = x.deleted || jsonb_build_object(s.relation_name, coalesce((x.deleted ->> s.relation_name)::bigint, 0) + n)
				WHERE x.request_id = q.request_id;
			gone := gone + n;
			IF known IS NULL AND n >= rows THEN
				/* many: count once how many will go */
				known := gone + (SELECT coalesce(sum(personalize.rights_run_set_internal(x.path_id, x.count_text, ARRAY[q.key], '{}')), 0)
					FROM unnest(prepared.steps) AS x WHERE x.step >= s.step AND x.action = 'delete');
			END IF;
			PERFORM personalize.progress_internal('requested erasure', 'deleting rows', gone, CASE WHEN known IS NOT NULL THEN greatest(known, gone) END, s.relid);
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
	/* the next one begins anew */
	PERFORM personalize.progress_internal('requested erasure', NULL);
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
