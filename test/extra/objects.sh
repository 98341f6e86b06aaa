#!/bin/bash
# docs/objects.md says what the comments in the database say.
# What they say is left in PZ_TMP/objects.md, from where make objects takes it.
set -eu
. test/lib/bootstrap.sh
. test/lib/cluster.sh
pz_cluster_start objects
trap 'pz_cluster_stop || true' EXIT
pz_client psql -X -q -v ON_ERROR_STOP=1 -c 'CREATE EXTENSION personalize'
pz_client psql -X -v ON_ERROR_STOP=1 -f test/lib/objects.sql >"$PZ_TMP/objects.md"
if ! diff docs/objects.md "$PZ_TMP/objects.md"; then
	echo 'docs/objects.md differs from the comments: run "make objects"'
	exit 1
fi
echo "$(grep -c '^### ' docs/objects.md) objects"
