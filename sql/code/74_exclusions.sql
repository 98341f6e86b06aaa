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
 * Why somebody is excluded is told to officers only.  The list: 74_exclusions_list.sql;
 * minors, erasure, identities, status and export: 74_exclusions_persons.sql.
 */

CREATE OR REPLACE FUNCTION personalize.exclusion_condition_internal(relid oid, condition text, OUT checked text, OUT timely boolean)
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'personalize_exclusion_condition';
COMMENT ON FUNCTION personalize.exclusion_condition_internal(oid, text) IS
	'A condition on rows of a table as it is to be kept, and whether it can change with time; an error if it could do anything but compute';
CREATE OR REPLACE FUNCTION personalize.exclusion_keys_internal(relid oid, path_id integer, subject name, condition text, key text) RETURNS SETOF text
	LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 1000 SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO, MDY' SET intervalstyle = 'postgres'
	SET standard_conforming_strings = on SET default_text_search_config = 'pg_catalog.simple' SET extra_float_digits = 1 SET bytea_output = hex
	SET timezone_abbreviations = 'Default' SET lc_time = 'C' SET lc_monetary = 'C' SET lc_numeric = 'C' SET xmloption = content SET array_nulls = on
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
		/* of single persons in any case: whoever takes it away under an older snapshot, which has not all that holds them, must fail */
		ON CONFLICT ON CONSTRAINT suppression_pkey DO UPDATE SET until = EXCLUDED.until WHERE s.until <> EXCLUDED.until OR nos IS NOT NULL;
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

CREATE OR REPLACE FUNCTION personalize.is_erased_internal(kind_id integer, key text)
RETURNS boolean
LANGUAGE sql STABLE PARALLEL RESTRICTED STRICT
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT EXISTS (SELECT FROM personalize.tombstone AS t WHERE t.kind_id = $1)
		AND EXISTS (SELECT FROM personalize.tombstone AS t WHERE t.digest = personalize.tombstone_digest_internal($1, $2))
		AND NOT EXISTS (SELECT FROM personalize.subject AS s WHERE s.kind_id = $1 AND s.key = $2 COLLATE "C")
$$;
COMMENT ON FUNCTION personalize.is_erased_internal(integer, text) IS
	'Is a key that of somebody erased, who has no number?';

CREATE OR REPLACE FUNCTION personalize.exclusion_found_internal(exclusion_id integer, key text)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	kind_no integer := (SELECT e.kind_id FROM personalize.exclusion AS e WHERE e.exclusion_id = exclusion_found_internal.exclusion_id);
	no bigint;
BEGIN
	/* is kept back anyway, and the key is not to come back by this: see exclusions_returned_internal() */
	IF personalize.is_erased_internal(kind_no, exclusion_found_internal.key) THEN
		RETURN;
	END IF;
	no := personalize.exclusion_begin_internal(kind_no, exclusion_found_internal.key);
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
	IF personalize.is_erased_internal(e.kind_id, exclusion_lost_internal.key) THEN
		RETURN;
	END IF;
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

CREATE OR REPLACE FUNCTION personalize.exclusions_returned_internal(kind_id integer, keys text[])
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	item record;
	holds boolean;
BEGIN
	FOR item IN SELECT e.exclusion_id, e.relation, e.path_id, e.subject, e.condition, u.key
		FROM personalize.exclusion AS e CROSS JOIN unnest(keys) AS u (key)
		WHERE e.kind_id = exclusions_returned_internal.kind_id AND e.condition IS NOT NULL ORDER BY e.exclusion_id, u.key COLLATE "C"
	LOOP
		BEGIN
			holds := EXISTS (SELECT FROM personalize.exclusion_keys_internal(item.relation, item.path_id, item.subject, item.condition, item.key));
		EXCEPTION
			WHEN OTHERS THEN
				/* nobody knows: kept back, until a refresh tells; what the person says must be recorded all the same */
				holds := true;
		END;
		IF holds THEN
			PERFORM personalize.exclusion_found_internal(item.exclusion_id, item.key);
		END IF;
	END LOOP;
END
$$;
COMMENT ON FUNCTION personalize.exclusions_returned_internal(integer, text[]) IS
	'Looks at the tables of exclusions for persons who had been erased, and are not any more';

CREATE OR REPLACE FUNCTION personalize.exclusion_refresh_internal(exclusion_id integer)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT
SET search_path = pg_catalog, pg_temp
SET enable_nestloop = off	/* arrays look small to a generic plan and are not */
SET enable_mergejoin = off
SET jit = off	/* what is off costs so much that it would compile every time */
AS $$
#variable_conflict use_column
DECLARE
	e personalize.exclusion;
	nos bigint[] := '{}';
	held_before bigint[];
BEGIN
	SELECT x.* INTO STRICT e FROM personalize.exclusion AS x WHERE x.exclusion_id = exclusion_refresh_internal.exclusion_id;
	IF e.relation IS NOT NULL AND personalize.relation_text_internal(e.relation) IS NULL THEN
		RAISE EXCEPTION 'the table of exclusion "%" does not exist any more', e.name
			USING ERRCODE = 'undefined_table', HINT = 'Whom it held it holds. Call define_exclusion() again, or drop_exclusion().';
	END IF;
	LOCK TABLE personalize.exclusion_member IN SHARE ROW EXCLUSIVE MODE;
	IF e.relation = 'personalize.minor'::regclass THEN
		nos := ARRAY(SELECT x.no FROM (SELECT DISTINCT m.subject_no AS no FROM personalize.minor AS m) AS x WHERE personalize.minor_now_internal(x.no));
	ELSIF e.condition IS NOT NULL THEN
		/* those that have a number are not locked, or we would wait for whoever has them and waits for us: all that matters to us locks the table */
		nos := ARRAY(SELECT coalesce(s.subject_no, personalize.subject_no_internal(e.kind_id, x.key, true))
			FROM (SELECT k.key FROM personalize.exclusion_keys_internal(e.relation, e.path_id, e.subject, e.condition, NULL) AS k (key)
				/* longer ones are nobody's: src/keys.c */
				WHERE octet_length(k.key) BETWEEN 1 AND 1024 ORDER BY k.key COLLATE "C") AS x
				LEFT JOIN personalize.subject AS s ON s.kind_id = e.kind_id AND s.key = x.key COLLATE "C"
			WHERE s.subject_no IS NOT NULL OR NOT personalize.is_erased_internal(e.kind_id, x.key));
	END IF;
	DELETE FROM personalize.exclusion_member AS m WHERE m.exclusion_id = e.exclusion_id AND m.source = 'condition'
		AND NOT EXISTS (SELECT FROM unnest(nos) AS u (no) WHERE u.no = m.subject_no);
	WITH new AS (
		INSERT INTO personalize.exclusion_member (exclusion_id, subject_no, source, recorded_by)
			SELECT DISTINCT e.exclusion_id, u.no, 'condition', session_user FROM unnest(nos) AS u (no) ON CONFLICT DO NOTHING
			RETURNING subject_no)
	SELECT array_agg(n.subject_no) INTO held_before FROM new AS n
		WHERE EXISTS (SELECT FROM personalize.suppression AS s WHERE s.subject_no = n.subject_no AND s.cause = 'exclusion' AND s.cause_id = e.exclusion_id);
	DELETE FROM personalize.exclusion_member AS m WHERE m.exclusion_id = e.exclusion_id AND m.until <= clock_timestamp();
	PERFORM personalize.exclusion_level_internal(e.exclusion_id, NULL);
	IF held_before IS NOT NULL THEN
		PERFORM personalize.exclusion_level_internal(e.exclusion_id, held_before);
	END IF;
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
	IF define_exclusion.refresh_every IS NULL THEN
		RAISE EXCEPTION 'refresh_every must not be null' USING ERRCODE = 'invalid_parameter_value';
	END IF;
	PERFORM personalize.check_period_internal('refresh_every', define_exclusion.refresh_every);
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
	/* or whom somebody put there meanwhile would be kept back for ever */
	PERFORM personalize.require_newest_internal();
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
	FOR item IN SELECT e.exclusion_id, e.relation, row_number() OVER (ORDER BY e.exclusion_id) - 1 AS done, count(*) OVER () AS total FROM personalize.exclusion AS e
			WHERE refresh_exclusions.name IS NULL OR e.name = refresh_exclusions.name ORDER BY e.exclusion_id LOOP
		PERFORM personalize.progress_internal('refresh_exclusions', 'looking at conditions', item.done, item.total, item.relation::oid);
		PERFORM personalize.exclusion_refresh_internal(item.exclusion_id);
		n := n + personalize.exclusion_held_internal(item.exclusion_id);
	END LOOP;
	PERFORM personalize.progress_internal('refresh_exclusions', NULL);
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
		/* whoever lists somebody, or writes to the table of an exclusion, waits behind us */
		PERFORM set_config('lock_timeout', '1s', true);
		PERFORM personalize.progress_internal('refresh_exclusions', 'looking at conditions', 0, 1, (SELECT x.relation::oid FROM personalize.exclusion AS x WHERE x.exclusion_id = id));
		PERFORM personalize.exclusion_refresh_internal(id);
		PERFORM personalize.progress_internal('refresh_exclusions', NULL);
		PERFORM set_config('lock_timeout', '0', true);
	EXCEPTION
		WHEN lock_not_available THEN
			/* a transaction that goes on for long: the worker comes again */
			RETURN false;
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
