/*
 * Fairness: are groups of people reached, and served, alike; are those who said no?
 *
 * Four-fifths rule: a rate below four fifths of that of the group with the highest is
 * regarded as evidence of adverse impact (EEOC Uniform Guidelines, 29 CFR 1607.4(D)).
 * Differences with intervals: 72_statistics.sql.
 *
 * What group a person is in comes from a column of a protected relation.  It is read by
 * whoever calls, through the row filter, for a purpose that may use the column, and is on
 * record as any use.  Whoever may call parity() may ask about any groups, and so about the
 * difference of two: it is given to officers only, who may see single persons anyway.
 */
CREATE OR REPLACE FUNCTION personalize.parity_source_internal(relation regclass, attribute name, purpose text, read_for text, metric text, OUT kind_id integer, OUT key_column name, OUT by_enum boolean)
RETURNS record
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	r personalize.registry_relation;
	type oid;
	holders text;
	id integer := personalize.purpose_id_internal(parity_source_internal.purpose, 'ask');
	read_id integer := personalize.purpose_id_internal(parity_source_internal.read_for, 'ask');
BEGIN
	IF parity_source_internal.metric IS NOT NULL THEN
		PERFORM personalize.metric_internal(parity_source_internal.metric);
	END IF;
	IF read_id = id AND EXISTS (SELECT FROM personalize.frequency_cap AS c WHERE c.purpose_id = id) THEN
		RAISE EXCEPTION 'people at the frequency cap of purpose "%" would be missing', parity_source_internal.purpose
			USING ERRCODE = 'object_not_in_prerequisite_state',
				HINT = 'They are those who were reached most. Pass another purpose as read_for, one that may use the column and has no cap.';
	END IF;
	r := personalize.protected_relation_internal(parity_source_internal.relation);
	SELECT p.kind_id, p.column_names[1] INTO kind_id, key_column FROM personalize.registry_path AS p
		WHERE p.relid = r.relid AND p.via_path_id IS NULL AND cardinality(p.columns) = 1
		ORDER BY p.ownership <> 'owner', p.path_id LIMIT 1;
	IF NOT FOUND THEN
		WITH RECURSIVE way AS (
			SELECT p.path_id, p.via_path_id, p.relid, p.columns FROM personalize.registry_path AS p WHERE p.relid = r.relid
			UNION ALL
			SELECT p.path_id, p.via_path_id, p.relid, p.columns FROM personalize.registry_path AS p JOIN way AS w ON p.path_id = w.via_path_id)
		SELECT string_agg(DISTINCT personalize.relation_text_internal(w.relid), ', ') INTO holders FROM way AS w WHERE w.via_path_id IS NULL AND cardinality(w.columns) = 1;
		RAISE EXCEPTION 'relation % has no column that is the key of a subject', personalize.relation_text_internal(r.relid)
			USING ERRCODE = 'wrong_object_type', HINT = CASE WHEN holders IS NULL THEN 'parity() reads no keys of several columns.'
				ELSE format('parity() does not follow foreign keys. Use %s, which it leads to people by.', holders) END;
	END IF;
	SELECT a.atttypid INTO type FROM pg_attribute AS a
		WHERE a.attrelid = r.relid AND a.attname = parity_source_internal.attribute AND a.attnum > 0 AND NOT a.attisdropped;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'column "%" of relation % does not exist', personalize.shown_internal(parity_source_internal.attribute::text), personalize.relation_text_internal(r.relid)
			USING ERRCODE = 'undefined_column';
	END IF;
	WHILE EXISTS (SELECT FROM pg_type AS t WHERE t.oid = type AND t.typtype = 'd') LOOP
		SELECT t.typbasetype INTO type FROM pg_type AS t WHERE t.oid = type;
	END LOOP;
	by_enum := (SELECT t.typtype = 'e' FROM pg_type AS t WHERE t.oid = type);
	/* casts that are nobody else's functions */
	IF NOT by_enum AND NOT type = ANY ('{bool,int2,int4,int8,text,varchar,bpchar,date}'::regtype[]::oid[]) THEN
		RAISE EXCEPTION 'column "%" cannot tell groups: it is of type %', parity_source_internal.attribute, format_type(type, NULL)
			USING ERRCODE = 'datatype_mismatch', HINT = 'Use a column of type text, boolean, integer, date or an enum, for example one that is generated from it.';
	END IF;
END
$$;
COMMENT ON FUNCTION personalize.parity_source_internal(regclass, name, text, text, text) IS 'By which column a relation leads to people, and whether another can tell groups of them; an error if not, or if what the reading is for would leave out those who were reached most';

CREATE OR REPLACE FUNCTION personalize.parity_internal(kind_id integer, keys text[], groups text[], purpose text, metric text, since timestamptz, until timestamptz,
	confidence double precision, k integer)
RETURNS TABLE (measure text, group_value text, persons bigint, with_it bigint, rate double precision, ratio double precision, four_fifths boolean,
	difference double precision, low double precision, high double precision, suppressed boolean)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER ROWS 10
SET search_path = pg_catalog, pg_temp
SET jit = off	/* takes a second and spares none */
SET enable_nestloop = off	/* arrays look small to a generic plan and are not */
AS $$
#variable_conflict use_column
DECLARE
	id integer := personalize.purpose_id_internal(parity_internal.purpose, 'ask');
	m personalize.metric;
	least bigint := personalize.least_group_internal(parity_internal.k);
	now_is timestamptz := clock_timestamp();
	nos bigint[];
BEGIN
	PERFORM personalize.check_confidence_internal(parity_internal.confidence);
	IF parity_internal.metric IS NOT NULL THEN
		m := personalize.metric_internal(parity_internal.metric);
	END IF;
	IF (SELECT count(DISTINCT u.g) FROM unnest(groups) AS u (g)) > 200 THEN
		RAISE EXCEPTION 'there are more than 200 groups' USING ERRCODE = 'program_limit_exceeded', HINT = 'Use a column with fewer values, for example one that is generated from it.';
	END IF;
	nos := ARRAY(SELECT s.subject_no FROM (SELECT DISTINCT u.key FROM unnest(keys) AS u (key)) AS x
		JOIN personalize.subject AS s ON s.kind_id = parity_internal.kind_id AND s.key = x.key COLLATE "C");
	PERFORM personalize.note_use_internal('personalize.exposure'::regclass, 'at', id, nos);
	IF m.metric_id IS NOT NULL THEN
		PERFORM personalize.note_use_internal('personalize.outcome'::regclass, 'at', m.purpose_id, nos);
	END IF;
	RETURN QUERY
		WITH named AS MATERIALIZED (
			/* who never said anything has no number; with several identities a person counts once, in a group only if they agree */
			SELECT coalesce(c.person, - u.ord) AS person, min(u.key) AS key, CASE WHEN min(u.g) = max(u.g) AND count(u.g) = count(*) THEN min(u.g) END AS g
			FROM unnest(keys, groups) WITH ORDINALITY AS u (key, g, ord)
				LEFT JOIN personalize.subject AS s ON s.kind_id = parity_internal.kind_id AND s.key = u.key COLLATE "C"
				LEFT JOIN personalize.counted_internal AS c ON c.subject_no = s.subject_no
			WHERE s.subject_no IS NULL OR c.person IS NOT NULL
			GROUP BY 1),
		shown AS MATERIALIZED (
			SELECT DISTINCT c.person FROM personalize.exposure AS e JOIN personalize.counted_internal AS c ON c.subject_no = e.subject_no
			WHERE e.purpose_id = id AND e.at >= parity_internal.since AND e.at < parity_internal.until),
		done AS MATERIALIZED (
			SELECT DISTINCT c.person FROM personalize.outcome AS o JOIN personalize.counted_internal AS c ON c.subject_no = o.subject_no
			WHERE o.metric_id = m.metric_id AND o.at >= parity_internal.since AND o.at < parity_internal.until),
		/* who may be reached at all; a frequency cap aside, for it holds for those who were reached most */
		person AS MATERIALIZED (
			SELECT n.person, n.key, n.g, s.person IS NOT NULL AS shown, d.person IS NOT NULL AS done
			FROM named AS n LEFT JOIN shown AS s ON s.person = n.person LEFT JOIN done AS d ON d.person = n.person
			WHERE s.person IS NOT NULL OR personalize.measured_at_internal(parity_internal.kind_id, n.key, id, least(now_is, parity_internal.until))),
		cell AS (
			SELECT 'exposure' AS measure, p.g, count(*) AS n, count(*) FILTER (WHERE p.shown) AS x FROM person AS p GROUP BY p.g
			UNION ALL
			SELECT 'outcome', p.g, count(*), count(*) FILTER (WHERE p.done) FROM person AS p
				WHERE m.metric_id IS NOT NULL AND (m.purpose_id = id OR p.done
					OR personalize.measured_at_internal(parity_internal.kind_id, p.key, m.purpose_id, least(now_is, parity_internal.until)))
				GROUP BY p.g),
		best AS (
			SELECT DISTINCT ON (c.measure) c.measure, c.g, c.n, c.x FROM cell AS c WHERE c.n >= least AND c.g IS NOT NULL
			ORDER BY c.measure, c.x::double precision / c.n DESC, c.n DESC, c.g COLLATE "C")
		SELECT c.measure, c.g, CASE WHEN c.n >= least THEN c.n END, CASE WHEN c.n >= least THEN c.x END, r.rate, r.ratio, r.four_fifths,
			CASE WHEN c.g <> b.g THEN i.difference END, CASE WHEN c.g <> b.g THEN i.low END, CASE WHEN c.g <> b.g THEN i.high END, c.n < least
		FROM cell AS c LEFT JOIN best AS b ON b.measure = c.measure
			LEFT JOIN LATERAL (SELECT c.x::double precision / c.n AS rate, (c.x::double precision * b.n) / nullif(b.x::double precision * c.n, 0) AS ratio,
				CASE WHEN b.x > 0 AND c.g IS NOT NULL THEN 5 * c.x::numeric * b.n >= 4 * b.x::numeric * c.n END AS four_fifths) AS r ON c.n >= least
			LEFT JOIN LATERAL personalize.proportions_internal(c.x, c.n, b.x, b.n, parity_internal.confidence) AS i ON c.n >= least
		ORDER BY c.measure, c.g COLLATE "C";
END
$$;
COMMENT ON FUNCTION personalize.parity_internal(integer, text[], text[], text, text, timestamptz, timestamptz, double precision, integer) IS
	'Exposure and outcome by group, for people that are named with their group';

CREATE OR REPLACE FUNCTION personalize.parity(metric text, relation regclass, attribute name, purpose text, read_for text DEFAULT NULL,
	since timestamptz DEFAULT '-infinity', until timestamptz DEFAULT 'infinity', confidence double precision DEFAULT 0.95, k integer DEFAULT NULL)
RETURNS TABLE (measure text, group_value text, persons bigint, with_it bigint, rate double precision, ratio double precision, four_fifths boolean,
	difference double precision, low double precision, high double precision, suppressed boolean)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY INVOKER ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	source record;
	keys text[];
	groups text[];
BEGIN
	IF parity.relation IS NULL OR parity.attribute IS NULL THEN
		RAISE EXCEPTION 'relation and attribute must not be null' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	source := personalize.parity_source_internal(parity.relation, parity.attribute, parity.purpose, coalesce(parity.read_for, parity.purpose), parity.metric);
	/* one row for a person; whoever has rows of several groups is in none */
	EXECUTE format(
		'SELECT pg_catalog.array_agg(q.key), pg_catalog.array_agg(CASE WHEN q.low = q.high AND q.n = q.rows THEN q.low END)'
		' FROM (SELECT w.key, pg_catalog.min(w.g) AS low, pg_catalog.max(w.g) AS high, pg_catalog.count(w.g) AS n, pg_catalog.count(*) AS rows'
		' FROM (SELECT (r.%I)::pg_catalog.text COLLATE "C" AS key, %s COLLATE "C" AS g FROM %s AS r WHERE personalize.for_purpose(%L)) AS w'
		' WHERE w.key IS NOT NULL GROUP BY w.key) AS q',
		source.key_column, format(CASE WHEN source.by_enum THEN 'pg_catalog.textin(pg_catalog.enum_out(r.%I))' ELSE '(r.%I)::pg_catalog.text' END, parity.attribute),
		parity.relation, coalesce(parity.read_for, parity.purpose)) INTO keys, groups;
	RETURN QUERY SELECT * FROM personalize.parity_internal(source.kind_id, coalesce(keys, '{}'), coalesce(groups, '{}'), parity.purpose, parity.metric,
		parity.since, parity.until, parity.confidence, parity.k);
END
$$;
COMMENT ON FUNCTION personalize.parity(text, regclass, name, text, text, timestamptz, timestamptz, double precision, integer) IS
	'Exposure for a purpose, and outcomes of a metric (NULL: none), by the value of a column of a protected relation, which is read for the purpose, or for read_for, as by any query of the caller: rate, ratio to the highest rate and whether it keeps the four-fifths rule, difference from it with an interval';

CREATE OR REPLACE FUNCTION personalize.opt_out_parity(metric text, purpose text, since timestamptz DEFAULT '-infinity', until timestamptz DEFAULT 'infinity',
	confidence double precision DEFAULT 0.95, k integer DEFAULT NULL)
RETURNS TABLE (measure text, said text, persons bigint, value double precision, yes_persons bigint, yes_value double precision, ratio double precision, four_fifths boolean,
	difference double precision, low double precision, high double precision, method text, suppressed boolean)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER ROWS 4
SET search_path = pg_catalog, pg_temp
SET jit = off	/* takes a second and spares none */
AS $$
#variable_conflict use_column
DECLARE
	id integer;
	m personalize.metric;
	least bigint := personalize.least_group_internal(opt_out_parity.k);
	ends timestamptz := least(clock_timestamp(), opt_out_parity.until);
BEGIN
	PERFORM personalize.require_preloaded_internal();
	PERFORM personalize.check_confidence_internal(opt_out_parity.confidence);
	id := personalize.purpose_id_internal(opt_out_parity.purpose, 'ask');
	m := personalize.metric_internal(opt_out_parity.metric);
	IF EXISTS (SELECT FROM personalize.registry_purpose AS p WHERE p.purpose_id = m.purpose_id AND (p.purpose_id = id OR p.legal_basis IN ('consent', 'explicit_consent'))) THEN
		RAISE EXCEPTION 'metric "%" is recorded of those only who agreed', m.name
			USING ERRCODE = 'object_not_in_prerequisite_state',
				HINT = 'Define a metric for a purpose that rests on something else than consent, for example contract, legal_obligation or legitimate_interest.';
	END IF;
	PERFORM personalize.note_use_internal('personalize.outcome'::regclass, 'value, at', t.purpose_id, t.numbers)
		FROM personalize.figures_touched_internal('outcome', ARRAY[m.metric_id], ARRAY[m.purpose_id], opt_out_parity.since, opt_out_parity.until) AS t;
	RETURN QUERY
		WITH total AS (
			/* people of the kinds that the metric is about; several identities have said the same */
			SELECT f.said, f.persons AS n, f.with_it AS has, f.mean, f.variance
			FROM personalize.figures_sides_internal(m.metric_id, m.purpose_id, id, opt_out_parity.since, opt_out_parity.until, ends) AS f),
		cell AS (
			SELECT x.measure, t.said, CASE x.measure WHEN 'rate' THEN t.n ELSE t.has END AS n, t.has, t.mean, t.variance
			FROM total AS t CROSS JOIN (VALUES ('rate'), ('mean')) AS x (measure)),
		shown AS (
			SELECT c.*, c.n >= least AS ok, CASE c.measure WHEN 'rate' THEN c.has::double precision / nullif(c.n, 0) ELSE c.mean END AS v FROM cell AS c)
		SELECT a.measure, a.said, CASE WHEN a.ok THEN a.n END, CASE WHEN a.ok THEN a.v END, CASE WHEN b.ok THEN b.n END, CASE WHEN b.ok THEN b.v END,
			CASE WHEN a.ok AND b.ok THEN a.v / nullif(b.v, 0) END,
			CASE WHEN a.ok AND b.ok AND a.measure = 'rate' AND b.has > 0 THEN 5 * a.has::numeric * b.n >= 4 * b.has::numeric * a.n END,
			i.difference, i.low, i.high, CASE a.measure WHEN 'rate' THEN 'Newcombe hybrid score' ELSE 'Welch t' END, NOT (a.ok AND coalesce(b.ok, false))
		FROM shown AS a LEFT JOIN shown AS b ON b.measure = a.measure AND b.said = 'yes'
			LEFT JOIN LATERAL (
				SELECT r.difference, r.low, r.high FROM personalize.proportions_internal(a.has, a.n, b.has, b.n, opt_out_parity.confidence) AS r WHERE a.measure = 'rate'
				UNION ALL
				SELECT r.difference, r.low, r.high FROM personalize.means_internal(a.mean, a.variance, a.n, b.mean, b.variance, b.n, opt_out_parity.confidence) AS r
				WHERE a.measure = 'mean') AS i ON a.ok AND b.ok
		WHERE a.said <> 'yes'
		ORDER BY a.measure DESC, a.said;
END
$$;
COMMENT ON FUNCTION personalize.opt_out_parity(text, text, timestamptz, timestamptz, double precision, integer) IS
	'Whether people who said no to a purpose, or nothing, are served as those who said yes, by a metric that is recorded of all of them: the share with an outcome (rate), and the mean value (mean: a price, a wait), each by what the person had said at the time';
