/*
 * Rights tables: what was done when a person asked.
 * Run once by CREATE EXTENSION; a change here needs an update step.
 */
CREATE TABLE personalize.erasure (
	certificate_id uuid PRIMARY KEY DEFAULT pg_catalog.gen_random_uuid(),
	certificate jsonb NOT NULL,
	erased_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	erased_by name NOT NULL,
	transaction_id xid8,
	wal_lsn pg_lsn,
	system_identifier bigint
);
CREATE INDEX erasure_at ON personalize.erasure (erased_at);
COMMENT ON TABLE personalize.erasure IS
	'Certificates of erasures and reinstatements, without personal data of the subject: they say that and how, never who';
COMMENT ON COLUMN personalize.erasure.transaction_id IS 'The transaction that erased, and where the write-ahead log was: by them, in the same cluster, it can be told what is left below the tables';
