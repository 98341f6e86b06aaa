# ALTER EXTENSION UPDATE makes exactly the objects that CREATE EXTENSION makes: from every release there was, and from one that is
# made up here. Libraries of another version: closed, and the error says which of the two to bring up to date.
use strict;
use warnings;
use File::Basename qw(dirname);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use lib 'test/lib';
use Personalize;

my $node = start_node('main');
my $dir = $node->config_data('--sharedir') . '/extension';
my $lib = $node->config_data('--pkglibdir') . '/personalize.so';
# a library that live servers may have loaded is not to be replaced
plan skip_all => 'files of extensions are only changed in a private PostgreSQL' unless $ENV{PZ_TMP} && index($lib, dirname($ENV{PZ_TMP}) . '/') == 0;
my $version = $node->safe_psql('postgres', q{SELECT default_version FROM pg_available_extensions WHERE name = 'personalize'});
# An older one, whose name has the same length and the same end: the linker lets other strings of the library be the end of this one
# ("0" is that of "0.1.0"), and they must stay as they are when the library is given that number.
my $older = $version =~ s/\d(?=.*\.)/0/gr;
my $db = 0;

die "no name for a release older than $version" if $older eq $version;

# The lines of test/lib/catalog.sql
sub catalog
{
	my ($in) = @_;

	return split(/\n/, $node->safe_psql($in, slurp_file('test/lib/catalog.sql')));
}

# What is in one list only
sub differences
{
	my ($one, $other) = @_;
	my %in_one = map { $_ => 1 } @$one;
	my %in_other = map { $_ => 1 } @$other;

	return join("\n", (map { "fresh: $_" } grep { !$in_other{$_} } @$one), (map { "other: $_" } grep { !$in_one{$_} } @$other));
}

sub database
{
	my $name = 'db' . ++$db;

	$node->safe_psql('postgres', "CREATE DATABASE $name");
	return $name;
}

my $fresh = database();
$node->safe_psql($fresh, 'CREATE EXTENSION personalize');
my @fresh = catalog($fresh);
cmp_ok(scalar(@fresh), '>', 1000, 'the catalogs of a fresh installation');
is((grep { /^stray|: member: false/ && !/^(index|table constraint|type|rule|default value|trigger|toast|sequence|policy|table|view|composite) / } @fresh), 0, '... hold nothing of nobody') or diag(join("\n", grep { /^stray/ } @fresh));
my $again = database();
$node->safe_psql($again, 'CREATE TABLE other (id serial); CREATE EXTENSION personalize');
is(differences(\@fresh, [ catalog($again) ]), '', 'another fresh one is the same');

# The comparison sees each of these
foreach my $change (
	'CREATE OR REPLACE FUNCTION personalize.registry_begin_internal() RETURNS void LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$BEGIN END$$',
	'ALTER FUNCTION personalize.registry_begin_internal() COST 7',
	'ALTER FUNCTION personalize.registry_begin_internal() RESET search_path',
	'GRANT EXECUTE ON FUNCTION personalize.erase_subject(text, text, boolean, text) TO PUBLIC',
	'COMMENT ON FUNCTION personalize.registry_begin_internal() IS NULL',
	'COMMENT ON COLUMN personalize.registry_anchor.restore_id IS NULL',
	'ALTER TABLE personalize.tombstone ADD COLUMN x integer',
	'ALTER TABLE personalize.tombstone ALTER COLUMN erased_at DROP DEFAULT',
	'ALTER TABLE personalize.tombstone ALTER COLUMN kind_id DROP NOT NULL',
	'ALTER TABLE personalize.registry_anchor DROP CONSTRAINT registry_anchor_only_row_check',
	'ALTER TABLE personalize.registry_kind DISABLE TRIGGER registry_changed',
	'DROP INDEX personalize.erasure_at',
	'GRANT SELECT (digest) ON personalize.tombstone TO PUBLIC',
	'ALTER SEQUENCE personalize.registry_id_seq INCREMENT 2',
	'CREATE OR REPLACE VIEW personalize.notices AS SELECT v.* FROM (TABLE personalize.notices) AS v LIMIT 0',
	'ALTER EXTENSION personalize DROP FUNCTION personalize.status()',
	'UPDATE pg_extension SET extcondition[1] = $$WHERE false$$',
	q{UPDATE personalize.registry_purpose SET description = 'x' WHERE builtin},
	'CREATE FUNCTION personalize.stray() RETURNS integer LANGUAGE sql RETURN 1')
{
	my $out = $node->safe_psql($fresh, "SET allow_system_table_mods = on; BEGIN; SET LOCAL client_min_messages = error; $change \\g /dev/null\n" . slurp_file('test/lib/catalog.sql') . '; ROLLBACK');
	isnt(differences(\@fresh, [ split(/\n/, $out) ]), '', "seen: $change");
}

# Data of before, and what it must still do
sub fill
{
	my ($in) = @_;

	$node->safe_psql($in, q{
		CREATE TABLE customer (id integer PRIMARY KEY, name text);
		INSERT INTO customer SELECT i, 'name' || i FROM generate_series(1, 4) AS i;
		SELECT personalize.define_category('general', 'for tests'), personalize.define_purpose('ads', 'for tests', categories => '{general}');
		SELECT personalize.protect('customer', 'id', columns => '{"*":"general"}');
		SELECT personalize.grant_consent(i, 'ads') FROM generate_series(1, 3) AS i;
		SELECT personalize.erase_subject(3);});
	serves($in, 'before');
}

sub serves
{
	my ($in, $name) = @_;

	is($node->safe_psql($in, "BEGIN; SET LOCAL personalize.purpose = 'ads'; SELECT string_agg(id::text, ' ' ORDER BY id) FROM customer; COMMIT; SELECT personalize.consent_state(3, 'ads')"), "1 2\nerased", "$name: serves");
}

sub closed
{
	my ($in, $name, $hint) = @_;
	my ($ret, $out, $err) = $node->psql($in, "BEGIN; SET LOCAL personalize.purpose = 'backup'; SELECT name FROM customer", on_error_stop => 0);

	like($err, qr/has version .*, but its library has version .*Protected relations are closed.*HINT:  $hint/s, "$name: closed, and what to do");
	is($out, '', "$name: no row is told");
}

# From every release
foreach my $script (sort glob("$dir/personalize--*.sql"))
{
	my ($from) = $script =~ /personalize--([^-]+)\.sql$/;
	my $in;

	next if !defined($from) || $from eq $version;
	$in = database();
	$node->safe_psql($in, "CREATE EXTENSION personalize VERSION '$from'");
	$node->safe_psql($in, 'ALTER EXTENSION personalize UPDATE');
	is(differences(\@fresh, [ catalog($in) ]), '', "from release $from");
}

# From a release that is made up: what it has otherwise must be what the update mends. The library of that version is this one
# under another number.
my $undo = q{
	DROP TABLE personalize.tombstone_lifted;
	DROP INDEX personalize.erasure_at;
	ALTER TABLE personalize.registry_anchor DROP COLUMN reapplied_without;
	DROP FUNCTION personalize.export_tombstones(timestamptz);
	COMMENT ON FUNCTION personalize.status() IS 'another';
	ALTER FUNCTION personalize.permitted(bigint, text, text) COST 3 VOLATILE;
	GRANT EXECUTE ON FUNCTION personalize.lint() TO PUBLIC;
	CREATE OR REPLACE FUNCTION personalize.reapply_erasures(tombstones jsonb DEFAULT NULL, without text DEFAULT NULL) RETURNS jsonb
		LANGUAGE sql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'SELECT ''[]''::jsonb';
	CREATE OR REPLACE FUNCTION personalize.tombstone_lift_internal(kind_id integer, keys text[]) RETURNS bigint LANGUAGE sql SET search_path = pg_catalog, pg_temp AS 'SELECT 0::bigint';
};
my $step = q{
	CREATE TABLE personalize.tombstone_lifted (
		digest bytea NOT NULL,
		kind_id integer NOT NULL,
		erased_at timestamptz NOT NULL,
		lifted_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
		PRIMARY KEY (digest, erased_at)
	);
	COMMENT ON TABLE personalize.tombstone_lifted IS
		'Tombstones of persons who came back: what was erased before must be erased again where a backup of before is restored';
	CREATE INDEX erasure_at ON personalize.erasure (erased_at);
	ALTER TABLE personalize.registry_anchor ADD COLUMN reapplied_without text;
	COMMENT ON COLUMN personalize.registry_anchor.reapplied_without IS 'Why none were';
};
my $temp = PostgreSQL::Test::Utils::tempdir();
append_to_file("$temp/$older.sql", $step);
my @made = ("$dir/personalize--$older.sql", "$dir/personalize--$older--$version.sql");
END { unlink(@made); rename("$lib.kept", $lib) if -e "$lib.kept"; }
append_to_file($made[0], slurp_file("$dir/personalize--$version.sql") . $undo);
{
	local %ENV = %ENV;

	delete @ENV{qw(MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES)};
	command_ok([ 'make', '-s', "UPDATE_DIR=$temp", 'PG_CONFIG=' . $node->config_data('--bindir') . '/pg_config', "sql/personalize--$older--$version.sql" ], 'the way from it is composed as those from releases are');
}
append_to_file($made[1], slurp_file("sql/personalize--$older--$version.sql"));
unlink("sql/personalize--$older--$version.sql");

# The library under another version; the postmaster loads it at its start
sub library
{
	my ($as) = @_;
	my $binary;

	rename($lib, "$lib.kept") || die "$lib: $!" unless -e "$lib.kept";
	$binary = slurp_file("$lib.kept");
	is($binary =~ s/\x{0}\Q$version\E\x{0}/\x{0}$as\x{0}/g > 0, 1, "library of version $as") if $as ne $version;
	unlink($lib);
	open(my $file, '>', $lib) || die "$lib: $!";
	binmode($file);
	print $file $binary;
	close($file);
	chmod(0755, $lib);
	$node->restart;
}

my $in = database();
my $late = database();
library($older);
foreach my $old ($in, $late)
{
	$node->safe_psql($old, "CREATE EXTENSION personalize VERSION '$older'");
	isnt(differences(\@fresh, [ catalog($old) ]), '', 'the release that is made up differs');
	fill($old);
}
# the files of the new version are there, the server was not restarted
my ($ret, $out, $err) = $node->psql($late, 'ALTER EXTENSION personalize UPDATE');
is($err, '', 'updated before the restart');
closed($late, 'old library, new objects', qr/Install the library of version "\Q$version\E" and restart the server/);
($ret, $out, $err) = $node->psql($late, 'SELECT personalize.export_tombstones()');
like($err, qr/has version|Install the library/, '... its functions say so, too');
serves($in, 'not updated, old library');
# a function that the old library does not have
append_to_file("$dir/personalize--$older--future.sql", q{CREATE FUNCTION personalize.future() RETURNS integer LANGUAGE c AS 'MODULE_PATHNAME', 'personalize_future'});
push(@made, "$dir/personalize--$older--future.sql");
($ret, $out, $err) = $node->psql($in, q{ALTER EXTENSION personalize UPDATE TO 'future'});
like($err, qr/could not find function "personalize_future" in file/, 'what the library does not have, cannot be updated to');
serves($in, '... and nothing has changed');
unlink("$dir/personalize--$older--future.sql");

library($version);
closed($in, 'new library, old objects', qr/Run ALTER EXTENSION personalize UPDATE in this database/);
serves($late, 'updated before the restart');
$node->safe_psql($in, 'ALTER EXTENSION personalize UPDATE');
is(differences(\@fresh, [ catalog($in) ]), '', 'from the release that is made up');
is(differences(\@fresh, [ catalog($late) ]), '', '... under the old library');
serves($in, 'updated');
is($node->safe_psql($in, q{SELECT coalesce(string_agg(check_name || ': ' || detail, '; '), 'none') FROM personalize.status() WHERE NOT ok}), 'none', '... and status() is all right');
# what its tables hold goes into dumps
my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump';
my $restored = database();
$node->safe_psql($in, 'SELECT personalize.reinstate_subject(3, $$came back$$)');
{
	local $ENV{PGOPTIONS} = '-c personalize.purpose=backup';
	$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, $node->connstr($in) ], 'dumped');
}
$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', $node->connstr($restored), $dump ], 'restored');
is($node->safe_psql($restored, 'SELECT count(*) FROM personalize.tombstone_lifted'), '1', '... with the tables that the update made');

# Back to the old library
library($older);
closed($in, 'downgraded library', qr/Install the library of version "\Q$version\E" and restart the server/);
library($version);
serves($late, 'and up again');
$node->stop;
done_testing();
