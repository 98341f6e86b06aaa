#!/bin/bash
# The version of PostgreSQL is looked at in src/compat.h only.
. "$(dirname "$0")/lib.sh"

wrong_lines < <(grep -nE 'PG_VERSION_NUM|PG_MAJORVERSION' src/*.c src/*.h | grep -v '^src/compat\.h:')
verdict
