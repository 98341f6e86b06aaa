# shellcheck shell=bash
# Sourced by test/deep.sh: some regression tests on servers under valgrind.

VALGRIND_TESTS='enforce_select enforce_write enforce_fk enforce_prepared enforce_copy audit_answers consent_ledger mask_view purpose_view rights_erase enforce_refused enforce_rare'

# What waits for a server, and the server for a statement, waits longer.  The
# library is compiled with USE_VALGRIND in any case, for what it has memcheck look at.
step_valgrind()
{
	need valgrind valgrind || return
	"$(pz_pg_config)" --cppflags | grep -q USE_VALGRIND ||
		pz_say 'valgrind: this PostgreSQL was built without USE_VALGRIND, much of its memory goes unseen'
	pz_say 'valgrind'
	sum < <(env PZ_VALGRIND=1 PGCTLTIMEOUT=1200 COPT='-O1 -g -DUSE_VALGRIND' PZ_SETTINGS='statement_timeout = 0' TESTS="${TESTS:-$VALGRIND_TESTS}" \
		test/run.sh build regress 2>&1)
}
