/*
 * Opt-in and opt-out, by purpose and by where the person lives.
 *
 * Where the law is opt-out, silence is enough until the person says no.  What
 * is presumed is written into the ledger for each person (action presumed,
 * never given), with the law it rests on, and its end (lifted).  No word of the
 * person's, to the purpose or a broader one, is ever overridden by it: the
 * decision sees to that (src/consent_judge.c), in whatever order they stand.
 */

CREATE OR REPLACE FUNCTION personalize.check_jurisdiction_internal(jurisdiction text)
RETURNS void
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF check_jurisdiction_internal.jurisdiction !~ '^[A-Z]{2,3}(-[A-Z0-9]{1,3})?$' THEN
		RAISE EXCEPTION 'invalid jurisdiction'
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Use a code of ISO 3166, such as DE or US-CA, or EU.';
	END IF;
END
$$;
COMMENT ON FUNCTION personalize.check_jurisdiction_internal(text) IS 'Refuses what is no code of a country or a part of one';

CREATE OR REPLACE FUNCTION personalize.presume_internal(only_subject bigint, only_purpose integer)
RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan	/* one person by index, all of them by one pass */
AS $$
DECLARE
	changed bigint;
BEGIN
	WITH purpose AS MATERIALIZED (
		SELECT p.purpose_id, personalize.purposes_above_internal(ARRAY[p.purpose_id]) AS above,
			0 || x.ids AS categories
		FROM personalize.registry_purpose AS p
			/* special categories are never presumed */
			CROSS JOIN LATERAL (SELECT ARRAY(SELECT c.category_id FROM personalize.registry_purpose_category AS c
				JOIN personalize.registry_category AS g ON g.category_id = c.category_id AND NOT g.special
				WHERE c.purpose_id = p.purpose_id ORDER BY c.category_id) AS ids) AS x
		WHERE p.legal_basis = 'consent' AND p.retired_at IS NULL AND NOT p.builtin
			AND (only_purpose IS NULL OR p.purpose_id = only_purpose)
			AND (x.ids <> '{}' OR NOT EXISTS (SELECT FROM personalize.registry_purpose_category AS c WHERE c.purpose_id = p.purpose_id))
	), person AS (
		SELECT DISTINCT ON (j.subject_no) j.subject_no, j.jurisdiction FROM personalize.subject_jurisdiction AS j
		WHERE only_subject IS NULL OR j.subject_no = only_subject
		ORDER BY j.subject_no, j.record_no DESC
	), law AS MATERIALIZED (
		/* whom silence is enough for, by the law nearest to where the person lives */
		SELECT o.subject_no, p.purpose_id, p.above, p.categories, m.jurisdiction
		FROM person AS o
			JOIN personalize.subject AS s ON s.subject_no = o.subject_no AND s.key IS NOT NULL AND NOT s.tombstoned
			CROSS JOIN purpose AS p
			CROSS JOIN LATERAL (SELECT x.jurisdiction, x.model FROM personalize.jurisdiction_model AS x
				WHERE x.purpose_id = p.purpose_id AND x.jurisdiction IN (o.jurisdiction, split_part(o.jurisdiction, '-', 1))
				ORDER BY length(x.jurisdiction) DESC LIMIT 1) AS m
		WHERE m.model = 'opt_out'
			AND NOT ((EXISTS (SELECT FROM personalize.minor AS y WHERE y.subject_no = o.subject_no)
					OR EXISTS (SELECT FROM personalize.linked AS y WHERE y.subject_no = o.subject_no))
				AND personalize.minor_now_internal(o.subject_no))
			/* of several identities the stricter law counts */
			AND NOT EXISTS (SELECT FROM personalize.linked AS y JOIN personalize.linked AS z ON z.group_no = y.group_no AND z.subject_no <> y.subject_no
					CROSS JOIN LATERAL (SELECT j.jurisdiction FROM personalize.subject_jurisdiction AS j
						WHERE j.subject_no = z.subject_no ORDER BY j.record_no DESC LIMIT 1) AS j
				WHERE y.subject_no = o.subject_no AND j.jurisdiction IS NOT NULL
					AND (SELECT x.model FROM personalize.jurisdiction_model AS x
						WHERE x.purpose_id = p.purpose_id AND x.jurisdiction IN (j.jurisdiction, split_part(j.jurisdiction, '-', 1))
						ORDER BY length(x.jurisdiction) DESC LIMIT 1) IS DISTINCT FROM 'opt_out')
	), silent AS MATERIALIZED (
		SELECT DISTINCT ON (e.subject_no, e.purpose_id) e.subject_no, e.purpose_id, e.action, e.categories, e.reason
		FROM personalize.consent_event AS e
		WHERE e.action IN ('presumed', 'lifted') AND e.purpose_id <> 0
			AND (only_subject IS NULL OR e.subject_no = only_subject) AND (only_purpose IS NULL OR e.purpose_id = only_purpose)
		ORDER BY e.subject_no, e.purpose_id, e.event_id DESC
	)
	INSERT INTO personalize.consent_event (subject_no, purpose_id, action, categories, method, reason, recorded_by, recorded_as)
		SELECT x.subject_no, x.purpose_id, x.action, x.categories, 'law', x.reason, session_user,
			pg_get_userbyid(personalize.outer_role_internal())
		FROM (SELECT l.subject_no, l.purpose_id, 'presumed' AS action, l.categories, 'opt-out in ' || l.jurisdiction AS reason
				FROM law AS l LEFT JOIN silent AS y ON y.subject_no = l.subject_no AND y.purpose_id = l.purpose_id
				WHERE (y.action IS DISTINCT FROM 'presumed' OR y.categories <> l.categories OR y.reason <> 'opt-out in ' || l.jurisdiction)
					AND NOT EXISTS (SELECT FROM personalize.consent_event AS e
						WHERE e.subject_no = l.subject_no AND e.action NOT IN ('presumed', 'lifted')
							/* nobody whose browser ever said no: that was not about one purpose */
							AND (e.purpose_id = ANY (l.above) OR e.method = 'gpc'))
			UNION ALL
			SELECT y.subject_no, y.purpose_id, 'lifted', NULL,
				CASE WHEN personalize.minor_now_internal(y.subject_no) THEN 'minor' ELSE 'no longer opt-out' END
				FROM silent AS y
				WHERE y.action = 'presumed'
					AND NOT EXISTS (SELECT FROM law AS l WHERE l.subject_no = y.subject_no AND l.purpose_id = y.purpose_id)) AS x
		ORDER BY x.subject_no, x.purpose_id;
	GET DIAGNOSTICS changed = ROW_COUNT;
	RETURN changed;
END
$$;
COMMENT ON FUNCTION personalize.presume_internal(bigint, integer) IS
	'Brings what is presumed in line with where people live, of one person and one purpose or of all (NULL); returns how much changed';

CREATE OR REPLACE FUNCTION personalize.set_purpose_jurisdiction(purpose text, jurisdiction text, model text)
RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	id integer;
	basis text;
BEGIN
	PERFORM personalize.registry_begin_internal();
	PERFORM personalize.require_newest_internal();
	id := personalize.purpose_id_internal(set_purpose_jurisdiction.purpose, 'consent');
	IF set_purpose_jurisdiction.jurisdiction IS NULL THEN
		RAISE EXCEPTION 'jurisdiction must not be null' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	PERFORM personalize.check_jurisdiction_internal(set_purpose_jurisdiction.jurisdiction);
	IF set_purpose_jurisdiction.model NOT IN ('opt_in', 'opt_out') THEN
		RAISE EXCEPTION 'model "%" is not known', personalize.shown_internal(set_purpose_jurisdiction.model)
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Use opt_in or opt_out, or NULL to say nothing about the jurisdiction.';
	END IF;
	SELECT p.legal_basis INTO basis FROM personalize.registry_purpose AS p WHERE p.purpose_id = id;
	IF set_purpose_jurisdiction.model IS NOT NULL AND basis <> 'consent' THEN
		RAISE EXCEPTION 'purpose "%" rests on %', set_purpose_jurisdiction.purpose, basis
			USING ERRCODE = 'invalid_parameter_value',
				HINT = 'Only a purpose that rests on consent is opt-in here and opt-out there: explicit consent is never presumed, and the others do not ask.';
	END IF;
	/* nobody records a choice, or where somebody lives, meanwhile */
	LOCK TABLE personalize.consent_event IN SHARE ROW EXCLUSIVE MODE;
	IF set_purpose_jurisdiction.model IS NULL THEN
		DELETE FROM personalize.jurisdiction_model AS m WHERE m.purpose_id = id AND m.jurisdiction = set_purpose_jurisdiction.jurisdiction;
	ELSE
		INSERT INTO personalize.jurisdiction_model (purpose_id, jurisdiction, model, set_by)
			VALUES (id, set_purpose_jurisdiction.jurisdiction, set_purpose_jurisdiction.model, session_user)
			ON CONFLICT (purpose_id, jurisdiction) DO UPDATE
				SET model = EXCLUDED.model, set_at = clock_timestamp(), set_by = EXCLUDED.set_by;
	END IF;
	RETURN personalize.presume_internal(NULL, id);
END
$$;
COMMENT ON FUNCTION personalize.set_purpose_jurisdiction(text, text, text) IS
	'Says whether a purpose is opt_in or opt_out where people live (the nearer of US-CA and US counts; nothing said: opt_in); NULL takes it back. Returns for how many people something changed';

CREATE OR REPLACE VIEW personalize.purpose_jurisdictions AS
	SELECT p.name AS purpose, m.jurisdiction, m.model, m.set_at, m.set_by
	FROM personalize.jurisdiction_model AS m JOIN personalize.registry_purpose AS p ON p.purpose_id = m.purpose_id;
COMMENT ON VIEW personalize.purpose_jurisdictions IS 'Where purposes are opt-in or opt-out; where nothing is said they are opt-in';

CREATE OR REPLACE FUNCTION personalize.person_begin_internal(kind text, subject text)
RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	kind_no integer;
	key text;
	no bigint;
BEGIN
	PERFORM personalize.require_preloaded_internal();
	PERFORM personalize.require_newest_internal();
	kind_no := personalize.kind_id_internal(person_begin_internal.kind);
	key := personalize.canonical_key_internal(person_begin_internal.kind, person_begin_internal.subject);
	/* as whoever records a choice does */
	LOCK TABLE personalize.consent_event IN ROW EXCLUSIVE MODE;
	IF kind_no = 0 THEN
		kind_no := personalize.ensure_kind_internal(person_begin_internal.kind);
	END IF;
	PERFORM personalize.linked_lock_key_internal(kind_no, key);
	no := personalize.subject_no_internal(kind_no, key, true);
	IF (SELECT s.tombstoned FROM personalize.subject AS s WHERE s.subject_no = no) THEN
		RAISE EXCEPTION 'the subject was erased'
			USING ERRCODE = 'object_not_in_prerequisite_state',
				HINT = 'A choice of the person, or reinstate_subject(), makes a new person of the key.';
	END IF;
	RETURN no;
END
$$;
COMMENT ON FUNCTION personalize.person_begin_internal(text, text) IS
	'What functions that record something about a person, but no choice, begin with: checks, and the number of the person, locked with all identities';

CREATE OR REPLACE FUNCTION personalize.numbers_internal(no bigint)
RETURNS bigint[]
LANGUAGE sql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce(nullif(personalize.linked_numbers_internal($1), '{}'), ARRAY[$1])
$$;
COMMENT ON FUNCTION personalize.numbers_internal(bigint) IS 'Numbers of all identities of a person';

CREATE OR REPLACE FUNCTION personalize.set_jurisdiction(subject text, jurisdiction text, kind text DEFAULT 'subject')
RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	no bigint;
BEGIN
	PERFORM personalize.check_jurisdiction_internal(set_jurisdiction.jurisdiction);
	no := personalize.person_begin_internal(set_jurisdiction.kind, set_jurisdiction.subject);
	IF (SELECT j.jurisdiction FROM personalize.subject_jurisdiction AS j WHERE j.subject_no = no ORDER BY j.record_no DESC LIMIT 1)
		IS DISTINCT FROM set_jurisdiction.jurisdiction THEN
		INSERT INTO personalize.subject_jurisdiction (subject_no, jurisdiction, recorded_by)
			VALUES (no, set_jurisdiction.jurisdiction, session_user);
	END IF;
	RETURN (personalize.person_terms_internal(no)).changed;
END
$$;
COMMENT ON FUNCTION personalize.set_jurisdiction(text, text, text) IS
	'Records whose law a person is under (NULL: nobody knows), and what that law lets be presumed; returns for how many purposes something changed';
