# shellcheck shell=bash
# Sourced by every rule.  A rule prints one line for each thing that is wrong
# (file:line: what) and exits 1 if there was any.

cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
export LC_ALL=C
shopt -s nullglob
WRONG=0

wrong() { printf '%s\n' "$*"; WRONG=1; }

# Lines on stdin, if any, are what is wrong.
wrong_lines()
{
	local line

	while IFS= read -r line; do
		wrong "$line"
	done
}

verdict() { exit $WRONG; }
