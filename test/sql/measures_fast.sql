-- Figures computed in one pass are those of plain SQL: of random persons, with linked identities, restrictions, erasures, expired and inherited consent, and of many purposes.
SET client_min_messages = warning;
\pset format unaligned
\set SHOW_CONTEXT never
BEGIN;
CREATE SCHEMA fast;
/* as these were before: plain SQL */
CREATE FUNCTION fast.old_measure(what text, since timestamptz DEFAULT '-infinity', until timestamptz DEFAULT 'infinity',
	confidence double precision DEFAULT 0.95, k integer DEFAULT NULL)
RETURNS TABLE (metric text, purpose text, persons bigint, events bigint, value double precision, low double precision, high double precision, suppressed boolean)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT ROWS 10
SET search_path = pg_catalog, pg_temp
SET jit = off	/* takes a second and spares none */
AS $$
#variable_conflict use_column
DECLARE
	least bigint := personalize.least_group_internal(old_measure.k);
	fit text[] := CASE old_measure.what WHEN 'conversion_rate' THEN '{conversion,purchase}'::text[] WHEN 'click_through' THEN '{click}'
		WHEN 'satisfaction' THEN '{satisfaction}' WHEN 'repeat_purchase' THEN '{purchase}' WHEN 'lifetime_value' THEN '{purchase}' END;
BEGIN
	PERFORM personalize.require_preloaded_internal();
	PERFORM personalize.check_confidence_internal(old_measure.confidence);
	IF fit IS NULL THEN
		RAISE EXCEPTION 'there is no measure "%"', personalize.shown_internal(coalesce(old_measure.what, 'null'))
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Use conversion_rate, click_through, satisfaction, repeat_purchase or lifetime_value.';
	END IF;
	IF old_measure.what IN ('conversion_rate', 'click_through') THEN
		RETURN QUERY
			WITH shown AS MATERIALIZED (
				SELECT e.purpose_id, c.person, min(e.at) AS first, count(*) AS n, min(c.subject_no) AS subject_no
				FROM personalize.exposure AS e JOIN personalize.counted_internal AS c ON c.subject_no = e.subject_no
				WHERE e.at >= old_measure.since AND e.at < old_measure.until GROUP BY 1, 2),
			done AS MATERIALIZED (
				SELECT o.metric_id, s.purpose_id, c.person, count(*) AS n
				FROM personalize.metric AS m JOIN personalize.outcome AS o ON o.metric_id = m.metric_id
					JOIN personalize.counted_internal AS c ON c.subject_no = o.subject_no
					JOIN shown AS s ON s.person = c.person AND o.at >= s.first
				WHERE m.measures = ANY (fit) AND o.at < old_measure.until GROUP BY 1, 2, 3),
			/* metrics with the purpose of what was shown, and others that somebody it was shown to has outcomes of */
			pair AS (
				SELECT m.metric_id, m.purpose_id AS measured_for, s.purpose_id
				FROM personalize.metric AS m CROSS JOIN (SELECT DISTINCT x.purpose_id FROM shown AS x) AS s
				WHERE m.measures = ANY (fit)
					AND (m.purpose_id = s.purpose_id OR EXISTS (SELECT FROM done AS d WHERE d.metric_id = m.metric_id AND d.purpose_id = s.purpose_id))),
			person AS (
				SELECT p.metric_id, p.purpose_id, s.n AS shown, coalesce(d.n, 0) AS done
				FROM pair AS p JOIN shown AS s ON s.purpose_id = p.purpose_id
					LEFT JOIN done AS d ON d.metric_id = p.metric_id AND d.purpose_id = p.purpose_id AND d.person = s.person
				/* of whoever may not be measured nothing is known, which is not the same as nothing */
				WHERE p.measured_for = p.purpose_id OR d.n IS NOT NULL
					OR (SELECT personalize.measured_at_internal(x.kind_id, x.key, p.measured_for, s.first)
						FROM personalize.subject AS x WHERE x.subject_no = s.subject_no)),
			total AS (
				SELECT x.metric_id, x.purpose_id, count(*) AS persons, count(*) FILTER (WHERE x.done > 0) AS converted,
					sum(x.done)::double precision AS done, sum(x.shown)::bigint AS shown,
					var_samp(x.done::double precision) AS var_done, var_samp(x.shown::double precision) AS var_shown,
					covar_samp(x.done, x.shown) AS covar
				FROM person AS x GROUP BY 1, 2)
			SELECT m.name::text, p.name, CASE WHEN t.persons >= least THEN t.persons END,
				CASE WHEN t.persons >= least THEN CASE old_measure.what WHEN 'click_through' THEN t.shown ELSE t.persons END END,
				i.value, i.low, i.high, t.persons < least
			FROM total AS t JOIN personalize.metric AS m ON m.metric_id = t.metric_id JOIN personalize.registry_purpose AS p ON p.purpose_id = t.purpose_id
				LEFT JOIN LATERAL (
					SELECT w.rate AS value, w.low, w.high FROM personalize.wilson_internal(t.converted, t.persons, old_measure.confidence) AS w WHERE old_measure.what = 'conversion_rate'
					UNION ALL
					SELECT r.rate, greatest(r.rate - r.reach, 0), r.rate + r.reach
					FROM (SELECT t.done / t.shown AS rate, - personalize.norm_quantile_internal((1 - old_measure.confidence) / 2)
							* sqrt(greatest(t.var_done - 2 * (t.done / t.shown) * t.covar + power(t.done / t.shown, 2) * t.var_shown, 0) / t.persons)
							/ (t.shown::double precision / t.persons) AS reach) AS r
					WHERE old_measure.what = 'click_through') AS i ON t.persons >= least
			ORDER BY m.name, p.name COLLATE "C";
	ELSE
		RETURN QUERY
			WITH person AS (
				/* what happened at the same moment is one purchase */
				SELECT o.metric_id, c.person, count(DISTINCT o.at) AS times, count(*) AS n, sum(o.value) AS total
				FROM personalize.metric AS m JOIN personalize.outcome AS o ON o.metric_id = m.metric_id
					JOIN personalize.counted_internal AS c ON c.subject_no = o.subject_no
				WHERE m.measures = ANY (fit) AND o.at >= old_measure.since AND o.at < old_measure.until GROUP BY 1, 2),
			total AS (
				SELECT x.metric_id, count(*) AS persons, sum(x.n)::bigint AS n, count(*) FILTER (WHERE x.times > 1) AS again, avg(x.v) AS mean, var_samp(x.v) AS variance
				FROM (SELECT y.*, CASE old_measure.what WHEN 'satisfaction' THEN y.total / y.n ELSE y.total END AS v FROM person AS y) AS x GROUP BY 1)
			SELECT m.name::text, p.name, CASE WHEN t.persons >= least THEN t.persons END, CASE WHEN t.persons >= least THEN t.n END, i.value, i.low, i.high, t.persons < least
			FROM total AS t JOIN personalize.metric AS m ON m.metric_id = t.metric_id JOIN personalize.registry_purpose AS p ON p.purpose_id = m.purpose_id
				LEFT JOIN LATERAL (
					SELECT w.rate AS value, w.low, w.high FROM personalize.wilson_internal(t.again, t.persons, old_measure.confidence) AS w WHERE old_measure.what = 'repeat_purchase'
					UNION ALL
					SELECT t.mean, r.low, r.high FROM personalize.mean_internal(t.mean, t.variance, t.persons, old_measure.confidence) AS r
					WHERE old_measure.what <> 'repeat_purchase') AS i ON t.persons >= least
			ORDER BY m.name;
	END IF;
END
$$;
CREATE FUNCTION fast.old_rates(step text DEFAULT 'month', purpose text DEFAULT NULL, since timestamptz DEFAULT '-infinity', until timestamptz DEFAULT 'infinity',
	confidence double precision DEFAULT 0.95, k integer DEFAULT NULL)
RETURNS TABLE (period timestamptz, purpose_name text, notice text, answered bigint, opted_in bigint, opt_in_rate double precision, opt_in_low double precision,
	opt_in_high double precision, in_force bigint, opted_out bigint, opt_out_rate double precision, opt_out_low double precision, opt_out_high double precision, suppressed boolean)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT ROWS 100
SET search_path = pg_catalog, pg_temp
SET jit = off	/* takes a second and spares none */
AS $$
#variable_conflict use_column
DECLARE
	least bigint := personalize.least_group_internal(old_rates.k);
	wanted integer := CASE WHEN old_rates.purpose IS NOT NULL THEN personalize.purpose_id_internal(old_rates.purpose, 'ask') END;
BEGIN
	PERFORM personalize.require_preloaded_internal();
	PERFORM personalize.check_confidence_internal(old_rates.confidence);
	IF old_rates.step IS NULL OR old_rates.step NOT IN ('day', 'week', 'month', 'quarter', 'year') THEN
		RAISE EXCEPTION 'step must be day, week, month, quarter or year' USING ERRCODE = 'invalid_parameter_value';
	END IF;
	RETURN QUERY
		WITH said AS (
			/* one line for a person who said it under several identities; what concerns single categories is no answer to the purpose */
			SELECT DISTINCT ON (coalesce(l.group_no, e.subject_no), e.record_id, e.purpose_id) coalesce(l.group_no, e.subject_no) AS person, e.purpose_id, e.event_id,
				e.recorded_at AS at, e.action, e.expires_at,
				CASE WHEN n.name IS NOT NULL THEN n.name || '/' || split_part(e.notice, '/', 2) END AS notice
			FROM personalize.consent_event AS e LEFT JOIN personalize.linked AS l ON l.subject_no = e.subject_no
				LEFT JOIN personalize.notice_name AS n ON n.name = split_part(e.notice, '/', 1)
			WHERE e.action IN ('given', 'ending', 'refused', 'withdrawn', 'objected') AND e.purpose_id <> 0 AND (wanted IS NULL OR e.purpose_id = wanted)
				AND (e.categories IS NULL OR (e.action IN ('given', 'ending') AND 0 = ANY (e.categories)))
			ORDER BY coalesce(l.group_no, e.subject_no), e.record_id, e.purpose_id, e.event_id),
		line AS (
			SELECT s.*, s.action IN ('given', 'ending') AS yes, lag(s.action) OVER w AS before, lag(s.notice) OVER w AS notice_before, lag(s.expires_at) OVER w AS expired_before,
				lead(s.action) OVER w AS after, lead(s.at) OVER w AS next_at, lead(s.notice) OVER w AS next_notice
			FROM said AS s WINDOW w AS (PARTITION BY s.person, s.purpose_id ORDER BY s.event_id)),
		/* when consents came into force under a notice, when they ended, and whether the person ended them */
		change AS (
			SELECT x.at, x.purpose_id, x.notice, 1 AS began, 0 AS ended, 0 AS out
			FROM line AS x WHERE x.yes AND NOT coalesce(x.before IN ('given', 'ending') AND (x.action = 'ending' OR x.notice_before IS NOT DISTINCT FROM x.notice)
				AND (x.expired_before IS NULL OR x.expired_before > x.at), false)
			UNION ALL
			SELECT least(x.next_at, x.expires_at), x.purpose_id, x.notice, 0, 1,
				CASE WHEN x.after NOT IN ('given', 'ending') AND (x.expires_at IS NULL OR x.next_at < x.expires_at) THEN 1 ELSE 0 END
			FROM line AS x WHERE x.yes AND least(x.next_at, x.expires_at) <= clock_timestamp()
				AND NOT coalesce(x.after IN ('given', 'ending') AND (x.after = 'ending' OR x.next_notice IS NOT DISTINCT FROM x.notice)
					AND (x.expires_at IS NULL OR x.expires_at > x.next_at), false)),
		force AS (
			SELECT c.period, c.purpose_id, c.notice, c.out,
				(sum(c.began) OVER w - sum(c.ended) OVER w + c.ended)::bigint AS in_force
			FROM (SELECT date_trunc(old_rates.step, y.at, 'UTC') AS period, y.purpose_id, y.notice, sum(y.began) AS began, sum(y.ended) AS ended, sum(y.out)::bigint AS out
				FROM change AS y GROUP BY 1, 2, 3) AS c
			WINDOW w AS (PARTITION BY c.purpose_id, c.notice ORDER BY c.period)),
		/* the last answer of a person in a period */
		answer AS (
			SELECT a.period, a.purpose_id, a.notice, count(*) AS answered, count(*) FILTER (WHERE a.yes) AS opted_in
			FROM (SELECT DISTINCT ON (1, x.person, x.purpose_id, x.notice) date_trunc(old_rates.step, x.at, 'UTC') AS period, x.person, x.purpose_id, x.notice, x.yes
				FROM line AS x WHERE x.action IN ('given', 'refused') ORDER BY 1, x.person, x.purpose_id, x.notice, x.event_id DESC) AS a
			GROUP BY 1, 2, 3),
		cell AS (
			SELECT coalesce(a.period, f.period) AS period, coalesce(a.purpose_id, f.purpose_id) AS purpose_id, coalesce(a.notice, f.notice) AS notice,
				coalesce(a.answered, 0) AS answered, coalesce(a.opted_in, 0) AS opted_in, coalesce(f.in_force, 0) AS in_force, coalesce(f.out, 0) AS out
			FROM answer AS a FULL JOIN force AS f ON (f.period, f.purpose_id, coalesce(f.notice, '')) = (a.period, a.purpose_id, coalesce(a.notice, '')))
		SELECT r.period, p.name, r.notice,
			CASE WHEN a.ok THEN r.answered END, CASE WHEN a.ok THEN r.opted_in END, i.rate, i.low, i.high,
			CASE WHEN a.force_ok THEN r.in_force END, CASE WHEN a.force_ok THEN r.out END, o.rate, o.low, o.high, NOT (a.ok AND a.force_ok)
		FROM cell AS r JOIN personalize.registry_purpose AS p ON p.purpose_id = r.purpose_id
			CROSS JOIN LATERAL (SELECT r.answered = 0 OR r.answered >= least AS ok, r.in_force = 0 OR r.in_force >= least AS force_ok) AS a
			LEFT JOIN LATERAL personalize.wilson_internal(r.opted_in, r.answered, old_rates.confidence) AS i ON a.ok
			LEFT JOIN LATERAL personalize.wilson_internal(r.out, r.in_force, old_rates.confidence) AS o ON a.force_ok
		WHERE r.period >= old_rates.since AND r.period < old_rates.until
		ORDER BY r.period, p.name COLLATE "C", r.notice COLLATE "C";
END
$$;
CREATE FUNCTION fast.old_lift(experiment text, metric text, confidence double precision DEFAULT 0.95, baseline text DEFAULT 'holdout',
	k integer DEFAULT NULL)
RETURNS TABLE (measure text, variant text, against text, persons bigint, value double precision, against_persons bigint, against_value double precision,
	difference double precision, low double precision, high double precision, ratio double precision, ratio_low double precision, ratio_high double precision,
	method text, suppressed boolean)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT ROWS 4
SET search_path = pg_catalog, pg_temp
SET jit = off	/* takes a second and spares none */
AS $$
#variable_conflict use_column
DECLARE
	e personalize.experiment;
	m personalize.metric;
	least bigint := personalize.least_group_internal(old_lift.k);
BEGIN
	PERFORM personalize.require_preloaded_internal();
	PERFORM personalize.check_confidence_internal(old_lift.confidence);
	e := personalize.experiment_internal(old_lift.experiment);
	m := personalize.metric_internal(old_lift.metric);
	IF old_lift.baseline IS NULL OR old_lift.baseline <> ALL (ARRAY['holdout'] || e.variants) THEN
		RAISE EXCEPTION 'experiment "%" has no variant "%"', e.name, personalize.shown_internal(coalesce(old_lift.baseline, 'null'))
			USING ERRCODE = 'invalid_parameter_value', HINT = 'The baseline is holdout, or one of the variants.';
	END IF;
	RETURN QUERY
		WITH enrolled AS MATERIALIZED (
			SELECT a.person, a.variant, a.at
			FROM personalize.assignment_person_internal AS a JOIN personalize.counted_internal AS c ON c.subject_no = a.subject_no
			WHERE a.experiment_id = e.experiment_id
				/* of whoever may not be measured nothing is known, which is not the same as nothing */
				AND (m.purpose_id = e.purpose_id OR personalize.measured_at_internal(c.kind_id, c.key, m.purpose_id, a.at))),
		done AS (
			SELECT n.person, count(*) AS n, sum(o.value) AS total
			FROM personalize.outcome AS o JOIN personalize.counted_internal AS c ON c.subject_no = o.subject_no JOIN enrolled AS n ON n.person = c.person
			WHERE o.metric_id = m.metric_id AND o.at >= n.at AND (e.ended_at IS NULL OR o.at < e.ended_at) GROUP BY 1),
		person AS (
			/* who did not rate is not dissatisfied */
			SELECT n.variant, d.n IS NOT NULL AS has, CASE WHEN m.measures = 'satisfaction' THEN d.total / d.n ELSE coalesce(d.total, 0) END AS v
			FROM enrolled AS n LEFT JOIN done AS d ON d.person = n.person),
		arm AS (
			SELECT u.variant, x.measure, CASE x.measure WHEN 'rate' THEN u.n ELSE u.n_mean END AS n,
				CASE WHEN x.measure = 'rate' OR u.has = 0 THEN u.n ELSE least(u.n_mean, u.has) END AS who, u.has, u.mean, u.variance
			FROM (SELECT p.variant, count(*) AS n, count(*) FILTER (WHERE p.has) AS has, count(p.v) AS n_mean, avg(p.v) AS mean, var_samp(p.v) AS variance
					FROM person AS p GROUP BY 1
				UNION ALL
				SELECT 'personalized', count(*), count(*) FILTER (WHERE p.has), count(p.v), avg(p.v), var_samp(p.v)
					FROM person AS p WHERE old_lift.baseline = 'holdout' AND p.variant <> 'holdout' HAVING count(*) > 0) AS u
				CROSS JOIN (VALUES ('rate'), ('mean')) AS x (measure)),
		/* a sum of all and a sum of the others would tell about a variant that is not shown by itself */
		hidden AS (
			SELECT a.measure, sum(a.who) FILTER (WHERE a.who < least) AS n FROM arm AS a WHERE a.variant NOT IN ('personalized', 'holdout') GROUP BY 1),
		shown AS (
			SELECT a.*, a.who >= least AND a.n >= least AND (a.variant <> 'personalized' OR coalesce(h.n, 0) = 0 OR h.n >= least) AS ok
			FROM arm AS a LEFT JOIN hidden AS h ON h.measure = a.measure)
		SELECT a.measure, a.variant, old_lift.baseline, CASE WHEN a.ok THEN a.n END, CASE WHEN a.ok THEN CASE a.measure WHEN 'rate' THEN a.has::double precision / a.n ELSE a.mean END END,
			CASE WHEN b.ok THEN b.n END, CASE WHEN b.ok THEN CASE a.measure WHEN 'rate' THEN b.has::double precision / b.n ELSE b.mean END END,
			i.difference, i.low, i.high, i.ratio, i.ratio_low, i.ratio_high,
			CASE a.measure WHEN 'rate' THEN 'Newcombe hybrid score' ELSE 'Welch t' END, NOT (a.ok AND coalesce(b.ok, false))
		FROM shown AS a LEFT JOIN shown AS b ON b.measure = a.measure AND b.variant = old_lift.baseline
			LEFT JOIN LATERAL (
				SELECT r.difference, r.low, r.high, r.ratio, r.ratio_low, r.ratio_high
					FROM personalize.proportions_internal(a.has, a.n, b.has, b.n, old_lift.confidence) AS r WHERE a.measure = 'rate'
				UNION ALL
				SELECT r.difference, r.low, r.high, r.ratio, r.ratio_low, r.ratio_high
					FROM personalize.means_internal(a.mean, a.variance, a.n, b.mean, b.variance, b.n, old_lift.confidence) AS r WHERE a.measure = 'mean') AS i ON a.ok AND b.ok
		WHERE a.variant <> old_lift.baseline
		ORDER BY a.measure DESC, a.variant <> 'personalized', array_position(ARRAY['holdout'] || e.variants, a.variant);
END
$$;
CREATE FUNCTION fast.old_said(kind_id integer, key text, purpose_id integer, at timestamptz)
RETURNS text
LANGUAGE sql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN d.state IN ('given', 'presumed') THEN 'yes' WHEN d.state IN ('refused', 'withdrawn', 'objected') THEN 'no'
		WHEN d.state IN ('unknown', 'expired') THEN 'silent' END
	FROM personalize.decision_internal($1, $2, $3, $4) AS d
$$;
CREATE FUNCTION fast.old_parity(metric text, purpose text, since timestamptz DEFAULT '-infinity', until timestamptz DEFAULT 'infinity',
	confidence double precision DEFAULT 0.95, k integer DEFAULT NULL)
RETURNS TABLE (measure text, said text, persons bigint, value double precision, yes_persons bigint, yes_value double precision, ratio double precision, four_fifths boolean,
	difference double precision, low double precision, high double precision, method text, suppressed boolean)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT ROWS 4
SET search_path = pg_catalog, pg_temp
SET jit = off	/* takes a second and spares none */
AS $$
#variable_conflict use_column
DECLARE
	id integer;
	m personalize.metric;
	least bigint := personalize.least_group_internal(old_parity.k);
	ends timestamptz := least(clock_timestamp(), old_parity.until);
BEGIN
	PERFORM personalize.require_preloaded_internal();
	PERFORM personalize.check_confidence_internal(old_parity.confidence);
	id := personalize.purpose_id_internal(old_parity.purpose, 'ask');
	m := personalize.metric_internal(old_parity.metric);
	IF EXISTS (SELECT FROM personalize.registry_purpose AS p WHERE p.purpose_id = m.purpose_id AND (p.purpose_id = id OR p.legal_basis IN ('consent', 'explicit_consent'))) THEN
		RAISE EXCEPTION 'metric "%" is recorded of those only who agreed', m.name
			USING ERRCODE = 'object_not_in_prerequisite_state',
				HINT = 'Define a metric for a purpose that rests on something else than consent, for example contract, legal_obligation or legitimate_interest.';
	END IF;
	RETURN QUERY
		WITH person AS MATERIALIZED (
			/* people of the kinds that the metric is about; several identities have said the same */
			SELECT c.person, min(c.subject_no) AS subject_no FROM personalize.counted_internal AS c
			WHERE c.kind_id IN (SELECT s.kind_id FROM personalize.outcome AS o JOIN personalize.subject AS s ON s.subject_no = o.subject_no WHERE o.metric_id = m.metric_id)
			GROUP BY 1),
		known AS MATERIALIZED (
			SELECT p.person, s.subject_no, s.kind_id, s.key FROM person AS p JOIN personalize.subject AS s ON s.subject_no = p.subject_no
			WHERE personalize.measured_at_internal(s.kind_id, s.key, m.purpose_id, ends)),
		/* what a person has said within the time: at its start, by each word, at its end */
		word AS MATERIALIZED (
			SELECT n.person, t.at, fast.old_said(n.kind_id, n.key, id, t.at) AS said
			FROM known AS n CROSS JOIN LATERAL (
				SELECT e.recorded_at AS at FROM personalize.consent_event AS e
					WHERE e.subject_no = n.subject_no AND e.recorded_at >= old_parity.since AND e.recorded_at < ends
				UNION SELECT old_parity.since WHERE old_parity.since > '-infinity'
					AND EXISTS (SELECT FROM personalize.consent_event AS e WHERE e.subject_no = n.subject_no AND e.recorded_at < old_parity.since)
				UNION SELECT ends) AS t),
		unit AS (
			SELECT DISTINCT w.person, w.said FROM word AS w),
		/* whoever never changed sides need not be asked again for each outcome */
		steady AS (
			SELECT w.person, min(w.at) AS since, min(w.said) AS said FROM word AS w
			GROUP BY 1 HAVING min(w.said) = max(w.said) AND count(w.said) = count(*)),
		done AS (
			SELECT x.person, x.said, avg(x.value) AS mean
			FROM (SELECT n.person, o.value, CASE WHEN o.at >= y.since THEN y.said ELSE fast.old_said(n.kind_id, n.key, id, o.at) END AS said
				FROM personalize.outcome AS o JOIN personalize.counted_internal AS c ON c.subject_no = o.subject_no JOIN known AS n ON n.person = c.person
					LEFT JOIN steady AS y ON y.person = n.person
				WHERE o.metric_id = m.metric_id AND o.at >= old_parity.since AND o.at < old_parity.until) AS x
			GROUP BY 1, 2),
		total AS (
			SELECT coalesce(u.said, d.said) AS said, count(*) AS n, count(d.person) AS has, avg(d.mean) AS mean, var_samp(d.mean) AS variance
			FROM unit AS u FULL JOIN done AS d ON d.person = u.person AND d.said = u.said
			WHERE coalesce(u.said, d.said) IS NOT NULL GROUP BY 1),
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
				SELECT r.difference, r.low, r.high FROM personalize.proportions_internal(a.has, a.n, b.has, b.n, old_parity.confidence) AS r WHERE a.measure = 'rate'
				UNION ALL
				SELECT r.difference, r.low, r.high FROM personalize.means_internal(a.mean, a.variance, a.n, b.mean, b.variance, b.n, old_parity.confidence) AS r
				WHERE a.measure = 'mean') AS i ON a.ok AND b.ok
		WHERE a.said <> 'yes'
		ORDER BY a.measure DESC, a.said;
END
$$;

/* numbers are the same within rounding: sums are made in another order */
CREATE FUNCTION fast.same(a jsonb, b jsonb) RETURNS boolean LANGUAGE sql AS $$
	SELECT count(*) = 0 FROM jsonb_each(a) AS x FULL JOIN jsonb_each(b) AS y USING (key)
	WHERE CASE WHEN jsonb_typeof(x.value) = 'number' AND jsonb_typeof(y.value) = 'number'
		THEN abs(x.value::float8 - y.value::float8) > 1e-9 * greatest(abs(y.value::float8), 1e-3) ELSE x.value IS DISTINCT FROM y.value END
$$;
CREATE FUNCTION fast.compare(now text, before text, OUT rows bigint, OUT shown bigint, OUT wrong bigint) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('SELECT count(*), count(*) FILTER (WHERE (o->>''suppressed'')::boolean IS FALSE), count(*) FILTER (WHERE NOT coalesce(fast.same(n, o), false))
		FROM (SELECT row_number() OVER () AS i, to_jsonb(x) AS n FROM %s AS x WHERE x::text ~ ''fast|rate|mean'') AS a FULL JOIN (SELECT row_number() OVER () AS i, to_jsonb(y) AS o FROM %s AS y WHERE y::text ~ ''fast|rate|mean'') AS b USING (i)', now, before)
		INTO rows, shown, wrong;
END
$$;
/* as good as random, and the same everywhere */
CREATE FUNCTION fast.r(i bigint, salt bigint, n bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$ SELECT abs(hashint8extended(i, salt) % n) $$;
CREATE FUNCTION fast.at(i bigint, salt bigint) RETURNS timestamptz LANGUAGE sql STABLE AS $$ SELECT timestamptz '2026-06-01 00:00+00' - make_interval(secs => fast.r(i, salt, 2400) * 3600) $$;

SELECT personalize.define_kind('fast', 'bigint'), personalize.define_kind('fast_web', 'text'), personalize.define_category('fast_x', 'for tests'), personalize.define_category('fast_y', 'for tests', special => true);
SELECT personalize.define_purpose('fast_top', 'for tests'), personalize.define_purpose('fast_a', 'for tests', parents => '{fast_top}'), personalize.define_purpose('fast_b', 'for tests', categories => '{fast_x,fast_y}'),
	personalize.define_purpose('fast_legit', 'for tests', 'legitimate_interest', categories => '{fast_x}'), personalize.define_purpose('fast_serve', 'for tests', 'contract'),
	personalize.define_purpose('fast_explicit', 'for tests', 'explicit_consent', parents => '{fast_top}'), personalize.define_purpose('fast_gone', 'for tests');
SELECT personalize.define_notice('fast', v, 'en', 'text ' || v, material => false) FROM unnest('{1,2}'::text[]) AS v;
SELECT personalize.define_metric('fast_' || m || '_' || measures, 'fast_' || m, measures) FROM unnest('{top,a,b,legit,serve,explicit}'::text[]) AS m, unnest('{conversion,click,satisfaction,purchase}'::text[]) AS measures
	WHERE (m, measures) NOT IN (('a', 'purchase'), ('b', 'click'), ('explicit', 'conversion'));
SELECT personalize.define_experiment('fast_' || e, 'fast_' || e, '{a,b}') FROM unnest('{a,legit}'::text[]) AS e;
INSERT INTO personalize.subject (kind_id, key) SELECT k.kind_id, CASE k.name WHEN 'fast' THEN i::text ELSE 'w' || i END FROM personalize.registry_kind AS k, generate_series(1, 500) AS i
	WHERE k.name = 'fast' OR (k.name = 'fast_web' AND i <= 61) ORDER BY k.name, i;
SELECT count(personalize.link_subject('w' || i, i::text, to_kind => 'fast', kind => 'fast_web')) FROM generate_series(1, 40) AS i;
/* the highest number is that of a person, and of an identity that is not counted */
SELECT personalize.link_subject('w61', '400', to_kind => 'fast', kind => 'fast_web') >= 0;
UPDATE personalize.linked AS l SET group_no = x.no FROM (SELECT max(s.subject_no) AS no FROM personalize.subject AS s) AS x WHERE l.group_no = (SELECT m.group_no FROM personalize.linked AS m WHERE m.subject_no = x.no);
CREATE TABLE fast.person AS SELECT row_number() OVER (ORDER BY k.name, s.subject_no) AS i, s.subject_no, coalesce(l.group_no, s.subject_no) AS person
	FROM personalize.subject AS s JOIN personalize.registry_kind AS k USING (kind_id) LEFT JOIN personalize.linked AS l USING (subject_no) WHERE k.name LIKE 'fast%';
CREATE TABLE fast.purpose AS SELECT row_number() OVER (ORDER BY p.name COLLATE "C") - 1 AS i, p.* FROM personalize.registry_purpose AS p WHERE p.name LIKE 'fast%';
CREATE TABLE fast.metric AS SELECT row_number() OVER (ORDER BY m.name) - 1 AS i, m.* FROM personalize.metric AS m WHERE m.name LIKE 'fast%';
SELECT personalize.ledger_unlock_internal(true);
INSERT INTO personalize.consent_event (record_id, recorded_at, subject_no, purpose_id, action, categories, explicit, expires_at, notice, recorded_by, recorded_as)
	SELECT e.record_id, e.at, n.subject_no, e.purpose_id, e.action, e.categories, e.explicit, e.expires_at, e.notice, 'x', 'x'
	FROM (SELECT o, md5('fast' || o)::uuid AS record_id, fast.at(o, 1) AS at, 1 + fast.r(o, 2, 561) AS who,
			CASE WHEN a.action = 'restricted' OR (a.action = 'lifted' AND o % 2 = 0) THEN 0 ELSE (SELECT p.purpose_id FROM fast.purpose AS p WHERE p.i = fast.r(o, 3, 7)) END AS purpose_id, a.action,
			CASE WHEN a.action IN ('given', 'ending', 'presumed') THEN
				CASE fast.r(o, 4, 5) WHEN 0 THEN ARRAY[x.x] WHEN 1 THEN ARRAY[0, x.x] WHEN 2 THEN ARRAY[0] ELSE ARRAY[0, x.x, x.y] END
				WHEN fast.r(o, 5, 8) = 0 THEN ARRAY[x.x] END AS categories,
			fast.r(o, 6, 3) = 0 AS explicit, CASE WHEN a.action IN ('given', 'ending') AND fast.r(o, 7, 3) = 0 THEN fast.at(o, 1) + make_interval(hours => fast.r(o, 8, 2000)::integer) END AS expires_at,
			CASE fast.r(o, 9, 5) WHEN 0 THEN 'fast/1' WHEN 1 THEN 'fast/2' WHEN 2 THEN 'nonesuch/1' WHEN 3 THEN 'fast' END AS notice
		FROM generate_series(1, 6000) AS g (o)
			CROSS JOIN LATERAL (SELECT (ARRAY['given','given','given','given','refused','withdrawn','objected','ending','presumed','lifted','restricted','given'])[1 + fast.r(o, 10, 12)] AS action) AS a
			CROSS JOIN (SELECT min(c.category_id) FILTER (WHERE c.name = 'fast_x') AS x, min(c.category_id) FILTER (WHERE c.name = 'fast_y') AS y FROM personalize.registry_category AS c) AS x
		WHERE a.action <> 'restricted' OR o % 5 = 0) AS e
		JOIN fast.person AS w ON w.i = e.who JOIN fast.person AS n ON n.person = w.person
	ORDER BY e.at, e.o, n.subject_no;
UPDATE personalize.subject AS s SET tombstoned = true FROM fast.person AS p WHERE p.subject_no = s.subject_no AND p.i IN (7, 107, 207, 561);
UPDATE personalize.subject AS s SET key = NULL FROM fast.person AS p WHERE p.subject_no = s.subject_no AND p.i IN (9, 109, 209);
SELECT personalize.ledger_unlock_internal(false);
INSERT INTO personalize.exposure (subject_no, purpose_id, at) SELECT p.subject_no, q.purpose_id, fast.at(o, 21)
	FROM generate_series(1, 3000) AS g (o) JOIN fast.person AS p ON p.i = 1 + fast.r(o, 22, 561) JOIN fast.purpose AS q ON q.i = fast.r(o, 23, 7);
INSERT INTO personalize.outcome (subject_no, metric_id, value, at) SELECT p.subject_no, m.metric_id, fast.r(o, 31, 1000) / 7.0, fast.at(o, 32)
	FROM generate_series(1, 5000) AS g (o) JOIN fast.person AS p ON p.i = 1 + fast.r(o, 33, 561) JOIN fast.metric AS m ON m.i = fast.r(o, 34, 21)
	WHERE m.name <> 'fast_top_click' OR o % 60 = 0;
INSERT INTO personalize.assignment (experiment_id, subject_no, variant, epoch, at)
	SELECT e.experiment_id, p.subject_no, (ARRAY['holdout','a','b'])[1 + CASE WHEN p.i % 200 = 0 THEN 2 ELSE fast.r(p.i, 41, 2) END], 1, fast.at(p.i, 42)
	FROM personalize.experiment AS e, fast.person AS p WHERE e.name LIKE 'fast%' AND fast.r(p.i + length(e.name), 43, 4) > 0;
SELECT personalize.end_experiment('fast_legit'), personalize.retire_purpose('fast_gone');
UPDATE personalize.experiment SET ended_at = timestamptz '2026-05-12 00:00+00' WHERE name = 'fast_legit';
ANALYZE personalize.subject, personalize.outcome, personalize.exposure, personalize.consent_event;

SELECT w, x.* FROM unnest('{conversion_rate,click_through,satisfaction,repeat_purchase,lifetime_value}'::text[]) AS w, fast.compare(format('personalize.measure(%L)', w), format('fast.old_measure(%L)', w)) AS x;
\set times 'unnest(ARRAY[''2026-04-01 UTC'', ''2026-04-20 UTC'', ''-infinity'', ''2026-03-20 UTC'', ''2026-05-20 UTC''], ARRAY[''2026-05-01 UTC'', ''2026-04-20 UTC'', ''2026-03-20 UTC'', ''2026-05-10 UTC'', ''infinity'']) AS t (since, until)'
SELECT w, t.*, x.* FROM unnest('{conversion_rate,click_through,satisfaction,repeat_purchase,lifetime_value}'::text[]) AS w, :times,
	fast.compare(format('personalize.measure(%L, %L, %L, 0.9, 20)', w, since, until), format('fast.old_measure(%L, %L, %L, 0.9, 20)', w, since, until)) AS x;
SELECT s, x.* FROM unnest('{day,week,month,quarter,year}'::text[]) AS s, fast.compare(format('personalize.consent_rates(%L)', s), format('fast.old_rates(%L)', s)) AS x;
SELECT p, x.* FROM unnest('{top,b,legit}'::text[]) AS p, fast.compare(format('personalize.consent_rates(''week'', %L, ''2026-03-01 UTC'', k => 10)', 'fast_' || p), format('fast.old_rates(''week'', %L, ''2026-03-01 UTC'', k => 10)', 'fast_' || p)) AS x;
SELECT e, b, count(*) AS metrics, sum(x.rows) AS rows, sum(x.shown) AS shown, sum(x.wrong) AS wrong FROM unnest('{fast_a,fast_legit}'::text[]) AS e, unnest('{holdout,a}'::text[]) AS b, fast.metric AS m,
	fast.compare(format('personalize.lift(%L, %L, baseline => %L)', e, m.name, b), format('fast.old_lift(%L, %L, baseline => %L)', e, m.name, b)) AS x GROUP BY 1, 2 ORDER BY 1, 2;
/* all metrics at once, as the report asks for them, is each by itself */
SELECT e.name, x.* FROM personalize.experiment AS e, (SELECT 'ARRAY(SELECT m.metric_id FROM fast.metric AS m ORDER BY m.name COLLATE "C" DESC)' AS metrics) AS m,
	fast.compare(format('(SELECT t.* FROM personalize.lift_internal(%s, %s, 0.95, ''holdout'', 5) AS t)', e.experiment_id, metrics),
		format('(SELECT m.id AS metric_id, t.measure, t.variant, t.persons, t.value, t.against_persons, t.against_value, t.difference, t.low, t.high, t.ratio, t.ratio_low, t.ratio_high, t.method, t.suppressed FROM unnest(%s) WITH ORDINALITY AS m (id, place) JOIN personalize.metric AS n ON n.metric_id = m.id
			CROSS JOIN LATERAL personalize.lift(%L, n.name) WITH ORDINALITY AS t ORDER BY m.place, t.ordinality)', metrics, e.name)) AS x WHERE e.name LIKE 'fast%' ORDER BY e.name;
SELECT m.name, q.name, sum(x.rows) AS rows, sum(x.shown) AS shown, sum(x.wrong) AS wrong FROM fast.metric AS m, fast.purpose AS q, :times,
	fast.compare(format('personalize.opt_out_parity(%L, %L, %L, %L, k => 10)', m.name, q.name, since, until), format('fast.old_parity(%L, %L, %L, %L, k => 10)', m.name, q.name, since, until)) AS x
	WHERE m.name IN ('fast_serve_purchase', 'fast_legit_click') AND q.name IN ('fast_top', 'fast_a', 'fast_b', 'fast_explicit') GROUP BY m.name, q.name ORDER BY m.name, q.name COLLATE "C";
ROLLBACK;
