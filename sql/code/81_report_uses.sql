/*
 * The report about uses: for which purposes, and what was withheld; caps.
 */
CREATE OR REPLACE FUNCTION personalize.report_used_internal(step text, since timestamptz, until timestamptz)
RETURNS TABLE (purpose text, period timestamptz, uses bigint, refused bigint, rows_used bigint, rows_withheld bigint)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT ROWS 1000
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
SET jit = off	/* takes a second and spares none */
SET work_mem = '64MB'
AS $$
#variable_conflict use_column
BEGIN
	/* as the view uses_by_day has it; first by template and day, which are few */
	RETURN QUERY
		SELECT t.purpose, date_trunc(report_used_internal.step, d.day), sum(d.n) FILTER (WHERE NOT d.refused)::bigint, sum(d.n) FILTER (WHERE d.refused)::bigint,
			sum(d.used) FILTER (WHERE NOT d.refused)::bigint, sum(d.withheld) FILTER (WHERE NOT d.refused)::bigint
		FROM (SELECT u.template_id, date_bin('1 day', u.started_at, '2000-01-01 00:00:00+00') AS day, u.status = 'refused' AS refused, count(*) AS n, sum(u.rows_used) AS used, sum(u.rows_withheld) AS withheld
				FROM (SELECT x.template_id, x.started_at, x.status, x.rows_used, x.rows_withheld FROM personalize.audit_use AS x
						WHERE x.started_at >= report_used_internal.since AND x.started_at < report_used_internal.until
					UNION ALL SELECT x.template_id, x.started_at, x.status, x.rows_used, x.rows_withheld FROM personalize.audit_open AS x
						WHERE x.started_at >= report_used_internal.since AND x.started_at < report_used_internal.until) AS u
				GROUP BY 1, 2, 3
				UNION ALL
				/* what they did after they had been recorded as ended: the difference */
				SELECT x.template_id, date_bin('1 day', x.started_at, '2000-01-01 00:00:00+00'), x.status = 'refused', 0,
					greatest(m.rows_used - coalesce(x.rows_used, 0), 0), greatest(m.rows_withheld - coalesce(x.rows_withheld, 0), 0)
				FROM (SELECT y.usage_id, max(y.rows_used) AS rows_used, max(y.rows_withheld) AS rows_withheld FROM personalize.audit_more AS y GROUP BY 1) AS m
					JOIN personalize.audit_use AS x ON x.usage_id = m.usage_id
				WHERE x.started_at >= report_used_internal.since AND x.started_at < report_used_internal.until) AS d
			LEFT JOIN personalize.audit_template AS t ON t.template_id = d.template_id
		GROUP BY 1, 2;
END
$$;
COMMENT ON FUNCTION personalize.report_used_internal(text, timestamptz, timestamptz) IS
	'Uses and refusals for each purpose and period, and how many rows the row filter let through and withheld';

CREATE OR REPLACE FUNCTION personalize.report_uses_internal(since timestamptz, until timestamptz, step text, enough bigint, OUT html text, OUT cards text)
RETURNS record
LANGUAGE plpgsql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
AS $$
#variable_conflict use_column
DECLARE
	data jsonb;
	steps timestamptz[];
	ends timestamptz := least(report_uses_internal.until, clock_timestamp());
	p record;
	uses bigint := 0;
	refused bigint := 0;
	used numeric := 0;
	withheld numeric := 0;
	top bigint;
	place integer := 0;
	bars jsonb := '[]';
	kept jsonb := '[]';
	lines text := '';
	kept_lines text := '';
	days text;
	reasons text;
	few boolean;
	chart text;
BEGIN
	SELECT coalesce(jsonb_agg(to_jsonb(s)), '[]') INTO data
		FROM personalize.report_used_internal(report_uses_internal.step, report_uses_internal.since, report_uses_internal.until) AS s;
	steps := ARRAY(SELECT g FROM generate_series(date_trunc(report_uses_internal.step, report_uses_internal.since), ends - interval '1 microsecond',
		CASE report_uses_internal.step WHEN 'quarter' THEN '3 months' ELSE '1 ' || report_uses_internal.step END::interval) AS g ORDER BY 1);
	FOR p IN
		SELECT s.purpose, coalesce(sum(s.uses), 0) AS uses, coalesce(sum(s.refused), 0) AS refused, coalesce(sum(s.rows_used), 0) AS used, coalesce(sum(s.rows_withheld), 0) AS withheld,
			max(coalesce(sum(s.uses), 0)) OVER () AS most
		FROM jsonb_to_recordset(data) AS s (purpose text, uses bigint, refused bigint, rows_used bigint, rows_withheld bigint)
		GROUP BY 1 ORDER BY 2 DESC, 1
	LOOP
		place := place + 1;
		uses := uses + p.uses;
		refused := refused + p.refused;
		/* rows of few may be rows of few persons */
		few := (p.withheld > 0 AND p.withheld < report_uses_internal.enough) OR (p.used > 0 AND p.used < report_uses_internal.enough);
		IF NOT few THEN
			used := used + p.used;
			withheld := withheld + p.withheld;
		END IF;
		IF place <= 20 AND p.uses > 0 THEN
			bars := bars || jsonb_build_object('label', coalesce(p.purpose, 'no purpose stated'), 'text', personalize.report_count_internal(p.uses),
				'parts', jsonb_build_array(jsonb_build_array('yes', 0, p.uses / greatest(p.most, 1))));
		END IF;
		IF place <= 20 AND p.used + p.withheld > 0 THEN
			kept := kept || jsonb_build_object('label', coalesce(p.purpose, 'no purpose stated'),
				'text', CASE WHEN few THEN 'too few to show' ELSE personalize.report_share_internal((p.withheld / (p.used + p.withheld))::double precision) || ' withheld' END,
				'parts', CASE WHEN few THEN '[]' ELSE jsonb_build_array(jsonb_build_array('no', 0, p.withheld / (p.used + p.withheld))) END);
		END IF;
		lines := lines || personalize.report_row_internal(CASE WHEN p.purpose IS NULL THEN 'no purpose stated' ELSE personalize.report_name_internal(p.purpose) END,
			personalize.report_count_internal(p.uses), personalize.report_count_internal(p.refused));
		kept_lines := kept_lines || personalize.report_row_internal(CASE WHEN p.purpose IS NULL THEN 'no purpose stated' ELSE personalize.report_name_internal(p.purpose) END,
			CASE WHEN few THEN 'not shown' ELSE personalize.report_count_internal(p.used) END, CASE WHEN few THEN 'not shown' ELSE personalize.report_count_internal(p.withheld) END,
			CASE WHEN NOT few AND p.used + p.withheld > 0 THEN personalize.report_share_internal((p.withheld / (p.used + p.withheld))::double precision) END);
	END LOOP;
	/* all purposes over time */
	SELECT personalize.report_time_internal('uses-time-c', 'Uses over time', format('How many statements used personal data in each %s, for any purpose.', report_uses_internal.step), steps,
				jsonb_build_array(jsonb_build_object('name', 'Uses by ' || report_uses_internal.step, 'kind', 'bars', 'class', 'yes', 'height', 96, 'unit', 'count', 'values', jsonb_agg(x.uses ORDER BY x.period)),
					jsonb_build_object('name', 'Refused', 'kind', 'bars', 'class', 'no', 'height', 34, 'unit', 'count', 'values', jsonb_agg(x.refused ORDER BY x.period)))),
			string_agg(personalize.report_row_internal(to_char(x.period, 'YYYY-MM-DD'), personalize.report_count_internal(x.uses), personalize.report_count_internal(x.refused)), '' ORDER BY x.period)
		INTO chart, days
		FROM (SELECT g.period, coalesce(sum(s.uses), 0) AS uses, coalesce(sum(s.refused), 0) AS refused
			FROM unnest(steps) AS g (period) LEFT JOIN jsonb_to_recordset(data) AS s (period timestamptz, uses bigint, refused bigint) ON s.period = g.period GROUP BY 1) AS x;
	cards := personalize.report_card_internal('Uses', personalize.report_count_internal(uses), 'statements on record')
		|| personalize.report_card_internal('Refused', personalize.report_count_internal(refused), 'statements')
		|| personalize.report_card_internal('Rows withheld', personalize.report_share_internal((withheld / nullif(used + withheld, 0))::double precision), 'of rows looked at');
	html := '<section aria-labelledby="uses"><h2 id="uses">Uses of personal data</h2>' || CASE WHEN place = 0 THEN E'<p class="none">Nothing is on record in this time.</p></section>\n' ELSE
		'<p>A use is one statement on one protected relation for one purpose, as the audit has it.</p><div class="grid two">'
		|| personalize.report_figure_internal('uses-purpose', 'Uses by purpose',
			personalize.report_bars_internal('uses-purpose-c', 'Uses by purpose', 'How many statements used personal data for each purpose.', bars), '',
			personalize.report_table_internal('Uses and refusals by purpose', ARRAY['Purpose', '#Uses', '#Refused'], lines))
		|| personalize.report_figure_internal('uses-time', 'Uses over time', chart, '', personalize.report_table_internal('Uses and refusals, by ' || report_uses_internal.step, ARRAY['From', '#Uses', '#Refused'], days))
		|| E'</div></section>\n' END;
	reasons := personalize.report_reasons_internal(report_uses_internal.enough);
	html := html || '<section aria-labelledby="withheld"><h2 id="withheld">Withheld</h2>'
		|| CASE WHEN kept = '[]' AND reasons NOT LIKE '%<table>%' THEN '<p class="none">No row was looked at in this time, and nobody who agreed is held back now.</p>' ELSE '<div class="grid two">'
		|| CASE WHEN kept = '[]' THEN '<p class="none">No row was looked at in this time.</p>' ELSE personalize.report_figure_internal('rows', 'Rows withheld, of rows looked at',
			personalize.report_bars_internal('rows-c', 'Rows withheld by purpose', 'For each purpose the share of rows that the row filter kept back, of all it looked at.', kept),
			'<p class="note">Rows, not people: a row counts each time a statement came to it.</p>' || personalize.report_legend_internal('no', 'withheld', 'track', 'let through'),
			personalize.report_table_internal('Rows as the row filter met them', ARRAY['Purpose', '#Let through', '#Withheld', '#Share withheld'], kept_lines)) END
		|| CASE WHEN reasons NOT LIKE '%<table>%' THEN '<p class="none">Nobody who agreed is held back now.</p>' ELSE '<figure id="reasons">' || reasons
			|| '<p class="note">People who said no, or nothing, are in the section on consent. Somebody may be held back for several reasons.</p></figure>' END || '</div>' END || E'</section>\n';
END
$$;
COMMENT ON FUNCTION personalize.report_uses_internal(timestamptz, timestamptz, text, bigint) IS 'The parts of a report about uses and what was withheld, and their headline figures';

CREATE OR REPLACE FUNCTION personalize.report_reasons_internal(enough bigint)
RETURNS text
LANGUAGE sql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT personalize.report_table_internal('People held back now, and why', ARRAY['Reason', 'Purposes', '#People'],
		string_agg(personalize.report_row_internal(r.reason, r.purposes, personalize.report_people_internal(r.persons, $1)), '' ORDER BY r.place, r.reason))
	FROM (
		SELECT 1 AS place, 'At the frequency cap' AS reason, personalize.report_name_internal(p.name) AS purposes, count(DISTINCT coalesce(l.group_no, s.subject_no)) AS persons
		FROM personalize.suppression AS s JOIN personalize.registry_purpose AS p ON p.purpose_id = s.purpose_id LEFT JOIN personalize.linked AS l ON l.subject_no = s.subject_no
		WHERE s.cause = 'cap' AND s.until > clock_timestamp() GROUP BY p.name
		UNION ALL
		SELECT 2, 'Excluded: ' || personalize.report_name_internal(e.reason),
			CASE WHEN e.purposes IS NULL THEN 'all one can say no to' ELSE (SELECT string_agg(personalize.report_name_internal(u), ', ' ORDER BY u) FROM unnest(e.purposes) AS u) END, e.persons
		FROM personalize.exclusions AS e
		UNION ALL
		SELECT 3, 'Restricted (GDPR Art. 18)', 'all', count(DISTINCT coalesce(l.group_no, r.subject_no))
		FROM personalize.consent_event AS r LEFT JOIN personalize.linked AS l ON l.subject_no = r.subject_no
		WHERE r.purpose_id = 0 AND r.action = 'restricted'
			AND NOT EXISTS (SELECT FROM personalize.consent_event AS n WHERE n.subject_no = r.subject_no AND n.purpose_id = 0 AND n.event_id > r.event_id)
			AND EXISTS (SELECT FROM personalize.subject AS s WHERE s.subject_no = r.subject_no AND s.key IS NOT NULL)
		HAVING count(*) > 0) AS r
$$;
COMMENT ON FUNCTION personalize.report_reasons_internal(bigint) IS 'A table of how many persons are held back now, by reason';

CREATE OR REPLACE FUNCTION personalize.report_caps_internal(since timestamptz, until timestamptz, enough bigint, OUT html text, OUT cards text, OUT todo text)
RETURNS record
LANGUAGE plpgsql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
SET intervalstyle = postgres
SET jit = off	/* takes a second and spares none */
AS $$
DECLARE
	caps text;
	shown text;
BEGIN
	SELECT string_agg(personalize.report_row_internal(personalize.report_name_internal(c.purpose), personalize.report_count_internal(c.max_uses) || ' in ' || c.per::text,
			personalize.report_people_internal(c.reached, report_caps_internal.enough)), '' ORDER BY c.purpose COLLATE "C", c.per)
		INTO caps FROM personalize.frequency_caps AS c;
	SELECT string_agg(personalize.report_row_internal(personalize.report_name_internal(p.name), CASE WHEN r.persons >= report_caps_internal.enough THEN personalize.report_count_internal(x.n) ELSE 'to too few people to show' END,
			CASE WHEN r.persons >= report_caps_internal.enough THEN personalize.report_share_internal(x.told::double precision / x.n) END), '' ORDER BY x.n DESC, p.name COLLATE "C"),
			string_agg(personalize.report_todo_internal('caps', personalize.report_share_internal((x.n - x.told)::double precision / x.n) || ' of what was shown for ' || personalize.report_name_internal(p.name) || ' came without an explanation'),
				'' ORDER BY p.name COLLATE "C") FILTER (WHERE x.told < x.n AND r.persons >= report_caps_internal.enough)
		INTO shown, todo
		FROM personalize.report_shown_internal(report_caps_internal.since, report_caps_internal.until) AS x
			JOIN personalize.registry_purpose AS p ON p.purpose_id = x.purpose_id
			CROSS JOIN LATERAL (SELECT personalize.report_reached_internal(x.purpose_id, report_caps_internal.since, report_caps_internal.until, report_caps_internal.enough) AS persons) AS r;
	html := '<section aria-labelledby="caps"><h2 id="caps">Reaching people</h2>'
		|| CASE WHEN caps IS NULL AND shown IS NULL THEN E'<p class="none">No purpose has a frequency cap, and nobody was shown anything in this time.</p></section>\n' ELSE '<div class="grid two"><figure>'
		|| CASE WHEN caps IS NULL THEN E'<p class="none">No purpose has a frequency cap.</p>' ELSE personalize.report_table_internal('Frequency caps', ARRAY['Purpose', '#At most', '#People at the cap now'], caps) END || '</figure><figure>'
		|| CASE WHEN shown IS NULL THEN E'<p class="none">Nobody was shown anything in this time.</p>' ELSE personalize.report_table_internal('What was shown', ARRAY['Purpose', '#Times', '#With an explanation'], shown) END || E'</figure></div></section>\n' END;
	cards := '';
END
$$;
COMMENT ON FUNCTION personalize.report_caps_internal(timestamptz, timestamptz, bigint) IS 'The part of a report about frequency caps and what was shown';

CREATE OR REPLACE FUNCTION personalize.report_shown_internal(since timestamptz, until timestamptz)
RETURNS TABLE (purpose_id integer, n bigint, told bigint)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT ROWS 10
SET search_path = pg_catalog, pg_temp
SET jit = off	/* takes a second and spares none */
AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY SELECT e.purpose_id, count(*), count(e.explanation) FROM personalize.exposure AS e
		WHERE e.at >= report_shown_internal.since AND e.at < report_shown_internal.until GROUP BY 1;
END
$$;
COMMENT ON FUNCTION personalize.report_shown_internal(timestamptz, timestamptz) IS 'How often something was shown for each purpose, and how often with an explanation';

CREATE OR REPLACE FUNCTION personalize.report_reached_internal(purpose_id integer, since timestamptz, until timestamptz, enough bigint)
RETURNS bigint
LANGUAGE plpgsql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	persons bigint[] := '{}';
	who bigint;
BEGIN
	/* of millions nearly the first lines tell that they are enough */
	FOR who IN SELECT coalesce(l.group_no, e.subject_no) FROM personalize.exposure AS e LEFT JOIN personalize.linked AS l ON l.subject_no = e.subject_no
		WHERE e.purpose_id = report_reached_internal.purpose_id AND e.at >= report_reached_internal.since AND e.at < report_reached_internal.until
	LOOP
		IF who <> ALL (persons) THEN
			persons := persons || who;
			EXIT WHEN cardinality(persons) >= enough;
		END IF;
	END LOOP;
	RETURN cardinality(persons);
END
$$;
COMMENT ON FUNCTION personalize.report_reached_internal(integer, timestamptz, timestamptz, bigint) IS
	'How many persons were shown something for a purpose, up to so many';
