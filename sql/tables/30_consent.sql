/*
 * Consent tables: the people and what they said.
 * Run once by CREATE EXTENSION; a change here needs an update step.
 */
CREATE SEQUENCE personalize.subject_no_seq;
COMMENT ON SEQUENCE personalize.subject_no_seq IS 'Dense numbers of subjects; a number is never used again';

CREATE TABLE personalize.subject (
	subject_no bigint PRIMARY KEY DEFAULT pg_catalog.nextval('personalize.subject_no_seq'),
	kind_id integer NOT NULL,
	key text COLLATE "C",
	tombstoned boolean NOT NULL DEFAULT false
);
COMMENT ON TABLE personalize.subject IS
	'The one place that maps the dense number of a subject to its key; erasure takes the key away and leaves the number';
CREATE UNIQUE INDEX subject_key ON personalize.subject (kind_id, key);

CREATE TABLE personalize.tombstone (
	digest bytea PRIMARY KEY,
	kind_id integer NOT NULL,
	erased_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE personalize.tombstone IS
	'Keyed digests of erased keys, so that rows which come back under one are withheld; says nothing without the key file';

CREATE TABLE personalize.tombstone_lifted (
	digest bytea NOT NULL,
	kind_id integer NOT NULL,
	erased_at timestamptz NOT NULL,
	lifted_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	PRIMARY KEY (digest, erased_at)
);
COMMENT ON TABLE personalize.tombstone_lifted IS
	'Tombstones of persons who came back: what was erased before must be erased again where a backup of before is restored';

CREATE FUNCTION personalize.record_id_internal() RETURNS uuid
	LANGUAGE c VOLATILE PARALLEL SAFE AS 'MODULE_PATHNAME', 'personalize_record_id';
COMMENT ON FUNCTION personalize.record_id_internal() IS 'A random UUID for a line of the ledger';

CREATE SEQUENCE personalize.consent_event_id_seq;
COMMENT ON SEQUENCE personalize.consent_event_id_seq IS 'Numbers of consent events; those of one subject and purpose are in commit order';

CREATE TABLE personalize.consent_event (
	event_id bigint PRIMARY KEY DEFAULT pg_catalog.nextval('personalize.consent_event_id_seq'),
	record_id uuid NOT NULL DEFAULT personalize.record_id_internal(),
	recorded_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	subject_no bigint NOT NULL,
	purpose_id integer NOT NULL,
	action text COLLATE "C" NOT NULL CHECK (action IN ('given', 'refused', 'withdrawn', 'objected', 'restricted', 'lifted',
		'ending', 'presumed')),
	categories integer[],
	explicit boolean NOT NULL DEFAULT false,
	expires_at timestamptz,
	notice text,
	language text,
	method text,
	evidence jsonb,
	reason text,
	recorded_by text COLLATE "C" NOT NULL,
	recorded_as text COLLATE "C" NOT NULL,
	app_user text
);
COMMENT ON TABLE personalize.consent_event IS
	'The ledger of consent: append-only, one line for each thing a subject said, by the clock of the server';
COMMENT ON COLUMN personalize.consent_event.action IS
	'given, refused, withdrawn, objected: words of the person (or of a guardian). restricted, lifted: of all processing; lifted with a purpose: nothing is presumed any more. ending: not the person, but a new notice or the law ends a consent, at expires_at; reason says which. presumed: nobody said anything, and the law in reason lets that be enough';
COMMENT ON COLUMN personalize.consent_event.purpose_id IS 'The purpose; 0 stands for all purposes (restriction of processing)';
COMMENT ON COLUMN personalize.consent_event.categories IS
	'Categories the event covers. NULL: all there are (refused, withdrawn, objected). For given always a list; 0 in it stands for the row itself';
CREATE INDEX consent_event_subject ON personalize.consent_event (subject_no, purpose_id, event_id);
/* erasure looks for who spoke for another */
CREATE INDEX consent_event_user ON personalize.consent_event (event_id) WHERE app_user IS NOT NULL;
CREATE INDEX consent_event_end ON personalize.consent_event (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE personalize.controller (
	only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
	party_id text,
	name text,
	address text,
	contact text,
	party_type text,
	jurisdiction text,
	language text,
	storage_locations text[],
	withdrawal_method text
);
COMMENT ON TABLE personalize.controller IS
	'Who answers for the data: what ISO/IEC TS 27560 asks of every consent record and does not differ from one to the next';
