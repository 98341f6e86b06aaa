/*
 * Maintenance windows.  Run once by CREATE EXTENSION; a change here needs an
 * update step.
 */
CREATE SEQUENCE personalize.maintenance_id_seq;
COMMENT ON SEQUENCE personalize.maintenance_id_seq IS 'Numbers of maintenance windows';

CREATE TABLE personalize.registry_window (
	window_id bigint PRIMARY KEY,
	relid oid NOT NULL UNIQUE,
	ends_at timestamptz NOT NULL
);
COMMENT ON TABLE personalize.registry_window IS
	'Maintenance windows that were not closed; they end by themselves at ends_at, and are void in any other database';

CREATE TABLE personalize.maintenance_event (
	event_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	window_id bigint NOT NULL,
	action text COLLATE "C" NOT NULL CHECK (action IN ('opened', 'closed')),
	relid oid NOT NULL,
	relation_name text NOT NULL,
	reason text,
	ends_at timestamptz,
	recorded_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	recorded_by text NOT NULL
);
COMMENT ON TABLE personalize.maintenance_event IS
	'Maintenance windows that were opened and closed, with who and why; append-only';
COMMENT ON SEQUENCE personalize.maintenance_event_event_id_seq IS 'Numbers of openings and closings of maintenance windows';
CREATE INDEX maintenance_event_window ON personalize.maintenance_event (window_id);
