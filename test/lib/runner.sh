# The frame of a program that counts tests: PASSED and FAILED by pass and fail,
# the last line "N passed, N failed" however it ends, and run for what takes
# long.  To be sourced first, with ROOT set; set STARTED=1 once the tests begin:
# a program that counted nothing has failed.

PASSED=0
FAILED=0
STARTED=''
CHILD=''

. "$ROOT/test/lib/bootstrap.sh"
. "$ROOT/test/lib/workdir.sh"

finish()
{
	trap - EXIT
	trap '' INT TERM HUP
	# a signal may have come while the output went to a log
	exec >&3 2>&4
	if [ -n "$CHILD" ]; then
		kill -TERM -- "-$CHILD" 2>/dev/null
	fi
	pz_bootstrap_cleanup
	pz_workdir_remove
	if [ -z "$STARTED" ] || [ $((PASSED + FAILED)) = 0 ]; then
		FAILED=$((FAILED + 1))
	fi
	printf '\n%d passed, %d failed\n' "$PASSED" "$FAILED"
	[ "$FAILED" = 0 ]
	exit $?
}

interrupted()
{
	exec >&3 2>&4
	echo
	fail 'interrupted'
	finish
}

exec 3>&1 4>&2
trap finish EXIT
trap interrupted INT TERM HUP

# In the background and waited for, so that a signal to us is served at once;
# in a process group of its own, so that all of it can be stopped.
run()
{
	local status

	set -m
	"$@" </dev/null 3>&- 4>&- &
	CHILD=$!
	set +m
	wait "$CHILD"
	status=$?
	CHILD=''
	return $status
}

pass() { PASSED=$((PASSED + 1)); }
fail() { FAILED=$((FAILED + 1)); printf 'FAILED: %s\n' "$*"; }
