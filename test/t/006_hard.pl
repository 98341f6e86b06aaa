# A relation with hard protection is closed to everybody, superusers included, while the library is not preloaded, missing or gone; and it travels with pg_dump.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use lib 'test/lib';
use Personalize;

my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump';
my $node = start_node('main');
$node->safe_psql('postgres', q{
	CREATE EXTENSION personalize;
	CREATE SCHEMA app;
	CREATE ROLE owner LOGIN; CREATE ROLE app LOGIN; CREATE ROLE bypass LOGIN BYPASSRLS; CREATE ROLE super LOGIN SUPERUSER;
	GRANT ALL ON SCHEMA app TO owner, app, bypass;
	CREATE TABLE app.customer (id integer PRIMARY KEY, name text, long text);
	INSERT INTO app.customer SELECT i, 'name' || i, repeat('name' || i, 10000) FROM generate_series(1, 3) AS i;
	CREATE TABLE app.visit (id integer, day integer, name text) PARTITION BY LIST (day);
	CREATE TABLE app.visit_1 PARTITION OF app.visit FOR VALUES IN (1);
	INSERT INTO app.visit SELECT i, 1, 'name' || i FROM generate_series(1, 3) AS i;
	CREATE VIEW app.v AS SELECT name FROM app.customer;
	CREATE FUNCTION app.f() RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN RETURN (SELECT min(name) FROM app.customer); END';
	CREATE TABLE app.free (id integer, name text);
	INSERT INTO app.free VALUES (1, 'free');
	ALTER TABLE app.customer OWNER TO owner; ALTER TABLE app.visit OWNER TO owner; ALTER TABLE app.visit_1 OWNER TO owner;
	GRANT ALL ON ALL TABLES IN SCHEMA app TO app, owner, bypass;
	SELECT personalize.define_category('general', 'for tests');
	SELECT personalize.define_purpose('ads', 'for tests', categories => '{general}');
	SELECT personalize.grant_purpose('ads', r) FROM unnest('{owner,app,bypass}'::regrole[]) AS r;
	SELECT personalize.protect(r, 'id', columns => '{"*":"general"}', hard => true) FROM unnest('{app.customer,app.visit}'::regclass[]) AS r;
	SELECT personalize.grant_consent(1, 'ads');});

sub serves
{
	my ($db, $name) = @_;

	for my $role (qw(app owner bypass super))
	{
		is($node->safe_psql($db, "BEGIN; SET LOCAL ROLE $role; SET LOCAL personalize.purpose = 'ads'; SELECT id FROM app.customer; SELECT id FROM app.visit; SELECT id FROM app.visit_1; COMMIT"),
			"1\n1\n1", "$name: $role sees who agreed");
	}
}

my $toast = $node->safe_psql('postgres', q{SELECT reltoastrelid::regclass FROM pg_class WHERE oid = 'app.customer'::regclass});
sub closed
{
	my ($name, $code) = @_;

	for my $role (qw(app owner bypass super))
	{
		for my $sql ('SELECT name FROM app.customer', 'SELECT name FROM app.visit', 'SELECT name FROM app.visit_1', 'SELECT name FROM app.v',
			'SELECT app.f()', 'COPY app.customer TO STDOUT', 'COPY app.visit_1 TO STDOUT', 'COPY (SELECT name FROM app.visit) TO STDOUT',
			"UPDATE app.customer SET name = name RETURNING name", 'DELETE FROM app.visit RETURNING name',
			"INSERT INTO app.customer VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET name = 'x' RETURNING long",
			'TABLE app.customer FOR UPDATE', 'DECLARE c CURSOR WITH HOLD FOR SELECT name FROM app.customer; COMMIT; FETCH ALL c',
			'SET LOCAL row_security = off; SELECT name FROM app.customer', "SET LOCAL personalize.purpose = 'backup'; SELECT name FROM app.visit",
			"CREATE TABLE app.copy AS SELECT * FROM app.customer; TABLE app.copy")
		{
			my ($out, $err) = ('', '');

			$node->psql('postgres', "\\set VERBOSITY verbose\nBEGIN; SET LOCAL ROLE $role; $sql; ROLLBACK", stdout => \$out, stderr => \$err, on_error_stop => 0);
			like($err, qr/ERROR:  $code: /, "$name: $role: $sql");
			unlike($out . $err, qr/name[0-9]/, "$name: $role: $sql: no row is told");
		}
	}
	for my $sql ("SELECT * FROM $toast", 'VACUUM app.customer', 'ANALYZE app.visit', 'CREATE INDEX ON app.customer (name)', "ALTER TABLE app.customer SET ACCESS METHOD heap",
		"ALTER TABLE app.visit_1 ADD CHECK (name = 'x')", 'CLUSTER app.customer USING customer_pkey', 'DROP TABLE app.visit_1', 'DROP EXTENSION personalize CASCADE', 'DROP SCHEMA app CASCADE')
	{
		my ($ret, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\nSET ROLE super; $sql");

		like($err, qr/ERROR:  $code: /, "$name: $sql");
		unlike($out . $err, qr/name[0-9]/, "$name: $sql: no row is told");
	}
	$node->command_fails_like([ 'pg_dump', '-U', 'super', '-h', $node->host, '-p', $node->port, 'postgres' ], qr/personalize/, "$name: pg_dump");
	is($node->safe_psql('postgres', 'SET ROLE app; SELECT name FROM app.free'), 'free', "$name: what is not protected is as it was");
}

serves('postgres', 'preloaded');
{
	local $ENV{PGOPTIONS} = '-c personalize.purpose=backup';
	$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, $node->connstr('postgres') ], 'pg_dump for purpose backup');
}

# Not preloaded
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''\n");
$node->restart;
closed('not preloaded', '55000');
is($node->safe_psql('postgres', q{SELECT ok FROM personalize.status() WHERE check_name = 'library'}), 'f', 'status() still answers');
my ($ret, $out, $err) = $node->psql('postgres', 'SELECT name FROM app.customer');
like($err, qr/HINT: .*shared_preload_libraries/, 'the hint says what to do');
# an autovacuum that cannot open it goes on with the others, and the server stays up
is($node->safe_psql('postgres', q{SELECT relname FROM pg_class WHERE oid = 'app.customer'::regclass}), 'customer', 'its catalog entry can be read');

# Gone from the disk as well: really where the test may do so, otherwise as if
my $library = $node->config_data('--pkglibdir') . '/personalize.so';
my $away = -w $node->config_data('--pkglibdir') && -w $library;
if ($away)
{
	rename($library, "$library.away") or die $!;
}
else
{
	$node->safe_psql('postgres', q{UPDATE pg_proc SET probin = '$libdir/personalize_is_not_there' WHERE probin = '$libdir/personalize'});
}
eval { closed('library missing', '58P01'); 1 } or fail("library missing: $@");
if ($away)
{
	rename("$library.away", $library) or die $!;
}
else
{
	$node->safe_psql('postgres', q{UPDATE pg_proc SET probin = '$libdir/personalize' WHERE probin = '$libdir/personalize_is_not_there'});
}

# There again: nothing is lost
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'personalize'\n");
$node->restart;
serves('postgres', 'preloaded again');
is($node->safe_psql('postgres', q{SELECT bool_and(ok) FROM personalize.status() WHERE check_name IN ('hard protection', 'library', 'policy')}), 't', 'status() is content');

# Restored: hard again, and filtered
$node->safe_psql('postgres', 'CREATE DATABASE target');
$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', $node->connstr('target'), $dump ], 'pg_restore');
serves('target', 'restored');
is($node->safe_psql('target', q{SELECT count(*) FROM pg_class AS c JOIN pg_am AS m ON m.oid = c.relam WHERE m.amname = 'personalize_heap' AND c.relkind = 'r'}), '2', 'restored with hard protection');
is($node->safe_psql('target', q{SELECT personalize.define_category('adopt', 'for tests'); SELECT relation, hard FROM personalize.protected_relations ORDER BY 1}), "\napp.customer|t\napp.visit|t", '... and the registry says so');
$node->safe_psql('target', q{SELECT personalize.unprotect(r) FROM unnest('{app.customer,app.visit}'::regclass[]) AS r});
is($node->safe_psql('target', q{SELECT count(*) FROM app.customer}), '3', '... until it is taken away');

$node->stop;
done_testing();
