/*
 * Answers of parity() and opt_out_parity() that were kept for reports.  Run once by CREATE
 * EXTENSION; a change here needs an update step.
 */
CREATE TABLE personalize.parity_record (
	record_no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	name text COLLATE "C" NOT NULL,
	recorded_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	recorded_by text COLLATE "C" NOT NULL,
	about text COLLATE "C" NOT NULL CHECK (about IN ('groups', 'opt_out')),
	metric text,
	purpose text NOT NULL,
	relation_name text,
	attribute text,
	since timestamptz NOT NULL,
	until timestamptz NOT NULL,
	confidence double precision NOT NULL,
	groups_hidden integer NOT NULL,
	figures jsonb NOT NULL
);
COMMENT ON TABLE personalize.parity_record IS
	'What parity() (about groups) or opt_out_parity() (opt_out) said at a time, under a name; nobody is named here, and of groups that are suppressed there is only how many';
COMMENT ON SEQUENCE personalize.parity_record_record_no_seq IS 'Numbers of kept answers about parity';
CREATE INDEX parity_record_name ON personalize.parity_record (name, record_no);
