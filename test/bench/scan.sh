#!/bin/bash
# What reading a whole protected table costs, filter and exact record of use
# included, beside what people write today.
#
#	test/bench/scan.sh [rounds] [million rows] [million persons]
#
# One session, no parallel workers, no JIT; sum(amount) and count(*) over a table of
# orders, keyed by a whole number, a uuid or an e-mail address, of persons of whom
# 60 % or all agreed.  In every round each variant in turn, in another order each
# time; the backend's own processor time (/proc), and its ratio to the unprotected
# table of the same round: medians and quartiles.
#
#	protected	personalize, level on
#	join		an explicit join with a table of consents
#	exists, in	row level security with EXISTS or IN over that table
#
# Environment: PG_CONFIG, the PostgreSQL to use; KEYS (bigint uuid text), SHARES (60
# 100), VARIANTS.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
ROUNDS=${1:-7}
ROWS=${2:-2}
PERSONS=${3:-0.2}
read -ra KEYS <<<"${KEYS:-bigint uuid text}"
read -ra SHARES <<<"${SHARES:-60 100}"
read -ra VARIANTS <<<"${VARIANTS:-plain protected join exists in}"
ROWS=$(awk "BEGIN { print int($ROWS * 1000000) }")
PERSONS=$(awk "BEGIN { print int($PERSONS * 1000000) }")

pz_bootstrap && pz_workdir_make "$ROOT" && pz_private_prefix && pz_workdir_install || exit 1
pz_cluster_start c || exit 1
pz_client psql -X -q -v ON_ERROR_STOP=1 >/dev/null <<SQL || exit 1
ALTER SYSTEM SET shared_buffers = '2GB';
ALTER SYSTEM SET max_wal_size = '8GB';
ALTER SYSTEM SET personalize.consent_memory = '4GB';
SQL
pz_cluster_stop c
pz_as_user "$PGBIN/pg_ctl" -D "$PZ_DATA" -l "$PZ_SERVER_LOG" -w -t 60 start >/dev/null || exit 1
type_of() { case $1 in bigint) echo bigint ;; uuid) echo uuid ;; text) echo text ;; esac; }
key_of() { case $1 in bigint) echo "$2" ;; uuid) echo "md5(($2)::text)::uuid" ;; text) echo "'person' || ($2) || '@mail.example.org'" ;; esac; }

# A table of orders of one kind of key, thrice: plain, protected, with policies.
echo "== $PZ_PGVERSION, $(nproc) cores, $ROWS rows, $PERSONS persons, $ROUNDS rounds, load $(cut -d' ' -f1 /proc/loadavg)"
{
	cat <<'SQL'
CREATE EXTENSION personalize;
CREATE ROLE app;
GRANT pg_read_server_files TO app;
GRANT EXECUTE ON FUNCTION pg_read_file(text) TO app;
SELECT personalize.define_category('general', 'for the benchmark');
SQL
	for key in "${KEYS[@]}"; do
		for share in "${SHARES[@]}"; do
			t=${key}_$share
			cat <<SQL
SELECT personalize.define_kind('$t', '$(type_of "$key")');
SELECT personalize.define_purpose('$t', 'for the benchmark', categories => '{general}');
CREATE UNLOGGED TABLE plain_$t (id bigint NOT NULL, subject $(type_of "$key") NOT NULL, amount numeric(10,2) NOT NULL, at timestamp NOT NULL);
INSERT INTO plain_$t SELECT i, $(key_of "$key" "1 + (random() * ($PERSONS - 1))::bigint"), (random() * 1000)::numeric(10,2), now() FROM generate_series(1, $ROWS) AS i;
CREATE UNLOGGED TABLE protected_$t AS SELECT * FROM plain_$t;
CREATE UNLOGGED TABLE consent_$t AS SELECT $(key_of "$key" i) AS subject FROM generate_series(1, $PERSONS) AS i WHERE i % 100 < $share;
CREATE UNIQUE INDEX ON consent_$t (subject);
CREATE UNLOGGED TABLE exists_$t AS SELECT * FROM plain_$t;
CREATE UNLOGGED TABLE in_$t AS SELECT * FROM plain_$t;
ALTER TABLE exists_$t ENABLE ROW LEVEL SECURITY;
ALTER TABLE in_$t ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON exists_$t USING (EXISTS (SELECT FROM consent_$t AS c WHERE c.subject = exists_$t.subject));
CREATE POLICY p ON in_$t USING (subject IN (SELECT c.subject FROM consent_$t AS c));
SELECT personalize.protect('protected_$t', 'subject', kind => '$t', columns => '{"*":"general"}');
SELECT personalize.grant_purpose('$t', 'app');
CREATE TEMP TABLE said_$t AS SELECT subject::text, '$t' AS purpose, 'given' AS action, '$t' AS kind FROM consent_$t;
SELECT personalize.record_consents('said_$t');
GRANT SELECT ON plain_$t, protected_$t, consent_$t, exists_$t, in_$t TO app;
SQL
		done
	done
	echo 'VACUUM ANALYZE; SELECT personalize.audit_sync();'
} >"$PZ_TMP/make.sql"
pz_client psql -X -q -v ON_ERROR_STOP=1 -f - <"$PZ_TMP/make.sql" >/dev/null || exit 1

# sql VARIANT TABLE OUTPUT: the query
sql()
{
	case $1 in
		join) echo "SELECT $3 FROM plain_$2 AS o JOIN consent_$2 USING (subject);" ;;
		*) echo "SELECT $3 FROM $1_$2;" ;;
	esac
}

# ticks VARIANT TABLE OUTPUT TIMES: processor time in hundredths of a second, of that many runs
ticks()
{
	local ticks="SELECT split_part(pg_read_file('/proc/self/stat'), ' ', 14)::int + split_part(pg_read_file('/proc/self/stat'), ' ', 15)::int"
	{
		echo "SET ROLE app; SET jit = off; SET max_parallel_workers_per_gather = 0; SET enable_indexonlyscan = off; BEGIN; SET LOCAL personalize.purpose = '$2';"
		sql "$@" | sed 's/;$/ \\g \/dev\/null/'
		echo "$ticks AS before \\gset"
		for ((i = 0; i < $4; i++)); do sql "$@" | sed 's/;$/ \\g \/dev\/null/'; done
		echo "SELECT ($ticks) - :before;"
		echo 'COMMIT;'
	} | pz_client psql -X -q -A -t -v ON_ERROR_STOP=1
}

until [ "$(pz_client psql -X -A -t -c "SELECT state = 'ready' AND pending = 0 AND cardinality(purposes) = $((${#KEYS[@]} * ${#SHARES[@]})) FROM personalize.consent_set_internal()")" = t ]; do
	pz_client psql -X -q -c "SELECT pg_sleep(0.2)" >/dev/null # lint: poll interval
done
pz_client psql -X -A -t -c "SELECT 'consent set: ' || detail FROM personalize.status() WHERE check_name = 'consent set'"
TIMES=$((4000000 / ROWS + 1))
for output in 'sum(amount)' 'count(*)'; do
	for key in "${KEYS[@]}"; do
		for share in "${SHARES[@]}"; do
			rm -f "$PZ_TMP"/ratio.*
			for ((round = 1; round <= ROUNDS; round++)); do
				for v in $(shuf -e "${VARIANTS[@]}"); do
					ticks "$v" "${key}_$share" "$output" $TIMES >"$PZ_TMP/ticks.$v" || exit 1
				done
				for v in "${VARIANTS[@]}"; do
					awk -v a="$(cat "$PZ_TMP/ticks.$v")" -v b="$(cat "$PZ_TMP/ticks.plain")" 'BEGIN { print a / b }' >>"$PZ_TMP/ratio.$v"
				done
			done
			for v in "${VARIANTS[@]}"; do
				printf '%-12s %-7s %4s %%  %-10s %s\n' "$output" "$key" "$share" "$v" "$(quartiles '%.2f' <"$PZ_TMP/ratio.$v")"
			done
		done
	done
done
