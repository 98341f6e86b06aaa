# Whose rows a generated query delivers is on record, under several plans; and the query says what it says without protection.
#
# Each query is made twice: as it is run on protected relations, and with a column that carries the keys, which is run on
# their plain twin and tells whom the record must hold (exactly, if it says so).  PZ_SEED and PZ_QUERIES run others.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use lib 'test/lib';
use Personalize;

my $first = $ENV{PZ_SEED} // 1;
my $queries = $ENV{PZ_QUERIES} // 120;
my $state;
my $alias;

sub dice { my ($n) = @_; $state = ($state * 1103515245 + 12345) & 0x7fffffff; return ($state >> 8) % $n; }
sub pick { return $_[dice(scalar @_)]; }

# An entry of FROM: text, integer columns, columns that identify a row, and for each relation what carries its keys.
sub base
{
	my ($table, $key, $pk, @columns) = @{ pick(['person', 'id', 'id', qw(id grp age)], ['orders', 'person_id', 'no', qw(no person_id item price)],
		['orders', 'person_id', 'no', qw(person_id item price)], ['person', 'id', 'id', qw(id grp age)], ['item', undef, 'item', 'item'],
		['view', 'id', 'id', qw(id grp)], ['barrier', 'id', 'id', qw(id grp)]) };
	my $a = 't' . ++$alias;

	return { sql => "$table AS $a", twin => "$table AS $a", columns => [ map { "$a.$_" } @columns ], pks => ["$a.$pk"],
		keys => $key ? { ($table eq 'orders' ? 'orders' : 'person') => ["','||$a.$key"] } : {} };
}

sub merge_keys
{
	my @all = @_;
	my %keys;

	foreach my $keys (@all) { push @{ $keys{$_} }, @{ $keys->{$_} } foreach keys %$keys; }
	return \%keys;
}

sub carried { my ($keys, $relation) = @_; return join(' || ', map { "coalesce($_, '')" } @{ $keys->{$relation} // [] }) || "''"; }

# A condition; also what it adds to the keys
sub condition
{
	my ($from, $keys) = @_;
	my $column = pick(@{ $from->{columns} });
	my $kind = dice(10);
	my $a = 'e' . ++$alias;

	return "$column " . pick('<', '>', '<=', '=', '<>') . ' ' . dice(12) if $kind < 4;
	return "$column = " . pick(@{ $from->{columns} }) if $kind == 4;
	return "($column % 3 = " . dice(3) . " OR $column IS NULL)" if $kind == 5;
	return "$column IN (" . join(',', map { dice(40) } 1 .. 6) . ')' if $kind == 6;
	my ($table, $key, $other) = @{ pick(['orders', 'person_id', 'item'], ['person', 'id', 'grp']) };
	my $inner = "$a.$other " . pick('<', '>') . ' ' . dice(6);
	return "NOT EXISTS (SELECT FROM $table AS $a WHERE $a.$key = $column AND $inner)" if $kind == 7;
	push @{ $keys->{$table} }, "','||$column";
	return "EXISTS (SELECT FROM $table AS $a WHERE $a.$key = $column AND $inner)" if $kind == 8;
	return "$column IN (SELECT $a.$key FROM $table AS $a WHERE $inner)";
}

# FROM and WHERE of a level, which may name columns of one around it
sub level
{
	my ($depth, $outer) = @_;
	my $from = entry($depth);
	my $keys;
	my @conditions;
	my $n = 1 + dice($depth > 1 ? 2 : 3);

	for (2 .. $n)
	{
		my $lateral = $depth < 3 && dice(5) == 0;
		my $other = $lateral ? selected(level($depth + 1, $from->{columns}), 1) : entry($depth + 1);
		my $on = pick(@{ $from->{columns} }) . ' = ' . pick(@{ $other->{columns} });
		my $join = $lateral ? pick('JOIN', 'LEFT JOIN') : pick('JOIN', 'JOIN', 'LEFT JOIN', 'RIGHT JOIN', 'FULL JOIN');

		# the planner may leave a join out that nobody names, and then nobody is on record for it
		push @conditions, "($other->{columns}[0] IS NULL OR $other->{columns}[0] IS NOT NULL)" if $join eq 'LEFT JOIN';

		$on .= ' AND ' . pick(@{ $other->{columns} }) . ' < ' . (3 + dice(20)) if $join ne 'FULL JOIN' && dice(3) == 0;
		$from = { sql => "$from->{sql} $join $other->{sql} ON $on", twin => "$from->{twin} $join $other->{twin} ON $on",
			columns => [ @{ $from->{columns} }, @{ $other->{columns} } ], pks => [ @{ $from->{pks} }, @{ $other->{pks} } ],
			keys => merge_keys($from->{keys}, $other->{keys}) };
	}
	$keys = merge_keys($from->{keys});
	push @conditions, condition($from, $keys) for 1 .. dice(3);
	push @conditions, pick(@{ $from->{columns} }) . ' = ' . pick(@$outer) if $outer;
	my $where = @conditions ? ' WHERE ' . join(' AND ', @conditions) : '';
	return { %$from, sql => "$from->{sql}$where", twin => "$from->{twin}$where", keys => $keys };
}

# A sub-select without grouping
sub selected
{
	my ($in, $lateral) = @_;
	my $a = ($lateral ? 'l' : 's') . ++$alias;
	my @columns = map { "$in->{columns}[$_] AS c$_" } 0 .. $#{ $in->{columns} };
	my @pks = map { "$in->{pks}[$_] AS p$_" } 0 .. $#{ $in->{pks} };
	my $window = dice(5) == 0 ? ', (count(*) OVER (PARTITION BY ' . pick(@{ $in->{columns} }) . '))::integer AS w' : '';
	my $list = join(', ', @columns, @pks) . $window;
	my $tail = dice(3) == 0 ? ' ORDER BY ' . join(', ', @{ $in->{pks} }) . ' LIMIT ' . (1 + dice(40)) : dice(6) == 0 ? ' OFFSET 0' : '';
	my $word = $lateral ? 'LATERAL ' : '';

	return { sql => "$word(SELECT $list FROM $in->{sql}$tail) AS $a",
		twin => "$word(SELECT $list, " . carried($in->{keys}, 'person') . ' AS kp, ' . carried($in->{keys}, 'orders') . " AS ko FROM $in->{twin}$tail) AS $a",
		columns => [ (map { "$a.c$_" } 0 .. $#columns), $window ? "$a.w" : () ], pks => [ map { "$a.p$_" } 0 .. $#pks ],
		keys => sub_keys($in->{keys}, $a) };
}

# What carries the keys of a sub-select
sub sub_keys { my ($keys, $a) = @_; return { map { $_ => [ $_ eq 'person' ? "$a.kp" : "$a.ko" ] } keys %$keys }; }

# A sub-select that groups
sub grouped
{
	my ($in) = @_;
	my $a = 'g' . ++$alias;
	my $group = pick(@{ $in->{columns} });
	my $having = dice(3) == 0 ? ' HAVING count(*) > ' . dice(4) : '';
	my $kind = dice(4);
	my $list = $kind == 0 && $having eq '' ? "DISTINCT $group AS c0" : $kind == 1 ? 'DISTINCT count(*)::integer AS c0' : "$group AS c0, count(*)::integer AS c1";
	my $by = $kind == 0 && $having eq '' ? '' : " GROUP BY $group$having";
	my $twin = 'SELECT ' . ($kind == 1 ? 'count(*)::integer AS c0' : "$group AS c0, count(*)::integer AS c1") . ', string_agg(' .
		carried($in->{keys}, 'person') . ", '') AS kp, string_agg(" . carried($in->{keys}, 'orders') . ", '') AS ko FROM $in->{twin} GROUP BY $group$having";

	$twin = "SELECT c0, string_agg(kp, '') AS kp, string_agg(ko, '') AS ko FROM ($twin) AS d GROUP BY c0" if $kind == 1;
	return { sql => "(SELECT $list FROM $in->{sql}$by) AS $a", twin => "($twin) AS $a",
		columns => [ $list =~ /^DISTINCT/ ? "$a.c0" : ("$a.c0", "$a.c1") ], pks => ["$a.c0"], keys => sub_keys($in->{keys}, $a) };
}

# A sub-select of two, one after the other
sub united
{
	my ($depth) = @_;
	my @arms = map { level($depth + 1) } 1 .. 2;
	my $a = 'u' . ++$alias;
	my @columns = map { pick(@{ $_->{columns} }) } @arms;
	my @lists = map { "SELECT $columns[$_] AS c0, $_ AS p0, (" . join(" || ' ' || ", map { "coalesce($_\::text, '')" } @{ $arms[$_]{pks} }) . ') AS p1' } 0 .. 1;

	return { sql => '(' . join(' UNION ALL ', map { "$lists[$_] FROM $arms[$_]{sql}" } 0 .. 1) . ") AS $a",
		twin => '(' . join(' UNION ALL ', map { "$lists[$_], " . carried($arms[$_]{keys}, 'person') . ' AS kp, ' . carried($arms[$_]{keys}, 'orders') . " AS ko FROM $arms[$_]{twin}" } 0 .. 1) . ") AS $a",
		columns => ["$a.c0"], pks => [ "$a.p0", "$a.p1" ], keys => sub_keys(merge_keys($arms[0]{keys}, $arms[1]{keys}), $a) };
}

# An entry: a relation, or a sub-select of some kind
sub entry
{
	my ($depth) = @_;
	my $kind = $depth >= 3 ? 0 : dice(14);

	return $kind < 6 ? base() : $kind < 10 ? selected(level($depth + 1)) : $kind < 13 ? grouped(level($depth + 1)) : united($depth);
}

# A statement: its text, the twin that returns the keys (kp, ko), and the relations whose keys it carries
sub statement
{
	my $in = level(1);
	my @columns = map { pick(@{ $in->{columns} }) } 0 .. dice(3);
	my ($kp, $ko) = (carried($in->{keys}, 'person'), carried($in->{keys}, 'orders'));
	my $all = "SELECT string_agg($kp, ''), string_agg($ko, '') FROM $in->{twin}";
	my $order = ' ORDER BY ' . join(', ', @{ $in->{pks} });
	my $limit = ' LIMIT ' . (1 + dice(30)) . (dice(3) == 0 ? ' OFFSET ' . dice(5) : '');
	my $group = pick(@{ $in->{columns} });
	my $kind = dice(9);
	my ($sql, $twin);

	if ($kind < 2) { ($sql, $twin) = ('SELECT ' . join(', ', @columns) . " FROM $in->{sql}", $all); }
	elsif ($kind < 4)
	{
		$sql = 'SELECT ' . join(', ', @columns) . " FROM $in->{sql}$order$limit";
		$twin = "SELECT string_agg(kp, ''), string_agg(ko, '') FROM (SELECT $kp AS kp, $ko AS ko FROM $in->{twin}$order$limit) AS k";
	}
	elsif ($kind == 4) { ($sql, $twin) = ("SELECT count(*), sum($columns[0]) FROM $in->{sql}", $all); }
	elsif ($kind == 5) { ($sql, $twin) = ("SELECT $group, count(*) FROM $in->{sql} GROUP BY $group" . (dice(2) ? ' HAVING count(*) > 2' : ''), $all); }
	elsif ($kind == 6)
	{
		$sql = "SELECT $group, count(*) FROM $in->{sql} GROUP BY $group ORDER BY $group$limit";
		$twin = "SELECT string_agg(kp, ''), string_agg(ko, '') FROM (SELECT string_agg($kp, '') AS kp, string_agg($ko, '') AS ko FROM $in->{twin} GROUP BY $group ORDER BY $group$limit) AS k";
	}
	elsif ($kind == 7) { ($sql, $twin) = ('SELECT DISTINCT ' . join(', ', @columns) . " FROM $in->{sql}", $all); }
	else { ($sql, $twin) = ("SELECT $columns[0], count(*) OVER (PARTITION BY $group) FROM $in->{sql}", $all); }
	return ($sql, $twin);
}

my $node = start_node('main');
my $dir = PostgreSQL::Test::Utils::tempdir();
$node->safe_psql('postgres', 'CREATE EXTENSION personalize');
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-o', "$dir/out", '-f', 'test/lib/shapes_begin.sql', $node->connstr('postgres') ], 'the shop');
my $values = '';
foreach my $seed ($first .. $first + $queries - 1)
{
	($state, $alias) = ($seed * 7919, 0);
	dice(2) for 1 .. 5;
	my ($sql, $twin) = statement();
	$values .= "INSERT INTO shp.generated VALUES ($seed, \$q\$$sql\$q\$, \$q\$$twin\$q\$);\n";
}
append_to_file("$dir/run.sql", qq{
	CREATE TABLE shp.generated (seed integer, query text, twin text);
	$values
	GRANT SELECT ON shp.generated TO regress_shp_app;
	CREATE TABLE shp.result (seed integer, variant integer, protected boolean, rows text[], failed text);
	GRANT INSERT ON shp.result TO regress_shp_app;
	CREATE PROCEDURE shp.run(protected boolean) LANGUAGE plpgsql AS \$p\$
	DECLARE
		g record;
		v record;
		row record;
		one text;
		got text[];
	BEGIN
		FOR g IN SELECT * FROM shp.generated ORDER BY seed LOOP
			FOR v IN SELECT * FROM shp.variant WHERE NOT protected AND no = 1 OR protected AND (no + g.seed) % 4 = 0 ORDER BY no LOOP
				got := '{}';
				BEGIN
					FOREACH one IN ARRAY v.settings LOOP
						IF EXISTS (SELECT FROM pg_settings WHERE name = split_part(one, '=', 1)) THEN
							PERFORM set_config(split_part(one, '=', 1), split_part(one, '=', 2), true);
						END IF;
					END LOOP;
					PERFORM set_config('personalize.context', format('generated %s %s', g.seed, v.no), true);
					FOR row IN EXECUTE g.query LOOP
						got := got || row::text;
					END LOOP;
					RAISE EXCEPTION USING ERRCODE = 'ZZ001';
				EXCEPTION WHEN SQLSTATE 'ZZ001' THEN
					INSERT INTO shp.result VALUES (g.seed, v.no, protected, ARRAY(SELECT x FROM unnest(got) AS x ORDER BY x COLLATE "C"));
				WHEN OTHERS THEN
					INSERT INTO shp.result VALUES (g.seed, v.no, protected, NULL, SQLERRM);
				END;
			END LOOP;
		END LOOP;
	END
	\$p\$;
	GRANT EXECUTE ON PROCEDURE shp.run(boolean) TO regress_shp_app;
	SET search_path = shp_plain;
	CALL shp.run(false);
	SET search_path = shp;
	SET ROLE regress_shp_app;
	BEGIN;
	SET LOCAL personalize.purpose = 'shp_ads';
	CALL shp.run(true);
	COMMIT;
	RESET ROLE;
	SELECT personalize.audit_sync();
	CREATE TABLE shp.wanted (seed integer, person text[], orders text[]);
	SET search_path = shp_plain;
	DO \$d\$
	DECLARE
		g record;
		kp text;
		ko text;
	BEGIN
		FOR g IN SELECT * FROM shp.generated LOOP
			EXECUTE g.twin INTO kp, ko;
			INSERT INTO shp.wanted SELECT g.seed,
				ARRAY(SELECT DISTINCT x COLLATE "C" FROM unnest(string_to_array(kp, ',')) AS x WHERE x <> '' ORDER BY 1),
				ARRAY(SELECT DISTINCT x COLLATE "C" FROM unnest(string_to_array(ko, ',')) AS x WHERE x <> '' ORDER BY 1);
		END LOOP;
	END
	\$d\$;
	RESET search_path;
	CREATE TABLE shp.found AS
		SELECT r.seed, r.variant, n.relation, u.precision, w.want,
			ARRAY(SELECT s.subject COLLATE "C" FROM personalize.usage AS u2, personalize.subjects_of(u2.usage_id) AS s
				WHERE u2.context = format('generated %s %s', r.seed, r.variant) AND u2.relation_name = 'shp.' || n.relation ORDER BY 1) AS got
		FROM shp.result AS r JOIN shp.wanted AS wt USING (seed)
			CROSS JOIN LATERAL (VALUES ('person', wt.person), ('orders', wt.orders)) AS n (relation, w)
			CROSS JOIN LATERAL (SELECT n.w AS want) AS w
			LEFT JOIN personalize.usage AS u ON u.context = format('generated %s %s', r.seed, r.variant) AND u.relation_name = 'shp.' || n.relation
		WHERE r.protected AND r.failed IS NULL;});
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-o', "$dir/out", '-f', "$dir/run.sql", $node->connstr('postgres') ], 'the queries run');

sub none { my ($name, $query) = @_; is($node->safe_psql('postgres', $query), '', $name); }
is($node->safe_psql('postgres', 'SELECT count(DISTINCT seed) FROM shp.result WHERE protected AND failed IS NULL'), $queries, 'every query was run');
none('none failed', 'SELECT seed, variant, protected, failed FROM shp.result WHERE failed IS NOT NULL');
none('none returns anything else than without protection', q{
	SELECT DISTINCT ON (a.seed) a.seed, b.variant, g.query FROM shp.result AS a JOIN shp.result AS b USING (seed) JOIN shp.generated AS g USING (seed)
	WHERE NOT a.protected AND b.protected AND a.rows IS DISTINCT FROM b.rows});
none('nobody is missing', 'SELECT DISTINCT ON (seed) seed, variant, relation, precision, got, want, g.query FROM shp.found JOIN shp.generated AS g USING (seed) WHERE NOT got @> want');
none('nobody is too much where the record says exact', q{
	SELECT DISTINCT ON (seed) seed, variant, relation, precision, got, want, g.query FROM shp.found JOIN shp.generated AS g USING (seed) WHERE precision = 'exact' AND got <> want});
my $labels = $node->safe_psql('postgres', q{SELECT string_agg(format('%s %s', n, coalesce(precision, 'not used')), ', ' ORDER BY precision) FROM (SELECT precision, count(*) AS n FROM shp.found GROUP BY 1) AS x});
note("records: $labels");
cmp_ok($node->safe_psql('postgres', q{SELECT count(*) FROM shp.found WHERE precision = 'exact' AND cardinality(want) > 0}), '>', $queries, 'most say exact, of somebody');

$node->stop;
done_testing();
