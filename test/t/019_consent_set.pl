# The consent set follows restarts, crashes, prepared transactions, ends of consent, memory limits and databases that go;
# without it consent is read from the ledger.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use lib 'test/lib';
use Personalize;

my $node = start_shop('main', 'max_prepared_transactions = 5', 'restart_after_crash = on', 'personalize.consent_memory = 64MB');
my $seen = "BEGIN; SET LOCAL ROLE app; SET LOCAL personalize.purpose = 'ads'; SELECT string_agg(id::text, ',' ORDER BY id) FROM customer; COMMIT";

sub seen
{
	my ($wanted, $name) = @_;

	is($node->safe_psql('postgres', $seen), $wanted, $name);
}

# The set is there, nothing is pending, and it says what the ledger says.
sub settled
{
	my ($name) = @_;

	ok($node->poll_query_until('postgres', "SELECT state = 'ready' AND pending = 0 FROM personalize.consent_set_internal()"), "$name: the set is ready");
	# a transaction older than the set may be running
	$node->poll_query_until('postgres', 'SELECT answered > 0 FROM personalize.consent_set_check_internal(NULL)') or die 'the set does not answer';
	is($node->safe_psql('postgres', 'SELECT wrong FROM personalize.consent_set_check_internal(NULL)'), '0', "$name: it says what the ledger says");
}

sub worker
{
	return $node->safe_psql('postgres', 'SELECT pid FROM personalize.consent_set_internal()');
}

seen('1,2,3', 'consent is read from the ledger at first');
settled('start');
seen('1,2,3', 'and from the set');

# who sees what while a cursor and a transaction of before are open
my $old = $node->background_psql('postgres', on_error_stop => 1);
$old->query_safe("BEGIN ISOLATION LEVEL REPEATABLE READ; SET LOCAL ROLE app; SET LOCAL personalize.purpose = 'ads';
	DECLARE c CURSOR FOR SELECT id FROM customer ORDER BY id; FETCH 1 FROM c;");
$node->safe_psql('postgres', "SELECT personalize.withdraw_consent(3, 'ads'), personalize.grant_consent(4, 'ads')");
seen('1,2,4', 'a change binds the next statement');
is($old->query_safe('FETCH ALL FROM c'), "2\n3", 'a cursor keeps the consent it was opened with');
is($old->query_safe('SELECT string_agg(id::text, \',\' ORDER BY id) FROM customer'), '1,2,4', 'a new statement of an old transaction does not');
is($node->safe_psql('postgres', 'SELECT pending > 0 FROM personalize.consent_set_internal()'), 't', 'the mark stays while somebody may see what was before');
$old->query_safe('COMMIT');
settled('changed');
seen('1,2,4', 'folded');

# a prepared transaction over a crash: the set is made anew while nobody knows how it ends
$node->safe_psql('postgres', "BEGIN; SELECT personalize.withdraw_consent(1, 'ads'), personalize.grant_consent(5, 'ads'); PREPARE TRANSACTION 'choice'");
$node->stop('immediate');
$node->start;
seen('1,2,4', 'a prepared transaction binds nobody');
$node->poll_query_until('postgres', "SELECT state = 'ready' FROM personalize.consent_set_internal()") or die 'there is no set';
seen('1,2,4', 'nor after the set was made anew');
is($node->safe_psql('postgres', 'SELECT pending FROM personalize.consent_set_internal()'), '2', 'whom it is about is marked');
$node->safe_psql('postgres', "COMMIT PREPARED 'choice'");
seen('2,4,5', 'it binds once it is committed');
settled('prepared');
seen('2,4,5', 'folded');

# the end of a consent is exact, and then folded
$node->safe_psql('postgres', "SELECT personalize.grant_consent(2, 'ads', expires_at => clock_timestamp() + interval '2 seconds')");
seen('2,4,5', 'a consent that ends soon holds');
is($node->safe_psql('postgres', 'SELECT pending FROM personalize.consent_set_internal()'), '1', 'who consented until soon is marked');
ok($node->poll_query_until('postgres', "SELECT personalize.consent_state(2, 'ads') = 'expired'"), 'it ends');
seen('4,5', 'and does not hold any more');
settled('ended');
seen('4,5', 'folded');

# the consent worker goes
for my $signal ('TERM', 'KILL')
{
	my $pid = worker();

	kill $signal, $pid;
	# KILL: the server starts anew
	$node->poll_query_until('postgres', "SELECT pid IS DISTINCT FROM $pid FROM personalize.consent_set_internal()") or die 'the worker is still there';
	$node->poll_query_until('postgres', "SELECT true") or die 'no server';
	$node->safe_psql('postgres', "SELECT personalize.grant_consent(1, 'ads')");
	seen('1,4,5', "$signal: consent is read from the ledger");
	settled($signal);
	seen('1,4,5', "$signal: and from another set");
	$node->safe_psql('postgres', "SELECT personalize.withdraw_consent(1, 'ads')");
	seen('4,5', "$signal: a withdrawal binds");
}

# no memory
$node->append_conf('postgresql.conf', 'personalize.consent_memory = 1MB');
$node->reload;
$node->safe_psql('postgres', q{
	CREATE TABLE many AS SELECT i AS subject, 'ads' AS purpose, 'given' AS action FROM generate_series(6, 100000) AS i;
	SELECT personalize.record_consents('many');
	INSERT INTO customer SELECT i, 'x' FROM generate_series(6, 1000) AS i});
ok($node->poll_query_until('postgres', "SELECT state IN ('none', 'loading') FROM personalize.consent_set_internal()"), 'what does not fit is not there');
is($node->safe_psql('postgres', "BEGIN; SET LOCAL personalize.purpose = 'ads'; SELECT count(*) FROM customer; COMMIT"), '997', 'the ledger is read');
ok($node->log_contains('there is no memory left; see personalize.consent_memory'), 'the log says why');
is($node->safe_psql('postgres', "SELECT ok, hint LIKE '%personalize.consent_memory%' FROM personalize.status() WHERE check_name = 'consent set'"), 't|t', 'so does status()');
$node->append_conf('postgresql.conf', 'personalize.consent_memory = 256MB');
$node->reload;
settled('more memory');
is($node->safe_psql('postgres', "BEGIN; SET LOCAL personalize.purpose = 'ads'; SELECT count(*) FROM customer; COMMIT"), '997', 'the set is read');
$node->append_conf('postgresql.conf', 'personalize.consent_memory = 0');
$node->reload;
ok($node->poll_query_until('postgres', "SELECT state = 'off' AND pid IS NULL FROM personalize.consent_set_internal()"), 'switched off');
is($node->safe_psql('postgres', "BEGIN; SET LOCAL personalize.purpose = 'ads'; SELECT count(*) FROM customer; COMMIT"), '997', 'the ledger is read');
$node->append_conf('postgresql.conf', 'personalize.consent_memory = 256MB');
$node->reload;
settled('on again');

# more persons than there was room for
$node->safe_psql('postgres', q{
	SELECT setval('personalize.subject_no_seq', 3000000);
	CREATE TABLE more AS SELECT i AS subject, 'ads' AS purpose, 'given' AS action FROM generate_series(100001, 100100) AS i;
	SELECT personalize.record_consents('more')});
ok($node->poll_query_until('postgres', q{SELECT c.answered = c.asked FROM personalize.consent_set_internal() AS s,
	LATERAL (SELECT * FROM personalize.consent_set_check_internal(ARRAY(SELECT purpose_id FROM personalize.registry_purpose WHERE name = 'ads')) WHERE s.pending = 0) AS c}),
	'a set that has grown too small is made anew');

# another database: its worker lets it go
$node->safe_psql('postgres', 'CREATE DATABASE other');
$node->safe_psql('other', q{
	CREATE EXTENSION personalize;
	CREATE TABLE t (id integer);
	SELECT personalize.define_purpose('ads', 'for tests');
	SELECT personalize.protect('t', 'id');
	SELECT personalize.grant_consent(1, 'ads');
	SET personalize.purpose_scope = session; SET personalize.purpose = 'ads'; SELECT * FROM t});
ok($node->poll_query_until('other', "SELECT state = 'ready' FROM personalize.consent_set_internal()"), 'another database has a set of its own');
$node->safe_psql('postgres', 'DROP DATABASE other');
pass('it can be dropped');
$node->safe_psql('postgres', q{SELECT personalize.unprotect('customer'); DROP EXTENSION personalize});
ok($node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'personalize consent worker'"), 'without an extension there is no worker');

$node->stop;
done_testing();
