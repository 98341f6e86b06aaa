#!/bin/bash
# Packages: python3 chromium fonts-dejavu-core
# The page of report_html(): its markup and colours, and in headless Chromium how it looks and
# what it asks for: desk, tablet and phone, light, dark and printed; an empty database and one
# with all there can be, with hostile names.  Pictures stay in REPORT_PICTURES if that is set.
# Skipped without Python or Chromium.
set -eu
. test/lib/bootstrap.sh
. test/lib/cluster.sh
. test/lib/packages.sh
python=$(command -v /usr/bin/python3 || command -v python3) || {
	echo 'there is no python3 to look at the page with'
	exit 77
}
pz_cluster_start report
PZ_DATABASE=empty
pz_client createdb empty
pz_client psql -X -q -c 'CREATE EXTENSION personalize'
pz_client psql -X -A -t -v ON_ERROR_STOP=1 -c 'SELECT personalize.report_html()' >"$PZ_TMP/empty.html"
"$python" test/extra/report_check.py "$PZ_TMP/empty.html"
PZ_DATABASE=postgres
pz_client psql -X -q -v n=4000 -f test/extra/report_fill.sql >"$PZ_TMP/fill.log" 2>&1 || {
	cat "$PZ_TMP/fill.log"
	exit 1
}
pz_client psql -X -A -t -q -v ON_ERROR_STOP=1 -c "SET client_encoding = 'UTF8'" -c 'SET ROLE report_auditor' \
	-c "SELECT personalize.report_html(now() - interval '120 days', now())" >"$PZ_TMP/report.html"
"$python" test/extra/report_check.py "$PZ_TMP/report.html"
# what there must be in it, as text, and what there must not
for words in 'better ranking' 'partner advertising' '&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;' 'Lantern &amp; Daughters' 'recommendations by region' 'fewer than&nbsp;5' 'requests are overdue'; do
	grep -qF -- "$words" "$PZ_TMP/report.html" || {
		echo "the page does not say: $words"
		exit 1
	}
done
if grep -q 'customer_id\|onerror' "$PZ_TMP/report.html"; then
	echo 'the page says what it must not'
	exit 1
fi
# a Chromium that was unpacked here knows neither its place nor fonts
unpacked=$PZ_PACKAGES/usr/lib/chromium/chromium
if [ -x "$unpacked" ]; then
	browser=$unpacked
	FONTCONFIG_FILE=$PZ_TMP/fonts.conf
	export FONTCONFIG_FILE
	printf '<?xml version="1.0"?>\n<fontconfig><dir>%s</dir><dir>%s</dir><cachedir>%s</cachedir></fontconfig>\n' \
		"$PZ_PACKAGES/usr/share/fonts" /usr/share/fonts "$PZ_TMP/fontcache" >"$FONTCONFIG_FILE"
else
	browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome) || {
		echo 'markup and colours of the page are right; there is no Chromium to look at it with (apt-get install chromium)'
		exit 77
	}
fi
pz_with_packages "$browser" --version >"$PZ_TMP/version" 2>&1 || {
	echo "markup and colours of the page are right; $browser does not start: $(tail -n 1 "$PZ_TMP/version")"
	exit 77
}
pz_with_packages "$python" test/extra/report_browser.py "$browser" "${REPORT_PICTURES:-$PZ_TMP/pictures}" "$PZ_TMP/empty.html" "$PZ_TMP/report.html"
# and the test itself: it must see what is wrong
sed 's/--ink-soft: #55606e/--ink-soft: #8d99a6/; s/max-width: 1120px/min-width: 900px/; s#</main>#<script src="http://127.0.0.1:9/x.js"></script></main>#' "$PZ_TMP/report.html" >"$PZ_TMP/wrong.html"
if pz_with_packages "$python" test/extra/report_browser.py "$browser" "$PZ_TMP/pictures" "$PZ_TMP/wrong.html" >"$PZ_TMP/wrong.log" 2>&1; then
	echo 'a page that is wrong was found right'
	exit 1
fi
for words in 'has a contrast of' 'pixels wide' 'there is a script' 'asked for'; do
	grep -q "^not ok: .*$words" "$PZ_TMP/wrong.log" || {
		cat "$PZ_TMP/wrong.log"
		echo "of a page that is wrong nobody said: $words"
		exit 1
	}
done
echo 'the page is well-formed, loads nothing, fits desk, tablet and phones, and has contrast, light, dark and printed'
