#!/bin/bash
# What figures cost: measures, rates of consent, lift and fairness over many events.
#
#	test/bench/figures.sh [rounds] [million events] [million persons]
#
# Of the events 45 % are exposures, 35 % outcomes of four metrics, 20 % lines of the ledger,
# for three purposes that rest on consent; half of the persons are in an experiment.  For
# each figure: processor time of the backend and time by the clock, medians with quartiles.
#
# Environment: PG_CONFIG, the PostgreSQL to use.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$ROOT/test/bench/ledger.sh"
ROUNDS=${1:-7}
EVENTS=$(awk "BEGIN { print int(${2:-10} * 1000000) }")
PERSONS=$(awk "BEGIN { print int(${3:-0.5} * 1000000) }")

big_cluster || exit 1
fresh bigint 3 || exit 1
echo "== $PZ_PGVERSION, $(nproc) cores, $EVENTS events, $PERSONS persons, load $(cut -d' ' -f1 /proc/loadavg)"
pz_client psql -X -q -v ON_ERROR_STOP=1 >/dev/null <<SQL || exit 1
SET client_min_messages = warning;
SELECT personalize.define_purpose('serve', 'for the benchmark', 'contract');
SELECT personalize.define_notice('n', v, 'en', 'text ' || v, material => false) FROM unnest('{1,2}'::text[]) AS v;
SELECT personalize.define_metric(m, p, w) FROM (VALUES ('bought', 'bigint_0', 'purchase'), ('clicked', 'bigint_0', 'click'), ('stars', 'bigint_0', 'satisfaction'), ('price', 'serve', 'purchase')) AS v (m, p, w);
SELECT personalize.define_experiment('e', 'bigint_0', '{a,b}');
ALTER TABLE personalize.subject DISABLE TRIGGER ALL;
ALTER TABLE personalize.consent_event DISABLE TRIGGER ALL;
ALTER TABLE personalize.exposure DISABLE TRIGGER ALL;
INSERT INTO personalize.subject (subject_no, kind_id, key) SELECT i, k.kind_id, i::text FROM personalize.registry_kind AS k, generate_series(1, $PERSONS) AS i WHERE k.name = 'bigint';
SELECT setval('personalize.subject_no_seq', $PERSONS + 1);
CREATE FUNCTION pg_temp.r(bigint, bigint, bigint) RETURNS bigint IMMUTABLE LANGUAGE sql AS 'SELECT abs(hashint8extended(\$1, \$2) % \$3)';
INSERT INTO personalize.consent_event (recorded_at, subject_no, purpose_id, action, categories, notice, recorded_by, recorded_as)
	SELECT now() - interval '400 days' * (1 - o / ($EVENTS * 0.2)::float8), 1 + pg_temp.r(o, 1, $PERSONS), p.purpose_id, a.action,
		CASE WHEN a.action = 'given' THEN ARRAY[0, c.category_id] END, CASE WHEN a.action <> 'withdrawn' THEN CASE WHEN o < $EVENTS / 10 THEN 'n/1' ELSE 'n/2' END END, 'bench', 'bench'
	FROM personalize.registry_category AS c, generate_series(1, $EVENTS / 5) AS o
		CROSS JOIN LATERAL (SELECT (ARRAY['given','given','given','withdrawn','refused'])[1 + pg_temp.r(o, 2, 5)] AS action) AS a
		JOIN personalize.registry_purpose AS p ON p.name = 'bigint_' || pg_temp.r(o, 3, 3)
	WHERE c.name = 'general';
INSERT INTO personalize.exposure (subject_no, purpose_id, at, item, explanation)
	SELECT 1 + pg_temp.r(o, 11, $PERSONS), p.purpose_id, now() - interval '90 days' * (1 - o / ($EVENTS * 0.45)::float8), 'item ' || o % 1000, CASE WHEN o % 50 > 0 THEN 'because others bought it' END
	FROM generate_series(1, $EVENTS / 100 * 45) AS o JOIN personalize.registry_purpose AS p ON p.name = 'bigint_' || pg_temp.r(o, 12, 3);
INSERT INTO personalize.outcome (subject_no, metric_id, value, at)
	SELECT 1 + pg_temp.r(o, 21, $PERSONS), m.metric_id, pg_temp.r(o, 22, 10000) / 100.0, now() - interval '90 days' * (1 - o / ($EVENTS * 0.35)::float8)
	FROM generate_series(1, $EVENTS / 100 * 35) AS o JOIN personalize.metric AS m ON m.name = (ARRAY['bought','clicked','stars','price'])[1 + pg_temp.r(o, 23, 4)];
INSERT INTO personalize.assignment (experiment_id, subject_no, variant, epoch, at)
	SELECT e.experiment_id, i, (ARRAY['holdout','a','b'])[1 + pg_temp.r(i, 31, 3)], 1, now() - interval '90 days' * (pg_temp.r(i, 32, 1000) / 1000.0)
	FROM personalize.experiment AS e, generate_series(1, $PERSONS, 2) AS i;
ALTER TABLE personalize.exposure ENABLE TRIGGER ALL;
ALTER TABLE personalize.subject ENABLE TRIGGER ALL, ENABLE ALWAYS TRIGGER consent_changed, ENABLE ALWAYS TRIGGER consent_truncated;
ALTER TABLE personalize.consent_event ENABLE TRIGGER ALL, ENABLE ALWAYS TRIGGER consent_changed, ENABLE ALWAYS TRIGGER consent_truncated;
VACUUM ANALYZE;
CHECKPOINT;
SQL
restart
ready

figures=("measure('conversion_rate')" "measure('click_through')" "measure('satisfaction')" "measure('repeat_purchase')" "measure('lifetime_value')"
	"consent_rates('month')" "lift('e', 'bought')" "lift('e', 'price')" "opt_out_parity('price', 'bigint_0')"
	"report_html(now() - interval '90 days', now())" "read_metrics(true)" "find_alerts()")
for ((round = 0; round <= ROUNDS; round++)); do
	for i in $(shuf -i "0-$((${#figures[@]} - 1))"); do
		began=$(date +%s.%N)
		took=$(cpu 1 '' "SELECT * FROM personalize.${figures[i]}") || exit 1
		# the first round warms up; a measurement is of one run, the clock sees the one before it, too
		[ "$round" -eq 0 ] && continue
		awk "BEGIN { print $took / 1e6 }" >>"$PZ_TMP/cpu.$i"
		awk "BEGIN { print ($(date +%s.%N) - $began) / 2 }" >>"$PZ_TMP/clock.$i"
	done
done
for i in "${!figures[@]}"; do
	echo "${figures[i]}: $(quartiles %.2f <"$PZ_TMP/cpu.$i") s of the processor, $(quartiles %.2f <"$PZ_TMP/clock.$i") s"
done
