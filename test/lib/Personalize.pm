# Servers with the library preloaded, and the shop that several TAP tests begin with.
package Personalize;

use strict;
use warnings;
use Exporter 'import';
use File::Copy;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;

our @EXPORT = qw(start_node start_shop start_standby set_lines take_in);

# A started server of that name, settings of test/personalize.conf, and these lines besides.
sub start_node
{
	my ($name, @lines) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init;
	$node->append_conf('postgresql.conf', slurp_file('test/personalize.conf'));
	$node->append_conf('postgresql.conf', "$_\n") foreach @lines;
	$node->start;
	return $node;
}

# The same with a protected table: customers 1 to 5, of whom 1 to 3 agreed to the purpose "ads" of the role "app".
sub start_shop
{
	my $node = start_node(@_);

	$node->safe_psql('postgres', q{
		CREATE EXTENSION personalize;
		CREATE ROLE app LOGIN;
		CREATE TABLE customer (id integer PRIMARY KEY, name text);
		INSERT INTO customer SELECT i, 'name' || i FROM generate_series(1, 5) AS i;
		GRANT ALL ON customer TO app;
		SELECT personalize.define_category('general', 'for tests');
		SELECT personalize.define_purpose('ads', 'for tests', categories => '{general}');
		SELECT personalize.grant_purpose('ads', 'app');
		SELECT personalize.protect('customer', 'id', columns => '{"*":"general"}');
		SELECT personalize.grant_consent(i, 'ads') FROM generate_series(1, 3) AS i;});
	return $node;
}

# A started standby of a server, with these lines besides what that has.
sub start_standby
{
	my ($primary, $name, @lines) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$primary->backup("for_$name");
	$node->init_from_backup($primary, "for_$name", has_streaming => 1);
	chmod 0600, $node->data_dir . '/personalize.key';	# copies of a backup come without it
	$node->append_conf('postgresql.conf', "$_\n") foreach "cluster_name = '$name'", @lines;
	$node->start;
	return $node;
}

# What a standby has logged in a file is taken in by the primary server, with these arguments besides: what psql() returns. A
# file that is gone was taken in before.
sub take_in
{
	my ($primary, $file, @more) = @_;
	my $copy = $PostgreSQL::Test::Utils::tmp_check . '/taken.log';

	copy($file, $copy) or return (0, '0', '');
	return $primary->psql('postgres', 'SELECT personalize.ingest_standby_log(' . join(', ', "pg_read_binary_file('$copy')", @more) . ')');
}

# Lines "name = value" (as pg_settings shows it) are in force in new sessions of a server.
sub set_lines
{
	my ($node, @lines) = @_;

	$node->append_conf('postgresql.conf', "$_\n") foreach @lines;
	$node->reload;
	foreach (@lines)
	{
		my ($name, $value) = /^(\S+) = '?([^']*)'?$/;
		$node->poll_query_until('postgres', "SELECT current_setting('$name') = '$value'") or die "$_ was not loaded";
	}
}

1;
