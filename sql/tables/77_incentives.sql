/*
 * What people get for taking part, and who does.  Run once by CREATE EXTENSION; a change
 * here needs an update step.
 */
CREATE TABLE personalize.incentive (
	incentive_id integer PRIMARY KEY DEFAULT pg_catalog.nextval('personalize.registry_id_seq'),
	name text NOT NULL,
	version integer NOT NULL,
	purpose_id integer NOT NULL,
	terms text NOT NULL,
	value text NOT NULL,
	data_value text,
	requires integer[] NOT NULL DEFAULT '{}',
	defined_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	defined_by text COLLATE "C" NOT NULL,
	retired_at timestamptz,
	UNIQUE (name, version)
);
COMMENT ON TABLE personalize.incentive IS
	'Incentives by version: what people get, under which terms, for data of which purpose, and consents to which purposes it needs, which it says; terms are never changed';
COMMENT ON COLUMN personalize.incentive.data_value IS
	'Estimate of the value of the data, and how it was made (11 CCR 7016(d)(5))';

CREATE TABLE personalize.incentive_event (
	event_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	recorded_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	subject_no bigint NOT NULL,
	incentive_id integer NOT NULL,
	action text COLLATE "C" NOT NULL CHECK (action IN ('accepted', 'refused', 'withdrawn')),
	recorded_by text COLLATE "C" NOT NULL,
	app_user text
);
COMMENT ON TABLE personalize.incentive_event IS
	'Who took part in an incentive, under which version of its terms, who refused and who left; append-only, no consent to anything else';
COMMENT ON SEQUENCE personalize.incentive_event_event_id_seq IS 'Numbers of answers to incentives';
CREATE INDEX incentive_event_subject ON personalize.incentive_event (subject_no, event_id);
/* erasure looks for who spoke for another */
CREATE INDEX incentive_event_user ON personalize.incentive_event (event_id) WHERE app_user IS NOT NULL;
