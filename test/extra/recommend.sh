#!/bin/bash
# Recommendations from order lines with caps, exclusions, an experiment with a
# holdout and outcomes taken from later purchases (test/online_retail/recommend.sql),
# compared with what Python computes from the file alone.  On generated lines
# always; on the real ones where ONLINE_RETAIL_CSV names the file (test/run.sh
# looks for it beside the tree).  Skipped where there is no Python.
. test/lib/bootstrap.sh
. test/lib/cluster.sh
HERE=$PZ_TREE/test/online_retail
if ! python3 -c 'import csv, lzma, sys; assert sys.version_info >= (3, 10)' 2>/dev/null; then
	echo 'there is no python3 (3.10 or later) to compare with'
	exit 77
fi
pz_cluster_start recommend || exit 1
FAILED=0
SAID=''

# recommend DATABASE FILE SPLIT LEAST QUIET: see recommend.sql
recommend()
{
	local out=$PZ_WORK/recommend/$1 status

	pz_client createdb "$1" || return 1
	export PZ_DATABASE=$1
	pz_as_user mkdir -p "$out"
	echo "== $1: loading"
	pz_client "$HERE/load.sh" "$2" >"$PZ_TMP/load_$1.log" 2>&1 || { cat "$PZ_TMP/load_$1.log"; return 1; }
	pz_as_user python3 "$HERE/recommend.py" people "$2" >"$PZ_TMP/people_$1" || return 1
	echo "== $1: recommending, measuring"
	(cd "$out" && pz_client psql -X -q -v ON_ERROR_STOP=1 -v split="$3" -v least="$4" -v cap=5 -v quiet="$5" -f "$HERE/recommend.sql" <"$PZ_TMP/people_$1") || return 1
	echo "== $1: checking"
	pz_as_user python3 "$HERE/recommend.py" check "$2" "$out" "$3" "$4" 5 "$5" >"$PZ_TMP/check_$1.log" 2>&1
	status=$?
	cat "$PZ_TMP/check_$1.log"
	SAID="$SAID${SAID:+; }$1: $(tail -n 1 "$PZ_TMP/check_$1.log")"
	return $status
}

# the generated lines as a file like the real one
generated=$PZ_WORK/recommend/generated.csv
pz_client createdb lines && PZ_DATABASE=lines pz_client psql -X -q -v ON_ERROR_STOP=1 -f "$HERE/roles.sql" -f "$HERE/schema.sql" -f "$HERE/generate.sql" \
	-c "\\copy (SELECT invoice AS \"InvoiceNo\", stock_code AS \"StockCode\", description AS \"Description\", quantity AS \"Quantity\", invoice_date AS \"InvoiceDate\",
	unit_price AS \"UnitPrice\", customer AS \"CustomerID\", country AS \"Country\" FROM retail.arrived ORDER BY line_id) TO '$generated' (FORMAT csv, HEADER)" || exit 1
recommend generated "$generated" 2011-07-01 12 2011-05-01 || FAILED=1

CSV=${ONLINE_RETAIL_CSV:-}
if [ -z "$CSV" ]; then
	SAID="$SAID; the real lines were not looked at: ONLINE_RETAIL_CSV does not name the file"
elif ! [ -r "$CSV" ]; then
	echo "ONLINE_RETAIL_CSV: cannot read $CSV"
	FAILED=1
else
	recommend real "$CSV" 2011-09-01 100 2011-08-01 || FAILED=1
fi
echo "$SAID"
exit $FAILED
