/*
 * Figures for monitoring, in long format and with names as Prometheus wants them
 * (https://prometheus.io/docs/practices/naming/); docs/monitoring.md says how to scrape them.
 *
 * No key and no single person is in them: persons are counted from personalize.least_group
 * on, and a count that is smaller, but not zero, is left out.
 */
CREATE OR REPLACE VIEW personalize.metric_names AS
	SELECT v.name, v.slow, v.labels, 'gauge'::text AS type, v.help
	FROM (VALUES
		('personalize_status_ok', false, '{check}'::text[], 'Whether a check of status() found nothing wrong (1), or something (0)'),
		('personalize_relations_protected', false, '{}', 'Relations that are protected'),
		('personalize_requests_open', false, '{}', 'Requests of persons that are not closed'),
		('personalize_requests_overdue', false, '{}', 'Requests of persons that should have been closed'),
		('personalize_erasures_pending', false, '{}', 'Requested erasures that are not done'),
		('personalize_erasures_failed', false, '{}', 'Requested erasures that failed'),
		('personalize_consent_set_ready', false, '{}', 'Whether consent is read from shared memory (1), or person by person from the ledger (0)'),
		('personalize_consent_set_bytes', false, '{}', 'Size of the consent set in shared memory'),
		('personalize_consent_set_pending', false, '{}', 'Persons who are read from the ledger, for their consent has just changed'),
		('personalize_audit_running', false, '{}', 'Whether the audit worker runs and does not fail'),
		('personalize_audit_lag_bytes', false, '{}', 'Write-ahead log that the audit worker has not read'),
		('personalize_audit_bad_messages', false, '{}', 'Messages to the audit that were forged, sent again or are missing, since the start of the server'),
		('personalize_audit_gaps', false, '{}', 'Gaps in the record of use that nobody has settled'),
		('personalize_persons_capped', false, '{purpose}', 'Persons who have reached a frequency cap'),
		('personalize_persons_excluded', false, '{purpose}', 'Persons who are excluded; purpose "" is all of them'),
		('personalize_purpose_consents_in_force', true, '{purpose}', 'Persons who agree to a purpose'),
		('personalize_purpose_optouts_week', true, '{purpose}', 'Persons who ended their consent within seven days, today among them'),
		('personalize_purpose_exposures_day', true, '{purpose}', 'Exposures within 24 hours'),
		('personalize_purpose_exposures_unexplained_day', true, '{purpose}', 'Exposures within 24 hours that have no explanation'),
		('personalize_purpose_uses_day', true, '{purpose}', 'Uses of personal data within 24 hours'),
		('personalize_purpose_rows_used_day', true, '{purpose}', 'Rows that were used within 24 hours'),
		('personalize_purpose_rows_withheld_day', true, '{purpose}', 'Rows that were withheld within 24 hours'),
		('personalize_purpose_refusals_day', true, '{purpose}', 'Statements that were refused within 24 hours'),
		('personalize_alerts_active', true, '{alert}', 'Alerts that are raised and that nobody has acknowledged'),
		('personalize_alerts_acknowledged', true, '{alert}', 'Alerts that are raised and that somebody has acknowledged')
	) AS v (name, slow, labels, help);
COMMENT ON VIEW personalize.metric_names IS 'Names of the metrics that there are, with their labels; slow: takes seconds where there are millions of events, scrape every few minutes';

CREATE OR REPLACE FUNCTION personalize.metrics_quick_internal()
RETURNS TABLE (name text, labels jsonb, value double precision)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT ROWS 50
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	least bigint := personalize.least_group_internal(NULL);
	now_is timestamptz := clock_timestamp();
	worker record;
	consent_set record;
BEGIN
	RETURN QUERY SELECT 'personalize_status_ok'::text, jsonb_build_object('check', s.check_name), bool_and(s.ok)::integer::double precision FROM personalize.status() AS s GROUP BY s.check_name;
	RETURN QUERY SELECT 'personalize_relations_protected'::text, '{}'::jsonb, count(*)::double precision FROM personalize.registry_relation;
	RETURN QUERY SELECT v.name, '{}'::jsonb, v.n::double precision
		FROM (SELECT count(*) AS open, count(*) FILTER (WHERE q.due_at < now_is) AS overdue FROM personalize.request AS q WHERE q.status IN ('open', 'in_progress')) AS q
			CROSS JOIN LATERAL (VALUES ('personalize_requests_open', q.open), ('personalize_requests_overdue', q.overdue)) AS v (name, n);
	RETURN QUERY SELECT v.name, '{}'::jsonb, v.n::double precision
		FROM (SELECT count(*) AS open, count(*) FILTER (WHERE q.status = 'failed') AS failed FROM personalize.erasure_request AS q WHERE q.status IN ('waiting', 'running', 'failed')) AS q
			CROSS JOIN LATERAL (VALUES ('personalize_erasures_pending', q.open), ('personalize_erasures_failed', q.failed)) AS v (name, n);
	SELECT * INTO consent_set FROM personalize.consent_set_internal();
	SELECT * INTO worker FROM personalize.audit_worker_internal();
	RETURN QUERY SELECT v.name, '{}'::jsonb, v.n::double precision FROM (VALUES
		('personalize_consent_set_ready', (consent_set.state = 'ready')::integer::bigint), ('personalize_consent_set_bytes', coalesce(consent_set.bytes, 0)),
		('personalize_consent_set_pending', coalesce(consent_set.pending, 0)),
		('personalize_audit_running', (worker.pid IS NOT NULL AND worker.ready AND worker.failing_since IS NULL)::integer), ('personalize_audit_lag_bytes', coalesce(worker.behind, 0)),
		('personalize_audit_bad_messages', coalesce(worker.bad, 0) + coalesce(worker.holes, 0)),
		('personalize_audit_gaps', (SELECT count(*) FROM personalize.audit_gap AS g WHERE g.settled_at IS NULL))) AS v (name, n);
	RETURN QUERY SELECT CASE x.cause WHEN 'cap' THEN 'personalize_persons_capped' ELSE 'personalize_persons_excluded' END, jsonb_build_object('purpose', coalesce(p.name, '')), count(DISTINCT coalesce(l.group_no, x.subject_no))::double precision
		FROM personalize.suppression AS x LEFT JOIN personalize.linked AS l ON l.subject_no = x.subject_no LEFT JOIN personalize.registry_purpose AS p ON p.purpose_id = x.purpose_id
		WHERE x.until > now_is GROUP BY x.cause = 'cap', 1, p.name HAVING count(DISTINCT coalesce(l.group_no, x.subject_no)) >= least;
END
$$;
COMMENT ON FUNCTION personalize.metrics_quick_internal() IS 'Metrics that cost little, whatever there is';

CREATE OR REPLACE FUNCTION personalize.metrics_slow_internal()
RETURNS TABLE (name text, labels jsonb, value double precision)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT ROWS 50
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'	/* days have 24 hours */
SET jit = off
AS $$
#variable_conflict use_column
DECLARE
	least bigint := personalize.least_group_internal(NULL);
	day timestamptz := clock_timestamp() - interval '1 day';
	week timestamptz := date_trunc('day', clock_timestamp(), 'UTC') - interval '6 days';
BEGIN
	RETURN QUERY SELECT v.name, jsonb_build_object('purpose', f.purpose), v.n::double precision
		FROM (SELECT p.name AS purpose, sum(r.began - r.ended) AS in_force, coalesce(sum(r.opted_out) FILTER (WHERE r.period >= week), 0) AS out
			FROM personalize.figures_rates_internal('day', NULL) AS r JOIN personalize.registry_purpose AS p ON p.purpose_id = r.purpose GROUP BY 1) AS f
			CROSS JOIN LATERAL (VALUES ('personalize_purpose_consents_in_force', f.in_force), ('personalize_purpose_optouts_week', f.out)) AS v (name, n)
		WHERE v.n = 0 OR v.n >= least;
	RETURN QUERY SELECT v.name, jsonb_build_object('purpose', f.purpose), v.n::double precision
		FROM (SELECT p.name AS purpose, count(*) AS n, count(*) FILTER (WHERE e.explanation IS NULL OR btrim(e.explanation) = '') AS without
			FROM personalize.exposure AS e JOIN personalize.registry_purpose AS p ON p.purpose_id = e.purpose_id WHERE e.at >= day GROUP BY 1) AS f
			CROSS JOIN LATERAL (VALUES ('personalize_purpose_exposures_day', f.n), ('personalize_purpose_exposures_unexplained_day', f.without)) AS v (name, n);
	RETURN QUERY SELECT v.name, jsonb_build_object('purpose', f.purpose), v.n::double precision
		FROM (SELECT coalesce(u.purpose, '') AS purpose, count(*) FILTER (WHERE u.status <> 'refused') AS uses, coalesce(sum(u.rows_used) FILTER (WHERE u.status <> 'refused'), 0) AS used,
				coalesce(sum(u.rows_withheld) FILTER (WHERE u.status <> 'refused'), 0) AS withheld, count(*) FILTER (WHERE u.status = 'refused') AS refused
			FROM personalize.usage AS u WHERE u.started_at >= day GROUP BY 1) AS f
			CROSS JOIN LATERAL (VALUES ('personalize_purpose_uses_day', f.uses), ('personalize_purpose_rows_used_day', f.used), ('personalize_purpose_rows_withheld_day', f.withheld),
				('personalize_purpose_refusals_day', f.refused)) AS v (name, n);
	RETURN QUERY SELECT v.name, jsonb_build_object('alert', f.alert), v.n::double precision
		FROM (SELECT r.alert, count(a.alert) FILTER (WHERE a.seen_at IS NULL) AS active, count(a.seen_at) AS seen
			FROM personalize.alert_rules AS r LEFT JOIN personalize.find_alerts() AS a ON a.alert = r.alert WHERE r.enabled GROUP BY 1) AS f
			CROSS JOIN LATERAL (VALUES ('personalize_alerts_active', f.active), ('personalize_alerts_acknowledged', f.seen)) AS v (name, n);
END
$$;
COMMENT ON FUNCTION personalize.metrics_slow_internal() IS 'Metrics that take seconds where there are millions of events';

CREATE OR REPLACE FUNCTION personalize.read_metrics(slow boolean DEFAULT NULL)
RETURNS TABLE (name text, labels jsonb, value double precision, help text, type text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER ROWS 100
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	PERFORM personalize.require_preloaded_internal();
	IF read_metrics.slow IS DISTINCT FROM true THEN
		RETURN QUERY SELECT m.name, m.labels, m.value, n.help, n.type
			FROM personalize.metrics_quick_internal() AS m JOIN personalize.metric_names AS n ON n.name = m.name ORDER BY m.name COLLATE "C", m.labels;
	END IF;
	IF read_metrics.slow IS DISTINCT FROM false THEN
		RETURN QUERY SELECT m.name, m.labels, m.value, n.help, n.type
			FROM personalize.metrics_slow_internal() AS m JOIN personalize.metric_names AS n ON n.name = m.name ORDER BY m.name COLLATE "C", m.labels;
	END IF;
END
$$;
COMMENT ON FUNCTION personalize.read_metrics(boolean) IS 'Metrics for monitoring: those that cost little (false), those that take seconds (true), or all';

CREATE OR REPLACE VIEW personalize.metrics AS SELECT m.* FROM personalize.read_metrics() AS m;
COMMENT ON VIEW personalize.metrics IS 'Metrics for monitoring, a row for each name and labels, as Prometheus wants them';
