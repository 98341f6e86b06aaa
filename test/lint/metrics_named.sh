#!/bin/bash
# The queries of the exporter and the dashboard have every metric of the view
# personalize.metric_names, and no other.
. "$(dirname "$0")/lib.sh"

named=$(grep -o "^	*('personalize_[a-z_]*'" sql/code/79_metrics.sql | grep -o 'personalize_[a-z_]*' | sort -u)
# a key without indentation is the beginning of a name, the metrics below it its ends
exported=$(awk '/^[a-z_]+:$/ { key = substr($1, 1, length($1) - 1) }
	/^    - [a-z_]+: .usage: GAUGE/ { print key "_" substr($2, 1, length($2) - 1) }' contrib/exporter/queries.yaml | sort -u)
queried=$(grep -o "'personalize_[a-z_]*'" contrib/exporter/queries.yaml | tr -d "'" | sort -u)
drawn=$(grep -o 'personalize_[a-z_]*' contrib/grafana/personalize.json | sort -u)
[ -n "$named" ] || wrong 'sql/code/79_metrics.sql: no metrics were found in it'
for what in exported queried drawn; do
	while IFS= read -r line; do
		case $line in
			'<'*) wrong "${line#< } is not $what" ;;
			'>'*) wrong "${line#> } is $what, but is no metric" ;;
		esac
	done < <(diff <(printf '%s\n' "$named") <(printf '%s\n' "${!what}"))
done
verdict
