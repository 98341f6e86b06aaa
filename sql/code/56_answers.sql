/*
 * Audit: questions of a privacy officer beyond the single use.
 */
CREATE OR REPLACE FUNCTION personalize.name_list_internal(names text)
RETURNS text[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT ARRAY(SELECT CASE WHEN m.part[1] LIKE '"%' THEN replace(substr(m.part[1], 2, length(m.part[1]) - 2), '""', '"') ELSE m.part[1] END
		FROM regexp_matches($1, '"(?:[^"]|"")*"|[^, ]+', 'g') WITH ORDINALITY AS m(part, place) ORDER BY m.place)
$$;
COMMENT ON FUNCTION personalize.name_list_internal(text) IS 'The names in a list like usage.categories';

CREATE OR REPLACE FUNCTION personalize.breach_scope(since timestamptz, until timestamptz, relation regclass DEFAULT NULL,
	role name DEFAULT NULL)
RETURNS TABLE (kind text, subject text, categories text[], relations text[], purposes text[], uses bigint,
	first_access timestamptz, last_access timestamptz)
LANGUAGE sql STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT SECURITY DEFINER ROWS 1000
SET search_path = pg_catalog, pg_temp
AS $$
	WITH RECURSIVE above AS (
		/* a row of a partition is used through what it is a part of, too, and the other way round */
		SELECT $3::oid AS relation UNION SELECT i.inhparent FROM above a JOIN pg_inherits i ON i.inhrelid = a.relation
	), below AS (
		SELECT $3::oid AS relation UNION SELECT i.inhrelid FROM below b JOIN pg_inherits i ON i.inhparent = b.relation
	), chosen AS MATERIALIZED (
		/* what a crashed lease stands for may have used every category that its purpose may use */
		SELECT u.usage_id, u.everybody_id, t.purpose, t.relation_name, u.started_at,
			CASE WHEN u.use_no >= 0 THEN t.categories
				ELSE concat_ws(', ', t.categories, (SELECT string_agg('"' || replace(c.name, '"', '""') || '"', ', ')
					FROM personalize.registry_category c WHERE c.name <> 'none' AND (
						EXISTS (SELECT FROM personalize.registry_purpose p WHERE p.purpose_id = t.purpose_id AND p.builtin) OR
						EXISTS (SELECT FROM personalize.registry_purpose_category pc
							WHERE pc.purpose_id = t.purpose_id AND pc.category_id = c.category_id)))) END AS categories,
			COALESCE(GREATEST(u.ended_at, (SELECT max(m.ended_at) FROM personalize.audit_more m WHERE m.usage_id = u.usage_id)),
				statement_timestamp()) AS ended_at
		FROM (SELECT * FROM personalize.audit_use UNION ALL SELECT * FROM personalize.audit_open) AS u
			JOIN personalize.audit_template t ON t.template_id = u.template_id
		WHERE u.status <> 'refused'
		  AND ($3 IS NULL OR t.relation IN (SELECT a.relation FROM above a UNION ALL SELECT b.relation FROM below b))
		  AND ($4 IS NULL OR t.db_role = $4::text OR t.session_role = $4::text)
		  AND u.started_at <= COALESCE($2, 'infinity')
	), within AS (
		SELECT c.usage_id AS set_id, c.* FROM chosen c WHERE c.ended_at >= COALESCE($1, '-infinity')
		UNION ALL
		SELECT c.everybody_id, c.* FROM chosen c
		WHERE c.ended_at >= COALESCE($1, '-infinity') AND c.everybody_id IS NOT NULL
	), hits AS (
		SELECT s.subject_no, w.usage_id, w.purpose, w.relation_name, w.categories, w.started_at, w.ended_at
		FROM within w JOIN personalize.audit_subject s ON s.usage_id = w.set_id
		UNION ALL
		SELECT m.subject_no, w.usage_id, w.purpose, w.relation_name, w.categories, w.started_at, w.ended_at
		FROM within w JOIN personalize.audit_chunk c ON c.usage_id = w.set_id,
			LATERAL personalize.audit_set_members_internal(c.members, c.chunk) AS m(subject_no)
	), people AS (
		/* a person can have two numbers; one who was erased has no key */
		SELECT h.*, COALESCE(s.kind_id, a.kind_id) AS kind_id, COALESCE(s.key, a.key) AS key,
			CASE WHEN COALESCE(s.key, a.key) IS NULL THEN h.subject_no END AS nameless
		FROM hits h
			LEFT JOIN personalize.subject s USING (subject_no)
			LEFT JOIN personalize.audit_key a USING (subject_no)
	), grouped AS (
		SELECT p.kind_id, p.key, p.nameless, p.purpose, p.relation_name, p.categories,
			array_agg(DISTINCT p.usage_id) AS ids, min(p.started_at) AS first_access, max(p.ended_at) AS last_access
		FROM people p GROUP BY 1, 2, 3, 4, 5, 6
	)
	SELECT COALESCE(k.name, CASE g.kind_id WHEN 0 THEN 'subject' END), g.key,
		ARRAY(SELECT DISTINCT n.name FROM unnest(array_agg(g.categories)) AS l(list),
			unnest(personalize.name_list_internal(l.list)) AS n(name) ORDER BY 1),
		array_agg(DISTINCT g.relation_name), array_remove(array_agg(DISTINCT g.purpose), NULL),
		(SELECT count(DISTINCT i.id) FROM unnest(array_agg(array_to_string(g.ids, ','))) AS l(list),
			unnest(string_to_array(l.list, ',')) AS i(id)),
		min(g.first_access), max(g.last_access)
	FROM grouped g LEFT JOIN personalize.registry_kind k ON k.kind_id = g.kind_id
	GROUP BY g.kind_id, k.name, g.key, g.nameless
	ORDER BY 1, g.key COLLATE "C" NULLS LAST
$$;
COMMENT ON FUNCTION personalize.breach_scope(timestamptz, timestamptz, regclass, name) IS
	'Whose data was used in a time, of what categories, first and last: for the notification of a breach (GDPR Art. 33 and 34). The subject is NULL for persons who were erased since; each is a line';

CREATE OR REPLACE VIEW personalize.refusals AS
	SELECT t.db_role, t.relation_name, t.purpose, t.reason, pg_catalog.count(*) AS refusals,
		pg_catalog.min(u.started_at) AS first_seen, pg_catalog.max(u.started_at) AS last_seen
	FROM personalize.audit_use AS u JOIN personalize.audit_template AS t ON t.template_id = u.template_id
	WHERE u.status = 'refused'
	GROUP BY 1, 2, 3, 4;
COMMENT ON VIEW personalize.refusals IS
	'Who was refused what, and why';

CREATE OR REPLACE VIEW personalize.uses_by_day AS
	SELECT (u.started_at AT TIME ZONE 'UTC')::pg_catalog.date AS day, u.purpose, u.legal_basis, u.relation_name,
		pg_catalog.count(*) AS uses, pg_catalog.count(*) FILTER (WHERE u.status <> 'ended') AS not_ended,
		pg_catalog.sum(u.rows_used)::pg_catalog.int8 AS rows_used,
		pg_catalog.sum(u.rows_withheld)::pg_catalog.int8 AS rows_withheld
	FROM personalize.usage AS u
	WHERE u.status <> 'refused'
	GROUP BY 1, 2, 3, 4;
COMMENT ON VIEW personalize.uses_by_day IS
	'Uses of personal data for each purpose, relation and day (UTC)';
