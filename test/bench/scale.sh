#!/bin/bash
# How the consent set grows: with persons, and with purposes.
#
#	test/bench/scale.sh [rounds] [million persons, rising ...]
#	PURPOSES="1 10 50" test/bench/scale.sh
#
# Whole numbers as keys, all agreed.  For each number of persons: the time to load the
# set, its memory, and the backend's processor time of sum(amount) and count(*) over
# 2,000,000 orders of persons drawn among all of them, to that of the same table
# unprotected, interleaved: medians and quartiles.  Then for each number of purposes
# the same with 200,000 persons who agreed to every one.
#
# 100 million persons take about 40 GB of disk and an hour.
#
# Environment: PG_CONFIG, the PostgreSQL to use; PURPOSES.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$ROOT/test/bench/ledger.sh"
ROUNDS=${1:-7}
shift
read -ra PERSONS <<<"${*:-0.01 0.1 1 10}"
read -ra PURPOSES <<<"${PURPOSES:-1 10 50}"

big_cluster || exit 1
pz_client psql -X -q -c 'CREATE ROLE app; GRANT pg_read_server_files TO app; GRANT EXECUTE ON FUNCTION pg_read_file(text) TO app'
echo "== $PZ_PGVERSION, $(nproc) cores, $ROUNDS rounds, load $(cut -d' ' -f1 /proc/loadavg)"

# orders PERSONS: 2,000,000 of them, of that many persons, unprotected and protected
orders()
{
	pz_client psql -X -q -v ON_ERROR_STOP=1 >/dev/null <<SQL
SET client_min_messages = warning;
DROP TABLE IF EXISTS plain, protected;
CREATE UNLOGGED TABLE plain AS SELECT i AS id, 1 + (random() * ($1 - 1))::bigint AS subject, (random() * 1000)::numeric(10,2) AS amount FROM generate_series(1, 2000000) AS i;
CREATE UNLOGGED TABLE protected AS SELECT * FROM plain;
SELECT personalize.protect('protected', 'subject', kind => 'bigint', columns => '{"*":"general"}');
SELECT personalize.grant_purpose('bigint_0', 'app');
GRANT SELECT ON plain, protected TO app;
VACUUM ANALYZE plain, protected;
CHECKPOINT;
SQL
}

# ratios LABEL
ratios()
{
	local what
	local setup="SET LOCAL ROLE app; SET LOCAL personalize.purpose = 'bigint_0';"

	ready
	for what in 'sum(amount)' 'count(*)'; do
		for ((round = 0; round < ROUNDS; round++)); do
			a=$(cpu 4 "$setup" "SELECT $what FROM plain") || exit 1
			b=$(cpu 4 "$setup" "SELECT $what FROM protected") || exit 1
			awk -v a="$a" -v b="$b" 'BEGIN { print b / a }'
		done >"$PZ_TMP/ratio"
		echo "$1 $what: $(quartiles %.3g <"$PZ_TMP/ratio")"
	done
}

fresh bigint 1 || exit 1
last=0
for millions in "${PERSONS[@]}"; do
	persons=$(awk "BEGIN { print int($millions * 1000000) }")
	agree bigint 1 $((last + 1)) "$persons" && orders "$persons" || exit 1
	last=$persons
	echo "$persons persons, load: $(load)"
	ratios "$persons persons,"
done
pz_client psql -X -q -c 'DROP TABLE plain, protected'
for purposes in "${PURPOSES[@]}"; do
	fresh bigint "$purposes" && agree bigint "$purposes" 1 200000 && orders 200000 || exit 1
	echo "$purposes purposes, load: $(load)"
	ratios "$purposes purposes,"
	pz_client psql -X -q -c 'DROP TABLE plain, protected'
done
exit 0
