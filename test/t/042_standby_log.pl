# The log of uses of a standby: its files are bounded, removed only once the primary server has them, and what was changed,
# left out or made up is noticed. A standby that dies costs exactness, not records.
use strict;
use warnings;
use File::Basename;
use File::Copy;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use lib 'test/lib';
use Personalize;

my $primary = start_shop('primary');
my $standby = start_standby($primary, 'replica', 'personalize.standby_reads = log', "personalize.max_replay_lag = '1h'", 'personalize.standby_log_size = 16kB');
my $log_dir = $standby->data_dir . '/personalize_standby';
my $kept = "$PostgreSQL::Test::Utils::tmp_check/kept";
mkdir $kept or die $!;

# A server knows how old what it shows is; the worker of the primary server, which says the time, comes with the first use.
sub wait_for_age
{
	my ($node) = @_;

	$primary->safe_psql('postgres', 'SELECT personalize.audit_sync()');
	$node->poll_query_until('postgres', 'SELECT personalize.standby_age() IS NOT NULL') or die 'no transaction was replayed';
	return;
}

# Reads n times.
sub read_on
{
	my ($node, $n, $context) = @_;

	$node->safe_psql('postgres', "SET ROLE app; BEGIN; SET LOCAL personalize.purpose = 'ads'; SET LOCAL personalize.context = '$context';" . ('SELECT count(*) FROM customer;' x $n) . 'COMMIT');
	return;
}

# Copies of files, since the standby removes them.
sub kept
{
	return map { copy($_, "$kept/" . basename($_)) or die $!; "$kept/" . basename($_) } @_;
}

# Files of the log, by their numbers.
sub files
{
	my ($dir) = @_;

	return map { $_->[1] } sort { $a->[0] <=> $b->[0] } map { m{\.(\d+)\.log$} ? [ $1, $_ ] : () } glob("$dir/*.log");
}

sub ingest { return take_in($primary, @_); }

sub uses
{
	my ($context) = @_;

	return $primary->safe_psql('postgres', "SELECT count(*) FROM personalize.usage WHERE context = '$context'");
}

# A copy of a file, changed.
sub changed
{
	my ($file, $change) = @_;
	my $bytes = slurp_file($file);
	my $copy = "$kept/changed.log";

	$change->(\$bytes);
	open my $out, '>:raw', $copy or die $!;
	print $out $bytes;
	close $out;
	return $copy;
}

wait_for_age($standby);

# ---------------------------------------------------------------- bounded files
read_on($standby, 200, 'many');
my @files = files($log_dir);
cmp_ok(scalar @files, '>', 3, 'a file that is full is followed by another one: ' . @files);
cmp_ok((sort { $b <=> $a } map { -s $_ } @files)[0], '<', 16 * 1024 + 33 * 1024, '... none is much longer than personalize.standby_log_size');
set_lines($standby, "personalize.standby_log_limit = '1kB'");
my ($status, $out, $err) = (0, '', '');
foreach (1 .. 100)
{
	($status, $out, $err) = $standby->psql('postgres', "SET ROLE app; BEGIN; SET LOCAL personalize.purpose = 'ads'; SELECT count(*) FROM customer; COMMIT");
	last if $status != 0;
}
isnt($status, 0, 'reads are refused when the log has reached its limit');
is($out, '', '... without rows');
like($err, qr/personalize\.standby_log_limit.*DETAIL.*kB.*HINT.*ingest_standby_log/s, '... with a hint');
set_lines($standby, "personalize.standby_log_limit = '1GB'");
read_on($standby, 1, 'after');
@files = kept(files($log_dir));

# ---------------------------------------------------------------- who may take them in, and what
$primary->safe_psql('postgres', 'CREATE ROLE officer LOGIN; CREATE ROLE nobody LOGIN;' . "SELECT personalize.assign_duty('officer', 'officer')");
($status, $out, $err) = $primary->psql('postgres', "SET ROLE nobody; SELECT personalize.ingest_standby_log('')");
like($err, qr/permission denied/, 'officers only');
($status, $out, $err) = $primary->psql('postgres', "SET ROLE officer; SELECT personalize.ingest_standby_log('made up')");
like($err, qr/not a log of uses of a standby.*HINT/s, '... and what a standby has written only');
($status, $out, $err) = ingest(changed($files[0], sub { substr(${ $_[0] }, 100, 1) ^= "\1" }));
like($err, qr/not a log of uses of a standby/, 'whose beginning was not changed');
($status, $out, $err) = take_in($standby, $files[0]);
like($err, qr/during recovery.*HINT/s, 'not on the standby');

# ---------------------------------------------------------------- what was changed, left out, or put elsewhere
my $size = -s $files[0];
($status, $out, $err) = ingest(changed($files[0], sub { substr(${ $_[0] }, $size - 1000, 1) ^= "\1" }));
is($status, 0, 'a record that was changed: what comes before it is taken in');
like($err, qr/WARNING.*cannot be read/s, '... with a warning');
my $before = $primary->safe_psql('postgres', 'SELECT bytes FROM personalize.standby_log');
cmp_ok($before, '<', $size, '... and no more');
($status, $out, $err) = ingest($files[1]);
like($err, qr/records before this file .* were not taken in.*DETAIL.*$before are there/s, '... which the next file tells');
($status, $out, $err) = ingest($files[0]);
is($status . $err, '0', 'the file as it was is taken in from there');
is($primary->safe_psql('postgres', 'SELECT bytes FROM personalize.standby_log'), $size, '... to its end');
($status, $out, $err) = ingest($files[2]);
like($err, qr/records before this file .* were not taken in/, 'a file that is left out');
($status, $out, $err) = ingest(changed($files[1], sub { ${ $_[0] } .= slurp_file($files[0]) }));
like($err, qr/WARNING.*cannot be read/s, 'what is of another file does not fit');
is(scalar(uses('many')), $primary->safe_psql('postgres', q{SELECT count(DISTINCT (session_id, pid, usage_id)) FROM personalize.usage WHERE context = 'many'}), 'nothing is there twice');
foreach my $file (@files)
{
	($status, $out, $err) = ingest($file);
	is($status . $err, '0', 'taken in');
}
is(uses('many'), 200, 'all uses are on record');
is(uses('after'), 1, '... up to the last');
# by an officer who may read no file of the server, as docs/standby.md has it
read_on($standby, 1, 'client');
my ($how) = slurp_file('docs/standby.md') =~ /^ *(\\set log `base64.*\n *SELECT.*)$/m;
foreach my $file (files($log_dir))
{
	(my $with = $how) =~ s/16384\.7\.log/$file/ or die;
	($status, $out, $err) = $primary->psql('postgres', "SET ROLE officer;\n$with");
	is($status . $err, '0', 'a file that a client reads');
}
is(uses('client'), 1, '... is taken in');
($status, $out, $err) = ingest(changed($files[1], sub { ${ $_[0] } = slurp_file($files[1]); substr(${ $_[0] }, -40, 1) ^= "\1" }));
is($out, '0', 'an older copy says nothing new');
$primary->wait_for_catchup($standby);
ok($standby->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_ls_dir('personalize_standby')}), 'the standby has removed all but the newest');

# ---------------------------------------------------------------- a file that is lost goes on record
read_on($standby, 150, 'lost');
@files = kept(files($log_dir));
cmp_ok(scalar @files, '>', 2, 'there are several again');
unlink((files($log_dir))[1]);
($status, $out, $err) = ingest($files[0]);
is($status, 0, 'the first one is there');
($status, $out, $err) = ingest($files[2]);
like($err, qr/were not taken in.*allow_gap => true/s, 'the third one asks for the second');
($status, $out, $err) = ingest($files[2], 'allow_gap => true');
is($status, 0, '... unless somebody says that it is lost');
like($primary->safe_psql('postgres', 'SELECT reason FROM personalize.audit_gap'), qr/standby "replica" before file \d+ of its log are missing/, '... which is on record');
is($primary->safe_psql('postgres', q{SELECT ok FROM personalize.status() WHERE check_name = 'audit gaps'}), 'f', '... and in status()');
$primary->safe_psql('postgres', 'UPDATE personalize.audit_gap SET settled_at = now()');
ingest($_) foreach @files[3 .. $#files];
cmp_ok(uses('lost'), '<', 150, '... and uses are missing');
($status, $out, $err) = ingest($files[1]);
is($status, 0, '... until it is found');
is(uses('lost'), 150, '... and taken in');

# a file that goes away while it is written to
$standby->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'client backend'}) or die 'a session is there';
@files = files($log_dir);
ingest($files[-1]);	# with what sessions have written at their end
unlink $files[-1];
($status, $out, $err) = $standby->psql('postgres', "SET ROLE app; BEGIN; SET LOCAL personalize.purpose = 'ads'; SELECT count(*) FROM customer; COMMIT");
is($out, '', 'a file is gone while it is in use: no rows');
like($err, qr/could not write the record of use.*HINT.*server log/s, '... but an error');
read_on($standby, 1, 'another');
isnt((files($log_dir))[-1], $files[-1], 'a file that was taken away is followed by another one');
($status, $out, $err) = ingest((files($log_dir))[-1]);
is($status, 0, '... and is not missed if it was taken in before');
is(uses('another'), 1, '... its use is on record');

# ---------------------------------------------------------------- a standby that dies
my $session = $standby->background_psql('postgres', on_error_stop => 0);
$session->query_safe("SET ROLE app; BEGIN; SET LOCAL personalize.purpose = 'ads'; SET LOCAL personalize.context = 'dies'; DECLARE c CURSOR FOR SELECT id FROM customer ORDER BY id");
is($session->query_safe('FETCH 1 FROM c'), 1, 'a standby dies while a cursor is open');
$standby->stop('immediate');
eval { $session->quit; };
@files = files($log_dir);
ingest($_) foreach @files;
is($primary->safe_psql('postgres', q{SELECT status FROM personalize.usage WHERE context = 'dies'}), 'open', 'its use is on record: nobody knows yet that the standby is gone');
$standby->start;
wait_for_age($standby);
read_on($standby, 1, 'again');
ingest($_) foreach files($log_dir);
ok($primary->poll_query_until('postgres', q{SELECT count(*) = 1 FROM personalize.usage WHERE context = 'dies' AND status = 'crashed' AND precision = 'superset' AND subjects_used = 3}),
	'the next run of the standby tells: everybody who was permitted counts as used');
is($primary->safe_psql('postgres', q{SELECT count(*) FROM personalize.usage WHERE context IS NULL AND status = 'crashed' AND subjects_used = 3}) > 0 ? 1 : 0, 1, '... also for what its lease may have hidden');
is(uses('again'), 1, 'what came after it is on record');

# ---------------------------------------------------------------- a standby that is copied from a standby
my $open = $standby->background_psql('postgres', on_error_stop => 1);
$open->query_safe("BEGIN; SET LOCAL personalize.purpose = 'ads'; SET LOCAL personalize.context = 'goes on'; DECLARE c CURSOR FOR SELECT id FROM customer ORDER BY id");
is($open->query_safe('FETCH 1 FROM c'), 1, 'a cursor of a standby from which another one is made');
$primary->safe_psql('postgres', 'SELECT pg_switch_wal()');	# what the backup of a standby waits for
my $second = start_standby($standby, 'second');
wait_for_age($second);
read_on($second, 1, 'second');
my @seconds = files($second->data_dir . '/personalize_standby');
cmp_ok(scalar @seconds, '>', 1, 'it has copies of the files');
ingest($_) foreach files($log_dir), @seconds;
is(uses('second'), 1, 'its uses are on record');
is($primary->safe_psql('postgres', q{SELECT status FROM personalize.usage WHERE context = 'goes on'}), 'open', '... and the other standby goes on');
is($open->query_safe('FETCH ALL FROM c'), "2\n3", '... indeed');
$open->query_safe('COMMIT');
$open->quit;
ingest($_) foreach files($log_dir);
is($primary->safe_psql('postgres', q{SELECT status || subjects_used FROM personalize.usage WHERE context = 'goes on'}), 'ended3', '... and ends');

# ---------------------------------------------------------------- an erasure cannot look into them
my $certificate = $primary->safe_psql('postgres', q{SELECT personalize.erase_subject(5) ->> 'certificate_id'});
my $traces = "SELECT gone::text || ': ' || detail FROM personalize.erasure_traces('$certificate') WHERE trace = 'logs of standbys'";
is($primary->safe_psql('postgres', $traces), 'false: pending until they are taken in: replica, second', 'logs that an erasure could not look into');
foreach ($standby, $second)
{
	$_->poll_query_until('postgres', 'SELECT count(*) = 1 FROM personalize.tombstone') or die 'the erasure was not replayed';
	read_on($_, 1, 'erased');
	ingest($_) foreach files($_->data_dir . '/personalize_standby');
}
is($primary->safe_psql('postgres', $traces =~ s/gone::text/coalesce(gone::text, 'unknown')/r), 'unknown: those that are known were taken in up to the erasure; of others nothing can be told', '... until they are taken in');

# ---------------------------------------------------------------- a standby that does not come back
$second->stop;
@seconds = files($second->data_dir . '/personalize_standby');
my ($last) = kept($seconds[-1]);
my $torn = changed($last, sub { ${ $_[0] } .= 'half a record' });
($status, $out, $err) = ingest($torn, 'last => true');
like($err, qr/cannot be read.*allow_gap/s, 'the last file must be whole');
($status, $out, $err) = ingest($last, 'last => true');
is($status, 0, 'a standby that does not come back');
ok($primary->poll_query_until('postgres', q{SELECT count(*) = 1 FROM (SELECT DISTINCT boot_id FROM personalize.standby_log WHERE NOT ended) AS l}), '... counts as over, the other does not');

is($primary->safe_psql('postgres', 'SELECT ok FROM personalize.verify_audit()'), 't', 'the chain holds');
like($primary->safe_psql('postgres', q{SELECT string_agg(check_name || ': ' || detail, ',') FROM personalize.status() WHERE NOT ok AND (check_name LIKE 'audit%' OR check_name = 'standby')}),
	qr/^audit messages: 0 forged or sent again, [1-9]\d* missing$/, 'status() complains of the file that is lost, and of nothing else');
$standby->stop;
$primary->stop;
done_testing();
