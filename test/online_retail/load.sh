#!/bin/bash
# Loads the UCI "Online Retail" data set as a shop whose orders are protected,
# and answers "customers who bought this also bought" for those who agreed.
#
#	load.sh [--plain] [--key-offset N] CSV|generated [psql arguments]
#
# CSV is the path of the file as CSV, plain or .xz; "generated" makes a few
# thousand lines of the same shape instead.  The arguments of psql, and the PG
# variables of the environment, say where to: a database without a schema
# "retail", as a superuser.  --plain keeps unprotected copies in a schema
# "plain", for check.sh.  --key-offset adds N to the numbers of customers.

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd) || exit 1
PLAIN=
KEY_OFFSET=0

usage()
{
	sed -n '2,/^$/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
	exit 2
}

while :; do
	case $1 in
		--plain) PLAIN=1; shift ;;
		--key-offset) KEY_OFFSET=$2; shift 2 ;;
		-*) usage ;;
		*) break ;;
	esac
done
[ $# -ge 1 ] || usage
CSV=$1
shift
PSQL=(psql -X -q -v ON_ERROR_STOP=1 -v VERBOSITY=default -v key_offset="$KEY_OFFSET" -P footer=off "$@")

now() { date +%s%N; }

# $1: what to call it, $2: the script; standard input is passed on
step()
{
	local from to

	from=$(now)
	"${PSQL[@]}" -f "$HERE/$2" || { echo "load.sh: $2 failed" >&2; exit 1; }
	to=$(now)
	printf '%-45s %9d ms\n' "$1" $(((to - from) / 1000000))
}

quietly() { step "$@" >"$OUT" || { cat "$OUT"; exit 1; }; tail -n 1 "$OUT"; }

OUT=$(mktemp) || exit 1
trap 'rm -f "$OUT"' EXIT

quietly 'roles' roles.sql </dev/null
quietly 'tables' schema.sql </dev/null
case $CSV in
	generated) quietly 'lines, generated' generate.sql </dev/null ;;
	*.xz) quietly 'lines, from the file' copy.sql < <(xz -dc -- "$CSV") ;;
	*) quietly 'lines, from the file' copy.sql <"$CSV" ;;
esac
quietly 'customers, products, orders, order lines' fill.sql </dev/null
[ -z "$PLAIN" ] || quietly 'unprotected copies' plain.sql </dev/null
quietly 'what the customers say' answers.sql </dev/null
quietly 'purposes and protection' protect.sql </dev/null
quietly 'record it: record_consents()' consent.sql </dev/null
echo
step 'customers who bought it also bought' also_bought.sql </dev/null
