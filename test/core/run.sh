#!/bin/bash
# PostgreSQL's own suites see no difference with the library loaded.
#
#	PG_SOURCE=/path/to/postgresql-15.18 test/core/run.sh [regress] [isolation]
#
# Runs PostgreSQL's regression tests (parallel_schedule) and isolation tests
# (isolation_schedule) on private throwaway servers:
#
#	plain		without the library
#	created		with the library preloaded and the extension created, in
#				template1 and in the tests' database; nothing is protected
#	preloaded	with the library preloaded only
#
# and compares with plain: verdict and output of every test.  A test that fails
# everywhere in the same way is no difference.  What a test says of the objects
# in its database may name those of the extension; such differences are in
# test/core/known/SUITE_TEST.VARIANT.MAJOR and pass while they stay as they are.
#
# Not part of "make test": it needs the source of exactly the version under
# test, from which it takes the tests and builds their modules.  Nothing is
# written there.  The last line is "N passed, N failed", a test of a variant
# being one; the exit status is 0 only if there was no difference.  Outputs are
# kept in test_output/core/ of this tree if there was one, or with KEEP=1.
#
# Environment:
#	PG_CONFIG	the PostgreSQL to test with
#	PG_SOURCE	its unpacked source, configured or not
#	VARIANTS	those to compare with plain: "created preloaded"
#	CORE_LIMIT	seconds that one suite of a variant may take: 3600
#	CORE_LOAD	tests of a parallel group to run at once: 20
#	ACCEPT=1	take the differences found as known
#	KEEP=1		keep the outputs although nothing differs

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd) || exit 1
VARIANTS=${VARIANTS:-created preloaded}

. "$ROOT/test/lib/runner.sh"

give_up()
{
	pz_complain "$*"
	exit 1
}

# The tests of suite $1, copied to where the tests' user may read and write.
core_copy()
{
	local from=$PG_SOURCE/src/test/$1 to=$PZ_WORK/core/$1 part

	mkdir -p "$to" || return 1
	for part in sql expected data specs resultmap parallel_schedule isolation_schedule; do
		[ ! -e "$from/$part" ] || cp -rL "$from/$part" "$to/" || return 1
	done
}

# Builds the modules that the regression tests load for the PostgreSQL under test.
core_modules()
{
	local dir=$PZ_WORK/core/modules

	mkdir -p "$dir" || return 1
	cp "$PG_SOURCE/src/test/regress/regress.c" "$PG_SOURCE/contrib/spi/refint.c" \
		"$PG_SOURCE/contrib/spi/autoinc.c" "$dir/" || return 1
	cat >"$dir/Makefile" <<-'EOF'
		MODULES = regress refint autoinc
		PG_CPPFLAGS = -DREFINT_VERBOSE
		override with_llvm := no
		PGXS := $(shell $(PG_CONFIG) --pgxs)
		include $(PGXS)
	EOF
	if [ "$(id -u)" = 0 ]; then
		chown -R "$PZ_USER:" "$PZ_WORK/core" || return 1
	fi
	run pz_as_user make -s -C "$dir" PG_CONFIG="$PG_CONFIG" all >"$PZ_TMP/modules.log" 2>&1 || {
		cat "$PZ_TMP/modules.log"
		return 1
	}
}

# The tests that suite $1 consists of, in their order.
core_tests()
{
	sed -n 's/^test: *//p' "$PZ_WORK/core/$1"/*_schedule | tr -s ' ' '\n'
	# these are not in the schedule, because a server must allow them
	[ "$1" != isolation ] || printf '%s\n' prepared-transactions prepared-transactions-cic
}

# Makes and starts a server for variant $2 of suite $1: sets DIR.
core_server()
{
	local variant=$2

	DIR=$PZ_WORK/$1.$variant
	pz_as_user mkdir -p "$DIR/s" "$DIR/out" || return 1
	pz_as_user "$PGBIN/initdb" -D "$DIR/data" -U postgres -A trust -N --encoding=UTF8 --no-locale \
		>"$PZ_TMP/initdb.log" 2>&1 || { cat "$PZ_TMP/initdb.log"; return 1; }
	{
		# as pg_regress sets up a server of its own
		echo 'log_autovacuum_min_duration = 0'
		echo 'log_checkpoints = on'
		echo "log_line_prefix = '%m %b[%p] %e %q%a '"
		echo 'log_lock_waits = on'
		echo 'log_temp_files = 128kB'
		echo 'max_prepared_transactions = 10'
		# The library asks for query identifiers, as pg_stat_statements does;
		# this keeps EXPLAIN VERBOSE from showing them, here as in plain.
		echo 'compute_query_id = regress'
		echo "listen_addresses = ''"
		echo "unix_socket_directories = '$DIR/s'"
		echo 'port = 5432'
		echo 'fsync = off'
		[ "$variant" = plain ] || echo "shared_preload_libraries = 'personalize'"
	} >"$PZ_TMP/core.conf"
	pz_as_user sh -c 'cat "$1" >>"$2"' sh "$PZ_TMP/core.conf" "$DIR/data/postgresql.conf" || return 1
	if ! pz_as_user "$PGBIN/pg_ctl" -D "$DIR/data" -l "$DIR/server.log" -w -t 60 start >"$PZ_TMP/start.log" 2>&1; then
		cat "$PZ_TMP/start.log" "$DIR/server.log" 2>/dev/null
		return 1
	fi
	[ "$variant" != created ] || pz_as_user "$PGBIN/psql" -X -q -v ON_ERROR_STOP=1 -h "$DIR/s" -p 5432 -U postgres \
		-d template1 -c 'CREATE EXTENSION personalize'
}

# Runs a command as the tests' user in directory $1.
core_in()
{
	cd "$1" || return 1
	shift
	pz_as_user "$@"
}

# Runs suite $1 as variant $2; leaves in DIR out/, verdicts and server.log.
core_run()
{
	local suite=$1 variant=$2 in=$PZ_WORK/core/$1 tests status ok notok start=$SECONDS
	local -a command

	core_server "$suite" "$variant" || { fail "$suite $variant: no server"; return 1; }
	tests=$(dirname "$("$PG_CONFIG" --pgxs)")/../test
	if [ "$suite" = regress ]; then
		command=("$tests/regress/pg_regress" --dlpath="$PZ_WORK/core/modules" --schedule="$in/parallel_schedule"
			--max-concurrent-tests="${CORE_LOAD:-20}")
	else
		command=("$tests/isolation/pg_isolation_regress" --schedule="$in/isolation_schedule")
	fi
	command+=(--inputdir="$in" --outputdir="$DIR/out" --bindir="$PGBIN" --host="$DIR/s" --port=5432 --user=postgres)
	# its database is made from template0
	[ "$variant" != created ] || command+=(--load-extension=personalize)
	[ "$suite" != isolation ] || command+=(prepared-transactions prepared-transactions-cic)
	run core_in "$DIR/out" timeout --foreground "${CORE_LIMIT:-3600}" "${command[@]}" >"$DIR/runner.log" 2>&1
	status=$?
	# 15 prints "test NAME ... ok", or "NAME ... ok" in a group, later ones "ok 1 + NAME"
	sed -nE -e 's/^(test)? +([^ ]+) +\.\.\. +ok .*/\2 ok/p' -e 's/^(test)? +([^ ]+) +\.\.\. +(FAILED|failed).*/\2 failed/p' \
		-e 's/^ok [0-9]+ +[-+] +([^ ]+) .*/\1 ok/p' -e 's/^not ok [0-9]+ +[-+] +([^ ]+) .*/\1 failed/p' \
		"$DIR/runner.log" >"$DIR/verdicts"
	ok=$(grep -c ' ok$' "$DIR/verdicts")
	notok=$(grep -c ' failed$' "$DIR/verdicts")
	printf '%-12s %-12s %6d %6d %6d %8d\n' "$suite" "$variant" $((ok + notok)) "$ok" "$notok" $((SECONDS - start))
	if [ $((ok + notok)) = 0 ] || { [ $status != 0 ] && [ "$notok" = 0 ]; }; then
		tail -n 20 "$DIR/runner.log"
		fail "$suite $variant: the runner did not get to its end (exit status $status)"
	fi
	if grep -E 'PANIC:|TRAP:|terminated by signal' "$DIR/server.log"; then
		fail "$suite $variant: the server crashed (see above)"
	fi
	pz_as_user "$PGBIN/pg_ctl" -D "$DIR/data" -m fast -w -t 60 stop >/dev/null 2>&1 ||
		fail "$suite $variant: the server did not stop"
	rm -rf "$DIR/data"
}

# What pg_regress says is different in test $2 of directory $1, without paths and times.
core_diffs()
{
	[ -e "$1/out/regression.diffs" ] || return 0
	awk -v name="$2.out" '
		/^diff / { n = split($NF, path, "/"); on = (path[n] == name); next }
		/^(---|\+\+\+) \// { next }
		on' "$1/out/regression.diffs"
}

# The lines of difference $1, without numbers that change from run to run.
core_lines()
{
	grep '^[-+]' "$1" | grep -Ev '^(---|\+\+\+) (plain|created|preloaded)$' | sed -E 's/[0-9]{4,}/N/g; s/ +$//'
}

# Internal errors of a server, and what the library itself had to say there.
core_log()
{
	sed -nE 's/^.*\] XX[0-9]{3} .*(ERROR|FATAL|PANIC): +/\1: /p' "$1/server.log" |
		sed -E 's/[0-9]+/N/g' | sort -u
	grep -E '(WARNING|ERROR): .*personalize' "$1/server.log" |
		sed -E 's/^.*(WARNING|ERROR):/\1:/; s/[0-9]+/N/g' | sort -u
}

# Compares variant $2 of suite $1 with plain.
core_compare()
{
	local suite=$1 variant=$2 plain=$PZ_WORK/$1.plain other=$PZ_WORK/$1.$2 name was is known diff=$PZ_TMP/diff

	while read -r name; do
		was=$(sed -n "s/^$name //p" "$plain/verdicts")
		is=$(sed -n "s/^$name //p" "$other/verdicts")
		if [ "${was:-not run}" = "${is:-not run}" ] && cmp -s "$plain/out/results/$name.out" "$other/out/results/$name.out"; then
			pass
			continue
		fi
		if [ "$was" = ok ] && [ "$is" = ok ]; then
			printf 'note: %s %s %s: passed with another of its expected outputs\n' "$suite" "$variant" "$name"
			pass
			continue
		fi
		diff -U2 --label plain --label "$variant" "$plain/out/results/$name.out" "$other/out/results/$name.out" >"$diff"
		if [ "$was" = failed ] && [ "$is" = failed ] && [ "$(core_diffs "$plain" "$name")" = "$(core_diffs "$other" "$name")" ]; then
			pass
			continue
		fi
		known=$ROOT/test/core/known/${suite}_$name.$variant.$PZ_MAJOR
		if [ -n "${ACCEPT:-}" ]; then
			mkdir -p "$(dirname "$known")"
			core_lines "$diff" >"$known"
		fi
		if [ -e "$known" ] && [ -n "$is" ] && core_lines "$diff" | cmp -s - "$known"; then
			printf 'note: %s %s %s: differs as known\n' "$suite" "$variant" "$name"
			pass
			continue
		fi
		fail "$suite $variant $name: ${was:-not run} without, ${is:-not run} with the library"
		head -n 200 "$diff"
	done < <(core_tests "$suite")
	core_log "$plain" >"$PZ_TMP/log.plain"
	core_log "$other" >"$PZ_TMP/log.other"
	comm -13 "$PZ_TMP/log.plain" "$PZ_TMP/log.other" | sed "s/^/note: $suite $variant, only in this server's log: /"
}

SUITES=("$@")
[ $# != 0 ] || SUITES=(regress isolation)
for suite in "${SUITES[@]}"; do
	case $suite in
		regress | isolation) ;;
		*)
			echo "usage: PG_SOURCE=... $0 [regress] [isolation]" >&2
			exit 2
			;;
	esac
done

pz_bootstrap || exit 1
[ -n "${PG_SOURCE:-}" ] || give_up 'set PG_SOURCE to the source of the PostgreSQL under test'
PG_SOURCE=$(cd "$PG_SOURCE" && pwd) || exit 1
SOURCE_VERSION=$(sed -n "s/^PACKAGE_VERSION='\(.*\)'$/\1/p" "$PG_SOURCE/configure" 2>/dev/null)
case "$PZ_PGVERSION " in
	"PostgreSQL $SOURCE_VERSION "*) ;;
	*) give_up "$PG_SOURCE is PostgreSQL \"$SOURCE_VERSION\", $PG_CONFIG is $PZ_PGVERSION" ;;
esac
PZ_MAJOR=${SOURCE_VERSION%%[!0-9]*}
pz_workdir_make "$ROOT" || exit 1
cd "$PZ_TREE" || exit 1
STARTED=1
rm -rf "$ROOT/test_output/core" 2>/dev/null
pz_say "$PZ_PGVERSION, servers run as $PZ_USER, working in $PZ_WORK"
pz_private_prefix && run pz_workdir_install || give_up 'cannot build'
mkdir "$PZ_WORK/core" || exit 1
for suite in "${SUITES[@]}"; do
	core_copy "$suite" || give_up "no $suite tests in $PG_SOURCE"
done
core_modules || give_up "cannot build the regression tests' modules"

printf '%-12s %-12s %6s %6s %6s %8s\n' suite variant tests ok failed seconds
for suite in "${SUITES[@]}"; do
	for variant in plain $VARIANTS; do
		core_run "$suite" "$variant"
	done
done
for suite in "${SUITES[@]}"; do
	for variant in $VARIANTS; do
		pz_say "$suite: $variant against plain"
		core_compare "$suite" "$variant"
	done
done
if [ "$FAILED" != 0 ] || [ -n "${KEEP:-}" ]; then
	for suite in "${SUITES[@]}"; do
		for variant in plain $VARIANTS; do
			mkdir -p "$ROOT/test_output/core" &&
				cp -r --no-preserve=ownership "$PZ_WORK/$suite.$variant" "$ROOT/test_output/core/" 2>/dev/null
		done
	done
fi
exit 0
