# A database beyond personalize.max_databases: nothing protected is read there, it says why, and the server and the other database go on.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use lib 'test/lib';
use Personalize;

my $node = start_shop('main', 'personalize.max_databases = 1');

$node->safe_psql('postgres', "SELECT personalize.audit_sync()");
$node->safe_psql('postgres', 'CREATE DATABASE second');
$node->safe_psql('second', q{
	CREATE EXTENSION personalize;
	CREATE TABLE customer (id integer PRIMARY KEY, name text);
	INSERT INTO customer VALUES (1, 'name1');
	SELECT personalize.define_category('general', 'for tests');
	SELECT personalize.define_purpose('ads', 'for tests', categories => '{general}');
	SELECT personalize.protect('customer', 'id', columns => '{"*":"general"}');
	SELECT personalize.grant_consent(1, 'ads');});

my $read = "BEGIN; SET LOCAL personalize.purpose = 'ads'; SELECT name FROM customer WHERE id = 1; COMMIT";
my ($ret, $out, $err) = $node->psql('second', $read);
is($out, '', 'nothing is read there');
like($err, qr/ERROR:.*\n(?:.*\n)*HINT:.*max_databases/, '... and the hint names the setting');

# none of the functions that wait for the worker needs what is not there
foreach my $call ("audit_sync()", "audit_end_sync_internal('0/1')", "audit_begin_sync_internal('customer')", "verify_audit()", "audit_head()", "status()",
	"read_metrics(true)")
{
	($ret, $out, $err) = $node->psql('second', "SELECT count(*) FROM personalize.$call");
	unlike($err, qr/server closed the connection|terminat/, "$call does not crash");
}
is($node->safe_psql('second', "SELECT count(*) > 0 FROM personalize.status() WHERE NOT ok AND check_name LIKE 'audit%'"), 't', 'status() says so');
is($node->safe_psql('postgres', $read), 'name1', 'the other database goes on');
unlike(slurp_file($node->logfile), qr/terminated by signal/, 'nothing has crashed');

$node->stop;
done_testing();
