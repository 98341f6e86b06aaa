# Statements see the newest committed consent at their start (rule of docs/reference.md, "When a choice takes effect"):
# writers change what people said, in transactions, savepoints, roll-backs and two phases, while readers look at all
# isolation levels; what each reader saw must have been true at its start or have become true while it looked.
# The environment: PZ_HISTORY, how many looks each reader takes (60).
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use lib 'test/lib';
use Personalize;

my $looks = $ENV{PZ_HISTORY} || 60;
my $people = 400;
my $writers = 4;				# each changes people of its own; the last one in two phases
my $node = start_node('main', 'max_prepared_transactions = 10');

$node->safe_psql('postgres', qq{
	CREATE EXTENSION personalize;
	CREATE ROLE reader LOGIN;
	ALTER ROLE reader SET personalize.purpose = 'ads';
	CREATE TABLE person (id bigint PRIMARY KEY, key uuid);
	INSERT INTO person SELECT i, md5(i::text)::uuid FROM generate_series(1, $people) AS i;
	CREATE TABLE by_key AS SELECT key, id FROM person;
	GRANT SELECT ON person, by_key TO reader;
	SELECT personalize.define_category('general', 'for tests');
	SELECT personalize.define_kind('keyed', 'uuid');
	SELECT personalize.define_purpose('ads', 'for tests', categories => '{general}');
	SELECT personalize.grant_purpose('ads', 'reader');
	SELECT personalize.protect('person', 'id', columns => '{"*":"general"}');
	SELECT personalize.protect('by_key', 'key', kind => 'keyed', columns => '{"*":"general"}');
	-- what was said: true from a moment between begun and done
	CREATE UNLOGGED TABLE said (id integer, given boolean, begun timestamptz, done timestamptz);
	CREATE UNLOGGED TABLE looked (reader integer, level text, begun timestamptz, done timestamptz, seen integer[]);
	GRANT INSERT ON looked TO reader;
	CREATE SEQUENCE stop;
	GRANT USAGE, SELECT ON stop TO reader;

	CREATE FUNCTION say(id integer, given boolean) RETURNS void LANGUAGE plpgsql AS \$\$
	BEGIN
		IF given THEN
			PERFORM personalize.grant_consent(id, 'ads'), personalize.grant_consent(md5(id::text)::uuid, 'ads', kind => 'keyed');
		ELSE
			PERFORM personalize.withdraw_consent(id, 'ads'), personalize.withdraw_consent(md5(id::text)::uuid, 'ads', kind => 'keyed');
		END IF;
	END
	\$\$;
	CREATE PROCEDURE write(w integer) LANGUAGE plpgsql AS \$\$
	DECLARE
		a integer;
		b integer;
		g boolean;
		t0 timestamptz;
		i integer := 0;
	BEGIN
		LOOP
			i := i + 1;
			EXIT WHEN (SELECT is_called FROM stop);
			a := 1 + w + $writers * (random() * ($people / $writers - 1))::integer;
			b := 1 + w + $writers * (random() * ($people / $writers - 1))::integer;
			g := random() < 0.5;
			CONTINUE WHEN a = b;
			PERFORM say(a, g);
			/* in a savepoint that is rolled back, and in one that is not */
			BEGIN
				PERFORM say(a, NOT g), say(b, NOT g);
				RAISE division_by_zero;
			EXCEPTION WHEN division_by_zero THEN
				NULL;
			END;
			BEGIN
				PERFORM say(b, g);
			EXCEPTION WHEN division_by_zero THEN
				NULL;
			END;
			IF i % 5 = 0 THEN
				ROLLBACK;
			ELSE
				t0 := clock_timestamp();
				COMMIT;
				INSERT INTO said VALUES (a, g, t0, clock_timestamp()), (b, g, t0, clock_timestamp());
				COMMIT;
			END IF;
		END LOOP;
	END
	\$\$;
	CREATE PROCEDURE look(r integer, level text, looks integer) LANGUAGE plpgsql AS \$\$
	DECLARE
		t0 timestamptz;
		t1 timestamptz;
		seen integer[];
	BEGIN
		FOR i IN 1 .. looks LOOP
			/* several in one transaction: at the stricter levels, too, each sees the newest */
			FOR j IN 1 .. 3 LOOP
				t0 := clock_timestamp();
				IF r % 2 = 0 THEN
					seen := ARRAY(SELECT id FROM person);
				ELSE
					seen := ARRAY(SELECT id FROM by_key);
				END IF;
				t1 := clock_timestamp();
				INSERT INTO looked VALUES (r, level, t0, t1, seen);
			END LOOP;
			COMMIT;
		END LOOP;
	END
	\$\$;
	GRANT EXECUTE ON PROCEDURE look TO reader;});
$node->safe_psql('postgres', "INSERT INTO said SELECT i, true, '-infinity', '-infinity' FROM generate_series(1, $people) AS i;
	SELECT say(i, true) FROM generate_series(1, $people) AS i");
# wait for the set, and for the statements that began before it
$node->safe_psql('postgres', 'SELECT personalize.audit_sync()');
$node->psql('postgres', 'SET ROLE reader; SET personalize.purpose = ads; SELECT count(*) FROM person');
$node->poll_query_until('postgres', "SELECT state = 'ready' AND pending = 0 FROM personalize.consent_set_internal()") or die 'there is no consent set';

my @procs;

# Files, not pipes: nobody feeds a pipe of one while another is waited for.
sub start
{
	my ($user, $sql) = @_;
	my $base = $node->basedir . '/client' . scalar @procs;

	PostgreSQL::Test::Utils::append_to_file("$base.sql", $sql);
	push @procs, IPC::Run::start(['psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'), '-U', $user, '-f', "$base.sql"],
		'<', \undef, '>', "$base.out", '2>&1');
}

sub finish
{
	my ($p, $name) = @_;

	ok($procs[$p]->finish, $name) or diag(slurp_file($node->basedir . "/client$p.out"));
}

my $super = $node->safe_psql('postgres', 'SELECT current_user');
start($super, "CALL write($_)") foreach 0 .. $writers - 2;
# the last one in two phases: psql says when
my $two = '';
my $w = $writers - 1;
for my $i (1 .. 4000)
{
	my $a = 1 + $w + $writers * int(rand($people / $writers));
	my $g = $i % 2 ? 'true' : 'false';

	$two .= "BEGIN; SELECT say($a, $g) \\g /dev/null\nPREPARE TRANSACTION 'p$i';\nSELECT clock_timestamp() AS t0, (SELECT is_called FROM stop) AS over \\gset\n"
		. ($i % 6 ? "COMMIT PREPARED 'p$i';\nINSERT INTO said VALUES ($a, $g, :'t0', clock_timestamp());\n" : "ROLLBACK PREPARED 'p$i';\n")
		. "\\if :over\n\\q\n\\endif\n";
}
start($super, $two);
my $n = 0;
foreach my $level ('read committed', 'repeatable read', 'serializable')
{
	start('reader', "SET default_transaction_isolation = '$level'; CALL look(" . $n++ . ", '$level', $looks)") foreach 1 .. 2;
}
for my $p ($writers .. $#procs)
{
	finish($p, 'a reader has looked');
}
$node->safe_psql('postgres', "SELECT nextval('stop')");
for my $p (0 .. $writers - 1)
{
	finish($p, 'a writer has written');
}

# For each look and person: what was last done before it began, and all that was done while it lasted.
my $counts = $node->safe_psql('postgres', q{
	CREATE INDEX ON said (id, done);
	WITH allowed AS (
		SELECT l.ctid AS look, p.id, p.id = ANY (l.seen) AS seen,
			(SELECT s.given FROM said AS s WHERE s.id = p.id AND s.done < l.begun ORDER BY s.done DESC LIMIT 1) AS before,
			ARRAY(SELECT s.given FROM said AS s WHERE s.id = p.id AND s.done >= l.begun AND s.begun <= l.done) AS meanwhile
		FROM looked AS l, generate_series(1, (SELECT max(id) FROM said)) AS p (id))
	SELECT count(*), count(*) FILTER (WHERE seen), count(*) FILTER (WHERE meanwhile <> '{}'),
		count(*) FILTER (WHERE seen <> before AND seen <> ALL (meanwhile)) FROM allowed});
my ($checked, $seen, $meanwhile, $wrong) = split /\|/, $counts;
my $said = $node->safe_psql('postgres', "SELECT count(*) FROM said WHERE done <> '-infinity'");

note("$checked looks at a person were checked ($seen saw one, $meanwhile while it changed), $said changes, $wrong violations");
cmp_ok($checked, '>=', 6 * 3 * $looks * $people, 'all looks are there');
cmp_ok($said, '>', 100, 'people changed their mind');
is($wrong, 0, 'no look saw what was not true');
$node->poll_query_until('postgres', "SELECT state = 'ready' AND pending = 0 FROM personalize.consent_set_internal()") or die 'changes are not folded';
is($node->safe_psql('postgres', 'SELECT answered > 0 AND answered = asked AND wrong = 0 FROM personalize.consent_set_check_internal(NULL)'),
	't', 'the set says what the ledger says');

$node->stop;
done_testing();
