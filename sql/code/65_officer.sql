/*
 * What a privacy officer reads: the record of processing, findings, the notice.
 */
CREATE OR REPLACE VIEW personalize.record_of_processing AS
	SELECT p.name AS purpose, p.description, p.legal_basis, p.special_basis, p.categories, p.recipients, p.retention, p.automated,
		ARRAY(SELECT DISTINCT pg_catalog.format('%I.%I', r.schema_name, r.relation_name)
			FROM personalize.registry_purpose_category AS x
				JOIN personalize.registry_column AS c ON c.category_id = x.category_id
				JOIN personalize.registry_relation AS r ON r.relid = c.relid
			WHERE x.purpose_id = q.purpose_id ORDER BY 1) AS relations,
		ARRAY(SELECT DISTINCT k.name FROM personalize.registry_purpose_category AS x
				JOIN personalize.registry_column AS c ON c.category_id = x.category_id
				JOIN personalize.registry_path AS w ON w.relid = c.relid
				JOIN personalize.registry_kind AS k ON k.kind_id = w.kind_id
			WHERE x.purpose_id = q.purpose_id ORDER BY 1) AS kinds_of_subjects,
		p.granted_to AS roles, n.name AS controller, n.contact, n.storage_locations, p.defined_at, p.changed_at
	FROM personalize.purposes AS p JOIN personalize.registry_purpose AS q ON q.name = p.name
		LEFT JOIN personalize.controller AS n ON true
	WHERE NOT p.builtin AND p.retired_at IS NULL;
COMMENT ON VIEW personalize.record_of_processing IS
	'Record of processing activities (GDPR Art. 30), a row for each purpose';

CREATE OR REPLACE VIEW personalize.data_inventory AS
	SELECT pg_catalog.format('%I.%I', r.schema_name, r.relation_name) AS relation_name, c.column_name::text AS "column",
		pg_catalog.format_type(a.atttypid, a.atttypmod) AS type, g.name AS category, g.special, c.source,
		ARRAY(SELECT p.name FROM personalize.registry_purpose_category AS x
				JOIN personalize.registry_purpose AS p ON p.purpose_id = x.purpose_id AND p.retired_at IS NULL
			WHERE x.category_id = c.category_id ORDER BY p.name COLLATE "C") AS purposes
	FROM personalize.registry_column AS c
		JOIN personalize.registry_relation AS r ON r.relid = c.relid
		JOIN personalize.registry_category AS g ON g.category_id = c.category_id
		LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.relid AND a.attnum = c.attnum;
COMMENT ON VIEW personalize.data_inventory IS
	'Which columns hold what personal data, where it comes from and which purposes need it';

CREATE OR REPLACE FUNCTION personalize.lint()
RETURNS TABLE (finding text, object text, hint text)
LANGUAGE sql STABLE PARALLEL RESTRICTED SECURITY DEFINER ROWS 50
SET search_path = pg_catalog, pg_temp
AS $$
	WITH guarded AS (
		SELECT r.relid FROM personalize.registry_relation AS r
		UNION SELECT d.id FROM personalize.registry_relation AS r CROSS JOIN LATERAL personalize.descendants_internal(r.relid) AS d (id)
	), found (finding, object, hint) AS (
		SELECT 'looks like personal data in a relation that is not protected', format('%I.%I.%I', n.nspname, c.relname, a.attname),
				'protect() the relation, or leave it if it is about nobody.'
			FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
			WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't' AND a.attnum > 0 AND NOT a.attisdropped
				AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'personalize') AND left(n.nspname, 8) NOT IN ('pg_toast', 'pg_temp_')
				AND c.oid NOT IN (SELECT g.relid FROM guarded AS g)
				AND a.attname::text ~* '(^|_)(e?_?mail|phone|mobile|fax|first_?name|last_?name|middle_?name|full_?name|user_?name|surname|birth_?(date|day)?|date_of_birth|dob|street|address|post_?code|zip_?(code)?|iban|card_?number|ssn|passport|tax_?id|gender|sex|religion|ethnicity|diagnosis|salary|ip_?(addr|address)?|cookie_?(id)?|device_?id|latitude|longitude)($|_)'
		UNION ALL
		SELECT 'column is not classified, so no purpose can use it', format('%s.%I', personalize.relation_text_internal(r.relid), a.attname), 'classify() it.'
			FROM personalize.registry_relation AS r JOIN pg_attribute AS a ON a.attrelid = r.relid AND a.attnum > 0 AND NOT a.attisdropped
			WHERE NOT EXISTS (SELECT FROM personalize.registry_column AS c WHERE c.relid = r.relid AND c.attnum = a.attnum)
		UNION ALL
		SELECT 'rows without a subject belong to nobody and cannot be erased', personalize.relation_text_internal(r.relid),
				'Make the column NOT NULL, or protect another way to the person.'
			FROM personalize.registry_relation AS r
			WHERE EXISTS (SELECT FROM personalize.registry_path AS p WHERE p.relid = r.relid)
				AND NOT EXISTS (SELECT FROM personalize.registry_path AS p CROSS JOIN LATERAL unnest(p.columns) AS u (attnum)
					JOIN pg_attribute AS a ON a.attrelid = p.relid AND a.attnum = u.attnum WHERE p.relid = r.relid AND a.attnotnull)
		UNION ALL
		SELECT 'no index begins with a subject column: erasure and access read the whole relation',
				format('%s.%I', personalize.relation_text_internal(p.relid), p.column_names[1]), 'CREATE INDEX on it.'
			FROM personalize.registry_path AS p
			WHERE personalize.relation_text_internal(p.relid) IS NOT NULL
				AND NOT EXISTS (SELECT FROM pg_index AS i WHERE i.indrelid = p.relid AND i.indisvalid AND i.indkey[0] = p.columns[1])
		UNION ALL
		SELECT 'materialized view may hold rows of a protected relation', personalize.relation_text_internal(m.id),
				'REFRESH it under a purpose with may_copy, or drop it; erasure does not reach it.'
			FROM personalize.registry_relation AS r CROSS JOIN LATERAL personalize.materialized_over_internal(r.relid) AS m (id)
		UNION ALL
		SELECT 'rows of a protected relation were copied to a relation that is not protected', format('%s (from %s)', x.copy, x.source),
				'protect() the copy too, or drop it; erasure does not reach it.'
			FROM personalize.copied AS x WHERE x.copy::oid NOT IN (SELECT g.relid FROM guarded AS g)
				AND EXISTS (SELECT FROM pg_class AS c WHERE c.oid = x.copy)
		UNION ALL
		SELECT 'refers to a protected relation and is not protected itself', format('%s (%s)', personalize.relation_text_internal(f.conrelid), f.conname),
				'protect() it if it says something about the person.'
			FROM pg_constraint AS f
			WHERE f.contype = 'f' AND f.conparentid = 0 AND f.confrelid IN (SELECT g.relid FROM guarded AS g)
				AND f.conrelid NOT IN (SELECT g.relid FROM guarded AS g)
		UNION ALL
		SELECT 'a cascade could destroy what proves consent', format('%s (%s)', personalize.relation_text_internal(f.conrelid), f.conname),
				'Drop the foreign key: the ledger keeps itself.'
			FROM pg_constraint AS f JOIN pg_class AS c ON c.oid = f.conrelid JOIN pg_class AS d ON d.oid = f.confrelid
			WHERE f.contype = 'f' AND (c.relnamespace = 'personalize'::regnamespace OR d.relnamespace = 'personalize'::regnamespace)
		UNION ALL
		SELECT 'purpose says nothing about how long data is kept', p.name, 'define_purpose(..., retention => ...).'
			FROM personalize.registry_purpose AS p WHERE NOT p.builtin AND p.retired_at IS NULL AND p.retention IS NULL
		UNION ALL
		SELECT 'nobody said how long rows are kept', personalize.relation_text_internal(r.relid), 'set_retention(), with a time or by its purposes.'
			FROM personalize.registry_relation AS r WHERE r.mode = 'enforce' AND NOT EXISTS (SELECT FROM personalize.registry_retention AS x WHERE x.relid = r.relid)
		UNION ALL
		SELECT 'rows are kept as long as purposes need them, and that has no end', personalize.relation_text_internal(x.relation::oid),
				coalesce('define_purpose(..., retention => ...): ' || array_to_string(x.purposes_without_end, ', ') || '.',
					'No purpose may use them: delete them, or set_retention() with a time.')
			FROM personalize.retention AS x WHERE x.by_purposes AND x.keep_for IS NULL
		UNION ALL
		SELECT 'purpose lists no category: it can use only columns of category none', p.name, 'define_purpose(..., categories => ...).'
			FROM personalize.registry_purpose AS p WHERE NOT p.builtin AND p.retired_at IS NULL
				AND NOT EXISTS (SELECT FROM personalize.registry_purpose_category AS x WHERE x.purpose_id = p.purpose_id)
		UNION ALL
		SELECT 'purpose asks for consent and does not say what the person gets', p.name, 'define_purpose(..., value_exchange => ...).'
			FROM personalize.registry_purpose AS p WHERE NOT p.builtin AND p.retired_at IS NULL AND p.value_exchange IS NULL
				AND p.legal_basis IN ('consent', 'explicit_consent')
		UNION ALL
		SELECT 'purpose asks for consent and no notice is about it', p.name, 'define_notice(..., purposes => ...).'
			FROM personalize.registry_purpose AS p WHERE NOT p.builtin AND p.retired_at IS NULL
				AND p.legal_basis IN ('consent', 'explicit_consent')
				AND NOT EXISTS (SELECT FROM personalize.notice_name AS n JOIN personalize.notice_version AS v ON v.notice_id = n.newest
					WHERE personalize.notice_covers_internal(v.purposes, p.purpose_id))
		UNION ALL
		SELECT 'notice is not there in the language of the controller', format('%s/%s', v.name, v.version), 'define_notice() the version in that language, too.'
			FROM personalize.notice_name AS n JOIN personalize.notice_version AS v ON v.notice_id = n.newest
				JOIN personalize.controller AS c ON c.language IS NOT NULL
			WHERE NOT EXISTS (SELECT FROM personalize.notice_text AS t
				WHERE t.notice_id = v.notice_id AND t.language IN (lower(c.language), split_part(lower(c.language), '-', 1)))
		UNION ALL
		SELECT 'purpose that is opt-out somewhere does not rest on consent any more', format('%s (%s)', p.name, m.jurisdiction),
				'set_purpose_jurisdiction(..., NULL), if that is meant.'
			FROM personalize.jurisdiction_model AS m JOIN personalize.registry_purpose AS p ON p.purpose_id = m.purpose_id
			WHERE m.model = 'opt_out' AND p.retired_at IS NULL AND p.legal_basis <> 'consent'
		UNION ALL
		SELECT 'purpose is granted to nobody', p.name, 'grant_purpose(), or retire_purpose().'
			FROM personalize.registry_purpose AS p WHERE NOT p.builtin AND p.retired_at IS NULL
				AND NOT EXISTS (SELECT FROM personalize.registry_grant AS g WHERE g.purpose_id = p.purpose_id)
		UNION ALL
		SELECT 'nobody said who answers for the data', 'personalize.controller', 'describe_controller(...).'
			WHERE NOT EXISTS (SELECT FROM personalize.controller AS c WHERE c.name IS NOT NULL AND c.contact IS NOT NULL))
	SELECT f.finding, f.object, f.hint FROM found AS f ORDER BY f.finding COLLATE "C", f.object COLLATE "C"
$$;
COMMENT ON FUNCTION personalize.lint() IS
	'Findings in the schema and the registry that a privacy officer should look at';

CREATE OR REPLACE FUNCTION personalize.html_internal(words text)
RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT replace(replace(replace(replace($1, '&', '&amp;'), '<', '&lt;'), '>', '&gt;'), '"', '&quot;')
$$;
COMMENT ON FUNCTION personalize.html_internal(text) IS 'A text as it stands in HTML';

CREATE OR REPLACE FUNCTION personalize.privacy_notice(format text DEFAULT 'markdown')
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET intervalstyle = postgres
AS $$
DECLARE
	c personalize.controller;
	p record;
	lines text[] := '{}';
	line text;
	html text := '';
	in_list boolean := false;
BEGIN
	IF privacy_notice.format IS NULL OR privacy_notice.format NOT IN ('markdown', 'html') THEN
		RAISE EXCEPTION 'format "%" is not known', personalize.shown_internal(coalesce(privacy_notice.format, 'null'))
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Use markdown or html.';
	END IF;
	SELECT x.* INTO c FROM personalize.controller AS x;
	lines := lines || 'How we use your data'::text;
	lines := lines || format('%s is responsible.%s', coalesce(c.name, 'Nobody said who'),
		coalesce(' You reach us at ' || c.contact || '.', ''));
	FOR p IN SELECT x.* FROM personalize.purposes AS x WHERE NOT x.builtin AND x.retired_at IS NULL ORDER BY x.name COLLATE "C" LOOP
		lines := lines || ('# ' || p.name);
		lines := lines || regexp_replace(p.description, '([^.!?])$', E'\\1.');
		lines := lines || ('- Why we may: ' || CASE p.legal_basis
			WHEN 'consent' THEN 'you agreed. You can take it back at any time; what was done before stays lawful.'
			WHEN 'explicit_consent' THEN 'you agreed expressly. You can take it back at any time; what was done before stays lawful.'
			WHEN 'contract' THEN 'we need it to do what we agreed with you.'
			WHEN 'legal_obligation' THEN 'the law obliges us.'
			WHEN 'vital_interest' THEN 'it protects somebody''s life.'
			WHEN 'public_interest' THEN 'it is a task in the public interest.'
			ELSE 'we have a legitimate interest. You can object at any time.' END);
		lines := lines || ('- What we use: ' || CASE WHEN cardinality(p.categories) = 0 THEN 'nothing personal' ELSE array_to_string(p.categories, ', ') END || '.');
		IF p.value_exchange IS NOT NULL THEN
			lines := lines || ('- What you get: ' || regexp_replace(p.value_exchange, '([^.!?])$', E'\\1.'));
		END IF;
		lines := lines || ARRAY(SELECT personalize.incentive_lines_internal(p.name));
		lines := lines || ('- Who gets it: ' || CASE WHEN cardinality(p.recipients) = 0 THEN 'nobody but us' ELSE array_to_string(p.recipients, ', ') END || '.');
		IF p.retention IS NOT NULL THEN
			lines := lines || ('- How long: ' || p.retention::text || '.');
		END IF;
		IF p.automated THEN
			lines := lines || '- Decisions are made by a machine. You can ask for a person to look at them.'::text;
		END IF;
	END LOOP;
	lines := lines || '# Your rights'::text;
	lines := lines || ('You can see your data, have it corrected, restricted, moved or deleted, object, and complain to an authority.'
		|| coalesce(' To take consent back: ' || regexp_replace(c.withdrawal_method, '([^.!?])$', E'\\1.'), ''));
	IF privacy_notice.format = 'markdown' THEN
		RETURN (SELECT string_agg(CASE WHEN x.place = 1 THEN '# ' || x.line WHEN x.line LIKE '# %' THEN E'\n#' || x.line
				WHEN x.line LIKE '- %' THEN x.line ELSE E'\n' || x.line || CASE WHEN x.next LIKE '- %' THEN E'\n' ELSE '' END END, E'\n' ORDER BY x.place)
			FROM (SELECT u.line, u.place, lead(u.line) OVER (ORDER BY u.place) AS next FROM unnest(lines) WITH ORDINALITY AS u (line, place)) AS x) || E'\n';
	END IF;
	FOREACH line IN ARRAY lines LOOP
		IF in_list AND line NOT LIKE '- %' THEN
			html := html || E'</ul>\n';
			in_list := false;
		END IF;
		IF html = '' THEN
			html := format(E'<!DOCTYPE html>\n<html lang="%s">\n<meta charset="utf-8">\n<meta name="viewport" content="width=device-width">\n<title>%s</title>\n<h1>%2$s</h1>\n',
				personalize.html_internal(coalesce(c.language, 'en')), personalize.html_internal(line));
		ELSIF line LIKE '# %' THEN
			html := html || format(E'<h2>%s</h2>\n', personalize.html_internal(substr(line, 3)));
		ELSIF line LIKE '- %' THEN
			html := html || CASE WHEN in_list THEN '' ELSE E'<ul>\n' END || format(E'<li>%s</li>\n', personalize.html_internal(substr(line, 3)));
			in_list := true;
		ELSE
			html := html || format(E'<p>%s</p>\n', personalize.html_internal(line));
		END IF;
	END LOOP;
	RETURN html || E'</html>\n';
END
$$;
COMMENT ON FUNCTION personalize.privacy_notice(text) IS
	'A privacy notice in plain words, made from the registry: markdown or html';
