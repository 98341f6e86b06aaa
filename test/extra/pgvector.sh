#!/bin/bash
# Packages: postgresql-PGVERSION-pgvector
# Nearest neighbours by an index of pgvector on a protected relation: the index
# stays, nobody who said no is among them, and those nearest are found: by ivfflat
# that looks into all its lists, and by hnsw with iterative scans, which came with 0.8.
# Skipped where the server does not have pgvector.
set -eu
. test/lib/bootstrap.sh
. test/lib/cluster.sh
control=$("$PG_CONFIG" --sharedir)/extension/vector.control
if ! version=$(sed -n "s/^default_version = '\(.*\)'/\1/p" "$control" 2>/dev/null) || [ -z "$version" ]; then
	echo 'this PostgreSQL has no pgvector'
	exit 77
fi
at_least() { [ "$(printf '%s\n' "$1" "$version" | sort -V | head -n 1)" = "$1" ]; }
hnsw=
! at_least 0.8 || hnsw=yes
pz_cluster_start pgvector
pz_client psql -X -q -v ON_ERROR_STOP=1 -v hnsw="${hnsw:-no}" <<'SQL'
CREATE EXTENSION vector;
CREATE EXTENSION personalize;
CREATE ROLE app;
SELECT setseed(0.5);
CREATE TABLE open (id integer PRIMARY KEY, v vector(3));
INSERT INTO open SELECT i, ARRAY[random(), random(), random()]::vector FROM generate_series(1, 3000) AS i;
CREATE TABLE prot (LIKE open);
INSERT INTO prot TABLE open;
CREATE TABLE mask (LIKE open);
INSERT INTO mask TABLE open;
CREATE TABLE list (LIKE open);
INSERT INTO list TABLE open;
CREATE INDEX list_v ON list USING ivfflat (v vector_l2_ops) WITH (lists = 20);
\if :hnsw
CREATE INDEX open_v ON open USING hnsw (v vector_l2_ops);
CREATE INDEX prot_v ON prot USING hnsw (v vector_l2_ops);
CREATE INDEX mask_v ON mask USING hnsw (v vector_l2_ops);
\endif
GRANT SELECT ON open, prot, mask, list TO app;
ANALYZE;
SELECT personalize.define_category('taste', 'what a person likes');
SELECT personalize.define_category('special_taste', 'what a person likes in private', special => true);
SELECT personalize.define_purpose('similar', 'find people alike', categories => '{taste,special_taste}', special_basis => 'for tests');
SELECT personalize.grant_purpose('similar', 'app');
SELECT personalize.protect('prot', 'id', columns => '{"*":"taste"}');
SELECT personalize.protect('list', 'id', columns => '{"*":"taste"}');
SELECT personalize.protect('mask', 'id', columns => '{"*":"special_taste"}');
-- one in a hundred agreed: fewer than an index scan that does not go on would bring
CREATE TABLE agreed AS SELECT i::text AS subject, 'similar' AS purpose, 'given' AS action FROM generate_series(100, 3000, 100) AS i;
SELECT personalize.record_consents('agreed');
SQL
near="ORDER BY v <-> '[0.5,0.5,0.5]', id"
indexed="ORDER BY v <-> '[0.5,0.5,0.5]'"

# run SETTINGS QUERY: as the application
run()
{
	pz_client psql -X -q -A -t -v ON_ERROR_STOP=1 -c "BEGIN; SET LOCAL ROLE app; SET LOCAL personalize.purpose = 'similar'; $1; $2; COMMIT"
}
. test/lib/want.sh
iterative='SET LOCAL hnsw.iterative_scan = strict_order; SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off'
wanted=$(run 'SET LOCAL enable_indexscan = off' "SELECT string_agg(id::text, ' ') FROM (SELECT id FROM open WHERE id % 100 = 0 $near LIMIT 10) AS n")
used() { run "$1" "EXPLAIN (COSTS OFF) SELECT id FROM $2 $indexed LIMIT 10" | grep -c "Index Scan using $2_v" || true; }
lists='SET LOCAL ivfflat.probes = 20; SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off'
want 'ivfflat: the index is used' "$(used "$lists" list)" 1
want 'ivfflat: those nearest of who agreed' "$(run "$lists" "SELECT string_agg(id::text, ' ') FROM (SELECT id FROM list $indexed LIMIT 10) AS n")" "$wanted"
want 'ivfflat, by few lists: nobody else' "$(run "${lists/20/1}" "SELECT bool_and(id % 100 = 0) IS NOT FALSE FROM (SELECT id FROM list $indexed LIMIT 10) AS n")" t
want 'ivfflat, a withdrawal: who is nearest is not found any more' "$(pz_client psql -X -q -A -t -v ON_ERROR_STOP=1 -c "SELECT personalize.withdraw_consent(${wanted%% *}, 'similar')" >/dev/null
	run "$lists" "SELECT string_agg(id::text, ' ') FROM (SELECT id FROM list $indexed LIMIT 9) AS n")" "${wanted#* }"
pz_client psql -X -q -v ON_ERROR_STOP=1 -c "SELECT personalize.grant_consent(${wanted%% *}, 'similar')" >/dev/null
if [ -n "$hnsw" ]; then
	want 'not protected: the index is used' "$(used "$iterative" open)" 1
	want 'protected: the index is used' "$(used "$iterative" prot)" 1
	want 'masked: it is not' "$(used "$iterative" mask)" 0
	want 'by a sort: those nearest of who agreed' \
		"$(run 'SET LOCAL enable_indexscan = off' "SELECT string_agg(id::text, ' ') FROM (SELECT id FROM prot $near LIMIT 10) AS n")" "$wanted"
	want 'by the index, iterative: the same' \
		"$(run "$iterative" "SELECT string_agg(id::text, ' ') FROM (SELECT id FROM prot $indexed LIMIT 10) AS n")" "$wanted"
	want 'by the index, not iterative: nobody else, and not enough' \
		"$(run "${iterative/strict_order/off}; SET LOCAL hnsw.ef_search = 40" "SELECT count(*) < 10, bool_and(id % 100 = 0) IS NOT FALSE FROM (SELECT id FROM prot $indexed LIMIT 10) AS n")" 't|t'
	want 'by distance: only who agreed' \
		"$(run "$iterative" "SELECT count(*), bool_and(id % 100 = 0) FROM prot WHERE v <-> '[0.5,0.5,0.5]' < 10")" '30|t'
	want 'masked: sorted, and only who agreed' \
		"$(run "$iterative" "SELECT string_agg(id::text, ' ') FROM (SELECT id FROM mask $near LIMIT 10) AS n")" "$wanted"
fi
echo "pgvector $version$([ -n "$hnsw" ] || echo ', ivfflat only')"
exit $FAILED
