/*
 * What is kept no longer of what people were shown and did, and of who is kept back; the
 * rights worker does it in batches (retention_batch_internal()).
 *
 * Exposures and outcomes are kept as long as their purpose says (define_purpose()), or
 * for ever; exposures no longer than set_exposure_retention() says.  No exposure goes
 * that a frequency cap counts, and nothing of whom a legal hold is on.
 */

CREATE OR REPLACE FUNCTION personalize.set_exposure_retention(keep_for interval)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	PERFORM personalize.registry_begin_internal();
	IF set_exposure_retention.keep_for IS NULL THEN
		DELETE FROM personalize.exposure_retention;
		RETURN;
	END IF;
	PERFORM personalize.check_period_internal('keep_for', set_exposure_retention.keep_for);
	IF EXISTS (SELECT FROM personalize.frequency_cap AS c WHERE c.per > set_exposure_retention.keep_for) THEN
		RAISE EXCEPTION 'exposures must be kept as long as a frequency cap counts them'
			USING ERRCODE = 'invalid_parameter_value', HINT = 'See the view personalize.frequency_caps.';
	END IF;
	INSERT INTO personalize.exposure_retention (keep_for, set_by) VALUES (set_exposure_retention.keep_for, session_user)
		ON CONFLICT (only_row) DO UPDATE SET keep_for = EXCLUDED.keep_for, set_at = clock_timestamp(), set_by = EXCLUDED.set_by, swept_at = NULL;
END
$$;
COMMENT ON FUNCTION personalize.set_exposure_retention(interval) IS
	'How long it is kept what people were shown, as long as the longest frequency cap at least; NULL: for ever';

CREATE OR REPLACE FUNCTION personalize.ago_internal(period interval)
RETURNS timestamptz
LANGUAGE sql VOLATILE PARALLEL SAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
	/* in UTC, as frequency caps count */
	SELECT (clock_timestamp() AT TIME ZONE interval '0' - $1) AT TIME ZONE interval '0'
$$;
COMMENT ON FUNCTION personalize.ago_internal(interval) IS 'So long before now';

CREATE OR REPLACE FUNCTION personalize.purpose_due_internal()
RETURNS integer
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT p.purpose_id FROM personalize.registry_purpose AS p LEFT JOIN personalize.purpose_sweep AS s ON s.purpose_id = p.purpose_id
	WHERE p.retention IS NOT NULL AND (s.swept_at IS NULL OR s.swept_at < clock_timestamp() - interval '1 hour')
	ORDER BY p.purpose_id LIMIT 1
$$;
COMMENT ON FUNCTION personalize.purpose_due_internal() IS 'A purpose whose old exposures and outcomes must be looked for; the first';

CREATE OR REPLACE FUNCTION personalize.purpose_batch_internal(purpose_id integer, rows integer)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	kept timestamptz;		/* what is older goes */
	counted timestamptz;	/* ... unless a cap may count it */
	exposures bigint;
	outcomes bigint := 0;
BEGIN
	SELECT personalize.ago_internal(p.retention), (SELECT min(personalize.ago_internal(c.per)) FROM personalize.frequency_cap AS c WHERE c.purpose_id = p.purpose_id)
		INTO STRICT kept, counted FROM personalize.registry_purpose AS p WHERE p.purpose_id = purpose_batch_internal.purpose_id;
	PERFORM personalize.progress_internal('retention sweep', 'deleting rows', relation => 'personalize.exposure'::regclass);
	DELETE FROM personalize.exposure AS e WHERE e.ctid = ANY (ARRAY(SELECT x.ctid FROM personalize.exposure AS x
		WHERE x.purpose_id = purpose_batch_internal.purpose_id AND x.at < least(kept, counted)
			AND NOT EXISTS (SELECT FROM personalize.hold AS h WHERE h.subject_no = x.subject_no AND h.relation IS NULL AND h.released_at IS NULL)
		LIMIT purpose_batch_internal.rows FOR UPDATE SKIP LOCKED));
	GET DIAGNOSTICS exposures = ROW_COUNT;
	IF exposures = 0 THEN
		PERFORM personalize.progress_internal('retention sweep', 'deleting rows', relation => 'personalize.outcome'::regclass);
		DELETE FROM personalize.outcome AS o WHERE o.ctid = ANY (ARRAY(SELECT x.ctid FROM personalize.outcome AS x JOIN personalize.metric AS m ON m.metric_id = x.metric_id
			WHERE m.purpose_id = purpose_batch_internal.purpose_id AND x.at < kept
				AND NOT EXISTS (SELECT FROM personalize.hold AS h WHERE h.subject_no = x.subject_no AND h.relation IS NULL AND h.released_at IS NULL)
			LIMIT purpose_batch_internal.rows FOR UPDATE OF x SKIP LOCKED));
		GET DIAGNOSTICS outcomes = ROW_COUNT;
	END IF;
	INSERT INTO personalize.purpose_sweep AS s (purpose_id, exposures_swept, outcomes_swept, swept_at)
		VALUES (purpose_id, exposures, outcomes, CASE WHEN exposures + outcomes = 0 THEN clock_timestamp() END)
		ON CONFLICT ON CONSTRAINT purpose_sweep_pkey DO UPDATE SET exposures_swept = s.exposures_swept + EXCLUDED.exposures_swept,
			outcomes_swept = s.outcomes_swept + EXCLUDED.outcomes_swept, swept_at = coalesce(EXCLUDED.swept_at, s.swept_at);
	PERFORM personalize.progress_internal('retention sweep', 'deleting rows', more => exposures + outcomes);
END
$$;
COMMENT ON FUNCTION personalize.purpose_batch_internal(integer, integer) IS
	'Deletes so many exposures or outcomes of a purpose that it keeps no longer';

CREATE OR REPLACE FUNCTION personalize.sweep_due_internal()
RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	/* an hour later nobody looks at the end of a suppression as something that is to come */
	SELECT EXISTS (SELECT FROM personalize.suppression AS s WHERE s.until < clock_timestamp() - interval '1 hour')
		OR personalize.purpose_due_internal() IS NOT NULL
		OR EXISTS (SELECT FROM personalize.exposure_retention AS r WHERE r.swept_at IS NULL OR r.swept_at < clock_timestamp() - interval '1 hour')
		OR personalize.exclusion_due_internal() IS NOT NULL
$$;
COMMENT ON FUNCTION personalize.sweep_due_internal() IS
	'Is anything of what people were shown and did, or of who is kept back, to be looked at by the rights worker?';

CREATE OR REPLACE FUNCTION personalize.sweep_batch_internal(rows integer)
RETURNS boolean
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	kept personalize.exposure_retention;
	ends timestamptz;
	due integer;
	n bigint;
BEGIN
	PERFORM personalize.progress_internal('retention sweep', 'deleting rows', relation => 'personalize.suppression'::regclass);
	/* one that is just prolonged is left alone */
	DELETE FROM personalize.suppression AS s WHERE s.ctid = ANY (ARRAY(SELECT x.ctid FROM personalize.suppression AS x
		WHERE x.until < clock_timestamp() - interval '1 hour' LIMIT sweep_batch_internal.rows FOR UPDATE SKIP LOCKED));
	IF FOUND THEN
		GET DIAGNOSTICS n = ROW_COUNT;
		PERFORM personalize.progress_internal('retention sweep', 'deleting rows', more => n);
		RETURN true;
	END IF;
	SELECT r.* INTO kept FROM personalize.exposure_retention AS r WHERE r.swept_at IS NULL OR r.swept_at < clock_timestamp() - interval '1 hour';
	IF kept.only_row THEN
		/* a cap of a month counts for longer than 30 days where it matters */
		PERFORM personalize.progress_internal('retention sweep', 'deleting rows', relation => 'personalize.exposure'::regclass);
		ends := least(personalize.ago_internal(kept.keep_for), (SELECT min(personalize.ago_internal(c.per)) FROM personalize.frequency_cap AS c));
		DELETE FROM personalize.exposure AS e WHERE e.ctid = ANY (ARRAY(SELECT x.ctid FROM personalize.exposure AS x
			WHERE x.at < ends
				AND NOT EXISTS (SELECT FROM personalize.hold AS h WHERE h.subject_no = x.subject_no AND h.relation IS NULL AND h.released_at IS NULL)
			LIMIT sweep_batch_internal.rows FOR UPDATE SKIP LOCKED));
		GET DIAGNOSTICS n = ROW_COUNT;
		PERFORM personalize.progress_internal('retention sweep', 'deleting rows', more => n);
		UPDATE personalize.exposure_retention AS r SET rows_swept = r.rows_swept + n, swept_at = CASE WHEN n = 0 THEN clock_timestamp() ELSE r.swept_at END;
		RETURN true;
	END IF;
	due := personalize.purpose_due_internal();
	IF due IS NOT NULL THEN
		PERFORM personalize.purpose_batch_internal(due, sweep_batch_internal.rows);
		RETURN true;
	END IF;
	RETURN false;
END
$$;
COMMENT ON FUNCTION personalize.sweep_batch_internal(integer) IS
	'Takes so many rows away that are kept no longer of what people were shown and did, and of who is kept back; false if nothing is due';
