#!/bin/bash
# Checks on a shop loaded by load.sh --plain --key-offset 900000000 that what
# the filter lets through is exactly what an oracle over the ledger says, that
# the record of use holds exactly those people, and that erased ones are gone.
#
#	check.sh [connection arguments of psql and pg_dump]
#
# As a superuser, once per loaded database: it erases people.  Each check
# prints "ok" or "FAIL", its name, and the digests of what it found and of what
# the oracle says.  Ends with "N ok, N FAIL"; exit status 0 only without FAIL.

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd) || exit 1
CONNECT=("$@")
OK=0
FAILED=0
OUT=$(mktemp -d) || exit 1
trap 'rm -rf "$OUT"' EXIT
# nothing here takes long: what hangs is a failure
export PGOPTIONS="-c statement_timeout=300s ${PGOPTIONS:-}"

sql() { psql -X -q -v ON_ERROR_STOP=1 "${CONNECT[@]}" "$@" </dev/null; }
ask() { sql -At -c "$@"; }
digest() { md5sum <"$1" | cut -c1-12; }

# $1: name, $2: found, $3: expected
same()
{
	if [ -n "$2" ] && [ "$2" = "$3" ]; then
		OK=$((OK + 1))
		printf 'ok    %-44s %s %s\n' "$1" "$2" "$3"
	else
		FAILED=$((FAILED + 1))
		printf 'FAIL  %-44s %s %s\n' "$1" "$2" "$3"
	fi
}

# $1: name; the others must differ: a control
differ()
{
	if [ "$2" != "$3" ] && [ -n "$2" ]; then
		same "$1" "differs" "differs"
	else
		same "$1" "$2" "something else than $3"
	fi
}

broken() { FAILED=$((FAILED + 1)); printf 'FAIL  %s\n' "$*"; }

# All shapes to $OUT/$1.  $2: schema, $3: purpose, $4: role
shapes()
{
	rm -rf "${OUT:?}/$1"
	mkdir "$OUT/$1"
	sql -v out="$OUT/$1" -v schema="$2" -v purpose="$3" -v role="$4" -f "$HERE/shapes.sql" ||
		broken "shapes of $1 stopped with an error"
}

# The shapes of $1 must be those of the oracle $2
compare()
{
	local file name

	for file in "$OUT/$2"/*; do
		name=${file##*/}
		if [ -e "$OUT/$1/$name" ]; then
			same "$1: $name" "$(digest "$OUT/$1/$name")" "$(digest "$file")"
		else
			broken "$1: $name has no result"
		fi
	done
}

heading() { printf '\n-- %s\n' "$*"; }

heading 'who is permitted: the ledger read by hand, the view consent, decide()'
[ "$(ask "SELECT to_regclass('oracle.permitted') IS NULL")" = t ] || { echo 'check.sh: this database was checked before' >&2; exit 2; }
sql -f "$HERE/oracle.sql" || exit 1
sql -f "$HERE/oracle_take.sql" || exit 1
LIST="md5(coalesce(string_agg(x::text, ',' ORDER BY x), '')) || '/' || count(*)"
for purpose in recommendations; do
	want=$(ask "SELECT $LIST FROM (SELECT customer_id FROM oracle.permitted WHERE purpose = '$purpose') AS o (x)")
	same "view consent: $purpose" \
		"$(ask "SELECT $LIST FROM (SELECT subject::int FROM personalize.consent WHERE purpose = '$purpose' AND permitted) AS o (x)")" "$want"
done
for purpose in recommendations analytics order_fulfilment; do
	want=$(ask "SELECT $LIST FROM (SELECT customer_id FROM oracle.permitted WHERE purpose = '$purpose') AS o (x)")
	same "permitted(): $purpose" \
		"$(ask "SELECT $LIST FROM (SELECT customer_id FROM plain.customers WHERE personalize.permitted(customer_id::bigint, '$purpose')) AS o (x)")" "$want"
done

heading 'the result of every shape, for every role'
shapes oracle oracle recommendations ''
for role in shop_owner shop_app shop_app_member shop_bypass; do
	shapes "$role" retail recommendations "$role"
	compare "$role" oracle
done
shapes superuser retail recommendations ''
compare superuser oracle

heading 'the same under other plans'
plan()
{
	local name=$1 options=$2

	PGOPTIONS="$PGOPTIONS $options" shapes "$name" retail recommendations shop_app
	compare "$name" oracle
}
plan 'no hash' '-c enable_hashjoin=off -c enable_hashagg=off'
plan 'no index' '-c enable_indexscan=off -c enable_indexonlyscan=off -c enable_bitmapscan=off'
plan 'no sequential scan' '-c enable_seqscan=off'
plan 'parallel' '-c parallel_setup_cost=0 -c parallel_tuple_cost=0 -c min_parallel_table_scan_size=0 -c max_parallel_workers_per_gather=2'
plan 'order as written' '-c join_collapse_limit=1 -c from_collapse_limit=1 -c jit=off'

heading 'other legal bases'
for purpose in analytics order_fulfilment; do
	shapes "oracle of $purpose" oracle "$purpose" ''
	shapes "$purpose" retail "$purpose" shop_app
	compare "$purpose" "oracle of $purpose"
done

heading 'control: without the filter (purpose backup) no shape has the same result'
shapes backup retail backup ''
for file in "$OUT"/oracle/*; do
	differ "unfiltered: ${file##*/}" "$(digest "$OUT/backup/${file##*/}")" "$(digest "$file")"
done

heading 'what is written, locked and copied'
# $1: name, $2: statements in one transaction of the application, $3: of the oracle; lines in any order
alike()
{
	ask "BEGIN; SET LOCAL ROLE shop_app; SET LOCAL personalize.purpose = 'recommendations'; SET LOCAL search_path = retail; $2; ROLLBACK" |
		LC_ALL=C sort >"$OUT/found"
	ask "BEGIN; SET LOCAL oracle.purpose = 'recommendations'; SET LOCAL search_path = oracle; $3; ROLLBACK" | LC_ALL=C sort >"$OUT/expected"
	if [ -s "$OUT/expected" ]; then
		same "$1" "$(digest "$OUT/found")" "$(digest "$OUT/expected")"
	else
		broken "$1: the oracle says nothing"
	fi
}
alike 'UPDATE' 'WITH u AS (UPDATE order_lines SET quantity = quantity + 1 RETURNING *) SELECT count(*), sum(quantity), max(line_id) FROM u' \
	'SELECT count(*), sum(quantity + 1), max(line_id) FROM order_lines'
alike 'UPDATE ... FROM' "UPDATE order_lines AS l SET unit_price = 0 FROM orders AS o WHERE o.invoice = l.invoice AND o.cancelled RETURNING l.line_id" \
	'SELECT l.line_id FROM order_lines AS l JOIN orders AS o USING (invoice) WHERE o.cancelled'
alike 'DELETE' 'DELETE FROM order_lines WHERE quantity > 20 RETURNING line_id' 'SELECT line_id FROM order_lines WHERE quantity > 20'
alike 'SELECT ... FOR UPDATE' "SELECT customer_id FROM customers WHERE country <> 'France' FOR UPDATE" \
	"SELECT customer_id FROM customers WHERE country <> 'France'"
alike 'COPY of a table' 'COPY order_lines TO STDOUT' 'COPY (SELECT * FROM order_lines) TO STDOUT'
alike 'a statement inside EXPLAIN ANALYZE' "DO 'BEGIN EXECUTE \$\$EXPLAIN ANALYZE DELETE FROM order_lines WHERE quantity > 20\$\$; END'; SELECT count(*), sum(quantity) FROM order_lines WHERE quantity <= 20" \
	'SELECT count(*), sum(quantity) FROM order_lines WHERE quantity <= 20'
same 'and nothing of it stays' "$(ask "BEGIN; SET LOCAL personalize.purpose = 'backup'; SELECT count(*), sum(quantity) FROM retail.order_lines; COMMIT")" \
	"$(ask 'SELECT count(*), sum(quantity) FROM plain.order_lines')"

heading 'rows without a customer: hidden, unless null_subject is visible'
NOBODY="SELECT count(*) FROM retail.order_lines WHERE customer_id IS NULL"
with_purpose() { ask "BEGIN; SET LOCAL ROLE shop_app; SET LOCAL personalize.purpose = 'recommendations'; $1; COMMIT"; }
same 'hidden' "$(with_purpose "$NOBODY")" 0
ask "SELECT personalize.unprotect('retail.order_lines'); SELECT personalize.protect('retail.order_lines', 'customer_id',
	columns => '{\"line_id\": \"none\", \"invoice\": \"none\", \"*\": \"purchases\"}', null_subject => 'visible')" >"$OUT/null"
same 'visible' "$(with_purpose "$NOBODY")" "$(ask "SELECT count(*) FROM plain.order_lines WHERE customer_id IS NULL")"
same 'visible, and who agreed' "$(with_purpose 'SELECT count(*), sum(quantity) FROM retail.order_lines')" \
	"$(ask "SELECT count(*), sum(quantity) FROM plain.order_lines WHERE customer_id IS NULL OR customer_id IN
		(SELECT customer_id FROM oracle.permitted WHERE purpose = 'recommendations')")"
ask "SELECT personalize.unprotect('retail.order_lines')" >"$OUT/null"
same 'control: not protected' "$(ask 'SELECT count(*) FROM retail.order_lines')" "$(ask 'SELECT count(*) FROM plain.order_lines')"
ask "SELECT personalize.protect('retail.order_lines', 'customer_id',
	columns => '{\"line_id\": \"none\", \"invoice\": \"none\", \"*\": \"purchases\"}')" >"$OUT/null"

heading 'refused, and on record as refused'
# $1: name, $2: statements
refused()
{
	local state

	state=$(psql -X -q -At -v VERBOSITY=sqlstate "${CONNECT[@]}" -c "$2" </dev/null 2>&1 | tail -n 1)
	same "$1" "$state" 'ERROR:  42501'
}
refusals() { ask "SELECT personalize.audit_sync()" >"$OUT/null"; ask "SELECT count(*) FROM personalize.usage WHERE status = 'refused'"; }
before=$(refusals)
for role in shop_owner shop_app shop_app_member shop_bypass none; do
	refused "no purpose, role $role" "SET ROLE $role; SELECT count(*) FROM retail.orders"
done
refused 'unknown purpose' "BEGIN; SET LOCAL personalize.purpose = 'no such'; SELECT count(*) FROM retail.orders"
refused 'purpose not granted' "BEGIN; SET LOCAL ROLE shop_app; SET LOCAL personalize.purpose = 'break_glass'; SELECT count(*) FROM retail.orders"
same 'all on record' "$(($(refusals) - before))" 7

heading 'whose data was used: the record and the oracle'
captured()
{
	local name how holds found want precision

	while IFS='|' read -r name how holds found want precision; do
		if [ "$holds" = t ]; then
			OK=$((OK + 1))
			printf 'ok    %-44s %s %s (%s)\n' "$name, $how" "$found" "$want" "$precision"
		else
			broken "$name, $how $found $want ($precision)"
		fi
	done < <(sql -f "$HERE/capture.sql" || echo 'capture|ran|f|stopped|an end|error')
}
captured
same 'control: a record of others is not taken for this' "$(ask "SELECT count(*) > 0 FROM oracle.statement AS a JOIN oracle.delivered AS d USING (name)
	WHERE a.name = 'like' AND d.customer_id NOT IN (SELECT customer_id FROM oracle.delivered WHERE name = 'equal')")" t

heading 'people change their minds'
ask "CREATE TABLE oracle.changed AS
		SELECT customer_id AS subject, 'recommendations' AS purpose,
			CASE customer_id % 5 WHEN 0 THEN 'withdrawn' WHEN 1 THEN 'given' WHEN 2 THEN 'refused' ELSE 'objected' END AS action,
			CASE WHEN customer_id % 10 = 1 THEN clock_timestamp() + interval '1 hour' END AS expires_at
		FROM plain.customers WHERE customer_id % 3 = 0 AND customer_id % 5 < 4 ORDER BY customer_id;
	SELECT personalize.record_consents('oracle.changed');
	SELECT personalize.restrict_processing(customer_id::bigint, 'disputed') FROM plain.customers WHERE customer_id % 11 = 1;
	SELECT personalize.lift_restriction(customer_id::bigint, 'settled') FROM plain.customers WHERE customer_id % 22 = 1" >"$OUT/null" ||
	broken 'changes could not be recorded'
before=$(ask "SELECT $LIST FROM (SELECT customer_id FROM oracle.permitted WHERE purpose = 'recommendations') AS o (x)")
sql -f "$HERE/oracle_take.sql"
differ 'control: others than before are permitted' "$before" \
	"$(ask "SELECT $LIST FROM (SELECT customer_id FROM oracle.permitted WHERE purpose = 'recommendations') AS o (x)")"
shapes 'oracle now' oracle recommendations ''
shapes 'changed' retail recommendations shop_app
compare 'changed' 'oracle now'

heading 'people are erased'
KEYS=$(ask "SELECT array_agg(customer_id) FROM (SELECT customer_id FROM plain.order_lines WHERE customer_id IS NOT NULL
		GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 3) AS most")
KEYS="${KEYS%\}},$(ask "SELECT max(customer_id) FROM plain.customers WHERE customer_id NOT IN
		(SELECT customer_id FROM oracle.permitted WHERE purpose = 'recommendations')")}"
NUMBERS=${KEYS//[\{\}]/}
sql -v keys="$KEYS" -f "$HERE/before_erasure.sql" || broken 'before_erasure.sql'
echo "$NUMBERS" | tr , '\n' >"$OUT/keys"
dump() { PGOPTIONS="$PGOPTIONS -c personalize.purpose=backup" pg_dump --exclude-schema=plain --exclude-schema=oracle "${CONNECT[@]}"; }
pg_dump "${CONNECT[@]}" >"$OUT/dump" 2>"$OUT/err" && broken 'pg_dump without a purpose went through' ||
	same 'pg_dump without a purpose names the way' "$(grep -c 'personalize.purpose=backup' "$OUT/err")" 1
dump >"$OUT/dump" || broken 'pg_dump for a backup'
same 'the backup is whole' "$(grep -c . < <(sed -n '/^COPY retail.order_lines /,/^\\\./p' "$OUT/dump" | sed '1d;$d'))" \
	"$(ask 'SELECT count(*) FROM plain.order_lines')"
while read -r key; do
	differ 'control: a key is in the backup' "$(grep -cw "$key" "$OUT/dump")" 0
done <"$OUT/keys"
want=$(ask "SELECT sum(n) FROM (SELECT count(*) FROM plain.order_lines WHERE customer_id = ANY ('$KEYS') UNION ALL
	SELECT count(*) FROM plain.orders WHERE customer_id = ANY ('$KEYS') UNION ALL
	SELECT count(*) FROM plain.customers WHERE customer_id = ANY ('$KEYS')) AS c (n)")
total() { ask "SELECT sum((r ->> 'rows')::bigint) FROM jsonb_array_elements('$1'::jsonb) AS c, jsonb_array_elements(c -> 'relations') AS r"; }
people_on_record() { ask "SELECT sum(subjects_used), count(*) FROM personalize.usage WHERE purpose = 'recommendations'"; }
used_before=$(people_on_record)
certificate=$(ask "SET ROLE shop_officer; SELECT personalize.erase_subjects('$KEYS', reason => 'check', dry_run => true)")
same 'a dry run counts the rows' "$(total "$certificate")" "$want"
certificate=$(ask "SET ROLE shop_officer; SELECT personalize.erase_subjects('$KEYS', reason => 'check')")
same 'the certificate counts the rows' "$(total "$certificate")" "$want"
same 'the certificate does not name them' "$(grep -cwFf "$OUT/keys" <<<"$certificate")" 0
same 'the record of use still counts' "$(people_on_record)" "$used_before"
same 'consent_state()' "$(ask "SELECT string_agg(DISTINCT personalize.consent_state(key, 'recommendations'), ',') FROM unnest('$KEYS'::bigint[]) AS key")" erased
ask "SELECT personalize.audit_sync()" >"$OUT/null"
dump >"$OUT/dump" || broken 'pg_dump after the erasure'
while read -r key; do
	same 'a key is in no table of the backup' "$(grep -cw "$key" "$OUT/dump")" 0
done <"$OUT/keys"
grep -wFf "$OUT/keys" "$OUT/dump" | cut -c1-200 | head -n 10
ask "DELETE FROM plain.order_lines WHERE customer_id = ANY ('$KEYS'); DELETE FROM plain.orders WHERE customer_id = ANY ('$KEYS');
	DELETE FROM plain.customers WHERE customer_id = ANY ('$KEYS')"
for t in customers orders order_lines; do
	same "all others are still in $t" "$(ask "BEGIN; SET LOCAL personalize.purpose = 'backup';
		SELECT md5(string_agg(t::text, ',' ORDER BY t::text COLLATE \"C\")) FROM retail.$t AS t; COMMIT")" \
		"$(ask "SELECT md5(string_agg(t::text, ',' ORDER BY t::text COLLATE \"C\")) FROM plain.$t AS t")"
done
sql -f "$HERE/oracle_take.sql"
shapes 'oracle then' oracle recommendations ''
shapes 'erased' retail recommendations shop_app
compare 'erased' 'oracle then'
one=$(head -n 1 "$OUT/keys")
ask "SET ROLE shop_app; INSERT INTO retail.customers VALUES ($one, 'France')" >"$OUT/null"
same 'a row that comes back under an erased key' "$(ask "BEGIN; SET LOCAL ROLE shop_app; SET LOCAL personalize.purpose = 'order_fulfilment';
	SELECT count(*) FROM retail.customers WHERE customer_id = $one; COMMIT")" 0
same 'it can be erased again' "$(total "[$(ask "SET ROLE shop_officer; SELECT personalize.erase_subject($one)")]")" 1

heading 'lines that know their order only'
ask "CREATE TABLE retail.bare_lines (line_id bigint PRIMARY KEY, invoice text NOT NULL REFERENCES retail.orders, quantity integer NOT NULL, unit_price numeric(10,3) NOT NULL);
	INSERT INTO retail.bare_lines SELECT line_id, invoice, quantity, unit_price FROM plain.order_lines;
	CREATE INDEX ON retail.bare_lines (invoice);
	ANALYZE retail.bare_lines;
	CREATE TABLE plain.bare_lines AS SELECT l.*, o.customer_id FROM retail.bare_lines AS l JOIN plain.orders AS o USING (invoice);
	GRANT SELECT ON retail.bare_lines TO shop_app;
	SELECT personalize.protect('retail.bare_lines', via => 'invoice', columns => '{\"line_id\": \"none\", \"*\": \"purchases\"}')" >"$OUT/null" || broken 'bare_lines could not be protected'
for purpose in recommendations analytics order_fulfilment; do
	same "by the order: $purpose" "$(ask "BEGIN; SET LOCAL ROLE shop_app; SET LOCAL personalize.purpose = '$purpose';
		SELECT count(*), sum(quantity), sum(line_id) FROM retail.bare_lines; COMMIT")" \
		"$(ask "SELECT count(*), sum(quantity), sum(line_id) FROM plain.bare_lines WHERE customer_id IN (SELECT customer_id FROM oracle.permitted WHERE purpose = '$purpose')")"
done
one=$(ask "SELECT customer_id FROM plain.bare_lines WHERE customer_id IS NOT NULL GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1")
want=$(ask "SELECT count(*) FROM plain.bare_lines WHERE customer_id = $one")
by_order() { ask "SELECT r ->> 'rows' FROM jsonb_array_elements('$1'::jsonb -> 'relations') AS r WHERE r ->> 'relation' = 'retail.bare_lines'"; }
same 'a dry run counts the lines of the orders' "$(by_order "$(ask "SET ROLE shop_officer; SELECT personalize.erase_subject($one, dry_run => true)")")" "$want"
same 'the certificate counts them' "$(by_order "$(ask "SET ROLE shop_officer; SELECT personalize.erase_subject($one)")")" "$want"
same 'all lines of others are still there' "$(ask "BEGIN; SET LOCAL personalize.purpose = 'backup';
	SELECT md5(string_agg(t::text, ',' ORDER BY t.line_id)) FROM retail.bare_lines AS t; COMMIT")" \
	"$(ask "SELECT md5(string_agg(t::text, ',' ORDER BY t.line_id)) FROM (SELECT line_id, invoice, quantity, unit_price FROM plain.bare_lines WHERE customer_id IS DISTINCT FROM $one) AS t")"

heading 'status'
same 'status()' "$(ask "SELECT coalesce(string_agg(check_name, ', '), 'ok') FROM personalize.status() WHERE NOT ok")" ok

printf '\n%d ok, %d FAIL\n' "$OK" "$FAILED"
[ "$FAILED" = 0 ] && [ "$OK" -gt 0 ]
