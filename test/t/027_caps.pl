# Frequency caps are exact: eight sessions show things to the same few persons, one by one and in batches, some of whom
# have two identities that are joined meanwhile, and some of whom are new to the system; nobody is reached more often than
# the caps allow in any window, and everybody as often as that.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use lib 'test/lib';
use Personalize;

my $node = start_node('main', 'max_connections = 40');

$node->safe_psql('postgres', q{
	CREATE EXTENSION personalize;
	CREATE ROLE app LOGIN;
	SELECT personalize.define_category('general', 'for tests');
	SELECT personalize.define_kind('cookie', 'text'), personalize.define_kind('customer', 'bigint');
	SELECT personalize.define_purpose('asked', 'for tests', categories => '{general}');
	SELECT personalize.define_purpose('unasked', 'for tests', 'legitimate_interest', categories => '{general}');
	SELECT personalize.define_purpose('steady', 'for tests', 'legitimate_interest', categories => '{general}');
	SELECT personalize.assign_duty('app', 'app');
	SELECT personalize.grant_consent(i, 'asked', kind => 'customer') FROM generate_series(1, 8) AS i;
	SELECT personalize.grant_consent('c' || i, 'asked', kind => 'cookie') FROM generate_series(1, 8) AS i;
	SELECT personalize.set_frequency_cap('asked', 7, '1 day');
	SELECT personalize.set_frequency_cap('unasked', 3, '1 day'), personalize.set_frequency_cap('unasked', 2, '1 hour');
	SELECT personalize.set_frequency_cap('steady', 2, '200 milliseconds');});

# Each client meets the persons in another order; keys of each round are new to the ledger for purpose "unasked".
my %script = (
	single => q{
\set i random(1, 8)
SELECT personalize.record_exposure(:i, 'asked', kind => 'customer');
SELECT personalize.record_exposure('c' || :i, 'asked', kind => 'cookie');
SELECT personalize.record_exposure(:i + 100 * :round, 'unasked', kind => 'customer');
SELECT personalize.record_exposure(:i, 'steady', kind => 'customer');
},
	batch => q{
\set i random(1, 8)
\set j random(1, 8)
SELECT personalize.record_exposures(ARRAY[:i, :j, :i, :j, 9 - :i, :i]::text[], 'asked', kind => 'customer');
SELECT personalize.record_exposures(ARRAY['c' || :i, 'c' || :j, 'c' || :i], 'asked', kind => 'cookie');
SELECT personalize.record_exposures(ARRAY[:i + 100 * :round, :j + 100 * :round, :i + 100 * :round]::text[], 'unasked', kind => 'customer');
SELECT personalize.record_exposures(ARRAY[:i, :i, :i]::text[], 'steady', kind => 'customer');
},
	link => q{
\set i random(1, 4)
SELECT personalize.link_subject('c' || :i, :i::text, to_kind => 'customer', kind => 'cookie');
});
my $dir = $node->basedir;
foreach my $name (keys %script)
{
	open my $file, '>', "$dir/$name.sql" or die;
	print $file $script{$name};
	close $file;
}

# Two that were joined while each was being reached may wait for each other: then one of them tries again.
foreach my $round (1 .. 3)
{
	my @args = ('-n', '--max-tries=50', '-D', "round=$round", '-h', $node->host, '-p', $node->port, 'postgres');
	my $link = $round == 2 ? 1 : 0;
	my @run = (['-U', 'app', '-c', 4, '-t', 40, '-f', "$dir/single.sql", @args], ['-U', 'app', '-c', 4, '-t', 20, '-f', "$dir/batch.sql", @args]);

	push @run, ['-c', 1, '-t', 20, '-f', "$dir/link.sql", @args] if $link;
	my @handles = map { IPC::Run::start(['pgbench', @$_], '>', \my $out, '2>', \my $err) } @run;
	my $good = 1;

	foreach my $h (@handles)
	{
		$h->finish or $good = 0;
	}
	ok($good, "round $round: all sessions have done their work");
}

# an exposure and those before it, within the time that the cap is about: no more than the cap
is($node->safe_psql('postgres', q{
	SELECT count(*) FROM personalize.frequency_cap AS c JOIN personalize.exposure AS e ON e.purpose_id = c.purpose_id
	WHERE (SELECT count(*) FROM personalize.exposure AS b WHERE b.purpose_id = e.purpose_id AND b.at > e.at - c.per AND b.at <= e.at
		AND b.subject_no = ANY (personalize.numbers_internal(e.subject_no))) > c.max_uses
		/* what each had been shown before they were joined was right then */
		AND NOT EXISTS (SELECT FROM personalize.linked AS l JOIN personalize.link_event AS v ON v.subject_no = l.subject_no OR v.other_no = l.subject_no
			WHERE l.subject_no = e.subject_no AND e.at <= v.recorded_at)}), '0', 'nobody was reached too often');
is($node->safe_psql('postgres', q{
	SELECT count(*) FROM (SELECT e.subject_no, count(*) FROM personalize.exposure AS e JOIN personalize.registry_purpose AS p ON p.purpose_id = e.purpose_id
		WHERE p.name = 'asked' GROUP BY 1 HAVING count(*) > 7) AS x}), '0', 'no identity was reached too often');
is($node->safe_psql('postgres', q{
	SELECT p.name || ' ' || count(*) || ' ' || min(x.n) FROM (SELECT (personalize.numbers_internal(e.subject_no))[1] AS person, e.purpose_id, count(*) AS n
		FROM personalize.exposure AS e GROUP BY 1, 2) AS x JOIN personalize.registry_purpose AS p ON p.purpose_id = x.purpose_id
	WHERE p.name <> 'steady' GROUP BY p.name ORDER BY 1}), "asked 12 7\nunasked 24 2", 'all persons were reached as often as the caps allow');
cmp_ok($node->safe_psql('postgres', q{SELECT count(*) FROM personalize.exposure AS e JOIN personalize.registry_purpose AS p ON p.purpose_id = e.purpose_id WHERE p.name = 'steady'}),
	'>', 16, 'a cap that is over lets persons be reached again');
is($node->safe_psql('postgres', 'SELECT wrong FROM personalize.consent_set_check_internal(NULL)'), '0', 'the set knows who is kept back');

# joined when both had been reached: kept back together
is($node->safe_psql('postgres', q{
	SELECT personalize.grant_consent('late', 'asked', kind => 'cookie') > 0, personalize.grant_consent(99, 'asked', kind => 'customer') > 0;
	SELECT count(personalize.record_exposure('late', 'asked', kind => 'cookie')) FROM generate_series(1, 4);
	SELECT count(personalize.record_exposure(99, 'asked', kind => 'customer')) FROM generate_series(1, 3);
	SELECT personalize.permitted('late', 'asked', 'cookie'), personalize.permitted(99, 'asked', 'customer');
	SELECT personalize.link_subject('late', '99', to_kind => 'customer', kind => 'cookie') >= 0;
	SELECT personalize.permitted('late', 'asked', 'cookie'), personalize.permitted(99, 'asked', 'customer');}),
	"t|t\n4\n3\nt|t\nt\nf|f", 'identities that are joined are capped by what both were shown');

# what is over, and what is kept no longer, is taken away by the worker, which starts with the first use of personal data
$node->safe_psql('postgres', q{
	CREATE TABLE person (id bigint PRIMARY KEY);
	SELECT personalize.protect('person', 'id', kind => 'customer', columns => '{"*":"general"}');
	BEGIN;
	SET LOCAL personalize.purpose = 'asked';
	SELECT count(*) FROM person;
	COMMIT;});
$node->safe_psql('postgres', q{
	UPDATE personalize.suppression SET until = clock_timestamp() - interval '2 hours' WHERE subject_no IN (SELECT subject_no FROM personalize.suppression ORDER BY 1 LIMIT 3);
	UPDATE personalize.exposure SET at = at - interval '10 days' WHERE exposure_id <= 5;
	SELECT personalize.set_exposure_retention('2 days');});
ok($node->poll_query_until('postgres', q{SELECT NOT EXISTS (SELECT FROM personalize.suppression WHERE until < clock_timestamp() - interval '1 hour')
	AND (SELECT rows_swept = 5 AND swept_at IS NOT NULL FROM personalize.exposure_retention)}), 'old suppressions and exposures are swept');
is($node->safe_psql('postgres', 'SELECT wrong FROM personalize.consent_set_check_internal(NULL)'), '0', 'the set knows that, too');
$node->stop;
done_testing();
