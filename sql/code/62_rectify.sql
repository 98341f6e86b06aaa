/*
 * Rectification (GDPR Art. 16), with the list of who else must be told (Art. 19).
 */
CREATE OR REPLACE FUNCTION personalize.set_source(relation regclass, "column" name, source text)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	r personalize.registry_relation;
	column_no smallint;
BEGIN
	PERFORM personalize.registry_begin_internal();
	r := personalize.protected_relation_internal(set_source.relation);
	column_no := personalize.column_number_internal(r.relid, set_source."column");
	IF set_source.source NOT IN ('provided', 'observed', 'inferred', 'obtained') THEN
		RAISE EXCEPTION 'source "%" is not known', personalize.shown_internal(set_source.source)
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Use provided, observed, inferred or obtained, or NULL.';
	END IF;
	UPDATE personalize.registry_column AS c SET source = set_source.source WHERE c.relid = r.relid AND c.attnum = column_no;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'column %.% is not classified', personalize.relation_text_internal(r.relid), quote_ident(set_source."column")
			USING ERRCODE = 'undefined_object', HINT = 'Call personalize.classify() first.';
	END IF;
END
$$;
COMMENT ON FUNCTION personalize.set_source(regclass, name, text) IS
	'Says where the data of a column comes from: provided by the person, observed, inferred, or obtained from others';

CREATE OR REPLACE FUNCTION personalize.recipients_internal(relid oid, columns text[])
RETURNS text[]
LANGUAGE sql STABLE PARALLEL SAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT ARRAY(SELECT DISTINCT u.recipient
		FROM personalize.registry_column AS c
			JOIN personalize.registry_purpose_category AS x ON x.category_id = c.category_id
			JOIN personalize.registry_purpose AS p ON p.purpose_id = x.purpose_id AND p.retired_at IS NULL
			CROSS JOIN LATERAL unnest(p.recipients) AS u (recipient)
		WHERE c.relid = $1 AND c.column_name::text = ANY ($2) ORDER BY 1)
$$;
COMMENT ON FUNCTION personalize.recipients_internal(oid, text[]) IS
	'Recipients of purposes that need categories of these columns';

CREATE OR REPLACE FUNCTION personalize.rectify_subject(subject text, relation regclass, changes jsonb, kind text DEFAULT 'subject')
RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	who record;
	r personalize.registry_relation;
	names text[];
	before jsonb := '[]';
	found_rows bigint;
	total bigint := 0;
	id bigint;
	recipients text[];
	paths bigint;
	mine text;
	first_of integer;
BEGIN
	who := personalize.rights_begin_internal(rectify_subject.kind, rectify_subject.subject);
	r := personalize.protected_relation_internal(rectify_subject.relation);
	IF changes IS NULL OR jsonb_typeof(changes) <> 'object' OR changes = '{}' THEN
		RAISE EXCEPTION 'changes must be an object of columns and their new values'
			USING ERRCODE = 'invalid_parameter_value', HINT = 'For example ''{"city": "Berlin"}''.';
	END IF;
	names := ARRAY(SELECT k.name FROM jsonb_object_keys(changes) AS k (name) ORDER BY k.name COLLATE "C");
	PERFORM personalize.column_number_internal(r.relid, n.name::name) FROM unnest(names) AS n (name);
	IF EXISTS (SELECT FROM personalize.registry_path AS p CROSS JOIN LATERAL unnest(p.column_names) AS u (name)
		WHERE p.relid = r.relid AND u.name::text = ANY (names)) THEN
		RAISE EXCEPTION 'a column that leads to a subject cannot be rectified'
			USING ERRCODE = 'feature_not_supported', HINT = 'It says whose the row is, not what is said about the person.';
	END IF;
	IF personalize.triggers_pending_internal() THEN
		RAISE EXCEPTION 'data cannot be rectified while triggers or checks of constraints are deferred in the same transaction'
			USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'COMMIT first, or SET CONSTRAINTS ALL IMMEDIATE.';
	END IF;
	SET CONSTRAINTS ALL IMMEDIATE;
	SELECT string_agg(personalize.rights_is_internal(p.path_id), ' OR ' ORDER BY p.path_id), min(p.path_id), count(*) INTO mine, first_of, paths
		FROM personalize.registry_path AS p WHERE p.relid = r.relid AND p.kind_id = who.kind_id AND p.ownership = 'owner';
	IF paths = 0 THEN
		RAISE EXCEPTION 'relation % does not belong to subjects of kind "%"', personalize.relation_text_internal(r.relid), rectify_subject.kind
			USING ERRCODE = 'undefined_object', HINT = 'The view personalize.protected_relations lists the paths.';
	END IF;
	/* what it was, as long as there are few rows */
	SELECT coalesce(jsonb_agg(x.part), '[]'), count(*) INTO before, found_rows
		FROM (SELECT (SELECT jsonb_object_agg(n.name, e.data -> n.name) FROM unnest(names) AS n (name)) AS part
			FROM personalize.rights_export_internal(first_of, mine, who.key, '{}') AS e (data) LIMIT 1001) AS x;
	IF found_rows > 1000 THEN
		before := NULL;
	END IF;
	total := personalize.rights_run_internal(first_of, personalize.rights_update_text_internal(first_of, names, mine), who.key, changes);
	recipients := personalize.recipients_internal(r.relid, names);
	IF total > 0 THEN
		INSERT INTO personalize.rectification AS x (subject_no, relation_name, columns, rows_changed, before, after, recipients, rectified_by)
			VALUES (coalesce(who.subject_no, personalize.subject_no_internal(who.kind_id, who.key, true)),
				personalize.relation_text_internal(r.relid), names, total, before, changes, recipients, session_user)
			RETURNING x.rectification_id INTO id;
	END IF;
	RETURN jsonb_strip_nulls(jsonb_build_object('rectification_id', id, 'relation', personalize.relation_text_internal(r.relid), 'columns', names,
		'rows', total, 'recipients_to_notify', CASE WHEN total > 0 THEN to_jsonb(recipients) END));
END
$$;
COMMENT ON FUNCTION personalize.rectify_subject(text, regclass, jsonb, text) IS
	'Corrects columns of all rows of a person in a relation, keeps what they were, and names the recipients that must be told';

CREATE OR REPLACE FUNCTION personalize.recipient_notified(rectification_id bigint, recipient text)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM personalize.registry_begin_internal();
	UPDATE personalize.rectification AS x SET notified = x.notified || recipient
		WHERE x.rectification_id = recipient_notified.rectification_id AND recipient = ANY (x.recipients) AND recipient <> ALL (x.notified);
	IF NOT FOUND THEN
		RAISE EXCEPTION 'there is nothing to tell that recipient of'
			USING ERRCODE = 'undefined_object', HINT = 'The view personalize.notifications lists who must be told of what.';
	END IF;
END
$$;
COMMENT ON FUNCTION personalize.recipient_notified(bigint, text) IS 'Notes that a recipient was told of a correction';

CREATE OR REPLACE VIEW personalize.notifications AS
	SELECT r.rectification_id, r.relation_name, r.columns, r.rectified_at, u.recipient
	FROM personalize.rectification AS r CROSS JOIN LATERAL pg_catalog.unnest(r.recipients) AS u (recipient)
	WHERE u.recipient <> ALL (r.notified);
COMMENT ON VIEW personalize.notifications IS 'Recipients that were not told yet of a correction (GDPR Art. 19)';
