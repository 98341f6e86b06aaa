# shellcheck shell=bash
# Sourced by test/run.sh when PZ_VALGRIND is set.
#
#	pz_valgrind_begin		makes the servers of the private PostgreSQL run under
#							valgrind's memcheck
#	pz_valgrind_report TO	what it found where the library was on the stack:
#							all of it goes to the directory TO, each place once
#							is printed; sets PZ_VALGRIND_FOUND to their number,
#							and PZ_VALGRIND_SEEN to the number of processes
#
# A PostgreSQL that was not built with USE_VALGRIND tells memcheck nothing of
# its memory contexts: what is read behind a chunk, or after pfree, mostly
# remains unseen there.  Values that were never set are seen with both.

pz_valgrind_begin()
{
	PZ_VALGRIND_LOG=$PZ_WORK/valgrind
	pz_as_user mkdir -p "$PZ_VALGRIND_LOG" || return 1
	mv "$PGBIN/postgres" "$PGBIN/postgres.real" || return 1
	# initdb's programs and -V run as they are
	cat >"$PGBIN/postgres" <<-EOF
		#!/bin/bash
		case \${1:-} in
			--* | -V | -C) exec '$PGBIN/postgres.real' "\$@" ;;
		esac
		exec valgrind --quiet --tool=memcheck --leak-check=no --track-origins=${PZ_VALGRIND_ORIGINS:-no} --num-callers=30 \\
			--error-markers=BEGIN-OF-ERROR,END-OF-ERROR --fullpath-after='$PZ_TREE/' \\
			--suppressions='$PZ_TREE/test/lib/valgrind.supp' --log-file='$PZ_VALGRIND_LOG/%p.log' \\
			'$PGBIN/postgres.real' "\$@"
	EOF
	chmod 0755 "$PGBIN/postgres"
}

pz_valgrind_report()
{
	local to=$1

	mkdir -p "$to" || return 1
	PZ_VALGRIND_SEEN=$(find "$PZ_VALGRIND_LOG" -name '*.log' | wc -l)
	cat "$PZ_VALGRIND_LOG"/*.log >"$to/all.log" 2>/dev/null
	# a block for each error; those that have one of our lines are ours to look at
	awk -v places="$to/places.txt" '
		/BEGIN-OF-ERROR/ {inside = 1; block = ""; what = ""; ours = ""; next}
		/END-OF-ERROR/ {
			inside = 0
			if (ours != "")
			{
				if (!((what, ours) in n))
					printf "%s\n", block
				n[what, ours]++
			}
			next
		}
		inside {
			sub(/^==[0-9]+== ?/, "")
			if (what == "" && $0 != "")
				what = $0
			if (ours == "" && match($0, /\(src\/[a-z_]+\.[ch]:[0-9]+\)|personalize\.so/))
				ours = substr($0, RSTART, RLENGTH)
			block = block $0 "\n"
		}
		END {
			for (k in n)
			{
				split(k, a, SUBSEP)
				printf "%6d times %s %s\n", n[k], a[2], a[1] | ("sort -rn >" places)
			}
		}' "$to/all.log" >"$to/errors.log"
	[ ! -s "$to/places.txt" ] || cat "$to/places.txt"
	PZ_VALGRIND_FOUND=$(wc -l 2>/dev/null <"$to/places.txt" || echo 0)
}
