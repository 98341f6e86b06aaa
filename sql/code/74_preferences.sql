/*
 * Preferences: what a person stated (customization), and what was inferred
 * (personalization), kept apart: neither is written over the other, and each is read by
 * a function of its own.  What is inferred is so for a purpose that the person permits,
 * and is read for that purpose only.
 *
 * Queries join a table of the application that publish_preferences() names.  It is
 * protected as any other: a statement sees the preferences of those who permit its
 * purpose, cells are masked, the use is on record, exports and erasure reach it.  It is
 * written as its owner (src/rights_run.c).
 *
 * Names with a meaning here: topics (object: from -1, unwanted, to 1, wanted), channels
 * (object: true or false), quiet_hours (object or array of objects with from, to,
 * timezone and days, 1 Monday to 7).  Others are the application's.
 */

CREATE OR REPLACE FUNCTION personalize.check_preference_internal(name text, value jsonb)
RETURNS void
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	quiet jsonb;
BEGIN
	IF value IS NULL THEN
		RETURN;
	END IF;
	IF octet_length(value::text) > 8192 THEN
		RAISE EXCEPTION 'a preference is longer than 8 kB' USING ERRCODE = 'program_limit_exceeded', HINT = 'Give it several names.';
	END IF;
	IF name = 'topics' AND (jsonb_typeof(value) <> 'object' OR EXISTS (SELECT FROM jsonb_each(value) AS e
		WHERE CASE jsonb_typeof(e.value) WHEN 'number' THEN (e.value #>> '{}')::numeric NOT BETWEEN -1 AND 1 ELSE true END)) THEN
		RAISE EXCEPTION 'topics must be numbers from -1 to 1'
			USING ERRCODE = 'invalid_parameter_value', HINT = 'For example ''{"gardening": 1, "football": -1}'': wanted, and unwanted.';
	END IF;
	IF name = 'channels' AND (jsonb_typeof(value) <> 'object' OR EXISTS (SELECT FROM jsonb_each(value) AS e WHERE jsonb_typeof(e.value) <> 'boolean')) THEN
		RAISE EXCEPTION 'channels must be true or false'
			USING ERRCODE = 'invalid_parameter_value', HINT = 'For example ''{"mail": true, "phone": false}''.';
	END IF;
	IF name = 'quiet_hours' THEN
		IF jsonb_typeof(value) NOT IN ('object', 'array') THEN
			RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'quiet hours are not understood',
				HINT = 'For example ''{"from": "22:00", "to": "07:00", "timezone": "Europe/Berlin", "days": [1,2,3,4,5]}''.';
		END IF;
		FOR quiet IN SELECT e.value FROM jsonb_array_elements(CASE jsonb_typeof(value) WHEN 'array' THEN value ELSE jsonb_build_array(value) END) AS e LOOP
			IF jsonb_typeof(quiet) <> 'object' OR (quiet ->> 'from' ~ '^([01][0-9]|2[0-3]):[0-5][0-9]$') IS NOT TRUE
				OR (quiet ->> 'to' ~ '^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$') IS NOT TRUE OR quiet ->> 'from' = quiet ->> 'to'
				OR NOT EXISTS (SELECT FROM pg_timezone_names AS z WHERE z.name = quiet ->> 'timezone')
				OR (quiet ? 'days' AND (jsonb_typeof(quiet -> 'days') <> 'array' OR quiet -> 'days' = '[]' OR NOT quiet -> 'days' <@ '[1,2,3,4,5,6,7]')) THEN
				RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'quiet hours are not understood',
					HINT = 'For example ''{"from": "22:00", "to": "07:00", "timezone": "Europe/Berlin", "days": [1,2,3,4,5]}''.';
			END IF;
		END LOOP;
	END IF;
END
$$;
COMMENT ON FUNCTION personalize.check_preference_internal(text, jsonb) IS
	'Refuses values of names with a meaning that do not have that form; errors do not repeat the value';

CREATE OR REPLACE FUNCTION personalize.preferences_now_internal(nos bigint[], source text, purpose_id integer)
RETURNS TABLE (name text, value jsonb, since timestamptz)
LANGUAGE sql STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
	/* the newest of all identities */
	SELECT x.name, x.value, x.recorded_at
	FROM (SELECT DISTINCT ON (p.name) p.name, p.value, p.recorded_at FROM personalize.preference AS p
		WHERE p.subject_no = ANY ($1) AND p.source = $2 AND p.purpose_id IS NOT DISTINCT FROM $3
		ORDER BY p.name, p.event_id DESC) AS x
	WHERE x.value IS NOT NULL
$$;
COMMENT ON FUNCTION personalize.preferences_now_internal(bigint[], text, integer) IS
	'What a person with these identities states now, or what is inferred for a purpose';

CREATE OR REPLACE FUNCTION personalize.preferences_write_internal(nos bigint[], relation regclass)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	item record;
	now_are jsonb;
BEGIN
	FOR item IN SELECT c.path_id, c.relation, c.purpose_id, p.column_names[1] AS subject, k.key_type, s.key
		FROM personalize.preference_copy AS c JOIN personalize.registry_path AS p ON p.path_id = c.path_id AND p.relid = c.relation
			JOIN personalize.registry_kind AS k ON k.kind_id = p.kind_id
			JOIN personalize.subject AS s ON s.kind_id = p.kind_id AND s.subject_no = ANY (nos) AND s.key IS NOT NULL
		WHERE preferences_write_internal.relation IS NULL OR c.relation = preferences_write_internal.relation
		ORDER BY c.relation, s.subject_no
	LOOP
		SELECT coalesce(jsonb_agg(jsonb_build_object('name', x.name, 'value', x.value)), '[]') INTO now_are
			FROM personalize.preferences_now_internal(nos, CASE WHEN item.purpose_id IS NULL THEN 'stated' ELSE 'inferred' END, item.purpose_id) AS x;
		PERFORM personalize.rights_run_internal(item.path_id, format('DELETE FROM %s WHERE %s', personalize.relation_text_internal(item.relation),
			personalize.rights_is_internal(item.path_id)), item.key, '{}');
		CONTINUE WHEN now_are = '[]';
		PERFORM personalize.rights_run_internal(item.path_id, format('INSERT INTO %s (%I, name, value) SELECT $1::%s, x.value OPERATOR(pg_catalog.->>) ''name'','
			' x.value OPERATOR(pg_catalog.->) ''value'' FROM pg_catalog.jsonb_array_elements($2) AS x (value)', personalize.relation_text_internal(item.relation),
			item.subject, item.key_type::text), item.key, now_are);
	END LOOP;
END
$$;
COMMENT ON FUNCTION personalize.preferences_write_internal(bigint[], regclass) IS
	'Writes the preferences of a person anew into the relations that queries join (NULL: all), as their owners';

CREATE OR REPLACE FUNCTION personalize.set_preference(subject text, name text, value jsonb, source text DEFAULT 'stated', purpose text DEFAULT NULL,
	kind text DEFAULT 'subject')
RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	kind_no integer;
	key text;
	purpose_no integer;
	no bigint;
	id bigint;
BEGIN
	PERFORM personalize.require_preloaded_internal();
	PERFORM personalize.require_newest_internal();
	kind_no := personalize.kind_id_internal(set_preference.kind);
	key := personalize.canonical_key_internal(set_preference.kind, set_preference.subject);
	PERFORM personalize.check_name_internal('preference', set_preference.name);
	IF set_preference.source IS NULL OR set_preference.source NOT IN ('stated', 'inferred') THEN
		RAISE EXCEPTION 'source "%" is not known', personalize.shown_internal(coalesce(set_preference.source, 'null'))
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Use stated, if the person said so, or inferred.';
	END IF;
	IF (set_preference.source = 'inferred') <> (set_preference.purpose IS NOT NULL) THEN
		RAISE EXCEPTION 'what is inferred is so for a purpose, what is stated for none'
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Name a purpose with source => ''inferred'' only.';
	END IF;
	PERFORM personalize.check_preference_internal(set_preference.name, set_preference.value);
	IF set_preference.purpose IS NOT NULL THEN
		purpose_no := personalize.purpose_id_internal(set_preference.purpose, 'consent');
		/* nobody gets a number by not being inferred about */
		IF NOT (SELECT d.permitted FROM personalize.decision_internal(kind_no, key, purpose_no, NULL) AS d) THEN
			RETURN NULL;
		END IF;
	END IF;
	PERFORM personalize.linked_lock_key_internal(kind_no, key);
	no := personalize.subject_no_internal(CASE kind_no WHEN 0 THEN personalize.ensure_kind_internal(set_preference.kind) ELSE kind_no END, key, true);
	/* a statement of its own: whoever was erased, or said no, while we waited */
	IF purpose_no IS NOT NULL AND NOT (SELECT d.permitted FROM personalize.subject AS s
			CROSS JOIN LATERAL personalize.decision_internal(s.kind_id, s.key, purpose_no, NULL) AS d WHERE s.subject_no = no) THEN
		RETURN NULL;
	END IF;
	INSERT INTO personalize.preference AS p (subject_no, source, purpose_id, name, value, recorded_by, app_user)
		VALUES (no, set_preference.source, purpose_no, set_preference.name, set_preference.value, session_user,
			nullif(current_setting('personalize.app_user', true), ''))
		RETURNING p.event_id INTO id;
	PERFORM personalize.preferences_write_internal(personalize.numbers_internal(no), NULL);
	RETURN id;
END
$$;
COMMENT ON FUNCTION personalize.set_preference(text, text, jsonb, text, text, text) IS
	'Records what a person wants (NULL: says nothing any more), or what is inferred for a purpose; returns the number of the line, NULL where the person does not permit that purpose';

CREATE OR REPLACE FUNCTION personalize.preferences(subject text, kind text DEFAULT 'subject')
RETURNS TABLE (name text, value jsonb, since timestamptz)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT SECURITY DEFINER ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	kind_no integer := personalize.kind_id_internal(preferences.kind);
	wanted text := personalize.canonical_key_internal(preferences.kind, preferences.subject);
BEGIN
	PERFORM personalize.require_preloaded_internal();
	RETURN QUERY SELECT x.* FROM personalize.preferences_now_internal(ARRAY(SELECT i.subject_no FROM personalize.identities_internal(kind_no, wanted) AS i
		WHERE i.subject_no IS NOT NULL), 'stated', NULL) AS x ORDER BY x.name COLLATE "C";
END
$$;
COMMENT ON FUNCTION personalize.preferences(text, text) IS
	'What a person stated about topics, channels, quiet hours and the like; nothing that was inferred';

CREATE OR REPLACE FUNCTION personalize.inferred_preferences(subject text, purpose text, kind text DEFAULT 'subject')
RETURNS TABLE (name text, value jsonb, since timestamptz)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	kind_no integer := personalize.kind_id_internal(inferred_preferences.kind);
	wanted text := personalize.canonical_key_internal(inferred_preferences.kind, inferred_preferences.subject);
	purpose_no integer := personalize.purpose_id_internal(inferred_preferences.purpose, 'consent');
	nos bigint[];
BEGIN
	PERFORM personalize.require_preloaded_internal();
	IF NOT personalize.may_use_internal(purpose_no) THEN
		RAISE EXCEPTION 'role % has not been granted purpose "%"', pg_get_userbyid(personalize.outer_role_internal()), inferred_preferences.purpose
			USING ERRCODE = 'insufficient_privilege', HINT = 'A privacy officer grants it by grant_purpose().';
	END IF;
	IF NOT (SELECT d.permitted FROM personalize.decision_internal(kind_no, wanted, purpose_no, NULL) AS d) THEN
		RETURN;
	END IF;
	nos := ARRAY(SELECT i.subject_no FROM personalize.identities_internal(kind_no, wanted) AS i WHERE i.subject_no IS NOT NULL);
	PERFORM personalize.note_use_internal('personalize.preference'::regclass, 'name, value', purpose_no, nos);
	RETURN QUERY SELECT x.* FROM personalize.preferences_now_internal(nos, 'inferred', purpose_no) AS x ORDER BY x.name COLLATE "C";
END
$$;
COMMENT ON FUNCTION personalize.inferred_preferences(text, text, text) IS
	'What was inferred about a person for a purpose, as long as the person permits it, to whom the purpose is granted; on record as a use';

CREATE OR REPLACE FUNCTION personalize.quiet_now(subject text, at timestamptz DEFAULT NULL, kind text DEFAULT 'subject')
RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	quiet jsonb;
	local timestamp;
	starts time;
	ends time;
	today integer;
BEGIN
	FOR quiet IN SELECT e.value FROM personalize.preferences(quiet_now.subject, quiet_now.kind) AS p
		CROSS JOIN LATERAL jsonb_array_elements(CASE jsonb_typeof(p.value) WHEN 'array' THEN p.value ELSE jsonb_build_array(p.value) END) AS e
		WHERE p.name = 'quiet_hours'
	LOOP
		local := coalesce(quiet_now.at, clock_timestamp()) AT TIME ZONE (quiet ->> 'timezone');
		starts := (quiet ->> 'from')::time;
		ends := (quiet ->> 'to')::time;
		today := extract(isodow FROM local)::integer;
		/* a night belongs to the day on which it begins */
		IF starts > ends AND local::time < ends THEN
			today := (today + 5) % 7 + 1;
		END IF;
		IF (NOT quiet ? 'days' OR quiet -> 'days' @> to_jsonb(today))
			AND (CASE WHEN starts < ends THEN local::time >= starts AND local::time < ends ELSE local::time >= starts OR local::time < ends END) THEN
			RETURN true;
		END IF;
	END LOOP;
	RETURN false;
END
$$;
COMMENT ON FUNCTION personalize.quiet_now(text, timestamptz, text) IS
	'Whether a moment (NULL: now) is in the hours in which a person does not want to be disturbed, by the clock of where the person is';

CREATE OR REPLACE FUNCTION personalize.preference_history(subject text, kind text DEFAULT 'subject')
RETURNS TABLE (recorded_at timestamptz, source text, purpose text, name text, value jsonb, recorded_by text, app_user text)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT SECURITY DEFINER ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	kind_no integer := personalize.kind_id_internal(preference_history.kind);
	wanted text := personalize.canonical_key_internal(preference_history.kind, preference_history.subject);
BEGIN
	PERFORM personalize.require_preloaded_internal();
	RETURN QUERY SELECT p.recorded_at, p.source, r.name, p.name, p.value, p.recorded_by, p.app_user
		FROM personalize.identities_internal(kind_no, wanted) AS i JOIN personalize.preference AS p ON p.subject_no = i.subject_no
			LEFT JOIN personalize.registry_purpose AS r ON r.purpose_id = p.purpose_id
		ORDER BY p.event_id;
END
$$;
COMMENT ON FUNCTION personalize.preference_history(text, text) IS
	'All that a person ever stated, and that was inferred about the person, with who recorded it: evidence, for officers';

CREATE OR REPLACE FUNCTION personalize.publish_preferences(relation regclass, purpose text DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	r personalize.registry_relation;
	path personalize.registry_path;
	purpose_no integer;
	n bigint;
BEGIN
	PERFORM personalize.registry_begin_internal();
	PERFORM personalize.require_newest_internal();
	r := personalize.protected_relation_internal(publish_preferences.relation);
	IF publish_preferences.purpose IS NOT NULL THEN
		purpose_no := personalize.purpose_id_internal(publish_preferences.purpose, 'consent');
	END IF;
	SELECT p.* INTO path FROM personalize.registry_path AS p WHERE p.relid = r.relid ORDER BY p.path_id LIMIT 1;
	IF path.path_id IS NULL OR path.via_path_id IS NOT NULL OR cardinality(path.columns) <> 1
		OR (SELECT count(*) FROM personalize.registry_path AS p WHERE p.relid = r.relid) <> 1
		OR (SELECT count(*) FROM pg_attribute AS a WHERE a.attrelid = r.relid AND NOT a.attisdropped AND a.attgenerated = ''
			AND ((a.attname = 'name' AND a.atttypid = 'text'::regtype) OR (a.attname = 'value' AND a.atttypid = 'jsonb'::regtype))) <> 2 THEN
		RAISE EXCEPTION 'relation % cannot hold preferences', personalize.relation_text_internal(r.relid)
			USING ERRCODE = 'wrong_object_type', HINT = 'It needs one column that leads to the person, and columns name text and value jsonb.';
	END IF;
	IF purpose_no IS NOT NULL AND EXISTS (SELECT FROM personalize.registry_column AS c WHERE c.relid = r.relid AND c.column_name IN ('name', 'value')
		AND NOT EXISTS (SELECT FROM personalize.registry_purpose_category AS x WHERE x.purpose_id = purpose_no AND x.category_id = c.category_id)) THEN
		RAISE EXCEPTION 'purpose "%" does not list the category of what is inferred for it', publish_preferences.purpose
			USING ERRCODE = 'invalid_parameter_value', HINT = 'classify() the columns name and value as a category that this purpose lists, and no other.';
	END IF;
	/* nobody records a preference meanwhile */
	LOCK TABLE personalize.preference IN SHARE ROW EXCLUSIVE MODE;
	INSERT INTO personalize.preference_copy (relation, path_id, purpose_id, published_by)
		VALUES (r.relid, path.path_id, purpose_no, session_user)
		ON CONFLICT (relation) DO UPDATE SET path_id = EXCLUDED.path_id, purpose_id = EXCLUDED.purpose_id, published_at = clock_timestamp(), published_by = EXCLUDED.published_by;
	SELECT count(*) INTO n FROM (SELECT personalize.preferences_write_internal(x.nos, r.relid::regclass)
		FROM (SELECT DISTINCT personalize.numbers_internal(p.subject_no) AS nos FROM personalize.preference AS p) AS x) AS y;
	RETURN n;
END
$$;
COMMENT ON FUNCTION personalize.publish_preferences(regclass, text) IS
	'Has what people state, or what is inferred for a purpose, written into a protected relation for queries to join; returns of how many persons that is';

CREATE OR REPLACE FUNCTION personalize.unpublish_preferences(relation regclass)
RETURNS boolean
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM personalize.registry_begin_internal();
	IF unpublish_preferences.relation IS NULL THEN
		RAISE EXCEPTION 'relation must not be null' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	DELETE FROM personalize.preference_copy AS c WHERE c.relation = unpublish_preferences.relation;
	RETURN FOUND;
END
$$;
COMMENT ON FUNCTION personalize.unpublish_preferences(regclass) IS
	'Preferences are not written into a relation any more; what is in it stays. False if they were not';

CREATE OR REPLACE FUNCTION personalize.export_preferences_internal(nos bigint[])
RETURNS jsonb
LANGUAGE sql STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT jsonb_build_object('preferences', coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object('at', p.recorded_at, 'source', p.source, 'purpose', r.name,
			'name', p.name)) || jsonb_build_object('value', p.value) ORDER BY p.event_id), '[]'))
	FROM personalize.preference AS p LEFT JOIN personalize.registry_purpose AS r ON r.purpose_id = p.purpose_id WHERE p.subject_no = ANY ($1)
$$;
COMMENT ON FUNCTION personalize.export_preferences_internal(bigint[]) IS
	'What a person stated and what was inferred, for an export';

CREATE OR REPLACE FUNCTION personalize.preference_erased_internal()
RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	DELETE FROM personalize.preference AS p USING now_is AS n WHERE n.key IS NULL AND p.subject_no = n.subject_no;
	UPDATE personalize.incentive_event AS e SET app_user = NULL FROM now_is AS n WHERE n.key IS NULL AND e.subject_no = n.subject_no AND e.app_user IS NOT NULL;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION personalize.preference_erased_internal() IS
	'Takes preferences, and the user who recorded answers to incentives, away with the key of a person; trigger on personalize.subject';
CREATE OR REPLACE TRIGGER preference_erased AFTER UPDATE ON personalize.subject REFERENCING NEW TABLE AS now_is
	FOR EACH STATEMENT EXECUTE FUNCTION personalize.preference_erased_internal();
COMMENT ON TRIGGER preference_erased ON personalize.subject IS 'Takes preferences away with the key of a person';

CREATE OR REPLACE FUNCTION personalize.scrub_preferences_internal(keys text[], odd text[], stamp bigint)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	nos bigint[];
BEGIN
	WITH changed AS (
		UPDATE personalize.preference AS p SET
				name = CASE WHEN personalize.text_is_of_internal(p.name, personalize.keys_in_internal(p.name, keys, true, stamp)) THEN '(a name that named somebody)' ELSE p.name END,
				value = CASE WHEN personalize.evidence_is_of_internal(p.value, personalize.keys_in_internal(p.value::text, keys, false, stamp) || odd) THEN NULL ELSE p.value END
			WHERE (cardinality(odd) > 0 OR personalize.keys_in_internal(concat_ws(E'\n', p.name, p.value), keys, false, stamp) IS NOT NULL)
				AND (personalize.text_is_of_internal(p.name, personalize.keys_in_internal(p.name, keys, true, stamp))
					OR personalize.evidence_is_of_internal(p.value, personalize.keys_in_internal(p.value::text, keys, false, stamp) || odd))
			RETURNING p.subject_no)
	SELECT array_agg(DISTINCT c.subject_no ORDER BY c.subject_no) INTO nos FROM changed AS c;
	/* what queries join says the same */
	IF nos IS NOT NULL AND EXISTS (SELECT FROM personalize.preference_copy) THEN
		PERFORM personalize.linked_lock_internal(ARRAY(SELECT DISTINCT m.no FROM unnest(nos) AS u (no)
			CROSS JOIN LATERAL unnest(personalize.numbers_internal(u.no)) AS m (no) ORDER BY 1));
		PERFORM personalize.preferences_write_internal(personalize.numbers_internal(u.no), NULL) FROM unnest(nos) AS u (no);
	END IF;
END
$$;
COMMENT ON FUNCTION personalize.scrub_preferences_internal(text[], text[], bigint) IS
	'Takes keys out of what others want, and out of the relations that queries join; odd: keys that jsonb spells otherwise; stamp as for keys_in_internal()';
