#!/bin/bash
# Runs the tests: make test.
#
#	test/run.sh [lint] [build] [regress] [isolation] [tap] [extra] [clients]
#
# Without arguments all of them but clients, which fetches what no Debian has:
# see test/clients/lib.sh.  Installs missing packages, builds and tests
# in a private copy, cleans up after itself.  The last line is always
# "N passed, N failed"; the exit status is 0 only if none failed.  What failed
# leaves its output in test_output/ of this tree.
#
# Environment:
#	PG_CONFIG	the PostgreSQL to test with
#	TESTS		names (patterns) of the regress tests, specs, TAP files,
#				extra scripts or clients to run; 00_install always runs
#	ACCEPT=1	copy what the regress tests and specs printed to expected/
#	KEEP=1		copy results/ to test_output/ although nothing failed
#	PZ_SETTINGS	a line for the configuration of the servers
#	PZ_VALGRIND	the servers run under valgrind, see test/lib/valgrind.sh
#	PZ_COVERAGE	say which lines of the C code ran, see test/lib/coverage.sh

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd) || exit 1
. "$ROOT/test/lib/runner.sh"

save()
{
	local from

	mkdir -p "$ROOT/test_output" 2>/dev/null && [ -w "$ROOT/test_output" ] || return 0
	for from in "$@"; do
		[ -e "$from" ] && cp -rL --no-preserve=ownership "$from" "$ROOT/test_output/" 2>/dev/null
	done
}

selected()
{
	local pattern

	[ -n "${TESTS:-}" ] || return 0
	for pattern in $TESTS; do
		case $1 in
			$pattern) return 0 ;;
		esac
	done
	return 1
}

wanted()
{
	local suite

	[ ${#SUITES[@]} = 0 ] && [ "$1" != clients ] && return 0
	for suite in "${SUITES[@]}"; do
		[ "$suite" = "$1" ] && return 0
	done
	return 1
}

suite_lint()
{
	local log=$PZ_TMP/lint.log ok notok status

	pz_say 'lint'
	run pz_as_user "$PZ_TREE/test/lint/run_all.sh" >"$log" 2>&1
	status=$?
	cat "$log"
	ok=$(grep -c '^ok - ' "$log")
	notok=$(grep -c '^not ok - ' "$log")
	PASSED=$((PASSED + ok))
	FAILED=$((FAILED + notok))
	if [ "$notok" = 0 ] && { [ $status != 0 ] || [ "$ok" = 0 ]; }; then
		fail 'lint did not run to its end'
	fi
}

suite_build()
{
	pz_say "build and install for $PZ_PGVERSION (warnings are errors)"
	if pz_private_prefix && run pz_workdir_install WERROR=1; then
		[ -z "${PZ_VALGRIND:-}" ] || { . "$PZ_TREE/test/lib/valgrind.sh" && pz_valgrind_begin; }
		return
	fi
	fail 'build'
	return 1
}

# pg_regress and pg_isolation_regress.  $1: suite, $2: make variable, $3...: tests
suite_regress()
{
	local suite=$1 variable=$2 log=$PZ_TMP/$1.log name ok=0 notok=0 status
	shift 2
	local -a other=(REGRESS= ISOLATION= TAP_TESTS=)

	if [ $# = 0 ]; then
		pz_say "$suite: no tests"
		return
	fi
	pz_say "$suite: $# tests"
	(cd "$PZ_TREE" && rm -rf results regression.diffs log)
	# the runner gives up at a test without an expected output; let it differ instead
	for name in "$@"; do
		[ -e "$PZ_TREE/expected/$name.out" ] || pz_as_user sh -c '>"$1"' sh "$PZ_TREE/expected/$name.out"
	done
	# the last assignment of a variable on make's command line counts
	run pz_as_user make -s -C "$PZ_TREE" PG_CONFIG="$PG_CONFIG" "${other[@]}" "$variable=$*" installcheck >"$log" 2>&1
	status=$?
	grep -E '^(test |ok |not ok |# .*(abort|crash|timed))' "$log"
	for name in "$@"; do
		# 15 prints "test NAME ... ok", later ones "ok 1 - NAME"
		if grep -Eq "^(test +$name +\.\.\. +ok|ok +[0-9]+ +[-+] +$name) " "$log"; then
			ok=$((ok + 1))
			pass
		else
			notok=$((notok + 1))
			fail "$suite $name"
		fi
	done
	if [ -n "${ACCEPT:-}" ]; then
		for name in "$@"; do
			[ ! -f "$PZ_TREE/results/$name.out" ] || cp --no-preserve=ownership "$PZ_TREE/results/$name.out" "$ROOT/expected/"
		done
		echo "expected/ of this tree now holds what these tests printed: look at the difference"
	fi
	if [ $status != 0 ] && [ $notok = 0 ]; then
		notok=1
		fail "$suite: the runner failed though its tests passed"
	fi
	if [ $notok != 0 ]; then
		if [ -s "$PZ_TREE/regression.diffs" ]; then
			echo "---- $suite: differences"
			head -n 3000 "$PZ_TREE/regression.diffs"
			echo '----'
		elif [ "$ok" = 0 ]; then
			echo "---- $suite: output"
			tail -n 60 "$log"
			find "$PZ_TREE/log" -type f -exec tail -n 40 {} + 2>/dev/null
			echo '----'
		fi
	fi
	if grep -E 'PANIC:|TRAP:|terminated by signal' "$PZ_TREE"/log/* 2>/dev/null; then
		fail "$suite: the server crashed (see above)"
		notok=$((notok + 1))
	fi
	if [ $notok != 0 ] || [ -n "${KEEP:-}" ]; then
		rm -rf "$ROOT/test_output/$suite" 2>/dev/null
		mkdir -p "$PZ_TMP/$suite"
		cp -r "$PZ_TREE/results" "$PZ_TREE/regression.diffs" "$PZ_TREE/log" "$log" "$PZ_TMP/$suite/" 2>/dev/null
		save "$PZ_TMP/$suite"
	fi
}

suite_tap()
{
	local file log name ok notok status

	[ $# != 0 ] || { pz_say 'tap: no tests'; return; }
	pz_say "tap: $# files"
	for file in "$@"; do
		name=$(basename "$file" .pl)
		log=$PZ_TMP/tap_$name.log
		run pz_as_user make -s -C "$PZ_TREE" PG_CONFIG="$PG_CONFIG" REGRESS= ISOLATION= TAP_TESTS=1 \
			PROVE_TESTS="$file" PROVE_FLAGS=-v installcheck >"$log" 2>&1
		status=$?
		ok=$(grep -E '^ok [0-9]+' "$log" | grep -Eivc '# (skip|todo)')
		notok=$(grep -E '^not ok [0-9]+' "$log" | grep -Evc '# TODO')
		if [ "$ok" = 0 ] && [ "$notok" = 0 ] && [ $status = 0 ] &&
			grep -Eq '(^1\.\.0 # SKIP|\.\. *skipped: )' "$log"; then
			printf '%-40s skipped: %s\n' "$name" "$(sed -nE 's/^(1\.\.0 # SKIP|.*\.\. *skipped:) *//p' "$log" | head -n 1)"
			continue
		fi
		PASSED=$((PASSED + ok))
		FAILED=$((FAILED + notok))
		printf '%-40s %d ok, %d not ok\n' "$name" "$ok" "$notok"
		grep -Ei '^ok [0-9]+.*# skip ' "$log" | sed 's/^/    /'
		if [ "$notok" = 0 ] && { [ $status != 0 ] || [ "$ok" = 0 ]; }; then
			fail "tap $name: ended early or ran no tests (exit status $status)"
			notok=1
		fi
		if [ "$notok" != 0 ] || [ -n "${KEEP:-}" ]; then
			if [ "$notok" != 0 ]; then
				echo "---- tap $name: output"
				grep -Ev '^ok [0-9]+' "$log" | tail -n 150
				echo '----'
			fi
			rm -rf "$ROOT/test_output/tap_$name" 2>/dev/null
			mkdir -p "$PZ_TMP/tap_$name"
			cp -r "$PZ_TREE"/tmp_check/log "$log" "$PZ_TMP/tap_$name/" 2>/dev/null
			save "$PZ_TMP/tap_$name"
		fi
	done
}

suite_extra()
{
	local file name log status packages

	[ $# != 0 ] || { pz_say 'extra: no scripts'; return; }
	pz_say "extra: $# scripts"
	. "$PZ_TREE/test/lib/packages.sh"
	for file in "$@"; do
		name=$(basename "$file" .sh)
		log=$PZ_TMP/extra_$name.log
		packages=$(pz_packages_of "$file")
		# without them the script says that it cannot go on, and why
		: >"$log"
		# shellcheck disable=SC2086
		[ -z "$packages" ] || pz_packages $packages >"$log" 2>&1 || true
		run pz_extra "$file" >>"$log" 2>&1
		status=$?
		case $status in
			0)
				pass
				printf '%-40s ok: %s\n' "$name" "$(tail -n 1 "$log")"
				;;
			77)
				printf '%-40s skipped: %s\n' "$name" "$(tail -n 1 "$log")"
				;;
			*)
				printf '%-40s not ok (exit status %d)\n' "$name" "$status"
				fail "extra $name"
				echo "---- extra $name: output"
				tail -n 150 "$log"
				echo '----'
				save "$log"
				;;
		esac
	done
	if [ -n "${ACCEPT:-}" ] && [ -s "$PZ_TMP/objects.md" ]; then
		cp --no-preserve=ownership "$PZ_TMP/objects.md" "$ROOT/docs/objects.md"
	fi
}

# The real order lines, if they lie beside the tree; the tests' user reads a copy.
pz_find_real_lines()
{
	local beside=$ROOT/../shared/data/online_retail.csv.xz

	if [ -z "${ONLINE_RETAIL_CSV:-}" ] && [ -r "$beside" ] && command -v xz >/dev/null; then
		cp "$beside" "$PZ_WORK/online_retail.csv.xz" && chmod a+r "$PZ_WORK/online_retail.csv.xz" || return 0
		ONLINE_RETAIL_CSV=$PZ_WORK/online_retail.csv.xz
	fi
}

pz_extra()
{
	pz_find_real_lines
	(cd "$PZ_TREE" && pz_as_user env PGBIN="$PGBIN" PG_CONFIG="$PG_CONFIG" PATH="$PGBIN:$PATH" \
		PZ_WORK="$PZ_WORK" PZ_TREE="$PZ_TREE" PZ_TMP="$PZ_TMP" PZ_USER="$PZ_USER" PZ_PREFIX="$PZ_PREFIX" \
		ONLINE_RETAIL_CSV="${ONLINE_RETAIL_CSV:-}" "$1")
}

SUITES=("$@")
for suite in "$@"; do
	case $suite in
		lint | build | regress | isolation | tap | extra | clients) ;;
		*)
			echo "usage: $0 [lint] [build] [regress] [isolation] [tap] [extra] [clients]" >&2
			exit 2
			;;
	esac
done

pz_bootstrap || exit 1
pz_workdir_make "$ROOT" || exit 1
cd "$PZ_TREE" || exit 1
STARTED=1
[ -z "${PZ_SETTINGS:-}" ] || printf '%s\n' "$PZ_SETTINGS" >>test/personalize.conf
rm -rf "$ROOT/test_output" 2>/dev/null
pz_say "$PZ_PGVERSION, servers run as $PZ_USER, working in $PZ_WORK"

if wanted lint; then
	suite_lint
fi
if [ ${#SUITES[@]} = 0 ] || [ "${SUITES[*]}" != lint ]; then
	suite_build || exit 1
	REGRESS=()
	ISOLATION=()
	TAP=()
	EXTRA=()
	while IFS=/ read -r suite name; do
		case $suite in
			regress) { [ "$name" = 00_install ] || selected "$name"; } && REGRESS+=("$name") ;;
			isolation) selected "$name" && ISOLATION+=("$name") ;;
			tap) selected "$(basename "$name" .pl)" && TAP+=("$name") ;;
		esac
	done < <(pz_as_user make -s --no-print-directory -C "$PZ_TREE" PG_CONFIG="$PG_CONFIG" list-tests)
	for file in test/extra/*.sh; do
		[ -f "$file" ] && [ -x "$file" ] && selected "$(basename "$file" .sh)" && EXTRA+=("$file")
	done
	if wanted regress; then
		suite_regress regress REGRESS "${REGRESS[@]}"
	fi
	if wanted isolation; then
		suite_regress isolation ISOLATION "${ISOLATION[@]}"
	fi
	if wanted tap; then
		suite_tap "${TAP[@]}"
	fi
	if wanted extra; then
		suite_extra "${EXTRA[@]}"
	fi
	if wanted clients; then
		. "$ROOT/test/clients/lib.sh"
		suite_clients
	fi
	if [ -n "${PZ_VALGRIND:-}" ]; then
		pz_valgrind_report "$ROOT/test_output/valgrind"
		if [ "$PZ_VALGRIND_SEEN" = 0 ] || [ "$PZ_VALGRIND_FOUND" != 0 ]; then
			fail "valgrind: $PZ_VALGRIND_FOUND places in $PZ_VALGRIND_SEEN processes, see test_output/valgrind"
		else
			pass
			pz_say "valgrind: nothing found in $PZ_VALGRIND_SEEN processes"
		fi
	fi
	if [ -n "${PZ_COVERAGE:-}" ]; then
		. "$PZ_TREE/test/lib/coverage.sh"
		pz_coverage "$ROOT/test_output/coverage"
	fi
fi
exit 0
