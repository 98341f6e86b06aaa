# Partitions that came while a parent was protected are closed without the library like the others; what came or left while it was away is made up for.
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
	CREATE ROLE owner LOGIN; CREATE ROLE app LOGIN;
	GRANT ALL ON SCHEMA app TO owner, app;
	CREATE TABLE app.soft (id integer, day integer, name text) PARTITION BY LIST (day);
	CREATE TABLE app.hard (id integer, day integer, name text) PARTITION BY LIST (day);
	ALTER TABLE app.soft OWNER TO owner; ALTER TABLE app.hard OWNER TO owner;
	SELECT personalize.define_category('general', 'for tests');
	SELECT personalize.define_purpose('ads', 'for tests', categories => '{general}');
	SELECT personalize.grant_purpose('ads', r) FROM unnest('{owner,app}'::regrole[]) AS r;
	SELECT personalize.protect(format('app.%s', n), 'id', columns => '{"*":"general"}', hard => n = 'hard') FROM unnest('{soft,hard}'::text[]) AS n;
	SELECT personalize.grant_consent(1, 'ads');
	SET ROLE owner;
	CREATE TABLE app.soft_1 PARTITION OF app.soft FOR VALUES IN (1);
	CREATE TABLE app.hard_1 PARTITION OF app.hard FOR VALUES IN (1);
	CREATE TABLE app.soft_2 (LIKE app.soft); CREATE TABLE app.hard_2 (LIKE app.hard);
	INSERT INTO app.soft_2 SELECT i, 2, 'name' || i FROM generate_series(1, 3) AS i; INSERT INTO app.hard_2 TABLE app.soft_2;
	ALTER TABLE app.soft ATTACH PARTITION app.soft_2 FOR VALUES IN (2); ALTER TABLE app.hard ATTACH PARTITION app.hard_2 FOR VALUES IN (2);
	INSERT INTO app.soft SELECT i, 1, 'name' || i FROM generate_series(1, 3) AS i; INSERT INTO app.hard SELECT i, 1, 'name' || i FROM generate_series(1, 3) AS i;
	GRANT ALL ON ALL TABLES IN SCHEMA app TO app;});

sub refused
{
	my ($role, $sql, $pattern) = @_;
	my ($out, $err) = ('', '');

	$node->psql('postgres', "\\set VERBOSITY verbose\nBEGIN; SET LOCAL ROLE $role; $sql; ROLLBACK", stdout => \$out, stderr => \$err, on_error_stop => 0);
	like($err, $pattern, "$role: $sql");
	unlike($out . $err, qr/name[0-9]/, "$role: $sql: no row is told");
}

for my $role (qw(app owner postgres))
{
	for my $table (qw(soft_1 soft_2 hard_1 hard_2))
	{
		refused($role, "SELECT name FROM app.$table", qr/ERROR:  42501: .*without a purpose/);
		is($node->safe_psql('postgres', "BEGIN; SET LOCAL ROLE $role; SET LOCAL personalize.purpose = 'ads'; SELECT id FROM app.$table; COMMIT"), '1', "$role: $table: who agreed");
	}
}

# Without the library
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''\n");
$node->restart;
for my $role (qw(app owner postgres))
{
	for my $table (qw(soft_1 soft_2 hard_1 hard_2))
	{
		next if $role eq 'postgres' && $table =~ /soft/;
		for my $sql ("SELECT name FROM app.$table", "COPY app.$table TO STDOUT", "DELETE FROM app.$table RETURNING name")
		{
			refused($role, $sql, qr/ERROR:  55000: .*not preloaded/);
		}
	}
}
# ... one comes, one leaves
$node->safe_psql('postgres', q{
	SET ROLE owner;
	CREATE TABLE app.soft_3 PARTITION OF app.soft FOR VALUES IN (3);
	INSERT INTO app.soft_3 SELECT i, 3, 'name' || i FROM generate_series(1, 3) AS i;
	ALTER TABLE app.soft DETACH PARTITION app.soft_2;});
refused('owner', 'SELECT name FROM app.soft_2', qr/ERROR:  55000: .*not preloaded/);
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'personalize'\n");
$node->restart;
refused('owner', 'SELECT name FROM app.soft_3', qr/ERROR:  42501: .*without a purpose/);
refused('owner', 'SELECT name FROM app.soft_2', qr/ERROR:  \w+: /);
is($node->safe_psql('postgres', q{SELECT bool_and(ok) FROM personalize.status() WHERE check_name IN ('policy', 'row security')}), 'f', 'status() says what is missing');
$node->safe_psql('postgres', q{SELECT personalize.define_category('sync', 'for tests')});
is($node->safe_psql('postgres', q{SELECT count(*) FROM personalize.status() WHERE check_name IN ('policy', 'row security')}), '0', '... until the registry is changed next');
is($node->safe_psql('postgres', q{SELECT relation_name, subject FROM personalize.protected_relations ORDER BY 1}), "app.hard|{id}\napp.soft|{id}\napp.soft_2|{id}", 'what left is a protected relation of its own');
for my $role (qw(app owner postgres))
{
	for my $table (qw(soft_2 soft_3))
	{
		$node->safe_psql('postgres', 'GRANT ALL ON app.soft_3 TO app');
		is($node->safe_psql('postgres', "BEGIN; SET LOCAL ROLE $role; SET LOCAL personalize.purpose = 'ads'; SELECT id, name FROM app.$table; COMMIT"), '1|name1', "$role: $table: who agreed");
	}
}
$node->stop;
done_testing();
