# Other sessions see how far long work is while its transaction is open, at places where the work waits for a lock; and
# whatever way it ends, an error, a cancel, a killed or crashed process, nothing of it stays to be seen.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use lib 'test/lib';
use Personalize;

my $node = start_node('main', 'restart_after_crash = on', 'personalize.audit_naptime = 10ms');

$node->safe_psql('postgres', q{
	CREATE EXTENSION personalize;
	CREATE ROLE app LOGIN; CREATE ROLE officer LOGIN; CREATE ROLE auditor LOGIN; CREATE ROLE stats LOGIN; CREATE ROLE nobody LOGIN;
	GRANT pg_monitor TO stats;
	SELECT personalize.assign_duty('app', 'app'), personalize.assign_duty('officer', 'officer'), personalize.assign_duty('auditor', 'auditor');
	SELECT personalize.define_category('general', 'for tests');
	SELECT personalize.define_purpose('ads', 'for tests', categories => '{general}');
	SELECT personalize.grant_purpose('ads', 'app');
	CREATE TABLE customer (id bigint PRIMARY KEY, name text);
	CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint NOT NULL REFERENCES customer, at timestamptz NOT NULL DEFAULT now());
	CREATE INDEX ON orders (customer);
	GRANT ALL ON customer, orders TO app;
	INSERT INTO customer SELECT i, 'name' || i FROM generate_series(1, 100) AS i;
	INSERT INTO orders (id, customer) SELECT i, 7 FROM generate_series(1, 12000) AS i;
	INSERT INTO orders (id, customer) SELECT 20000 + i, 8 FROM generate_series(1, 20) AS i;
	SELECT personalize.protect('customer', 'id', columns => '{"*":"general"}'), personalize.protect('orders', 'customer', columns => '{"*":"general"}');
	/* deleting some rows waits for whoever holds this lock */
	CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_catalog.pg_advisory_xact_lock_shared(44); RETURN OLD; END';
	CREATE TRIGGER wait BEFORE DELETE ON orders FOR EACH ROW WHEN (OLD.id IN (12000, 20020)) EXECUTE FUNCTION wait();
	CREATE TABLE said (subject bigint, purpose text, action text);
	INSERT INTO said SELECT i, 'ads', 'given' FROM generate_series(1, 25000) AS i;
	CREATE TABLE said_wrongly AS SELECT * FROM said;
	INSERT INTO said_wrongly VALUES (30000, 'no such purpose', 'given');
	GRANT SELECT ON said, said_wrongly TO app;
	SELECT personalize.record_consents('said');});

# What the view says of others than the audit worker, which may always have something to do.
my $row = q{SELECT concat_ws('|', p.relation, p.command, p.phase, p.done, p.total, p.unit) FROM personalize.progress AS p WHERE p.command <> 'ingest record of use'};

sub shows
{
	my ($wanted, $name) = @_;

	ok($node->poll_query_until('postgres', "SELECT coalesce(string_agg(x, ' '), '') = '$wanted' FROM ($row) AS r (x)"), $name)
		or diag($node->safe_psql('postgres', $row));
}

# A statement in a session of its own, which goes on; leave() waits for its end and returns what went wrong.
sub session
{
	my ($role, $sql) = @_;
	my %s = (out => '', err => '');

	$s{run} = IPC::Run::start(['psql', '-XqAt', '-h', $node->host, '-p', $node->port, '-U', $role, '-d', 'postgres', '-c', $sql], '<', \undef, '>', \$s{out}, '2>', \$s{err},
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	return \%s;
}

sub leave
{
	my ($s) = @_;

	$s->{run}->finish;
	return $s->{err};
}

my $pid_of = q{SELECT pid FROM personalize.progress WHERE command = 'record_consents'};
my $super = getpwuid($<);

shows('', 'at first nothing is done');

# a person of the second batch is being changed by somebody else: one batch is done
my $lock = $node->background_psql('postgres');
$lock->set_query_timer_restart;
sub hold { $lock->query_safe("BEGIN; $_[0]"); }
sub release { $lock->query_safe('ROLLBACK'); }
my $person = q{SELECT personalize.grant_consent(15000, 'ads')};
my $half = 'said|record_consents|recording|10000|25000|rows';

hold($person);
my $recording = session('app', q{SELECT personalize.record_consents('said');});
shows($half, 'record_consents: a batch of three is done');
is($node->safe_psql('postgres', q{SELECT count(*) FROM personalize.progress AS p JOIN pg_stat_activity AS a USING (pid)
	WHERE p.command = 'record_consents' AND p.database = current_database() AND a.usename = 'app' AND p.started_at BETWEEN a.query_start AND now()}), '1',
	'... with the process, the database and since when');

# who may see it
my $count = q{SELECT count(*) FROM personalize.progress WHERE command = 'record_consents'};
foreach my $role ('officer', 'auditor', 'stats')
{
	is($node->safe_psql('postgres', $count, extra_params => ['-U', $role]), '1', "$role sees it");
}
foreach my $role ('app', 'nobody')
{
	my ($rc, $out, $err) = $node->psql('postgres', $count, extra_params => ['-U', $role]);

	like($err, qr/permission denied for view progress/, "$role does not");
}
$node->safe_psql('postgres', 'CREATE DATABASE other');
$node->safe_psql('other', q{CREATE EXTENSION personalize; SELECT personalize.assign_duty('officer', 'officer');});
is($node->safe_psql('other', $count, extra_params => ['-U', 'officer']), '0', 'from another database an officer does not see it');
is($node->safe_psql('other', q{SELECT database, relation IS NULL, done FROM personalize.progress WHERE command = 'record_consents'}, extra_params => ['-U', 'stats']), 'postgres|t|10000',
	'... and who may read all statistics does, without the relation');

# ways to end
$node->safe_psql('postgres', "SELECT pg_cancel_backend(pid) FROM ($pid_of) AS p");
like(leave($recording), qr/canceling statement due to user request/, 'it is cancelled');
shows('', '... and nothing of it stays');

$recording = session('app', q{SELECT personalize.record_consents('said');});
shows($half, 'it goes on again');
$node->safe_psql('postgres', "SELECT pg_terminate_backend(pid) FROM ($pid_of) AS p");
leave($recording);
shows('', 'its session is terminated: nothing stays');

release();
my $failing = $node->background_psql('postgres', on_error_stop => 0, extra_params => ['-U', 'app']);
$failing->query(q{BEGIN; SELECT personalize.record_consents('said_wrongly')});
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE usename = 'app' AND state = 'idle in transaction (aborted)'}), '1', 'it fails in the last batch');
shows('', '... and nothing stays, though the transaction is still open');
$failing->quit;

hold('SELECT pg_advisory_xact_lock(45)');
$recording = session('app', q{DO $$
	BEGIN
		BEGIN
			PERFORM personalize.record_consents('said_wrongly');
		EXCEPTION WHEN invalid_parameter_value THEN
			PERFORM pg_advisory_xact_lock_shared(45);
		END;
	END $$;});
ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted}), 'an error is caught');
shows('', '... and nothing stays, though the transaction goes on');
release();
leave($recording);

hold('LOCK TABLE personalize.consent_event IN SHARE MODE');
$recording = session('app', q{SELECT personalize.record_consents('said');});
shows('said|record_consents|recording|0|25000|rows', 'nothing is recorded yet');
release();
is(leave($recording), '', 'it ends by itself');
shows('', '... and nothing stays');

# the rights worker, over several transactions
hold('SELECT pg_advisory_xact_lock(44)');
$node->safe_psql('postgres', q{SELECT personalize.request_erasure(7)});
# it is started by the audit worker, which the first use starts
my $read = q{BEGIN; SET LOCAL ROLE app; SET LOCAL personalize.purpose = 'ads'; SELECT count(*) FROM customer; COMMIT;};
$node->safe_psql('postgres', $read);
my $erasing = 'orders|requested erasure|deleting rows|10000|12001|rows';
shows($erasing, 'a requested erasure has gone through two transactions');
is($node->safe_psql('postgres', q{SELECT deleted ->> 'public.orders' FROM personalize.erasure_requests}), '10000', '... as the view erasure_requests says');
ok($node->safe_psql('postgres', q{SELECT p.started_at < a.xact_start FROM personalize.progress AS p JOIN pg_stat_activity AS a USING (pid)
	WHERE a.backend_type = 'personalize rights worker'}) eq 't', '... which began with the first of them');
$node->safe_psql('postgres', q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'personalize rights worker'});
ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM personalize.progress WHERE command = 'requested erasure' AND done = 10000 AND total IS NULL}),
	'its process is terminated, and another goes on where it was');
release();
ok($node->poll_query_until('postgres', q{SELECT status = 'done' FROM personalize.erasure_requests}), 'the person is erased');
shows('', '... and nothing stays');

# an erasure within an erasure: both are to be seen
hold('SELECT pg_advisory_xact_lock(44)');
my $hold = $node->safe_psql('postgres', q{SELECT personalize.hold_subject(8, 'for tests')});
$node->safe_psql('postgres', q{SELECT personalize.erase_subject(8)});
my $release = session($super, "SELECT personalize.release_hold('$hold') IS NOT NULL;");
shows('orders|erase_subjects|erasing rows|0|2|steps', 'the release of a hold erases');
release();
is(leave($release), '', '... to the end');
shows('', '... and nothing stays');

# the sweep
$node->safe_psql('postgres', q{INSERT INTO customer VALUES (8, 'again'); INSERT INTO orders SELECT 20000 + i, 8, now() - interval '1 year' FROM generate_series(1, 20) AS i;});
hold('SELECT pg_advisory_xact_lock(44)');
$node->safe_psql('postgres', q{SELECT personalize.set_retention('orders', 'at', '30 days')});
shows('orders|retention sweep|deleting rows|0|rows', 'old rows are being deleted');
release();
ok($node->poll_query_until('postgres', q{SELECT swept_at IS NOT NULL AND rows_swept = 20 FROM personalize.retention}), 'old rows are deleted');
shows('', '... and nothing stays');

# the chain of the record
hold('LOCK TABLE personalize.audit_use IN ACCESS EXCLUSIVE MODE');
my $checking = session('auditor', 'SELECT personalize.verify_audit();');
ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM personalize.progress WHERE command = 'verify_audit' AND phase = 'starting' AND done IS NULL}), 'the check of the chain waits');
# the audit worker, whose table that is
$node->safe_psql('postgres', $read);
ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM personalize.progress AS p JOIN pg_stat_activity AS a USING (pid)
	WHERE a.backend_type = 'personalize audit worker' AND p.command = 'ingest record of use' AND p.done < p.total AND p.unit = 'bytes'}), 'the audit worker has some way to go');
release();
like(leave($checking), qr/^$/, 'the chain is checked');
$node->safe_psql('postgres', 'SELECT personalize.audit_sync()');
ok($node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM personalize.progress}), 'nothing stays, of the audit worker neither');

# an export within an export, and a report
hold('LOCK TABLE orders IN ACCESS EXCLUSIVE MODE');
my $export = session('officer', 'SELECT personalize.export_subject(9) IS NOT NULL;');
shows('export_subject|putting rows together orders|export_rows|reading rows|1|2|steps', 'an export is at the second of two relations');
release();
is(leave($export), '', '... and ends');
hold('LOCK TABLE personalize.request IN ACCESS EXCLUSIVE MODE');
my $report = session('officer', q{SELECT length(personalize.report_html()) > 0;});
shows('report_html|making parts|5|8|parts', 'a report is at the sixth of its parts');
release();
is(leave($report), '', '... and ends');
hold('LOCK TABLE personalize.consent_event IN ACCESS EXCLUSIVE MODE');
my $rates = session('officer', q{SELECT count(*) FROM personalize.consent_rates('day');});
shows('personalize.consent_event|figures|reading a table|0|blocks', 'figures are made of the ledger');
release();
is(leave($rates), '', '... and end');
shows('', 'nothing stays');

# the consent set is made anew: another session looks as fast as it can, in transactions of its own, for it waits for older ones
my $looking = session($super, q{DO $$
	DECLARE
		ends timestamptz := clock_timestamp() + interval '2 minutes';
		next timestamptz := clock_timestamp();
		seen bigint := 0;
		r record;
	BEGIN
		WHILE seen = 0 AND clock_timestamp() < ends LOOP
			FOR r IN SELECT p.*, a.backend_type FROM personalize.progress AS p JOIN pg_stat_activity AS a USING (pid) WHERE p.command = 'load consent set' AND p.phase <> 'starting' LOOP
				IF r.done > r.total OR r.backend_type <> 'personalize consent worker' THEN
					RAISE EXCEPTION 'more is done than there is, or somebody else does it';
				END IF;
				seen := seen + 1;
			END LOOP;
			COMMIT;
			/* whoever is not given the processor in time looks again */
			IF clock_timestamp() >= next THEN
				PERFORM pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'personalize consent worker';
				next := clock_timestamp() + interval '10 seconds';
			END IF;
		END LOOP;
		RAISE NOTICE 'seen: %', seen > 0;
	END $$;});
like(leave($looking), qr/seen: t/, 'the making of the consent set is seen');

# a crash in the middle
hold($person);
$recording = session('app', q{SELECT personalize.record_consents('said');});
shows($half, 'once more');
my $pid = $node->safe_psql('postgres', $pid_of);
PostgreSQL::Test::Utils::system_log('pg_ctl', 'kill', 'KILL', $pid);
leave($recording);
eval { $lock->quit };
ok($node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM personalize.progress AS p WHERE p.command = 'record_consents'}), 'its process is killed: the server starts anew, and nothing stays');

$node->stop;
done_testing();
