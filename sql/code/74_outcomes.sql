/*
 * Outcomes: what people did after something was shown, or not, to them.
 *
 * A metric is measured for a purpose, like every use of personal data: an outcome is
 * kept if the person permits that purpose, now and at the time of the outcome.  A
 * frequency cap does not stand against it: whoever has been reached often enough may
 * still click on what was shown last.  An exclusion does.
 */

CREATE OR REPLACE FUNCTION personalize.metric_internal(metric text)
RETURNS personalize.metric
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	m personalize.metric;
BEGIN
	IF metric_internal.metric IS NULL THEN
		RAISE EXCEPTION 'metric must not be null' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	SELECT x.* INTO m FROM personalize.metric AS x WHERE x.name = metric_internal.metric;
	IF m.metric_id IS NULL THEN
		RAISE EXCEPTION 'metric "%" does not exist', personalize.shown_internal(metric_internal.metric)
			USING ERRCODE = 'undefined_object', HINT = 'The view personalize.metric_list lists them; define_metric() makes one.';
	END IF;
	RETURN m;
END
$$;
COMMENT ON FUNCTION personalize.metric_internal(text) IS 'A metric by its name';

CREATE OR REPLACE FUNCTION personalize.define_metric(name text, purpose text, measures text DEFAULT 'conversion', description text DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	id integer;
	m personalize.metric;
BEGIN
	PERFORM personalize.registry_begin_internal();
	PERFORM personalize.require_newest_internal();
	PERFORM personalize.check_name_internal('metric', define_metric.name);
	id := personalize.purpose_id_internal(define_metric.purpose, 'consent');
	IF define_metric.measures IS NULL OR define_metric.measures NOT IN ('conversion', 'click', 'satisfaction', 'purchase', 'other') THEN
		RAISE EXCEPTION 'a metric cannot measure "%"', personalize.shown_internal(coalesce(define_metric.measures, 'null'))
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Use conversion, click, satisfaction, purchase or other.';
	END IF;
	/* nobody records an outcome meanwhile */
	LOCK TABLE personalize.outcome IN SHARE ROW EXCLUSIVE MODE;
	SELECT x.* INTO m FROM personalize.metric AS x WHERE x.name = define_metric.name;
	IF m.metric_id IS NULL THEN
		INSERT INTO personalize.metric (name, purpose_id, measures, description, defined_by)
			VALUES (define_metric.name, id, define_metric.measures, define_metric.description, session_user);
		RETURN;
	END IF;
	IF (m.purpose_id <> id OR m.measures <> define_metric.measures)
		AND EXISTS (SELECT FROM personalize.outcome AS o WHERE o.metric_id = m.metric_id) THEN
		RAISE EXCEPTION 'what metric "%" measures, and for which purpose, cannot be changed: outcomes are recorded', m.name
			USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Define a new one under another name.';
	END IF;
	UPDATE personalize.metric AS x SET purpose_id = id, measures = define_metric.measures, description = define_metric.description
		WHERE x.metric_id = m.metric_id;
END
$$;
COMMENT ON FUNCTION personalize.define_metric(text, text, text, text) IS
	'What is measured (conversion, click, satisfaction, purchase with the amount as value, other), and for which purpose; again with the same name changes it while there are no outcomes';

CREATE OR REPLACE VIEW personalize.metric_list AS
	SELECT m.name AS metric, p.name AS purpose, m.measures, m.description, m.defined_at, m.defined_by
	FROM personalize.metric AS m JOIN personalize.registry_purpose AS p ON p.purpose_id = m.purpose_id;
COMMENT ON VIEW personalize.metric_list IS 'What is measured, and for which purpose';

CREATE OR REPLACE FUNCTION personalize.measurable_internal(kind_id integer, key text, purpose_id integer, at timestamptz)
RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
BEGIN
	IF NOT (SELECT d.permitted FROM personalize.decision_internal(kind_id, key, purpose_id, NULL) AS d)
		/* as of a moment nothing is capped */
		AND (NOT (SELECT d.permitted FROM personalize.decision_internal(kind_id, key, purpose_id, clock_timestamp()) AS d)
			OR EXISTS (SELECT FROM personalize.suppression AS x JOIN personalize.subject AS s ON s.subject_no = x.subject_no
				WHERE s.kind_id = measurable_internal.kind_id AND s.key = measurable_internal.key COLLATE "C"
					AND x.cause <> 'cap' AND x.until > clock_timestamp()
					/* exclusions reach as src/consent_suppression.c says */
					AND (x.purpose_id = ANY (personalize.purposes_above_internal(ARRAY[measurable_internal.purpose_id]))
						OR (x.purpose_id = 0 AND (SELECT p.legal_basis FROM personalize.registry_purpose AS p WHERE p.purpose_id = measurable_internal.purpose_id)
							IN ('consent', 'explicit_consent', 'legitimate_interest'))))) THEN
		RETURN false;
	END IF;
	/* now() is when the transaction began: what is said to have happened then happens now */
	RETURN at >= now() OR (SELECT d.permitted FROM personalize.decision_internal(kind_id, key, purpose_id, at) AS d);
END
$$;
COMMENT ON FUNCTION personalize.measurable_internal(integer, text, integer, timestamptz) IS
	'Whether what a person did at a time may be measured for a purpose: permitted now and then, a frequency cap aside';

CREATE OR REPLACE FUNCTION personalize.check_outcome_internal(value double precision, at timestamptz)
RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	/* fourth powers of what is larger or smaller are no numbers, and no figure could be computed any more; NaN is greater than all */
	IF (value = 0 OR abs(value) BETWEEN 1e-50 AND 1e50) IS NOT TRUE THEN
		RAISE EXCEPTION 'value must be 0, or a number from 1e-50 to 1e50, or the negative of one' USING ERRCODE = 'invalid_parameter_value';
	END IF;
	IF at IS NULL OR at > clock_timestamp() OR at = '-infinity' THEN
		RAISE EXCEPTION 'at must be a time that has been' USING ERRCODE = 'invalid_parameter_value';
	END IF;
END
$$;
COMMENT ON FUNCTION personalize.check_outcome_internal(double precision, timestamptz) IS 'Refuses what cannot be an outcome';

CREATE OR REPLACE FUNCTION personalize.record_outcome(subject text, metric text, value double precision DEFAULT 1, at timestamptz DEFAULT now(),
	kind text DEFAULT 'subject')
RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	m personalize.metric;
	kind_no integer;
	wanted text;
	no bigint;
	id bigint;
BEGIN
	PERFORM personalize.require_preloaded_internal();
	PERFORM personalize.require_newest_internal();
	PERFORM personalize.check_outcome_internal(record_outcome.value, record_outcome.at);
	kind_no := personalize.kind_id_internal(record_outcome.kind);
	wanted := personalize.canonical_key_internal(record_outcome.kind, record_outcome.subject);
	LOCK TABLE personalize.outcome IN ROW EXCLUSIVE MODE;
	m := personalize.metric_internal(record_outcome.metric);
	PERFORM personalize.linked_lock_key_internal(kind_no, wanted);
	no := personalize.subject_no_internal(kind_no, wanted, false);
	/* a statement of its own: it sees what whoever held the lock before has recorded */
	IF NOT personalize.measurable_internal(kind_no, wanted, m.purpose_id, record_outcome.at) THEN
		RETURN NULL;
	END IF;
	IF no IS NULL THEN
		no := personalize.subject_no_internal(CASE kind_no WHEN 0 THEN personalize.ensure_kind_internal(record_outcome.kind) ELSE kind_no END, wanted, true);
	END IF;
	INSERT INTO personalize.outcome AS o (subject_no, metric_id, value, at) VALUES (no, m.metric_id, record_outcome.value, record_outcome.at)
		RETURNING o.outcome_id INTO id;
	RETURN id;
END
$$;
COMMENT ON FUNCTION personalize.record_outcome(text, text, double precision, timestamptz, text) IS
	'Records what a person did; NULL, and nothing is kept, if the person does not permit the purpose of the metric now, or did not at the time';

CREATE OR REPLACE FUNCTION personalize.record_outcome_batch_internal(subjects text[], metrics text[], "values" double precision[], ats timestamptz[], kinds text[])
RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_nestloop = off	/* arrays look small to a generic plan and are not */
SET enable_mergejoin = off
SET jit = off	/* what is off costs so much that it would compile every time */
AS $$
#variable_conflict use_column
DECLARE
	n integer := coalesce(cardinality(subjects), 0);
	now_is timestamptz := now();
	bad bigint;
	one record;
	numbers integer[];			/* of kinds, by row */
	keys text[];				/* canonical, by row */
	here bigint[];
	written bigint;
BEGIN
	PERFORM personalize.require_preloaded_internal();
	PERFORM personalize.require_newest_internal();
	/* NULL: a value, a time or a kind for none of them */
	"values" := coalesce("values", array_fill(NULL::double precision, ARRAY[n]));
	ats := coalesce(ats, array_fill(NULL::timestamptz, ARRAY[n]));
	kinds := coalesce(kinds, array_fill(NULL::text, ARRAY[n]));
	IF coalesce(array_ndims(subjects), 1) <> 1 OR (SELECT bool_or(coalesce(u.size, 0) <> n)
			FROM unnest(ARRAY[cardinality(metrics), cardinality("values"), cardinality(ats), cardinality(kinds)]) AS u (size)) THEN
		RAISE EXCEPTION 'arrays of a batch must be of one length' USING ERRCODE = 'invalid_parameter_value';
	END IF;
	IF n = 0 THEN
		RETURN 0;
	END IF;
	LOCK TABLE personalize.outcome IN ROW EXCLUSIVE MODE;
	/* names once each */
	FOR one IN SELECT DISTINCT u.metric AS metric FROM unnest(metrics) AS u (metric) LOOP
		PERFORM personalize.metric_internal(one.metric);
	END LOOP;
	FOR one IN SELECT DISTINCT coalesce(u.kind, 'subject') AS kind FROM unnest(kinds) AS u (kind) LOOP
		PERFORM personalize.kind_id_internal(one.kind);
		IF one.kind = 'subject' THEN
			PERFORM personalize.ensure_kind_internal(one.kind);
		END IF;
	END LOOP;
	SELECT count(*) INTO bad FROM unnest("values", ats) AS u (value, at)
		WHERE NOT (u.value = 0 OR abs(coalesce(u.value, 1)) BETWEEN 1e-50 AND 1e50) OR u.at > clock_timestamp() OR u.at = '-infinity';
	IF bad > 0 THEN
		RAISE EXCEPTION '% rows have a value that cannot be, or a time that has not been', bad USING ERRCODE = 'invalid_parameter_value';
	END IF;
	SELECT array_agg(k.kind_id ORDER BY u.ord),
			array_agg(CASE WHEN u.subject <> '' AND octet_length(u.subject) <= 1024 THEN personalize.canonical_or_null_internal(k.key_type, u.subject) END ORDER BY u.ord)
		INTO numbers, keys
		FROM unnest(subjects, kinds) WITH ORDINALITY AS u (subject, kind, ord)
			JOIN personalize.registry_kind AS k ON k.name = coalesce(u.kind, 'subject');
	bad := (SELECT count(*) FROM unnest(keys) AS u (key) WHERE u.key IS NULL);
	IF bad > 0 THEN
		RAISE EXCEPTION '% rows have a subject that is no key of its kind', bad
			USING ERRCODE = 'invalid_parameter_value', HINT = 'The view personalize.protected_relations has the kinds; nothing was recorded.';
	END IF;
	FOR one IN SELECT u.kind_id AS kind_id, array_agg(DISTINCT u.key) AS keys FROM unnest(numbers, keys) AS u (kind_id, key) GROUP BY 1 ORDER BY 1 LOOP
		here := (personalize.subjects_lock_internal(one.kind_id, one.keys)).nos;
	END LOOP;
	/* a statement of its own: it sees what whoever held the locks before has recorded; a person once, where it is about now */
	WITH input AS MATERIALIZED (
		SELECT u.ord, u.kind_id, u.key, m.metric_id, m.purpose_id, coalesce(u.value, 1) AS value, coalesce(u.at, now_is) AS at
		FROM unnest(numbers, keys, metrics, "values", ats) WITH ORDINALITY AS u (kind_id, key, metric, value, at, ord)
			JOIN personalize.metric AS m ON m.name = u.metric),
	decided AS MATERIALIZED (
		SELECT x.kind_id, x.key, x.purpose_id, x.at, personalize.measurable_internal(x.kind_id, x.key, x.purpose_id, x.at) AS yes
		FROM (SELECT DISTINCT i.kind_id, i.key, i.purpose_id, least(i.at, now_is) AS at FROM input AS i) AS x),
	kept AS MATERIALIZED (
		SELECT i.* FROM input AS i JOIN decided AS d
			ON d.yes AND d.kind_id = i.kind_id AND d.key = i.key AND d.purpose_id = i.purpose_id AND d.at = least(i.at, now_is)),
	/* of somebody who need not have said anything there may be no number yet */
	person AS MATERIALIZED (
		SELECT x.kind_id, x.key, coalesce(s.subject_no, personalize.subject_no_internal(x.kind_id, x.key, true)) AS subject_no
		FROM (SELECT DISTINCT k.kind_id, k.key FROM kept AS k ORDER BY 1, 2) AS x
			LEFT JOIN personalize.subject AS s ON s.kind_id = x.kind_id AND s.key = x.key)
	INSERT INTO personalize.outcome (subject_no, metric_id, value, at)
		SELECT p.subject_no, k.metric_id, k.value, k.at FROM kept AS k JOIN person AS p ON p.kind_id = k.kind_id AND p.key = k.key ORDER BY k.ord;
	GET DIAGNOSTICS written = ROW_COUNT;
	RETURN written;
END
$$;
COMMENT ON FUNCTION personalize.record_outcome_batch_internal(text[], text[], double precision[], timestamptz[], text[]) IS
	'Records many outcomes; those that may not be measured are left out; returns how many were kept';

CREATE OR REPLACE FUNCTION personalize.record_outcomes(source regclass)
RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	known bigint;				/* how many rows there are */
	taken bigint := 0;
	rows_of refcursor;
	batch record;
	total bigint := 0;
BEGIN
	SELECT s.rows_of, s.known INTO rows_of, known FROM personalize.source_open_internal('record_outcomes', record_outcomes.source, ARRAY[
			['subject', 'text', 'int2,int4,int8,uuid,text,varchar', 'required'],
			['metric', 'text', 'text,varchar', 'required'],
			['value', 'float8', 'int2,int4,int8,float4,float8', 'optional'],
			['at', 'timestamptz', 'timestamptz', 'optional'],
			['kind', 'text', 'text,varchar', 'optional']]) AS s;
	LOOP
		FETCH rows_of INTO batch;
		EXIT WHEN NOT FOUND;
		PERFORM personalize.progress_recording_internal('record_outcomes', 'recording', taken, known, record_outcomes.source);
		taken := taken + cardinality(batch.subject);
		total := total + personalize.record_outcome_batch_internal(batch.subject, batch.metric, batch.value, batch.at, batch.kind);
	END LOOP;
	CLOSE rows_of;
	PERFORM personalize.progress_recording_internal('record_outcomes', NULL);
	RETURN total;
END
$$;
COMMENT ON FUNCTION personalize.record_outcomes(regclass) IS
	'Records many outcomes from a table or view shaped like the arguments of record_outcome(); returns how many were kept, the others may not be measured';

CREATE OR REPLACE FUNCTION personalize.export_outcomes_internal(no bigint)
RETURNS jsonb
LANGUAGE sql STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT jsonb_strip_nulls(jsonb_build_object(
		'outcomes', (SELECT jsonb_agg(jsonb_build_object('at', o.at, 'metric', m.name, 'value', o.value, 'purpose', p.name) ORDER BY o.at, o.outcome_id)
			FROM personalize.outcome AS o JOIN personalize.metric AS m ON m.metric_id = o.metric_id
				JOIN personalize.registry_purpose AS p ON p.purpose_id = m.purpose_id
			WHERE o.subject_no = ANY (personalize.numbers_internal($1)))))
$$;
COMMENT ON FUNCTION personalize.export_outcomes_internal(bigint) IS 'What was measured of a person, for exports';

CREATE OR REPLACE FUNCTION personalize.outcome_erased_internal()
RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	DELETE FROM personalize.outcome AS o USING now_is AS n WHERE n.key IS NULL AND o.subject_no = n.subject_no;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION personalize.outcome_erased_internal() IS 'Takes what was measured of a person away with the key; trigger on personalize.subject';
CREATE OR REPLACE TRIGGER outcome_erased AFTER UPDATE ON personalize.subject REFERENCING NEW TABLE AS now_is
	FOR EACH STATEMENT EXECUTE FUNCTION personalize.outcome_erased_internal();
COMMENT ON TRIGGER outcome_erased ON personalize.subject IS 'Takes what was measured of a person away with the key';
