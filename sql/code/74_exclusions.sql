/*
 * Exclusions: people whom purposes leave out for their own sake.  Minors, people in
 * distress, those who asked for it.
 *
 * exclusion_member has who is held, by the list or by the condition; what statements
 * go by are rows of personalize.suppression, one for each identity of the person and
 * each purpose (src/consent_suppression.c).  exclusion_level_internal() makes these say
 * what those say.  Conditions are computed by src/rights_exclusion.c: in a trigger for
 * rows that change, and for all rows by the rights worker, for what changes with time.
 *
 * Order of locks: exclusion_member (ROW EXCLUSIVE) before the rows of subjects.  Whoever
 * looks at all rows locks it SHARE ROW EXCLUSIVE before: what others found by then is
 * committed, and what they find later they add themselves.
 *
 * Why somebody is excluded is told to officers only.
 */

CREATE OR REPLACE FUNCTION personalize.exclusion_condition_internal(relid oid, condition text, OUT checked text, OUT timely boolean)
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'personalize_exclusion_condition';
COMMENT ON FUNCTION personalize.exclusion_condition_internal(oid, text) IS
	'A condition on rows of a table as it is to be kept, and whether it can change with time; an error if it could do anything but compute';
CREATE OR REPLACE FUNCTION personalize.exclusion_keys_internal(relid oid, path_id integer, subject name, condition text, key text) RETURNS SETOF text
	LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 1000 SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO, MDY' SET intervalstyle = 'postgres'
	AS 'MODULE_PATHNAME', 'personalize_exclusion_keys';
COMMENT ON FUNCTION personalize.exclusion_keys_internal(oid, integer, name, text, text) IS
	'Canonical keys of those whom a condition is true for, as the owner of the table; with a key, of that person at most';
CREATE OR REPLACE FUNCTION personalize.exclusion_changed_internal() RETURNS trigger
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'personalize_exclusion_changed';
COMMENT ON FUNCTION personalize.exclusion_changed_internal() IS
	'Excludes whom a changed row makes excluded, and looks again at whom it did; trigger on the table of an exclusion';

CREATE OR REPLACE FUNCTION personalize.exclusion_internal(name text)
RETURNS personalize.exclusion
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	e personalize.exclusion;
BEGIN
	IF exclusion_internal.name IS NULL THEN
		RAISE EXCEPTION 'name of an exclusion must not be null' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	SELECT x.* INTO e FROM personalize.exclusion AS x WHERE x.name = exclusion_internal.name;
	IF e.exclusion_id IS NULL THEN
		RAISE EXCEPTION 'exclusion "%" does not exist', personalize.shown_internal(exclusion_internal.name)
			USING ERRCODE = 'undefined_object', HINT = 'Define it with define_exclusion().';
	END IF;
	RETURN e;
END
$$;
COMMENT ON FUNCTION personalize.exclusion_internal(text) IS 'An exclusion by its name; an error if there is none';

CREATE OR REPLACE FUNCTION personalize.exclusion_level_internal(exclusion_id integer, nos bigint[])
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	e personalize.exclusion;
	now_is timestamptz := clock_timestamp();
BEGIN
	SELECT x.* INTO STRICT e FROM personalize.exclusion AS x WHERE x.exclusion_id = exclusion_level_internal.exclusion_id;
	WITH held AS (
		SELECT coalesce(l.group_no, m.subject_no) AS person, max(m.until) AS until
		FROM personalize.exclusion_member AS m LEFT JOIN personalize.linked AS l ON l.subject_no = m.subject_no
		WHERE m.exclusion_id = e.exclusion_id AND m.until > now_is AND (nos IS NULL OR m.subject_no = ANY (nos))
		GROUP BY 1),
	wanted AS MATERIALIZED (
		SELECT coalesce(g.subject_no, h.person) AS no, p.id AS purpose_id, h.until
		FROM held AS h LEFT JOIN personalize.linked AS g ON g.group_no = h.person CROSS JOIN unnest(coalesce(e.purposes, '{0}')) AS p (id)),
	gone AS (
		DELETE FROM personalize.suppression AS s
		WHERE s.cause = 'exclusion' AND s.cause_id = e.exclusion_id AND (nos IS NULL OR s.subject_no = ANY (nos))
			AND NOT EXISTS (SELECT FROM wanted AS w WHERE w.no = s.subject_no AND w.purpose_id = s.purpose_id))
	INSERT INTO personalize.suppression AS s (subject_no, purpose_id, cause, cause_id, until)
		SELECT w.no, w.purpose_id, 'exclusion', e.exclusion_id, w.until FROM wanted AS w ORDER BY w.no, w.purpose_id
		ON CONFLICT ON CONSTRAINT suppression_pkey DO UPDATE SET until = EXCLUDED.until WHERE s.until <> EXCLUDED.until;
END
$$;
COMMENT ON FUNCTION personalize.exclusion_level_internal(integer, bigint[]) IS
	'Has the row filter keep back whom an exclusion holds and nobody else, of all identities of some persons (NULL: of everybody)';

CREATE OR REPLACE FUNCTION personalize.exclusions_again_internal(nos bigint[])
RETURNS void
LANGUAGE sql VOLATILE PARALLEL UNSAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT personalize.exclusion_level_internal(x.exclusion_id, $1)
	FROM (SELECT m.exclusion_id FROM personalize.exclusion_member AS m WHERE m.subject_no = ANY ($1)
		UNION SELECT s.cause_id FROM personalize.suppression AS s WHERE s.subject_no = ANY ($1) AND s.cause = 'exclusion'
		ORDER BY 1) AS x
$$;
COMMENT ON FUNCTION personalize.exclusions_again_internal(bigint[]) IS
	'Looks at the exclusions of identities again that have been joined or taken apart';

CREATE OR REPLACE FUNCTION personalize.exclusion_begin_internal(kind_id integer, key text)
RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	no bigint;
BEGIN
	LOCK TABLE personalize.exclusion_member IN ROW EXCLUSIVE MODE;
	PERFORM personalize.linked_lock_key_internal(exclusion_begin_internal.kind_id, exclusion_begin_internal.key);
	no := personalize.subject_no_internal(exclusion_begin_internal.kind_id, exclusion_begin_internal.key, true);
	/* held already, unless they were joined while we waited */
	PERFORM personalize.linked_lock_internal(personalize.linked_numbers_internal(no));
	RETURN no;
END
$$;
COMMENT ON FUNCTION personalize.exclusion_begin_internal(integer, text) IS
	'Number of a subject, made if there is none, with all identities of the person locked until the transaction ends';

CREATE OR REPLACE FUNCTION personalize.exclusion_found_internal(exclusion_id integer, key text)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	no bigint;
BEGIN
	no := personalize.exclusion_begin_internal((SELECT e.kind_id FROM personalize.exclusion AS e WHERE e.exclusion_id = exclusion_found_internal.exclusion_id),
		exclusion_found_internal.key);
	/* written in any case: whoever takes it away under an older snapshot must fail */
	INSERT INTO personalize.exclusion_member AS m (exclusion_id, subject_no, source, recorded_by)
		VALUES (exclusion_found_internal.exclusion_id, no, 'condition', session_user)
		ON CONFLICT ON CONSTRAINT exclusion_member_pkey DO UPDATE SET until = 'infinity';
	PERFORM personalize.exclusion_level_internal(exclusion_found_internal.exclusion_id, personalize.numbers_internal(no));
END
$$;
COMMENT ON FUNCTION personalize.exclusion_found_internal(integer, text) IS 'The condition of an exclusion is true for a person from now on';

CREATE OR REPLACE FUNCTION personalize.exclusion_lost_internal(exclusion_id integer, key text)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	e personalize.exclusion;
	no bigint;
BEGIN
	SELECT x.* INTO STRICT e FROM personalize.exclusion AS x WHERE x.exclusion_id = exclusion_lost_internal.exclusion_id;
	no := personalize.exclusion_begin_internal(e.kind_id, exclusion_lost_internal.key);
	/* a statement of its own: it sees the rows of whoever held the lock before */
	IF NOT EXISTS (SELECT FROM personalize.exclusion_keys_internal(e.relation, e.path_id, e.subject, e.condition, exclusion_lost_internal.key)) THEN
		DELETE FROM personalize.exclusion_member AS m WHERE m.exclusion_id = e.exclusion_id AND m.subject_no = no AND m.source = 'condition';
		PERFORM personalize.exclusion_level_internal(e.exclusion_id, personalize.numbers_internal(no));
	END IF;
END
$$;
COMMENT ON FUNCTION personalize.exclusion_lost_internal(integer, text) IS
	'A row is gone for which the condition of an exclusion was true: looks whether there is another of the person';

CREATE OR REPLACE FUNCTION personalize.exclusion_refresh_internal(exclusion_id integer)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT
SET search_path = pg_catalog, pg_temp
SET enable_nestloop = off	/* arrays look small to a generic plan and are not */
SET enable_mergejoin = off
AS $$
#variable_conflict use_column
DECLARE
	e personalize.exclusion;
	nos bigint[] := '{}';
BEGIN
	SELECT x.* INTO STRICT e FROM personalize.exclusion AS x WHERE x.exclusion_id = exclusion_refresh_internal.exclusion_id;
	LOCK TABLE personalize.exclusion_member IN SHARE ROW EXCLUSIVE MODE;
	IF e.relation = 'personalize.minor'::regclass THEN
		nos := ARRAY(SELECT x.no FROM (SELECT DISTINCT m.subject_no AS no FROM personalize.minor AS m) AS x WHERE personalize.minor_now_internal(x.no));
	ELSIF e.condition IS NOT NULL THEN
		nos := ARRAY(SELECT personalize.subject_no_internal(e.kind_id, x.key, true)
			FROM (SELECT k.key FROM personalize.exclusion_keys_internal(e.relation, e.path_id, e.subject, e.condition, NULL) AS k (key)
				WHERE k.key IS NOT NULL ORDER BY k.key COLLATE "C") AS x);
	END IF;
	DELETE FROM personalize.exclusion_member AS m WHERE m.exclusion_id = e.exclusion_id AND m.source = 'condition'
		AND NOT EXISTS (SELECT FROM unnest(nos) AS u (no) WHERE u.no = m.subject_no);
	INSERT INTO personalize.exclusion_member (exclusion_id, subject_no, source, recorded_by)
		SELECT DISTINCT e.exclusion_id, u.no, 'condition', session_user FROM unnest(nos) AS u (no) ON CONFLICT DO NOTHING;
	DELETE FROM personalize.exclusion_member AS m WHERE m.exclusion_id = e.exclusion_id AND m.until <= clock_timestamp();
	PERFORM personalize.exclusion_level_internal(e.exclusion_id, NULL);
	UPDATE personalize.exclusion AS x SET refreshed_at = clock_timestamp(), message = NULL WHERE x.exclusion_id = e.exclusion_id;
END
$$;
COMMENT ON FUNCTION personalize.exclusion_refresh_internal(integer) IS 'Looks at all rows of the table of an exclusion';

CREATE OR REPLACE FUNCTION personalize.exclusion_held_internal(exclusion_id integer)
RETURNS bigint
LANGUAGE sql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT count(DISTINCT coalesce(l.group_no, m.subject_no))
	FROM personalize.exclusion_member AS m LEFT JOIN personalize.linked AS l ON l.subject_no = m.subject_no
	WHERE m.exclusion_id = $1 AND m.until > clock_timestamp()
$$;
COMMENT ON FUNCTION personalize.exclusion_held_internal(integer) IS 'How many persons an exclusion holds';

CREATE OR REPLACE FUNCTION personalize.exclusion_trigger_internal(exclusion_id integer, relation oid, make boolean)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	shown text := personalize.relation_text_internal(exclusion_trigger_internal.relation);
	trigger_name text := 'personalize_exclusion_' || exclusion_trigger_internal.exclusion_id;
	item record;
BEGIN
	IF NOT make THEN
		FOR item IN SELECT g.tgname FROM pg_trigger AS g WHERE g.tgrelid = exclusion_trigger_internal.relation
				AND g.tgname IN (trigger_name, trigger_name || '_truncated') AND NOT g.tgisinternal LOOP
			EXECUTE format('DROP TRIGGER %I ON %s', item.tgname, shown);
		END LOOP;
		RETURN;
	END IF;
	EXECUTE format('CREATE TRIGGER %I AFTER INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION personalize.exclusion_changed_internal(%s)',
		trigger_name, shown, exclusion_trigger_internal.exclusion_id);
	EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', shown, trigger_name);
	/* protected relations are not truncated */
	IF NOT EXISTS (SELECT FROM personalize.registry_relation AS r WHERE r.relid = exclusion_trigger_internal.relation) THEN
		EXECUTE format('CREATE TRIGGER %I AFTER TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION personalize.exclusion_changed_internal(%s)',
			trigger_name || '_truncated', shown, exclusion_trigger_internal.exclusion_id);
		EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', shown, trigger_name || '_truncated');
	END IF;
END
$$;
COMMENT ON FUNCTION personalize.exclusion_trigger_internal(integer, oid, boolean) IS
	'Makes, or drops, the triggers that keep an exclusion current on its table';

CREATE OR REPLACE FUNCTION personalize.define_exclusion(name text, relation regclass DEFAULT NULL, condition text DEFAULT NULL,
	purposes text[] DEFAULT NULL, reason text DEFAULT NULL, "column" name DEFAULT NULL, kind text DEFAULT NULL,
	refresh_every interval DEFAULT '1 hour')
RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	was personalize.exclusion;
	checked text;
	is_timely boolean := false;
	shown text;
	ids integer[];
	paths integer[];
	path integer;
	kind_no integer;
	id integer;
BEGIN
	PERFORM personalize.registry_begin_internal();
	PERFORM personalize.require_newest_internal();
	PERFORM personalize.check_name_internal('exclusion', define_exclusion.name);
	IF coalesce(btrim(define_exclusion.reason), '') = '' THEN
		RAISE EXCEPTION 'an exclusion needs a reason' USING ERRCODE = 'invalid_parameter_value', HINT = 'Say why these people are left out; officers read it.';
	END IF;
	IF define_exclusion.refresh_every IS NULL OR define_exclusion.refresh_every <= interval '0' THEN
		RAISE EXCEPTION 'refresh_every must be longer than nothing' USING ERRCODE = 'invalid_parameter_value';
	END IF;
	IF define_exclusion.purposes IS NOT NULL THEN
		ids := ARRAY(SELECT DISTINCT personalize.purpose_id_internal(u.name, 'consent') FROM unnest(define_exclusion.purposes) AS u (name) ORDER BY 1);
		IF cardinality(ids) = 0 THEN
			RAISE EXCEPTION 'purposes must not be an empty array'
				USING ERRCODE = 'invalid_parameter_value', HINT = 'Leave purposes out to mean all that a person can say no to.';
		END IF;
	END IF;
	IF define_exclusion.relation = 'personalize.minor'::regclass THEN
		IF define_exclusion.condition IS NOT NULL OR define_exclusion."column" IS NOT NULL THEN
			RAISE EXCEPTION 'minors are who set_minor() says they are'
				USING ERRCODE = 'invalid_parameter_value', HINT = 'Leave condition and column out.';
		END IF;
	ELSIF define_exclusion.relation IS NULL THEN
		IF define_exclusion.condition IS NOT NULL OR define_exclusion."column" IS NOT NULL THEN
			RAISE EXCEPTION 'a condition needs a relation'
				USING ERRCODE = 'invalid_parameter_value', HINT = 'Name the table whose rows it is about, or leave both out for a list.';
		END IF;
	ELSE
		shown := personalize.relation_text_internal(define_exclusion.relation);
		IF shown IS NULL THEN
			RAISE EXCEPTION 'relation does not exist' USING ERRCODE = 'undefined_table';
		END IF;
		IF define_exclusion.condition IS NULL THEN
			RAISE EXCEPTION 'a relation needs a condition' USING ERRCODE = 'null_value_not_allowed', HINT = 'Pass true to exclude whoever has a row there.';
		END IF;
		IF EXISTS (SELECT FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
			WHERE c.oid = define_exclusion.relation AND (n.nspname IN ('pg_catalog', 'information_schema', 'pg_toast', 'personalize') OR c.relpersistence = 't')) THEN
			RAISE EXCEPTION 'relation % cannot say whom to exclude', shown USING ERRCODE = 'insufficient_privilege', HINT = 'Name a permanent table of an application.';
		END IF;
		IF EXISTS (SELECT FROM pg_class AS c WHERE c.oid = define_exclusion.relation AND (c.relispartition
			OR (c.relkind = 'r' AND EXISTS (SELECT FROM personalize.descendants_internal(c.oid))))) THEN
			RAISE EXCEPTION 'relation % is a partition, or has inheritance children', shown
				USING ERRCODE = 'feature_not_supported', HINT = 'Name the partitioned table, or each child.';
		END IF;
		IF define_exclusion."column" IS NULL THEN
			IF define_exclusion.kind IS NOT NULL THEN
				kind_no := personalize.kind_id_internal(define_exclusion.kind);
			END IF;
			paths := ARRAY(SELECT p.path_id FROM personalize.registry_path AS p
				WHERE p.relid = define_exclusion.relation AND p.ownership = 'owner' AND (kind_no IS NULL OR p.kind_id = kind_no) ORDER BY p.path_id);
			IF cardinality(paths) <> 1 THEN
				RAISE EXCEPTION 'relation % leads to % subjects', shown, CASE cardinality(paths) WHEN 0 THEN 'no' ELSE 'several' END
					USING ERRCODE = 'invalid_parameter_value', HINT = 'Name the kind, or the column that has the key of the person with the kind.';
			END IF;
			path := paths[1];
			SELECT p.kind_id INTO STRICT kind_no FROM personalize.registry_path AS p WHERE p.path_id = path;
		ELSE
			kind_no := personalize.kind_for_class_internal(coalesce(define_exclusion.kind, 'subject'),
				personalize.subject_class_internal(define_exclusion.relation, personalize.column_number_internal(define_exclusion.relation, define_exclusion."column")));
			IF EXISTS (SELECT FROM personalize.registry_relation AS r WHERE r.relid = define_exclusion.relation) THEN
				SELECT p.path_id INTO path FROM personalize.registry_path AS p
					WHERE p.relid = define_exclusion.relation AND p.kind_id = kind_no AND p.column_names = ARRAY[define_exclusion."column"] AND p.via_path_id IS NULL;
				IF path IS NULL THEN
					RAISE EXCEPTION 'protected relation % does not lead to a subject by that column', shown
						USING ERRCODE = 'invalid_parameter_value', HINT = 'The view personalize.protected_relations lists its paths.';
				END IF;
			END IF;
		END IF;
		/* nobody changes rows between our look and the trigger */
		EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', shown);
		SELECT x.checked, x.timely INTO checked, is_timely FROM personalize.exclusion_condition_internal(define_exclusion.relation, define_exclusion.condition) AS x;
	END IF;
	SELECT x.* INTO was FROM personalize.exclusion AS x WHERE x.name = define_exclusion.name;
	IF was.relation IS NOT NULL THEN
		PERFORM personalize.exclusion_trigger_internal(was.exclusion_id, was.relation, false);
	END IF;
	INSERT INTO personalize.exclusion (name, relation, path_id, subject, kind_id, condition, timely, purposes, reason, refresh_every, defined_by)
		SELECT define_exclusion.name, define_exclusion.relation, path, CASE WHEN path IS NULL THEN define_exclusion."column" END, kind_no, checked,
			is_timely, ids, define_exclusion.reason, define_exclusion.refresh_every, session_user
		FROM (SELECT 1) AS one WHERE was.exclusion_id IS NULL
		RETURNING exclusion_id INTO id;
	IF id IS NULL THEN
		id := was.exclusion_id;
		UPDATE personalize.exclusion AS x SET relation = define_exclusion.relation, path_id = path, subject = CASE WHEN path IS NULL THEN define_exclusion."column" END,
				kind_id = kind_no, condition = checked, timely = is_timely, purposes = ids, reason = define_exclusion.reason,
				refresh_every = define_exclusion.refresh_every, defined_at = clock_timestamp(), defined_by = session_user
			WHERE x.exclusion_id = id;
	END IF;
	IF checked IS NOT NULL THEN
		PERFORM personalize.exclusion_trigger_internal(id, define_exclusion.relation, true);
	END IF;
	PERFORM personalize.exclusion_refresh_internal(id);
	RETURN personalize.exclusion_held_internal(id);
END
$$;
COMMENT ON FUNCTION personalize.define_exclusion(text, regclass, text, text[], text, name, text, interval) IS
	'Has purposes (NULL: all that a person can say no to), and narrower ones, leave people out: whom a condition on a table is true for, minors (relation personalize.minor), or a list (no relation); returns how many persons that are now';

CREATE OR REPLACE FUNCTION personalize.drop_exclusion(name text)
RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	e personalize.exclusion;
	n bigint;
BEGIN
	PERFORM personalize.registry_begin_internal();
	e := personalize.exclusion_internal(drop_exclusion.name);
	IF e.relation IS NOT NULL AND personalize.relation_text_internal(e.relation) IS NOT NULL THEN
		PERFORM personalize.exclusion_trigger_internal(e.exclusion_id, e.relation, false);
	END IF;
	LOCK TABLE personalize.exclusion_member IN SHARE ROW EXCLUSIVE MODE;
	n := personalize.exclusion_held_internal(e.exclusion_id);
	DELETE FROM personalize.exclusion_member AS m WHERE m.exclusion_id = e.exclusion_id;
	DELETE FROM personalize.exclusion_event AS v WHERE v.exclusion_id = e.exclusion_id;
	DELETE FROM personalize.suppression AS s WHERE s.cause = 'exclusion' AND s.cause_id = e.exclusion_id;
	DELETE FROM personalize.exclusion AS x WHERE x.exclusion_id = e.exclusion_id;
	RETURN n;
END
$$;
COMMENT ON FUNCTION personalize.drop_exclusion(text) IS 'Ends an exclusion and forgets whom it held; returns how many persons that were';

CREATE OR REPLACE FUNCTION personalize.refresh_exclusions(name text DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	item record;
	n bigint := 0;
BEGIN
	PERFORM personalize.registry_begin_internal();
	PERFORM personalize.require_newest_internal();
	IF refresh_exclusions.name IS NOT NULL THEN
		PERFORM personalize.exclusion_internal(refresh_exclusions.name);
	END IF;
	FOR item IN SELECT e.exclusion_id FROM personalize.exclusion AS e
			WHERE refresh_exclusions.name IS NULL OR e.name = refresh_exclusions.name ORDER BY e.exclusion_id LOOP
		PERFORM personalize.exclusion_refresh_internal(item.exclusion_id);
		n := n + personalize.exclusion_held_internal(item.exclusion_id);
	END LOOP;
	RETURN n;
END
$$;
COMMENT ON FUNCTION personalize.refresh_exclusions(text) IS
	'Looks at all rows of the tables of exclusions now, of one or all, as the rights worker does from time to time; returns how many persons they hold';

CREATE OR REPLACE FUNCTION personalize.exclusion_due_internal()
RETURNS integer
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	/* what cannot change with time is looked at once a day all the same: a trigger may have been switched off */
	SELECT e.exclusion_id FROM personalize.exclusion AS e
	WHERE e.relation IS NOT NULL AND (e.refreshed_at IS NULL
		OR e.refreshed_at + CASE WHEN e.timely OR e.relation = 'personalize.minor'::regclass THEN e.refresh_every ELSE greatest(e.refresh_every, interval '1 day') END <= clock_timestamp())
	ORDER BY e.refreshed_at NULLS FIRST, e.exclusion_id LIMIT 1
$$;
COMMENT ON FUNCTION personalize.exclusion_due_internal() IS 'An exclusion whose table must be looked at; the first';

CREATE OR REPLACE FUNCTION personalize.exclusion_batch_internal()
RETURNS boolean
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	id integer := personalize.exclusion_due_internal();
	told text;
BEGIN
	IF id IS NULL THEN
		RETURN false;
	END IF;
	PERFORM personalize.registry_begin_internal();
	BEGIN
		PERFORM personalize.exclusion_refresh_internal(id);
	EXCEPTION
		WHEN deadlock_detected OR serialization_failure THEN
			RAISE;
		WHEN OTHERS THEN
			/* whom it held it holds; the message has no values */
			told := SQLERRM;
			UPDATE personalize.exclusion AS x SET refreshed_at = clock_timestamp(), message = told WHERE x.exclusion_id = id;
	END;
	RETURN true;
END
$$;
COMMENT ON FUNCTION personalize.exclusion_batch_internal() IS
	'Looks at all rows of the table of an exclusion for which it is time; false if there is none';

/* -------------------------------------------------------------- the list */

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
BEGIN
	PERFORM personalize.require_preloaded_internal();
	e := personalize.exclusion_internal(exclude.name);
	key := personalize.canonical_key_internal(exclude.kind, exclude.subject);
	IF ends <= clock_timestamp() THEN
		RAISE EXCEPTION 'until is in the past' USING ERRCODE = 'invalid_parameter_value', HINT = 'Leave it out to mean without end.';
	END IF;
	no := personalize.exclusion_begin_internal(personalize.ensure_kind_internal(exclude.kind), key);
	is_new := NOT EXISTS (SELECT FROM personalize.exclusion_member AS m WHERE m.exclusion_id = e.exclusion_id AND m.subject_no = no AND m.source = 'list' AND m.until > clock_timestamp());
	INSERT INTO personalize.exclusion_member AS m (exclusion_id, subject_no, source, until, recorded_by)
		VALUES (e.exclusion_id, no, 'list', ends, session_user)
		ON CONFLICT ON CONSTRAINT exclusion_member_pkey DO UPDATE SET until = EXCLUDED.until, since = CASE WHEN is_new THEN EXCLUDED.since ELSE m.since END,
			recorded_by = EXCLUDED.recorded_by;
	INSERT INTO personalize.exclusion_event (exclusion_id, subject_no, action, until, recorded_by) VALUES (e.exclusion_id, no, 'listed', exclude.until, session_user);
	PERFORM personalize.exclusion_level_internal(e.exclusion_id, personalize.numbers_internal(no));
	RETURN is_new;
END
$$;
COMMENT ON FUNCTION personalize.exclude(text, text, timestamptz, text) IS
	'Puts a person on the list of an exclusion, until a moment or without end: withheld from the commit on; false if the person was on it already';

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

CREATE OR REPLACE FUNCTION personalize.unexclude(subject text, name text, kind text DEFAULT 'subject')
RETURNS boolean
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	e personalize.exclusion;
	kind_no integer;
	person text;
	no bigint;
	nos bigint[];
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
	/* whoever put the person there may think again; others must be officers */
	IF NOT personalize.is_officer_internal() AND EXISTS (SELECT FROM personalize.exclusion_member AS m
		WHERE m.exclusion_id = e.exclusion_id AND m.subject_no = ANY (nos) AND m.source = 'list' AND m.recorded_by <> session_user) THEN
		RAISE EXCEPTION 'somebody else put the person on this list'
			USING ERRCODE = 'insufficient_privilege', HINT = 'A privacy officer may take the person off it.';
	END IF;
	INSERT INTO personalize.exclusion_event (exclusion_id, subject_no, action, recorded_by)
		SELECT e.exclusion_id, m.subject_no, 'unlisted', session_user FROM personalize.exclusion_member AS m
		WHERE m.exclusion_id = e.exclusion_id AND m.subject_no = ANY (nos) AND m.source = 'list' ORDER BY m.subject_no;
	DELETE FROM personalize.exclusion_member AS m WHERE m.exclusion_id = e.exclusion_id AND m.subject_no = ANY (nos) AND m.source = 'list';
	IF NOT FOUND THEN
		RETURN false;
	END IF;
	PERFORM personalize.exclusion_level_internal(e.exclusion_id, nos);
	RETURN true;
END
$$;
COMMENT ON FUNCTION personalize.unexclude(text, text, text) IS
	'Takes a person off the list of an exclusion (officers, and who put the person there); a condition that holds goes on to hold. False if the person was not on it';

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

/* ------------------------------------------------- minors, erasure, identities */

CREATE OR REPLACE FUNCTION personalize.exclusion_minor_internal()
RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	item record;
	is_minor boolean;
BEGIN
	FOR item IN SELECT e.exclusion_id FROM personalize.exclusion AS e WHERE e.relation = 'personalize.minor'::regclass ORDER BY e.exclusion_id LOOP
		LOCK TABLE personalize.exclusion_member IN ROW EXCLUSIVE MODE;
		is_minor := personalize.minor_now_internal(NEW.subject_no);
		IF is_minor THEN
			INSERT INTO personalize.exclusion_member (exclusion_id, subject_no, source, recorded_by)
				VALUES (item.exclusion_id, NEW.subject_no, 'condition', session_user) ON CONFLICT DO NOTHING;
		ELSE
			DELETE FROM personalize.exclusion_member AS m WHERE m.exclusion_id = item.exclusion_id
				AND m.subject_no = ANY (personalize.numbers_internal(NEW.subject_no)) AND m.source = 'condition';
		END IF;
		PERFORM personalize.exclusion_level_internal(item.exclusion_id, personalize.numbers_internal(NEW.subject_no));
	END LOOP;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION personalize.exclusion_minor_internal() IS
	'Excludes minors where an exclusion says so; trigger on personalize.minor';
CREATE OR REPLACE TRIGGER exclusion_minor AFTER INSERT ON personalize.minor
	FOR EACH ROW EXECUTE FUNCTION personalize.exclusion_minor_internal();
COMMENT ON TRIGGER exclusion_minor ON personalize.minor IS 'Excludes minors where an exclusion says so';

CREATE OR REPLACE FUNCTION personalize.exclusion_erased_internal()
RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	DELETE FROM personalize.exclusion_member AS m USING now_is AS n WHERE n.key IS NULL AND m.subject_no = n.subject_no;
	DELETE FROM personalize.exclusion_event AS v USING now_is AS n WHERE n.key IS NULL AND v.subject_no = n.subject_no;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION personalize.exclusion_erased_internal() IS
	'Takes what excluded a person away with the key; trigger on personalize.subject';
CREATE OR REPLACE TRIGGER exclusion_erased AFTER UPDATE ON personalize.subject REFERENCING NEW TABLE AS now_is
	FOR EACH STATEMENT EXECUTE FUNCTION personalize.exclusion_erased_internal();
COMMENT ON TRIGGER exclusion_erased ON personalize.subject IS 'Takes what excluded a person away with the key';

CREATE OR REPLACE FUNCTION personalize.exclusions_moved_internal(old_no bigint, new_no bigint)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	INSERT INTO personalize.exclusion_member AS m (exclusion_id, subject_no, source, since, until, recorded_by)
		SELECT o.exclusion_id, new_no, o.source, o.since, o.until, o.recorded_by FROM personalize.exclusion_member AS o WHERE o.subject_no = old_no
		ON CONFLICT ON CONSTRAINT exclusion_member_pkey DO UPDATE SET until = greatest(m.until, EXCLUDED.until);
	DELETE FROM personalize.exclusion_member AS m WHERE m.subject_no = old_no;
	UPDATE personalize.exclusion_event AS v SET subject_no = new_no WHERE v.subject_no = old_no;
	PERFORM personalize.exclusions_again_internal(personalize.numbers_internal(new_no));
END
$$;
COMMENT ON FUNCTION personalize.exclusions_moved_internal(bigint, bigint) IS
	'What excludes a subject excludes another, which is the same';

CREATE OR REPLACE FUNCTION personalize.exclusion_status_internal()
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE sql STABLE PARALLEL SAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 'exclusion'::text, false,
		CASE WHEN e.message IS NOT NULL THEN format('exclusion "%s" was not refreshed: %s', e.name, e.message)
			ELSE format('exclusion "%s" is not kept current by a trigger on %s', e.name, coalesce(personalize.relation_text_internal(e.relation), 'its table, which is gone')) END,
		'Call define_exclusion() again, or drop_exclusion().'::text
	FROM personalize.exclusion AS e
	WHERE e.message IS NOT NULL
		OR (e.condition IS NOT NULL AND NOT EXISTS (SELECT FROM pg_trigger AS g JOIN pg_proc AS f ON f.oid = g.tgfoid
			WHERE g.tgrelid = e.relation AND g.tgname = 'personalize_exclusion_' || e.exclusion_id AND g.tgenabled IN ('A', 'O')
				AND f.pronamespace = 'personalize'::regnamespace AND f.proname = 'exclusion_changed_internal'))
	ORDER BY e.name COLLATE "C"
$$;
COMMENT ON FUNCTION personalize.exclusion_status_internal() IS 'The part of status() that is about exclusions';

CREATE OR REPLACE FUNCTION personalize.export_exclusions_internal(kind_id integer, key text)
RETURNS jsonb
LANGUAGE sql STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT jsonb_build_object('exclusions', coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object('name', e.name, 'reason', e.reason, 'source', m.source,
			'since', m.since, 'until', CASE WHEN m.until <> 'infinity' THEN m.until END)) ORDER BY e.name COLLATE "C", m.source), '[]'))
	FROM personalize.identities_internal($1, $2) AS i JOIN personalize.exclusion_member AS m ON m.subject_no = i.subject_no
		JOIN personalize.exclusion AS e ON e.exclusion_id = m.exclusion_id
	WHERE m.until > clock_timestamp()
$$;
COMMENT ON FUNCTION personalize.export_exclusions_internal(integer, text) IS
	'Which exclusions hold a person, and why, for an export';
