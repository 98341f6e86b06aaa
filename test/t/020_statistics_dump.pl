# pg_dump takes statistics of protected relations along for the purpose backup only; the server log holds no details about their rows.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use lib 'test/lib';
use Personalize;

my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump';
my $node = start_node('main');
$node->safe_psql('postgres', q{
	CREATE EXTENSION personalize;
	CREATE TABLE customer (id integer PRIMARY KEY, note text UNIQUE CHECK (note <> 'leaked'));
	CREATE INDEX customer_upper ON customer (upper(note));
	CREATE TABLE free (id integer, note text);
	INSERT INTO customer SELECT i, 'secret' || i FROM generate_series(1, 50) AS i;
	INSERT INTO free SELECT i, 'open' || i FROM generate_series(1, 50) AS i;
	SELECT personalize.define_category('general', 'for tests');
	SELECT personalize.define_purpose('ads', 'for tests', categories => '{general}');
	SELECT personalize.protect('customer', 'id', columns => '{"*":"general"}');
	SELECT personalize.grant_consent(1, 'ads');});
$node->command_ok([ 'vacuumdb', '--analyze', '-d', $node->connstr('postgres') ], 'statistics are made as ever');

# the planner has them, queries have not
is($node->safe_psql('postgres', q{SELECT string_agg(DISTINCT tablename, ' ') FROM pg_stats WHERE schemaname = 'public'}),
	'free', 'a superuser sees no statistics of a protected relation');
is($node->safe_psql('postgres', q{BEGIN; SET LOCAL personalize.purpose = 'backup';
	SELECT string_agg(DISTINCT tablename, ' ') FROM pg_stats WHERE schemaname = 'public'; COMMIT}),
	'customer customer_upper free', '... but for the purpose backup');

SKIP:
{
	my ($help) = run_command([ 'pg_dump', '--help' ]);
	skip 'this pg_dump cannot dump statistics', 4 unless $help =~ /--statistics-only/;
	$node->command_ok([ 'pg_dump', '--statistics-only', '-f', "$dump.none", $node->connstr('postgres') ], 'statistics dumped without a purpose');
	my $none = slurp_file("$dump.none");
	ok($none =~ /open7/ && $none !~ /secret/i, '... are those of what is not protected');
	local $ENV{PGOPTIONS} = '-c personalize.purpose=backup';
	$node->command_ok([ 'pg_dump', '--statistics-only', '-f', "$dump.backup", $node->connstr('postgres') ], '... for the purpose backup');
	like(slurp_file("$dump.backup"), qr/open7.*secret7|secret7.*open7/s, '... are all');
}

# what the server log is told
my $offset = -s $node->logfile;
$node->psql('postgres', q{
	BEGIN; SET LOCAL personalize.purpose = 'ads'; UPDATE customer SET note = 'leaked' WHERE id = 1; ROLLBACK;
	INSERT INTO customer SELECT 1, 'x';
	INSERT INTO customer SELECT 51, 'secret' || 7;}, on_error_stop => 0);
my $log = slurp_file($node->logfile, $offset);
like($log, qr/DETAIL:  Values of a protected relation are not shown/, 'the log says that details are missing');
unlike($log, qr/secret7/, '... and shows no value');

$node->stop;
done_testing();
