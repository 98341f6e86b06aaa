# What is restored by any mode of pg_dump is in force, in another cluster: consents, notices, caps, exposures, experiments,
# outcomes, exclusions, preferences, incentives, requests, holds, tombstones and links. Custom, directory and parallel
# dumps, --clean over what is there, definitions alone, data alone, one table.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use lib 'test/lib';
use Personalize;

my $dir = PostgreSQL::Test::Utils::tempdir();
my $node = start_node('main');
my $other = PostgreSQL::Test::Cluster->new('other');

# Another cluster, with the key file of the first
$other->init;
$other->append_conf('postgresql.conf', slurp_file('test/personalize.conf'));
copy_key($node, $other);
$other->start;
foreach my $n ($node, $other)
{
	$n->safe_psql('postgres', 'CREATE ROLE owner LOGIN; CREATE ROLE app LOGIN; CREATE ROLE officer LOGIN; CREATE ROLE bypass LOGIN BYPASSRLS');
}
isnt($node->safe_psql('postgres', 'SELECT system_identifier FROM pg_control_system()'), $other->safe_psql('postgres', 'SELECT system_identifier FROM pg_control_system()'),
	'the clusters differ');

$node->safe_psql('postgres', 'CREATE DATABASE shop');
$node->safe_psql('shop', q{
	CREATE EXTENSION personalize;
	CREATE SCHEMA shop AUTHORIZATION owner;
	GRANT USAGE ON SCHEMA shop TO PUBLIC;
	CREATE TABLE shop.customer (id integer PRIMARY KEY, name text, debt integer NOT NULL DEFAULT 0);
	CREATE TABLE shop.orders (order_id integer PRIMARY KEY, customer integer REFERENCES shop.customer, item text, at timestamptz NOT NULL DEFAULT now());
	CREATE TABLE shop.line (order_id integer REFERENCES shop.orders, what text);
	CREATE TABLE shop.product (id integer PRIMARY KEY, name text);
	CREATE FUNCTION shop.initial(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN pg_catalog.left($1, 1); END';
	CREATE INDEX customer_initial ON shop.customer (shop.initial(name));
	CREATE STATISTICS shop.initials ON shop.initial(name), debt FROM shop.customer;
	ALTER TABLE shop.customer ADD CONSTRAINT customer_check CHECK (shop.initial(name) <> 'x') NOT VALID;
	INSERT INTO shop.customer SELECT i, 'name' || i, i FROM generate_series(1, 20) AS i;
	INSERT INTO shop.orders SELECT i * 10, i, 'item' || i FROM generate_series(1, 20) AS i;
	INSERT INTO shop.line SELECT i * 10, 'what' || i FROM generate_series(1, 20) AS i;
	INSERT INTO shop.product VALUES (1, 'bread');
	ALTER TABLE shop.customer OWNER TO owner; ALTER TABLE shop.orders OWNER TO owner; ALTER TABLE shop.line OWNER TO owner; ALTER TABLE shop.product OWNER TO owner;
	GRANT ALL ON ALL TABLES IN SCHEMA shop TO app, bypass;
	SELECT personalize.define_category('general', 'for tests'), personalize.define_kind('cookie', 'text');
	SELECT personalize.define_purpose(p, 'for tests', categories => '{general}') FROM unnest('{ads,news}'::text[]) AS p;
	SELECT personalize.grant_purpose(p, r) FROM unnest('{ads,news}'::text[]) AS p, unnest('{app,bypass}'::regrole[]) AS r;
	SELECT personalize.assign_duty('app', 'app'), personalize.assign_duty('officer', 'officer');
	SELECT personalize.protect('shop.customer', 'id', columns => '{"*":"general"}');
	SELECT personalize.protect('shop.orders', 'customer', columns => '{"*":"general"}');
	SELECT personalize.protect('shop.line', via => 'order_id', columns => '{"*":"general"}');
	SELECT personalize.create_view('ads', 'shop.customer');
	GRANT USAGE ON SCHEMA ads TO app; GRANT SELECT ON ads.customer TO app;
	SELECT personalize.define_notice('shop', '1', 'en', 'We use it.', '{ads}');
	SELECT personalize.grant_consent(i, 'ads', notice => 'shop:1') FROM generate_series(1, 12) AS i;
	SELECT personalize.grant_consent('c1', 'ads', kind => 'cookie');
	SELECT personalize.withdraw_consent(2, 'ads'), personalize.restrict_processing(3, 'disputed');
	SELECT personalize.set_frequency_cap('ads', 2, '1 day');
	SELECT personalize.record_exposure(4, 'ads', 'bread', 'because'), personalize.record_exposure(4, 'ads', 'butter'), personalize.record_exposure(5, 'ads', 'bread');
	SELECT personalize.set_exposure_retention('1 year');
	SELECT personalize.define_experiment('layout', 'ads', holdout => 0);
	SELECT personalize.assign('layout', i) FROM unnest('{1,5,6,7,8}'::integer[]) AS i;
	SELECT personalize.define_metric('clicks', 'ads', 'click'), personalize.record_outcome(5, 'clicks', 3);
	SELECT personalize.define_exclusion('debtors', 'shop.customer', 'debt > 11', reason => 'in debt');
	SELECT personalize.define_exclusion('listed', reason => 'asked by phone'), personalize.exclude(6, 'listed');
	SELECT personalize.set_preference(5, 'topics', '{"bread": 1}');
	SELECT personalize.set_preference(5, 'topics', '{"jam": 1}', 'inferred', 'ads');
	SELECT personalize.define_incentive('rebate', 'ads', 'terms', '5 %');
	SELECT personalize.accept_incentive(7, 'rebate');
	SELECT personalize.open_request(8, 'access');
	SELECT personalize.link_subject('c1', '9', to_kind => 'subject', kind => 'cookie');
	SELECT personalize.hold_subject(10, 'lawsuit');
	SELECT personalize.set_retention('shop.orders', 'at', '10 years', 'tax');
	SELECT personalize.set_minor(11, '2999-01-01'), personalize.set_guardian(11, '1');
	SELECT personalize.erase_subject(13), personalize.erase_subject(14);
	SELECT personalize.request_erasure(15, grace => '1 year');});

# What of the extension must be the same afterwards: each table of it, but those that describe this cluster, and the sequences
my $state = q{
	SELECT string_agg(x.name || ' ' || x.digest, E'\n' ORDER BY x.name)
	FROM (SELECT c.relname AS name, coalesce((xpath('/row/d/text()', query_to_xml(format(CASE c.relkind WHEN 'S' THEN 'SELECT last_value AS d FROM personalize.%I'
			ELSE 'SELECT md5(string_agg(t::text, '''' ORDER BY t::text COLLATE "C")) AS d FROM personalize.%I AS t WHERE to_jsonb(t) ->> ''builtin'' IS DISTINCT FROM ''true''' END, c.relname), false, true, '')))[1]::text, 'empty') AS digest
		FROM pg_class AS c JOIN pg_depend AS d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
		WHERE c.relnamespace = 'personalize'::regnamespace AND c.relkind IN ('r', 'p', 'S')
			AND c.relname !~ '^audit_|^usage_id_seq' AND c.relname NOT IN ('retention_sweep', 'exclusion', 'registry_anchor', 'registry_relation', 'registry_child', 'registry_path', 'registry_column', 'registry_grant', 'registry_duty')) AS x};

my @same = (
	[ q{SELECT string_agg(personalize.consent_state(i, 'ads'), ' ' ORDER BY i) FROM generate_series(1, 15) AS i}, 'states' ],
	[ q{SELECT string_agg(personalize.permitted(i, 'ads')::text, ' ' ORDER BY i) FROM generate_series(1, 15) AS i}, 'decisions' ],
	[ q{SELECT name, version, language FROM personalize.notices}, 'notices' ],
	[ q{SELECT purpose, item, explanation FROM personalize.why('4') ORDER BY 1, 2}, 'exposures' ],
	[ q{SELECT purpose, max_uses, per, reached FROM personalize.frequency_caps}, 'caps' ],
	[ q{SELECT string_agg(personalize.assign('layout', i), ' ' ORDER BY i) FROM unnest('{1,5,6,7,8}'::integer[]) AS i}, 'variants of experiments' ],
	[ q{SELECT name, reason, source FROM personalize.exclusions_of('6') UNION ALL SELECT name, reason, source FROM personalize.exclusions_of('12') ORDER BY 1}, 'exclusions' ],
	[ q{SELECT name, value FROM personalize.preferences('5')}, 'preferences' ],
	[ q{SELECT name, value FROM personalize.inferred_preferences('5', 'ads')}, 'inferred preferences' ],
	[ q{SELECT name, state, value FROM personalize.incentives_of('7')}, 'incentives' ],
	[ q{SELECT "right", status FROM personalize.requests}, 'requests' ],
	[ q{SELECT reason, relation, subject FROM personalize.holds}, 'holds' ],
	[ q{SELECT relation, keep_for FROM personalize.retention}, 'retention' ],
	[ q{SELECT status, due_at > now() FROM personalize.erasure_requests}, 'requested erasures' ],
	[ q{SELECT personalize.is_minor('11'), (SELECT guardian FROM personalize.guardians_of('11'))}, 'minors and guardians' ],
	[ q{SELECT count(*) FROM personalize.tombstone}, 'tombstones' ],
	[ q{SELECT personalize.consent_state('c1', 'ads', kind => 'cookie'), (SELECT count(*) FROM personalize.linked)}, 'links' ],
	[ $state, 'every other row of the extension' ]);
my %before = map { $_->[1] => $node->safe_psql('shop', $_->[0]) } @same;

sub copy_key
{
	my ($from, $to) = @_;
	my $key = $to->data_dir . '/personalize.key';

	append_to_file($key, slurp_file($from->data_dir . '/personalize.key'));
	chmod(0600, $key);
}

# Filtered, for every kind of role, by table, by view, by a foreign key
sub in_force
{
	my ($n, $db, $name) = @_;
	my $seen = join("\n", 1, 5, 7, 8, 9, 10);

	foreach my $role (qw(app bypass super))
	{
		my $as = $role eq 'super' ? '' : "SET LOCAL ROLE $role;";
		my ($ret, $out, $err);

		is($n->safe_psql($db, "BEGIN; $as SET LOCAL personalize.purpose = 'ads'; SELECT id FROM shop.customer ORDER BY id; COMMIT"), $seen, "$name: $role sees who agreed and is not kept back");
		is($n->safe_psql($db, "BEGIN; $as SET LOCAL personalize.purpose = 'ads'; SELECT substr(what, 5) FROM shop.line ORDER BY substr(what, 5)::integer; COMMIT"), $seen, "$name: $role: by a foreign key");
		($ret, $out, $err) = $n->psql($db, "BEGIN; $as SELECT * FROM shop.orders; COMMIT");
		like($err, qr/without a purpose/, "$name: $role needs a purpose");
	}
	is($n->safe_psql($db, 'SET ROLE app; SELECT id FROM ads.customer ORDER BY id'), $seen, "$name: the purpose view shows the same");
	is($n->safe_psql($db, 'SET ROLE app; SELECT name FROM shop.product'), 'bread', "$name: what is not protected is open");
}

sub whole
{
	my ($n, $db, $name) = @_;

	in_force($n, $db, $name);
	# adopted by the first change of the registry
	$n->safe_psql($db, q{SELECT personalize.define_category('general', 'for tests')});
	is($n->safe_psql($db, $_->[0]), $before{$_->[1]}, "$name: $_->[1]") foreach @same;
	is($n->safe_psql($db, q{SELECT coalesce(string_agg(check_name || ': ' || detail, '; '), 'none') FROM personalize.status() WHERE NOT ok}), 'none', "$name: adopted, status() is all right");
	in_force($n, $db, "$name, adopted");
}

sub goes_on
{
	my ($n, $db, $name) = @_;
	my ($ret, $out, $err);

	is($n->safe_psql($db, q{SELECT personalize.audit_sync() \g /dev/null
		SELECT ok FROM personalize.verify_audit()}), 't', "$name: the record verifies");
	$n->safe_psql($db, q{SET ROLE app; SELECT personalize.record_exposure('5', 'ads', 'butter'), personalize.set_preference('5', 'topics', '{"butter": 1}'),
		personalize.accept_incentive('8', 'rebate'), personalize.record_outcome('5', 'clicks', 1), personalize.exclude('1', 'listed')});
	is($n->safe_psql($db, "BEGIN; SET LOCAL ROLE app; SET LOCAL personalize.purpose = 'ads'; SELECT string_agg(id::text, ',' ORDER BY id) FROM shop.customer; COMMIT"), '7,8,9,10',
		"$name: the cap counts what was shown before, and lists go on");
	($ret, $out, $err) = $n->psql($db, q{SET ROLE officer; SELECT personalize.erase_subject('10')});
	is($err, '', "$name: an officer erases");
	is($n->safe_psql($db, q{BEGIN; SET LOCAL personalize.purpose = 'backup'; SELECT count(*) FROM shop.orders WHERE customer = 10; COMMIT}), '1', "$name: ... but not what is held");
	# rows that come back under an erased key
	$n->safe_psql($db, q{INSERT INTO shop.customer VALUES (13, 'again'); SELECT personalize.define_purpose('service', 'for tests', 'contract', categories => '{general}'), personalize.grant_purpose('service', 'app')});
	is($n->safe_psql($db, "BEGIN; SET LOCAL ROLE app; SET LOCAL personalize.purpose = 'service'; SELECT count(*), count(*) FILTER (WHERE id IN (13, 15)) FROM shop.customer; COMMIT"), '15|0', "$name: who was erased, or asked for it, is withheld") ;
	is($n->safe_psql($db, q{SELECT jsonb_array_length(personalize.reapply_erasures())}), '1', "$name: ... and erased again");
}

in_force($node, 'shop', 'source');
{
	local $ENV{PGOPTIONS} = '-c personalize.purpose=backup';
	$node->command_ok([ 'pg_dump', '-Fc', '-f', "$dir/custom", $node->connstr('shop') ], 'pg_dump, custom format');
	$node->command_ok([ 'pg_dump', '-Fd', '-j', '3', '-f', "$dir/directory", $node->connstr('shop') ], 'pg_dump, directory, parallel');
	$node->command_ok([ 'pg_dump', '-Fc', '-a', '-f', "$dir/data", $node->connstr('shop') ], 'pg_dump, data');
	$node->command_ok([ 'pg_dump', '-Fc', '-t', 'shop.customer', '-f', "$dir/table", $node->connstr('shop') ], 'pg_dump, one table');
}
$node->command_fails_like([ 'pg_dump', '-Fc', '-t', 'shop.customer', '-f', "$dir/none", $node->connstr('shop') ], qr/without a purpose.*PGOPTIONS='-c personalize.purpose=backup' pg_dump/s,
	'pg_dump, one table, without a purpose');
$node->command_ok([ 'pg_dump', '-Fc', '-s', '-f', "$dir/schema", $node->connstr('shop') ], 'pg_dump, definitions: needs no purpose');
$other->safe_psql('postgres', "CREATE DATABASE $_") foreach qw(custom parallel schema filled alone beside);

# Whole
$other->command_ok([ 'pg_restore', '--exit-on-error', '-d', $other->connstr('custom'), "$dir/custom" ], 'restored, custom format');
whole($other, 'custom', 'custom format');
foreach my $i (1 .. 3)
{
	# in whatever order the parts come
	$other->safe_psql('postgres', "CREATE DATABASE again_$i");
	$other->command_ok([ 'pg_restore', '--exit-on-error', '-j', $i + 1, '-d', $other->connstr("again_$i"), $i == 2 ? "$dir/custom" : "$dir/directory" ], "restored in parallel, $i");
	in_force($other, "again_$i", "in parallel, $i");
}
whole($other, 'again_3', 'in parallel');
$other->command_ok([ 'pg_restore', '--exit-on-error', '--clean', '--if-exists', '-d', $other->connstr('custom'), "$dir/custom" ], 'restored with --clean over what is there');
whole($other, 'custom', '--clean');
goes_on($other, 'custom', '--clean');

# A relation whose registry is not there: closed to everybody, can be filled, is open to nobody by that
sub orphaned
{
	my ($db, $name) = @_;

	foreach my $role (qw(app owner bypass super))
	{
		my $as = $role eq 'super' ? '' : "SET LOCAL ROLE $role;";
		foreach my $purpose ('', "SET LOCAL personalize.purpose = 'break_glass';")
		{
			foreach my $sql ('SELECT name FROM shop.customer', 'COPY shop.customer TO STDOUT', 'SELECT count(*) FROM shop.customer', 'DELETE FROM shop.customer',
				"INSERT INTO shop.customer VALUES (99, 'x') RETURNING name", "INSERT INTO shop.customer VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET name = 'x'")
			{
				my ($ret, $out, $err) = $other->psql($db, "\\set VERBOSITY verbose\nBEGIN; $as $purpose $sql; ROLLBACK");

				like($err, qr/ERROR:  55000: relation shop.customer carries policies of extension "personalize", but is not in its registry.*HINT: .*protect/s, "$name: $role: $purpose $sql");
				unlike($out . $err, qr/name[0-9]/, "$name: $role: $sql: no row is told");
			}
		}
	}
	is($other->safe_psql($db, "BEGIN; INSERT INTO shop.customer VALUES (999, 'new'); ROLLBACK; SELECT 1"), '1', "$name: can be filled by a superuser");
	like($other->safe_psql($db, q{SELECT detail, hint FROM personalize.status() WHERE NOT ok AND check_name = 'registry' AND detail ~ 'customer'}),
		qr/shop.customer carries policies.*protect/, "$name: status() says so");
}
my $early = $other->background_psql('schema', on_error_stop => 0);
$early->query('SELECT 1');
$other->command_ok([ 'pg_restore', '--exit-on-error', '-d', $other->connstr('schema'), "$dir/schema" ], 'definitions alone');
orphaned('schema', 'definitions alone');
$early->query('SELECT name FROM shop.customer');
like($early->{stderr}, qr/carries policies of extension/, '... also to a session that was there before');
$early->quit;
$other->command_ok([ 'pg_restore', '--exit-on-error', '-d', $other->connstr('schema'), "$dir/data" ], 'the data after the definitions');
whole($other, 'schema', 'data after definitions');

# Triggers switched off while the data comes: consents are read from the ledger until there is another set
$other->safe_psql('postgres', 'CREATE DATABASE quiet; CREATE DATABASE inserts');
$other->command_ok([ 'pg_restore', '--exit-on-error', '-d', $other->connstr('quiet'), "$dir/schema" ], 'definitions once more');
$other->command_ok([ 'pg_restore', '--exit-on-error', '--disable-triggers', '-j', '2', '-d', $other->connstr('quiet'), "$dir/data" ], 'the data, with --disable-triggers');
whole($other, 'quiet', '--disable-triggers');
is($other->safe_psql('quiet', q{SELECT count(*) FROM pg_trigger WHERE tgenabled = 'D'}), '0', '... which are on again');
goes_on($other, 'quiet', '--disable-triggers');
# As INSERT statements
{
	local $ENV{PGOPTIONS} = '-c personalize.purpose=backup';
	$node->command_ok([ 'pg_dump', '--column-inserts', '--no-owner', '-f', "$dir/inserts", $node->connstr('shop') ], 'pg_dump, as INSERT statements');
}
$other->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-o', '/dev/null', '-f', "$dir/inserts", $other->connstr('inserts') ], 'restored from INSERT statements');
whole($other, 'inserts', 'INSERT statements');
# All databases of a cluster
{
	local $ENV{PGOPTIONS} = '-c personalize.purpose=backup';
	$node->command_ok([ 'pg_dumpall', '-f', "$dir/all", '-d', $node->connstr('postgres') ], 'pg_dumpall');
}
my $third = PostgreSQL::Test::Cluster->new('third');
$third->init;
$third->append_conf('postgresql.conf', slurp_file('test/personalize.conf'));
copy_key($node, $third);
$third->start;
# the superuser is there already
$third->run_log([ 'psql', '-X', '-q', '-o', '/dev/null', '-f', "$dir/all", $third->connstr('postgres') ]);
whole($third, 'shop', 'pg_dumpall');
$third->stop;

# One table, where the extension is not: row security denies
$other->safe_psql($_, 'CREATE SCHEMA shop AUTHORIZATION owner; GRANT USAGE ON SCHEMA shop TO PUBLIC;
	CREATE FUNCTION shop.initial(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RETURN pg_catalog.left($1, 1); END$$') foreach qw(alone beside);
$other->command_checks_all([ 'pg_restore', '-d', $other->connstr('alone'), "$dir/table" ], 1, [qr/^$/], [qr/schema "personalize" does not exist/], 'one table where the extension is not: its policies cannot be made');
is($other->safe_psql('alone', 'SET ROLE app; SELECT count(*) FROM shop.customer'), '0', '... and row security denies');
# ... and where it is: closed until it is protected here
$other->safe_psql('beside', q{CREATE EXTENSION personalize});
$other->command_ok([ 'pg_restore', '--exit-on-error', '-d', $other->connstr('beside'), "$dir/table" ], 'one table into a database with the extension');
orphaned('beside', 'one table');
$other->safe_psql('beside', q{
	SELECT personalize.define_category('general', 'for tests'), personalize.define_purpose('ads', 'for tests', categories => '{general}'), personalize.grant_purpose('ads', 'app');
	SELECT personalize.protect('shop.customer', 'id', columns => '{"*":"general"}'), personalize.grant_consent(4, 'ads');});
is($other->safe_psql('beside', "BEGIN; SET LOCAL ROLE app; SET LOCAL personalize.purpose = 'ads'; SELECT id FROM shop.customer; COMMIT"), '4', '... which opens it as ever');
is($other->safe_psql('beside', q{SELECT count(*) FROM pg_policy; SELECT bool_and(ok) FROM personalize.status() WHERE check_name IN ('registry', 'policy', 'row security', 'exclusions')}), "2\nt", '... with the policies of here');
is($other->safe_psql('beside', q{INSERT INTO shop.customer VALUES (50, 'new', 99); SELECT personalize.unprotect('shop.customer'); SELECT count(*) FROM shop.customer; SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = 'shop.customer'::regclass}),
	"\n19\nf|f", '... and unprotect() leaves row security as it was before all that');

# The data of one table over what is left of it
$node->safe_psql('shop', q{BEGIN; SET LOCAL personalize.purpose = 'break_glass'; TRUNCATE shop.line; COMMIT});
$node->command_ok([ 'pg_restore', '--exit-on-error', '--data-only', '-t', 'line', '-d', $node->connstr('shop'), "$dir/custom" ], 'the data of one table, into it');
in_force($node, 'shop', 'the data of one table');
$other->stop;
$node->stop;
done_testing();
