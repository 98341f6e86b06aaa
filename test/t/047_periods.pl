# Foreign keys with PERIOD see the rows of everybody, existence only; from PostgreSQL 18 on.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use lib 'test/lib';
use Personalize;

my $node = start_node('main');
plan skip_all => 'foreign keys have periods from PostgreSQL 18 on'
  if $node->safe_psql('postgres', 'SHOW server_version_num') < 180000;

# persons 1 and 2 agreed, 7 and 8 did not; rooms [1,2) and [3,4) are those of 1, [2,3) is that of 7
$node->safe_psql('postgres', q{
	CREATE EXTENSION personalize;
	CREATE ROLE app;
	CREATE ROLE owner;
	GRANT CREATE ON SCHEMA public TO owner;
	SET ROLE owner;
	CREATE TABLE let (room int4range, valid daterange, who integer, PRIMARY KEY (room, valid WITHOUT OVERLAPS));
	CREATE TABLE guest (room int4range, valid daterange, who integer, CONSTRAINT guest_let FOREIGN KEY (room, PERIOD valid) REFERENCES let);
	INSERT INTO let VALUES ('[1,2)', '[2020-01-01,2021-01-01)', 1), ('[1,2)', '[2021-01-01,2022-01-01)', 1),
		('[2,3)', '[2020-01-01,2021-01-01)', 7), ('[2,3)', '[2021-01-01,2022-01-01)', 7), ('[3,4)', '[2020-01-01,2021-01-01)', 1);
	INSERT INTO guest VALUES ('[1,2)', '[2020-06-01,2021-06-01)', 8);
	GRANT ALL ON let, guest TO app;
	RESET ROLE;
	SELECT personalize.define_category('c', 'for tests');
	SELECT personalize.define_purpose('p', 'for tests', categories => '{c}');
	SELECT personalize.grant_purpose('p', 'app'), personalize.grant_purpose('p', 'owner');
	SELECT personalize.protect('let', 'who', columns => '{"*":"c"}');
	SELECT personalize.protect('guest', 'who', columns => '{"*":"c"}');
	SELECT personalize.grant_consent(i, 'p') FROM generate_series(1, 2) AS i;});

# What the error of statements says that are taken back, or "done".
sub judged
{
	my ($statements) = @_;
	my ($out, $err) = ('', '');

	$node->psql('postgres', "SET ROLE app; BEGIN; $statements; ROLLBACK", stdout => \$out, stderr => \$err, on_error_stop => 1);
	return $err =~ /ERROR:  (.*)/ ? $1 : 'done';
}

my $missing = 'insert or update on table "guest" violates foreign key constraint "guest_let"';
my $referred = 'update or delete on table "let" violates foreign key constraint "guest_let" on table "guest"';
my $purpose = "SET LOCAL personalize.purpose = 'p'";

# --- a row that refers
is(judged(q{INSERT INTO guest VALUES ('[2,3)', '[2020-06-01,2021-06-01)', 2)}), 'done', 'without a purpose, a period that rows of somebody withheld cover');
is(judged(qq{$purpose; INSERT INTO guest VALUES ('[2,3)', '[2020-06-01,2021-06-01)', 2)}), 'done', '... and for a purpose');
is(judged(q{INSERT INTO guest VALUES ('[2,3)', '[2020-06-01,2022-06-01)', 2)}), $missing, 'one that they do not cover');
is(judged(q{INSERT INTO guest VALUES ('[4,5)', '[2020-06-01,2020-07-01)', 2)}), $missing, 'one that nothing covers');

# --- a row that is referred to
is(judged(qq{$purpose; DELETE FROM let WHERE room = '[1,2)'}), $referred, 'a row to which one refers that is withheld does not go');
is(judged(qq{$purpose; DELETE FROM let WHERE room = '[3,4)'}), 'done', 'one to which none refers does');
is(judged(qq{$purpose; UPDATE let SET valid = '[2020-01-01,2020-03-01)' WHERE room = '[1,2)' AND lower(valid) = '2020-01-01'}), $referred, 'nor does a part of its period');
is(judged(qq{$purpose; UPDATE let SET valid = '[2020-05-01,2021-01-01)' WHERE room = '[1,2)' AND lower(valid) = '2020-01-01'}), 'done', 'but another part does');

# --- foreign keys that are added
sub added
{
	my ($statements) = @_;
	my ($out, $err) = ('', '');

	$node->psql('postgres', "SET ROLE owner; BEGIN; $statements; ROLLBACK", stdout => \$out, stderr => \$err, on_error_stop => 1);
	return $err =~ /ERROR:  (.*)/ ? 'refused' : 'done';
}
is(added("ALTER TABLE guest ADD FOREIGN KEY (room, PERIOD valid) REFERENCES let"), 'done', 'all rows have a partner');
is(added("ALTER TABLE guest DROP CONSTRAINT guest_let; INSERT INTO guest VALUES ('[9,10)', '[2020-01-01,2021-01-01)', 8); $purpose; ALTER TABLE guest ADD FOREIGN KEY (room, PERIOD valid) REFERENCES let"),
	'refused', 'one that is withheld has none');

# --- periods of several parts, partitions
$node->safe_psql('postgres', q{
	SET ROLE owner;
	CREATE TABLE many (room int4range, valid datemultirange, who integer, PRIMARY KEY (room, valid WITHOUT OVERLAPS)) PARTITION BY LIST (room);
	CREATE TABLE many_2 PARTITION OF many FOR VALUES IN ('[2,3)');
	CREATE TABLE many_rest PARTITION OF many DEFAULT;
	CREATE TABLE many_guest (room int4range, valid datemultirange, who integer, CONSTRAINT guest_let FOREIGN KEY (room, PERIOD valid) REFERENCES many);
	INSERT INTO many VALUES ('[1,2)', '{[2020-01-01,2022-01-01)}', 1), ('[2,3)', '{[2020-01-01,2021-01-01),[2021-02-01,2022-01-01)}', 7);
	INSERT INTO many_guest VALUES ('[1,2)', '{[2020-06-01,2021-06-01)}', 8);
	GRANT ALL ON many, many_guest TO app;
	RESET ROLE;
	SELECT personalize.protect('many', 'who', columns => '{"*":"c"}');
	SELECT personalize.protect('many_guest', 'who', columns => '{"*":"c"}');});
is(judged(q{INSERT INTO many_guest VALUES ('[2,3)', '{[2020-06-01,2020-07-01),[2021-03-01,2021-06-01)}', 2)}), 'done', 'a period of several parts that rows of somebody withheld cover');
like(judged(q{INSERT INTO many_guest VALUES ('[2,3)', '{[2020-06-01,2021-06-01)}', 2)}), qr/violates foreign key/, 'one that they do not cover');
like(judged(qq{$purpose; DELETE FROM many WHERE room = '[1,2)'}), qr/violates foreign key/, 'a row to which one refers that is withheld does not go');

# --- nothing of that is on record, and nobody else may ask so
is($node->safe_psql('postgres', q{SELECT personalize.audit_sync() \g /dev/null
	SELECT count(*) FROM personalize.usage WHERE query NOT SIMILAR TO '(DELETE FROM|UPDATE) let%' AND query NOT LIKE 'DELETE FROM many%'}), '0', 'the questions of foreign keys are no uses');
my $question = q{SELECT 1 FROM (SELECT "valid" AS r FROM ONLY "public"."let" x WHERE "room" = '[2,3)' AND "valid" && '[2020-01-01,2021-01-01)'::daterange FOR KEY SHARE OF x) x1 HAVING '[2020-01-01,2021-01-01)'::daterange <@ range_agg(x1.r)};
is(judged($question), 'cannot read protected relation public.let without a purpose', 'the same question by a client needs a purpose');
$node->safe_psql('postgres', qq{SET ROLE owner;
	CREATE TABLE heard (rows bigint);
	CREATE FUNCTION ask() RETURNS trigger LANGUAGE plpgsql AS \$\$
	DECLARE
		found bigint;
	BEGIN
		EXECUTE 'SELECT 1 FROM (SELECT "valid" AS r FROM ONLY "public"."let" x WHERE "room" OPERATOR(pg_catalog.=) \$1 AND "valid" OPERATOR(pg_catalog.&&) \$2 FOR KEY SHARE OF x) x1 HAVING \$2 OPERATOR(pg_catalog.<@) pg_catalog.range_agg(x1.r)'
			USING '[2,3)'::int4range, '[2020-01-01,2021-01-01)'::daterange;
		GET DIAGNOSTICS found = ROW_COUNT;
		RAISE EXCEPTION 'found % rows', found;
	END \$\$;
	CREATE TABLE bait (id integer PRIMARY KEY);
	CREATE TABLE trap (id integer REFERENCES bait ON DELETE CASCADE);
	INSERT INTO bait VALUES (1); INSERT INTO trap VALUES (1);
	CREATE TRIGGER ask BEFORE DELETE ON trap FOR EACH ROW EXECUTE FUNCTION ask();
	GRANT ALL ON bait TO app;});
is(judged('DELETE FROM bait'), 'cannot read protected relation public.let without a purpose', '... and by a trigger of an owner within a cascade');
is(judged("$purpose; DELETE FROM bait"), 'found 0 rows', '... which sees who agreed');

$node->stop;
done_testing();
