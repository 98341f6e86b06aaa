#!/bin/bash
# The architecture in one table: a file of src/ includes files of its own rank
# or a lower one; enforce* and audit* do not know each other.
. "$(dirname "$0")/lib.sh"

rank_of()
{
	case $1 in
		compat | guc | errors | pz | superuser) echo 0 ;;
		shmem | counters | keys | numbers | progress | restore | standby | statistics | worker) echo 1 ;;
		registry | registry_* | purpose | purpose_*) echo 2 ;;
		consent | consent_*) echo 3 ;;
		enforce | enforce_*) echo 4 ;;
		audit | audit_*) echo 5 ;;
		figures | figures_*) echo 4 ;;
		rights | rights_*) echo 6 ;;
		hooks | hooks_* | personalize) echo 7 ;;
	esac
}

for file in src/*.c src/*.h; do
	stem=$(basename "${file%.?}")
	rank=$(rank_of "$stem")
	if [ -z "$rank" ]; then
		wrong "$file: has no rank; add it to the table in test/lint/layers.sh"
		continue
	fi
	while IFS=: read -r line text; do
		header=$(printf '%s' "$text" | sed -E 's/^[^"]*"([^"]*)".*/\1/')
		case $header in
			*/*) continue ;;
		esac
		other=$(basename "$header" .h)
		other_rank=$(rank_of "$other")
		[ -f "src/$header" ] || [ -n "$other_rank" ] || continue
		if [ -z "$other_rank" ]; then
			wrong "$file:$line: \"$header\" has no rank"
			continue
		fi
		case $stem in
			hooks | hooks_* | personalize) continue ;;
		esac
		if [ "$other_rank" -gt "$rank" ]; then
			wrong "$file:$line: includes \"$header\", which is of a higher layer ($other_rank above $rank)"
		fi
		case $stem:$other in
			enforce*:audit* | audit*:enforce*)
				wrong "$file:$line: includes \"$header\": enforcement and audit share PzUse only"
				;;
		esac
	done < <(grep -nE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' "$file")
done
verdict
