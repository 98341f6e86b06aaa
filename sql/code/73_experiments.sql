/*
 * Experiments: who gets which variant, and who gets nothing personalized at all.
 *
 * The variant of a person is where SHA-256 of the salt of the experiment, the kind and
 * the key of the person falls, read as a number between 0 and 1: first the holdout, then the
 * variants by their weights.  Of several identities of a person the first counts.  What
 * came out is recorded and stays, whatever becomes of the weights or of the identities.
 *
 * Only who permits the purpose is enrolled, at the moment at which something would be
 * shown first: in the holdout as elsewhere, so that both sides consist of those who
 * would have been reached (Kohavi, Tang and Xu, Trustworthy Online Controlled
 * Experiments, 2020, chapter 20).  Consent comes first in every call: somebody who is
 * enrolled and does not permit the purpose any more gets NULL.
 */

CREATE OR REPLACE FUNCTION personalize.experiment_internal(experiment text)
RETURNS personalize.experiment
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	e personalize.experiment;
BEGIN
	IF experiment_internal.experiment IS NULL THEN
		RAISE EXCEPTION 'experiment must not be null' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	SELECT x.* INTO e FROM personalize.experiment AS x WHERE x.name = experiment_internal.experiment;
	IF e.experiment_id IS NULL THEN
		RAISE EXCEPTION 'experiment "%" does not exist', personalize.shown_internal(experiment_internal.experiment)
			USING ERRCODE = 'undefined_object', HINT = 'The view personalize.experiments lists them; define_experiment() makes one.';
	END IF;
	RETURN e;
END
$$;
COMMENT ON FUNCTION personalize.experiment_internal(text) IS 'An experiment by its name';

CREATE OR REPLACE FUNCTION personalize.variant_names_internal(variants text[])
RETURNS text[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	variant text;
BEGIN
	IF variant_names_internal.variants IS NULL OR cardinality(variant_names_internal.variants) = 0 THEN
		RAISE EXCEPTION 'variants must not be empty'
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Name at least one, for example {control,treatment}.';
	END IF;
	IF array_ndims(variant_names_internal.variants) <> 1 OR cardinality(variant_names_internal.variants) > 100 THEN
		RAISE EXCEPTION 'variants must be a plain list of at most 100 names' USING ERRCODE = 'invalid_parameter_value';
	END IF;
	FOREACH variant IN ARRAY variant_names_internal.variants LOOP
		PERFORM personalize.check_name_internal('variant', variant);
		IF lower(variant) IN ('holdout', 'personalized') THEN
			RAISE EXCEPTION 'a variant cannot be named "%"', variant
				USING ERRCODE = 'reserved_name', HINT = 'The argument holdout says how many get nothing personalized; "personalized" stands for all variants in lift().';
		END IF;
	END LOOP;
	IF cardinality(variant_names_internal.variants) <> (SELECT count(DISTINCT u.name) FROM unnest(variant_names_internal.variants) AS u (name)) THEN
		RAISE EXCEPTION 'variants must differ' USING ERRCODE = 'invalid_parameter_value';
	END IF;
	RETURN ARRAY(SELECT u.name FROM unnest(variant_names_internal.variants) WITH ORDINALITY AS u (name, place) ORDER BY u.place);
END
$$;
COMMENT ON FUNCTION personalize.variant_names_internal(text[]) IS 'Names of variants; an error if they cannot be';

CREATE OR REPLACE FUNCTION personalize.define_experiment(name text, purpose text, variants text[] DEFAULT '{control,treatment}',
	holdout numeric DEFAULT 0.1, weights numeric[] DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	names text[];
	shares numeric[];
	id integer;
	e personalize.experiment;
BEGIN
	PERFORM personalize.registry_begin_internal();
	PERFORM personalize.require_newest_internal();
	PERFORM personalize.check_name_internal('experiment', define_experiment.name);
	id := personalize.purpose_id_internal(define_experiment.purpose, 'consent');
	names := personalize.variant_names_internal(define_experiment.variants);
	/* NaN is greater than all numbers; by what next to nobody is expected in no figure can be divided */
	IF define_experiment.holdout IS NULL OR (define_experiment.holdout <> 0 AND define_experiment.holdout NOT BETWEEN 1e-6 AND 1 - 1e-6) THEN
		RAISE EXCEPTION 'holdout must be 0, or from 0.000001 to 0.999999' USING ERRCODE = 'invalid_parameter_value', HINT = '0.1 keeps one in ten out.';
	END IF;
	shares := coalesce(define_experiment.weights, array_fill(1::numeric, ARRAY[cardinality(names)]));
	IF array_ndims(shares) IS DISTINCT FROM 1 OR cardinality(shares) <> cardinality(names)
		OR EXISTS (SELECT FROM unnest(shares) AS u (share) WHERE u.share IS NULL OR (u.share <> 0 AND u.share NOT BETWEEN 1e-9 AND 1e9))
		OR (SELECT sum(u.share) FROM unnest(shares) AS u (share)) = 0 THEN
		RAISE EXCEPTION 'weights must be 0 or from 1e-9 to 1e9, one for each variant, and not all 0' USING ERRCODE = 'invalid_parameter_value', HINT = 'NULL: all alike.';
	END IF;
	/* nobody is enrolled meanwhile */
	LOCK TABLE personalize.assignment IN SHARE ROW EXCLUSIVE MODE;
	SELECT x.* INTO e FROM personalize.experiment AS x WHERE x.name = define_experiment.name;
	IF e.experiment_id IS NULL THEN
		INSERT INTO personalize.experiment AS x (name, purpose_id, variants, salt, defined_by)
			VALUES (define_experiment.name, id, names,
				uuid_send(personalize.record_id_internal()) || uuid_send(personalize.record_id_internal()), session_user)
			RETURNING x.* INTO e;
	ELSE
		IF e.ended_at IS NOT NULL THEN
			RAISE EXCEPTION 'experiment "%" has ended', e.name
				USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Define a new one under another name.';
		END IF;
		IF (e.purpose_id <> id OR e.variants <> names)
			AND EXISTS (SELECT FROM personalize.assignment AS a WHERE a.experiment_id = e.experiment_id) THEN
			RAISE EXCEPTION 'purpose and variants of experiment "%" cannot be changed: persons are enrolled', e.name
				USING ERRCODE = 'object_not_in_prerequisite_state',
					HINT = 'Weights and holdout can, for those who come. End it, and define a new one under another name.';
		END IF;
		UPDATE personalize.experiment AS x SET purpose_id = id, variants = names, epoch = x.epoch + 1
			WHERE x.experiment_id = e.experiment_id RETURNING x.* INTO e;
	END IF;
	INSERT INTO personalize.experiment_weights (experiment_id, epoch, holdout, weights, set_by)
		VALUES (e.experiment_id, e.epoch, define_experiment.holdout, shares, session_user);
END
$$;
COMMENT ON FUNCTION personalize.define_experiment(text, text, text[], numeric, numeric[]) IS
	'An experiment within a purpose: its variants, how many get nothing personalized (holdout), and how likely the variants are; again with the same name changes it, variants only while nobody is enrolled';

CREATE OR REPLACE FUNCTION personalize.end_experiment(name text)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	e personalize.experiment;
BEGIN
	PERFORM personalize.registry_begin_internal();
	PERFORM personalize.require_newest_internal();
	LOCK TABLE personalize.assignment IN SHARE ROW EXCLUSIVE MODE;
	e := personalize.experiment_internal(end_experiment.name);
	UPDATE personalize.experiment AS x SET ended_at = clock_timestamp() WHERE x.experiment_id = e.experiment_id AND x.ended_at IS NULL;
END
$$;
COMMENT ON FUNCTION personalize.end_experiment(text) IS
	'Ends an experiment, for good: nobody is assigned any more, and the holdout is personalized like all others; what was recorded stays';

CREATE OR REPLACE FUNCTION personalize.assigned_internal(experiment_id integer, nos bigint[])
RETURNS text
LANGUAGE sql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off	/* by index, whatever the statistics say of a table that just grew */
SET jit = off	/* what is off costs so much that it would compile every time */
AS $$
	/* of identities that were joined later, what the person got first */
	SELECT a.variant FROM personalize.assignment AS a WHERE a.experiment_id = $1 AND a.subject_no = ANY ($2) ORDER BY a.at, a.subject_no LIMIT 1
$$;
COMMENT ON FUNCTION personalize.assigned_internal(integer, bigint[]) IS 'The variant that a person got before, by the numbers of all identities';

CREATE OR REPLACE FUNCTION personalize.experiment_for_internal(experiment text, purpose_id integer)
RETURNS personalize.experiment
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	e personalize.experiment;
BEGIN
	e := personalize.experiment_internal(experiment_for_internal.experiment);
	IF e.purpose_id IS DISTINCT FROM experiment_for_internal.purpose_id THEN
		RAISE EXCEPTION 'experiment "%" is not about this purpose', e.name
			USING ERRCODE = 'invalid_parameter_value', HINT = 'The view personalize.experiments names the purpose of each.';
	END IF;
	RETURN e;
END
$$;
COMMENT ON FUNCTION personalize.experiment_for_internal(text, integer) IS 'An experiment by name, which must be about a purpose';

CREATE OR REPLACE FUNCTION personalize.enrol_internal(experiment text, purpose_id integer, nos bigint[])
RETURNS TABLE (experiment_id integer, variant text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	e personalize.experiment;
	w personalize.experiment_weights;
	first record;
	place numeric;
	edge numeric;
	total numeric;
	given text;
	i integer;
BEGIN
	LOCK TABLE personalize.assignment IN ROW EXCLUSIVE MODE;
	e := personalize.experiment_for_internal(enrol_internal.experiment, enrol_internal.purpose_id);
	IF e.ended_at IS NOT NULL THEN
		RETURN;
	END IF;
	given := personalize.assigned_internal(e.experiment_id, nos);
	IF given IS NULL THEN
		SELECT x.* INTO w FROM personalize.experiment_weights AS x WHERE x.experiment_id = e.experiment_id AND x.epoch = e.epoch;
		SELECT k.name AS kind, s.key, s.subject_no INTO first
			FROM personalize.subject AS s JOIN personalize.registry_kind AS k ON k.kind_id = s.kind_id
			WHERE s.subject_no = ANY (nos) AND s.key IS NOT NULL ORDER BY s.subject_no LIMIT 1;
		/* the first 52 bits */
		place := ('x' || left(encode(sha256(e.salt || convert_to(first.kind || ':' || first.key, 'UTF8')), 'hex'), 13))::bit(52)::bigint::numeric
			/ 4503599627370496;
		IF place < w.holdout THEN
			given := 'holdout';
		ELSE
			total := (SELECT sum(u.share) FROM unnest(w.weights) AS u (share));
			edge := 0;
			FOR i IN 1 .. cardinality(e.variants) LOOP
				CONTINUE WHEN w.weights[i] = 0;
				given := e.variants[i];
				edge := edge + w.weights[i];
				EXIT WHEN (place - w.holdout) * total < edge * (1 - w.holdout);
			END LOOP;
		END IF;
		INSERT INTO personalize.assignment (experiment_id, subject_no, variant, epoch)
			VALUES (e.experiment_id, first.subject_no, given, e.epoch);
	END IF;
	experiment_id := e.experiment_id;
	variant := given;
	RETURN NEXT;
END
$$;
COMMENT ON FUNCTION personalize.enrol_internal(text, integer, bigint[]) IS
	'The variant of a person, by the numbers of all identities, of whom all are locked; no row where the experiment has ended';

CREATE OR REPLACE FUNCTION personalize.assign(experiment text, subject text, kind text DEFAULT 'subject')
RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	e personalize.experiment;
	kind_no integer;
	wanted text;
	no bigint;
	nos bigint[];
	given text;
BEGIN
	PERFORM personalize.require_preloaded_internal();
	PERFORM personalize.require_newest_internal();
	e := personalize.experiment_internal(assign.experiment);
	kind_no := personalize.kind_id_internal(assign.kind);
	wanted := personalize.canonical_key_internal(assign.kind, assign.subject);
	IF e.ended_at IS NOT NULL OR NOT (SELECT d.permitted FROM personalize.decision_internal(kind_no, wanted, e.purpose_id, NULL) AS d) THEN
		RETURN NULL;
	END IF;
	/* nearly always: nothing is locked */
	SELECT s.subject_no INTO no FROM personalize.subject AS s WHERE s.kind_id = kind_no AND s.key = wanted COLLATE "C";
	IF no IS NOT NULL THEN
		nos := coalesce(nullif(personalize.linked_numbers_internal(no), '{}'), ARRAY[no]);
		given := personalize.assigned_internal(e.experiment_id, nos);
		IF given IS NOT NULL THEN
			RETURN given;
		END IF;
	END IF;
	LOCK TABLE personalize.assignment IN ROW EXCLUSIVE MODE;
	PERFORM personalize.linked_lock_key_internal(kind_no, wanted);
	no := personalize.subject_no_internal(CASE kind_no WHEN 0 THEN personalize.ensure_kind_internal(assign.kind) ELSE kind_no END, wanted, true);
	/* the person may have said no, or been enrolled, while we waited */
	IF NOT (SELECT d.permitted FROM personalize.decision_internal(kind_no, wanted, e.purpose_id, NULL) AS d) THEN
		RETURN NULL;
	END IF;
	nos := coalesce(nullif(personalize.linked_numbers_internal(no), '{}'), ARRAY[no]);
	RETURN (SELECT x.variant FROM personalize.enrol_internal(assign.experiment, e.purpose_id, nos) AS x);
END
$$;
COMMENT ON FUNCTION personalize.assign(text, text, text) IS
	'The variant of an experiment that a person gets, always the same: one of its variants, or holdout, who must get nothing personalized; NULL for whoever does not permit the purpose, and after the end of the experiment';

/* the twins of the other functions are made in 75_overloads.sql; here the subject is not the first argument */
CREATE OR REPLACE FUNCTION personalize.assign(experiment text, subject bigint, kind text DEFAULT 'subject')
RETURNS text LANGUAGE sql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
BEGIN ATOMIC SELECT personalize.assign(experiment, subject::pg_catalog.text, kind); END;
COMMENT ON FUNCTION personalize.assign(text, bigint, text) IS 'The variant of an experiment that a person gets: see assign(text, text, text)';
CREATE OR REPLACE FUNCTION personalize.assign(experiment text, subject uuid, kind text DEFAULT 'subject')
RETURNS text LANGUAGE sql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT
BEGIN ATOMIC SELECT personalize.assign(experiment, subject::pg_catalog.text, kind); END;
COMMENT ON FUNCTION personalize.assign(text, uuid, text) IS 'The variant of an experiment that a person gets: see assign(text, text, text)';

CREATE OR REPLACE VIEW personalize.experiment_share_internal AS
	SELECT e.experiment_id, w.epoch, u.variant,
		CASE u.place WHEN 0 THEN w.holdout
			ELSE (1 - w.holdout) * w.weights[u.place] / (SELECT pg_catalog.sum(s.weight) FROM pg_catalog.unnest(w.weights) AS s (weight)) END AS share
	FROM personalize.experiment AS e JOIN personalize.experiment_weights AS w ON w.experiment_id = e.experiment_id
		CROSS JOIN LATERAL (SELECT 0 AS place, 'holdout'::text AS variant
			UNION ALL SELECT v.place::integer, v.variant FROM pg_catalog.unnest(e.variants) WITH ORDINALITY AS v (variant, place)) AS u;
COMMENT ON VIEW personalize.experiment_share_internal IS 'How likely each variant is, and was, the holdout among them';

CREATE OR REPLACE VIEW personalize.assignment_person_internal AS
	SELECT DISTINCT ON (a.experiment_id, coalesce(l.group_no, a.subject_no)) a.experiment_id, coalesce(l.group_no, a.subject_no) AS person,
		a.subject_no, a.variant, a.epoch, a.at
	FROM personalize.assignment AS a LEFT JOIN personalize.linked AS l ON l.subject_no = a.subject_no
	ORDER BY a.experiment_id, coalesce(l.group_no, a.subject_no), a.at, a.subject_no;
COMMENT ON VIEW personalize.assignment_person_internal IS 'Who is in which experiment, each person once, by what the first of the identities got';

CREATE OR REPLACE VIEW personalize.experiments AS
	SELECT e.name AS experiment, p.name AS purpose, e.variants, w.weights, w.holdout, e.defined_at, e.defined_by, w.since AS weights_since, e.ended_at,
		(SELECT pg_catalog.count(*) FROM personalize.assignment_person_internal AS a WHERE a.experiment_id = e.experiment_id) AS persons
	FROM personalize.experiment AS e JOIN personalize.registry_purpose AS p ON p.purpose_id = e.purpose_id
		JOIN personalize.experiment_weights AS w ON w.experiment_id = e.experiment_id AND w.epoch = e.epoch;
COMMENT ON VIEW personalize.experiments IS 'Experiments with their variants and weights, and how many persons are enrolled';

CREATE OR REPLACE VIEW personalize.experiment_health AS
	WITH person AS (
		SELECT a.experiment_id, a.epoch, a.variant, pg_catalog.count(*) AS n FROM personalize.assignment_person_internal AS a GROUP BY 1, 2, 3),
	cell AS (
		/* by the weights under which they came, for weights may change */
		SELECT s.experiment_id, s.epoch, s.variant, coalesce(n.n, 0) AS n, t.n * s.share AS expected
		FROM personalize.experiment_share_internal AS s
			JOIN (SELECT p.experiment_id, p.epoch, pg_catalog.sum(p.n) AS n FROM person AS p GROUP BY 1, 2) AS t ON t.experiment_id = s.experiment_id AND t.epoch = s.epoch
			LEFT JOIN person AS n ON n.experiment_id = s.experiment_id AND n.epoch = s.epoch AND n.variant = s.variant),
	test AS (
		SELECT c.experiment_id, pg_catalog.sum(pg_catalog.power(c.n - c.expected, 2) / c.expected)::double precision AS chi_squared,
			(pg_catalog.count(*) - pg_catalog.count(DISTINCT c.epoch))::integer AS df, pg_catalog.min(c.expected) AS least
		FROM cell AS c WHERE c.expected > 0 GROUP BY c.experiment_id),
	total AS (
		SELECT s.experiment_id, s.variant, coalesce(pg_catalog.sum(c.n), 0)::bigint AS persons, coalesce(pg_catalog.sum(c.expected), 0)::double precision AS expected
		FROM (SELECT DISTINCT x.experiment_id, x.variant FROM personalize.experiment_share_internal AS x) AS s
			LEFT JOIN cell AS c ON c.experiment_id = s.experiment_id AND c.variant = s.variant GROUP BY 1, 2)
	SELECT e.name AS experiment, t.variant, t.persons, t.expected,
		(SELECT pg_catalog.count(DISTINCT x.subject_no) FROM personalize.exposure AS x
			WHERE x.experiment_id = e.experiment_id AND x.variant = t.variant) AS exposed,
		q.chi_squared, q.df, personalize.chi_squared_tail_internal(q.chi_squared, pg_catalog.float8(q.df)) AS p_value,
		/* an expected count below 5 says nothing (Cochran 1954) */
		CASE WHEN q.least >= 5 AND q.df > 0 THEN personalize.chi_squared_tail_internal(q.chi_squared, pg_catalog.float8(q.df)) >= 0.001 END AS ok
	FROM personalize.experiment AS e JOIN total AS t ON t.experiment_id = e.experiment_id LEFT JOIN test AS q ON q.experiment_id = e.experiment_id;
COMMENT ON VIEW personalize.experiment_health IS
	'Persons of each variant against what the weights let expect: Pearson''s chi-squared, summed over the weights there were; ok is false where p_value is below 0.001 (sample ratio mismatch), NULL while there are too few';

CREATE OR REPLACE FUNCTION personalize.export_experiments_internal(no bigint)
RETURNS jsonb
LANGUAGE sql STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT jsonb_strip_nulls(jsonb_build_object(
		'experiments', (SELECT jsonb_agg(jsonb_build_object('at', a.at, 'experiment', e.name, 'variant', a.variant) ORDER BY a.at, a.experiment_id)
			FROM personalize.assignment AS a JOIN personalize.experiment AS e ON e.experiment_id = a.experiment_id
			WHERE a.subject_no = ANY (personalize.numbers_internal($1)))))
$$;
COMMENT ON FUNCTION personalize.export_experiments_internal(bigint) IS 'Experiments that a person is in, for exports';

CREATE OR REPLACE FUNCTION personalize.assignment_erased_internal()
RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	DELETE FROM personalize.assignment AS a USING now_is AS n WHERE n.key IS NULL AND a.subject_no = n.subject_no;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION personalize.assignment_erased_internal() IS 'Takes a person out of experiments with the key; trigger on personalize.subject';
CREATE OR REPLACE TRIGGER assignment_erased AFTER UPDATE ON personalize.subject REFERENCING NEW TABLE AS now_is
	FOR EACH STATEMENT EXECUTE FUNCTION personalize.assignment_erased_internal();
COMMENT ON TRIGGER assignment_erased ON personalize.subject IS 'Takes a person out of experiments with the key';
