#!/bin/bash
# What it costs to erase a person, beside deletes written by hand.
#
#	test/bench/erase.sh [rounds] [persons at once]
#
# Two shops of ten related tables each, one protected, one not, that hold the same.
# Two sizes of persons: 1,000 rows, and 10.
#
#	single		one person, a transaction each: erase_subject() beside ten DELETEs sent as
#				one string, in turn.  Each round: the medians of 15, in a session that has
#				erased before; median and quartiles of the rounds
#	at once		10,000 persons of 10 rows by erase_subjects(), beside ten DELETE ... = ANY
#				by hand: milliseconds a person, once for each round; and the ratio to
#				single ones of the same size in the same round
#
# Environment: PG_CONFIG, the PostgreSQL to use.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
ROUNDS=${1:-7}
MANY=${2:-10000}
EACH=15
TABLES=(returned line payment shipment orders address review event message customer)

pz_bootstrap && pz_workdir_make "$ROOT" && pz_private_prefix && pz_workdir_install || exit 1
pz_cluster_start c || exit 1
pz_client psql -X -q -v ON_ERROR_STOP=1 -c "ALTER SYSTEM SET shared_buffers = '1GB'" -c "ALTER SYSTEM SET max_wal_size = '8GB'" -c 'ALTER SYSTEM SET autovacuum = off' || exit 1
pz_cluster_stop && pz_as_user "$PGBIN/pg_ctl" -D "$PZ_DATA" -l "$PZ_SERVER_LOG" -w start >/dev/null || exit 1

# number of persons of a size: those of 1,000 rows come first
BIG=$((ROUNDS * EACH + EACH))
SMALL=$((ROUNDS * (MANY + EACH) + EACH))
# rows of a person by table: S are of 10 rows, B of 1,000
rows() { echo "generate_series(1, CASE WHEN c <= $BIG THEN $1 ELSE $2 END)"; }
for shop in plain shop; do
	cat <<SQL
CREATE SCHEMA $shop;
SET search_path = $shop;
CREATE TABLE customer (id bigint PRIMARY KEY, name text, email text);
CREATE TABLE address (id bigserial PRIMARY KEY, customer_id bigint NOT NULL REFERENCES customer, street text);
CREATE TABLE orders (id bigserial PRIMARY KEY, customer_id bigint NOT NULL REFERENCES customer, address_id bigint REFERENCES address, at timestamptz);
CREATE TABLE line (id bigserial PRIMARY KEY, customer_id bigint NOT NULL, order_id bigint NOT NULL REFERENCES orders, item text, amount numeric);
CREATE TABLE payment (id bigserial PRIMARY KEY, customer_id bigint NOT NULL, order_id bigint NOT NULL REFERENCES orders, amount numeric);
CREATE TABLE shipment (id bigserial PRIMARY KEY, customer_id bigint NOT NULL, order_id bigint NOT NULL REFERENCES orders, carrier text);
CREATE TABLE returned (id bigserial PRIMARY KEY, customer_id bigint NOT NULL, line_id bigint NOT NULL REFERENCES line, why text);
CREATE TABLE review (id bigserial PRIMARY KEY, customer_id bigint NOT NULL REFERENCES customer, body text);
CREATE TABLE event (id bigserial PRIMARY KEY, customer_id bigint NOT NULL REFERENCES customer, page text);
CREATE TABLE message (id bigserial PRIMARY KEY, customer_id bigint NOT NULL REFERENCES customer, body text);
INSERT INTO customer SELECT c, 'name' || c, 'e' || c FROM generate_series(1, $BIG + $SMALL) AS c;
INSERT INTO address (customer_id, street) SELECT c, 'street' FROM generate_series(1, $BIG + $SMALL) AS c, $(rows 4 1);
INSERT INTO orders (customer_id, address_id) SELECT a.customer_id, a.id FROM (SELECT customer_id AS c, customer_id, min(id) AS id FROM address GROUP BY 1, 2) AS a, $(rows 60 1);
INSERT INTO line (customer_id, order_id, item, amount) SELECT o.customer_id, o.id, 'item', 1 FROM (SELECT customer_id AS c, * FROM orders) AS o, $(rows 6 1);
INSERT INTO payment (customer_id, order_id, amount) SELECT customer_id, id, 1 FROM orders;
INSERT INTO shipment (customer_id, order_id, carrier) SELECT customer_id, id, 'x' FROM orders;
INSERT INTO returned (customer_id, line_id, why) SELECT customer_id, min(id), 'broken' FROM line WHERE customer_id > $BIG OR order_id % 4 = 0 GROUP BY customer_id, order_id;
INSERT INTO review (customer_id, body) SELECT c, 'good' FROM generate_series(1, $BIG + $SMALL) AS c, $(rows 40 1);
INSERT INTO event (customer_id, page) SELECT c, 'page' FROM generate_series(1, $BIG + $SMALL) AS c, $(rows 350 1);
INSERT INTO message (customer_id, body) SELECT c, 'hello' FROM generate_series(1, $BIG + $SMALL) AS c, $(rows 50 1);
CREATE INDEX ON address (customer_id);
CREATE INDEX ON orders (customer_id);
CREATE INDEX ON orders (address_id);
CREATE INDEX ON line (customer_id);
CREATE INDEX ON line (order_id);
CREATE INDEX ON payment (customer_id);
CREATE INDEX ON payment (order_id);
CREATE INDEX ON shipment (customer_id);
CREATE INDEX ON shipment (order_id);
CREATE INDEX ON returned (customer_id);
CREATE INDEX ON returned (line_id);
CREATE INDEX ON review (customer_id);
CREATE INDEX ON event (customer_id);
CREATE INDEX ON message (customer_id);
SQL
done >"$PZ_TMP/shops.sql"
cat >>"$PZ_TMP/shops.sql" <<SQL
RESET search_path;
CREATE EXTENSION personalize;
SELECT personalize.define_category('general', 'for the benchmark');
SELECT personalize.define_purpose('bench', 'for the benchmark', categories => '{general}');
SELECT personalize.protect(format('shop.%I', t)::regclass, CASE t WHEN 'customer' THEN 'id' ELSE 'customer_id' END, columns => '{"*":"general"}')
	FROM unnest('{$(IFS=,; echo "${TABLES[*]}")}'::text[]) AS t;
CREATE TABLE choice AS SELECT i::text AS subject, 'bench'::text AS purpose, 'given'::text AS action FROM generate_series(1, $BIG + $SMALL) AS i;
SELECT personalize.record_consents('choice');
VACUUM ANALYZE;
CHECKPOINT;
SQL
pz_client psql -X -q -v ON_ERROR_STOP=1 -f "$PZ_TMP/shops.sql" >/dev/null || exit 1
echo "== $PZ_PGVERSION, $(nproc) cores, $ROUNDS rounds, load $(cut -d' ' -f1 /proc/loadavg)"

column() { [ "$1" = customer ] && echo id || echo customer_id; }
hand()
{
	local table text=''

	for table in "${TABLES[@]}"; do
		text="$text${text:+ \\; }DELETE FROM plain.$table WHERE $(column "$table") = $1"
	done
	echo "$text;"
}
# singles FROM: a file of EACH persons from that on, in turn by hand and by us
singles()
{
	local i

	for ((i = $1; i < $1 + EACH; i++)); do
		echo '\echo hand'
		hand "$i"
		echo '\echo ours'
		echo "SELECT personalize.erase_subject($i) \\g /dev/null"
	done
}
# times of a psql script that echoes what comes next: "what ms"
times() { pz_client psql -X -q -At -v ON_ERROR_STOP=1 -f "$1" | awk '/^(hand|ours)$/ { what = $1 } /^Time: / { print what, $2 }'; }
median_of() { awk -v w="$1" '$1 == w { print $2 }' "$2" | sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

big=1 small=$((BIG + 1))
for ((round = 0; round < ROUNDS; round++)); do
	# the first of a session prepares what the others use
	{ echo "SELECT personalize.erase_subject($big) \\g /dev/null"; hand "$big"; echo '\timing on'; singles $((big + 1)); } >"$PZ_TMP/big.sql"
	{ echo "SELECT personalize.erase_subject($small) \\g /dev/null"; hand "$small"; echo '\timing on'; singles $((small + 1)); } >"$PZ_TMP/small.sql"
	big=$((big + EACH)) small=$((small + EACH))
	{
		echo '\timing on'
		echo '\echo ours'
		echo "SELECT personalize.erase_subjects(ARRAY(SELECT i::text FROM generate_series($((small + 1)), $((small + MANY))) AS i)) \\g /dev/null"
		echo '\echo hand'
		text=''
		for table in "${TABLES[@]}"; do
			text="$text${text:+ \\; }DELETE FROM plain.$table WHERE $(column "$table") = ANY (ARRAY(SELECT i FROM generate_series($((small + 1)), $((small + MANY))) AS i)::bigint[])"
		done
		echo "$text;"
	} >"$PZ_TMP/many.sql"
	small=$((small + MANY - 1))
	chmod a+r "$PZ_TMP"/*.sql
	for size in big small many; do
		times "$PZ_TMP/$size.sql" >"$PZ_TMP/$size.times" || exit 1
		pz_client psql -X -q -At -c 'SELECT personalize.audit_sync()' >/dev/null
	done
	for size in big small; do
		for what in hand ours; do
			median_of $what "$PZ_TMP/$size.times" >>"$PZ_TMP/$size.$what"
		done
		awk -v a="$(median_of ours "$PZ_TMP/$size.times")" -v b="$(median_of hand "$PZ_TMP/$size.times")" 'BEGIN { print a / b }' >>"$PZ_TMP/$size.ratio"
	done
	for what in hand ours; do
		awk -v a="$(median_of $what "$PZ_TMP/many.times")" -v n="$MANY" 'BEGIN { print a / n }' >>"$PZ_TMP/many.$what"
	done
	awk -v a="$(tail -n 1 "$PZ_TMP/many.ours")" -v b="$(tail -n 1 "$PZ_TMP/small.ours")" 'BEGIN { print a / b }' >>"$PZ_TMP/many.ratio"
	pz_client psql -X -q -c 'VACUUM' -c 'CHECKPOINT'
done
show() { printf '%-28s %26s %26s %26s\n' "$@"; }
show 'ms a person' 'ours' 'by hand' 'ratio'
for size in 'big:1,000 rows' 'small:10 rows'; do
	show "${size#*:}" "$(quartiles %.3g <"$PZ_TMP/${size%%:*}.ours")" "$(quartiles %.3g <"$PZ_TMP/${size%%:*}.hand")" "$(quartiles %.3g <"$PZ_TMP/${size%%:*}.ratio")"
done
show "10 rows, $MANY at once" "$(quartiles %.3g <"$PZ_TMP/many.ours")" "$(quartiles %.3g <"$PZ_TMP/many.hand")" "to single: $(quartiles %.3g <"$PZ_TMP/many.ratio")"
