# The key of the audit is changed while messages wait that the former one has signed: nothing is lost, nothing is taken for forged.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use lib 'test/lib';
use Personalize;

my $node = start_shop('main');
my $file = $node->data_dir . '/personalize.key';
my $read = "BEGIN; SET LOCAL ROLE app; SET LOCAL personalize.purpose = 'ads'; SELECT count(*) FROM customer; COMMIT";

sub change_key
{
	my ($change) = @_;
	my $text = slurp_file($file);

	$text = $change->($text);
	open(my $fh, '>', $file) or die "$file: $!";
	print $fh $text;
	close($fh);
	chmod(0600, $file);
}

sub state
{
	return $node->safe_psql('postgres', q{
		SELECT personalize.audit_sync() \g /dev/null
		SELECT (SELECT count(*) FROM personalize.usage WHERE relation = 'customer'::regclass AND status = 'ended'),
			(SELECT count(*) FROM personalize.audit_gap), (SELECT ok FROM personalize.verify_audit()),
			(SELECT bool_and(ok) FROM personalize.status())});
}

# A use that the worker cannot write down before the server stops
sub stop_with_a_use_that_waits
{
	my $lock = $node->background_psql('postgres');

	$lock->query_safe('BEGIN; LOCK TABLE personalize.audit_position IN SHARE ROW EXCLUSIVE MODE');
	$node->safe_psql('postgres', $read);
	$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'personalize audit worker' AND wait_event_type = 'Lock'") or die 'the worker does not wait';
	$node->stop('immediate');
	eval { $lock->quit; };
}

$node->safe_psql('postgres', $read);
is(state(), '1|0|t|t', 'before');
stop_with_a_use_that_waits();
change_key(sub { my ($text) = @_; $text =~ s/^audit /audit_previous /m; return 'audit ' . ('5a' x 32) . "\n$text"; });
$node->start;
is(state(), '2|0|t|t', 'what the former key has signed is believed');
$node->safe_psql('postgres', $read);
is(state(), '3|0|t|t', 'the new one signs');

$node->stop;
change_key(sub { my ($text) = @_; $text =~ s/^audit_previous .*\n//m; return $text; });
$node->start;
is(state(), '3|0|t|t', 'without the former key');

# Without keeping the former one
my $offset = -s $node->logfile;
stop_with_a_use_that_waits();
change_key(sub { my ($text) = @_; $text =~ s/^audit .*$/'audit ' . ('a5' x 32)/me; return $text; });
$node->start;
is(state(), '3|1|t|f', 'a key that is lost is on record as a gap, and status() complains');
ok($node->log_contains(qr/rejected a forged message/, $offset), '... and what it has signed is not believed');
is($node->safe_psql('postgres', 'SELECT reason FROM personalize.audit_gap'), 'the position was changed', '... with its reason');
$node->safe_psql('postgres', $read);
is(state(), '4|1|t|f', '... and what comes after is on record');

# Malformed
$node->stop;
change_key(sub { my ($text) = @_; return "audit_previous 00\n$text"; });
is($node->start(fail_ok => 1), 0, 'a former key that is malformed stops the start');
ok($node->log_contains(qr/key file ".*" is malformed/, $offset), '... and says so');

done_testing();
