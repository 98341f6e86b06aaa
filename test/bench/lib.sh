# shellcheck shell=bash
# Sourced first by the benchmarks: the frame of one that works on private servers
# and cleans up however it ends.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd) || exit 1

. "$ROOT/test/lib/bootstrap.sh"
. "$ROOT/test/lib/workdir.sh"
. "$ROOT/test/lib/cluster.sh"

finish()
{
	trap - EXIT
	pz_bootstrap_cleanup
	pz_workdir_remove
}

trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# Median and quartiles of the numbers on the standard input, by a printf format
# for each of the three (%.6g).
quartiles()
{
	sort -g | awk -v f="${1:-%.6g}" '{ v[NR] = $1 }
		END { printf f " [" f ".." f "]", v[int((NR + 1) / 2)], v[int((NR + 3) / 4)], v[int((3 * NR + 3) / 4)] }'
}

# cpu TIMES SETUP SQL: processor time of the backend, in microseconds, for each of so many
# runs of a statement (without semicolon) in one transaction that SETUP has prepared; a
# tenth as many go before.  The role must be allowed to read /proc.
cpu()
{
	local ticks="SELECT split_part(pg_read_file('/proc/self/stat'), ' ', 14)::int + split_part(pg_read_file('/proc/self/stat'), ' ', 15)::int"

	{
		echo "SET jit = off; SET max_parallel_workers_per_gather = 0; BEGIN; $2"
		echo '\o /dev/null'
		for ((i = 0; i <= $1 / 10; i++)); do echo "$3;"; done
		echo '\o'
		echo "$ticks AS before \\gset"
		echo '\o /dev/null'
		for ((i = 0; i < $1; i++)); do echo "$3;"; done
		echo '\o'
		echo "SELECT (($ticks) - :before) * 10000.0 / $1; COMMIT;"
	} | pz_client psql -X -q -A -t -v ON_ERROR_STOP=1
}
