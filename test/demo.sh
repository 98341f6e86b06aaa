#!/bin/bash
# The demonstration: make demo.
#
# Installs missing packages, builds the extension, starts a private server with
# it and runs test/demo/*.sql there in the order of their names, in a database
# "demo".  A file stops at its first error; where it wants to show one it says
# "\set ON_ERROR_STOP off".  Server and files are removed afterwards.
#
# Environment:
#	PG_CONFIG		the PostgreSQL to use
#	DEMO_SHELL=1	opens psql on the demo's database before cleaning up
#	DEMO_REPORT		where the report of the last step is put
#					(test_output/demo_report.html, or below /tmp)

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd) || exit 1

. "$ROOT/test/lib/bootstrap.sh"
. "$ROOT/test/lib/workdir.sh"
. "$ROOT/test/lib/cluster.sh"

finish()
{
	local status=$?

	trap - EXIT
	trap '' INT TERM HUP
	jobs -p | while read -r pid; do
		kill -TERM -- "-$pid" 2>/dev/null
	done
	pz_bootstrap_cleanup
	pz_workdir_remove
	exit $status
}

trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

shopt -s nullglob
FILES=("$ROOT"/test/demo/*.sql)
if [ ${#FILES[@]} = 0 ]; then
	pz_complain 'there is nothing in test/demo to show'
	exit 1
fi

pz_bootstrap || exit 1
pz_workdir_make "$ROOT" || exit 1
cd "$PZ_TREE" || exit 1
pz_say "building for $PZ_PGVERSION"
pz_private_prefix && pz_workdir_install || exit 1
pz_say "starting a private server in $PZ_WORK, as $PZ_USER"
pz_cluster_start || exit 1
pz_client createdb demo || exit 1
export PZ_DATABASE=demo

for file in "${FILES[@]}"; do
	name=$(basename "$file")
	printf '\n== %s\n' "$name"
	set -m
	pz_client psql -X -q -v ON_ERROR_STOP=1 -f "test/demo/$name" </dev/null 2>&1 &
	set +m
	if ! wait $!; then
		pz_complain "$name ended with an error; the server's log ends with:"
		tail -n 20 "$PZ_SERVER_LOG" >&2
		exit 1
	fi
done
if [ -s "$PZ_TREE/report.html" ]; then
	report=${DEMO_REPORT:-}
	if [ -z "$report" ] && mkdir -p "$ROOT/test_output" 2>/dev/null && [ -w "$ROOT/test_output" ]; then
		report=$ROOT/test_output/demo_report.html
	fi
	report=${report:-$(mktemp /tmp/personalize_report.XXXXXX.html)}
	# there is nobody's data in it, and root may be asked by somebody else
	cat "$PZ_TREE/report.html" >"$report" && chmod a+r "$report" || exit 1
	printf '\nThe report is in %s; open it in a browser.\n' "$report"
fi
if [ -n "${DEMO_SHELL:-}" ]; then
	pz_client psql -X
fi
printf '\n== demo complete; removing the server\n'
exit 0
