-- Outcomes are kept of those who permit their purpose; measures, rates of consent and lift have the values that can be worked out by hand, and hide small groups.
SET client_min_messages = warning;
\pset format unaligned
\set SHOW_CONTEXT never
CREATE ROLE regress_out_app;
CREATE ROLE regress_out_auditor;
DO $$
BEGIN
	PERFORM personalize.define_kind('out', 'bigint');
	PERFORM personalize.define_kind('out_cookie', 'text');
	PERFORM personalize.define_purpose('out_ads', 'for tests');
	PERFORM personalize.define_purpose('out_study', 'for tests');
	PERFORM personalize.assign_duty('regress_out_app', 'app');
	PERFORM personalize.assign_duty('regress_out_auditor', 'auditor');
	PERFORM personalize.grant_consent(i, 'out_ads', kind => 'out') FROM generate_series(1, 20) AS i;
	PERFORM personalize.define_metric('out_buys', 'out_ads', 'purchase', 'for tests');
	PERFORM personalize.define_metric('out_clicks', 'out_ads', 'click');
	PERFORM personalize.define_metric('out_stars', 'out_ads', 'satisfaction');
	PERFORM personalize.define_metric('out_signs', 'out_study');
END
$$;
SELECT metric, purpose, measures, description FROM personalize.metric_list WHERE metric LIKE 'out%' ORDER BY 1;
SET ROLE regress_out_app;
SELECT personalize.record_outcome(1, 'out_buys', 9.5, kind => 'out') > 0 AS kept;
SELECT personalize.record_outcome(21, 'out_buys', 9.5, kind => 'out') IS NULL AS never_asked;
SELECT personalize.record_outcome(1, 'out_signs', kind => 'out') IS NULL AS another_purpose;
SELECT personalize.withdraw_consent(2, 'out_ads', kind => 'out') > 0, personalize.record_outcome(2, 'out_buys', 9.5, kind => 'out') IS NULL AS withdrawn;
SELECT personalize.grant_consent(2, 'out_ads', kind => 'out') > 0, personalize.record_outcome(2, 'out_buys', 9.5, kind => 'out') > 0 AS kept;
/* permitted now, and not then */
SELECT personalize.record_outcome(1, 'out_buys', 9.5, now() - interval '1 year', kind => 'out') IS NULL AS before_consent;
RESET ROLE;
/* a frequency cap does not stand against it, an exclusion does */
SELECT personalize.set_frequency_cap('out_ads', 1, '1 day');
SELECT personalize.record_exposure(3, 'out_ads', kind => 'out') > 0 AS shown;
SELECT personalize.permitted(3, 'out_ads', 'out'), personalize.record_outcome(3, 'out_clicks', kind => 'out') > 0 AS kept;
SELECT personalize.define_purpose('out_wide', 'for tests');
SELECT personalize.define_purpose('out_ads', 'for tests', parents => '{out_wide}');
SELECT personalize.define_exclusion('out_' || x, reason => 'for tests', purposes => CASE x WHEN 'all' THEN NULL ELSE ARRAY['out_' || x] END) FROM unnest('{ads,wide,all}'::text[]) AS x;
SELECT x, personalize.exclude(3, 'out_' || x, kind => 'out') AS capped_too, personalize.exclude(4, 'out_' || x, kind => 'out') AS other,
	personalize.record_outcome(3, 'out_clicks', kind => 'out') IS NULL AS excluded, personalize.record_outcome(4, 'out_clicks', kind => 'out') IS NULL AS excluded,
	personalize.unexclude(3, 'out_' || x, kind => 'out') AS back, personalize.unexclude(4, 'out_' || x, kind => 'out') AS back
	FROM unnest('{ads,wide,all}'::text[]) AS x;
SELECT personalize.drop_exclusion('out_' || x) FROM unnest('{ads,wide,all}'::text[]) AS x;
SELECT personalize.define_purpose('out_ads', 'for tests');
SELECT personalize.retire_purpose('out_wide');
SELECT personalize.set_frequency_cap('out_ads', NULL, '1 day');
/* many at once: the same rules, and all or none where something is wrong */
SET ROLE regress_out_app;
CREATE TEMP TABLE bought (subject integer, metric varchar, value real, kind text);
INSERT INTO bought SELECT i, CASE i % 3 WHEN 0 THEN 'out_signs' ELSE 'out_buys' END, i, 'out' FROM generate_series(1, 30) AS i;
SELECT personalize.record_outcomes('bought') AS kept, (SELECT count(*) FROM bought WHERE subject <= 20 AND metric = 'out_buys') AS expected;
INSERT INTO bought VALUES (1, 'nonesuch', 1, 'out');
SELECT personalize.record_outcomes('bought');
UPDATE bought SET metric = 'out_buys', value = 'NaN' WHERE metric = 'nonesuch';
SELECT personalize.record_outcomes('bought');
UPDATE bought SET value = 1, kind = 'nonesuch' WHERE value = 'NaN';
SELECT personalize.record_outcomes('bought');
CREATE TEMP TABLE past AS SELECT '1'::text AS subject, 'out_buys'::text AS metric, u.at, 'out'::text AS kind FROM unnest(ARRAY[now() - interval '1 year', now(), NULL]) AS u (at);
SELECT personalize.record_outcomes('past') AS kept;
UPDATE past SET at = now() + interval '1 hour' WHERE at IS NULL;
SELECT personalize.record_outcomes('past');
/* subject and metric are enough; without a metric nothing is recorded */
SELECT personalize.record_outcome_batch_internal('{1}', '{out_buys}', NULL, NULL, '{out}') AS kept;
SELECT personalize.record_outcome_batch_internal('{1}', NULL, NULL, NULL, '{out}');
SELECT personalize.record_outcome_batch_internal('{1,2}', '{out_buys,out_buys}', '{1}', NULL, '{out,out}');
CREATE TEMP TABLE plain AS SELECT '1'::text AS subject, 'out_buys'::text AS metric;
SELECT personalize.record_outcomes('plain') AS kept;
CREATE TEMP TABLE wrong AS SELECT 1 AS subject, 'out_buys'::text AS metric, '1'::text AS value;
SELECT personalize.record_outcomes('wrong');
ALTER TABLE wrong DROP metric;
SELECT personalize.record_outcomes('wrong');
RESET ROLE;
SELECT m.name, count(*), sum(o.value) FROM personalize.outcome AS o JOIN personalize.metric AS m USING (metric_id) GROUP BY 1 ORDER BY 1;
/* what cannot be */
SELECT personalize.record_outcome(1, 'nonesuch', kind => 'out');
SELECT personalize.record_outcome(1, 'out_buys', 'Infinity', kind => 'out');
SELECT personalize.record_outcome(1, 'out_buys', NULL, kind => 'out');
SELECT personalize.record_outcome(1, 'out_buys', at => 'infinity', kind => 'out');
SELECT personalize.define_metric('out_x', 'out_ads', 'nonesuch');
SELECT personalize.define_metric('out_x', 'backup');
SELECT personalize.define_metric('out_buys', 'out_study', 'purchase');
SELECT personalize.define_metric('out_buys', 'out_ads', 'purchase', 'other words');
SET ROLE regress_out_app;
SELECT personalize.define_metric('out_x', 'out_ads');
SELECT * FROM personalize.conversion_rate;
RESET ROLE;
DELETE FROM personalize.outcome;
DELETE FROM personalize.exposure;

/* measures: five were shown something, three bought, of these one twice and one in two lines at one moment */
SELECT count(personalize.record_exposure(i, 'out_ads', kind => 'out')) FROM generate_series(1, 5) AS i, generate_series(1, 2);
SELECT count(personalize.record_outcome(v.who, v.what, v.value, clock_timestamp(), 'out'))
FROM (VALUES (1, 'out_buys', 10), (1, 'out_buys', 20), (2, 'out_buys', 60), (6, 'out_buys', 30), (7, 'out_buys', 30), (8, 'out_buys', 30),
	(1, 'out_clicks', 1), (1, 'out_clicks', 1), (3, 'out_clicks', 1),
	(1, 'out_stars', 5), (1, 'out_stars', 4), (2, 'out_stars', 3), (3, 'out_stars', 3), (4, 'out_stars', 3), (5, 'out_stars', 3)) AS v (who, what, value);
DO $$
DECLARE t timestamptz := clock_timestamp();
BEGIN
	PERFORM personalize.record_outcome(3, 'out_buys', 15, t, 'out'), personalize.record_outcome(3, 'out_buys', 15, t, 'out');
END $$;
SET ROLE regress_out_auditor;
SELECT metric, purpose, persons, events, value, round(low::numeric, 6) AS low, round(high::numeric, 6) AS high, suppressed FROM personalize.conversion_rate;
SELECT metric, persons, events, value, round(low::numeric, 6) AS low, round(high::numeric, 6) AS high, suppressed FROM personalize.click_through;
SELECT metric, persons, events, value, round(low::numeric, 6) AS low, round(high::numeric, 6) AS high, suppressed FROM personalize.satisfaction;
SELECT metric, persons, events, round(value::numeric, 6) AS value, round(low::numeric, 6) AS low, round(high::numeric, 6) AS high, suppressed FROM personalize.repeat_purchase;
SELECT metric, persons, events, value, round(low::numeric, 6) AS low, round(high::numeric, 6) AS high, suppressed FROM personalize.lifetime_value;
/* four or fewer are not shown, whoever asks; more may be asked for */
SELECT metric, persons, value, low, high, suppressed FROM personalize.measure('conversion_rate', k => 6);
SELECT metric, persons, value, suppressed FROM personalize.measure('conversion_rate', k => 1);
SET personalize.least_group = 1;
RESET ROLE;
SET personalize.least_group = 6;
SELECT metric, persons, value, suppressed FROM personalize.conversion_rate;
RESET personalize.least_group;
SELECT personalize.measure('nonesuch');
SELECT personalize.measure('satisfaction', confidence => 1);
/* a metric of another purpose: of those only who permit it, then */
SELECT count(personalize.grant_consent(i, 'out_study', kind => 'out')) FROM generate_series(1, 8) AS i;
SELECT count(personalize.record_exposure(i, 'out_ads', kind => 'out')) FROM generate_series(6, 11) AS i;
SELECT personalize.record_outcome(7, 'out_signs', at => clock_timestamp(), kind => 'out') > 0;
SELECT metric, persons, value, suppressed FROM personalize.measure('conversion_rate') WHERE metric = 'out_signs';
SET personalize.least_group = 1;
SELECT metric, persons, value, suppressed FROM personalize.measure('conversion_rate') WHERE metric = 'out_signs';
RESET personalize.least_group;
/* who restricts processing, or is erased, is not counted */
SELECT persons FROM personalize.lifetime_value;
SELECT personalize.restrict_processing(6, kind => 'out') > 0, personalize.erase_subject(7, kind => 'out') IS NOT NULL;
SELECT persons FROM personalize.measure('lifetime_value');
SELECT personalize.lift_restriction(6, kind => 'out') > 0;
SELECT persons FROM personalize.measure('lifetime_value');
SELECT count(*) FROM personalize.outcome AS o JOIN personalize.subject AS s USING (subject_no) WHERE s.key IS NULL;
/* a person with several identities is one */
SELECT personalize.grant_consent('c', 'out_ads', kind => 'out_cookie') > 0 AND personalize.record_outcome('c', 'out_buys', 5, clock_timestamp(), 'out_cookie') > 0;
SELECT persons, events FROM personalize.measure('lifetime_value');
SELECT personalize.link_subject('c', '8', to_kind => 'out', kind => 'out_cookie') >= 0;
SELECT persons, events FROM personalize.measure('lifetime_value');
SELECT jsonb_path_query_array(personalize.export_subject(8, 'out'), '$.outcomes[*].value');
DELETE FROM personalize.outcome;

/* lift: 56 of 70 against 48 of 80, example (a) of Newcombe 1998: 0.2000, 0.0524 to 0.3339 */
SELECT count(personalize.grant_consent(i, 'out_ads', kind => 'out')) FROM generate_series(1001, 1153) AS i;
SELECT personalize.define_experiment('out_1', 'out_ads', '{a,b}');
CREATE TEMP VIEW enrolled AS SELECT CASE WHEN k.name = 'out' THEN s.key::integer - 1000 END AS i, s.subject_no, e.experiment_id FROM personalize.experiment AS e, personalize.subject AS s JOIN personalize.registry_kind AS k USING (kind_id)
	WHERE e.name = 'out_1' AND k.name = 'out' AND CASE WHEN k.name = 'out' THEN s.key::bigint END > 1000;
INSERT INTO personalize.assignment (experiment_id, subject_no, variant, epoch) SELECT experiment_id, subject_no, CASE WHEN i <= 80 THEN 'holdout' ELSE 'a' END, 1 FROM enrolled WHERE i <= 150;
SELECT count(personalize.record_outcome(1000 + i, 'out_buys', 1 + i % 2, clock_timestamp(), 'out')) FROM enrolled WHERE i <= 48 OR i BETWEEN 81 AND 136;
\set round 'round(value::numeric, 6) AS value, against_persons AS against, round(against_value::numeric, 6) AS against_value, round(difference::numeric, 4) AS difference, round(low::numeric, 4) AS low, round(high::numeric, 4) AS high, round(ratio::numeric, 6) AS ratio, round(ratio_low::numeric, 6) AS ratio_low, round(ratio_high::numeric, 6) AS ratio_high, method, suppressed'
SET ROLE regress_out_auditor;
SELECT measure, variant, persons, :round FROM personalize.lift('out_1', 'out_buys');
RESET ROLE;
/* a variant of three persons is not shown, nor what would tell it: the sum of all less that of the others */
INSERT INTO personalize.assignment (experiment_id, subject_no, variant, epoch) SELECT experiment_id, subject_no, 'b', 1 FROM enrolled WHERE i BETWEEN 151 AND 153;
SELECT measure, variant, persons, :round FROM personalize.lift('out_1', 'out_buys');
SELECT measure, variant, persons, :round FROM personalize.lift('out_1', 'out_buys', baseline => 'a');
/* what was before, and what comes after the end, does not count */
SELECT personalize.record_outcome(1060, 'out_buys', 1000, clock_timestamp(), 'out') > 0;
UPDATE personalize.assignment SET at = clock_timestamp() WHERE subject_no = (SELECT subject_no FROM enrolled WHERE i = 60);
SELECT round(against_value::numeric, 6) FROM personalize.lift('out_1', 'out_buys') WHERE measure = 'rate' AND variant = 'a';
SELECT personalize.end_experiment('out_1'), personalize.record_outcome(1061, 'out_buys', 1000, clock_timestamp(), 'out') > 0;
SELECT round(against_value::numeric, 6) FROM personalize.lift('out_1', 'out_buys') WHERE measure = 'rate' AND variant = 'a';
SELECT personalize.lift('out_1', 'nonesuch');
SELECT personalize.lift('nonesuch', 'out_buys');
SELECT personalize.lift('out_1', 'out_buys', baseline => 'nonesuch');
SELECT personalize.lift('out_1', 'out_buys', 95);

/* who answered what, under which notice: ten said yes and five no; of the ten four took it back and one renewed under the next notice */
SELECT personalize.define_purpose('out_rates', 'for tests'), personalize.define_notice('out', '1', 'en', 'x', '{out_rates}'), personalize.define_notice('out', '2', 'en', 'y', '{out_rates}', material => false);
SELECT count(personalize.grant_consent(2000 + i, 'out_rates', notice => 'out/1', kind => 'out')) FROM generate_series(1, 10) AS i;
SELECT count(personalize.refuse_consent(2000 + i, 'out_rates', notice => 'out/1', kind => 'out')) FROM generate_series(11, 15) AS i;
SELECT count(personalize.withdraw_consent(2000 + i, 'out_rates', kind => 'out')) FROM generate_series(1, 4) AS i;
SELECT personalize.grant_consent(2010, 'out_rates', notice => 'out/2', kind => 'out') > 0;
SELECT personalize.grant_consent(2009, 'out_rates', notice => 'out/1', kind => 'out') > 0;
SELECT period = date_trunc('year', now(), 'UTC') AS now, notice, answered, opted_in, round(opt_in_rate::numeric, 4) AS opt_in, round(opt_in_low::numeric, 4) AS low, round(opt_in_high::numeric, 4) AS high,
	in_force, opted_out, round(opt_out_rate::numeric, 4) AS opt_out, round(opt_out_low::numeric, 4) AS low, round(opt_out_high::numeric, 4) AS high, suppressed
FROM personalize.consent_rates('year', 'out_rates');
/* last year's: ten in force then, none is new now */
BEGIN;
SELECT personalize.ledger_unlock_internal(true);
UPDATE personalize.consent_event AS e SET recorded_at = e.recorded_at - interval '1 year' FROM personalize.registry_purpose AS p WHERE p.purpose_id = e.purpose_id AND p.name = 'out_rates' AND e.action IN ('given', 'refused') AND e.notice LIKE 'out/1%'
	AND NOT EXISTS (SELECT FROM personalize.consent_event AS o WHERE o.subject_no = e.subject_no AND o.purpose_id = e.purpose_id AND o.action = 'given' AND o.event_id < e.event_id);
COMMIT;
SELECT extract(year FROM now() AT TIME ZONE 'UTC') - extract(year FROM period AT TIME ZONE 'UTC') AS years_ago, notice, answered, opted_in, in_force, opted_out, suppressed FROM personalize.consent_rates('year', 'out_rates');
SELECT count(*) > 0 FROM personalize.opt_rates WHERE purpose_name = 'out_rates';
SELECT personalize.consent_rates('hour');
DELETE FROM personalize.assignment;
SELECT personalize.revoke_duty('regress_out_app', 'app'), personalize.revoke_duty('regress_out_auditor', 'auditor');
SELECT personalize.retire_purpose(p.name) FROM personalize.purposes AS p WHERE p.name LIKE 'out%';
DROP OWNED BY regress_out_app;
DROP ROLE regress_out_app, regress_out_auditor;
