# shellcheck shell=bash
# Sourced after bootstrap.sh.  A private copy of the tree and of the
# PostgreSQL installation, owned by the user who runs the tests.
#
#	pz_workdir_make		PZ_WORK (a fresh directory), PZ_TREE (copy of $1), PZ_TMP
#	pz_private_prefix	makes a private copy of the PostgreSQL of PG_CONFIG;
#						PG_CONFIG and PGBIN then name that
#	pz_workdir_install	builds PZ_TREE and installs it there
#	pz_workdir_remove	stops every server in PZ_WORK and removes it
#
# Nothing is written to the system's PostgreSQL: a module that a live server
# has loaded must not be replaced under it.  PostgreSQL finds its files
# relative to its programs, so a directory with copies of the programs and
# links to the rest is an installation.

pz_workdir_make()
{
	local tree=$1 base=/tmp

	[ -w /tmp ] || base=${TMPDIR:-/var/tmp}
	# short: the path of a unix socket has room for 107 bytes
	PZ_WORK=$(mktemp -d "$base/pz.XXXXXX") || return 1
	PZ_TREE=$PZ_WORK/tree
	PZ_TMP=$PZ_WORK/tmp
	mkdir "$PZ_TREE" "$PZ_TMP" || return 1
	tar -C "$tree" --exclude=./.git --exclude='*.o' --exclude='*.bc' --exclude='*.so' \
		--exclude=./sql/personalize--*.sql --exclude=./tmp_check --exclude=./tmp_check_iso \
		--exclude=./results --exclude=./test_output --exclude=./log -cf - . | tar -C "$PZ_TREE" --no-same-owner -xf - || return 1
	if [ "$(id -u)" = 0 ]; then
		chown -R "$PZ_USER:" "$PZ_WORK" || return 1
	fi
	chmod 0755 "$PZ_WORK"
	chmod -R u+rwX "$PZ_TREE"
	export PZ_TMP
}

# Make $PZ_PREFIX$1 show what $1 holds: a link, or where part of it is there
# already, links to the entries that are not.
pz_mirror()
{
	local from=$1 to=$PZ_PREFIX$1 entry

	[ -d "$from" ] || return 0
	if ! [ -e "$to" ]; then
		mkdir -p "$(dirname "$to")" && ln -s "$from" "$to"
		return
	fi
	for entry in "$from"/*; do
		case ${entry##*/} in
			personalize | personalize.* | personalize--*) continue ;;
		esac
		[ -e "$to/${entry##*/}" ] || ln -s "$entry" "$to/${entry##*/}"
	done
}

pz_private_prefix()
{
	local bin share lib

	PZ_PREFIX=$PZ_WORK/pg
	bin=$("$PG_CONFIG" --bindir)
	share=$("$PG_CONFIG" --sharedir)
	lib=$("$PG_CONFIG" --pkglibdir)
	mkdir -p "$PZ_PREFIX$bin" "$PZ_PREFIX$share/extension" "$PZ_PREFIX$lib" || return 1
	cp -pL "$bin"/* "$PZ_PREFIX$bin/" || return 1
	pz_mirror "$share/extension"
	pz_mirror "$share"
	pz_mirror "$lib"
	pz_mirror "$("$PG_CONFIG" --includedir-server)"
	pz_mirror "$("$PG_CONFIG" --pkgincludedir)"
	pz_mirror "$("$PG_CONFIG" --includedir)"
	pz_mirror "$("$PG_CONFIG" --libdir)"
	pz_mirror "$("$PG_CONFIG" --localedir)"
	if [ "$(id -u)" = 0 ]; then
		chown -R -h "$PZ_USER:" "$PZ_PREFIX"
	fi
	if [ "$("$PZ_PREFIX$bin/pg_config" --pkglibdir)" != "$PZ_PREFIX$lib" ] ||
		[ "$("$PZ_PREFIX$bin/pg_config" --sharedir)" != "$PZ_PREFIX$share" ]; then
		pz_complain "cannot make a private copy of $PG_CONFIG's PostgreSQL"
		return 1
	fi
	PG_CONFIG=$PZ_PREFIX$bin/pg_config
	PGBIN=$PZ_PREFIX$bin
	export PG_CONFIG PGBIN
}

# Arguments: further ones of make.
pz_workdir_install()
{
	pz_as_user make -s -C "$PZ_TREE" PG_CONFIG="$PG_CONFIG" "$@" all || return 1
	pz_as_user make -s -C "$PZ_TREE" PG_CONFIG="$PG_CONFIG" "$@" install >"$PZ_WORK/install.log" 2>&1 || {
		cat "$PZ_WORK/install.log"
		return 1
	}
}

# Stop a server by the process id in its postmaster.pid, if it is one of ours.
pz_stop_server()
{
	local pidfile=$1 pid signal

	pid=$(head -n 1 "$pidfile" 2>/dev/null)
	[ -n "$pid" ] || return 0
	for signal in INT QUIT KILL; do
		case $(readlink "/proc/$pid/cwd" 2>/dev/null) in
			"$PZ_WORK"/*) ;;
			*) return 0 ;;
		esac
		kill -"$signal" "$pid" 2>/dev/null
		timeout 20 tail --pid="$pid" -f /dev/null
	done
}

pz_workdir_remove()
{
	local pidfile

	[ -n "${PZ_WORK:-}" ] && [ -d "$PZ_WORK" ] || return 0
	cd /
	while IFS= read -r pidfile; do
		pz_stop_server "$pidfile"
	done < <(find "$PZ_WORK" -name postmaster.pid 2>/dev/null)
	rm -rf "$PZ_WORK"
}
