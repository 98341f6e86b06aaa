/*
 * Partitions and inheritance children that come and go while their parent is
 * protected.  children_sync_internal() runs after every command that can make
 * or take one, and at the start of every change of the registry, so that what
 * happened while the library was away is made up for.
 */

CREATE OR REPLACE FUNCTION personalize.child_policies_internal(root oid, child oid)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	with_net boolean;
	path integer;
BEGIN
	SELECT NOT x.was INTO STRICT with_net
		FROM (SELECT r.relid AS id, r.rls_was_enabled AS was FROM personalize.registry_relation AS r
			UNION ALL SELECT h.child_relid, h.rls_was_enabled FROM personalize.registry_child AS h) AS x
		WHERE x.id = child_policies_internal.child;
	PERFORM personalize.policies_drop_internal(child_policies_internal.child);
	FOR path IN SELECT p.path_id FROM personalize.registry_path AS p
		WHERE p.relid = child_policies_internal.root ORDER BY p.path_id
	LOOP
		PERFORM personalize.policies_make_internal(path, child_policies_internal.child, with_net);
		with_net := false;
	END LOOP;
	EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY',
		personalize.relation_text_internal(child_policies_internal.child));
	PERFORM personalize.invalidate_internal(child_policies_internal.child);
END
$$;
COMMENT ON FUNCTION personalize.child_policies_internal(oid, oid) IS
	'Puts the policies of a protected relation on a relation that the registry names as it or its child, and enables and forces row security';

CREATE OR REPLACE FUNCTION personalize.child_adopt_internal(root oid, child oid)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	shown text := personalize.relation_text_internal(child_adopt_internal.child);
	parent text := personalize.relation_text_internal(child_adopt_internal.root);
	other oid;
BEGIN
	IF EXISTS (SELECT 1 FROM pg_class AS c JOIN personalize.registry_relation AS r ON r.relid = child_adopt_internal.root
		WHERE c.oid = child_adopt_internal.child AND c.relkind NOT IN ('r', 'p') AND r.mode = 'enforce') THEN
		RAISE EXCEPTION 'foreign table % cannot be a child of protected relation %', shown, parent
			USING ERRCODE = 'wrong_object_type', HINT = 'A foreign table cannot carry row security; protect the table on the server that holds it.';
	END IF;
	SELECT x.relid INTO other
		FROM (SELECT r.relid, r.relid AS id FROM personalize.registry_relation AS r
			UNION ALL SELECT h.relid, h.child_relid FROM personalize.registry_child AS h) AS x
		WHERE x.id = child_adopt_internal.child;
	IF other IS NOT NULL THEN
		RAISE EXCEPTION 'relation % cannot be a child of protected relation %: it is protected by way of %', shown, parent,
			personalize.relation_text_internal(other)
			USING ERRCODE = 'duplicate_object', HINT = 'One relation of an inheritance tree can be protected; unprotect one of them first.';
	END IF;
	/* PostgreSQL 15 lets a child compute what its parent does not */
	IF EXISTS (SELECT 1 FROM personalize.registry_path AS p CROSS JOIN unnest(p.columns) AS u (attnum)
			JOIN pg_attribute AS a ON a.attrelid = p.relid AND a.attnum = u.attnum
			JOIN pg_attribute AS x ON x.attrelid = child_adopt_internal.child AND x.attname = a.attname
		WHERE p.relid = child_adopt_internal.root AND x.attgenerated <> '') THEN
		RAISE EXCEPTION 'relation % cannot be a child of protected relation %: its subject column is generated', shown, parent
			USING ERRCODE = 'feature_not_supported', HINT = 'Let the column be a plain one in the child, too.';
	END IF;
	/* an inheritance child does not have the foreign keys of its parent */
	IF EXISTS (SELECT FROM personalize.registry_path AS p WHERE p.relid = child_adopt_internal.root AND p.via_path_id IS NOT NULL)
		AND NOT (SELECT c.relispartition FROM pg_class AS c WHERE c.oid = child_adopt_internal.child) THEN
		RAISE EXCEPTION 'relation % cannot be a child of protected relation %, which leads to subjects by a foreign key', shown, parent
			USING ERRCODE = 'feature_not_supported', HINT = 'Foreign keys are not inherited: use partitions, or a subject column in the parent itself.';
	END IF;
	/* registered first: the commands below come here again */
	INSERT INTO personalize.registry_child (relid, child_relid, schema_name, relation_name, rls_was_enabled, rls_was_forced)
		SELECT child_adopt_internal.root, x.oid, n.nspname, x.relname, x.relrowsecurity, x.relforcerowsecurity
		FROM pg_class AS x JOIN pg_namespace AS n ON n.oid = x.relnamespace
		WHERE x.oid = child_adopt_internal.child;
	/* an observed relation and its children stay as they are */
	IF (SELECT r.mode FROM personalize.registry_relation AS r WHERE r.relid = child_adopt_internal.root) = 'observe' THEN
		RETURN;
	END IF;
	PERFORM personalize.child_policies_internal(child_adopt_internal.root, child_adopt_internal.child);
	IF (SELECT r.hard FROM personalize.registry_relation AS r WHERE r.relid = child_adopt_internal.root) THEN
		PERFORM personalize.hard_set_internal(child_adopt_internal.child, true);
	END IF;
END
$$;
COMMENT ON FUNCTION personalize.child_adopt_internal(oid, oid) IS
	'Gives a new child of a protected relation its policies, forced row security and, where the relation has it, hard protection';

CREATE OR REPLACE FUNCTION personalize.child_promote_internal(root oid, child oid)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	below oid[] := ARRAY(SELECT personalize.descendants_internal(child_promote_internal.child));
	item oid;
BEGIN
	IF (SELECT r.mode FROM personalize.registry_relation AS r WHERE r.relid = child_promote_internal.root) = 'observe' THEN
		DELETE FROM personalize.registry_child AS h
			WHERE h.relid = child_promote_internal.root AND h.child_relid = ANY (child_promote_internal.child || below);
		RETURN;
	END IF;
	INSERT INTO personalize.registry_relation (relid, schema_name, relation_name, null_subject, mode, hard,
			rls_was_enabled, rls_was_forced, protected_by)
		SELECT h.child_relid, h.schema_name, h.relation_name, r.null_subject, r.mode, r.hard,
			h.rls_was_enabled, h.rls_was_forced, r.protected_by
		FROM personalize.registry_child AS h JOIN personalize.registry_relation AS r ON r.relid = h.relid
		WHERE h.relid = child_promote_internal.root AND h.child_relid = child_promote_internal.child;
	/* a column that is not there becomes number 0: registered and closed */
	INSERT INTO personalize.registry_path (relid, kind_id, columns, column_names, ownership, via_path_id, via_columns, via_column_names)
		SELECT child_promote_internal.child, p.kind_id,
			ARRAY(SELECT coalesce(a.attnum, 0::smallint)
				FROM unnest(p.column_names) WITH ORDINALITY AS u (column_name, ord)
					LEFT JOIN pg_attribute AS a ON a.attrelid = child_promote_internal.child AND a.attname = u.column_name
						AND a.attnum > 0 AND NOT a.attisdropped
				ORDER BY u.ord),
			p.column_names, p.ownership, p.via_path_id, p.via_columns, p.via_column_names
		FROM personalize.registry_path AS p
		WHERE p.relid = child_promote_internal.root ORDER BY p.path_id;
	INSERT INTO personalize.registry_column (relid, attnum, column_name, category_id, mask)
		SELECT a.attrelid, a.attnum, a.attname, k.category_id, k.mask
		FROM personalize.registry_column AS k
			JOIN pg_attribute AS a ON a.attrelid = child_promote_internal.child AND a.attname = k.column_name
				AND a.attnum > 0 AND NOT a.attisdropped
		WHERE k.relid = child_promote_internal.root;
	DELETE FROM personalize.registry_child AS h WHERE h.child_relid = child_promote_internal.child;
	UPDATE personalize.registry_child AS h SET relid = child_promote_internal.child
		WHERE h.relid = child_promote_internal.root AND h.child_relid = ANY (below);
	FOREACH item IN ARRAY child_promote_internal.child || below LOOP
		PERFORM personalize.child_policies_internal(child_promote_internal.child, item);
	END LOOP;
END
$$;
COMMENT ON FUNCTION personalize.child_promote_internal(oid, oid) IS
	'Makes a child that left its protected parent a protected relation of its own: same subjects, categories and masks';

CREATE OR REPLACE FUNCTION personalize.children_sync_internal()
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	item record;
BEGIN
	/* those that left; what hangs below one of them goes along */
	FOR item IN
		SELECT h.relid, h.child_relid FROM personalize.registry_child AS h
			JOIN pg_class AS c ON c.oid = h.child_relid
			JOIN pg_class AS p ON p.oid = h.relid
			JOIN personalize.registry_relation AS r ON r.relid = h.relid
		WHERE h.relid NOT IN (SELECT personalize.ancestors_internal(h.child_relid))
			AND NOT EXISTS (SELECT 1 FROM personalize.registry_child AS x
				WHERE x.relid = h.relid AND x.child_relid IN (SELECT personalize.ancestors_internal(h.child_relid)))
		ORDER BY h.child_relid
	LOOP
		/* a command of the one before may have brought us here again */
		IF EXISTS (SELECT 1 FROM personalize.registry_child AS h WHERE h.relid = item.relid AND h.child_relid = item.child_relid) THEN
			PERFORM personalize.child_promote_internal(item.relid, item.child_relid);
		END IF;
	END LOOP;
	/* those that came */
	FOR item IN
		SELECT r.relid, d.id AS child_relid
		FROM personalize.registry_relation AS r
			CROSS JOIN LATERAL personalize.descendants_internal(r.relid) AS d (id)
		WHERE EXISTS (SELECT 1 FROM pg_inherits AS i WHERE i.inhparent = r.relid)
			AND NOT EXISTS (SELECT 1 FROM personalize.registry_child AS h WHERE h.relid = r.relid AND h.child_relid = d.id)
		ORDER BY d.id
	LOOP
		IF NOT EXISTS (SELECT 1 FROM personalize.registry_child AS h WHERE h.relid = item.relid AND h.child_relid = item.child_relid) THEN
			PERFORM personalize.child_adopt_internal(item.relid, item.child_relid);
		END IF;
	END LOOP;
END
$$;
COMMENT ON FUNCTION personalize.children_sync_internal() IS
	'Protects children that were added to protected relations, and makes those that were taken away protected relations of their own';
