# A random schema of a random number of kinds of persons: tables, foreign keys,
# paths, rules of erasure and rows.  Everything follows from the seed.
#
# Every person has a key and a marker, a word that no other text holds.  It
# stands in cells that must go with the person: those of rows that are deleted,
# and those that a rule anonymizes or retains.
package Schema;

use strict;
use warnings;

sub below { return int(rand($_[0])) }
sub chance { return rand(100) < $_[0] }
sub pick { return $_[ int(rand(@_)) ] }
sub hex_word { return join '', map { sprintf '%04x', below(65536) } 1 .. $_[0] }
sub quote { my ($v) = @_; return 'NULL' unless defined $v; $v =~ s/'/''/g; return $v =~ /\\/ ? 'E' . "'" . ($v =~ s/\\/\\\\/gr) . "'" : "'$v'" }

my %column_type = (bigint => [ 'bigint', 'bigint' ], uuid => ['uuid'], text => [ 'text', 'text', 'varchar', 'varchar(90)' ]);

# %can: via => 1, composite => 1 where the extension has these
sub new
{
	my ($class, $seed, $number, %can) = @_;
	my $s = bless { seed => $seed, number => $number, can => \%can, schema => "rp$number", tables => [], kinds => [], rid => 0 }, $class;
	my $n;

	srand($seed * 100003 + $number);
	push @{ $s->{kinds} }, $s->make_kind('');
	push @{ $s->{kinds} }, $s->make_kind('_staff') if chance(30);
	push @{ $s->{kinds} }, $s->make_kind('_member', 'pair') if $can{composite} and chance(35);
	$s->person_table($_) foreach @{ $s->{kinds} };
	$n = 2 + below(7);
	$s->table($_) foreach 1 .. $n;
	$s->trigger() if chance(35);
	$s->cycle() if chance(8);
	$s->fill();
	$s->{owner} = chance(50);
	return $s;
}

sub make_kind
{
	my ($s, $suffix, $type) = @_;
	$type //= pick(qw(bigint uuid text));
	my @persons;

	for my $i (1 .. 6)
	{
		my $core = hex_word(4);
		my $key = $type eq 'bigint' ? 100000000000 + below(1 << 30) * 8 + $i
			: $type eq 'uuid' ? hex_word(2) . '-' . hex_word(1) . '-4' . substr(hex_word(1), 1) . '-a' . substr(hex_word(1), 1) . '-' . hex_word(3)
			: pick('', "O'b.", '(ü) ', 'a\\b ', '50%_') . $core . pick('', '@example.com', ' Esq.', '"x"');
		# a number in a tenant: the key is the text of an array
		if ($type eq 'pair')
		{
			$core = 700000000 + below(1 << 24) * 8 + $i;
			$key = '{' . (1 + $i % 3) . ",$core}";
		}
		push @persons, { key => $key, core => $type eq 'text' || $type eq 'pair' ? $core : $key, marker => 'mk' . hex_word(4) };
	}
	return { name => "$s->{schema}$suffix", type => $type eq 'pair' ? 'text' : $type, pair => $type eq 'pair', persons => \@persons };
}

sub column_type { my ($kind) = @_; return $kind->{pair} ? 'pair' : pick(@{ $column_type{ $kind->{type} } }) }

# Columns of a path: one, or two that make up the key
sub path_columns { my ($p) = @_; return $p->{type} eq 'pair' ? ("$p->{column}a", "$p->{column}b") : ($p->{column}) }

# A column for what is said about a person, and what a rule makes of it
sub data_column
{
	my ($name, $alone) = @_;
	my $type = pick(qw(text text varchar(80) jsonb text[] word));
	my $c = { name => $name, type => $type, kind => 'data', notnull => chance(40) };

	$c->{unique} = 1 if $type ne 'text[]' and chance(20);
	if ($type eq 'jsonb') { $c->{to} = $c->{notnull} ? '{}' : undef }
	elsif ($type eq 'text[]') { $c->{to} = $c->{notnull} ? '{}' : undef }
	elsif ($type eq 'word') { $c->{to} = $c->{notnull} ? ($c->{unique} ? 'pseudonym' : 'removed') : undef }
	else { $c->{to} = $c->{unique} ? ($c->{notnull} ? 'pseudonym' : undef) : ($c->{notnull} ? 'removed' : pick(undef, 'removed', 'pseudonym')) }
	$c->{to} = 'pseudonym' if $c->{unique} and defined $c->{to} and $type =~ /^(text$|varchar|word)/;
	# a constant in a unique column is refused for the second row
	$c->{unique} = 0 if $c->{unique} and defined $c->{to};
	return $c;
}

sub rule
{
	my ($s, $t, $path) = @_;
	my $data = $path->{data};
	my $x = rand(100);

	$path->{rule} = $path->{ownership} eq 'access' ? ($x < 88 ? 'anonymize' : 'retain') : $x < 62 ? 'delete' : $x < 84 ? 'anonymize' : 'retain';
	$path->{covers} = $path->{rule} ne 'retain' && chance(80);
	$path->{keep_for} = '10 years' if $path->{rule} eq 'retain' and chance(50);
	$path->{set} = $path->{rule} eq 'retain' || $path->{covers} || $path->{rule} ne ($path->{ownership} eq 'access' ? 'anonymize' : 'delete');
}

sub person_table
{
	my ($s, $kind) = @_;
	my $t = { name => pick('a_', 'm_', 'z_') . 'person' . scalar @{ $s->{tables} }, kind => $kind, person => 1, protected => 1, fks => [], paths => [] };
	my $type = column_type($kind);
	my $data = data_column('d0');
	my $p = { column => 's0', type => $type, ownership => 'owner', kind => $kind, data => $data, notnull => 1, covers => 1 };
	my $x = rand(100);

	$t->{columns} = [ { name => 'rid', type => 'int', kind => 'rid' }, { name => 's0', type => $type, kind => 'path', notnull => 1 }, $data ];
	$t->{pk} = [ path_columns($p) ];
	$t->{paths} = [$p];
	$p->{rule} = $x < 80 ? 'delete' : $x < 93 && $type ne 'pair' ? 'anonymize' : 'retain';
	$p->{set} = $p->{rule} ne 'delete';
	push @{ $s->{tables} }, $t;
	$kind->{table} = $t;
	if (chance(40) and $type ne 'pair')
	{
		# who brought whom: named in the row
		my $q = { column => 's1', type => $type, ownership => pick('access', 'access', 'owner'), kind => $kind, data => data_column('d1'), notnull => 0 };

		# two own the row: what goes with the first must be said
		$p->{set} = 1 if $q->{ownership} eq 'owner';
		push @{ $t->{columns} }, { name => 's1', type => $type, kind => 'path' }, $q->{data};
		push @{ $t->{paths} }, $q;
		$s->rule($t, $q);
		$s->rule($t, $q) while $q->{rule} eq 'retain' and $p->{rule} ne 'retain' and chance(90);
		push @{ $t->{fks} }, { columns => ['s1'], ref => $t, refcolumns => ['s0'], action => pick('a', 'a', 'r', 'n', 'n', 'c'), deferrable => pick('', '', 'i', 'd') };
	}
}

sub table
{
	my ($s, $i) = @_;
	my $t = { name => pick(qw(b_ k_ q_ y_)) . "t$i", protected => chance(88), fks => [], paths => [], columns => [ { name => 'rid', type => 'int', kind => 'rid' } ] };
	my $pk = pick(qw(identity identity uuid text composite));
	my @parents = grep { !$_->{history} } @{ $s->{tables} };

	# primary key
	if ($pk eq 'composite')
	{
		push @{ $t->{columns} }, { name => 'ka', type => 'int', kind => 'pk', notnull => 1 }, { name => 'kb', type => 'uuid', kind => 'pk', notnull => 1 };
		$t->{pk} = [ 'ka', 'kb' ];
	}
	else
	{
		push @{ $t->{columns} }, { name => 'id', type => $pk eq 'identity' ? 'bigint' : $pk, kind => 'pk', notnull => 1, identity => $pk eq 'identity' };
		$t->{pk} = ['id'];
	}
	$t->{partitioned} = pick(qw(hash range)) if chance(18);
	# nothing can refer to less than a key with the partition key in it
	push @{ $t->{pk} }, 'rid' if $t->{partitioned} and $t->{partitioned} eq 'range';
	if ($t->{protected})
	{
		my $paths = pick(1, 1, 1, 2, 2, 3);
		# through a table that is protected already
		my @ways = $s->{can}{via} ? grep { $_->{protected} && !$_->{inherited} && @{ $_->{pk} } == 1 } @parents : ();

		if (@ways and chance(45))
		{
			my $way = pick(@ways);
			my $type = (grep { $_->{name} eq $way->{pk}[0] } @{ $way->{columns} })[0]{type};

			$t->{via} = { column => 'v', table => $way };
			push @{ $t->{columns} }, { name => 'v', type => $type, kind => 'via', notnull => chance(60) };
			push @{ $t->{fks} }, { columns => ['v'], ref => $way, refcolumns => [ @{ $way->{pk} } ], action => pick('a', 'a', 'c', 'c', 'r', 'n'),
				deferrable => pick('', '', 'i', 'd') };
			$t->{fks}[0]{action} = 'a' if $t->{columns}[-1]{notnull} and $t->{fks}[0]{action} eq 'n';
			$paths = 0;
			$t->{data_via} = data_column('dv');
			push @{ $t->{columns} }, $t->{data_via};
		}
		for my $k (0 .. $paths - 1)
		{
			my $kind = pick(@{ $s->{kinds} });
			my $type = column_type($kind);
			my $p = { column => "s$k", type => $type, kind => $kind, ownership => $k && chance(35) ? 'access' : 'owner', data => data_column("d$k") };
			my $fk = chance(65);

			# two kinds must not meet in one column; nor need a column that can be neither null nor a pseudonym
			$p->{notnull} = $paths == 1 ? chance(60) : $fk ? 0 : chance(25);
			$s->rule($t, $p);
			$p->{notnull} = 0 if $fk and $p->{rule} ne 'delete' and chance(90);
			# what is retained keeps the person whom it refers to
			$fk = 0 if $p->{rule} eq 'retain' and $kind->{table}{paths}[0]{rule} eq 'delete' and chance(92);
			push @{ $t->{paths} }, $p;
			push @{ $t->{columns} }, { name => "s$k", type => $type, kind => 'path', notnull => $p->{notnull} }, $p->{data};
			if ($fk and $type eq $kind->{table}{columns}[1]{type})
			{
				my $f = { columns => [ path_columns($p) ], ref => $kind->{table}, refcolumns => [ @{ $kind->{table}{pk} } ], action => pick('a', 'a', 'a', 'r', 'c', 'n'), deferrable => pick('', '', 'i', 'd') };

				$f->{action} = 'a' if $f->{action} eq 'n' and $p->{notnull};
				push @{ $t->{fks} }, $f;
			}
			elsif ($fk)
			{
				$p->{no_fk} = 1;
			}
		}
		# a primary key that has the person in it
		if ($paths == 1 and $t->{paths}[0]{type} ne 'pair' and chance(12) and !$t->{partitioned} and $t->{paths}[0]{rule} eq 'delete')
		{
			$t->{paths}[0]{notnull} = (grep { $_->{name} eq 's0' } @{ $t->{columns} })[0]{notnull} = 1;
			$t->{pk} = [ 's0', @{ $t->{pk} } ];
		}
	}
	# to other tables, and to itself
	for my $j (1 .. pick(0, 0, 1, 1, 2))
	{
		my $ref = chance(25) && !grep({ $_ eq 's0' } @{ $t->{pk} }) ? $t : pick(@parents);
		my (@names, $notnull);

		next if $ref->{inherited} or ($ref->{person} and $t->{protected} and chance(80)) or ($ref == $t and $t->{partitioned})
			# a key that no path says is one stays where the person does
			or ($ref->{person} and $ref->{paths}[0]{rule} eq 'retain');
		$notnull = $ref != $t && chance(25);
		for my $c (map { my $n = $_; grep { $_->{name} eq $n } real_columns($ref) } @{ $ref->{pk} })
		{
			push @names, "f${j}_$c->{name}";
			push @{ $t->{columns} }, { name => $names[-1], type => $c->{type}, kind => 'fk', notnull => $notnull };
		}
		my $action = pick('a', 'a', 'a', 'n', 'n', 'c', 'r');
		$action = 'a' if $action eq 'n' and $notnull;
		push @{ $t->{fks} }, { columns => \@names, ref => $ref, refcolumns => [ @{ $ref->{pk} } ], action => $action, deferrable => pick('', '', 'i', 'd'), loose => 1 };
	}
	# foreign keys do not hold for inheritance children
	$t->{inherited} = 1 if !$t->{partitioned} and !@{ $t->{fks} } and !grep({ $_->{kind} eq 'via' } @{ $t->{columns} }) and chance(30);
	push @{ $t->{columns} }, { name => 'at', type => 'date', kind => 'other', notnull => 1 } if chance(40);
	push @{ $t->{columns} }, { name => 'mood', type => 'mood', kind => 'other' } if chance(30);
	push @{ $t->{columns} }, { name => 'twice', type => 'int', kind => 'generated' } if chance(20);
	push @{ $s->{tables} }, $t;
}

# What happens to a table is copied to another, or does not happen
sub trigger
{
	my ($s) = @_;
	my @t = grep { $_->{protected} && !$_->{person} && @{ $_->{paths} } && !$_->{inherited} && $_->{paths}[0]{type} ne 'pair' } @{ $s->{tables} };
	my ($of, $kind, $h, $p);

	return unless @t;
	$of = pick(@t);
	$kind = $of->{paths}[0]{kind};
	$s->{trigger} = { of => $of, what => pick(qw(insert insert update update update delete veto_delete veto_update)) };
	return if $s->{trigger}{what} =~ /veto/;
	$p = { column => 's0', type => $of->{paths}[0]{type}, ownership => 'owner', kind => $kind, rule => 'delete', data => { name => 'd0', type => 'text', kind => 'data' } };
	$h = { name => pick(qw(c_ x_)) . 'history', protected => 1, history => 1, fks => [], paths => [$p], pk => ['rid'],
		columns => [ { name => 'rid', type => 'bigint', kind => 'rid', identity => 1 }, { name => 's0', type => $p->{type}, kind => 'path' }, $p->{data} ] };
	$s->{trigger}{to} = $h;
	push @{ $s->{tables} }, $h;
}

# The person's own table refers to a later one
sub cycle
{
	my ($s) = @_;
	my @t = grep { !$_->{person} && !$_->{inherited} && !$_->{history} && @{ $_->{pk} } == 1 } @{ $s->{tables} };
	my ($t, $ref) = ($s->{tables}[0], undef);

	return unless @t;
	$ref = pick(@t);
	push @{ $t->{columns} }, { name => 'last_id', type => (grep { $_->{name} eq $ref->{pk}[0] } @{ $ref->{columns} })[0]{type}, kind => 'fk' };
	push @{ $t->{fks} }, { columns => ['last_id'], ref => $ref, refcolumns => [ $ref->{pk}[0] ], action => pick('n', 'n', 'a'), deferrable => 'i', later => 1 };
}

# ------------------------------------------------------------------ rows

sub plain_value
{
	my ($s, $c, $word) = @_;
	my $type = $c->{type};

	return $word if $type =~ /^(text$|varchar|word)/;
	return '{"said": "' . $word . '", "n": [1, {"deep": "x ' . $word . '"}]}' if $type eq 'jsonb';
	return '{first,"' . $word . '"}' if $type eq 'text[]';
	return '2024-0' . (1 + below(9)) . '-1' . below(10) if $type eq 'date';
	return pick('sad', 'glad', undef) if $type eq 'mood';
	return undef;
}

sub fill
{
	my ($s) = @_;

	for my $t (@{ $s->{tables} })
	{
		my @person = $t->{person} ? @{ $t->{kind}{persons} } : ();
		my $n = @person ? @person : 10 + below(14);

		$t->{rows} = [];
		next if $t->{history};
		foreach my $i (0 .. $n - 1)
		{
			$s->row($t, $person[$i]);
		}
	}
}

sub row
{
	my ($s, $t, $person) = @_;
	my %r = (rid => ++$s->{rid});
	my (@who, $same);

	# whose it is
	for my $k (0 .. $#{ $t->{paths} })
	{
		my $p = $t->{paths}[$k];
		my $x = rand(100);

		$who[$k] = $k == 0 && $person ? $person
			: $k == 0 ? ($x < 92 || $p->{notnull} ? pick(@{ $p->{kind}{persons} }) : undef)
			: $x < 20 && $who[0] && $t->{paths}[0]{kind} == $p->{kind} ? $who[0]
			: $x < 45 && !$p->{notnull} ? undef : pick(@{ $p->{kind}{persons} });
		# the first person has no predecessor to refer to
		$who[$k] = undef if $k and $t->{person} and grep({ $_->{columns}[0] eq 's1' } @{ $t->{fks} })
			and $who[$k] and !grep { $_->{s0} eq $who[$k]{key} } @{ $t->{rows} };
		$r{"s$k"} = $who[$k] ? $who[$k]{key} : undef;
		(@r{ "s${k}a", "s${k}b" }) = $who[$k] ? $who[$k]{key} =~ /(\d+),(\d+)/ : () if $p->{type} eq 'pair';
	}
	$r{owners} = [ map { $who[$_] ? $who[$_]{key} : () } grep { $t->{paths}[$_]{ownership} eq 'owner' } 0 .. $#who ];
	for my $k (0 .. $#{ $t->{paths} })
	{
		my $p = $t->{paths}[$k];
		# does this cell go with the person, whatever becomes of the row?
		my $alone = $p->{ownership} eq 'owner' && $p->{rule} eq 'delete' && !grep { $_->{rule} ne 'delete' && $_->{ownership} eq 'owner' } @{ $t->{paths} };
		my %owner = map { $_ => 1 } @{ $r{owners} };
		my $marked = $who[$k] && ($p->{covers} || $p->{rule} eq 'retain' || ($alone && keys %owner == 1));

		# what another path to the same person retains is retained
		$marked = 0 if !$p->{covers} and $p->{rule} ne 'retain' and grep { $_->{rule} eq 'retain' } @{ $t->{paths} };
		$r{ $p->{data}{name} } = $s->plain_value($p->{data}, $marked ? "$who[$k]{marker} r$r{rid}" : "nothing r$r{rid}")
			if $marked or $p->{data}{notnull} or chance(70);
	}
	# what it refers to
	for my $f (@{ $t->{fks} })
	{
		next if $f->{later} or (!$f->{loose} and $f->{columns}[0] ne 'v');
		my @rows = @{ $f->{ref}{rows} };
		my $ref;

		if ($f->{columns}[0] eq 'v' ? @rows && (chance(90) || notnull($t, 'v')) : @rows && (chance(75) || notnull($t, $f->{columns}[0])))
		{
			# of the same people, mostly: else most erasures would be refused
			my $mine = join ',', @{ $r{owners} };
			my @near = grep { join(',', @{ $_->{owners} }) eq $mine } @rows;

			$ref = pick(@rows);
			if ($f->{loose} and $f->{ref}{protected} and $f->{action} =~ /[arc]/ and chance(95))
			{
				$ref = @near ? pick(@near) : undef;
			}
		}
		if ($f->{columns}[0] eq 'v')
		{
			$r{owners} = $ref ? [ @{ $ref->{owners} } ] : [];
			# one owner only, or nothing is said
			my %owner = map { $_ => 1 } @{ $r{owners} };
			my ($one) = map { my $k = $_; grep { $_->{key} eq $k } map { @{ $_->{persons} } } @{ $s->{kinds} } } keys %owner;
			$r{dv} = $s->plain_value($t->{data_via}, (keys %owner == 1 ? "$one->{marker} " : 'nothing ') . "r$r{rid}");
		}
		return unless $ref or !notnull($t, $f->{columns}[0]);
		$r{ $f->{columns}[$_] } = $ref ? $ref->{ $f->{refcolumns}[$_] } : undef foreach 0 .. $#{ $f->{columns} };
	}
	for my $c (@{ $t->{columns} })
	{
		$r{ $c->{name} } = $c->{type} eq 'uuid' ? hex_word(2) . '-0000-4000-8000-' . hex_word(3) : $c->{type} eq 'text' ? "row $r{rid}" : $r{rid}
			if $c->{kind} eq 'pk';
		$r{ $c->{name} } = $s->plain_value($c, '') if $c->{kind} eq 'other';
	}
	push @{ $t->{rows} }, \%r;
}

# Columns as the table has them
sub real_columns
{
	my ($t) = @_;
	return map { my $c = $_; $c->{type} eq 'pair' ? map { { %$c, name => "$c->{name}$_", type => 'int' } } qw(a b) : $c } @{ $t->{columns} };
}

sub notnull { my ($t, $name) = @_; return (grep { $_->{name} eq $name } real_columns($t))[0]{notnull} }

# ------------------------------------------------------------------ as SQL

my %action = (a => '', r => ' ON DELETE RESTRICT', c => ' ON DELETE CASCADE', n => ' ON DELETE SET NULL', d => ' ON DELETE SET DEFAULT');
my %deferrable = ('' => '', i => ' DEFERRABLE', d => ' DEFERRABLE INITIALLY DEFERRED');

sub fk_sql
{
	my ($s, $t, $f) = @_;
	return "ALTER TABLE $s->{schema}.$t->{name} ADD FOREIGN KEY (" . join(', ', @{ $f->{columns} }) . ") REFERENCES $s->{schema}.$f->{ref}{name} ("
		. join(', ', @{ $f->{refcolumns} }) . ")$action{ $f->{action} }$deferrable{ $f->{deferrable} };\n";
}

sub ddl
{
	my ($s) = @_;
	my $n = $s->{schema};
	my $sql = "CREATE SCHEMA $n" . ($s->{owner} ? ' AUTHORIZATION rp_owner' : '') . ";\nGRANT USAGE ON SCHEMA $n TO rp_app, rp_officer;\n"
		. ($s->{owner} ? "SET ROLE rp_owner;\n" : '') . "CREATE DOMAIN $n.word AS text CHECK (length(VALUE) > 2);\nCREATE TYPE $n.mood AS ENUM ('sad', 'glad');\n";
	my $later = '';

	for my $t (@{ $s->{tables} })
	{
		my @part = !$t->{partitioned} ? () : $t->{partitioned} eq 'hash' ? ($t->{pk}[0]) : ('rid');
		my @defs;

		for my $c (real_columns($t))
		{
			my $type = $c->{type} =~ /^(word|mood)$/ ? "$n.$c->{type}" : $c->{type};

			push @defs, "\"$c->{name}\" $type" . ($c->{kind} eq 'generated' ? ' GENERATED ALWAYS AS (rid * 2) STORED' : '')
				. ($c->{identity} ? ' GENERATED BY DEFAULT AS IDENTITY' : '') . ($c->{notnull} ? ' NOT NULL' : '')
				. ($c->{unique} && !$t->{partitioned} ? ' UNIQUE' : '');
		}
		push @defs, 'PRIMARY KEY (' . join(', ', @{ $t->{pk} }) . ')';
		$sql .= "CREATE TABLE $n.$t->{name} (" . join(', ', @defs) . ')' . (@part ? ' PARTITION BY ' . uc($t->{partitioned}) . " ($part[0])" : '') . ";\n";
		if ($t->{partitioned})
		{
			my @of = $t->{partitioned} eq 'hash' ? map { "WITH (MODULUS 3, REMAINDER $_)" } 0 .. 2 : ('FROM (MINVALUE) TO (40)', 'FROM (40) TO (90)', 'FROM (90) TO (MAXVALUE)');

			$sql .= "CREATE TABLE $n.$t->{name}_$_ PARTITION OF $n.$t->{name} FOR VALUES $of[$_];\n" foreach 0 .. 2;
		}
		$sql .= "CREATE TABLE $n.$t->{name}_child () INHERITS ($n.$t->{name});\n" if $t->{inherited};
		for my $f (@{ $t->{fks} })
		{
			$later .= $s->fk_sql($t, $f) if $f->{later};
			$sql .= $s->fk_sql($t, $f) unless $f->{later};
		}
		$sql .= "CREATE INDEX ON $n.$t->{name} (" . join(', ', path_columns($_)) . ");\n" foreach @{ $t->{paths} };
	}
	$sql .= $later . $s->trigger_sql();
	$sql .= "RESET ROLE;\n" . "GRANT SELECT ON ALL TABLES IN SCHEMA $n TO rp_app;\n";
	return $sql . $s->rows_sql();
}

sub trigger_sql
{
	my ($s) = @_;
	my $g = $s->{trigger};
	my $n = $s->{schema};
	my ($of, $when, $body);

	return '' unless $g;
	$of = $g->{of}{name};
	if ($g->{what} =~ /veto_(\w+)/)
	{
		$when = 'BEFORE ' . uc($1);
		$body = 'IF OLD.rid % 5 = 0 THEN RETURN NULL; END IF; RETURN ' . ($1 eq 'delete' ? 'OLD' : 'NEW') . ';';
	}
	else
	{
		my $row = $g->{what} eq 'delete' ? 'OLD' : 'NEW';

		$when = 'AFTER ' . ($g->{what} eq 'update' ? 'INSERT OR UPDATE' : uc($g->{what}));
		$body = "INSERT INTO $n.$g->{to}{name} (s0, d0) VALUES ($row.s0, ($row.$g->{of}{paths}[0]{data}{name})::text); RETURN NULL;";
	}
	return "CREATE FUNCTION $n.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN $body END';\nCREATE TRIGGER t $when ON $n.$of FOR EACH ROW EXECUTE FUNCTION $n.f();\n";
}

sub rows_sql
{
	my ($s) = @_;
	my $sql = "BEGIN;\n";

	for my $t (@{ $s->{tables} })
	{
		my @c = map { $_->{name} } grep { $_->{kind} ne 'generated' } real_columns($t);

		next unless @{ $t->{rows} };
		for my $r (@{ $t->{rows} })
		{
			my $to = $t->{inherited} && $r->{rid} % 3 == 0 ? "$t->{name}_child" : $t->{name};

			$sql .= "INSERT INTO $s->{schema}.$to (" . join(', ', map { "\"$_\"" } @c) . ') VALUES (' . join(', ', map { quote($r->{$_}) } @c) . ");\n";
		}
		for my $f (grep { $_->{later} } @{ $t->{fks} })
		{
			$s->{cycle_sql} .= "UPDATE $s->{schema}.$t->{name} SET $f->{columns}[0] = (SELECT min(x.$f->{refcolumns}[0]::text)::" . (grep { $_->{name} eq $f->{columns}[0] } @{ $t->{columns} })[0]{type}
				. " FROM $s->{schema}.$f->{ref}{name} AS x" . ($f->{ref}{columns}[2] && @{ $f->{ref}{paths} } && $f->{ref}{paths}[0]{kind} == $t->{kind} && !$t->{kind}{pair} ? ' WHERE x.s0::text = ' . "$t->{name}.s0::text" : '') . ");\n";
		}
	}
	return $sql . ($s->{cycle_sql} // '') . "COMMIT;\n";
}

# Registration: as the officer
sub protect_sql
{
	my ($s) = @_;
	my $n = $s->{schema};
	my $sql = "SET ROLE rp_officer;\n" . join '', map { "SELECT personalize.define_kind('$_->{name}', '$_->{type}');\n" } @{ $s->{kinds} };

	for my $t (grep { $_->{protected} } @{ $s->{tables} })
	{
		my @paths = @{ $t->{paths} };
		my $null = pick('hidden', 'hidden', 'visible');

		if ($t->{via})
		{
			$sql .= "SELECT personalize.protect('$n.$t->{name}', via => 'v', columns => '{\"*\":\"rp\"}', null_subject => '$null');\n";
			next;
		}
		$sql .= "SELECT personalize.protect('$n.$t->{name}', " . ($paths[0]{type} eq 'pair' ? '' : "'$paths[0]{column}', kind => '$paths[0]{kind}{name}', ")
			. "columns => '{\"*\":\"rp\"}', null_subject => '$null');\n";
		$sql .= "SELECT personalize.add_subject_path('$n.$t->{name}', '{" . join(',', path_columns($_)) . "}', '$_->{ownership}', '$_->{kind}{name}');\n"
			foreach @paths[ ($paths[0]{type} eq 'pair' ? 0 : 1) .. $#paths ];
		for my $p (grep { $_->{set} } @paths)
		{
			my %to = $p->{covers} ? ($p->{data}{name} => $p->{data}{to}) : ();

			$to{ $p->{column} } = 'pseudonym' if $t->{person} and $p->{column} eq 's0' and $p->{rule} eq 'anonymize';
			$sql .= "SELECT personalize.set_erasure('$n.$t->{name}', '$p->{rule}', '{" . join(', ', map { "\"$_\": " . (!defined $to{$_} ? 'null' : $to{$_} eq 'pseudonym' ? '{"pseudonym": true}' : "\"$to{$_}\"") } sort keys %to)
				. '}\'' . ($p->{rule} eq 'retain' ? ", 'tax law'" . ($p->{keep_for} ? ", '$p->{keep_for}'" : '') : '') . ", subject => '" . (path_columns($p))[0] . "');\n";
		}
	}
	return $sql . "RESET ROLE;\n";
}

# What people say, and what is done with their data
sub life_sql
{
	my ($s) = @_;
	my $n = $s->{schema};
	my $sql = '';

	for my $kind (@{ $s->{kinds} })
	{
		for my $p (@{ $kind->{persons} })
		{
			my ($key, $cast) = (quote($p->{key}), "::$kind->{type}");

			for (1 .. 1 + below(3))
			{
				my $do = pick('grant_consent', 'grant_consent', 'withdraw_consent', 'object_to', 'refuse_consent');

				$sql .= "SELECT personalize.$do($key$cast, '" . pick('rp_consent', 'rp_interest') . "', notice => 'v1 for " . ($s->about($kind, $p)) . "', evidence => jsonb_build_object('from', " . quote("$p->{marker} $p->{key}")
					. "::text), kind => '$kind->{name}');\n";
			}
			$sql .= "SELECT personalize.restrict_processing($key$cast, 'disputed', '$kind->{name}');\n" if chance(10);
			$sql .= "SELECT personalize.open_request($key$cast, 'access', details => 'letter $p->{marker}', kind => '$kind->{name}');\n" if chance(15);
			$sql .= "SELECT personalize.lift_restriction($key$cast, 'settled', '$kind->{name}');\n" if chance(5);
			next unless chance(40);
			my $t = pick(grep { $_->{protected} } @{ $s->{tables} });
			$sql .= 'BEGIN; SET LOCAL ROLE rp_app; SET LOCAL personalize.purpose = ' . quote(pick('rp_consent', 'rp_interest')) . '; SET LOCAL personalize.app_user = ' . quote($p->{key})
				. '; SET LOCAL personalize.context = ' . quote("shown to $p->{key}") . "; SELECT count(*) FROM $n.$t->{name}; COMMIT;\n";
		}
		my $p = pick(@{ $kind->{persons} });
		my $d = $kind->{table}{paths}[0]{data};
		$sql .= 'SELECT personalize.rectify_subject(' . quote($p->{key}) . "::$kind->{type}, '$n.$kind->{table}{name}', '{\"$d->{name}\": \"$p->{marker} corrected\"}', '$kind->{name}');\n" 
			if $d->{type} =~ /^(text$|varchar|word)/ and @{ $kind->{table}{paths} } == 1 and chance(50);
	}
	return $sql;
}

# Free text about others is searched for keys that are not numbers
sub about { my ($s, $kind, $p) = @_; return $kind->{type} eq 'uuid' ? $p->{key} : 'all' }

1;
