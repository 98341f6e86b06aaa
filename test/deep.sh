#!/bin/bash
# What is too slow for every run of the tests: make check-deep.
#
#	test/deep.sh [generic] [parallel] [discard] [undefined] [fuzz] [static] [coverage]
#
# Without arguments all of them.
#
#	generic		all prepared plans are generic
#	parallel	plans are parallel wherever they may be (debug_parallel_query)
#	discard		caches are emptied at every chance (debug_discard_caches);
#				wants a PostgreSQL with assertions, and hours
#	undefined	the C code under the sanitizer of undefined behaviour: any stops
#				the server
#	fuzz		messages of the audit, by libFuzzer, for FUZZ_SECONDS (120)
#	static		clang-tidy and cppcheck, whichever is there
#	coverage	lines and branches that the tests run; what they do not is in
#				test_output/coverage/
#
# PG_CONFIG and TESTS are those of test/run.sh.  The last line is
# "N passed, N failed"; what cannot be done here is said, and is no failure.

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
. test/lib/bootstrap.sh
passed=0
failed=0
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
# regress NAME SETTINGS [VARIABLE=VALUE...]: the suites under other settings
suites()
{
	local name=$1 settings=$2
	shift 2

	pz_say "$name"
	sum < <(env PZ_SETTINGS="$settings" "$@" test/run.sh build regress isolation 2>&1)
}
parallel_setting()
{
	if [ "$("$(pz_pg_config)" --version | sed 's/^PostgreSQL \([0-9]*\).*/\1/')" -ge 16 ]; then
		echo 'debug_parallel_query = regress'
	else
		echo 'force_parallel_mode = regress'
	fi
}

steps=("$@")
[ $# != 0 ] || steps=(generic parallel discard undefined fuzz static coverage)
for step in "${steps[@]}"; do
	case $step in
		generic)
			suites 'all plans are generic' 'plan_cache_mode = force_generic_plan'
			;;
		parallel)
			suites 'plans are parallel wherever they may be' "$(parallel_setting)"
			;;
		discard)
			if strings "$("$(pz_pg_config)" --bindir)/postgres" | grep -q '^ExceptionalCondition'; then
				suites 'caches are emptied at every chance' 'debug_discard_caches = 1'
			else
				pz_say 'discard: left out, this PostgreSQL has no assertions'
			fi
			;;
		undefined)
			suites 'undefined behaviour stops the server' '' COPT='-fsanitize=undefined -fno-sanitize=alignment -fno-sanitize-recover=undefined'
			;;
		fuzz)
			pz_say 'fuzz'
			if command -v clang >/dev/null && echo 'int LLVMFuzzerTestOneInput(const char *d, long n) {return 0;}' | clang -x c -fsanitize=fuzzer,address - -o /dev/null 2>/dev/null; then
				work=$(mktemp -d)
				config=$(pz_pg_config)
				lib=$(dirname "$(find "$("$config" --libdir)" "$("$config" --pkglibdir)" -name libpgcommon.a | head -n 1)")
				clang -g -O1 -w -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -I "$("$config" --includedir-server)" -I src -o "$work/messages" \
					test/fuzz/messages.c src/audit_msg.c "$lib/libpgcommon.a" "$lib/libpgport.a" \
					"-l:$(ldconfig -p | sed -n 's/^\s*\(libcrypto\.so\.[0-9.]*\) .*/\1/p' | head -n 1)" -lm 2>"$work/log" || cat "$work/log"
				mkdir "$work/corpus"
				if "$work/messages" -max_total_time="${FUZZ_SECONDS:-120}" -max_len=8192 -print_final_stats=1 "$work/corpus" >"$work/log" 2>&1; then
					passed=$((passed + 1))
					grep -E 'number_of_executed_units|new_units_added' "$work/log"
				else
					failed=$((failed + 1))
					tail -n 40 "$work/log"
				fi
				rm -rf "$work"
			else
				pz_say 'fuzz: left out, there is no clang with its libFuzzer'
			fi
			;;
		static)
			pz_say 'static analysis'
			if command -v cppcheck >/dev/null; then
				if cppcheck --quiet --std=c99 --error-exitcode=1 --inline-suppr --enable=warning,portability --suppress=missingInclude \
					--suppress=unknownMacro --suppress=preprocessorErrorDirective \
					--suppress=nullPointer:src/consent_dict.c --suppress=negativeIndex src 2>/tmp/cppcheck.$$; then
					passed=$((passed + 1))
				else
					failed=$((failed + 1))
					head -n 60 /tmp/cppcheck.$$
				fi
				rm -f /tmp/cppcheck.$$
			else
				pz_say 'static: there is no cppcheck'
			fi
			if command -v clang-tidy >/dev/null; then
				found=$(clang-tidy --quiet --checks='-*,clang-analyzer-*,-clang-analyzer-security.insecureAPI.*,-clang-analyzer-deadcode.DeadStores,bugprone-sizeof-expression,bugprone-misplaced-widening-cast,bugprone-suspicious-memset-usage' \
					src/*.c -- -I "$("$(pz_pg_config)" --includedir-server)" -D_GNU_SOURCE -DPZ_VERSION='""' 2>/dev/null | grep -E '^/.*src/.*(warning|error):' | sort -u |
					sed "s,^$PWD/,," | while IFS= read -r line; do
						# file, then what in brackets: what was looked at and is right is in tidy_known.txt
						grep -qF "${line%%:*} $(printf '%s' "$line" | sed 's/.*\[\(.*\)\]$/\1/')" test/lib/tidy_known.txt || printf '%s\n' "$line"
					done)
				if [ -z "$found" ]; then
					passed=$((passed + 1))
				else
					failed=$((failed + 1))
					printf '%s\n' "$found"
				fi
			else
				pz_say 'static: there is no clang-tidy'
			fi
			;;
		coverage)
			pz_say 'coverage'
			sum < <(env COPT='--coverage -O1' PZ_COVERAGE=1 test/run.sh build regress isolation tap 2>&1)
			;;
		*)
			sed -n '2,/^$/p' "$0" | sed 's/^# \{0,1\}//' >&2
			exit 2
			;;
	esac
done
printf '%d passed, %d failed\n' $passed $failed
[ $failed = 0 ]
