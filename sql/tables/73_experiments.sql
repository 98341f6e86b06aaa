/*
 * Experiments, and who is in them.  Run once by CREATE EXTENSION; a change here needs
 * an update step.
 */
CREATE TABLE personalize.experiment (
	experiment_id integer PRIMARY KEY DEFAULT pg_catalog.nextval('personalize.registry_id_seq'),
	name text COLLATE "C" NOT NULL UNIQUE,
	purpose_id integer NOT NULL,
	variants text[] COLLATE "C" NOT NULL,
	salt bytea NOT NULL,
	epoch integer NOT NULL DEFAULT 1,
	defined_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	defined_by text COLLATE "C" NOT NULL,
	ended_at timestamptz
);
COMMENT ON TABLE personalize.experiment IS
	'Experiments within a purpose; the salt is secret, for with it anybody could foretell who gets which variant';
COMMENT ON COLUMN personalize.experiment.epoch IS 'Which weights are in force: see experiment_weights';

CREATE TABLE personalize.experiment_weights (
	experiment_id integer NOT NULL,
	epoch integer NOT NULL,
	holdout numeric NOT NULL,
	weights numeric[] NOT NULL,
	since timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	set_by text COLLATE "C" NOT NULL,
	PRIMARY KEY (experiment_id, epoch)
);
COMMENT ON TABLE personalize.experiment_weights IS
	'How likely the holdout and each variant are, and were, in the order of the variants; append-only';

CREATE TABLE personalize.assignment (
	experiment_id integer NOT NULL,
	subject_no bigint NOT NULL,
	variant text COLLATE "C" NOT NULL,
	epoch integer NOT NULL,
	at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	PRIMARY KEY (experiment_id, subject_no)
);
COMMENT ON TABLE personalize.assignment IS
	'Which variant a person got first, and keeps; only of persons who permitted the purpose then. Erasure takes it away';
CREATE INDEX assignment_subject ON personalize.assignment (subject_no);
