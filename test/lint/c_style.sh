#!/bin/bash
# C as PostgreSQL writes it, as far as a script can tell: no // comments, no
# spaces for indentation, no trailing white space, postgres.h first in every .c
# and in no header, a header comment on every file and every function.
. "$(dirname "$0")/lib.sh"

for file in src/*.c src/*.h; do
	wrong_lines < <(grep -nE '[[:space:]]+$' "$file" | sed "s|^\([0-9]*\):.*|$file:\1: trailing white space|")
	wrong_lines < <(grep -nE '^    ' "$file" | sed "s|^\([0-9]*\):.*|$file:\1: indented with spaces|")
	head -n 1 "$file" | grep -q '^/\*' || wrong "$file:1: no header comment"
	first=$(grep -nE '^#include' "$file" | head -n 1)
	case $file in
		*.c) [[ $first == *'"postgres.h"'* ]] || wrong "$file: does not include postgres.h first" ;;
		*.h) ! grep -q '^#include "postgres.h"' "$file" || wrong "$file: a header does not include postgres.h" ;;
	esac
done
wrong_lines < <(perl -0777 -ne '
	my $text = $_;
	# strings and comments out, keeping the lines
	my $code = $text;
	$code =~ s{(/\*.*?\*/)|("(?:\\.|[^"\\\n])*")|(\x27(?:\\.|[^\x27\\\n])+\x27)}
		{ if (defined $1) { (my $c = $1) =~ s/[^\n]/ /g; $c } else { "\"\"" } }gse;
	my $n = 0;
	for my $l (split /\n/, $code) { $n++; print "$ARGV:$n: // comment\n" if $l =~ m{//}; }
	# a function: its name at the start of a line, its body in the next column 0
	my @lines = split /\n/, $text;
	for (my $i = 1; $i < @lines; $i++)
	{
		next unless $lines[$i - 1] =~ /^[A-Za-z]/ and $lines[$i] =~ /^([A-Za-z_]\w*)\(/;
		my $name = $1;
		next if $name =~ /^PG_/;
		my $j = $i;
		# declarations end in a semicolon, definitions in a brace
		$j++ while $j < @lines and $lines[$j] !~ /;\s*$/ and $lines[$j] !~ /^\{/;
		next unless $j < @lines and $lines[$j] =~ /^\{/;
		my $k = $i - 1;
		$k-- while $k > 0 and $lines[$k] =~ /^(PG_FUNCTION_INFO_V1\b.*|PGDLLEXPORT.*|[A-Za-z].*|\s*|#.*)$/
			and $lines[$k] !~ /^\}/ and $lines[$k] !~ /\*\/\s*$/;
		print "$ARGV:", $i + 1, ": function $name has no header comment\n" unless $lines[$k] =~ /\*\/\s*$/;
	}' src/*.c src/*.h)
verdict
