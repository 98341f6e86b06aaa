/*
 * Requests of persons, and until when they must be answered: GDPR Art. 12(3),
 * one month and two more; CCPA 1798.130(a)(2), 45 days and 45 more.
 */
CREATE OR REPLACE FUNCTION personalize.open_request(subject text, "right" text, regulation text DEFAULT 'gdpr',
	received_at timestamptz DEFAULT NULL, details text DEFAULT NULL, kind text DEFAULT 'subject')
RETURNS uuid
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	who record;
	id uuid;
	received timestamptz := coalesce(open_request.received_at, clock_timestamp());
BEGIN
	who := personalize.rights_begin_internal(open_request.kind, open_request.subject);
	IF open_request."right" IS NULL OR open_request."right" NOT IN ('access', 'portability', 'rectification', 'erasure', 'restriction', 'objection',
			'automated_decision', 'withdrawal', 'sale_opt_out', 'limit_sensitive') THEN
		RAISE EXCEPTION 'right "%" is not known', personalize.shown_internal(coalesce(open_request."right", 'null'))
			USING ERRCODE = 'invalid_parameter_value',
				HINT = 'Use access, portability, rectification, erasure, restriction, objection, automated_decision, withdrawal, sale_opt_out or limit_sensitive.';
	END IF;
	IF open_request.regulation IS NULL OR open_request.regulation NOT IN ('gdpr', 'ccpa') THEN
		RAISE EXCEPTION 'regulation "%" is not known', personalize.shown_internal(coalesce(open_request.regulation, 'null'))
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Use gdpr or ccpa.';
	END IF;
	IF received > clock_timestamp() + interval '1 minute' THEN
		RAISE EXCEPTION 'received_at is in the future' USING ERRCODE = 'invalid_parameter_value';
	END IF;
	IF personalize.text_names_internal(open_request.details, ARRAY[who.key]) THEN
		RAISE EXCEPTION 'details must not name the subject'
			USING ERRCODE = 'invalid_parameter_value', HINT = 'The register is kept after an erasure; refer to the request, not to the person.';
	END IF;
	INSERT INTO personalize.request AS q (subject_no, "right", regulation, details, received_at, due_at, opened_by)
		VALUES (personalize.subject_no_internal(who.kind_id, who.key, true), open_request."right", open_request.regulation, open_request.details, received,
			received + CASE open_request.regulation WHEN 'gdpr' THEN interval '1 month' ELSE interval '45 days' END, session_user)
		RETURNING q.request_id INTO id;
	RETURN id;
END
$$;
COMMENT ON FUNCTION personalize.open_request(text, text, text, timestamptz, text, text) IS
	'Opens a request of a person by a right; it is due as the regulation says';

CREATE OR REPLACE FUNCTION personalize.request_internal(request_id uuid)
RETURNS personalize.request
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	q personalize.request;
BEGIN
	PERFORM personalize.registry_begin_internal();
	SELECT x.* INTO q FROM personalize.request AS x WHERE x.request_id = request_internal.request_id FOR UPDATE;
	IF q.request_id IS NULL THEN
		RAISE EXCEPTION 'request does not exist' USING ERRCODE = 'undefined_object', HINT = 'The view personalize.requests lists them.';
	END IF;
	IF q.status NOT IN ('open', 'in_progress') THEN
		RAISE EXCEPTION 'request is % already', q.status
			USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Open another one.';
	END IF;
	RETURN q;
END
$$;
COMMENT ON FUNCTION personalize.request_internal(uuid) IS 'A request that is not closed, locked; an error if there is none';

CREATE OR REPLACE FUNCTION personalize.verify_request(request_id uuid, verification text)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	q personalize.request := personalize.request_internal(verify_request.request_id);
BEGIN
	IF verify_request.verification IS NULL OR verify_request.verification = '' THEN
		RAISE EXCEPTION 'verification must say how the identity was verified' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	UPDATE personalize.request AS x SET status = 'in_progress', verified_at = clock_timestamp(), verification = verify_request.verification
		WHERE x.request_id = q.request_id;
END
$$;
COMMENT ON FUNCTION personalize.verify_request(uuid, text) IS 'Notes how the identity of who made a request was verified';

CREATE OR REPLACE FUNCTION personalize.extend_request(request_id uuid, why text)
RETURNS timestamptz
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	q personalize.request := personalize.request_internal(extend_request.request_id);
	due timestamptz;
BEGIN
	IF extend_request.why IS NULL OR extend_request.why = '' THEN
		RAISE EXCEPTION 'why must be said to the person' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	IF q.extended_at IS NOT NULL THEN
		RAISE EXCEPTION 'request was extended already' USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'It can be extended once.';
	END IF;
	IF clock_timestamp() > q.due_at THEN
		RAISE EXCEPTION 'request is overdue: it can no longer be extended'
			USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Answer it.';
	END IF;
	due := q.due_at + CASE q.regulation WHEN 'gdpr' THEN interval '2 months' ELSE interval '45 days' END;
	UPDATE personalize.request AS x SET due_at = due, extended_at = clock_timestamp(), details = concat_ws('; ', x.details, 'extended: ' || why)
		WHERE x.request_id = q.request_id;
	RETURN due;
END
$$;
COMMENT ON FUNCTION personalize.extend_request(uuid, text) IS
	'Gives a request the second term of its regulation, once and before it is due; returns when it is due then';

CREATE OR REPLACE FUNCTION personalize.close_request_internal(request_id uuid, status text, reason text, result jsonb)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	q personalize.request := personalize.request_internal(close_request_internal.request_id);
BEGIN
	IF close_request_internal.status = 'fulfilled' AND q.verified_at IS NULL THEN
		RAISE EXCEPTION 'request was not verified'
			USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Call verify_request(): data must not go to a stranger.';
	END IF;
	UPDATE personalize.request AS x SET status = close_request_internal.status, reason = close_request_internal.reason,
			result = close_request_internal.result, closed_at = clock_timestamp(), closed_by = session_user
		WHERE x.request_id = q.request_id;
END
$$;
COMMENT ON FUNCTION personalize.close_request_internal(uuid, text, text, jsonb) IS 'Closes a request';

CREATE OR REPLACE FUNCTION personalize.fulfil_request(request_id uuid, result jsonb DEFAULT NULL)
RETURNS void
LANGUAGE sql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$ SELECT personalize.close_request_internal(request_id, 'fulfilled', NULL, result) $$;
COMMENT ON FUNCTION personalize.fulfil_request(uuid, jsonb) IS
	'Closes a verified request as fulfilled; result can be the certificate of an erasure, not data of the person';

CREATE OR REPLACE FUNCTION personalize.refuse_request(request_id uuid, reason text)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF refuse_request.reason IS NULL OR refuse_request.reason NOT IN ('suspected_fraud', 'insuf_verification', 'no_match', 'claim_not_covered',
			'outside_jurisdiction', 'too_many_requests', 'other') THEN
		RAISE EXCEPTION 'reason "%" is not known', personalize.shown_internal(coalesce(refuse_request.reason, 'null'))
			USING ERRCODE = 'invalid_parameter_value',
				HINT = 'Use suspected_fraud, insuf_verification, no_match, claim_not_covered, outside_jurisdiction, too_many_requests or other.';
	END IF;
	PERFORM personalize.close_request_internal(refuse_request.request_id, 'denied', refuse_request.reason, NULL);
END
$$;
COMMENT ON FUNCTION personalize.refuse_request(uuid, text) IS 'Closes a request as denied, with a reason of the Data Rights Protocol';

CREATE OR REPLACE FUNCTION personalize.revoke_request(request_id uuid)
RETURNS void
LANGUAGE sql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$ SELECT personalize.close_request_internal(request_id, 'revoked', NULL, NULL) $$;
COMMENT ON FUNCTION personalize.revoke_request(uuid) IS 'Closes a request that the person has taken back';

CREATE OR REPLACE VIEW personalize.requests AS
	SELECT q.request_id, k.name AS kind, s.key AS subject, q."right", q.regulation, q.status, q.reason, q.received_at, q.due_at,
		q.status IN ('open', 'in_progress') AND q.due_at < pg_catalog.clock_timestamp() AS overdue,
		q.verified_at, q.verification, q.extended_at, q.closed_at, q.details, q.result, q.opened_by, q.closed_by
	FROM personalize.request AS q
		LEFT JOIN personalize.subject AS s ON s.subject_no = q.subject_no
		LEFT JOIN personalize.registry_kind AS k ON k.kind_id = s.kind_id;
COMMENT ON VIEW personalize.requests IS 'Requests of persons; the subject is NULL once it was erased';
