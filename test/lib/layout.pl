# What of a C file is a matter of layout that pg_bsd_indent may judge: reads a
# file, prints it for the comparison.
#
#	layout.pl before	as pg_bsd_indent is to get it
#	layout.pl after		what remains to be compared
#
# Left out: comments (pgindent breaks them at column 79) and empty lines; how
# far lines go in that continue a statement (releases of pg_bsd_indent differ);
# "text *" and ", .x =", which it takes for a product and for a member.
# foreach() is a loop, which it does not know.

use strict;
use warnings;

local $/ = undef;
my $code = <STDIN>;

$code =~ s/\b(?:foreach(?!_current|_delete)\w*|forboth|forthree|for_each_cell|for_each_from)\(/while (/g;
if ($ARGV[0] eq 'after')
{
	my $before = ';';
	my $out = '';

	# strings stay, whatever is in them
	$code =~ s{("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|/\*.*?\*/}{defined $1 ? $1 : ''}gse;
	$code =~ s/^([A-Za-z_]\S*)[ \t]+\*$/$1 */gm;
	$code =~ s/[ \t]+$//mg;
	$code =~ s/,\.(?=[a-z])/, ./g;
	$code =~ s/\btext \* ?(\*?) ?/text *$1/g;
	foreach my $line (split /\n+/, $code)
	{
		$line =~ s/^\s+/\t/
			unless $before =~ /[;{})]$|^\s*(?:else|do)$|^#|^\s*(?:case .*|\w+):$/;
		$out .= "$line\n";
		$before = $line;
	}
	$code = $out;
}
print $code;
