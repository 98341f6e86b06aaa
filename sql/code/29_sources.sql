/*
 * Tables and views that a batch is read from: by record_consents(), record_exposures()
 * and record_outcomes(), with the rights of their caller.
 */

CREATE OR REPLACE FUNCTION personalize.source_columns_internal(source regclass, wanted text[])
RETURNS TABLE (name text, cast_to text, has_type oid)
LANGUAGE plpgsql STABLE PARALLEL SAFE CALLED ON NULL INPUT SECURITY INVOKER ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	want record;
	base_type oid;
	relkind "char";
BEGIN
	IF source_columns_internal.source IS NULL THEN
		RAISE EXCEPTION 'source must not be null' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	SELECT c.relkind INTO relkind FROM pg_class AS c WHERE c.oid = source_columns_internal.source;
	IF relkind IS NULL THEN
		RAISE EXCEPTION 'relation does not exist' USING ERRCODE = 'undefined_table';
	END IF;
	IF relkind NOT IN ('r', 'p', 'v', 'm', 'f') THEN
		RAISE EXCEPTION 'relation % cannot be read', source_columns_internal.source
			USING ERRCODE = 'wrong_object_type', HINT = 'Name a table or a view.';
	END IF;
	/* to casts that cannot fail, for their errors would repeat values */
	FOR want IN
		SELECT wanted[i][1] AS name, wanted[i][2] AS cast_to, string_to_array(wanted[i][3], ',')::regtype[] AS types, wanted[i][4] AS how
		FROM generate_subscripts(wanted, 1) AS i ORDER BY i
	LOOP
		SELECT a.atttypid INTO has_type FROM pg_attribute AS a
			WHERE a.attrelid = source_columns_internal.source AND a.attname = want.name AND a.attnum > 0 AND NOT a.attisdropped;
		IF has_type IS NULL AND want.how = 'required' THEN
			RAISE EXCEPTION 'column % of relation % does not exist', want.name, source_columns_internal.source
				USING ERRCODE = 'undefined_column', HINT = (SELECT format('Columns: %s; optional: %s.',
					string_agg(wanted[i][1], ', ' ORDER BY i) FILTER (WHERE wanted[i][4] = 'required'),
					string_agg(wanted[i][1], ', ' ORDER BY i) FILTER (WHERE wanted[i][4] <> 'required')) FROM generate_subscripts(wanted, 1) AS i);
		END IF;
		base_type := has_type;
		WHILE want.how <> 'exact' AND EXISTS (SELECT 1 FROM pg_type AS t WHERE t.oid = base_type AND t.typtype = 'd') LOOP
			SELECT t.typbasetype INTO base_type FROM pg_type AS t WHERE t.oid = base_type;
		END LOOP;
		IF NOT base_type = ANY (want.types::oid[]) THEN
			RAISE EXCEPTION 'column % of relation % is of type %', want.name, source_columns_internal.source, format_type(has_type, NULL)
				USING ERRCODE = 'datatype_mismatch', HINT = format('It may be of type %s.', array_to_string(want.types, ', '));
		END IF;
		name := want.name;
		cast_to := want.cast_to;
		RETURN NEXT;
	END LOOP;
END
$$;
COMMENT ON FUNCTION personalize.source_columns_internal(regclass, text[]) IS
	'The columns of a table or view that a batch is read from, with their types (NULL: is not there): wanted are rows of name, type to cast to, types it may be of (and domains over them), and required, optional or exact (no domain)';

CREATE OR REPLACE FUNCTION personalize.source_rows_internal(source regclass)
RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	n bigint;
BEGIN
	/* a view may take as long as all the rest, and a relation with policies may be protected: that would be another use */
	IF EXISTS (SELECT FROM pg_class AS c WHERE c.oid = source AND c.relkind IN ('r', 'm') AND NOT c.relrowsecurity) THEN
		EXECUTE format('SELECT pg_catalog.count(*) FROM %s', source) INTO n;
	END IF;
	RETURN n;
END
$$;
COMMENT ON FUNCTION personalize.source_rows_internal(regclass) IS
	'How many rows a table has that a batch is read from, with the rights of the caller; NULL where it would cost much to know';

CREATE OR REPLACE FUNCTION personalize.source_open_internal(who text, source regclass, wanted text[], told text DEFAULT NULL,
	OUT rows_of refcursor, OUT known bigint)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	want record;
	lists text[] := '{}';
	relkind "char" := (SELECT c.relkind FROM pg_class AS c WHERE c.oid = source_open_internal.source);
	places boolean := false;
BEGIN
	FOR want IN SELECT c.* FROM personalize.source_columns_internal(source_open_internal.source, source_open_internal.wanted) AS c LOOP
		IF want.name = source_open_internal.told THEN
			places := want.has_type IS NOT NULL AND relkind IN ('r', 'p');
		ELSE
			lists := lists || CASE WHEN want.has_type IS NULL THEN format('NULL::pg_catalog.%I[] AS %I', want.cast_to, want.name)
				ELSE format('pg_catalog.array_agg((q.%I)::pg_catalog.%I) AS %I', want.name, want.cast_to, want.name) END;
		END IF;
	END LOOP;
	IF source_open_internal.told IS NOT NULL THEN
		lists := lists || CASE WHEN places
			THEN ARRAY['pg_catalog.array_agg(q.personalize_place) AS personalize_place', 'pg_catalog.array_agg(q.personalize_table) AS personalize_table']
			ELSE ARRAY['NULL::pg_catalog.tid[] AS personalize_place', 'NULL::pg_catalog.oid[] AS personalize_table'] END;
	END IF;

	known := personalize.source_rows_internal(source_open_internal.source);
	PERFORM personalize.progress_recording_internal(source_open_internal.who, 'reading the source', relation => source_open_internal.source);
	/* sorted once, below the grouping: an ORDER BY in each array_agg() would sort for each */
	OPEN rows_of NO SCROLL FOR EXECUTE format(
		'SELECT %s FROM (SELECT i.*, (i.personalize_row - 1) / 10000 AS personalize_batch'
		' FROM (SELECT t.*, %s pg_catalog.row_number() OVER (%s) AS personalize_row FROM %s AS t) AS i'
		' ORDER BY (i.personalize_row - 1) / 10000, i.personalize_row) AS q'
		' GROUP BY q.personalize_batch ORDER BY q.personalize_batch',
		array_to_string(lists, ', '), CASE WHEN places THEN 't.ctid AS personalize_place, t.tableoid AS personalize_table,' END,
		CASE WHEN relkind IN ('r', 'p', 'm') THEN 'ORDER BY t.tableoid, t.ctid' END, source_open_internal.source);
END
$$;
COMMENT ON FUNCTION personalize.source_open_internal(text, regclass, text[], text) IS
	'Opens a cursor on a table or view with the rights of the caller: a row for each 10,000 rows, in physical order, with the wanted columns as arrays (NULL: is not there) and, where a table has the column told that the caller will write, ctid and tableoid; tells the view personalize.progress of it';
