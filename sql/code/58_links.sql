/*
 * Identities that are one person.
 *
 * From the moment they are joined they have said the same: first each gets what the
 * others said, the stricter choice where they differ, then every choice of one is
 * recorded for all, under the same record_id.  So the ledger of each is whole by
 * itself, and whoever asks it, consent set included, need not know of links.  The
 * record of use, exports and erasure follow all of them.
 *
 * Strictness, for each purpose and category by itself: a no of any stands, also one to a
 * broader purpose; a yes lasts until the first of their ends, and is explicit if all are.
 * Silence is no choice: a new key takes over what was said under the old one.
 *
 * Order of locks: the rows of the subjects of a group by their numbers, as with
 * batches of choices.
 */

CREATE OR REPLACE FUNCTION personalize.identities_internal(kind_id integer, key text)
RETURNS TABLE (kind_id integer, key text, subject_no bigint)
LANGUAGE sql STABLE STRICT PARALLEL SAFE ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT $1, $2, (SELECT s.subject_no FROM personalize.subject AS s WHERE s.kind_id = $1 AND s.key = $2 COLLATE "C")
	UNION ALL
	(SELECT o.kind_id, o.key, o.subject_no
		FROM personalize.subject AS s JOIN personalize.linked AS l ON l.subject_no = s.subject_no
			JOIN personalize.linked AS m ON m.group_no = l.group_no AND m.subject_no <> l.subject_no
			JOIN personalize.subject AS o ON o.subject_no = m.subject_no
		WHERE s.kind_id = $1 AND s.key = $2 COLLATE "C" AND o.key IS NOT NULL
		ORDER BY o.subject_no)
$$;
COMMENT ON FUNCTION personalize.identities_internal(integer, text) IS
	'A subject, and those that are the same person';

CREATE OR REPLACE FUNCTION personalize.linked_numbers_internal(no bigint)
RETURNS bigint[]
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	/* nearly nobody has another identity; not in SQL, which would be planned at each call */
	IF NOT EXISTS (SELECT FROM personalize.linked AS l WHERE l.subject_no = no) THEN
		RETURN '{}';
	END IF;
	RETURN ARRAY(SELECT m.subject_no FROM personalize.linked AS l JOIN personalize.linked AS m ON m.group_no = l.group_no
		WHERE l.subject_no = no ORDER BY m.subject_no);
END
$$;
COMMENT ON FUNCTION personalize.linked_numbers_internal(bigint) IS
	'Numbers of the identities of a person, in order; empty if there is only one';

CREATE OR REPLACE FUNCTION personalize.linked_lock_internal(nos bigint[])
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM FROM personalize.subject AS s WHERE s.subject_no = ANY (nos) ORDER BY s.subject_no FOR NO KEY UPDATE;
END
$$;
COMMENT ON FUNCTION personalize.linked_lock_internal(bigint[]) IS
	'Locks subjects in the order of their numbers until the transaction ends';

CREATE OR REPLACE FUNCTION personalize.linked_lock_key_internal(kind_id integer, key text)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	nos bigint[];
BEGIN
	/* nearly nobody has another identity */
	nos := personalize.linked_numbers_internal((SELECT s.subject_no FROM personalize.subject AS s
		WHERE s.kind_id = linked_lock_key_internal.kind_id AND s.key = linked_lock_key_internal.key));
	IF cardinality(nos) > 0 THEN
		PERFORM personalize.linked_lock_internal(nos);
	END IF;
END
$$;
COMMENT ON FUNCTION personalize.linked_lock_key_internal(integer, text) IS
	'Locks all identities of a person, if there are several, before one of them is locked alone';

CREATE OR REPLACE FUNCTION personalize.linked_mirror_internal(event bigint, no bigint)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	nos bigint[] := personalize.linked_numbers_internal(no);
BEGIN
	IF cardinality(nos) = 0 THEN
		RETURN;
	END IF;
	/* held already, unless they were joined while we waited */
	PERFORM personalize.linked_lock_internal(nos);
	INSERT INTO personalize.consent_event (record_id, recorded_at, subject_no, purpose_id, action, categories, explicit, expires_at, notice,
			language, method, reason, recorded_by, recorded_as)
		/* what may name somebody stays in the line of the identity that spoke */
		SELECT e.record_id, e.recorded_at, u.other, e.purpose_id, e.action, e.categories, e.explicit, e.expires_at, e.notice,
			e.language, e.method, e.reason, e.recorded_by, e.recorded_as
		FROM personalize.consent_event AS e CROSS JOIN unnest(nos) AS u (other)
		WHERE e.event_id = event AND u.other <> no;
END
$$;
COMMENT ON FUNCTION personalize.linked_mirror_internal(bigint, bigint) IS
	'Records an event of a subject for the other identities of the same person, under the same record_id';

CREATE OR REPLACE FUNCTION personalize.linked_level_internal(nos bigint[])
RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	written bigint;
BEGIN
	WITH RECURSIVE said AS MATERIALIZED (
		SELECT e.* FROM personalize.consent_event AS e WHERE e.subject_no = ANY (nos)
			/* what is presumed nobody said */
			AND (e.purpose_id = 0 OR e.action NOT IN ('presumed', 'lifted'))),
	/* purposes below those that somebody spoke of */
	up (purpose_id, above) AS (
		SELECT p.purpose_id, p.parent_id FROM personalize.registry_purpose_parent AS p
		UNION
		SELECT u.purpose_id, p.parent_id FROM up AS u JOIN personalize.registry_purpose_parent AS p ON p.purpose_id = u.above),
	/* what there is to say something about: purposes with the row (0) and categories; restriction is purpose 0 */
	about AS MATERIALIZED (
		SELECT DISTINCT s.purpose_id, c.category FROM said AS s CROSS JOIN LATERAL (
			SELECT 0 AS category UNION SELECT unnest(s.categories)
			UNION SELECT x.category_id FROM personalize.registry_purpose_category AS x WHERE x.purpose_id = s.purpose_id) AS c
		WHERE s.purpose_id <> 0 OR c.category = 0),
	/* the last each said about it; who spoke of a purpose and not of a category agreed to the others only */
	latest AS MATERIALIZED (
		SELECT DISTINCT ON (a.purpose_id, a.category, s.subject_no) a.purpose_id, a.category, s.subject_no, s.event_id, s.action,
			s.action IN ('given', 'ending', 'lifted') AS yes, s.explicit, coalesce(s.expires_at, 'infinity') AS ends, s.method
		FROM about AS a JOIN said AS s ON s.purpose_id = a.purpose_id AND (s.categories IS NULL OR a.category = ANY (s.categories))
		ORDER BY a.purpose_id, a.category, s.subject_no, s.event_id DESC),
	/* somebody denies a broader purpose, and says nothing of this one */
	denied AS MATERIALIZED (
		SELECT DISTINCT ON (u.purpose_id) u.purpose_id, l.action, l.event_id
		FROM up AS u JOIN latest AS l ON l.purpose_id = u.above AND NOT l.yes
		WHERE NOT EXISTS (SELECT FROM said AS s WHERE s.purpose_id = u.purpose_id AND s.subject_no = l.subject_no)
		ORDER BY u.purpose_id, l.event_id DESC),
	/* a no of any; else yes until the first end, explicit if all are */
	merged AS MATERIALIZED (
		SELECT l.purpose_id, l.category, bool_and(l.yes) AND d.action IS NULL AS yes, bool_and(l.explicit) AS explicit, min(l.ends) AS ends,
			/* what a guardian said, a guardian said */
			CASE WHEN bool_and(l.method IS NOT DISTINCT FROM 'guardian') THEN 'guardian' ELSE 'link' END AS method,
			coalesce((array_agg(l.action ORDER BY l.event_id DESC) FILTER (WHERE NOT l.yes))[1], d.action) AS denial
		FROM latest AS l LEFT JOIN denied AS d ON d.purpose_id = l.purpose_id
		GROUP BY l.purpose_id, l.category, d.action),
	/* who has said otherwise, or nothing */
	wanted AS (
		SELECT u.no, m.purpose_id, m.yes, m.denial, m.explicit, m.ends, m.method, bool_or(l.event_id IS NOT NULL) AS spoke,
			array_agg(m.category ORDER BY m.category) AS categories
		FROM merged AS m CROSS JOIN unnest(nos) AS u (no)
			LEFT JOIN latest AS l ON l.purpose_id = m.purpose_id AND l.category = m.category AND l.subject_no = u.no
		WHERE CASE WHEN m.purpose_id = 0 THEN m.denial = 'restricted' AND (l.event_id IS NULL OR l.yes)
			WHEN m.yes THEN l.event_id IS NULL OR (l.explicit, l.ends) IS DISTINCT FROM (m.explicit, m.ends)
			ELSE l.event_id IS NULL OR l.yes END
		GROUP BY u.no, m.purpose_id, m.yes, m.denial, m.explicit, m.ends, m.method)
	INSERT INTO personalize.consent_event (subject_no, purpose_id, action, categories, explicit, expires_at, method, reason, recorded_by, recorded_as)
		SELECT w.no, w.purpose_id, CASE WHEN NOT w.yes THEN w.denial WHEN w.spoke THEN 'ending' ELSE 'given' END,
			CASE WHEN w.purpose_id <> 0 THEN w.categories END, w.yes AND w.explicit, CASE WHEN w.yes THEN nullif(w.ends, 'infinity') END,
			w.method, 'identities of one person', session_user, pg_get_userbyid(personalize.outer_role_internal())
		FROM wanted AS w
		/* a no comes after a yes */
		ORDER BY w.no, w.yes DESC, w.purpose_id;
	GET DIAGNOSTICS written = ROW_COUNT;
	/* categories are told apart now */
	PERFORM personalize.mark_partial_internal(personalize.categories_below_internal(p.purpose_id))
		FROM (SELECT DISTINCT e.purpose_id FROM personalize.consent_event AS e
			WHERE e.subject_no = ANY (nos) AND e.purpose_id <> 0 AND e.categories IS NOT NULL ORDER BY e.purpose_id) AS p
		WHERE written > 0;
	RETURN written;
END
$$;
COMMENT ON FUNCTION personalize.linked_level_internal(bigint[]) IS
	'Has identities say the same: the stricter where they differ, what the others said where one was silent; returns how many lines of the ledger that took';

CREATE OR REPLACE FUNCTION personalize.link_subject("from" text, "to" text, reason text DEFAULT NULL, to_kind text DEFAULT NULL, kind text DEFAULT 'subject')
RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	kinds integer[];
	keys text[];
	one bigint;
	other bigint;
	nos bigint[];
	i integer;
	written bigint;
BEGIN
	PERFORM personalize.require_preloaded_internal();
	PERFORM personalize.require_newest_internal();
	LOCK TABLE personalize.consent_event, personalize.exposure, personalize.exclusion_member IN ROW EXCLUSIVE MODE;
	kinds := ARRAY[personalize.kind_id_internal(link_subject.kind), personalize.kind_id_internal(coalesce(link_subject.to_kind, link_subject.kind))];
	IF 0 = ANY (kinds) THEN
		kinds := ARRAY[personalize.ensure_kind_internal(link_subject.kind), personalize.ensure_kind_internal(coalesce(link_subject.to_kind, link_subject.kind))];
	END IF;
	keys := ARRAY[personalize.canonical_key_internal(link_subject.kind, link_subject."from"),
		personalize.canonical_key_internal(coalesce(link_subject.to_kind, link_subject.kind), link_subject."to")];
	IF kinds[1] = kinds[2] AND keys[1] = keys[2] THEN
		RAISE EXCEPTION 'a subject cannot be joined with itself' USING ERRCODE = 'invalid_parameter_value';
	END IF;
	IF personalize.text_names_internal(link_subject.reason, keys) THEN
		RAISE EXCEPTION 'reason must not name the subject'
			USING ERRCODE = 'invalid_parameter_value', HINT = 'The record is kept; refer to the event, not to the person.';
	END IF;
	FOR i IN 1 .. 2 LOOP
		IF EXISTS (SELECT FROM personalize.tombstone AS t WHERE t.digest = personalize.tombstone_digest_internal(kinds[i], keys[i]))
			OR EXISTS (SELECT FROM personalize.erasure_request AS q WHERE q.kind_id = kinds[i] AND q.key = keys[i]) THEN
			RAISE EXCEPTION 'an erased subject cannot be joined with another'
				USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'A new choice of the person, or personalize.reinstate_subject(), makes a new person of the key.';
		END IF;
	END LOOP;
	/* those that are there by their numbers, then those that are new */
	nos := ARRAY(SELECT DISTINCT u.no FROM personalize.subject AS s
			CROSS JOIN LATERAL unnest(s.subject_no || personalize.linked_numbers_internal(s.subject_no)) AS u (no)
		WHERE (s.kind_id = kinds[1] AND s.key = keys[1]) OR (s.kind_id = kinds[2] AND s.key = keys[2]));
	PERFORM personalize.linked_lock_internal(nos);
	one := personalize.subject_no_internal(kinds[1], keys[1], true);
	other := personalize.subject_no_internal(kinds[2], keys[2], true);
	IF EXISTS (SELECT FROM personalize.linked AS a JOIN personalize.linked AS b ON b.group_no = a.group_no
		WHERE a.subject_no = one AND b.subject_no = other) THEN
		RETURN 0;
	END IF;
	nos := ARRAY(SELECT DISTINCT u.no FROM unnest(ARRAY[one, other] || personalize.linked_numbers_internal(one) || personalize.linked_numbers_internal(other)) AS u (no) ORDER BY u.no);
	PERFORM personalize.linked_lock_internal(nos);
	INSERT INTO personalize.linked (subject_no, group_no) SELECT u.no, nos[1] FROM unnest(nos) AS u (no)
		ON CONFLICT (subject_no) DO UPDATE SET group_no = EXCLUDED.group_no;
	/* whoever records a choice by an older snapshot, which does not see the link, has to try again */
	PERFORM personalize.ledger_unlock_internal(true);
	UPDATE personalize.subject AS s SET kind_id = s.kind_id WHERE s.subject_no = ANY (nos);
	PERFORM personalize.ledger_unlock_internal(false);
	INSERT INTO personalize.link_event (action, subject_no, other_no, reason, recorded_by) VALUES ('linked', one, other, link_subject.reason, session_user);
	written := personalize.linked_level_internal(nos);
	/* if one is a minor, or under another law, all are */
	PERFORM personalize.person_terms_internal(one);
	/* both have been reached as often as one person, and are left out where one is */
	PERFORM personalize.caps_again_internal(nos);
	PERFORM personalize.exclusions_again_internal(nos);
	PERFORM personalize.preferences_write_internal(nos, NULL);
	RETURN written;
END
$$;
COMMENT ON FUNCTION personalize.link_subject(text, text, text, text, text) IS
	'Says that two identities are one person (a cookie and a customer, a changed key): consent takes the stricter choice, from then on each choice counts for both, and the record, exports and erasure follow both; returns how many lines of the ledger that took';

CREATE OR REPLACE FUNCTION personalize.unlink_subject(subject text, reason text DEFAULT NULL, kind text DEFAULT 'subject')
RETURNS boolean
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	kind_no integer;
	key text;
	nos bigint[];
	no bigint;
BEGIN
	PERFORM personalize.registry_begin_internal();
	PERFORM personalize.require_newest_internal();
	LOCK TABLE personalize.consent_event, personalize.exposure, personalize.exclusion_member IN ROW EXCLUSIVE MODE;
	kind_no := personalize.kind_id_internal(unlink_subject.kind);
	key := personalize.canonical_key_internal(unlink_subject.kind, unlink_subject.subject);
	IF personalize.text_names_internal(unlink_subject.reason, ARRAY[key]) THEN
		RAISE EXCEPTION 'reason must not name the subject'
			USING ERRCODE = 'invalid_parameter_value', HINT = 'The record is kept; refer to the event, not to the person.';
	END IF;
	PERFORM personalize.linked_lock_key_internal(kind_no, key);
	no := personalize.subject_no_internal(kind_no, key, false);
	nos := personalize.linked_numbers_internal(no);
	IF no IS NULL OR cardinality(nos) = 0 THEN
		RETURN false;
	END IF;
	/* one that is left alone has no group; the number of a group is that of one in it */
	DELETE FROM personalize.linked AS l WHERE l.subject_no = no OR (cardinality(nos) = 2 AND l.subject_no = ANY (nos));
	UPDATE personalize.linked AS l SET group_no = (SELECT min(u.n) FROM unnest(nos) AS u (n) WHERE u.n <> no) WHERE l.subject_no = ANY (nos);
	INSERT INTO personalize.link_event (action, subject_no, reason, recorded_by) VALUES ('unlinked', no, unlink_subject.reason, session_user);
	/* each has been reached as often as it was itself */
	DELETE FROM personalize.suppression AS s WHERE s.subject_no = ANY (nos) AND s.cause = 'cap';
	PERFORM personalize.caps_again_internal(ARRAY[no]);
	PERFORM personalize.caps_again_internal(array_remove(nos, no));
	PERFORM personalize.exclusions_again_internal(nos);
	PERFORM personalize.preferences_write_internal(ARRAY[no], NULL);
	PERFORM personalize.preferences_write_internal(array_remove(nos, no), NULL);
	RETURN true;
END
$$;
COMMENT ON FUNCTION personalize.unlink_subject(text, text, text) IS
	'Takes an identity out of those it was joined with: what they said until now stays with each, what they were shown is counted for each by itself; false if it is joined with none';

/* the twins of the other functions are made in 75_overloads.sql; these take two subjects */
CREATE OR REPLACE FUNCTION personalize.link_subject("from" bigint, "to" bigint, reason text DEFAULT NULL, to_kind text DEFAULT NULL, kind text DEFAULT 'subject')
RETURNS bigint LANGUAGE sql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
BEGIN ATOMIC SELECT personalize.link_subject("from"::pg_catalog.text, "to"::pg_catalog.text, reason, to_kind, kind); END;
COMMENT ON FUNCTION personalize.link_subject(bigint, bigint, text, text, text) IS 'Says that two identities are one person: see link_subject(text, text, text, text, text)';
CREATE OR REPLACE FUNCTION personalize.link_subject("from" uuid, "to" uuid, reason text DEFAULT NULL, to_kind text DEFAULT NULL, kind text DEFAULT 'subject')
RETURNS bigint LANGUAGE sql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
BEGIN ATOMIC SELECT personalize.link_subject("from"::pg_catalog.text, "to"::pg_catalog.text, reason, to_kind, kind); END;
COMMENT ON FUNCTION personalize.link_subject(uuid, uuid, text, text, text) IS 'Says that two identities are one person: see link_subject(text, text, text, text, text)';
