/*
 * Notices and their versions, the end of consents and who is to be asked again.
 *
 * Nothing of this is looked at when data is used.  A version that requires
 * consent anew, and the law about minors, end consents by lines of the ledger
 * (action ending: the consent as it was, with an end), so what the ledger says
 * is all there is to know, for a statement, the consent set and a question about
 * the past alike.  Such a line is no withdrawal: the person said nothing.
 *
 * Order of locks: the ledger (SHARE ROW EXCLUSIVE: nobody records a choice
 * meanwhile) before any subject, as in define_purpose().
 */

CREATE OR REPLACE FUNCTION personalize.require_newest_internal()
RETURNS void
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	/* what others said after the snapshot would be overlooked */
	IF current_setting('transaction_isolation') IN ('repeatable read', 'serializable') THEN
		RAISE EXCEPTION 'this cannot be recorded at isolation level %', upper(current_setting('transaction_isolation'))
			USING ERRCODE = 'active_sql_transaction',
				HINT = 'BEGIN ISOLATION LEVEL READ COMMITTED: it depends on what was said until now.';
	END IF;
END
$$;
COMMENT ON FUNCTION personalize.require_newest_internal() IS
	'Refuses the isolation levels at which a transaction does not see what was committed meanwhile';

CREATE OR REPLACE FUNCTION personalize.purposes_above_internal(purpose_ids integer[])
RETURNS integer[]
LANGUAGE sql STABLE PARALLEL RESTRICTED STRICT
SET search_path = pg_catalog, pg_temp
AS $$
	WITH RECURSIVE up (id) AS (
		SELECT u.id FROM unnest($1) AS u (id)
		UNION
		SELECT x.parent_id FROM up JOIN personalize.registry_purpose_parent AS x ON x.purpose_id = up.id)
	SELECT ARRAY(SELECT up.id FROM up ORDER BY up.id)
$$;
COMMENT ON FUNCTION personalize.purposes_above_internal(integer[]) IS 'Purposes and all that are broader';

CREATE OR REPLACE FUNCTION personalize.purposes_around_internal(purpose_ids integer[])
RETURNS integer[]
LANGUAGE sql STABLE PARALLEL RESTRICTED STRICT
SET search_path = pg_catalog, pg_temp
AS $$
	WITH RECURSIVE down (id) AS (
		SELECT u.id FROM unnest($1) AS u (id)
		UNION
		SELECT x.purpose_id FROM down JOIN personalize.registry_purpose_parent AS x ON x.parent_id = down.id)
	SELECT ARRAY(SELECT down.id FROM down UNION SELECT u.id FROM unnest(personalize.purposes_above_internal($1)) AS u (id) ORDER BY 1)
$$;
COMMENT ON FUNCTION personalize.purposes_around_internal(integer[]) IS
	'Purposes, those that are broader, consent to which reaches them, and those below, which they reach';

CREATE OR REPLACE VIEW personalize.consent_last_internal AS
	SELECT e.event_id, e.recorded_at, e.subject_no, e.purpose_id, e.action, x.categories, e.explicit, e.expires_at,
		e.notice, e.language, e.method, e.reason
	FROM personalize.consent_event AS e
		CROSS JOIN LATERAL (SELECT CASE
			WHEN NOT EXISTS (SELECT FROM personalize.consent_event AS l
				WHERE l.subject_no = e.subject_no AND l.purpose_id = e.purpose_id AND l.event_id > e.event_id) THEN e.categories
			ELSE ARRAY(SELECT u.id FROM pg_catalog.unnest(e.categories) WITH ORDINALITY AS u (id, ord)
				WHERE NOT EXISTS (SELECT FROM personalize.consent_event AS l
					WHERE l.subject_no = e.subject_no AND l.purpose_id = e.purpose_id AND l.event_id > e.event_id
						AND l.action NOT IN ('presumed', 'lifted')
						AND (l.categories IS NULL OR u.id = ANY (l.categories)))
				ORDER BY u.ord) END AS categories) AS x
	WHERE e.action IN ('given', 'ending') AND x.categories <> '{}';
COMMENT ON VIEW personalize.consent_last_internal IS
	'Consents that are the last word of the person about some categories, which it lists; they may have ended';

CREATE OR REPLACE FUNCTION personalize.notice_covers_internal(purposes integer[], purpose_id integer)
RETURNS boolean
LANGUAGE sql STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT $1 IS NULL OR $2 = ANY (personalize.purposes_around_internal($1))
$$;
COMMENT ON FUNCTION personalize.notice_covers_internal(integer[], integer) IS
	'Whether a version of a notice is about a purpose, one that is broader or one below it';

CREATE OR REPLACE FUNCTION personalize.notice_number_internal(notice text)
RETURNS integer
LANGUAGE sql STABLE PARALLEL RESTRICTED STRICT
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce((SELECT v.notice_id FROM personalize.notice_version AS v
		WHERE v.name = split_part($1, '/', 1) AND v.version = split_part($1, '/', 2)), 0)
$$;
COMMENT ON FUNCTION personalize.notice_number_internal(text) IS
	'Number of the version of a notice that an event names; 0 if it was recorded before there was one';

CREATE OR REPLACE FUNCTION personalize.notice_shown_internal(notice text, language text, purpose_id integer, given boolean,
	OUT shown text, OUT spoken text, OUT ends_at timestamptz)
RETURNS record
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	n personalize.notice_name;
	v personalize.notice_version;
	wanted text;
BEGIN
	shown := notice_shown_internal.notice;
	spoken := notice_shown_internal.language;
	SELECT x.* INTO n FROM personalize.notice_name AS x WHERE x.name = split_part(notice_shown_internal.notice, '/', 1);
	IF n.name IS NULL THEN
		RETURN;
	END IF;
	IF current_setting('transaction_isolation') IN ('repeatable read', 'serializable') THEN
		/* fails if there is a newer version than this snapshot sees */
		PERFORM FROM personalize.notice_name AS x WHERE x.name = n.name FOR SHARE;
	END IF;
	IF notice_shown_internal.notice = n.name THEN
		SELECT x.* INTO v FROM personalize.notice_version AS x WHERE x.notice_id = n.newest;
	ELSE
		SELECT x.* INTO v FROM personalize.notice_version AS x
			WHERE x.name = n.name AND x.version = split_part(notice_shown_internal.notice, '/', 2);
		wanted := nullif(split_part(notice_shown_internal.notice, '/', 3), '');
	END IF;
	IF v.notice_id IS NULL THEN
		RAISE EXCEPTION 'the notice has no such version'
			USING ERRCODE = 'undefined_object', HINT = 'The view personalize.notices lists them; define_notice() makes one.';
	END IF;
	wanted := coalesce(wanted, notice_shown_internal.language);
	IF wanted IS NOT NULL THEN
		IF NOT EXISTS (SELECT FROM personalize.notice_text AS t WHERE t.notice_id = v.notice_id
				AND t.language IN (lower(wanted), split_part(lower(wanted), '-', 1))) THEN
			RAISE EXCEPTION 'this version of the notice is not there in the language that is said to have been shown'
				USING ERRCODE = 'undefined_object', HINT = 'The view personalize.notices lists them; define_notice() adds a language.';
		END IF;
	ELSE
		/* the only one there is, or that of the controller; else nobody knows */
		SELECT CASE WHEN count(*) = 1 THEN min(t.language)
				ELSE min(t.language) FILTER (WHERE t.language = (SELECT lower(c.language) FROM personalize.controller AS c)) END
			INTO wanted FROM personalize.notice_text AS t WHERE t.notice_id = v.notice_id;
	END IF;
	shown := v.name || '/' || v.version;
	spoken := wanted;
	IF NOT notice_shown_internal.given THEN
		RETURN;
	END IF;
	IF NOT personalize.notice_covers_internal(v.purposes, notice_shown_internal.purpose_id) THEN
		RAISE EXCEPTION 'the notice says nothing about purpose "%"',
				(SELECT p.name FROM personalize.registry_purpose AS p WHERE p.purpose_id = notice_shown_internal.purpose_id)
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Show a notice that names the purpose; see the view personalize.notices.';
	END IF;
	SELECT min(w.ends_at) INTO notice_shown_internal.ends_at FROM personalize.notice_version AS w
		WHERE w.name = v.name AND w.notice_id > v.notice_id AND w.material AND w.reconsent = 'require'
			AND personalize.notice_covers_internal(w.purposes, notice_shown_internal.purpose_id);
	IF notice_shown_internal.ends_at <= clock_timestamp() THEN
		RAISE EXCEPTION 'this version of the notice is out of date'
			USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Show the newest version and ask again; see the view personalize.notices.';
	END IF;
END
$$;
COMMENT ON FUNCTION personalize.notice_shown_internal(text, text, integer, boolean) IS
	'What an event says of the notice that was shown: the exact version and language if it is registered, and when consent under it ends because a newer one requires it; else the text as it is';

CREATE OR REPLACE FUNCTION personalize.define_notice(name text, version text, language text, body text,
	purposes text[] DEFAULT NULL, material boolean DEFAULT true, reconsent text DEFAULT 'ask', grace interval DEFAULT '0')
RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	v personalize.notice_version;
	ids integer[];
	spoken text := lower(define_notice.language);
	number integer;
	over timestamptz;
	ended bigint := 0;
BEGIN
	PERFORM personalize.registry_begin_internal();
	PERFORM personalize.check_name_internal('notice', define_notice.name);
	PERFORM personalize.check_name_internal('version', define_notice.version);
	IF strpos(define_notice.name, '/') > 0 OR strpos(define_notice.version, '/') > 0 THEN
		RAISE EXCEPTION 'names and versions of notices have no slash'
			USING ERRCODE = 'invalid_parameter_value', HINT = 'A consent names its notice as name/version.';
	END IF;
	IF define_notice.body IS NULL OR spoken IS NULL OR define_notice.material IS NULL OR define_notice.reconsent IS NULL
		OR define_notice.grace IS NULL THEN
		RAISE EXCEPTION 'language, body, material, reconsent and grace must not be null'
			USING ERRCODE = 'null_value_not_allowed', HINT = 'Leave an argument out to have its default.';
	END IF;
	IF spoken !~ '^[a-z]{2,3}(-[a-z0-9]{1,8})*$' OR length(spoken) > 35 THEN
		RAISE EXCEPTION 'invalid language' USING ERRCODE = 'invalid_parameter_value', HINT = 'Use a language tag, such as en or de-AT.';
	END IF;
	IF btrim(define_notice.body) = '' THEN
		RAISE EXCEPTION 'the notice says nothing' USING ERRCODE = 'invalid_parameter_value', HINT = 'Pass the text that people are shown.';
	END IF;
	IF define_notice.reconsent NOT IN ('ask', 'require') THEN
		RAISE EXCEPTION 'reconsent "%" is not known', personalize.shown_internal(define_notice.reconsent)
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Use ask or require.';
	END IF;
	IF define_notice.grace < interval '0' OR (define_notice.grace > interval '0' AND define_notice.reconsent <> 'require') THEN
		RAISE EXCEPTION 'grace must not be negative, and is for reconsent require' USING ERRCODE = 'invalid_parameter_value';
	END IF;
	IF define_notice.reconsent = 'require' AND NOT define_notice.material THEN
		RAISE EXCEPTION 'a version that changes nothing material does not require consent anew'
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Leave material out, or reconsent.';
	END IF;
	IF define_notice.purposes IS NOT NULL THEN
		ids := ARRAY(SELECT DISTINCT personalize.purpose_id_internal(u.name, 'consent') FROM unnest(define_notice.purposes) AS u (name) ORDER BY 1);
		IF cardinality(ids) = 0 THEN
			RAISE EXCEPTION 'purposes must not be an empty array'
				USING ERRCODE = 'invalid_parameter_value', HINT = 'Leave purposes out to mean all.';
		END IF;
	END IF;

	SELECT x.* INTO v FROM personalize.notice_version AS x WHERE x.name = define_notice.name AND x.version = define_notice.version;
	IF v.notice_id IS NOT NULL THEN
		/* another language of a version: what the version is about stays */
		IF EXISTS (SELECT FROM personalize.notice_text AS t WHERE t.notice_id = v.notice_id AND t.language = spoken) THEN
			RAISE EXCEPTION 'version "%" of notice "%" already exists in this language', v.version, v.name
				USING ERRCODE = 'duplicate_object', HINT = 'What people were shown is not changed: define a new version.';
		END IF;
		IF (ids IS NOT NULL AND ids IS DISTINCT FROM v.purposes) OR (NOT define_notice.material AND v.material)
			OR (define_notice.reconsent = 'require' AND v.reconsent <> 'require') THEN
			RAISE EXCEPTION 'version "%" of notice "%" is about other purposes, or changes something else', v.version, v.name
				USING ERRCODE = 'invalid_parameter_value', HINT = 'Leave purposes, material and reconsent out when you add a language.';
		END IF;
		number := v.notice_id;
	ELSE
		IF define_notice.reconsent = 'require' THEN
			PERFORM personalize.require_newest_internal();
			/* nobody records a consent under the old version while those are ended */
			LOCK TABLE personalize.consent_event IN SHARE ROW EXCLUSIVE MODE;
			over := clock_timestamp() + define_notice.grace;
		END IF;
		INSERT INTO personalize.notice_version (name, version, purposes, material, reconsent, ends_at, defined_by)
			VALUES (define_notice.name, define_notice.version, ids, define_notice.material, define_notice.reconsent, over, session_user)
			RETURNING notice_id INTO number;
		INSERT INTO personalize.notice_name (name, newest) VALUES (define_notice.name, number)
			ON CONFLICT (name) DO UPDATE SET newest = EXCLUDED.newest;
	END IF;
	INSERT INTO personalize.notice_text (notice_id, language, body, digest, defined_by)
		VALUES (number, spoken, define_notice.body, sha256(convert_to(define_notice.body, 'UTF8')), session_user);

	IF over IS NOT NULL THEN
		INSERT INTO personalize.consent_event (subject_no, purpose_id, action, categories, explicit, expires_at, notice, language,
				method, reason, recorded_by, recorded_as)
			SELECT c.subject_no, c.purpose_id, 'ending', c.categories, c.explicit, over, c.notice, c.language, c.method,
				format('notice %s/%s', define_notice.name, define_notice.version), session_user,
				pg_get_userbyid(personalize.outer_role_internal())
			FROM personalize.consent_last_internal AS c
				JOIN personalize.subject AS s ON s.subject_no = c.subject_no AND s.key IS NOT NULL
			WHERE (c.expires_at IS NULL OR c.expires_at > over)
				AND split_part(c.notice, '/', 1) = define_notice.name AND personalize.notice_number_internal(c.notice) < number
				AND (ids IS NULL OR c.purpose_id = ANY (personalize.purposes_around_internal(ids)))
			ORDER BY c.event_id;
		GET DIAGNOSTICS ended = ROW_COUNT;
	END IF;
	RETURN ended;
END
$$;
COMMENT ON FUNCTION personalize.define_notice(text, text, text, text, text[], boolean, text, interval) IS
	'Registers a version of a notice in a language, for good; material: who agreed to an older version is asked again (ask), or their consent ends after a grace (require). Returns how many consents end';

CREATE OR REPLACE VIEW personalize.notices AS
	SELECT v.name, v.version, t.language, t.body, pg_catalog.encode(t.digest, 'hex') AS digest,
		CASE WHEN v.purposes IS NOT NULL THEN ARRAY(SELECT p.name FROM personalize.registry_purpose AS p
			WHERE p.purpose_id = ANY (v.purposes) ORDER BY p.name COLLATE "C") END AS purposes,
		v.material, v.reconsent, v.ends_at, n.newest = v.notice_id AS newest, t.defined_at, t.defined_by
	FROM personalize.notice_version AS v JOIN personalize.notice_text AS t ON t.notice_id = v.notice_id
		JOIN personalize.notice_name AS n ON n.name = v.name;
COMMENT ON VIEW personalize.notices IS
	'What people were and are shown, by version and language; purposes NULL: all; ends_at: when consents under older versions end';

CREATE OR REPLACE FUNCTION personalize.set_consent_lifetime(purpose text, lifetime interval)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	id integer;
BEGIN
	PERFORM personalize.registry_begin_internal();
	id := personalize.purpose_id_internal(set_consent_lifetime.purpose, 'change');
	IF set_consent_lifetime.lifetime IS NULL THEN
		DELETE FROM personalize.consent_lifetime AS l WHERE l.purpose_id = id;
		RETURN;
	END IF;
	IF set_consent_lifetime.lifetime <= interval '0' OR clock_timestamp() + set_consent_lifetime.lifetime <= clock_timestamp() THEN
		RAISE EXCEPTION 'lifetime must be longer than nothing' USING ERRCODE = 'invalid_parameter_value', HINT = 'NULL ends it.';
	END IF;
	INSERT INTO personalize.consent_lifetime (purpose_id, lifetime, set_by) VALUES (id, set_consent_lifetime.lifetime, session_user)
		ON CONFLICT (purpose_id) DO UPDATE SET lifetime = EXCLUDED.lifetime, set_at = clock_timestamp(), set_by = EXCLUDED.set_by;
END
$$;
COMMENT ON FUNCTION personalize.set_consent_lifetime(text, interval) IS
	'How long a consent to a purpose lasts that is recorded without expires_at, from now on; NULL: without end';

CREATE OR REPLACE VIEW personalize.consent_lifetimes AS
	SELECT p.name AS purpose, l.lifetime, l.set_at, l.set_by
	FROM personalize.consent_lifetime AS l JOIN personalize.registry_purpose AS p ON p.purpose_id = l.purpose_id;
COMMENT ON VIEW personalize.consent_lifetimes IS 'How long consents last that are recorded without an end';

CREATE OR REPLACE FUNCTION personalize.consent_renewals(purpose text DEFAULT NULL, within interval DEFAULT '30 days')
RETURNS TABLE (kind text, subject text, purpose_name text, why text, categories text[], recorded_at timestamptz,
	expires_at timestamptz, notice text, show_notice text, reason text, guardian boolean)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT SECURITY DEFINER ROWS 1000
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	wanted integer := CASE WHEN consent_renewals.purpose IS NOT NULL THEN personalize.purpose_id_internal(consent_renewals.purpose, 'ask') END;
	now_is timestamptz := clock_timestamp();
	horizon timestamptz := now_is + coalesce(consent_renewals.within, interval '0');
BEGIN
	PERFORM personalize.require_preloaded_internal();
	RETURN QUERY
		WITH last AS (
			SELECT c.*, p.name AS purpose_name, n.name AS notice_name, n.newest,
				CASE WHEN c.expires_at <= now_is THEN 'ended'
					WHEN c.expires_at <= horizon THEN 'ends'
					WHEN EXISTS (SELECT FROM personalize.notice_version AS w
						WHERE w.name = n.name AND w.material AND w.notice_id > personalize.notice_number_internal(c.notice)
							AND personalize.notice_covers_internal(w.purposes, c.purpose_id)) THEN 'notice' END AS why
			FROM personalize.consent_last_internal AS c
				JOIN personalize.registry_purpose AS p ON p.purpose_id = c.purpose_id AND p.retired_at IS NULL
				LEFT JOIN personalize.notice_name AS n ON n.name = split_part(c.notice, '/', 1)
			WHERE wanted IS NULL OR c.purpose_id = wanted)
		SELECT k.name, s.key, l.purpose_name, l.why,
			ARRAY(SELECT g.name FROM personalize.registry_category AS g WHERE g.category_id = ANY (l.categories) ORDER BY g.name COLLATE "C"),
			l.recorded_at, l.expires_at, l.notice,
			(SELECT v.name || '/' || v.version FROM personalize.notice_version AS v WHERE v.notice_id = l.newest),
			l.reason, personalize.minor_now_internal(l.subject_no)
		FROM last AS l
			JOIN personalize.subject AS s ON s.subject_no = l.subject_no AND s.key IS NOT NULL AND NOT s.tombstoned
			JOIN personalize.registry_kind AS k ON k.kind_id = s.kind_id
		WHERE l.why IS NOT NULL
			/* the row alone, where all categories were decided again */
			AND (l.categories <> '{0}' OR NOT EXISTS (SELECT FROM personalize.registry_purpose_category AS x WHERE x.purpose_id = l.purpose_id))
			AND (SELECT r.action FROM personalize.consent_event AS r WHERE r.subject_no = l.subject_no AND r.purpose_id = 0
				ORDER BY r.event_id DESC LIMIT 1) IS DISTINCT FROM 'restricted'
		ORDER BY l.purpose_name COLLATE "C", k.name COLLATE "C", s.key COLLATE "C", l.event_id;
END
$$;
COMMENT ON FUNCTION personalize.consent_renewals(text, interval) IS
	'Who should be asked again, and why: the consent has ended, ends within so long, or was given under a notice that has changed materially; whoever said no since is not asked again';
