/*
 * Rights: erasing a person, with a certificate, and letting an erased person
 * come back.
 *
 * Order of locks: the row of the subject, then every relation in the order in
 * which its rows are deleted (children before parents).  All rows are counted
 * before the first is deleted, so that a cascade does not hide any, and again
 * at the end, when none may be left.
 *
 * The certificate names relations and counts; no key, no number of a subject.
 */

CREATE OR REPLACE FUNCTION personalize.text_names_internal(free_text text, keys text[])
RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
	/* the key as a word of its own, in any case; strpos first because it is cheap */
	SELECT free_text IS NOT NULL AND EXISTS (
		SELECT 1 FROM unnest(keys) AS k (key)
		WHERE strpos(lower(free_text), lower(k.key)) > 0
			AND free_text ~* ('(^|[^[:alnum:]])' || regexp_replace(k.key, '([^[:alnum:]])', E'\\\\\\1', 'g') || '($|[^[:alnum:]])'))
$$;
COMMENT ON FUNCTION personalize.text_names_internal(text, text[]) IS
	'Whether a free text is or contains one of the keys as a word of its own';

CREATE OR REPLACE FUNCTION personalize.erase_plan_internal(kind_id integer)
RETURNS TABLE (step integer, path_id integer, relid oid, relation_name text, ownership text)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	waiting oid[];
	ready oid[];
	/* which foreign keys still count: 0 all, 1 those that do not cascade or lead to the person, 2 those that do not cascade */
	strength integer := 0;
	ord integer := 0;
	missing text;
BEGIN
	SELECT string_agg(DISTINCT format('%I.%I', r.schema_name, r.relation_name), ', ') INTO missing
		FROM personalize.registry_path AS p
			JOIN personalize.registry_relation AS r ON r.relid = p.relid
		WHERE p.kind_id = erase_plan_internal.kind_id
			AND (personalize.relation_text_internal(r.relid) IS NULL
				OR EXISTS (SELECT 1 FROM unnest(p.columns) AS u (attnum)
					WHERE NOT EXISTS (SELECT 1 FROM pg_attribute AS a
						WHERE a.attrelid = p.relid AND a.attnum = u.attnum AND a.attnum > 0 AND NOT a.attisdropped)));
	IF missing IS NOT NULL THEN
		RAISE EXCEPTION 'registered relations or their subject columns do not exist: %', missing
			USING ERRCODE = 'object_not_in_prerequisite_state',
				HINT = 'Nothing may be skipped in an erasure: bring them back, or unprotect() them and protect() them again.';
	END IF;
	waiting := ARRAY(SELECT DISTINCT p.relid FROM personalize.registry_path AS p
		WHERE p.kind_id = erase_plan_internal.kind_id);
	WHILE cardinality(waiting) > 0 LOOP
		/* relations that no other waiting relation refers to */
		ready := ARRAY(SELECT w.relid FROM unnest(waiting) AS w (relid)
			WHERE NOT EXISTS (SELECT 1 FROM pg_constraint AS f
				WHERE f.contype = 'f' AND f.confrelid = w.relid AND f.conparentid = 0
					AND f.conrelid <> w.relid AND f.conrelid = ANY (waiting)
					AND (strength < 1 OR f.confdeltype IN ('a', 'r') OR (strength < 2 AND EXISTS (SELECT 1 FROM personalize.registry_path AS p
						WHERE p.relid = f.conrelid AND p.kind_id = erase_plan_internal.kind_id AND p.columns = f.conkey))))
			ORDER BY personalize.relation_text_internal(w.relid) COLLATE "C");
		IF cardinality(ready) = 0 THEN
			IF strength = 2 THEN
				RAISE EXCEPTION 'foreign keys form a cycle among protected relations: %',
					(SELECT string_agg(personalize.relation_text_internal(w.relid), ', ' ORDER BY
						personalize.relation_text_internal(w.relid) COLLATE "C") FROM unnest(waiting) AS w (relid))
					USING ERRCODE = 'feature_not_supported', HINT = 'Give a foreign key of the cycle ON DELETE CASCADE or SET NULL, or set its column to null for this subject first.';
			END IF;
			strength := strength + 1;
			CONTINUE;
		END IF;
		FOR erase_plan_internal.relid IN SELECT u.r FROM unnest(ready) AS u (r) LOOP
			FOR erase_plan_internal.path_id, erase_plan_internal.ownership IN
				SELECT p.path_id, p.ownership FROM personalize.registry_path AS p
					WHERE p.relid = erase_plan_internal.relid AND p.kind_id = erase_plan_internal.kind_id
					/* the key that rows of the relation itself refer to after what refers to it */
					ORDER BY EXISTS (SELECT FROM pg_constraint AS f WHERE f.contype = 'f' AND f.conrelid = p.relid AND f.confrelid = p.relid
						AND f.confkey && p.columns), p.path_id
			LOOP
				ord := ord + 1;
				erase_plan_internal.step := ord;
				erase_plan_internal.relation_name := personalize.relation_text_internal(erase_plan_internal.relid);
				RETURN NEXT;
			END LOOP;
		END LOOP;
		waiting := ARRAY(SELECT w.relid FROM unnest(waiting) AS w (relid) WHERE w.relid <> ALL (ready));
		strength := 0;
	END LOOP;
END
$$;
COMMENT ON FUNCTION personalize.erase_plan_internal(integer) IS
	'Paths of all protected relations that lead to a kind of subject, children before parents; a relation that cannot be found or a cycle is an error';

CREATE OR REPLACE FUNCTION personalize.text_is_of_internal(free_text text, keys text[])
RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
	/* a key of one or two characters is a word of any language: it counts only where it stands alone */
	SELECT personalize.text_names_internal(free_text, ARRAY(SELECT k.key FROM unnest(keys) AS k (key) WHERE length(k.key) > 2))
		OR lower(free_text) = ANY (ARRAY(SELECT lower(k.key) FROM unnest(keys) AS k (key)))
$$;
COMMENT ON FUNCTION personalize.text_is_of_internal(text, text[]) IS
	'Whether a free text about somebody else names one of the keys, short ones only where they are all of it';

CREATE OR REPLACE FUNCTION personalize.evidence_is_of_internal(evidence jsonb, keys text[])
RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
	WITH RECURSIVE part (value) AS (
		SELECT evidence WHERE evidence IS NOT NULL
		UNION ALL
		SELECT x.value FROM part CROSS JOIN LATERAL (
			SELECT e.value FROM jsonb_each(CASE jsonb_typeof(part.value) WHEN 'object' THEN part.value ELSE '{}' END) AS e
			UNION ALL
			SELECT to_jsonb(e.key) FROM jsonb_each(CASE jsonb_typeof(part.value) WHEN 'object' THEN part.value ELSE '{}' END) AS e
			UNION ALL
			SELECT e.value FROM jsonb_array_elements(CASE jsonb_typeof(part.value) WHEN 'array' THEN part.value ELSE '[]' END) AS e (value)) AS x)
	SELECT EXISTS (SELECT FROM part WHERE jsonb_typeof(part.value) IN ('string', 'number')
		AND personalize.text_is_of_internal(part.value #>> '{}', keys))
$$;
COMMENT ON FUNCTION personalize.evidence_is_of_internal(jsonb, text[]) IS
	'Whether a value or a name anywhere in evidence names one of the keys';

CREATE OR REPLACE FUNCTION personalize.salt_without_internal(salt bytea, without boolean[])
RETURNS bytea
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT string_agg(CASE WHEN w.taken THEN decode(repeat('00', 16), 'hex') ELSE substr($1, (w.place::integer - 1) * 16 + 1, 16) END, '' ORDER BY w.place)
	FROM unnest($2) WITH ORDINALITY AS w(taken, place)
$$;
COMMENT ON FUNCTION personalize.salt_without_internal(bytea, boolean[]) IS
	'The salts of a note without those of the words that erasure takes';

CREATE OR REPLACE FUNCTION personalize.scrub_internal(kind_id integer, keys text[])
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	is_number boolean := coalesce((SELECT coalesce(k.key_type = 'int8'::regtype, personalize.canonical_or_null_internal(20, keys[1]) IS NOT NULL)
		FROM personalize.registry_kind AS k WHERE k.kind_id = scrub_internal.kind_id), false);
	needle text;
	/* jsonb spells these otherwise */
	is_plain boolean;
	one text[];
BEGIN
	FOREACH needle IN ARRAY coalesce(keys, '{}') LOOP
		one := ARRAY[needle];
		is_plain := needle !~ '["[:cntrl:]]' AND strpos(needle, chr(92)) = 0;
		needle := lower(needle);
		UPDATE personalize.hold AS h SET reason = '(a reason that named somebody)' WHERE personalize.text_is_of_internal(h.reason, one);
		UPDATE personalize.request AS q SET details = CASE WHEN personalize.text_is_of_internal(q.details, one) THEN NULL ELSE q.details END,
				verification = CASE WHEN personalize.text_is_of_internal(q.verification, one) THEN NULL ELSE q.verification END
			WHERE personalize.text_is_of_internal(q.details, one) OR personalize.text_is_of_internal(q.verification, one);
		IF NOT is_number THEN
			UPDATE personalize.rectification AS x SET before = NULL, after = NULL
				WHERE personalize.evidence_is_of_internal(x.before, one) OR personalize.evidence_is_of_internal(x.after, one);
		END IF;
		/* strpos decides for nearly all lines, and is cheap */
		UPDATE personalize.audit_note AS n SET
				salt = personalize.salt_without_internal(n.salt, ARRAY[personalize.text_names_internal(n.app_user, one),
					personalize.text_names_internal(n.application_name, one), personalize.text_names_internal(n.app_user, one),
					personalize.text_names_internal(n.context, one)]),
				erased = true,
				app_user = CASE WHEN personalize.text_names_internal(n.app_user, one) THEN NULL ELSE n.app_user END,
				client_addr = CASE WHEN personalize.text_names_internal(n.app_user, one) THEN NULL ELSE n.client_addr END,
				application_name = CASE WHEN personalize.text_names_internal(n.application_name, one) THEN NULL ELSE n.application_name END,
				context = CASE WHEN personalize.text_names_internal(n.context, one) THEN NULL ELSE n.context END
			WHERE strpos(lower(concat_ws(E'\n', n.app_user, n.application_name, n.context)), needle) > 0
				AND (personalize.text_names_internal(n.app_user, one) OR personalize.text_names_internal(n.application_name, one)
					OR personalize.text_names_internal(n.context, one));
		/*
		 * Somebody erased may have spoken for another, as the application's
		 * user, or be named in what is kept of another's choice.  A number
		 * there means anything (a version, a day): it would take away what
		 * proves the consents of others, so it is looked for in app_user only.
		 */
		UPDATE personalize.consent_event AS e SET app_user = NULL
			WHERE strpos(lower(e.app_user), needle) > 0
				AND CASE WHEN is_number THEN personalize.text_names_internal(e.app_user, one)
					ELSE personalize.text_is_of_internal(e.app_user, one) END;
		IF NOT is_number THEN
			UPDATE personalize.consent_event AS e SET
					notice = CASE WHEN personalize.text_is_of_internal(e.notice, one) THEN NULL ELSE e.notice END,
					language = CASE WHEN personalize.text_is_of_internal(e.language, one) THEN NULL ELSE e.language END,
					method = CASE WHEN personalize.text_is_of_internal(e.method, one) THEN NULL ELSE e.method END,
					reason = CASE WHEN personalize.text_is_of_internal(e.reason, one) THEN NULL ELSE e.reason END,
					evidence = CASE WHEN personalize.evidence_is_of_internal(e.evidence, one) THEN NULL ELSE e.evidence END
				WHERE (strpos(lower(concat_ws(E'\n', e.notice, e.language, e.method, e.reason)), needle) > 0
						OR (e.evidence IS NOT NULL AND (NOT is_plain OR strpos(lower(e.evidence::text), needle) > 0)))
					AND (personalize.text_is_of_internal(e.notice, one) OR personalize.text_is_of_internal(e.language, one)
						OR personalize.text_is_of_internal(e.method, one) OR personalize.text_is_of_internal(e.reason, one)
						OR personalize.evidence_is_of_internal(e.evidence, one));
		END IF;
	END LOOP;
END
$$;
COMMENT ON FUNCTION personalize.scrub_internal(integer, text[]) IS
	'Takes the keys out of the free text of the audit and of the ledger';

CREATE OR REPLACE FUNCTION personalize.cascade_check_internal(relid oid, path_id integer, kind_id integer, key text, steps jsonb)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	f record;
	own text;
	refers text;
	this_step integer;
	deleted text;
BEGIN
	SELECT y.step, y.condition INTO STRICT this_step, deleted FROM jsonb_to_recordset(steps) AS y (step integer, relid oid, action text, condition text)
		WHERE y.relid = cascade_check_internal.relid AND y.action = 'delete';
	/* foreign keys that delete rows of protected relations: those of the person go before, in relations whose turn is earlier */
	FOR f IN SELECT c.conname, c.conrelid, c.conkey, c.confkey,
				(SELECT min(p.path_id) FROM personalize.registry_path AS p WHERE p.relid = c.conrelid) AS path_id,
				c.conrelid = cascade_check_internal.relid OR (SELECT max(y.step) FROM jsonb_to_recordset(steps) AS y (step integer, relid oid)
					WHERE y.relid = c.conrelid) < this_step AS earlier
			FROM pg_constraint AS c
			WHERE c.contype = 'f' AND c.conparentid = 0 AND c.confdeltype = 'c' AND c.confrelid = cascade_check_internal.relid
				AND c.conrelid IN (SELECT p.relid FROM personalize.registry_path AS p)
			ORDER BY c.conname
	LOOP
		/* where the column that leads to the person refers to that of the person, the rows are the person's */
		CONTINUE WHEN f.earlier AND EXISTS (SELECT FROM personalize.registry_path AS p WHERE p.relid = f.conrelid AND p.kind_id = cascade_check_internal.kind_id
				AND p.columns = f.conkey AND p.via_path_id IS NULL)
			AND EXISTS (SELECT FROM personalize.registry_path AS p WHERE p.relid = cascade_check_internal.relid AND p.kind_id = cascade_check_internal.kind_id
				AND p.columns = f.confkey);
		/* rows that are gone by then, or that do not refer to it any more: a path by the foreign key itself is left as it is */
		SELECT string_agg('(' || x.condition || ')', ' OR ') INTO own
			FROM (SELECT y.condition FROM jsonb_to_recordset(steps) AS y (relid oid, action text, condition text)
					WHERE y.relid = f.conrelid AND y.action = 'delete'
				UNION ALL
				SELECT personalize.rights_is_internal(p.path_id) FROM personalize.registry_path AS p
					WHERE p.relid = f.conrelid AND p.kind_id = cascade_check_internal.kind_id AND p.columns = f.conkey AND p.via_path_id IS NULL AND f.earlier) AS x;
		/* by the values of the columns referred to, in the rows that will go */
		SELECT string_agg(format('%I = ANY (%L::%s[])', a.attname,
				(SELECT array_agg(DISTINCT e.data ->> b.attname::text) FROM personalize.rights_export_internal(cascade_check_internal.path_id, deleted, cascade_check_internal.key, '{}') AS e (data)
					WHERE e.data ->> b.attname::text IS NOT NULL), format_type(a.atttypid, NULL)), ' AND ' ORDER BY u.place)
			INTO refers
			FROM unnest(f.conkey, f.confkey) WITH ORDINALITY AS u (conkey, confkey, place)
				JOIN pg_attribute AS a ON a.attrelid = f.conrelid AND a.attnum = u.conkey
				JOIN pg_attribute AS b ON b.attrelid = cascade_check_internal.relid AND b.attnum = u.confkey;
		CONTINUE WHEN refers IS NULL;
		IF personalize.rights_run_internal(f.path_id, format('SELECT pg_catalog.count(*) FROM %s WHERE %s%s', personalize.relation_text_internal(f.conrelid),
				refers, coalesce(' AND (' || own || ') IS NOT TRUE', '')), cascade_check_internal.key, '{}') <> 0 THEN
			RAISE EXCEPTION 'rows of relation % that belong to others would go with those of the subject, by foreign key %',
					personalize.relation_text_internal(f.conrelid), quote_ident(f.conname)
				USING ERRCODE = 'object_not_in_prerequisite_state',
					HINT = 'Have them refer to something else first, or give the foreign key another action than CASCADE; nothing was erased.';
		END IF;
	END LOOP;
END
$$;
COMMENT ON FUNCTION personalize.cascade_check_internal(oid, integer, integer, text, jsonb) IS
	'Refuses an erasure whose deletes would take rows of others along by a foreign key ON DELETE CASCADE';

CREATE OR REPLACE FUNCTION personalize.erase_internal(kind_id integer, kind text, key text, reason text, dry_run boolean, steps jsonb)
RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	id_of_certificate uuid := gen_random_uuid();
	pseudonym uuid := gen_random_uuid();
	erased_at timestamptz := clock_timestamp();
	certificate jsonb;
	no bigint;
	item record;
	found_rows bigint;
	total bigint := 0;
	events bigint := 0;
	uses bigint;
	relations jsonb := '[]';
	cascades jsonb;
	held jsonb := '[]';
	counts jsonb := '{}';	/* rows by step */
	changes jsonb;
BEGIN
	IF dry_run THEN
		SELECT s.subject_no INTO no FROM personalize.subject AS s
			WHERE s.kind_id = erase_internal.kind_id AND s.key = erase_internal.key;
	ELSE
		/* the audit worker must not write the key anew before it can see the tombstone */
		LOCK TABLE personalize.audit_key IN SHARE ROW EXCLUSIVE MODE;
		no := personalize.subject_no_internal(erase_internal.kind_id, erase_internal.key, false);
		FOR item IN SELECT x.relation_name FROM jsonb_to_recordset(steps) AS x (step integer, relation_name text)
			GROUP BY x.relation_name ORDER BY min(x.step)
		LOOP
			EXECUTE format('LOCK TABLE %s IN ROW EXCLUSIVE MODE', item.relation_name);
		END LOOP;
	END IF;

	FOR item IN SELECT x.*, EXISTS (SELECT FROM personalize.hold AS h
				WHERE (h.subject_no = no OR (h.kind_id = erase_internal.kind_id AND h.key = erase_internal.key))
					AND h.released_at IS NULL AND (h.relation IS NULL OR h.relation = x.relid)) AS held
			FROM jsonb_to_recordset(steps) AS x (step integer, path_id integer, relid oid, relation_name text, action text, condition text, columns jsonb, reason text, keep_for interval) ORDER BY x.step
	LOOP
		found_rows := personalize.rights_run_internal(item.path_id,
			format('SELECT pg_catalog.count(*) FROM %s WHERE %s', item.relation_name, item.condition), erase_internal.key, '{}');
		relations := relations || jsonb_build_array(jsonb_build_object('relation', item.relation_name,
			'action', CASE WHEN item.held THEN 'hold' ELSE item.action END, 'rows', found_rows)
			|| CASE WHEN item.action = 'retain' THEN jsonb_strip_nulls(jsonb_build_object('reason', item.reason,
				'until', erased_at + item.keep_for)) ELSE '{}' END);
		total := total + found_rows;
		counts := counts || jsonb_build_object(item.step, found_rows);
		IF item.held THEN
			held := held || to_jsonb(item.step);
		ELSIF item.action = 'anonymize' THEN
			/* what cannot be anonymized is said by the dry run, too */
			PERFORM personalize.anonymous_internal(item.path_id, item.columns, pseudonym);
		ELSIF item.action = 'delete' AND found_rows > 0 THEN
			PERFORM personalize.cascade_check_internal(item.relid, item.path_id, erase_internal.kind_id, erase_internal.key, steps);
		END IF;
	END LOOP;

	/* what foreign keys will do to relations outside this plan */
	SELECT coalesce(jsonb_agg(jsonb_build_object('relation', x.name, 'action', x.action) ORDER BY x.name COLLATE "C", x.action), '[]')
		INTO cascades
		FROM (SELECT DISTINCT personalize.relation_text_internal(f.conrelid) AS name,
				CASE f.confdeltype WHEN 'c' THEN 'delete' WHEN 'n' THEN 'set null' ELSE 'set default' END AS action
			FROM pg_constraint AS f
			WHERE f.contype = 'f' AND f.conparentid = 0 AND f.confdeltype IN ('c', 'n', 'd')
				AND f.confrelid IN (SELECT x.relid FROM jsonb_to_recordset(steps) AS x (step integer, path_id integer, relid oid, relation_name text, action text, condition text, columns jsonb, reason text, keep_for interval) WHERE x.action = 'delete')
				AND (f.confdeltype <> 'c' OR f.conrelid NOT IN (SELECT p.relid FROM personalize.registry_path AS p WHERE p.kind_id = erase_internal.kind_id))) AS x;

	SELECT count(*) INTO events FROM personalize.consent_event AS e WHERE e.subject_no = no;
	SELECT count(*) INTO uses FROM personalize.usage_of(erase_internal.key, kind => erase_internal.kind) AS u;

	certificate := jsonb_strip_nulls(jsonb_build_object(
		'certificate_id', id_of_certificate, 'erased_at', erased_at, 'dry_run', dry_run, 'kind', erase_internal.kind,
		'reason', erase_internal.reason, 'relations', relations, 'cascades', cascades,
		'consent_events', events, 'uses', uses, 'subjects', CASE WHEN no IS NULL AND total = 0 AND uses = 0 THEN 0 ELSE 1 END,
		'retained', jsonb_build_array(
			'consent_event: what was said about which purpose and when, without key, evidence and user',
			'usage: that and how data was used, without the key of the subject',
			'tombstone: a keyed digest, so that rows that come back under the key are withheld'),
		'pending_physical', jsonb_build_array(
			'deleted row versions, until VACUUM removes them',
			'write-ahead log, archived write-ahead log and replicas that lag',
			'backups taken before',
			'planner statistics, until the next ANALYZE')));
	IF dry_run THEN
		RETURN certificate;
	END IF;

	FOR item IN SELECT x.* FROM jsonb_to_recordset(steps) AS x (step integer, path_id integer, relid oid, relation_name text, action text, condition text, columns jsonb, reason text, keep_for interval)
		WHERE x.action <> 'retain' AND NOT held @> to_jsonb(x.step) ORDER BY x.step
	LOOP
		IF item.action = 'delete' THEN
			PERFORM personalize.rights_run_internal(item.path_id,
				format('DELETE FROM %s WHERE %s', item.relation_name, item.condition), erase_internal.key, '{}');
		ELSE
			changes := personalize.anonymous_internal(item.path_id, item.columns, pseudonym);
			PERFORM personalize.rights_run_internal(item.path_id, personalize.rights_update_text_internal(item.path_id,
				ARRAY(SELECT k.name FROM jsonb_object_keys(changes) AS k (name)), item.condition), erase_internal.key, changes);
		END IF;
	END LOOP;
	FOR item IN SELECT x.* FROM jsonb_to_recordset(steps) AS x (step integer, path_id integer, relation_name text, action text, condition text) ORDER BY x.step
	LOOP
		found_rows := personalize.rights_run_internal(item.path_id,
			format('SELECT pg_catalog.count(*) FROM %s WHERE %s', item.relation_name, item.condition), erase_internal.key, '{}');
		IF item.action = 'retain' OR held @> to_jsonb(item.step) THEN
			IF found_rows <> (counts ->> item.step::text)::bigint THEN
				RAISE EXCEPTION 'rows of relation % that must stay would go with others', item.relation_name
					USING ERRCODE = 'object_not_in_prerequisite_state',
						HINT = 'A foreign key or trigger deletes or changes them. Hold or retain the rows they refer to as well, or change the foreign key; nothing was erased.';
			END IF;
		ELSIF found_rows <> 0 AND NOT (item.action = 'anonymize' AND EXISTS (
			/* a foreign key is cut off where it leads to: there rows may be retained or held */
			WITH RECURSIVE way (path_id) AS (
				SELECT p.via_path_id FROM personalize.registry_path AS p WHERE p.path_id = item.path_id
				UNION
				SELECT p.via_path_id FROM way AS w JOIN personalize.registry_path AS p ON p.path_id = w.path_id)
			SELECT FROM way AS w JOIN personalize.registry_path AS p ON p.path_id = w.path_id
				JOIN jsonb_to_recordset(steps) AS x (step integer, path_id integer, relid oid, action text) ON x.relid = p.relid
			WHERE (x.action = 'retain' AND x.path_id = p.path_id) OR held @> to_jsonb(x.step))) THEN
			RAISE EXCEPTION 'relation % still has rows of the subject', item.relation_name
				USING ERRCODE = 'object_not_in_prerequisite_state',
					HINT = 'A trigger or rule of the relation keeps them from being deleted; nothing was erased.';
		END IF;
	END LOOP;

	/* nobody was there: a tombstone would only keep a future person out */
	IF total = 0 AND no IS NULL AND uses = 0 THEN
		RETURN certificate;
	END IF;

	PERFORM personalize.ledger_unlock_internal(true);
	UPDATE personalize.consent_event AS e
		SET evidence = NULL, app_user = NULL, reason = NULL,
			notice = CASE WHEN personalize.text_names_internal(e.notice, ARRAY[erase_internal.key]) THEN NULL ELSE e.notice END,
			method = CASE WHEN personalize.text_names_internal(e.method, ARRAY[erase_internal.key]) THEN NULL ELSE e.method END
		WHERE e.subject_no = no;
	PERFORM personalize.scrub_internal(erase_internal.kind_id, ARRAY[erase_internal.key]);
	UPDATE personalize.rectification AS x SET before = NULL, after = NULL WHERE x.subject_no = no;
	UPDATE personalize.request AS q SET details = NULL, verification = NULL, result = NULL WHERE q.subject_no = no;
	/* what is held, or retained for a time, can only be found again by the key */
	INSERT INTO personalize.retained AS t (path_id, key, reason, until)
		SELECT x.path_id, erase_internal.key, x.reason, erased_at + x.keep_for
		FROM jsonb_to_recordset(steps) AS x (step integer, path_id integer, action text, reason text, keep_for interval)
		WHERE x.action = 'retain' AND x.keep_for IS NOT NULL AND (counts ->> x.step::text)::bigint > 0 AND NOT held @> to_jsonb(x.step)
		ON CONFLICT DO NOTHING;
	UPDATE personalize.hold AS h SET key = erase_internal.key WHERE h.subject_no = no AND h.released_at IS NULL
		AND EXISTS (SELECT FROM jsonb_to_recordset(steps) AS x (step integer, relid oid)
			WHERE held @> to_jsonb(x.step) AND (counts ->> x.step::text)::bigint > 0 AND (h.relation IS NULL OR h.relation = x.relid));
	/* what was requested is done */
	UPDATE personalize.erasure_request AS q SET status = 'done', key = NULL, certificate_id = id_of_certificate
		WHERE q.kind_id = erase_internal.kind_id AND q.key = erase_internal.key;
	INSERT INTO personalize.tombstone AS t (digest, kind_id, erased_at)
		SELECT personalize.tombstone_digest_internal(erase_internal.kind_id, u.form), erase_internal.kind_id, erased_at
		FROM unnest(personalize.key_forms_internal(erase_internal.kind_id, erase_internal.key)) AS u (form)
		ON CONFLICT (digest) DO UPDATE SET erased_at = EXCLUDED.erased_at;
	UPDATE personalize.subject AS s SET key = NULL, tombstoned = true WHERE s.subject_no = no;
	UPDATE personalize.audit_key AS a SET key = NULL
		WHERE a.kind_id = erase_internal.kind_id AND a.key = erase_internal.key;
	INSERT INTO personalize.erasure (certificate_id, certificate, erased_at, erased_by)
		VALUES (id_of_certificate, certificate, erased_at, session_user);
	PERFORM personalize.ledger_unlock_internal(false);
	RETURN certificate;
END
$$;
COMMENT ON FUNCTION personalize.erase_internal(integer, text, text, text, boolean, jsonb) IS
	'Erases one subject by its canonical key, or counts what that would erase, by the steps for its kind; returns the certificate';

CREATE OR REPLACE FUNCTION personalize.erase_checked_internal(subjects text[], reason text, dry_run boolean, kind text)
RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	kind_no integer;
	keys text[];
	certificates jsonb := '[]';
	key text;
	steps jsonb;
BEGIN
	PERFORM personalize.registry_begin_internal();
	IF subjects IS NULL OR dry_run IS NULL THEN
		RAISE EXCEPTION 'subjects and dry_run must not be null' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	/* rows that were committed after the snapshot would stay, and the certificate would say they are gone */
	IF current_setting('transaction_isolation') IN ('repeatable read', 'serializable') THEN
		RAISE EXCEPTION 'a person cannot be erased at isolation level %', upper(current_setting('transaction_isolation'))
			USING ERRCODE = 'active_sql_transaction',
				HINT = 'BEGIN ISOLATION LEVEL READ COMMITTED: an erasure must find what was committed until now.';
	END IF;
	IF NOT dry_run THEN
		/*
		 * What the caller has put off would be run here, as us.  Once there is
		 * nothing, have everything from now on run at the end of its own
		 * statement: as the owner of the relation, who must not put off
		 * anything (a deferred trigger cannot be queued in a
		 * security-restricted operation).
		 */
		IF personalize.triggers_pending_internal() THEN
			RAISE EXCEPTION 'a person cannot be erased while triggers or checks of constraints are deferred in the same transaction'
				USING ERRCODE = 'object_not_in_prerequisite_state',
					HINT = 'COMMIT first, or SET CONSTRAINTS ALL IMMEDIATE.';
		END IF;
		SET CONSTRAINTS ALL IMMEDIATE;
	END IF;
	kind_no := personalize.kind_id_internal(erase_checked_internal.kind);
	keys := ARRAY(SELECT personalize.canonical_key_internal(erase_checked_internal.kind, u.key)
		FROM unnest(subjects) WITH ORDINALITY AS u (key, ord) ORDER BY u.ord);
	IF personalize.text_names_internal(reason, keys) THEN
		RAISE EXCEPTION 'reason must not name the subject'
			USING ERRCODE = 'invalid_parameter_value', HINT = 'The certificate is kept; refer to the request, not to the person.';
	END IF;
	IF NOT dry_run THEN
		/*
		 * What earlier uses say of the person must be there to be taken away.
		 * Not while this transaction, by an earlier erasure, keeps the worker
		 * from writing: it would wait for us and we for it.
		 */
		IF NOT EXISTS (SELECT FROM pg_locks AS l
			WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation' AND l.granted
				AND l.relation = 'personalize.audit_key'::regclass AND l.mode = 'ShareRowExclusiveLock')
		THEN
			PERFORM personalize.audit_sync();
		END IF;
		/* in the order of their numbers, as every batch locks them */
		PERFORM 1 FROM personalize.subject AS s WHERE s.kind_id = kind_no AND s.key = ANY (keys)
			ORDER BY s.subject_no FOR NO KEY UPDATE;
	END IF;
	SELECT coalesce(jsonb_agg(to_jsonb(x) ORDER BY x.step), '[]') INTO steps FROM personalize.erase_steps_internal(kind_no) AS x;
	FOREACH key IN ARRAY keys LOOP
		certificates := certificates || jsonb_build_array(
			personalize.erase_internal(kind_no, erase_checked_internal.kind, key, reason, dry_run, steps));
	END LOOP;
	RETURN certificates;
END
$$;
COMMENT ON FUNCTION personalize.erase_checked_internal(text[], text, boolean, text) IS
	'Checks the arguments of an erasure and erases one subject after the other';

CREATE OR REPLACE FUNCTION personalize.erase_subject(subject text, reason text DEFAULT NULL, dry_run boolean DEFAULT false,
	kind text DEFAULT 'subject')
RETURNS jsonb
LANGUAGE sql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT personalize.erase_checked_internal(ARRAY[subject], reason, dry_run, kind) -> 0
$$;
COMMENT ON FUNCTION personalize.erase_subject(text, text, boolean, text) IS
	'Erases a person from every protected relation in one transaction and returns a certificate without personal data; dry_run only counts';

CREATE OR REPLACE FUNCTION personalize.erase_subjects(subjects text[], reason text DEFAULT NULL, dry_run boolean DEFAULT false,
	kind text DEFAULT 'subject')
RETURNS jsonb
LANGUAGE sql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT personalize.erase_checked_internal(subjects, reason, dry_run, kind)
$$;
COMMENT ON FUNCTION personalize.erase_subjects(text[], text, boolean, text) IS
	'Erases several persons in one transaction and returns an array of their certificates, in the same order';

CREATE OR REPLACE FUNCTION personalize.reinstate_subject(subject text, reason text DEFAULT NULL, kind text DEFAULT 'subject')
RETURNS boolean
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	kind_no integer;
	key text;
BEGIN
	PERFORM personalize.registry_begin_internal();
	kind_no := personalize.kind_id_internal(reinstate_subject.kind);
	key := personalize.canonical_key_internal(reinstate_subject.kind, reinstate_subject.subject);
	IF personalize.text_names_internal(reinstate_subject.reason, ARRAY[key]) THEN
		RAISE EXCEPTION 'reason must not name the subject'
			USING ERRCODE = 'invalid_parameter_value', HINT = 'The record is kept; refer to the request, not to the person.';
	END IF;
	PERFORM personalize.subject_no_internal(kind_no, key, false);
	IF personalize.tombstone_lift_internal(kind_no, ARRAY[key]) = 0 THEN
		RETURN false;
	END IF;
	INSERT INTO personalize.erasure (certificate, erased_by)
		VALUES (jsonb_strip_nulls(jsonb_build_object('reinstated_at', clock_timestamp(), 'kind', reinstate_subject.kind,
			'reason', reinstate_subject.reason)), session_user);
	RETURN true;
END
$$;
COMMENT ON FUNCTION personalize.reinstate_subject(text, text, text) IS
	'Makes a new person of an erased key, so that rows under it are no longer withheld for the erasure; false if the key is not erased';

CREATE OR REPLACE FUNCTION personalize.release_hold(hold_id uuid)
RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	h personalize.hold;
BEGIN
	PERFORM personalize.registry_begin_internal();
	SELECT x.* INTO h FROM personalize.hold AS x WHERE x.hold_id = release_hold.hold_id AND x.released_at IS NULL FOR UPDATE;
	IF h.hold_id IS NULL THEN
		RAISE EXCEPTION 'hold does not exist' USING ERRCODE = 'undefined_object', HINT = 'The view personalize.holds lists them.';
	END IF;
	UPDATE personalize.hold AS x SET released_at = clock_timestamp(), released_by = session_user, key = NULL WHERE x.hold_id = h.hold_id;
	IF h.key IS NULL THEN
		RETURN NULL;
	END IF;
	/* what another hold still keeps stays; the others are erased now */
	RETURN personalize.erase_checked_internal(ARRAY[h.key], 'release of a legal hold', false,
		(SELECT k.name FROM personalize.registry_kind AS k WHERE k.kind_id = h.kind_id)) -> 0;
END
$$;
COMMENT ON FUNCTION personalize.release_hold(uuid) IS
	'Releases a legal hold; if the person was erased meanwhile, the erasure is completed and its certificate returned';
