/*
 * Copies of protected rows: written down by the library (src/enforce_copies.c)
 * when they are made, forgotten when the copy is dropped.
 */
CREATE OR REPLACE FUNCTION personalize.copy_note_internal(source oid, copy oid, db_role text, purpose text)
RETURNS void
LANGUAGE sql VOLATILE PARALLEL UNSAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
	INSERT INTO personalize.copied AS c (source, copy, db_role, purpose)
		VALUES (copy_note_internal.source::regclass, copy_note_internal.copy::regclass, copy_note_internal.db_role, copy_note_internal.purpose)
		ON CONFLICT (source, copy, db_role, purpose) DO UPDATE SET last_copied_at = clock_timestamp()
$$;
COMMENT ON FUNCTION personalize.copy_note_internal(oid, oid, text, text) IS
	'Writes down that rows of a protected relation were copied to another; called by the library';

CREATE OR REPLACE FUNCTION personalize.copies_sync_internal()
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	/* writes nothing while nothing was dropped */
	IF EXISTS (SELECT FROM personalize.copied AS x WHERE NOT EXISTS (SELECT FROM pg_class AS c WHERE c.oid = x.copy)) THEN
		DELETE FROM personalize.copied AS x WHERE NOT EXISTS (SELECT FROM pg_class AS c WHERE c.oid = x.copy);
	END IF;
END
$$;
COMMENT ON FUNCTION personalize.copies_sync_internal() IS 'Forgets copies that were dropped';

CREATE OR REPLACE VIEW personalize.copies AS
	SELECT x.source, x.copy, c.relkind = 'm' AS materialized, x.db_role, x.purpose, x.first_copied_at, x.last_copied_at
	FROM personalize.copied AS x JOIN pg_catalog.pg_class AS c ON c.oid = x.copy;
COMMENT ON VIEW personalize.copies IS
	'Relations that hold copies of protected rows, out of reach of consent: from where, by which role, for which purpose, since when';

CREATE OR REPLACE FUNCTION personalize.materialized_over_internal(relid oid)
RETURNS SETOF oid
LANGUAGE sql STABLE PARALLEL SAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
	WITH RECURSIVE up (id) AS (
		SELECT materialized_over_internal.relid
		UNION
		SELECT w.ev_class FROM up
			JOIN pg_depend AS d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = up.id AND d.classid = 'pg_rewrite'::regclass
			JOIN pg_rewrite AS w ON w.oid = d.objid AND w.ev_class <> up.id)
	SELECT c.oid FROM up JOIN pg_class AS c ON c.oid = up.id AND c.relkind = 'm' ORDER BY c.oid
$$;
COMMENT ON FUNCTION personalize.materialized_over_internal(oid) IS
	'Materialized views that read a relation, also by way of views';

CREATE OR REPLACE FUNCTION personalize.copies_status_internal()
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE sql STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 'materialized view'::text, false,
		format('materialized view %s may hold rows of %s from before it was protected', personalize.relation_text_internal(m.id),
			personalize.relation_text_internal(r.relid)),
		'REFRESH it under a purpose with may_copy, or drop it.'::text
	FROM personalize.registry_relation AS r CROSS JOIN LATERAL personalize.materialized_over_internal(r.relid) AS m (id)
	WHERE r.mode = 'enforce' AND NOT EXISTS (SELECT FROM personalize.copied AS x WHERE x.copy = m.id AND x.source = r.relid)
	UNION ALL
	SELECT 'copies', true, format('%s relations hold copies of protected rows', count(DISTINCT x.copy)),
		'See the view personalize.copies.'
	FROM personalize.copies AS x
	HAVING count(*) > 0
	ORDER BY 1, 3
$$;
COMMENT ON FUNCTION personalize.copies_status_internal() IS 'What status() says of copies';
