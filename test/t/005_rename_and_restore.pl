# Renamed and altered relations stay protected, and so does what is restored from a dump made after that.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use lib 'test/lib';
use Personalize;

my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump';
my $node = start_node('main');
$node->safe_psql('postgres', 'CREATE DATABASE source');
$node->safe_psql('source', q{
	CREATE EXTENSION personalize;
	CREATE ROLE owner LOGIN; CREATE ROLE app LOGIN; CREATE ROLE gone LOGIN;
	CREATE SCHEMA shop AUTHORIZATION owner;
	GRANT USAGE ON SCHEMA shop TO PUBLIC;
	CREATE TABLE shop.customer (first integer, id integer PRIMARY KEY, name text, note varchar(20), last integer);
	INSERT INTO shop.customer SELECT i, i, 'name' || i, 'note' || i, i FROM generate_series(1, 3) AS i;
	CREATE TABLE shop.part (id integer, page text) PARTITION BY LIST (id);
	CREATE TABLE shop.part_1 PARTITION OF shop.part DEFAULT;
	INSERT INTO shop.part SELECT i, 'page' FROM generate_series(1, 3) AS i;
	CREATE VIEW shop.v AS SELECT id, name FROM shop.customer;
	CREATE FUNCTION shop.f() RETURNS bigint LANGUAGE sql SECURITY DEFINER RETURN (SELECT count(*) FROM shop.v);
	ALTER TABLE shop.customer OWNER TO owner; ALTER TABLE shop.part OWNER TO owner;
	GRANT ALL ON ALL TABLES IN SCHEMA shop TO PUBLIC;
	SELECT personalize.define_category('general', 'for tests');
	SELECT personalize.define_purpose('ads', 'for tests', categories => '{general}');
	SELECT personalize.grant_purpose('ads', r) FROM unnest('{app,gone}'::regrole[]) AS r;
	SELECT personalize.protect(r, 'id', columns => '{"*":"general"}') FROM unnest('{shop.customer,shop.part}'::regclass[]) AS r;
	SELECT personalize.grant_consent(1, 'ads');});

my $role = 'app';
my $table = 'shop.customer';
my $subject = 'id';
my $part = 'shop.part';

# Still filtered, for the role, for a superuser, by a session that was there before and by a new one?
my $old = $node->background_psql('source', on_error_stop => 0);

sub filtered
{
	my ($name, $db) = @_;
	my $query = "SELECT $subject FROM $table; SELECT $subject FROM $part";
	my ($ret, $out, $err);

	$db //= 'source';
	for my $who ("SET LOCAL ROLE $role;", '')
	{
		my $as = $who ? 'role' : 'superuser';

		is($node->safe_psql($db, "BEGIN; $who SET LOCAL personalize.purpose = 'ads'; $query; COMMIT"), "1\n1", "$name: $as");
		is($old->query("BEGIN; $who SET LOCAL personalize.purpose = 'ads'; $query; COMMIT;"), "1\n1", "$name: $as, old session") if $db eq 'source';
		($ret, $out, $err) = $node->psql($db, "BEGIN; $who SELECT * FROM $table; COMMIT");
		like($err, qr/cannot read protected relation \Q$table\E without a purpose/, "$name: $as without a purpose");
	}
}

# One change after the other, each on top of those before
sub change
{
	my ($name, $sql) = @_;

	$node->safe_psql('source', $sql);
	filtered($name);
}

filtered('to begin with');
change('other columns altered', 'ALTER TABLE shop.customer DROP COLUMN first, ALTER COLUMN last TYPE text, ALTER COLUMN note TYPE text, ADD COLUMN extra text');
$table = 'shop.people';
change('relation renamed', 'ALTER TABLE shop.customer RENAME TO people');
change('another relation gets the old name', 'CREATE TABLE shop.customer (id integer); GRANT SELECT ON shop.customer TO PUBLIC; INSERT INTO shop.customer VALUES (2)');
is($node->safe_psql('source', 'SET ROLE app; SELECT id FROM shop.customer'), '2', '... and is not protected');
$node->safe_psql('source', 'DROP TABLE shop.customer');
$subject = '"Person ID"';
change('subject columns renamed', 'ALTER TABLE shop.people RENAME COLUMN id TO "Person ID"; ALTER TABLE shop.part RENAME COLUMN id TO "Person ID"');
change('another column gets the old name', 'ALTER TABLE shop.people ADD COLUMN id integer DEFAULT 1');
change('another column renamed', 'ALTER TABLE shop.people RENAME COLUMN name TO called');
$table = 'store.people';
$part = 'store.part';
change('schema renamed', 'ALTER SCHEMA shop RENAME TO store');
$table = '"My Shop".people';
change('another schema', 'CREATE SCHEMA "My Shop"; GRANT USAGE ON SCHEMA "My Shop" TO PUBLIC; ALTER TABLE store.people SET SCHEMA "My Shop"');
$role = '"The App"';
change('role renamed', 'ALTER ROLE app RENAME TO "The App"');
change('owner changed', 'ALTER TABLE "My Shop".people OWNER TO CURRENT_USER; ALTER TABLE store.part OWNER TO gone');
change('in a block', q{DO $$ BEGIN EXECUTE 'ALTER TABLE store.part_1 RENAME TO part_x'; END $$});
change('rolled back', 'BEGIN; ALTER TABLE "My Shop".people RENAME TO nobody; ALTER SCHEMA store RENAME TO nowhere; ROLLBACK');
change('rewritten', 'ALTER TABLE "My Shop".people ALTER COLUMN note TYPE varchar(30); VACUUM FULL "My Shop".people; CLUSTER "My Shop".people USING customer_pkey; BEGIN; SET LOCAL personalize.purpose = \'break_glass\'; TRUNCATE store.part; COMMIT; INSERT INTO store.part SELECT i, \'page\' FROM generate_series(1, 3) AS i');
is($node->safe_psql('source', qq{BEGIN; SET LOCAL ROLE $role; SET LOCAL personalize.purpose = 'ads'; SELECT store.f(); SELECT id FROM store.v; COMMIT}), "1\n1", 'functions and views go along');
is($node->safe_psql('source', q{SELECT relation_name, subject FROM personalize.protected_relations ORDER BY relation_name COLLATE "C"}),
	qq{"My Shop".people|{"Person ID"}\nstore.part|{"Person ID"}}, 'the registry has the names of now');
is($node->safe_psql('source', q{SELECT granted_to FROM personalize.purposes WHERE name = 'ads'}), '{"The App",gone}', '... of roles, too');

# A role that was dropped takes its grants along; another one of its name has none
$node->safe_psql('source', 'REASSIGN OWNED BY gone TO CURRENT_USER; DROP OWNED BY gone; DROP ROLE gone; CREATE ROLE gone LOGIN');
my ($ret, $out, $err) = $node->psql('source', qq{BEGIN; SET LOCAL ROLE gone; SET LOCAL personalize.purpose = 'ads'; SELECT $subject FROM $table; COMMIT});
like($err, qr/role "gone" may not use personal data/, 'a new role of an old name has no purpose');

# Columns that nobody classified stay refused under whatever name
($ret, $out, $err) = $node->psql('source', qq{BEGIN; SET LOCAL ROLE $role; SET LOCAL personalize.purpose = 'ads'; SELECT extra FROM $table; COMMIT});
like($err, qr/column "extra" of protected relation "My Shop".people is not classified/, 'an added column is refused');
is($node->safe_psql('source', qq{BEGIN; SET LOCAL ROLE $role; SET LOCAL personalize.purpose = 'ads'; SELECT called, note, last FROM $table; COMMIT}), 'name1|note1|1', 'the others keep their category');

# A restart forgets nothing
$old->quit;
$node->restart;
$old = $node->background_psql('source', on_error_stop => 0);
filtered('after a restart');

# Renamed while the library was away: the numbers count as long as the database is this one
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''\n");
$old->quit;
$node->restart;
$node->safe_psql('source', 'ALTER TABLE "My Shop".people RENAME TO persons; ALTER TABLE "My Shop".persons RENAME COLUMN "Person ID" TO pid; ALTER TABLE store.part RENAME COLUMN "Person ID" TO pid');
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'personalize'\n");
$node->restart;
$old = $node->background_psql('source', on_error_stop => 0);
$table = '"My Shop".persons';
$subject = 'pid';
filtered('renamed while the library was away');
$old->quit;

# Dumped after all that, and restored
{
	local $ENV{PGOPTIONS} = '-c personalize.purpose=backup';
	$node->safe_psql('source', q{SELECT personalize.define_category('later', 'for tests')});
	$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, $node->connstr('source') ], 'pg_dump');
}
$node->safe_psql('postgres', 'CREATE DATABASE target');
$node->safe_psql('target', join('', map { "CREATE TABLE filler_$_ (id integer PRIMARY KEY);" } 1 .. 20));
$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', $node->connstr('target'), $dump ], 'pg_restore');
filtered('restored', 'target');
is($node->safe_psql('target', q{SELECT ok FROM personalize.status() WHERE check_name = 'registry'}), 'f', 'status() says that the registry is from elsewhere');
$node->safe_psql('target', q{SELECT personalize.define_category('adopts', 'for tests')});
filtered('adopted', 'target');
# ... and renamed there
$table = 'store.clients';
$node->safe_psql('target', 'ALTER TABLE "My Shop".persons SET SCHEMA store; ALTER TABLE store.persons RENAME TO clients; ALTER TABLE store.clients RENAME COLUMN called TO name');
filtered('renamed after that', 'target');
($ret, $out, $err) = $node->psql('target', q{SELECT detail FROM personalize.status() WHERE NOT ok AND check_name <> 'columns'});
is($out, '', 'nothing but the columns that have no category is amiss');

# Dropped: the registry forgets it, a new one of the name is not protected, and status() is of one mind
$node->safe_psql('target', 'DROP TABLE store.clients CASCADE; DROP SCHEMA "My Shop"');
is($node->safe_psql('target', 'SELECT relation_name FROM personalize.protected_relations'), 'store.part', 'a relation that was dropped is out of the registry');

$node->stop;
done_testing();
