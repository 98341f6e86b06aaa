# What is counted of uses (view stat_uses, from PostgreSQL 18 on), lines of the server log for refusals, and what the server knows of the
# library that it has loaded.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use lib 'test/lib';
use Personalize;

my $node = start_shop('main', "log_min_messages = log", "log_line_prefix = '[%p] '", "cluster_name = 'main'");
my $version = $node->safe_psql('postgres', 'SHOW server_version_num');
my $columns = 'uses_ended, uses_failed, uses_refused, rows_used, rows_withheld';

sub as_app { return "BEGIN; SET LOCAL ROLE app; SET LOCAL personalize.purpose = 'ads'; $_[0]; COMMIT"; }

# ---------------------------------------------------------------- lines for refusals
# errors are not logged here, and some are caught: the line is there
sub logged
{
	my ($sql, @settings) = @_;
	my $offset = -s $node->logfile;

	$node->psql('postgres', join(';', @settings, $sql));
	return join("\n", map { s/^\[\d+\] //r } grep { /refused a use|^\[\d+\] DETAIL/ } split(/\n/, slurp_file($node->logfile, $offset)));
}

is(logged('SET ROLE app; SELECT name FROM customer'), qq{LOG:  refused a use of protected relation public.customer: no purpose\nDETAIL:  Role "app" in a session of "} . $node->safe_psql('postgres', 'SELECT session_user') . qq{", purpose "".},
	'a refusal has a line in the server log, where errors have none');
my $own = $node->safe_psql('postgres', 'SELECT session_user');
is(logged(q{DO $$BEGIN PERFORM name FROM customer; EXCEPTION WHEN insufficient_privilege THEN NULL; END$$}),
	qq{LOG:  refused a use of protected relation public.customer: no purpose\nDETAIL:  Role "$own", purpose "".}, '... also if the error is caught');
$node->safe_psql('postgres', q{SELECT personalize.define_purpose('mail', 'for tests', categories => '{general}')});
is(logged("BEGIN; SET LOCAL ROLE app; SET LOCAL personalize.purpose = 'mail'; SELECT id FROM customer"),
	qq{LOG:  refused a use of protected relation public.customer: purpose not granted\nDETAIL:  Role "app" in a session of "$own", purpose "mail".}, '... with the purpose');
unlike(logged("BEGIN; SET LOCAL personalize.purpose = 'ann\@shop.example'; SELECT id FROM customer WHERE name = 'Ann'"), qr/[Aa]nn/, '... but not what nobody has defined, nor the statement');
like(logged('TRUNCATE customer'), qr/refused a use of protected relation public.customer: TRUNCATE/, '... for commands, too');
is(logged('SET ROLE app; SELECT name FROM customer', 'SET personalize.log_refusals = off'), '', 'a superuser may switch it off');
like(($node->psql('postgres', 'SET ROLE app; SET personalize.log_refusals = off'))[2], qr/permission denied/, '... and nobody else');
is(logged(as_app('SELECT name FROM customer')), '', 'what is not refused has no line');

# ---------------------------------------------------------------- counted
if ($version < 180000)
{
	is($node->safe_psql('postgres', 'SELECT count(*) FROM personalize.stat_uses'), '0', 'before PostgreSQL 18 nothing is counted');
	$node->stop;
	done_testing();
	exit;
}

# The counters, once every other session has told what it counted
sub counted
{
	my ($n, $what) = @_;

	$n->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'client backend'}) or die 'a session is there';
	return $n->safe_psql('postgres', 'SELECT ' . ($what // $columns) . ' FROM personalize.stat_uses');
}

is($node->safe_psql('postgres', "SELECT version FROM pg_get_loaded_modules() WHERE module_name = 'personalize'"),
	$node->safe_psql('postgres', "SELECT extversion FROM pg_extension WHERE extname = 'personalize'"), 'the server knows the version of the library');
$node->safe_psql('postgres', 'SELECT pg_stat_reset()');
is(counted($node), '0|0|0|0|0', 'nothing yet');
$node->safe_psql('postgres', as_app('SELECT name FROM customer'));
is(counted($node), '1|0|0|3|2', 'a statement: three rows used, two withheld');
$node->psql('postgres', as_app('SELECT id / 0 FROM customer'));
is(counted($node, 'uses_ended, uses_failed, uses_refused'), '1|1|0', 'one that fails');
$node->psql('postgres', 'SELECT name FROM customer');
$node->psql('postgres', 'TRUNCATE customer');
is(counted($node, 'uses_ended, uses_failed, uses_refused'), '1|1|2', 'two that are refused');
$node->safe_psql('postgres', as_app('DECLARE c CURSOR FOR SELECT id FROM customer; FETCH 1 FROM c; ROLLBACK; BEGIN'));
is(counted($node, 'uses_ended + uses_failed'), '3', 'a cursor that was rolled back is counted once');
my $flushes = counted($node, 'record_flushes');
cmp_ok($flushes, '>', 0, 'records were flushed');
$node->safe_psql('postgres', 'SET personalize.audit = async;' . as_app('SELECT name FROM customer'));
is(counted($node, 'record_flushes'), $flushes, '... which audit = async does not');
$node->safe_psql('postgres', "SET personalize.audit = strict;" . as_app('SELECT name FROM customer'));
cmp_ok(counted($node, 'record_flushes'), '>', $flushes + 1, '... and strict does for the end, too');
# of whoever has just changed his mind the ledger is asked
$node->poll_query_until('postgres', q{SELECT state = 'ready' AND pending = 0 FROM personalize.consent_set_internal()}) or die 'there is no consent set';
my $lookups = counted($node, 'ledger_lookups');
$node->safe_psql('postgres', as_app('SELECT name FROM customer'));
is(counted($node, 'ledger_lookups'), $lookups, 'the consent set answers');
$node->safe_psql('postgres', q{ALTER SYSTEM SET personalize.consent_memory = 0; SELECT pg_reload_conf()});
$node->poll_query_until('postgres', q{SELECT state <> 'ready' FROM personalize.consent_set_internal()}) or die 'the consent set stays';
$node->safe_psql('postgres', as_app('SELECT name FROM customer'));
is(counted($node, 'ledger_lookups') - $lookups, '5', '... and without it the ledger is asked for each person');

# who may look
$node->safe_psql('postgres', q{CREATE ROLE prometheus LOGIN; SELECT personalize.assign_duty('prometheus', 'monitor')});
is($node->safe_psql('postgres', 'SET ROLE prometheus; SELECT count(*) FROM personalize.stat_uses'), '1', 'who monitors may read them');
my ($ret, $out, $err) = $node->psql('postgres', 'SET ROLE app; SELECT * FROM personalize.stat_uses');
like($err, qr/permission denied/, '... an application may not');

# each database for itself
$node->safe_psql('postgres', 'CREATE DATABASE other');
is($node->safe_psql('other', "CREATE EXTENSION personalize; SELECT $columns FROM personalize.stat_uses"), '0|0|0|0|0', 'another database has counts of its own');
$node->safe_psql('postgres', 'DROP DATABASE other');

# PostgreSQL's own ways
$node->safe_psql('postgres', 'SELECT pg_stat_reset()');
is(counted($node, "$columns, stats_reset > now() - interval '1 hour'"), '0|0|0|0|0|t', 'pg_stat_reset() begins anew');
my $standby = start_standby($node, 'replica', 'personalize.standby_reads = log');
$node->wait_for_catchup($standby);
$node->safe_psql('postgres', 'SELECT personalize.audit_sync()');
$standby->poll_query_until('postgres', "SELECT personalize.standby_age() < '10 seconds'") or die 'the primary does not say the time';
$standby->safe_psql('postgres', as_app('SELECT name FROM customer'));
is(counted($standby), '1|0|0|3|2', 'a standby counts, too');
is(counted($node), '0|0|0|0|0', '... for itself');
$standby->stop;
$node->safe_psql('postgres', as_app('SELECT name FROM customer'));
$node->restart;
is(counted($node), '0|0|0|0|0', 'a start begins anew');
# all other statistics are kept, also when the library goes
my $calls = q{SELECT seq_scan > 0 FROM pg_stat_all_tables WHERE relname = 'pg_database'};
is($node->safe_psql('postgres', $calls), 't', 'statistics of PostgreSQL are kept');
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''\n");
my $offset = -s $node->logfile;
$node->restart;
is($node->safe_psql('postgres', $calls), 't', '... also when the library is not loaded any more');
ok(!$node->log_contains('corrupted statistics file|could not find information of kind', $offset), '... and nothing is wrong with their file');
$node->stop;
done_testing();
