# After a restore from a base backup, to the end or to a point in time, protected relations are closed until it is said who was
# erased since: tombstones of the newest server, or that none can be missing. So they are under another key file. A standby is not
# a restore.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use lib 'test/lib';
use Personalize;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(allows_streaming => 1, has_archiving => 1);
$node->append_conf('postgresql.conf', slurp_file('test/personalize.conf'));
$node->start;
$node->safe_psql('postgres', 'CREATE ROLE app LOGIN; CREATE ROLE officer LOGIN; CREATE DATABASE shop; CREATE DATABASE beside');
foreach my $db (qw(shop beside))
{
	$node->safe_psql($db, q{
		CREATE EXTENSION personalize;
		CREATE TABLE customer (id integer PRIMARY KEY, name text);
		CREATE TABLE orders (customer integer, item text);
		INSERT INTO customer SELECT i, 'name' || i FROM generate_series(1, 20) AS i;
		INSERT INTO orders SELECT i, 'item' || i FROM generate_series(1, 20) AS i;
		GRANT ALL ON customer, orders TO app;
		SELECT personalize.define_category('general', 'for tests');
		SELECT personalize.define_purpose('ads', 'for tests', categories => '{general}'), personalize.grant_purpose('ads', 'app');
		SELECT personalize.define_purpose('service', 'for tests', 'contract', categories => '{general}'), personalize.grant_purpose('service', 'app');
		SELECT personalize.assign_duty('officer', 'officer'), personalize.assign_duty('app', 'app');
		SELECT personalize.protect(r, s, columns => '{"*":"general"}') FROM (VALUES ('customer'::regclass, 'id'), ('orders', 'customer')) AS x (r, s);
		SELECT personalize.grant_consent(i, 'ads') FROM generate_series(1, 8) AS i;
		SELECT personalize.grant_consent(30, 'ads');
		/* erased before the backup; the second came back */
		SELECT personalize.erase_subject(9), personalize.erase_subject(8);
		INSERT INTO customer VALUES (8, 'again');
		SELECT personalize.grant_consent(8, 'ads');});
}
$node->backup('before');
$node->safe_psql('shop', q{SELECT pg_create_restore_point('point') \g /dev/null
	/* uses that name persons who never said anything */
	BEGIN; SET LOCAL personalize.purpose = 'service'; SELECT count(*) FROM customer; COMMIT;
	SELECT personalize.audit_sync()});
$node->backup('used');
my $moment = $node->safe_psql('shop', 'SELECT clock_timestamp()');
$node->safe_psql('shop', q{
	SELECT pg_create_restore_point('later') \g /dev/null
	SELECT personalize.erase_subject(1);
	/* came back since: what was there before is erased all the same */
	SELECT personalize.erase_subject(2);
	INSERT INTO customer VALUES (2, 'new'); SELECT personalize.grant_consent(2, 'ads');
	/* asked for it, and is only hidden yet; took it back */
	SELECT personalize.request_erasure(3, grace => '1 year');
	SELECT personalize.cancel_erasure(personalize.request_erasure(4, grace => '1 year'));
	/* said something, and has no rows; has rows, and said nothing */
	SELECT personalize.erase_subject(30), personalize.erase_subject(10);
	SELECT personalize.hold_subject(5, 'lawsuit', 'orders'), personalize.erase_subject(5);
	SELECT personalize.withdraw_consent(6, 'ads');
	SELECT pg_switch_wal();});
my $tombstones = $node->safe_psql('shop', 'SET ROLE officer; SELECT personalize.export_tombstones()');
my $beside = $node->safe_psql('beside', 'SELECT personalize.export_tombstones()');
unlike($tombstones, qr/name|item/, 'tombstones say nothing of persons');
is($node->safe_psql('shop', qq{SELECT jsonb_array_length('$tombstones'::jsonb -> 'tombstones')}), '8', 'tombstones of all who were erased or asked for it, also of who came back, not of who took it back');
is($node->safe_psql('shop', q{SELECT jsonb_array_length(personalize.export_tombstones(since => clock_timestamp()) -> 'tombstones')}), '0', '... since a moment');
my ($ret, $out, $err) = $node->psql('shop', 'SET ROLE app; SELECT personalize.export_tombstones()');
like($err, qr/permission denied/, '... only to officers');

# A server from a backup; copying it has lost the mode of the key file
sub from_backup
{
	my ($name, $backup, %how) = @_;
	my $n = PostgreSQL::Test::Cluster->new($name);

	$n->init_from_backup($node, $backup, %how);
	chmod(0600, $n->data_dir . '/personalize.key');
	$n->append_conf('postgresql.conf', "archive_mode = off\n");
	return $n;
}

sub restored
{
	my ($name, $backup, @conf) = @_;
	my $n = from_backup($name, $backup, has_restoring => 1, standby => 0);

	$n->append_conf('postgresql.conf', "$_\n") foreach @conf;
	$n->start;
	$n->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()') or die 'recovery does not end';
	return $n;
}

sub seen
{
	my ($n, $db, $purpose, $table) = @_;
	my $column = ($table // 'customer') eq 'customer' ? 'id' : 'customer';

	$table //= 'customer';
	return $n->safe_psql($db, "BEGIN; SET LOCAL ROLE app; SET LOCAL personalize.purpose = '$purpose'; SELECT string_agg(${column}::text, ' ' ORDER BY $column) FROM $table; COMMIT");
}

sub closed
{
	my ($n, $db, $name, $why) = @_;

	$why //= qr/ERROR:  55000: protected relations are closed: the database was restored.*HINT:  .*reapply_erasures.*export_tombstones/s;
	foreach my $as ('SET LOCAL ROLE app;', '')
	{
		foreach my $sql ("SELECT name FROM customer", 'COPY customer TO STDOUT', "UPDATE orders SET item = 'x' RETURNING item")
		{
			($ret, $out, $err) = $n->psql($db, "\\set VERBOSITY verbose\nBEGIN; $as SET LOCAL personalize.purpose = 'ads'; $sql; ROLLBACK", on_error_stop => 0);
			like($err, $why, "$name: closed: $as $sql");
			unlike($out . $err, qr/name[0-9]|item[0-9]/, "$name: no row is told: $as $sql");
		}
	}
	is($n->safe_psql($db, "SELECT personalize.permitted(4, 'ads'), (SELECT permitted FROM personalize.decide(4, 'ads'))"), 'f|f', "$name: nothing is permitted");
	is($n->safe_psql($db, q{SELECT bool_or(ok), min(hint) <> '' FROM personalize.status() WHERE check_name = 'restore' AND NOT ok}), 'f|t', "$name: status() says so");
	is($n->safe_psql($db, q{BEGIN; SET LOCAL personalize.purpose = 'backup'; SELECT count(*) > 0 FROM orders; COMMIT}), 't', "$name: backups can be made");
	is($n->safe_psql($db, q{BEGIN; INSERT INTO orders VALUES (4, 'more'); ROLLBACK; SELECT 1}), '1', "$name: rows can be collected");
}

# To a point in time: who was erased since is there
my $pit = restored('pit', 'before', "recovery_target_name = 'later'", "recovery_target_action = 'promote'");
is($pit->safe_psql('shop', q{BEGIN; SET LOCAL personalize.purpose = 'backup'; SELECT string_agg(id::text, ' ' ORDER BY id) FROM customer WHERE id < 11; COMMIT}), '1 2 3 4 5 6 7 8 10', 'the rows of erased people came back');
closed($pit, 'shop', 'point in time');
closed($pit, 'beside', 'point in time, other database');
my $session = $pit->background_psql('shop', on_error_stop => 0);
$session->query('SELECT name FROM customer');

sub refused
{
	my ($n, $db, $call, $why, $name) = @_;

	($ret, $out, $err) = $n->psql($db, "SET ROLE officer; SELECT personalize.reapply_erasures($call)");
	like($err, $why, $name);
}
refused($pit, 'shop', '', qr/who was erased since the backup is not known.*HINT:.*without/s, 'it must be said who was erased');
refused($pit, 'shop', "'[]'", qr/not what export_tombstones\(\) returns/, '... by what was exported');
refused($pit, 'shop', "'$beside'", qr/of another database/, '... from this database');
refused($pit, 'shop', "'$tombstones', 'none'", qr/Give one/, '... or by why not');
(my $other = $tombstones) =~ s/("key_file": ")..../${1}0000/;
refused($pit, 'shop', "'$other'", qr/another key file/, '... under this key file');
refused($pit, 'shop', "'$tombstones'", qr/a legal hold is on rows.*HINT:.*hold_subject/s, 'rows that are held on the newest server are not deleted');
closed($pit, 'shop', 'all that failed');
($ret, $out, $err) = $pit->psql('shop', "SET ROLE app; SELECT personalize.reapply_erasures('$tombstones')");
like($err, qr/permission denied/, 'only officers apply erasures');
$pit->safe_psql('shop', "SET ROLE officer; SELECT personalize.hold_subject(5, 'lawsuit', 'orders')");
is($pit->safe_psql('shop', "SET ROLE officer; SELECT jsonb_array_length(personalize.reapply_erasures('$tombstones'))"), '6', 'erasures are applied again');
is(seen($pit, 'shop', 'ads'), '4 6 7 8', 'it is open, and who was erased is not there');
is(seen($pit, 'shop', 'service'), join(' ', 4, 6, 7, 8, 11 .. 20), '... for no purpose');
is(seen($pit, 'shop', 'service', 'orders'), join(' ', 4, 6, 7, 11 .. 20), '... in no relation');
is($pit->safe_psql('shop', q{BEGIN; SET LOCAL personalize.purpose = 'backup'; SELECT string_agg(customer::text, ' ') FROM orders WHERE customer IN (1, 2, 3, 5, 9, 10); SELECT count(*) FROM customer WHERE id IN (1, 2, 3, 5, 9, 10); COMMIT}), "5\n0", '... but what is held');
is($pit->safe_psql('shop', q{SELECT string_agg(personalize.consent_state(i, 'ads'), ' ') FROM unnest('{1,2,3,4,5,9,10,30}'::integer[]) AS i}), 'erased erased erased given erased erased erased erased', '... nor in the ledger');
is($pit->safe_psql('shop', q{SELECT count(*) FROM personalize.subject AS s WHERE s.key IN ('1', '2', '3', '30', '10')}), '0', '... under any key');
is($pit->safe_psql('shop', q{SELECT bool_and(ok), string_agg(detail, '') ~ 'by postgres: 6 were brought along' FROM personalize.status() WHERE check_name = 'restore'}), 't|t', '... and status() says who did it');
like($session->query("BEGIN; SET LOCAL personalize.purpose = 'ads'; SELECT count(*) FROM customer; COMMIT;"), qr/^4$/m, '... also for a session that was there before');
$session->quit;
is($pit->safe_psql('shop', 'SELECT personalize.audit_sync() \g /dev/null
	SELECT ok FROM personalize.verify_audit()'), 't', 'the record of use goes on and verifies');
is($pit->safe_psql('shop', 'SELECT jsonb_array_length(personalize.reapply_erasures())'), '0', '... once');
closed($pit, 'beside', 'the other database is still closed');
$pit->restart;
is(seen($pit, 'shop', 'ads'), '4 6 7 8', 'open after a restart');
closed($pit, 'beside', 'closed after a restart');
# withdrawals are brought along as docs/backup.md has it
my ($there) = slurp_file('docs/backup.md') =~ /(\\copy \(SELECT.*) TO said.csv CSV/;
my ($here) = slurp_file('docs/backup.md') =~ /(CREATE TEMP TABLE said.*?record_consents\('said'\);)/s;
my $said = PostgreSQL::Test::Utils::tempdir() . '/said.csv';
$there =~ s/> '2026[^']*'/> '$moment'/ or die;
$here =~ s/FROM said.csv/FROM '$said'/ or die;
$node->safe_psql('shop', "$there TO '$said' CSV");
is($pit->safe_psql('shop', $here), '1', 'withdrawals since are brought along');
is(seen($pit, 'shop', 'ads'), '4 7 8', '... and bind');
# what is restored from a dump there, is closed as well
$pit->safe_psql('postgres', 'CREATE DATABASE dumped; CREATE DATABASE fresh');
my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump';
{
	local $ENV{PGOPTIONS} = '-c personalize.purpose=backup';
	$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, $node->connstr('beside') ], 'a dump of the first server');
}
$pit->command_ok([ 'pg_restore', '--exit-on-error', '-d', $pit->connstr('dumped'), $dump ], '... restored there');
closed($pit, 'dumped', 'a dump');
$pit->safe_psql('beside', "SELECT personalize.reapply_erasures('$beside')");
is(seen($pit, 'beside', 'ads'), '1 2 3 4 5 6 7 8', 'nobody was erased in the other database');
is($pit->safe_psql('fresh', q{CREATE EXTENSION personalize; CREATE TABLE t (id integer); INSERT INTO t VALUES (1); SELECT personalize.protect('t', 'id') \g /dev/null
	SELECT personalize.define_purpose('service', 'for tests', 'contract') \g /dev/null
	BEGIN; SET LOCAL personalize.purpose = 'service'; SELECT id FROM t; COMMIT}), '1', 'what is protected anew is open');
$pit->stop;

# ... where uses name who never said anything
my $used = restored('used', 'used', 'recovery_target = immediate', "recovery_target_action = 'promote'");
$used->safe_psql('shop', "SET ROLE officer; SELECT personalize.hold_subject(5, 'lawsuit', 'orders'), personalize.reapply_erasures('$tombstones')");
is($used->safe_psql('shop', q{SELECT (SELECT count(*) FROM personalize.audit_key AS a WHERE a.key IN ('1', '10')), (SELECT count(*) FROM personalize.audit_key AS a WHERE a.key = '11')}), '0|1', 'the record of use forgets them, too');
# each is applied once: whoever comes back after that stays, whether anything of them was here or not
my $nobody = $used->safe_psql('shop', qq{SELECT jsonb_set('$tombstones', '{tombstones}', jsonb_build_array(jsonb_build_array(k.kind_id, k.name,
	encode(personalize.tombstone_digest_internal(k.kind_id, '40'), 'hex'), clock_timestamp(), false))) FROM personalize.registry_kind AS k WHERE k.name = 'subject'});
is($used->safe_psql('shop', "SET ROLE officer; SELECT personalize.reapply_erasures('$nobody')"), '[]', 'of somebody nothing is here');
is($used->safe_psql('shop', q{SELECT personalize.consent_state(i, 'ads') FROM unnest('{1,40}'::integer[]) AS i}), "erased\nerased", '... both are erased');
$used->safe_psql('shop', q{INSERT INTO customer VALUES (1, 'new'), (40, 'new'); SELECT personalize.grant_consent(i, 'ads') FROM unnest('{1,40}'::integer[]) AS i});
is($used->safe_psql('shop', "SET ROLE officer; SELECT personalize.reapply_erasures('$tombstones'), personalize.reapply_erasures('$nobody')"), '[]|[]', 'who came back is not erased once more');
like(seen($used, 'shop', 'ads'), qr/^1 .* 40$/, '... and stays');
$used->stop;

# To the end: nothing is missing, but only people know that
my $end = restored('end', 'before');
closed($end, 'shop', 'to the end');
is($end->safe_psql('shop', q{SELECT personalize.export_tombstones() -> 'tombstones'}), $node->safe_psql('shop', q{SELECT personalize.export_tombstones() -> 'tombstones'}), 'tombstones can be had from there, too');
is($end->safe_psql('shop', q{SET ROLE officer; SELECT jsonb_array_length(personalize.reapply_erasures(without => 'all of the log was replayed'))}), '0', 'nothing is to be done');
is(seen($end, 'shop', 'ads'), seen($node, 'shop', 'ads'), '... and all is as it was');
like($end->safe_psql('shop', q{SELECT detail FROM personalize.status() WHERE check_name = 'restore'}), qr/by postgres: none were brought along: all of the log/, '... and status() says why');
# somebody damages the file
$end->stop;
append_to_file($end->data_dir . '/personalize.restored', '');
truncate($end->data_dir . '/personalize.restored', 20) or die;
$end->start;
closed($end, 'shop', 'damaged file');
$end->stop;

# A standby goes on where its primary was, and stays open when it is promoted
my $standby = from_backup('standby', 'before', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby);
$standby->promote;
is(seen($standby, 'shop', 'ads'), seen($node, 'shop', 'ads'), 'a standby that is promoted is open');
$standby->stop;
# ... but not one that was to stop on the way
my $half = from_backup('half', 'before', has_restoring => 1);
$half->append_conf('postgresql.conf', "recovery_target_name = 'later'\nrecovery_target_action = 'promote'\n");
$half->start;
$half->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()') or die 'recovery does not end';
closed($half, 'shop', 'a standby that stopped on the way');
$half->stop;

# A copy of the files looks like a crash: whoever makes it says so
$node->stop;
my $copy = PostgreSQL::Test::Cluster->new('copy');
$copy->init;
PostgreSQL::Test::RecursiveCopy::copypath($node->data_dir, $copy->data_dir . '.new');
rename($copy->data_dir, $copy->data_dir . '.old') && rename($copy->data_dir . '.new', $copy->data_dir) or die;
chmod(0700, $copy->data_dir);
chmod(0600, $copy->data_dir . '/personalize.key');
$copy->append_conf('postgresql.conf', 'port = ' . $copy->port . "\narchive_mode = off\n");
$copy->start;
is(seen($copy, 'shop', 'ads'), '2 4 7 8', 'a copy of the files is open');
$copy->stop;
append_to_file($copy->data_dir . '/personalize.restored', '');
$copy->start;
closed($copy, 'shop', 'a copy of the files with the empty file');
$copy->safe_psql('shop', "SELECT personalize.reapply_erasures('$tombstones')");
is(seen($copy, 'shop', 'ads'), '2 4 7 8', 'what the data knows already is not erased once more: who came back stays');
$copy->stop;

# Another key file: nobody who was erased is recognised
my $key = $copy->data_dir . '/personalize.key';
rename($key, "$key.away") or die;
$copy->start;
my $why = qr/ERROR:  55000: protected relations are closed: erased people are remembered by another key file.*HINT:  .*key file/s;
closed($copy, 'shop', 'another key file', $why);
refused($copy, 'shop', '', qr/another key file.*HINT:.*If it is lost/s, 'erasures cannot be applied');
refused($copy, 'shop', "'$tombstones'", qr/another key file/, '... nor with tombstones');
($ret, $out, $err) = $copy->psql('shop', 'SELECT personalize.export_tombstones()');
like($err, qr/another key file/, '... nor are they exported');
$copy->stop;
rename("$key.away", $key) or die;
$copy->start;
is(seen($copy, 'shop', 'ads'), '2 4 7 8', 'open with the key file in its place');
$copy->stop;
unlink($key);
$copy->start;
$copy->safe_psql('shop', q{SET ROLE officer; SELECT personalize.reapply_erasures(without => 'the key file is lost')});
is(seen($copy, 'shop', 'ads'), '2 4 7 8', 'opened though it is lost');
$copy->safe_psql('shop', 'SELECT personalize.erase_subject(7)');
$copy->restart;
is(seen($copy, 'shop', 'ads'), '2 4 8', '... erasing goes on under the new one');
$copy->stop;
done_testing();
