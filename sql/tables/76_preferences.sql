/*
 * What people want more and less of, and what was inferred about that.  Run once by
 * CREATE EXTENSION; a change here needs an update step.
 */
CREATE TABLE personalize.preference (
	event_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	recorded_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	subject_no bigint NOT NULL,
	source text COLLATE "C" NOT NULL CHECK (source IN ('stated', 'inferred')),
	purpose_id integer CHECK ((purpose_id IS NULL) = (source = 'stated')),
	name text NOT NULL,
	value jsonb,
	recorded_by text COLLATE "C" NOT NULL,
	app_user text
);
COMMENT ON TABLE personalize.preference IS
	'What a person stated, and what was inferred for a purpose, line by line (append-only): the newest line about a name counts, value NULL takes it back; erasure takes all of them away';
COMMENT ON SEQUENCE personalize.preference_event_id_seq IS 'Numbers of preferences';
CREATE INDEX preference_subject ON personalize.preference (subject_no, source, name, event_id);
/* erasure looks for who spoke for another */
CREATE INDEX preference_user ON personalize.preference (event_id) WHERE app_user IS NOT NULL;

CREATE TABLE personalize.preference_copy (
	relation regclass PRIMARY KEY,
	path_id integer NOT NULL,
	purpose_id integer,
	published_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	published_by text COLLATE "C" NOT NULL
);
COMMENT ON TABLE personalize.preference_copy IS
	'Protected relations into which stated preferences, or those inferred for a purpose, are written, for queries to join';
