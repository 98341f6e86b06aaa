#!/bin/bash
# What it costs that a table leads to its subjects by foreign keys.
#
#	test/bench/via.sh [rounds] [thousand orders]
#
# Customers (60 % agreed), orders, ten items for each, a remark for each item.  Orders
# have the customer; items lead there by the order, remarks by the item and the order.
# The backend's own processor time of
#
#	orders	the orders of one customer, by the index: the key is a column
#	items	the items of one order, by the index: one step
#	remarks	the remarks on the items of one order: two steps
#	all		sum over all items
#
# to that of the same tables unprotected, in the same round: medians and quartiles.
#
# Environment: PG_CONFIG, the PostgreSQL to use.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
ROUNDS=${1:-7}
ORDERS=$((${2:-200} * 1000))

pz_bootstrap && pz_workdir_make "$ROOT" && pz_private_prefix && pz_workdir_install && pz_cluster_start c || exit 1
pz_client psql -X -q -v ON_ERROR_STOP=1 >/dev/null <<SQL || exit 1
ALTER SYSTEM SET shared_buffers = '2GB';
ALTER SYSTEM SET max_wal_size = '8GB';
ALTER SYSTEM SET random_page_cost = 1.1;
SQL
pz_cluster_stop c
pz_as_user "$PGBIN/pg_ctl" -D "$PZ_DATA" -l "$PZ_SERVER_LOG" -w -t 60 start >/dev/null
echo "== $PZ_PGVERSION, $(nproc) cores, $ORDERS orders, $ROUNDS rounds, load $(cut -d' ' -f1 /proc/loadavg)"
for schema in plain protected; do
	pz_client psql -X -q -v ON_ERROR_STOP=1 <<SQL || exit 1
CREATE SCHEMA $schema;
SET search_path = $schema;
CREATE TABLE orders (id bigint PRIMARY KEY, customer_id bigint NOT NULL, amount numeric(10,2) NOT NULL);
CREATE TABLE item (id bigint PRIMARY KEY, order_id bigint NOT NULL REFERENCES orders, amount numeric(10,2) NOT NULL);
CREATE TABLE remark (id bigint PRIMARY KEY, item_id bigint NOT NULL REFERENCES item, order_id bigint NOT NULL, txt text NOT NULL);
INSERT INTO orders SELECT i, 1 + i % ($ORDERS / 10), (i % 1000) FROM generate_series(1, $ORDERS) AS i;
INSERT INTO item SELECT i, 1 + i / 10 % $ORDERS, i % 100 FROM generate_series(0, $ORDERS * 10 - 1) AS i;
INSERT INTO remark SELECT i.id, i.id, i.order_id, 'remark' FROM item AS i;
CREATE INDEX ON orders (customer_id);
CREATE INDEX ON item (order_id);
CREATE INDEX ON remark (order_id);
SQL
done
pz_client psql -X -q -v ON_ERROR_STOP=1 >/dev/null <<SQL || exit 1
CREATE EXTENSION personalize;
CREATE ROLE app;
GRANT pg_read_server_files TO app;
GRANT EXECUTE ON FUNCTION pg_read_file(text) TO app;
GRANT USAGE ON SCHEMA plain, protected TO app;
GRANT SELECT ON ALL TABLES IN SCHEMA plain, protected TO app;
SELECT personalize.define_category('general', 'for the benchmark');
SELECT personalize.define_purpose('bench', 'for the benchmark', categories => '{general}');
SELECT personalize.protect('protected.orders', 'customer_id', columns => '{"*":"general"}');
SELECT personalize.protect('protected.item', via => 'order_id', columns => '{"*":"general"}');
SELECT personalize.protect('protected.remark', via => 'item_id', columns => '{"*":"general"}');
SELECT personalize.grant_purpose('bench', 'app');
CREATE TEMP TABLE said AS SELECT i::text AS subject, 'bench' AS purpose, 'given' AS action FROM generate_series(1, $ORDERS / 10) AS i WHERE i * 7 % 100 < 60;
SELECT personalize.record_consents('said');
VACUUM ANALYZE;
SELECT personalize.audit_sync();
SQL
until [ "$(pz_client psql -X -A -t -c "SELECT state = 'ready' AND pending = 0 FROM personalize.consent_set_internal()")" = t ]; do
	pz_client psql -X -q -c "SELECT pg_sleep(0.05)" >/dev/null # lint: poll interval
done
statement()
{
	case $1 in
		orders) echo "SELECT * FROM orders WHERE customer_id = \$1" ;;
		items) echo "SELECT * FROM item WHERE order_id = \$1" ;;
		remarks) echo "SELECT * FROM remark WHERE order_id = \$1" ;;
		all) echo "SELECT sum(amount) FROM item WHERE \$1 > 0" ;;
	esac
}
for work in orders items remarks all; do
	for ((round = 0; round < ROUNDS; round++)); do
		for schema in $(shuf -e plain protected); do
			cpu "$([ $work = all ] && echo 3 || echo 10000)" "SET LOCAL ROLE app; SET LOCAL search_path = $schema; SET LOCAL personalize.purpose = 'bench'; PREPARE q(bigint) AS $(statement $work);" \
				"EXECUTE q(3)" >"$PZ_TMP/$schema" || exit 1
		done
		awk -v a="$(cat "$PZ_TMP/plain")" -v b="$(cat "$PZ_TMP/protected")" 'BEGIN { print b / a }' >>"$PZ_TMP/ratio.$work"
		cat "$PZ_TMP/plain" >>"$PZ_TMP/us.$work"
	done
	echo "$work: $(quartiles %.3g <"$PZ_TMP/ratio.$work"), plain $(quartiles %.4g <"$PZ_TMP/us.$work" | cut -d' ' -f1) us"
done
exit 0
