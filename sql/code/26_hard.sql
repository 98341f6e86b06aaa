/*
 * Hard protection: the access method personalize_heap on a relation and all
 * that hangs below it.  The C side is in src/enforce_hard.c.
 */

CREATE OR REPLACE FUNCTION personalize.hard_set_internal(relid oid, hard boolean)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	c record;
	wanted text := CASE WHEN hard_set_internal.hard THEN 'personalize_heap' ELSE 'heap' END;
BEGIN
	SELECT x.relkind AS relkind, m.amname AS amname, format('%I.%I', n.nspname, x.relname) AS shown INTO c
		FROM pg_class AS x JOIN pg_namespace AS n ON n.oid = x.relnamespace LEFT JOIN pg_am AS m ON m.oid = x.relam
		WHERE x.oid = hard_set_internal.relid;
	IF c.shown IS NULL THEN
		RETURN;
	END IF;
	IF hard_set_internal.hard AND c.amname NOT IN ('heap', 'personalize_heap') THEN
		RAISE EXCEPTION 'relation % cannot have hard protection: its access method is "%"', c.shown, c.amname
			USING ERRCODE = 'feature_not_supported',
				HINT = 'ALTER TABLE ... SET ACCESS METHOD heap, or protect it without hard => true.';
	END IF;
	IF c.relkind = 'p' THEN
		/* what new partitions inherit; older servers know no access method of a partitioned table */
		IF current_setting('server_version_num')::integer >= 170000 AND (hard_set_internal.hard OR c.amname = 'personalize_heap')
			AND c.amname IS DISTINCT FROM wanted THEN
			EXECUTE format('ALTER TABLE %s SET ACCESS METHOD %I', c.shown, wanted);
		END IF;
	ELSIF c.relkind = 'r' AND c.amname IN ('heap', 'personalize_heap') AND c.amname <> wanted THEN
		EXECUTE format('ALTER TABLE %s SET ACCESS METHOD %I', c.shown, wanted);
	END IF;
END
$$;
COMMENT ON FUNCTION personalize.hard_set_internal(oid, boolean) IS
	'Gives a relation the access method personalize_heap or heap, which rewrites it; nothing happens where it has it already';

CREATE OR REPLACE FUNCTION personalize.hard_status_internal()
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE sql STABLE PARALLEL SAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 'hard protection'::text, false,
		format('%I.%I is not of access method personalize_heap: without the library superusers read it', n.nspname, c.relname),
		'Call unprotect() and protect(..., hard => true) again.'::text
	FROM personalize.registry_relation AS r
		CROSS JOIN LATERAL (SELECT r.relid AS id UNION ALL SELECT personalize.descendants_internal(r.relid)) AS t
		JOIN pg_class AS c ON c.oid = t.id AND c.relkind = 'r'
		JOIN pg_namespace AS n ON n.oid = c.relnamespace
		LEFT JOIN pg_am AS m ON m.oid = c.relam
	WHERE r.hard AND m.amname IS DISTINCT FROM 'personalize_heap'
	ORDER BY 3
$$;
COMMENT ON FUNCTION personalize.hard_status_internal() IS 'The part of status() that is about hard protection';
