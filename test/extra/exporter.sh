#!/bin/bash
# Packages: curl
# The exporter of Debian (prometheus-postgres-exporter) with contrib/exporter/queries.yaml:
# every metric arrives under its name, with its labels and values, for a role that has the
# duty monitor and nothing else.  The package is unpacked, not installed, if it is not here.
# Skipped where it cannot be had.
set -eu
. test/lib/bootstrap.sh
. test/lib/cluster.sh
. test/lib/packages.sh
exporter=$(command -v prometheus-postgres-exporter || true)
if [ -z "$exporter" ]; then
	if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
		echo 'there is no prometheus-postgres-exporter, and no apt to get it by'
		exit 77
	fi
	mkdir -p "$PZ_TMP/exporter"
	if ! (cd "$PZ_TMP/exporter" && timeout 120 apt-get -q download prometheus-postgres-exporter) >"$PZ_TMP/exporter.log" 2>&1; then
		echo "prometheus-postgres-exporter cannot be had by apt: $(tail -n 1 "$PZ_TMP/exporter.log")"
		exit 77
	fi
	for deb in "$PZ_TMP"/exporter/*.deb; do dpkg-deb -x "$deb" "$PZ_TMP/exporter"; done
	exporter=$PZ_TMP/exporter/usr/bin/prometheus-postgres-exporter
	chmod -R a+rX "$PZ_TMP/exporter"
fi
if ! pz_with_packages curl --version >/dev/null 2>&1; then
	echo 'there is no curl'
	exit 77
fi
pz_cluster_start exporter
. test/lib/want.sh
pz_client psql -X -q -v ON_ERROR_STOP=1 <<'SQL' >/dev/null
CREATE EXTENSION personalize;
CREATE ROLE prometheus LOGIN;
SELECT personalize.assign_duty('prometheus', 'monitor');
CREATE TABLE customer (id integer PRIMARY KEY, name text);
INSERT INTO customer SELECT i, 'name' || i FROM generate_series(1, 30) AS i;
SELECT personalize.define_category('general', 'for tests');
SELECT personalize.define_purpose('ads "q" \ é', 'for tests', categories => '{general}');
SELECT personalize.protect('customer', 'id', columns => '{"*":"general"}');
SELECT personalize.grant_consent(i, 'ads "q" \ é') FROM generate_series(1, 20) AS i;
SELECT personalize.record_exposure(i, 'ads "q" \ é') FROM generate_series(1, 20) AS i;
SELECT personalize.set_frequency_cap('ads "q" \ é', 1, '1 day');
SELECT personalize.define_exclusion('x', reason => 'for tests');
SELECT personalize.exclude(i, 'x') FROM generate_series(1, 6) AS i;
SELECT personalize.open_request('1', 'access', received_at => now() - interval '1 year');
BEGIN;
SET LOCAL personalize.purpose = 'ads "q" \ é';
SELECT * FROM customer;
COMMIT;
SELECT personalize.audit_sync();
SQL
port=$(( 20000 + RANDOM % 20000 ))
pz_as_user env DATA_SOURCE_NAME="host=$PZ_SOCKET user=prometheus dbname=postgres sslmode=disable" \
	"$exporter" --disable-default-metrics --disable-settings-metrics --extend.query-path="$PZ_TREE/contrib/exporter/queries.yaml" \
	--web.listen-address="127.0.0.1:$port" >"$PZ_TMP/exporter.out" 2>&1 &
pid=$!
trap 'kill $pid 2>/dev/null || true' EXIT
tries=0
until pz_with_packages curl -sf -o "$PZ_TMP/scraped" "http://127.0.0.1:$port/metrics" && grep -q '^personalize_alerts_active' "$PZ_TMP/scraped"; do
	if ! kill -0 $pid 2>/dev/null || [ $((++tries)) -gt 300 ]; then
		echo 'not ok - the exporter does not answer'
		cat "$PZ_TMP/exporter.out"
		exit 1
	fi
	sleep 0.2 # lint: poll interval
done
# one more, when everything is warm
pz_with_packages curl -sf -o "$PZ_TMP/scraped" "http://127.0.0.1:$port/metrics"
want 'no query failed' "$(grep '^pg_exporter_user_queries_load_error\|^pg_exporter_last_scrape_error' "$PZ_TMP/scraped" | sed 's/.*} */load /; s/^pg_exporter_last_scrape_error /scrape /' | sort -u | tr '\n' ' ')" 'load 0 scrape 0 '
want 'every name arrives' \
	"$(grep -o '^personalize_[a-z_]*' "$PZ_TMP/scraped" | sort -u | tr '\n' ' ')" \
	"$(pz_client psql -X -q -A -t -c "SELECT name FROM personalize.metric_names ORDER BY name COLLATE \"C\"" | sort -u | tr '\n' ' ')"
# value NAME [LABEL]: of the metric without labels, or with that one
value()
{
	grep -F "$1{" "$PZ_TMP/scraped" | { [ -z "${2:-}" ] && cat || grep -F "$2"; } | sed 's/.*} //'
}
purpose='purpose="ads \"q\" \\ é"'
want 'consents' "$(value personalize_purpose_consents_in_force "$purpose")" 20
want 'exposures' "$(value personalize_purpose_exposures_day "$purpose")" 20
want 'exposures without explanation' "$(value personalize_purpose_exposures_unexplained_day "$purpose")" 20
want 'capped' "$(value personalize_persons_capped "$purpose")" 20
want 'excluded of all' "$(value personalize_persons_excluded 'purpose=""')" 6
want 'overdue' "$(value personalize_requests_overdue)" 1
want 'an alert' "$(value personalize_alerts_active 'alert="no_explanation"')" 1
want 'no alert' "$(value personalize_alerts_active 'alert="opt_out_spike"')" 0
want 'a check that failed' "$(value personalize_status_ok 'check="requests"')" 0
want 'uses are on record' "$(value personalize_purpose_uses_day "$purpose")" 1
[ $FAILED = 0 ] || cat "$PZ_TMP/scraped" "$PZ_TMP/exporter.out"
exit $FAILED
