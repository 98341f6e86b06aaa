#!/bin/bash
# Runs every rule of this directory: one line "ok - lint NAME" or "not ok -
# lint NAME" each.  A rule that cannot run has failed.

cd "$(dirname "${BASH_SOURCE[0]}")" || exit 1
failed=0
for rule in *.sh; do
	case $rule in
		lib.sh | run_all.sh) continue ;;
	esac
	output=$("./$rule" 2>&1)
	if [ $? = 0 ]; then
		echo "ok - lint ${rule%.sh}"
	else
		echo "not ok - lint ${rule%.sh}"
		failed=1
	fi
	[ -z "$output" ] || printf '%s\n' "$output" | sed 's/^/    /'
done
exit $failed
