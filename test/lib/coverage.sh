# shellcheck shell=bash
# Sourced by test/run.sh when PZ_COVERAGE is set and the library was built with
# COPT=--coverage.
#
#	pz_coverage DIRECTORY	what of src/*.c ran: a table, and in DIRECTORY the
#							lines of each file that did not

pz_coverage()
{
	local to=$1 dir=$PZ_TMP/gcov

	mkdir -p "$dir" "$to" || return 1
	chmod a+rwx "$dir"
	(cd "$PZ_TREE" && pz_as_user sh -c 'for f in src/*.c; do gcov -b -c -p -o src "$f" 2>/dev/null; done; mv ./*.gcov "$0"' "$dir") |
		awk -v dir="$dir" '
			/^File / {file = $2; gsub(/\047/, "", file); ours = file ~ /^src\/.*\.c$/}
			ours && /^Lines executed:/ {split($0, a, /[:% ]+/); lines[file] = a[3] + 0; n[file] = $NF + 0}
			ours && /^Taken at least once:/ {split($0, a, /[:% ]+/); taken[file] = a[5] + 0; m[file] = $NF + 0}
			END {
				for (f in n) {
					printf "%-32s lines %6.1f %% of %5d, branches %6.1f %% of %5d\n", f, lines[f], n[f], taken[f], m[f] | "sort"
					all += n[f]; ran += n[f] * lines[f] / 100; alltaken += m[f]; ranof += m[f] * taken[f] / 100
				}
				close("sort")
				if (all > 0 && alltaken > 0)
					printf "%-32s lines %6.1f %% of %5d, branches %6.1f %% of %5d\n", "all", ran * 100 / all, all, ranof * 100 / alltaken, alltaken
			}' | tee "$to/table.txt"
	grep -H -E '^ *#####:' "$dir"/src#*.c.gcov 2>/dev/null | sed -E 's/^.*src#([^:]*)\.gcov: *#####: *([0-9]+):/src\/\1:\2:/' >"$to/lines_that_did_not_run.txt"
	printf '%s lines did not run: %s\n' "$(wc -l <"$to/lines_that_did_not_run.txt")" "$to/lines_that_did_not_run.txt"
}
