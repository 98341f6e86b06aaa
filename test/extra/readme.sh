#!/bin/bash
# The quick start of README.md runs as it is written: one refusal, one row, a use on record, nobody left.
set -eu
. test/lib/bootstrap.sh
. test/lib/cluster.sh
pz_cluster_start readme
sed -n '/^```sql$/,/^```$/p' README.md | sed '/^```/d' > "$PZ_WORK/readme.sql"
[ "$(wc -l < "$PZ_WORK/readme.sql")" -gt 15 ] || { echo "no quick start found in README.md"; exit 1; }
chmod a+r "$PZ_WORK/readme.sql"
pz_client psql -X -A -t -f "$PZ_WORK/readme.sql" > "$PZ_WORK/readme.out" 2>&1
cat "$PZ_WORK/readme.out"
want() {	# want N PATTERN: that many lines of the output are like that
	n=$(grep -cE "$2" "$PZ_WORK/readme.out" || true)
	[ "$n" = "$1" ] || { echo "expected $1 lines like '$2', found $n"; exit 1; }
}
want 1 'ERROR:'
want 1 'ERROR:  cannot read protected relation public.orders without a purpose'
want 1 '^1\|1\|lantern$'
want 0 'hanger'
want 1 '^[0-9]+\|[a-z]+\|recommendations\|orders\|ended\|SELECT \* FROM orders$'
want 1 '"relation": "public.orders"'
# status() WHERE NOT ok is the last statement and finds nothing
tail -1 "$PZ_WORK/readme.out" | grep -q 'certificate_id' || { echo "status() has something to say"; exit 1; }
echo 'the quick start of README.md ran as written'
