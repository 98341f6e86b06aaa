/*
 * Signs of creepiness: what officers have set, and what they have seen.  Run once by CREATE
 * EXTENSION; a change here needs an update step.
 */
CREATE TABLE personalize.alert_setting (
	alert text COLLATE "C" PRIMARY KEY,
	threshold double precision NOT NULL CHECK (threshold > 0),
	minimum bigint NOT NULL CHECK (minimum > 0),
	enabled boolean NOT NULL,
	set_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	set_by text COLLATE "C" NOT NULL
);
COMMENT ON TABLE personalize.alert_setting IS 'What officers have set of alerts; of the others the defaults hold';

CREATE TABLE personalize.alert_seen (
	seen_id bigint GENERATED ALWAYS AS IDENTITY,
	alert text COLLATE "C" NOT NULL,
	purpose_id integer NOT NULL,
	seen_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	seen_by text COLLATE "C" NOT NULL,
	until timestamptz NOT NULL
);
COMMENT ON TABLE personalize.alert_seen IS 'Who has seen which alert, and until when it is not news: every call of acknowledge_alert() is a row';
COMMENT ON COLUMN personalize.alert_seen.purpose_id IS 'The purpose; 0: of no single one';
COMMENT ON SEQUENCE personalize.alert_seen_seen_id_seq IS 'Numbers of acknowledgements';
CREATE UNIQUE INDEX alert_seen_pkey ON personalize.alert_seen (seen_id);
