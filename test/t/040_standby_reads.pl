# A hot standby: protected reads are refused unless they are logged there, and what is known of consent is never older
# than personalize.max_replay_lag.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use lib 'test/lib';
use Personalize;

my $read = "BEGIN; SET LOCAL ROLE app; SET LOCAL personalize.purpose = 'ads'; SELECT string_agg(id::text, ',' ORDER BY id) FROM customer; COMMIT";
my $primary = start_shop('primary');
my $standby = start_standby($primary, 'replica');
my $log_dir = $standby->data_dir . '/personalize_standby';

sub read_on { my ($node, @more) = @_; return $node->safe_psql('postgres', join(';', @more, $read)); }

sub is_refused
{
	my ($node, $sql, $like, $name) = @_;
	my ($status, $out, $err) = $node->psql('postgres', $sql);

	isnt($status, 0, "$name: refused");
	is($out, '', '... no rows');
	like($err, $like, '... for that reason');
	return $err;
}

# What was logged is taken in by the primary; returns how many records there were.
sub ingest
{
	my ($node, @more) = @_;
	my $n = 0;

	foreach my $file (map { $_->[1] } sort { $a->[0] <=> $b->[0] } map { m{\.(\d+)\.log$} ? [ $1, $_ ] : () } glob("$log_dir/*.log"))
	{
		my ($status, $out, $err) = take_in($node, $file, @more);

		is($err, '', 'taken in') if $err ne '';
		$n += $out;
	}
	return $n;
}

# ---------------------------------------------------------------- refused unless logged
$primary->wait_for_catchup($standby);
my $err = is_refused($standby, $read, qr/cannot use protected relations on a standby/, 'off');
like($err, qr/HINT:.*primary server.*personalize\.standby_reads/, '... and a hint');
is($standby->safe_psql('postgres', 'SELECT count(*) > 0 FROM pg_class'), 't', 'what is not protected can be read');
ok(!-e $log_dir, 'nothing was written');
is($standby->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'personalize consent%'}), '0', 'there is no consent worker');

set_lines($standby, 'personalize.standby_reads = log');
$primary->safe_psql('postgres', 'SELECT personalize.audit_sync()');	# its worker is there
ok($standby->poll_query_until('postgres', "SELECT personalize.standby_age() < '10 seconds'"), 'the primary says the time');
is(read_on($standby), '1,2,3', 'log: the permitted rows');
is(scalar(my @files = glob("$log_dir/*.log")), 1, '... and a file');
is((stat($files[0]))[2] & 0777, 0600, '... which nobody else can read');
is_refused($standby, "SET ROLE app; SELECT * FROM customer", qr/purpose/, 'no purpose');
is_refused($standby, "SET personalize.standby_reads = off", qr/cannot be changed/, 'the setting');
$primary->safe_psql('postgres', 'SELECT personalize.audit_sync()');
is($primary->safe_psql('postgres', 'SELECT count(*) FROM personalize.usage'), '0', 'the primary knows nothing of it yet');

cmp_ok(ingest($primary), '>', 3, 'the log is taken in');
my $known = q{SELECT u.status, u.purpose, u.rows_used, u.precision, u.db_role,
	(SELECT string_agg(s.subject, ',' ORDER BY s.subject) FROM personalize.subjects_of(u.usage_id) AS s)
	FROM personalize.usage AS u ORDER BY u.usage_id};
is($primary->safe_psql('postgres', $known), "ended|ads|3|exact|app|1,2,3\nrefused||||app|" =~ s/refused\|\|\|\|app/refused|||exact|app/r,
	'uses and refusals of the standby are on record, with whose data it was');
is(ingest($primary), 0, 'a second time it says nothing new');
is($primary->safe_psql('postgres', 'SELECT count(*) FROM personalize.usage'), '2', '... and nothing is there twice');
is($primary->safe_psql('postgres', 'SELECT ok FROM personalize.verify_audit()'), 't', 'the chain holds');
is($primary->safe_psql('postgres', q{SELECT count(*) FROM personalize.status() WHERE NOT ok AND check_name LIKE 'audit%' AND check_name <> 'audit max_slot_wal_keep_size'}), '0', 'status() is content on the primary');
$primary->wait_for_catchup($standby);
is($standby->safe_psql('postgres', q{SELECT ok FROM personalize.status() WHERE check_name = 'standby'}), 't', '... and on the standby');

# ---------------------------------------------------------------- consent follows
$primary->safe_psql('postgres', q{SELECT personalize.withdraw_consent(2, 'ads'); SELECT personalize.grant_consent(5, 'ads')});
$primary->wait_for_catchup($standby);
is(read_on($standby), '1,3,5', 'what was said on the primary counts as soon as it is replayed');
foreach my $level ('READ COMMITTED', 'REPEATABLE READ')
{
	my $session = $standby->background_psql('postgres', on_error_stop => 1);

	$session->query_safe("BEGIN ISOLATION LEVEL $level; SELECT 1");
	is($session->query_safe("SET LOCAL personalize.purpose = 'ads'; SELECT count(*) FROM customer"), 3, "$level: before");
	$primary->safe_psql('postgres', q{SELECT personalize.withdraw_consent(3, 'ads')});
	$primary->wait_for_catchup($standby);
	is($session->query_safe('SELECT count(*) FROM customer'), 2, "$level: a statement that starts after a withdrawal was replayed sees it");
	$session->query_safe('COMMIT');
	$session->quit;
	$primary->safe_psql('postgres', q{SELECT personalize.grant_consent(3, 'ads')});
	$primary->wait_for_catchup($standby);
}
$primary->safe_psql('postgres', q{SELECT personalize.revoke_purpose('ads', 'app')});
$primary->wait_for_catchup($standby);
is_refused($standby, $read, qr/purpose/, 'a role that lost the purpose on the primary');
$primary->safe_psql('postgres', q{SELECT personalize.grant_purpose('ads', 'app')});
$primary->wait_for_catchup($standby);
my $cursor = $standby->background_psql('postgres', on_error_stop => 1);
$cursor->query_safe("BEGIN; SET LOCAL personalize.purpose = 'ads'; DECLARE c CURSOR FOR SELECT id FROM customer ORDER BY id");
is($cursor->query_safe('FETCH 1 FROM c'), 1, 'a cursor');
cmp_ok(ingest($primary), '>', 0, 'the log is taken in while a cursor is open');
is($primary->safe_psql('postgres', q{SELECT count(*) FROM personalize.usage WHERE status = 'open'}), 1, '... whose use is open');
$primary->restart;
$primary->safe_psql('postgres', 'SELECT personalize.audit_sync()');
is($primary->safe_psql('postgres', q{SELECT count(*) FROM personalize.usage WHERE status = 'open'}), 1, '... and stays so although the primary was restarted');
is($cursor->query_safe('FETCH ALL FROM c'), "3\n5", 'the cursor goes on');
$cursor->query_safe('COMMIT');
$cursor->quit;
ingest($primary);
is($primary->safe_psql('postgres', q{SELECT status, subjects_used FROM personalize.usage ORDER BY usage_id DESC LIMIT 1}), 'ended|3', 'its end is taken in later');

# ---------------------------------------------------------------- never older than that
$primary->wait_for_catchup($standby);
set_lines($standby, 'personalize.max_replay_lag = 2s');
my $from = $standby->safe_psql('postgres', 'SELECT clock_timestamp()');
ok($standby->poll_query_until('postgres', "SELECT clock_timestamp() > '$from'::timestamptz + interval '5 seconds'"), 'the primary has nothing to do for five seconds');
is(read_on($standby), '1,3,5', '... and reads go on: it says the time');

$standby->safe_psql('postgres', 'SELECT pg_wal_replay_pause()');
$standby->poll_query_until('postgres', "SELECT pg_get_wal_replay_pause_state() = 'paused'") or die 'replay does not pause';
$primary->safe_psql('postgres', q{SELECT personalize.withdraw_consent(1, 'ads')});
ok($standby->poll_query_until('postgres', "SELECT personalize.standby_age() > '2 seconds'"), 'replay stops, and the age grows');
$err = is_refused($standby, $read, qr/may be older than personalize\.max_replay_lag/, 'replay has stopped');
like($err, qr/DETAIL:.*ms old.*HINT:.*heartbeat/s, '... and a hint');
is_refused($standby, "SELECT personalize.permitted(1, 'ads')", qr/max_replay_lag/, 'so are questions about a person');
is($standby->safe_psql('postgres', q{SELECT ok FROM personalize.status() WHERE check_name = 'standby'}), 'f', 'status() says so');
is(read_on($standby, "SET personalize.max_replay_lag = '1h'"), '1,3,5', 'a superuser may allow more');
is_refused($standby, "SET ROLE app; SET personalize.max_replay_lag = '1h'", qr/permission denied/, 'nobody else');
$standby->safe_psql('postgres', 'SELECT pg_wal_replay_resume()');
ok($standby->poll_query_until('postgres', "SELECT personalize.standby_age() < '2 seconds'"), 'replay goes on');
is(read_on($standby), '3,5', '... and the withdrawal counts');

set_lines($primary, 'personalize.heartbeat = 0');
ok($standby->poll_query_until('postgres', "SELECT personalize.standby_age() > '2 seconds'"), 'a primary that does not say the time');
is_refused($standby, $read, qr/max_replay_lag/, '... and has nothing to do');
$primary->safe_psql('postgres', 'CREATE TABLE traffic ()');
$primary->wait_for_catchup($standby);
is(read_on($standby), '3,5', '... until it has');
set_lines($primary, 'personalize.heartbeat = 1s');

$primary->stop;
ok($standby->poll_query_until('postgres', "SELECT personalize.standby_age() > '2 seconds'"), 'the primary is down');
is_refused($standby, $read, qr/max_replay_lag/, '... and reads are refused after that time');
$primary->start;
ok($standby->poll_query_until('postgres', "SELECT personalize.standby_age() < '2 seconds'"), 'it is back');
is(read_on($standby), '3,5', '... and reads go on');

# ---------------------------------------------------------------- never without a record
set_lines($standby, 'personalize.max_replay_lag = 1min');
chmod 0500, $log_dir or die $!;
$standby->restart;
is_refused($standby, $read, qr/could not make file .*: Permission denied.*HINT/s, 'no file can be made');
chmod 0700, $log_dir or die $!;
$standby->poll_query_until('postgres', "SELECT personalize.standby_age() < '1 minute'") or die 'no transaction was replayed';
is(read_on($standby), '3,5', 'it can be made again');

# a dump is a use as any other
command_ok([ 'env', 'PGOPTIONS=-c personalize.purpose=backup', 'pg_dump', '-d', $standby->connstr('postgres'), '-t', 'customer', '-f', "$PostgreSQL::Test::Utils::tmp_check/dump.sql" ],
	'a dump of the standby');
my $dump = slurp_file("$PostgreSQL::Test::Utils::tmp_check/dump.sql");
like($dump, qr/^1\tname1$/m, '... is whole');
ingest($primary);
is($primary->safe_psql('postgres', q{SELECT status, subjects_used FROM personalize.usage WHERE purpose = 'backup'}), 'ended|5', '... and on record');
is($primary->safe_psql('postgres', q{SELECT count(*) FROM personalize.usage WHERE status = 'open'}), 0, 'nothing is open');
is($primary->safe_psql('postgres', q{SELECT count(*) FROM personalize.audit_gap}), 0, 'nothing is missing');
is($primary->safe_psql('postgres', 'SELECT ok FROM personalize.verify_audit()'), 't', 'the chain holds');

# the files go once the primary has them, but for the newest
$primary->wait_for_catchup($standby);
ok($standby->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_ls_dir('personalize_standby')}), 'files that the primary has are removed');
is(read_on($standby), '3,5', 'reads go on');
cmp_ok(ingest($primary), '>', 0, '... and are taken in');

$standby->stop;
$primary->stop;
done_testing();
