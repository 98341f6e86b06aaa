#!/bin/bash
# Packages: postgresql-PGVERSION-pgaudit postgresql-PGVERSION-hypopg postgresql-PGVERSION-cron
# Together with other modules that have the same hooks, preloaded before and
# after personalize: what is withheld, refused and recorded is the same, and
# what they tell is nothing that personalize withholds.  Logical replication
# into and out of protected relations.
# What is not there is left out, and said.
set -eu
. test/lib/bootstrap.sh
. test/lib/cluster.sh
. test/lib/want.sh
lib=$("$PG_CONFIG" --pkglibdir)
has() { [ -e "$lib/$1.so" ]; }
trap 'pz_cluster_stop || true' EXIT
modules=''
left_out=''
for module in pg_stat_statements auto_explain pgaudit pg_cron; do
	if has $module; then
		modules="$modules,$module"
	else
		left_out="$left_out $module"
	fi
done
modules=${modules#,}
has hypopg || left_out="$left_out hypopg"

# configure NAME PRELOAD: a cluster, not yet with data
start()
{
	pz_cluster_start "$1"
	pz_cluster_stop
	{
		echo "shared_preload_libraries = '$2'"
		echo 'wal_level = logical'
		echo 'max_worker_processes = 24'
		echo 'max_logical_replication_workers = 8'
		echo "pg_stat_statements.track = 'all'"
		echo 'auto_explain.log_min_duration = 0'
		echo 'auto_explain.log_analyze = on'
		echo 'auto_explain.log_nested_statements = on'
		echo 'auto_explain.log_verbose = on'
		echo "pgaudit.log = 'read,write'"
		echo 'pgaudit.log_relation = on'
		echo 'cron.use_background_workers = on'
	} >"$PZ_TMP/others.conf"
	pz_as_user sh -c 'cat "$1" >>"$2"' sh "$PZ_TMP/others.conf" "$PZ_DATA/postgresql.conf"
	pz_as_user "$PGBIN/pg_ctl" -D "$PZ_DATA" -l "$PZ_SERVER_LOG" -w -t 60 start >/dev/null || { tail -20 "$PZ_SERVER_LOG"; exit 1; }
}
ask() { pz_client psql -X -q -A -t -v ON_ERROR_STOP=1 "$@"; }
# as the application: run [SETTING...] QUERY
run() { pz_client psql -X -q -A -t -v ON_ERROR_STOP=1 -c "BEGIN; SET LOCAL ROLE app; SET LOCAL personalize.purpose = 'p'; $1; COMMIT" 2>&1; }

fill()
{
	ask <<-'SQL' >/dev/null
		CREATE EXTENSION personalize;
		CREATE ROLE app LOGIN;
		CREATE TABLE t (id bigint PRIMARY KEY, v text, a int);
		INSERT INTO t SELECT i, 'secret ' || i, i % 7 FROM generate_series(1, 1000) AS i;
		CREATE TABLE part (id bigint, v text) PARTITION BY RANGE (id);
		CREATE TABLE part_low PARTITION OF part FOR VALUES FROM (1) TO (500);
		CREATE TABLE part_high PARTITION OF part FOR VALUES FROM (500) TO (5000);
		INSERT INTO part SELECT i, 'x' FROM generate_series(1, 1000) AS i;
		GRANT SELECT, INSERT, UPDATE, DELETE ON t, part TO app;
		ANALYZE;
		SELECT personalize.define_category('c', 'for tests');
		SELECT personalize.define_purpose('p', 'for tests', categories => '{c}');
		SELECT personalize.grant_purpose('p', 'app', may_copy => true);
		SELECT personalize.protect('t', 'id', columns => '{"*":"c"}');
		SELECT personalize.protect('part', 'id', columns => '{"*":"c"}');
		CREATE TABLE agreed AS SELECT i::text AS subject, 'p' AS purpose, 'given' AS action FROM generate_series(10, 1000, 10) AS i;
		SELECT personalize.record_consents('agreed');
	SQL
	if has pg_stat_statements; then ask -c 'CREATE EXTENSION pg_stat_statements'; fi
	if has pgaudit; then ask -c 'CREATE EXTENSION pgaudit'; fi
	if has hypopg; then ask -c 'CREATE EXTENSION hypopg' -c 'GRANT USAGE ON SCHEMA public TO app'; fi
	if has pg_cron; then ask -c 'CREATE EXTENSION pg_cron' -c 'GRANT USAGE ON SCHEMA cron TO app'; fi
}

# what does not depend on the order
same()
{
	local order=$1 out

	want "$order: who agreed, in each kind of scan, and by a cursor" "$(run "SELECT count(*), bool_and(id % 10 = 0) FROM t;
		SELECT count(*), bool_and(id % 10 = 0) FROM part;
		SET LOCAL enable_seqscan = off; SELECT count(*), bool_and(id % 10 = 0) FROM t WHERE id BETWEEN 1 AND 100;
		DECLARE c CURSOR FOR SELECT id FROM t ORDER BY id; FETCH 2 FROM c; MOVE 3 IN c; FETCH 1 FROM c; CLOSE c")" $'100|t\n100|t\n10|t\n10\n20\n60'
	want "$order: prepared, executed often" "$(run "PREPARE q (bigint) AS SELECT count(*) FROM t WHERE id <= \$1;
		EXECUTE q(10); EXECUTE q(20); EXECUTE q(30); EXECUTE q(40); EXECUTE q(50); EXECUTE q(60); EXECUTE q(70); DEALLOCATE q")" $'1\n2\n3\n4\n5\n6\n7'
	want "$order: no purpose, no rows" "$(pz_client psql -X -q -A -t -v VERBOSITY=sqlstate -c "SET ROLE app; SELECT count(*) FROM t" 2>&1)" 'ERROR:  42501'
	want "$order: changes of who agreed only" "$(run "WITH u AS (UPDATE t SET a = 9 WHERE id <= 20 RETURNING id) SELECT string_agg(id::text, ' ' ORDER BY id) FROM u")" '10 20'
	want "$order: in a function, and a function with a purpose of its own" "$(ask -c "CREATE OR REPLACE FUNCTION f() RETURNS bigint LANGUAGE plpgsql SET personalize.purpose = 'p' AS 'BEGIN RETURN (SELECT count(*) FROM t); END';
		SET ROLE app; SELECT f()")" 100
	want "$order: all of it is on record, with the very persons" "$(ask -c "SELECT personalize.audit_sync();
		SELECT string_agg(DISTINCT u.status, ' '), count(*) > 10, bool_and((SELECT bool_and(s.subject::int % 10 = 0) FROM personalize.subjects_of(u.usage_id) AS s))
			FROM personalize.usage AS u WHERE u.db_role = 'app'; SELECT (personalize.verify_audit()).ok" | tail -n +2)" $'ended refused|t|t\nt'
	if has auto_explain; then
		out=$(run "SET LOCAL client_min_messages = log; SELECT count(*) FROM t WHERE a = 3")
		want "$order: auto_explain tells a client who has its messages sent no numbers of the others" \
			"$(printf '%s\n' "$out" | grep -E 'Rows Removed|rows=[0-9]*[1-9]|cost=0.00..[1-9]' || true)" ''
		want "$order: auto_explain has the plan in the log" "$(grep -c 'Query Text: .*SELECT count(\*) FROM t WHERE a = 3' "$PZ_SERVER_LOG" | sed 's/^[1-9].*/some/')" some
	fi
	if has pg_stat_statements; then
		want "$order: pg_stat_statements counts them" "$(ask -c "SELECT sum(calls) > 0 FROM pg_stat_statements WHERE query LIKE 'SELECT count(*), bool_and(id %) FROM t%'")" t
	fi
	if has pgaudit; then
		want "$order: pgaudit logs them" "$(grep -c 'AUDIT: SESSION.*READ,SELECT,TABLE,public.t' "$PZ_SERVER_LOG" | sed 's/^[1-9].*/some/')" some
	fi
	if has hypopg; then
		want "$order: hypopg: a hypothetical index makes no difference to what is shown" "$(run "SELECT 1 FROM hypopg_create_index('CREATE INDEX ON t (a)');
			SELECT count(*), bool_and(id % 10 = 0) FROM t WHERE a = 3")" $'1\n14|t'
		want "$order: hypopg: nor do its plans tell numbers" "$(run "SELECT 1 FROM hypopg_create_index('CREATE INDEX ON t (a)'); SET LOCAL enable_seqscan = off; EXPLAIN SELECT v FROM t WHERE a = 3" |
			grep -E 'rows=[0-9]*[1-9]|cost=[0-9.]*[1-9]' || true)" ''
	fi
	want "$order: status() has nothing to complain about" "$(ask -c "SELECT string_agg(check_name || ': ' || detail, '; ') FROM personalize.status() WHERE NOT ok")" ''
	if has auto_explain; then
		want "$order: but it has, where plans would go past the log" \
			"$(ask -c "SET auto_explain.log_level = notice; SELECT string_agg(check_name, '; ') FROM personalize.status() WHERE NOT ok" 2>/dev/null)" auto_explain
	fi
}

start after "$modules${modules:+,}personalize"
fill
same 'after the others'
pz_cluster_stop

start before "personalize${modules:+,}$modules"
fill
same 'before the others'

if has pg_cron; then
	# a job has a purpose as everybody else has: stated, or its role's
	ask -c "CREATE TABLE done (what text, n bigint); GRANT INSERT ON done TO app" >/dev/null
	ask -c "SET ROLE app; SELECT cron.schedule('with', '* * * * *', \$\$SET LOCAL personalize.purpose = 'p'; INSERT INTO done SELECT 'with', count(*) FROM t\$\$)" >/dev/null
	ask -c "SET ROLE app; SELECT cron.schedule('without', '* * * * *', \$\$INSERT INTO done SELECT 'without', count(*) FROM t\$\$)" >/dev/null
	for _ in $(seq 1 150); do
		[ "$(ask -c "SELECT count(DISTINCT jobid) FROM cron.job_run_details WHERE status IN ('succeeded', 'failed')")" != 2 ] || break
		sleep 1	# lint: poll interval
	done
	want 'pg_cron: a job with a purpose has rows, one without is refused' "$(ask -c 'SELECT DISTINCT what, n FROM done')" 'with|100'
	want 'pg_cron: and is told so' "$(ask -c "SELECT bool_and(return_message LIKE '%personalize.purpose%' OR return_message LIKE '%purpose%') FROM cron.job_run_details AS d JOIN cron.job AS j USING (jobid) WHERE j.jobname = 'without' AND d.status = 'failed'")" t
	ask -c "SET ROLE app; SELECT cron.unschedule(jobid) FROM cron.job" >/dev/null
fi

# Logical replication, from one database of this server to another.
ask -c 'CREATE DATABASE sub' -c 'CREATE ROLE mover LOGIN REPLICATION' -c 'GRANT SELECT ON t, part TO mover' \
	-c "CREATE PUBLICATION pub FOR TABLE t" -c "SELECT pg_create_logical_replication_slot('pub', 'pgoutput')" >/dev/null
at_sub() { PZ_DATABASE=sub ask "$@"; }
at_sub <<'SQL' >/dev/null
CREATE EXTENSION personalize;
CREATE TABLE t (id bigint PRIMARY KEY, v text, a int);
GRANT SELECT ON t TO app;
SELECT personalize.define_category('c', 'for tests');
SELECT personalize.define_purpose('p', 'for tests', categories => '{c}');
SELECT personalize.grant_purpose('p', 'app');
SELECT personalize.protect('t', 'id', columns => '{"*":"c"}');
SQL
poll()
{
	for _ in $(seq 1 300); do
		[ "$("$1" -c "$2")" != "$3" ] || break
		sleep 0.1	# lint: poll interval
	done
	"$1" -c "$2"
}
backup() { PZ_DATABASE=sub ask -c "BEGIN; SET LOCAL personalize.purpose = 'backup'; $2; COMMIT"; }
at_sub -c "CREATE SUBSCRIPTION sub CONNECTION 'host=$PZ_SOCKET dbname=postgres user=mover' PUBLICATION pub WITH (create_slot = false, slot_name = 'pub')" >/dev/null
for _ in $(seq 1 300); do
	! grep -q 'could not start initial contents copy for table "public.t"\|ERROR:.*purpose' "$PZ_SERVER_LOG" || break
	sleep 0.1	# lint: poll interval
done
want 'the first copy of a publication is a use: without a purpose nothing is copied' "$(backup -c 'SELECT count(*) FROM t')" 0
ask -c "SELECT personalize.grant_purpose('backup', 'mover')" -c "ALTER ROLE mover SET personalize.purpose = 'backup'" >/dev/null
want 'with one it is complete' "$(poll backup 'SELECT count(*) FROM t' 1000)" 1000
want 'and on record' "$(ask -c "SELECT personalize.audit_sync(); SELECT count(*) > 0, max((SELECT count(*) FROM personalize.subjects_of(usage_id))) FROM personalize.usage WHERE db_role = 'mover' AND purpose = 'backup'" | tail -n 1)" 't|1000'
want 'who has not agreed at the subscriber is withheld there' "$(at_sub -c "BEGIN; SET LOCAL ROLE app; SET LOCAL personalize.purpose = 'p'; SELECT count(*) FROM t; COMMIT")" 0
ask -c "BEGIN; SET LOCAL personalize.purpose = 'backup'; INSERT INTO t VALUES (2000, 'new', 1); UPDATE t SET a = 5 WHERE id = 3; DELETE FROM t WHERE id = 4; COMMIT" >/dev/null
want 'changes are applied to a protected relation without a purpose' "$(poll backup 'SELECT count(*) FILTER (WHERE id = 2000), count(*) FILTER (WHERE id = 3 AND a = 5), count(*) FILTER (WHERE id = 4) FROM t' '1|1|0')" '1|1|0'
want 'an erased person is erased at the subscriber, too' "$(ask -c "SELECT personalize.erase_subject(2000) ->> 'subjects'" >/dev/null; poll backup 'SELECT count(*) FROM t WHERE id = 2000' 0)" 0
at_sub -c 'DROP SUBSCRIPTION sub' >/dev/null
echo "with $modules${left_out:+; not there:$left_out}"
exit $FAILED
