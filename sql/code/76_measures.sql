/*
 * Measures over outcomes.  Methods and their sources: 72_statistics.sql.
 *
 * A person is counted once, whatever the number of identities.  Who is erased, or
 * restricted all processing, is not counted.  Of the others that is counted which they
 * permitted at the time: exposures and outcomes are recorded only then.
 *
 * A group of fewer persons than personalize.least_group is not shown.  That keeps single
 * persons out of single answers.  It does not stand against somebody who compares answers
 * about groups that overlap, or of before and after somebody came: see docs/reference.md.
 */
CREATE OR REPLACE VIEW personalize.counted_internal AS
	SELECT s.subject_no, coalesce(l.group_no, s.subject_no) AS person, s.kind_id, s.key
	FROM personalize.subject AS s LEFT JOIN personalize.linked AS l ON l.subject_no = s.subject_no
	WHERE s.key IS NOT NULL AND NOT s.tombstoned
		AND NOT EXISTS (SELECT FROM personalize.consent_event AS r
			WHERE r.subject_no = s.subject_no AND r.purpose_id = 0 AND r.action = 'restricted'
				AND NOT EXISTS (SELECT FROM personalize.consent_event AS n
					WHERE n.subject_no = r.subject_no AND n.purpose_id = 0 AND n.event_id > r.event_id));
COMMENT ON VIEW personalize.counted_internal IS 'Whom measures count: each identity with the number of the person; nobody who is erased or restricted processing';

CREATE OR REPLACE FUNCTION personalize.measured_at_internal(kind_id integer, key text, purpose_id integer, at timestamptz)
RETURNS boolean
LANGUAGE sql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT d.permitted FROM personalize.decision_internal($1, $2, $3, $4) AS d
$$;
COMMENT ON FUNCTION personalize.measured_at_internal(integer, text, integer, timestamptz) IS 'Whether a person permitted a purpose at a time';

CREATE OR REPLACE FUNCTION personalize.measure(what text, since timestamptz DEFAULT '-infinity', until timestamptz DEFAULT 'infinity',
	confidence double precision DEFAULT 0.95, k integer DEFAULT NULL)
RETURNS TABLE (metric text, purpose text, persons bigint, events bigint, value double precision, low double precision, high double precision, suppressed boolean)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER ROWS 10
SET search_path = pg_catalog, pg_temp
SET jit = off	/* takes a second and spares none */
AS $$
#variable_conflict use_column
DECLARE
	least bigint := personalize.least_group_internal(measure.k);
	fit text[] := CASE measure.what WHEN 'conversion_rate' THEN '{conversion,purchase}'::text[] WHEN 'click_through' THEN '{click}'
		WHEN 'satisfaction' THEN '{satisfaction}' WHEN 'repeat_purchase' THEN '{purchase}' WHEN 'lifetime_value' THEN '{purchase}' END;
	ids integer[];
	measured_for integer[];
BEGIN
	PERFORM personalize.require_preloaded_internal();
	PERFORM personalize.check_confidence_internal(measure.confidence);
	IF fit IS NULL THEN
		RAISE EXCEPTION 'there is no measure "%"', personalize.shown_internal(coalesce(measure.what, 'null'))
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Use conversion_rate, click_through, satisfaction, repeat_purchase or lifetime_value.';
	END IF;
	SELECT coalesce(array_agg(m.metric_id ORDER BY m.metric_id), '{}'), coalesce(array_agg(m.purpose_id ORDER BY m.metric_id), '{}') INTO ids, measured_for
		FROM personalize.metric AS m WHERE m.measures = ANY (fit);
	PERFORM personalize.note_use_internal('personalize.outcome'::regclass, 'value, at', t.purpose_id, t.numbers)
		FROM personalize.figures_touched_internal('outcome', ids, measured_for, measure.since, measure.until) AS t;
	IF measure.what IN ('conversion_rate', 'click_through') THEN
		PERFORM personalize.note_use_internal('personalize.exposure'::regclass, 'at', t.purpose_id, t.numbers)
			FROM (SELECT coalesce(array_agg(p.purpose_id ORDER BY p.purpose_id), '{}') AS ids FROM personalize.registry_purpose AS p) AS q
				CROSS JOIN LATERAL personalize.figures_touched_internal('exposure', q.ids, q.ids, measure.since, measure.until) AS t;
		RETURN QUERY
			SELECT m.name::text, p.name, CASE WHEN t.persons >= least THEN t.persons END,
				CASE WHEN t.persons >= least THEN CASE measure.what WHEN 'click_through' THEN t.shown ELSE t.persons END END,
				i.value, i.low, i.high, t.persons < least
			FROM personalize.figures_shown_internal(ids, measured_for, measure.since, measure.until) AS t
				JOIN personalize.metric AS m ON m.metric_id = t.metric_id JOIN personalize.registry_purpose AS p ON p.purpose_id = t.purpose_id
				LEFT JOIN LATERAL (
					SELECT w.rate AS value, w.low, w.high FROM personalize.wilson_internal(t.converted, t.persons, measure.confidence) AS w WHERE measure.what = 'conversion_rate'
					UNION ALL
					SELECT r.rate, greatest(r.rate - r.reach, 0), r.rate + r.reach
					FROM (SELECT t.done / t.shown AS rate, - personalize.norm_quantile_internal((1 - measure.confidence) / 2)
							* sqrt(greatest(t.var_done - 2 * (t.done / t.shown) * t.covar + power(t.done / t.shown, 2) * t.var_shown, 0) / t.persons)
							/ (t.shown::double precision / t.persons) AS reach) AS r
					WHERE measure.what = 'click_through') AS i ON t.persons >= least
			ORDER BY m.name, p.name COLLATE "C";
	ELSE
		RETURN QUERY
			SELECT m.name::text, p.name, CASE WHEN t.persons >= least THEN t.persons END, CASE WHEN t.persons >= least THEN t.events END, i.value, i.low, i.high, t.persons < least
			FROM personalize.figures_done_internal(ids, measure.what = 'satisfaction', measure.since, measure.until) AS t
				JOIN personalize.metric AS m ON m.metric_id = t.metric_id JOIN personalize.registry_purpose AS p ON p.purpose_id = m.purpose_id
				LEFT JOIN LATERAL (
					SELECT w.rate AS value, w.low, w.high FROM personalize.wilson_internal(t.again, t.persons, measure.confidence) AS w WHERE measure.what = 'repeat_purchase'
					UNION ALL
					SELECT t.mean, r.low, r.high FROM personalize.mean_internal(t.mean, t.variance, t.persons, measure.confidence) AS r
					WHERE measure.what <> 'repeat_purchase') AS i ON t.persons >= least
			ORDER BY m.name;
	END IF;
END
$$;
COMMENT ON FUNCTION personalize.measure(text, timestamptz, timestamptz, double precision, integer) IS
	'conversion_rate, click_through, satisfaction, repeat_purchase or lifetime_value of each metric that measures it, with an interval; over the people who permitted it at the time; groups below k are suppressed';

CREATE OR REPLACE VIEW personalize.conversion_rate AS SELECT m.* FROM personalize.measure('conversion_rate') AS m;
COMMENT ON VIEW personalize.conversion_rate IS
	'Of the persons to whom something was shown for a purpose, the share that converted (or bought) after it; Wilson interval';
CREATE OR REPLACE VIEW personalize.click_through AS SELECT m.* FROM personalize.measure('click_through') AS m;
COMMENT ON VIEW personalize.click_through IS
	'Clicks after the first exposure for each exposure; interval by the delta method, for a person''s exposures are not independent';
CREATE OR REPLACE VIEW personalize.satisfaction AS SELECT m.* FROM personalize.measure('satisfaction') AS m;
COMMENT ON VIEW personalize.satisfaction IS 'Mean of the persons'' mean ratings; Student''s t interval';
CREATE OR REPLACE VIEW personalize.repeat_purchase AS SELECT m.* FROM personalize.measure('repeat_purchase') AS m;
COMMENT ON VIEW personalize.repeat_purchase IS 'Of the persons who bought, the share that did so at two moments or more; Wilson interval';
CREATE OR REPLACE VIEW personalize.lifetime_value AS SELECT m.* FROM personalize.measure('lifetime_value') AS m;
COMMENT ON VIEW personalize.lifetime_value IS 'Mean of what the persons who bought have spent until now; Student''s t interval';

CREATE OR REPLACE FUNCTION personalize.consent_rates(step text DEFAULT 'month', purpose text DEFAULT NULL, since timestamptz DEFAULT '-infinity', until timestamptz DEFAULT 'infinity',
	confidence double precision DEFAULT 0.95, k integer DEFAULT NULL)
RETURNS TABLE (period timestamptz, purpose_name text, notice text, answered bigint, opted_in bigint, opt_in_rate double precision, opt_in_low double precision,
	opt_in_high double precision, in_force bigint, opted_out bigint, opt_out_rate double precision, opt_out_low double precision, opt_out_high double precision, suppressed boolean)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER ROWS 100
SET search_path = pg_catalog, pg_temp
SET jit = off	/* takes a second and spares none */
AS $$
#variable_conflict use_column
DECLARE
	least bigint := personalize.least_group_internal(consent_rates.k);
	wanted integer := CASE WHEN consent_rates.purpose IS NOT NULL THEN personalize.purpose_id_internal(consent_rates.purpose, 'ask') END;
BEGIN
	PERFORM personalize.require_preloaded_internal();
	PERFORM personalize.check_confidence_internal(consent_rates.confidence);
	IF consent_rates.step IS NULL OR consent_rates.step NOT IN ('day', 'week', 'month', 'quarter', 'year') THEN
		RAISE EXCEPTION 'step must be day, week, month, quarter or year' USING ERRCODE = 'invalid_parameter_value';
	END IF;
	RETURN QUERY
		WITH one AS MATERIALIZED (
			SELECT f.period, f.purpose AS purpose_id, f.notice, f.answered, f.opted_in, f.began, f.ended, f.opted_out AS out
			FROM personalize.figures_rates_internal(consent_rates.step, wanted) AS f),
		force AS (
			SELECT o.period, o.purpose_id, o.notice, o.out,
				(sum(o.began) OVER w - sum(o.ended) OVER w + o.ended)::bigint AS in_force
			FROM one AS o WHERE o.began + o.ended > 0
			WINDOW w AS (PARTITION BY o.purpose_id, o.notice ORDER BY o.period)),
		answer AS (
			SELECT o.period, o.purpose_id, o.notice, o.answered, o.opted_in FROM one AS o WHERE o.answered > 0),
		cell AS (
			SELECT coalesce(a.period, f.period) AS period, coalesce(a.purpose_id, f.purpose_id) AS purpose_id, coalesce(a.notice, f.notice) AS notice,
				coalesce(a.answered, 0) AS answered, coalesce(a.opted_in, 0) AS opted_in, coalesce(f.in_force, 0) AS in_force, coalesce(f.out, 0) AS out
			FROM answer AS a FULL JOIN force AS f ON (f.period, f.purpose_id, coalesce(f.notice, '')) = (a.period, a.purpose_id, coalesce(a.notice, '')))
		SELECT r.period, p.name, r.notice,
			CASE WHEN a.ok THEN r.answered END, CASE WHEN a.ok THEN r.opted_in END, i.rate, i.low, i.high,
			CASE WHEN a.force_ok THEN r.in_force END, CASE WHEN a.force_ok THEN r.out END, o.rate, o.low, o.high, NOT (a.ok AND a.force_ok)
		FROM cell AS r JOIN personalize.registry_purpose AS p ON p.purpose_id = r.purpose_id
			CROSS JOIN LATERAL (SELECT r.answered = 0 OR r.answered >= least AS ok, r.in_force = 0 OR r.in_force >= least AS force_ok) AS a
			LEFT JOIN LATERAL personalize.wilson_internal(r.opted_in, r.answered, consent_rates.confidence) AS i ON a.ok
			LEFT JOIN LATERAL personalize.wilson_internal(r.out, r.in_force, consent_rates.confidence) AS o ON a.force_ok
		WHERE r.period >= consent_rates.since AND r.period < consent_rates.until
		ORDER BY r.period, p.name COLLATE "C", r.notice COLLATE "C";
END
$$;
COMMENT ON FUNCTION personalize.consent_rates(text, text, timestamptz, timestamptz, double precision, integer) IS
	'For each day, week, month, quarter or year (UTC), purpose and version of the notice: of those who answered the share that opted in, and of the consents in force at some time the share that the persons ended; Wilson intervals';

CREATE OR REPLACE VIEW personalize.opt_rates AS SELECT r.* FROM personalize.consent_rates('day') AS r;
COMMENT ON VIEW personalize.opt_rates IS 'Opt-in and opt-out for each day (UTC), purpose and version of the notice: see consent_rates()';
