# The worker looks at the tables of exclusions again: what changes with time, what a trigger that was off has missed, and
# one that is gone does not keep it from the others.  Nor do purposes keep what people did longer than they say.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use lib 'test/lib';
use Personalize;

my $node = start_shop('main');

# Who is served, by the row filter.
sub seen
{
	return q{SELECT count(*) FROM customer WHERE personalize.for_purpose('ads') AND id = } . shift;
}

$node->safe_psql('postgres', q{
	CREATE TABLE hardship (who bigint, since timestamptz);
	CREATE TABLE asked (who bigint);
	SELECT personalize.define_exclusion('hardship', 'hardship', 'since <= now()', '{ads}', 'for tests', "column" => 'who', refresh_every => '1 second');
	SELECT personalize.define_exclusion('asked', 'asked', 'true', '{ads}', 'for tests', "column" => 'who', refresh_every => '1 second');
	INSERT INTO hardship SELECT 1, now() + interval '3 seconds';});
is($node->safe_psql('postgres', q{SELECT timely FROM personalize.exclusions ORDER BY name}), "f\nt", 'one of the conditions changes with time');
ok($node->poll_query_until('postgres', seen(1), '0'), 'who comes under a condition with time is kept back');
is($node->safe_psql('postgres', seen(2)), '1', 'others are not');

$node->safe_psql('postgres', q{
	ALTER TABLE hardship DISABLE TRIGGER USER;
	INSERT INTO hardship VALUES (2, '2001-01-01');});
is($node->safe_psql('postgres', q{SELECT count(*) FROM personalize.status() WHERE check_name = 'exclusion' AND NOT ok}), '1', 'status() tells of a trigger that is off');
ok($node->poll_query_until('postgres', seen(2), '0'), 'who was put in while it was off is kept back');
$node->safe_psql('postgres', q{DELETE FROM hardship});
ok($node->poll_query_until('postgres', q{SELECT count(*) FROM customer WHERE personalize.for_purpose('ads')}, '3'), 'who was taken out is not any more');

# what does not change with time is looked at once a day
$node->safe_psql('postgres', q{
	ALTER TABLE asked DISABLE TRIGGER USER;
	INSERT INTO asked VALUES (3);
	UPDATE personalize.exclusion SET refreshed_at = refreshed_at - interval '25 hours' WHERE name = 'asked';});
ok($node->poll_query_until('postgres', seen(3), '0'), 'all tables are looked at within a day');

# one that is gone
$node->safe_psql('postgres', q{
	DROP TABLE asked;
	UPDATE personalize.exclusion SET refreshed_at = refreshed_at - interval '25 hours' WHERE name = 'asked';});
ok($node->poll_query_until('postgres', q{SELECT message = 'the table of exclusion "asked" does not exist any more' FROM personalize.exclusions WHERE name = 'asked'}),
	'that a table is gone is noted');
is($node->safe_psql('postgres', seen(3)), '0', 'whom it held it holds');
$node->safe_psql('postgres', q{INSERT INTO hardship VALUES (1, '2001-01-01')});
ok($node->poll_query_until('postgres', seen(1), '0'), 'others are looked at all the same');

# whoever goes on for long holds the worker up, and nobody else
$node->safe_psql('postgres', q{
	SELECT personalize.define_exclusion('list', purposes => '{ads}', reason => 'for tests');
	BEGIN;
	SELECT personalize.exclude(1, 'list');
	PREPARE TRANSACTION 'long';});
ok($node->poll_query_until('postgres', q{SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 'personalize.exclusion_member'::regclass AND NOT granted)}), 'the worker waits');
is($node->safe_psql('postgres', q{SET statement_timeout = '30s'; SELECT personalize.exclude(3, 'list'); INSERT INTO hardship VALUES (3, '2001-01-01');}), 't', 'others do not wait for it');
$node->safe_psql('postgres', q{COMMIT PREPARED 'long'; DELETE FROM hardship WHERE who = 3; SELECT personalize.drop_exclusion('list');});

# kept no longer than the purpose says
$node->safe_psql('postgres', q{
	SELECT personalize.define_purpose('ads', 'for tests', categories => '{general}', retention => '10 days');
	SELECT personalize.define_metric('buys', 'ads', 'purchase');
	SELECT personalize.record_exposure(2, 'ads'), personalize.record_outcome(2, 'buys'), personalize.record_outcome(2, 'buys');
	BEGIN;
	UPDATE personalize.exposure SET at = at - interval '11 days';
	UPDATE personalize.outcome SET at = at - interval '11 days' WHERE outcome_id IN (SELECT min(outcome_id) FROM personalize.outcome);
	DELETE FROM personalize.purpose_sweep;
	COMMIT;});
ok($node->poll_query_until('postgres', q{SELECT (SELECT count(*) FROM personalize.exposure) || ' ' || (SELECT count(*) FROM personalize.outcome)}, '0 1'),
	'what is older than its purpose keeps it is swept');
is($node->safe_psql('postgres', 'SELECT wrong FROM personalize.consent_set_check_internal(NULL)'), '0', 'the set knows all of that');
$node->stop;
done_testing();
