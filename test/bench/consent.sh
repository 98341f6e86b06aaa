#!/bin/bash
# What the consent set costs: time to load it, memory, a withdrawal, changes that
# are pending.
#
#	test/bench/consent.sh [million persons] [rounds]
#
# The ledger is filled by plain INSERTs with its triggers off, one kind of key after
# the other; then the server is started again, and the time is taken from the start
# of the consent worker to the moment the set is ready.
#
#	load		seconds, for so many persons who agreed to one purpose, and to ten
#	memory		of the set: the dictionary, and a purpose
#	withdrawal	transactions a second, one client, beside a one-row INSERT: median of
#				the ratios
#	pending		sum(amount) over the orders of 200,000 persons while 1,000 withdrawals
#				cannot be folded, beside none: median of the ratios
#
# Environment: PG_CONFIG, the PostgreSQL to use; KEYS (bigint uuid text).

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$ROOT/test/bench/ledger.sh"
PERSONS=$(awk "BEGIN { print int(${1:-10} * 1000000) }")
ROUNDS=${2:-7}
read -ra KEYS <<<"${KEYS:-bigint uuid text}"

big_cluster || exit 1
echo "== $PZ_PGVERSION, $(nproc) cores, $PERSONS persons, load $(cut -d' ' -f1 /proc/loadavg)"

for key in "${KEYS[@]}"; do
	fresh "$key" 10 && agree "$key" 1 1 "$PERSONS" || exit 1
	echo "load       $key: $(load)"
done

pz_client psql -X -q -v ON_ERROR_STOP=1 >/dev/null <<SQL || exit 1
CREATE ROLE app LOGIN;
GRANT pg_read_server_files TO app;
GRANT EXECUTE ON FUNCTION pg_read_file(text) TO app;
CREATE TABLE own (at timestamptz DEFAULT now(), subject bigint, purpose text, action text);
CREATE UNLOGGED TABLE orders AS SELECT i AS id, s.key::$(type_of "${KEYS[-1]}") AS subject, (random() * 1000)::numeric(10,2) AS amount
	FROM generate_series(1, 2000000) AS i JOIN personalize.subject AS s ON s.subject_no = 1 + i % 200000;
SELECT personalize.protect('orders', 'subject', kind => '${KEYS[-1]}', columns => '{"*":"general"}');
SELECT personalize.grant_purpose('${KEYS[-1]}_0', 'app');
GRANT SELECT ON orders TO app;
VACUUM ANALYZE orders;
SQL
ready
p=${KEYS[-1]}_0
echo "\\set i random(1000000, $PERSONS)
SELECT personalize.withdraw_consent($(key_of "${KEYS[-1]}" :i), '$p', kind => '${KEYS[-1]}');" >"$PZ_TMP/withdraw.sql"
echo "\\set i random(1000000, $PERSONS)
INSERT INTO own (subject, purpose, action) VALUES (:i, '$p', 'withdrawn');" >"$PZ_TMP/insert.sql"
chmod a+r "$PZ_TMP"/*.sql
tps() { pz_client pgbench -n -M prepared -c 1 -T 3 -f "$PZ_TMP/$1.sql" 2>/dev/null | sed -n 's/^tps = \([0-9.]*\).*/\1/p'; }
for ((round = 0; round < ROUNDS; round++)); do
	awk -v a="$(tps insert)" -v b="$(tps withdraw)" 'BEGIN { print a / b }'
done >"$PZ_TMP/ratio"
echo "withdrawal to one-row INSERT, time: $(quartiles %.3g <"$PZ_TMP/ratio")"
ready
ticks="SELECT split_part(pg_read_file('/proc/self/stat'), ' ', 14)::int + split_part(pg_read_file('/proc/self/stat'), ' ', 15)::int"
sum()
{
	{
		echo "SET ROLE app; SET jit = off; SET max_parallel_workers_per_gather = 0; BEGIN; SET LOCAL personalize.purpose = '$p'; SELECT sum(amount) FROM orders \\g /dev/null"
		echo "$ticks AS before \\gset"
		for ((i = 0; i < 4; i++)); do echo 'SELECT sum(amount) FROM orders \g /dev/null'; done
		echo "SELECT ($ticks) - :before; COMMIT;"
	} | pz_client psql -X -q -A -t -v ON_ERROR_STOP=1
}
for ((round = 0; round < ROUNDS; round++)); do
	ready
	none=$(sum)
	# an old snapshot keeps 1,000 marks from being folded
	mkfifo "$PZ_TMP/fifo"
	pz_client psql -X -q <"$PZ_TMP/fifo" >/dev/null &
	exec 3>"$PZ_TMP/fifo"
	echo "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1;" >&3
	pz_client psql -X -q -c "SELECT count(personalize.withdraw_consent(s.key, '$p', kind => '${KEYS[-1]}')) FROM personalize.subject AS s WHERE s.subject_no BETWEEN $((round * 1000 + 1)) AND $((round * 1000 + 1000))" >/dev/null
	some=$(sum)
	pending=$(pz_client psql -X -A -t -c 'SELECT pending FROM personalize.consent_set_internal()')
	exec 3>&-
	wait
	rm -f "$PZ_TMP/fifo"
	awk -v a="$some" -v b="$none" 'BEGIN { print a / b }'
done >"$PZ_TMP/ratio"
echo "pending $pending to none, sum: $(quartiles %.3g <"$PZ_TMP/ratio")"
