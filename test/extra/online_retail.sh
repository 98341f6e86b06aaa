#!/bin/bash
# The shop of test/online_retail: what the filter lets through, what the record
# of use says and what an erasure leaves, compared with an oracle.  On generated
# lines always; on the real ones where ONLINE_RETAIL_CSV names the file (CSV or
# .xz; test/run.sh looks for it beside the tree as shared/data/online_retail.csv.xz).
# For test/run.sh; elsewhere set PGBIN to the programs of a PostgreSQL that has
# the extension installed.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd) || exit 1
OWN_WORK=''
FAILED=0

finish()
{
	local status=$?

	trap - EXIT
	if [ -n "${PZ_DATA:-}" ]; then
		pz_cluster_stop
	fi
	if [ -n "$OWN_WORK" ]; then
		rm -rf "$OWN_WORK"
	fi
	exit $status
}

. "$ROOT/test/lib/bootstrap.sh"
. "$ROOT/test/lib/cluster.sh"

if [ -z "${PGBIN:-}" ] || ! [ -x "$PGBIN/postgres" ]; then
	echo 'PGBIN does not name the programs of a PostgreSQL'
	exit 77
fi
pz_find_user || exit 1
if [ -z "${PZ_WORK:-}" ]; then
	OWN_WORK=$(mktemp -d /tmp/pz.XXXXXX) || exit 1
	PZ_WORK=$OWN_WORK
	PZ_TMP=$OWN_WORK/tmp
	mkdir "$PZ_TMP" || exit 1
	export PZ_TMP
	if [ "$(id -u)" = 0 ]; then
		chown -R "$PZ_USER:" "$OWN_WORK" || exit 1
	fi
	chmod 0755 "$OWN_WORK"
fi
PZ_TREE=${PZ_TREE:-$ROOT}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

pz_cluster_start online_retail || exit 1

# $1: database, $2: the file or "generated"
check_one()
{
	local database=$1 status

	pz_client createdb "$database" || return 1
	export PZ_DATABASE=$database
	printf '== %s: loading\n' "$database"
	pz_client "$PZ_TREE/test/online_retail/load.sh" --plain --key-offset 900000000 "$2" || return 1
	printf '== %s: checking\n' "$database"
	pz_client "$PZ_TREE/test/online_retail/check.sh" >"$PZ_TMP/check_$database.log" 2>&1
	status=$?
	if [ $status = 0 ]; then
		tail -n 1 "$PZ_TMP/check_$database.log"
	else
		grep -v '^ok ' "$PZ_TMP/check_$database.log"
	fi
	return $status
}

check_one generated generated || FAILED=1

CSV=${ONLINE_RETAIL_CSV:-}
if [ -z "$CSV" ]; then
	echo 'the real lines were not loaded: ONLINE_RETAIL_CSV does not name the file'
elif ! [ -r "$CSV" ]; then
	echo "ONLINE_RETAIL_CSV: cannot read $CSV"
	FAILED=1
else
	check_one real "$CSV" || FAILED=1
fi
exit $FAILED
