/*
 * Rights tables: what was done when a person asked.
 * Run once by CREATE EXTENSION; a change here needs an update step.
 */
CREATE TABLE personalize.erasure (
	certificate_id uuid PRIMARY KEY DEFAULT pg_catalog.gen_random_uuid(),
	certificate jsonb NOT NULL,
	erased_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	erased_by name NOT NULL
);
COMMENT ON TABLE personalize.erasure IS
	'Certificates of erasures and reinstatements, without personal data of the subject: they say that and how, never who';
