# No use goes off the record: not by rollback, error, a killed backend, nor a crash of the server.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use lib 'test/lib';
use Personalize;

my $node = start_shop('main', 'restart_after_crash = on');

my $begin = "SET ROLE app; BEGIN; SET LOCAL personalize.purpose = 'ads'; SET LOCAL personalize.context = ";

# status|rows_used|subjects of the uses with this context, oldest first
sub uses
{
	my ($context) = @_;

	return $node->safe_psql('postgres', qq{
		SELECT personalize.audit_sync() \\g /dev/null
		SELECT u.status, u.rows_used, (SELECT string_agg(s.subject, ',' ORDER BY s.subject) FROM personalize.subjects_of(u.usage_id) AS s)
			FROM personalize.usage AS u WHERE u.context = '$context' ORDER BY u.usage_id});
}

# What did not commit
$node->safe_psql('postgres', "$begin 'rollback'; SELECT name FROM customer WHERE id = 1; ROLLBACK");
is(uses('rollback'), 'ended|1|1', 'a transaction that is rolled back');
$node->safe_psql('postgres', "$begin 'read only'; SET TRANSACTION READ ONLY; SELECT name FROM customer WHERE id = 2; COMMIT");
is(uses('read only'), 'ended|1|2', 'a transaction that is read only');
$node->safe_psql('postgres', "$begin 'savepoint'; SAVEPOINT s; SELECT name FROM customer WHERE id = 3; ROLLBACK TO s; COMMIT");
is(uses('savepoint'), 'ended|1|3', 'a savepoint that is rolled back');
$node->safe_psql('postgres', "$begin 'prepared'; SELECT name FROM customer WHERE id = 3; PREPARE TRANSACTION 'p'; ROLLBACK PREPARED 'p'");
is(uses('prepared'), 'ended|1|3', 'a prepared transaction that is rolled back');
$node->safe_psql('postgres', "$begin 'block'; " . q{
	DO $$
	DECLARE
		kept text;
	BEGIN
		BEGIN
			SELECT name INTO kept FROM customer WHERE id = 1;
			RAISE EXCEPTION 'undone';
		EXCEPTION WHEN raise_exception THEN
			NULL;
		END;
		ASSERT kept = 'name1';
	END
	$$; COMMIT});
is(uses('block'), 'ended|1|1', 'a block that is undone while its variables stay');

# What did not end
$node->psql('postgres', "$begin 'error'; SELECT 1 / (id - 2) FROM customer ORDER BY id; COMMIT");
like(uses('error'), qr/^failed\|\d+\|1,2(,3)?$/, 'an error halfway: who was seen before it, and in it');
$node->psql('postgres', "$begin 'cast'; SELECT name::integer FROM customer WHERE id = 1; COMMIT");
is(uses('cast'), 'failed|1|1', 'an error that tells the value, in what the scan returns');
$node->psql('postgres', "$begin 'qual'; SELECT id FROM customer WHERE name::integer > 0 AND id = 1; COMMIT");
is(uses('qual'), 'failed|1|1', 'an error that tells the value, in what the scan compares');
$node->safe_psql('postgres', "$begin 'cursor'; DECLARE c CURSOR FOR SELECT name FROM customer ORDER BY id; FETCH 2 FROM c; ROLLBACK");
like(uses('cursor'), qr/^(failed|ended)\|\d\|1,2/, 'a cursor that is never finished');
$node->psql('postgres', "$begin 'cancel'; SET LOCAL statement_timeout = '1500ms'; SELECT (SELECT count(*) FROM generate_series(1, 100000000) AS g WHERE g > c.id) FROM customer AS c ORDER BY id; COMMIT");
like(uses('cancel'), qr/^failed\|\d+\|1/, 'a statement that is cancelled');
$node->psql('postgres', "$begin 'copy'; COPY (SELECT name, 1 / (3 - id) FROM customer ORDER BY id) TO STDOUT; COMMIT");
like(uses('copy'), qr/^failed\|\d\|1,2,3/, 'COPY that fails after it has sent rows');

# What was refused
$node->psql('postgres', "SET ROLE app; BEGIN; SET LOCAL personalize.context = 'refused'; SELECT name FROM customer; COMMIT");
like(uses('refused'), qr{^refused\|0?\|$}, 'a refusal is on record');

# A backend that is terminated
my $session = $node->background_psql('postgres', on_error_stop => 0);
$session->query_safe("$begin 'terminated'; DECLARE c CURSOR FOR SELECT name FROM customer ORDER BY id");
$session->query_safe('FETCH 1 FROM c');
my $pid = $session->query_safe('SELECT pg_backend_pid()');
$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
ok($node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $pid"), 'the backend is gone');
like(uses('terminated'), qr/^failed\|\d\|1/, 'a backend that is terminated');
eval { $session->quit; };

# A backend that is killed, which restarts the server
sub crash_with
{
	my ($level, $context, $crash) = @_;
	my $since = $node->safe_psql('postgres', 'SELECT clock_timestamp()');
	my $before = $node->safe_psql('postgres', 'SELECT coalesce(max(usage_id), 0) FROM personalize.usage');

	$node->safe_psql('postgres', "ALTER SYSTEM SET personalize.audit = '$level'");
	$node->reload;
	my $s = $node->background_psql('postgres', on_error_stop => 0);
	$s->query_safe("SET personalize.audit = '$level'");
	$s->query_safe("$begin '$context'; SELECT name FROM customer WHERE id = 1; COMMIT");
	$s->query_safe("$begin '$context'; SELECT name FROM customer WHERE id = 2; ROLLBACK");
	$s->query_safe("$begin '$context'; DECLARE c CURSOR FOR SELECT name FROM customer WHERE id = 3");
	$s->query_safe('FETCH 1 FROM c');
	$crash->($s->query_safe('SELECT pg_backend_pid()'));
	eval { $s->quit; };
	return ($since, $before);
}

my $kill_backend = sub {
	my ($victim) = @_;

	my $offset = -s $node->logfile;

	PostgreSQL::Test::Utils::system_log('pg_ctl', 'kill', 'KILL', $victim);
	$node->wait_for_log(qr/all server processes terminated; reinitializing/, $offset);
	$node->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()') or die 'the server did not come back';
};
my $stop_immediately = sub { $node->stop('immediate'); $node->start; };

for my $case (['on', 'killed, on', $kill_backend], ['strict', 'killed, strict', $kill_backend],
	['on', 'stopped, on', $stop_immediately], ['strict', 'stopped, strict', $stop_immediately])
{
	my ($level, $context, $crash) = @$case;
	my $head = $node->safe_psql('postgres', 'SELECT personalize.audit_head()');
	my ($since, $before) = crash_with($level, $context, $crash);

	$node->safe_psql('postgres', 'SELECT personalize.audit_sync()');
	for my $subject (1 .. 3)
	{
		is($node->safe_psql('postgres', qq{
			SELECT count(*) > 0 FROM personalize.usage_of($subject, since => '$since') AS u
				WHERE u.usage_id > $before AND u.purpose = 'ads' AND u.db_role = 'app' AND u.relation = 'customer'::regclass}),
			't', "$context: the use of subject $subject is on record");
	}
	is($node->safe_psql('postgres', qq{
		SELECT count(*) FROM personalize.usage AS u, personalize.subjects_of(u.usage_id) AS s
			WHERE u.usage_id > $before AND s.subject IN ('4', '5')}),
		'0', "$context: nobody is on record who was not permitted");
	is($node->safe_psql('postgres', qq{SELECT count(*) FROM personalize.usage WHERE status = 'open'}), '0', "$context: no use is left open");
	is($node->safe_psql('postgres', "SELECT ok FROM personalize.verify_audit('$head')"), 't', "$context: the chain holds");
	is($node->safe_psql('postgres', 'SELECT count(*) FROM (SELECT session_id, use_no FROM personalize.audit_use GROUP BY 1, 2 HAVING count(*) > 1) AS d'), '0', "$context: nothing is there twice");
}

# A lease that hid uses may have hidden any cell that the purpose may see
$node->safe_psql('postgres', q{
	SELECT personalize.define_category('other "one"', 'for tests');
	SELECT personalize.define_purpose('ads', 'for tests', categories => '{general,"other \"one\""}')});
my ($crashed_since) = crash_with('on', 'categories', $stop_immediately);
$node->safe_psql('postgres', 'SELECT personalize.audit_sync()');
is($node->safe_psql('postgres', "SELECT string_agg(DISTINCT categories::text, ';') FROM personalize.breach_scope('$crashed_since', NULL, 'customer')"),
	'{general,"other \"one\""}', 'the scope of a breach has every category that a crashed lease may have read');

# What was exact and durable before the crash is so after it: at strict, each statement that was complete
is($node->safe_psql('postgres', q{
	SELECT string_agg(DISTINCT s.subject, ',' ORDER BY s.subject) FROM personalize.usage AS u, personalize.subjects_of(u.usage_id) AS s
		WHERE u.context = 'stopped, strict' AND u.status = 'ended'}), '1,2', 'strict: complete statements keep their exact record');

# Afterwards reading goes on as before
is($node->safe_psql('postgres', "$begin 'after'; SELECT count(*) FROM customer; COMMIT"), '3', 'reading goes on');
is(uses('after'), 'ended|3|1,2,3', '... and is on record');

# The worker does not wait for the disk when it commits: what is told of it does
$node->append_conf('postgresql.conf', "wal_writer_delay = '10s'\nwal_writer_flush_after = '1GB'\ncheckpoint_timeout = '1h'\nautovacuum = off");
$node->restart;
my $ahead = 0;
for my $round (1 .. 3)
{
	my $last = 'SELECT max(batch_no) FROM personalize.audit_batch';

	$node->safe_psql('postgres', 'SELECT personalize.audit_sync()');
	my $known = $node->safe_psql('postgres', $last);
	$node->safe_psql('postgres', "$begin 'told $round'; SELECT count(*) FROM customer; COMMIT");
	$node->poll_query_until('postgres', "SELECT ($last) > $known") or die 'no batch';
	$ahead++ if $node->safe_psql('postgres', 'SELECT pg_current_wal_insert_lsn() > pg_current_wal_flush_lsn()') eq 't';
	my $head = $node->safe_psql('postgres', 'SELECT personalize.audit_head()');
	$stop_immediately->();
	is(uses("told $round"), 'ended|3|1,2,3', "a batch that was not waited for, $round: the use is on record");
	is($node->safe_psql('postgres', "SELECT ok FROM personalize.verify_audit('$head')"), 't', '... and the record goes back to the head that was told');
}
cmp_ok($ahead, '>', 0, 'it can be read before it is on disk');

$node->stop;
done_testing();
