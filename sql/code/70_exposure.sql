/*
 * Frequency caps, and what people were shown.
 *
 * record_exposure() is called before something is shown, and says whether it may be.
 * The rows of all identities of the person are locked, so exposures of a person are
 * recorded one after the other and none is over the cap.  Whoever has reached it is suppressed until the
 * oldest exposure that counts is out of the interval (in UTC: the time zone is the caller's to choose): the row filter of the purpose keeps
 * the person's rows back from the moment of the commit, and the consent set knows it
 * (src/consent_suppression.c).  Several identities of a person are capped together.
 */

CREATE OR REPLACE FUNCTION personalize.cap_reached_internal(nos bigint[], purpose_id integer, at timestamptz)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	cap record;
	oldest timestamptz;
BEGIN
	/* AT TIME ZONE with an interval: a name could mean what the session says it does */
	FOR cap IN SELECT c.cap_id, c.max_uses, c.per, (cap_reached_internal.at AT TIME ZONE interval '0' - c.per) AT TIME ZONE interval '0' AS since
			FROM personalize.frequency_cap AS c WHERE c.purpose_id = cap_reached_internal.purpose_id LOOP
		/* the exposure that is the last to count, of the newest so many */
		IF cardinality(nos) = 1 THEN
			SELECT e.at INTO oldest FROM personalize.exposure AS e
				WHERE e.subject_no = nos[1] AND e.purpose_id = cap_reached_internal.purpose_id AND e.at > cap.since
				ORDER BY e.at DESC OFFSET cap.max_uses - 1 LIMIT 1;
		ELSE
			SELECT e.at INTO oldest FROM personalize.exposure AS e
				WHERE e.subject_no = ANY (nos) AND e.purpose_id = cap_reached_internal.purpose_id AND e.at > cap.since
				ORDER BY e.at DESC OFFSET cap.max_uses - 1 LIMIT 1;
		END IF;
		CONTINUE WHEN NOT FOUND;
		INSERT INTO personalize.suppression AS s (subject_no, purpose_id, cause, cause_id, until)
			SELECT u.no, cap_reached_internal.purpose_id, 'cap', cap.cap_id, (oldest AT TIME ZONE interval '0' + cap.per) AT TIME ZONE interval '0' FROM unnest(nos) AS u (no)
			ON CONFLICT ON CONSTRAINT suppression_pkey DO UPDATE SET until = greatest(s.until, EXCLUDED.until), since = EXCLUDED.since;
	END LOOP;
END
$$;
COMMENT ON FUNCTION personalize.cap_reached_internal(bigint[], integer, timestamptz) IS
	'Suppresses the identities of a person for a purpose whose caps are reached at a moment, until they are not any more';

CREATE OR REPLACE FUNCTION personalize.caps_again_internal(nos bigint[])
RETURNS void
LANGUAGE sql VOLATILE PARALLEL UNSAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT personalize.cap_reached_internal($1, p.purpose_id, clock_timestamp())
	FROM (SELECT DISTINCT c.purpose_id FROM personalize.frequency_cap AS c ORDER BY c.purpose_id) AS p
	WHERE EXISTS (SELECT FROM personalize.exposure AS e WHERE e.subject_no = ANY ($1) AND e.purpose_id = p.purpose_id)
$$;
COMMENT ON FUNCTION personalize.caps_again_internal(bigint[]) IS
	'Looks at all caps for a person whose identities have been joined';

CREATE OR REPLACE FUNCTION personalize.set_frequency_cap(purpose text, max_uses integer, per interval)
RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	id integer;
	cap integer;
	now_is timestamptz;
	starts timestamptz;
	reached bigint := 0;
BEGIN
	PERFORM personalize.registry_begin_internal();
	PERFORM personalize.require_newest_internal();
	id := personalize.purpose_id_internal(set_frequency_cap.purpose, 'consent');
	IF set_frequency_cap.per IS NULL THEN
		RAISE EXCEPTION 'per must not be null' USING ERRCODE = 'null_value_not_allowed', HINT = 'For example interval ''7 days''.';
	END IF;
	PERFORM personalize.check_period_internal('per', set_frequency_cap.per);
	IF set_frequency_cap.max_uses <= 0 THEN
		RAISE EXCEPTION 'max_uses must be greater than zero' USING ERRCODE = 'invalid_parameter_value', HINT = 'NULL takes the cap away; retire_purpose() ends the purpose.';
	END IF;
	IF set_frequency_cap.max_uses IS NOT NULL
		AND EXISTS (SELECT FROM personalize.exposure_retention AS r WHERE r.keep_for < set_frequency_cap.per) THEN
		RAISE EXCEPTION 'exposures are not kept as long as this frequency cap would count them'
			USING ERRCODE = 'invalid_parameter_value', HINT = 'set_exposure_retention() says how long they are kept.';
	END IF;
	/* nobody records an exposure meanwhile */
	LOCK TABLE personalize.exposure IN SHARE ROW EXCLUSIVE MODE;
	SELECT c.cap_id INTO cap FROM personalize.frequency_cap AS c WHERE c.purpose_id = id AND c.per = set_frequency_cap.per;
	DELETE FROM personalize.suppression AS s WHERE s.purpose_id = id AND s.cause = 'cap' AND s.cause_id = cap;
	IF set_frequency_cap.max_uses IS NULL THEN
		DELETE FROM personalize.frequency_cap AS c WHERE c.cap_id = cap;
		RETURN 0;
	END IF;
	INSERT INTO personalize.frequency_cap AS c (purpose_id, max_uses, per, set_by) VALUES (id, set_frequency_cap.max_uses, set_frequency_cap.per, session_user)
		ON CONFLICT (purpose_id, per) DO UPDATE SET max_uses = EXCLUDED.max_uses, set_at = clock_timestamp(), set_by = EXCLUDED.set_by
		RETURNING c.cap_id INTO cap;
	now_is := clock_timestamp();
	starts := (now_is AT TIME ZONE interval '0' - set_frequency_cap.per) AT TIME ZONE interval '0';
	/* whoever has been reached so often already; identities of a person count together */
	INSERT INTO personalize.suppression (subject_no, purpose_id, cause, cause_id, until)
		SELECT coalesce(m.subject_no, x.person), id, 'cap', cap, (x.at AT TIME ZONE interval '0' + set_frequency_cap.per) AT TIME ZONE interval '0'
		FROM (SELECT coalesce(l.group_no, e.subject_no) AS person, l.group_no, e.at,
				row_number() OVER (PARTITION BY coalesce(l.group_no, e.subject_no) ORDER BY e.at DESC) AS place
			FROM personalize.exposure AS e LEFT JOIN personalize.linked AS l ON l.subject_no = e.subject_no
			WHERE e.purpose_id = id AND e.at > starts) AS x
			LEFT JOIN personalize.linked AS m ON m.group_no = x.group_no
		WHERE x.place = set_frequency_cap.max_uses
		ON CONFLICT ON CONSTRAINT suppression_pkey DO NOTHING;
	GET DIAGNOSTICS reached = ROW_COUNT;
	RETURN reached;
END
$$;
COMMENT ON FUNCTION personalize.set_frequency_cap(text, integer, interval) IS
	'How often a person may be reached for a purpose within an interval (NULL: as often as you like); returns how many have reached it already, and are withheld from now on';

CREATE OR REPLACE VIEW personalize.frequency_caps AS
	SELECT p.name AS purpose, c.max_uses, c.per, c.set_at, c.set_by,
		(SELECT pg_catalog.count(*) FROM personalize.suppression AS s
			WHERE s.cause = 'cap' AND s.cause_id = c.cap_id AND s.purpose_id = c.purpose_id AND s.until > pg_catalog.clock_timestamp()) AS reached
	FROM personalize.frequency_cap AS c JOIN personalize.registry_purpose AS p ON p.purpose_id = c.purpose_id;
COMMENT ON VIEW personalize.frequency_caps IS 'Frequency caps, and how many persons have reached them now';

CREATE OR REPLACE FUNCTION personalize.exposure_begin_internal(kind_id integer, kind text, key text, purpose_id integer)
RETURNS bigint[]
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	no bigint;
	others bigint[];
BEGIN
	SELECT s.subject_no INTO no FROM personalize.subject AS s
		WHERE s.kind_id = exposure_begin_internal.kind_id AND s.key = exposure_begin_internal.key;
	IF no IS NOT NULL THEN
		others := personalize.linked_numbers_internal(no);
		IF cardinality(others) > 0 THEN
			PERFORM personalize.linked_lock_internal(others);
		END IF;
		/* somebody erased while we waited has no key any more */
		SELECT s.subject_no INTO no FROM personalize.subject AS s
			WHERE s.kind_id = exposure_begin_internal.kind_id AND s.key = exposure_begin_internal.key FOR NO KEY UPDATE;
	END IF;
	IF no IS NULL THEN
		/* nobody gets a number by being refused */
		IF NOT (SELECT d.permitted FROM personalize.decision_internal(exposure_begin_internal.kind_id, exposure_begin_internal.key,
				exposure_begin_internal.purpose_id, NULL) AS d) THEN
			RETURN NULL;
		END IF;
		exposure_begin_internal.kind_id := CASE exposure_begin_internal.kind_id
			WHEN 0 THEN personalize.ensure_kind_internal(exposure_begin_internal.kind) ELSE exposure_begin_internal.kind_id END;
		no := personalize.subject_no_internal(exposure_begin_internal.kind_id, exposure_begin_internal.key, true);
	END IF;
	others := personalize.linked_numbers_internal(no);
	IF cardinality(others) > 0 THEN
		/* held already, unless they were joined while we waited */
		PERFORM personalize.linked_lock_internal(others);
	END IF;
	/* a statement of its own: it sees what whoever held the locks before has recorded, and all of them are held now */
	IF NOT (SELECT d.permitted FROM personalize.decision_internal(exposure_begin_internal.kind_id, exposure_begin_internal.key,
			exposure_begin_internal.purpose_id, NULL) AS d) THEN
		RETURN NULL;
	END IF;
	RETURN no || array_remove(others, no);
END
$$;
COMMENT ON FUNCTION personalize.exposure_begin_internal(integer, text, text, integer) IS
	'Numbers of the identities of a person who may be reached for a purpose, that of the key first, all locked until the transaction ends; NULL if the person may not be';

CREATE OR REPLACE FUNCTION personalize.record_exposure(subject text, purpose text, item text DEFAULT NULL, explanation text DEFAULT NULL,
	experiment text DEFAULT NULL, kind text DEFAULT 'subject')
RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	kind_no integer;
	key text;
	purpose_no integer;
	nos bigint[];
	now_is timestamptz;
	id bigint;
	trial_no integer;
	trial_variant text;
BEGIN
	PERFORM personalize.require_preloaded_internal();
	PERFORM personalize.require_newest_internal();
	kind_no := personalize.kind_id_internal(record_exposure.kind);
	key := personalize.canonical_key_internal(record_exposure.kind, record_exposure.subject);
	purpose_no := personalize.purpose_id_internal(record_exposure.purpose, 'consent');
	LOCK TABLE personalize.exposure IN ROW EXCLUSIVE MODE;
	nos := personalize.exposure_begin_internal(kind_no, record_exposure.kind, key, purpose_no);
	IF nos IS NULL THEN
		RETURN NULL;
	END IF;
	IF record_exposure.experiment IS NOT NULL THEN
		SELECT x.experiment_id, x.variant INTO trial_no, trial_variant FROM personalize.enrol_internal(record_exposure.experiment, purpose_no, nos) AS x;
		/* enrolled all the same: what would have been shown counts as their first contact, as with the others */
		IF trial_variant = 'holdout' THEN
			RETURN NULL;
		END IF;
	END IF;
	now_is := clock_timestamp();
	INSERT INTO personalize.exposure AS e (subject_no, purpose_id, at, item, explanation, experiment_id, variant)
		VALUES (nos[1], purpose_no, now_is, record_exposure.item, record_exposure.explanation, trial_no, trial_variant)
		RETURNING e.exposure_id INTO id;
	PERFORM personalize.cap_reached_internal(nos, purpose_no, now_is);
	RETURN id;
END
$$;
COMMENT ON FUNCTION personalize.record_exposure(text, text, text, text, text, text) IS
	'To be called before something is shown to a person for a purpose: records it with the explanation; NULL if it may not be shown, because the person does not permit the purpose, a frequency cap is reached, or the person is in the holdout of the experiment';

CREATE OR REPLACE FUNCTION personalize.why(subject text, since timestamptz DEFAULT '-infinity', kind text DEFAULT 'subject')
RETURNS TABLE (shown_at timestamptz, purpose text, item text, explanation text, description text, legal_basis text, categories text[],
	because text, gets text, how_to_object text)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT SECURITY DEFINER ROWS 100
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	kind_no integer;
	wanted text;
BEGIN
	PERFORM personalize.require_preloaded_internal();
	kind_no := personalize.kind_id_internal(why.kind);
	wanted := personalize.canonical_key_internal(why.kind, why.subject);
	RETURN QUERY
		SELECT e.at, p.name, e.item, e.explanation, p.description, p.legal_basis,
			ARRAY(SELECT g.name FROM personalize.registry_purpose_category AS x JOIN personalize.registry_category AS g ON g.category_id = x.category_id
				WHERE x.purpose_id = p.purpose_id ORDER BY g.name COLLATE "C"),
			d.reason, p.value_exchange,
			CASE WHEN p.legal_basis IN ('consent', 'explicit_consent') THEN
					coalesce((SELECT c.withdrawal_method FROM personalize.controller AS c), 'Withdraw your consent at any time, as easily as you gave it.')
				WHEN p.legal_basis = 'legitimate_interest' THEN
					coalesce('You may object at any time: ' || (SELECT c.contact FROM personalize.controller AS c), 'You may object at any time.')
				ELSE coalesce('This does not rest on your consent; ask or complain: ' || (SELECT c.contact FROM personalize.controller AS c),
					'This does not rest on your consent; you may ask or complain.') END
		FROM personalize.identities_internal(kind_no, wanted) AS i
			JOIN personalize.exposure AS e ON e.subject_no = i.subject_no
			JOIN personalize.registry_purpose AS p ON p.purpose_id = e.purpose_id
			/* as of then: whoever has reached a cap, or withdrawn, since asks why it was shown all the same */
			CROSS JOIN LATERAL personalize.decision_internal(i.kind_id, i.key, p.purpose_id, e.at) AS d
		WHERE e.at >= why.since
		ORDER BY e.at DESC, e.exposure_id DESC;
END
$$;
COMMENT ON FUNCTION personalize.why(text, timestamptz, text) IS
	'What a person was shown and why: the explanation, the purpose and its legal basis, the categories it uses, what the person had said then, what the person gets, and how to object';

CREATE OR REPLACE FUNCTION personalize.export_shown_internal(subject text, kind text, most bigint)
RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	shown jsonb;
	n bigint;
BEGIN
	SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object('at', w.shown_at, 'purpose', w.purpose, 'item', w.item, 'explanation', w.explanation,
			'description', w.description, 'legal_basis', w.legal_basis, 'categories', w.categories, 'because', w.because,
			'gets', w.gets, 'how_to_object', w.how_to_object))), count(*)
		INTO shown, n
		FROM (SELECT y.* FROM personalize.why(export_shown_internal.subject, kind => export_shown_internal.kind) AS y LIMIT most + 1) AS w;
	IF n > most THEN
		RAISE EXCEPTION 'what the subject was shown does not fit into one document'
			USING ERRCODE = 'program_limit_exceeded', HINT = 'Use why() for a time, and export_rows().';
	END IF;
	RETURN jsonb_build_object('explanations', coalesce(shown, '[]'));
END
$$;
COMMENT ON FUNCTION personalize.export_shown_internal(text, text, bigint) IS
	'What a person was shown and why, for an export, newest first';

CREATE OR REPLACE FUNCTION personalize.exposure_erased_internal()
RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	UPDATE personalize.exposure AS e SET item = NULL, explanation = NULL FROM now_is AS n
		WHERE n.key IS NULL AND e.subject_no = n.subject_no AND (e.item IS NOT NULL OR e.explanation IS NOT NULL);
	DELETE FROM personalize.suppression AS s USING now_is AS n WHERE n.key IS NULL AND s.subject_no = n.subject_no;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION personalize.exposure_erased_internal() IS
	'Takes what a person was shown, and why the person was kept back, away with the key; trigger on personalize.subject';
CREATE OR REPLACE TRIGGER exposure_erased AFTER UPDATE ON personalize.subject REFERENCING NEW TABLE AS now_is
	FOR EACH STATEMENT EXECUTE FUNCTION personalize.exposure_erased_internal();
COMMENT ON TRIGGER exposure_erased ON personalize.subject IS 'Takes what a person was shown away with the key';

CREATE OR REPLACE FUNCTION personalize.scrub_exposures_internal(keys text[], stamp bigint)
RETURNS void
LANGUAGE sql VOLATILE PARALLEL UNSAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
	UPDATE personalize.exposure AS e SET
			item = CASE WHEN personalize.text_is_of_internal(e.item, personalize.keys_in_internal(e.item, $1, true, $2)) THEN NULL ELSE e.item END,
			explanation = CASE WHEN personalize.text_is_of_internal(e.explanation, personalize.keys_in_internal(e.explanation, $1, true, $2)) THEN NULL ELSE e.explanation END
		WHERE personalize.keys_in_internal(concat_ws(E'\n', e.item, e.explanation), $1, true, $2) IS NOT NULL
			AND (personalize.text_is_of_internal(e.item, personalize.keys_in_internal(e.item, $1, true, $2))
				OR personalize.text_is_of_internal(e.explanation, personalize.keys_in_internal(e.explanation, $1, true, $2)))
$$;
COMMENT ON FUNCTION personalize.scrub_exposures_internal(text[], bigint) IS
	'Takes keys out of what others were shown and told; stamp as for keys_in_internal()';

CREATE OR REPLACE FUNCTION personalize.exposures_moved_internal(old_no bigint, new_no bigint)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	UPDATE personalize.exposure AS e SET subject_no = new_no WHERE e.subject_no = old_no;
	DELETE FROM personalize.suppression AS s WHERE s.subject_no = old_no;
	PERFORM personalize.caps_again_internal(personalize.numbers_internal(new_no));
END
$$;
COMMENT ON FUNCTION personalize.exposures_moved_internal(bigint, bigint) IS
	'What a subject was shown becomes that of another, which is the same';
