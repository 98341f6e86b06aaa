# EXPLAIN (PERSONALIZE): what a plan reads, for what, and whether the caller may; from PostgreSQL 18 on.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use lib 'test/lib';
use Personalize;

my $node = start_node('main');
plan skip_all => 'EXPLAIN takes options of modules from PostgreSQL 18 on'
  if $node->safe_psql('postgres', 'SHOW server_version_num') < 180000;
$node->safe_psql('postgres', q{
	CREATE EXTENSION personalize;
	CREATE ROLE app;
	CREATE TABLE t (id bigint, v text, s text);
	INSERT INTO t SELECT i, 'secret', 'secret' FROM generate_series(1, 100) AS i;
	CREATE TABLE free (id bigint);
	GRANT SELECT ON t, free TO app;
	SELECT personalize.define_category('c', 'for tests');
	SELECT personalize.define_category('d', 'for tests', special => true);
	SELECT personalize.define_purpose('p', 'for tests', categories => '{c,d}', special_basis => 'for tests');
	SELECT personalize.define_purpose('q', 'for tests', categories => '{c}');
	SELECT personalize.grant_purpose('p', 'app');
	SELECT personalize.protect('t', 'id', columns => '{"*":"c", "s":"d"}');});

# explain(PURPOSE, OPTIONS, QUERY)
sub explain
{
	my ($purpose, $options, $query) = @_;

	my $said = $node->safe_psql('postgres',
		"BEGIN; SET LOCAL ROLE app;" . ($purpose eq '' ? '' : " SET LOCAL personalize.purpose = '$purpose';") . " EXPLAIN (COSTS OFF$options) $query; COMMIT");
	return $said =~ s/.*?^(Personalize: )/$1/msr;
}
my $query = 'SELECT v, s FROM t JOIN free USING (id)';

is(explain('p', ', PERSONALIZE', $query), q{Personalize: public.t
  Purpose: p
  Permission: granted
  Columns: id, v, s
  Masked Categories: d
  Row Checks: 1
  Recorded Subjects: exact}, 'what a query reads, and that it may');
like(explain('', ', PERSONALIZE', $query), qr/Purpose: none stated\n  Permission: cannot read protected relation public\.t without a purpose\n  Hint: Say what/,
	'... that it will be refused without a purpose, and how to go on');
like(explain('q', ', PERSONALIZE', 'SELECT v FROM t'), qr/Purpose: q\n  Permission: role "app" may not/, '... that a purpose is not granted');
like(explain('p', ', PERSONALIZE, ANALYZE', 'SELECT v FROM t'), qr/Recorded Subjects: superset/, 'EXPLAIN ANALYZE is on record with all that was counted');
like(explain('p', ', PERSONALIZE, FORMAT json', 'SELECT v FROM t LIMIT 1'), qr/"Personalize": \[\s*\{\s*"Relation": "public.t",\s*"Purpose": "p",/, 'as JSON');
unlike(explain('p', '', $query), qr/Personalize/, 'nothing without the option');
unlike(explain('p', ', PERSONALIZE off', $query), qr/Personalize/, '... or with off');
unlike(explain('p', ', PERSONALIZE', 'SELECT FROM free'), qr/Personalize/, '... or of what is not protected');
done_testing();
