#!/bin/bash
# Every test file is run by "make test", has the name it must have and, where
# it needs one, an expected output.
. "$(dirname "$0")/lib.sh"

listed=$(make -s --no-print-directory list-tests 2>/dev/null | sort)
is_listed() { printf '%s\n' "$listed" | grep -qxF "$1"; }

while IFS= read -r file; do
	name=$(basename "${file%.*}")
	case $file in
		test/sql/*/* | test/specs/*/* | test/t/*/*) wrong "$file: tests lie in the directory itself, not below it" ;;
		test/sql/*.sql)
			is_listed "regress/$name" || wrong "$file: is not in REGRESS"
			[ -f "expected/$name.out" ] || wrong "$file: has no expected/$name.out"
			[ ! -e "sql/$name.sql" ] || wrong "$file: pg_regress would run sql/$name.sql instead"
			case $name in
				isolation_*) wrong "$file: names with isolation_ are those of specs" ;;
			esac
			;;
		test/specs/*.spec)
			is_listed "isolation/$name" || wrong "$file: is not in ISOLATION"
			[ -f "expected/$name.out" ] || wrong "$file: has no expected/$name.out"
			case $name in
				isolation_*) ;;
				*) wrong "$file: specs are named isolation_*, since expected/ is shared with test/sql" ;;
			esac
			;;
		test/t/*.pl) is_listed "tap/$file" || wrong "$file: is not in PROVE_TESTS" ;;
		test/t/*.pm) ;;
		test/extra/*.sh) [ -x "$file" ] || wrong "$file: is not executable, so it is never run" ;;
		test/extra/*) ;;
		*) wrong "$file: is not a kind of test that is run" ;;
	esac
done < <(find test/sql test/specs test/t test/extra -type f ! -name '.*' ! -name 'README*' 2>/dev/null | sort)
while IFS= read -r entry; do
	case $entry in
		regress/*) [ -f "test/sql/${entry#*/}.sql" ] || wrong "$entry: is run, but there is no such file" ;;
		isolation/*) [ -f "test/specs/${entry#*/}.spec" ] || wrong "$entry: is run, but there is no such file" ;;
	esac
done <<<"$listed"
verdict
