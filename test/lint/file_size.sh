#!/bin/bash
# Warns of files above 700 lines; never fails.
. "$(dirname "$0")/lib.sh"

for file in src/*.[ch] sql/tables/*.sql sql/code/*.sql test/sql/*.sql test/t/*.pl test/lib/*.sh; do
	lines=$(wc -l <"$file")
	if [ "$lines" -gt 700 ]; then
		echo "warning: $file has $lines lines; one concern a file"
	fi
done
exit 0
