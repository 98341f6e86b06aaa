# shellcheck shell=bash
# Sourced after bootstrap.sh and workdir.sh.  Packages of Debian that a script
# of test/extra would like to have are unpacked into the work directory, not
# installed: nothing of the system changes, no service of theirs starts.
#
#	pz_packages_of FILE		the packages that its line "# Packages:" names; in
#							these PGVERSION stands for the major version
#	pz_packages NAME...		unpacks them, and what they depend on, into
#							PZ_PACKAGES; modules and extensions for the server
#							are linked into the private prefix.  Fails, having
#							said why, where they cannot be had.
#	pz_with_packages COMMAND ...	runs a command that came with them

PZ_PACKAGES=$PZ_WORK/packages

pz_packages_of()
{
	sed -n "s/PGVERSION/$(pz_major)/g; s/^# Packages: *//p" "$1"
}

pz_major() { "$PG_CONFIG" --version | sed 's/^PostgreSQL \([0-9]*\).*/\1/'; }

pz_packages()
{
	local archives=$PZ_TMP/archives log=$PZ_TMP/packages.log name lib share
	local -a wanted=()

	command -v apt-get >/dev/null 2>&1 && command -v dpkg-deb >/dev/null 2>&1 || { echo 'no apt-get'; return 1; }
	for name in "$@"; do
		# what is installed is used as it is
		dpkg-query -W -f '${Status}' "$name" 2>/dev/null | grep -q '^install ok installed' || wanted+=("$name")
	done
	if [ ${#wanted[@]} != 0 ]; then
		if ! apt-cache show "${wanted[@]}" >/dev/null 2>&1; then
			[ -n "${PZ_LISTS_READ:-}" ] || { pz_find_root; pz_apt update >/dev/null 2>&1 || true; }
			PZ_LISTS_READ=1
			apt-cache show "${wanted[@]}" >/dev/null 2>&1 || { echo "the package lists do not have all of: ${wanted[*]}"; return 1; }
		fi
		mkdir -p "$archives/partial" "$PZ_PACKAGES" || return 1
		# without a lock, and without being root: nothing but a directory of ours is written to
		if ! LC_ALL=C.UTF-8 apt-get -y -q -o Debug::NoLocking=1 -o Dir::Cache::archives="$archives" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= \
			-o APT::Sandbox::User=root --no-install-recommends --download-only install "${wanted[@]}" >"$log" 2>&1; then
			tail -n 4 "$log"
			return 1
		fi
		for name in "$archives"/*.deb; do
			[ -e "$name" ] || continue
			dpkg-deb -x "$name" "$PZ_PACKAGES" || return 1
			rm -f "$name"
		done
	fi
	lib=$("$PG_CONFIG" --pkglibdir)
	share=$("$PG_CONFIG" --sharedir)
	for name in "$PZ_PACKAGES${lib#"$PZ_PREFIX"}"/*.so; do
		[ ! -e "$name" ] || [ -e "$lib/${name##*/}" ] || ln -s "$name" "$lib/" || return 1
	done
	for name in "$PZ_PACKAGES${share#"$PZ_PREFIX"}"/extension/*; do
		[ ! -e "$name" ] || [ -e "$share/extension/${name##*/}" ] || ln -s "$name" "$share/extension/" || return 1
	done
	if [ "$(id -u)" = 0 ] && [ -d "$PZ_PACKAGES" ]; then
		chown -R -h "$PZ_USER:" "$PZ_PACKAGES"
	fi
}

# Shared libraries of theirs come last: the system's own serve everything that has them.
# Some have a directory of their own, which those that need them have by its installed name.
pz_with_packages()
{
	local dir=$PZ_PACKAGES/usr libs

	libs=$(find "$dir/lib" -maxdepth 3 \( -name 'lib*.so.*' -o -name 'lib*-[0-9]*.so' \) -printf '%h\n' 2>/dev/null | sort -u | tr '\n' ':')
	PATH=$PATH:/usr/sbin:$dir/bin:$dir/sbin LD_LIBRARY_PATH=${libs%:} "$@"
}
