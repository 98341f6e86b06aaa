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
BEGIN
	/* a marked subject has a tombstone: without any there is nothing to look for */
	IF NOT EXISTS (SELECT 1 FROM personalize.tombstone AS t WHERE t.kind_id = tombstone_lift_internal.kind_id) THEN
		RETURN 0;
	END IF;
	marked := ARRAY(SELECT s.subject_no FROM personalize.subject AS s
		WHERE s.kind_id = tombstone_lift_internal.kind_id AND s.tombstoned AND s.key = ANY (keys));
	PERFORM personalize.ledger_unlock_internal(true);
	DELETE FROM personalize.tombstone AS t
		WHERE t.kind_id = tombstone_lift_internal.kind_id
			AND t.digest = ANY (ARRAY(SELECT personalize.tombstone_digest_internal(tombstone_lift_internal.kind_id, u.key)
				FROM unnest(keys) AS u (key)));
	GET DIAGNOSTICS lifted = ROW_COUNT;
	IF cardinality(marked) > 0 THEN
		UPDATE personalize.subject AS s SET tombstoned = false WHERE s.subject_no = ANY (marked);
		lifted := greatest(lifted, cardinality(marked));
	END IF;
	/* rows of a new person are not those that were retained of the erased one: nobody could tell them apart any more */
	DELETE FROM personalize.retained AS x USING personalize.registry_path AS p
		WHERE p.path_id = x.path_id AND p.kind_id = tombstone_lift_internal.kind_id AND x.key = ANY (keys);
	PERFORM personalize.ledger_unlock_internal(false);
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

/* ----------------------------------------------------------- many events */

CREATE OR REPLACE FUNCTION personalize.record_batch_internal(subjects text[], purposes text[], actions text[],
	categories text[], expires_ats timestamptz[], notices text[], methods text[], evidences jsonb[],
	explicits boolean[], kinds text[])
RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_nestloop = off	/* arrays look small to a generic plan and are not */
SET enable_mergejoin = off
AS $$
#variable_conflict use_column
DECLARE
	n bigint := coalesce(cardinality(subjects), 0);
	said record;
	purpose personalize.registry_purpose;
	own integer[];
	ids integer[];
	kind_no integer;
	key_type oid;
	verb text;
	/* one entry for each different (purpose, action, categories, kind) */
	combo text[] := '{}';
	combo_purpose integer[] := '{}';
	combo_action text[] := '{}';
	combo_ids text[] := '{}';
	combo_kind integer[] := '{}';
	combo_lifetime interval[] := '{}';
	/* one entry for each different (notice, language, purpose, action) whose notice is registered */
	told record;
	told_all text[] := '{}';
	told_shown text[] := '{}';
	told_spoken text[] := '{}';
	told_ends timestamptz[] := '{}';
	minors bigint[];
	bad_notice bigint := 0;
	bad_minor bigint;
	apart integer[] := '{}';	/* purposes of which categories are told apart */
	bad_purpose bigint := 0;
	bad_action bigint := 0;
	bad_category bigint := 0;
	bad_kind bigint := 0;
	bad_key bigint;
	bad_expiry bigint;
	item_kinds integer[];		/* of each row */
	item_keys text[];
	found_kinds integer[] := '{}';	/* of each subject */
	found_keys text[] := '{}';
	found_nos bigint[] := '{}';
	here_keys text[];
	here_nos bigint[];
	new_keys text[];
	new_nos bigint[];
	wanted text[];
	writer name := session_user;
	role name;
	app_user text := nullif(current_setting('personalize.app_user', true), '');
	now_is timestamptz := clock_timestamp();
	written bigint;
BEGIN
	PERFORM personalize.require_preloaded_internal();
	role := pg_get_userbyid(personalize.outer_role_internal());
	IF n = 0 THEN
		RETURN 0;
	END IF;
	/* define_purpose() changes the list of a purpose only while nobody records a choice by it */
	LOCK TABLE personalize.consent_event IN ROW EXCLUSIVE MODE;
	IF array_ndims(subjects) <> 1
		OR (SELECT bool_or(u.length <> n) FROM unnest(ARRAY[cardinality(purposes), cardinality(actions),
			cardinality(categories), cardinality(expires_ats), cardinality(notices), cardinality(methods),
			cardinality(evidences), cardinality(explicits), cardinality(kinds)]::bigint[]) AS u (length)) THEN
		RAISE EXCEPTION 'arrays of a batch must be of one length' USING ERRCODE = 'invalid_parameter_value';
	END IF;

	/* what is said, by name and once for each difference */
	FOR said IN
		SELECT u.purpose AS purpose, u.action AS action, u.categories AS categories, coalesce(u.kind, 'subject') AS kind,
				count(*) AS times
			FROM unnest(purposes, actions, categories, kinds) AS u (purpose, action, categories, kind)
			GROUP BY 1, 2, 3, 4
	LOOP
		verb := CASE said.action WHEN 'grant' THEN 'given' WHEN 'refuse' THEN 'refused'
			WHEN 'withdraw' THEN 'withdrawn' WHEN 'object' THEN 'objected' ELSE said.action END;
		IF verb IS NULL OR verb NOT IN ('given', 'refused', 'withdrawn', 'objected') THEN
			bad_action := bad_action + said.times;
			CONTINUE;
		END IF;
		SELECT p.* INTO purpose FROM personalize.registry_purpose AS p
			WHERE p.name = said.purpose AND p.retired_at IS NULL AND NOT p.builtin;
		IF purpose.purpose_id IS NULL THEN
			bad_purpose := bad_purpose + said.times;
			CONTINUE;
		END IF;
		SELECT k.kind_id INTO kind_no FROM personalize.registry_kind AS k WHERE k.name = said.kind;
		IF kind_no IS NULL THEN
			IF said.kind <> 'subject' THEN
				bad_kind := bad_kind + said.times;
				CONTINUE;
			END IF;
			kind_no := personalize.ensure_kind_internal(said.kind);
		END IF;
		ids := NULL;
		own := ARRAY(SELECT c.category_id FROM personalize.registry_purpose_category AS c
			WHERE c.purpose_id = purpose.purpose_id ORDER BY c.category_id);
		IF said.categories IS NULL THEN
			IF verb = 'given' THEN
				ids := 0 || own;
			END IF;
		ELSE
			BEGIN
				ids := personalize.category_ids_internal(said.categories::text[]);
			EXCEPTION WHEN data_exception OR undefined_object THEN
				ids := '{}';
			END;
			IF cardinality(ids) = 0 OR (verb = 'given' AND NOT ids <@ own) THEN
				bad_category := bad_category + said.times;
				CONTINUE;
			END IF;
		END IF;
		IF said.categories IS NOT NULL THEN
			apart := apart || purpose.purpose_id;
		END IF;
		combo := combo || concat_ws(E'\x01', said.purpose, said.action, said.kind, said.categories);
		combo_purpose := combo_purpose || purpose.purpose_id;
		combo_action := combo_action || verb;
		combo_ids := combo_ids || ids::text;
		combo_kind := combo_kind || kind_no;
		combo_lifetime := combo_lifetime || (SELECT l.lifetime FROM personalize.consent_lifetime AS l WHERE l.purpose_id = purpose.purpose_id);
	END LOOP;

	/* the notices that are registered, by their exact version */
	FOR said IN
		SELECT u.notice AS notice, u.evidence ->> 'language' AS language, u.purpose AS purpose, u.action AS action, count(*) AS times
			FROM unnest(notices, evidences, purposes, actions) AS u (notice, evidence, purpose, action)
				JOIN personalize.notice_name AS n ON n.name = split_part(u.notice, '/', 1)
			GROUP BY 1, 2, 3, 4
	LOOP
		BEGIN
			SELECT n.shown AS shown, n.spoken AS spoken, n.ends_at AS ends_at INTO told
				FROM personalize.notice_shown_internal(said.notice, said.language,
					(SELECT p.purpose_id FROM personalize.registry_purpose AS p WHERE p.name = said.purpose), said.action IN ('given', 'grant')) AS n;
		EXCEPTION WHEN undefined_object OR invalid_parameter_value OR object_not_in_prerequisite_state THEN
			bad_notice := bad_notice + said.times;
			CONTINUE;
		END;
		told_all := told_all || concat(said.notice, E'\x01', said.language, E'\x01', said.purpose, E'\x01', said.action);
		told_shown := told_shown || told.shown;
		told_spoken := told_spoken || told.spoken;
		told_ends := told_ends || told.ends_at;
	END LOOP;

	/* the keys */
	IF kinds IS NULL THEN
		SELECT k.kind_id, k.key_type INTO kind_no, key_type FROM personalize.registry_kind AS k WHERE k.name = 'subject';
		item_keys := ARRAY(SELECT personalize.canonical_or_null_internal(key_type, u.subject)
			FROM unnest(subjects) WITH ORDINALITY AS u (subject, ord) ORDER BY u.ord);
		item_kinds := array_fill(kind_no, ARRAY[n::integer]);
	ELSE
		SELECT array_agg(personalize.canonical_or_null_internal(k.key_type, u.subject) ORDER BY u.ord),
				array_agg(k.kind_id ORDER BY u.ord)
			INTO item_keys, item_kinds
			FROM unnest(subjects, kinds) WITH ORDINALITY AS u (subject, kind, ord)
				LEFT JOIN personalize.registry_kind AS k ON k.name = coalesce(u.kind, 'subject');
	END IF;
	SELECT count(*) INTO bad_key FROM unnest(item_keys) AS u (key) WHERE u.key IS NULL;
	SELECT count(*) INTO bad_expiry FROM unnest(actions, expires_ats) AS u (action, expires_at)
		WHERE u.action IN ('given', 'grant') AND u.expires_at <= now_is;
	IF bad_purpose + bad_action + bad_category + bad_kind + bad_key + bad_expiry + bad_notice > 0 THEN
		RAISE EXCEPTION 'consent events cannot be recorded'
			USING ERRCODE = 'invalid_parameter_value',
				DETAIL = format('Of %s events: subject missing or of the wrong form %s, unknown or retired purpose %s, unknown action %s, unknown or unlisted category %s, unknown kind of subject %s, expired already %s%s.',
					n, bad_key, bad_purpose, bad_action, bad_category, bad_kind, bad_expiry,
					CASE WHEN bad_notice > 0 THEN format(', unknown, unfit or outdated version of a notice %s', bad_notice) END),
				HINT = 'Nothing was recorded. Actions are given, refused, withdrawn and objected.';
	END IF;

	PERFORM personalize.mark_partial_internal(personalize.categories_below_internal(u.id))
		FROM (SELECT DISTINCT x.id FROM unnest(apart) AS x (id) ORDER BY x.id) AS u;

	/* the subjects: lock those that exist by number, make the others by key */
	FOREACH kind_no IN ARRAY ARRAY(SELECT DISTINCT u.kind FROM unnest(item_kinds) AS u (kind) ORDER BY u.kind)
	LOOP
		wanted := ARRAY(SELECT DISTINCT u.key COLLATE "C" FROM unnest(item_keys, item_kinds) AS u (key, kind)
			WHERE u.kind = kind_no ORDER BY 1);
		LOOP
			SELECT l.nos, l.found_keys INTO here_nos, here_keys
				FROM personalize.subjects_lock_internal(kind_no, wanted) AS l;
			EXIT WHEN cardinality(here_nos) = cardinality(wanted);
			/* twice as fast without ON CONFLICT, which is for the rare case that somebody else makes one just now */
			BEGIN
				WITH made AS (
					INSERT INTO personalize.subject AS s (kind_id, key)
						SELECT kind_no, u.key FROM unnest(wanted) WITH ORDINALITY AS u (key, ord)
							LEFT JOIN unnest(here_keys) AS h (key) ON h.key = u.key
						WHERE h.key IS NULL
						ORDER BY u.ord
						RETURNING s.subject_no, s.key)
				SELECT array_agg(m.subject_no), array_agg(m.key) INTO new_nos, new_keys FROM made AS m;
			EXCEPTION WHEN unique_violation THEN
				WITH made AS (
					INSERT INTO personalize.subject AS s (kind_id, key)
						SELECT kind_no, u.key FROM unnest(wanted) WITH ORDINALITY AS u (key, ord)
							LEFT JOIN unnest(here_keys) AS h (key) ON h.key = u.key
						WHERE h.key IS NULL
						ORDER BY u.ord
						ON CONFLICT DO NOTHING
						RETURNING s.subject_no, s.key)
				SELECT array_agg(m.subject_no), array_agg(m.key) INTO new_nos, new_keys FROM made AS m;
			END;
			here_nos := here_nos || new_nos;
			here_keys := here_keys || new_keys;
			/* somebody else made one of them meanwhile: look again */
			EXIT WHEN cardinality(here_nos) = cardinality(wanted);
		END LOOP;
		PERFORM personalize.tombstone_lift_internal(kind_no, wanted);
		found_nos := found_nos || here_nos;
		found_keys := found_keys || here_keys;
		found_kinds := found_kinds || array_fill(kind_no, ARRAY[cardinality(here_nos)]);
	END LOOP;

	/* consents of minors are given by a guardian; a guardian gives no others */
	minors := CASE WHEN EXISTS (SELECT FROM personalize.minor) THEN ARRAY(SELECT f.no FROM unnest(found_nos) AS f (no)
		WHERE personalize.minor_now_internal(f.no)) ELSE '{}' END;
	SELECT count(*) INTO bad_minor
		FROM unnest(item_keys, item_kinds, actions, methods, evidences) AS u (key, kind_id, action, method, evidence)
			JOIN unnest(found_keys, found_kinds, found_nos) AS f (key, kind_id, subject_no) ON f.key = u.key AND f.kind_id = u.kind_id
		WHERE u.action IN ('given', 'grant') AND (f.subject_no = ANY (minors) OR u.method = 'guardian')
			AND (f.subject_no <> ALL (minors) OR u.method IS DISTINCT FROM 'guardian'
				OR cardinality(personalize.guardians_internal(f.subject_no)) = 0
				OR (jsonb_typeof(u.evidence) = 'object' AND u.evidence ? 'guardian'
					AND (u.evidence ->> 'guardian' = ANY (personalize.guardians_internal(f.subject_no)::text[])) IS NOT TRUE));
	IF bad_minor > 0 THEN
		RAISE EXCEPTION 'consent events cannot be recorded'
			USING ERRCODE = 'object_not_in_prerequisite_state',
				DETAIL = format('Of %s events: consent of a minor not given by a registered guardian, or of a guardian for somebody who decides alone %s.', n, bad_minor),
				HINT = 'Nothing was recorded. A guardian whom set_guardian() registered consents for a minor, with method guardian.';
	END IF;

	/* for somebody with several identities a line for each, under the same record_id */
	INSERT INTO personalize.consent_event (record_id, subject_no, purpose_id, action, categories, explicit, expires_at, notice,
			language, method, evidence, recorded_by, recorded_as, app_user)
		SELECT x.record_id, x.member, x.purpose_id, x.action, x.ids, x.explicit, x.expires_at, x.notice,
			x.language, x.method, x.evidence, writer, role, app_user
		FROM (SELECT u.record_id, coalesce(m.subject_no, f.subject_no) AS member, c.purpose_id, c.action, c.ids::integer[] AS ids,
				c.action = 'given' AND coalesce(u.explicit, false) AS explicit,
				CASE WHEN c.action = 'given' THEN least(coalesce(u.expires_at, now_is + c.lifetime), t.ends_at) END AS expires_at,
				coalesce(t.shown, u.notice) AS notice,
				CASE WHEN t.told IS NULL THEN u.evidence ->> 'language' ELSE t.spoken END AS language, u.method,
				CASE WHEN c.action = 'given' AND u.method = 'guardian' THEN personalize.guardian_evidence_internal(f.subject_no, u.method, u.evidence)
					ELSE u.evidence END AS evidence
			FROM (SELECT i.*, personalize.record_id_internal() AS record_id
					FROM unnest(item_keys, item_kinds, purposes, actions, categories, expires_ats, notices, methods, evidences,
						explicits, kinds) WITH ORDINALITY
						AS i (key, kind_id, purpose, action, categories, expires_at, notice, method, evidence, explicit, kind, ord)) AS u
				JOIN unnest(found_keys, found_kinds, found_nos) AS f (key, kind_id, subject_no)
					ON f.key = u.key AND f.kind_id = u.kind_id
				JOIN unnest(combo, combo_purpose, combo_action, combo_ids, combo_lifetime) AS c (combo, purpose_id, action, ids, lifetime)
					ON c.combo = concat_ws(E'\x01', u.purpose, u.action, coalesce(u.kind, 'subject'), u.categories)
				LEFT JOIN unnest(told_all, told_shown, told_spoken, told_ends) AS t (told, shown, spoken, ends_at)
					ON t.told = concat(u.notice, E'\x01', u.evidence ->> 'language', E'\x01', u.purpose, E'\x01', u.action)
				LEFT JOIN personalize.linked AS l ON l.subject_no = f.subject_no
				LEFT JOIN personalize.linked AS m ON m.group_no = l.group_no
			ORDER BY u.ord, member) AS x;
	GET DIAGNOSTICS written = ROW_COUNT;
	IF written < n THEN
		RAISE EXCEPTION 'could not record all consent events of the batch' USING ERRCODE = 'internal_error';
	END IF;
	RETURN n;
END
$$;
COMMENT ON FUNCTION personalize.record_batch_internal(text[], text[], text[], text[], timestamptz[], text[], text[], jsonb[], boolean[], text[]) IS
	'Writes many lines of the ledger in the order given; all or none; errors count, they do not repeat';

CREATE OR REPLACE FUNCTION personalize.record_consents(source regclass)
RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	want record;
	has_type oid;
	base_type oid;
	lists text := '';
	physical text;
	relkind "char";
	rows_of refcursor;
	batch record;
	total bigint := 0;
BEGIN
	IF record_consents.source IS NULL THEN
		RAISE EXCEPTION 'source must not be null' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	SELECT c.relkind INTO relkind FROM pg_class AS c WHERE c.oid = record_consents.source;
	IF relkind IS NULL THEN
		RAISE EXCEPTION 'relation does not exist' USING ERRCODE = 'undefined_table';
	END IF;
	IF relkind NOT IN ('r', 'p', 'v', 'm', 'f') THEN
		RAISE EXCEPTION 'relation % cannot be read', record_consents.source
			USING ERRCODE = 'wrong_object_type', HINT = 'Name a table or a view.';
	END IF;

	/* read with the rights of the caller; casts that cannot fail, for their errors would repeat values */
	FOR want IN
		SELECT w.* FROM (VALUES
			('subject', 'text', '{int2,int4,int8,uuid,text,varchar}'::regtype[], true),
			('purpose', 'text', '{text,varchar}', true),
			('action', 'text', '{text,varchar}', true),
			('categories', 'text', '{text[],varchar[]}', false),
			('expires_at', 'timestamptz', '{timestamptz}', false),
			('notice', 'text', '{text,varchar}', false),
			('method', 'text', '{text,varchar}', false),
			('evidence', 'jsonb', '{jsonb}', false),
			('explicit', 'bool', '{bool}', false),
			('kind', 'text', '{text,varchar}', false)
		) AS w (name, cast_to, types, required)
	LOOP
		SELECT a.atttypid INTO has_type FROM pg_attribute AS a
			WHERE a.attrelid = record_consents.source AND a.attname = want.name AND a.attnum > 0 AND NOT a.attisdropped;
		IF has_type IS NULL AND want.required THEN
			RAISE EXCEPTION 'column % of relation % does not exist', want.name, record_consents.source
				USING ERRCODE = 'undefined_column',
					HINT = 'Columns: subject, purpose, action; optional: categories, expires_at, notice, method, evidence, explicit, kind.';
		END IF;
		IF has_type IS NOT NULL THEN
			base_type := has_type;
			WHILE EXISTS (SELECT 1 FROM pg_type AS t WHERE t.oid = base_type AND t.typtype = 'd') LOOP
				SELECT t.typbasetype INTO base_type FROM pg_type AS t WHERE t.oid = base_type;
			END LOOP;
			IF NOT base_type = ANY (want.types::oid[]) THEN
				RAISE EXCEPTION 'column % of relation % is of type %', want.name, record_consents.source,
					format_type(has_type, NULL)
					USING ERRCODE = 'datatype_mismatch',
						HINT = format('It may be of type %s.', array_to_string(want.types, ', '));
			END IF;
		END IF;
		lists := lists || CASE WHEN lists = '' THEN '' ELSE ', ' END
			|| CASE WHEN has_type IS NULL THEN format('NULL::pg_catalog.%I[] AS %I', want.cast_to, want.name)
				ELSE format('pg_catalog.array_agg((q.%I)::pg_catalog.%I) AS %I', want.name, want.cast_to, want.name) END;
	END LOOP;
	physical := CASE WHEN relkind IN ('r', 'p', 'm') THEN 'ORDER BY t.tableoid, t.ctid' ELSE '' END;

	OPEN rows_of NO SCROLL FOR EXECUTE format(
		'SELECT %s FROM (SELECT i.*, (i.personalize_row - 1) / 10000 AS personalize_batch'
		' FROM (SELECT t.*, pg_catalog.row_number() OVER (%s) AS personalize_row FROM %s AS t) AS i'
		' ORDER BY (i.personalize_row - 1) / 10000, i.personalize_row) AS q'
		' GROUP BY q.personalize_batch ORDER BY q.personalize_batch',
		lists, physical, record_consents.source);
	LOOP
		FETCH rows_of INTO batch;
		EXIT WHEN NOT FOUND;
		total := total + personalize.record_batch_internal(batch.subject, batch.purpose, batch.action, batch.categories,
			batch.expires_at, batch.notice, batch.method, batch.evidence, batch.explicit, batch.kind);
	END LOOP;
	CLOSE rows_of;
	RETURN total;
END
$$;
COMMENT ON FUNCTION personalize.record_consents(regclass) IS
	'Records many events from a table or view shaped like the arguments of grant_consent() plus action (given, refused, withdrawn, objected), in its physical order, all or none; returns how many';

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
