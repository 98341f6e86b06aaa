/*
 * A report that people look at: one page, which loads nothing and runs nothing.
 *
 * It tells of groups only, of none of fewer persons than personalize.least_group, and of no
 * key.  Its parts are in 81_report_*.sql; each asks once for what it needs.
 */
CREATE OR REPLACE FUNCTION personalize.report_requests_internal(since timestamptz, until timestamptz, OUT html text, OUT cards text, OUT todo text)
RETURNS record
LANGUAGE plpgsql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	lines text;
	open bigint;
	overdue bigint;
BEGIN
	/* what there is to do is told exactly: a request says nothing about who made it */
	SELECT string_agg(personalize.report_row_internal(personalize.report_text_internal(replace(q."right", '_', ' ')), personalize.report_text_internal(upper(q.regulation)), personalize.report_count_internal(q.open),
				CASE WHEN q.overdue > 0 THEN '<span class="bad">' || personalize.report_count_internal(q.overdue) || '</span>' ELSE '0' END, coalesce(to_char(q.next_due, 'YYYY-MM-DD'), '&ndash;'),
				personalize.report_count_internal(q.received), personalize.report_count_internal(q.closed)), '' ORDER BY q.overdue DESC, q.open DESC, q."right", q.regulation),
			coalesce(sum(q.open), 0), coalesce(sum(q.overdue), 0)
		INTO lines, open, overdue
		FROM (SELECT x."right", x.regulation, count(*) FILTER (WHERE x.is_open) AS open, count(*) FILTER (WHERE x.is_open AND x.due_at < clock_timestamp()) AS overdue,
				min(x.due_at) FILTER (WHERE x.is_open) AT TIME ZONE 'UTC' AS next_due,
				count(*) FILTER (WHERE x.received_at >= report_requests_internal.since AND x.received_at < report_requests_internal.until) AS received,
				count(*) FILTER (WHERE x.closed_at >= report_requests_internal.since AND x.closed_at < report_requests_internal.until) AS closed
			FROM (SELECT y.*, y.status IN ('open', 'in_progress') AS is_open FROM personalize.request AS y) AS x
			GROUP BY 1, 2) AS q
		WHERE q.open + q.received + q.closed > 0;
	cards := personalize.report_card_internal('Requests', personalize.report_count_internal(open), 'open, ' || personalize.report_count_internal(overdue) || ' overdue', overdue > 0);
	IF overdue > 0 THEN
		todo := personalize.report_todo_internal('requests', CASE overdue WHEN 1 THEN 'A request is overdue' ELSE personalize.report_count_internal(overdue) || ' requests are overdue' END);
	END IF;
	html := '<section aria-labelledby="requests"><h2 id="requests">Requests of people</h2>' || CASE WHEN lines IS NULL THEN '<p class="none">No request is open, and none came in this time.</p>'
		ELSE personalize.report_table_internal('Requests by right', ARRAY['Right', 'Law', '#Open now', '#Overdue', '#Next due', '#Received', '#Closed'], lines) END || E'</section>\n';
END
$$;
COMMENT ON FUNCTION personalize.report_requests_internal(timestamptz, timestamptz) IS 'The part of a report about requests of persons';

CREATE OR REPLACE FUNCTION personalize.report_audit_internal(OUT html text, OUT cards text, OUT todo text)
RETURNS record
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	audit text;
	others text;
	wrong bigint;
	other_wrong bigint;
BEGIN
	SELECT string_agg(personalize.report_row_internal(personalize.report_text_internal(s.check_name), CASE WHEN s.ok THEN '<span class="good">in order</span>' ELSE '<span class="bad">look at it</span>' END,
				personalize.report_text_internal(s.detail) || CASE WHEN NOT s.ok AND s.hint <> '' THEN '<br>' || personalize.report_text_internal(s.hint) ELSE '' END), '' ORDER BY s.ok, s.place) FILTER (WHERE s.is_audit),
			/* of anything else only that there is something: details are for whoever looks after it */
			string_agg(DISTINCT personalize.report_text_internal(s.check_name), ', ') FILTER (WHERE NOT s.is_audit AND NOT s.ok),
			count(*) FILTER (WHERE s.is_audit AND NOT s.ok), count(DISTINCT s.check_name) FILTER (WHERE NOT s.is_audit AND NOT s.ok)
		INTO audit, others, wrong, other_wrong
		FROM (SELECT t.*, t.check_name LIKE 'audit%' AS is_audit FROM personalize.status() WITH ORDINALITY AS t (check_name, ok, detail, hint, place)
			/* a section of its own */
			WHERE t.check_name <> 'requests') AS s;
	cards := personalize.report_card_internal('Audit', CASE wrong WHEN 0 THEN 'in order' ELSE 'look at it' END, CASE other_wrong WHEN 0 THEN 'all other checks in order' WHEN 1 THEN 'another check not in order' ELSE other_wrong || ' other checks not in order' END, wrong > 0);
	IF wrong > 0 THEN
		todo := personalize.report_todo_internal('audit', 'The record of use: ' || CASE wrong WHEN 1 THEN 'a check is' ELSE wrong || ' checks are' END || ' not in order');
	END IF;
	IF other_wrong > 0 THEN
		todo := coalesce(todo, '') || personalize.report_todo_internal('audit', 'Not in order by status(): ' || others);
	END IF;
	html := '<section aria-labelledby="audit"><h2 id="audit">Audit health</h2>' || personalize.report_table_internal('The record of use', ARRAY['Check', 'State', 'Detail'], audit, true)
		|| CASE WHEN other_wrong > 0 THEN '<p>Other checks of status() that are not in order: <span class="bad">' || others || '</span>.</p>' ELSE '<p>All other checks of status() are in order.</p>' END
		|| '<p>Head of the record now, to keep where nobody who can change the database can change it:</p><p><code>' || personalize.audit_head()
		|| E'</code></p><p class="note">This page does not compute the chain anew; <code>verify_audit()</code> with this head does, at any later time.</p></section>\n';
END
$$;
COMMENT ON FUNCTION personalize.report_audit_internal() IS 'The part of a report about the audit';

CREATE OR REPLACE FUNCTION personalize.report_alerts_internal(OUT html text, OUT todo text, OUT are_kept boolean)
RETURNS record
LANGUAGE plpgsql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
AS $$
DECLARE
	lines text;
BEGIN
	html := '';
	todo := '';
	are_kept := to_regclass('personalize.alerts') IS NOT NULL;
	IF NOT are_kept THEN
		RETURN;
	END IF;
	/* a string, for the view may be made after this function */
	EXECUTE $sql$
		SELECT string_agg(personalize.report_row_internal(initcap(left(a.name, 1)) || substr(a.name, 2), coalesce(personalize.report_name_internal(a.purpose), 'none in particular'),
				personalize.report_text_internal(a.detail) || '<br><span class="note">' || personalize.report_text_internal(a.hint) || '</span>',
				CASE WHEN a.seen_at IS NULL THEN '<span class="bad">new</span>' ELSE 'seen ' || to_char(a.seen_at, 'FMDD Mon YYYY') END), '' ORDER BY a.place),
			coalesce(string_agg(personalize.report_todo_internal('alerts', coalesce(personalize.report_name_internal(a.purpose) || ': ', '') || personalize.report_text_internal(a.detail)), '' ORDER BY a.place)
				FILTER (WHERE a.seen_at IS NULL), '')
		FROM (SELECT x.*, replace(x.alert, '_', ' ') AS name, row_number() OVER (ORDER BY x.seen_at IS NOT NULL, x.alert COLLATE "C", x.purpose COLLATE "C") AS place FROM personalize.alerts AS x) AS a
	$sql$ INTO lines, todo;
	html := '<section aria-labelledby="alerts"><h2 id="alerts">Warning signs</h2>' || CASE WHEN lines IS NULL THEN '<p class="none">There is no alert now.</p>'
		ELSE personalize.report_table_internal('Alerts now', ARRAY['Alert', 'Purpose', 'What', 'Seen'], lines, true) END || E'</section>\n';
END
$$;
COMMENT ON FUNCTION personalize.report_alerts_internal() IS 'The part of a report about alerts, where there is a view of them';

CREATE OR REPLACE FUNCTION personalize.report_style_internal()
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	/* names say what a colour is for: ink-* are texts on page and card, fill-* are areas and lines; test/extra/report.sh computes their contrast */
	SELECT E'
:root { color-scheme: light dark; --page: #f4f5f7; --card: #ffffff; --ink: #1a2029; --ink-soft: #55606e; --ink-link: #0b57b8; --ink-good: #0b6b3a; --ink-bad: #b3261e;
	--fill-yes: #1d6fb8; --fill-no: #c2500a; --fill-ended: #79838f; --fill-mark: #1a2029; --fill-edge: #7d8794; --rule: #dfe3e8; --band: #1d6fb833; }
@media (prefers-color-scheme: dark) {
	:root { --page: #10151b; --card: #1a212a; --ink: #e9eef4; --ink-soft: #a8b4c1; --ink-link: #86bbff; --ink-good: #6ed79a; --ink-bad: #ff9a8f;
		--fill-yes: #5da8f0; --fill-no: #f2994a; --fill-ended: #8b97a5; --fill-mark: #e9eef4; --fill-edge: #7c8896; --rule: #2e3844; --band: #5da8f033; }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif; overflow-wrap: anywhere; }
header, main, footer { max-width: 1120px; margin: 0 auto; padding: 0 16px; }
header { padding-top: 32px; }
header p { margin-bottom: 4px; }
.owner { font-weight: 600; }
h1 { font-size: 2rem; line-height: 1.2; margin: 0 0 8px; letter-spacing: -0.01em; }
h2 { font-size: 1.3rem; line-height: 1.25; margin: 0 0 8px; }
h3 { font-size: 1.05rem; margin: 24px 0 4px; }
p { margin: 0 0 12px; max-width: 75ch; }
header p, .note, figcaption + p { color: var(--ink-soft); }
header strong { color: var(--ink); font-weight: 600; }
.note { font-size: 0.875rem; }
a { color: var(--ink-link); }
a:focus-visible, summary:focus-visible, .scroll:focus-visible { outline: 3px solid var(--ink-link); outline-offset: 2px; border-radius: 4px; }
nav ul { display: flex; flex-wrap: wrap; gap: 4px 18px; list-style: none; padding: 0; margin: 12px 0 20px; }
nav a { display: inline-block; padding: 4px 0; }
section { margin: 40px 0; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(180px, 1fr)); gap: 12px; margin: 0 0 8px; }
.card, figure, section > .scroll { background: var(--card); border: 1px solid var(--rule); border-radius: 12px; }
.card { padding: 14px 16px; border-left: 4px solid var(--rule); }
.card.look { border-left-color: var(--fill-no); }
.todo { background: var(--card); border: 1px solid var(--rule); border-left: 4px solid var(--fill-no); border-radius: 12px; padding: 12px 16px; margin: 0 0 12px; }
.todo h3 { margin: 0 0 4px; }
.todo ul, footer ul { margin: 0; padding-left: 20px; }
.todo li { padding: 2px 0; }
.card dt { color: var(--ink-soft); font-size: 0.875rem; }
.card dd { margin: 0; }
.card strong { display: block; font-size: 1.6rem; line-height: 1.25; font-weight: 650; font-variant-numeric: tabular-nums; }
.card span { display: block; font-size: 0.875rem; line-height: 1.35; color: var(--ink-soft); }
.grid { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 320px), 1fr)); gap: 16px; align-items: start; }
figure { margin: 0 0 16px; padding: 16px; min-width: 0; }
.two { grid-template-columns: repeat(auto-fit, minmax(min(100%, 420px), 1fr)); }
.wide { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 380px), 1fr)); gap: 16px 32px; }
.wide > * { min-width: 0; }
.grid figure { margin: 0; }
figcaption { font-weight: 650; margin-bottom: 6px; }
figure svg[role=img] { display: block; width: 100%; max-width: 400px; height: auto; margin: 8px 0 4px; }
.legend { display: flex; flex-wrap: wrap; gap: 2px 16px; list-style: none; padding: 0; margin: 0; font-size: 0.875rem; color: var(--ink-soft); }
.legend svg { vertical-align: -1px; }
details { margin-top: 4px; }
summary { cursor: pointer; color: var(--ink-link); font-size: 0.875rem; padding: 4px 0; width: fit-content; }
.scroll { overflow-x: auto; max-width: 100%; margin: 0 0 12px; overflow-wrap: normal; }
section > .scroll { padding: 12px 16px; }
section > .scroll th:first-child { left: -16px; }
table { border-collapse: collapse; font-size: 0.875rem; min-width: 100%; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding: 4px 0 8px; }
figure > .scroll caption, section > .scroll caption { font-size: 1rem; font-weight: 650; padding-top: 0; }
th, td { text-align: left; padding: 6px 0 6px 14px; border-bottom: 1px solid var(--rule); vertical-align: top; }
th.n, td.n { text-align: right; }
td.n { white-space: nowrap; }
th:first-child { padding-left: 0; font-weight: 500; min-width: 15ch; max-width: 32ch; overflow-wrap: anywhere; position: sticky; left: 0; background: var(--card); }
thead th, thead th:first-child { color: var(--ink-soft); font-weight: 600; vertical-align: bottom; }
tbody tr:last-child > * { border-bottom: 0; }
.wide .scroll { margin-bottom: 16px; }
td .note { font-size: 0.8125rem; }
code { font: 0.8125rem/1.4 ui-monospace, "Liberation Mono", Menlo, Consolas, monospace; }
.good { color: var(--ink-good); font-weight: 600; }
.bad { color: var(--ink-bad); font-weight: 600; }
td .good, td .bad { white-space: nowrap; }
.good::before { content: "\\2713\\00a0"; }
.bad::before { content: "!\\00a0"; }
.none { color: var(--ink-soft); }
.sr { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
footer { padding-bottom: 48px; font-size: 0.875rem; }
svg text { font-family: inherit; fill: var(--ink); unicode-bidi: isolate; }
.label, .value { font-size: 12px; }
.value { font-weight: 600; font-variant-numeric: tabular-nums; }
svg .tick { font-size: 11.5px; fill: var(--ink-soft); }
.yes { fill: var(--fill-yes); }
.no { fill: url(#hatch-no); stroke: var(--fill-no); stroke-width: 1; }
.ended { fill: url(#hatch-ended); stroke: var(--fill-ended); stroke-width: 1; }
.track { fill: none; stroke: var(--fill-edge); stroke-width: 1; }
path.grid { stroke: var(--rule); stroke-width: 1; fill: none; }
.axis { stroke: var(--fill-edge); stroke-width: 1; fill: none; }
.mark { stroke: var(--fill-mark); stroke-width: 1.5; fill: none; }
.line { fill: none; stroke: var(--fill-yes); stroke-width: 2; stroke-linejoin: round; }
.dot { fill: var(--fill-yes); }
.band { fill: var(--band); stroke: none; }
.whisker { fill: none; stroke: var(--fill-yes); stroke-width: 2; }
.sure { fill: var(--fill-yes); stroke: var(--fill-yes); stroke-width: 2; }
.unsure { fill: var(--card); stroke: var(--fill-yes); stroke-width: 2; }
.under { fill: var(--card); }
.hatch-ground { fill: var(--card); }
.hatch-no { stroke: var(--fill-no); stroke-width: 3; }
.hatch-ended { stroke: var(--fill-ended); stroke-width: 1.5; }
@media (min-width: 940px) { .wide { grid-template-columns: minmax(0, 5fr) minmax(0, 7fr); } .wide th:first-child { min-width: 12ch; } .two svg[role=img], .wide svg[role=img] { max-width: 520px; } .two .label, .two .value, .wide .label, .wide .value { font-size: 9.6px; } .two svg .tick, .wide svg .tick { font-size: 8.6px; } }
@media (max-width: 480px) { header, main, footer { padding-left: 12px; padding-right: 12px; } figure { padding: 14px 12px; } .cards { grid-template-columns: 1fr 1fr; gap: 8px; } .card { padding: 10px 12px; } .card strong { font-size: 1.35rem; } th:first-child { min-width: 11ch; max-width: 16ch; } .stack thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); } .stack caption, .stack tbody, .stack tr, .stack th, .stack td { display: block; max-width: none; padding: 0; border: 0; } .stack th { font-weight: 600; } .stack tr { padding: 8px 0; border-bottom: 1px solid var(--rule); } section { margin: 32px 0; } }
@media print {
	:root { --page: #ffffff; --card: #ffffff; --ink: #000000; --ink-soft: #444444; --ink-link: #000000; --ink-good: #0b6b3a; --ink-bad: #b3261e;
		--fill-yes: #1d6fb8; --fill-no: #c2500a; --fill-ended: #79838f; --fill-mark: #000000; --fill-edge: #7d8794; --rule: #bbbbbb; --band: #1d6fb833; }
	@page { margin: 15mm; }
	body { font-size: 10.5pt; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
	nav { display: none; }
	.card, figure { break-inside: avoid; }
	h2, h3, figcaption { break-after: avoid; }
	.scroll { overflow: visible; }
	th:first-child { position: static; }
	table { font-size: 8pt; overflow-wrap: anywhere; }
	th, td { padding: 3px 0 3px 8px; }
	th:first-child { min-width: 0; }
	header, main, footer { max-width: none; padding-left: 0; padding-right: 0; }
}
'
$$;
COMMENT ON FUNCTION personalize.report_style_internal() IS 'The style sheet of reports';

CREATE OR REPLACE FUNCTION personalize.report_html(since timestamptz DEFAULT now() - interval '90 days', until timestamptz DEFAULT now())
RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
SET intervalstyle = postgres
AS $$
#variable_conflict use_variable
DECLARE
	enough bigint := personalize.least_group_internal(NULL);
	made timestamptz := clock_timestamp();
	starts timestamptz := report_html.since;
	ends timestamptz := least(report_html.until, clock_timestamp());
	step text;
	owner text;
	consents record;
	uses record;
	caps record;
	parity record;
	results record;
	requests record;
	audit record;
	alerts record;
	todo text;
	span text;
BEGIN
	PERFORM personalize.require_preloaded_internal();
	IF report_html.since IS NULL OR report_html.until IS NULL THEN
		RAISE EXCEPTION 'since and until must not be null' USING ERRCODE = 'null_value_not_allowed', HINT = 'Use -infinity and infinity for all there is.';
	END IF;
	IF report_html.since >= ends THEN
		RAISE EXCEPTION 'since must be before until, and in the past' USING ERRCODE = 'invalid_parameter_value';
	END IF;
	PERFORM personalize.progress_internal('report_html', 'starting');
	/* from when on there is anything */
	starts := greatest(starts, coalesce(least((SELECT min(e.recorded_at) FROM (SELECT x.recorded_at FROM personalize.consent_event AS x ORDER BY x.event_id LIMIT 1) AS e),
		(SELECT min(p.starts_at) FROM personalize.audit_period AS p), (SELECT min(e.at) FROM (SELECT x.at FROM personalize.exposure AS x ORDER BY x.exposure_id LIMIT 1) AS e)),
		ends - interval '1 day'));
	starts := CASE WHEN starts >= ends OR report_html.since > starts THEN report_html.since ELSE starts END;
	IF starts = '-infinity' THEN
		starts := ends - interval '1 day';
	END IF;
	/* at most about 60 steps */
	step := CASE WHEN ends - starts <= interval '45 days' THEN 'day' WHEN ends - starts <= interval '400 days' THEN 'week' WHEN ends - starts <= interval '1860 days' THEN 'month'
		WHEN ends - starts <= interval '5500 days' THEN 'quarter' ELSE 'year' END;
	SELECT c.name INTO owner FROM personalize.controller AS c;

	PERFORM personalize.progress_internal('report_html', 'making parts', 0, 8);
	consents := personalize.report_consents_internal(starts, ends, step, enough);
	PERFORM personalize.progress_internal('report_html', 'making parts', 1, 8);
	uses := personalize.report_uses_internal(starts, ends, step, enough);
	PERFORM personalize.progress_internal('report_html', 'making parts', 2, 8);
	caps := personalize.report_caps_internal(starts, ends, enough);
	PERFORM personalize.progress_internal('report_html', 'making parts', 3, 8);
	results := personalize.report_experiments_internal(starts, ends, enough);
	PERFORM personalize.progress_internal('report_html', 'making parts', 4, 8);
	parity := personalize.report_parity_internal(starts, ends, enough);
	PERFORM personalize.progress_internal('report_html', 'making parts', 5, 8);
	requests := personalize.report_requests_internal(starts, ends);
	PERFORM personalize.progress_internal('report_html', 'making parts', 6, 8);
	audit := personalize.report_audit_internal();
	PERFORM personalize.progress_internal('report_html', 'making parts', 7, 8);
	alerts := personalize.report_alerts_internal();
	PERFORM personalize.progress_internal('report_html', NULL);
	todo := concat(requests.todo, alerts.todo, audit.todo, results.todo, parity.todo, CASE WHEN NOT alerts.are_kept THEN caps.todo END);
	span := to_char(starts, 'FMDD Mon YYYY HH24:MI') || ' to ' || to_char(ends, 'FMDD Mon YYYY HH24:MI');

	RETURN E'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<meta name="viewport" content="width=device-width, initial-scale=1">\n<meta name="color-scheme" content="light dark">\n'
		|| '<title>Personalization report, ' || span || E' UTC</title>\n<style>' || personalize.report_style_internal() || E'</style>\n</head>\n<body>\n'
		/* hatching, which charts refer to */
		|| '<svg class="sr" width="0" height="0" aria-hidden="true"><defs><pattern id="hatch-no" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
		|| '<rect class="hatch-ground" width="6" height="6"/><path class="hatch-no" d="M1.5 0V6"/></pattern><pattern id="hatch-ended" width="4" height="4" patternUnits="userSpaceOnUse">'
		|| E'<rect class="hatch-ground" width="4" height="4"/><path class="hatch-ended" d="M0 1H4"/></pattern></defs></svg>\n'
		|| '<header>' || coalesce('<p class="owner">' || personalize.report_name_internal(owner) || '</p>', '') || '<h1>Personalization report</h1><p><strong>' || span || '</strong> UTC</p><p class="note">Made '
		|| to_char(made, 'FMDD Mon YYYY HH24:MI') || E' UTC. Figures of groups only; nobody is named on this page.</p>\n<nav aria-label="Sections"><ul><li><a href="#consent">Consent</a></li><li><a href="#uses">Uses</a></li><li><a href="#withheld">Withheld</a></li><li><a href="#caps">Reaching people</a></li>'
		|| E'<li><a href="#lift">Lift</a></li><li><a href="#fairness">Fairness</a></li>' || CASE WHEN alerts.html = '' THEN '' ELSE '<li><a href="#alerts">Alerts</a></li>' END
		|| E'<li><a href="#requests">Requests</a></li><li><a href="#audit">Audit</a></li><li><a href="#method">Method</a></li></ul></nav></header>\n<main>\n'
		|| '<section aria-labelledby="glance"><h2 id="glance">At a glance</h2>'
		|| CASE WHEN todo = '' THEN '<p class="good">Nothing that this page looks at needs somebody now.</p>' ELSE '<div class="todo"><h3>To look at</h3><ul>' || todo || '</ul></div>' END
		|| '<dl class="cards">' || consents.cards || uses.cards || results.cards || parity.cards || requests.cards || audit.cards || E'</dl></section>\n'
		|| consents.html || uses.html || caps.html || results.html || parity.html || alerts.html || requests.html || audit.html
		|| '</main>' || E'\n<footer><h2 id="method">How to read this</h2><ul>'
		|| '<li>Figures about fewer than ' || enough || ' people are not shown, nor others that would tell them; where one is missing for that reason, it says so.</li>'
		|| '<li>Counts of statements, rows and requests are not counts of people. Somebody with several identities is one person.</li>'
		|| '<li>Intervals are of 95%: shares by Wilson (1927), differences of shares by Newcombe (1998), differences of means by Welch (1947), changes on the logarithm (Katz 1978; delta method). '
		|| 'Each is for one look at one figure: of twenty that mean nothing, one will seem to.</li>'
		|| '<li>Lift compares all who were assigned, whatever they were shown. Who withdrew stays counted until then; who was erased, or restricted processing, is not counted.</li>'
		|| E'<li>The page is one file: it loads nothing, runs nothing, and says the same wherever it is opened.</li></ul></footer>\n</body>\n</html>\n';
END
$$;
COMMENT ON FUNCTION personalize.report_html(timestamptz, timestamptz) IS
	'A page about a time: consent, uses, what was withheld, caps, lift, fairness, requests and the audit, of groups only; one HTML document that loads and runs nothing';
