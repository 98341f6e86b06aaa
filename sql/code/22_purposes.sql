/*
 * Categories, purposes, and who may use what for which purpose.
 *
 * Arguments are written with the name of their function before them, columns
 * with their alias; "#variable_conflict use_column" settles ON CONFLICT lists.
 */

CREATE OR REPLACE FUNCTION personalize.categories_below_internal(purpose_id integer)
RETURNS integer[]
LANGUAGE sql STABLE PARALLEL RESTRICTED STRICT
SET search_path = pg_catalog, pg_temp
AS $$
	WITH RECURSIVE down (id) AS (
		SELECT categories_below_internal.purpose_id
		UNION
		SELECT x.purpose_id FROM down JOIN personalize.registry_purpose_parent AS x ON x.parent_id = down.id)
	SELECT ARRAY(SELECT DISTINCT c.category_id FROM down
		JOIN personalize.registry_purpose_category AS c ON c.purpose_id = down.id ORDER BY c.category_id)
$$;
COMMENT ON FUNCTION personalize.categories_below_internal(integer) IS
	'Categories that a purpose and those below it list: what a choice about the purpose can decide';

CREATE OR REPLACE FUNCTION personalize.is_partial_internal(category_id integer)
RETURNS boolean
LANGUAGE sql STABLE PARALLEL RESTRICTED STRICT
SET search_path = pg_catalog, pg_temp
AS $$
	/* 0 in the list of an event stands for the row: all that the purpose listed at the time */
	WITH RECURSIVE up (id) AS (
		SELECT c.purpose_id FROM personalize.registry_purpose_category AS c WHERE c.category_id = is_partial_internal.category_id
		UNION
		SELECT x.parent_id FROM up JOIN personalize.registry_purpose_parent AS x ON x.purpose_id = up.id)
	SELECT EXISTS (SELECT FROM personalize.consent_event AS e JOIN up ON up.id = e.purpose_id
		WHERE e.categories IS NOT NULL
			AND NOT (0 = ANY (e.categories) AND is_partial_internal.category_id = ANY (e.categories)))
$$;
COMMENT ON FUNCTION personalize.is_partial_internal(integer) IS
	'Whether somebody made a choice that tells a category from the others of a purpose: reads the ledger';

CREATE OR REPLACE FUNCTION personalize.mark_partial_internal(category_ids integer[])
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NOT EXISTS (SELECT FROM personalize.registry_category AS c
		WHERE c.category_id = ANY (mark_partial_internal.category_ids) AND NOT c.partial) THEN
		RETURN;
	END IF;
	UPDATE personalize.registry_category AS c SET partial = true
		WHERE c.category_id = ANY (mark_partial_internal.category_ids) AND NOT c.partial;
	/* plans that show the columns whole must be made again */
	PERFORM personalize.invalidate_relation_internal(x.relid)
		FROM (SELECT DISTINCT r.relid FROM personalize.registry_column AS r
			WHERE r.category_id = ANY (mark_partial_internal.category_ids)) AS x;
END
$$;
COMMENT ON FUNCTION personalize.mark_partial_internal(integer[]) IS
	'Has cells of categories masked one by one from now on; plans made before are made again';

CREATE OR REPLACE FUNCTION personalize.define_category(name text, description text,
	special boolean DEFAULT false, iri text DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	PERFORM personalize.registry_begin_internal();
	PERFORM personalize.check_name_internal('category', define_category.name);
	IF define_category.description IS NULL OR define_category.special IS NULL THEN
		RAISE EXCEPTION 'description and special must not be null' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	IF EXISTS (SELECT 1 FROM personalize.registry_category AS c WHERE c.name = define_category.name AND c.builtin) THEN
		RAISE EXCEPTION 'category "%" is built in', define_category.name
			USING ERRCODE = 'insufficient_privilege', HINT = 'Built-in categories cannot be changed.';
	END IF;
	/* not by ON CONFLICT alone: that would use up a number each time */
	UPDATE personalize.registry_category AS c
		SET description = define_category.description, special = define_category.special, iri = define_category.iri
		WHERE c.name = define_category.name;
	IF NOT FOUND THEN
		INSERT INTO personalize.registry_category (name, description, special, iri)
			VALUES (define_category.name, define_category.description, define_category.special, define_category.iri);
	END IF;
	PERFORM personalize.mark_partial_internal(ARRAY(SELECT c.category_id FROM personalize.registry_category AS c
		WHERE c.name = define_category.name AND personalize.is_partial_internal(c.category_id)));
	PERFORM personalize.invalidate_internal(0::oid);
	PERFORM personalize.invalidate_relation_internal(x.relid)
		FROM (SELECT DISTINCT r.relid FROM personalize.registry_column AS r
			JOIN personalize.registry_category AS c ON c.category_id = r.category_id
			WHERE c.name = define_category.name) AS x;
END
$$;
COMMENT ON FUNCTION personalize.define_category(text, text, boolean, text) IS
	'Defines a category of personal data, or changes it; special ones (health, religion, ...) need explicit consent';

CREATE OR REPLACE FUNCTION personalize.define_purpose(name text, description text,
	legal_basis text DEFAULT 'consent', categories text[] DEFAULT '{}', value_exchange text DEFAULT NULL,
	recipients text[] DEFAULT '{}', retention interval DEFAULT NULL, parents text[] DEFAULT '{}',
	special_basis text DEFAULT NULL, iri text DEFAULT NULL, automated boolean DEFAULT false)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	p personalize.registry_purpose;
	category_ids integer[];
	parent_ids integer[];
	id integer;
BEGIN
	PERFORM personalize.registry_begin_internal();
	PERFORM personalize.check_name_internal('purpose', define_purpose.name);
	IF define_purpose.description IS NULL OR define_purpose.legal_basis IS NULL OR define_purpose.automated IS NULL
		OR define_purpose.categories IS NULL OR define_purpose.recipients IS NULL OR define_purpose.parents IS NULL
		OR array_position(define_purpose.recipients, NULL) IS NOT NULL THEN
		RAISE EXCEPTION 'description, legal basis, categories, recipients, parents and automated must not be null'
			USING ERRCODE = 'null_value_not_allowed', HINT = 'Leave an argument out or pass an empty array.';
	END IF;
	IF define_purpose.legal_basis NOT IN ('consent', 'explicit_consent', 'contract', 'legal_obligation',
			'vital_interest', 'public_interest', 'legitimate_interest') THEN
		RAISE EXCEPTION 'legal basis "%" is not known', personalize.shown_internal(define_purpose.legal_basis)
			USING ERRCODE = 'invalid_parameter_value',
				HINT = 'Use consent, explicit_consent, contract, legal_obligation, vital_interest, public_interest or legitimate_interest.';
	END IF;
	IF define_purpose.retention < interval '0' THEN
		RAISE EXCEPTION 'retention must not be negative' USING ERRCODE = 'invalid_parameter_value';
	END IF;
	PERFORM personalize.check_period_internal('retention', nullif(define_purpose.retention, interval '0'));
	SELECT r.* INTO p FROM personalize.registry_purpose AS r WHERE r.name = define_purpose.name;
	IF p.purpose_id IS NOT NULL THEN
		PERFORM personalize.purpose_id_internal(p.name, 'change');
		IF p.retired_at IS NOT NULL THEN
			RAISE EXCEPTION 'purpose "%" is retired', p.name
				USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Define a new purpose under another name.';
		END IF;
	END IF;
	category_ids := personalize.category_ids_internal(define_purpose.categories);
	IF cardinality(category_ids) > 64 THEN
		RAISE EXCEPTION 'a purpose lists at most 64 categories'
			USING ERRCODE = 'program_limit_exceeded', HINT = 'Make a purpose for each kind of use.';
	END IF;
	parent_ids := ARRAY(SELECT DISTINCT personalize.purpose_id_internal(u.name, 'parent')
		FROM unnest(define_purpose.parents) AS u (name));
	/* a cycle would go through the purpose itself: it is not among its parents' ancestors */
	IF EXISTS (
		WITH RECURSIVE up (id) AS (
			SELECT u.id FROM unnest(parent_ids) AS u (id)
			UNION
			SELECT x.parent_id FROM up JOIN personalize.registry_purpose_parent AS x ON x.purpose_id = up.id)
		SELECT 1 FROM up WHERE up.id = p.purpose_id) THEN
		RAISE EXCEPTION 'purpose "%" cannot be its own ancestor', define_purpose.name
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Name only broader purposes as parents.';
	END IF;
	/* PZ_MAX_PARENTS of src/consent.c: the longest way up from here and the longest way down to here */
	IF (WITH RECURSIVE up (id, steps) AS (
			SELECT u.id, 1 FROM unnest(parent_ids) AS u (id)
			UNION
			SELECT x.parent_id, up.steps + 1 FROM up JOIN personalize.registry_purpose_parent AS x ON x.purpose_id = up.id
				WHERE up.steps <= 32),
		down (id, steps) AS (
			SELECT p.purpose_id, 0
			UNION
			SELECT x.purpose_id, down.steps + 1 FROM down JOIN personalize.registry_purpose_parent AS x ON x.parent_id = down.id
				WHERE down.steps <= 32)
		SELECT coalesce((SELECT max(up.steps) FROM up), 0) > 0
			AND (SELECT max(up.steps) FROM up) + (SELECT max(down.steps) FROM down) > 32) THEN
		RAISE EXCEPTION 'a purpose has at most 32 levels of broader purposes'
			USING ERRCODE = 'program_limit_exceeded', HINT = 'Name a purpose as parent that is nearer to the top.';
	END IF;

	IF p.purpose_id IS NULL THEN
		INSERT INTO personalize.registry_purpose (name, description, legal_basis, value_exchange, recipients,
				retention, special_basis, iri, automated)
			VALUES (define_purpose.name, define_purpose.description, define_purpose.legal_basis,
				define_purpose.value_exchange, define_purpose.recipients, define_purpose.retention,
				define_purpose.special_basis, define_purpose.iri, define_purpose.automated)
			RETURNING purpose_id INTO id;
	ELSE
		id := p.purpose_id;
		/* nobody records a choice by the old list while the new one is judged: see record_event_internal() */
		LOCK TABLE personalize.consent_event IN SHARE ROW EXCLUSIVE MODE;
		UPDATE personalize.registry_purpose AS r
			SET description = define_purpose.description, legal_basis = define_purpose.legal_basis,
				value_exchange = define_purpose.value_exchange, recipients = define_purpose.recipients,
				retention = define_purpose.retention, special_basis = define_purpose.special_basis,
				iri = define_purpose.iri, automated = define_purpose.automated, changed_at = clock_timestamp()
			WHERE r.purpose_id = id;
		DELETE FROM personalize.registry_purpose_category AS r WHERE r.purpose_id = id;
		DELETE FROM personalize.registry_purpose_parent AS r WHERE r.purpose_id = id;
	END IF;
	INSERT INTO personalize.registry_purpose_category (purpose_id, category_id)
		SELECT id, u.c FROM unnest(category_ids) AS u (c);
	INSERT INTO personalize.registry_purpose_parent (purpose_id, parent_id)
		SELECT id, u.c FROM unnest(parent_ids) AS u (c);
	/* choices made before may now cover a part of the list only */
	PERFORM personalize.mark_partial_internal(ARRAY(
		SELECT u.c FROM unnest(personalize.categories_below_internal(id)) AS u (c)
		WHERE (p.purpose_id IS NOT NULL OR cardinality(parent_ids) > 0) AND personalize.is_partial_internal(u.c)));
	PERFORM personalize.invalidate_internal(0::oid);
END
$$;
COMMENT ON FUNCTION personalize.define_purpose(text, text, text, text[], text, text[], interval, text[], text, text, boolean) IS
	'Defines a purpose with its legal basis and the categories of data it needs, or changes it; widening it never widens a consent';

CREATE OR REPLACE FUNCTION personalize.retire_purpose(name text)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	id integer;
BEGIN
	PERFORM personalize.registry_begin_internal();
	id := personalize.purpose_id_internal(retire_purpose.name, 'change');
	UPDATE personalize.registry_purpose AS r SET retired_at = clock_timestamp(), changed_at = clock_timestamp()
		WHERE r.purpose_id = id AND r.retired_at IS NULL;
	PERFORM personalize.invalidate_internal(0::oid);
END
$$;
COMMENT ON FUNCTION personalize.retire_purpose(text) IS
	'Ends a purpose for good: nobody can use data for it or consent to it any more; its history stays';

CREATE OR REPLACE FUNCTION personalize.grant_purpose(purpose text, role regrole, may_copy boolean DEFAULT false)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	id integer;
	grantee name;
BEGIN
	PERFORM personalize.registry_begin_internal();
	id := personalize.purpose_id_internal(grant_purpose.purpose, 'grant');
	grantee := personalize.role_name_internal(grant_purpose.role);
	IF grant_purpose.may_copy IS NULL THEN
		RAISE EXCEPTION 'may_copy must not be null' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	INSERT INTO personalize.registry_grant (purpose_id, role_oid, role_name, may_copy)
		VALUES (id, grant_purpose.role, grantee, grant_purpose.may_copy)
		ON CONFLICT (purpose_id, role_name) DO UPDATE
			SET role_oid = EXCLUDED.role_oid, may_copy = EXCLUDED.may_copy;
	PERFORM personalize.invalidate_internal(0::oid);
END
$$;
COMMENT ON FUNCTION personalize.grant_purpose(text, regrole, boolean) IS
	'Lets a role use personal data for a purpose, with may_copy also copy it into relations that are not protected; again: changes may_copy';

CREATE OR REPLACE FUNCTION personalize.revoke_purpose(purpose text, role regrole)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	id integer;
	who name;
BEGIN
	PERFORM personalize.registry_begin_internal();
	id := personalize.purpose_id_internal(revoke_purpose.purpose, 'ask');
	/* not in the condition: without rows nobody would look at it */
	who := personalize.role_name_internal(revoke_purpose.role);
	DELETE FROM personalize.registry_grant AS g WHERE g.purpose_id = id AND g.role_name = who;
	PERFORM personalize.invalidate_internal(0::oid);
END
$$;
COMMENT ON FUNCTION personalize.revoke_purpose(text, regrole) IS
	'Takes a purpose from a role; nothing happens where the role does not have it';

CREATE OR REPLACE FUNCTION personalize.role_name_internal(role regrole)
RETURNS name
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	found_name name;
BEGIN
	IF role_name_internal.role IS NULL THEN
		RAISE EXCEPTION 'role must not be null' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	SELECT o.rolname INTO found_name FROM pg_authid AS o WHERE o.oid = role_name_internal.role;
	IF found_name IS NULL THEN
		RAISE EXCEPTION 'role does not exist' USING ERRCODE = 'undefined_object';
	END IF;
	RETURN found_name;
END
$$;
COMMENT ON FUNCTION personalize.role_name_internal(regrole) IS 'Name of a role; NULL or unknown is an error';
