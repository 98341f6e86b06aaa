#!/bin/bash
# What docs/howto/README.md says of every client: its roles and shop, and the statements that were seen to fail.
set -eu
. test/lib/bootstrap.sh
. test/lib/cluster.sh
. test/lib/want.sh
pz_cluster_start howto
trap 'pz_cluster_stop || true' EXIT
page=docs/howto/README.md
dir=$PZ_WORK/howto_page
mkdir "$dir"
awk -v to="$dir/" '/^```[a-z]+ [^ ]+$/ { file = to $2; next } /^```$/ { file = "" } file != "" { print > file }' $page
# as the tutorial leaves it: an audit worker is in the database
pz_client psql -X -q -c 'CREATE DATABASE shop'
PZ_DATABASE=shop pz_client psql -X -q -v ON_ERROR_STOP=1 -o /dev/null -c 'CREATE ROLE shop_app' -c 'CREATE TABLE t (id bigint)' -c 'GRANT SELECT ON t TO shop_app' -c 'CREATE EXTENSION personalize' \
	-c "SELECT personalize.protect('t', 'id')" -c "SELECT personalize.assign_duty('shop_app', 'app')" \
	-c 'BEGIN' -c "SET LOCAL personalize.purpose = 'backup'" -c 'SELECT id FROM t' -c 'COMMIT'
sed -n 's/^    \(sudo -u postgres dropdb .*\)/\1/p' $page | sed 's/sudo -u postgres //g' >"$dir/again.sh"
want 'what the tutorial has left goes' "$(pz_client sh -e "$dir/again.sh" 2>&1 || echo failed)" ''
pz_client psql -X -q -v ON_ERROR_STOP=1 -f "$dir/roles.sql"
PZ_DATABASE=shop pz_client psql -X -q -v ON_ERROR_STOP=1 -c 'CREATE EXTENSION personalize' -f "$dir/shop.sql" -o /dev/null
app() { PZ_DATABASE=shop pz_client env PGUSER=shop_app psql -X -q -A -t "$@" 2>&1; }
# the code of the first cell, and the second cell, of each row of a table that begins with this
rows() { sed -n "/^| statement | $1/,/^\$/p" $page | sed -nE 's/^\| `([^`]*)`[^|]*\| ([0-9A-Z]+) \|.*$/\2 \1/p'; }
want 'what fails is in the table' "$(rows SQLSTATE | wc -l)" 11
while read -r state statement; do
	want "$state: $statement" "$(app -v VERBOSITY=sqlstate -c "$statement" </dev/null | sed -n 's/^.*ERROR: *//p')" "$state"
done < <(rows SQLSTATE)
want 'what does nothing is, too' "$(rows rows | wc -l)" 3
while read -r n statement; do
	want "$n rows: $statement" "$(PZ_DATABASE=shop pz_client env PGUSER=shop_app psql -X -c "$statement" 2>&1 | sed -n 's/^[A-Z]* \(0 \)*//p')" "$n"
done < <(rows rows)
# what it says to do instead
want 'what asks for no row needs no purpose' "$(app -c 'SELECT * FROM shop.customer LIMIT 0' -c 'PREPARE p AS SELECT * FROM shop.customer' && printf 'SELECT * FROM shop.customer \\gdesc\n' | app | head -n 1)" 'customer_id|bigint'
want 'options of the connection' "$(PZ_DATABASE=shop pz_client env PGUSER=shop_app PGOPTIONS='-c personalize.purpose=service' psql -X -A -t -c 'SELECT count(*) FROM shop.customer' 2>&1)" 10
want 'a bound parameter' "$(app -c 'PREPARE q (text) AS SELECT personalize.set_purpose($1)' -c 'BEGIN' -c "EXECUTE q('marketing')" -c 'SELECT count(*) FROM shop.customer' -c 'COMMIT' | grep .)" 5
want 'COPY into the table, and out of it' "$(printf 'a,a@shop.example\n' | app -c 'COPY shop.customer (name, email) FROM STDIN CSV' && app -c 'COPY (SELECT count(*) FROM marketing.customer) TO STDOUT')" 5
exit $FAILED
