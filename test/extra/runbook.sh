#!/bin/bash
# Every block of docs/runbook.md is run as it stands, where that is wrong which it is for, and does what the page says.
set -eu
. test/lib/bootstrap.sh
. test/lib/cluster.sh
. test/lib/want.sh
pz_cluster_start runbook
trap 'pz_cluster_stop || true' EXIT
pages=$PZ_WORK/runbook_pages
mkdir "$pages"
# the blocks that begin with ```sql FILE, also within lists
for page in howto/README runbook; do
	awk -v to="$pages/" '/^ *```[a-z]+ [^ ]+$/ { match($0, /^ */); indent = RLENGTH; file = to $2; next } /^ *```$/ { file = "" } file != "" { print substr($0, indent + 1) > file }' "docs/$page.md"
done
psql_() { pz_client psql -X -q -A -t "$@"; }
shop() { PZ_DATABASE=shop psql_ "$@"; }
as() { PZ_DATABASE=shop pz_client env PGUSER="$1" psql -X -q -A -t "${@:2}" 2>&1; }
psql_ -f "$pages/roles.sql"
shop -c 'CREATE EXTENSION personalize' -f "$pages/shop.sql" -o /dev/null
shop -c 'CREATE ROLE shop_oncall LOGIN; GRANT USAGE ON SCHEMA shop TO shop_oncall; GRANT SELECT ON ALL TABLES IN SCHEMA shop TO shop_oncall'
# block NAME [ROLE]: what it prints
block()
{
	sed -i "/^$1\$/d" "$pages/left"
	as "${2:-postgres}" -v ON_ERROR_STOP=1 -f "$pages/$1.sql"
}
(cd "$pages" && grep -o '```sql [a-z_]*\.sql$' "$PZ_TREE/docs/runbook.md" | sed 's/^.* //; s/\.sql$//') >"$pages/left"
until_is()	# until_is VALUE COMMAND...
{
	local n
	for n in $(seq 1 300); do
		[ "$("${@:2}")" != "$1" ] || return 0
		sleep 0.1	# lint: poll interval
	done
	echo "never $1: ${*:2}: $("${@:2}")"
	return 1
}
read_='BEGIN; SET LOCAL personalize.purpose = '\''marketing'\''; SELECT count(*) FROM shop.customer; COMMIT'
pg() { pz_as_user "$PGBIN/pg_ctl" -D "$PZ_DATA" -l "$PZ_SERVER_LOG" -w -t 60 "$@" >/dev/null; }
configure() { pz_as_user sh -c 'echo "$1" >>"$2"' sh "$1" "$PZ_DATA/postgresql.conf"; }
worker() { shop -c "SELECT pid FROM pg_stat_activity WHERE backend_type = 'personalize audit worker' AND datname = 'shop'"; }

want 'a shop that was just made: nothing is wrong, though nobody has read anything' "$(block first_look)" ''

# ---- the audit worker is down
want 'the slot keeps log' "$(block kept | sed 's/personalize_[0-9]*|t|[0-9]* .*B$/fine/; s/personalize_[0-9]*|t|[0-9]* bytes$/fine/')" fine
# session ROLE SQL: one that stays, in the background
session()
{
	coproc as "$1"
	job=$COPROC_PID
	echo "$2; \\echo there" >&"${COPROC[1]}"
	# what it prints, until it has done that
	while IFS= read -r -u "${COPROC[0]}" line && [ "$line" != there ]; do :; done
}
session postgres 'BEGIN; LOCK TABLE personalize.audit_use'
as shop_app -c "$read_" >/dev/null
found() { shop -f "$pages/blocked.sql" | wc -l; }
until_is 1 found
blocked=$(block blocked)
want 'it waits for a lock: who holds it' "$(echo "$blocked" | cut -d '|' -f 2-)" 'postgres|idle in transaction|LOCK TABLE personalize.audit_use;'
shop -c "SELECT pg_terminate_backend(${blocked%%|*})" >/dev/null
kill $job 2>/dev/null || true; wait $job 2>/dev/null || true
want '... who is ended, and it goes on' "$(shop -c 'SELECT personalize.audit_sync()' -c "SELECT count(*) FROM personalize.usage WHERE db_role = 'shop_app'" | tail -n 1)" 1
before=$(worker)
want 'it may be ended' "$(block end_worker)" t
other() { [ -n "$(worker)" ] && [ "$(worker)" != "$before" ] && echo other; }
until_is other other
want '... and another one goes on' "$(as shop_app -c "$read_" && shop -c 'SELECT personalize.audit_sync()' -c "SELECT count(*) FROM personalize.usage WHERE db_role = 'shop_app'" | tail -n 1)" $'5\n2'
configure 'max_worker_processes = 2'
pg restart -m fast
want 'no process for it: the first look says so' "$(shop -f "$pages/first_look.sql" | sed -n 's/^\(audit worker|failing\)|.*max_worker_processes.*/\1/p')" 'audit worker|failing'
want '... and so does who is refused' "$(as shop_app -v VERBOSITY=verbose -c "$read_" | sed -n 's/^ERROR: *\([0-9]*\):.*/\1/p; s/^HINT: *//p')" $'55000\nIncrease max_worker_processes and restart the server.'
pg stop -m fast
rm -r "$PZ_DATA/pg_replslot/personalize_"*
configure 'min_wal_size = 32MB'
configure 'max_wal_size = 32MB'
pg start
# log goes that nobody keeps
for _ in 1 2 3 4; do
	shop -c 'SELECT pg_switch_wal()' -c CHECKPOINT >/dev/null
done
configure 'max_worker_processes = 16'
pg restart -m fast
as shop_app -c "$read_" >/dev/null
shop -c 'SELECT personalize.audit_sync()' >/dev/null
want 'the slot is gone: that is on record' "$(block gaps | cut -d '|' -f 5- | grep -c .)" 1
want '... and what status() names' "$(shop -f "$pages/first_look.sql" | cut -d '|' -f 1)" 'audit gaps'
block settle
want '... until somebody has looked into it' "$(shop -f "$pages/first_look.sql")" ''

# ---- the disk is full (that it is: t/017_disk_full.pl, t/048_worker_failing.pl)
want 'how much the record takes' "$(block record_size | sed -n 's/^0|.*|.*|[0-9]* kB$/period 0/p')" 'period 0'
block retention >/dev/null
until_is 730d shop -c 'SHOW personalize.audit_retention'
want 'what is old goes by itself' "$(shop -c 'SHOW personalize.audit_retention')" 730d

# ---- the key file is lost
shop -c "SELECT personalize.erase_subject(10)" >/dev/null
for way in found lost; do
	pg stop -m fast
	mv "$PZ_DATA/personalize.key" "$PZ_DATA/away"
	pg start
	want "the key file is $way: closed" "$(as shop_app -v VERBOSITY=verbose -c "$read_" | sed -n 's/^ERROR: *\([0-9]*\):.*another key file.*/\1/p')" 55000
	want "... which the first look says" "$(shop -f "$pages/first_look.sql" | grep -c 'key file')" 1
	if [ $way = found ]; then
		pg stop -m fast
		mv "$PZ_DATA/away" "$PZ_DATA/personalize.key"
		pg start
	else
		block key_lost >/dev/null
	fi
	want '... and is open again' "$(as shop_app -c "$read_")" 5
done
shop -c 'SELECT personalize.audit_sync()' >/dev/null
shop -f "$pages/settle.sql"

# ---- break glass
want 'break_glass: nobody holds it' "$(block break_glass_use shop_oncall | grep -c 'ERROR:.*may not')" 1
block break_glass_grant >/dev/null
want '... who is given it sees everybody' "$(block break_glass_use shop_oncall)" 'Name 6|mail6@shop.example'
want '... and is on record' "$(block break_glass_end | grep . | cut -d '|' -f 2,3,5)" 'shop_oncall|incident 4711|6'
want '... which a metric tells' "$(shop -c "SELECT value > 0 FROM personalize.read_metrics(true) WHERE name = 'personalize_purpose_uses_day' AND labels ->> 'purpose' = 'break_glass'")" t
want '... and has it no more' "$(as shop_oncall -f "$pages/break_glass_use.sql" | grep -c 'ERROR:.*may not')" 1

# ---- a breach
session shop_app "$read_"
want 'a breach: sessions are ended' "$(block breach_stop | grep -c '^t$')" 1
kill $job 2>/dev/null || true; wait $job 2>/dev/null || true
want '... and nobody begins again' "$(as shop_app -c "$read_" | grep -c 'ERROR:.*may not')" 1
want '... and whose data it was' "$(block breach_scope | grep . | cut -d '|' -f 2,4 | tr '\n' ' ')" '1|{shop.customer} 2|{shop.customer} 3|{shop.customer} 4|{shop.customer} 5|{shop.customer} '

# ---- a court order
block hold >/dev/null
shown=$(block show)
want 'what there is' "$(echo "$shown" | grep -c '"mail3@shop.example"')" 1
want '... who used it' "$(echo "$shown" | grep -c '|shop_app|marketing|shop.customer|')" "$(shop -c "SELECT count(*) FROM personalize.usage_of(3) WHERE db_role = 'shop_app'")"
want '... what was agreed, and that the record is whole' "$(echo "$shown" | grep -cE '^given$|^t\|[0-9]+\|$')" 2
shop -c 'SELECT personalize.erase_subject(3)' >/dev/null
want 'erased meanwhile: the rows are kept' "$(shop -c "BEGIN; SET LOCAL personalize.purpose = 'backup'; SELECT count(*) FROM shop.purchase WHERE customer_id = 3; COMMIT")" 1
want '... until it is over' "$(block release | sed 's/^[0-9a-f-]*|//; s/.*"certificate_id".*/a certificate/')" $'3|shop.purchase|case 4 C 12/26|t\na certificate'
want '... and are gone then' "$(shop -c "BEGIN; SET LOCAL personalize.purpose = 'backup'; SELECT count(*) FROM shop.purchase WHERE customer_id = 3; COMMIT")" 0
want 'which can be proved' "$(block prove | cut -d '|' -f 3 | sort -u)" t

# ---- consent is not known fast
configure 'personalize.consent_memory = 0'
pg reload
set_state() { shop -c "SELECT (state = 'ready')::text FROM personalize.consent_set_internal()"; }
until_is false set_state
want 'no memory for consent: status() says what to look at' "$(block consent_set | grep -c 'personalize.consent_memory')" 1

# ---- after a crash
shop -c "SELECT personalize.grant_purpose('marketing', 'shop_app')" >/dev/null
session shop_app "BEGIN; SET LOCAL personalize.purpose = 'marketing'; DECLARE c CURSOR FOR SELECT name FROM shop.customer; FETCH 1 FROM c"
pg stop -m immediate
kill $job 2>/dev/null || true; wait $job 2>/dev/null || true
pg start
want 'a crash: what went on then is on record' "$(block crashed | tail -n 1 | sed 's/^[1-9][0-9]*$/some/')" some

want 'every block of the page was run' "$(cat "$pages/left")" ''
exit $FAILED
