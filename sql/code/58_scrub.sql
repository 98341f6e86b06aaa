/*
 * Rights: taking the keys of erased persons out of what is kept as free text.
 *
 * One pass over each table for all persons of a batch: keys_in_internal()
 * (src/rights_words.c) says which keys a text may name, and the functions here
 * that know what naming is look at those only.  It must not miss any.
 */

CREATE OR REPLACE FUNCTION personalize.text_names_internal(free_text text, keys text[])
RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
	/* the key as a word of its own, in any case; strpos first because it is cheap */
	SELECT free_text IS NOT NULL AND EXISTS (
		SELECT 1 FROM unnest(keys) AS k (key)
		WHERE strpos(lower(free_text), lower(k.key)) > 0
			AND free_text ~* ('(^|[^[:alnum:]])' || regexp_replace(k.key, '([^[:alnum:]])', E'\\\\\\1', 'g') || '($|[^[:alnum:]])'))
$$;
COMMENT ON FUNCTION personalize.text_names_internal(text, text[]) IS
	'Whether a free text is or contains one of the keys as a word of its own';

CREATE OR REPLACE FUNCTION personalize.text_is_of_internal(free_text text, keys text[])
RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
	/* a key of one or two characters is a word of any language: it counts only where it stands alone */
	SELECT personalize.text_names_internal(free_text, ARRAY(SELECT k.key FROM unnest(keys) AS k (key) WHERE length(k.key) > 2))
		OR lower(free_text) = ANY (ARRAY(SELECT lower(k.key) FROM unnest(keys) AS k (key)))
$$;
COMMENT ON FUNCTION personalize.text_is_of_internal(text, text[]) IS
	'Whether a free text about somebody else names one of the keys, short ones only where they are all of it';

CREATE OR REPLACE FUNCTION personalize.evidence_is_of_internal(evidence jsonb, keys text[])
RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
	WITH RECURSIVE part (value) AS (
		SELECT evidence WHERE evidence IS NOT NULL
		UNION ALL
		SELECT x.value FROM part CROSS JOIN LATERAL (
			SELECT e.value FROM jsonb_each(CASE jsonb_typeof(part.value) WHEN 'object' THEN part.value ELSE '{}' END) AS e
			UNION ALL
			SELECT to_jsonb(e.key) FROM jsonb_each(CASE jsonb_typeof(part.value) WHEN 'object' THEN part.value ELSE '{}' END) AS e
			UNION ALL
			SELECT e.value FROM jsonb_array_elements(CASE jsonb_typeof(part.value) WHEN 'array' THEN part.value ELSE '[]' END) AS e (value)) AS x)
	SELECT EXISTS (SELECT FROM part WHERE jsonb_typeof(part.value) IN ('string', 'number')
		AND personalize.text_is_of_internal(part.value #>> '{}', keys))
$$;
COMMENT ON FUNCTION personalize.evidence_is_of_internal(jsonb, text[]) IS
	'Whether a value or a name anywhere in evidence names one of the keys';

CREATE OR REPLACE FUNCTION personalize.salt_without_internal(salt bytea, without boolean[])
RETURNS bytea
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT string_agg(CASE WHEN w.taken THEN decode(repeat('00', 16), 'hex') ELSE substr($1, (w.place::integer - 1) * 16 + 1, 16) END, '' ORDER BY w.place)
	FROM unnest($2) WITH ORDINALITY AS w(taken, place)
$$;
COMMENT ON FUNCTION personalize.salt_without_internal(bytea, boolean[]) IS
	'The salts of a note without those of the words that erasure takes';

CREATE OR REPLACE FUNCTION personalize.keys_stamp_internal() RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'personalize_keys_stamp';
COMMENT ON FUNCTION personalize.keys_stamp_internal() IS 'A number for keys_in_internal() that no other call in the session returns';

CREATE OR REPLACE FUNCTION personalize.keys_in_internal(free_text text, keys text[], words boolean, stamp bigint) RETURNS text[]
	LANGUAGE c IMMUTABLE PARALLEL SAFE CALLED ON NULL INPUT COST 10 AS 'MODULE_PATHNAME', 'personalize_keys_in';
COMMENT ON FUNCTION personalize.keys_in_internal(text, text[], boolean, bigint) IS
	'The keys that a text contains, in any case, NULL if it is none; words: leaves out those within a word of ASCII letters and digits; stamp: of a caller whose keys stay the same, or 0';

CREATE OR REPLACE FUNCTION personalize.scrub_internal(kind_id integer, keys text[])
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
	stamp bigint := personalize.keys_stamp_internal();
	type oid;
	is_held boolean;
	is_asked boolean;
	is_corrected boolean;
	numbers text[] := '{}';
	others text[] := '{}';
	/* what jsonb spells otherwise cannot be looked for in its text */
	odd text[] := '{}';
BEGIN
	SELECT (SELECT k.key_type FROM personalize.registry_kind AS k WHERE k.kind_id = scrub_internal.kind_id),
			EXISTS (SELECT FROM personalize.hold), EXISTS (SELECT FROM personalize.request), EXISTS (SELECT FROM personalize.rectification)
		INTO type, is_held, is_asked, is_corrected;
	IF type = 'int8'::regtype THEN
		numbers := keys;
	ELSIF type IS NULL THEN
		numbers := ARRAY(SELECT u.key FROM unnest(keys) AS u (key) WHERE personalize.canonical_or_null_internal(20, u.key) IS NOT NULL);
		others := ARRAY(SELECT u.key FROM unnest(keys) AS u (key) WHERE personalize.canonical_or_null_internal(20, u.key) IS NULL);
	ELSE
		others := keys;
	END IF;
	IF cardinality(others) > 0 THEN
		odd := ARRAY(SELECT u.key FROM unnest(others) AS u (key) WHERE u.key ~ '["[:cntrl:]]' OR strpos(u.key, chr(92)) > 0);
	END IF;
	IF is_held THEN
		UPDATE personalize.hold AS h SET reason = '(a reason that named somebody)'
			WHERE personalize.keys_in_internal(h.reason, keys, true, stamp) IS NOT NULL
				AND personalize.text_is_of_internal(h.reason, personalize.keys_in_internal(h.reason, keys, true, stamp));
	END IF;
	IF is_asked THEN
		UPDATE personalize.request AS q SET
				details = CASE WHEN personalize.text_is_of_internal(q.details, personalize.keys_in_internal(q.details, keys, true, stamp)) THEN NULL ELSE q.details END,
				verification = CASE WHEN personalize.text_is_of_internal(q.verification, personalize.keys_in_internal(q.verification, keys, true, stamp)) THEN NULL ELSE q.verification END
			WHERE personalize.keys_in_internal(concat_ws(E'\n', q.details, q.verification), keys, true, stamp) IS NOT NULL
				AND (personalize.text_is_of_internal(q.details, personalize.keys_in_internal(q.details, keys, true, stamp))
					OR personalize.text_is_of_internal(q.verification, personalize.keys_in_internal(q.verification, keys, true, stamp)));
	END IF;
	UPDATE personalize.audit_note AS n SET
			salt = personalize.salt_without_internal(n.salt, ARRAY[personalize.text_names_internal(n.app_user, personalize.keys_in_internal(n.app_user, keys, true, stamp)),
				personalize.text_names_internal(n.application_name, personalize.keys_in_internal(n.application_name, keys, true, stamp)),
				personalize.text_names_internal(n.app_user, personalize.keys_in_internal(n.app_user, keys, true, stamp)),
				personalize.text_names_internal(n.context, personalize.keys_in_internal(n.context, keys, true, stamp))]),
			erased = true,
			app_user = CASE WHEN personalize.text_names_internal(n.app_user, personalize.keys_in_internal(n.app_user, keys, true, stamp)) THEN NULL ELSE n.app_user END,
			client_addr = CASE WHEN personalize.text_names_internal(n.app_user, personalize.keys_in_internal(n.app_user, keys, true, stamp)) THEN NULL ELSE n.client_addr END,
			application_name = CASE WHEN personalize.text_names_internal(n.application_name, personalize.keys_in_internal(n.application_name, keys, true, stamp)) THEN NULL ELSE n.application_name END,
			context = CASE WHEN personalize.text_names_internal(n.context, personalize.keys_in_internal(n.context, keys, true, stamp)) THEN NULL ELSE n.context END
		WHERE personalize.keys_in_internal(concat_ws(E'\n', n.app_user, n.application_name, n.context), keys, true, stamp) IS NOT NULL
			AND (personalize.text_names_internal(n.app_user, personalize.keys_in_internal(n.app_user, keys, true, stamp))
				OR personalize.text_names_internal(n.application_name, personalize.keys_in_internal(n.application_name, keys, true, stamp))
				OR personalize.text_names_internal(n.context, personalize.keys_in_internal(n.context, keys, true, stamp)));
	/*
	 * Somebody erased may have spoken for another, as the application's user,
	 * or be named in what is kept of another's choice.  A number there means
	 * anything (a version, a day): it would take away what proves the consents
	 * of others, so it is looked for in app_user only.
	 */
	UPDATE personalize.consent_event AS e SET app_user = NULL
		WHERE e.app_user IS NOT NULL AND personalize.keys_in_internal(e.app_user, keys, true, stamp) IS NOT NULL
			AND (personalize.text_names_internal(e.app_user, personalize.keys_in_internal(e.app_user, numbers, true, stamp))
				OR personalize.text_is_of_internal(e.app_user, personalize.keys_in_internal(e.app_user, others, true, stamp)));
	UPDATE personalize.preference AS e SET app_user = NULL
		WHERE e.app_user IS NOT NULL AND personalize.keys_in_internal(e.app_user, keys, true, stamp) IS NOT NULL
			AND (personalize.text_names_internal(e.app_user, personalize.keys_in_internal(e.app_user, numbers, true, stamp))
				OR personalize.text_is_of_internal(e.app_user, personalize.keys_in_internal(e.app_user, others, true, stamp)));
	UPDATE personalize.incentive_event AS e SET app_user = NULL
		WHERE e.app_user IS NOT NULL AND personalize.keys_in_internal(e.app_user, keys, true, stamp) IS NOT NULL
			AND (personalize.text_names_internal(e.app_user, personalize.keys_in_internal(e.app_user, numbers, true, stamp))
				OR personalize.text_is_of_internal(e.app_user, personalize.keys_in_internal(e.app_user, others, true, stamp)));
	IF cardinality(others) = 0 THEN
		RETURN;
	END IF;
	IF is_corrected THEN
		UPDATE personalize.rectification AS x SET before = NULL, after = NULL
			WHERE (x.before IS NOT NULL OR x.after IS NOT NULL)
				AND (cardinality(odd) > 0 OR personalize.keys_in_internal(concat_ws(E'\n', x.before, x.after), others, false, stamp) IS NOT NULL)
				AND (personalize.evidence_is_of_internal(x.before, personalize.keys_in_internal(x.before::text, others, false, stamp) || odd)
					OR personalize.evidence_is_of_internal(x.after, personalize.keys_in_internal(x.after::text, others, false, stamp) || odd));
	END IF;
	UPDATE personalize.consent_event AS e SET
			notice = CASE WHEN personalize.text_is_of_internal(e.notice, personalize.keys_in_internal(e.notice, others, true, stamp)) THEN NULL ELSE e.notice END,
			language = CASE WHEN personalize.text_is_of_internal(e.language, personalize.keys_in_internal(e.language, others, true, stamp)) THEN NULL ELSE e.language END,
			method = CASE WHEN personalize.text_is_of_internal(e.method, personalize.keys_in_internal(e.method, others, true, stamp)) THEN NULL ELSE e.method END,
			reason = CASE WHEN personalize.text_is_of_internal(e.reason, personalize.keys_in_internal(e.reason, others, true, stamp)) THEN NULL ELSE e.reason END,
			evidence = CASE WHEN personalize.evidence_is_of_internal(e.evidence,
				personalize.keys_in_internal(e.evidence::text, others, false, stamp) || odd) THEN NULL ELSE e.evidence END
		WHERE (personalize.keys_in_internal(concat_ws(E'\n', e.notice, e.language, e.method, e.reason), others, true, stamp) IS NOT NULL
				OR (e.evidence IS NOT NULL AND (cardinality(odd) > 0 OR personalize.keys_in_internal(e.evidence::text, others, false, stamp) IS NOT NULL)))
			AND (personalize.text_is_of_internal(e.notice, personalize.keys_in_internal(e.notice, others, true, stamp))
				OR personalize.text_is_of_internal(e.language, personalize.keys_in_internal(e.language, others, true, stamp))
				OR personalize.text_is_of_internal(e.method, personalize.keys_in_internal(e.method, others, true, stamp))
				OR personalize.text_is_of_internal(e.reason, personalize.keys_in_internal(e.reason, others, true, stamp))
				OR personalize.evidence_is_of_internal(e.evidence, personalize.keys_in_internal(e.evidence::text, others, false, stamp) || odd));
	PERFORM personalize.scrub_exposures_internal(others, stamp);
	PERFORM personalize.scrub_preferences_internal(others, odd, stamp);
END
$$;
COMMENT ON FUNCTION personalize.scrub_internal(integer, text[]) IS
	'Takes keys out of the free text of the audit and of the ledger, in one pass';
