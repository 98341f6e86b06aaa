#!/bin/bash
# Errors have a code.  elog(ERROR) is for what cannot happen and says so on its
# line: /* cannot happen */ or /* cannot happen: why */.  ereport of ERROR and above names its errcode.
. "$(dirname "$0")/lib.sh"

wrong_lines < <(perl -0777 -ne '
	my $text = $_;
	# blank out comments except the mark, keeping the lines
	$text =~ s{/\*(?!\s*cannot happen).*?\*/}{ (my $c = $&) =~ s/[^\n]/ /g; $c }gse;
	while ($text =~ /\b(elog|ereport)\s*\(\s*(ERROR|FATAL|PANIC)\b/g)
	{
		my ($what, $level, $start) = ($1, $2, $-[0]);
		my $line = 1 + (substr($text, 0, $start) =~ tr/\n//);
		my $rest = substr($text, $start);
		my ($call) = $rest =~ /\A(.*?\)\s*;[^\n]*)/s;
		$call = $rest unless defined $call;
		my $before = substr($text, 0, $start);
		$before =~ s/.*\n(?=.*\n.*\z)//s;
		if ($what eq "elog")
		{
			print "$ARGV:$line: elog($level) without /* cannot happen */\n"
				unless $call =~ /cannot happen/;
		}
		else
		{
			print "$ARGV:$line: ereport($level) without errcode\n" unless $call =~ /\berrcode\w*\s*\(/;
		}
	}' src/*.c src/*.h)
verdict
