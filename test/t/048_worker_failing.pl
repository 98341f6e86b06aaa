# The audit worker cannot write, as where the disk of the data is full, while write-ahead log can be written: status() says so, reads go on for
# a minute and are then refused with what to do, and nothing is missing when there is room again.
#
# Files may not grow beyond a limit here; segments of write-ahead log are smaller than that.
use strict;
use warnings;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use lib 'test/lib';
use Personalize;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => ['--wal-segsize=1']);
$node->append_conf('postgresql.conf', slurp_file('test/personalize.conf'));
$node->append_conf('postgresql.conf', "max_wal_size = 64MB\nmin_wal_size = 2MB\nautovacuum = off\n");
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION personalize;
	CREATE ROLE app LOGIN;
	CREATE TABLE customer (id integer PRIMARY KEY, name text);
	INSERT INTO customer SELECT i, 'name' || i FROM generate_series(1, 5) AS i;
	GRANT ALL ON customer TO app;
	SELECT personalize.define_category('general', 'for tests'), personalize.define_purpose('ads', 'for tests', categories => '{general}');
	SELECT personalize.grant_purpose('ads', 'app'), personalize.protect('customer', 'id', columns => '{"*":"general"}');
	SELECT personalize.grant_consent(i, 'ads') FROM generate_series(1, 3) AS i;});
my $checks = q{SELECT ok, detail, hint <> '' FROM personalize.status() WHERE check_name = 'audit worker'};
like($node->safe_psql('postgres', $checks), qr/^t\|running/, 'whoever looks before the first use of all finds the audit worker running');
my $uses = 0;

# So many uses, each with a text of its own
sub use_some
{
	my ($n) = @_;

	$uses += $n;
	return $node->psql('postgres', qq{SET ROLE app; DO \$\$
	BEGIN
		PERFORM personalize.set_purpose('ads');
		FOR i IN 1 .. $n LOOP
			PERFORM set_config('personalize.context', 'use ' || $uses - $n + i || repeat(' and so on', 90), true);
			PERFORM count(*) FROM customer;
		END LOOP;
	END \$\$});
}
my $largest = $node->safe_psql('postgres', q{SELECT 1024 * (1 + max(pg_relation_size(oid)) / 1024 / 1024) FROM pg_class WHERE relfilenode <> 0 OR relisshared OR relkind = 'r'});
use_some(10);
$node->safe_psql('postgres', 'SELECT personalize.audit_sync()');
$node->stop;
my $limit = $largest + 2048;
system('bash', '-c', "ulimit -f $limit && exec pg_ctl -w -s -D \"\$0\" -l \"\$1\" start", $node->data_dir, $node->data_dir . '/limited.log') == 0 or BAIL_OUT('the server did not start');
foreach (1 .. 40)
{
	use_some(500);
	last if $node->safe_psql('postgres', q{SELECT detail = 'failing' FROM personalize.status() WHERE check_name = 'audit worker'}) eq 't';
}
is($node->safe_psql('postgres', $checks), 'f|failing|t', 'a worker that cannot write: status() says so, and what to do');
like(slurp_file($node->data_dir . '/limited.log'), qr/ERROR:  could not (extend|write).*File too large/, '... and the log says why');
my $read = q{BEGIN; SET LOCAL ROLE app; SET LOCAL personalize.purpose = 'ads'; SELECT count(*) FROM customer; COMMIT};
is($node->safe_psql('postgres', $read), '3', 'reads go on');
$uses++;
my ($ret, $out, $err);
$node->poll_query_until('postgres', q{SELECT clock_timestamp() > failing_since + interval '50 seconds' FROM personalize.audit_worker_internal()}) or die 'it does not fail';
is($node->safe_psql('postgres', $read), '3', '... for a minute');
$uses++;
$node->poll_query_until('postgres', q{SELECT clock_timestamp() > failing_since + interval '61 seconds' FROM personalize.audit_worker_internal()}) or die 'it does not fail';
($ret, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\n$read");
like($err, qr/ERROR:  55000: .*cannot be recorded.*HINT:  .*fails again and again.*server log/s, '... and are refused then, with what to do');
is($out, '', '... without rows');
my $waits = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', 'SELECT personalize.audit_sync()' ], '>', \$out, '2>', \$err);
my $event = $node->safe_psql('postgres', 'SHOW server_version_num') >= 170000 ? 'PersonalizeAuditSync' : 'Extension';
ok($node->poll_query_until('postgres', qq{SELECT count(*) = 1 FROM pg_stat_activity WHERE query = 'SELECT personalize.audit_sync()' AND wait_event = '$event'}), 'who waits for it says so');
$waits->finish;
like($err, qr/audit worker of this database/, '... but not for ever');
is($node->safe_psql('postgres', 'CREATE TABLE other AS SELECT 1 AS x; SELECT x FROM other'), '1', 'what is not protected is as ever');

# there is room again
system('pg_ctl', '-w', '-s', '-m', 'fast', '-D', $node->data_dir, 'stop') == 0 or BAIL_OUT('the server did not stop');
$node->_update_pid(0);
$node->start;
$node->safe_psql('postgres', 'SELECT personalize.audit_sync()');
is($node->safe_psql('postgres', q{SELECT count(*) FROM personalize.usage WHERE db_role = 'app' AND status = 'ended'}), $uses, 'there is room again: all uses are on record');
is($node->safe_psql('postgres', q{SELECT count(*) FROM (SELECT session_id, use_no FROM personalize.audit_use GROUP BY 1, 2 HAVING count(*) > 1) AS d}), '0', '... none twice');
is($node->safe_psql('postgres', 'SELECT ok FROM personalize.verify_audit()'), 't', '... and the record is whole');
like($node->safe_psql('postgres', $checks), qr/^t\|running/, '... and status() is content');
is($node->safe_psql('postgres', $read), '3', '... and rows are read');
$node->stop;
done_testing();
