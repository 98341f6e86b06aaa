/*
 * What is kept no longer of what people were shown, and of who is kept back; the rights
 * worker does it in batches (retention_batch_internal()).
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
	IF set_exposure_retention.keep_for <= interval '0' THEN
		RAISE EXCEPTION 'keep_for must be longer than nothing' USING ERRCODE = 'invalid_parameter_value', HINT = 'NULL keeps exposures for ever.';
	END IF;
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

CREATE OR REPLACE FUNCTION personalize.sweep_due_internal()
RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	/* an hour later nobody looks at the end of a suppression as something that is to come */
	SELECT EXISTS (SELECT FROM personalize.suppression AS s WHERE s.until < clock_timestamp() - interval '1 hour')
		OR EXISTS (SELECT FROM personalize.exposure_retention AS r WHERE r.swept_at IS NULL OR r.swept_at < clock_timestamp() - interval '1 hour')
		OR personalize.exclusion_due_internal() IS NOT NULL
$$;
COMMENT ON FUNCTION personalize.sweep_due_internal() IS
	'Is anything of what people were shown, or of who is kept back, to be looked at by the rights worker?';

CREATE OR REPLACE FUNCTION personalize.sweep_batch_internal(rows integer)
RETURNS boolean
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	kept personalize.exposure_retention;
	n bigint;
BEGIN
	/* one that is just prolonged is left alone */
	DELETE FROM personalize.suppression AS s WHERE s.ctid = ANY (ARRAY(SELECT x.ctid FROM personalize.suppression AS x
		WHERE x.until < clock_timestamp() - interval '1 hour' LIMIT sweep_batch_internal.rows FOR UPDATE SKIP LOCKED));
	IF FOUND THEN
		RETURN true;
	END IF;
	SELECT r.* INTO kept FROM personalize.exposure_retention AS r WHERE r.swept_at IS NULL OR r.swept_at < clock_timestamp() - interval '1 hour';
	IF kept.only_row THEN
		DELETE FROM personalize.exposure AS e WHERE e.ctid = ANY (ARRAY(SELECT x.ctid FROM personalize.exposure AS x
			WHERE x.at < clock_timestamp() - kept.keep_for
				AND NOT EXISTS (SELECT FROM personalize.hold AS h WHERE h.subject_no = x.subject_no AND h.relation IS NULL AND h.released_at IS NULL)
			LIMIT sweep_batch_internal.rows FOR UPDATE SKIP LOCKED));
		GET DIAGNOSTICS n = ROW_COUNT;
		UPDATE personalize.exposure_retention AS r SET rows_swept = r.rows_swept + n, swept_at = CASE WHEN n = 0 THEN clock_timestamp() ELSE r.swept_at END;
		RETURN true;
	END IF;
	RETURN personalize.exclusion_batch_internal();
END
$$;
COMMENT ON FUNCTION personalize.sweep_batch_internal(integer) IS
	'Takes so many rows away that are kept no longer of what people were shown, and of who is kept back; false if nothing is due';
