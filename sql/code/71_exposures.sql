/*
 * Many exposures at once: exact as those of record_exposure(), in the order in which
 * they are given.
 *
 * Order of locks: as with batches of choices (30_consent.sql).  All persons of a batch
 * are locked before any is asked about.
 */

CREATE OR REPLACE FUNCTION personalize.exposures_internal(subjects text[], kinds text[], purposes text[], items text[], explanations text[],
	experiments text[])
RETURNS bigint[]
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_nestloop = off	/* arrays look small to a generic plan and are not */
SET enable_mergejoin = off
SET enable_bitmapscan = off
SET enable_seqscan = off	/* tables by index, whatever the statistics say of one that just grew */
SET jit = off	/* what is off costs so much that it would compile every time */
AS $$
#variable_conflict use_column
DECLARE
	n integer := coalesce(cardinality(subjects), 0);
	told record;
	kind_names text[] := '{}';	/* each kind and each purpose that is named, once */
	kind_nos integer[] := '{}';
	purpose_names text[] := '{}';
	purpose_nos integer[] := '{}';
	trial personalize.experiment;
	trial_names text[] := '{}';	/* of experiments that go on */
	trial_nos integer[] := '{}';
	item_kinds integer[];		/* of each item */
	item_keys text[];
	item_purposes integer[];
	bad_keys bigint;
	kind_no integer;
	wanted text[];
	here_nos bigint[];
	here_keys text[];
	found_kinds integer[] := '{}';	/* of each subject */
	found_keys text[] := '{}';
	found_nos bigint[] := '{}';
	new_keys text[];
	nos bigint[];
	now_is timestamptz;
	ids bigint[];
	full_nos bigint[];			/* of each person who cannot be reached any more, with the purpose */
	full_groups bigint[];
	full_purposes integer[];
BEGIN
	PERFORM personalize.require_preloaded_internal();
	PERFORM personalize.require_newest_internal();
	IF n = 0 THEN
		RETURN '{}';
	END IF;
	IF array_ndims(subjects) <> 1
		OR (SELECT bool_or(u.length <> n) FROM unnest(ARRAY[cardinality(kinds), cardinality(purposes), cardinality(items),
			cardinality(explanations), cardinality(experiments)]) AS u (length)) THEN
		RAISE EXCEPTION 'arrays of a batch must be of one length' USING ERRCODE = 'invalid_parameter_value';
	END IF;
	FOR told IN SELECT DISTINCT coalesce(u.kind, 'subject') AS kind FROM unnest(subjects, kinds) AS u (subject, kind) LOOP
		kind_names := kind_names || told.kind;
		kind_nos := kind_nos || personalize.kind_id_internal(told.kind);
	END LOOP;
	FOR told IN SELECT DISTINCT u.purpose FROM unnest(purposes) AS u (purpose) LOOP
		purpose_names := purpose_names || told.purpose;
		purpose_nos := purpose_nos || personalize.purpose_id_internal(told.purpose, 'consent');
	END LOOP;
	FOR told IN SELECT DISTINCT u.experiment, p.no FROM unnest(experiments, purposes) AS u (experiment, purpose)
			JOIN unnest(purpose_names, purpose_nos) AS p (name, no) ON p.name = u.purpose WHERE u.experiment IS NOT NULL LOOP
		trial := personalize.experiment_for_internal(told.experiment, told.no);
		IF trial.ended_at IS NULL THEN
			trial_names := trial_names || told.experiment;
			trial_nos := trial_nos || trial.experiment_id;
		END IF;
	END LOOP;
	SELECT array_agg(k.no ORDER BY u.ord), array_agg(personalize.canonical_or_null_internal(r.key_type, u.subject) ORDER BY u.ord), array_agg(p.no ORDER BY u.ord)
		INTO item_kinds, item_keys, item_purposes
		FROM unnest(subjects, kinds, purposes) WITH ORDINALITY AS u (subject, kind, purpose, ord)
			LEFT JOIN unnest(kind_names, kind_nos) AS k (name, no) ON k.name = coalesce(u.kind, 'subject')
			LEFT JOIN unnest(purpose_names, purpose_nos) AS p (name, no) ON p.name = u.purpose
			LEFT JOIN personalize.registry_kind AS r ON r.kind_id = k.no;
	SELECT count(*) INTO bad_keys FROM unnest(item_keys) AS u (key) WHERE u.key IS NULL;
	IF bad_keys > 0 THEN
		RAISE EXCEPTION 'exposures cannot be recorded'
			USING ERRCODE = 'invalid_parameter_value', DETAIL = format('Of %s exposures: subject missing or of the wrong form %s.', n, bad_keys),
				HINT = 'Nothing was recorded.';
	END IF;

	LOCK TABLE personalize.exposure IN ROW EXCLUSIVE MODE;
	IF cardinality(trial_nos) > 0 THEN
		LOCK TABLE personalize.assignment IN ROW EXCLUSIVE MODE;
	END IF;
	FOREACH kind_no IN ARRAY ARRAY(SELECT DISTINCT u.kind FROM unnest(item_kinds) AS u (kind) ORDER BY u.kind) LOOP
		wanted := ARRAY(SELECT DISTINCT u.key COLLATE "C" FROM unnest(item_keys, item_kinds) AS u (key, kind) WHERE u.kind = kind_no ORDER BY 1);
		SELECT l.nos, l.found_keys INTO here_nos, here_keys FROM personalize.subjects_lock_internal(kind_no, wanted) AS l;
		/* nobody gets a number by being refused */
		new_keys := ARRAY(SELECT DISTINCT x.key COLLATE "C"
			FROM (SELECT DISTINCT u.key, u.purpose FROM unnest(item_keys, item_kinds, item_purposes) AS u (key, kind, purpose)
					LEFT JOIN unnest(here_keys) AS h (key) ON h.key = u.key
				WHERE u.kind = kind_no AND h.key IS NULL) AS x
			WHERE (SELECT d.permitted FROM personalize.decision_internal(kind_no, x.key, x.purpose, NULL) AS d)
			ORDER BY 1);
		IF cardinality(new_keys) > 0 THEN
			IF kind_no = 0 THEN
				kind_no := personalize.ensure_kind_internal('subject');
				item_kinds := array_replace(item_kinds, 0, kind_no);
			END IF;
			SELECT here_nos || array_agg(x.no ORDER BY x.ord), here_keys || new_keys INTO here_nos, here_keys
				FROM (SELECT personalize.subject_no_internal(kind_no, u.key, true) AS no, u.ord
					FROM unnest(new_keys) WITH ORDINALITY AS u (key, ord) ORDER BY u.ord) AS x;
		END IF;
		found_nos := found_nos || here_nos;
		found_keys := found_keys || here_keys;
		found_kinds := found_kinds || array_fill(kind_no, ARRAY[coalesce(cardinality(here_nos), 0)]);
	END LOOP;
	/* held already, unless they were joined while we waited */
	IF EXISTS (SELECT FROM personalize.linked) THEN
		nos := ARRAY(SELECT DISTINCT m.subject_no FROM unnest(found_nos) AS u (no)
			JOIN personalize.linked AS l ON l.subject_no = u.no JOIN personalize.linked AS m ON m.group_no = l.group_no);
		PERFORM personalize.linked_lock_internal(nos);
	END IF;

	/* statements of their own: they see what whoever held the locks before has recorded */
	now_is := clock_timestamp();
	WITH item AS MATERIALIZED (
		SELECT i.ord, f.no, i.kind, i.key, i.purpose, (SELECT l.group_no FROM personalize.linked AS l WHERE l.subject_no = f.no) AS group_no,
			i.experiment, (SELECT t.no FROM unnest(trial_names, trial_nos) AS t (name, no) WHERE t.name = i.experiment) AS trial
		FROM unnest(item_keys, item_kinds, item_purposes, experiments) WITH ORDINALITY AS i (key, kind, purpose, experiment, ord)
			JOIN unnest(found_keys, found_kinds, found_nos) AS f (key, kind, no) ON f.key = i.key AND f.kind = i.kind),
	/* how often the person may still be reached; NULL: as often as you like */
	room AS MATERIALIZED (
		SELECT x.person, x.purpose, (SELECT min(c.max_uses - (SELECT count(*) FROM personalize.exposure AS e
				WHERE e.subject_no = ANY (x.nos) AND e.purpose_id = x.purpose AND e.at > (now_is AT TIME ZONE interval '0' - c.per) AT TIME ZONE interval '0'
					/* a month after the 31st is sooner over than a month before today goes back */
					AND (e.at AT TIME ZONE interval '0' + c.per) AT TIME ZONE interval '0' > now_is))
			FROM personalize.frequency_cap AS c WHERE c.purpose_id = x.purpose) AS most
		FROM (SELECT y.person, y.purpose, CASE WHEN y.group_no IS NULL THEN ARRAY[y.person]
				ELSE ARRAY(SELECT m.subject_no FROM personalize.linked AS m WHERE m.group_no = y.group_no) END AS nos
			FROM (SELECT DISTINCT coalesce(t.group_no, t.no) AS person, t.group_no, t.purpose FROM item AS t) AS y) AS x),
	may AS MATERIALIZED (
		SELECT x.no, x.purpose FROM (SELECT DISTINCT t.no, t.kind, t.key, t.purpose FROM item AS t) AS x
		WHERE (SELECT d.permitted FROM personalize.decision_internal(x.kind, x.key, x.purpose, NULL) AS d)),
	/* who may be reached is enrolled, the holdout, too: see record_exposure() */
	enrolled AS MATERIALIZED (
		SELECT x.no, x.purpose, x.trial, v.variant
		FROM (SELECT DISTINCT t.no, t.group_no, t.purpose, t.experiment, t.trial FROM item AS t JOIN may AS m ON m.no = t.no AND m.purpose = t.purpose
				WHERE t.trial IS NOT NULL ORDER BY t.no) AS x
			LEFT JOIN personalize.assignment AS a ON a.experiment_id = x.trial AND a.subject_no = x.no AND x.group_no IS NULL
			CROSS JOIN LATERAL (SELECT CASE WHEN a.variant IS NOT NULL THEN a.variant ELSE
				(SELECT e.variant FROM personalize.enrol_internal(x.experiment, x.purpose, CASE WHEN x.group_no IS NULL THEN ARRAY[x.no]
					ELSE ARRAY(SELECT m.subject_no FROM personalize.linked AS m WHERE m.group_no = x.group_no) END) AS e) END AS variant) AS v),
	chosen AS (
		SELECT y.ord, y.no, y.group_no, y.purpose, y.trial, y.variant, y.place = y.most AS is_last, nextval('personalize.exposure_exposure_id_seq') AS id
		FROM (SELECT x.* FROM (SELECT t.ord, t.no, t.group_no, t.purpose, t.trial, z.variant, r.most,
					row_number() OVER (PARTITION BY r.person, t.purpose ORDER BY t.ord) AS place
				FROM item AS t JOIN may AS m ON m.no = t.no AND m.purpose = t.purpose
					JOIN room AS r ON r.person = coalesce(t.group_no, t.no) AND r.purpose = t.purpose
					LEFT JOIN enrolled AS z ON z.no = t.no AND z.purpose = t.purpose AND z.trial = t.trial
				WHERE z.variant IS DISTINCT FROM 'holdout') AS x
			WHERE x.most IS NULL OR x.place <= x.most ORDER BY x.ord) AS y),
	written AS (
		INSERT INTO personalize.exposure (exposure_id, subject_no, purpose_id, at, item, explanation, experiment_id, variant) OVERRIDING SYSTEM VALUE
			SELECT c.id, c.no, c.purpose, now_is, u.item, u.explanation, c.trial, c.variant
			FROM chosen AS c JOIN unnest(subjects, items, explanations) WITH ORDINALITY AS u (subject, item, explanation, ord) ON u.ord = c.ord
			ORDER BY c.ord)
	SELECT array_agg(c.id ORDER BY g.ord), array_agg(c.no ORDER BY g.ord) FILTER (WHERE c.is_last), array_agg(c.group_no ORDER BY g.ord) FILTER (WHERE c.is_last),
			array_agg(c.purpose ORDER BY g.ord) FILTER (WHERE c.is_last)
		INTO ids, full_nos, full_groups, full_purposes
		FROM generate_series(1, n) AS g (ord) LEFT JOIN chosen AS c ON c.ord = g.ord;

	/* who has reached a cap now: see cap_reached_internal() */
	IF full_nos IS NOT NULL THEN
		INSERT INTO personalize.suppression AS s (subject_no, purpose_id, cause, cause_id, until)
			SELECT m.no, x.purpose_id, 'cap', c.cap_id, (k.at AT TIME ZONE interval '0' + c.per) AT TIME ZONE interval '0'
			FROM (SELECT u.purpose AS purpose_id, CASE WHEN u.group_no IS NULL THEN ARRAY[u.no]
						ELSE ARRAY(SELECT o.subject_no FROM personalize.linked AS o WHERE o.group_no = u.group_no) END AS nos
					FROM unnest(full_nos, full_groups, full_purposes) AS u (no, group_no, purpose)) AS x
				JOIN personalize.frequency_cap AS c ON c.purpose_id = x.purpose_id
				CROSS JOIN LATERAL (SELECT e.at FROM personalize.exposure AS e
					WHERE e.subject_no = ANY (x.nos) AND e.purpose_id = x.purpose_id AND e.at > (now_is AT TIME ZONE interval '0' - c.per) AT TIME ZONE interval '0'
					ORDER BY e.at DESC OFFSET c.max_uses - 1 LIMIT 1) AS k
				CROSS JOIN LATERAL unnest(x.nos) AS m (no)
			ORDER BY m.no, x.purpose_id, c.cap_id
			ON CONFLICT ON CONSTRAINT suppression_pkey DO UPDATE SET until = greatest(s.until, EXCLUDED.until), since = EXCLUDED.since;
	END IF;
	RETURN ids;
END
$$;
COMMENT ON FUNCTION personalize.exposures_internal(text[], text[], text[], text[], text[], text[]) IS
	'Records many exposures in the order given; returns the number of each, NULL for those that may not be shown';

CREATE OR REPLACE FUNCTION personalize.record_exposures(subjects text[], purpose text, items text[] DEFAULT NULL, explanations text[] DEFAULT NULL,
	experiment text DEFAULT NULL, kind text DEFAULT 'subject')
RETURNS bigint[]
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	n integer := coalesce(cardinality(record_exposures.subjects), 0);
BEGIN
	IF record_exposures.subjects IS NULL THEN
		RAISE EXCEPTION 'subjects must not be null' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	PERFORM personalize.purpose_id_internal(record_exposures.purpose, 'consent');
	PERFORM personalize.kind_id_internal(record_exposures.kind);
	RETURN personalize.exposures_internal(record_exposures.subjects, array_fill(record_exposures.kind, ARRAY[n]), array_fill(record_exposures.purpose, ARRAY[n]),
		record_exposures.items, record_exposures.explanations,
		CASE WHEN record_exposures.experiment IS NOT NULL THEN array_fill(record_exposures.experiment, ARRAY[n]) END);
END
$$;
COMMENT ON FUNCTION personalize.record_exposures(text[], text, text[], text[], text, text) IS
	'record_exposure() for many persons in one call; returns the number of each exposure in their order, NULL where it may not be shown';

CREATE OR REPLACE FUNCTION personalize.record_exposures(source regclass)
RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	known bigint;				/* how many rows there are */
	taken bigint := 0;
	rows_of refcursor;
	batch record;
	ids bigint[];
	told bigint;
	total bigint := 0;
BEGIN
	SELECT s.rows_of, s.known INTO rows_of, known FROM personalize.source_open_internal('record_exposures', record_exposures.source, ARRAY[
			['subject', 'text', 'int2,int4,int8,uuid,text,varchar', 'required'],
			['purpose', 'text', 'text,varchar', 'required'],
			['item', 'text', 'int2,int4,int8,uuid,text,varchar', 'optional'],
			['explanation', 'text', 'text,varchar', 'optional'],
			['experiment', 'text', 'text,varchar', 'optional'],
			['kind', 'text', 'text,varchar', 'optional'],
			['exposure_id', 'int8', 'int8', 'exact']], told => 'exposure_id') AS s;
	LOOP
		FETCH rows_of INTO batch;
		EXIT WHEN NOT FOUND;
		PERFORM personalize.progress_recording_internal('record_exposures', 'recording', taken, known, record_exposures.source);
		taken := taken + cardinality(batch.subject);
		ids := personalize.exposures_internal(batch.subject, batch.kind, batch.purpose, batch.item, batch.explanation, batch.experiment);
		total := total + cardinality(array_remove(ids, NULL));
		/* there is a column for what was recorded */
		IF batch.personalize_place IS NOT NULL THEN
			EXECUTE format('UPDATE %s AS t SET exposure_id = u.id FROM unnest($1, $2, $3) AS u (place, tableoid, id)'
				' WHERE t.ctid OPERATOR(pg_catalog.=) u.place AND t.tableoid OPERATOR(pg_catalog.=) u.tableoid', record_exposures.source)
				USING batch.personalize_place, batch.personalize_table, ids;
			GET DIAGNOSTICS told = ROW_COUNT;
			/* NULL would say that nothing was shown */
			IF told <> cardinality(ids) THEN
				RAISE EXCEPTION 'column exposure_id of relation % cannot be written for % rows', record_exposures.source, cardinality(ids) - told
					USING ERRCODE = 'object_not_in_prerequisite_state',
						HINT = 'Whoever has reached the frequency cap is withheld from then on. State a purpose that has none, or leave the column out; nothing was recorded.';
			END IF;
		END IF;
	END LOOP;
	CLOSE rows_of;
	PERFORM personalize.progress_recording_internal('record_exposures', NULL);
	RETURN total;
END
$$;
COMMENT ON FUNCTION personalize.record_exposures(regclass) IS
	'Records exposures from a table or view with columns subject, purpose and any of item, explanation, experiment, kind, in its physical order, all caps kept; a column exposure_id of a table gets the number of each, NULL where it may not be shown; returns how many were recorded';
