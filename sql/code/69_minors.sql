/*
 * Minors and those who speak for them (GDPR Art. 8, CCPA 1798.120(c)).
 *
 * Who is known to be a minor gives no consent; a guardian does, by
 * grant_consent(..., method => 'guardian').  Everybody may say no for a minor
 * at any time: no function here keeps a no off the record.
 */

CREATE OR REPLACE FUNCTION personalize.minor_now_internal(subject_no bigint)
RETURNS boolean
LANGUAGE sql STABLE PARALLEL RESTRICTED STRICT
SET search_path = pg_catalog, pg_temp
AS $$
	/* the day has begun when it has everywhere, twelve hours behind UTC */
	SELECT coalesce((SELECT bool_or((SELECT clock_timestamp() < (m.until + time '12:00') AT TIME ZONE 'UTC'
			FROM personalize.minor AS m WHERE m.subject_no = u.no ORDER BY m.minor_no DESC LIMIT 1))
		FROM unnest(personalize.numbers_internal($1)) AS u (no)), false)
$$;
COMMENT ON FUNCTION personalize.minor_now_internal(bigint) IS 'Whether a person is known, by any identity, not to decide alone yet';

CREATE OR REPLACE FUNCTION personalize.guardians_internal(subject_no bigint)
RETURNS bigint[]
LANGUAGE sql STABLE PARALLEL RESTRICTED STRICT
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT ARRAY(SELECT g.guardian_id FROM personalize.guardian AS g
			JOIN personalize.subject AS s ON s.subject_no = g.guardian_no AND s.key IS NOT NULL AND NOT s.tombstoned
		WHERE g.subject_no = ANY (personalize.numbers_internal($1)) AND g.removed_at IS NULL AND NOT personalize.minor_now_internal(g.guardian_no)
		ORDER BY g.guardian_id)
$$;
COMMENT ON FUNCTION personalize.guardians_internal(bigint) IS
	'Links to those who can speak for a person now: not removed, not erased, no minors themselves';

CREATE OR REPLACE FUNCTION personalize.guardian_evidence_internal(subject_no bigint, method text, evidence jsonb)
RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	links bigint[];
BEGIN
	IF NOT personalize.minor_now_internal(guardian_evidence_internal.subject_no) THEN
		IF guardian_evidence_internal.method = 'guardian' THEN
			RAISE EXCEPTION 'a guardian cannot consent for somebody who decides alone'
				USING ERRCODE = 'object_not_in_prerequisite_state',
					HINT = 'Ask the person; or set_minor() says until when a guardian decides.';
		END IF;
		RETURN evidence;
	END IF;
	IF guardian_evidence_internal.method IS DISTINCT FROM 'guardian' THEN
		RAISE EXCEPTION 'a minor cannot consent'
			USING ERRCODE = 'object_not_in_prerequisite_state',
				HINT = 'Ask a guardian whom set_guardian() registered, and record it with method => ''guardian''.';
	END IF;
	links := personalize.guardians_internal(guardian_evidence_internal.subject_no);
	IF cardinality(links) = 0 THEN
		RAISE EXCEPTION 'no guardian of the minor is registered'
			USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Call set_guardian() first.';
	END IF;
	IF jsonb_typeof(evidence) = 'object' AND evidence ? 'guardian' THEN
		IF evidence ->> 'guardian' <> ALL (links::text[]) OR evidence ->> 'guardian' IS NULL THEN
			RAISE EXCEPTION 'the guardian named by evidence is none of the minor''s'
				USING ERRCODE = 'invalid_parameter_value', HINT = 'Pass the number that set_guardian() returned; guardians_of() lists them.';
		END IF;
		RETURN evidence;
	END IF;
	/* of several nobody knows who it was */
	IF cardinality(links) > 1 THEN
		RETURN evidence;
	END IF;
	RETURN CASE WHEN evidence IS NULL THEN '{}' WHEN jsonb_typeof(evidence) = 'object' THEN evidence
		ELSE jsonb_build_object('evidence', evidence) END || jsonb_build_object('guardian', links[1]);
END
$$;
COMMENT ON FUNCTION personalize.guardian_evidence_internal(bigint, text, jsonb) IS
	'Refuses a consent of a minor that no guardian gave; returns the evidence with the link to the guardian, where there is only one';

CREATE OR REPLACE FUNCTION personalize.minor_ends_internal(subject_no bigint)
RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	ended bigint := 0;
BEGIN
	IF personalize.minor_now_internal(minor_ends_internal.subject_no) THEN
		INSERT INTO personalize.consent_event (subject_no, purpose_id, action, categories, explicit, expires_at, notice, language,
				method, reason, recorded_by, recorded_as, app_user)
			SELECT c.subject_no, c.purpose_id, 'ending', c.categories, c.explicit, clock_timestamp(), c.notice, c.language, c.method,
				'minor', session_user, pg_get_userbyid(personalize.outer_role_internal()),
				nullif(current_setting('personalize.app_user', true), '')
			FROM personalize.consent_last_internal AS c
			WHERE c.subject_no = minor_ends_internal.subject_no AND (c.expires_at IS NULL OR c.expires_at > clock_timestamp())
				AND c.method IS DISTINCT FROM 'guardian'
			ORDER BY c.event_id;
		GET DIAGNOSTICS ended = ROW_COUNT;
	END IF;
	RETURN ended;
END
$$;
COMMENT ON FUNCTION personalize.minor_ends_internal(bigint) IS
	'Ends what a minor consented to without a guardian; returns how many consents';

CREATE OR REPLACE FUNCTION personalize.person_terms_internal(no bigint, OUT ended bigint, OUT changed bigint)
RETURNS record
LANGUAGE sql VOLATILE PARALLEL UNSAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce(sum(personalize.minor_ends_internal(u.no)), 0)::bigint, coalesce(sum(personalize.presume_internal(u.no, NULL)), 0)::bigint
	FROM unnest(personalize.numbers_internal($1)) AS u (no)
$$;
COMMENT ON FUNCTION personalize.person_terms_internal(bigint) IS
	'Ends and presumes for all identities of a person what the law lets: returns how many consents and presumptions';

CREATE OR REPLACE FUNCTION personalize.set_minor(subject text, until date, jurisdiction text DEFAULT NULL, kind text DEFAULT 'subject')
RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	no bigint;
BEGIN
	PERFORM personalize.check_jurisdiction_internal(set_minor.jurisdiction);
	no := personalize.person_begin_internal(set_minor.kind, set_minor.subject);
	INSERT INTO personalize.minor (subject_no, until, jurisdiction, recorded_by)
		VALUES (no, set_minor.until, set_minor.jurisdiction, session_user);
	/* a consent that is recorded under an older snapshot must fail, not overlook this */
	PERFORM personalize.ledger_unlock_internal(true);
	UPDATE personalize.subject AS s SET tombstoned = s.tombstoned WHERE s.subject_no = ANY (personalize.numbers_internal(no));
	PERFORM personalize.ledger_unlock_internal(false);
	RETURN (personalize.person_terms_internal(no)).ended;
END
$$;
COMMENT ON FUNCTION personalize.set_minor(text, date, text, text) IS
	'Records from which day on a person decides alone (NULL: does so already), by whose law; until then only a guardian consents, and consents the person gave alone end now. Returns how many';

CREATE OR REPLACE FUNCTION personalize.is_minor(subject text, kind text DEFAULT 'subject')
RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	/* not in the condition: without rows nobody would look at them */
	id integer := personalize.kind_id_internal(is_minor.kind);
	canonical text := personalize.canonical_key_internal(is_minor.kind, is_minor.subject);
BEGIN
	RETURN coalesce((SELECT personalize.minor_now_internal(s.subject_no) FROM personalize.subject AS s
		WHERE s.kind_id = id AND s.key = canonical), false);
END
$$;
COMMENT ON FUNCTION personalize.is_minor(text, text) IS 'Whether a guardian must consent for a person';

CREATE OR REPLACE FUNCTION personalize.guardian_begin_internal(kind text, subject text, guardian_kind text, guardian text,
	OUT subject_no bigint, OUT guardian_no bigint)
RETURNS record
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	kind_no integer := personalize.kind_id_internal(guardian_begin_internal.kind);
	guardian_kind_no integer := personalize.kind_id_internal(guardian_begin_internal.guardian_kind);
	person_key text := personalize.canonical_key_internal(guardian_begin_internal.kind, guardian_begin_internal.subject);
	guardian_key text := personalize.canonical_key_internal(guardian_begin_internal.guardian_kind, guardian_begin_internal.guardian);
BEGIN
	PERFORM personalize.require_preloaded_internal();
	IF kind_no = guardian_kind_no AND person_key = guardian_key THEN
		RAISE EXCEPTION 'nobody is their own guardian' USING ERRCODE = 'invalid_parameter_value';
	END IF;
	/* the ledger before subjects, and these in the order of their numbers, as every batch locks them */
	LOCK TABLE personalize.consent_event IN ROW EXCLUSIVE MODE;
	PERFORM personalize.linked_lock_internal(ARRAY(SELECT u.no FROM personalize.subject AS s
			CROSS JOIN LATERAL unnest(personalize.numbers_internal(s.subject_no)) AS u (no)
		WHERE (s.kind_id = kind_no AND s.key = person_key) OR (s.kind_id = guardian_kind_no AND s.key = guardian_key)));
	subject_no := personalize.person_begin_internal(guardian_begin_internal.kind, guardian_begin_internal.subject);
	guardian_no := personalize.person_begin_internal(guardian_begin_internal.guardian_kind, guardian_begin_internal.guardian);
	IF guardian_no = ANY (personalize.numbers_internal(subject_no)) THEN
		RAISE EXCEPTION 'nobody is their own guardian' USING ERRCODE = 'invalid_parameter_value';
	END IF;
END
$$;
COMMENT ON FUNCTION personalize.guardian_begin_internal(text, text, text, text) IS
	'Numbers of a person and somebody else, both locked';

CREATE OR REPLACE FUNCTION personalize.set_guardian(subject text, guardian text, guardian_kind text DEFAULT 'subject',
	kind text DEFAULT 'subject')
RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	pair record;
	link bigint;
BEGIN
	pair := personalize.guardian_begin_internal(set_guardian.kind, set_guardian.subject, set_guardian.guardian_kind, set_guardian.guardian);
	IF personalize.minor_now_internal(pair.guardian_no) THEN
		RAISE EXCEPTION 'a minor cannot be a guardian' USING ERRCODE = 'object_not_in_prerequisite_state';
	END IF;
	SELECT g.guardian_id INTO link FROM personalize.guardian AS g
		WHERE g.subject_no = pair.subject_no AND g.guardian_no = pair.guardian_no AND g.removed_at IS NULL
		ORDER BY g.guardian_id LIMIT 1;
	IF link IS NULL THEN
		INSERT INTO personalize.guardian AS g (subject_no, guardian_no, recorded_by)
			VALUES (pair.subject_no, pair.guardian_no, session_user) RETURNING g.guardian_id INTO link;
	END IF;
	RETURN link;
END
$$;
COMMENT ON FUNCTION personalize.set_guardian(text, text, text, text) IS
	'Registers who speaks for a minor; returns the number of the link, which evidence of a consent may name as guardian';

CREATE OR REPLACE FUNCTION personalize.remove_guardian(subject text, guardian text, guardian_kind text DEFAULT 'subject',
	kind text DEFAULT 'subject')
RETURNS boolean
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	pair record;
BEGIN
	pair := personalize.guardian_begin_internal(remove_guardian.kind, remove_guardian.subject, remove_guardian.guardian_kind, remove_guardian.guardian);
	UPDATE personalize.guardian AS g SET removed_at = clock_timestamp(), removed_by = session_user
		WHERE g.subject_no = ANY (personalize.numbers_internal(pair.subject_no))
			AND g.guardian_no = ANY (personalize.numbers_internal(pair.guardian_no)) AND g.removed_at IS NULL;
	RETURN FOUND;
END
$$;
COMMENT ON FUNCTION personalize.remove_guardian(text, text, text, text) IS
	'Somebody does not speak for a minor any more; what they consented to stays until somebody says otherwise. False if they did not';

CREATE OR REPLACE FUNCTION personalize.guardians_of(subject text, kind text DEFAULT 'subject')
RETURNS TABLE (guardian_id bigint, guardian_kind text, guardian text, since timestamptz)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT SECURITY DEFINER ROWS 2
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	id integer := personalize.kind_id_internal(guardians_of.kind);
	canonical text := personalize.canonical_key_internal(guardians_of.kind, guardians_of.subject);
BEGIN
	RETURN QUERY SELECT g.guardian_id, k.name, o.key, g.recorded_at
		FROM personalize.subject AS s
			JOIN personalize.guardian AS g ON g.guardian_id = ANY (personalize.guardians_internal(s.subject_no))
			JOIN personalize.subject AS o ON o.subject_no = g.guardian_no
			JOIN personalize.registry_kind AS k ON k.kind_id = o.kind_id
		WHERE s.kind_id = id AND s.key = canonical
		ORDER BY g.guardian_id;
END
$$;
COMMENT ON FUNCTION personalize.guardians_of(text, text) IS 'Who can speak for a person now';

CREATE OR REPLACE FUNCTION personalize.export_person_internal(subject_no bigint)
RETURNS jsonb
LANGUAGE sql STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT jsonb_build_object(
		'jurisdictions', (SELECT coalesce(jsonb_agg(jsonb_build_object('since', j.recorded_at, 'jurisdiction', j.jurisdiction) ORDER BY j.record_no), '[]')
			FROM personalize.subject_jurisdiction AS j WHERE j.subject_no = ANY (personalize.numbers_internal($1))),
		'minor', (SELECT coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object('recorded_at', m.recorded_at, 'until', m.until,
				'jurisdiction', m.jurisdiction)) ORDER BY m.minor_no), '[]')
			FROM personalize.minor AS m WHERE m.subject_no = ANY (personalize.numbers_internal($1))),
		'guardians', (SELECT coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object('guardian', g.guardian_id, 'kind', k.name, 'subject', s.key,
				'since', g.recorded_at, 'until', g.removed_at)) ORDER BY g.guardian_id), '[]')
			FROM personalize.guardian AS g JOIN personalize.subject AS s ON s.subject_no = g.guardian_no
				JOIN personalize.registry_kind AS k ON k.kind_id = s.kind_id WHERE g.subject_no = ANY (personalize.numbers_internal($1))),
		'guardian_of', (SELECT coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object('guardian', g.guardian_id, 'kind', k.name, 'subject', s.key,
				'since', g.recorded_at, 'until', g.removed_at)) ORDER BY g.guardian_id), '[]')
			FROM personalize.guardian AS g JOIN personalize.subject AS s ON s.subject_no = g.subject_no
				JOIN personalize.registry_kind AS k ON k.kind_id = s.kind_id WHERE g.guardian_no = ANY (personalize.numbers_internal($1))))
$$;
COMMENT ON FUNCTION personalize.export_person_internal(bigint) IS
	'What is kept about a person besides data and choices: where they live, whether they are a minor, and who speaks for whom';

CREATE OR REPLACE FUNCTION personalize.person_erased_internal()
RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	DELETE FROM personalize.minor AS m USING now_is AS n WHERE n.key IS NULL AND m.subject_no = n.subject_no;
	DELETE FROM personalize.guardian AS g USING now_is AS n
		WHERE n.key IS NULL AND (g.subject_no = n.subject_no OR g.guardian_no = n.subject_no);
	/* who else the person was; one that is left alone has no group */
	IF EXISTS (SELECT FROM personalize.linked AS l JOIN now_is AS n ON n.subject_no = l.subject_no WHERE n.key IS NULL) THEN
		DELETE FROM personalize.linked AS l USING now_is AS n WHERE n.key IS NULL AND l.subject_no = n.subject_no;
		UPDATE personalize.linked AS l SET group_no = x.first FROM (SELECT m.group_no, min(m.subject_no) AS first FROM personalize.linked AS m GROUP BY m.group_no) AS x
			WHERE x.group_no = l.group_no AND x.first <> l.group_no;
		DELETE FROM personalize.linked AS l WHERE NOT EXISTS (SELECT FROM personalize.linked AS m WHERE m.group_no = l.group_no AND m.subject_no <> l.subject_no);
	END IF;
	UPDATE personalize.link_event AS e SET other_no = NULL, reason = NULL FROM now_is AS n
		WHERE n.key IS NULL AND (e.subject_no = n.subject_no OR e.other_no = n.subject_no);
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION personalize.person_erased_internal() IS
	'Takes links to guardians, and what tells an age, away with the key of a person; trigger on personalize.subject';
CREATE OR REPLACE TRIGGER person_erased AFTER UPDATE ON personalize.subject REFERENCING NEW TABLE AS now_is
	FOR EACH STATEMENT EXECUTE FUNCTION personalize.person_erased_internal();
COMMENT ON TRIGGER person_erased ON personalize.subject IS 'Takes what is kept beside the key of a person away with it';
