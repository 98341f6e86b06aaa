# shellcheck shell=bash
# Sourced by test/deep.sh: are src/*.[ch] laid out as pgindent would do it?
# pg_bsd_indent is a package of its own in Debian 12, later part of
# postgresql-server-dev.

# The names of types: of the server's headers and our own, one a line.
format_types()
{
	{
		grep -rhoE '^\}\s*\w+;' "$@"
		grep -rhE '^typedef .*[ *]\w+;' "$@" | grep -oE '\w+;'
		grep -rhoE '^typedef .*\(\*\s*\w+\)' "$@" | grep -oE '\w+\)$'
		printf '%s\n' bool DIR FILE pid_t size_t ssize_t time_t va_list
	} | grep -oE '\w+' | sort -u |
		# those pgindent leaves out, and one that is also the name of variables
		grep -vxE 'ANY|FD_SET|U|abs|allocfunc|boolean|date|digit|ilist|interval|iterator|other|pointer|printfunc|reference|string|timestamp|type|wrap|text'
}

step_format()
{
	local config bin work file name differ=0

	pz_say "pgindent's layout"
	config=$(pz_pg_config)
	bin=$(ls "$("$config" --bindir)/pg_bsd_indent" /usr/lib/postgresql/*/bin/pg_bsd_indent 2>/dev/null | tail -n 1)
	if [ -z "$bin" ]; then
		need pg_bsd_indent pg-bsd-indent || return
		bin=pg_bsd_indent
	fi
	work=$(mktemp -d)
	mkdir "$work/ours" "$work/pgindent"
	format_types "$("$config" --includedir-server)" src >"$work/types"
	for file in src/*.[ch]; do
		name=$(basename "$file")
		perl test/lib/layout.pl after <"$file" >"$work/ours/$name"
		# the options of pgindent
		perl test/lib/layout.pl before <"$file" |
			"$bin" -bad -bap -bbb -bc -bl -cli1 -cp33 -cdb -nce -d0 -di12 -nfc1 -i4 -l79 -lp -lpl -nip -npro -sac -tpg -ts4 -U"$work/types" 2>>"$work/err" |
			perl test/lib/layout.pl after >"$work/pgindent/$name"
		cmp -s "$work/ours/$name" "$work/pgindent/$name" || differ=$((differ + 1))
	done
	if [ $differ = 0 ]; then
		passed=$((passed + 1))
	else
		failed=$((failed + differ))
		sort -u "$work/err" | head -n 5
		(cd "$work" && diff -ru ours pgindent | head -n 200)
	fi
	rm -rf "$work"
}
