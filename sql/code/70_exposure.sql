/*
 * Frequency caps, and what people were shown.
 *
 * record_exposure() is called before something is shown, and says whether it may be.
 * The row of the subject is locked, so exposures of a person are recorded one after
 * the other and none is over the cap.  Whoever has reached it is suppressed until the
 * oldest exposure that counts is out of the interval: the row filter of the purpose keeps
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
	FOR cap IN SELECT c.cap_id, c.max_uses, c.per FROM personalize.frequency_cap AS c WHERE c.purpose_id = cap_reached_internal.purpose_id LOOP
		/* the exposure that is the last to count, of the newest so many */
		IF cardinality(nos) = 1 THEN
			SELECT e.at INTO oldest FROM personalize.exposure AS e
				WHERE e.subject_no = nos[1] AND e.purpose_id = cap_reached_internal.purpose_id AND e.at > cap_reached_internal.at - cap.per
				ORDER BY e.at DESC OFFSET cap.max_uses - 1 LIMIT 1;
		ELSE
			SELECT e.at INTO oldest FROM personalize.exposure AS e
				WHERE e.subject_no = ANY (nos) AND e.purpose_id = cap_reached_internal.purpose_id AND e.at > cap_reached_internal.at - cap.per
				ORDER BY e.at DESC OFFSET cap.max_uses - 1 LIMIT 1;
		END IF;
		CONTINUE WHEN NOT FOUND;
		INSERT INTO personalize.suppression (subject_no, purpose_id, cause, cause_id, until)
			SELECT u.no, cap_reached_internal.purpose_id, 'cap', cap.cap_id, oldest + cap.per FROM unnest(nos) AS u (no)
			ON CONFLICT ON CONSTRAINT suppression_pkey DO UPDATE SET until = EXCLUDED.until, since = EXCLUDED.since;
	END LOOP;
END
$$;
COMMENT ON FUNCTION personalize.cap_reached_internal(bigint[], integer, timestamptz) IS
	'Suppresses the identities of a person for a purpose whose caps are reached at a moment, until they are not any more';

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
	reached bigint := 0;
BEGIN
	PERFORM personalize.registry_begin_internal();
	PERFORM personalize.require_newest_internal();
	id := personalize.purpose_id_internal(set_frequency_cap.purpose, 'consent');
	IF set_frequency_cap.per IS NULL OR set_frequency_cap.per <= interval '0' THEN
		RAISE EXCEPTION 'per must be longer than nothing' USING ERRCODE = 'invalid_parameter_value', HINT = 'For example interval ''7 days''.';
	END IF;
	IF set_frequency_cap.max_uses <= 0 THEN
		RAISE EXCEPTION 'max_uses must be greater than zero' USING ERRCODE = 'invalid_parameter_value', HINT = 'NULL takes the cap away; retire_purpose() ends the purpose.';
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
	/* whoever has been reached so often already; identities of a person count together */
	INSERT INTO personalize.suppression (subject_no, purpose_id, cause, cause_id, until)
		SELECT coalesce(m.subject_no, x.person), id, 'cap', cap, x.at + set_frequency_cap.per
		FROM (SELECT coalesce(l.group_no, e.subject_no) AS person, l.group_no, e.at,
				row_number() OVER (PARTITION BY coalesce(l.group_no, e.subject_no) ORDER BY e.at DESC) AS place
			FROM personalize.exposure AS e LEFT JOIN personalize.linked AS l ON l.subject_no = e.subject_no
			WHERE e.purpose_id = id AND e.at > now_is - set_frequency_cap.per) AS x
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
	no bigint;
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
	PERFORM personalize.linked_lock_key_internal(kind_no, key);
	no := personalize.subject_no_internal(kind_no, key, false);
	/* a statement of its own: it sees what whoever held the lock before has recorded */
	IF NOT (SELECT d.permitted FROM personalize.decision_internal(kind_no, key, purpose_no, NULL) AS d) THEN
		RETURN NULL;
	END IF;
	IF no IS NULL THEN
		no := personalize.subject_no_internal(CASE kind_no WHEN 0 THEN personalize.ensure_kind_internal(record_exposure.kind) ELSE kind_no END, key, true);
	END IF;
	nos := coalesce(nullif(personalize.linked_numbers_internal(no), '{}'), ARRAY[no]);
	IF record_exposure.experiment IS NOT NULL THEN
		SELECT x.experiment_id, x.variant INTO trial_no, trial_variant FROM personalize.enrol_internal(record_exposure.experiment, purpose_no, nos) AS x;
		/* enrolled all the same: what would have been shown counts as their first contact, as with the others */
		IF trial_variant = 'holdout' THEN
			RETURN NULL;
		END IF;
	END IF;
	now_is := clock_timestamp();
	INSERT INTO personalize.exposure AS e (subject_no, purpose_id, at, item, explanation, experiment_id, variant)
		VALUES (no, purpose_no, now_is, record_exposure.item, record_exposure.explanation, trial_no, trial_variant)
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
			CROSS JOIN LATERAL personalize.decision_internal(i.kind_id, i.key, p.purpose_id, NULL) AS d
		WHERE e.at >= why.since
		ORDER BY e.at DESC, e.exposure_id DESC;
END
$$;
COMMENT ON FUNCTION personalize.why(text, timestamptz, text) IS
	'What a person was shown and why: the explanation, the purpose and its legal basis, the categories it uses, what the person said, what the person gets, and how to object';
