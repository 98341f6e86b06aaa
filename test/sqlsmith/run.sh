#!/bin/bash
# sqlsmith against the protected schema of test/equivalence, as the application
# role with a purpose by ALTER ROLE: the server must not crash, no assertion of
# the library fail, no tripwire fire.  Not part of "make test".
#
#	test/sqlsmith/run.sh [queries [seed]]		(10000 queries, seed 1)
#
# Exit status 77: sqlsmith is not installed (Debian has a package of that name).
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd) || exit 1
QUERIES=${1:-10000}
SEED=${2:-1}

if ! command -v sqlsmith >/dev/null; then
	echo 'skipped: sqlsmith is not installed'
	exit 77
fi
. "$ROOT/test/lib/bootstrap.sh"
. "$ROOT/test/lib/workdir.sh"
. "$ROOT/test/lib/cluster.sh"
trap pz_workdir_remove EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

pz_bootstrap && pz_workdir_make "$ROOT" && pz_private_prefix || exit 1
cd "$PZ_TREE" || exit 1
pz_say "$PZ_PGVERSION: building, with assertions in the library"
pz_workdir_install WERROR=1 COPT=-DUSE_ASSERT_CHECKING=1 || exit 1
pz_as_user make -s -C test/modules/tripwire PG_CONFIG="$PG_CONFIG" all install >"$PZ_TMP/tripwire.log" 2>&1 || { cat "$PZ_TMP/tripwire.log"; exit 1; }
pz_cluster_start c || exit 1
pz_say 'loading'
pz_client test/equivalence/load.sh "$SEED" 1 || exit 1
pz_client psql -X -q -At -v ON_ERROR_STOP=1 <<'SQL' || exit 1
ALTER ROLE regress_eq_app LOGIN;
ALTER ROLE regress_eq_app SET personalize.purpose = eq_analysis;
ALTER ROLE regress_eq_app SET tripwire.watch = a;
ALTER ROLE regress_eq_app SET search_path = a, tripwire;
-- who inserts into an index looks at its neighbours
DO $$ DECLARE i regclass; BEGIN
	FOR i IN SELECT x.indexrelid FROM pg_index AS x JOIN pg_class AS c ON c.oid = x.indrelid
		WHERE c.relnamespace = 'a'::regnamespace AND pg_get_indexdef(x.indexrelid) LIKE '%tw\_%' LOOP
		EXECUTE format('DROP INDEX %s', i);
	END LOOP;
END $$;
-- sqlsmith chooses among the tables that it finds
SET client_min_messages = warning;
DROP SCHEMA raw, eq, b_a, b_v, b_s, b_i CASCADE;
SQL
pz_say "sqlsmith: $QUERIES queries, seed $SEED"
pz_client timeout 1800 sqlsmith --target="host=$PZ_SOCKET port=5432 user=regress_eq_app dbname=postgres" --exclude-catalog \
	--seed="$SEED" --max-queries="$QUERIES" --verbose >"$PZ_TMP/sqlsmith.out" 2>"$PZ_TMP/sqlsmith.err"
status=$?
tr '\r' '\n' <"$PZ_TMP/sqlsmith.err" | grep -v '^[.eStC]*$' | tail -n 25
failed=0
if [ $status != 0 ]; then
	echo "sqlsmith ended with status $status"
	failed=1
fi
if grep -E 'PANIC:|TRAP:|terminated by signal' "$PZ_SERVER_LOG"; then
	failed=1
fi
if ! pz_client psql -X -q -At -c 'SELECT 1' >/dev/null; then
	echo 'the server does not answer'
	failed=1
fi
# errors that cannot happen (XX000) of the library itself would be in its own words
fired=$(grep -c 'tripwire: hidden' "$PZ_SERVER_LOG")
printf 'sqlsmith, seed %s: %s queries asked for, %s errors, %s tripwires fired\n' "$SEED" "$QUERIES" "$(grep -c 'ERROR:' "$PZ_SERVER_LOG")" "$fired"
sed -n 's/.*ERROR:  //p' "$PZ_SERVER_LOG" | grep -iE 'personalize|row filter|outside the statement|protected relation|masked|cache lookup|unrecognized' |
	sed -E 's/"[^"]*"/"..."/g' | sort | uniq -c | sort -rn | head -n 20
[ -z "${SQLSMITH_LOG:-}" ] || cp "$PZ_SERVER_LOG" "$SQLSMITH_LOG"
[ "$fired" = 0 ] && [ $failed = 0 ]
