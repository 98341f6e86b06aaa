#!/bin/bash
# Packages: pgbouncer
# PgBouncer in transaction mode: no purpose, user or context of one client
# reaches another, whoever has the server connection next; where the version
# has track_extra_parameters, clients keep what is theirs.
# Skipped where there is no PgBouncer.
set -eu
. test/lib/bootstrap.sh
. test/lib/cluster.sh
. test/lib/packages.sh
if ! pz_with_packages pgbouncer --version >/dev/null 2>&1; then
	echo 'there is no PgBouncer'
	exit 77
fi
version=$(pz_with_packages pgbouncer --version | sed -n 's/^PgBouncer \([0-9.]*\).*/\1/p')
at_least() { [ "$(printf '%s\n' "$1" "$version" | sort -V | head -n 1)" = "$1" ]; }
. test/lib/want.sh
pz_cluster_start pgbouncer
port=6432
dir=$PZ_WORK/pgbouncer/pool
pid=
mkdir "$dir"
stop()
{
	# the job is a shell that waits for it
	if [ -n "$pid" ]; then
		kill "$(cat "$dir/pid")" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
		pid=
	fi
}
trap stop EXIT
# pool CONNECTIONS [SETTING...]: starts a pool with so many server connections
pool()
{
	local size=$1
	shift

	stop
	{
		echo '[databases]'
		echo "* = host=$PZ_SOCKET port=5432"
		echo '[pgbouncer]'
		printf '%s\n' 'pool_mode = transaction' 'auth_type = trust' "auth_file = $dir/users" 'listen_addr =' "listen_port = $port" \
			"unix_socket_dir = $PZ_SOCKET" "default_pool_size = $size" 'max_client_conn = 100' "logfile = $dir/log" "pidfile = $dir/pid" "$@"
	} >"$dir/ini"
	printf '"app" ""\n"other" ""\n"scoped" ""\n"tool" ""\n' >"$dir/users"
	launch app
}
# launch USER: as configured, and waits until it answers
launch()
{
	pz_with_packages pgbouncer "$dir/ini" >/dev/null 2>&1 &
	pid=$!
	for _ in $(seq 1 500); do
		! pz_as_user "$PGBIN/pg_isready" -q -h "$PZ_SOCKET" -p $port -U "$1" -d postgres || return 0
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.02	# lint: poll interval
	done
	echo 'PgBouncer does not start:'
	cat "$dir/log"
	exit 1
}
ask() { pz_client psql -X -q -A -t -v ON_ERROR_STOP=1 "$@"; }

ask <<'SQL' >/dev/null
CREATE EXTENSION dblink;
CREATE EXTENSION personalize;
CREATE ROLE app LOGIN;
CREATE ROLE other LOGIN;
CREATE ROLE scoped LOGIN;
CREATE ROLE tool LOGIN;
CREATE TABLE t (id bigint PRIMARY KEY, v text);
INSERT INTO t SELECT i, 'x' FROM generate_series(1, 100) AS i;
CREATE SCHEMA tests;
GRANT USAGE ON SCHEMA tests TO app, other, scoped, tool;
GRANT SELECT ON t TO app, other, scoped, tool;
SELECT personalize.define_category('c', 'for tests');
SELECT personalize.define_purpose('p' || n, 'for tests', categories => '{c}') FROM generate_series(1, 4) AS n;
SELECT personalize.grant_purpose('p' || n, r) FROM generate_series(1, 4) AS n, unnest('{app,scoped,tool}'::regrole[]) AS r;
SELECT personalize.protect('t', 'id', columns => '{"*":"c"}');
-- ten persons agreed to p1, twenty to p2, ...
CREATE TABLE agreed AS SELECT i::text AS subject, 'p' || n AS purpose, 'given' AS action FROM generate_series(1, 4) AS n, generate_series(1, n * 10) AS i;
SELECT personalize.record_consents('agreed');
ALTER ROLE scoped SET personalize.purpose_scope = session;
ALTER ROLE tool SET personalize.purpose = 'p3';
-- what a client sees: how many rows, or the SQLSTATE
CREATE FUNCTION tests.sees() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	RETURN (SELECT count(*) FROM t);
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE;
END
$$;
-- in this session: clients behind the pool
CREATE PROCEDURE tests.client(name text, role text, port int, options text DEFAULT '') LANGUAGE plpgsql AS $$
BEGIN
	PERFORM dblink_connect(name, format('host=%s port=%s dbname=postgres user=%s %s', current_setting('unix_socket_directories'), port, role, options));
END
$$;
CREATE FUNCTION tests.run(name text, query text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	RETURN dblink_exec(name, query);
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE;
END
$$;
CREATE FUNCTION tests.get(name text, query text) RETURNS text LANGUAGE sql AS $$ SELECT x FROM dblink(name, query) AS r (x text) $$;
SQL
sees="SELECT tests.get('a', 'SELECT tests.sees()'), tests.get('b', 'SELECT tests.sees()')"

pool 1
want 'one server connection for all clients' "$(ask -c "CALL tests.client('a', 'app', $port); CALL tests.client('b', 'app', $port);
	SELECT tests.get('a', 'SELECT pg_backend_pid()') = tests.get('b', 'SELECT pg_backend_pid()')")" t
want 'SET LOCAL ends with the transaction, for the client and for the next' "$(ask -c "CALL tests.client('a', 'app', $port); CALL tests.client('b', 'app', $port);
	SELECT tests.run('a', 'BEGIN; SET LOCAL personalize.purpose = ''p1''; SET LOCAL personalize.app_user = ''ann'''), tests.get('a', 'SELECT tests.sees()'), tests.run('a', 'COMMIT');
	$sees; SELECT tests.get('b', 'SELECT current_setting(''personalize.app_user'')')")" $'SET|10|COMMIT\n42501|42501'
want 'so does set_purpose()' "$(ask -c "CALL tests.client('a', 'app', $port); CALL tests.client('b', 'app', $port);
	SELECT tests.run('a', 'BEGIN'), tests.get('a', 'SELECT personalize.set_purpose(''p2'')'), tests.get('a', 'SELECT tests.sees()'), tests.run('a', 'ROLLBACK'); $sees")" \
	$'BEGIN||20|ROLLBACK\n42501|42501'
want 'a plain SET is refused' "$(ask -c "CALL tests.client('a', 'app', $port); CALL tests.client('b', 'app', $port);
	SELECT tests.run('a', 'SET personalize.purpose = ''p1'''), tests.run('a', 'SET personalize.app_user = ''ann'''), tests.run('a', 'SET personalize.context = ''x'''); $sees")" \
	$'42501|42501|42501\n42501|42501'
want 'set_config() for the session ends with the statement' "$(ask -c "CALL tests.client('a', 'app', $port); CALL tests.client('b', 'app', $port);
	SELECT tests.get('a', 'SELECT set_config(''personalize.purpose'', ''p1'', false)'), tests.get('a', 'SELECT set_config(''personalize.app_user'', ''ann'', false)');
	$sees; SELECT tests.get('b', 'SELECT current_setting(''personalize.app_user'')')")" $'p1|ann\n42501|42501'
want 'a client that goes in the middle leaves nothing' "$(ask -c "CALL tests.client('a', 'app', $port); CALL tests.client('b', 'app', $port);
	SELECT tests.run('a', 'BEGIN; SET LOCAL personalize.purpose = ''p1'''), dblink_disconnect('a'); SELECT tests.get('b', 'SELECT tests.sees()')")" $'SET|OK\n42501'
want 'what is prepared for one purpose is for the purpose of whoever executes it' "$(ask -c "CALL tests.client('a', 'app', $port); CALL tests.client('b', 'app', $port);
	SELECT tests.run('a', 'PREPARE q AS SELECT count(*) FROM t'), tests.run('a', 'BEGIN; SET LOCAL personalize.purpose = ''p1'''), tests.get('a', 'EXECUTE q'), tests.run('a', 'COMMIT'),
		tests.run('b', 'BEGIN; SET LOCAL personalize.purpose = ''p2'''), tests.get('b', 'EXECUTE q'), tests.run('b', 'COMMIT'), tests.run('b', 'EXECUTE q'), tests.run('a', 'DEALLOCATE q')")" \
	'PREPARE|SET|10|COMMIT|SET|20|COMMIT|42501|DEALLOCATE'
want 'the default of a role is its own' "$(ask -c "CALL tests.client('a', 'tool', $port); CALL tests.client('b', 'other', $port); CALL tests.client('c', 'app', $port);
	SELECT tests.get('a', 'SELECT tests.sees()'), tests.get('b', 'SELECT tests.sees()'), tests.get('c', 'SELECT tests.sees()');
	SELECT tests.run('a', 'BEGIN; SET LOCAL personalize.purpose = ''p1'''), tests.get('a', 'SELECT tests.sees()'), tests.run('a', 'COMMIT'), tests.get('a', 'SELECT tests.sees()')")" \
	$'30|42501|42501\nSET|10|COMMIT|30'

if at_least 1.20; then
	pool 1 'track_extra_parameters = IntervalStyle,personalize.purpose'
	want 'tracked: a purpose stated at the start of the session is that of the client' "$(ask -c "
		CALL tests.client('a', 'scoped', $port, 'options=''-c personalize.purpose=p1'''); CALL tests.client('b', 'scoped', $port, 'options=''-c personalize.purpose=p2'''); CALL tests.client('c', 'scoped', $port);
		$sees, tests.get('c', 'SELECT tests.sees()'); $sees")" $'10|20|42501\n10|20'
	want 'tracked: so is that of SET, where the scope is the session' "$(ask -c "CALL tests.client('a', 'scoped', $port); CALL tests.client('b', 'scoped', $port);
		SELECT tests.run('a', 'SET personalize.purpose = ''p1'''); $sees; SELECT tests.run('b', 'SET personalize.purpose = ''p2'''); $sees;
		SELECT tests.run('a', 'RESET personalize.purpose'); $sees")" $'SET\n10|42501\nSET\n10|20\nRESET\n42501|20'
	want 'tracked: one that ends with the transaction does' "$(ask -c "CALL tests.client('a', 'app', $port); CALL tests.client('b', 'app', $port);
		SELECT tests.run('a', 'BEGIN; SET LOCAL personalize.purpose = ''p1'''), tests.get('a', 'SELECT tests.sees()'), tests.run('a', 'COMMIT'); $sees")" $'SET|10|COMMIT\n42501|42501'
else
	want 'not tracked: a purpose at the start of the session is refused' \
		"$(pz_client env PGPORT=$port PGUSER=app PGOPTIONS='-c personalize.purpose=p1' psql -X -A -t -c 'SELECT 1' 2>&1 | grep -c 'unsupported startup parameter')" 1
fi

# Many clients of few connections, each with its own purpose and user.
prepared=
! at_least 1.21 || prepared='max_prepared_statements = 50'
pool 3 ${prepared:+"$prepared"}
for n in 1 2 3 4; do
	cat >"$dir/p$n.sql" <<-SQL
		\\set undeclared random(0, 3)
		\\if :undeclared = 0
		SELECT tests.sees() = '42501' AS fine \\gset
		\\else
		BEGIN;
		SELECT set_config('personalize.purpose', 'p$n', true), set_config('personalize.app_user', 'user of p$n', true);
		SELECT count(*) = ${n}0 AS fine FROM t \\gset
		COMMIT;
		\\endif
		\\if not :fine
		SELECT 1 / 0;
		\\endif
	SQL
done
before=$(ask -c 'SELECT personalize.audit_sync(); SELECT count(*) FROM personalize.usage')
for protocol in simple extended ${prepared:+prepared}; do
	want "8 clients with 4 purposes on 3 connections, protocol $protocol: each sees its own" \
		"$(pz_client env PGPORT=$port PGUSER=app pgbench -n -c 8 -j 8 -t 300 -M "$protocol" -f "$dir/p1.sql" -f "$dir/p2.sql" -f "$dir/p3.sql" -f "$dir/p4.sql" 2>&1 |
			sed -n 's/^number of transactions actually processed: //p; /aborted/p; /error/p')" 2400/2400
done
want 'and what is on record is theirs' "$(ask -c "SELECT personalize.audit_sync(); SELECT count(*) > 2000, count(*) FILTER (WHERE app_user IS DISTINCT FROM 'user of ' || purpose)
	FROM (SELECT * FROM personalize.usage ORDER BY usage_id OFFSET $(echo "$before" | tail -n 1)) AS u WHERE db_role = 'app' AND status = 'ended'" | tail -n 1)" 't|0'
stop

# The page: its roles and shop, its configuration with other addresses, its commands, and what it says that they print.
page=$PZ_WORK/pgbouncer/page
mkdir "$page"
for name in README pgbouncer; do
	awk -v to="$page/" '/^```[a-z]+ [^ ]+$/ { file = to $2; next } /^```$/ { file = "" } file != "" { print > file }' "docs/howto/$name.md"
done
ask <"$page/roles.sql"
PZ_DATABASE=shop ask -c 'CREATE EXTENSION personalize'
PZ_DATABASE=shop ask -o /dev/null <"$page/shop.sql"
# shellcheck disable=SC2016
sed -i "s#host=127.0.0.1#host=$PZ_SOCKET#; s#^listen_addr =.*#listen_addr =#; s#/etc/pgbouncer/userlist.txt#$dir/users#; s#/var/run/postgresql/pgbouncer.pid#$dir/pid#
	s#/var/run/postgresql#$PZ_SOCKET#; s#/var/log/postgresql/pgbouncer.log#$dir/log#" "$page/pgbouncer.ini"
sed 's#^sudo -u postgres psql#psql#; s#sudo tee /etc/pgbouncer/userlist.txt#tee "$1"#' "$page/userlist.sh" >"$page/here.sh"
pz_client sh "$page/here.sh" "$dir/users"
cp "$page/pgbouncer.ini" "$dir/ini"
launch shop_app
want 'what the page has to be tried prints what the page says' \
	"$(sed -n 's/^    PGPASSWORD=\(.*\) psql -h .* -p \([0-9]*\) -U \([a-z_]*\) \(.*\) shop < try.sql$/PGPASSWORD=\1 PGPORT=\2 PGUSER=\3 PGDATABASE=shop psql \4/p' docs/howto/pgbouncer.md >"$page/try.sh"
		pz_client sh "$page/try.sh" <"$page/try.sql" 2>&1)" "$(cat "$page/try.out")"
want 'and with another password it does not' "$(sed -i 's/for these/not for these/' "$page/try.sh"; pz_client sh "$page/try.sh" <"$page/try.sql" 2>&1 | grep -c 'authentication failed')" 1
stop
echo "PgBouncer $version"
exit $FAILED
