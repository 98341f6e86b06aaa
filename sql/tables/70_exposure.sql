/*
 * What people were shown, and how often they may be.  Run once by CREATE EXTENSION; a
 * change here needs an update step.
 */
CREATE TABLE personalize.frequency_cap (
	cap_id integer PRIMARY KEY DEFAULT pg_catalog.nextval('personalize.registry_id_seq'),
	purpose_id integer NOT NULL,
	max_uses integer NOT NULL CHECK (max_uses > 0),
	per interval NOT NULL CHECK (per > interval '0'),
	set_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	set_by text COLLATE "C" NOT NULL,
	UNIQUE (purpose_id, per)
);
COMMENT ON TABLE personalize.frequency_cap IS
	'How often a person may be reached for a purpose within an interval; several for a purpose hold together';

CREATE TABLE personalize.exposure (
	exposure_id bigint GENERATED ALWAYS AS IDENTITY,
	subject_no bigint NOT NULL,
	purpose_id integer NOT NULL,
	at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	item text,
	explanation text,
	experiment_id integer,
	variant text
);
COMMENT ON TABLE personalize.exposure IS
	'What a person was shown for which purpose, with the explanation; append-only, what can name a person is taken out by an erasure';
COMMENT ON SEQUENCE personalize.exposure_exposure_id_seq IS 'Numbers of exposures';
CREATE UNIQUE INDEX exposure_pkey ON personalize.exposure (exposure_id);
CREATE INDEX exposure_subject ON personalize.exposure (subject_no, purpose_id, at);
CREATE INDEX exposure_at ON personalize.exposure USING brin (at);

CREATE TABLE personalize.exposure_retention (
	only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
	keep_for interval NOT NULL CHECK (keep_for > interval '0'),
	set_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	set_by text COLLATE "C" NOT NULL,
	swept_at timestamptz,
	rows_swept bigint NOT NULL DEFAULT 0
);
COMMENT ON TABLE personalize.exposure_retention IS
	'How long it is kept what people were shown; without a row for ever';
