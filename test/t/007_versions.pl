# Library and SQL objects of different versions: protected relations are closed to everybody, all else works, and an update opens them. The extension dropped with CASCADE: rows stay denied to whom row security binds.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use lib 'test/lib';
use Personalize;

my $node = start_node('main');
$node->safe_psql('postgres', q{
	CREATE EXTENSION personalize;
	CREATE SCHEMA app;
	CREATE ROLE owner LOGIN; CREATE ROLE app LOGIN; CREATE ROLE bypass LOGIN BYPASSRLS; CREATE ROLE super LOGIN SUPERUSER;
	GRANT ALL ON SCHEMA app TO owner, app, bypass;
	CREATE TABLE app.customer (id integer PRIMARY KEY, name text);
	INSERT INTO app.customer SELECT i, 'name' || i FROM generate_series(1, 3) AS i;
	CREATE TABLE app.visit (id integer, day integer, name text) PARTITION BY LIST (day);
	CREATE TABLE app.visit_1 PARTITION OF app.visit FOR VALUES IN (1);
	INSERT INTO app.visit SELECT i, 1, 'name' || i FROM generate_series(1, 3) AS i;
	ALTER TABLE app.customer OWNER TO owner; ALTER TABLE app.visit OWNER TO owner; ALTER TABLE app.visit_1 OWNER TO owner;
	SET ROLE owner;
	CREATE VIEW app.v AS SELECT name FROM app.customer;
	CREATE FUNCTION app.f() RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN RETURN (SELECT min(name) FROM app.customer); END';
	CREATE FUNCTION app.g() RETURNS SETOF app.customer LANGUAGE sql STABLE SECURITY DEFINER BEGIN ATOMIC SELECT * FROM app.customer; END;
	RESET ROLE;
	CREATE TABLE app.free (id integer, name text);
	INSERT INTO app.free VALUES (1, 'free');
	GRANT ALL ON ALL TABLES IN SCHEMA app TO app, owner, bypass;
	SELECT personalize.define_category('general', 'for tests');
	SELECT personalize.define_purpose('ads', 'for tests', categories => '{general}');
	SELECT personalize.grant_purpose('ads', r) FROM unnest('{owner,app,bypass}'::regrole[]) AS r;
	SELECT personalize.protect(r, 'id', columns => '{"*":"general"}') FROM unnest('{app.customer,app.visit}'::regclass[]) AS r;
	SELECT personalize.grant_consent(1, 'ads');});

sub serves
{
	my ($name) = @_;

	for my $role (qw(app owner bypass super))
	{
		is($node->safe_psql('postgres', "BEGIN; SET LOCAL ROLE $role; SET LOCAL personalize.purpose = 'ads'; SELECT id FROM app.customer; SELECT id FROM app.visit_1; COMMIT"), "1\n1", "$name: $role");
	}
}

sub closed
{
	my ($name) = @_;

	for my $role (qw(app owner bypass super))
	{
		for my $purpose ('', "SET LOCAL personalize.purpose = 'ads';", "SET LOCAL personalize.purpose = 'backup';")
		{
			for my $sql ('SELECT name FROM app.customer', 'SELECT name FROM app.visit', 'SELECT name FROM app.visit_1', 'SELECT name FROM app.v', 'SELECT app.f()',
				'SELECT * FROM app.g()', 'COPY app.customer TO STDOUT', 'DELETE FROM app.visit RETURNING name')
			{
				my ($out, $err) = ('', '');

				$node->psql('postgres', "\\set VERBOSITY verbose\nBEGIN; SET LOCAL ROLE $role; $purpose $sql; ROLLBACK", stdout => \$out, stderr => \$err, on_error_stop => 0);
				like($err, qr/ERROR:  55000: extension "personalize" has version .*HINT:  (Run ALTER EXTENSION|Install the library of version "99.0" and restart)/s, "$name: $role: $purpose $sql");
				unlike($out . $err, qr/name[0-9]/, "$name: $role: $purpose $sql: no row is told");
			}
		}
	}
	for my $sql (q{SELECT personalize.define_category('x', 'x')}, q{SELECT personalize.grant_consent(2, 'ads')}, q{SELECT personalize.permitted(2, 'ads')},
		q{SELECT personalize.unprotect('app.customer')}, q{SELECT personalize.erase_subject(2)})
	{
		my ($ret, $out, $err) = $node->psql('postgres', $sql);
		like($err, qr/extension "personalize" has version/, "$name: $sql");
	}
	is($node->safe_psql('postgres', 'SET ROLE app; SELECT name FROM app.free'), 'free', "$name: what is not protected is as it was");
	is($node->safe_psql('postgres', 'CREATE TABLE app.other (id integer); ALTER TABLE app.other ADD COLUMN x text; CREATE INDEX ON app.other (x); DROP TABLE app.other; SELECT 1'), '1', "$name: ... as DDL on it is");
	is($node->safe_psql('postgres', q{SELECT ok FROM personalize.status() WHERE check_name = 'version'}), 'f', "$name: status() says so");
}

serves('one version');
my $version = $node->safe_psql('postgres', q{SELECT extversion FROM pg_extension WHERE extname = 'personalize'});
is($node->safe_psql('postgres', q{SELECT ok FROM personalize.status() WHERE check_name = 'version'}), 't', 'status() says that both are of one version');
# An old library with new objects, and the other way round, look the same to the library: another version
for my $other ('0.0.9', '99.0', $version . 'x')
{
	$node->safe_psql('postgres', "UPDATE pg_extension SET extversion = '$other' WHERE extname = 'personalize'");
	closed("objects of version $other");
}

# Objects of a version whose registry looks otherwise
$node->safe_psql('postgres', q{ALTER TABLE personalize.registry_relation ADD COLUMN first integer; ALTER TABLE personalize.registry_relation RENAME COLUMN null_subject TO nobody});
closed('registry of other columns');
$node->safe_psql('postgres', q{ALTER TABLE personalize.registry_relation RENAME COLUMN schema_name TO namespace});
my ($ret, $out, $err) = $node->psql('postgres', 'SELECT name FROM app.customer');
like($err, qr/extension "personalize" has version/, 'registry that cannot be read: closed');
($ret, $out, $err) = $node->psql('postgres', 'SELECT name FROM app.free');
like($err, qr/extension "personalize" has version/, '... and so is what might be protected');
is($node->safe_psql('postgres', 'SELECT count(*) > 0 FROM pg_class'), 't', '... the catalogs are not');
$node->safe_psql('postgres', q{
	ALTER TABLE personalize.registry_relation RENAME COLUMN namespace TO schema_name;
	ALTER TABLE personalize.registry_relation RENAME COLUMN nobody TO null_subject;
	ALTER TABLE personalize.registry_relation DROP COLUMN first;});

# An update opens it again, also for a session that was there before
SKIP:
{
	my $dir = $node->config_data('--sharedir') . '/extension';

	skip 'the directory of extensions is not writable', 3 unless -w $dir;
	my $session = $node->background_psql('postgres', on_error_stop => 0);
	$session->query('SELECT name FROM app.customer');
	append_to_file("$dir/personalize--0.0.9--$version.sql", q{
		ALTER TABLE personalize.registry_relation ADD COLUMN later integer;
		REVOKE ALL ON ALL TABLES IN SCHEMA personalize FROM PUBLIC;
	});
	$node->safe_psql('postgres', q{UPDATE pg_extension SET extversion = '0.0.9' WHERE extname = 'personalize'});
	closed('before the update');
	($ret, $out, $err) = $node->psql('postgres', 'ALTER EXTENSION personalize UPDATE');
	unlink("$dir/personalize--0.0.9--$version.sql");
	is($err, '', 'ALTER EXTENSION UPDATE works meanwhile');
	is($node->safe_psql('postgres', q{SELECT ok FROM personalize.status() WHERE check_name = 'version'}), 't', '... and both are of one version');
	like($session->query("BEGIN; SET LOCAL personalize.purpose = 'backup'; SELECT count(*) FROM personalize.protected_relations; COMMIT;"), qr/2/, 'the old session goes on');
	$session->quit;
}

$node->stop;

# The extension is dropped with CASCADE: row security stays, without policies it denies
$node = PostgreSQL::Test::Cluster->new('dropped');
$node->init;
$node->append_conf('postgresql.conf', slurp_file('test/personalize.conf'));
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION personalize;
	CREATE SCHEMA app;
	CREATE ROLE owner LOGIN; CREATE ROLE app LOGIN; CREATE ROLE bypass LOGIN BYPASSRLS;
	GRANT ALL ON SCHEMA app TO owner, app, bypass;
	CREATE TABLE app.customer (id integer PRIMARY KEY, name text);
	INSERT INTO app.customer SELECT i, 'name' || i FROM generate_series(1, 3) AS i;
	CREATE TABLE app.ruled (LIKE app.customer);
	ALTER TABLE app.ruled ENABLE ROW LEVEL SECURITY;
	CREATE POLICY mine ON app.ruled USING (id < 3);
	INSERT INTO app.ruled SELECT * FROM app.customer;
	ALTER TABLE app.customer OWNER TO owner; ALTER TABLE app.ruled OWNER TO owner;
	SET ROLE owner;
	CREATE VIEW app.v AS SELECT name FROM app.customer;
	CREATE FUNCTION app.f() RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN RETURN (SELECT min(name) FROM app.customer); END';
	CREATE FUNCTION app.g() RETURNS SETOF app.customer LANGUAGE sql STABLE SECURITY DEFINER BEGIN ATOMIC SELECT * FROM app.customer; END;
	RESET ROLE;
	CREATE VIEW app.super_v AS SELECT name FROM app.customer;
	GRANT ALL ON ALL TABLES IN SCHEMA app TO app, owner, bypass;
	SELECT personalize.protect(r, 'id') FROM unnest('{app.customer,app.ruled}'::regclass[]) AS r;
	SET client_min_messages = error;
	DROP EXTENSION personalize CASCADE;});
for my $preloaded ('', ' and not preloaded')
{
	for my $role (qw(app owner))
	{
		is($node->safe_psql('postgres', "SET ROLE $role; SELECT name FROM app.customer; SELECT name FROM app.v; SELECT app.f(); SELECT name FROM app.g(); COPY app.customer TO STDOUT; UPDATE app.customer SET name = 'x' RETURNING name; SELECT 'end'"),
			"\nend", "dropped$preloaded: $role gets no row");
		is($node->safe_psql('postgres', "SET ROLE $role; SELECT count(*) FROM app.ruled"), '2', "dropped$preloaded: $role: policies of the application are left to themselves, as documented");
	}
	is($node->safe_psql('postgres', 'SET ROLE bypass; SELECT count(*) FROM app.customer'), '3', "dropped$preloaded: BYPASSRLS is not bound, as documented");
	is($node->safe_psql('postgres', 'SET ROLE app; SELECT count(*) FROM app.super_v'), '3', "dropped$preloaded: nor is a view of a superuser, as documented");
	$node->append_conf('postgresql.conf', "shared_preload_libraries = ''\n");
	$node->restart;
}
$node->stop;
done_testing();
