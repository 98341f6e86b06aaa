/*
 * Kinds of subjects and the form of their keys.
 */

CREATE OR REPLACE FUNCTION personalize.key_class_internal(type oid)
RETURNS oid
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	base oid := key_class_internal.type;
	t record;
BEGIN
	LOOP
		SELECT y.typtype AS typtype, y.typbasetype AS typbasetype INTO t FROM pg_type AS y WHERE y.oid = base;
		IF t.typtype IS NULL THEN
			RETURN NULL;
		END IF;
		EXIT WHEN t.typtype <> 'd';
		base := t.typbasetype;
	END LOOP;
	RETURN CASE
		WHEN base IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype) THEN 'int8'::regtype
		WHEN base IN ('text'::regtype, 'varchar'::regtype) THEN 'text'::regtype
		WHEN base = 'uuid'::regtype THEN 'uuid'::regtype
	END;
END
$$;
COMMENT ON FUNCTION personalize.key_class_internal(oid) IS
	'bigint, uuid or text for a type whose values can be keys of subjects (domains by their base type), else NULL';

CREATE OR REPLACE FUNCTION personalize.canonical_or_null_internal(key_type oid, key text)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE CALLED ON NULL INPUT
AS $$
	SELECT CASE
		WHEN pg_catalog.octet_length(key) OPERATOR(pg_catalog.>) 1024 OR key OPERATOR(pg_catalog.=) '' THEN NULL
		WHEN key_type OPERATOR(pg_catalog.=) 20::pg_catalog.oid THEN
			CASE WHEN key OPERATOR(pg_catalog.~) '^ *[+-]?[0-9]+ *$' THEN
				CASE WHEN key::pg_catalog.numeric OPERATOR(pg_catalog.>=) (-9223372036854775808)::pg_catalog.numeric
						AND key::pg_catalog.numeric OPERATOR(pg_catalog.<=) 9223372036854775807::pg_catalog.numeric
					THEN (key::pg_catalog.numeric)::pg_catalog.int8::pg_catalog.text END
			END
		WHEN key_type OPERATOR(pg_catalog.=) 2950::pg_catalog.oid THEN
			CASE WHEN key OPERATOR(pg_catalog.~)
					'^(([0-9a-fA-F]{4}-?){7}[0-9a-fA-F]{4}|[{]([0-9a-fA-F]{4}-?){7}[0-9a-fA-F]{4}[}])$'
				THEN key::pg_catalog.uuid::pg_catalog.text END
		ELSE key
	END
$$;
COMMENT ON FUNCTION personalize.canonical_or_null_internal(oid, text) IS
	'Canonical form of a key for the key type of its kind (bigint, uuid, text; NULL: not set yet, as text), or NULL where it is none; cannot fail';

CREATE OR REPLACE FUNCTION personalize.key_forms_internal(kind_id integer, key text)
RETURNS text[]
LANGUAGE sql STABLE PARALLEL RESTRICTED STRICT
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT ARRAY(SELECT DISTINCT u.form
		FROM (SELECT key_forms_internal.key AS form
			UNION ALL
			SELECT personalize.canonical_or_null_internal(t.type, key_forms_internal.key)
			FROM personalize.registry_kind AS k, unnest('{20,2950}'::oid[]) AS t (type)
			WHERE k.kind_id = key_forms_internal.kind_id AND k.key_type IS NULL) AS u
		WHERE u.form IS NOT NULL)
$$;
COMMENT ON FUNCTION personalize.key_forms_internal(integer, text) IS
	'What a canonical key is or, as long as its kind has no key type, may become: a number and a uuid are then spelled differently';

CREATE OR REPLACE FUNCTION personalize.kind_set_type_internal(kind_id integer, key_type oid)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	misfits bigint;
	moves boolean;
	moved record;
BEGIN
	/* nobody may record under the old form of keys while we convert them */
	LOCK TABLE personalize.subject IN SHARE ROW EXCLUSIVE MODE;
	SELECT count(*) FILTER (WHERE x.canonical IS NULL), coalesce(bool_or(x.canonical IS DISTINCT FROM x.key), false)
		INTO misfits, moves
		FROM (SELECT s.key, personalize.canonical_or_null_internal(kind_set_type_internal.key_type, s.key) AS canonical
			FROM personalize.subject AS s
			WHERE s.kind_id = kind_set_type_internal.kind_id AND s.key IS NOT NULL) AS x;
	IF misfits > 0 THEN
		RAISE EXCEPTION '% recorded keys of this kind of subject do not fit type %',
			misfits, format_type(kind_set_type_internal.key_type, NULL)
			USING ERRCODE = 'datatype_mismatch',
				HINT = 'Erase these subjects or use another kind of subject.';
	END IF;
	IF moves THEN
		/* two spellings of one key become one subject: the older number stays */
		PERFORM personalize.ledger_unlock_internal(true);
		UPDATE personalize.consent_event AS e SET subject_no = m.keeper
			FROM (SELECT s.subject_no, min(s.subject_no) OVER (
					PARTITION BY personalize.canonical_or_null_internal(kind_set_type_internal.key_type, s.key)) AS keeper
				FROM personalize.subject AS s
				WHERE s.kind_id = kind_set_type_internal.kind_id AND s.key IS NOT NULL) AS m
			WHERE m.keeper <> m.subject_no AND e.subject_no = m.subject_no;
		/* what is known of either is known of the one */
		FOR moved IN SELECT m.subject_no, m.keeper
			FROM (SELECT s.subject_no, min(s.subject_no) OVER (
					PARTITION BY personalize.canonical_or_null_internal(kind_set_type_internal.key_type, s.key)) AS keeper
				FROM personalize.subject AS s
				WHERE s.kind_id = kind_set_type_internal.kind_id AND s.key IS NOT NULL) AS m
			WHERE m.keeper <> m.subject_no
		LOOP
			UPDATE personalize.subject_jurisdiction AS j SET subject_no = moved.keeper WHERE j.subject_no = moved.subject_no;
			UPDATE personalize.minor AS j SET subject_no = moved.keeper WHERE j.subject_no = moved.subject_no;
			UPDATE personalize.guardian AS j SET subject_no = moved.keeper WHERE j.subject_no = moved.subject_no;
			UPDATE personalize.guardian AS j SET guardian_no = moved.keeper WHERE j.guardian_no = moved.subject_no;
			PERFORM personalize.exposures_moved_internal(moved.subject_no, moved.keeper);
			PERFORM personalize.exclusions_moved_internal(moved.subject_no, moved.keeper);
			UPDATE personalize.preference AS j SET subject_no = moved.keeper WHERE j.subject_no = moved.subject_no;
			UPDATE personalize.incentive_event AS j SET subject_no = moved.keeper WHERE j.subject_no = moved.subject_no;
			PERFORM personalize.person_terms_internal(moved.keeper);
		END LOOP;
		DELETE FROM personalize.subject AS s
			USING (SELECT x.subject_no, min(x.subject_no) OVER (
					PARTITION BY personalize.canonical_or_null_internal(kind_set_type_internal.key_type, x.key)) AS keeper
				FROM personalize.subject AS x
				WHERE x.kind_id = kind_set_type_internal.kind_id AND x.key IS NOT NULL) AS m
			WHERE m.keeper <> m.subject_no AND s.subject_no = m.subject_no;
		UPDATE personalize.subject AS s
			SET key = personalize.canonical_or_null_internal(kind_set_type_internal.key_type, s.key)
			WHERE s.kind_id = kind_set_type_internal.kind_id
				AND s.key <> personalize.canonical_or_null_internal(kind_set_type_internal.key_type, s.key);
		PERFORM personalize.ledger_unlock_internal(false);
	END IF;
	UPDATE personalize.registry_kind AS k SET key_type = kind_set_type_internal.key_type
		WHERE k.kind_id = kind_set_type_internal.kind_id;
END
$$;
COMMENT ON FUNCTION personalize.kind_set_type_internal(integer, oid) IS
	'Sets the key type of a kind of subject and brings keys recorded before into their canonical form, or fails with a count';

CREATE OR REPLACE FUNCTION personalize.ensure_kind_internal(kind text)
RETURNS integer
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	id integer;
BEGIN
	id := personalize.kind_id_internal(ensure_kind_internal.kind);
	IF id = 0 THEN
		INSERT INTO personalize.registry_kind (name) VALUES ('subject') ON CONFLICT DO NOTHING;
		SELECT k.kind_id INTO STRICT id FROM personalize.registry_kind AS k WHERE k.name = 'subject';
	END IF;
	RETURN id;
END
$$;
COMMENT ON FUNCTION personalize.ensure_kind_internal(text) IS
	'Number of a kind of subject; the kind subject is made on first use, any other must be defined';

CREATE OR REPLACE FUNCTION personalize.define_kind(name text, key_type regtype)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	class oid;
	k personalize.registry_kind;
BEGIN
	PERFORM personalize.registry_begin_internal();
	PERFORM personalize.check_name_internal('kind of subject', define_kind.name);
	IF define_kind.key_type IS NULL THEN
		RAISE EXCEPTION 'key type must not be null' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	class := personalize.key_class_internal(define_kind.key_type);
	IF class IS NULL THEN
		RAISE EXCEPTION 'type % cannot be the key type of a kind of subject', define_kind.key_type
			USING ERRCODE = 'datatype_mismatch', HINT = 'Use bigint, uuid or text.';
	END IF;
	SELECT r.* INTO k FROM personalize.registry_kind AS r WHERE r.name = define_kind.name;
	IF k.kind_id IS NULL THEN
		INSERT INTO personalize.registry_kind (name, key_type) VALUES (define_kind.name, class);
	ELSIF k.key_type IS NULL THEN
		PERFORM personalize.kind_set_type_internal(k.kind_id, class);
	ELSIF k.key_type <> class THEN
		RAISE EXCEPTION 'kind of subject "%" already exists with key type %', k.name, k.key_type
			USING ERRCODE = 'duplicate_object', HINT = 'The key type of a kind cannot be changed; define another kind.';
	END IF;
	PERFORM personalize.invalidate_internal(0::oid);
END
$$;
COMMENT ON FUNCTION personalize.define_kind(text, regtype) IS
	'Defines a kind of subject and the type of its keys: bigint, uuid or text';
