# Without the library in shared_preload_libraries nothing protected is readable for whom row security binds.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', "lc_messages = 'C'\nwal_level = replica\n");
$node->start;

# Runs SQL with each error's SQLSTATE shown; returns what came out and what went wrong.
sub run_sql
{
	my ($sql) = @_;
	my ($out, $err) = ('', '');

	$node->psql('postgres', "\\set VERBOSITY verbose\n$sql", stdout => \$out, stderr => \$err, on_error_stop => 0);
	return ($out, $err);
}

sub fails_with
{
	my ($sql, $pattern, $name) = @_;
	my ($out, $err) = run_sql($sql);

	like($err, $pattern, $name);
	unlike($out . $err, qr/name[0-9]/, "$name: no row is told");
}

# Never preloaded: the objects can be made (pg_restore needs that), nothing can be protected.
$node->safe_psql('postgres', 'CREATE EXTENSION personalize');
is($node->safe_psql('postgres', "SELECT ok FROM personalize.status() WHERE check_name = 'library'"), 'f', 'status() says that the library is not preloaded');
is($node->safe_psql('postgres', "SELECT bool_and(ok) FROM personalize.status()"), 'f', '... and is not all right');
$node->safe_psql('postgres', q{
	CREATE SCHEMA app;
	CREATE ROLE owner LOGIN; CREATE ROLE app LOGIN; CREATE ROLE bypass LOGIN BYPASSRLS;
	GRANT ALL ON SCHEMA app TO owner, app, bypass;
	CREATE TABLE app.customer (id integer PRIMARY KEY, name text);
	INSERT INTO app.customer SELECT i, 'name' || i FROM generate_series(1, 3) AS i;
	ALTER TABLE app.customer OWNER TO owner;
	GRANT ALL ON app.customer TO app, bypass;
	CREATE TABLE app.free (id integer, name text);
	INSERT INTO app.free VALUES (1, 'free');
	GRANT ALL ON app.free TO app;});
fails_with(q{SELECT personalize.protect('app.customer', 'id')}, qr/ERROR:  55000: .*not preloaded/, 'protect() refuses');
fails_with(q{SELECT personalize.define_purpose('ads', 'for tests')}, qr/ERROR:  55000: .*not preloaded/, 'define_purpose() refuses');
fails_with(q{SELECT personalize.permitted(1, 'backup')}, qr/ERROR:  55000: .*not preloaded/, 'permitted() refuses');
fails_with(q{SELECT personalize.row_ok(NULL, 1)}, qr/ERROR:  55000: .*not preloaded/, 'row_ok() refuses');
fails_with(q{SELECT * FROM personalize.progress}, qr/ERROR:  55000: .*not preloaded\nHINT:  Add personalize to shared_preload_libraries/, 'the view progress refuses');
is($node->safe_psql('postgres', q{SELECT count(*) FROM personalize.protected_relations}), '0', 'nothing is protected');

# Preloaded: protect, use.
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'personalize'\n");
$node->restart;
$node->safe_psql('postgres', q{
	SELECT personalize.define_category('general', 'for tests');
	SELECT personalize.define_purpose('ads', 'for tests', categories => '{general}');
	SELECT personalize.grant_purpose('ads', r) FROM unnest('{owner,app,bypass}'::regrole[]) AS r;
	SELECT personalize.protect('app.customer', 'id', columns => '{"*":"general"}');
	SELECT personalize.grant_consent(1, 'ads');});
for my $role (qw(app owner bypass postgres))
{
	my $set = $role eq 'postgres' ? '' : "SET LOCAL ROLE $role;";

	is($node->safe_psql('postgres', "BEGIN; $set SET LOCAL personalize.purpose = 'ads'; SELECT id FROM app.customer; COMMIT"), '1', "preloaded: $role sees who agreed");
	fails_with("BEGIN; $set SELECT name FROM app.customer; ROLLBACK", qr/ERROR:  42501: /, "preloaded: $role needs a purpose");
}
is($node->safe_psql('postgres', "SELECT ok FROM personalize.status() WHERE check_name = 'library'"), 't', 'status() says that the library is preloaded');

# Not preloaded any more: an error for everybody row security binds, whatever they state.
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''\n");
$node->restart;
for my $role (qw(app owner))
{
	for my $purpose ('', "SET LOCAL personalize.purpose = 'ads';", "SET LOCAL personalize.purpose = 'backup';")
	{
		for my $what ('SELECT name FROM app.customer', 'SELECT count(*) FROM app.customer', 'COPY app.customer TO STDOUT',
			"UPDATE app.customer SET name = 'x' RETURNING id", 'DELETE FROM app.customer RETURNING name')
		{
			fails_with("BEGIN; SET LOCAL ROLE $role; $purpose $what; ROLLBACK", qr/ERROR:  55000: .*not preloaded/, "not preloaded: $role: $purpose $what");
		}
	}
}
my ($out, $err) = run_sql('SET ROLE app; SELECT name FROM app.customer');
like($err, qr/HINT: .*shared_preload_libraries/, 'the hint says what to do');
# Nor does loading it late help: its hooks come with the start of the server only.
fails_with("LOAD 'personalize'; SET ROLE app; BEGIN; SET LOCAL personalize.purpose = 'ads'; SELECT name FROM app.customer; ROLLBACK", qr/ERROR:  55000: .*not preloaded/, 'LOAD opens nothing');
fails_with(q{SELECT personalize.unprotect('app.customer')}, qr/ERROR:  55000: .*not preloaded/, 'unprotect() refuses');
fails_with(q{SELECT personalize.grant_consent(3, 'ads')}, qr/ERROR:  55000: .*not preloaded/, 'grant_consent() refuses');
fails_with(q{SELECT personalize.erase_subject(1)}, qr/ERROR:  55000: .*not preloaded/, 'erase_subject() refuses');
is($node->safe_psql('postgres', "SELECT ok FROM personalize.status() WHERE check_name = 'library'"), 'f', 'status() still answers');
is($node->safe_psql('postgres', 'SET ROLE app; SELECT name FROM app.free'), 'free', 'what is not protected is as it was');
# Documented: only row security is left, which exempts these.
is($node->safe_psql('postgres', 'SET ROLE bypass; SELECT count(*) FROM app.customer'), '3', 'BYPASSRLS is not bound while the library is away');

# The library is gone from the disk: the functions of the policies cannot be called at all.
$node->safe_psql('postgres', q{
	UPDATE pg_proc SET probin = '$libdir/personalize_is_not_there'
		WHERE pronamespace = 'personalize'::regnamespace AND probin LIKE '%personalize';});
for my $role (qw(app owner))
{
	fails_with("SET ROLE $role; SELECT name FROM app.customer", qr/ERROR:  58P01: /, "library missing: $role");
	fails_with("SET ROLE $role; COPY app.customer TO STDOUT", qr/ERROR:  58P01: /, "library missing: $role: COPY");
}
$node->safe_psql('postgres', q{
	UPDATE pg_proc SET probin = '$libdir/personalize'
		WHERE pronamespace = 'personalize'::regnamespace AND probin LIKE '%personalize_is_not_there';});

# Preloaded again: as if nothing had happened.
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'personalize'\n");
$node->restart;
is($node->safe_psql('postgres', "BEGIN; SET LOCAL ROLE app; SET LOCAL personalize.purpose = 'ads'; SELECT id FROM app.customer; COMMIT"), '1', 'preloaded again');

# A database without the extension, with the library there: nothing changes in it.
$node->safe_psql('postgres', 'CREATE DATABASE plain');
$node->safe_psql('plain', "CREATE TABLE customer (id integer, name text); INSERT INTO customer VALUES (1, 'plain')");
is($node->safe_psql('plain', 'SELECT name FROM customer'), 'plain', 'a database without the extension');
# DROP EXTENSION in an open session: closed at once for whom row security binds.
($out, $err) = run_sql("SET client_min_messages = error; DROP EXTENSION personalize CASCADE; SET ROLE app; SELECT count(*) FROM app.customer; SET ROLE owner; SELECT count(*) FROM app.customer");
is($out, "0\n0", 'without the extension row security denies');

$node->stop;
done_testing();
