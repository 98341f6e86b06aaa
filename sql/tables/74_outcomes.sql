/*
 * What people did: outcomes by which personalization is measured.  Run once by CREATE
 * EXTENSION; a change here needs an update step.
 */
CREATE TABLE personalize.metric (
	metric_id integer PRIMARY KEY DEFAULT pg_catalog.nextval('personalize.registry_id_seq'),
	name text COLLATE "C" NOT NULL UNIQUE,
	purpose_id integer NOT NULL,
	measures text COLLATE "C" NOT NULL CHECK (measures IN ('conversion', 'click', 'satisfaction', 'purchase', 'other')),
	description text,
	defined_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	defined_by text COLLATE "C" NOT NULL
);
COMMENT ON TABLE personalize.metric IS 'What is measured, and for which purpose: outcomes are kept of those who permit it';

CREATE TABLE personalize.outcome (
	outcome_id bigint GENERATED ALWAYS AS IDENTITY,
	subject_no bigint NOT NULL,
	metric_id integer NOT NULL,
	value double precision NOT NULL,
	at timestamptz NOT NULL
);
COMMENT ON TABLE personalize.outcome IS
	'What a person did, as far as it is measured: when, and how much; append-only, erasure takes it away';
COMMENT ON SEQUENCE personalize.outcome_outcome_id_seq IS 'Numbers of outcomes';
CREATE INDEX outcome_metric ON personalize.outcome (metric_id, subject_no, at) INCLUDE (value);
CREATE INDEX outcome_subject ON personalize.outcome (subject_no);
CREATE INDEX outcome_at ON personalize.outcome USING brin (at);

CREATE TABLE personalize.purpose_sweep (
	purpose_id integer PRIMARY KEY,
	swept_at timestamptz,
	exposures_swept bigint NOT NULL DEFAULT 0,
	outcomes_swept bigint NOT NULL DEFAULT 0
);
COMMENT ON TABLE personalize.purpose_sweep IS
	'When exposures and outcomes were last looked for that their purpose keeps no longer, and how many were taken away';
