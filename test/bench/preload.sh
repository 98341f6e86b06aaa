#!/bin/bash
# What the preloaded library costs queries on tables that are not protected.
#
#	test/bench/preload.sh [rounds] [seconds]
#
# pgbench -S with prepared statements and one client, against three private
# servers in turn, in every round in another order: without the library, with
# it preloaded, and with a protected table in the same database besides.
# Compares the CPU time of the backends for each transaction, which other work
# on the machine disturbs less than the latency does; prints medians and
# quartiles of the ratios to the server without the library in the same round.
#
# Environment: PG_CONFIG, the PostgreSQL to use.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
ROUNDS=${1:-9}
SECONDS_EACH=${2:-5}

VARIANTS=(plain preloaded protected)
TICKS=$(getconf CLK_TCK)

# start NAME: a server of its own; the plain one without the library
start()
{
	local name=$1

	pz_cluster_start "$name" || exit 1
	if [ "$name" = plain ]; then
		pz_as_user sh -c 'echo "shared_preload_libraries = '\'\''" >>"$1"' sh "$PZ_DATA/postgresql.conf"
		pz_as_user "$PGBIN/pg_ctl" -D "$PZ_DATA" -l "$PZ_SERVER_LOG" -w -t 60 restart >/dev/null || exit 1
	fi
	pz_client pgbench -i -q -s 10 >/dev/null 2>&1 || exit 1
	if [ "$name" = protected ]; then
		pz_client psql -X -q -v ON_ERROR_STOP=1 >/dev/null <<'SQL' || exit 1
CREATE EXTENSION personalize;
CREATE TABLE person (id integer PRIMARY KEY, name text);
SELECT personalize.define_category('general', 'for the benchmark');
SELECT personalize.define_purpose('bench', 'for the benchmark', categories => '{general}');
SELECT personalize.protect('person', 'id', columns => '{"*":"general"}');
SQL
	fi
	pz_client psql -X -q -c 'VACUUM ANALYZE' -c 'CHECKPOINT' || exit 1
}

# CPU ticks of all children of the postmaster that have ended
ended_ticks()
{
	awk '{ sub(/^.*\) /, ""); print $14 + $15 }' "/proc/$(head -n 1 "$1/postmaster.pid")/stat"
}

# measure NAME: microseconds of CPU for a transaction
measure()
{
	local name=$1 before after transactions

	PZ_DATA=$PZ_WORK/$name/data
	PZ_SOCKET=$PZ_WORK/$name/s
	before=$(ended_ticks "$PZ_DATA")
	transactions=$(pz_client pgbench -n -S -M prepared -c 1 -T "$SECONDS_EACH" 2>/dev/null |
		sed -n 's/^number of transactions actually processed: \([0-9]*\).*/\1/p')
	pz_client psql -X -qAt -c 'SELECT 1' >/dev/null
	after=$(ended_ticks "$PZ_DATA")
	awk -v t="$((after - before))" -v hz="$TICKS" -v n="$transactions" 'BEGIN { printf "%.4f\n", t / hz * 1e6 / n }'
}

pz_bootstrap && pz_workdir_make "$ROOT" && cd "$PZ_TREE" || exit 1
pz_private_prefix && pz_workdir_install || exit 1
for name in "${VARIANTS[@]}"; do
	start "$name"
done
pz_say "$PZ_PGVERSION; $ROUNDS rounds of $SECONDS_EACH s; $(nproc) cores, load $(cut -d' ' -f1 /proc/loadavg)"
for name in "${VARIANTS[@]}"; do
	measure "$name" >/dev/null
done
for ((round = 1; round <= ROUNDS; round++)); do
	for ((i = 0; i < ${#VARIANTS[@]}; i++)); do
		name=${VARIANTS[$(((i + round) % ${#VARIANTS[@]}))]}
		printf '%d %s %s\n' "$round" "$name" "$(measure "$name")"
	done
done >"$PZ_TMP/figures"
awk '
	{ figure[$1, $2] = $3; if ($1 > rounds) rounds = $1 }
	function at(p,   k) { k = 1 + p * (n - 1); return v[int(k)] + (k - int(k)) * (v[int(k) + (k > int(k))] - v[int(k)]) }
	function sorted(   a, b, x) { for (a = 2; a <= n; a++) { x = v[a]; for (b = a - 1; b > 0 && v[b] > x; b--) v[b + 1] = v[b]; v[b + 1] = x } }
	END {
		printf "%-12s %22s %30s\n", "server", "CPU us/transaction", "ratio to plain"
		split("plain preloaded protected", names, " ")
		for (k = 1; k <= 3; k++) {
			n = rounds
			for (r = 1; r <= rounds; r++) v[r] = figure[r, names[k]]
			sorted(); us = at(0.5)
			for (r = 1; r <= rounds; r++) v[r] = figure[r, names[k]] / figure[r, "plain"]
			sorted()
			printf "%-12s %22.2f %12.3f [%.3f .. %.3f]\n", names[k], us, at(0.5), at(0.25), at(0.75)
		}
	}' "$PZ_TMP/figures"
