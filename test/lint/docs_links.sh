#!/bin/bash
# Links between pages lead somewhere, to headings too, and every page of docs/
# is in its index: docs/README.md, below it the README.md of the directory,
# which docs/README.md names.
. "$(dirname "$0")/lib.sh"

mapfile -t pages < <(find . -name '*.md' -not -path './.git/*' -not -path './test_output/*' -not -path './tmp_check*' | sed 's|^\./||' | sort)
wrong_lines < <(perl -e '
	use strict; use warnings;
	use File::Basename; use File::Spec;
	my (%anchors, @links);
	for my $page (@ARGV)
	{
		open(my $in, "<", $page) or die "$page: $!\n";
		my ($code, %seen) = (0);
		while (my $line = <$in>)
		{
			$code = !$code, next if $line =~ /^```/;
			next if $code or $line =~ /^(    |\t)/;
			if ($line =~ /^#+ +(.*?)\s*$/)
			{
				# as GitHub makes them
				my $name = lc $1;
				$name =~ s/\[([^\]]*)\]\([^)]*\)/$1/g;
				$name =~ s/[^\w\- ]//g;
				$name =~ s/ /-/g;
				my $n = $seen{$name}++;
				$anchors{$page}{$n ? "$name-$n" : $name} = 1;
			}
			push @links, [$page, $., $1] while $line =~ /\]\(([^)\s]+)\)/g;
		}
		$anchors{$page} //= {};
	}
	my %linked;
	for (@links)
	{
		my ($page, $line, $link) = @$_;
		next if $link =~ /^[a-z]+:/;
		my ($path, $anchor) = split /#/, $link, 2;
		my $target = $path eq "" ? $page : File::Spec->catfile(dirname($page), $path);
		1 while $target =~ s{(^|/)(?!\.\.?/)[^/]+/\.\./}{$1};
		$target =~ s{(^|/)\./}{$1}g;
		$linked{$page}{$target} = 1;
		print "$page:$line: there is no $target\n" and next unless -e $target;
		print "$page:$line: $target has no heading for #$anchor\n" if defined $anchor && exists $anchors{$target} && !$anchors{$target}{$anchor};
	}
	for my $page (grep { m{^docs/} && $_ ne "docs/README.md" } @ARGV)
	{
		my $index = $page =~ m{^docs/(.*)/README\.md$} ? "docs/README.md" : dirname($page) . "/README.md";
		next if $linked{$index}{$page};
		if ($index eq "docs/README.md" && $page =~ m{^docs/(.*/.*)$})
		{
			open(my $in, "<", $index) or die "$index: $!\n";
			local $/;
			next if index(scalar <$in>, "`$1`") >= 0;
		}
		print "$page:1: $index does not lead here\n";
	}' "${pages[@]}")
verdict
