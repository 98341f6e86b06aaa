# shellcheck shell=bash
# Sourced by test/deep.sh: the suites under other settings, or with the C code
# compiled in another way.

# suites NAME SETTINGS [VARIABLE=VALUE...]
suites()
{
	local name=$1 settings=$2
	shift 2

	pz_say "$name"
	sum < <(env PZ_SETTINGS="$settings" "$@" test/run.sh build regress isolation 2>&1)
}

step_generic()
{
	suites 'all plans are generic' 'plan_cache_mode = force_generic_plan'
}

step_parallel()
{
	local setting=debug_parallel_query

	[ "$("$(pz_pg_config)" --version | sed 's/^PostgreSQL \([0-9]*\).*/\1/')" -ge 16 ] || setting=force_parallel_mode
	suites 'plans are parallel wherever they may be' "$setting = regress"
}

# What the sanitizer says of each place stands in the logs of the servers,
# which a run keeps when told to.
step_undefined()
{
	local found

	suites 'undefined behaviour' '' KEEP=1 COPT='-fsanitize=undefined -fno-sanitize=alignment'
	found=$(grep -rhoE '[^ ]+: runtime error: .*' test_output/*/log 2>/dev/null | sort | uniq -c | sort -rn)
	if [ -z "$found" ]; then
		passed=$((passed + 1))
		pz_say 'the sanitizer has nothing to say'
	else
		failed=$((failed + $(printf '%s\n' "$found" | wc -l)))
		printf '%s\n' "$found"
	fi
}

step_coverage()
{
	pz_say 'coverage'
	sum < <(env COPT='--coverage -O1' PZ_COVERAGE=1 test/run.sh build regress isolation tap 2>&1)
}
