#!/bin/sh
# Prints the pg_config to build with: the one in PATH if somebody put it there
# on purpose (not Debian's in /usr/bin, which may belong to the client library
# only), else the newest packaged one that has its server headers.  Prints
# nothing if there is none.

usable() {
	[ -x "$1" ] && [ -f "$("$1" --pgxs 2>/dev/null)" ] &&
		[ -f "$("$1" --includedir-server 2>/dev/null)/postgres.h" ]
}

in_path=$(command -v pg_config 2>/dev/null)
case $in_path in
	"" | /usr/bin/* | /bin/*) ;;
	*) if usable "$in_path"; then echo "$in_path"; exit 0; fi ;;
esac
for dir in $(ls -d /usr/lib/postgresql/*/bin /usr/pgsql-*/bin 2>/dev/null | sort -rV); do
	if usable "$dir/pg_config"; then echo "$dir/pg_config"; exit 0; fi
done
if [ -n "$in_path" ] && usable "$in_path"; then echo "$in_path"; fi
exit 0
