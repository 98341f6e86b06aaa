/*
 * What the pages of report_html() are made of: texts, figures, tables, charts.
 *
 * Texts of users come through report_text_internal() and stand in the content of elements only,
 * never in attributes.  A figure that is not a number is a dash.  Charts are inline SVG, 300 units
 * wide, which is about the width of a phone: text in them is then as large as text beside them.
 * Nothing is told by colour alone: areas differ by hatching, too, and each has its figure in words.
 */
CREATE OR REPLACE FUNCTION personalize.report_text_internal(words text)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
	/* control characters, invisible ones and those that turn the direction of what follows are shown as a replacement character */
	SELECT regexp_replace(personalize.html_internal(coalesce($1, '')),
		E'[\\u0001-\\u001f\\u007f-\\u009f\\u00ad\\u061c\\u200b\\u200e\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff\\ufff9-\\ufffc\\U000e0000-\\U000e007f]', '&#65533;', 'g')
$$;
COMMENT ON FUNCTION personalize.report_text_internal(text) IS 'A text of a user as it stands in a report';

CREATE OR REPLACE FUNCTION personalize.report_name_internal(words text)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
	/* whatever direction it is written in, what stands beside it stays where it is */
	SELECT CASE WHEN $1 IS NOT NULL THEN '<bdi>' || personalize.report_text_internal(CASE WHEN length($1) > 200 THEN left($1, 199) || '...' ELSE $1 END) || '</bdi>' END
$$;
COMMENT ON FUNCTION personalize.report_name_internal(text) IS 'A name in a report';

CREATE OR REPLACE FUNCTION personalize.report_count_internal(n numeric)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN $1 IS NULL OR $1 = 'NaN' OR abs($1) >= 1e18 THEN '&ndash;' ELSE to_char($1, 'FM999,999,999,999,999,990') END
$$;
COMMENT ON FUNCTION personalize.report_count_internal(numeric) IS 'A number of things in a report';

CREATE OR REPLACE FUNCTION personalize.report_people_internal(n numeric, enough bigint)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN $1 > 0 AND $1 < $2 THEN 'fewer than&nbsp;' || $2 ELSE personalize.report_count_internal($1) END
$$;
COMMENT ON FUNCTION personalize.report_people_internal(numeric, bigint) IS 'A number of persons in a report; a small one is not told';

CREATE OR REPLACE FUNCTION personalize.report_share_internal(x double precision)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN $1 IS NULL OR NOT abs($1) < 1e9 THEN '&ndash;' WHEN $1 <> 0 AND abs($1) < 0.0005 THEN '&lt;&nbsp;0.1%'
		ELSE replace(to_char((100 * $1)::numeric, 'FM999,999,999,990.0'), '-', '&minus;') || '%' END
$$;
COMMENT ON FUNCTION personalize.report_share_internal(double precision) IS 'A share in a report';

CREATE OR REPLACE FUNCTION personalize.report_change_internal(ratio double precision)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN abs($1 - 1) < 0.0005 THEN '0.0%' ELSE CASE WHEN $1 > 1 THEN '+' ELSE '' END || personalize.report_share_internal($1 - 1) END
$$;
COMMENT ON FUNCTION personalize.report_change_internal(double precision) IS 'A ratio as a change, with its sign';

CREATE OR REPLACE FUNCTION personalize.report_value_internal(x double precision)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN $1 IS NULL OR NOT abs($1) < 'infinity' THEN '&ndash;'
		WHEN $1 = trunc($1) AND abs($1) < 1e15 THEN replace(to_char($1::numeric, 'FM999,999,999,999,990'), '-', '&minus;')
		WHEN abs($1) >= 1e15 OR abs($1) < 1e-4 THEN replace(to_char($1, 'FM9.99EEEE'), '-', '&minus;')
		ELSE replace(to_char($1::numeric, CASE WHEN abs($1) >= 1000 THEN 'FM999,999,999,999,990' WHEN abs($1) >= 10 THEN 'FM990.0' WHEN abs($1) >= 0.1 THEN 'FM0.00' ELSE 'FM0.0000' END),
			'-', '&minus;') END
$$;
COMMENT ON FUNCTION personalize.report_value_internal(double precision) IS 'A measured value in a report';

CREATE OR REPLACE FUNCTION personalize.report_ratio_internal(x double precision)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN $1 >= 0 AND $1 < 1000 THEN to_char($1::numeric, 'FM990.00') ELSE personalize.report_value_internal($1) END
$$;
COMMENT ON FUNCTION personalize.report_ratio_internal(double precision) IS 'A ratio in a report';

CREATE OR REPLACE FUNCTION personalize.report_label_internal(words text, room double precision)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
	/* a letter takes about 7 units; what is wider than that is cut by its box */
	SELECT CASE WHEN length($1) * 7 > $2 THEN personalize.report_text_internal(left($1, greatest(floor($2 / 7)::integer - 1, 1))) || '&hellip;' ELSE personalize.report_text_internal($1) END
$$;
COMMENT ON FUNCTION personalize.report_label_internal(text, double precision) IS 'A name in a chart, where there is so much room';

CREATE OR REPLACE FUNCTION personalize.report_measured_internal(x double precision, measure text)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE $2 WHEN 'rate' THEN personalize.report_share_internal($1) ELSE personalize.report_value_internal($1) END
$$;
COMMENT ON FUNCTION personalize.report_measured_internal(double precision, text) IS 'A share (rate) or a mean in a report';

CREATE OR REPLACE FUNCTION personalize.report_px_internal(x double precision)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT round(CASE WHEN $1 > -10000 AND $1 < 10000 OR $1 IS NULL THEN $1 ELSE 0 END::numeric, 1)::text
$$;
COMMENT ON FUNCTION personalize.report_px_internal(double precision) IS 'A coordinate of a chart';

CREATE OR REPLACE FUNCTION personalize.report_hidden_internal(counts bigint[], enough bigint)
RETURNS boolean[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	hidden boolean[] := ARRAY(SELECT u.n > 0 AND u.n < enough FROM unnest(counts) WITH ORDINALITY AS u (n, place) ORDER BY u.place);
	total bigint := (SELECT sum(u.n) FROM unnest(counts, hidden) AS u (n, h) WHERE u.h);
	next integer;
BEGIN
	/* what is hidden must not be what is missing to the whole: parts are hidden from the last on, which tells least */
	WHILE total > 0 AND total < enough LOOP
		SELECT u.place INTO next FROM unnest(counts, hidden) WITH ORDINALITY AS u (n, h, place) WHERE NOT u.h AND u.n > 0 ORDER BY u.place DESC LIMIT 1;
		EXIT WHEN next IS NULL;
		hidden[next] := true;
		total := total + counts[next];
	END LOOP;
	RETURN hidden;
END
$$;
COMMENT ON FUNCTION personalize.report_hidden_internal(bigint[], bigint) IS
	'Which parts of a group of persons must not be told, so that no part of fewer than so many can be worked out from the whole';

/* ------------------------------------------------------------- tables, figures */

CREATE OR REPLACE FUNCTION personalize.report_row_internal(VARIADIC cells text[])
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT '<tr><th scope="row">' || coalesce($1[1], '&ndash;') || '</th>'
		|| coalesce((SELECT string_agg(CASE WHEN u.cell IS NULL OR u.cell ~ '^(&ndash;|not shown|none|fewer than.*|(<span class="bad">|[+]|&minus;|&lt;&nbsp;)?[0-9][0-9,.%-]*(</span>| [(].*[)]| in [0-9a-z: ]+)?)(<br><span class="note">[^<]*</span>)?$' THEN '<td class="n">' ELSE '<td>' END
			|| coalesce(u.cell, '&ndash;') || '</td>', '' ORDER BY u.place) FROM unnest($1) WITH ORDINALITY AS u (cell, place) WHERE u.place > 1), '')
		|| E'</tr>\n'
$$;
COMMENT ON FUNCTION personalize.report_row_internal(text[]) IS 'A line of a table; the cells are HTML, those of figures stand at the right';

CREATE OR REPLACE FUNCTION personalize.report_table_internal(caption text, heads text[], body text, stack boolean DEFAULT false)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
	/* a wide table scrolls by itself, also by the keyboard; one of words stacks its cells on a phone */
	SELECT CASE WHEN $3 IS NULL OR $3 = '' THEN '<p class="none">' || $1 || E': none.</p>\n'
		ELSE (SELECT '<div class="scroll" role="region" aria-labelledby="' || i.id || '" tabindex="0"><table' || CASE WHEN $4 THEN ' class="stack"' ELSE '' END || '><caption id="' || i.id || '">' || $1 FROM (SELECT 't-' || left(md5($1 || $3), 12)) AS i (id)) || E'</caption>\n<thead><tr>'
			|| (SELECT string_agg('<th scope="col"' || CASE WHEN u.head LIKE '#%' THEN ' class="n">' || substr(u.head, 2) ELSE '>' || u.head END || '</th>', '' ORDER BY u.place) FROM unnest($2) WITH ORDINALITY AS u (head, place))
			|| E'</tr></thead>\n<tbody>\n' || $3 || E'</tbody></table></div>\n' END
$$;
COMMENT ON FUNCTION personalize.report_table_internal(text, text[], text, boolean) IS 'A table; caption, heads and body are HTML; a head that begins with # is of a column of figures';

CREATE OR REPLACE FUNCTION personalize.report_card_internal(name text, figure text, note text, look boolean DEFAULT false)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT '<div class="card' || CASE WHEN $4 THEN ' look' ELSE '' END || '"><dt>' || $1 || '</dt><dd><strong>' || $2 || '</strong> <span>' || coalesce($3, '') || E'</span></dd></div>\n'
$$;
COMMENT ON FUNCTION personalize.report_card_internal(text, text, text, boolean) IS 'A headline figure: all of it HTML; look: somebody should';

CREATE OR REPLACE FUNCTION personalize.report_todo_internal(anchor text, words text)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT '<li><a href="#' || $1 || '">' || $2 || E'</a></li>\n'
$$;
COMMENT ON FUNCTION personalize.report_todo_internal(text, text) IS 'Something that somebody should look at: the id of a part of the page, and HTML';

CREATE OR REPLACE FUNCTION personalize.report_figure_internal(id text, caption text, chart text, legend text, data text)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT '<figure id="' || $1 || '"><figcaption>' || $2 || E'</figcaption>\n' || coalesce($4, '') || $3
		|| coalesce('<details><summary>The figures<span class="sr"> of: ' || $2 || E'</span></summary>\n' || $5 || E'</details>\n', '') || E'</figure>\n'
$$;
COMMENT ON FUNCTION personalize.report_figure_internal(text, text, text, text, text) IS 'A chart with its caption, legend and the table behind it';

CREATE OR REPLACE FUNCTION personalize.report_legend_internal(VARIADIC entries text[])
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	/* class and words, in turn */
	SELECT '<ul class="legend">' || (SELECT string_agg('<li><svg viewBox="0 0 22 12" width="22" height="12" aria-hidden="true"><rect class="' || $1[i] || '" x="1" y="1" width="20" height="10"/></svg> '
		|| $1[i + 1] || '</li>', '' ORDER BY i) FROM generate_series(1, cardinality($1), 2) AS i) || E'</ul>\n'
$$;
COMMENT ON FUNCTION personalize.report_legend_internal(text[]) IS 'What the areas of a chart mean';

CREATE OR REPLACE FUNCTION personalize.report_svg_internal(id text, height double precision, title text, description text, content text)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT '<svg viewBox="0 0 300 ' || personalize.report_px_internal($2) || '" role="img" aria-labelledby="' || $1 || '-t ' || $1 || '-d"><title id="' || $1 || '-t">'
		|| personalize.report_text_internal($3) || '</title><desc id="' || $1 || '-d">' || personalize.report_text_internal($4) || E'</desc>\n' || coalesce($5, '') || E'</svg>\n'
$$;
COMMENT ON FUNCTION personalize.report_svg_internal(text, double precision, text, text, text) IS 'A chart: title and description are texts, the content is SVG';

/* ---------------------------------------------------------------------- charts */

CREATE OR REPLACE FUNCTION personalize.report_bars_internal(id text, title text, description text, rows jsonb)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
	/* label and text above, the bar of parts [class, from, to] below, from 0 to 1; a mark stands across the bar */
	SELECT personalize.report_svg_internal($1, 38 * jsonb_array_length($4) + 2, $2, $3,
		(SELECT string_agg(
			/* what is too long, or too high, ends at its edge */
			'<svg x="0" y="' || r.y || '" width="' || r.room || '" height="18"><text class="label" x="0" y="13">' || personalize.report_label_internal(r.row ->> 'label', r.room) || '</text></svg>'
			|| '<text class="value" x="300" y="' || r.y + 13 || '" text-anchor="end">' || (r.row ->> 'text') || '</text>'
			|| CASE WHEN r.row -> 'parts' IS NULL THEN '' ELSE '<rect class="track" x="0.5" y="' || r.y + 18 || '.5" width="299" height="12"/>' END
			|| coalesce((SELECT string_agg('<rect class="' || (p.part ->> 0) || '" x="' || personalize.report_px_internal(300 * (p.part ->> 1)::double precision) || '" y="' || r.y + 19
					|| '" width="' || personalize.report_px_internal(greatest(300 * ((p.part ->> 2)::double precision - (p.part ->> 1)::double precision) - CASE WHEN (p.part ->> 2)::double precision < 0.999 THEN 2 ELSE 0 END, 0.5))
					|| '" height="11"/>', '' ORDER BY p.place)
				FROM jsonb_array_elements(r.row -> 'parts') WITH ORDINALITY AS p (part, place) WHERE (p.part ->> 2)::double precision > (p.part ->> 1)::double precision), '')
			|| coalesce('<path class="mark" d="M' || personalize.report_px_internal(1 + 298 * (r.row ->> 'mark')::double precision) || ' ' || r.y + 15 || 'v19"/>', '') || E'\n',
			'' ORDER BY r.y)
		FROM (SELECT u.row, (38 * (u.place - 1))::integer AS y, greatest(60, 292 - 9 * length(regexp_replace(u.row ->> 'text', '&[a-z]+;', '-', 'g'))) AS room
			FROM jsonb_array_elements($4) WITH ORDINALITY AS u (row, place)) AS r))
$$;
COMMENT ON FUNCTION personalize.report_bars_internal(text, text, text, jsonb) IS 'Bars with a label each; text is HTML, the label is not';

CREATE OR REPLACE FUNCTION personalize.report_nice_internal(most double precision)
RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN $1 > 0 AND $1 < 'infinity' THEN (SELECT min(f * power(10, floor(log($1)))) FROM (VALUES (1.0::double precision), (1.5), (2), (3), (4), (5), (6), (8), (10), (15)) AS v (f) WHERE f * power(10, floor(log($1))) >= $1 * 0.999999) ELSE 1 END
$$;
COMMENT ON FUNCTION personalize.report_nice_internal(double precision) IS 'Where an axis ends that goes at least so far';

CREATE OR REPLACE FUNCTION personalize.report_time_internal(id text, title text, description text, periods timestamptz[], panels jsonb)
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
AS $$
#variable_conflict use_variable
DECLARE
	n CONSTANT integer := cardinality(periods);
	wide CONSTANT double precision := 254.0 / greatest(n, 1);	/* of a period; the panels stand from 42 to 296 */
	panel jsonb;
	top double precision := 0;
	high double precision;	/* of the panel */
	most double precision;
	svg text := '';
	line text;
BEGIN
	FOR panel IN SELECT u.p FROM jsonb_array_elements(panels) WITH ORDINALITY AS u (p, place) ORDER BY u.place LOOP
		high := (panel ->> 'height')::double precision;
		most := coalesce((panel ->> 'most')::double precision,
			personalize.report_nice_internal((SELECT max(v::double precision) FROM jsonb_array_elements_text(panel -> 'values') AS v)));
		svg := svg || format('<text class="label" x="0" y="%s">%s</text>', personalize.report_px_internal(top + 12), panel ->> 'name');
		top := top + 25;
		/* the scale: top, middle, bottom */
		svg := svg || (SELECT string_agg(format('<path class="%s" d="M42 %sH296"/><text class="tick" x="38" y="%s" text-anchor="end">%s</text>',
				CASE WHEN f = 0 THEN 'axis' ELSE 'grid' END, personalize.report_px_internal(top + high * (1 - f)), personalize.report_px_internal(top + high * (1 - f) + 4),
				CASE WHEN panel ->> 'unit' = 'share' THEN regexp_replace(personalize.report_share_internal(f * most), '[.]0%$', '%') ELSE personalize.report_value_internal(f * most) END), '')
			FROM (VALUES (0::double precision), (0.5), (1)) AS v (f) WHERE f <> 0.5 OR (high >= 50 AND (panel ->> 'unit' = 'share' OR f * most = trunc(f * most))));
		IF panel ->> 'kind' = 'bars' THEN
			svg := svg || coalesce((SELECT string_agg(format('<rect class="%s" x="%s" y="%s" width="%s" height="%s"/>', panel ->> 'class',
					personalize.report_px_internal(42 + wide * (u.place - 1) + wide * 0.1), personalize.report_px_internal(top + high * (1 - u.v / most)),
					personalize.report_px_internal(wide * 0.8), personalize.report_px_internal(greatest(high * u.v / most, 0.7))), '' ORDER BY u.place)
				FROM (SELECT t.v::double precision AS v, t.place FROM jsonb_array_elements_text(panel -> 'values') WITH ORDINALITY AS t (v, place)) AS u WHERE u.v > 0), '');
		ELSE
			/* the interval as an area, the values as a line; both are broken where there is none */
			WITH point AS (
				SELECT u.place, u.v::double precision AS v, u.low::double precision AS low, u.high::double precision AS high, 42 + wide * (u.place - 0.5) AS x,
					u.place - row_number() OVER (ORDER BY u.place) AS run
				FROM (SELECT t.v, (panel -> 'low') ->> (t.place - 1)::integer AS low, (panel -> 'high') ->> (t.place - 1)::integer AS high, t.place
					FROM jsonb_array_elements_text(panel -> 'values') WITH ORDINALITY AS t (v, place) WHERE t.v IS NOT NULL) AS u),
			shape AS (
				SELECT p.run, count(*) AS points,
					string_agg(personalize.report_px_internal(p.x) || ' ' || personalize.report_px_internal(top + high * (1 - p.v / most)), 'L' ORDER BY p.place) AS way,
					string_agg(personalize.report_px_internal(p.x) || ' ' || personalize.report_px_internal(top + high * (1 - p.high / most)), 'L' ORDER BY p.place)
						|| 'L' || string_agg(personalize.report_px_internal(p.x) || ' ' || personalize.report_px_internal(top + high * (1 - p.low / most)), 'L' ORDER BY p.place DESC) AS area
				FROM point AS p GROUP BY p.run)
			SELECT coalesce(string_agg(CASE WHEN s.points > 1 AND s.area IS NOT NULL THEN '<path class="band" d="M' || s.area || 'Z"/>' ELSE '' END, '' ORDER BY s.run), '')
				|| coalesce(string_agg(CASE WHEN s.points > 1 THEN '<path class="line" d="M' || s.way || '"/>' ELSE '' END, '' ORDER BY s.run), '')
				|| coalesce((SELECT string_agg(format('<circle class="dot" cx="%s" cy="%s" r="2.2"/>', personalize.report_px_internal(p.x), personalize.report_px_internal(top + high * (1 - p.v / most))), '' ORDER BY p.place)
					FROM point AS p WHERE n <= 40 OR (SELECT s.points FROM shape AS s WHERE s.run = p.run) = 1), '')
			INTO line FROM shape AS s;
			svg := svg || coalesce(line, '');
		END IF;
		IF NOT EXISTS (SELECT FROM jsonb_array_elements_text(panel -> 'values') AS v WHERE v IS NOT NULL) THEN
			svg := svg || format('<text class="tick" x="169" y="%s" text-anchor="middle">nothing that can be shown</text>', personalize.report_px_internal(top + high / 2 + 4));
		END IF;
		top := top + high + 10;
		svg := svg || E'\n';
	END LOOP;
	/* first, middle and last period */
	svg := svg || coalesce((SELECT string_agg(format('<text class="tick" x="%s" y="%s" text-anchor="%s">%s</text>',
			personalize.report_px_internal(CASE WHEN n = 1 THEN 169 WHEN u.place = 1 THEN 42 WHEN u.place = n THEN 296 ELSE 42 + wide * (u.place - 0.5) END), personalize.report_px_internal(top + 6),
			CASE WHEN n > 1 AND u.place = 1 THEN 'start' WHEN n > 1 AND u.place = n THEN 'end' ELSE 'middle' END,
			to_char(u.at, CASE WHEN periods[n] - periods[1] > interval '360 days' THEN 'FMDD Mon YYYY' ELSE 'FMDD Mon' END)), '' ORDER BY u.place)
		FROM unnest(periods) WITH ORDINALITY AS u (at, place) WHERE u.place IN (1, n) OR (n >= 5 AND u.place = (n + 1) / 2)), '');
	RETURN personalize.report_svg_internal(id, top + 10, title, description, svg);
END
$$;
COMMENT ON FUNCTION personalize.report_time_internal(text, text, text, timestamptz[], jsonb) IS
	'Panels over time, one below the other: name (HTML), kind (line or bars), height, class, unit (share or count), most, values, low, high';

CREATE OR REPLACE FUNCTION personalize.report_forest_internal(id text, title text, description text, rows jsonb)
RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	n CONSTANT integer := jsonb_array_length(rows);
	/* ratios, on the logarithm: what is beyond a factor of 8 ends in an arrow */
	low double precision;
	high double precision;
	drawn double precision[] := '{}';
	x double precision;
	tick double precision;
	svg text := '';
	r record;
	bottom CONSTANT integer := 38 * n + 4;
BEGIN
	SELECT least(0.9, greatest(min((u ->> 'low')::double precision) / 1.03, 0.125)), greatest(1.1, least(max((u ->> 'high')::double precision) * 1.03, 8)) INTO low, high
		FROM jsonb_array_elements(rows) AS u WHERE u ->> 'ratio' IS NOT NULL;
	low := coalesce(low, 0.9);
	high := coalesce(high, 1.1);
	FOREACH tick IN ARRAY '{1,0.25,4,0.5,2,0.75,1.5,0.9,1.1,1.25,0.95,1.05,8,0.125}'::double precision[] LOOP
		x := 10 + 280 * ln(tick / low) / ln(high / low);
		CONTINUE WHEN tick < low OR tick > high OR EXISTS (SELECT FROM unnest(drawn) AS d WHERE abs(d - x) < 50);
		drawn := drawn || x;
		svg := svg || format('<path class="%s" d="M%s 2V%s"/><text class="tick" x="%s" y="%s" text-anchor="%s">%s</text>', CASE tick WHEN 1 THEN 'mark' ELSE 'grid' END,
			personalize.report_px_internal(x), bottom, personalize.report_px_internal(CASE WHEN x < 30 THEN 0 WHEN x > 270 THEN 300 ELSE x END), bottom + 14,
			CASE WHEN x < 30 THEN 'start' WHEN x > 270 THEN 'end' ELSE 'middle' END,
			CASE tick WHEN 1 THEN 'no change' ELSE regexp_replace(personalize.report_change_internal(tick), '[.]0%$', '%') END);
	END LOOP;
	FOR r IN SELECT u.row, (38 * (u.place - 1))::integer AS y, (u.row ->> 'ratio')::double precision AS ratio, (u.row ->> 'low')::double precision AS from_, (u.row ->> 'high')::double precision AS to_,
			greatest(60, 292 - 9 * length(regexp_replace(u.row ->> 'text', '&[a-z]+;', '-', 'g'))) AS room
		FROM jsonb_array_elements(rows) WITH ORDINALITY AS u (row, place) ORDER BY u.place
	LOOP
		svg := svg || format('<rect class="under" x="0" y="%s" width="300" height="17"/><svg x="0" y="%s" width="%s" height="18"><text class="label" x="0" y="13">%s</text></svg><text class="value" x="300" y="%s" text-anchor="end">%s</text>',
			r.y, r.y, r.room, personalize.report_label_internal(r.row ->> 'label', r.room), r.y + 13, r.row ->> 'text');
		CONTINUE WHEN r.ratio IS NULL OR NOT (r.ratio > 0 AND r.from_ > 0 AND r.to_ < 'infinity');
		svg := svg || format('<path class="whisker" d="M%s %sH%s%s%s"/>',
			personalize.report_px_internal(10 + 280 * ln(greatest(least(r.from_, high), low) / low) / ln(high / low)), r.y + 26,
			personalize.report_px_internal(10 + 280 * ln(greatest(least(r.to_, high), low) / low) / ln(high / low)),
			CASE WHEN r.to_ > high THEN 'm-5 -4l5 4l-5 4' ELSE 'm0 -4v8' END,
			CASE WHEN r.from_ < low THEN format('M15 %sl-5 4l5 4', r.y + 22) ELSE format('M%s %sv8', personalize.report_px_internal(10 + 280 * ln(least(r.from_, high) / low) / ln(high / low)), r.y + 22) END);
		/* an interval that leaves out 1 is filled, another one hollow */
		IF r.ratio BETWEEN low AND high THEN
			svg := svg || format('<rect class="%s" x="%s" y="%s" width="10" height="10" rx="2"/>', CASE WHEN r.from_ > 1 OR r.to_ < 1 THEN 'sure' ELSE 'unsure' END,
				personalize.report_px_internal(10 + 280 * ln(r.ratio / low) / ln(high / low) - 5), r.y + 21);
		END IF;
		svg := svg || E'\n';
	END LOOP;
	RETURN personalize.report_svg_internal(id, bottom + 18, title, description, svg);
END
$$;
COMMENT ON FUNCTION personalize.report_forest_internal(text, text, text, jsonb) IS
	'Ratios with their intervals, one below the other: label, text (HTML), ratio, low, high';
