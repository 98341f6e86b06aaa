# A lease is not longer than what the WAL says of it, whatever settings change, and belongs to the extension that it was
# written for.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use lib 'test/lib';
use Personalize;

my $node = start_shop('main', 'personalize.audit_lease = 1', 'wal_writer_delay = 10');
my $session = $node->background_psql('postgres', on_error_stop => 1);

# Uses personal data, and returns the number of the use with which the newest lease was written.
sub use_some
{
	$session->query_safe("BEGIN; SET LOCAL ROLE app; SET LOCAL personalize.purpose = 'ads'; SELECT name FROM customer WHERE id = 2; COMMIT;");
	$node->safe_psql('postgres', 'SELECT personalize.audit_sync()');
	return $node->safe_psql('postgres', 'SELECT max(use_no) FROM personalize.audit_lease');
}

sub set
{
	my ($line) = @_;

	$node->append_conf('postgresql.conf', "$line\n");
	$node->reload;
	my ($name, $value) = split / = /, $line;
	$node->poll_query_until('postgres', "SELECT setting = '$value' FROM pg_settings WHERE name = '$name'") or die "$line was not loaded";
}

is(use_some(), 1, 'the first use has a lease');
set('personalize.audit_lease = 3600');
my $over = $node->safe_psql('postgres', "SELECT max(expires_at) FROM personalize.audit_lease");
$node->poll_query_until('postgres', "SELECT clock_timestamp() > '$over'") or die 'time stands still';
is(use_some(), 2, 'a lease runs out as it was written, though the setting is longer now');
is(use_some(), 2, 'and the next one is as long as the setting');
set('wal_writer_delay = 200');
is(use_some(), 4, 'WAL that stays unflushed for longer ends a lease, too');
is(use_some(), 4, 'once');

$node->safe_psql('postgres', q{
	SELECT personalize.unprotect('customer');
	DROP EXTENSION personalize;
	CREATE EXTENSION personalize;
	SELECT personalize.define_category('general', 'for tests');
	SELECT personalize.define_purpose('ads', 'for tests', categories => '{general}');
	SELECT personalize.grant_purpose('ads', 'app');
	SELECT personalize.protect('customer', 'id', columns => '{"*":"general"}');
	SELECT personalize.grant_consent(i, 'ads') FROM generate_series(1, 3) AS i;});
is(use_some(), 6, 'an extension that was created anew holds no lease of before');

$session->quit;
$node->stop;
done_testing();
