/*
 * Identities that are one person: a cookie and a customer, a changed e-mail address,
 * accounts that were merged.  Run once by CREATE EXTENSION; a change here needs an
 * update step.
 */
CREATE TABLE personalize.linked (
	subject_no bigint PRIMARY KEY,
	group_no bigint NOT NULL
);
COMMENT ON TABLE personalize.linked IS
	'Subjects that are known to be one person with others: those of the same group_no, which is the number of one of them';
CREATE INDEX linked_group ON personalize.linked (group_no);

CREATE TABLE personalize.link_event (
	event_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	recorded_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	action text COLLATE "C" NOT NULL CHECK (action IN ('linked', 'unlinked')),
	subject_no bigint NOT NULL,
	other_no bigint,
	reason text,
	recorded_by text COLLATE "C" NOT NULL
);
COMMENT ON TABLE personalize.link_event IS 'When identities were joined and taken apart again, and by whom; append-only';
COMMENT ON SEQUENCE personalize.link_event_event_id_seq IS 'Numbers of joinings and partings of identities';
CREATE INDEX link_event_subject ON personalize.link_event (subject_no);
