# shellcheck shell=bash
# Sourced by scripts of test/extra: one check after the other, all of them.
#
#	want WHAT FOUND EXPECTED	says "ok", or "not ok" with both
#
# FAILED is 1 once one was not ok, OK how many were.

FAILED=0
OK=0

want()
{
	if [ "$2" = "$3" ]; then
		echo "ok - $1"
		OK=$((OK + 1))
	else
		printf 'not ok - %s\nfound:    %s\nexpected: %s\n' "$1" "$2" "$3"
		FAILED=1
	fi
}
