#!/bin/bash
# Packages: postgresql-PGVERSION-postgis-3 postgresql-PGVERSION-postgis-3-scripts
# PostGIS on protected relations: conditions use the spatial index and find who
# agreed and nobody else, as computed without PostGIS; its functions see no
# withheld row, neither by an error or notice nor by an index or statistics;
# places that are kept back read as null.
# Skipped where the server does not have PostGIS 3.
set -eu
. test/lib/bootstrap.sh
. test/lib/cluster.sh
. test/lib/packages.sh
. test/lib/want.sh
directory=$("$PG_CONFIG" --sharedir)/extension
# Debian makes this link when the package is installed
[ -e "$directory/postgis.control" ] || ! [ -e "$directory/postgis-3.control" ] || ln -s postgis-3.control "$directory/postgis.control"
version=$(sed -n "s/^default_version = '\(.*\)'/\1/p" "$directory/postgis.control" 2>/dev/null || true)
if [ -z "$version" ]; then
	echo 'this PostgreSQL has no PostGIS 3'
	exit 77
fi
[ -e /usr/share/proj/proj.db ] || export PROJ_DATA=$PZ_PACKAGES/usr/share/proj PROJ_LIB=$PZ_PACKAGES/usr/share/proj
pz_with_packages pz_cluster_start postgis
trap 'pz_cluster_stop || true' EXIT
ask() { pz_client psql -X -q -A -t -v ON_ERROR_STOP=1 "$@"; }
ask >/dev/null <<'SQL'
CREATE EXTENSION postgis;
CREATE EXTENSION personalize;
CREATE ROLE app;
SELECT setseed(0.5);
-- around Berlin; one in ten agreed
CREATE TABLE plain AS SELECT i AS id, 13 + random() AS lon, 52 + random() AS lat, i * 7919 % 101 < 10 AS agreed FROM generate_series(1, 30000) AS i;
CREATE TABLE open AS SELECT id, ST_MakePoint(lon, lat)::geography(Point) AS place, ST_SetSRID(ST_MakePoint(lon, lat), 4326)::geometry(Point, 4326) AS flat FROM plain;
ALTER TABLE open ADD PRIMARY KEY (id);
CREATE TABLE prot (LIKE open INCLUDING ALL);
INSERT INTO prot TABLE open;
CREATE TABLE mask (LIKE open INCLUDING ALL);
INSERT INTO mask SELECT id, place, flat FROM open JOIN plain USING (id) WHERE agreed;
CREATE INDEX ON open USING gist (place);
CREATE INDEX prot_place ON prot USING gist (place);
CREATE INDEX prot_flat ON prot USING gist (flat);
CREATE INDEX mask_place ON mask USING gist (place);
-- of any kind, and as text: what is wrong belongs to those who did not agree
CREATE TABLE mixed (id integer PRIMARY KEY, shape geometry, wkt text);
INSERT INTO mixed VALUES (101, 'SRID=4326;POINT(13 52)', 'POINT(1 2)'), (202, 'SRID=4326;POINT(13.1 52)', 'POINT(3 4)'),
	(8, 'SRID=3857;POINT(13 52)', 'POINT(bad)'), (9, 'SRID=4326;CIRCULARSTRING(13 52,13.1 52.1,13.2 52)', 'no shape');
-- and one of nobody, whose statistics are nobody's secret
CREATE TABLE shops AS SELECT id, flat FROM open WHERE id <= 100;
CREATE TABLE "Shops" AS TABLE shops;
GRANT SELECT ON open, prot, mask, mixed, shops TO app;
-- tells what it is called with, and is as cheap as can be
CREATE FUNCTION peek(geometry) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS $$BEGIN RAISE NOTICE 'saw %', ST_AsText($1); RETURN true; END$$;
ANALYZE;
SELECT personalize.define_category('whereabouts', 'where somebody is');
SELECT personalize.define_category('special_place', 'where somebody was seen in private', special => true);
SELECT personalize.define_purpose('nearby', 'offers around the corner', categories => '{whereabouts}');
SELECT personalize.define_purpose('care', 'for tests', categories => '{whereabouts,special_place}', special_basis => 'for tests');
SELECT personalize.grant_purpose('nearby', 'app'), personalize.grant_purpose('care', 'app');
SELECT personalize.protect('prot', 'id', columns => '{"*":"whereabouts"}');
SELECT personalize.protect('mixed', 'id', columns => '{"*":"whereabouts"}');
SELECT personalize.protect('mask', 'id', columns => '{"place":"special_place", "flat":"whereabouts"}');
CREATE TABLE agreed AS SELECT i::text AS subject, 'nearby' AS purpose, 'given' AS action FROM (SELECT id FROM plain WHERE agreed) AS p (i);
SELECT personalize.record_consents('agreed');
SQL

# run QUERY [PURPOSE]: as the application
run() { ask -c "BEGIN; SET LOCAL ROLE app; SET LOCAL personalize.purpose = '${2:-nearby}'; $1; COMMIT" 2>&1; }
# used INDEX QUERY [PURPOSE]: by how many scans of the plan
used() { run "EXPLAIN (COSTS OFF) $2" "${3:-nearby}" | grep -cE "(using|on) $1( |\$)" || true; }
list='coalesce(string_agg(id::text, '"' '"' ORDER BY id), '"''"')'
here="'POINT(13.5 52.5)'::geography"
# by trigonometry, on the sphere of PostGIS
apart='2 * 6371008.771415059 * asin(sqrt(sind((lat - 52.5) / 2) ^ 2 + cosd(lat) * cosd(52.5) * sind((lon - 13.5) / 2) ^ 2))'
[ -z "${POSTGIS_BREAK:-}" ] || ask -c "$POSTGIS_BREAK"

# within a distance
near="ST_DWithin(place, $here, 6000, false)"
expected=$(ask -c "SELECT $list FROM plain WHERE agreed AND $apart <= 6000")
want 'enough of them agreed to tell' "$([ "$(wc -w <<<"$expected")" -gt 5 ] && echo yes)" yes
want 'ST_DWithin(geography): the index is used' "$(used prot_place "SELECT id FROM prot WHERE $near")" 1
want 'ST_DWithin(geography): who is near and agreed' "$(run "SELECT $list FROM prot WHERE $near")" "$expected"
want 'ST_DWithin(geography) of constants to be computed: the index is used' \
	"$(used prot_place "SELECT id FROM prot WHERE ST_DWithin(ST_SetSRID(ST_MakePoint(13.5, 52.5), 4326)::geography, place, 6000)")" 1
want 'ST_DWithin(geography) by parameters: the index is used' \
	"$(run "PREPARE p AS SELECT $list FROM prot WHERE ST_DWithin(place, ST_GeogFromText(\$1), \$2, false); EXPLAIN (COSTS OFF) EXECUTE p('POINT(13.5 52.5)', 6000)" | grep -cE '(using|on) prot_place')" 1
want 'ST_DWithin(geography) by parameters, for all: who is near and agreed' \
	"$(run "SET LOCAL plan_cache_mode = force_generic_plan; PREPARE p AS SELECT $list FROM prot WHERE ST_DWithin(place, ST_GeogFromText(\$1), \$2, false); EXECUTE p('POINT(13.5 52.5)', 6000)")" "$expected"
flat="'SRID=4326;POINT(13.5 52.5)'::geometry"
plane='sqrt((lon - 13.5) ^ 2 + (lat - 52.5) ^ 2)'
want 'ST_DWithin(geometry): the index is used' "$(used prot_flat "SELECT id FROM prot WHERE ST_DWithin(flat, $flat, 0.03)")" 1
want 'ST_DWithin(geometry): who is near and agreed' "$(run "SELECT $list FROM prot WHERE ST_DWithin(flat, $flat, 0.03)")" \
	"$(ask -c "SELECT $list FROM plain WHERE agreed AND $plane <= 0.03")"
box='ST_MakeEnvelope(13.5, 52.5, 13.52, 52.53, 4326)'
inside=$(ask -c "SELECT $list FROM plain WHERE agreed AND lon BETWEEN 13.5 AND 13.52 AND lat BETWEEN 52.5 AND 52.53")
for condition in "ST_Within(flat, $box)" "ST_Contains($box, flat)" "ST_Intersects(flat, $box)" "ST_CoveredBy(flat, $box)" "flat && $box" "$box ~ flat" "flat @ $box"; do
	want "$condition: the index is used" "$(used prot_flat "SELECT id FROM prot WHERE $condition")" 1
	want "$condition: who is inside and agreed" "$(run "SELECT $list FROM prot WHERE $condition")" "$inside"
done
# one place with many coordinates, whose boxes do not overlap
ask >/dev/null -c "CREATE TABLE round (id integer PRIMARY KEY, place geography)" -c "GRANT SELECT ON round TO app" \
	-c "INSERT INTO round VALUES (101, 'POINT(0 90)'), (202, 'POINT(10 90)'), (303, 'POINT(180 0)'), (404, 'POINT(-180 0)')" -c "CREATE TABLE open_round AS TABLE round" \
	-c "SELECT personalize.protect('round', 'id', columns => '{\"*\":\"whereabouts\"}')"
for condition in "ST_Intersects(place, 'POINT(10 90)'::geography)" "ST_CoveredBy(place, 'POINT(0 90)'::geography)" "ST_DWithin(place, 'POINT(90 90)'::geography, 0)" "ST_Intersects('POINT(-180 0)'::geography, place)"; do
	want "$condition: as without the row check" "$(run "SELECT $list FROM round WHERE $condition")" "$(ask -c "SELECT $list FROM open_round WHERE $condition")"
done
want 'beside another condition, negated, or one of several: the same' \
	"$(run "SELECT count(*) FILTER (WHERE NOT $near), count(*) FILTER (WHERE $near OR id = 101) FROM prot; SELECT count(*) FROM prot WHERE NOT $near; SELECT count(*) FROM prot WHERE $near OR id = 101" | paste -sd ' ')" \
	"$(ask -c "SELECT count(*) FILTER (WHERE $apart > 6000), count(*) FILTER (WHERE $apart <= 6000 OR id = 101) FROM plain WHERE agreed" \
		-c "SELECT count(*) FROM plain WHERE agreed AND $apart > 6000" -c "SELECT count(*) FROM plain WHERE agreed AND ($apart <= 6000 OR id = 101)" | paste -sd ' ')"

# nearest
nearest="SELECT string_agg(id::text, ' ') FROM (SELECT id FROM prot ORDER BY flat <-> $flat LIMIT 5) AS n"
five=$(ask -c "SELECT string_agg(id::text, ' ') FROM (SELECT id FROM plain WHERE agreed ORDER BY $plane LIMIT 5) AS n")
want 'nearest: those of who agreed' "$(run "$nearest")" "$five"
want 'nearest: by sorting' "$(used prot_flat "$nearest")" 0
want 'nearest within a distance: the index is used' "$(used prot_flat "SELECT id FROM prot WHERE ST_DWithin(flat, $flat, 0.1) ORDER BY flat <-> $flat LIMIT 5")" 1
want 'nearest within a distance: those of who agreed' "$(run "${nearest/ORDER/WHERE ST_DWithin(flat, $flat, 0.1) ORDER}")" "$five"
marked='geometry_distance_centroid(geometry, geometry) LEAKPROOF'
ask -c "ALTER FUNCTION $marked" -c 'ALTER FUNCTION geometry_distance_box(geometry, geometry) LEAKPROOF' \
	-c 'ALTER FUNCTION geometry_distance_centroid_nd(geometry, geometry) LEAKPROOF' -c 'ALTER FUNCTION geometry_distance_cpa(geometry, geometry) LEAKPROOF'
want 'nearest, where a superuser trusts distances: the index is used' "$(used prot_flat "$nearest")" 1
want 'nearest, where a superuser trusts distances: those of who agreed' "$(run "$nearest")" "$five"
ask -c "ALTER FUNCTION ${marked/LEAKPROOF/NOT LEAKPROOF}"

# what could tell of withheld rows
want 'a function of the query sees who agreed only' \
	"$(run "SELECT count(*) FROM prot WHERE peek(flat) AND ST_Distance(flat, $flat) < 0.03" | grep -c 'NOTICE')" "$(ask -c "SELECT count(*) FROM plain WHERE agreed")"
wrong_text="SELECT string_agg(ST_AsText(ST_GeomFromText(wkt)), ' ' ORDER BY id) FROM mixed WHERE ST_X(ST_GeomFromText(wkt)) > 0"
wrong_shapes="SELECT $list FROM mixed WHERE ST_DWithin(shape, 'SRID=4326;POINT(13 52)'::geometry, 1)"
want 'text that is no shape raises no error' "$(run "$wrong_text")" 'POINT(1 2) POINT(3 4)'
want 'shapes of another system or kind raise no error' "$(run "$wrong_shapes")" '101 202'
# what is evaluated before the row check rests on this
odd="WITH odd AS (SELECT ST_GeomFromText(t, 4326) AS g, t !~ 'CURVE|CIRCULAR|TIN|TRIANGLE|SURFACE|e40' AS round FROM unnest(ARRAY['POINT EMPTY', 'POLYGON EMPTY', 'MULTIPOINT(EMPTY, 1 1)', 'GEOMETRYCOLLECTION(POINT EMPTY)',
	'MULTIPOLYGON(EMPTY, ((0 0, 0 1, 1 1, 0 0)))', 'POINT ZM(1 1 5 6)', 'LINESTRING Z(0 0 1, 2 2 2)', 'LINESTRING M(0 0 1, 2 2 2)', 'LINESTRING(0 0, 0 0)', 'POLYGON((0 0, 2 2, 2 0, 0 2, 0 0))', 'POINT(0 90)', 'LINESTRING(179 10, -179 10)',
	'CIRCULARSTRING(0 0, 1 1, 2 0)', 'CURVEPOLYGON(CIRCULARSTRING(0 0, 4 0, 4 4, 0 4, 0 0))', 'TRIANGLE((0 0, 0 1, 1 1, 0 0))', 'TIN EMPTY', 'POLYHEDRALSURFACE(((0 0 0, 0 0 1, 0 1 1, 0 1 0, 0 0 0)))', 'POINT(1e40 1e40)']) AS t
	UNION ALL SELECT ST_SetSRID(ST_MakePoint(x, y), 3857), false FROM (VALUES ('NaN'::float8, 1::float8), ('Infinity', '-Infinity')) AS v (x, y)), both_kinds AS (SELECT g, CASE WHEN round THEN g::geography END AS gg FROM odd)"
want 'comparisons of boxes raise nothing, whatever the shapes' \
	"$(run "$odd SELECT count(${POSTGIS_ODD:-a.g && b.g}) > 0, count(a.g ~ b.g) > 0, count(a.g @ b.g) > 0, count(a.g &&& b.g) > 0, count(a.gg && b.gg) > 0 FROM both_kinds AS a, both_kinds AS b")" 't|t|t|t|t'
# only in the box of rows that are withheld is there anything to compare
alone=$(ask -c "SELECT ST_AsText(ST_Expand(a.flat, 0.0001)) FROM open AS a WHERE NOT EXISTS (SELECT FROM open AS b JOIN plain USING (id) WHERE agreed AND b.flat && ST_Expand(a.flat, 0.01)) LIMIT 1")
unsuitable="SELECT count(*) FROM prot WHERE ST_DWithin(flat, ST_GeomFromText('$alone', 3857), 0.0001)"
want 'an unsuitable constant raises no error where only withheld rows are' \
	"$(run "SET LOCAL enable_seqscan = off; $unsuitable")" 0
want 'shapes are put together of who agreed' "$(run 'SELECT ST_Extent(flat) FROM prot')" "$(ask -c 'SELECT ST_Extent(flat) FROM open JOIN plain USING (id) WHERE agreed')"
for call in "ST_EstimatedExtent('prot', 'flat')" "ST_EstimatedExtent('public', 'prot', 'flat')" "ST_EstimatedExtent('public', 'prot', 'flat', true)" "_postgis_stats('prot', 'flat')" \
	"_postgis_index_extent('prot', 'flat')" "_postgis_selectivity('prot', 'flat', $flat)" "_postgis_join_selectivity('shops', 'flat', 'prot', 'flat')" \
	"ST_EstimatedExtent(lower('PROT'), 'flat')" "(SELECT ST_EstimatedExtent(n, 'flat') FROM (SELECT 'prot' || left(id::text, 0) AS n FROM shops LIMIT 1) AS x)" \
	"ST_EstimatedExtent('public\".\"prot', 'flat')"; do
	want "$call is refused" "$(run "SELECT $call" | sed -n 's/^ERROR:  \(cannot call function\) [a-z_]*:.*/\1/p')" 'cannot call function'
done
want 'it is refused by a fast path of the protocol, within a function, and to a superuser' "$(
	ask -c "CREATE FUNCTION behind(name text) RETURNS text LANGUAGE plpgsql AS 'BEGIN RETURN ST_EstimatedExtent(name, ''flat''); END'"
	run "SELECT behind('prot')" | grep -c 'cannot call function'
	ask -c "SELECT ST_EstimatedExtent('prot', 'flat')" 2>&1 | grep -c 'cannot call function'
)" $'1\n1'
want 'it is not of what is not protected' "$(run "SELECT ST_EstimatedExtent('shops', 'flat') IS NOT NULL, ST_EstimatedExtent('public', 'Shops', 'flat') IS NOT NULL, _postgis_stats('shops', 'flat') IS NOT NULL")" 't|t|t'
ask -c "SELECT personalize.grant_purpose('backup', 'app')" >/dev/null
# so there is something to raise errors of
for query in "$wrong_text" "$wrong_shapes" "$unsuitable"; do
	want 'for who may see all rows these raise errors' "$(run "$query" backup | grep -c ERROR)" 1
done
want 'nor for a built-in purpose that is held' "$(run "SELECT ST_EstimatedExtent('prot', 'flat') IS NOT NULL" backup)" t
want 'statistics of places are not there' "$(run "SELECT count(*) FROM pg_stats WHERE tablename = 'prot'" && ask -c "SELECT count(*) FROM pg_statistic WHERE starelid = 'prot'::regclass")" $'0\n0'
want 'no estimate tells how many are where' "$(run "EXPLAIN SELECT id FROM prot WHERE $near" | grep -c 'rows=[1-9]' || true)" 0

# places kept back
ask -o /dev/null -c "CREATE TABLE chose AS SELECT i::text AS subject, 'care' AS purpose, 'given' AS action,
	CASE WHEN i % 2 = 1 THEN '{whereabouts,special_place}' ELSE '{whereabouts}' END::text[] AS categories FROM (SELECT id FROM plain WHERE agreed) AS p (i)" \
	-c "SELECT personalize.record_consents('chose')"
want 'a place kept back is null' "$(run 'SELECT count(*), count(place), count(flat), bool_and((place IS NOT NULL) = (id % 2 = 1)) FROM mask' care)" \
	"$(ask -c 'SELECT count(*), count(*) FILTER (WHERE id % 2 = 1), count(*), true FROM plain WHERE agreed')"
half=$(ask -c "SELECT $list FROM plain WHERE agreed AND id % 2 = 1 AND $apart <= 6000")
want 'within a distance, of places that are shown' "$(run "SELECT $list FROM mask WHERE $near" care)" "$half"
want 'the index is used for them' "$(used mask_place "SELECT id FROM mask WHERE $near" care)" 1
want 'what is made of a place kept back is null' "$(run "SELECT count(ST_AsText(place)), count(ST_Distance(place, $here)), ST_NumGeometries(ST_Collect(place::geometry)) FROM mask" care)" \
	"$(ask -c 'SELECT count(*), count(*), count(*) FROM plain WHERE agreed AND id % 2 = 1')"
want 'no index is named as lost' "$(ask -c "SELECT count(*) FROM personalize.status() WHERE detail LIKE 'index %'")" 0
echo "$OK checks, PostGIS $version"
exit $FAILED
