# A standby takes over, and the old primary server comes back, by pg_rewind and by a planned switch: with a synchronous
# standby every statement that returned rows is on record, whoever dies.
# The environment: PZ_PROMOTION, how many uses are waited for before a server dies (200).
use strict;
use warnings;
use File::Copy;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use lib 'test/lib';
use Personalize;

my $enough = $ENV{PZ_PROMOTION} || 200;
my $tmp = $PostgreSQL::Test::Utils::tmp_check;
my $a = start_shop('a', 'wal_log_hints = on', "wal_keep_size = '320MB'", "cluster_name = 'a'", 'restart_after_crash = off', 'max_connections = 50');
my $b = start_standby($a, 'b');

# Clients that read one person after the other, each statement with a context of its own, until the server goes.
sub start_load
{
	my ($node, $label, $level) = @_;
	my @clients;

	$node->safe_psql('postgres', "ALTER SYSTEM SET personalize.audit = '$level'; SELECT pg_reload_conf()") if $level;
	foreach my $c (1 .. 3)
	{
		my $sql = "$tmp/$label-$c.sql";
		my $rows = "$tmp/$label-$c.out";

		open my $file, '>', $sql or die "$sql: $!";
		print $file "SET application_name = '$label-$c';\n";
		print $file "BEGIN; SET LOCAL ROLE app; SET LOCAL personalize.purpose = 'ads'; SET LOCAL personalize.context = '$label-$c-$_'; SELECT '$label-$c-$_', id FROM customer WHERE id = "
			. (1 + $_ % 3) . "; COMMIT;\n" foreach 1 .. 20000;
		close $file;
		push @clients, { name => "$label-$c", rows => $rows,
			run => IPC::Run::start([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'), '-f', $sql ], '>', $rows, '2>', "$rows.err") };
	}
	return @clients;
}

# Who was shown by which statement, once all clients are gone: context => person.
sub returned
{
	my %shown;

	foreach my $client (@_)
	{
		$client->{run}->finish;
		foreach (split /\n/, slurp_file($client->{rows}))
		{
			$shown{$1} = $2 if /^([^|]+)\|(\d)$/;
		}
	}
	return %shown;
}

sub wait_for_uses
{
	my ($node, $label) = @_;

	$node->poll_query_until('postgres', "SELECT count(*) >= $enough FROM personalize.usage WHERE context LIKE '$label-%'") or die "no uses of $label";
}

# Uses on record with a label: context => [status, persons].
sub recorded
{
	my ($node, $label) = @_;
	my %uses;

	$node->safe_psql('postgres', 'SELECT personalize.audit_sync()');
	foreach (split /\n/, $node->safe_psql('postgres', qq{
		SELECT u.context, u.status, (SELECT string_agg(s.subject, ',' ORDER BY s.subject) FROM personalize.subjects_of(u.usage_id) AS s)
		FROM personalize.usage AS u WHERE u.context LIKE '$label-%'}))
	{
		my ($context, $status, $persons) = split /\|/;
		push @{ $uses{$context} }, [ $status, $persons // '' ];
	}
	return %uses;
}

# Every statement that returned a row is on record with that person: by itself, or (covered) under a lease of its session that a crash ended.
sub is_on_record
{
	my ($node, $label, $shown, $covered, $name) = @_;
	my %uses = recorded($node, $label);
	my %leases = map { $_ => 1 } split /\n/, $node->safe_psql('postgres', q{
		SELECT u.application_name FROM personalize.usage AS u
		WHERE u.status = 'crashed' AND u.precision = 'superset' AND u.context IS NULL AND u.subjects_used = 3});
	my (@missing, @wrong, @twice);
	my $exact = 0;

	foreach my $context (keys %uses)
	{
		push @twice, $context if @{ $uses{$context} } > 1;
	}
	foreach my $context (keys %$shown)
	{
		my ($client) = $context =~ /^(\w+-\d+)-/;

		if (!$uses{$context} || $uses{$context}[0][0] eq 'open')
		{
			push @missing, $context unless $covered && $leases{$client};
		}
		elsif ($uses{$context}[0][0] eq 'crashed')
		{
			push @wrong, $context unless $uses{$context}[0][1] eq '1,2,3';
		}
		elsif ($uses{$context}[0][1] ne $shown->{$context}) { push @wrong, $context; }
		else { $exact++; }
	}
	cmp_ok(scalar keys %$shown, '>=', $enough, "$name: " . keys(%$shown) . " statements returned rows, $exact are on record exactly");
	is("@missing", '', '... none is missing');
	is("@wrong", '', '... none is on record with others');
	is("@twice", '', '... none is there twice');
	return;
}

sub is_sound
{
	my ($node, $name) = @_;

	is($node->safe_psql('postgres', 'SELECT ok FROM personalize.verify_audit()'), 't', "$name: the chain holds");
	is($node->safe_psql('postgres', 'SELECT count(*) FROM personalize.audit_gap'), 0, '... and has no gap');
	is($node->safe_psql('postgres', q{SELECT count(*) FROM personalize.usage WHERE status = 'open'}), 0, '... nothing is open');
}

# All processes of a server are gone at once.
sub kill_server
{
	my ($node) = @_;
	my @pids = split /\n/, $node->safe_psql('postgres', 'SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()');

	$node->kill9;
	kill 'KILL', @pids;
	foreach my $pid (@pids)
	{
		select(undef, undef, undef, 0.02) while kill(0, $pid);	# lint: poll interval
	}
	unlink $node->data_dir . '/postmaster.pid';
}

sub have_synchronous
{
	my ($node, $standby) = @_;

	$node->safe_psql('postgres', "ALTER SYSTEM SET synchronous_standby_names = '" . $standby->name . "'; SELECT pg_reload_conf()");
	$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_replication WHERE sync_state = 'sync' AND state = 'streaming'}) or die 'no synchronous standby';
}

sub take_over
{
	my ($node) = @_;

	$node->promote;
	$node->safe_psql('postgres', 'ALTER SYSTEM RESET synchronous_standby_names; SELECT pg_reload_conf()');
	$node->poll_query_until('postgres', "SELECT current_setting('synchronous_standby_names') = ''") or die 'not loaded';
}

# Make a stopped server a standby of another one; conf is what postgresql.conf was.
sub follow
{
	my ($node, $primary, $conf) = @_;

	copy($conf, $node->data_dir . '/postgresql.conf') or die $!;
	unlink $node->data_dir . '/postgresql.auto.conf';
	$node->enable_streaming($primary);
	$node->start;
	$primary->wait_for_catchup($node);
}

# ---------------------------------------------------------------- nothing leaves before the standby has the record
have_synchronous($a, $b);
$b->stop;
$a->poll_query_until('postgres', 'SELECT count(*) = 0 FROM pg_stat_replication') or die 'the standby is there';
foreach my $level ('on', 'strict')
{
	my ($status, $out, $err) = $a->psql('postgres', "SET personalize.audit = '$level'; SET synchronous_commit = off; SET statement_timeout = '1s';
		BEGIN; SET LOCAL ROLE app; SET LOCAL personalize.purpose = 'ads'; SELECT id FROM customer; COMMIT");
	isnt($status, 0, "$level: no read without the synchronous standby");
	is($out, '', '... and no row');
	like($err, qr/its record of use has not reached the synchronous standby.*HINT/s, '... but an error that says why');
}
is($a->safe_psql('postgres', "SET personalize.audit = 'async'; BEGIN; SET LOCAL ROLE app; SET LOCAL personalize.purpose = 'ads'; SELECT count(*) FROM customer; COMMIT"), '3',
	'async waits for nothing');
$b->start;
$a->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_replication WHERE sync_state = 'sync' AND state = 'streaming'}) or die 'no synchronous standby';

# ---------------------------------------------------------------- the primary dies, level strict
my @load = start_load($a, 'strict', 'strict');
wait_for_uses($a, 'strict');
kill_server($a);
my %shown = returned(@load);
take_over($b);
is_on_record($b, 'strict', \%shown, 0, 'strict, the primary server is killed');
is_sound($b, 'promoted');
is($b->safe_psql('postgres', "BEGIN; SET LOCAL ROLE app; SET LOCAL personalize.purpose = 'ads'; SELECT count(*) FROM customer; COMMIT"), '3', 'it answers');

# ---------------------------------------------------------------- failback by pg_rewind
my $conf = "$tmp/a.conf";
copy($a->data_dir . '/postgresql.conf', $conf) or die $!;
$b->safe_psql('postgres', 'CHECKPOINT');	# before 16 pg_rewind sees the new timeline only after one
command_ok([ 'pg_rewind', '--debug', '--source-server', $b->connstr('postgres'), '--target-pgdata', $a->data_dir, '--no-sync' ], 'pg_rewind');
follow($a, $b, $conf);
have_synchronous($b, $a);
is($a->safe_psql('postgres', q{SELECT count(*) > 0 FROM personalize.usage WHERE context LIKE 'strict-%'}), 't', 'the old primary server is a standby');

# ---------------------------------------------------------------- the next one dies, level on
@load = start_load($b, 'lease', 'on');
wait_for_uses($b, 'lease');
kill_server($b);
%shown = returned(@load);
take_over($a);
is_on_record($a, 'lease', \%shown, 1, 'on, the primary server is killed');
is_sound($a, 'promoted');

# ---------------------------------------------------------------- failback by a base backup; a switch that is planned, under load, without a synchronous standby
my $c = start_standby($a, 'c', 'personalize.standby_reads = log', "personalize.max_replay_lag = '1h'");
my $log_dir = $c->data_dir . '/personalize_standby';
$a->wait_for_catchup($c);
@load = start_load($a, 'planned', 'on');
wait_for_uses($a, 'planned');
$a->stop('fast');
%shown = returned(@load);

# sessions that live through the promotion
my $cursor = $c->background_psql('postgres', on_error_stop => 1);
$cursor->query_safe("BEGIN; SET LOCAL personalize.purpose = 'ads'; SET LOCAL personalize.context = 'cursor-1-1'; DECLARE c CURSOR FOR SELECT id FROM customer ORDER BY id");
is($cursor->query_safe('FETCH 1 FROM c'), 1, 'a cursor of a standby');
my @through = start_load($c, 'through', undef);
$c->poll_query_until('postgres', "SELECT size > 40000 FROM pg_stat_file((SELECT 'personalize_standby/' || max(f) FROM pg_ls_dir('personalize_standby') AS f))") or die 'nothing is logged';
take_over($c);
is($cursor->query_safe('FETCH ALL FROM c'), "2\n3", '... goes on when it is promoted');
$cursor->query_safe('COMMIT');
is($cursor->query_safe("BEGIN; SET LOCAL personalize.purpose = 'ads'; SET LOCAL personalize.context = 'cursor-1-2'; SELECT count(*) FROM customer; COMMIT"), 3, '... and reads after it');
wait_for_uses($c, 'through');
$_->{run}->signal('TERM') foreach @through;
my %through = returned(@through);
$cursor->quit;
$c->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'client backend'}) or die 'sessions are there';

is_on_record($c, 'planned', \%shown, 0, 'a planned switch without a synchronous standby');
is($c->safe_psql('postgres', q{SELECT ok FROM personalize.status() WHERE check_name = 'standby'}), 'f', 'status() says that the log from before is to be taken in');
my @files = sort glob("$log_dir/*.log");
is(scalar @files, 1, 'there is one file of it');
cmp_ok((take_in($c, $files[0], 'last => true'))[1], '>', 10, 'it is taken in where it is');
is_on_record($c, 'through', \%through, 0, 'a promotion under load');
my %uses = recorded($c, 'cursor');
is($uses{'cursor-1-1'}[0][0] . $uses{'cursor-1-1'}[0][1] . $uses{'cursor-1-2'}[0][0] . $uses{'cursor-1-2'}[0][1], 'ended1,2,3ended1,2,3', 'the session that lived through it is on record, before and after');
ok($c->poll_query_until('postgres', q{SELECT ok FROM personalize.status() WHERE check_name = 'standby'}), 'status() is content again: the file is gone');
is(scalar(@files = glob("$log_dir/*.log")), 0, '... indeed');
is_sound($c, 'promoted');

# ---------------------------------------------------------------- without a synchronous standby the lag is lost
my $d = start_standby($c, 'd');
$c->wait_for_catchup($d);
$c->safe_psql('postgres', "SELECT personalize.audit_sync()");
$c->wait_for_catchup($d);
$d->stop;
my $read = "BEGIN; SET LOCAL ROLE app; SET LOCAL personalize.purpose = 'ads'; SET LOCAL personalize.context = 'lag'; SELECT count(*) FROM customer; COMMIT";
is($c->safe_psql('postgres', $read), 3, 'a read that no standby knows of');
kill_server($c);
$d->start;
take_over($d);
$d->safe_psql('postgres', 'SELECT personalize.audit_sync()');
is($d->safe_psql('postgres', q{SELECT count(*) FROM personalize.usage WHERE context = 'lag'}), 0, '... is lost with the server, as its commits are');
is_sound($d, 'promoted');
$d->stop;
done_testing();
