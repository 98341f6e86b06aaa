/*
 * Logs of uses that standbys have written: how far each file was taken in.
 * Run once by CREATE EXTENSION; a change here needs an update step.
 *
 * Only the audit worker writes here, in one transaction with what the records
 * say.  It is replicated, so a standby knows which of its files may go.
 */
CREATE TABLE personalize.standby_log (
	log_id bigint PRIMARY KEY,
	log_no bigint NOT NULL,
	boot_id bigint NOT NULL,
	node text NOT NULL,
	previous_id bigint NOT NULL,
	previous_bytes bigint NOT NULL,
	copied boolean NOT NULL,
	started_at timestamptz NOT NULL,
	seen_at timestamptz NOT NULL,
	bytes bigint NOT NULL,
	link bytea NOT NULL CHECK (pg_catalog.octet_length(link) = 32),
	last boolean NOT NULL DEFAULT false,
	ended boolean NOT NULL DEFAULT false
);
CREATE INDEX standby_log_boot ON personalize.standby_log (boot_id);
COMMENT ON TABLE personalize.standby_log IS
	'Files of the logs of uses of standbys that were taken into the record of use, see ingest_standby_log()';
COMMENT ON COLUMN personalize.standby_log.log_id IS 'Random number of the file';
COMMENT ON COLUMN personalize.standby_log.log_no IS 'Number in its name';
COMMENT ON COLUMN personalize.standby_log.boot_id IS 'Run of the standby that wrote it';
COMMENT ON COLUMN personalize.standby_log.node IS 'cluster_name of the standby';
COMMENT ON COLUMN personalize.standby_log.previous_id IS 'The file before this one, 0: it had none, or one that could not be read';
COMMENT ON COLUMN personalize.standby_log.previous_bytes IS 'How long that one was, 0: there was none';
COMMENT ON COLUMN personalize.standby_log.copied IS 'That one was a copy, whose standby may go on with it';
COMMENT ON COLUMN personalize.standby_log.seen_at IS 'Time of the last record that was taken in';
COMMENT ON COLUMN personalize.standby_log.bytes IS 'How much of it was taken in';
COMMENT ON COLUMN personalize.standby_log.link IS 'State of its chain there';
COMMENT ON COLUMN personalize.standby_log.last IS 'Somebody has said that the standby writes no more';
COMMENT ON COLUMN personalize.standby_log.ended IS 'The run is over, what it left open was closed as crashed';
