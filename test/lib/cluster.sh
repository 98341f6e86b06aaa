# shellcheck shell=bash
# Sourced after bootstrap.sh; PZ_WORK, PZ_TREE, PZ_TMP and PGBIN are set (by
# workdir.sh, or by test/run.sh for the scripts of test/extra).  A private
# throwaway cluster with the module preloaded, reached by a unix socket in its
# own directory.
#
#	pz_cluster_start [NAME]		makes and starts it
#	pz_client COMMAND ...		runs a command as the tests' user against it, in
#								database PZ_DATABASE (default postgres)
#	pz_cluster_stop				stops it
#
# PZ_LISTEN (none) and PZ_PORT (5432) may say where else it listens.
#
# pz_workdir_remove stops it as well.

pz_cluster_start()
{
	local dir=$PZ_WORK/${1:-c}

	PZ_DATA=$dir/data
	PZ_SOCKET=$dir/s
	PZ_SERVER_LOG=$dir/server.log
	pz_as_user mkdir -p "$PZ_SOCKET" || return 1
	pz_as_user chmod 0700 "$PZ_SOCKET"
	pz_as_user "$PGBIN/initdb" -D "$PZ_DATA" -U postgres -A trust --encoding=UTF8 --locale=C.UTF-8 \
		>"$PZ_TMP/initdb.log" 2>&1 || { cat "$PZ_TMP/initdb.log"; return 1; }
	{
		cat "$PZ_TREE/test/personalize.conf"
		echo "listen_addresses = '${PZ_LISTEN:-}'"
		echo "unix_socket_directories = '$PZ_SOCKET'"
		echo 'unix_socket_permissions = 0700'
		echo "port = ${PZ_PORT:-5432}"
		echo 'fsync = on'
	} >"$PZ_TMP/extra.conf"
	pz_as_user sh -c 'cat "$1" >>"$2"' sh "$PZ_TMP/extra.conf" "$PZ_DATA/postgresql.conf" || return 1
	if ! pz_as_user "$PGBIN/pg_ctl" -D "$PZ_DATA" -l "$PZ_SERVER_LOG" -w -t 60 start >"$PZ_TMP/start.log" 2>&1; then
		cat "$PZ_TMP/start.log" "$PZ_SERVER_LOG" 2>/dev/null
		return 1
	fi
}

pz_client()
{
	pz_as_user env PATH="$PGBIN:$PATH" PGHOST="$PZ_SOCKET" PGPORT="${PZ_PORT:-5432}" PGUSER=postgres \
		PGDATABASE="${PZ_DATABASE:-postgres}" "$@"
}

pz_cluster_stop()
{
	pz_as_user "$PGBIN/pg_ctl" -D "$PZ_DATA" -m fast -w -t 60 stop >/dev/null 2>&1
}
