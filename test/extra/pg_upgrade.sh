#!/bin/bash
# pg_upgrade from each major version that is there to the next: what was
# protected is, filters, remembers and goes on. Without the key file relations
# are closed.
#
#	UPGRADE_PG_CONFIGS	pg_configs of further installations, apart by blanks
#
# Skipped where only one version is there with its server headers.
set -u
. test/lib/bootstrap.sh
. test/lib/workdir.sh

ROOT=$PZ_WORK/upgrade
OUTER_TREE=$PZ_TREE
CONFIGS=()
major_of() { "$1" --version | sed 's/^[^0-9]*\([0-9]*\).*/\1/'; }
for config in $(for c in "$PG_CONFIG" ${UPGRADE_PG_CONFIGS:-} /usr/lib/postgresql/*/bin/pg_config; do
	[ -x "$c" ] && [ -f "$("$c" --includedir-server)/postgres.h" ] && [ -x "$("$c" --bindir)/pg_upgrade" ] &&
		[ "$(major_of "$c")" -ge "$PZ_OLDEST" ] && printf '%s %s\n' "$(major_of "$c")" "$c"
done | sort -n -s -k 1,1 -u | cut -d' ' -f2); do
	CONFIGS+=("$config")
done
if [ ${#CONFIGS[@]} -lt 2 ]; then
	echo "only PostgreSQL $(major_of "$PG_CONFIG") is here with its server headers: nothing to upgrade from or to"
	exit 77
fi

. test/lib/want.sh

# Builds and installs for a pg_config, and makes an empty cluster: sets PGBIN and DATA
prepare()
{
	local major
	major=$(major_of "$1")

	PZ_WORK=$ROOT/$major
	PZ_TREE=$PZ_WORK/tree
	PG_CONFIG=$1
	DATA=$PZ_WORK/data
	mkdir -p "$PZ_TREE" && mkdir -p "$ROOT/s" || return 1
	tar -C "$OUTER_TREE" --exclude='*.o' --exclude='*.so' --exclude=./tmp_check --exclude=./test_output --exclude=./log -cf - . | tar -C "$PZ_TREE" -xf - || return 1
	pz_private_prefix && pz_workdir_install || return 1
	"$PGBIN/initdb" -D "$DATA" -U postgres -A trust -k --encoding=UTF8 --locale=C.UTF-8 >"$ROOT/initdb.$major.log" 2>&1 || { cat "$ROOT/initdb.$major.log"; return 1; }
	{
		cat "$OUTER_TREE/test/personalize.conf"
		echo "listen_addresses = ''"
		echo "unix_socket_directories = '$ROOT/s'"
	} >>"$DATA/postgresql.conf"
}

start() { "$PGBIN/pg_ctl" -D "$DATA" -l "$DATA.log" -w -t 60 start >"$DATA.start" 2>&1 || { cat "$DATA.start" "$DATA.log"; exit 1; }; }
stop() { "$PGBIN/pg_ctl" -D "$DATA" -m fast -w -t 60 stop >/dev/null; }
sql() { "$PGBIN/psql" -X -q -A -t -v ON_ERROR_STOP=1 -h "$ROOT/s" -U postgres -d "${DB:-shop}" <<<"$1;" 2>&1; }
as_app() { sql "BEGIN; SET LOCAL ROLE app; SET LOCAL personalize.purpose = '$1'; $2; COMMIT"; }
SEEN="SELECT string_agg(id::text, ' ' ORDER BY id) FROM customer; SELECT string_agg(customer::text, ' ' ORDER BY customer) FROM orders; SELECT string_agg(id::text, ' ' ORDER BY id) FROM visit; SELECT string_agg(id::text, ' ' ORDER BY id) FROM patient; SELECT id FROM ads.customer ORDER BY id LIMIT 1"
STATE="SELECT string_agg(personalize.consent_state(i, 'ads'), ' ' ORDER BY i) FROM generate_series(1, 12) AS i; SELECT count(*) FROM personalize.tombstone; SELECT count(*) FROM personalize.notices; SELECT count(*) FROM personalize.holds; SELECT name, reason FROM personalize.exclusions_of('6'); SELECT count(*) FROM personalize.usage WHERE at < (SELECT max(erased_at) FROM personalize.erasure)"

# What must hold in a cluster that has the registry and the key file
check()
{
	local name=$1

	want "$name: rows" "$(as_app ads "$SEEN")" "$ROWS"
	want "$name: no purpose" "$(sql 'SET ROLE app; SELECT name FROM customer' | grep -c 'without a purpose')" 1
	want "$name: state" "$(sql "$STATE")" "$WAS"
	want "$name: adopted" "$(sql "SELECT personalize.define_category('general', 'for tests')" | grep -v '^$')" ''
	want "$name: rows, adopted" "$(as_app ads "$SEEN")" "$ROWS"
	want "$name: state, adopted" "$(sql "$STATE")" "$WAS"
	want "$name: the record goes on" "$(sql "BEGIN; SET LOCAL personalize.purpose = 'service'; SELECT count(*) FROM customer WHERE id = 12; COMMIT; SELECT personalize.audit_sync()" | tail -1)" ''
	want "$name: the record is whole" "$(sql "SELECT ok FROM personalize.verify_audit(); SELECT count(*) FROM personalize.usage WHERE purpose = 'service'")" "$(printf 't\n%s' $((USES + 1)))"
	want "$name: that the cluster is another one is on record" "$(sql "SELECT count(*), bool_and(reason ~ 'upgrade or restore') FROM personalize.audit_gap WHERE settled_at IS NULL")" "$2"
	sql "UPDATE personalize.audit_gap SET settled_at = now() WHERE settled_at IS NULL"
	want "$name: all is right" "$(sql "SELECT coalesce(string_agg(check_name || ': ' || detail, '; '), 'none') FROM personalize.status() WHERE NOT ok")" none
	want "$name: who was erased is withheld" "$(sql "INSERT INTO customer VALUES (11, 'again'); BEGIN; SET LOCAL personalize.purpose = 'service'; SELECT count(*) FROM customer WHERE id = 11; COMMIT; SELECT jsonb_array_length(personalize.reapply_erasures())")" "$(printf '0\n1')"
	want "$name: hard protection" "$(sql "SELECT a.amname FROM pg_class AS c JOIN pg_am AS a ON a.oid = c.relam WHERE c.relname = 'patient'")" personalize_heap
	want "$name: consent goes on" "$(sql "SELECT personalize.withdraw_consent(1, 'ads')" >/dev/null; as_app ads 'SELECT count(*) FROM customer WHERE id = 1')" 0
	sql "SELECT personalize.grant_consent(1, 'ads'), personalize.audit_sync()" >/dev/null
	USES=$((USES + 2))
	WAS=$(sql "$STATE")
}

trap 'for p in "$ROOT"/*/data/postmaster.pid; do [ ! -e "$p" ] || pz_stop_server "$p"; done' EXIT
prepare "${CONFIGS[0]}" || exit 1
start
DB=postgres sql 'CREATE ROLE app LOGIN' && DB=postgres sql 'CREATE DATABASE shop' || exit 1
sql "
	CREATE EXTENSION personalize;
	CREATE TABLE customer (gone integer, id integer PRIMARY KEY, name text);
	ALTER TABLE customer DROP COLUMN gone;
	CREATE TABLE orders (customer integer REFERENCES customer, item text);
	CREATE TABLE visit (id integer, day integer) PARTITION BY LIST (day);
	CREATE TABLE visit_1 PARTITION OF visit FOR VALUES IN (1);
	CREATE TABLE patient (id integer, name text);
	INSERT INTO customer SELECT i, 'name' || i FROM generate_series(1, 12) AS i;
	INSERT INTO orders SELECT i, 'item' || i FROM generate_series(1, 12) AS i;
	INSERT INTO visit SELECT i, 1 FROM generate_series(1, 12) AS i;
	INSERT INTO patient SELECT i, 'name' || i FROM generate_series(1, 12) AS i;
	GRANT ALL ON customer, orders, visit, patient TO app;
	SELECT personalize.define_category('general', 'for tests');
	SELECT personalize.define_purpose('ads', 'for tests', categories => '{general}'), personalize.grant_purpose('ads', 'app');
	SELECT personalize.define_purpose('service', 'for tests', 'contract', categories => '{general}'), personalize.grant_purpose('service', 'app');
	SELECT personalize.protect('customer', 'id', columns => '{\"*\":\"general\"}'), personalize.protect('orders', 'customer', columns => '{\"*\":\"general\"}'),
		personalize.protect('visit', 'id', columns => '{\"*\":\"general\"}'), personalize.protect('patient', 'id', hard => true, columns => '{\"*\":\"general\"}');
	SELECT personalize.create_view('ads', 'customer');
	SELECT personalize.define_notice('shop', '1', 'en', 'We use it.', '{ads}');
	SELECT personalize.grant_consent(i, 'ads', notice => 'shop:1') FROM generate_series(1, 10) AS i;
	SELECT personalize.withdraw_consent(2, 'ads'), personalize.restrict_processing(3, 'disputed');
	SELECT personalize.define_exclusion('listed', reason => 'asked by phone'), personalize.exclude(6, 'listed');
	SELECT personalize.hold_subject(9, 'lawsuit');
	SELECT personalize.erase_subject(11), personalize.request_erasure(10, grace => '1 year')" >"$ROOT/load.log" || { cat "$ROOT/load.log"; exit 1; }
ROWS=$(as_app ads "$SEEN")
USES=0
sql 'SELECT personalize.audit_sync()' >/dev/null
WAS=$(sql "$STATE")
want "$(major_of "${CONFIGS[0]}"): rows" "$ROWS" "$(printf '%s\n' '1 4 5 7 8 9' '1 4 5 7 8 9' '1 4 5 7 8 9' '1 4 5 7 8 9' 1)"
check "$(major_of "${CONFIGS[0]}")" "0|"
for ((i = 1; i < ${#CONFIGS[@]}; i++)); do
	stop
	# as pg_upgrade starts it
	"$PGBIN/pg_ctl" -D "$DATA" -l "$DATA.log" -w -t 60 -o -b start >/dev/null || exit 1
	want "before $(major_of "${CONFIGS[i]}"): started for an upgrade: hard protection" "$(for s in 'SELECT name FROM patient' 'COPY patient TO STDOUT' 'UPDATE patient SET id = 1 RETURNING name'; do sql "$s"; done | grep -c 'hard protection and is closed')" 3
	stop
	OLDBIN=$PGBIN
	OLDDATA=$DATA
	name="$(major_of "${CONFIGS[i - 1]}") to $(major_of "${CONFIGS[i]}")"
	prepare "${CONFIGS[i]}" || exit 1
	"$OLDBIN/pg_ctl" -D "$OLDDATA" -l "$OLDDATA.log" -w -t 60 start >/dev/null || exit 1
	(cd "$PZ_WORK" && "$PGBIN/pg_upgrade" --check -U postgres -b "$OLDBIN" -B "$PGBIN" -d "$OLDDATA" -D "$DATA" -s "$ROOT/s" -p 5432) >"$PZ_WORK/check.log" 2>&1
	status=$?
	[ $status = 0 ] || cat "$PZ_WORK/check.log"
	want "$name: pg_upgrade --check while the old server runs" $status 0
	"$OLDBIN/pg_ctl" -D "$OLDDATA" -m fast -w -t 60 stop >/dev/null
	(cd "$PZ_WORK" && "$PGBIN/pg_upgrade" -U postgres -b "$OLDBIN" -B "$PGBIN" -d "$OLDDATA" -D "$DATA" -s "$ROOT/s") >"$PZ_WORK/upgrade.log" 2>&1
	status=$?
	[ $status = 0 ] || { tail -n 40 "$PZ_WORK/upgrade.log"; find "$DATA/pg_upgrade_output.d" -name '*.log' -exec tail -n 60 {} +; }
	want "$name: pg_upgrade" $status 0
	[ $status = 0 ] || exit 1
	cp -p "$OLDDATA"/personalize.* "$DATA/" || exit 1
	start
	check "$name" "1|t"
done
stop
rm "$DATA/personalize.key"
start
want "$name: without the key file" "$(as_app ads 'SELECT name FROM customer' | grep -c 'remembered by another key file')" 1
stop
[ $FAILED = 0 ] || exit 1
echo "$OK checks on the way$(for c in "${CONFIGS[@]}"; do printf ' %s' "$(major_of "$c")"; done)"
