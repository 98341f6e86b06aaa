# A dump is whole and says so, or fails; what is restored from it is protected, in another database and in another cluster.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use lib 'test/lib';
use Personalize;

my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump';

sub new_node
{
	my ($name) = @_;
	my $n = start_node($name);

	$n->safe_psql('postgres', 'CREATE ROLE owner LOGIN; CREATE ROLE app LOGIN; CREATE ROLE duty LOGIN');
	return $n;
}

my $node = new_node('main');
$node->safe_psql('postgres', 'CREATE DATABASE source');
$node->safe_psql('source', q{
	CREATE EXTENSION personalize;
	CREATE SCHEMA shop AUTHORIZATION owner;
	GRANT USAGE ON SCHEMA shop TO app, duty;
	/* columns that were dropped before make the numbers of the others differ after a restore */
	CREATE TABLE shop.customer (gone1 integer, id integer PRIMARY KEY, gone2 text, name text, "odd ""name" text, secret text);
	ALTER TABLE shop.customer DROP COLUMN gone1, DROP COLUMN gone2;
	INSERT INTO shop.customer SELECT i, 'name' || i, 'odd', 'secret' FROM generate_series(1, 5) AS i;
	CREATE TABLE shop.visit (gone integer, page text, id integer, day integer) PARTITION BY LIST (day);
	ALTER TABLE shop.visit DROP COLUMN gone;
	CREATE TABLE shop.visit_1 PARTITION OF shop.visit FOR VALUES IN (1);
	CREATE TABLE shop.visit_2 PARTITION OF shop.visit FOR VALUES IN (2);
	INSERT INTO shop.visit SELECT 'page', i, 1 + i % 2 FROM generate_series(1, 5) AS i;
	CREATE TABLE shop.tenant (id integer, tenant text);
	INSERT INTO shop.tenant SELECT i, CASE WHEN i < 3 THEN 'a' ELSE 'b' END FROM generate_series(1, 5) AS i;
	ALTER TABLE shop.tenant ENABLE ROW LEVEL SECURITY;
	CREATE POLICY tenant ON shop.tenant USING (tenant = 'a');
	CREATE TABLE shop.basket (gone integer, id integer PRIMARY KEY, customer integer);
	ALTER TABLE shop.basket DROP COLUMN gone;
	CREATE TABLE shop.thing (gone integer, basket integer REFERENCES shop.basket, what text);
	ALTER TABLE shop.thing DROP COLUMN gone;
	INSERT INTO shop.basket SELECT i * 10, i FROM generate_series(1, 4) AS i;
	INSERT INTO shop.thing SELECT i * 10, 'of ' || i FROM generate_series(1, 4) AS i;
	ALTER TABLE shop.customer OWNER TO owner; ALTER TABLE shop.visit OWNER TO owner; ALTER TABLE shop.tenant OWNER TO owner;
	GRANT ALL ON ALL TABLES IN SCHEMA shop TO app;
	SELECT personalize.define_category('general', 'for tests');
	SELECT personalize.define_category('other', 'for tests');
	SELECT personalize.define_purpose('ads', 'for tests', categories => '{general}');
	SELECT personalize.grant_purpose('ads', 'app');
	SELECT personalize.assign_duty('duty', 'app');
	SELECT personalize.protect('shop.customer', 'id', columns => '{"name":"general","odd \"name":"general","secret":"other"}');
	SELECT personalize.protect('shop.visit', 'id', columns => '{"*":"general"}');
	SELECT personalize.protect('shop.tenant', 'id', columns => '{"*":"general"}');
	SELECT personalize.protect('shop.basket', 'customer', columns => '{"*":"general"}');
	SELECT personalize.protect('shop.thing', via => 'basket', columns => '{"*":"general"}');
	SELECT personalize.grant_consent(i, 'ads') FROM generate_series(1, 3) AS i;
	SELECT personalize.withdraw_consent(2, 'ads');
	SELECT personalize.define_notice('shop', '1', 'en', 'We use it.', '{ads}');
	SELECT personalize.set_consent_lifetime('ads', '1 year');
	SELECT personalize.set_purpose_jurisdiction('ads', 'US-CA', 'opt_out'), personalize.set_jurisdiction(6, 'US-CA');
	SELECT personalize.set_minor(7, '2999-01-01'), personalize.set_guardian(7, '1');
	SELECT personalize.erase_subject(5);});

# Without a purpose, nothing is dumped in silence
$node->command_checks_all([ 'pg_dump', '-Fc', '-f', "$dump.none", $node->connstr('source') ],
	1, [qr/^$/], [qr/ERROR: .*without a purpose.*PGOPTIONS='-c personalize.purpose=backup' pg_dump/s], 'a plain pg_dump fails and says what to do');
{
	local $ENV{PGOPTIONS} = '-c personalize.purpose=ads';
	$node->command_checks_all([ 'pg_dump', '-Fc', '-f', "$dump.ads", $node->connstr('source') ],
		1, [qr/^$/], [qr/ERROR: .*row_security is off/s], 'nor is a filtered backup made');
}
{
	local $ENV{PGOPTIONS} = '-c personalize.purpose=backup';
	$node->command_ok([ 'pg_dump', '-Fc', '-f', "$dump.custom", $node->connstr('source') ], 'pg_dump for the purpose backup');
	$node->command_ok([ 'pg_dump', '-f', "$dump.sql", $node->connstr('source') ], '... as a script');
}
my $script = slurp_file("$dump.sql");
like($script, qr/^1\tname1\todd\tsecret$/m, 'the dump holds who agreed');
like($script, qr/^4\tname4\todd\tsecret$/m, '... and who did not');
unlike($script, qr/^5\tname5/m, '... and not who was erased');
is($node->safe_psql('source', q{
	SELECT personalize.audit_sync() \g /dev/null
	SELECT bool_and(status = 'ended' AND subjects_used > 0), count(DISTINCT relation) > 2 FROM personalize.usage WHERE purpose = 'backup'}),
	't|t', 'the backup is on record');

# What must hold of a restored database
sub check_restored
{
	my ($n, $db, $name) = @_;
	my $begin = "BEGIN; SET LOCAL ROLE app; SET LOCAL personalize.purpose = 'ads';";
	my ($ret, $out, $err);

	($ret, $out, $err) = $n->psql($db, 'SET ROLE app; SELECT name FROM shop.customer');
	like($err, qr/without a purpose/, "$name: a purpose is needed");
	is($n->safe_psql($db, "$begin SELECT id, name, \"odd \"\"name\" FROM shop.customer ORDER BY id; COMMIT"), "1|name1|odd\n3|name3|odd", "$name: rows are filtered");
	is($n->safe_psql($db, "$begin SELECT what FROM shop.thing ORDER BY what; COMMIT"), "of 1\nof 3", "$name: so are rows that lead to subjects by a foreign key");
	($ret, $out, $err) = $n->psql($db, "$begin SELECT secret FROM shop.customer; COMMIT");
	like($err, qr/column "secret" of protected relation shop.customer holds category "other"/, "$name: columns have their categories");
	is($n->safe_psql($db, "$begin SELECT id FROM shop.visit ORDER BY id; SELECT id FROM shop.visit_1 ORDER BY id; SELECT id FROM shop.visit_2 ORDER BY id; COMMIT"), "1\n3\n1\n3", "$name: partitions are filtered");
	is($n->safe_psql($db, "$begin SELECT id FROM shop.tenant ORDER BY id; COMMIT"), '1', "$name: the application's policies are in force");
	is($n->safe_psql($db, "BEGIN; SET LOCAL personalize.purpose = 'ads'; SELECT id FROM shop.tenant ORDER BY id; COMMIT"), "1\n3", "$name: the superuser is filtered");
	($ret, $out, $err) = $n->psql($db, "BEGIN; SET LOCAL ROLE owner; SET LOCAL personalize.purpose = 'ads'; SELECT id FROM shop.customer; COMMIT");
	like($err, qr/role "owner" may not use personal data for purpose "ads"/, "$name: grants are those of before");
	is($n->safe_psql($db, "BEGIN; SET LOCAL personalize.purpose = 'backup'; SELECT count(*) FROM shop.customer; COMMIT"), '4', "$name: all rows are there");
	is($n->safe_psql($db, "SELECT string_agg(personalize.consent_state(i, 'ads'), ',' ORDER BY i) FROM generate_series(1, 5) AS i"),
		'given,withdrawn,given,unknown,erased', "$name: the ledger is there, and who was erased stays erased");
	is($n->safe_psql($db, q{SELECT (SELECT count(*) FROM personalize.notices), (SELECT count(*) FROM personalize.consent_lifetimes), (SELECT count(*) FROM personalize.purpose_jurisdictions),
			personalize.consent_state(6, 'ads'), personalize.is_minor(7), (SELECT guardian FROM personalize.guardians_of(7))}),
		'1|1|1|presumed|t|1', "$name: notices, jurisdictions, minors and guardians are there");
}

sub restored
{
	my ($n, $db, $name) = @_;

	is($n->safe_psql($db, q{SELECT ok, hint <> '' FROM personalize.status() WHERE check_name = 'registry'}), 'f|t', "$name: status() says that the registry is from elsewhere, and what to do");
	is($n->safe_psql($db, q{SELECT bool_and(ok) FROM personalize.status()}), 'f', "$name: ... and is not all right");
	check_restored($n, $db, $name);
	# the first change of the registry adopts it
	$n->safe_psql($db, q{SELECT personalize.define_category('more', 'for tests')});
	is($n->safe_psql($db, q{SELECT coalesce(string_agg(check_name || ': ' || detail, '; '), 'none') FROM personalize.status() WHERE NOT ok}), 'none', "$name: adopted, status() is all right");
	check_restored($n, $db, "$name, adopted");
	$n->safe_psql($db, 'SELECT personalize.audit_sync()');
	is($n->safe_psql($db, 'SELECT ok FROM personalize.verify_audit()'), 't', "$name: the record of use verifies, with what came after");
	$n->safe_psql($db, q{SELECT personalize.grant_consent(4, 'ads'); SELECT personalize.withdraw_consent(3, 'ads')});
	is($n->safe_psql($db, "BEGIN; SET LOCAL ROLE app; SET LOCAL personalize.purpose = 'ads'; SELECT id FROM shop.customer ORDER BY id; COMMIT"), "1\n4", "$name: consent goes on");
	is($n->safe_psql($db, q{SET ROLE duty; SELECT personalize.permitted(4, 'ads')}), 't', "$name: duties are there");
	$n->safe_psql($db, q{SELECT personalize.unprotect('shop.customer'); SELECT personalize.unprotect('shop.visit')});
	is($n->safe_psql($db, 'SELECT count(*) FROM shop.customer; SELECT count(*) FROM shop.visit; SELECT count(*) FROM pg_policy AS p WHERE p.polrelid::regclass::text ~ \'customer|visit\''), "4\n4\n0", "$name: protection can be taken back");
}

# Into another database whose OIDs are others
$node->safe_psql('postgres', 'CREATE DATABASE target');
$node->safe_psql('target', join('', map { "CREATE TABLE filler_$_ (id integer PRIMARY KEY);" } 1 .. 20));
$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', $node->connstr('target'), "$dump.custom" ], 'restore into another database');
isnt($node->safe_psql('source', q{SELECT 'shop.customer'::regclass::oid}), $node->safe_psql('target', q{SELECT 'shop.customer'::regclass::oid}), 'the OIDs differ');
isnt($node->safe_psql('source', q{SELECT attnum FROM pg_attribute WHERE attrelid = 'shop.customer'::regclass AND attname = 'id'}),
	$node->safe_psql('target', q{SELECT attnum FROM pg_attribute WHERE attrelid = 'shop.customer'::regclass AND attname = 'id'}), 'the numbers of columns differ');
restored($node, 'target', 'another database');

# A restore that takes its time: the worker is there before the record of use is
$node->safe_psql('postgres', 'CREATE DATABASE slow');
$node->command_ok([ 'pg_restore', '--section=pre-data', '--exit-on-error', '-d', $node->connstr('slow'), "$dump.custom" ], 'the definitions alone');
$node->safe_psql('slow', 'SELECT personalize.audit_sync()');
$node->command_ok([ 'pg_restore', '--section=data', '--section=post-data', '--exit-on-error', '-d', $node->connstr('slow'), "$dump.custom" ], '... and the data later');
is($node->safe_psql('slow', 'SELECT personalize.audit_sync() \\g /dev/null
	SELECT count(*) FROM personalize.audit_gap'), '0', '... leaves no gap');
restored($node, 'slow', 'a slow restore');

# Into another cluster, from the script; tombstones need the key file
my $other = new_node('other');
$other->stop;
copy_key($node, $other);
$other->start;
$other->safe_psql('postgres', 'CREATE DATABASE target');
$other->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-o', '/dev/null', '-f', "$dump.sql", $other->connstr('target') ], 'restore into another cluster');
restored($other, 'target', 'another cluster');

sub copy_key
{
	my ($from, $to) = @_;
	my $key = $to->data_dir . '/personalize.key';

	unlink($key);
	open(my $fh, '>', $key) or die "$key: $!";
	binmode($fh);
	print $fh slurp_file($from->data_dir . '/personalize.key');
	close($fh);
	chmod(0600, $key);
}

# A database that is copied as a template has another OID
$node->safe_psql('postgres', 'CREATE DATABASE copied TEMPLATE source');
check_restored($node, 'copied', 'a copied database');

$other->stop;
$node->stop;
done_testing();
