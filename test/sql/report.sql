-- The page of report_html(): who may have it, its structure, its figures against the functions and views they come from, hostile names, small groups.
SET client_min_messages = warning;
\pset format unaligned
\set SHOW_CONTEXT never
/* a database of its own: the page tells about all there is */
SELECT current_database() AS back \gset
CREATE DATABASE regress_report TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C';
\c regress_report
SET client_encoding = 'UTF8';
SET timezone = 'UTC';
SET client_min_messages = warning;
CREATE EXTENSION personalize;
CREATE ROLE regress_rep_officer;
CREATE ROLE regress_rep_auditor;
CREATE ROLE regress_rep_app;
CREATE ROLE regress_rep_nobody;
SELECT personalize.assign_duty('regress_rep_officer', 'officer'), personalize.assign_duty('regress_rep_auditor', 'auditor'), personalize.assign_duty('regress_rep_app', 'app');
CREATE SCHEMA rep;
GRANT USAGE ON SCHEMA rep TO PUBLIC;
/* what a reader gets: the rows of the table with that caption, cells with bars between; texts without tags */
CREATE FUNCTION rep.text(html text) RETURNS text LANGUAGE sql AS $$
	SELECT replace(replace(replace(replace(replace(replace(replace(regexp_replace(html, '<[^>]*>', '', 'g'), '&nbsp;', ' '), '&minus;', '-'), '&ndash;', '-'), '&quot;', '"'), '&lt;', '<'), '&gt;', '>'), '&amp;', '&') $$;
CREATE FUNCTION rep.cells(page text, caption text) RETURNS SETOF text LANGUAGE sql AS $$
	SELECT rep.text(regexp_replace(replace(m.row[1], '<br>', ' '), '</t[hd]><t[hd][^>]*>', '|', 'g'))
	FROM regexp_matches(substring(page FROM '<caption id="[^"]*?">' || regexp_replace(caption, '([().*?])', '\\\1', 'g') || E'</caption>.*?<tbody>\n(.*?)</tbody>'), '<tr>(.*?)</tr>', 'g') AS m (row) $$;
CREATE FUNCTION rep.cell(line text, n integer) RETURNS text LANGUAGE sql AS $$ SELECT split_part(line, '|', n) $$;
CREATE FUNCTION rep.number(line text, n integer) RETURNS bigint LANGUAGE sql AS $$ SELECT CASE WHEN split_part(line, '|', n) ~ '^[0-9,]+$' THEN replace(split_part(line, '|', n), ',', '')::bigint END $$;
CREATE TABLE rep.page (no serial, html text);

/* who may, and when */
SET ROLE regress_rep_nobody;
SELECT personalize.report_html();
SET ROLE regress_rep_app;
SELECT personalize.report_html();
SET ROLE regress_rep_auditor;
SELECT left(html, 15), right(html, 8), (SELECT count(*) FROM regexp_matches(html, 'class="none"', 'g')) AS says_none, html LIKE '%<svg viewBox%' AS charts FROM personalize.report_html('-infinity', 'infinity') AS html;
SELECT personalize.report_html(NULL, now());
SELECT personalize.report_html(now(), now() - interval '1 day');
SELECT personalize.report_html(now() + interval '1 day', now() + interval '2 days');
SELECT personalize.report_style_internal();
SET ROLE regress_rep_officer;
SELECT left(personalize.report_html(), 15);
RESET ROLE;

/* names that want out of where they stand */
CREATE TABLE rep.hostile (place integer, words text);
INSERT INTO rep.hostile VALUES (1, '<script>alert(1)</script>'), (2, '"><img src=x onerror=alert(2)>'), (3, '</title></style><script>alert(3)</script>'), (4, ''' onload=alert(4) & &amp; "'), (5, E'a\u202eb\u0007c');
CREATE TABLE rep.person (id text PRIMARY KEY, side text);
INSERT INTO rep.person SELECT 'key-' || i || '@people.example', CASE WHEN i <= 20 THEN 'left' WHEN i <= 37 THEN (SELECT words FROM rep.hostile WHERE place = 1) ELSE 'secret-side' END FROM generate_series(1, 40) AS i;
GRANT SELECT ON rep.person, rep.hostile TO PUBLIC;
DO $$
DECLARE
	h text[] := ARRAY(SELECT words FROM rep.hostile ORDER BY place);
BEGIN
	PERFORM personalize.describe_controller(name => h[1], contact => h[2]);
	PERFORM personalize.define_kind('rep', 'text');
	PERFORM personalize.define_category('rep_c', h[1]);
	PERFORM personalize.define_purpose('rep_ads', h[1], categories => '{rep_c}', value_exchange => h[2]);
	PERFORM personalize.define_purpose(h[3], h[3], categories => '{rep_c}', value_exchange => h[2]);
	PERFORM personalize.define_purpose('rep_fair', 'for tests', 'legitimate_interest', categories => '{rep_c}');
	PERFORM personalize.define_purpose('rep_news', 'for tests', categories => '{rep_c}', value_exchange => 'news');
	PERFORM personalize.define_notice('rep notice ' || h[4], '1', 'en', h[1]);
	PERFORM personalize.protect('rep.person', 'id', kind => 'rep', columns => '{"*":"rep_c"}');
	PERFORM personalize.grant_purpose(p, 'regress_rep_officer') FROM unnest(ARRAY['rep_ads', 'rep_fair', h[3]]) AS p;
	PERFORM personalize.define_metric(h[2], 'rep_ads', 'purchase');
	PERFORM personalize.define_metric('rep_clicks', 'rep_ads', 'click');
	PERFORM personalize.define_experiment(h[1], 'rep_ads', ARRAY['rep <b>one', 'rep_two'], 0.4);
	/* ten weeks of another purpose: some end it, some come back, some consents run out; written as no application could */
	INSERT INTO personalize.subject (kind_id, key) SELECT k.kind_id, 'key-' || i || '@people.example' FROM personalize.registry_kind AS k, generate_series(1, 400) AS i WHERE k.name = 'rep';
	INSERT INTO personalize.consent_event (recorded_at, subject_no, purpose_id, action, categories, expires_at, recorded_by, recorded_as)
		SELECT x.at, s.subject_no, p.purpose_id, x.action, CASE WHEN x.action = 'given' THEN ARRAY[0] || ARRAY(SELECT c.category_id FROM personalize.registry_purpose_category AS c WHERE c.purpose_id = p.purpose_id) END,
			x.ends, 'test', 'test'
		FROM (SELECT i, a.at, CASE WHEN i % 5 = 0 THEN 'refused' ELSE 'given' END AS action, CASE WHEN i % 7 = 1 AND i % 5 <> 0 THEN a.at + interval '9 days' END AS ends
				FROM generate_series(1, 400) AS i, LATERAL (SELECT now() - interval '70 days' + i % 67 * interval '1 day') AS a (at)
			UNION ALL SELECT i, now() - interval '70 days' + (i % 67 + 1 + i % 3) * interval '1 day', 'withdrawn', NULL FROM generate_series(1, 400) AS i WHERE i % 6 = 3
			UNION ALL SELECT i, now() - interval '65 days' + i % 67 * interval '22 hours', 'given', NULL FROM generate_series(1, 400) AS i WHERE i % 18 = 3) AS x
			JOIN personalize.subject AS s ON s.key = 'key-' || x.i || '@people.example', personalize.registry_purpose AS p
		WHERE p.name = 'rep_news' ORDER BY x.at, x.i;
	/* 39 answer: 33 agree, 6 do not; of those who agree 6 end it, one comes back; 7 say something about the other purpose, 3 of them no */
	PERFORM personalize.grant_consent('key-' || i || '@people.example', 'rep_ads', kind => 'rep') FROM generate_series(1, 30) AS i;
	PERFORM personalize.refuse_consent('key-' || i || '@people.example', 'rep_ads', kind => 'rep') FROM generate_series(31, 36) AS i;
	PERFORM personalize.grant_consent('key-' || i || '@people.example', 'rep_ads', kind => 'rep') FROM generate_series(38, 40) AS i;
	PERFORM personalize.object_to('key-' || i || '@people.example', 'rep_fair', kind => 'rep') FROM generate_series(31, 36) AS i;
	PERFORM personalize.grant_consent('key-' || i || '@people.example', h[3], kind => 'rep', notice => 'rep notice ' || h[4]) FROM generate_series(1, 4) AS i;
	PERFORM personalize.refuse_consent('key-' || i || '@people.example', h[3], kind => 'rep') FROM generate_series(5, 7) AS i;
END
$$;
/* an experiment draws by a secret salt: some are in each variant, how many is not known here */
SELECT count(personalize.assign((SELECT words FROM rep.hostile WHERE place = 1), 'key-' || i || '@people.example', kind => 'rep')) FROM generate_series(1, 30) AS i;
SELECT count(personalize.record_exposure('key-' || i || '@people.example', 'rep_ads', 'secret-item', CASE WHEN i > 4 THEN 'secret-explanation' END, kind => 'rep')) FROM generate_series(1, 25) AS i;
SELECT count(personalize.record_outcome('key-' || i || '@people.example', 'rep_clicks', at => clock_timestamp(), kind => 'rep')) FROM generate_series(1, 14) AS i;
SELECT count(personalize.record_outcome('key-' || i || '@people.example', (SELECT words FROM rep.hostile WHERE place = 2), 10 + i, clock_timestamp(), kind => 'rep')) FROM generate_series(5, 30, 2) AS i;
SELECT count(personalize.withdraw_consent('key-' || i || '@people.example', 'rep_ads', kind => 'rep')) FROM generate_series(1, 6) AS i;
SELECT personalize.grant_consent('key-6@people.example', 'rep_ads', kind => 'rep') IS NOT NULL;
SELECT personalize.set_frequency_cap('rep_ads', 1, '7 days');
SELECT personalize.define_exclusion('rep_out', reason => 'because of ' || words, purposes => '{rep_ads}') FROM rep.hostile WHERE place = 2;
SELECT personalize.define_exclusion('rep_few', reason => 'only a few', purposes => '{rep_ads}');
SELECT count(personalize.exclude('key-' || i || '@people.example', 'rep_out', kind => 'rep')) FROM generate_series(10, 16) AS i;
SELECT personalize.exclude('key-17@people.example', 'rep_few', kind => 'rep');
SELECT personalize.restrict_processing('key-30@people.example', kind => 'rep') IS NOT NULL;
SELECT count(personalize.open_request('key-' || i || '@people.example', CASE WHEN i < 3 THEN 'access' ELSE 'erasure' END, received_at => now() - i * interval '20 days', kind => 'rep')) FROM generate_series(1, 4) AS i;
/* two identities each are one person from now on; one says something again */
SELECT count(personalize.link_subject('key-' || i || '@people.example', 'key-' || i + 1 || '@people.example', kind => 'rep', to_kind => 'rep')) FROM generate_series(50, 64, 2) AS i;
SELECT personalize.grant_consent('key-52@people.example', 'rep_news', kind => 'rep') IS NOT NULL;
/* uses */
SET ROLE regress_rep_officer;
BEGIN;
SET LOCAL personalize.purpose = 'rep_fair';
SELECT count(*) FROM rep.person;
SELECT count(*) FROM rep.person WHERE side = 'left';
COMMIT;
BEGIN;
SELECT personalize.set_purpose(words) IS NULL FROM rep.hostile WHERE place = 3;
SELECT count(*) FROM rep.person;
COMMIT;
SELECT count(*) FROM rep.person;
/* parity: what is kept, and by whom */
SELECT personalize.record_parity((SELECT words FROM rep.hostile WHERE place = 1), 'rep_ads', 'rep_clicks', 'rep.person', 'side', 'rep_fair') IS NOT NULL AS kept;
SELECT personalize.record_parity('rep half', 'rep_ads', 'rep_clicks', 'rep.person');
SELECT personalize.record_parity('', 'rep_ads', 'rep_clicks', 'rep.person', 'side', 'rep_fair');
SELECT personalize.forget_parity('rep none');
SET ROLE regress_rep_auditor;
SELECT personalize.record_parity('rep mine', 'rep_ads', 'rep_clicks', 'rep.person', 'side', 'rep_fair');
SELECT personalize.forget_parity('rep mine');
/* nothing of the group that is too small */
SELECT name LIKE '<script>%' AS named, about, metric, relation_name, attribute, groups_hidden, measure, group_value, persons, round(value::numeric, 3) AS value, round(ratio::numeric, 3) AS ratio, four_fifths
FROM personalize.parity_records WHERE relation_name = 'rep.person' ORDER BY measure, group_value;
RESET ROLE;
SELECT count(*) FROM personalize.parity_record WHERE figures::text LIKE '%secret%';
SELECT personalize.audit_sync();
/* the report is a use itself: what there was before it */
CREATE TABLE rep.uses AS TABLE personalize.uses_by_day;
SET ROLE regress_rep_auditor;
SELECT personalize.report_html('2000-01-01', 'infinity') AS html \gset
RESET ROLE;
INSERT INTO rep.page (html) VALUES (:'html');

/* nothing runs, nothing loads, nothing comes from users but as text; nobody is named, nor what was shown to somebody */
SELECT count(*) AS pages, bool_and(html !~* '<\s*(script|img|iframe|link|object|embed|base|form|use|image|foreignObject)[\s/>]') AS no_elements,
	bool_and(html !~* '<[^>]*\s(on[a-z]+|src|style|srcset|action|xlink:href)\s*=') AS no_attributes, bool_and(html !~* '(https?:|javascript:|data:|@import|url\((?!#))') AS loads_nothing,
	bool_and(html !~ E'[\u202e\u0007]') AS no_tricks FROM rep.page;
SELECT bool_and(html LIKE '%&lt;script&gt;alert(1)&lt;/script&gt;%') AS controller, bool_and(html LIKE '%because of &quot;&gt;&lt;img src=x onerror=alert(2)&gt;%') AS reason,
	bool_and(html LIKE '%&lt;/title&gt;&lt;/style&gt;&lt;script&gt;alert(3)&lt;/script&gt;%') AS purpose, bool_and(html LIKE '%&lt;b&gt;one%') AS variant FROM rep.page;
SELECT words FROM rep.page, unnest('{people.example,secret,key-,rep notice,NaN,Infinity}'::text[]) AS words WHERE strpos(html, words) > 0;
/* structure: one of each landmark, headings in order, each table and chart named, ids once, each link leads somewhere */
SELECT (SELECT count(*) FROM regexp_matches(html, '<' || tag || '[ >]', 'g')) AS n, tag FROM rep.page, unnest('{html,title,main,header,footer,nav,h1}'::text[]) AS tag ORDER BY tag;
SELECT string_agg(m[1], ' | ' ORDER BY place) FROM rep.page, regexp_matches(html, '<h2[^>]*>([^<]*)</h2>', 'g') WITH ORDINALITY AS t (m, place);
SELECT count(*) > 10 AS tables, count(*) FILTER (WHERE m[1] !~ '^<caption id=') AS without_caption, count(*) FILTER (WHERE m[1] ~ '<th(?! scope="(row|col)")[ >]') AS without_scope
FROM rep.page, regexp_matches(html, '<table>(.*?)</table>', 'g') AS m;
SELECT count(*) > 6 AS charts, count(*) FILTER (WHERE m[1] !~ '^ viewBox="0 0 300 [0-9.]+" role="img" aria-labelledby="([^ "]+)-t \1-d"><title id="\1-t">[^<]+</title><desc id="\1-d">[^<]+</desc>') AS unnamed
FROM rep.page, regexp_matches(html, '<svg( viewBox="0 0 300.*?)</svg>', 'g') AS m;
SELECT count(*) - count(DISTINCT m[1]) AS doubled FROM rep.page, regexp_matches(html, ' id="([^"]*)"', 'g') AS m;
SELECT m[1] AS leads_nowhere FROM rep.page, regexp_matches(html, '(?:href="|url\()#([^")]*)', 'g') AS m WHERE html NOT LIKE '%id="' || m[1] || '"%';

/* consent: by hand, and as consent_rates() says */
SELECT regexp_replace(rep.cells(html, 'People by what they said last'), '</title>.*</script>', '...') FROM rep.page WHERE no = 1;
WITH page AS (SELECT rep.cell(c, 1)::date AS day, rep.cell(c, 2) AS answered, rep.cell(c, 3) AS agreed, rep.cell(c, 4) AS in_force, rep.cell(c, 5) AS out, rep.cell(c, 6) AS share FROM rep.page, rep.cells(html, '<bdi>rep_news</bdi>, by week') AS c),
	truth AS (SELECT r.period::date AS day, coalesce(r.answered::text, '-') AS answered, coalesce(to_char(100 * r.opt_in_rate, 'FM990.0') || '%', '-') AS agreed, coalesce(r.in_force::text, '-') AS in_force, coalesce(r.opted_out::text, '-') AS out,
			coalesce(to_char(100 * r.opt_out_rate, 'FM990.0') || '%', '-') AS share FROM personalize.consent_rates('week', 'rep_news') AS r)
SELECT count(*) BETWEEN 10 AND 12 AS weeks, count(*) FILTER (WHERE (p.answered, p.agreed, p.in_force, p.out, p.share) IS DISTINCT FROM (t.answered, t.agreed, t.in_force, t.out, t.share)
	/* a week without a word has a line on the page only; one in which no consent began or ended has 0 in force there */
	AND NOT (t.day IS NULL AND p.answered = '0' AND p.out = '0')
	AND NOT (t.in_force = '0' AND p.out = '0' AND (p.answered, p.agreed) IS NOT DISTINCT FROM (t.answered, t.agreed))) AS different
FROM page AS p FULL JOIN truth AS t USING (day);
/* uses: as uses_by_day says */
SELECT count(*) AS different FROM (
	SELECT coalesce(u.purpose, 'no purpose stated') AS purpose, sum(u.uses) AS uses FROM rep.uses AS u GROUP BY 1
	EXCEPT SELECT rep.cell(c, 1), rep.number(c, 2) FROM rep.page, rep.cells(html, 'Uses and refusals by purpose') AS c) AS d;
SELECT (SELECT sum(rep.number(c, 3)) FROM rep.page, rep.cells(html, 'Uses and refusals by purpose') AS c) = (SELECT count(*) FROM personalize.refusals) AS refused;
SELECT regexp_replace(c, '</title>.*</script>', '...') FROM rep.page, rep.cells(html, 'Rows as the row filter met them') AS c;
SELECT count(*) AS different FROM (
	SELECT coalesce(u.purpose, 'no purpose stated') AS purpose, sum(u.rows_used) AS used, sum(u.rows_withheld) AS withheld FROM rep.uses AS u GROUP BY 1
	EXCEPT SELECT rep.cell(c, 1), rep.number(c, 2), rep.number(c, 3) FROM rep.page, rep.cells(html, 'Rows as the row filter met them') AS c) AS d WHERE purpose NOT LIKE '<%';
/* who is held back, caps, what was shown */
SELECT c FROM rep.page, rep.cells(html, 'People held back now, and why') AS c;
SELECT c, rep.number(c, 3) = f.reached AS same FROM rep.page, rep.cells(html, 'Frequency caps') AS c, personalize.frequency_caps AS f;
SELECT c FROM rep.page, rep.cells(html, 'What was shown') AS c;
/* lift: as lift() says, whatever was drawn */
SELECT count(*) > 0 AS some, count(*) FILTER (WHERE NOT (CASE WHEN l.suppressed THEN c LIKE '%|not shown|not shown|%' ELSE rep.cell(c, 2) LIKE '% of ' || l.persons AND rep.cell(c, 3) LIKE '% of ' || l.against_persons END)) AS different
FROM rep.page, personalize.lift((SELECT words FROM rep.hostile WHERE place = 1), 'rep_clicks') AS l
	JOIN LATERAL rep.cells(html, 'Lift against the holdout') AS c ON rep.cell(c, 1) LIKE CASE l.measure WHEN 'rate' THEN 'rep_clicks, share of people' ELSE 'rep_clicks, mean per person' END || CASE l.variant WHEN 'personalized' THEN '' ELSE ': ' || l.variant END
WHERE l.variant <> 'holdout';
/* parity: as it was kept */
SELECT c FROM rep.page, rep.cells(html, 'Groups') AS c ORDER BY c COLLATE "C";
/* requests, and what there is to look at */
SELECT regexp_replace(c, '[0-9]{4}-[0-9]{2}-[0-9]{2}', 'day') FROM rep.page, rep.cells(html, 'Requests by right') AS c ORDER BY c COLLATE "C";
SELECT rep.text(m[1]) FROM rep.page, regexp_matches(html, '<li><a href="#(?:requests|caps|parity-[0-9]+)">([^<]*(?:<bdi>.*?</bdi>[^<]*)?)</a></li>\n', 'g') AS m;
/* the audit: each check of status() that is about it */
SELECT count(*) AS different FROM (SELECT s.check_name FROM personalize.status() AS s WHERE s.check_name LIKE 'audit%' EXCEPT SELECT rep.cell(c, 1) FROM rep.page, rep.cells(html, 'The record of use') AS c) AS d;
SELECT count(*) > 0 AS head FROM rep.page, personalize.audit_batch AS b WHERE html LIKE '%<code>' || b.batch_no || ':' || b.total || ':' || encode(b.head, 'hex') || '</code>%';

/* who asks for larger groups sees fewer figures */
SET personalize.least_group = 1000;
INSERT INTO rep.page (html) SELECT personalize.report_html('2000-01-01', 'infinity');
RESET personalize.least_group;
SELECT regexp_replace(rep.cells(html, 'People by what they said last'), '</title>.*</script>', '...') FROM rep.page WHERE no = 2;
SELECT c FROM rep.page, rep.cells(html, 'What was shown') AS c WHERE no = 2;
SELECT html LIKE '%Figures about fewer than 1000 people are not shown%' AS says_so, html LIKE '%No group is large enough to be shown%' AS parity FROM rep.page WHERE no = 2;
/* a time before anything */
SELECT count(*) FROM regexp_matches(personalize.report_html('2000-01-01', '2000-02-01'), 'class="none"', 'g');

SET ROLE regress_rep_officer;
SELECT personalize.forget_parity(words) FROM rep.hostile WHERE place = 1;
RESET ROLE;
DO $$
BEGIN
	PERFORM personalize.set_frequency_cap('rep_ads', NULL, '7 days');
	PERFORM personalize.drop_exclusion(n) FROM unnest('{rep_out,rep_few}'::text[]) AS n;
	PERFORM personalize.end_experiment((SELECT words FROM rep.hostile WHERE place = 1));
	PERFORM personalize.revoke_purpose(p, 'regress_rep_officer') FROM unnest(ARRAY['rep_ads', 'rep_fair', (SELECT words FROM rep.hostile WHERE place = 3)]) AS p;
	PERFORM personalize.revoke_duty(('regress_rep_' || d)::regrole, d) FROM unnest('{officer,auditor,app}'::text[]) AS d;
	PERFORM personalize.unprotect('rep.person');
END
$$;
DROP SCHEMA rep CASCADE;
DROP OWNED BY regress_rep_officer, regress_rep_auditor, regress_rep_app;
\c :back
DROP ROLE regress_rep_officer, regress_rep_auditor, regress_rep_app, regress_rep_nobody;
