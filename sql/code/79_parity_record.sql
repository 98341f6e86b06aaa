/*
 * Answers about parity that are kept, for reports: to compute them takes reading data for a
 * purpose, as somebody who may, and that is on record.  A report must not do that by being
 * looked at.  So an officer asks when it is time to, and what is kept names no person.
 */
CREATE OR REPLACE FUNCTION personalize.parity_keep_internal(name text, about text, metric text, purpose text, relation_name text, attribute text,
	since timestamptz, until timestamptz, confidence double precision, groups_hidden integer, figures jsonb)
RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	no bigint;
BEGIN
	IF parity_keep_internal.name IS NULL OR parity_keep_internal.name = '' OR length(parity_keep_internal.name) > 200 THEN
		RAISE EXCEPTION 'name must be a text of 1 to 200 characters' USING ERRCODE = 'invalid_parameter_value', HINT = 'For example ''offers by region''; the newest answer under a name is shown in reports.';
	END IF;
	IF octet_length(parity_keep_internal.figures::text) > 100000 THEN
		RAISE EXCEPTION 'there are too many groups to keep' USING ERRCODE = 'program_limit_exceeded', HINT = 'Use a column with fewer values, for example one that is generated from it.';
	END IF;
	INSERT INTO personalize.parity_record AS r (name, recorded_by, about, metric, purpose, relation_name, attribute, since, until, confidence, groups_hidden, figures)
		VALUES (parity_keep_internal.name, session_user, parity_keep_internal.about, parity_keep_internal.metric, parity_keep_internal.purpose,
			parity_keep_internal.relation_name, parity_keep_internal.attribute, parity_keep_internal.since, parity_keep_internal.until, parity_keep_internal.confidence,
			parity_keep_internal.groups_hidden, parity_keep_internal.figures)
		RETURNING r.record_no INTO no;
	RETURN no;
END
$$;
COMMENT ON FUNCTION personalize.parity_keep_internal(text, text, text, text, text, text, timestamptz, timestamptz, double precision, integer, jsonb) IS
	'Keeps an answer about parity; does the work of record_parity()';

CREATE OR REPLACE FUNCTION personalize.record_parity(name text, purpose text, metric text DEFAULT NULL, relation regclass DEFAULT NULL, attribute name DEFAULT NULL,
	read_for text DEFAULT NULL, since timestamptz DEFAULT '-infinity', until timestamptz DEFAULT 'infinity', confidence double precision DEFAULT 0.95, k integer DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY INVOKER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	figures jsonb;
	hidden integer;
BEGIN
	IF (record_parity.relation IS NULL) <> (record_parity.attribute IS NULL) THEN
		RAISE EXCEPTION 'relation and attribute belong together' USING ERRCODE = 'invalid_parameter_value',
			HINT = 'With both, groups of people are compared; without, those who said no to the purpose with those who said yes.';
	END IF;
	IF record_parity.relation IS NULL THEN
		SELECT coalesce(jsonb_agg(jsonb_build_object('measure', p.measure, 'said', p.said, 'persons', p.persons, 'value', p.value, 'yes_persons', p.yes_persons, 'yes_value', p.yes_value,
				'ratio', p.ratio, 'four_fifths', p.four_fifths, 'difference', p.difference, 'low', p.low, 'high', p.high)) FILTER (WHERE NOT p.suppressed), '[]'),
				count(*) FILTER (WHERE p.suppressed)
			INTO figures, hidden
			FROM personalize.opt_out_parity(record_parity.metric, record_parity.purpose, record_parity.since, record_parity.until, record_parity.confidence, record_parity.k) AS p;
	ELSE
		/* of a group that is too small its value could be a name */
		SELECT coalesce(jsonb_agg(jsonb_build_object('measure', p.measure, 'group', p.group_value, 'persons', p.persons, 'with_it', p.with_it, 'rate', p.rate,
				'ratio', p.ratio, 'four_fifths', p.four_fifths, 'difference', p.difference, 'low', p.low, 'high', p.high)) FILTER (WHERE NOT p.suppressed), '[]'),
				count(*) FILTER (WHERE p.suppressed)
			INTO figures, hidden
			FROM personalize.parity(record_parity.metric, record_parity.relation, record_parity.attribute, record_parity.purpose, record_parity.read_for,
				record_parity.since, record_parity.until, record_parity.confidence, record_parity.k) AS p;
	END IF;
	RETURN personalize.parity_keep_internal(record_parity.name, CASE WHEN record_parity.relation IS NULL THEN 'opt_out' ELSE 'groups' END, record_parity.metric, record_parity.purpose,
		record_parity.relation::text, record_parity.attribute::text, record_parity.since, record_parity.until, record_parity.confidence, hidden, figures);
END
$$;
COMMENT ON FUNCTION personalize.record_parity(text, text, text, regclass, name, text, timestamptz, timestamptz, double precision, integer) IS
	'Keeps under a name, for reports, what parity() says about groups by a column of a relation, or, without these, what opt_out_parity() says; returns its number';

CREATE OR REPLACE FUNCTION personalize.forget_parity(name text)
RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	gone bigint;
BEGIN
	PERFORM personalize.registry_begin_internal();
	DELETE FROM personalize.parity_record AS r WHERE r.name = forget_parity.name;
	GET DIAGNOSTICS gone = ROW_COUNT;
	IF gone = 0 THEN
		RAISE EXCEPTION 'nothing is kept about parity under this name'
			USING ERRCODE = 'undefined_object', HINT = 'The view personalize.parity_records lists what is.';
	END IF;
	RETURN gone;
END
$$;
COMMENT ON FUNCTION personalize.forget_parity(text) IS 'Deletes what record_parity() has kept under a name; returns how many answers';

CREATE OR REPLACE VIEW personalize.parity_records AS
	SELECT r.record_no, r.name, r.recorded_at, r.recorded_by, r.about, r.metric, r.purpose, r.relation_name, r.attribute, r.since, r.until, r.confidence, r.groups_hidden,
		f.measure, coalesce(f."group", f.said) AS group_value, f.persons, coalesce(f.rate, f.value) AS value, f.ratio, f.four_fifths, f.difference, f.low, f.high
	FROM personalize.parity_record AS r LEFT JOIN LATERAL pg_catalog.jsonb_to_recordset(r.figures)
		AS f (measure text, "group" text, said text, persons bigint, rate double precision, value double precision, ratio double precision, four_fifths boolean,
			difference double precision, low double precision, high double precision) ON true;
COMMENT ON VIEW personalize.parity_records IS
	'What record_parity() has kept, a line for each measure and group that was not suppressed';
