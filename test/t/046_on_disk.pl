# What was said about persons and purposes is on disk when its commit returns, whatever synchronous_commit says: a crash
# takes no withdrawal, no erasure and no revoked purpose back.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use lib 'test/lib';
use Personalize;

# nobody else writes the log to disk
my $node = start_shop('main', 'synchronous_commit = off', 'wal_writer_delay = 10s', 'wal_writer_flush_after = 1GB', 'autovacuum = off', 'checkpoint_timeout = 1h');

# The answer to a question after a crash that follows a statement at once.
sub after
{
	my ($statement, $question) = @_;

	$node->safe_psql('postgres', $statement);
	$node->stop('immediate');
	$node->start;
	return $node->safe_psql('postgres', $question);
}

is(after('CREATE TABLE lost ()', "SELECT to_regclass('lost')"), '', 'what others commit is lost');
is(after("SELECT personalize.withdraw_consent(1, 'ads')", "SELECT personalize.consent_state(1, 'ads')"), 'withdrawn', 'a withdrawal is not');
is(after('SELECT personalize.restrict_processing(2)', "SELECT personalize.consent_state(2, 'ads')"), 'restricted', 'nor is a restriction');
is(after('SELECT personalize.erase_subject(3)', "SELECT personalize.consent_state(3, 'ads')"), 'erased', 'nor an erasure');
# of whom nothing was said
is(after('SELECT personalize.erase_subject(4)', q{BEGIN; SET LOCAL personalize.purpose = 'backup'; SELECT count(*) FROM customer WHERE id IN (3, 4)}),
	'0', 'nor that of rows of somebody who never said anything');
is(after("SELECT personalize.revoke_purpose('ads', 'app')", "SELECT granted_to FROM personalize.purposes WHERE name = 'ads'"), '{}',
	'nor that a role may not use data for a purpose any more');

$node->stop;
done_testing();
