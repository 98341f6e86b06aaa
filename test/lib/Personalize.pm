# Servers with the library preloaded, and the shop that several TAP tests begin with.
package Personalize;

use strict;
use warnings;
use Exporter 'import';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;

our @EXPORT = qw(start_node start_shop);

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

1;
