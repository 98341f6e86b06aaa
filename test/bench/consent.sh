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
PERSONS=$(awk "BEGIN { print int(${1:-10} * 1000000) }")
ROUNDS=${2:-7}
read -ra KEYS <<<"${KEYS:-bigint uuid text}"
type_of() { case $1 in bigint) echo bigint ;; uuid) echo uuid ;; text) echo text ;; esac; }
key_of() { case $1 in bigint) echo "$2::text" ;; uuid) echo "md5(($2)::text)::uuid::text" ;; text) echo "'person' || ($2) || '@mail.example.org'" ;; esac; }

pz_bootstrap && pz_workdir_make "$ROOT" && pz_private_prefix && pz_workdir_install || exit 1
pz_cluster_start c || exit 1
pz_client psql -X -q -v ON_ERROR_STOP=1 >/dev/null <<SQL || exit 1
ALTER SYSTEM SET shared_buffers = '2GB';
ALTER SYSTEM SET max_wal_size = '16GB';
ALTER SYSTEM SET wal_level = 'replica';
ALTER SYSTEM SET personalize.consent_memory = '8GB';
SQL
restart()
{
	pz_cluster_stop c
	pz_as_user "$PGBIN/pg_ctl" -D "$PZ_DATA" -l "$PZ_SERVER_LOG" -w -t 300 start >/dev/null
}
restart || exit 1
echo "== $PZ_PGVERSION, $(nproc) cores, $PERSONS persons, load $(cut -d' ' -f1 /proc/loadavg)"

# ready: wait for the set
ready()
{
	until [ "$(pz_client psql -X -A -t -c "SELECT state = 'ready' AND pending = 0 FROM personalize.consent_set_internal()")" = t ]; do
		pz_client psql -X -q -c "SELECT pg_sleep(0.05)" >/dev/null # lint: poll interval
	done
}

# load: seconds from the start of the consent worker until its set is ready, and its bytes
load()
{
	restart || exit 1
	pz_client psql -X -A -t -q -v ON_ERROR_STOP=1 <<'SQL'
DO $$
DECLARE
	began timestamptz;
BEGIN
	LOOP
		SELECT min(backend_start) INTO began FROM pg_stat_activity WHERE application_name = 'personalize consent worker';
		EXIT WHEN began IS NOT NULL AND (SELECT state = 'ready' FROM personalize.consent_set_internal());
		COMMIT;
		PERFORM pg_sleep(0.01);	/* lint: poll interval */
	END LOOP;
	PERFORM set_config('bench.took', round(extract(epoch FROM clock_timestamp() - began), 2)::text, false);
END
$$;
SELECT current_setting('bench.took') || ' s, ' || bytes / 1000000 || ' MB' FROM personalize.consent_set_internal();
SQL
}

for key in "${KEYS[@]}"; do
	pz_client psql -X -q -v ON_ERROR_STOP=1 >/dev/null <<SQL || exit 1
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS personalize CASCADE;
CREATE EXTENSION personalize;
SELECT personalize.define_category('general', 'for the benchmark');
ALTER TABLE personalize.subject DISABLE TRIGGER ALL;
ALTER TABLE personalize.consent_event DISABLE TRIGGER ALL;
SELECT personalize.define_kind('$key', '$(type_of "$key")');
SELECT personalize.define_purpose('${key}_' || i, 'for the benchmark', categories => '{general}') FROM generate_series(0, 9) AS i;
INSERT INTO personalize.subject (subject_no, kind_id, key)
	SELECT i, k.kind_id, $(key_of "$key" i) FROM personalize.registry_kind AS k, generate_series(1, $PERSONS) AS i WHERE k.name = '$key';
INSERT INTO personalize.consent_event (subject_no, purpose_id, action, categories, recorded_by, recorded_as)
	SELECT i, p.purpose_id, 'given', ARRAY[0, c.category_id], 'bench', 'bench'
	FROM personalize.registry_purpose AS p, personalize.registry_category AS c, generate_series(1, $PERSONS) AS i WHERE p.name = '${key}_0' AND c.name = 'general';
SELECT setval('personalize.subject_no_seq', $PERSONS + 1);
ALTER TABLE personalize.subject ENABLE TRIGGER ALL, ENABLE ALWAYS TRIGGER consent_changed, ENABLE ALWAYS TRIGGER consent_truncated;
ALTER TABLE personalize.consent_event ENABLE TRIGGER ALL, ENABLE ALWAYS TRIGGER consent_changed, ENABLE ALWAYS TRIGGER consent_truncated;
VACUUM ANALYZE personalize.subject, personalize.consent_event;
CHECKPOINT;
SQL
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
