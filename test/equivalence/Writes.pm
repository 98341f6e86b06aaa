# Random writes and locks.  The plain side first says what the rules ask for:
# "expect 42501" where a cell that is masked would be assigned, or a withheld
# row be met by ON CONFLICT, else "expect same".  Afterwards both sides show what
# the table holds as the purpose may see it, and the protected one how much of
# what is withheld has changed: nothing may.
package Writes;

use strict;
use warnings;
use Generator;

# Key, subject columns, and what may be assigned without breaking a constraint
# that only the protected side has; E(type) is a random expression.
my %target = (
	person => { key => 'person_id', subjects => ['person_id'], set => { city => 'E(text)', born => 'E(date)', tags => 'E(texts)', score => 'abs(coalesce(E(num), 1))',
		name => "coalesce(E(text), 'x')", profile => 'E(json)', tw_contact => "'open new'::tripwire" } },
	orders => { key => 'order_id', subjects => ['person_id'], set => { note => 'E(text)', lines => 'E(ints)', state => 'E(text)', amount => 'abs(coalesce(E(num), 1)) + 1',
		during => 'E(tsr)', placed => 'coalesce(E(ts), timestamptz \'2024-06-01 00:00+00\')' } },
	visit => { key => 'visit_id', subjects => ['person_id'], set => { page => 'E(text)', ms => 'E(int)', place => 'E(i4r)', at => 'E(ts)', tw_contact => "'open new'::tripwire" } },
	member => { key => 'member_id', subjects => ['member_id'], set => { tier => 'E(text)', joined => 'E(date)', points => 'E(int)', prefs => 'E(json)' } },
	event => { key => 'event_id', subjects => ['member_id'], set => { what => 'E(text)', points => 'E(int)', day => '(coalesce(event.day, 1) + 7) % 40' } },
	ticket => { key => 'ticket_id', subjects => ['member_id'], set => { title => "coalesce(E(text), 'x')", severity => 'E(int)' } },
	ledger => { key => 'entry', subjects => ['acc'], set => { amount => 'E(num)', memo => 'E(text)', at => 'E(ts)' } },
	message => { key => 'message_id', subjects => [ 'sender', 'recipient' ], set => { body => 'E(text)', words => 'E(ints)', sent => 'E(ts)' } });
my @names = sort keys %target;

sub pick { return $_[ int(rand(@_)) ] }
sub chance { return rand(100) < $_[0] }

# Assignments to some columns: their text and the columns
sub assignments
{
	my ($g, $name, $scope) = @_;
	my $set = $target{$name}{set};
	my @cols = sort keys %$set;
	my %chosen = map { pick(@cols) => 1 } 0 .. int(rand(2));
	my $text = join ', ', map { my $c = $_; "$c = " . $set->{$c} =~ s/E\((\w+)\)/'(' . $g->expr($1, $scope, 1) . ")::" . Generator::pg_type($1)/er } sort keys %chosen;
	return ($text, sort keys %chosen);
}

sub can_write
{
	my ($name, $letter, @cols) = @_;
	my @s = map { "$name.${_}::text" } @{ $target{$name}{subjects} };
	return "eq.can_write('$name', '$letter', '{" . join(',', @cols) . "}', $s[0], " . ($s[1] // 'NULL') . ')';
}

sub expect { my ($where) = @_; return "SELECT CASE WHEN EXISTS ($where) THEN 'expect 42501' ELSE 'expect same' END" }

# The statements of one side
sub side
{
	my ($number, $side, $letter, $purpose, $role, $set, $name, $first, @statements) = @_;
	my $schema = $side eq 'a' ? 'a' : "b_$letter";
	my @set = map { "SET LOCAL $_ = $set->{$_}" } sort keys %$set;
	push @set, "SET LOCAL search_path = $schema, tripwire", "SET LOCAL tripwire.watch = $letter", "SET LOCAL statement_timeout = '8s'";
	push @set, "SET LOCAL personalize.purpose = $purpose" if $side eq 'a';
	# what is expected is computed by functions, which compiling makes slow
	push @set, 'SET LOCAL jit = off', "SET LOCAL statement_timeout = '60s'" if $side ne 'a';
	push @set, "SET LOCAL ROLE $role" if $role ne 'postgres';
	print "\\echo @ $number $side write\n", join("\\; ", 'BEGIN', @set), ";\n";
	print "$first;\n" if $side eq 'b';
	print "$_;\n\\echo = :SQLSTATE\n" for @statements;
	print 'RESET ROLE', $side eq 'a' ? '\; SET LOCAL personalize.purpose = break_glass' : '', ";\n";
	for my $t ($name, $name eq 'person' ? 'orders' : ())
	{
		print "SELECT * FROM eq.${t}_${schema}_$letter;\n\\echo = :SQLSTATE\n";
		my $key = $target{$t}{key};
		print $side eq 'a' ? "SELECT 'withheld and changed: ' || count(*) FROM (SELECT * FROM eq.${t}_before_$letter AS b WHERE b.whole OR b.$key IN (SELECT x.$key\::text FROM a.$t AS x)"
			. " EXCEPT SELECT * FROM eq.${t}_kept_$letter) AS x;\n" : "SELECT 'withheld and changed: 0';\n";
	}
	print "ROLLBACK;\n";
}

sub emit
{
	my ($g, $number, $purpose, $letter, $role, $set) = @_;
	my $name = pick(@names);
	my $t = $target{$name};
	my @cols = Generator::columns($name);
	# E() of a column needs the table by its own name
	my $scope = [ { alias => $name, cols => \@cols } ];
	my $where = chance(85) ? $g->pred($scope, 2) : 'true';
	my @shown = map { "$name.$_->[0]" } @cols;
	my $returning = ' RETURNING ' . join(', ', map { pick(@shown) } 0 .. int(rand(3)));
	my $first = "SELECT 'expect same'";
	my @s;
	my $w = rand(100);
	if ($w < 30)
	{
		my ($text, @set) = assignments($g, $name, $scope);
		@s = ("UPDATE $name SET $text WHERE $where$returning");
		$first = expect("SELECT 1 FROM $name WHERE ($where) AND NOT " . can_write($name, $letter, @set));
	}
	elsif ($w < 40)
	{
		my ($text, @set) = assignments($g, $name, $scope);
		my $other = { alias => 'other', cols => [ Generator::columns($g->table_with(pick('int', 'tw', 'text'))) ] };
		my ($other_name) = $g->table_with('tw');
		$other->{cols} = [ Generator::columns($other_name) ];
		my $on = $g->link_columns([$other], $scope);
		@s = ("UPDATE $name SET $text FROM $other_name AS other WHERE $on AND ($where)$returning");
		$first = expect("SELECT 1 FROM $name, $other_name AS other WHERE $on AND ($where) AND NOT " . can_write($name, $letter, @set));
	}
	elsif ($w < 52)
	{
		@s = ("DELETE FROM $name WHERE $where$returning");
	}
	elsif ($w < 58)
	{
		my $other_name = $g->table_with('tw');
		my $on = $g->link_columns([ { alias => 'other', cols => [ Generator::columns($other_name) ] } ], $scope);
		@s = ("DELETE FROM $name USING $other_name AS other WHERE $on AND ($where)$returning");
	}
	elsif ($w < 66)
	{
		# without SKIP LOCKED and NOWAIT: the other session writes to the same tables
		@s = ("SELECT " . join(', ', map { pick(@shown) } 0 .. 2) . " FROM $name WHERE $where FOR " . pick('UPDATE', 'NO KEY UPDATE', 'SHARE', 'KEY SHARE'));
	}
	elsif ($w < 72)
	{
		@s = ("WITH d AS (DELETE FROM $name WHERE $where RETURNING $name.$t->{key} AS k) SELECT d.k, (SELECT count(*) FROM $name) FROM d LEFT JOIN $name AS again ON again.$t->{key} = d.k");
	}
	elsif ($w < 76)
	{
		@s = ("DECLARE c CURSOR FOR SELECT $t->{key} FROM $name WHERE $where ORDER BY $t->{key} FOR UPDATE", 'FETCH 1 FROM c', "DELETE FROM $name WHERE CURRENT OF c");
		@s = ("DELETE FROM $name WHERE $t->{key} IN (SELECT $name.$t->{key} FROM $name WHERE $where)") if $name =~ /event|ledger/;
	}
	elsif ($w < 88)
	{
		# MERGE; what is withheld is not there
		my ($text, @set) = assignments($g, $name, $scope);
		my $source = "(SELECT DISTINCT k.$t->{key} AS k FROM $name AS k WHERE k.$t->{key}\::text ~ '[" . pick('0-4', '1357', '2') . "]\$')";
		$source = '(SELECT g AS k FROM generate_series(' . int(rand(50)) . ', ' . (50 + int(rand(99))) . ', 3) AS g)' if $t->{key} =~ /_id$/ and $name !~ /member/ and chance(60);
		my $insert = $name eq 'visit' ? ' WHEN NOT MATCHED AND s.k % 2 = 0 THEN INSERT (visit_id, person_id, page, ms) VALUES (5000 + s.k, s.k, \'/new\', s.k)' : '';
		$insert = '' unless $source =~ /generate_series/;
		@s = ("MERGE INTO $name USING $source AS s ON $name.$t->{key} = s.k WHEN MATCHED AND ($where) THEN UPDATE SET $text WHEN MATCHED AND $name.$t->{key}\::text LIKE '%1' THEN "
			. pick('DELETE', 'DO NOTHING') . $insert);
		$first = expect("SELECT 1 FROM $name JOIN $source AS s ON $name.$t->{key} = s.k WHERE ($where) AND NOT " . can_write($name, $letter, @set));
	}
	elsif ($w < 92)
	{
		$name = 'visit';
		@s = ("INSERT INTO visit (visit_id, person_id, page, ms, tw_contact) VALUES " . join(', ', map { '(' . (6000 + $_) . ', ' . pick('NULL', int(rand(70))) . ", '/new$_', $_, 'open new')" } 1 .. 1 + int(rand(4)))
			. ' RETURNING *');
	}
	else
	{
		$name = 'visit';
		my @ids = map { 1 + int(rand(130)) } 1 .. pick(1, 1, 2);
		@ids = do { my %x = map { $_ => 1 } @ids; sort keys %x };
		@s = ("INSERT INTO visit (visit_id, person_id, ms) VALUES " . join(', ', map { "($_, NULL, $_)" } @ids)
			. " ON CONFLICT (visit_id) DO UPDATE SET ms = excluded.ms + 1" . pick('', ' WHERE visit.visit_id > 30') . ' RETURNING visit_id');
		$first = expect("SELECT 1 FROM eq.visit_before_$letter AS b WHERE b.whole AND b.visit_id IN (" . join(', ', map { "'$_'" } @ids) . ") UNION ALL SELECT 1 FROM visit WHERE visit.visit_id IN ("
			. join(', ', @ids) . ')' . ($s[0] =~ /> 30/ ? ' AND visit.visit_id > 30' : '') . ' AND NOT ' . can_write('visit', $letter, 'ms'));
	}
	delete $set->{$_} for qw(force_parallel_mode debug_parallel_query);
	side($number, $_, $letter, $purpose, $role, $set, $name, $first, @s) for qw(a b);
}

1;
