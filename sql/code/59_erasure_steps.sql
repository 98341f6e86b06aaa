/*
 * Rights: the parts of an erasure, which erase_internal() puts together: its
 * order, what stands against it, its counts, its certificates.
 */

CREATE OR REPLACE FUNCTION personalize.erase_plan_internal(kind_id integer)
RETURNS TABLE (step integer, relid oid, relation_name text)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off	/* the catalog is larger than the plan */
AS $$
#variable_conflict use_variable
DECLARE
	names text[];
	waiting oid[];		/* in the order of their names */
	ready oid[];
	referring oid[];
	referred oid[];
	actions "char"[];
	leads_there boolean[];
	/* which foreign keys still count: 0 all, 1 those that do not cascade or lead to the person, 2 those that do not cascade */
	strength integer := 0;
	missing text;
BEGIN
	SELECT string_agg(DISTINCT format('%I.%I', r.schema_name, r.relation_name), ', ') INTO missing
		FROM personalize.registry_path AS p
			JOIN personalize.registry_relation AS r ON r.relid = p.relid
		WHERE p.kind_id = erase_plan_internal.kind_id
			AND (NOT EXISTS (SELECT 1 FROM pg_class AS c WHERE c.oid = r.relid)
				OR EXISTS (SELECT 1 FROM unnest(p.columns) AS u (attnum)
					WHERE NOT EXISTS (SELECT 1 FROM pg_attribute AS a
						WHERE a.attrelid = p.relid AND a.attnum = u.attnum AND a.attnum > 0 AND NOT a.attisdropped)));
	IF missing IS NOT NULL THEN
		RAISE EXCEPTION 'registered relations or their subject columns do not exist: %', missing
			USING ERRCODE = 'object_not_in_prerequisite_state',
				HINT = 'Nothing may be skipped in an erasure: bring them back, or unprotect() them and protect() them again.';
	END IF;
	SELECT array_agg(x.relid ORDER BY x.name COLLATE "C"), array_agg(x.name ORDER BY x.name COLLATE "C") INTO waiting, names
		FROM (SELECT c.oid AS relid, format('%I.%I', n.nspname, c.relname) AS name
			FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
			WHERE c.oid = ANY (ARRAY(SELECT p.relid FROM personalize.registry_path AS p WHERE p.kind_id = erase_plan_internal.kind_id))) AS x;
	SELECT array_agg(f.conrelid), array_agg(f.confrelid), array_agg(f.confdeltype), array_agg(EXISTS (SELECT FROM personalize.registry_path AS p
			WHERE p.relid = f.conrelid AND p.kind_id = erase_plan_internal.kind_id AND p.columns = f.conkey)) INTO referring, referred, actions, leads_there
		FROM pg_constraint AS f
		WHERE f.contype = 'f' AND f.conparentid = 0 AND f.conrelid = ANY (waiting) AND f.confrelid = ANY (waiting) AND f.conrelid <> f.confrelid;
	step := 0;
	WHILE cardinality(waiting) > 0 LOOP
		/* relations that no other waiting relation refers to */
		ready := CASE WHEN referring IS NULL THEN waiting
			ELSE ARRAY(SELECT w.relid FROM unnest(waiting) WITH ORDINALITY AS w (relid, place)
				WHERE w.relid <> ALL (ARRAY(SELECT f.referred FROM unnest(referring, referred, actions, leads_there) AS f (referring, referred, action, leads)
					WHERE f.referring = ANY (waiting) AND (strength < 1 OR f.action IN ('a', 'r') OR (strength < 2 AND f.leads))))
				ORDER BY w.place) END;
		IF cardinality(ready) = 0 THEN
			IF strength = 2 THEN
				RAISE EXCEPTION 'foreign keys form a cycle among protected relations: %',
					(SELECT string_agg(personalize.relation_text_internal(w.relid), ', ' ORDER BY
						personalize.relation_text_internal(w.relid) COLLATE "C") FROM unnest(waiting) AS w (relid))
					USING ERRCODE = 'feature_not_supported', HINT = 'Give a foreign key of the cycle ON DELETE CASCADE or SET NULL, or set its column to null for this subject first.';
			END IF;
			strength := strength + 1;
			CONTINUE;
		END IF;
		FOR i IN 1 .. cardinality(waiting) LOOP
			IF waiting[i] = ANY (ready) THEN
				step := step + 1;
				relid := waiting[i];
				relation_name := names[i];
				RETURN NEXT;
			END IF;
		END LOOP;
		SELECT array_agg(w.relid ORDER BY w.place), array_agg(w.name ORDER BY w.place) INTO waiting, names
			FROM unnest(waiting, names) WITH ORDINALITY AS w (relid, name, place) WHERE w.relid <> ALL (ready);
		strength := 0;
	END LOOP;
END
$$;
COMMENT ON FUNCTION personalize.erase_plan_internal(integer) IS
	'The protected relations that lead to a kind of subject, children before parents; a relation that cannot be found or a cycle is an error';

CREATE OR REPLACE FUNCTION personalize.cascade_check_internal(kind_id integer, keys text[], steps personalize.erase_step[], parent oid, acting oid[], forbidding boolean)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	f record;
	own text;
	refers text;
	refer_to text;
	named jsonb;
BEGIN
	IF cardinality(acting) = 0 AND NOT forbidding THEN
		RETURN;
	END IF;
	/* foreign keys that delete rows of protected relations, or forbid that what they refer to goes: those of the persons go before, in relations whose turn is earlier */
	FOR f IN SELECT c.conname, c.confdeltype, p.action, c.conrelid, c.confrelid, c.conkey, c.confkey, p.condition, p.path_id AS from_path, p.relation_name AS from_name,
				(SELECT min(x.path_id) FROM personalize.registry_path AS x WHERE x.relid = c.conrelid) AS path_id,
				c.conrelid = c.confrelid OR coalesce((SELECT max(x.step) FROM unnest(steps) AS x WHERE x.relid = c.conrelid) < p.step, false) AS earlier,
				(SELECT x.relowner FROM pg_class AS x WHERE x.oid = c.conrelid) = (SELECT x.relowner FROM pg_class AS x WHERE x.oid = c.confrelid) AS one_owner
			FROM pg_constraint AS c JOIN unnest(steps) AS p ON p.relid = c.confrelid
			WHERE CASE WHEN c.contype <> 'f' OR c.conparentid <> 0 THEN false
					WHEN p.action = 'delete' THEN CASE WHEN c.confdeltype = 'c' THEN c.oid = ANY (acting) ELSE forbidding AND c.confdeltype IN ('a', 'r') END
					/* a key that becomes another */
					ELSE forbidding AND p.action = 'anonymize' AND c.confupdtype IN ('a', 'r') AND EXISTS (
						SELECT FROM jsonb_object_keys(personalize.anonymous_spec_internal(p.path_id, p.columns, false)) AS k (name)
							JOIN pg_attribute AS a ON a.attrelid = p.relid AND a.attname = k.name WHERE a.attnum = ANY (c.confkey)) END
				AND c.conrelid IN (SELECT x.relid FROM personalize.registry_path AS x) AND c.confrelid = coalesce(parent, c.confrelid)
			ORDER BY c.conname
	LOOP
		/* where the column that leads to the person refers to that of the person, the rows are the person's */
		CONTINUE WHEN f.earlier AND EXISTS (SELECT FROM personalize.registry_path AS p WHERE p.relid = f.conrelid AND p.kind_id = cascade_check_internal.kind_id
				AND p.columns = f.conkey AND p.via_path_id IS NULL AND (f.confdeltype = 'c' OR NOT EXISTS (SELECT FROM unnest(steps) AS y WHERE y.path_id = p.path_id AND y.action = 'retain')))
			AND EXISTS (SELECT FROM personalize.registry_path AS p WHERE p.relid = f.confrelid AND p.kind_id = cascade_check_internal.kind_id
				AND p.columns = f.confkey);
		/* rows that are gone by then, or that do not refer to it any more: a path by the foreign key itself is left as it is */
		SELECT string_agg('(' || x.condition || ')', ' OR ') INTO own
			FROM (SELECT y.condition FROM unnest(steps) AS y
					WHERE y.relid = f.conrelid AND y.action = 'delete'
				UNION ALL
				SELECT personalize.rights_are_internal(p.path_id) FROM personalize.registry_path AS p
					WHERE p.relid = f.conrelid AND p.kind_id = cascade_check_internal.kind_id AND p.columns = f.conkey AND p.via_path_id IS NULL AND f.earlier
						AND (f.confdeltype = 'c' OR NOT EXISTS (SELECT FROM unnest(steps) AS y WHERE y.path_id = p.path_id AND y.action = 'retain'))
				UNION ALL
				SELECT y.condition FROM unnest(steps) AS y
					WHERE y.relid = f.conrelid AND y.action = 'anonymize' AND f.earlier AND f.confdeltype <> 'c' AND EXISTS (
						SELECT FROM jsonb_object_keys(personalize.anonymous_spec_internal(y.path_id, y.columns, false)) AS k (name)
							JOIN pg_attribute AS a ON a.attrelid = y.relid AND a.attname = k.name WHERE a.attnum = ANY (f.conkey))) AS x;
		SELECT string_agg(format('%I', a.attname), ', ' ORDER BY u.place), string_agg(format('%I', b.attname), ', ' ORDER BY u.place)
			INTO refers, refer_to
			FROM unnest(f.conkey, f.confkey) WITH ORDINALITY AS u (conkey, confkey, place)
				JOIN pg_attribute AS a ON a.attrelid = f.conrelid AND a.attnum = u.conkey
				JOIN pg_attribute AS b ON b.attrelid = f.confrelid AND b.attnum = u.confkey;
		named := '{}';
		IF f.one_owner THEN
			refer_to := format('SELECT %s FROM %s WHERE %s', refer_to, f.from_name, f.condition);
		ELSE
			/* what one owner cannot read is handed over */
			SELECT jsonb_agg(c.key::jsonb) INTO named FROM personalize.rights_count_set_internal(f.from_path,
				format('SELECT pg_catalog.jsonb_build_array(%s)::pg_catalog.text, pg_catalog.count(*) FROM %s WHERE %s GROUP BY 1', refer_to, f.from_name, f.condition), keys) AS c;
			CONTINUE WHEN named IS NULL;
			SELECT format('SELECT %s FROM pg_catalog.jsonb_array_elements($2) AS e', string_agg(format('(e OPERATOR(pg_catalog.->>) %s)::%s', u.place - 1,
					format_type(a.atttypid, NULL)), ', ' ORDER BY u.place))
				INTO refer_to
				FROM unnest(f.conkey) WITH ORDINALITY AS u (conkey, place) JOIN pg_attribute AS a ON a.attrelid = f.conrelid AND a.attnum = u.conkey;
		END IF;
		CONTINUE WHEN personalize.rights_run_set_internal(f.path_id, format('SELECT pg_catalog.count(*) FROM %s WHERE (%s) IN (%s)%s', personalize.relation_text_internal(f.conrelid),
				refers, refer_to, coalesce(' AND (' || own || ') IS NOT TRUE', '')), keys, named) = 0;
		IF f.action = 'delete' AND f.confdeltype = 'c' THEN
			RAISE EXCEPTION 'rows of relation % that belong to others would go with those of the subject, by foreign key %',
					personalize.relation_text_internal(f.conrelid), quote_ident(f.conname)
				USING ERRCODE = 'object_not_in_prerequisite_state',
					HINT = 'Have them refer to something else first, or give the foreign key another action than CASCADE; nothing was erased.';
		END IF;
		/* as the run says it: see src/rights_run.c */
		RAISE EXCEPTION 'could not process the rows of the subject in relation %', f.from_name
			USING ERRCODE = 'foreign_key_violation', DETAIL = format('Constraint "%s" of relation "%s" stands against it.', f.conname,
				(SELECT c.relname FROM pg_class AS c WHERE c.oid = f.conrelid)),
				HINT = CASE f.action WHEN 'anonymize' THEN 'Rows that stay refer to the old value. Have set_erasure() anonymize these, too, or retain the relation, with the columns that need not stay.'
					ELSE 'Rows that stay refer to them. Have set_erasure() retain or anonymize these, too; or protect the referencing relation, so that it is processed first, or give its foreign key ON DELETE CASCADE.' END;
	END LOOP;
END
$$;
COMMENT ON FUNCTION personalize.cascade_check_internal(integer, text[], personalize.erase_step[], oid, oid[], boolean) IS
	'Refuses an erasure whose deletes would take rows of others along by a foreign key ON DELETE CASCADE; and, for a dry run, one that a foreign key of a protected relation will forbid';

CREATE OR REPLACE FUNCTION personalize.erase_acting_internal(steps personalize.erase_step[])
RETURNS oid[]
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN ARRAY(SELECT f.oid FROM pg_constraint AS f
		WHERE f.contype = 'f' AND f.conparentid = 0 AND (f.confdeltype IN ('c', 'n', 'd') OR f.confupdtype IN ('c', 'n', 'd'))
			AND f.confrelid = ANY (ARRAY(SELECT x.relid FROM unnest(steps) AS x)));
END
$$;
COMMENT ON FUNCTION personalize.erase_acting_internal(personalize.erase_step[]) IS
	'Foreign keys to relations of an erasure that delete or change what refers to them';

CREATE OR REPLACE FUNCTION personalize.erase_cascades_internal(kind_id integer, steps personalize.erase_step[], acting oid[])
RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF cardinality(acting) = 0 THEN
		RETURN '[]';
	END IF;
	RETURN (SELECT coalesce(jsonb_agg(jsonb_build_object('relation', x.name, 'action', x.action) ORDER BY x.name COLLATE "C", x.action), '[]')
		FROM (SELECT DISTINCT personalize.relation_text_internal(f.conrelid) AS name,
				CASE f.confdeltype WHEN 'c' THEN 'delete' WHEN 'n' THEN 'set null' ELSE 'set default' END AS action
			FROM pg_constraint AS f
			WHERE f.oid = ANY (acting) AND f.confdeltype IN ('c', 'n', 'd')
				AND f.confrelid IN (SELECT y.relid FROM unnest(steps) AS y WHERE y.action = 'delete')
				AND (f.confdeltype <> 'c' OR f.conrelid NOT IN (SELECT p.relid FROM personalize.registry_path AS p
					WHERE p.kind_id = erase_cascades_internal.kind_id))) AS x);
END
$$;
COMMENT ON FUNCTION personalize.erase_cascades_internal(integer, personalize.erase_step[], oid[]) IS
	'What foreign keys will do to relations outside the steps of an erasure';

CREATE OR REPLACE FUNCTION personalize.erase_count_first_internal(steps personalize.erase_step[], acting oid[])
RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off	/* the catalog is larger than the plan */
AS $$
DECLARE
	relids oid[] := ARRAY(SELECT x.relid FROM unnest(steps) AS x);
BEGIN
	RETURN EXISTS (SELECT FROM pg_trigger AS t WHERE t.tgrelid = ANY (relids) AND NOT t.tgisinternal AND t.tgenabled <> 'D')
		OR EXISTS (SELECT FROM pg_inherits AS i WHERE i.inhparent = ANY (relids))
		OR (cardinality(acting) > 0 AND EXISTS (SELECT FROM pg_constraint AS f
			WHERE f.oid = ANY (acting) AND f.conrelid = ANY (relids) AND f.conrelid <> f.confrelid
				AND (SELECT max(x.step) FROM unnest(steps) AS x WHERE x.relid = f.conrelid) > (SELECT min(x.step) FROM unnest(steps) AS x WHERE x.relid = f.confrelid)));
END
$$;
COMMENT ON FUNCTION personalize.erase_count_first_internal(personalize.erase_step[], oid[]) IS
	'Whether a step may change how many rows a later one finds, by a trigger or a foreign key of a cycle, so that all are counted before the first';

CREATE OR REPLACE FUNCTION personalize.erase_prepare_internal(kind_id integer)
RETURNS personalize.erase_prepared
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	p personalize.erase_prepared;
BEGIN
	p.steps := ARRAY(SELECT x FROM personalize.erase_steps_internal(erase_prepare_internal.kind_id) AS x ORDER BY x.step);
	p.relids := ARRAY(SELECT x.relid FROM unnest(p.steps) AS x GROUP BY x.relid ORDER BY min(x.step));
	p.acting := personalize.erase_acting_internal(p.steps);
	p.count_first := personalize.erase_count_first_internal(p.steps, p.acting);
	p.materialized := ARRAY(SELECT DISTINCT m.id FROM unnest(p.relids) AS r (id) CROSS JOIN LATERAL personalize.materialized_over_internal(r.id) AS m (id));
	p.retains := EXISTS (SELECT FROM unnest(p.steps) AS x WHERE x.action = 'retain');
	SELECT array_agg(x.path_id ORDER BY x.step), array_agg(format('SELECT pg_catalog.count(*) FROM (%s) AS x', x.parts) ORDER BY x.step)
		INTO p.left_paths, p.left_texts
		FROM (SELECT min(y.step) AS step, min(y.path_id) AS path_id,
				string_agg(format('SELECT 1 FROM %s WHERE %s', y.relation_name, y.condition), ' UNION ALL ' ORDER BY y.step) AS parts
			FROM unnest(p.steps) AS y JOIN pg_class AS c ON c.oid = y.relid
			WHERE y.action <> 'retain' GROUP BY c.relowner) AS x;
	RETURN p;
END
$$;
COMMENT ON FUNCTION personalize.erase_prepare_internal(integer) IS 'Works out what erasing subjects of a kind takes';

CREATE OR REPLACE FUNCTION personalize.erase_prepared_internal(kind_id integer) RETURNS personalize.erase_prepared
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'personalize_erase_prepared';
COMMENT ON FUNCTION personalize.erase_prepared_internal(integer) IS
	'What erase_prepare_internal() works out, once in a session until something changes; locks the relations';

CREATE OR REPLACE FUNCTION personalize.registry_is_fresh_internal(looked boolean) RETURNS boolean
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'personalize_registry_is_fresh';
COMMENT ON FUNCTION personalize.registry_is_fresh_internal(boolean) IS
	'Whether nothing has changed since the registry was looked through in this session; true: it is being, now';

CREATE OR REPLACE FUNCTION personalize.erase_begin_internal()
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	/* as registry_begin_internal() locks it; it looks through registry and catalog, which is needed when something has changed */
	PERFORM FROM personalize.registry_anchor AS a FOR UPDATE;
	IF NOT FOUND OR NOT personalize.registry_is_fresh_internal(false) THEN
		PERFORM personalize.registry_is_fresh_internal(true);
		PERFORM personalize.registry_begin_internal();
	END IF;
END
$$;
COMMENT ON FUNCTION personalize.erase_begin_internal() IS 'registry_begin_internal(), where something has changed since the last time in this session';

CREATE OR REPLACE FUNCTION personalize.erase_each_text_internal(s personalize.erase_step, deletes boolean)
RETURNS text
LANGUAGE sql STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN cardinality(s.paths) = 1 AND NOT deletes THEN format('SELECT %s, pg_catalog.count(*) FROM %s WHERE %s GROUP BY 1',
			personalize.rights_key_internal(s.path_id), s.relation_name, s.condition)
		WHEN cardinality(s.paths) = 1 THEN format('WITH x AS (DELETE FROM %s WHERE %s RETURNING %s AS key) SELECT x.key, pg_catalog.count(*) FROM x GROUP BY 1',
			s.relation_name, s.condition, personalize.rights_key_internal(s.path_id))
		/* a row once for each person */
		ELSE format(CASE WHEN deletes THEN 'WITH x AS (DELETE FROM %2$s WHERE %3$s RETURNING ARRAY[%1$s] AS keys) SELECT u.key, pg_catalog.count(*) FROM x'
				ELSE 'SELECT u.key, pg_catalog.count(*) FROM (SELECT ARRAY[%1$s] AS keys FROM %2$s WHERE %3$s) AS x' END
				|| ' CROSS JOIN LATERAL (SELECT DISTINCT pg_catalog.unnest(x.keys) AS key) AS u WHERE u.key OPERATOR(pg_catalog.=) ANY ($1) GROUP BY 1',
			(SELECT string_agg(personalize.rights_key_internal(d.id), ', ' ORDER BY d.id) FROM unnest(s.paths) AS d (id)), s.relation_name, s.condition) END
$$;
COMMENT ON FUNCTION personalize.erase_each_text_internal(personalize.erase_step, boolean) IS
	'A statement that counts the rows of a step of an erasure for each person, or deletes them and counts what it deletes';

CREATE OR REPLACE FUNCTION personalize.erase_led_text_internal(s personalize.erase_step)
RETURNS text
LANGUAGE sql STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('SELECT pg_catalog.count(*) FROM %s WHERE %s', s.relation_name,
		(SELECT string_agg(personalize.rights_are_internal(d.id), ' OR ' ORDER BY d.id) FROM unnest(s.paths) AS d (id)))
$$;
COMMENT ON FUNCTION personalize.erase_led_text_internal(personalize.erase_step) IS
	'A statement that counts the rows that the paths of a step lead to, whatever else they are';

CREATE OR REPLACE FUNCTION personalize.erase_count_internal(s personalize.erase_step, keys text[], deletes boolean)
RETURNS TABLE (key text, rows bigint)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF cardinality(keys) > 1 THEN
		RETURN QUERY SELECT c.key, c.rows FROM personalize.rights_count_set_internal(s.path_id, personalize.erase_each_text_internal(s, deletes), keys) AS c;
	ELSIF cardinality(keys) = 1 THEN
		key := keys[1];
		rows := personalize.rights_run_set_internal(s.path_id, CASE WHEN deletes THEN s.delete_text ELSE s.count_text END, keys, '{}');
		IF rows > 0 THEN
			RETURN NEXT;
		END IF;
	END IF;
END
$$;
COMMENT ON FUNCTION personalize.erase_count_internal(personalize.erase_step, text[], boolean) IS
	'Counts the rows of a step of an erasure, or deletes them and counts what it deletes, for each person that has any';

CREATE OR REPLACE FUNCTION personalize.erase_holds_internal(kind_id integer, keys text[])
RETURNS personalize.erase_holds
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan	/* by index, however many there are */
AS $$
DECLARE
	h personalize.erase_holds;
BEGIN
	SELECT array_agg(x.key), array_agg(x.subject_no) INTO h.known_keys, h.known_nos
		FROM personalize.subject AS x WHERE x.kind_id = erase_holds_internal.kind_id AND x.key = ANY (erase_holds_internal.keys);
	SELECT array_agg(x.key), array_agg(x.relid) INTO h.keys, h.relids
		FROM (SELECT coalesce(u.key, y.key) AS key, z.relid
			FROM personalize.hold AS y LEFT JOIN unnest(h.known_keys, h.known_nos) AS u (key, no) ON u.no = y.subject_no
				LEFT JOIN LATERAL unnest(personalize.hold_reach_internal(y.relation)) AS z (relid) ON true
			WHERE y.released_at IS NULL AND y.kind_id = erase_holds_internal.kind_id AND (u.key IS NOT NULL OR y.key = ANY (erase_holds_internal.keys))) AS x;
	RETURN h;
END
$$;
COMMENT ON FUNCTION personalize.erase_holds_internal(integer, text[]) IS
	'The numbers of several persons, and the legal holds on their rows';

CREATE OR REPLACE FUNCTION personalize.erase_free_internal(s personalize.erase_step, keys text[], holds personalize.erase_holds)
RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT ARRAY(SELECT k.key FROM unnest(keys) AS k (key) WHERE k.key <> ALL (ARRAY(
		SELECT h.key FROM unnest((holds).keys, (holds).relids) AS h (key, relid) WHERE h.relid IS NULL OR h.relid = s.relid)))
$$;
COMMENT ON FUNCTION personalize.erase_free_internal(personalize.erase_step, text[], personalize.erase_holds) IS
	'The keys of those whose rows of the relation of a step no legal hold is on';

CREATE OR REPLACE FUNCTION personalize.erase_cut_later_internal(s personalize.erase_step, steps personalize.erase_step[], holds personalize.erase_holds)
RETURNS boolean
LANGUAGE sql STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
	/* a foreign key is cut off where it leads to: there rows may be retained or held */
	WITH RECURSIVE way (path_id) AS (
		SELECT p.via_path_id FROM personalize.registry_path AS p WHERE p.path_id = s.path_id
		UNION
		SELECT p.via_path_id FROM way AS w JOIN personalize.registry_path AS p ON p.path_id = w.path_id)
	SELECT EXISTS (SELECT FROM way AS w JOIN personalize.registry_path AS p ON p.path_id = w.path_id JOIN unnest(steps) AS x ON x.relid = p.relid
		WHERE (x.action = 'retain' AND x.path_id = p.path_id)
			OR EXISTS (SELECT FROM unnest((holds).keys, (holds).relids) AS h (key, relid) WHERE h.relid IS NULL OR h.relid = x.relid))
$$;
COMMENT ON FUNCTION personalize.erase_cut_later_internal(personalize.erase_step, personalize.erase_step[], personalize.erase_holds) IS
	'Whether rows that a path leads to by a foreign key may still lead to the persons, since what they refer to is retained or held';

CREATE OR REPLACE FUNCTION personalize.erase_uses_internal(kind_id integer, keys text[], known_keys text[], known_nos bigint[], begun_at timestamptz, OUT found_keys text[], OUT found_uses bigint[])
RETURNS record
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
	all_keys text[];
	nos bigint[];
	use_nos bigint[];
	use_ids bigint[];
BEGIN
	/* a person can have two numbers: of the time before the first event, and since */
	SELECT known_keys || array_agg(a.key), known_nos || array_agg(a.subject_no) INTO all_keys, nos
		FROM personalize.audit_key AS a WHERE a.kind_id = erase_uses_internal.kind_id AND a.key = ANY (keys);
	IF cardinality(nos) <= 10 THEN
		/* sets are asked for each of few */
		SELECT array_agg(x.no), array_agg(x.id) INTO use_nos, use_ids
			FROM (SELECT s.subject_no AS no, s.usage_id AS id FROM personalize.audit_subject AS s WHERE s.subject_no = ANY (nos)
				UNION ALL
				SELECT w.no, c.usage_id FROM unnest(nos) AS w (no) JOIN personalize.audit_chunk AS c ON c.chunk = (w.no / 15360)::integer
					AND personalize.audit_set_has_internal(c.members, w.no)) AS x;
		IF use_ids IS NULL THEN
			RETURN;
		END IF;
		SELECT array_agg(x.key), array_agg(x.uses) INTO found_keys, found_uses
			FROM (SELECT all_keys[array_position(nos, d.no)] AS key, count(DISTINCT d.id) AS uses
				FROM (SELECT s.no, s.id FROM unnest(use_nos, use_ids) AS s (no, id)
					UNION ALL
					/* sets of everybody after a crash */
					SELECT s.no, u.usage_id FROM unnest(use_nos, use_ids) AS s (no, id)
						JOIN personalize.audit_use AS u ON u.everybody_id IS NOT NULL AND u.everybody_id = s.id) AS d
				/* not those of the erasure itself; by index, one by one */
				WHERE (SELECT true FROM personalize.audit_use AS u WHERE u.usage_id = d.id AND (u.pid <> pg_backend_pid() OR u.started_at < begun_at)
					UNION ALL
					SELECT true FROM personalize.audit_open AS o WHERE o.usage_id = d.id AND (o.pid <> pg_backend_pid() OR o.started_at < begun_at) LIMIT 1)
				GROUP BY 1) AS x;
	ELSIF cardinality(nos) > 10 THEN
		/* each set is unpacked once; planned for how many there are */
		EXECUTE $many$
			SELECT array_agg(x.key), array_agg(x.uses)
			FROM (WITH who AS (
					SELECT u.key, u.no FROM unnest($1, $2) AS u (key, no)
				), single AS MATERIALIZED (
					SELECT s.subject_no, s.usage_id FROM personalize.audit_subject AS s WHERE s.subject_no = ANY ($2)
					UNION ALL
					SELECT m.no, c.usage_id FROM personalize.audit_chunk AS c CROSS JOIN LATERAL personalize.audit_set_members_internal(c.members, c.chunk) AS m (no)
					WHERE c.chunk = ANY (ARRAY(SELECT DISTINCT (u.no / 15360)::integer FROM unnest($2) AS u (no))) AND m.no = ANY ($2)
				), used AS (
					SELECT s.subject_no, s.usage_id FROM single AS s
					UNION ALL
					SELECT s.subject_no, u.usage_id FROM single AS s JOIN personalize.audit_use AS u ON u.everybody_id IS NOT NULL AND u.everybody_id = s.usage_id
				), there AS (
					SELECT u.usage_id FROM personalize.audit_use AS u WHERE u.pid <> pg_backend_pid() OR u.started_at < $3
					UNION ALL
					SELECT o.usage_id FROM personalize.audit_open AS o WHERE o.pid <> pg_backend_pid() OR o.started_at < $3
				)
				SELECT w.key, count(DISTINCT d.usage_id) AS uses
				FROM used AS d JOIN who AS w ON w.no = d.subject_no WHERE d.usage_id IN (SELECT t.usage_id FROM there AS t)
				GROUP BY w.key) AS x
			$many$ INTO found_keys, found_uses USING all_keys, nos, begun_at;
	END IF;
END
$$;
COMMENT ON FUNCTION personalize.erase_uses_internal(integer, text[], text[], bigint[], timestamptz) IS
	'How many uses saw data of each of several persons, as usage_of() would list them, without those of the erasure itself; who has none is left out';

CREATE OR REPLACE FUNCTION personalize.erase_anonymize_internal(s personalize.erase_step, keys text[], pseudonym_keys text[], pseudonyms uuid[])
RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	spec jsonb;
	names text[];
BEGIN
	spec := personalize.anonymous_spec_internal(s.path_id, s.columns, s.action = 'retain');
	names := ARRAY(SELECT k.name FROM jsonb_object_keys(spec) AS k (name));
	/* the same for everybody, or to each a pseudonym */
	IF cardinality(keys) = 1 OR NOT EXISTS (SELECT FROM jsonb_each(spec) AS e WHERE e.value ? 'pseudonym') THEN
		RETURN personalize.rights_run_set_internal(s.path_id, personalize.rights_update_text_internal(s.path_id, names, s.condition), keys,
			personalize.anonymous_values_internal(spec, pseudonyms[array_position(pseudonym_keys, keys[1])]));
	END IF;
	RETURN personalize.rights_run_set_internal(s.path_id, personalize.rights_update_each_internal(s.path_id, names, s.condition), keys,
		(SELECT jsonb_object_agg(u.key, personalize.anonymous_values_internal(spec, u.pseudonym))
			FROM unnest(pseudonym_keys, pseudonyms) AS u (key, pseudonym)));
END
$$;
COMMENT ON FUNCTION personalize.erase_anonymize_internal(personalize.erase_step, text[], text[], uuid[]) IS
	'Anonymizes the rows of a step of an erasure, or columns of rows that are retained; returns how many';

CREATE OR REPLACE FUNCTION personalize.erase_certificates_internal(keys text[], steps personalize.erase_step[], tally personalize.erase_tally, known_keys text[], known_nos bigint[], used_keys text[], used_times bigint[], copies jsonb[], erased_at timestamptz, common jsonb)
RETURNS TABLE (place bigint, key text, subject_no bigint, there boolean, certificate jsonb)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT ROWS 1000
SET search_path = pg_catalog, pg_temp
SET enable_nestloop = off	/* nobody knows how many keys there are */
SET work_mem = '64MB'
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY
	WITH who AS (
		SELECT k.key, k.copies, k.place FROM unnest(keys, copies) WITH ORDINALITY AS k (key, copies, place)
	), counted AS (
		SELECT w.place, sum(f.rows) AS total,
			jsonb_agg(CASE WHEN x.action = 'retain' THEN jsonb_strip_nulls(jsonb_build_object('relation', x.relation_name,
						'action', CASE WHEN f.held THEN 'hold' ELSE x.action END, 'rows', coalesce(f.rows, 0), 'reason', x.reason,
						/* what an earlier erasure has retained goes when that said, with what came since */
						'until', coalesce((SELECT r.until FROM personalize.retained AS r WHERE r.path_id = x.path_id AND r.key = w.key), erased_at + x.keep_for),
						'anonymized', CASE WHEN NOT coalesce(f.held, false) THEN nullif((SELECT jsonb_agg(y.name ORDER BY y.name COLLATE "C") FROM jsonb_object_keys(x.columns) AS y (name)), '[]') END))
					ELSE jsonb_build_object('relation', x.relation_name, 'action', CASE WHEN f.held THEN 'hold' ELSE x.action END, 'rows', coalesce(f.rows, 0)) END
				ORDER BY x.step) AS relations
		FROM who AS w CROSS JOIN unnest(steps) AS x
			LEFT JOIN unnest(tally.steps, tally.keys, tally.rows, tally.held) AS f (step, key, rows, held) ON f.key = w.key AND f.step = x.step
		GROUP BY w.place
	), spoke AS (
		SELECT e.subject_no, count(*) AS events FROM personalize.consent_event AS e WHERE e.subject_no = ANY (known_nos) GROUP BY e.subject_no
	)
	SELECT w.place, w.key, n.subject_no, n.subject_no IS NOT NULL OR coalesce(c.total, 0) > 0 OR coalesce(u.uses, 0) > 0,
		common || jsonb_build_object('certificate_id', gen_random_uuid(),
			/* each its own, by which the tombstone is found */
			'erased_at', erased_at + (w.place - 1) * interval '1 microsecond',
			'relations', coalesce(c.relations, '[]'), 'consent_events', coalesce(e.events, 0), 'uses', coalesce(u.uses, 0),
			'subjects', CASE WHEN n.subject_no IS NULL AND coalesce(c.total, 0) = 0 AND coalesce(u.uses, 0) = 0 THEN 0 ELSE 1 END)
			|| CASE WHEN w.copies IS NULL THEN '{}' ELSE jsonb_build_object('copies', w.copies) END
	FROM who AS w LEFT JOIN counted AS c ON c.place = w.place
		LEFT JOIN unnest(known_keys, known_nos) AS n (key, subject_no) ON n.key = w.key
		LEFT JOIN spoke AS e ON e.subject_no = n.subject_no
		LEFT JOIN unnest(used_keys, used_times) AS u (key, uses) ON u.key = w.key
	ORDER BY w.place;
END
$$;
COMMENT ON FUNCTION personalize.erase_certificates_internal(text[], personalize.erase_step[], personalize.erase_tally, text[], bigint[], text[], bigint[], jsonb[], timestamptz, jsonb) IS
	'The certificates of an erasure, in the order of the keys, from what was counted by step and person';

CREATE OR REPLACE FUNCTION personalize.erase_forget_internal(kind_id integer, keys text[], erased_at timestamptz[], known_keys text[], known_nos bigint[])
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan	/* by index, however many there are */
AS $$
#variable_conflict use_column
BEGIN
	UPDATE personalize.consent_event AS e
		SET evidence = NULL, app_user = NULL, reason = NULL,
			notice = CASE WHEN personalize.keys_in_internal(e.notice, ARRAY[u.key], true, 0) IS NULL THEN e.notice
				WHEN personalize.text_names_internal(e.notice, ARRAY[u.key]) THEN NULL ELSE e.notice END,
			method = CASE WHEN personalize.keys_in_internal(e.method, ARRAY[u.key], true, 0) IS NULL THEN e.method
				WHEN personalize.text_names_internal(e.method, ARRAY[u.key]) THEN NULL ELSE e.method END
		FROM unnest(known_keys, known_nos) AS u (key, no) WHERE e.subject_no = u.no;
	PERFORM personalize.scrub_internal(erase_forget_internal.kind_id, keys);
	IF EXISTS (SELECT FROM personalize.rectification AS x WHERE x.subject_no = ANY (known_nos)) OR EXISTS (SELECT FROM personalize.request AS q WHERE q.subject_no = ANY (known_nos)) THEN
		UPDATE personalize.rectification AS x SET before = NULL, after = NULL WHERE x.subject_no = ANY (known_nos);
		UPDATE personalize.request AS q SET details = NULL, verification = NULL, result = NULL WHERE q.subject_no = ANY (known_nos);
	END IF;
	INSERT INTO personalize.tombstone AS t (digest, kind_id, erased_at)
		SELECT DISTINCT ON (x.digest) x.digest, erase_forget_internal.kind_id, x.at
		FROM (SELECT personalize.tombstone_digest_internal(erase_forget_internal.kind_id, u.key) AS digest, u.at FROM unnest(keys, erased_at) AS u (key, at)
			UNION ALL
			/* what a key may turn out to be, while its kind has no type */
			SELECT personalize.tombstone_digest_internal(erase_forget_internal.kind_id, f.form), u.at
			FROM unnest(keys, erased_at) AS u (key, at) CROSS JOIN LATERAL unnest(personalize.key_forms_internal(erase_forget_internal.kind_id, u.key)) AS f (form)
			WHERE (SELECT k.key_type FROM personalize.registry_kind AS k WHERE k.kind_id = erase_forget_internal.kind_id) IS NULL) AS x
		ORDER BY x.digest, x.at DESC
		ON CONFLICT (digest) DO UPDATE SET erased_at = EXCLUDED.erased_at;
	UPDATE personalize.subject AS s SET key = NULL, tombstoned = true WHERE s.subject_no = ANY (known_nos);
	UPDATE personalize.audit_key AS a SET key = NULL
		WHERE a.kind_id = erase_forget_internal.kind_id AND a.key = ANY (keys);
END
$$;
COMMENT ON FUNCTION personalize.erase_forget_internal(integer, text[], timestamptz[], text[], bigint[]) IS
	'Takes the keys of erased persons out of ledger, record and free text, and leaves tombstones';
