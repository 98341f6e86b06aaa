#!/bin/bash
# Loads schema a, protected, and its plain twins b_* into the database of the
# environment.  Arguments: seed, and 1 for people who agree to some categories
# only (cells are masked) or 0 for all or nothing.
set -e
cd "$(dirname "${BASH_SOURCE[0]}")"
sql() { PGOPTIONS="-c client_min_messages=warning" psql -X -q -At -v ON_ERROR_STOP=1 -v seed="$1" -v cells="$2" "${@:3}" >/dev/null; }
sql "$1" "$2" <<'E1'
ALTER SYSTEM SET autovacuum = off;
SELECT pg_reload_conf();
CREATE ROLE regress_eq_owner;
CREATE ROLE regress_eq_other;
CREATE ROLE regress_eq_app;
CREATE ROLE regress_eq_bypass BYPASSRLS;
CREATE ROLE regress_eq_group;
GRANT regress_eq_group TO regress_eq_other;
CREATE EXTENSION personalize;
CREATE EXTENSION tripwire;
GRANT USAGE ON SCHEMA tripwire TO PUBLIC;
CREATE SCHEMA eq;
E1
sql "$1" "$2" -v s=raw -v strict=1 -f schema.sql
sql "$1" "$2" -v s=a -v strict=1 -f schema.sql
for letter in a v s i; do
	sql "$1" "$2" -v s=b_$letter -v strict=0 -f schema.sql
done
sql "$1" "$2" -f people.sql -f oracle.sql -f consent.sql -f fill.sql
for s in a b_a b_v b_s b_i; do
	sql "$1" "$2" -v s=$s -f objects.sql
done
sql "$1" "$2" -f protect.sql
