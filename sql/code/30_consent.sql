/*
 * Consent: what a subject said, one immutable line each, and the questions
 * that can be asked about it.
 *
 * Order of events: whoever records an event holds the row of its subject
 * (FOR NO KEY UPDATE) until the transaction ends and draws the number of the
 * event only then, so the events of one subject are numbered in commit order.
 * Batches lock subjects they find in the order of their numbers and make new
 * ones in the order of their keys.
 *
 * No message repeats a key, a notice or evidence.
 */

/* ---------------------------------------------------- kinds, keys, subjects */

CREATE OR REPLACE FUNCTION personalize.kind_id_internal(kind text)
RETURNS integer
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	id integer;
BEGIN
	IF kind_id_internal.kind IS NULL THEN
		RAISE EXCEPTION 'kind of subject must not be null' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	SELECT k.kind_id INTO id FROM personalize.registry_kind AS k WHERE k.name = kind_id_internal.kind;
	IF id IS NULL AND kind_id_internal.kind <> 'subject' THEN
		RAISE EXCEPTION 'kind of subject "%" does not exist', personalize.shown_internal(kind_id_internal.kind)
			USING ERRCODE = 'undefined_object', HINT = 'Define it with define_kind().';
	END IF;
	RETURN coalesce(id, 0);
END
$$;
COMMENT ON FUNCTION personalize.kind_id_internal(text) IS
	'Number of a kind of subject; 0 for the kind subject before its first use';

CREATE OR REPLACE FUNCTION personalize.canonical_key_internal(kind text, subject text)
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	type oid;
	key text;
BEGIN
	IF canonical_key_internal.subject IS NULL THEN
		RAISE EXCEPTION 'subject must not be null' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	IF canonical_key_internal.subject = '' THEN
		RAISE EXCEPTION 'subject must not be empty' USING ERRCODE = 'invalid_parameter_value';
	END IF;
	IF octet_length(canonical_key_internal.subject) > 1024 THEN
		RAISE EXCEPTION 'key of subject is longer than 1 kB'
			USING ERRCODE = 'program_limit_exceeded', HINT = 'Use a shorter key, for example a number or a uuid.';
	END IF;
	SELECT k.key_type INTO type FROM personalize.registry_kind AS k WHERE k.name = canonical_key_internal.kind;
	key := personalize.canonical_or_null_internal(type, canonical_key_internal.subject);
	IF key IS NULL THEN
		RAISE EXCEPTION 'key of subject is not a valid %', format_type(type, NULL)
			USING ERRCODE = 'invalid_parameter_value',
				HINT = format('Kind of subject "%s" has keys of type %s.', canonical_key_internal.kind, format_type(type, NULL));
	END IF;
	RETURN key;
END
$$;
COMMENT ON FUNCTION personalize.canonical_key_internal(text, text) IS
	'Canonical form of the key of a subject, as the key type of its kind has it; errors do not repeat the key';

CREATE OR REPLACE FUNCTION personalize.subject_no_internal(kind_id integer, key text, "create" boolean)
RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	no bigint;
BEGIN
	LOOP
		/* look first: a number drawn in vain would be a hole in the dense numbers */
		SELECT s.subject_no INTO no FROM personalize.subject AS s
			WHERE s.kind_id = subject_no_internal.kind_id AND s.key = subject_no_internal.key
			FOR NO KEY UPDATE;
		EXIT WHEN FOUND OR NOT subject_no_internal."create";
		/* an erased key stays one, whatever it is numbered for: only a choice of the person or reinstate_subject() lifts that */
		INSERT INTO personalize.subject AS s (kind_id, key, tombstoned)
			VALUES (subject_no_internal.kind_id, subject_no_internal.key,
				EXISTS (SELECT 1 FROM personalize.tombstone AS t WHERE t.kind_id = subject_no_internal.kind_id)
				AND EXISTS (SELECT 1 FROM personalize.tombstone AS t
					WHERE t.digest = personalize.tombstone_digest_internal(subject_no_internal.kind_id, subject_no_internal.key)))
			ON CONFLICT DO NOTHING RETURNING s.subject_no INTO no;
		EXIT WHEN FOUND;
	END LOOP;
	RETURN no;
END
$$;
COMMENT ON FUNCTION personalize.subject_no_internal(integer, text, boolean) IS
	'Dense number of a subject, its row locked until the transaction ends; NULL if there is none and none is to be made';

CREATE OR REPLACE FUNCTION personalize.subjects_lock_internal(kind_id integer, keys text[],
	OUT nos bigint[], OUT found_keys text[])
RETURNS record
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
SET enable_bitmapscan = off
SET enable_seqscan = off	/* by index, whatever the statistics say of a table that just grew */
SET jit = off	/* what is off costs so much that it would compile every time */
AS $$
BEGIN
	/* a sub-select for each key uses both columns of the index; a join might not */
	nos := ARRAY(SELECT x.no
		FROM (SELECT (SELECT s.subject_no FROM personalize.subject AS s
				WHERE s.kind_id = subjects_lock_internal.kind_id AND s.key = u.key) AS no
			FROM unnest(keys) AS u (key)) AS x
		WHERE x.no IS NOT NULL ORDER BY x.no);
	/* whoever is the same person as one of them is locked in the same order */
	IF EXISTS (SELECT FROM personalize.linked) THEN
		PERFORM personalize.linked_lock_internal(ARRAY(SELECT DISTINCT coalesce(m.subject_no, u.no) FROM unnest(nos) AS u (no)
			LEFT JOIN personalize.linked AS l ON l.subject_no = u.no LEFT JOIN personalize.linked AS m ON m.group_no = l.group_no));
	END IF;
	/* somebody erased while we waited for the lock has no key any more and is not found */
	SELECT array_agg(x.subject_no), array_agg(x.key) INTO nos, found_keys
		FROM (SELECT s.subject_no, s.key FROM personalize.subject AS s
			WHERE s.subject_no = ANY (nos) AND s.key IS NOT NULL
			ORDER BY s.subject_no FOR NO KEY UPDATE) AS x;
END
$$;
COMMENT ON FUNCTION personalize.subjects_lock_internal(integer, text[]) IS
	'Locks the subjects of different keys in the order of their numbers until the transaction ends; returns those that exist';

CREATE OR REPLACE FUNCTION personalize.tombstone_lift_internal(kind_id integer, keys text[])
RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	lifted bigint := 0;
	marked bigint[];
	digests bytea[];
BEGIN
	/* a marked subject has a tombstone: without any there is nothing to look for */
	IF NOT EXISTS (SELECT 1 FROM personalize.tombstone AS t WHERE t.kind_id = tombstone_lift_internal.kind_id) THEN
		RETURN 0;
	END IF;
	marked := ARRAY(SELECT s.subject_no FROM personalize.subject AS s
		WHERE s.kind_id = tombstone_lift_internal.kind_id AND s.tombstoned AND s.key = ANY (keys));
	PERFORM personalize.ledger_unlock_internal(true);
	WITH gone AS (
		DELETE FROM personalize.tombstone AS t
			WHERE t.kind_id = tombstone_lift_internal.kind_id
				AND t.digest = ANY (ARRAY(SELECT personalize.tombstone_digest_internal(tombstone_lift_internal.kind_id, u.key)
					FROM unnest(keys) AS u (key)))
			RETURNING t.digest, t.kind_id, t.erased_at
	), kept AS (
		/* of an erasure that was carried out, not of one that was asked for only */
		INSERT INTO personalize.tombstone_lifted AS l (digest, kind_id, erased_at)
			SELECT g.digest, g.kind_id, g.erased_at FROM gone AS g
			WHERE EXISTS (SELECT FROM personalize.erasure AS e WHERE e.erased_at = g.erased_at)
			ON CONFLICT DO NOTHING
	)
	SELECT array_agg(g.digest) INTO digests FROM gone AS g;
	lifted := coalesce(cardinality(digests), 0);
	IF cardinality(marked) > 0 THEN
		UPDATE personalize.subject AS s SET tombstoned = false WHERE s.subject_no = ANY (marked);
		lifted := greatest(lifted, cardinality(marked));
	END IF;
	/* rows of a new person are not those that were retained of the erased one: nobody could tell them apart any more */
	DELETE FROM personalize.retained AS x USING personalize.registry_path AS p
		WHERE p.path_id = x.path_id AND p.kind_id = tombstone_lift_internal.kind_id AND x.key = ANY (keys);
	PERFORM personalize.ledger_unlock_internal(false);
	/* rows that exclude them may have waited all the time */
	IF lifted > 0 THEN
		PERFORM personalize.exclusions_returned_internal(tombstone_lift_internal.kind_id, ARRAY(SELECT u.key FROM unnest(keys) AS u (key)
			WHERE personalize.tombstone_digest_internal(tombstone_lift_internal.kind_id, u.key) = ANY (digests)));
	END IF;
	RETURN lifted;
END
$$;
COMMENT ON FUNCTION personalize.tombstone_lift_internal(integer, text[]) IS
	'Makes new persons of erased keys: removes their tombstones; returns how many there were';

/* ------------------------------------------------------------- one event */

CREATE OR REPLACE FUNCTION personalize.record_event_internal(subject text, purpose text, action text, categories text[],
	expires_at timestamptz, notice text, method text, evidence jsonb, explicit boolean, reason text, kind text)
RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	kind_no integer;
	key text;
	purpose_no integer := 0;
	ids integer[];
	own integer[];
	no bigint;
	event bigint;
	told record;
	shown text := record_event_internal.notice;
	spoken text := record_event_internal.evidence ->> 'language';
	ends_at timestamptz := record_event_internal.expires_at;
	proof jsonb := record_event_internal.evidence;
BEGIN
	PERFORM personalize.require_preloaded_internal();
	kind_no := personalize.kind_id_internal(record_event_internal.kind);
	key := personalize.canonical_key_internal(record_event_internal.kind, record_event_internal.subject);

	/* define_purpose() changes the list of a purpose only while nobody records a choice by it */
	LOCK TABLE personalize.consent_event IN ROW EXCLUSIVE MODE;
	IF record_event_internal.action NOT IN ('restricted', 'lifted') THEN
		purpose_no := personalize.purpose_id_internal(record_event_internal.purpose, 'consent');
		IF record_event_internal.categories IS NOT NULL THEN
			ids := personalize.category_ids_internal(record_event_internal.categories);
			IF cardinality(ids) = 0 THEN
				RAISE EXCEPTION 'categories must not be an empty array'
					USING ERRCODE = 'invalid_parameter_value', HINT = 'Leave categories out to mean all of the purpose.';
			END IF;
		END IF;
		IF record_event_internal.action = 'given' THEN
			own := ARRAY(SELECT c.category_id FROM personalize.registry_purpose_category AS c
				WHERE c.purpose_id = purpose_no ORDER BY c.category_id);
			IF ids IS NULL THEN
				ids := 0 || own;
			ELSIF NOT ids <@ own THEN
				RAISE EXCEPTION 'purpose "%" does not list all of the categories', record_event_internal.purpose
					USING ERRCODE = 'invalid_parameter_value',
						HINT = 'Consent is to categories that the purpose lists; see the view personalize.purposes.';
			END IF;
			IF record_event_internal.expires_at <= clock_timestamp() THEN
				RAISE EXCEPTION 'expires_at is in the past' USING ERRCODE = 'invalid_parameter_value';
			END IF;
			IF record_event_internal.explicit IS NULL THEN
				RAISE EXCEPTION 'explicit must not be null' USING ERRCODE = 'null_value_not_allowed';
			END IF;
			IF ends_at IS NULL THEN
				SELECT clock_timestamp() + l.lifetime INTO ends_at FROM personalize.consent_lifetime AS l WHERE l.purpose_id = purpose_no;
			END IF;
		END IF;
	END IF;
	/* the exact version of a notice that is registered, which may have an end; functions are called only where there is something to do */
	IF record_event_internal.notice IS NOT NULL
		AND EXISTS (SELECT FROM personalize.notice_name AS n WHERE n.name = split_part(record_event_internal.notice, '/', 1)) THEN
		SELECT n.shown AS shown, n.spoken AS spoken, n.ends_at AS ends_at INTO told
			FROM personalize.notice_shown_internal(record_event_internal.notice, record_event_internal.evidence ->> 'language',
				purpose_no, record_event_internal.action = 'given') AS n;
		shown := told.shown;
		spoken := told.spoken;
		ends_at := least(ends_at, told.ends_at);
	END IF;

	/* before the subject is locked: whoever changes the registry locks no subject */
	IF record_event_internal.categories IS NOT NULL AND purpose_no <> 0 THEN
		PERFORM personalize.mark_partial_internal(personalize.categories_below_internal(purpose_no));
	END IF;
	IF kind_no = 0 THEN
		kind_no := personalize.ensure_kind_internal(record_event_internal.kind);
	END IF;
	PERFORM personalize.linked_lock_key_internal(kind_no, key);
	no := personalize.subject_no_internal(kind_no, key, true);
	IF purpose_no <> 0 THEN
		PERFORM personalize.tombstone_lift_internal(kind_no, ARRAY[key]);
	END IF;
	IF record_event_internal.action = 'given' AND (record_event_internal.method = 'guardian'
		OR EXISTS (SELECT FROM personalize.minor AS m WHERE m.subject_no = no)
		OR EXISTS (SELECT FROM personalize.linked AS l WHERE l.subject_no = no)) THEN
		proof := personalize.guardian_evidence_internal(no, record_event_internal.method, proof);
	END IF;
	INSERT INTO personalize.consent_event (subject_no, purpose_id, action, categories, explicit, expires_at, notice,
			language, method, evidence, reason, recorded_by, recorded_as, app_user)
		VALUES (no, purpose_no, record_event_internal.action, ids, record_event_internal.explicit,
			ends_at, shown, spoken, record_event_internal.method, proof,
			record_event_internal.reason, session_user,
			pg_get_userbyid(personalize.outer_role_internal()),
			nullif(current_setting('personalize.app_user', true), ''))
		RETURNING event_id INTO event;
	PERFORM personalize.linked_mirror_internal(event, no);
	RETURN event;
END
$$;
COMMENT ON FUNCTION personalize.record_event_internal(text, text, text, text[], timestamptz, text, text, jsonb, boolean, text, text) IS
	'Writes one line of the ledger; every function that records a choice of one subject ends here';

CREATE OR REPLACE FUNCTION personalize.grant_consent(subject text, purpose text, categories text[] DEFAULT NULL,
	expires_at timestamptz DEFAULT NULL, notice text DEFAULT NULL, method text DEFAULT NULL,
	evidence jsonb DEFAULT NULL, explicit boolean DEFAULT false, kind text DEFAULT 'subject')
RETURNS bigint
LANGUAGE sql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT personalize.record_event_internal(subject, purpose, 'given', categories, expires_at, notice, method, evidence, explicit, NULL, kind)
$$;
COMMENT ON FUNCTION personalize.grant_consent(text, text, text[], timestamptz, text, text, jsonb, boolean, text) IS
	'Records that a subject agreed to a purpose, to all categories it lists now or to those named; returns the number of the event';

CREATE OR REPLACE FUNCTION personalize.refuse_consent(subject text, purpose text, categories text[] DEFAULT NULL,
	notice text DEFAULT NULL, method text DEFAULT NULL, evidence jsonb DEFAULT NULL, kind text DEFAULT 'subject')
RETURNS bigint
LANGUAGE sql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT personalize.record_event_internal(subject, purpose, 'refused', categories, NULL, notice, method, evidence, false, NULL, kind)
$$;
COMMENT ON FUNCTION personalize.refuse_consent(text, text, text[], text, text, jsonb, text) IS
	'Records that a subject did not agree to a purpose, or to some categories of it; returns the number of the event';

CREATE OR REPLACE FUNCTION personalize.withdraw_consent(subject text, purpose text, categories text[] DEFAULT NULL,
	notice text DEFAULT NULL, method text DEFAULT NULL, evidence jsonb DEFAULT NULL, kind text DEFAULT 'subject')
RETURNS bigint
LANGUAGE sql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT personalize.record_event_internal(subject, purpose, 'withdrawn', categories, NULL, notice, method, evidence, false, NULL, kind)
$$;
COMMENT ON FUNCTION personalize.withdraw_consent(text, text, text[], text, text, jsonb, text) IS
	'Records that a subject took consent back; binds every statement that starts after the commit; returns the number of the event';

CREATE OR REPLACE FUNCTION personalize.object_to(subject text, purpose text, categories text[] DEFAULT NULL,
	notice text DEFAULT NULL, method text DEFAULT NULL, evidence jsonb DEFAULT NULL, kind text DEFAULT 'subject')
RETURNS bigint
LANGUAGE sql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT personalize.record_event_internal(subject, purpose, 'objected', categories, NULL, notice, method, evidence, false, NULL, kind)
$$;
COMMENT ON FUNCTION personalize.object_to(text, text, text[], text, text, jsonb, text) IS
	'Records that a subject objected to a purpose (legitimate interest); returns the number of the event';

CREATE OR REPLACE FUNCTION personalize.restrict_processing(subject text, reason text DEFAULT NULL, kind text DEFAULT 'subject')
RETURNS bigint
LANGUAGE sql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT personalize.record_event_internal(subject, NULL, 'restricted', NULL, NULL, NULL, NULL, NULL, false, reason, kind)
$$;
COMMENT ON FUNCTION personalize.restrict_processing(text, text, text) IS
	'Restricts the processing of the data of a subject: overlays every purpose until lifted; returns the number of the event';

CREATE OR REPLACE FUNCTION personalize.lift_restriction(subject text, reason text DEFAULT NULL, kind text DEFAULT 'subject')
RETURNS bigint
LANGUAGE sql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT personalize.record_event_internal(subject, NULL, 'lifted', NULL, NULL, NULL, NULL, NULL, false, reason, kind)
$$;
COMMENT ON FUNCTION personalize.lift_restriction(text, text, text) IS
	'Lifts a restriction of processing; what the subject said before holds again; returns the number of the event';

/* --------------------------------------------------------------- questions */

CREATE OR REPLACE FUNCTION personalize.consent_state(subject text, purpose text, at timestamptz DEFAULT NULL,
	kind text DEFAULT 'subject')
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer text;
BEGIN
	SELECT d.state INTO answer FROM personalize.decision_internal(personalize.kind_id_internal(consent_state.kind),
		personalize.canonical_key_internal(consent_state.kind, consent_state.subject),
		personalize.purpose_id_internal(consent_state.purpose, 'ask'), consent_state.at) AS d;
	RETURN answer;
END
$$;
COMMENT ON FUNCTION personalize.consent_state(text, text, timestamptz, text) IS
	'What a subject last said about a purpose, now or as of a moment: given, refused, withdrawn, objected, restricted, expired, erased or unknown';

CREATE OR REPLACE FUNCTION personalize.permitted(subject text, purpose text, kind text DEFAULT 'subject')
RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer boolean;
BEGIN
	SELECT d.permitted INTO answer FROM personalize.decision_internal(personalize.kind_id_internal(permitted.kind),
		personalize.canonical_key_internal(permitted.kind, permitted.subject),
		personalize.purpose_id_internal(permitted.purpose, 'ask'), NULL) AS d;
	RETURN answer;
END
$$;
COMMENT ON FUNCTION personalize.permitted(text, text, text) IS
	'Whether data of a subject may be used for a purpose now, whatever its legal basis';

CREATE OR REPLACE FUNCTION personalize.decide(subject text, purpose text, kind text DEFAULT 'subject',
	OUT permitted boolean, OUT reason text, OUT event_id bigint)
RETURNS record
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	SELECT d.permitted, d.reason, d.event_id INTO decide.permitted, decide.reason, decide.event_id
		FROM personalize.decision_internal(personalize.kind_id_internal(decide.kind),
			personalize.canonical_key_internal(decide.kind, decide.subject),
			personalize.purpose_id_internal(decide.purpose, 'ask'), NULL) AS d;
END
$$;
COMMENT ON FUNCTION personalize.decide(text, text, text) IS
	'Whether data of a subject may be used for a purpose now, why, and by which event of the ledger';

CREATE OR REPLACE FUNCTION personalize.describe_controller(party_id text DEFAULT NULL, name text DEFAULT NULL,
	address text DEFAULT NULL, contact text DEFAULT NULL, party_type text DEFAULT NULL, jurisdiction text DEFAULT NULL,
	language text DEFAULT NULL, storage_locations text[] DEFAULT NULL, withdrawal_method text DEFAULT NULL)
RETURNS void
LANGUAGE sql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
	INSERT INTO personalize.controller AS c (party_id, name, address, contact, party_type, jurisdiction, language,
			storage_locations, withdrawal_method)
		VALUES (describe_controller.party_id, describe_controller.name, describe_controller.address,
			describe_controller.contact, describe_controller.party_type, describe_controller.jurisdiction,
			describe_controller.language, describe_controller.storage_locations, describe_controller.withdrawal_method)
		ON CONFLICT (only_row) DO UPDATE
			SET party_id = coalesce(EXCLUDED.party_id, c.party_id), name = coalesce(EXCLUDED.name, c.name),
				address = coalesce(EXCLUDED.address, c.address), contact = coalesce(EXCLUDED.contact, c.contact),
				party_type = coalesce(EXCLUDED.party_type, c.party_type),
				jurisdiction = coalesce(EXCLUDED.jurisdiction, c.jurisdiction),
				language = coalesce(EXCLUDED.language, c.language),
				storage_locations = coalesce(EXCLUDED.storage_locations, c.storage_locations),
				withdrawal_method = coalesce(EXCLUDED.withdrawal_method, c.withdrawal_method)
$$;
COMMENT ON FUNCTION personalize.describe_controller(text, text, text, text, text, text, text, text[], text) IS
	'Says who answers for the data (consent records name it); what is left out stays as it is';
