# However the extension is dropped, relations stay closed to whom row security binds, and whoever did it is told which and how to open
# them. What opens them does, and the extension can be made anew.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use lib 'test/lib';
use Personalize;

my $node = start_node('main');
my $db = 0;

$node->safe_psql('postgres', 'CREATE ROLE owner LOGIN; CREATE ROLE app LOGIN; CREATE ROLE boss LOGIN SUPERUSER');

# A database with the extension, owned by the superuser boss, and five protected relations
sub database
{
	my $name = 'db' . ++$db;

	$node->safe_psql('postgres', "CREATE DATABASE $name");
	$node->safe_psql($name, q{
		SET ROLE boss; CREATE EXTENSION personalize; RESET ROLE;
		CREATE SCHEMA "My Shop" AUTHORIZATION owner; GRANT USAGE ON SCHEMA "My Shop" TO app;
		CREATE TABLE "My Shop".customer (id integer PRIMARY KEY, name text);
		CREATE TABLE "My Shop".visit (id integer, day integer) PARTITION BY LIST (day);
		CREATE TABLE "My Shop".visit_1 PARTITION OF "My Shop".visit FOR VALUES IN (1);
		CREATE TABLE "My Shop".ruled (id integer);
		CREATE TABLE "My Shop".of_boss (id integer);
		CREATE TABLE "My Shop".free (id integer);
		ALTER TABLE "My Shop".ruled ENABLE ROW LEVEL SECURITY; CREATE POLICY mine ON "My Shop".ruled USING (id < 3);
		INSERT INTO "My Shop".customer SELECT i, 'name' || i FROM generate_series(1, 4) AS i;
		INSERT INTO "My Shop".visit SELECT i, 1 FROM generate_series(1, 4) AS i;
		INSERT INTO "My Shop".ruled SELECT i FROM generate_series(1, 4) AS i;
		INSERT INTO "My Shop".free SELECT i FROM generate_series(1, 4) AS i;
		ALTER TABLE "My Shop".customer OWNER TO owner; ALTER TABLE "My Shop".visit OWNER TO owner; ALTER TABLE "My Shop".visit_1 OWNER TO owner;
		ALTER TABLE "My Shop".ruled OWNER TO owner; ALTER TABLE "My Shop".of_boss OWNER TO boss;
		GRANT ALL ON ALL TABLES IN SCHEMA "My Shop" TO app;
		SELECT personalize.protect(r, 'id') FROM unnest('{"\"My Shop\".customer","\"My Shop\".visit","\"My Shop\".ruled","\"My Shop\".of_boss"}'::regclass[]) AS r;});
	return $name;
}

sub rows
{
	my ($in, $role, $table) = @_;

	return $node->safe_psql($in, qq{SET ROLE $role; SELECT count(*) FROM "My Shop".$table});
}

my $closed = qr/WARNING:  extension "personalize" was dropped, and relations that it protected stay closed by row security: "My Shop".customer, "My Shop".visit, "My Shop".visit_1/;

sub dropped
{
	my ($in, $err, $name, $others) = @_;

	like($err, qr/${closed}$others\nDETAIL:  .*BYPASSRLS.*\nHINT:  .*DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY\./, "$name: which relations stay closed, and how to open them");
	like($err, qr/WARNING:  extension "personalize" was dropped, and only policies of their own guard relations that it protected: "My Shop".ruled\n/, "$name: ... and which are not");
	is(() = $err =~ /WARNING/g, 2, "$name: ... once");
	foreach my $role (qw(app owner))
	{
		is(rows($in, $role, $_), '0', "$name: $role finds nothing in $_") foreach qw(customer visit visit_1);
		is(rows($in, $role, 'ruled'), '2', "$name: $role: policies of the application are in force");
	}
	is(rows($in, 'app', 'free'), '4', "$name: what was not protected is open");
}

my @ways = (
	[ 'DROP EXTENSION personalize CASCADE', qr/, "My Shop".of_boss/ ],
	[ 'DROP SCHEMA personalize CASCADE', qr/, "My Shop".of_boss/ ],
	[ 'DROP OWNED BY boss CASCADE', qr// ],
	[ 'DO $$BEGIN EXECUTE \'DROP EXTENSION personalize CASCADE\'; END$$', qr/, "My Shop".of_boss/ ]);
foreach my $way (@ways)
{
	my $in = database();
	my ($ret, $out, $err) = $node->psql($in, $way->[0] =~ s/ CASCADE//r);

	if ($way->[0] =~ /^DROP/)
	{
		like($err, qr/ERROR:  cannot drop .* because other objects depend on (it|them)/, "$way->[0]: not without CASCADE");
		unlike($err, qr/WARNING/, '... and nothing is said of what was not done');
	}
	# what is taken back is not said later on
	($ret, $out, $err) = $node->psql($in, "BEGIN; SET client_min_messages = warning; DROP POLICY mine ON \"My Shop\".ruled; ROLLBACK; SELECT personalize.unprotect('\"My Shop\".of_boss'), personalize.protect('\"My Shop\".of_boss', 'id')");
	is($err, '', "$way->[0]: commands that drop policies say nothing");
	($ret, $out, $err) = $node->psql($in, "SET client_min_messages = warning; $way->[0]");
	is($ret, 0, $way->[0]);
	dropped($in, $err, $way->[0], $way->[1]);
	# as the hint says
	$node->safe_psql($in, 'ALTER TABLE "My Shop".customer DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY');
	is(rows($in, 'app', 'customer'), '4', "$way->[0]: ... which opens it");
	# and back again
	$node->safe_psql($in, 'ALTER TABLE "My Shop".visit DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY; ALTER TABLE "My Shop".visit_1 DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY');
	is($node->safe_psql($in, q{CREATE EXTENSION personalize; SELECT personalize.define_purpose('service', 'for tests', 'contract'), personalize.grant_purpose('service', 'app');
		SELECT personalize.protect(r, 'id') FROM unnest('{"\"My Shop\".customer","\"My Shop\".visit"}'::regclass[]) AS r \g /dev/null
		BEGIN; SET LOCAL ROLE app; SET LOCAL personalize.purpose = 'service'; SELECT count(id) FROM "My Shop".customer; SELECT count(id) FROM "My Shop".visit; COMMIT}), "|\n4\n4", "$way->[0]: made anew, it protects again");
	my ($ret2, $out2, $err2) = $node->psql($in, 'SET ROLE app; SELECT name FROM "My Shop".customer');
	like($err2, qr/without a purpose/, '... for a purpose');
}

# Hard protection is not dropped with the extension
my $in = database();
$node->safe_psql($in, q{CREATE TABLE hard (id integer); SELECT personalize.protect('hard', 'id', hard => true)});
foreach my $way (@ways)
{
	my ($ret, $out, $err) = $node->psql($in, $way->[0]);

	like($err, qr/ERROR:  cannot drop access method "personalize_heap".*HINT:  .*unprotect/s, "hard protection: $way->[0] is refused");
	unlike($err, qr/WARNING:  extension/, '... and nothing else is said');
}
$node->stop;
done_testing();
