/*
 * Exclusions of minors, of who is erased and of who has several identities; what status()
 * and exports say of exclusions.
 */

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

CREATE OR REPLACE FUNCTION personalize.exclusion_wrong_internal(exclusion_id integer)
RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	e personalize.exclusion;
BEGIN
	SELECT x.* INTO e FROM personalize.exclusion AS x WHERE x.exclusion_id = exclusion_wrong_internal.exclusion_id;
	IF e.condition IS NULL OR personalize.relation_text_internal(e.relation) IS NULL THEN
		RETURN NULL;
	END IF;
	IF e.path_id IS NULL AND NOT EXISTS (SELECT FROM pg_attribute AS a WHERE a.attrelid = e.relation AND a.attname = e.subject AND NOT a.attisdropped) THEN
		RETURN format('column "%s" does not exist', e.subject);
	END IF;
	PERFORM personalize.exclusion_condition_internal(e.relation, e.condition);
	RETURN NULL;
EXCEPTION
	/* no row is looked at, so it names columns and the like, and no value */
	WHEN OTHERS THEN
		RETURN SQLERRM;
END
$$;
COMMENT ON FUNCTION personalize.exclusion_wrong_internal(integer) IS
	'Why the condition of an exclusion cannot be computed any more; NULL if it can';

CREATE OR REPLACE FUNCTION personalize.exclusion_status_internal()
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE sql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 'exclusion'::text, false,
		CASE WHEN w.wrong IS NOT NULL THEN format('exclusion "%s" stops writes to its table: %s', e.name, w.wrong)
			WHEN e.message IS NOT NULL THEN format('exclusion "%s" was not refreshed: %s', e.name, e.message)
			ELSE format('exclusion "%s" is not kept current by a trigger on %s', e.name, coalesce(personalize.relation_text_internal(e.relation), 'its table, which is gone')) END,
		'Call define_exclusion() again, or drop_exclusion().'::text
	FROM personalize.exclusion AS e CROSS JOIN LATERAL (SELECT personalize.exclusion_wrong_internal(e.exclusion_id)) AS w (wrong)
	WHERE e.message IS NOT NULL OR w.wrong IS NOT NULL
		/* partitions have triggers of their own, which can be switched off by themselves */
		OR (e.condition IS NOT NULL AND EXISTS (SELECT FROM (SELECT e.relation AS relid UNION SELECT t.relid FROM pg_partition_tree(e.relation) AS t) AS r
			WHERE NOT EXISTS (SELECT FROM pg_trigger AS g JOIN pg_proc AS f ON f.oid = g.tgfoid
				WHERE g.tgrelid = r.relid AND g.tgname = 'personalize_exclusion_' || e.exclusion_id AND g.tgenabled IN ('A', 'O')
					AND f.pronamespace = 'personalize'::regnamespace AND f.proname = 'exclusion_changed_internal')))
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
