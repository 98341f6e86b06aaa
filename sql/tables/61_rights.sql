/*
 * More of the rights: corrections and requests.
 * Run once by CREATE EXTENSION; a change here needs an update step.
 */
ALTER TABLE personalize.registry_column ADD COLUMN source text
	CHECK (source IN ('provided', 'observed', 'inferred', 'obtained'));
COMMENT ON COLUMN personalize.registry_column.source IS
	'Where the data comes from: the person gave it, it was observed of them, inferred about them, or obtained from others; NULL: nobody said';

CREATE SEQUENCE personalize.rectification_id_seq;
COMMENT ON SEQUENCE personalize.rectification_id_seq IS 'Numbers of corrections';

CREATE TABLE personalize.rectification (
	rectification_id bigint PRIMARY KEY DEFAULT pg_catalog.nextval('personalize.rectification_id_seq'),
	subject_no bigint NOT NULL,
	relation_name text NOT NULL,
	columns text[] NOT NULL,
	rows_changed bigint NOT NULL,
	before jsonb,
	after jsonb,
	recipients text[] NOT NULL DEFAULT '{}',
	notified text[] NOT NULL DEFAULT '{}',
	rectified_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	rectified_by name NOT NULL
);
COMMENT ON TABLE personalize.rectification IS
	'What was corrected for a person, and who else must be told (GDPR Art. 16 and 19); erasure takes the values away';
CREATE INDEX rectification_subject ON personalize.rectification (subject_no);

CREATE TABLE personalize.request (
	request_id uuid PRIMARY KEY DEFAULT pg_catalog.gen_random_uuid(),
	subject_no bigint NOT NULL,
	"right" text NOT NULL CHECK ("right" IN ('access', 'portability', 'rectification', 'erasure', 'restriction', 'objection',
		'automated_decision', 'withdrawal', 'sale_opt_out', 'limit_sensitive')),
	regulation text NOT NULL CHECK (regulation IN ('gdpr', 'ccpa')),
	status text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'in_progress', 'fulfilled', 'revoked', 'denied', 'expired')),
	reason text CHECK (reason IN ('suspected_fraud', 'insuf_verification', 'no_match', 'claim_not_covered',
		'outside_jurisdiction', 'too_many_requests', 'other')),
	details text,
	received_at timestamptz NOT NULL,
	due_at timestamptz NOT NULL,
	verified_at timestamptz,
	verification text,
	extended_at timestamptz,
	closed_at timestamptz,
	result jsonb,
	opened_by name NOT NULL,
	closed_by name
);
COMMENT ON TABLE personalize.request IS
	'Requests of persons: which right, since when, until when, and what came of it; statuses and reasons are those of the Data Rights Protocol';
CREATE INDEX request_subject ON personalize.request (subject_no);

CREATE TABLE personalize.registry_erasure (
	path_id integer PRIMARY KEY,
	action text NOT NULL CHECK (action IN ('delete', 'anonymize', 'retain')),
	columns jsonb NOT NULL DEFAULT '{}',
	reason text,
	keep_for interval
);
COMMENT ON TABLE personalize.registry_erasure IS
	'What erasure does with the rows that a path leads to, where it is not the usual: rows of an owner are deleted, others anonymized';

CREATE TYPE personalize.erase_step AS (
	step integer,
	path_id integer,
	paths integer[],
	relid oid,
	relation_name text,
	action text,
	condition text,
	count_text text,
	delete_text text,
	columns jsonb,
	reason text,
	keep_for interval
);
COMMENT ON TYPE personalize.erase_step IS
	'A step of an erasure: which rows of which relation, by which paths, are deleted, anonymized or retained; the condition has the keys of the persons as $1';

CREATE TYPE personalize.erase_prepared AS (
	steps personalize.erase_step[],
	relids oid[],
	acting oid[],
	count_first boolean,
	retains boolean,
	left_paths integer[],
	left_texts text[],
	materialized oid[]
);
COMMENT ON TYPE personalize.erase_prepared IS
	'What erasing subjects of a kind takes: the steps, the relations in the order in which they are locked, foreign keys that delete or change what refers to them, whether all rows are counted before the first is deleted, whether any are retained, statements that count what is left (one for each owner of relations), and materialized views over the relations';

CREATE TYPE personalize.erase_tally AS (
	steps integer[],
	keys text[],
	rows bigint[],
	held boolean[]
);
COMMENT ON TYPE personalize.erase_tally IS
	'How many rows each step of an erasure has found of whom, and whether a legal hold is on them: arrays side by side, without most of what is zero';

CREATE TYPE personalize.erase_holds AS (
	known_keys text[],
	known_nos bigint[],
	keys text[],
	relids oid[]
);
COMMENT ON TYPE personalize.erase_holds IS
	'The numbers of those of an erasure that have one, and the legal holds on their rows: of whom, in which relation (NULL: in all); keys is NULL if there are none';

CREATE TABLE personalize.hold (
	hold_id uuid PRIMARY KEY DEFAULT pg_catalog.gen_random_uuid(),
	kind_id integer NOT NULL,
	subject_no bigint NOT NULL,
	relation regclass,
	reason text NOT NULL,
	placed_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	placed_by name NOT NULL,
	released_at timestamptz,
	released_by name,
	key text
);
COMMENT ON TABLE personalize.hold IS
	'Legal holds: rows of a person that erasure must leave until the hold is released';
COMMENT ON COLUMN personalize.hold.relation IS 'The relation whose rows are held; NULL: all of them';
COMMENT ON COLUMN personalize.hold.key IS
	'The key of a person who was erased meanwhile, so that the release can complete the erasure; taken away then';
CREATE INDEX hold_subject ON personalize.hold (subject_no) WHERE released_at IS NULL;

CREATE TABLE personalize.retained (
	path_id integer NOT NULL,
	key text NOT NULL,
	reason text NOT NULL,
	until timestamptz NOT NULL,
	message text,
	PRIMARY KEY (path_id, key)
);
COMMENT ON TABLE personalize.retained IS
	'Rows of erased persons that a rule retains until a time: by the key, since nobody could find them otherwise; it goes with them';

CREATE TABLE personalize.erasure_request (
	request_id uuid PRIMARY KEY DEFAULT pg_catalog.gen_random_uuid(),
	kind_id integer NOT NULL,
	subject_no bigint NOT NULL,
	key text,
	reason text,
	status text NOT NULL DEFAULT 'waiting' CHECK (status IN ('waiting', 'running', 'done', 'cancelled', 'failed')),
	requested_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	requested_by name NOT NULL,
	due_at timestamptz NOT NULL,
	hides boolean NOT NULL DEFAULT true,
	deleted jsonb NOT NULL DEFAULT '{}',
	message text,
	tried_at timestamptz,
	certificate_id uuid,
	with_request uuid
);
COMMENT ON COLUMN personalize.erasure_request.with_request IS 'The request for another identity of the same person that this goes with';
COMMENT ON TABLE personalize.erasure_request IS
	'Erasures that a worker carries out in batches; the person is hidden from the start';
COMMENT ON COLUMN personalize.erasure_request.hides IS 'The tombstone is of this request: the person was not erased before';
COMMENT ON COLUMN personalize.erasure_request.key IS 'The key of the person, until the erasure is done or cancelled';
CREATE INDEX erasure_request_open ON personalize.erasure_request (due_at) WHERE status IN ('waiting', 'running', 'failed');

CREATE TABLE personalize.registry_retention (
	relid regclass PRIMARY KEY,
	column_name name NOT NULL,
	keep_for interval,
	reason text,
	by_purposes boolean NOT NULL DEFAULT false,
	CHECK (keep_for IS NOT NULL OR by_purposes)
);
COMMENT ON TABLE personalize.registry_retention IS
	'How long rows of protected relations are kept, by a column that says how old they are';
COMMENT ON COLUMN personalize.registry_retention.by_purposes IS
	'As long as the longest retention of the purposes that may use them, and at least keep_for';

/* not in the registry: every session reads that again when it changes */
CREATE TABLE personalize.retention_sweep (
	relid regclass PRIMARY KEY,
	swept_at timestamptz,
	message text,
	rows_swept bigint NOT NULL DEFAULT 0
);
COMMENT ON TABLE personalize.retention_sweep IS 'What came of looking for rows that are kept no longer';
