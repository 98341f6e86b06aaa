/*
 * Incentives: something people get for taking part, opt-in and with terms of its own
 * (CCPA 1798.125(b), GDPR Art. 7(4)).
 *
 * To take part is no consent to any purpose, and to leave withdraws none.  Where an
 * incentive needs consents it says which, in the notice and to whoever asks; whoever
 * withdraws one of them does not take part any more.  New terms are a new version: who
 * accepted an older one takes part under that one until they accept the new one.
 */

CREATE OR REPLACE FUNCTION personalize.define_incentive(name text, purpose text, terms text, value text, data_value text DEFAULT NULL,
	requires text[] DEFAULT '{}')
RETURNS integer
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	purpose_no integer;
	ids integer[];
	newest personalize.incentive;
BEGIN
	PERFORM personalize.registry_begin_internal();
	PERFORM personalize.check_name_internal('incentive', define_incentive.name);
	IF coalesce(btrim(define_incentive.terms), '') = '' OR coalesce(btrim(define_incentive.value), '') = '' THEN
		RAISE EXCEPTION 'an incentive says what people get, and its terms' USING ERRCODE = 'invalid_parameter_value', HINT = 'Pass both in plain words.';
	END IF;
	IF define_incentive.requires IS NULL THEN
		RAISE EXCEPTION 'requires must not be null' USING ERRCODE = 'null_value_not_allowed', HINT = 'Leave it out if no consent is needed.';
	END IF;
	purpose_no := personalize.purpose_id_internal(define_incentive.purpose, 'consent');
	ids := ARRAY(SELECT DISTINCT personalize.purpose_id_internal(u.name, 'consent') FROM unnest(define_incentive.requires) AS u (name) ORDER BY 1);
	SELECT i.* INTO newest FROM personalize.incentive AS i WHERE i.name = define_incentive.name ORDER BY i.version DESC LIMIT 1;
	IF newest.retired_at IS NULL AND (newest.purpose_id, newest.terms, newest.value, newest.requires) = (purpose_no, define_incentive.terms, define_incentive.value, ids)
		AND newest.data_value IS NOT DISTINCT FROM define_incentive.data_value THEN
		RETURN newest.version;
	END IF;
	UPDATE personalize.incentive AS i SET retired_at = clock_timestamp() WHERE i.name = define_incentive.name AND i.retired_at IS NULL;
	INSERT INTO personalize.incentive (name, version, purpose_id, terms, value, data_value, requires, defined_by)
		VALUES (define_incentive.name, coalesce(newest.version, 0) + 1, purpose_no, define_incentive.terms, define_incentive.value,
			define_incentive.data_value, ids, session_user);
	RETURN coalesce(newest.version, 0) + 1;
END
$$;
COMMENT ON FUNCTION personalize.define_incentive(text, text, text, text, text, text[]) IS
	'Offers people something for taking part, by terms of its own; requires: purposes to which they must have said yes, which the notice says. Again: a new version of the terms. Returns the version';

CREATE OR REPLACE FUNCTION personalize.retire_incentive(name text)
RETURNS boolean
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM personalize.registry_begin_internal();
	UPDATE personalize.incentive AS i SET retired_at = clock_timestamp() WHERE i.name = retire_incentive.name AND i.retired_at IS NULL;
	RETURN FOUND;
END
$$;
COMMENT ON FUNCTION personalize.retire_incentive(text) IS
	'An incentive is not offered any more; what people were promised stays on record. False if it was not offered';

CREATE OR REPLACE FUNCTION personalize.incentive_requires_internal(incentive_id integer)
RETURNS text[]
LANGUAGE sql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT ARRAY(SELECT p.name FROM personalize.incentive AS i JOIN personalize.registry_purpose AS p ON p.purpose_id = ANY (i.requires)
		WHERE i.incentive_id = $1 ORDER BY p.name COLLATE "C")
$$;
COMMENT ON FUNCTION personalize.incentive_requires_internal(integer) IS 'Purposes whose permission an incentive needs';

CREATE OR REPLACE FUNCTION personalize.incentive_answer_internal(subject text, name text, action text, kind text)
RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	i personalize.incentive;
	key text;
	kind_no integer;
	missing text;
	no bigint;
	id bigint;
	last_action text;
BEGIN
	PERFORM personalize.require_preloaded_internal();
	PERFORM personalize.require_newest_internal();
	key := personalize.canonical_key_internal(incentive_answer_internal.kind, incentive_answer_internal.subject);
	kind_no := personalize.kind_id_internal(incentive_answer_internal.kind);
	IF incentive_answer_internal.name IS NULL THEN
		RAISE EXCEPTION 'name of an incentive must not be null' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	SELECT x.* INTO i FROM personalize.incentive AS x WHERE x.name = incentive_answer_internal.name ORDER BY x.version DESC LIMIT 1;
	IF i.incentive_id IS NULL OR (i.retired_at IS NOT NULL AND action <> 'withdrawn') THEN
		RAISE EXCEPTION 'incentive "%" is not offered', personalize.shown_internal(incentive_answer_internal.name)
			USING ERRCODE = 'undefined_object', HINT = 'The view personalize.incentives lists them.';
	END IF;
	PERFORM personalize.linked_lock_key_internal(kind_no, key);
	no := personalize.subject_no_internal(CASE kind_no WHEN 0 THEN personalize.ensure_kind_internal(incentive_answer_internal.kind) ELSE kind_no END, key, true);
	IF action = 'accepted' THEN
		SELECT string_agg(format('"%s"', p.name), ', ' ORDER BY p.name COLLATE "C") INTO missing
			FROM personalize.subject AS s JOIN personalize.registry_purpose AS p ON p.purpose_id = ANY (i.requires)
				CROSS JOIN LATERAL personalize.decision_internal(s.kind_id, s.key, p.purpose_id, NULL) AS d
			WHERE s.subject_no = no AND NOT d.permitted;
		IF missing IS NOT NULL THEN
			RAISE EXCEPTION 'incentive "%" needs consent that the person has not given: %', i.name, missing
				USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Ask for it by itself, saying what it is for: to take part is no consent.';
		END IF;
	ELSIF action = 'withdrawn' THEN
		SELECT e.action, e.incentive_id INTO last_action, i.incentive_id FROM personalize.incentive_event AS e JOIN personalize.incentive AS x ON x.incentive_id = e.incentive_id
			WHERE e.subject_no = ANY (personalize.numbers_internal(no)) AND x.name = i.name ORDER BY e.event_id DESC LIMIT 1;
		IF last_action IS DISTINCT FROM 'accepted' THEN
			RETURN NULL;
		END IF;
	END IF;
	INSERT INTO personalize.incentive_event AS e (subject_no, incentive_id, action, recorded_by, app_user)
		VALUES (no, i.incentive_id, incentive_answer_internal.action, session_user, nullif(current_setting('personalize.app_user', true), ''))
		RETURNING e.event_id INTO id;
	RETURN id;
END
$$;
COMMENT ON FUNCTION personalize.incentive_answer_internal(text, text, text, text) IS 'Records what a person answers to an incentive';

CREATE OR REPLACE FUNCTION personalize.accept_incentive(subject text, name text, kind text DEFAULT 'subject')
RETURNS bigint
LANGUAGE sql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT personalize.incentive_answer_internal(subject, name, 'accepted', kind)
$$;
COMMENT ON FUNCTION personalize.accept_incentive(text, text, text) IS
	'A person takes part in an incentive under its newest terms; no consent to any purpose. Returns the number of the answer';

CREATE OR REPLACE FUNCTION personalize.refuse_incentive(subject text, name text, kind text DEFAULT 'subject')
RETURNS bigint
LANGUAGE sql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT personalize.incentive_answer_internal(subject, name, 'refused', kind)
$$;
COMMENT ON FUNCTION personalize.refuse_incentive(text, text, text) IS
	'A person does not take part in an incentive, and is not asked again for twelve months (CCPA 1798.125(b)(3)); nothing else changes';

CREATE OR REPLACE FUNCTION personalize.withdraw_incentive(subject text, name text, kind text DEFAULT 'subject')
RETURNS bigint
LANGUAGE sql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT personalize.incentive_answer_internal(subject, name, 'withdrawn', kind)
$$;
COMMENT ON FUNCTION personalize.withdraw_incentive(text, text, text) IS
	'A person leaves an incentive; no consent is withdrawn by that. NULL if the person did not take part';

CREATE OR REPLACE FUNCTION personalize.incentives_internal(kind_id integer, key text)
RETURNS TABLE (name text, purpose text, value text, terms text, requires text[], state text, since timestamptz, version integer, newest integer, may_ask_at timestamptz)
LANGUAGE sql STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT ROWS 5
SET search_path = pg_catalog, pg_temp
AS $$
	WITH last AS (
		SELECT DISTINCT ON (i.name) i.name, e.action, e.recorded_at, e.incentive_id
		FROM personalize.identities_internal($1, $2) AS n JOIN personalize.incentive_event AS e ON e.subject_no = n.subject_no
			JOIN personalize.incentive AS i ON i.incentive_id = e.incentive_id
		ORDER BY i.name, e.event_id DESC),
	newest AS (
		SELECT DISTINCT ON (i.name) i.* FROM personalize.incentive AS i ORDER BY i.name, i.version DESC)
	/* who takes part does so under the terms that were accepted */
	SELECT t.name, p.name, t.value, t.terms, personalize.incentive_requires_internal(t.incentive_id),
		CASE WHEN l.action IS NULL THEN 'open'
			WHEN l.action = 'accepted' AND EXISTS (SELECT FROM unnest(t.requires) AS u (id) CROSS JOIN LATERAL personalize.decision_internal($1, $2, u.id, NULL) AS d WHERE NOT d.permitted) THEN 'suspended'
			ELSE l.action END,
		l.recorded_at, CASE WHEN l.action = 'accepted' THEN t.version END, CASE WHEN n.retired_at IS NULL THEN n.version END,
		CASE WHEN n.retired_at IS NOT NULL THEN NULL WHEN l.action = 'refused' THEN l.recorded_at + interval '12 months'
			WHEN l.action = 'accepted' AND t.version = n.version THEN NULL ELSE '-infinity'::timestamptz END
	FROM newest AS n LEFT JOIN last AS l ON l.name = n.name
		JOIN personalize.incentive AS t ON t.incentive_id = CASE WHEN l.action = 'accepted' THEN l.incentive_id ELSE n.incentive_id END
		JOIN personalize.registry_purpose AS p ON p.purpose_id = t.purpose_id
	WHERE l.action IS NOT NULL OR n.retired_at IS NULL
	ORDER BY t.name COLLATE "C"
$$;
COMMENT ON FUNCTION personalize.incentives_internal(integer, text) IS 'Incentives as they are for one person';

CREATE OR REPLACE FUNCTION personalize.incentives_of(subject text, kind text DEFAULT 'subject')
RETURNS TABLE (name text, purpose text, value text, terms text, requires text[], state text, since timestamptz, version integer, newest integer, may_ask_at timestamptz)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT SECURITY DEFINER ROWS 5
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM personalize.require_preloaded_internal();
	RETURN QUERY SELECT x.* FROM personalize.incentives_internal(personalize.kind_id_internal(incentives_of.kind),
		personalize.canonical_key_internal(incentives_of.kind, incentives_of.subject)) AS x;
END
$$;
COMMENT ON FUNCTION personalize.incentives_of(text, text) IS
	'Incentives for a person: open, accepted (under which version), suspended (a consent that it needs is missing), refused or withdrawn, and from when on the person may be asked (NULL: need not be)';

CREATE OR REPLACE VIEW personalize.incentives AS
	SELECT i.name, i.version, p.name AS purpose, i.value, i.terms, i.data_value,
		/* as incentive_requires_internal(), which whoever reads the view may not call */
		ARRAY(SELECT r.name FROM personalize.registry_purpose AS r WHERE r.purpose_id = ANY (i.requires) ORDER BY r.name COLLATE "C") AS requires,
		i.defined_at, i.defined_by, i.retired_at,
		(SELECT pg_catalog.count(*) FROM (SELECT DISTINCT ON (e.subject_no) e.incentive_id, e.action FROM personalize.incentive_event AS e
				JOIN personalize.incentive AS o ON o.incentive_id = e.incentive_id
			WHERE o.name = i.name ORDER BY e.subject_no, e.event_id DESC) AS x WHERE x.incentive_id = i.incentive_id AND x.action = 'accepted') AS accepted
	FROM personalize.incentive AS i JOIN personalize.registry_purpose AS p ON p.purpose_id = i.purpose_id;
COMMENT ON VIEW personalize.incentives IS
	'Incentives by version, and how many take part under each';

CREATE OR REPLACE FUNCTION personalize.incentive_lines_internal(purpose text)
RETURNS SETOF text
LANGUAGE sql STABLE PARALLEL RESTRICTED STRICT
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('- If you take part in "%s" you get: %s Terms: %s %sTaking part is your choice; you can leave at any time, and nothing else changes when you do.', i.name,
		regexp_replace(i.value, '([^.!?])$', E'\\1.'), regexp_replace(i.terms, '([^.!?])$', E'\\1.'),
		concat('It needs that you agree to ' || nullif(array_to_string(i.requires, ', '), '') || '. ',
			'What your data is worth to us: ' || regexp_replace(i.data_value, '([^.!?])$', E'\\1.') || ' '))
	FROM personalize.incentives AS i WHERE i.purpose = $1 AND i.retired_at IS NULL ORDER BY i.name COLLATE "C"
$$;
COMMENT ON FUNCTION personalize.incentive_lines_internal(text) IS 'What a notice says of the incentives of a purpose';

CREATE OR REPLACE FUNCTION personalize.incentives_json_internal(kind_id integer, key text, purpose text)
RETURNS jsonb
LANGUAGE sql STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object('name', x.name, 'purpose', CASE WHEN $3 IS NULL THEN x.purpose END, 'value', x.value, 'terms', x.terms,
		'requires', x.requires, 'state', x.state, 'since', x.since, 'version', x.version)) ORDER BY x.name COLLATE "C")
	FROM personalize.incentives_internal($1, $2) AS x WHERE ($3 IS NULL OR x.purpose = $3) AND x.state <> 'open'
$$;
COMMENT ON FUNCTION personalize.incentives_json_internal(integer, text, text) IS
	'What a person answered to incentives, of one purpose or all, for receipts and exports';
