# shellcheck shell=bash
# Sourced by test/run.sh: real clients against a protected schema.
#
#	suite_clients	the clients that TESTS selects, all if it is not set
#
# A client is one of psycopg psycopg2 sqlalchemy django activerecord jdbc jpa hibernate
# node-pg knex drizzle sequelize typeorm prisma.  Each does the checks of
# checks.txt with the code of its page in docs/howto; suite.sh runs them.  What
# a client cannot do, and clients that are not there, are printed as skipped
# with the reason.
#
# Debian packages are installed by apt-get; the others are fetched by npm, as
# it is set up on this machine, in the versions of package-lock.json and
# without running scripts of theirs, to a scratch directory, or to the one named
# by CLIENTS_NPM, which is kept.

CLIENTS_DEBIAN=(psycopg psycopg2 sqlalchemy django activerecord jdbc jpa hibernate)
CLIENTS_NODE=(node-pg knex drizzle sequelize typeorm prisma)

# Debian packages that the clients need.
clients_packages()
{
	local name

	for name in "$@"; do
		case $name in
			psycopg) echo python3-psycopg python3-psycopg-pool ;;
			psycopg2) echo python3-psycopg2 ;;
			sqlalchemy) echo python3-sqlalchemy python3-psycopg2 ;;
			django) echo python3-django python3-psycopg2 ;;
			activerecord) echo ruby-activerecord ruby-pg ;;
			jdbc) echo libpostgresql-jdbc-java ;;
			jpa) echo libpostgresql-jdbc-java libeclipselink-java ;;
			hibernate) echo libpostgresql-jdbc-java libhibernate3-java libjavassist-java ;;
		esac
		case $name in
			jdbc | jpa | hibernate) command -v javac >/dev/null || echo default-jdk-headless ;;
			*)
				if clients_of_node "$name"; then
					command -v node >/dev/null || echo nodejs
					command -v npm >/dev/null || echo npm
				fi
				;;
		esac
	done
}

clients_of_node()
{
	printf '%s\n' "${CLIENTS_NODE[@]}" | grep -qxF -- "$1"
}

clients_install()
{
	local package log=$PZ_TMP/clients_apt.log
	local -a missing=()

	for package in $(clients_packages "$@" | tr ' ' '\n' | sort -u); do
		dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q '^install ok' || missing+=("$package")
	done
	if [ ${#missing[@]} = 0 ] || ! command -v apt-get >/dev/null; then
		return
	fi
	pz_find_root
	if [ "$PZ_ROOT" = none ]; then
		pz_say "not installed: ${missing[*]} ($PZ_ROOT_WHY)"
		return
	fi
	pz_say "apt-get install ${missing[*]}"
	pz_apt update >"$log" 2>&1
	# one by one if need be: what one release does not have must not stop the others
	pz_apt install --no-install-recommends "${missing[@]}" >>"$log" 2>&1 || for package in "${missing[@]}"; do
		pz_apt install --no-install-recommends "$package" >>"$log" 2>&1 || pz_say "cannot install $package"
	done
}

# As who started us, whose configuration of npm counts.
clients_fetch()
{
	local log=$PZ_TMP/clients_npm.log lock=$PZ_TREE/test/clients/package-lock.json

	CLIENTS_NPM=${CLIENTS_NPM:-$PZ_WORK/npm}
	CLIENTS_NPM_WHY=''
	if cmp -s "$lock" "$CLIENTS_NPM/fetched" && [ -d "$CLIENTS_NPM/node_modules" ]; then
		return
	fi
	if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
		CLIENTS_NPM_WHY='there is no node, or no npm'
		return
	fi
	pz_say 'npm ci, with the versions of test/clients/package-lock.json'
	if mkdir -p "$CLIENTS_NPM" && cp "$PZ_TREE/test/clients/package.json" "$lock" "$CLIENTS_NPM/" &&
		(cd "$CLIENTS_NPM" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error --fetch-retries=1) >"$log" 2>&1; then
		cp "$lock" "$CLIENTS_NPM/fetched"
	else
		CLIENTS_NPM_WHY="npm could not fetch its packages: $(sed -nE 's/^npm (ERR!|error) (code .*)/\2/p' "$log" | head -n 1)"
	fi
	chmod -R a+rX "$CLIENTS_NPM"
}

suite_clients()
{
	local log=$PZ_TMP/clients.log status notok name
	local -a names=()

	for name in "${CLIENTS_DEBIAN[@]}" "${CLIENTS_NODE[@]}"; do
		selected "$name" && names+=("$name")
	done
	if [ ${#names[@]} = 0 ]; then
		fail "no client is called \"$TESTS\"; there are: ${CLIENTS_DEBIAN[*]} ${CLIENTS_NODE[*]}"
		return
	fi
	clients_install "${names[@]}"
	for name in "${names[@]}"; do
		if clients_of_node "$name"; then
			clients_fetch
			break
		fi
	done
	pz_say "clients: ${names[*]}"
	run pz_as_user env PGBIN="$PGBIN" PG_CONFIG="$PG_CONFIG" PZ_WORK="$PZ_WORK" PZ_TREE="$PZ_TREE" PZ_TMP="$PZ_TMP" PZ_USER="$PZ_USER" \
		CLIENTS_NPM="${CLIENTS_NPM:-}" CLIENTS_NPM_WHY="${CLIENTS_NPM_WHY:-}" CLIENTS_BREAK="${CLIENTS_BREAK:-}" \
		"$PZ_TREE/test/clients/suite.sh" "${names[@]}" >"$log" 2>&1
	status=$?
	if [ -n "${KEEP:-}" ]; then
		cat "$log"
		save "$log"
	else
		grep -v '^ok - ' "$log"
	fi
	notok=$(grep -c '^not ok - ' "$log")
	PASSED=$((PASSED + $(grep -c '^ok - ' "$log")))
	FAILED=$((FAILED + notok))
	if [ "$notok" = 0 ] && { [ "$status" != 0 ] || ! grep -qE '^(ok|skipped) - ' "$log"; }; then
		tail -n 40 "$log"
		fail "clients did not run to their end (exit status $status)"
	fi
	printf 'clients: %d of %d, %d checks passed, on %s\n' "$(grep -c '^[^ ]* *[1-9][0-9]* checks passed' "$log")" "${#names[@]}" "$(grep -c '^ok - ' "$log")" "$PZ_PGVERSION"
}
