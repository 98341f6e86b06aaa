#!/bin/bash
# Another vendor's client of the extended protocol: whoever it got rows of is on record.
# Skipped where there is no JDK, or no driver as in Debian's libpostgresql-jdbc-java.
set -eu
. test/lib/bootstrap.sh
. test/lib/cluster.sh
driver=/usr/share/java/postgresql.jar
if ! command -v javac >/dev/null || ! command -v java >/dev/null || ! [ -e "$driver" ]; then
	echo 'there is no JDK, or no JDBC driver'
	exit 77
fi
PZ_PORT=$(( 20000 + RANDOM % 20000 ))
PZ_LISTEN=127.0.0.1
pz_cluster_start jdbc
. test/lib/want.sh
ask()
{
	pz_client psql -X -q -A -t -v ON_ERROR_STOP=1 -c "$1"
}
pz_client psql -X -q -v ON_ERROR_STOP=1 <<'SQL' >/dev/null
CREATE EXTENSION personalize;
CREATE ROLE app LOGIN;
CREATE TABLE customer (id integer PRIMARY KEY, name text);
INSERT INTO customer SELECT i, 'name' || i FROM generate_series(1, 9) AS i;
GRANT ALL ON customer TO app;
SELECT personalize.define_category('general', 'for tests');
SELECT personalize.define_purpose('ads', 'for tests', categories => '{general}');
SELECT personalize.grant_purpose('ads', 'app');
SELECT personalize.protect('customer', 'id', columns => '{"*":"general"}');
SELECT personalize.grant_consent(i, 'ads') FROM generate_series(1, 6) AS i;
CREATE TABLE got (tag text, id text);
SQL
cp test/extra/JdbcFetch.java "$PZ_TMP/"
(cd "$PZ_TMP" && javac -d . JdbcFetch.java)
java -cp "$PZ_TMP:$driver" JdbcFetch "jdbc:postgresql://127.0.0.1:$PZ_PORT/postgres" >"$PZ_TMP/got" 2>"$PZ_TMP/got.err" || cat "$PZ_TMP/got.err"
pz_client psql -X -q -c "\\copy got FROM STDIN (DELIMITER ' ')" <"$PZ_TMP/got"
# the backend of the client that is gone has noticed
for _ in $(seq 600); do
	[ "$(ask "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app'")" != 0 ] || break
	ask 'SELECT pg_stat_clear_snapshot()' >/dev/null
done
ask 'SELECT personalize.audit_sync()' >/dev/null
want 'the client got rows of every kind' "$(ask "SELECT count(DISTINCT tag), count(*) > 45, min(id::integer), max(id::integer) FROM got")" '27|t|1|6'
want 'whoever it got is on record for the statement' "$(ask "SELECT count(*) FROM got AS g WHERE NOT EXISTS (
	SELECT FROM personalize.usage AS u, personalize.subjects_of(u.usage_id) AS s WHERE replace(u.context, ' ', '') = g.tag AND s.subject = g.id)")" 0
want 'nobody else is for what was fetched whole' "$(ask "SELECT string_agg(DISTINCT u.context, ',') FROM personalize.usage AS u, personalize.subjects_of(u.usage_id) AS s
	WHERE u.context ~ '^(whole|generic.*|batch)\$' AND NOT EXISTS (SELECT FROM got AS g WHERE g.tag = u.context AND g.id = s.subject)")" ''
want 'how each ended' "$(ask "SELECT string_agg(DISTINCT concat_ws(' ', regexp_replace(u.context, '[0-9]', '', 'g'), u.status, u.precision), ', ' ORDER BY concat_ws(' ', regexp_replace(u.context, '[0-9]', '', 'g'), u.status, u.precision))
	FROM personalize.usage AS u WHERE u.context <> ''")" \
	'batch ended exact, cancelled failed superset, generic ended exact, gone failed superset, part ended exact, rolled back failed superset, side by side ended exact, whole ended exact'
want 'by the extended protocol' "$(ask "SELECT count(*) FROM personalize.usage WHERE context = 'generic20' AND query LIKE '%id = \$1%'")" 1
want 'the record is whole' "$(ask 'SELECT ok FROM personalize.verify_audit()')" t
pz_cluster_stop
exit $FAILED
