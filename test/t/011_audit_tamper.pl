# A superuser changes the record behind the worker's back and restarts the worker: that is noticed and stays on record.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use lib 'test/lib';
use Personalize;

my $node = start_shop('main', 'personalize.audit_anchor = 1');
my $read = "BEGIN; SET LOCAL ROLE app; SET LOCAL personalize.purpose = 'ads'; SELECT count(*) FROM customer; COMMIT";
my $worker = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'personalize audit worker'";

sub sync { $node->safe_psql('postgres', 'SELECT personalize.audit_sync()'); }
sub ended { return $node->safe_psql('postgres', "SELECT count(*) FROM personalize.usage WHERE relation = 'customer'::regclass AND status = 'ended'"); }
sub verdict { my ($anchor) = @_; my $arg = defined $anchor ? "'$anchor'" : ''; return $node->safe_psql('postgres', "SELECT ok FROM personalize.verify_audit($arg)"); }
sub head { return $node->safe_psql('postgres', 'SELECT personalize.audit_head()'); }

# Change something, end the worker, and wait for the next one
sub behind_the_back
{
	my ($change) = @_;
	my $pid = $node->safe_psql('postgres', $worker);

	$node->safe_psql('postgres', "BEGIN; SELECT personalize.ledger_unlock_internal(true); $change; COMMIT; SELECT pg_terminate_backend($pid)");
	$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM ($worker) AS w WHERE pid <> $pid") or die 'no other worker';
	$node->safe_psql('postgres', $read);
	sync();
}

$node->safe_psql('postgres', $read) for 1 .. 3;
sync();
is(verdict(), 't', 'the record is whole');
$node->wait_for_log(qr/head of the record of use of database \d+ is \d+:\d+:[0-9a-f]{64}/);
ok(1, 'its head goes to the server log');

# An idle worker that is ended notices nothing
behind_the_back('SELECT 1');
is(verdict(), 't', 'another worker goes on');
is($node->safe_psql('postgres', 'SELECT count(*) FROM personalize.audit_gap'), '0', '... without a gap');

# The position is set forward over a use: it is read all the same, once
my $before = ended();
{
	my $lock = $node->background_psql('postgres');

	$lock->query_safe('BEGIN; SELECT personalize.ledger_unlock_internal(true); SELECT lsn FROM personalize.audit_position FOR UPDATE');
	$node->safe_psql('postgres', $read);
	$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'personalize audit worker' AND wait_event_type = 'Lock'") or die 'the worker does not wait';
	my $pid = $node->safe_psql('postgres', $worker);
	$node->safe_psql('postgres', 'SELECT pg_switch_wal()');
	$lock->query_safe('UPDATE personalize.audit_position SET lsn = pg_current_wal_flush_lsn()');
	$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
	$lock->query_safe('COMMIT');
	$lock->quit;
	$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM ($worker) AS w WHERE pid <> $pid") or die 'no other worker';
}
sync();
is(ended(), $before + 1, 'a position that was set forward skips nothing');
is($node->safe_psql('postgres', 'SELECT string_agg(DISTINCT reason, $$,$$) FROM personalize.audit_gap'), 'the position was changed', '... and is on record');
is(verdict(), 't', '... in the chain');

# Uses that the worker was about to put on record when it was ended: neither to where it would have been, by a row that
# it has signed but not committed, nor to nowhere
sub while_the_worker_waits
{
	my ($lock_table, $change) = @_;
	my $lock = $node->background_psql('postgres');

	$lock->query_safe("BEGIN; SELECT personalize.ledger_unlock_internal(true); LOCK TABLE personalize.$lock_table IN SHARE ROW EXCLUSIVE MODE");
	$node->safe_psql('postgres', $read);
	$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'personalize audit worker' AND wait_event_type = 'Lock'") or die 'the worker does not wait';
	my $pid = $node->safe_psql('postgres', $worker);
	$lock->query_safe($change);
	$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
	$lock->query_safe('COMMIT');
	$lock->quit;
	$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM ($worker) AS w WHERE pid <> $pid") or die 'no other worker';
	sync();
}
$before = ended();
while_the_worker_waits('audit_position', 'UPDATE personalize.audit_position SET lsn = pg_current_wal_insert_lsn()');
is(ended(), $before + 1, 'a position within what was promised skips nothing');
while_the_worker_waits('audit_use', 'DELETE FROM personalize.audit_position');
is(ended(), $before + 2, 'nor does one that was removed');
is($node->safe_psql('postgres', 'SELECT count(*) FROM personalize.audit_gap WHERE reason = $$the position was removed$$'), '1', '... which is on record');
my $old = $node->safe_psql('postgres', 'SELECT quote_literal(lsn) || $$, seen_at = $$ || quote_nullable(seen_at) || $$, mac = $$ || quote_literal(mac) FROM personalize.audit_position');
$node->safe_psql('postgres', "$read; SELECT pg_switch_wal()");
sync();
behind_the_back("UPDATE personalize.audit_position SET lsn = $old");
is(ended(), $before + 4, 'an old position brings nothing twice');
is(verdict(), 't', '... and the chain fits');

# In a server that was started meanwhile nobody remembers where it was
my $restarted_gaps = $node->safe_psql('postgres', 'SELECT count(*) FROM personalize.audit_gap');
$node->restart;
$node->safe_psql('postgres', $read);
sync();
is($node->safe_psql('postgres', 'SELECT count(*) FROM personalize.audit_gap'), $restarted_gaps, 'a restart leaves no gap');
$before = ended();
{
	my $lock = $node->background_psql('postgres');

	$lock->query_safe('BEGIN; SELECT personalize.ledger_unlock_internal(true); LOCK TABLE personalize.audit_position IN SHARE ROW EXCLUSIVE MODE');
	$node->safe_psql('postgres', $read);
	$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'personalize audit worker' AND wait_event_type = 'Lock'") or die 'the worker does not wait';
	my $pid = $node->safe_psql('postgres', $worker);
	# it stays so until the server is stopped, and cannot write what it was about to
	kill('STOP', $pid);
	$lock->query_safe('UPDATE personalize.audit_position SET lsn = pg_current_wal_insert_lsn()');
	$lock->query_safe('COMMIT');
	$lock->quit;
	$node->stop('immediate');
	$node->start;
}
sync();
is(ended(), $before + 1, 'a position that was set forward before a restart skips nothing');

# The extension is replaced in one transaction: its record begins anew, nothing is missing in it
sub shop_again
{
	$node->safe_psql('postgres', 'BEGIN; SET LOCAL client_min_messages = warning; DROP EXTENSION personalize CASCADE; CREATE EXTENSION personalize; COMMIT');
	sync();
	is($node->safe_psql('postgres', 'SELECT count(*) FROM personalize.audit_gap'), '0', 'an extension that was replaced has no gap');
	is(verdict(), 't', '... and its chain begins anew');
}

# The end is cut off
behind_the_back(q{WITH b AS (DELETE FROM personalize.audit_batch WHERE batch_no = (SELECT max(batch_no) FROM personalize.audit_batch) RETURNING batch_no),
	u AS (DELETE FROM personalize.audit_use WHERE batch_no IN (SELECT batch_no FROM b) RETURNING usage_id),
	s AS (DELETE FROM personalize.audit_subject WHERE usage_id IN (SELECT usage_id FROM u)),
	g AS (DELETE FROM personalize.audit_gap WHERE batch_no IN (SELECT batch_no FROM b)),
	t AS (DELETE FROM personalize.audit_template WHERE batch_no IN (SELECT batch_no FROM b)) SELECT FROM b});
is($node->safe_psql('postgres', 'SELECT count(*) FROM personalize.audit_gap WHERE reason LIKE $$the head%$$'), '1', 'a cut is on record');
is(verdict(), 'f', '... and verify_audit() is not content, although the chain fits');
$node->safe_psql('postgres', 'UPDATE personalize.audit_gap SET settled_at = now()');
is(verdict(), 'f', '... nor if somebody calls it settled');
is(verdict(head()), 't', 'an anchor from after it settles it');

# The last head is another one, the number is the same
my $changed = 'SELECT count(*) FROM personalize.audit_gap WHERE reason LIKE $$the head%$$';
my $gaps = $node->safe_psql('postgres', $changed);
behind_the_back(q{UPDATE personalize.audit_batch SET head = sha256('x') WHERE batch_no = (SELECT max(batch_no) FROM personalize.audit_batch)});
is($node->safe_psql('postgres', $changed), $gaps + 1, 'another head is on record');
is(verdict(), 'f', '... and found');

shop_again();

$node->stop;
done_testing();
