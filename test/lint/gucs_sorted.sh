#!/bin/bash
# The settings in src/guc.c are defined in alphabetic order, once each.
. "$(dirname "$0")/lib.sh"

names=$(tr '\n' ' ' <src/guc.c | grep -oE 'DefineCustom[A-Za-z]+Variable\([[:space:]]*"[^"]*"' | sed 's/.*"\(.*\)"/\1/')
[ -n "$names" ] || wrong 'src/guc.c: no setting found'
sorted=$(printf '%s\n' "$names" | sort -u)
if [ "$names" != "$sorted" ]; then
	wrong 'src/guc.c: settings are not in alphabetic order (< is, > ought to be):'
	wrong_lines < <(diff <(printf '%s\n' "$names") <(printf '%s\n' "$sorted") | grep '^[<>]')
fi
wrong_lines < <(grep -nE 'DefineCustom[A-Za-z]+Variable' src/*.c | grep -v '^src/guc\.c:' |
	sed 's/$/   (settings are defined in guc.c)/')
grep -q 'MarkGUCPrefixReserved' src/guc.c || wrong 'src/guc.c: MarkGUCPrefixReserved is missing'
verdict
