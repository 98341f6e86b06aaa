# WAL that cannot be written: the server goes down, and whoever a client has been told of is on record when it is back.
#
# The disk is full where a file may not grow: a limit on the size of files keeps the server from making a new segment.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use lib 'test/lib';
use Personalize;

my $node = start_shop('main', 'restart_after_crash = off', 'max_wal_size = 32MB', 'min_wal_size = 32MB', 'wal_recycle = off');

foreach my $level (qw(strict on))
{
	my (%got, $died);
	my $round = 0;

	$node->append_conf('postgresql.conf', "personalize.audit = $level\n");
	$node->safe_psql('postgres', 'SELECT pg_switch_wal(); CHECKPOINT');
	$node->stop;
	# half a segment
	system('bash', '-c', 'ulimit -f 8192 && exec pg_ctl -w -s -D "$0" -l "$1" start', $node->data_dir, $node->logfile) == 0 or BAIL_OUT('the server did not start');
	while (!$died && ++$round < 200)
	{
		my $tag = "${level}_$round";
		my ($code, $out) = $node->psql('postgres', join("\n", "SET application_name = '$tag';", 'SET ROLE app;',
			map({ "BEGIN; SET LOCAL personalize.purpose = 'ads'; SELECT id FROM customer WHERE id <= $_; COMMIT;" } 1 .. 3),
			"SELECT length(pg_logical_emit_message(false, 'filler', repeat('x', 100000))::text) * 0;"));

		$got{$tag}{$_} = 1 foreach grep { $_ ne '' && $_ ne '0' } split /\n/, $out;
		$died = $code != 0;
	}
	ok($died, "$level: the server went down after $round rounds");
	like(slurp_file($node->logfile), qr/PANIC:  could not write to .*File too large/, '... because WAL could not be written');
	# waits until it is gone
	system('pg_ctl', '-w', '-s', '-m', 'immediate', '-D', $node->data_dir, 'stop');
	# there is room again
	$node->_update_pid(0);
	$node->start;
	$node->safe_psql('postgres', 'SELECT personalize.audit_sync()');
	is(join(' ', map { my $tag = $_; map { "$tag:$_" } grep {
		$node->safe_psql('postgres', "SELECT count(*) FROM personalize.usage AS u, personalize.subjects_of(u.usage_id) AS s WHERE u.application_name = '$tag' AND s.subject = '$_'") == 0
	} keys %{ $got{$tag} } } keys %got), '', '... everybody a client has got is on record for the session');
	is($node->safe_psql('postgres', "SELECT count(*) FROM (SELECT session_id, use_no FROM personalize.audit_use GROUP BY 1, 2 HAVING count(*) > 1) AS d"), 0, '... nobody twice');
	is($node->safe_psql('postgres', 'SELECT ok FROM personalize.verify_audit()'), 't', '... and the record is whole');
	cmp_ok(scalar(keys %got), '>', 2, '... ' . scalar(keys %got) . ' sessions got rows');
}
$node->stop;
done_testing();
