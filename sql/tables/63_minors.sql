/*
 * Where people live, who is a minor, and who speaks for them.
 * Run once by CREATE EXTENSION; a change here needs an update step.
 */
CREATE TABLE personalize.jurisdiction_model (
	purpose_id integer NOT NULL,
	jurisdiction text NOT NULL,
	model text NOT NULL CHECK (model IN ('opt_in', 'opt_out')),
	set_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	set_by name NOT NULL,
	PRIMARY KEY (purpose_id, jurisdiction)
);
COMMENT ON TABLE personalize.jurisdiction_model IS
	'Purposes whose law differs by where the person lives; where there is no row a purpose is opt-in';

CREATE SEQUENCE personalize.subject_jurisdiction_no_seq;
COMMENT ON SEQUENCE personalize.subject_jurisdiction_no_seq IS 'Numbers of the records of where people live';

CREATE TABLE personalize.subject_jurisdiction (
	record_no bigint PRIMARY KEY DEFAULT pg_catalog.nextval('personalize.subject_jurisdiction_no_seq'),
	subject_no bigint NOT NULL,
	jurisdiction text,
	recorded_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	recorded_by name NOT NULL
);
COMMENT ON TABLE personalize.subject_jurisdiction IS
	'Whose law a person is under (append-only); the newest record of a person counts, NULL: nobody knows';
CREATE INDEX subject_jurisdiction_subject ON personalize.subject_jurisdiction (subject_no, record_no);

CREATE SEQUENCE personalize.minor_no_seq;
COMMENT ON SEQUENCE personalize.minor_no_seq IS 'Numbers of the records of who is a minor';

CREATE TABLE personalize.minor (
	minor_no bigint PRIMARY KEY DEFAULT pg_catalog.nextval('personalize.minor_no_seq'),
	subject_no bigint NOT NULL,
	until date,
	jurisdiction text,
	recorded_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	recorded_by name NOT NULL
);
COMMENT ON TABLE personalize.minor IS
	'From which day on a person decides alone (NULL: does so already); the newest record of a person counts. Erasure takes them away: they tell a birthday';
CREATE INDEX minor_subject ON personalize.minor (subject_no, minor_no);

CREATE SEQUENCE personalize.guardian_id_seq;
COMMENT ON SEQUENCE personalize.guardian_id_seq IS 'Numbers of links between minors and guardians';

CREATE TABLE personalize.guardian (
	guardian_id bigint PRIMARY KEY DEFAULT pg_catalog.nextval('personalize.guardian_id_seq'),
	subject_no bigint NOT NULL,
	guardian_no bigint NOT NULL,
	recorded_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	recorded_by name NOT NULL,
	removed_at timestamptz,
	removed_by name
);
COMMENT ON TABLE personalize.guardian IS
	'Who speaks for whom, both by number; erasure of either takes the link away';
CREATE INDEX guardian_subject ON personalize.guardian (subject_no);
CREATE INDEX guardian_guardian ON personalize.guardian (guardian_no);
