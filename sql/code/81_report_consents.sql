/*
 * The report about what people said: coverage now, opt-in and opt-out over time.
 *
 * Opt-in and opt-out are those of consent_rates(), for purposes and not for each version of a notice.  One pass over the
 * ledger (src/figures_said.c) finds both these and what people said last.
 */
CREATE OR REPLACE FUNCTION personalize.report_words_internal(step text, since timestamptz, until timestamptz)
	RETURNS TABLE (purpose_id integer, period timestamptz, answered bigint, opted_in bigint, began bigint, ended bigint, opted_out bigint, yes bigint, over bigint, no bigint)
	LANGUAGE c STABLE STRICT PARALLEL UNSAFE ROWS 1000 AS 'MODULE_PATHNAME', 'personalize_report_words';
COMMENT ON FUNCTION personalize.report_words_internal(text, timestamptz, timestamptz) IS
	'By purpose and period (UTC; -infinity: before since): who answered, and with yes; consents that came into force, ended, and were ended by people; and what was said then and never again: yes, yes that has run out, no';

CREATE OR REPLACE FUNCTION personalize.report_said_internal(step text, since timestamptz, until timestamptz)
RETURNS TABLE (purpose_id integer, period timestamptz, answered bigint, opted_in bigint, in_force bigint, opted_out bigint, yes bigint, ended bigint, no bigint)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT ROWS 1000
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
AS $$
#variable_conflict use_column
DECLARE
	/* what is to come has not ended yet */
	ends timestamptz := least(report_said_internal.until, clock_timestamp());
BEGIN
	RETURN QUERY
		WITH cell AS MATERIALIZED (
			SELECT w.* FROM personalize.report_words_internal(report_said_internal.step, report_said_internal.since, ends) AS w),
		force AS (
			/* what was before comes first; a period without a line has what was left over */
			SELECT s.*, (sum(s.began) OVER w - sum(s.ended) OVER w + s.ended)::bigint AS in_force
			FROM (SELECT p.purpose_id, q.period, coalesce(c.answered, 0) AS answered, coalesce(c.opted_in, 0) AS opted_in, coalesce(c.opted_out, 0) AS opted_out,
					coalesce(c.began, 0) AS began, coalesce(c.ended, 0) AS ended
				FROM (SELECT DISTINCT x.purpose_id FROM cell AS x) AS p
					CROSS JOIN (SELECT '-infinity'::timestamptz AS period UNION ALL
						SELECT g FROM generate_series(date_trunc(report_said_internal.step, report_said_internal.since), ends - interval '1 microsecond',
							CASE report_said_internal.step WHEN 'quarter' THEN '3 months' ELSE '1 ' || report_said_internal.step END::interval) AS g) AS q
					LEFT JOIN cell AS c ON c.purpose_id = p.purpose_id AND c.period = q.period) AS s
			WINDOW w AS (PARTITION BY s.purpose_id ORDER BY s.period))
		SELECT f.purpose_id, f.period, f.answered, f.opted_in, f.in_force, f.opted_out, NULL::bigint, NULL::bigint, NULL::bigint FROM force AS f WHERE f.period > '-infinity'
		UNION ALL
		SELECT c.purpose_id, NULL, NULL, NULL, NULL, NULL, sum(c.yes)::bigint, sum(c.over)::bigint, sum(c.no)::bigint FROM cell AS c GROUP BY 1
		ORDER BY 1, 2;
END
$$;
COMMENT ON FUNCTION personalize.report_said_internal(text, timestamptz, timestamptz) IS
	'What people said for each purpose: for each period as consent_rates() has it, and in a line without a period what they said last';

CREATE OR REPLACE FUNCTION personalize.report_known_internal()
RETURNS bigint
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT count(*) FILTER (WHERE l.group_no IS NULL) + count(DISTINCT l.group_no)
	FROM personalize.counted_internal AS c LEFT JOIN personalize.linked AS l ON l.subject_no = c.subject_no
$$;
COMMENT ON FUNCTION personalize.report_known_internal() IS 'How many persons the ledger knows';

CREATE OR REPLACE FUNCTION personalize.report_consents_internal(since timestamptz, until timestamptz, step text, enough bigint, OUT html text, OUT cards text)
RETURNS record
LANGUAGE plpgsql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
AS $$
#variable_conflict use_column
DECLARE
	data jsonb;
	known bigint := personalize.report_known_internal();
	p record;
	c record;
	bars jsonb := '[]';
	lines text := '';
	rows text;
	charts text := '';
	place integer := 0;
	agreed bigint := 0;
	out bigint := 0;
	hidden boolean[];
	/* time charts are for so many purposes, those that most people said something about; the others are in the table */
	most CONSTANT integer := 8;
BEGIN
	SELECT coalesce(jsonb_agg(to_jsonb(s)), '[]') INTO data
		FROM personalize.report_said_internal(report_consents_internal.step, report_consents_internal.since, report_consents_internal.until) AS s;
	FOR p IN
		SELECT q.purpose_id, q.name, q.legal_basis, q.retired_at, s.yes, s.ended, s.no, greatest(known - s.yes - s.ended - s.no, 0) AS silent,
			q.legal_basis IN ('consent', 'explicit_consent') AS asks
		FROM jsonb_to_recordset(data) AS s (purpose_id integer, period timestamptz, yes bigint, ended bigint, no bigint)
			JOIN personalize.registry_purpose AS q ON q.purpose_id = s.purpose_id
		WHERE s.period IS NULL
		ORDER BY (q.retired_at IS NOT NULL), s.yes + s.no + s.ended DESC, q.name COLLATE "C"
	LOOP
		place := place + 1;
		hidden := personalize.report_hidden_internal(ARRAY[p.yes, p.no, p.ended, p.silent], report_consents_internal.enough);
		IF NOT hidden[1] AND p.asks THEN
			agreed := agreed + p.yes;
		END IF;
		IF place <= 20 THEN
			bars := bars || jsonb_build_object('label', p.name,
				'text', CASE WHEN hidden[1] THEN 'too few to show' ELSE personalize.report_share_internal(p.yes::double precision / nullif(known, 0)) || ' agree' END,
				'parts', (SELECT coalesce(jsonb_agg(jsonb_build_array(x.class, x.from_, x.from_ + x.share) ORDER BY x.place), '[]')
					FROM (SELECT u.class, u.place, u.n::double precision / nullif(known, 0) AS share,
							(sum(u.n) OVER (ORDER BY u.place) - u.n)::double precision / nullif(known, 0) AS from_
						FROM unnest('{yes,no,ended}'::text[], ARRAY[p.yes, p.no, p.ended]) WITH ORDINALITY AS u (class, n, place)) AS x
					WHERE NOT true = ANY (hidden[1:x.place])));
		END IF;
		lines := lines || personalize.report_row_internal(VARIADIC ARRAY[personalize.report_name_internal(p.name) || CASE WHEN p.retired_at IS NOT NULL THEN ' (retired)' ELSE '' END
				|| CASE WHEN p.legal_basis = 'consent' THEN '' ELSE '<br><span class="note">' || replace(p.legal_basis, '_', ' ') || '</span>' END] || (SELECT array_agg(CASE WHEN hidden[u.i] THEN 'not shown' ELSE personalize.report_count_internal(u.n) END ORDER BY u.i)
				FROM unnest(ARRAY[p.yes, p.no, p.ended, p.silent]) WITH ORDINALITY AS u (n, i)));
		/* over time */
		rows := '';
		FOR c IN SELECT s.period, CASE WHEN s.answered = 0 OR s.answered >= report_consents_internal.enough THEN s.answered END AS answered, s.opted_in,
				CASE WHEN s.in_force = 0 OR s.in_force >= report_consents_internal.enough THEN s.in_force END AS in_force, s.opted_out
			FROM jsonb_to_recordset(data) AS s (purpose_id integer, period timestamptz, answered bigint, opted_in bigint, in_force bigint, opted_out bigint)
			WHERE s.purpose_id = p.purpose_id AND s.period IS NOT NULL ORDER BY s.period
		LOOP
			IF c.in_force IS NOT NULL AND p.asks THEN
				out := out + c.opted_out;
			END IF;
			CONTINUE WHEN place > most;
			rows := rows || personalize.report_row_internal(to_char(c.period, 'YYYY-MM-DD'),
				coalesce(personalize.report_count_internal(c.answered), ''), CASE WHEN c.answered > 0 THEN personalize.report_share_internal(c.opted_in::double precision / c.answered) END,
				personalize.report_count_internal(c.in_force), CASE WHEN c.in_force > 0 THEN personalize.report_count_internal(c.opted_out) END,
				CASE WHEN c.in_force > 0 THEN personalize.report_share_internal(c.opted_out::double precision / c.in_force) END);
		END LOOP;
		CONTINUE WHEN place > most OR NOT p.asks;
		charts := charts || (SELECT personalize.report_figure_internal('said-' || place, personalize.report_name_internal(p.name),
				personalize.report_time_internal('said-' || place || '-c', p.name || ': opt-in and opt-out over time',
					format('How many consents were in force; of those who answered, the share that agreed, with its 95%% interval; and of the consents in force the share that people ended, for each %s.', report_consents_internal.step),
					array_agg(s.period ORDER BY s.period), jsonb_build_array(
						jsonb_build_object('name', 'People whose consent was in force', 'kind', 'line', 'height', 60, 'unit', 'count',
							'values', jsonb_agg(CASE WHEN s.in_force = 0 OR s.in_force >= report_consents_internal.enough THEN s.in_force END ORDER BY s.period)),
						jsonb_build_object('name', 'Agreed, of those who answered', 'kind', 'line', 'height', 64, 'unit', 'share', 'most', 1,
							'values', jsonb_agg(i.rate ORDER BY s.period), 'low', jsonb_agg(i.low ORDER BY s.period), 'high', jsonb_agg(i.high ORDER BY s.period)),
						jsonb_build_object('name', 'Ended by people, of those in force', 'kind', 'bars', 'class', 'no', 'height', 44, 'unit', 'share',
							'values', jsonb_agg(CASE WHEN s.in_force >= report_consents_internal.enough THEN s.opted_out::double precision / s.in_force END ORDER BY s.period)))),
				'', personalize.report_table_internal(format('%s, by %s', personalize.report_name_internal(p.name), report_consents_internal.step),
					ARRAY['From', '#Answered', '#Agreed', '#In force', '#Ended', '#Share ended'], rows))
			FROM jsonb_to_recordset(data) AS s (purpose_id integer, period timestamptz, answered bigint, opted_in bigint, in_force bigint, opted_out bigint)
				LEFT JOIN LATERAL personalize.wilson_internal(s.opted_in, s.answered, 0.95) AS i ON s.answered >= report_consents_internal.enough
			WHERE s.purpose_id = p.purpose_id AND s.period IS NOT NULL);
	END LOOP;
	cards := personalize.report_card_internal('People', personalize.report_people_internal(known, report_consents_internal.enough), 'known to the ledger')
		|| personalize.report_card_internal('Consents in force', personalize.report_count_internal(agreed), 'over all purposes')
		|| personalize.report_card_internal('Opt-outs', personalize.report_count_internal(out), 'consents ended by people');
	html := '<section aria-labelledby="consent"><h2 id="consent">Consent</h2>' || CASE WHEN place = 0 THEN E'<p class="none">Nobody has said anything about any purpose yet.</p>' ELSE
		'<p>What people had said last about each purpose by the end of this time, whatever else may stand against using it. Shares are of all people the ledger knows.</p>'
		|| '<figure id="coverage" class="wide"><div><figcaption>Coverage</figcaption>'
		|| personalize.report_legend_internal('yes', 'agree', 'no', 'said no', 'ended', 'consent ran out', 'track', 'never answered')
		|| personalize.report_bars_internal('coverage-c', 'Consent coverage', 'For each purpose the share of people who agree, who said no, and whose consent ran out.', bars) || '</div>'
		|| personalize.report_table_internal('People by what they said last', ARRAY['Purpose', '#Agree', '#Said no', '#Ran out', '#No answer'], lines) || '</figure>'
		|| CASE WHEN charts = '' THEN '' ELSE '<h3>Consent and opt-out over time</h3><p>By ' || report_consents_internal.step || CASE report_consents_internal.step WHEN 'week' THEN ', from Monday' ELSE '' END
			|| '; the first and the last may be cut short. The shaded band is the 95% interval (Wilson).'
			|| CASE WHEN place > most THEN ' Of the ' || most || ' purposes that most people said something about; consent_rates() has the others.' ELSE '' END
			|| '</p><div class="grid">' || charts || '</div>' END END || E'</section>\n';
END
$$;
COMMENT ON FUNCTION personalize.report_consents_internal(timestamptz, timestamptz, text, bigint) IS 'The part of a report about consent, and its headline figures';
