/*
 * orm_model(): a relation as a model of an application framework.
 *
 * Frameworks that look into the catalog find a view without key, defaults and
 * NOT NULL.  For a purpose view these are taken from the relation below it.
 * A cell that people can keep back reads as null, so its column is declared
 * nullable although the table says NOT NULL.
 *
 * Names are written as strings of the language or as names made of letters,
 * digits and underscores; nothing of the catalog gets into code otherwise.
 */

CREATE OR REPLACE FUNCTION personalize.orm_base_internal(relid oid)
RETURNS oid
LANGUAGE sql STABLE PARALLEL SAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN count(DISTINCT d.refobjid) = 1 AND personalize.view_is_bound_internal(orm_base_internal.relid) THEN min(d.refobjid) END
	FROM pg_rewrite AS w JOIN pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid
			AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> w.ev_class
	WHERE w.ev_class = orm_base_internal.relid AND pg_relation_is_updatable(orm_base_internal.relid, false) <> 0
$$;
COMMENT ON FUNCTION personalize.orm_base_internal(oid) IS
	'The one relation that a purpose view reads; NULL for other relations and views';

CREATE OR REPLACE FUNCTION personalize.orm_key_internal(relid oid)
RETURNS smallint[]
LANGUAGE sql STABLE PARALLEL SAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT (string_to_array(i.indkey::text, ' ')::smallint[])[1:i.indnkeyatts]
	FROM pg_index AS i
	WHERE i.indrelid = orm_key_internal.relid AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
		AND NOT EXISTS (SELECT FROM unnest((string_to_array(i.indkey::text, ' ')::smallint[])[1:i.indnkeyatts]) AS u (attnum)
			JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = u.attnum WHERE NOT a.attnotnull)
	ORDER BY i.indisprimary DESC, i.indnkeyatts, i.indexrelid LIMIT 1
$$;
COMMENT ON FUNCTION personalize.orm_key_internal(oid) IS
	'Columns of the primary key of a relation, else of a unique index without nulls, else NULL';

CREATE OR REPLACE FUNCTION personalize.orm_columns_internal(relid oid, asker oid)
RETURNS TABLE (attnum smallint, column_name text, type text, shown_type text, dimensions integer, enum_oid oid, typmod integer,
	key_place integer, is_unique boolean, required boolean, source text, default_text text, refers text)
LANGUAGE sql STABLE PARALLEL SAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
	WITH RECURSIVE base AS (
		SELECT coalesce(personalize.orm_base_internal(orm_columns_internal.relid), orm_columns_internal.relid) AS relid
	), guarded AS (
		SELECT b.relid, (SELECT r.relid FROM personalize.registry_relation AS r
			WHERE r.relid IN (b.relid, (SELECT h.relid FROM personalize.registry_child AS h WHERE h.child_relid = b.relid))) AS root,
			personalize.orm_key_internal(b.relid) AS key
		FROM base AS b
	), col AS (
		SELECT v.attnum, v.attname, v.atttypid, v.atttypmod, t.attrelid AS base_relid, t.attnum AS base_attnum,
			coalesce(t.attnotnull, false) AS attnotnull, coalesce(t.attidentity, '') AS attidentity, coalesce(t.attgenerated, '') AS attgenerated,
			array_position(g.key, t.attnum) AS key_place, g.root
		FROM pg_attribute AS v CROSS JOIN guarded AS g
			LEFT JOIN pg_attribute AS t ON t.attrelid = g.relid AND t.attname = v.attname AND t.attnum > 0 AND t.atttypid = v.atttypid
		WHERE v.attrelid = orm_columns_internal.relid AND v.attnum > 0 AND NOT v.attisdropped
			AND has_column_privilege(asker, orm_columns_internal.relid, v.attnum, 'SELECT')
	), step (attnum, typid, typmod, dimensions) AS (
		SELECT c.attnum, c.atttypid, c.atttypmod, 0 FROM col AS c
		UNION ALL
		/* domains by what they are made of, arrays by their elements */
		SELECT s.attnum, CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.typelem END,
			CASE WHEN t.typtype = 'd' AND t.typtypmod <> -1 THEN t.typtypmod ELSE s.typmod END, s.dimensions + (t.typtype <> 'd')::integer
		FROM step AS s JOIN pg_type AS t ON t.oid = s.typid
		WHERE t.typtype = 'd' OR (t.typlen = -1 AND t.typelem <> 0 AND t.typcategory = 'A')
	), leaf AS (
		SELECT DISTINCT ON (s.attnum) s.* FROM step AS s JOIN pg_type AS t ON t.oid = s.typid
		WHERE NOT (t.typtype = 'd' OR (t.typlen = -1 AND t.typelem <> 0 AND t.typcategory = 'A')) ORDER BY s.attnum
	)
	SELECT c.attnum, c.attname::text,
		CASE WHEN y.typtype = 'e' THEN 'enum'
			WHEN y.typname = 'citext' AND y.typcategory = 'S' THEN 'citext'
			WHEN y.typnamespace <> 'pg_catalog'::regnamespace THEN 'other'
			WHEN y.typname IN ('numeric', 'varchar', 'bpchar') AND l.typmod > 4 THEN y.typname || '(n)'
			WHEN y.typname IN (SELECT x.type FROM personalize.orm_types_internal() AS x WHERE x.type NOT IN ('enum', 'other')) THEN y.typname::text
			ELSE 'other' END,
		format_type(c.atttypid, c.atttypmod), l.dimensions, CASE WHEN y.typtype = 'e' THEN y.oid END, l.typmod, c.key_place,
		EXISTS (SELECT FROM pg_index AS i WHERE i.indrelid = c.base_relid AND i.indisunique AND i.indisvalid AND i.indimmediate
			AND i.indpred IS NULL AND i.indexprs IS NULL AND i.indnkeyatts = 1 AND i.indkey[0] = c.base_attnum),
		/* null may stand for what somebody kept back, but not in the key, nor in what leads to the person or is not personal */
		c.attnotnull AND (c.key_place IS NOT NULL OR c.root IS NULL
			OR EXISTS (SELECT FROM personalize.registry_path AS p WHERE p.relid = c.root AND c.attname = ANY (p.column_names))
			OR EXISTS (SELECT FROM personalize.registry_column AS k
				WHERE k.relid = c.root AND k.column_name = c.attname AND (k.category_id = 1 OR k.mask IS NOT NULL))),
		CASE WHEN c.attgenerated <> '' THEN 'generated'
			WHEN c.attidentity = 'a' THEN 'always'
			WHEN c.attidentity = 'd' THEN 'identity'
			WHEN pg_get_expr(e.adbin, e.adrelid) ~ '^nextval[(]' AND y.typname IN ('int2', 'int4', 'int8') THEN 'serial'
			WHEN e.oid IS NOT NULL THEN 'default' END,
		pg_get_expr(e.adbin, e.adrelid),
		(SELECT format('%s (%I)', personalize.relation_text_internal(f.confrelid), a.attname)
			FROM pg_constraint AS f JOIN pg_attribute AS a ON a.attrelid = f.confrelid AND a.attnum = f.confkey[1]
			WHERE f.conrelid = c.base_relid AND f.contype = 'f' AND f.conkey = ARRAY[c.base_attnum] ORDER BY f.oid LIMIT 1)
	FROM col AS c JOIN leaf AS l ON l.attnum = c.attnum JOIN pg_type AS y ON y.oid = l.typid
		LEFT JOIN pg_attrdef AS e ON e.adrelid = c.base_relid AND e.adnum = c.base_attnum
	ORDER BY c.attnum
$$;
COMMENT ON FUNCTION personalize.orm_columns_internal(oid, oid) IS
	'Columns of a relation that a role may select, as orm_model() needs them; those of a purpose view with the defaults of the relation below';

CREATE OR REPLACE FUNCTION personalize.orm_written_internal(framework text, part integer, c record, enum_name text)
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	made text := (SELECT split_part(t.written, '|', part) FROM personalize.orm_types_internal() AS t
		WHERE t.type = c.type AND t.framework = CASE orm_written_internal.framework WHEN 'hibernate' THEN 'jpa' ELSE orm_written_internal.framework END);
	labels text;
	scale integer := ((c.typmod - 4) & 2047);
BEGIN
	IF c.type = 'enum' THEN
		SELECT string_agg(CASE framework WHEN 'django' THEN format('(%s, %s)', q.label, q.label) ELSE q.label END,
				CASE framework WHEN 'knex' THEN ' | ' ELSE ', ' END ORDER BY q.enumsortorder) INTO labels
			FROM (SELECT e.enumsortorder, personalize.orm_text_internal(e.enumlabel) AS label FROM pg_enum AS e WHERE e.enumtypid = c.enum_oid) AS q;
	END IF;
	IF scale >= 1024 THEN
		scale := scale - 2048;
	END IF;
	/* numbers first: what replaces the others comes from outside, and is not looked at again */
	made := replace(replace(replace(made, '{n}', (c.typmod - 4)::text), '{p}', (((c.typmod - 4) >> 16) & 65535)::text), '{s}', scale::text);
	RETURN (SELECT string_agg(CASE m.m[1] WHEN '{c}' THEN personalize.orm_text_internal(c.column_name) WHEN '{l}' THEN coalesce(labels, '')
			WHEN '{e}' THEN enum_name WHEN '{t}' THEN personalize.orm_text_internal(c.shown_type) ELSE m.m[1] END, '' ORDER BY m.place)
		FROM regexp_matches(made, '([{][clet][}]|[^{]+|[{])', 'g') WITH ORDINALITY AS m (m, place));
END
$$;
COMMENT ON FUNCTION personalize.orm_written_internal(text, integer, record, text) IS
	'The type of a column in a framework, a part of it; the record is a row of orm_columns_internal()';

CREATE OR REPLACE FUNCTION personalize.orm_field_internal(framework text, field text, class text, several_keys boolean, c record)
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	quoted text := personalize.orm_text_internal(c.column_name);
	/* of an array, the type of its elements */
	written text;
	is_key boolean := c.key_place IS NOT NULL;
	counts boolean := coalesce(c.source IN ('identity', 'always', 'serial'), false);
	fixed boolean := false;		/* cannot be written in this framework */
	options text[];
	enum_name text;
	remark text := '';
BEGIN
	enum_name := CASE
		WHEN c.enum_oid IS NULL THEN NULL
		WHEN framework = 'sqlalchemy' THEN (SELECT format('%s, schema=%s', personalize.orm_text_internal(t.typname), personalize.orm_text_internal(n.nspname))
			FROM pg_type AS t JOIN pg_namespace AS n ON n.oid = t.typnamespace WHERE t.oid = c.enum_oid)
		ELSE class || personalize.orm_name_internal(c.column_name, 'pascal', '{}') END;
	written := personalize.orm_written_internal(framework, 1, c, enum_name);
	IF framework IN ('jpa', 'hibernate') THEN
		fixed := coalesce(personalize.orm_written_internal(framework, 2, c, NULL), '') = 'ro';
		IF c.dimensions > 0 AND (fixed OR framework = 'jpa') THEN
			RETURN format(E'\t// column %s is left out: %s', quoted, CASE framework WHEN 'jpa' THEN 'JPA knows no arrays' ELSE 'declare a type for its array' END);
		END IF;
		written := written || repeat('[]', c.dimensions);
		remark := CASE WHEN fixed THEN format('type %s, as text; declare a converter to write it', personalize.orm_text_internal(c.shown_type)) ELSE '' END;
	END IF;
	IF c.type = 'other' AND framework NOT IN ('prisma', 'jpa', 'hibernate') THEN
		remark := format('type %s, as text', personalize.orm_text_internal(c.shown_type));
	END IF;
	IF c.refers IS NOT NULL THEN
		remark := concat_ws('; ', nullif(remark, ''), 'refers to ' || personalize.orm_text_internal(c.refers));
	END IF;
	remark := CASE WHEN remark = '' THEN '' ELSE format(' %s %s', CASE WHEN framework IN ('django', 'sqlalchemy', 'activerecord') THEN ' #' ELSE ' //' END, remark) END;

	CASE framework
	WHEN 'django' THEN
		IF c.source = 'generated' THEN
			RETURN format('    # %s is generated; Django would write to it', quoted);
		END IF;
		IF c.type = 'json' THEN
			RETURN format('    # %s is left out: Django knows jsonb only', quoted);
		END IF;
		options := ARRAY[
			CASE WHEN is_key AND NOT several_keys THEN 'primary_key=True' END,
			CASE WHEN field <> c.column_name THEN 'db_column=' || quoted END,
			CASE WHEN NOT c.required AND NOT is_key THEN 'null=True' END,
			CASE WHEN c.source <> 'default' OR c.dimensions > 0 THEN NULL
				WHEN c.default_text IN ('now()', 'CURRENT_TIMESTAMP') THEN 'default=timezone.now'
				WHEN c.default_text = 'gen_random_uuid()' THEN 'default=uuid.uuid4'
				WHEN c.default_text IN ('true', 'false') THEN 'default=' || initcap(c.default_text)
				WHEN c.default_text ~ '^[0-9]+$' THEN 'default=' || c.default_text END];
		IF c.source = 'default' AND options[4] IS NULL THEN
			remark := concat(CASE WHEN remark = '' THEN '  # ' ELSE remark || '; ' END, 'the default of the database is ', personalize.orm_text_internal(c.default_text));
		END IF;
		IF is_key AND counts AND NOT several_keys AND c.dimensions = 0 THEN
			written := CASE c.type WHEN 'int2' THEN 'SmallAutoField()' WHEN 'int4' THEN 'AutoField()' ELSE 'BigAutoField()' END;
		END IF;
		written := 'models.' || written;
		IF c.dimensions > 0 THEN
			written := format('ArrayField(%s)', written);
		END IF;
		written := left(written, -1) || array_to_string(ARRAY[CASE WHEN right(written, 2) <> '()' THEN '' END] || options, ', ') || ')';
		RETURN format('    %s = %s%s', field, written, remark);
	WHEN 'sqlalchemy' THEN
		IF c.dimensions > 0 THEN
			written := format('postgresql.ARRAY(%s)', written);
		END IF;
		RETURN format('    %s = sa.Column(%s)%s', field, concat_ws(', ', CASE WHEN field <> c.column_name THEN quoted END, written,
			CASE WHEN is_key THEN 'primary_key=True' WHEN c.required THEN 'nullable=False' END,
			CASE WHEN c.source = 'generated' THEN 'server_default=sa.FetchedValue(), server_onupdate=sa.FetchedValue()'
				WHEN c.source IS NOT NULL AND NOT (is_key AND counts AND NOT several_keys) THEN 'server_default=sa.FetchedValue()' END), remark);
	WHEN 'activerecord' THEN
		RETURN concat(format('  attribute %s, %s%s%s', quoted, written, CASE WHEN c.dimensions > 0 THEN ', array: true' ELSE '' END, remark),
			CASE WHEN c.source = 'generated' THEN format(E'\n  attr_readonly %s', quoted) END);
	WHEN 'prisma' THEN
		RETURN format('  %s %s%s', field, concat_ws(' ',
			written || CASE WHEN c.dimensions > 0 THEN '[]' WHEN c.required OR is_key THEN '' ELSE '?' END,
			CASE WHEN is_key AND NOT several_keys THEN '@id' WHEN c.is_unique THEN '@unique' END,
			CASE WHEN counts THEN '@default(autoincrement())' WHEN c.source IS NOT NULL AND c.type <> 'other' THEN '@default(dbgenerated())' END,
			CASE WHEN field <> c.column_name THEN format('@map(%s)', quoted) END,
			nullif(personalize.orm_written_internal(framework, 2, c, enum_name), '')), remark);
	WHEN 'drizzle' THEN
		RETURN format(E'\t%s: pg.%s,%s', field, concat(written, repeat('.array()', c.dimensions),
			CASE WHEN is_key AND NOT several_keys THEN '.primaryKey()' WHEN c.required OR is_key THEN '.notNull()' END,
			CASE c.source WHEN 'always' THEN '.generatedAlwaysAsIdentity()' WHEN 'identity' THEN '.generatedByDefaultAsIdentity()'
				WHEN 'generated' THEN format('.generatedAlwaysAs(sql.raw(%s))', personalize.orm_text_internal(c.default_text))
				WHEN 'serial' THEN format('.default(sql.raw(%s))', personalize.orm_text_internal(c.default_text))
				WHEN 'default' THEN format('.default(sql.raw(%s))', personalize.orm_text_internal(c.default_text)) END), remark);
	WHEN 'typeorm' THEN
		RETURN format(E'\t\t%s: { %s },%s', field, concat_ws(', ', CASE WHEN field <> c.column_name THEN 'name: ' || quoted END, written,
			CASE WHEN c.dimensions > 0 THEN 'array: true' END,
			CASE WHEN is_key THEN 'primary: true' WHEN NOT c.required THEN 'nullable: true' END,
			/* the driver may make an object of it, which cannot be written back */
			CASE WHEN c.type = 'other' AND c.source IS DISTINCT FROM 'generated' AND NOT is_key THEN 'insert: false, update: false' END,
			CASE c.source WHEN 'always' THEN 'generated: "identity", generatedIdentity: "ALWAYS"' WHEN 'identity' THEN 'generated: "identity", generatedIdentity: "BY DEFAULT"'
				WHEN 'serial' THEN 'generated: "increment"'
				WHEN 'generated' THEN 'insert: false, update: false'
				WHEN 'default' THEN format('default: () => %s', personalize.orm_text_internal(c.default_text)) END), remark);
	WHEN 'sequelize' THEN
		FOR i IN 1 .. c.dimensions LOOP
			written := format('DataTypes.ARRAY(%s)', written);
		END LOOP;
		RETURN format(E'\t%s: { %s },%s', field, concat_ws(', ', 'type: ' || written, CASE WHEN field <> c.column_name THEN 'field: ' || quoted END,
			CASE WHEN is_key THEN 'primaryKey: true' WHEN c.required AND c.source IS DISTINCT FROM 'generated' THEN 'allowNull: false' END,
			CASE WHEN counts AND is_key THEN 'autoIncrement: true'
				WHEN c.source IN ('default', 'serial') THEN format('defaultValue: sequelize.literal(%s)', personalize.orm_text_internal(c.default_text)) END), remark);
	WHEN 'knex' THEN
		RETURN format(E'\t%s: %s%s;%s', CASE WHEN c.column_name ~ '^[A-Za-z_][A-Za-z0-9_]*$' THEN c.column_name ELSE quoted END,
			CASE WHEN c.dimensions > 0 THEN format('(%s)%s', written, repeat('[]', c.dimensions)) ELSE written END,
			CASE WHEN c.required OR is_key OR written = 'unknown' THEN '' ELSE ' | null' END, remark);
	WHEN 'jdbc' THEN
		RETURN format(E'\t%s %s,%s', CASE WHEN c.dimensions > 0 THEN 'java.sql.Array' ELSE written END, field, remark);
	WHEN 'jpa', 'hibernate' THEN
		RETURN concat(CASE WHEN is_key THEN E'\t@Id\n' END,
			CASE WHEN is_key AND counts AND NOT several_keys THEN E'\t@GeneratedValue(strategy = GenerationType.IDENTITY)\n' END,
			format(E'\t@Column(%s)%s\n', concat_ws(', ', 'name = ' || personalize.orm_text_internal(quote_ident(c.column_name)),
				CASE WHEN c.type IN ('varchar(n)', 'bpchar(n)') AND c.dimensions = 0 THEN 'length = ' || (c.typmod - 4) END,
				CASE WHEN c.required AND NOT is_key AND c.source IS NULL THEN 'nullable = false' END,
				/* where nothing is said of a column the database has its default; Hibernate leaves it out by itself */
				CASE WHEN c.source = 'generated' OR fixed THEN 'insertable = false, updatable = false'
					WHEN c.source IS NOT NULL AND framework = 'jpa' AND NOT is_key THEN 'insertable = false' END), remark),
			format(E'\tprivate %s %s;', written, field));
	END CASE;
END
$$;
COMMENT ON FUNCTION personalize.orm_field_internal(text, text, text, boolean, record) IS
	'The line of a column in a model; the last argument is a row of orm_columns_internal()';

CREATE OR REPLACE FUNCTION personalize.orm_access_internal(framework text, field text, c record)
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	made text := personalize.orm_written_internal('jpa', 1, c, NULL) || repeat('[]', c.dimensions);
	name text := upper(left(field, 1)) || substr(field, 2);
	fixed boolean := coalesce(personalize.orm_written_internal('jpa', 2, c, NULL), '') = 'ro';
BEGIN
	IF c.dimensions > 0 AND (fixed OR framework = 'jpa') THEN
		RETURN NULL;
	END IF;
	RETURN concat(format(E'\tpublic %s get%s() { return %s; }', made, name, field),
		CASE WHEN c.source IS DISTINCT FROM 'generated' AND NOT fixed THEN
			format(E'\n\tpublic void set%s(%s value) { %s = value; }', name, made, field) END);
END
$$;
COMMENT ON FUNCTION personalize.orm_access_internal(text, text, record) IS
	'Getter and setter of a JPA field; the record is a row of orm_columns_internal()';

CREATE OR REPLACE FUNCTION personalize.orm_enum_internal(name text, enum_oid oid)
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	label text;
	labels text[] := '{}';
	lines text := '';
BEGIN
	FOR label IN SELECT e.enumlabel::text FROM pg_enum AS e WHERE e.enumtypid = enum_oid ORDER BY e.enumsortorder LOOP
		labels := labels || personalize.orm_name_internal(label, 'snake', labels);
		lines := lines || format(E'  %s%s\n', labels[cardinality(labels)],
			CASE WHEN labels[cardinality(labels)] <> label THEN format(' @map(%s)', personalize.orm_text_internal(label)) ELSE '' END);
	END LOOP;
	RETURN (SELECT concat(format(E'enum %s {\n', name), lines, format(E'\n  @@map(%s)\n  @@schema(%s)\n}\n', personalize.orm_text_internal(t.typname), personalize.orm_text_internal(n.nspname)))
		FROM pg_type AS t JOIN pg_namespace AS n ON n.oid = t.typnamespace WHERE t.oid = enum_oid);
END
$$;
COMMENT ON FUNCTION personalize.orm_enum_internal(text, oid) IS 'An enum in a Prisma schema';

CREATE OR REPLACE FUNCTION personalize.orm_model(framework text, relation regclass)
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET quote_all_identifiers = off	/* defaults are compared as they are printed */
AS $$
DECLARE
	asker oid := personalize.outer_role_internal();
	r record;
	c record;
	base oid;
	is_protected boolean;
	class text;
	shown text;			/* schema and name, for comments */
	quoted text;		/* the same as SQL always takes it */
	mark text;			/* what begins a comment */
	remarks text[] := '{}';	/* lines at the head of the model */
	key_size integer;
	keys text[];		/* names of the fields of the key, in its order */
	key_columns text[];
	fields text[] := '{}';
	lines text[] := '{}';
	enums text[] := '{}';
	others text[] := '{}';
	key_types text[];
	unusable text[] := '{}';
	field text;
	body text;
BEGIN
	IF orm_model.framework IS NULL OR orm_model.framework NOT IN ('django', 'sqlalchemy', 'activerecord', 'prisma', 'drizzle', 'typeorm', 'sequelize', 'knex', 'jdbc', 'jpa', 'hibernate') THEN
		RAISE EXCEPTION 'framework "%" is not known', personalize.shown_internal(coalesce(orm_model.framework, 'null'))
			USING ERRCODE = 'invalid_parameter_value',
				HINT = 'Use django, sqlalchemy, activerecord, prisma, drizzle, typeorm, sequelize, knex, jdbc, jpa or hibernate.';
	END IF;
	SELECT x.oid AS oid, n.nspname::text AS schema, x.relname::text AS name, x.relkind AS relkind INTO r
		FROM pg_class AS x JOIN pg_namespace AS n ON n.oid = x.relnamespace WHERE x.oid = orm_model.relation;
	IF r.oid IS NULL THEN
		RAISE EXCEPTION 'relation does not exist' USING ERRCODE = 'undefined_table';
	END IF;
	/* nothing is said of what the role that asks may not read */
	IF NOT (has_table_privilege(asker, r.oid, 'SELECT') OR has_any_column_privilege(asker, r.oid, 'SELECT')) THEN
		RAISE EXCEPTION 'permission denied for relation %', personalize.relation_text_internal(r.oid)
			USING ERRCODE = 'insufficient_privilege', HINT = 'Models are printed for who may SELECT from the relation.';
	END IF;
	IF r.relkind NOT IN ('r', 'p', 'v', 'm', 'f') THEN
		RAISE EXCEPTION '% is not a table or view', personalize.relation_text_internal(r.oid) USING ERRCODE = 'wrong_object_type';
	END IF;
	IF orm_model.framework <> 'activerecord' AND NOT (personalize.orm_usable_internal(r.name, orm_model.framework) AND personalize.orm_usable_internal(r.schema, orm_model.framework)) THEN
		RAISE EXCEPTION '% cannot use the name of relation %', orm_model.framework, personalize.relation_text_internal(r.oid)
			USING ERRCODE = 'feature_not_supported', HINT = 'Make a view of it with a name of letters, digits and underscores.';
	END IF;
	base := personalize.orm_base_internal(r.oid);
	is_protected := EXISTS (SELECT FROM personalize.registry_relation AS x WHERE x.relid = r.oid)
		OR EXISTS (SELECT FROM personalize.registry_child AS x WHERE x.child_relid = r.oid);
	shown := personalize.orm_text_internal(r.schema || '.' || r.name);
	quoted := format('"%s"."%s"', replace(r.schema, '"', '""'), replace(r.name, '"', '""'));
	class := personalize.orm_name_internal(CASE WHEN r.relkind = 'v' AND r.schema <> 'public' THEN r.schema || '_' ELSE '' END || r.name, 'pascal', '{}');
	mark := CASE WHEN orm_model.framework IN ('django', 'sqlalchemy', 'activerecord') THEN '# ' ELSE '// ' END;
	remarks := remarks || concat(mark, shown, CASE
		WHEN base IS NOT NULL THEN ', a view of ' || personalize.orm_text_internal(personalize.relation_text_internal(base)) || ' that carries its purpose'
		WHEN is_protected THEN ', protected: state a purpose in each transaction' END);
	IF base IS NOT NULL OR is_protected THEN
		remarks := remarks || concat(mark, 'cells that people keep back read as null, and cannot be written');
	END IF;

	FOR c IN SELECT x.* FROM personalize.orm_columns_internal(r.oid, asker) AS x ORDER BY x.attnum LOOP
		IF c.key_place IS NOT NULL THEN
			key_columns[c.key_place] := c.column_name;
		END IF;
	END LOOP;
	key_size := cardinality(personalize.orm_key_internal(coalesce(base, r.oid)));
	/* half of a key does not tell rows apart */
	IF array_position(key_columns, NULL) IS NOT NULL OR cardinality(key_columns) <> key_size THEN
		key_columns := NULL;
	END IF;
	IF key_columns IS NULL THEN
		remarks := remarks || concat(mark, 'no key is known: declare columns that tell rows apart before you write');
	END IF;

	FOR c IN SELECT x.* FROM personalize.orm_columns_internal(r.oid, asker) AS x ORDER BY x.attnum LOOP
		IF key_columns IS NULL THEN
			c.key_place := NULL;
		END IF;
		IF NOT personalize.orm_usable_internal(c.column_name, orm_model.framework) THEN
			IF c.key_place IS NOT NULL THEN
				RAISE EXCEPTION '% cannot use the name of key column %', orm_model.framework, personalize.orm_text_internal(c.column_name)
					USING ERRCODE = 'feature_not_supported', HINT = 'Make a view with names of letters, digits and underscores.';
			END IF;
			remarks := remarks || format('%scolumn %s is left out: %s cannot use its name', mark, personalize.orm_text_internal(c.column_name), orm_model.framework);
			unusable := unusable || personalize.orm_text_internal(c.column_name);
			CONTINUE;
		END IF;
		field := CASE WHEN orm_model.framework IN ('activerecord', 'knex') THEN c.column_name
			ELSE personalize.orm_name_internal(c.column_name, CASE WHEN orm_model.framework IN ('jdbc', 'jpa', 'hibernate') THEN 'camel' ELSE 'snake' END, fields) END;
		fields := fields || field;
		IF c.key_place IS NOT NULL THEN
			keys[c.key_place] := field;
		END IF;
		lines := lines || personalize.orm_field_internal(orm_model.framework, field, class, key_size > 1, c);
		IF orm_model.framework = 'prisma' AND c.enum_oid IS NOT NULL THEN
			enums := enums || personalize.orm_enum_internal(class || personalize.orm_name_internal(c.column_name, 'pascal', '{}'), c.enum_oid);
		ELSIF orm_model.framework = 'jdbc' THEN
			others := others || CASE WHEN c.dimensions > 0 THEN format('r.getArray(%s)', personalize.orm_text_internal(c.column_name))
				ELSE personalize.orm_written_internal('jdbc', 2, c, NULL) END;
		ELSIF orm_model.framework IN ('jpa', 'hibernate') THEN
			others := others || personalize.orm_access_internal(orm_model.framework, field, c);
			IF c.key_place IS NOT NULL THEN
				key_types[c.key_place] := personalize.orm_written_internal('jpa', 1, c, NULL);
			END IF;
		ELSIF orm_model.framework = 'knex' AND c.required AND c.source IS NULL THEN
			others := others || personalize.orm_text_internal(c.column_name);
		ELSIF orm_model.framework = 'activerecord' AND c.column_name = 'type' THEN
			others := others || '  self.inheritance_column = :_type_disabled'::text;
		END IF;
	END LOOP;
	key_columns := ARRAY(SELECT personalize.orm_text_internal(u.name) FROM unnest(key_columns) WITH ORDINALITY AS u (name, place) ORDER BY u.place);
	body := array_to_string(lines, CASE WHEN orm_model.framework IN ('jpa', 'hibernate') THEN E'\n\n' ELSE E'\n' END);

	CASE orm_model.framework
	WHEN 'django' THEN
		RETURN concat_ws(E'\n',
			CASE WHEN body LIKE '%default=uuid.uuid4%' THEN 'import uuid' END,
			CASE WHEN body LIKE '%= ArrayField(%' THEN 'from django.contrib.postgres.fields import ArrayField' END,
			'from django.db import models',
			CASE WHEN body LIKE '%default=timezone.now%' THEN 'from django.utils import timezone' END,
			'', '', format('class %s(models.Model):', class), format('    %s', array_to_string(remarks, E'\n    ')),
			CASE WHEN key_size > 1 AND keys IS NOT NULL THEN format('    pk = models.CompositePrimaryKey(%s)  # Django 5.2 or later',
				(SELECT string_agg(personalize.orm_text_internal(u.k), ', ' ORDER BY u.place) FROM unnest(keys) WITH ORDINALITY AS u (k, place))) END,
			nullif(body, ''), '', '    class Meta:', '        managed = False', '        db_table = ' || personalize.orm_text_internal(quoted), '');
	WHEN 'sqlalchemy' THEN
		RETURN concat_ws(E'\n', 'import sqlalchemy as sa', CASE WHEN body LIKE '%postgresql.%' THEN 'from sqlalchemy.dialects import postgresql' END,
			'', '', format('class %s(Base):', class), format('    %s', array_to_string(remarks, E'\n    ')),
			'    __tablename__ = ' || personalize.orm_text_internal(r.name),
			format('    __table_args__ = {"schema": %s}', personalize.orm_text_internal(r.schema)),
			nullif(body, ''), '');
	WHEN 'activerecord' THEN
		RETURN concat_ws(E'\n', format('class %s < ActiveRecord::Base', class), format('  %s', array_to_string(remarks, E'\n  ')),
			'  self.table_name = ' || personalize.orm_text_internal(quoted),
			'  self.primary_key = ' || CASE cardinality(key_columns) WHEN 0 THEN 'nil' WHEN 1 THEN key_columns[1]
				ELSE format('[%s]  # Rails 7.1 or later', array_to_string(key_columns, ', ')) END,
			/* a view shows no defaults; what is not set is left to those below */
			CASE WHEN base IS NOT NULL THEN '  self.partial_inserts = true if respond_to?(:partial_inserts=)' END,
			CASE WHEN unusable <> '{}' THEN format('  self.ignored_columns = [%s]', array_to_string(unusable, ', ')) END,
			others[1], nullif(body, ''), 'end', '');
	WHEN 'prisma' THEN
		RETURN concat_ws(E'\n', nullif(array_to_string(enums, E'\n'), ''), array_to_string(remarks, E'\n'), format('model %s {', class), nullif(body, ''), '',
			CASE WHEN key_size > 1 AND keys IS NOT NULL THEN format('  @@id([%s])', array_to_string(keys, ', ')) END,
			format('  @@map(%s)', personalize.orm_text_internal(r.name)), format('  @@schema(%s)', personalize.orm_text_internal(r.schema)),
			CASE WHEN keys IS NULL THEN '  @@ignore' END, '}', '');
	WHEN 'drizzle' THEN
		RETURN concat_ws(E'\n', CASE WHEN body LIKE '%sql.raw(%' THEN 'import { sql } from "drizzle-orm";' END, 'import * as pg from "drizzle-orm/pg-core";', '',
			array_to_string(remarks, E'\n'),
			format('export const %s = pg.%s(%s, {', lower(left(class, 1)) || substr(class, 2),
				CASE WHEN r.schema = 'public' THEN 'pgTable' ELSE format('pgSchema(%s).table', personalize.orm_text_internal(r.schema)) END,
				personalize.orm_text_internal(r.name)),
			nullif(body, ''),
			CASE WHEN key_size > 1 AND keys IS NOT NULL THEN format('}, (t) => [pg.primaryKey({ columns: [%s] })]);',
				(SELECT string_agg(format('t[%s]', personalize.orm_text_internal(u.k)), ', ' ORDER BY u.place) FROM unnest(keys) WITH ORDINALITY AS u (k, place)))
				ELSE '});' END, '');
	WHEN 'typeorm' THEN
		RETURN concat_ws(E'\n', 'import { EntitySchema } from "typeorm";', '', array_to_string(remarks, E'\n'),
			format('export const %s = new EntitySchema({', class), format(E'\tname: "%s",', class),
			format(E'\tschema: %s,', personalize.orm_text_internal(r.schema)), format(E'\ttableName: %s,', personalize.orm_text_internal(r.name)),
			E'\tsynchronize: false,', E'\tcolumns: {', nullif(body, ''), E'\t},', '});', '');
	WHEN 'sequelize' THEN
		body := concat_ws(E'\n', format('sequelize.define("%s", {', class), nullif(body, ''),
			format('}, { schema: %s, tableName: %s, timestamps: false })', personalize.orm_text_internal(r.schema), personalize.orm_text_internal(r.name)));
		RETURN concat_ws(E'\n', array_to_string(remarks, E'\n'), format('export const %s = (sequelize, DataTypes) => %s;', class,
			CASE WHEN keys IS NULL THEN format(E'{\n\tconst model = %s;\n\tmodel.removeAttribute("id");\n\treturn model;\n}', replace(body, E'\n', E'\n\t')) ELSE body END), '');
	WHEN 'knex' THEN
		RETURN concat_ws(E'\n', 'import type { Knex } from "knex";', '', array_to_string(remarks, E'\n'),
			CASE WHEN cardinality(key_columns) > 0 THEN '// the key: ' || array_to_string(key_columns, ', ') END,
			format('export interface %s {', class), nullif(body, ''), '}', '',
			'declare module "knex/types/tables.js" {', E'\tinterface Tables {',
			format(E'\t\t%s: Knex.CompositeTableType<%s, %sPartial<%s>>;', shown, class,
				CASE WHEN others = '{}' THEN '' ELSE format('Pick<%s, %s> & ', class, array_to_string(others, ' | ')) END, class),
			E'\t}', '}', '');
	WHEN 'jdbc' THEN
		/* the last component has no comma */
		IF cardinality(lines) > 0 THEN
			lines[cardinality(lines)] := regexp_replace(lines[cardinality(lines)], '^([^,]*),', E'\\1');
		END IF;
		RETURN concat_ws(E'\n', CASE WHEN body LIKE '%BigDecimal %' THEN 'import java.math.BigDecimal;' END,
			'import java.sql.ResultSet;', 'import java.sql.SQLException;', '', array_to_string(remarks, E'\n'), format('public record %s(', class),
			nullif(array_to_string(lines, E'\n'), ''), ')', '{', format(E'\tpublic static final String RELATION = %s;', personalize.orm_text_internal(quoted)),
			format(E'\tpublic static final String[] KEY = {%s};', array_to_string(key_columns, ', ')), '',
			format(E'\tpublic static %s of(ResultSet r) throws SQLException', class), E'\t{',
			format(E'\t\treturn new %s(%s);', class, array_to_string(others, ', ')), E'\t}', '}', '');
	WHEN 'jpa', 'hibernate' THEN
		RETURN concat_ws(E'\n', 'import jakarta.persistence.*;', CASE WHEN body LIKE '%private BigDecimal %' THEN 'import java.math.BigDecimal;' END,
			CASE WHEN orm_model.framework = 'hibernate' THEN E'import org.hibernate.annotations.DynamicInsert;\nimport org.hibernate.annotations.DynamicUpdate;' END,
			'', array_to_string(remarks, E'\n'), '@Entity',
			format('@Table(schema = %s, name = %s)', personalize.orm_text_internal(quote_ident(r.schema)), personalize.orm_text_internal(quote_ident(r.name))),
			CASE WHEN key_size > 1 AND keys IS NOT NULL THEN format('@IdClass(%s.Key.class)', class) END,
			/* what did not change is not written: not what was kept back */
			CASE WHEN orm_model.framework = 'hibernate' THEN E'@DynamicInsert\n@DynamicUpdate' END,
			'public class ' || class, '{', nullif(body, ''), '', array_to_string(others, E'\n'),
			CASE WHEN key_size > 1 AND keys IS NOT NULL THEN (SELECT concat_ws(E'\n', '', E'\tpublic static class Key implements java.io.Serializable', E'\t{',
					string_agg(format(E'\t\tprotected %s %s;', u.t, u.k), E'\n' ORDER BY u.place), '', E'\t\t@Override', E'\t\tpublic boolean equals(Object o)', E'\t\t{',
					format(E'\t\t\treturn o instanceof Key k && %s;', string_agg(format('java.util.Objects.equals(k.%s, this.%s)', u.k, u.k), ' && ' ORDER BY u.place)), E'\t\t}', '',
					E'\t\t@Override', E'\t\tpublic int hashCode()', E'\t\t{',
					format(E'\t\t\treturn java.util.Objects.hash(%s);', string_agg('this.' || u.k, ', ' ORDER BY u.place)), E'\t\t}', E'\t}')
				FROM unnest(keys, key_types) WITH ORDINALITY AS u (k, t, place)) END, '}', '');
	END CASE;
END
$$;
COMMENT ON FUNCTION personalize.orm_model(text, regclass) IS
	'Prints a relation as a model of django, sqlalchemy, activerecord, prisma, drizzle, typeorm, sequelize, knex, jdbc, jpa or hibernate, with key and types; purpose views have the key of the relation below. Only for who may SELECT from it';
