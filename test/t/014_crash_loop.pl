# Whoever a client has been told of is on record, however often the server dies in the middle of it.
#
# Clients write down every row that they get while the server is killed: a backend, the audit worker or the postmaster
# by SIGKILL, or all by an immediate stop.  The environment: PZ_CRASHES, how often at each level (3); PZ_LEVELS
# (strict,on,async); PZ_SEED.
#
# on:     ... in the record of the statement, or in the set of everybody that stands for what their session may have used
#         (its lease).
# strict: ... in the record of the statement itself if that was complete, else as before.
# async:  what a client got within the last moments can be missing; the test says how much, and asserts that all
#         statements are on record that had ended when another one, a second later, was.
use strict;
use warnings;
use IO::Select;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use lib 'test/lib';
use Personalize;

my $crashes = $ENV{PZ_CRASHES} || 3;
my @levels = split /,/, $ENV{PZ_LEVELS} || 'strict,on,async';
my $seed = $ENV{PZ_SEED} || 1;
my $people = 2000;
my $clients = 4;

srand($seed);

# Statements of one client, each with a tag of its own as its application_name and in each row.  The tag ends in "part"
# if rows can reach the client before the statement is complete; of others psql shows all or nothing.
sub script
{
	my ($round, $client) = @_;
	my $script = '';

	for my $n (1 .. 1500)
	{
		my $kind = int(rand(6));
		my $tag = "r${round}_c${client}_s$n" . ($kind < 3 ? 'part' : '');
		my $from = 1 + int(rand($people - 40));
		my $to = $from + int(rand(40));
		my $select = "SELECT '$tag', id FROM customer WHERE id BETWEEN $from AND $to";

		$script .= "SET application_name = '$tag';\n";
		if ($kind == 0)
		{
			# in parts
			$script .= "\\set FETCH_COUNT 5\n$select;\n\\unset FETCH_COUNT\n";
		}
		elsif ($kind == 1)
		{
			# fails halfway
			my $middle = int(($from + $to) / 2);

			$script .= "\\set FETCH_COUNT 2\nSELECT '$tag', id FROM customer WHERE id BETWEEN $from AND $to AND 1 / ($middle - id) IS NOT NULL;\n\\unset FETCH_COUNT\n";
		}
		elsif ($kind == 2)
		{
			$script .= "BEGIN; DECLARE c CURSOR FOR $select; FETCH 3 FROM c; FETCH 3 FROM c; COMMIT;\n";
		}
		elsif ($kind == 3)
		{
			$script .= "BEGIN; $select; ROLLBACK;\n";
		}
		else
		{
			$script .= "$select;\n";
		}
	}
	return $script;
}

# Start the clients of a round; returns their handles.
sub start_clients
{
	my ($node, $round) = @_;
	my $dir = $node->basedir;
	my @handles;

	for my $client (1 .. $clients)
	{
		PostgreSQL::Test::Utils::append_to_file("$dir/script_${round}_$client.sql", script($round, $client));
		my $pid = open(my $handle, '-|');
		die "fork: $!" unless defined $pid;
		if ($pid == 0)
		{
			open(STDERR, '>', '/dev/null');
			exec('psql', '-X', '-q', '-At', '-d', $node->connstr('postgres') . ' user=app', '-f', "$dir/script_${round}_$client.sql")
				or exit 1;
		}
		push @handles, $handle;
	}
	return @handles;
}

# Read what clients print until they have printed so many lines in all, or (undef) until they end; returns the lines,
# each with the time (by default, when it was read).
sub read_lines
{
	my ($handles, $buffers, $enough, $at) = @_;
	my $select = IO::Select->new(grep { !eof_of($_, $buffers) } @$handles);
	my @lines;

	while ($select->count > 0 && (!defined $enough || @lines < $enough))
	{
		for my $handle ($select->can_read(60))
		{
			my $got = sysread($handle, $buffers->{$handle}{text}, 8192, length($buffers->{$handle}{text} // ''));

			if (!$got)
			{
				$buffers->{$handle}{eof} = 1;
				$select->remove($handle);
				next;
			}
			while ($buffers->{$handle}{text} =~ s/^([^\n]*)\n//)
			{
				my $line = $1;

				push @lines, [$at // time(), $line] if $line =~ /^r\d+_c\d+_s\d+(?:part)?\|\d+$/;
			}
		}
	}
	return @lines;
}

sub eof_of
{
	my ($handle, $buffers) = @_;

	return $buffers->{$handle}{eof};
}

# Start a server whose processes may still be about to notice that their postmaster is gone.
sub start_again
{
	my ($node) = @_;

	for my $try (1 .. 100)
	{
		return if $node->start(fail_ok => 1);
		$node->{_pid} = undef;
	}
	die 'the server does not start again';
}

# Kill the server in one of four ways.  Returns with a server that answers.
sub crash
{
	my ($node, $way) = @_;
	my $offset = -s $node->logfile;

	if ($way < 2)
	{
		# a backend or the worker of the audit: who is left restarts
		my $type = $way == 0 ? "backend_type = 'client backend' AND usename = 'app'" : "backend_type LIKE 'personalize audit worker%'";
		my $victim = $node->safe_psql('postgres', "SELECT pid FROM pg_stat_activity WHERE $type ORDER BY random() LIMIT 1");

		return 0 if $victim eq '';
		PostgreSQL::Test::Utils::system_log('pg_ctl', 'kill', 'KILL', $victim);
		$node->wait_for_log(qr/all server processes terminated; reinitializing/, $offset);
		$node->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()') or die 'the server did not come back';
	}
	elsif ($way == 2)
	{
		$node->kill9;
		start_again($node);
	}
	else
	{
		$node->stop('immediate');
		$node->start;
	}
	return 1;
}

for my $level (@levels)
{
	my $node = start_node("loop_$level", 'restart_after_crash = on', "personalize.audit = '$level'", 'log_min_messages = warning');
	my ($rows, $own, $leased, $whole, $missing, $late, $doubled, $wrong, $killed) = (0) x 9;

	$node->safe_psql('postgres', qq{
		CREATE EXTENSION personalize;
		CREATE ROLE app LOGIN;
		CREATE TABLE customer (id integer PRIMARY KEY, name text);
		INSERT INTO customer SELECT i, 'name' || i FROM generate_series(1, $people) AS i;
		GRANT ALL ON customer TO app;
		SELECT personalize.define_category('general', 'for tests');
		SELECT personalize.define_purpose('ads', 'for tests', categories => '{general}');
		SELECT personalize.grant_purpose('ads', 'app');
		ALTER ROLE app SET personalize.purpose = 'ads';
		SELECT personalize.protect('customer', 'id', columns => '{"*":"general"}');
		SELECT count(personalize.grant_consent(i, 'ads')) FROM generate_series(1, $people) AS i WHERE i % 4 <> 0;
		CREATE TABLE got (at double precision, tag text, id integer);
		CREATE TABLE own (usage_id bigint, tag text, session text, leased boolean);});
	my $head = $node->safe_psql('postgres', 'SELECT personalize.audit_head()');
	my $last = 0;

	for my $round (1 .. $crashes)
	{
		my %buffers;
		my @handles = start_clients($node, $round);
		my @lines = read_lines(\@handles, \%buffers, 1 + int(rand(4000)));

		# what is read after the crash was sent before it
		my $crashed_at = time();

		$killed += crash($node, int(rand(4)));
		push @lines, read_lines(\@handles, \%buffers, undef, $crashed_at);
		close $_ foreach @handles;

		my $file = $node->basedir . '/got';
		unlink $file;
		PostgreSQL::Test::Utils::append_to_file($file, join('', map { sprintf("%.6f|%s\n", @$_) } @lines));
		my $result = $node->safe_psql('postgres', qq{
			SELECT personalize.audit_sync() \\g /dev/null
			TRUNCATE got, own;
			\\copy got FROM '$file' (DELIMITER '|')
			INSERT INTO own SELECT usage_id, application_name, regexp_replace(application_name, '_s.*', ''), columns IS NULL
				FROM personalize.usage WHERE usage_id > $last AND relation = 'customer'::regclass AND application_name LIKE 'r${round}\\_%';
			WITH own_people AS MATERIALIZED (
				SELECT o.tag, o.session, o.leased, s.subject::integer AS id FROM own AS o, personalize.subjects_of(o.usage_id) AS s),
			checked AS MATERIALIZED (
				SELECT g.at, g.tag, EXISTS (SELECT FROM own_people AS o WHERE NOT o.leased AND o.tag = g.tag AND o.id = g.id) AS own,
					EXISTS (SELECT FROM own_people AS o WHERE o.leased AND o.session = regexp_replace(g.tag, '_s.*', '') AND o.id = g.id) AS leased
				FROM got AS g)
			SELECT count(*), count(*) FILTER (WHERE own), count(*) FILTER (WHERE NOT own AND leased), count(*) FILTER (WHERE NOT own AND tag NOT LIKE '%part'), count(*) FILTER (WHERE NOT own AND NOT leased),
				count(*) FILTER (WHERE NOT own AND NOT leased AND at < (SELECT max(at) FROM checked WHERE own) - 1),
				(SELECT count(*) FROM (SELECT tag FROM own WHERE NOT leased GROUP BY tag HAVING count(*) > 1) AS d),
				(SELECT count(*) FROM own_people WHERE id % 4 = 0)
			FROM checked});
		my @result = split /\|/, $result;

		$rows += $result[0];
		$own += $result[1];
		$leased += $result[2];
		$whole += $result[3];
		$missing += $result[4];
		$late += $result[5];
		$doubled += $result[6];
		$wrong += $result[7];
		note("$level, round $round: $result");
		$last = $node->safe_psql('postgres', "SELECT coalesce(max(usage_id), $last) FROM own");
	}
	note("$level: $killed crashes, $rows rows received, $own in the record of their statement, $leased in that of a lease, $missing in none");
	cmp_ok($killed, '>', 0, "$level: the server was killed");
	cmp_ok($rows, '>', 0, "$level: clients got rows");
	is($missing, 0, "$level: whoever a client has got is on record") if $level ne 'async';
	is($whole, 0, "$level: ... in the record of the statement itself if that was complete") if $level eq 'strict';
	is($late, 0, "$level: nobody is missing of whom a client knew a second before") if $level eq 'async';
	is($doubled, 0, "$level: no statement is on record twice");
	is($wrong, 0, "$level: nobody is on record who was not permitted");
	is($node->safe_psql('postgres', 'SELECT count(*) FROM (SELECT session_id, use_no FROM personalize.audit_use GROUP BY 1, 2 HAVING count(*) > 1) AS d'),
		'0', "$level: nothing is there twice");
	is($node->safe_psql('postgres', "SELECT ok FROM personalize.verify_audit('$head')"), 't', "$level: the chain holds");
	is($node->safe_psql('postgres', 'SELECT count(*) FROM personalize.audit_gap'), '0', "$level: no gap");
	$node->stop;
}

done_testing();
