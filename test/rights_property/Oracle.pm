# What an erasure must leave of the rows of a Schema, worked out from the rows
# before it and from what the documentation says; and how the rows after it differ.
package Oracle;

use strict;
use warnings;

# A value that stands for the person, and says nothing
my $pseudonym = qr/^(?:erased-)?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$|^-[1-9][0-9]*$/;

# $state: table name -> rid -> column -> value
sub new
{
	my ($class, $schema, $state) = @_;
	my %copy;

	for my $t (keys %$state)
	{
		$copy{$t}{$_} = { %{ $state->{$t}{$_} } } foreach keys %{ $state->{$t} };
	}
	return bless { schema => $schema, state => \%copy, free => {}, refuse => {}, may_refuse => {}, named => {}, retained => {} }, $class;
}

sub tables { my ($o) = @_; return @{ $o->{schema}{tables} } }
sub rows { my ($o, $t) = @_; return values %{ $o->{state}{ $t->{name} } } }

# Owners of a row: [ kind name, key ], by way of a foreign key, too
sub owners
{
	my ($o, $t, $row) = @_;

	return map { defined $row->{ $_->{column} } ? [ $_->{kind}{name}, $row->{ $_->{column} } ] : () } grep { $_->{ownership} eq 'owner' } @{ $t->{paths} }
		unless $t->{via};
	return () unless defined $row->{v};
	return map { $o->owners($t->{via}{table}, $_) } grep { $_->{ $t->{via}{table}{pk}[0] } eq $row->{v} } $o->rows($t->{via}{table});
}

# A value is taken away: NULL, or a pseudonym
sub anonymize
{
	my ($o, $t, $row, $p, $kind) = @_;
	my @columns = Schema::path_columns($p);
	my $fk = grep { my $f = $_; grep { $_ eq $columns[-1] } @{ $f->{columns} } } @{ $t->{fks} };

	$o->{refuse}{'cannot be anonymized'} = 1 if $p->{notnull} and $fk;
	if ($p->{notnull} || ($t->{person} && $p->{column} eq 's0' && $p->{rule} eq 'anonymize'))
	{
		# of several columns the last one is enough
		$row->{ $columns[-1] } = '*pseudonym*';
		delete $row->{ $p->{column} } if @columns > 1;
	}
	else
	{
		$row->{$_} = undef foreach $p->{column}, @columns;
	}
	if ($p->{covers} and ($p->{set} or 0))
	{
		my $d = $p->{data};
		my $to = $d->{to};

		$row->{ $d->{name} } = defined $to && $to eq 'pseudonym' ? '*pseudonym*' : $to;
		$o->{refuse}{'duplicate key'} = 1 if $d->{unique} and defined $to and !$t->{partitioned}
			and $to eq 'pseudonym' and $o->{pseudonyms}{"$t->{name}.$d->{name}.$kind->{name}"}++;
	}
}

sub erase
{
	my ($o, $kind, $key) = @_;
	my $s = $o->{schema};
	my $g = $s->{trigger};
	my %gone;		# table -> rid

	$o->{may_refuse}{cycle} = 1 if grep { $_->{later} && $_->{action} eq 'a' } map { @{ $_->{fks} } } $o->tables;
	$o->{pseudonyms} = {};
	for my $t ($o->tables)
	{
		for my $p (@{ $t->{paths} })
		{
			my $fk = grep { my $f = $_; grep { $_ eq (Schema::path_columns($p))[-1] } @{ $f->{columns} } } @{ $t->{fks} };
			my $others = grep { $_ != $p && $_->{ownership} eq 'owner' } @{ $t->{paths} };

			# said whether or not there are rows
			$o->{may_refuse}{'cannot be anonymized'} = 1 if $p->{kind} == $kind and $p->{notnull} and $fk and ($p->{rule} eq 'anonymize' or ($p->{rule} eq 'delete' and $others));
		}
	}
	# rows that are owned by way of others first, while these are there
	for my $t (grep { $_->{via} } $o->tables)
	{
		for my $row ($o->rows($t))
		{
			my @owners = $o->owners($t, $row);

			next if !grep { $_->[0] eq $kind->{name} && $_->[1] eq $key } @owners or grep { $_->[0] ne $kind->{name} || $_->[1] ne $key } @owners;
			$gone{ $t->{name} }{ $row->{rid} } = $row;
		}
	}
	for my $t (grep { @{ $_->{paths} } } $o->tables)
	{
		my @paths = @{ $t->{paths} };

		for my $row ($o->rows($t))
		{
			my @mine = grep { $_->{kind} == $kind && defined $row->{ $_->{column} } && $row->{ $_->{column} } eq $key } @paths;
			my $lone = !grep { $_->{ownership} eq 'owner' && defined $row->{ $_->{column} } && !($_->{kind} == $kind && $row->{ $_->{column} } eq $key) } @paths;
			my $veto = $g && $g->{of} == $t && $row->{rid} % 5 == 0;

			next unless @mine;
			if ($lone and grep({ $_->{ownership} eq 'owner' && $_->{rule} eq 'delete' } @mine) and !grep { $_->{rule} eq 'retain' } @mine)
			{
				$gone{ $t->{name} }{ $row->{rid} } = $row;
				$o->{refuse}{'still has rows'} = 1 if $veto and $g->{what} eq 'veto_delete';
				# the copy may come when the history was looked at already
				$o->{may_refuse}{'still has rows'} = 1 if $g and $g->{of} == $t and $g->{what} eq 'delete' and $row->{s0} and $row->{s0} eq $key;
				next;
			}
			for my $p (@mine)
			{
				if ($p->{rule} eq 'retain')
				{
					$o->{retained}{ $t->{name} } = 1;
					next;
				}
				next if $p->{rule} eq 'delete' and !grep { $_ != $p && $_->{ownership} eq 'owner' } @paths;
				# the key of a person to whom rows refer that stay
				if ($t->{person} and $p->{column} eq 's0')
				{
					$o->{changed_keys}{ $t->{name} }{$key} = 1;
				}
				$o->anonymize($t, $row, $p, $kind);
				$o->{refuse}{'still has rows'} = 1 if $veto and $g->{what} eq 'veto_update';
			}
		}
	}
	$o->foreign_keys($kind, \%gone);
}

# What foreign keys do when rows go, and what they forbid
sub foreign_keys
{
	my ($o, $kind, $gone) = @_;
	my $again = 1;

	while ($again)
	{
		$again = 0;
		for my $t ($o->tables)
		{
			for my $f (@{ $t->{fks} })
			{
				for my $row ($o->rows($t))
				{
					my $deleted;

					next if $gone->{ $t->{name} }{ $row->{rid} } or grep { !defined $row->{$_} } @{ $f->{columns} };
					($deleted) = grep { my $r = $_; !grep { $r->{ $f->{refcolumns}[$_] } ne $row->{ $f->{columns}[$_] } } 0 .. $#{ $f->{columns} } }
						values %{ $gone->{ $f->{ref}{name} } };
					if (!$deleted)
					{
						# the key it refers to became a pseudonym
						$o->{refuse}{'foreign key'} = 1 if $f->{ref}{person} and $o->{changed_keys}{ $f->{ref}{name} }
							and $f->{refcolumns}[0] eq 's0' and $o->{changed_keys}{ $f->{ref}{name} }{ $row->{ $f->{columns}[0] } };
						next;
					}
					if ($f->{action} eq 'a' or $f->{action} eq 'r')
					{
						$o->{refuse}{'foreign key'} = 1;
					}
					elsif ($f->{action} eq 'c')
					{
						if ($t->{protected})
						{
							$o->{refuse}{'belong to others'} = 1;
							next;
						}
						$gone->{ $t->{name} }{ $row->{rid} } = $row;
						$again = 1;
					}
					else
					{
						# a retained row is no longer the person's
						$o->{refuse}{'must stay'} = 1 if grep { $_->{rule} eq 'retain' && (Schema::path_columns($_))[0] eq $f->{columns}[0] } @{ $t->{paths} };
						$row->{$_} = undef foreach @{ $f->{columns} };
						foreach my $p (@{ $t->{paths} })
						{
							$row->{ $p->{column} } = undef if (Schema::path_columns($p))[0] eq $f->{columns}[0];
						}
						$again = 1;
					}
				}
			}
		}
	}
	for my $t (keys %$gone)
	{
		delete $o->{state}{$t}{$_} foreach keys %{ $gone->{$t} };
	}
}

# Lines that say where $after is not what must be
sub differences
{
	my ($o, $after) = @_;
	my $g = $o->{schema}{trigger};
	my %pseudonym;
	my @lines;

	for my $t ($o->tables)
	{
		my ($want, $got) = ($o->{state}{ $t->{name} } // {}, $after->{ $t->{name} } // {});
		my $copies = $g && $g->{to} && $g->{to} == $t;

		for my $rid (sort { $a <=> $b } keys %$want)
		{
			if (!$got->{$rid})
			{
				push @lines, "$t->{name} row $rid is gone";
				next;
			}
			for my $c (sort keys %{ $want->{$rid} })
			{
				my ($w, $h) = ($want->{$rid}{$c}, $got->{$rid}{$c});

				if (defined $w and $w eq '*pseudonym*')
				{
					push @lines, "$t->{name} row $rid column $c is no pseudonym" unless defined $h and $h =~ $pseudonym;
				}
				elsif (($w // "\0") ne ($h // "\0"))
				{
					push @lines, sprintf '%s row %s column %s is %s, must be %s', $t->{name}, $rid, $c, $h // 'null', $w // 'null';
				}
			}
		}
		foreach my $rid (sort { $a <=> $b } grep { !$want->{$_} } keys %$got)
		{
			push @lines, "$t->{name} row $rid is still there" unless $copies and !$o->{before_history}{$rid};
		}
	}
	return @lines;
}

1;
