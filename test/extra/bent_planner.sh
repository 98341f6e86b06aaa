#!/bin/bash
# Plans that another module's planner has damaged, or replayed where they were
# not made for, are refused and give no row: test/modules/bent, preloaded before
# personalize and after it.
set -eu
. test/lib/bootstrap.sh
. test/lib/cluster.sh
. test/lib/want.sh

# the module is only ever installed into a private PostgreSQL
case $("$PG_CONFIG" --pkglibdir) in
	"$PZ_WORK"/*) ;;
	*)
		echo 'the module is only installed into a private PostgreSQL'
		exit 77
		;;
esac
make -s -C test/modules/bent PG_CONFIG="$PG_CONFIG" all install >"$PZ_TMP/bent.log" 2>&1 || { cat "$PZ_TMP/bent.log"; exit 1; }
trap 'pz_cluster_stop || true' EXIT

# as ROLE under PURPOSE, plans damaged in a WAY: try WAY ROLE PURPOSE STATEMENT; the SQLSTATE, or how many rows there are
try()
{
	pz_client psql -X -q -A -t -v VERBOSITY=sqlstate -v ON_ERROR_STOP=1 <<-SQL 2>&1 | sed -n 's/^ERROR:  //; /^[0-9]/p' | tail -n 1
		BEGIN;
		${5:-}
		SET LOCAL bent.way = '$1';
		SET LOCAL ROLE $2;
		SET LOCAL personalize.purpose = '$3';
		$4;
		COMMIT;
	SQL
}

for order in bent,personalize personalize,bent; do
	pz_cluster_start "${order%%,*}"
	pz_cluster_stop
	pz_as_user sh -c 'echo "shared_preload_libraries = '\''$1'\''" >>"$2"' sh "$order" "$PZ_DATA/postgresql.conf"
	pz_as_user "$PGBIN/pg_ctl" -D "$PZ_DATA" -l "$PZ_SERVER_LOG" -w -t 60 start >/dev/null || { tail -20 "$PZ_SERVER_LOG"; exit 1; }
	pz_client psql -X -q -A -t -v ON_ERROR_STOP=1 <<-'SQL' >/dev/null
		CREATE EXTENSION personalize;
		CREATE ROLE app LOGIN;
		CREATE ROLE other LOGIN;
		CREATE TABLE t (id bigint PRIMARY KEY, v text);
		INSERT INTO t SELECT i, 'v' FROM generate_series(1, 100) AS i;
		CREATE TABLE part (id bigint, v text) PARTITION BY RANGE (id);
		CREATE TABLE part_low PARTITION OF part FOR VALUES FROM (1) TO (50);
		CREATE TABLE part_high PARTITION OF part FOR VALUES FROM (50) TO (500);
		INSERT INTO part SELECT i, 'v' FROM generate_series(1, 100) AS i;
		GRANT SELECT, INSERT, UPDATE ON t, part TO app, other;
		ANALYZE;
		SELECT personalize.define_category('c', 'for tests');
		SELECT personalize.define_purpose('p', 'for tests', categories => '{c}');
		SELECT personalize.grant_purpose('p', 'app');
		SELECT personalize.protect('t', 'id', columns => '{"*":"c"}');
		SELECT personalize.protect('part', 'id', columns => '{"*":"c"}');
		CREATE TABLE agreed AS SELECT i::text AS subject, 'p' AS purpose, 'given' AS action FROM generate_series(10, 100, 10) AS i;
		SELECT personalize.record_consents('agreed');
		SELECT personalize.audit_sync();
	SQL
	# as it should be
	for query in 'SELECT count(*) FROM t' 'SELECT count(*) FROM part' 'SELECT count(a.v) FROM t AS a JOIN t AS b USING (id)' \
		'SELECT count(*) FROM (SELECT 1 FROM t OFFSET 0) AS s' 'WITH w AS MATERIALIZED (SELECT v FROM t) SELECT count(*) FROM w'; do
		want "$order: $query" "$(try none app p "$query")" 10
		want "$order, without conditions: $query" "$(try quals app p "$query")" 55000
		want "$order, another's key: $query" "$(try key app p "$query")" 55000
	done
	want "$order: UPDATE without conditions" "$(try quals app p "UPDATE t SET v = 'w'")" 55000
	want "$order: the statistics without conditions" "$(try quals app p 'SELECT count(most_common_vals) FROM pg_stats')" 55000
	want "$order: a join as it is" "$(try none app p 'SELECT count(a.v) FROM t AS a, part AS b')" 100
	want "$order: a join that is one node" "$(try pushed app p 'SELECT count(a.v) FROM t AS a, t AS b')" 55000
	insert="WITH w AS (INSERT INTO t VALUES (11, 'x') ON CONFLICT (id) DO UPDATE SET v = EXCLUDED.v RETURNING 1) SELECT count(*) FROM w"
	want "$order: ON CONFLICT with a withheld row" "$(try none app p "$insert")" 42501
	want "$order: ON CONFLICT without conditions" "$(try conflict app p "$insert")" 55000
	# a plan of another role, of a purpose that is not stated any more, that was revoked
	keep="SET LOCAL bent.way = 'keep'; SET LOCAL ROLE app; SET LOCAL personalize.purpose = 'p'; SELECT count(*) FROM t; RESET ROLE;"
	want "$order: a plan where it was made for" "$(try replay app p 'SELECT 7' "$keep")" 10
	want "$order: a plan of another role" "$(try replay other p 'SELECT 7' "$keep")" 42501
	want "$order: a plan without its purpose" "$(try replay app '' 'SELECT 7' "$keep")" 42501
	want "$order: a plan of a purpose that was revoked" "$(try replay app p 'SELECT 7' "$keep SELECT personalize.revoke_purpose('p', 'app');")" 42501
	pz_cluster_stop
done
echo "$OK checks"
[ $FAILED = 0 ]
