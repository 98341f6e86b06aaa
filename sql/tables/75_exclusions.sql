/*
 * Who is left out of purposes, and why.  Run once by CREATE EXTENSION; a change here needs
 * an update step.
 */
CREATE TABLE personalize.exclusion (
	exclusion_id integer PRIMARY KEY DEFAULT pg_catalog.nextval('personalize.registry_id_seq'),
	name text NOT NULL UNIQUE,
	relation regclass,
	path_id integer,
	subject name,
	kind_id integer,
	condition text,
	timely boolean NOT NULL DEFAULT false,
	purposes integer[],
	reason text NOT NULL,
	refresh_every interval NOT NULL CHECK (refresh_every > interval '0'),
	defined_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	defined_by text COLLATE "C" NOT NULL,
	refreshed_at timestamptz,
	message text
);
COMMENT ON TABLE personalize.exclusion IS
	'Whom purposes (NULL: all that a person could say no to) leave out: by a list, by a condition on a table that leads to persons by a path or a column, or minors (relation personalize.minor)';
COMMENT ON COLUMN personalize.exclusion.timely IS 'What the condition says of a row can change with time';

CREATE TABLE personalize.exclusion_member (
	exclusion_id integer NOT NULL,
	subject_no bigint NOT NULL,
	source text COLLATE "C" NOT NULL CHECK (source IN ('list', 'condition')),
	since timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	until timestamptz NOT NULL DEFAULT 'infinity',
	recorded_by text COLLATE "C" NOT NULL,
	PRIMARY KEY (exclusion_id, subject_no, source)
);
COMMENT ON TABLE personalize.exclusion_member IS
	'Subjects that an exclusion holds, as listed or by its condition; erasure takes them away';
CREATE INDEX exclusion_member_subject ON personalize.exclusion_member (subject_no);

CREATE TABLE personalize.exclusion_event (
	event_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	recorded_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	exclusion_id integer NOT NULL,
	subject_no bigint NOT NULL,
	action text COLLATE "C" NOT NULL CHECK (action IN ('listed', 'unlisted', 'cleared')),
	until timestamptz,
	recorded_by text COLLATE "C" NOT NULL
);
COMMENT ON TABLE personalize.exclusion_event IS 'Who was put on the list of an exclusion and taken off it (cleared: by an officer, for all), when and by whom; append-only, erasure takes them away';
COMMENT ON SEQUENCE personalize.exclusion_event_event_id_seq IS 'Numbers of changes of the lists of exclusions';
CREATE INDEX exclusion_event_subject ON personalize.exclusion_event (subject_no);
