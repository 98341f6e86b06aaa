#!/bin/bash
# Every command of docs/tutorial.md runs as it is written, on a server that does
# not know the extension at first, and prints what stands there.  sudo, apt-get
# and service are played: they act on the private server and its PostgreSQL.
#
# TUTORIAL_REAL=1 does it to this machine instead, as root and from nothing on
# (a container that nobody needs), and says how long each step takes:
#	TUTORIAL_REAL=1 test/extra/tutorial.sh
set -u
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd) || exit 1
PAGE=$HERE/docs/tutorial.md
PLAYED=''
OWN_WORK=''

if [ -n "${TUTORIAL_REAL:-}" ]; then
	PZ_WORK=$(mktemp -d) || exit 1
	OWN_WORK=$PZ_WORK
	trap 'rm -rf "$OWN_WORK"' EXIT
	cd "$HERE" || exit 1
else
	. "$HERE/test/lib/bootstrap.sh"
	. "$HERE/test/lib/cluster.sh"
	pz_cluster_start tutorial || exit 1
	cd "$PZ_TREE" || exit 1
	PLAYED=1
fi
DIR=$PZ_WORK/tutorial_blocks
BIN=$PZ_WORK/tutorial_bin
mkdir "$DIR" "$BIN" || exit 1

if [ -n "$PLAYED" ]; then
	# not loaded yet, whatever the configuration of the tests says
	pz_as_user sh -c "echo \"shared_preload_libraries = ''\" >>'$PZ_DATA/postgresql.conf'" || exit 1
	pz_as_user "$PGBIN/pg_ctl" -D "$PZ_DATA" -m fast -w restart >/dev/null || exit 1
	export PG_CONFIG PGHOST=$PZ_SOCKET PGPORT=${PZ_PORT:-5432} PGUSER=postgres
	export TUTORIAL_RESTART="$PGBIN/pg_ctl -D $PZ_DATA -l $PZ_SERVER_LOG -m fast -w restart"
	PATH=$BIN:$PGBIN:$PATH
	cat >"$BIN/apt-get" <<'PLAY'
#!/bin/sh
# packages that there are, if there is a list to look in
[ "$1" = update ] && exit 0
[ "$1 $2" = 'install -y' ] || exit 1
shift 2
apt-cache show postgresql >/dev/null 2>&1 || exit 0
for name in "$@"; do
	case $name in postgresql-server-dev-*) continue ;; esac
	apt-cache show "$name" >/dev/null || exit 1
done
PLAY
	cat >"$BIN/service" <<'PLAY'
#!/bin/sh
[ "$*" = 'postgresql restart' ] && $TUTORIAL_RESTART >/dev/null
PLAY
fi
if [ -n "$PLAYED" ] || ! command -v sudo >/dev/null; then
	cat >"$BIN/sudo" <<'PLAY'
#!/bin/sh
[ "$1" = -u ] || exec "$@"
[ "$(id -u)" = 0 ] || { shift 2; exec "$@"; }
user=$2
shift 2
exec runuser -u "$user" -- "$@"
PLAY
	PATH=$BIN:$PATH
fi
chmod +x "$BIN"/* 2>/dev/null
export PATH

FROM=$(date +%s)
START=$FROM
lap()
{
	local now

	now=$(date +%s)
	[ -n "$PLAYED" ] || printf '%4d s (%d in all)  %s\n' $((now - FROM)) $((now - START)) "$1"
	FROM=$now
}

# perl is there with every Debian
said=$(perl "$HERE/test/lib/tutorial.pl" take "$PAGE" "$DIR") || exit 1
for block in "$DIR"/shell.*; do
	bash -e "$block" >"$DIR/out" 2>&1 || { cat "$block" "$DIR/out"; echo 'the block above failed'; exit 1; }
	lap "$(head -n 1 "$block")"
	# where there is no init, as in a container, nobody has started it
	[ -n "$PLAYED" ] || pg_lsclusters -h | grep -q online || service postgresql start
done
chmod -R a+rX "$PZ_WORK/tutorial_blocks"
if [ -n "$PLAYED" ]; then
	bash -e "$DIR/session" <"$DIR/script.sql" >"$DIR/printed" 2>&1
else
	# block by block, to know when
	bash -e "$DIR/session" <"$DIR/script.sql" 2>&1 | while IFS= read -r line; do
		[[ $line != '==== '* ]] || lap "begins block ${line#==== }" >&2
		printf '%s\n' "$line"
	done >"$DIR/printed"
	lap 'all of it'
fi
verdict=$(perl "$HERE/test/lib/tutorial.pl" check "$DIR" "$DIR/printed")
status=$?
words=$(wc -w <"$PAGE")
echo "$verdict; $said; $words words, $((words / 200)) minutes at 200 a minute"
exit $status
