/*
 * Uses on standbys: their logs are taken into the record of use.
 */

CREATE OR REPLACE FUNCTION personalize.standby_log_head_internal(content bytea, known bigint, OUT log_id bigint, OUT log_no bigint,
	OUT node text, OUT previous_id bigint, OUT previous_bytes bigint, OUT good bigint, OUT link bytea)
LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'personalize_standby_log_head';
COMMENT ON FUNCTION personalize.standby_log_head_internal(bytea, bigint) IS
	'What the log of a standby says of itself, how many bytes of it fit its chain, and the state of the chain after so many';

CREATE OR REPLACE FUNCTION personalize.standby_log_send_internal(content bytea, known bigint, gap text, last boolean)
RETURNS bigint
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'personalize_standby_log_send';
COMMENT ON FUNCTION personalize.standby_log_send_internal(bytea, bigint, text, boolean) IS
	'Puts the records of the log of a standby after so many bytes into the write-ahead log';

CREATE OR REPLACE FUNCTION personalize.standby_ended_internal()
RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	run record;
	crashed bigint := 0;
BEGIN
	/* a file of a later run follows, or it was said to be the last */
	FOR run IN
		SELECT l.boot_id, max(l.seen_at) AS seen_at
		FROM personalize.standby_log AS l
		WHERE NOT l.ended
		GROUP BY l.boot_id
		HAVING EXISTS (SELECT FROM personalize.standby_log AS x WHERE x.boot_id = l.boot_id AND x.last) OR EXISTS (SELECT FROM personalize.standby_log AS p
			JOIN personalize.standby_log AS n ON n.previous_id = p.log_id AND NOT n.copied
			WHERE p.boot_id = l.boot_id AND n.boot_id <> p.boot_id)
		ORDER BY 2
	LOOP
		UPDATE personalize.standby_log AS l SET ended = true WHERE l.boot_id = run.boot_id;
		crashed := crashed + personalize.audit_crash_internal(NULL, run.seen_at, run.boot_id);
	END LOOP;
	RETURN crashed;
END
$$;
COMMENT ON FUNCTION personalize.standby_ended_internal() IS
	'Closes what runs of standbys have left open that are known to be over; for the audit worker';

CREATE OR REPLACE FUNCTION personalize.ingest_standby_log(content bytea, allow_gap boolean DEFAULT false, last boolean DEFAULT false)
RETURNS bigint
LANGUAGE plpgsql VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	head record;
	known personalize.standby_log;
	gap text;
	unread bigint;
	sent bigint;
BEGIN
	IF ingest_standby_log.content IS NULL THEN
		RAISE EXCEPTION 'the log of a standby must not be null'
			USING ERRCODE = 'null_value_not_allowed', HINT = 'Pass the contents of a file of personalize.standby_log_directory of the standby, for example by pg_read_binary_file().';
	END IF;
	IF pg_is_in_recovery() THEN
		RAISE EXCEPTION 'cannot take in the log of a standby during recovery'
			USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Run it on the primary server.';
	END IF;
	SELECT * INTO head FROM personalize.standby_log_head_internal(ingest_standby_log.content, 0);
	PERFORM personalize.progress_internal('ingest_standby_log', 'waiting for the audit worker');
	/* one at a time; the worker is not in the way */
	LOCK TABLE personalize.standby_log IN SHARE UPDATE EXCLUSIVE MODE;
	/* what a call before this one has sent */
	PERFORM personalize.audit_sync();
	SELECT * INTO known FROM personalize.standby_log AS l WHERE l.log_id = head.log_id;
	IF known.log_id IS NULL THEN
		known.bytes := 0;
		IF head.previous_bytes > 0 AND NOT EXISTS (SELECT FROM personalize.standby_log AS l
			WHERE l.log_id = head.previous_id AND l.bytes >= head.previous_bytes)
		THEN
			IF ingest_standby_log.allow_gap IS NOT TRUE THEN
				RAISE EXCEPTION 'records before this file of the log of a standby were not taken in'
					USING ERRCODE = 'object_not_in_prerequisite_state',
						DETAIL = CASE WHEN head.previous_id = 0 THEN 'The file before it could not be read when this one was begun.'
							ELSE format('It follows a file of which %s bytes are wanted, and %s are there.', head.previous_bytes,
								coalesce((SELECT l.bytes FROM personalize.standby_log AS l WHERE l.log_id = head.previous_id), 0)) END,
						HINT = 'Take in the files in the order of their numbers. If one is lost, pass allow_gap => true: that goes on record.';
			END IF;
			gap := format('records of uses of standby "%s" before file %s of its log are missing', personalize.shown_internal(head.node), head.log_no);
		END IF;
	ELSIF head.good >= known.bytes THEN
		/* what was taken in is still what the file says */
		SELECT h.link INTO head.link FROM personalize.standby_log_head_internal(ingest_standby_log.content, known.bytes) AS h;
		IF head.link IS DISTINCT FROM known.link THEN
			RAISE EXCEPTION 'this file of the log of a standby is not the one that was taken in before'
				USING ERRCODE = 'invalid_parameter_value', HINT = 'Somebody has changed it, or the table personalize.standby_log.';
		END IF;
	ELSE
		/* an older copy */
		PERFORM personalize.progress_internal('ingest_standby_log', NULL);
		RETURN 0;
	END IF;
	unread := octet_length(ingest_standby_log.content) - head.good;
	IF unread > 0 AND ingest_standby_log.last AND ingest_standby_log.allow_gap IS NOT TRUE THEN
		RAISE EXCEPTION 'the last % bytes of this file of the log of a standby cannot be read', unread
			USING ERRCODE = 'data_corrupted', DETAIL = 'They were being written when the server went down, or somebody has changed the file.',
				HINT = 'Look for an unchanged copy. If there is none, pass allow_gap => true: that goes on record.';
	ELSIF unread > 0 AND ingest_standby_log.last THEN
		gap := concat_ws('; ', gap, format('%s bytes at the end of file %s of the log of standby "%s" cannot be read', unread, head.log_no, personalize.shown_internal(head.node)));
	ELSIF unread > 0 THEN
		RAISE WARNING 'the last % bytes of this file of the log of a standby cannot be read', unread
			USING DETAIL = 'They are being written, or were when the server went down, or somebody has changed the file.',
				HINT = 'The next file tells. If there will be none, pass last => true.';
	END IF;
	sent := personalize.standby_log_send_internal(ingest_standby_log.content, known.bytes, coalesce(gap, ''), coalesce(ingest_standby_log.last, false));
	PERFORM personalize.progress_internal('ingest_standby_log', 'waiting for the audit worker');
	PERFORM personalize.audit_sync();
	PERFORM personalize.progress_internal('ingest_standby_log', NULL);
	RETURN sent;
END
$$;
COMMENT ON FUNCTION personalize.ingest_standby_log(bytea, boolean, boolean) IS
	'Takes what a standby has recorded of uses into the record of use, given a file of its log; what was taken in before is passed over';

CREATE OR REPLACE FUNCTION personalize.standby_age()
RETURNS interval
LANGUAGE c VOLATILE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'personalize_standby_age';
COMMENT ON FUNCTION personalize.standby_age() IS
	'How old what a standby knows of consent may be, see personalize.max_replay_lag; zero on a primary server, NULL where it is not known';
