/*
 * Views over the registry and the ledger, status(), and the triggers by which
 * every change of the registry reaches the library.
 */

CREATE OR REPLACE VIEW personalize.categories AS
	SELECT c.name, c.description, c.special, c.iri, c.builtin
	FROM personalize.registry_category AS c;
COMMENT ON VIEW personalize.categories IS 'Categories of personal data';

CREATE OR REPLACE VIEW personalize.purposes AS
	SELECT p.name, p.description, p.legal_basis,
		ARRAY(SELECT c.name FROM personalize.registry_purpose_category AS x
			JOIN personalize.registry_category AS c ON c.category_id = x.category_id
			WHERE x.purpose_id = p.purpose_id ORDER BY c.name COLLATE "C") AS categories,
		ARRAY(SELECT q.name FROM personalize.registry_purpose_parent AS x
			JOIN personalize.registry_purpose AS q ON q.purpose_id = x.parent_id
			WHERE x.purpose_id = p.purpose_id ORDER BY q.name COLLATE "C") AS parents,
		p.value_exchange, p.recipients, p.retention, p.special_basis, p.iri, p.automated, p.builtin, p.retired_at,
		ARRAY(SELECT g.role_name::text FROM personalize.registry_grant AS g
			WHERE g.purpose_id = p.purpose_id ORDER BY g.role_name::text COLLATE "C") AS granted_to,
		ARRAY(SELECT g.role_name::text FROM personalize.registry_grant AS g
			WHERE g.purpose_id = p.purpose_id AND g.may_copy ORDER BY g.role_name::text COLLATE "C") AS may_copy,
		p.defined_at, p.changed_at
	FROM personalize.registry_purpose AS p;
COMMENT ON VIEW personalize.purposes IS
	'Purposes with their legal basis, the categories they need and the roles that hold them';

CREATE OR REPLACE VIEW personalize.protected_relations AS
	SELECT c.oid::pg_catalog.regclass AS relation,
		pg_catalog.format('%I.%I', r.schema_name, r.relation_name) AS relation_name,
		p.column_names::text[] AS subject, k.name AS kind, p.ownership,
		r.null_subject, r.mode, r.hard, r.protected_at, r.protected_by,
		ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute AS a
			WHERE a.attrelid = r.relid AND a.attnum > 0 AND NOT a.attisdropped
				AND NOT EXISTS (SELECT 1 FROM personalize.registry_column AS x
					WHERE x.relid = r.relid AND x.attnum = a.attnum)
				AND NOT EXISTS (SELECT 1 FROM personalize.registry_path AS s WHERE s.relid = r.relid AND a.attnum = ANY (s.columns))
			ORDER BY a.attnum) AS unclassified,
		(SELECT pg_catalog.format('%I.%I', w.schema_name, w.relation_name)
			FROM personalize.registry_path AS v JOIN personalize.registry_relation AS w ON w.relid = v.relid
			WHERE v.path_id = p.via_path_id) AS via
	FROM personalize.registry_relation AS r
		LEFT JOIN personalize.registry_path AS p ON p.relid = r.relid
		LEFT JOIN personalize.registry_kind AS k ON k.kind_id = p.kind_id
		LEFT JOIN pg_catalog.pg_class AS c ON c.oid = r.relid;
COMMENT ON VIEW personalize.protected_relations IS
	'Protected relations, one row for each path to a subject; unclassified columns are refused to every purpose';

CREATE OR REPLACE VIEW personalize.protected_columns AS
	SELECT c.oid::pg_catalog.regclass AS relation, x.column_name::text AS "column",
		g.name AS category, g.special, x.mask
	FROM personalize.registry_column AS x
		JOIN personalize.registry_category AS g ON g.category_id = x.category_id
		LEFT JOIN pg_catalog.pg_class AS c ON c.oid = x.relid;
COMMENT ON VIEW personalize.protected_columns IS
	'Columns of protected relations with the category of personal data they hold and the mask shown for cells kept back';

CREATE OR REPLACE VIEW personalize.consent AS
	SELECT k.name AS kind, s.key AS subject, p.name AS purpose, d.state, d.permitted,
		ARRAY(SELECT c.name FROM personalize.registry_category AS c
			WHERE c.category_id = ANY (d.categories) ORDER BY c.name COLLATE "C") AS categories,
		d.explicit, d.expires_at, d.event_id, e.recorded_at, e.notice, e.method
	FROM (SELECT DISTINCT v.subject_no, v.purpose_id FROM personalize.consent_event AS v WHERE v.purpose_id <> 0) AS x
		JOIN personalize.subject AS s ON s.subject_no = x.subject_no AND s.key IS NOT NULL
		JOIN personalize.registry_kind AS k ON k.kind_id = s.kind_id
		JOIN personalize.registry_purpose AS p ON p.purpose_id = x.purpose_id
		CROSS JOIN LATERAL personalize.decision_internal(s.kind_id, s.key, x.purpose_id, NULL) AS d
		LEFT JOIN personalize.consent_event AS e ON e.event_id = d.event_id
	WHERE d.state <> 'erased';
COMMENT ON VIEW personalize.consent IS
	'What each subject now says to each purpose it ever said anything about; erased subjects do not appear';

CREATE OR REPLACE FUNCTION personalize.status()
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET quote_all_identifiers = off	/* policies are compared as they are printed */
AS $$
DECLARE
	preloaded boolean;
	r record;
	n bigint;
	m bigint;
	shown text;
BEGIN
	/* nothing here may call the library: this must answer when it is not there */
	SELECT coalesce(bool_or(regexp_replace(btrim(u.name, E' "\t'), '^.*/', '') IN ('personalize', 'personalize.so')), false) INTO preloaded
		FROM regexp_split_to_table(current_setting('shared_preload_libraries'), ',') AS u (name);
	RETURN QUERY SELECT 'library'::text, preloaded,
		CASE WHEN preloaded THEN 'personalize is preloaded' ELSE 'personalize is not in shared_preload_libraries: protected relations are closed' END,
		CASE WHEN NOT preloaded THEN 'Add personalize to shared_preload_libraries and restart the server.' END;

	/* the two halves must be of one version; a library that is not there at all has none */
	BEGIN
		shown := personalize.library_version_internal();
	EXCEPTION WHEN OTHERS THEN
		shown := NULL;
	END;
	RETURN QUERY SELECT 'version'::text, e.extversion IS NOT DISTINCT FROM shown,
		CASE WHEN shown IS NULL THEN format('the extension has version %s, the library cannot be loaded', e.extversion)
			ELSE format('the extension has version %s, the library %s', e.extversion, shown) END,
		CASE WHEN shown IS NULL THEN 'Install the library; protected relations are closed.'
			WHEN e.extversion <> shown THEN 'Run ALTER EXTENSION personalize UPDATE, or install the other library and restart; until then protected relations are closed.' END
		FROM pg_extension AS e WHERE e.extname = 'personalize';

	RETURN QUERY SELECT 'wal_level'::text, current_setting('wal_level') <> 'minimal',
		'wal_level is ' || current_setting('wal_level'),
		CASE WHEN current_setting('wal_level') = 'minimal' THEN 'Set wal_level to replica or logical and restart the server.' END;

	/* what the log of the server does not take goes to clients past every module */
	RETURN QUERY SELECT 'auto_explain'::text, false, format('auto_explain sends plans at level %s', x.level),
			'Set auto_explain.log_level to log: clients would be sent the numbers of plans of protected relations.'::text
		FROM (SELECT l.level, l.level = 'log' OR array_position(l.levels, l.level) >= array_position(l.levels, current_setting('log_min_messages')) AS told
			FROM (SELECT current_setting('auto_explain.log_level', true) AS level,
				'{debug5,debug4,debug3,debug2,debug1,debug,info,notice,warning}'::text[] AS levels) AS l WHERE l.level IS NOT NULL) AS x
		WHERE x.told IS DISTINCT FROM true;

	RETURN QUERY SELECT 'registry'::text, coalesce(a.here, true),
		CASE WHEN a.here IS NULL THEN 'the registry was not used yet'
			WHEN a.here THEN 'the registry belongs to this database'
			ELSE 'the registry was made in another database or cluster' END,
		CASE WHEN NOT a.here THEN 'Any change of the registry, for example define_category(), adopts it by names. If people were erased since the dump was made: reapply_erasures() with what export_tombstones() returned where that was.' END
		FROM (SELECT personalize.registry_anchored_internal() AS here) AS a;

	FOR r IN SELECT x.*, format('%I.%I', x.schema_name, x.relation_name) AS shown
		FROM personalize.registry_relation AS x ORDER BY x.schema_name::text COLLATE "C", x.relation_name::text COLLATE "C"
	LOOP
		IF personalize.registry_anchored_internal() IS DISTINCT FROM true THEN
			RETURN QUERY SELECT 'relation'::text, to_regclass(r.shown) IS NOT NULL,
				format('%s is known by its name only', r.shown),
				'Any change of the registry, for example define_category(), adopts it.'::text;
			CONTINUE;
		END IF;
		IF personalize.relation_text_internal(r.relid) IS NULL THEN
			RETURN QUERY SELECT 'relation'::text, false, format('%s is registered but was not found', r.shown),
				'Restore the relation under its name, or change the registry once to remove the entry.'::text;
			CONTINUE;
		END IF;

		IF r.mode = 'observe' THEN
			RETURN QUERY SELECT 'observe'::text, false,
				format('%s is only observed since %s: nothing is refused, nothing withheld', r.shown, to_char(r.protected_at, 'YYYY-MM-DD')),
				'See the view personalize.observed; then unprotect() and protect() it with mode enforce.'::text;
			CONTINUE;
		END IF;

		/* row security and our policies, on the relation and on every child */
		RETURN QUERY
			SELECT 'row security'::text, false,
				format('row security of %s is not enabled and forced', personalize.relation_text_internal(c.oid)),
				format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;', personalize.relation_text_internal(c.oid))
				FROM pg_class AS c
				WHERE (c.oid = r.relid OR c.oid IN (SELECT personalize.descendants_internal(r.relid)))
					AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
				ORDER BY 3;
		/* to print an expression PostgreSQL opens its relation, and one with hard protection is closed then */
		RETURN QUERY
			SELECT 'policy'::text, false,
				format('policy personalize_%s of %s is missing or changed', p.path_id, personalize.relation_text_internal(c.oid)),
				CASE WHEN c.oid = r.relid OR EXISTS (SELECT 1 FROM personalize.registry_child AS h WHERE h.child_relid = c.oid)
					THEN 'Call unprotect() and protect() again.'
					ELSE 'The partition was added later: call unprotect() and protect() on its parent, or create the policy on it.' END
				FROM personalize.registry_path AS p
					CROSS JOIN LATERAL (SELECT r.relid AS id UNION ALL SELECT personalize.descendants_internal(r.relid)) AS t
					JOIN pg_class AS c ON c.oid = t.id AND (preloaded OR NOT r.hard)
				WHERE p.relid = r.relid
					AND NOT EXISTS (SELECT 1 FROM pg_policy AS o
						WHERE o.polrelid = c.oid AND o.polname = 'personalize_' || p.path_id
							AND NOT o.polpermissive AND o.polcmd = '*' AND o.polroles = '{0}'
							AND pg_get_expr(o.polwithcheck, o.polrelid) = 'true'
							AND replace(replace(pg_get_expr(o.polqual, o.polrelid), ' ', ''), 'pg_catalog.', '')
								IN (SELECT personalize.policy_shape_internal(p.path_id, c.oid)))
				ORDER BY 3;
		RETURN QUERY
			SELECT 'policy'::text, false, format('policy personalize_net of %s is missing', personalize.relation_text_internal(x.id)),
				'Call unprotect() and protect() again, or give the relation a permissive policy of your own.'::text
				FROM (SELECT r.relid AS id WHERE NOT r.rls_was_enabled AND EXISTS (SELECT FROM personalize.registry_path AS p WHERE p.relid = r.relid)
					UNION ALL SELECT h.child_relid FROM personalize.registry_child AS h WHERE h.relid = r.relid AND NOT h.rls_was_enabled
						AND EXISTS (SELECT FROM personalize.registry_path AS p WHERE p.relid = r.relid)) AS x
				WHERE NOT EXISTS (SELECT FROM pg_policy AS o WHERE o.polrelid = x.id AND o.polpermissive)
				ORDER BY 3;
		RETURN QUERY
			SELECT 'trigger'::text, true, format('triggers of %s are shown whole rows, cells that are masked among them: %s', r.shown, x.names),
				'Look at what their functions do with them.'::text
				FROM (SELECT string_agg(format('%I on %s', g.tgname, personalize.relation_text_internal(g.tgrelid)), ', ' ORDER BY g.tgname::text COLLATE "C") AS names
					FROM pg_trigger AS g WHERE NOT g.tgisinternal
						AND (g.tgrelid = r.relid OR g.tgrelid IN (SELECT personalize.descendants_internal(r.relid)))) AS x
				WHERE x.names IS NOT NULL;
		RETURN QUERY
			SELECT 'subject'::text, false, format('subject column %I of %s does not exist', u.name, r.shown),
				'The relation is closed; call unprotect() and protect() again.'::text
				FROM personalize.registry_path AS p CROSS JOIN LATERAL unnest(p.columns, p.column_names) AS u (attnum, name)
				WHERE p.relid = r.relid AND NOT EXISTS (SELECT 1 FROM pg_attribute AS a
					WHERE a.attrelid = r.relid AND a.attnum = u.attnum AND a.attnum > 0 AND NOT a.attisdropped)
				ORDER BY 3;
		RETURN QUERY
			SELECT 'subject'::text, false, format('%s leads to subjects by %s, and no valid foreign key of it refers to where they go on', r.shown,
					(SELECT string_agg(quote_ident(u.name), ', ' ORDER BY u.place) FROM unnest(p.column_names) WITH ORDINALITY AS u (name, place))),
				'The relation is closed; add the foreign key again, or call unprotect() and protect() again.'::text
				FROM personalize.registry_path AS p
				WHERE p.relid = r.relid AND p.via_path_id IS NOT NULL
					AND NOT EXISTS (SELECT FROM personalize.registry_path AS v JOIN pg_constraint AS f ON f.confrelid = v.relid
						WHERE v.path_id = p.via_path_id AND f.contype = 'f' AND f.conrelid = r.relid AND f.conkey = p.columns AND f.confkey = p.via_columns AND f.convalidated)
				ORDER BY 3;
		RETURN QUERY
			SELECT 'subject'::text, false, format('%s leads to no subject', r.shown),
				'The relation is closed; call add_subject_path().'::text
				WHERE NOT EXISTS (SELECT FROM personalize.registry_path AS p WHERE p.relid = r.relid);
		SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) INTO shown FROM pg_attribute AS a
			WHERE a.attrelid = r.relid AND a.attnum > 0 AND NOT a.attisdropped
				AND NOT EXISTS (SELECT 1 FROM personalize.registry_column AS x WHERE x.relid = r.relid AND x.attnum = a.attnum)
				/* these may be used by whoever may use the row */
				AND NOT EXISTS (SELECT 1 FROM personalize.registry_path AS p WHERE p.relid = r.relid AND a.attnum = ANY (p.columns));
		IF shown IS NOT NULL THEN
			RETURN QUERY SELECT 'columns'::text, false,
				format('columns of %s that are refused to every purpose, having no category: %s', r.shown, shown),
				'Use classify() on each.'::text;
		END IF;
		SELECT string_agg(quote_ident(b.pubname), ', ' ORDER BY b.pubname) INTO shown FROM pg_publication AS b
			WHERE b.puballtables
				OR EXISTS (SELECT 1 FROM pg_publication_rel AS x WHERE x.prpubid = b.oid
					AND (x.prrelid = r.relid OR x.prrelid IN (SELECT personalize.descendants_internal(r.relid))))
				OR EXISTS (SELECT 1 FROM pg_publication_namespace AS x JOIN pg_class AS c ON c.relnamespace = x.pnnspid
					WHERE x.pnpubid = b.oid AND c.oid = r.relid);
		IF shown IS NOT NULL THEN
			RETURN QUERY SELECT 'publication'::text, false,
				format('publications send rows of %s elsewhere, unfiltered: %s', r.shown, shown),
				'Take the relation out of the publication, or protect it at the subscriber too.'::text;
		END IF;
	END LOOP;

	RETURN QUERY SELECT 'registry'::text, false,
			format('%s carries policies of the extension, but is not in the registry: it is closed', personalize.relation_text_internal(x.relid)),
			'It was restored without the tables of the extension. Restore their data, or call protect().'::text
		FROM (SELECT DISTINCT o.polrelid AS relid
			FROM pg_proc AS f JOIN pg_depend AS d ON d.refclassid = 'pg_proc'::regclass AND d.refobjid = f.oid AND d.classid = 'pg_policy'::regclass
				JOIN pg_policy AS o ON o.oid = d.objid
			WHERE f.pronamespace = 'personalize'::regnamespace AND f.proname = 'policy_ok') AS x
		WHERE personalize.registry_anchored_internal() IS DISTINCT FROM false
			AND NOT EXISTS (SELECT FROM personalize.registry_relation AS y
				WHERE x.relid = y.relid OR x.relid IN (SELECT personalize.descendants_internal(y.relid)))
		ORDER BY 3;

	/* what protection costs: indexes that serve no condition any more */
	IF preloaded THEN
		RETURN QUERY
			SELECT 'index'::text, true,
				format('index %s of %s serves no condition: %s', quote_ident(c.relname), format('%I.%I', x.schema_name, x.relation_name),
					coalesce(l.reason, format('column %s has a mask that is not NULL', quote_ident(k.column_name)))),
				'Conditions on it are evaluated after the row check; sorting by it still works.'::text
				FROM personalize.registry_relation AS x
					JOIN pg_index AS i ON i.indrelid = x.relid AND i.indisvalid
					JOIN pg_class AS c ON c.oid = i.indexrelid
					CROSS JOIN LATERAL (SELECT personalize.index_lost_internal(i.indexrelid) AS reason) AS l
					LEFT JOIN personalize.registry_column AS k ON k.relid = x.relid AND k.attnum = i.indkey[0] AND k.mask IS NOT NULL
						AND EXISTS (SELECT FROM personalize.registry_category AS g WHERE g.category_id = k.category_id AND (g.special OR g.partial))
				WHERE personalize.registry_anchored_internal() AND x.mode = 'enforce'
					AND (l.reason IS NOT NULL OR k.relid IS NOT NULL)
				ORDER BY 3;
	END IF;
	RETURN QUERY SELECT a.check_name, a.ok, a.detail, a.hint FROM personalize.hard_status_internal() AS a;
	RETURN QUERY SELECT a.check_name, a.ok, a.detail, a.hint FROM personalize.exclusion_status_internal() AS a;
	IF preloaded THEN
		RETURN QUERY SELECT a.check_name, a.ok, a.detail, a.hint FROM personalize.restore_status_internal() AS a;
	END IF;
	RETURN QUERY SELECT a.check_name, a.ok, a.detail, a.hint FROM personalize.maintenance_status_internal() AS a;

	RETURN QUERY SELECT a.check_name, a.ok, a.detail, a.hint FROM personalize.copies_status_internal() AS a;

	SELECT count(*) FILTER (WHERE q.due_at < clock_timestamp()), count(*) INTO n, m FROM personalize.request AS q WHERE q.status IN ('open', 'in_progress');
	RETURN QUERY SELECT 'requests'::text, n = 0, format('%s requests of persons are open, %s of them overdue', m, n),
		CASE WHEN n > 0 THEN 'See the view personalize.requests.' END WHERE m > 0;

	SELECT count(*) FILTER (WHERE q.status = 'failed'), count(*) INTO n, m FROM personalize.erasure_request AS q WHERE q.status IN ('waiting', 'running', 'failed');
	RETURN QUERY SELECT 'erasures'::text, n = 0, format('%s requested erasures are not done, %s of them failed', m, n),
		CASE WHEN n > 0 THEN 'See the view personalize.erasure_requests, then call retry_erasure().' END WHERE m > 0;

	RETURN QUERY SELECT 'retention'::text, false, format('old rows of %s could not be deleted: %s', x.relid, x.message),
			'It is tried again every hour; see the view personalize.retention and the server log.'::text
		FROM personalize.registry_retention AS y JOIN personalize.retention_sweep AS x ON x.relid = y.relid WHERE x.message IS NOT NULL;
	RETURN QUERY SELECT 'retention'::text, false, format('what was retained in %s could not be deleted: %s', personalize.relation_text_internal(p.relid), x.message),
			'It is tried again every hour; see the server log.'::text
		FROM (SELECT y.path_id, min(y.message) AS message FROM personalize.retained AS y WHERE y.message IS NOT NULL GROUP BY y.path_id) AS x
			JOIN personalize.registry_path AS p ON p.path_id = x.path_id;
	RETURN QUERY SELECT 'retention'::text, false, format('the column %I by which rows of %s are kept does not exist', x.column_name, x.relid),
			'Call set_retention() again.'::text
		FROM personalize.registry_retention AS x
		WHERE NOT EXISTS (SELECT FROM pg_attribute AS a WHERE a.attrelid = x.relid AND a.attname = x.column_name AND NOT a.attisdropped);

	RETURN QUERY SELECT 'notices'::text, true,
			format('consents under older versions of notice "%s" end on %s', v.name, to_char(v.ends_at, 'YYYY-MM-DD')),
			'Ask those whom consent_renewals() lists until then.'::text
		FROM personalize.notice_version AS v
		WHERE v.ends_at > clock_timestamp() AND NOT EXISTS (SELECT FROM personalize.notice_version AS w
			WHERE w.name = v.name AND w.notice_id > v.notice_id AND w.reconsent = 'require')
		ORDER BY v.ends_at, v.notice_id;

	SELECT count(*) INTO n FROM personalize.registry_relation;
	RETURN QUERY SELECT 'protected relations'::text, true, format('%s', n),
		CASE WHEN n = 0 THEN 'Nothing is protected yet: see protect().' END;
	SELECT count(*) FILTER (WHERE o.rolsuper), count(*) FILTER (WHERE o.rolbypassrls AND NOT o.rolsuper) INTO n, m FROM pg_authid AS o;
	RETURN QUERY SELECT 'roles'::text, true,
		format('%s superusers hold every purpose, %s other roles have BYPASSRLS', n, m),
		CASE WHEN m > 0 THEN 'Both are filtered and recorded while the library is preloaded, and by nothing else when it is not.' END;

	/* settings that promise less: somebody has decided that, and whoever looks should know it */
	RETURN QUERY SELECT 'settings'::text, true, format('%s is %s for %s', x.name, x.value, string_agg(x.whom, ', ' ORDER BY x.whom COLLATE "C")),
			CASE x.value WHEN 'async' THEN 'Uses of the last moments before a crash may not be on record.'
				ELSE 'Behind a connection pool a purpose reaches the next borrower, unless the pool tracks it.' END
		FROM (SELECT split_part(u.line, '=', 1) AS name, substr(u.line, strpos(u.line, '=') + 1) AS value,
				concat_ws(' in ', CASE WHEN c.setrole <> 0 THEN 'role ' || quote_ident(pg_get_userbyid(c.setrole)) END,
					CASE WHEN c.setdatabase <> 0 THEN 'this database' END) AS whom
				FROM pg_db_role_setting AS c CROSS JOIN LATERAL unnest(c.setconfig) AS u (line)
				WHERE c.setdatabase IN (0, (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database()))
			UNION ALL SELECT s.name, s.setting, 'this session' FROM pg_settings AS s WHERE s.source IN ('session', 'client', 'override')
			UNION ALL SELECT s.name, s.setting, 'all' FROM pg_settings AS s WHERE s.source NOT IN ('session', 'client', 'override', 'user', 'database', 'database user')) AS x
		WHERE (x.name, x.value) IN (('personalize.audit', 'async'), ('personalize.purpose_scope', 'session'))
		GROUP BY x.name, x.value ORDER BY x.name;

	BEGIN
		RETURN QUERY SELECT a.check_name, a.ok, a.detail, a.hint FROM personalize.audit_status_internal() AS a;
	EXCEPTION WHEN undefined_file OR undefined_function THEN
		RETURN QUERY SELECT 'audit worker'::text, false, 'cannot be asked without the library'::text, 'Install the library.'::text;
	END;
END
$$;
COMMENT ON FUNCTION personalize.status() IS
	'A DBA''s first look: is the library there, is every protected relation really guarded; monitoring reads bool_and(ok)';

CREATE OR REPLACE FUNCTION personalize.policy_shape_internal(path_id integer, relid oid)
RETURNS SETOF text
LANGUAGE sql STABLE PARALLEL SAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
	/* as pg_get_expr() prints it, without blanks: with the cast, or without where the type needs none */
	SELECT format(f.shape, policy_shape_internal.path_id, replace(quote_ident(a.attname), ' ', ''))
	FROM personalize.registry_path AS p
		CROSS JOIN LATERAL unnest(p.column_names) AS u (name)
		JOIN pg_attribute AS a ON a.attrelid = policy_shape_internal.relid AND a.attname = u.name
		CROSS JOIN (VALUES ('personalize.policy_ok(%s,%s)'), ('personalize.policy_ok(%s,(%s)::bigint)'),
			('personalize.policy_ok(%s,(%s)::uuid)'), ('personalize.policy_ok(%s,(%s)::text)')) AS f (shape)
	WHERE p.path_id = policy_shape_internal.path_id AND p.via_path_id IS NULL AND cardinality(p.columns) = 1
	UNION ALL
	SELECT format('personalize.policy_ok(%s,concat(%s))', p.path_id,
		(SELECT string_agg(replace(quote_ident(u.name), ' ', ''), ',' ORDER BY u.place)
			FROM unnest(p.column_names) WITH ORDINALITY AS u (name, place)))
	FROM personalize.registry_path AS p
	WHERE p.path_id = policy_shape_internal.path_id AND (p.via_path_id IS NOT NULL OR cardinality(p.columns) > 1)
$$;
COMMENT ON FUNCTION personalize.policy_shape_internal(integer, oid) IS
	'What the expression of the policy of a path may look like on a relation';

/* every change of the registry, by whatever statement, reaches the library */
DO $do$
DECLARE
	t record;
BEGIN
	FOR t IN SELECT c.relname FROM pg_catalog.pg_class AS c
		WHERE c.relnamespace = 'personalize'::pg_catalog.regnamespace AND c.relkind = 'r' AND pg_catalog.starts_with(c.relname::pg_catalog.text, 'registry_')
		ORDER BY c.relname
	LOOP
		EXECUTE pg_catalog.format('CREATE OR REPLACE TRIGGER registry_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON personalize.%I'
			' FOR EACH STATEMENT EXECUTE FUNCTION personalize.registry_changed()', t.relname);
		EXECUTE pg_catalog.format('ALTER TABLE personalize.%I ENABLE ALWAYS TRIGGER registry_changed', t.relname);
		EXECUTE pg_catalog.format('COMMENT ON TRIGGER registry_changed ON personalize.%I IS %L', t.relname,
			'Tells every session that the registry changed');
	END LOOP;
END
$do$;

/* every change of the ledger, by whatever statement, marks the persons in the consent set */
DO $do$
DECLARE
	t record;
BEGIN
	FOR t IN SELECT x.name, x.argument FROM (VALUES ('subject', '''subject'''), ('consent_event', ''), ('suppression', '')) AS x (name, argument)
	LOOP
		EXECUTE pg_catalog.format('CREATE OR REPLACE TRIGGER consent_changed AFTER INSERT OR UPDATE OR DELETE ON personalize.%I'
			' FOR EACH ROW EXECUTE FUNCTION personalize.consent_changed_internal(%s)', t.name, t.argument);
		EXECUTE pg_catalog.format('CREATE OR REPLACE TRIGGER consent_truncated AFTER TRUNCATE ON personalize.%I'
			' FOR EACH STATEMENT EXECUTE FUNCTION personalize.consent_changed_internal(%s)', t.name, t.argument);
		EXECUTE pg_catalog.format('ALTER TABLE personalize.%I ENABLE ALWAYS TRIGGER consent_changed', t.name);
		EXECUTE pg_catalog.format('ALTER TABLE personalize.%I ENABLE ALWAYS TRIGGER consent_truncated', t.name);
		EXECUTE pg_catalog.format('COMMENT ON TRIGGER consent_changed ON personalize.%I IS %L', t.name,
			'Marks the person in the consent set, whose copy in shared memory is out of date from now on');
		EXECUTE pg_catalog.format('COMMENT ON TRIGGER consent_truncated ON personalize.%I IS %L', t.name,
			'Takes the consent set out of use');
	END LOOP;
END
$do$;
