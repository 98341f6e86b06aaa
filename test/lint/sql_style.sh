#!/bin/bash
# The scripts of the extension: what is run again says OR REPLACE at the start
# of the line (the install script takes it away), nothing says IF NOT EXISTS,
# functions say how volatile and how parallel they are, SECURITY DEFINER comes
# with a search path; a backslash in a string stands in E'...', for what it means
# in a plain one depends on standard_conforming_strings of whoever calls.
. "$(dirname "$0")/lib.sh"

wrong_lines < <(grep -niE 'IF NOT EXISTS' sql/tables/*.sql sql/code/*.sql sql/header.sql | grep -viE "IF NOT EXISTS *\(|'.*IF NOT EXISTS.*'" | sed 's/$/   (takes over what somebody else made)/')
wrong_lines < <(grep -nE '^CREATE (FUNCTION|PROCEDURE|VIEW|AGGREGATE|TRIGGER) ' sql/code/*.sql | sed 's/$/   (code is run again: CREATE OR REPLACE)/')
wrong_lines < <(grep -nE '^CREATE OR REPLACE ' sql/tables/*.sql | sed 's/$/   (tables are made once: CREATE)/')
wrong_lines < <(grep -niE '^[[:space:]]*create[[:space:]]+or[[:space:]]+replace' sql/tables/*.sql sql/code/*.sql | grep -vE ':CREATE OR REPLACE [A-Z]' | sed 's/$/   (write CREATE OR REPLACE at the start of the line)/')
for file in sql/tables/*.sql sql/code/*.sql; do
	[[ $file =~ /[0-9][0-9]_[a-z_]+\.sql$ ]] || wrong "$file: is not named NN_name.sql"
done
# sql/tables and sql/code may be empty early on; perl must not read stdin then
files=(sql/tables/*.sql sql/code/*.sql)
if [ ${#files[@]} != 0 ]; then
	wrong_lines < <(perl -0777 -ne '
		my $text = $_;
		while ($text =~ /^CREATE (?:OR REPLACE )?FUNCTION\s+(\S+?)\s*\(/mg)
		{
			my ($name, $start) = ($1, $-[0]);
			my $line = 1 + (substr($text, 0, $start) =~ tr/\n//);
			my $rest = substr($text, $start);
			# everything but the body
			$rest =~ s/(\$\w*\$).*?\1/BODY/s if $rest =~ /\A[^;]*?\$\w*\$/s;
			my ($head) = $rest =~ /\A(.*?);/s;
			$head = $rest unless defined $head;
			print "$ARGV:$line: $name is not written with its schema\n" unless $name =~ /^personalize\./;
			print "$ARGV:$line: $name says neither IMMUTABLE, STABLE nor VOLATILE\n"
				unless $head =~ /\b(IMMUTABLE|STABLE|VOLATILE)\b/;
			print "$ARGV:$line: $name does not say PARALLEL\n" unless $head =~ /\bPARALLEL\s+(SAFE|RESTRICTED|UNSAFE)\b/;
			print "$ARGV:$line: $name is SECURITY DEFINER without SET search_path = pg_catalog, pg_temp\n"
				if $head =~ /\bSECURITY\s+DEFINER\b/
				and $head !~ /\bSET\s+search_path\s*(?:=|TO)\s*\x27?pg_catalog\x27?\s*,\s*\x27?pg_temp\b/;
		}' "${files[@]}")
	wrong_lines < <(perl -0777 -ne '
		my $text = $_;
		# comments and quoted names are passed over; the inside of $$ is read as SQL
		while ($text =~ m{--[^\n]*|/\*.*?\*/|"[^"]*"|\b[eE]\x27(?:[^\x27\\]|\\.|\x27\x27)*\x27|(\x27(?:[^\x27]|\x27\x27)*\x27)}sg)
		{
			next unless defined $1 and index($1, "\\") >= 0;
			my $line = 1 + (substr($text, 0, $-[1]) =~ tr/\n//);
			print "$ARGV:$line: backslash in a plain string (write E\x27...\x27, or do without)\n";
		}' "${files[@]}" sql/header.sql)
fi
verdict
