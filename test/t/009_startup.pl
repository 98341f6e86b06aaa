# What a connection brings with it: settings that are no text in the database's encoding; a database that was copied or restored.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use lib 'test/lib';
use Personalize;

my $node = start_shop('main');
$node->safe_psql('postgres', 'CREATE ROLE owner LOGIN; ALTER TABLE customer OWNER TO owner; GRANT CREATE ON SCHEMA public TO owner; ALTER TABLE customer ADD COLUMN other text');

# --- bytes that are no characters get neither into the record nor into the ledger
foreach my $setting (qw(purpose app_user context))
{
	local $ENV{PGOPTIONS} = "-c personalize.$setting=a\xffb";
	my ($out, $err) = ('', '');
	my $result = $node->psql('postgres', 'SELECT id FROM customer', extra_params => [ '-U', 'app' ], stdout => \$out, stderr => \$err);

	isnt($result, 0, "a session does not begin with personalize.$setting that is no text");
	like($err, qr/invalid value for parameter "personalize\.$setting"/, '... and is told so');
}
$node->psql('postgres', "SET ROLE app; DO \$\$ BEGIN PERFORM set_config('personalize.purpose', repeat('\x{c3}\x{a9}', 100), true); PERFORM id FROM customer; END \$\$");
{
	local $ENV{PGOPTIONS} = "-c personalize.app_user=\xc3\xa9";
	$node->safe_psql('postgres', "SET ROLE app; BEGIN; SET LOCAL personalize.purpose = 'ads'; SELECT name FROM customer; COMMIT");
}
is($node->safe_psql('postgres', q{SELECT personalize.audit_sync() \g /dev/null
	SELECT status, app_user = U&'\00e9', upper(coalesce(purpose, '')) = repeat(U&'\00c9', 100) FROM personalize.usage ORDER BY usage_id}),
	"refused||t\nended|t|f", 'characters do');

# --- a copy of the database knows relations by name until it is adopted: a rename comes after that
foreach my $rename ('ALTER TABLE customer RENAME TO renamed', 'ALTER TABLE customer SET SCHEMA elsewhere',
	'ALTER TABLE customer RENAME name TO swapped; ALTER TABLE customer RENAME other TO name')
{
	$node->safe_psql('postgres', 'DROP DATABASE IF EXISTS copy WITH (FORCE)');
	$node->safe_psql('template1', 'CREATE DATABASE copy TEMPLATE postgres OWNER owner');
	$node->safe_psql('copy', "CREATE SCHEMA elsewhere AUTHORIZATION owner; SET ROLE owner; $rename");
	my $relation = $rename =~ /renamed/ ? 'renamed' : $rename =~ /elsewhere/ ? 'elsewhere.customer' : 'customer';
	my ($out, $err) = ('', '');
	foreach my $role (qw(owner postgres))
	{
		$node->psql('copy', "SELECT * FROM $relation", extra_params => [ '-U', $role ], stdout => \$out, stderr => \$err);
		like($err, qr/cannot read protected relation .* without a purpose/, "$rename: still protected from $role");
		is($out, '', '... and nothing comes');
	}
	is($node->safe_psql('copy', "SET ROLE app; BEGIN; SET LOCAL personalize.purpose = 'ads'; SELECT count(*) FROM $relation; COMMIT"),
		'3', '... and serves its purpose') unless $rename =~ /SET SCHEMA/;
	is($node->safe_psql('copy', "SELECT string_agg(\"column\", ' ' ORDER BY \"column\") FROM personalize.protected_columns WHERE category = 'general'"),
		$rename =~ /swapped/ ? 'swapped' : 'name', '... and its columns have their categories') if $rename !~ /elsewhere/;
}
$node->stop;
done_testing();
