#!/usr/bin/perl
# Compares what psql printed for the script of generate.pl: the same rows on
# both sides, in any order, and the same SQLSTATEs.
#
#	compare.pl SCRIPT OUTPUT
#
# Prints what differs, with the query; the last line is a summary.  Exit status
# 1 if anything differed, a tripwire fired or the output is not whole.
use strict;
use warnings;

my ($script, $output) = @ARGV;
my $shown = 0;
my %count = map { $_ => 0 } qw(compared refused writes different tripwires failed_alike timeouts rows empty);

sub read_by_number
{
	my ($file) = @_;
	my (%found, @order, $n, $side);
	open my $in, '<', $file or die "$file: $!\n";
	while (my $line = <$in>)
	{
		chomp $line;
		$line =~ s/^\\echo // if $file eq $script;
		if ($line =~ /^@ (\d+) (\w) (\w+)$/)
		{
			($n, $side) = ($1, $2);
			push @order, $n unless $found{$n};
			$found{$n}{$side} = [];
			$found{$n}{what} = $3;
		}
		elsif (defined $n) { push @{ $found{$n}{$side} }, $line }
	}
	close $in;
	return (\%found, \@order);
}

my ($asked, $order) = read_by_number($script);
my ($answer) = read_by_number($output);
my ($seed) = do { open my $in, '<', $script or die; <$in> =~ /seed (\d+)/ };

sub show
{
	my ($n, $why) = @_;
	$count{different}++;
	return if $shown++ >= ($ENV{EQUIVALENCE_SHOW} || 10);
	print "---- query $n of seed $seed: $why\n";
	for my $side (grep { $asked->{$n}{$_} } qw(a b))
	{
		print "  $side: $_\n" for grep { !/^(= :SQLSTATE|ROLLBACK;|DEALLOCATE ALL;)$/ } $side eq 'a' || !$asked->{$n}{a} ? @{ $asked->{$n}{$side} } : ();
	}
	my %seen;
	$seen{$_}++ for @{ $answer->{$n}{a} || [] };
	$seen{$_}-- for @{ $answer->{$n}{b} || [] };
	my @lines = map { ($seen{$_} > 0 ? '  only protected' : '  only plain    ') . " (x" . abs($seen{$_}) . "): $_" } sort grep { $seen{$_} } keys %seen;
	print "$_\n" for splice(@lines, 0, 12);
	print '  ... ' . @lines . " more\n" if @lines;
}

for my $n (@$order)
{
	my $q = $answer->{$n};
	my ($a, $b) = map { $q->{$_} } qw(a b);
	my $what = $asked->{$n}{what};
	my @fired = grep { /^= TW001|tripwire: hidden/ } @{ $a || [] }, @{ $b || [] };
	$count{tripwires} += @fired;
	if (!$a or ($what ne '42501' and !$b)) { show($n, 'no answer'); next }
	if (@fired) { show($n, 'a tripwire fired'); next }
	if (grep { /^= 57014/ } @$a, @{ $b || [] }) { $count{timeouts}++; next }
	if ($what eq '42501')
	{
		my @codes = grep { /^= / } @$a;
		$count{refused}++;
		# psql tells no SQLSTATE, or none that is right, of a COPY that failed: the statement after it fails, too
		show($n, 'not refused') if "@codes" !~ /^(= 42501|= (?:00000)? = 25P02)$/ or @$a != @codes;
		next;
	}
	if ($what eq 'write')
	{
		$count{writes}++;
		# the plain side says first what the rules ask for
		my $expect = @$b && $b->[0] =~ /^expect/ ? shift @$b : '';
		my @codes = grep { /^= / } @$a;
		# it could not even be asked: a privilege is missing, or the query is wrong
		if ($expect eq '' and @codes and $codes[0] ne '= 00000' and grep { $_ eq '= 25P02' } @$b) { $count{failed_alike}++; next }
		if ($expect eq 'expect 42501')
		{
			# a query that is wrong in itself is wrong on both sides
			my ($plain) = grep { /^= / } @$b;
			if (@codes and $plain ne '= 00000' and $plain eq $codes[0]) { $count{failed_alike}++; next }
			$count{refused}++;
			show($n, 'a write of what is masked or not permitted went through') if ($codes[0] // '') ne '= 42501';
			next;
		}
		show($n, 'the plain side is not whole'), next if $expect ne 'expect same';
	}
	else { $count{compared}++ }
	$count{rows} += grep { !/^= / } @$a;
	$count{empty}++ unless grep { !/^= / } @$a;
	if (join("\n", sort @$a) ne join("\n", sort @$b)) { show($n, 'different') }
	elsif (grep { /^= / && !/^= 00000$/ } @$a) { $count{failed_alike}++ }
}

printf "equivalence, seed %d: %d queries compared (%d rows, %d without rows, %d failed alike), %d writes, %d refusals, %d timeouts, %d differences, %d tripwires fired\n",
	$seed, @count{qw(compared rows empty failed_alike writes refused timeouts different tripwires)};
exit($count{different} || $count{tripwires} || !$count{compared} ? 1 : 0);
