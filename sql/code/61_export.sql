/*
 * Access and portability: what is held about a person, in one document or row
 * by row (GDPR Art. 15 and 20, CCPA 1798.110).
 */
CREATE OR REPLACE FUNCTION personalize.rights_export_internal(path_id integer, condition text, key text, without text[]) RETURNS SETOF jsonb
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE ROWS 100 AS 'MODULE_PATHNAME', 'personalize_rights_export';
COMMENT ON FUNCTION personalize.rights_export_internal(integer, text, text, text[]) IS
	'Rows of one subject in a relation as jsonb, without some columns, as its owner; the subject is $1 in the condition';

CREATE OR REPLACE FUNCTION personalize.rights_first_internal(path_id integer)
RETURNS text
LANGUAGE sql STABLE STRICT PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT personalize.rights_is_internal(p.path_id) || coalesce((SELECT string_agg(format(' AND (%s) IS NOT TRUE', personalize.rights_is_internal(o.path_id)), '' ORDER BY o.path_id)
		FROM personalize.registry_path AS o WHERE o.relid = p.relid AND o.kind_id = p.kind_id AND o.path_id < p.path_id), '')
	FROM personalize.registry_path AS p WHERE p.path_id = $1
$$;
COMMENT ON FUNCTION personalize.rights_first_internal(integer) IS
	'The condition on rows of the person with key $1 that no earlier path of the relation has';

CREATE OR REPLACE FUNCTION personalize.rights_begin_internal(kind text, subject text, OUT kind_id integer, OUT key text, OUT subject_no bigint)
RETURNS record
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM personalize.registry_begin_internal();
	rights_begin_internal.kind_id := personalize.kind_id_internal(rights_begin_internal.kind);
	rights_begin_internal.key := personalize.canonical_key_internal(rights_begin_internal.kind, rights_begin_internal.subject);
	SELECT s.subject_no INTO rights_begin_internal.subject_no FROM personalize.subject AS s
		WHERE s.kind_id = rights_begin_internal.kind_id AND s.key = rights_begin_internal.key;
END
$$;
COMMENT ON FUNCTION personalize.rights_begin_internal(text, text) IS
	'What every function that serves a right begins with: checks, and the canonical key of the person with the number, if there is one';

CREATE OR REPLACE FUNCTION personalize.other_columns_internal(path_id integer)
RETURNS text[]
LANGUAGE sql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	/* a column of a foreign key names nobody by itself */
	SELECT ARRAY(SELECT u.name::text FROM personalize.registry_path AS p JOIN personalize.registry_path AS o ON o.relid = p.relid
			CROSS JOIN LATERAL unnest(o.column_names) AS u (name)
		WHERE p.path_id = $1 AND o.path_id <> p.path_id AND o.via_path_id IS NULL AND u.name <> ALL (p.column_names))
$$;
COMMENT ON FUNCTION personalize.other_columns_internal(integer) IS
	'Columns that lead from a relation to others than the person a path leads to';

CREATE OR REPLACE FUNCTION personalize.export_rows(subject text, kind text DEFAULT 'subject')
RETURNS TABLE (relation text, data jsonb)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER ROWS 1000
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	who record;
	path record;
	done bigint := 0;
BEGIN
	who := personalize.rights_begin_internal(export_rows.kind, export_rows.subject);
	FOR path IN
		SELECT p.path_id, personalize.relation_text_internal(p.relid) AS shown, i.key, count(*) OVER () AS total
			FROM personalize.identities_internal(who.kind_id, who.key) AS i JOIN personalize.registry_path AS p ON p.kind_id = i.kind_id
			WHERE personalize.relation_text_internal(p.relid) IS NOT NULL
			ORDER BY 2, p.path_id, i.subject_no NULLS FIRST
	LOOP
		PERFORM personalize.progress_internal('export_rows', 'reading rows', done, path.total);
		done := done + 1;
		RETURN QUERY SELECT path.shown, x.data
			FROM personalize.rights_export_internal(path.path_id, personalize.rights_first_internal(path.path_id), path.key,
				personalize.other_columns_internal(path.path_id)) AS x (data);
	END LOOP;
	PERFORM personalize.progress_internal('export_rows', NULL);
END
$$;
COMMENT ON FUNCTION personalize.export_rows(text, text) IS
	'Every row that protected relations hold about a person; columns that name other persons are left out';

CREATE OR REPLACE FUNCTION personalize.export_csv(subject text, relation regclass, kind text DEFAULT 'subject')
RETURNS SETOF text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER ROWS 1000
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	who record;
	r personalize.registry_relation;
	path record;
	names text[];
	first boolean := true;
	done bigint := 0;
BEGIN
	who := personalize.rights_begin_internal(export_csv.kind, export_csv.subject);
	r := personalize.protected_relation_internal(export_csv.relation);
	FOR path IN
		SELECT p.path_id, personalize.other_columns_internal(p.path_id) AS others, i.key, count(*) OVER () AS total
			FROM personalize.identities_internal(who.kind_id, who.key) AS i JOIN personalize.registry_path AS p ON p.kind_id = i.kind_id
			WHERE p.relid = r.relid ORDER BY p.path_id, i.subject_no NULLS FIRST
	LOOP
		names := ARRAY(SELECT a.attname::text FROM pg_attribute AS a
			WHERE a.attrelid = r.relid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum);
		PERFORM personalize.progress_internal('export_csv', 'reading rows', done, path.total);
		done := done + 1;
		IF first THEN
			RETURN NEXT (SELECT string_agg('"' || replace(n.name, '"', '""') || '"', ',' ORDER BY n.place)
				FROM unnest(names) WITH ORDINALITY AS n (name, place));
			first := false;
		END IF;
		RETURN QUERY SELECT (SELECT string_agg(coalesce('"' || replace(CASE WHEN n.name = ANY (path.others) THEN NULL ELSE x.data ->> n.name END,
					'"', '""') || '"', ''), ',' ORDER BY n.place)
				FROM unnest(names) WITH ORDINALITY AS n (name, place))
			FROM personalize.rights_export_internal(path.path_id, personalize.rights_first_internal(path.path_id), path.key, '{}') AS x (data);
	END LOOP;
	PERFORM personalize.progress_internal('export_csv', NULL);
	IF first THEN
		RAISE EXCEPTION 'relation % does not lead to subjects of kind "%"', personalize.relation_text_internal(r.relid), export_csv.kind
			USING ERRCODE = 'undefined_object', HINT = 'The view personalize.protected_relations lists the paths.';
	END IF;
END
$$;
COMMENT ON FUNCTION personalize.export_csv(text, regclass, text) IS
	'What one protected relation holds about a person as lines of CSV, the first with the names of the columns; other persons are left out';

CREATE OR REPLACE FUNCTION personalize.export_consents_internal(kind_id integer, key text)
RETURNS jsonb
LANGUAGE sql STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object('record_id', e.record_id, 'recorded_at', e.recorded_at,
			'purpose', p.name, 'action', e.action,
			'categories', CASE WHEN e.categories IS NOT NULL THEN (SELECT jsonb_agg(c.name ORDER BY c.name COLLATE "C")
				FROM personalize.registry_category AS c WHERE c.category_id = ANY (e.categories)) END,
			'explicit', CASE WHEN e.explicit THEN true END, 'expires_at', e.expires_at, 'notice', e.notice, 'language', e.language,
			'method', e.method, 'evidence', e.evidence, 'reason', e.reason)) ORDER BY e.event_id), '[]')
	FROM personalize.subject AS s JOIN personalize.consent_event AS e ON e.subject_no = s.subject_no
		LEFT JOIN personalize.registry_purpose AS p ON p.purpose_id = e.purpose_id
	WHERE s.kind_id = $1 AND s.key = $2
$$;
COMMENT ON FUNCTION personalize.export_consents_internal(integer, text) IS 'Everything a person ever said, as in the ledger';

CREATE OR REPLACE FUNCTION personalize.export_purposes_internal(kind_id integer, key text)
RETURNS jsonb
LANGUAGE sql STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
SET intervalstyle = iso_8601
AS $$
	SELECT coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object('purpose', p.name, 'description', p.description,
			'legal_basis', p.legal_basis, 'special_basis', p.special_basis, 'value_exchange', p.value_exchange,
			'categories', p.categories, 'recipients', p.recipients, 'retention', p.retention::text,
			'automated', CASE WHEN p.automated THEN true END, 'state', d.state, 'permitted', d.permitted)) ORDER BY p.name COLLATE "C"), '[]')
	FROM personalize.purposes AS p JOIN personalize.registry_purpose AS r ON r.name = p.name
		CROSS JOIN LATERAL personalize.decision_internal($1, $2, r.purpose_id, NULL) AS d
	WHERE NOT p.builtin AND (p.retired_at IS NULL OR d.event_id IS NOT NULL)
$$;
COMMENT ON FUNCTION personalize.export_purposes_internal(integer, text) IS
	'The purposes for which data of a person may be used, with legal basis, recipients and retention, and what the person says to each';

CREATE OR REPLACE FUNCTION personalize.export_subject(subject text, kind text DEFAULT 'subject')
RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	who record;
	doc jsonb;
	found_rows bigint;
	most constant bigint := 200000;	/* of one document: a million would take gigabytes to put together */
BEGIN
	who := personalize.rights_begin_internal(export_subject.kind, export_subject.subject);
	/* uses that have ended are in the tables then */
	PERFORM personalize.progress_internal('export_subject', 'waiting for the audit worker');
	PERFORM personalize.audit_sync();
	PERFORM personalize.progress_internal('export_subject', 'putting rows together');
	BEGIN
		SELECT jsonb_agg(jsonb_build_object('relation', x.relation,
				'columns', (SELECT coalesce(jsonb_object_agg(c.column_name, jsonb_strip_nulls(jsonb_build_object('category', g.name,
						'special', CASE WHEN g.special THEN true END, 'source', c.source))), '{}')
					FROM personalize.registry_column AS c JOIN personalize.registry_category AS g ON g.category_id = c.category_id
					WHERE c.relid = to_regclass(x.relation)),
				'withheld_columns', (SELECT coalesce(jsonb_agg(DISTINCT u.name), '[]')
					FROM personalize.registry_path AS o CROSS JOIN LATERAL unnest(o.column_names) AS u (name)
					WHERE o.relid = to_regclass(x.relation) AND NOT EXISTS (SELECT FROM jsonb_object_keys(x.one) AS k (name) WHERE k.name = u.name::text)),
				'rows', x.rows) ORDER BY x.relation COLLATE "C"), sum(jsonb_array_length(x.rows))
			INTO doc, found_rows
			FROM (SELECT e.relation, jsonb_agg(e.data) AS rows, min(e.data::text)::jsonb AS one
				FROM (SELECT y.* FROM personalize.export_rows(export_subject.subject, export_subject.kind) AS y LIMIT most + 1) AS e
				GROUP BY e.relation) AS x;
		IF found_rows > most THEN
			RAISE EXCEPTION USING ERRCODE = 'program_limit_exceeded';
		END IF;
	EXCEPTION WHEN program_limit_exceeded THEN
		RAISE EXCEPTION 'the data of the subject does not fit into one document'
			USING ERRCODE = 'program_limit_exceeded', HINT = 'Use export_rows(), or export_csv() for each relation.';
	END;
	PERFORM personalize.progress_internal('export_subject', 'reading what was said and used');
	doc := jsonb_build_object('format', 'personalize export 1', 'exported_at', clock_timestamp(), 'kind', export_subject.kind, 'subject', who.key,
		'also_known_as', (SELECT coalesce(jsonb_agg(jsonb_build_object('kind', k.name, 'subject', i.key) ORDER BY i.subject_no), '[]')
			FROM personalize.identities_internal(who.kind_id, who.key) AS i JOIN personalize.registry_kind AS k ON k.kind_id = i.kind_id
			WHERE (i.kind_id, i.key) <> (who.kind_id, who.key)),
		'controller', (SELECT to_jsonb(c) - 'only_row' FROM personalize.controller AS c),
		'data', coalesce(doc, '[]'),
		'purposes', personalize.export_purposes_internal(who.kind_id, who.key),
		'consents', personalize.export_consents_internal(who.kind_id, who.key),
		'uses', (SELECT coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object('at', u.started_at, 'purpose', u.purpose, 'legal_basis', u.legal_basis,
				'relation', u.relation_name, 'columns', u.columns, 'categories', u.categories, 'explanation', u.context,
				'status', u.status, 'precision', u.precision)) ORDER BY u.usage_id), '[]')
			FROM personalize.usage_of(export_subject.subject, kind => export_subject.kind) AS u),
		'corrections', (SELECT coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object('at', r.rectified_at, 'relation', r.relation_name, 'columns', r.columns,
				'rows', r.rows_changed, 'before', r.before, 'after', r.after, 'told', r.notified)) ORDER BY r.rectification_id), '[]')
			FROM personalize.rectification AS r WHERE r.subject_no = who.subject_no),
		'requests', (SELECT coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object('request_id', q.request_id, 'right', q."right", 'regulation', q.regulation,
				'status', q.status, 'reason', q.reason, 'received_at', q.received_at, 'due_at', q.due_at, 'closed_at', q.closed_at)) ORDER BY q.received_at), '[]')
			FROM personalize.request AS q WHERE q.subject_no = who.subject_no))
		|| personalize.export_person_internal(who.subject_no)
		|| personalize.export_experiments_internal(who.subject_no) || personalize.export_outcomes_internal(who.subject_no)
		|| personalize.export_shown_internal(export_subject.subject, export_subject.kind, most)
		|| personalize.export_exclusions_internal(who.kind_id, who.key)
		|| personalize.export_preferences_internal(personalize.numbers_internal(who.subject_no))
		|| jsonb_build_object('incentives', coalesce(personalize.incentives_json_internal(who.kind_id, who.key, NULL), '[]'));
	PERFORM personalize.progress_internal('export_subject', NULL);
	RETURN doc;
END
$$;
COMMENT ON FUNCTION personalize.export_subject(text, text) IS
	'Everything about a person in one document: data with category and source, purposes, consents, uses with their explanation, what was shown and why, preferences, incentives, corrections, requests (GDPR Art. 15 and 20); other persons are left out';
