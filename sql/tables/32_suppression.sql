/*
 * Who is kept back for another reason than what the person said: a frequency cap that
 * is reached, an exclusion.  Run once by CREATE EXTENSION; a change here needs an
 * update step.
 */
CREATE TABLE personalize.suppression (
	subject_no bigint NOT NULL,
	purpose_id integer NOT NULL,
	cause text COLLATE "C" NOT NULL CHECK (cause IN ('cap', 'exclusion')),
	cause_id integer NOT NULL,
	until timestamptz NOT NULL DEFAULT 'infinity',
	since timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	PRIMARY KEY (subject_no, purpose_id, cause, cause_id)
);
COMMENT ON TABLE personalize.suppression IS
	'Subjects whose rows a purpose does not see until a moment, although they agreed: a frequency cap is reached, or an exclusion holds, which reaches narrower purposes, too (purpose 0: all that the person could say no to)';
CREATE INDEX suppression_until ON personalize.suppression (until);
CREATE INDEX suppression_exclusion ON personalize.suppression (cause_id) WHERE cause = 'exclusion';
