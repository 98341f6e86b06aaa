# shellcheck shell=bash
# Sourced by test/deep.sh: the C code while the caches of the catalogs are
# emptied at every chance, so that what it keeps of them is stale at once.  The
# suites would take days; with TESTS set, those of it that are named are run so.

discard_compare()
{
	ROOT=$PWD
	. test/lib/workdir.sh
	. test/lib/cluster.sh
	trap pz_workdir_remove EXIT
	pz_bootstrap && pz_workdir_make "$ROOT" && cd "$PZ_TREE" && pz_private_prefix && pz_workdir_install || return 1
	for discard in 0 1; do
		pz_say "debug_discard_caches = $discard"
		pz_cluster_start "$discard" || return 1
		pz_client psql -X -q -a -v discard="$discard" -f test/deep/discard.sql >"$PZ_TMP/$discard.out" 2>&1
		pz_cluster_stop
		! grep -E 'PANIC:|TRAP:|terminated by signal' "$PZ_SERVER_LOG" || return 1
	done
	# what is set up is there: the rows and cells of those who consented
	grep -q '^4|name4|$' "$PZ_TMP/0.out" || { cat "$PZ_TMP/0.out"; return 1; }
	diff -u "$PZ_TMP/0.out" "$PZ_TMP/1.out"
}

step_discard()
{
	if ! strings "$("$(pz_pg_config)" --bindir)/postgres" | grep -q '^ExceptionalCondition'; then
		pz_say 'discard: left out, this PostgreSQL has no assertions'
		return
	fi
	if [ -n "${TESTS:-}" ]; then
		suites 'caches are emptied at every chance' $'debug_discard_caches = 1\nstatement_timeout = 0'
		return
	fi
	pz_say 'caches are emptied at every chance'
	if (discard_compare); then
		passed=$((passed + 1))
		pz_say 'the same with and without caches'
	else
		failed=$((failed + 1))
	fi
}
