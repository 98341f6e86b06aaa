/*
 * Signs of creepiness, as rows: what a person in charge should look at, with the figures
 * that say why.
 *
 * Rates of a week are compared with those of the eight weeks before, by the conditional
 * test of two Poisson rates (Przyborowski and Wilenski, Biometrika 31 (1940) 313): if both
 * were the same, a share T1 / (T1 + T0) of all the cases would fall into the week, T1 and T0
 * being the days that persons were at risk.  The score interval of the share that did
 * (Wilson 1927) at 99.8 % becomes one of the ratio of the rates, and there is an alert if the
 * ratio reaches the threshold, and its interval is above 1: with one purpose that never
 * changes, once in a thousand weeks.
 *
 * Alerts are of now.  What they were before is kept by whatever reads personalize.metrics
 * (docs/monitoring.md); here it is kept only who has seen them.
 */
CREATE OR REPLACE VIEW personalize.alert_rules AS
	SELECT d.alert, d.description, coalesce(s.threshold, d.threshold) AS threshold, coalesce(s.minimum, d.minimum) AS minimum, coalesce(s.enabled, true) AS enabled,
		d.threshold AS default_threshold, d.minimum AS default_minimum, s.set_at, s.set_by
	FROM (VALUES
		('opt_out_spike', 2::double precision, 10::bigint, 'Persons end their consent more often than in the eight weeks before, each day one could: threshold is the ratio, minimum the persons who did so this week'),
		('cap_pressure', 0.2, 20, 'So many of those who were reached have reached a frequency cap: threshold is the share, minimum the persons who were reached'),
		('complaints', 2, 5, 'Persons object, or ask for a restriction, erasure or an end of sale, more often than in the eight weeks before: threshold is the ratio, minimum the persons who did so this week'),
		('no_explanation', 0.05, 20, 'So much of what was shown this week has no explanation: threshold is the share, minimum what was shown'),
		('use_grew', 2, 100, 'More is used each day, or shown, than in the four weeks after the newest notice: threshold is the ratio, minimum the rows in four weeks')
	) AS d (alert, threshold, minimum, description)
		LEFT JOIN personalize.alert_setting AS s ON s.alert = d.alert;
COMMENT ON VIEW personalize.alert_rules IS 'Alerts that there are, when each is raised, and what set_alert() has changed of that';

CREATE OR REPLACE FUNCTION personalize.alert_rule_internal(alert text)
RETURNS personalize.alert_rules
LANGUAGE plpgsql STABLE PARALLEL SAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	r personalize.alert_rules;
BEGIN
	SELECT x.* INTO r FROM personalize.alert_rules AS x WHERE x.alert = alert_rule_internal.alert;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'there is no alert "%"', personalize.shown_internal(coalesce(alert_rule_internal.alert, 'null'))
			USING ERRCODE = 'invalid_parameter_value', HINT = 'The view personalize.alert_rules lists them.';
	END IF;
	RETURN r;
END
$$;
COMMENT ON FUNCTION personalize.alert_rule_internal(text) IS 'An alert by its name, or an error';

CREATE OR REPLACE FUNCTION personalize.set_alert(alert text, threshold double precision DEFAULT NULL, minimum bigint DEFAULT NULL, enabled boolean DEFAULT true)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	r personalize.alert_rules;
BEGIN
	PERFORM personalize.registry_begin_internal();
	r := personalize.alert_rule_internal(set_alert.alert);
	IF NOT coalesce(set_alert.threshold > 0 AND set_alert.threshold < 'Infinity', true) THEN
		RAISE EXCEPTION 'threshold must be greater than zero' USING ERRCODE = 'invalid_parameter_value', HINT = 'NULL sets the default again.';
	END IF;
	IF set_alert.minimum <= 0 THEN
		RAISE EXCEPTION 'minimum must be greater than zero' USING ERRCODE = 'invalid_parameter_value', HINT = 'NULL sets the default again.';
	END IF;
	IF set_alert.enabled IS NULL THEN
		RAISE EXCEPTION 'enabled must not be null' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	INSERT INTO personalize.alert_setting (alert, threshold, minimum, enabled, set_by)
		VALUES (r.alert, coalesce(set_alert.threshold, r.default_threshold), coalesce(set_alert.minimum, r.default_minimum), set_alert.enabled, session_user)
		ON CONFLICT (alert) DO UPDATE SET threshold = EXCLUDED.threshold, minimum = EXCLUDED.minimum, enabled = EXCLUDED.enabled,
			set_at = clock_timestamp(), set_by = EXCLUDED.set_by;
END
$$;
COMMENT ON FUNCTION personalize.set_alert(text, double precision, bigint, boolean) IS
	'When an alert is raised (NULL: as by default), or that it is not looked for';

CREATE OR REPLACE FUNCTION personalize.acknowledge_alert(alert text, purpose text DEFAULT NULL, until timestamptz DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	r personalize.alert_rules;
	id integer := 0;
BEGIN
	PERFORM personalize.registry_begin_internal();
	r := personalize.alert_rule_internal(acknowledge_alert.alert);
	IF acknowledge_alert.purpose IS NOT NULL THEN
		id := personalize.purpose_id_internal(acknowledge_alert.purpose, 'ask');
	END IF;
	IF acknowledge_alert.until <= clock_timestamp() OR acknowledge_alert.until > clock_timestamp() + interval '1 year' THEN
		RAISE EXCEPTION 'until must be within a year from now' USING ERRCODE = 'invalid_parameter_value', HINT = 'set_alert() switches an alert off.';
	END IF;
	INSERT INTO personalize.alert_seen (alert, purpose_id, seen_by, until)
		VALUES (r.alert, id, session_user, coalesce(acknowledge_alert.until, clock_timestamp() + interval '28 days'));
END
$$;
COMMENT ON FUNCTION personalize.acknowledge_alert(text, text, timestamptz) IS
	'Says that an alert of a purpose (NULL: one of no single purpose) has been seen, and is no news until a moment (four weeks)';

/*
 * A rate now against one before: how many cases, in how many days at risk each.
 * Half a case stands for none before.
 */
CREATE OR REPLACE FUNCTION personalize.rates_internal(x1 double precision, t1 double precision, x0 double precision, t0 double precision, confidence double precision,
	OUT ratio double precision, OUT low double precision)
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT x1 / nullif(t1, 0) / nullif(greatest(x0, 0.5) / nullif(t0, 0), 0), w.low / nullif(1 - w.low, 0) * t0 / nullif(t1, 0)
	FROM personalize.wilson_internal(x1, x1 + x0, confidence) AS w
$$;
COMMENT ON FUNCTION personalize.rates_internal(double precision, double precision, double precision, double precision, double precision) IS
	'Ratio of two rates of cases, and the lower end of its interval (Przyborowski and Wilenski 1940, by Wilson 1927)';

CREATE OR REPLACE FUNCTION personalize.opt_outs_internal(today timestamptz)
RETURNS TABLE (purpose_id integer, cases bigint, at_risk double precision, cases_before bigint, at_risk_before double precision)
LANGUAGE sql STABLE PARALLEL UNSAFE STRICT ROWS 10
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'	/* days have 24 hours */
SET jit = off
AS $$
	WITH day AS (
		SELECT f.purpose, f.period, sum(f.began)::bigint AS began, sum(f.ended)::bigint AS ended, sum(f.opted_out)::bigint AS out
		FROM personalize.figures_rates_internal('day', NULL) AS f WHERE f.began + f.ended > 0 AND f.period <= $1 GROUP BY 1, 2),
	run AS (
		SELECT d.*, (sum(d.began - d.ended) OVER w)::double precision AS in_force, coalesce(lead(d.period) OVER w, $1 + interval '1 day') AS next
		FROM day AS d WINDOW w AS (PARTITION BY d.purpose ORDER BY d.period)),
	/* who was in force at some time of the day, then those who are, day after day */
	span AS (
		SELECT r.purpose, r.period AS starts, r.period + interval '1 day' AS ends, r.in_force + r.ended AS n, r.out FROM run AS r
		UNION ALL
		SELECT r.purpose, r.period + interval '1 day', r.next, r.in_force, 0 FROM run AS r WHERE r.next > r.period + interval '1 day'),
	part AS (
		SELECT s.purpose, w.now, CASE WHEN s.starts >= w.starts THEN s.out ELSE 0 END AS out,
			s.n * extract(epoch FROM least(s.ends, w.ends) - greatest(s.starts, w.starts))::double precision / 86400 AS days
		FROM span AS s JOIN (VALUES (true, $1 - interval '6 days', $1 + interval '1 day'), (false, $1 - interval '62 days', $1 - interval '6 days')) AS w (now, starts, ends)
			ON s.starts < w.ends AND s.ends > w.starts)
	SELECT p.purpose, coalesce(sum(p.out) FILTER (WHERE p.now), 0)::bigint, coalesce(sum(p.days) FILTER (WHERE p.now), 0),
		coalesce(sum(p.out) FILTER (WHERE NOT p.now), 0)::bigint, coalesce(sum(p.days) FILTER (WHERE NOT p.now), 0)
	FROM part AS p
	/* with a past of two weeks at least */
	WHERE EXISTS (SELECT FROM day AS d WHERE d.purpose = p.purpose AND d.began > 0 AND d.period <= $1 - interval '20 days')
	GROUP BY 1
$$;
COMMENT ON FUNCTION personalize.opt_outs_internal(timestamptz) IS
	'By purpose: who ended a consent within a week, and in the eight weeks before, and how many days persons could have';

CREATE OR REPLACE FUNCTION personalize.complaints_internal(today timestamptz)
RETURNS TABLE (purpose_id integer, cases bigint, days double precision, cases_before bigint, days_before double precision)
LANGUAGE sql STABLE PARALLEL UNSAFE STRICT ROWS 10
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'	/* days have 24 hours */
SET jit = off
AS $$
	WITH complaint AS (
		/* a browser that says no by itself (GPC) complains of nothing */
		SELECT e.subject_no, e.purpose_id, e.recorded_at AS at FROM personalize.consent_event AS e
			WHERE e.action IN ('objected', 'restricted') AND e.method IS DISTINCT FROM 'gpc' AND e.recorded_at >= $1 - interval '62 days'
		UNION ALL
		SELECT q.subject_no, 0, q.received_at FROM personalize.request AS q
			WHERE q."right" IN ('objection', 'restriction', 'automated_decision', 'erasure', 'withdrawal', 'sale_opt_out', 'limit_sensitive')
				AND q.received_at >= $1 - interval '62 days'),
	person AS (
		SELECT DISTINCT c.purpose_id, coalesce(l.group_no, c.subject_no) AS person, c.at >= $1 - interval '6 days' AS now
		FROM complaint AS c LEFT JOIN personalize.linked AS l ON l.subject_no = c.subject_no)
	SELECT p.purpose_id, count(*) FILTER (WHERE p.now), 7, count(*) FILTER (WHERE NOT p.now), b.days
	FROM person AS p CROSS JOIN (
		SELECT least(56, greatest(0, extract(epoch FROM $1 - interval '6 days' - min(f.at)) / 86400))::double precision AS days
		FROM (SELECT e.recorded_at AS at FROM personalize.consent_event AS e ORDER BY e.event_id LIMIT 1) AS f) AS b
	GROUP BY p.purpose_id, b.days
$$;
COMMENT ON FUNCTION personalize.complaints_internal(timestamptz) IS
	'By purpose (0: of none in particular): persons who complained within a week, and in the eight weeks before';

CREATE OR REPLACE FUNCTION personalize.uses_grown_internal(today timestamptz)
RETURNS TABLE (purpose_id integer, what text, since timestamptz, n bigint, n_before bigint)
LANGUAGE sql STABLE PARALLEL UNSAFE STRICT ROWS 10
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'	/* days have 24 hours */
SET jit = off
AS $$
	WITH told AS (
		/* the newest notice that is about the purpose; without one, when the purpose was defined */
		SELECT p.purpose_id, p.name, coalesce((SELECT max(v.defined_at) FROM personalize.notice_version AS v WHERE v.purposes IS NULL OR p.purpose_id = ANY (v.purposes)), p.defined_at) AS at
		FROM personalize.registry_purpose AS p WHERE NOT p.builtin AND p.retired_at IS NULL),
	asked AS (
		SELECT t.*, w.now, w.starts, w.ends
		FROM told AS t CROSS JOIN LATERAL (VALUES (false, t.at, t.at + interval '28 days'), (true, $1 - interval '27 days', $1 + interval '1 day')) AS w (now, starts, ends)
		WHERE t.at + interval '28 days' <= $1 - interval '27 days'),
	used AS (
		SELECT a.purpose_id, 'rows used'::text AS what, a.at, a.now, sum(u.rows_used)::bigint AS n
			FROM asked AS a JOIN personalize.usage AS u ON u.purpose = a.name AND u.started_at >= a.starts AND u.started_at < a.ends AND u.status <> 'refused' GROUP BY 1, 3, 4
		UNION ALL
		SELECT a.purpose_id, 'exposures', a.at, a.now, count(*)
			FROM asked AS a JOIN personalize.exposure AS e ON e.purpose_id = a.purpose_id AND e.at >= a.starts AND e.at < a.ends GROUP BY 1, 3, 4)
	SELECT u.purpose_id, u.what, u.at, coalesce(sum(u.n) FILTER (WHERE u.now), 0)::bigint, coalesce(sum(u.n) FILTER (WHERE NOT u.now), 0)::bigint
	FROM used AS u GROUP BY 1, 2, 3
$$;
COMMENT ON FUNCTION personalize.uses_grown_internal(timestamptz) IS
	'By purpose: rows that were used, and exposures, within four weeks, and within those after the newest notice';

CREATE OR REPLACE FUNCTION personalize.find_alerts()
RETURNS TABLE (alert text, purpose text, value double precision, threshold double precision, cases bigint, detail text, hint text,
	seen_at timestamptz, seen_by text, seen_until timestamptz)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER ROWS 10
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'	/* days have 24 hours */
SET jit = off	/* takes a second and spares none */
AS $$
#variable_conflict use_column
DECLARE
	now_is timestamptz := clock_timestamp();
	today timestamptz := date_trunc('day', clock_timestamp(), 'UTC');
	week timestamptz := today - interval '6 days';
BEGIN
	PERFORM personalize.require_preloaded_internal();
	RETURN QUERY
		WITH rule AS MATERIALIZED (
			/* nothing is told of fewer persons than figures are shown of */
			SELECT r.alert, r.threshold, CASE r.alert WHEN 'no_explanation' THEN r.minimum WHEN 'use_grew' THEN r.minimum
				ELSE personalize.least_group_internal(least(r.minimum, 2147483647)::integer) END AS minimum
			FROM personalize.alert_rules AS r WHERE r.enabled),
		found AS (
			SELECT r.alert, o.purpose_id, t.ratio AS value, r.threshold, o.cases,
				format('%s persons ended their consent within a week, %s', o.cases, CASE WHEN o.cases_before = 0 THEN 'and nobody in the eight weeks before'
					ELSE format('%s times as often as in the eight weeks before', round(t.ratio::numeric, 1)) END) AS detail,
				'Look at what changed: a campaign, a notice, how often people are reached; consent_rates() has it by day and version of the notice.' AS hint
			FROM rule AS r CROSS JOIN LATERAL personalize.opt_outs_internal(today) AS o
				CROSS JOIN LATERAL personalize.rates_internal(o.cases, o.at_risk, o.cases_before, o.at_risk_before, 0.998) AS t
			WHERE r.alert = 'opt_out_spike' AND o.cases >= r.minimum AND t.ratio >= r.threshold AND t.low > 1
			UNION ALL
			(SELECT DISTINCT ON (c.purpose_id) r.alert, c.purpose_id, s.capped::double precision / nullif(n.persons, 0), r.threshold, s.capped,
				format('%s of %s persons who were reached within %s have reached the frequency cap of %s', s.capped, n.persons, c.per, c.max_uses),
				'People are reached as often as they may be: lower how often it is tried, before they say no.'
			FROM rule AS r CROSS JOIN personalize.frequency_cap AS c
				CROSS JOIN LATERAL (SELECT count(DISTINCT coalesce(l.group_no, x.subject_no)) AS capped
					FROM personalize.suppression AS x LEFT JOIN personalize.linked AS l ON l.subject_no = x.subject_no
					WHERE x.cause = 'cap' AND x.cause_id = c.cap_id AND x.purpose_id = c.purpose_id AND x.until > now_is) AS s
				CROSS JOIN LATERAL (SELECT count(DISTINCT coalesce(l.group_no, x.subject_no)) AS persons
					FROM personalize.exposure AS x LEFT JOIN personalize.linked AS l ON l.subject_no = x.subject_no
					WHERE x.purpose_id = c.purpose_id AND x.at > now_is - c.per) AS n
			WHERE r.alert = 'cap_pressure' AND n.persons >= r.minimum AND s.capped >= personalize.least_group_internal(NULL) AND s.capped::double precision / nullif(n.persons, 0) >= r.threshold
			ORDER BY c.purpose_id, 3 DESC)
			UNION ALL
			SELECT r.alert, o.purpose_id, t.ratio, r.threshold, o.cases,
				CASE WHEN o.days_before < 14 THEN format('%s persons complained within a week, and there is no past to compare with', o.cases)
					WHEN o.cases_before = 0 THEN format('%s persons complained within a week, and nobody in the %s days before', o.cases, round(o.days_before::numeric))
					ELSE format('%s persons complained within a week, %s times as often as in the %s days before', o.cases, round(t.ratio::numeric, 1), round(o.days_before::numeric)) END,
				CASE o.purpose_id WHEN 0 THEN 'The view personalize.requests lists what they asked for.' ELSE 'They objected to this purpose: look at what was shown, and why().' END
			FROM rule AS r CROSS JOIN LATERAL personalize.complaints_internal(today) AS o
				LEFT JOIN LATERAL personalize.rates_internal(o.cases, o.days, o.cases_before, o.days_before, 0.998) AS t ON o.days_before >= 14
			WHERE r.alert = 'complaints' AND o.cases >= r.minimum AND (o.days_before < 14 OR (t.ratio >= r.threshold AND t.low > 1))
			UNION ALL
			SELECT r.alert, x.purpose_id, x.without::double precision / x.n, r.threshold, x.without,
				format('%s of %s exposures of this week have no explanation', x.without, x.n),
				'Whoever asks why() gets no answer: pass an explanation to record_exposure().'
			FROM rule AS r CROSS JOIN LATERAL (
				SELECT e.purpose_id, count(*) AS n, count(*) FILTER (WHERE e.explanation IS NULL OR btrim(e.explanation) = '') AS without
				FROM personalize.exposure AS e JOIN personalize.subject AS s ON s.subject_no = e.subject_no AND s.key IS NOT NULL
				WHERE e.at >= week GROUP BY 1) AS x
			WHERE r.alert = 'no_explanation' AND x.n >= r.minimum AND x.without > 0 AND x.without::double precision / x.n >= r.threshold
			UNION ALL
			(SELECT DISTINCT ON (g.purpose_id) r.alert, g.purpose_id, g.n::double precision / nullif(g.n_before, 0), r.threshold, g.n,
				format('%s %s within four weeks, %s times as many as after what people were told on %s', g.n, g.what, round(g.n::numeric / nullif(g.n_before, 0), 1),
					to_char(g.since AT TIME ZONE 'UTC', 'YYYY-MM-DD')),
				'Ask whether the notice still says what is done, and define a new version if not.'
			FROM rule AS r CROSS JOIN LATERAL personalize.uses_grown_internal(today) AS g
			WHERE r.alert = 'use_grew' AND g.n >= r.minimum AND g.n_before >= r.minimum AND g.n::double precision / nullif(g.n_before, 0) >= r.threshold
			ORDER BY g.purpose_id, g.n::double precision / nullif(g.n_before, 0) DESC))
		SELECT f.alert, p.name, f.value, f.threshold, f.cases, f.detail, f.hint, s.seen_at, s.seen_by, s.until
		FROM found AS f LEFT JOIN personalize.registry_purpose AS p ON p.purpose_id = f.purpose_id
			LEFT JOIN LATERAL (SELECT x.seen_at, x.seen_by, x.until FROM personalize.alert_seen AS x
				WHERE x.alert = f.alert AND x.purpose_id = f.purpose_id AND x.until > now_is ORDER BY x.seen_id DESC LIMIT 1) AS s ON true
		ORDER BY s.seen_at IS NOT NULL, f.alert COLLATE "C", p.name COLLATE "C" NULLS FIRST;
END
$$;
COMMENT ON FUNCTION personalize.find_alerts() IS
	'Signs of creepiness now: opt-out spikes, cap pressure, complaints, exposures without explanation, uses that grew without a new notice; those nobody has seen first';

CREATE OR REPLACE VIEW personalize.alerts AS SELECT a.* FROM personalize.find_alerts() AS a;
COMMENT ON VIEW personalize.alerts IS 'Signs of creepiness now, with the figures that say why: see alert_rules';
