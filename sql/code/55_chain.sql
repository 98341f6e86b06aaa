/*
 * The chain over the record of use: is anything changed, missing or added?
 */
CREATE OR REPLACE FUNCTION personalize.audit_flush_internal() RETURNS void
	LANGUAGE c VOLATILE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'personalize_audit_flush';
COMMENT ON FUNCTION personalize.audit_flush_internal() IS
	'Has on disk what can be read of the record of use';

CREATE OR REPLACE FUNCTION personalize.audit_head()
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	head text := (SELECT b.batch_no || ':' || b.total || ':' || encode(b.head, 'hex')
		FROM personalize.audit_batch AS b ORDER BY b.batch_no DESC LIMIT 1);
BEGIN
	/* what is kept elsewhere must not be taken back by a crash */
	PERFORM personalize.audit_flush_internal();
	RETURN coalesce(head, '0:0:' || repeat('0', 64));
END
$$;
COMMENT ON FUNCTION personalize.audit_head() IS
	'The anchor to keep elsewhere: batch, rows and state of the chain. verify_audit(anchor) tells later whether the record still goes back to it';

CREATE OR REPLACE FUNCTION personalize.audit_verify_internal(anchor_batch bigint, anchor_total bigint, anchor_head bytea,
	OUT ok boolean, OUT rows_checked bigint, OUT first_bad bigint, OUT reason text)
LANGUAGE c STABLE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'personalize_audit_verify';
COMMENT ON FUNCTION personalize.audit_verify_internal(bigint, bigint, bytea) IS
	'Computes the chain anew; does the work of verify_audit()';

CREATE OR REPLACE FUNCTION personalize.verify_audit(anchor text, OUT ok boolean, OUT rows_checked bigint,
	OUT first_bad bigint)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET work_mem = '64MB'
AS $$
DECLARE
	part text[] := pg_catalog.regexp_match(anchor, '^([0-9]{1,18}):([0-9]{1,18}):([0-9a-f]{64})$');
	reason text;
BEGIN
	IF anchor IS NOT NULL AND part IS NULL THEN
		RAISE EXCEPTION 'this is not an anchor of the audit'
			USING ERRCODE = 'invalid_parameter_value',
				HINT = 'Give what audit_head() has returned, or what the server log shows as head of the audit.';
	END IF;
	SELECT v.ok, v.rows_checked, v.first_bad, v.reason INTO ok, rows_checked, first_bad, reason
		FROM personalize.audit_verify_internal(part[1]::bigint, part[2]::bigint, pg_catalog.decode(part[3], 'hex')) AS v;
	IF NOT ok THEN
		RAISE WARNING 'the record of use was tampered with: %', reason;
	END IF;
END
$$;
COMMENT ON FUNCTION personalize.verify_audit(text) IS
	'Computes the chain over the record of use anew. first_bad is the usage_id at which it does not fit: a row that was changed or added, or the next one after a row that is missing';

CREATE OR REPLACE FUNCTION personalize.verify_audit(OUT ok boolean, OUT rows_checked bigint, OUT first_bad bigint)
LANGUAGE sql STABLE PARALLEL UNSAFE CALLED ON NULL INPUT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT v.ok, v.rows_checked, v.first_bad FROM personalize.verify_audit(NULL::text) AS v
$$;
COMMENT ON FUNCTION personalize.verify_audit() IS
	'Computes the chain over the record of use anew; with what audit_head() has returned before as its argument, it also finds that the record was cut off or made anew as a whole';
