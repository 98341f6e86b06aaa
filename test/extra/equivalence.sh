#!/bin/bash
# Random queries find in the protected schema what they find in plain tables
# that hold what the purpose may see, and never evaluate what is hidden: see
# test/README.md.
#
#	EQUIVALENCE_QUERIES		how many (1500)
#	EQUIVALENCE_SEED		of rows, people and queries (1); everything follows from it
#	EQUIVALENCE_JOBS		sessions at once (2)
#	EQUIVALENCE_CELLS		0: people agree to all or nothing, so nothing is masked (1)
#	EQUIVALENCE_ONLY		number of one query to ask
#	EQUIVALENCE_SHOW		how many differences to print (10)
. test/lib/bootstrap.sh
. test/lib/cluster.sh

QUERIES=${EQUIVALENCE_QUERIES:-1500}
SEED=${EQUIVALENCE_SEED:-1}
JOBS=${EQUIVALENCE_JOBS:-2}
CELLS=${EQUIVALENCE_CELLS:-1}
DIR=$PZ_WORK/equivalence
HERE=test/equivalence

# the type shouts when a hidden value is looked at; only ever in a private installation
case $("$PG_CONFIG" --pkglibdir) in
	"$PZ_WORK"/*) ;;
	*)
		echo 'the tripwire type is only installed into a private PostgreSQL'
		exit 77
		;;
esac
make -s -C test/modules/tripwire PG_CONFIG="$PG_CONFIG" all install >"$PZ_TMP/tripwire.log" 2>&1 || { cat "$PZ_TMP/tripwire.log"; exit 1; }
mkdir -p "$DIR"
pz_cluster_start equivalence/c || exit 1
trap pz_cluster_stop EXIT

printf '== seed %s: loading\n' "$SEED"
pz_client "$HERE/load.sh" "$SEED" "$CELLS" || exit 1
pz_client psql -X -q -At -f "$HERE/prove.sql" || exit 1
MAJOR=$(pz_client psql -X -q -At -c "SELECT current_setting('server_version_num')::integer / 10000")
printf '== %s queries by %s sessions\n' "$QUERIES" "$JOBS"
pids=()
for ((job = 0; job < JOBS; job++)); do
	"$HERE/generate.pl" --seed "$SEED" --queries "$QUERIES" --version "$MAJOR" --cells "$CELLS" --jobs "$JOBS" --job $job \
		${EQUIVALENCE_ONLY:+--only "$EQUIVALENCE_ONLY"} >"$DIR/$job.sql" || exit 1
	pz_client psql -X -q -At -f "$DIR/$job.sql" >"$DIR/$job.out" 2>"$DIR/$job.err" &
	pids+=($!)
done
status=0
for pid in "${pids[@]}"; do
	wait "$pid" || status=1
done
[ $status = 0 ] || { tail -n 5 "$DIR"/*.err; echo 'psql did not come to its end'; }
for ((job = 1; job < JOBS; job++)); do
	cat "$DIR/$job.sql" >>"$DIR/0.sql"
	cat "$DIR/$job.out" >>"$DIR/0.out"
done
fired=$(grep -c 'tripwire: hidden' "$PZ_SERVER_LOG")
if grep -E 'PANIC:|TRAP:|terminated by signal' "$PZ_SERVER_LOG"; then
	status=1
fi
"$HERE/compare.pl" "$DIR/0.sql" "$DIR/0.out" || status=1
[ "$fired" = 0 ] || { echo "the server's log has $fired tripwires"; status=1; }
exit $status
