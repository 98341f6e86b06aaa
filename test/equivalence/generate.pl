#!/usr/bin/perl
# Writes a script for psql: random queries, each asked of the protected schema
# under a purpose and of the plain twin that holds what the purpose may see.
#
#	generate.pl --seed N --queries N --version MAJOR [--cells 0|1] [--only N] [--jobs N --job N]
#
# Lines "@ number side what" tell the sides apart for compare.pl; "= SQLSTATE"
# ends each statement.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Getopt::Long;
use Generator;
use Writes;

my ($seed, $queries, $version, $cells, $only, $jobs, $job) = (1, 100, 15, 1, undef, 1, 0);
GetOptions('seed=i' => \$seed, 'queries=i' => \$queries, 'version=i' => \$version, 'cells=i' => \$cells, 'only=i' => \$only, 'jobs=i' => \$jobs, 'job=i' => \$job)
	or die "usage: $0 --seed N --queries N --version MAJOR [--cells 0|1] [--only N]\n";

my %letter = (eq_analysis => 'a', eq_vip => 'v', eq_service => 's', eq_interest => 'i');
my @purposes = $cells ? qw(eq_analysis eq_analysis eq_analysis eq_vip eq_service eq_interest) : qw(eq_analysis eq_vip);
my @switches = qw(enable_seqscan enable_indexscan enable_indexonlyscan enable_bitmapscan enable_hashjoin enable_mergejoin enable_nestloop
	enable_hashagg enable_sort enable_incremental_sort enable_material enable_memoize enable_gathermerge enable_partition_pruning);
my $parallel = $version >= 16 ? 'debug_parallel_query' : 'force_parallel_mode';

sub pick { return $_[ int(rand(@_)) ] }
sub chance { return rand(100) < $_[0] }

# Settings of the planner for one query
sub settings
{
	my %set = (jit => 'off');
	if (chance(55)) { $set{$_} = 'off' for map { pick(@switches) } 0 .. rand(5) }
	if (chance(20))
	{
		$set{$_} = 0 for qw(parallel_setup_cost parallel_tuple_cost min_parallel_table_scan_size min_parallel_index_scan_size);
		$set{max_parallel_workers_per_gather} = 2;
		$set{$parallel} = pick('on', 'regress', 'off') if chance(60);
	}
	$set{$_} = 'on' for grep { chance(15) } qw(enable_partitionwise_join enable_partitionwise_aggregate);
	$set{work_mem} = "'64kB'" if chance(10);
	$set{join_collapse_limit} = 1 if chance(10);
	$set{from_collapse_limit} = 1 if chance(10);
	$set{geqo_threshold} = 2 if chance(5);
	$set{constraint_exclusion} = 'on' if chance(10);
	$set{cursor_tuple_fraction} = 1 if chance(5);
	$set{random_page_cost} = 0.1 if chance(10);
	# off planner nodes cost so much that the compiler would always run; it takes longer than the query
	if (chance(0.5)) { $set{jit} = 'on'; $set{$_} = 0 for qw(jit_above_cost jit_inline_above_cost jit_optimize_above_cost) }
	return \%set;
}

# The statements of one query, by how it is sent
sub statements
{
	my ($g, $sql, $params) = @_;
	return ("PREPARE q (" . join(', ', map { Generator::pg_type($_->[0]) } @$params) . ") AS $sql", ('EXECUTE q (' . join(', ', map { $_->[1] } @$params) . ')') x 2, 'DEALLOCATE q') if @$params;
	my $w = rand(100);
	return ("SELECT array_agg(q::text ORDER BY q::text) FROM ($sql) AS q") if $w < 12;
	return ("SELECT * FROM collect(\$q\$$sql\$q\$)") if $w < 22;
	return ("SELECT * FROM collect_at_once(\$q\$$sql\$q\$)") if $w < 30;
	return ("COPY ($sql) TO STDOUT") if $w < 35;
	return ("PREPARE q AS $sql", ('EXECUTE q') x 2, 'DEALLOCATE q') if $w < 42;
	return ("DECLARE c NO SCROLL CURSOR FOR $sql", 'FETCH 2 FROM c', 'FETCH ALL FROM c', 'CLOSE c') if $w < 49;
	return ("DECLARE c SCROLL CURSOR FOR $sql", 'FETCH ALL FROM c', 'MOVE BACKWARD ALL IN c', 'FETCH ALL FROM c', 'CLOSE c') if $w < 52;
	return ("SELECT count(*) FROM ($sql) AS q") if $w < 55;
	return ($sql);
}

sub emit
{
	my ($number, $side, $what, $role, $schema, $purpose, $set, @statements) = @_;
	my @set = map { "SET LOCAL $_ = $set->{$_}" } sort keys %$set;
	push @set, "SET LOCAL search_path = $schema, tripwire", "SET LOCAL tripwire.watch = $letter{$purpose}", "SET LOCAL statement_timeout = '8s'";
	push @set, "SET LOCAL personalize.purpose = $purpose" if $schema eq 'a';
	push @set, "SET LOCAL ROLE $role" if $role ne 'postgres';
	print "\\echo @ $number $side $what\n", join("\\; ", 'BEGIN', @set), ";\n";
	# psql does not take note of an error in the middle of COPY; the next statement does
	print "$_;\n\\echo = :SQLSTATE\n" for map { /^COPY/ ? ($_, 'SELECT 1') : $_ } @statements;
	print "ROLLBACK;\n";
	print "DEALLOCATE ALL;\n" if grep { /^PREPARE/ } @statements;
}

print "-- seed $seed, $queries queries\n\\pset null '<null>'\n";
for my $number (1 .. $queries)
{
	# each by itself, so that one of them can be asked again alone
	srand($seed * 1_000_003 + $number);
	next if $number % $jobs != $job or (defined $only and $only != $number);
	my $g = Generator->new;
	my $purpose = pick(@purposes);
	my $role = pick(('regress_eq_app') x 6, qw(regress_eq_owner regress_eq_bypass regress_eq_other postgres postgres));
	my $set = settings();
	my $w = rand(100);
	if ($w < 3)
	{
		# the role that may not copy
		emit($number, 'a', '42501', 'regress_eq_other', 'a', $purpose, $set, $g->refused);
		next;
	}
	if ($w < 12)
	{
		# a cell of a special category in a column of another is a copy
		$role = 'regress_eq_app' if $role eq 'regress_eq_other';
		Writes::emit($g, $number, $purpose, $letter{$purpose}, $role, $set);
		next;
	}
	my $params = [];
	$g->{params} = $params if chance(15);
	my @statements = $w < 16 ? ($g->failing) : statements($g, $g->query, $params);
	# every call of a function would start workers
	delete $set->{$parallel} if grep { /\bf_\w+ ?\(|collect/ } @statements;
	$set->{plan_cache_mode} = pick('force_generic_plan', 'force_custom_plan') if $statements[0] =~ /^PREPARE/;
	emit($number, 'a', 'same', $role, 'a', $purpose, $set, @statements);
	emit($number, 'b', 'same', $role, "b_$letter{$purpose}", $purpose, $set, @statements);
}
