/*
 * Copies of protected rows in relations that are not protected.
 * Run once by CREATE EXTENSION; a change here needs an update step.
 *
 * Relations are of type regclass: they follow a rename, and a dump has their
 * names.
 */
CREATE TABLE personalize.copied (
	source regclass NOT NULL,
	copy regclass NOT NULL,
	db_role text NOT NULL,
	purpose text NOT NULL,
	first_copied_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	last_copied_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	PRIMARY KEY (source, copy, db_role, purpose)
);
COMMENT ON TABLE personalize.copied IS
	'Relations that rows of a protected relation were copied to, by a role that may copy for the purpose; read it by the view copies';
