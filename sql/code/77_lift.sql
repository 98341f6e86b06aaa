/*
 * Lift: what the variants of an experiment do to a metric, against the holdout or
 * another variant, with intervals (methods: 72_statistics.sql).
 *
 * Counted are persons by the variant they were assigned, whatever they were shown
 * (intention to treat), and their outcomes from then to the end of the experiment.
 */
CREATE OR REPLACE FUNCTION personalize.lift_internal(experiment_id integer, metrics integer[], confidence double precision, baseline text, enough bigint)
RETURNS TABLE (metric_id integer, measure text, variant text, persons bigint, value double precision, against_persons bigint, against_value double precision,
	difference double precision, low double precision, high double precision, ratio double precision, ratio_low double precision, ratio_high double precision,
	method text, suppressed boolean)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT ROWS 10
SET search_path = pg_catalog, pg_temp
SET jit = off	/* takes a second and spares none */
AS $$
#variable_conflict use_column
DECLARE
	e personalize.experiment;
	ids integer[];	/* of the metrics that there are, and by the same places ... */
	purposes integer[];
	means boolean[];
	nos bigint[];
	p integer;
BEGIN
	SELECT x.* INTO e FROM personalize.experiment AS x WHERE x.experiment_id = lift_internal.experiment_id;
	SELECT array_agg(m.metric_id ORDER BY u.place), array_agg(m.purpose_id ORDER BY u.place), array_agg(m.measures = 'satisfaction' ORDER BY u.place) INTO ids, purposes, means
		FROM unnest(metrics) WITH ORDINALITY AS u (id, place) JOIN personalize.metric AS m ON m.metric_id = u.id;
	/* with all identities: whoever is enrolled may have an outcome under another */
	nos := ARRAY(SELECT a.subject_no FROM personalize.assignment AS a WHERE a.experiment_id = e.experiment_id
		UNION SELECT o.subject_no FROM personalize.assignment AS a JOIN personalize.linked AS l ON l.subject_no = a.subject_no
			JOIN personalize.linked AS o ON o.group_no = l.group_no WHERE a.experiment_id = e.experiment_id);
	PERFORM personalize.note_use_internal('personalize.assignment'::regclass, 'variant', e.purpose_id, nos);
	FOR p IN SELECT DISTINCT u.purpose_id FROM unnest(purposes) AS u (purpose_id) ORDER BY 1 LOOP
		PERFORM personalize.note_use_internal('personalize.outcome'::regclass, 'value, at', p, nos);
	END LOOP;
	RETURN QUERY
		WITH arm AS (
			/* who did not rate is not dissatisfied */
			/* a mean tells about those who have an outcome: the others have 0; who: of how many a figure tells */
			SELECT u.place, coalesce(u.variant, 'personalized') AS variant, x.measure, CASE x.measure WHEN 'rate' THEN u.persons ELSE u.with_value END AS n,
				CASE WHEN x.measure = 'rate' OR u.with_it = 0 THEN u.persons ELSE least(u.with_value, u.with_it) END AS who, u.with_it AS has, u.mean_value AS mean, u.variance
			FROM personalize.figures_lift_internal(e.experiment_id, ids, array_replace(purposes, e.purpose_id, 0), coalesce(e.ended_at, 'infinity'), means) AS u
				CROSS JOIN (VALUES ('rate'), ('mean')) AS x (measure)
			WHERE u.variant IS NOT NULL OR lift_internal.baseline = 'holdout'),
		/* a sum of all and a sum of the others would tell about a variant that is not shown by itself */
		hidden AS (
			SELECT a.place, a.measure, sum(a.who) FILTER (WHERE a.who < enough) AS n FROM arm AS a WHERE a.variant NOT IN ('personalized', 'holdout') GROUP BY 1, 2),
		shown AS (
			SELECT a.*, a.who >= enough AND a.n >= enough AND (a.variant <> 'personalized' OR coalesce(h.n, 0) = 0 OR h.n >= enough) AS ok
			FROM arm AS a LEFT JOIN hidden AS h ON h.place = a.place AND h.measure = a.measure)
		SELECT ids[a.place], a.measure, a.variant, CASE WHEN a.ok THEN a.n END,
			CASE WHEN a.ok THEN CASE a.measure WHEN 'rate' THEN a.has::double precision / a.n ELSE a.mean END END,
			CASE WHEN b.ok THEN b.n END, CASE WHEN b.ok THEN CASE a.measure WHEN 'rate' THEN b.has::double precision / b.n ELSE b.mean END END,
			i.difference, i.low, i.high, i.ratio, i.ratio_low, i.ratio_high,
			CASE a.measure WHEN 'rate' THEN 'Newcombe hybrid score' ELSE 'Welch t' END, NOT (a.ok AND coalesce(b.ok, false))
		FROM shown AS a LEFT JOIN shown AS b ON b.place = a.place AND b.measure = a.measure AND b.variant = lift_internal.baseline
			LEFT JOIN LATERAL (
				SELECT r.difference, r.low, r.high, r.ratio, r.ratio_low, r.ratio_high
					FROM personalize.proportions_internal(a.has, a.n, b.has, b.n, lift_internal.confidence) AS r WHERE a.measure = 'rate'
				UNION ALL
				SELECT r.difference, r.low, r.high, r.ratio, r.ratio_low, r.ratio_high
					FROM personalize.means_internal(a.mean, a.variance, a.n, b.mean, b.variance, b.n, lift_internal.confidence) AS r WHERE a.measure = 'mean') AS i ON a.ok AND b.ok
		WHERE a.variant <> lift_internal.baseline
		ORDER BY a.place, a.measure DESC, a.variant <> 'personalized', array_position(ARRAY['holdout'] || e.variants, a.variant);
END
$$;
COMMENT ON FUNCTION personalize.lift_internal(integer, integer[], double precision, text, bigint) IS
	'What lift() says of an experiment, by several metrics at once, each of which comes once';

CREATE OR REPLACE FUNCTION personalize.lift(experiment text, metric text, confidence double precision DEFAULT 0.95, baseline text DEFAULT 'holdout',
	k integer DEFAULT NULL)
RETURNS TABLE (measure text, variant text, against text, persons bigint, value double precision, against_persons bigint, against_value double precision,
	difference double precision, low double precision, high double precision, ratio double precision, ratio_low double precision, ratio_high double precision,
	method text, suppressed boolean)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER ROWS 4
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	e personalize.experiment;
	m personalize.metric;
	least bigint := personalize.least_group_internal(lift.k);
BEGIN
	PERFORM personalize.require_preloaded_internal();
	PERFORM personalize.check_confidence_internal(lift.confidence);
	e := personalize.experiment_internal(lift.experiment);
	m := personalize.metric_internal(lift.metric);
	IF lift.baseline IS NULL OR lift.baseline <> ALL (ARRAY['holdout'] || e.variants) THEN
		RAISE EXCEPTION 'experiment "%" has no variant "%"', e.name, personalize.shown_internal(coalesce(lift.baseline, 'null'))
			USING ERRCODE = 'invalid_parameter_value', HINT = 'The baseline is holdout, or one of the variants.';
	END IF;
	RETURN QUERY
		SELECT t.measure, t.variant, lift.baseline, t.persons, t.value, t.against_persons, t.against_value,
			t.difference, t.low, t.high, t.ratio, t.ratio_low, t.ratio_high, t.method, t.suppressed
		FROM personalize.lift_internal(e.experiment_id, ARRAY[m.metric_id], lift.confidence, lift.baseline, least) AS t;
END
$$;
COMMENT ON FUNCTION personalize.lift(text, text, double precision, text, integer) IS
	'Each variant of an experiment, and all together (personalized), against the holdout or another variant: the share of persons with an outcome (rate) and the mean of its sum per person (mean), difference and ratio with intervals; groups below k are suppressed';
