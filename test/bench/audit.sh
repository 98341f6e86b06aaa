#!/bin/bash
# What the record of use costs: ingestion, storage, verification, answers.
#
#	test/bench/audit.sh [people] [uses] [rounds]
#
# On a private server: a protected table of so many people (1,000,000), then in
# each round (7) so many uses of one person each (100,000), of which the worker
# may read nothing until all are made; the time it then takes to store them is
# the rate of ingestion.  Large sets: uses of 100,000 and of 500,000 people,
# chosen at random.  Prints medians and quartiles; sizes are those on disk,
# indexes included, after VACUUM.
#
# Environment: PG_CONFIG, the PostgreSQL to use.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
PEOPLE=${1:-1000000}
USES=${2:-100000}
ROUNDS=${3:-7}

sql() { pz_client psql -X -q -At -v ON_ERROR_STOP=1 "$@"; }

# Milliseconds on a clock
now() { echo $(($(date +%s%N) / 1000000)); }

# A line with the median and quartiles of each round
figures() { printf '%s, n = %d\n' "$(quartiles)" "$ROUNDS"; }

# Bytes of the tables of the audit
size()
{
	sql -c "SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class AS c WHERE c.relnamespace = 'personalize'::regnamespace
		AND c.relkind = 'r' AND c.relname LIKE 'audit\\_%' AND c.relname <> 'audit_key'"
}

vacuum() { sql -c 'VACUUM' >/dev/null; }

pz_bootstrap && pz_workdir_make "$ROOT" && pz_private_prefix && pz_workdir_install || exit 1
pz_cluster_start c || exit 1
pz_as_user sh -c 'echo "max_wal_size = 8GB" >>"$1"; echo "shared_buffers = 1GB" >>"$1"' sh "$PZ_DATA/postgresql.conf"
pz_as_user "$PGBIN/pg_ctl" -D "$PZ_DATA" -l "$PZ_SERVER_LOG" -w -t 60 restart >/dev/null || exit 1
echo "== $PZ_PGVERSION, $(nproc) cores, $PEOPLE people, $USES uses a round, $ROUNDS rounds"

sql >/dev/null <<SQL || exit 1
CREATE EXTENSION personalize;
CREATE TABLE person (id integer PRIMARY KEY, name text, r integer);
INSERT INTO person SELECT i, 'name' || i, (random() * 1000000)::integer FROM generate_series(1, $PEOPLE) AS i;
VACUUM ANALYZE person;
SELECT personalize.define_category('general', 'for the benchmark');
SELECT personalize.define_purpose('bench', 'for the benchmark', 'contract', categories => '{general}');
SELECT personalize.protect('person', 'id', columns => '{"*":"general"}');
/* everybody gets a number */
BEGIN; SET LOCAL personalize.purpose = 'bench'; SELECT count(name) FROM person; COMMIT;
SELECT personalize.audit_sync();
CREATE PROCEDURE use_them(n integer) LANGUAGE plpgsql AS \$\$
BEGIN
	FOR i IN 1 .. n LOOP
		PERFORM name FROM person WHERE id = 1 + i * 7 % $PEOPLE;
	END LOOP;
END
\$\$;
SQL

vacuum
before=$(size)
for ((round = 1; round <= ROUNDS; round++)); do
	# the worker waits for the lock at the first batch
	sql -c 'BEGIN' -c 'LOCK TABLE personalize.audit_use' \
		-c "SET LOCAL personalize.purpose = 'bench'" -c "SET LOCAL personalize.audit = 'async'" -c "CALL use_them($USES)" -c 'COMMIT' >/dev/null || exit 1
	from=$(now)
	sql -c 'SELECT personalize.audit_sync()' >/dev/null || exit 1
	echo $((USES * 1000 / ($(now) - from)))
done >"$PZ_TMP/ingest"
vacuum
after=$(size)
stored=$(sql -c "SELECT count(*) FROM personalize.usage WHERE query LIKE '%name FROM person WHERE id%'")
printf 'ingestion, uses a second:               '; figures <"$PZ_TMP/ingest"
printf 'storage, bytes a use of one person:     %d (%d uses)\n' $(((after - before) / stored)) "$stored"

for ((round = 1; round <= ROUNDS; round++)); do
	from=$(now)
	result=$(sql -c 'SELECT ok, rows_checked FROM personalize.verify_audit()')
	[ "${result%%|*}" = t ] || { echo "verify_audit: $result"; exit 1; }
	echo $((${result##*|} * 1000 / ($(now) - from)))
done >"$PZ_TMP/verify"
printf 'verify_audit, rows a second:            '; figures <"$PZ_TMP/verify"

for ((round = 1; round <= ROUNDS; round++)); do
	sql -c '\timing on' -c "SELECT count(*) FROM personalize.usage_of($((round * 7 + 1)))" | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p'
done >"$PZ_TMP/usage_of"
printf 'usage_of over %7d uses, ms:         ' "$stored"; figures <"$PZ_TMP/usage_of"

for people in 100000 500000; do
	vacuum
	before=$(size)
	sql >/dev/null <<-SQL || exit 1
		DO \$\$ BEGIN FOR i IN 1 .. 20 LOOP
			PERFORM set_config('personalize.purpose', 'bench', true);
			PERFORM count(name) FROM person WHERE (r + i * 137) % 1000000 < $people::bigint * 1000000 / $PEOPLE;
		END LOOP; END \$\$;
		SELECT personalize.audit_sync();
	SQL
	vacuum
	printf 'storage, bytes a subject, %6d used:   %s\n' "$people" "$(sql -c "SELECT round(($(size) - $before)::numeric / sum(subjects_used), 3) || ' (sets of ' || min(subjects_used) || ' to ' || max(subjects_used) || ')' FROM (SELECT subjects_used FROM personalize.usage ORDER BY usage_id DESC LIMIT 20) AS u")"
done
