#!/bin/bash
# Every expected output belongs to a test; NAME_1.out is an alternative of
# NAME.out.
. "$(dirname "$0")/lib.sh"

has_test() { [ -f "test/sql/$1.sql" ] || [ -f "test/specs/$1.spec" ]; }

for file in expected/*; do
	name=$(basename "$file" .out)
	case $file in
		*.out) ;;
		*)
			wrong "$file: is not an expected output"
			continue
			;;
	esac
	has_test "$name" && continue
	case $name in
		*_[0-9]) has_test "${name%_?}" && [ -f "expected/${name%_?}.out" ] && continue ;;
	esac
	wrong "$file: belongs to no test"
done
verdict
