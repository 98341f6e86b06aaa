# The audit worker can be terminated and killed at any time: every use is on record afterwards, once.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use lib 'test/lib';
use Personalize;

my $node = start_shop('main', 'restart_after_crash = on');

my $worker = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'personalize audit worker' AND datname = 'postgres'";
my $wanted = 0;

sub read_some
{
	my ($n) = @_;

	$node->safe_psql('postgres', join('', map {
		"BEGIN; SET LOCAL ROLE app; SET LOCAL personalize.purpose = 'ads'; SET LOCAL personalize.context = 'r'; SELECT name FROM customer WHERE id = 2; "
			. ($_ % 3 ? 'COMMIT;' : 'ROLLBACK;') } 1 .. $n));
	$wanted += $n;
}

sub there
{
	my ($name) = @_;

	$node->safe_psql('postgres', 'SELECT personalize.audit_sync()');
	is($node->safe_psql('postgres', q{
		SELECT count(*), count(DISTINCT (a.session_id, a.use_no)), bool_and(a.status = 'ended'),
			bool_and((SELECT string_agg(s.subject, ',') FROM personalize.subjects_of(usage_id) AS s) = '2')
		FROM personalize.audit_use AS a JOIN personalize.audit_note AS n USING (note_id) WHERE n.context = 'r'}), "$wanted|$wanted|t|t", $name);
}

sub worker_pid
{
	$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM ($worker) AS w") or die 'there is no audit worker';
	return $node->safe_psql('postgres', $worker);
}

read_some(20);
there('uses are on record');

for my $round (1 .. 3)
{
	my $pid = worker_pid();

	read_some(10);
	$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
	read_some(10);
	ok($node->poll_query_until('postgres', "SELECT count(*) = 1 FROM ($worker) AS w WHERE pid <> $pid"), "terminated, round $round: another worker started");
	read_some(10);
	there("terminated, round $round: all uses are on record, once");
}

for my $round (1 .. 2)
{
	my $pid = worker_pid();

	read_some(10);
	# its death restarts the server: it may have been in the middle of shared memory
	PostgreSQL::Test::Utils::system_log('pg_ctl', 'kill', 'KILL', $pid);
	ok($node->poll_query_until('postgres', "SELECT count(*) = 1 FROM ($worker) AS w WHERE pid <> $pid"), "killed, round $round: another worker started");
	read_some(10);
	$node->safe_psql('postgres', 'SELECT personalize.audit_sync()');
	# the last uses before the kill may have lost their exact record with the unflushed WAL, not their lease
	is($node->safe_psql('postgres', q{SELECT count(*) FROM personalize.usage WHERE context = 'r' AND status = 'ended'}
			. " HAVING count(*) BETWEEN $wanted - 10 AND $wanted"), $node->safe_psql('postgres',
		q{SELECT count(DISTINCT (a.session_id, a.use_no)) FROM personalize.audit_use AS a JOIN personalize.audit_note AS n USING (note_id)
			WHERE n.context = 'r' AND a.status = 'ended'}),
		"killed, round $round: no use is there twice");
	is($node->safe_psql('postgres', q{SELECT count(*) FROM personalize.usage WHERE status = 'open'}), '0', "killed, round $round: no use is left open");
	$wanted = $node->safe_psql('postgres', q{SELECT count(*) FROM personalize.usage WHERE context = 'r' AND status = 'ended'});
}

# the launcher, too
$node->safe_psql('postgres', q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'personalize audit launcher'});
read_some(10);
$node->safe_psql('postgres', 'SELECT personalize.audit_sync()');
is($node->safe_psql('postgres', q{SELECT count(*) FROM personalize.usage WHERE context = 'r' AND status = 'ended'}), $wanted, 'the launcher was terminated: uses are on record');
ok($node->poll_query_until('postgres', "SELECT bool_and(ok) FROM personalize.status() WHERE check_name LIKE 'audit%'"), 'status() is all right about the audit');

# what it waits for has a name where the version has such names
my $event = $node->safe_psql('postgres', 'SHOW server_version_num') >= 170000 ? 'PersonalizeLauncherMain' : 'Extension';
ok($node->poll_query_until('postgres', qq{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'personalize audit launcher'
	AND wait_event_type = 'Extension' AND wait_event = '$event'}), 'the launcher says what it waits for');

$node->stop;
done_testing();
