# shellcheck shell=bash
# Sourced by test/deep.sh: what cppcheck and clang-tidy find without running anything.

step_static()
{
	local work line

	pz_say 'static analysis'
	work=$(mktemp -d)
	if need cppcheck cppcheck; then
		if cppcheck --quiet --std=c99 --error-exitcode=1 --inline-suppr --enable=warning,portability --suppress=missingInclude \
			--suppress=unknownMacro --suppress=preprocessorErrorDirective \
			--suppress=nullPointer:src/consent_dict.c --suppress=negativeIndex src 2>"$work/cppcheck"; then
			passed=$((passed + 1))
		else
			failed=$((failed + 1))
			head -n 60 "$work/cppcheck"
		fi
	fi
	if need clang-tidy clang-tidy; then
		clang-tidy --quiet --checks='-*,clang-analyzer-*,-clang-analyzer-security.insecureAPI.*,-clang-analyzer-deadcode.DeadStores,bugprone-sizeof-expression,bugprone-misplaced-widening-cast,bugprone-suspicious-memset-usage' \
			src/*.c -- -I "$("$(pz_pg_config)" --includedir-server)" -D_GNU_SOURCE -DPZ_VERSION='""' >"$work/tidy" 2>"$work/err" ||
			tail -n 5 "$work/err" | sed 's/^/clang-tidy did not run to its end: /' >"$work/found"
		# file, then what in brackets: what was looked at and is right is in tidy_known.txt
		grep -E '^/.*(warning|error):' "$work/tidy" | sort -u | sed "s,^$PWD/,," | while IFS= read -r line; do
			grep -qF "${line%%:*} $(printf '%s' "$line" | sed 's/.*\[\(.*\)\]$/\1/')" test/lib/tidy_known.txt || printf '%s\n' "$line"
		done >>"$work/found"
		if ! [ -s "$work/found" ]; then
			passed=$((passed + 1))
		else
			failed=$((failed + 1))
			cat "$work/found"
		fi
	fi
	rm -rf "$work"
}
