#!/bin/bash
# What is too slow for every run of the tests: make check-deep.
#
#	test/deep.sh [static] [format] [fuzz] [undefined] [generic] [parallel]
#				[valgrind] [discard] [coverage]
#
# Without arguments all of them.
#
#	static		clang-tidy and cppcheck, whichever is there
#	format		pgindent's layout, as far as it is not about comments
#	fuzz		messages of the audit, by libFuzzer, for FUZZ_SECONDS (120)
#	undefined	the C code under the sanitizer of undefined behaviour
#	generic		all prepared plans are generic
#	parallel	plans are parallel wherever they may be (debug_parallel_query)
#	valgrind	memcheck under some of the tests; most precise with a
#				PostgreSQL that was built with USE_VALGRIND
#	discard		caches are emptied at every chance (debug_discard_caches) under
#				test/deep/discard.sql; wants a PostgreSQL with assertions
#	coverage	lines and branches that the tests run; what they do not is in
#				test_output/coverage/
#
# PG_CONFIG and TESTS are those of test/run.sh; valgrind has a choice of tests of
# its own where TESTS is not set, discard runs those that TESTS names.  The last line is "N passed, N failed"; what cannot be
# done here is said, and is no failure.

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
. test/lib/bootstrap.sh
for file in test/deep/*.sh; do
	. "$file"
done
passed=0
failed=0

# Add up the last lines of what is read, which goes on to the output.
sum()
{
	local line

	while IFS= read -r line; do
		if [[ $line =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
			passed=$((passed + BASH_REMATCH[1]))
			failed=$((failed + BASH_REMATCH[2]))
		fi
		printf '%s\n' "$line"
	done
}

# need COMMAND PACKAGE: is there a command?  Where we may, the package is installed.
need()
{
	command -v "$1" >/dev/null && return
	if command -v apt-get >/dev/null; then
		pz_find_root
		pz_apt install --no-install-recommends "$2" >/dev/null 2>&1
	fi
	command -v "$1" >/dev/null && return
	pz_say "left out: there is no $1 (package $2)"
	return 1
}

steps=("$@")
[ $# != 0 ] || steps=(static format fuzz undefined generic parallel valgrind discard coverage)
for step in "${steps[@]}"; do
	if ! declare -F "step_$step" >/dev/null; then
		sed -n '2,/^$/p' "$0" | sed 's/^# \{0,1\}//' >&2
		exit 2
	fi
done
for step in "${steps[@]}"; do
	"step_$step"
done
printf '%d passed, %d failed\n' $passed $failed
[ $failed = 0 ]
