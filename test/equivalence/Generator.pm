# Random queries over the tables of schema.sql.  Everything follows from srand().
# What is generated has one right answer, whatever the plan: orders are total
# where they matter, sums are of exact types, no expression can fail unless that
# is what the query is for.
package Generator;

use strict;
use warnings;

# Columns by type
my %rel = (
	person => 'person_id int, name text, email text, city text, born date, tags texts, profile json, score num, tw_contact tw, tw_health tw',
	orders => 'order_id int, person_id int, placed ts, amount num, note text, lines ints, during tsr, state text, tw_contact tw, tw_health tw',
	visit => 'visit_id int, person_id int, page text, at ts, ms int, place i4r, tw_contact tw',
	dossier => 'dossier_id int, person_id int, topic text, tw_contact tw',
	member => 'member_id uuid, handle text, tier text, joined date, prefs json, points int, tw_contact tw',
	event => 'event_id int, member_id uuid, day int, what text, points int, tw_contact tw',
	ticket => 'ticket_id int, member_id uuid, channel text, title text, severity int, tw_contact tw',
	account => 'acc text, holder text, balance num, opened date, tw_contact tw',
	ledger => 'entry int, acc text, amount num, memo text, at ts, tw_contact tw',
	message => 'message_id int, sender int, recipient int, body text, sent ts, words ints, tw_contact tw, tw_health tw',
	product => 'product_id int, label text, price num, city text',
	v_person => 'person_id int, name text, city text, tw_contact tw',
	v_spend => 'person_id int, n int, total num, tw_contact tw',
	v_invoker => 'member_id uuid, tier text, title text, tw_contact tw',
	v_other => 'person_id int, name text, amount num, state text, tw_health tw',
	v_nested => 'person_id int, name text, amount num, tw_health tw',
	v_super => 'acc text, amount num, n int, tw_contact tw',
	v_union => 'person_id int, tw_contact tw');
$rel{$_} = $rel{event} for qw(event_1 event_2 event_3 event_31 event_32);
$rel{$_} = $rel{ledger} for qw(ledger_old ledger_older);
# not the whole row: a column of it is closed to every purpose
# nor where the twin has the columns in another order
my %not_whole = map { $_ => 1 } qw(dossier ledger_old ledger_older event_2);
my @tables = qw(person person orders orders visit dossier member event ticket account ledger message product);
my @leaves = qw(event_1 event_2 event_3 event_31 event_32 ledger_old ledger_older);
my @views = qw(v_person v_spend v_invoker v_other v_nested v_super v_union);
# the first column is unique in these
my %unique = map { $_ => 1 } qw(person orders visit dossier member event event_1 event_2 event_3 event_31 event_32 ticket account ledger
	ledger_old ledger_older message product);
my %pg = (int => 'integer', num => 'numeric', text => 'text', date => 'date', ts => 'timestamptz', bool => 'boolean', uuid => 'uuid',
	json => 'jsonb', ints => 'integer[]', texts => 'text[]', tsr => 'tstzrange', i4r => 'int4range', tw => 'tripwire');
my @ordinary = qw(int int num text text date ts uuid json ints tw tw);

sub new { return bless { alias => 0, params => undef, ctes => [] }, shift }

sub below { return int(rand($_[0])) }
sub chance { return rand(100) < $_[0] }
sub pick { return $_[ int(rand(@_)) ] }
sub pg_type { return $pg{ $_[0] } }

sub columns { my ($name) = @_; return map { [split / /] } split /, /, $rel{$name} }

sub fresh { my ($g) = @_; return 't' . ++$g->{alias} }

# A constant, or a parameter where there are any
sub constant
{
	my ($g, $type) = @_;
	my $v = $g->literal($type);
	return $v unless $g->{params} and chance(50) and @{ $g->{params} } < 6;
	push @{ $g->{params} }, [ $type, $v ];
	return '$' . scalar @{ $g->{params} };
}

sub literal
{
	my ($g, $t) = @_;
	return "NULL::$pg{$t}" if chance(3);
	return below(pick(3, 10, 60, 60)) if $t eq 'int';
	return pick('(-1)', '0', below(500) / 4, below(500) / 8) . '::numeric' if $t eq 'num';
	return "'" . pick('name' . below(30), 'city' . below(6), 'mail' . (1 + below(60)) . '@example.com', 'note ' . below(12), 'open', 'paid',
		'/page' . below(9), '/', 'withheld', 'anonymous', 'nobody@example.com', 'what' . below(5), 'gold', 'title ' . below(9), 'memo ' . below(8),
		'handle' . below(40), 'topic' . below(7), 'ACC/' . chr(65 + below(26)) . below(41), '') . "'::text" if $t eq 'text';
	return "'" . pick('2000-01-01', '19' . (50 + below(50)) . '-06-01', '202' . below(4) . '-03-01') . "'::date" if $t eq 'date';
	return sprintf("'2024-%02d-%02d 0%d:00+00'::timestamptz", 1 + below(4), 1 + below(28), below(10)) if $t eq 'ts';
	return pick('true', 'false') if $t eq 'bool';
	return "md5('member" . (1 + below(44)) . "')::uuid" if $t eq 'uuid';
	return pick("'{\"blood\": \"" . pick('A', 'B', '0') . "\"}'", "'{\"lang\": \"" . pick('de', 'en', 'fr') . "\"}'", "'{}'") . '::jsonb' if $t eq 'json';
	return "'{" . join(',', map { below(9) } 1 .. below(3)) . "}'::integer[]" if $t eq 'ints';
	return "'{" . join(',', map { 't' . below(5) } 1 .. below(3)) . "}'::text[]" if $t eq 'texts';
	return sprintf("'[2024-0%d-10 00:00+00,2024-0%d-01 00:00+00)'::tstzrange", 1 + below(3), 4 + below(2)) if $t eq 'tsr';
	my $low = below(20);
	return "int4range($low, " . ($low + 1 + below(9)) . ')' if $t eq 'i4r';
	return "'open " . pick(qw(p o v d m e t a l x y h)) . below(70) . "'::tripwire" if $t eq 'tw';
	die "no type $t";
}

# Columns of a type in a scope, as text
sub in_scope
{
	my ($scope, $type) = @_;
	my @found;
	for my $s (@$scope)
	{
		push @found, map { "$s->{alias}.$_->[0]" } grep { $_->[1] eq $type } @{ $s->{cols} };
	}
	return @found;
}

sub any_column
{
	my ($scope) = @_;
	my @all = map { my $s = $_; map { [ "$s->{alias}.$_->[0]", $_->[1] ] } grep { $_->[1] ne 'other' } @{ $s->{cols} } } @$scope;
	return @all ? @{ pick(@all) } : ('1', 'int');
}

# An expression of a type that cannot fail
sub expr
{
	my ($g, $t, $scope, $depth) = @_;
	my @cols = in_scope($scope, $t);
	return $depth <= 0 || chance(60) ? pick(@cols) : $g->compound($t, $scope, $depth - 1) if @cols and chance(85);
	return $g->compound($t, $scope, $depth - 1) if $depth > 0 and chance(60);
	return $g->constant($t);
}

sub compound
{
	my ($g, $t, $scope, $d) = @_;
	my $e = sub { $g->expr($_[0], $scope, $d) };
	my $w = rand(100);
	return 'CASE WHEN ' . $g->pred($scope, $d) . ' THEN ' . $e->($t) . ' ELSE ' . $e->($t) . ' END' if $w < 15;
	return 'COALESCE(' . $e->($t) . ', ' . $e->($t) . ')' if $w < 27;
	return 'NULLIF(' . $e->($t) . ', ' . $g->literal($t) . ')' if $w < 33;
	return '(' . $g->scalar_select($t, $scope, $d) . ')' if $w < 38 and $d > 0;
	if ($t eq 'int')
	{
		return pick("(" . $e->('int') . " + " . below(9) . ")", '(' . $e->('int') . ' % 7)', 'length(' . $e->('text') . ')',
			'cardinality(' . $e->('ints') . ')', '(' . $e->('bool') . ')::integer', 'abs(' . $e->('int') . ' - ' . $e->('int') . ')',
			'length(' . $e->('tw') . '::text)', 'lower(' . $e->('i4r') . ')', 'extract(day FROM ' . $e->('date') . ')::integer',
			'f_atomic((' . $e->('int') . ')::integer)::integer', 'f_points(' . $e->('uuid') . ')::integer');
	}
	return pick('(' . $e->('num') . ' + ' . $e->('int') . ')', 'round(' . $e->('num') . ', 1)', '(' . $e->('num') . ' * 2)', $e->('int') . '::numeric') if $t eq 'num';
	if ($t eq 'text')
	{
		return pick('lower(' . $e->('text') . ')', 'left(' . $e->('text') . ', 3)', '(' . $e->('text') . " || '-' || " . $e->('text') . ')',
			'(' . $e->('tw') . '::text)', $e->('date') . '::text', '(' . $e->('json') . " ->> 'blood')", $e->('num') . '::text', 'upper(' . $e->('text') . ')',
			'concat(' . $e->('text') . ', ' . $e->('tw') . ')', 'replace(' . $e->('text') . ", 'e', 'E')", "array_to_string(" . $e->('ints') . ", '+')");
	}
	return $g->pred($scope, $d) if $t eq 'bool';
	return '(' . $e->('date') . ' + ' . below(30) . ')' if $t eq 'date';
	return pick('date_trunc(\'month\', ' . $e->('ts') . ')', 'lower(' . $e->('tsr') . ')', '(' . $e->('ts') . " + interval '1 day')") if $t eq 'ts';
	return pick("(" . $e->('json') . " || '{\"k\": 1}')", 'jsonb_build_object(\'a\', ' . $e->('int') . ', \'b\', ' . $e->('text') . ')', 'to_jsonb(' . $e->('text') . ')') if $t eq 'json';
	return pick('ARRAY[' . $e->('int') . ', ' . $e->('int') . ']', 'array_append(' . $e->('ints') . ', ' . below(9) . ')') if $t eq 'ints';
	return 'ARRAY[' . $e->('text') . ', ' . $e->('text') . ']' if $t eq 'texts';
	return $e->('text') . '::tripwire' if $t eq 'tw';
	return $g->expr($t, $scope, 0);
}

# A condition
sub pred
{
	my ($g, $scope, $d) = @_;
	my $w = rand(100);
	if ($d > 0)
	{
		return '(' . $g->pred($scope, $d - 1) . pick(' AND ', ' OR ') . $g->pred($scope, $d - 1) . ')' if $w < 18;
		return 'NOT (' . $g->pred($scope, $d - 1) . ')' if $w < 22;
		return $g->sub_link($scope, $d - 1) if $w < 36;
	}
	my ($col, $t) = any_column($scope);
	$w = rand(100);
	return $col . pick(' IS NULL', ' IS NOT NULL') if $w < 10;
	return "$col IS " . pick('', 'NOT ') . 'DISTINCT FROM ' . $g->expr($t, $scope, $d) if $w < 17;
	return "$col IN (" . join(', ', map { $g->constant($t) } 0 .. below(3)) . ')' if $w < 24;
	return "$col = ANY (ARRAY[" . join(', ', map { $g->literal($t) } 0 .. 1) . "]::$pg{$t}\[])" if $w < 27 and $t !~ /s$/;
	return "$col BETWEEN " . $g->constant($t) . ' AND ' . $g->constant($t) if $w < 32;
	if ($w < 60)
	{
		return "f_leak($col)" if $t eq 'tw' and chance(30);
		return "$col ~~ '" . pick('open%', '%1', 'open p_') . "'::text" if $t eq 'tw' and chance(40);
		return "$col " . pick('LIKE', 'NOT LIKE', 'ILIKE') . " '" . pick('name1%', '%1', 'city%', '/page%', '%e 3', 'hid%', '_a%') . "'" if $t eq 'text' and chance(60);
		return "$col ~ '" . pick('^n', '1$', '[0-4]') . "'" if $t eq 'text' and chance(30);
		return "$col " . pick('@>', '<@', '&&') . ' ' . $g->constant($t) if $t =~ /^(ints|texts|tsr|i4r)$/;
		return "$col @> " . $g->constant('json') if $t eq 'json';
		return pick("lower($col) = lower(" . $g->constant('text') . ')', "$col || '' = " . $g->constant('text')) if $t eq 'text' and chance(30);
	}
	if ($w < 65)
	{
		my @rows = grep { $_->{whole} } @$scope;
		return pick(@rows)->{alias} . pick(' IS NULL', ' IS NOT NULL', '::text LIKE \'%1%\'') if @rows;
		my ($c2, $t2) = any_column($scope);
		return "($col, $c2) " . pick('=', '<', '>=') . ' (' . $g->constant($t) . ', ' . $g->constant($t2) . ')';
	}
	return "$col " . pick('=', '=', '=', '<>', '<', '<=', '>', '>=') . ' ' . (chance(70) ? $g->constant($t) : $g->expr($t, $scope, $d));
}

# IN, EXISTS, ANY and ALL over a sub-select that may refer to the outside
sub sub_link
{
	my ($g, $scope, $d) = @_;
	my ($col, $t) = any_column($scope);
	my $w = rand(100);
	return $col . pick('', '', ' NOT') . ' IN (' . $g->one_column($t, $scope, $d) . ')' if $w < 40;
	return pick('', '', 'NOT ') . 'EXISTS (' . $g->one_column(pick('int', 'tw'), $scope, $d, 90) . ')' if $w < 75;
	return "$col " . pick('=', '<>', '<', '>=') . pick(' ANY', ' ALL') . ' (' . $g->one_column($t, $scope, $d) . ')' if $w < 90;
	return "$col = (" . $g->scalar_select($t, $scope, $d) . ')';
}

# A source of which some column has the type
sub table_with
{
	my ($g, $t) = @_;
	my @all = grep { my $n = $_; grep { $_->[1] eq $t } columns($n) } @tables, @views, pick(@leaves);
	return @all ? pick(@all) : pick(@tables);
}

sub one_column
{
	my ($g, $t, $outer, $d, $correlated) = @_;
	my $name = $g->table_with($t);
	my $inner = { alias => $g->fresh, cols => [ columns($name) ] };
	my @where;
	push @where, $g->link_columns([$inner], $outer) if chance($correlated // 25);
	push @where, $g->pred([$inner], $d) if chance(50);
	return 'SELECT ' . $g->expr($t, [$inner], 0) . " AS c FROM $name AS $inner->{alias}" . (@where ? ' WHERE ' . join(' AND ', @where) : '');
}

# One value
sub scalar_select
{
	my ($g, $t, $outer, $d) = @_;
	my $from = 'FROM (' . $g->one_column($t, $outer, $d, 60) . ') AS s';
	return 'SELECT ' . pick('min', 'max') . "(s.c) $from" if $t =~ /^(int|num|text|date|ts|tw)$/;
	return "SELECT s.c $from ORDER BY s.c LIMIT 1";
}

# An equality between two scopes, by key columns where there are some
sub link_columns
{
	my ($g, $left, $right) = @_;
	my (@keys, @others);
	for my $t (@ordinary)
	{
		for my $a (in_scope($left, $t))
		{
			for my $b (in_scope($right, $t))
			{
				my ($an, $bn) = map { s/.*\.//r } $a, $b;
				if ($an eq $bn && $an =~ /_id$|^acc$/ or "$an $bn" =~ /^(person_id|sender|recipient) (person_id|sender|recipient)$/) { push @keys, "$a = $b" }
				elsif ($t ne 'int' or chance(20)) { push @others, "$a = $b" }
			}
		}
	}
	return pick(@keys) if @keys and (chance(80) or !@others);
	return pick(@others) if @others;
	my ($c, $t) = any_column($left);
	return "$c = " . $g->literal($t);
}

# One item of FROM: its text, and what it adds to the scope
sub from_item
{
	my ($g, $depth, $lateral) = @_;
	my $alias = $g->fresh;
	my $w = rand(100);
	if ($w < 10 and $depth > 0)
	{
		my $q = $g->select($depth - 1);
		return ("($q->{sql}) AS $alias", { alias => $alias, cols => $q->{cols} });
	}
	if ($w < 16 and @$lateral and $depth > 0)
	{
		my $q = $g->select($depth - 1, $lateral);
		return ("LATERAL ($q->{sql}) AS $alias", { alias => $alias, cols => $q->{cols} });
	}
	if ($w < 22 and @{ $g->{ctes} })
	{
		my $c = pick(@{ $g->{ctes} });
		return ("$c->{name} AS $alias", { alias => $alias, cols => $c->{cols} });
	}
	if ($w < 32)
	{
		my $arg = sub { my ($t) = @_; my @c = in_scope($lateral, $t); return (@c && chance(50) ? pick(@c) : $g->literal($t)) . ($t eq 'int' ? '::integer' : '') };
		my ($call, $cols) = @{ pick(
			[ 'f_orders(' . $arg->('int') . ')', 'orders' ], [ 'f_rich(' . $arg->('num') . ')', 'person_id int, amount num, tw_contact tw' ],
			[ 'f_loop(' . $arg->('text') . ')', 'person_id int, name text, tw_contact tw' ], [ 'f_query()', 'message' ],
			[ 'f_definer(' . $arg->('int') . ')', 'visit' ]) };
		return ("$call AS $alias", { alias => $alias, cols => [ exists $rel{$cols} ? columns($cols) : map { [split / /] } split /, /, $cols ] });
	}
	if ($w < 35)
	{
		return ('(VALUES ' . join(', ', map { '(' . $g->literal('int') . '::integer, ' . $g->literal('text') . ')' } 0 .. below(4)) . ") AS $alias (person_id, city)",
			{ alias => $alias, cols => [ [ 'person_id', 'int' ], [ 'city', 'text' ] ] });
	}
	my $name = $w < 50 ? pick(@views) : $w < 58 ? pick(@leaves) : pick(@tables);
	my $only = $name =~ /^(ledger|ledger_old)$/ && chance(15) ? 'ONLY ' : '';
	my $sample = $unique{$name} && chance(4) ? ' TABLESAMPLE ' . pick('SYSTEM', 'BERNOULLI') . ' (100)' : '';
	return ("$only$name AS $alias$sample", { alias => $alias, cols => [ columns($name) ], whole => !$not_whole{$name} && $name ne 'product',
		key => $unique{$name} ? (columns($name))[0]->[0] : undef });
}

# FROM: text and scope
sub from
{
	my ($g, $depth, $outer) = @_;
	my ($sql, $first) = $g->from_item($depth, $outer);
	my @scope = ($first);
	my $joins = pick(0, 0, 0, 1, 1, 1, 2);
	for (1 .. $joins)
	{
		my $type = pick('JOIN', 'JOIN', 'LEFT JOIN', 'LEFT JOIN', 'RIGHT JOIN', 'FULL JOIN');
		# what is lateral may not be the outer side
		my ($item, $s) = $g->from_item($depth, $type =~ /^(JOIN|LEFT)/ ? \@scope : []);
		my %mine = map { $_->[0] => 1 } @{ $s->{cols} };
		my @common = grep { my $c = $_; $mine{$c} and 1 == grep { my $x = $_; grep { $_->[0] eq $c } @{ $x->{cols} } } @scope } qw(person_id member_id acc tw_contact city);
		if (@common and chance(20))
		{
			# columns of a FULL JOIN's USING list are named through either side only where both are there
			$sql = "$sql $type $item USING (" . pick(@common) . ')';
		}
		# dossier has columns that a purpose may not use, and so have children of ledger
		elsif (chance(4) and @scope == 1 and "$sql $item" !~ /\b(dossier|ledger_old\w*)\b/)
		{
			$sql = "$sql NATURAL $type $item";
		}
		else
		{
			my @on = $g->link_columns([$s], \@scope);
			# FULL JOIN takes only what can be hashed or merged; a plainer condition may do where it can be reduced
			$type = 'LEFT JOIN' if $type eq 'FULL JOIN' and $on[0] !~ /^t\d+\.\w+ = t\d+\.\w+$/;
			push @on, $g->pred([ $s, @scope ], 0) if $type ne 'FULL JOIN' and chance(25);
			$sql = "$sql $type $item ON " . join(' AND ', @on);
		}
		push @scope, $s;
	}
	return ($sql, @scope);
}

my @agg_types = qw(int num text date ts tw);

sub aggregate
{
	my ($g, $scope) = @_;
	my $filter = chance(15) ? ' FILTER (WHERE ' . $g->pred($scope, 0) . ')' : '';
	my ($col, $t) = any_column($scope);
	my $w = rand(100);
	return ("count(*)$filter", 'int') if $w < 15;
	return ('count(' . pick('', 'DISTINCT ') . "$col)$filter", 'int') if $w < 35;
	return ("sum($col)$filter", $t) if $w < 50 and $t =~ /^(int|num)$/;
	return ("avg($col)$filter", 'num') if $w < 55 and $t =~ /^(int|num)$/;
	return (pick('min', 'max') . "($col)$filter", $t) if $w < 75 and grep { $_ eq $t } @agg_types;
	return ("string_agg($col, ',' ORDER BY $col)$filter", 'text') if $t eq 'text';
	return ('bool_or(' . $g->pred($scope, 0) . ')', 'bool') if $w < 85;
	return ("percentile_disc(0.5) WITHIN GROUP (ORDER BY $col)$filter", $t) if $w < 92;
	return ("array_agg($col ORDER BY $col)$filter", 'other') if $t ne 'ints' and $t ne 'texts';
	return ("count($col)", 'int');
}

sub window
{
	my ($g, $scope) = @_;
	my ($part) = any_column($scope);
	my ($ord, $t) = any_column($scope);
	my $p = chance(50) ? "PARTITION BY $part " : '';
	my @keys = map { $_->{key} ? "$_->{alias}.$_->{key}" : () } @$scope;
	my $total = @keys == @$scope ? join(', ', @keys) : undef;
	my $w = rand(100);
	return ("row_number() OVER (${p}ORDER BY $ord, $total)", 'int') if defined $total and $w < 25;
	return (pick('lag', 'lead', 'first_value', 'last_value') . "($ord) OVER (${p}ORDER BY $total)", $t) if defined $total and $w < 50;
	return ("sum($ord) OVER (${p}ORDER BY $total ROWS BETWEEN 2 PRECEDING AND CURRENT ROW)", $t) if defined $total and $t =~ /^(int|num)$/;
	return (pick('rank', 'dense_rank') . "() OVER (${p}ORDER BY $ord)", 'int') if $w < 75;
	return ("count($ord) OVER ($p" . (chance(50) ? "ORDER BY $ord" : '') . ')', 'int');
}

# SELECT without ORDER BY.  $types: those its columns must have
sub select
{
	my ($g, $depth, $outer, $types) = @_;
	$outer ||= [];
	my ($from, @scope) = $g->from($depth, $outer);
	my @see = (@scope, @$outer);
	my @where;
	push @where, $g->link_columns(\@scope, $outer) if @$outer and chance(85);
	push @where, $g->pred(\@see, 2) if chance(60);
	push @where, $g->pred(\@see, 1) if chance(20);
	my $where = @where ? ' WHERE ' . join(' AND ', @where) : '';
	my (@list, @type, $tail, $head);
	my $w = $types ? 0 : rand(100);
	($head, $tail) = ('', '');
	if ($w < 58)
	{
		if (!$types and chance(12) and !@$outer and @scope == 1)
		{
			# the whole row
			my $s = $scope[0];
			if ($s->{whole})
			{
				return $g->named("SELECT %s FROM $from$where", [ pick($s->{alias}, "row_to_json($s->{alias})::text", "to_jsonb($s->{alias})", "$s->{alias}::text",
					"ROW($s->{alias}.*, 1)", "($s->{alias}).$s->{cols}[0][0]", "hash_record($s->{alias}) IS NULL") ], ['other']);
			}
			# *
			return { sql => "SELECT $s->{alias}.* FROM $from$where", cols => $s->{cols} } if grep { $_->[1] ne 'other' } @{ $s->{cols} } and $from !~ /dossier|ledger_old|event_2/;
		}
		for my $t ($types ? @$types : map { pick(@ordinary, 'bool') } 0 .. below(4))
		{
			if (!$types and chance(55)) { my ($c, $ct) = any_column(\@scope); push @list, $c; push @type, $ct }
			else { push @list, $g->expr($t, \@see, 2); push @type, $t }
		}
		# a set-returning function in the list
		if (!$types and chance(4) and my @a = in_scope(\@scope, 'ints')) { push @list, 'unnest(' . pick(@a) . ')'; push @type, 'int' }
	}
	elsif ($w < 78)
	{
		my @by = map { [ chance(75) ? any_column(\@scope) : map { ($g->expr($_, \@scope, 1), $_) } pick('int', 'text', 'num') ] } 0 .. pick(0, 0, 1);
		# a constant after GROUP BY would be a position
		@by = grep { $_->[0] =~ /t\d+\./ and $_->[0] !~ /\$\d/ } @by;
		push @list, map { $_->[0] } @by; push @type, map { $_->[1] } @by;
		for (0 .. below(3)) { my ($a, $t) = $g->aggregate(\@scope); push @list, $a; push @type, $t }
		if (@by)
		{
			my $keys = join ', ', map { $_->[0] } @by;
			$tail = ' GROUP BY ' . (chance(70) ? $keys : pick("ROLLUP ($keys)", "CUBE ($keys)", "GROUPING SETS (($keys), ())"));
		}
		$tail .= ' HAVING ' . pick('count(*) > 1', ($g->aggregate(\@scope))[0] . ' IS NOT NULL') if chance(25);
	}
	elsif ($w < 88)
	{
		for (0 .. below(2)) { my ($c, $t) = any_column(\@scope); push @list, $c; push @type, $t }
		for (0 .. below(2)) { my ($c, $t) = $g->window(\@scope); push @list, $c; push @type, $t }
	}
	elsif ($w < 94)
	{
		$head = 'DISTINCT ';
		for (0 .. below(3)) { my ($c, $t) = any_column(\@scope); push @list, $c; push @type, $t }
	}
	else
	{
		my @keys = map { $_->{key} ? "$_->{alias}.$_->{key}" : () } @scope;
		for (0 .. 1) { my ($c, $t) = any_column(\@scope); push @list, $c; push @type, $t }
		if (@keys == @scope) { $head = "DISTINCT ON ($list[0]) "; $tail = " ORDER BY $list[0], " . join(', ', @keys) }
		else { $head = 'DISTINCT ' }
	}
	return $g->named("SELECT $head%s FROM $from$where$tail", \@list, \@type);
}

# Name the columns c1, c2 ... of a SELECT whose list is %s
sub named
{
	my ($g, $sql, $list, $type) = @_;
	my $n = 0;
	my $text = join ', ', map { $n++; "$_ AS c$n" } @$list;
	$n = 0;
	my $at = index $sql, '%s';
	substr($sql, $at, 2) = $text;
	return { sql => $sql, cols => [ map { $n++; [ "c$n", $_ ] } @$type ] };
}

# A whole query, with WITH, set operations, ORDER BY and LIMIT
sub query
{
	my ($g) = @_;
	$g->{alias} = 0;
	$g->{ctes} = [];
	my @with;
	my $recursive = '';
	if (chance(16))
	{
		for my $i (1 .. pick(1, 1, 2))
		{
			my $q = $g->select(1);
			# what is not used is not evaluated; names may be used further down
			push @with, "w$i AS " . pick('', 'MATERIALIZED ', 'NOT MATERIALIZED ') . "($q->{sql})";
			push @{ $g->{ctes} }, { name => "w$i", cols => $q->{cols} };
		}
	}
	if (chance(4))
	{
		$recursive = 'RECURSIVE ';
		my $p = $g->fresh;
		push @with, 'r (n, id, tw) AS (SELECT 1, ' . "$p.person_id, $p.tw_contact FROM person AS $p WHERE " . $g->pred([ { alias => $p, cols => [ columns('person') ] } ], 0)
			. ' UNION SELECT r.n + 1, m.recipient, m.tw_contact FROM r JOIN message AS m ON m.sender = r.id WHERE r.n < 4)';
		push @{ $g->{ctes} }, { name => 'r', cols => [ [ 'n', 'int' ], [ 'id', 'int' ], [ 'tw', 'tw' ] ] };
	}
	my $q = $g->select(2);
	my @types = map { $_->[1] } @{ $q->{cols} };
	if (chance(12) and !grep { $_ eq 'other' } @types and $q->{sql} !~ /^SELECT DISTINCT ON/)
	{
		my $second = $g->select(1, undef, \@types);
		$q = { sql => "$q->{sql} " . pick('UNION', 'UNION ALL', 'INTERSECT', 'INTERSECT ALL', 'EXCEPT', 'EXCEPT ALL') . " $second->{sql}", cols => $q->{cols} };
	}
	my $sql = $q->{sql};
	if (chance(35) and $sql !~ /DISTINCT ON/)
	{
		my $n = @{ $q->{cols} };
		$sql = "SELECT * FROM ($sql) AS q" if chance(10);
		$sql .= ' ORDER BY ' . join(', ', map { $_ . pick('', '', ' DESC', ' NULLS FIRST') } sort { rand() <=> 0.5 } 1 .. $n);
		$sql .= ' LIMIT ' . (1 + below(9)) if chance(60);
		$sql .= ' OFFSET ' . below(4) if chance(20);
	}
	return (@with ? "WITH $recursive" . join(', ', @with) . ' ' : '') . $sql;
}

# A query of one table that may fail: for the same rows, so on both sides
sub failing
{
	my ($g) = @_;
	return pick('SELECT 100 / (ms - ' . 10 * below(50) . ') FROM visit', 'SELECT 1 / (points - ' . below(20) . ') FROM member',
		'SELECT person_id FROM orders WHERE 1 / (amount - ' . (1 + below(4000) / 8) . ') > 0', 'SELECT topic::integer FROM dossier',
		"SELECT (tw_contact::text || 'x')::date FROM account WHERE balance > " . below(2000), 'SELECT (profile ->> \'blood\')::integer FROM person',
		'SELECT sqrt(balance) > 0 FROM account', 'SELECT (SELECT person_id FROM orders AS o WHERE o.person_id = p.person_id) FROM person AS p',
		'SELECT int4range(ms, 100) FROM visit', 'SELECT name FROM nowhere', 'SELECT lower(missing) FROM person', 'SELECT factorial(severity - 3) FROM ticket');
}

# A query that the rules refuse to every purpose
sub refused
{
	my ($g) = @_;
	return pick('SELECT closed_fact FROM dossier', 'SELECT unclassified FROM dossier', 'SELECT d FROM dossier AS d', 'SELECT * FROM dossier',
		'SELECT count(unclassified) FROM dossier', 'SELECT 1 FROM dossier WHERE closed_fact LIKE \'%1\'', 'SELECT row_to_json(d) FROM dossier AS d',
		'SELECT d.person_id FROM dossier AS d JOIN person AS p ON p.name = d.unclassified', 'SELECT topic FROM dossier ORDER BY closed_fact',
		'SELECT archived FROM ledger_old', 'SELECT * FROM ledger_older', 'SELECT l FROM ledger_old AS l', 'COPY dossier TO STDOUT',
		'SELECT topic FROM dossier GROUP BY topic, unclassified', 'SELECT max(length(closed_fact)) OVER () FROM dossier',
		'INSERT INTO product SELECT person_id + 100, name, score, city FROM person', 'CREATE TEMP TABLE copied AS SELECT person_id FROM person',
		'UPDATE product SET label = (SELECT max(name) FROM person)', 'UPDATE dossier SET topic = closed_fact', 'UPDATE dossier SET topic = \'x\' RETURNING closed_fact',
		'DELETE FROM dossier WHERE unclassified = \'nobody knows 1\'', 'SELECT personalize.permitted(1, \'eq_analysis\', \'eq_number\')',
		'SELECT ledger_old.archived FROM ledger_old WHERE false OR archived', 'SELECT dossier_id FROM dossier WHERE (closed_fact, 1) IN (SELECT \'a\', 1)');
}

1;
