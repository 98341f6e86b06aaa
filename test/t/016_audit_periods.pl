# The record of use is divided into periods, which are made ahead and dropped when they are old; what is left can be verified.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use lib 'test/lib';
use Personalize;

my $node = start_shop('main', 'personalize.audit_period = 1', 'personalize.audit_naptime = 20', 'log_min_messages = log', 'restart_after_crash = on');

# One use more, on record under a tag.
sub use_some
{
	my ($tag) = @_;

	$node->safe_psql('postgres', "BEGIN; SET LOCAL ROLE app; SET LOCAL personalize.purpose = 'ads'; SET LOCAL personalize.context = '$tag'; SELECT name FROM customer WHERE id = 2; COMMIT; SELECT personalize.audit_sync()");
}

sub period_of
{
	my ($tag) = @_;

	return $node->safe_psql('postgres', "SELECT string_agg((usage_id / 100000000000)::text, ',' ORDER BY usage_id) FROM personalize.usage WHERE context = '$tag'");
}

# Waits until the newest period is over.
sub period_over
{
	$node->poll_query_until('postgres', 'SELECT max(ends_at) < clock_timestamp() FROM personalize.audit_period') or die 'time stands still';
}

sub verified
{
	my ($name, $anchor) = @_;
	my ($code, $out, $err) = $node->psql('postgres', 'SELECT ok FROM personalize.verify_audit(' . ($anchor ? "'$anchor'" : '') . ')');

	is("$out$err", 't', $name);
}

sub set
{
	my ($name, $value) = @_;

	$node->append_conf('postgresql.conf', "$name = $value\n");
	$node->reload;
	$node->poll_query_until('postgres', "SELECT setting = '$value' FROM pg_settings WHERE name = '$name'") or die "$name was not loaded";
}

# default privileges open no partition, and what any role can hang on one keeps nothing
$node->safe_psql('postgres', q{
	ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO app;
	CREATE SCHEMA hooks AUTHORIZATION app;});
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_inherits WHERE inhparent = 'personalize.audit_use'::regclass"), 0, 'no partition before the first use');
use_some('first');
is(period_of('first'), 0, 'the first use is in period 0');
my $early = $node->safe_psql('postgres', 'SELECT personalize.audit_head()');
is($node->safe_psql('postgres', "SELECT string_agg(inhrelid::regclass::text, ' ' ORDER BY inhrelid::regclass::text) FROM pg_inherits WHERE inhparent = 'personalize.audit_use'::regclass"),
	'personalize.audit_use_p0 personalize.audit_use_p1', 'and partitions are there for the next period');

is($node->safe_psql('postgres', "SELECT bool_or(has_table_privilege('app', inhrelid, 'SELECT, INSERT')) FROM pg_inherits WHERE inhparent::regclass::text LIKE 'personalize.audit%'"), 'f', 'nobody has rights to them');
$node->safe_psql('postgres', 'SET ROLE app; CREATE VIEW hooks.v AS SELECT 1 AS one FROM personalize.audit_use_p0; CREATE TABLE hooks.t (r personalize.audit_note_p0)');

# a use that goes on, over several periods
my $session = $node->background_psql('postgres', on_error_stop => 1);
$session->query_safe(q{BEGIN; SET LOCAL ROLE app; SET LOCAL personalize.purpose = 'ads'; SET LOCAL personalize.context = 'long';
	DECLARE c CURSOR FOR SELECT name FROM customer ORDER BY id; FETCH 1 FROM c;});
$node->safe_psql('postgres', 'SELECT personalize.audit_sync()');
my $long = $node->safe_psql('postgres', q{SELECT usage_id / 100000000000 FROM personalize.usage WHERE context = 'long'});
period_over();
use_some('second');
my $second = period_of('second');
cmp_ok($second, '>', $long, 'a new period begins when the one before is over');
# event triggers of others, and settings of the database, do not stand in the way
$node->safe_psql('postgres', q{
	CREATE FUNCTION no() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not today'; END $$;
	CREATE EVENT TRIGGER no ON ddl_command_start EXECUTE FUNCTION no();
	CREATE EVENT TRIGGER no_end ON ddl_command_end EXECUTE FUNCTION no();
	CREATE EVENT TRIGGER no_drop ON sql_drop EXECUTE FUNCTION no();
	ALTER DATABASE postgres SET default_table_access_method = personalize_heap;
	ALTER DATABASE postgres SET statement_timeout = 1;
	ALTER DATABASE postgres SET default_transaction_read_only = on;});
$ENV{PGOPTIONS} = '-c statement_timeout=0 -c default_transaction_read_only=off';
kill 'TERM', $node->safe_psql('postgres', "SELECT pid FROM pg_stat_activity WHERE backend_type = 'personalize audit worker'");
period_over();
use_some('third');
cmp_ok(period_of('third'), '>', $second, 'and another one');
verified('the record of several periods is whole');

# a check that began before a drop
my $checker = $node->background_psql('postgres', on_error_stop => 1);
$checker->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pg_class;');

# retention, while a use of the first periods goes on
set('personalize.audit_retention', 2);
ok($node->poll_query_until('postgres', "SELECT min(period_no) = $long FROM personalize.audit_period"), 'nothing is dropped from the period of a use that is open');
is(period_of('second'), $second, 'nor after it');
verified('that is whole');
my $first = $long > 0 ? '' : '0';
is(period_of('first'), $first, 'what was before it is gone, if there was a period');

# somebody reads: the worker does not stand in the way, and waits
my $reader = $node->background_psql('postgres', on_error_stop => 1);
$reader->query_safe('BEGIN; SELECT count(*) FROM personalize.audit_use;');
$session->query_safe('FETCH ALL FROM c; COMMIT;');
$session->quit;
use_some('while read');
isnt(period_of('while read'), '', 'uses are ingested while a reader keeps a period from being dropped');
is(period_of('long'), $long, 'which is still there');
$reader->query_safe('COMMIT');
$reader->quit;

# then it goes
ok($node->poll_query_until('postgres', "SELECT min(period_no) > $second FROM personalize.audit_period"), 'periods are dropped once they are old');
is(period_of('long') . period_of('second'), '', 'with the uses in them, also one that ended later');
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_class WHERE relnamespace = 'personalize'::regnamespace AND relname ~ '_p$second\$'"), 0, 'no table of theirs is left');
verified('what is left is whole');
like($checker->query_safe('SELECT ok FROM personalize.verify_audit(); COMMIT;'), qr/^t/m, 'also to a transaction that began before');
$checker->quit;
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_class WHERE oid = to_regclass('hooks.v')"), 0, 'a view of a partition went with it');
verified('also after the next use') if use_some('later');
like(($node->psql('postgres', "SELECT personalize.verify_audit('$early')"))[2], qr/older than what is kept/, 'an anchor from before cannot be checked');
my $anchor = $node->safe_psql('postgres', 'SELECT personalize.audit_head()');
use_some('after the anchor');
verified('an anchor from after can', $anchor);
is($node->safe_psql('postgres', "SELECT ok FROM personalize.status() WHERE check_name = 'audit retention'"), 't', 'status() is content');

# the worker forgets what it knows: a batch of rows of two periods, a crash, a restart
set('personalize.audit_retention', 0);
$session = $node->background_psql('postgres', on_error_stop => 0);
$session->query(q{BEGIN; SET LOCAL ROLE app; SET LOCAL personalize.purpose = 'ads'; SET LOCAL personalize.context = 'crashed';
	DECLARE c CURSOR FOR SELECT name FROM customer ORDER BY id; FETCH 1 FROM c;});
use_some('before the crash');
my $begun = period_of('crashed');
period_over();
my $pid = $node->safe_psql('postgres', "SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'");
kill 'KILL', $pid;
$node->poll_query_until('postgres', "SELECT pid <> $pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'") or die 'the server did not come back';
$session->{run}->finish;
$node->safe_psql('postgres', 'SELECT personalize.audit_sync()');
is($node->safe_psql('postgres', "SELECT string_agg(DISTINCT status, ' ') FROM personalize.usage WHERE context = 'crashed'"), 'crashed', 'a use is closed as crashed');
is(period_of('crashed'), $begun, 'in the period in which it began');
use_some('after the crash');
is($node->safe_psql('postgres', q{SELECT count(*) FROM personalize.audit_use AS u LEFT JOIN personalize.audit_template AS t USING (template_id)
	WHERE t.template_id / 100000000000 IS DISTINCT FROM u.usage_id / 100000000000}), 0, 'every use has a template of its own period');
verified('all that is whole');
set('personalize.audit_retention', 1);
my $newest = $node->safe_psql('postgres', 'SELECT max(period_no) FROM personalize.audit_period');
ok($node->poll_query_until('postgres', "SELECT min(period_no) = $newest FROM personalize.audit_period"), 'all but the newest are dropped, uses or not');
verified('and the rest is whole');

# who drops by hand is found
$node->safe_psql('postgres', q{BEGIN; SELECT personalize.ledger_unlock_internal(true); DELETE FROM personalize.audit_dropped; SELECT personalize.ledger_unlock_internal(false); COMMIT});
isnt(($node->psql('postgres', 'SELECT ok FROM personalize.verify_audit()'))[1], 't', 'who takes the word of a drop away is found');

$node->stop;
done_testing();
