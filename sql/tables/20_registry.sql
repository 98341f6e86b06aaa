/*
 * Registry tables: which purposes, roles and relations there are.
 * Run once by CREATE EXTENSION; a change here needs an update step.
 *
 * Objects of the database are kept by number (OID, attnum) with their names
 * beside.  registry_anchor says in which database the numbers are good; after
 * a dump and restore they are not, and the names count (see docs/architecture.md).
 */
CREATE TABLE personalize.registry_anchor (
	only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
	system_identifier bigint NOT NULL,
	database_oid oid NOT NULL,
	restore_id text COLLATE "C",
	key_name bytea,
	registry_id uuid NOT NULL DEFAULT pg_catalog.gen_random_uuid(),
	reapplied_at timestamptz,
	reapplied_by name,
	reapplied bigint,
	reapplied_without text
);
COMMENT ON TABLE personalize.registry_anchor IS
	'The cluster and database in which the OIDs and attribute numbers of the registry hold; anywhere else the names beside them count';
COMMENT ON COLUMN personalize.registry_anchor.restore_id IS
	'The restore of the cluster from a backup after which erasures were applied again; anything else than the last one: not yet, and protected relations are closed';
COMMENT ON COLUMN personalize.registry_anchor.key_name IS 'What the key file is known by that the tombstones were made with';
COMMENT ON COLUMN personalize.registry_anchor.registry_id IS 'What this registry is known by, also where it was restored: tombstones of another one are not taken in';
COMMENT ON COLUMN personalize.registry_anchor.reapplied IS 'How many tombstones were brought along then';
COMMENT ON COLUMN personalize.registry_anchor.reapplied_without IS 'Why none were';

CREATE SEQUENCE personalize.registry_id_seq AS integer START WITH 100;
COMMENT ON SEQUENCE personalize.registry_id_seq IS
	'Numbers of kinds, categories, purposes and subject paths; numbers below 100 are built in';

CREATE TABLE personalize.registry_kind (
	kind_id integer PRIMARY KEY DEFAULT pg_catalog.nextval('personalize.registry_id_seq'),
	name text NOT NULL UNIQUE,
	key_type regtype
);
COMMENT ON TABLE personalize.registry_kind IS
	'Kinds of subjects; key_type is bigint, uuid or text, NULL until the first protect() sets it';

CREATE TABLE personalize.registry_category (
	category_id integer PRIMARY KEY DEFAULT pg_catalog.nextval('personalize.registry_id_seq'),
	name text NOT NULL UNIQUE,
	description text NOT NULL,
	special boolean NOT NULL DEFAULT false,
	iri text,
	builtin boolean NOT NULL DEFAULT false,
	partial boolean NOT NULL DEFAULT false
);
COMMENT ON TABLE personalize.registry_category IS
	'Categories of personal data; the built-in category none means: not personal by itself';
COMMENT ON COLUMN personalize.registry_category.partial IS
	'Somebody agreed to a purpose with or without this category apart from the others: cells of it are masked one by one. Set by the first such choice, never taken back';
INSERT INTO personalize.registry_category (category_id, name, description, builtin)
	VALUES (1, 'none', 'Not personal by itself', true);

CREATE TABLE personalize.registry_purpose (
	purpose_id integer PRIMARY KEY DEFAULT pg_catalog.nextval('personalize.registry_id_seq'),
	name text NOT NULL UNIQUE,
	description text NOT NULL,
	legal_basis text NOT NULL CHECK (legal_basis IN ('consent', 'explicit_consent', 'contract',
		'legal_obligation', 'vital_interest', 'public_interest', 'legitimate_interest')),
	value_exchange text,
	recipients text[] NOT NULL DEFAULT '{}',
	retention interval,
	special_basis text,
	iri text,
	automated boolean NOT NULL DEFAULT false,
	builtin boolean NOT NULL DEFAULT false,
	retired_at timestamptz,
	defined_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	changed_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE personalize.registry_purpose IS
	'Purposes of use with their legal basis; the built-in ones see every row and cell and are granted to nobody at first';
INSERT INTO personalize.registry_purpose (purpose_id, name, description, legal_basis, iri, builtin) VALUES
	(1, 'backup', 'Complete copies of the database', 'legal_obligation', 'https://w3id.org/dpv#EnforceSecurity', true),
	(2, 'break_glass', 'Emergency access to everything, loudly on record', 'vital_interest', NULL, true),
	(3, 'subject_rights', 'Serving a request of the person: erasure, access, correction', 'legal_obligation',
		'https://w3id.org/dpv#RightsFulfilment', true),
	(4, 'maintenance', 'Commands of an owner within a maintenance window; cannot be granted or stated', 'legitimate_interest', NULL, true);

CREATE TABLE personalize.registry_purpose_category (
	purpose_id integer NOT NULL,
	category_id integer NOT NULL,
	PRIMARY KEY (purpose_id, category_id)
);
COMMENT ON TABLE personalize.registry_purpose_category IS 'Categories of personal data a purpose needs';

CREATE TABLE personalize.registry_purpose_parent (
	purpose_id integer NOT NULL,
	parent_id integer NOT NULL,
	PRIMARY KEY (purpose_id, parent_id)
);
COMMENT ON TABLE personalize.registry_purpose_parent IS
	'Broader purposes of a purpose (a graph without cycles): consent to a parent covers a child without events of its own';

CREATE TABLE personalize.registry_grant (
	purpose_id integer NOT NULL,
	role_oid oid NOT NULL,
	role_name name NOT NULL,
	may_copy boolean NOT NULL DEFAULT false,
	PRIMARY KEY (purpose_id, role_name)
);
COMMENT ON TABLE personalize.registry_grant IS 'Which role may use personal data for which purpose';

CREATE TABLE personalize.registry_duty (
	role_oid oid NOT NULL,
	role_name name NOT NULL,
	duty text NOT NULL CHECK (duty IN ('app', 'officer', 'auditor', 'monitor')),
	PRIMARY KEY (role_name, duty)
);
COMMENT ON TABLE personalize.registry_duty IS 'Which role has which duty';

CREATE TABLE personalize.registry_relation (
	relid oid PRIMARY KEY,
	schema_name name NOT NULL,
	relation_name name NOT NULL,
	null_subject text NOT NULL DEFAULT 'hidden' CHECK (null_subject IN ('hidden', 'visible')),
	mode text NOT NULL DEFAULT 'enforce' CHECK (mode IN ('enforce', 'observe')),
	hard boolean NOT NULL DEFAULT false,
	rls_was_enabled boolean NOT NULL,
	rls_was_forced boolean NOT NULL,
	protected_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	protected_by name NOT NULL
);
COMMENT ON TABLE personalize.registry_relation IS 'Protected relations';

CREATE TABLE personalize.registry_path (
	path_id integer PRIMARY KEY DEFAULT pg_catalog.nextval('personalize.registry_id_seq'),
	relid oid NOT NULL,
	kind_id integer NOT NULL,
	columns smallint[] NOT NULL,
	column_names name[] NOT NULL,
	ownership text NOT NULL DEFAULT 'owner' CHECK (ownership IN ('owner', 'access')),
	via_path_id integer,
	via_columns smallint[],
	via_column_names name[]
);
COMMENT ON TABLE personalize.registry_path IS
	'How a protected relation leads to a subject: one row per path, by columns that are the key, or by those of a foreign key to a relation with a path of its own';
COMMENT ON COLUMN personalize.registry_path.via_columns IS
	'Columns of that path''s relation that the foreign key refers to, in the order of the columns';
COMMENT ON COLUMN personalize.registry_path.via_path_id IS
	'Path of the relation that the columns refer to by a foreign key; NULL: the columns are the key itself';
CREATE INDEX registry_path_relid ON personalize.registry_path (relid);

CREATE TABLE personalize.registry_column (
	relid oid NOT NULL,
	attnum smallint NOT NULL,
	column_name name NOT NULL,
	category_id integer NOT NULL,
	mask text,
	PRIMARY KEY (relid, attnum)
);
COMMENT ON TABLE personalize.registry_column IS 'Categories of the columns of protected relations; a column without a row here is refused to every purpose';

CREATE TABLE personalize.registry_child (
	relid oid NOT NULL,
	child_relid oid PRIMARY KEY,
	schema_name name NOT NULL,
	relation_name name NOT NULL,
	rls_was_enabled boolean NOT NULL,
	rls_was_forced boolean NOT NULL
);
COMMENT ON TABLE personalize.registry_child IS
	'Partitions and inheritance children that carry the policies of their protected parent (relid), and how row security stood there before';
CREATE INDEX registry_child_relid ON personalize.registry_child (relid);
