# The blocks of commands of a page, and what they ought to print.
#
#	tutorial.pl take PAGE DIR		writes DIR/shell.N (a block ```sh each), DIR/session (the command
#									of the one line that starts psql), DIR/script.sql (all blocks
#									```sql, with a mark before each), DIR/want.N and DIR/varies.N (```text
#									and ```text varies below a block)
#	tutorial.pl check DIR OUTPUT	compares what psql printed
#
# What stands below a block is compared with the last lines that it prints, without empty ones; in "varies"
# without numbers and widths.  No block may print an error that does not stand there.
use strict;
use warnings;

our $wrong;

sub spew
{
	my ($file, $text) = @_;
	open(my $out, '>', $file) or die "$file: $!\n";
	print $out $text;
	close($out) or die "$file: $!\n";
}

sub slurp
{
	my ($file) = @_;
	open(my $in, '<', $file) or die "$file: $!\n";
	local $/;
	return scalar <$in>;
}

sub take
{
	my ($page, $dir) = @_;
	my ($kind, $n, $shells, $text, $script, $session) = ('', 0, 0, '', '', '');
	for my $line (split /^/, slurp($page))
	{
		if ($line =~ /^```(.*)$/ && $kind eq '')
		{
			$kind = $1;
			$text = '';
			die "$page: a block of kind \"$kind\" is run by nothing\n" unless $kind =~ /^(sh|sql|text|text varies)$/;
		}
		elsif ($line =~ /^```$/)
		{
			if ($kind eq 'sh')
			{
				die "$page: a shell block after psql was started\n" if $n;
				spew(sprintf('%s/shell.%02d', $dir, ++$shells), $text);
			}
			elsif ($kind eq 'sql')
			{
				$n++;
				$script .= "\\echo ==== $n\n$text";
			}
			else
			{
				die "$page: a block of output before any command\n" unless $n;
				my $file = "$dir/" . ($kind eq 'text' ? 'want' : 'varies') . ".$n";
				die "$page: two outputs of block $n\n" if -e "$dir/want.$n" || -e "$dir/varies.$n";
				spew($file, $text);
			}
			$kind = '';
		}
		elsif ($kind ne '')
		{
			$text .= $line;
		}
		elsif ($line =~ /^(?: {4}|\t)(.*psql .*)$/)
		{
			$session = $1;
		}
	}
	die "$page: a block that does not end\n" if $kind ne '';
	die "$page: nothing says how psql is started\n" if $session eq '';
	spew("$dir/script.sql", $script);
	spew("$dir/session", "$session\n");
	print "$shells blocks of the shell, $n of psql\n";
}

sub lines_of
{
	my ($text, $varies) = @_;
	my @lines;
	for (split /\n/, $text)
	{
		s/\s+$//;
		next if $_ eq '';
		if ($varies)
		{
			s/\b[0-9a-f]{8}-[0-9a-f-]{27}\b/N/g;
			s/-?\d+(?:[.,:-]\d+)*/N/g;
			s/-+/-/g;
			s/ +/ /g;
			s/^ //;
		}
		push @lines, $_;
	}
	return join("\n", @lines) . "\n";
}

sub check
{
	my ($dir, $output) = @_;
	my ($failed, $compared, %got) = (0, 0);
	my $n = 0;
	for (split /^/, slurp($output))
	{
		if (/^==== (\d+)$/) { $n = $1; $got{$n} = ''; }
		else { $got{$n} .= $_; }
	}
	my $blocks = () = slurp("$dir/script.sql") =~ /^\\echo ==== /mg;
	for my $no (1 .. $blocks)
	{
		my $varies = -e "$dir/varies.$no";
		if (!defined $got{$no})
		{
			print "block $no was not reached\n";
			$failed++;
		}
		elsif ($varies || -e "$dir/want.$no")
		{
			my $want = lines_of(slurp("$dir/" . ($varies ? 'varies' : 'want') . ".$no"), $varies);
			my $is = lines_of($got{$no}, $varies);
			my $before = substr($is, 0, length($is) - length($want));
			$compared++;
			next if length($is) >= length($want) && $is eq $before . $want && $before !~ /$wrong/m && ($before eq '' || $before =~ /\n\z/);
			print "block $no prints\n$got{$no}instead of\n", slurp("$dir/" . ($varies ? 'varies' : 'want') . ".$no");
			$failed++;
		}
		elsif ($got{$no} =~ /$wrong/m)
		{
			print "block $no prints\n$got{$no}";
			$failed++;
		}
	}
	print "$blocks blocks of psql ran, $compared outputs compared, $failed wrong\n";
	exit($failed ? 1 : 0);
}

$wrong = qr/^(?:ERROR|FATAL|WARNING):|: error:|invalid command/;
my ($what, @rest) = @ARGV;
if (($what // '') eq 'take' && @rest == 2) { take(@rest); }
elsif (($what // '') eq 'check' && @rest == 2) { check(@rest); }
else { die "usage: tutorial.pl take PAGE DIR | check DIR OUTPUT\n"; }
