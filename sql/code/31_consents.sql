/*
 * Many choices at once: from a staging table, in sets.  Order of locks as in
 * 30_consent.sql.
 */


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
				/* what may name somebody stays in the line of the identity that spoke */
				CASE WHEN m.subject_no <> f.subject_no THEN NULL
					WHEN c.action = 'given' AND u.method = 'guardian' THEN personalize.guardian_evidence_internal(f.subject_no, u.method, u.evidence)
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
	known bigint;				/* how many rows there are */
	taken bigint := 0;
	rows_of refcursor;
	batch record;
	total bigint := 0;
BEGIN
	SELECT s.rows_of, s.known INTO rows_of, known FROM personalize.source_open_internal('record_consents', record_consents.source, ARRAY[
			['subject', 'text', 'int2,int4,int8,uuid,text,varchar', 'required'],
			['purpose', 'text', 'text,varchar', 'required'],
			['action', 'text', 'text,varchar', 'required'],
			['categories', 'text', 'text[],varchar[]', 'optional'],
			['expires_at', 'timestamptz', 'timestamptz', 'optional'],
			['notice', 'text', 'text,varchar', 'optional'],
			['method', 'text', 'text,varchar', 'optional'],
			['evidence', 'jsonb', 'jsonb', 'optional'],
			['explicit', 'bool', 'bool', 'optional'],
			['kind', 'text', 'text,varchar', 'optional']]) AS s;
	LOOP
		FETCH rows_of INTO batch;
		EXIT WHEN NOT FOUND;
		PERFORM personalize.progress_recording_internal('record_consents', 'recording', taken, known, record_consents.source);
		taken := taken + cardinality(batch.subject);
		total := total + personalize.record_batch_internal(batch.subject, batch.purpose, batch.action, batch.categories,
			batch.expires_at, batch.notice, batch.method, batch.evidence, batch.explicit, batch.kind);
	END LOOP;
	CLOSE rows_of;
	PERFORM personalize.progress_recording_internal('record_consents', NULL);
	RETURN total;
END
$$;
COMMENT ON FUNCTION personalize.record_consents(regclass) IS
	'Records many events from a table or view shaped like the arguments of grant_consent() plus action (given, refused, withdrawn, objected), in its physical order, all or none; returns how many';
