#!/bin/bash
# The archive for PGXN and the packages for Debian: the same bytes when made
# again elsewhere, all that belongs there and nothing else, and a server that
# runs with what the package brings.
# Skipped where there is no git, or not what Debian's packages are built with.
set -eu
. test/lib/bootstrap.sh
. test/lib/cluster.sh
. test/lib/want.sh
for tool in git python3; do
	command -v $tool >/dev/null || { echo "there is no $tool"; exit 77; }
done
work=$PZ_WORK/package
mkdir "$work"
export HOME=$work GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_DATE='2026-01-01T00:00:00Z' GIT_COMMITTER_DATE='2026-01-01T00:00:00Z'
# two checkouts, of different names and made by different umasks
for n in one another_one; do
	mkdir "$work/$n"
	(
		cd "$PZ_TREE"
		tar --exclude='*.o' --exclude='*.so' --exclude='./sql/personalize--*.sql' --exclude=./results --exclude=./tmp_check --exclude=./tmp_check_iso \
			--exclude=./test_output --exclude=./log --exclude=./output_iso -cf - . | tar -C "$work/$n" -xf -
		cd "$work/$n"
		git init -q .
		git add -A
		git -c user.name=x -c user.email=x@localhost commit -q -m x
	)
done
(cd "$work/one" && umask 022 && make -s PG_CONFIG="$PG_CONFIG" dist)
(cd "$work/another_one" && umask 077 && TZ=Asia/Kathmandu make -s PG_CONFIG="$PG_CONFIG" dist)
zip=$(cd "$work/one" && ls personalize-*.zip)
version=$(sed -n 's/^EXTVERSION = //p' Makefile)
want 'the archive has the name and version of the extension' "$zip" "personalize-$version.zip"
want 'the archive is the same when made again' "$(cmp "$work/one/$zip" "$work/another_one/$zip" && echo same)" same
list=$(python3 -m zipfile -l "$work/one/$zip" | awk 'NR > 1 {print $1}')
list() { printf '%s\n' "$list"; }
want 'all is in one directory of that name' "$(list | grep -vc "^personalize-$version/" || true)" 0
want 'what it must have is there' "$(for f in META.json Makefile personalize.control README.md LICENSE CHANGELOG.md sql/header.sql src/personalize.c docs/reference.md test/run.sh; do
	list | grep -qx "personalize-$version/$f" || echo "$f"; done)" ''
want 'what is made, or is of the repository only, is not' "$(list | grep -E '\.(o|so|bc)$|/\.ci/|/tmp_check' || true)" ''
want 'META.json is what PGXN takes, with that version' "$(python3 test/lib/pgxn_meta.py "$version" 2>&1)" ''
want 'so has the control file' "$(sed -n "s/^default_version = '\(.*\)'/\1/p" personalize.control)" "$version"

if ! command -v dpkg-buildpackage >/dev/null || ! command -v dh >/dev/null || ! command -v pg_buildext >/dev/null ||
	! (cd "$work/one" && dpkg-checkbuilddeps 2>"$work/missing"); then
	echo "the archive only: there is no debhelper, or no postgresql-server-dev-all$([ ! -s "$work/missing" ] || sed 's/^.*error: /; /' "$work/missing")"
	[ $FAILED = 0 ] || exit 1
	exit 77
fi
majors=$(cd "$work/one" && pg_buildext supported-versions)
for n in one another_one; do
	(cd "$work/$n" && git clean -q -fdx && make deb >"$work/$n.log" 2>&1) || { tail -40 "$work/$n.log"; exit 1; }
	mkdir "$work/of_$n"
	mv "$work"/*.deb "$work/of_$n/"
done
want 'a package for each PostgreSQL' "$(cd "$work/of_one" && printf '%s ' $(ls | grep -v dbgsym | sed 's/_.*//'))" "$(printf 'postgresql-%s-personalize ' $majors)"
for deb in "$work"/of_one/postgresql-*-personalize_*.deb; do
	name=$(basename "$deb")
	want "$name: the same when built again elsewhere" "$(cmp "$deb" "$work/of_another_one/$name" && echo same)" same
done
want 'no compiler warning' "$(grep '\.[ch]:[0-9].* warning:' "$work/one.log" || true)" ''
if command -v lintian >/dev/null; then
	# the contributors have no address by mail
	lintian --suppress-tags bogus-mail-host,bogus-mail-host-in-debian-changelog "$work"/of_one/*personalize_*.deb >"$work/lintian" 2>&1 || true
	want 'lintian has no error' "$(grep '^E:' "$work/lintian" || true)" ''
	cat "$work/lintian"
fi
# the server at hand runs with what its package brings
major=$("$PG_CONFIG" --version | sed 's/^PostgreSQL \([0-9]*\).*/\1/')
deb=$(ls "$work"/of_one/postgresql-"$major"-personalize_*.deb 2>/dev/null || true)
if [ -n "$deb" ]; then
	dpkg-deb -x "$deb" "$work/root"
	lib=$("$PG_CONFIG" --pkglibdir)
	share=$("$PG_CONFIG" --sharedir)
	want 'what make install brings is in the package' "$(cd "$share/extension" && ls personalize* | while read -r f; do
		cmp "$f" "$work/root/usr/share/postgresql/$major/extension/$f" || echo "$f"; done)" ''
	cp "$lib/personalize.so" "$work/kept.so"
	trap 'pz_cluster_stop || true; cp --remove-destination "$work/kept.so" "$lib/personalize.so"' EXIT
	cp --remove-destination "$work/root/usr/lib/postgresql/$major/lib/personalize.so" "$lib/personalize.so"
	pz_cluster_start package_server
	pz_client psql -X -q -v ON_ERROR_STOP=1 -c 'CREATE EXTENSION personalize' -c 'CREATE TABLE t (id bigint)' \
		-c "SELECT FROM personalize.define_category('c', 'for tests')" -c "SELECT FROM personalize.protect('t', 'id', columns => '{\"*\":\"c\"}')" \
		-c "BEGIN; SET LOCAL personalize.purpose = 'backup'; SELECT FROM t; COMMIT"
	wrong() { pz_client psql -X -q -A -t -v ON_ERROR_STOP=1 -c "SELECT string_agg(check_name || ': ' || detail, '; ') FROM personalize.status() WHERE NOT ok"; }
	# the worker of the database starts with the first use
	for _ in $(seq 1 100); do
		[ -n "$(wrong)" ] || break
		sleep 0.1	# lint: poll interval
	done
	want 'and serves' "$(wrong)" ''
fi
echo "$zip, packages for PostgreSQL" $majors
exit $FAILED
