# shellcheck shell=bash
# Sourced.  Gets a Debian (or Ubuntu) with nothing but make on it to where a
# PostgreSQL extension can be built and tested, and finds the PostgreSQL.
#
#	pz_bootstrap	sets PG_CONFIG, PZ_PGVERSION and PZ_USER, or fails having
#					said what is missing
#	pz_bootstrap_cleanup	for an exit in the middle of it
#	pz_as_user		runs a command as PZ_USER
#
# Only packages are installed with privileges.  No cluster of the system is
# made, started or touched.

PZ_OLDEST=15
PATH=$PATH:/usr/sbin:/sbin

pz_say() { printf '== %s\n' "$*"; }
pz_complain() { printf 'personalize: %s\n' "$*" >&2; }

# Run a command as root.  PZ_ROOT is "direct", "sudo" or "none".
pz_find_root()
{
	if [ "$(id -u)" = 0 ]; then
		PZ_ROOT=direct
	elif ! command -v sudo >/dev/null 2>&1; then
		PZ_ROOT=none
		PZ_ROOT_WHY='not root, and there is no sudo'
	elif sudo -n true 2>/dev/null || { [ -t 0 ] && sudo true; }; then
		PZ_ROOT=sudo
	else
		PZ_ROOT=none
		PZ_ROOT_WHY='not root, and sudo does not let this user in without a password'
	fi
}

pz_as_root()
{
	case $PZ_ROOT in
		direct) "$@" ;;
		sudo) sudo -- "$@" ;;
		*) return 1 ;;
	esac
}

# The tests' user: never root, which PostgreSQL refuses.
pz_find_user()
{
	if [ "$(id -u)" != 0 ]; then
		PZ_USER=$(id -un)
	else
		PZ_USER=${PZ_TEST_USER:-postgres}
		if ! id -u "$PZ_USER" >/dev/null 2>&1; then
			pz_complain "there is no user \"$PZ_USER\" to run the servers as; set PZ_TEST_USER to one that is not root"
			return 1
		fi
		if [ "$(id -u "$PZ_USER")" = 0 ]; then
			pz_complain 'PZ_TEST_USER must not be root'
			return 1
		fi
	fi
}

# Run a command as PZ_USER with a plain environment.
pz_as_user()
{
	local -a env=(env -u PGHOST -u PGPORT -u PGUSER -u PGDATABASE -u PGOPTIONS -u PGPASSWORD -u PGSERVICE
		-u PGDATA -u PGAPPNAME -u PGCLIENTENCODING -u PGTZ -u PGDATESTYLE -u LANGUAGE -u TZ
		-u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u MAKEOVERRIDES
		LC_ALL=C.UTF-8 LANG=C.UTF-8 TMPDIR="${PZ_TMP:-/tmp}")

	if [ "$(id -u)" = 0 ]; then
		"${env[@]}" HOME="${PZ_TMP:-/tmp}" USER="$PZ_USER" LOGNAME="$PZ_USER" runuser -u "$PZ_USER" -- "$@"
	else
		"${env[@]}" "$@"
	fi
}

pz_pg_config()
{
	if [ -n "${PG_CONFIG:-}" ]; then
		command -v "$PG_CONFIG" || echo "$PG_CONFIG"
	else
		"$(dirname "${BASH_SOURCE[0]}")/pg_config.sh"
	fi
}

# Is all of the PostgreSQL that $1 (a pg_config) belongs to there?
pz_pg_missing()
{
	local config=$1 bin pgxs tests missing=''

	[ -x "$config" ] || { echo ' pg_config'; return; }
	bin=$("$config" --bindir)
	pgxs=$("$config" --pgxs)
	tests=$(dirname "$pgxs")/../test
	[ -f "$pgxs" ] || missing="$missing pgxs"
	[ -f "$("$config" --includedir-server)/postgres.h" ] || missing="$missing server-headers"
	[ -x "$bin/initdb" ] && [ -x "$bin/postgres" ] || missing="$missing server"
	[ -x "$bin/psql" ] || missing="$missing psql"
	[ -x "$tests/regress/pg_regress" ] || missing="$missing pg_regress"
	[ -x "$tests/isolation/pg_isolation_regress" ] || missing="$missing pg_isolation_regress"
	echo "$missing"
}

pz_tools_missing()
{
	local tool

	for tool in gcc make perl prove diff tar awk sed; do
		command -v "$tool" >/dev/null 2>&1 || printf ' %s' "$tool"
	done
	perl -MIPC::Run -e 1 2>/dev/null || printf ' IPC::Run'
	[ -e /usr/include/stdio.h ] || printf ' libc-headers'
}

# The PostgreSQL major to install: one that is there in part, else the one the release of the system has.
pz_pg_to_install()
{
	local dir major

	for dir in $(ls -d /usr/lib/postgresql/*/bin/pg_config /usr/lib/postgresql/*/bin/postgres 2>/dev/null | sort -rV); do
		major=${dir#/usr/lib/postgresql/}
		major=${major%%/*}
		if [ "$major" -ge $PZ_OLDEST ] 2>/dev/null && apt-cache show "postgresql-server-dev-$major" >/dev/null 2>&1; then
			echo "$major"
			return
		fi
	done
	apt-cache show postgresql 2>/dev/null | sed -n 's/^Depends:.*postgresql-\([0-9]*\).*/\1/p' | sort -n | tail -1
}

pz_apt()
{
	pz_as_root env DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 apt-get -y -q \
		-o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 "$@"
}

# Install what is missing: $1 of the tools, $2 of PostgreSQL.
pz_install_packages()
{
	local what=$1$2 pg_missing=$2 tool major log conf=/etc/postgresql-common/createcluster.d/personalize-test.conf
	local -a packages=()

	if ! command -v apt-get >/dev/null 2>&1; then
		pz_complain "missing:$what. This is not a Debian: install these yourself and set PG_CONFIG."
		return 1
	fi
	pz_find_root
	if [ "$PZ_ROOT" = none ]; then
		pz_complain "missing:$what. Cannot install packages: $PZ_ROOT_WHY."
		pz_complain 'run this as root, or let an administrator install: gcc libc6-dev libipc-run-perl, and postgresql-N with postgresql-server-dev-N.'
		return 1
	fi
	pz_say "missing:$what; installing packages"
	log=$(mktemp)
	# apt-get update exits 0 when the network is down; what it left behind tells
	pz_apt update >"$log" 2>&1 || true
	for tool in $1; do
		case $tool in
			prove) packages+=(perl) ;;
			diff) packages+=(diffutils) ;;
			awk) packages+=(mawk) ;;
			IPC::Run) packages+=(libipc-run-perl) ;;
			libc-headers) packages+=(libc6-dev) ;;
			*) packages+=("$tool") ;;
		esac
	done
	if [ -n "$pg_missing" ] && [ -z "${PG_CONFIG:-}" ]; then
		major=$(pz_pg_to_install)
		if [ -z "$major" ]; then
			tail -n 8 "$log" >&2
			pz_complain 'the package lists hold no PostgreSQL. Is there a network, and a mirror in /etc/apt?'
			rm -f "$log"
			return 1
		fi
		if [ "$major" -lt $PZ_OLDEST ]; then
			pz_complain "this release has PostgreSQL $major; personalize needs $PZ_OLDEST or later (see apt.postgresql.org)."
			rm -f "$log"
			return 1
		fi
		packages+=("postgresql-$major" "postgresql-client-$major" "postgresql-server-dev-$major")
	fi
	# Do not let the package make and start a cluster of its own; the
	# createcluster.conf that it brings reads this directory.
	if [ -n "${major:-}" ] && ! [ -x "/usr/lib/postgresql/$major/bin/postgres" ] && ! [ -e "$conf" ]; then
		PZ_MADE_CONF=$conf
		pz_as_root mkdir -p "$(dirname "$conf")"
		echo 'create_main_cluster = false' | pz_as_root tee "$conf" >/dev/null
	fi
	if [ ${#packages[@]} = 0 ]; then
		rm -f "$log"
		return 0
	fi
	pz_say "apt-get install ${packages[*]}"
	if ! pz_apt install --no-install-recommends "${packages[@]}" >>"$log" 2>&1; then
		tail -n 8 "$log" >&2
		pz_complain 'apt-get could not install the packages (see above: no network, no such package, or not enough space).'
		pz_bootstrap_cleanup
		rm -f "$log"
		return 1
	fi
	pz_bootstrap_cleanup
	rm -f "$log"
}

# Take back what was only there for the time of the installation.
pz_bootstrap_cleanup()
{
	[ -z "${PZ_MADE_CONF:-}" ] || pz_as_root rm -f "$PZ_MADE_CONF"
	PZ_MADE_CONF=''
}

pz_bootstrap()
{
	local config tools pg

	config=$(pz_pg_config)
	tools=$(pz_tools_missing)
	pg=$(pz_pg_missing "$config")
	if [ -n "$tools$pg" ]; then
		pz_install_packages "$tools" "$pg" || return 1
		config=$(pz_pg_config)
		tools=$(pz_tools_missing)
		pg=$(pz_pg_missing "$config")
		if [ -n "$tools$pg" ]; then
			pz_complain "still missing after installing packages:$tools$pg${PG_CONFIG:+ (PG_CONFIG=$PG_CONFIG)}"
			return 1
		fi
	fi
	PG_CONFIG=$config
	PZ_PGVERSION=$("$PG_CONFIG" --version)
	if [ "$(printf '%s' "$PZ_PGVERSION" | sed 's/[^0-9]*\([0-9]*\).*/\1/')" -lt $PZ_OLDEST ]; then
		pz_complain "$PZ_PGVERSION is too old; personalize needs $PZ_OLDEST or later"
		return 1
	fi
	pz_find_user
}
