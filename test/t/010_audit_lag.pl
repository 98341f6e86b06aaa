# A worker that falls behind does not lose records to max_slot_wal_keep_size: protected reads are refused before.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use lib 'test/lib';
use Personalize;

my $node = start_shop('main', "max_slot_wal_keep_size = '64MB'");
my $read = "BEGIN; SET LOCAL ROLE app; SET LOCAL personalize.purpose = 'ads'; SELECT count(*) FROM customer; COMMIT";

# WAL of others alone is no reason: the worker reads it
sub fill { $node->safe_psql('postgres', "SELECT count(pg_logical_emit_message(false, 'other', repeat('x', 1000000))) FROM generate_series(1, 40)"); }
is($node->safe_psql('postgres', $read), '3', 'a read');
fill();
is($node->safe_psql('postgres', $read), '3', 'a read after much WAL');
$node->safe_psql('postgres', 'SELECT personalize.audit_sync()');

# The worker waits for a lock
my $lock = $node->background_psql('postgres');
$lock->query_safe('BEGIN; LOCK TABLE personalize.audit_use');
is($node->safe_psql('postgres', $read), '3', 'a read that the worker cannot store yet');
$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'personalize audit worker' AND wait_event_type = 'Lock'})
	or die 'the worker does not wait';
fill();
my ($status, $out, $err) = $node->psql('postgres', $read);
isnt($status, 0, 'reads are refused while records could be thrown away');
like($err, qr/the use of protected relations cannot be recorded in this database/, '... with a reason');
like($err, qr/max_slot_wal_keep_size/, '... and a hint');
is($out, '', '... and no rows');
($status, $out, $err) = $node->psql('postgres', 'SELECT personalize.erase_subject(4)');
like($err, qr/the use of protected relations cannot be recorded in this database.*\n.*max_slot_wal_keep_size/, 'so are erasures, with the same reason and hint');
is($node->safe_psql('postgres', 'SELECT count(*) FROM pg_class') > 0, 1, 'what is not protected can be read');
$lock->query_safe('COMMIT');
$lock->quit;

is($node->safe_psql('postgres', $read), '3', 'reads go on as soon as the worker does');
$node->safe_psql('postgres', 'SELECT personalize.audit_sync()');
is($node->safe_psql('postgres', 'SELECT count(*) FROM personalize.audit_gap'), '0', 'nothing was lost');
is($node->safe_psql('postgres', q{SELECT count(*) FROM personalize.usage WHERE relation = 'customer'::regclass AND status = 'ended'}), '4', 'every read is on record');
is($node->safe_psql('postgres', 'SELECT ok FROM personalize.verify_audit()'), 't', 'the chain holds');

# what could take the WAL away while there is no worker
SKIP:
{
	skip 'slots are not taken away for being idle before PostgreSQL 18', 2 if $node->safe_psql('postgres', 'SHOW server_version_num') < 180000;
	my $said = q{SELECT ok, detail, hint <> '' FROM personalize.status() WHERE check_name = 'audit idle_replication_slot_timeout'};

	is($node->safe_psql('postgres', $said), '', 'status() has nothing to say of a timeout that is not set');
	set_lines($node, "idle_replication_slot_timeout = '10min'");
	is($node->safe_psql('postgres', $said), 'f|10min|t', 'but of one that is');
}

$node->stop;
done_testing();
