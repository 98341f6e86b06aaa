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
