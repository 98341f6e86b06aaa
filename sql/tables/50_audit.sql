/*
 * Audit tables: who used whose data for what.
 * Run once by CREATE EXTENSION; a change here needs an update step.
 *
 * Only the audit worker writes here (and erasure, into audit_note).  The key
 * of a person is in personalize.subject alone; here are numbers.  Rows of
 * audit_use, audit_more, audit_subject and audit_chunk never change; what is
 * still going on is in audit_open and audit_lease.
 *
 * What grows is divided by the time at which a use began: the numbers of uses,
 * templates and notes of period n are n * 10^11 and up, and each period has a
 * partition of its own in each of these tables, which audit_partition_internal()
 * makes with its indexes.  The tables themselves have none: a dump is restored
 * into partitions that are attached after they are made.
 */
CREATE TABLE personalize.audit_period (
	period_no bigint PRIMARY KEY CHECK (period_no >= 0),
	starts_at timestamptz NOT NULL,
	ends_at timestamptz NOT NULL
);
COMMENT ON TABLE personalize.audit_period IS
	'Periods that the record of use is divided into; what is older than personalize.audit_retention is dropped by whole periods';
COMMENT ON COLUMN personalize.audit_period.ends_at IS 'When the next one begins, with the first use after that';

CREATE SEQUENCE personalize.usage_id_seq;
COMMENT ON SEQUENCE personalize.usage_id_seq IS 'Numbers of uses, in the order in which the audit worker met them';

CREATE SEQUENCE personalize.audit_text_seq;
COMMENT ON SEQUENCE personalize.audit_text_seq IS 'Numbers of templates and notes of uses';

CREATE TABLE personalize.audit_template (
	template_id bigint NOT NULL,
	db_role text NOT NULL,
	session_role text NOT NULL,
	purpose_id integer NOT NULL,
	purpose text,
	legal_basis text,
	relation oid NOT NULL,
	relation_name text NOT NULL,
	columns text,
	categories text,
	query_id bigint,
	query text,
	reason text,
	batch_no bigint,
	link bigint
) PARTITION BY RANGE (template_id);
COMMENT ON TABLE personalize.audit_template IS
	'What many uses have in common: who reads which relation for what by which statement. Stored once, or again after the audit worker has started';
COMMENT ON COLUMN personalize.audit_template.reason IS 'Why it was refused, or would have been';

CREATE TABLE personalize.audit_use (
	usage_id bigint NOT NULL,
	session_id bigint NOT NULL,
	use_no bigint NOT NULL,
	last_seq bigint NOT NULL,
	started_at timestamptz NOT NULL,
	ended_at timestamptz,
	template_id bigint NOT NULL,
	note_id bigint,
	rows_used bigint,
	rows_withheld bigint,
	subjects_used bigint,
	boot_id bigint NOT NULL,
	everybody_id bigint,
	batch_no bigint,
	link bigint,
	pid integer NOT NULL,
	status text COLLATE "C" NOT NULL CHECK (status IN ('open', 'ended', 'failed', 'crashed', 'refused')),
	precision text COLLATE "C" CHECK (precision IN ('exact', 'bounded', 'superset'))
) PARTITION BY RANGE (usage_id);
COMMENT ON TABLE personalize.audit_use IS
	'Uses that have ended: one row for each statement, protected relation and purpose. Read it by the view usage';
COMMENT ON COLUMN personalize.audit_use.session_id IS 'Random number of the session that used the data';
COMMENT ON COLUMN personalize.audit_use.use_no IS 'Number of the use within its session; negative: stands for what a lease may have hidden in a crash';
COMMENT ON COLUMN personalize.audit_use.last_seq IS 'Number of the last message of the session about this use';
COMMENT ON COLUMN personalize.audit_use.template_id IS 'What the use has in common with others; of a crashed lease: with the use that came with it';
COMMENT ON COLUMN personalize.audit_use.note_id IS 'What it says in words that can name a person';
COMMENT ON COLUMN personalize.audit_use.boot_id IS 'Run of the server in which it happened';
COMMENT ON COLUMN personalize.audit_use.everybody_id IS
	'The server crashed: everybody then permitted counts as used. The usage_id under which that set is stored';
COMMENT ON COLUMN personalize.audit_use.batch_no IS 'Batch of the chain that the row is in, see audit_batch';
COMMENT ON COLUMN personalize.audit_use.link IS 'First eight bytes of the state of the chain after the row';

CREATE TABLE personalize.audit_open (
	LIKE personalize.audit_use INCLUDING CONSTRAINTS,
	PRIMARY KEY (session_id, use_no)
);
COMMENT ON TABLE personalize.audit_open IS 'Uses that have not ended';

CREATE TABLE personalize.audit_more (
	usage_id bigint NOT NULL,
	last_seq bigint NOT NULL,
	ended_at timestamptz,
	rows_used bigint NOT NULL,
	rows_withheld bigint NOT NULL,
	subjects_added bigint NOT NULL,
	batch_no bigint,
	link bigint
) PARTITION BY RANGE (usage_id);
COMMENT ON TABLE personalize.audit_more IS
	'What uses did after they had been recorded as ended (triggers at the end of a statement, for example)';

CREATE TABLE personalize.audit_note (
	note_id bigint NOT NULL,
	app_user text,
	application_name text,
	client_addr inet,
	context text,
	salt bytea NOT NULL,
	digest bytea NOT NULL,
	erased boolean NOT NULL DEFAULT false
) PARTITION BY RANGE (note_id);
COMMENT ON TABLE personalize.audit_note IS
	'What uses say in words that can name a person; kept apart so that erasure can take it away';
COMMENT ON COLUMN personalize.audit_note.digest IS
	'SHA-256 of salt and words for each of the four, which is in the chain in place of the words';
COMMENT ON COLUMN personalize.audit_note.salt IS
	'Random bytes for each of the four; zeroes where erasure has taken a word, so that the digest cannot be tried against names';
COMMENT ON COLUMN personalize.audit_note.erased IS 'Erasure has taken words from it';

CREATE TABLE personalize.audit_key (
	subject_no bigint PRIMARY KEY DEFAULT pg_catalog.nextval('personalize.subject_no_seq'),
	kind_id integer NOT NULL,
	key text COLLATE "C",
	digest bytea UNIQUE
);
COMMENT ON TABLE personalize.audit_key IS
	'Numbers of people whose data was used before they ever said anything; only the audit worker writes here, so that it never waits for an application';
COMMENT ON COLUMN personalize.audit_key.key IS 'Key of the subject; erasure takes it away';
COMMENT ON COLUMN personalize.audit_key.digest IS 'Stands in for the key of a person who was erased and whose rows came back';
CREATE UNIQUE INDEX audit_key_key ON personalize.audit_key (kind_id, key);

CREATE TABLE personalize.audit_subject (
	subject_no bigint NOT NULL,
	usage_id bigint NOT NULL
) PARTITION BY RANGE (usage_id);
COMMENT ON TABLE personalize.audit_subject IS 'Whose data a use saw, for uses of few subjects';

CREATE TABLE personalize.audit_chunk (
	chunk integer NOT NULL,
	usage_id bigint NOT NULL,
	part bigint NOT NULL,
	members bytea NOT NULL,
	batch_no bigint,
	link bigint
) PARTITION BY RANGE (usage_id);
ALTER TABLE personalize.audit_chunk ALTER COLUMN members SET STORAGE EXTERNAL;
COMMENT ON TABLE personalize.audit_chunk IS
	'Whose data a use saw, for uses of many subjects: packed sets within each 15360 subject numbers';
COMMENT ON COLUMN personalize.audit_chunk.part IS
	'Number of the last message of the session whose subjects are in the set; a long use has several';

CREATE TABLE personalize.audit_lease (
	session_id bigint NOT NULL,
	role_oid oid NOT NULL,
	purpose_id integer NOT NULL,
	relation oid NOT NULL,
	use_no bigint NOT NULL,
	boot_id bigint NOT NULL,
	started_at timestamptz NOT NULL,
	expires_at timestamptz NOT NULL,
	PRIMARY KEY (session_id, role_oid, purpose_id, relation)
);
COMMENT ON TABLE personalize.audit_lease IS
	'Sessions that may have used a relation for a purpose without a durable record of their own, should the server crash';

CREATE TABLE personalize.audit_position (
	database_oid oid PRIMARY KEY,
	system_identifier bigint NOT NULL,
	lsn pg_lsn NOT NULL,
	seen_at timestamptz,
	mac bytea NOT NULL
);
COMMENT ON TABLE personalize.audit_position IS
	'How far the write-ahead log was read; changes in one transaction with what was read from it';
COMMENT ON COLUMN personalize.audit_position.mac IS
	'HMAC of the row and of the head of the chain: who sets it forward cannot sign it';

CREATE TABLE personalize.audit_gap (
	gap_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	noticed_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	from_lsn pg_lsn,
	to_lsn pg_lsn,
	reason text NOT NULL,
	settled_at timestamptz,
	batch_no bigint,
	link bigint
);
COMMENT ON TABLE personalize.audit_gap IS
	'What the audit may lack: write-ahead log that was gone before it was read, or a census after a crash that failed';
COMMENT ON SEQUENCE personalize.audit_gap_gap_id_seq IS 'Numbers of gaps';
COMMENT ON COLUMN personalize.audit_gap.settled_at IS
	'Set by a superuser who has looked into it; status() then no longer complains';

CREATE TABLE personalize.audit_dropped (
	drop_no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	dropped_at timestamptz NOT NULL,
	keep_from bigint NOT NULL,
	ended_at timestamptz NOT NULL,
	lsn pg_lsn NOT NULL,
	system_identifier bigint NOT NULL,
	last_batch bigint NOT NULL,
	total bigint NOT NULL,
	head bytea NOT NULL,
	batch_no bigint,
	link bigint
);
COMMENT ON TABLE personalize.audit_dropped IS
	'What was taken out of the record of use because it was older than personalize.audit_retention';
COMMENT ON SEQUENCE personalize.audit_dropped_drop_no_seq IS 'Numbers of drops';
COMMENT ON COLUMN personalize.audit_dropped.keep_from IS 'Periods before this one are gone';
COMMENT ON COLUMN personalize.audit_dropped.ended_at IS 'When the last of them had ended';
COMMENT ON COLUMN personalize.audit_dropped.lsn IS 'Where the write-ahead log of that cluster was after the last batch of them';
COMMENT ON COLUMN personalize.audit_dropped.last_batch IS 'Last batch of which no row is left: the chain begins after it';
COMMENT ON COLUMN personalize.audit_dropped.total IS 'Rows of that batch and all before it';
COMMENT ON COLUMN personalize.audit_dropped.head IS 'State of the chain after that batch';

CREATE TABLE personalize.audit_batch (
	batch_no bigint PRIMARY KEY,
	lsn pg_lsn NOT NULL,
	made_at timestamptz NOT NULL,
	entries integer NOT NULL CHECK (entries > 0),
	total bigint NOT NULL,
	parts bytea NOT NULL CHECK (pg_catalog.octet_length(parts) % 44 = 0),
	head bytea NOT NULL CHECK (pg_catalog.octet_length(head) = 32)
);
COMMENT ON TABLE personalize.audit_batch IS
	'Batches of rows that the audit worker has chained: one SHA-256 chain over the whole record';
COMMENT ON COLUMN personalize.audit_batch.lsn IS 'Position in the write-ahead log after the batch';
COMMENT ON COLUMN personalize.audit_batch.entries IS 'Rows of the batch';
COMMENT ON COLUMN personalize.audit_batch.total IS 'Rows of this batch and all before it';
COMMENT ON COLUMN personalize.audit_batch.parts IS
	'For each period of which the batch has rows (-1: rows that do not go with a period), in their order: its number (8 bytes), how many rows (4), and the state of their chain (32)';
COMMENT ON COLUMN personalize.audit_batch.head IS 'State of the chain after the batch';
/* rows that are not chained yet: none but within a transaction of the worker; partitions have the like */
CREATE INDEX audit_dropped_loose ON personalize.audit_dropped (drop_no) WHERE batch_no IS NULL;
CREATE INDEX audit_gap_loose ON personalize.audit_gap (gap_id) WHERE batch_no IS NULL;
