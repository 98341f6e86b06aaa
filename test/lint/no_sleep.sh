#!/bin/bash
# Tests wait for what they wait for (poll_query_until, wait_for_log, advisory
# locks), never for time to go by.  A poll loop may say "lint: poll interval"
# on its line.
. "$(dirname "$0")/lib.sh"

wrong_lines < <(grep -rnIE 'pg_sleep|\busleep\b|\bnanosleep\b|(^|[;&|({[:space:]])sleep[[:space:]]*[(0-9$"]|select[[:space:]]*\([[:space:]]*undef' \
	test expected --include='*' 2>/dev/null | grep -v '^test/lint/' | grep -v 'lint: poll interval')
verdict
