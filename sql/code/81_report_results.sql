/*
 * The report about results: experiments with their lift, and parity as it was recorded.
 */
CREATE OR REPLACE FUNCTION personalize.report_experiments_internal(since timestamptz, until timestamptz, enough bigint, OUT html text, OUT cards text, OUT todo text)
RETURNS record
LANGUAGE plpgsql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
AS $$
#variable_conflict use_column
DECLARE
	e record;
	metrics integer[];
	l record;
	hidden boolean[];
	health text;
	rows jsonb;
	lines text;
	parts text := '';
	place integer := 0;
	bad integer := 0;
	running integer := 0;
	verdict text;
	/* so many metrics of all experiments together, not more */
	most integer := 24;
	left_out integer := 0;
BEGIN
	FOR e IN
		SELECT x.experiment_id, x.name, x.purpose_id, q.name AS purpose, x.defined_at, x.ended_at,
			h.variants, h.persons, h.expected, h.p_value, h.ok
		FROM personalize.experiment AS x JOIN personalize.registry_purpose AS q ON q.purpose_id = x.purpose_id
			JOIN (SELECT y.experiment, array_agg(y.variant ORDER BY y.variant <> 'holdout', y.variant COLLATE "C") AS variants, array_agg(y.persons ORDER BY y.variant <> 'holdout', y.variant COLLATE "C") AS persons,
					array_agg(y.expected ORDER BY y.variant <> 'holdout', y.variant COLLATE "C") AS expected, min(y.p_value) AS p_value, bool_and(y.ok) AS ok
				FROM personalize.experiment_health AS y GROUP BY 1) AS h ON h.experiment = x.name
		WHERE x.defined_at < report_experiments_internal.until AND (x.ended_at IS NULL OR x.ended_at >= report_experiments_internal.since)
		ORDER BY x.ended_at IS NOT NULL, x.defined_at DESC, x.name COLLATE "C"
	LOOP
		place := place + 1;
		running := running + (e.ended_at IS NULL)::integer;
		bad := bad + (e.ok IS FALSE)::integer;
		IF e.ok IS FALSE THEN
			todo := coalesce(todo, '') || personalize.report_todo_internal('lift-' || place, 'Experiment ' || personalize.report_name_internal(e.name) || ': the groups are not as large as its weights let expect, so do not trust the comparison');
		END IF;
		hidden := personalize.report_hidden_internal(e.persons, report_experiments_internal.enough);
		verdict := CASE WHEN e.ok THEN '<span class="good">As the weights let expect</span>' WHEN e.ok IS FALSE THEN '<span class="bad">Sample ratio mismatch: do not trust the comparison</span>'
				ELSE 'Too few people yet to tell' END
			|| CASE WHEN e.ok IS NOT NULL THEN ' (p = ' || personalize.report_value_internal(e.p_value) || ')' ELSE '' END;
		SELECT string_agg(personalize.report_row_internal(personalize.report_name_internal(u.variant), CASE WHEN u.h THEN 'not shown' ELSE personalize.report_count_internal(u.n) END,
				/* what is expected of the hidden tells how many they are */
				CASE WHEN true = ANY (hidden) THEN 'not shown' ELSE personalize.report_value_internal(u.x) END), '' ORDER BY u.place)
			INTO health FROM unnest(e.variants, e.persons, e.expected, hidden) WITH ORDINALITY AS u (variant, n, x, h, place);
		rows := '[]';
		lines := '';
		/* metrics of the purpose, and others of which somebody in the experiment has outcomes */
		metrics := ARRAY(SELECT x.metric_id FROM personalize.metric AS x
			WHERE x.purpose_id = e.purpose_id OR (x.measures <> 'other' AND EXISTS (SELECT FROM personalize.outcome AS o JOIN personalize.assignment AS a ON a.subject_no = o.subject_no
				WHERE o.metric_id = x.metric_id AND a.experiment_id = e.experiment_id))
			ORDER BY x.purpose_id <> e.purpose_id, x.name COLLATE "C");
		left_out := left_out + greatest(cardinality(metrics) - most, 0);
		metrics := metrics[: most];
		most := most - cardinality(metrics);
		IF metrics <> '{}' THEN
			FOR l IN SELECT t.*, m.name || CASE t.measure WHEN 'rate' THEN ', share of people' ELSE CASE m.measures WHEN 'satisfaction' THEN ', mean rating' ELSE ', mean per person' END END
					|| CASE t.variant WHEN 'personalized' THEN '' ELSE ': ' || t.variant END AS label
				FROM personalize.lift_internal(e.experiment_id, metrics, 0.95, 'holdout', personalize.least_group_internal(NULL)) WITH ORDINALITY AS t
					JOIN personalize.metric AS m ON m.metric_id = t.metric_id
				/* of a single variant there is nothing to sum up */
				WHERE t.variant = 'personalized' OR cardinality(e.variants) > 2
				ORDER BY t.ordinality
			LOOP
				rows := rows || jsonb_build_object('label', l.label,
					'text', CASE WHEN l.suppressed THEN 'too few to show' WHEN l.ratio IS NULL THEN 'no ratio' ELSE personalize.report_change_internal(l.ratio) END,
					'ratio', l.ratio, 'low', l.ratio_low, 'high', l.ratio_high);
				lines := lines || personalize.report_row_internal(personalize.report_name_internal(l.label),
					CASE WHEN l.suppressed THEN 'not shown' ELSE personalize.report_measured_internal(l.value, l.measure) || '<br><span class="note">of ' || personalize.report_count_internal(l.persons) || '</span>' END,
					CASE WHEN l.suppressed THEN 'not shown' ELSE personalize.report_measured_internal(l.against_value, l.measure) || '<br><span class="note">of ' || personalize.report_count_internal(l.against_persons) || '</span>' END,
					personalize.report_measured_internal(l.difference, l.measure)
						|| CASE WHEN l.low IS NULL THEN '' ELSE '<br><span class="note">' || personalize.report_measured_internal(l.low, l.measure) || ' to ' || personalize.report_measured_internal(l.high, l.measure) || '</span>' END,
					coalesce(personalize.report_change_internal(l.ratio), '&ndash;')
						|| CASE WHEN l.ratio_low IS NULL THEN '' ELSE '<br><span class="note">' || personalize.report_change_internal(l.ratio_low) || ' to ' || personalize.report_change_internal(l.ratio_high) || '</span>' END);
			END LOOP;
		END IF;
		parts := parts || '<figure id="lift-' || place || '" class="wide"><div><figcaption>' || personalize.report_name_internal(e.name) || '</figcaption><p class="note">For ' || personalize.report_name_internal(e.purpose)
			|| ', since ' || to_char(e.defined_at, 'FMDD Mon YYYY') || coalesce(', ended ' || to_char(e.ended_at, 'FMDD Mon YYYY'), ', running') || '. Groups: ' || verdict || '.</p>'
			|| CASE WHEN rows = '[]' THEN '<p class="none">No metric to compare.</p>' ELSE
				personalize.report_forest_internal('lift-' || place || '-c', e.name || ': personalized against holdout',
					'Change of each metric against the people who get nothing personalized, with 95% intervals. Each figure stands beside its line.', rows) END || '</div><div>'
			|| CASE WHEN rows = '[]' THEN '' ELSE personalize.report_table_internal('Lift against the holdout', ARRAY['Metric', '#Personalized', '#Holdout', '#Difference', '#Change'], lines) END
			|| personalize.report_table_internal('People in each group', ARRAY['Group', '#People', '#Expected'], health) || E'</div></figure>\n';
	END LOOP;
	cards := personalize.report_card_internal('Experiments', running::text, 'running' || CASE WHEN bad > 0 THEN ', ' || bad || ' with a sample ratio mismatch' ELSE '' END, bad > 0);
	html := '<section aria-labelledby="lift"><h2 id="lift">What personalization does</h2>' || CASE WHEN place = 0 THEN '<p class="none">No experiment ran in this time.</p>' ELSE
		'<p>People who get something personalized against the holdout, who do not: all who were assigned, whatever they were shown, from then to the end of the experiment or now, whatever time this report is about. A filled mark: the 95% interval leaves out '
		|| '<q>no change</q>; a hollow one: chance could be all of it.</p>' || parts
		|| CASE WHEN left_out > 0 THEN format('<p class="note">%s more metrics are left out; ask lift() about them.</p>', left_out) ELSE '' END END || E'</section>\n';
END
$$;
COMMENT ON FUNCTION personalize.report_experiments_internal(timestamptz, timestamptz, bigint) IS 'The part of a report about experiments, and its headline figures';

CREATE OR REPLACE FUNCTION personalize.report_parity_internal(since timestamptz, until timestamptz, enough bigint, OUT html text, OUT cards text, OUT todo text)
RETURNS record
LANGUAGE plpgsql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
AS $$
#variable_conflict use_column
DECLARE
	r record;
	f record;
	parts text := '';
	bars jsonb;
	lines text;
	top double precision;
	place integer := 0;
	broken integer := 0;
	here integer;
	label text;
BEGIN
	FOR r IN SELECT DISTINCT ON (x.name) x.* FROM personalize.parity_record AS x
		WHERE x.recorded_at >= report_parity_internal.since AND x.recorded_at < report_parity_internal.until ORDER BY x.name, x.record_no DESC LIMIT 24
	LOOP
		place := place + 1;
		bars := '[]';
		lines := '';
		here := 0;
		SELECT greatest(max(x.ratio), 1) INTO top FROM jsonb_to_recordset(r.figures) AS x (ratio double precision);
		top := CASE WHEN top > 1 THEN least(top, 2) ELSE 1 END;
		FOR f IN SELECT x.*, coalesce(x."group", CASE x.said WHEN 'no' THEN 'said no' WHEN 'silent' THEN 'said nothing' ELSE 'no value, or several' END) AS who,
				CASE WHEN x.measure IN ('exposure', 'outcome', 'rate') THEN 'rate' ELSE 'mean' END AS unit
			FROM jsonb_to_recordset(r.figures) AS x (measure text, "group" text, said text, persons bigint, rate double precision, value double precision, ratio double precision,
				four_fifths boolean, difference double precision, low double precision, high double precision)
			/* a larger least group since then holds for what was kept, too */
			WHERE x.persons >= report_parity_internal.enough
		LOOP
			broken := broken + (f.four_fifths IS FALSE)::integer;
			here := here + (f.four_fifths IS FALSE)::integer;
			label := f.who || CASE f.measure WHEN 'exposure' THEN ': shown something' WHEN 'outcome' THEN ': have an outcome' WHEN 'rate' THEN ': have an outcome' ELSE ': mean value' END;
			bars := bars || jsonb_build_object('label', label,
				'text', CASE f.four_fifths WHEN false THEN 'below 4/5: ' ELSE '' END || CASE WHEN f.ratio IS NULL THEN 'no ratio' ELSE personalize.report_ratio_internal(f.ratio) END,
				'parts', jsonb_build_array(jsonb_build_array(CASE f.four_fifths WHEN false THEN 'no' ELSE 'yes' END, 0, least(coalesce(f.ratio, 0), top) / top)), 'mark', 0.8 / top);
			lines := lines || personalize.report_row_internal(personalize.report_name_internal(label), personalize.report_count_internal(f.persons),
				personalize.report_measured_internal(coalesce(f.rate, f.value), f.unit),
				personalize.report_ratio_internal(f.ratio), CASE f.four_fifths WHEN true THEN 'kept' WHEN false THEN '<span class="bad">not kept</span>' END,
				personalize.report_measured_internal(f.difference, f.unit)
					|| CASE WHEN f.low IS NULL THEN '' ELSE '<br><span class="note">' || personalize.report_measured_internal(f.low, f.unit) || ' to ' || personalize.report_measured_internal(f.high, f.unit) || '</span>' END);
		END LOOP;
		IF here > 0 THEN
			todo := coalesce(todo, '') || personalize.report_todo_internal('parity-' || place, personalize.report_name_internal(r.name) || ': ' || CASE here WHEN 1 THEN 'a rate is' ELSE here || ' rates are' END || ' below four fifths');
		END IF;
		parts := parts || '<figure id="parity-' || place || '" class="wide"><div><figcaption>' || personalize.report_name_internal(r.name) || '</figcaption><p class="note">'
			|| CASE r.about WHEN 'groups' THEN 'Groups by ' || personalize.report_name_internal(r.attribute) || ' of ' || personalize.report_name_internal(r.relation_name) || ', against the one with the highest rate'
				ELSE 'Those who said no, or nothing, against those who said yes' END || '; purpose ' || personalize.report_name_internal(r.purpose)
			|| coalesce(', metric ' || personalize.report_name_internal(r.metric), '') || '. Recorded ' || to_char(r.recorded_at, 'FMDD Mon YYYY HH24:MI') || ' UTC'
			|| CASE WHEN r.groups_hidden > 0 THEN '; some groups were too small to show' ELSE '' END || '.</p>'
			|| CASE WHEN bars = '[]' THEN '<p class="none">No group is large enough to be shown.</p></div>' ELSE
				personalize.report_bars_internal('parity-' || place || '-c', r.name || ': ratio to the group that is compared with',
					'For each group the ratio of its rate or value; the mark is at four fifths.', bars) || '</div>'
				|| personalize.report_table_internal('Groups', ARRAY['Group', '#People', '#Value', '#Ratio', 'Four fifths', '#Difference'], lines) END || E'</figure>\n';
	END LOOP;
	cards := CASE WHEN place = 0 THEN '' ELSE personalize.report_card_internal('Fairness', broken::text, CASE broken WHEN 1 THEN 'rate below four fifths' ELSE 'rates below four fifths' END, broken > 0) END;
	html := '<section aria-labelledby="fairness"><h2 id="fairness">Fairness</h2>' || CASE WHEN place = 0
		THEN '<p class="none">No answer about parity was recorded in this time: see record_parity(). This page does not compute any, for that reads personal data for a purpose.</p>'
		ELSE '<p>The ratio of each group to the one it is compared with; the mark stands at four fifths, below which a rate is regarded as evidence of adverse impact (29 CFR 1607.4(D)).</p>' || parts END || E'</section>\n';
END
$$;
COMMENT ON FUNCTION personalize.report_parity_internal(timestamptz, timestamptz, bigint) IS 'The part of a report about fairness, from what record_parity() has kept';
