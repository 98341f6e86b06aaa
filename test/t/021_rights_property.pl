# Random schemas, random ownership: a person is erased, then no path and no line of a dump leads there, and the rows of everybody else are as they were.
#
#	RIGHTS_SCHEMAS	how many (15)
#	RIGHTS_SEED		everything follows from it (1)
#	RIGHTS_ONLY		number of one schema
#	RIGHTS_KEEP=1	print the SQL of what fails
use strict;
use warnings;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use lib 'test/lib', 'test/rights_property';
use Personalize;
use Schema;
use Oracle;

my $schemas = $ENV{RIGHTS_SCHEMAS} || 15;
my $seed = $ENV{RIGHTS_SEED} || 1;
my @numbers = $ENV{RIGHTS_ONLY} ? split(/,/, $ENV{RIGHTS_ONLY}) : (1 .. $schemas);
my $node = start_node('main');
my $json = JSON::PP->new->canonical;
my %count;
my %reasons;
my $certificates = 0;

sub sql { my ($text) = @_; return $node->safe_psql('postgres', $text) }
sub backup { my ($text) = @_; return sql("BEGIN; SET LOCAL personalize.purpose = 'backup'; $text; COMMIT") }

# Result and error of statements that may fail
sub try
{
	my ($text) = @_;
	my ($rc, $out, $err) = $node->psql('postgres', $text, on_error_stop => 1);

	return ($out, $rc == 0 ? '' : $err);
}

# table -> rid -> column -> value
sub snapshot
{
	my ($s) = @_;
	my %state;
	my $text = join "; ", map { my $t = $_;
		"SELECT json_build_array('$t->{name}'" . join('', map { ", \"$_->{name}\"::text" } Schema::real_columns($t)) . ") FROM $s->{schema}.$t->{name}" } @{ $s->{tables} };

	for my $line (split /\n/, backup($text))
	{
		my ($name, @values) = @{ $json->decode($line) };
		my ($t) = grep { $_->{name} eq $name } @{ $s->{tables} };
		my %row;

		@row{ map { $_->{name} } Schema::real_columns($t) } = @values;
		foreach my $p (grep { $_->{type} eq 'pair' } @{ $t->{paths} })
		{
			my ($a_part, $b_part) = @row{ Schema::path_columns($p) };
			$row{ $p->{column} } = defined $a_part && defined $b_part ? "{$a_part,$b_part}" : undef;
		}
		$state{$name}{ $row{rid} } = \%row;
	}
	return \%state;
}

# Lines of a dump that name one of these words: where -> a line
sub dumped
{
	my (@words) = @_;
	my $file = $node->basedir . '/dump.sql';
	my $re = join '|', map { quotemeta } @words;
	my ($where, %found) = ('');

	local $ENV{PGOPTIONS} = '-c personalize.purpose=backup';
	run_log([ 'pg_dump', '-f', $file, $node->connstr('postgres') ]) or return ('all of it' => 'pg_dump failed');
	open(my $fh, '<', $file) or die "$file: $!";
	while (my $line = <$fh>)
	{
		if ($line =~ /^COPY (\S+) /) { $where = $1 }
		elsif ($line =~ /^\\\.$/) { $where = '' }
		$found{$where} = substr($line, 0, 300) if $line =~ /(?<![0-9a-z])(?:$re)(?![0-9a-z])/i;
	}
	close($fh);
	return %found;
}

# A certificate without what differs from run to run
sub told
{
	my ($document) = @_;
	my @certificates = ref $document eq 'ARRAY' ? @$document : ($document);

	for my $c (@certificates)
	{
		delete @$c{qw(certificate_id erased_at dry_run deleted_before uses)};
		delete $_->{until} foreach @{ $c->{relations} };
	}
	return $json->pretty->encode(\@certificates);
}

my $orphans = <<'X';
DO $$
DECLARE
	f record;
	n bigint;
BEGIN
	PERFORM set_config('personalize.purpose', 'backup', true);
	FOR f IN SELECT c.conname, c.conrelid::regclass AS rel, c.confrelid::regclass AS ref,
			(SELECT string_agg(format('f.%I = r.%I', a.attname, b.attname), ' AND ') FROM unnest(c.conkey, c.confkey) AS u (x, y)
				JOIN pg_attribute AS a ON a.attrelid = c.conrelid AND a.attnum = u.x JOIN pg_attribute AS b ON b.attrelid = c.confrelid AND b.attnum = u.y) AS same,
			(SELECT string_agg(format('f.%I IS NOT NULL', a.attname), ' AND ') FROM unnest(c.conkey) AS u (x)
				JOIN pg_attribute AS a ON a.attrelid = c.conrelid AND a.attnum = u.x) AS refers
		FROM pg_constraint AS c WHERE c.contype = 'f' AND c.conparentid = 0 AND c.connamespace = 'SCHEMA'::regnamespace
	LOOP
		EXECUTE format('SELECT count(*) FROM %s AS f WHERE %s AND NOT EXISTS (SELECT FROM %s AS r WHERE %s)', f.rel, f.refers, f.ref, f.same) INTO n;
		IF n > 0 THEN
			RAISE EXCEPTION 'foreign key % of % does not hold', f.conname, f.rel;
		END IF;
	END LOOP;
END
$$
X

sub check_one
{
	my ($number) = @_;
	my $s = Schema->new($seed, $number, via => 1, composite => 1);
	my $script = $s->ddl . $s->protect_sql . $s->life_sql;
	my $kind = Schema::pick(@{ $s->{kinds} });
	my $mode = Schema::pick(qw(one one one one one one several several hold hold worker));
	my @victims = ($mode eq 'several' ? @{ $kind->{persons} }[ 1, 2, 4 ] : Schema::pick(@{ $kind->{persons} }));
	my $held = Schema::pick(grep { $_->{protected} && @{ $_->{paths} } } @{ $s->{tables} });
	my $array = "ARRAY[" . join(', ', map { Schema::quote($_->{key}) } @victims) . ']::text[]';
	my ($before, $after, $oracle, $err, $document, $call, $dry, $hold);
	my @wrong;

	$script .= "SELECT personalize.audit_sync();\n";
	if ($ENV{RIGHTS_KEEP})
	{
		note($script);
	}
	(undef, $err) = try($script);
	return fail("schema $number of seed $seed: cannot be made: $err") if $err;
	$before = snapshot($s);
	$oracle = Oracle->new($s, $before);
	$oracle->{before_history}{$_} = 1 foreach map { keys %{ $before->{ $_->{name} } // {} } } grep { $_->{history} } @{ $s->{tables} };
	$oracle->{batches} = $mode eq 'worker';
	# what is held keeps what it refers to
	$oracle->{may_refuse}{hold} = 1 if $mode eq 'hold';
	$oracle->erase($kind, $_->{key}) foreach @victims;

	if ($mode eq 'hold')
	{
		$hold = sql("SET ROLE rp_officer; SELECT personalize.hold_subject(" . Schema::quote($victims[0]{key}) . "::text, 'case 1', '$s->{schema}.$held->{name}', '$kind->{name}')");
	}
	($dry, $err) = try("SET ROLE rp_officer; SELECT personalize.erase_subjects($array, 'request', true, '$kind->{name}')");
	if ($err)
	{
		push @wrong, "the dry run fails, and nothing stands against the erasure: $err" unless %{ $oracle->{refuse} } or %{ $oracle->{may_refuse} };
	}
	if ($mode eq 'worker')
	{
		my $id = sql("SET ROLE rp_officer; SELECT personalize.request_erasure(" . Schema::quote($victims[0]{key}) . "::text, 'request', kind => '$kind->{name}')");

		$call = 'request_erasure';
		$node->poll_query_until('postgres', "SELECT status IN ('done', 'failed') FROM personalize.erasure_requests WHERE request_id = '$id'") or push @wrong, 'the worker does nothing';
		$err = sql("SELECT message FROM personalize.erasure_requests WHERE request_id = '$id' AND status = 'failed'");
		$document = $err ? '' : '[' . sql("SELECT e.certificate FROM personalize.erasure_requests AS q JOIN personalize.erasure AS e USING (certificate_id) WHERE q.request_id = '$id'") . ']';
	}
	else
	{
		$call = $mode eq 'several' ? 'erase_subjects' : 'erase_subject';
		($document, $err) = try("SET ROLE rp_officer; SELECT personalize.erase_subjects($array, 'request', false, '$kind->{name}')") if $mode eq 'several';
		($document, $err) = try("SET ROLE rp_officer; SELECT jsonb_build_array(personalize.erase_subject(" . Schema::quote($victims[0]{key}) . "::$kind->{type}, 'request', kind => '$kind->{name}'))")
			if $mode ne 'several';
	}
	$after = snapshot($s);
	if ($err)
	{
		my ($why) = $err =~ /(?:ERROR:  )?([^\n]*)/;

		# rows deleted in earlier batches are said to be
		my $batches = $mode eq 'worker' ? sql("SELECT coalesce(string_agg(DISTINCT deleted::text, ''), '') FROM personalize.erasure_requests WHERE subject = " . Schema::quote($victims[0]{key})) : '{}';
		push @wrong, "refused, and nothing stands against it: $err" unless %{ $oracle->{refuse} } or %{ $oracle->{may_refuse} };
		push @wrong, "refused, and something has changed: " . join('; ', difference($s, $before, $after)) if $batches eq '{}' and difference($s, $before, $after);
		push @wrong, "does not say why: $err" unless $why =~ /could not process the rows|cannot be anonymized|belong to others|duplicate key|still has rows|must stay|form a cycle/;
		push @wrong, "says somebody's key: $err" if grep { index($err, $_->{core}) >= 0 } map { @{ $_->{persons} } } @{ $s->{kinds} };
		$count{refused}++;
		$why =~ s/\b(relation|constraint|table|column) "?[^" ]+"?/$1 X/g;
		$why =~ s/^ERROR:  |psql:<stdin>:\d+: //g;
		$reasons{ substr($why, 0, 110) }++;
	}
	else
	{
		my $certificate = $json->decode($document);
		my ($shared) = grep { my $row = $_; @victims > 1 && 1 < grep { my $v = $_; grep { defined && $_ eq $v->{key} } values %$row } @victims } map { values %$_ } values %$before;
		my @words = map { ($_->{core}, $_->{marker}) } @victims;
		my (%retained, %found, %waits);

		$count{$call}++;
		push @wrong, "not refused: " . join(', ', keys %{ $oracle->{refuse} }) if %{ $oracle->{refuse} } and $mode ne 'hold';
		if ($dry and $mode eq 'worker')
		{
			my %n;
			$n{ $_->{relation} } += $_->{rows} foreach map { @{ $_->{relations} } } @{ $json->decode($dry) };
			$n{ $_->{relation} } -= $_->{rows} foreach map { @{ $_->{relations} } } @$certificate;
			$n{$_} -= $certificate->[0]{deleted_before}{$_} foreach keys %{ $certificate->[0]{deleted_before} };
			push @wrong, "the dry run counted other rows of $_" foreach grep { $n{$_} && !/history/ } sort keys %n;
		}
		elsif ($dry and !$shared)
		{
			push @wrong, "the dry run said something else:\n$dry\n$document" if told($json->decode($dry)) ne told($json->decode($document));
		}
		if ($mode eq 'hold')
		{
			my ($released, $error) = try("SET ROLE rp_officer; SELECT personalize.release_hold('$hold')");

			if ($error)
			{
				push @wrong, "the release fails, and nothing stands against it: $error" unless %{ $oracle->{refuse} };
				$count{release_refused}++;
				undef $oracle;
			}
			else
			{
				push @$certificate, $released ? $json->decode($released) : ();
			}
			$after = snapshot($s);
		}
		push @wrong, $oracle->differences($after) if $oracle;
		for my $r (map { @{ $_->{relations} } } @$certificate)
		{
			$retained{ $r->{relation} } = $retained{'personalize.retained'} = 1 if $r->{action} eq 'retain' and $r->{rows};
		}
		# the key in a foreign key to a row that is retained
		foreach my $t (grep { $_->{via} } @{ $s->{tables} })
		{
			$retained{"$s->{schema}.$t->{name}"} = 1 if $retained{"$s->{schema}.$t->{via}{table}{name}"};
		}
		sql('SELECT personalize.audit_sync()');
		%found = dumped(@words);
		push @wrong, "the dump names the person in $_: $found{$_}" foreach grep { !$retained{ $_ =~ s/_[0-2]$|_child$//r } } $oracle ? sort keys %found : ();
		(undef, $err) = try($orphans =~ s/SCHEMA/$s->{schema}/r);
		push @wrong, $err if $err;
		$err = verified($kind);
		# what is the last owner's only now, since another was erased whose rows lead there by retained ones
		if ($err and @victims > 1)
		{
			sql('SELECT personalize.reapply_erasures()');
			$err = verified($kind);
		}
		push @wrong, "verify_erasure: $err" if $err;
		push @wrong, 'is not erased' if $oracle and sql("SELECT bool_and(personalize.consent_state(k, 'rp_interest', kind => '$kind->{name}') = 'erased') FROM unnest($array) AS k
			WHERE EXISTS (SELECT FROM jsonb_array_elements('" . ($document =~ s/'/''/gr) . "') AS c WHERE c ->> 'subjects' = '1')") eq 'f';
	}
	note("stands against it: " . join(', ', sort keys %{ $oracle->{refuse} }, map { "perhaps $_" } sort keys %{ $oracle->{may_refuse} })) if $oracle and $ENV{RIGHTS_KEEP};
	is(join("\n", @wrong), '', "schema $number of seed $seed: $mode, $kind->{type}, " . scalar @{ $s->{tables} } . ' tables')
		or diag("again: RIGHTS_SEED=$seed RIGHTS_ONLY=$number RIGHTS_KEEP=1");
	sql('DO $$ BEGIN PERFORM personalize.unprotect(r.relation) FROM (SELECT to_regclass(p.relation) FROM (VALUES ' . join(', ', map { "('$s->{schema}.$_->{name}')" } grep { $_->{protected} } reverse @{ $s->{tables} })
		. ") AS p (relation)) AS r (relation); END \$\$; SET client_min_messages = warning; DROP SCHEMA $s->{schema} CASCADE");
}

# What verify_erasure() says against the certificates of a kind
sub verified
{
	my ($kind) = @_;
	return sql("SELECT string_agg(v.detail, '; ') FROM personalize.erasure AS e CROSS JOIN LATERAL personalize.verify_erasure(e.certificate_id) AS v
		WHERE e.certificate ->> 'kind' = '$kind->{name}' AND NOT v.ok");
}

sub difference
{
	my ($s, $before, $after) = @_;
	my $o = Oracle->new($s, $before);

	$o->{before_history} = {};
	return $o->differences($after);
}

diag("seed $seed, schemas " . (@numbers > 1 ? "1 to $schemas" : $numbers[0]));
sql(q{
	CREATE EXTENSION personalize;
	CREATE ROLE rp_owner;
	CREATE ROLE rp_app;
	CREATE ROLE rp_officer;
	SELECT personalize.assign_duty('rp_officer', 'officer'), personalize.assign_duty('rp_app', 'app');
	SELECT personalize.define_category('rp', 'for tests');
	SELECT personalize.define_purpose('rp_consent', 'for tests', categories => '{rp}');
	SELECT personalize.define_purpose('rp_interest', 'for tests', 'legitimate_interest', categories => '{rp}');
	SELECT personalize.grant_purpose(p, 'rp_app') FROM unnest('{rp_consent,rp_interest}'::text[]) AS p;});
check_one($_) foreach @numbers;
is(sql('SELECT ok FROM personalize.verify_audit()'), 't', 'the record of use is as it was written');
is(sql('SELECT wrong FROM personalize.consent_set_check_internal(NULL)'), '0', 'the consent set says what the ledger says');
diag(join ', ', map { "$_ $count{$_}" } sort keys %count);
diag("refused $reasons{$_}: $_") foreach sort { $reasons{$b} <=> $reasons{$a} } keys %reasons;
done_testing();
