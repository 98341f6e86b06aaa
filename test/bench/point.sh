#!/bin/bash
# What a query for ten rows of one person costs, with its record of use.
#
#	test/bench/point.sh [rounds] [seconds] [clients]
#
# pgbench with prepared statements, in every round each variant in turn, in
# another order each time: the table unprotected; protected, at the levels async,
# on and strict; and unprotected with an INSERT into a log of one's own before the
# commit, which is what the record replaces.  Prints transactions a second, and
# the ratios to the unprotected one of the same round: medians and quartiles.
#
# Environment: PG_CONFIG, the PostgreSQL to use.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
ROUNDS=${1:-9}
SECONDS_EACH=${2:-4}
CLIENTS=${3:-8}
PEOPLE=10000
VARIANTS=(plain async on strict insert)

pz_bootstrap && pz_workdir_make "$ROOT" && pz_private_prefix && pz_workdir_install || exit 1
pz_cluster_start c || exit 1
pz_client psql -X -q -v ON_ERROR_STOP=1 >/dev/null <<SQL || exit 1
CREATE EXTENSION personalize;
CREATE TABLE plain_orders (customer_id integer, item text);
INSERT INTO plain_orders SELECT i, 'item' || j FROM generate_series(1, $PEOPLE) AS i, generate_series(1, 10) AS j;
CREATE INDEX ON plain_orders (customer_id);
CREATE TABLE orders (LIKE plain_orders);
INSERT INTO orders SELECT * FROM plain_orders;
CREATE INDEX ON orders (customer_id);
CREATE TABLE own_log (at timestamptz DEFAULT now(), who text, customer_id integer);
SELECT personalize.define_category('general', 'for the benchmark');
SELECT personalize.define_purpose('bench', 'for the benchmark', categories => '{general}');
SELECT personalize.protect('orders', 'customer_id', columns => '{"*":"general"}');
SELECT count(personalize.grant_consent(i, 'bench')) FROM generate_series(1, $PEOPLE) AS i;
DO \$\$
DECLARE
	level text;
BEGIN
	FOREACH level IN ARRAY '{plain,async,on,strict,insert}'::text[] LOOP
		EXECUTE format('CREATE ROLE bench_%s LOGIN', level);
		EXECUTE format('GRANT SELECT ON orders, plain_orders TO bench_%s; GRANT INSERT ON own_log TO bench_%1\$s', level);
		IF level IN ('async', 'on', 'strict') THEN
			EXECUTE format('ALTER ROLE bench_%s SET personalize.audit = %L; ALTER ROLE bench_%1\$s SET personalize.purpose = bench', level, level);
			PERFORM personalize.grant_purpose('bench', format('bench_%s', level)::regrole);
		END IF;
	END LOOP;
END
\$\$;
VACUUM ANALYZE;
SQL
{
	echo "\\set c random(1, $PEOPLE)"
	echo 'SELECT item FROM orders WHERE customer_id = :c;'
} >"$PZ_TMP/protected.sql"
sed 's/FROM orders/FROM plain_orders/' "$PZ_TMP/protected.sql" >"$PZ_TMP/plain.sql"
{
	echo "\\set c random(1, $PEOPLE)"
	echo 'BEGIN;'
	echo 'SELECT item FROM plain_orders WHERE customer_id = :c;'
	echo "INSERT INTO own_log (who, customer_id) VALUES ('me', :c);"
	echo 'COMMIT;'
} >"$PZ_TMP/insert.sql"
chmod a+r "$PZ_TMP"/*.sql
echo "== $PZ_PGVERSION, $(nproc) cores, $CLIENTS clients, $ROUNDS rounds of $SECONDS_EACH s, load $(cut -d' ' -f1 /proc/loadavg)"

# run VARIANT: transactions a second
run()
{
	local script=$PZ_TMP/protected.sql

	case $1 in
		plain | insert) script=$PZ_TMP/$1.sql ;;
	esac
	pz_client pgbench -n -M prepared -c "$CLIENTS" -j 2 -T "$SECONDS_EACH" -U "bench_$1" -f "$script" 2>"$PZ_TMP/pgbench.err" |
		sed -n 's/^tps = \([0-9.]*\).*/\1/p'
}

for variant in "${VARIANTS[@]}"; do
	[ -n "$(run "$variant")" ] && ! grep -q 'ERROR' "$PZ_TMP/pgbench.err" || { cat "$PZ_TMP/pgbench.err"; exit 1; }
done
for ((round = 0; round < ROUNDS; round++)); do
	declare -A tps=()
	for ((i = 0; i < ${#VARIANTS[@]}; i++)); do
		variant=${VARIANTS[$(((i + round) % ${#VARIANTS[@]}))]}
		tps[$variant]=$(run "$variant")
		pz_client psql -X -q -At -c 'SELECT personalize.audit_sync()' >/dev/null
	done
	for variant in "${VARIANTS[@]}"; do
		echo "${tps[$variant]}" >>"$PZ_TMP/$variant.tps"
		awk -v a="${tps[$variant]}" -v b="${tps[plain]}" 'BEGIN { print a / b }' >>"$PZ_TMP/$variant.ratio"
	done
	awk -v a="${tps[strict]}" -v b="${tps[insert]}" 'BEGIN { print a / b }' >>"$PZ_TMP/strict_to_insert"
done
printf '%-8s %28s %28s\n' variant 'tps' 'to plain'
for variant in "${VARIANTS[@]}"; do
	printf '%-8s %28s %28s\n' "$variant" "$(quartiles %.4g <"$PZ_TMP/$variant.tps")" "$(quartiles %.4g <"$PZ_TMP/$variant.ratio")"
done
printf 'strict to insert: %s\n' "$(quartiles %.4g <"$PZ_TMP/strict_to_insert")"
