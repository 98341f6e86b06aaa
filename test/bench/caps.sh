#!/bin/bash
# What frequency caps cost: exposures a second, and queries of a table of persons of whom
# many have reached the cap.
#
#	test/bench/caps.sh [rounds] [million rows] [million persons] [seconds]
#
#	single		exposures a second, 8 clients, record_exposure() for one person after
#				the other, each in a transaction of its own
#	batch		the same by record_exposures() for 100 at a time
#	insert		for comparison: a one-row INSERT into a table of one's own, 8 clients
#	sum, point	queries (see work.sh) under a purpose of which 40 % of the persons have
#				reached the cap, beside one that 40 % did not agree to: the same rows.
#				Processor time of the backend; medians of the ratios with quartiles, and
#				for sum the difference in nanoseconds a row
#
# Environment: PG_CONFIG, the PostgreSQL to use.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$ROOT/test/bench/ledger.sh"
ROUNDS=${1:-7}
ROWS=$(awk "BEGIN { print int(${2:-2} * 1000000) }")
PERSONS=$(awk "BEGIN { print int(${3:-0.2} * 1000000) }")
SECONDS_EACH=${4:-10}

big_cluster || exit 1
fresh bigint 3 || exit 1
echo "== $PZ_PGVERSION, $(nproc) cores, $ROWS rows, $PERSONS persons, load $(cut -d' ' -f1 /proc/loadavg)"
pz_client psql -X -q -v ON_ERROR_STOP=1 >/dev/null <<SQL || exit 1
CREATE ROLE app LOGIN;
GRANT pg_read_server_files TO app;
GRANT EXECUTE ON FUNCTION pg_read_file(text) TO app;
SELECT personalize.assign_duty('app', 'app');
SELECT personalize.grant_purpose('bigint_' || i, 'app') FROM generate_series(0, 2) AS i;
CREATE TABLE own (at timestamptz DEFAULT now(), subject bigint, purpose text, item text, explanation text);
GRANT INSERT ON own TO app;
CREATE UNLOGGED TABLE orders AS SELECT i AS id, 1 + i::bigint * 7919 % $PERSONS AS subject, (i % 100000)::numeric(10,2) AS amount FROM generate_series(1, $ROWS) AS i;
CREATE INDEX ON orders (subject);
SELECT personalize.protect('orders', 'subject', kind => 'bigint', columns => '{"*":"general"}');
GRANT SELECT ON orders TO app;
/* bigint_0: 60 % agreed; bigint_1: all agreed, the others have reached the cap; bigint_2: all agreed, caps far away */
CREATE TEMP TABLE said AS SELECT i AS subject, 'bigint_' || p AS purpose, 'given' AS action, 'bigint' AS kind
	FROM generate_series(1, $PERSONS) AS i, generate_series(0, 2) AS p WHERE p > 0 OR i * 7 % 100 < 60;
SELECT personalize.record_consents('said');
SELECT personalize.set_frequency_cap('bigint_1', 1, '30 days'), personalize.set_frequency_cap('bigint_2', 1000, '30 days');
CREATE TEMP TABLE shown AS SELECT i AS subject, 'bigint_1' AS purpose, 'bigint' AS kind FROM generate_series(1, $PERSONS) AS i WHERE i * 7 % 100 >= 60;
SELECT personalize.record_exposures('shown');
VACUUM ANALYZE;
SQL
restart
ready
echo "caps reached: $(pz_client psql -X -A -t -c 'SELECT count(*) FROM personalize.suppression')"

for work in sum point; do
	rm -f "$PZ_TMP/ratio" "$PZ_TMP/ns"
	for ((round = 0; round < ROUNDS; round++)); do
		for p in $(shuf -e 0 1); do
			if [ $work = sum ]; then
				cpu $((60000000 / ROWS + 1)) "SET ROLE app; SET LOCAL personalize.purpose = 'bigint_$p';" 'SELECT sum(amount) FROM orders' >"$PZ_TMP/took.$p" || exit 1
			else
				cpu 20000 "SET ROLE app; SET LOCAL personalize.purpose = 'bigint_$p'; PREPARE q AS SELECT * FROM orders WHERE subject = 100;" 'EXECUTE q' >"$PZ_TMP/took.$p" || exit 1
			fi
		done
		awk -v a="$(cat "$PZ_TMP/took.1")" -v b="$(cat "$PZ_TMP/took.0")" 'BEGIN { print a / b }' >>"$PZ_TMP/ratio"
		awk -v a="$(cat "$PZ_TMP/took.1")" -v b="$(cat "$PZ_TMP/took.0")" -v n="$ROWS" 'BEGIN { print (a - b) * 1000 / n }' >>"$PZ_TMP/ns"
	done
	echo "$work, capped to not agreed: $(quartiles %.3f <"$PZ_TMP/ratio") of $(cat "$PZ_TMP/took.0") us$([ $work = sum ] && echo ", ns a row: $(quartiles %.2f <"$PZ_TMP/ns")")"
done

echo "\\set i random(1, $PERSONS)
SELECT personalize.record_exposure(:i, 'bigint_2', 'item', 'because others bought it', kind => 'bigint');" >"$PZ_TMP/single.sql"
echo "SELECT cardinality(personalize.record_exposures(ARRAY(SELECT (1 + random() * ($PERSONS - 1))::bigint::text FROM generate_series(1, 100)), 'bigint_2',
	array_fill('item'::text, ARRAY[100]), array_fill('because others bought it'::text, ARRAY[100]), kind => 'bigint'));" | tr '\n' ' ' >"$PZ_TMP/batch.sql"
echo "\\set i random(1, $PERSONS)
INSERT INTO own (subject, purpose, item, explanation) VALUES (:i, 'bigint_2', 'item', 'because others bought it');" >"$PZ_TMP/insert.sql"
chmod a+r "$PZ_TMP"/*.sql
for what in single batch insert; do
	pz_client pgbench -U app -n -M prepared --max-tries=20 -c 8 -j 2 -T "$SECONDS_EACH" -f "$PZ_TMP/$what.sql" 2>/dev/null >"$PZ_TMP/out"
	awk -v what="$what" -v n="$([ "$what" = batch ] && echo 100 || echo 1)" '/^tps/ { printf "%-7s %.0f a second\n", what, $3 * n }' "$PZ_TMP/out"
done
echo "persons over their cap: $(pz_client psql -X -A -t -c "SELECT count(*) FROM (SELECT FROM personalize.exposure AS e JOIN personalize.frequency_cap AS c ON c.purpose_id = e.purpose_id GROUP BY e.subject_no, c.cap_id, c.max_uses HAVING count(*) > c.max_uses) AS x")"
