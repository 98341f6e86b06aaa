#!/bin/bash
# What queries of a protected table cost, filter and exact record of use included,
# beside what people write today.
#
#	test/bench/work.sh [rounds] [million rows] [million persons]
#
# One session, no parallel workers, no JIT, all data in memory (random_page_cost 1.1).
# A table of orders, keyed by a whole
# number, a uuid or an e-mail address, of persons of whom 60 % or all agreed; read by
#
#	sum, count	all of it: sum(amount), count(*)
#	point		the orders of one person, by the index
#	join		those of a segment (1 % of the persons) with their products
#	top			the newest 100, by the index
#
# and that as
#
#	plain		unprotected
#	protected	personalize, level on; async and strict: the other levels
#	filter		unprotected, with an ordinary condition that is always true
#	rows		unprotected, as many of the newest as must be looked at for 100 (top only)
#	join		an explicit join with a table of consents
#	exists, in	row level security with EXISTS or IN over that table
#	plpgsql		row level security with a function in PL/pgSQL
#	barrier		a security_barrier view with that join
#	insert		unprotected, with a row for each statement in a log of one's own
#	pgaudit		unprotected, with pgaudit.log = read; if it is installed
#
# In every round each of them in turn, in another order each time; the backend's own
# processor time (/proc), and its ratio to plain of the same round: medians and
# quartiles.  Also written, one line each, to the file RESULTS, if that is set.
#
# Environment: PG_CONFIG, the PostgreSQL to use; WORKS, KEYS (bigint uuid text),
# SHARES (60 100), VARIANTS.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
ROUNDS=${1:-7}
ROWS=${2:-2}
PERSONS=${3:-0.2}
read -ra WORKS <<<"${WORKS:-sum count point join top}"
read -ra KEYS <<<"${KEYS:-bigint uuid text}"
read -ra SHARES <<<"${SHARES:-60 100}"
read -ra VARIANTS <<<"${VARIANTS:-plain protected async strict filter rows join exists in plpgsql barrier insert pgaudit}"
ROWS=$(awk "BEGIN { print int($ROWS * 1000000) }")
PERSONS=$(awk "BEGIN { print int($PERSONS * 1000000) }")

pz_bootstrap && pz_workdir_make "$ROOT" && pz_private_prefix && pz_workdir_install || exit 1
pz_cluster_start c || exit 1
LIBRARIES=personalize
if [ -f "$("$PG_CONFIG" --pkglibdir)/pgaudit.so" ]; then
	LIBRARIES="$LIBRARIES, pgaudit"
fi
pz_client psql -X -q -v ON_ERROR_STOP=1 >/dev/null <<SQL || exit 1
ALTER SYSTEM SET shared_buffers = '2GB';
ALTER SYSTEM SET max_wal_size = '8GB';
ALTER SYSTEM SET random_page_cost = 1.1;
ALTER SYSTEM SET personalize.consent_memory = '4GB';
ALTER SYSTEM SET shared_preload_libraries = $LIBRARIES;
SQL
restart()
{
	pz_cluster_stop c
	pz_as_user "$PGBIN/pg_ctl" -D "$PZ_DATA" -l "$PZ_SERVER_LOG" -w -t 60 start >/dev/null
}
restart || exit 1
case $LIBRARIES in *pgaudit) ;; *) read -ra VARIANTS <<<"$(printf '%s ' "${VARIANTS[@]}" | sed 's/pgaudit//')" ;; esac
type_of() { case $1 in bigint) echo bigint ;; uuid) echo uuid ;; text) echo text ;; esac; }
key_of() { case $1 in bigint) echo "$2" ;; uuid) echo "md5(($2)::text)::uuid" ;; text) echo "'person' || ($2) || '@mail.example.org'" ;; esac; }

echo "== $PZ_PGVERSION, $(nproc) cores, $ROWS rows, $PERSONS persons, $ROUNDS rounds, load $(cut -d' ' -f1 /proc/loadavg)"
{
	cat <<SQL
CREATE EXTENSION personalize;
SELECT personalize.define_category('general', 'for the benchmark');
CREATE UNLOGGED TABLE product AS SELECT i AS product, (random() * 100)::numeric(10,2) AS price FROM generate_series(1, 1000) AS i;
CREATE UNIQUE INDEX ON product (product);
CREATE TABLE own_log (at timestamptz DEFAULT now(), who text DEFAULT current_user, what text);
SQL
	for v in "${VARIANTS[@]}"; do
		echo "CREATE ROLE bench_$v; GRANT pg_read_server_files TO bench_$v; GRANT EXECUTE ON FUNCTION pg_read_file(text) TO bench_$v;"
		echo "GRANT SELECT ON product TO bench_$v; GRANT INSERT ON own_log TO bench_$v;"
		case $v in exists | in | plpgsql) ;; *) echo "ALTER ROLE bench_$v BYPASSRLS;" ;; esac
	done
	for key in "${KEYS[@]}"; do
		for share in "${SHARES[@]}"; do
			t=${key}_$share
			cat <<SQL
SELECT personalize.define_kind('$t', '$(type_of "$key")');
SELECT personalize.define_purpose('$t', 'for the benchmark', categories => '{general}');
CREATE UNLOGGED TABLE plain_$t (id bigint NOT NULL, subject $(type_of "$key") NOT NULL, amount numeric(10,2) NOT NULL, at timestamp NOT NULL, product integer NOT NULL);
INSERT INTO plain_$t SELECT i, $(key_of "$key" "1 + (random() * ($PERSONS - 1))::bigint"), (random() * 1000)::numeric(10,2), timestamp '2026-01-01' + i * interval '1 second', 1 + i % 1000 FROM generate_series(1, $ROWS) AS i;
CREATE UNLOGGED TABLE protected_$t AS SELECT * FROM plain_$t;
CREATE INDEX ON plain_$t (subject);
CREATE INDEX ON plain_$t (at);
CREATE INDEX ON protected_$t (subject);
CREATE INDEX ON protected_$t (at);
CREATE UNLOGGED TABLE segment_$t AS SELECT $(key_of "$key" i) AS subject FROM generate_series(1, $PERSONS, 100) AS i;
CREATE UNLOGGED TABLE consent_$t AS SELECT $(key_of "$key" i) AS subject FROM generate_series(1, $PERSONS) AS i WHERE i * 7 % 100 < $share;
CREATE UNIQUE INDEX ON consent_$t (subject);
CREATE VIEW barrier_$t WITH (security_barrier) AS SELECT o.* FROM plain_$t AS o JOIN consent_$t USING (subject);
CREATE FUNCTION agreed_$t(person $(type_of "$key")) RETURNS boolean LANGUAGE plpgsql STABLE AS 'BEGIN RETURN EXISTS (SELECT FROM consent_$t AS c WHERE c.subject = person); END';
ALTER TABLE plain_$t ENABLE ROW LEVEL SECURITY;
SQL
			for v in "${VARIANTS[@]}"; do
				case $v in
					exists) echo "CREATE POLICY p_$v ON plain_$t TO bench_$v USING (EXISTS (SELECT FROM consent_$t AS c WHERE c.subject = plain_$t.subject));" ;;
					in) echo "CREATE POLICY p_$v ON plain_$t TO bench_$v USING (subject IN (SELECT c.subject FROM consent_$t AS c));" ;;
					plpgsql) echo "CREATE POLICY p_$v ON plain_$t TO bench_$v USING (agreed_$t(subject));" ;;
				esac
				echo "GRANT SELECT ON plain_$t, protected_$t, segment_$t, consent_$t, barrier_$t TO bench_$v;"
			done
			cat <<SQL
SELECT personalize.protect('protected_$t', 'subject', kind => '$t', columns => '{"*":"general"}');
SELECT personalize.grant_purpose('$t', rolname::regrole) FROM pg_roles WHERE rolname IN ('bench_protected', 'bench_async', 'bench_strict');
CREATE TEMP TABLE said_$t AS SELECT subject::text, '$t' AS purpose, 'given' AS action, '$t' AS kind FROM consent_$t;
SELECT personalize.record_consents('said_$t');
SQL
		done
	done
	echo 'VACUUM ANALYZE; SELECT personalize.audit_sync();'
} >"$PZ_TMP/make.sql"
pz_client psql -X -q -v ON_ERROR_STOP=1 -f - <"$PZ_TMP/make.sql" >/dev/null || exit 1
# the set as it is after a start
restart || exit 1

# does WORK VARIANT: is it measured at all?
does()
{
	case $1-$2 in
		*-filter) [ "$1" = sum ] || [ "$1" = count ] ;;
		*-rows) [ "$1" = top ] ;;
		sum-async | sum-strict | count-async | count-strict | join-async | join-strict) false ;;
		sum-insert | count-insert) false ;;
	esac
}

# times WORK VARIANT: how often, for the clock's hundredths of a second to matter
times()
{
	case $1-$2 in
		sum-plpgsql | count-plpgsql) echo 1 ;;
		sum-* | count-*) echo $((4000000 / ROWS + 1)) ;;
		point-in) echo 3 ;;
		point-*) echo 10000 ;;
		join-in | join-barrier) echo 2 ;;
		join-*) echo 10 ;;
		top-join | top-plpgsql) echo 100 ;;
		top-exists | top-in | top-barrier) echo 3 ;;
		top-*) echo 3000 ;;
	esac
}

# sql WORK VARIANT TABLE: the query
sql()
{
	local of=plain_$3
	local where=

	case $2 in
		protected | async | strict) of=protected_$3 ;;
		barrier) of=barrier_$3 ;;
		join) of="plain_$3 AS o JOIN consent_$3 USING (subject)" ;;
		filter) where=' WHERE id > 0' ;;
	esac
	case $1 in
		sum) echo "SELECT sum(amount) FROM $of$where" ;;
		count) echo "SELECT count(*) FROM $of$where" ;;
		point) echo "SELECT * FROM $of WHERE subject = \$1" ;;
		join) echo "SELECT count(*), sum(price) FROM $of JOIN segment_$3 AS s USING (subject) JOIN product AS p USING (product)" ;;
		top) echo "SELECT * FROM $of ORDER BY at DESC LIMIT $([ "$2" = rows ] && echo $((10000 / ${3##*_})) || echo 100)" ;;
	esac
}

# calls WORK VARIANT TABLE TIMES: statements for psql
calls()
{
	local times=$4

	for ((i = 0; i < times; i++)); do
		if [ "$1" = point ]; then
			echo "EXECUTE q($(key_of "${3%_*}" $((1 + (i * 7919) % PERSONS))));"
		else
			echo 'EXECUTE q;'
		fi
		[ "$2" = insert ] && echo "INSERT INTO own_log (what) VALUES ('$1');"
	done
}

# ticks WORK VARIANT TABLE TIMES: processor time, in microseconds, of one of that many runs
ticks()
{
	local ticks="SELECT split_part(pg_read_file('/proc/self/stat'), ' ', 14)::int + split_part(pg_read_file('/proc/self/stat'), ' ', 15)::int"
	{
		case $2 in
			async | strict) echo "SET personalize.audit = $2;" ;;
			pgaudit) echo "SET pgaudit.log = 'read';" ;;
		esac
		echo "SET ROLE bench_$2; SET jit = off; SET max_parallel_workers_per_gather = 0; SET enable_indexonlyscan = off; SET synchronous_commit = on;"
		echo "PREPARE q$([ "$1" = point ] && echo "($(type_of "${3%_*}"))") AS $(sql "$1" "$2" "$3");"
		# INSERT stands for a transaction of its own; the others need one for the purpose
		[ "$2" = insert ] || echo "BEGIN; SET LOCAL personalize.purpose = '$3';"
		echo '\o /dev/null'
		calls "$1" "$2" "$3" $(($4 > 100 ? 100 : 1))
		echo '\o'
		echo "$ticks AS before \\gset"
		echo '\o /dev/null'
		calls "$1" "$2" "$3" "$4"
		echo '\o'
		echo "SELECT (($ticks) - :before) * 10000.0 / $4;"
		[ "$2" = insert ] || echo 'COMMIT;'
	} | pz_client psql -X -q -A -t -v ON_ERROR_STOP=1
}

until [ "$(pz_client psql -X -A -t -c "SELECT state = 'ready' AND pending = 0 AND cardinality(purposes) = $((${#KEYS[@]} * ${#SHARES[@]})) FROM personalize.consent_set_internal()")" = t ]; do
	pz_client psql -X -q -c "SELECT pg_sleep(0.2)" >/dev/null # lint: poll interval
done
pz_client psql -X -A -t -c "SELECT 'consent set: ' || detail FROM personalize.status() WHERE check_name = 'consent set'"
for work in "${WORKS[@]}"; do
	for key in "${KEYS[@]}"; do
		for share in "${SHARES[@]}"; do
			rm -f "$PZ_TMP"/ratio.* "$PZ_TMP"/us.*
			measured=()
			for v in "${VARIANTS[@]}"; do
				does "$work" "$v" && measured+=("$v")
			done
			for ((round = 1; round <= ROUNDS; round++)); do
				for v in $(shuf -e "${measured[@]}"); do
					ticks "$work" "$v" "${key}_$share" "$(times "$work" "$v")" >"$PZ_TMP/ticks.$v" || exit 1
				done
				for v in "${measured[@]}"; do
					cat "$PZ_TMP/ticks.$v" >>"$PZ_TMP/us.$v"
					awk -v a="$(cat "$PZ_TMP/ticks.$v")" -v b="$(cat "$PZ_TMP/ticks.plain")" 'BEGIN { print a / b }' >>"$PZ_TMP/ratio.$v"
				done
			done
			for v in "${measured[@]}"; do
				printf '%-6s %-7s %4s %%  %-10s %-22s %s us\n' "$work" "$key" "$share" "$v" "$(quartiles '%.3g' <"$PZ_TMP/ratio.$v")" "$(quartiles '%.4g' <"$PZ_TMP/us.$v" | cut -d' ' -f1)"
				[ -n "$RESULTS" ] && echo "$work $key $share $v $(quartiles '%.3g' <"$PZ_TMP/ratio.$v" | cut -d' ' -f1)" >>"$RESULTS"
			done
		done
	done
done
exit 0
