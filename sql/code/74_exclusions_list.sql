/*
 * The lists of exclusions.
 *
 * exclusion_event has who said what, exclusion_member what follows from it.  Several
 * roles may put the same person on a list: each takes back what it said itself, and
 * is told of nothing else, or whoever may put people on a list could ask who is on it.
 * Officers see the list, and take people off it for all.
 */

CREATE OR REPLACE FUNCTION personalize.is_officer_internal()
RETURNS boolean
LANGUAGE sql STABLE PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT EXISTS (SELECT FROM pg_roles AS r WHERE r.oid = personalize.outer_role_internal() AND r.rolsuper)
		OR EXISTS (SELECT FROM personalize.registry_duty AS d JOIN pg_roles AS r ON r.oid = d.role_oid
			WHERE d.duty = 'officer' AND pg_has_role(personalize.outer_role_internal(), r.oid, 'USAGE'))
$$;
COMMENT ON FUNCTION personalize.is_officer_internal() IS 'Has whoever asks the duty officer?';

CREATE OR REPLACE FUNCTION personalize.exclusion_listed_internal(exclusion_id integer, nos bigint[])
RETURNS TABLE (subject_no bigint, until timestamptz, recorded_by text)
LANGUAGE sql STABLE STRICT PARALLEL RESTRICTED ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
	/* what each role said last; an officer who takes somebody off does so for all */
	SELECT x.subject_no, coalesce(x.until, 'infinity'), x.recorded_by
	FROM (SELECT DISTINCT ON (v.subject_no, v.recorded_by) v.* FROM personalize.exclusion_event AS v
		WHERE v.exclusion_id = $1 AND v.subject_no = ANY ($2)
			AND NOT EXISTS (SELECT FROM personalize.exclusion_event AS c
				WHERE c.exclusion_id = $1 AND c.subject_no = v.subject_no AND c.action = 'cleared' AND c.event_id > v.event_id)
		ORDER BY v.subject_no, v.recorded_by, v.event_id DESC) AS x
	WHERE x.action = 'listed' AND coalesce(x.until, 'infinity') > clock_timestamp()
$$;
COMMENT ON FUNCTION personalize.exclusion_listed_internal(integer, bigint[]) IS 'Who has put persons on the list of an exclusion, and until when, as it is now';

CREATE OR REPLACE FUNCTION personalize.exclude(subject text, name text, until timestamptz DEFAULT NULL, kind text DEFAULT 'subject')
RETURNS boolean
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	e personalize.exclusion;
	key text;
	no bigint;
	ends timestamptz := coalesce(exclude.until, 'infinity');
	is_new boolean;
	is_officer boolean := personalize.is_officer_internal();
BEGIN
	PERFORM personalize.require_preloaded_internal();
	e := personalize.exclusion_internal(exclude.name);
	key := personalize.canonical_key_internal(exclude.kind, exclude.subject);
	IF ends <= clock_timestamp() THEN
		RAISE EXCEPTION 'until is in the past' USING ERRCODE = 'invalid_parameter_value', HINT = 'Leave it out to mean without end.';
	END IF;
	no := personalize.exclusion_begin_internal(personalize.ensure_kind_internal(exclude.kind), key);
	/* to others than officers the list is what they put there themselves: or asking would tell who is on it */
	is_new := NOT EXISTS (SELECT FROM personalize.exclusion_listed_internal(e.exclusion_id, ARRAY[no]) AS l WHERE is_officer OR l.recorded_by = session_user);
	IF is_officer THEN
		INSERT INTO personalize.exclusion_event (exclusion_id, subject_no, action, recorded_by)
			SELECT e.exclusion_id, no, 'cleared', session_user
			WHERE EXISTS (SELECT FROM personalize.exclusion_listed_internal(e.exclusion_id, ARRAY[no]) AS l WHERE l.recorded_by <> session_user);
	END IF;
	INSERT INTO personalize.exclusion_event (exclusion_id, subject_no, action, until, recorded_by) VALUES (e.exclusion_id, no, 'listed', exclude.until, session_user);
	PERFORM personalize.exclusion_list_internal(e.exclusion_id, no);
	PERFORM personalize.exclusion_level_internal(e.exclusion_id, personalize.numbers_internal(no));
	RETURN is_new;
END
$$;
COMMENT ON FUNCTION personalize.exclude(text, text, timestamptz, text) IS
	'Puts a person on the list of an exclusion, until a moment or without end: withheld from the commit on; false if the person was on it already, to others than officers: if they have put the person there';

CREATE OR REPLACE FUNCTION personalize.exclusion_list_internal(exclusion_id integer, subject_no bigint)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	ends timestamptz;
	said_by text;
BEGIN
	SELECT l.until, l.recorded_by INTO ends, said_by FROM personalize.exclusion_listed_internal(exclusion_id, ARRAY[subject_no]) AS l
		ORDER BY l.until DESC, l.recorded_by COLLATE "C" LIMIT 1;
	IF ends IS NULL THEN
		DELETE FROM personalize.exclusion_member AS m
			WHERE m.exclusion_id = exclusion_list_internal.exclusion_id AND m.subject_no = exclusion_list_internal.subject_no AND m.source = 'list';
		RETURN;
	END IF;
	/* written in any case: see exclusion_found_internal() */
	INSERT INTO personalize.exclusion_member AS m (exclusion_id, subject_no, source, until, recorded_by)
		VALUES (exclusion_id, subject_no, 'list', ends, said_by)
		ON CONFLICT ON CONSTRAINT exclusion_member_pkey DO UPDATE SET until = EXCLUDED.until, recorded_by = EXCLUDED.recorded_by,
			since = CASE WHEN m.until > clock_timestamp() THEN m.since ELSE EXCLUDED.since END;
END
$$;
COMMENT ON FUNCTION personalize.exclusion_list_internal(integer, bigint) IS
	'Has the list of an exclusion say of a subject what those who may put people on it said last';

CREATE OR REPLACE FUNCTION personalize.unexclude(subject text, name text, kind text DEFAULT 'subject')
RETURNS boolean
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	e personalize.exclusion;
	kind_no integer;
	person text;
	no bigint;
	nos bigint[];
	mine bigint[];
	is_officer boolean := personalize.is_officer_internal();
BEGIN
	PERFORM personalize.require_preloaded_internal();
	e := personalize.exclusion_internal(unexclude.name);
	kind_no := personalize.kind_id_internal(unexclude.kind);
	person := personalize.canonical_key_internal(unexclude.kind, unexclude.subject);
	IF NOT EXISTS (SELECT FROM personalize.subject AS s WHERE s.kind_id = kind_no AND s.key = person) THEN
		RETURN false;
	END IF;
	no := personalize.exclusion_begin_internal(kind_no, person);
	nos := personalize.numbers_internal(no);
	/* whoever put the person there may think again; what others said stays, and is not told: officers take it away, too */
	mine := ARRAY(SELECT DISTINCT l.subject_no FROM personalize.exclusion_listed_internal(e.exclusion_id, nos) AS l
		WHERE is_officer OR l.recorded_by = session_user ORDER BY 1);
	IF cardinality(mine) = 0 THEN
		RETURN false;
	END IF;
	INSERT INTO personalize.exclusion_event (exclusion_id, subject_no, action, recorded_by)
		SELECT e.exclusion_id, u.no, CASE WHEN is_officer THEN 'cleared' ELSE 'unlisted' END, session_user FROM unnest(mine) AS u (no) ORDER BY u.no;
	PERFORM personalize.exclusion_list_internal(e.exclusion_id, u.no) FROM unnest(mine) AS u (no);
	PERFORM personalize.exclusion_level_internal(e.exclusion_id, nos);
	RETURN true;
END
$$;
COMMENT ON FUNCTION personalize.unexclude(text, text, text) IS
	'Takes a person off the list of an exclusion: who put the person there for themselves, officers for all; a condition that holds goes on to hold. False if the person was not on it';

CREATE OR REPLACE FUNCTION personalize.exclusions_of(subject text, kind text DEFAULT 'subject')
RETURNS TABLE (name text, reason text, purposes text[], source text, since timestamptz, until timestamptz, recorded_by text)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT SECURITY DEFINER ROWS 5
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	kind_no integer := personalize.kind_id_internal(exclusions_of.kind);
	wanted text := personalize.canonical_key_internal(exclusions_of.kind, exclusions_of.subject);
BEGIN
	PERFORM personalize.require_preloaded_internal();
	RETURN QUERY SELECT e.name, e.reason,
			CASE WHEN e.purposes IS NOT NULL THEN ARRAY(SELECT p.name FROM personalize.registry_purpose AS p WHERE p.purpose_id = ANY (e.purposes) ORDER BY p.name COLLATE "C") END,
			m.source, m.since, m.until, m.recorded_by
		FROM personalize.identities_internal(kind_no, wanted) AS i JOIN personalize.exclusion_member AS m ON m.subject_no = i.subject_no
			JOIN personalize.exclusion AS e ON e.exclusion_id = m.exclusion_id
		WHERE m.until > clock_timestamp()
		ORDER BY e.name COLLATE "C", m.source, m.subject_no;
END
$$;
COMMENT ON FUNCTION personalize.exclusions_of(text, text) IS
	'Which exclusions hold a person, by the list or by a condition, and why; for officers';

CREATE OR REPLACE VIEW personalize.exclusions AS
	SELECT e.name, e.relation, e.condition,
		CASE WHEN e.purposes IS NOT NULL THEN ARRAY(SELECT p.name FROM personalize.registry_purpose AS p WHERE p.purpose_id = ANY (e.purposes) ORDER BY p.name COLLATE "C") END AS purposes,
		e.reason,
		/* as exclusion_held_internal(), which whoever reads the view may not call */
		(SELECT pg_catalog.count(DISTINCT coalesce(l.group_no, m.subject_no)) FROM personalize.exclusion_member AS m LEFT JOIN personalize.linked AS l ON l.subject_no = m.subject_no
			WHERE m.exclusion_id = e.exclusion_id AND m.until > pg_catalog.clock_timestamp()) AS persons,
		(SELECT pg_catalog.count(DISTINCT m.subject_no) FROM personalize.exclusion_member AS m
			WHERE m.exclusion_id = e.exclusion_id AND m.source = 'list' AND m.until > pg_catalog.clock_timestamp()) AS listed,
		e.timely, e.refresh_every, e.refreshed_at, e.message, e.defined_at, e.defined_by
	FROM personalize.exclusion AS e;
COMMENT ON VIEW personalize.exclusions IS
	'Exclusions, why, and how many persons each holds; purposes NULL: all that a person can say no to; message: why the table could not be looked at last time';
