#!/bin/bash
# A picture of what work.sh has measured, as SVG, from the file that it wrote.
#
#	test/bench/plot.sh RESULTS [key] [share] >docs/performance.svg
#
# A group of bars for each kind of work, a bar for each way to do it: processor time
# as a multiple of that of the unprotected query, on a logarithmic scale.
awk -v key="${2:-bigint}" -v share="${3:-60}" '
BEGIN {
	split("sum count point join top", works, " ")
	split("plain protected filter rows join exists in plpgsql barrier insert pgaudit", ways, " ")
	title["sum"] = "sum(amount) over the whole table"; title["count"] = "count(*) of the whole table"
	title["point"] = "orders of one person"; title["join"] = "orders of a segment, joined with products"; title["top"] = "newest 100 orders"
	name["plain"] = "unprotected"; name["protected"] = "personalize (filter and record of persons)"; name["filter"] = "unprotected, WHERE id > 0"
	name["rows"] = "unprotected, as many rows as must be looked at"; name["join"] = "explicit join"; name["exists"] = "RLS, EXISTS"
	name["in"] = "RLS, IN"; name["plpgsql"] = "RLS, PL/pgSQL"; name["barrier"] = "security_barrier view"
	name["insert"] = "unprotected, INSERT a statement (no persons)"; name["pgaudit"] = "unprotected, pgaudit (no persons)"
}
$2 == key && $3 == share { ratio[$1, $4] = $5 }
function x_of(r) { return 330 + 90 * (log(r < 0.1 ? 0.1 : r) / log(10) + 1) }
END {
	y = 60
	for (w = 1; w in works; w++) {
		body = body sprintf("<text class=\"h\" x=\"20\" y=\"%d\">%s</text>\n", y, title[works[w]])
		y += 8
		for (v = 1; v in ways; v++) {
			if (!((works[w], ways[v]) in ratio))
				continue
			r = ratio[works[w], ways[v]]
			body = body sprintf("<text x=\"322\" y=\"%d\" text-anchor=\"end\">%s</text><rect class=\"%s\" x=\"330\" y=\"%d\" width=\"%.1f\" height=\"11\"/><text x=\"%.1f\" y=\"%d\">%s</text>\n",
				y + 10, name[ways[v]], ways[v] == "protected" ? "p" : "b", y + 1, x_of(r) - 330, x_of(r) + 5, y + 10, r)
			y += 15
		}
		y += 26
	}
	printf "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 860 %d\" font-family=\"sans-serif\" font-size=\"11\">\n", y
	print "<style>text { fill: #222 } .h { font-weight: bold; font-size: 12px } .b { fill: #9aa5b1 } .p { fill: #1f6feb } line { stroke: #888; stroke-dasharray: 2 3 } rect.bg { fill: #fff } @media (prefers-color-scheme: dark) { text { fill: #ddd } rect.bg { fill: #14171a } .b { fill: #5b6672 } .p { fill: #58a6ff } }</style>"
	printf "<title>Processor time of queries, as a multiple of the unprotected query</title>\n<rect class=\"bg\" width=\"860\" height=\"%d\"/>\n", y
	printf "<text class=\"h\" x=\"20\" y=\"22\" style=\"font-size: 14px\">Processor time of the backend, unprotected = 1 (logarithmic; %s keys, %s %% of the persons agreed)</text>\n", key, share
	for (e = -1; e <= 4; e++) {
		x = 330 + 90 * (e + 1)
		printf "<line x1=\"%d\" y1=\"34\" x2=\"%d\" y2=\"%d\"/><text x=\"%d\" y=\"44\">%s</text>\n", x, x, y - 20, x + 3, e < 0 ? "0.1" : 10 ^ e
	}
	printf "%s</svg>\n", body
}' "$1"
