/*
 * Notices: what people were shown when they were asked, and how long their
 * answer is good for.
 * Run once by CREATE EXTENSION; a change here needs an update step.
 */
CREATE SEQUENCE personalize.notice_id_seq AS integer;
COMMENT ON SEQUENCE personalize.notice_id_seq IS 'Numbers of versions of notices, in the order in which they were defined';

CREATE TABLE personalize.notice_name (
	name text PRIMARY KEY,
	newest integer NOT NULL
);
COMMENT ON TABLE personalize.notice_name IS
	'Names of notices, with the newest version of each; whoever defines one changes the row, so that a grant under an old snapshot fails';

CREATE TABLE personalize.notice_version (
	notice_id integer PRIMARY KEY DEFAULT pg_catalog.nextval('personalize.notice_id_seq'),
	name text NOT NULL,
	version text NOT NULL,
	purposes integer[],
	material boolean NOT NULL,
	reconsent text NOT NULL CHECK (reconsent IN ('ask', 'require')),
	ends_at timestamptz,
	defined_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	defined_by name NOT NULL,
	UNIQUE (name, version)
);
COMMENT ON TABLE personalize.notice_version IS
	'Versions of notices (append-only): which purposes a version is about, and whether who agreed to an older one is asked again';
COMMENT ON COLUMN personalize.notice_version.purposes IS 'The purposes that the version is about; NULL: all';
COMMENT ON COLUMN personalize.notice_version.ends_at IS
	'When consents given under an older version end, where reconsent is require';

CREATE TABLE personalize.notice_text (
	notice_id integer NOT NULL,
	language text NOT NULL,
	body text NOT NULL,
	digest bytea NOT NULL,
	defined_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	defined_by name NOT NULL,
	PRIMARY KEY (notice_id, language)
);
COMMENT ON TABLE personalize.notice_text IS
	'What a version of a notice says in each language, with the SHA-256 of the text in UTF-8 (append-only)';

CREATE TABLE personalize.consent_lifetime (
	purpose_id integer PRIMARY KEY,
	lifetime interval NOT NULL,
	set_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	set_by name NOT NULL
);
COMMENT ON TABLE personalize.consent_lifetime IS
	'How long a consent to a purpose lasts that is recorded without an end';
